//! Numbers that the IANA gave out, with their names.

use etherparse::IpNumber;

/// What IP carries: `TCP`; numbers without a keyword are shown as they are.
pub fn protocol_name(number: u8) -> String {
    match number {
        1 => "ICMP".into(),
        58 => "ICMPv6".into(),
        0 => "Hop-by-Hop Options".into(),
        60 => "Destination Options".into(),
        43 => "Routing".into(),
        44 => "Fragment".into(),
        59 => "nothing (No Next Header)".into(),
        _ => match IpNumber(number).keyword_str() {
            Some(keyword) if !keyword.is_empty() => keyword.to_owned(),
            _ => format!("protocol {number}"),
        },
    }
}

/// The name of an EtherType.
pub(super) fn ether_type_name(number: u64) -> &'static str {
    match number {
        0x0800 => "IPv4",
        0x0806 => "ARP",
        0x86dd => "IPv6",
        0x8100 => "VLAN tag",
        0x88a8 => "VLAN tag of the provider",
        0x8847 => "MPLS",
        0x8863 => "PPPoE discovery",
        0x8864 => "PPPoE session",
        0x888e => "802.1X",
        0x88cc => "LLDP",
        0x88e5 => "MACsec",
        _ => "unknown",
    }
}

/// What an ICMP message of this type and code says.
pub fn icmp4_name(kind: u8, code: u8) -> &'static str {
    match (kind, code) {
        (0, _) => "echo reply",
        (3, 0) => "network unreachable",
        (3, 1) => "host unreachable",
        (3, 2) => "protocol unreachable",
        (3, 3) => "port unreachable",
        (3, 4) => "fragmentation needed, but forbidden",
        (3, 5) => "source route failed",
        (3, 6) => "network unknown",
        (3, 7) => "host unknown",
        (3, 9) => "network administratively prohibited",
        (3, 10) => "host administratively prohibited",
        (3, 11) => "network unreachable for this type of service",
        (3, 12) => "host unreachable for this type of service",
        (3, 13) => "communication administratively prohibited",
        (3, _) => "destination unreachable",
        (4, _) => "source quench (no longer used)",
        (5, 0) => "use another router for this network",
        (5, 1) => "use another router for this host",
        (5, _) => "redirect",
        (8, _) => "echo request",
        (9, _) => "router advertisement",
        (10, _) => "router solicitation",
        (11, 0) => "time to live exceeded on the way",
        (11, 1) => "fragments did not arrive in time",
        (11, _) => "time exceeded",
        (12, _) => "parameter problem",
        (13, _) => "timestamp request",
        (14, _) => "timestamp reply",
        (15, _) => "information request",
        (16, _) => "information reply",
        (17, _) => "address mask request",
        (18, _) => "address mask reply",
        (42, _) => "extended echo request",
        (43, _) => "extended echo reply",
        _ => "unknown message",
    }
}

/// What an ICMPv6 message of this type and code says.
pub fn icmp6_name(kind: u8, code: u8) -> &'static str {
    match (kind, code) {
        (1, 0) => "no route to destination",
        (1, 1) => "communication administratively prohibited",
        (1, 2) => "beyond the scope of the source address",
        (1, 3) => "address unreachable",
        (1, 4) => "port unreachable",
        (1, 5) => "source address failed the policy",
        (1, 6) => "route to destination is rejected",
        (1, _) => "destination unreachable",
        (2, _) => "packet too big",
        (3, 0) => "hop limit exceeded on the way",
        (3, 1) => "fragments did not arrive in time",
        (3, _) => "time exceeded",
        (4, 0) => "parameter problem: header field",
        (4, 1) => "parameter problem: unknown next header",
        (4, 2) => "parameter problem: unknown option",
        (4, _) => "parameter problem",
        (128, _) => "echo request",
        (129, _) => "echo reply",
        (130, _) => "multicast listener query",
        (131, _) => "multicast listener report",
        (132, _) => "multicast listener done",
        (133, _) => "router solicitation",
        (134, _) => "router advertisement",
        (135, _) => "neighbor solicitation: who has this address?",
        (136, _) => "neighbor advertisement: I have this address",
        (137, _) => "redirect",
        (143, _) => "multicast listener report v2",
        _ => "unknown message",
    }
}

/// Explicit congestion notification, RFC 3168 §5.
pub(super) fn ecn_meaning(bits: u64) -> &'static str {
    match bits {
        0 => "not capable of congestion notification",
        1 => "capable of congestion notification, ECT(1)",
        2 => "capable of congestion notification, ECT(0)",
        _ => "congestion was experienced on the way",
    }
}

/// Differentiated services code points, RFC 2474 and those that build on it.
pub(super) fn dscp_meaning(bits: u64) -> String {
    match bits {
        0 => "default: best effort".into(),
        46 => "expedited forwarding".into(),
        44 => "voice admit".into(),
        1 => "lower effort".into(),
        _ if bits.is_multiple_of(8) => format!("class selector {}", bits / 8),
        _ if bits.is_multiple_of(2)
            && (10..=38).contains(&bits)
            && (1..=3).contains(&(bits % 8 / 2)) =>
        {
            format!("assured forwarding {}{}", bits / 8, bits % 8 / 2)
        }
        _ => "not assigned".into(),
    }
}
