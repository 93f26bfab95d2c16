//! ICMP for IPv4, RFC 792.

use super::checksum::{self, Checksum};
use super::names::icmp4_name;
use super::{Carrier, Kind, Walk, ipv4};

pub(super) fn icmp4(walk: &mut Walk<'_>, at: usize, carrier: &Carrier) {
    let Some(mut draft) = walk.draft(Kind::Icmp4, "RFC 792", at, 8) else {
        return;
    };
    let kind = draft.number("type", "Type", 0..8).get() as u8;
    let code = draft
        .number("code", "Code", 8..16)
        .means(|code| icmp4_name(kind, code as u8)) as u8;
    let sum = if carrier.is_partial {
        Checksum::Unknown
    } else {
        checksum::plain(draft.rest(), 2)
    };
    draft
        .hex("checksum", "Checksum", 16..32)
        .means(|_| sum.meaning());
    draft.brief(icmp4_name(kind, code));
    draft.brief(format!("type {kind} code {code}"));
    let mut header = 8;
    match kind {
        0 | 8 => {
            let id = draft
                .number("id", "Identifier", 32..48)
                .means(|_| "who asked: the same in request and reply")
                .to_string();
            let sequence = draft
                .number("sequence", "Sequence Number", 48..64)
                .means(|_| "which of the requests");
            draft.brief(format!("id {id} seq {sequence}"));
        }
        13 | 14 => {
            draft.number("id", "Identifier", 32..48).get();
            draft.number("sequence", "Sequence Number", 48..64).get();
            for (index, (name, rfc)) in [
                ("originate", "Originate Timestamp"),
                ("receive", "Receive Timestamp"),
                ("transmit", "Transmit Timestamp"),
            ]
            .into_iter()
            .enumerate()
            {
                let bit = 64 + index * 32;
                draft
                    .number(name, rfc, bit..bit + 32)
                    .means(|_| "milliseconds since midnight UTC");
            }
            header = 20;
        }
        3 if code == 4 => {
            draft.number("unused", "unused", 32..48).get();
            draft.spec("RFC 1191 §4");
            let mtu = draft
                .number("mtu", "Next-Hop MTU", 48..64)
                .means(|mtu| format!("packets of up to {mtu} bytes get through"));
            draft.brief(format!("mtu {mtu}"));
        }
        5 => {
            if let Some(router) = draft.v4("gateway", "Gateway Internet Address", 4) {
                draft.brief(format!("use {router}"));
            }
        }
        12 => {
            let pointer = draft
                .number("pointer", "Pointer", 32..40)
                .means(|byte| format!("byte {byte} of the quoted packet is wrong"));
            draft.number("unused", "unused", 40..64).get();
            draft.brief(format!("byte {pointer} is wrong"));
        }
        _ => {
            draft.bytes("rest", "Rest of Header", 4..8).get();
        }
    }
    if let Checksum::Bad(_) = sum {
        draft.note(format!("checksum {}", sum.meaning()));
    }
    let layer = draft.finish(header);
    let next = layer.bytes.end;
    walk.push(layer);
    if matches!(kind, 3 | 4 | 5 | 11 | 12) && !walk.is_quoted && next < walk.end {
        walk.is_quoted = true;
        ipv4::ipv4(walk, next);
        walk.is_quoted = false;
    } else {
        walk.data(next, Vec::new());
    }
}
