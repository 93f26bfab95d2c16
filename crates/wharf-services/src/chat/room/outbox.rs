//! What waits to be written to one user.
//!
//! ```text
//!   replies, deliveries ──▶ bytes ─────────────────────┐
//!                                                      ├──▶ take ──▶ the wire
//!   delaybot's answers ───▶ piece ─ 500 ms ─▶ piece ───┘
//! ```
//! Every message is encoded once, straight into the bytes of its one receiver, and
//! all that waits leaves together. A *break* is where a new write must begin.
//! While an answer of delaybot is on the wire with half a line, everything else
//! waits; between two answers it goes first.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::bots;
use crate::chat::grammar::Reply;
use crate::chat::rules::{BACKPRESSURE_ANSWERS, BACKPRESSURE_BYTES, Rules};

/// The time between two pieces of an answer of delaybot.
pub const PIECE_PAUSE: Duration = Duration::from_millis(500);

/// The first allocation for what waits: a handful of messages, without growing.
const FIRST_BYTES: usize = 1024;

/// The output that waits for one user.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    breaks: Vec<usize>,
    messages: usize,
    /// Present only for those who wrote to delaybot.
    slow: Option<Box<Slow>>,
}

/// Answers of delaybot.
#[derive(Debug, Default)]
struct Slow {
    waiting: VecDeque<[Vec<u8>; 3]>,
    /// What is left of the answer that is on the wire.
    rest: VecDeque<Vec<u8>>,
    /// When the next piece of it may follow.
    next: Option<Instant>,
}

/// Whole lines – or a piece of delaybot's – to be written now.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Output {
    pub(crate) bytes: Vec<u8>,
    /// Where in the bytes a new write begins, rising.
    pub(crate) breaks: Vec<usize>,
}

/// There is no room for a message: its receiver does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Outbox {
    /// Adds what the user itself asked for. It is not bounded here: a user whose
    /// output is [clogged](Outbox::is_clogged) is asked nothing more.
    pub(crate) fn push(&mut self, reply: &Reply<'_>) {
        self.write(reply);
        self.messages += 1;
    }

    fn write(&mut self, reply: &Reply<'_>) {
        if self.bytes.capacity() == 0 {
            self.bytes.reserve(FIRST_BYTES);
        }
        reply.write(&mut self.bytes);
    }

    /// Adds what the user itself caused beyond its reply: clients that take one
    /// `recv` for one message would not see it behind the reply, so it begins a write.
    pub(crate) fn push_apart(&mut self, reply: &Reply<'_>) {
        if !self.bytes.is_empty() {
            self.breaks.push(self.bytes.len());
        }
        self.push(reply);
    }

    /// Adds an answer of delaybot.
    pub(crate) fn push_slowly(&mut self, reply: &Reply<'_>) {
        let mut line = Vec::new();
        reply.write(&mut line);
        let pieces = bots::pieces(&String::from_utf8_lossy(&line));
        self.slow.get_or_insert_default().waiting.push_back(pieces);
    }

    /// Adds what somebody else caused, if it fits.
    pub(crate) fn place(&mut self, reply: &Reply<'_>, rules: &Rules) -> Result<(), Full> {
        let before = self.bytes.len();
        self.write(reply);
        if self.bytes.len() > rules.max_waiting_bytes || self.messages >= rules.max_waiting_messages
        {
            self.bytes.truncate(before);
            return Err(Full);
        }
        self.messages += 1;
        Ok(())
    }

    /// Takes everything that may be written now.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Output> {
        if let Some(slow) = &mut self.slow
            && !slow.rest.is_empty()
        {
            // Half a line is on the wire: nothing may come between. But a lesson on
            // pieces is no reason to lose what others said meanwhile.
            return match self.bytes.len() < BACKPRESSURE_BYTES {
                true => slow.go_on(now),
                false => Some(slow.hurry()),
            };
        }
        if !self.bytes.is_empty() {
            self.messages = 0;
            return Some(Output {
                bytes: std::mem::take(&mut self.bytes),
                breaks: std::mem::take(&mut self.breaks),
            });
        }
        let slow = self.slow.as_mut()?;
        let Some(pieces) = slow.waiting.pop_front() else {
            self.slow = None;
            return None;
        };
        slow.rest.extend(pieces);
        slow.next = None;
        slow.go_on(now)
    }

    /// Takes everything, delaybot's answers too: there is no time left to wait.
    pub(crate) fn take_all(&mut self) -> Option<Output> {
        let mut slow = self.slow.take().unwrap_or_default();
        let Output { mut bytes, .. } = slow.hurry();
        let before = bytes.len();
        bytes.append(&mut self.bytes);
        let mut breaks = std::mem::take(&mut self.breaks);
        breaks.iter_mut().for_each(|at| *at += before);
        bytes.extend(slow.waiting.into_iter().flatten().flatten());
        self.messages = 0;
        (!bytes.is_empty()).then_some(Output { bytes, breaks })
    }

    /// When there is more to take, if that is later than now.
    pub(crate) fn due(&self) -> Option<Instant> {
        let slow = self.slow.as_ref()?;
        slow.next.filter(|_| !slow.rest.is_empty())
    }

    /// How many bytes wait, besides delaybot's.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        let slow = |slow: &Slow| !slow.rest.is_empty() || !slow.waiting.is_empty();
        self.bytes.is_empty() && !self.slow.as_deref().is_some_and(slow)
    }

    /// Whether the user must read before it may ask for more.
    pub(crate) fn is_clogged(&self) -> bool {
        let answers = self.slow.as_ref().map_or(0, |slow| slow.waiting.len());
        self.bytes.len() >= BACKPRESSURE_BYTES || answers >= BACKPRESSURE_ANSWERS
    }
}

impl Slow {
    /// All that is left of the answer on the wire, at once.
    fn hurry(&mut self) -> Output {
        self.next = None;
        Output {
            bytes: self.rest.drain(..).flatten().collect(),
            breaks: Vec::new(),
        }
    }

    /// The next piece, if its time has come.
    fn go_on(&mut self, now: Instant) -> Option<Output> {
        if self.next.is_some_and(|next| now < next) {
            return None;
        }
        let bytes = self.rest.pop_front()?;
        self.next = Some(now + PIECE_PAUSE);
        let breaks = Vec::new();
        Some(Output { bytes, breaks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(text: &str) -> Reply<'_> {
        Reply::Delivery {
            from: "delaybot",
            text,
        }
    }

    fn taken(outbox: &mut Outbox, now: Instant) -> Option<String> {
        let output = outbox.take(now)?;
        Some(String::from_utf8(output.bytes).unwrap())
    }

    #[test]
    fn all_that_waits_leaves_together_and_what_was_caused_begins_a_write() {
        let mut outbox = Outbox::default();
        outbox.push_apart(&delivery("first"));
        outbox.push(&Reply::SendOk);
        outbox.push_apart(&delivery("second"));
        outbox.push(&Reply::SendOk);
        let output = outbox.take(Instant::now()).unwrap();
        let first = "DELIVERY delaybot first\nSEND-OK\n".len();
        assert_eq!(output.breaks, [first]);
        assert!(output.bytes[first..].starts_with(b"DELIVERY delaybot second\nSEND-OK\n"));
        assert!(outbox.is_empty());
    }

    #[test]
    fn nothing_comes_between_the_pieces_and_everything_between_the_answers() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push(&Reply::SendOk);
        outbox.push_slowly(&delivery("hi"));
        outbox.push_slowly(&delivery("ho"));
        assert_eq!(taken(&mut outbox, now).unwrap(), "SEND-OK\n");
        assert_eq!(taken(&mut outbox, now).unwrap(), "DELIVERY d");
        outbox.push(&Reply::SendOk);
        assert_eq!(taken(&mut outbox, now), None);
        let second = outbox.due().unwrap();
        assert_eq!(second, now + PIECE_PAUSE);
        assert_eq!(
            taken(&mut outbox, second).unwrap(),
            "elaybot hi\nDELIVERY d"
        );
        assert_eq!(taken(&mut outbox, second), None);
        let third = outbox.due().unwrap();
        assert_eq!(taken(&mut outbox, third).unwrap(), "elaybot hi\n");
        assert_eq!(outbox.due(), None);
        assert_eq!(taken(&mut outbox, third).unwrap(), "SEND-OK\n");
        assert_eq!(taken(&mut outbox, third).unwrap(), "DELIVERY d");
        assert!(!outbox.is_empty());
    }

    #[test]
    fn everything_can_be_taken_at_once() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push_slowly(&delivery("hi"));
        outbox.push_slowly(&delivery("ho"));
        assert_eq!(taken(&mut outbox, now).unwrap(), "DELIVERY d");
        outbox.push(&Reply::SendOk);
        outbox.push_apart(&delivery("apart"));
        let all = outbox.take_all().unwrap();
        assert_eq!(
            String::from_utf8(all.bytes).unwrap(),
            "elaybot hi\nDELIVERY delaybot hi\nSEND-OK\nDELIVERY delaybot apart\n\
             DELIVERY delaybot ho\nDELIVERY delaybot ho\n"
        );
        assert_eq!(
            all.breaks,
            ["elaybot hi\nDELIVERY delaybot hi\nSEND-OK\n".len()]
        );
        assert!(outbox.is_empty());
        assert_eq!(outbox.take_all(), None);
    }

    #[test]
    fn half_a_line_keeps_nobody_from_hearing_much() {
        let now = Instant::now();
        let mut outbox = Outbox::default();
        outbox.push_slowly(&delivery("hi"));
        assert_eq!(taken(&mut outbox, now).unwrap(), "DELIVERY d");
        let rules = Rules::default();
        let long = "x".repeat(60_000);
        assert_eq!(outbox.place(&delivery(&long), &rules), Ok(()));
        assert_eq!(taken(&mut outbox, now), None, "a pause is a pause");
        assert_eq!(outbox.place(&delivery(&long), &rules), Ok(()));
        assert_eq!(
            taken(&mut outbox, now).unwrap(),
            "elaybot hi\nDELIVERY delaybot hi\n"
        );
        assert_eq!(outbox.due(), None);
        assert!(taken(&mut outbox, now).unwrap().len() > 120_000);
        assert!(outbox.is_empty());
    }

    #[test]
    fn an_outbox_is_bounded_in_bytes_and_in_messages() {
        let rules = Rules {
            max_waiting_bytes: 60,
            max_waiting_messages: 2,
            ..Rules::default()
        };
        let mut outbox = Outbox::default();
        assert_eq!(outbox.place(&delivery(&"x".repeat(60)), &rules), Err(Full));
        assert!(outbox.is_empty());
        assert_eq!(outbox.place(&delivery("1"), &rules), Ok(()));
        assert_eq!(outbox.place(&delivery("2"), &rules), Ok(()));
        assert_eq!(outbox.place(&delivery("3"), &rules), Err(Full));
        outbox.take(Instant::now());
        assert_eq!(outbox.place(&delivery("3"), &rules), Ok(()));
    }
}
