//! How a conversation goes: which protocol it speaks, and which words are said to a gate
//! before that.
//!
//! A client may say at once what it wants to say to the gate and to what is behind it. Only
//! the gate's answers tell where the one ends: there is one for each attempt, and the last
//! lets it in. So whoever has heard all of them knows how many attempts there were, and takes
//! the conversation apart once more ([`Course::again`]); until then everything that the
//! client says after an attempt may be another one.

use crate::application::{Dissectors, Gate, Passage};
use crate::conversation::{Direction, Note, Seen, StreamMessage};
use crate::layers::Past;
use crate::packet::Segment;

/// What is known of a conversation, from what was heard of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// The protocol of the first message that was recognised, or that of a gate before it.
    began: Option<&'static str>,
    /// The protocol in which it goes on after the last one that was.
    pub(super) speaks: Option<&'static str>,
    /// Whether something was said that nobody takes apart.
    has_unknown: bool,
    /// Who asks to be let in: the one who began, where that was seen.
    asker: Option<Direction>,
    /// How many attempts there are in all, if that is known from before.
    expected: Option<u64>,
    attempts: u64,
    /// Whether an attempt has begun whose end was not said.
    is_pending: bool,
    answers: u64,
    is_open: bool,
    /// What is spoken behind the gate.
    behind: Option<&'static str>,
    /// How many bytes of each stream were told, and up to which of them it is the gate's.
    told: [u64; 2],
    words: [u64; 2],
}

impl Course {
    /// Looks at a frame: who asks to connect asks to be let in, too.
    pub(super) fn see(&mut self, seen: &Seen) {
        if let Note::Tcp(note) = &seen.note
            && note.flags & (Segment::SYN | Segment::ACK) == Segment::SYN
            && seen.direction == Direction::Forward
        {
            self.asker.get_or_insert(seen.direction);
        }
    }

    /// What is known of a gate's words in what this side says next.
    pub(super) fn gate(&self, side: Direction) -> Gate {
        let is_asker = self.asker == Some(side);
        match self.expected {
            Some(all) if is_asker => match all.saturating_sub(self.attempts) {
                0 => Gate::Passed,
                left => Gate::Attempts(left),
            },
            _ if self.is_open => Gate::Passed,
            _ if is_asker || self.asker.is_none() => Gate::Unknown,
            _ => Gate::Answers,
        }
    }

    /// Takes a message in.
    pub(super) fn hear(&mut self, message: &StreamMessage, dissectors: &Dissectors) {
        let side = message.direction;
        let told = &mut self.told[side.index()];
        *told += message.lost + message.bytes.len() as u64;
        let Some(name) = message.protocol else {
            self.has_unknown = true;
            return;
        };
        let Some(passage) = dissectors.passage(name, &message.message) else {
            self.began.get_or_insert(name);
            self.behind = Some(name);
            self.speaks = Some(name);
            return;
        };
        self.words[side.index()] = *told;
        // What is behind a gate may be said, and known, before the gate's answer.
        self.began = Some(name);
        self.speaks = Some(name);
        if let Passage::Attempt | Passage::Beginning = passage {
            self.asker.get_or_insert(side);
            self.is_pending = passage == Passage::Beginning;
            self.attempts += u64::from(!self.is_pending);
        } else if *self.asker.get_or_insert(side.other()) != side {
            self.answer(passage);
        }
    }

    fn answer(&mut self, passage: Passage) {
        // Who is answered has ended, whether that was said or not.
        self.attempts += u64::from(std::mem::take(&mut self.is_pending));
        self.answers += 1;
        if passage == Passage::Grant {
            self.is_open = true;
            self.speaks = self.behind;
        }
    }

    /// What a frame's data are known to follow, after its messages were heard; `spoken` is
    /// what they begin with, or what was spoken before.
    pub(super) fn past(&self, seen: &Seen, spoken: Option<&'static str>) -> Past {
        let side = seen.direction;
        let words = self.words[side.index()];
        let at = match &seen.note {
            // The numbers of a stream begin anew after 4 GiB; no gate says so much.
            Note::Tcp(note) if self.told[side.index()] < u64::from(u32::MAX) => {
                let first = note.relative_seq.wrapping_add(u32::from(note.is_syn));
                u64::from(first.wrapping_sub(1))
            }
            _ => words,
        };
        Past {
            spoken,
            gate: self.gate(side),
            gate_bytes: usize::try_from(words.saturating_sub(at)).unwrap_or(usize::MAX),
            gate_words: match self.asker == Some(side) {
                true => Gate::Attempts(u64::MAX),
                false => Gate::Answers,
            },
        }
    }

    /// How many attempts there were: one for each answer, or everything if none let it in.
    fn all(&self) -> Option<u64> {
        match self.answers {
            0 => None,
            _ if !self.is_open => Some(u64::MAX),
            answers => Some(answers),
        }
    }

    /// Whether something was said before it was known what is spoken, or what is an attempt.
    pub(super) fn was_misread(&self) -> bool {
        let is_late = self.has_unknown && self.began.is_some();
        is_late
            || match self.all() {
                None => false,
                Some(u64::MAX) => self.behind.is_some(),
                Some(all) => self.attempts != all,
            }
    }

    /// The same conversation from its beginning, now that it is known how it went.
    pub(super) fn again(&self) -> Course {
        Course {
            began: self.began,
            speaks: self.began,
            asker: self.asker.filter(|_| self.answers > 0),
            expected: self.all(),
            ..Course::default()
        }
    }
}
