//! The chat's lines taken apart for pictures, by the chat's own grammar: over streams,
//! and over the unreliable network with its commands and numbered messages.

use wharf_wire::application::{Dissect, Dissected, Hint, Message, Part, Transport};

use super::client::{Opened, peek};
use super::unreliable::in_words;
use super::{Dialect, MAX_LINE, Reply, Request};
use crate::dissect::{line, part};

const SPEC: &str = "docs/protocols/chat.md";

/// The standard port.
const PORT: u16 = 5378;

/// The chat, over streams and over datagrams.
#[derive(Clone, Copy, Debug)]
pub struct DissectChat;

impl Dissect for DissectChat {
    fn name(&self) -> &'static str {
        "CHAT"
    }

    fn claims(&self, bytes: &[u8], hint: &Hint) -> bool {
        hint.has_port(PORT) || hint.spoke(self.name()) || bytes.starts_with(b"HELLO-FROM ")
    }

    fn port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn dissect(&self, bytes: &[u8], hint: &Hint) -> Dissected {
        // Every header is in capitals: the end of a line that has none need not be looked for.
        let is_line = bytes.first().is_none_or(u8::is_ascii_uppercase);
        if hint.transport == Transport::Tcp && hint.is_whole && !is_line {
            return Dissected::Foreign;
        }
        let (line, len) = match line(bytes, MAX_LINE) {
            Ok(found) => found,
            // A datagram without a line's end is no message.
            Err(Dissected::Partial) if hint.transport == Transport::Udp => {
                return Dissected::Foreign;
            }
            Err(other) => return other,
        };
        let command = || match hint.transport {
            Transport::Udp => in_words(line),
            Transport::Tcp => None,
        };
        let (summary, parts) = match (Request::parse(line), Reply::parse(line)) {
            (Ok(request), _) => of_request(line, &request),
            (Err(_), Some(reply)) => of_reply(line, &reply),
            (Err(_), None) => match command() {
                Some(words) => of_command(line, words),
                None => return Dissected::Foreign,
            },
        };
        Dissected::Message(Message {
            len,
            summary,
            parts,
        })
    }
}

fn of_request(line: &str, request: &Request<'_>) -> (String, Vec<Part>) {
    let mut parts = vec![header(line)];
    let meaning = match request {
        Request::HelloFrom(name) => {
            parts.push(part("name", SPEC, line, name).means("who wants to log in"));
            format!("{name} wants to log in")
        }
        Request::Users(_) => "who is logged in?".into(),
        Request::Send { to, text } => {
            parts.push(part("to", SPEC, line, to).means("for whom it is"));
            format!("for {to}: {}", of_text(line, text, &mut parts))
        }
    };
    (meaning, parts)
}

fn of_reply(line: &str, reply: &Reply<'_>) -> (String, Vec<Part>) {
    let mut parts = vec![header(line)];
    let meaning = match reply {
        Reply::Hello(name) => {
            parts.push(part("name", SPEC, line, name).means("is logged in"));
            format!("{name} is logged in")
        }
        Reply::InUse => "this name is taken".into(),
        Reply::Busy => "the room is full".into(),
        Reply::Users(_, names) => {
            parts.push(part("names", SPEC, line, names).means("who is logged in"));
            format!("logged in: {names}")
        }
        Reply::SendOk => "it is on its way".into(),
        Reply::NoSuchUser(Dialect::Who | Dialect::List) => {
            "nobody of that name is logged in".into()
        }
        Reply::Delivery { from, text } => {
            parts.push(part("from", SPEC, line, from).means("who sent it"));
            format!("from {from}: {}", of_text(line, text, &mut parts))
        }
        Reply::BadHeader => "there is no such request, or not now".into(),
        Reply::BadBody => "the fields of the request are wrong".into(),
    };
    (meaning, parts)
}

/// A text, and what a client that numbers its messages put behind it; gives it in words.
fn of_text(line: &str, text: &str, parts: &mut Vec<Part>) -> String {
    match peek(text.as_bytes()) {
        Opened::Text {
            text: plain,
            number,
            ..
        } => {
            parts.push(part("text", SPEC, line, plain));
            parts.push(
                part("envelope", SPEC, line, &text[plain.len()..]).means(format!(
                    "number {number} of this sender's stream, and a checksum over names and text: \
                 what is lost is missed, what is damaged is noticed"
                )),
            );
            format!("{plain} (number {number})")
        }
        Opened::Ack { through, .. } => {
            parts.push(part("ack", SPEC, line, text).means(format!(
                "everything up to number {through} has arrived; further ones are listed as bits"
            )));
            format!("acknowledges up to number {through}")
        }
        Opened::Damaged => {
            parts.push(part("text", SPEC, line, text).means("was damaged on the way"));
            format!("{text} (damaged)")
        }
        Opened::Plain => {
            parts.push(part("text", SPEC, line, text));
            text.to_owned()
        }
    }
}

/// A command to the unreliable network, or its answer.
fn of_command(line: &str, words: String) -> (String, Vec<Part>) {
    let mut parts = vec![header(line)];
    if let Some((_, rest)) = line.split_once(' ') {
        let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
        parts.push(part("setting", SPEC, line, name).means("how the network misbehaves"));
        if !value.is_empty() {
            parts.push(part("value", SPEC, line, value));
        }
    }
    (words, parts)
}

fn header(line: &str) -> Part {
    let word = line.split(' ').next().unwrap_or_default();
    part("header", SPEC, line, word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_wire::application::Gate;

    const HINT: Hint = Hint {
        transport: Transport::Tcp,
        source: 40_000,
        destination: PORT,
        is_whole: true,
        spoken: None,
        gate: Gate::Unknown,
    };

    const DATAGRAM: Hint = Hint {
        transport: Transport::Udp,
        ..HINT
    };

    fn message(bytes: &[u8], hint: &Hint) -> Message {
        match DissectChat.dissect(bytes, hint) {
            Dissected::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn both_sides_are_taken_apart() {
        let sent = message(b"SEND ben a  b\nWHO\n", &HINT);
        assert_eq!((sent.len, sent.summary.as_str()), (14, "for ben: a  b"));
        assert_eq!(sent.parts[1].bytes, 5..8);
        assert_eq!(sent.parts[2].bytes, 9..13);
        let users = message(b"WHO-OK a,b\r\n", &HINT);
        assert_eq!((users.len, users.summary.as_str()), (12, "logged in: a,b"));
        assert_eq!(
            DissectChat.dissect(b"SEND ben a", &HINT),
            Dissected::Partial
        );
        assert_eq!(
            DissectChat.dissect(b"GET / HTTP/1.1\r\n", &HINT),
            Dissected::Foreign
        );
    }

    #[test]
    fn numbered_messages_and_acknowledgements_of_the_unreliable_room() {
        let sent = message(
            b"SEND ben hello there [#a1b2c3.000039.02.7af6daa0]\n",
            &DATAGRAM,
        );
        assert_eq!(sent.summary, "for ben: hello there (number 57)");
        assert_eq!(sent.parts[2].bytes, 9..20);
        assert_eq!(sent.parts[3].bytes, 20..49);
        let ack = message(
            b"DELIVERY ann [+a1b2c3.000037.0000000000000005.35021fb9]\n",
            &DATAGRAM,
        );
        assert_eq!(ack.summary, "from ann: acknowledges up to number 55");
        let damaged = message(
            b"DELIVERY ann hello [#a1b2c3.0000zz.02.7af6daa0]\n",
            &DATAGRAM,
        );
        assert!(damaged.summary.ends_with("(damaged)"), "{damaged:?}");
    }

    #[test]
    fn commands_to_the_network_are_only_in_datagrams() {
        let set = message(b"SET DROP 0.5\n", &DATAGRAM);
        assert_eq!(
            set.summary,
            "sets the probability that a datagram is lost to 0.5"
        );
        assert_eq!(
            (set.parts[1].bytes.clone(), set.parts[2].bytes.clone()),
            (4..8, 9..12)
        );
        assert_eq!(
            DissectChat.dissect(b"SET DROP 0.5\n", &HINT),
            Dissected::Foreign
        );
        // No end, no message.
        assert_eq!(
            DissectChat.dissect(b"SEND ben a", &DATAGRAM),
            Dissected::Foreign
        );
    }
}
