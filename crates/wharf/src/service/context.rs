//! What a service may ask for besides its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use tokio::sync::Notify;

use crate::network::Platform;

/// Four things for a service, and nothing else: wall time, random bytes,
/// blocking work and the drain signal. Timers are `tokio::time`.
///
/// ```
/// # async fn example(context: wharf::service::Context) {
/// let digest = context.blocking(|| 6 * 7).await;
/// assert_eq!(digest, Some(42));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Context {
    platform: Platform,
    drain: Drain,
}

impl Context {
    /// A context on `platform` that follows `drain`.
    pub fn new(platform: Platform, drain: Drain) -> Self {
        Context { platform, drain }
    }

    /// The time of day.
    pub fn wall_time(&self) -> SystemTime {
        self.platform.wall_time()
    }

    /// Fills `bytes` with random bytes fit for secrets.
    pub fn random(&self, bytes: &mut [u8]) {
        self.platform.random(bytes);
    }

    /// Runs work that blocks – hashing, files, a database – where it stops nobody
    /// else. `None` means that it panicked. Dropping the future does not stop it.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        self.platform.blocking(work).await
    }

    /// Whether the server was asked to stop.
    pub fn is_draining(&self) -> bool {
        self.drain.has_begun()
    }

    /// Waits until the server is asked to stop. Cancel safe.
    pub async fn draining(&self) {
        self.drain.begun().await;
    }
}

/// The signal that a server is to come to its end.
#[derive(Clone, Debug, Default)]
pub struct Drain(Arc<Signal>);

/// Whether a signal was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// It was given now.
    Now,
    /// It had been given before.
    Before,
}

#[derive(Debug, Default)]
struct Signal {
    begun: Arc<AtomicBool>,
    changed: Notify,
}

impl Drain {
    /// A signal that was not given yet.
    pub fn new() -> Self {
        Drain::default()
    }

    /// Gives the signal, and says whether this was the first time. Giving it again
    /// does nothing.
    pub fn begin(&self) -> Given {
        let before = self.0.begun.swap(true, Ordering::AcqRel);
        self.0.changed.notify_waiters();
        if before { Given::Before } else { Given::Now }
    }

    /// Whether it was given.
    pub fn has_begun(&self) -> bool {
        self.0.begun.load(Ordering::Acquire)
    }

    /// Waits until it is given. Cancel safe.
    pub async fn begun(&self) {
        // Registered before the look, so a signal in between is not missed.
        let changed = self.0.changed.notified();
        if !self.has_begun() {
            changed.await;
        }
    }

    /// The bare flag, for connections to read.
    pub(crate) fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0.begun)
    }
}
