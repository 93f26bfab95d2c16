//! The first header: Ethernet, loopback, Linux cooked, or none.

use super::names::ether_type_name;
use super::{Kind, Walk, arp, ipv4, ipv6};
use crate::frame::Link;

/// Takes the link's header apart, and what it carries.
pub(super) fn link(walk: &mut Walk<'_>, link: Link) {
    match link {
        Link::Ethernet => ethernet(walk),
        Link::Null | Link::Loop => loopback(walk, link),
        Link::Raw => by_version(walk, 0),
        Link::Ipv4 => ipv4::ipv4(walk, 0),
        Link::Ipv6 => ipv6::ipv6(walk, 0),
        Link::Cooked => cooked(walk),
        Link::Cooked2 => cooked2(walk),
        Link::Other(number) => walk.data(0, vec![format!("link type {number} is not taken apart")]),
    }
}

/// The smallest value that is a type and not a length (IEEE 802.3 §3.2.6).
const LEAST_TYPE: u64 = 1536;

fn ethernet(walk: &mut Walk<'_>) {
    let Some(mut draft) = walk.draft(Kind::Ethernet, "IEEE 802.3 §3.2", 0, 14) else {
        return;
    };
    let destination = draft.mac("dst", "Destination Address", 0);
    let source = draft.mac("src", "Source Address", 6);
    let kind = draft
        .hex("type", "Length/Type", 96..112)
        .means(|value| match value {
            0..LEAST_TYPE => format!("a length: {value} bytes follow (IEEE 802.3)"),
            _ => format!("what follows is {}", ether_type_name(value)),
        });
    for field in ["dst", "src"] {
        let address = if field == "dst" { destination } else { source };
        draft.brief(format!(
            "{field} {}",
            crate::field::Value::Mac(address.unwrap_or_default())
        ));
    }
    draft.brief(format!("type 0x{kind:04x} > {}", ether_type_name(kind)));
    walk.push(draft.finish(14));
    ether_type(walk, kind, 14);
}

/// IEEE 802.1Q: four bytes between the addresses and the type.
fn vlan(walk: &mut Walk<'_>, at: usize) {
    let Some(mut draft) = walk.draft(Kind::Vlan, "IEEE 802.1Q §9.6", at, 4) else {
        return;
    };
    let priority = draft.number("priority", "Priority Code Point", 0..3).get();
    draft
        .flag("dei", "Drop Eligible Indicator", 3)
        .means(|bit| match bit {
            1 => "may be dropped first",
            _ => "not to be dropped first",
        });
    let id = draft.number("vlan", "VLAN Identifier", 4..16).get();
    let kind = draft
        .hex("type", "Length/Type", 16..32)
        .means(|value| format!("what follows is {}", ether_type_name(value)));
    draft.brief(format!("vlan {id}"));
    draft.brief(format!("priority {priority}"));
    draft.brief(format!("type 0x{kind:04x} > {}", ether_type_name(kind)));
    walk.push(draft.finish(4));
    ether_type(walk, kind, at + 4);
}

fn ether_type(walk: &mut Walk<'_>, kind: u64, at: usize) {
    match kind {
        0x0800 => ipv4::ipv4(walk, at),
        0x86dd => ipv6::ipv6(walk, at),
        0x0806 => arp::arp(walk, at),
        0x8100 | 0x88a8 => vlan(walk, at),
        0..LEAST_TYPE => {
            walk.end = walk.end.min(at.saturating_add(kind as usize));
            walk.data(at, Vec::new());
        }
        _ => walk.data(at, Vec::new()),
    }
}

/// The address families that the systems with such a header have for IPv6: NetBSD
/// and OpenBSD, FreeBSD, macOS, and Linux.
const AF_INET6: [u64; 4] = [24, 28, 30, 10];

fn loopback(walk: &mut Walk<'_>, link: Link) {
    let Some(mut draft) = walk.draft(Kind::Loopback, "tcpdump.org, LINKTYPE_NULL", 0, 4) else {
        return;
    };
    let bytes: [u8; 4] = walk.frame[..4].try_into().unwrap_or_default();
    let family = match link {
        Link::Loop => u32::from_be_bytes(bytes),
        // The capturing machine's order; families are small numbers.
        _ => u32::from_be_bytes(bytes).min(u32::from_le_bytes(bytes)),
    };
    let family = u64::from(family);
    let name = match family {
        2 => "IPv4",
        _ if AF_INET6.contains(&family) => "IPv6",
        _ => "unknown",
    };
    let value = crate::field::Value::Number(family);
    draft.whole("family", "Address Family", 0..4, value).meaning =
        format!("what follows is {name}").into();
    draft.brief(format!("family {family} > {name}"));
    walk.push(draft.finish(4));
    match name {
        "IPv4" => ipv4::ipv4(walk, 4),
        "IPv6" => ipv6::ipv6(walk, 4),
        _ => walk.data(4, Vec::new()),
    }
}

/// Without a link header the first four bits tell.
pub(super) fn by_version(walk: &mut Walk<'_>, at: usize) {
    match walk.frame.get(at).map(|byte| byte >> 4) {
        Some(4) => ipv4::ipv4(walk, at),
        Some(6) => ipv6::ipv6(walk, at),
        Some(version) => walk.data(
            at,
            vec![format!("version {version} is neither IPv4 nor IPv6")],
        ),
        None => {}
    }
}

fn packet_type(value: u64) -> &'static str {
    match value {
        0 => "sent to this machine",
        1 => "sent to everybody (broadcast)",
        2 => "sent to a group (multicast)",
        3 => "sent to another machine, and overheard",
        4 => "sent by this machine",
        _ => "unknown",
    }
}

fn cooked(walk: &mut Walk<'_>) {
    let Some(mut draft) = walk.draft(Kind::Cooked, "tcpdump.org, LINKTYPE_LINUX_SLL", 0, 16) else {
        return;
    };
    let kind = draft
        .number("packet type", "Packet type", 0..16)
        .means(packet_type);
    draft
        .number("hardware", "ARPHRD_ type", 16..32)
        .means(hardware);
    let len = draft
        .number("address length", "Link-layer address length", 32..48)
        .get();
    cooked_address(&mut draft, 6, len);
    let protocol = draft
        .hex("type", "Protocol type", 112..128)
        .means(|value| format!("what follows is {}", ether_type_name(value)));
    draft.brief(packet_type(kind));
    draft.brief(format!(
        "type 0x{protocol:04x} > {}",
        ether_type_name(protocol)
    ));
    walk.push(draft.finish(16));
    ether_type(walk, protocol, 16);
}

fn cooked2(walk: &mut Walk<'_>) {
    let Some(mut draft) = walk.draft(Kind::Cooked2, "tcpdump.org, LINKTYPE_LINUX_SLL2", 0, 20)
    else {
        return;
    };
    let protocol = draft
        .hex("type", "Protocol type", 0..16)
        .means(|value| format!("what follows is {}", ether_type_name(value)));
    draft.number("reserved", "Reserved (MBZ)", 16..32).get();
    let interface = draft.number("interface", "Interface index", 32..64).get();
    draft
        .number("hardware", "ARPHRD_ type", 64..80)
        .means(hardware);
    let kind = draft
        .number("packet type", "Packet type", 80..88)
        .means(packet_type);
    let len = draft
        .number("address length", "Link-layer address length", 88..96)
        .get();
    cooked_address(&mut draft, 12, len);
    draft.brief(packet_type(kind));
    draft.brief(format!("interface {interface}"));
    draft.brief(format!(
        "type 0x{protocol:04x} > {}",
        ether_type_name(protocol)
    ));
    walk.push(draft.finish(20));
    ether_type(walk, protocol, 20);
}

fn cooked_address(draft: &mut super::Draft<'_>, at: usize, len: u64) {
    match len {
        6 => {
            draft.mac("address", "Link-layer address", at);
            draft
                .bytes("unused", "Link-layer address", at + 6..at + 8)
                .get();
        }
        _ => {
            draft
                .bytes("address", "Link-layer address", at..at + 8)
                .get();
        }
    }
}

fn hardware(value: u64) -> &'static str {
    match value {
        1 => "Ethernet",
        772 => "loopback",
        768 | 769 | 776 | 778 => "a tunnel",
        65534 => "no hardware address",
        801..=803 => "wireless",
        _ => "",
    }
}
