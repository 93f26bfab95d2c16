//! The options of the chat, and the rooms that they make.

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use wharf::connection::Silence;
use wharf_services::Chat;
use wharf_services::chat::{
    Bots, Dialect, LOGIN_TIMEOUT, Refused, Report, Rules, Shown, UnreliableChat,
};

use super::line::{Line, Told};
use super::printer::Printer;
use crate::quantity::{Timeout, parse_cap, parse_size, parse_timeout};

/// What can be typed for the chat alone. `--help` shows it, `-h` has no room.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ChatArgs {
    /// The chat's dialect for those who used neither WHO nor LIST yet
    #[arg(long, value_name = "DIALECT", hide_short_help = true)]
    dialect: Option<DialectChoice>,

    /// What happens to a chat client whose name is taken or no name
    #[arg(long, value_name = "WHAT", hide_short_help = true)]
    refused: Option<RefusedChoice>,

    /// Close a chat client that does not log in for so long, or none [default: 20s]
    #[arg(long, value_name = "TIME", value_parser = parse_timeout, hide_short_help = true)]
    login_timeout: Option<Timeout>,

    /// Chat users logged in at once; the next is told BUSY
    #[arg(long, value_name = "N", value_parser = parse_cap, hide_short_help = true)]
    max_users: Option<usize>,

    /// The longest name of a chat user [default: 64 bytes]
    #[arg(long, value_name = "SIZE", value_parser = parse_name, hide_short_help = true)]
    max_name: Option<usize>,

    /// The longest line in the chat; a longer one is skipped and answered BAD-RQST-BODY
    /// [default: 64KiB]
    #[arg(long, value_name = "SIZE", value_parser = parse_line, hide_short_help = true)]
    max_line: Option<usize>,

    /// Put echobot and delaybot into the chat (the default)
    #[arg(long, overrides_with = "no_bots", hide_short_help = true)]
    bots: bool,

    /// Leave echobot and delaybot out of the chat
    #[arg(long, overrides_with = "bots", hide_short_help = true)]
    no_bots: bool,

    /// Show also what chat users say, not only who comes and goes
    #[arg(long, hide_short_help = true)]
    show_messages: bool,

    /// The chance behind the damage that the chat over UDP does: the same seed does the
    /// same damage [default: 0]
    #[arg(long, value_name = "N", hide_short_help = true)]
    seed: Option<u64>,
}

/// The rooms that a command line makes: one for streams, one for datagrams.
pub(super) struct Rooms {
    pub(super) streams: Chat,
    pub(super) datagrams: UnreliableChat,
}

/// The dialects of the chat.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum DialectChoice {
    /// As who
    Auto,
    /// WHO-OK and UNKNOWN, spoken until 2022
    Who,
    /// LIST-OK and BAD-DEST-USER, spoken since 2023
    List,
}

/// What happens to a chat client whose login is refused.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RefusedChoice {
    /// It may try another name (the default)
    Keep,
    /// It is closed
    Close,
}

impl ChatArgs {
    /// The first option that was given, if any.
    pub(super) fn given(&self) -> Option<&'static str> {
        let options = [
            ("--dialect", self.dialect.is_some()),
            ("--refused", self.refused.is_some()),
            ("--login-timeout", self.login_timeout.is_some()),
            ("--max-users", self.max_users.is_some()),
            ("--max-name", self.max_name.is_some()),
            ("--max-line", self.max_line.is_some()),
            ("--bots", self.bots),
            ("--no-bots", self.no_bots),
            ("--show-messages", self.show_messages),
            ("--seed", self.seed.is_some()),
        ];
        options
            .iter()
            .find(|(_, given)| *given)
            .map(|(name, _)| *name)
    }

    /// The rooms; who comes and who goes is printed with the events.
    pub(super) fn rooms(&self, printer: &Printer, quiet: bool, silence: Silence) -> Rooms {
        let streams = Chat::new(self.rules(), show(printer, quiet))
            .login_timeout(self.login_timeout())
            .silence(silence);
        let seed = self.seed.unwrap_or_default();
        Rooms {
            streams,
            datagrams: UnreliableChat::new(self.rules(), seed, show(printer, quiet)),
        }
    }

    fn login_timeout(&self) -> Option<Duration> {
        match self.login_timeout {
            Some(Timeout(timeout)) => timeout,
            None => Some(LOGIN_TIMEOUT),
        }
    }

    fn rules(&self) -> Rules {
        let mut rules = Rules {
            dialect: match self.dialect {
                Some(DialectChoice::List) => Dialect::List,
                Some(DialectChoice::Auto | DialectChoice::Who) | None => Dialect::Who,
            },
            refused: match self.refused {
                Some(RefusedChoice::Close) => Refused::Close,
                Some(RefusedChoice::Keep) | None => Refused::Keep,
            },
            bots: match self.no_bots {
                true => Bots::Absent,
                false => Bots::Present,
            },
            report: match self.show_messages {
                true => Report::Messages,
                false => Report::Presence,
            },
            ..Rules::default()
        };
        if let Some(most) = self.max_users {
            rules.max_users = most;
        }
        if let Some(most) = self.max_name {
            rules.max_name = most;
        }
        if let Some(most) = self.max_line {
            rules.max_line = most;
        }
        rules
    }
}

/// The longest of names: the list of all users must stay a line that people read.
const LONGEST_NAME: usize = 1024;

/// The longest of lines: two must fit into what may wait for a user.
const LONGEST_LINE: usize = 1 << 20;

fn parse_name(text: &str) -> Result<usize, String> {
    within(parse_size(text)?, 1, LONGEST_NAME)
}

/// At least as long as `HELLO-FROM` and a name.
fn parse_line(text: &str) -> Result<usize, String> {
    within(parse_size(text)?, 16, LONGEST_LINE)
}

fn within(size: usize, least: usize, most: usize) -> Result<usize, String> {
    match (least..=most).contains(&size) {
        true => Ok(size),
        false => Err(format!("it is between {least} and {most} bytes")),
    }
}

/// Prints what a room shows; with --quiet only what was said, which is shown because
/// somebody asked for it.
fn show(printer: &Printer, quiet: bool) -> impl Fn(&Shown<'_>) + Send + Sync + 'static {
    let printer = printer.clone();
    let service: Arc<str> = "chat".into();
    move |shown: &Shown<'_>| {
        if quiet && !matches!(shown, Shown::Said { .. }) {
            return;
        }
        printer.print(Line::now(Told::Shown {
            service: Arc::clone(&service),
            text: shown.to_string(),
            fields: fields(shown),
        }));
    }
}

/// What a room shows in fields, for machines.
fn fields(shown: &Shown<'_>) -> Value {
    match *shown {
        Shown::LoggedIn { peer, name, users } => json!({
            "what": "logged-in", "peer": peer.to_string(), "name": name, "users": users,
        }),
        Shown::Left {
            peer,
            name,
            why,
            users,
        } => json!({
            "what": "left", "peer": peer.to_string(), "name": name, "users": users,
            "reason": why.as_str(),
        }),
        Shown::Refused { peer, name, why } => json!({
            "what": "refused", "peer": peer.to_string(), "name": name, "reason": why.as_str(),
        }),
        Shown::Said { from, to, text } => json!({
            "what": "said", "from": from, "to": to, "message": text,
        }),
        // The words alone tell what is not known here yet.
        _ => Value::Null,
    }
}
