//! Where one message ends and the next begins.
//!
//! A byte stream has no messages: two `write`s may arrive as one `read`, one `write` as three. A
//! [`Framing`] is the agreement that brings the messages back. Everything here is a plain state
//! machine without I/O: a [`Decoder`] takes bytes as they arrive and gives messages, an
//! [`Encoder`] takes messages and gives bytes.
//!
//! ```text
//! lines      H i \n  …                the end is a LF; a CR before it is not part of the message
//! crlf       H i \r \n  …             the end is CR LF; a CR or LF by itself is an error
//! delimiter  H i | |  …               the end is a sequence of your choice, 1 to 255 bytes
//! u16        00 02 H i  …             length, then so many bytes; also u8, u32, u64, big endian
//! u16le      02 00 H i  …             the same, little endian
//! u16-inclusive  00 04 H i  …         the length counts itself too
//! varint     02 H i  …                LEB128: seven bits per byte, low bits first
//! netstring  2 : H i ,  …             decimal length, colon, bytes, comma
//! fixed=2    H i  …                   every message has the same size
//! raw        whatever one read gave   no boundaries at all
//! ```
//!
//! # Bounded
//! A message longer than [`Limits::max_message`] is never stored: it is an error, after which the
//! decoder is finished ([`OnTooLong::Close`]) or goes on behind that message
//! ([`OnTooLong::Skip`]). Memory grows only with bytes that have arrived, never with a length
//! that a peer merely claims.
//!
//! # Cheap
//! A message that lies whole in the caller's chunk is lent from it. Only a message that is split
//! over chunks is copied, and a decoder in the middle of no message owns no heap memory.
//!
//! # The same however the bytes are split
//! Messages and errors come in the same order whether the bytes arrive one by one or all at once
//! (except for `raw`, whose messages *are* the chunks). A byte leaves the caller's input only
//! when the decoder keeps it or is done with it, so a reader that is cancelled between two calls
//! loses nothing.
//!
//! # Example
//! ```
//! use wharf::framing::{Decoder, Encoder, Framing, Limits};
//!
//! let framing: Framing = "u32".parse()?;
//! let encoder = Encoder::new(&framing);
//! let mut wire = Vec::new();
//! encoder.encode(b"Hi!", &mut wire)?;
//! encoder.encode(b"Hope you're well", &mut wire)?;
//!
//! let mut decoder = Decoder::new(&framing, Limits::default());
//! let mut messages = Vec::new();
//! for chunk in wire.chunks(5) {
//!     let mut input = chunk;
//!     while let Some(message) = decoder.next(&mut input) {
//!         messages.push(message?.to_vec());
//!     }
//! }
//! assert_eq!(messages, [b"Hi!".to_vec(), b"Hope you're well".to_vec()]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layout
//! - `kind`: [`Framing`] and what it is made of; `parse`: its names on the command line;
//!   `suggest`: what a wrong name was meant to be.
//! - `decode`, `encode`: the two state machines.
//! - `header`, `terminator`: the bytes around a message, written and read in one place each.
//! - `limits`, `error`: how long a message may be, and what can be wrong with one.

mod decode;
mod encode;
mod error;
mod header;
mod kind;
mod limits;
mod parse;
mod suggest;
mod terminator;
#[cfg(test)]
mod tests;

pub use decode::{Decoder, Message};
pub use encode::Encoder;
pub use error::{Defect, EncodeError, FrameError, Part};
pub use kind::{Counts, Delimiter, Endian, Framing, LengthPrefix, LineEnd, Width};
pub use limits::{DEFAULT_MAX_MESSAGE, Limits, OnTooLong};
pub use parse::ParseFramingError;
