//! The bytes around a message of announced length: the length in front of it, a comma behind it.

use super::{Counts, Defect, Endian, LengthPrefix};

/// A framing that announces the length.
#[derive(Debug, Clone, Copy)]
pub(super) enum Header {
    Length(LengthPrefix),
    Varint,
    Netstring,
}

/// A header that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Announced {
    /// The size of the header in bytes.
    pub(super) header: usize,
    /// The bytes of the message; nothing but a claim of the peer.
    pub(super) message: u64,
}

impl Header {
    /// Reads the header at the front of `bytes`; `None` while it is incomplete.
    ///
    /// The verdict depends on the fewest bytes that allow one, never on what follows them, so it
    /// is the same however the bytes are split.
    pub(super) fn read(self, bytes: &[u8]) -> Result<Option<Announced>, Defect> {
        match self {
            Self::Length(prefix) => read_length(prefix, bytes),
            Self::Varint => read_varint(bytes),
            Self::Netstring => read_netstring(bytes),
        }
    }

    /// Appends the header of a message of `len` bytes; the error is the longest possible length.
    pub(super) fn write(self, len: u64, out: &mut Vec<u8>) -> Result<(), u64> {
        match self {
            Self::Length(prefix) => write_length(prefix, len, out)?,
            Self::Varint => write_varint(len, out),
            Self::Netstring => out.extend_from_slice(format!("{len}:").as_bytes()),
        }
        Ok(())
    }

    /// What stands behind the message.
    pub(super) fn trailer(self) -> &'static [u8] {
        match self {
            Self::Netstring => b",",
            Self::Length(_) | Self::Varint => b"",
        }
    }

    /// The least size of a header of which `have` bytes do not suffice.
    pub(super) fn at_least(self, have: usize) -> usize {
        match self {
            Self::Length(prefix) => prefix.width.bytes(),
            Self::Varint | Self::Netstring => have + 1,
        }
    }
}

fn read_length(prefix: LengthPrefix, bytes: &[u8]) -> Result<Option<Announced>, Defect> {
    let header = prefix.width.bytes();
    let Some(field) = bytes.get(..header) else {
        return Ok(None);
    };
    let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    let length = match prefix.endian {
        Endian::Big => field.iter().fold(0, push),
        Endian::Little => field.iter().rev().fold(0, push),
    };
    let counted = own_share(prefix);
    let message = length
        .checked_sub(counted)
        .ok_or(Defect::LengthBelowHeader {
            length,
            header: counted,
        })?;
    Ok(Some(Announced { header, message }))
}

fn write_length(prefix: LengthPrefix, len: u64, out: &mut Vec<u8>) -> Result<(), u64> {
    let width = prefix.width.bytes();
    let limit = prefix.width.max() - own_share(prefix);
    if len > limit {
        return Err(limit);
    }
    let length = len + own_share(prefix);
    match prefix.endian {
        Endian::Big => out.extend_from_slice(&length.to_be_bytes()[8 - width..]),
        Endian::Little => out.extend_from_slice(&length.to_le_bytes()[..width]),
    }
    Ok(())
}

/// How many of the bytes that the length counts belong to itself.
fn own_share(prefix: LengthPrefix) -> u64 {
    match prefix.counts {
        Counts::Message => 0,
        Counts::Frame => prefix.width.bytes() as u64,
    }
}

/// Unsigned LEB128: seven bits per byte, low bits first, the top bit says that more follow.
fn read_varint(bytes: &[u8]) -> Result<Option<Announced>, Defect> {
    let mut message = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        // Nine bytes hold 63 bits, so the tenth holds one bit and is the last.
        if at == 9 && byte > 1 {
            return Err(Defect::VarintOverflow);
        }
        message |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let header = at + 1;
            return Ok(Some(Announced { header, message }));
        }
    }
    Ok(None)
}

fn write_varint(mut rest: u64, out: &mut Vec<u8>) {
    while rest >= 0x80 {
        out.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Digits and a colon, as <https://cr.yp.to/proto/netstrings.txt> has it: no leading zeros.
fn read_netstring(bytes: &[u8]) -> Result<Option<Announced>, Defect> {
    let mut message = 0_u64;
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b':' if at > 0 => {
                let header = at + 1;
                return Ok(Some(Announced { header, message }));
            }
            // Only a first digit 0 leaves the number at 0 when there is a second one.
            b'0'..=b'9' if at > 0 && message == 0 => return Err(Defect::NetstringLeadingZero),
            b'0'..=b'9' => {
                message = message
                    .checked_mul(10)
                    .and_then(|number| number.checked_add(u64::from(byte - b'0')))
                    .ok_or(Defect::NetstringOverflow)?;
            }
            found => return Err(Defect::NetstringLength { found }),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::Width;

    fn announced(header: usize, message: u64) -> Result<Option<Announced>, Defect> {
        Ok(Some(Announced { header, message }))
    }

    fn length(width: Width, endian: Endian, counts: Counts) -> Header {
        Header::Length(LengthPrefix {
            width,
            endian,
            counts,
        })
    }

    #[test]
    fn lengths_in_both_byte_orders() {
        let big = length(Width::U32, Endian::Big, Counts::Message);
        let little = length(Width::U32, Endian::Little, Counts::Message);
        assert_eq!(big.read(b"\x00\x01\x02\x03tail"), announced(4, 0x0001_0203));
        assert_eq!(little.read(b"\x00\x01\x02\x03"), announced(4, 0x0302_0100));
        assert_eq!(big.read(b"\x00\x01\x02"), Ok(None));
        let widest = length(Width::U64, Endian::Big, Counts::Message);
        assert_eq!(widest.read(&[0xff; 8]), announced(8, u64::MAX));
    }

    #[test]
    fn an_inclusive_length_counts_itself() {
        let header = length(Width::U16, Endian::Big, Counts::Frame);
        assert_eq!(header.read(b"\x00\x02"), announced(2, 0));
        let defect = Defect::LengthBelowHeader {
            length: 1,
            header: 2,
        };
        assert_eq!(header.read(b"\x00\x01"), Err(defect));
        let mut out = Vec::new();
        assert_eq!(header.write(0xfffd, &mut out), Ok(()));
        assert_eq!(out, b"\xff\xff");
        assert_eq!(header.write(0xfffe, &mut out), Err(0xfffd));
    }

    #[test]
    fn varints_of_up_to_64_bits() {
        assert_eq!(Header::Varint.read(&[0]), announced(1, 0));
        assert_eq!(Header::Varint.read(&[0xac, 0x02]), announced(2, 300));
        assert_eq!(Header::Varint.read(&[0xac]), Ok(None));
        let mut largest = Vec::new();
        write_varint(u64::MAX, &mut largest);
        assert_eq!(Header::Varint.read(&largest), announced(10, u64::MAX));
        for tenth in [0x02, 0x80, 0xff] {
            let mut bytes = [0x80; 10];
            bytes[9] = tenth;
            assert_eq!(Header::Varint.read(&bytes), Err(Defect::VarintOverflow));
        }
    }

    #[test]
    fn netstring_lengths_are_plain_digits() {
        assert_eq!(Header::Netstring.read(b"0:"), announced(2, 0));
        assert_eq!(Header::Netstring.read(b"12:x"), announced(3, 12));
        assert_eq!(
            Header::Netstring.read(b"18446744073709551615:"),
            announced(21, u64::MAX)
        );
        assert_eq!(Header::Netstring.read(b"12"), Ok(None));
        for (bytes, defect) in [
            (&b":"[..], Defect::NetstringLength { found: b':' }),
            (b"-1:", Defect::NetstringLength { found: b'-' }),
            (b"1 :", Defect::NetstringLength { found: b' ' }),
            (b"00:", Defect::NetstringLeadingZero),
            (b"07:", Defect::NetstringLeadingZero),
            (b"18446744073709551616", Defect::NetstringOverflow),
        ] {
            assert_eq!(Header::Netstring.read(bytes), Err(defect));
        }
    }
}
