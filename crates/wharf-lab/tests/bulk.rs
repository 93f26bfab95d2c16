//! Bulk over TCP: it always arrives, and as fast as theory says.
//!
//! The full size of these runs is `cargo run --release -p wharf-lab --example bulk`;
//! here runs a tenth of it.

#[path = "../examples/bulk/runs.rs"]
mod runs;

use runs::{echo_completes, goodput, median};
use wharf_lab::Congestion;

#[test]
fn two_way_bulk_never_locks_up() {
    for (buffer, loss) in runs::ECHO_GRID {
        let took = echo_completes(256 << 10, buffer, loss, 1);
        assert!(took.is_some(), "buffer {buffer}, loss {loss}");
    }
}

#[test]
fn goodput_follows_the_measured_stack_and_the_formula() {
    // At 3 %, where few frames make a long run.
    let row = &runs::REFERENCE[3];
    for (congestion, known) in [(Congestion::Reno, row.reno), (Congestion::Cubic, row.cubic)] {
        let rates = (1..=7).map(|seed| goodput(congestion, row.loss, runs::QUEUE, seed));
        let rate = median(rates.collect());
        // A third of the seeds of the full size: a wider margin than its 25 %.
        let near = |wanted: f64| (rate / wanted - 1.0).abs() <= 0.35;
        assert!(
            near(known),
            "{congestion:?}: {rate:.2}, measured before {known}"
        );
        let formula = runs::pftk(row.loss).min(runs::RATE);
        assert!(
            near(formula),
            "{congestion:?}: {rate:.2}, formula {formula:.2}"
        );
    }
}

#[test]
fn a_clean_link_with_room_to_queue_is_used_to_94_percent() {
    for congestion in [Congestion::Reno, Congestion::Cubic] {
        let rate = goodput(congestion, 0.0, 256 << 10, 1);
        assert!(
            rate >= 0.94 * runs::RATE,
            "{congestion:?}: {rate:.2} Mbit/s"
        );
    }
}
