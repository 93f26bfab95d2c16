//! The full size of the bulk runs: 320 echoes of 4 MiB that must all end, and the
//! goodput of both congestion controls next to what is known.
//!
//! ```text
//! cargo run --release -p wharf-lab --example bulk                          everything
//! cargo run --release -p wharf-lab --example bulk -- echo buffer=64KiB     a part of it
//! cargo run --release -p wharf-lab --example bulk -- echo loss=5% seeds=3
//! cargo run --release -p wharf-lab --example bulk -- goodput loss=3%
//! ```
//!
//! Exits with 1 if an echo does not end, or a goodput is outside of its bounds.

mod runs;

use std::process::ExitCode;
use std::time::Duration;

use runs::{ECHO_GRID, QUEUE, RATE, REFERENCE, echo, goodput, median, pftk};
use wharf_lab::Congestion;
use wharf_lab::units::{parse_share, parse_size};

/// How many bytes an echo sends and wants back.
const ECHOED: usize = 4 << 20;

/// What is to be run.
struct Wanted {
    part: Option<String>,
    buffer: Option<usize>,
    loss: Option<f64>,
    seeds: u64,
}

impl Wanted {
    fn read(words: impl Iterator<Item = String>) -> Result<Wanted, String> {
        let mut wanted = Wanted {
            part: None,
            buffer: None,
            loss: None,
            seeds: 20,
        };
        for word in words {
            match word.split_once('=') {
                Some(("buffer", text)) => wanted.buffer = Some(parse_size(text)?),
                Some(("loss", text)) => wanted.loss = Some(parse_share(text)?),
                Some(("seeds", text)) => {
                    wanted.seeds = text.parse().map_err(|_| format!("{text}: no number"))?;
                }
                None if matches!(&*word, "echo" | "goodput") => wanted.part = Some(word),
                _ => {
                    return Err(format!(
                        "{word}: write echo, goodput, buffer=, loss= or seeds="
                    ));
                }
            }
        }
        Ok(wanted)
    }

    fn part(&self, name: &str) -> bool {
        self.part.as_deref().is_none_or(|part| part == name)
    }

    fn loss(&self, loss: f64) -> bool {
        self.loss.is_none_or(|wanted| (wanted - loss).abs() < 1e-9)
    }

    /// 64 KiB stand for the 65,535 bytes that a window has without scaling.
    fn buffer(&self, buffer: usize) -> bool {
        self.buffer
            .is_none_or(|wanted| wanted.abs_diff(buffer) <= 1)
    }
}

fn main() -> ExitCode {
    let wanted = match Wanted::read(std::env::args().skip(1)) {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let mut missed = 0;
    if wanted.part("goodput") {
        missed += goodputs(&wanted);
    }
    if wanted.part("echo") {
        missed += echoes(&wanted);
    }
    ExitCode::from(u8::from(missed > 0))
}

/// Prints each goodput beside its bounds, and gives how many are outside.
fn goodputs(wanted: &Wanted) -> usize {
    println!("goodput in Mbit/s, median of {} seeds", wanted.seeds);
    println!("loss     reno   of known   cubic   of known    PFTK   reno of it  cubic of it");
    let mut missed = 0;
    for row in REFERENCE.iter().filter(|row| wanted.loss(row.loss)) {
        let rate = |congestion| {
            let rates = (1..=wanted.seeds).map(|seed| goodput(congestion, row.loss, QUEUE, seed));
            median(rates.collect())
        };
        let (reno, cubic) = (rate(Congestion::Reno), rate(Congestion::Cubic));
        let formula = pftk(row.loss).min(RATE);
        println!(
            "{:>4.1} %  {reno:>5.2}      {:>5.2}   {cubic:>5.2}      {:>5.2}   {formula:>5.2}        {:>5.2}        {:>5.2}",
            row.loss * 100.0,
            reno / row.reno,
            cubic / row.cubic,
            reno / formula,
            cubic / formula,
        );
        for (name, rate, known) in [("reno", reno, row.reno), ("cubic", cubic, row.cubic)] {
            for outside in row.outside(rate, known) {
                println!("outside of its bounds: {name}, {outside}");
                missed += 1;
            }
        }
    }
    if wanted.loss(0.0) {
        for congestion in [Congestion::Reno, Congestion::Cubic] {
            let rate = goodput(congestion, 0.0, 256 << 10, 1);
            println!("with a queue of 256 KiB and no loss, {congestion:?}: {rate:.2}");
            missed += usize::from(rate < runs::CLEAN * RATE);
        }
    }
    missed
}

/// Runs the echoes, and gives how many did not end.
fn echoes(wanted: &Wanted) -> usize {
    let (mut done, mut all) = (0, 0);
    let grid = ECHO_GRID.into_iter();
    for (buffer, loss) in grid.filter(|it| wanted.buffer(it.0) && wanted.loss(it.1)) {
        let mut times = Vec::new();
        for seed in 1..=wanted.seeds {
            all += 1;
            match echo(ECHOED, buffer, loss, seed) {
                Ok(took) => times.push(took),
                Err(error) => println!("buffers {buffer} B, loss {loss}, seed {seed}: {error}"),
            }
        }
        done += times.len();
        let longest = times.iter().copied().max().unwrap_or(Duration::ZERO);
        println!(
            "echo of 4 MiB, buffers {:>3} KiB, loss {:.0} %: {} of {}, median {:.1} s, longest {:.1} s",
            buffer.div_ceil(1024),
            loss * 100.0,
            times.len(),
            wanted.seeds,
            median(times.iter().map(Duration::as_secs_f64).collect()),
            longest.as_secs_f64(),
        );
    }
    println!("{done} of {all} complete");
    all - done
}
