//! A datagram socket whose calls are told.
//!
//! What a batch has to send goes one datagram at a time, so that each has its own
//! call, time and error. What is received comes as many at a time as the network
//! below gives.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::time::Instant;

use super::event::kept;
use super::probe::{Probe, Span};
use super::stream::outcome_of;
use super::{Call, Failure, Outcome};
use crate::datagram::{Batch, Datagram, DatagramIo, Datagrams};
use crate::limits;
use crate::network::Endpoint;

/// `socket`, whose calls `probe` tells from now on.
pub(super) fn tapped(socket: Datagrams, probe: Probe) -> Datagrams {
    socket.wrap_io(|inner| {
        Box::new(TappedDatagrams {
            inner: Some(inner),
            probe,
            receiving: None,
            receive_size: 0,
            sending: None,
            single: Batch::with_slots(1, limits::MAX_DATAGRAM),
        })
    })
}

struct TappedDatagrams {
    /// `None` only while it is dropped.
    inner: Option<Box<dyn DatagramIo>>,
    probe: Probe,
    receiving: Option<Instant>,
    receive_size: usize,
    sending: Option<Instant>,
    /// Carries the datagram that is being sent.
    single: Batch,
}

impl TappedDatagrams {
    fn received(&mut self, datagram: Datagram<'_>, requested: usize, span: Span) {
        let bytes = kept(datagram.payload);
        let done = datagram.payload.len();
        let call = match self.probe.peer() {
            Some(_) => Call::Receive {
                requested,
                done,
                bytes,
            },
            None => Call::ReceiveFrom {
                from: Some(datagram.peer.clone()),
                requested,
                done,
                bytes,
            },
        };
        self.probe.tell(call, Outcome::Done, span, None);
    }

    /// A receive that brought nothing.
    fn received_nothing(&mut self, requested: usize, outcome: Outcome, span: Span) {
        let bytes = kept(&[]);
        let call = match self.probe.peer() {
            Some(_) => Call::Receive {
                requested,
                done: 0,
                bytes,
            },
            None => Call::ReceiveFrom {
                from: None,
                requested,
                done: 0,
                bytes,
            },
        };
        self.probe.tell(call, outcome, span, None);
    }

    /// Sends the one datagram of `single`; the inner error is that datagram's own.
    fn poll_send_single(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<io::Result<()>>> {
        let Some(inner) = &mut self.inner else {
            return Poll::Pending;
        };
        ready!(inner.poll_send(cx, &mut self.single))?;
        // What could not be sent was noted in the batch.
        self.single.take_tally();
        Poll::Ready(Ok(self.single.take_error().map_or(Ok(()), Err)))
    }

    fn sent(&mut self, result: &io::Result<()>, to: Endpoint, payload: &[u8], span: Span) {
        let requested = payload.len();
        let done = if result.is_ok() { requested } else { 0 };
        let bytes = kept(payload);
        let call = match self.probe.peer() {
            Some(_) => Call::Send {
                requested,
                done,
                bytes,
            },
            None => Call::SendTo {
                to,
                requested,
                done,
                bytes,
            },
        };
        self.probe.tell(call, outcome_of(result), span, None);
    }
}

impl DatagramIo for TappedDatagrams {
    fn poll_receive(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        let now = Instant::now();
        let Some(inner) = &mut self.inner else {
            return Poll::Pending;
        };
        let requested = batch.slot_size();
        let Poll::Ready(result) = inner.poll_receive(cx, batch) else {
            self.receiving.get_or_insert(now);
            self.receive_size = requested;
            return Poll::Pending;
        };
        let mut span = Span::of(self.receiving.take(), now);
        if let Err(error) = &result {
            let outcome = Outcome::Failed(Failure::from(error));
            self.received_nothing(requested, outcome, span);
        }
        for datagram in batch.iter() {
            self.received(datagram, requested, span);
            // Those behind the first were there already when it came.
            span = Span::of(None, Instant::now());
        }
        Poll::Ready(result)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        while let Some(next) = batch.next_outgoing() {
            let now = Instant::now();
            // Copied anew at every poll: what waited before may have been given up.
            self.single.clear();
            let to = next.to.clone();
            let payload = next.payload.to_vec();
            self.single.send_from(next.from, &to, &payload);
            let Poll::Ready(result) = self.poll_send_single(cx) else {
                self.sending.get_or_insert(now);
                return Poll::Pending;
            };
            let span = Span::of(self.sending.take(), now);
            let (result, broken) = match result {
                Ok(result) => (result, false),
                Err(error) => (Err(error), true),
            };
            self.sent(&result, to, &payload, span);
            match result {
                Ok(()) => batch.note_sent(1),
                Err(error) if broken => return Poll::Ready(Err(error)),
                Err(error) => batch.note_failed(error),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn connect(&mut self, to: &Endpoint) -> io::Result<Endpoint> {
        let Some(inner) = &mut self.inner else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let started = Instant::now();
        let result = inner.connect(to);
        if let Ok(local) = &result {
            self.probe.set_local(local.clone());
            self.probe.set_peer(to.clone());
        }
        let call = Call::Connect { to: to.clone() };
        let span = Span::of(None, started);
        self.probe.tell(call, outcome_of(&result), span, None);
        result
    }

    fn kernel_dropped(&self) -> u64 {
        self.inner.as_ref().map_or(0, |io| io.kernel_dropped())
    }
}

impl Drop for TappedDatagrams {
    fn drop(&mut self) {
        let now = Instant::now();
        if let Some(since) = self.receiving.take() {
            let span = Span::of(Some(since), now);
            self.received_nothing(self.receive_size, Outcome::Abandoned, span);
        }
        let started = Instant::now();
        drop(self.inner.take());
        let span = Span::of(None, started);
        let call = Call::Close { reset: false };
        self.probe.tell(call, Outcome::Done, span, None);
    }
}
