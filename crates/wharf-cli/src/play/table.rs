//! What both games can do, whoever draws them.

use crossterm::event::KeyCode;
use ratatui::Frame;
use tokio::time::Instant;

/// A game as one player sees it.
pub(super) trait Table {
    /// Takes a line of the server; gives what is to be sent because of it, and what
    /// there is to tell, in words.
    fn hear(&mut self, line: &str, now: Instant) -> Result<Heard, NotUnderstood>;

    /// A key was pressed.
    fn key(&mut self, key: KeyCode) -> Do;

    /// A word was typed, or came through a pipe; `None` if it means nothing now.
    fn word(&mut self, word: &str) -> Option<Do>;

    /// Whether something is expected from this side, and what, in words.
    fn question(&self) -> Option<String>;

    /// When the time for what is waited for is up.
    fn until(&self) -> Option<Instant>;

    /// Draws everything.
    fn draw(&self, frame: &mut Frame<'_>, now: Instant);

    /// What is worth knowing when the game is left.
    fn parting(&self) -> Option<String>;
}

/// What is refused in both games, for somebody who does not see the protocol.
pub(super) const NAME_IN_USE: &str =
    "somebody has this name; if it is you, come back with --key and your key";
pub(super) const NOT_UNDERSTOOD: &str = "the server does not understand that";
pub(super) const NO_NAME: &str = "the server does not know your name yet";

/// Against whom one plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    /// The house alone, in memory.
    House,
    /// Whoever else plays at an address.
    Others,
}

/// What came of a line.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Requests to send at once.
    pub(super) send: Vec<String>,
    /// A sentence for people.
    pub(super) tell: Option<String>,
    /// The server lets nobody go on.
    pub(super) over: Option<String>,
    /// Why the line came.
    pub(super) because: Because,
}

/// Why a line came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Because {
    /// It answers the last request.
    #[default]
    Asked,
    /// Something happened.
    Happened,
}

/// A line that no server of this game says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotUnderstood;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Do {
    /// Nothing.
    Nothing,
    /// This is to be drawn anew.
    Draw,
    /// This is to be sent.
    Send(String),
    /// The game is left.
    Quit,
}

impl Heard {
    pub(super) fn send(mut self, line: impl Into<String>) -> Self {
        self.send.push(line.into());
        self
    }
}
