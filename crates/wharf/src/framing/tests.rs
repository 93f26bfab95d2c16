//! Laws that hold for every framing: round trip, and the same result however bytes are split.

use proptest::prelude::*;
use proptest::sample::select;

use super::{Decoder, Encoder, FrameError, Framing, Limits, LineEnd, OnTooLong};

/// Every kind, all widths; `raw` stands apart because its messages are the chunks.
const FRAMINGS: &[&str] = &[
    "lines",
    "crlf",
    "delimiter=|",
    "delimiter=||",
    "delimiter=aab",
    r"delimiter=\r\n.\r\n",
    "u8",
    "u16",
    "u16le",
    "u32",
    "u32le",
    "u64",
    "u64le",
    "u8-inclusive",
    "u16-inclusive",
    "u32le-inclusive",
    "u64-inclusive",
    "varint",
    "netstring",
    "fixed=1",
    "fixed=7",
];

/// One thing that a decoder gave.
#[derive(Debug, Clone, PartialEq)]
enum Event {
    Message(Vec<u8>),
    Unterminated(Vec<u8>),
    Error(FrameError),
}

fn framing() -> impl Strategy<Value = Framing> {
    select(FRAMINGS).prop_map(|name| name.parse().unwrap())
}

fn limits() -> impl Strategy<Value = Limits> {
    let what = select(vec![OnTooLong::Close, OnTooLong::Skip]);
    (0_usize..20, what).prop_map(|(max_message, on_too_long)| Limits {
        max_message,
        on_too_long,
    })
}

/// Sizes of chunks, used again and again; an empty chunk may occur.
fn splits() -> impl Strategy<Value = Vec<usize>> {
    let sizes = prop::collection::vec(0_usize..12, 1..8);
    sizes.prop_filter("some chunk has bytes", |sizes| sizes.iter().any(|&n| n > 0))
}

/// Bytes of which terminators and prefixes are made, and a few others.
fn garbage(len: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        6 => select(b"\r\n|ab.:,01239\x00\x01\x05\x10\x80\xff".to_vec()),
        1 => any::<u8>(),
    ];
    prop::collection::vec(byte, 0..len)
}

fn chunks<'b>(mut bytes: &'b [u8], sizes: &[usize]) -> Vec<&'b [u8]> {
    let mut sizes = sizes.iter().cycle();
    let mut chunks = Vec::new();
    while !bytes.is_empty() {
        let size = sizes.next().map_or(bytes.len(), |&n| n.min(bytes.len()));
        let (chunk, rest) = bytes.split_at(size);
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}

/// Everything that comes out, and whether a message was left unfinished.
fn decode(framing: &Framing, limits: Limits, chunks: &[&[u8]]) -> (Vec<Event>, bool) {
    let mut decoder = Decoder::new(framing, limits);
    let mut events = Vec::new();
    for mut input in chunks.iter().copied() {
        while let Some(result) = decoder.next(&mut input) {
            events.push(match result {
                Ok(message) => Event::Message(message.to_vec()),
                Err(error) => Event::Error(error),
            });
        }
        assert!(input.is_empty());
        // A fixed size may exceed the limit; else a prefix or terminator comes on top.
        assert!(decoder.buffered() <= limits.max_message.max(7) + 22);
        assert!(decoder.has_partial() || decoder.buffered() == 0);
    }
    let partial = decoder.has_partial();
    events.extend(decoder.finish().map(|result| match result {
        Ok(message) if message.is_terminated() => Event::Message(message.to_vec()),
        Ok(message) => Event::Unterminated(message.to_vec()),
        Err(error) => Event::Error(error),
    }));
    (events, partial)
}

/// What `messages`, each of them sent whole, must give.
fn expected(framing: &Framing, limits: Limits, messages: &[Vec<u8>]) -> Vec<Event> {
    let bounded = !matches!(framing, Framing::Fixed(_));
    let announced = !matches!(framing, Framing::Lines(_) | Framing::Delimiter(_));
    let mut events = Vec::new();
    for message in messages {
        if bounded && message.len() > limits.max_message {
            events.push(Event::Error(FrameError::TooLong {
                limit: limits.max_message,
                claimed: announced.then_some(message.len() as u64),
            }));
            if limits.on_too_long == OnTooLong::Close {
                break;
            }
        } else {
            events.push(Event::Message(message.clone()));
        }
    }
    events
}

/// Tolerant lines and delimiters the slow and obvious way: cut, then look.
fn cut(bytes: &[u8], mark: &[u8], limits: Limits, line: bool) -> Vec<Event> {
    let mut events = Vec::new();
    let mut rest = bytes;
    loop {
        let end = rest.windows(mark.len()).position(|window| window == mark);
        let mut message = &rest[..end.unwrap_or(rest.len())];
        if line && end.is_some() {
            message = message.strip_suffix(b"\r").unwrap_or(message);
        }
        if message.len() > limits.max_message {
            let (limit, claimed) = (limits.max_message, None);
            events.push(Event::Error(FrameError::TooLong { limit, claimed }));
            if limits.on_too_long == OnTooLong::Close {
                return events;
            }
        } else if end.is_some() {
            events.push(Event::Message(message.to_vec()));
        } else if !message.is_empty() {
            events.push(Event::Unterminated(message.to_vec()));
        }
        let Some(end) = end else { return events };
        rest = &rest[end + mark.len()..];
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_encoded_is_decoded(
        framing in framing(),
        limits in limits(),
        candidates in prop::collection::vec(garbage(30), 0..8),
        sizes in splits(),
    ) {
        let encoder = Encoder::new(&framing);
        let mut wire = Vec::new();
        let mut messages = Vec::new();
        for mut message in candidates {
            if let Framing::Fixed(size) = &framing {
                message.resize(size.get(), b'x');
            }
            if encoder.encode(&message, &mut wire).is_ok() {
                messages.push(message);
            }
        }
        let want = (expected(&framing, limits, &messages), false);
        prop_assert_eq!(decode(&framing, limits, &[&wire]), want.clone());
        prop_assert_eq!(decode(&framing, limits, &chunks(&wire, &sizes)), want);
    }

    #[test]
    fn garbage_gives_the_same_however_it_is_split(
        framing in framing(),
        limits in limits(),
        bytes in garbage(120),
        sizes in splits(),
    ) {
        let whole = decode(&framing, limits, &[&bytes]);
        let single = decode(&framing, limits, &chunks(&bytes, &[1]));
        let split = decode(&framing, limits, &chunks(&bytes, &sizes));
        prop_assert_eq!(&whole, &single);
        prop_assert_eq!(&whole, &split);
    }

    #[test]
    fn searching_agrees_with_cutting(
        name in select(vec!["lines", "delimiter=|", "delimiter=||", "delimiter=aab"]),
        limits in limits(),
        bytes in garbage(120),
        sizes in splits(),
    ) {
        let framing: Framing = name.parse().unwrap();
        let (mark, line) = match &framing {
            Framing::Delimiter(mark) => (mark.as_bytes(), false),
            _ => (&b"\n"[..], framing == Framing::Lines(LineEnd::Lf)),
        };
        let (events, _) = decode(&framing, limits, &chunks(&bytes, &sizes));
        prop_assert_eq!(events, cut(&bytes, mark, limits, line));
    }

    #[test]
    fn raw_loses_no_byte(bytes in garbage(120), limits in limits(), sizes in splits()) {
        let (events, partial) = decode(&Framing::Raw, limits, &chunks(&bytes, &sizes));
        let mut all = Vec::new();
        for event in events {
            let Event::Message(message) = event else { panic!("{event:?}") };
            prop_assert!(!message.is_empty() && message.len() <= limits.max_message.max(1));
            all.extend(message);
        }
        prop_assert_eq!(all, bytes);
        prop_assert!(!partial);
    }
}
