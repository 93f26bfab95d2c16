//! The spanning tree protocol (IEEE 802.1D-1998, clause 8), as a state machine.
//!
//! ```text
//!                     chosen as root or designated port
//!   Blocking ─────────────────────▶ Listening ──15 s──▶ Learning ──15 s──▶ Forwarding
//!      ▲                                │                  │                   │
//!      └──────── somebody better is responsible for this segment ──────────────┘
//! ```
//!
//! The bridge with the lowest identifier is the root. Every other bridge has one
//! *root port*, the one with the cheapest way to it; every segment has one
//! *designated* bridge. All other ports are blocked, so there is exactly one way
//! between any two hosts. When a link fails, what was heard over it ages out and
//! a blocked port takes over, half a minute later: that is how long 802.1D waits
//! to be sure that no frame circles.

use std::time::Duration;

use crate::core::{Mac, Time, nanos};

/// How often the root says that it is there (802.1D table 8-3).
pub(super) const HELLO: Duration = Duration::from_secs(2);
/// How long what was heard of the root is good for.
pub(super) const MAX_AGE: Duration = Duration::from_secs(20);
/// How long a port listens, and then learns, before it forwards.
pub(super) const FORWARD_DELAY: Duration = Duration::from_secs(15);
/// What one bridge adds to the age of what it passes on.
const MESSAGE_AGE_STEP: Duration = Duration::from_secs(1);
/// What a link costs: the recommended value for 100 Mbit/s. All links of a lab
/// cost the same, so the shortest way wins.
const PORT_COST: u32 = 19;
/// The recommended priority of a bridge and of a port.
const BRIDGE_PRIORITY: u64 = 0x8000;
const PORT_PRIORITY: u16 = 0x80;

/// The identifier of a bridge: its priority and its address. The lowest becomes root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BridgeId(pub u64);

impl BridgeId {
    /// The identifier of the bridge with this address.
    pub fn of(mac: Mac) -> Self {
        let mut bytes = [0; 8];
        bytes[2..].copy_from_slice(&mac.0);
        BridgeId(BRIDGE_PRIORITY << 48 | u64::from_be_bytes(bytes))
    }
}

/// What a port does with frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortState {
    /// Its link is cut.
    Disabled,
    /// It drops everything, so that there is no loop.
    Blocking,
    /// It waits for better offers.
    Listening,
    /// It learns addresses, and still forwards nothing.
    Learning,
    /// It forwards.
    Forwarding,
}

impl PortState {
    /// The state in one word.
    pub fn name(self) -> &'static str {
        match self {
            PortState::Disabled => "disabled",
            PortState::Blocking => "blocking",
            PortState::Listening => "listening",
            PortState::Learning => "learning",
            PortState::Forwarding => "forwarding",
        }
    }
}

/// What bridges compare: the lower is the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Vector {
    pub(super) root: BridgeId,
    pub(super) cost: u32,
    pub(super) bridge: BridgeId,
    pub(super) port: u16,
}

/// A message between bridges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    Configuration {
        vector: Vector,
        age: Duration,
        change: bool,
        acknowledges: bool,
    },
    TopologyChange,
}

#[derive(Debug)]
struct Port {
    state: PortState,
    /// The best that was heard, and when it is too old.
    heard: Option<(Vector, Time)>,
    /// When the state goes on.
    proceeds: Time,
    /// The next configuration message confirms a topology change.
    acknowledge: bool,
}

/// What a bridge has to do after it was called.
#[derive(Debug, Default)]
pub(super) struct Duty {
    pub(super) send: Vec<(usize, Message)>,
    pub(super) changed: Vec<(usize, PortState)>,
    /// Addresses may have moved: forget what was learned.
    pub(super) forget: bool,
}

/// One bridge's part of the protocol.
#[derive(Debug)]
pub(super) struct SpanningTree {
    id: BridgeId,
    ports: Vec<Port>,
    root: BridgeId,
    cost: u32,
    root_port: Option<usize>,
    /// How old what the root said was when it came here.
    age: Duration,
    hello_at: Time,
    /// A change that the root does not know of yet: when to tell it again.
    tell_at: Time,
    /// As root: until when everybody is told of a change.
    change_until: Time,
}

impl SpanningTree {
    pub(super) fn new(id: BridgeId) -> Self {
        SpanningTree {
            id,
            ports: Vec::new(),
            root: id,
            cost: 0,
            root_port: None,
            age: Duration::ZERO,
            hello_at: Time::ZERO,
            tell_at: Time::NEVER,
            change_until: Time::ZERO,
        }
    }

    pub(super) fn attach(&mut self) {
        self.ports.push(Port {
            state: PortState::Listening,
            heard: None,
            proceeds: Time::ZERO + FORWARD_DELAY,
            acknowledge: false,
        });
    }

    pub(super) fn state(&self, port: usize) -> PortState {
        let port = self.ports.get(port);
        port.map_or(PortState::Disabled, |port| port.state)
    }

    pub(super) fn root(&self) -> BridgeId {
        self.root
    }

    /// What this bridge offers to the segment at `port`.
    fn offer(&self, port: usize) -> Vector {
        Vector {
            root: self.root,
            cost: self.cost,
            bridge: self.id,
            port: PORT_PRIORITY << 8 | (port as u16 + 1),
        }
    }

    fn is_designated(&self, port: usize) -> bool {
        let ours = self.offer(port);
        self.ports[port].heard.is_none_or(|(heard, _)| ours < heard)
    }

    /// What is said at every port that this bridge is responsible for.
    fn configuration(&mut self, now: Time) -> Vec<(usize, Message)> {
        let ports = 0..self.ports.len();
        let ours = ports.filter(|&port| {
            self.ports[port].state != PortState::Disabled
                && Some(port) != self.root_port
                && self.is_designated(port)
        });
        let ours: Vec<usize> = ours.collect();
        let message = |port| (port, self.message(port, now));
        let messages = ours.iter().copied().map(message).collect();
        for port in ours {
            self.ports[port].acknowledge = false;
        }
        messages
    }

    fn message(&self, port: usize, now: Time) -> Message {
        let step = match self.root_port {
            Some(_) => MESSAGE_AGE_STEP,
            None => Duration::ZERO,
        };
        Message::Configuration {
            vector: self.offer(port),
            age: self.age + step,
            change: now < self.change_until,
            acknowledges: self.ports[port].acknowledge,
        }
    }

    /// A message has come in at `port`.
    pub(super) fn receive(&mut self, port: usize, message: Message, now: Time, duty: &mut Duty) {
        if self.state(port) == PortState::Disabled {
            return;
        }
        match message {
            Message::Configuration {
                vector,
                age,
                change,
                acknowledges,
            } => {
                let known = self.ports[port].heard;
                let same =
                    |heard: Vector| (heard.bridge, heard.port) == (vector.bridge, vector.port);
                let news = known.is_none_or(|(heard, _)| vector <= heard || same(heard));
                if !news || age >= MAX_AGE {
                    if self.is_designated(port) {
                        duty.send.push((port, self.message(port, now)));
                    }
                    return;
                }
                self.ports[port].heard = Some((vector, now + (MAX_AGE - age)));
                self.choose(now, duty);
                if self.root_port == Some(port) {
                    self.age = age;
                    if acknowledges {
                        self.tell_at = Time::NEVER;
                    }
                    self.change_until = if change { now + HELLO } else { Time::ZERO };
                    duty.forget |= change;
                    duty.send.extend(self.configuration(now));
                } else if self.is_designated(port) {
                    duty.send.push((port, self.message(port, now)));
                }
            }
            Message::TopologyChange if self.is_designated(port) => {
                self.ports[port].acknowledge = true;
                duty.send.push((port, self.message(port, now)));
                self.ports[port].acknowledge = false;
                self.change(now, duty);
            }
            Message::TopologyChange => {}
        }
    }

    /// The network has another shape now: the root shall tell everybody.
    fn change(&mut self, now: Time, duty: &mut Duty) {
        match self.root_port {
            None => {
                self.change_until = now + MAX_AGE + FORWARD_DELAY;
                duty.forget = true;
            }
            Some(port) => {
                self.tell_at = now + HELLO;
                duty.send.push((port, Message::TopologyChange));
            }
        }
    }

    /// Chooses root, root port and designated ports anew from what was heard.
    fn choose(&mut self, now: Time, duty: &mut Duty) {
        let via = |(port, state): (usize, &Port)| {
            let (heard, _) = state.heard?;
            let cost = heard.cost.saturating_add(PORT_COST);
            let usable = state.state != PortState::Disabled && heard.bridge != self.id;
            usable.then_some((heard.root, cost, heard.bridge, heard.port, port))
        };
        let best = self.ports.iter().enumerate().filter_map(via).min();
        let was_root = self.root == self.id;
        match best {
            Some((root, cost, _, _, port)) if root < self.id => {
                (self.root, self.cost, self.root_port) = (root, cost, Some(port));
            }
            _ => {
                (self.root, self.cost, self.root_port) = (self.id, 0, None);
                self.age = Duration::ZERO;
                if !was_root {
                    self.hello_at = now;
                }
            }
        }
        for port in 0..self.ports.len() {
            let active = Some(port) == self.root_port || self.is_designated(port);
            let state = self.ports[port].state;
            match (active, state) {
                (_, PortState::Disabled) => {}
                (true, PortState::Blocking) => {
                    self.enter(port, PortState::Listening, now, duty);
                }
                (false, PortState::Forwarding | PortState::Learning | PortState::Listening) => {
                    self.enter(port, PortState::Blocking, now, duty);
                    if state == PortState::Forwarding {
                        self.change(now, duty);
                    }
                }
                _ => {}
            }
        }
    }

    fn enter(&mut self, port: usize, state: PortState, now: Time, duty: &mut Duty) {
        let waits = matches!(state, PortState::Listening | PortState::Learning);
        let entry = &mut self.ports[port];
        entry.state = state;
        entry.proceeds = if waits {
            now + FORWARD_DELAY
        } else {
            Time::NEVER
        };
        duty.changed.push((port, state));
    }

    /// Everything that was due at `now`.
    pub(super) fn wake(&mut self, now: Time, duty: &mut Duty) {
        let mut aged = false;
        for port in &mut self.ports {
            if port.heard.is_some_and(|(_, until)| until <= now) {
                port.heard = None;
                aged = true;
            }
        }
        if aged {
            self.choose(now, duty);
        }
        for port in 0..self.ports.len() {
            if self.ports[port].proceeds > now {
                continue;
            }
            match self.ports[port].state {
                PortState::Listening => self.enter(port, PortState::Learning, now, duty),
                PortState::Learning => {
                    self.enter(port, PortState::Forwarding, now, duty);
                    self.change(now, duty);
                }
                _ => self.ports[port].proceeds = Time::NEVER,
            }
        }
        if self.root_port.is_none() && self.hello_at <= now {
            self.hello_at = now + HELLO;
            duty.send.extend(self.configuration(now));
        }
        if self.tell_at <= now {
            self.tell_at = now + HELLO;
            match self.root_port {
                Some(port) => duty.send.push((port, Message::TopologyChange)),
                None => self.tell_at = Time::NEVER,
            }
        }
    }

    /// When [`SpanningTree::wake`] has something to do.
    pub(super) fn next_at(&self) -> Time {
        let heard = |port: &Port| port.heard.map_or(Time::NEVER, |(_, until)| until);
        let ports = self.ports.iter().map(|port| port.proceeds.min(heard(port)));
        let hello = match self.root_port {
            None => self.hello_at,
            Some(_) => Time::NEVER,
        };
        ports
            .min()
            .unwrap_or(Time::NEVER)
            .min(hello)
            .min(self.tell_at)
    }

    pub(super) fn carrier(&mut self, port: usize, up: bool, now: Time, duty: &mut Duty) {
        if port >= self.ports.len() {
            return;
        }
        self.ports[port].heard = None;
        let state = match up {
            true => PortState::Listening,
            false => PortState::Disabled,
        };
        let forwarded = self.ports[port].state == PortState::Forwarding;
        self.enter(port, state, now, duty);
        self.choose(now, duty);
        if forwarded {
            self.change(now, duty);
        }
    }

    /// What this bridge would say now, for [`super::switch::settle`].
    pub(super) fn says(&self, now: Time) -> Vec<(usize, Message)> {
        let ports = (0..self.ports.len()).filter(|&port| self.is_designated(port));
        ports.map(|port| (port, self.message(port, now))).collect()
    }

    /// Takes the tree as it is for settled: whatever need not block forwards.
    pub(super) fn settle(&mut self) {
        for port in &mut self.ports {
            port.proceeds = Time::NEVER;
            if port.state != PortState::Blocking && port.state != PortState::Disabled {
                port.state = PortState::Forwarding;
            }
        }
        self.tell_at = Time::NEVER;
        self.change_until = Time::ZERO;
    }
}

impl Message {
    /// The message as it stands behind the LLC header (802.1D clause 9.3).
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0, 0, 0];
        match self {
            Message::TopologyChange => bytes.push(0x80),
            Message::Configuration {
                vector,
                age,
                change,
                acknowledges,
            } => {
                bytes.push(0);
                bytes.push(u8::from(*change) | u8::from(*acknowledges) << 7);
                bytes.extend(vector.root.0.to_be_bytes());
                bytes.extend(vector.cost.to_be_bytes());
                bytes.extend(vector.bridge.0.to_be_bytes());
                bytes.extend(vector.port.to_be_bytes());
                for span in [*age, MAX_AGE, HELLO, FORWARD_DELAY] {
                    bytes.extend(in_256ths(span).to_be_bytes());
                }
            }
        }
        bytes
    }

    /// Reads what [`Message::bytes`] wrote; `None` for anything else.
    pub(super) fn parse(bytes: &[u8]) -> Option<Message> {
        let (head, rest) = bytes.split_at_checked(4)?;
        match head {
            [0, 0, 0, 0x80] => Some(Message::TopologyChange),
            [0, 0, 0, 0] if rest.len() >= 31 => {
                let eight = |at: usize| {
                    let mut field = [0; 8];
                    field.copy_from_slice(&rest[at..at + 8]);
                    u64::from_be_bytes(field)
                };
                let two = |at: usize| u16::from_be_bytes([rest[at], rest[at + 1]]);
                Some(Message::Configuration {
                    vector: Vector {
                        root: BridgeId(eight(1)),
                        cost: u32::from(two(9)) << 16 | u32::from(two(11)),
                        bridge: BridgeId(eight(13)),
                        port: two(21),
                    },
                    age: Duration::from_nanos(u64::from(two(23)) * 1_000_000_000 / 256),
                    change: rest[0] & 1 != 0,
                    acknowledges: rest[0] & 0x80 != 0,
                })
            }
            _ => None,
        }
    }
}

/// A span as the messages carry it, in 1/256 of a second.
fn in_256ths(span: Duration) -> u16 {
    let parts = u128::from(nanos(span)) * 256 / 1_000_000_000;
    u16::try_from(parts).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_they_were_written() {
        let message = Message::Configuration {
            vector: Vector {
                root: BridgeId(0x8000_0200_0000_0001),
                cost: 38,
                bridge: BridgeId(0x8000_0200_0000_0002),
                port: 0x8003,
            },
            age: Duration::from_secs(2),
            change: true,
            acknowledges: false,
        };
        for message in [message, Message::TopologyChange] {
            assert_eq!(Message::parse(&message.bytes()), Some(message));
        }
        assert_eq!(message.bytes().len(), 35);
        for length in 0..35 {
            assert_eq!(Message::parse(&message.bytes()[..length]), None);
        }
    }
}
