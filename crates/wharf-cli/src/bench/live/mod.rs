//! The live picture of a run, on a terminal.
//!
//! The engine is never kept waiting: it hands over a point now and then, and a thread of
//! its own draws. What the queue has no room for is left out of the picture, and of nothing
//! else. Layout: `history` is what is shown, `view` draws it.

mod history;
mod view;

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers, poll, read};

use history::History;
pub(super) use history::Point;

/// How many points may wait to be drawn.
const AHEAD: usize = 64;

/// How soon a key is noticed while nothing is to be drawn.
const TICK: Duration = Duration::from_millis(50);

/// The smallest terminal that has room for the picture.
const COLUMNS: u16 = 60;
const ROWS: u16 = 16;

/// What throughput is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Messages,
    /// Of bulk in one direction, which has no messages.
    Bytes,
}

/// What is shown about a run that does not change.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) who: String,
    pub(super) shape: String,
    pub(super) unit: Unit,
    /// With ramp and warm-up.
    pub(super) lasts: Duration,
}

/// Whether the terminal is a picture's now.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Gives the terminal back in the state in which it was, if a picture has it. For an end that
/// drops nothing.
pub(super) fn give_back() {
    if TAKEN.swap(false, Ordering::Relaxed) {
        let _ = ratatui::try_restore();
    }
}

/// A picture that is drawn until this is dropped.
pub(super) struct Live {
    points: Option<SyncSender<Point>>,
    thread: Option<JoinHandle<()>>,
}

/// Whether there is a terminal with room for a picture, and keys.
pub(super) fn is_possible() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let fits =
        crossterm::terminal::size().is_ok_and(|(columns, rows)| columns >= COLUMNS && rows >= ROWS);
    io::stdout().is_terminal() && io::stdin().is_terminal() && !dumb && fits
}

impl Live {
    /// Takes the screen. `interrupted` is set by `q` and Ctrl-C.
    pub(super) fn start(plan: Plan, interrupted: Arc<AtomicBool>) -> io::Result<Live> {
        // Also puts a hook before that of panics, so that the terminal is given back.
        let terminal = ratatui::try_init()?;
        TAKEN.store(true, Ordering::Relaxed);
        let (points, to_draw) = sync_channel(AHEAD);
        let thread = std::thread::Builder::new()
            .name("picture".to_owned())
            .spawn(move || {
                // A terminal that is gone ends the picture, not the run.
                let _ = show(terminal, &plan, &to_draw, &interrupted);
                give_back();
            })?;
        Ok(Live {
            points: Some(points),
            thread: Some(thread),
        })
    }

    /// Shows a point, if the picture keeps up.
    pub(super) fn push(&self, point: Point) {
        if let Some(points) = &self.points {
            let _ = points.try_send(point);
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.points = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn show(
    mut terminal: ratatui::DefaultTerminal,
    plan: &Plan,
    points: &Receiver<Point>,
    interrupted: &AtomicBool,
) -> io::Result<()> {
    let mut history = History::default();
    terminal.draw(|frame| view::draw(frame, plan, &history))?;
    loop {
        match points.recv_timeout(TICK) {
            Ok(point) => {
                history.push(point);
                points.try_iter().for_each(|point| history.push(point));
                terminal.draw(|frame| view::draw(frame, plan, &history))?;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        while poll(Duration::ZERO)? {
            match read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    let control = key.modifiers.contains(KeyModifiers::CONTROL);
                    match key.code {
                        KeyCode::Char('q') | KeyCode::Esc => {
                            interrupted.store(true, Ordering::Relaxed);
                        }
                        KeyCode::Char('c') if control => {
                            interrupted.store(true, Ordering::Relaxed);
                        }
                        _ => {}
                    }
                }
                Event::Resize(..) => {
                    terminal.draw(|frame| view::draw(frame, plan, &history))?;
                }
                _ => {}
            }
        }
    }
}
