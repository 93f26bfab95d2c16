//! IPv4, RFC 791 §3.1.

use std::net::IpAddr;

use super::checksum::{self};
use super::names::{dscp_meaning, ecn_meaning, protocol_name};
use super::{Carrier, Draft, Kind, Walk, icmp4, icmp6, ipv6, tcp, udp};

pub(super) fn ipv4(walk: &mut Walk<'_>, at: usize) {
    let Some(mut draft) = walk.draft(Kind::Ipv4, "RFC 791 §3.1", at, 20) else {
        return;
    };
    let version = draft.number("version", "Version", 0..4).get();
    let header = draft
        .number("header length", "IHL", 4..8)
        .means(|words| format!("{} bytes: it counts words of four", words * 4))
        as usize
        * 4;
    if version != 4 || header < 20 {
        return walk.data(
            at,
            vec![format!(
                "not an IPv4 header: version {version}, {header} bytes long"
            )],
        );
    }
    draft.spec("RFC 2474 §3");
    let dscp = draft
        .number("dscp", "Differentiated Services Codepoint", 8..14)
        .means(dscp_meaning);
    draft.spec("RFC 3168 §5");
    let ecn = draft
        .number("ecn", "Explicit Congestion Notification", 14..16)
        .means(ecn_meaning);
    draft.spec("RFC 791 §3.1");
    let left = walk.end - at;
    let total = draft
        .number("length", "Total Length", 16..32)
        .means(|value| total_meaning(value as usize, header, left, walk.is_cut))
        as usize;
    let id = draft
        .hex("id", "Identification", 32..48)
        .means(|_| "the same in every fragment of one packet");
    draft
        .flag("reserved", "Flags, bit 0: reserved, must be zero", 48)
        .get();
    let keep = draft
        .flag("DF", "Don't Fragment", 49)
        .means(|bit| match bit {
            1 => "do not fragment: drop it and say so instead",
            _ => "routers may fragment it",
        });
    let more = draft
        .flag("MF", "More Fragments", 50)
        .means(|bit| match bit {
            1 => "further fragments follow",
            _ => "no fragment, or the last one",
        });
    let offset = draft
        .number("offset", "Fragment Offset", 51..64)
        .means(|units| {
            format!(
                "begins at byte {} of the packet: it counts units of eight",
                units * 8
            )
        })
        * 8;
    let ttl = draft
        .number("ttl", "Time to Live", 64..72)
        .means(|hops| format!("may pass {hops} more routers"));
    let protocol = draft
        .number("protocol", "Protocol", 72..80)
        .means(|value| format!("carries {}", protocol_name(value as u8))) as u8;
    let rest = draft.rest();
    let sum = match rest.get(..header) {
        Some(bytes) => checksum::plain(bytes, 10),
        None => checksum::Checksum::Unknown,
    };
    draft
        .hex("checksum", "Header Checksum", 80..96)
        .means(|_| sum.meaning());
    let source = draft.v4("src", "Source Address", 12);
    let destination = draft.v4("dst", "Destination Address", 16);
    let (Some(source), Some(destination)) = (source, destination) else {
        return;
    };
    options(&mut draft, header.min(left));
    draft.brief(format!("{source} > {destination}"));
    draft.brief(format!("ttl {ttl}"));
    if keep == 1 {
        draft.brief("DF");
    }
    if ecn != 0 || dscp != 0 {
        draft.brief(format!("dscp {dscp} ecn {ecn}"));
    }
    draft.brief(format!("len {total}"));
    let is_fragment = more == 1 || offset > 0;
    if is_fragment {
        let end = if more == 1 { "more follow" } else { "the last" };
        draft.brief(format!("fragment of 0x{id:04x} at byte {offset}, {end}"));
    }
    draft.brief(format!("proto {protocol} > {}", protocol_name(protocol)));
    if let checksum::Checksum::Bad(_) = sum {
        draft.note(format!("header {}", sum.meaning()));
    }
    if header > left {
        draft.note(format!("its options end after {left} of {header} bytes"));
    }
    walk.push(draft.finish(header));
    // A total length of zero: the card cuts the packet up later (TSO).
    let total = if total == 0 { left } else { total };
    walk.end = walk.end.min(at + total.max(header));
    let carrier = Carrier {
        source: IpAddr::V4(source),
        destination: IpAddr::V4(destination),
        len: total.saturating_sub(header),
        is_partial: is_fragment || left < total || walk.is_quoted,
    };
    if offset > 0 {
        let note = format!(
            "a later fragment: {} stands in the first one",
            protocol_name(protocol)
        );
        return walk.data(at + header, vec![note]);
    }
    transport(walk, protocol, at + header, &carrier);
}

fn total_meaning(total: usize, header: usize, left: usize, is_cut: bool) -> String {
    if total == 0 {
        "0: the network card cuts this into packets later (segmentation offload)".into()
    } else if total < header {
        "less than the header: damaged".into()
    } else if total > left && !is_cut {
        format!(
            "header and {} bytes, but the frame ends before",
            total - header
        )
    } else {
        format!("header and {} bytes that it carries", total - header)
    }
}

/// What IP carries.
pub(super) fn transport(walk: &mut Walk<'_>, protocol: u8, at: usize, carrier: &Carrier) {
    match protocol {
        1 => icmp4::icmp4(walk, at, carrier),
        4 => ipv4(walk, at),
        41 => ipv6::ipv6(walk, at),
        6 => tcp::tcp(walk, at, carrier),
        17 => udp::udp(walk, at, carrier),
        58 => icmp6::icmp6(walk, at, carrier),
        _ => walk.data(at, Vec::new()),
    }
}

/// RFC 791 §3.1, and those that came later.
fn options(draft: &mut Draft<'_>, header: usize) {
    let bytes = draft.rest();
    let mut at = 20;
    while at < header {
        let kind = bytes[at];
        let (name, rfc): (&'static str, &'static str) = match kind {
            0 => ("end of options", "End of Option List"),
            1 => ("no operation", "No Operation"),
            7 => ("record route", "Record Route"),
            68 => ("timestamp", "Internet Timestamp"),
            131 => ("loose source route", "Loose Source and Record Route"),
            137 => ("strict source route", "Strict Source and Record Route"),
            148 => ("router alert", "Router Alert (RFC 2113)"),
            130 => ("security", "Security"),
            _ => ("option", "Option"),
        };
        if kind <= 1 {
            draft
                .number(name, rfc, at * 8..at * 8 + 8)
                .means(|_| match kind {
                    0 => "the rest is padding",
                    _ => "one byte of padding",
                });
            at += 1;
            if kind == 0 && at < header {
                draft.bytes("padding", "Padding", at..header).get();
                return;
            }
            continue;
        }
        let len = bytes.get(at + 1).copied().map_or(0, usize::from);
        if len < 2 || at + len > header {
            draft.note(format!(
                "option {kind} says it is {len} bytes long: damaged"
            ));
            draft.bytes("damaged", "Options", at..header).get();
            return;
        }
        draft.option(
            at,
            option_meaning(kind, name),
            "bytes, with kind and length",
        );
        // Where the next station writes (RFC 791 §3.1).
        let has_pointer = matches!(kind, 7 | 68 | 131 | 137) && len > 2;
        if has_pointer {
            draft
                .number("option pointer", "Pointer", at * 8 + 16..at * 8 + 24)
                .means(|byte| format!("the next entry begins at byte {byte} of the option"));
        }
        let mut from = at + 2 + usize::from(has_pointer);
        if kind == 68 && len > 3 {
            let bit = at * 8 + 24;
            draft
                .number("option overflow", "Overflow", bit..bit + 4)
                .means(|count| format!("{count} machines had no room for theirs"));
            draft
                .number("option flag", "Flag", bit + 4..bit + 8)
                .means(|flag| match flag {
                    0 => "timestamps alone",
                    1 => "each with its address",
                    3 => "of the machines whose addresses are given",
                    _ => "",
                });
            from += 1;
        }
        if (kind, len) == (148, 4) {
            draft
                .number(name, rfc, from * 8..from * 8 + 16)
                .means(|_| "every router on the way shall look into it");
        } else if from < at + len {
            draft
                .bytes(name, rfc, from..at + len)
                .means(|_| match kind {
                    7 | 131 | 137 => addresses(&bytes[at..at + len]),
                    _ => String::new(),
                });
        }
        draft.brief(name);
        at += len;
    }
}

/// The type's three parts in words, RFC 791 §3.1.
fn option_meaning(kind: u8, name: &str) -> String {
    let copied = match kind >> 7 {
        0 => "in the first fragment alone",
        _ => "copied into every fragment",
    };
    let class = match kind >> 5 & 3 {
        0 => "control",
        2 => "debugging and measurement",
        _ => "reserved",
    };
    let number = kind & 0x1f;
    format!("{name}: number {number} of class {class}, {copied}")
}

/// The addresses in a route option, and how many are filled in.
fn addresses(option: &[u8]) -> String {
    let pointer = option.get(2).copied().map_or(0, usize::from);
    let shown: Vec<String> = option
        .get(3..)
        .unwrap_or_default()
        .chunks_exact(4)
        .map(|four| format!("{}.{}.{}.{}", four[0], four[1], four[2], four[3]))
        .collect();
    format!("{}; the next is number {}", shown.join(", "), pointer / 4)
}
