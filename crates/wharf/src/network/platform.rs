//! What a service may ask of its machine besides the network.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Wall time, random bytes and blocking work of one machine, real or simulated.
///
/// A service reaches these through its [`Context`](crate::service::Context) and
/// in no other way; that is what makes a simulated run repeatable. Timers are
/// `tokio::time`.
#[derive(Clone)]
pub struct Platform(Arc<dyn Machine>);

/// The three things that a machine gives to its programs.
pub trait Machine: Send + Sync + 'static {
    /// The time of day.
    fn wall_time(&self) -> SystemTime;
    /// Fills `bytes` with random bytes fit for secrets (on a simulated machine: seeded ones).
    fn random(&self, bytes: &mut [u8]);
    /// Runs work that blocks, apart from the network's thread.
    fn blocking(&self, work: Box<dyn FnOnce() + Send>);
}

impl Platform {
    /// A platform that asks `machine`.
    pub fn new(machine: impl Machine) -> Self {
        Platform(Arc::new(machine))
    }

    /// The machine that this process runs on.
    ///
    /// Blocking work goes to tokio's blocking pool; randomness comes from the
    /// operating system (getrandom(2)).
    pub fn os() -> Self {
        Platform::new(OsMachine)
    }

    /// The time of day.
    pub fn wall_time(&self) -> SystemTime {
        self.0.wall_time()
    }

    /// Fills `bytes` with random bytes.
    pub fn random(&self, bytes: &mut [u8]) {
        self.0.random(bytes);
    }

    /// Runs `work` where it may block, and gives its result.
    ///
    /// Dropping the future does not stop the work; its result is then lost.
    /// `None` means that the work panicked or the runtime is shutting down.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Option<T> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        self.0.blocking(Box::new(move || {
            // Nobody waits any more: the result has no reader, which is fine.
            let _ = sender.send(work());
        }));
        receiver.await.ok()
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Platform")
    }
}

struct OsMachine;

impl Machine for OsMachine {
    fn wall_time(&self) -> SystemTime {
        SystemTime::now()
    }

    fn random(&self, bytes: &mut [u8]) {
        if let Err(error) = getrandom::fill(bytes) {
            // Without randomness no secret is safe. Linux's getrandom(2) cannot
            // fail for these arguments; a seccomp filter that forbids it can.
            panic!("the operating system gives no random bytes: {error}");
        }
    }

    fn blocking(&self, work: Box<dyn FnOnce() + Send>) {
        tokio::task::spawn_blocking(work);
    }
}
