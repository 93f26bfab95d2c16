//! Segments, datagrams, ICMP errors and fragments in any order, overlapping, damaged, of
//! arbitrary bytes: the conversations never panic, no message is longer than what was
//! sent, who looks ahead is told as many bytes as who does not, and each view draws what is
//! found.
//!
//! The first byte of the input chooses the view, the server's port and whether to look ahead. A list of packets
//! follows: two bytes of position, one of flags, one of length, then so many bytes of data.
//! The flags are TCP's; with URG it is no segment but, with FIN, an ICMP error about the
//! packet before, and else a datagram. 0x40 makes it a fragment, 0x80 the server's.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use wharf_wire::application::Dissectors;
use wharf_wire::build::{Say, ip, tcp, udp};
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::trace::Trace;
use wharf_wire::view::{Look, View, draw};

/// Of HTTP, DNS, TLS, the chat, both games, passwords and nobody.
const PORTS: [u16; 8] = [80, 53, 443, 5378, 5379, 5380, 11_268, 40_001];

const FIN: u8 = 0x01;
const URG: u8 = 0x20;
const FRAGMENT: u8 = 0x40;
const BACKWARD: u8 = 0x80;

fuzz_target!(|data: &[u8]| {
    let Some((choice, mut rest)) = data.split_first() else {
        return;
    };
    let port = PORTS[usize::from(choice & 7)];
    let ends = [SocketAddr::from(([192, 0, 2, 1], 40_000)), SocketAddr::from(([192, 0, 2, 2], port))];
    let mut dissectors = Dissectors::standard();
    for one in wharf_services::dissect::all() {
        dissectors.register(one);
    }
    let mut frames = Vec::new();
    let (mut sent, mut time) = (0, 0);
    let mut last: Vec<u8> = Vec::new();
    while let [high, low, flags, len, after @ ..] = rest {
        let (bytes, next) = after.split_at(usize::from(*len).min(after.len()));
        rest = next;
        time += u64::from(*low) * 100_000;
        let position = u32::from(u16::from_be_bytes([*high, *low]));
        let side = usize::from(flags & BACKWARD != 0);
        let (from, to) = (ends[side], ends[1 - side]);
        let mut frame = if flags & URG == 0 {
            let say = Say {
                seq: u32::MAX.wrapping_sub(30_000).wrapping_add(position),
                ack: u32::MAX.wrapping_sub(30_000).wrapping_add(u32::from(*low) << 8),
                flags: flags & 0x1f,
                window: u16::from(*high) << 8,
                options: vec![],
            };
            tcp(from, to, &say, bytes)
        } else if flags & FIN == 0 {
            udp(from, to, bytes)
        } else {
            let mut error = vec![3, *low & 15, 0, 0, 0, 0, 0, 0];
            // As much as fits into 576 bytes (RFC 1812 §4.3.2.3): errors about errors would
            // else grow with each, and most of the time go into drawing them.
            error.extend(last.iter().skip(14).take(548));
            ip(from.ip(), to.ip(), 1, &error)
        };
        if flags & FRAGMENT != 0 {
            frame[20] = *high & 0x3f;
            frame[21] = *low;
        }
        sent += frame.len();
        last.clone_from(&frame);
        frames.push(Frame::new(Timestamp::from_nanos(time), Link::Ethernet, Origin::Captured, frame));
    }
    let mut trace = Trace::new(dissectors.clone());
    for frame in &frames {
        trace.push(frame.clone());
    }
    if choice & 0x80 != 0 {
        trace.adopt();
    }
    trace.finish();
    assert!(trace.messages.iter().all(|message| message.bytes.len() <= sent + 65_535));
    if choice & 0x40 != 0 {
        let mut ahead = Trace::new(dissectors.clone());
        frames.iter().for_each(|frame| ahead.look_ahead(frame));
        let mut again = Trace::foreseeing(dissectors, ahead.foreseen());
        for frame in frames {
            again.push(frame);
        }
        again.finish();
        let told = |trace: &Trace| -> usize { trace.messages.iter().map(|one| one.bytes.len()).sum() };
        assert_eq!(told(&again), told(&trace));
    }
    let (view, _) = View::ALL[usize::from(choice >> 3) % View::ALL.len()];
    draw(&trace, view, &Look::plain(40 + usize::from(*choice)));
});
