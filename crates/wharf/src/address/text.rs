//! The text of paths, abstract names and option values: bytes, with backslash escapes.
//!
//! ```text
//! \,  \\  \@ …   the character itself (any ASCII punctuation or a space)
//! \xHH           the byte HH, for what is not UTF-8 or not printable
//! ```

use std::path::{Path, PathBuf};

use super::error::{AddressErrorKind, Cure, Fault};

/// Where the first `separator` stands that no backslash precedes.
pub(super) fn find_unescaped(text: &str, separator: impl Fn(u8) -> bool) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let found = !escaped && separator(byte);
        escaped = !escaped && byte == b'\\';
        found
    })
}

/// Splits at every separator that no backslash precedes.
pub(super) fn split_unescaped(text: &str, separator: impl Fn(u8) -> bool) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = find_unescaped(rest, &separator) {
        parts.push(&rest[..at]);
        rest = &rest[at + 1..]; // separators are ASCII, so this is a character boundary
    }
    parts.push(rest);
    parts
}

/// The bytes that `text` stands for.
pub(super) fn unescape(text: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let (byte, length) = escape(&rest[at..])?;
        bytes.push(byte);
        rest = &rest[at + length..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The byte of the escape that `text` begins with, and the length of that escape.
fn escape(text: &str) -> Result<(u8, usize), Fault> {
    match text.as_bytes() {
        [_, b'x', ..] => {
            let digits = text.get(2..4).filter(|hex| is_hex(hex));
            let byte = digits.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            byte.map(|byte| (byte, 4)).ok_or_else(|| bad_escape(text))
        }
        [_, byte, ..] if byte.is_ascii_punctuation() || *byte == b' ' => Ok((*byte, 2)),
        _ => Err(bad_escape(text)),
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn bad_escape(text: &str) -> Fault {
    let shown = text.chars().take(2).collect();
    Fault::new(
        AddressErrorKind::BadEscape(shown),
        Cure::Words(r"\\ for a backslash, \, for a comma, \xHH for any byte".into()),
    )
}

/// The text that [`unescape`] turns into `bytes`, in printable characters and on one line.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                ',' | '\\' => text.extend(['\\', char]),
                _ if char.is_control() => push_hex(&mut text, char.to_string().as_bytes()),
                _ => text.push(char),
            }
        }
        push_hex(&mut text, chunk.invalid());
    }
    // A blank at the end is refused as a slip of the finger unless it is spelled out.
    if text.ends_with(' ') {
        text.pop();
        text.push_str(r"\x20");
    }
    text
}

/// As [`escaped`], with the first character stripped of any special meaning.
pub(super) fn escaped_first(bytes: &[u8]) -> String {
    match bytes.split_first() {
        Some((first, rest)) if first.is_ascii_punctuation() => {
            format!("\\{}{}", char::from(*first), escaped(rest))
        }
        Some((first, rest)) => format!("\\x{first:02x}{}", escaped(rest)),
        None => String::new(),
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

/// The path of these bytes.
#[cfg(unix)]
pub(super) fn path_of(bytes: Vec<u8>) -> Result<PathBuf, Fault> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

/// The path of these bytes, which must be UTF-8 here.
#[cfg(not(unix))]
pub(super) fn path_of(bytes: Vec<u8>) -> Result<PathBuf, Fault> {
    let text = String::from_utf8(bytes);
    text.map(PathBuf::from)
        .map_err(|error| bad_escape(&error.to_string()))
}

/// The bytes of a path.
#[cfg(unix)]
pub(super) fn bytes_of(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

/// The bytes of a path.
#[cfg(not(unix))]
pub(super) fn bytes_of(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}
