//! Fragments put together, RFC 791 §3.2 and RFC 8200 §4.5.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use crate::frame::Timestamp;
use crate::packet::{Fragment, Packet};

/// How many packets are put together at once; the oldest is given up for another.
pub const MAX_PACKETS: usize = 64;

/// No packet is longer (16 bits of length).
const MAX_LEN: usize = 65_535;

/// No packet has more pieces: 65 535 bytes in pieces of eight.
const MAX_PIECES: usize = 8_192;

/// A packet whose pieces do not come in this time is given up (RFC 8200 §4.5).
const PATIENCE: Duration = Duration::from_secs(60);

/// A packet that was put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reassembled {
    /// What it carries.
    pub bytes: Vec<u8>,
    /// The frames of its pieces, in the order in which they came.
    pub frames: Vec<u64>,
}

/// Puts packets together.
#[derive(Debug, Default)]
pub struct Reassembler {
    packets: VecDeque<Partial>,
}

#[derive(Debug)]
struct Partial {
    key: (IpAddr, IpAddr, u8, u32),
    begun: Timestamp,
    /// What is there, as ranges that neither touch nor overlap.
    have: Vec<std::ops::Range<usize>>,
    bytes: Vec<u8>,
    total: Option<usize>,
    frames: Vec<u64>,
}

impl Reassembler {
    /// Takes a piece in; gives the packet when this was the last that was missing.
    /// Where pieces overlap, the one that came first counts.
    pub fn take(
        &mut self,
        at: Timestamp,
        packet: &Packet,
        frame: &[u8],
        number: u64,
    ) -> Option<Reassembled> {
        let fragment = packet.fragment?;
        let bytes = frame.get(packet.payload.clone())?;
        let end = fragment.offset + bytes.len();
        // What was cut off by the capture, or reaches beyond any packet, is of no use.
        if bytes.len() < packet.payload_len || end > MAX_LEN {
            return None;
        }
        while self
            .packets
            .front()
            .is_some_and(|oldest| at.since(oldest.begun) > PATIENCE)
        {
            self.packets.pop_front();
        }
        // Only IPv4's identification belongs to a protocol (RFC 791 §3.2).
        let protocol = if packet.source.is_ipv4() {
            packet.protocol
        } else {
            0
        };
        let key = (packet.source, packet.destination, protocol, fragment.id);
        let place = match self.packets.iter().position(|one| one.key == key) {
            Some(place) => place,
            None => {
                if self.packets.len() == MAX_PACKETS {
                    self.packets.pop_front();
                }
                self.packets.push_back(Partial {
                    key,
                    begun: at,
                    have: Vec::new(),
                    bytes: Vec::new(),
                    total: None,
                    frames: Vec::new(),
                });
                self.packets.len() - 1
            }
        };
        let partial = self.packets.get_mut(place)?;
        if partial.frames.len() >= MAX_PIECES {
            return None;
        }
        partial.add(fragment, bytes, number);
        if !partial.is_whole() {
            return None;
        }
        let whole = self.packets.remove(place)?;
        Some(Reassembled {
            bytes: whole.bytes,
            frames: whole.frames,
        })
    }
}

impl Partial {
    fn add(&mut self, fragment: Fragment, bytes: &[u8], number: u64) {
        self.frames.push(number);
        let range = fragment.offset..fragment.offset + bytes.len();
        if !fragment.more && self.total.is_none() {
            self.total = Some(range.end);
        }
        if self.bytes.len() < range.end {
            self.bytes.resize(range.end, 0);
        }
        // Copy only what is not there yet.
        let mut from = range.start;
        for have in &self.have {
            let gap = from..have.start.min(range.end);
            if gap.start < gap.end {
                let source = gap.start - range.start..gap.end - range.start;
                self.bytes[gap].copy_from_slice(&bytes[source]);
            }
            from = from.max(have.end);
        }
        if from < range.end {
            self.bytes[from..range.end].copy_from_slice(&bytes[from - range.start..]);
        }
        self.have.push(range);
        self.have.sort_by_key(|have| have.start);
        let mut merged: Vec<std::ops::Range<usize>> = Vec::with_capacity(self.have.len());
        for have in self.have.drain(..) {
            match merged.last_mut() {
                Some(last) if have.start <= last.end => last.end = last.end.max(have.end),
                _ => merged.push(have),
            }
        }
        self.have = merged;
    }

    fn is_whole(&mut self) -> bool {
        let Some(total) = self.total else {
            return false;
        };
        let is_whole = matches!(self.have.as_slice(), [all] if all.start == 0 && all.end >= total);
        if is_whole {
            self.bytes.truncate(total);
        }
        is_whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(offset: usize, more: bool, len: usize) -> Packet {
        Packet {
            source: [192, 0, 2, 1].into(),
            destination: [192, 0, 2, 2].into(),
            protocol: 17,
            fragment: Some(Fragment {
                id: 7,
                offset,
                more,
            }),
            payload: 0..len,
            payload_len: len,
        }
    }

    #[test]
    fn pieces_in_any_order_give_the_packet() {
        let mut pieces = Reassembler::default();
        let at = Timestamp::from_nanos(0);
        assert_eq!(pieces.take(at, &piece(16, false, 3), b"end", 1), None);
        assert_eq!(pieces.take(at, &piece(0, true, 8), b"01234567", 2), None);
        let whole = pieces.take(at, &piece(8, true, 8), b"89abcdef", 3).unwrap();
        assert_eq!(whole.bytes, b"0123456789abcdefend");
        assert_eq!(whole.frames, [1, 2, 3]);
    }

    #[test]
    fn the_first_of_two_that_overlap_counts() {
        let mut pieces = Reassembler::default();
        let at = Timestamp::from_nanos(0);
        pieces.take(at, &piece(8, true, 8), b"BBBBBBBB", 1);
        pieces.take(at, &piece(0, true, 16), b"AAAAAAAAaaaaaaaa", 2);
        let whole = pieces.take(at, &piece(16, false, 1), b"!", 3).unwrap();
        assert_eq!(whole.bytes, b"AAAAAAAABBBBBBBB!");
    }

    #[test]
    fn who_waits_too_long_is_given_up() {
        let mut pieces = Reassembler::default();
        pieces.take(Timestamp::from_nanos(0), &piece(0, true, 8), b"01234567", 1);
        let late = Timestamp::from_nanos(61_000_000_000);
        assert_eq!(pieces.take(late, &piece(8, false, 1), b"!", 2), None);
    }
}
