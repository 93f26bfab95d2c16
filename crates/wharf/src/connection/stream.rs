//! The transport below a connection.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::Connection;
use crate::network::StreamKind;
use crate::network::os::{self, Seqpacket};
use crate::network::tap::{DetachedTapped, Tapped, TcpSample};
use crate::tls::TlsStream;

/// A byte stream of any network.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> ByteStream for T {}

/// The transports, as one type: the common ones are reached without a virtual call.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Packets(Seqpacket),
    Tls(Box<TlsStream<Connection>>),
    /// One of the others, whose calls are told.
    Tapped(Box<Tapped>),
    Other(Box<dyn ByteStream>),
}

impl Stream {
    /// Whether it keeps the boundaries of what was written into it.
    pub(crate) fn kind(&self) -> StreamKind {
        match self {
            Stream::Packets(_) => StreamKind::Packets,
            Stream::Tapped(stream) => stream.inner().kind(),
            _ => StreamKind::Bytes,
        }
    }

    /// What the kernel knows of a TCP connection.
    pub(crate) fn tcp_sample(&self) -> Option<TcpSample> {
        match self {
            Stream::Tcp(stream) => os::tcp_sample(stream.as_fd()),
            Stream::Tapped(stream) => stream.inner().tcp_sample(),
            _ => None,
        }
    }

    /// The number of its socket, where a tap watches it.
    pub(crate) fn socket_number(&self) -> Option<u64> {
        match self {
            Stream::Tapped(stream) => stream.socket_number(),
            _ => None,
        }
    }

    /// Whether written bytes may wait inside until a flush.
    pub(crate) fn buffers_output(&self) -> bool {
        match self {
            Stream::Tapped(stream) => stream.inner().buffers_output(),
            stream => matches!(stream, Stream::Tls(_) | Stream::Other(_)),
        }
    }

    /// Whether closing takes a message of its own (TLS's close_notify).
    pub(crate) fn says_goodbye(&self) -> bool {
        match self {
            Stream::Tapped(stream) => stream.inner().says_goodbye(),
            stream => matches!(stream, Stream::Tls(_) | Stream::Other(_)),
        }
    }

    /// Makes close(2) send a reset (SO_LINGER with zero time, socket(7)).
    pub(crate) fn set_reset_on_close(&self) {
        match self {
            Stream::Tcp(stream) => {
                // If it fails the connection closes in the ordinary way.
                let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
            }
            Stream::Tls(stream) => stream.get_ref().0.get_ref().reset(),
            Stream::Tapped(stream) => stream.set_reset_on_close(),
            Stream::Unix(_) | Stream::Packets(_) | Stream::Other(_) => {}
        }
    }

    /// Takes the stream out of its runtime.
    pub(crate) fn detach(self) -> io::Result<DetachedStream> {
        Ok(match self {
            Stream::Tcp(stream) => DetachedStream::Tcp(stream.into_std()?),
            Stream::Unix(stream) => DetachedStream::Unix(stream.into_std()?),
            Stream::Packets(stream) => DetachedStream::Packets(stream.into_inner()),
            Stream::Tapped(stream) => DetachedStream::Tapped(Box::new(stream.detach()?)),
            other => DetachedStream::Unbound(other),
        })
    }

    fn name(&self) -> &'static str {
        match self {
            Stream::Tcp(_) => "tcp",
            Stream::Unix(_) => "unix",
            Stream::Packets(_) => "seqpacket",
            Stream::Tls(_) => "tls",
            Stream::Tapped(_) => "tapped",
            Stream::Other(_) => "other",
        }
    }
}

/// A stream between two runtimes.
pub(crate) enum DetachedStream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
    Packets(Socket),
    Tapped(Box<DetachedTapped>),
    /// It was bound to no runtime.
    Unbound(Stream),
}

impl DetachedStream {
    pub(crate) fn attach(self) -> io::Result<Stream> {
        Ok(match self {
            DetachedStream::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            DetachedStream::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
            DetachedStream::Packets(socket) => Stream::Packets(Seqpacket::new(socket)?),
            DetachedStream::Tapped(stream) => Stream::Tapped(Box::new(stream.attach()?)),
            DetachedStream::Unbound(stream) => stream,
        })
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, space),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, space),
            Stream::Packets(stream) => Pin::new(stream).poll_read(cx, space),
            Stream::Tls(stream) => Pin::new(stream).poll_read(cx, space),
            Stream::Tapped(stream) => Pin::new(stream).poll_read(cx, space),
            Stream::Other(stream) => Pin::new(stream).poll_read(cx, space),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Packets(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tapped(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Other(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Tapped(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Other(stream) => Pin::new(stream).poll_flush(cx),
            // The kernel has the bytes already.
            Stream::Tcp(_) | Stream::Unix(_) | Stream::Packets(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Packets(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Tapped(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Other(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
