//! What is sent, and what must come back.
//!
//! Both directions of a conversation are endless byte streams that repeat after
//! a *period*; a [`Cursor`] is a position in one of them. The period of
//! generated messages is a prime, so messages of any usual size begin at
//! another place each time, and a reply that belongs elsewhere does not match.
//! The stored bytes go [`SLICE`] beyond the period: any slice up to that length
//! lies in one piece.

use std::ops::RangeInclusive;

use super::options::{Expect, Messages};

/// The longest slice that [`Stream::at`] gives.
pub(super) const SLICE: usize = 64 * 1024;

/// The period of generated messages: the first prime above 64 KiB.
const PERIOD: usize = 65_537;

/// How many different messages are made for a reply that a function computes.
const COMPUTED: usize = 61;

/// How many different messages are made where each has a length of its own: a prime, so
/// that connections do not move in step.
const SIZED: usize = 509;

/// Messages that are made take no more memory than this, if two of them fit.
const MADE_AT_MOST: usize = 32 << 20;

/// One message and the reply that it must get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The bytes to send, framing included.
    pub request: Vec<u8>,
    /// The bytes that must come back, framing included.
    pub reply: Vec<u8>,
}

/// Two streams, cut into messages.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) requests: Stream,
    pub(super) replies: Stream,
    lengths: Lengths,
}

/// One direction of every conversation.
#[derive(Debug)]
pub(super) struct Stream {
    bytes: Box<[u8]>,
    period: usize,
}

/// Where messages end.
#[derive(Debug)]
enum Lengths {
    /// All are equally long, and run over the period's end.
    Equal(usize),
    /// Those of the requests and replies of one period.
    Each(Vec<(usize, usize)>),
}

/// Where one connection is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    /// In the stream, below the period.
    pub(super) at: usize,
    /// Which message of the period is next; 0 if all are equally long.
    message: usize,
}

impl Stream {
    pub(super) fn new(cycle: Vec<u8>) -> Self {
        let period = cycle.len();
        let bytes = cycle.iter().copied().cycle().take(period + SLICE).collect();
        Stream { bytes, period }
    }

    /// Up to [`SLICE`] bytes from position `at`, which is below the period.
    pub(super) fn at(&self, at: usize, length: usize) -> &[u8] {
        &self.bytes[at..at + length]
    }

    /// The position `by` bytes after `at`.
    pub(super) fn advance(&self, at: usize, by: usize) -> usize {
        let next = at + by;
        // A division costs more than the usual case needs.
        if next < self.period {
            next
        } else {
            next % self.period
        }
    }
}

impl Script {
    pub(super) fn new(messages: &Messages, expect: Expect) -> Self {
        match (messages, expect) {
            (Messages::Script(exchanges), _) => Script::of(exchanges),
            // A chat has texts of its own, and bulk no messages.
            (Messages::Chat(_) | Messages::Bulk(_), _) => Script::of(&[]),
            (Messages::Asked(asked), _) => {
                let exchanges: Vec<_> = asked
                    .requests
                    .iter()
                    .map(|request| Exchange {
                        request: request.clone(),
                        reply: Vec::new(),
                    })
                    .collect();
                Script::of(&exchanges)
            }
            (Messages::Sizes(sizes), expect) => {
                let count = (MADE_AT_MOST / sizes.end()).clamp(2, SIZED);
                let exchanges: Vec<_> = (0..count as u64)
                    .map(|number| expect.exchange(size_of(sizes, number), number))
                    .collect();
                Script::of(&exchanges)
            }
            (Messages::Size(size), Expect::Function(reply)) => {
                let exchanges: Vec<_> = (0..COMPUTED)
                    .map(|number| Expect::Function(reply).exchange(*size, number as u64))
                    .collect();
                Script::of(&exchanges)
            }
            (Messages::Size(size), Expect::Echo) => {
                let bytes = random(PERIOD, 0);
                Script::equal(bytes.clone(), bytes, *size)
            }
            (Messages::Size(size), Expect::AsciiUpper) => {
                let bytes = printable(PERIOD, 0);
                Script::equal(bytes.clone(), bytes.to_ascii_uppercase(), *size)
            }
        }
    }

    fn equal(requests: Vec<u8>, replies: Vec<u8>, size: usize) -> Self {
        Script {
            requests: Stream::new(requests),
            replies: Stream::new(replies),
            lengths: Lengths::Equal(size),
        }
    }

    fn of(exchanges: &[Exchange]) -> Self {
        let all = |part: fn(&Exchange) -> &[u8]| exchanges.iter().flat_map(part).copied().collect();
        Script {
            requests: Stream::new(all(|one| &one.request)),
            replies: Stream::new(all(|one| &one.reply)),
            lengths: Lengths::Each(
                exchanges
                    .iter()
                    .map(|one| (one.request.len(), one.reply.len()))
                    .collect(),
            ),
        }
    }

    /// Where connection number `index` begins, for requests and for replies.
    pub(super) fn start(&self, index: usize) -> (Cursor, Cursor) {
        match &self.lengths {
            Lengths::Equal(_) => {
                let at = index.wrapping_mul(8_191) % PERIOD;
                let cursor = Cursor { at, message: 0 };
                (cursor, cursor)
            }
            Lengths::Each(lengths) => {
                let message = index % lengths.len();
                let skipped = &lengths[..message];
                let at = |part: fn(&(usize, usize)) -> usize| skipped.iter().map(part).sum();
                (
                    Cursor {
                        at: at(|one| one.0),
                        message,
                    },
                    Cursor {
                        at: at(|one| one.1),
                        message,
                    },
                )
            }
        }
    }

    /// The lengths of the request and the reply at `cursor`, which goes to the
    /// next message. Its position is left to the bytes that really move.
    pub(super) fn next(&self, cursor: &mut Cursor) -> (usize, usize) {
        match &self.lengths {
            Lengths::Equal(size) => (*size, *size),
            Lengths::Each(lengths) => {
                let now = lengths[cursor.message];
                cursor.message = (cursor.message + 1) % lengths.len();
                now
            }
        }
    }

    /// The length of the reply before `cursor`'s next message.
    pub(super) fn reply_before(&self, cursor: Cursor) -> usize {
        match &self.lengths {
            Lengths::Equal(size) => *size,
            Lengths::Each(lengths) => {
                lengths[(cursor.message + lengths.len() - 1) % lengths.len()].1
            }
        }
    }
}

impl Expect {
    /// A message that is made up, and its reply.
    fn exchange(self, size: usize, number: u64) -> Exchange {
        let request = match self {
            Expect::Echo => random(size, number),
            Expect::AsciiUpper | Expect::Function(_) => printable(size, number),
        };
        let reply = match self {
            Expect::Echo => request.clone(),
            Expect::AsciiUpper => request.to_ascii_uppercase(),
            Expect::Function(reply) => reply(&request),
        };
        Exchange { request, reply }
    }
}

/// The length of message `number`, out of a range; the same in every run.
pub(super) fn size_of(sizes: &RangeInclusive<usize>, number: u64) -> usize {
    let width = (sizes.end() - sizes.start()) as u64 + 1;
    // The mixer of splitmix64: neighbours have nothing in common.
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    sizes.start() + (mixed % width) as usize
}

/// Bytes that look random and are the same in every run (xorshift64*).
pub(super) fn random(length: usize, seed: u64) -> Vec<u8> {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..length)
        .map(|_| {
            state ^= state >> 12;
            state ^= state << 25;
            state ^= state >> 27;
            (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8
        })
        .collect()
}

/// As [`random`], from space to tilde: text that every service understands.
pub(super) fn printable(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = random(length, seed);
    for byte in &mut bytes {
        *byte = b' ' + *byte % 95;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_across_the_end_of_the_period_goes_on_at_its_beginning() {
        let stream = Stream::new(b"abc".to_vec());
        assert_eq!(stream.at(2, 5), b"cabca");
        assert_eq!(stream.advance(2, 5), 1);
    }

    #[test]
    fn sizes_of_a_range_reach_its_ends_and_not_beyond() {
        let all: std::collections::BTreeSet<_> =
            (0..1_000).map(|number| size_of(&(3..=9), number)).collect();
        assert_eq!(all, (3..=9).collect());
        assert_eq!(size_of(&(64..=64), 7), 64);
    }

    #[test]
    fn connections_begin_at_different_places() {
        let script = Script::new(&Messages::Size(64), Expect::Echo);
        let begins: std::collections::BTreeSet<_> =
            (0..1_000).map(|index| script.start(index).0.at).collect();
        assert_eq!(begins.len(), 1_000);
    }

    #[test]
    fn the_second_exchange_begins_where_the_first_ends() {
        let exchange = |request: &[u8], reply: &[u8]| Exchange {
            request: request.into(),
            reply: reply.into(),
        };
        let script = Script::of(&[exchange(b"a", b"one"), exchange(b"bc", b"two!")]);
        let (mut request, mut reply) = script.start(1);
        assert_eq!((request.at, reply.at), (1, 3));
        assert_eq!(script.next(&mut request), (2, 4));
        assert_eq!(script.next(&mut reply), (2, 4));
        assert_eq!(script.next(&mut reply), (1, 3));
    }
}
