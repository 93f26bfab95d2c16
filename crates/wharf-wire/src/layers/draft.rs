//! Writing a layer down: each field is named together with its bits, and its value
//! is read from just these.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::{Kind, Layer};
use crate::field::{Field, Value, bits_of};

/// A layer in the making. Bits and bytes are counted from the header's beginning.
pub(crate) struct Draft<'a> {
    frame: &'a [u8],
    at: usize,
    spec: &'static str,
    layer: Layer,
}

/// The field that was written last.
pub(crate) struct Written<'d> {
    field: Option<&'d mut Field>,
    value: u64,
}

impl Written<'_> {
    /// Says what the value means.
    pub(crate) fn means<M: Into<Cow<'static, str>>>(self, meaning: impl FnOnce(u64) -> M) -> u64 {
        if let Some(field) = self.field {
            field.meaning = meaning(self.value).into();
        }
        self.value
    }

    /// The value, where it needs no words.
    pub(crate) fn get(self) -> u64 {
        self.value
    }
}

impl<'a> Draft<'a> {
    pub(crate) fn new(frame: &'a [u8], kind: Kind, spec: &'static str, at: usize) -> Self {
        let layer = Layer {
            kind,
            bytes: at..at,
            fields: Vec::with_capacity(usual_fields(kind)),
            brief: Vec::new(),
            notes: Vec::new(),
            is_quoted: false,
        };
        Draft {
            frame,
            at,
            spec,
            layer,
        }
    }

    /// Fields that follow are defined in another document.
    pub(crate) fn spec(&mut self, spec: &'static str) {
        self.spec = spec;
    }

    /// All bytes from the header's beginning.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.frame.get(self.at..).unwrap_or_default()
    }

    /// A number for people; 0 if its bits are not there.
    pub(crate) fn number(
        &mut self,
        name: &'static str,
        rfc: &'static str,
        bits: Range<usize>,
    ) -> Written<'_> {
        self.push(name, rfc, bits, Value::Number)
    }

    /// A number in hexadecimal.
    pub(crate) fn hex(
        &mut self,
        name: &'static str,
        rfc: &'static str,
        bits: Range<usize>,
    ) -> Written<'_> {
        let digits = bits.len().div_ceil(4);
        self.push(name, rfc, bits, |number| Value::Hex(number, digits))
    }

    /// A single bit.
    pub(crate) fn flag(
        &mut self,
        name: &'static str,
        rfc: &'static str,
        bit: usize,
    ) -> Written<'_> {
        self.push(name, rfc, bit..bit + 1, |number| Value::Flag(number == 1))
    }

    fn push(
        &mut self,
        name: &'static str,
        rfc: &'static str,
        bits: Range<usize>,
        value: impl FnOnce(u64) -> Value,
    ) -> Written<'_> {
        let bits = self.at * 8 + bits.start..self.at * 8 + bits.end;
        match bits_of(self.frame, bits.clone()) {
            None => Written {
                field: None,
                value: 0,
            },
            Some(number) => {
                let field = self.field(name, rfc.into(), bits, value(number));
                Written {
                    field: Some(field),
                    value: number,
                }
            }
        }
    }

    /// An address of Ethernet.
    pub(crate) fn mac(
        &mut self,
        name: &'static str,
        rfc: &'static str,
        at: usize,
    ) -> Option<[u8; 6]> {
        let bytes: [u8; 6] = self.take(at)?;
        let meaning = match bytes {
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => "everybody on this link (broadcast)",
            [0, 0, 0, 0, 0, 0] => "none: loopback has no hardware",
            [0x33, 0x33, ..] => "a group of IPv6 (multicast)",
            [0x01, 0x00, 0x5e, ..] => "a group of IPv4 (multicast)",
            [first, ..] if first & 1 == 1 => "a group (multicast)",
            [first, ..] if first & 2 == 2 => "locally administered: made up by software",
            _ => "",
        };
        let field = self.whole(name, rfc, at..at + 6, Value::Mac(bytes));
        field.meaning = meaning.into();
        Some(bytes)
    }

    /// An IPv4 address.
    pub(crate) fn v4(
        &mut self,
        name: &'static str,
        rfc: &'static str,
        at: usize,
    ) -> Option<Ipv4Addr> {
        let address = Ipv4Addr::from(self.take::<4>(at)?);
        let field = self.whole(name, rfc, at..at + 4, Value::V4(address));
        field.meaning = v4_meaning(address).into();
        Some(address)
    }

    /// An IPv6 address.
    pub(crate) fn v6(
        &mut self,
        name: &'static str,
        rfc: &'static str,
        at: usize,
    ) -> Option<Ipv6Addr> {
        let address = Ipv6Addr::from(self.take::<16>(at)?);
        let field = self.whole(name, rfc, at..at + 16, Value::V6(address));
        field.meaning = v6_meaning(address).into();
        Some(address)
    }

    /// Bytes without a structure.
    pub(crate) fn bytes(
        &mut self,
        name: &'static str,
        rfc: &'static str,
        range: Range<usize>,
    ) -> Written<'_> {
        let Some(bytes) = self.rest().get(range.clone()) else {
            return Written {
                field: None,
                value: 0,
            };
        };
        let bytes = bytes.to_vec();
        let field = self.whole(name, rfc, range, Value::Bytes(bytes));
        Written {
            field: Some(field),
            value: 0,
        }
    }

    /// A value that somebody else read out of these bytes.
    pub(crate) fn whole(
        &mut self,
        name: &'static str,
        rfc: &'static str,
        range: Range<usize>,
        value: Value,
    ) -> &mut Field {
        let bits = (self.at + range.start) * 8..(self.at + range.end) * 8;
        self.field(name, rfc.into(), bits, value)
    }

    fn field(
        &mut self,
        name: &'static str,
        rfc_name: Cow<'static, str>,
        bits: Range<usize>,
        value: Value,
    ) -> &mut Field {
        let field = Field {
            name,
            rfc_name,
            spec: self.spec,
            bits,
            value,
            meaning: Cow::Borrowed(""),
        };
        self.layer.fields.push(field);
        let last = self.layer.fields.len() - 1;
        &mut self.layer.fields[last]
    }

    fn take<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.rest().get(at..at + N)?.try_into().ok()
    }

    /// The two bytes that an option begins with, at `at`: what it is, and how long, each with
    /// its words.
    pub(crate) fn option(
        &mut self,
        at: usize,
        what: impl Into<Cow<'static, str>>,
        counted: &'static str,
    ) {
        self.number("option kind", "Kind", at * 8..at * 8 + 8)
            .means(|_| what);
        self.number("option length", "Length", at * 8 + 8..at * 8 + 16)
            .means(|_| counted);
    }

    /// Adds a part of the short form.
    pub(crate) fn brief(&mut self, part: impl Into<String>) {
        self.layer.brief.push(part.into());
    }

    /// Adds a note.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.layer.notes.push(note.into());
    }

    /// The layer, `len` bytes long or as many as there are.
    pub(crate) fn finish(mut self, len: usize) -> Layer {
        let end = (self.at + len).min(self.frame.len());
        self.layer.bytes = self.at..end.max(self.at);
        self.layer
    }
}

/// How many fields a header usually has: growing step by step would copy most of them.
fn usual_fields(kind: Kind) -> usize {
    match kind {
        Kind::Tcp => 32,
        Kind::Ipv4 => 16,
        Kind::Data | Kind::Padding => 1,
        Kind::Ethernet | Kind::Udp => 4,
        _ => 8,
    }
}

fn v4_meaning(address: Ipv4Addr) -> &'static str {
    if address.is_loopback() {
        "this machine itself"
    } else if address.is_private() {
        "private: not routed in the internet"
    } else if address.is_broadcast() {
        "everybody on this link (broadcast)"
    } else if address.is_multicast() {
        "a group (multicast)"
    } else if address.is_link_local() {
        "link-local: valid on this link only"
    } else if address.is_unspecified() {
        "no address yet"
    } else {
        ""
    }
}

fn v6_meaning(address: Ipv6Addr) -> &'static str {
    if address.is_loopback() {
        "this machine itself"
    } else if address.is_multicast() {
        "a group (multicast)"
    } else if address.is_unicast_link_local() {
        "link-local: valid on this link only"
    } else if address.is_unique_local() {
        "unique local: not routed in the internet"
    } else if address.is_unspecified() {
        "no address yet"
    } else {
        ""
    }
}
