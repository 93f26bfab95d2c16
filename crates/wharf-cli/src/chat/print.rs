//! Events as lines: words for people, JSON for machines.

use std::time::SystemTime;

use serde_json::{Value, json};
use wharf_services::chat::client::{Check, Message, Receipt};
use wharf_services::chat::is_name;

use crate::args::Common;
use crate::connect::visible::one_line;
use crate::style::{Style, seconds};

/// Where a line goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A result.
    Out(String),
    /// A notice.
    Err(String),
}

/// How events are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    form: Form,
    style: Style,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Words,
    Json,
}

/// What is told.
#[derive(Debug)]
pub(super) enum Told<'a> {
    Connected(String),
    LoggedIn(&'a str),
    Refused {
        name: &'a str,
        why: String,
    },
    Message(&'a Message),
    Users(&'a [String]),
    Sent {
        to: &'a str,
        line: u64,
        receipt: Receipt,
    },
    /// Something that was typed and came to nothing.
    NotSent {
        to: Option<&'a str>,
        line: u64,
        text: &'a str,
        why: String,
    },
    Lost {
        why: String,
        again: Option<std::time::Duration>,
    },
    Note(&'a str),
}

impl Printer {
    pub(super) fn new(common: &Common) -> Self {
        Printer {
            form: match common.json {
                true => Form::Json,
                false => Form::Words,
            },
            style: common.color.style_for(&std::io::stdout()),
        }
    }

    /// The line for an event; some are for machines alone.
    pub(super) fn line(self, told: &Told<'_>) -> Option<Line> {
        match self.form {
            Form::Words => self.words(told),
            Form::Json => Some(Line::Out(to_json(told).to_string())),
        }
    }

    fn words(self, told: &Told<'_>) -> Option<Line> {
        let note = |text: String| Some(Line::Err(format!("* {text}")));
        match told {
            Told::Message(message) => Some(Line::Out(self.message(message))),
            Told::Users(names) => {
                let names: Vec<String> = names.iter().map(|name| shown_name(name)).collect();
                Some(Line::Out(format!("here: {}", names.join(", "))))
            }
            Told::Sent { to, receipt, .. } => match receipt {
                Receipt::Queued | Receipt::Acknowledged => None,
                Receipt::Unconfirmed => note(format!(
                    "sent to {}, whose client confirms nothing",
                    shown_name(to)
                )),
            },
            Told::Connected(peer) => note(format!("connected to {peer}")),
            Told::LoggedIn(name) => note(format!("logged in as {}", shown_name(name))),
            Told::Refused { name, why } => {
                note(format!("not logged in as {}: {why}", shown_name(name)))
            }
            Told::NotSent { to, text, why, .. } => {
                let text = one_line(start(text).as_bytes());
                match to {
                    Some(to) => note(format!("not sent to {}: {why}: {text}", shown_name(to))),
                    None => note(format!("not sent: {why}: {text}")),
                }
            }
            Told::Lost { why, again } => {
                let why = one_line(why.as_bytes());
                match again {
                    Some(again) => note(format!(
                        "{why}; trying again in {:.1} s",
                        again.as_secs_f64()
                    )),
                    None => None,
                }
            }
            Told::Note(text) => note((*text).to_owned()),
        }
    }

    fn message(self, message: &Message) -> String {
        let mark = match message.check {
            Check::Stream | Check::Checked => "",
            Check::Unchecked => "?",
        };
        let from = self.style.name(&shown_name(&message.from));
        format!("<{from}{mark}> {}", one_line(message.text.as_bytes()))
    }
}

fn to_json(told: &Told<'_>) -> Value {
    let mut event = match told {
        Told::Connected(peer) => json!({"event": "connected", "peer": peer}),
        Told::LoggedIn(name) => json!({"event": "logged-in", "name": name}),
        Told::Refused { name, why } => json!({"event": "refused", "name": name, "why": why}),
        Told::Message(message) => json!({
            "event": "message",
            "from": message.from,
            "text": message.text,
            "checked": message.check != Check::Unchecked,
        }),
        Told::Users(names) => json!({"event": "users", "users": names}),
        Told::Sent { to, line, receipt } => json!({
            "event": "sent",
            "to": to,
            "line": line,
            "receipt": match receipt {
                Receipt::Queued => "queued",
                Receipt::Acknowledged => "acknowledged",
                Receipt::Unconfirmed => "unconfirmed",
            },
        }),
        Told::NotSent { to, line, why, .. } => {
            json!({"event": "not-sent", "to": to, "line": line, "why": why})
        }
        Told::Lost { why, again } => json!({
            "event": "lost",
            "why": why,
            "again_seconds": again.map(|again| again.as_secs_f64()),
        }),
        Told::Note(text) => json!({"event": "note", "text": text}),
    };
    event["time"] = seconds(SystemTime::now()).into();
    event
}

/// A name that others chose. A server may say anything: what is no name is quoted,
/// so that it cannot look like a part of the line.
pub(super) fn shown_name(name: &str) -> String {
    match is_name(name) {
        true => name.to_owned(),
        false => format!("{:?}", one_line(name.as_bytes())),
    }
}

/// Enough of a text to know it again.
fn start(text: &str) -> &str {
    const ENOUGH: usize = 60;
    match text.char_indices().nth(ENOUGH) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(told: &Told<'_>) -> Option<Line> {
        let printer = Printer {
            form: Form::Words,
            style: Style::Plain,
        };
        printer.line(told)
    }

    fn message(from: &str, text: &str, check: Check) -> Line {
        let message = Message {
            from: from.to_owned(),
            text: text.to_owned(),
            check,
        };
        words(&Told::Message(&message)).unwrap()
    }

    #[test]
    fn a_message_is_one_line_that_cannot_be_forged() {
        let out = |text: &str| Line::Out(text.to_owned());
        assert_eq!(message("ann", "hi", Check::Stream), out("<ann> hi"));
        assert_eq!(message("ann", "hi", Check::Unchecked), out("<ann?> hi"));
        assert_eq!(
            message("ann", "a\x1b[2J\n<ben> b\u{202e}", Check::Checked),
            out("<ann> a\\u{1b}[2J\\n<ben> b\\u{202e}")
        );
        assert_eq!(message("a> <b", "hi", Check::Stream), out("<\"a> <b\"> hi"));
        let names = ["ann".to_owned(), "b\x07".to_owned()];
        assert_eq!(
            words(&Told::Users(&names)),
            Some(out("here: ann, \"b\\\\u{7}\""))
        );
    }
}
