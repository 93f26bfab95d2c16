//! Making frames: of a network in memory, or rebuilt from what sockets did.
//!
//! [`TcpModel`] keeps what a connection needs to know to write its next segment.
//! Lengths and checksums are always right; what a kernel would choose freely (initial
//! sequence numbers, identifications) is 0.

use std::net::{IpAddr, SocketAddr};

use etherparse::{IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header, TcpHeader, UdpHeader};

use crate::conversation::Direction;
use crate::frame::{Frame, Link, Origin, Timestamp};
use crate::packet::Segment;

/// The hops that Linux grants by default.
const TTL: u8 = 64;

/// The most that an IP packet carries besides a header of 40 bytes: what does not fit
/// is cut off by [`ip`].
pub const MAX_IP_PAYLOAD: usize = 65_475;

/// The most data in one UDP datagram over IPv4 (65535 less 20 and 8).
pub const MAX_DATAGRAM: usize = 65_507;

/// An option of TCP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpOption {
    /// Maximum segment size.
    Mss(u16),
    /// Window scale.
    Scale(u8),
    /// Selective acknowledgments are understood.
    SackPermitted,
    /// Blocks behind a gap; four at the most.
    Sack(Vec<(u32, u32)>),
    /// The sender's clock and the peer's, echoed.
    Timestamps(u32, u32),
    /// Anything else, as it stands: kind, length, value.
    Raw(Vec<u8>),
}

/// What a segment says besides its ports and data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Say {
    /// The number of its first byte.
    pub seq: u32,
    /// The byte that is expected next; valid with the flag ACK.
    pub ack: u32,
    /// CWR, ECE, URG, ACK, PSH, RST, SYN, FIN from the highest bit on.
    pub flags: u8,
    /// The window, unscaled.
    pub window: u16,
    /// Its options; as many as fit into 40 bytes.
    pub options: Vec<TcpOption>,
}

/// A TCP segment in an Ethernet frame.
pub fn tcp(from: SocketAddr, to: SocketAddr, say: &Say, data: &[u8]) -> Vec<u8> {
    let mut header = TcpHeader::new(from.port(), to.port(), say.seq, say.window);
    header.acknowledgment_number = say.ack;
    let has = |flag| say.flags & flag != 0;
    (header.cwr, header.ece, header.urg, header.ack) = (has(0x80), has(0x40), has(0x20), has(0x10));
    (header.psh, header.rst, header.syn, header.fin) = (has(0x08), has(0x04), has(0x02), has(0x01));
    let options = option_bytes(&say.options);
    // At most 40 bytes, by option_bytes.
    let _ = header.set_options_raw(&options);
    let data = &data[..data.len().min(MAX_IP_PAYLOAD - header.header_len())];
    let sum = match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            header.calc_checksum_ipv4_raw(source.octets(), target.octets(), data)
        }
        (source, target) => {
            header.calc_checksum_ipv6_raw(v6(source).octets(), v6(target).octets(), data)
        }
    };
    header.checksum = sum.unwrap_or_default();
    let mut packet = header.to_bytes().to_vec();
    packet.extend_from_slice(data);
    ip(from.ip(), to.ip(), IpNumber::TCP.0, &packet)
}

/// A UDP datagram in an Ethernet frame.
pub fn udp(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    let data = &data[..data.len().min(MAX_IP_PAYLOAD - 8)];
    let header = match (from.ip(), to.ip()) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let pseudo = Ipv4Header {
                source: source.octets(),
                destination: target.octets(),
                ..Ipv4Header::default()
            };
            UdpHeader::with_ipv4_checksum(from.port(), to.port(), &pseudo, data)
        }
        (source, target) => {
            let pseudo = Ipv6Header {
                source: v6(source).octets(),
                destination: v6(target).octets(),
                ..Ipv6Header::default()
            };
            UdpHeader::with_ipv6_checksum(from.port(), to.port(), &pseudo, data)
        }
    };
    // Fails for what is longer than a packet only, and that was cut off.
    let mut packet = header.map_or_else(|_| Vec::new(), |header| header.to_bytes().to_vec());
    packet.extend_from_slice(data);
    ip(from.ip(), to.ip(), IpNumber::UDP.0, &packet)
}

/// An IP packet in an Ethernet frame: from IPv4 to IPv4, or over IPv6.
pub fn ip(from: IpAddr, to: IpAddr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let payload = &payload[..payload.len().min(MAX_IP_PAYLOAD)];
    let mut frame = ethernet(from, to);
    match (from, to) {
        (IpAddr::V4(source), IpAddr::V4(target)) => {
            let len = u16::try_from(payload.len()).unwrap_or(u16::MAX);
            let made = Ipv4Header::new(
                len,
                TTL,
                IpNumber(protocol),
                source.octets(),
                target.octets(),
            );
            let mut header = made.unwrap_or_default();
            header.header_checksum = header.calc_header_checksum();
            frame.extend(header.to_bytes());
        }
        (source, target) => {
            let header = Ipv6Header {
                traffic_class: 0,
                flow_label: Ipv6FlowLabel::ZERO,
                payload_length: u16::try_from(payload.len()).unwrap_or(u16::MAX),
                next_header: IpNumber(protocol),
                hop_limit: TTL,
                source: v6(source).octets(),
                destination: v6(target).octets(),
            };
            frame.extend(header.to_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}

/// The link header: nobody's addresses on loopback as Linux writes them, elsewhere
/// addresses that are marked as made up.
fn ethernet(from: IpAddr, to: IpAddr) -> Vec<u8> {
    let mac = |address: IpAddr| match address {
        _ if address.is_loopback() => [0; 6],
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            [0x02, 0, a, b, c, d]
        }
        IpAddr::V6(v6) => {
            let [.., a, b, c, d] = v6.octets();
            [0x02, 6, a, b, c, d]
        }
    };
    let kind: u16 = if from.is_ipv4() && to.is_ipv4() {
        0x0800
    } else {
        0x86dd
    };
    let mut frame = Vec::with_capacity(128);
    frame.extend(mac(to));
    frame.extend(mac(from));
    frame.extend(kind.to_be_bytes());
    frame
}

fn v6(address: IpAddr) -> std::net::Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The options one after the other, filled up to words of four; what does not fit into
/// 40 bytes is left out.
fn option_bytes(options: &[TcpOption]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for option in options {
        let mut one = Vec::new();
        match option {
            TcpOption::Mss(size) => {
                one.extend([2, 4]);
                one.extend(size.to_be_bytes());
            }
            TcpOption::Scale(scale) => one.extend([1, 3, 3, *scale]),
            TcpOption::SackPermitted => one.extend([1, 1, 4, 2]),
            TcpOption::Sack(blocks) => {
                let blocks = &blocks[..blocks.len().min(4)];
                one.extend([1, 1, 5, 2 + 8 * blocks.len() as u8]);
                for (left, right) in blocks {
                    one.extend(left.to_be_bytes());
                    one.extend(right.to_be_bytes());
                }
            }
            TcpOption::Timestamps(own, echo) => {
                one.extend([1, 1, 8, 10]);
                one.extend(own.to_be_bytes());
                one.extend(echo.to_be_bytes());
            }
            TcpOption::Raw(raw) => one.extend(raw),
        }
        if bytes.len() + one.len().next_multiple_of(4) <= 40 {
            bytes.extend(one);
            let padded = bytes.len().next_multiple_of(4);
            bytes.resize(padded, 1);
        }
    }
    bytes
}

/// A datagram as it would be on the link, *modelled*.
pub fn model_datagram(at: Timestamp, from: SocketAddr, to: SocketAddr, data: &[u8]) -> Frame {
    Frame::new(at, Link::Ethernet, Origin::Modelled, udp(from, to, data))
}

/// Writes the segments of a connection from what its two programs do. Its frames are
/// *modelled*: acknowledgments come at once, nothing is lost, the window never closes.
#[derive(Clone, Debug)]
pub struct TcpModel {
    ends: [SocketAddr; 2],
    /// What each side sends next.
    next: [u32; 2],
    /// What each side expects next.
    expected: [u32; 2],
    /// What the SYNs announce, and what a segment carries at the most.
    announced: u16,
    carried: u16,
}

/// The window that the modelled sides announce.
const WINDOW: u16 = u16::MAX;

impl TcpModel {
    /// A connection from `client` to `server` whose ends take up to `mss` bytes in a segment
    /// (1460 on Ethernet, 65495 on loopback, or as TCP_INFO tells).
    pub fn new(client: SocketAddr, server: SocketAddr, mss: u16) -> Self {
        TcpModel {
            ends: [client, server],
            next: [0; 2],
            expected: [0; 2],
            announced: mss.max(1),
            carried: mss.max(1),
        }
    }

    /// With less data in a segment than was announced, as TCP_INFO tells: options take
    /// room, and Linux leaves half a window for the answer.
    #[must_use]
    pub fn carrying(mut self, most: u16) -> Self {
        self.carried = most.max(1);
        self
    }

    /// The client asks for a connection.
    pub fn syn(&mut self, at: Timestamp) -> Frame {
        let options = vec![TcpOption::Mss(self.announced)];
        self.say(at, Direction::Forward, Segment::SYN, options, &[])
    }

    /// The server agrees.
    pub fn syn_ack(&mut self, at: Timestamp) -> Frame {
        let options = vec![TcpOption::Mss(self.announced)];
        self.say(
            at,
            Direction::Backward,
            Segment::SYN | Segment::ACK,
            options,
            &[],
        )
    }

    /// One side acknowledges everything that it was sent.
    pub fn ack(&mut self, at: Timestamp, side: Direction) -> Frame {
        self.say(at, side, Segment::ACK, Vec::new(), &[])
    }

    /// One side sends data, in as many segments as it takes; the last has PSH.
    pub fn data(&mut self, at: Timestamp, side: Direction, data: &[u8]) -> Vec<Frame> {
        let pieces: Vec<&[u8]> = data.chunks(usize::from(self.carried)).collect();
        let last = pieces.len().saturating_sub(1);
        let send = |(index, piece): (usize, &&[u8])| {
            let push = if index == last { Segment::PSH } else { 0 };
            self.say(at, side, Segment::ACK | push, Vec::new(), piece)
        };
        pieces.iter().enumerate().map(send).collect()
    }

    /// One side ends.
    pub fn fin(&mut self, at: Timestamp, side: Direction) -> Frame {
        self.say(at, side, Segment::FIN | Segment::ACK, Vec::new(), &[])
    }

    /// One side resets the connection.
    pub fn rst(&mut self, at: Timestamp, side: Direction) -> Frame {
        self.say(at, side, Segment::RST | Segment::ACK, Vec::new(), &[])
    }

    fn say(
        &mut self,
        at: Timestamp,
        side: Direction,
        flags: u8,
        options: Vec<TcpOption>,
        data: &[u8],
    ) -> Frame {
        let (own, peer) = (side.index(), side.other().index());
        let ack = if flags & Segment::ACK != 0 {
            self.expected[own]
        } else {
            0
        };
        let say = Say {
            seq: self.next[own],
            ack,
            flags,
            window: WINDOW,
            options,
        };
        let counts = u32::from(flags & (Segment::SYN | Segment::FIN) != 0);
        let taken = u32::try_from(data.len())
            .unwrap_or(u32::MAX)
            .wrapping_add(counts);
        self.next[own] = self.next[own].wrapping_add(taken);
        self.expected[peer] = self.next[own];
        let bytes = tcp(self.ends[own], self.ends[peer], &say, data);
        Frame::new(at, Link::Ethernet, Origin::Modelled, bytes)
    }
}
