//! Datagrams: flows × window, with every datagram accounted for.
//!
//! A datagram begins with its number, then come bytes of the script that depend
//! on flow and number. A flow keeps a slot for each datagram from the oldest
//! that is undecided:
//!
//! ```text
//!   number   base ··················· next
//!   slots    [ waits | answered | waits | answered ]
//!              └ answered, or lost after the timeout: base goes on
//! ```
//! A wrong reply is an error and decides its slot as well, if its number can be read. A right
//! reply to an answered slot is a duplicate, one below the highest answered
//! number is reordered, one to a number given up as lost was merely late.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Poll, Token};

use super::conversation::in_bytes;
use super::link::{datagram_socket, retry};
use super::meter::{EVENTS, Meter, Phase, nanoseconds};
use super::options::{LoadError, Messages, Options, Pacing};
use super::report::{Cause, Datagrams, Report};
use super::schedule::Schedule;
use super::script::{Script, size_of};
use super::sys::{BATCH, Received, Timer};

/// The length of a datagram's number in bytes.
pub(super) const NUMBER: usize = 8;

/// A flow's slots are at most this many windows: one lost datagram holds up no
/// others until then.
const SPAN: usize = 8;

/// How many lost numbers a flow remembers, to know late replies from duplicates.
const REMEMBERED: usize = 4_096;

/// The token of the timer of an open loop.
const TIMER: Token = Token(usize::MAX);

/// How many messages of an open loop are sent before replies are looked for again.
const DUE_AT_ONCE: usize = 1_024;

/// Runs a load over UDP.
pub(super) fn run(
    options: &Options,
    peer: SocketAddr,
    meter: Meter<'_>,
) -> Result<Report, LoadError> {
    let sizes = match &options.messages {
        Messages::Size(size) => *size..=*size,
        Messages::Sizes(sizes) => sizes.clone(),
        _ => return Err(LoadError::Option("numbered datagrams have a size")),
    };
    let poll = Poll::new().map_err(|error| LoadError::System("create an epoll instance", error))?;
    let mut common = Common {
        // Bytes of one stream, of which each datagram takes as many as it needs.
        script: Script::new(&Messages::Size(*sizes.end()), options.expect),
        // One byte more, so that too long a reply is noticed.
        received: Received::new(sizes.end() + 1),
        sizes,
        schedule: match options.pacing {
            Pacing::Closed { .. } => None,
            Pacing::Open { rate, .. } => Some(Schedule::new(rate, options.connections)),
        },
        window: options.depth(),
        loss_timeout: nanoseconds(options.loss_timeout),
        counts: Datagrams::default(),
        meter,
    };
    let mut flows = Vec::with_capacity(options.connections);
    for index in 0..options.connections {
        let flow = Flow::open(index, peer, &poll, &mut common)
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
    script: Script,
    sizes: RangeInclusive<usize>,
    /// What is due, in an open loop.
    schedule: Option<Schedule>,
    window: usize,
    loss_timeout: u64,
    received: Received,
    counts: Datagrams,
    meter: Meter<'a>,
}

impl Common<'_> {
    /// The length of a datagram.
    fn length(&self, flow: usize, number: u64) -> usize {
        size_of(&self.sizes, number.wrapping_add((flow as u64) << 32))
    }

    /// How many datagrams a flow is to send now, of at most `room`, and when each was due.
    fn due(&mut self, flow: usize, room: usize, times: &mut [u64; BATCH]) -> usize {
        let now = self.meter.now();
        let Some(schedule) = &mut self.schedule else {
            times[..room].fill(now);
            return room;
        };
        let due = std::iter::from_fn(|| schedule.take(flow, now));
        let mut count = 0;
        for (place, due) in times[..room].iter_mut().zip(due) {
            *place = due;
            count += 1;
        }
        count
    }

    /// `count` of the datagrams that were due are not sent yet after all.
    fn put_back(&mut self, flow: usize, count: usize) {
        if let Some(schedule) = &mut self.schedule {
            (0..count).for_each(|_| schedule.put_back(flow));
        }
    }
}

fn drive(mut poll: Poll, flows: &mut [Flow], common: &mut Common<'_>) -> Result<(), LoadError> {
    let mut events = Events::with_capacity(EVENTS);
    let mut timer = match &common.schedule {
        None => None,
        Some(_) => Some(
            Timer::new(poll.registry(), TIMER)
                .map_err(|error| LoadError::System("create a timer", error))?,
        ),
    };
    let now = common.meter.now();
    common.meter.opened(now);
    if let Some(schedule) = &mut common.schedule {
        schedule.begin(now);
    }
    for flow in &mut *flows {
        flow.send(common);
    }
    while common.meter.phase() != Phase::Done {
        let patience = patience(common, timer.as_mut());
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

/// How long to wait for events. In an open loop the timer ends the wait in time.
fn patience(common: &Common<'_>, timer: Option<&mut Timer>) -> Duration {
    if let (Some(schedule), Some(timer)) = (&common.schedule, timer)
        && common.meter.is_sending()
    {
        let (now, due) = (common.meter.now(), schedule.next_due());
        if due <= now {
            return Duration::ZERO;
        }
        timer.set(due, Duration::from_nanos(due - now));
    }
    common.meter.patience()
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
        if flow.in_flight == 0 {
            // Nothing but this program itself was in the way.
            common.meter.sent_late(now - due);
        }
        flow.send(common);
    }
}

/// One socket and its window.
struct Flow {
    socket: UdpSocket,
    index: usize,
    slots: VecDeque<Slot>,
    base: u64,
    in_flight: usize,
    highest_answered: u64,
    /// The first number of the measured time.
    measured_from: u64,
    lost: VecDeque<Lost>,
}

/// A datagram that was given up.
#[derive(Clone, Copy)]
struct Lost {
    number: u64,
    due: u64,
    at: u64,
}

#[derive(Clone, Copy)]
struct Slot {
    /// When it was due; in a closed loop, when it was sent.
    due: u64,
    at: u64,
    /// In which phase.
    of: Phase,
    /// Rightly or wrongly.
    answered: bool,
}

/// A reply that is wrong.
struct Wrong {
    /// Which datagram it answers, if that can be read.
    number: Option<u64>,
    evidence: String,
}

impl Flow {
    fn open(
        index: usize,
        peer: SocketAddr,
        poll: &Poll,
        common: &mut Common<'_>,
    ) -> io::Result<Self> {
        let (socket, buffer) = datagram_socket(peer, poll.registry(), Token(index))?;
        common.counts.receive_buffer = buffer;
        Ok(Flow {
            socket,
            index,
            slots: VecDeque::new(),
            base: 0,
            in_flight: 0,
            highest_answered: 0,
            measured_from: u64::MAX,
            lost: VecDeque::new(),
        })
    }

    fn next(&self) -> u64 {
        self.base + self.slots.len() as u64
    }

    /// Fills the window, in an open loop as far as something is due.
    fn send(&mut self, common: &mut Common<'_>) {
        let mut due = [0; BATCH];
        loop {
            let span = (common.window * SPAN).saturating_sub(self.slots.len());
            let room = (common.window - self.in_flight).min(span).min(BATCH);
            let wanted = common.due(self.index, room, &mut due);
            let granted = if wanted == 0 {
                0
            } else {
                common.meter.allow(wanted)
            };
            if granted == 0 {
                return common.put_back(self.index, wanted);
            }
            if common.meter.phase() == Phase::Measuring && self.measured_from == u64::MAX {
                self.measured_from = self.next();
            }
            let outcome = self.send_batch(&due[..granted], common);
            let sent = *outcome.as_ref().unwrap_or(&0);
            common.meter.give_back(granted - sent);
            common.put_back(self.index, wanted - sent);
            match outcome {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.failed(&error, common),
            }
        }
    }

    fn send_batch(&mut self, due: &[u64], common: &mut Common<'_>) -> io::Result<usize> {
        let (first, count) = (self.next(), due.len());
        let mut numbers = [[0; NUMBER]; BATCH];
        let mut datagrams = [[IoSlice::new(&[]); 2]; BATCH];
        for (number, text) in (first..).zip(&mut numbers[..count]) {
            *text = encode(number);
        }
        for ((number, text), datagram) in (first..).zip(&numbers[..count]).zip(&mut datagrams) {
            let at = position(&common.script, self.index, number);
            let body = common.length(self.index, number) - NUMBER;
            *datagram = [
                IoSlice::new(text),
                IoSlice::new(common.script.requests.at(at, body)),
            ];
        }
        let now = common.meter.now();
        let sent = retry(|| super::sys::send_batch(self.socket.as_fd(), &datagrams[..count]))?;
        let bytes: usize = datagrams[..sent]
            .iter()
            .map(|parts| parts[0].len() + parts[1].len())
            .sum();
        let of = common.meter.phase();
        self.slots.extend(due[..sent].iter().map(|&due| Slot {
            due,
            at: now,
            of,
            answered: false,
        }));
        self.in_flight += sent;
        if first >= self.measured_from {
            common.counts.sent += sent as u64;
        }
        common.meter.bytes(bytes as u64, 0);
        Ok(sent)
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

    fn failed(&self, error: &io::Error, common: &mut Common<'_>) {
        let cause = match error.kind() {
            io::ErrorKind::ConnectionRefused => Cause::Refused,
            _ => Cause::Other,
        };
        common
            .meter
            .fail(cause, || format!("flow {}: {error}", self.index));
    }

    /// Judges the reply in `place` of the received batch.
    fn take(&mut self, place: usize, now: u64, common: &mut Common<'_>) {
        let reply = common.received.datagram(place);
        let number = match self.verify(reply, common) {
            Ok(number) => number,
            Err(Wrong { number, evidence }) => {
                let index = self.index;
                common
                    .meter
                    .fail(Cause::Wrong, || format!("flow {index}: {evidence}"));
                common.meter.heard(now);
                if let Some(number) = number {
                    self.decide_wrong(number, common);
                }
                return;
            }
        };
        let counts = number >= self.measured_from;
        if number < self.base {
            return self.take_old(number, counts, now, common);
        }
        let slot = &mut self.slots[(number - self.base) as usize];
        if slot.answered {
            common.counts.duplicated += u64::from(counts);
            return;
        }
        slot.answered = true;
        let Slot { due, at, of, .. } = *slot;
        common.meter.replies(now, due, of, 1);
        if common.schedule.is_some() {
            common.meter.uncorrected(now, at, of, 1);
        }
        let length = common.length(self.index, number) as u64;
        common.meter.bytes_of(of, 0, length);
        common.counts.answered += u64::from(counts);
        common.counts.reordered += u64::from(counts && number < self.highest_answered);
        self.highest_answered = self.highest_answered.max(number);
        self.in_flight -= 1;
        self.forget_answered();
    }

    /// A wrong reply came to this number: it was not lost.
    fn decide_wrong(&mut self, number: u64, common: &mut Common<'_>) {
        let waits = number
            .checked_sub(self.base)
            .and_then(|place| self.slots.get_mut(place as usize))
            .filter(|slot| !slot.answered);
        if let Some(slot) = waits {
            slot.answered = true;
            self.in_flight -= 1;
            common.meter.abandon(1);
            self.forget_answered();
        }
    }

    /// A reply to a number that was decided before: late, or a duplicate.
    fn take_old(&mut self, number: u64, counts: bool, now: u64, common: &mut Common<'_>) {
        let lost = self.lost.iter().position(|lost| lost.number == number);
        let Some(lost) = lost.and_then(|place| self.lost.remove(place)) else {
            common.counts.duplicated += u64::from(counts);
            return;
        };
        if counts {
            common.counts.lost -= 1;
            common.counts.late += 1;
            common.meter.came_after_all(now, lost.due, lost.at);
        }
    }

    /// The number of a reply that is right in every byte.
    fn verify(&self, reply: &[u8], common: &Common<'_>) -> Result<u64, Wrong> {
        let unknown = |evidence: String| Wrong {
            number: None,
            evidence,
        };
        let Some((number, body)) = reply.split_at_checked(NUMBER) else {
            let evidence = format!("{}, too few for a number", in_bytes(reply.len()));
            return Err(unknown(evidence));
        };
        let number = decode(number)
            .filter(|&number| number < self.next())
            .ok_or_else(|| unknown("a number that was never sent".to_owned()))?;
        let wrong = |evidence: String| Wrong {
            number: Some(number),
            evidence,
        };
        let length = common.length(self.index, number);
        if reply.len() != length {
            // Longer ones are cut behind the longest that was sent.
            let more = match reply.len() > *common.sizes.end() {
                true => " or more",
                false => "",
            };
            return Err(wrong(format!(
                "datagram {number} has {}{more} bytes instead of {length}",
                reply.len()
            )));
        }
        let at = position(&common.script, self.index, number);
        let due = common.script.replies.at(at, body.len());
        if body == due {
            return Ok(number);
        }
        let at = (0..body.len()).find(|&at| body[at] != due[at]).unwrap_or(0);
        Err(wrong(format!(
            "datagram {number}, byte {} is {:#04x} and not {:#04x}",
            NUMBER + at,
            body[at],
            due[at]
        )))
    }

    fn forget_answered(&mut self) {
        while self.slots.front().is_some_and(|slot| slot.answered) {
            self.slots.pop_front();
            self.base += 1;
        }
    }

    /// Gives up what has waited too long.
    fn expire(&mut self, now: u64, common: &mut Common<'_>) {
        while let Some(slot) = self.slots.front() {
            if !slot.answered {
                if now.saturating_sub(slot.at) < common.loss_timeout {
                    return;
                }
                self.in_flight -= 1;
                common.meter.miss(slot.at);
                common.counts.lost += u64::from(self.base >= self.measured_from);
                if self.lost.len() == REMEMBERED {
                    self.lost.pop_front();
                }
                self.lost.push_back(Lost {
                    number: self.base,
                    due: slot.due,
                    at: slot.at,
                });
            }
            self.slots.pop_front();
            self.base += 1;
        }
    }
}

/// Where in the script the bytes after the number begin.
fn position(script: &Script, flow: usize, number: u64) -> usize {
    // Both factors are odd and below the period, a prime: neighbours differ.
    let by = (number % (1 << 32)) as usize * 4_099 + flow * 8_191;
    script.requests.advance(0, by)
}

/// A number as text that no upper-casing changes: five bits per byte, from space to '?'.
fn encode(number: u64) -> [u8; NUMBER] {
    std::array::from_fn(|place| b' ' + ((number >> (5 * place)) & 31) as u8)
}

fn decode(text: &[u8]) -> Option<u64> {
    let mut number = 0;
    for (place, byte) in text.iter().enumerate() {
        let bits = byte.checked_sub(b' ').filter(|bits| *bits < 32)?;
        number |= u64::from(bits) << (5 * place);
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_upper_casing() {
        for number in [0, 1, 31, 32, 0xab_cdef_0123, (1 << 40) - 1] {
            let text = encode(number).to_ascii_uppercase();
            assert_eq!(decode(&text), Some(number));
        }
        assert_eq!(decode(b"hello..."), None);
    }
}
