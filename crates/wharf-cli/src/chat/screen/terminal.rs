//! The terminal: taken, drawn on, and given back on every way out.

use std::io;

use crossterm::event::{DisableBracketedPaste, EnableBracketedPaste, Event};
use crossterm::execute;
use ratatui::layout::{Position, Rect};
use ratatui::{DefaultTerminal, Frame};
use tokio::sync::mpsc;

/// How many keys may wait: a paste without brackets is a storm of them.
const AHEAD: usize = 256;

/// The screen, which is as it was before when this is dropped.
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the screen. If the program panics, the terminal is given back before the
    /// message is written (ratatui's hook).
    pub(super) fn open() -> io::Result<Screen> {
        let screen = Screen(ratatui::try_init()?);
        execute!(io::stdout(), EnableBracketedPaste)?;
        Ok(screen)
    }

    /// Forgets what the terminal shows: the next picture is drawn whole.
    ///
    /// ratatui's `clear` asks the terminal where its cursor is, and would wait for an
    /// answer that the thread of the keys reads; `resize` asks nothing.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        let size = self.0.size()?;
        self.0.resize(Rect::from((Position::ORIGIN, size)))
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
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
pub(super) struct Keys(mpsc::Receiver<io::Result<Event>>);

impl Keys {
    pub(super) fn start() -> io::Result<Keys> {
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
    pub(super) async fn next(&mut self) -> Option<io::Result<Event>> {
        self.0.recv().await
    }
}
