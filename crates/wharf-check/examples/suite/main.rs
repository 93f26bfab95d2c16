//! The suite: Wharf beside the peers that people would use instead, and the
//! document that tells of it.
//!
//!     suite run [OPTIONS]        measures, one line of JSON per measurement
//!     suite document [OPTIONS]   makes docs/benchmarks.md of them, on stdout
//!
//!     --results FILE   where the measurements stand (target/bench/results.jsonl)
//!     --notes FILE     what was tried, to stand in the document as it is
//!                      (bench/notes.md)
//!     --chat FILE      what `bench/compare.sh chat --json FILE` measured, if it did
//!                      (target/bench/results.chat.json)
//!     --lab FILE       what `cargo bench --workspace --bench speed` said, if it ran
//!                      (target/bench/results.lab.txt)
//!     --client FILE    what `bench/client.sh` said, if it ran
//!                      (target/bench/results.client.txt)
//!     --wharf FILE     the command (target/release/wharf)
//!     --rounds N       rounds at most (9)
//!     --minutes M      no round begins that would not end within this time (10)
//!     --seconds S      measured time per round and server (0.15)
//!     --warm-up S      time before it (0.03)
//!     --sections A,B   only sections whose name begins so
//!     --quick          one round of a blink, few connections: does it run?
//!     --resume         go on with a run of the same options that was ended
//!
//! ```text
//!   plan: sections × rows × peers ─▶ run: one round after the other ─▶ results.jsonl
//!                                                                         │
//!                         docs/benchmarks.md ◀─ document ◀────────────────┘
//! ```
//! A round goes through all sections. A section starts its servers anew, so that
//! the luck of one start (where memory lies, which cache lines collide) is not
//! the luck of all rounds. A row runs once on each server, and each round begins
//! with another one (A B C, B C A, …): a machine that becomes slower meets all of
//! them. Ratios are made of results of the same round.
//!
//! A server that fails – a wrong byte, no reply – is told in the document and does
//! not end the run; if it is Wharf, the exit status is 1.

mod arguments;
mod document;
mod hold;
mod measure;
mod modes;
mod peers;
mod plan;
mod record;
mod run;
mod server;
mod statistics;

use std::process::ExitCode;

use arguments::{Arguments, Verb};

fn main() -> ExitCode {
    let outcome =
        Arguments::parse(std::env::args().skip(1)).and_then(|arguments| match arguments.verb {
            Verb::Run => run::run(&arguments),
            Verb::Document => document::print(&arguments),
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("suite: {error}");
            ExitCode::FAILURE
        }
    }
}
