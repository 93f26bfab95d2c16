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
pub use verdict::{FEWEST_SEEDS, Judgement, Verdict, judge};

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
    /// How many seeds; at least [`FEWEST_SEEDS`] make a verdict.
    pub seeds: u64,
    /// The first of them.
    pub first_seed: u64,
    /// How long streams play, in the lab's time.
    pub span: Duration,
}

/// Runs one application with all seeds, and judges it.
///
/// A network on which nothing gets through is a result too: every message is lost.
///
/// # Errors
/// A lab runs in this thread already.
pub fn run(
    profile: &Profile,
    transport: Transport,
    setting: &Setting,
) -> Result<Judgement, LabError> {
    // After the last seed there is the first one again.
    let seeds = (0..setting.seeds.max(1)).map(|i| setting.first_seed.wrapping_add(i));
    let samples: Result<Vec<Sample>, LabError> = seeds
        .map(|seed| measure::once(profile, transport, setting, seed))
        .collect();
    Ok(judge(profile, transport, &samples?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(link: Link, first_seed: u64) -> Vec<(Judgement, f64)> {
        let setting = Setting {
            link,
            seeds: 2,
            first_seed,
            span: Duration::from_secs(2),
        };
        let both = [Transport::Tcp, Transport::Udp];
        let runs = PROFILES
            .iter()
            .flat_map(|profile| both.map(|over| (profile, over)));
        let judged = runs.map(|(profile, over)| {
            let judgement = run(profile, over, &setting).expect("a bad network is a result");
            let lost = judgement.lost;
            (judgement, lost)
        });
        judged.collect()
    }

    #[test]
    fn where_nothing_gets_through_every_message_is_lost() {
        let usual = || Link::default().rate(10_000_000);
        for dead in [
            usual().loss(1.0),
            usual().queue(0),
            usual().rate(1),
            usual().delay(Duration::from_secs(3_600)),
        ] {
            for (judgement, lost) in lost(dead.clone(), 1) {
                // At 1 bit/s datagrams that nobody waits for arrive after months.
                if judgement.transport == "TCP" || dead.bits_per_second() != Some(1) {
                    assert_eq!((lost, judgement.seeds), (1.0, 2), "{judgement:?} {dead:?}");
                    assert_eq!(judgement.unusable, 1.0, "{judgement:?}");
                }
            }
        }
    }

    #[test]
    fn heavy_loss_is_judged_and_no_failure() {
        for share in [0.15, 0.3, 0.7] {
            let judged = lost(Link::default().rate(10_000_000).loss(share), 1);
            let of = |over| judged.iter().filter(move |(it, _)| it.transport == over);
            assert_eq!(of("TCP").count(), PROFILES.len());
            assert!(of("UDP").any(|(_, lost)| *lost > 0.0), "{share}");
        }
    }

    #[test]
    fn the_last_seed_is_followed_by_the_first() {
        let judged = lost(Link::default(), u64::MAX);
        // Over UDP a fast link carries more than its receiver takes.
        for (judgement, lost) in judged.iter().filter(|(it, _)| it.transport == "TCP") {
            assert_eq!((judgement.seeds, *lost), (2, 0.0), "{judgement:?}");
        }
    }
}
