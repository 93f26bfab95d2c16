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

use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::Mode;
use super::admission::Place;
use super::events::{ConnectionInfo, Event};
use super::registry::Registry;
use super::session::Session;
use super::shared::{OpenLoop, Served, ServedBy, Shared, StreamServed};
use super::worker::Worker;
use crate::connection::{CloseReason, Connection, Listener, Watch};
use crate::limits::{ACCEPT_BACKOFF_MAX, ACCEPT_BACKOFF_MIN, ACCEPT_CALM, DRAIN_PAUSE, WhenFull};

/// How long a refused client has to read the refusal.
const REFUSAL_LINGER: Duration = Duration::from_millis(500);

/// One listener on one core.
pub(super) struct AcceptLoop {
    pub(super) shared: Arc<Shared>,
    pub(super) served: Arc<Served>,
    pub(super) registry: Arc<Registry>,
    pub(super) listener: Listener,
    pub(super) open: OpenLoop,
    /// The thread for the next client, where each is served on one of its own.
    pub(super) spare: Option<Worker>,
}

/// How long a drain goes on to accept. What the kernel had queued is taken in a
/// fraction of it; clients that keep coming must not keep the listener open.
const QUEUE_TIME: Duration = Duration::from_millis(250);

/// What the loop holds while it accepts.
struct Ticket<'a> {
    place: Option<Place>,
    turn: Option<tokio::sync::OwnedSemaphorePermit>,
    remaining: Option<SemaphorePermit<'a>>,
}

impl AcceptLoop {
    /// Accepts until the server drains or the service has had its last client.
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let served = Arc::clone(&self.served);
        if let ServedBy::Stream(stream) = &served.service {
            tokio::select! {
                biased;
                () = stream.common.had_its_last() => {}
                () = shared.drain.begun() => self.take_the_queue(stream).await,
                () = self.accept_all(stream) => {}
            }
        }
        // The listener closes first: when the loop counts as ended, nobody can connect.
        drop(self.listener);
        drop(self.open);
    }

    async fn accept_all(&mut self, served: &StreamServed) {
        let mut trouble = Trouble::default();
        let shared = Arc::clone(&self.shared);
        loop {
            let accepted = tokio::select! {
                biased;
                () = trouble.calmed_down() => {
                    trouble.over(self);
                    continue;
                }
                accepted = self.next(&shared, served) => accepted,
            };
            match accepted {
                None => return,
                Some(Ok((connection, ticket))) => {
                    trouble.accepted();
                    self.take(served, connection, ticket);
                }
                Some(Err(error)) => trouble.happened(self, &error).await,
            }
        }
    }

    /// The next client, with what is needed to serve it; `None` when the service
    /// had its last one. Cancel safe.
    async fn next<'a>(
        &mut self,
        shared: &Shared,
        served: &'a StreamServed,
    ) -> Option<io::Result<(Connection, Ticket<'a>)>> {
        if let Err(error) = self.prepare(served).await {
            return Some(Err(error));
        }
        loop {
            let ticket = Self::ticket(shared, served).await?;
            let accepted = poll_fn(|cx| Poll::Ready(self.listener.poll_accept(cx))).await;
            if let Poll::Ready(accepted) = accepted {
                return Some(accepted.map(|connection| (connection, ticket)));
            }
            // The listener will wake this task; until then others may have the place.
            drop(ticket);
            woken().await;
        }
    }

    /// Makes what a client's thread needs before there is a client: without it, nobody
    /// is accepted, and who comes waits in the listener's queue.
    async fn prepare(&mut self, served: &StreamServed) -> io::Result<()> {
        if served.mode == Mode::Threads && self.spare.is_none() {
            let name = format!("{}-{}", self.served.name, served.common.next_thread());
            self.spare = Some(Worker::start(name).await?);
        }
        Ok(())
    }

    /// What is needed to serve one more; `None` when the service had its last client.
    async fn ticket<'a>(shared: &Shared, served: &'a StreamServed) -> Option<Ticket<'a>> {
        let turn = match &served.common.turn {
            None => None,
            Some(turn) => Some(Arc::clone(turn).acquire_owned().await.ok()?),
        };
        let admission = &shared.admission;
        let place = match admission.try_place() {
            Some(place) => {
                shared.set_full(false);
                Some(place)
            }
            None => {
                shared.set_full(true);
                match shared.limits.when_full {
                    WhenFull::Wait => Some(admission.place().await?),
                    WhenFull::Refuse => None,
                }
            }
        };
        let remaining = match &served.common.remaining {
            None => None,
            Some(remaining) => Some(remaining.acquire().await.ok()?),
        };
        Some(Ticket {
            place,
            turn,
            remaining,
        })
    }

    /// A drain serves who came before it: clients that the kernel has queued.
    async fn take_the_queue(&mut self, served: &StreamServed) {
        let shared = Arc::clone(&self.shared);
        let taking = async {
            loop {
                // An accept of the reactor's knowledge alone could miss a client that
                // the kernel has, so the loop gives the reactor a moment.
                let next = self.next(&shared, served);
                match tokio::time::timeout(DRAIN_PAUSE, next).await {
                    Ok(Some(Ok((connection, ticket)))) => self.take(served, connection, ticket),
                    Ok(Some(Err(error))) if is_about_one_connection(&error) => {}
                    Ok(Some(Err(_)) | None) | Err(_) => return,
                }
            }
        };
        // Who is still in the queue then has come after the drain began.
        let _ = tokio::time::timeout(QUEUE_TIME, taking).await;
    }

    /// Admits a connection, or refuses it.
    fn take(&mut self, served: &StreamServed, connection: Connection, ticket: Ticket<'_>) {
        // A place may have become free since the ticket was made.
        let place = ticket.place.or_else(|| self.shared.admission.try_place());
        match place {
            Some(place) => self.admit(served, connection, place, ticket.turn, ticket.remaining),
            None => self.refuse(connection, CloseReason::RefusedFull),
        }
    }

    fn admit(
        &mut self,
        served: &StreamServed,
        connection: Connection,
        place: Place,
        turn: Option<tokio::sync::OwnedSemaphorePermit>,
        remaining: Option<SemaphorePermit<'_>>,
    ) {
        let Some(share) = self.shared.admission.admit(connection.peer()) else {
            return self.refuse(connection, CloseReason::RefusedPerPeer);
        };
        if let Some(remaining) = remaining {
            remaining.forget();
            served.common.count_down();
        }
        let info = Arc::new(ConnectionInfo {
            id: self.shared.next_id(),
            service: Arc::clone(&self.served.name),
            peer: connection.peer().clone(),
            local: connection.local().clone(),
            opened: Instant::now(),
        });
        let watch = Arc::new(Watch::new(self.shared.drain.flag()));
        let totals = &self.shared.totals;
        let entry = self
            .registry
            .enter(Arc::clone(&info), Arc::clone(&watch), totals);
        let session = Session {
            shared: Arc::clone(&self.shared),
            served: Arc::clone(&self.served),
            info,
            watch,
            service: served.service.clone(),
            entry,
            _held: (place, turn, share),
        };
        match self.spare.take() {
            Some(worker) => session.run_on_thread(worker, connection),
            None => {
                let span = session.span();
                tokio::spawn(session.run(connection).instrument(span));
            }
        }
    }

    /// Tells a client that it is not served, without holding up the next one.
    fn refuse(&self, mut connection: Connection, reason: CloseReason) {
        self.shared.totals.ended(reason);
        self.shared.tell(&Event::Refused {
            service: &self.served.name,
            peer: connection.peer(),
            reason,
        });
        let Some(right) = self.shared.admission.try_refusal() else {
            return;
        };
        if self.served.tls.is_some() {
            // Plain text would only look like a broken handshake.
            return;
        }
        let shared = Arc::clone(&self.shared);
        tokio::spawn(async move {
            let refusal = &shared.limits.refusal;
            // Whether the client hears it is its own affair.
            let _ = tokio::time::timeout(REFUSAL_LINGER, connection.write_all(refusal)).await;
            let _ = connection.wind_down(REFUSAL_LINGER).await;
            drop(right);
        });
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
        of.shared.totals.accept_failed();
        if is_about_one_connection(error) {
            // It is gone. A listener that fails so without end must not spin either.
            tokio::task::yield_now().await;
            return;
        }
        self.failures += 1;
        self.over_at = None;
        if self.failures == 1 {
            let (service, local) = (&*of.served.name, of.listener.local());
            tracing::warn!(service, %local, %error, "accept fails; trying again until it works");
            of.shared.tell(&Event::AcceptFailing {
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
            () = of.shared.freed.notified() => {}
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
        let (service, local) = (&*of.served.name, of.listener.local());
        tracing::info!(service, %local, failures = self.failures, "accept works again");
        of.shared.tell(&Event::AcceptRecovered {
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
