//! Where the page goes: stdout, a file that is not there yet, or a JSON object.

use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use wharf_services::page::{Fetched, Url};

use super::args::GetArgs;
use super::story::Story;
use crate::args::Common;
use crate::exit::Exit;
use crate::failure::{Failure, words};

/// How much of a page stands in the JSON object, in bytes.
const MAX_JSON: usize = 1 << 20;

/// Where the page goes.
pub(super) enum Sink {
    /// Nothing came yet.
    Stdout,
    /// To a person: control characters are shown and not obeyed.
    Terminal { last: u8 },
    /// The text, for the JSON object; none where it is no text or too long.
    Json {
        body: Option<Vec<u8>>,
        file: Option<Box<Sink>>,
    },
    /// Into a file, once there is something to write.
    File {
        path: PathBuf,
        writing: Option<Unfinished>,
    },
    /// Nobody reads stdout any more.
    Gone,
}

/// A file that is being written; it is removed again unless it is kept.
pub(super) struct Unfinished {
    file: File,
    /// Where it is written; for `overwrite` beside what it replaces.
    at: PathBuf,
    kept: bool,
}

impl Sink {
    /// Finds out where the page is to go, and whether it may.
    pub(super) fn of(common: &Common, args: &GetArgs) -> Result<Sink, Failure> {
        let file = match &args.output {
            Some(path) => {
                // Told before anything is fetched; what comes in between is seen later.
                if !args.overwrite && fs::symlink_metadata(path).is_ok() {
                    return Err(exists(path));
                }
                Some(Sink::File {
                    path: path.clone(),
                    writing: None,
                })
            }
            None => None,
        };
        Ok(match (common.json, file) {
            (true, file) => Sink::Json {
                body: Some(Vec::new()),
                file: file.map(Box::new),
            },
            (false, Some(file)) => file,
            (false, None) if io::stdout().is_terminal() => Sink::Terminal { last: b'\n' },
            (false, None) => Sink::Stdout,
        })
    }

    /// The head of the reply has come.
    pub(super) fn begin(&mut self, reply: &Fetched, args: &GetArgs) -> Result<(), Failure> {
        // The page that says why there is none is not what the file is for.
        let is_page = reply.status < 400;
        match self {
            Sink::File { path, writing } if is_page => {
                *writing = Some(Unfinished::create(path, args)?);
                Ok(())
            }
            Sink::Json {
                file: Some(file), ..
            } => file.begin(reply, args),
            Sink::Terminal { .. } if !args.head && !is_text(reply) => Err(Failure::usage(format!(
                "{} is no text ({}), and a terminal would take it for commands",
                args.url,
                reply.header("content-type").unwrap_or("of an unknown type")
            ))
            .cure(format!(
                "wharf get {} -o FILE    or    … | hexdump -C",
                args.url
            ))),
            Sink::Stdout | Sink::Terminal { .. } if args.head => {
                let mut head = format!("{} {}\n", reply.status, reply.reason());
                for (name, value) in &reply.headers {
                    head += &format!("{name}: {}\n", crate::failure::visible(value));
                }
                self.write(head.as_bytes())
            }
            _ => Ok(()),
        }
    }

    /// The next bytes of the page.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Sink::Stdout => {
                let written = io::stdout().write_all(bytes);
                self.check_stdout(written)
            }
            Sink::Terminal { last } => {
                *last = bytes.last().copied().unwrap_or(*last);
                let written = io::stdout().write_all(shown(bytes).as_bytes());
                self.check_stdout(written)
            }
            Sink::Json { body, file } => {
                if let Some(text) = body {
                    text.extend_from_slice(bytes);
                    if text.len() > MAX_JSON {
                        *body = None;
                    }
                }
                match file {
                    Some(file) => file.write(bytes),
                    None => Ok(()),
                }
            }
            Sink::File {
                path,
                writing: Some(unfinished),
            } => unfinished
                .file
                .write_all(bytes)
                .map_err(|error| cannot_write(path, &error)),
            Sink::File { .. } | Sink::Gone => Ok(()),
        }
    }

    /// The page is whole. Gives the file that it was written to.
    pub(super) fn finish(
        self,
        story: &Story,
        url: &Url,
        reply: &Fetched,
    ) -> Result<Option<PathBuf>, Failure> {
        match self {
            Sink::Stdout => flushed(io::stdout().flush()),
            Sink::Terminal { last } => flushed(match last {
                // The prompt comes on a line of its own.
                b'\n' => io::stdout().flush(),
                _ => writeln!(io::stdout()),
            }),
            Sink::Json { body, file } => {
                let saved = match file {
                    Some(file) => file.finish(story, url, reply)?,
                    None => None,
                };
                let body = body
                    .filter(|_| saved.is_none())
                    .and_then(|body| String::from_utf8(body).ok());
                let object = story.to_json(url, reply, body, saved.as_deref());
                flushed(writeln!(io::stdout(), "{object}"))?;
                // It is in the object already.
                Ok(None)
            }
            Sink::File {
                path,
                writing: Some(unfinished),
            } => {
                unfinished
                    .keep(&path)
                    .map_err(|error| cannot_write(&path, &error))?;
                Ok(Some(path))
            }
            Sink::File { .. } | Sink::Gone => Ok(None),
        }
    }

    /// A reader that went away (`wharf get … | head`) has had enough.
    fn check_stdout(&mut self, written: io::Result<()>) -> Result<(), Failure> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                *self = Sink::Gone;
                Ok(())
            }
            Err(error) => Err(error.into()),
            Ok(()) => Ok(()),
        }
    }

    /// Whether nobody wants the rest.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Sink::Gone)
    }
}

fn flushed(written: io::Result<()>) -> Result<Option<PathBuf>, Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(None),
    }
}

impl Unfinished {
    fn create(path: &Path, args: &GetArgs) -> Result<Self, Failure> {
        let at = match args.overwrite {
            false => path.to_owned(),
            true => {
                let mut name = std::ffi::OsString::from(".");
                name.push(path.file_name().unwrap_or_default());
                name.push(format!(".{}.part", std::process::id()));
                path.with_file_name(name)
            }
        };
        let file = OpenOptions::new().write(true).create_new(true).open(&at);
        match file {
            Ok(file) => Ok(Unfinished {
                file,
                at,
                kept: false,
            }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&at)),
            Err(error) => Err(cannot_write(path, &error)),
        }
    }

    fn keep(mut self, path: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        if self.at != path {
            fs::rename(&self.at, path)?;
        }
        self.kept = true;
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.kept {
            // Half a page must not look like a whole one.
            let _ = fs::remove_file(&self.at);
        }
    }
}

fn exists(path: &Path) -> Failure {
    Failure::new(Exit::Failed, format!("{} is there already", path.display()))
        .cure("another name, or --overwrite")
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("cannot write {}: {}", path.display(), words(error)),
    )
}

/// Whether a reply says that it is text.
fn is_text(reply: &Fetched) -> bool {
    let kind = reply.header("content-type").unwrap_or("text/plain");
    kind.starts_with("text/")
        || ["json", "xml", "javascript"]
            .iter()
            .any(|part| kind.contains(part))
}

/// Text for a terminal: what could be a command of it is shown as an escape.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => shown.push(letter),
            '\r' => {}
            letter if letter.is_control() => shown.extend(letter.escape_default()),
            letter => shown.push(letter),
        }
    }
    shown
}
