//! What can be wrong with a message: received ([`FrameError`]) or to be sent ([`EncodeError`]).

/// The bytes from the peer are not messages of the agreed framing.
///
/// ```
/// use wharf::framing::{Decoder, FrameError, Framing, Limits};
///
/// let mut decoder = Decoder::new(&"netstring".parse::<Framing>()?, Limits::default());
/// let error = decoder.next(&mut &b"hello"[..]).unwrap().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "malformed message: a netstring starts with its length in digits and a colon, found 'h'"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The message is longer than [`Limits::max_message`](super::Limits::max_message).
    #[error("message too long: {}the limit is {limit} bytes", claim(*.claimed))]
    TooLong {
        /// The limit in bytes.
        limit: usize,
        /// The payload bytes that a length prefix announced; `None` where the end was searched.
        claimed: Option<u64>,
    },
    /// The framing itself is broken, so the next boundary cannot be known: the decoder is
    /// finished, whatever [`OnTooLong`](super::OnTooLong) says.
    #[error("malformed message: {what}")]
    Malformed {
        /// What is wrong.
        what: Defect,
    },
    /// The stream ended in the middle of a message.
    #[error("truncated message: the stream ended after {have} of {want} bytes of the {part}")]
    Truncated {
        /// The part that is incomplete.
        part: Part,
        /// How many bytes of it arrived.
        have: u64,
        /// How many it has; at least so many for a varint or netstring length.
        want: u64,
    },
}

fn claim(claimed: Option<u64>) -> String {
    match claimed {
        Some(bytes) => format!("the peer announced {bytes} bytes, "),
        None => "no end within the limit, ".to_owned(),
    }
}

impl From<Defect> for FrameError {
    fn from(what: Defect) -> Self {
        Self::Malformed { what }
    }
}

/// A part of a message on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Part {
    /// The length in front of the message.
    #[error("length prefix")]
    Prefix,
    /// The message itself, with the comma of a netstring.
    #[error("message")]
    Message,
}

/// How a framing can be broken, with the evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Defect {
    /// Strict CRLF: a LF without a CR before it.
    #[error("a LF without CR before it (lines end in CR LF here)")]
    BareLf,
    /// Strict CRLF: a CR without a LF after it.
    #[error("a CR without LF after it (lines end in CR LF here)")]
    BareCr,
    /// A varint of more than 64 bits: longer than 10 bytes, or with a tenth byte above 1.
    #[error("a varint length of more than 64 bits")]
    VarintOverflow,
    /// Something other than a digit or the colon in the length of a netstring.
    #[error("a netstring starts with its length in digits and a colon, found {:?}", char::from(*.found))]
    NetstringLength {
        /// The byte in the wrong place.
        found: u8,
    },
    /// A netstring length such as `007`.
    #[error("a netstring length with leading zeros")]
    NetstringLeadingZero,
    /// A netstring length of more than 64 bits.
    #[error("a netstring length of more than 64 bits")]
    NetstringOverflow,
    /// The byte after the announced length of a netstring is not a comma.
    #[error("a netstring ends in a comma, found {:?}", char::from(*.found))]
    NetstringComma {
        /// The byte in its place.
        found: u8,
    },
    /// A length that counts its own prefix, yet is smaller than the prefix.
    #[error("a length of {length} that should count its own {header} bytes too")]
    LengthBelowHeader {
        /// The length as received.
        length: u64,
        /// The size of the prefix in bytes.
        header: u64,
    },
}

/// A message cannot be sent with this framing; nothing was written.
///
/// ```
/// use wharf::framing::{EncodeError, Encoder, Framing};
///
/// let encoder = Encoder::new(&"lines".parse::<Framing>()?);
/// let error = encoder.encode(b"two\nlines", &mut Vec::new()).unwrap_err();
/// assert_eq!(error, EncodeError::ContainsEnd { at: 3 });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EncodeError {
    /// The receiver would see the end of the message too early: the message holds the
    /// terminator, or forms one together with the terminator behind it.
    #[error("the message holds the mark that ends a message, at byte {at}")]
    ContainsEnd {
        /// Where it starts in the message, from 0.
        at: usize,
    },
    /// Lines: the message ends in CR, which a receiver takes for a part of the line end.
    #[error("the message ends in CR, which the receiver would take for a part of the line end")]
    EndsInCr,
    /// The length does not fit into the prefix.
    #[error("a message of {len} bytes does not fit the length prefix, which counts up to {limit}")]
    TooLong {
        /// The length of the message in bytes.
        len: usize,
        /// The longest message that this prefix can announce.
        limit: u64,
    },
    /// `fixed`: the message has another size. It is not padded, because the receiver could not
    /// tell padding from message.
    #[error("a message of {len} bytes where every message has {want}")]
    WrongSize {
        /// The length of the message in bytes.
        len: usize,
        /// The size that every message has.
        want: usize,
    },
}
