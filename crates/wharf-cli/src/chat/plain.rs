//! The client for pipes: a line in is a message or a command, an event is a line out.
//!
//! Input is read only while it can be sent: what comes before the login, or while
//! there is no connection, waits in the pipe.

use std::collections::BTreeMap;
use std::io::Write;

use tokio::time::{Instant, sleep_until};
use wharf_services::chat::client::{ChatClient, Denied, Event, Reconnect, Ticket};

use super::print::{Line, Printer, Told};
use super::typed::{self, Typed};
use super::{ChatArgs, ended, name, warning};
use crate::args::Common;
use crate::connect::input::{Input, Item};
use crate::connect::output::Output;
use crate::connect::wire::Cut;
use crate::exit::Exit;
use crate::failure::{Failure, words};

/// What can be typed, in one line.
const HELP: &str = "@NAME TEXT sends; /pin NAME, /unpin; !who; !quit";

/// Runs the client until the end of input or of the connection.
pub(super) async fn run(
    common: &Common,
    args: &ChatArgs,
    client: ChatClient,
) -> Result<Exit, Failure> {
    let mut client = client.reconnect(match args.reconnect {
        true => Reconnect::Always,
        false => Reconnect::Never,
    });
    let name = args.name.clone().unwrap_or_else(name::default_name);
    client.log_in(&name);
    let mut plain = Plain {
        args,
        client,
        name,
        refused: 0,
        printer: Printer::new(common),
        output: Output::stdout()?,
        input: Input::stdin(Cut::Lines)?,
        side: Side::Open,
        lines: 0,
        pinned: args.to.clone(),
        waiting: BTreeMap::new(),
        undelivered: 0,
        quiet_since: Instant::now(),
    };
    let outcome = plain.converse().await;
    plain.client.leave().await;
    plain.output.finish().await?;
    match (outcome?, plain.undelivered) {
        (Exit::Done, 1..) => Err(Failure::new(
            Exit::CheckFailed,
            match plain.undelivered {
                1 => "a message could not be delivered".to_owned(),
                many => format!("{many} messages could not be delivered"),
            },
        )),
        (exit, _) => Ok(exit),
    }
}

/// Whether more input may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Open,
    Ended,
    /// It was said to leave: nothing is waited for any more but answers.
    Quit,
}

struct Plain<'a> {
    args: &'a ChatArgs,
    client: ChatClient,
    name: String,
    refused: u32,
    printer: Printer,
    output: Output,
    input: Input,
    side: Side,
    /// How many lines of input there were.
    lines: u64,
    pinned: Option<String>,
    /// What was sent and not answered; the client bounds how much that is.
    waiting: BTreeMap<Ticket, Sent>,
    undelivered: u64,
    /// Since when nobody said anything.
    quiet_since: Instant,
}

struct Sent {
    to: String,
    text: String,
    line: u64,
}

enum Step {
    Event(Event),
    Input(Option<Item>),
    Gone,
    Time,
}

impl Plain<'_> {
    async fn converse(&mut self) -> Result<Exit, Failure> {
        loop {
            let leaves_at = self.leaves_at();
            if leaves_at.is_some_and(|at| at <= Instant::now()) {
                return Ok(Exit::Done);
            }
            let may_read = self.side == Side::Open && self.client.has_room();
            let step = tokio::select! {
                biased;
                () = self.output.gone() => Step::Gone,
                // Before events, which may come without end; input ends at the first
                // message for which there is no room.
                item = self.input.next(), if may_read => Step::Input(item),
                event = self.client.next() => Step::Event(event),
                () = sleep_until(leaves_at.unwrap_or(self.quiet_since)), if leaves_at.is_some() => Step::Time,
            };
            match step {
                Step::Event(event) => self.event(event).await?,
                Step::Input(Some(Item::Piece(piece))) => {
                    let line = String::from_utf8_lossy(piece.payload()).into_owned();
                    self.typed(&line).await;
                }
                Step::Input(Some(Item::Failed(error))) => {
                    let cause = format!("cannot read the input: {}", words(&error));
                    return Err(Failure::new(Exit::Failed, cause));
                }
                Step::Input(None) => {
                    self.side = Side::Ended;
                    self.quiet_since = Instant::now();
                }
                Step::Gone => return Ok(Exit::Done),
                Step::Time => {}
            }
        }
    }

    /// When there is nothing to stay for any more.
    fn leaves_at(&self) -> Option<Instant> {
        if !self.waiting.is_empty() || self.client.waits() {
            return None;
        }
        match (self.side, self.args.linger) {
            (Side::Open, _) => None,
            (Side::Ended, Some(linger)) => Some(self.quiet_since + linger.0?),
            (Side::Ended, None) | (Side::Quit, _) => Some(self.quiet_since),
        }
    }

    async fn event(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Connected(peer) => {
                self.tell(&Told::Connected(peer.to_string())).await;
                if let Some(warning) = warning(self.args, &peer) {
                    self.tell(&Told::Note(&warning)).await;
                }
            }
            Event::LoggedIn(name) => self.tell(&Told::LoggedIn(&name)).await,
            Event::Refused { name, why } => return self.refused(&name, why).await,
            Event::Users(names) => self.tell(&Told::Users(&names)).await,
            Event::NoUsers => {
                self.tell(&Told::Note("the server does not tell who is here"))
                    .await
            }
            Event::Message(message) => {
                self.quiet_since = Instant::now();
                self.tell(&Told::Message(&message)).await;
            }
            Event::Sent { ticket, receipt } => {
                if let Some(Sent { to, line, .. }) = self.waiting.remove(&ticket) {
                    self.tell(&Told::Sent {
                        to: &to,
                        line,
                        receipt,
                    })
                    .await;
                }
            }
            Event::NotSent { ticket, why } => {
                if let Some(sent) = self.waiting.remove(&ticket) {
                    self.not_sent(Some(&sent.to), sent.line, &sent.text, &why.to_string())
                        .await;
                }
            }
            Event::Lost { why, again } => {
                let words = why.to_string();
                self.tell(&Told::Lost { why: words, again }).await;
                if again.is_none() {
                    return Err(ended::lost(self.args, &why));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A name that nobody chose is followed by another one.
    async fn refused(&mut self, refused: &str, why: Denied) -> Result<(), Failure> {
        let reason = why.to_string();
        self.tell(&Told::Refused {
            name: refused,
            why: reason,
        })
        .await;
        // A loss follows, which ends it or is followed by another attempt.
        if !why.is_about_the_name() {
            return Ok(());
        }
        self.refused += 1;
        let next = match (&self.args.name, why) {
            (None, Denied::InUse) => name::variant(&self.name, self.refused),
            _ => None,
        };
        match next {
            Some(name) => self.client.log_in(&name),
            None => return Err(ended::refused(self.args, refused, why)),
        }
        Ok(())
    }

    async fn typed(&mut self, line: &str) {
        self.lines += 1;
        match typed::parse(line) {
            Typed::Message { to, text } => {
                self.send(to.or_else(|| self.pinned.clone()), text).await
            }
            Typed::Who => self.client.who(),
            Typed::Quit => self.side = Side::Quit,
            Typed::Help => self.tell(&Told::Note(HELP)).await,
            Typed::Pin(to) => self.pinned = to,
            Typed::Name(_) => {
                let note = "logged in already; the name is chosen with --as NAME";
                self.tell(&Told::Note(note)).await;
            }
            Typed::Unknown(word) => {
                let why = format!("there is no command {word:?}; {HELP}");
                self.not_sent(None, self.lines, line, &why).await;
            }
            Typed::Nothing => {}
        }
    }

    async fn send(&mut self, to: Option<String>, text: String) {
        let line = self.lines;
        let Some(to) = to else {
            return self
                .not_sent(None, line, &text, "to whom? @NAME TEXT")
                .await;
        };
        match self.client.send(&to, &text) {
            Ok(ticket) => drop(self.waiting.insert(ticket, Sent { to, text, line })),
            Err(why) => {
                self.not_sent(Some(&to), line, &text, &why.to_string())
                    .await
            }
        }
    }

    async fn not_sent(&mut self, to: Option<&str>, line: u64, text: &str, why: &str) {
        self.undelivered += 1;
        let why = why.to_owned();
        self.tell(&Told::NotSent {
            to,
            line,
            text,
            why,
        })
        .await;
    }

    async fn tell(&self, told: &Told<'_>) {
        match self.printer.line(told) {
            Some(Line::Out(mut line)) => {
                line.push('\n');
                self.output.send(line.into_bytes()).await;
            }
            // Without a stderr there is nobody to tell.
            Some(Line::Err(line)) => drop(writeln!(std::io::stderr(), "{line}")),
            None => {}
        }
    }
}
