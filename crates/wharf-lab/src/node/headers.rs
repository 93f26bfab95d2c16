//! The few headers that a router reads and writes: Ethernet, ARP (RFC 826), IPv4
//! (RFC 791), IPv6 (RFC 8200), ICMP (RFC 792, RFC 4443) and neighbour discovery (RFC 4861).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::core::Mac;

pub(crate) const IPV4: u16 = 0x0800;
pub(crate) const ARP: u16 = 0x0806;
pub(crate) const IPV6: u16 = 0x86DD;
pub(crate) const ICMP: u8 = 1;
pub(crate) const ICMPV6: u8 = 58;

/// The length of an IPv6 header.
const V6_HEADER: usize = 40;
/// How much of the packet an ICMP error quotes, so that it fits the smallest MTU
/// (RFC 1812 section 4.3.2.3: 576 bytes; RFC 4443: 1,280).
const V4_QUOTE: usize = 576 - 20 - 8;
const V6_QUOTE: usize = 1_280 - 40 - 8;

/// A frame's bytes.
pub(crate) fn ethernet(to: Mac, from: Mac, kind: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(14 + payload.len());
    bytes.extend(to.0);
    bytes.extend(from.0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The Internet checksum (RFC 1071).
pub(crate) fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        // Every part but the last has an even length.
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        }
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    while sum > 0xFFFF {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    !(sum as u16)
}

/// An ARP message for IPv4 over Ethernet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arp {
    pub(crate) request: bool,
    pub(crate) sender: (Mac, Ipv4Addr),
    pub(crate) target: (Mac, Ipv4Addr),
}

impl Arp {
    pub(crate) fn parse(bytes: &[u8]) -> Option<Arp> {
        let bytes = bytes.get(..28)?;
        if bytes[..6] != [0, 1, 8, 0, 6, 4] || bytes[6] != 0 || !(1..=2).contains(&bytes[7]) {
            return None;
        }
        let pair = |at: usize| {
            let mut mac = [0; 6];
            mac.copy_from_slice(&bytes[at..at + 6]);
            let ip = &bytes[at + 6..at + 10];
            (Mac(mac), Ipv4Addr::new(ip[0], ip[1], ip[2], ip[3]))
        };
        Some(Arp {
            request: bytes[7] == 1,
            sender: pair(8),
            target: pair(18),
        })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, if self.request { 1 } else { 2 }];
        for (mac, ip) in [self.sender, self.target] {
            bytes.extend(mac.0);
            bytes.extend(ip.octets());
        }
        bytes
    }
}

/// What a router looks at in an IP header of either version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ip {
    pub(crate) from: IpAddr,
    pub(crate) to: IpAddr,
    pub(crate) hops: u8,
    pub(crate) protocol: u8,
    pub(crate) header: usize,
    pub(crate) length: usize,
    /// It may be cut into fragments (IPv4 without DF).
    pub(crate) may_fragment: bool,
    /// It begins a datagram: not a later fragment.
    pub(crate) first: bool,
}

impl Ip {
    /// Reads a header. `None` if it is no IP, or damaged.
    pub(crate) fn parse(kind: u16, bytes: &[u8]) -> Option<Ip> {
        match kind {
            IPV4 => Ip::parse_v4(bytes),
            IPV6 => Ip::parse_v6(bytes),
            _ => None,
        }
    }

    fn parse_v4(bytes: &[u8]) -> Option<Ip> {
        let header = usize::from(bytes.first()? & 15) * 4;
        let length = usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]));
        let sound = bytes[0] >> 4 == 4 && header >= 20 && header <= length && length <= bytes.len();
        if !sound || checksum(&[&bytes[..header]]) != 0 {
            return None;
        }
        let address = |at: usize| {
            let b = &bytes[at..at + 4];
            IpAddr::V4(Ipv4Addr::new(b[0], b[1], b[2], b[3]))
        };
        let offset = u16::from_be_bytes([bytes[6], bytes[7]]);
        Some(Ip {
            from: address(12),
            to: address(16),
            hops: bytes[8],
            protocol: bytes[9],
            header,
            length,
            may_fragment: offset & 0x4000 == 0,
            first: offset & 0x1FFF == 0,
        })
    }

    fn parse_v6(bytes: &[u8]) -> Option<Ip> {
        let head = bytes.get(..V6_HEADER)?;
        let length = V6_HEADER + usize::from(u16::from_be_bytes([head[4], head[5]]));
        if head[0] >> 4 != 6 || length > bytes.len() {
            return None;
        }
        let address = |at: usize| {
            let mut octets = [0; 16];
            octets.copy_from_slice(&head[at..at + 16]);
            IpAddr::V6(octets.into())
        };
        Some(Ip {
            from: address(8),
            to: address(24),
            hops: head[7],
            protocol: head[6],
            header: V6_HEADER,
            length,
            may_fragment: false,
            first: true,
        })
    }
}

/// The packet with one hop less to go.
pub(crate) fn one_hop_less(packet: &[u8], ip: &Ip) -> Vec<u8> {
    let mut bytes = packet[..ip.length].to_vec();
    match ip.to {
        IpAddr::V4(_) => {
            bytes[8] = ip.hops - 1;
            seal_v4(&mut bytes, ip.header);
        }
        IpAddr::V6(_) => bytes[7] = ip.hops - 1,
    }
    bytes
}

/// Computes the checksum of an IPv4 header anew.
fn seal_v4(bytes: &mut [u8], header: usize) {
    bytes[10..12].fill(0);
    let sum = checksum(&[&bytes[..header]]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// Cuts an IPv4 packet into fragments of at most `mtu` bytes (RFC 791 section 3.2).
pub(crate) fn fragments(packet: &[u8], ip: &Ip, mtu: usize) -> Vec<Vec<u8>> {
    let step = (mtu.saturating_sub(ip.header) / 8 * 8).max(8);
    let body = &packet[ip.header..ip.length];
    let offset = u16::from_be_bytes([packet[6], packet[7]]);
    let count = body.len().div_ceil(step);
    let fragment = |(i, part): (usize, &[u8])| {
        let mut bytes = packet[..ip.header].to_vec();
        bytes.extend(part);
        let length = bytes.len() as u16;
        let more = if i + 1 < count {
            0x2000
        } else {
            offset & 0x2000
        };
        let at = (offset & 0x1FFF) + (i * step / 8) as u16;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes[6..8].copy_from_slice(&(more | at).to_be_bytes());
        seal_v4(&mut bytes, ip.header);
        bytes
    };
    body.chunks(step).enumerate().map(fragment).collect()
}

/// An IP packet with an ICMP message. `rest` is the message without its checksum.
pub(crate) fn icmp(from: IpAddr, to: IpAddr, hops: u8, mut message: Vec<u8>) -> Vec<u8> {
    message[2..4].fill(0);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let sum = checksum(&[&message]);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            let length = (20 + message.len()) as u16;
            let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, hops, ICMP, 0, 0];
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
            bytes.extend(from.octets());
            bytes.extend(to.octets());
            seal_v4(&mut bytes, 20);
            bytes.extend(message);
            bytes
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let length = message.len() as u32;
            let pseudo = [&from.octets()[..], &to.octets()].concat();
            let tail = [&length.to_be_bytes()[..], &[0, 0, 0, ICMPV6]].concat();
            let sum = checksum(&[&pseudo, &tail, &message]);
            message[2..4].copy_from_slice(&sum.to_be_bytes());
            let mut bytes = vec![0x60, 0, 0, 0, 0, 0, ICMPV6, hops];
            bytes[4..6].copy_from_slice(&(length as u16).to_be_bytes());
            bytes.extend(from.octets());
            bytes.extend(to.octets());
            bytes.extend(message);
            bytes
        }
        // One packet has addresses of one version.
        _ => Vec::new(),
    }
}

/// Whether an ICMPv6 message is intact.
pub(crate) fn icmpv6_is_sound(ip: &Ip, message: &[u8]) -> bool {
    let (IpAddr::V6(from), IpAddr::V6(to)) = (ip.from, ip.to) else {
        return false;
    };
    let pseudo = [&from.octets()[..], &to.octets()].concat();
    let tail = [
        &(message.len() as u32).to_be_bytes()[..],
        &[0, 0, 0, ICMPV6],
    ]
    .concat();
    checksum(&[&pseudo, &tail, message]) == 0
}

/// Why a packet came to its end at a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Complaint {
    TimeExceeded,
    NoRoute,
    NoSuchHost,
    TooBig(u16),
}

impl Complaint {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Complaint::TimeExceeded => "ICMP time exceeded",
            Complaint::NoRoute => "ICMP network unreachable",
            Complaint::NoSuchHost => "ICMP host unreachable",
            Complaint::TooBig(_) => "ICMP fragmentation needed",
        }
    }

    /// The ICMP message about `packet`.
    pub(crate) fn message(self, packet: &[u8], to: IpAddr) -> Vec<u8> {
        let v4 = to.is_ipv4();
        let (kind, code, word) = match (self, v4) {
            (Complaint::TimeExceeded, true) => (11, 0, 0),
            (Complaint::NoRoute, true) => (3, 0, 0),
            (Complaint::NoSuchHost, true) => (3, 1, 0),
            (Complaint::TooBig(mtu), true) => (3, 4, u32::from(mtu)),
            (Complaint::TimeExceeded, false) => (3, 0, 0),
            (Complaint::NoRoute, false) => (1, 0, 0),
            (Complaint::NoSuchHost, false) => (1, 3, 0),
            (Complaint::TooBig(mtu), false) => (2, 0, u32::from(mtu)),
        };
        let quote = if v4 { V4_QUOTE } else { V6_QUOTE };
        let mut message = vec![kind, code, 0, 0];
        message.extend(word.to_be_bytes());
        message.extend(&packet[..packet.len().min(quote)]);
        message
    }
}

/// The group that a host with this address listens to (RFC 4291 section 2.7.1),
/// and the hardware address of that group.
pub(crate) fn solicited_node(ip: Ipv6Addr) -> (Ipv6Addr, Mac) {
    let [.., a, b, c] = ip.octets();
    let mut group = Ipv6Addr::new(0xFF02, 0, 0, 0, 0, 1, 0xFF00, 0).octets();
    group[13..].copy_from_slice(&[a, b, c]);
    (group.into(), Mac([0x33, 0x33, 0xFF, a, b, c]))
}

/// A neighbour solicitation or advertisement with the sender's hardware address.
pub(crate) fn neighbour(kind: u8, flags: u8, target: Ipv6Addr, option: u8, mac: Mac) -> Vec<u8> {
    let mut message = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    message.extend(target.octets());
    message.extend([option, 1]);
    message.extend(mac.0);
    message
}

/// Neighbour discovery is believed only with this many hops left: from the same link.
pub(crate) const ND_HOPS: u8 = 255;

/// The frame that asks for the hardware address of `ip`. `None` if the addresses are
/// of different versions.
pub(crate) fn question(own: IpAddr, mac: Mac, ip: IpAddr) -> Option<Vec<u8>> {
    match (own, ip) {
        (IpAddr::V4(own), IpAddr::V4(ip)) => {
            let question = Arp {
                request: true,
                sender: (mac, own),
                target: (Mac::default(), ip),
            };
            Some(ethernet(Mac::BROADCAST, mac, ARP, &question.bytes()))
        }
        (IpAddr::V6(_), IpAddr::V6(ip)) => {
            let (group, to) = solicited_node(ip);
            let question = neighbour(135, 0, ip, 1, mac);
            let packet = icmp(own, group.into(), ND_HOPS, question);
            Some(ethernet(to, mac, IPV6, &packet))
        }
        _ => None,
    }
}

/// The frame that tells `asker` that `own` has the address `target`.
pub(crate) fn advertisement(
    flags: u8,
    target: Ipv6Addr,
    asker: IpAddr,
    own: Mac,
    to: Mac,
) -> Vec<u8> {
    let answer = neighbour(136, flags, target, 2, own);
    let packet = icmp(target.into(), asker, ND_HOPS, answer);
    ethernet(to, own, IPV6, &packet)
}

/// A message of neighbour discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Discovery {
    /// It is a question, not an answer.
    pub(crate) asks: bool,
    pub(crate) target: Ipv6Addr,
    /// The hardware address of its sender.
    pub(crate) mac: Mac,
}

impl Discovery {
    /// Reads an intact message; `sender` is the hardware address of its frame. `None` if
    /// it is something else, or comes from another link.
    pub(crate) fn parse(ip: &Ip, message: &[u8], sender: Mac) -> Option<Discovery> {
        let kind = *message.first()?;
        if ip.hops != ND_HOPS || !matches!(kind, 135 | 136) {
            return None;
        }
        let target: [u8; 16] = message.get(8..24)?.try_into().ok()?;
        let option = message.get(24..32);
        let option = option.filter(|option| matches!(option[..2], [1 | 2, 1]));
        let mac = option.map_or(sender, |option| {
            let mut mac = [0; 6];
            mac.copy_from_slice(&option[2..]);
            Mac(mac)
        });
        Some(Discovery {
            asks: kind == 135,
            target: target.into(),
            mac,
        })
    }
}

/// The EtherType of an IP packet.
pub(crate) fn kind_of(packet: &[u8]) -> u16 {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => IPV4,
        _ => IPV6,
    }
}

/// Whether two addresses share their first `prefix` bits.
pub(crate) fn same_network(a: IpAddr, b: IpAddr, prefix: u8) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let rest = 32_u32.saturating_sub(u32::from(prefix));
            let differ = u32::from(a) ^ u32::from(b);
            differ.checked_shr(rest).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let rest = 128_u32.saturating_sub(u32::from(prefix));
            let differ = u128::from(a) ^ u128::from(b);
            differ.checked_shr(rest).unwrap_or(0) == 0
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Vec<u8> {
        let (from, to) = ("10.0.0.1".parse().unwrap(), "10.0.1.1".parse().unwrap());
        let mut message = vec![8, 0, 0, 0, 0, 1, 0, 1];
        message.extend((0..100).map(|i| i as u8));
        icmp(from, to, 64, message)
    }

    #[test]
    fn a_hop_less_keeps_the_checksum_right() {
        let packet = packet();
        let ip = Ip::parse(IPV4, &packet).unwrap();
        assert_eq!((ip.hops, ip.length), (64, packet.len()));
        let next = one_hop_less(&packet, &ip);
        assert_eq!(Ip::parse(IPV4, &next).unwrap().hops, 63);
    }

    #[test]
    fn fragments_hold_the_whole_packet() {
        let packet = packet();
        let ip = Ip::parse(IPV4, &packet).unwrap();
        let parts = fragments(&packet, &ip, 68);
        assert!(parts.len() > 1 && parts.iter().all(|part| part.len() <= 68));
        let bodies: Vec<u8> = parts.iter().flat_map(|part| part[20..].to_vec()).collect();
        assert_eq!(bodies, packet[20..]);
        let parsed = parts
            .iter()
            .map(|part| Ip::parse(IPV4, part).unwrap().first);
        assert_eq!(parsed.filter(|first| *first).count(), 1);
    }

    #[test]
    fn damaged_headers_are_no_headers() {
        let packet = packet();
        for length in 0..packet.len() {
            assert_eq!(Ip::parse(IPV4, &packet[..length]), None);
        }
        let mut damaged = packet;
        damaged[12] ^= 1;
        assert_eq!(Ip::parse(IPV4, &damaged), None);
    }
}
