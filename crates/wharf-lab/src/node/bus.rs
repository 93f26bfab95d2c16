//! A bus or a hub: one medium that all stations share (CSMA/CD, IEEE 802.3 clause 4).
//!
//! ```text
//!             medium is quiet for 9.6 µs         the last bit is out
//!   waiting ───────────────────────▶ sending ──────────────────────▶ next frame
//!      ▲                                │ another signal is heard
//!      └── back off: 0..2ⁿ−1 slots ◀── jam (32 bits)          n: attempts, at most 10;
//!                                                             given up after 16
//! ```
//!
//! A signal takes time to get from one station to the other, and so two stations
//! can both find the medium quiet and begin: that is what collisions come from.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::Duration;

use crate::core::{Action, Dice, Frame, Node, Purpose, Remark, Time, Turn, transmission};

/// Bits of the gap between two frames (clause 4.4.2).
const GAP_BITS: usize = 96;
/// Bits of a jam.
const JAM_BITS: usize = 32;
/// Bits of a slot: the longest time in which a collision can still be noticed.
const SLOT_BITS: usize = 512;
/// After how many attempts a frame is given up.
const ATTEMPTS: u32 = 16;
/// After how many attempts the range of the back-off grows no more.
const BACK_OFF_LIMIT: u32 = 10;
/// The shortest frame: a shorter one would be over before a collision is noticed.
const SHORTEST: usize = 60;
/// What the medium carries besides the frame: preamble and frame check sequence.
const PREAMBLE_AND_FCS: usize = 8 + 4;
/// How many frames wait in a station's card; what comes then is dropped.
const CARD_QUEUE: usize = 256;

/// The shared medium with its stations' network cards.
#[derive(Debug)]
pub struct Bus {
    rate: u64,
    spacing: Duration,
    shape: Shape,
    stations: Vec<Station>,
    signals: BTreeMap<u64, Signal>,
    next_signal: u64,
    events: BinaryHeap<Reverse<(Time, u64, Event)>>,
    order: u64,
    dice: Dice,
    counters: BusCounters,
}

/// Where the stations are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// Along a cable, in the order of their ports.
    Line,
    /// Around a repeater, all equally far from it.
    Star,
}

/// What happened on a shared medium.
///
/// `sent = carried + collisions + being sent`, and every frame that was carried
/// is heard or garbled at each other station.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusCounters {
    /// Times that a station began to send.
    pub sent: u64,
    /// Frames that were sent to the end.
    pub carried: u64,
    /// Times that a station noticed a collision while it sent.
    pub collisions: u64,
    /// Frames that were given up after 16 attempts.
    pub given_up: u64,
    /// Frames that found a station's queue full.
    pub queue_full: u64,
    /// Receptions that were whole.
    pub heard: u64,
    /// Receptions that were garbled although the sender noticed nothing.
    pub garbled: u64,
}

#[derive(Debug)]
struct Station {
    queue: VecDeque<Frame>,
    attempts: u32,
    /// The signal that it sends.
    sending: Option<u64>,
    /// The signals that it hears now.
    hears: Vec<u64>,
    quiet_since: Time,
    /// It has asked for an attempt that is still to come.
    waiting: bool,
    /// It may not begin earlier.
    not_before: Time,
}

#[derive(Debug)]
struct Signal {
    from: usize,
    frame: Frame,
    ends: Time,
    aborted: bool,
    /// Stations at which it was garbled.
    garbled: Vec<usize>,
    /// Stations that still have to hear its end.
    listeners: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Attempt(usize),
    Begins(u64, usize),
    SentTo(u64, Time),
    Ends(u64, usize),
}

impl Bus {
    /// A cable with stations along it, `spacing` apart in time.
    pub fn line(rate: u64, spacing: Duration, seed: u64, place: u64) -> Self {
        Bus::new(rate, spacing, Shape::Line, seed, place)
    }

    /// A hub: a repeater in the middle, every station `radius` away from it in time.
    pub fn hub(rate: u64, radius: Duration, seed: u64, place: u64) -> Self {
        Bus::new(rate, radius, Shape::Star, seed, place)
    }

    fn new(rate: u64, spacing: Duration, shape: Shape, seed: u64, place: u64) -> Self {
        Bus {
            rate: rate.max(1),
            spacing,
            shape,
            stations: Vec::new(),
            signals: BTreeMap::new(),
            next_signal: 0,
            events: BinaryHeap::new(),
            order: 0,
            dice: Dice::new(seed, place, Purpose::BackOff),
            counters: BusCounters::default(),
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> BusCounters {
        self.counters
    }

    /// Bits per second.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    fn propagation(&self, from: usize, to: usize) -> Duration {
        match self.shape {
            Shape::Line => self.spacing * from.abs_diff(to) as u32,
            Shape::Star => self.spacing * 2,
        }
    }

    fn bits(&self, bits: usize) -> Duration {
        transmission(bits / 8, self.rate)
    }

    fn on_air(&self, frame: &Frame) -> Duration {
        transmission(frame.len().max(SHORTEST) + PREAMBLE_AND_FCS, self.rate)
    }

    fn at(&mut self, at: Time, event: Event) {
        self.order += 1;
        self.events.push(Reverse((at, self.order, event)));
    }

    /// Lets everything happen that is due.
    fn run(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        while let Some(&Reverse((at, _, event))) = self.events.peek() {
            if at > now {
                return turn.wake_at(at);
            }
            self.events.pop();
            match event {
                Event::Attempt(station) => self.attempt(station, turn),
                Event::Begins(signal, at) => self.begins(signal, at, turn),
                Event::SentTo(signal, end) => self.sent(signal, end, turn),
                Event::Ends(signal, at) => self.ends(signal, at, turn),
            }
        }
    }

    /// A station that has something to send looks when it can.
    fn want(&mut self, index: usize, now: Time) {
        let gap = self.bits(GAP_BITS);
        let station = &mut self.stations[index];
        let idle = station.sending.is_none() && station.hears.is_empty();
        if station.waiting || station.queue.is_empty() || !idle {
            return;
        }
        station.waiting = true;
        let at = now.max(station.quiet_since + gap).max(station.not_before);
        self.at(at, Event::Attempt(index));
    }

    fn attempt(&mut self, index: usize, turn: &mut Turn<'_>) {
        let now = turn.now();
        let gap = self.bits(GAP_BITS);
        let station = &mut self.stations[index];
        station.waiting = false;
        let quiet = station.hears.is_empty() && now >= station.quiet_since + gap;
        if station.sending.is_some() || !quiet || now < station.not_before {
            // It defers, and is woken by the end of what it hears.
            return self.want(index, now);
        }
        let Some(frame) = station.queue.front().cloned() else {
            return;
        };
        turn.note(&frame, Action::Talks);
        self.counters.sent += 1;
        self.next_signal += 1;
        let signal = self.next_signal;
        let ends = now + self.on_air(&frame);
        self.stations[index].sending = Some(signal);
        self.signals.insert(
            signal,
            Signal {
                from: index,
                frame,
                ends,
                aborted: false,
                garbled: Vec::new(),
                listeners: self.stations.len() - 1,
            },
        );
        for other in (0..self.stations.len()).filter(|&other| other != index) {
            let at = now + self.propagation(index, other);
            self.at(at, Event::Begins(signal, other));
        }
        self.at(ends, Event::SentTo(signal, ends));
    }

    /// A signal reaches a station.
    fn begins(&mut self, signal: u64, index: usize, turn: &mut Turn<'_>) {
        let heard = std::mem::take(&mut self.stations[index].hears);
        if !heard.is_empty() {
            for other in heard.iter().chain([&signal]) {
                if let Some(other) = self.signals.get_mut(other) {
                    other.garbled.push(index);
                }
            }
        }
        self.stations[index].hears = heard;
        self.stations[index].hears.push(signal);
        if let Some(own) = self.stations[index].sending {
            self.collide(own, index, turn);
            // Nobody can hear while it sends.
            if let Some(signal) = self.signals.get_mut(&signal) {
                signal.garbled.push(index);
            }
        }
    }

    /// A station hears another while it sends: it jams and stops.
    fn collide(&mut self, own: u64, index: usize, turn: &mut Turn<'_>) {
        let now = turn.now();
        let (jam, slot) = (self.bits(JAM_BITS), self.bits(SLOT_BITS));
        let Some(signal) = self.signals.get_mut(&own) else {
            return;
        };
        if signal.aborted {
            return;
        }
        signal.aborted = true;
        signal.ends = now + jam;
        let (ends, frame) = (signal.ends, signal.frame.clone());
        self.counters.collisions += 1;
        let station = &mut self.stations[index];
        station.attempts += 1;
        if station.attempts >= ATTEMPTS {
            station.queue.pop_front();
            turn.note(&frame, Action::GaveUp(station.attempts));
            station.attempts = 0;
            self.counters.given_up += 1;
        } else {
            let range = 1 << station.attempts.min(BACK_OFF_LIMIT);
            let slots = self.dice.below(range) as u32;
            station.not_before = ends + slot * slots;
            turn.note(&frame, Action::Collided(slots));
        }
        self.at(ends, Event::SentTo(own, ends));
    }

    /// The last bit of a signal has left its station.
    fn sent(&mut self, id: u64, end: Time, turn: &mut Turn<'_>) {
        let Some(signal) = self.signals.get(&id) else {
            return;
        };
        if signal.ends != end {
            // It was cut short, and this was its natural end.
            return;
        }
        let (from, aborted, frame) = (signal.from, signal.aborted, signal.frame.clone());
        let station = &mut self.stations[from];
        station.sending = None;
        station.quiet_since = station.quiet_since.max(end);
        if !aborted {
            station.queue.pop_front();
            station.attempts = 0;
            self.counters.carried += 1;
            turn.record(&frame, Remark::default());
        }
        for other in (0..self.stations.len()).filter(|&other| other != from) {
            let at = end + self.propagation(from, other);
            self.at(at, Event::Ends(id, other));
        }
        if self.stations.len() == 1 {
            self.signals.remove(&id);
        }
        self.want(from, turn.now());
    }

    /// The end of a signal has reached a station.
    fn ends(&mut self, id: u64, index: usize, turn: &mut Turn<'_>) {
        let now = turn.now();
        let station = &mut self.stations[index];
        station.hears.retain(|&heard| heard != id);
        station.quiet_since = station.quiet_since.max(now);
        if let Some(signal) = self.signals.get_mut(&id) {
            signal.listeners -= 1;
            let whole = !signal.garbled.contains(&index);
            let frame = signal.frame.clone();
            let aborted = signal.aborted;
            if signal.listeners == 0 {
                self.signals.remove(&id);
            }
            match (aborted, whole) {
                (true, _) => {}
                (false, true) => {
                    self.counters.heard += 1;
                    turn.send(index, frame);
                }
                (false, false) => {
                    self.counters.garbled += 1;
                    turn.note(&frame, Action::Garbled);
                }
            }
        }
        self.want(index, now);
    }
}

impl Node for Bus {
    fn kind(&self) -> &'static str {
        match self.shape {
            Shape::Line => "bus",
            Shape::Star => "hub",
        }
    }

    fn attach(&mut self, _: usize) {
        self.stations.push(Station {
            queue: VecDeque::new(),
            attempts: 0,
            sending: None,
            hears: Vec::new(),
            quiet_since: Time::ZERO,
            waiting: false,
            not_before: Time::ZERO,
        });
    }

    fn receive(&mut self, port: usize, frame: Frame, turn: &mut Turn<'_>) {
        let station = &mut self.stations[port];
        if station.queue.len() >= CARD_QUEUE {
            self.counters.queue_full += 1;
            turn.note(&frame, Action::Refused("the network card's queue is full"));
            return;
        }
        station.queue.push_back(frame);
        self.want(port, turn.now());
        self.run(turn);
    }

    fn wake(&mut self, turn: &mut Turn<'_>) {
        self.run(turn);
    }
}
