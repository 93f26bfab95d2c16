//! How much of what a player said may have been answered.
//!
//! A server answers every request once, in their order, and tells at any time what others
//! did and what time did. What was said is in flight until its answer is heard, so most
//! lines show how far the server is, and two do not: a hand stands because it was told to
//! or because its time was up, and a `SEAT` after `WELCOME` is told to who comes back or
//! answers a `SIT` that was in flight. Therefore all places in the queue are kept where
//! the server can be:
//!
//! ```text
//!   in flight:  STAND  HIT  BALANCE              STAND  HIT  BALANCE
//!              ▲                    ── ACT STAND ──▶   ▲      ▲
//! ```
//! Each line takes away those places that cannot explain it. An honest server is at one of
//! them, whatever crosses on the way; when none is left, it is not honest.
//!
//! When a connection ends, what is in flight may have arrived and may not. It is kept until
//! who comes back is told what was done in between.

use std::collections::VecDeque;

use crate::blackjack::cards::Chips;
use crate::blackjack::grammar::{Request, Where};
use crate::blackjack::round::Action;

/// How many requests are remembered that are not answered.
const MAX_OPEN: usize = 256;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Hello {
        name: String,
        /// Without a key nobody comes back.
        has_key: bool,
    },
    Sit {
        alone: bool,
    },
    Bet {
        stake: Chips,
        nonce: String,
        /// The commitment of the round had come before it was sent.
        is_fresh: bool,
    },
    Reveal {
        nonce: String,
        is_fresh: bool,
    },
    Act(Action),
    Leave,
    Balance,
    Buy,
    Again,
    Top,
    Help,
    Bye,
    /// No request.
    Else,
}

impl Said {
    pub(super) fn of(request: Option<&Request<'_>>) -> Self {
        match request {
            Some(Request::Hello(name, key)) => Said::Hello {
                name: (*name).to_owned(),
                has_key: key.is_some(),
            },
            Some(Request::Sit(at)) => Said::Sit {
                alone: *at == Where::Alone,
            },
            Some(Request::Bet(chips, nonce)) => Said::Bet {
                stake: Chips::whole(*chips),
                nonce: nonce.to_string(),
                is_fresh: true,
            },
            Some(Request::Reveal(nonce)) => Said::Reveal {
                nonce: (*nonce).to_owned(),
                is_fresh: true,
            },
            Some(Request::Act(action)) => Said::Act(*action),
            Some(Request::Leave) => Said::Leave,
            Some(Request::Balance) => Said::Balance,
            Some(Request::Buy) => Said::Buy,
            Some(Request::Again) => Said::Again,
            Some(Request::Top) => Said::Top,
            Some(Request::Help) => Said::Help,
            Some(Request::Bye) => Said::Bye,
            None => Said::Else,
        }
    }

    /// What is to be done with a hand.
    fn act(&self) -> Option<Action> {
        match self {
            Said::Act(action) => Some(*action),
            _ => None,
        }
    }
}

/// How a player logged in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Login {
    /// Without a key, under a new name.
    #[default]
    New,
    /// Without a key, at a seat that it had on the same connection.
    Here,
    /// With a key; it may have been here before.
    Back,
}

/// Where the server can be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// How many of the requests in flight it has answered.
    answered: usize,
    /// What it tells again was asked for; whoever asked was not away.
    is_asked: bool,
    /// The seat is at a table for one.
    is_alone: bool,
    login: Login,
    /// The seat was told to who came back, and not asked for since.
    is_old: bool,
    /// A table for one was asked for, and refused because of such a seat.
    is_overruled: bool,
}

impl Place {
    fn after(self) -> Self {
        Place {
            answered: self.answered + 1,
            ..self
        }
    }
}

/// The requests of a player that may be in flight, and how far the server can be.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    open: VecDeque<Said>,
    /// In order, and never none.
    places: Vec<Place>,
    is_lost: bool,
    /// How many of those that are open were said on a connection that has ended.
    old: usize,
    /// What was in flight when a connection ended.
    before: VecDeque<Said>,
}

impl Default for Asked {
    fn default() -> Self {
        Asked {
            open: VecDeque::new(),
            places: vec![Place::default()],
            is_lost: false,
            old: 0,
            before: VecDeque::new(),
        }
    }
}

impl Asked {
    pub(super) fn say(&mut self, said: Said) {
        if self.open.len() == MAX_OPEN {
            *self = Asked {
                is_lost: true,
                ..Asked::default()
            };
        }
        if !self.is_lost {
            self.open.push_back(said);
        }
    }

    /// Whether more was in flight than is remembered, so that nothing is known.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost
    }

    /// All that may not be answered.
    pub(super) fn open(&self) -> impl Iterator<Item = &Said> {
        self.open.iter()
    }

    /// A round begins: what is in flight was sent before that was known.
    pub(super) fn grow_old(&mut self) {
        for said in self.open.iter_mut().chain(&mut self.before) {
            if let Said::Bet { is_fresh, .. } | Said::Reveal { is_fresh, .. } = said {
                *is_fresh = false;
            }
        }
    }

    /// What may be answered next.
    pub(super) fn next(&self) -> impl Iterator<Item = &Said> {
        let places = self.places.iter();
        places.filter_map(|place| self.open.get(place.answered))
    }

    /// The first that is to be done with a hand, from each place.
    pub(super) fn first_acts(&self) -> impl Iterator<Item = Action> {
        self.places.iter().filter_map(|place| {
            let mut rest = self.open.iter().skip(place.answered);
            rest.find_map(Said::act)
        })
    }

    /// Goes from every place to those where a line can lead. Whether there is one; else
    /// nothing changes.
    fn step(&mut self, lead: impl Fn(Place, Option<&Said>) -> [Option<Place>; 2]) -> bool {
        let places = self.places.iter();
        let steps = places.flat_map(|place| lead(*place, self.open.get(place.answered)));
        self.keep(steps.flatten().collect())
    }

    fn keep(&mut self, mut places: Vec<Place>) -> bool {
        if places.is_empty() {
            return false;
        }
        places.sort_unstable();
        places.dedup();
        let answered = places[0].answered;
        let old = self.old.min(answered);
        self.old -= old;
        self.before.extend(self.open.drain(..old));
        let too_many = self.before.len().saturating_sub(MAX_OPEN);
        self.before.drain(..too_many);
        self.open.drain(..answered - old);
        places
            .iter_mut()
            .for_each(|place| place.answered -= answered);
        self.places = places;
        true
    }

    /// An answer came to a request that is so.
    pub(super) fn answer(&mut self, is_it: impl Fn(&Said) -> bool) -> bool {
        self.step(|place, said| {
            let said = said.filter(|said| is_it(said));
            let wants_alone = said == Some(&Said::Sit { alone: true });
            let after = Place {
                is_overruled: place.is_overruled || (wants_alone && place.is_old),
                ..place.after()
            };
            [said.map(|_| after), None]
        })
    }

    /// Something came that may be an answer to a request that is so.
    pub(super) fn perhaps_answer(&mut self, is_it: impl Fn(&Said) -> bool) {
        self.step(|place, said| {
            let after = said.is_some_and(&is_it).then(|| place.after());
            [Some(place), after]
        });
    }

    /// Something came that is an answer to a request that is so, or comes when all is
    /// answered.
    pub(super) fn answer_or_end(&mut self, is_it: impl Fn(&Said) -> bool) -> bool {
        self.step(|place, said| match said {
            Some(said) => [is_it(said).then(|| place.after()), None],
            None => [Some(place), None],
        })
    }

    /// Whether the next that is to be answered is so, wherever the server is.
    pub(super) fn awaits(&self, is_it: impl Fn(&Said) -> bool) -> bool {
        let mut places = self.places.iter();
        places.all(|place| self.open.get(place.answered).is_some_and(&is_it))
    }

    /// Somebody is logged in, who may have been `here`: with a seat, on this connection. What
    /// was said before that may have been sent on another one.
    pub(super) fn welcome(&mut self, own: &str, here: bool) -> bool {
        let all = self.open.iter().enumerate();
        let found = all.filter_map(|(index, said)| match said {
            Said::Hello { name, has_key } if name.eq_ignore_ascii_case(own) => Some(Place {
                answered: index + 1,
                login: match (has_key, here) {
                    (true, _) => Login::Back,
                    (false, true) => Login::Here,
                    (false, false) => Login::New,
                },
                ..Place::default()
            }),
            _ => None,
        });
        self.keep(found.collect())
    }

    /// A connection begins: anything may have been answered, or lost.
    pub(super) fn cut(&mut self) {
        self.widen();
        self.old = self.open.len();
    }

    /// Anything may have been answered, or lost.
    pub(super) fn widen(&mut self) {
        let place = |answered| Place {
            answered,
            ..Place::default()
        };
        self.places = (0..=self.open.len()).map(place).collect();
    }

    /// A seat is told. With a welcome it may be one that was there before.
    pub(super) fn seat(&mut self, is_welcome: bool) -> bool {
        self.step(|place, said| {
            let is_asked = matches!(said, Some(Said::Sit { .. } | Said::Again));
            let alone = *said.unwrap_or(&Said::Else) == Said::Sit { alone: true };
            let asked = Place {
                is_asked,
                is_alone: place.is_alone || alone,
                is_old: place.is_old && said == Some(&Said::Again),
                ..place.after()
            };
            // Who was here has missed nothing.
            let told = Place {
                is_asked: place.login == Login::Here,
                is_old: true,
                ..place
            };
            let is_told = is_welcome && place.login != Login::New;
            [is_told.then_some(told), is_asked.then_some(asked)]
        })
    }

    /// All was told again, and so was what had arrived.
    pub(super) fn end_retelling(&mut self) {
        self.before.clear();
        self.step(|place, _| {
            let is_asked = false;
            [Some(Place { is_asked, ..place }), None]
        });
    }

    /// The seat is given up.
    pub(super) fn stand_up(&mut self) {
        self.step(|place, _| {
            let there = Place {
                answered: place.answered,
                login: place.login,
                ..Place::default()
            };
            [Some(there), None]
        });
    }

    /// What is told again was never told before: only who was away missed something.
    pub(super) fn is_news(&mut self) -> bool {
        self.step(|place, _| [(!place.is_asked).then_some(place), None])
    }

    /// Whether a table for one was asked for, and the seat may be at it.
    pub(super) fn wants_no_company(&self) -> bool {
        let mut places = self.places.iter();
        places.any(|place| place.is_alone || place.is_overruled)
    }

    /// Whether the seat is at a table for one.
    pub(super) fn is_alone(&self) -> bool {
        self.places.iter().all(|place| place.is_alone)
    }

    /// The seat is at a table for one, wherever the server is.
    pub(super) fn sit_alone(&mut self) {
        self.step(|place, _| {
            let is_alone = true;
            [Some(Place { is_alone, ..place }), None]
        });
    }

    /// Somebody else takes part.
    pub(super) fn has_company(&mut self) -> bool {
        self.step(|place, _| [(!place.is_alone).then_some(place), None])
    }

    /// What was in flight when a connection ended.
    pub(super) fn before(&self) -> impl Iterator<Item = &Said> {
        self.before.iter()
    }

    /// What was done while somebody was away, of that which was in flight: the first for
    /// which `of` gives something. Those before it were answered, too.
    pub(super) fn done_before<T>(&mut self, of: impl Fn(&Said) -> Option<T>) -> Option<T> {
        let mut before = self.before.iter().enumerate();
        let (index, found) = before.find_map(|(index, said)| Some((index, of(said)?)))?;
        self.before.drain(..=index);
        Some(found)
    }

    /// What is in flight on a connection that ended, and was to be done with a hand.
    pub(super) fn act_before(&self) -> Option<Action> {
        self.before.iter().find_map(Said::act)
    }
}
