//! `--fail-if`: a figure, a sign and a bound, as in `p99>5ms`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use wharf_check::load::Report;

use crate::quantity::{parse_count, parse_duration, parse_size};
use crate::usage::Misuse;

/// A condition under which a run has failed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Limit {
    text: String,
    figure: Figure,
    sign: Sign,
    /// In seconds, messages or bytes per second, percent, pieces or bytes.
    bound: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    /// The latency that this share of all replies does not exceed.
    Quantile(f64),
    Mean,
    Max,
    /// Messages per second.
    Rate,
    /// Bytes per second, received or sent: whichever are more.
    Bytes,
    /// Datagrams without a reply, in percent.
    Loss,
    Duplicated,
    Reordered,
    /// The server's private memory at the end.
    Memory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Above,
    Below,
}

const SHAPE: &str = "a limit is a figure, < or >, and a bound: p50 p99.9 mean max with a time, \
    rate with a number, bytes or memory with a size, loss with a percentage, duplicated or \
    reordered with a number";

/// A limit that is none of these.
fn shapeless() -> Misuse {
    Misuse {
        cause: SHAPE.to_owned(),
        cure: None,
    }
}

impl FromStr for Limit {
    type Err = Misuse;

    fn from_str(text: &str) -> Result<Self, Misuse> {
        let at = text.find(['<', '>']).ok_or_else(shapeless)?;
        let sign = match text.as_bytes()[at] {
            b'>' => Sign::Above,
            _ => Sign::Below,
        };
        let figure = parse_figure(text[..at].trim()).ok_or_else(shapeless)?;
        let bound = figure
            .bound(text[at + 1..].trim())
            .map_err(|cause| Misuse {
                cause,
                cure: Some(format!("'{}{}'", &text[..=at], figure.usual_bound())),
            })?;
        let text = text.to_owned();
        Ok(Limit {
            text,
            figure,
            sign,
            bound,
        })
    }
}

impl Figure {
    /// What it is compared with.
    fn bound(self, text: &str) -> Result<f64, String> {
        Ok(match self {
            Figure::Rate | Figure::Duplicated | Figure::Reordered => parse_count(text)? as f64,
            Figure::Bytes | Figure::Memory => parse_size(text)? as f64,
            Figure::Loss => {
                let number = text.strip_suffix('%').unwrap_or(text).trim();
                number
                    .parse()
                    .ok()
                    .filter(|percent| (0.0..=100.0).contains(percent))
                    .ok_or("loss is compared with a percentage from 0 to 100")?
            }
            Figure::Quantile(_) | Figure::Mean | Figure::Max => {
                // Elsewhere a bare number is seconds, which no latency is meant to have.
                if text.ends_with(|last: char| last.is_ascii_digit()) {
                    return Err("a latency is compared with a time and its unit".to_owned());
                }
                parse_duration(text)?.as_secs_f64()
            }
        })
    }

    /// A bound for those who find none.
    fn usual_bound(self) -> &'static str {
        match self {
            Figure::Rate => "10k",
            Figure::Duplicated | Figure::Reordered => "10",
            Figure::Bytes | Figure::Memory => "100MiB",
            Figure::Loss => "1%",
            Figure::Quantile(_) | Figure::Mean | Figure::Max => "5ms",
        }
    }
}

fn parse_figure(text: &str) -> Option<Figure> {
    Some(match text {
        "mean" => Figure::Mean,
        "max" => Figure::Max,
        "rate" => Figure::Rate,
        "bytes" => Figure::Bytes,
        "loss" => Figure::Loss,
        "duplicated" => Figure::Duplicated,
        "reordered" => Figure::Reordered,
        "memory" => Figure::Memory,
        _ => {
            let percent: f64 = text.strip_prefix('p')?.parse().ok()?;
            match (0.0..=100.0).contains(&percent) {
                true => Figure::Quantile(percent / 100.0),
                false => return None,
            }
        }
    })
}

impl Limit {
    /// Whether it can only be judged of datagrams.
    pub(super) fn is_of_datagrams(&self) -> bool {
        matches!(
            self.figure,
            Figure::Loss | Figure::Duplicated | Figure::Reordered
        )
    }

    /// Whether it can only be judged of messages: bytes without end have neither a latency nor
    /// a number.
    pub(super) fn is_of_messages(&self) -> bool {
        !matches!(self.figure, Figure::Bytes | Figure::Memory)
    }

    /// What was measured, in a sentence, if it holds. What the run has no figure for was not
    /// kept either.
    pub(super) fn holds(&self, report: &Report) -> Option<String> {
        let Some((value, words)) = self.measured(report) else {
            return Some("this run has no such figure".to_owned());
        };
        let holds = match self.sign {
            Sign::Above => value > self.bound,
            Sign::Below => value < self.bound,
        };
        holds.then(|| format!("it is {words}"))
    }

    fn measured(&self, report: &Report) -> Option<(f64, String)> {
        let time = |time: Duration| {
            let words = crate::style::duration(time);
            (report.messages > 0).then_some((time.as_secs_f64(), words))
        };
        let size = |bytes: f64, unit: &str| {
            let words = format!("{}{unit}", crate::style::bytes(bytes as u64));
            Some((bytes, words))
        };
        match self.figure {
            Figure::Quantile(share) => time(report.latency.quantile(share)),
            Figure::Mean => time(report.latency.mean()),
            Figure::Max => time(report.latency.max()),
            Figure::Rate => {
                let rate = report.messages_per_second();
                (report.messages > 0).then(|| (rate, format!("{rate:.0}/s")))
            }
            Figure::Bytes => {
                let sent = report.sent_bytes as f64 / report.elapsed.as_secs_f64().max(1e-9);
                // Of a sink nothing is received.
                size(report.bytes_per_second().max(sent), "/s")
            }
            Figure::Memory => size(report.server?.memory?.private as f64, ""),
            Figure::Loss => {
                let all = report.datagrams.filter(|all| all.sent > 0)?;
                let loss = 100.0 * all.lost as f64 / all.sent as f64;
                Some((loss, format!("{loss:.3} %")))
            }
            Figure::Duplicated => {
                let count = report.datagrams?.duplicated;
                Some((count as f64, count.to_string()))
            }
            Figure::Reordered => {
                let count = report.datagrams?.reordered;
                Some((count as f64, count.to_string()))
            }
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_a_figure_a_sign_and_a_bound() {
        let limit: Limit = "p99.9 > 5ms".parse().unwrap();
        let Figure::Quantile(share) = limit.figure else {
            panic!("{limit:?}");
        };
        assert!((share - 0.999).abs() < 1e-9);
        assert_eq!((limit.sign, limit.bound), (Sign::Above, 0.005));
        for (text, figure, bound) in [
            ("rate<10k", Figure::Rate, 10_000.0),
            ("loss>1.5%", Figure::Loss, 1.5),
            ("memory>1MiB", Figure::Memory, 1_048_576.0),
            ("max>1s", Figure::Max, 1.0),
        ] {
            let limit: Limit = text.parse().unwrap();
            assert_eq!((limit.figure, limit.bound), (figure, bound), "{text}");
        }
        for wrong in [
            "p99",
            "p101>1s",
            "p99>5 parsecs",
            "p99>5",
            "speed>1",
            ">1",
            "rate<much",
            "loss>101%",
        ] {
            assert!(wrong.parse::<Limit>().is_err(), "{wrong}");
        }
    }
}
