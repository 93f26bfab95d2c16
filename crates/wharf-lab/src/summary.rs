//! What a lab did, in numbers: the same for people and for machines.

use serde::Serialize;

use crate::core::{Cause, LinkCounters, NodeId};
use crate::lab::Report;
use crate::node::Bus;
use crate::stack::ConnectionReport;

/// A lab's run. Times are in seconds, sizes in bytes, rates in bits per second.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The seed.
    pub seed: u64,
    /// How long it ran, in its own time.
    pub seconds: f64,
    /// Each link, in the order of the topology.
    pub links: Vec<LinkSummary>,
    /// Each shared medium.
    pub media: Vec<MediumSummary>,
    /// Each end of each connection.
    pub connections: Vec<ConnectionSummary>,
}

/// One link.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LinkSummary {
    /// The names of its ends.
    pub ends: [String; 2],
    /// What it is made of.
    pub medium: &'static str,
    /// Whether it is whole.
    pub up: bool,
    /// From the first end to the second, and back.
    pub directions: [DirectionSummary; 2],
}

/// One direction of a link. `sent + duplicated = delivered + dropped + in_flight`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DirectionSummary {
    /// Frames offered.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that arrived.
    pub delivered: u64,
    /// Frames that did not.
    pub dropped: u64,
    /// Why, by cause; causes that did not occur are left out.
    pub causes: Vec<CauseCount>,
    /// Copies that the link made.
    pub duplicated: u64,
    /// Frames with a bit turned over.
    pub damaged: u64,
    /// Frames that were held back.
    pub held_back: u64,
    /// Frames on their way at the end.
    pub in_flight: u64,
    /// The share of the time in which it was transmitting, 0 to 1.
    pub busy: f64,
    /// The most bytes that waited at once.
    pub queue_peak: usize,
}

/// How often something happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CauseCount {
    /// What.
    pub cause: &'static str,
    /// How often.
    pub frames: u64,
}

/// One shared medium.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MediumSummary {
    /// Its name.
    pub name: String,
    /// Frames that were carried to the end.
    pub carried: u64,
    /// Collisions, counted at each station that noticed one.
    pub collisions: u64,
    /// Frames that were given up after too many collisions.
    pub given_up: u64,
    /// Frames that found a station's queue full.
    pub queue_full: u64,
}

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectionSummary {
    /// The host.
    pub host: String,
    /// Its endpoint.
    pub local: String,
    /// The peer's.
    pub peer: String,
    /// When it was opened.
    pub opened: f64,
    /// How long something happened on it.
    pub seconds: f64,
    /// Bytes that it sent and the peer acknowledged.
    pub acknowledged: u64,
    /// Bytes that its application read.
    pub read: u64,
    /// Payload per second in the direction that carried more.
    pub goodput: f64,
    /// Segments with payload.
    pub segments: u64,
    /// Those that were sent again.
    pub retransmissions: u64,
    /// The shortest round trip; nothing if none was measured.
    pub rtt_least: Option<f64>,
    /// The smoothed round trip.
    pub rtt: Option<f64>,
}

impl Report {
    /// The run in numbers.
    pub fn summary(&self) -> Summary {
        let seconds = self.time().since_start().as_secs_f64();
        let links = self.fabric.links().map(|view| LinkSummary {
            ends: [view.first.to_owned(), view.second.to_owned()],
            medium: view.link.medium_name(),
            up: view.up,
            directions: [
                direction(view.forth, seconds),
                direction(view.back, seconds),
            ],
        });
        let connections = self.connections();
        let connections = connections.iter().map(|(host, it)| connection(host, it));
        Summary {
            seed: self.fabric.seed(),
            seconds,
            links: links.collect(),
            media: self.media(),
            connections: connections.collect(),
        }
    }

    fn media(&self) -> Vec<MediumSummary> {
        let names = self.fabric.names().enumerate();
        let media = names.filter_map(|(index, name)| {
            let counters = self.fabric.node::<Bus>(NodeId(index as u32))?.counters();
            Some(MediumSummary {
                name: name.to_owned(),
                carried: counters.carried,
                collisions: counters.collisions,
                given_up: counters.given_up,
                queue_full: counters.queue_full,
            })
        });
        media.collect()
    }
}

fn direction(counters: &LinkCounters, seconds: f64) -> DirectionSummary {
    let causes = Cause::ALL.into_iter().zip(counters.drops);
    let causes = causes.filter(|(_, frames)| *frames > 0);
    let causes = causes.map(|(cause, frames)| CauseCount {
        cause: cause.name(),
        frames,
    });
    DirectionSummary {
        sent: counters.sent,
        bytes: counters.sent_bytes,
        delivered: counters.delivered,
        dropped: counters.dropped(),
        causes: causes.collect(),
        duplicated: counters.duplicated,
        damaged: counters.damaged,
        held_back: counters.held_back,
        in_flight: counters.in_flight,
        busy: match seconds > 0.0 {
            true => (counters.busy as f64 / 1e9 / seconds).min(1.0),
            false => 0.0,
        },
        queue_peak: counters.queue_peak,
    }
}

fn connection(host: &str, report: &ConnectionReport) -> ConnectionSummary {
    ConnectionSummary {
        host: host.to_owned(),
        local: report.local.to_string(),
        peer: report.peer.to_string(),
        opened: report.opened.since_start().as_secs_f64(),
        seconds: report.last.since(report.opened).as_secs_f64(),
        acknowledged: report.acknowledged,
        read: report.read,
        goodput: report.goodput(),
        segments: report.segments,
        retransmissions: report.retransmissions,
        rtt_least: report.rtt_least.map(|rtt| rtt.as_secs_f64()),
        rtt: report.rtt.map(|rtt| rtt.as_secs_f64()),
    }
}
