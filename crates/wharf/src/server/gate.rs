//! The gate behind a listener: what is needed to serve one more client, and what
//! becomes of who was accepted – a session, or a refusal.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, SemaphorePermit};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::Mode;
use super::admission::Place;
use super::events::{ConnectionInfo, Event};
use super::registry::Registry;
use super::session::Session;
use super::shared::{Served, Shared, StreamServed};
use super::worker::Worker;
use crate::connection::{CloseReason, Connection, Watch};
use crate::limits::{ACCEPT_BACKOFF_MAX, WhenFull};

/// How long a refused client has to read the refusal.
const REFUSAL_LINGER: Duration = Duration::from_millis(500);

/// One service's gate on one core.
pub(super) struct Gate {
    pub(super) shared: Arc<Shared>,
    pub(super) served: Arc<Served>,
    pub(super) registry: Arc<Registry>,
    /// The thread for the next client, where each is served on one of its own.
    pub(super) spare: Option<Worker>,
}

/// What is needed to serve one more client; held while accept(2) is asked.
pub(super) struct Ticket<'a> {
    place: Option<Place>,
    turn: Option<OwnedSemaphorePermit>,
    remaining: Option<SemaphorePermit<'a>>,
}

impl Gate {
    /// Makes what a client's thread needs before there is a client: without it, nobody
    /// is accepted, and who comes waits in the listener's queue.
    pub(super) async fn prepare(&mut self, served: &StreamServed) -> io::Result<()> {
        if served.mode == Mode::Threads && self.spare.is_none() {
            let name = format!("{}-{}", self.served.name, served.common.next_thread());
            self.spare = Some(Worker::start(name).await?);
        }
        Ok(())
    }

    /// What is needed to serve one more; `None` when the service had its last client.
    pub(super) async fn ticket<'a>(&self, served: &'a StreamServed) -> Option<Ticket<'a>> {
        let shared = &self.shared;
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

    /// Serves a client that was accepted without a ticket, as soon as there is one;
    /// `None` when the service had its last client.
    pub(super) async fn serve_when_possible(
        &mut self,
        served: &StreamServed,
        connection: Connection,
    ) -> Option<()> {
        while self.prepare(served).await.is_err() {
            tokio::select! {
                biased;
                () = self.shared.freed.notified() => {}
                () = tokio::time::sleep(ACCEPT_BACKOFF_MAX) => {}
            }
        }
        let ticket = self.ticket(served).await?;
        self.take(served, connection, ticket);
        Some(())
    }

    /// Admits a connection, or refuses it.
    pub(super) fn take(
        &mut self,
        served: &StreamServed,
        connection: Connection,
        ticket: Ticket<'_>,
    ) {
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
        turn: Option<OwnedSemaphorePermit>,
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
            // Who is watched has a number already: logs and pictures shall say the same.
            id: connection
                .socket_number()
                .unwrap_or_else(|| self.shared.next_id()),
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
                tokio::spawn(Box::new(session).run(connection).instrument(span));
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
