//! Remembers the first bytes that a peer sends, while the handshake runs.
//!
//! A byte stream cannot be peeked at, and once rustls has eaten the bytes of a
//! peer that does not speak TLS they are gone. So the handshake reads through
//! this wrapper: it keeps the first [`RECORDED`] bytes, and it fails at the very
//! first byte that cannot begin a TLS record. The failure comes at once – also
//! for a person who typed `hi` into nc, where TLS would wait for the rest of a
//! five-byte record header. After the handshake it only passes bytes on.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many of the first bytes are kept: enough to recognise a request line.
pub(super) const RECORDED: usize = 32;

/// A stream under TLS. It passes everything on; [`get_ref`](Self::get_ref) is the stream itself.
#[derive(Debug)]
pub struct Sniff<S> {
    inner: S,
    state: State,
    len: u8,
    first: [u8; RECORDED],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Recording,
    Passing,
}

impl<S> Sniff<S> {
    pub(super) fn new(inner: S) -> Self {
        Self {
            inner,
            state: State::Recording,
            len: 0,
            first: [0; RECORDED],
        }
    }

    /// The stream that carries the TLS records, to ask it for its addresses.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The stream that carries the TLS records; reading or writing it breaks the connection.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Takes the stream out again.
    pub fn into_inner(self) -> S {
        self.inner
    }

    /// The first bytes that the peer sent.
    pub(super) fn first(&self) -> &[u8] {
        &self.first[..usize::from(self.len)]
    }

    /// Stops recording and judging.
    pub(super) fn stop(&mut self) {
        self.state = State::Passing;
    }

    fn record(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = usize::from(self.len);
        let taken = bytes.len().min(RECORDED - len);
        self.first[len..len + taken].copy_from_slice(&bytes[..taken]);
        self.len += taken as u8; // at most RECORDED in all
        match begins_tls(self.first()) {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "not TLS")),
        }
    }
}

/// Whether these can be the first bytes of a TLS connection.
///
/// A record begins with its content type, 20 to 24 (RFC 8446 section 5.1), none
/// of which is a printable character.
pub(super) fn begins_tls(first: &[u8]) -> bool {
    first.first().is_none_or(|kind| (20..=24).contains(kind))
}

/// Whether a person or a text protocol could have sent this.
pub(super) fn looks_like_text(first: &[u8]) -> bool {
    let printable = |b: &u8| matches!(b, b'\t' | b'\r' | b'\n' | b' '..=b'~' | 0x80..);
    !first.is_empty() && first.iter().all(printable)
}

impl<S: AsyncRead + Unpin> AsyncRead for Sniff<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buf))?;
        if this.state == State::Passing {
            return Poll::Ready(Ok(()));
        }
        Poll::Ready(this.record(&buf.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Sniff<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn text_fails_at_its_first_byte_and_is_remembered() {
        let (mut peer, stream) = tokio::io::duplex(64);
        peer.write_all(b"hi\n").await.unwrap();
        let mut sniff = Sniff::new(stream);
        let error = sniff.read(&mut [0; 16]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(sniff.first(), b"hi\n");
        assert!(looks_like_text(sniff.first()));
    }

    #[tokio::test]
    async fn a_record_passes_and_only_its_beginning_is_kept() {
        let (mut peer, stream) = tokio::io::duplex(256);
        peer.write_all(&[22; 100]).await.unwrap();
        let mut sniff = Sniff::new(stream);
        for _ in 0..100 {
            assert_eq!(sniff.read_u8().await.unwrap(), 22);
        }
        assert_eq!(sniff.first(), [22; RECORDED]);
    }

    #[tokio::test]
    async fn after_the_handshake_every_byte_passes() {
        let (mut peer, stream) = tokio::io::duplex(64);
        let mut sniff = Sniff::new(stream);
        sniff.stop();
        peer.write_all(b"text").await.unwrap();
        let mut buf = [0; 4];
        sniff.read_exact(&mut buf).await.unwrap();
        assert_eq!(&buf, b"text");
        assert_eq!(sniff.first(), b"");
    }
}
