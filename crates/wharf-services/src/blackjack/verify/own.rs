//! What one player said itself, and whether the table did just that.

use super::asked::{Asked, Said};
use super::open::{Open, fields};
use super::verdict::{Doubt, Finding, Problem};
use crate::blackjack::cards::Chips;
use crate::blackjack::grammar::{No, Nonce, Reply, Request};
use crate::blackjack::round::Action;
use crate::games::MAX_LINE;

/// What is known of the player whose transcript it is. What it said is judged only
/// where the transcript has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    name: Option<String>,
    /// The transcript has what was said.
    is_recorded: bool,
    /// What was said, and how far the server is with it.
    asked: Asked,
    /// The server greeted, and has not welcomed the player since.
    is_stranger: bool,
    /// It came back, and was told nothing of a round since.
    pub(super) is_back: bool,
    retelling: Retelling,
    last: Last,
    seat: Option<usize>,
    /// The bet was made before it came back, perhaps in another transcript.
    is_bet_excused: bool,
    /// The hand that is asked, and whether it may double and split.
    turn: Option<(usize, [bool; 2])>,
    is_leaving: bool,
    chips: Option<Chips>,
}

/// How things stand is told from `SEAT` to `BALANCE`, with nothing in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Retelling {
    #[default]
    No,
    /// What was done up to now.
    Done,
    /// What is waited for, and the balance.
    Now,
}

/// What was heard last, where it says who the next line is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Last {
    #[default]
    Else,
    Welcome,
    /// The end of a round, and who left then.
    End,
    Help,
}

fn order(reply: &Reply<'_>, why: &'static str) -> Option<Finding> {
    let line = fields(reply);
    Some(Problem::Order { line, why }.into())
}

fn is_hidden_or_none(nonce: &str) -> bool {
    nonce == "-" || nonce.starts_with('=')
}

impl Own {
    pub(super) fn is(&self, name: &str) -> bool {
        let own = self.name.as_deref();
        own.is_some_and(|own| own.eq_ignore_ascii_case(name))
    }

    /// Whether the player takes part in a round.
    pub(super) fn is_in(&self, open: &Open) -> bool {
        self.name.as_deref().is_some_and(|name| open.has_bet(name))
    }

    /// Whether the player may take part in a round; who it is may not be known.
    pub(super) fn may_be_in(&self, open: &Open) -> bool {
        open.has_bets() && (self.name.is_none() || self.is_in(open))
    }

    /// Whether a bet of this round was sent, and is not answered.
    pub(super) fn awaits_bet(&self) -> bool {
        let fresh = |said: &Said| matches!(said, Said::Bet { is_fresh: true, .. });
        self.asked.open().any(fresh)
    }

    pub(super) fn has_account(&self) -> bool {
        self.chips.is_some()
    }

    /// Takes a line that was said.
    pub(super) fn say(&mut self, line: &str) {
        self.is_recorded = true;
        let request = Request::parse(line).filter(|_| line.len() <= MAX_LINE);
        self.asked.say(Said::of(request.as_ref()));
    }

    /// Notes what was heard, for the line after it.
    pub(super) fn note(&mut self, reply: &Reply<'_>) {
        self.last = match reply {
            Reply::Welcome { .. } => Last::Welcome,
            Reply::End(_) => Last::End,
            Reply::Balance(_) | Reply::Stood(_) if self.last == Last::End => Last::End,
            Reply::Help(_) => Last::Help,
            _ => Last::Else,
        };
    }

    /// Whether it is known what was said.
    fn judges(&self) -> bool {
        self.is_recorded && !self.asked.is_lost()
    }

    /// Whether a line can come. If it cannot, anything may have been answered.
    fn can_be(&mut self, step: impl FnOnce(&mut Asked) -> bool) -> bool {
        if !self.judges() || step(&mut self.asked) {
            return true;
        }
        self.asked.widen();
        false
    }

    /// A connection begins: what was sent on another one may never have arrived.
    pub(super) fn greeted(&mut self) {
        self.is_stranger = self.name.is_some();
        self.give_up_seat();
        self.asked.widen();
    }

    /// Logged in.
    pub(super) fn welcome(&mut self, reply: &Reply<'_>) -> Option<Finding> {
        let Reply::Welcome { name, chips, .. } = *reply else {
            return None;
        };
        let is_it =
            |said: &Said| matches!(said, Said::Hello(own) if own.eq_ignore_ascii_case(name));
        if !self.can_be(|asked| asked.answer_later(is_it)) {
            // It would forget what the player said.
            return order(reply, "was not asked for");
        }
        self.name = Some(name.to_owned());
        self.chips = Some(chips);
        self.is_back = true;
        self.is_stranger = false;
        self.give_up_seat();
        None
    }

    fn give_up_seat(&mut self) {
        self.seat = None;
        self.turn = None;
        self.is_leaving = false;
        self.retelling = Retelling::No;
        self.asked.stand_up();
    }

    /// No seat: after the end of a round, in answer to a request, or to a player that says
    /// nothing more.
    pub(super) fn idle(&mut self) {
        self.is_back = false;
        if self.last != Last::End {
            let is_it = |said: &Said| matches!(said, Said::Leave | Said::Again);
            self.asked.answer_or_end(is_it);
        }
        self.give_up_seat();
    }

    /// A seat is part of the shuffle, so it stays what it is.
    pub(super) fn sit(&mut self, reply: &Reply<'_>, seat: usize) -> Option<Finding> {
        if self.seat.is_some_and(|own| own != seat) {
            return order(reply, "is another seat than before");
        }
        self.seat = Some(seat);
        self.retelling = Retelling::Done;
        let may_be_back = self.last == Last::Welcome;
        if !self.can_be(|asked| asked.seat(may_be_back)) {
            return order(reply, "was not asked for");
        }
        None
    }

    pub(super) fn leaving(&mut self, reply: &Reply<'_>) -> Option<Finding> {
        let was_leaving = std::mem::replace(&mut self.is_leaving, true);
        let can_be = match self.retelling {
            Retelling::Done => was_leaving || self.can_be(Asked::is_news),
            _ => self.can_be(|asked| asked.answer(|said| *said == Said::Leave)),
        };
        if can_be {
            return None;
        }
        // It would stand for the player.
        order(reply, "was not asked for")
    }

    /// A round begins that was not known: bets that were sent before came too early.
    pub(super) fn begin(&mut self) {
        self.is_back = false;
        self.asked.grow_old();
        self.is_bet_excused = false;
        self.is_leaving = false;
        self.turn = None;
    }

    /// What was done is told up to here; from now on, everything is new.
    pub(super) fn is_told(&mut self) {
        if self.retelling == Retelling::Done {
            self.retelling = Retelling::Now;
        }
    }

    pub(super) fn turn(&mut self, name: &str, hand: usize, can: [bool; 2]) {
        self.is_told();
        self.turn = self.is(name).then_some((hand, can));
    }

    /// What is answered and changes nothing; without a request it is not judged.
    pub(super) fn told(&mut self, reply: &Reply<'_>) {
        match reply {
            Reply::Top(_) => drop(self.asked.answer(|said| *said == Said::Top)),
            Reply::Help(_) if self.last == Last::Help => {
                self.asked.perhaps_answer(|said| *said == Said::Help);
            }
            Reply::Help(_) => drop(self.asked.answer(|said| *said == Said::Help)),
            _ => {}
        }
    }

    /// Something was refused: what comes next, if it can be refused so.
    pub(super) fn refused(
        &mut self,
        reply: &Reply<'_>,
        no: No,
        open: Option<&Open>,
    ) -> Option<Finding> {
        let turn = self.turn.map(|(_, can)| can);
        // Who has lost its connection may have missed that the round is over.
        let name = self.name.as_deref().filter(|_| self.seat.is_some());
        let asks_for = |nonce: &str| {
            let both = open.zip(name);
            both.is_some_and(|(open, name)| open.asks_for(name, nonce))
        };
        let is_it = |said: &Said| can_refuse(no, said, turn, asks_for);
        let is_answer = !self.judges() || self.asked.answer(is_it);
        // In its turn it is nobody else's.
        let is_lie = no == No::Turn && turn.is_some();
        if !is_lie && (is_answer || is_harmless(no)) {
            return None;
        }
        self.asked.widen();
        let of_a_turn = matches!(no, No::Turn | No::Hand | No::Chips);
        order(
            reply,
            match turn {
                Some(_) if of_a_turn => "comes in your turn, and it can be done",
                _ => "was not asked for, or it can be done",
            },
        )
    }

    /// Takes something new that the whole table is told.
    pub(super) fn hear(&mut self, reply: &Reply<'_>, open: &Open) -> Option<Finding> {
        if std::mem::take(&mut self.is_stranger) {
            return order(reply, "comes before you are welcomed");
        }
        match *reply {
            Reply::Bet {
                seat,
                name,
                chips,
                nonce,
            } if self.is(name) => self.bet(reply, seat, chips, nonce),
            Reply::Bet { .. } if !self.can_be(Asked::has_company) => {
                order(reply, "is of somebody else, at a table of your own")
            }
            Reply::Nonce { name, nonce, .. } if self.is(name) => self.nonce(reply, nonce),
            Reply::Void { name, .. } if self.is(name) => {
                let sent = |said: &Said| matches!(said, Said::Reveal { nonce, .. } if open.hides(name, nonce));
                let late = self.judges() && self.asked.open().any(sent);
                late.then(|| Doubt::Late("REVEAL".to_owned()).into())
            }
            Reply::Act { name, hand, action } if self.is(name) => {
                self.act(reply, hand, action, open.stake_of(name))
            }
            Reply::Pay { name, paid, .. } if self.is(name) => {
                self.receive(paid);
                None
            }
            _ => None,
        }
    }

    /// Something of its own that it is told when it comes back; there was nothing new if
    /// it was not away.
    fn news(&mut self, reply: &Reply<'_>) -> Option<Finding> {
        let is_news = self.can_be(Asked::is_news);
        (!is_news).then(|| Problem::Own(fields(reply)).into())
    }

    fn bet(
        &mut self,
        reply: &Reply<'_>,
        seat: usize,
        own: Chips,
        shown: Nonce<'_>,
    ) -> Option<Finding> {
        if self.seat.is_some_and(|own| own != seat) {
            return order(reply, "is not at your seat");
        }
        if self.retelling == Retelling::Done {
            self.is_bet_excused = true;
            // `WELCOME` has told what is left after it.
            return self.news(reply);
        }
        self.pay(own);
        let shown = shown.to_string();
        let age = |said: &Said| match said {
            Said::Bet {
                stake,
                nonce,
                is_fresh,
            } => (*stake == own && *nonce == shown).then_some(*is_fresh),
            _ => None,
        };
        // What nobody knows yet can be hidden before the commitment comes.
        self.sent(reply, age)
            .filter(|finding| matches!(finding, Finding::Problem(_)) || !is_hidden_or_none(&shown))
    }

    fn nonce(&mut self, reply: &Reply<'_>, shown: &str) -> Option<Finding> {
        if self.retelling == Retelling::Done {
            return self.news(reply);
        }
        let age = |said: &Said| match said {
            Said::Reveal { nonce, is_fresh } => (nonce == shown).then_some(*is_fresh),
            _ => None,
        };
        self.sent(reply, age)
    }

    /// Something came that must have been sent, and since the round began, which `age`
    /// tells.
    fn sent(&mut self, reply: &Reply<'_>, age: impl Fn(&Said) -> Option<bool>) -> Option<Finding> {
        if !self.judges() {
            return None;
        }
        let is_early = self.asked.next().any(|said| age(said) == Some(false));
        if !self.can_be(|asked| asked.answer(|said| age(said).is_some())) {
            return Some(Problem::Own(fields(reply)).into());
        }
        is_early.then(|| Doubt::Early(fields(reply)).into())
    }

    fn act(
        &mut self,
        reply: &Reply<'_>,
        hand: usize,
        action: Action,
        price: Chips,
    ) -> Option<Finding> {
        let was_asked = self.turn.take().is_some_and(|(asked, _)| asked == hand);
        if self.retelling == Retelling::Done {
            return self.news(reply);
        }
        if matches!(action, Action::Double | Action::Split) {
            self.pay(price);
        }
        let stands = action == Action::Stand;
        // Whoever leaves stands and is not asked.
        if self.is_leaving && stands {
            return None;
        }
        if !was_asked {
            return order(reply, "comes without your turn");
        }
        if !self.judges() {
            return None;
        }
        let is_it = |said: &Said| *said == Said::Act(action);
        if stands {
            // It was told to, or the time was up.
            let late = self.asked.first_acts().find(|act| *act != action);
            self.asked.perhaps_answer(is_it);
            return late.map(|act| Doubt::Late(act.word().to_owned()).into());
        }
        let was_sent = self.can_be(|asked| asked.answer(is_it));
        (!was_sent).then(|| Problem::Own(fields(reply)).into())
    }

    /// The end of a round: what is given back, if it was void.
    pub(super) fn end(&mut self, reply: &Reply<'_>, open: &mut Open) {
        if std::mem::take(&mut self.retelling) != Retelling::No {
            let why = "comes before your balance was told";
            let line = fields(reply);
            open.wrong(Problem::Order { line, why });
        }
        if let Some(name) = &self.name {
            let back = open.given_back(name);
            self.receive(back);
        }
        self.turn = None;
        if self.may_be_in(open) && self.asked.is_lost() {
            open.wrong(Doubt::Flood);
        }
        // Who has a bet from before has a seat, and asked for one.
        let is_sit = |said: &Said| matches!(said, Said::Sit { .. });
        if self.is_bet_excused && self.judges() && self.asked.awaits(is_sit) {
            open.wrong(Doubt::Late("SIT".to_owned()));
        }
    }

    fn pay(&mut self, chips: Chips) {
        if let Some(own) = &mut self.chips {
            *own -= chips;
        }
    }

    fn receive(&mut self, chips: Chips) {
        if let Some(own) = &mut self.chips {
            *own += chips;
        }
    }

    /// Whether how things stand is being told.
    pub(super) fn is_told_again(&self) -> bool {
        self.retelling != Retelling::No
    }

    /// How many chips there are: more, when some were bought, but never fewer.
    pub(super) fn balance(&mut self, told: Chips) -> Option<Finding> {
        if self.retelling != Retelling::No {
            self.retelling = Retelling::No;
            self.asked.end_retelling();
        } else if self.last != Last::End {
            let is_it = |said: &Said| matches!(said, Said::Balance | Said::Buy);
            self.asked.answer(is_it);
        }
        let expected = self.chips.replace(told).filter(|own| told < *own)?;
        Some(Problem::Balance { expected, told }.into())
    }
}

/// Whether a refusal can be about a request, in one's turn (with whether one can double
/// and split) or outside.
fn can_refuse(
    no: No,
    said: &Said,
    turn: Option<[bool; 2]>,
    asks_for: impl Fn(&str) -> bool,
) -> bool {
    match (no, said) {
        (No::Request | No::Line, said) => *said == Said::Else,
        (No::Name | No::InUse | No::LoggedIn | No::Full, said) => {
            matches!(said, Said::Hello(_))
        }
        (No::Login, Said::Hello(_) | Said::Help | Said::Bye | Said::Else) => false,
        (No::Login | No::Seat | No::Turn, Said::Act(_)) => turn.is_none(),
        (No::Hand, Said::Act(Action::Hit | Action::Stand)) => turn.is_none(),
        (No::Hand | No::Chips, Said::Act(Action::Double)) => turn.is_none_or(|[double, _]| !double),
        (No::Hand | No::Chips, Said::Act(Action::Split)) => turn.is_none_or(|[_, split]| !split),
        (No::Login | No::Seat | No::NotNow | No::Nonce, Said::Reveal { nonce, .. }) => {
            !asks_for(nonce)
        }
        (No::Login, _) => true,
        (No::Seat, said) => matches!(said, Said::Bet { .. } | Said::Leave),
        (No::NotNow, said) => matches!(said, Said::Sit { .. } | Said::Bet { .. }),
        (No::Table, said) => matches!(said, Said::Sit { .. }),
        (No::Chips | No::HasBet, said) => matches!(said, Said::Bet { .. }),
        (No::NotBroke, said) => *said == Said::Buy,
        (No::Turn | No::Hand | No::Nonce, _) => false,
    }
}

/// Whether a refusal without a request changes nothing.
fn is_harmless(no: No) -> bool {
    use No::{Full, InUse, Line, LoggedIn, Name, NotBroke, Request, Table};
    matches!(
        no,
        Request | Line | Name | InUse | LoggedIn | Full | Table | NotBroke
    )
}
