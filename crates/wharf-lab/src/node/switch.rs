//! A learning switch (IEEE 802.1D), with or without a spanning tree.
//!
//! It remembers behind which port it has seen each address as a sender. A frame
//! for a known address goes to that port alone; one for an unknown or a group
//! address goes to all others.

use std::collections::BTreeMap;
use std::time::Duration;

use super::tree::{BridgeId, Duty, Message, PortState, SpanningTree};
use crate::core::{Action, Carrier, Fabric, Frame, HEADER, Mac, Node, NodeId, Time, Turn};

/// How long an address is remembered (802.1D table 7-4).
const AGING: Duration = Duration::from_secs(300);

/// How many addresses are remembered. 8,192 is what small switches have; a
/// frame for an address that found no room is flooded.
const TABLE: usize = 8_192;

/// The group of all bridges: frames for it are never forwarded.
const BRIDGES: Mac = Mac([0x01, 0x80, 0xC2, 0, 0, 0]);

/// The LLC header of the spanning tree protocol.
const LLC: [u8; 3] = [0x42, 0x42, 0x03];

/// The shortest payload of an Ethernet frame.
const SHORTEST_PAYLOAD: usize = 46;

/// A switch.
#[derive(Debug)]
pub struct Switch {
    mac: Mac,
    ports: usize,
    table: BTreeMap<Mac, (usize, Time)>,
    tree: Option<SpanningTree>,
}

impl Switch {
    /// A switch without a spanning tree: for networks without loops.
    pub fn plain(mac: Mac) -> Self {
        Switch {
            mac,
            ports: 0,
            table: BTreeMap::new(),
            tree: None,
        }
    }

    /// A switch that takes part in a spanning tree.
    pub fn with_tree(mac: Mac) -> Self {
        Switch {
            tree: Some(SpanningTree::new(BridgeId::of(mac))),
            ..Switch::plain(mac)
        }
    }

    /// What a port does.
    pub fn state(&self, port: usize) -> PortState {
        match &self.tree {
            Some(tree) => tree.state(port),
            None => PortState::Forwarding,
        }
    }

    /// The root of the tree that it knows; `None` without a tree.
    pub fn root(&self) -> Option<BridgeId> {
        self.tree.as_ref().map(SpanningTree::root)
    }

    /// Its own identifier.
    pub fn id(&self) -> BridgeId {
        BridgeId::of(self.mac)
    }

    fn learn(&mut self, frame: &Frame, port: usize, now: Time) {
        let source = frame.source();
        let known = self.table.contains_key(&source);
        if source.is_group() || (!known && self.table.len() >= TABLE) {
            return;
        }
        self.table.insert(source, (port, now));
    }

    fn forward(&mut self, port: usize, frame: Frame, turn: &mut Turn<'_>) {
        let to = frame.destination();
        let known = self.table.get(&to).copied();
        match known.filter(|(_, seen)| turn.now() - *seen <= AGING) {
            Some((out, _)) if out == port => {
                turn.note(
                    &frame,
                    Action::Filtered("its destination is where it came from"),
                );
            }
            Some((out, _)) if self.state(out) == PortState::Forwarding => {
                turn.note(&frame, Action::Forwarded(out));
                turn.send(out, frame);
            }
            _ => {
                turn.note(&frame, Action::Flooded);
                for out in (0..self.ports).filter(|&out| out != port) {
                    if self.state(out) == PortState::Forwarding {
                        turn.send(out, frame.clone());
                    }
                }
            }
        }
    }

    /// Does what the protocol asks for.
    fn perform(&mut self, duty: Duty, turn: &mut Turn<'_>) {
        for (port, state) in duty.changed {
            turn.note_event(Action::Port(port, state.name()));
            if matches!(state, PortState::Blocking | PortState::Disabled) {
                self.table.retain(|_, (behind, _)| *behind != port);
            }
        }
        if duty.forget {
            self.table.clear();
        }
        for (port, message) in duty.send {
            let frame = Frame::new(turn.new_frame(), bpdu(self.mac, port, &message));
            turn.send(port, frame);
        }
        if let Some(tree) = &self.tree {
            let next = tree.next_at();
            if next < Time::NEVER {
                turn.wake_at(next);
            }
        }
    }
}

impl Node for Switch {
    fn kind(&self) -> &'static str {
        "switch"
    }

    fn attach(&mut self, port: usize) {
        self.ports = port + 1;
        if let Some(tree) = &mut self.tree {
            tree.attach();
        }
    }

    fn receive(&mut self, port: usize, frame: Frame, turn: &mut Turn<'_>) {
        if let Some(tree) = &mut self.tree
            && frame.destination() == BRIDGES
        {
            let mut duty = Duty::default();
            if let Some(message) = parse_bpdu(&frame) {
                tree.receive(port, message, turn.now(), &mut duty);
            }
            return self.perform(duty, turn);
        }
        match self.state(port) {
            PortState::Forwarding => {
                self.learn(&frame, port, turn.now());
                self.forward(port, frame, turn);
            }
            PortState::Learning => {
                self.learn(&frame, port, turn.now());
                turn.note(&frame, Action::Filtered("the port is still learning"));
            }
            _ => turn.note(&frame, Action::Filtered("the port is blocked")),
        }
    }

    fn wake(&mut self, turn: &mut Turn<'_>) {
        let mut duty = Duty::default();
        if let Some(tree) = &mut self.tree {
            tree.wake(turn.now(), &mut duty);
            self.perform(duty, turn);
        }
    }

    fn carrier(&mut self, port: usize, carrier: Carrier, turn: &mut Turn<'_>) {
        let mut duty = Duty::default();
        match &mut self.tree {
            Some(tree) => tree.carrier(port, carrier == Carrier::Up, turn.now(), &mut duty),
            None => self.table.retain(|_, (behind, _)| *behind != port),
        }
        self.perform(duty, turn);
    }
}

/// Lets switches agree on a tree before the network starts.
///
/// A lab that begins with half a minute of listening and learning would be no use;
/// so the first exchange of messages takes no time. Whatever changes later takes
/// as long as the protocol says.
pub fn settle(fabric: &mut Fabric, switches: &[NodeId]) {
    // News travels one bridge further in each round.
    for _ in 0..=switches.len() {
        for &id in switches {
            let said = match fabric.node::<Switch>(id).and_then(|it| it.tree.as_ref()) {
                Some(tree) => tree.says(fabric.now()),
                None => continue,
            };
            for (port, message) in said {
                let Some((to, at)) = fabric.neighbour(id, port) else {
                    continue;
                };
                let now = fabric.now();
                let switch = fabric.node_mut::<Switch>(to);
                if let Some(tree) = switch.and_then(|it| it.tree.as_mut()) {
                    tree.receive(at, message, now, &mut Duty::default());
                }
            }
        }
    }
    for &id in switches {
        let switch = fabric.node_mut::<Switch>(id);
        if let Some(tree) = switch.and_then(|it| it.tree.as_mut()) {
            tree.settle();
        }
    }
}

fn bpdu(mac: Mac, port: usize, message: &Message) -> Vec<u8> {
    let body = message.bytes();
    let mut source = mac;
    source.0[2] = port as u8 + 1;
    let mut bytes = Vec::with_capacity(HEADER + SHORTEST_PAYLOAD);
    bytes.extend(BRIDGES.0);
    bytes.extend(source.0);
    bytes.extend(((LLC.len() + body.len()) as u16).to_be_bytes());
    bytes.extend(LLC);
    bytes.extend(body);
    bytes.resize(HEADER + SHORTEST_PAYLOAD, 0);
    bytes
}

fn parse_bpdu(frame: &Frame) -> Option<Message> {
    let payload = frame.payload().get(..usize::from(frame.ether_type()))?;
    Message::parse(payload.strip_prefix(&LLC)?)
}
