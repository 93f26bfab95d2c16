//! Messages over a connection: what a client of a framed service wants.

use std::io;

use super::{Chunk, Connection};
use crate::framing::{Decoder, EncodeError, Encoder, FrameError, Framing, Limits};

/// A [`Connection`] that carries messages instead of bytes; made by [`Connection::framed`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use wharf::client::Client;
/// use wharf::framing::{Framing, Limits};
///
/// let connection = Client::new().connect(&"localhost:7000".parse()?).await?;
/// let mut messages = connection.framed(&Framing::default(), Limits::default());
/// messages.send(b"hello").await?;
/// assert_eq!(messages.next().await?.as_deref(), Some(&b"HELLO"[..]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Messages {
    connection: Connection,
    decoder: Decoder,
    encoder: Encoder,
    /// What was received and not decoded yet.
    chunk: Option<Chunk>,
    ended: bool,
}

/// A message could not be received or sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// The connection failed.
    #[error("{}", crate::network::error_words(.0))]
    Io(#[from] io::Error),
    /// What came is no message of the framing.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The message fits no frame; nothing was sent.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

impl Messages {
    pub(super) fn new(connection: Connection, framing: &Framing, limits: Limits) -> Self {
        Messages {
            connection,
            decoder: Decoder::new(framing, limits),
            encoder: Encoder::new(framing),
            chunk: None,
            ended: false,
        }
    }

    /// The next message; `None` is the peer's end of stream. A last line without
    /// its end counts. Cancel safe: no message is lost when the future is dropped.
    ///
    /// # Errors
    /// [`MessageError::Io`], and [`MessageError::Frame`]: after a message that was
    /// skipped for its length more may follow, after other errors `None` does.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, MessageError> {
        loop {
            if let Some(message) = self.decoded() {
                return message.map(Some).map_err(MessageError::Frame);
            }
            if self.ended || self.decoder.is_finished() {
                return Ok(None);
            }
            self.chunk = self.connection.read_chunk().await?;
            if self.chunk.is_none() {
                self.ended = true;
                if let Some(last) = self.decoder.finish() {
                    return Ok(Some(last?.to_vec()));
                }
            }
        }
    }

    /// A message out of what was received already.
    fn decoded(&mut self) -> Option<Result<Vec<u8>, FrameError>> {
        let chunk = self.chunk.as_mut()?;
        let mut input = &chunk[..];
        let before = input.len();
        let message = self
            .decoder
            .next(&mut input)
            .map(|message| message.map(|message| message.to_vec()));
        let used = before - input.len();
        chunk.advance(used);
        if chunk.is_empty() {
            self.chunk = None;
        }
        message
    }

    /// Sends one message. Not cancel safe: after a dropped future part of it may be sent.
    ///
    /// # Errors
    /// [`MessageError::Encode`] when it fits no frame, [`MessageError::Io`].
    pub async fn send(&mut self, message: &[u8]) -> Result<(), MessageError> {
        let mut wire = Vec::new();
        self.encoder.encode(message, &mut wire)?;
        Ok(self.connection.write_all(&wire).await?)
    }

    /// The connection below: its endpoints, its end.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Ends this side's stream; the peer may still answer. See [`Connection::finish`].
    ///
    /// # Errors
    /// Those of shutdown(2).
    pub async fn finish(&mut self) -> io::Result<()> {
        self.connection.finish().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::OnTooLong;
    use crate::network::MemoryNetwork;

    #[tokio::test]
    async fn messages_come_as_they_were_sent_and_a_long_one_is_told() {
        let (near, far) = MemoryNetwork::new().pair();
        let limits = Limits {
            max_message: 16,
            on_too_long: OnTooLong::Skip,
        };
        let framing: Framing = "u32".parse().unwrap();
        let mut near = near.framed(&framing, Limits::default());
        let mut far = far.framed(&framing, limits);
        near.send(b"Hi!").await.unwrap();
        near.send(&[b'x'; 17]).await.unwrap();
        near.send(b"Hope you're well").await.unwrap();
        near.finish().await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap(), b"Hi!");
        let error = far.next().await.unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
        assert_eq!(far.next().await.unwrap().unwrap(), b"Hope you're well");
        assert!(far.next().await.unwrap().is_none());
        far.send(b"a late answer").await.unwrap();
        assert_eq!(near.next().await.unwrap().unwrap(), b"a late answer");
    }

    #[tokio::test]
    async fn a_last_line_without_its_end_counts() {
        let (mut near, far) = MemoryNetwork::new().pair();
        let mut far = far.framed(&Framing::default(), Limits::default());
        near.write_all(b"one\ntwo").await.unwrap();
        near.finish().await.unwrap();
        assert_eq!(far.next().await.unwrap().unwrap(), b"one");
        assert_eq!(far.next().await.unwrap().unwrap(), b"two");
        assert!(far.next().await.unwrap().is_none());
    }
}
