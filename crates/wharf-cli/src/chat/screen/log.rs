//! What was said and what happened, as it is shown.

use std::collections::VecDeque;

use wharf_services::chat::client::{Receipt, Ticket};

/// How many entries are kept to scroll back to.
const KEPT: usize = 5_000;

/// How many bytes of text they have together, at most.
const KEPT_BYTES: usize = 8 << 20;

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
pub(super) struct Log {
    entries: VecDeque<Entry>,
    bytes: usize,
}

impl Log {
    /// Adds an entry; the oldest make room for it.
    pub(super) fn push(&mut self, entry: Entry) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > KEPT || (self.bytes > KEPT_BYTES && self.entries.len() > 1) {
            let oldest = self.entries.pop_front();
            self.bytes -= oldest.map_or(0, |oldest| oldest.bytes());
        }
    }

    /// The entries of one conversation or of all, newest first. What happened belongs
    /// to each of them.
    pub(super) fn newest<'a>(
        &'a self,
        with: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let newest = self.entries.iter().rev();
        newest.filter(move |entry| entry.is_with(with))
    }

    /// Notes what became of a message; gives its receiver and text.
    pub(super) fn settle(&mut self, which: Ticket, how: Fate) -> Option<(&str, &str)> {
        self.entries
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
    /// What its texts take. None of them changes once it is here.
    fn bytes(&self) -> usize {
        match &self.what {
            What::Heard {
                from: name, text, ..
            }
            | What::Said { to: name, text, .. } => name.len() + text.len(),
            What::Note { text, .. } => text.len(),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn note(bytes: usize) -> Entry {
        Entry {
            at: String::new(),
            what: What::Note {
                text: "x".repeat(bytes),
                tone: Tone::Quiet,
            },
        }
    }

    #[test]
    fn a_log_is_bounded_in_entries_and_in_bytes() {
        let mut log = Log::default();
        for _ in 0..2 * KEPT {
            log.push(note(1));
        }
        assert_eq!(log.newest(None).count(), KEPT);
        for _ in 0..2 * KEPT_BYTES / 100_000 {
            log.push(note(100_000));
        }
        assert_eq!(log.newest(None).count(), KEPT_BYTES / 100_000);
        assert_eq!(log.bytes, KEPT_BYTES / 100_000 * 100_000);
        log.push(note(2 * KEPT_BYTES));
        assert_eq!(
            log.newest(None).count(),
            1,
            "the newest is kept in any case"
        );
    }
}
