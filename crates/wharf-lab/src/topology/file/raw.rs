//! What can be written in a file, with the places for the mistakes.

use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use toml::Spanned;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) seed: Option<u64>,
    #[serde(rename = "for")]
    pub(super) span: Option<Spanned<String>>,
    pub(super) defaults: Option<RawLink>,
    #[serde(default)]
    pub(super) host: Vec<RawNode>,
    #[serde(default)]
    pub(super) switch: Vec<RawNode>,
    #[serde(default)]
    pub(super) router: Vec<RawNode>,
    #[serde(default)]
    pub(super) hub: Vec<RawNode>,
    #[serde(default)]
    pub(super) bus: Vec<RawNode>,
    #[serde(default)]
    pub(super) link: Vec<Spanned<RawLink>>,
    #[serde(default)]
    pub(super) changes: Vec<Spanned<String>>,
    #[serde(default)]
    pub(super) client: Vec<RawClient>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawNode {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) serve: Vec<Spanned<RawServe>>,
    pub(super) spanning_tree: Option<Spanned<bool>>,
    pub(super) rate: Option<Spanned<String>>,
    pub(super) spacing: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct RawLink {
    pub(super) ends: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) medium: Option<Spanned<String>>,
    pub(super) rate: Option<Spanned<String>>,
    pub(super) delay: Option<Spanned<String>>,
    pub(super) jitter: Option<Spanned<String>>,
    pub(super) loss: Option<Spanned<String>>,
    pub(super) duplicate: Option<Spanned<String>>,
    pub(super) reorder: Option<Spanned<String>>,
    pub(super) hold_back: Option<Spanned<String>>,
    pub(super) corrupt: Option<Spanned<String>>,
    pub(super) queue: Option<Spanned<String>>,
    pub(super) mtu: Option<Spanned<usize>>,
    pub(super) burst: Option<RawBurst>,
    pub(super) back: Option<Box<RawLink>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBurst {
    pub(super) every: Spanned<String>,
    pub(super) lasting: Spanned<String>,
    pub(super) loss: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClient {
    pub(super) host: Spanned<String>,
    pub(super) connect: Spanned<String>,
    #[serde(default)]
    pub(super) send: RawSend,
    pub(super) count: Option<Spanned<usize>>,
    pub(super) every: Option<Spanned<String>>,
    pub(super) start: Option<Spanned<String>>,
}

/// A service: `"echo tcp::7"`, or a table where there is more to say.
pub(super) enum RawServe {
    Words(String),
    Table(RawService),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawService {
    pub(super) service: String,
    pub(super) address: Option<String>,
    pub(super) password: Option<String>,
}

impl<'de> Deserialize<'de> for RawServe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = RawServe;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"echo tcp::7\" or { service = \"echo\", address = \"tcp::7\" }")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<RawServe, E> {
                Ok(RawServe::Words(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawServe, A::Error> {
                RawService::deserialize(MapAccessDeserializer::new(map)).map(RawServe::Table)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// One line, or several.
#[derive(Default)]
pub(super) struct RawSend(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for RawSend {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;
        impl<'de> Visitor<'de> for OneOrMore {
            type Value = RawSend;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<RawSend, E> {
                Ok(RawSend(vec![text.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<RawSend, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(RawSend)
            }
        }
        deserializer.deserialize_any(OneOrMore)
    }
}
