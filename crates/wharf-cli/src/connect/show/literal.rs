//! Values as the three languages write them.

use super::Language;

/// A text of bytes: `b"hi\n"` in Python and Rust, `"hi\n"` in C.
pub(super) fn bytes(language: Language, bytes: &[u8]) -> String {
    match language {
        Language::Python | Language::Rust => format!("b\"{}\"", escaped(bytes)),
        Language::C => format!("\"{}\"", octal(bytes)),
    }
}

/// A text of characters, which a host name or an IP address is.
pub(super) fn text(language: Language, text: &str) -> String {
    match language {
        Language::Python | Language::Rust => format!("\"{}\"", escaped(text.as_bytes())),
        Language::C => format!("\"{}\"", octal(text.as_bytes())),
    }
}

/// `\xHH` is two digits in Python and in Rust.
fn escaped(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b'"' => "\\\"".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'\r' => "\\r".to_owned(),
            b'\t' => "\\t".to_owned(),
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        })
        .collect()
}

/// In C `\x` takes as many digits as follow, so bytes are octal, of three digits. A
/// question mark is escaped because of trigraphs.
fn octal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            b'"' => "\\\"".to_owned(),
            b'\\' => "\\\\".to_owned(),
            b'\n' => "\\n".to_owned(),
            b'?' => "\\?".to_owned(),
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\{byte:03o}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_can_be_written() {
        assert_eq!(
            bytes(Language::Python, b"a\"\\\n\xff1"),
            r#"b"a\"\\\n\xff1""#
        );
        assert_eq!(bytes(Language::C, b"a\"\x00001??="), r#""a\"\000001\?\?=""#);
        assert_eq!(text(Language::Rust, "localhost"), "\"localhost\"");
    }
}
