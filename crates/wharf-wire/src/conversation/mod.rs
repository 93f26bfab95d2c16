//! Conversations: which frames belong together, and what is remarkable about each.
//!
//! ```text
//!   frame ─▶ packet ─▶ (fragments put together) ─▶ flow ─▶ tcp or udp ─▶ Seen
//! ```
//! A flow is known by both addresses *and both ports*, so conversations of a machine
//! with itself are told apart. TCP's verdicts are tshark's, by the same rules and
//! under the same names. Everything is bounded: [`Limits`].

mod fragments;
mod stream;
mod tcp;
mod udp;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::frame::{Link, Timestamp};
use crate::packet::{Carried, Packet, carried};

pub use fragments::{MAX_PACKETS, Reassembled, Reassembler};
pub use stream::{MAX_AT_ONCE, MAX_HELD, MAX_STREAMS, MAX_WAITING, PIECE, StreamMessage, Streams};
use tcp::Arrival;
pub use tcp::{MAX_UNACKED, State, TcpNote, Verdict, Verdicts};
pub use udp::{MAX_REQUESTS, UdpNote};

/// How much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many flows are followed at once. When there are more, those that were
    /// silent for longest are given up and only counted.
    pub flows: usize,
}

impl Default for Limits {
    /// 100 000 flows: some 100 MB at the most.
    fn default() -> Self {
        Limits { flows: 100_000 }
    }
}

/// Who sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The one who began.
    Forward,
    /// The other one.
    Backward,
}

impl Direction {
    /// The other direction.
    pub fn other(self) -> Direction {
        match self {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        }
    }

    /// 0 for the one who began, 1 for the other.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// A conversation between two ends.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its number, in the order of first frames; never given again.
    pub id: u64,
    /// 6 for TCP, 17 for UDP.
    pub protocol: u8,
    /// The one who began, and the other one.
    pub ends: [SocketAddr; 2],
    /// When its first frame came.
    pub first: Timestamp,
    /// When its last frame came.
    pub last: Timestamp,
    /// Frames sent by each.
    pub frames: [u64; 2],
    /// Bytes of these frames on the link.
    pub bytes: [u64; 2],
    /// Bytes of application data sent by each, repetitions included.
    pub data: [u64; 2],
    /// How often each verdict was given.
    pub verdicts: [u32; Verdict::ALL.len()],
    /// The time of the handshake, if it was seen and nothing of it was sent twice.
    pub handshake: Option<Duration>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Tcp(Box<tcp::Connection>),
    Udp(udp::Exchange),
}

impl Flow {
    /// The states of both ends; `None` for UDP, which has none.
    pub fn states(&self) -> Option<[State; 2]> {
        match &self.body {
            Body::Tcp(connection) => Some(connection.states()),
            Body::Udp(_) => None,
        }
    }

    fn unacked(&self) -> usize {
        match &self.body {
            Body::Tcp(connection) => connection.unacked(),
            Body::Udp(_) => 0,
        }
    }

    /// The sequence number that counts as zero in a direction.
    pub fn base(&self, direction: Direction) -> Option<u32> {
        match &self.body {
            Body::Tcp(connection) => connection.base(direction),
            Body::Udp(_) => None,
        }
    }
}

/// What a tracker found out about a frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The frame's number, from 1.
    pub number: u64,
    /// The flow's [`Flow::id`], if it belongs to one.
    pub flow: Option<u64>,
    /// Who sent it.
    pub direction: Direction,
    /// What is to be said about it.
    pub note: Note,
    /// What the application sent with it.
    pub data: Data,
    /// The frames that this packet was put together from, this one last.
    pub fragments: Vec<u64>,
}

/// What is to be said about a frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Note {
    /// A segment.
    Tcp(TcpNote),
    /// A datagram.
    Udp(UdpNote),
    /// A fragment, while others are missing.
    Fragment,
    /// Nothing.
    None,
}

/// Where the application's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// In the frame.
    Frame(Range<usize>),
    /// Put together from fragments.
    Whole(Vec<u8>),
    /// There are none.
    None,
}

impl Data {
    /// The bytes, out of the frame that they came with.
    pub fn bytes<'a>(&'a self, frame: &'a [u8]) -> &'a [u8] {
        match self {
            Data::Frame(range) => frame.get(range.clone()).unwrap_or_default(),
            Data::Whole(bytes) => bytes,
            Data::None => &[],
        }
    }
}

/// Both ends in an order of their own, and the protocol, in numbers that are quick to
/// hash: every frame is looked up by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key([u64; 5]);

impl Key {
    fn of(protocol: u8, one: SocketAddr, other: SocketAddr) -> Key {
        let bits = |end: SocketAddr| match end.ip() {
            IpAddr::V4(ip) => (u128::from(ip.to_bits()), end.port()),
            IpAddr::V6(ip) => (ip.to_bits(), end.port()),
        };
        let (one_bits, other_bits) = (bits(one), bits(other));
        let (low, high) = match one_bits <= other_bits {
            true => (one_bits, other_bits),
            false => (other_bits, one_bits),
        };
        let rest = u64::from(low.1) << 32
            | u64::from(high.1) << 16
            | u64::from(protocol) << 8
            | u64::from(one.is_ipv6());
        let upper = |bits: u128| (bits >> 64) as u64;
        Key([
            upper(low.0),
            low.0 as u64,
            upper(high.0),
            high.0 as u64,
            rest,
        ])
    }
}

/// Of the flows that were given up these many are remembered, those with the most bytes.
pub const MAX_GIVEN_UP: usize = 1_000;

/// Follows conversations, frame by frame.
#[derive(Debug)]
pub struct Tracker {
    limits: Limits,
    flows: Vec<Flow>,
    index: HashMap<Key, usize, RandomState>,
    /// The flow of the last frame: the next one is often its.
    latest: Option<(Key, usize)>,
    fragments: Reassembler,
    frames: u64,
    flows_seen: u64,
    given_up: u64,
    largest_given_up: Vec<Flow>,
    /// Segments of all flows that wait for their acknowledgment.
    unacked: usize,
}

impl Default for Tracker {
    fn default() -> Self {
        Tracker::new(Limits::default())
    }
}

impl Tracker {
    /// A tracker that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        Tracker {
            limits: Limits {
                flows: limits.flows.max(1),
            },
            flows: Vec::new(),
            index: HashMap::default(),
            latest: None,
            fragments: Reassembler::default(),
            frames: 0,
            flows_seen: 0,
            given_up: 0,
            largest_given_up: Vec::new(),
            unacked: 0,
        }
    }

    /// The flows that are remembered, in the order in which they began.
    pub fn flows(&self) -> &[Flow] {
        &self.flows
    }

    /// The flow with this number, if it is remembered.
    pub fn flow(&self, id: u64) -> Option<&Flow> {
        let at = self.flows.binary_search_by_key(&id, |flow| flow.id).ok()?;
        self.flows.get(at)
    }

    /// How many flows there were, those given up included.
    pub fn flow_count(&self) -> u64 {
        self.flows_seen
    }

    /// How many flows were given up, since there were more than the limit.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Of those that were given up the [`MAX_GIVEN_UP`] with the most bytes, in no order.
    pub fn largest_given_up(&self) -> &[Flow] {
        &self.largest_given_up
    }

    /// Counts a frame that nobody wants to know about, so that numbers stay the file's.
    pub fn pass_over(&mut self) {
        self.frames += 1;
    }

    /// Takes the next frame in; `original_len` is its length on the link.
    pub fn see(&mut self, at: Timestamp, link: Link, frame: &[u8], original_len: usize) -> Seen {
        self.take(at, link, frame, original_len, Arrival::Whole)
    }

    /// As [`Tracker::see`], for a frame that is known to have been lost on its way
    /// behind the capture: its sender did send it, and its receiver knows nothing.
    pub fn see_lost(
        &mut self,
        at: Timestamp,
        link: Link,
        frame: &[u8],
        original_len: usize,
    ) -> Seen {
        self.take(at, link, frame, original_len, Arrival::Never)
    }

    fn take(
        &mut self,
        at: Timestamp,
        link: Link,
        frame: &[u8],
        original_len: usize,
        arrival: Arrival,
    ) -> Seen {
        self.frames += 1;
        let mut seen = Seen {
            number: self.frames,
            flow: None,
            direction: Direction::Forward,
            note: Note::None,
            data: Data::None,
            fragments: Vec::new(),
        };
        let Some(packet) = Packet::of(link, frame) else {
            return seen;
        };
        if packet.fragment.is_none() {
            let carried = packet.carried(frame);
            self.transport(
                (at, arrival),
                &packet,
                &carried,
                original_len,
                frame,
                &mut seen,
            );
            return seen;
        }
        if arrival == Arrival::Never {
            seen.note = Note::Fragment;
            return seen;
        }
        match self.fragments.take(at, &packet, frame, seen.number) {
            None => seen.note = Note::Fragment,
            Some(whole) => {
                let len = whole.bytes.len();
                let carried = carried(packet.protocol, &whole.bytes, 0..len, len);
                self.transport(
                    (at, arrival),
                    &packet,
                    &carried,
                    original_len,
                    &whole.bytes,
                    &mut seen,
                );
                if let Data::Frame(range) = &seen.data {
                    seen.data = Data::Whole(whole.bytes[range.clone()].to_vec());
                }
                seen.fragments = whole.frames;
            }
        }
        seen
    }

    fn transport(
        &mut self,
        (at, arrival): (Timestamp, Arrival),
        packet: &Packet,
        carried: &Carried,
        original_len: usize,
        holder: &[u8],
        seen: &mut Seen,
    ) {
        let (source, destination, data, data_len) = match carried {
            Carried::Tcp(segment) => (
                segment.source,
                segment.destination,
                &segment.data,
                segment.data_len as usize,
            ),
            Carried::Udp {
                source,
                destination,
                data,
            } => (*source, *destination, data, data.len()),
            Carried::Other => return,
        };
        debug_assert!(data.end <= holder.len());
        let from = SocketAddr::new(packet.source, source);
        let to = SocketAddr::new(packet.destination, destination);
        let begins_anew = |flow: &Flow| match (&flow.body, carried) {
            (Body::Tcp(connection), Carried::Tcp(segment)) => {
                connection.is_reused_by(segment, flow.ends[0] == from)
            }
            _ => false,
        };
        let number = seen.number;
        let most = match self.unacked {
            tcp::MANY_UNACKED.. => tcp::FEW_UNACKED,
            _ => MAX_UNACKED,
        };
        let (flow, is_reused) = self.flow_of(at, packet.protocol, from, to, begins_anew);
        // A machine that talks to its own port has one end only.
        let direction = if flow.ends[0] == from {
            Direction::Forward
        } else {
            Direction::Backward
        };
        flow.last = at;
        flow.frames[direction.index()] += 1;
        flow.bytes[direction.index()] += original_len as u64;
        flow.data[direction.index()] += data_len as u64;
        seen.flow = Some(flow.id);
        seen.direction = direction;
        if !data.is_empty() {
            seen.data = Data::Frame(data.clone());
        }
        let mut unacked = 0;
        seen.note = match (&mut flow.body, carried) {
            (Body::Tcp(connection), Carried::Tcp(segment)) => {
                let before = connection.unacked();
                let mut note = connection.see((at, number, arrival), direction, segment, most);
                unacked = connection.unacked() as isize - before as isize;
                if is_reused {
                    note.verdicts.add(Verdict::PortsReused);
                }
                flow.handshake = connection.handshake();
                for (count, verdict) in flow.verdicts.iter_mut().zip(Verdict::ALL) {
                    *count += u32::from(note.verdicts.has(verdict));
                }
                Note::Tcp(note)
            }
            (Body::Udp(exchange), _) => Note::Udp(exchange.see(at, number, direction)),
            _ => Note::None,
        };
        self.unacked = self.unacked.saturating_add_signed(unacked);
    }

    /// The flow of these ends, and whether it is a new one with an earlier one's ports.
    fn flow_of(
        &mut self,
        at: Timestamp,
        protocol: u8,
        from: SocketAddr,
        to: SocketAddr,
        begins_anew: impl FnOnce(&Flow) -> bool,
    ) -> (&mut Flow, bool) {
        let key = Key::of(protocol, from, to);
        let earlier = match self.latest {
            Some((latest, place)) if latest == key => Some(place),
            _ => self.index.get(&key).copied(),
        };
        let known = earlier.filter(|&place| !begins_anew(&self.flows[place]));
        let place = match known {
            Some(place) => place,
            None => {
                if self.flows.len() >= self.limits.flows {
                    self.give_up_the_silent();
                }
                let id = self.flows_seen;
                self.flows_seen += 1;
                self.flows.push(Flow {
                    id,
                    protocol,
                    ends: [from, to],
                    first: at,
                    last: at,
                    frames: [0; 2],
                    bytes: [0; 2],
                    data: [0; 2],
                    verdicts: [0; Verdict::ALL.len()],
                    handshake: None,
                    body: match protocol {
                        6 => Body::Tcp(Box::default()),
                        _ => Body::Udp(udp::Exchange::default()),
                    },
                });
                let place = self.flows.len() - 1;
                self.index.insert(key, place);
                place
            }
        };
        self.latest = Some((key, place));
        (&mut self.flows[place], earlier.is_some() && known.is_none())
    }

    /// Forgets the quarter that was silent for longest: seldom, and all at once, so
    /// that no frame pays for a list in the order of last frames.
    fn give_up_the_silent(&mut self) {
        let mut lasts: Vec<Timestamp> = self.flows.iter().map(|flow| flow.last).collect();
        let quarter = lasts.len() / 4;
        let (_, limit, _) = lasts.select_nth_unstable(quarter);
        let limit = *limit;
        let before = self.flows.len();
        let mut gone = std::mem::take(&mut self.largest_given_up);
        // Of many with the same time as many go as are needed.
        let mut left = quarter + 1;
        self.flows.retain(|flow| {
            let goes = flow.last <= limit && left > 0;
            left -= usize::from(goes);
            if goes {
                gone.push(Flow {
                    body: Body::Udp(udp::Exchange::default()),
                    ..flow.clone()
                });
            }
            !goes
        });
        self.given_up += (before - self.flows.len()) as u64;
        if gone.len() > MAX_GIVEN_UP {
            let bytes = |flow: &Flow| std::cmp::Reverse(flow.bytes.iter().sum::<u64>());
            gone.select_nth_unstable_by_key(MAX_GIVEN_UP - 1, bytes);
            gone.truncate(MAX_GIVEN_UP);
            gone.shrink_to_fit();
        }
        self.largest_given_up = gone;
        self.unacked = self.flows.iter().map(Flow::unacked).sum();
        self.latest = None;
        self.index.clear();
        for (place, flow) in self.flows.iter().enumerate() {
            let [one, other] = flow.ends;
            self.index.insert(Key::of(flow.protocol, one, other), place);
        }
    }
}
