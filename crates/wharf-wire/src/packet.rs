//! The few numbers of a frame that conversations are followed by, read without
//! copying or allocating: this runs for every frame of a large file.
//!
//! [`layers`](crate::layers) reads every field of the same bytes; a property test
//! holds the two against each other.

use std::net::IpAddr;
use std::ops::Range;

use etherparse::{
    IpAuthHeaderSlice, IpNumber, Ipv6ExtensionsSlice, Ipv6FragmentHeaderSlice,
    Ipv6RawExtHeaderSlice, LaxIpSlice, TcpOptionElement, TcpSlice,
};

use crate::frame::Link;

/// An IP packet in a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Who sent it.
    pub source: IpAddr,
    /// For whom it is.
    pub destination: IpAddr,
    /// What it carries, after the extension headers.
    pub protocol: u8,
    /// Which piece of a packet this is, if it is one.
    pub fragment: Option<Fragment>,
    /// Where what it carries stands in the frame, as far as it was kept.
    pub payload: Range<usize>,
    /// How many bytes of it there were on the link.
    pub payload_len: usize,
}

/// A piece of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// The same in every piece of one packet.
    pub id: u32,
    /// Where it begins in the packet's payload, in bytes.
    pub offset: usize,
    /// Whether further pieces follow.
    pub more: bool,
}

/// What a packet carries, as far as conversations are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carried {
    /// A segment of TCP.
    Tcp(Segment),
    /// A datagram of UDP.
    Udp {
        /// The sender's port.
        source: u16,
        /// The receiver's port.
        destination: u16,
        /// Where its data stands, counted as the packet's payload is.
        data: Range<usize>,
    },
    /// Neither.
    Other,
}

/// The numbers of a TCP segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// The sender's port.
    pub source: u16,
    /// The receiver's port.
    pub destination: u16,
    /// Sequence number, as it stands there.
    pub seq: u32,
    /// Acknowledgment number, as it stands there.
    pub ack: u32,
    /// CWR, ECE, URG, ACK, PSH, RST, SYN, FIN from the highest bit on.
    pub flags: u8,
    /// The window as it stands there, unscaled.
    pub window: u16,
    /// The window scale that this segment announces.
    pub scale: Option<u8>,
    /// The blocks of a SACK option.
    pub sack: [Option<(u32, u32)>; 4],
    /// Where its data stands, as far as it was kept.
    pub data: Range<usize>,
    /// How many bytes of data it had on the link.
    pub data_len: u32,
}

impl Segment {
    /// The flag FIN.
    pub const FIN: u8 = 0x01;
    /// The flag SYN.
    pub const SYN: u8 = 0x02;
    /// The flag RST.
    pub const RST: u8 = 0x04;
    /// The flag PSH.
    pub const PSH: u8 = 0x08;
    /// The flag ACK.
    pub const ACK: u8 = 0x10;

    /// Whether one of these flags is set.
    pub fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }
}

impl Packet {
    /// The IP packet in a frame; `None` for a frame without one.
    pub fn of(link: Link, frame: &[u8]) -> Option<Packet> {
        let at = ip_at(link, frame)?;
        let bytes = frame.get(at..)?;
        let (slice, _) = LaxIpSlice::from_slice(bytes).ok()?;
        let payload = slice.payload();
        let start =
            at + (payload.payload.as_ptr() as usize).saturating_sub(bytes.as_ptr() as usize);
        let kept = payload.payload.len();
        let (wire_len, fragment) = match &slice {
            LaxIpSlice::Ipv4(v4) => {
                let header = v4.header();
                let total = usize::from(header.total_len());
                // Zero: the network card cuts it up later.
                let len = match total {
                    0 => kept,
                    _ => total.saturating_sub(start - at),
                };
                let fragment = header.is_fragmenting_payload().then(|| Fragment {
                    id: header.identification().into(),
                    offset: usize::from(header.fragments_offset().value()) * 8,
                    more: header.more_fragments(),
                });
                (len, fragment)
            }
            LaxIpSlice::Ipv6(v6) => {
                let total = usize::from(v6.header().payload_length());
                let len = match total {
                    0 => kept,
                    _ => (total + 40).saturating_sub(start - at),
                };
                let fragment = fragment(v6.extensions());
                (len, fragment)
            }
        };
        Some(Packet {
            source: slice.source_addr(),
            destination: slice.destination_addr(),
            protocol: payload.ip_number.0,
            fragment,
            payload: start..start + kept,
            payload_len: wire_len.max(kept),
        })
    }

    /// What it carries, out of the bytes that hold its payload: the frame's, or those
    /// of a packet put together from its fragments.
    pub fn carried(&self, frame: &[u8]) -> Carried {
        carried(self.protocol, frame, self.payload.clone(), self.payload_len)
    }
}

/// The first piece that the extension headers of IPv6 speak of.
///
/// etherparse's own iterator trusts the next-header field of the last header that was
/// kept, and reads past the end if a broken or cut one follows; each step is checked here.
fn fragment(headers: &Ipv6ExtensionsSlice<'_>) -> Option<Fragment> {
    let mut next = headers.first_header()?;
    let mut rest = headers.slice();
    loop {
        let len;
        (next, len) = match next {
            IpNumber::IPV6_FRAGMENTATION_HEADER => {
                let header = Ipv6FragmentHeaderSlice::from_slice(rest).ok()?;
                if header.is_fragmenting_payload() {
                    return Some(Fragment {
                        id: header.identification(),
                        offset: usize::from(header.fragment_offset().value()) * 8,
                        more: header.more_fragments(),
                    });
                }
                (header.next_header(), header.slice().len())
            }
            IpNumber::AUTHENTICATION_HEADER => {
                let header = IpAuthHeaderSlice::from_slice(rest).ok()?;
                (header.next_header(), header.slice().len())
            }
            IpNumber::IPV6_HEADER_HOP_BY_HOP
            | IpNumber::IPV6_ROUTE_HEADER
            | IpNumber::IPV6_DESTINATION_OPTIONS => {
                let header = Ipv6RawExtHeaderSlice::from_slice(rest).ok()?;
                (header.next_header(), header.slice().len())
            }
            _ => return None,
        };
        rest = rest.get(len..)?;
    }
}

/// What stands at `payload` of `bytes`, `wire_len` bytes long on the link.
pub fn carried(protocol: u8, bytes: &[u8], payload: Range<usize>, wire_len: usize) -> Carried {
    let Some(content) = bytes.get(payload.clone()) else {
        return Carried::Other;
    };
    match protocol {
        6 => match TcpSlice::from_slice(content) {
            Ok(tcp) => Carried::Tcp(segment(&tcp, payload, wire_len)),
            Err(_) => Carried::Other,
        },
        17 => {
            let &[a, b, c, d, e, f, ..] = content else {
                return Carried::Other;
            };
            if content.len() < 8 {
                return Carried::Other;
            }
            let len = usize::from(u16::from_be_bytes([e, f]));
            let end = payload.start + len.clamp(8, content.len());
            Carried::Udp {
                source: u16::from_be_bytes([a, b]),
                destination: u16::from_be_bytes([c, d]),
                data: payload.start + 8..end,
            }
        }
        _ => Carried::Other,
    }
}

fn segment(tcp: &TcpSlice<'_>, payload: Range<usize>, wire_len: usize) -> Segment {
    let header = tcp.header_len();
    let mut segment = Segment {
        source: tcp.source_port(),
        destination: tcp.destination_port(),
        seq: tcp.sequence_number(),
        ack: tcp.acknowledgment_number(),
        flags: tcp.slice()[13],
        window: tcp.window_size(),
        scale: None,
        sack: [None; 4],
        data: payload.start + header..payload.end,
        data_len: u32::try_from(wire_len.saturating_sub(header)).unwrap_or(u32::MAX),
    };
    for option in tcp.options_iterator().map_while(Result::ok) {
        match option {
            TcpOptionElement::WindowScale(scale) => segment.scale = Some(scale),
            TcpOptionElement::SelectiveAcknowledgement(first, others) => {
                segment.sack[0] = Some(first);
                segment.sack[1..].copy_from_slice(&others);
            }
            _ => {}
        }
    }
    segment
}

/// Where the IP header begins.
fn ip_at(link: Link, frame: &[u8]) -> Option<usize> {
    let (mut kind, mut at) = match link {
        Link::Raw | Link::Ipv4 | Link::Ipv6 => return Some(0),
        Link::Null | Link::Loop => return Some(4),
        Link::Ethernet => (be16(frame, 12)?, 14),
        Link::Cooked => (be16(frame, 14)?, 16),
        Link::Cooked2 => (be16(frame, 0)?, 20),
        Link::Other(_) => return None,
    };
    // Tags within tags end somewhere.
    for _ in 0..4 {
        match kind {
            0x0800 | 0x86dd => return Some(at),
            0x8100 | 0x88a8 => {
                kind = be16(frame, at + 2)?;
                at += 4;
            }
            _ => return None,
        }
    }
    None
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes([two[0], two[1]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An IPv6 packet whose first header is `first` and whose payload is `rest`.
    fn ipv6(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x60, 0, 0, 0, 0, rest.len() as u8, first, 64];
        bytes.extend([0; 32]);
        bytes.extend(rest);
        bytes
    }

    /// A routing or options header of eight bytes, `next` after it.
    fn options(next: u8) -> [u8; 8] {
        [next, 0, 1, 4, 0, 0, 0, 0]
    }

    /// A fragment header: offset 8, more follow, identification 7.
    fn fragment_header(next: u8) -> [u8; 8] {
        [next, 0, 0, 0b1001, 0, 0, 0, 7]
    }

    #[test]
    fn a_fragment_header_is_found_behind_others() {
        let rest = [options(43), options(44), fragment_header(17)].concat();
        let packet = Packet::of(Link::Raw, &ipv6(0, &rest)).unwrap();
        let fragment = packet.fragment.unwrap();
        assert_eq!((fragment.id, fragment.offset, fragment.more), (7, 8, true));
        assert_eq!(packet.protocol, 17);
    }

    #[test]
    fn extension_headers_that_are_cut_or_broken_end_the_search() {
        // After a whole header one is announced of which there is nothing, a part, one
        // that claims more than there is, and one that must not stand there.
        for next in [0, 43, 44, 51, 60] {
            for rest in [&[][..], &[44], &[44, 9, 0, 0, 0, 0, 0, 0]] {
                let rest = [&options(next)[..], rest].concat();
                let packet = Packet::of(Link::Raw, &ipv6(60, &rest)).unwrap();
                assert_eq!(packet.fragment, None, "{next} {rest:?}");
            }
        }
    }
}
