//! A person at a terminal: lines are edited, answers appear above the line.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor, ExternalPrinter};
use tokio::sync::{Notify, mpsc};

use super::input::{Input, Item};
use super::output::Output;
use super::wire::Piece;
use crate::failure::Failure;

/// What stands before the line.
const PROMPT: &str = "> ";

/// How many lines the history keeps.
const HISTORY: usize = 1_000;

/// How long one answer may take to be painted before the next one is.
const PAINT: Duration = Duration::from_millis(250);

/// The two ends of a conversation at a terminal.
pub(super) struct Terminal {
    pub(super) input: Input,
    pub(super) output: Output,
    /// Told when Ctrl-C was typed, which makes no signal while a line is edited.
    pub(super) interrupted: Arc<Notify>,
    pub(super) restore: Restore,
}

/// Gives the terminal back as it was, even from the middle of a line.
pub(super) struct Restore(Option<Termios>);

impl Drop for Restore {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // A terminal that is gone needs nothing.
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, before);
            // The prompt, and what may stand behind it, is of no use any more.
            let _ = io::stdout().write_all(b"\r\x1b[K");
            let _ = io::stdout().flush();
        }
    }
}

type Lines = Editor<Painted, FileHistory>;

/// Starts to read lines.
pub(super) fn open() -> Result<Terminal, Failure> {
    let restore = Restore(tcgetattr(io::stdin()).ok());
    let painted = Painted::default();
    let mut editor = editor(painted.clone()).map_err(readline_failure)?;
    let output = match editor.create_external_printer() {
        Ok(printer) => Output::to(above_the_line(printer, painted))?,
        // A dumb terminal edits no lines and has nothing to keep them from.
        Err(_) => Output::stdout()?,
    };
    let (sender, input) = Input::channel();
    let interrupted = Arc::new(Notify::new());
    let interrupt = interrupted.clone();
    std::thread::Builder::new()
        .name("terminal".to_owned())
        .spawn(move || read_lines(editor, sender, &interrupt))?;
    Ok(Terminal {
        input,
        output,
        interrupted,
        restore,
    })
}

fn editor(painted: Painted) -> rustyline::Result<Lines> {
    let config = Config::builder()
        .max_history_size(HISTORY)?
        .history_ignore_dups(true)?
        // A line that begins with a blank is not remembered: for passwords.
        .history_ignore_space(true)
        // Pasted lines are lines; and there is no mode to leave behind.
        .bracketed_paste(false)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(painted));
    Ok(editor)
}

fn readline_failure(error: ReadlineError) -> Failure {
    io::Error::other(error).into()
}

fn above_the_line(
    mut printer: impl ExternalPrinter,
    painted: Painted,
) -> impl FnMut(&[u8]) -> io::Result<()> {
    move |bytes| {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        let before = painted.count();
        printer.print(text).map_err(io::Error::other)?;
        painted.wait_after(before);
        Ok(())
    }
}

fn read_lines(mut editor: Lines, to: mpsc::Sender<Item>, interrupted: &Notify) {
    let history = history_file();
    if let Some(file) = &history {
        // The first time there is none.
        let _ = editor.load_history(file);
    }
    loop {
        match editor.readline(PROMPT) {
            Ok(line) => {
                remember(&mut editor, &line, history.as_ref());
                let line = Piece::Line(line.into_bytes());
                if to.blocking_send(Item::Piece(line)).is_err() {
                    return;
                }
            }
            Err(ReadlineError::Eof) => break,
            Err(ReadlineError::Io(error)) => {
                let _ = to.blocking_send(Item::Failed(error));
                return;
            }
            Err(_) => return interrupted.notify_one(),
        }
    }
    drop(to);
    show_the_rest(&mut editor, interrupted);
}

/// After Ctrl-D: answers are still shown by the editor, and Ctrl-C still ends all.
fn show_the_rest(editor: &mut Lines, interrupted: &Notify) {
    loop {
        match editor.readline("") {
            Ok(_) => {}
            // A terminal that hung up says so again and again.
            Err(ReadlineError::Eof) => std::thread::sleep(Duration::from_millis(50)),
            Err(ReadlineError::Interrupted) => return interrupted.notify_one(),
            Err(_) => return,
        }
    }
}

/// The history is a convenience: that it cannot be written is no failure.
fn remember(editor: &mut Lines, line: &str, history: Option<&PathBuf>) {
    let added = editor.add_history_entry(line);
    if let (Ok(true), Some(file)) = (added, history) {
        // The editor creates the file with mode 0600.
        let _ = editor.append_history(file);
    }
}

/// `$XDG_STATE_HOME/wharf/history` (XDG Base Directory Specification).
fn history_file() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from);
    let state = set("XDG_STATE_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    let folder = state.join("wharf");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

/// Counts how often the line was painted.
///
/// The printer hands a text to the editor's thread and returns. Only that the line
/// was painted again says that the text is on the screen; without waiting for it,
/// the last answer of a peer would be lost with the thread.
#[derive(Clone, Default)]
struct Painted(Arc<(Mutex<u64>, Condvar)>);

impl Painted {
    fn count(&self) -> u64 {
        *self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_after(&self, before: u64) {
        let (count, changed) = &*self.0;
        let count = count.lock().unwrap_or_else(PoisonError::into_inner);
        // Past the time it is only slower: nobody may be editing at present.
        let _ = changed.wait_timeout_while(count, PAINT, |now| *now == before);
    }
}

impl Highlighter for Painted {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(
        &'s self,
        prompt: &'p str,
        _default: bool,
    ) -> std::borrow::Cow<'b, str> {
        let (count, changed) = &*self.0;
        *count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        changed.notify_all();
        prompt.into()
    }
}

impl rustyline::hint::Hinter for Painted {
    type Hint = String;
}

impl rustyline::completion::Completer for Painted {
    type Candidate = String;
}

impl rustyline::validate::Validator for Painted {}

impl rustyline::Helper for Painted {}
