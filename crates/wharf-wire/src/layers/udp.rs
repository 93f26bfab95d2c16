//! UDP, RFC 768: four fields, and that is all of it.

use super::checksum::{self, Checksum};
use super::{Carrier, Kind, Walk};
use crate::application::{Hint, Transport};

pub(super) fn udp(walk: &mut Walk<'_>, at: usize, carrier: &Carrier) {
    let Some(mut draft) = walk.draft(Kind::Udp, "RFC 768", at, 8) else {
        return;
    };
    let source = draft
        .number("src port", "Source Port", 0..16)
        .means(|_| "the sending process; replies go there") as u16;
    let destination = draft
        .number("dst port", "Destination Port", 16..32)
        .means(|_| "the process that it is for") as u16;
    let left = walk.end - at;
    let length = draft
        .number("length", "Length", 32..48)
        .means(|value| match value {
            0..8 => "less than the header: damaged".to_owned(),
            _ => format!("8 bytes of header and {} of data", value - 8),
        }) as usize;
    let stored = draft.rest().get(6..8).unwrap_or_default();
    let sum = if stored == [0, 0] && carrier.source.is_ipv4() {
        Checksum::Absent
    } else {
        checksum::pseudo(carrier, 17, draft.rest(), 6)
    };
    draft
        .hex("checksum", "Checksum", 48..64)
        .means(|_| sum.meaning());
    draft.brief(format!("{source} > {destination}"));
    draft.brief(format!("len {length}"));
    draft.brief(sum.word());
    if let Checksum::Bad(_) = sum {
        draft.note(format!("checksum {}", sum.meaning()));
    }
    if length < 8 || (length > left && !carrier.is_partial) {
        draft.note(format!(
            "says it is {length} bytes long, but {left} are here"
        ));
    }
    walk.push(draft.finish(8));
    if length >= 8 {
        walk.end = walk.end.min(at + length);
    }
    let hint = Hint {
        transport: Transport::Udp,
        source,
        destination,
        is_whole: !carrier.is_partial,
        spoken: walk.past.spoken,
        gate: walk.past.gate,
    };
    walk.payload(at + 8, hint);
}
