//! Bulk: bytes in one direction, as fast as they go.
//!
//! What is sent counts when the peer's kernel has acknowledged it, so buffers that fill up
//! are no throughput. Nothing is verified: a sink says nothing, and a source says what it
//! likes. Both directions at once are an echo of large messages, which is verified.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::conversation::{Failure, quoted};
use super::link::Link;
use super::meter::{EVENTS, Meter, Phase, nanoseconds};
use super::options::{Bulk, Direction, LoadError, Options};
use super::report::{Cause, Report};
use super::script::{SLICE, random};

/// How many connections are opened at the same time.
const CONNECTING_AT_MOST: usize = 512;

/// How many reads or writes of one connection follow each other before the next has its turn.
const TURN: usize = 16;

/// Runs a load in one direction.
pub(super) fn run(options: &Options, bulk: &Bulk, meter: Meter<'_>) -> Result<Report, LoadError> {
    let poll = Poll::new().map_err(|error| LoadError::System("create an epoll instance", error))?;
    let mut engine = Engine {
        options,
        bulk,
        poll,
        flows: (0..options.connections).map(|_| None).collect(),
        unopened: 0,
        settled: 0,
        open: 0,
        ready: VecDeque::new(),
        bytes: random(SLICE, 0),
        space: vec![0; SLICE],
        waiting_at_start: 0,
        meter,
    };
    engine.run()?;
    let waiting_at_end = engine.waiting();
    engine.settle();
    let waiting_at_start = engine.waiting_at_start;
    let stuck = engine.meter.stuck();
    let mut report = engine.meter.report();
    report.silent = stuck;
    report.sent_bytes = (report.sent_bytes + waiting_at_start).saturating_sub(waiting_at_end);
    Ok(report)
}

struct Engine<'o, 'm> {
    options: &'o Options,
    bulk: &'o Bulk,
    poll: Poll,
    flows: Vec<Option<Flow>>,
    /// The first connection that was not begun to be opened.
    unopened: usize,
    /// How many are open or have failed, and how many are open.
    settled: usize,
    open: usize,
    /// Flows that may have something to do, each once.
    ready: VecDeque<usize>,
    bytes: Vec<u8>,
    space: Vec<u8>,
    /// Bytes sent and not acknowledged when measuring began.
    waiting_at_start: u64,
    meter: Meter<'m>,
}

/// One connection.
struct Flow {
    link: Link,
    is_open: bool,
    is_listed: bool,
    /// How much of the request was sent.
    asked: usize,
    /// Where in the bytes it is.
    at: usize,
    opened_at: u64,
    /// When a byte moved last.
    moved_at: u64,
}

/// Whether a flow has more to do at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Waits,
    GoesOn,
}

impl Engine<'_, '_> {
    fn run(&mut self) -> Result<(), LoadError> {
        let mut events = Events::with_capacity(EVENTS);
        while self.meter.phase() != Phase::Done {
            self.open_some();
            let patience = match self.ready.is_empty() {
                true => self.meter.patience(),
                false => Duration::ZERO,
            };
            match self.poll.poll(&mut events, Some(patience)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(LoadError::System("wait for events", error));
                }
                _ => {}
            }
            self.meter.looked(events.iter().count());
            for event in &events {
                self.list(event.token().0);
            }
            for _ in 0..self.ready.len() {
                if let Some(index) = self.ready.pop_front() {
                    self.go_on(index);
                }
            }
            self.keep_time();
        }
        Ok(())
    }

    fn keep_time(&mut self) {
        let now = self.meter.now();
        let before = self.meter.phase();
        if before == Phase::Opening && self.settled >= self.flows.len() {
            match self.open {
                0 => self.meter.stop(),
                _ => self.meter.opened(now),
            }
        }
        let looks = self.meter.update(now);
        if before != Phase::Measuring && self.meter.phase() == Phase::Measuring {
            self.waiting_at_start = self.waiting();
        }
        if before == Phase::Opening && self.meter.phase() != Phase::Opening {
            (0..self.flows.len()).for_each(|index| self.list(index));
        }
        if looks {
            self.sweep(now);
        }
    }

    /// Bytes that were sent and not acknowledged.
    fn waiting(&self) -> u64 {
        let flows = self.flows.iter().flatten();
        flows.map(|flow| flow.link.unacknowledged()).sum()
    }

    fn open_some(&mut self) {
        while self.unopened < self.flows.len()
            && self.unopened - self.settled < CONNECTING_AT_MOST
            && self.meter.phase() == Phase::Opening
        {
            let index = self.unopened;
            let (target, registry) = (&self.options.target, self.poll.registry());
            match Link::open(target, None, registry, Token(index)) {
                Ok(link) => {
                    let now = self.meter.now();
                    self.flows[index] = Some(Flow {
                        link,
                        is_open: false,
                        is_listed: false,
                        asked: 0,
                        at: 0,
                        opened_at: now,
                        moved_at: now,
                    });
                    self.list(index);
                }
                // The listener's queue is full: those in it come first (connect(2)).
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => self.failed(index, error.into()),
            }
            self.unopened += 1;
        }
    }

    fn list(&mut self, index: usize) {
        if let Some(Some(flow)) = self.flows.get_mut(index)
            && !std::mem::replace(&mut flow.is_listed, true)
        {
            self.ready.push_back(index);
        }
    }

    fn go_on(&mut self, index: usize) {
        let Some(flow) = &mut self.flows[index] else {
            return;
        };
        flow.is_listed = false;
        if !flow.is_open {
            match flow.link.is_open() {
                Ok(true) => {
                    flow.is_open = true;
                    flow.moved_at = self.meter.now();
                    self.settled += 1;
                    self.open += 1;
                }
                Ok(false) => return,
                Err(error) => return self.failed(index, error.into()),
            }
        }
        let Some(flow) = &mut self.flows[index] else {
            return;
        };
        if !self.meter.is_sending() {
            return;
        }
        let outcome = match self.bulk.direction {
            Direction::Send => flow.send(&self.bytes, &mut self.space, &mut self.meter),
            Direction::Receive => {
                flow.receive(&self.bulk.request, &mut self.space, &mut self.meter)
            }
        };
        match outcome {
            Ok(Course::GoesOn) => self.list(index),
            Ok(Course::Waits) => {}
            Err(failure) => self.failed(index, failure),
        }
    }

    fn failed(&mut self, index: usize, failure: Failure) {
        let was_open = self.flows[index].as_ref().is_some_and(|flow| flow.is_open);
        self.flows[index] = None;
        match was_open {
            true => self.open -= 1,
            false => self.settled += 1,
        }
        self.meter.fail(failure.cause, || {
            format!("connection {index}: {}", failure.evidence)
        });
        if self.open == 0 && self.settled >= self.flows.len() {
            self.meter.stop();
        }
    }

    /// Ends flows whose peer takes too long.
    fn sweep(&mut self, now: u64) {
        let connect = nanoseconds(self.options.connect_timeout);
        let stall = nanoseconds(self.options.reply_timeout);
        for index in 0..self.flows.len() {
            let Some(flow) = &mut self.flows[index] else {
                continue;
            };
            let evidence = if !flow.is_open && now.saturating_sub(flow.opened_at) > connect {
                (Cause::ConnectTimeout, "the peer did not answer".to_owned())
            } else if flow.is_open
                && self.meter.is_sending()
                && now.saturating_sub(flow.moved_at) > stall
            {
                (Cause::NoReply, "no byte moved any more".to_owned())
            } else {
                continue;
            };
            let (cause, evidence) = evidence;
            self.failed(index, Failure { cause, evidence });
        }
    }

    /// Flows that never moved a byte are told of at the end.
    fn settle(&mut self) {
        if self.meter.was_cut_short() || !self.meter.is_silent() {
            return;
        }
        self.meter
            .fail(Cause::NoReply, || "no byte moved".to_owned());
    }
}

impl Flow {
    fn send(
        &mut self,
        bytes: &[u8],
        space: &mut [u8],
        meter: &mut Meter<'_>,
    ) -> Result<Course, Failure> {
        // A sink says nothing; its end, and anything else, is told.
        match self.link.read(space) {
            Ok(0) => return Err(ended("took no more")),
            Ok(count) => {
                return Err(Failure {
                    cause: Cause::Unexpected,
                    evidence: format!("it says {}", quoted(&space[..count])),
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        for _ in 0..TURN {
            match self.link.write(&bytes[self.at..]) {
                Ok(count) => {
                    self.at = (self.at + count) % bytes.len();
                    self.moved_at = meter.now();
                    meter.moved(self.moved_at);
                    meter.bytes(count as u64, 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Course::Waits);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Course::GoesOn)
    }

    fn receive(
        &mut self,
        request: &[u8],
        space: &mut [u8],
        meter: &mut Meter<'_>,
    ) -> Result<Course, Failure> {
        while self.asked < request.len() {
            match self.link.write(&request[self.asked..]) {
                Ok(count) => self.asked += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        self.link.flush()?;
        for _ in 0..TURN {
            match self.link.read(space) {
                Ok(0) => return Err(ended("sent no more")),
                Ok(count) => {
                    self.moved_at = meter.now();
                    meter.moved(self.moved_at);
                    meter.bytes(0, count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Course::Waits);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Course::GoesOn)
    }
}

fn ended(how: &str) -> Failure {
    Failure {
        cause: Cause::Closed,
        evidence: format!("the peer ended the connection and {how}"),
    }
}
