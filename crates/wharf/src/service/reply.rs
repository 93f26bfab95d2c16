//! A function from message to reply, served over any framing.

use crate::connection::{Connection, DrainReads};
use crate::framing::{Decoder, Encoder, FrameError, Framing, Limits, OnTooLong};
use crate::network::StreamKind;
use crate::service::{Context, Service, ServiceError};

/// Answers waiting to be written together: past this many bytes they are written
/// before the next message is looked at, so requests cannot pile up answers.
const OUTPUT_BATCH: usize = 64 * 1024;

/// What an idle connection may keep of its output buffer, in bytes.
const OUTPUT_KEPT: usize = 512;

/// What to answer to one message.
///
/// Every `Fn(&[u8], &mut Vec<u8>)` is one. The same value is served over streams
/// by [`Framed`] and over datagrams by [`Datagrammed`](crate::datagram::Datagrammed).
pub trait Reply: Send + Sync + 'static {
    /// Appends the answer to `message` to `reply`, which is empty; leaving it
    /// empty sends an empty message where the framing has one (raw streams and
    /// SEQPACKET have none: nothing is sent).
    fn reply(&self, message: &[u8], reply: &mut Vec<u8>);
}

impl<F: Fn(&[u8], &mut Vec<u8>) + Send + Sync + 'static> Reply for F {
    fn reply(&self, message: &[u8], reply: &mut Vec<u8>) {
        self(message, reply);
    }
}

/// A [`Reply`] as a service over byte streams: one answer per message.
///
/// ```
/// use wharf::framing::Framing;
/// use wharf::server::Server;
/// use wharf::service::Framed;
///
/// let shout = Framed::new(Framing::default(), |message: &[u8], reply: &mut Vec<u8>| {
///     reply.extend(message.to_ascii_uppercase());
/// });
/// let server = Server::new().serve("shout", "tcp::0".parse().unwrap(), shout);
/// ```
///
/// Answers to messages that arrive together are sent together. On a stream that
/// keeps boundaries itself (SEQPACKET) each packet is a message and the framing is
/// not used.
#[derive(Clone, Debug)]
pub struct Framed<R> {
    framing: Framing,
    limits: Limits,
    replies: Replies,
    handler: R,
}

/// How many messages a connection is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replies {
    /// All of them.
    #[default]
    All,
    /// The first one; then the server closes.
    Once,
}

impl<R: Reply> Framed<R> {
    /// Serves `handler` over `framing`, with the framing's default limits.
    pub fn new(framing: Framing, handler: R) -> Self {
        Framed {
            framing,
            limits: Limits::default(),
            replies: Replies::All,
            handler,
        }
    }

    /// Sets the longest message and what happens to a longer one.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Decides how many messages are answered.
    #[must_use]
    pub fn replies(mut self, replies: Replies) -> Self {
        self.replies = replies;
        self
    }
}

impl<R: Reply> Service for Framed<R> {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        let mut talk = Talk::new(self, peer.kind());
        loop {
            // In the middle of a message the peer is not idle, and a drain waits for it.
            peer.read_through_drain(if talk.decoder.has_partial() {
                DrainReads::Wait
            } else {
                DrainReads::End
            });
            let Some(chunk) = peer.read_chunk().await? else {
                break;
            };
            let mut input = &chunk[..];
            while !talk.done && !input.is_empty() {
                let outcome = talk.answer(&mut input);
                peer.count_messages(talk.take_count());
                // What was answered before a broken message is sent all the same.
                peer.write_all(&talk.output).await?;
                talk.output.clear();
                outcome?;
            }
            if talk.done {
                return Ok(());
            }
            talk.output.shrink_to(OUTPUT_KEPT);
        }
        let outcome = talk.answer_last();
        peer.count_messages(talk.take_count());
        peer.write_all(&talk.output).await?;
        outcome
    }
}

/// One connection's conversation.
struct Talk<'a, R> {
    framed: &'a Framed<R>,
    decoder: Decoder,
    encoder: Encoder,
    batch: usize,
    output: Vec<u8>,
    count: u64,
    done: bool,
}

impl<'a, R: Reply> Talk<'a, R> {
    fn new(framed: &'a Framed<R>, kind: StreamKind) -> Self {
        let (framing, batch) = match kind {
            StreamKind::Bytes => (&framed.framing, OUTPUT_BATCH),
            // One write is one packet: answers must not be joined.
            StreamKind::Packets => (&Framing::Raw, 1),
        };
        Talk {
            decoder: Decoder::new(framing, framed.limits),
            encoder: Encoder::new(framing),
            framed,
            batch,
            output: Vec::new(),
            count: 0,
            done: false,
        }
    }

    /// Answers messages from the front of `input` until it is used up or the
    /// output is worth a write.
    fn answer(&mut self, input: &mut &[u8]) -> Result<(), ServiceError> {
        let mut reply = Vec::new();
        while self.output.len() < self.batch {
            match self.decoder.next(input) {
                None => return Ok(()),
                Some(Ok(message)) => {
                    reply.clear();
                    self.framed.handler.reply(&message, &mut reply);
                    encode(&self.encoder, &reply, &mut self.output)?;
                    self.count += 1;
                }
                Some(Err(FrameError::TooLong { .. }))
                    if self.framed.limits.on_too_long == OnTooLong::Skip => {}
                Some(Err(error)) => return Err(error.into()),
            }
            if self.framed.replies == Replies::Once && self.count > 0 {
                self.done = true;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Answers a last message that came without its terminator.
    fn answer_last(&mut self) -> Result<(), ServiceError> {
        match self.decoder.finish() {
            None => Ok(()),
            Some(Err(error)) => Err(error.into()),
            Some(Ok(message)) => {
                let mut reply = Vec::new();
                self.framed.handler.reply(&message, &mut reply);
                self.count += 1;
                encode(&self.encoder, &reply, &mut self.output)
            }
        }
    }

    fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.count)
    }
}

fn encode(encoder: &Encoder, reply: &[u8], output: &mut Vec<u8>) -> Result<(), ServiceError> {
    encoder
        .encode(reply, output)
        .map_err(|error| ServiceError::failed(format!("the answer fits no frame: {error}")))
}

impl From<FrameError> for ServiceError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::TooLong { limit, .. } => ServiceError::TooLong { limit },
            FrameError::Malformed { .. } | FrameError::Truncated { .. } => {
                ServiceError::Protocol(error.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::{MemoryNetwork, Network, memory::Delivery};
    use crate::service::Drain;

    fn shout() -> impl Reply {
        |message: &[u8], reply: &mut Vec<u8>| reply.extend(message.to_ascii_uppercase())
    }

    /// What a client hears that says `words` and ends its stream.
    async fn heard(service: Framed<impl Reply>, delivery: Delivery, words: &[u8]) -> Vec<u8> {
        let network = MemoryNetwork::new();
        network.deliver(delivery);
        let (mut client, mut server) = network.pair();
        let context = Context::new(network.platform(), Drain::new());
        let serving = async move {
            let outcome = service.serve(&mut server, &context).await;
            server.close().await.unwrap();
            outcome
        };
        let talking = async move {
            client.write_all(words).await.unwrap();
            client.finish().await.unwrap();
            let mut heard = Vec::new();
            while let Some(chunk) = client.read_chunk().await.unwrap() {
                heard.extend_from_slice(&chunk);
            }
            heard
        };
        let (_, heard) = tokio::join!(serving, talking);
        heard
    }

    #[tokio::test]
    async fn each_line_gets_its_answer_however_it_arrives() {
        for delivery in [Delivery::AsSent, Delivery::ByteByByte] {
            let service = Framed::new(Framing::default(), shout());
            let heard = heard(service, delivery, b"one\r\ntwo\nthree").await;
            assert_eq!(heard, b"ONE\nTWO\nTHREE\n", "{delivery:?}");
        }
    }

    #[tokio::test]
    async fn answers_before_a_broken_message_are_sent() {
        let service = Framed::new("netstring".parse().unwrap(), shout());
        assert_eq!(
            heard(service, Delivery::AsSent, b"2:hi,nonsense").await,
            b"2:HI,"
        );
    }

    #[tokio::test]
    async fn a_too_long_message_is_skipped_when_asked() {
        let service = Framed::new(Framing::default(), shout()).limits(Limits {
            max_message: 4,
            on_too_long: OnTooLong::Skip,
        });
        assert_eq!(
            heard(service, Delivery::AsSent, b"much too long\nok\n").await,
            b"OK\n"
        );
    }

    #[tokio::test]
    async fn once_closes_after_the_first_answer() {
        let service = Framed::new(Framing::default(), shout()).replies(Replies::Once);
        assert_eq!(heard(service, Delivery::AsSent, b"a\nb\n").await, b"A\n");
    }
}
