//! No bytes make a decoder panic or hoard, and how they are split makes no difference.
//!
//! The first four bytes of the input choose the framing, the limit, what happens beyond it, and
//! the sizes of the chunks; the rest is what the peer sends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf::framing::{Decoder, Encoder, FrameError, Framing, Limits, OnTooLong};

const FRAMINGS: &[&str] = &[
    "lines",
    "crlf",
    "delimiter=|",
    "delimiter=aab",
    r"delimiter=\r\n.\r\n",
    "u8",
    "u16le",
    "u32",
    "u64",
    "u8-inclusive",
    "u64le-inclusive",
    "varint",
    "netstring",
    "fixed=7",
];

/// The largest fixed size above, which the limit does not bound.
const FIXED: usize = 7;
/// The longest prefix (20 digits and a colon) and the comma of a netstring.
const AROUND: usize = 22;

fuzz_target!(|data: &[u8]| {
    let [which, max, beyond, split, bytes @ ..] = data else {
        return;
    };
    let name = FRAMINGS[usize::from(*which) % FRAMINGS.len()];
    let framing: Framing = name.parse().expect("the names above are framings");
    let limits = Limits {
        max_message: usize::from(*max),
        on_too_long: if beyond % 2 == 0 {
            OnTooLong::Close
        } else {
            OnTooLong::Skip
        },
    };
    let whole = decode(&framing, limits, &[bytes]);
    assert_eq!(
        whole,
        decode(&framing, limits, &chunks(bytes, *split)),
        "{name}"
    );
    for message in whole.iter().flatten() {
        round_trip(&framing, message);
    }
});

/// Chunks of sizes that differ, from 1 byte on.
fn chunks(mut bytes: &[u8], split: u8) -> Vec<&[u8]> {
    let mut chunks = Vec::new();
    let mut size = usize::from(split);
    while !bytes.is_empty() {
        size = (size * 5 + 3) % 13 + 1;
        let (chunk, rest) = bytes.split_at(size.min(bytes.len()));
        chunks.push(chunk);
        bytes = rest;
    }
    chunks
}

fn decode(framing: &Framing, limits: Limits, chunks: &[&[u8]]) -> Vec<Result<Vec<u8>, FrameError>> {
    let mut decoder = Decoder::new(framing, limits);
    let mut events = Vec::new();
    for mut input in chunks.iter().copied() {
        while let Some(result) = decoder.next(&mut input) {
            events.push(result.map(|message| message.to_vec()));
        }
        assert!(input.is_empty());
        assert!(decoder.buffered() <= limits.max_message.max(FIXED) + AROUND);
    }
    events.extend(
        decoder
            .finish()
            .map(|result| result.map(|message| message.to_vec())),
    );
    for message in events.iter().flatten() {
        assert!(message.len() <= limits.max_message.max(FIXED));
    }
    events
}

/// What the encoder accepts comes back.
fn round_trip(framing: &Framing, message: &[u8]) {
    let mut wire = Vec::new();
    if Encoder::new(framing).encode(message, &mut wire).is_ok() {
        assert_eq!(
            decode(framing, Limits::default(), &[&wire]),
            [Ok(message.to_vec())]
        );
    }
}
