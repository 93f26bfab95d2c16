//! Character generator (RFC 864): lines of a rotating pattern, without end.
//!
//! Over streams the pattern is sent as fast as the peer takes it, until the peer
//! ends its stream; what it sends is thrown away. Over datagrams each one is
//! answered by 0 to 512 characters.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context as Task, Poll, ready};

use tokio::io::AsyncWrite;

use wharf::connection::Connection;
use wharf::datagram::{Amplification, Batch, DatagramService};
use wharf::network::StreamKind;
use wharf::service::{Context, Service, ServiceError};

use crate::loops::may_loop;

/// The characters in rotation: space to tilde.
const PRINTABLE: usize = 95;

/// A line: 72 characters, CR and LF.
const LINE: usize = 74;

/// The most characters in a datagram (RFC 864: "between 0 and 512").
const MOST: usize = 512;

/// One whole turn of the pattern: after 95 lines it begins again.
static PATTERN: [u8; PRINTABLE * LINE] = pattern();

const fn pattern() -> [u8; PRINTABLE * LINE] {
    let mut pattern = [0; PRINTABLE * LINE];
    let mut at = 0;
    while at < pattern.len() {
        let (line, column) = (at / LINE, at % LINE);
        pattern[at] = match column {
            72 => b'\r',
            73 => b'\n',
            // Below 95, so it is a byte.
            _ => b' ' + ((line + column) % PRINTABLE) as u8,
        };
        at += 1;
    }
    pattern
}

/// Sends a pattern without end.
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Chargen;
///
/// let server = Server::new()
///     .serve("chargen", "tcp::0".parse().unwrap(), Chargen)
///     .serve_datagrams("chargen", "udp::0".parse().unwrap(), Chargen);
/// ```
///
/// A datagram of a peer on this machine is answered by a random number of
/// characters; any other peer gets as many as it sent, at most 512: this service
/// was the first amplifier of attacks with forged addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chargen;

impl Service for Chargen {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        let mut at = 0;
        poll_fn(|cx| {
            if let Poll::Ready(ended) = poll_end(cx, peer) {
                return Poll::Ready(ended);
            }
            poll_pattern(cx, peer, &mut at)
        })
        .await?;
        Ok(())
    }
}

/// Throws input away; ready when the peer's stream has ended.
fn poll_end(cx: &mut Task<'_>, peer: &mut Connection) -> Poll<io::Result<()>> {
    loop {
        // The future has no state of its own, so it can be made for one poll.
        if ready!(pin!(peer.read_chunk()).poll(cx))?.is_none() {
            return Poll::Ready(Ok(()));
        }
    }
}

/// Writes the pattern; ready only when it cannot be written.
fn poll_pattern(cx: &mut Task<'_>, peer: &mut Connection, at: &mut usize) -> Poll<io::Result<()>> {
    let most = match peer.kind() {
        StreamKind::Bytes => PATTERN.len(),
        // One write is one packet: a line.
        StreamKind::Packets => LINE,
    };
    loop {
        let rest = &PATTERN[*at..PATTERN.len().min(*at + most)];
        match ready!(Pin::new(&mut *peer).poll_write(cx, rest))? {
            0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            written => *at = (*at + written) % PATTERN.len(),
        }
    }
}

impl DatagramService for Chargen {
    fn receive(&self, batch: &mut Batch, context: &Context) {
        for i in 0..batch.len() {
            let datagram = batch.get(i);
            if may_loop(datagram.peer) {
                continue;
            }
            let trusted =
                datagram.peer.is_local() || batch.amplification() == Amplification::Allowed;
            let length = if trusted {
                random_length(context)
            } else {
                datagram.payload.len().min(MOST)
            };
            batch.reply(i, &PATTERN[..length]);
        }
    }
}

/// A random number from 0 to [`MOST`].
fn random_length(context: &Context) -> usize {
    let mut random = [0; 2];
    context.random(&mut random);
    usize::from(u16::from_ne_bytes(random)) % (MOST + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{LOCAL, STRANGER, STREAMS, answers, client_of, context};
    use wharf::network::MemoryNetwork;

    #[test]
    fn the_pattern_is_that_of_the_rfc() {
        let lines: Vec<_> = PATTERN.chunks(LINE).collect();
        assert!(lines[0].starts_with(b" !\"#$%&'()*+,-./0123456789"));
        assert!(lines[1].starts_with(b"!\"#$%&'()*+,-./0123456789"));
        assert!(lines[94].starts_with(b"~ !\"#"));
        assert!(lines.iter().all(|line| line.ends_with(b"\r\n")));
    }

    #[tokio::test]
    async fn lines_come_until_the_client_ends_its_stream() {
        for address in STREAMS {
            let (mut client, running) = client_of(address, Chargen).await;
            let mut heard = Vec::new();
            while heard.len() < 2 * PATTERN.len() {
                heard.extend_from_slice(&client.read_chunk().await.unwrap().unwrap());
            }
            assert_eq!(heard[..PATTERN.len()], PATTERN, "{address}");
            assert_eq!(heard[PATTERN.len()..2 * PATTERN.len()], PATTERN);
            client.finish().await.unwrap();
            while client.read_chunk().await.unwrap().is_some() {}
            drop(client);
            running.drain().await;
            let closed = running
                .snapshot()
                .ended(wharf::connection::CloseReason::PeerClosed);
            assert_eq!(closed, 1, "{address}");
        }
    }

    #[tokio::test]
    async fn a_peer_that_never_reads_is_noticed_when_it_ends() {
        let (mut client, mut server) = MemoryNetwork::new().pair();
        let serving = tokio::spawn(async move { Chargen.serve(&mut server, &context()).await });
        client.write_all(&[0; 100_000]).await.unwrap();
        client.finish().await.unwrap();
        serving.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_reset_ends_it() {
        let network = MemoryNetwork::new();
        let (_client, mut server) = network.pair();
        let serving = tokio::spawn(async move { Chargen.serve(&mut server, &context()).await });
        tokio::task::yield_now().await;
        network.reset_all();
        assert!(serving.await.unwrap().is_err());
    }

    #[test]
    fn strangers_get_as_many_characters_as_they_sent() {
        let long = [b'?'; 1000];
        let replies = answers(&Chargen, STRANGER, &[b"12345", b"", &long]);
        let lengths: Vec<_> = replies.iter().map(Vec::len).collect();
        assert_eq!(lengths, [5, 0, MOST]);
        assert_eq!(replies[2], PATTERN[..MOST]);
    }

    #[test]
    fn local_peers_get_at_most_512() {
        let replies = answers(&Chargen, LOCAL, &[&b""[..]; 64]);
        assert_eq!(replies.len(), 64);
        assert!(replies.iter().all(|reply| reply.len() <= MOST));
        assert!(replies.iter().any(|reply| reply.len() != replies[0].len()));
    }
}
