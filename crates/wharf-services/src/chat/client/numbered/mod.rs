//! A client over datagrams that get lost, changed, doubled and overtaken: without I/O,
//! and without a clock of its own.
//!
//! ```text
//!   send ──▶ outgoing (per receiver) ──▶ envelope ──▶ SEND ben hello [#…]
//!            number, window, repeat ◀── ack ◀─┐
//!                                             ├── envelope ◀── DELIVERY ben …
//!   Message ◀── incoming (per sender) ◀───────┘
//!               order, once                └──▶ SEND ben [+…]
//! ```
//! The server stays what it is: it knows nothing of numbers, loses what it likes, and
//! its own answers carry no number either. So nothing is concluded from a single
//! `SEND-OK`; the receiver's client acknowledges. What the server says is used where a
//! change cannot look right by chance: `HELLO` with the own name, and a list of users
//! that came twice the same.
//!
//! Layout: this file is what can be asked of a client; `login`, `who` and `path` are its
//! business with the server, `deliveries` that with others; `envelope` is the form of a
//! message, `outgoing` and `incoming` are one direction each with one other client.

mod deliveries;
mod envelope;
mod incoming;
mod login;
mod outgoing;
mod path;
#[cfg(test)]
mod tests;
mod who;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::super::grammar::{Dialect, Reply, Request};
use super::event::{CannotSend, Event, NotSent, Ticket};
use super::lines::sendable;
use deliveries::Known;
use envelope::{seal_ack, seal_text};
use incoming::Ack;
use login::{Login, Probe};
use outgoing::{Outcome, Outgoing};
use path::Path;
use who::{Suspicion, Wanted, Who};

pub use envelope::ENVELOPE;
pub(in crate::chat) use envelope::{Opened, peek};
pub use outgoing::GIVE_UP;

/// How many messages may be on their way to one receiver.
pub const WINDOW: u32 = 64;

/// The longest text, in bytes: with names and envelope it fits into a packet on every
/// path (RFC 8200: 1,280 bytes), so that no fragment can be lost.
pub const MAX_TEXT: usize = 1_000;

/// How many messages may wait in all, for all receivers.
pub const MAX_WAITING: usize = 4_096;

/// How many receivers there may be at once, and how many senders are remembered.
pub const MAX_PEERS: usize = 1_024;

/// How long an answer of the server is waited for before it is asked again: at first,
/// and at most.
const ASK_FIRST: Duration = Duration::from_millis(400);
const ASK_MOST: Duration = Duration::from_secs(3);

/// A client's side of a conversation in datagrams.
///
/// ```
/// use tokio::time::Instant;
/// use wharf_services::chat::client::{Event, Numbered};
///
/// let now = Instant::now();
/// let mut client = Numbered::new(1);
/// client.log_in("ann", now);
/// assert_eq!(client.next_datagram().unwrap(), b"HELLO-FROM ann\n");
/// client.receive(b"HELLO ann\n", now);
/// assert!(matches!(client.next_event(), Some(Event::LoggedIn(name)) if name == "ann"));
///
/// client.send("ben", "hello", now).unwrap();
/// let datagram = client.next_datagram().unwrap();
/// assert!(datagram.starts_with(b"SEND ben hello [#"));
/// ```
#[derive(Debug)]
pub struct Numbered {
    seed: u32,
    streams: u32,
    tickets: u64,
    login: Login,
    outgoing: BTreeMap<String, Outgoing>,
    incoming: BTreeMap<String, Known>,
    /// Senders that are to be acknowledged.
    acks: BTreeMap<String, Ack>,
    who: Option<Who>,
    /// What the server is known to speak.
    dialect: Option<Dialect>,
    /// The server said that somebody is not there, but not who.
    suspicion: Suspicion,
    output: VecDeque<Vec<u8>>,
    events: VecDeque<Event>,
    heard_at: Option<Instant>,
    numbered_at: Option<Instant>,
    probe: Option<Probe>,
    /// How many bytes wait for something before them.
    early: usize,
    /// Counts messages, to know who was heard last.
    clock: u64,
    path: Path,
    damaged: u64,
    skipped: u64,
}

impl Numbered {
    /// A client that is not logged in. The numbers of its streams begin with `seed`:
    /// two lives of one name should not have the same.
    pub fn new(seed: u32) -> Self {
        Numbered {
            seed,
            streams: 0,
            tickets: 0,
            login: Login::Out,
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            acks: BTreeMap::new(),
            who: None,
            dialect: None,
            suspicion: Suspicion::None,
            output: VecDeque::new(),
            events: VecDeque::new(),
            heard_at: None,
            numbered_at: None,
            probe: None,
            early: 0,
            clock: 0,
            path: Path::default(),
            damaged: 0,
            skipped: 0,
        }
    }

    /// Logs in, and asks again until the server answers. After the login nothing happens.
    pub fn log_in(&mut self, name: &str, now: Instant) {
        if !matches!(self.login, Login::In(_)) {
            self.login = Login::Asking {
                name: name.to_owned(),
                tries: 0,
                since: now,
                due: now,
            };
            self.timeout(now);
        }
    }

    /// Sends `text`, of which spaces at the ends are dropped and line ends become spaces.
    ///
    /// # Errors
    /// [`CannotSend`]; then nothing was sent.
    pub fn send(&mut self, to: &str, text: &str, now: Instant) -> Result<Ticket, CannotSend> {
        let text = sendable(to, text, MAX_TEXT)?.replace(['\n', '\r'], " ");
        if self.name().is_none() {
            return Err(CannotSend::NotLoggedIn);
        }
        if !self.has_room() || (self.outgoing.len() >= MAX_PEERS && !self.forget_receiver(to)) {
            return Err(CannotSend::TooMany);
        }
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let streams = &mut self.streams;
        let seed = self.seed;
        let outgoing = self.outgoing.entry(to.to_owned()).or_insert_with(|| {
            *streams += 1;
            // Any spreading does: neighbours must not have neighbouring numbers.
            let id = seed.wrapping_add(*streams).wrapping_mul(0x9e37_79b1) >> 8;
            Outgoing::new(id, now)
        });
        outgoing.push(ticket, text, now);
        self.timeout(now);
        Ok(ticket)
    }

    /// Asks who is there.
    pub fn who(&mut self, now: Instant) {
        match &mut self.who {
            Some(who) => who.wanted = Wanted::ByUser,
            None => self.ask_who(Wanted::ByUser, now),
        }
        self.timeout(now);
    }

    /// Takes a datagram of the server.
    pub fn receive(&mut self, datagram: &[u8], now: Instant) {
        // By the protocol: what has no end is no message.
        let Some(line) = datagram.strip_suffix(b"\n") else {
            self.skipped += 1;
            return;
        };
        self.heard_at = Some(now);
        self.probe = None;
        match line.strip_prefix(b"DELIVERY ") {
            Some(rest) => self.delivered(rest, now),
            None => self.answered(line, now),
        }
        self.timeout(now);
    }

    /// Does what is due.
    pub fn timeout(&mut self, now: Instant) {
        self.ask_login(now);
        if self.name().is_none() {
            return;
        }
        self.probe(now);
        self.repeat_who(now);
        self.pump(now);
    }

    /// When [`Numbered::timeout`] is to be called next.
    pub fn deadline(&self) -> Option<Instant> {
        if let Login::Asking { due, .. } = &self.login {
            return Some(*due);
        }
        self.name()?;
        let flights = self.outgoing.values().filter_map(Outgoing::deadline);
        let who = self.who.as_ref().map(|who| who.due);
        flights.chain(who).chain(self.probe_at()).min()
    }

    /// The next datagram for the server.
    pub fn next_datagram(&mut self) -> Option<Vec<u8>> {
        if let Some(next) = self.output.pop_front() {
            return Some(next);
        }
        // However many came from a sender, one acknowledgement tells of all.
        let (to, ack) = self.acks.pop_first()?;
        let Login::In(name) = &self.login else {
            self.acks.clear();
            return None;
        };
        let text = seal_ack((name, &to), ack);
        self.path.asked();
        Some(written(Request::Send {
            to: &to,
            text: &text,
        }))
    }

    /// Whether there is something for [`Numbered::next_event`].
    pub fn has_event(&self) -> bool {
        !self.events.is_empty()
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The name, while it is logged in.
    pub fn name(&self) -> Option<&str> {
        match &self.login {
            Login::In(name) => Some(name),
            _ => None,
        }
    }

    /// Whether another message may be sent.
    pub fn has_room(&self) -> bool {
        self.name().is_some() && self.unfinished() < MAX_WAITING
    }

    /// Whether an answer that was asked for is still to come, or a message to arrive.
    pub fn waits(&self) -> bool {
        let asked = self.who.as_ref();
        asked.is_some_and(|who| who.wanted == Wanted::ByUser) || self.unfinished() > 0
    }

    /// Since when the server is silent although it was asked.
    pub fn silent_since(&self) -> Option<Instant> {
        match &self.login {
            Login::Asking { since, .. } => Some(self.heard_at.unwrap_or(*since).max(*since)),
            Login::In(_) => self.probe.as_ref().map(|probe| probe.since),
            Login::Out => None,
        }
    }

    /// When the last numbered message came: its sender may ask for the acknowledgement
    /// again.
    pub fn last_numbered(&self) -> Option<Instant> {
        self.numbered_at
    }

    /// Logs in once more under the same name: the server does not answer, and may have
    /// forgotten it. What is not acknowledged is kept.
    pub fn log_in_again(&mut self, now: Instant) {
        if let Login::In(name) | Login::Asking { name, .. } = &self.login {
            let name = name.clone();
            self.login = Login::Out;
            self.probe = None;
            self.log_in(&name, now);
        }
    }

    /// The login is not worth anything any more; what is not acknowledged is kept.
    pub fn connection_lost(&mut self) {
        self.login = Login::Out;
        self.probe = None;
        self.output.clear();
        self.heard_at = None;
    }

    /// Gives everything up that is not acknowledged, and the login.
    pub fn give_up(&mut self) {
        self.login = Login::Out;
        self.who = None;
        self.acks.clear();
        self.output.clear();
        self.probe = None;
        for outgoing in self.outgoing.values_mut() {
            let ended = outgoing.fail(NotSent::Lost);
            tell(&mut self.events, ended);
        }
    }

    /// How many messages were thrown away because they were changed on the way.
    pub fn damaged(&self) -> u64 {
        self.damaged
    }

    /// How many datagrams were skipped because no server says them.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    fn unfinished(&self) -> usize {
        self.outgoing.values().map(Outgoing::len).sum()
    }

    /// Makes room for one more receiver, if there is one to whom nothing is on its way.
    fn forget_receiver(&mut self, to: &str) -> bool {
        if self.outgoing.contains_key(to) {
            return true;
        }
        let idle = self
            .outgoing
            .iter()
            .find(|(_, outgoing)| outgoing.len() == 0);
        let Some(name) = idle.map(|(name, _)| name.clone()) else {
            return false;
        };
        self.outgoing.remove(&name).is_some()
    }

    fn pump(&mut self, now: Instant) {
        let share = self.path.share();
        let Login::In(name) = &self.login else {
            return;
        };
        for (to, outgoing) in &mut self.outgoing {
            let ended = outgoing.pump(now, share, |numbers, text| {
                let text = seal_text((name, to), text, numbers);
                self.output
                    .push_back(written(Request::Send { to, text: &text }));
                self.path.asked();
            });
            tell(&mut self.events, ended);
        }
        self.measure_path();
    }

    /// Takes an answer of the server.
    fn answered(&mut self, line: &[u8], now: Instant) {
        let reply = std::str::from_utf8(line).ok().and_then(Reply::parse);
        match reply {
            Some(Reply::SendOk) => self.path.answered(),
            Some(Reply::NoSuchUser(dialect)) => {
                self.path.answered();
                self.dialect.get_or_insert(dialect);
                self.suspect(now);
            }
            Some(Reply::Users(dialect, _)) => {
                let names = reply.iter().flat_map(Reply::names);
                let names: Vec<String> = names.map(str::to_owned).collect();
                self.listed(dialect, names, now);
            }
            Some(reply) => self.login_answered(reply, now),
            None => self.skipped += 1,
        }
    }
}

/// How long an answer to the request of this number is waited for.
fn patience(tries: u32) -> Duration {
    let wait = ASK_FIRST.saturating_mul(1 << tries.saturating_sub(1).min(8));
    wait.min(ASK_MOST)
}

fn written(request: Request<'_>) -> Vec<u8> {
    let mut datagram = Vec::new();
    request.write(&mut datagram);
    datagram
}

fn tell(events: &mut VecDeque<Event>, ended: Vec<Outcome>) {
    events.extend(ended.into_iter().map(|(ticket, how)| match how {
        Ok(receipt) => Event::Sent { ticket, receipt },
        Err(why) => Event::NotSent { ticket, why },
    }));
}
