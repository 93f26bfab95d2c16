//! What a datagram socket counts.

use std::ops::AddAssign;
use std::sync::{Arc, Mutex, PoisonError};

/// What happened at one datagram socket since it was bound.
///
/// A datagram service loses messages in silence; these numbers are where they
/// can be found. `received` counts what the service saw; everything else that
/// arrived is in `truncated` or `kernel_dropped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatagramCounters {
    /// Datagrams that were given to the service.
    pub received: u64,
    /// Their payload, in bytes.
    pub bytes_received: u64,
    /// Datagrams that were handed to the network.
    pub sent: u64,
    /// Their payload, in bytes.
    pub bytes_sent: u64,
    /// Datagrams that were longer than a receive slot. They are dropped: half a
    /// message is no message.
    pub truncated: u64,
    /// Errors of earlier datagrams that the socket reported (ICMP unreachable
    /// and the like, RFC 1122 section 4.1.3.3).
    pub icmp_errors: u64,
    /// Datagrams that the network would not take: too long, forbidden, no route,
    /// or the queue of a Unix peer was full.
    pub send_failed: u64,
    /// Replies that were longer than what they answer and were not sent; see
    /// [`Amplification`](crate::datagram::Amplification).
    pub amplification_refused: u64,
    /// Replies that did not fit into the batch or into one datagram, or whose
    /// peer has no name to send to.
    pub not_queued: u64,
    /// Datagrams that the kernel dropped before anyone saw them, mostly because
    /// the receive buffer was full (socket(7), `SO_MEMINFO`).
    pub kernel_dropped: u64,
}

impl AddAssign for DatagramCounters {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.bytes_received += other.bytes_received;
        self.sent += other.sent;
        self.bytes_sent += other.bytes_sent;
        self.truncated += other.truncated;
        self.icmp_errors += other.icmp_errors;
        self.send_failed += other.send_failed;
        self.amplification_refused += other.amplification_refused;
        self.not_queued += other.not_queued;
        self.kernel_dropped += other.kernel_dropped;
    }
}

/// One socket's counters, shown by the task that serves it and read by others.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedCounters(Arc<Mutex<DatagramCounters>>);

impl SharedCounters {
    pub(crate) fn show(&self, counters: DatagramCounters) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    pub(crate) fn read(&self) -> DatagramCounters {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
