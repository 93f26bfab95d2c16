//! ICMP for IPv6, RFC 4443, and neighbor discovery, RFC 4861.

use super::checksum::{self, Checksum};
use super::names::icmp6_name;
use super::{Carrier, Draft, Kind, Walk, ipv6};

pub(super) fn icmp6(walk: &mut Walk<'_>, at: usize, carrier: &Carrier) {
    let Some(mut draft) = walk.draft(Kind::Icmp6, "RFC 4443 §2.1", at, 8) else {
        return;
    };
    let kind = draft.number("type", "Type", 0..8).get() as u8;
    let code = draft
        .number("code", "Code", 8..16)
        .means(|code| icmp6_name(kind, code as u8)) as u8;
    let sum = checksum::pseudo(carrier, 58, draft.rest(), 2);
    draft
        .hex("checksum", "Checksum", 16..32)
        .means(|_| sum.meaning());
    draft.brief(icmp6_name(kind, code));
    draft.brief(format!("type {kind} code {code}"));
    let left = walk.end - at;
    let header = match kind {
        1..=4 | 128 | 129 => error_or_echo(&mut draft, kind),
        130..=132 => listener(&mut draft),
        133..=137 => neighbor(&mut draft, kind, left),
        _ => {
            draft.bytes("rest", "Message Body", 4..8).get();
            8
        }
    };
    if let Checksum::Bad(_) = sum {
        draft.note(format!("checksum {}", sum.meaning()));
    }
    let layer = draft.finish(header.min(left));
    let next = layer.bytes.end;
    walk.push(layer);
    if (1..=4).contains(&kind) && !walk.is_quoted && next < walk.end {
        walk.is_quoted = true;
        ipv6::ipv6(walk, next);
        walk.is_quoted = false;
    } else {
        walk.data(next, Vec::new());
    }
}

fn error_or_echo(draft: &mut Draft<'_>, kind: u8) -> usize {
    match kind {
        2 => {
            draft.spec("RFC 4443 §3.2");
            let mtu = draft
                .number("mtu", "MTU", 32..64)
                .means(|mtu| format!("packets of up to {mtu} bytes get through"));
            draft.brief(format!("mtu {mtu}"));
        }
        4 => {
            draft.spec("RFC 4443 §3.4");
            let pointer = draft
                .number("pointer", "Pointer", 32..64)
                .means(|byte| format!("byte {byte} of the quoted packet is wrong"));
            draft.brief(format!("byte {pointer} is wrong"));
        }
        128 | 129 => {
            draft.spec("RFC 4443 §4");
            let id = draft
                .number("id", "Identifier", 32..48)
                .means(|_| "who asked: the same in request and reply");
            let sequence = draft
                .number("sequence", "Sequence Number", 48..64)
                .means(|_| "which of the requests");
            draft.brief(format!("id {id} seq {sequence}"));
        }
        _ => {
            draft.bytes("unused", "Unused", 4..8).get();
        }
    }
    8
}

fn listener(draft: &mut Draft<'_>) -> usize {
    draft.spec("RFC 2710 §3");
    draft
        .number("delay", "Maximum Response Delay", 32..48)
        .means(|delay| format!("answer within {delay} ms"));
    draft.number("reserved", "Reserved", 48..64).get();
    if let Some(group) = draft.v6("group", "Multicast Address", 8) {
        draft.brief(format!("group {group}"));
    }
    24
}

fn neighbor(draft: &mut Draft<'_>, kind: u8, left: usize) -> usize {
    draft.spec("RFC 4861 §4");
    let fixed = match kind {
        133 => {
            draft.bytes("reserved", "Reserved", 4..8).get();
            8
        }
        134 => {
            draft.number("hop limit", "Cur Hop Limit", 32..40).get();
            draft
                .flag("managed", "Managed address configuration", 40)
                .get();
            draft.flag("other", "Other configuration", 41).get();
            draft.number("reserved", "Reserved", 42..48).get();
            let lifetime = draft
                .number("lifetime", "Router Lifetime", 48..64)
                .means(|seconds| format!("a default router for {seconds} s"));
            draft
                .number("reachable", "Reachable Time", 64..96)
                .means(|_| "milliseconds");
            draft
                .number("retransmit", "Retrans Timer", 96..128)
                .means(|_| "milliseconds");
            draft.brief(format!("router for {lifetime} s"));
            16
        }
        136 => {
            draft.flag("router", "Router flag", 32).means(|bit| {
                if bit == 1 {
                    "the sender is a router"
                } else {
                    "the sender is a host"
                }
            });
            draft.flag("solicited", "Solicited flag", 33).means(|bit| {
                if bit == 1 {
                    "an answer to a question"
                } else {
                    "nobody asked"
                }
            });
            draft.flag("override", "Override flag", 34).means(|bit| {
                if bit == 1 {
                    "forget what you knew"
                } else {
                    "keep what you knew"
                }
            });
            draft.number("reserved", "Reserved", 35..64).get();
            target(draft)
        }
        _ => {
            draft.bytes("reserved", "Reserved", 4..8).get();
            let end = target(draft);
            if kind == 137 {
                draft.v6("destination", "Destination Address", 24);
                40
            } else {
                end
            }
        }
    };
    options(draft, fixed, left)
}

fn target(draft: &mut Draft<'_>) -> usize {
    if let Some(target) = draft.v6("target", "Target Address", 8) {
        draft.brief(format!("{target}"));
    }
    24
}

/// Options of neighbor discovery, RFC 4861 §4.6: units of eight bytes.
fn options(draft: &mut Draft<'_>, mut at: usize, left: usize) -> usize {
    let bytes = draft.rest();
    while at + 8 <= left {
        let kind = bytes[at];
        let len = usize::from(bytes[at + 1]) * 8;
        if len == 0 || at + len > left {
            draft.note(format!(
                "option {kind} says it is {len} bytes long: damaged"
            ));
            return at;
        }
        let what = match kind {
            1 => "source link-layer address".into(),
            2 => "target link-layer address".into(),
            3 => "prefix information".into(),
            5 => "MTU of the link".into(),
            _ => format!("option {kind}"),
        };
        draft.option(at, what, "units of eight bytes, with kind and length");
        match (kind, len) {
            (1, 8) => {
                draft.mac("source mac", "Source Link-Layer Address", at + 2);
            }
            (2, 8) => {
                draft.mac("target mac", "Target Link-Layer Address", at + 2);
            }
            (5, 8) => {
                draft
                    .number("link mtu", "MTU", at * 8 + 32..at * 8 + 64)
                    .get();
            }
            (3, 32) => prefix(draft, at),
            _ => {
                draft.bytes("option", "Option", at + 2..at + len).get();
            }
        }
        at += len;
    }
    at
}

/// What addresses on this link begin with, RFC 4861 §4.6.2.
fn prefix(draft: &mut Draft<'_>, at: usize) {
    let bit = at * 8;
    draft
        .number("prefix length", "Prefix Length", bit + 16..bit + 24)
        .get();
    draft
        .flag("on-link", "on-link flag", bit + 24)
        .means(|bit| match bit {
            1 => "addresses with this prefix are on this link",
            _ => "says nothing about which addresses are on this link",
        });
    draft
        .flag(
            "autonomous",
            "autonomous address-configuration flag",
            bit + 25,
        )
        .means(|bit| match bit {
            1 => "make an address of your own with it",
            _ => "make no address of your own with it",
        });
    draft
        .number("valid", "Valid Lifetime", bit + 32..bit + 64)
        .means(for_how_long);
    draft
        .number("preferred", "Preferred Lifetime", bit + 64..bit + 96)
        .means(for_how_long);
    draft.v6("prefix", "Prefix", at + 16);
}

/// All bits set mean infinity, RFC 4861 §4.6.2.
fn for_how_long(lifetime: u64) -> &'static str {
    match lifetime {
        0xffff_ffff => "for ever",
        _ => "seconds",
    }
}

#[cfg(test)]
mod tests {
    use crate::application::Dissectors;
    use crate::frame::Link;
    use crate::layers::{Kind, dissect};

    /// What is said about the lifetimes of a prefix in a router's advertisement.
    fn lifetimes(valid: u32, preferred: u32) -> [String; 2] {
        let mut message = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
        message.extend([3, 4, 64, 0xc0]);
        message.extend(valid.to_be_bytes());
        message.extend(preferred.to_be_bytes());
        message.extend([0; 4]);
        message.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let mut packet = vec![0x60, 0, 0, 0, 0, message.len() as u8, 58, 255];
        packet.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        packet.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        packet.extend(message);
        let layers = dissect(Link::Raw, &packet, packet.len(), &Dissectors::none());
        let layer = layers.find(Kind::Icmp6).unwrap();
        ["valid", "preferred"].map(|name| layer.field(name).unwrap().meaning.to_string())
    }

    #[test]
    fn a_prefix_may_be_valid_for_ever() {
        assert_eq!(lifetimes(7_200, u32::MAX), ["seconds", "for ever"]);
        assert_eq!(lifetimes(u32::MAX, u32::MAX - 1), ["for ever", "seconds"]);
    }
}
