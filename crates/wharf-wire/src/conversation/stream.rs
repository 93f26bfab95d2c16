//! Streams put together: back from segments to the application's messages, with the
//! frames that carried each.

use std::collections::BTreeMap;

use crate::application::{Dissected, Dissectors, Hint, MAX_MESSAGE, Message, Transport};

use super::{Direction, Flow, Note, Seen};

/// How many bytes behind a gap are kept, in each direction of a flow; when there are
/// more the gap is taken for lost.
pub const MAX_WAITING: usize = 1 << 20;

/// How many streams, two of each flow, are put together at once. For another one that
/// which was silent for longest is ended, and what is left of its messages is told.
pub const MAX_STREAMS: usize = 1_024;

/// How many bytes of unfinished messages and behind gaps are kept in all streams
/// together; when there are more the silent ones are ended.
pub const MAX_HELD: usize = 32 << 20;

/// A message of an application, or bytes that nobody knows as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamMessage {
    /// The flow that carried it.
    pub flow: u64,
    /// Who sent it.
    pub direction: Direction,
    /// The protocol's name; `None` for bytes that nobody takes apart.
    pub protocol: Option<&'static str>,
    /// What it says, and its parts.
    pub message: Message,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The frames that carried a part of it, in the stream's order.
    pub frames: Vec<u64>,
    /// How many bytes before it were never seen.
    pub lost: u64,
    /// The protocol in which it stood encrypted: its bytes were on no link, and are known
    /// from one who has the keys.
    pub inside: Option<&'static str>,
}

/// Puts the streams and datagrams of all flows together.
#[derive(Debug, Default)]
pub struct Streams {
    halves: BTreeMap<(u64, usize), Half>,
    /// Bytes that all of them hold.
    held: usize,
}

#[derive(Debug, Default)]
struct Half {
    /// The sequence number of the byte that is expected next.
    expected: Option<u32>,
    /// Pieces behind a gap, by their distance from `expected` at their coming: kept by
    /// position in the stream.
    waiting: BTreeMap<u64, (Vec<u8>, u64)>,
    waiting_bytes: usize,
    /// The frame that came last.
    last: u64,
    /// The position of `expected` in the stream.
    position: u64,
    /// Bytes of a message that is not whole, and which frame brought which.
    partial: Vec<u8>,
    sources: Vec<(usize, u64)>,
    lost: u64,
}

impl Streams {
    /// Takes what a frame brought; gives the messages that it made whole. `spoken` is
    /// what the flow's last message was recognised as, see [`Hint::spoken`].
    pub fn take(
        &mut self,
        flow: &Flow,
        seen: &Seen,
        frame: &[u8],
        dissectors: &Dissectors,
        spoken: Option<&'static str>,
    ) -> Vec<StreamMessage> {
        let data = seen.data.bytes(frame);
        let index = seen.direction.index();
        let hint = Hint {
            transport: if flow.protocol == 6 {
                Transport::Tcp
            } else {
                Transport::Udp
            },
            source: flow.ends[index].port(),
            destination: flow.ends[1 - index].port(),
            is_whole: true,
            spoken,
        };
        let mut out = Vec::new();
        match &seen.note {
            Note::Udp(_) if !data.is_empty() => {
                let mut half = Half {
                    partial: data.to_vec(),
                    sources: vec![(0, seen.number)],
                    ..Half::default()
                };
                half.cut(flow.id, seen.direction, &hint, dissectors, &mut out);
                half.flush(flow.id, seen.direction, &mut out);
            }
            Note::Tcp(note) => {
                let key = (flow.id, index);
                if self.halves.len() >= MAX_STREAMS && !self.halves.contains_key(&key) {
                    self.end_the_silent(key, &mut out);
                }
                let half = self.halves.entry(key).or_default();
                let before = half.held();
                half.last = seen.number;
                half.take(note.seq, note.is_syn, data, seen.number);
                half.cut(flow.id, seen.direction, &hint, dissectors, &mut out);
                if note.is_last {
                    half.flush(flow.id, seen.direction, &mut out);
                }
                self.held = self.held - before + half.held();
                while self.held > MAX_HELD && self.end_the_silent(key, &mut out) {}
            }
            _ => {}
        }
        out
    }

    /// What is left of messages that never became whole.
    pub fn finish(&mut self) -> Vec<StreamMessage> {
        let mut out = Vec::new();
        self.held = 0;
        for (key, half) in std::mem::take(&mut self.halves) {
            half.end(key, &mut out);
        }
        out
    }

    /// Ends the stream that was silent for longest, but not `but`; whether there is one.
    fn end_the_silent(&mut self, but: (u64, usize), out: &mut Vec<StreamMessage>) -> bool {
        let others = self.halves.iter().filter(|(key, _)| **key != but);
        let Some(key) = others
            .min_by_key(|(_, half)| half.last)
            .map(|(key, _)| *key)
        else {
            return false;
        };
        if let Some(half) = self.halves.remove(&key) {
            self.held -= half.held();
            half.end(key, out);
        }
        true
    }
}

impl Half {
    /// How many bytes it keeps.
    fn held(&self) -> usize {
        self.waiting_bytes + self.partial.len()
    }

    /// Nothing more comes.
    fn end(mut self, (flow, index): (u64, usize), out: &mut Vec<StreamMessage>) {
        let direction = match index {
            0 => Direction::Forward,
            _ => Direction::Backward,
        };
        self.flush(flow, direction, out);
    }

    fn take(&mut self, seq: u32, is_syn: bool, data: &[u8], frame: u64) {
        if is_syn {
            self.expected.get_or_insert(seq.wrapping_add(1));
        }
        if data.is_empty() {
            return;
        }
        let seq = if is_syn { seq.wrapping_add(1) } else { seq };
        let expected = *self.expected.get_or_insert(seq);
        let distance = seq.wrapping_sub(expected) as i32;
        let end = i64::from(distance) + data.len() as i64;
        if end <= 0 {
            return;
        }
        // What was there already is cut off.
        let fresh = &data[usize::try_from(-i64::from(distance))
            .unwrap_or(0)
            .min(data.len())..];
        let at = self.position + u64::try_from(distance).unwrap_or(0);
        if self
            .waiting
            .get(&at)
            .is_none_or(|(have, _)| have.len() < fresh.len())
        {
            self.waiting_bytes += fresh.len();
            if let Some((old, _)) = self.waiting.insert(at, (fresh.to_vec(), frame)) {
                self.waiting_bytes -= old.len();
            }
        }
        self.advance();
        while self.waiting_bytes > MAX_WAITING {
            self.skip_gap();
        }
    }

    /// Moves what is next from the waiting to the partial message.
    fn advance(&mut self) {
        while let Some(entry) = self.waiting.first_entry() {
            let at = *entry.key();
            if at > self.position {
                return;
            }
            let (bytes, frame) = entry.remove();
            self.waiting_bytes -= bytes.len();
            let known = usize::try_from(self.position - at).unwrap_or(usize::MAX);
            if let Some(fresh) = bytes.get(known..).filter(|fresh| !fresh.is_empty()) {
                self.sources.push((self.partial.len(), frame));
                self.partial.extend_from_slice(fresh);
                self.position += fresh.len() as u64;
                self.expected = self
                    .expected
                    .map(|seq| seq.wrapping_add(fresh.len() as u32));
            }
        }
    }

    fn skip_gap(&mut self) {
        let Some(&at) = self.waiting.keys().next() else {
            return;
        };
        let gap = at.saturating_sub(self.position);
        self.lost += gap;
        self.position += gap;
        self.expected = self.expected.map(|seq| seq.wrapping_add(gap as u32));
        self.advance();
    }

    /// Cuts whole messages off the front.
    fn cut(
        &mut self,
        flow: u64,
        direction: Direction,
        hint: &Hint,
        dissectors: &Dissectors,
        out: &mut Vec<StreamMessage>,
    ) {
        while !self.partial.is_empty() {
            match dissectors.message(&self.partial, hint) {
                Some((name, Dissected::Message(message))) => {
                    let len = message.len;
                    self.emit(flow, direction, Some(name), message, len, out);
                }
                Some((_, Dissected::Partial)) if self.partial.len() < MAX_MESSAGE => return,
                _ => self.flush_partial(flow, direction, out),
            }
        }
    }

    fn flush(&mut self, flow: u64, direction: Direction, out: &mut Vec<StreamMessage>) {
        self.flush_partial(flow, direction, out);
        while !self.waiting.is_empty() {
            self.skip_gap();
            self.flush_partial(flow, direction, out);
        }
    }

    fn flush_partial(&mut self, flow: u64, direction: Direction, out: &mut Vec<StreamMessage>) {
        let len = self.partial.len();
        if len > 0 {
            let message = Message {
                len,
                ..Message::default()
            };
            self.emit(flow, direction, None, message, len, out);
        }
    }

    fn emit(
        &mut self,
        flow: u64,
        direction: Direction,
        protocol: Option<&'static str>,
        message: Message,
        len: usize,
        out: &mut Vec<StreamMessage>,
    ) {
        let rest = self.partial.split_off(len);
        let bytes = std::mem::replace(&mut self.partial, rest);
        let mut frames: Vec<u64> = Vec::new();
        for (_, frame) in self.sources.iter().filter(|(at, _)| *at < len) {
            if frames.last() != Some(frame) {
                frames.push(*frame);
            }
        }
        // The last frame that brought a part may have brought more.
        let last = self
            .sources
            .iter()
            .rev()
            .find(|(at, _)| *at < len)
            .map(|(_, frame)| *frame);
        self.sources.retain_mut(|(at, _)| {
            let stays = *at >= len;
            *at = at.saturating_sub(len);
            stays
        });
        if let Some(frame) = last.filter(|_| {
            !self.partial.is_empty() && self.sources.first().is_none_or(|(at, _)| *at > 0)
        }) {
            self.sources.insert(0, (0, frame));
        }
        out.push(StreamMessage {
            flow,
            direction,
            protocol,
            message,
            bytes,
            frames,
            lost: std::mem::take(&mut self.lost),
            inside: None,
        });
    }
}
