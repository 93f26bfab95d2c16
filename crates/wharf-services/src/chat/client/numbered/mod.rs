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

mod envelope;
mod incoming;
mod outgoing;
mod rtt;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::super::grammar::{Dialect, Reply, Request, is_name};
use super::event::{CannotSend, Check, Denied, Event, Message, NotSent, Ticket};
use super::lines::sendable;
use envelope::{Opened, open, seal_ack, seal_text};
use incoming::{Ack, Incoming};
use outgoing::{Outcome, Outgoing};

pub use envelope::ENVELOPE;
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

/// How many bytes may wait for something before them, of all senders together.
const MAX_EARLY: usize = 4 << 20;

/// How long an answer of the server is waited for before it is asked again: at first,
/// and at most.
const ASK_FIRST: Duration = Duration::from_millis(400);
const ASK_MOST: Duration = Duration::from_secs(3);

/// After so long without a word of the server one makes sure of the login, if there is
/// something to do, and after the second time in any case: a session ends after five
/// silent minutes.
const PROBE_BUSY: Duration = Duration::from_secs(2);
const PROBE_IDLE: Duration = Duration::from_secs(60);

/// How many lists are compared before the last one is taken as it is: where the net
/// changes each of them there is nothing better.
const MOST_LISTS: u32 = 12;

/// How many requests the share of answered ones is made of before it is believed, and
/// how many of them are sent at once.
const PATH_SAMPLES: f64 = 24.0;
const PATH_BURST: usize = 8;

/// How far back the share of answered requests looks, in requests.
const PATH_MEMORY: f64 = 64.0;

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

/// Who one is to the server.
#[derive(Debug)]
enum Login {
    Out,
    Asking {
        name: String,
        tries: u32,
        since: Instant,
        due: Instant,
    },
    In(String),
}

/// A server that is asked whether it still knows this client.
#[derive(Debug)]
struct Probe {
    since: Instant,
    tries: u32,
    due: Instant,
}

/// A sender, and when it was heard.
#[derive(Debug, Default)]
struct Known {
    incoming: Incoming,
    heard: u64,
}

/// A question for the list of users.
#[derive(Debug)]
struct Who {
    dialect: Dialect,
    wanted: Wanted,
    tries: u32,
    due: Instant,
    lists: u32,
    last: Option<Vec<String>>,
    since: Instant,
}

/// Who wants the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// Whoever uses this.
    ByUser,
    /// This alone, to see who is gone.
    Inside,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suspicion {
    None,
    Some,
}

/// How many requests the server answered, of the last ones.
#[derive(Debug, Default)]
struct Path {
    /// At how many repetitions it was measured before.
    measured_at: u32,
    asked: f64,
    answered: f64,
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

    fn ask_login(&mut self, now: Instant) {
        if let Login::Asking {
            name, tries, due, ..
        } = &mut self.login
            && *due <= now
        {
            *tries += 1;
            *due = now + patience(*tries);
            let hello = written(Request::HelloFrom(name));
            self.output.push_back(hello);
        }
    }

    /// When the server is asked whether it still knows this client.
    fn probe_at(&self) -> Option<Instant> {
        let patience = match self.waits() {
            true => PROBE_BUSY,
            false => PROBE_IDLE,
        };
        match &self.probe {
            Some(probe) => Some(probe.due),
            None => Some(self.heard_at? + patience),
        }
    }

    /// A server that was started anew, or forgot the session, logs in whoever says
    /// HELLO-FROM; one that knows it says HELLO once more, or that it is none the wiser.
    fn probe(&mut self, now: Instant) {
        if self.probe_at().is_none_or(|at| at > now) {
            return;
        }
        let Login::In(name) = &self.login else {
            return;
        };
        let hello = written(Request::HelloFrom(name));
        self.output.push_back(hello);
        let probe = self.probe.get_or_insert(Probe {
            since: now,
            tries: 0,
            due: now,
        });
        probe.tries += 1;
        probe.due = now + patience(probe.tries);
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

    /// Before a receiver counts as one that acknowledges nothing, the network must be
    /// known. The server answers a second HELLO-FROM, and nobody else hears it.
    fn measure_path(&mut self) {
        let unsure: u32 = self
            .outgoing
            .values()
            .map(Outgoing::repeated_to_stranger)
            .sum();
        if unsure <= self.path.measured_at || self.path.asked >= PATH_SAMPLES {
            return;
        }
        self.path.measured_at = unsure;
        if let Login::In(name) = &self.login {
            for _ in 0..PATH_BURST {
                self.output.push_back(written(Request::HelloFrom(name)));
                self.path.asked();
            }
        }
    }

    /// Takes the rest of a `DELIVERY`.
    fn delivered(&mut self, rest: &[u8], now: Instant) {
        let Login::In(name) = &self.login else {
            self.skipped += 1;
            return;
        };
        let end = rest
            .iter()
            .position(|byte| *byte == b' ')
            .unwrap_or(rest.len());
        let (from, line) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
        // A name that is none was changed on the way.
        let from = match std::str::from_utf8(from) {
            Ok(from) if is_name(from) => from,
            _ => {
                self.damaged += 1;
                return;
            }
        };
        match open((from, name), line) {
            Opened::Text {
                text,
                stream,
                number,
                behind,
            } => {
                self.numbered_at = Some(now);
                self.numbered((stream, number, behind), from, text);
            }
            Opened::Ack {
                stream,
                through,
                more,
            } => {
                if let Some(outgoing) = self.outgoing.get_mut(from)
                    && outgoing.stream == stream
                {
                    let ended = outgoing.acknowledged(through, more, now);
                    tell(&mut self.events, ended);
                }
            }
            Opened::Damaged => self.echoed_or_damaged(from, line, now),
            Opened::Plain => self.events.push_back(Event::Message(Message {
                from: from.to_owned(),
                text: String::from_utf8_lossy(line).into_owned(),
                check: Check::Unchecked,
            })),
        }
    }

    fn numbered(&mut self, numbers: (u32, u32, u8), from: &str, text: &str) {
        if let Some(outgoing) = self.outgoing.get_mut(from) {
            outgoing.is_heard();
        }
        if !self.incoming.contains_key(from) && self.incoming.len() >= MAX_PEERS {
            self.forget_sender();
        }
        self.clock += 1;
        let known = self.incoming.entry(from.to_owned()).or_default();
        known.heard = self.clock;
        self.early -= known.incoming.waiting().min(self.early);
        let room = MAX_EARLY - self.early;
        let (ready, ack) = known.incoming.take(numbers, text, room);
        self.early += known.incoming.waiting();
        for text in ready {
            self.events.push_back(Event::Message(Message {
                from: from.to_owned(),
                text,
                check: Check::Checked,
            }));
        }
        self.acks.insert(from.to_owned(), ack);
    }

    /// The sender that was silent for longest is forgotten.
    fn forget_sender(&mut self) {
        let longest = self.incoming.iter().min_by_key(|(_, known)| known.heard);
        if let Some(name) = longest.map(|(name, _)| name.clone())
            && let Some(known) = self.incoming.remove(&name)
        {
            self.early -= known.incoming.waiting().min(self.early);
            self.acks.remove(&name);
        }
    }

    /// A bot sends back what it got, envelope and all: that is an acknowledgement.
    fn echoed_or_damaged(&mut self, from: &str, line: &[u8], now: Instant) {
        let Login::In(name) = &self.login else {
            return;
        };
        for (to, outgoing) in &mut self.outgoing {
            if to.eq_ignore_ascii_case(from)
                && let Opened::Text {
                    text,
                    stream,
                    number,
                    ..
                } = open((name, to), line)
                && stream == outgoing.stream
            {
                let ended = outgoing.echoed(number, now);
                // Once: what is not on its way any more was there before.
                if !ended.is_empty() {
                    self.events.push_back(Event::Message(Message {
                        from: from.to_owned(),
                        text: text.to_owned(),
                        check: Check::Checked,
                    }));
                }
                return tell(&mut self.events, ended);
            }
        }
        self.damaged += 1;
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

    fn login_answered(&mut self, reply: Reply<'_>, now: Instant) {
        let (name, tries) = match &self.login {
            Login::Asking { name, tries, .. } => (name.clone(), *tries),
            Login::In(name) if reply == Reply::InUse => (name.clone(), 0),
            Login::In(name) if reply == Reply::Hello(name) => return self.path.answered(),
            Login::In(_) if reply == Reply::BadHeader => {
                self.path.answered();
                return self.unknown_verb(now);
            }
            _ => return,
        };
        let why = match reply {
            Reply::Hello(own) if own == name => return self.logged_in(name, now),
            // A server that takes a second HELLO-FROM for a mistake: the first was taken,
            // and its answer lost.
            Reply::BadHeader if tries > 1 => return self.logged_in(name, now),
            Reply::InUse => Denied::InUse,
            Reply::Busy => Denied::Busy,
            Reply::BadBody => Denied::BadName,
            _ => return,
        };
        self.login = Login::Out;
        self.events.push_back(Event::Refused { name, why });
    }

    fn logged_in(&mut self, name: String, now: Instant) {
        for outgoing in self.outgoing.values_mut() {
            outgoing.resume(now);
        }
        self.login = Login::In(name.clone());
        self.events.push_back(Event::LoggedIn(name));
    }

    fn ask_who(&mut self, wanted: Wanted, now: Instant) {
        self.who = Some(Who {
            dialect: self.dialect.unwrap_or_default(),
            wanted,
            tries: 0,
            due: now,
            lists: 0,
            last: None,
            since: now,
        });
    }

    fn repeat_who(&mut self, now: Instant) {
        if let Some(who) = &mut self.who
            && who.due <= now
        {
            who.tries += 1;
            who.due = now + patience(who.tries);
            self.output.push_back(written(Request::Users(who.dialect)));
        }
    }

    /// The server does not know `WHO`, perhaps: then it is asked in the other dialect.
    fn unknown_verb(&mut self, now: Instant) {
        if let Some(who) = &mut self.who
            && self.dialect.is_none()
        {
            who.dialect = match who.dialect {
                Dialect::Who => Dialect::List,
                Dialect::List => Dialect::Who,
            };
            who.due = now;
        }
    }

    /// A list is believed when it came twice the same.
    fn listed(&mut self, dialect: Dialect, names: Vec<String>, now: Instant) {
        let is_possible = names.iter().all(|name| is_name(name));
        let Some(who) = self.who.as_mut().filter(|_| is_possible) else {
            return;
        };
        self.dialect = Some(dialect);
        who.dialect = dialect;
        who.lists += 1;
        if who.last.as_ref() != Some(&names) && who.lists < MOST_LISTS {
            who.last = Some(names);
            who.tries = 0;
            who.due = now;
            return;
        }
        let (wanted, since) = (who.wanted, who.since);
        self.who = None;
        if std::mem::replace(&mut self.suspicion, Suspicion::None) == Suspicion::Some {
            self.fail_absent(&names, since);
        }
        if wanted == Wanted::ByUser {
            self.events.push_back(Event::Users(names));
        }
    }

    /// Somebody to whom something was sent is not there: the list tells who.
    fn suspect(&mut self, now: Instant) {
        self.suspicion = Suspicion::Some;
        match &mut self.who {
            // What was asked before may not know it yet.
            Some(who) if who.since < now => {
                who.since = now;
                who.last = None;
                who.lists = 0;
            }
            Some(_) => {}
            None => self.ask_who(Wanted::Inside, now),
        }
    }

    fn fail_absent(&mut self, names: &[String], since: Instant) {
        let there: BTreeSet<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        let exactly: BTreeSet<&String> = names.iter().collect();
        for (to, outgoing) in &mut self.outgoing {
            // Bots are there in any letter case; who else is, is told by UNKNOWN.
            let is_there = exactly.contains(to)
                || (there.contains(&to.to_ascii_lowercase())
                    && to.to_ascii_lowercase().ends_with("bot"));
            if !is_there && outgoing.is_older_than(since) {
                let ended = outgoing.fail(NotSent::NoSuchUser);
                tell(&mut self.events, ended);
            }
        }
    }
}

impl Path {
    fn asked(&mut self) {
        let kept = 1.0 - 1.0 / PATH_MEMORY;
        self.asked = self.asked * kept + 1.0;
        self.answered *= kept;
    }

    fn answered(&mut self) {
        self.answered = (self.answered + 1.0).min(self.asked);
    }

    /// The share of requests that are answered: by little experience, rather too low.
    fn share(&self) -> f64 {
        self.answered / (self.asked + 1.0)
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
