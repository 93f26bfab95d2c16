//! The chat's lines taken apart for pictures, by the chat's own grammar.

use std::ops::Range;

use wharf_wire::application::{Dissect, Dissected, Hint, Message, Part, Transport};

use super::{Dialect, MAX_LINE, Reply, Request};

const SPEC: &str = "docs/protocols/chat.md";

/// The standard port.
const PORT: u16 = 5378;

/// The chat over streams.
#[derive(Clone, Copy, Debug)]
pub struct DissectChat;

impl Dissect for DissectChat {
    fn name(&self) -> &'static str {
        "CHAT"
    }

    fn claims(&self, bytes: &[u8], hint: &Hint) -> bool {
        hint.transport == Transport::Tcp
            && (hint.has_port(PORT) || bytes.starts_with(b"HELLO-FROM "))
    }

    fn dissect(&self, bytes: &[u8], _: &Hint) -> Dissected {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            return if bytes.len() > MAX_LINE {
                Dissected::Foreign
            } else {
                Dissected::Partial
            };
        };
        let line = bytes[..end].strip_suffix(b"\r").unwrap_or(&bytes[..end]);
        let Ok(line) = std::str::from_utf8(line) else {
            return Dissected::Foreign;
        };
        let (summary, parts) = match (Request::parse(line), Reply::parse(line)) {
            (Ok(request), _) => of_request(line, &request),
            (Err(_), Some(reply)) => of_reply(line, &reply),
            (Err(_), None) => return Dissected::Foreign,
        };
        Dissected::Message(Message {
            len: end + 1,
            summary,
            parts,
        })
    }
}

fn of_request(line: &str, request: &Request<'_>) -> (String, Vec<Part>) {
    let mut parts = vec![header(line)];
    let meaning = match request {
        Request::HelloFrom(name) => {
            parts.push(part("name", line, name).means("who wants to log in"));
            format!("{name} wants to log in")
        }
        Request::Users(_) => "who is logged in?".into(),
        Request::Send { to, text } => {
            parts.push(part("to", line, to).means("for whom it is"));
            parts.push(part("text", line, text));
            format!("for {to}: {text}")
        }
    };
    (meaning, parts)
}

fn of_reply(line: &str, reply: &Reply<'_>) -> (String, Vec<Part>) {
    let mut parts = vec![header(line)];
    let meaning = match reply {
        Reply::Hello(name) => {
            parts.push(part("name", line, name).means("is logged in"));
            format!("{name} is logged in")
        }
        Reply::InUse => "this name is taken".into(),
        Reply::Busy => "the room is full".into(),
        Reply::Users(_, names) => {
            parts.push(part("names", line, names).means("who is logged in"));
            format!("logged in: {names}")
        }
        Reply::SendOk => "it is on its way".into(),
        Reply::NoSuchUser(Dialect::Who | Dialect::List) => {
            "nobody of that name is logged in".into()
        }
        Reply::Delivery { from, text } => {
            parts.push(part("from", line, from).means("who sent it"));
            parts.push(part("text", line, text));
            format!("from {from}: {text}")
        }
        Reply::BadHeader => "there is no such request, or not now".into(),
        Reply::BadBody => "the fields of the request are wrong".into(),
    };
    (meaning, parts)
}

fn header(line: &str) -> Part {
    let word = line.split(' ').next().unwrap_or_default();
    part("header", line, word)
}

/// A field of the line; the grammar lends its fields from it, so its place is known.
fn part(name: &'static str, line: &str, field: &str) -> Part {
    let at = (field.as_ptr() as usize)
        .saturating_sub(line.as_ptr() as usize)
        .min(line.len());
    let bytes: Range<usize> = at..(at + field.len()).min(line.len());
    Part::text(name, SPEC, bytes, field)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HINT: Hint = Hint {
        transport: Transport::Tcp,
        source: 40_000,
        destination: PORT,
        is_whole: true,
    };

    #[test]
    fn both_sides_are_taken_apart() {
        let Dissected::Message(message) = DissectChat.dissect(b"SEND ben a  b\nWHO\n", &HINT)
        else {
            panic!("no message");
        };
        assert_eq!(
            (message.len, message.summary.as_str()),
            (14, "for ben: a  b")
        );
        assert_eq!(message.parts[1].bytes, 5..8);
        assert_eq!(message.parts[2].bytes, 9..13);
        let Dissected::Message(message) = DissectChat.dissect(b"WHO-OK a,b\r\n", &HINT) else {
            panic!("no message");
        };
        assert_eq!(
            (message.len, message.summary.as_str()),
            (12, "logged in: a,b")
        );
        assert_eq!(
            DissectChat.dissect(b"SEND ben a", &HINT),
            Dissected::Partial
        );
        assert_eq!(
            DissectChat.dissect(b"GET / HTTP/1.1\r\n", &HINT),
            Dissected::Foreign
        );
    }
}
