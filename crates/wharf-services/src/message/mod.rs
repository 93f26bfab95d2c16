//! Message: takes messages from every client and shows them; sends nothing back.
//!
//! Over streams a message ends at a newline – or where another framing says – and
//! when the client closes; it is bounded. Over datagrams each one is a message.
//! `shown` is what is reported, with the words to print.

mod shown;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use wharf::connection::{Connection, DrainReads};
use wharf::datagram::{Batch, DatagramService};
use wharf::framing::{Decoder, FrameError, Framing, Limits, OnTooLong};
use wharf::network::StreamKind;
use wharf::service::{Context, Service, ServiceError};

pub use shown::Shown;

/// Takes messages and shows them.
///
/// A library does not print: what happens is reported to a function, and
/// [`Shown`] has the words.
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Message;
/// use wharf_services::message::Shown;
///
/// let message = Message::new(|shown: &Shown<'_>| println!("{shown}"));
/// let server = Server::new()
///     .serve("message", "tcp::0".parse().unwrap(), message.clone())
///     .serve_datagrams("message", "udp::0".parse().unwrap(), message.clone());
/// message.ready(); // once the server has started: "server waits for connection"
/// ```
///
/// Clones report to the same function, which is called from the serving threads:
/// it must be quick.
#[derive(Clone)]
pub struct Message {
    report: Arc<Report>,
    framing: Framing,
    limits: Limits,
    messages: Messages,
}

/// How many messages are taken from one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Messages {
    /// All, until the client closes.
    #[default]
    All,
    /// The first one; then the server closes.
    One,
}

struct Report {
    show: Box<dyn Fn(&Shown<'_>) + Send + Sync>,
    ready: AtomicBool,
}

impl Message {
    /// A service that reports to `show`.
    pub fn new(show: impl Fn(&Shown<'_>) + Send + Sync + 'static) -> Self {
        Message {
            report: Arc::new(Report {
                show: Box::new(show),
                ready: AtomicBool::new(false),
            }),
            framing: Framing::default(),
            limits: Limits::default(),
            messages: Messages::All,
        }
    }

    /// Sets where a message ends; lines by default.
    #[must_use]
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Sets the longest message; a longer one closes the connection as too long,
    /// or is skipped.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Decides how many messages are taken from one connection.
    #[must_use]
    pub fn messages(mut self, messages: Messages) -> Self {
        self.messages = messages;
        self
    }

    /// Reports [`Shown::WaitsForConnection`]; to be called once the server has
    /// started. It is reported once; if nobody calls this, before the first client.
    pub fn ready(&self) {
        if !self.report.ready.swap(true, Ordering::AcqRel) {
            self.show(&Shown::WaitsForConnection);
        }
    }

    fn show(&self, shown: &Shown<'_>) {
        (self.report.show)(shown);
    }

    fn decoder(&self, kind: StreamKind) -> Decoder {
        match kind {
            StreamKind::Bytes => Decoder::new(&self.framing, self.limits),
            // Each packet is a message.
            StreamKind::Packets => Decoder::new(&Framing::Raw, self.limits),
        }
    }

    /// Shows one message; says whether more are wanted.
    fn take(
        &self,
        peer: &Connection,
        message: Result<wharf::framing::Message<'_>, FrameError>,
    ) -> Result<Wanted, ServiceError> {
        match message {
            Ok(message) => {
                peer.count_messages(1);
                self.show(&Shown::Received {
                    peer: peer.peer(),
                    message: message.as_bytes(),
                });
                Ok(match self.messages {
                    Messages::All => Wanted::More,
                    Messages::One => Wanted::Nothing,
                })
            }
            Err(FrameError::TooLong { .. }) if self.limits.on_too_long == OnTooLong::Skip => {
                Ok(Wanted::More)
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    More,
    Nothing,
}

impl Service for Message {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        self.ready();
        self.show(&Shown::Accepted { peer: peer.peer() });
        self.show(&Shown::WaitsForData { peer: peer.peer() });
        let mut decoder = self.decoder(peer.kind());
        loop {
            // In the middle of a message the peer is not idle, and a drain waits for it.
            peer.read_through_drain(if decoder.has_partial() {
                DrainReads::Wait
            } else {
                DrainReads::End
            });
            let Some(chunk) = peer.read_chunk().await? else {
                break;
            };
            let mut input = &chunk[..];
            while let Some(message) = decoder.next(&mut input) {
                if self.take(peer, message)? == Wanted::Nothing {
                    return Ok(());
                }
            }
        }
        match decoder.finish() {
            Some(message) => self.take(peer, message).map(|_| ()),
            None => Ok(()),
        }
    }
}

impl DatagramService for Message {
    fn receive(&self, batch: &mut Batch, _: &Context) {
        for datagram in batch.iter() {
            self.show(&Shown::Received {
                peer: datagram.peer,
                message: datagram.payload,
            });
        }
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("framing", &self.framing)
            .field("limits", &self.limits)
            .field("messages", &self.messages)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        EVERYWHERE, LOCAL, answers, client_of, conversation, everything, heard, heard_at,
    };
    use std::sync::Mutex;
    use wharf::connection::CloseReason;

    #[tokio::test]
    async fn the_dialogues_of_the_documentation() {
        let page = include_str!("../../../../docs/protocols/message.md");
        crate::testing::replay(page, async |_| {
            let (sender, shown) = tokio::sync::mpsc::unbounded_channel();
            let message = Message::new(move |shown: &Shown<'_>| {
                // After the dialogue nobody listens.
                let _ = sender.send(shown.to_string());
            });
            crate::testing::Stage {
                shown: Some(shown),
                ..crate::testing::stage(message).await
            }
        })
        .await;
    }

    /// A service, and the lines that it has shown.
    fn noted() -> (Message, Arc<Mutex<Vec<String>>>) {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&lines);
        let message = Message::new(move |shown: &Shown<'_>| {
            noted.lock().unwrap().push(shown.to_string());
        });
        (message, lines)
    }

    /// What was received, of everything that was shown.
    fn received(lines: &Mutex<Vec<String>>) -> Vec<String> {
        let lines = lines.lock().unwrap();
        let messages = lines
            .iter()
            .filter_map(|l| l.strip_prefix("server received  "));
        messages.map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn one_client_with_one_message_makes_the_four_lines() {
        let (message, lines) = noted();
        let (mut client, running) = client_of("tcp:127.0.0.1:0", message.clone()).await;
        message.ready();
        client.write_all(b"hello there!").await.unwrap();
        let port = client.local().port().unwrap();
        client.finish().await.unwrap();
        assert_eq!(everything(&mut client).await, b"");
        running.drain().await;
        assert_eq!(
            *lines.lock().unwrap(),
            [
                "server waits for connection".to_owned(),
                format!("server accepted connection request from  ('127.0.0.1', {port})"),
                "server waits for data".to_owned(),
                "server received  hello there!".to_owned(),
            ]
        );
    }

    #[tokio::test]
    async fn messages_end_at_newlines_and_at_the_close() {
        for delivery in EVERYWHERE {
            let (message, lines) = noted();
            assert_eq!(
                heard(message, delivery, &["one\ntw", "o\r\nthree"]).await,
                b""
            );
            assert_eq!(received(&lines), ["one", "two", "three"], "{delivery:?}");
        }
    }

    #[tokio::test]
    async fn another_framing_has_other_ends() {
        for delivery in EVERYWHERE {
            let (message, lines) = noted();
            let message = message.framing("u8".parse().unwrap());
            heard(message, delivery, &[b"\x03one\x02\n\n"]).await;
            assert_eq!(received(&lines), ["one", "\\n\\n"], "{delivery:?}");
        }
    }

    #[tokio::test]
    async fn one_message_and_goodbye() {
        let (message, lines) = noted();
        let message = message.messages(Messages::One);
        // The client does not end its stream: the server closes first.
        let (mut client, _running) = client_of("tcp:127.0.0.1:0", message).await;
        client.write_all(b"one\ntwo\n").await.unwrap();
        assert_eq!(everything(&mut client).await, b"");
        assert_eq!(received(&lines), ["one"]);
    }

    #[tokio::test]
    async fn each_packet_is_a_message() {
        let (message, lines) = noted();
        heard_at("seqpacket:@message", message, b"a\nb").await;
        assert_eq!(received(&lines), ["a\\nb"]);
    }

    #[tokio::test]
    async fn a_message_without_end_is_too_long() {
        for delivery in EVERYWHERE {
            let (message, lines) = noted();
            let message = message.limits(Limits {
                max_message: 8,
                ..Limits::default()
            });
            let (_, outcome) = conversation(message, delivery, &[b"short\nmuch too long"]).await;
            assert_eq!(outcome.unwrap_err().reason(), CloseReason::MessageTooLong);
            assert_eq!(received(&lines), ["short"]);
        }
    }

    #[test]
    fn each_datagram_is_a_message_and_none_is_answered() {
        let (message, lines) = noted();
        assert!(answers(&message, LOCAL, &[b"one", b""]).is_empty());
        assert_eq!(received(&lines), ["one", ""]);
    }
}
