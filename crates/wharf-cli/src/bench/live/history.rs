//! What the picture shows: a run over time, in a bounded number of points.

use std::time::Duration;

use wharf_check::load::{Phase, Snapshot};

/// More points than this are merged, two into one: a picture has fewer columns.
const POINTS_AT_MOST: usize = 1_024;

/// One look at a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::bench) struct Point {
    pub(super) phase: Phase,
    /// Since the run began.
    pub(super) at: Duration,
    pub(super) interval: Duration,
    /// Replies in the interval.
    pub(super) messages: u64,
    /// Bytes received and sent in the interval.
    pub(super) moved: u64,
    /// Bytes received and sent in this phase.
    pub(super) bytes: u64,
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) max: Duration,
    /// Datagrams without a reply in time, in this phase.
    pub(super) missing: u64,
    /// Errors so far.
    pub(super) errors: u64,
}

impl Point {
    pub(in crate::bench) fn of(now: &Snapshot<'_>) -> Point {
        Point {
            phase: now.phase,
            at: now.elapsed,
            interval: now.interval,
            messages: now.interval_messages,
            moved: now.interval_received_bytes + now.interval_sent_bytes,
            bytes: now.received_bytes + now.sent_bytes,
            p50: now.latency.quantile(0.5),
            p99: now.latency.quantile(0.99),
            max: now.latency.max(),
            missing: now.missing,
            errors: now.errors.total(),
        }
    }

    /// Replies per second.
    pub(super) fn rate(&self) -> f64 {
        self.per_second(self.messages)
    }

    /// Bytes per second, both ways.
    pub(super) fn byte_rate(&self) -> f64 {
        self.per_second(self.moved)
    }

    fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.interval.as_secs_f64().max(1e-9)
    }

    /// This point and the next one as one: what was slow stays slow.
    fn merge(&self, next: &Point) -> Point {
        Point {
            interval: self.interval + next.interval,
            messages: self.messages + next.messages,
            moved: self.moved + next.moved,
            p50: (self.p50 + next.p50) / 2,
            p99: self.p99.max(next.p99),
            max: self.max.max(next.max),
            ..*next
        }
    }
}

/// All points of a run so far.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    points: Vec<Point>,
    latest: Option<Point>,
    /// Replies and bytes while measuring, and the time they took.
    measured: (u64, u64, Duration),
}

impl History {
    pub(super) fn push(&mut self, point: Point) {
        if point.phase == Phase::Measuring {
            self.measured.0 += point.messages;
            self.measured.1 += point.moved;
            self.measured.2 += point.interval;
        }
        self.latest = Some(point);
        self.points.push(point);
        if self.points.len() > POINTS_AT_MOST {
            let pairs = self.points.chunks(2);
            self.points = pairs
                .map(|pair| match pair {
                    [one, next] => one.merge(next),
                    _ => pair[0],
                })
                .collect();
        }
    }

    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    pub(super) fn latest(&self) -> Option<&Point> {
        self.latest.as_ref()
    }

    /// Replies so far and per second, while measuring.
    pub(super) fn measured(&self) -> (u64, f64) {
        let (messages, _, time) = self.measured;
        (messages, messages as f64 / time.as_secs_f64().max(1e-9))
    }

    /// Bytes so far and per second, while measuring.
    pub(super) fn moved(&self) -> (u64, f64) {
        let (_, bytes, time) = self.measured;
        (bytes, bytes as f64 / time.as_secs_f64().max(1e-9))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::bench::live) fn point(second: u64, messages: u64) -> Point {
        Point {
            phase: Phase::Measuring,
            at: Duration::from_secs(second),
            interval: Duration::from_secs(1),
            messages,
            moved: messages * 64,
            bytes: messages * 64,
            p50: Duration::from_micros(20),
            p99: Duration::from_micros(100 + second),
            max: Duration::from_millis(1),
            missing: 0,
            errors: 0,
        }
    }

    #[test]
    fn points_are_merged_and_nothing_is_forgotten() {
        let mut history = History::default();
        let count = 3 * POINTS_AT_MOST as u64;
        (0..count).for_each(|second| history.push(point(second, 10)));
        assert!(history.points().len() <= POINTS_AT_MOST);
        let all: u64 = history.points().iter().map(|point| point.messages).sum();
        assert_eq!(all, 10 * count);
        assert_eq!(history.measured(), (10 * count, 10.0));
        assert!(history.points().iter().all(|point| point.rate() == 10.0));
    }
}
