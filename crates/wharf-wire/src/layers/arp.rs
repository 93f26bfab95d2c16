//! Address Resolution Protocol, RFC 826: who has this address?

use super::names::ether_type_name;
use super::{Kind, Walk};

pub(super) fn arp(walk: &mut Walk<'_>, at: usize) {
    let Some(mut draft) = walk.draft(Kind::Arp, "RFC 826", at, 8) else {
        return;
    };
    let hardware = draft
        .number("hardware", "ar$hrd, Hardware address space", 0..16)
        .means(|value| match value {
            1 => "Ethernet",
            _ => "",
        });
    let protocol = draft
        .hex("protocol", "ar$pro, Protocol address space", 16..32)
        .means(ether_type_name);
    let hardware_len = draft.number("hardware length", "ar$hln", 32..40).get() as usize;
    let protocol_len = draft.number("protocol length", "ar$pln", 40..48).get() as usize;
    let operation = draft
        .number("operation", "ar$op, opcode", 48..64)
        .means(|value| match value {
            1 => "request: who has this address?",
            2 => "reply: I have it",
            _ => "",
        });
    let len = 8 + 2 * (hardware_len + protocol_len);
    if hardware == 1 && protocol == 0x0800 && hardware_len == 6 && protocol_len == 4 {
        let sender = draft.mac("sender mac", "ar$sha, Sender hardware address", 8);
        let sender_ip = draft.v4("sender ip", "ar$spa, Sender protocol address", 14);
        draft.mac("target mac", "ar$tha, Target hardware address", 18);
        let target_ip = draft.v4("target ip", "ar$tpa, Target protocol address", 24);
        if let (Some(mac), Some(from), Some(to)) = (sender, sender_ip, target_ip) {
            let mac = crate::field::Value::Mac(mac);
            draft.brief(match operation {
                1 if from == to => format!("announces {from} is at {mac}"),
                1 => format!("who has {to}? tell {from}"),
                2 => format!("{from} is at {mac}"),
                _ => format!("operation {operation}"),
            });
        }
    } else {
        draft.bytes("addresses", "Addresses", 8..len).get();
        draft.brief(format!("operation {operation}"));
    }
    let layer = draft.finish(len);
    let end = layer.bytes.end;
    walk.push(layer);
    // An ARP packet has no length of its own: what follows it fills the frame.
    walk.end = end;
}
