//! How input becomes what is sent: cut into messages, and framed.

use wharf::framing::{Decoder, EncodeError, Encoder, FrameError, Framing, Limits};

use super::args::ConnectArgs;

/// The longest message that is sent or received, in bytes. One conversation can
/// afford more than a server with ten thousand.
pub(super) const MAX_MESSAGE: usize = 16 << 20;

/// A piece of input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes as they are.
    Bytes(Vec<u8>),
    /// A line, without its line feed.
    Line(Vec<u8>),
    /// A message of the command line.
    Message(Vec<u8>),
}

/// How stdin is cut into pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Whatever one read gives.
    Reads,
    /// At line feeds.
    Lines,
}

/// The agreement with the peer on where messages end.
#[derive(Debug)]
pub(super) struct Wire {
    framing: Option<Framing>,
    encoder: Option<Encoder>,
    is_datagram: bool,
}

impl Wire {
    pub(super) fn new(is_datagram: bool, framing: Framing) -> Self {
        let framing = match framing {
            Framing::Raw => None,
            _ if is_datagram => None,
            other => Some(other),
        };
        Wire {
            encoder: framing.as_ref().map(Encoder::new),
            framing,
            is_datagram,
        }
    }

    /// How stdin is cut.
    pub(super) fn cut(&self, args: &ConnectArgs) -> Cut {
        match (&self.framing, self.is_datagram) {
            (Some(_), _) => Cut::Lines,
            (None, true) if args.frame != Some(Framing::Raw) => Cut::Lines,
            (None, _) => Cut::Reads,
        }
    }

    /// A decoder for what comes, where there are messages.
    pub(super) fn decoder(&self) -> Option<Decoder> {
        let limits = Limits {
            max_message: MAX_MESSAGE,
            ..Limits::default()
        };
        self.framing
            .as_ref()
            .map(|framing| Decoder::new(framing, limits))
    }

    /// What is sent for a piece of input.
    pub(super) fn encode(&self, piece: &Piece) -> Result<Vec<u8>, EncodeError> {
        let (Piece::Bytes(bytes) | Piece::Line(bytes) | Piece::Message(bytes)) = piece;
        let mut wire = Vec::with_capacity(bytes.len() + 8);
        match (&self.encoder, piece) {
            (Some(encoder), _) => encoder.encode(bytes, &mut wire)?,
            (None, Piece::Line(_)) if !self.is_datagram => {
                wire.extend_from_slice(bytes);
                wire.push(b'\n');
            }
            (None, _) => wire.extend_from_slice(bytes),
        }
        Ok(wire)
    }
}

impl Piece {
    /// The bytes that a person would call the message.
    pub(crate) fn payload(&self) -> &[u8] {
        let (Piece::Bytes(bytes) | Piece::Line(bytes) | Piece::Message(bytes)) = self;
        bytes
    }
}

/// Everything whole in `chunk`, or what is wrong with it.
pub(super) fn decode(
    decoder: &mut Decoder,
    chunk: &[u8],
    mut each: impl FnMut(&[u8]),
) -> Result<(), FrameError> {
    let mut rest = chunk;
    while let Some(message) = decoder.next(&mut rest) {
        each(message?.as_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(is_datagram: bool, framing: &str, piece: Piece) -> Vec<u8> {
        let framing = framing.parse().unwrap();
        Wire::new(is_datagram, framing).encode(&piece).unwrap()
    }

    #[test]
    fn lines_keep_their_line_feed_only_on_a_stream() {
        assert_eq!(sent(false, "raw", Piece::Line(b"hi".into())), b"hi\n");
        assert_eq!(sent(true, "lines", Piece::Line(b"hi".into())), b"hi");
        assert_eq!(sent(false, "u16", Piece::Line(b"hi".into())), b"\0\x02hi");
    }

    #[test]
    fn nothing_is_added_to_what_is_sent_as_it_is() {
        assert_eq!(sent(false, "raw", Piece::Message(b"hi".into())), b"hi");
        assert_eq!(sent(false, "raw", Piece::Bytes(b"hi".into())), b"hi");
        assert_eq!(sent(false, "lines", Piece::Message(b"hi".into())), b"hi\n");
    }
}
