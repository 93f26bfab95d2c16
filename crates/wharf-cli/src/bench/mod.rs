//! `wharf bench`: how fast is a service, and is every reply right?
//!
//! The load engine is `wharf_check::load`; this is its face.
//!
//! ```text
//!   args, text ─▶ rules ─▶ target ─▶ plan ─▶ the engine ─▶ render, machine ─▶ verdict ─▶ exit code
//!                                            └ course: what is shown while it runs
//! ```
//! Layout: `args` is what can be typed, `text` messages and replies in it, `rules` what of it
//! does not go together, `target` whom it means, `plan` what the engine is asked for, `render`
//! the report for people and `machine` that for machines, `verdict` whether it did what was asked, `limit` is `--fail-if`, `stall` a
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
mod rules;
mod stall;
mod target;
mod text;
mod verdict;

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};
use wharf_check::load::{LoadError, Options, Report, raise_descriptor_limit, run_with};

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use course::{Course, LOOK, Picture};
use live::{Plan, Unit};
use output::Output;
use target::{Found, Reach, find};

pub(crate) use args::BenchArgs;
use args::Way;

/// Runs `wharf bench`.
pub(crate) fn run(common: &Common, mut args: BenchArgs) -> Result<Exit, Failure> {
    rules::check(&args)?;
    // A pipe may have nothing to read yet: before signals are caught, they end that.
    for message in &mut args.message {
        message.load()?;
    }
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
        outcome.map_err(|error| engine_failure(self.args, error))
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
fn engine_failure(args: &BenchArgs, error: LoadError) -> Failure {
    match error {
        // Of what can be typed, only lengths come so far.
        LoadError::Option(what) => Failure::usage(what).cure(match args.message.is_empty() {
            true => "--size 64",
            false => "a --message of a length that fits",
        }),
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
