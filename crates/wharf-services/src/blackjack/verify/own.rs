//! What one player said itself, and whether the table did just that.

use super::asked::{Asked, Said};
use super::clear::Clear;
use super::open::{Open, fields};
use super::refusal::{can_refuse, is_harmless};
use super::verdict::{Doubt, Finding, Problem, Verdict};
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
    clear: Clear,
    /// The server greeted, and has not welcomed the player since.
    is_stranger: bool,
    /// It came back, and was told nothing of a round since.
    is_back: bool,
    retelling: Retelling,
    last: Last,
    seat: Option<usize>,
    /// The bet was made before it came back, perhaps in another transcript.
    is_bet_excused: bool,
    /// The hand that is asked, and whether it may double and split.
    turn: Option<(usize, [bool; 2])>,
    is_leaving: bool,
    /// It was told that it leaves, and then came back to the same round.
    was_leaving: bool,
    /// It was at a table for one, and then came back to the same round.
    was_alone: bool,
    chips: Option<Chips>,
    /// How many chips it had before it went away, and how many there were then, with what
    /// was staked in between.
    fewer: Option<(Chips, Chips)>,
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

/// What nobody knows yet can be said before the commitment comes, and nothing else.
fn early(reply: &Reply<'_>, nonce: Option<&str>, is_early: bool) -> Option<Finding> {
    (is_early && nonce.is_some()).then(|| Doubt::Early(fields(reply)).into())
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

    /// What there is to say of a round without an end: whoever has a bet in it cannot know
    /// that it was fair.
    pub(super) fn cut_short(&self, mut open: Open) -> Verdict {
        if self.is_in(&open) {
            open.wrong(Doubt::Cut);
        }
        open.unfinished()
    }

    /// Whether it may have missed the end of a round.
    pub(super) fn is_back(&self) -> bool {
        self.is_back
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
        if let Some(Request::Bet(_, Nonce::Open(nonce)) | Request::Reveal(nonce)) = request {
            self.clear.say(nonce);
        }
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
        self.was_alone |= self.asked.is_alone();
        self.give_up_seat();
        self.asked.cut();
    }

    /// Logged in.
    pub(super) fn welcome(&mut self, reply: &Reply<'_>) -> Option<Finding> {
        let Reply::Welcome { name, chips, .. } = *reply else {
            return None;
        };
        let here = self.seat.is_some() && !self.is_stranger && self.is(name);
        self.was_alone |= here && self.asked.is_alone();
        if !self.can_be(|asked| asked.welcome(name, here)) {
            // It would forget what the player said.
            return order(reply, "was not asked for");
        }
        let had = self.chips.filter(|had| self.is(name) && chips < *had);
        let was_away = self.is_stranger || !self.judges();
        self.name = Some(name.to_owned());
        self.chips = Some(chips);
        self.is_back = true;
        self.is_stranger = false;
        self.give_up_seat();
        let (expected, told) = (had?, chips);
        if was_away {
            self.fewer = Some((expected, told));
            return None;
        }
        Some(Problem::Balance { expected, told }.into())
    }

    /// What is told about the time in which the player was away is told: what it has fewer,
    /// and did not stake.
    pub(super) fn settle(&mut self) -> Option<Finding> {
        let (expected, told) = self.fewer.take()?;
        (told < expected).then(|| Doubt::Fewer { expected, told }.into())
    }

    /// Something was staked while the player was away.
    fn staked(&mut self, chips: Chips) {
        if let Some((_, told)) = &mut self.fewer {
            *told += chips;
        }
    }

    /// The round is told from its beginning: the table is the one that it was.
    pub(super) fn sits_as_before(&mut self) {
        self.is_back = false;
        if self.was_alone {
            self.asked.sit_alone();
        }
    }

    fn give_up_seat(&mut self) {
        self.seat = None;
        self.turn = None;
        self.was_leaving |= std::mem::take(&mut self.is_leaving);
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
        self.asked.end_retelling();
        (self.was_leaving, self.was_alone) = (false, false);
    }

    /// A seat is part of the shuffle, so it stays what it is.
    pub(super) fn sit(&mut self, reply: &Reply<'_>, seat: usize) -> Option<Finding> {
        if self.seat.is_some_and(|own| own != seat) {
            return order(reply, "is another seat than before");
        }
        self.seat = Some(seat);
        self.retelling = Retelling::Done;
        let is_welcome = self.last == Last::Welcome;
        if !self.can_be(|asked| asked.seat(is_welcome)) {
            return order(reply, "was not asked for");
        }
        None
    }

    pub(super) fn leaving(&mut self, reply: &Reply<'_>) -> Option<Finding> {
        let was_leaving = std::mem::replace(&mut self.is_leaving, true) || self.was_leaving;
        if self.retelling == Retelling::Done {
            let is_it = |said: &Said| (*said == Said::Leave).then_some(true);
            return match was_leaving {
                true => None,
                false => self.news(reply, None, is_it),
            };
        }
        if self.can_be(|asked| asked.answer(|said| *said == Said::Leave)) {
            return None;
        }
        // It would stand for the player.
        order(reply, "was not asked for")
    }

    /// A round begins that was not known: bets that were sent before came too early.
    pub(super) fn begin(&mut self) {
        self.is_back = false;
        self.asked.grow_old();
        self.clear.grow_old();
        self.is_bet_excused = false;
        self.is_leaving = false;
        (self.was_leaving, self.was_alone) = (false, false);
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
        // Who has one was told it, once it is known who that is.
        let has_seat = match no {
            No::NotNow => self.name.is_none() || name.is_some(),
            _ => name.is_some(),
        };
        let is_it = |said: &Said| can_refuse(no, said, turn, has_seat, asks_for);
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
            Reply::Bet { .. } => self.company(reply),
            Reply::Nonce { name, nonce, .. } if self.is(name) => self.nonce(reply, nonce),
            Reply::Void { name, .. } if self.is(name) => {
                let sent = |said: &Said| matches!(said, Said::Reveal { nonce, .. } if open.hides(name, nonce));
                let mut all = self.asked.open().chain(self.asked.before());
                let late = self.judges() && all.any(sent);
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

    /// Somebody else takes part.
    fn company(&mut self, reply: &Reply<'_>) -> Option<Finding> {
        let is_doubtful = self.judges() && self.asked.wants_no_company();
        if !self.can_be(Asked::has_company) || (self.judges() && self.was_alone) {
            return order(reply, "is of somebody else, at a table of your own");
        }
        is_doubtful.then(|| Doubt::Late("SIT ALONE".to_owned()).into())
    }

    /// Something of its own that it is told when it comes back: it was in flight when it
    /// went away, and there is nothing new if it was not away. `age` tells whether it was
    /// said since the round began.
    fn news(
        &mut self,
        reply: &Reply<'_>,
        nonce: Option<&str>,
        age: impl Fn(&Said) -> Option<bool>,
    ) -> Option<Finding> {
        if !self.judges() {
            return None;
        }
        let is_known = nonce.is_some_and(|nonce| self.clear.was_known(nonce));
        if !self.can_be(Asked::is_news) {
            return Some(Problem::Own(fields(reply)).into());
        }
        match self.asked.done_before(age) {
            None => Some(Doubt::Elsewhere(fields(reply)).into()),
            Some(is_fresh) => early(reply, nonce, is_known || !is_fresh),
        }
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
        if self.judges() && self.seat.is_none() {
            return order(reply, "comes before you were told a seat");
        }
        let nonce = match shown {
            Nonce::Open(nonce) => Some(nonce),
            Nonce::Hashed(_) | Nonce::None => None,
        };
        let shown = shown.to_string();
        let age = |said: &Said| match said {
            Said::Bet {
                stake,
                nonce,
                is_fresh,
            } => (*stake == own && *nonce == shown).then_some(*is_fresh),
            _ => None,
        };
        if self.retelling == Retelling::Done {
            self.is_bet_excused = true;
            // `WELCOME` has told what is left after it.
            self.staked(own);
            return self.news(reply, nonce, age);
        }
        self.pay(own);
        self.sent(reply, nonce, age)
    }

    fn nonce(&mut self, reply: &Reply<'_>, shown: &str) -> Option<Finding> {
        let age = |said: &Said| match said {
            Said::Reveal { nonce, is_fresh } => (nonce == shown).then_some(*is_fresh),
            _ => None,
        };
        match self.retelling {
            Retelling::Done => self.news(reply, Some(shown), age),
            _ => self.sent(reply, Some(shown), age),
        }
    }

    /// Something came that must have been sent, and since the round began, which `age`
    /// tells.
    fn sent(
        &mut self,
        reply: &Reply<'_>,
        nonce: Option<&str>,
        age: impl Fn(&Said) -> Option<bool>,
    ) -> Option<Finding> {
        if !self.judges() {
            return None;
        }
        let is_known = nonce.is_some_and(|nonce| self.clear.was_known(nonce));
        let is_early = is_known || self.asked.next().any(|said| age(said) == Some(false));
        if !self.can_be(|asked| asked.answer(|said| age(said).is_some())) {
            return Some(Problem::Own(fields(reply)).into());
        }
        early(reply, nonce, is_early)
    }

    fn act(
        &mut self,
        reply: &Reply<'_>,
        hand: usize,
        action: Action,
        price: Chips,
    ) -> Option<Finding> {
        let was_asked = self.turn.take().is_some_and(|(asked, _)| asked == hand);
        let costs = matches!(action, Action::Double | Action::Split);
        if self.retelling == Retelling::Done {
            if costs {
                self.staked(price);
            }
            return self.acted(reply, action);
        }
        if costs {
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

    /// What was done with a hand while its player was away.
    fn acted(&mut self, reply: &Reply<'_>, action: Action) -> Option<Finding> {
        let is_it = |said: &Said| (*said == Said::Act(action)).then_some(true);
        let act = self.asked.act_before();
        if action != Action::Stand || act == Some(action) {
            return self.news(reply, None, is_it);
        }
        // The time was up, or what it wanted did not arrive.
        if self.judges() && !self.can_be(Asked::is_news) {
            return Some(Problem::Own(fields(reply)).into());
        }
        act.map(|act| Doubt::Late(act.word().to_owned()).into())
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
