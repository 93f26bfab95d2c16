//! What both games can do, whoever draws them.

use std::time::Duration;

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

    /// Whether what is drawn changes by itself: a clock, or words that go again.
    fn ticks(&self, now: Instant) -> bool;

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

/// For how long words stand that nobody asked for.
const MOMENT: Duration = Duration::from_secs(2);

/// Words that stand beside the game until the next key, and mostly for a moment only.
#[derive(Debug, Default)]
pub(super) struct Notice(Option<(&'static str, Option<Instant>)>);

impl Notice {
    /// Words that go by themselves.
    pub(super) fn for_a_moment(&mut self, words: &'static str, now: Instant) {
        self.0 = Some((words, Some(now + MOMENT)));
    }

    /// Words that stay until a key is pressed.
    pub(super) fn for_longer(&mut self, words: &'static str) {
        self.0 = Some((words, None));
    }

    /// A key was pressed.
    pub(super) fn clear(&mut self) {
        self.0 = None;
    }

    /// What stands there now.
    pub(super) fn words(&self, now: Instant) -> Option<&'static str> {
        let (words, until) = self.0?;
        until.is_none_or(|until| now < until).then_some(words)
    }

    /// Whether there is something that will go.
    pub(super) fn passes(&self, now: Instant) -> bool {
        matches!(self.0, Some((_, Some(until))) if now < until)
    }
}

/// What is shown instead of the game for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Overlay {
    #[default]
    None,
    Scores,
    Help,
}

impl Overlay {
    /// Goes away with any key; says whether that key did nothing else. Others mean what
    /// the line of keys says, which stays there.
    pub(super) fn closed_by(&mut self, key: KeyCode) -> bool {
        match (std::mem::take(self), key) {
            (Overlay::None, _) => false,
            (_, KeyCode::Esc) => true,
            (Overlay::Help, KeyCode::Char('?')) => true,
            (Overlay::Scores, KeyCode::Char('t' | 'T')) => true,
            _ => false,
        }
    }
}

/// How to come back, for those who play elsewhere.
pub(super) fn parting(
    company: Company,
    name: &Option<String>,
    key: &Option<String>,
) -> Option<String> {
    let (Some(name), Some(key), Company::Others) = (name, key, company) else {
        return None;
    };
    Some(format!("to come back:  --as {name} --key {key}\n"))
}

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
    /// The command is to end, whatever happens in the game.
    Abort,
}

impl Heard {
    pub(super) fn send(mut self, line: impl Into<String>) -> Self {
        self.send.push(line.into());
        self
    }
}
