//! A client over lines: what it says and what it makes of the answers, without I/O
//! and without a clock.
//!
//! ```text
//!            log_in                HELLO
//!  stranger ───────▶ asking ───────────────▶ user ──┐ send, who
//!     ▲                 │                     ▲     │ SEND-OK, UNKNOWN, WHO-OK …
//!     └─────────────────┘                     └─────┘ DELIVERY at any time
//!       IN-USE, BAD-RQST-BODY, BUSY
//! ```
//! A server answers requests in the order in which it got them, so answers are
//! matched with a queue of what was asked. An answer that cannot belong to the first
//! one skips to the first to which it can: a server that leaves something out does
//! not shift everything after it.
//!
//! The dialect is learned: `WHO` is tried first, and `LIST` where the server does not
//! know that.

use std::collections::VecDeque;

use super::super::grammar::{Dialect, Reply, Request, is_name, text_of};
use super::super::rules::MAX_LINE;
use super::event::{CannotSend, Check, Denied, Event, Message, NotSent, Receipt, Ticket};
use crate::password::DENIED;

/// How many requests may wait for their answers: a server that answers nothing is
/// asked no more.
pub const MAX_ASKED: usize = 1_024;

/// The longest line that is taken from a server, in bytes: the list of as many users
/// as a server of ours has places, with the longest names.
pub const MAX_REPLY: usize = 2 << 20;

/// A client's side of a conversation in lines.
///
/// ```
/// use wharf_services::chat::client::{Event, Lines};
///
/// let mut client = Lines::default();
/// client.log_in("ann");
/// assert_eq!(client.take_output(), b"HELLO-FROM ann\n");
/// client.line(b"HELLO ann");
/// assert!(matches!(client.next_event(), Some(Event::LoggedIn(name)) if name == "ann"));
///
/// let ticket = client.send("ben", "hello").unwrap();
/// assert_eq!(client.take_output(), b"SEND ben hello\n");
/// client.line(b"SEND-OK");
/// assert!(matches!(client.next_event(), Some(Event::Sent { ticket: which, .. }) if which == ticket));
/// ```
#[derive(Debug, Default)]
pub struct Lines {
    name: Option<String>,
    /// What the server is known to speak.
    dialect: Option<Dialect>,
    asked: VecDeque<Asked>,
    output: Vec<u8>,
    events: VecDeque<Event>,
    skipped: u64,
    tickets: u64,
}

/// A request whose answer has not come.
#[derive(Debug)]
enum Asked {
    Login(String),
    Users(Dialect),
    Send(Ticket),
}

impl Lines {
    /// Asks for a login. After the login nothing happens.
    pub fn log_in(&mut self, name: &str) {
        if self.name.is_none() && self.asked.len() < MAX_ASKED {
            Request::HelloFrom(name).write(&mut self.output);
            self.asked.push_back(Asked::Login(name.to_owned()));
        }
    }

    /// Asks who is there.
    pub fn who(&mut self) {
        if self.name.is_some() && self.asked.len() < MAX_ASKED {
            self.ask_who(self.dialect.unwrap_or_default());
        }
    }

    /// Sends `text`, of which spaces at the ends are dropped and line ends become spaces.
    ///
    /// # Errors
    /// [`CannotSend`]; then nothing was sent.
    pub fn send(&mut self, to: &str, text: &str) -> Result<Ticket, CannotSend> {
        let request = Request::Send {
            to,
            text: sendable(
                to,
                text,
                MAX_LINE - "SEND  ".len() - to.len().min(MAX_LINE / 2),
            )?,
        };
        if self.name.is_none() {
            return Err(CannotSend::NotLoggedIn);
        }
        if self.asked.len() >= MAX_ASKED {
            return Err(CannotSend::TooMany);
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        request.write(&mut self.output);
        self.asked.push_back(Asked::Send(ticket));
        Ok(ticket)
    }

    /// Takes a line of the server, given without its end.
    pub fn line(&mut self, line: &[u8]) {
        let line = text_of(line);
        match Reply::parse(&line) {
            Some(Reply::Delivery { from, text }) => {
                self.events.push_back(Event::Message(Message {
                    from: from.to_owned(),
                    text: text.to_owned(),
                    check: Check::Stream,
                }))
            }
            Some(reply) => self.answer(reply),
            None if line == DENIED => self.gated(),
            None => self.skipped += 1,
        }
    }

    /// Takes note of a line that is no answer: longer than [`MAX_REPLY`], or without
    /// its end.
    pub fn line_skipped(&mut self) {
        self.skipped += 1;
    }

    /// The connection ended: what was asked is not answered any more, and nobody is
    /// logged in. What is known of the server stays.
    pub fn connection_lost(&mut self) {
        self.name = None;
        self.output.clear();
        for asked in std::mem::take(&mut self.asked) {
            self.unanswered(&asked, NotSent::Lost);
        }
    }

    /// What is to be written to the server.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The name, while it is logged in.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether an answer is still to come.
    pub fn waits(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Whether another message may be sent.
    pub fn has_room(&self) -> bool {
        self.name.is_some() && self.asked.len() < MAX_ASKED
    }

    /// How many lines were skipped because no server of this protocol says them, or
    /// because nothing had been asked.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn ask_who(&mut self, dialect: Dialect) {
        Request::Users(dialect).write(&mut self.output);
        self.asked.push_back(Asked::Users(dialect));
    }

    fn answer(&mut self, reply: Reply<'_>) {
        let Some(place) = self.asked.iter().position(|asked| asked.takes(&reply)) else {
            self.unasked(reply);
            return;
        };
        for asked in self.asked.drain(..place).collect::<Vec<_>>() {
            self.unanswered(&asked, NotSent::Unanswered);
        }
        match self.asked.pop_front() {
            Some(Asked::Login(name)) => self.login_answered(name, reply),
            Some(Asked::Users(dialect)) => self.who_answered(dialect, reply),
            Some(Asked::Send(ticket)) => self.send_answered(ticket, reply),
            None => {}
        }
    }

    /// A server that is full may say so before it is asked.
    fn unasked(&mut self, reply: Reply<'_>) {
        if reply == Reply::Busy && self.name.is_none() {
            let name = String::new();
            let why = Denied::Busy;
            self.events.push_back(Event::Refused { name, why });
        } else {
            self.skipped += 1;
        }
    }

    /// What was asked was taken for a password, by a gate before the server.
    fn gated(&mut self) {
        let Some(Asked::Login(name)) = self.asked.front_mut() else {
            self.skipped += 1;
            return;
        };
        let name = std::mem::take(name);
        self.asked.pop_front();
        let why = Denied::Gated;
        self.events.push_back(Event::Refused { name, why });
    }

    fn login_answered(&mut self, name: String, reply: Reply<'_>) {
        let why = match reply {
            Reply::Hello(_) => {
                self.name = Some(name.clone());
                self.events.push_back(Event::LoggedIn(name));
                return;
            }
            Reply::InUse => Denied::InUse,
            Reply::Busy => Denied::Busy,
            _ => Denied::BadName,
        };
        self.events.push_back(Event::Refused { name, why });
    }

    fn who_answered(&mut self, asked: Dialect, reply: Reply<'_>) {
        if let Reply::Users(dialect, _) = reply {
            self.dialect = Some(dialect);
            let names = reply.names().map(str::to_owned).collect();
            self.events.push_back(Event::Users(names));
        } else if self.dialect.is_none() && asked == Dialect::Who {
            self.ask_who(Dialect::List);
        } else {
            self.events.push_back(Event::NoUsers);
        }
    }

    fn send_answered(&mut self, ticket: Ticket, reply: Reply<'_>) {
        let why = match reply {
            Reply::SendOk => {
                let receipt = Receipt::Queued;
                self.events.push_back(Event::Sent { ticket, receipt });
                return;
            }
            Reply::NoSuchUser(_) => NotSent::NoSuchUser,
            _ => NotSent::Refused,
        };
        self.events.push_back(Event::NotSent { ticket, why });
    }

    fn unanswered(&mut self, asked: &Asked, why: NotSent) {
        if let Asked::Send(ticket) = *asked {
            self.events.push_back(Event::NotSent { ticket, why });
        }
    }
}

impl Asked {
    /// Whether `reply` can be the answer.
    fn takes(&self, reply: &Reply<'_>) -> bool {
        match reply {
            Reply::Hello(_) | Reply::InUse | Reply::Busy => matches!(self, Asked::Login(_)),
            Reply::Users(..) => matches!(self, Asked::Users(_)),
            Reply::SendOk | Reply::NoSuchUser(_) => matches!(self, Asked::Send(_)),
            Reply::BadHeader | Reply::BadBody => true,
            Reply::Delivery { .. } => false,
        }
    }
}

/// The text as a server takes it, if receiver and text are such that it can.
///
/// Python's `strip`, with which courses' servers trim, also takes the separators
/// U+001C to U+001F for space.
pub(super) fn sendable<'a>(to: &str, text: &'a str, most: usize) -> Result<&'a str, CannotSend> {
    if !is_name(to) {
        return Err(CannotSend::NotAName);
    }
    let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
    let text = text.trim_matches(is_space);
    match text.len() {
        0 => Err(CannotSend::Empty),
        length if length > most => Err(CannotSend::TooLong(most)),
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn logged_in() -> Lines {
        let mut client = Lines::default();
        client.log_in("ann");
        client.line(b"HELLO ann");
        assert_eq!(told(&mut client), [r#"LoggedIn("ann")"#]);
        client.take_output();
        client
    }

    fn told(client: &mut Lines) -> Vec<String> {
        std::iter::from_fn(|| client.next_event())
            .map(|event| format!("{event:?}"))
            .collect()
    }

    fn said(client: &mut Lines) -> String {
        String::from_utf8(client.take_output()).unwrap()
    }

    #[test]
    fn a_login_is_refused_and_another_name_is_tried() {
        let mut client = Lines::default();
        assert_eq!(client.send("ben", "hi"), Err(CannotSend::NotLoggedIn));
        client.who();
        for (line, why) in [
            ("IN-USE", "InUse"),
            ("BAD-RQST-BODY", "BadName"),
            ("BUSY", "Busy"),
            ("BAD-RQST-HDR", "BadName"),
        ] {
            client.log_in("ann");
            assert_eq!(said(&mut client), "HELLO-FROM ann\n");
            client.line(line.as_bytes());
            let expected = format!("Refused {{ name: \"ann\", why: {why} }}");
            assert_eq!(told(&mut client), [expected]);
            assert_eq!(client.name(), None);
        }
        client.log_in("anne");
        client.line(b"HELLO anne");
        assert_eq!(told(&mut client), [r#"LoggedIn("anne")"#]);
        assert_eq!(client.name(), Some("anne"));
    }

    #[test]
    fn a_gate_that_takes_the_login_for_a_password_is_known_by_its_answer() {
        let mut client = Lines::default();
        client.line(b"access denied");
        assert_eq!(client.skipped(), 1);
        client.log_in("ann");
        client.line(b"access denied");
        let refused = r#"Refused { name: "ann", why: Gated }"#;
        assert_eq!(told(&mut client), [refused]);
        let mut client = logged_in();
        client.who();
        client.line(b"access denied");
        client.line(b"WHO-OK ann");
        assert_eq!(told(&mut client), [r#"Users(["ann"])"#]);
    }

    #[test]
    fn both_dialects_are_understood_and_the_server_s_is_learned() {
        let mut client = logged_in();
        client.who();
        assert_eq!(said(&mut client), "WHO\n");
        client.line(b"BAD-RQST-HDR");
        assert_eq!(said(&mut client), "LIST\n");
        client.line(b"LIST-OK echobot,ann");
        assert_eq!(told(&mut client), [r#"Users(["echobot", "ann"])"#]);
        client.who();
        assert_eq!(said(&mut client), "LIST\n");
        client.line(b"BAD-RQST-HDR");
        assert_eq!(told(&mut client), ["NoUsers"]);
        assert_eq!(said(&mut client), "");

        let mut client = logged_in();
        client.who();
        client.line(b"WHO-OK ann");
        assert_eq!(told(&mut client), [r#"Users(["ann"])"#]);
    }

    #[test]
    fn answers_belong_to_requests_in_order_whatever_is_delivered_between() {
        let mut client = logged_in();
        client.send("ben", "1").unwrap();
        client.send("carl", "2").unwrap();
        client.who();
        client.send("ben", "3").unwrap();
        assert_eq!(
            said(&mut client),
            "SEND ben 1\nSEND carl 2\nWHO\nSEND ben 3\n"
        );
        for line in [
            "SEND-OK",
            "DELIVERY ben hi  there",
            "BAD-DEST-USER",
            "WHO-OK ann,ben",
            "BAD-RQST-BODY",
        ] {
            client.line(line.as_bytes());
        }
        assert_eq!(
            told(&mut client),
            [
                "Sent { ticket: Ticket(1), receipt: Queued }",
                r#"Message(Message { from: "ben", text: "hi  there", check: Stream })"#,
                "NotSent { ticket: Ticket(2), why: NoSuchUser }",
                r#"Users(["ann", "ben"])"#,
                "NotSent { ticket: Ticket(3), why: Refused }",
            ]
        );
        assert!(!client.waits());
    }

    #[test]
    fn an_answer_left_out_shifts_nothing() {
        let mut client = logged_in();
        client.send("ben", "1").unwrap();
        client.who();
        client.send("ben", "2").unwrap();
        client.line(b"WHO-OK ann");
        client.line(b"SEND-OK");
        assert_eq!(
            told(&mut client),
            [
                "NotSent { ticket: Ticket(1), why: Unanswered }",
                r#"Users(["ann"])"#,
                "Sent { ticket: Ticket(2), receipt: Queued }",
            ]
        );
    }

    #[test]
    fn what_no_server_says_is_counted_and_skipped() {
        let mut client = logged_in();
        for line in ["", "GOODBYE", "SEND-OK", "HELLO you", "\u{1b}[2J"] {
            client.line(line.as_bytes());
        }
        client.line_skipped();
        assert_eq!(client.skipped(), 6);
        assert!(told(&mut client).is_empty());
        assert_eq!(client.name(), Some("ann"));
    }

    #[test]
    fn what_cannot_be_sent_is_said_and_not_sent() {
        let mut client = logged_in();
        for (to, text, why) in [
            ("b n", "hi", CannotSend::NotAName),
            ("", "hi", CannotSend::NotAName),
            ("ben", " \t\n", CannotSend::Empty),
        ] {
            assert_eq!(client.send(to, text), Err(why));
        }
        let long = "x".repeat(MAX_LINE);
        assert!(matches!(
            client.send("ben", &long),
            Err(CannotSend::TooLong(_))
        ));
        assert_eq!(said(&mut client), "");
        client.send("ben", " a\nSEND carl b\u{1f} ").unwrap();
        assert_eq!(said(&mut client), "SEND ben a SEND carl b\n");
    }

    #[test]
    fn a_silent_server_is_asked_no_more_than_so_often() {
        let mut client = logged_in();
        while client.has_room() {
            client.send("ben", "hi").unwrap();
        }
        client.who();
        assert_eq!(client.send("ben", "hi"), Err(CannotSend::TooMany));
        assert_eq!(said(&mut client).lines().count(), MAX_ASKED);
        client.connection_lost();
        assert_eq!(told(&mut client).len(), MAX_ASKED);
        assert_eq!(client.send("ben", "hi"), Err(CannotSend::NotLoggedIn));
    }

    proptest! {
        #[test]
        fn every_ticket_is_answered_once_whatever_the_server_says(
            steps in prop::collection::vec((0..6u8, "[A-Z-]{0,4}|SEND-OK|WHO-OK a|UNKNOWN|DELIVERY a b|BAD-RQST-HDR|IN-USE"), 0..200)
        ) {
            let mut client = logged_in();
            let mut open = std::collections::BTreeSet::new();
            for (step, line) in steps {
                match step {
                    0 | 1 => {
                        if let Ok(ticket) = client.send("ben", "x") {
                            open.insert(ticket);
                        }
                    }
                    2 => client.who(),
                    _ => client.line(line.as_bytes()),
                }
                while let Some(event) = client.next_event() {
                    if let Event::Sent { ticket, .. } | Event::NotSent { ticket, .. } = event {
                        prop_assert!(open.remove(&ticket));
                    }
                }
            }
            client.connection_lost();
            while let Some(event) = client.next_event() {
                if let Event::NotSent { ticket, .. } = event {
                    prop_assert!(open.remove(&ticket));
                }
            }
            prop_assert!(open.is_empty());
        }
    }
}
