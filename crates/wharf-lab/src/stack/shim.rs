//! A cure for two errors of smoltcp 0.14 that lock two-way transfers up for good.
//!
//! RFC 9293 section 3.10.7.4 wants the acknowledgement of a segment to be accepted
//! even if its sequence number is outside the window. smoltcp drops such a segment
//! whole, and itself sends acknowledgements with unusual sequence numbers: beyond
//! the peer's window, because `scaled_window` moves the window's right edge to the
//! left, and before it, because a timeout rewinds what pure acknowledgements carry.
//! When both ends do that at once, neither hears the other any more.
//!
//! So the host remembers the acknowledgement that it sent last, and gives every
//! intact pure acknowledgement that comes in exactly the sequence number that the
//! stack expects. Captures show the frame as it was on the wire.

use std::rc::Rc;

use smoltcp::wire::{IpAddress, TcpPacket, TcpSeqNumber};

use super::segment::{Segment, ends};

/// The frame for the stack, whose socket expects the sequence number `expected`.
pub(super) fn expected_sequence(
    frame: Rc<[u8]>,
    segment: &Segment,
    expected: Option<u32>,
) -> Rc<[u8]> {
    match expected {
        Some(expected) if segment.is_pure_ack() && segment.sequence != expected => {
            with_sequence(frame, segment, expected)
        }
        _ => frame,
    }
}

#[cold]
fn with_sequence(frame: Rc<[u8]>, segment: &Segment, expected: u32) -> Rc<[u8]> {
    let Some((from, to)) = intact_between(&frame, segment) else {
        return frame;
    };
    let mut bytes = frame.to_vec();
    let length = transport_length(&bytes);
    let mut tcp = TcpPacket::new_unchecked(&mut bytes[segment.at..segment.at + length]);
    tcp.set_seq_number(TcpSeqNumber(expected as i32));
    tcp.fill_checksum(&from, &to);
    bytes.into()
}

/// Between which addresses a segment goes, if it is intact. A damaged frame must stay
/// damaged: a new checksum would hide it.
fn intact_between(bytes: &[u8], segment: &Segment) -> Option<(IpAddress, IpAddress)> {
    let ends = ends(bytes, segment.at)?;
    let (from, to) = (ends.from.ip().into(), ends.to.ip().into());
    let header = ends.from.is_ipv6()
        || smoltcp::wire::Ipv4Packet::new_checked(&bytes[14..])
            .is_ok_and(|ip| ip.verify_checksum());
    let length = transport_length(bytes);
    let tcp = bytes.get(segment.at..segment.at + length)?;
    let tcp = TcpPacket::new_checked(tcp).ok()?;
    (header && tcp.verify_checksum(&from, &to)).then_some((from, to))
}

/// How long the TCP segment in this frame is, header included.
fn transport_length(frame: &[u8]) -> usize {
    let two = |at: usize| usize::from(u16::from_be_bytes([frame[at], frame[at + 1]]));
    match frame[14] >> 4 {
        4 => two(16).saturating_sub(usize::from(frame[14] & 15) * 4),
        _ => two(18),
    }
}

#[cfg(test)]
mod tests {
    use wharf_wire::build::{Say, tcp};

    use super::*;
    use crate::stack::segment;

    /// A segment with sequence number 500, which acknowledges 7.
    fn sent(version: u8, data: &[u8]) -> Vec<u8> {
        let (from, to) = match version {
            4 => ("10.0.0.1:7", "10.0.0.2:50000"),
            _ => ("[fd00::1]:7", "[fd00::2]:50000"),
        };
        let say = Say {
            seq: 500,
            ack: 7,
            flags: wharf_wire::packet::Segment::ACK,
            window: 1_000,
            options: Vec::new(),
        };
        tcp(from.parse().unwrap(), to.parse().unwrap(), &say, data)
    }

    fn segment(bytes: &[u8]) -> Segment {
        segment::tcp(bytes).unwrap()
    }

    /// What the stack is shown, if it is something else than what came.
    fn shown(bytes: &[u8], expected: Option<u32>) -> Option<Vec<u8>> {
        let frame: Rc<[u8]> = bytes.into();
        let shown = expected_sequence(Rc::clone(&frame), &segment(bytes), expected);
        (!Rc::ptr_eq(&shown, &frame)).then(|| shown.to_vec())
    }

    #[test]
    fn a_pure_acknowledgement_gets_the_number_that_is_expected() {
        for version in [4, 6] {
            let bytes = sent(version, b"");
            let changed = shown(&bytes, Some(900)).unwrap();
            let now = segment(&changed);
            assert_eq!((now.sequence, now.acknowledges), (900, 7));
            assert!(
                intact_between(&changed, &now).is_some(),
                "the checksum is right"
            );
            let differ = bytes.iter().zip(&changed).filter(|(a, b)| a != b);
            // Of the sequence number two bytes at most, and the checksum.
            assert!(differ.count() <= 4);
        }
    }

    #[test]
    fn everything_else_is_shown_as_it_came() {
        for version in [4, 6] {
            let bytes = sent(version, b"");
            assert_eq!(shown(&bytes, Some(500)), None);
            assert_eq!(shown(&bytes, None), None);
            assert_eq!(shown(&sent(version, b"data"), Some(900)), None);
            // A new checksum would hide the damage: of the window, and of the checksum.
            let at = segment(&bytes).at;
            for byte in [at + 14, at + 16] {
                let mut damaged = bytes.clone();
                damaged[byte] ^= 1;
                assert_eq!(shown(&damaged, Some(900)), None, "byte {byte}");
            }
        }
    }
}
