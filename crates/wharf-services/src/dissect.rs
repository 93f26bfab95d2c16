//! The services' messages as [`wharf_wire`] shows them: each taken apart by the
//! service's own parser.

use std::sync::Arc;

use wharf::framing::{Decoder, Framing, Limits};
use wharf_wire::application::{Dissect, Dissected, Hint, MAX_MESSAGE, Message, Part};
use wharf_wire::field::{Value, as_text};

use crate::chat::DissectChat;

/// Every protocol of these services that has a grammar.
pub fn all() -> Vec<Arc<dyn Dissect>> {
    vec![Arc::new(DissectChat)]
}

/// Messages with a framing: which one cannot be seen from the bytes, so it must be said.
#[derive(Clone, Debug)]
pub struct Framed {
    framing: Framing,
}

impl Framed {
    /// Takes every payload for messages with this framing.
    pub fn new(framing: Framing) -> Self {
        Framed { framing }
    }
}

impl Dissect for Framed {
    fn name(&self) -> &'static str {
        "MESSAGE"
    }

    fn claims(&self, _: &[u8], _: &Hint) -> bool {
        self.framing != Framing::Raw
    }

    fn dissect(&self, bytes: &[u8], _: &Hint) -> Dissected {
        let limits = Limits {
            max_message: MAX_MESSAGE,
            ..Limits::default()
        };
        let mut decoder = Decoder::new(&self.framing, limits);
        let mut input = bytes;
        let content = match decoder.next(&mut input) {
            None => return Dissected::Partial,
            Some(Err(_)) => return Dissected::Foreign,
            Some(Ok(message)) => message.to_vec(),
        };
        let len = bytes.len() - input.len();
        // Where the content stands within its frame: the lengths and ends are the rest.
        let from = match content.is_empty() {
            true => 0,
            false => bytes[..len]
                .windows(content.len())
                .position(|window| window == content)
                .unwrap_or(0),
        };
        let mut parts = Vec::new();
        if from > 0 {
            let before = Value::Bytes(bytes[..from].to_vec());
            parts.push(
                Part::new("boundary", "docs: framing", 0..from, before)
                    .means("tells where the message ends"),
            );
        }
        let end = from + content.len();
        let text = as_text(&content);
        let value = match &text {
            Some(_) => Value::Text(String::from_utf8_lossy(&content).into_owned()),
            None => Value::Bytes(content.clone()),
        };
        parts.push(Part::new("message", "docs: framing", from..end, value));
        if end < len {
            let after = Value::Bytes(bytes[end..len].to_vec());
            parts.push(
                Part::new("boundary", "docs: framing", end..len, after)
                    .means("the message ends here"),
            );
        }
        let size = content.len();
        let summary = text.unwrap_or_else(|| format!("{size} bytes"));
        Dissected::Message(Message {
            len,
            summary,
            parts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use wharf_wire::application::{Dissectors, Transport};

    const HINT: Hint = Hint {
        transport: Transport::Tcp,
        source: 40_000,
        destination: 7_000,
        is_whole: true,
    };

    fn framed(framing: &str, bytes: &[u8]) -> Dissected {
        Framed::new(framing.parse().unwrap()).dissect(bytes, &HINT)
    }

    #[test]
    fn lengths_and_ends_are_told_from_the_message() {
        let Dissected::Message(message) = framed("u32", b"\0\0\0\x03Hi!\0\0") else {
            panic!("no message");
        };
        assert_eq!((message.len, message.summary.as_str()), (7, "Hi!"));
        assert_eq!(
            (
                message.parts[0].bytes.clone(),
                message.parts[1].bytes.clone()
            ),
            (0..4, 4..7)
        );
        let Dissected::Message(message) = framed("lines", b"one\r\ntwo") else {
            panic!("no message");
        };
        assert_eq!((message.len, message.parts[1].bytes.clone()), (5, 3..5));
        assert_eq!(framed("u32", b"\0\0\0\x09Hi!"), Dissected::Partial);
        assert_eq!(framed("netstring", b"hello"), Dissected::Foreign);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), port in 1u16..6_000) {
            let hint = Hint { destination: port, ..HINT };
            let mut dissectors = Dissectors::standard();
            all().into_iter().for_each(|one| dissectors.register(one));
            dissectors.message(&bytes, &hint);
            for framing in ["lines", "crlf", "u8", "u16", "u32", "u64", "varint", "netstring", "fixed=3"] {
                if let Dissected::Message(message) = framed(framing, &bytes) {
                    prop_assert!(message.len <= bytes.len());
                    prop_assert!(message.parts.iter().all(|part| part.bytes.end <= message.len));
                }
            }
        }
    }
}
