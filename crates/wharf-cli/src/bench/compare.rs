//! `--compare`: two servers in turns, A B · B A · A B …, and the ratio of each pair.
//!
//! A machine that becomes slower meanwhile meets both, and a ratio is made of runs that
//! follow each other.

use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;
use wharf_check::load::{Options, Report};

use super::render::{self, count, number, short};
use super::target::Found;
use super::{Bench, plan, say, verdict};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::style::bytes;

pub(super) fn run(bench: &Bench<'_>, first: Found, second: Found) -> Result<Exit, Failure> {
    let names = [first.words, second.words];
    let options = [
        plan::options(bench.args, first.target)?,
        plan::options(bench.args, second.target)?,
    ];
    let mut reports: [Vec<Report>; 2] = [Vec::new(), Vec::new()];
    let rounds = usize::from(bench.args.rounds);
    for round in 0..rounds {
        for turn in 0..2 {
            let which = (round + turn) % 2;
            let shape = format!("round {} of {rounds}", round + 1);
            let mut course = bench.course(false, &names[which], shape, &options[which])?;
            let report = bench.measure(&options[which], &mut course)?;
            course.end();
            if bench.is_interrupted() {
                tell(bench, &names, &options[0], &pairs(reports))?;
                return Ok(Exit::Aborted);
            }
            if let Some(failure) = verdict::of(bench.args, &report, &names[which]) {
                let place = format!("round {} of {rounds}, {}", round + 1, names[which]);
                let whole = pairs(reports);
                if !whole[0].is_empty() {
                    tell(bench, &names, &options[0], &whole)?;
                }
                return Err(failure.with("in", place));
            }
            reports[which].push(report);
        }
    }
    tell(bench, &names, &options[0], &reports)?;
    Ok(Exit::Done)
}

/// The rounds in which both were loaded to the end.
fn pairs(mut reports: [Vec<Report>; 2]) -> [Vec<Report>; 2] {
    let whole = reports.iter().map(Vec::len).min().unwrap_or(0);
    for all in &mut reports {
        all.truncate(whole);
    }
    reports
}

/// What is compared: messages, or bytes where there are none.
fn throughput(report: &Report) -> f64 {
    match report.messages {
        0 => {
            let bytes = report.sent_bytes.max(report.received_bytes);
            bytes as f64 / report.elapsed.as_secs_f64().max(1e-9)
        }
        _ => report.messages_per_second(),
    }
}

fn tell(
    bench: &Bench<'_>,
    names: &[String; 2],
    options: &Options,
    reports: &[Vec<Report>; 2],
) -> Result<(), Failure> {
    let rounds = reports[0].len();
    if rounds == 0 {
        let style = bench.common.color.style_for(&io::stderr());
        let note = style.warning("note:");
        // Nobody misses it on a closed stderr.
        let _ = writeln!(
            io::stderr(),
            "{note} nothing is compared yet: no round is complete"
        );
        return Ok(());
    }
    let figures = |figure: fn(&Report) -> f64| {
        reports
            .each_ref()
            .map(|all| all.iter().map(figure).collect::<Vec<f64>>())
    };
    let rates = figures(throughput);
    let p99s = figures(|report| report.latency.quantile(0.99).as_secs_f64());
    let has_messages = reports[0].iter().all(|report| report.messages > 0);
    let rate = Ratio::of(&rates);
    let p99 = has_messages.then(|| Ratio::of(&p99s));
    if bench.common.json {
        let event = json!({
            "event": "comparison",
            "servers": names,
            "rounds": rounds,
            "cut_short": rounds < usize::from(bench.args.rounds),
            "unit": if has_messages { "messages_per_second" } else { "bytes_per_second" },
            "throughput": rates,
            "p99_seconds": p99.as_ref().map(|_| &p99s),
            "throughput_ratio": rate.json(),
            "p99_ratio": p99.as_ref().map(Ratio::json),
        });
        return say(&format!("{event}\n"));
    }
    let style = bench.common.color.style_for(&io::stdout());
    let shape = render::shape(bench.args, options);
    let mut text = format!(
        "{}\n",
        style.dim(&format!(
            "{shape}; {} of {}",
            count(rounds as u64, "pair"),
            match bench.args.requests {
                Some(requests) => count(requests as u64, "message"),
                None => crate::style::duration(bench.args.lasts()),
            }
        ))
    );
    for (letter, (name, (rates, p99s))) in ["A", "B"]
        .iter()
        .zip(names.iter().zip(rates.iter().zip(&p99s)))
    {
        let words = match has_messages {
            true => format!(
                "{:>12} messages/s   p99 {}",
                number(median(rates)),
                short(Duration::from_secs_f64(median(p99s)))
            ),
            false => format!("{:>12}/s", bytes(median(rates) as u64)),
        };
        let name = style.name(&format!("{name:<26}"));
        text += &format!("  {letter}  {name} {words}\n");
    }
    text += &format!("  B/A throughput  {rate}\n");
    if let Some(p99) = p99 {
        text += &format!("  B/A p99         {p99}\n");
    }
    text += &format!(
        "  {}\n",
        style.dim("median of the pairs, and the least and the most")
    );
    if rounds < usize::from(bench.args.rounds) {
        let missing = usize::from(bench.args.rounds) - rounds;
        text += &format!(
            "  ended early: {} left out\n",
            count(missing as u64, "pair")
        );
    }
    if rate.has_one() {
        text += "  no difference in throughput is shown: 1 lies between the least and the most\n";
    }
    say(&text)
}

/// What the second is of the first, pair by pair.
struct Ratio {
    median: f64,
    least: f64,
    most: f64,
}

impl Ratio {
    fn of([first, second]: &[Vec<f64>; 2]) -> Ratio {
        let ratios: Vec<f64> = first.iter().zip(second).map(|(a, b)| b / a).collect();
        Ratio {
            median: median(&ratios),
            least: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            most: ratios.iter().copied().fold(0.0, f64::max),
        }
    }

    /// Whether the pairs do not agree on which is more.
    fn has_one(&self) -> bool {
        (self.least..=self.most).contains(&1.0)
    }

    fn json(&self) -> serde_json::Value {
        json!({ "median": self.median, "least": self.least, "most": self.most })
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.3}   ({:.3} to {:.3})",
            self.median, self.least, self.most
        )
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => sorted[middle],
        _ => (sorted[middle - 1] + sorted[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_made_of_pairs() {
        let ratio = Ratio::of(&[vec![10.0, 20.0, 10.0], vec![5.0, 20.0, 20.0]]);
        assert_eq!((ratio.median, ratio.least, ratio.most), (1.0, 0.5, 2.0));
        assert!(ratio.has_one());
        let ratio = Ratio::of(&[vec![10.0, 10.0], vec![20.0, 30.0]]);
        assert_eq!(ratio.to_string(), "2.500   (2.000 to 3.000)");
        assert!(!ratio.has_one());
    }
}
