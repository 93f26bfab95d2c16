//! Texts of the command line that can hold any byte.

/// Bytes that were typed with escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Escaped(pub(crate) Vec<u8>);

/// Reads `\n \r \t \0 \\ \xHH`; every other backslash is a mistake.
pub(crate) fn parse_escaped(text: &str) -> Result<Escaped, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let (byte, length) = escape(rest).ok_or_else(|| {
            format!(
                "the backslash before {:?} stands for nothing; known are \\n \\r \\t \\0 \\\\ \\xHH",
                String::from_utf8_lossy(&rest[..rest.len().min(3)])
            )
        })?;
        bytes.push(byte);
        rest = &rest[length..];
    }
    Ok(Escaped(bytes))
}

/// The byte that what follows a backslash stands for, and how long it is.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    Some(match text {
        [b'n', ..] => (b'\n', 1),
        [b'r', ..] => (b'\r', 1),
        [b't', ..] => (b'\t', 1),
        [b'0', ..] => (0, 1),
        [b'\\', ..] => (b'\\', 1),
        [b'x', high, low, ..] => (digit(*high)? << 4 | digit(*low)?, 3),
        _ => return None,
    })
}

fn digit(character: u8) -> Option<u8> {
    // A digit is below 16.
    char::from(character).to_digit(16).map(|digit| digit as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_can_be_typed() {
        let bytes = |text| parse_escaped(text).map(|escaped| escaped.0);
        assert_eq!(bytes(r"hi\r\n"), Ok(b"hi\r\n".to_vec()));
        assert_eq!(bytes(r"\x00\xfF\0\t\\n"), Ok(b"\x00\xff\0\t\\n".to_vec()));
        assert_eq!(bytes("über"), Ok("über".into()));
        assert_eq!(bytes(""), Ok(Vec::new()));
    }

    #[test]
    fn a_backslash_that_means_nothing_is_a_mistake() {
        for text in [r"\q", r"\", r"\x1", r"\xg0", r"a\ü"] {
            assert!(parse_escaped(text).is_err(), "{text}");
        }
    }
}
