//! What is told about frames that did not arrive, or came more than once.

use std::net::SocketAddr;
use std::time::Duration;

use wharf_wire::application::Dissectors;
use wharf_wire::build::{Say, ip, tcp, udp};
use wharf_wire::conversation::{Direction, Note, TcpNote};
use wharf_wire::frame::{Fate, Frame, Link, Origin, Timestamp};
use wharf_wire::packet::Segment;
use wharf_wire::trace::Trace;

fn ends() -> (SocketAddr, SocketAddr) {
    let ends = ["10.0.0.1:7", "10.0.0.2:7"];
    let [a, b] = ends.map(|end| end.parse().unwrap());
    (a, b)
}

/// A frame that was sent so many milliseconds after the first.
fn at(millis: u64, bytes: Vec<u8>) -> Frame {
    let at = Timestamp::from_nanos((1_764_000_000_000 + millis) * 1_000_000);
    Frame::new(at, Link::Ethernet, Origin::Simulated, bytes)
}

fn lost(frame: Frame) -> Frame {
    frame.with_fate(Fate::Dropped("the link's loss".to_owned()))
}

#[test]
fn a_fragment_that_was_lost_is_part_of_nothing() {
    let (a, b) = ends();
    let datagram = udp(a, b, &[b'x'; 40]);
    let body = &datagram[34..];
    let part = |bytes: &[u8], flags: u16| {
        let mut frame = ip(a.ip(), b.ip(), 17, bytes);
        frame[20..22].copy_from_slice(&flags.to_be_bytes());
        frame
    };
    // More fragments follow; and this one begins at byte 24.
    let (first, last) = (part(&body[..24], 0x2000), part(&body[24..], 3));
    let mut trace = Trace::new(Dissectors::none());
    trace.push(lost(at(0, first.clone())));
    let step = trace.push(at(1, last.clone()));
    let seen = &trace.steps[step].seen;
    assert!(seen.flow.is_none() && seen.fragments.is_empty(), "{seen:?}");
    let step = trace.push(at(2, first));
    let seen = &trace.steps[step].seen;
    assert!(seen.flow.is_some(), "{seen:?}");
    assert_eq!(seen.fragments.len(), 2);
}

#[test]
fn an_error_between_equal_ports_goes_where_its_addresses_say() {
    let (a, b) = ends();
    let mut trace = Trace::new(Dissectors::none());
    trace.push(at(0, udp(a, b, b"anybody there?")));
    trace.push(at(1, udp(b, a, b"yes, and you?")));
    for (from, to) in [(a, b), (b, a)] {
        let mut error = vec![3, 3, 0, 0, 0, 0, 0, 0];
        error.extend(&udp(to, from, b"what this is about")[14..]);
        trace.push(at(2, ip(from.ip(), to.ip(), 1, &error)));
    }
    trace.finish();
    trace.adopt();
    let directions: Vec<Direction> = trace.steps.iter().map(|it| trace.direction(it)).collect();
    let (there, back) = (Direction::Forward, Direction::Backward);
    assert_eq!(directions, [there, back, there, back]);
}

/// What is told about each segment of a handshake of these, of which each is sent 10 ms
/// after the one before it; and how long the handshake took.
fn handshake(segments: &[u8]) -> (Vec<TcpNote>, Option<Duration>) {
    let (a, b) = ends();
    let mut trace = Trace::new(Dissectors::none());
    for (i, flags) in segments.iter().enumerate() {
        let answers = *flags == BOTH;
        let say = Say {
            seq: match *flags {
                BOTH => 500,
                Segment::SYN => 100,
                _ => 101,
            },
            ack: match *flags {
                BOTH => 101,
                Segment::SYN => 0,
                _ => 501,
            },
            flags: *flags,
            window: 60_000,
            options: Vec::new(),
        };
        let bytes = match answers {
            true => tcp(b, a, &say, b""),
            false => tcp(a, b, &say, b""),
        };
        trace.push(at(10 * i as u64, bytes));
    }
    let notes = trace.steps.iter().map(|step| match &step.seen.note {
        Note::Tcp(note) => note.clone(),
        other => panic!("{other:?}"),
    });
    (notes.collect(), trace.talks[0].handshake)
}

const BOTH: u8 = Segment::SYN | Segment::ACK;

/// Karn's rule: RFC 6298 section 3.
#[test]
fn no_round_trip_is_told_of_what_was_sent_twice() {
    let (syn, ack) = (Segment::SYN, Segment::ACK);
    let millis = |n| Some(Duration::from_millis(n));
    let rtts = |segments: &[u8]| {
        let (notes, took) = handshake(segments);
        let rtts: Vec<_> = notes.iter().map(|note| note.rtt).collect();
        (rtts, took)
    };
    let once = rtts(&[syn, BOTH, ack]);
    assert_eq!(once, (vec![None, millis(10), millis(10)], millis(20)));
    // Which of the two was answered is not known.
    let asked_again = rtts(&[syn, syn, BOTH, ack]);
    assert_eq!(asked_again, (vec![None, None, None, millis(10)], None));
    let answered_again = rtts(&[syn, BOTH, BOTH, ack]);
    assert_eq!(answered_again.0[3], None);
    assert_eq!(answered_again.1, None);
}

/// Data of one side, as (number of the first byte, length), and then an acknowledgement: the
/// round trip that is told. Each is sent 10 ms after the one before it.
fn round_trip(data: &[(u32, usize)], acknowledged: u32) -> Option<Duration> {
    let (a, b) = ends();
    let mut trace = Trace::new(Dissectors::none());
    let say = |seq, ack| Say {
        seq,
        ack,
        flags: Segment::ACK,
        window: 60_000,
        options: Vec::new(),
    };
    for (i, (seq, length)) in data.iter().enumerate() {
        let bytes = tcp(a, b, &say(*seq, 1), &vec![b'x'; *length]);
        trace.push(at(10 * i as u64, bytes));
    }
    let bytes = tcp(b, a, &say(1, acknowledged), b"");
    let step = trace.push(at(10 * data.len() as u64, bytes));
    match &trace.steps[step].seen.note {
        Note::Tcp(note) => note.rtt,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_round_trip_is_told_where_some_of_what_is_acknowledged_was_sent_twice() {
    let millis = |n| Some(Duration::from_millis(n));
    assert_eq!(round_trip(&[(100, 1_000)], 1_100), millis(10));
    let two = [(100, 1_000), (1_100, 1_000)];
    assert_eq!(round_trip(&two, 2_100), millis(10));
    assert_eq!(round_trip(&two, 1_100), millis(20));
    // Sent as one piece, and the first half of it again.
    let half = [(100, 2_000), (100, 1_000)];
    assert_eq!(round_trip(&half, 1_100), None);
    assert_eq!(round_trip(&half, 2_100), None);
    // The second was sent once, and waited for what is before it.
    let first_again = [(100, 1_000), (1_100, 1_000), (100, 1_000)];
    assert_eq!(round_trip(&first_again, 2_100), None);
}
