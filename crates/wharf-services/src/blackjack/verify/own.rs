//! What one player said itself, and whether the table did just that.

use std::collections::VecDeque;

use super::asked::{Asked, Done, What};
use super::open::{Open, Stage, fields};
use super::verdict::Problem;
use crate::blackjack::cards::Chips;
use crate::blackjack::fair::hash_of;
use crate::blackjack::grammar::{No, Nonce, Reply, Request, Where};
use crate::blackjack::round::Action;

/// How many requests of one kind are remembered; the oldest go first.
const MAX_SAID: usize = 64;

/// What is known of the player whose transcript it is. What it said is judged only
/// where the transcript has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    name: Option<String>,
    /// The transcript has what was said.
    is_recorded: bool,
    /// The names that were asked for and not refused.
    hellos: VecDeque<String>,
    has_said_hello: bool,
    /// It came back, and was told nothing of a round since.
    pub(super) is_back: bool,
    /// What is told now was done before it came back, perhaps in another transcript.
    is_told_all: bool,
    seat: Option<usize>,
    /// Where it wanted to sit, since it had no seat.
    sits: Option<Company>,
    is_alone: bool,
    /// Bets that were sent, and are not taken or refused.
    bets: VecDeque<Bet>,
    /// Nonces that were revealed, and whether that was since the round began.
    revealed: VecDeque<(String, bool)>,
    /// The nonce was revealed when it was asked for.
    has_revealed: bool,
    /// What was to be done with hands, and what else is not answered.
    asked: Asked,
    /// The hand that is asked, and whether it may double and split.
    turn: Option<(usize, [bool; 2])>,
    is_leaving: bool,
    chips: Option<Chips>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Company {
    Anybody,
    Alone,
}

#[derive(Clone, Debug)]
struct Bet {
    stake: Chips,
    nonce: String,
    /// It was sent after the commitment of the round had come.
    is_fresh: bool,
}

pub(super) fn remember<T>(queue: &mut VecDeque<T>, item: T) {
    if queue.len() == MAX_SAID {
        queue.pop_front();
    }
    queue.push_back(item);
}

fn order(reply: &Reply<'_>, why: &'static str) -> Option<Problem> {
    let line = fields(reply);
    Some(Problem::Order { line, why })
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
        self.bets.iter().any(|bet| bet.is_fresh)
    }

    pub(super) fn has_account(&self) -> bool {
        self.chips.is_some()
    }

    /// Takes what was said.
    pub(super) fn say(&mut self, request: &Request<'_>, open: Option<&Open>) {
        self.is_recorded = true;
        match *request {
            Request::Hello(name, _) => {
                self.has_said_hello = true;
                remember(&mut self.hellos, name.to_owned());
            }
            Request::Sit(at) => {
                self.is_told_all = false;
                self.asked.say(What::Sit);
                // Of two, one is refused, and which one is not known here.
                self.sits = match (self.sits, at) {
                    (None, Where::Alone) => Some(Company::Alone),
                    _ => Some(Company::Anybody),
                };
            }
            Request::Bet(chips, nonce) => {
                let bet = Bet {
                    stake: Chips::whole(chips),
                    nonce: nonce.to_string(),
                    is_fresh: true,
                };
                remember(&mut self.bets, bet);
                self.asked.say(What::Bet);
            }
            Request::Reveal(nonce) => {
                let asked = open.filter(|open| open.stage == Stage::Sealed);
                let hash = asked.and_then(|open| open.hash_of_bet(self.name.as_deref()?));
                self.has_revealed |= hash.is_some_and(|hash| hash == hash_of(nonce));
                remember(&mut self.revealed, (nonce.to_owned(), true));
                self.asked.say(What::Reveal);
            }
            Request::Act(action) => self.asked.say(What::Act(action)),
            Request::Leave => self.asked.say(What::Leave),
            _ => {}
        }
    }

    /// Logged in: what was sent on another connection may never have arrived.
    pub(super) fn welcome(&mut self, reply: &Reply<'_>) -> Option<Problem> {
        let Reply::Welcome { name, chips, .. } = *reply else {
            return None;
        };
        let asked = |hello: &String| hello.eq_ignore_ascii_case(name);
        match self.hellos.iter().position(asked) {
            Some(index) => drop(self.hellos.drain(..=index)),
            // It would forget what the player said.
            None if self.has_said_hello => return order(reply, "was not asked for"),
            None => {}
        }
        self.name = Some(name.to_owned());
        self.chips = Some(chips);
        (self.is_back, self.is_told_all) = (true, true);
        self.has_revealed = false;
        self.asked = Asked::default();
        self.give_up_seat();
        None
    }

    fn give_up_seat(&mut self) {
        self.seat = None;
        self.sits = None;
        self.is_alone = false;
        self.turn = None;
    }

    pub(super) fn idle(&mut self) {
        self.is_back = false;
        self.asked.answer(|what| what == What::Leave);
        self.give_up_seat();
    }

    /// A seat is part of the shuffle, so it stays what it is.
    pub(super) fn sit(&mut self, reply: &Reply<'_>, seat: usize) -> Option<Problem> {
        match self.seat {
            Some(own) if own != seat => return order(reply, "is another seat than before"),
            Some(_) => {}
            None => {
                self.seat = Some(seat);
                self.asked.answer(|what| what == What::Sit);
                self.is_alone = self.sits == Some(Company::Alone);
            }
        }
        None
    }

    pub(super) fn leaving(&mut self) {
        self.is_leaving = true;
        self.asked.answer(|what| what == What::Leave);
    }

    /// A round begins that was not known: bets that were sent before came too early.
    pub(super) fn begin(&mut self) {
        self.is_back = false;
        self.bets.iter_mut().for_each(|bet| bet.is_fresh = false);
        self.revealed.iter_mut().for_each(|said| said.1 = false);
        self.has_revealed = false;
        self.is_leaving = false;
        self.turn = None;
    }

    /// How things stand was told up to here; from now on, everything is new.
    pub(super) fn is_told(&mut self) {
        self.is_told_all = false;
    }

    pub(super) fn turn(&mut self, name: &str, hand: usize, can: [bool; 2]) {
        self.is_told();
        self.turn = self.is(name).then_some((hand, can));
    }

    /// Something was refused: the first request of those that it can be about.
    pub(super) fn refused(&mut self, no: No, open: Option<&Open>) -> Option<Problem> {
        let is_dealt = open.is_some_and(|open| open.stage == Stage::Dealt);
        match no {
            No::Turn | No::Hand => return self.refused_act(no),
            No::Chips if is_dealt => return self.refused_act(no),
            No::Chips | No::HasBet => {
                self.bets.pop_front();
                self.asked.answer(|what| what == What::Bet);
            }
            No::Nonce => self.asked.answer(|what| what == What::Reveal),
            No::NotNow => {
                let can_be = [What::Bet, What::Reveal, What::Sit];
                self.asked.answer(|what| can_be.contains(&what));
            }
            No::Seat => self.asked.answer(|what| what != What::Sit),
            No::Login => self.asked.answer(|_| true),
            No::Table => {
                self.sits = None;
                self.asked.answer(|what| what == What::Sit);
            }
            No::Name | No::InUse | No::LoggedIn | No::Full => drop(self.hellos.pop_front()),
            _ => {}
        }
        None
    }

    /// In its turn, a hand can always hit and stand, and what else the turn says.
    fn refused_act(&mut self, no: No) -> Option<Problem> {
        let action = self.asked.refuse_act();
        let (_, [double, split]) = self.turn?;
        let can_be_done = match action {
            _ if no == No::Turn => true,
            Some(Action::Hit | Action::Stand) => true,
            Some(Action::Double) => double,
            Some(Action::Split) => split,
            None => false,
        };
        let why = "comes in your turn, and it can be done";
        order(&Reply::No(no), why).filter(|_| can_be_done)
    }

    /// Takes something new that the whole table is told.
    pub(super) fn hear(&mut self, reply: &Reply<'_>, open: &Open) -> Option<Problem> {
        match *reply {
            Reply::Bet {
                seat,
                name,
                chips,
                nonce,
            } if self.is(name) => self.bet(reply, seat, chips, nonce),
            Reply::Bet { .. } if self.is_alone => {
                order(reply, "is of somebody else, at a table of your own")
            }
            Reply::Nonce { name, nonce, .. } if self.is(name) => {
                let said = |fresh| self.revealed.contains(&(nonce.to_owned(), fresh));
                let (fresh, old) = (said(true), said(false));
                self.asked.answer(|what| what == What::Reveal);
                let line = fields(reply);
                self.unless(
                    fresh,
                    if old {
                        Problem::Early(line)
                    } else {
                        Problem::Own(line)
                    },
                )
            }
            Reply::Void { name, .. } if self.is(name) && self.has_revealed => {
                Some(Problem::Late("REVEAL".to_owned()))
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

    /// A problem, unless it is right, or done where the transcript does not have it.
    fn unless(&self, right: bool, problem: Problem) -> Option<Problem> {
        (self.is_recorded && !self.is_told_all && !right).then_some(problem)
    }

    fn bet(
        &mut self,
        reply: &Reply<'_>,
        seat: usize,
        stake: Chips,
        nonce: Nonce<'_>,
    ) -> Option<Problem> {
        if self.seat.is_some_and(|own| own != seat) {
            return order(reply, "is not at your seat");
        }
        self.pay(stake);
        let nonce = nonce.to_string();
        let place = |is_fresh: bool| {
            let is_it =
                |bet: &Bet| bet.stake == stake && bet.nonce == nonce && bet.is_fresh == is_fresh;
            self.bets.iter().position(is_it)
        };
        let (fresh, old) = (place(true), place(false));
        // The others were answered before it.
        if let Some(index) = fresh.or(old) {
            self.bets.drain(..=index);
        }
        self.asked.answer(|what| what == What::Bet);
        match (fresh, old) {
            (Some(_), _) => None,
            // What nobody knows yet can be hidden before the commitment comes.
            (None, Some(_)) => {
                let right = is_hidden_or_none(&nonce);
                self.unless(right, Problem::Early(fields(reply)))
            }
            (None, None) => self.unless(false, Problem::Own(fields(reply))),
        }
    }

    fn act(
        &mut self,
        reply: &Reply<'_>,
        hand: usize,
        action: Action,
        price: Chips,
    ) -> Option<Problem> {
        if matches!(action, Action::Double | Action::Split) {
            self.pay(price);
        }
        let was_asked = self.turn.take().is_some_and(|(asked, _)| asked == hand);
        let stands = action == Action::Stand;
        // Whoever leaves stands and is not asked.
        if self.is_told_all || (self.is_leaving && stands) {
            return None;
        }
        if !was_asked {
            return order(reply, "comes without your turn");
        }
        match self.asked.done(action) {
            Done::Asked => None,
            Done::Instead(said) => Some(Problem::Late(said.word().to_owned())),
            // The time was up.
            Done::Unasked if stands => None,
            Done::Unasked => self.unless(false, Problem::Own(fields(reply))),
        }
    }

    /// The end of a round: what is given back, if it was void.
    pub(super) fn end(&mut self, open: &Open) {
        if let Some(name) = &self.name {
            let back = open.given_back(name);
            self.receive(back);
        }
        self.turn = None;
    }

    fn pay(&mut self, chips: Chips) {
        // Who comes back is told first what is left after all that.
        if let Some(own) = self.chips.as_mut().filter(|_| !self.is_told_all) {
            *own -= chips;
        }
    }

    fn receive(&mut self, chips: Chips) {
        if let Some(own) = self.chips.as_mut().filter(|_| !self.is_told_all) {
            *own += chips;
        }
    }

    /// How many chips there are: more, when some were bought, but never fewer.
    pub(super) fn balance(&mut self, told: Chips) -> Option<Problem> {
        self.is_told();
        let expected = self.chips.replace(told).filter(|own| told < *own)?;
        Some(Problem::Balance { expected, told })
    }
}
