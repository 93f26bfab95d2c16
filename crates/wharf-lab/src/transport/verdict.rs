//! From many runs to one verdict.

use serde::Serialize;

use super::Transport;
use super::measure::Sample;
use super::profile::{Elastic, Need, Profile, Stream, Traffic};

/// Fewer seeds make no verdict: nine tenths of them would be all.
pub const FEWEST_SEEDS: usize = 20;

/// The share of the seeds that must bear a verdict.
const CONFIDENCE: f64 = 0.9;

/// How good a transport is for an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It cannot be used.
    Fail,
    /// Between what is preferred and what is possible.
    Marginal,
    /// As the application wants it.
    Good,
}

impl Verdict {
    /// The verdict in one word.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Fail => "fail",
            Verdict::Marginal => "marginal",
            Verdict::Good => "good",
        }
    }
}

/// What became of one application over one transport. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judgement {
    /// The application.
    pub application: &'static str,
    /// The transport.
    pub transport: &'static str,
    /// The verdict that nine tenths of the seeds bear; none of fewer than
    /// [`FEWEST_SEEDS`].
    pub verdict: Option<Verdict>,
    /// The need that broke, where the verdict is not good.
    pub broken: Option<&'static str>,
    /// The share of messages that were lost or too late to be good (for elastic
    /// traffic of bytes that are missing); the mean over the seeds.
    pub unusable: f64,
    /// The share that was lost; the mean over the seeds.
    pub lost: f64,
    /// Percentiles of the delay over all messages of all seeds that arrived.
    pub p50: f64,
    /// See [`Judgement::p50`].
    pub p95: f64,
    /// See [`Judgement::p50`].
    pub p99: f64,
    /// The longest delay.
    pub most: f64,
    /// How many seeds.
    pub seeds: usize,
    /// The share of unusable messages with each seed, in order.
    pub by_seed: Vec<f64>,
}

/// What one run means.
struct Judged {
    verdict: Verdict,
    broken: Option<Need>,
    unusable: f64,
    lost: f64,
}

/// Judges all runs of an application over a transport.
pub fn judge(profile: &Profile, transport: Transport, samples: &[Sample]) -> Judgement {
    let judged: Vec<Judged> = samples
        .iter()
        .map(|sample| match &profile.traffic {
            Traffic::Stream(stream) => judge_stream(stream, sample),
            Traffic::Elastic(elastic) => judge_elastic(elastic, sample),
        })
        .collect();
    let verdict = (judged.len() >= FEWEST_SEEDS).then(|| borne(&judged));
    let mut delays: Vec<f64> = samples.iter().flat_map(|it| it.delays.clone()).collect();
    delays.sort_by(f64::total_cmp);
    Judgement {
        application: profile.name,
        transport: transport.name(),
        verdict,
        broken: most_broken(&judged).filter(|_| verdict.is_some_and(|it| it < Verdict::Good)),
        unusable: mean(judged.iter().map(|it| it.unusable)),
        lost: mean(judged.iter().map(|it| it.lost)),
        p50: percentile(&delays, 0.50),
        p95: percentile(&delays, 0.95),
        p99: percentile(&delays, 0.99),
        most: percentile(&delays, 1.0),
        seeds: samples.len(),
        by_seed: judged.iter().map(|it| it.unusable).collect(),
    }
}

/// The best verdict that nine tenths of the seeds reach.
fn borne(judged: &[Judged]) -> Verdict {
    let enough = |verdict| {
        let count = judged.iter().filter(|it| it.verdict >= verdict).count();
        count as f64 >= CONFIDENCE * judged.len() as f64
    };
    match (enough(Verdict::Good), enough(Verdict::Marginal)) {
        (true, _) => Verdict::Good,
        (false, true) => Verdict::Marginal,
        (false, false) => Verdict::Fail,
    }
}

/// The need that broke in most of the runs.
fn most_broken(judged: &[Judged]) -> Option<&'static str> {
    let count = |need| judged.iter().filter(|it| it.broken == Some(need)).count();
    let needs = [Need::NoLoss, Need::Delay, Need::Throughput];
    let most = needs.into_iter().max_by_key(|need| count(*need))?;
    (count(most) > 0).then(|| most.name())
}

fn judge_stream(stream: &Stream, sample: &Sample) -> Judged {
    let wanted = sample.wanted.max(1) as f64;
    let within = |bound: f64| sample.delays.iter().filter(|late| **late <= bound).count() as f64;
    let unusable_at = |bound| 1.0 - within(bound) / wanted;
    let unusable = unusable_at(stream.good.as_secs_f64());
    let at_most = unusable_at(stream.limit.as_secs_f64());
    let lost = 1.0 - (sample.arrived as f64 / wanted).min(1.0);
    // A share of 3 in 100 is not exactly 0.03 here.
    let borne = |share: f64| share <= stream.bears + 1e-9;
    let verdict = match (borne(unusable), borne(at_most)) {
        (true, _) => Verdict::Good,
        (false, true) => Verdict::Marginal,
        (false, false) => Verdict::Fail,
    };
    let skipped = sample.skipped as f64 / wanted;
    let broken = if skipped > stream.bears {
        Need::Throughput
    } else if lost > stream.bears {
        Need::NoLoss
    } else {
        Need::Delay
    };
    Judged {
        verdict,
        broken: (verdict < Verdict::Good).then_some(broken),
        unusable,
        lost,
    }
}

fn judge_elastic(elastic: &Elastic, sample: &Sample) -> Judged {
    let missing = sample.wanted.saturating_sub(sample.arrived);
    let lost = missing as f64 / sample.wanted.max(1) as f64;
    let took = sample.delays.first().copied().unwrap_or(f64::INFINITY);
    let good = elastic.good.as_secs_f64().max(sample.ideal * 3.0);
    let limit = elastic.limit.as_secs_f64().max(sample.ideal * 30.0);
    let (verdict, broken) = if sample.delays.is_empty() {
        (Verdict::Fail, Some(Need::Throughput))
    } else if missing > 0 {
        (Verdict::Fail, Some(Need::NoLoss))
    } else if took <= good {
        (Verdict::Good, None)
    } else if took <= limit {
        (Verdict::Marginal, Some(Need::Throughput))
    } else {
        (Verdict::Fail, Some(Need::Throughput))
    };
    Judged {
        verdict,
        broken,
        unusable: lost,
        lost,
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = values.len().max(1);
    values.sum::<f64>() / count as f64
}

/// The value below which this share of the sorted values lies; 0 without values.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::PROFILES;
    use super::*;

    fn voice() -> &'static Profile {
        PROFILES
            .iter()
            .find(|profile| profile.key == "voice")
            .unwrap()
    }

    fn run(late: usize, lost: usize) -> Sample {
        let delays = (0..100 - lost).map(|i| if i < late { 0.3 } else { 0.05 });
        Sample {
            wanted: 100,
            arrived: 100 - lost as u64,
            delays: delays.collect(),
            ..Sample::default()
        }
    }

    #[test]
    fn the_verdict_is_what_nine_tenths_of_the_seeds_bear() {
        let verdict = |bad: usize, sample: Sample| {
            let mut samples = vec![run(0, 0); 20 - bad];
            samples.extend(vec![sample; bad]);
            let result = judge(voice(), Transport::Tcp, &samples);
            (result.verdict, result.broken)
        };
        let is = |verdict, broken| (Some(verdict), broken);
        assert_eq!(verdict(0, run(0, 0)), is(Verdict::Good, None));
        assert_eq!(verdict(2, run(50, 0)), is(Verdict::Good, None));
        assert_eq!(verdict(3, run(50, 0)), is(Verdict::Marginal, Some("delay")));
        assert_eq!(verdict(3, run(0, 50)), is(Verdict::Fail, Some("data loss")));
        // Three of a hundred are borne, four are not.
        assert_eq!(verdict(20, run(0, 3)).0, Some(Verdict::Good));
        assert_eq!(verdict(20, run(0, 4)).0, Some(Verdict::Fail));
    }

    #[test]
    fn fewer_than_twenty_seeds_make_no_verdict() {
        let of = |seeds: usize| judge(voice(), Transport::Tcp, &vec![run(0, 50); seeds]);
        for seeds in [0, 1, 19] {
            let result = of(seeds);
            assert_eq!((result.verdict, result.broken), (None, None), "{seeds}");
        }
        assert_eq!(of(19).lost, 0.5);
        assert_eq!(of(20).verdict, Some(Verdict::Fail));
    }

    #[test]
    fn a_file_with_a_missing_byte_is_no_file() {
        let file = &PROFILES[0];
        let mut sample = Sample {
            wanted: 10,
            arrived: 10,
            delays: vec![2.0],
            skipped: 0,
            ideal: 1.0,
        };
        let verdict =
            |sample: &Sample| judge(file, Transport::Udp, &vec![sample.clone(); 20]).verdict;
        assert_eq!(verdict(&sample), Some(Verdict::Good));
        sample.delays = vec![4.0];
        assert_eq!(verdict(&sample), Some(Verdict::Marginal));
        sample.arrived = 9;
        assert_eq!(verdict(&sample), Some(Verdict::Fail));
    }
}
