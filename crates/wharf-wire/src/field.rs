//! Fields: what a range of bits of a frame is called, holds, and means.
//!
//! A field's value is read from the very bits that it names, so a view that
//! highlights the bits highlights the truth.

use std::borrow::Cow;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// A field of a header or of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The short name that views use: `ttl`.
    pub name: &'static str,
    /// The name in the document that defines it: `Time to Live`.
    pub rfc_name: Cow<'static, str>,
    /// That document and section: `RFC 791 §3.1`.
    pub spec: &'static str,
    /// Which bits of the frame, counted from its first; bit 0 is the most
    /// significant bit of byte 0, as in the pictures of the RFCs.
    pub bits: Range<usize>,
    /// What these bits hold.
    pub value: Value,
    /// What this value means, in words; empty where the value says it all.
    pub meaning: Cow<'static, str>,
}

impl Field {
    /// The bytes of the frame that hold a part of this field.
    pub fn bytes(&self) -> Range<usize> {
        self.bits.start / 8..self.bits.end.div_ceil(8)
    }

    /// Where it stands, as people say it: `bytes 22-25`, `byte 14, bits 4-7`.
    pub fn place(&self) -> String {
        let Range { start, end } = self.bytes();
        let is_whole = self.bits.start.is_multiple_of(8) && self.bits.end.is_multiple_of(8);
        let last = end.saturating_sub(1).max(start);
        let bytes = match last - start {
            0 => format!("byte {start}"),
            _ => format!("bytes {start}-{last}"),
        };
        if is_whole {
            return bytes;
        }
        let first = self.bits.start - start * 8;
        let last = (self.bits.end - start * 8).saturating_sub(1).max(first);
        match last - first {
            0 => format!("{bytes}, bit {first}"),
            _ => format!("{bytes}, bits {first}-{last}"),
        }
    }
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number that people read in decimal.
    Number(u64),
    /// A number that people read in hexadecimal, with its count of digits.
    Hex(u64, usize),
    /// A single bit.
    Flag(bool),
    /// A hardware address of Ethernet.
    Mac([u8; 6]),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address.
    V6(Ipv6Addr),
    /// Text, which may hold a peer's control characters.
    Text(String),
    /// Bytes without a further structure.
    Bytes(Vec<u8>),
}

impl Value {
    /// The value as a number, where it is one.
    pub fn number(&self) -> Option<u64> {
        match self {
            Value::Number(number) | Value::Hex(number, _) => Some(*number),
            Value::Flag(flag) => Some(u64::from(*flag)),
            _ => None,
        }
    }
}

/// The longest part of a text or of bytes that is shown in one line.
const SHOWN_BYTES: usize = 24;

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Number(number) => write!(f, "{number}"),
            Value::Hex(number, digits) => write!(f, "0x{number:0digits$x}"),
            Value::Flag(flag) => f.write_str(if *flag { "set" } else { "not set" }),
            Value::Mac(bytes) => {
                let [a, b, c, d, e, g] = bytes;
                write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
            Value::V4(address) => write!(f, "{address}"),
            Value::V6(address) => write!(f, "{address}"),
            Value::Text(text) => f.write_str(&visible(text)),
            Value::Bytes(bytes) => {
                for (index, byte) in bytes.iter().take(SHOWN_BYTES).enumerate() {
                    let space = if index == 0 { "" } else { " " };
                    write!(f, "{space}{byte:02x}")?;
                }
                match bytes.len().checked_sub(SHOWN_BYTES + 1) {
                    None => Ok(()),
                    Some(_) => write!(f, " .. ({} bytes)", bytes.len()),
                }
            }
        }
    }
}

/// Text with its control characters shown and not obeyed: `hello\n`.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            // Characters that reorder or hide what stands beside them.
            '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}' => {
                shown.extend(character.escape_unicode());
            }
            '\\' => shown.push_str("\\\\"),
            _ if character.is_control() => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
    }
    shown
}

/// Bytes as text if they are some, with control characters shown; `None` for
/// anything that is no UTF-8 or holds control characters that no text has.
pub fn as_text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    let is_text =
        |character: char| !character.is_control() || matches!(character, '\n' | '\r' | '\t');
    text.chars().all(is_text).then(|| visible(text))
}

/// The bits of `bytes` as a number; `None` beyond the end or for more than 64.
pub(crate) fn bits_of(bytes: &[u8], bits: Range<usize>) -> Option<u64> {
    if bits.len() > 64 || bits.end > bytes.len() * 8 {
        return None;
    }
    let mut number: u128 = 0;
    for byte in &bytes[bits.start / 8..bits.end.div_ceil(8)] {
        number = number << 8 | u128::from(*byte);
    }
    let below = bits.end.div_ceil(8) * 8 - bits.end;
    let mask = (1u128 << bits.len()) - 1;
    u64::try_from(number >> below & mask).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_counted_as_in_the_rfcs() {
        let bytes = [0x45, 0x00, 0x12, 0x34];
        assert_eq!(bits_of(&bytes, 0..4), Some(4));
        assert_eq!(bits_of(&bytes, 4..8), Some(5));
        assert_eq!(bits_of(&bytes, 16..32), Some(0x1234));
        assert_eq!(bits_of(&bytes, 19..32), Some(0x1234));
        assert_eq!(bits_of(&bytes, 24..33), None);
        assert_eq!(bits_of(&bytes, 8..8), Some(0));
    }

    #[test]
    fn places_are_named_for_people() {
        let field = |bits| Field {
            name: "x",
            rfc_name: "X".into(),
            spec: "",
            bits,
            value: Value::Number(0),
            meaning: "".into(),
        };
        assert_eq!(field(112..116).place(), "byte 14, bits 0-3");
        assert_eq!(field(160..176).place(), "bytes 20-21");
        assert_eq!(field(161..162).place(), "byte 20, bit 1");
        assert_eq!(field(163..176).place(), "bytes 20-21, bits 3-15");
    }

    #[test]
    fn a_peers_text_obeys_nothing() {
        assert_eq!(as_text(b"hi\r\n").unwrap(), "hi\\r\\n");
        assert_eq!(as_text(b"\x1b[2J"), None);
        assert_eq!(visible("\u{202e}x\\"), "\\u{202e}x\\\\");
    }
}
