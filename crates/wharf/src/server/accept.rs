//! The loop of one listener: a place first, then a client.
//!
//! ```text
//!   wait for a place ──▶ accept ──▶ admit ──▶ session (its own task)
//!        ▲                 │ no descriptors, no memory
//!        └── 10 ms … 1 s ◀─┘
//! ```
//! accept(2) can fail in two ways. Either the one connection is at fault (it was
//! aborted while it waited): the next one is taken. Or the process lacks
//! something (descriptors, memory): trying again at once would spin, and giving
//! up would make the server deaf; so the loop waits, longer each time, and also
//! looks again as soon as a connection of its own gave its descriptor back.
//!
//! A place is held only while accept(2) is asked, never while the loop waits for
//! a client: there may be more listeners than places.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::events::Event;
use super::gate::{Gate, Ticket};
use super::shared::{OpenLoop, ServedBy, Shared, StreamServed};
use crate::connection::{Connection, Listener};
use crate::limits::{ACCEPT_BACKOFF_MAX, ACCEPT_BACKOFF_MIN, ACCEPT_CALM, DRAIN_PAUSE};

/// One listener on one core.
pub(super) struct AcceptLoop {
    pub(super) gate: Gate,
    pub(super) listener: Listener,
    pub(super) open: OpenLoop,
}

/// How long a drain goes on to accept, waits for descriptors aside. What the kernel had
/// queued is taken in a fraction of it; clients that keep coming must not keep the
/// listener open.
const QUEUE_TIME: Duration = Duration::from_millis(250);

impl AcceptLoop {
    /// Accepts until the server drains or the service has had its last client.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.gate.shared);
        let served = Arc::clone(&self.gate.served);
        if let ServedBy::Stream(stream) = &served.service {
            let drained = tokio::select! {
                biased;
                () = stream.common.had_its_last() => false,
                () = shared.drain.begun() => true,
                () = self.accept_all(stream) => false,
            };
            if drained {
                return self.take_the_queue(&shared, stream).await;
            }
        }
        // The listener closes first: when the loop counts as ended, nobody can connect.
        drop(self.listener);
        drop(self.open);
    }

    /// A drain serves who came before it: clients that the kernel has queued. They are
    /// accepted at once, so that the listener can close, and are served as soon as
    /// there is a place and a turn, if need be until the drain is over.
    async fn take_the_queue(self, shared: &Shared, served: &StreamServed) {
        let AcceptLoop {
            mut gate,
            listener,
            open,
        } = self;
        let (found, mut queue) = mpsc::unbounded_channel();
        let serving = async {
            while let Some(connection) = queue.recv().await {
                if gate.serve_when_possible(served, connection).await.is_none() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            () = served.common.had_its_last() => {}
            () = shared.cut.begun() => {}
            _ = async { tokio::join!(empty(listener, shared, found), serving) } => {}
        }
        drop(open);
    }

    async fn accept_all(&mut self, served: &StreamServed) {
        let mut trouble = Trouble::default();
        loop {
            let accepted = tokio::select! {
                biased;
                () = trouble.calmed_down() => {
                    trouble.over(self);
                    continue;
                }
                accepted = self.next(served) => accepted,
            };
            match accepted {
                None => return,
                Some(Ok((connection, ticket))) => {
                    trouble.accepted();
                    self.gate.take(served, connection, ticket);
                }
                Some(Err(error)) => trouble.happened(self, &error).await,
            }
        }
    }

    /// The next client, with what is needed to serve it; `None` when the service
    /// had its last one. Cancel safe.
    async fn next<'a>(
        &mut self,
        served: &'a StreamServed,
    ) -> Option<io::Result<(Connection, Ticket<'a>)>> {
        if let Err(error) = self.gate.prepare(served).await {
            return Some(Err(error));
        }
        loop {
            let ticket = self.gate.ticket(served).await?;
            let accepted = poll_fn(|cx| Poll::Ready(self.listener.poll_accept(cx))).await;
            if let Poll::Ready(accepted) = accepted {
                return Some(accepted.map(|connection| (connection, ticket)));
            }
            // The listener will wake this task; until then others may have the place.
            drop(ticket);
            woken().await;
        }
    }
}

/// Accepts whom the kernel has queued, and closes the listener.
async fn empty(mut listener: Listener, shared: &Shared, found: mpsc::UnboundedSender<Connection>) {
    let mut left = QUEUE_TIME;
    while !left.is_zero() {
        let begun = Instant::now();
        // An accept of the reactor's knowledge alone could miss a client that the kernel
        // has, so the reactor gets a moment. Past it, and past the whole time, who is
        // still in the queue has come after the drain began.
        match tokio::time::timeout(DRAIN_PAUSE.min(left), listener.accept()).await {
            Err(_) => return,
            Ok(Ok(connection)) => {
                if found.send(connection).is_err() {
                    return;
                }
            }
            Ok(Err(error)) if is_about_one_connection(&error) => tokio::task::yield_now().await,
            // Somebody who is connected will give a descriptor back.
            Ok(Err(_)) if shared.open() > 0 => {
                tokio::select! {
                    biased;
                    () = shared.freed.notified() => {}
                    () = tokio::time::sleep(ACCEPT_BACKOFF_MAX) => {}
                }
                continue;
            }
            Ok(Err(_)) => return,
        }
        left = left.saturating_sub(begun.elapsed());
    }
}

/// Waits until the task is woken, by whatever it has registered with.
async fn woken() {
    let mut again = false;
    poll_fn(|_| match std::mem::replace(&mut again, true) {
        false => Poll::Pending,
        true => Poll::Ready(()),
    })
    .await;
}

/// A time in which accept(2) fails. It is over when accept has worked for a while:
/// where each client that leaves lets one other in, every second accept fails, and
/// this is one trouble and not many.
#[derive(Default)]
struct Trouble {
    failures: u64,
    pause: Option<Duration>,
    /// When it is over, unless accept fails again.
    over_at: Option<Instant>,
}

impl Trouble {
    /// Counts a failure, and waits if the process is at fault.
    async fn happened(&mut self, of: &mut AcceptLoop, error: &io::Error) {
        of.gate.shared.totals.accept_failed();
        if is_about_one_connection(error) {
            // It is gone. A listener that fails so without end must not spin either.
            tokio::task::yield_now().await;
            return;
        }
        self.failures += 1;
        self.over_at = None;
        if self.failures == 1 {
            let (service, local) = (&*of.gate.served.name, of.listener.local());
            tracing::warn!(service, %local, %error, "accept fails; trying again until it works");
            of.gate.shared.tell(&Event::AcceptFailing {
                service,
                local,
                error,
            });
        }
        let pause = self.pause.unwrap_or(ACCEPT_BACKOFF_MIN);
        self.pause = Some((pause * 2).min(ACCEPT_BACKOFF_MAX));
        tokio::select! {
            biased;
            () = tokio::time::sleep(pause) => {}
            () = of.gate.shared.freed.notified() => {}
        }
    }

    /// Notes that accept has worked: once more, or again.
    fn accepted(&mut self) {
        if self.failures > 0 {
            self.pause = None;
            self.over_at
                .get_or_insert_with(|| Instant::now() + ACCEPT_CALM);
        }
    }

    /// Waits until accept has worked for long enough; for ever where it does not fail,
    /// or does nothing else. Cancel safe.
    async fn calmed_down(&self) {
        match self.over_at {
            Some(at) => tokio::time::sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// Tells that accept works again.
    fn over(&mut self, of: &AcceptLoop) {
        let (service, local) = (&*of.gate.served.name, of.listener.local());
        tracing::info!(service, %local, failures = self.failures, "accept works again");
        of.gate.shared.tell(&Event::AcceptRecovered {
            service,
            local,
            failures: self.failures,
        });
        *self = Trouble::default();
    }
}

/// Whether the error belongs to one connection, not to the process: accept(2)
/// lists these network errors as already pending on the new socket.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::ECONNRESET
                | libc::ECONNREFUSED
                | libc::EPERM
                | libc::EPROTO
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
                | libc::ENONET
                | libc::ENOTCONN
                | libc::EINTR
        )
    )
}
