//! What others send: numbered texts, acknowledgements, echoes, and plain text.

use tokio::time::Instant;

use super::super::super::grammar::is_name;
use super::super::event::{Check, Event, Message};
use super::envelope::{Opened, open};
use super::incoming::Incoming;
use super::login::Login;
use super::{MAX_PEERS, Numbered, tell};

/// How many bytes may wait for something before them, of all senders together.
const MAX_EARLY: usize = 4 << 20;

/// A sender, and when it was heard.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) incoming: Incoming,
    pub(super) heard: u64,
}

impl Numbered {
    /// Takes the rest of a `DELIVERY`.
    pub(super) fn delivered(&mut self, rest: &[u8], now: Instant) {
        let Login::In(name) = &self.login else {
            self.skipped += 1;
            return;
        };
        let end = rest
            .iter()
            .position(|byte| *byte == b' ')
            .unwrap_or(rest.len());
        let (from, line) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
        // A name that is none was changed on the way.
        let from = match std::str::from_utf8(from) {
            Ok(from) if is_name(from) => from,
            _ => {
                self.damaged += 1;
                return;
            }
        };
        match open((from, name), line) {
            Opened::Text {
                text,
                stream,
                number,
                behind,
            } => {
                self.numbered_at = Some(now);
                self.numbered((stream, number, behind), from, text);
            }
            Opened::Ack {
                stream,
                through,
                more,
            } => {
                if let Some(outgoing) = self.outgoing.get_mut(from)
                    && outgoing.stream == stream
                {
                    let ended = outgoing.acknowledged(through, more, now);
                    tell(&mut self.events, ended);
                }
            }
            Opened::Damaged => self.echoed_or_damaged(from, line, now),
            Opened::Plain => self.events.push_back(Event::Message(Message {
                from: from.to_owned(),
                text: String::from_utf8_lossy(line).into_owned(),
                check: Check::Unchecked,
            })),
        }
    }

    pub(super) fn numbered(&mut self, numbers: (u32, u32, u8), from: &str, text: &str) {
        if let Some(outgoing) = self.outgoing.get_mut(from) {
            outgoing.is_heard();
        }
        if !self.incoming.contains_key(from) && self.incoming.len() >= MAX_PEERS {
            self.forget_sender();
        }
        self.clock += 1;
        let known = self.incoming.entry(from.to_owned()).or_default();
        known.heard = self.clock;
        self.early -= known.incoming.waiting().min(self.early);
        let room = MAX_EARLY - self.early;
        let (ready, ack) = known.incoming.take(numbers, text, room);
        self.early += known.incoming.waiting();
        for text in ready {
            self.events.push_back(Event::Message(Message {
                from: from.to_owned(),
                text,
                check: Check::Checked,
            }));
        }
        self.acks.insert(from.to_owned(), ack);
    }

    /// The sender that was silent for longest is forgotten.
    pub(super) fn forget_sender(&mut self) {
        let longest = self.incoming.iter().min_by_key(|(_, known)| known.heard);
        if let Some(name) = longest.map(|(name, _)| name.clone())
            && let Some(known) = self.incoming.remove(&name)
        {
            self.early -= known.incoming.waiting().min(self.early);
            self.acks.remove(&name);
        }
    }

    /// A bot sends back what it got, envelope and all: that is an acknowledgement.
    pub(super) fn echoed_or_damaged(&mut self, from: &str, line: &[u8], now: Instant) {
        let Login::In(name) = &self.login else {
            return;
        };
        for (to, outgoing) in &mut self.outgoing {
            if to.eq_ignore_ascii_case(from)
                && let Opened::Text {
                    text,
                    stream,
                    number,
                    ..
                } = open((name, to), line)
                && stream == outgoing.stream
            {
                let ended = outgoing.echoed(number, now);
                // Once: what is not on its way any more was there before.
                if !ended.is_empty() {
                    self.events.push_back(Event::Message(Message {
                        from: from.to_owned(),
                        text: text.to_owned(),
                        check: Check::Checked,
                    }));
                }
                return tell(&mut self.events, ended);
            }
        }
        self.damaged += 1;
    }
}
