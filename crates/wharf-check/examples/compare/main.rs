//! Compares servers, side by side in one run.
//!
//!     compare [OPTIONS] --tcp NAME=COMMAND... --udp NAME=COMMAND... \
//!             --chat NAME=COMMAND... --irc NAME=COMMAND...
//!
//! Every command is a server that prints `listening IP:PORT` when it is ready; in
//! one that does not say where it listens, `{port}` stands for a free port of
//! 127.0.0.1. The first of each transport is what the others are compared with; a
//! server of `--irc` is one of the chats and is spoken to as IRC. `--logins N` after a
//! chat lets N users log in to it at once (512).
//!
//!     --rows A,B,…     only these rows; `--rows help` lists them
//!     --rounds N       rounds per row (9)
//!     --irc-every N    servers of --irc take part in every Nth round only (1)
//!     --seconds S      measured time per round and server (1.0)
//!     --warm-up S      time before it (0.2)
//!     --expect WHAT    echo or upper (echo)
//!     --pinned         servers on core 0, the engine on core 1 (taskset(1))
//!     --json FILE      every single result, too
//!
//! A round runs a row once on each server, and each round begins with another
//! one (A B C, B C A, …): a machine that becomes slower meets all of them. Ratios
//! are made of results of the same round. A wrong reply ends the comparison
//! with exit status 1.

mod arguments;
mod peers;
mod rows;
mod table;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use wharf_check::load::{Amount, ChatDialect, Options, Report, raise_descriptor_limit, run};

use arguments::Arguments;
use peers::Server;
use rows::{Row, Transport};
use table::Results;

fn main() -> ExitCode {
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("compare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    raise_descriptor_limit()?;
    if arguments.pinned {
        peers::pin_this_process(1)?;
    }
    let mut all = Vec::new();
    for transport in [Transport::Tcp, Transport::Udp, Transport::Chat] {
        let rows: Vec<&Row> = arguments
            .rows
            .iter()
            .filter(|row| row.transport == transport)
            .collect();
        let specs = arguments.peers(transport);
        if rows.is_empty() || specs.is_empty() {
            continue;
        }
        let servers = specs
            .iter()
            .map(|spec| Server::start(spec, transport, arguments.pinned))
            .collect::<Result<Vec<_>, _>>()?;
        let names: Vec<&str> = servers.iter().map(|server| server.name.as_str()).collect();
        table::print_head(transport, &names);
        for row in rows {
            let results = measure(row, &servers, &arguments)?;
            table::print_row(row.name, &results);
            all.push((
                row.name,
                names.iter().map(|name| name.to_string()).collect(),
                results,
            ));
        }
        println!();
    }
    if let Some(path) = &arguments.json {
        std::fs::write(path, table::json(&all))?;
    }
    Ok(())
}

/// One row on all servers, in turns.
fn measure(
    row: &Row,
    servers: &[Server],
    arguments: &Arguments,
) -> Result<Results, Box<dyn Error>> {
    let mut results = vec![Vec::new(); servers.len()];
    for round in 0..arguments.rounds {
        for turn in 0..servers.len() {
            let index = (round + turn) % servers.len();
            let server = &servers[index];
            let is_irc = server.speech.dialect == ChatDialect::Irc;
            if is_irc && !round.is_multiple_of(arguments.irc_every) {
                continue;
            }
            let report = run(&options(row, server, arguments, round))?;
            judge(row, server, &report)?;
            results[index].push((round, report));
        }
    }
    Ok(results)
}

fn options(row: &Row, server: &Server, arguments: &Arguments, round: usize) -> Options {
    let prefix = prefix(row, round);
    let mut options = row.options(server.at, arguments.expect, server.speech, prefix);
    options.amount = Amount::Time(arguments.seconds);
    options.warm_up = arguments.warm_up;
    options.errors_at_most = 10;
    options.reply_timeout = Duration::from_secs(3);
    options
}

/// Two letters for the row and the round.
fn prefix(row: &Row, round: usize) -> String {
    let place = rows::ROWS.iter().position(|one| one.name == row.name);
    let letter = |number: usize| char::from(b'a' + (number % 26) as u8);
    [letter(place.unwrap_or(0)), letter(round)].iter().collect()
}

fn judge(row: &Row, server: &Server, report: &Report) -> Result<(), String> {
    let at = format!("{}, {}", server.name, row.name);
    if !report.errors.is_empty() {
        return Err(format!("{at}: {}", report.errors));
    }
    if report.messages == 0 {
        return Err(format!("{at}: no reply at all"));
    }
    Ok(())
}
