//! Streams put together: back from segments to the application's messages, with the
//! frames that carried each.

use std::collections::{BTreeMap, VecDeque};

use crate::application::{Dissected, Dissectors, Gate, Hint, MAX_MESSAGE, Message, Transport};

use super::{Direction, Flow, Note, Seen};

/// How many bytes behind a gap are kept, in each direction of a flow, with [`PIECE`] for
/// each piece; when there are more the gap is taken for lost.
pub const MAX_WAITING: usize = 1 << 20;

/// What it takes to keep a piece of a stream besides its bytes: a peer that sends single
/// bytes must not have sixty times as much kept.
pub const PIECE: usize = 64;

/// How many streams, two of each flow, are put together at once. For another one that
/// which was silent for longest is ended, and what is left of its messages is told.
pub const MAX_STREAMS: usize = 1_024;

/// How many bytes of unfinished messages and behind gaps are kept in all streams
/// together, with what it takes to keep them; when there are more the silent ones are ended.
pub const MAX_HELD: usize = 32 << 20;

/// How many messages are cut out of what one frame makes known, which behind a gap may be a
/// megabyte of lines without a letter; what comes after them is told as it is. A frame by
/// itself never has so many.
pub const MAX_AT_ONCE: usize = 1 << 16;

/// Up to so many bytes of an unfinished message are looked at again with each segment; a
/// longer one is when it has grown by a sixteenth, or where its length is known when it has
/// come. Otherwise a peer that sends single bytes of a long message would have each of them
/// pay for all before it.
const OFTEN: usize = 16 << 10;

/// What it takes to remember which frame brought bytes.
const SOURCE: usize = size_of::<(u64, u64)>();

/// Room for so many bytes is not worth giving back.
const SMALL: usize = 1 << 10;

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
    /// Bytes of messages; those before `cut` are of messages that were told.
    partial: Vec<u8>,
    cut: usize,
    /// How many bytes were ever taken in, and from which of them on which frame brought them.
    taken: u64,
    sources: VecDeque<(u64, u64)>,
    /// An unfinished message is not looked at again before it is so long.
    patience: usize,
    /// What is known about these bytes besides themselves.
    hint: Option<Hint>,
    lost: u64,
}

impl Streams {
    /// Takes what a frame brought; gives the messages that it made whole. `spoken` is
    /// what the flow's last message was recognised as, see [`Hint::spoken`], and `gate` what is
    /// known of a gate's words from this side, see [`Hint::gate`].
    pub fn take(
        &mut self,
        flow: &Flow,
        seen: &Seen,
        frame: &[u8],
        dissectors: &Dissectors,
        spoken: Option<&'static str>,
        gate: Gate,
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
            gate,
        };
        let mut out = Vec::new();
        match &seen.note {
            Note::Udp(_) if !data.is_empty() => {
                let mut half = Half::default();
                half.append(data, seen.number);
                half.hint = Some(hint);
                half.end((flow.id, index), dissectors, &mut out);
            }
            Note::Tcp(note) => {
                let key = (flow.id, index);
                if self.halves.len() >= MAX_STREAMS && !self.halves.contains_key(&key) {
                    self.end_the_silent(key, dissectors, &mut out);
                }
                let half = self.halves.entry(key).or_default();
                let before = half.held();
                half.last = seen.number;
                half.take(note.seq, note.is_syn, data, seen.number);
                half.cut(flow.id, seen.direction, hint, dissectors, &mut out);
                if note.is_last {
                    half.flush(flow.id, seen.direction, dissectors, &mut out);
                }
                self.held = self.held - before + half.held();
                while self.held > MAX_HELD && self.end_the_silent(key, dissectors, &mut out) {}
            }
            _ => {}
        }
        out
    }

    /// What is left of messages that never became whole.
    pub fn finish(&mut self, dissectors: &Dissectors) -> Vec<StreamMessage> {
        let mut out = Vec::new();
        self.held = 0;
        for (key, half) in std::mem::take(&mut self.halves) {
            half.end(key, dissectors, &mut out);
        }
        out
    }

    /// Ends the stream that was silent for longest, but not `but`; whether there is one.
    fn end_the_silent(
        &mut self,
        but: (u64, usize),
        dissectors: &Dissectors,
        out: &mut Vec<StreamMessage>,
    ) -> bool {
        let others = self.halves.iter().filter(|(key, _)| **key != but);
        let Some(key) = others
            .min_by_key(|(_, half)| half.last)
            .map(|(key, _)| *key)
        else {
            return false;
        };
        if let Some(half) = self.halves.remove(&key) {
            self.held -= half.held();
            half.end(key, dissectors, out);
        }
        true
    }
}

impl Half {
    /// How many bytes it keeps, with the room that it keeps for more.
    fn held(&self) -> usize {
        let sources = self.sources.capacity() * SOURCE;
        self.waiting_bytes + self.partial.capacity() + sources
    }

    /// Forgets what was told, and gives the room back that a long message has left.
    fn settle(&mut self) {
        // All at once: each message for itself would move the rest.
        self.partial.drain(..self.cut);
        self.cut = 0;
        let len = self.partial.len();
        match len {
            0 => self.partial = Vec::new(),
            _ if self.partial.capacity() > 4 * len.max(SMALL) => self.partial.shrink_to(2 * len),
            _ => {}
        }
        let len = self.sources.len();
        match len {
            0 => self.sources = VecDeque::new(),
            _ if self.sources.capacity() > 4 * len.max(SMALL / SOURCE) => {
                self.sources.shrink_to(2 * len);
            }
            _ => {}
        }
    }

    /// Nothing more comes.
    fn end(
        mut self,
        (flow, index): (u64, usize),
        dissectors: &Dissectors,
        out: &mut Vec<StreamMessage>,
    ) {
        let direction = match index {
            0 => Direction::Forward,
            _ => Direction::Backward,
        };
        self.flush(flow, direction, dissectors, out);
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
            self.waiting_bytes += fresh.len() + PIECE;
            if let Some((old, _)) = self.waiting.insert(at, (fresh.to_vec(), frame)) {
                self.waiting_bytes -= old.len() + PIECE;
            }
        }
        self.advance();
        while self.waiting_bytes > MAX_WAITING {
            self.skip_gap();
        }
    }

    /// Moves what is next from the waiting to the messages.
    fn advance(&mut self) {
        while let Some(entry) = self.waiting.first_entry() {
            let at = *entry.key();
            if at > self.position {
                return;
            }
            let (bytes, frame) = entry.remove();
            self.waiting_bytes -= bytes.len() + PIECE;
            let known = usize::try_from(self.position - at).unwrap_or(usize::MAX);
            if let Some(fresh) = bytes.get(known..).filter(|fresh| !fresh.is_empty()) {
                self.append(fresh, frame);
                self.position += fresh.len() as u64;
                self.expected = self
                    .expected
                    .map(|seq| seq.wrapping_add(fresh.len() as u32));
            }
        }
    }

    fn append(&mut self, bytes: &[u8], frame: u64) {
        self.sources.push_back((self.taken, frame));
        self.partial.extend_from_slice(bytes);
        self.taken += bytes.len() as u64;
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

    /// Bytes of which nothing was told yet.
    fn untold(&self) -> &[u8] {
        &self.partial[self.cut..]
    }

    /// Cuts whole messages off the front.
    fn cut(
        &mut self,
        flow: u64,
        direction: Direction,
        hint: Hint,
        dissectors: &Dissectors,
        out: &mut Vec<StreamMessage>,
    ) {
        let mut hint = hint;
        while self.untold().len() >= self.patience.max(1) {
            match dissectors.message(self.untold(), &hint) {
                Some((name, Dissected::Message(message))) if out.len() < MAX_AT_ONCE => {
                    let len = message.len;
                    hint = dissectors.after(&hint, name, &message);
                    self.emit(flow, direction, Some(name), message, len, out);
                }
                Some((_, Dissected::Partial)) if self.untold().len() < MAX_MESSAGE => {
                    let len = self.untold().len();
                    self.patience = if len < OFTEN { 0 } else { len + len / 16 };
                    break;
                }
                Some((_, Dissected::Needs(len))) if self.untold().len() < MAX_MESSAGE => {
                    self.patience = len.min(MAX_MESSAGE);
                    break;
                }
                _ => self.flush_partial(flow, direction, out),
            }
        }
        self.hint = Some(hint);
        self.settle();
    }

    fn flush(
        &mut self,
        flow: u64,
        direction: Direction,
        dissectors: &Dissectors,
        out: &mut Vec<StreamMessage>,
    ) {
        self.flush_known(flow, direction, dissectors, out);
        while !self.waiting.is_empty() {
            self.skip_gap();
            self.flush_known(flow, direction, dissectors, out);
        }
    }

    /// Tells what is left: messages that were not looked at lately, and what is none.
    fn flush_known(
        &mut self,
        flow: u64,
        direction: Direction,
        dissectors: &Dissectors,
        out: &mut Vec<StreamMessage>,
    ) {
        self.patience = 0;
        if let Some(hint) = self.hint {
            self.cut(flow, direction, hint, dissectors, out);
        }
        self.flush_partial(flow, direction, out);
        self.settle();
    }

    fn flush_partial(&mut self, flow: u64, direction: Direction, out: &mut Vec<StreamMessage>) {
        let len = self.untold().len();
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
        let bytes = self.untold()[..len].to_vec();
        self.cut += len;
        self.patience = 0;
        let end = self.taken - self.untold().len() as u64;
        let mut frames: Vec<u64> = Vec::new();
        while let Some(&(_, frame)) = self.sources.front().filter(|(at, _)| *at < end) {
            if frames.last() != Some(&frame) {
                frames.push(frame);
            }
            // The last frame that brought a part may have brought more.
            let next = self.sources.get(1).map_or(self.taken, |(next, _)| *next);
            if next > end {
                self.sources[0].0 = end;
                break;
            }
            self.sources.pop_front();
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

#[cfg(test)]
mod tests {
    use super::*;

    const HINT: Hint = Hint {
        transport: Transport::Tcp,
        source: 80,
        destination: 40_000,
        is_whole: true,
        spoken: None,
        gate: Gate::Unknown,
    };

    /// Thousands of streams that have said something long, and are still open, keep nothing.
    #[test]
    fn the_room_of_a_long_message_is_given_back() {
        let known = Dissectors::standard();
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n";
        let response = [&head[..], &[b'x'; 900_000]].concat();
        for rest in [&b""[..], b"HTTP/1.1 2"] {
            let (mut half, mut out) = (Half::default(), Vec::new());
            let all = [&response[..], rest].concat();
            let mut seq = 1_u32;
            for (frame, piece) in all.chunks(1_000).enumerate() {
                half.take(seq, false, piece, frame as u64);
                half.cut(1, Direction::Backward, HINT, &known, &mut out);
                seq += piece.len() as u32;
                assert!(half.held() >= half.partial.capacity().max(half.waiting_bytes));
            }
            assert_eq!(out.len(), 1);
            assert_eq!(half.partial, rest);
            let kept = half.partial.capacity() + half.sources.capacity() * SOURCE;
            assert!(kept <= 4 * SMALL, "{kept} bytes are kept of {}", rest.len());
            assert_eq!(half.held(), kept);
            // And when nothing more comes.
            half.flush(1, Direction::Backward, &known, &mut out);
            assert_eq!((half.held(), half.partial.capacity()), (0, 0));
        }
    }
}
