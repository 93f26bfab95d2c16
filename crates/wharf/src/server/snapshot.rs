//! A server's counters at one moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::connection::CloseReason;
use crate::datagram::{BufferSize, DatagramCounters};
use crate::network::Endpoint;

/// The totals of what is over; live connections carry their own cells.
#[derive(Debug, Default)]
pub(super) struct Totals {
    accepted: AtomicU64,
    accept_failures: AtomicU64,
    ended: [AtomicU64; CloseReason::ALL.len()],
    received: AtomicU64,
    sent: AtomicU64,
    messages: AtomicU64,
}

impl Totals {
    pub(super) fn accepted(&self) {
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn accept_failed(&self) {
        self.accept_failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a connection that was closed or refused.
    pub(super) fn ended(&self, reason: CloseReason) {
        self.ended[reason.index()].fetch_add(1, Ordering::Relaxed);
    }

    /// How many were cut off by the end of a drain.
    pub(super) fn cut_off(&self) -> usize {
        let count = self.ended[CloseReason::CutOff.index()].load(Ordering::Acquire);
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    pub(super) fn add_traffic(&self, received: u64, sent: u64, messages: u64) {
        self.received.fetch_add(received, Ordering::Relaxed);
        self.sent.fetch_add(sent, Ordering::Relaxed);
        self.messages.fetch_add(messages, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Snapshot {
        let of = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        Snapshot {
            accepted: of(&self.accepted),
            accept_failures: of(&self.accept_failures),
            ended: CloseReason::ALL.map(|reason| (reason, of(&self.ended[reason.index()]))),
            received: of(&self.received),
            sent: of(&self.sent),
            messages: of(&self.messages),
            connections: Vec::new(),
            datagrams: Vec::new(),
        }
    }
}

/// A server's counters and live connections at one moment, over all cores.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Connections accepted and admitted since the start.
    pub accepted: u64,
    /// How often accept(2) failed.
    pub accept_failures: u64,
    /// Connections closed or refused, by reason.
    pub ended: [(CloseReason, u64); CloseReason::ALL.len()],
    /// Bytes received, live connections included.
    pub received: u64,
    /// Bytes sent, live connections included.
    pub sent: u64,
    /// Messages that services counted, live connections included.
    pub messages: u64,
    /// The connections that are open, oldest first.
    pub connections: Vec<ConnectionSnapshot>,
    /// The datagram sockets, one per endpoint and core.
    pub datagrams: Vec<DatagramSnapshot>,
}

/// One datagram socket.
#[derive(Clone, Debug)]
pub struct DatagramSnapshot {
    /// The service's name.
    pub service: Arc<str>,
    /// Where it is bound.
    pub local: Endpoint,
    /// The receive buffer, as asked for and as granted.
    pub receive_buffer: BufferSize,
    /// What it counted.
    pub counters: DatagramCounters,
}

/// One open connection.
#[derive(Clone, Debug)]
pub struct ConnectionSnapshot {
    /// Its number in the server.
    pub id: u64,
    /// The service's name.
    pub service: Arc<str>,
    /// The client.
    pub peer: Endpoint,
    /// The endpoint that it called.
    pub local: Endpoint,
    /// How long it has been open.
    pub age: Duration,
    /// Bytes received.
    pub received: u64,
    /// Bytes sent.
    pub sent: u64,
    /// Messages that the service counted.
    pub messages: u64,
}

impl Snapshot {
    /// How many connections ended for `reason`.
    pub fn ended(&self, reason: CloseReason) -> u64 {
        self.ended[reason.index()].1
    }

    /// Hands the counters to the `metrics` facade, for whatever exporter is
    /// installed: `wharf_connections_accepted_total`, `wharf_connections_open`,
    /// `wharf_connections_ended_total{reason}`, `wharf_bytes_total{direction}`,
    /// `wharf_messages_total`, `wharf_accept_failures_total`,
    /// `wharf_datagrams_total{direction}`, `wharf_datagrams_lost_total{cause}`.
    pub fn publish(&self) {
        metrics::counter!("wharf_connections_accepted_total").absolute(self.accepted);
        metrics::counter!("wharf_accept_failures_total").absolute(self.accept_failures);
        metrics::counter!("wharf_bytes_total", "direction" => "received").absolute(self.received);
        metrics::counter!("wharf_bytes_total", "direction" => "sent").absolute(self.sent);
        metrics::counter!("wharf_messages_total").absolute(self.messages);
        metrics::gauge!("wharf_connections_open").set(self.connections.len() as f64);
        self.publish_datagrams();
        for (reason, count) in self.ended {
            metrics::counter!("wharf_connections_ended_total", "reason" => reason.as_str())
                .absolute(count);
        }
    }

    fn publish_datagrams(&self) {
        let mut sum = DatagramCounters::default();
        for socket in &self.datagrams {
            sum += socket.counters;
        }
        let moved = [("received", sum.received), ("sent", sum.sent)];
        for (direction, count) in moved {
            metrics::counter!("wharf_datagrams_total", "direction" => direction).absolute(count);
        }
        let lost = [
            ("truncated", sum.truncated),
            ("send-failed", sum.send_failed),
            ("amplification", sum.amplification_refused),
            ("not-queued", sum.not_queued),
            ("kernel-dropped", sum.kernel_dropped),
        ];
        for (cause, count) in lost {
            metrics::counter!("wharf_datagrams_lost_total", "cause" => cause).absolute(count);
        }
    }
}
