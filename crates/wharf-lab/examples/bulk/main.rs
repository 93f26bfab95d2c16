//! The full size of the bulk runs: 320 echoes of 4 MiB that must all end, and the
//! goodput of both congestion controls next to what is known.
//!
//! `cargo run --release -p wharf-lab --example bulk [goodput|echo]`

mod runs;

use runs::{ECHO_GRID, QUEUE, RATE, REFERENCE, echo_completes, goodput, median, pftk};
use wharf_lab::Congestion;

const SEEDS: u64 = 20;

fn main() {
    // Each part may be run alone.
    let part = std::env::args().nth(1);
    let wanted = |name| part.as_deref().is_none_or(|part| part == name);
    if wanted("goodput") {
        goodputs();
    }
    if wanted("echo") {
        echoes();
    }
}

fn goodputs() {
    println!("goodput in Mbit/s, median of {SEEDS} seeds");
    println!("loss     reno  known   cubic  known    PFTK, 1 s");
    for row in &REFERENCE {
        let rate = |congestion| {
            let rates = (1..=SEEDS).map(|seed| goodput(congestion, row.loss, QUEUE, seed));
            median(rates.collect())
        };
        println!(
            "{:>4.1} %  {:>5.2}  {:>5.2}   {:>5.2}  {:>5.2}   {:>5.2}",
            row.loss * 100.0,
            rate(Congestion::Reno),
            row.reno,
            rate(Congestion::Cubic),
            row.cubic,
            pftk(row.loss).min(RATE),
        );
    }
    let roomy = goodput(Congestion::Cubic, 0.0, 256 << 10, 1);
    println!("with a queue of 256 KiB and no loss: {roomy:.2}");
}

fn echoes() {
    let (mut done, mut all) = (0, 0);
    for (buffer, loss) in ECHO_GRID {
        let times = (1..=SEEDS).map(|seed| echo_completes(4 << 20, buffer, loss, seed));
        let times: Vec<f64> = times.flatten().map(|took| took.as_secs_f64()).collect();
        done += times.len();
        all += SEEDS as usize;
        println!(
            "echo of 4 MiB, buffers {:>3} KiB, loss {:.0} %: {} of {SEEDS}, median {:.1} s",
            buffer / 1024,
            loss * 100.0,
            times.len(),
            median(times)
        );
    }
    println!("{done} of {all} complete");
    assert_eq!(done, all);
}
