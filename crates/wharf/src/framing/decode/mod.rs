//! Bytes to messages.
//!
//! ```text
//!             whole in the chunk ──────────────► lent from the chunk
//! chunk ──┤
//!             split ──► Store ──► complete ────► lent from the Store
//!                         │
//!                         └ longer than the limit ──► error, once ──► Close: finished
//!                                                                └──► Skip: dropped up to the
//!                                                                     boundary, then as before
//! ```

mod announced;
mod store;
mod terminated;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::ops::Deref;

use super::header::Header;
use super::terminator::Terminator;
use super::{FrameError, Framing, Limits, OnTooLong, Part};
use announced::Announced;
use store::Store;
use terminated::Terminated;

/// Gets the messages of a [`Framing`] out of bytes as they arrive.
///
/// Call [`next`](Self::next) until it gives `None` for every chunk, then
/// [`finish`](Self::finish) when the stream ends.
///
/// ```
/// use wharf::framing::{Decoder, Framing, Limits};
///
/// let mut decoder = Decoder::new(&"lines".parse::<Framing>()?, Limits::default());
/// let mut input = &b"first\r\nsec"[..];
/// assert_eq!(&*decoder.next(&mut input).unwrap()?, b"first");
/// assert!(decoder.next(&mut input).is_none());
/// assert!(decoder.has_partial());
///
/// let mut input = &b"ond\nlast"[..];
/// assert_eq!(&*decoder.next(&mut input).unwrap()?, b"second");
/// assert!(decoder.next(&mut input).is_none());
///
/// let last = decoder.finish().unwrap()?;
/// assert_eq!(&*last, b"last");
/// assert!(!last.is_terminated());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    kind: Kind,
    store: Store,
    limits: Limits,
    finished: bool,
}

#[derive(Debug)]
enum Kind {
    Terminated(Terminated),
    Announced(Announced),
    Fixed(NonZeroUsize),
    Raw,
}

/// Where a complete message lies.
enum Found<'b> {
    /// Whole in the caller's chunk.
    Lent(&'b [u8]),
    /// In the store, which holds nothing else.
    Stored,
}

/// What one look at the input gave; `None` when all of it is consumed.
type Step<'b> = Result<Option<Found<'b>>, FrameError>;

impl Decoder {
    /// A decoder at the start of a stream.
    #[must_use]
    pub fn new(framing: &Framing, limits: Limits) -> Self {
        let kind = match framing {
            Framing::Lines(end) => Kind::Terminated(Terminator::Line(*end).into()),
            Framing::Delimiter(mark) => {
                Kind::Terminated(Terminator::Delimiter(mark.clone()).into())
            }
            Framing::Length(prefix) => Kind::Announced(Header::Length(*prefix).into()),
            Framing::Varint => Kind::Announced(Header::Varint.into()),
            Framing::Netstring => Kind::Announced(Header::Netstring.into()),
            Framing::Fixed(size) => Kind::Fixed(*size),
            Framing::Raw => Kind::Raw,
        };
        Self {
            kind,
            store: Store::default(),
            limits,
            finished: false,
        }
    }

    /// Takes the next message from the front of `input`.
    ///
    /// `None` means that more bytes are needed: `input` is then empty, and what it held of an
    /// unfinished message is kept here. The message is lent until the next call.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] once per message that is too long, and [`FrameError::Malformed`].
    /// After `Malformed`, and after `TooLong` with [`OnTooLong::Close`], the decoder
    /// [is finished](Self::is_finished): it swallows all further input and gives `None`, so a
    /// loop until `None` always ends.
    pub fn next<'a, 'b: 'a>(
        &'a mut self,
        input: &mut &'b [u8],
    ) -> Option<Result<Message<'a>, FrameError>> {
        self.store.reclaim();
        if self.finished {
            *input = &[];
            return None;
        }
        let max = self.limits.max_message;
        let step = match &mut self.kind {
            Kind::Terminated(terminated) => terminated.step(&mut self.store, max, input),
            Kind::Announced(announced) => announced.step(&mut self.store, max, input),
            Kind::Fixed(size) => Ok(self.store.gather(input, size.get())),
            Kind::Raw => Ok(raw(input, max)),
        };
        match step {
            Ok(None) => {
                self.store.release_if_empty();
                None
            }
            Ok(Some(Found::Lent(bytes))) => Some(Ok(Message::terminated(bytes))),
            Ok(Some(Found::Stored)) => Some(Ok(Message::terminated(self.store.lend()))),
            Err(error) => {
                if self.ends_with(&error) {
                    self.close();
                    *input = &[];
                }
                Some(Err(error))
            }
        }
    }

    /// Says that the stream has ended; gives what the end leaves over, and the decoder is
    /// finished.
    ///
    /// For lines and delimiters this is the last message if it came without its terminator; the
    /// caller decides whether that counts ([`Message::is_terminated`]). A message that is being
    /// skipped has been reported already and gives `None`.
    ///
    /// # Errors
    /// [`FrameError::Truncated`] in the middle of a message whose size is known,
    /// [`FrameError::TooLong`] and [`FrameError::Malformed`] (a last CR in strict CRLF) for the
    /// bytes left over.
    pub fn finish(&mut self) -> Option<Result<Message<'_>, FrameError>> {
        self.store.reclaim();
        if self.finished {
            return None;
        }
        self.finished = true;
        let rest = match &self.kind {
            Kind::Terminated(terminated) => {
                terminated.finish(&mut self.store, self.limits.max_message)
            }
            Kind::Announced(announced) => announced.finish(&self.store),
            Kind::Fixed(size) => fixed_rest(&self.store, *size),
            Kind::Raw => Ok(()),
        };
        match rest {
            Err(error) => {
                self.close();
                Some(Err(error))
            }
            Ok(()) if self.store.is_empty() => None,
            Ok(()) => Some(Ok(Message::unterminated(self.store.lend()))),
        }
    }

    /// Whether a message has begun and not ended; also while one is skipped.
    ///
    /// For the caller it is the difference between an idle peer and one that stalls.
    #[must_use]
    pub fn has_partial(&self) -> bool {
        if self.finished {
            return false;
        }
        self.buffered() > 0
            || match &self.kind {
                Kind::Terminated(terminated) => terminated.is_skipping(),
                Kind::Announced(announced) => announced.has_partial(),
                Kind::Fixed(_) | Kind::Raw => false,
            }
    }

    /// How many bytes of an unfinished message are kept here: at most the limit (or the size of
    /// `fixed`) and a prefix or terminator.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.store.waiting()
    }

    /// Whether no message will come any more: after [`finish`](Self::finish) or an error that
    /// cannot be overcome.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    fn ends_with(&self, error: &FrameError) -> bool {
        match error {
            FrameError::TooLong { .. } => self.limits.on_too_long == OnTooLong::Close,
            FrameError::Malformed { .. } | FrameError::Truncated { .. } => true,
        }
    }

    fn close(&mut self) {
        self.finished = true;
        self.store = Store::default();
    }
}

/// Every chunk is a message, cut where it is longer than the limit.
fn raw<'b>(input: &mut &'b [u8], max: usize) -> Option<Found<'b>> {
    if input.is_empty() {
        return None;
    }
    let (message, rest) = input.split_at(input.len().min(max.max(1)));
    *input = rest;
    Some(Found::Lent(message))
}

fn fixed_rest(store: &Store, size: NonZeroUsize) -> Result<(), FrameError> {
    if store.is_empty() {
        return Ok(());
    }
    Err(FrameError::Truncated {
        part: Part::Message,
        have: store.len() as u64,
        want: size.get() as u64,
    })
}

/// One message, lent by the chunk it lies in or by the decoder; derefs to its bytes.
///
/// ```
/// use wharf::framing::{Decoder, Framing, Limits};
///
/// let mut decoder = Decoder::new(&"u8".parse::<Framing>()?, Limits::default());
/// let message = decoder.next(&mut &b"\x05hello"[..]).unwrap()?;
/// assert_eq!(message.to_ascii_uppercase(), b"HELLO");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    bytes: &'a [u8],
    terminated: bool,
}

impl<'a> Message<'a> {
    fn terminated(bytes: &'a [u8]) -> Self {
        let terminated = true;
        Self { bytes, terminated }
    }

    fn unterminated(bytes: &'a [u8]) -> Self {
        let terminated = false;
        Self { bytes, terminated }
    }

    /// The message without prefix and terminator.
    #[must_use]
    pub fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether the end of the message was seen. It was not for the last line of a stream that
    /// ends without a line end; the peer may have been cut off in the middle of it.
    #[must_use]
    pub fn is_terminated(&self) -> bool {
        self.terminated
    }
}

impl Deref for Message<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes
    }
}

impl AsRef<[u8]> for Message<'_> {
    fn as_ref(&self) -> &[u8] {
        self.bytes
    }
}
