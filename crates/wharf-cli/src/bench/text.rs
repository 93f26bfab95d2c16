//! What is sent and what has to come back, as they are typed.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use regex::bytes::Regex;

use crate::connect::{Escaped, parse_escaped};
use crate::failure::{Failure, words};
use crate::quantity::parse_size;
use crate::usage::Misuse;

/// The longest message, in bytes.
const MESSAGE_MAX: usize = 16 << 20;

/// The size of messages: one, or out of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sizes(pub(super) RangeInclusive<usize>);

impl Sizes {
    /// The size, if there is only one.
    pub(super) fn one(&self) -> Option<usize> {
        (self.0.start() == self.0.end()).then_some(*self.0.start())
    }
}

impl FromStr for Sizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (least, most) = match text.split_once("..") {
            Some((least, most)) => (parse_size(least)?, parse_size(most)?),
            None => (parse_size(text)?, parse_size(text)?),
        };
        if least == 0 || least > most {
            return Err("sizes are from 1 on, the smaller one first: 64 or 64..1KiB".to_owned());
        }
        if most > MESSAGE_MAX {
            return Err("a message is at most 16 MiB".to_owned());
        }
        Ok(Sizes(least..=most))
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |count: &usize| crate::style::bytes(*count as u64);
        match self.one() {
            Some(size) => f.write_str(&bytes(&size)),
            None => write!(f, "{} to {}", bytes(self.0.start()), bytes(self.0.end())),
        }
    }
}

/// A message that was typed, or the file that it is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    Bytes(Vec<u8>),
    /// With what is in it, once that was read.
    File(PathBuf, Option<Vec<u8>>),
}

impl FromStr for Content {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix('@') {
            Some(path) => Ok(Content::File(path.into(), None)),
            None => Ok(Content::Bytes(parse_escaped(text)?.0)),
        }
    }
}

/// What to do about a file that is no message.
const OTHER_FILE: &str = "--message @FILE with a file of 1 byte to 16 MiB";

impl Content {
    /// Reads the file, if it is one.
    pub(super) fn load(&mut self) -> Result<(), Failure> {
        let bytes = self.read()?;
        if let Content::File(_, read) = self {
            *read = Some(bytes);
        }
        Ok(())
    }

    /// The message itself.
    pub(super) fn read(&self) -> Result<Vec<u8>, Failure> {
        let bytes = match self {
            Content::Bytes(bytes) | Content::File(_, Some(bytes)) => bytes.clone(),
            Content::File(path, None) => {
                let shown = path.display();
                let bytes = read_at_most(path, MESSAGE_MAX as u64 + 1).map_err(|error| {
                    let cause = format!("cannot read the message {shown}: {}", words(&error));
                    Failure::usage(cause).cure(OTHER_FILE)
                })?;
                if bytes.len() > MESSAGE_MAX {
                    let cause = format!("the message {shown} is longer than 16 MiB");
                    return Err(Failure::usage(cause).cure(OTHER_FILE));
                }
                bytes
            }
        };
        if bytes.is_empty() {
            let failure = Failure::usage("an empty message has no reply to wait for");
            return Err(match self {
                Content::Bytes(_) => failure.cure("--message hello"),
                Content::File(path, _) => failure
                    .with("file", path.display().to_string())
                    .cure(OTHER_FILE),
            });
        }
        Ok(bytes)
    }
}

/// The first bytes of a file. What its length says is not asked: a device or a pipe has none.
fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What has to come back.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// The message.
    Echo,
    /// The message in upper case.
    Upper,
    /// This text.
    Text(Vec<u8>),
    /// Something that this pattern finds a match in.
    Regex(Regex),
    /// Whatever one message holds.
    Any,
}

impl FromStr for Expected {
    type Err = Misuse;

    fn from_str(text: &str) -> Result<Self, Misuse> {
        let misuse = |cause: String, cure: &str| Misuse {
            cause,
            cure: Some(cure.to_owned()),
        };
        match (text, text.split_once('=')) {
            ("echo", _) => Ok(Expected::Echo),
            ("upper", _) => Ok(Expected::Upper),
            ("any", _) => Ok(Expected::Any),
            (_, Some(("text", text))) => match parse_escaped(text) {
                Ok(Escaped(text)) if !text.is_empty() => Ok(Expected::Text(text)),
                Ok(_) => Err(misuse("text= needs a text".to_owned(), "text=OK")),
                Err(why) => Err(misuse(why, "'text=OK\\n'")),
            },
            (_, Some(("regex", pattern))) => match Regex::new(pattern) {
                Ok(regex) => Ok(Expected::Regex(regex)),
                Err(error) => {
                    // The last line says what; those above draw where.
                    let text = error.to_string();
                    let what = text.lines().last().unwrap_or_default().trim();
                    let what = what.trim_start_matches("error: ").to_owned();
                    Err(misuse(what, "'regex=^OK'"))
                }
            },
            _ => Err(Misuse {
                cause: "replies are expected as echo, upper, text=TEXT, regex=PATTERN or any"
                    .to_owned(),
                cure: None,
            }),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expected::Echo => f.write_str("echo"),
            Expected::Upper => f.write_str("upper"),
            Expected::Text(text) => write!(f, "text={}", text.escape_ascii()),
            Expected::Regex(regex) => write!(f, "regex={regex}"),
            Expected::Any => f.write_str("any"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_one_or_a_range() {
        assert_eq!("64".parse(), Ok(Sizes(64..=64)));
        assert_eq!("64..1KiB".parse(), Ok(Sizes(64..=1_024)));
        assert_eq!(
            "1..2MiB".parse::<Sizes>().unwrap().to_string(),
            "1 B to 2.0 MiB"
        );
        for wrong in ["9..3", "0", "0..5", "..", "many"] {
            assert!(wrong.parse::<Sizes>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn replies_are_expected_in_words_that_can_be_typed() {
        for typed in ["echo", "upper", "any", "text=PONG\\r\\n", "regex=^[A-Z]+$"] {
            let expected: Expected = typed.parse().unwrap();
            assert_eq!(expected.to_string(), typed);
        }
        let wrong = "regex=(".parse::<Expected>().unwrap_err();
        assert_eq!(wrong.cause, "unclosed group");
        assert!("text=".parse::<Expected>().is_err());
        assert!("what".parse::<Expected>().is_err());
    }

    #[test]
    fn a_message_is_typed_or_in_a_file() {
        assert_eq!(r"a\n".parse(), Ok(Content::Bytes(b"a\n".to_vec())));
        assert_eq!("@a".parse(), Ok(Content::File("a".into(), None)));
        assert!(r"\q".parse::<Content>().is_err());
        let missing = Content::File("/nowhere/at/all".into(), None);
        assert!(missing.read().is_err());
    }
}
