//! Many conversations at once: what is bounded, and what is told in spite of it.

use std::net::SocketAddr;
use std::sync::Arc;

use wharf_wire::application::{Dissect, Dissected, Dissectors, Hint, Message};
use wharf_wire::build::{Say, tcp};
use wharf_wire::conversation::{
    Limits, MAX_AT_ONCE, MAX_HELD, MAX_STREAMS, MAX_WAITING, PIECE, Tracker,
};
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::packet::Segment;
use wharf_wire::trace::{Inside, MAX_MESSAGES, Trace};

const SERVER: &str = "192.0.2.1:7000";

fn client(number: usize) -> SocketAddr {
    let [.., a, b] = number.to_be_bytes();
    SocketAddr::from(([10, 0, a, b], 40_000))
}

fn server() -> SocketAddr {
    SERVER.parse().unwrap()
}

/// Segments, a microsecond apart.
struct Wire {
    time: u64,
}

impl Wire {
    fn say(&mut self, from: SocketAddr, to: SocketAddr, seq: u32, data: &[u8]) -> Frame {
        self.time += 1_000;
        let say = Say {
            seq,
            ack: 1,
            flags: Segment::ACK | Segment::PSH,
            window: 60_000,
            options: Vec::new(),
        };
        let bytes = tcp(from, to, &say, data);
        let at = Timestamp::from_nanos(1_764_000_000_000_000_000 + self.time);
        Frame::new(at, Link::Ethernet, Origin::Captured, bytes)
    }
}

/// Lines, known by the word HI.
struct Hi;

impl Dissect for Hi {
    fn name(&self) -> &'static str {
        "HI"
    }

    fn claims(&self, bytes: &[u8], hint: &Hint) -> bool {
        hint.spoke("HI") || bytes.starts_with(b"HI")
    }

    fn dissect(&self, bytes: &[u8], _: &Hint) -> Dissected {
        match bytes.iter().position(|byte| *byte == b'\n') {
            None => Dissected::Partial,
            Some(end) => Dissected::Message(Message {
                len: end + 1,
                summary: String::from_utf8_lossy(&bytes[..end]).into_owned(),
                parts: Vec::new(),
            }),
        }
    }
}

fn lines() -> Dissectors {
    let mut dissectors = Dissectors::none();
    dissectors.register(Arc::new(Hi));
    dissectors
}

#[test]
fn messages_are_found_in_any_number_of_streams() {
    let mut link = Wire { time: 0 };
    let mut trace = Trace::new(lines());
    let count = MAX_STREAMS + 500;
    for number in 0..count {
        trace.push(link.say(client(number), server(), 1, b"HI\n"));
    }
    trace.finish();
    assert_eq!(trace.messages.len(), count);
    assert!(trace.messages.iter().all(|one| one.protocol == Some("HI")));
}

/// Bytes behind gaps that never close are kept, but not without end: streams that are
/// silent are ended, and what they have is told.
#[test]
fn all_streams_together_hold_no_more_than_they_may() {
    let mut link = Wire { time: 0 };
    let mut trace = Trace::new(Dissectors::none());
    let piece = vec![b'x'; 60_000];
    let pieces = 16;
    let count = MAX_HELD / (piece.len() * pieces) + 5;
    for number in 0..count {
        trace.push(link.say(client(number), server(), 1, b"a"));
        for index in 0..pieces {
            let seq = 1_000 + (index * piece.len()) as u32;
            trace.push(link.say(client(number), server(), seq, &piece));
            // The frames themselves are not what is measured.
            trace.steps.clear();
        }
    }
    let told = trace.messages.iter().filter(|one| one.lost > 0).count();
    assert!(told >= 4, "{told} of {count} streams were ended");
    trace.finish();
    let lost = trace.messages.iter().map(|one| one.lost).sum::<u64>();
    assert_eq!(lost, count as u64 * 998);
}

/// Single bytes take more room than themselves, and a peer may send nothing else.
#[test]
fn pieces_behind_a_gap_are_counted_with_what_they_take() {
    let mut link = Wire { time: 0 };
    let mut trace = Trace::new(Dissectors::none());
    trace.push(link.say(client(1), server(), 1, b"a"));
    let pieces = MAX_WAITING / PIECE + 1;
    for index in 0..pieces {
        // Every second byte never comes.
        let seq = 1_000 + 2 * index as u32;
        trace.push(link.say(client(1), server(), seq, b"x"));
        trace.steps.clear();
    }
    assert!(trace.messages.iter().any(|one| one.lost > 0));
}

/// Three records of TLS in two and three segments, cut at every byte.
#[test]
fn records_are_put_together_wherever_a_segment_ends() {
    let record = |kind: u8, content: &[u8]| {
        let mut record = vec![kind, 3, 3, 0, content.len() as u8];
        record.extend(content);
        record
    };
    let records = [
        record(22, &[1, 0, 0, 2, 3, 3]),
        record(20, &[1]),
        record(23, b"secret"),
    ];
    let whole = records.concat();
    let ends: Vec<usize> = records
        .iter()
        .scan(0, |end, record| {
            *end += record.len();
            Some(*end)
        })
        .collect();
    for first in 1..whole.len() {
        for second in first..whole.len() {
            let mut link = Wire { time: 0 };
            let mut trace = Trace::new(Dissectors::standard());
            let cuts = [0, first, second, whole.len()];
            for pair in cuts.windows(2) {
                let seq = 1 + pair[0] as u32;
                trace.push(link.say(client(1), server(), seq, &whole[pair[0]..pair[1]]));
            }
            trace.finish();
            let said: Vec<(Option<&str>, &[u8])> = trace
                .messages
                .iter()
                .map(|one| (one.protocol, one.bytes.as_slice()))
                .collect();
            let expected: Vec<(Option<&str>, &[u8])> =
                records.iter().map(|one| (Some("TLS"), &one[..])).collect();
            assert_eq!(said, expected, "cut at {first} and {second}");
            // Which frames carried each.
            let mut from = 0;
            for (message, end) in trace.messages.iter().zip(&ends) {
                let frames: Vec<u64> = (1..4)
                    .filter(|number| {
                        let (begin, stop) = (cuts[number - 1], cuts[*number]);
                        begin < *end && stop > from && begin < stop
                    })
                    .map(|number| number as u64)
                    .collect();
                assert_eq!(message.frames, frames, "cut at {first} and {second}");
                from = *end;
            }
        }
    }
}

/// What is spoken in records is not looked for around them: not in a record, nor in a segment
/// that begins within one.
#[test]
fn a_record_is_one_whatever_is_spoken_at_its_port() {
    /// Takes any bytes at its own port, up to the end of a line.
    struct Any;

    impl Dissect for Any {
        fn name(&self) -> &'static str {
            "ANY"
        }

        fn port(&self) -> Option<u16> {
            Some(99)
        }

        fn claims(&self, _: &[u8], hint: &Hint) -> bool {
            hint.has_port(99)
        }

        fn dissect(&self, bytes: &[u8], hint: &Hint) -> Dissected {
            Hi.dissect(bytes, hint)
        }
    }

    let mut told = Dissectors::standard();
    told.register(Arc::new(Any));
    assert!(told.decode_as(None, 7_000, "ANY"));
    // A change of the cipher, and a record in four segments.
    let first = b"\x14\x03\x03\x00\x01\x01";
    let pieces = [&b"\x17\x03\x03\x00\x09a"[..], b"bc", b"\ndef", b"gh"];
    let (mut link, mut trace) = (Wire { time: 0 }, Trace::new(told.clone()));
    let mut seq = 1;
    for data in [&first[..]].iter().chain(&pieces) {
        trace.push(link.say(client(1), server(), seq, data));
        seq += data.len() as u32;
    }
    trace.push(link.say(server(), client(1), 1, first));
    trace.finish();
    let names: Vec<_> = trace.messages.iter().map(|one| one.protocol).collect();
    assert_eq!(names, [Some("TLS"); 3]);
    let layers = trace.steps.iter().flat_map(|step| &step.layers.list);
    assert!(layers.clone().all(|one| one.kind.title() != "ANY"));
    // At the port itself, too.
    let (mut link, mut trace) = (Wire { time: 0 }, Trace::new(told));
    trace.push(link.say(client(1), "192.0.2.1:99".parse().unwrap(), 1, first));
    trace.push(link.say(client(1), server(), 1, b"text\n"));
    trace.finish();
    let names: Vec<_> = trace.messages.iter().map(|one| one.protocol).collect();
    assert_eq!(names, [Some("TLS"), Some("ANY")]);
}

/// Messages whose length is known are told with the segment that completes them, before
/// what answers them.
#[test]
fn a_long_message_is_told_when_it_is_whole() {
    let body = "x".repeat(100_000);
    let response = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let (mut link, mut trace) = (Wire { time: 0 }, Trace::new(Dissectors::standard()));
    let mut sent = [1, 1];
    for round in 1..=3 {
        for (side, text) in [request, response.as_str()].into_iter().enumerate() {
            let ends = [client(1), server()];
            for piece in text.as_bytes().chunks(1_448) {
                trace.push(link.say(ends[side], ends[1 - side], sent[side], piece));
                sent[side] += piece.len() as u32;
            }
            let told = trace.messages.len();
            assert_eq!(told, 2 * round - 1 + side, "round {round}");
            let last = trace.messages.last().unwrap();
            assert_eq!(
                (last.protocol, last.bytes.len()),
                (Some("HTTP/1"), text.len())
            );
        }
    }
    // The same over TCP of a DNS message and of a record, as long as they may be.
    let mut answer = vec![0xff, 0xff, 0, 1, 0x80, 0];
    answer.resize(2 + 0xffff, 0);
    let mut record = vec![23, 3, 3, 0x41, 0];
    record.resize(5 + 0x4100, b'x');
    for (port, message) in [(53, answer), (443, record)] {
        let (mut link, mut trace) = (Wire { time: 0 }, Trace::new(Dissectors::standard()));
        let from = SocketAddr::from(([192, 0, 2, 1], port));
        let pieces = message.chunks(1_448).count();
        for (index, piece) in message.chunks(1_448).enumerate() {
            let seq = 1 + 1_448 * index as u32;
            trace.push(link.say(from, client(1), seq, piece));
            let is_last = index + 1 == pieces;
            assert_eq!(
                trace.messages.len(),
                usize::from(is_last),
                "port {port}, {index}"
            );
        }
        assert_eq!(trace.messages[0].bytes, message);
    }
}

/// Of lines without a letter there may be many more than anybody reads.
#[test]
fn messages_are_listed_up_to_a_number_and_then_counted() {
    let (mut link, mut trace) = (Wire { time: 0 }, Trace::new(lines()));
    let piece = b"HI\n".repeat(20_000);
    for index in 0..8 {
        let seq = 1 + index * piece.len() as u32;
        trace.push(link.say(client(1), server(), seq, &piece));
    }
    trace.finish();
    assert_eq!(trace.messages.len(), MAX_MESSAGES);
    let rest = 160_000 - MAX_MESSAGES;
    let note = format!("{rest} messages are not listed");
    assert!(trace.notes.iter().any(|one| one.starts_with(&note)));
}

/// A peer that sends single bytes, or many messages at once, has nobody work for longer
/// than its bytes are worth.
#[test]
fn long_messages_and_many_short_ones_take_time_in_proportion() {
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Counts what it was asked to look at.
    struct Looks(Arc<AtomicU64>);

    impl Dissect for Looks {
        fn name(&self) -> &'static str {
            "HI"
        }

        fn claims(&self, _: &[u8], hint: &Hint) -> bool {
            hint.is_whole
        }

        fn dissect(&self, bytes: &[u8], hint: &Hint) -> Dissected {
            self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            Hi.dissect(bytes, hint)
        }
    }

    let looked = Arc::new(AtomicU64::new(0));
    let mut dissectors = Dissectors::none();
    dissectors.register(Arc::new(Looks(Arc::clone(&looked))));
    let (mut link, mut trace) = (Wire { time: 0 }, Trace::new(dissectors));
    let size = 100_000;
    for index in 0..size {
        let byte = if index + 1 == size { b"\n" } else { b"x" };
        trace.push(link.say(client(1), server(), 1 + index, byte));
        trace.steps.clear();
    }
    trace.finish();
    assert_eq!(trace.messages.len(), 1);
    let message = &trace.messages[0];
    assert_eq!(
        (message.protocol, message.bytes.len()),
        (Some("HI"), 100_000)
    );
    assert_eq!(message.frames.len(), 100_000);
    let each = looked.load(Ordering::Relaxed) / u64::from(size);
    assert!(each < 3_000, "each byte was looked at {each} times");

    // A megabyte of lines that all become known at once (what that costs: `./ci.sh guard`).
    let (mut link, mut trace) = (Wire { time: 0 }, Trace::new(lines()));
    let piece = b"HI\n".repeat(20_000);
    trace.push(link.say(server(), client(1), 1, b"HI\n"));
    trace.push(link.say(client(1), server(), 1, b"H"));
    for index in 0..16 {
        let seq = 4 + index * piece.len() as u32;
        trace.push(link.say(client(1), server(), seq, &piece));
    }
    trace.push(link.say(client(1), server(), 2, b"I\n"));
    // So many of them, and the rest in one piece.
    assert_eq!(trace.messages.len(), 1 + MAX_AT_ONCE + 1);
    let told: usize = trace.messages.iter().map(|one| one.bytes.len()).sum();
    assert_eq!(told, 3 + 3 + 16 * piece.len());
}

#[test]
fn first_words_are_understood_by_what_follows() {
    let mut link = Wire { time: 0 };
    let mut trace = Trace::new(lines());
    trace.push(link.say(client(1), server(), 1, b"who is there?\n"));
    trace.push(link.say(server(), client(1), 1, b"HI\n"));
    trace.push(link.say(client(1), server(), 15, b"and now?\n"));
    trace.finish();
    let said: Vec<(Option<&str>, &str)> = trace
        .messages
        .iter()
        .map(|one| (one.protocol, one.message.summary.as_str()))
        .collect();
    let hi = Some("HI");
    assert_eq!(said, [(hi, "who is there?"), (hi, "HI"), (hi, "and now?")]);
    let first = trace.steps[0].layers.payload().unwrap();
    assert_eq!(first.kind.title(), "HI");
}

#[test]
fn numbers_go_on_when_talks_are_forgotten() {
    let mut link = Wire { time: 0 };
    let mut trace = Trace::new(Dissectors::none());
    trace.push(link.say(client(1), server(), 1, b"a"));
    trace.forget_talks();
    trace.push(link.say(client(1), server(), 2, b"b"));
    let [one, other] = &trace.steps[..] else {
        panic!("two frames")
    };
    assert_eq!((one.number(), other.number()), (1, 2));
    assert_eq!(one.seen.flow, other.seen.flow);
    assert_eq!(trace.talks[other.talk].parties[1].address, SERVER);
}

#[test]
fn the_largest_of_those_that_were_given_up_are_remembered() {
    let mut link = Wire { time: 0 };
    let mut tracker = Tracker::new(Limits { flows: 8 });
    let mut see = |number, data: &[u8]| {
        let frame = link.say(client(number), server(), 1, data);
        tracker.see(frame.at, frame.link, &frame.bytes, frame.original_len);
    };
    see(0, &[b'x'; 1_000]);
    for number in 1..40 {
        see(number, b"y");
    }
    assert!(tracker.flows().len() <= 8);
    assert_eq!(tracker.flow_count(), 40);
    let kept = tracker.flows().len() + tracker.largest_given_up().len();
    assert_eq!(kept, 40);
    let largest = tracker
        .largest_given_up()
        .iter()
        .max_by_key(|flow| flow.bytes[0]);
    assert_eq!(largest.unwrap().ends[0], client(0));
}

#[test]
fn what_a_record_holds_stands_in_no_byte_of_the_frame() {
    let mut link = Wire { time: 0 };
    let mut trace = Trace::new(Dissectors::standard());
    let record = |content: &[u8]| {
        let mut record = vec![23, 3, 3, 0, content.len() as u8];
        record.extend(content);
        record
    };
    let (first, second) = (record(b"\x01\x02\x03"), record(b"\x04\x05\x06\x07"));
    let whole = [first.clone(), second.clone()].concat();
    trace.push(link.say(client(1), server(), 1, &whole));
    // One that is spread over two segments.
    let spread = record(b"\x08\x09\x0a");
    trace.push(link.say(client(1), server(), 1 + whole.len() as u32, &spread[..6]));
    trace.push(link.say(client(1), server(), 7 + whole.len() as u32, &spread[6..]));
    trace.finish();
    let inside = |record: &[u8], plaintext: &[u8]| Inside {
        record: record.to_vec(),
        words: "of the program",
        plaintext: plaintext.to_vec(),
    };
    trace.reveal(&[
        inside(&second, b"two"),
        inside(&spread, b"GET / HTTP/1.1\r\n\r\nmore"),
        inside(&record(b"never seen"), b"nobody"),
    ]);
    let said: Vec<(Option<&str>, Option<&str>, &[u8])> = trace
        .messages
        .iter()
        .filter(|one| one.inside.is_some())
        .map(|one| (one.inside, one.protocol, one.bytes.as_slice()))
        .collect();
    let tls = Some("TLS");
    assert_eq!(
        said,
        [
            (tls, None, &b"two"[..]),
            (tls, Some("HTTP/1"), b"GET / HTTP/1.1\r\n\r\n"),
            (tls, None, b"more")
        ]
    );
    let names = |step: usize| -> Vec<&str> {
        let layers = trace.steps[step].layers.list.iter();
        layers.map(|layer| layer.kind.title()).skip(3).collect()
    };
    assert_eq!(names(0), ["TLS", "TLS", "PLAINTEXT"]);
    assert!(!names(1).contains(&"PLAINTEXT"));
    assert_eq!(names(2).last(), Some(&"PLAINTEXT"));
    for layer in trace.steps.iter().flat_map(|step| &step.layers.list) {
        assert!(layer.kind.title() != "PLAINTEXT" || layer.bytes.is_empty());
    }
}

#[test]
fn what_is_lost_changes_its_sender_alone() {
    use wharf_wire::conversation::{Note, State};
    use wharf_wire::frame::Fate;

    let say = |from, to, seq, flags, fate| {
        let say = Say {
            seq,
            ack: if flags == Segment::SYN { 0 } else { 101 },
            flags,
            window: 60_000,
            options: Vec::new(),
        };
        let bytes = tcp(from, to, &say, b"");
        let mut frame = Frame::new(
            Timestamp::default(),
            Link::Ethernet,
            Origin::Simulated,
            bytes,
        );
        frame.fate = fate;
        frame
    };
    let lost = || Fate::Dropped("the link's loss".to_owned());
    let mut trace = Trace::new(Dissectors::default());
    let mut states = |frame| {
        let step = trace.push(frame);
        match &trace.steps[step].seen.note {
            Note::Tcp(note) => note.states[1],
            other => panic!("{other:?}"),
        }
    };
    let (ann, bob) = (client(1), server());
    let (syn, both) = (Segment::SYN, Segment::SYN | Segment::ACK);
    assert_eq!(
        states(say(ann, bob, 100, syn, lost())),
        [State::SynSent, State::Closed]
    );
    let asked = say(ann, bob, 100, syn, Fate::Travelled);
    assert_eq!(states(asked), [State::SynSent, State::Listen]);
    let answer = say(bob, ann, 500, both, lost());
    assert_eq!(states(answer), [State::SynSent, State::SynReceived]);
    let again = say(bob, ann, 500, both, Fate::Travelled);
    assert_eq!(states(again), [State::Established, State::SynReceived]);
}
