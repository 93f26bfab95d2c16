//! Streams: one epoll loop over all connections of a run.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::conversation::{Common, Conversation, Course, Failure, Until};
use super::link::{Link, Sources};
use super::meter::{EVENTS, Meter, Phase, nanoseconds};
use super::options::{LoadError, Messages, Options, Pacing};
use super::report::Report;
use super::schedule::Schedule;
use super::script::{Cursor, SLICE, Script};
use super::sys::Timer;

/// How many connections are opened at the same time: fewer than a listener's
/// usual backlog (4,096), or connects would be dropped and repeated after 1 s.
const CONNECTING_AT_MOST: usize = 512;

/// The pause before a place gets another connection if the last one failed and never gave a
/// right reply, in ns. Others are replaced at once: a pause of this program's own would look as
/// if the server had been slow.
const REOPEN_PAUSE: u64 = 100_000_000;

/// The pause before connect(2) is tried again on a full Unix listener, in ns.
const BUSY_PAUSE: u64 = 2_000_000;

/// The token of the timer of an open loop.
const TIMER: Token = Token(usize::MAX);

/// How many messages of an open loop are sent before replies are looked for again.
const DUE_AT_ONCE: usize = 1_024;

/// Runs a load over TCP, TLS or a Unix socket.
pub(super) fn run(options: &Options, meter: Meter<'_>) -> Result<Report, LoadError> {
    let poll = Poll::new().map_err(|error| LoadError::System("create an epoll instance", error))?;
    let script = Script::new(&options.messages, options.expect);
    let connections = options.connections;
    let (schedule, timer) = match options.pacing {
        Pacing::Closed { .. } => (None, None),
        Pacing::Open { rate, .. } => {
            let timer = Timer::new(poll.registry(), TIMER)
                .map_err(|error| LoadError::System("create a timer", error))?;
            (Some(Schedule::new(rate, connections)), Some(timer))
        }
    };
    let ramp = nanoseconds(options.ramp_up);
    let opens_at = |index: usize| (ramp as f64 * index as f64 / connections as f64) as u64;
    let mut engine = Engine {
        options,
        poll,
        timer,
        places: (0..connections)
            .map(|index| Place {
                begin: script.start(index),
                conversation: None,
                existed: false,
            })
            .collect(),
        waiting: (0..connections)
            .map(|index| (opens_at(index), index))
            .collect(),
        sources: Sources::default(),
        connecting: 0,
        settled: 0,
        open: 0,
        common: Common {
            script,
            depth: options.depth(),
            share: options.messages_per_connection.unwrap_or(u64::MAX),
            space: vec![0; SLICE].into_boxed_slice(),
            asked: match &options.messages {
                Messages::Asked(asked) => Some(asked.clone()),
                _ => None,
            },
            schedule,
            meter,
        },
    };
    engine.run()?;
    engine.settle();
    let Common {
        schedule, meter, ..
    } = engine.common;
    Ok(meter.report_on(schedule.as_ref()))
}

/// One of the run's connections, and where the next one in its place goes on.
struct Place {
    begin: (Cursor, Cursor),
    conversation: Option<Box<Conversation>>,
    /// Whether it had a connection before.
    existed: bool,
}

struct Engine<'o, 'm> {
    options: &'o Options,
    poll: Poll,
    timer: Option<Timer>,
    places: Vec<Place>,
    /// Places without a connection, and when they get one; earliest first.
    waiting: VecDeque<(u64, usize)>,
    sources: Sources,
    connecting: usize,
    /// During the opening phase: how many connections are open or have failed.
    settled: usize,
    open: usize,
    common: Common<'m>,
}

impl Engine<'_, '_> {
    fn run(&mut self) -> Result<(), LoadError> {
        let mut events = Events::with_capacity(EVENTS);
        if self.options.messages_per_connection.is_some() || !self.options.ramp_up.is_zero() {
            // Connections that come and go, or come one by one, need not all be open first.
            self.start();
        }
        while self.common.meter.phase() != Phase::Done {
            self.open_waiting();
            let patience = self.patience();
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(LoadError::System("wait for events", error));
                }
                _ => {}
            }
            self.common.meter.looked(events.iter().count());
            for event in &events {
                if event.token() == TIMER {
                    continue;
                }
                // The kernel says once that no more will come.
                let until = match event.is_read_closed() || event.is_error() {
                    true => Until::End,
                    false => Until::Empty,
                };
                self.go_on(event.token().0, until);
            }
            self.keep_time();
            self.send_due();
        }
        Ok(())
    }

    /// How long to wait for events. In an open loop the timer ends the wait in time.
    fn patience(&mut self) -> Duration {
        let meter = &self.common.meter;
        if let (Some(schedule), Some(timer)) = (&self.common.schedule, &mut self.timer)
            && meter.is_sending()
        {
            let (now, due) = (meter.now(), schedule.next_due());
            if due <= now {
                return Duration::ZERO;
            }
            timer.set(due, Duration::from_nanos(due - now));
        }
        meter.patience()
    }

    /// Sends what is due in an open loop.
    fn send_due(&mut self) {
        if !self.common.meter.is_sending() {
            return;
        }
        for _ in 0..DUE_AT_ONCE {
            let now = self.common.meter.now();
            let Some(schedule) = &mut self.common.schedule else {
                return;
            };
            let due = schedule.next_due();
            let Some(index) = schedule.tell(now) else {
                return;
            };
            match &mut self.places[index].conversation {
                Some(conversation) => {
                    if conversation.is_idle() {
                        // Nothing but this program itself was in the way.
                        self.common.meter.sent_late(now - due);
                    }
                    if let Err(failure) = conversation.send_due(&mut self.common) {
                        self.failed(index, failure);
                    }
                }
                None if self.common.share == 1 => self.open(index, now),
                // It is sent when there is a connection again.
                None => {}
            }
        }
    }

    fn keep_time(&mut self) {
        let now = self.common.meter.now();
        let opening = self.common.meter.phase() == Phase::Opening;
        if opening && self.settled >= self.places.len() {
            if self.open == 0 {
                self.common.meter.stop();
            } else {
                self.start();
            }
        }
        if self.common.meter.update(now) {
            self.sweep(now);
        }
        if opening && self.common.meter.phase() != Phase::Opening {
            self.begin_schedule();
            self.begin_all();
        }
    }

    fn start(&mut self) {
        let now = self.common.meter.now();
        self.common.meter.opened(now);
        self.begin_schedule();
    }

    fn begin_schedule(&mut self) {
        let now = self.common.meter.now();
        if let Some(schedule) = &mut self.common.schedule {
            schedule.begin(now);
        }
    }

    /// Sends the first messages on connections that were opened before the traffic.
    fn begin_all(&mut self) {
        for index in 0..self.places.len() {
            let Some(conversation) = &mut self.places[index].conversation else {
                continue;
            };
            if let Err(failure) = conversation.begin(&mut self.common) {
                self.failed(index, failure);
            }
        }
    }

    fn open_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        if matches!(self.common.meter.phase(), Phase::Draining | Phase::Done) {
            return self.waiting.clear();
        }
        let now = self.common.meter.now();
        // Those that connect at once and fail come back later than `now`.
        while let Some(&(at, index)) = self.waiting.front() {
            if at > now || self.connecting >= CONNECTING_AT_MOST {
                return;
            }
            self.waiting.pop_front();
            self.open(index, now);
        }
    }

    fn open(&mut self, index: usize, now: u64) {
        // What was due has opened one already, before this place had its turn.
        if self.places[index].conversation.is_some() {
            return;
        }
        let Some(due) = self.due(index, now) else {
            return;
        };
        let target = &self.options.target;
        let source = match self.options.messages_per_connection {
            Some(_) => self.sources.next(target),
            None => None,
        };
        match Link::open(target, source, self.poll.registry(), Token(index)) {
            Ok(link) => {
                // The one message of a connection goes out whole; TLS has said something before.
                if self.common.share > 1 || matches!(link, Link::Tls(_)) {
                    link.send_at_once();
                }
                let place = &mut self.places[index];
                let times = (now, due);
                let conversation = Conversation::new(link, index, place.begin, times, &self.common);
                place.conversation = Some(Box::new(conversation));
                self.connecting += 1;
                // On a loopback the connection is usually open by now.
                self.go_on(index, Until::Empty);
            }
            // The listener's queue is full, and a Unix socket does not wait for it (connect(2)).
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.put_back(index);
                self.waiting.push_back((now + BUSY_PAUSE, index));
            }
            Err(error) => self.failed(index, error.into()),
        }
    }

    /// When the message was due for which a connection is to be opened; `None` if there is
    /// none to be opened now.
    fn due(&mut self, index: usize, now: u64) -> Option<u64> {
        match &mut self.common.schedule {
            Some(schedule) if self.common.share == 1 => schedule.take(index, now),
            Some(schedule) => {
                if !std::mem::replace(&mut self.places[index].existed, true) {
                    schedule.skip(index, now);
                }
                Some(now)
            }
            None => Some(now),
        }
    }

    /// The message that was due is not sent yet after all.
    fn put_back(&mut self, index: usize) {
        if let Some(schedule) = &mut self.common.schedule
            && self.common.share == 1
        {
            schedule.put_back(index);
        }
    }

    fn go_on(&mut self, index: usize, until: Until) {
        let Some(conversation) = &mut self.places[index].conversation else {
            return;
        };
        let connecting = conversation.is_connecting();
        let outcome = conversation.go_on(until, &mut self.common);
        if connecting && !conversation.is_connecting() {
            self.connecting -= 1;
            self.opened();
        }
        match outcome {
            Ok(Course::Waits) => {}
            Ok(Course::Finished) => self.finished(index),
            Ok(Course::Over) => self.close(index),
            Err(failure) => self.failed(index, failure),
        }
    }

    fn opened(&mut self) {
        if self.common.meter.phase() == Phase::Opening {
            self.settled += 1;
            self.open += 1;
        }
    }

    /// A connection has had its share: it is closed, and another one takes its place.
    fn finished(&mut self, index: usize) {
        if let Some(conversation) = &self.places[index].conversation {
            self.common.meter.connection_ended(conversation.last_of());
        }
        self.close(index);
        self.waiting.push_front((0, index));
    }

    fn failed(&mut self, index: usize, failure: Failure) {
        if self.common.meter.phase() == Phase::Opening {
            self.settled += 1;
        }
        self.common.meter.fail(failure.cause, || {
            format!("connection {index}: {}", failure.evidence)
        });
        let had_replies = self.places[index]
            .conversation
            .as_ref()
            .is_some_and(|conversation| conversation.had_replies());
        self.close(index);
        let now = self.common.meter.now();
        match had_replies {
            // Not before the next look at the clock, or one pass might never end.
            true => self.waiting.push_front((now + 1, index)),
            false => self.waiting.push_back((now + REOPEN_PAUSE, index)),
        }
    }

    fn close(&mut self, index: usize) {
        let place = &mut self.places[index];
        if let Some(conversation) = place.conversation.take() {
            self.common.meter.abandon(conversation.in_flight());
            if conversation.is_connecting() {
                self.connecting -= 1;
            }
            if conversation.in_flight() == 0 {
                place.begin = conversation.cursors();
            }
        }
    }

    /// Ends conversations whose peer takes too long.
    fn sweep(&mut self, now: u64) {
        let connect = nanoseconds(self.options.connect_timeout);
        let reply = nanoseconds(self.options.reply_timeout);
        for index in 0..self.places.len() {
            let overdue = match &self.places[index].conversation {
                Some(conversation) => conversation.overdue(now, connect, reply),
                None => None,
            };
            if let Some(failure) = overdue {
                self.failed(index, failure);
            }
        }
    }

    /// Counts what is still owed after the run's last deadline.
    fn settle(&mut self) {
        for (index, place) in self.places.iter().enumerate() {
            match &place.conversation {
                Some(owed) if owed.in_flight() > 0 && !self.common.meter.was_cut_short() => {
                    let failure = owed.no_reply();
                    self.common.meter.fail(failure.cause, || {
                        format!("connection {index}: {}", failure.evidence)
                    });
                }
                _ => {}
            }
        }
    }
}
