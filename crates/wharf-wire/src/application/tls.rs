//! TLS records, RFC 8446 §5.1: their types, not what is encrypted in them.

use super::{Dissect, Dissected, Hint, Message, Part, Transport};
use crate::field::Value;

const SPEC: &str = "RFC 8446 §5.1";

/// 2^14 bytes and what encryption adds, RFC 8446 §5.2.
const MAX_RECORD: usize = (1 << 14) + 256;

pub(super) const NAME: &str = "TLS";

pub(super) struct Tls;

impl Dissect for Tls {
    fn name(&self) -> &'static str {
        NAME
    }

    fn claims(&self, bytes: &[u8], hint: &Hint) -> bool {
        hint.transport == Transport::Tcp && is_tls_record(bytes)
    }

    fn dissect(&self, bytes: &[u8], _: &Hint) -> Dissected {
        let &[kind, major, minor, high, low, ref rest @ ..] = bytes else {
            return Dissected::Partial;
        };
        let len = usize::from(u16::from_be_bytes([high, low]));
        let Some(body) = rest.get(..len) else {
            return Dissected::Needs(5 + len);
        };
        let name = record(kind);
        let version = u64::from(u16::from_be_bytes([major, minor]));
        let mut parts = vec![
            Part::number("type", SPEC, 0..1, kind.into()).means(name),
            Part::new("version", SPEC, 1..3, Value::Hex(version, 4)).means(version_name(version)),
            Part::number("length", SPEC, 3..5, len as u64).means("bytes of this record"),
        ];
        let mut summary = name.to_owned();
        if kind == 22
            && let [message, a, b, c, ..] = body
        {
            let size = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            match handshake(*message).filter(|_| size + 4 <= len) {
                Some(what) => {
                    summary = format!("{name}: {what}");
                    parts.push(
                        Part::number("message", "RFC 8446 §4", 5..6, (*message).into()).means(what),
                    );
                    parts.push(Part::number(
                        "message length",
                        "RFC 8446 §4",
                        6..9,
                        size as u64,
                    ));
                }
                None => summary = format!("{name} (encrypted)"),
            }
        }
        let shown = parts.last().map_or(5, |part| part.bytes.end);
        if shown < 5 + len {
            parts.push(Part::new(
                "content",
                SPEC,
                shown..5 + len,
                Value::Bytes(bytes[shown..5 + len].to_vec()),
            ));
        }
        Dissected::Message(Message {
            len: 5 + len,
            summary,
            parts,
        })
    }
}

/// Whether a record of TLS begins so, or the part of its header that a segment ends with.
/// A protocol that takes any bytes for its own asks first: it may be spoken over TLS.
pub fn is_tls_record(bytes: &[u8]) -> bool {
    match bytes {
        [20..=24] | [20..=24, 3] | [20..=24, 3, 0..=4] => true,
        [20..=24, 3, 0..=4, high] => usize::from(*high) <= MAX_RECORD >> 8,
        [20..=24, 3, 0..=4, high, low, ..] => {
            usize::from(u16::from_be_bytes([*high, *low])) <= MAX_RECORD
        }
        _ => false,
    }
}

fn record(kind: u8) -> &'static str {
    match kind {
        20 => "change cipher spec",
        21 => "alert",
        22 => "handshake",
        23 => "application data (encrypted)",
        _ => "heartbeat",
    }
}

fn version_name(version: u64) -> &'static str {
    match version {
        0x0300 => "SSL 3.0",
        0x0301 => "TLS 1.0; also what first records say for compatibility",
        0x0302 => "TLS 1.1",
        0x0303 => "TLS 1.2; also what TLS 1.3 says for compatibility",
        _ => "",
    }
}

fn handshake(kind: u8) -> Option<&'static str> {
    Some(match kind {
        0 => "hello request",
        1 => "client hello",
        2 => "server hello",
        4 => "new session ticket",
        8 => "encrypted extensions",
        11 => "certificate",
        12 => "server key exchange",
        13 => "certificate request",
        14 => "server hello done",
        15 => "certificate verify",
        16 => "client key exchange",
        20 => "finished",
        24 => "key update",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::Gate;

    #[test]
    fn records_are_cut_and_named() {
        let hint = Hint {
            transport: Transport::Tcp,
            source: 1,
            destination: 443,
            is_whole: true,
            spoken: None,
            gate: Gate::Unknown,
        };
        let hello = [22, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3, 23];
        assert!(Tls.claims(&hello, &hint));
        let Dissected::Message(message) = Tls.dissect(&hello, &hint) else {
            panic!("no message");
        };
        assert_eq!(
            (message.len, message.summary.as_str()),
            (11, "handshake: client hello")
        );
        for len in 1..11 {
            assert!(Tls.claims(&hello[..len], &hint), "{len} bytes");
            let expected = match len {
                ..5 => Dissected::Partial,
                _ => Dissected::Needs(11),
            };
            assert_eq!(Tls.dissect(&hello[..len], &hint), expected);
        }
        for foreign in [
            &b""[..],
            b"\x19",
            b"\x16x",
            b"\x16\x03\x05",
            b"\x16\x03\x03\x42",
        ] {
            assert!(!Tls.claims(foreign, &hint), "{foreign:?}");
        }
    }
}
