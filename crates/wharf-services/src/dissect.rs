//! The services' messages as [`wharf_wire`] shows them: each taken apart by the
//! service's own parser.

use std::sync::Arc;

use wharf::framing::{Decoder, Framing, Limits};
use wharf_wire::application::{Dissect, Dissected, Hint, MAX_MESSAGE, Message, Part};
use wharf_wire::field::{Value, as_text};

use crate::blackjack::DissectBlackjack;
use crate::chat::DissectChat;
use crate::password::DissectPassword;
use crate::rps::DissectRps;

/// Every protocol of these services that has a grammar of its own. Pages are HTTP, which
/// [`Dissectors::standard`](wharf_wire::application::Dissectors::standard) knows; what the
/// other services send is text or bytes of any kind.
///
/// ```
/// use wharf_wire::application::Dissectors;
///
/// let mut known = Dissectors::standard();
/// for one in wharf_services::dissect::all() {
///     known.register(one);
/// }
/// ```
pub fn all() -> Vec<Arc<dyn Dissect>> {
    vec![
        Arc::new(DissectPassword),
        Arc::new(DissectChat),
        Arc::new(DissectRps),
        Arc::new(DissectBlackjack),
    ]
}

/// The line that `bytes` begin with, without its end, and how many bytes it takes with
/// it; or what else they are: a part of a line, or none of at most `longest` bytes.
///
/// It looks at as many bytes as a line may have and at no more than twice those up to the
/// first that is no text: behind a gap in a stream everything is asked for every message,
/// and that must not take the time of all that follows.
pub(crate) fn line(bytes: &[u8], longest: usize) -> Result<(&str, usize), Dissected> {
    let bytes = &bytes[..bytes.len().min(longest + 2)];
    let (mut seen, mut room) = (0, 256);
    let end = loop {
        let until = bytes.len().min(seen + room);
        let found = bytes[seen..until].iter().position(|byte| *byte == b'\n');
        if found.is_some() || until == bytes.len() {
            break found.map(|at| seen + at);
        }
        match std::str::from_utf8(&bytes[..until]) {
            Err(error) if error.error_len().is_some() => return Err(Dissected::Foreign),
            _ => (seen, room) = (until, 2 * room),
        }
    };
    let line = &bytes[..end.unwrap_or(bytes.len())];
    if line.len() > longest + 1 {
        return Err(Dissected::Foreign);
    }
    match (std::str::from_utf8(line), end) {
        (Ok(line), Some(end)) => Ok((line.strip_suffix('\r').unwrap_or(line), end + 1)),
        (Err(error), Some(_)) if error.valid_up_to() < line.len() => Err(Dissected::Foreign),
        // Within a character of several bytes it may go on.
        (Err(error), None) if error.error_len().is_some() => Err(Dissected::Foreign),
        _ => Err(Dissected::Partial),
    }
}

/// A field of a line. Parsers lend fields from their line, so that its place is known.
pub(crate) fn part(name: &'static str, spec: &'static str, line: &str, field: &str) -> Part {
    let at = (field.as_ptr() as usize)
        .saturating_sub(line.as_ptr() as usize)
        .min(line.len());
    Part::text(name, spec, at..(at + field.len()).min(line.len()), field)
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
    use std::net::SocketAddr;

    use super::*;
    use proptest::prelude::*;
    use wharf_wire::application::{Dissectors, Gate, Transport};
    use wharf_wire::build::{Say, tcp};
    use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
    use wharf_wire::packet::Segment;
    use wharf_wire::trace::Trace;

    const HINT: Hint = Hint {
        transport: Transport::Tcp,
        source: 40_000,
        destination: 7_000,
        is_whole: true,
        spoken: None,
        gate: Gate::Unknown,
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

    /// A service at another port than its own is known by what it says first.
    #[test]
    fn a_conversation_goes_on_as_it_began() {
        let mut known = Dissectors::standard();
        all().into_iter().for_each(|one| known.register(one));
        let name = |bytes: &[u8], spoken| {
            let hint = Hint { spoken, ..HINT };
            known.message(bytes, &hint).map(|(name, _)| name)
        };
        assert_eq!(name(b"RPS 1 3 -- hello\n", None), Some("RPS"));
        assert_eq!(name(b"BLACKJACK 1 6 500\n", None), Some("BLACKJACK"));
        assert_eq!(name(b"HELLO-FROM ann\n", None), Some("CHAT"));
        assert_eq!(name(b"access granted\n", None), Some("PASSWORD"));
        assert_eq!(name(b"HELLO ann\n", None), None);
        for game in ["RPS", "BLACKJACK"] {
            assert_eq!(name(b"HELLO ann\n", Some(game)), Some(game));
        }
        // Behind the gate stands another service.
        assert_eq!(name(b"HELLO-FROM ann\n", Some("PASSWORD")), Some("CHAT"));
        assert_eq!(
            name(b"GET / HTTP/1.1\r\n\r\n", Some("CHAT")),
            Some("HTTP/1")
        );
    }

    /// How many of `count` messages of a stream are told that all become known at once, when
    /// the first one's second byte comes.
    fn behind_a_gap(dissectors: &Dissectors, port: u16, message: &[u8], count: usize) -> usize {
        let ends = [("192.0.2.1", 40_000), ("192.0.2.2", port)]
            .map(|(host, port)| SocketAddr::new(host.parse().unwrap(), port));
        let mut trace = Trace::new(dissectors.clone());
        let mut say = |seq: usize, data: &[u8]| {
            let say = Say {
                seq: seq as u32,
                ack: 1,
                flags: Segment::ACK,
                ..Say::default()
            };
            let bytes = tcp(ends[0], ends[1], &say, data);
            let at = Timestamp::default();
            trace.push(Frame::new(at, Link::Ethernet, Origin::Captured, bytes));
            trace.messages.len()
        };
        say(1, &message[..1]);
        let all = message.repeat(count);
        for (index, piece) in all[2..].chunks(60_000).enumerate() {
            say(3 + index * 60_000, piece);
        }
        say(2, &message[1..2])
    }

    /// What it costs is counted by `./ci.sh guard`, as `streams`.
    #[test]
    fn each_of_many_messages_at_once_is_told() {
        let mut known = Dissectors::standard();
        all().into_iter().for_each(|one| known.register(one));
        let mut told = known.clone();
        assert!(told.decode_as(None, 53, "CHAT"));
        let record = b"\x17\x03\x03\x00\x01x";
        // Text without the end of a line, as far as one can see.
        let question = b"\x00\x0c\xc3\xa9\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00";
        for (dissectors, port, message) in [
            (&known, 443, &record[..]),
            (&known, 5_379, &record[..]),
            (&told, 53, &question[..]),
        ] {
            for count in [8_000, 32_000] {
                let told = behind_a_gap(dissectors, port, message, count);
                assert_eq!(told, count, "at port {port}");
            }
        }
    }

    /// Who looks ahead at very many conversations forgets them on the way.
    #[test]
    fn an_attempt_is_foreseen_even_if_its_conversation_was_forgotten() {
        let mut known = Dissectors::standard();
        all().into_iter().for_each(|one| known.register(one));
        let ends = [("192.0.2.1", 40_000), ("192.0.2.2", 7_000)]
            .map(|(host, port)| SocketAddr::new(host.parse().unwrap(), port));
        let frame = |from: usize, seq: u32, ack: u32, data: &[u8]| {
            let say = Say {
                seq,
                ack,
                flags: Segment::ACK,
                ..Say::default()
            };
            let bytes = tcp(ends[from], ends[1 - from], &say, data);
            let at = Timestamp::default();
            Frame::new(at, Link::Ethernet, Origin::Captured, bytes)
        };
        let frames = [
            frame(0, 1, 1, b"ann sesame\n"),
            frame(1, 1, 12, b"access granted\n"),
            frame(0, 12, 16, b"hello\n"),
            frame(1, 16, 18, b"hello\n"),
        ];
        for forgotten in 0..=frames.len() {
            let mut ahead = Trace::new(known.clone());
            for (index, frame) in frames.iter().enumerate() {
                if index == forgotten {
                    ahead.remember_talks();
                }
                ahead.look_ahead(frame);
            }
            let mut trace = Trace::foreseeing(known.clone(), ahead.foreseen());
            let mut told = |frame: &Frame| {
                trace.push(frame.clone());
                trace.messages.pop().unwrap().protocol
            };
            let told = frames.each_ref().map(&mut told);
            let gate = Some("PASSWORD");
            assert_eq!(told, [gate, gate, None, None], "after {forgotten}");
        }
    }

    /// Lines that are close to what is said, and bytes that are not.
    fn said() -> impl Strategy<Value = Vec<u8>> {
        let words = prop_oneof![
            Just("HELLO"),
            Just("RPS"),
            Just("RESULT"),
            Just("BET"),
            Just("CARD"),
            Just("TURN"),
            Just("SEND"),
            Just("DELIVERY"),
            Just("SET DROP"),
            Just("VALUE"),
            Just("#7"),
            Just("--"),
            Just("access granted"),
            Just("1"),
            Just("ann"),
            Just("10H"),
            Just("ROCK"),
            Just("WIN"),
            Just("[#a1b2c3.000039.02.7af6daa0]"),
            Just("\u{e9}"),
            Just("\r"),
            Just("\n"),
        ];
        let lines =
            proptest::collection::vec(words, 0..12).prop_map(|words| words.join(" ").into_bytes());
        prop_oneof![lines, proptest::collection::vec(any::<u8>(), 0..300)]
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(
            bytes in said(),
            port in prop_oneof![Just(5_378u16), Just(5_379), Just(5_380), Just(11_268), 1u16..6_000],
            is_reply in any::<bool>(), is_datagram in any::<bool>(),
        ) {
            let (source, destination) = if is_reply { (port, 40_000) } else { (40_000, port) };
            let transport = if is_datagram { Transport::Udp } else { Transport::Tcp };
            for spoken in [None, Some("PASSWORD"), Some("CHAT"), Some("RPS"), Some("BLACKJACK")] {
                let hint = Hint { transport, source, destination, spoken, ..HINT };
                let mut dissectors = Dissectors::standard();
                all().into_iter().for_each(|one| dissectors.register(one));
                if let Some((_, Dissected::Message(message))) = dissectors.message(&bytes, &hint) {
                    prop_assert!(message.len > 0 && message.len <= bytes.len());
                    prop_assert!(message.parts.iter().all(|part| part.bytes.end <= message.len));
                }
            }
            for framing in ["lines", "crlf", "u8", "u16", "u32", "u64", "varint", "netstring", "fixed=3"] {
                if let Dissected::Message(message) = framed(framing, &bytes) {
                    prop_assert!(message.len <= bytes.len());
                    prop_assert!(message.parts.iter().all(|part| part.bytes.end <= message.len));
                }
            }
        }
    }
}
