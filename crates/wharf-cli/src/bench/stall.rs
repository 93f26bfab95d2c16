//! A reply that took far longer than the others.

use std::time::Duration;

use wharf_check::load::{Latency, Report, Slowest};

use super::render::{count, short};
use crate::style::duration;

/// A reply is called a stall if it took so many times the median, and at least so long.
const TIMES: u32 = 50;
const TOLD: Duration = Duration::from_millis(20);

/// A stall fails the run if the reply was surely not there for so long, unless --late says
/// otherwise: one of 200 ms, and a look at the sockets every 20 ms on a machine with other
/// things to do.
const FAILS: Duration = Duration::from_millis(150);

/// And it must be so many times what nine of ten others took: where hundreds of large messages
/// are in flight, some wait long for their turn, and half of them hardly at all.
const TIMES_MOST: u32 = 25;

/// The slowest reply of a run in which it was a stall.
pub(super) struct Stall {
    slowest: Slowest,
    median: Duration,
    /// What nine of ten others took at most.
    most: Duration,
}

impl Stall {
    pub(super) fn of(report: &Report) -> Option<Self> {
        // Of none there is nothing that it took longer than.
        let (slowest, median) = (report.slowest, median(report)?);
        let is_stall = slowest.took() >= TOLD && slowest.took() > median * TIMES;
        is_stall.then(|| Stall {
            slowest,
            median,
            most: most_of_others(report),
        })
    }

    /// Whether it was long, and surely the server's.
    pub(super) fn fails(&self) -> bool {
        let sure = self.slowest.unanswered();
        sure >= FAILS && sure > self.median * TIMES && sure > self.most * TIMES_MOST
    }

    /// What happened, in words.
    pub(super) fn words(&self) -> String {
        let (took, sure) = (self.slowest.took(), self.slowest.unanswered());
        // A look that came late, on a machine with other things to do.
        let late = match took.saturating_sub(sure) {
            own if own < 2 * TOLD => String::new(),
            _ => format!(", and was surely not there for {}", duration(sure)),
        };
        format!(
            "the slowest reply took {}{late}, the median {}; it came {} into the measurement",
            duration(took),
            short(self.median),
            duration(self.slowest.at())
        )
    }
}

/// How long replies took from when their messages were really sent.
fn latency(report: &Report) -> &Latency {
    match &report.open_loop {
        Some(open) => &open.uncorrected,
        None => &report.latency,
    }
}

fn median(report: &Report) -> Option<Duration> {
    let latency = latency(report);
    (!latency.is_empty()).then(|| latency.quantile(0.5))
}

/// What nine of ten replies besides the slowest one took at most.
fn most_of_others(report: &Report) -> Duration {
    let latency = latency(report);
    let all = latency.histogram().len() as f64;
    latency.quantile(0.9 * (all - 1.0) / all)
}

/// That nothing came any more in the end, if it lasted, in words.
pub(super) fn silence(report: &Report) -> Option<String> {
    let lasted = report.silent?;
    let Some(median) = median(report) else {
        // Bulk has no replies.
        let words = || {
            format!(
                "no byte moved in the last {} of the measurement",
                duration(lasted)
            )
        };
        return (lasted >= FAILS).then(words);
    };
    (lasted >= FAILS && lasted > median * TIMES).then(|| {
        let missing = report.datagrams.map_or(0, |all| all.lost);
        format!(
            "nothing came in the last {} of the measurement; {} had no reply in all",
            duration(lasted),
            count(missing, "datagram")
        )
    })
}
