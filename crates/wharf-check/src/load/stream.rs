//! Streams: one epoll loop over all connections of a run.

use std::collections::VecDeque;
use std::io;

use mio::{Events, Poll, Token};

use super::conversation::{Common, Conversation, Course, Failure};
use super::link::{Link, Sources};
use super::meter::{Meter, Phase, nanoseconds};
use super::options::{LoadError, Options};
use super::report::Report;
use super::script::{Cursor, SLICE, Script};

/// How many connections are opened at the same time: fewer than a listener's
/// usual backlog (4,096), or connects would be dropped and repeated after 1 s.
const CONNECTING_AT_MOST: usize = 512;

/// The pause before a place whose connection failed gets another one, in ns.
const REOPEN_PAUSE: u64 = 100_000_000;

/// The pause before connect(2) is tried again on a full Unix listener, in ns.
const BUSY_PAUSE: u64 = 2_000_000;

/// How many events one wait can report.
const EVENTS: usize = 1_024;

/// Runs a load over TCP or a Unix socket.
pub(super) fn run(options: &Options, meter: Meter<'_>) -> Result<Report, LoadError> {
    let poll = Poll::new().map_err(|error| LoadError::System("create an epoll instance", error))?;
    let script = Script::new(&options.messages, options.expect);
    let mut engine = Engine {
        options,
        poll,
        places: (0..options.connections)
            .map(|index| Place {
                begin: script.start(index),
                conversation: None,
            })
            .collect(),
        waiting: (0..options.connections).map(|index| (0, index)).collect(),
        sources: Sources::default(),
        connecting: 0,
        settled: 0,
        open: 0,
        common: Common {
            script,
            depth: options.depth(),
            share: options.messages_per_connection.unwrap_or(u64::MAX),
            space: vec![0; SLICE].into_boxed_slice(),
            meter,
        },
    };
    engine.run()?;
    engine.settle();
    Ok(engine.common.meter.report())
}

/// One of the run's connections, and where the next one in its place goes on.
struct Place {
    begin: (Cursor, Cursor),
    conversation: Option<Box<Conversation>>,
}

struct Engine<'o, 'm> {
    options: &'o Options,
    poll: Poll,
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
        if self.options.messages_per_connection.is_some() {
            // Connections that come and go need not all be open first.
            self.start();
        }
        while self.common.meter.phase() != Phase::Done {
            self.open_waiting();
            let patience = self.common.meter.patience();
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(LoadError::System("wait for events", error));
                }
                _ => {}
            }
            for event in &events {
                self.go_on(event.token().0);
            }
            self.keep_time();
        }
        Ok(())
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
            self.begin_all();
        }
    }

    fn start(&mut self) {
        let now = self.common.meter.now();
        self.common.meter.opened(now);
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
        let target = &self.options.target;
        let source = match self.options.messages_per_connection {
            Some(_) => self.sources.next(target),
            None => None,
        };
        match Link::open(target, source, self.poll.registry(), Token(index)) {
            Ok(link) => {
                if self.common.share > 1 {
                    link.send_at_once();
                }
                let place = &mut self.places[index];
                let conversation = Conversation::new(link, place.begin, self.common.share, now);
                place.conversation = Some(Box::new(conversation));
                self.connecting += 1;
                // On a loopback the connection is usually open by now.
                self.go_on(index);
            }
            // The listener's queue is full, and a Unix socket does not wait for it (connect(2)).
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.waiting.push_back((now + BUSY_PAUSE, index));
            }
            Err(error) => self.failed(index, error.into()),
        }
    }

    fn go_on(&mut self, index: usize) {
        let Some(conversation) = &mut self.places[index].conversation else {
            return;
        };
        let connecting = conversation.is_connecting();
        let outcome = conversation.go_on(&mut self.common);
        if connecting && !conversation.is_connecting() {
            self.connecting -= 1;
            self.opened();
        }
        match outcome {
            Ok(Course::Waits) => {}
            Ok(Course::Finished) => self.finished(index),
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
        self.common.meter.connection_ended();
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
        self.close(index);
        let now = self.common.meter.now();
        self.waiting.push_back((now + REOPEN_PAUSE, index));
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
