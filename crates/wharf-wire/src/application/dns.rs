//! DNS messages, RFC 1035 §4.

use std::ops::Range;

use super::{Dissect, Dissected, Hint, Message, Part, Transport};
use crate::field::Value;

const SPEC: &str = "RFC 1035 §4.1";

/// No name has more labels, since it has at most 255 bytes (RFC 1035 §2.3.4).
const MAX_LABELS: usize = 128;

/// No more records of a message are shown; a datagram has room for a few dozen.
const MAX_RECORDS: usize = 256;

const PORT: u16 = 53;

pub(super) struct Dns;

impl Dissect for Dns {
    fn name(&self) -> &'static str {
        "DNS"
    }

    fn port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn claims(&self, _: &[u8], hint: &Hint) -> bool {
        hint.has_port(PORT) || (hint.transport == Transport::Udp && hint.has_port(5353))
    }

    fn dissect(&self, bytes: &[u8], hint: &Hint) -> Dissected {
        match hint.transport {
            Transport::Udp => message(bytes, 0),
            // A length goes before it, RFC 1035 §4.2.2.
            Transport::Tcp => {
                let Some(&[high, low]) = bytes.get(..2) else {
                    return Dissected::Partial;
                };
                let end = 2 + usize::from(u16::from_be_bytes([high, low]));
                match bytes.get(..end) {
                    None => Dissected::Needs(end),
                    Some(whole) => message(whole, 2),
                }
            }
        }
    }
}

fn message(bytes: &[u8], base: usize) -> Dissected {
    let mut reader = Reader {
        bytes: &bytes[base..],
        base,
        at: 0,
        parts: Vec::new(),
    };
    match reader.message() {
        None => Dissected::Foreign,
        Some(summary) => {
            let mut parts = reader.parts;
            if base > 0 {
                parts.insert(
                    0,
                    Part::number("length", "RFC 1035 §4.2.2", 0..2, (bytes.len() - 2) as u64),
                );
            }
            Dissected::Message(Message {
                len: bytes.len(),
                summary,
                parts,
            })
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    base: usize,
    at: usize,
    parts: Vec<Part>,
}

impl Reader<'_> {
    fn message(&mut self) -> Option<String> {
        let id = self.u16("id", "which question this belongs to")?;
        let flags = self.peek_u16()?;
        let is_response = flags & 0x8000 != 0;
        let code = flags & 0xf;
        let meaning = match (is_response, code) {
            (false, _) => "a question".to_owned(),
            (true, 0) => "an answer".to_owned(),
            (true, _) => format!("an answer: {}", failure(code)),
        };
        let at = self.place(2);
        self.parts
            .push(Part::new("flags", SPEC, at, Value::Hex(flags.into(), 4)).means(meaning));
        self.at += 2;
        let mut counts = [0u16; 4];
        for (count, (name, meaning)) in counts.iter_mut().zip([
            ("questions", ""),
            ("answers", ""),
            ("authorities", "who is in charge"),
            ("additional", "what may help"),
        ]) {
            *count = self.u16(name, meaning)?;
        }
        let mut question = String::new();
        for _ in 0..counts[0].min(MAX_RECORDS as u16) {
            let from = self.at;
            let name = self.name()?;
            let kind = self.take_u16()?;
            self.take_u16()?;
            question = format!("{} {name}", kind_name(kind));
            let at = self.base + from..self.base + self.at;
            self.parts
                .push(Part::text("question", SPEC, at, question.clone()));
        }
        let mut answers = Vec::new();
        let records = counts[1..]
            .iter()
            .map(|count| usize::from(*count))
            .sum::<usize>();
        for index in 0..records.min(MAX_RECORDS) {
            let (kind, shown) = self.record()?;
            if index < usize::from(counts[1]) && matches!(kind, 1 | 5 | 28) {
                answers.push(shown);
            }
        }
        Some(match (is_response, code) {
            (false, _) => format!("query 0x{id:04x} {question}"),
            (true, 0) if answers.is_empty() => {
                format!("answer 0x{id:04x} {question}: none of this kind")
            }
            (true, 0) => format!("answer 0x{id:04x} {question}: {}", answers.join(", ")),
            (true, _) => format!("answer 0x{id:04x} {question}: {}", failure(code)),
        })
    }

    fn record(&mut self) -> Option<(u16, String)> {
        let from = self.at;
        let name = self.name()?;
        let kind = self.take_u16()?;
        let _class = self.take_u16()?;
        let lifetime = u32::from(self.take_u16()?) << 16 | u32::from(self.take_u16()?);
        let len = usize::from(self.take_u16()?);
        let data = self.bytes.get(self.at..self.at + len)?;
        let shown = match (kind, len) {
            (1, 4) => <[u8; 4]>::try_from(data)
                .ok()
                .map(|four| std::net::Ipv4Addr::from(four).to_string())?,
            (28, 16) => <[u8; 16]>::try_from(data)
                .ok()
                .map(|all| std::net::Ipv6Addr::from(all).to_string())?,
            (2 | 5 | 12, _) => {
                let mut inner = Reader {
                    bytes: self.bytes,
                    base: 0,
                    at: self.at,
                    parts: Vec::new(),
                };
                inner.name()?
            }
            _ => format!("{len} bytes"),
        };
        self.at += len;
        let at = self.base + from..self.base + self.at;
        let text = format!("{name} {} {shown}", kind_name(kind));
        self.parts
            .push(Part::text("record", SPEC, at, text).means(format!("valid for {lifetime} s")));
        Some((kind, shown))
    }

    /// A name, following pointers backwards only (RFC 1035 §4.1.4), so that no loop
    /// of pointers can be built.
    fn name(&mut self) -> Option<String> {
        let mut labels = Vec::new();
        let mut at = self.at;
        let mut end = None;
        for _ in 0..MAX_LABELS {
            let len = *self.bytes.get(at)?;
            match len {
                0 => {
                    self.at = end.unwrap_or(at + 1);
                    return Some(if labels.is_empty() {
                        ".".into()
                    } else {
                        labels.join(".")
                    });
                }
                1..=63 => {
                    let label = self.bytes.get(at + 1..at + 1 + usize::from(len))?;
                    labels.push(String::from_utf8_lossy(label).into_owned());
                    at += 1 + usize::from(len);
                }
                0xc0..=0xff => {
                    let low = *self.bytes.get(at + 1)?;
                    let target = usize::from(u16::from_be_bytes([len & 0x3f, low]));
                    end.get_or_insert(at + 2);
                    if target >= at {
                        return None;
                    }
                    at = target;
                }
                _ => return None,
            }
        }
        None
    }

    fn u16(&mut self, name: &'static str, meaning: &'static str) -> Option<u16> {
        let number = self.peek_u16()?;
        let at = self.place(2);
        self.parts
            .push(Part::number(name, SPEC, at, number.into()).means(meaning));
        self.at += 2;
        Some(number)
    }

    fn peek_u16(&self) -> Option<u16> {
        let two = self.bytes.get(self.at..self.at + 2)?;
        Some(u16::from_be_bytes([two[0], two[1]]))
    }

    fn take_u16(&mut self) -> Option<u16> {
        let number = self.peek_u16()?;
        self.at += 2;
        Some(number)
    }

    fn place(&self, len: usize) -> Range<usize> {
        self.base + self.at..self.base + self.at + len
    }
}

fn kind_name(kind: u16) -> String {
    match kind {
        1 => "A".into(),
        2 => "NS".into(),
        5 => "CNAME".into(),
        6 => "SOA".into(),
        12 => "PTR".into(),
        15 => "MX".into(),
        16 => "TXT".into(),
        28 => "AAAA".into(),
        33 => "SRV".into(),
        41 => "OPT".into(),
        65 => "HTTPS".into(),
        255 => "ANY".into(),
        other => format!("TYPE{other}"),
    }
}

fn failure(code: u16) -> &'static str {
    match code {
        1 => "the question is malformed",
        2 => "the server failed",
        3 => "there is no such name",
        4 => "not implemented",
        5 => "refused",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::Gate;

    const HINT: Hint = Hint {
        transport: Transport::Udp,
        source: 53,
        destination: 40000,
        is_whole: true,
        spoken: None,
        gate: Gate::Unknown,
    };

    fn answer() -> Vec<u8> {
        let mut bytes = vec![0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
        bytes.extend(b"\x02ab\x03org\x00\x00\x01\x00\x01");
        bytes.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
        bytes
    }

    #[test]
    fn an_answer_with_a_pointer() {
        let Dissected::Message(message) = Dns.dissect(&answer(), &HINT) else {
            panic!("no message");
        };
        assert_eq!(message.summary, "answer 0x1234 A ab.org: 192.0.2.1");
        assert_eq!(message.parts.last().unwrap().meaning, "valid for 60 s");
    }

    #[test]
    fn a_loop_of_pointers_ends() {
        let mut bytes = answer();
        bytes[12..14].copy_from_slice(&[0xc0, 12]);
        assert_eq!(Dns.dissect(&bytes, &HINT), Dissected::Foreign);
    }
}
