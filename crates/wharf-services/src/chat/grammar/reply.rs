//! What a server says.

use super::{Dialect, end_line, split_field};

/// One message from a server.
///
/// ```
/// use wharf_services::chat::{Dialect, Reply};
///
/// let delivery = Reply::parse("DELIVERY echobot hello  world").unwrap();
/// assert_eq!(delivery, Reply::Delivery { from: "echobot", text: "hello  world" });
///
/// let users = Reply::parse("LIST-OK echobot,jesse").unwrap();
/// assert_eq!(users, Reply::Users(Dialect::List, "echobot,jesse"));
/// assert_eq!(users.names().collect::<Vec<_>>(), ["echobot", "jesse"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// `HELLO <name>`: logged in.
    Hello(&'a str),
    /// `IN-USE`: somebody else has this name.
    InUse,
    /// `BUSY`: the room is full.
    Busy,
    /// `WHO-OK` or `LIST-OK` with the names of all users, separated by commas.
    Users(Dialect, &'a str),
    /// `SEND-OK`: the message was placed in the receiver's queue.
    SendOk,
    /// `UNKNOWN` or `BAD-DEST-USER`: nobody of this name is logged in.
    NoSuchUser(Dialect),
    /// `DELIVERY <from> <text>`: a message from somebody. It comes at any time.
    Delivery {
        /// Who sent it.
        from: &'a str,
        /// The text.
        text: &'a str,
    },
    /// `BAD-RQST-HDR`: no such request, or not now.
    BadHeader,
    /// `BAD-RQST-BODY`: the fields of the request are wrong.
    BadBody,
}

impl<'a> Reply<'a> {
    /// Reads a line, given without its end; `None` for what no server says.
    pub fn parse(line: &'a str) -> Option<Reply<'a>> {
        let (header, rest) = split_field(line);
        Some(match (header, rest) {
            ("HELLO", Some(name)) => Reply::Hello(name),
            ("IN-USE", None) => Reply::InUse,
            ("BUSY", None) => Reply::Busy,
            ("WHO-OK", names) => Reply::Users(Dialect::Who, names.unwrap_or_default()),
            ("LIST-OK", names) => Reply::Users(Dialect::List, names.unwrap_or_default()),
            ("SEND-OK", None) => Reply::SendOk,
            ("UNKNOWN", None) => Reply::NoSuchUser(Dialect::Who),
            ("BAD-DEST-USER", None) => Reply::NoSuchUser(Dialect::List),
            ("DELIVERY", Some(rest)) => {
                let (from, text) = split_field(rest);
                let text = text.unwrap_or_default();
                Reply::Delivery { from, text }
            }
            ("BAD-RQST-HDR", None) => Reply::BadHeader,
            ("BAD-RQST-BODY", None) => Reply::BadBody,
            _ => return None,
        })
    }

    /// Appends the line, with its end. Line ends within the text become spaces.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (header, field) = match self {
            Reply::Hello(name) => ("HELLO", Some(name)),
            Reply::InUse => ("IN-USE", None),
            Reply::Busy => ("BUSY", None),
            Reply::Users(Dialect::Who, names) => ("WHO-OK", Some(names)),
            Reply::Users(Dialect::List, names) => ("LIST-OK", Some(names)),
            Reply::SendOk => ("SEND-OK", None),
            Reply::NoSuchUser(Dialect::Who) => ("UNKNOWN", None),
            Reply::NoSuchUser(Dialect::List) => ("BAD-DEST-USER", None),
            Reply::Delivery { from, .. } => ("DELIVERY", Some(from)),
            Reply::BadHeader => ("BAD-RQST-HDR", None),
            Reply::BadBody => ("BAD-RQST-BODY", None),
        };
        let start = out.len();
        out.extend_from_slice(header.as_bytes());
        let Some(field) = field else {
            return out.push(b'\n');
        };
        out.push(b' ');
        out.extend_from_slice(field.as_bytes());
        if let Reply::Delivery { text, .. } = self {
            out.push(b' ');
            out.extend_from_slice(text.as_bytes());
        }
        end_line(start, out);
    }

    /// The names in a list of users; none in any other reply.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let names = match self {
            Reply::Users(_, names) => *names,
            _ => "",
        };
        names.split(',').filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIMPLE: [Reply<'static>; 7] = [
        Reply::InUse,
        Reply::Busy,
        Reply::SendOk,
        Reply::NoSuchUser(Dialect::Who),
        Reply::NoSuchUser(Dialect::List),
        Reply::BadHeader,
        Reply::BadBody,
    ];

    fn assert_parses_back(reply: Reply<'_>) {
        let mut line = Vec::new();
        reply.write(&mut line);
        assert_eq!(line.pop(), Some(b'\n'));
        let line = String::from_utf8(line).unwrap();
        assert_eq!(Reply::parse(&line), Some(reply));
    }

    #[test]
    fn replies_of_one_word_parse_back() {
        SIMPLE.into_iter().for_each(assert_parses_back);
        assert_eq!(Reply::parse("SEND-OK x"), None);
        assert_eq!(Reply::parse("GOODBYE"), None);
    }

    proptest! {
        #[test]
        fn what_is_written_parses_back(name in "[A-Za-z0-9]{1,9}", text in "\\PC{0,20}") {
            assert_parses_back(Reply::Hello(&name));
            assert_parses_back(Reply::Users(Dialect::Who, &name));
            assert_parses_back(Reply::Users(Dialect::List, &name));
            assert_parses_back(Reply::Delivery { from: &name, text: &text });
        }
    }
}
