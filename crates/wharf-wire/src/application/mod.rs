//! What transports carry: the [`Dissect`] trait, and the three protocols that are
//! everywhere: HTTP/1, DNS and TLS's records.
//!
//! Wharf's own protocols are not known here. Each service implements [`Dissect`] with
//! its own parser, and the command registers them.

mod dns;
mod http;
mod tls;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use tls::is_tls_record;

use crate::field::{Field, Value};
use crate::layers::{Kind, Layer};

/// The longest message that is put together out of a stream; what is longer is data.
/// The longest message of Wharf's own protocols is 1 MiB.
pub const MAX_MESSAGE: usize = 1 << 20;

/// Which transport carries a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// A stream: messages may begin and end anywhere.
    Tcp,
    /// Datagrams: each is a message.
    Udp,
}

/// What is known about a payload besides its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What carries it.
    pub transport: Transport,
    /// The sender's port.
    pub source: u16,
    /// The receiver's port.
    pub destination: u16,
    /// Whether these are all bytes of a datagram, or of a stream from its beginning
    /// or the end of a message on.
    pub is_whole: bool,
    /// The protocol of the last message that was recognised in this conversation, by
    /// the name of what dissected it: a service at another port than its own is known by
    /// its first words, and can claim what follows.
    pub spoken: Option<&'static str>,
    /// What is known about the words of a gate before this conversation.
    pub gate: Gate,
}

/// What is known about the words of a gate, which stand before those of what is behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// Whether there is one is not known.
    #[default]
    Unknown,
    /// So many attempts of the sender come before anything else.
    Attempts(u64),
    /// The sender is the gate, and answers.
    Answers,
    /// It has let the client in: none of its words comes any more.
    Passed,
}

/// What a gate's message means to one who wants to come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// The client asks to be let in.
    Attempt,
    /// The same without an end: what follows may belong to it, as long as there is no answer.
    Beginning,
    /// It is not.
    Denial,
    /// It is.
    Grant,
}

impl Hint {
    /// Whether this conversation spoke the protocol of this name before.
    pub fn spoke(&self, name: &str) -> bool {
        self.spoken == Some(name)
    }

    /// Whether one of the ends has this port.
    pub fn has_port(&self, port: u16) -> bool {
        self.source == port || self.destination == port
    }

    /// The same without ports where TLS is spoken over a stream.
    fn within_tls(&self) -> Hint {
        match self.transport == Transport::Tcp && self.spoke(tls::NAME) {
            true => Hint {
                source: 0,
                destination: 0,
                ..*self
            },
            false => *self,
        }
    }

    /// The same where the end at `port` has the port of this protocol's service.
    fn as_if_at(&self, port: u16, protocol: &dyn Dissect) -> Hint {
        let own = protocol.port().unwrap_or(port);
        let moved = |have: u16| if have == port { own } else { have };
        Hint {
            source: moved(self.source),
            destination: moved(self.destination),
            ..*self
        }
    }
}

/// Takes the messages of one protocol apart. It has no state: the same bytes always
/// give the same answer, whether they come out of a frame or out of a whole stream.
pub trait Dissect: Send + Sync {
    /// The protocol's name as the title of a box: `CHAT`.
    fn name(&self) -> &'static str;

    /// Whether a payload looks like this protocol's, by its ports or its first bytes.
    fn claims(&self, bytes: &[u8], hint: &Hint) -> bool;

    /// Takes the message apart that `bytes` begin with. Arbitrary bytes may come; an
    /// answer of [`Dissected::Foreign`] leaves them to others.
    fn dissect(&self, bytes: &[u8], hint: &Hint) -> Dissected;

    /// The server's port by custom, where [`Dissect::claims`] and [`Dissect::dissect`] ask
    /// for it; see [`Dissectors::decode_as`].
    fn port(&self) -> Option<u16> {
        None
    }

    /// Whether this is a gate: what is said in this protocol comes before another one, and
    /// [`Dissect::passage`] tells what each message means.
    fn is_gate(&self) -> bool {
        false
    }

    /// What a message of a gate means to one who wants to come in.
    fn passage(&self, message: &Message) -> Option<Passage> {
        let _ = message;
        None
    }
}

/// What a [`Dissect`] makes of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dissected {
    /// The bytes begin with a whole message.
    Message(Message),
    /// They begin with a part of one.
    Partial,
    /// They begin with a part of one that has so many bytes in all.
    Needs(usize),
    /// They are something else.
    Foreign,
}

/// A message of an application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// How many bytes it takes; at least one.
    pub len: usize,
    /// What it says, in a few words: `GET /index.html`.
    pub summary: String,
    /// Its parts, in the order of their bytes.
    pub parts: Vec<Part>,
}

/// A part of a message; its bytes are counted from the message's first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// A short name: `method`.
    pub name: &'static str,
    /// The name in the protocol's own document.
    pub rfc_name: Cow<'static, str>,
    /// That document.
    pub spec: &'static str,
    /// Which bytes.
    pub bytes: Range<usize>,
    /// What they hold.
    pub value: Value,
    /// What this means, in words; may be empty.
    pub meaning: Cow<'static, str>,
}

/// The protocols that are known, tried in the order in which they were registered.
#[derive(Clone, Default)]
pub struct Dissectors {
    list: Vec<Arc<dyn Dissect>>,
    /// Those of them that are gates.
    gates: Vec<Arc<dyn Dissect>>,
    /// What is spoken at ports, as somebody said.
    told: Vec<(Option<Transport>, u16, Arc<dyn Dissect>)>,
}

impl fmt::Debug for Dissectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.list.iter().map(|one| one.name()))
            .finish()
    }
}

impl Dissectors {
    /// None at all: every payload is data.
    pub fn none() -> Self {
        Dissectors::default()
    }

    /// HTTP/1, DNS and TLS's records.
    pub fn standard() -> Self {
        let mut all = Dissectors::none();
        all.register(Arc::new(tls::Tls));
        all.register(Arc::new(http::Http));
        all.register(Arc::new(dns::Dns));
        all
    }

    /// Adds a protocol. It is asked before those that were there already.
    pub fn register(&mut self, dissect: Arc<dyn Dissect>) {
        if dissect.is_gate() {
            self.gates.insert(0, Arc::clone(&dissect));
        }
        self.list.insert(0, dissect);
    }

    /// The names of all, in the order in which they are asked.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.list.iter().map(|one| one.name())
    }

    /// The names of those that [`Dissectors::decode_as`] is for: they have a port of their
    /// own, and elsewhere their first words may not tell.
    ///
    /// ```
    /// use wharf_wire::application::Dissectors;
    ///
    /// assert!(Dissectors::standard().with_ports().eq(["DNS"]));
    /// ```
    pub fn with_ports(&self) -> impl Iterator<Item = &'static str> {
        let with = self.list.iter().filter(|one| one.port().is_some());
        with.map(|one| one.name())
    }

    /// Says what is spoken with the server at a port: there this protocol is asked first,
    /// as if the port were its own. `None` stands for both transports. Whether a protocol
    /// of this name was registered.
    ///
    /// ```
    /// use wharf_wire::application::{Dissectors, Transport};
    ///
    /// let mut known = Dissectors::standard();
    /// assert!(known.decode_as(Some(Transport::Udp), 5_300, "DNS"));
    /// assert!(!known.decode_as(None, 7_000, "GOPHER"));
    /// ```
    pub fn decode_as(&mut self, transport: Option<Transport>, port: u16, name: &str) -> bool {
        let found = self.list.iter().find(|one| one.name() == name);
        self.told
            .extend(found.map(|one| (transport, port, Arc::clone(one))));
        found.is_some()
    }

    /// The message that these bytes begin with, or a part of one, and its protocol.
    ///
    /// What looks like a record of TLS over a stream is one, whatever is spoken at its ports:
    /// that may be in the record. Where TLS was spoken before, the ports tell nothing about
    /// the rest of a record either. An attempt at a gate is one whatever it looks like.
    pub fn message(&self, bytes: &[u8], hint: &Hint) -> Option<(&'static str, Dissected)> {
        let is_record = hint.transport == Transport::Tcp && is_tls_record(bytes);
        let tls = self
            .list
            .iter()
            .filter(|one| is_record && one.name() == tls::NAME);
        let tls = tls.map(|one| (one, *hint));
        let hint = &hint.within_tls();
        let told = self.told.iter().filter(|(transport, port, _)| {
            transport.is_none_or(|one| one == hint.transport) && hint.has_port(*port)
        });
        let told = told.map(|(_, port, one)| (one, hint.as_if_at(*port, one.as_ref())));
        let all = self.list.iter().map(|one| (one, *hint));
        let gates = match hint.gate {
            Gate::Attempts(_) => self.gates.as_slice(),
            _ => &[],
        };
        let gates = gates.iter().map(|one| (one, *hint));
        for (one, hint) in tls.chain(gates).chain(told).chain(all) {
            let is_over = hint.gate == Gate::Passed && one.is_gate();
            if is_over || !one.claims(bytes, &hint) {
                continue;
            }
            match one.dissect(bytes, &hint) {
                Dissected::Foreign => {}
                Dissected::Message(message) if message.len == 0 || message.len > bytes.len() => {}
                found => return Some((one.name(), found)),
            }
        }
        None
    }

    /// What is known about the bytes of a sender after this message of the protocol of this
    /// name, if `hint` was known about it.
    pub(crate) fn after(&self, hint: &Hint, name: &'static str, message: &Message) -> Hint {
        let (spoken, gate) = match (self.passage(name, message), hint.gate) {
            (Some(Passage::Grant), _) | (Some(Passage::Attempt), Gate::Attempts(0 | 1)) => {
                (None, Gate::Passed)
            }
            (Some(Passage::Attempt), Gate::Attempts(left)) => {
                (Some(name), Gate::Attempts(left - 1))
            }
            (_, gate) => (Some(name), gate),
        };
        Hint {
            spoken,
            gate,
            ..*hint
        }
    }

    /// What a message of the protocol of this name means at a gate, if that is one.
    pub(crate) fn passage(&self, name: &str, message: &Message) -> Option<Passage> {
        self.gate(name)?.passage(message)
    }

    /// Whether the protocol of this name is a gate before others.
    pub(crate) fn is_gate(&self, name: &str) -> bool {
        self.gate(name).is_some()
    }

    fn gate(&self, name: &str) -> Option<&Arc<dyn Dissect>> {
        self.gates.iter().find(|one| one.name() == name)
    }

    /// The layer for a message at `range` of a frame, and what is known after it.
    pub(crate) fn layer(
        &self,
        frame: &[u8],
        range: Range<usize>,
        hint: &Hint,
    ) -> Option<(Layer, Hint)> {
        let bytes = frame.get(range.clone())?;
        let (name, found) = self.message(bytes, hint)?;
        let mut layer = Layer {
            kind: Kind::Application(name),
            bytes: range.clone(),
            fields: Vec::new(),
            brief: Vec::new(),
            notes: Vec::new(),
            is_quoted: false,
        };
        let mut after = *hint;
        match found {
            Dissected::Message(message) => {
                after = self.after(hint, name, &message);
                layer.bytes.end = range.start + message.len;
                layer.brief.push(message.summary);
                layer.fields = fields(message.parts, range.start);
            }
            _ => {
                layer
                    .notes
                    .push("a part of a message: the rest comes in later segments".into());
                layer
                    .brief
                    .push(crate::field::as_text(bytes).unwrap_or_default());
            }
        }
        Some((layer, after))
    }
}

/// Parts of a message that begins at byte `base` as fields.
pub fn fields(parts: Vec<Part>, base: usize) -> Vec<Field> {
    parts
        .into_iter()
        .map(|part| Field {
            name: part.name,
            rfc_name: part.rfc_name,
            spec: part.spec,
            bits: (base + part.bytes.start) * 8..(base + part.bytes.end) * 8,
            value: part.value,
            meaning: part.meaning,
        })
        .collect()
}

impl Part {
    /// A part that holds text.
    pub fn text(
        name: &'static str,
        spec: &'static str,
        bytes: Range<usize>,
        text: impl Into<String>,
    ) -> Part {
        Part::new(name, spec, bytes, Value::Text(text.into()))
    }

    /// A part that holds a number.
    pub fn number(
        name: &'static str,
        spec: &'static str,
        bytes: Range<usize>,
        number: u64,
    ) -> Part {
        Part::new(name, spec, bytes, Value::Number(number))
    }

    /// A part that is called the same in its document.
    pub fn new(name: &'static str, spec: &'static str, bytes: Range<usize>, value: Value) -> Part {
        Part {
            name,
            rfc_name: name.into(),
            spec,
            bytes,
            value,
            meaning: "".into(),
        }
    }

    /// This part with its meaning in words.
    #[must_use]
    pub fn means(mut self, meaning: impl Into<Cow<'static, str>>) -> Part {
        self.meaning = meaning.into();
        self
    }
}
