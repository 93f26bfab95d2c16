//! The model behind every picture: frames, the calls that caused them, and who spoke.

mod adopt;
mod ahead;
mod course;
mod inside;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::application::Dissectors;
use crate::conversation::{Direction, Limits, Note, Seen, State, StreamMessage, Streams, Tracker};
use crate::field::Value;
use crate::frame::{Fate, Frame, Origin, Timestamp};
use crate::layers::{Kind, Layer, Layers, Past};
use crate::packet::Packet;

pub use ahead::{Foreseen, MAX_FORESEEN};
use course::Course;
pub use inside::Inside;

/// How many messages a trace lists; more are counted. Each takes some hundred bytes, and its
/// sender may have spent one on it.
pub const MAX_MESSAGES: usize = 1 << 17;

/// What the hardware addresses 00:00:00:00:00:00 mean.
const LOOPBACK: &str = "loopback: the Ethernet header with addresses of zeros is made up, there is no wire; \
                        one frame may carry 64 KiB, where a wire's ends at 1514 bytes";

/// The same of modelled frames to another machine.
const UNKNOWN_MAC: &str = "the hardware addresses are not known, zeros stand for them: a program does not see \
                           what is below IP";

/// A frame in its place.
#[derive(Clone, Debug)]
pub struct Step {
    /// The frame.
    pub frame: Frame,
    /// Its headers.
    pub layers: Layers,
    /// What the conversation says about it.
    pub seen: Seen,
    /// The [`Talk`] that it belongs to.
    pub talk: usize,
}

impl Step {
    /// The frame's number, from 1.
    pub fn number(&self) -> u64 {
        self.seen.number
    }

    /// The application's bytes that came with it.
    pub fn data(&self) -> &[u8] {
        self.seen.data.bytes(&self.frame.bytes)
    }

    /// The new state of an end, if this frame changed it.
    pub fn new_state(&self, side: Direction) -> Option<State> {
        match &self.seen.note {
            Note::Tcp(note) => {
                let [before, after] = note.states.map(|both| both[side.index()]);
                (before != after).then_some(after)
            }
            _ => None,
        }
    }
}

/// A socket call, as the program made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it was made.
    pub at: Timestamp,
    /// How long it took.
    pub lasted: Duration,
    /// Who made it.
    pub side: Direction,
    /// The call with its arguments: `send(3, 6 bytes)`.
    pub text: String,
    /// What came back: `6`, `EAGAIN`.
    pub result: String,
    /// How many bytes were asked for, of calls that move some.
    pub asked: Option<u64>,
    /// How many were moved.
    pub moved: Option<u64>,
    /// Whether it waited.
    pub waited: Waited,
    /// A word about it.
    pub remark: String,
    /// The [`Talk`] that it belongs to.
    pub talk: usize,
}

/// Whether a call waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// It never does, or had no need to.
    No,
    /// For the peer or the network, for all of the time that the call lasted.
    Yes,
}

/// Who speaks with whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Talk {
    /// The one who began, and the other.
    pub parties: [Party; 2],
    /// The flow, if it is one.
    pub flow: Option<u64>,
    /// 6 for TCP, 17 for UDP, another one's number, or `None` for what is no IP.
    pub protocol: Option<u8>,
    /// The time of the handshake, if it was seen and nothing of it was sent twice.
    pub handshake: Option<Duration>,
    /// Which protocols it speaks.
    course: Course,
}

/// One end of a talk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    /// `client`, `server`, or empty.
    pub name: String,
    /// Its address, with a port where there is one.
    pub address: String,
    /// The port alone.
    pub port: Option<u16>,
}

impl Party {
    /// For a heading: `client 127.0.0.1:51876`.
    pub fn title(&self) -> String {
        match self.name.as_str() {
            "" => self.address.clone(),
            // A port that is not known; the address has brackets where it needs them.
            name => match self.address.strip_suffix(":0") {
                Some(host) if self.port == Some(0) => format!("{name} {host}:?"),
                _ => format!("{name} {}", self.address),
            },
        }
    }

    /// The address without the port.
    pub fn host(&self) -> &str {
        match (self.port, self.address.rsplit_once(':')) {
            (Some(_), Some((host, _))) => host.trim_start_matches('[').trim_end_matches(']'),
            _ => &self.address,
        }
    }

    /// Short: `client:51876`, or the address.
    pub fn short(&self) -> String {
        match (self.name.as_str(), self.port) {
            ("", _) => self.address.clone(),
            // A port that is not known.
            (name, Some(0)) => format!("{name}:?"),
            (name, Some(port)) => format!("{name}:{port}"),
            (name, None) => name.to_owned(),
        }
    }
}

/// A thing that happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// A call was made.
    Call(&'a Call),
    /// A frame was on the link.
    Frame(&'a Step),
}

impl Event<'_> {
    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match self {
            Event::Call(call) => call.at,
            Event::Frame(step) => step.frame.at,
        }
    }
}

/// Both addresses, the lower first, and the protocol.
type Addresses = (Option<IpAddr>, Option<IpAddr>, Option<u8>);

/// Frames and calls, ready to be drawn.
#[derive(Debug)]
pub struct Trace {
    /// The frames, in the order in which they came.
    pub steps: Vec<Step>,
    /// The calls, in the order in which they were made.
    pub calls: Vec<Call>,
    /// Who spoke with whom.
    pub talks: Vec<Talk>,
    /// The application's messages.
    pub messages: Vec<StreamMessage>,
    /// What a reader has to know about all of it.
    pub notes: Vec<String>,
    /// How many messages had no place.
    unlisted: usize,
    dissectors: Dissectors,
    tracker: Tracker,
    streams: Streams,
    /// How many frames were taken in, also those that were taken away again.
    pushed: usize,
    by_flow: BTreeMap<u64, usize>,
    by_address: BTreeMap<Addresses, usize>,
    /// What was understood too late when somebody looked ahead, and what is now.
    foreseen: Foreseen,
    misread: Foreseen,
}

impl Trace {
    /// A trace of nothing.
    pub fn new(dissectors: Dissectors) -> Self {
        Trace {
            steps: Vec::new(),
            calls: Vec::new(),
            talks: Vec::new(),
            messages: Vec::new(),
            notes: Vec::new(),
            unlisted: 0,
            dissectors,
            tracker: Tracker::new(Limits::default()),
            streams: Streams::default(),
            pushed: 0,
            by_flow: BTreeMap::new(),
            by_address: BTreeMap::new(),
            foreseen: Foreseen::default(),
            misread: Foreseen::default(),
        }
    }

    /// Takes the next frame in; gives its place in [`Trace::steps`].
    pub fn push(&mut self, frame: Frame) -> usize {
        let seen = self.see(&frame);
        let talk = match seen.flow {
            Some(flow) => self.talk_of_flow(flow),
            None => self.talk_of_addresses(&frame),
        };
        let layers = self.take_apart(&frame, &seen, talk);
        self.note_zeros(&frame, &layers);
        self.pushed += 1;
        self.steps.push(Step {
            frame,
            layers,
            seen,
            talk,
        });
        self.steps.len() - 1
    }

    /// What the conversations say about a frame.
    fn see(&mut self, frame: &Frame) -> Seen {
        let see = match frame.fate {
            // A damaged segment fails its checksum: its receiver drops it. (Not if the bit
            // stands where none counts: in the address that the frame comes from, or in
            // IPv6's traffic class, flow label or hop limit.)
            Fate::Dropped(_) | Fate::Damaged(_) => Tracker::see_lost,
            _ => Tracker::see,
        };
        see(
            &mut self.tracker,
            frame.at,
            frame.link,
            &frame.bytes,
            frame.original_len,
        )
    }

    /// What a frame says, in its layers and to its stream.
    fn take_apart(&mut self, frame: &Frame, seen: &Seen, talk: usize) -> Layers {
        let past = self.follow(&frame.bytes, seen, talk);
        let mut layers = Layers::after(frame, &self.dissectors, past);
        for (name, value) in &frame.kernel {
            // The frame stays what it is; only this line comes from the kernel.
            if let Some(layer) = layers.list.iter_mut().find(|layer| layer.kind == Kind::Tcp) {
                layer.notes.push(format!("from the kernel: {name} {value}"));
            }
        }
        layers
    }

    /// Takes the messages of a frame in; gives what its data are known to follow.
    fn follow(&mut self, frame: &[u8], seen: &Seen, talk: usize) -> Past {
        let known = &mut self.talks[talk];
        let spoken = known.course.speaks;
        let Some(flow) = seen.flow.and_then(|id| self.tracker.flow(id)) else {
            return Past {
                spoken,
                ..Past::default()
            };
        };
        known.course.see(seen);
        let gate = known.course.gate(seen.direction);
        let whole = self
            .streams
            .take(flow, seen, frame, &self.dissectors, spoken, gate);
        known.handshake = flow.handshake;
        let id = flow.id;
        self.hear(&whole);
        // What the frame says is known by its own words, too; they follow each other as
        // in the stream.
        let mut own = whole.iter().filter(|message| message.flow == id);
        let first = own.find_map(|message| message.protocol);
        let past = self.talks[talk].course.past(seen, first.or(spoken));
        self.list(whole);
        past
    }

    /// Messages are heard in the conversations that they belong to: a frame may also bring
    /// out what is left of others that were silent for long.
    fn hear(&mut self, messages: &[StreamMessage]) {
        for message in messages {
            if let Some(talk) = self.by_flow.get(&message.flow) {
                let course = &mut self.talks[*talk].course;
                course.hear(message, &self.dissectors);
            }
        }
    }

    /// Takes everything apart once more, now that it is known what each conversation
    /// began with: a client's first words may come before those that a service at a port
    /// which is not its own is known by.
    fn revise(&mut self) {
        let mut steps = std::mem::take(&mut self.steps);
        self.messages.clear();
        self.unlisted = 0;
        self.streams = Streams::default();
        for talk in &mut self.talks {
            talk.course = talk.course.again();
        }
        for step in &mut steps {
            // Frames without ports may have been put to another's conversation.
            let talk = step.seen.flow.and_then(|flow| self.by_flow.get(&flow));
            let talk = talk.copied().unwrap_or(step.talk);
            step.layers = self.take_apart(&step.frame, &step.seen, talk);
        }
        self.steps = steps;
        let rest = self.streams.finish(&self.dissectors);
        self.list(rest);
    }

    /// Adds messages, as many as there is room for.
    fn list(&mut self, messages: Vec<StreamMessage>) {
        let room = MAX_MESSAGES.saturating_sub(self.messages.len());
        self.unlisted += messages.len().saturating_sub(room);
        self.messages.extend(messages.into_iter().take(room));
    }

    /// Forgets who spoke with whom, and with that every name. Frames, flows and what is
    /// to be said about them go on being counted: for traces without an end, of which
    /// each frame is shown once.
    pub fn forget_talks(&mut self) {
        self.talks.clear();
        self.by_flow.clear();
        self.by_address.clear();
    }

    /// Counts a frame that is not shown, so that numbers stay the file's.
    pub fn pass_over(&mut self) {
        self.tracker.pass_over();
    }

    /// Adds a call.
    pub fn call(&mut self, call: Call) {
        self.calls.push(call);
    }

    /// Adds a talk without frames: calls over a Unix socket.
    pub fn talk(&mut self, parties: [Party; 2]) -> usize {
        self.talks.push(Talk {
            parties,
            flow: None,
            protocol: None,
            handshake: None,
            course: Course::default(),
        });
        self.talks.len() - 1
    }

    /// Names the end that has this address and port, in every talk.
    pub fn name(&mut self, end: SocketAddr, name: &str) {
        let address = end.to_string();
        for party in self.talks.iter_mut().flat_map(|talk| &mut talk.parties) {
            if party.address == address {
                name.clone_into(&mut party.name);
            }
        }
    }

    /// No more frames come: what is left of messages is told as it is.
    pub fn finish(&mut self) {
        self.nobody_listened();
        let rest = self.streams.finish(&self.dissectors);
        self.hear(&rest);
        self.list(rest);
        let is_misread = self.talks.iter().any(|talk| talk.course.was_misread());
        if self.steps.len() == self.pushed && is_misread {
            self.revise();
        }
        if self.unlisted > 0 {
            self.notes.push(format!(
                "{} messages are not listed: there are more than {MAX_MESSAGES}",
                self.unlisted
            ));
        }
    }

    /// Whether a layer is a gate's: what was said to it is not to be said again.
    pub(crate) fn is_gate(&self, layer: &Layer) -> bool {
        matches!(layer.kind, Kind::Application(name) if self.dissectors.is_gate(name))
    }

    /// The tracker, for the flows' totals.
    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// How we come to know these frames, each way once.
    pub fn origins(&self) -> Vec<Origin> {
        let mut origins: Vec<Origin> = self.steps.iter().map(|step| step.frame.origin).collect();
        origins.sort();
        origins.dedup();
        origins
    }

    /// When the first thing happened.
    pub fn start(&self) -> Timestamp {
        let frames = self.steps.iter().map(|step| step.frame.at);
        let calls = self.calls.iter().map(|call| call.at);
        frames.chain(calls).min().unwrap_or_default()
    }

    /// What happened in a talk, in the order of time; a call stands before the frames
    /// that it caused at the same moment.
    pub fn events(&self, talk: usize) -> Vec<Event<'_>> {
        let calls = self
            .calls
            .iter()
            .filter(|call| call.talk == talk)
            .map(Event::Call);
        let steps = self
            .steps
            .iter()
            .filter(|step| step.talk == talk)
            .map(Event::Frame);
        let mut events: Vec<Event<'_>> = calls.chain(steps).collect();
        if self.calls.iter().any(|call| call.talk == talk) {
            events.sort_by_key(Event::at);
        }
        events
    }

    /// Said once: beginners take such frames for those of a wire.
    fn note_zeros(&mut self, frame: &Frame, layers: &Layers) {
        let Some(ethernet) = layers.find(Kind::Ethernet) else {
            return;
        };
        let is_empty = |name| {
            ethernet
                .field(name)
                .is_some_and(|field| field.value == Value::Mac([0; 6]))
        };
        if !is_empty("dst") || !is_empty("src") {
            return;
        }
        // What a machine says to an address of its own goes over loopback, too.
        let packet = Packet::of(frame.link, &frame.bytes);
        let is_local = packet.is_some_and(|packet| {
            packet.source.is_loopback() || packet.source == packet.destination
        });
        let note = match frame.origin {
            Origin::Modelled if !is_local => UNKNOWN_MAC,
            _ => LOOPBACK,
        };
        if !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    fn talk_of_flow(&mut self, flow: u64) -> usize {
        if let Some(talk) = self.by_flow.get(&flow) {
            return *talk;
        }
        let known = self.tracker.flow(flow);
        let ends = known.map(|flow| flow.ends);
        let party = |end: Option<SocketAddr>| Party {
            name: String::new(),
            address: end.map(|end| end.to_string()).unwrap_or_default(),
            port: end.map(|end| end.port()),
        };
        let parties = [
            party(ends.map(|ends| ends[0])),
            party(ends.map(|ends| ends[1])),
        ];
        let protocol = known.map(|flow| flow.protocol);
        let foreseen = self.foreseen.by_flow.remove(&flow);
        let course = foreseen.unwrap_or_default();
        self.talks.push(Talk {
            parties,
            flow: Some(flow),
            protocol,
            handshake: None,
            course,
        });
        self.by_flow.insert(flow, self.talks.len() - 1);
        self.talks.len() - 1
    }

    /// Frames without ports: ICMP, fragments, ARP.
    fn talk_of_addresses(&mut self, frame: &Frame) -> usize {
        let packet = Packet::of(frame.link, &frame.bytes);
        let (from, to) = match &packet {
            Some(packet) => (Some(packet.source), Some(packet.destination)),
            None => (None, None),
        };
        let protocol = packet.as_ref().map(|packet| packet.protocol);
        let key = if from <= to {
            (from, to, protocol)
        } else {
            (to, from, protocol)
        };
        if let Some(talk) = self.by_address.get(&key) {
            return *talk;
        }
        let party = |address: Option<IpAddr>| Party {
            name: String::new(),
            address: address.map_or_else(|| "link".to_owned(), |address| address.to_string()),
            port: None,
        };
        self.talks.push(Talk {
            parties: [party(from), party(to)],
            flow: None,
            protocol,
            handshake: None,
            course: Course::default(),
        });
        self.by_address.insert(key, self.talks.len() - 1);
        self.talks.len() - 1
    }

    /// Who sent a frame, as its talk has it.
    pub fn direction(&self, step: &Step) -> Direction {
        if step.seen.flow.is_some() {
            return step.seen.direction;
        }
        let [one, other] = &self.talks[step.talk].parties;
        // An error goes against what it quotes.
        if let (Some(ports), Some(low), Some(high)) =
            (step.layers.quoted_ports(), one.port, other.port)
            && low != high
        {
            return match ports == (low, high) {
                true => Direction::Backward,
                false => Direction::Forward,
            };
        }
        let source =
            Packet::of(step.frame.link, &step.frame.bytes).map(|packet| packet.source.to_string());
        match source {
            Some(source) if one.host() != source => Direction::Backward,
            _ => Direction::Forward,
        }
    }
}
