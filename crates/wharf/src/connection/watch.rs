//! What a server sees of a connection, and how it reaches into it.
//!
//! The connection's task writes the cells, the server's sweep reads them. Only
//! one task polls a connection at a time, so a cell is raised by a plain load
//! and store: no locked instruction is paid per message.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use super::CloseReason;
use crate::limits;

/// The cells of one connection.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    received: AtomicU64,
    sent: AtomicU64,
    messages: AtomicU64,
    /// Output is waiting for the peer to make room.
    writing: AtomicBool,
    /// Silence does not count as idle.
    silence_allowed: AtomicBool,
    /// The conversation is over; what is left is to close in order.
    over: AtomicBool,
    /// What the server decided; 0 is nothing.
    verdict: AtomicU8,
    /// Not even an orderly close is waited for any more.
    cut: AtomicBool,
    /// Nothing moved for a while, as the sweep saw it.
    quiet: AtomicBool,
    /// Set once for all connections of a server when it drains.
    draining: Arc<AtomicBool>,
    waker: Mutex<Option<Waker>>,
}

fn raise(cell: &AtomicU64, by: u64) {
    cell.store(
        cell.load(Ordering::Relaxed).wrapping_add(by),
        Ordering::Relaxed,
    );
}

impl Watch {
    pub(crate) fn new(draining: Arc<AtomicBool>) -> Self {
        Watch {
            draining,
            ..Watch::default()
        }
    }

    pub(crate) fn add_received(&self, bytes: usize) {
        raise(&self.received, bytes as u64);
        self.is_not_quiet();
    }

    pub(crate) fn add_sent(&self, bytes: usize) {
        raise(&self.sent, bytes as u64);
        self.is_not_quiet();
    }

    fn is_not_quiet(&self) {
        if self.quiet.load(Ordering::Relaxed) {
            self.quiet.store(false, Ordering::Relaxed);
        }
    }

    /// Notes that nothing moved for a while.
    pub(crate) fn set_quiet(&self) {
        self.quiet.store(true, Ordering::Relaxed);
    }

    /// All bytes that moved, either way.
    pub(crate) fn moved(&self) -> u64 {
        self.received().wrapping_add(self.sent())
    }

    /// How long the connection must be silent, once the server drains, to count as idle.
    pub(crate) fn drain_pause(&self) -> Duration {
        if self.quiet.load(Ordering::Relaxed) || self.moved() == 0 {
            limits::DRAIN_PAUSE
        } else {
            limits::DRAIN_PAUSE_ACTIVE
        }
    }

    pub(crate) fn add_messages(&self, count: u64) {
        raise(&self.messages, count);
    }

    pub(crate) fn set_writing(&self, waits: bool) {
        self.writing.store(waits, Ordering::Relaxed);
    }

    pub(crate) fn is_writing(&self) -> bool {
        self.writing.load(Ordering::Relaxed)
    }

    pub(crate) fn set_silence_allowed(&self, allowed: bool) {
        self.silence_allowed.store(allowed, Ordering::Relaxed);
    }

    pub(crate) fn is_silence_allowed(&self) -> bool {
        self.silence_allowed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_over(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Ends the connection for `reason`, unless another reason came first. Being cut
    /// off also ends the orderly close that another reason began.
    pub(crate) fn condemn(&self, reason: CloseReason) {
        if reason == CloseReason::CutOff && !self.cut.swap(true, Ordering::AcqRel) {
            self.wake();
        }
        let first =
            self.verdict
                .compare_exchange(0, reason as u8, Ordering::AcqRel, Ordering::Acquire);
        if first.is_ok() {
            self.wake();
        }
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    pub(crate) fn verdict(&self) -> Option<CloseReason> {
        CloseReason::from_code(self.verdict.load(Ordering::Acquire))
    }

    /// Remembers the task that serves the connection.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        let mut slot = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *slot {
            Some(known) => known.clone_from(waker),
            None => *slot = Some(waker.clone()),
        }
    }

    /// Makes the task look at the verdict and the drain signal.
    pub(crate) fn wake(&self) {
        let waker = self
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
