//! What was said and what happened, as it is shown.

use std::collections::VecDeque;

use wharf_services::chat::client::{Receipt, Ticket};

/// How many entries are kept to scroll back to.
const KEPT: usize = 5_000;

/// An entry, with the time of day at which it was made.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) at: String,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// Somebody said something to us.
    Heard {
        from: String,
        text: String,
        trust: Trust,
    },
    /// We said something to somebody.
    Said {
        to: String,
        text: String,
        ticket: Ticket,
        fate: Fate,
    },
    /// Something happened.
    Note { text: String, tone: Tone },
}

/// Whether a message is known to be as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    Whole,
    Unchecked,
}

/// What became of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Waits,
    Arrived(Receipt),
    Failed(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Quiet,
    Good,
    Bad,
}

/// The newest entries.
#[derive(Debug, Default)]
pub(super) struct Log(VecDeque<Entry>);

impl Log {
    pub(super) fn push(&mut self, entry: Entry) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(entry);
    }

    /// The entries of one conversation or of all, newest first. What happened belongs
    /// to each of them.
    pub(super) fn newest<'a>(
        &'a self,
        with: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.0.iter().rev().filter(move |entry| entry.is_with(with))
    }

    /// Notes what became of a message; gives its receiver and text.
    pub(super) fn settle(&mut self, which: Ticket, how: Fate) -> Option<(&str, &str)> {
        self.0
            .iter_mut()
            .rev()
            .find_map(|entry| match &mut entry.what {
                What::Said {
                    ticket,
                    fate,
                    to,
                    text,
                    ..
                } if *ticket == which && *fate == Fate::Waits => {
                    *fate = how.clone();
                    Some((&**to, &**text))
                }
                _ => None,
            })
    }
}

impl Entry {
    pub(super) fn is_with(&self, other: Option<&str>) -> bool {
        let Some(other) = other else {
            return true;
        };
        match &self.what {
            What::Heard { from: name, .. } | What::Said { to: name, .. } => same(name, other),
            What::Note { .. } => true,
        }
    }
}

/// Whether two names are one: those of bots are in any letter case, and a pinned bot
/// may be typed so.
pub(super) fn same(one: &str, other: &str) -> bool {
    one == other
        || (one.eq_ignore_ascii_case(other)
            && ["echobot", "delaybot"]
                .iter()
                .any(|bot| one.eq_ignore_ascii_case(bot)))
}
