//! The whole network: nodes, links and the events that are still to come.
//!
//! ```text
//!   node ──offer──▶ Direction ──▶ event queue (time, order) ──▶ node
//!                     └ dropped, with a cause
//! ```
//!
//! A fabric has no clock of its own: whoever owns it asks when the next event is
//! ([`Fabric::next_at`]) and lets it happen ([`Fabric::step`]). Events of one
//! moment happen in the order in which they were caused, so a run is a function of
//! its seed.

use std::any::Any;
use std::collections::VecDeque;
use std::time::Duration;

use super::events::{End, Events, Transit, Way, What};
use super::frame::{Frame, FrameId, Spare};
use super::journal::{Action, Entry, Journal, Place};
use super::link::{Carried, Cause, Direction, Link, LinkCounters, Offer};
use super::node::{Carrier, Node, NodeId, Turn};
use super::record::{Recording, Remark};
use super::time::Time;

/// The number of a link, in the order in which links were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u32);

/// A network of nodes and links in virtual time.
pub struct Fabric {
    now: Time,
    seed: u64,
    events: Events,
    nodes: Vec<Site>,
    links: Vec<Cable>,
    next_frame: u64,
    /// Nodes that somebody outside has changed, in the order of the changes.
    touched: Vec<NodeId>,
    outgoing: VecDeque<(usize, Frame)>,
    spare: Spare,
    journal: Option<Journal>,
    recording: Option<Recording>,
    counters: FabricCounters,
}

/// How much work a fabric has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FabricCounters {
    /// Events that happened.
    pub events: u64,
    /// Frames that were offered to a link: one frame over three links counts three.
    pub hops: u64,
}

struct Site {
    name: String,
    node: Box<dyn Node>,
    /// By port: the link, and whether the node is its first end.
    ports: Vec<Way>,
}

struct Cable {
    ends: [(NodeId, usize); 2],
    /// From the first end to the second, and back.
    directions: [Direction; 2],
}

/// Something that is done to a link while the network runs, in both directions. What
/// a change does not name stays as it is, in each direction for itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// It is cut: what is on it is lost.
    Down,
    /// It is mended.
    Up,
    /// It loses this share of the frames, 0 to 1.
    Loss(f64),
    /// Its propagation delay is this.
    Delay(Duration),
    /// It carries so many bits per second. A cable that takes no time stays as it is.
    Rate(u64),
}

impl Change {
    /// The link after the change.
    fn applied(self, link: Link) -> Link {
        match self {
            Change::Loss(share) => link.loss(share),
            Change::Delay(delay) => link.delay(delay),
            Change::Rate(rate) if link.bits_per_second().is_some() => link.rate(rate),
            Change::Rate(_) | Change::Down | Change::Up => link,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Change::Down => "link cut",
            Change::Up => "link mended",
            Change::Loss(_) => "link's loss changed",
            Change::Delay(_) => "link's delay changed",
            Change::Rate(_) => "link's rate changed",
        }
    }
}

/// A link, as reports see it.
#[derive(Clone, Copy, Debug)]
pub struct LinkView<'a> {
    /// The name of the first end.
    pub first: &'a str,
    /// The name of the second.
    pub second: &'a str,
    /// Its properties.
    pub link: &'a Link,
    /// What the direction from the first end to the second has done.
    pub forth: &'a LinkCounters,
    /// The other direction.
    pub back: &'a LinkCounters,
    /// Whether it is whole.
    pub up: bool,
}

impl Fabric {
    /// An empty network.
    pub fn new(seed: u64) -> Self {
        Fabric {
            now: Time::ZERO,
            seed,
            events: Events::default(),
            nodes: Vec::new(),
            links: Vec::new(),
            next_frame: 0,
            touched: Vec::new(),
            outgoing: VecDeque::new(),
            spare: Spare::default(),
            journal: None,
            recording: None,
            counters: FabricCounters::default(),
        }
    }

    /// Adds a node.
    pub fn add(&mut self, name: &str, node: impl Node) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Site {
            name: name.to_owned(),
            node: Box::new(node),
            ports: Vec::new(),
        });
        self.events.add_node();
        self.touched.push(id);
        id
    }

    /// Joins two nodes; each gets a new port.
    pub fn join(&mut self, first: NodeId, second: NodeId, link: Link) -> LinkId {
        self.join_asymmetric(first, second, link.clone(), link)
    }

    /// Joins two nodes by a link whose directions differ: `forth` from the first to
    /// the second, and `back`.
    pub fn join_asymmetric(
        &mut self,
        first: NodeId,
        second: NodeId,
        forth: Link,
        back: Link,
    ) -> LinkId {
        let id = LinkId(self.links.len() as u32);
        let place = u64::from(id.0) * 2;
        let directions = [
            Direction::new(forth, self.seed, place),
            Direction::new(back, self.seed, place + 1),
        ];
        let ends = [
            (first, self.plug(first, id, End::First)),
            (second, self.plug(second, id, End::Second)),
        ];
        self.links.push(Cable { ends, directions });
        self.events.add_link();
        id
    }

    fn plug(&mut self, node: NodeId, link: LinkId, end: End) -> usize {
        let place = &mut self.nodes[node.0 as usize];
        let port = place.ports.len();
        place.ports.push((link, end));
        place.node.attach(port);
        port
    }

    /// From now on everything is written down.
    pub fn keep_journal(&mut self) {
        self.journal.get_or_insert_default();
    }

    /// From now on every frame that enters a link is kept for captures.
    pub fn keep_recording(&mut self) {
        self.recording.get_or_insert_default();
    }

    /// What was written down, if it was asked for.
    pub fn journal(&self) -> Option<&Journal> {
        self.journal.as_ref()
    }

    /// What was recorded, if it was asked for.
    pub fn recording(&self) -> Option<&Recording> {
        self.recording.as_ref()
    }

    /// Does `change` to a link at `at`.
    pub fn schedule(&mut self, at: Time, link: LinkId, change: Change) {
        self.events.change(at.max(self.now), link, change);
    }

    /// The seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The time: that of the last event, or what [`Fabric::advance`] made it.
    pub fn now(&self) -> Time {
        self.now
    }

    /// How much work was done.
    pub fn counters(&self) -> FabricCounters {
        self.counters
    }

    /// The names of all nodes, in the order of their numbers.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.nodes.iter().map(|place| place.name.as_str())
    }

    /// All links, in the order of their numbers.
    pub fn links(&self) -> impl ExactSizeIterator<Item = LinkView<'_>> {
        let name = |(node, _): (NodeId, usize)| self.nodes[node.0 as usize].name.as_str();
        self.links.iter().map(move |cable| LinkView {
            first: name(cable.ends[0]),
            second: name(cable.ends[1]),
            link: &cable.directions[0].link,
            forth: &cable.directions[0].counters,
            back: &cable.directions[1].counters,
            up: cable.directions[0].is_up(),
        })
    }

    /// What is at the other end of a port.
    pub fn neighbour(&self, node: NodeId, port: usize) -> Option<(NodeId, usize)> {
        let (link, end) = *self.nodes.get(node.0 as usize)?.ports.get(port)?;
        let ends = &self.links[link.0 as usize].ends;
        Some(match end {
            End::First => ends[1],
            End::Second => ends[0],
        })
    }

    /// A node of a known type.
    pub fn node<T: Node>(&self, id: NodeId) -> Option<&T> {
        let node: &dyn Any = &*self.nodes.get(id.0 as usize)?.node;
        node.downcast_ref()
    }

    /// A node of a known type, to change it from outside; [`Fabric::touch`] it then.
    pub fn node_mut<T: Node>(&mut self, id: NodeId) -> Option<&mut T> {
        let node: &mut dyn Any = &mut *self.nodes.get_mut(id.0 as usize)?.node;
        node.downcast_mut()
    }

    /// What kind of node this is.
    pub fn kind(&self, id: NodeId) -> &'static str {
        let place = self.nodes.get(id.0 as usize);
        place.map_or("nothing", |place| place.node.kind())
    }

    /// Says that a node was changed from outside, so that it has its turn now.
    pub fn touch(&mut self, id: NodeId) {
        if !self.touched.contains(&id) {
            self.touched.push(id);
        }
    }

    /// Writes down what a program on a node did with a message.
    pub(crate) fn note_message(&mut self, node: NodeId, message: u32, action: Action) {
        let at = self.now;
        if let Some(journal) = &mut self.journal {
            journal.push(Entry {
                at,
                place: Place::Node(node.0),
                frame: None,
                parent: None,
                message: Some(message),
                pieces: None,
                action,
            });
        }
    }

    /// When the next event is; `None` if nothing will ever happen by itself.
    pub fn next_at(&self) -> Option<Time> {
        match self.touched.is_empty() {
            false => Some(self.now),
            true => self.events.next_at(),
        }
    }

    /// How many events are planned: frames on their way, nodes to be woken, changes.
    pub fn planned(&self) -> usize {
        self.events.len()
    }

    /// Moves the clock to `to`, or to the next event if that is earlier.
    pub fn advance(&mut self, to: Time) {
        let next = self.next_at().unwrap_or(Time::NEVER);
        self.now = self.now.max(to.min(next));
    }

    /// Lets the next event happen, and says to which node something happened.
    /// `None` if nothing is left.
    pub fn step(&mut self) -> Option<Step> {
        if !self.touched.is_empty() {
            let node = self.touched.remove(0);
            self.counters.events += 1;
            self.turn(node, |node, turn| node.wake(turn));
            return Some(Step::Node(node));
        }
        let (at, what) = self.events.pop()?;
        self.now = self.now.max(at);
        self.counters.events += 1;
        Some(match what {
            What::Arrive(way) => match self.events.take_frame(way) {
                Some(transit) => self.arrive(way, transit),
                None => Step::Nothing,
            },
            What::Wake(node) => {
                self.turn(node, |node, turn| node.wake(turn));
                Step::Node(node)
            }
            What::ArriveLate(stray) => self.arrive_late(stray),
            What::Change(change) => {
                let (link, change) = self.events.take_change(change);
                self.change(link, change)
            }
        })
    }

    #[inline(never)]
    fn arrive_late(&mut self, stray: usize) -> Step {
        let (way, transit) = self.events.take_stray(stray);
        self.arrive(way, transit)
    }

    /// Lets everything happen up to `end`, and moves the clock there.
    pub fn run_until(&mut self, end: Time) {
        while self.next_at().is_some_and(|at| at <= end) {
            self.step();
        }
        self.advance(end);
    }

    fn arrive(&mut self, (link, from): Way, transit: Transit) -> Step {
        let cable = &mut self.links[link.0 as usize];
        let direction = &mut cable.directions[from as usize];
        let (node, port) = cable.ends[1 - from as usize];
        let arrived = direction.arrived(transit.frame.len(), transit.life);
        if !arrived {
            let place = link_place(link, from);
            self.note(
                place,
                Some(&transit.frame),
                Action::Dropped(Cause::LinkDown),
            );
            return Step::Nothing;
        }
        self.note(Place::Node(node.0), Some(&transit.frame), Action::Arrived);
        self.turn(node, |node, turn| node.receive(port, transit.frame, turn));
        Step::Node(node)
    }

    #[inline(never)]
    fn change(&mut self, link: LinkId, change: Change) -> Step {
        let now = self.now;
        let place = link_place(link, End::First);
        let Some(cable) = self.links.get_mut(link.0 as usize) else {
            return Step::Nothing;
        };
        for (direction, end) in cable.directions.iter_mut().zip([End::First, End::Second]) {
            let changed = change.applied(direction.link.clone());
            if let Some(moved) = direction.change(now, changed) {
                let way = (link, end);
                let last = self.events.move_arrivals(way, |at| moved.departure(at));
                direction.arrives_until(last);
            }
        }
        self.note(place, None, Action::Changed(change.words()));
        let up = match change {
            Change::Down => false,
            Change::Up => true,
            _ => return Step::Nothing,
        };
        let cable = &mut self.links[link.0 as usize];
        for direction in &mut cable.directions {
            direction.set_up(now, up);
        }
        let carrier = if up { Carrier::Up } else { Carrier::Down };
        for (node, port) in cable.ends {
            self.turn(node, |node, turn| node.carrier(port, carrier, turn));
        }
        Step::Many
    }

    /// Calls a node, and sends what it wants to send.
    fn turn(&mut self, id: NodeId, call: impl FnOnce(&mut dyn Node, &mut Turn<'_>)) {
        let place = &mut self.nodes[id.0 as usize];
        let mut turn = Turn {
            now: self.now,
            node: id,
            next_frame: &mut self.next_frame,
            outgoing: &mut self.outgoing,
            wake_at: Time::NEVER,
            journal: self.journal.as_mut(),
            recording: self.recording.as_mut(),
            spare: &mut self.spare,
        };
        call(&mut *place.node, &mut turn);
        let wake_at = turn.wake_at;
        self.events.wake(wake_at, id);
        while let Some((port, frame)) = self.outgoing.pop_front() {
            self.offer(id, port, frame);
        }
    }

    fn offer(&mut self, node: NodeId, port: usize, frame: Frame) {
        let Some(&way) = self.nodes[node.0 as usize].ports.get(port) else {
            return;
        };
        let (link, end) = way;
        self.counters.hops += 1;
        let direction = &mut self.links[link.0 as usize].directions[end as usize];
        let watched = self.journal.is_some() || self.recording.is_some();
        match direction.offer(self.now, frame.len()) {
            // Most frames: nothing happens to them, and nobody takes notes.
            Offer::Carried(carried) if carried.is_plain() && !watched => {
                let transit = Transit {
                    frame,
                    life: carried.life,
                    leaves: carried.leaves,
                };
                self.events.arrive(carried.arrives, way, transit);
            }
            Offer::Carried(carried) => self.carry(way, frame, &carried),
            Offer::Dropped(cause) => self.note_dropped(way, &frame, cause),
        }
    }

    #[inline(never)]
    fn note_dropped(&mut self, (link, end): Way, frame: &Frame, cause: Cause) {
        let place = link_place(link, end);
        self.record(place, frame, Remark::dropped(cause));
        self.note(place, Some(frame), Action::Dropped(cause));
    }

    /// A link carries a frame, perhaps twice, later than others, or damaged.
    #[inline(never)]
    fn carry(&mut self, way: Way, frame: Frame, carried: &Carried) {
        let place = link_place(way.0, way.1);
        let remark = Remark {
            dropped: None,
            damaged: carried.damage.map(|(byte, _)| byte),
            doubled: carried.twin.is_some(),
            held_back: carried.held_back,
        };
        self.record(place, &frame, remark);
        self.note(
            place,
            Some(&frame),
            Action::Entered(carried.begins - self.now),
        );
        let life = carried.life;
        if let Some((at, leaves)) = carried.twin {
            let twin = frame.twin(self.new_frame());
            self.note(place, Some(&twin), Action::Doubled);
            let twin = Transit {
                frame: twin,
                life,
                leaves,
            };
            self.events.arrive_late(at, way, twin);
        }
        if carried.held_back {
            self.note(place, Some(&frame), Action::HeldBack);
        }
        let frame = match carried.damage {
            None => frame,
            Some((byte, mask)) => {
                let mut bytes = frame.bytes().to_vec();
                if let Some(place) = bytes.get_mut(byte) {
                    *place ^= mask;
                }
                let mut damaged = frame.child(self.new_frame(), bytes);
                damaged.damaged = Some(frame.damaged.unwrap_or(byte));
                let bit = byte * 8 + mask.trailing_zeros() as usize;
                self.note(place, Some(&damaged), Action::Damaged(bit));
                damaged
            }
        };
        let transit = Transit {
            frame,
            life,
            leaves: carried.leaves,
        };
        match carried.held_back {
            true => self.events.arrive_late(carried.arrives, way, transit),
            false => self.events.arrive(carried.arrives, way, transit),
        }
    }

    fn new_frame(&mut self) -> FrameId {
        self.next_frame += 1;
        FrameId(self.next_frame)
    }

    #[inline]
    fn note(&mut self, place: Place, frame: Option<&Frame>, action: Action) {
        if self.journal.is_some() {
            self.write(place, frame, action);
        }
    }

    // Like `Turn::write`, out of the way of what happens to every frame.
    #[cold]
    fn write(&mut self, place: Place, frame: Option<&Frame>, action: Action) {
        if let Some(journal) = &mut self.journal {
            journal.note(self.now, place, frame, action);
        }
    }

    fn record(&mut self, place: Place, frame: &Frame, remark: Remark) {
        if let Some(recording) = &mut self.recording {
            recording.record(self.now, place, frame, remark);
        }
    }
}

fn link_place(link: LinkId, from: End) -> Place {
    Place::Link {
        link: link.0,
        forth: from == End::First,
    }
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A node had its turn.
    Node(NodeId),
    /// Several nodes had.
    Many,
    /// No node was concerned.
    Nothing,
}
