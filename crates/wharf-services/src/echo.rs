//! Echo (RFC 862): everything comes back as it was sent.
//!
//! Over streams the bytes come back until the client ends its stream; over
//! datagrams each one comes back whole, also an empty one.

use wharf::connection::Connection;
use wharf::datagram::{Batch, DatagramService};
use wharf::service::{Context, Replies, Service, ServiceError};

use crate::loops::may_loop;

/// Sends everything back.
///
/// ```
/// use wharf::server::Server;
/// use wharf::service::Replies;
/// use wharf_services::Echo;
///
/// let server = Server::new()
///     .serve("echo", "tcp::0".parse().unwrap(), Echo::default())
///     .serve("once", "tcp::0".parse().unwrap(), Echo { replies: Replies::Once })
///     .serve_datagrams("echo", "udp::0".parse().unwrap(), Echo::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    /// How often a connection is answered. A reply is what one read gave, so
    /// [`Replies::Once`] does what the simplest server does: recv, send, close.
    /// Datagrams are always all answered.
    pub replies: Replies,
}

impl Service for Echo {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        while let Some(chunk) = peer.read_chunk().await? {
            peer.write_all(&chunk).await?;
            if self.replies == Replies::Once {
                break;
            }
        }
        Ok(())
    }
}

impl DatagramService for Echo {
    fn receive(&self, batch: &mut Batch, _: &Context) {
        for i in 0..batch.len() {
            if !may_loop(batch.get(i).peer) {
                batch.reply_in_place(i);
            }
        }
    }
}

/// Echo as a [`Reply`](wharf::service::Reply), for any framing.
///
/// ```
/// use wharf::framing::Framing;
/// use wharf::service::Framed;
/// use wharf_services::echo_reply;
///
/// let service = Framed::new("u32".parse::<Framing>().unwrap(), echo_reply);
/// ```
pub fn echo_reply(message: &[u8], reply: &mut Vec<u8>) {
    reply.extend_from_slice(message);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{EVERYWHERE, LOCAL, STRANGER, STREAMS, answers, heard, heard_at};

    #[tokio::test]
    async fn the_dialogues_of_the_documentation() {
        let page = include_str!("../../../docs/protocols/echo.md");
        crate::testing::replay(page, async |_| crate::testing::stage(Echo::default()).await).await;
    }

    #[tokio::test]
    async fn two_words_come_back_and_their_boundary_is_lost() {
        for delivery in EVERYWHERE {
            let words = [&b"Hi!"[..], b"Hope you're well"];
            let heard = heard(Echo::default(), delivery, &words).await;
            assert_eq!(heard, b"Hi!Hope you're well", "{delivery:?}");
        }
    }

    #[tokio::test]
    async fn it_speaks_over_every_stream_of_the_system() {
        for address in STREAMS {
            let heard = heard_at(address, Echo::default(), b"hello").await;
            assert_eq!(heard, b"hello", "{address}");
        }
    }

    #[tokio::test]
    async fn once_is_one_read_one_write_and_goodbye() {
        let once = Echo {
            replies: Replies::Once,
        };
        assert_eq!(heard_at("tcp:127.0.0.1:0", once, b"hello").await, b"hello");
    }

    #[test]
    fn every_datagram_comes_back_also_an_empty_one() {
        for peer in [LOCAL, STRANGER] {
            let sent = [&b"one"[..], b"", b"three"];
            assert_eq!(answers(&Echo::default(), peer, &sent), sent);
        }
    }

    #[test]
    fn another_echo_is_not_answered() {
        assert!(answers(&Echo::default(), "192.0.2.1:7", &[b"ping"]).is_empty());
    }
}
