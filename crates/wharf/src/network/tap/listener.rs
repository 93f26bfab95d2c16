//! A listener whose calls are told.

use std::io;
use std::task::{Context, Poll};

use tokio::time::Instant;

use super::probe::{Probe, Span};
use super::stream;
use super::{Call, Failure, Outcome};
use crate::connection::{Accept, Connection, Listener, OpenShared};

/// `inner`, whose calls `probe` tells from now on.
pub(super) fn tapped(inner: Listener, probe: Probe) -> Listener {
    let local = inner.local().clone();
    let source = TappedListener {
        inner: Some(inner),
        probe,
        waiting: None,
    };
    Listener::new(local, source)
}

struct TappedListener {
    /// `None` only while it is dropped.
    inner: Option<Listener>,
    probe: Probe,
    waiting: Option<Instant>,
}

impl TappedListener {
    fn accepted(&mut self, connection: Connection, span: Span) -> Connection {
        let (local, peer) = (connection.local().clone(), connection.peer().clone());
        let probe = self.probe.accepted(local, peer);
        let socket = Some(probe.socket());
        let sample = connection.tcp_sample();
        self.probe
            .tell(Call::Accept { socket }, Outcome::Done, span, sample);
        connection.wrap_stream(|inner| stream::tapped(inner, probe))
    }
}

impl Accept for TappedListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Connection>> {
        let now = Instant::now();
        let Some(inner) = &mut self.inner else {
            return Poll::Pending;
        };
        let Poll::Ready(result) = inner.poll_accept(cx) else {
            self.waiting.get_or_insert(now);
            return Poll::Pending;
        };
        let span = Span::of(self.waiting.take(), now);
        Poll::Ready(match result {
            Ok(connection) => Ok(self.accepted(connection, span)),
            Err(error) => {
                let outcome = Outcome::Failed(Failure::from(&error));
                let call = Call::Accept { socket: None };
                self.probe.tell(call, outcome, span, None);
                Err(error)
            }
        })
    }

    fn share(&mut self) -> io::Result<Option<OpenShared>> {
        let Some(inner) = &mut self.inner else {
            return Ok(None);
        };
        let probe = self.probe.share();
        let open = inner.share()?;
        Ok(open.map(|open| {
            let tapped: OpenShared = Box::new(move || Ok(tapped(open()?, probe)));
            tapped
        }))
    }
}

impl Drop for TappedListener {
    fn drop(&mut self) {
        let now = Instant::now();
        if let Some(since) = self.waiting.take() {
            let span = Span::of(Some(since), now);
            let call = Call::Accept { socket: None };
            self.probe.tell(call, Outcome::Abandoned, span, None);
        }
        let started = Instant::now();
        drop(self.inner.take());
        let span = Span::of(None, started);
        let call = Call::Close { reset: false };
        self.probe.tell(call, Outcome::Done, span, None);
    }
}
