//! What all cores of one server hold together.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::admission::Admission;
use super::events::{Event, Observer};
use super::registry::Registry;
use super::snapshot::{ConnectionSnapshot, DatagramSnapshot, Snapshot, Totals};
use super::{AnyDatagramService, Entry, Mode, ServeOptions, What};
use crate::connection::CloseReason;
use crate::datagram::{Amplification, Datagrams, SharedCounters};
use crate::limits::Limits;
use crate::network::Platform;
use crate::service::{AnyService, Context, Drain};
use crate::tls::ServerTls;

/// The state of one server, over all its cores.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) admission: Arc<Admission>,
    pub(super) totals: Totals,
    pub(super) drain: Drain,
    /// The drain is over: nobody is served any more.
    pub(super) cut: Drain,
    pub(super) context: Context,
    /// One registry per core.
    pub(super) cores: Vec<Arc<Registry>>,
    observer: Option<Arc<dyn Observer>>,
    next_id: AtomicU64,
    /// Listeners and datagram loops that are still open.
    open_loops: AtomicUsize,
    loops_changed: Notify,
    full: AtomicBool,
    /// What the datagram sockets count; one entry per socket and core.
    datagrams: Mutex<Vec<(DatagramSnapshot, SharedCounters)>>,
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
            cut: Drain::new(),
            cores: (0..cores).map(|_| Arc::default()).collect(),
            observer,
            next_id: AtomicU64::new(1),
            open_loops: AtomicUsize::new(0),
            loops_changed: Notify::new(),
            full: AtomicBool::new(false),
            datagrams: Mutex::default(),
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

    /// Puts a datagram socket's counters into the snapshot.
    pub(super) fn watch_datagrams(&self, service: &Arc<str>, socket: &mut Datagrams) {
        let seen = DatagramSnapshot {
            service: Arc::clone(service),
            local: socket.local().clone(),
            receive_buffer: socket.receive_buffer(),
            counters: socket.counters(),
        };
        self.datagrams
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((seen, socket.share_counters()));
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

    /// Ends every connection for `reason`.
    pub(super) fn condemn_all(&self, reason: CloseReason) {
        for core in &self.cores {
            core.for_each(|live| live.watch.condemn(reason));
        }
    }

    /// Connections whose conversation goes on.
    pub(super) fn unfinished(&self) -> usize {
        let mut count = 0;
        for core in &self.cores {
            core.for_each(|live| count += usize::from(!live.watch.is_over()));
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
        // Nobody comes or goes while the counters are read, so the sums are exact.
        let cores: Vec<_> = self.cores.iter().map(|core| core.lock()).collect();
        let mut snapshot = self.totals.read();
        let now = Instant::now();
        for core in &cores {
            for (_, live) in core.iter() {
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
            }
        }
        drop(cores);
        for live in &snapshot.connections {
            snapshot.received += live.received;
            snapshot.sent += live.sent;
            snapshot.messages += live.messages;
        }
        snapshot.connections.sort_by_key(|live| live.id);
        let sockets = self
            .datagrams
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        snapshot.datagrams = sockets
            .iter()
            .map(|(seen, shared)| DatagramSnapshot {
                counters: shared.read(),
                ..seen.clone()
            })
            .collect();
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

/// One service, as its sockets on all cores see it.
#[derive(Debug)]
pub(super) struct Served {
    pub(super) name: Arc<str>,
    pub(super) service: ServedBy,
    /// The certificate, when it is served over TLS.
    pub(super) tls: Option<ServerTls>,
}

/// What a socket's loop calls.
#[derive(Debug)]
pub(super) enum ServedBy {
    Stream(StreamServed),
    Datagrams(AnyDatagramService, Amplification),
}

/// A service over byte streams.
#[derive(Debug)]
pub(super) struct StreamServed {
    pub(super) service: AnyService,
    pub(super) mode: Mode,
    /// What all addresses of the service have in common.
    pub(super) common: Arc<Common>,
}

/// What all addresses of one service have in common: whose turn it is, and how many
/// clients it may still have.
#[derive(Debug)]
pub(super) struct Common {
    /// The right to accept one more, where their number is limited.
    pub(super) remaining: Option<Semaphore>,
    /// How many of these rights were not used up yet.
    left: AtomicUsize,
    /// Given when none is left: every listener of the service closes.
    last: Drain,
    /// Threads that were made for it.
    threads: AtomicU64,
    /// Whose turn it is, when it serves one at a time.
    pub(super) turn: Option<Arc<Semaphore>>,
}

/// The services that were met so far, to find what belongs together: addresses with
/// the same name and the same way to share the machine are one service.
#[derive(Debug, Default)]
pub(super) struct Groups(Vec<(GroupKey, Arc<Common>)>);

type GroupKey = (Arc<str>, Mode, Option<usize>);

impl Groups {
    fn common(&mut self, name: &Arc<str>, options: &ServeOptions) -> Arc<Common> {
        let key = (Arc::clone(name), options.mode, options.accept_at_most);
        match self.0.iter().find(|(known, _)| *known == key) {
            Some((_, common)) => Arc::clone(common),
            None => {
                let common = Arc::new(Common::new(options));
                self.0.push((key, Arc::clone(&common)));
                common
            }
        }
    }
}

impl Served {
    pub(super) fn new(entry: Entry, tls: Option<ServerTls>, groups: &mut Groups) -> Self {
        let service = match entry.what {
            What::Stream(service, options) => ServedBy::Stream(StreamServed {
                service,
                mode: options.mode,
                common: groups.common(&entry.name, &options),
            }),
            What::Datagrams(service, options) => {
                ServedBy::Datagrams(service, options.amplification)
            }
        };
        Served {
            name: entry.name,
            service,
            tls,
        }
    }
}

impl Common {
    fn new(options: &ServeOptions) -> Self {
        let most = options
            .accept_at_most
            .map(|most| most.min(Semaphore::MAX_PERMITS));
        let common = Common {
            remaining: most.map(Semaphore::new),
            left: AtomicUsize::new(most.unwrap_or(0)),
            last: Drain::new(),
            threads: AtomicU64::new(0),
            turn: (options.mode == Mode::OneAtATime).then(|| Arc::new(Semaphore::new(1))),
        };
        if most == Some(0) {
            common.last.begin();
        }
        common
    }

    /// The number of the next thread, from 1; with it the thread is named.
    pub(super) fn next_thread(&self) -> u64 {
        self.threads.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Notes that one of the limited number of connections was accepted.
    pub(super) fn count_down(&self) {
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.last.begin();
        }
    }

    /// Waits until the service has had its last client. Cancel safe.
    pub(super) async fn had_its_last(&self) {
        self.last.begun().await;
    }
}
