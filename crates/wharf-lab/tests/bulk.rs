//! Bulk over TCP: it always arrives, and as fast as theory says.
//!
//! The full size of these runs is `cargo run --release -p wharf-lab --example bulk`;
//! here runs a tenth of it.

#[path = "../examples/bulk/runs.rs"]
mod runs;

use runs::{echo, goodput, median};
use wharf_lab::Congestion;

#[test]
fn two_way_bulk_never_locks_up() {
    for (buffer, loss) in runs::ECHO_GRID {
        if let Err(error) = echo(256 << 10, buffer, loss, 1) {
            panic!("buffer {buffer}, loss {loss}: {error}");
        }
    }
}

/// From 1 % on at full size, and with its bounds: with so much loss a minute has few
/// frames. The others are run by the example.
#[test]
fn goodput_follows_the_measured_stack_and_the_formula() {
    for row in runs::REFERENCE.iter().filter(|row| row.loss >= 0.01) {
        for (congestion, known) in [(Congestion::Reno, row.reno), (Congestion::Cubic, row.cubic)] {
            let rates = (1..=20).map(|seed| goodput(congestion, row.loss, runs::QUEUE, seed));
            let outside = row.outside(median(rates.collect()), known);
            assert!(outside.is_empty(), "{congestion:?}: {outside:?}");
        }
    }
}

#[test]
fn a_clean_link_with_room_to_queue_is_used_to_94_percent() {
    for congestion in [Congestion::Reno, Congestion::Cubic] {
        let rate = goodput(congestion, 0.0, 256 << 10, 1);
        assert!(
            rate >= runs::CLEAN * runs::RATE,
            "{congestion:?}: {rate:.2} Mbit/s"
        );
    }
}
