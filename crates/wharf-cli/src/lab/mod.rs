//! `wharf lab`: a network in memory – run it, look at it, and break it on purpose.
//!
//! Layout: `args` is what can be typed; `network` makes a lab out of it; `services`
//! are what its hosts serve, `traffic` runs them and the clients; `view` shows what
//! happened, `picture` the frames of a link as `wharf trace` would; `demo` are the guided
//! experiments, `transport` the one about TCP and UDP, `gateway` lets programs outside
//! take part.

mod args;
mod demo;
mod gateway;
mod network;
mod picture;
mod plot;
mod services;
mod traffic;
mod transport;
mod view;

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use wharf_lab::{LabError, Report, Tap};

pub(crate) use args::LabArgs;
use args::{LabCommand, RunArgs, View};

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::trace::look;
use network::Plan;

/// Runs `wharf lab`.
pub(crate) fn run(common: &Common, args: LabArgs) -> Result<Exit, Failure> {
    match args.command {
        LabCommand::Run(args) => run_lab(common, &args),
        LabCommand::Demo(args) => demo::run(common, &args),
        LabCommand::Transport(args) => transport::run(common, &args),
        LabCommand::Gateway(args) => gateway::run(common, &args),
    }
}

fn run_lab(common: &Common, args: &RunArgs) -> Result<Exit, Failure> {
    let views = args.views();
    let readable = matches!(views[..], [View::Summary] | [View::Journal]);
    if common.json && args.follow.is_none() && !readable {
        let cause = "--json is the summary or the journal, not a picture";
        return Err(Failure::usage(cause).cure("--view json, without --json, for the frames"));
    }
    let plan = Plan::make(&args.network)?;
    let follow = args.follow.as_deref().map(message_number).transpose()?;
    let traffic = traffic::Traffic::of(&plan)?;
    let lab = plan.lab().with_recording().with_journal();
    let span = args.span.or(plan.span);
    let outcome = lab.run(async |hosts| traffic.run(hosts, span).await);
    let outcome = outcome.map_err(|error| failed(&error))?;
    let results = outcome.value.map_err(|error| failed(&error))?;
    let report = outcome.report;
    if let Some(path) = &args.write {
        write_captures(&report, path, args.tap.as_deref())?;
    }
    let text = match (common.json, follow) {
        (true, Some(message)) => {
            let entries = view::followed(&report, message)?;
            view::journal_json(&report, entries.iter())
        }
        (true, None) if views == [View::Journal] => {
            let journal = report.journal().into_iter();
            view::journal_json(&report, journal.flat_map(|journal| journal.entries()))
        }
        (true, None) => view::json(&report, &results),
        (false, Some(message)) => {
            let entries = view::followed(&report, message)?;
            view::lines(&report, &entries)
        }
        (false, None) => {
            let style = common.color.style_for(&io::stdout());
            let look = look(common, &args.look);
            let mut text = String::new();
            for (i, one) in views.into_iter().enumerate() {
                if i > 0 {
                    text.push('\n');
                }
                text += &match one.of_frames() {
                    Some(frames) => {
                        let tap = tap(&report, args.tap.as_deref())?;
                        picture::picture(&report, tap, frames, &look)
                    }
                    None if one == View::Journal => view::journal(&report),
                    None => view::summary(&report, &results, &plan, style),
                };
            }
            text
        }
    };
    print(&text)?;
    Ok(match results.iter().all(|client| client.error.is_none()) {
        true => Exit::Done,
        false => Exit::CheckFailed,
    })
}

/// `3`, `message 3` or `message3`.
fn message_number(text: &str) -> Result<u32, Failure> {
    let number = text.trim().trim_start_matches("message").trim();
    number
        .parse()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| {
            Failure::usage(format!("{text:?} is no message"))
                .with(
                    "meaning",
                    "messages are numbered from 1 in the order of their writing",
                )
                .cure("--follow 'message 1'")
        })
}

/// The tap of this name, or the first.
fn tap(report: &Report, name: Option<&str>) -> Result<Tap, Failure> {
    let taps = report.taps();
    let swapped = name.and_then(|name| name.split_once('-'));
    let swapped = swapped.map(|(first, second)| format!("{second}-{first}"));
    let fits = |tap: &&Tap| match name {
        None => true,
        Some(name) => {
            let own = report.tap_name(**tap);
            own == name || Some(&own) == swapped.as_ref()
        }
    };
    taps.iter().find(fits).copied().ok_or_else(|| {
        let names: Vec<String> = taps.iter().map(|tap| report.tap_name(*tap)).collect();
        Failure::usage(format!("there is no link {}", name.unwrap_or("at all")))
            .with("links", names.join(", "))
    })
}

/// One capture into a file, or one for each tap into a folder.
fn write_captures(report: &Report, path: &Path, name: Option<&str>) -> Result<(), Failure> {
    if !path.is_dir() {
        let tap = tap(report, name)?;
        return write_capture(report, tap, path);
    }
    for tap in report.taps() {
        let file = path.join(format!("{}.pcapng", report.tap_name(tap)));
        write_capture(report, tap, &file)?;
    }
    Ok(())
}

/// A file that is there already is never written over.
fn write_capture(report: &Report, tap: Tap, path: &Path) -> Result<(), Failure> {
    let cannot = |error: io::Error| {
        let cause = format!("cannot write {}: {error}", path.display());
        let failure = Failure::new(Exit::Failed, cause);
        match error.kind() {
            io::ErrorKind::AlreadyExists => failure.cure("another name, or remove the file first"),
            _ => failure,
        }
    };
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = BufWriter::new(file.map_err(cannot)?);
    let count = report.write_capture(tap, &mut file).map_err(cannot)?;
    file.flush().map_err(cannot)?;
    let name = report.tap_name(tap);
    // Nothing to do about a closed stderr.
    let _ = writeln!(
        io::stderr(),
        "{count} frames of {name} in {}",
        path.display()
    );
    let left_out = report
        .recording()
        .map_or(0, wharf_lab::core::Recording::left_out);
    if left_out > 0 {
        let _ = writeln!(
            io::stderr(),
            "note: {left_out} frames had no room in memory"
        );
    }
    Ok(())
}

/// Text to stdout; a reader that has gone is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn failed(error: &LabError) -> Failure {
    Failure::new(Exit::Failed, error.to_string())
}
