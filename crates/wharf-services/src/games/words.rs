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

/// Whether `text` can be a key: 1 to 32 visible ASCII characters, and not `--`, after
/// which words for people come.
pub(crate) fn is_key(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic();
    !text.is_empty() && text != "--" && text.len() <= MAX_KEY && text.bytes().all(fits)
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

    /// The next field as it is. What stands before words for people is none, and is left
    /// over.
    pub(crate) fn next(&mut self) -> Option<&'a str> {
        let mut rest = self.0.clone();
        let field = rest.next().filter(|field| *field != "--")?;
        self.0 = rest;
        Some(field)
    }

    /// The next field, read as a `T`.
    pub(crate) fn read<T: std::str::FromStr>(&mut self) -> Option<T> {
        self.next()?.parse().ok()
    }

    /// Something, if no field is left over.
    pub(crate) fn end<T>(mut self, found: T) -> Option<T> {
        match self.0.next() {
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

/// Makes the enum of why a request was not done: what every game refuses, and what one
/// of them does.
macro_rules! refusals {
    ($($own:tt)*) => {
        $crate::games::refusals_of! {
            /// There is no such request, or its fields are wrong.
            Request = "REQUEST", "no such request; HELP tells what can be said";
            /// The line is too long.
            Line = "LINE", "that line is too long";
            /// That is no name, or no key.
            Name = "NAME", "a name is 1 to 16 letters, digits, - and _, a letter first; a key up to 32";
            /// Somebody has this name.
            InUse = "IN-USE", "somebody has this name; if it is you, add your key: HELLO name key";
            /// The server is full.
            Full = "FULL", "as many players are here as there is room for";
            /// Log in first.
            Login = "LOGIN", "say HELLO and your name first";
            /// Logged in already.
            LoggedIn = "LOGGED-IN", "you have a name already";
            /// Not as things stand.
            NotNow = "NOT-NOW", "not now; AGAIN tells how things stand";
            $($own)*
        }
    };
}
pub(crate) use refusals;

macro_rules! refusals_of {
    ($($(#[doc = $doc:literal])* $name:ident = $word:literal, $words:literal;)*) => {
        /// Why a request was not done.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum No {
            $($(#[doc = $doc])* $name,)*
        }

        impl No {
            /// All of them.
            pub const ALL: &'static [No] = &[$(No::$name),*];

            /// The word on the wire.
            pub fn word(self) -> &'static str {
                match self { $(No::$name => $word,)* }
            }

            /// What it means, for people.
            pub fn for_people(self) -> &'static str {
                match self { $(No::$name => $words,)* }
            }

            fn read(word: &str) -> Option<No> {
                No::ALL.iter().copied().find(|no| no.word() == word)
            }
        }
    };
}
pub(crate) use refusals_of;

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
    fn keys() {
        assert!(is_key("-") && is_key("---") && is_key("!~"));
        for bad in ["", "--", "a b", "\u{7f}", &"k".repeat(33)] {
            assert!(!is_key(bad), "{bad:?}");
        }
    }

    #[test]
    fn words_for_people_are_no_fields() {
        let mut fields = Fields::of("A 12 b -- c d");
        assert_eq!(fields.next(), Some("A"));
        assert_eq!(fields.read::<u8>(), Some(12));
        assert_eq!(fields.clone().end(()), None);
        assert_eq!(fields.next(), Some("b"));
        assert_eq!(fields.end(()), Some(()));
        // Two hyphens without words after them are not dropped.
        for line in ["A --", "A\x0c--", "A --\tb"] {
            let mut fields = Fields::of(line);
            assert_eq!(
                (fields.next(), fields.next()),
                (Some("A"), None),
                "{line:?}"
            );
            assert_eq!(fields.end(()), None, "{line:?}");
        }
    }
}
