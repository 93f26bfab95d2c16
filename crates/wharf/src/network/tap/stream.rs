//! A byte stream whose calls are told.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::event::kept;
use super::probe::{Probe, Span};
use super::{Call, Failure, Outcome};
use crate::connection::{DetachedStream, Stream};

/// A stream and its teller. It is a transport of its own kind, so that everything that
/// depends on the transport below (packets, resets, moving to another runtime) still works.
pub(crate) struct Tapped {
    inner: Stream,
    /// `None` only while it is taken apart.
    probe: Option<Probe>,
    /// Since when a read, a write and a shutdown wait.
    reading: Option<Instant>,
    read_size: usize,
    writing: Option<Instant>,
    ending: Option<Instant>,
    /// Whether close(2) will cut the connection.
    reset: AtomicBool,
}

/// A tapped stream between two runtimes.
pub(crate) struct DetachedTapped {
    inner: DetachedStream,
    probe: Option<Probe>,
    reset: bool,
}

/// `stream`, whose calls `probe` tells from now on.
pub(super) fn tapped(stream: Stream, probe: Probe) -> Stream {
    Stream::Tapped(Box::new(Tapped::new(stream, Some(probe), false)))
}

impl Tapped {
    fn new(inner: Stream, probe: Option<Probe>, reset: bool) -> Self {
        Tapped {
            inner,
            probe,
            reading: None,
            read_size: 0,
            writing: None,
            ending: None,
            reset: AtomicBool::new(reset),
        }
    }

    /// The transport below.
    pub(crate) fn inner(&self) -> &Stream {
        &self.inner
    }

    /// The number of its socket, while that is open.
    pub(crate) fn socket_number(&self) -> Option<u64> {
        let probe = self.probe.as_ref()?;
        Some(probe.socket().number())
    }

    pub(crate) fn set_reset_on_close(&self) {
        self.reset.store(true, Ordering::Relaxed);
        self.inner.set_reset_on_close();
    }

    pub(crate) fn detach(mut self) -> io::Result<DetachedTapped> {
        let probe = self.probe.take();
        let reset = self.reset.load(Ordering::Relaxed);
        let inner = self.take_inner().detach()?;
        Ok(DetachedTapped {
            inner,
            probe,
            reset,
        })
    }

    fn take_inner(&mut self) -> Stream {
        std::mem::replace(&mut self.inner, Stream::Other(Box::new(tokio::io::empty())))
    }

    fn tell(&mut self, call: Call, outcome: Outcome, span: Span) {
        let sample = self.inner.tcp_sample();
        if let Some(probe) = &mut self.probe {
            probe.tell(call, outcome, span, sample);
        }
    }
}

impl DetachedTapped {
    pub(crate) fn attach(self) -> io::Result<Tapped> {
        let inner = self.inner.attach()?;
        Ok(Tapped::new(inner, self.probe, self.reset))
    }
}

/// What came of a call that gives `T`.
pub(super) fn outcome_of<T>(result: &io::Result<T>) -> Outcome {
    match result {
        Ok(_) => Outcome::Done,
        Err(error) => Outcome::Failed(Failure::from(error)),
    }
}

impl AsyncRead for Tapped {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let now = Instant::now();
        let (requested, before) = (space.remaining(), space.filled().len());
        let Poll::Ready(result) = Pin::new(&mut this.inner).poll_read(cx, space) else {
            this.reading.get_or_insert(now);
            this.read_size = requested;
            return Poll::Pending;
        };
        let span = Span::of(this.reading.take(), now);
        let came = &space.filled()[before..];
        let call = Call::Receive {
            requested,
            done: came.len(),
            bytes: kept(came),
        };
        this.tell(call, outcome_of(&result), span);
        Poll::Ready(result)
    }
}

impl AsyncWrite for Tapped {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let now = Instant::now();
        let Poll::Ready(result) = Pin::new(&mut this.inner).poll_write(cx, bytes) else {
            this.writing.get_or_insert(now);
            return Poll::Pending;
        };
        let span = Span::of(this.writing.take(), now);
        let done = *result.as_ref().unwrap_or(&0);
        let call = Call::Send {
            requested: bytes.len(),
            done,
            bytes: kept(&bytes[..done.min(bytes.len())]),
        };
        this.tell(call, outcome_of(&result), span);
        Poll::Ready(result)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let now = Instant::now();
        let Poll::Ready(result) = Pin::new(&mut this.inner).poll_shutdown(cx) else {
            this.ending.get_or_insert(now);
            return Poll::Pending;
        };
        let span = Span::of(this.ending.take(), now);
        this.tell(Call::Shutdown, outcome_of(&result), span);
        Poll::Ready(result)
    }
}

impl Drop for Tapped {
    fn drop(&mut self) {
        let Some(mut probe) = self.probe.take() else {
            return;
        };
        let now = Instant::now();
        if let Some(since) = self.reading.take() {
            let call = Call::Receive {
                requested: self.read_size,
                done: 0,
                bytes: kept(&[]),
            };
            probe.tell(call, Outcome::Abandoned, Span::of(Some(since), now), None);
        }
        let sample = self.inner.tcp_sample();
        let started = Instant::now();
        drop(self.take_inner());
        let reset = self.reset.load(Ordering::Relaxed);
        let span = Span::of(None, started);
        probe.tell(Call::Close { reset }, Outcome::Done, span, sample);
    }
}
