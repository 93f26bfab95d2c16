//! Datagrams that carry no number: any protocol, one in flight on each flow.
//!
//! Nothing in such a reply says what it answers. So a flow waits for its reply before it
//! sends again, and one that was lost is given up together with its socket: the next
//! datagram leaves from a new port, and an answer that comes late cannot be taken for
//! its answer.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Poll, Registry, Token};

use super::conversation::quoted;
use super::link::{datagram_socket, retry};
use super::meter::{EVENTS, Meter, Phase, nanoseconds};
use super::options::{LoadError, Messages, Options, Pacing, Rule};
use super::report::{Cause, Datagrams, Report};
use super::schedule::Schedule;
use super::sys::{BATCH, Received, Timer};

/// The token of the timer of an open loop.
const TIMER: Token = Token(usize::MAX);

/// How many messages of an open loop are sent before replies are looked for again.
const DUE_AT_ONCE: usize = 1_024;

/// The longest datagram (RFC 768): a reply is read whole.
const LONGEST: usize = 65_535;

/// What is sent, and how its reply is judged.
struct Question {
    request: Vec<u8>,
    answer: Answer,
}

enum Answer {
    Known(Vec<u8>),
    Ruled(Rule),
}

impl Answer {
    /// Why a reply is wrong.
    fn fault(&self, reply: &[u8]) -> Option<String> {
        match self {
            Answer::Known(due) if due == reply => None,
            Answer::Known(due) => Some(format!("{} and not {}", quoted(reply), quoted(due))),
            Answer::Ruled(rule) if rule.is_right(reply) => None,
            Answer::Ruled(_) => Some(quoted(reply)),
        }
    }
}

fn questions(messages: &Messages) -> Vec<Question> {
    match messages {
        Messages::Script(script) => script
            .iter()
            .map(|one| Question {
                request: one.request.clone(),
                answer: Answer::Known(one.reply.clone()),
            })
            .collect(),
        Messages::Asked(asked) => asked
            .requests
            .iter()
            .map(|request| Question {
                request: request.clone(),
                answer: Answer::Ruled(asked.rule.clone()),
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Runs a load of datagrams that carry no number.
pub(super) fn run(
    options: &Options,
    peer: SocketAddr,
    meter: Meter<'_>,
) -> Result<Report, LoadError> {
    let poll = Poll::new().map_err(|error| LoadError::System("create an epoll instance", error))?;
    let registry = poll
        .registry()
        .try_clone()
        .map_err(|error| LoadError::System("create an epoll instance", error))?;
    let (schedule, timer) = match options.pacing {
        Pacing::Closed { .. } => (None, None),
        Pacing::Open { rate, .. } => {
            let timer = Timer::new(&registry, TIMER)
                .map_err(|error| LoadError::System("create a timer", error))?;
            let schedule = Schedule::new(rate, options.connections);
            (Some(schedule), Some(timer))
        }
    };
    let mut common = Common {
        peer,
        registry,
        questions: questions(&options.messages),
        loss_timeout: nanoseconds(options.loss_timeout),
        received: Received::new(LONGEST),
        counts: Datagrams::default(),
        schedule,
        timer,
        meter,
    };
    let mut flows = Vec::with_capacity(options.connections);
    for index in 0..options.connections {
        let flow = Flow::open(index, &mut common)
            .map_err(|error| LoadError::System("open a UDP socket", error))?;
        flows.push(flow);
    }
    drive(poll, &mut flows, &mut common)?;
    let mut report = common.meter.report_on(common.schedule.as_ref());
    report.datagrams = Some(common.counts);
    Ok(report)
}

/// What is the same for all flows.
struct Common<'a> {
    peer: SocketAddr,
    registry: Registry,
    questions: Vec<Question>,
    loss_timeout: u64,
    received: Received,
    counts: Datagrams,
    schedule: Option<Schedule>,
    timer: Option<Timer>,
    meter: Meter<'a>,
}

impl Common<'_> {
    /// How long to wait for events. In an open loop the timer ends the wait in time.
    fn patience(&mut self) -> Duration {
        if let (Some(schedule), Some(timer)) = (&self.schedule, &mut self.timer)
            && self.meter.is_sending()
        {
            let (now, due) = (self.meter.now(), schedule.next_due());
            if due <= now {
                return Duration::ZERO;
            }
            timer.set(due, Duration::from_nanos(due - now));
        }
        self.meter.patience()
    }
}

fn drive(mut poll: Poll, flows: &mut [Flow], common: &mut Common<'_>) -> Result<(), LoadError> {
    let mut events = Events::with_capacity(EVENTS);
    let now = common.meter.now();
    common.meter.opened(now);
    if let Some(schedule) = &mut common.schedule {
        schedule.begin(now);
    }
    for flow in &mut *flows {
        flow.send(common);
    }
    while common.meter.phase() != Phase::Done {
        let patience = common.patience();
        match poll.poll(&mut events, Some(patience)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(LoadError::System("wait for events", error));
            }
            _ => {}
        }
        common.meter.looked(events.iter().count());
        for event in &events {
            // The timer has no flow.
            if let Some(flow) = flows.get_mut(event.token().0) {
                flow.receive(common);
                flow.send(common);
            }
        }
        let now = common.meter.now();
        if common.meter.update(now) {
            for flow in &mut *flows {
                flow.expire(now, common);
                flow.send(common);
            }
        }
        send_due(flows, common);
    }
    Ok(())
}

/// Sends what is due in an open loop.
fn send_due(flows: &mut [Flow], common: &mut Common<'_>) {
    if !common.meter.is_sending() {
        return;
    }
    for _ in 0..DUE_AT_ONCE {
        let now = common.meter.now();
        let Some(schedule) = &mut common.schedule else {
            return;
        };
        let due = schedule.next_due();
        let Some(index) = schedule.tell(now) else {
            return;
        };
        let flow = &mut flows[index];
        if flow.asked.is_none() {
            // Nothing but this program itself was in the way.
            common.meter.sent_late(now - due);
        }
        flow.send(common);
    }
}

/// One socket, and what it waits for.
struct Flow {
    socket: UdpSocket,
    index: usize,
    /// Which question comes next.
    next: usize,
    asked: Option<Asked>,
}

#[derive(Clone, Copy)]
struct Asked {
    question: usize,
    due: u64,
    at: u64,
    /// In which phase.
    of: Phase,
}

impl Asked {
    /// One if it was sent in the measured time, of which the counts tell.
    fn counts(&self) -> u64 {
        u64::from(self.of == Phase::Measuring)
    }
}

impl Flow {
    fn open(index: usize, common: &mut Common<'_>) -> io::Result<Flow> {
        let (socket, buffer) = datagram_socket(common.peer, &common.registry, Token(index))?;
        common.counts.receive_buffer = buffer;
        Ok(Flow {
            socket,
            index,
            next: index % common.questions.len(),
            asked: None,
        })
    }

    /// Asks the next question, if none is open.
    fn send(&mut self, common: &mut Common<'_>) {
        if self.asked.is_some() || !common.meter.is_sending() {
            return;
        }
        let now = common.meter.now();
        let due = match &mut common.schedule {
            None => now,
            Some(schedule) => match schedule.take(self.index, now) {
                None => return,
                Some(due) => due,
            },
        };
        if common.meter.allow(1) == 0 {
            return self.put_back(common);
        }
        let request = &common.questions[self.next].request;
        match retry(|| self.socket.send(request)) {
            Ok(count) => {
                let asked = Asked {
                    question: self.next,
                    due,
                    at: now,
                    of: common.meter.phase(),
                };
                common.counts.sent += asked.counts();
                common.meter.bytes(count as u64, 0);
                self.asked = Some(asked);
                self.next = (self.next + 1) % common.questions.len();
            }
            Err(error) => {
                common.meter.give_back(1);
                self.put_back(common);
                if error.kind() != io::ErrorKind::WouldBlock {
                    self.failed(&error, common);
                }
            }
        }
    }

    fn put_back(&self, common: &mut Common<'_>) {
        if let Some(schedule) = &mut common.schedule {
            schedule.put_back(self.index);
        }
    }

    fn receive(&mut self, common: &mut Common<'_>) {
        loop {
            match retry(|| common.received.receive(self.socket.as_fd())) {
                Ok(count) => {
                    let now = common.meter.now();
                    for place in 0..count {
                        self.take(place, now, common);
                    }
                    if count < BATCH {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    // An error that came by ICMP is told once and then forgotten (udp(7)).
                    self.failed(&error, common);
                    if common.meter.was_cut_short() {
                        return;
                    }
                }
            }
        }
    }

    /// Judges the reply in `place` of the received batch.
    fn take(&mut self, place: usize, now: u64, common: &mut Common<'_>) {
        let reply = common.received.datagram(place);
        let Some(asked) = self.asked.take() else {
            common.counts.duplicated += u64::from(common.meter.is_sending());
            return;
        };
        if let Some(fault) = common.questions[asked.question].answer.fault(reply) {
            let index = self.index;
            common.meter.heard(now);
            common.meter.abandon(1);
            common
                .meter
                .fail(Cause::Wrong, || format!("flow {index}: a reply is {fault}"));
            return;
        }
        let length = reply.len() as u64;
        common.counts.answered += asked.counts();
        common.meter.bytes_of(asked.of, 0, length);
        common.meter.replies(now, asked.due, asked.of, 1);
        if common.schedule.is_some() {
            common.meter.uncorrected(now, asked.at, asked.of, 1);
        }
    }

    /// Gives up what has waited too long, and its socket.
    fn expire(&mut self, now: u64, common: &mut Common<'_>) {
        let Some(asked) = self.asked else { return };
        if now.saturating_sub(asked.at) < common.loss_timeout {
            return;
        }
        self.asked = None;
        common.meter.miss(asked.at);
        common.counts.lost += asked.counts();
        match datagram_socket(common.peer, &common.registry, Token(self.index)) {
            Ok((socket, _)) => self.socket = socket,
            Err(error) => self.failed(&error, common),
        }
    }

    fn failed(&self, error: &io::Error, common: &mut Common<'_>) {
        let cause = match error.kind() {
            io::ErrorKind::ConnectionRefused => Cause::Refused,
            _ => Cause::Other,
        };
        common
            .meter
            .fail(cause, || format!("flow {}: {error}", self.index));
    }
}
