//! Framings as text: `Framing` from and to the words of the command line.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::suggest::suggest;
use super::{Counts, Delimiter, Endian, Framing, LengthPrefix, LineEnd, Width};

/// The text is not the name of a framing.
///
/// ```
/// use wharf::framing::Framing;
///
/// let error = "netstrings".parse::<Framing>().unwrap_err();
/// assert!(error.to_string().starts_with("unknown framing \"netstrings\"; did you mean netstring?"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseFramingError {
    /// No framing has this name.
    #[error(
        "unknown framing {name:?}{}; known are lines, crlf, delimiter=TEXT, u8, u16, u32, u64 \
         (also u16le …, u32-inclusive …), varint, netstring, fixed=BYTES, raw",
        did_you_mean(*.suggestion)
    )]
    Unknown {
        /// The name as given.
        name: String,
        /// The framing that was probably meant.
        suggestion: Option<&'static str>,
    },
    /// `fixed=` without a size of at least 1.
    #[error("fixed needs a size in bytes, at least 1, found {found:?}; for example fixed=80")]
    Size {
        /// What stands there instead.
        found: String,
    },
    /// A delimiter without bytes, or too many of them.
    #[error("a delimiter has 1 to 255 bytes, this one has {len}; for example delimiter=\\0")]
    DelimiterLength {
        /// How many it has.
        len: usize,
    },
    /// A backslash or `0x` in a delimiter that stands for no byte.
    #[error(
        "{found:?} in a delimiter stands for no byte; write \\0, \\t, \\n, \\r, \\\\, \\xHH, or 0x \
         and pairs of hexadecimal digits for the whole"
    )]
    Escape {
        /// The text that cannot be read.
        found: String,
    },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

impl FromStr for Framing {
    type Err = ParseFramingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some(("delimiter", value)) => return delimiter(value),
            Some(("fixed", value)) => return fixed(value),
            _ => {}
        }
        match text {
            "lines" => Ok(Self::Lines(LineEnd::Lf)),
            "crlf" => Ok(Self::Lines(LineEnd::CrLf)),
            "varint" => Ok(Self::Varint),
            "netstring" => Ok(Self::Netstring),
            "raw" => Ok(Self::Raw),
            _ => length(text)
                .map(Self::Length)
                .ok_or_else(|| ParseFramingError::Unknown {
                    name: text.to_owned(),
                    suggestion: suggest(text),
                }),
        }
    }
}

/// `u32`, `u32le`, `u32be`, each with or without `-inclusive`.
fn length(text: &str) -> Option<LengthPrefix> {
    let (number, counts) = match text.strip_suffix("-inclusive") {
        Some(number) => (number, Counts::Frame),
        None => (text, Counts::Message),
    };
    let (number, endian) = match number.strip_suffix("le") {
        Some(number) => (number, Endian::Little),
        None => (number.strip_suffix("be").unwrap_or(number), Endian::Big),
    };
    let width = match number {
        "u8" => Width::U8,
        "u16" => Width::U16,
        "u32" => Width::U32,
        "u64" => Width::U64,
        _ => return None,
    };
    Some(LengthPrefix {
        width,
        endian,
        counts,
    })
}

fn fixed(value: &str) -> Result<Framing, ParseFramingError> {
    value
        .parse()
        .map(Framing::Fixed)
        .map_err(|_| ParseFramingError::Size {
            found: value.to_owned(),
        })
}

fn delimiter(value: &str) -> Result<Framing, ParseFramingError> {
    let hex = value.strip_prefix("0x").or(value.strip_prefix("0X"));
    let bytes = match hex {
        Some(digits) => from_hex(digits).ok_or(value),
        None => unescape(value),
    };
    let bytes = bytes.map_err(|found| ParseFramingError::Escape {
        found: found.to_owned(),
    })?;
    Delimiter::new(&bytes).map(Framing::Delimiter)
}

fn from_hex(digits: &str) -> Option<Vec<u8>> {
    digits.as_bytes().chunks(2).map(hex_byte).collect()
}

/// The byte that two hexadecimal digits stand for.
fn hex_byte(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let [high, low] = *pair else { return None };
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Resolves backslashes; the error is the rest that starts with one of no meaning.
fn unescape(text: &str) -> Result<Vec<u8>, &str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at..];
        let (byte, len) = escape(rest.as_bytes()).ok_or(rest)?;
        bytes.push(byte);
        // An escape is ASCII throughout, so this is a character boundary.
        rest = &rest[len..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

/// The byte that the escape in front stands for, and the length of the escape.
fn escape(text: &[u8]) -> Option<(u8, usize)> {
    match *text.get(1)? {
        b'0' => Some((0, 2)),
        b't' => Some((b'\t', 2)),
        b'n' => Some((b'\n', 2)),
        b'r' => Some((b'\r', 2)),
        b'\\' => Some((b'\\', 2)),
        b'x' => Some((hex_byte(text.get(2..4)?)?, 4)),
        _ => None,
    }
}

impl fmt::Display for Framing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lines(LineEnd::Lf) => f.write_str("lines"),
            Self::Lines(LineEnd::CrLf) => f.write_str("crlf"),
            Self::Delimiter(delimiter) => write!(f, "delimiter={delimiter}"),
            Self::Length(prefix) => prefix.fmt(f),
            Self::Varint => f.write_str("varint"),
            Self::Netstring => f.write_str("netstring"),
            Self::Fixed(size) => write!(f, "fixed={size}"),
            Self::Raw => f.write_str("raw"),
        }
    }
}

impl fmt::Display for LengthPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endian = match self.endian {
            Endian::Big => "",
            Endian::Little => "le",
        };
        let counts = match self.counts {
            Counts::Message => "",
            Counts::Frame => "-inclusive",
        };
        write!(f, "u{}{endian}{counts}", 8 * self.width.bytes())
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.as_bytes();
        // A delimiter that itself starts with 0x must not read as hexadecimal digits.
        let looks_hex = bytes.starts_with(b"0x") || bytes.starts_with(b"0X");
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b'0' if at == 0 && looks_hex => f.write_str("\\x30")?,
                0 => f.write_str("\\0")?,
                b'\t' => f.write_str("\\t")?,
                b'\n' => f.write_str("\\n")?,
                b'\r' => f.write_str("\\r")?,
                b'\\' => f.write_str("\\\\")?,
                b' '..=b'~' => f.write_char(char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<Framing, ParseFramingError> {
        text.parse()
    }

    fn suggestion(text: &str) -> Option<&'static str> {
        match parse(text) {
            Err(ParseFramingError::Unknown { suggestion, .. }) => suggestion,
            other => panic!("{text} gives {other:?}"),
        }
    }

    #[test]
    fn every_name_reads_back_as_itself() {
        let names = [
            "lines",
            "crlf",
            "varint",
            "netstring",
            "raw",
            "fixed=80",
            "u8",
            "u16",
            "u32",
            "u64",
            "u16le",
            "u32le",
            "u64le",
            "u8-inclusive",
            "u32-inclusive",
            "u64le-inclusive",
            r"delimiter=\0",
            r"delimiter=\r\n",
            "delimiter=||",
            "delimiter=a=b",
            r"delimiter=\xff",
        ];
        for name in names {
            assert_eq!(parse(name).unwrap().to_string(), name);
        }
        assert_eq!(parse("u32be"), parse("u32"));
    }

    #[test]
    fn delimiters_are_text_escapes_or_hexadecimal() {
        let bytes = |text: &str| match parse(text) {
            Ok(Framing::Delimiter(delimiter)) => delimiter.as_bytes().to_vec(),
            other => panic!("{text} gives {other:?}"),
        };
        assert_eq!(bytes(r"delimiter=a\x00\\é"), b"a\0\\\xc3\xa9");
        assert_eq!(bytes("delimiter=0x0D0a"), b"\r\n");
        assert_eq!(bytes(r"delimiter=\x30x"), b"0x");
        for text in [
            r"delimiter=\q",
            r"delimiter=a\",
            r"delimiter=\x4",
            "delimiter=0x123",
            "delimiter=0xgg",
            r"delimiter=\xé",
        ] {
            assert!(
                matches!(parse(text), Err(ParseFramingError::Escape { .. })),
                "{text}"
            );
        }
        for (text, len) in [
            ("delimiter=", 0),
            ("delimiter=0x", 0),
            (&format!("delimiter={}", "a".repeat(256)), 256),
        ] {
            assert_eq!(parse(text), Err(ParseFramingError::DelimiterLength { len }));
        }
    }

    #[test]
    fn a_size_is_a_positive_number() {
        for text in [
            "fixed=",
            "fixed=0",
            "fixed=-1",
            "fixed=80x",
            "fixed=99999999999999999999",
        ] {
            assert!(
                matches!(parse(text), Err(ParseFramingError::Size { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn a_wrong_name_gets_a_suggestion() {
        for (text, meant) in [
            ("line", "lines"),
            ("CRLF", "crlf"),
            ("leb128", "varint"),
            ("netstrings", "netstring"),
            ("fixed", "fixed=80"),
            ("fxied=80", "fixed=80"),
            ("u32-inclusiv", "u32-inclusive"),
            ("null", "delimiter=\\0"),
        ] {
            assert_eq!(suggestion(text), Some(meant), "{text}");
        }
        for text in ["", "u", "something", "u128=x", &"x".repeat(10_000)] {
            assert_eq!(suggestion(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_delimiter_reads_back(bytes in proptest::collection::vec(any::<u8>(), 1..20)) {
            let framing = Framing::Delimiter(Delimiter::new(&bytes).unwrap());
            prop_assert_eq!(parse(&framing.to_string()), Ok(framing));
        }

        #[test]
        fn no_text_panics(text in "(delimiter=|fixed=|u32|)[\\\\x0-9a-zé=]{0,8}") {
            if let Ok(framing) = parse(&text) {
                prop_assert_eq!(parse(&framing.to_string()), Ok(framing));
            }
        }
    }
}
