//! TCP as somebody sees it who watches the link: states, relative numbers, verdicts.
//!
//! ```text
//!    CLOSED ─SYN▶ SYN-SENT ─SYN ACK▶ ESTABLISHED ─FIN▶ FIN-WAIT-1 ─ACK▶ FIN-WAIT-2 ─FIN▶ TIME-WAIT
//!    LISTEN ─SYN▶ SYN-RECEIVED ─ACK▶ ESTABLISHED ◀FIN─ CLOSE-WAIT ─FIN▶ LAST-ACK ─ACK▶ CLOSED
//! ```
//! The verdicts follow tshark's analysis rule by rule (`tcp_analyze_sequence_number`
//! of Wireshark 4.0), so that the two can be held against each other; a test does.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::Direction;
use crate::frame::Timestamp;
use crate::packet::Segment;

/// How many segments of a direction wait for their acknowledgment; of further ones no
/// round trip is measured.
pub const MAX_UNACKED: usize = 4_096;

/// While so many segments of all flows together wait, no flow keeps more than
/// [`FEW_UNACKED`] in a direction: a capture of one direction has no acknowledgments.
pub(super) const MANY_UNACKED: usize = 512 << 10;

/// What a flow keeps at any time.
pub(super) const FEW_UNACKED: usize = 8;

/// More than this is no window (RFC 7323 §2.3: 2^30): the numbers are damaged.
const MAX_IN_FLIGHT: u32 = 2_000_000_000;

/// A retransmission that comes this soon after the third of the same acknowledgments
/// answers them and not a timer.
const FAST: Duration = Duration::from_millis(20);

/// A segment that comes this soon after a later one was overtaken on the way, where
/// the time of the handshake is not known.
const OVERTAKEN: Duration = Duration::from_millis(3);

/// The states of RFC 9293 §3.3.2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "their names are the RFC's")]
pub enum State {
    #[default]
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

impl State {
    /// The RFC's name: `SYN-SENT`.
    pub fn name(self) -> &'static str {
        match self {
            State::Closed => "CLOSED",
            State::Listen => "LISTEN",
            State::SynSent => "SYN-SENT",
            State::SynReceived => "SYN-RECEIVED",
            State::Established => "ESTABLISHED",
            State::FinWait1 => "FIN-WAIT-1",
            State::FinWait2 => "FIN-WAIT-2",
            State::CloseWait => "CLOSE-WAIT",
            State::Closing => "CLOSING",
            State::LastAck => "LAST-ACK",
            State::TimeWait => "TIME-WAIT",
        }
    }

    /// What it means, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            State::Closed => "there is no connection",
            State::Listen => "waits for anybody to connect",
            State::SynSent => "asked for a connection, waits for the answer",
            State::SynReceived => "was asked and agreed, waits for the confirmation",
            State::Established => "open: data goes both ways",
            State::FinWait1 => "said its last byte, waits for the acknowledgment",
            State::FinWait2 => "its end is acknowledged; the other side may still send",
            State::CloseWait => "the other side has ended; this one may still send",
            State::Closing => "both said their last byte at the same time",
            State::LastAck => {
                "said its last byte after the other side, waits for the acknowledgment"
            }
            State::TimeWait => "all is said; waits until old segments have died out",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Something remarkable about a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// These bytes were sent before.
    Retransmission,
    /// … in answer to duplicate acknowledgments.
    FastRetransmission,
    /// … although they had been acknowledged.
    SpuriousRetransmission,
    /// It was overtaken on the way.
    OutOfOrder,
    /// Something before it was not captured.
    PreviousNotCaptured,
    /// It acknowledges something that was not captured.
    AckedUnseen,
    /// It says the same again: something is missing, something behind it arrives.
    DuplicateAck,
    /// The sender has no room for data.
    ZeroWindow,
    /// One byte, to find out whether there is room.
    ZeroWindowProbe,
    /// The answer to that.
    ZeroWindowProbeAck,
    /// Tells of room, and nothing else.
    WindowUpdate,
    /// It fills the receiver's window.
    WindowFull,
    /// Asks whether the other side is still there.
    KeepAlive,
    /// The answer to that.
    KeepAliveAck,
    /// The same addresses and ports as an earlier connection.
    PortsReused,
}

impl Verdict {
    /// All of them, in the order of their numbers.
    pub const ALL: [Verdict; 15] = [
        Verdict::Retransmission,
        Verdict::FastRetransmission,
        Verdict::SpuriousRetransmission,
        Verdict::OutOfOrder,
        Verdict::PreviousNotCaptured,
        Verdict::AckedUnseen,
        Verdict::DuplicateAck,
        Verdict::ZeroWindow,
        Verdict::ZeroWindowProbe,
        Verdict::ZeroWindowProbeAck,
        Verdict::WindowUpdate,
        Verdict::WindowFull,
        Verdict::KeepAlive,
        Verdict::KeepAliveAck,
        Verdict::PortsReused,
    ];

    /// The words for people and machines.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Retransmission => "retransmission",
            Verdict::FastRetransmission => "fast retransmission",
            Verdict::SpuriousRetransmission => "spurious retransmission",
            Verdict::OutOfOrder => "out of order",
            Verdict::PreviousNotCaptured => "previous segment not captured",
            Verdict::AckedUnseen => "acknowledges an unseen segment",
            Verdict::DuplicateAck => "duplicate ACK",
            Verdict::ZeroWindow => "zero window",
            Verdict::ZeroWindowProbe => "zero window probe",
            Verdict::ZeroWindowProbeAck => "zero window probe ACK",
            Verdict::WindowUpdate => "window update",
            Verdict::WindowFull => "window full",
            Verdict::KeepAlive => "keep-alive",
            Verdict::KeepAliveAck => "keep-alive ACK",
            Verdict::PortsReused => "ports reused",
        }
    }

    /// What it means, in a sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Verdict::Retransmission => "sent again: no acknowledgment came in time",
            Verdict::FastRetransmission => {
                "sent again at once: three equal acknowledgments told of a gap"
            }
            Verdict::SpuriousRetransmission => {
                "sent again although it had arrived and was acknowledged"
            }
            Verdict::OutOfOrder => "overtaken on the way by a later segment",
            Verdict::PreviousNotCaptured => {
                "something before it is missing here: lost, or not captured"
            }
            Verdict::AckedUnseen => "acknowledges bytes that were not captured",
            Verdict::DuplicateAck => {
                "the same acknowledgment again: a gap, and bytes arriving behind it"
            }
            Verdict::ZeroWindow => "no room: stop sending",
            Verdict::ZeroWindowProbe => "one byte, to ask whether there is room again",
            Verdict::ZeroWindowProbeAck => "the answer to a probe: still no room",
            Verdict::WindowUpdate => "there is more room; nothing else is new",
            Verdict::WindowFull => "fills all the room that the receiver announced",
            Verdict::KeepAlive => "asks whether the other side is still there",
            Verdict::KeepAliveAck => "yes, still here",
            Verdict::PortsReused => "a new connection with the addresses and ports of an old one",
        }
    }

    fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// Whether a frame came to its receiver, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It did, or nothing else is known.
    Whole,
    /// It was lost behind the capture.
    Never,
}

/// A set of verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts(u16);

impl Verdicts {
    /// Whether this one was given.
    pub fn has(self, verdict: Verdict) -> bool {
        self.0 & verdict.bit() != 0
    }

    /// Whether none was given.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that were given, in the order of [`Verdict::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Verdict> {
        Verdict::ALL
            .into_iter()
            .filter(move |verdict| self.has(*verdict))
    }

    pub(super) fn add(&mut self, verdict: Verdict) {
        self.0 |= verdict.bit();
    }
}

/// What is to be said about a segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TcpNote {
    /// Its sequence number, as it stands there.
    pub seq: u32,
    /// Its sequence number, counted from the connection's beginning.
    pub relative_seq: u32,
    /// Its acknowledgment number, counted likewise, if it has one.
    pub relative_ack: Option<u32>,
    /// How many bytes of data it carries.
    pub len: u32,
    /// Its flags, as in [`Segment::flags`].
    pub flags: u8,
    /// The window in bytes, if the scale is known or none was agreed.
    pub window: u32,
    /// Whether it begins the connection.
    pub is_syn: bool,
    /// Whether nothing comes after it from this side.
    pub is_last: bool,
    /// What is remarkable about it.
    pub verdicts: Verdicts,
    /// Of a duplicate acknowledgment: which one it is, and the frame that said it first.
    pub duplicate: Option<(u32, u64)>,
    /// Of a retransmission: the frame that it repeats and how long ago that was.
    pub repeats: Option<(u64, Duration)>,
    /// The frame that it acknowledges last, and the time since.
    pub acks: Option<(u64, Duration)>,
    /// That time, if it is a round trip: what was sent several times may have been
    /// acknowledged for any of them (Karn's rule, RFC 6298 section 3).
    pub rtt: Option<Duration>,
    /// Bytes that are sent and not acknowledged, after this segment.
    pub in_flight: Option<u32>,
    /// The states of both ends before it and after it.
    pub states: [[State; 2]; 2],
}

#[derive(Clone, Debug)]
struct Unacked {
    frame: u64,
    at: Timestamp,
    seq: u32,
    next: u32,
}

/// A segment that is acknowledged.
#[derive(Clone, Copy, Debug)]
struct Acked {
    frame: u64,
    since: Duration,
    /// Some of what is acknowledged was sent again, so it is not known for what it is.
    is_ambiguous: bool,
}

/// Segments that are sent and not acknowledged.
#[derive(Clone, Debug, Default)]
struct Waiting {
    list: VecDeque<Unacked>,
    /// The lowest number in the list and the highest end: no segment costs a walk over
    /// all of it.
    span: Option<(u32, u32)>,
    /// Whether some do not stand behind their neighbour.
    is_mixed: bool,
}

impl Unacked {
    fn acked(&self, at: Timestamp) -> Acked {
        Acked {
            frame: self.frame,
            since: at.since(self.at),
            is_ambiguous: false,
        }
    }
}

impl Waiting {
    fn push(&mut self, one: Unacked) {
        let Some((low, high)) = &mut self.span else {
            self.span = Some((one.seq, one.next));
            self.is_mixed = false;
            return self.list.push_back(one);
        };
        self.is_mixed |= before(one.seq, *high);
        if before(one.seq, *low) {
            *low = one.seq;
        }
        if before(*high, one.next) {
            *high = one.next;
        }
        self.list.push_back(one);
    }

    /// Removes what is acknowledged; gives the segment that ended there.
    fn acknowledge(&mut self, ack: u32, at: Timestamp) -> Option<Acked> {
        let (low, _) = self.span?;
        if !before(low, ack) {
            return None;
        }
        let acked = match self.is_mixed {
            true => self.sift(ack, at),
            false => self.shift(ack, at),
        };
        if self.list.is_empty() {
            self.span = None;
            // Most connections wait most of the time: they keep no room for what was.
            if self.list.capacity() > FEW_UNACKED {
                self.list = VecDeque::new();
            }
        }
        acked
    }

    /// Of segments in order the first go.
    fn shift(&mut self, ack: u32, at: Timestamp) -> Option<Acked> {
        let mut acked = None;
        while let Some(one) = self.list.front_mut() {
            if before(ack, one.next) {
                // Acknowledged in part: sent again in other pieces, or cut by the card.
                if before(one.seq, ack) {
                    one.seq = ack;
                }
                let low = one.seq;
                self.span = self.span.map(|(_, high)| (low, high));
                break;
            }
            if one.next == ack {
                acked = Some(one.acked(at));
            }
            self.list.pop_front();
        }
        acked
    }

    fn sift(&mut self, ack: u32, at: Timestamp) -> Option<Acked> {
        let mut acked: Option<Acked> = None;
        let mut span: Option<(u32, u32)> = None;
        // Up to where something was sent, of what this acknowledges, and whether some of it
        // was sent again.
        let (mut sent_to, mut again): (Option<u32>, bool) = (None, false);
        self.list.retain_mut(|one| {
            if before(one.seq, ack) {
                again |= sent_to.is_some_and(|to| before(one.seq, to));
                let farther = sent_to.filter(|to| before(one.next, *to));
                sent_to = farther.or(Some(one.next));
            }
            let is_acked = !before(ack, one.next);
            if is_acked {
                if one.next == ack {
                    acked.get_or_insert(one.acked(at));
                }
                return false;
            }
            if before(one.seq, ack) {
                one.seq = ack;
            }
            span = Some(match span {
                None => (one.seq, one.next),
                Some((low, high)) => (
                    if before(one.seq, low) { one.seq } else { low },
                    if before(high, one.next) {
                        one.next
                    } else {
                        high
                    },
                ),
            });
            true
        });
        self.span = span;
        acked.map(|acked| Acked {
            is_ambiguous: again,
            ..acked
        })
    }
}

/// What is known about one side.
#[derive(Clone, Debug, Default)]
struct Side {
    base: Option<u32>,
    next: Option<u32>,
    next_at: Timestamp,
    next_frame: u64,
    max_to_ack: Option<u32>,
    last_ack: Option<u32>,
    last_ack_at: Timestamp,
    window: u16,
    /// In bytes.
    scaled_window: u32,
    scale: Scale,
    duplicates: u32,
    first_of_ack: u64,
    last_verdicts: Verdicts,
    unacked: Waiting,
    sack: [Option<(u32, u32)>; 4],
    in_flight_unknown: bool,
    state: State,
    fin: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scale {
    /// The handshake was not seen.
    #[default]
    Unknown,
    Announced(u8),
    /// Not both sides know it.
    None,
}

/// A TCP connection, watched.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    sides: [Side; 2],
    syn_at: Option<Timestamp>,
    /// From the last SYN to its end; with what was sent twice it is no round trip.
    handshake: Option<Duration>,
    /// A SYN or its answer was sent again.
    was_repeated: bool,
}

/// `a` comes before `b` in the circle of sequence numbers (RFC 9293 §3.4).
fn before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

impl Connection {
    pub(super) fn states(&self) -> [State; 2] {
        [self.sides[0].state, self.sides[1].state]
    }

    pub(super) fn base(&self, direction: Direction) -> Option<u32> {
        self.sides[direction.index()].base
    }

    /// The time of the handshake. What was sent twice may have been answered for either
    /// of both (Karn's rule, RFC 6298 section 3): then it is not known.
    pub(super) fn handshake(&self) -> Option<Duration> {
        self.handshake.filter(|_| !self.was_repeated)
    }

    /// Whether a segment begins another connection with the same ports.
    pub(super) fn is_reused_by(&self, segment: &Segment, is_forward: bool) -> bool {
        let side = &self.sides[usize::from(!is_forward)];
        segment.flags & (Segment::SYN | Segment::ACK) == Segment::SYN
            && side.base.is_some_and(|base| base != segment.seq)
    }

    /// How many segments it keeps for their acknowledgment.
    pub(super) fn unacked(&self) -> usize {
        self.sides.iter().map(|side| side.unacked.list.len()).sum()
    }

    /// Takes the next segment in; of a direction no more than `most` are kept for their
    /// acknowledgment.
    pub(super) fn see(
        &mut self,
        (at, number, arrival): (Timestamp, u64, Arrival),
        direction: Direction,
        segment: &Segment,
        most: usize,
    ) -> TcpNote {
        self.learn_bases(direction, segment);
        let mut note = TcpNote {
            seq: segment.seq,
            len: segment.data_len,
            flags: segment.flags,
            is_syn: segment.has(Segment::SYN),
            is_last: segment.has(Segment::FIN | Segment::RST),
            ..TcpNote::default()
        };
        let index = direction.index();
        let base = self.sides[index].base.unwrap_or_default();
        note.relative_seq = segment.seq.wrapping_sub(base);
        if segment.has(Segment::ACK) {
            let base = self.sides[1 - index].base.unwrap_or_default();
            note.relative_ack = Some(segment.ack.wrapping_sub(base));
        }
        self.learn_scale(direction, segment);
        note.window = self.scaled(direction, segment);
        self.judge((at, number), direction, segment, &mut note, most);
        self.time_handshake(at, direction, segment);
        note.states = [self.states(), self.states()];
        let was_seen =
            self.states() != [State::Closed; 2] || self.sides.iter().any(|side| side.fin.is_some());
        let peer = self.sides[1 - index].state;
        self.follow(direction, segment);
        if arrival == Arrival::Never {
            self.sides[1 - index].state = peer;
        }
        note.states[1] = self.states();
        // A connection that was open before the capture began did not change now.
        if !was_seen && note.states[1] == [State::Established; 2] {
            note.states[0] = note.states[1];
        }
        note
    }

    /// Numbers are counted from the SYN, or so that the first byte seen is byte 1.
    fn learn_bases(&mut self, direction: Direction, segment: &Segment) {
        let index = direction.index();
        let first = match segment.has(Segment::SYN) {
            true => segment.seq,
            false => segment.seq.wrapping_sub(1),
        };
        self.sides[index].base.get_or_insert(first);
        if segment.has(Segment::ACK) {
            self.sides[1 - index]
                .base
                .get_or_insert(segment.ack.wrapping_sub(1));
        }
    }

    /// RFC 7323 §2.2: both SYNs must have the option.
    fn learn_scale(&mut self, direction: Direction, segment: &Segment) {
        if !segment.has(Segment::SYN) {
            return;
        }
        let index = direction.index();
        if let Some(scale) = segment.scale {
            self.sides[index].scale = Scale::Announced(scale.min(14));
        }
        if segment.has(Segment::ACK) && self.sides.iter().any(|side| side.scale == Scale::Unknown) {
            self.sides
                .iter_mut()
                .for_each(|side| side.scale = Scale::None);
        }
    }

    fn scaled(&self, direction: Direction, segment: &Segment) -> u32 {
        let window = u32::from(segment.window);
        match self.sides[direction.index()].scale {
            Scale::Announced(scale) if !segment.has(Segment::SYN) => window << scale,
            _ => window,
        }
    }

    fn judge(
        &mut self,
        (at, number): (Timestamp, u64),
        direction: Direction,
        segment: &Segment,
        note: &mut TcpNote,
        most: usize,
    ) {
        let index = direction.index();
        let [low, high] = &mut self.sides;
        let (own, peer) = if index == 0 { (low, high) } else { (high, low) };
        let is_plain = !segment.has(Segment::SYN | Segment::FIN | Segment::RST);
        let len = segment.data_len;
        let is_next = own.next == Some(segment.seq);
        let repeats_ack = own.last_ack == Some(segment.ack) && own.last_ack.is_some();
        let verdicts = &mut note.verdicts;
        let is_done = own.about_window(peer, segment, is_plain, is_next, repeats_ack, verdicts);
        if !is_done
            && len == 0
            && is_plain
            && is_next
            && repeats_ack
            && segment.window != 0
            && segment.window == own.window
        {
            own.duplicates += 1;
            verdicts.add(Verdict::DuplicateAck);
            note.duplicate = Some((own.duplicates, own.first_of_ack));
        }
        if !repeats_ack {
            own.first_of_ack = number;
            own.duplicates = 0;
        }
        if segment.has(Segment::ACK)
            && let Some(max) = peer.max_to_ack
            && before(max, segment.ack)
        {
            verdicts.add(Verdict::AckedUnseen);
            // Once is enough for one gap.
            peer.max_to_ack = match peer.next {
                Some(next) if before(segment.ack, next) => Some(next),
                _ => Some(segment.ack),
            };
        }
        own.about_sequence(peer, at, segment, self.handshake, note);
        own.remember((at, number), segment, note, most);
        if segment.has(Segment::ACK) {
            let acked = peer.unacked.acknowledge(segment.ack, at);
            note.acks = acked.map(|it| (it.frame, it.since));
            note.rtt = acked.filter(|it| !it.is_ambiguous).map(|it| it.since);
        }
        if len > 0 && !own.in_flight_unknown {
            note.in_flight = own.in_flight(peer);
        }
        if segment.has(Segment::ACK) {
            own.sack = segment.sack;
            peer.in_flight_unknown = false;
        }
        own.last_verdicts = note.verdicts;
        own.scaled_window = note.window;
    }

    fn time_handshake(&mut self, at: Timestamp, direction: Direction, segment: &Segment) {
        const BOTH: u8 = Segment::SYN | Segment::ACK;
        match segment.flags & BOTH {
            Segment::SYN => {
                self.was_repeated |= self.syn_at.is_some();
                self.syn_at = Some(at);
            }
            BOTH => {
                let answers = &self.sides[direction.index()];
                self.was_repeated |= answers.state == State::SynReceived;
            }
            Segment::ACK if direction == Direction::Forward && self.handshake.is_none() => {
                let is_asked = self.sides[0].state == State::Established
                    && self.sides[1].state == State::SynReceived;
                self.handshake = self
                    .syn_at
                    .filter(|_| is_asked)
                    .map(|asked| at.since(asked));
            }
            _ => {}
        }
    }

    /// Both ends' states, as they must be once this segment has arrived.
    fn follow(&mut self, direction: Direction, segment: &Segment) {
        use State::{
            CloseWait, Closed, Closing, Established, FinWait1, FinWait2, LastAck, Listen,
            SynReceived, SynSent, TimeWait,
        };
        let index = direction.index();
        let [low, high] = &mut self.sides;
        let (own, peer) = if index == 0 { (low, high) } else { (high, low) };
        if segment.has(Segment::RST) {
            own.state = Closed;
            // What it answers tells whether the peer was listening.
            peer.state = Closed;
            return;
        }
        match segment.flags & (Segment::SYN | Segment::ACK) {
            Segment::SYN => {
                own.state = SynSent;
                if peer.state == Closed {
                    peer.state = Listen;
                }
                return;
            }
            flags if flags == Segment::SYN | Segment::ACK => {
                if matches!(own.state, Closed | Listen | SynSent) {
                    own.state = SynReceived;
                }
                if matches!(peer.state, SynSent | Closed) {
                    peer.state = Established;
                }
                return;
            }
            _ => {}
        }
        // A capture that began in the middle.
        if own.state == Closed && own.fin.is_none() && peer.fin.is_none() && peer.state == Closed {
            own.state = Established;
            peer.state = Established;
        }
        if own.state == SynReceived {
            own.state = Established;
        }
        if segment.has(Segment::ACK) {
            if peer.state == SynReceived {
                peer.state = Established;
            }
            let is_end_acked = peer.fin.is_some_and(|fin| !before(segment.ack, fin));
            if is_end_acked {
                peer.state = match peer.state {
                    FinWait1 => FinWait2,
                    Closing => TimeWait,
                    LastAck => Closed,
                    other => other,
                };
            }
        }
        if segment.has(Segment::FIN) {
            let end = segment.seq.wrapping_add(segment.data_len).wrapping_add(1);
            own.fin = Some(end);
            own.state = match own.state {
                Established => FinWait1,
                CloseWait => LastAck,
                other => other,
            };
            peer.state = match peer.state {
                Established => CloseWait,
                FinWait1 => Closing,
                FinWait2 => TimeWait,
                other => other,
            };
        }
    }
}

impl Side {
    /// The verdicts about windows and keep-alives; whether they say it all.
    fn about_window(
        &self,
        peer: &Side,
        segment: &Segment,
        is_plain: bool,
        is_next: bool,
        repeats_ack: bool,
        verdicts: &mut Verdicts,
    ) -> bool {
        let len = segment.data_len;
        if len == 1 && is_next && peer.last_ack.is_some() && peer.window == 0 {
            verdicts.add(Verdict::ZeroWindowProbe);
            return true;
        }
        if segment.window == 0 && is_plain {
            verdicts.add(Verdict::ZeroWindow);
        }
        let is_beyond = self.next.is_some_and(|next| before(next, segment.seq));
        if is_beyond && !segment.has(Segment::RST) {
            verdicts.add(Verdict::PreviousNotCaptured);
        }
        let is_one_before = self
            .next
            .is_some_and(|next| next.wrapping_sub(1) == segment.seq);
        if len <= 1 && is_one_before && is_plain {
            verdicts.add(Verdict::KeepAlive);
        }
        let says_nothing = len == 0 && is_plain && is_next && repeats_ack;
        if says_nothing && segment.window != 0 && segment.window != self.window {
            verdicts.add(Verdict::WindowUpdate);
        }
        if len > 0
            && is_plain
            && peer.scale != Scale::Unknown
            && let Some(acked) = peer.last_ack
        {
            let end = segment.seq.wrapping_add(len);
            if end == acked.wrapping_add(peer.scaled_window) {
                verdicts.add(Verdict::WindowFull);
            }
        }
        let is_same_window = segment.window == self.window;
        if says_nothing
            && segment.window != 0
            && is_same_window
            && peer.last_verdicts.has(Verdict::KeepAlive)
        {
            verdicts.add(Verdict::KeepAliveAck);
            return true;
        }
        let acks_probe = repeats_ack
            || self
                .last_ack
                .is_some_and(|ack| ack.wrapping_add(1) == segment.ack);
        if len == 0
            && is_plain
            && is_next
            && acks_probe
            && segment.window == 0
            && is_same_window
            && peer.last_verdicts.has(Verdict::ZeroWindowProbe)
        {
            verdicts.add(Verdict::ZeroWindowProbeAck);
            return true;
        }
        false
    }

    /// Retransmitted, overtaken, or new.
    fn about_sequence(
        &self,
        peer: &Side,
        at: Timestamp,
        segment: &Segment,
        handshake: Option<Duration>,
        note: &mut TcpNote,
    ) {
        let len = segment.data_len;
        if len == 0 && !segment.has(Segment::SYN | Segment::FIN) {
            return;
        }
        let Some(next) = self.next else {
            return;
        };
        if note.verdicts.has(Verdict::KeepAlive) {
            return;
        }
        let mut is_old = before(segment.seq, next);
        // More than a probe, with one byte of it sent before: new data.
        if len > 1 && next.wrapping_sub(1) == segment.seq {
            is_old = false;
        }
        let end = segment.seq.wrapping_add(len);
        if len > 0 && peer.last_ack.is_some_and(|ack| !before(ack, end)) {
            note.verdicts.add(Verdict::SpuriousRetransmission);
            note.verdicts.add(Verdict::Retransmission);
            note.repeats = self.repeated(segment, at);
            return;
        }
        if !is_old {
            return;
        }
        let since_ack = at.since(peer.last_ack_at);
        let is_asked_for = peer.duplicates >= 2 && peer.last_ack == Some(segment.seq);
        let mut blocks = peer.sack.iter().flatten().peekable();
        let has_blocks = blocks.peek().is_some();
        let is_sacked =
            blocks.any(|(left, right)| !before(segment.seq, *left) && before(segment.seq, *right));
        if since_ack < FAST && (is_asked_for || (has_blocks && !is_sacked)) {
            note.verdicts.add(Verdict::FastRetransmission);
            // tshark's fast retransmissions are retransmissions, too.
            note.verdicts.add(Verdict::Retransmission);
            note.repeats = self.repeated(segment, at);
            return;
        }
        let overtaken = handshake
            .filter(|time| !time.is_zero())
            .unwrap_or(OVERTAKEN);
        if at.since(self.next_at) < overtaken && next != end {
            note.verdicts.add(Verdict::OutOfOrder);
            return;
        }
        note.verdicts.add(Verdict::Retransmission);
        note.repeats = self.repeated(segment, at);
    }

    /// The frame that brought the same bytes before.
    fn repeated(&self, segment: &Segment, at: Timestamp) -> Option<(u64, Duration)> {
        let earlier = self.unacked.list.iter().find(|one| one.seq == segment.seq);
        match earlier {
            Some(one) => Some((one.frame, at.since(one.at))),
            None if self.next_frame > 0 => Some((self.next_frame, at.since(self.next_at))),
            None => None,
        }
    }

    fn remember(
        &mut self,
        (at, number): (Timestamp, u64),
        segment: &Segment,
        note: &TcpNote,
        most: usize,
    ) {
        let counts = u32::from(segment.has(Segment::SYN | Segment::FIN));
        let end = segment
            .seq
            .wrapping_add(segment.data_len)
            .wrapping_add(counts);
        if note.verdicts.has(Verdict::PreviousNotCaptured) {
            self.in_flight_unknown = true;
        }
        let is_probe = note.verdicts.has(Verdict::ZeroWindowProbe);
        if (segment.data_len > 0 || counts > 0) && self.unacked.list.len() < most {
            self.unacked.push(Unacked {
                frame: number,
                at,
                seq: segment.seq,
                next: end,
            });
        }
        if self.next.is_none_or(|next| before(next, end)) && !is_probe {
            self.next = Some(end);
            self.next_at = at;
            self.next_frame = number;
        }
        if self.max_to_ack.is_none_or(|max| max == segment.seq) && !is_probe {
            self.max_to_ack = self.next;
        }
        self.window = segment.window;
        if segment.has(Segment::ACK) {
            self.last_ack = Some(segment.ack);
            self.last_ack_at = at;
        }
    }

    /// What is sent and neither acknowledged nor reported as arrived behind a gap.
    fn in_flight(&self, peer: &Side) -> Option<u32> {
        let (low, high) = self.unacked.span?;
        let blocks = peer.sack.iter().flatten();
        let arrived: u32 = blocks.fold(0, |sum, (left, right)| {
            sum.wrapping_add(right.wrapping_sub(*left))
        });
        let count = high.wrapping_sub(low).wrapping_sub(arrived);
        // What makes no sense is not told: blocks of a damaged option.
        (1..MAX_IN_FLIGHT).contains(&count).then_some(count)
    }
}
