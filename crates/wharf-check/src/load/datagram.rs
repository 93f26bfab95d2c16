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
//! A reply to an answered slot is a duplicate, one below the highest answered
//! number is reordered, one to a number given up as lost was merely late.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::AsFd;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};

use super::link::{any_address, retry};
use super::meter::{Meter, Phase, nanoseconds};
use super::options::{LoadError, Messages, Options};
use super::report::{Cause, Datagrams, Report};
use super::script::Script;
use super::sys::{BATCH, Received, grow_buffers};

/// The length of a datagram's number in bytes.
pub(super) const NUMBER: usize = 8;

/// A flow's slots are at most this many windows: one lost datagram holds up no
/// others until then.
const SPAN: usize = 8;

/// How many lost numbers a flow remembers, to know late replies from duplicates.
const REMEMBERED: usize = 4_096;

/// Socket buffers that are asked for: the default of 208 KiB loses datagrams as
/// soon as a few hundred are in flight.
const SOCKET_BUFFER: libc::c_int = 4 << 20;

const EVENTS: usize = 1_024;

/// Runs a load over UDP.
pub(super) fn run(
    options: &Options,
    peer: SocketAddr,
    meter: Meter<'_>,
) -> Result<Report, LoadError> {
    let Messages::Size(size) = options.messages else {
        return Err(LoadError::Option("datagrams have a size, not a script"));
    };
    let poll = Poll::new().map_err(|error| LoadError::System("create an epoll instance", error))?;
    let mut common = Common {
        script: Script::new(&options.messages, options.expect),
        size,
        window: options.depth(),
        loss_timeout: nanoseconds(options.loss_timeout),
        // One byte more, so that too long a reply is noticed.
        received: Received::new(size + 1),
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
    let counts = common.counts;
    let mut report = common.meter.report();
    report.datagrams = Some(counts);
    Ok(report)
}

/// What is the same for all flows.
struct Common<'a> {
    script: Script,
    size: usize,
    window: usize,
    loss_timeout: u64,
    received: Received,
    counts: Datagrams,
    meter: Meter<'a>,
}

fn drive(mut poll: Poll, flows: &mut [Flow], common: &mut Common<'_>) -> Result<(), LoadError> {
    let mut events = Events::with_capacity(EVENTS);
    let now = common.meter.now();
    common.meter.opened(now);
    for flow in &mut *flows {
        flow.send(common);
    }
    while common.meter.phase() != Phase::Done {
        match poll.poll(&mut events, Some(common.meter.patience())) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                return Err(LoadError::System("wait for events", error));
            }
            _ => {}
        }
        for event in &events {
            let flow = &mut flows[event.token().0];
            flow.receive(common);
            flow.send(common);
        }
        let now = common.meter.now();
        if common.meter.update(now) {
            for flow in &mut *flows {
                flow.expire(now, common);
                flow.send(common);
            }
        }
    }
    Ok(())
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
    lost: VecDeque<u64>,
}

#[derive(Clone, Copy)]
struct Slot {
    sent: u64,
    answered: bool,
}

impl Flow {
    fn open(
        index: usize,
        peer: SocketAddr,
        poll: &Poll,
        common: &mut Common<'_>,
    ) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(any_address(peer))?;
        socket.set_nonblocking(true)?;
        common.counts.receive_buffer = grow_buffers(socket.as_fd(), SOCKET_BUFFER);
        socket.connect(peer)?;
        let mut socket = UdpSocket::from_std(socket);
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut socket, Token(index), interest)?;
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

    /// Fills the window.
    fn send(&mut self, common: &mut Common<'_>) {
        loop {
            let span = (common.window * SPAN).saturating_sub(self.slots.len());
            let wanted = (common.window - self.in_flight).min(span).min(BATCH);
            let granted = if wanted == 0 {
                0
            } else {
                common.meter.allow(wanted)
            };
            if granted == 0 {
                return;
            }
            if common.meter.phase() == Phase::Measuring && self.measured_from == u64::MAX {
                self.measured_from = self.next();
            }
            let outcome = self.send_batch(granted, common);
            let sent = *outcome.as_ref().unwrap_or(&0);
            common.meter.give_back(granted - sent);
            match outcome {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => return self.failed(&error, common),
            }
        }
    }

    fn send_batch(&mut self, count: usize, common: &mut Common<'_>) -> io::Result<usize> {
        let first = self.next();
        let mut numbers = [[0; NUMBER]; BATCH];
        let mut datagrams = [[IoSlice::new(&[]); 2]; BATCH];
        for (number, text) in (first..).zip(&mut numbers[..count]) {
            *text = encode(number);
        }
        let body = common.size - NUMBER;
        for ((number, text), datagram) in (first..).zip(&numbers[..count]).zip(&mut datagrams) {
            let at = position(&common.script, self.index, number);
            *datagram = [
                IoSlice::new(text),
                IoSlice::new(common.script.requests.at(at, body)),
            ];
        }
        let now = common.meter.now();
        let sent = retry(|| super::sys::send_batch(self.socket.as_fd(), &datagrams[..count]))?;
        let slot = Slot {
            sent: now,
            answered: false,
        };
        self.slots.extend(std::iter::repeat_n(slot, sent));
        self.in_flight += sent;
        if first >= self.measured_from {
            common.counts.sent += sent as u64;
        }
        common.meter.bytes((sent * common.size) as u64, 0);
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
            Err(evidence) => {
                let index = self.index;
                common
                    .meter
                    .fail(Cause::Wrong, || format!("flow {index}: {evidence}"));
                return;
            }
        };
        let counts = number >= self.measured_from;
        if number < self.base {
            return self.take_old(number, counts, &mut common.counts);
        }
        let slot = &mut self.slots[(number - self.base) as usize];
        if slot.answered {
            common.counts.duplicated += u64::from(counts);
            return;
        }
        slot.answered = true;
        common.meter.replies(now, slot.sent, 1);
        common.meter.bytes(0, common.size as u64);
        common.counts.answered += u64::from(counts);
        common.counts.reordered += u64::from(counts && number < self.highest_answered);
        self.highest_answered = self.highest_answered.max(number);
        self.in_flight -= 1;
        self.forget_answered();
    }

    /// A reply to a number that was decided before: late, or a duplicate.
    fn take_old(&mut self, number: u64, counts: bool, to: &mut Datagrams) {
        let lost = self.lost.iter().position(|&lost| lost == number);
        if let Some(place) = lost {
            self.lost.remove(place);
            to.lost -= u64::from(counts);
            to.late += u64::from(counts);
        } else {
            to.duplicated += u64::from(counts);
        }
    }

    /// The number of a reply that is right in every byte.
    fn verify(&self, reply: &[u8], common: &Common<'_>) -> Result<u64, String> {
        if reply.len() != common.size {
            let longer = if reply.len() > common.size {
                " or more"
            } else {
                ""
            };
            return Err(format!(
                "{}{longer} bytes instead of {}",
                reply.len(),
                common.size
            ));
        }
        let (number, body) = reply.split_at(NUMBER);
        let number = decode(number)
            .filter(|&number| number < self.next())
            .ok_or("a number that was never sent")?;
        let at = position(&common.script, self.index, number);
        let due = common.script.replies.at(at, body.len());
        if body == due {
            return Ok(number);
        }
        let wrong = (0..body.len()).find(|&at| body[at] != due[at]).unwrap_or(0);
        Err(format!(
            "datagram {number}, byte {} is {:#04x} and not {:#04x}",
            NUMBER + wrong,
            body[wrong],
            due[wrong]
        ))
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
                if now.saturating_sub(slot.sent) < common.loss_timeout {
                    return;
                }
                self.in_flight -= 1;
                common.meter.abandon(1);
                common.counts.lost += u64::from(self.base >= self.measured_from);
                if self.lost.len() == REMEMBERED {
                    self.lost.pop_front();
                }
                self.lost.push_back(self.base);
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
