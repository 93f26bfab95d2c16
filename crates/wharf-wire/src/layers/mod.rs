//! The headers of a frame, from the link to the application.
//!
//! ```text
//!   link ─▶ (vlan) ─▶ arp
//!                  └▶ ipv4, ipv6 ─▶ (extension headers) ─▶ icmp, udp, tcp ─▶ application
//! ```
//! Each header becomes a [`Layer`]: its bytes, its fields, and what is odd about it.
//! What is cut off or damaged ends the way down with a note, never with a panic.

mod arp;
mod checksum;
mod draft;
mod icmp4;
mod icmp6;
mod ipv4;
mod ipv6;
mod link;
mod names;
mod tcp;
mod udp;

use std::net::IpAddr;
use std::ops::Range;

use crate::application::{Dissectors, Gate, Hint};
use crate::field::{Field, as_text};
use crate::frame::{Frame, Link};

pub(crate) use draft::Draft;
pub use names::{icmp4_name, icmp6_name, protocol_name};
pub use tcp::flag_words;

/// No frame has more headers than this: tunnels in tunnels are cut off here.
pub const MAX_LAYERS: usize = 24;

/// One header, or what a transport carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Which header it is.
    pub kind: Kind,
    /// Its bytes in the frame: the header's alone, without what it carries.
    pub bytes: Range<usize>,
    /// Its fields, in the order of their bits.
    pub fields: Vec<Field>,
    /// What a reader wants first, each part to be kept in one piece.
    pub brief: Vec<String>,
    /// What is odd, damaged or worth knowing about it.
    pub notes: Vec<String>,
    /// Whether it is a header that an ICMP error quotes, and not one that carries
    /// this frame.
    pub is_quoted: bool,
}

impl Layer {
    /// The field with this short name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    /// The number in the field with this short name.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.value.number()
    }
}

/// Which header a layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Ethernet II, or IEEE 802.3 where the type is a length.
    Ethernet,
    /// A tag of IEEE 802.1Q.
    Vlan,
    /// The address family of BSD loopback.
    Loopback,
    /// Linux cooked capture, version 1.
    Cooked,
    /// Linux cooked capture, version 2.
    Cooked2,
    /// Address Resolution Protocol.
    Arp,
    /// Internet Protocol version 4.
    Ipv4,
    /// Internet Protocol version 6.
    Ipv6,
    /// Hop-by-Hop Options of IPv6.
    HopByHop,
    /// Destination Options of IPv6.
    Destination,
    /// Routing header of IPv6.
    Routing,
    /// Fragment header of IPv6.
    Fragment,
    /// Authentication Header of IPsec.
    Authentication,
    /// ICMP for IPv4.
    Icmp4,
    /// ICMP for IPv6.
    Icmp6,
    /// User Datagram Protocol.
    Udp,
    /// Transmission Control Protocol.
    Tcp,
    /// A message of an application, by the name of what dissected it.
    Application(&'static str),
    /// What stands encrypted in the layer before, as one who has the keys tells it
    /// ([`Trace::reveal`](crate::trace::Trace::reveal)). No byte of the frame is its.
    Plaintext,
    /// Bytes that nobody takes apart.
    Data,
    /// Bytes behind the end of the packet: Ethernet frames have at least 60.
    Padding,
}

/// What a layer does for the one above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Over one link.
    Link,
    /// From machine to machine.
    Network,
    /// From process to process.
    Transport,
    /// What the processes say to each other.
    Application,
}

impl Kind {
    /// The name for a box's title.
    pub fn title(self) -> &'static str {
        match self {
            Kind::Ethernet => "ETHERNET II",
            Kind::Vlan => "VLAN TAG",
            Kind::Loopback => "LOOPBACK",
            Kind::Cooked => "LINUX COOKED",
            Kind::Cooked2 => "LINUX COOKED v2",
            Kind::Arp => "ARP",
            Kind::Ipv4 => "IPv4",
            Kind::Ipv6 => "IPv6",
            Kind::HopByHop => "IPv6 HOP-BY-HOP OPTIONS",
            Kind::Destination => "IPv6 DESTINATION OPTIONS",
            Kind::Routing => "IPv6 ROUTING",
            Kind::Fragment => "IPv6 FRAGMENT",
            Kind::Authentication => "AUTHENTICATION HEADER",
            Kind::Icmp4 => "ICMP",
            Kind::Icmp6 => "ICMPv6",
            Kind::Udp => "UDP",
            Kind::Tcp => "TCP",
            Kind::Application(name) => name,
            Kind::Plaintext => "PLAINTEXT",
            Kind::Data => "DATA",
            Kind::Padding => "PADDING",
        }
    }

    /// The short name, for the bar and for machines.
    pub fn short(self) -> &'static str {
        match self {
            Kind::Ethernet => "eth",
            Kind::Vlan => "vlan",
            Kind::Loopback => "lo",
            Kind::Cooked => "sll",
            Kind::Cooked2 => "sll2",
            Kind::Arp => "arp",
            Kind::Ipv4 => "ip",
            Kind::Ipv6 => "ip6",
            Kind::HopByHop => "hop",
            Kind::Destination => "dst",
            Kind::Routing => "route",
            Kind::Fragment => "frag",
            Kind::Authentication => "ah",
            Kind::Icmp4 => "icmp",
            Kind::Icmp6 => "icmp6",
            Kind::Udp => "udp",
            Kind::Tcp => "tcp",
            Kind::Plaintext => "plain",
            Kind::Application(_) | Kind::Data => "data",
            Kind::Padding => "pad",
        }
    }

    /// Which stage of the journey it belongs to.
    pub fn stage(self) -> Stage {
        match self {
            Kind::Ethernet
            | Kind::Vlan
            | Kind::Loopback
            | Kind::Cooked
            | Kind::Cooked2
            | Kind::Arp
            | Kind::Padding => Stage::Link,
            Kind::Ipv4
            | Kind::Ipv6
            | Kind::HopByHop
            | Kind::Destination
            | Kind::Routing
            | Kind::Fragment
            | Kind::Authentication
            | Kind::Icmp4
            | Kind::Icmp6 => Stage::Network,
            Kind::Udp | Kind::Tcp => Stage::Transport,
            Kind::Application(_) | Kind::Plaintext | Kind::Data => Stage::Application,
        }
    }
}

/// A frame taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// The headers, outermost first; together they cover every byte.
    pub list: Vec<Layer>,
}

impl Layers {
    /// Takes a frame apart.
    pub fn of(frame: &Frame, dissectors: &Dissectors) -> Layers {
        Layers::within(frame, dissectors, None)
    }

    /// The same for a frame of a conversation in which this protocol was recognised
    /// ([`Hint::spoken`]).
    pub fn within(frame: &Frame, dissectors: &Dissectors, spoken: Option<&'static str>) -> Layers {
        let past = Past {
            spoken,
            ..Past::default()
        };
        Layers::after(frame, dissectors, past)
    }

    /// The same where more is known about what was said before.
    pub(crate) fn after(frame: &Frame, dissectors: &Dissectors, past: Past) -> Layers {
        walk(
            frame.link,
            &frame.bytes,
            frame.original_len,
            dissectors,
            past,
        )
    }

    /// The first layer of this kind that is not quoted.
    pub fn find(&self, kind: Kind) -> Option<&Layer> {
        let mut own = self.list.iter().filter(|layer| !layer.is_quoted);
        own.find(|layer| layer.kind == kind)
    }

    /// The application's bytes of this frame, message or not.
    pub fn payload(&self) -> Option<&Layer> {
        let mut own = self.list.iter().filter(|layer| !layer.is_quoted);
        own.find(|layer| layer.kind.stage() == Stage::Application)
    }

    /// The innermost layer that is neither quoted, nor data, nor padding.
    pub fn top(&self) -> Option<&Layer> {
        let mut own = self.list.iter().rev().filter(|layer| !layer.is_quoted);
        own.find(|layer| !matches!(layer.kind, Kind::Data | Kind::Padding))
    }

    /// The ports of the packet that an ICMP error quotes, its sender's first.
    pub fn quoted_ports(&self) -> Option<(u16, u16)> {
        let mut quoted = self.list.iter().filter(|layer| layer.is_quoted);
        let header = quoted.find(|layer| matches!(layer.kind, Kind::Tcp | Kind::Udp))?;
        let port = |name| u16::try_from(header.number(name)?).ok();
        Some((port("src port")?, port("dst port")?))
    }

    /// The layer and field that a byte of the frame belongs to.
    pub fn at(&self, byte: usize) -> Option<(&Layer, Option<&Field>)> {
        let layer = self
            .list
            .iter()
            .rev()
            .find(|layer| layer.bytes.contains(&byte))?;
        // The narrowest of several: an option inside of the options.
        let mut fields: Vec<&Field> = layer.fields.iter().collect();
        fields.sort_by_key(|field| field.bits.len());
        let field = fields
            .into_iter()
            .find(|field| field.bytes().contains(&byte));
        Some((layer, field))
    }
}

/// Takes bytes apart that begin with a header of `link`; `original_len` is how many
/// there were on the link.
pub fn dissect(link: Link, bytes: &[u8], original_len: usize, dissectors: &Dissectors) -> Layers {
    walk(link, bytes, original_len, dissectors, Past::default())
}

/// What the data of a frame are known to follow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// See [`Hint::spoken`].
    pub(crate) spoken: Option<&'static str>,
    /// What is known about a gate's words behind those that begin the data.
    pub(crate) gate: Gate,
    /// How many bytes of the data are words of a gate, and which ones.
    pub(crate) gate_bytes: usize,
    /// See `gate_bytes`.
    pub(crate) gate_words: Gate,
}

fn walk(
    link: Link,
    bytes: &[u8],
    original_len: usize,
    dissectors: &Dissectors,
    past: Past,
) -> Layers {
    let mut walk = Walk {
        frame: bytes,
        end: bytes.len(),
        is_cut: original_len > bytes.len(),
        dissectors,
        layers: Layers::default(),
        is_quoted: false,
        past,
    };
    link::link(&mut walk, link);
    walk.finish();
    walk.layers
}

/// The way from the outermost header inwards.
pub(crate) struct Walk<'a> {
    frame: &'a [u8],
    /// Where the packet ends, which may be before the frame does.
    end: usize,
    /// Whether the capture kept less than there was.
    is_cut: bool,
    dissectors: &'a Dissectors,
    layers: Layers,
    is_quoted: bool,
    past: Past,
}

/// What IP says to the header that it carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carrier {
    source: IpAddr,
    destination: IpAddr,
    /// Bytes from the beginning of the transport header to the packet's end.
    len: usize,
    /// Whether this is one piece of several, or was cut off: a checksum over the
    /// whole cannot be verified then.
    is_partial: bool,
}

impl<'a> Walk<'a> {
    /// Starts a header of at least `least` bytes at `at`; without them what is left
    /// is data, with a note.
    fn draft(
        &mut self,
        kind: Kind,
        spec: &'static str,
        at: usize,
        least: usize,
    ) -> Option<Draft<'a>> {
        let left = self.end.saturating_sub(at);
        if left < least || self.layers.list.len() >= MAX_LAYERS {
            let why = if self.layers.list.len() >= MAX_LAYERS {
                format!("more than {MAX_LAYERS} headers: the rest is not taken apart")
            } else {
                let whose = if self.is_cut || self.is_quoted {
                    "was kept"
                } else {
                    "is there"
                };
                format!(
                    "{} needs {least} bytes, only {left} of it {whose}",
                    kind.title()
                )
            };
            self.data(at, vec![why]);
            return None;
        }
        Some(Draft::new(&self.frame[..self.end], kind, spec, at))
    }

    /// Takes a finished header in.
    fn push(&mut self, mut layer: Layer) {
        layer.is_quoted = self.is_quoted;
        self.layers.list.push(layer);
    }

    /// What follows is not taken apart.
    fn data(&mut self, at: usize, notes: Vec<String>) {
        if at >= self.end && notes.is_empty() {
            return;
        }
        let at = at.min(self.end);
        let layer = data_layer(&self.frame[..self.end], at..self.end, notes);
        self.push(layer);
    }

    /// What a transport carries.
    fn payload(&mut self, at: usize, hint: Hint) {
        let gate_end = match self.past.gate_bytes {
            0 => None,
            words => Some(at.saturating_add(words)),
        };
        self.messages(at, gate_end, hint);
    }

    /// The messages from `at` on; before `gate_end` they are words of a gate.
    fn messages(&mut self, at: usize, mut gate_end: Option<usize>, mut hint: Hint) {
        if at >= self.end {
            return;
        }
        if let Some(end) = gate_end {
            hint.gate = match at < end {
                true => self.past.gate_words,
                false => self.past.gate,
            };
            gate_end = gate_end.filter(|end| at < *end);
        }
        if !self.is_quoted
            && let Some((layer, after)) =
                self.dissectors
                    .layer(&self.frame[..self.end], at..self.end, &hint)
        {
            let next = layer.bytes.end;
            self.push(layer);
            // Further messages in the same segment, and what is left of one.
            if next < self.end && self.layers.list.len() < MAX_LAYERS {
                return self.messages(next, gate_end, after);
            }
            if next < self.end {
                self.data(next, Vec::new());
            }
            return;
        }
        self.data(at, Vec::new());
    }

    /// Behind the packet's end the frame may have padding.
    fn finish(&mut self) {
        self.is_quoted = false;
        let covered = self.layers.list.iter().map(|layer| layer.bytes.end).max();
        let from = covered.unwrap_or(0).max(self.end).min(self.frame.len());
        if from < self.frame.len() {
            let mut layer = data_layer(self.frame, from..self.frame.len(), Vec::new());
            layer.kind = Kind::Padding;
            layer.notes.push(
                "behind the packet's end: fills the frame up, or the link's own trailer".into(),
            );
            self.push(layer);
        }
    }
}

fn data_layer(frame: &[u8], bytes: Range<usize>, notes: Vec<String>) -> Layer {
    let mut draft = Draft::new(frame, Kind::Data, "", bytes.start);
    if !bytes.is_empty() {
        draft.bytes("data", "Data", 0..bytes.len());
    }
    let content = &frame[bytes.clone()];
    let mut layer = draft.finish(bytes.len());
    layer.brief.push(as_text(content).unwrap_or_default());
    layer.notes = notes;
    layer
}
