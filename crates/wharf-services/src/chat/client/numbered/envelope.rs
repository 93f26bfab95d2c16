//! What stands behind a text, so that it can be numbered and checked.
//!
//! ```text
//! hello there [#a1b2c3.000039.02.7af6daa0]      a text
//!               stream number │  checksum
//!                             └ how many before it are not acknowledged
//! [+a1b2c3.000037.0000000000000005.35021fb9]    an acknowledgement
//!   stream number through │        checksum
//!                         └ which of the 64 behind the next one came, too
//! ```
//! The text stands first and nothing is encoded, so that people with a plain client
//! read it. All fields have a fixed length in lower-case hexadecimal, and there is one
//! way to write each: a changed bit is either in what the checksum is made of, or
//! breaks the form. The form is so rigid that a damaged one is still recognised, and
//! is not shown as if a plain client had written it.
//!
//! The checksum is CRC-32C (Castagnoli; iSCSI, RFC 3720 section 12.1) over sender,
//! receiver and all that stands before it. It notices every change of up to five bits
//! in a message of up to 655 bytes, where the CRC-32 of Ethernet guarantees only
//! three beyond 371 bytes (Koopman, DSN 2002), every burst of up to 32 bits, and all
//! but one in four billion of the others. It is no protection against somebody who
//! means harm.

use crc::{CRC_32_ISCSI, Crc};

const CHECKSUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// The form of what stands behind a text; `x` is a hexadecimal digit.
const TEXT_FORM: &[u8] = b" [#xxxxxx.xxxxxx.xx.xxxxxxxx]";

/// The form of an acknowledgement.
const ACK_FORM: &[u8] = b"[+xxxxxx.xxxxxx.xxxxxxxxxxxxxxxx.xxxxxxxx]";

/// How many characters may differ from the form where it was damaged on the way.
/// Nobody types something that is so close by chance.
const DAMAGE: usize = 8;

/// How long the checksum is, with the bracket behind it.
const TAIL: usize = 9;

/// The bytes that a text grows by.
pub const ENVELOPE: usize = TEXT_FORM.len();

/// The highest number in a stream: six digits.
pub(super) const MAX_NUMBER: u32 = 0xff_ffff;

/// What a line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chat) enum Opened<'a> {
    /// A text with its number, as it was sent.
    Text {
        text: &'a str,
        stream: u32,
        number: u32,
        behind: u8,
    },
    /// An acknowledgement, as it was sent.
    Ack {
        stream: u32,
        through: u32,
        more: u64,
    },
    /// One of both, which was changed on the way.
    Damaged,
    /// Something else.
    Plain,
}

/// A text with its number.
pub(super) fn seal_text(
    (from, to): (&str, &str),
    text: &str,
    (stream, number, behind): (u32, u32, u8),
) -> String {
    let sealed = format!("{text} [#{stream:06x}.{number:06x}.{behind:02x}.");
    finish((from, to), sealed)
}

/// An acknowledgement.
pub(super) fn seal_ack(
    (from, to): (&str, &str),
    (stream, through, more): (u32, u32, u64),
) -> String {
    let sealed = format!("[+{stream:06x}.{through:06x}.{more:016x}.");
    finish((from, to), sealed)
}

fn finish(ends: (&str, &str), mut sealed: String) -> String {
    let sum = checksum(ends, sealed.as_bytes());
    sealed.push_str(&format!("{sum:08x}]"));
    sealed
}

/// Reads what came from `from` to `to`: any bytes.
pub(super) fn open<'a>(ends: (&str, &str), line: &'a [u8]) -> Opened<'a> {
    read(Some(ends), line)
}

/// Reads what somebody sees who does not know both names: the checksum stays unchecked.
pub(in crate::chat) fn peek(line: &[u8]) -> Opened<'_> {
    read(None, line)
}

fn read<'a>(ends: Option<(&str, &str)>, line: &'a [u8]) -> Opened<'a> {
    match (differences(line, TEXT_FORM), differences(line, ACK_FORM)) {
        (0, _) => open_text(ends, line).unwrap_or(Opened::Damaged),
        (_, 0) if line.len() == ACK_FORM.len() => open_ack(ends, line).unwrap_or(Opened::Damaged),
        (text, ack) if text.min(ack) <= DAMAGE => Opened::Damaged,
        _ => Opened::Plain,
    }
}

fn open_text<'a>(ends: Option<(&str, &str)>, line: &'a [u8]) -> Option<Opened<'a>> {
    if !is_whole(ends, line) {
        return None;
    }
    let (text, fields) = line.split_at(line.len() - TEXT_FORM.len());
    Some(Opened::Text {
        text: std::str::from_utf8(text).ok()?,
        stream: field(fields, 3, 6)?,
        number: field(fields, 10, 6)?,
        behind: field(fields, 17, 2)?.try_into().ok()?,
    })
}

fn open_ack<'a>(ends: Option<(&str, &str)>, line: &'a [u8]) -> Option<Opened<'a>> {
    if !is_whole(ends, line) {
        return None;
    }
    let (high, low) = (field(line, 16, 8)?, field(line, 24, 8)?);
    Some(Opened::Ack {
        stream: field(line, 2, 6)?,
        through: field(line, 9, 6)?,
        more: u64::from(high) << 32 | u64::from(low),
    })
}

/// Whether the checksum at the end is that of all before it, where the ends are known.
fn is_whole(ends: Option<(&str, &str)>, line: &[u8]) -> bool {
    let Some(ends) = ends else {
        return true;
    };
    let (before, tail) = line.split_at(line.len() - TAIL);
    field(tail, 0, 8) == Some(checksum(ends, before))
}

fn checksum((from, to): (&str, &str), bytes: &[u8]) -> u32 {
    let mut digest = CHECKSUM.digest();
    // Names hold no spaces: no two messages give the same bytes.
    for part in [from.as_bytes(), b" ", to.as_bytes(), b" ", bytes] {
        digest.update(part);
    }
    digest.finalize()
}

fn field(bytes: &[u8], at: usize, length: usize) -> Option<u32> {
    let digits = bytes.get(at..at + length)?;
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// At how many places the end of `line` differs from `form`.
fn differences(line: &[u8], form: &[u8]) -> usize {
    let Some(start) = line.len().checked_sub(form.len()) else {
        return form.len();
    };
    let pairs = line[start..].iter().zip(form);
    pairs
        .filter(|(byte, form)| match form {
            b'x' => !matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            form => byte != form,
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENDS: (&str, &str) = ("ann", "ben");

    #[test]
    fn the_form_is_as_documented() {
        let sealed = seal_text(ENDS, "hello there", (0xa1b2c3, 0x39, 2));
        assert_eq!(sealed, "hello there [#a1b2c3.000039.02.7af6daa0]");
        assert_eq!(sealed.len(), "hello there".len() + ENVELOPE);
        let ack = seal_ack(ENDS, (0xa1b2c3, 0x37, 5));
        assert_eq!(ack, "[+a1b2c3.000037.0000000000000005.35021fb9]");
        let documented = include_str!("../../../../../../docs/protocols/chat.md");
        assert!(documented.contains(&sealed) && documented.contains(&ack));
    }

    #[test]
    fn what_people_type_is_plain() {
        for text in ["", "hi", "see [#1]", "[+1]", "a [#deadbeef]", "日本語"] {
            assert_eq!(open(ENDS, text.as_bytes()), Opened::Plain, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(
            text in "\\PC{0,80}", stream in 0..=MAX_NUMBER, number in 0..=MAX_NUMBER,
            behind in any::<u8>(), more in any::<u64>(),
        ) {
            let sealed = seal_text(ENDS, &text, (stream, number, behind));
            let opened = Opened::Text { text: &text, stream, number, behind };
            prop_assert_eq!(open(ENDS, sealed.as_bytes()), opened);
            prop_assert_eq!(open(("ann", "bem"), sealed.as_bytes()), Opened::Damaged);
            prop_assert_eq!(open(("amn", "ben"), sealed.as_bytes()), Opened::Damaged);
            let sealed = seal_ack(ENDS, (stream, number, more));
            let opened = Opened::Ack { stream, through: number, more };
            prop_assert_eq!(open(ENDS, sealed.as_bytes()), opened);
        }

        #[test]
        fn flipped_bits_are_noticed_wherever_they_are(
            text in "\\PC{0,80}", flips in prop::collection::vec(any::<prop::sample::Index>(), 1..6),
        ) {
            let mut sealed = seal_text(ENDS, &text, (7, 8, 9)).into_bytes();
            let bits: std::collections::BTreeSet<usize> =
                flips.iter().map(|flip| flip.index(sealed.len() * 8)).collect();
            for bit in bits {
                sealed[bit / 8] ^= 1 << (bit % 8);
            }
            prop_assert_eq!(open(ENDS, &sealed), Opened::Damaged);
        }
    }
}
