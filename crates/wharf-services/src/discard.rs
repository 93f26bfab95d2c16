//! Discard (RFC 863): everything is read and thrown away; nothing is sent.

use wharf::connection::Connection;
use wharf::datagram::{Batch, DatagramService};
use wharf::framing::{Decoder, FrameError, Framing, Limits, OnTooLong};
use wharf::service::{Context, Service, ServiceError};

/// Throws everything away.
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Discard;
///
/// let counting = Discard { framing: Some("lines".parse().unwrap()) };
/// let server = Server::new()
///     .serve("discard", "tcp::0".parse().unwrap(), counting)
///     .serve_datagrams("discard", "udp::0".parse().unwrap(), Discard::default());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Discard {
    /// How messages are told apart, so that they are counted; without it only
    /// bytes are. A message of any length counts.
    pub framing: Option<Framing>,
}

impl Service for Discard {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        let Some(framing) = &self.framing else {
            while peer.read_chunk().await?.is_some() {}
            return Ok(());
        };
        let mut decoder = Decoder::new(framing, SKIP_LONG);
        while let Some(chunk) = peer.read_chunk().await? {
            let mut input = &chunk[..];
            while let Some(message) = decoder.next(&mut input) {
                count(peer, message.map(|_| ()))?;
            }
        }
        match decoder.finish() {
            Some(message) => count(peer, message.map(|_| ())),
            None => Ok(()),
        }
    }
}

/// Nothing is kept of a long message, so there is no reason to mind it.
const SKIP_LONG: Limits = Limits {
    max_message: wharf::limits::MAX_MESSAGE,
    on_too_long: OnTooLong::Skip,
};

fn count(peer: &Connection, message: Result<(), FrameError>) -> Result<(), ServiceError> {
    match message {
        Ok(()) | Err(FrameError::TooLong { .. }) => {
            peer.count_messages(1);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

impl DatagramService for Discard {
    fn receive(&self, _: &mut Batch, _: &Context) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        EVERYWHERE, LOCAL, STREAMS, answers, client_of, everything, heard, heard_at,
    };

    #[tokio::test]
    async fn a_megabyte_is_taken_and_nothing_comes_back() {
        let words = vec![vec![b'x'; 1 << 16]; 16];
        assert_eq!(heard(Discard::default(), EVERYWHERE[0], &words).await, b"");
        for address in STREAMS {
            assert_eq!(heard_at(address, Discard::default(), b"x").await, b"");
        }
    }

    #[tokio::test]
    async fn messages_are_counted_however_long() {
        let discard = Discard {
            framing: Some(Framing::default()),
        };
        let (mut client, running) = client_of("tcp:127.0.0.1:0", discard).await;
        let long = "x".repeat(100_000);
        let words = format!("one\n{long}\nthree");
        client.write_all(words.as_bytes()).await.unwrap();
        client.finish().await.unwrap();
        assert_eq!(everything(&mut client).await, b"");
        running.drain().await;
        assert_eq!(running.snapshot().messages, 3);
    }

    #[test]
    fn datagrams_are_not_answered() {
        assert!(answers(&Discard::default(), LOCAL, &[b"x", b""]).is_empty());
    }
}
