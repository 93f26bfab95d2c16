//! A frame in one line, for ladders and journals. Whoever wants every field has
//! the capture.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a frame is: its transport with ports and the fields that matter.
///
/// Sequence numbers are as they are on the wire. Anything that cannot be read is
/// named by what can: damaged frames are described, too.
pub fn describe(frame: &[u8]) -> String {
    let kind = frame
        .get(12..14)
        .map(|it| u16::from_be_bytes([it[0], it[1]]));
    let payload = frame.get(14..).unwrap_or_default();
    match kind {
        Some(0x0806) => arp(payload),
        Some(0x0800) => v4(payload),
        Some(0x86DD) => v6(payload),
        Some(length) if length < 1_536 => "STP, a message between switches".to_owned(),
        _ => format!("frame of {} B", frame.len()),
    }
}

/// Whether a frame belongs to the upkeep of the network, not to a conversation:
/// address resolution, group membership, spanning tree.
pub fn is_upkeep(frame: &[u8]) -> bool {
    let kind = frame
        .get(12..14)
        .map(|it| u16::from_be_bytes([it[0], it[1]]));
    match kind {
        Some(0x0800) => false,
        Some(0x86DD) => frame.get(20).is_none_or(|next| matches!(next, 0 | 58)),
        _ => true,
    }
}

fn two(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn four(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from(two(bytes, at)?) << 16 | u32::from(two(bytes, at + 2)?))
}

fn arp(bytes: &[u8]) -> String {
    let ip = |at: usize| four(bytes, at).map(Ipv4Addr::from);
    match (two(bytes, 6), ip(14), ip(24)) {
        (Some(1), Some(from), Some(to)) => format!("ARP who has {to}? tell {from}"),
        (Some(2), Some(from), _) => format!("ARP {from} is here"),
        _ => "ARP, unreadable".to_owned(),
    }
}

fn v4(bytes: &[u8]) -> String {
    let header = bytes
        .first()
        .map_or(20, |first| usize::from(first & 15) * 4);
    let length = usize::from(two(bytes, 2).unwrap_or(0));
    let offset = two(bytes, 6).unwrap_or(0);
    let body = bytes
        .get(header..length.min(bytes.len()))
        .unwrap_or_default();
    if offset & 0x1FFF != 0 {
        return format!(
            "IPv4 fragment at {}, {} B",
            (offset & 0x1FFF) * 8,
            body.len()
        );
    }
    let more = if offset & 0x2000 != 0 {
        ", first fragment"
    } else {
        ""
    };
    let protocol = bytes.get(9).copied().unwrap_or(0);
    format!(
        "{}{more}",
        transport(protocol, body, IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    )
}

fn v6(bytes: &[u8]) -> String {
    let next = bytes.get(6).copied().unwrap_or(0);
    let body = bytes.get(40..).unwrap_or_default();
    transport(next, body, IpAddr::V6(Ipv6Addr::UNSPECIFIED))
}

fn transport(protocol: u8, body: &[u8], version: IpAddr) -> String {
    match protocol {
        6 => tcp(body).unwrap_or_else(|| "TCP, unreadable".to_owned()),
        17 => match (two(body, 0), two(body, 2), two(body, 4)) {
            (Some(from), Some(to), Some(length)) => {
                format!("UDP {from} → {to}, {} B", length.saturating_sub(8))
            }
            _ => "UDP, unreadable".to_owned(),
        },
        1 | 58 => icmp(body, version).to_owned(),
        0 => "MLD, who listens to which group".to_owned(),
        other => format!("IP protocol {other}"),
    }
}

fn tcp(bytes: &[u8]) -> Option<String> {
    let (from, to) = (two(bytes, 0)?, two(bytes, 2)?);
    let (sequence, acknowledges) = (four(bytes, 4)?, four(bytes, 8)?);
    let header = usize::from(bytes.get(12)? >> 4) * 4;
    let flags = bytes.get(13)?;
    let names = [(2, "SYN"), (1, "FIN"), (4, "RST"), (8, "PSH"), (16, "ACK")];
    let set = names.into_iter().filter(|(bit, _)| flags & bit != 0);
    let set: Vec<&str> = set.map(|(_, name)| name).collect();
    let payload = bytes.len().saturating_sub(header);
    let mut text = format!("TCP {from} → {to} {} seq {sequence}", set.join(" "));
    if flags & 16 != 0 {
        text += &format!(" ack {acknowledges}");
    }
    if payload > 0 {
        text += &format!(", {payload} B");
    }
    Some(text)
}

fn icmp(bytes: &[u8], version: IpAddr) -> &'static str {
    let kind = (bytes.first().copied(), bytes.get(1).copied());
    match (version.is_ipv4(), kind) {
        (true, (Some(0), _)) | (false, (Some(129), _)) => "ICMP echo reply",
        (true, (Some(8), _)) | (false, (Some(128), _)) => "ICMP echo request",
        (true, (Some(3), Some(3))) | (false, (Some(1), Some(4))) => "ICMP port unreachable",
        (true, (Some(3), Some(4))) | (false, (Some(2), _)) => "ICMP packet too big",
        (true, (Some(3), _)) | (false, (Some(1), _)) => "ICMP unreachable",
        (true, (Some(11), _)) | (false, (Some(3), _)) => "ICMP time exceeded",
        (false, (Some(135), _)) => "who has this IPv6 address?",
        (false, (Some(136), _)) => "this IPv6 address is here",
        (false, (Some(143), _)) => "MLD, who listens to which group",
        _ => "ICMP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bytes_make_it_panic() {
        let frame: Vec<u8> = (0..100).map(|i| (i * 37) as u8).collect();
        for kind in [[8, 0], [8, 6], [0x86, 0xDD], [0, 38]] {
            let mut frame = frame.clone();
            frame[12..14].copy_from_slice(&kind);
            for first in [0x45, 0x4F, 0x60] {
                frame[14] = first;
                for length in 0..frame.len() {
                    assert!(!describe(&frame[..length]).is_empty());
                }
            }
        }
    }
}
