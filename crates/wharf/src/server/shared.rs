//! What all cores of one server hold together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::admission::Admission;
use super::events::{Event, Observer};
use super::registry::Registry;
use super::snapshot::{ConnectionSnapshot, Snapshot, Totals};
use super::{Mode, StreamEntry};
use crate::connection::CloseReason;
use crate::limits::Limits;
use crate::network::Platform;
use crate::service::{AnyService, Context, Drain};

/// The state of one server, over all its cores.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) admission: Arc<Admission>,
    pub(super) totals: Totals,
    pub(super) drain: Drain,
    pub(super) context: Context,
    /// One registry per core.
    pub(super) cores: Vec<Arc<Registry>>,
    observer: Option<Arc<dyn Observer>>,
    next_id: AtomicU64,
    /// Listeners and datagram loops that are still open.
    open_loops: AtomicUsize,
    loops_changed: Notify,
    full: AtomicBool,
    /// A descriptor was given back: accept may be tried again.
    pub(super) freed: Notify,
}

impl Shared {
    pub(super) fn new(
        limits: Limits,
        platform: Platform,
        observer: Option<Arc<dyn Observer>>,
        cores: usize,
    ) -> Self {
        let drain = Drain::new();
        Shared {
            admission: Arc::new(Admission::new(limits.max_connections, limits.per_peer)),
            totals: Totals::default(),
            context: Context::new(platform, drain.clone()),
            drain,
            cores: (0..cores).map(|_| Arc::default()).collect(),
            observer,
            next_id: AtomicU64::new(1),
            open_loops: AtomicUsize::new(0),
            loops_changed: Notify::new(),
            full: AtomicBool::new(false),
            freed: Notify::new(),
            limits,
        }
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            observer.event(event);
        }
    }

    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Connections that are open on any core.
    pub(super) fn open(&self) -> usize {
        self.cores.iter().map(|core| core.count()).sum()
    }

    /// Notes that the cap is reached; one event per change of state.
    pub(super) fn set_full(&self, full: bool) {
        if self.full.swap(full, Ordering::AcqRel) != full && full {
            let cap = self.limits.max_connections;
            tracing::warn!(cap, "the cap on connections is reached");
            self.tell(&Event::Full { cap });
        }
    }

    pub(super) fn loop_opened(self: &Arc<Self>) -> OpenLoop {
        self.open_loops.fetch_add(1, Ordering::AcqRel);
        OpenLoop(Arc::clone(self))
    }

    /// Waits until nothing listens any more. Cancel safe.
    pub(super) async fn loops_ended(&self) {
        loop {
            let changed = self.loops_changed.notified();
            if self.open_loops.load(Ordering::Acquire) == 0 {
                return;
            }
            changed.await;
        }
    }

    /// Waits until nothing listens and nobody is connected. Cancel safe.
    pub(super) async fn ended(&self) {
        self.loops_ended().await;
        for core in &self.cores {
            core.emptied().await;
        }
    }

    /// Ends every connection for `reason`; gives the number of those that were open.
    pub(super) fn condemn_all(&self, reason: CloseReason) -> usize {
        let mut count = 0;
        for core in &self.cores {
            core.for_each(|live| {
                count += 1;
                live.watch.condemn(reason);
            });
        }
        count
    }

    /// Makes every connection look at the drain signal.
    pub(super) fn wake_all(&self) {
        for core in &self.cores {
            core.for_each(|live| live.watch.wake());
        }
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.totals.read();
        let now = Instant::now();
        for core in &self.cores {
            core.for_each(|live| {
                snapshot.connections.push(ConnectionSnapshot {
                    id: live.info.id,
                    service: Arc::clone(&live.info.service),
                    peer: live.info.peer.clone(),
                    local: live.info.local.clone(),
                    age: now.saturating_duration_since(live.info.opened),
                    received: live.watch.received(),
                    sent: live.watch.sent(),
                    messages: live.watch.messages(),
                });
            });
        }
        for live in &snapshot.connections {
            snapshot.received += live.received;
            snapshot.sent += live.sent;
            snapshot.messages += live.messages;
        }
        snapshot.connections.sort_by_key(|live| live.id);
        snapshot
    }
}

/// A listener or datagram loop that is open; dropping it counts it as ended.
#[derive(Debug)]
pub(super) struct OpenLoop(Arc<Shared>);

impl Drop for OpenLoop {
    fn drop(&mut self) {
        if self.0.open_loops.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.loops_changed.notify_waiters();
        }
    }
}

/// One service, as its listeners on all cores see it.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) name: Arc<str>,
    pub(super) service: AnyService,
    pub(super) mode: Mode,
    /// How many connections may still be accepted.
    pub(super) remaining: Option<Arc<Semaphore>>,
    /// Whose turn it is, when it serves one at a time.
    pub(super) turn: Option<Arc<Semaphore>>,
}

impl Served {
    pub(super) fn new(entry: &StreamEntry) -> Self {
        Served {
            name: Arc::clone(&entry.name),
            service: entry.service.clone(),
            mode: entry.mode,
            remaining: entry
                .accept_at_most
                .map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))),
            turn: (entry.mode == Mode::OneAtATime).then(|| Arc::new(Semaphore::new(1))),
        }
    }
}
