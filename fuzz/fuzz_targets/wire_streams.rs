//! Segments and fragments in any order, overlapping, damaged, of arbitrary bytes: the
//! conversations never panic, and no message is longer than what was sent.
//!
//! The input is a list of segments: two bytes of position, one of flags, one of length,
//! then so many bytes of data.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wharf_wire::application::Dissectors;
use wharf_wire::build::{Say, tcp};
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::trace::Trace;

fuzz_target!(|data: &[u8]| {
    let ends = ["192.0.2.1:40000", "192.0.2.2:80"].map(|end| end.parse().unwrap());
    let mut trace = Trace::new(Dissectors::standard());
    let mut rest = data;
    let (mut sent, mut time) = (0, 0);
    while let [high, low, flags, len, after @ ..] = rest {
        let (bytes, next) = after.split_at(usize::from(*len).min(after.len()));
        rest = next;
        time += u64::from(*low) * 100_000;
        let position = u32::from(u16::from_be_bytes([*high, *low]));
        let side = usize::from(flags >> 7);
        let say = Say {
            seq: u32::MAX.wrapping_sub(30_000).wrapping_add(position),
            ack: u32::MAX.wrapping_sub(30_000).wrapping_add(u32::from(*low) << 8),
            flags: flags & 0x3f,
            window: u16::from(*high) << 8,
            options: vec![],
        };
        let mut frame = tcp(ends[side], ends[1 - side], &say, bytes);
        // Some are fragments.
        if flags & 0x40 != 0 {
            frame[20] = *high & 0x3f;
            frame[21] = *low;
        }
        sent += bytes.len();
        trace.push(Frame::new(Timestamp::from_nanos(time), Link::Ethernet, Origin::Captured, frame));
    }
    trace.finish();
    assert!(trace.messages.iter().all(|message| message.bytes.len() <= sent + 65_535));
});
