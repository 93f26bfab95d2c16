//! What a frame is, as far as a host must know before its stack sees it.
//!
//! Every segment is looked at twice, when it leaves and when it comes in, so its header is
//! read straight from where it stands.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::core::HEADER;
use crate::node::headers::{ARP, ICMP, ICMPV6, IPV4, IPV6};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// What is no TCP segment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Udp {
        to: SocketAddr,
        length: usize,
    },
    /// ARP, or neighbour discovery of IPv6.
    Arp,
    Discovery,
    Icmp,
    /// Another packet, or a fragment.
    Other,
    /// No packet at all.
    Foreign,
}

/// The header of a TCP segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    flags: u8,
    pub(super) sequence: u32,
    pub(super) acknowledges: u32,
    /// How many bytes of payload.
    pub(super) payload: usize,
    /// Where the TCP header begins in the frame.
    pub(super) at: usize,
}

/// Who sent a packet, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
}

impl Segment {
    pub(super) fn fin(&self) -> bool {
        self.flags & 0x01 != 0
    }

    pub(super) fn syn(&self) -> bool {
        self.flags & 0x02 != 0
    }

    pub(super) fn rst(&self) -> bool {
        self.flags & 0x04 != 0
    }

    pub(super) fn ack(&self) -> bool {
        self.flags & 0x10 != 0
    }

    /// Nothing but an acknowledgement.
    pub(super) fn is_pure_ack(&self) -> bool {
        self.flags & 0x17 == 0x10 && self.payload == 0
    }
}

/// The segment in a frame, if there is one: whole, and behind one or no IP options.
/// Checksums are the stack's business.
#[inline]
pub(super) fn tcp(frame: &[u8]) -> Option<Segment> {
    let Packet { protocol, at, end } = packet(frame)?;
    let bytes = frame.get(at..end).filter(|_| protocol == TCP)?;
    let head: &[u8; 20] = bytes.first_chunk()?;
    let header = usize::from(head[12] >> 4) * 4;
    if header < head.len() || header > bytes.len() {
        return None;
    }
    let four = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    Some(Segment {
        flags: head[13],
        sequence: four(4),
        acknowledges: four(8),
        payload: bytes.len() - header,
        at,
    })
}

/// Who sent the packet in a frame to whom, where the transport header begins at `at`.
#[inline]
pub(super) fn ends(frame: &[u8], at: usize) -> Option<Ends> {
    let (from, to): (IpAddr, IpAddr) = match two(frame, 12)? {
        IPV4 => {
            let ip: &[u8; 8] = frame.get(HEADER + 12..)?.first_chunk()?;
            let [a, b, c, d, e, f, g, h] = *ip;
            (
                Ipv4Addr::new(a, b, c, d).into(),
                Ipv4Addr::new(e, f, g, h).into(),
            )
        }
        _ => {
            let from: &[u8; 16] = frame.get(HEADER + 8..)?.first_chunk()?;
            let to: &[u8; 16] = frame.get(HEADER + 24..)?.first_chunk()?;
            (Ipv6Addr::from(*from).into(), Ipv6Addr::from(*to).into())
        }
    };
    Some(Ends {
        from: SocketAddr::new(from, two(frame, at)?),
        to: SocketAddr::new(to, two(frame, at + 2)?),
    })
}

/// What a frame is in which there is no segment.
pub(super) fn kind(frame: &[u8]) -> Kind {
    match two(frame, 12) {
        Some(ARP) => Kind::Arp,
        Some(IPV4 | IPV6) => packet(frame)
            .and_then(|packet| transport(frame, &packet))
            .unwrap_or(Kind::Other),
        Some(_) => Kind::Foreign,
        None => Kind::Other,
    }
}

fn transport(frame: &[u8], packet: &Packet) -> Option<Kind> {
    let bytes = frame.get(packet.at..packet.end)?;
    Some(match packet.protocol {
        UDP => {
            let length = usize::from(two(bytes, 4)?);
            if length < 8 || length > bytes.len() {
                return None;
            }
            Kind::Udp {
                to: ends(frame, packet.at)?.to,
                length: length - 8,
            }
        }
        ICMPV6 if matches!(bytes.first(), Some(135 | 136)) => Kind::Discovery,
        ICMP | ICMPV6 => Kind::Icmp,
        _ => Kind::Other,
    })
}

/// Where in a frame the transport header of its packet begins, and the packet ends.
struct Packet {
    protocol: u8,
    at: usize,
    end: usize,
}

/// The packet in a frame, if it is whole and no fragment.
#[inline]
fn packet(frame: &[u8]) -> Option<Packet> {
    let (protocol, header, length) = match two(frame, 12)? {
        IPV4 => {
            let head: &[u8; 20] = frame.get(HEADER..)?.first_chunk()?;
            let header = usize::from(head[0] & 15) * 4;
            let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let fragment = u16::from_be_bytes([head[6], head[7]]) & 0x3FFF != 0;
            if fragment || header < head.len() || header > length {
                return None;
            }
            (head[9], header, length)
        }
        IPV6 => {
            let head: &[u8; 40] = frame.get(HEADER..)?.first_chunk()?;
            let payload = usize::from(u16::from_be_bytes([head[4], head[5]]));
            (head[6], head.len(), head.len() + payload)
        }
        _ => return None,
    };
    (HEADER + length <= frame.len()).then_some(Packet {
        protocol,
        at: HEADER + header,
        end: HEADER + length,
    })
}

#[inline]
fn two(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([field[0], field[1]]))
}

#[cfg(test)]
mod tests {
    use smoltcp::wire::{
        EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
    };
    use wharf_wire::build::{Say, tcp as build};

    use super::*;

    /// The ends of a segment, its flags, its numbers and the length of its payload.
    type Read = (Ends, [bool; 4], u32, u32, usize);

    /// What the stack's own parsers read in a frame.
    fn by_the_stack(frame: &[u8]) -> Option<Read> {
        let ethernet = EthernetFrame::new_checked(frame).ok()?;
        let (from, to, protocol, payload): (IpAddr, IpAddr, _, _) = match ethernet.ethertype() {
            EthernetProtocol::Ipv4 => {
                let ip = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
                if ip.frag_offset() != 0 || ip.more_frags() {
                    return None;
                }
                let (from, to) = (ip.src_addr(), ip.dst_addr());
                (from.into(), to.into(), ip.next_header(), ip.payload())
            }
            EthernetProtocol::Ipv6 => {
                let ip = Ipv6Packet::new_checked(ethernet.payload()).ok()?;
                let (from, to) = (ip.src_addr(), ip.dst_addr());
                (from.into(), to.into(), ip.next_header(), ip.payload())
            }
            _ => return None,
        };
        if protocol != IpProtocol::Tcp {
            return None;
        }
        let tcp = TcpPacket::new_checked(payload).ok()?;
        let ends = Ends {
            from: SocketAddr::new(from, tcp.src_port()),
            to: SocketAddr::new(to, tcp.dst_port()),
        };
        let flags = [tcp.fin(), tcp.syn(), tcp.rst(), tcp.ack()];
        let numbers = (tcp.seq_number().0 as u32, tcp.ack_number().0 as u32);
        Some((ends, flags, numbers.0, numbers.1, tcp.payload().len()))
    }

    fn read(frame: &[u8]) -> Option<Read> {
        let it = tcp(frame)?;
        let flags = [it.fin(), it.syn(), it.rst(), it.ack()];
        let ends = ends(frame, it.at)?;
        Some((ends, flags, it.sequence, it.acknowledges, it.payload))
    }

    fn frame(version: u8, flags: u8, data: &[u8]) -> Vec<u8> {
        let (from, to) = match version {
            4 => ("10.0.0.1:7", "10.0.0.2:50000"),
            _ => ("[fd00::1]:7", "[fd00::2]:50000"),
        };
        let say = Say {
            seq: 0x8123_4567,
            ack: 0x9ABC_DEF0,
            flags,
            window: 1_000,
            options: Vec::new(),
        };
        build(from.parse().unwrap(), to.parse().unwrap(), &say, data)
    }

    #[test]
    fn a_segment_is_read_as_a_whole() {
        for version in [4, 6] {
            let (ends, flags, sequence, acknowledges, payload) =
                read(&frame(version, 0x12, b"data")).unwrap();
            assert_eq!((ends.from.port(), ends.to.port()), (7, 50_000));
            assert_eq!(ends.to.is_ipv4(), version == 4);
            assert_eq!(flags, [false, true, false, true]);
            assert_eq!((sequence, acknowledges), (0x8123_4567, 0x9ABC_DEF0));
            assert_eq!(payload, 4);
        }
    }

    #[test]
    fn every_bit_and_every_length_counts_as_for_the_stack() {
        for version in [4, 6] {
            let whole = frame(version, 0x10, b"data");
            for bit in 0..whole.len() * 8 {
                let mut bytes = whole.clone();
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(read(&bytes), by_the_stack(&bytes), "bit {bit}");
            }
            for length in 0..whole.len() {
                let bytes = &whole[..length];
                assert_eq!(read(bytes), by_the_stack(bytes), "{length} bytes");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn every_frame_is_read_as_the_stack_reads_it(
            version in proptest::sample::select(vec![4_u8, 6]),
            flags in 0_u8..32,
            data in proptest::collection::vec(proptest::num::u8::ANY, 0..20),
            damage in proptest::collection::vec((0_usize..80, proptest::num::u8::ANY), 0..4),
            cut in 0_usize..160,
        ) {
            let mut bytes = frame(version, flags, &data);
            let length = bytes.len();
            for (at, mask) in damage {
                bytes[at % length] ^= mask;
            }
            if cut < length {
                bytes.truncate(cut);
            }
            proptest::prop_assert_eq!(read(&bytes), by_the_stack(&bytes));
            // What is no segment is something else, whatever it is.
            kind(&bytes);
        }
    }
}
