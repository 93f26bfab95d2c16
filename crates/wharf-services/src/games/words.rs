//! Lines as the games write them: a code, fields, and words for people.
//!
//! ```text
//!   ROUND 2 30 1 0 -- round 2: ROCK, PAPER or SCISSORS, within 30 s (1:0)
//!   └ code and fields ┘   └ for people; programs stop at the two hyphens
//! ```

use std::fmt;
use std::str::SplitAsciiWhitespace;

/// The longest name, in bytes: it fits into a table of scores.
pub(crate) const MAX_NAME: usize = 16;

/// The longest key, in bytes.
pub(crate) const MAX_KEY: usize = 32;

/// Whether `text` can be a player's name: 1 to 16 letters A to Z, a to z, digits,
/// `-` and `_`, and a letter first.
pub fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() <= MAX_NAME
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(fits)
}

/// Whether `text` can be a key: 1 to 32 visible ASCII characters.
pub(crate) fn is_key(text: &str) -> bool {
    !text.is_empty() && text.len() <= MAX_KEY && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A name as it is looked up: letter case makes no difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name(String);

impl Name {
    pub(crate) fn of(text: &str) -> Self {
        Name(text.to_ascii_lowercase())
    }
}

/// The fields of a line, without the words for people.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a>(SplitAsciiWhitespace<'a>);

impl<'a> Fields<'a> {
    pub(crate) fn of(line: &'a str) -> Self {
        let line = match line.find(" -- ") {
            Some(words) => &line[..words],
            None => line,
        };
        Fields(line.split_ascii_whitespace())
    }

    /// The next field as it is.
    pub(crate) fn next(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    /// The next field, read as a `T`.
    pub(crate) fn read<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.next()?.parse().ok()
    }

    /// Something, if no field is left over.
    pub(crate) fn end<T>(mut self, found: T) -> Option<T> {
        match self.next() {
            None => Some(found),
            Some(_) => None,
        }
    }
}

/// Appends one line with its end.
pub(crate) fn write_line(out: &mut Vec<u8>, line: &impl fmt::Display) {
    use std::io::Write;
    // Writing to a vector does not fail.
    let _ = writeln!(out, "{line}");
}

/// A number of things, in words: `1 win`, `2 wins`.
pub(crate) struct Counted(pub(crate) u64, pub(crate) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{ending}", self.0, self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert!(is_name("Ann") && is_name("b-2_") && is_name("abcdefghijklmnop"));
        for bad in ["", "2b", "-a", "a b", "é", "abcdefghijklmnopq", "a\u{1b}"] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert_eq!(Name::of("Ann"), Name::of("aNN"));
    }

    #[test]
    fn words_for_people_are_no_fields() {
        let mut fields = Fields::of("A 12 b -- c d");
        assert_eq!(fields.next(), Some("A"));
        assert_eq!(fields.read::<u8>(), Some(12));
        assert_eq!(fields.clone().end(()), None);
        assert_eq!(fields.next(), Some("b"));
        assert_eq!(fields.end(()), Some(()));
    }
}
