//! `wharf lab`: a network in memory – run it, look at it, and break it on purpose.
//!
//! Layout: `args` is what can be typed; `network` makes a lab out of it; `services`
//! are what its hosts serve, `traffic` runs them and the clients; `view` shows what
//! happened, `picture` the frames of a link as `wharf trace` would; `demo` are the guided
//! experiments, `transport` the one about TCP and UDP, `gateway` lets programs outside
//! take part; `heap` keeps the memory of large networks small.

mod args;
mod demo;
mod gateway;
mod heap;
mod network;
mod picture;
mod plot;
mod services;
mod traffic;
mod transport;
mod view;

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use wharf::names::suggest;
use wharf_lab::topology::file;
use wharf_lab::{Lab, LabError, Report, Tap};

pub(crate) use args::LabArgs;
use args::{LabCommand, RunArgs, View};

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::trace::look;
use network::Plan;

/// Runs `wharf lab`.
pub(crate) fn run(common: &Common, args: LabArgs) -> Result<Exit, Failure> {
    heap::leave_untouched();
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
    let span = args.span.or(plan.span);
    let traffic = traffic::Traffic::of(&plan, span)?;
    // What a run could not give in the end is told before it.
    let taps = plan.tap_names();
    let tapped = args.tap.as_deref().map(|name| check_tap(&taps, name));
    let tapped = tapped.transpose()?;
    if let Some(path) = &args.write {
        check_captures(path, tapped.as_deref(), &taps)?;
    }
    let lab = keeping(plan.lab(), args, &views);
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

/// Writes down what is asked for and no more: in a large lab the frames and the journal
/// are most of the memory.
fn keeping(mut lab: Lab, args: &RunArgs, views: &[View]) -> Lab {
    if args.write.is_some() || views.iter().any(|view| view.of_frames().is_some()) {
        lab = lab.with_recording();
    }
    if args.follow.is_some() || views.contains(&View::Journal) {
        lab = lab.with_journal();
    }
    lab
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

/// The name of the tap that is meant, with its ends in the order of the network.
fn check_tap(taps: &[String], name: &str) -> Result<String, Failure> {
    let swapped = name.split_once('-');
    let swapped = swapped.map(|(first, second)| format!("{second}-{first}"));
    let fits = |own: &&String| *own == name || Some(*own) == swapped.as_ref();
    taps.iter().find(fits).cloned().ok_or_else(|| {
        let failure = Failure::usage(format!("there is no link {name}"));
        match suggest(name, taps.iter().map(String::as_str)) {
            Some(near) => failure.cure(format!("--tap {near}")),
            None => failure.with("links", file::listed(taps.iter().map(String::as_str))),
        }
    })
}

/// The tap of this name, or the first.
fn tap(report: &Report, name: Option<&str>) -> Result<Tap, Failure> {
    let taps = report.taps();
    let names: Vec<String> = taps.iter().map(|tap| report.tap_name(*tap)).collect();
    let wanted = name.map(|name| check_tap(&names, name)).transpose()?;
    let mut named = taps.iter().zip(&names);
    let found = named.find(|(_, own)| wanted.as_ref().is_none_or(|wanted| wanted == *own));
    found
        .map(|(tap, _)| *tap)
        .ok_or_else(|| Failure::usage("this network has no link to look at"))
}

/// The file of a tap in a folder.
fn capture_in(folder: &Path, tap: &str) -> PathBuf {
    folder.join(format!("{tap}.pcapng"))
}

/// A file that is there is not written over, and that is told before the run.
fn check_captures(path: &Path, tap: Option<&str>, taps: &[String]) -> Result<(), Failure> {
    if !path.is_dir() {
        return check_new(path);
    }
    if tap.is_some() {
        let cause = format!("{} is a folder, which gets every link", path.display());
        return Err(Failure::usage(cause).cure("-w FILE with --tap, or -w FOLDER without"));
    }
    taps.iter()
        .try_for_each(|tap| check_new(&capture_in(path, tap)))
}

/// A file that can be made: it is not there, and its folder is.
fn check_new(path: &Path) -> Result<(), Failure> {
    let cannot = |why: &str, cure: &str| {
        let cause = format!("cannot write {}: {why}", path.display());
        Err(Failure::new(Exit::Failed, cause).cure(cure))
    };
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if path.symlink_metadata().is_ok() {
        return cannot(
            "it is there already",
            "another name, or remove the file first",
        );
    }
    match folder {
        Some(folder) if !folder.is_dir() => {
            cannot("there is no such folder", "make the folder first")
        }
        _ => Ok(()),
    }
}

/// One capture into a file, or one for each tap into a folder.
fn write_captures(report: &Report, path: &Path, name: Option<&str>) -> Result<(), Failure> {
    if !path.is_dir() {
        let tap = tap(report, name)?;
        return write_capture(report, tap, path);
    }
    for tap in report.taps() {
        let file = capture_in(path, &report.tap_name(tap));
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
