//! Bytes as people read them: offset, hexadecimal, characters.

use std::fmt::Write as _;

/// How many bytes stand in one row.
const ROW: usize = 16;

/// `bytes` in rows, each after `prefix`; the first byte has the number `offset`.
pub(super) fn dump(prefix: &str, offset: u64, bytes: &[u8]) -> String {
    let mut text = String::new();
    if bytes.is_empty() {
        // A String takes every write.
        let _ = writeln!(text, "{prefix}{offset:08x}  (empty)");
    }
    for (index, row) in bytes.chunks(ROW).enumerate() {
        let at = offset + (index * ROW) as u64;
        let _ = writeln!(
            text,
            "{prefix}{at:08x}  {}|{}|",
            columns(row),
            characters(row)
        );
    }
    text
}

fn columns(row: &[u8]) -> String {
    let mut text = String::new();
    for index in 0..ROW {
        match row.get(index) {
            Some(byte) => {
                let _ = write!(text, "{byte:02x} ");
            }
            None => text.push_str("   "),
        }
        if index % 8 == 7 {
            text.push(' ');
        }
    }
    text
}

fn characters(row: &[u8]) -> String {
    row.iter()
        .map(|byte| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        })
        .collect()
}

/// `bytes` without blanks between them, as JSON carries them.
pub(super) fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_offset_bytes_and_characters() {
        let text = dump("< ", 0x10, b"hello, world\r\n\x00\xffxyz");
        assert_eq!(
            text,
            "< 00000010  68 65 6c 6c 6f 2c 20 77  6f 72 6c 64 0d 0a 00 ff  |hello, world....|\n\
             < 00000020  78 79 7a                                          |xyz|\n"
        );
        assert_eq!(dump("> ", 0, b""), "> 00000000  (empty)\n");
        assert_eq!(digits(b"\x00\xab"), "00ab");
    }
}
