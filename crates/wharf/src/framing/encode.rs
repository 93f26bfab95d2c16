//! Messages to bytes.

use std::num::NonZeroUsize;

use super::header::Header;
use super::terminator::{Hit, Terminator};
use super::{EncodeError, Framing, LineEnd};

/// Puts messages into the bytes of a [`Framing`].
///
/// It refuses what the receiver would read as something else, and keeps no state, so one encoder
/// serves any number of connections. What the receiver's limit is, only the receiver knows: an
/// encoder is bounded by what the framing can express.
///
/// ```
/// use wharf::framing::{Encoder, Framing};
///
/// let mut out = Vec::new();
/// Encoder::new(&"netstring".parse::<Framing>()?).encode(b"hello", &mut out)?;
/// assert_eq!(out, b"5:hello,");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Encoder(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Terminated(Terminator),
    Announced(Header),
    Fixed(NonZeroUsize),
    Raw,
}

impl Encoder {
    /// An encoder for `framing`.
    #[must_use]
    pub fn new(framing: &Framing) -> Self {
        Self(match framing {
            Framing::Lines(end) => Kind::Terminated(Terminator::Line(*end)),
            Framing::Delimiter(mark) => Kind::Terminated(Terminator::Delimiter(mark.clone())),
            Framing::Length(prefix) => Kind::Announced(Header::Length(*prefix)),
            Framing::Varint => Kind::Announced(Header::Varint),
            Framing::Netstring => Kind::Announced(Header::Netstring),
            Framing::Fixed(size) => Kind::Fixed(*size),
            Framing::Raw => Kind::Raw,
        })
    }

    /// Appends `message` with what surrounds it to `out`; after an error `out` is as before.
    ///
    /// An empty message is a message, except in `raw`, where nothing is nothing.
    pub fn encode(&self, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match &self.0 {
            Kind::Terminated(terminator) => terminated(terminator, message, out),
            Kind::Announced(header) => announced(*header, message, out),
            Kind::Fixed(size) if message.len() != size.get() => Err(EncodeError::WrongSize {
                len: message.len(),
                want: size.get(),
            }),
            Kind::Fixed(_) | Kind::Raw => {
                out.extend_from_slice(message);
                Ok(())
            }
        }
    }
}

fn terminated(
    terminator: &Terminator,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.reserve(message.len() + terminator.len());
    out.extend_from_slice(message);
    out.extend_from_slice(terminator.as_bytes());
    // Looked at together, because "a" and the delimiter "aa" make "aaa", which ends after "".
    let result = match terminator.find(&out[start..]) {
        Some(Hit::End(at) | Hit::Stray(at, _)) if at != message.len() => {
            Err(EncodeError::ContainsEnd { at })
        }
        _ => no_trailing_cr(terminator, message),
    };
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// A tolerant receiver drops a CR before the LF, so a message cannot end in one.
fn no_trailing_cr(terminator: &Terminator, message: &[u8]) -> Result<(), EncodeError> {
    match terminator {
        Terminator::Line(LineEnd::Lf) if message.ends_with(b"\r") => Err(EncodeError::EndsInCr),
        _ => Ok(()),
    }
}

fn announced(header: Header, message: &[u8], out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let len = message.len();
    header
        .write(len as u64, out)
        .map_err(|limit| EncodeError::TooLong { len, limit })?;
    out.reserve(len + header.trailer().len());
    out.extend_from_slice(message);
    out.extend_from_slice(header.trailer());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(framing: &str, message: &[u8]) -> Result<Vec<u8>, EncodeError> {
        let mut out = b"before".to_vec();
        let result = Encoder::new(&framing.parse().unwrap()).encode(message, &mut out);
        let written = out.strip_prefix(b"before").unwrap().to_vec();
        if result.is_err() {
            assert_eq!(written, b"", "an error writes nothing");
        }
        result.map(|()| written)
    }

    #[test]
    fn each_framing_on_the_wire() {
        for (framing, wire) in [
            ("lines", &b"Hi\n"[..]),
            ("crlf", b"Hi\r\n"),
            ("delimiter=||", b"Hi||"),
            ("u8", b"\x02Hi"),
            ("u16", b"\x00\x02Hi"),
            ("u16le", b"\x02\x00Hi"),
            ("u32-inclusive", b"\x00\x00\x00\x06Hi"),
            ("u64le-inclusive", b"\x0a\x00\x00\x00\x00\x00\x00\x00Hi"),
            ("varint", b"\x02Hi"),
            ("netstring", b"2:Hi,"),
            ("fixed=2", b"Hi"),
            ("raw", b"Hi"),
        ] {
            assert_eq!(encode(framing, b"Hi").unwrap(), wire, "{framing}");
        }
        assert_eq!(encode("varint", &[b'x'; 300]).unwrap()[..3], *b"\xac\x02x");
    }

    #[test]
    fn what_the_receiver_would_misread_is_refused() {
        use EncodeError::{ContainsEnd, EndsInCr, TooLong, WrongSize};
        for (framing, message, error) in [
            ("lines", &b"a\nb"[..], ContainsEnd { at: 1 }),
            ("lines", b"a\r", EndsInCr),
            ("crlf", b"a\nb", ContainsEnd { at: 1 }),
            ("crlf", b"a\r", ContainsEnd { at: 1 }),
            ("crlf", b"a\r\nb", ContainsEnd { at: 1 }),
            ("delimiter=||", b"a||b", ContainsEnd { at: 1 }),
            ("delimiter=||", b"a|", ContainsEnd { at: 1 }),
            (
                "u8",
                &[0; 256],
                TooLong {
                    len: 256,
                    limit: 255,
                },
            ),
            (
                "u8-inclusive",
                &[0; 255],
                TooLong {
                    len: 255,
                    limit: 254,
                },
            ),
            ("fixed=4", b"abc", WrongSize { len: 3, want: 4 }),
        ] {
            assert_eq!(encode(framing, message), Err(error), "{framing}");
        }
        assert_eq!(encode("lines", b"a\rb").unwrap(), b"a\rb\n");
    }
}
