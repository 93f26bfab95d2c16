//! From a trace to what people and machines see.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use terminal_size::{Width, terminal_size};
use wharf::framing::Framing;
use wharf_wire::application::Dissectors;
use wharf_wire::file::PcapngWriter;
use wharf_wire::frame::Frame;
use wharf_wire::trace::{Step, Trace};
use wharf_wire::view::{Glyphs, Look, Model, Paint, View, draw, explain, render};

use super::args::{LookArgs, ViewArgs};
use super::browse;
use super::protocols::{self, Spoken};
use crate::args::Common;
use crate::exit::Exit;
use crate::failure::{Failure, words};
use crate::style::Style;

/// Columns where there is no terminal to ask.
const USUAL_WIDTH: usize = 100;

/// How to show a trace.
#[derive(Clone, Debug)]
pub(super) struct Show {
    pub(super) view: Option<View>,
    pub(super) look: Look,
    pub(super) json: bool,
    framing: Option<Framing>,
    spoken: Vec<Spoken>,
    interactive: bool,
    explain: Option<u64>,
    write: Option<PathBuf>,
}

impl Show {
    pub(super) fn new(common: &Common, args: &ViewArgs) -> Show {
        Show {
            view: args
                .view
                .map(View::from)
                .or(common.json.then_some(View::Json))
                // A model's words stand on the boxes.
                .or(args.look.model.map(|_| View::Boxes)),
            look: look(common, &args.look),
            json: common.json || args.view == Some(super::args::ViewName::Json),
            framing: args.frame.clone(),
            spoken: Vec::new(),
            interactive: args.interactive,
            explain: args.explain,
            write: args.write.clone(),
        }
    }

    /// Knows what is spoken where, as `--as` says; without a port at this one.
    pub(super) fn spoken_at(mut self, port: Option<u16>, args: &ViewArgs) -> Result<Self, Failure> {
        for told in &args.told {
            self.spoken.push(told.at(port)?);
        }
        Ok(self)
    }

    /// Knows what a server speaks.
    pub(super) fn spoken(&mut self, spoken: Vec<Spoken>) {
        self.spoken = spoken;
    }

    /// With a ladder unless another view was asked for.
    pub(super) fn or_ladder(&self) -> Show {
        Show {
            view: Some(self.view.unwrap_or(View::Ladder)),
            ..self.clone()
        }
    }

    /// The protocols that payloads are taken apart by.
    pub(super) fn dissectors(&self) -> Dissectors {
        protocols::all(self.framing.as_ref(), &self.spoken)
    }

    /// For a file: on a terminal the full screen, unless something else was asked for.
    pub(super) fn for_a_file(&self) -> Show {
        let is_person = io::stdout().is_terminal() && io::stdin().is_terminal();
        let says_how = self.view.is_some() || self.explain.is_some() || self.json;
        Show {
            interactive: self.interactive || (is_person && !says_how),
            ..self.clone()
        }
    }

    /// Whether all frames are needed at once.
    pub(super) fn is_interactive(&self) -> bool {
        self.interactive
    }

    /// Whether what was asked for can be shown here.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let has_terminal = || io::stdout().is_terminal() && std::fs::File::open("/dev/tty").is_ok();
        match self.interactive && !has_terminal() {
            true => Err(Failure::usage("--interactive needs a terminal").cure("--view lines")),
            false => Ok(()),
        }
    }

    /// The frame that is to be explained instead.
    pub(super) fn explained(&self) -> Option<u64> {
        self.explain
    }

    /// Draws, and writes the file if there shall be one.
    pub(super) fn finish(&self, trace: &Trace) -> Result<Exit, Failure> {
        if let Some(mut file) = self.file()? {
            for step in &trace.steps {
                file.add(&step.frame)?;
            }
            file.finish()?;
        }
        let numbers = trace.steps.iter().map(Step::number);
        let known = numbers.clone().min().zip(numbers.max());
        self.draw(trace, known)
    }

    /// Draws; `known` are the first and the last number that a frame may have.
    pub(super) fn draw(&self, trace: &Trace, known: Option<(u64, u64)>) -> Result<Exit, Failure> {
        if self.interactive {
            return browse::run(trace, self.look);
        }
        let text = match self.explain {
            None => draw(trace, self.view.unwrap_or(View::Lines), &self.look),
            Some(number) => {
                let step = trace.steps.iter().find(|step| step.number() == number);
                let step = step.ok_or_else(|| {
                    let failure = Failure::usage(format!("there is no frame {number}"));
                    match known {
                        Some((first, last)) => failure.with("known", format!("{first} to {last}")),
                        None => failure.with("known", "none: no frame was asked for"),
                    }
                })?;
                render(&explain(trace, step, &self.look), &self.look)
            }
        };
        print(&text)
    }

    /// The file for `-w`.
    pub(super) fn file(&self) -> Result<Option<OutFile>, Failure> {
        self.write.as_ref().map(OutFile::create).transpose()
    }
}

/// What pictures are drawn with on this terminal, or in this pipe.
pub(crate) fn look(common: &Common, args: &LookArgs) -> Look {
    let stdout = io::stdout();
    let width = match (args.width, terminal_size()) {
        (Some(width), _) => usize::from(width),
        (None, Some((Width(width), _))) if stdout.is_terminal() => usize::from(width),
        _ => USUAL_WIDTH,
    };
    Look {
        width: width.max(Look::LEAST),
        glyphs: match args.ascii || !is_unicode() {
            true => Glyphs::Ascii,
            false => Glyphs::Unicode,
        },
        paint: match common.color.style_for(&stdout) {
            Style::Coloured => Paint::Coloured,
            Style::Plain => Paint::Plain,
        },
        model: args.model.map(Model::from),
    }
}

/// Writes to stdout; a reader who went away is no failure.
pub(super) fn print(text: &str) -> Result<Exit, Failure> {
    write(text).map(|_| Exit::Done)
}

/// Writes to stdout; tells whether somebody reads it.
pub(super) fn write(text: &str) -> Result<bool, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A capture file that is being written.
pub(super) struct OutFile {
    path: PathBuf,
    writer: PcapngWriter<io::BufWriter<std::fs::File>>,
}

impl OutFile {
    /// A new file: what exists is never overwritten.
    fn create(path: &PathBuf) -> Result<OutFile, Failure> {
        let failed = |error: &io::Error| {
            let failure = Failure::new(
                Exit::Failed,
                format!("cannot write {}: {}", path.display(), words(error)),
            );
            match error.kind() {
                io::ErrorKind::AlreadyExists => {
                    failure.cure("another name; a file that exists is never overwritten")
                }
                _ => failure,
            }
        };
        let file = std::fs::File::create_new(path).map_err(|error| failed(&error))?;
        let writer = PcapngWriter::new(io::BufWriter::new(file), "written by wharf trace");
        Ok(OutFile {
            path: path.clone(),
            writer: writer.map_err(|error| failed(&error))?,
        })
    }

    pub(super) fn add(&mut self, frame: &Frame) -> Result<(), Failure> {
        self.writer
            .write(frame)
            .map_err(|error| self.failed(&error))
    }

    /// What was added until now is in the file.
    pub(super) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| self.failed(&error))
    }

    pub(super) fn finish(mut self) -> Result<(), Failure> {
        self.flush()
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::new(
            Exit::Failed,
            format!("cannot write {}: {}", self.path.display(), words(error)),
        )
    }
}

/// Whether the terminal shows more than ASCII: not if TERM is dumb, nor if a locale is
/// set that is not UTF-8.
fn is_unicode() -> bool {
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") && io::stdout().is_terminal() {
        return false;
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty());
    locale.is_none_or(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
