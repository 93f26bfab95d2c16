//! Up to 64 received datagrams, and the replies to them, in memory that is used
//! again and again.
//!
//! ```text
//!   arena   │ slot 0: 64 KiB        │pad│ slot 1                │pad│ …   received, answered in place
//!   replies │ to slot 0, in place │ to slot 1, bytes 0..5 │ to 192.0.2.1:7, bytes 5..9 │
//!   bytes   │ hellobye!                                                  copied replies
//! ```
//!
//! The arena is zeroed memory that the system maps when a page is first
//! touched, so a slot costs what the longest datagram in it needed, not 64 KiB.
//! The batch knows nothing of sockets: a [`DatagramIo`](super::DatagramIo) fills
//! and empties it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::DatagramCounters;
use crate::limits;
use crate::network::{Endpoint, UnixName};

/// Every slot begins 21 cache lines of 64 bytes further into its 64 KiB than the
/// one before. Otherwise the beginnings of all datagrams would compete for one
/// set of the caches. 21 is odd, so 64 small datagrams use all 64 sets of a
/// usual L1 cache, and more than a 1,280-byte datagram, so those do not overlap
/// in the L2 cache.
const STAGGER: usize = 21 * 64;

/// What IPv4 and UDP add to a payload, in bytes (RFC 791, RFC 768). It counts
/// as traffic, so that many empty replies are seen as the amplification they are.
pub(super) const HEADERS: usize = 28;

/// Received datagrams and the replies to them.
///
/// A [`DatagramService`](super::DatagramService) is called with a whole batch and
/// puts its replies into it. Datagrams are numbered from 0 in the order of arrival.
///
/// ```
/// use wharf::datagram::Batch;
/// use wharf::network::Endpoint;
///
/// let mut batch = Batch::new();
/// let peer: Endpoint = "127.0.0.1:5000".parse::<std::net::SocketAddr>().unwrap().into();
/// batch.push_received(b"hello", &peer, None);
/// for i in 0..batch.len() {
///     batch.payload_mut(i).make_ascii_uppercase();
///     batch.reply_in_place(i);
/// }
/// assert_eq!(batch.next_outgoing().unwrap().payload, b"HELLO");
/// ```
pub struct Batch {
    arena: Box<[u8]>,
    slot_size: usize,
    slots: Box<[Slot]>,
    len: usize,
    replies: Vec<Reply>,
    /// How many of `replies` have been dealt with.
    done: usize,
    bytes: Vec<u8>,
    scratch: Vec<u8>,
    amplification: Amplification,
    tally: DatagramCounters,
    last_error: Option<io::Error>,
}

/// One received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// What was sent, whole.
    pub payload: &'a [u8],
    /// Who sent it, as far as the network knows: an address can be forged.
    pub peer: &'a Endpoint,
    /// The local address that it came to and that replies leave from, where the
    /// socket has several; `None` means the socket's own.
    pub local: Option<IpAddr>,
}

/// One datagram to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Whom it is for.
    pub to: &'a Endpoint,
    /// The local address that it must leave from; `None` leaves that to the socket.
    pub from: Option<IpAddr>,
    /// What to send.
    pub payload: &'a [u8],
}

/// What became of a reply that was put into a batch.
///
/// Everything but `Yes` is counted; a service that has nothing better to do may
/// ignore it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It will be sent.
    Yes,
    /// It is longer than what it answers; see [`Amplification`].
    Amplifies,
    /// It is longer than a datagram can be.
    TooLong,
    /// The batch holds [`limits::DATAGRAM_REPLIES`] or
    /// [`limits::DATAGRAM_REPLY_BYTES`] already.
    Full,
    /// The peer is a Unix socket without a name, so nothing can be sent to it.
    NoAddress,
}

/// Whether a service may answer a datagram with more than it received.
///
/// Whoever sends a datagram can put a victim's address on it. A server that
/// answers with more than it got is then an amplifier for attacks (RFC 5358,
/// RFC 9000 section 8.1); `chargen` was the first. Peers on this machine cannot
/// be forged from outside and may have any answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Amplification {
    /// All replies to one datagram together are no longer than it, headers included.
    #[default]
    Refused,
    /// The service makes sure by itself who its peers are.
    Allowed,
}

#[derive(Clone, Debug)]
struct Slot {
    start: usize,
    length: usize,
    /// How much may still be sent in answer, headers included.
    credit: usize,
    peer: Endpoint,
    local: Option<IpAddr>,
}

#[derive(Debug)]
struct Reply {
    to: To,
    body: Body,
    start: usize,
    length: usize,
}

#[derive(Debug)]
enum To {
    /// The peer of this slot, from the address that the datagram came to.
    Slot(usize),
    Other(Endpoint, Option<IpAddr>),
}

#[derive(Clone, Copy, Debug)]
enum Body {
    InPlace,
    Copied,
}

/// Where a reader puts datagrams: `count` slots of `size` bytes, `stride` apart.
pub(crate) struct Window<'a> {
    pub(crate) arena: &'a mut [u8],
    pub(crate) size: usize,
    pub(crate) stride: usize,
    pub(crate) count: usize,
}

impl Batch {
    /// A batch of [`limits::DATAGRAM_BATCH`] datagrams of any length.
    pub fn new() -> Self {
        Batch::with_slots(limits::DATAGRAM_BATCH, limits::MAX_DATAGRAM)
    }

    /// A batch of at most `count` datagrams, at least one, of at most `size` bytes each.
    ///
    /// Longer ones are dropped and counted as truncated.
    pub fn with_slots(count: usize, size: usize) -> Self {
        let count = count.max(1);
        let empty = Slot {
            start: 0,
            length: 0,
            credit: 0,
            peer: Endpoint::Inet(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0)),
            local: None,
        };
        Batch {
            // calloc(3): pages that nobody touched are not there yet.
            arena: vec![0; count * stride(size)].into_boxed_slice(),
            slot_size: size,
            slots: vec![empty; count].into_boxed_slice(),
            len: 0,
            replies: Vec::new(),
            done: 0,
            bytes: Vec::new(),
            scratch: Vec::new(),
            amplification: Amplification::Refused,
            tally: DatagramCounters::default(),
            last_error: None,
        }
    }

    /// Decides whether replies may be longer than what they answer.
    pub fn set_amplification(&mut self, amplification: Amplification) {
        self.amplification = amplification;
    }

    /// Whether replies may be longer than what they answer.
    pub fn amplification(&self) -> Amplification {
        self.amplification
    }

    /// How many datagrams were received.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no datagram was received.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How long a datagram may be to be received whole, in bytes.
    pub fn slot_size(&self) -> usize {
        self.slot_size
    }

    /// Whether no further datagram can be received into it.
    pub fn is_full(&self) -> bool {
        self.len == self.slots.len()
    }

    /// Received datagram number `i`.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Batch::len).
    pub fn get(&self, i: usize) -> Datagram<'_> {
        let slot = &self.slots[..self.len][i];
        Datagram {
            payload: &self.arena[slot.start..slot.start + slot.length],
            peer: &slot.peer,
            local: slot.local,
        }
    }

    /// All received datagrams, in the order of arrival.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Datagram<'_>> {
        (0..self.len).map(|i| self.get(i))
    }

    /// The bytes of received datagram number `i`, to be changed in place.
    ///
    /// What [`reply_in_place`](Batch::reply_in_place) sends is what stands here
    /// when the batch is sent.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Batch::len).
    pub fn payload_mut(&mut self, i: usize) -> &mut [u8] {
        let slot = &self.slots[..self.len][i];
        &mut self.arena[slot.start..slot.start + slot.length]
    }

    /// Sends datagram number `i` back to its peer without copying it.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Batch::len).
    pub fn reply_in_place(&mut self, i: usize) -> Queued {
        let length = self.slots[..self.len][i].length;
        self.reply_in_place_shortened(i, length)
    }

    /// Sends the first `length` bytes of datagram number `i` back to its peer
    /// without copying them; all of it if it is shorter.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Batch::len).
    pub fn reply_in_place_shortened(&mut self, i: usize, length: usize) -> Queued {
        let slot = &self.slots[..self.len][i];
        let (start, length) = (slot.start, length.min(slot.length));
        let verdict = self.may_reply(i, length);
        if verdict == Queued::Yes {
            self.replies.push(Reply {
                to: To::Slot(i),
                body: Body::InPlace,
                start,
                length,
            });
        }
        self.counted(verdict)
    }

    /// Sends `payload` to the peer of datagram number `i`.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Batch::len).
    pub fn reply(&mut self, i: usize, payload: &[u8]) -> Queued {
        let mut verdict = self.has_room(payload.len());
        if verdict == Queued::Yes {
            verdict = self.may_reply(i, payload.len());
        }
        if verdict == Queued::Yes {
            self.copy_in(To::Slot(i), payload);
        }
        self.counted(verdict)
    }

    /// Sends what `write` appends to an empty buffer to the peer of datagram
    /// number `i`; `write` gets the datagram's bytes.
    ///
    /// # Panics
    /// If `i` is not below [`len`](Batch::len).
    pub fn reply_with(&mut self, i: usize, write: impl FnOnce(&[u8], &mut Vec<u8>)) -> Queued {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        write(self.get(i).payload, &mut scratch);
        let queued = self.reply(i, &scratch);
        if scratch.capacity() <= limits::MAX_DATAGRAM {
            self.scratch = scratch;
        }
        queued
    }

    /// Sends `payload` to anybody.
    ///
    /// It answers nothing, so the guard against amplification does not see it: a
    /// service that sends to addresses it only heard of must think of forged ones.
    pub fn send(&mut self, to: &Endpoint, payload: &[u8]) -> Queued {
        self.send_from(None, to, payload)
    }

    /// Like [`send`](Batch::send), leaving from the local address `from`, which is
    /// a [`Datagram::local`] of before.
    pub fn send_from(&mut self, from: Option<IpAddr>, to: &Endpoint, payload: &[u8]) -> Queued {
        let mut verdict = self.has_room(payload.len());
        if *to == Endpoint::Unix(UnixName::Unnamed) {
            verdict = Queued::NoAddress;
        }
        if verdict == Queued::Yes {
            self.copy_in(To::Other(to.clone(), from), payload);
        }
        self.counted(verdict)
    }

    /// How many more replies fit, if they are not too long.
    pub fn replies_left(&self) -> usize {
        if self.bytes.len() >= limits::DATAGRAM_REPLY_BYTES {
            return 0;
        }
        limits::DATAGRAM_REPLIES.saturating_sub(self.replies.len())
    }

    /// How many replies still wait to be sent.
    pub fn outgoing(&self) -> usize {
        self.replies.len() - self.done
    }

    /// Forgets all datagrams and all replies.
    pub fn clear(&mut self) {
        self.len = 0;
        self.clear_replies();
    }

    fn clear_replies(&mut self) {
        self.replies.clear();
        self.bytes.clear();
        self.done = 0;
    }

    fn has_room(&self, length: usize) -> Queued {
        if length > limits::MAX_DATAGRAM {
            Queued::TooLong
        } else if self.replies.len() >= limits::DATAGRAM_REPLIES
            || self.bytes.len() + length > limits::DATAGRAM_REPLY_BYTES
        {
            Queued::Full
        } else {
            Queued::Yes
        }
    }

    /// Takes `length` and its headers from the credit of slot `i`.
    fn may_reply(&mut self, i: usize, length: usize) -> Queued {
        if self.replies.len() >= limits::DATAGRAM_REPLIES {
            return Queued::Full;
        }
        let slot = &mut self.slots[..self.len][i];
        if slot.peer == Endpoint::Unix(UnixName::Unnamed) {
            return Queued::NoAddress;
        }
        if self.amplification == Amplification::Allowed || slot.peer.is_local() {
            return Queued::Yes;
        }
        match slot.credit.checked_sub(length + HEADERS) {
            Some(rest) => slot.credit = rest,
            None => return Queued::Amplifies,
        }
        Queued::Yes
    }

    fn copy_in(&mut self, to: To, payload: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(payload);
        self.replies.push(Reply {
            to,
            body: Body::Copied,
            start,
            length: payload.len(),
        });
    }

    fn counted(&mut self, verdict: Queued) -> Queued {
        match verdict {
            Queued::Yes => {}
            Queued::Amplifies => self.tally.amplification_refused += 1,
            Queued::TooLong | Queued::Full | Queued::NoAddress => self.tally.not_queued += 1,
        }
        verdict
    }
}

/// For those who carry datagrams: [`DatagramIo`](super::DatagramIo).
impl Batch {
    /// Adds a received datagram by copying it; says whether there was a place.
    ///
    /// One that is longer than a slot is counted as truncated, and dropped.
    pub fn push_received(
        &mut self,
        payload: &[u8],
        peer: &Endpoint,
        local: Option<IpAddr>,
    ) -> bool {
        if self.is_full() {
            return false;
        }
        if payload.len() > self.slot_size {
            self.tally.truncated += 1;
            return true;
        }
        let start = self.len * stride(self.slot_size);
        self.arena[start..start + payload.len()].copy_from_slice(payload);
        self.accept(start, payload.len(), peer.clone(), local);
        true
    }

    /// The next datagram to send.
    pub fn next_outgoing(&self) -> Option<Outgoing<'_>> {
        self.outgoing_iter().next()
    }

    /// Notes that the next `count` datagrams were sent.
    pub fn note_sent(&mut self, count: usize) {
        let end = self.replies.len().min(self.done + count);
        let bytes: usize = self.replies[self.done..end].iter().map(|r| r.length).sum();
        self.tally.sent += (end - self.done) as u64;
        self.tally.bytes_sent += bytes as u64;
        self.done = end;
        self.forget_when_done();
    }

    /// Notes that the next datagram cannot be sent, and goes on to the one after it.
    pub fn note_failed(&mut self, error: io::Error) {
        self.tally.send_failed += 1;
        self.done = self.replies.len().min(self.done + 1);
        self.last_error = Some(error);
        self.forget_when_done();
    }

    /// What the carrier counts besides what is sent and received.
    pub fn tally_mut(&mut self) -> &mut DatagramCounters {
        &mut self.tally
    }

    fn forget_when_done(&mut self) {
        if self.done == self.replies.len() {
            self.clear_replies();
        }
    }

    /// The counts since the last call.
    pub(crate) fn take_tally(&mut self) -> DatagramCounters {
        std::mem::take(&mut self.tally)
    }

    /// Why the last datagram that could not be sent was not, once.
    pub(crate) fn take_error(&mut self) -> Option<io::Error> {
        self.last_error.take()
    }

    /// All datagrams that wait to be sent, in order.
    pub(crate) fn outgoing_iter(&self) -> impl Iterator<Item = Outgoing<'_>> {
        self.replies[self.done..].iter().map(|reply| {
            let (to, from) = match &reply.to {
                To::Slot(i) => (&self.slots[*i].peer, self.slots[*i].local),
                To::Other(to, from) => (to, *from),
            };
            let source = match reply.body {
                Body::InPlace => &self.arena[..],
                Body::Copied => &self.bytes[..],
            };
            Outgoing {
                to,
                from,
                payload: &source[reply.start..reply.start + reply.length],
            }
        })
    }

    /// The memory for received datagrams. Only for an empty batch, because it
    /// begins with the first slot.
    pub(crate) fn window(&mut self) -> Window<'_> {
        Window {
            size: self.slot_size,
            stride: stride(self.slot_size),
            count: self.slots.len(),
            arena: &mut self.arena,
        }
    }

    /// Adds the datagram that was put at `start` in the arena.
    pub(crate) fn accept(
        &mut self,
        start: usize,
        length: usize,
        peer: Endpoint,
        local: Option<IpAddr>,
    ) {
        self.tally.received += 1;
        self.tally.bytes_received += length as u64;
        if let Some(slot) = self.slots.get_mut(self.len) {
            *slot = Slot {
                start,
                length,
                credit: length + HEADERS,
                peer,
                local,
            };
            self.len += 1;
        }
    }
}

/// The distance between the beginnings of two slots: whole pages, so that no
/// page holds two slots, and the stagger.
fn stride(size: usize) -> usize {
    size.next_multiple_of(4_096) + STAGGER
}

impl Default for Batch {
    fn default() -> Self {
        Batch::new()
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch")
            .field("received", &self.len)
            .field("outgoing", &self.outgoing())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
