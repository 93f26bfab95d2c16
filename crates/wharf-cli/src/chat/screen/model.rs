//! The client as it is shown, without a terminal and without a network: keys and
//! events go in, actions come out.

use std::collections::BTreeMap;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use wharf_services::chat::client::{Check, Denied, Event, Ticket};
use wharf_services::chat::is_name;

use super::editor::{Editor, Inserted, LONGEST, Turn};
use super::log::{Entry, Fate, Log, Tone, Trust, What, same};
use super::wrap::{settled, shortened};
use crate::chat::print::shown_name;
use crate::chat::typed::{self, COMMANDS, Typed};
use crate::connect::visible::one_line;

/// How many comings or goings are told one by one.
const TOLD_SINGLY: usize = 4;

/// From how many names unread messages are counted; others only show in the log.
const MAX_UNREAD: usize = 1_000;

/// How many bytes of a text are shown: several screens full. What else there is of
/// it is told, and `--plain` prints it whole.
const MAX_TEXT: usize = 16 * 1024;

/// What can be typed, a line each.
const HELP: [&str; 10] = [
    "@NAME TEXT sends a message to NAME",
    "Tab completes names and commands",
    "/pin NAME shows one conversation",
    "Ctrl-N shows the next unread one",
    "Esc or /unpin shows all of them",
    "/who (!who) asks who is here",
    "PgUp and PgDn scroll",
    "the arrows bring back what was typed",
    "✓ queued, ✓✓ received, ? unconfirmed",
    "/quit (!quit), Ctrl-C or Ctrl-D leaves",
];

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Send {
        to: String,
        text: String,
    },
    Who,
    LogIn(String),
    /// Try to connect now.
    Hurry,
    /// Draw everything anew.
    Redraw,
    Quit,
}

/// How the connection is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Connecting,
    /// There is a connection and no login.
    Asking,
    Online,
    /// The next attempt comes in so many seconds.
    Offline(u64),
}

/// What the input line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prompt {
    Message,
    Name,
}

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) address: String,
    pub(super) name: String,
    pub(super) status: Status,
    pub(super) prompt: Prompt,
    pub(super) log: Log,
    pub(super) users: Vec<String>,
    pub(super) unread: BTreeMap<String, usize>,
    pub(super) pinned: Option<String>,
    pub(super) editor: Editor,
    /// What was being typed when another name had to be asked for.
    draft: String,
    /// The loss that was told last, until there is a login again.
    told_loss: Option<String>,
    /// How many lines the view is above the newest one.
    pub(super) scroll: usize,
    /// How many entries came below what is shown.
    pub(super) below: usize,
    /// How many of them the view has not seen yet.
    pub(super) fresh: usize,
    /// How many lines a page has; the view tells.
    pub(super) page: usize,
    /// Whether the list of users has come yet, to tell who comes and goes.
    knows_users: bool,
    /// Somebody wants to read the list.
    who_asked: bool,
    /// The list was asked for because of a newcomer, and has not come yet.
    list_awaited: bool,
}

impl Model {
    pub(super) fn new(address: String, name: String, pinned: Option<String>) -> Self {
        Model {
            address,
            name,
            status: Status::Connecting,
            prompt: Prompt::Message,
            log: Log::default(),
            users: Vec::new(),
            unread: BTreeMap::new(),
            pinned,
            editor: Editor::default(),
            draft: String::new(),
            told_loss: None,
            scroll: 0,
            below: 0,
            fresh: 0,
            page: 1,
            knows_users: false,
            who_asked: false,
            list_awaited: false,
        }
    }

    /// Takes a key.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Action> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Enter => return self.enter(),
            KeyCode::Char('c') if control => return Some(Action::Quit),
            KeyCode::Char('d') if control && self.editor.text().is_empty() => {
                return Some(Action::Quit);
            }
            KeyCode::Char('d') if control => self.editor.delete(),
            KeyCode::Char('n') if control => self.pin_next_unread(),
            KeyCode::Char('a') if control => self.editor.home(),
            KeyCode::Char('e') if control => self.editor.end(),
            KeyCode::Char('b') if control => self.editor.left(),
            KeyCode::Char('f') if control => self.editor.right(),
            KeyCode::Char('w') if control => self.editor.delete_word(),
            KeyCode::Char('u') if control => self.editor.delete_to_start(),
            KeyCode::Char('k') if control => self.editor.delete_to_end(),
            KeyCode::Char('h') if control => self.editor.backspace(),
            KeyCode::Char('b') if alt => self.editor.word_left(),
            KeyCode::Char('f') if alt => self.editor.word_right(),
            KeyCode::Char('l') if control => return Some(Action::Redraw),
            KeyCode::Char(_) if control || alt => {}
            KeyCode::Char(typed) => self.insert(typed.encode_utf8(&mut [0; 4])),
            KeyCode::Backspace if control || alt => self.editor.delete_word(),
            KeyCode::Backspace => self.editor.backspace(),
            KeyCode::Delete => self.editor.delete(),
            KeyCode::Left if control || alt => self.editor.word_left(),
            KeyCode::Right if control || alt => self.editor.word_right(),
            KeyCode::Left => self.editor.left(),
            KeyCode::Right => self.editor.right(),
            KeyCode::Home if control => self.scroll = usize::MAX,
            KeyCode::End if control => self.show_newest(),
            KeyCode::Home => self.editor.home(),
            KeyCode::End => self.editor.end(),
            KeyCode::Up => self.editor.older(),
            KeyCode::Down => self.editor.newer(),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_add(self.page),
            KeyCode::PageDown => {
                self.scroll = self.scroll.saturating_sub(self.page);
                if self.scroll == 0 {
                    self.show_newest();
                }
            }
            KeyCode::Tab => self.complete(Turn::Forward),
            KeyCode::BackTab => self.complete(Turn::Back),
            KeyCode::Esc if self.scroll > 0 => self.show_newest(),
            KeyCode::Esc => self.pin(None),
            _ => {}
        }
        None
    }

    /// Takes text that was pasted.
    pub(super) fn paste(&mut self, text: &str) {
        self.insert(text);
    }

    fn insert(&mut self, text: &str) {
        if self.editor.insert(text) == Inserted::TooLong {
            let note = format!("a line has {LONGEST} bytes at most; that would be more");
            self.note(&note, Tone::Bad);
        }
    }

    /// Takes what the client heard.
    pub(super) fn event(&mut self, event: Event) -> Option<Action> {
        match event {
            Event::Connected(_) => self.status = Status::Asking,
            Event::LoggedIn(name) => {
                self.note(&format!("you are {name}"), Tone::Good);
                self.name = name;
                self.status = Status::Online;
                self.told_loss = None;
                if std::mem::replace(&mut self.prompt, Prompt::Message) == Prompt::Name {
                    // What was typed since the name was given follows it.
                    let draft = std::mem::take(&mut self.draft) + self.editor.text();
                    self.editor.set(&draft);
                }
                self.knows_users = false;
                self.list_awaited = false;
            }
            Event::Refused { name, why } => self.refused(&name, why),
            Event::Users(names) => self.users(names),
            Event::NoUsers => {
                self.list_awaited = false;
                self.note("the server does not tell who is here", Tone::Bad);
            }
            Event::Message(message) => {
                let trust = match message.check {
                    Check::Stream | Check::Checked => Trust::Whole,
                    Check::Unchecked => Trust::Unchecked,
                };
                return self.heard(shown_name(&message.from), &message.text, trust);
            }
            Event::Sent { ticket, receipt } => {
                self.log.settle(ticket, Fate::Arrived(receipt));
            }
            Event::NotSent { ticket, why } => {
                self.log.settle(ticket, Fate::Failed(why.to_string()));
            }
            Event::Lost { why, again } => self.lost(&why.to_string(), again),
            _ => {}
        }
        None
    }

    /// A message is on its way.
    pub(super) fn sent(&mut self, to: &str, text: &str, ticket: Ticket) {
        self.show_newest();
        self.push(What::Said {
            to: to.to_owned(),
            text: shown_text(text.trim()),
            ticket,
            fate: Fate::Waits,
        });
    }

    /// A message could not be sent; its line comes back, to be changed.
    pub(super) fn not_sent(&mut self, to: &str, text: &str, why: &str) {
        self.note(&format!("not sent to {}: {why}", shown_name(to)), Tone::Bad);
        let line = match self.is_pinned(to) {
            true => text.to_owned(),
            false => format!("@{to} {text}"),
        };
        self.editor.set(&line);
    }

    /// So much time passed.
    pub(super) fn next_attempt_in(&mut self, left: Duration) {
        if let Status::Offline(seconds) = &mut self.status {
            *seconds = left
                .as_millis()
                .div_ceil(1_000)
                .try_into()
                .unwrap_or(u64::MAX);
        }
    }

    pub(super) fn is_pinned(&self, name: &str) -> bool {
        self.pinned
            .as_deref()
            .is_some_and(|pinned| same(pinned, name))
    }

    /// All messages that nobody has seen.
    pub(super) fn all_unread(&self) -> usize {
        self.unread.values().sum()
    }

    pub(super) fn note(&mut self, text: &str, tone: Tone) {
        let text = shown_text(text);
        self.push(What::Note { text, tone });
    }

    fn push(&mut self, what: What) {
        let at = jiff::ZonedDateTime::now().strftime("%H:%M").to_string();
        let entry = Entry { at, what };
        if self.scroll > 0 && entry.is_with(self.pinned.as_deref()) {
            self.below += 1;
            self.fresh += 1;
        }
        self.log.push(entry);
    }

    fn enter(&mut self) -> Option<Action> {
        if self.prompt == Prompt::Name {
            return self.name_given();
        }
        let line = self.editor.take();
        match typed::parse(&line) {
            Typed::Nothing if matches!(self.status, Status::Offline(_)) => Some(Action::Hurry),
            Typed::Nothing => None,
            Typed::Quit => Some(Action::Quit),
            Typed::Help => {
                HELP.iter().for_each(|line| self.note(line, Tone::Quiet));
                None
            }
            Typed::Who => {
                self.who_asked = true;
                Some(Action::Who)
            }
            Typed::Pin(name) => {
                self.pin(name);
                None
            }
            Typed::Name(_) if self.status == Status::Online => {
                let name = self.name.clone();
                self.note(&format!("you are {name} already"), Tone::Bad);
                None
            }
            Typed::Name(name) => self.log_in(name),
            Typed::Unknown(word) => {
                self.note(
                    &format!("there is no command {word}; /help tells"),
                    Tone::Bad,
                );
                self.editor.set(&line);
                None
            }
            // A name alone pins its conversation.
            Typed::Message { to: Some(to), text } if text.is_empty() => {
                self.pin(Some(to));
                None
            }
            Typed::Message { to, text } => match to.or_else(|| self.pinned.clone()) {
                Some(to) => Some(Action::Send { to, text }),
                None => {
                    self.note("to whom? @NAME TEXT, or /pin NAME first", Tone::Bad);
                    self.editor.set(&line);
                    None
                }
            },
        }
    }

    fn name_given(&mut self) -> Option<Action> {
        let typed = self.editor.text().trim().to_owned();
        match typed::parse(&typed) {
            Typed::Nothing => None,
            Typed::Quit => Some(Action::Quit),
            Typed::Name(name) => self.log_in(name),
            Typed::Help => {
                self.note("type a name to log in under, or /quit", Tone::Quiet);
                self.editor.set("");
                None
            }
            _ => self.log_in(typed),
        }
    }

    fn log_in(&mut self, name: String) -> Option<Action> {
        if !is_name(&name) {
            self.note("names are letters A to Z, a to z and digits", Tone::Bad);
            return None;
        }
        self.editor.set("");
        self.name.clone_from(&name);
        Some(Action::LogIn(name))
    }

    fn refused(&mut self, name: &str, why: Denied) {
        // A full server is asked again; another name would not help.
        if why.is_about_the_name() {
            self.note(&format!("no login as {name}: {why}"), Tone::Bad);
            if std::mem::replace(&mut self.prompt, Prompt::Name) == Prompt::Message {
                self.draft = self.editor.text().to_owned();
            }
            self.status = Status::Asking;
            self.editor.set(name);
        }
    }

    fn lost(&mut self, why: &str, again: Option<Duration>) {
        // An attempt that fails like the one before is no news.
        if self.told_loss.as_deref() != Some(why) {
            self.note(why, Tone::Bad);
            self.told_loss = Some(why.to_owned());
        }
        self.users.clear();
        self.status = Status::Offline(0);
        self.next_attempt_in(again.unwrap_or_default());
    }

    fn heard(&mut self, from: String, text: &str, trust: Trust) -> Option<Action> {
        let is_shown = self.pinned.is_none() || self.is_pinned(&from);
        if (!is_shown || self.scroll > 0)
            && (self.unread.len() < MAX_UNREAD || self.unread.contains_key(&from))
        {
            *self.unread.entry(from.clone()).or_default() += 1;
        }
        let is_new = !self.users.contains(&from);
        self.push(What::Heard {
            from,
            text: shown_text(text),
            trust,
        });
        // Somebody who came since the list was asked for. One question is enough for
        // all that a newcomer says, and for all newcomers.
        (is_new && self.knows_users && !std::mem::replace(&mut self.list_awaited, true))
            .then_some(Action::Who)
    }

    fn users(&mut self, names: Vec<String>) {
        let names: Vec<String> = names.iter().map(|name| shown_name(name)).collect();
        if std::mem::take(&mut self.who_asked) {
            self.note(&format!("here: {}", names.join(", ")), Tone::Quiet);
        } else if self.knows_users {
            let come = missing(&names, &self.users);
            let gone = missing(&self.users, &names);
            self.tell_changes(&come, "is here now", "came");
            self.tell_changes(&gone, "left", "left");
        }
        self.knows_users = true;
        self.list_awaited = false;
        self.users = names;
    }

    fn tell_changes(&mut self, names: &[String], one: &str, many: &str) {
        match names {
            [] => {}
            few if few.len() <= TOLD_SINGLY => {
                few.iter()
                    .for_each(|name| self.note(&format!("{name} {one}"), Tone::Quiet));
            }
            _ => self.note(&format!("{} {many}", names.len()), Tone::Quiet),
        }
    }

    fn pin(&mut self, name: Option<String>) {
        if let Some(name) = &name {
            if !is_name(name) {
                return self.note("names are letters A to Z, a to z and digits", Tone::Bad);
            }
            self.unread.retain(|other, _| !same(other, name));
        }
        self.pinned = name;
        self.show_newest();
    }

    fn pin_next_unread(&mut self) {
        let next = self.unread.keys().find(|name| is_name(name)).cloned();
        if next.is_some() {
            self.pin(next);
        }
    }

    fn show_newest(&mut self) {
        self.scroll = 0;
        self.below = 0;
        self.fresh = 0;
        match &self.pinned {
            None => self.unread.clear(),
            Some(pinned) => self.unread.retain(|name, _| !same(name, pinned)),
        }
    }

    fn complete(&mut self, turn: Turn) {
        let users = &self.users;
        let own = &self.name;
        let first = self.unread.keys().chain(users.iter());
        self.editor.complete(turn, |before, word| {
            let is_start = before.trim().is_empty();
            if is_start && word.starts_with(['/', '!']) {
                let commands = COMMANDS.iter().chain(&["!quit", "!who"]);
                let known = commands.filter(|command| command.starts_with(word));
                return known.map(|command| format!("{command} ")).collect();
            }
            let after_pin = before.trim() == "/pin";
            if !is_start && !after_pin && !word.starts_with('@') {
                return Vec::new();
            }
            let start = word.strip_prefix('@').unwrap_or(word).to_lowercase();
            let mut names: Vec<String> = Vec::new();
            for name in first {
                let fits = name.to_lowercase().starts_with(&start) && is_name(name);
                let is_own = name == own;
                let shown = match after_pin {
                    true => format!("{name} "),
                    false => format!("@{name} "),
                };
                if fits && !is_own && !names.contains(&shown) {
                    names.push(shown);
                }
            }
            names
        });
    }
}

/// Text as it is shown: nothing in it is obeyed, changes its neighbours, or is endless.
fn shown_text(text: &str) -> String {
    shortened(&settled(&one_line(text.as_bytes())), MAX_TEXT)
}

/// The names in `these` that are not in `those`.
fn missing(these: &[String], those: &[String]) -> Vec<String> {
    let those: std::collections::BTreeSet<&String> = those.iter().collect();
    let missing = these.iter().filter(|name| !those.contains(name));
    missing.cloned().collect()
}
