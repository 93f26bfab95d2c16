//! `--idle`: silent connections, and what each costs the server.

use std::io::{self, IsTerminal, Write};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use serde_json::json;
use wharf_check::load::{Greeting, IdleOptions, IdleReport, Messages, hold_with};

use super::render::number;
use super::target::Found;
use super::{Bench, engine_failure, plan, say};
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
                ));
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
    if let Some(failure) = report.failure {
        let cause = format!(
            "{} of {} connections were opened",
            number(report.open as f64),
            number(connections as f64)
        );
        return Err(Failure::new(Exit::Failed, cause)
            .with("because", failure)
            .cure("ulimit -n with a higher number, or a higher cap of the server"));
    }
    if report.closed > 0 {
        let who = &found.words;
        let cause = format!("{who} closed {} of them", number(report.closed as f64));
        return Err(Failure::new(Exit::PeerBroke, cause)
            .with("means", "it has a cap or a timeout for silent connections"));
    }
    Ok(Exit::Done)
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
    outcome.map_err(engine_failure)
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
        "{}  {}\n  open         {} connections after {}\n  closed       {} of them by the server within {}\n",
        style.name(who),
        style.dim("silent connections"),
        number(report.open as f64),
        duration(report.opening),
        number(report.closed as f64),
        duration(options.hold)
    );
    match (report.memory, each, options.server) {
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
        _ => text += "  memory       unknown: say --pid with the number of the server's process\n",
    }
    say(&text)
}
