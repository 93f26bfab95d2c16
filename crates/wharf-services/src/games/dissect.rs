//! What the games' dissectors have in common: a line is a code, fields, and words for
//! people behind two hyphens; over datagrams a number may stand before it.

use wharf_wire::application::{Dissected, Hint, Message, Transport};

use super::MAX_LINE;
use super::letters::request;
use crate::dissect::{line, part};

/// Who says a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    Client,
    Server,
}

/// A line that was understood.
pub(crate) struct Said {
    /// In words, where the line itself has none.
    pub(crate) summary: String,
    /// What the fields behind the code are called, and mean.
    pub(crate) fields: &'static [(&'static str, &'static str)],
}

/// No server's line is longer: the words for people are a few hundred bytes.
const LONGEST: usize = 2 * MAX_LINE;

/// Takes the line apart that `bytes` begin with; `understand` is the game's own parser.
pub(crate) fn message(
    bytes: &[u8],
    hint: &Hint,
    port: u16,
    spec: &'static str,
    understand: impl Fn(&str, Speaker) -> Option<Said>,
) -> Dissected {
    let (whole, len) = match line(bytes, LONGEST) {
        Ok(found) => found,
        // A datagram is a line, with or without its end.
        Err(Dissected::Partial) if hint.transport == Transport::Udp && !bytes.is_empty() => {
            match std::str::from_utf8(bytes) {
                Ok(text) => (text, bytes.len()),
                Err(_) => return Dissected::Foreign,
            }
        }
        Err(other) => return other,
    };
    let (number, text) = numbered(whole, hint);
    let mut parts = Vec::new();
    if let Some(number) = number {
        let digits = &whole[..whole.len() - text.len()];
        parts.push(part("number", spec, whole, digits.trim_end()).means(
            "the request's number: its answer has the same, and asked again it is not done twice",
        ));
        if text.is_empty() {
            return Dissected::Message(Message {
                len,
                summary: match hint.destination == port {
                    true => format!("request {number}: what is new?"),
                    false => format!("the answer to request {number}:"),
                },
                parts,
            });
        }
    }
    let found = speakers(text, hint, port)
        .into_iter()
        .flatten()
        .find_map(|who| understand(text, who));
    let Some(said) = found else {
        return Dissected::Foreign;
    };
    let (fields, words) = match text.find(" -- ") {
        Some(at) => (&text[..at], Some(&text[at + 4..])),
        None => (text, None),
    };
    let mut names = said.fields.iter();
    for (index, field) in fields.split_ascii_whitespace().enumerate() {
        let (name, meaning) = match index {
            0 => ("code", ""),
            _ => names.next().copied().unwrap_or(("field", "")),
        };
        parts.push(part(name, spec, whole, field).means(meaning));
    }
    if let Some(words) = words {
        parts.push(part("words", spec, whole, words).means("for people: programs stop before"));
    }
    let summary = match words {
        Some(words) if said.summary.is_empty() => words.to_owned(),
        _ => said.summary,
    };
    Dissected::Message(Message {
        len,
        summary,
        parts,
    })
}

/// Whether a datagram begins with a number that the game's own words follow: nobody else
/// writes so.
pub(crate) fn is_numbered(
    bytes: &[u8],
    hint: &Hint,
    understand: impl Fn(&str, Speaker) -> Option<Said>,
) -> bool {
    // Looks for the line's end, which a stream may be without for a megabyte.
    if hint.transport != Transport::Udp {
        return false;
    }
    let (number, text) = request(bytes);
    number.is_some()
        && std::str::from_utf8(text).is_ok_and(|text| understand(text, Speaker::Client).is_some())
}

/// The number before a line, if it has one: `#7 ROCK` of a client, `#7` of a server.
fn numbered<'a>(line: &'a str, hint: &Hint) -> (Option<u32>, &'a str) {
    if hint.transport != Transport::Udp {
        return (None, line);
    }
    if let Some(number) = line
        .strip_prefix('#')
        .and_then(|digits| digits.parse().ok())
    {
        return (Some(number), "");
    }
    match request(line.as_bytes()) {
        (Some(number), text) => (Some(number), &line[line.len() - text.len()..]),
        (None, _) => (None, line),
    }
}

/// Who may have said this: the ports tell, or else the words for people, which only
/// servers add.
fn speakers(text: &str, hint: &Hint, port: u16) -> [Option<Speaker>; 2] {
    match (hint.source == port, hint.destination == port) {
        (true, false) => [Some(Speaker::Server), None],
        (false, true) => [Some(Speaker::Client), None],
        _ if text.contains(" -- ") => [Some(Speaker::Server), Some(Speaker::Client)],
        _ => [Some(Speaker::Client), Some(Speaker::Server)],
    }
}

/// A code alone needs no words for its parts.
impl From<&str> for Said {
    fn from(summary: &str) -> Said {
        Said {
            summary: summary.to_owned(),
            fields: &[],
        }
    }
}

impl Said {
    pub(crate) fn new(
        summary: impl Into<String>,
        fields: &'static [(&'static str, &'static str)],
    ) -> Said {
        Said {
            summary: summary.into(),
            fields,
        }
    }
}
