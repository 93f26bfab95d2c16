//! Which of the requests of a player an answer is about.
//!
//! Requests are answered in their order, so an answer says that all before it were
//! answered, too. One thing cannot be told apart: where a hand stood, it may have been
//! told to, or its time was up and the request is still to be refused or, with the next
//! hand, to be done. Such a request may have been answered; then it excuses what is done,
//! and accuses nobody.

use std::collections::VecDeque;

use super::own::remember;
use crate::blackjack::round::Action;

/// What was said, as far as it matters for what is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    Sit,
    Bet,
    Reveal,
    Act(Action),
    Leave,
}

/// What something that was done has to do with what was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Asked,
    Unasked,
    /// The hand stands, and this was said.
    Instead(Action),
}

/// The requests of a player that are not answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    next: u64,
    open: VecDeque<(u64, What)>,
    /// What may have been answered.
    perhaps: VecDeque<(u64, Action)>,
}

impl Asked {
    pub(super) fn say(&mut self, what: What) {
        remember(&mut self.open, (self.next, what));
        self.next += 1;
    }

    /// An answer came for the first request that is so.
    pub(super) fn answer(&mut self, is_it: impl Fn(What) -> bool) {
        let place = self.open.iter().position(|(_, what)| is_it(*what));
        if let Some((number, _)) = place.and_then(|index| self.open.drain(..=index).next_back()) {
            self.perhaps.retain(|(earlier, _)| *earlier > number);
        }
    }

    /// The first that was to be done with a hand, and where it stands.
    fn first_act(&self) -> Option<(usize, Action)> {
        let mut all = self.open.iter().enumerate();
        all.find_map(|(index, (_, what))| match what {
            What::Act(action) => Some((index, *action)),
            _ => None,
        })
    }

    /// The first act may have been answered, and so may all before it.
    fn doubt_first_act(&mut self) {
        if let Some((index, action)) = self.first_act()
            && let Some((number, _)) = self.open.remove(index)
        {
            remember(&mut self.perhaps, (number, action));
        }
    }

    /// An act was refused; which one, where that is known.
    pub(super) fn refuse_act(&mut self) -> Option<Action> {
        if !self.perhaps.is_empty() {
            self.doubt_first_act();
            return None;
        }
        let (_, action) = self.first_act()?;
        self.answer(|what| matches!(what, What::Act(_)));
        Some(action)
    }

    /// Something was done with a hand.
    pub(super) fn done(&mut self, action: Action) -> Done {
        let perhaps = self.perhaps.iter().position(|(_, said)| *said == action);
        match (self.first_act(), perhaps) {
            (Some((_, said)), _) if action == Action::Stand => {
                self.doubt_first_act();
                match said == action {
                    true => Done::Asked,
                    false => Done::Instead(said),
                }
            }
            (Some((_, said)), None) if said == action => {
                self.answer(|what| matches!(what, What::Act(_)));
                Done::Asked
            }
            (Some((_, said)), Some(_)) if said == action => {
                self.doubt_first_act();
                Done::Asked
            }
            (_, Some(index)) => {
                self.perhaps.drain(..=index);
                Done::Asked
            }
            _ => Done::Unasked,
        }
    }
}
