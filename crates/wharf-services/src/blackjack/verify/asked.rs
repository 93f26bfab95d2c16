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

use std::collections::VecDeque;

use crate::blackjack::cards::Chips;
use crate::blackjack::grammar::{Request, Where};
use crate::blackjack::round::Action;

/// How many requests are remembered that are not answered.
const MAX_OPEN: usize = 256;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Hello(String),
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
            Some(Request::Hello(name, _)) => Said::Hello((*name).to_owned()),
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
}

impl Default for Asked {
    fn default() -> Self {
        Asked {
            open: VecDeque::new(),
            places: vec![Place::default()],
            is_lost: false,
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
        for said in &mut self.open {
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
            rest.find_map(|said| match said {
                Said::Act(action) => Some(*action),
                _ => None,
            })
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
        self.open.drain(..answered);
        places
            .iter_mut()
            .for_each(|place| place.answered -= answered);
        self.places = places;
        true
    }

    /// An answer came to a request that is so.
    pub(super) fn answer(&mut self, is_it: impl Fn(&Said) -> bool) -> bool {
        self.step(|place, said| [said.is_some_and(&is_it).then(|| place.after()), None])
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

    /// An answer came to a request that is so; those before it may have been sent on
    /// another connection.
    pub(super) fn answer_later(&mut self, is_it: impl Fn(&Said) -> bool) -> bool {
        let all = self.open.iter().enumerate();
        let found = all.filter(|(_, said)| is_it(said));
        let place = |answered| Place {
            answered,
            ..Place::default()
        };
        self.keep(found.map(|(index, _)| place(index + 1)).collect())
    }

    /// Anything may have been answered, or lost.
    pub(super) fn widen(&mut self) {
        let place = |answered| Place {
            answered,
            ..Place::default()
        };
        self.places = (0..=self.open.len()).map(place).collect();
    }

    /// A seat is told. To who has just come back it may be one that it had.
    pub(super) fn seat(&mut self, may_be_back: bool) -> bool {
        self.step(|place, said| {
            let is_asked = matches!(said, Some(Said::Sit { .. } | Said::Again));
            let alone = *said.unwrap_or(&Said::Else) == Said::Sit { alone: true };
            let asked = Place {
                is_asked,
                is_alone: place.is_alone || alone,
                ..place.after()
            };
            let back = Place {
                is_asked: false,
                ..place
            };
            [may_be_back.then_some(back), is_asked.then_some(asked)]
        })
    }

    /// All was told again.
    pub(super) fn end_retelling(&mut self) {
        self.step(|place, _| {
            let is_asked = false;
            [Some(Place { is_asked, ..place }), None]
        });
    }

    /// The seat is given up.
    pub(super) fn stand_up(&mut self) {
        self.step(|place, _| {
            let answered = place.answered;
            let there = Place {
                answered,
                ..Place::default()
            };
            [Some(there), None]
        });
    }

    /// What is told again was never told before: only who was away missed something.
    pub(super) fn is_news(&mut self) -> bool {
        self.step(|place, _| [(!place.is_asked).then_some(place), None])
    }

    /// Somebody else takes part.
    pub(super) fn has_company(&mut self) -> bool {
        self.step(|place, _| [(!place.is_alone).then_some(place), None])
    }
}
