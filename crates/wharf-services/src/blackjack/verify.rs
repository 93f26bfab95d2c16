//! Deals a round again from what was said, and compares; and sees to it that everything
//! was said in the order that makes the cards fair.
//!
//! Each line may come only where nobody can use what it says to choose cards:
//!
//! ```text
//!         BET             NONCE         CARD ACT HOLE PAY
//!        ┌────┐          ┌─────┐        ┌─────────────┐
//!  BETS ─▶ betting ─────▶ sealed ─ DEAL ─▶ dealt ─ SEED ─▶ told ─ END ─▶ verdict
//!            │  REVEAL,     │ VOID          ▲                ▲
//!            │  NONCE       └──────▶ void ──┼────── SEED ────┘
//!            └──────────── DEAL ────────────┘   (no nonce is hidden)
//! ```
//! - The commitment comes before the own nonce is sent in the clear: another `BETS` before
//!   the `END` is wrong, and so is a bet with an open nonce that was sent before `BETS`.
//! - No bet comes when a nonce may have been revealed, and none twice for a name or seat.
//! - A round is void only when nonces were asked for, none was dealt, and those who are
//!   named, and nobody else, have not given theirs.
//! - What is told again, from `BETS` on, is what was told, in the same order, and goes on
//!   from there; `SEAT`, `TURN`, `BALANCE` and `NO` are told to one player and not again.
//! - Only a `WELCOME` that was asked for excuses a round without an end: whoever was away
//!   missed it. With a bet of its own that is a doubt, else it is not judged.
//! - What a player said itself is what is done for it: bet, nonce, seat, company, hands; and
//!   after the `END` it is told that it has what it must have.
//! - What was done for a player while it was away, it said before, or it is a doubt; and so
//!   is it if it is welcomed with fewer chips than it had.
//! - What crossed on the way accuses nobody. A transcript has no clock, so what came too
//!   late, as the server says, is a doubt: such a round is neither fair nor forged.
//!
//! Layout: `verdict` is what comes out, `open` what the whole table was told, `own` what one
//! player said and was told alone, `asked` how many of its requests may have been answered,
//! `refusal` which of them can be refused, `clear` which of its nonces were known.

mod asked;
mod clear;
mod open;
mod own;
mod refusal;
#[cfg(test)]
mod tests;
mod verdict;

use super::grammar::Reply;
use open::{Open, fields};
use own::Own;
use verdict::{Finding, Findings};

pub use verdict::{Doubt, Kind, Problem, Verdict};

/// Reads a transcript line by line, and judges each round at its end.
///
/// It is bounded, whatever it is told: 4,096 lines of a round, 256 requests that are not
/// answered, as many that were in flight when a connection ended, and 256 nonces are kept.
///
/// ```
/// use wharf_services::blackjack::Verifier;
///
/// let mut verifier = Verifier::default();
/// assert!(verifier.hear("BLACKJACK 1 6 500 -- hello").is_none());
/// assert!(verifier.finish().is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    own: Own,
    open: Option<Open>,
    /// A round that is over; the balance is still to come.
    over: Option<Verdict>,
    /// What was wrong between rounds; it is told with the next one.
    between: Findings,
    /// The round that began last.
    last: u64,
}

impl Verifier {
    /// Takes a line of the client, given without its end, when it is sent. All of them,
    /// once each and in their order, or none: what was not said must not be done, and what
    /// was said is answered.
    pub fn say(&mut self, line: &str) {
        self.own.say(line);
    }

    /// Takes a line of the server, given without its end; gives a verdict when a round is
    /// over, and for whoever took part in it when it has heard its balance, which is the
    /// line after `END`.
    pub fn hear(&mut self, line: &str) -> Option<Verdict> {
        let reply = Reply::parse(line)?;
        let over = self.over.take();
        let finding = match reply {
            Reply::Balance(told) => {
                if self.own.is_told_again() {
                    self.end_retelling(&reply);
                    self.settle();
                }
                self.own.balance(told)
            }
            _ => None,
        };
        let verdict = match over {
            Some(mut over) => {
                let finding = finding.or_else(|| missing(&reply));
                over.add_all(finding.into_iter().collect());
                self.take(&reply);
                Some(over)
            }
            None => {
                self.note_wrong(finding);
                self.take(&reply)
            }
        };
        self.own.note(&reply);
        verdict
    }

    /// The verdict on a round that was not over at the end of the transcript, or on what
    /// was wrong after the last one: then it has no players.
    pub fn finish(mut self) -> Option<Verdict> {
        self.settle();
        let open = self.open.filter(Open::is_worth_a_word);
        let mut verdict = self
            .over
            .or_else(|| open.map(|open| self.own.cut_short(open)));
        if verdict.is_none() && !self.between.is_empty() {
            verdict = Some(Verdict::unfinished(self.last));
        }
        if let Some(verdict) = &mut verdict {
            verdict.add_all(self.between);
        }
        verdict
    }

    fn take(&mut self, reply: &Reply<'_>) -> Option<Verdict> {
        let mut finding = None;
        match *reply {
            Reply::Bets {
                round,
                decks,
                commitment,
            } => return self.begin(reply, round, decks, commitment),
            Reply::End(round) => return self.end(reply, round),
            Reply::Idle => return self.idle(reply),
            Reply::Greeting { .. } => {
                self.settle();
                self.own.greeted();
            }
            Reply::Welcome { .. } => {
                self.settle();
                finding = self.own.welcome(reply);
            }
            Reply::Seat { seat, .. } => finding = self.own.sit(reply, seat),
            Reply::Leaving => finding = self.own.leaving(reply),
            Reply::No(no) => finding = self.own.refused(reply, no, self.open.as_ref()),
            Reply::Top(_) | Reply::Help(_) => self.own.told(reply),
            Reply::Turn {
                name, hand, can, ..
            } => {
                self.end_retelling(reply);
                self.own.turn(name, hand, can);
            }
            Reply::Closing(_) => {
                self.end_retelling(reply);
                self.own.is_told();
            }
            Reply::Reveal(_) => {
                if let Some(open) = &mut self.open {
                    open.ask(reply);
                }
                self.own.is_told();
            }
            Reply::Seed(seed) => {
                if let Some(open) = &mut self.open {
                    open.tell_seed(reply, seed);
                }
            }
            Reply::Bet { .. }
            | Reply::Nonce { .. }
            | Reply::Void { .. }
            | Reply::Deal { .. }
            | Reply::Card { .. }
            | Reply::Act { .. }
            | Reply::Hole(_)
            | Reply::Pay { .. } => {
                if let Some(open) = &mut self.open
                    && open.take(reply)
                {
                    finding = self.own.hear(reply, open);
                }
            }
            _ => {}
        }
        self.note_wrong(finding);
        None
    }

    fn settle(&mut self) {
        let finding = self.own.settle();
        self.note_wrong(finding);
    }

    fn end_retelling(&mut self, because: &Reply<'_>) {
        if let Some(open) = &mut self.open {
            open.end_retelling(because);
        }
    }

    fn note_wrong(&mut self, finding: Option<Finding>) {
        let Some(finding) = finding else { return };
        match &mut self.open {
            Some(open) => open.wrong(finding),
            None => self.between.add(finding),
        }
    }

    fn begin(
        &mut self,
        reply: &Reply<'_>,
        round: u64,
        decks: u32,
        commitment: &str,
    ) -> Option<Verdict> {
        if let Some(open) = &mut self.open
            && open.begins_again(reply)
        {
            self.own.sits_as_before();
            return None;
        }
        let at_stake = |open: &Open, own: &Own| open.has_bets() || own.awaits_bet();
        let before = self.break_off(reply, at_stake);
        self.settle();
        self.own.begin();
        let mut open = Open::new(reply, round, decks, commitment);
        open.wrong_before(std::mem::take(&mut self.between));
        self.open = Some(open);
        self.last = round;
        before
    }

    /// The seat is given up: what comes next is of another table.
    fn idle(&mut self, reply: &Reply<'_>) -> Option<Verdict> {
        let before = self.break_off(reply, |open, own| own.is_in(open));
        self.settle();
        self.own.idle();
        before
    }

    /// A round stops without an end. Whoever comes back may have missed it; else that
    /// cannot be, where something is at stake.
    fn break_off(
        &mut self,
        reply: &Reply<'_>,
        at_stake: impl Fn(&Open, &Own) -> bool,
    ) -> Option<Verdict> {
        let mut open = self.open.take()?;
        if !self.own.is_back() && at_stake(&open, &self.own) {
            let why = "comes before the round is over";
            let line = fields(reply);
            open.wrong(Problem::Order { line, why });
        }
        (open.is_wrong() || self.own.may_be_in(&open)).then(|| self.own.cut_short(open))
    }

    fn end(&mut self, reply: &Reply<'_>, round: u64) -> Option<Verdict> {
        let mut open = self.open.take()?;
        self.own.end(reply, &mut open);
        let is_paid = self.own.is_in(&open) && self.own.has_account();
        let verdict = open.end(reply, round);
        if is_paid {
            self.over = Some(verdict);
            return None;
        }
        Some(verdict)
    }
}

/// What is wrong with a line that follows an `END` and is no balance.
fn missing(reply: &Reply<'_>) -> Option<Finding> {
    let why = "comes where your balance must be told";
    let line = fields(reply);
    match reply {
        Reply::Balance(_) => None,
        // The connection ended in between.
        Reply::Greeting { .. } => Some(Doubt::Unpaid.into()),
        _ => Some(Problem::Order { line, why }.into()),
    }
}
