//! A reply that took far longer than the others.

use std::time::Duration;

use wharf_check::load::{Report, Slowest};

use super::render::short;
use crate::style::duration;

/// A reply is called a stall if it took so many times the median, and at least so long.
const TIMES: u32 = 50;
const TOLD: Duration = Duration::from_millis(20);

/// A stall fails the run from here on, unless --late says otherwise.
const FAILS: Duration = Duration::from_millis(200);

/// The slowest reply of a run in which it was a stall.
pub(super) struct Stall {
    slowest: Slowest,
    median: Duration,
}

impl Stall {
    pub(super) fn of(report: &Report) -> Option<Self> {
        let (slowest, median) = (report.slowest, report.latency.quantile(0.5));
        let is_stall = slowest.took() >= TOLD && slowest.took() > median * TIMES;
        is_stall.then_some(Stall { slowest, median })
    }

    /// Whether it was long, also without what this program itself waited for a processor.
    pub(super) fn fails(&self) -> bool {
        let without_us = self.slowest.took().saturating_sub(self.client_waited());
        without_us >= FAILS
    }

    /// What happened, in words.
    pub(super) fn words(&self) -> String {
        let own = match self.client_waited() {
            waited if waited < TOLD => String::new(),
            waited => format!(
                "; this program itself had no processor for up to {} of that",
                duration(waited)
            ),
        };
        format!(
            "the slowest reply took {}, the median {}; it came {} into the measurement{own}",
            duration(self.slowest.took()),
            short(self.median),
            duration(self.slowest.at())
        )
    }

    fn client_waited(&self) -> Duration {
        self.slowest.client_waited()
    }
}
