//! IPv6 and its extension headers, RFC 8200.

use std::net::IpAddr;

use super::ipv4::transport;
use super::names::{dscp_meaning, ecn_meaning, protocol_name};
use super::{Carrier, Draft, Kind, Walk};

pub(super) fn ipv6(walk: &mut Walk<'_>, at: usize) {
    let Some(mut draft) = walk.draft(Kind::Ipv6, "RFC 8200 §3", at, 40) else {
        return;
    };
    let version = draft.number("version", "Version", 0..4).get();
    if version != 6 {
        return walk.data(at, vec![format!("not an IPv6 header: version {version}")]);
    }
    draft
        .number("dscp", "Traffic Class: DSCP", 4..10)
        .means(dscp_meaning);
    let ecn = draft
        .number("ecn", "Traffic Class: ECN", 10..12)
        .means(ecn_meaning);
    let flow = draft
        .hex("flow", "Flow Label", 12..32)
        .means(|label| match label {
            0 => "not used",
            _ => "the same for all packets of one flow",
        });
    let length = draft
        .number("length", "Payload Length", 32..48)
        .means(|value| match value {
            0 => "0: a jumbogram, or cut up later by the network card".to_owned(),
            _ => format!("{value} bytes follow, extension headers included"),
        }) as usize;
    let next = draft.number("next", "Next Header", 48..56).means(carries) as u8;
    let hops = draft
        .number("hops", "Hop Limit", 56..64)
        .means(|hops| format!("may pass {hops} more routers"));
    let source = draft.v6("src", "Source Address", 8);
    let destination = draft.v6("dst", "Destination Address", 24);
    let (Some(source), Some(destination)) = (source, destination) else {
        return;
    };
    draft.brief(format!("{source} > {destination}"));
    draft.brief(format!("hops {hops}"));
    if flow != 0 {
        draft.brief(format!("flow 0x{flow:05x}"));
    }
    if ecn != 0 {
        draft.brief(format!("ecn {ecn}"));
    }
    draft.brief(format!("payload {length}"));
    draft.brief(format!("next {next} > {}", protocol_name(next)));
    walk.push(draft.finish(40));
    let left = walk.end - at - 40;
    let length = if length == 0 { left } else { length };
    walk.end = walk.end.min(at + 40 + length);
    let carrier = Carrier {
        source: IpAddr::V6(source),
        destination: IpAddr::V6(destination),
        len: length,
        is_partial: left < length || walk.is_quoted,
    };
    extensions(walk, next, at + 40, carrier);
}

fn carries(value: u64) -> String {
    format!("what follows is {}", protocol_name(value as u8))
}

/// One extension header after the other, until a transport's.
fn extensions(walk: &mut Walk<'_>, mut next: u8, mut at: usize, mut carrier: Carrier) {
    loop {
        let (kind, spec, least) = match next {
            0 => (Kind::HopByHop, "RFC 8200 §4.3", 8),
            43 => (Kind::Routing, "RFC 8200 §4.4", 8),
            44 => (Kind::Fragment, "RFC 8200 §4.5", 8),
            51 => (Kind::Authentication, "RFC 4302 §2", 12),
            60 => (Kind::Destination, "RFC 8200 §4.6", 8),
            59 => return walk.data(at, Vec::new()),
            _ => return transport(walk, next, at, &carrier),
        };
        let Some(mut draft) = walk.draft(kind, spec, at, least) else {
            return;
        };
        let carried = draft.number("next", "Next Header", 0..8).means(carries) as u8;
        let mut offset = 0;
        let len = match kind {
            Kind::Fragment => {
                offset = fragment(&mut draft, &mut carrier);
                8
            }
            Kind::Authentication => authentication(&mut draft),
            _ => {
                let units = draft.number("header length", "Hdr Ext Len", 8..16);
                let len = 8 + 8 * units.means(|units| {
                    format!("{} bytes: units of eight after the first", 8 + 8 * units)
                }) as usize;
                let end = len.min(walk.end - at);
                match kind {
                    Kind::Routing => routing(&mut draft, end, &mut carrier),
                    _ => options(&mut draft, end),
                }
                len
            }
        };
        draft.brief(format!("next {carried} > {}", protocol_name(carried)));
        let is_cut = len > walk.end - at;
        if is_cut {
            draft.note(format!("ends after {} of {len} bytes", walk.end - at));
        }
        walk.push(draft.finish(len));
        if is_cut {
            return;
        }
        at += len;
        carrier.len = carrier.len.saturating_sub(len);
        if offset > 0 {
            let note = format!(
                "a later fragment: {} stands in the first one",
                protocol_name(carried)
            );
            return walk.data(at, vec![note]);
        }
        next = carried;
    }
}

fn fragment(draft: &mut Draft<'_>, carrier: &mut Carrier) -> u64 {
    draft.number("reserved", "Reserved", 8..16).get();
    let offset = draft
        .number("offset", "Fragment Offset", 16..29)
        .means(|units| {
            format!(
                "begins at byte {} of the packet: it counts units of eight",
                units * 8
            )
        })
        * 8;
    draft.number("reserved2", "Res", 29..31).get();
    let more = draft.flag("MF", "M flag", 31).means(|bit| match bit {
        1 => "further fragments follow",
        _ => "the last one",
    });
    let id = draft
        .hex("id", "Identification", 32..64)
        .means(|_| "the same in every fragment of one packet");
    let end = if more == 1 { "more follow" } else { "the last" };
    draft.brief(format!("fragment of 0x{id:08x} at byte {offset}, {end}"));
    carrier.is_partial |= offset > 0 || more == 1;
    offset
}

fn authentication(draft: &mut Draft<'_>) -> usize {
    let words = draft.number("header length", "Payload Len", 8..16);
    let len = 8 + 4 * words
        .means(|words| format!("{} bytes: words of four, less two", 8 + 4 * words))
        as usize;
    draft.number("reserved", "RESERVED", 16..32).get();
    let spi = draft.hex("spi", "Security Parameters Index", 32..64).get();
    draft.number("sequence", "Sequence Number", 64..96).get();
    draft
        .bytes("icv", "Integrity Check Value", 12..len.max(12))
        .get();
    draft.brief(format!("spi 0x{spi:08x}"));
    len
}

fn routing(draft: &mut Draft<'_>, end: usize, carrier: &mut Carrier) {
    let kind = draft
        .number("routing type", "Routing Type", 16..24)
        .means(|kind| match kind {
            0 => "type 0: deprecated (RFC 5095)",
            2 => "mobile IPv6",
            3 => "RPL",
            4 => "segment routing",
            _ => "",
        });
    let left = draft
        .number("segments left", "Segments Left", 24..32)
        .means(|left| format!("{left} more stations before the destination"));
    draft.bytes("route", "type-specific data", 4..end).get();
    draft.brief(format!("type {kind}, {left} segments left"));
    // The checksum is over the final destination then (RFC 8200 §8.1).
    carrier.is_partial |= left > 0;
}

/// Options of the Hop-by-Hop and the Destination Options header.
fn options(draft: &mut Draft<'_>, end: usize) {
    let bytes = draft.rest();
    let mut at = 2;
    while at < end {
        let kind = bytes[at];
        if kind == 0 {
            draft
                .number("pad1", "Pad1 option", at * 8..at * 8 + 8)
                .means(|_| "one byte of padding");
            at += 1;
            continue;
        }
        let len = bytes.get(at + 1).map_or(0, |len| usize::from(*len)) + 2;
        if at + len > end {
            draft.note(format!("option {kind} ends behind the header: damaged"));
            draft.bytes("damaged", "Options", at..end).get();
            return;
        }
        let (name, rfc): (&'static str, &'static str) = match kind {
            1 => ("padn", "PadN option"),
            5 => ("router alert", "Router Alert option (RFC 2711)"),
            0xc2 => ("jumbo", "Jumbo Payload option (RFC 2675)"),
            _ => ("option", "Option"),
        };
        let what = match kind {
            1 => format!("{len} bytes of padding"),
            _ => format!("{name}; who does not know it {}", unknown_option(kind)),
        };
        draft.option(at, what, "bytes after kind and length");
        let value = (at + 2) * 8..(at + len) * 8;
        match (kind, len) {
            (_, 2) => {}
            (5, 4) => {
                draft
                    .number(name, rfc, value)
                    .means(|_| "every router on the way shall look into it");
            }
            (0xc2, 6) => {
                draft
                    .number(name, rfc, value)
                    .means(|len| format!("the packet carries {len} bytes"));
            }
            _ => {
                draft.bytes(name, rfc, at + 2..at + len).get();
            }
        }
        if kind != 1 {
            draft.brief(name);
        }
        at += len;
    }
}

/// The two highest bits say it, RFC 8200 §4.2.
fn unknown_option(kind: u8) -> &'static str {
    match kind >> 6 {
        0 => "skips it",
        1 => "drops the packet",
        2 => "drops the packet and sends an ICMP error",
        _ => "drops the packet and sends an ICMP error, unless to a group",
    }
}
