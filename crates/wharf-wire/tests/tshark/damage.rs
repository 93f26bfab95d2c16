//! The corpus with random damage, the same at every run, and where tshark reads damaged
//! frames in another way.

use wharf_wire::frame::{Frame, Link};
use wharf_wire::layers::{Kind, Layers};

/// How often each frame of the corpus is damaged, unless `DAMAGE_ROUNDS` says otherwise.
const ROUNDS: usize = 6;

/// What tells that tshark could not make sense of a frame.
pub(crate) const SIGNS: [&str; 2] = ["_ws.malformed", "_ws.unreassembled"];

/// Whether tshark gave a frame up.
pub(crate) fn is_malformed(signs: &[String]) -> bool {
    signs.iter().any(|sign| !sign.is_empty())
}

/// Why the two differ in this field of a frame, where they may: the place in [`REASONS`].
pub(crate) fn explained(field: &str, layers: &Layers) -> Option<usize> {
    let has = |kind, name| {
        let layer = layers.find(kind);
        layer.is_some_and(|layer| layer.field(name).is_some())
    };
    match field {
        _ if field.starts_with("ip.opt.") && has(Kind::Ipv4, "option") => Some(0),
        "ip.len" if layers.find(Kind::Ipv4)?.number("length") == Some(0) => Some(1),
        "null.family" if layers.find(Kind::Loopback)?.number("family")? > 0xffff => Some(2),
        _ => None,
    }
}

/// All reasons; one that is none any more fails the test, too.
pub(crate) const REASONS: [&str; 3] = [
    "tshark gives no type and length to an option of IPv4 that it does not know: its first ones \
     are a later option's",
    "where the total length is 0 tshark shows how long the packet in the frame is; ours is what \
     stands in the field, and its meaning says why",
    "of a loopback family above 65535 tshark takes the upper half, as it stood on some old systems",
];

/// Every frame with bytes flipped, cut off at its end, or not captured to its end.
pub(crate) fn damaged(files: Vec<(String, Vec<Frame>)>) -> Vec<Frame> {
    let mut below = dice(0x5eed);
    let frames: Vec<Frame> = files.into_iter().flat_map(|(_, frames)| frames).collect();
    let rounds = std::env::var("DAMAGE_ROUNDS").ok();
    let rounds = rounds.and_then(|rounds| rounds.parse().ok());
    let mut all = Vec::new();
    for _ in 0..rounds.unwrap_or(ROUNDS) {
        for frame in &frames {
            let mut frame = frame.clone();
            match below(8) {
                0 => {
                    frame.bytes.truncate(1 + below(frame.bytes.len()));
                    frame.original_len = frame.bytes.len();
                }
                1 => frame.bytes.truncate(1 + below(frame.bytes.len())),
                // Most of the frame's meaning is at its beginning.
                2..6 => flip(&mut frame.bytes, 64, &mut below),
                _ => flip(&mut frame.bytes, usize::MAX, &mut below),
            }
            all.push(frame);
        }
    }
    all.extend([offloaded(&frames), odd_family(&frames)]);
    all
}

/// A frame as a network card is given it, to be cut into packets there.
fn offloaded(frames: &[Frame]) -> Frame {
    let is_ipv4 = |frame: &&Frame| frame.link == Link::Ethernet && frame.bytes[12..14] == [8, 0];
    let mut frame = frames.iter().find(is_ipv4).unwrap().clone();
    frame.bytes[16..18].copy_from_slice(&[0, 0]);
    frame
}

/// A packet of loopback whose family is no number that anybody uses.
fn odd_family(frames: &[Frame]) -> Frame {
    let is_null = |frame: &&Frame| frame.link == Link::Null;
    let mut frame = frames.iter().find(is_null).unwrap().clone();
    frame.bytes[..4].copy_from_slice(&[2, 0, 1, 0]);
    frame
}

/// Changes up to three of the first bytes.
fn flip(bytes: &mut [u8], first: usize, below: &mut impl FnMut(usize) -> usize) {
    let first = first.min(bytes.len());
    for _ in 0..=below(3) {
        bytes[below(first)] ^= 1 << below(8) | (below(256) * below(2)) as u8;
    }
}

/// Numbers below a limit, the same for the same seed.
fn dice(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    move |limit| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % limit.max(1) as u64) as usize
    }
}
