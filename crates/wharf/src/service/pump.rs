//! Joins a connection to a pipe: a thread's, a program's, another connection's.
//!
//! ```text
//!            input: peer's bytes, then its end of stream
//!   peer  ───────────────────────────────────────────────▶  to
//!         ◀───────────────────────────────────────────────  from
//!            output: until `from` ends
//! ```
//! The two directions wait for nobody but themselves: a peer that does not read
//! stops the output and not the input, and an owner that does not read stops the
//! input and not the output. Each direction holds at most one read buffer, and
//! none while nothing comes.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::{Chunk, Connection, give_buffer, take_buffer};
use crate::service::ServiceError;

/// Carries bytes between a [`Connection`] and a pair of pipe ends, both ways at
/// once and with backpressure.
///
/// ```
/// use wharf::connection::Connection;
/// use wharf::service::{Context, Pump, Service, ServiceError};
///
/// /// Whoever calls is joined to a service in this process.
/// struct Joined;
///
/// impl Service for Joined {
///     async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
///         let (ours, theirs) = tokio::io::duplex(4096);
///         # drop(theirs);
///         let (from, to) = tokio::io::split(ours);
///         Pump::new(from, to).run(peer).await
///     }
/// }
/// ```
///
/// The peer's end of stream shuts `to` down and drops it. Once `to` takes nothing
/// any more, what the peer still sends is thrown away: its reset is then noticed,
/// and a peer that sends everything before it reads is not stuck.
#[derive(Debug)]
pub struct Pump<R, W> {
    from: R,
    /// Gone once the input has ended or is taken no more.
    to: Option<W>,
    /// The peer's bytes on their way to `to`.
    inbound: Option<Chunk>,
    /// The owner's bytes on their way to the peer.
    outbound: Option<Chunk>,
    input: Direction,
    output: Direction,
    /// Output was written that a connection with a buffer (TLS) may still hold.
    unflushed: bool,
    /// Set once the peer has said everything.
    all_said: Option<Arc<AtomicBool>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Open,
    Ended,
}

impl<R, W> Pump<R, W>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    /// A pump that sends the peer what `from` gives, and writes what it says to `to`.
    pub fn new(from: R, to: W) -> Self {
        Pump {
            from,
            to: Some(to),
            inbound: None,
            outbound: None,
            input: Direction::Open,
            output: Direction::Open,
            unflushed: false,
            all_said: None,
        }
    }

    /// Sets `flag` once the peer has ended its stream, so that the owner of the
    /// pipe can tell that end from a connection that was cut.
    #[must_use]
    pub fn telling_of_the_end(mut self, flag: Arc<AtomicBool>) -> Self {
        self.all_said = Some(flag);
        self
    }

    /// Carries both directions until `from` has ended and all of it is written.
    /// Cancel safe: it may be called again.
    ///
    /// # Errors
    /// [`ServiceError::Io`] when the connection fails or a drain ends its input,
    /// [`ServiceError::Failed`]
    /// when `from` does. That `to` takes nothing any more is not an error.
    pub async fn run(&mut self, connection: &mut Connection) -> Result<(), ServiceError> {
        poll_fn(|cx| {
            if let Poll::Ready(outcome) = self.poll_output(cx, connection) {
                return Poll::Ready(outcome);
            }
            match self.poll_input(cx, connection) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
                Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
            }
        })
        .await
    }

    /// Carries the input alone until the peer's end of stream: for an owner that
    /// ended its output and still reads. Cancel safe.
    ///
    /// # Errors
    /// Those of recv(2).
    pub async fn feed(&mut self, connection: &mut Connection) -> io::Result<()> {
        poll_fn(|cx| self.poll_input(cx, connection)).await
    }

    /// Ready when the peer's end of stream was passed on.
    fn poll_input(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_pass_on(cx));
            if self.input == Direction::Ended {
                if let Some(to) = &mut self.to {
                    // It fails only when nobody reads any more.
                    let _ = ready!(Pin::new(to).poll_shutdown(cx));
                }
                // For some pipes (a program's stdin) only the drop closes.
                self.to = None;
                return Poll::Ready(Ok(()));
            }
            // The future has no state of its own, so it can be made for one poll.
            let read = pin!(connection.read_chunk()).poll(cx)?;
            match read {
                Poll::Ready(Some(chunk)) => self.inbound = Some(chunk),
                Poll::Ready(None) if !connection.saw_end() => {
                    // The drain ended it, not the peer: passing it on would make half
                    // of something look like the whole.
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                Poll::Ready(None) => {
                    self.input = Direction::Ended;
                    if let Some(flag) = &self.all_said {
                        flag.store(true, Ordering::Release);
                    }
                }
                Poll::Pending => {
                    if let Some(to) = &mut self.to {
                        // A failure shows in the next write.
                        let _ = Pin::new(to).poll_flush(cx);
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Ready when the bytes at hand are with the owner of the pipe, or nobody wants them.
    fn poll_pass_on(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(chunk) = &mut self.inbound {
            let written = match &mut self.to {
                Some(to) => ready!(Pin::new(to).poll_write(cx, chunk)).unwrap_or(0),
                None => 0,
            };
            chunk.advance(written);
            if written == 0 {
                // Nobody reads any more; what the owner still writes counts.
                self.to = None;
            }
            if written == 0 || chunk.is_empty() {
                self.inbound = None;
            }
        }
        Poll::Ready(())
    }

    /// Ready when `from` has ended and everything is written.
    fn poll_output(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<Result<(), ServiceError>> {
        loop {
            ready!(self.poll_send(cx, connection))?;
            let read = match self.output {
                Direction::Ended => Poll::Ready(Ok(None)),
                Direction::Open => self.poll_take(cx),
            };
            match read {
                Poll::Ready(Ok(Some(chunk))) => self.outbound = Some(chunk),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(ServiceError::failed(error))),
                Poll::Ready(Ok(None)) => {
                    self.output = Direction::Ended;
                    return self.poll_flush(cx, connection).map_err(ServiceError::Io);
                }
                Poll::Pending => {
                    ready!(self.poll_flush(cx, connection))?;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Ready when the output at hand is written.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<io::Result<()>> {
        while let Some(chunk) = &mut self.outbound {
            let written = ready!(Pin::new(&mut *connection).poll_write(cx, chunk))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unflushed = true;
            chunk.advance(written);
            if chunk.is_empty() {
                self.outbound = None;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Takes output from the pipe; `None` is its end.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Chunk>>> {
        let mut buffer = take_buffer();
        let mut space = ReadBuf::new(&mut buffer);
        let outcome = Pin::new(&mut self.from).poll_read(cx, &mut space);
        let length = space.filled().len();
        if length > 0 {
            return Poll::Ready(Ok(Some(Chunk::new(buffer, length))));
        }
        give_buffer(buffer);
        outcome.map_ok(|()| None)
    }

    fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(connection).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::MemoryNetwork;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};

    async fn everything(connection: &mut Connection) -> Vec<u8> {
        let mut heard = Vec::new();
        while let Some(chunk) = connection.read_chunk().await.unwrap() {
            heard.extend_from_slice(&chunk);
        }
        heard
    }

    #[tokio::test]
    async fn a_late_answer_follows_the_peers_end_of_stream() {
        let (mut client, mut server) = MemoryNetwork::new().pair();
        let (ours, mut owner) = duplex(64);
        let pumping = async move {
            let (from, to) = split(ours);
            Pump::new(from, to).run(&mut server).await.unwrap();
            server.close().await.unwrap();
        };
        let owning = async move {
            let mut question = Vec::new();
            owner.read_to_end(&mut question).await.unwrap();
            assert_eq!(question, b"how far?");
            owner.write_all(b"three miles").await.unwrap();
        };
        let asking = async move {
            client.write_all(b"how far?").await.unwrap();
            client.finish().await.unwrap();
            assert_eq!(everything(&mut client).await, b"three miles");
        };
        tokio::join!(pumping, owning, asking);
    }

    #[tokio::test]
    async fn an_owner_that_never_reads_is_still_heard_and_the_peer_is_not_stuck() {
        const MUCH: usize = 1 << 20;
        let (mut client, mut server) = MemoryNetwork::new().pair();
        let (closed, nobody) = duplex(64);
        drop(nobody);
        let (from, mut owner) = duplex(64);
        let pumping = async move {
            let mut pump = Pump::new(from, closed);
            pump.run(&mut server).await.unwrap();
            server.finish().await.unwrap();
            pump.feed(&mut server).await.unwrap();
        };
        let owning = async move {
            owner.write_all(b"all I say").await.unwrap();
            drop(owner);
        };
        let sending = async move {
            client.write_all(&vec![0; MUCH]).await.unwrap();
            client.finish().await.unwrap();
            assert_eq!(everything(&mut client).await, b"all I say");
        };
        tokio::join!(pumping, owning, sending);
    }

    #[tokio::test]
    async fn input_goes_on_while_the_peer_does_not_read() {
        const MUCH: usize = 1 << 18;
        let (mut client, mut server) = MemoryNetwork::new().pair();
        let (ours, owner) = duplex(64);
        let pumping = tokio::spawn(async move {
            let (from, to) = split(ours);
            Pump::new(from, to).run(&mut server).await.unwrap();
            server.close().await.unwrap();
        });
        let (mut reader, mut writer) = split(owner);
        let flooding = tokio::spawn(async move {
            writer.write_all(&vec![b'o'; MUCH]).await.unwrap();
            writer.shutdown().await.unwrap();
        });
        let reading = tokio::spawn(async move {
            let mut heard = vec![0; MUCH];
            reader.read_exact(&mut heard).await.unwrap();
        });
        // The whole question is taken although nothing of the flood was read.
        client.write_all(&vec![b'i'; MUCH]).await.unwrap();
        reading.await.unwrap();
        assert_eq!(everything(&mut client).await.len(), MUCH);
        client.finish().await.unwrap();
        flooding.await.unwrap();
        pumping.await.unwrap();
    }
}
