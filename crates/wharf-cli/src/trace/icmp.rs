//! The ICMP error that says that nobody listens at a UDP port (RFC 792; RFC 4443,
//! section 3.1), *modelled*. No I/O.

use std::net::{IpAddr, Ipv6Addr};

use wharf_wire::build;
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::packet::Packet;

/// An Ethernet header.
const LINK: usize = 14;
const ICMP: u8 = 1;
const ICMP6: u8 = 58;
/// How much of the datagram comes back over IPv4: its header and 8 bytes at least; Linux
/// sends up to 548 (RFC 1812, section 4.3.2.3). Over IPv6 what fits into 1,280 bytes.
const QUOTE: usize = 548;
const QUOTE6: usize = 1_280 - 40 - 8;

/// What comes back for `about`, a UDP datagram in an Ethernet frame.
pub(super) fn port_unreachable(at: Timestamp, about: &Frame) -> Option<Frame> {
    let packet = Packet::of(about.link, &about.bytes)?;
    let quoted = about.bytes.get(LINK..)?;
    let (from, to) = (packet.destination, packet.source);
    let bytes = match (from, to) {
        (IpAddr::V4(_), IpAddr::V4(_)) => {
            let message = message(3, 3, &quoted[..quoted.len().min(QUOTE)], &[]);
            build::ip(from, to, ICMP, &message)
        }
        (IpAddr::V6(source), IpAddr::V6(target)) => {
            let quoted = &quoted[..quoted.len().min(QUOTE6)];
            let pseudo = pseudo_header(source, target, 8 + quoted.len());
            build::ip(from, to, ICMP6, &message(1, 4, quoted, &pseudo))
        }
        _ => return None,
    };
    Some(Frame::new(at, Link::Ethernet, Origin::Modelled, bytes))
}

fn message(kind: u8, code: u8, quoted: &[u8], pseudo: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(quoted);
    let sum = checksum(&[pseudo, &message].concat());
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// RFC 8200, section 8.1.
fn pseudo_header(source: Ipv6Addr, target: Ipv6Addr, length: usize) -> Vec<u8> {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut header = Vec::with_capacity(40);
    header.extend(source.octets());
    header.extend(target.octets());
    header.extend(length.to_be_bytes());
    header.extend([0, 0, 0, ICMP6]);
    header
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |byte| u32::from(*byte)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_wire::application::Dissectors;
    use wharf_wire::layers::{Kind, Layers};

    #[test]
    fn the_checksum_is_right_and_the_datagram_is_quoted() {
        for (from, to, kind) in [
            ("127.0.0.1:5000", "127.0.0.1:9", Kind::Icmp4),
            ("[::1]:5000", "[::1]:9", Kind::Icmp6),
        ] {
            let at = Timestamp::from_nanos(5);
            let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
            let sent = build::model_datagram(at, from, to, b"anybody?");
            let error = port_unreachable(at, &sent).unwrap();
            let layers = Layers::of(&error, &Dissectors::none());
            let icmp = layers.find(kind).unwrap();
            assert!(
                !icmp.notes.iter().any(|note| note.contains("wrong")),
                "{:?}",
                icmp.notes
            );
            assert!(layers.list.iter().any(|layer| layer.is_quoted));
            assert!(error.bytes.ends_with(b"anybody?"));
            assert_eq!(error.origin, Origin::Modelled);
        }
    }
}
