//! `wharf bench`: how fast is a service, and is every reply right?
//!
//! The load engine is `wharf_check::load`; this is its face.
//!
//! ```text
//!   args, text ─▶ target ─▶ plan ─▶ the engine ─▶ render, machine ─▶ verdict ─▶ exit code
//!                                    └ course: what is shown while it runs
//! ```
//! Layout: `args` is what can be typed, `text` messages and replies in it, `target` whom it
//! means, `plan` what the engine is asked for, `render` the report for people and `machine`
//! that for machines, `verdict` whether it did what was asked, `limit` is `--fail-if`, `stall` a
//! reply that took far longer than the others,
//! `output` the files that are written, `live` the picture; `compare` loads two servers in
//! turns, and `idle` holds silent connections.

mod args;
mod compare;
mod course;
mod idle;
mod limit;
mod live;
mod machine;
mod output;
mod plan;
mod render;
mod stall;
mod target;
mod text;
mod verdict;

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use wharf_check::load::{LoadError, Options, Report, cpu_of, raise_descriptor_limit, run_with};

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::{Failure, words};
use course::{Course, LOOK, Picture};
use live::{Plan, Unit};
use output::Output;
use target::{Found, Reach, find};
use text::Expected;

pub(crate) use args::BenchArgs;
use args::Way;

/// Runs `wharf bench`.
pub(crate) fn run(common: &Common, args: BenchArgs) -> Result<Exit, Failure> {
    check(&args)?;
    // One that cannot be raised shows as "no local socket left".
    let _ = raise_descriptor_limit();
    let reach = match args.remote {
        true => Reach::Anywhere,
        false => Reach::ThisMachine,
    };
    let found = find(&args.address, reach, args.timeout)?;
    let bench = Bench {
        common,
        args: &args,
        interrupted: watch_for_interrupt()?,
    };
    if let Some(connections) = args.idle {
        return idle::run(&bench, found, connections);
    }
    match &args.compare {
        None => bench.once(found),
        Some(other) => compare::run(&bench, found, find(other, reach, args.timeout)?),
    }
}

/// Refuses what does not go together.
fn check(args: &BenchArgs) -> Result<(), Failure> {
    let is_datagram = args.address.scheme.is_datagram();
    if let Some(limit) = args.fail_if.iter().find(|limit| limit.is_of_datagrams())
        && !is_datagram
    {
        return Err(Failure::usage(format!(
            "--fail-if '{limit}' is for udp: a stream loses nothing"
        )));
    }
    if let Some(what) = ignored(args) {
        return Err(Failure::usage(what));
    }
    if args.lasts().is_zero() {
        return Err(Failure::usage("--duration 0 would measure nothing"));
    }
    if args.timeout.is_some_and(|timeout| timeout.is_zero()) {
        return Err(Failure::usage("--timeout 0 leaves no time for a reply"));
    }
    if args.requests == Some(0) {
        return Err(Failure::usage("--requests 0 would measure nothing"));
    }
    match args.pid {
        // Whether it can be read is found out before the run, not after it.
        Some(pid) => cpu_of(pid).map(drop).map_err(|error| {
            let cause = format!("cannot read what process {pid} uses: {}", words(&error));
            Failure::usage(cause).cure("--pid with the number of a process that runs")
        }),
        None => Ok(()),
    }
}

/// What was typed and would do nothing, in a sentence.
fn ignored(args: &BenchArgs) -> Option<&'static str> {
    let (has_size, has_message) = (args.size.is_some(), !args.message.is_empty());
    let one_way = matches!(args.bulk, Some(Way::Send | Way::Receive));
    let both_ways = args.bulk == Some(Way::Both);
    let is_computed = matches!(args.expect, None | Some(Expected::Echo | Expected::Upper));
    let rules = [
        (
            args.bulk.is_some() && args.address.scheme.is_datagram(),
            "bulk goes over streams, and udp has none",
        ),
        (
            args.bulk.is_some() && (has_size || args.frame.is_some()),
            "--bulk moves bytes and no messages: --size and --frame do not apply to it",
        ),
        (
            both_ways && has_message,
            "--bulk both makes up what it sends: --message does not apply to it",
        ),
        (
            both_ways && !is_computed,
            "--bulk both expects what it sent, or that in upper case: --expect echo or upper",
        ),
        (
            one_way && (args.depth.is_some() || args.expect.is_some() || args.late.is_some()),
            "--bulk send and receive wait for no reply: --depth, --expect and --late do not apply to them",
        ),
        (
            args.idle.is_some() && (has_size || args.late.is_some() || !args.ramp_up.is_zero()),
            "--idle holds silent connections: --size, --late and --ramp-up do not apply to it",
        ),
        (
            args.idle.is_some() && !has_message && (args.frame.is_some() || args.expect.is_some()),
            "--idle without --message says nothing: --frame and --expect do not apply to it",
        ),
        (
            args.churn && args.depth.is_some_and(|depth| depth > 1),
            "--churn sends one message on each connection: --depth does not apply to it",
        ),
    ];
    let holds = rules.into_iter().find(|(holds, _)| *holds);
    holds.map(|(_, sentence)| sentence)
}

/// A flag that Ctrl-C and SIGTERM set: the run then ends, and tells what it found so far. A
/// second one ends everything at once.
fn watch_for_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let seen = Arc::clone(&flag);
    // Both are caught from here on, not only when the thread has got so far.
    let (mut interrupt, mut terminate) = {
        let _within = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                let came = tokio::select! {
                    came = interrupt.recv() => came,
                    came = terminate.recv() => came,
                };
                if came.is_none() {
                    return;
                }
                if seen.swap(true, Ordering::Relaxed) {
                    live::give_back();
                    std::process::exit(i32::from(Exit::Aborted as u8));
                }
            }
        });
    });
    Ok(flag)
}

/// What all runs of one command share.
struct Bench<'a> {
    common: &'a Common,
    args: &'a BenchArgs,
    interrupted: Arc<AtomicBool>,
}

impl Bench<'_> {
    fn once(&self, found: Found) -> Result<Exit, Failure> {
        let Found { target, words, pid } = found;
        let mut options = plan::options(self.args, target)?;
        options.server = self.args.pid.or(pid);
        let hdr = self.args.hdr.as_deref().map(Output::create).transpose()?;
        let csv = self.args.csv.as_deref().map(Output::create).transpose()?;
        let shape = render::shape(self.args, &options);
        let mut course = self.course(csv.is_some(), &words, shape, &options)?;
        let report = self.measure(&options, &mut course)?;
        let rows = course.end();
        self.print(&words, &options, &report)?;
        if let Some(file) = hdr {
            file.write(&machine::distribution(&report.latency))?;
        }
        if let (Some(file), Some(rows)) = (csv, rows) {
            file.write(&rows)?;
        }
        if self.is_interrupted() {
            return Ok(Exit::Aborted);
        }
        let failure = verdict::of(self.args, &report, &words)
            .or_else(|| verdict::stalled(self.args, &report, &words));
        match failure {
            Some(failure) => Err(failure),
            None => Ok(Exit::Done),
        }
    }

    /// What is shown and noted while a run goes on.
    fn course(
        &self,
        has_csv: bool,
        who: &str,
        shape: String,
        options: &Options,
    ) -> Result<Course, Failure> {
        let plan = Plan {
            who: who.to_owned(),
            shape,
            unit: match self.args.bulk {
                Some(Way::Send | Way::Receive) => Unit::Bytes,
                _ => Unit::Messages,
            },
            lasts: options
                .ramp_up
                .saturating_add(options.warm_up)
                .saturating_add(self.args.lasts()),
        };
        let picture = match self.args.plain {
            true => Picture::Never,
            false => Picture::IfPossible,
        };
        let course = Course::new(self.common, has_csv, picture, plan, &self.interrupted);
        course.map_err(Failure::from)
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// One run, watched.
    fn measure(&self, options: &Options, course: &mut Course) -> Result<Report, Failure> {
        let outcome = run_with(options, LOOK, &mut |snapshot| {
            course.look(snapshot);
            match self.is_interrupted() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            }
        });
        outcome.map_err(engine_failure)
    }

    fn print(&self, who: &str, options: &Options, report: &Report) -> Result<(), Failure> {
        let text = match self.common.json {
            true => format!("{}\n", machine::result(self.args, who, report)),
            false => {
                let style = self.common.color.style_for(&io::stdout());
                render::text(self.args, who, options, report, style)
            }
        };
        say(&text)
    }
}

/// A run that could not start.
fn engine_failure(error: LoadError) -> Failure {
    match error {
        LoadError::Option(what) => Failure::usage(what),
        other => Failure::new(Exit::Failed, other.to_string()),
    }
}

/// Writes to stdout; a reader that has gone (`| head`) is no failure.
fn say(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
