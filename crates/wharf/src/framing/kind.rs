//! The framings and what they are made of.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::Arc;

use memchr::memmem::Finder;

use super::ParseFramingError;

/// The agreement of both peers on where a message ends; see the [module](super) for a picture.
///
/// It is written as on the command line: `lines`, `crlf`, `delimiter=||`, `u32`, `u16le`,
/// `u32-inclusive`, `varint`, `netstring`, `fixed=80`, `raw`.
///
/// ```
/// use wharf::framing::{Framing, LengthPrefix};
///
/// assert_eq!("u32".parse::<Framing>()?, Framing::Length(LengthPrefix::U32));
/// assert_eq!(r"delimiter=\0".parse::<Framing>()?.to_string(), r"delimiter=\0");
/// # Ok::<(), wharf::framing::ParseFramingError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Lines of text.
    Lines(LineEnd),
    /// Messages that end in a sequence of bytes. The first occurrence ends the message; there is
    /// no escape, so no message can hold it.
    Delimiter(Delimiter),
    /// A length of 1, 2, 4 or 8 bytes, then the message.
    Length(LengthPrefix),
    /// A length as unsigned LEB128 (as Protocol Buffers write it), then the message. A length
    /// in more bytes than necessary is accepted, one of more than 64 bits is not.
    Varint,
    /// `5:hello,` (<https://cr.yp.to/proto/netstrings.txt>).
    Netstring,
    /// Messages of one size. [`Limits::max_message`](super::Limits::max_message) does not apply:
    /// the size is ours and not the peer's.
    Fixed(NonZeroUsize),
    /// No boundaries: every chunk that arrives is a message.
    Raw,
}

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LineEnd {
    /// LF; a CR right before it belongs to the end. It reads what every system writes.
    Lf,
    /// CR LF and nothing else; a CR or LF by itself is an error.
    ///
    /// Two programs that disagree whether a LF by itself ends a line see different messages in
    /// the same bytes; with SMTP, whole mails were smuggled through that gap. Taking the LF as
    /// data would hand it on to the next program, which may be the tolerant one, so it is
    /// refused (RFC 5321 section 2.3.8: CR and LF occur only together).
    CrLf,
}

/// A sequence of 1 to 255 bytes that ends a message; cheap to clone.
///
/// ```
/// use wharf::framing::{Delimiter, Framing};
///
/// let framing = Framing::Delimiter(Delimiter::new(b"\r\n.\r\n")?);
/// assert_eq!(framing.to_string(), r"delimiter=\r\n.\r\n");
/// # Ok::<(), wharf::framing::ParseFramingError>(())
/// ```
#[derive(Clone)]
pub struct Delimiter(Arc<Finder<'static>>);

impl Delimiter {
    /// The longest delimiter in bytes.
    pub const MAX_LEN: usize = 255;

    /// Takes the bytes; an error if there are none or more than [`MAX_LEN`](Self::MAX_LEN).
    pub fn new(bytes: &[u8]) -> Result<Self, ParseFramingError> {
        if bytes.is_empty() || bytes.len() > Self::MAX_LEN {
            return Err(ParseFramingError::DelimiterLength { len: bytes.len() });
        }
        Ok(Self(Arc::new(Finder::new(bytes).into_owned())))
    }

    /// The bytes of the delimiter.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.needle()
    }

    /// Where the delimiter first occurs; linear in `bytes` whatever they are.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<usize> {
        self.0.find(bytes)
    }
}

impl PartialEq for Delimiter {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Delimiter {}

impl Hash for Delimiter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Delimiter(\"{}\")", self.as_bytes().escape_ascii())
    }
}

/// The length in front of a message.
///
/// ```
/// use wharf::framing::{Counts, Endian, Framing, LengthPrefix, Width};
///
/// let prefix = LengthPrefix { width: Width::U16, endian: Endian::Little, counts: Counts::Frame };
/// assert_eq!(Framing::Length(prefix).to_string(), "u16le-inclusive");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LengthPrefix {
    /// Its size.
    pub width: Width,
    /// The order of its bytes.
    pub endian: Endian,
    /// What it counts.
    pub counts: Counts,
}

impl LengthPrefix {
    /// One byte: messages of up to 255 bytes.
    pub const U8: Self = Self::network(Width::U8);
    /// Two bytes, big endian: DNS over TCP (RFC 1035 section 4.2.2).
    pub const U16: Self = Self::network(Width::U16);
    /// Four bytes, big endian: the most usual choice.
    pub const U32: Self = Self::network(Width::U32);
    /// Eight bytes, big endian.
    pub const U64: Self = Self::network(Width::U64);

    /// Network byte order, counting the message alone.
    const fn network(width: Width) -> Self {
        Self {
            width,
            endian: Endian::Big,
            counts: Counts::Message,
        }
    }
}

/// The size of a length prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Width {
    /// 1 byte.
    U8,
    /// 2 bytes.
    U16,
    /// 4 bytes.
    U32,
    /// 8 bytes.
    U64,
}

impl Width {
    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
            Self::U64 => 8,
        }
    }

    /// The largest number that fits.
    #[must_use]
    pub const fn max(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }
}

/// The order of the bytes of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Endian {
    /// The most significant byte first: network byte order.
    Big,
    /// The least significant byte first: what most processors use.
    Little,
}

/// What a length prefix counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Counts {
    /// The message alone.
    Message,
    /// The prefix and the message, so it is never smaller than the prefix.
    Frame,
}
