//! Time limits for single reads and writes.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

use crate::service::Timeouts;

/// The timers of a connection whose reads or writes are limited in time.
pub(super) struct Timers {
    pub(super) read: Timer,
    pub(super) write: Timer,
}

pub(super) struct Timer {
    limit: Option<Duration>,
    running: Option<Pin<Box<Sleep>>>,
}

impl Timers {
    pub(super) fn new(timeouts: Timeouts) -> Self {
        let timer = |limit| Timer {
            limit,
            running: None,
        };
        Timers {
            read: timer(timeouts.read),
            write: timer(timeouts.write),
        }
    }
}

impl Timer {
    /// Turns a wait that is too long into an error. The clock starts when a wait
    /// begins, and stops when it is over.
    pub(super) fn check<T>(
        &mut self,
        cx: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (Poll::Pending, Some(limit)) = (&outcome, self.limit) else {
            self.running = None;
            return outcome;
        };
        let running = self
            .running
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        ready!(running.as_mut().poll(cx));
        self.running = None;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Forgets a wait that was given up.
    pub(super) fn stop(&mut self) {
        self.running = None;
    }
}
