//! The model behind every picture: frames, the calls that caused them, and who spoke.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::application::Dissectors;
use crate::conversation::{Direction, Limits, Note, Seen, State, StreamMessage, Streams, Tracker};
use crate::field::Value;
use crate::frame::{Frame, Origin, Timestamp};
use crate::layers::{Kind, Layers};
use crate::packet::Packet;

/// What the hardware addresses 00:00:00:00:00:00 mean.
const LOOPBACK: &str = "loopback: the Ethernet header with addresses of zeros is made up, there is no wire; \
                        one frame may carry 64 KiB, where a wire's ends at 1514 bytes";

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
    /// The time of the handshake, as far as it was seen.
    pub handshake: Option<Duration>,
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
            name => format!("{name} {}", self.address),
        }
    }

    /// Short: `client:51876`, or the address.
    pub fn short(&self) -> String {
        match (self.name.as_str(), self.port) {
            ("", _) => self.address.clone(),
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
    dissectors: Dissectors,
    tracker: Tracker,
    streams: Streams,
    by_flow: BTreeMap<u64, usize>,
    by_address: BTreeMap<Addresses, usize>,
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
            dissectors,
            tracker: Tracker::new(Limits::default()),
            streams: Streams::default(),
            by_flow: BTreeMap::new(),
            by_address: BTreeMap::new(),
        }
    }

    /// Takes the next frame in; gives its place in [`Trace::steps`].
    pub fn push(&mut self, frame: Frame) -> usize {
        let seen = self
            .tracker
            .see(frame.at, frame.link, &frame.bytes, frame.original_len);
        let mut layers = Layers::of(&frame, &self.dissectors);
        for (name, value) in &frame.kernel {
            // The frame stays what it is; only this line comes from the kernel.
            if let Some(layer) = layers.list.iter_mut().find(|layer| layer.kind == Kind::Tcp) {
                layer.notes.push(format!("from the kernel: {name} {value}"));
            }
        }
        self.note_loopback(&layers);
        let talk = match seen.flow {
            Some(flow) => self.talk_of_flow(flow),
            None => self.talk_of_addresses(&frame),
        };
        if let Some(flow) = seen.flow.and_then(|id| self.tracker.flow(id)) {
            let whole = self
                .streams
                .take(flow, &seen, &frame.bytes, &self.dissectors);
            self.messages.extend(whole);
            self.talks[talk].handshake = flow.handshake;
        }
        self.steps.push(Step {
            frame,
            layers,
            seen,
            talk,
        });
        self.steps.len() - 1
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
        let rest = self.streams.finish();
        self.messages.extend(rest);
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
    fn note_loopback(&mut self, layers: &Layers) {
        let Some(ethernet) = layers.find(Kind::Ethernet) else {
            return;
        };
        let is_empty = |name| {
            ethernet
                .field(name)
                .is_some_and(|field| field.value == Value::Mac([0; 6]))
        };
        if is_empty("dst") && is_empty("src") && !self.notes.iter().any(|note| note == LOOPBACK) {
            self.notes.push(LOOPBACK.to_owned());
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
        self.talks.push(Talk {
            parties,
            flow: Some(flow),
            protocol,
            handshake: None,
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
        });
        self.by_address.insert(key, self.talks.len() - 1);
        self.talks.len() - 1
    }

    /// Who sent a frame, as its talk has it.
    pub fn direction(&self, step: &Step) -> Direction {
        if step.seen.flow.is_some() {
            return step.seen.direction;
        }
        let source =
            Packet::of(step.frame.link, &step.frame.bytes).map(|packet| packet.source.to_string());
        match source {
            Some(source) if self.talks[step.talk].parties[0].address != source => {
                Direction::Backward
            }
            _ => Direction::Forward,
        }
    }
}
