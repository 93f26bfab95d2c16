//! Which transport does an application need? The lectures' table, measured.
//!
//! Every application sends its traffic over TCP and over UDP through the same
//! impaired network, with many seeds. What counts is one number that is fair to
//! both: a message is *unusable* if it is lost, or later than the application can
//! wait.
//!
//! The applications and their needs are the table "requirements of selected network
//! applications" of Kurose and Ross; the bounds are those of 3GPP TS 22.105 (tables
//! ) and ITU-T G.114 (400 ms planning limit).
//!
//! Layout: `profile` is the table, `measure` runs one application once, `verdict`
//! judges many runs.

mod measure;
mod profile;
mod verdict;

use std::time::Duration;

pub use measure::Sample;
pub use profile::{Elastic, Need, PROFILES, Profile, Stream, Traffic};
pub use verdict::{Judgement, Verdict, judge};

use crate::core::Link;
use crate::lab::LabError;

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Reliable and in order.
    Tcp,
    /// Neither, and never waits.
    Udp,
}

impl Transport {
    /// The name.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        }
    }
}

/// The network between the two ends, and how long and how often to try.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The link.
    pub link: Link,
    /// How many seeds; at least 20 make a verdict.
    pub seeds: u64,
    /// The first of them.
    pub first_seed: u64,
    /// How long streams play, in the lab's time.
    pub span: Duration,
}

/// Runs one application with all seeds, and judges it.
///
/// # Errors
/// A lab runs in this thread already.
pub fn run(
    profile: &Profile,
    transport: Transport,
    setting: &Setting,
) -> Result<Judgement, LabError> {
    let seeds = setting.first_seed..setting.first_seed.saturating_add(setting.seeds.max(1));
    let samples: Result<Vec<Sample>, LabError> = seeds
        .map(|seed| measure::once(profile, transport, setting, seed))
        .collect();
    Ok(judge(profile, transport, &samples?))
}
