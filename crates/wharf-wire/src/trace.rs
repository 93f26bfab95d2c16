//! The model behind every picture: frames, the calls that caused them, and who spoke.

mod adopt;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::application::{Dissected, Dissectors, Hint, Message, Transport};
use crate::conversation::{Direction, Limits, Note, Seen, State, StreamMessage, Streams, Tracker};
use crate::field::Value;
use crate::frame::{Fate, Frame, Origin, Timestamp};
use crate::layers::{Kind, Layer, Layers, Stage};
use crate::packet::Packet;

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
    /// The protocol of the first message that was recognised, by its name; or that of a gate
    /// before it, see [`Dissect::comes_first`](crate::application::Dissect::comes_first).
    pub began: Option<&'static str>,
    /// The protocol in which it goes on after the last one that was.
    pub speaks: Option<&'static str>,
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
            name if self.port == Some(0) => format!("{name} {}:?", self.host()),
            name => format!("{name} {}", self.address),
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

/// What a TLS record holds, told by one who has the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inside {
    /// The record as it was on the link, its header first.
    pub record: Vec<u8>,
    /// What it is, in words: `a message of the handshake`.
    pub words: &'static str,
    /// What the application said in it; empty where it is TLS's own.
    pub plaintext: Vec<u8>,
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
        }
    }

    /// Takes the next frame in; gives its place in [`Trace::steps`].
    pub fn push(&mut self, frame: Frame) -> usize {
        let see = match frame.fate {
            // A damaged segment fails its checksum: its receiver drops it. (Not if the bit
            // stands where none counts: in the address that the frame comes from, or in
            // IPv6's traffic class, flow label or hop limit.)
            Fate::Dropped(_) | Fate::Damaged(_) => Tracker::see_lost,
            _ => Tracker::see,
        };
        let seen = see(
            &mut self.tracker,
            frame.at,
            frame.link,
            &frame.bytes,
            frame.original_len,
        );
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

    /// What a frame says, in its layers and to its stream.
    fn take_apart(&mut self, frame: &Frame, seen: &Seen, talk: usize) -> Layers {
        let mut spoken = self.talks[talk].speaks;
        let mut first = None;
        if let Some(flow) = seen.flow.and_then(|id| self.tracker.flow(id)) {
            let whole = self
                .streams
                .take(flow, seen, &frame.bytes, &self.dissectors, spoken);
            let known = &mut self.talks[talk];
            known.handshake = flow.handshake;
            for message in &whole {
                let Some(name) = message.protocol else {
                    continue;
                };
                // What is behind a gate may be said, and known, before the gate's answer.
                if known.began.is_none() || self.dissectors.comes_first(name) {
                    known.began = Some(name);
                }
                known.speaks = self.dissectors.spoken_after(name, &message.message);
                first = first.or(Some(name));
            }
            // What the frame says is known by its own words, too; they follow each other as
            // in the stream.
            spoken = first.or(spoken);
            self.list(whole);
        }
        let mut layers = Layers::within(frame, &self.dissectors, spoken);
        for (name, value) in &frame.kernel {
            // The frame stays what it is; only this line comes from the kernel.
            if let Some(layer) = layers.list.iter_mut().find(|layer| layer.kind == Kind::Tcp) {
                layer.notes.push(format!("from the kernel: {name} {value}"));
            }
        }
        layers
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
            talk.speaks = talk.began;
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
            began: None,
            speaks: None,
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
        self.list(rest);
        let is_unknown = |message: &StreamMessage| {
            let talk = self
                .by_flow
                .get(&message.flow)
                .map(|talk| &self.talks[*talk]);
            message.protocol.is_none() && talk.is_some_and(|talk| talk.began.is_some())
        };
        if self.steps.len() == self.pushed && self.messages.iter().any(is_unknown) {
            self.revise();
        }
        if self.unlisted > 0 {
            self.notes.push(format!(
                "{} messages are not listed: there are more than {MAX_MESSAGES}",
                self.unlisted
            ));
        }
    }

    /// Adds to TLS's records what is in them. It stands in a layer of its own, which says
    /// that no link ever had it; records that were not seen are passed over. To be called
    /// after [`Trace::finish`].
    pub fn reveal(&mut self, insides: &[Inside]) {
        let known: BTreeMap<&[u8], &Inside> = insides
            .iter()
            .map(|inside| (inside.record.as_slice(), inside))
            .collect();
        let mut messages = Vec::with_capacity(self.messages.len());
        for mut record in std::mem::take(&mut self.messages) {
            let inside = known.get(record.bytes.as_slice());
            let Some(inside) = inside.filter(|_| record.protocol == Some("TLS")) else {
                messages.push(record);
                continue;
            };
            record.message.summary += &format!(": {}", inside.words);
            let said = self.said_inside(&record, &inside.plaintext);
            self.add_inside(&record, inside, &said);
            messages.push(record);
            messages.extend(said);
        }
        self.messages = messages;
    }

    /// The messages in a record's plaintext.
    fn said_inside(&self, record: &StreamMessage, plaintext: &[u8]) -> Vec<StreamMessage> {
        let ports = self.by_flow.get(&record.flow).map(|talk| {
            let parties = &self.talks[*talk].parties;
            let port = |side: Direction| parties[side.index()].port.unwrap_or_default();
            (port(record.direction), port(record.direction.other()))
        });
        let (source, destination) = ports.unwrap_or_default();
        let hint = Hint {
            transport: Transport::Tcp,
            source,
            destination,
            is_whole: true,
            spoken: None,
        };
        let mut said = Vec::new();
        let mut rest = plaintext;
        while !rest.is_empty() {
            let (protocol, message) = match self.dissectors.message(rest, &hint) {
                Some((name, Dissected::Message(message))) => (Some(name), message),
                _ => {
                    let len = rest.len();
                    (
                        None,
                        Message {
                            len,
                            ..Message::default()
                        },
                    )
                }
            };
            let (bytes, after) = rest.split_at(message.len);
            rest = after;
            said.push(StreamMessage {
                protocol,
                message,
                bytes: bytes.to_vec(),
                lost: 0,
                inside: Some("TLS"),
                ..record.clone()
            });
        }
        said
    }

    /// The layer behind the record in the frame that completed it.
    fn add_inside(&mut self, record: &StreamMessage, inside: &Inside, said: &[StreamMessage]) {
        let Some(number) = record.frames.last() else {
            return;
        };
        let mut steps = self.steps.iter_mut();
        let Some(step) = steps.find(|step| step.number() == *number) else {
            return;
        };
        let is_tls = |layer: &Layer| layer.kind == Kind::Application("TLS");
        let is_it = |layer: &Layer| {
            is_tls(layer) && step.frame.bytes.get(layer.bytes.clone()) == Some(&record.bytes[..])
        };
        let layers = &mut step.layers.list;
        let place = layers.iter().position(is_it);
        // Of a record in several segments a frame shows only a piece.
        let place = place.or_else(|| {
            layers
                .iter()
                .rposition(|layer| layer.kind.stage() == Stage::Application)
        });
        let Some(place) = place else {
            return;
        };
        if let Some(first) = layers[place].brief.first_mut()
            && !first.is_empty()
        {
            *first += &format!(": {}", inside.words);
        }
        if said.is_empty() {
            return;
        }
        let end = layers[place].bytes.end;
        let size = inside.plaintext.len();
        let words = |one: &StreamMessage| match (one.protocol, one.message.summary.as_str()) {
            (Some(name), summary) if !summary.is_empty() => format!("{name}: {summary}"),
            _ => crate::view::content(&one.bytes),
        };
        layers.insert(
            place + 1,
            Layer {
                kind: Kind::Plaintext,
                bytes: end..end,
                fields: Vec::new(),
                brief: said.iter().map(words).collect(),
                notes: vec![format!(
                    "{size} bytes that were on no link: this program is one of the two ends and has the \
                     keys; whoever looks at the link sees the record above"
                )],
                is_quoted: false,
            },
        );
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
        self.talks.push(Talk {
            parties,
            flow: Some(flow),
            protocol,
            handshake: None,
            began: None,
            speaks: None,
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
            began: None,
            speaks: None,
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
