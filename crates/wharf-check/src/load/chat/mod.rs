//! Chat: one epoll loop over all users, with every delivery accounted for.
//!
//! ```text
//!   poll ─▶ read: lines of every user that has some ─▶ ledgers of their senders
//!    ▲                                                   │ messages are done
//!    └────── write: new messages, one write per user ◀───┘
//! ```
//! Layout: `options` is what can be asked for, `dialect` the lines of a protocol,
//! `ledger` what one user has on its way, `user` one connection, `texts` what is
//! said.

mod dialect;
mod ledger;
mod options;
#[cfg(test)]
mod tests;
mod texts;
mod user;

use std::collections::VecDeque;
use std::io;

use mio::{Events, Poll, Token};

use super::conversation::Failure;
use super::link::{Link, Sources};
use super::meter::{EVENTS, Meter, Phase, nanoseconds};
use super::options::{LoadError, Options};
use super::report::{Cause, ChatCounts, Report};
use super::script::SLICE;
use dialect::Heard;
use ledger::{Came, Due, Fault, Ledger, Missing, Number};
pub use options::{Chat, ChatDialect, Stalled};
use texts::Texts;
use user::{Stage, User, rejected, shown};

/// Beyond so many users their connections come from several loopback addresses: one
/// has 28,232 ports by default (ip(7), `ip_local_port_range`).
const USERS_PER_ADDRESS: usize = 20_000;

/// After the last message was delivered, all are listened to for so long: what is
/// delivered a second time comes at once or never.
const QUIET: u64 = 50_000_000;

/// Runs the users of a chat.
pub(super) fn run(options: &Options, chat: &Chat, meter: Meter<'_>) -> Result<Report, LoadError> {
    let poll = Poll::new().map_err(|error| LoadError::System("create an epoll instance", error))?;
    let all = options.connections + chat.stalled.users;
    let mut engine = Engine {
        options,
        chat,
        poll,
        texts: Texts::new(chat.size),
        users: (0..all).map(|_| None).collect(),
        waiting: (0..all).collect(),
        sources: (all > USERS_PER_ADDRESS).then(Sources::default),
        logging_in: 0,
        settled: 0,
        present: Vec::new(),
        listed: VecDeque::new(),
        counts: ChatCounts::default(),
        whole: Vec::new(),
        meter,
    };
    engine.run()?;
    engine.settle();
    let counts = ChatCounts {
        lines: engine.meter.line_count(),
        ..engine.counts
    };
    let mut report = engine.meter.report();
    report.chat = Some(counts);
    Ok(report)
}

/// How far a socket is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Until it has no more for now.
    Empty,
    /// Until it tells of its end.
    End,
}

struct Engine<'o, 'm> {
    options: &'o Options,
    chat: &'o Chat,
    poll: Poll,
    texts: Texts,
    /// Those that never read stand behind the others.
    users: Vec<Option<Box<User>>>,
    /// Users who have not connected yet.
    waiting: VecDeque<usize>,
    sources: Option<Sources>,
    logging_in: usize,
    /// How many are logged in or have failed to.
    settled: usize,
    /// Who can be sent to.
    present: Vec<u32>,
    /// Users who may have something to send, each once.
    listed: VecDeque<u32>,
    counts: ChatCounts,
    /// Space for a line that came in pieces.
    whole: Vec<u8>,
    meter: Meter<'m>,
}

impl Engine<'_, '_> {
    fn run(&mut self) -> Result<(), LoadError> {
        let mut events = Events::with_capacity(EVENTS);
        let mut space = vec![0; SLICE];
        let mut until = None;
        loop {
            self.connect_waiting();
            self.turn(&mut events, &mut space)?;
            self.keep_time();
            if self.meter.phase() == Phase::Done {
                let now = self.meter.now();
                if now >= *until.get_or_insert(now + QUIET) || self.meter.was_cut_short() {
                    return Ok(());
                }
            }
        }
    }

    /// One wait, and everything that it brought.
    fn turn(&mut self, events: &mut Events, space: &mut [u8]) -> Result<(), LoadError> {
        let patience = if self.listed.is_empty() {
            self.meter.patience()
        } else {
            std::time::Duration::ZERO
        };
        match self.poll.poll(events, Some(patience)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(LoadError::System("wait for events", error));
            }
            _ => {}
        }
        self.meter.looked(events.iter().count());
        for event in &*events {
            let index = event.token().0;
            self.list(index);
            if event.is_readable() || event.is_error() {
                let until = match event.is_read_closed() || event.is_error() {
                    // The kernel says once that no more will come.
                    true => Until::End,
                    false => Until::Empty,
                };
                self.read(index, space, until);
            }
        }
        self.write_all();
        Ok(())
    }

    fn is_stalled(&self, index: usize) -> bool {
        index >= self.options.connections
    }

    fn connect_waiting(&mut self) {
        while self.logging_in < self.chat.logins_at_once {
            let Some(index) = self.waiting.pop_front() else {
                return;
            };
            match self.connect(index) {
                Ok(()) => {}
                // The listener's queue is full, and a Unix socket does not wait (connect(2)).
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.waiting.push_front(index);
                    return;
                }
                Err(error) => self.failed(index, error.into()),
            }
        }
    }

    fn connect(&mut self, index: usize) -> io::Result<()> {
        let target = &self.options.target;
        let source = self.sources.as_mut().and_then(|all| all.next(target));
        let link = Link::open(target, source, self.poll.registry(), Token(index))?;
        link.send_at_once();
        let name = format!("{}{index}", self.chat.prefix).into_bytes();
        let ledger = Ledger::new(self.options.depth());
        let mut user = User::new(link, name, ledger, index as u64 + 1);
        user.share = self.options.messages_per_connection.unwrap_or(u64::MAX);
        user.opened_at = self.meter.now();
        let name = std::mem::take(&mut user.name);
        self.chat.dialect.write_login(&name, user.out());
        user.name = name;
        self.users[index] = Some(Box::new(user));
        self.logging_in += 1;
        self.list(index);
        Ok(())
    }

    /// Notes that a user may have something to send.
    fn list(&mut self, index: usize) {
        if let Some(Some(user)) = self.users.get_mut(index)
            && !user.is_listed
        {
            user.is_listed = true;
            self.listed.push_back(index as u32);
        }
    }

    fn read(&mut self, index: usize, space: &mut [u8], until: Until) {
        loop {
            let Some(user) = &mut self.users[index] else {
                return;
            };
            if user.stage == Stage::In && index >= self.options.connections {
                // It has logged in, and reads no more.
                return;
            }
            match user.read(space) {
                Ok(Some(count)) => {
                    self.meter.bytes(0, count as u64);
                    if let Err(failure) = self.take(index, &space[..count]) {
                        return self.failed(index, failure);
                    }
                    // A read that leaves room has emptied the socket; epoll(7) tells of more.
                    if until == Until::Empty && count < space.len() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(failure) => return self.failed(index, failure),
            }
        }
    }

    /// Takes in what one user read.
    fn take(&mut self, index: usize, mut bytes: &[u8]) -> Result<(), Failure> {
        let now = self.meter.now();
        let mut whole = std::mem::take(&mut self.whole);
        let mut lines = 0;
        while !bytes.is_empty() {
            let Some(user) = &mut self.users[index] else {
                break;
            };
            let Some(line) = user.line(&mut bytes, &mut whole)? else {
                break;
            };
            lines += 1;
            if user.stage == Stage::LoggingIn {
                user.log_in(line, self.chat.dialect)?;
                if user.stage == Stage::In {
                    self.logged_in(index);
                }
                continue;
            }
            self.hear(index, line, now)?;
        }
        self.whole = whole;
        self.meter.lines(lines);
        Ok(())
    }

    fn logged_in(&mut self, index: usize) {
        self.logging_in -= 1;
        self.settled += 1;
        self.counts.users += 1;
        self.counts.logged_in_after = std::time::Duration::from_nanos(self.meter.now());
        if !self.is_stalled(index) {
            self.present.push(index as u32);
        }
    }

    fn hear(&mut self, index: usize, line: &[u8], now: u64) -> Result<(), Failure> {
        match self.chat.dialect.hear(line) {
            Heard::Delivery { from, text } => {
                self.delivery(index, from, text, now);
                Ok(())
            }
            Heard::Answer => self.answer(index, line, now),
            Heard::Rejected if self.rejection(index) => Ok(()),
            Heard::Ping(ping) => {
                if let Some(user) = &mut self.users[index] {
                    self.chat.dialect.write_pong(ping, user.out());
                }
                Ok(())
            }
            Heard::Noise => Ok(()),
            Heard::Rejected => Err(rejected("a message", line)),
            Heard::LoggedIn | Heard::Strange => Err(Failure {
                cause: Cause::Wrong,
                evidence: format!("the server said \"{}\"", shown(line)),
            }),
        }
    }

    fn answer(&mut self, index: usize, line: &[u8], now: u64) -> Result<(), Failure> {
        let Some(user) = &mut self.users[index] else {
            return Ok(());
        };
        let Some(came) = user.ledger.answered() else {
            return Err(Failure {
                cause: Cause::Unexpected,
                evidence: format!("\"{}\" that nothing was asked for", shown(line)),
            });
        };
        if came.receiver as usize >= self.options.connections {
            self.counts.to_stalled += 1;
        }
        self.meter.acknowledged(now, came.sent);
        self.done(index, came);
        Ok(())
    }

    /// A message to somebody who never reads may be turned down: the server has cut
    /// that user off by then. Whether this was such a message.
    fn rejection(&mut self, index: usize) -> bool {
        let users = self.options.connections;
        let Some(user) = &mut self.users[index] else {
            return false;
        };
        match user.ledger.answered() {
            Some(came) if came.receiver as usize >= users => {
                self.counts.stalled_rejected += 1;
                self.done(index, came);
                true
            }
            _ => false,
        }
    }

    fn done(&mut self, index: usize, came: Came) {
        if came.done {
            self.meter.abandon(1);
        }
        self.list(index);
    }

    /// Judges what `receiver` got.
    fn delivery(&mut self, receiver: usize, from: &[u8], text: &[u8], now: u64) {
        let prefix = self.chat.prefix.as_bytes();
        let sender = from.strip_prefix(prefix).and_then(index);
        let number = Number::decode(text);
        let (Some(sender), Some(number)) = (sender, number) else {
            return self.altered(receiver, from, text);
        };
        let user = match self.users.get_mut(sender) {
            Some(Some(user)) => user,
            // Its connection failed, and nobody knows any more what it had sent.
            Some(None) => return,
            None => return self.altered(receiver, from, text),
        };
        let came = match user.ledger.delivered(number, receiver as u32) {
            Ok(came) => came,
            Err(fault) => return self.fault(fault, receiver, from, text),
        };
        if !self.texts.is_right(sender, number, text) {
            self.altered(receiver, from, text);
        } else if came.late {
            self.counts.late += 1;
        } else if came.overtaken {
            self.counts.reordered += 1;
            let evidence = || {
                format!(
                    "user {receiver}: a message of user {sender} came after one sent to it later"
                )
            };
            self.meter.fail(Cause::Reordered, evidence);
        } else {
            let of = self.meter.phase_at(came.sent);
            self.meter.measure(now, came.sent, of, 1);
        }
        self.done(sender, came);
    }

    fn altered(&mut self, receiver: usize, from: &[u8], text: &[u8]) {
        self.counts.altered += 1;
        self.meter.fail(Cause::Wrong, || {
            format!(
                "user {receiver} got \"{}\" from \"{}\", which was not sent",
                shown(text),
                shown(from)
            )
        });
    }

    fn fault(&mut self, fault: Fault, receiver: usize, from: &[u8], text: &[u8]) {
        match fault {
            Fault::NeverSent | Fault::Misdelivered => self.altered(receiver, from, text),
            Fault::Doubled => {
                self.counts.doubled += 1;
                self.meter.fail(Cause::Doubled, || {
                    format!("user {receiver} got a message of \"{}\" again", shown(from))
                });
            }
        }
    }

    /// Gives all who may have something to send the opportunity.
    fn write_all(&mut self) {
        for _ in 0..self.listed.len() {
            let Some(index) = self.listed.pop_front() else {
                return;
            };
            let index = index as usize;
            self.compose(index);
            let Some(user) = &mut self.users[index] else {
                continue;
            };
            user.is_listed = false;
            match user.flush(self.chat.write_at_most) {
                Ok(count) => {
                    let goes_on = count > 0 && user.has_output();
                    self.meter.bytes(count as u64, 0);
                    if goes_on && self.chat.write_at_most.is_some() {
                        self.list(index);
                    }
                }
                Err(failure) => self.failed(index, failure),
            }
        }
    }

    /// Fills a user's window with new messages.
    fn compose(&mut self, index: usize) {
        let stalled = self.is_stalled(index);
        let Some(user) = &mut self.users[index] else {
            return;
        };
        if user.stage != Stage::In || stalled || self.present.len() < 2 {
            return;
        }
        let share = usize::try_from(user.share).unwrap_or(usize::MAX);
        let granted = self.meter.allow(user.ledger.room().min(share));
        if granted == 0 {
            return;
        }
        let now = self.meter.now();
        for _ in 0..granted {
            self.interject(index, now);
            if !self.compose_one(index, now) {
                self.meter.give_back(1);
            }
        }
    }

    fn compose_one(&mut self, index: usize, now: u64) -> bool {
        let Some(user) = &mut self.users[index] else {
            return false;
        };
        let others = self.present.len() - 1;
        let mut receiver = self.present[user.random_below(others)];
        if receiver as usize == index {
            receiver = self.present[others];
        }
        let due = match self.chat.dialect.answers() {
            true => Due::AnswerAndDelivery,
            false => Due::Delivery,
        };
        if !self.write_message(index, receiver, due, now) {
            return false;
        }
        if let Some(user) = &mut self.users[index]
            && user.share != u64::MAX
        {
            user.share -= 1;
        }
        true
    }

    /// Sends a message to somebody who never reads, if it is time for one. It takes a
    /// place in the window only while it is unanswered.
    fn interject(&mut self, index: usize, now: u64) {
        let stalled = self.chat.stalled;
        let Some(user) = &mut self.users[index] else {
            return;
        };
        if stalled.users == 0 || stalled.every == 0 || user.ledger.room() < 2 {
            return;
        }
        if !user.ledger.sent().is_multiple_of(stalled.every) {
            return;
        }
        let receiver = (self.options.connections + user.random_below(stalled.users)) as u32;
        let due = match self.chat.dialect.answers() {
            true => Due::Answer,
            false => Due::Nothing,
        };
        self.meter.interject(u64::from(due == Due::Answer));
        self.write_message(index, receiver, due, now);
    }

    fn write_message(&mut self, index: usize, receiver: u32, due: Due, now: u64) -> bool {
        let Some([Some(user), Some(to)]) = pair(&mut self.users, index, receiver as usize) else {
            return false;
        };
        let Some(number) = user.ledger.send(receiver, due, now) else {
            return false;
        };
        self.chat.dialect.begin_message(&to.name, user.out());
        self.texts.write(index, number, user.out());
        let end = self.chat.dialect.end();
        user.out().extend_from_slice(end);
        true
    }

    fn failed(&mut self, index: usize, failure: Failure) {
        if self.is_stalled(index) && self.settled >= self.users.len() {
            // The server has cut it off, as it should.
            self.counts.stalled_closed += 1;
            return;
        }
        self.meter.fail(failure.cause, || {
            format!("user {index}: {}", failure.evidence)
        });
        match self.users[index].take() {
            Some(user) if user.stage == Stage::In => {
                self.meter.abandon(user.ledger.in_flight());
                self.gone(index);
            }
            Some(_) => {
                self.logging_in -= 1;
                self.settled += 1;
            }
            None => self.settled += 1,
        }
    }

    /// Nobody writes to a user who is gone, and nobody waits for what was written.
    fn gone(&mut self, index: usize) {
        self.present.retain(|one| *one as usize != index);
        for other in self.users.iter_mut().flatten() {
            let done = other.ledger.forget_receiver(index as u32);
            self.meter.abandon(done);
        }
    }

    fn keep_time(&mut self) {
        let now = self.meter.now();
        let opening = self.meter.phase() == Phase::Opening;
        if opening && self.settled >= self.users.len() {
            if self.present.len() < 2 {
                self.meter.stop();
            } else {
                self.meter.opened(now);
            }
        }
        if self.meter.update(now) {
            self.sweep(now);
            if self.listed.is_empty() {
                // Everybody had the opportunity to send, and nothing is on its way.
                self.meter.nothing_left();
            }
        }
        if opening && self.meter.phase() != Phase::Opening {
            self.waiting.clear();
            (0..self.users.len()).for_each(|index| self.list(index));
        }
    }

    /// Ends logins that take too long, and gives up messages that do.
    fn sweep(&mut self, now: u64) {
        let connect = nanoseconds(self.options.connect_timeout);
        let then = now.saturating_sub(nanoseconds(self.options.reply_timeout));
        for index in 0..self.users.len() {
            let Some(user) = &mut self.users[index] else {
                continue;
            };
            if user.stage == Stage::LoggingIn {
                if now.saturating_sub(user.opened_at) > connect {
                    let cause = Cause::NoReply;
                    let evidence = "the login was not answered".to_owned();
                    self.failed(index, Failure { cause, evidence });
                }
                continue;
            }
            self.give_up(index, then);
        }
    }

    /// Counts what a user sent before `then` and what is still missing.
    fn give_up(&mut self, index: usize, then: u64) {
        let Some(user) = &mut self.users[index] else {
            return;
        };
        let (meter, counts) = (&mut self.meter, &mut self.counts);
        user.ledger.give_up(then, |receiver, missing| {
            meter.abandon(1);
            counts.lost += u64::from(missing == Missing::Delivery);
            let (cause, what) = match missing {
                Missing::Answer => (Cause::NoReply, "was not answered"),
                Missing::Delivery => (Cause::Lost, "was answered and not delivered"),
            };
            meter.fail(cause, || {
                format!("a message of user {index} to user {receiver} {what}")
            });
        });
    }

    /// Counts what is still owed after the run's last deadline.
    fn settle(&mut self) {
        if self.meter.was_cut_short() {
            return;
        }
        for index in 0..self.users.len() {
            self.give_up(index, u64::MAX);
        }
        if self.chat.stalled.users > 0 {
            self.count_closed();
        }
    }

    /// Finds out which of those who never read were cut off.
    fn count_closed(&mut self) {
        let mut space = vec![0; SLICE];
        for user in self.users[self.options.connections..].iter_mut().flatten() {
            // What was sent to it before comes first.
            let ended = loop {
                match user.read(&mut space) {
                    Ok(Some(_)) => {}
                    Ok(None) => break false,
                    Err(_) => break true,
                }
            };
            self.counts.stalled_closed += usize::from(ended);
        }
    }
}

/// Two different users at once.
fn pair(
    users: &mut [Option<Box<User>>],
    one: usize,
    other: usize,
) -> Option<[&mut Option<Box<User>>; 2]> {
    users.get_disjoint_mut([one, other]).ok()
}

/// The number behind the prefix of a name.
fn index(digits: &[u8]) -> Option<usize> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}
