//! One connection: what it has sent, and what it is owed.
//!
//! ```text
//!   issue ─▶ unsent bytes ─flush─▶ peer ─receive─▶ verify ─▶ a reply complete ─▶ issue
//! ```
//! It knows how many bytes it is owed, so it never reads once more just to hear
//! that there is nothing: epoll reports the next edge.

use std::collections::VecDeque;
use std::io;

use wharf::framing::{Decoder, Limits, OnTooLong};

use super::link::Link;
use super::meter::{Meter, Phase};
use super::options::Asked;
use super::report::Cause;
use super::schedule::Schedule;
use super::script::{Cursor, SLICE, Script};

/// Replies shorter than this match a wrong place too easily to call one lost.
const TELLING: usize = 4;

/// One connection.
#[derive(Debug)]
pub(super) struct Conversation {
    link: Link,
    /// Its place among the connections of the run.
    place: usize,
    state: State,
    requests: Cursor,
    replies: Cursor,
    /// Bytes of issued messages that are not written yet.
    unsent: usize,
    /// Bytes of replies that are owed.
    owed: usize,
    /// Bytes of the reply that is being read; 0 between replies.
    reply_left: usize,
    reply_number: u64,
    /// Cuts replies that are known by a rule out of the stream.
    decoder: Option<Box<Decoder>>,
    sent: VecDeque<Sent>,
    in_flight: usize,
    /// How much of that, and of the unsent bytes, is of the warm-up.
    warm_up: WarmUp,
    /// The phase in which a message was sent last.
    last_of: Phase,
    /// Messages that this connection may still send.
    share: u64,
    opened_at: u64,
    /// When the message was due for which this connection was opened.
    due_at: u64,
    /// When a reply came last, or was first waited for.
    moved_at: u64,
}

/// Messages that were sent together.
#[derive(Clone, Copy, Debug)]
struct Sent {
    /// When they were due; in a closed loop, when they were sent.
    due: u64,
    at: u64,
    /// In which phase.
    of: Phase,
    /// How many replies are owed.
    count: u64,
}

/// What was issued before measuring began.
#[derive(Clone, Copy, Debug, Default)]
struct WarmUp {
    /// Messages in flight.
    in_flight: usize,
    /// Bytes that are not written yet.
    unsent: usize,
}

/// How far a socket is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// Until it has no more for now.
    Empty,
    /// Until it tells of its end.
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Connecting,
    Open,
}

/// How a conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Course {
    /// It waits for the peer.
    Waits,
    /// It has had its share of messages.
    Finished,
    /// The peer ended it, and nothing was to be asked any more.
    Over,
}

/// Why a conversation failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) cause: Cause,
    pub(super) evidence: String,
}

impl Failure {
    pub(super) fn new(cause: Cause, evidence: String) -> Self {
        Failure { cause, evidence }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let cause = match (error.kind(), error.raw_os_error()) {
            (io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound, _) => Cause::Refused,
            (io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe, _) => Cause::Reset,
            (io::ErrorKind::TimedOut, _) => Cause::ConnectTimeout,
            // What TLS itself refuses, and an end without its farewell.
            (io::ErrorKind::InvalidData, _) => Cause::Tls,
            (io::ErrorKind::UnexpectedEof, _) => Cause::Closed,
            (io::ErrorKind::AddrNotAvailable, _) => Cause::NoSockets,
            (_, Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS)) => Cause::NoSockets,
            _ => Cause::Other,
        };
        Failure::new(cause, error.to_string())
    }
}

/// What is the same for all conversations of a run.
pub(super) struct Common<'a> {
    pub(super) script: Script,
    pub(super) depth: usize,
    /// Messages per connection; `u64::MAX` if connections stay.
    pub(super) share: u64,
    /// [`SLICE`] bytes to read into.
    pub(super) space: Box<[u8]>,
    /// What there is instead of known replies.
    pub(super) asked: Option<Asked>,
    /// What is due, in an open loop.
    pub(super) schedule: Option<Schedule>,
    pub(super) meter: Meter<'a>,
}

impl Common<'_> {
    fn decoder(&self) -> Option<Box<Decoder>> {
        let asked = self.asked.as_ref()?;
        let limits = Limits {
            max_message: asked.longest,
            on_too_long: OnTooLong::Close,
        };
        Some(Box::new(Decoder::new(&asked.framing, limits)))
    }
}

impl Conversation {
    /// A connection that is being opened, for a message that was due at `due_at`.
    pub(super) fn new(
        link: Link,
        place: usize,
        begin: (Cursor, Cursor),
        (opened_at, due_at): (u64, u64),
        common: &Common<'_>,
    ) -> Self {
        Conversation {
            link,
            place,
            state: State::Connecting,
            requests: begin.0,
            replies: begin.1,
            unsent: 0,
            owed: 0,
            reply_left: 0,
            reply_number: 0,
            decoder: common.decoder(),
            sent: VecDeque::new(),
            in_flight: 0,
            warm_up: WarmUp::default(),
            last_of: Phase::Opening,
            share: common.share,
            opened_at,
            due_at,
            moved_at: opened_at,
        }
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.state == State::Connecting
    }

    /// Whether it is open and nothing is in flight on it.
    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Open && self.in_flight == 0
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether a right reply has come.
    pub(super) fn had_replies(&self) -> bool {
        self.reply_number > 0
    }

    /// The phase in which a message was sent last.
    pub(super) fn last_of(&self) -> Phase {
        self.last_of
    }

    /// Where the next connection in this place goes on.
    pub(super) fn cursors(&self) -> (Cursor, Cursor) {
        (self.requests, self.replies)
    }

    /// Does all that can be done without waiting.
    pub(super) fn go_on(
        &mut self,
        until: Until,
        common: &mut Common<'_>,
    ) -> Result<Course, Failure> {
        if self.state == State::Connecting {
            self.begin(common)?;
        } else {
            match self.receive(until, common) {
                Err(failure) if self.is_over(failure.cause, common) => return Ok(Course::Over),
                received => received?,
            }
        }
        self.flush(&common.script, &mut common.meter)?;
        // At the end of a run, connections that come and go make way for those that
        // are still owed replies: a server of one client at a time serves them next.
        let has_all =
            self.share == 0 || (self.share != u64::MAX && common.meter.phase() == Phase::Draining);
        Ok(if has_all && self.in_flight == 0 {
            Course::Finished
        } else {
            Course::Waits
        })
    }

    /// Fills the window, once the connection is open.
    pub(super) fn begin(&mut self, common: &mut Common<'_>) -> Result<(), Failure> {
        if common.share == 1 {
            return self.begin_its_message(common);
        }
        if !self.link.is_open()? {
            return Ok(());
        }
        self.state = State::Open;
        match common.schedule {
            Some(_) => self.send_due(common),
            None if common.meter.phase() == Phase::Opening || self.in_flight > 0 => Ok(()),
            None => {
                // Only now: what it takes to open the connection is no part of a reply.
                let now = common.meter.now();
                self.issue(common.depth, now, now, common);
                self.flush(&common.script, &mut common.meter)
            }
        }
    }

    /// Sends the one message of the connection. Writing is also the test whether it is open:
    /// until then it would block, and afterwards it tells why it is not.
    fn begin_its_message(&mut self, common: &mut Common<'_>) -> Result<(), Failure> {
        if self.in_flight == 0 {
            // Where each message has its own connection, opening it is part of the latency.
            self.issue(common.depth, self.due_at, self.opened_at, common);
        }
        self.flush(&common.script, &mut common.meter)
    }

    /// Sends what is due in an open loop, as far as there is room for it.
    pub(super) fn send_due(&mut self, common: &mut Common<'_>) -> Result<(), Failure> {
        if common.share == 1 || self.state == State::Connecting {
            return Ok(());
        }
        let now = common.meter.now();
        while self.in_flight < common.depth
            && let Some(schedule) = &mut common.schedule
            && let Some(due) = schedule.take(self.place, now)
        {
            if self.issue(1, due, now, common) == 0 {
                if let Some(schedule) = &mut common.schedule {
                    schedule.put_back(self.place);
                }
                break;
            }
        }
        self.flush(&common.script, &mut common.meter)
    }

    /// Sends up to `wanted` more messages, as far as the run and the connection allow;
    /// returns how many.
    fn issue(&mut self, wanted: usize, due: u64, at: u64, common: &mut Common<'_>) -> usize {
        let wanted = wanted.min(usize::try_from(self.share).unwrap_or(usize::MAX));
        let granted = common.meter.allow(wanted);
        if granted == 0 {
            return 0;
        }
        for _ in 0..granted {
            let (request, reply) = common.script.next(&mut self.requests);
            self.unsent += request;
            self.owed += reply;
        }
        if self.in_flight == 0 {
            self.moved_at = at;
        }
        self.in_flight += granted;
        if self.share != u64::MAX {
            self.share -= granted as u64;
        }
        self.last_of = common.meter.phase();
        if self.last_of != Phase::Measuring {
            self.warm_up.in_flight += granted;
            self.warm_up.unsent = self.unsent;
        }
        self.sent.push_back(Sent {
            due,
            at,
            of: self.last_of,
            count: granted as u64,
        });
        granted
    }

    fn flush(&mut self, script: &Script, meter: &mut Meter<'_>) -> Result<(), Failure> {
        while self.unsent > 0 {
            let bytes = script.requests.at(self.requests.at, self.unsent.min(SLICE));
            match self.link.write(bytes) {
                Ok(written) => {
                    self.state = State::Open;
                    self.unsent -= written;
                    self.requests.at = script.requests.advance(self.requests.at, written);
                    let of_warm_up = written.min(self.warm_up.unsent);
                    self.warm_up.unsent -= of_warm_up;
                    meter.bytes_of(Phase::WarmUp, of_warm_up as u64, 0);
                    meter.bytes_of(Phase::Measuring, (written - of_warm_up) as u64, 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(self.link.flush()?)
    }

    fn receive(&mut self, until: Until, common: &mut Common<'_>) -> Result<(), Failure> {
        loop {
            let count = match self.link.read(&mut common.space) {
                Ok(0) => return self.ended(),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let Taken {
                completed,
                of_warm_up,
            } = match &common.asked {
                None => {
                    self.verify(&common.space[..count], &common.script)?;
                    self.take(count, &common.script)
                }
                Some(asked) => self.judge(&common.space[..count], asked)?,
            };
            let meter = &mut common.meter;
            meter.bytes_of(Phase::WarmUp, 0, of_warm_up as u64);
            meter.bytes_of(Phase::Measuring, 0, (count - of_warm_up) as u64);
            if completed > 0 {
                let now = common.meter.now();
                self.account(completed, now, common);
                match common.schedule {
                    None => drop(self.issue(completed, now, now, common)),
                    Some(_) => self.send_due(common)?,
                }
            }
            // A read that leaves room has emptied the socket; epoll(7) tells of more.
            if until == Until::Empty && count < common.space.len() {
                return Ok(());
            }
        }
    }

    /// Whether the end of the connection is no failure: the peer has done all that was asked,
    /// and when it hangs up then says nothing about it.
    fn is_over(&self, cause: Cause, common: &Common<'_>) -> bool {
        let is_end = matches!(cause, Cause::Ended | Cause::Closed | Cause::Reset);
        is_end && self.in_flight == 0 && common.meter.asks_no_more()
    }

    fn ended(&self) -> Result<(), Failure> {
        let replies = self.reply_number;
        Err(match self.in_flight {
            0 => Failure::new(Cause::Ended, format!("after {}", replied(replies))),
            owed => {
                let evidence = format!("after {}, with {owed} owed", replied(replies));
                Failure::new(Cause::Closed, evidence)
            }
        })
    }

    /// Compares what came with what had to come.
    fn verify(&self, bytes: &[u8], script: &Script) -> Result<(), Failure> {
        let due = bytes.len().min(self.owed);
        if bytes[..due] != *script.replies.at(self.replies.at, due) {
            return Err(self.explain(&bytes[..due], script));
        }
        if bytes.len() > self.owed {
            let evidence = format!(
                "{} after reply {}, and none were owed",
                in_bytes(bytes.len() - due),
                self.reply_number + self.in_flight as u64
            );
            return Err(Failure::new(Cause::Unexpected, evidence));
        }
        Ok(())
    }

    /// Looks at replies that are known by a rule.
    fn judge(&mut self, mut bytes: &[u8], asked: &Asked) -> Result<Taken, Failure> {
        let (all, mut taken) = (bytes.len(), Taken::default());
        let Some(decoder) = &mut self.decoder else {
            return Ok(taken);
        };
        while let Some(reply) = decoder.next(&mut bytes) {
            let number = self.reply_number + taken.completed as u64 + 1;
            match reply {
                Ok(reply) if taken.completed == self.in_flight => {
                    let evidence = format!("{} after reply {}", quoted(&reply), number - 1);
                    return Err(Failure::new(Cause::Unexpected, evidence));
                }
                Ok(reply) if asked.rule.is_right(&reply) => {
                    taken.complete(all - bytes.len(), &self.warm_up);
                }
                Ok(reply) => {
                    let evidence = format!("reply {number} is {}", quoted(&reply));
                    return Err(Failure::new(Cause::Wrong, evidence));
                }
                Err(error) => {
                    let evidence = format!("reply {number}: {error}");
                    return Err(Failure::new(Cause::Wrong, evidence));
                }
            }
        }
        Ok(taken.end(all, &self.warm_up))
    }

    /// Goes on by `count` right bytes.
    fn take(&mut self, count: usize, script: &Script) -> Taken {
        self.owed -= count;
        self.replies.at = script.replies.advance(self.replies.at, count);
        let (mut rest, mut taken) = (count, Taken::default());
        while rest > 0 {
            if self.reply_left == 0 {
                self.reply_left = script.next(&mut self.replies).1;
            }
            let part = rest.min(self.reply_left);
            self.reply_left -= part;
            rest -= part;
            if self.reply_left == 0 {
                taken.complete(count - rest, &self.warm_up);
            }
        }
        taken.end(count, &self.warm_up)
    }

    fn account(&mut self, completed: usize, now: u64, common: &mut Common<'_>) {
        self.in_flight -= completed;
        self.warm_up.in_flight = self.warm_up.in_flight.saturating_sub(completed);
        self.reply_number += completed as u64;
        self.moved_at = now;
        let mut rest = completed as u64;
        while let Some(sent) = self.sent.front_mut() {
            let part = rest.min(sent.count);
            common.meter.replies(now, sent.due, sent.of, part);
            if common.schedule.is_some() {
                common.meter.uncorrected(now, sent.at, sent.of, part);
            }
            sent.count -= part;
            rest -= part;
            if sent.count > 0 {
                return;
            }
            self.sent.pop_front();
            if rest == 0 {
                return;
            }
        }
    }

    /// Why `bytes` do not match: a reply was left out, or bytes of it are wrong.
    fn explain(&self, bytes: &[u8], script: &Script) -> Failure {
        let due = script.replies.at(self.replies.at, bytes.len());
        let at = (0..bytes.len())
            .find(|&at| bytes[at] != due[at])
            .unwrap_or(0);
        let (mut cursor, mut begin) = (self.replies, 0);
        let mut number = self.reply_number + 1;
        let mut end = match self.reply_left {
            0 => script.next(&mut cursor).1,
            left => left,
        };
        let mut whole = self.reply_left == 0;
        while end <= at {
            (begin, whole) = (end, true);
            end += script.next(&mut cursor).1;
            number += 1;
        }
        let later = script.replies.advance(self.replies.at, end);
        if whole && self.is_later_reply(&bytes[begin..], later, cursor, number, script) {
            return Failure::new(
                Cause::Lost,
                format!("reply {number} did not come, a later one did"),
            );
        }
        let within = if whole {
            at - begin
        } else {
            self.reply_read(script) + at
        };
        let evidence = format!(
            "reply {number}, byte {within} is {:#04x} and not {:#04x}",
            bytes[at], due[at]
        );
        Failure::new(Cause::Wrong, evidence)
    }

    /// How much of the current reply was read before.
    fn reply_read(&self, script: &Script) -> usize {
        script.reply_before(self.replies) - self.reply_left
    }

    /// Whether `bytes` begin one of the replies that are owed after reply `number`.
    fn is_later_reply(
        &self,
        bytes: &[u8],
        mut at: usize,
        mut cursor: Cursor,
        number: u64,
        script: &Script,
    ) -> bool {
        let last = self.reply_number + self.in_flight as u64;
        for _ in number..last {
            let length = script.next(&mut cursor).1;
            let compared = length.min(bytes.len()).min(SLICE);
            if compared >= TELLING && bytes[..compared] == *script.replies.at(at, compared) {
                return true;
            }
            at = script.replies.advance(at, length);
        }
        false
    }

    /// Whether the peer takes too long, to open the connection or to reply.
    pub(super) fn overdue(
        &self,
        now: u64,
        connect_timeout: u64,
        reply_timeout: u64,
    ) -> Option<Failure> {
        if self.is_connecting() && now.saturating_sub(self.opened_at) > connect_timeout {
            let evidence = "the peer did not answer".to_owned();
            return Some(Failure::new(Cause::ConnectTimeout, evidence));
        }
        if self.in_flight > 0 && now.saturating_sub(self.moved_at) > reply_timeout {
            return Some(self.no_reply());
        }
        None
    }

    /// The failure of a conversation that is owed replies at the end.
    pub(super) fn no_reply(&self) -> Failure {
        let evidence = format!(
            "after {}, with {} owed",
            replied(self.reply_number),
            self.in_flight
        );
        Failure::new(Cause::NoReply, evidence)
    }
}

/// What was read at once.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    /// How many replies are complete with it.
    completed: usize,
    /// How many of its bytes answer messages of the warm-up.
    of_warm_up: usize,
}

impl Taken {
    /// A reply ends behind `bytes`. Replies come in the order of their messages, so those of
    /// the warm-up come first.
    fn complete(&mut self, bytes: usize, warm_up: &WarmUp) {
        self.completed += 1;
        if self.completed <= warm_up.in_flight {
            self.of_warm_up = bytes;
        }
    }

    /// There is no more.
    fn end(mut self, bytes: usize, warm_up: &WarmUp) -> Self {
        if self.completed < warm_up.in_flight {
            self.of_warm_up = bytes;
        }
        self
    }
}

/// Bytes as evidence: readable, and not too many.
pub(super) fn quoted(bytes: &[u8]) -> String {
    const SHOWN: usize = 80;
    let shown = bytes[..bytes.len().min(SHOWN)].escape_ascii();
    match bytes.len().checked_sub(SHOWN) {
        None | Some(0) => format!("\"{shown}\""),
        Some(more) => format!("\"{shown}\" and {} more", in_bytes(more)),
    }
}

/// So many bytes, in words.
pub(super) fn in_bytes(count: usize) -> String {
    match count {
        1 => "1 byte".to_owned(),
        _ => format!("{count} bytes"),
    }
}

/// So many replies, in words.
fn replied(count: u64) -> String {
    match count {
        1 => "1 reply".to_owned(),
        _ => format!("{count} replies"),
    }
}
