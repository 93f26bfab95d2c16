//! Who is connected to one core, and the sweep that ends what takes too long.
//!
//! A connection does not run timers. Its byte counters tell the sweep whether
//! anything moved since the last look, so a message costs no clock reading. The
//! price is resolution: one sweep notices that the last byte came, another one that
//! the time is over, so a timeout comes up to two sweeps late, and never early.
//! Sweeps come eight times per shortest timeout, at least every second.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use slab::Slab;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::events::ConnectionInfo;
use super::snapshot::Totals;
use crate::connection::{CloseReason, Watch};
use crate::limits::{Limits, QUIET};

/// The shortest time between two sweeps.
const SWEEP_MIN: Duration = Duration::from_millis(10);
/// The longest time between two sweeps.
const SWEEP_MAX: Duration = Duration::from_secs(1);

/// The connections of one core.
#[derive(Debug, Default)]
pub(super) struct Registry {
    live: Mutex<Slab<Live>>,
    count: AtomicUsize,
    /// Told when the first connection comes, and when the last one goes.
    changed: Notify,
}

/// One connection, as the sweep sees it.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) watch: Arc<Watch>,
    moved: u64,
    moved_at: Instant,
    sent: u64,
    sent_at: Instant,
}

impl Registry {
    /// The connections; while it is held, none comes and none goes.
    pub(super) fn lock(&self) -> MutexGuard<'_, Slab<Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection, and counts it in the same moment as a snapshot sees it.
    pub(super) fn enter(
        self: &Arc<Self>,
        info: Arc<ConnectionInfo>,
        watch: Arc<Watch>,
        totals: &Totals,
    ) -> Entry {
        let now = info.opened;
        let mut live = self.lock();
        totals.accepted();
        let key = live.insert(Live {
            info,
            watch,
            moved: 0,
            moved_at: now,
            sent: 0,
            sent_at: now,
        });
        drop(live);
        if self.count.fetch_add(1, Ordering::AcqRel) == 0 {
            self.changed.notify_waiters();
        }
        Entry {
            registry: Arc::clone(self),
            key: Some(key),
        }
    }

    /// How many connections there are.
    pub(super) fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Waits until there is no connection. Cancel safe.
    pub(super) async fn emptied(&self) {
        self.until(|count| count == 0).await;
    }

    async fn until(&self, reached: impl Fn(usize) -> bool) {
        loop {
            let changed = self.changed.notified();
            if reached(self.count()) {
                return;
            }
            changed.await;
        }
    }

    /// Calls `look` for every connection.
    pub(super) fn for_each(&self, mut look: impl FnMut(&Live)) {
        for (_, live) in self.lock().iter() {
            look(live);
        }
    }

    /// Ends what takes too long, for ever. Sleeps while there is no connection.
    pub(super) async fn sweep(&self, limits: &Limits) {
        let pause = sweep_pause(limits);
        loop {
            self.until(|count| count > 0).await;
            tokio::time::sleep(pause).await;
            let now = Instant::now();
            for (_, live) in self.lock().iter_mut() {
                if let Some(reason) = live.overdue(now, limits) {
                    live.watch.condemn(reason);
                }
            }
        }
    }
}

/// Without any timeout the sweep still tells who is quiet, for the drain.
fn sweep_pause(limits: &Limits) -> Duration {
    let timeouts = [
        limits.idle_timeout,
        limits.write_timeout,
        limits.total_timeout,
    ];
    match timeouts.into_iter().flatten().min() {
        Some(shortest) => (shortest / 8).clamp(SWEEP_MIN, SWEEP_MAX),
        None => SWEEP_MAX,
    }
}

impl Live {
    /// The reason for which the connection must end now, if there is one.
    fn overdue(&mut self, now: Instant, limits: &Limits) -> Option<CloseReason> {
        let passed = |since: Instant, most: Option<Duration>| {
            most.is_some_and(|most| now.saturating_duration_since(since) >= most)
        };
        let sent = self.watch.sent();
        if sent != self.sent || !self.watch.is_writing() {
            (self.sent, self.sent_at) = (sent, now);
        }
        let moved = self.watch.received().wrapping_add(sent);
        if moved != self.moved {
            (self.moved, self.moved_at) = (moved, now);
        } else if passed(self.moved_at, Some(QUIET)) {
            self.watch.set_quiet();
        }
        if passed(self.info.opened, limits.total_timeout) {
            Some(CloseReason::TotalTimeout)
        } else if passed(self.sent_at, limits.write_timeout) {
            Some(CloseReason::SlowReader)
        } else if passed(self.moved_at, limits.idle_timeout)
            && !self.watch.is_writing()
            && !self.watch.is_silence_allowed()
        {
            Some(CloseReason::Idle)
        } else {
            None
        }
    }
}

/// A connection's place in the registry; dropping it takes the connection out.
#[derive(Debug)]
pub(super) struct Entry {
    registry: Arc<Registry>,
    key: Option<usize>,
}

impl Entry {
    /// Moves the connection from the live ones to the totals, in one step. It
    /// counts as open until the entry is dropped.
    pub(super) fn close(&mut self, totals: &Totals, reason: CloseReason) {
        let mut all = self.registry.lock();
        if let Some(live) = self.key.take().and_then(|key| all.try_remove(key)) {
            let watch = &live.watch;
            totals.ended(reason);
            totals.add_traffic(watch.received(), watch.sent(), watch.messages());
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        if let Some(key) = self.key.take() {
            self.registry.lock().try_remove(key);
        }
        if self.registry.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.registry.changed.notify_waiters();
        }
    }
}
