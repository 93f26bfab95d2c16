//! TCP, RFC 9293 §3.1: ten fields and options.

use std::borrow::Cow;

use super::checksum::{self, Checksum};
use super::{Carrier, Draft, Kind, Walk};
use crate::application::{Hint, Transport};

/// The flags from the highest bit on, with what each asks of the receiver.
const FLAGS: [(&str, &str, &str, &str); 8] = [
    (
        "CWR",
        "Congestion Window Reduced",
        "the sender slowed down",
        "no slowing down to report",
    ),
    (
        "ECE",
        "ECN-Echo",
        "congestion was reported (in a SYN: I know ECN)",
        "no congestion reported",
    ),
    (
        "URG",
        "Urgent Pointer field is significant",
        "some of this is urgent",
        "nothing urgent",
    ),
    (
        "ACK",
        "Acknowledgment field is significant",
        "everything before the acknowledgment number has arrived",
        "acknowledges nothing",
    ),
    (
        "PSH",
        "Push function",
        "hand this to the application now",
        "may wait for more",
    ),
    (
        "RST",
        "Reset the connection",
        "the connection is over at once; what is under way is lost",
        "no reset",
    ),
    (
        "SYN",
        "Synchronize sequence numbers",
        "let us begin: my sequence numbers start here",
        "no beginning",
    ),
    (
        "FIN",
        "No more data from sender",
        "I have said everything; you may go on",
        "more may follow",
    ),
];

/// The flags of TCP's byte 13 as people say them: `PSH ACK`.
pub fn flag_words(bits: u8) -> String {
    // SYN, FIN and RST first, as the ladder and everyday speech have it.
    const ORDER: [(u8, &str); 8] = [
        (0x02, "SYN"),
        (0x01, "FIN"),
        (0x04, "RST"),
        (0x08, "PSH"),
        (0x10, "ACK"),
        (0x20, "URG"),
        (0x40, "ECE"),
        (0x80, "CWR"),
    ];
    let set: Vec<&str> = ORDER
        .iter()
        .filter(|(bit, _)| bits & bit != 0)
        .map(|(_, word)| *word)
        .collect();
    set.join(" ")
}

pub(super) fn tcp(walk: &mut Walk<'_>, at: usize, carrier: &Carrier) {
    // An ICMP error quotes eight bytes at least: the ports and the sequence number.
    let least = if walk.is_quoted { 8 } else { 20 };
    let Some(mut draft) = walk.draft(Kind::Tcp, "RFC 9293 §3.1", at, least) else {
        return;
    };
    let source = draft
        .number("src port", "Source Port", 0..16)
        .means(|_| "the sending process") as u16;
    let destination = draft
        .number("dst port", "Destination Port", 16..32)
        .means(|_| "the process that it is for") as u16;
    draft.brief(format!("{source} > {destination}"));
    let sequence = draft
        .number("seq", "Sequence Number", 32..64)
        .means(|_| "the number of the first byte of data in here");
    if walk.end - at < 20 {
        draft.note("quoted in part");
        walk.push(draft.finish(20));
        return;
    }
    let bits = draft.rest()[13];
    let ack = draft
        .number("ack", "Acknowledgment Number", 64..96)
        .means(|_| match bits & 0x10 {
            0 => "not valid: ACK is not set",
            _ => "the number of the byte that is expected next",
        });
    let header = 4 * draft
        .number("header length", "Data Offset", 96..100)
        .means(|words| format!("{} bytes: it counts words of four", words * 4))
        as usize;
    draft.number("reserved", "Reserved", 100..104).get();
    for (index, (name, rfc, set, unset)) in FLAGS.iter().enumerate() {
        draft
            .flag(name, rfc, 104 + index)
            .means(|bit| if bit == 1 { *set } else { *unset });
    }
    let window = draft
        .number("window", "Window", 112..128)
        .means(|value| match value {
            0 => "0: stop sending, the receiver has no room".to_owned(),
            _ if bits & 0x02 != 0 => format!("room for {value} bytes; in a SYN never scaled"),
            _ => format!("room for {value} units of the agreed scale"),
        });
    let sum = checksum::pseudo(carrier, 6, draft.rest(), 16);
    draft
        .hex("checksum", "Checksum", 128..144)
        .means(|_| sum.meaning());
    draft
        .number("urgent", "Urgent Pointer", 144..160)
        .means(|_| match bits & 0x20 {
            0 => "not valid: URG is not set",
            _ => "where the urgent data ends, counted from seq",
        });
    draft.brief(format!("[{}]", flag_words(bits)));
    draft.brief(format!("seq {sequence}"));
    if bits & 0x10 != 0 {
        draft.brief(format!("ack {ack}"));
    }
    draft.brief(format!("win {window}"));
    if header < 20 {
        draft.note(format!("says its header is {header} bytes long: damaged"));
        walk.push(draft.finish(20));
        return walk.data(at + 20, Vec::new());
    }
    let end = header.min(walk.end - at);
    let words = options(&mut draft, end);
    if !words.is_empty() {
        draft.brief(format!("opts {}", words.join(" ")));
    }
    draft.brief(sum.word());
    if let Checksum::Bad(_) = sum {
        draft.note(format!("checksum {}", sum.meaning()));
    }
    if end < header {
        draft.note(format!("its options end after {end} of {header} bytes"));
    }
    walk.push(draft.finish(header));
    let hint = Hint {
        transport: Transport::Tcp,
        source,
        destination,
        is_whole: false,
        spoken: walk.past.spoken,
        gate: walk.past.gate,
    };
    walk.payload(at + header, hint);
}

/// The options, each with its words for the short form.
fn options(draft: &mut Draft<'_>, end: usize) -> Vec<String> {
    let bytes = draft.rest();
    let mut words = Vec::new();
    let mut at = 20;
    while at < end {
        let kind = bytes[at];
        if kind <= 1 {
            draft.spec("RFC 9293 §3.1");
            let (name, rfc) = match kind {
                0 => ("EOL", "End of Option List"),
                _ => ("NOP", "No-Operation"),
            };
            draft
                .number(name, rfc, at * 8..at * 8 + 8)
                .means(|_| match kind {
                    0 => "the rest is padding",
                    _ => "one byte of padding, so that what follows is aligned",
                });
            words.push(name.to_owned());
            at += 1;
            if kind == 0 {
                if at < end {
                    draft.bytes("padding", "Padding", at..end).get();
                }
                return words;
            }
            continue;
        }
        let len = bytes.get(at + 1).copied().map_or(0, usize::from);
        if len < 2 || at + len > end {
            draft.note(format!(
                "option {kind} says it is {len} bytes long: damaged"
            ));
            draft.bytes("damaged", "Options", at..end).get();
            return words;
        }
        words.push(option(draft, kind, at, len));
        at += len;
    }
    words
}

/// One option of at least two bytes: kind and length, each a field, and what it says.
fn option(draft: &mut Draft<'_>, kind: u8, at: usize, len: usize) -> String {
    let value = at * 8 + 16..(at + len) * 8;
    let (spec, what) = known(kind, len);
    draft.spec(spec);
    draft.option(at, what, "bytes, with kind and length");
    match (kind, len) {
        (2, 4) => {
            let size = draft
                .number("MSS", "Maximum Segment Size", value)
                .means(|size| format!("send me no more than {size} bytes of data in one segment"));
            format!("MSS {size}")
        }
        (3, 3) => {
            let shift = draft
                .number("WS", "Window Scale", value)
                .means(|shift| format!("multiply my windows by {}", 1u64 << shift.min(14)));
            format!("WS {shift}")
        }
        (4, 2) => "SACK-OK".into(),
        (5, _) if (len - 2).is_multiple_of(8) => {
            let mut blocks = Vec::new();
            for block in 0..(len - 2) / 8 {
                let bit = at * 8 + 16 + block * 64;
                let left = draft
                    .number("SACK left", "Left Edge of Block", bit..bit + 32)
                    .means(|_| "from here");
                let right = draft
                    .number("SACK right", "Right Edge of Block", bit + 32..bit + 64)
                    .means(|right| {
                        format!(
                            "up to here ({} bytes) has arrived behind a gap",
                            (right as u32).wrapping_sub(left as u32)
                        )
                    });
                blocks.push(format!("{left}-{right}"));
            }
            format!("SACK({})", blocks.join(","))
        }
        (8, 10) => {
            let bit = at * 8 + 16;
            let own = draft
                .number("TSval", "Timestamp Value", bit..bit + 32)
                .means(|_| "the sender's clock, to measure the round trip with");
            let echo = draft
                .number("TSecr", "Timestamp Echo Reply", bit + 32..bit + 64)
                .means(|_| "the other side's clock, sent back");
            format!("TS({own},{echo})")
        }
        (19, 18) => {
            draft
                .bytes("MD5", "TCP MD5 Signature", at + 2..at + len)
                .means(|_| "proves that the sender knows a secret");
            "MD5".into()
        }
        (28, 4) => {
            let minutes = draft
                .flag("UTO minutes", "Granularity", at * 8 + 16)
                .means(|bit| match bit {
                    0 => "the time is in seconds",
                    _ => "the time is in minutes",
                });
            let unit = if minutes == 0 { "seconds" } else { "minutes" };
            let time = draft
                .number("user timeout", "User Timeout", at * 8 + 17..at * 8 + 32)
                .means(|time| format!("I wait {time} {unit} for an acknowledgment"));
            format!("UTO {time}")
        }
        (34, 3..) => {
            draft
                .bytes("TFO cookie", "Fast Open Cookie", at + 2..at + len)
                .means(|_| "proves an earlier visit: the SYN may carry data");
            "TFO".into()
        }
        (34, _) => "TFO".into(),
        _ => {
            if len > 2 {
                draft.bytes("option", "Option", at + 2..at + len).get();
            }
            format!("option {kind}")
        }
    }
}

/// Where an option is defined, and what it is for.
fn known(kind: u8, len: usize) -> (&'static str, Cow<'static, str>) {
    let (spec, what) = match (kind, len) {
        (2, 4) => ("RFC 9293 §3.7.1", "maximum segment size"),
        (3, 3) => ("RFC 7323 §2", "window scale"),
        (4, 2) => (
            "RFC 2018 §2",
            "SACK permitted: tell me which pieces behind a gap have arrived",
        ),
        (5, _) => ("RFC 2018 §3", "SACK: pieces that have arrived behind a gap"),
        (8, 10) => ("RFC 7323 §3", "timestamps"),
        (19, 18) => ("RFC 2385", "MD5 signature"),
        (28, 4) => ("RFC 5482 §2", "user timeout"),
        (34, 2) => (
            "RFC 7413 §4.1",
            "fast open: asks for a cookie, to send data in the SYN next time",
        ),
        (34, _) => ("RFC 7413 §4.1", "fast open"),
        _ => {
            let name = match kind {
                29 => "TCP Authentication Option",
                30 => "Multipath TCP",
                253 | 254 => "experimental",
                _ => "not known here",
            };
            let words = format!("option {kind}: {name}");
            return ("IANA, TCP Option Kind Numbers", words.into());
        }
    };
    (spec, what.into())
}
