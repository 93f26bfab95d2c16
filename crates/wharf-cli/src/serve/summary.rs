//! What was served in all: the last line on stderr, and the last event.

use serde_json::{Map, Value, json};
use wharf::connection::CloseReason;
use wharf::datagram::DatagramCounters;
use wharf::server::Snapshot;

use crate::style::{bytes, count};

/// The totals of a server that has ended.
pub(super) struct Summary {
    snapshot: Snapshot,
    /// Over all sockets; `None` where there is none.
    datagrams: Option<DatagramCounters>,
}

impl Summary {
    pub(super) fn of(snapshot: Snapshot) -> Self {
        let datagrams = (!snapshot.datagrams.is_empty()).then(|| {
            let mut sum = DatagramCounters::default();
            for socket in &snapshot.datagrams {
                sum += socket.counters;
            }
            sum
        });
        Summary {
            snapshot,
            datagrams,
        }
    }

    /// For people: one line, and one for each way in which datagrams were lost.
    pub(super) fn text(&self) -> String {
        let snapshot = &self.snapshot;
        let datagrams = self.datagrams.unwrap_or_default();
        let mut parts = vec![count(snapshot.accepted, "connection")];
        if self.datagrams.is_some() {
            parts.push(count(datagrams.received, "datagram"));
        }
        if snapshot.messages > 0 {
            parts.push(count(snapshot.messages, "message"));
        }
        let received = snapshot.received + datagrams.bytes_received;
        let sent = snapshot.sent + datagrams.bytes_sent;
        parts.push(format!("{} in", bytes(received)));
        parts.push(format!("{} out", bytes(sent)));
        let cut_off = snapshot.ended(CloseReason::CutOff);
        if cut_off > 0 {
            parts.push(format!("{cut_off} cut off"));
        }
        let mut text = format!("stopped: {}\n", parts.join(", "));
        for (number, noun, what) in losses(&datagrams) {
            if number > 0 {
                text += &format!("  {} {what}\n", count(number, noun));
            }
        }
        text
    }

    /// For machines: the members of the event `stopped`; docs/json.md describes them.
    pub(super) fn json(&self) -> Value {
        let snapshot = &self.snapshot;
        let ended: Map<String, Value> = snapshot
            .ended
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(reason, count)| (reason.as_str().to_owned(), json!(count)))
            .collect();
        json!({
            "event": "stopped",
            "accepted": snapshot.accepted,
            "accept_failures": snapshot.accept_failures,
            "ended": ended,
            "messages": snapshot.messages,
            "received_bytes": snapshot.received,
            "sent_bytes": snapshot.sent,
            "datagrams": self.datagrams.as_ref().map(datagrams_json),
        })
    }
}

/// The ways in which datagrams come to nothing.
fn losses(datagrams: &DatagramCounters) -> [(u64, &'static str, &'static str); 5] {
    [
        (
            datagrams.amplification_refused,
            "answer",
            "not sent: longer than the question, and the peer is not on this machine",
        ),
        (
            datagrams.not_queued,
            "answer",
            "not sent: too long for a datagram, or the peer has no name to send to",
        ),
        (
            datagrams.send_failed,
            "answer",
            "not sent: the network would not take it",
        ),
        (
            datagrams.truncated,
            "datagram",
            "dropped: longer than the service takes",
        ),
        (
            datagrams.kernel_dropped,
            "datagram",
            "dropped by the kernel: the receive buffer was full",
        ),
    ]
}

fn datagrams_json(datagrams: &DatagramCounters) -> Value {
    json!({
        "received": datagrams.received,
        "received_bytes": datagrams.bytes_received,
        "sent": datagrams.sent,
        "sent_bytes": datagrams.bytes_sent,
        "truncated": datagrams.truncated,
        "icmp_errors": datagrams.icmp_errors,
        "send_failed": datagrams.send_failed,
        "amplification_refused": datagrams.amplification_refused,
        "not_queued": datagrams.not_queued,
        "kernel_dropped": datagrams.kernel_dropped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Summary {
        pub(in crate::serve) fn of_nothing() -> Self {
            Summary::of(Snapshot {
                accepted: 0,
                accept_failures: 0,
                ended: CloseReason::ALL.map(|reason| (reason, 0)),
                received: 0,
                sent: 0,
                messages: 0,
                connections: Vec::new(),
                datagrams: Vec::new(),
            })
        }
    }

    #[test]
    fn every_loss_is_named_and_nothing_else() {
        let mut datagrams = DatagramCounters::default();
        datagrams.amplification_refused = 3;
        datagrams.kernel_dropped = 1;
        let summary = Summary {
            datagrams: Some(datagrams),
            ..Summary::of_nothing()
        };
        assert_eq!(
            summary.text(),
            "stopped: 0 connections, 0 datagrams, 0 B in, 0 B out\n  \
             3 answers not sent: longer than the question, and the peer is not on this machine\n  \
             1 datagram dropped by the kernel: the receive buffer was full\n"
        );
        let event = summary.json();
        assert_eq!(event["datagrams"]["amplification_refused"], 3);
        assert_eq!(event["ended"], json!({}));
    }
}
