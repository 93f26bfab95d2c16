//! The chat at full size: does a server lose, double, reorder or alter anything?
//!
//!     chat VERB [--scale N] [--rounds N] -- SERVER...
//!
//! SERVER is a command that serves a chat at `{port}` of 127.0.0.1. Verbs:
//!
//!     full      20 users who write byte by byte · 10,000 users at once, two messages
//!               each · 1,000 users with 1,000 messages each, at depth 1 and 4
//!     stalled   50 users talk, with and without one who never reads: throughput in
//!               turns, and the server's memory until that one is cut off
//!     memory    10,000 users who log in and are silent: private memory for each
//!
//! `--scale 10` makes the numbers of users and messages a tenth. The exit status is 1
//! if anything was lost, doubled, reordered or altered, if the throughput beside a
//! stalled user falls below 0.9, or if an idle user costs more than 4 KiB.

mod full;
mod memory;
mod server;
mod stalled;

use std::error::Error;
use std::process::ExitCode;

use wharf_check::load::raise_descriptor_limit;

/// What was asked for.
struct Arguments {
    verb: String,
    scale: usize,
    rounds: usize,
    server: Vec<String>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments = parse(std::env::args().skip(1))?;
    raise_descriptor_limit()?;
    match arguments.verb.as_str() {
        "full" => full::run(&arguments),
        "stalled" => stalled::run(&arguments),
        "memory" => memory::run(&arguments),
        other => Err(format!("there is no verb {other}").into()),
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, Box<dyn Error>> {
    let usage = "usage: chat full|stalled|memory [--scale N] [--rounds N] -- SERVER...";
    let mut arguments = Arguments {
        verb: words.next().ok_or(usage)?,
        scale: 1,
        rounds: 9,
        server: Vec::new(),
    };
    while let Some(word) = words.next() {
        let number = match word.as_str() {
            "--" => {
                arguments.server = words.collect();
                break;
            }
            "--scale" => &mut arguments.scale,
            "--rounds" => &mut arguments.rounds,
            _ => return Err(usage.into()),
        };
        *number = words.next().ok_or(usage)?.parse()?;
    }
    if arguments.server.is_empty() || arguments.scale == 0 || arguments.rounds == 0 {
        return Err(usage.into());
    }
    Ok(arguments)
}
