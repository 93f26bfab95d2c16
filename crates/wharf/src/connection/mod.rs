//! A connection: a byte stream with one peer.
//!
//! ```text
//!          read_chunk · fill/consume · AsyncRead
//!   peer ───────────────────────────────────────▶ service
//!        ◀───────────────────────────────────────
//!          write_all · AsyncWrite · finish (FIN)
//! ```
//! The two directions end separately (*half-close*): a peer that has sent its
//! end of stream still gets every answer, and [`Connection::finish`] ends ours
//! while the peer may go on. [`Connection::close`] ends both in the one order
//! that loses nothing: our end of stream, then the peer's, then the socket.
//!
//! Layout: `chunk` lends read buffers, `stream` is the transport below,
//! `messages` carries messages for clients, `watch` is what a server sees, `reason`
//! names every way to end.

mod chunk;
mod detached;
mod listener;
mod messages;
mod reason;
mod stream;
mod timers;
mod watch;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::framing::{self, Framing};
use crate::limits;
use crate::network::tap::TcpSample;
use crate::network::{Endpoint, StreamKind};
use crate::service::Timeouts;
use crate::tls::{ClientTls, Established, HandshakeError, ServerTls};

pub use chunk::Chunk;
pub(crate) use chunk::{give_buffer, take_buffer};
pub(crate) use detached::Detached;
pub use listener::{Accept, Listener, OpenShared};
pub use messages::{MessageError, Messages};
pub use reason::CloseReason;
pub use stream::ByteStream;
pub(crate) use stream::{DetachedStream, Stream};
use timers::Timers;
pub(crate) use watch::Watch;

/// A byte stream with one peer, over TCP, a Unix socket, TLS or a network of
/// another kind.
///
/// ```
/// # async fn example(mut connection: wharf::connection::Connection) -> std::io::Result<()> {
/// while let Some(chunk) = connection.read_chunk().await? {
///     connection.write_all(&chunk).await?;
/// }
/// connection.close().await
/// # }
/// ```
///
/// It is also [`AsyncRead`] and [`AsyncWrite`], for everything written for tokio.
/// Dropping it closes the socket at once; input that was not read then resets
/// the peer, and what it did not read yet is lost. [`Connection::close`] avoids both.
pub struct Connection {
    // What a message touches lies together, and the rest in boxes: with a thousand
    // connections, every cache line of one is a miss per message.
    stream: Stream,
    unread: Option<Chunk>,
    watch: Option<Arc<Watch>>,
    reads_end_at_drain: bool,
    saw_end: bool,
    ended_by_drain: bool,
    finished: bool,
    drain_pause: Option<Box<DrainPause>>,
    /// Present only where a timeout was set, so that others pay 8 bytes.
    timers: Option<Box<Timers>>,
    tls: Option<Box<Established>>,
    ends: Box<Ends>,
}

/// Who speaks with whom.
struct Ends {
    local: Endpoint,
    peer: Endpoint,
}

impl Connection {
    /// A connection over any byte stream, for networks other than the operating system's.
    pub fn new(stream: impl ByteStream, local: Endpoint, peer: Endpoint) -> Self {
        Self::over(Stream::Other(Box::new(stream)), local, peer)
    }

    pub(crate) fn over(stream: Stream, local: Endpoint, peer: Endpoint) -> Self {
        Connection {
            stream,
            unread: None,
            watch: None,
            reads_end_at_drain: true,
            saw_end: false,
            ended_by_drain: false,
            finished: false,
            drain_pause: None,
            timers: None,
            tls: None,
            ends: Box::new(Ends { local, peer }),
        }
    }

    /// This side's endpoint.
    pub fn local(&self) -> &Endpoint {
        &self.ends.local
    }

    /// The other side's endpoint.
    pub fn peer(&self) -> &Endpoint {
        &self.ends.peer
    }

    /// Whether the stream keeps the boundaries of what was written into it.
    pub fn kind(&self) -> StreamKind {
        self.stream.kind()
    }

    /// Waits for input and takes it: `None` is the peer's end of stream.
    ///
    /// The chunk holds what has come, at least one byte and at most
    /// [`limits::READ_BUFFER`]; it says nothing about where messages end.
    /// Cancel safe: no input is lost when the future is dropped.
    ///
    /// While the server drains, a connection without input waiting reads as ended;
    /// see [`Connection::read_through_drain`].
    ///
    /// # Errors
    /// Those of recv(2), for example [`io::ErrorKind::ConnectionReset`].
    pub async fn read_chunk(&mut self) -> io::Result<Option<Chunk>> {
        poll_fn(|cx| self.poll_fill(cx)).await?;
        Ok(self.unread.take())
    }

    /// Waits for input and lends it: an empty slice is the peer's end of stream.
    ///
    /// The bytes stay until [`Connection::consume`] drops them. Cancel safe.
    ///
    /// # Errors
    /// As [`Connection::read_chunk`].
    pub async fn fill(&mut self) -> io::Result<&[u8]> {
        poll_fn(|cx| self.poll_fill(cx)).await?;
        Ok(self.unread.as_deref().unwrap_or_default())
    }

    /// Reads until the peer's end of stream, at most `most` bytes.
    ///
    /// Not cancel safe: what was read is lost with the future.
    ///
    /// # Errors
    /// As [`Connection::read_chunk`], and [`io::ErrorKind::InvalidData`] when more
    /// than `most` bytes come.
    pub async fn read_to_end(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(chunk) = self.read_chunk().await? {
            if all.len() + chunk.len() > most {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("more than {most} bytes came"),
                ));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all)
    }

    /// The connection as a carrier of messages.
    pub fn framed(self, framing: &Framing, limits: framing::Limits) -> Messages {
        Messages::new(self, framing, limits)
    }

    /// Drops `count` bytes of what [`Connection::fill`] lent.
    pub fn consume(&mut self, count: usize) {
        if let Some(chunk) = &mut self.unread {
            chunk.advance(count);
            if chunk.is_empty() {
                self.unread = None;
            }
        }
    }

    /// Writes all of `bytes`, waiting as long as the peer makes no room.
    ///
    /// Not cancel safe: after a dropped future part of `bytes` may be sent.
    ///
    /// # Errors
    /// Those of send(2), for example [`io::ErrorKind::BrokenPipe`].
    pub async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let writing = Writing(self);
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = poll_fn(|cx| writing.0.poll_send(cx, rest)).await?;
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            rest = &rest[written..];
        }
        if writing.0.stream.buffers_output() {
            poll_fn(|cx| writing.0.poll_flush_output(cx)).await?;
        }
        Ok(())
    }

    /// Ends this side's stream (TCP's FIN): the peer reads to its end, and may still answer.
    ///
    /// Calling it again does nothing.
    ///
    /// # Errors
    /// Those of shutdown(2); a peer that is gone already is not an error.
    pub async fn finish(&mut self) -> io::Result<()> {
        if self.finished {
            return Ok(());
        }
        poll_fn(|cx| self.poll_finish(cx)).await
    }

    /// Closes in order: our end of stream, the peer's, then the socket.
    ///
    /// Input that still comes is thrown away, for at most [`limits::LINGER`] and
    /// [`limits::LINGER_BYTES`]; without this wait, unread input would turn the
    /// last reply into a reset (RFC 9293, section 3.6.1).
    ///
    /// # Errors
    /// Those of shutdown(2).
    pub async fn close(mut self) -> io::Result<()> {
        self.wind_down(limits::LINGER).await
    }

    /// Whether the peer's end of stream was read.
    pub fn saw_end(&self) -> bool {
        self.saw_end
    }

    /// Lets reads wait for input even while the server drains.
    ///
    /// By default a read that would wait ends when the server drains, so that idle
    /// connections close at once. A service in the middle of a message, or one
    /// that follows [`draining`](crate::service::Context::draining) itself, says
    /// [`DrainReads::Wait`].
    pub fn read_through_drain(&mut self, reads: DrainReads) {
        self.reads_end_at_drain = reads == DrainReads::End;
    }

    /// Sets how long a single read or write may wait from now on; one that waited
    /// too long fails with [`io::ErrorKind::TimedOut`], and the connection stays usable.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timers = (timeouts != Timeouts::default()).then(|| Box::new(Timers::new(timeouts)));
    }

    /// What the TLS handshake agreed on, where there was one.
    pub fn tls(&self) -> Option<&Established> {
        self.tls.as_deref()
    }

    /// Speaks TLS from now on, as the client of `host`.
    ///
    /// # Errors
    /// [`HandshakeError`] with cause, evidence and cure; the connection is then closed.
    pub async fn connect_tls(
        self,
        tls: &ClientTls,
        host: &str,
    ) -> Result<Connection, HandshakeError> {
        let (local, peer) = (self.ends.local.clone(), self.ends.peer.clone());
        let (stream, established) = Box::pin(tls.connect(host, self)).await?;
        let mut secured = Connection::over(Stream::Tls(Box::new(stream)), local, peer);
        secured.tls = Some(Box::new(established));
        Ok(secured)
    }

    /// Speaks TLS from now on, as the server.
    ///
    /// # Errors
    /// [`HandshakeError`] with cause, evidence and cure; the connection is then closed.
    pub async fn accept_tls(self, tls: &ServerTls) -> Result<Connection, HandshakeError> {
        let (local, peer) = (self.ends.local.clone(), self.ends.peer.clone());
        let (stream, established) = Box::pin(tls.accept(self)).await?;
        let mut secured = Connection::over(Stream::Tls(Box::new(stream)), local, peer);
        secured.tls = Some(Box::new(established));
        Ok(secured)
    }

    /// Decides whether a connection on which nothing moves is closed after the
    /// server's idle timeout.
    ///
    /// By default it is. A service whose peers mostly listen – a chat, a feed – says
    /// [`Silence::Allowed`]; keep-alive still notices a peer that has vanished.
    pub fn set_silence(&self, silence: Silence) {
        if let Some(watch) = &self.watch {
            watch.set_silence_allowed(silence == Silence::Allowed);
        }
    }

    /// Counts messages, for the server's events and counters.
    pub fn count_messages(&self, count: u64) {
        if let Some(watch) = &self.watch {
            watch.add_messages(count);
        }
    }

    /// Makes the connection visible to a server.
    pub(crate) fn set_watch(&mut self, watch: Arc<Watch>) {
        self.watch = Some(watch);
    }

    /// Cuts the connection: unsent output is dropped and the peer is reset.
    ///
    /// For a peer that does not read: closing in order would leave the kernel
    /// holding the output for as long as it likes.
    pub(crate) fn reset(&self) {
        self.stream.set_reset_on_close();
    }

    /// Unbinds the connection from this runtime, to be opened in another one.
    pub(crate) fn detach(self) -> io::Result<Detached> {
        let stream = self.stream.detach()?;
        Ok(Detached {
            stream,
            local: self.ends.local,
            peer: self.ends.peer,
        })
    }

    /// The connection with another transport around its own.
    pub(crate) fn wrap_stream(mut self, wrap: impl FnOnce(Stream) -> Stream) -> Self {
        self.stream = wrap(self.stream);
        self
    }

    /// What the kernel knows of it, where it is TCP of the operating system.
    pub(crate) fn tcp_sample(&self) -> Option<TcpSample> {
        self.stream.tcp_sample()
    }

    /// The number of its socket, where a tap watches it.
    pub(crate) fn socket_number(&self) -> Option<u64> {
        self.stream.socket_number()
    }

    pub(crate) fn ended_by_drain(&self) -> bool {
        self.ended_by_drain
    }

    /// The end of a connection: finish, then read the rest away until `linger` is over.
    pub(crate) async fn wind_down(&mut self, linger: Duration) -> io::Result<()> {
        self.unread = None;
        if self.saw_end && !self.stream.says_goodbye() {
            // Both sides are done: close(2) sends our FIN by itself.
            return Ok(());
        }
        self.finish().await?;
        if self.saw_end {
            return Ok(());
        }
        self.watch = None;
        // A peer that resets or keeps sending has nothing more to lose.
        let _ = tokio::time::timeout(linger, self.discard(limits::LINGER_BYTES)).await;
        Ok(())
    }

    /// Reads and throws away until the peer's end of stream or `most` bytes.
    async fn discard(&mut self, most: usize) {
        let mut seen = 0;
        while seen < most {
            match self.read_chunk().await {
                Ok(Some(chunk)) => seen += chunk.len(),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Makes sure that there is unread input, or the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.unread.as_ref().is_some_and(|chunk| !chunk.is_empty()) || self.saw_end {
            return Poll::Ready(Ok(()));
        }
        self.unread = None;
        let mut buffer = take_buffer();
        let mut space = ReadBuf::new(&mut buffer);
        let outcome = Pin::new(&mut self.stream).poll_read(cx, &mut space);
        let length = space.filled().len();
        match outcome {
            Poll::Ready(Ok(())) if length > 0 => {
                self.unread = Some(Chunk::new(buffer, length));
                self.waited_for_input();
                if let Some(watch) = &self.watch {
                    watch.add_received(length);
                }
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Ok(())) => self.saw_end = true,
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        give_buffer(buffer);
        if outcome.is_pending() && self.must_end_reads() {
            ready!(self.poll_drain_pause(cx));
            self.ended_by_drain = true;
            return Poll::Ready(Ok(()));
        }
        match &mut self.timers {
            Some(timers) => timers.read.check(cx, outcome),
            None => outcome,
        }
    }

    /// Input has come: the next wait is a new one.
    fn waited_for_input(&mut self) {
        self.drain_pause = None;
        if let Some(timers) = &mut self.timers {
            timers.read.stop();
        }
    }

    /// Whether a read that would wait is to end because the server drains.
    fn must_end_reads(&self) -> bool {
        self.reads_end_at_drain && self.watch.as_ref().is_some_and(|watch| watch.is_draining())
    }

    /// Idle means: nothing moves for a while, neither way. The wait also lets the
    /// reactor report input that is in the kernel already.
    fn poll_drain_pause(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(watch) = &self.watch else {
            return Poll::Ready(());
        };
        loop {
            let pause = self.drain_pause.get_or_insert_with(|| {
                Box::new(DrainPause {
                    moved: watch.moved(),
                    timer: Box::pin(tokio::time::sleep(watch.drain_pause())),
                })
            });
            ready!(pause.timer.as_mut().poll(cx));
            if pause.moved == watch.moved() {
                return Poll::Ready(());
            }
            self.drain_pause = None;
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(cx, bytes);
        if let Some(watch) = &self.watch {
            match &outcome {
                Poll::Ready(Ok(written)) => {
                    watch.add_sent(*written);
                    if watch.is_writing() {
                        watch.set_writing(false);
                    }
                }
                Poll::Pending => watch.set_writing(true),
                Poll::Ready(Err(_)) => {}
            }
        }
        match &mut self.timers {
            Some(timers) => timers.write.check(cx, outcome),
            None => outcome,
        }
    }

    fn poll_flush_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        if let Some(watch) = &self.watch {
            watch.set_writing(outcome.is_pending());
        }
        outcome
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(cx);
        if let Some(watch) = &self.watch {
            // TLS's goodbye waits behind what the peer has not read yet.
            watch.set_writing(outcome.is_pending());
        }
        let outcome = ready!(outcome);
        self.finished = true;
        Poll::Ready(match outcome {
            // The peer is gone: there is nobody left to tell.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            other => other,
        })
    }
}

/// A write in progress; dropping it ends the wait for the peer, done or given up.
struct Writing<'a>(&'a mut Connection);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if let Some(watch) = &self.0.watch
            && watch.is_writing()
        {
            watch.set_writing(false);
        }
        if let Some(timers) = &mut self.0.timers {
            timers.write.stop();
        }
    }
}

/// A wait for silence.
struct DrainPause {
    /// The bytes that had moved when it began.
    moved: u64,
    timer: Pin<Box<Sleep>>,
}

/// Whether a connection may be silent for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Silence {
    /// It is closed after the server's idle timeout.
    #[default]
    Ends,
    /// It stays open.
    Allowed,
}

/// What a read does that would wait while the server drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainReads {
    /// It ends, as if the peer had ended its stream.
    End,
    /// It waits for input, until the drain's deadline.
    Wait,
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_fill(cx))?;
        if let Some(chunk) = &this.unread {
            let count = chunk.len().min(space.remaining());
            space.put_slice(&chunk[..count]);
            this.consume(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_send(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush_output(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.finished {
            return Poll::Ready(Ok(()));
        }
        this.poll_finish(cx)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("stream", &self.stream)
            .field("local", &self.ends.local)
            .field("peer", &self.ends.peer)
            .finish_non_exhaustive()
    }
}
