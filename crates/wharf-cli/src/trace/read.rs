//! `wharf trace read`: a capture file.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::Path;

use wharf_wire::conversation::{Limits, Tracker, Verdict};
use wharf_wire::file::{Broken, Reader, Record};
use wharf_wire::frame::{Frame, Origin, Timestamp};
use wharf_wire::layers::protocol_name;
use wharf_wire::trace::{Foreseen, Step, Trace};
use wharf_wire::view::{
    View, frame_boxes, frame_hex, frame_json, frame_line, message_json, render,
};

use super::args::{PickArgs, ReadArgs};
use super::pick::Picker;
use super::show::{OutFile, Show, print};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::style::{bytes, count, duration};

/// Frames that a picture is drawn of; of more it would be none.
const MOST_DRAWN: usize = 10_000;

/// Conversations in the table.
const MOST_LISTED: usize = 50;

/// Reads and shows a file.
pub(super) fn run(show: &Show, args: &ReadArgs) -> Result<Exit, Failure> {
    let mut input = open(&args.file).map_err(|error| unreadable(&args.file, &error))?;
    let show = &show.for_a_file();
    let is_stream = match show.view {
        None | Some(View::Lines | View::Json) => {
            show.explained().is_none() && !show.is_interactive()
        }
        _ => false,
    };
    // A picture has all of its frames, but not those without the text that was asked for.
    let foreseen = match !args.summary && (is_stream || args.pick.text.is_some()) {
        true => look_ahead(show, &mut input, &args.pick),
        false => Foreseen::default(),
    };
    let mut reader = Reader::open(input).map_err(|broken| no_capture(&args.file, &broken))?;
    if args.summary {
        return summary(&mut reader, args, show.file()?);
    }
    let trace = Trace::foreseeing(show.dissectors(), foreseen);
    match is_stream {
        true => stream(show, trace, &mut reader, args),
        false => picture(show, trace, &mut reader, args),
    }
}

/// The file; also one that is stdin, which may be no pipe.
fn open(path: &Path) -> io::Result<File> {
    match path.as_os_str() == "-" {
        true => io::stdin().as_fd().try_clone_to_owned().map(File::from),
        false => File::open(path),
    }
}

/// Reads a file once before it is shown: what somebody said first may be understood only by
/// what was answered. A pipe can be read only once.
fn look_ahead(show: &Show, file: &mut File, pick: &PickArgs) -> Foreseen {
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let Some(begin) = is_file.then(|| file.stream_position().ok()).flatten() else {
        return Foreseen::default();
    };
    let foreseen = foresee(show, file, pick);
    match file.seek(SeekFrom::Start(begin)) {
        Ok(_) => foreseen,
        Err(_) => Foreseen::default(),
    }
}

/// What was said too early to be understood, up to where the file is broken.
fn foresee(show: &Show, file: &File, pick: &PickArgs) -> Foreseen {
    let mut trace = Trace::new(show.dissectors());
    let mut picker = Picker::new(pick);
    let Ok(mut reader) = Reader::open(file) else {
        return Foreseen::default();
    };
    while let Ok(Some(record)) = reader.next_record() {
        if picker.takes(record.link, record.bytes) {
            if trace.talks.len() > MOST_TALKS {
                trace.remember_talks();
            }
            trace.look_ahead(&record.to_frame());
        }
    }
    trace.foreseen()
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
        false => failure.cure("wharf trace demo tcp -w FILE, then wharf trace read FILE"),
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
    trace: Trace,
    reader: &mut Reader<File>,
    args: &ReadArgs,
) -> Result<Exit, Failure> {
    let mut live = Live::new(show, trace, &args.pick)?;
    let mut picker = Picker::new(&args.pick);
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
                if !picker.takes(record.link, record.bytes) {
                    live.pass_over();
                } else if live.show(record.to_frame())? == Shown::Unread {
                    return Ok(Exit::Done);
                }
            }
        }
    }
}

/// Shows frames as they come, and forgets them.
pub(super) struct Live<'a> {
    show: &'a Show,
    picker: Picker<'a>,
    trace: Trace,
    start: Option<Timestamp>,
    file: Option<OutFile>,
    /// Frames that were looked at, shown or not.
    pub(super) seen: u64,
    told: Vec<Origin>,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Yes,
    /// It does not say what was asked for.
    No,
    /// Nobody reads any more.
    Unread,
}

/// When so many conversations are known they are forgotten: each line says its own
/// addresses.
const MOST_TALKS: usize = 100_000;

impl<'a> Live<'a> {
    pub(super) fn new(show: &'a Show, trace: Trace, pick: &'a PickArgs) -> Result<Self, Failure> {
        Ok(Live {
            show,
            picker: Picker::new(pick),
            trace,
            start: None,
            file: show.file()?,
            seen: 0,
            told: Vec::new(),
        })
    }

    /// Shows one, if it says what was asked for.
    pub(super) fn show(&mut self, frame: Frame) -> Result<Shown, Failure> {
        if self.trace.talks.len() > MOST_TALKS {
            self.trace.forget_talks();
        }
        self.start.get_or_insert(frame.at);
        self.trace.push(frame);
        let Some(step) = self.trace.steps.pop() else {
            return Ok(Shown::No);
        };
        if !self.picker.says(step.data()) {
            self.trace.messages.clear();
            return Ok(Shown::No);
        }
        if let Some(file) = &mut self.file {
            file.add(&step.frame)?;
        }
        let text = match self.show.json {
            true => self.objects(&step),
            false => self.picture(&step),
        };
        match crate::trace::show::write(&text)? {
            true => Ok(Shown::Yes),
            false => Ok(Shown::Unread),
        }
    }

    /// A frame and the messages that it completed.
    fn objects(&mut self, step: &Step) -> String {
        let mut text = format!("{}\n", frame_json(&self.trace, step));
        for message in self.trace.messages.drain(..) {
            text += &format!("{}\n", message_json(&message));
        }
        text
    }

    /// A frame for people. How it came to be known is said before the first.
    fn picture(&mut self, step: &Step) -> String {
        self.trace.messages.clear();
        let look = &self.show.look;
        let start = self.start.unwrap_or(step.frame.at);
        let mut text = String::new();
        let origin = step.frame.origin;
        if !self.told.contains(&origin) {
            self.told.push(origin);
            text = format!("{}\n", origin.meaning());
        }
        let lines = match self.show.view {
            Some(View::Boxes) => frame_boxes(&self.trace, step, start, look),
            Some(View::Hex) => frame_hex(&self.trace, step, start, look),
            _ => return text + &render(&[frame_line(&self.trace, step, start, look)], look),
        };
        text + "\n" + &render(&lines, look)
    }

    /// What was shown until now is in the file.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.file.as_mut().map_or(Ok(()), OutFile::flush)
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
    trace: Trace,
    reader: &mut Reader<File>,
    args: &ReadArgs,
) -> Result<Exit, Failure> {
    let mut loader = Loader::new(show, trace, &args.pick, show.file()?);
    let broken = loop {
        match reader.next_record() {
            Ok(None) => break None,
            Err(broken) => break Some(broken),
            Ok(Some(record)) => loader.take(&record)?,
        }
        if loader.has_enough() {
            break None;
        }
    };
    let Loaded { trace, known, seen } = loader.finish()?;
    let exit = show.draw(&trace, known)?;
    match broken {
        None => Ok(exit),
        Some(broken) => Err(damaged(&args.file, &broken, seen)),
    }
}

/// Takes the first frames of a file that were asked for. Further ones go into the file for
/// `-w`, or one of them is looked for; none of them is kept.
struct Loader<'a> {
    picker: Picker<'a>,
    file: Option<OutFile>,
    /// The one frame that is wanted.
    wanted: Option<u64>,
    trace: Trace,
    /// Finds the data of frames that are not drawn.
    rest: Tracker,
    known: Option<(u64, u64)>,
    seen: u64,
    is_full: bool,
    left_out: u64,
}

struct Loaded {
    trace: Trace,
    /// The first and the last number of what was asked for.
    known: Option<(u64, u64)>,
    seen: u64,
}

impl<'a> Loader<'a> {
    fn new(show: &Show, trace: Trace, pick: &'a PickArgs, file: Option<OutFile>) -> Self {
        Loader {
            picker: Picker::new(pick),
            file,
            wanted: show.explained(),
            trace,
            rest: Tracker::new(Limits::default()),
            known: None,
            seen: 0,
            is_full: false,
            left_out: 0,
        }
    }

    fn take(&mut self, record: &Record<'_>) -> Result<(), Failure> {
        self.seen += 1;
        if !self.picker.takes(record.link, record.bytes) {
            self.trace.pass_over();
            return Ok(());
        }
        self.is_full |= self.trace.steps.len() >= MOST_DRAWN;
        if self.is_full && !self.is_looking() {
            return self.pass_on(record);
        }
        let known = self.trace.messages.len();
        self.trace.push(record.to_frame());
        let Some(step) = self.trace.steps.last() else {
            return Ok(());
        };
        if !self.picker.says(step.data()) {
            self.trace.steps.pop();
            // Nor is anything else of it kept, however long the file is.
            let new = self.trace.messages.split_off(known);
            let said = new
                .into_iter()
                .filter(|message| self.picker.says(&message.bytes));
            self.trace.messages.extend(said);
            if self.trace.steps.is_empty() && self.trace.talks.len() > MOST_TALKS {
                self.trace.forget_talks();
            }
            return Ok(());
        }
        let number = step.number();
        self.known = Some((self.known.map_or(number, |(first, _)| first), number));
        if let Some(file) = &mut self.file {
            file.add(&step.frame)?;
        }
        if self.is_full {
            self.forget(number);
        }
        Ok(())
    }

    /// Whether the wanted frame has not come yet.
    fn is_looking(&self) -> bool {
        let last = self.known.map_or(0, |(_, last)| last);
        self.wanted.is_some_and(|wanted| wanted > last)
    }

    /// Of frames that are too many to be drawn only the wanted one is kept.
    fn forget(&mut self, number: u64) {
        self.trace.messages.clear();
        if self.wanted != Some(number) {
            self.trace.steps.clear();
            if self.trace.talks.len() > MOST_TALKS {
                self.trace.forget_talks();
            }
        }
    }

    /// Writes a frame that is not drawn.
    fn pass_on(&mut self, record: &Record<'_>) -> Result<(), Failure> {
        let (at, len) = (record.at, record.original_len);
        let seen = self.rest.see(at, record.link, record.bytes, len);
        if self.picker.says(seen.data.bytes(record.bytes)) {
            self.left_out += 1;
            if let Some(file) = &mut self.file {
                file.add(&record.to_frame())?;
            }
        }
        Ok(())
    }

    /// Whether nothing more of the file is needed.
    fn has_enough(&self) -> bool {
        self.left_out > 0 && self.file.is_none()
    }

    fn finish(self) -> Result<Loaded, Failure> {
        let mut trace = self.trace;
        self.file.map_or(Ok(()), OutFile::finish)?;
        if self.left_out > 0 {
            trace.notes.push(format!(
                "only the first {MOST_DRAWN} frames are drawn; --host, --port and --text pick others"
            ));
        }
        trace.finish();
        Ok(Loaded {
            trace,
            known: self.known,
            seen: self.seen,
        })
    }
}

/// A table of the conversations, in bounded memory however long the file is.
fn summary(
    reader: &mut Reader<File>,
    args: &ReadArgs,
    mut file: Option<OutFile>,
) -> Result<Exit, Failure> {
    let mut tracker = Tracker::new(Limits::default());
    let mut picker = Picker::new(&args.pick);
    let (mut frames, mut total) = (0u64, 0u64);
    let broken = loop {
        match reader.next_record() {
            Ok(None) => break None,
            Err(broken) => break Some(broken),
            Ok(Some(record)) if picker.takes(record.link, record.bytes) => {
                let seen = tracker.see(record.at, record.link, record.bytes, record.original_len);
                frames += 1;
                total += record.original_len as u64;
                if let Some(file) = &mut file
                    && picker.says(seen.data.bytes(record.bytes))
                {
                    file.add(&record.to_frame())?;
                }
            }
            Ok(Some(_)) => {}
        }
    };
    file.map_or(Ok(()), OutFile::finish)?;
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
