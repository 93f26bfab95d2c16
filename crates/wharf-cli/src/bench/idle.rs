//! `--idle`: silent connections, and what each costs the server.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde_json::json;
use wharf_check::load::{Cause, Greeting, IdleOptions, IdleReport, Messages, hold_with};

use super::render::{count, number};
use super::target::Found;
use super::{Bench, engine_failure, plan, say, verdict};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::style::{bytes, duration};

/// The time between two changes of the line on a terminal.
const LINE: Duration = Duration::from_millis(100);

pub(super) fn run(bench: &Bench<'_>, found: Found, connections: usize) -> Result<Exit, Failure> {
    let args = bench.args;
    let mut options = IdleOptions::new(found.target.clone(), connections);
    options.greeting = match args.message.is_empty() {
        true => Greeting::Silence,
        false => match plan::options(args, found.target.clone())?.messages {
            Messages::Script(script) => Greeting::Script(script),
            _ => {
                return Err(Failure::usage(
                    "--idle greets with messages whose replies are known: --expect echo, upper or text=",
                )
                .cure("--expect text=TEXT with what the server says"));
            }
        },
    };
    options.hold = args.lasts();
    options.timeout = args.timeout.unwrap_or(options.timeout);
    options.server = args.pid.or(found.pid);
    let report = watch(bench, &options)?;
    tell(bench, &found.words, &options, &report)?;
    if bench.is_interrupted() {
        return Ok(Exit::Aborted);
    }
    if let Some(failure) = &report.failure {
        let cause = format!(
            "{} of {} connections were opened",
            number(report.open as f64),
            number(connections as f64)
        );
        let told = Failure::new(verdict::exit_of(failure.cause), cause)
            .with("because", failure.to_string());
        return Err(match cure(failure.cause) {
            Some(cure) => told.cure(cure),
            None => told,
        });
    }
    if report.closed > 0 {
        let who = &found.words;
        let cause = format!("{who} closed {} of them", number(report.closed as f64));
        return Err(Failure::new(Exit::PeerBroke, cause)
            .with("means", "it has a cap or a timeout for silent connections"));
    }
    Ok(Exit::Done)
}

/// What helps against the end of the opening.
fn cure(cause: Cause) -> Option<&'static str> {
    match cause {
        Cause::NoSockets => Some("ulimit -n with a higher number"),
        Cause::Refused | Cause::ConnectTimeout | Cause::Closed | Cause::Reset => {
            Some("a server that is still there, or a higher cap of it")
        }
        Cause::NoReply => Some("--message with what it answers, or --timeout with a longer time"),
        Cause::Wrong => Some("--expect with what the server says"),
        _ => None,
    }
}

fn watch(bench: &Bench<'_>, options: &IdleOptions) -> Result<IdleReport, Failure> {
    let shows = !bench.common.json && io::stderr().is_terminal();
    let mut next = Instant::now();
    let outcome = hold_with(options, &mut |open| {
        if shows && Instant::now() >= next {
            next = Instant::now() + LINE;
            let all = number(options.connections as f64);
            // Nobody misses a lost line.
            let _ = write!(
                io::stderr(),
                "\r{} of {all} connections\x1b[K",
                number(open as f64)
            );
        }
        match bench.is_interrupted() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    });
    if shows {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    outcome.map_err(|error| engine_failure(bench.args, error))
}

fn tell(
    bench: &Bench<'_>,
    who: &str,
    options: &IdleOptions,
    report: &IdleReport,
) -> Result<(), Failure> {
    let each = report.bytes_per_connection();
    if bench.common.json {
        let event = json!({
            "event": "idle",
            "server": who,
            "asked": options.connections,
            "open": report.open,
            "closed": report.closed,
            "spoke": report.spoke,
            "held_seconds": report.held.as_secs_f64(),
            "opening_seconds": report.opening.as_secs_f64(),
            "pid": options.server,
            "first": report.first,
            "anonymous_bytes_before": report.memory.map(|(before, _)| before.anonymous),
            "anonymous_bytes": report.memory.map(|(_, with)| with.anonymous),
            "anonymous_bytes_each": each,
        });
        return say(&format!("{event}\n"));
    }
    let style = bench.common.color.style_for(&io::stdout());
    let mut text = format!(
        "{}  {}\n  open         {} after {}\n  closed       {} of them by the server within {}\n",
        style.name(who),
        style.dim("silent connections"),
        count(report.open as u64, "connection"),
        duration(report.opening),
        number(report.closed as f64),
        duration(report.held)
    );
    if report.spoke > 0 {
        text += &format!(
            "  not silent   {} of them: the server said something nobody asked for\n",
            number(report.spoke as f64)
        );
    }
    match (report.memory, each, options.server) {
        _ if report.open > 0 && report.closed == report.open => {
            text += "  memory       unknown: the server closed all of them\n";
        }
        (Some((before, with)), Some(each), Some(pid)) => {
            let name = crate::holder::name_of(pid);
            let each = match each > 0.0 {
                true => format!("{} for each", bytes(each as u64)),
                false => "no more than before, which had room".to_owned(),
            };
            text += &format!(
                "  memory       {each}: {} with the first {}, {} with all\n               {}\n",
                bytes(before.anonymous),
                report.first,
                bytes(with.anonymous),
                style.dim(&format!(
                    "heap and stacks of {name}, pid {pid}; the kernel's part comes on top"
                ))
            );
        }
        (_, _, None) => {
            text += "  memory       unknown: say --pid with the number of the server's process\n";
        }
        (None, _, Some(pid)) => {
            text += &format!("  memory       unknown: process {pid} is gone\n");
        }
        (Some(_), None, Some(_)) => {
            text += "  memory       unknown: too few connections to tell what each costs\n";
        }
    }
    say(&text)
}
