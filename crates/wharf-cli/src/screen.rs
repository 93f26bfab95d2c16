//! The terminal as a screen: taken, drawn on, and given back on every way out; and what
//! ends a program that has taken it.

use std::io::{self, IsTerminal};

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste, Event};
use crossterm::execute;
use ratatui::layout::{Position, Rect};
use ratatui::{DefaultTerminal, Frame};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// How many keys may wait: a paste without brackets is a storm of them.
const AHEAD: usize = 256;

/// Whether a person sits there, at a terminal that can move its cursor.
pub(crate) fn is_there() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    io::stdin().is_terminal() && io::stdout().is_terminal() && !dumb
}

/// The screen, which is as it was before when this is dropped.
pub(crate) struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the screen; what is pasted comes as one piece. If the program panics, the terminal is given back before the
    /// message is written (ratatui's hook).
    pub(crate) fn open() -> io::Result<Screen> {
        let screen = Screen(ratatui::try_init()?);
        execute!(io::stdout(), EnableBracketedPaste)?;
        Ok(screen)
    }

    /// Forgets what the terminal shows: the next picture is drawn whole.
    ///
    /// ratatui's `clear` asks the terminal where its cursor is, and would wait for an
    /// answer that the thread of the keys reads; `resize` asks nothing.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        let size = self.0.size()?;
        self.0.resize(Rect::from((Position::ORIGIN, size)))
    }

    /// Draws a picture; only what has changed is written.
    pub(crate) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(draw).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = execute!(io::stdout(), DisableBracketedPaste);
        let _ = ratatui::try_restore();
    }
}

/// What is typed. A thread of its own reads it, since a read of a terminal cannot be
/// cancelled.
pub(crate) struct Keys(mpsc::Receiver<io::Result<Event>>);

impl Keys {
    /// Begins to read.
    pub(crate) fn start() -> io::Result<Keys> {
        let (sender, keys) = mpsc::channel(AHEAD);
        std::thread::Builder::new()
            .name("keys".to_owned())
            .spawn(move || {
                loop {
                    let event = crossterm::event::read();
                    let is_over = event.is_err();
                    if sender.blocking_send(event).is_err() || is_over {
                        return;
                    }
                }
            })?;
        Ok(Keys(keys))
    }

    /// The next one; `None` when there will be none. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Event>> {
        self.0.recv().await
    }
}

/// The signals that end it, in order: the terminal is given back first.
pub(crate) struct Signals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Begins to listen for them.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for one of them. Cancel safe.
    pub(crate) async fn end(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
