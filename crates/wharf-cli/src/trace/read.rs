//! `wharf trace read`: a capture file.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use wharf_wire::conversation::{Limits, Tracker, Verdict};
use wharf_wire::file::{Broken, Reader};
use wharf_wire::frame::Timestamp;
use wharf_wire::layers::protocol_name;
use wharf_wire::trace::Trace;
use wharf_wire::view::{View, frame_json, frame_line, message_json, render};

use super::args::{PickArgs, ReadArgs};
use super::show::{Show, print};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::style::{bytes, count, duration};

/// Frames that a picture is drawn of; of more it would be none.
const MOST_DRAWN: usize = 10_000;

/// Conversations in the table.
const MOST_LISTED: usize = 50;

/// Reads and shows a file.
pub(super) fn run(show: &Show, args: &ReadArgs) -> Result<Exit, Failure> {
    let input: Box<dyn Read> = match args.file.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => {
            let opened = File::open(&args.file);
            Box::new(opened.map_err(|error| unreadable(&args.file, &error))?)
        }
    };
    let mut reader = Reader::open(input).map_err(|broken| no_capture(&args.file, &broken))?;
    if args.summary {
        return summary(&mut reader, args);
    }
    let show = &show.for_a_file();
    match show.view {
        None | Some(View::Lines | View::Json) if !show.explains() && !show.is_interactive() => {
            stream(show, &mut reader, args)
        }
        _ => picture(show, &mut reader, args),
    }
}

/// A file whose first bytes are of something else.
fn no_capture(file: &Path, broken: &Broken) -> Failure {
    if let Some(error) = &broken.source {
        return unreadable(file, error);
    }
    let what = &broken.what;
    let failure = Failure::new(
        Exit::Failed,
        format!("{} is no capture file: {what}", file.display()),
    );
    match what.starts_with("it begins with 1f 8b ") {
        true => failure.cure(format!("gunzip -c {} | wharf trace read -", file.display())),
        false => failure,
    }
}

fn unreadable(file: &Path, error: &io::Error) -> Failure {
    let why = crate::failure::words(error);
    Failure::new(
        Exit::Failed,
        format!("cannot read {}: {why}", file.display()),
    )
}

fn damaged(file: &Path, broken: &Broken, frames: u64) -> Failure {
    if let Some(error) = &broken.source {
        return unreadable(file, error).with("readable", count(frames, "frame"));
    }
    let failure = Failure::new(Exit::Failed, format!("{} is {broken}", file.display()));
    match frames {
        0 => failure.with("readable", "nothing before that"),
        _ => failure.with(
            "readable",
            format!("{} before that", count(frames, "frame")),
        ),
    }
}

/// Frame by frame, in bounded memory.
fn stream(
    show: &Show,
    reader: &mut Reader<Box<dyn Read>>,
    args: &ReadArgs,
) -> Result<Exit, Failure> {
    let mut live = Live::new(show)?;
    loop {
        match reader.next_record() {
            Ok(None) => {
                live.say_if_nothing();
                return live.finish();
            }
            Err(broken) => {
                live.finish()?;
                return Err(damaged(&args.file, &broken, live.seen));
            }
            Ok(Some(record)) => {
                live.seen += 1;
                if !args.pick.takes(record.link, record.bytes) {
                    live.pass_over();
                } else if live.show(record.to_frame(), &args.pick)? == Exit::Aborted {
                    return Ok(Exit::Done);
                }
            }
        }
    }
}

/// Shows frames as they come, and forgets them.
pub(super) struct Live<'a> {
    show: &'a Show,
    trace: Trace,
    start: Option<Timestamp>,
    file: Option<super::show::OutFile>,
    /// Frames that were looked at, shown or not.
    pub(super) seen: u64,
    told: Vec<wharf_wire::frame::Origin>,
}

/// When so many conversations are known they are forgotten: each line says its own
/// addresses.
const MOST_TALKS: usize = 100_000;

impl<'a> Live<'a> {
    pub(super) fn new(show: &'a Show) -> Result<Self, Failure> {
        let trace = Trace::new(show.dissectors());
        Ok(Live {
            show,
            trace,
            start: None,
            file: show.file()?,
            seen: 0,
            told: Vec::new(),
        })
    }

    /// Shows one; `Aborted` when nobody reads any more.
    pub(super) fn show(
        &mut self,
        frame: wharf_wire::frame::Frame,
        pick: &PickArgs,
    ) -> Result<Exit, Failure> {
        let is_shown = pick.says(&frame.bytes);
        if let (Some(file), true) = (&mut self.file, is_shown) {
            file.add(&frame)?;
        }
        if self.trace.talks.len() > MOST_TALKS {
            self.trace.forget_talks();
        }
        let start = *self.start.get_or_insert(frame.at);
        let origin = frame.origin;
        self.trace.push(frame);
        let Some(step) = self.trace.steps.pop() else {
            return Ok(Exit::Done);
        };
        let mut text = String::new();
        if !is_shown {
            self.trace.messages.clear();
            return Ok(Exit::Done);
        }
        if self.show.json {
            text = format!("{}\n", frame_json(&self.trace, &step));
        } else {
            if !self.told.contains(&origin) {
                self.told.push(origin);
                text = format!("{}\n", origin.meaning());
            }
            text += &render(
                &[frame_line(&self.trace, &step, start, &self.show.look)],
                &self.show.look,
            );
        }
        for message in self.trace.messages.drain(..) {
            if self.show.json {
                text += &format!("{}\n", message_json(&message));
            }
        }
        match crate::trace::show::write(&text)? {
            true => Ok(Exit::Done),
            false => Ok(Exit::Aborted),
        }
    }

    /// Nothing at all would look as if nothing had been read.
    fn say_if_nothing(&self) {
        if self.start.is_none() {
            match self.seen {
                0 => eprintln!("no frames in it"),
                seen => eprintln!("none of {} was asked for", count(seen, "frame")),
            }
        }
    }

    /// Counts a frame that is not shown.
    fn pass_over(&mut self) {
        self.trace.pass_over();
    }

    pub(super) fn finish(&mut self) -> Result<Exit, Failure> {
        self.trace.finish();
        for message in self.trace.messages.drain(..) {
            if self.show.json {
                print(&format!("{}\n", message_json(&message)))?;
            }
        }
        if let Some(file) = self.file.take() {
            file.finish()?;
        }
        Ok(Exit::Done)
    }
}

/// A picture of the first frames.
fn picture(
    show: &Show,
    reader: &mut Reader<Box<dyn Read>>,
    args: &ReadArgs,
) -> Result<Exit, Failure> {
    let (trace, broken) = load(show, reader, args);
    let exit = show.finish(&trace)?;
    match broken {
        None => Ok(exit),
        Some(broken) => Err(damaged(&args.file, &broken, trace.steps.len() as u64)),
    }
}

/// The first frames of a file that were asked for.
pub(super) fn load(
    show: &Show,
    reader: &mut Reader<Box<dyn Read>>,
    args: &ReadArgs,
) -> (Trace, Option<Broken>) {
    let mut trace = Trace::new(show.dissectors());
    let broken = loop {
        match reader.next_record() {
            Ok(None) => break None,
            Err(broken) => break Some(broken),
            Ok(Some(_)) if trace.steps.len() >= MOST_DRAWN => {
                trace.notes.push(format!("only the first {MOST_DRAWN} frames are drawn; --host, --port and --text pick others"));
                break None;
            }
            Ok(Some(record)) => {
                if args.pick.takes(record.link, record.bytes) {
                    let is_shown = args.pick.says(record.bytes);
                    trace.push(record.to_frame());
                    if !is_shown {
                        trace.steps.pop();
                    }
                } else {
                    trace.pass_over();
                }
            }
        }
    };
    trace.finish();
    (trace, broken)
}

/// A table of the conversations, in bounded memory however long the file is.
fn summary(reader: &mut Reader<Box<dyn Read>>, args: &ReadArgs) -> Result<Exit, Failure> {
    let mut tracker = Tracker::new(Limits::default());
    let (mut frames, mut total) = (0u64, 0u64);
    let broken = loop {
        match reader.next_record() {
            Ok(None) => break None,
            Err(broken) => break Some(broken),
            Ok(Some(record)) => {
                if args.pick.takes(record.link, record.bytes) {
                    tracker.see(record.at, record.link, record.bytes, record.original_len);
                    frames += 1;
                    total += record.original_len as u64;
                }
            }
        }
    };
    print(&table(&tracker, frames, total))?;
    match broken {
        None => Ok(Exit::Done),
        Some(broken) => Err(damaged(&args.file, &broken, frames)),
    }
}

fn table(tracker: &Tracker, frames: u64, total: u64) -> String {
    let mut text = format!(
        "{}, {}, {}\n",
        count(frames, "frame"),
        bytes(total),
        count(tracker.flow_count(), "conversation")
    );
    if tracker.given_up() > 0 {
        text += &format!(
            "more than are followed at once: {} were silent for longest and given up, and count as \
             another one if they went on\n",
            tracker.given_up()
        );
    }
    let given_up = tracker.largest_given_up();
    let mut flows: Vec<_> = tracker.flows().iter().chain(given_up).collect();
    flows.sort_by_key(|flow| std::cmp::Reverse(flow.bytes.iter().sum::<u64>()));
    let mut rows = vec![
        [
            "",
            "from",
            "to",
            "frames →",
            "bytes →",
            "frames ←",
            "bytes ←",
            "lasted",
            "remarks",
        ]
        .map(str::to_owned),
    ];
    for flow in flows.iter().take(MOST_LISTED) {
        let remarks: Vec<String> = Verdict::ALL
            .iter()
            .zip(flow.verdicts)
            .filter(|(_, times)| *times > 0)
            .map(|(verdict, times)| format!("{times} {}", verdict.name()))
            .collect();
        rows.push([
            protocol_name(flow.protocol),
            flow.ends[0].to_string(),
            flow.ends[1].to_string(),
            flow.frames[0].to_string(),
            bytes(flow.bytes[0]),
            flow.frames[1].to_string(),
            bytes(flow.bytes[1]),
            duration(flow.last.since(flow.first)),
            remarks.join(", "),
        ]);
    }
    let widths: Vec<usize> = (0..9)
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in &rows {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let pad = " ".repeat(width - cell.chars().count());
            match index {
                3..=7 => line += &format!("{pad}{cell}  "),
                _ => line += &format!("{cell}{pad}  "),
            }
        }
        text += &format!("{}\n", line.trim_end());
    }
    let more = tracker.flow_count().saturating_sub(MOST_LISTED as u64);
    if more > 0 {
        text += &format!("… and {more} more\n");
    }
    text
}
