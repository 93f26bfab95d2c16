//! How long a message may be, and what happens to one that is longer.

/// The longest message by default: 64 KiB, for every framing alike.
///
/// It holds the largest UDP payload (65,507 bytes over IPv4), so that a service that answers
/// datagrams answers the same messages over a stream, and it is the size of one read buffer. Ten
/// thousand peers that each leave a message unfinished hold 640 MiB at worst; a limit of 1 MiB
/// would let them hold 10 GiB.
pub const DEFAULT_MAX_MESSAGE: usize = 64 * 1024;

/// The bounds that a [`Decoder`](super::Decoder) keeps.
///
/// ```
/// use wharf::framing::{Limits, OnTooLong};
///
/// let limits = Limits { max_message: 1000, on_too_long: OnTooLong::Skip };
/// assert_eq!(Limits::default().max_message, 65_536);
/// # let _ = limits;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// The longest message in bytes, without prefix or terminator. `fixed` is bounded by its own
    /// size instead; `raw` cuts a longer chunk into messages of at most this size (at least 1).
    pub max_message: usize,
    /// What happens to a message that is longer.
    pub on_too_long: OnTooLong,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_message: DEFAULT_MAX_MESSAGE,
            on_too_long: OnTooLong::Close,
        }
    }
}

/// What a decoder does after it has reported a message that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnTooLong {
    /// Nothing more: the decoder is finished, and the caller closes the connection. The default,
    /// because a peer that breaks the limit once seldom means well.
    #[default]
    Close,
    /// Throw the message away as it arrives, then go on with the next one. The error is reported
    /// once per message.
    Skip,
}
