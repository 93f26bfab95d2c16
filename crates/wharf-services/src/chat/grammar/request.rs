//! What a client says.

use super::{Dialect, end_line, is_name, split_field};

/// One message from a client.
///
/// ```
/// use wharf_services::chat::Request;
///
/// let request = Request::parse("SEND ben   a  b  ").unwrap();
/// assert_eq!(request, Request::Send { to: "ben", text: "a  b" });
///
/// let mut line = Vec::new();
/// request.write(&mut line);
/// assert_eq!(line, b"SEND ben a  b\n");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// `HELLO-FROM <name>`: the client wants to log in.
    HelloFrom(&'a str),
    /// `WHO` or `LIST`: the client asks who is logged in.
    Users(Dialect),
    /// `SEND <name> <text>`: a message for somebody.
    Send {
        /// For whom; any word, also one that cannot be a name.
        to: &'a str,
        /// The text: at least one character, no spaces at its ends.
        text: &'a str,
    },
}

/// The first field of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `HELLO-FROM`
    HelloFrom,
    /// `WHO` or `LIST`
    Users(Dialect),
    /// `SEND`
    Send,
}

/// Why a line is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// There is no such verb, or it stands with fields that it does not take.
    Header,
    /// The fields of this verb are missing or wrong.
    Body(Verb),
}

impl<'a> Request<'a> {
    /// Reads a line, given without its end.
    ///
    /// # Errors
    /// [`BadRequest`] says which part is wrong.
    pub fn parse(line: &'a str) -> Result<Request<'a>, BadRequest> {
        let (header, rest) = split_field(line);
        match (header, rest) {
            ("HELLO-FROM", Some(name)) if is_name(name) => Ok(Request::HelloFrom(name)),
            ("HELLO-FROM", _) => Err(BadRequest::Body(Verb::HelloFrom)),
            ("SEND", rest) => {
                parse_send(rest.unwrap_or_default()).ok_or(BadRequest::Body(Verb::Send))
            }
            ("WHO", None) => Ok(Request::Users(Dialect::Who)),
            ("LIST", None) => Ok(Request::Users(Dialect::List)),
            _ => Err(BadRequest::Header),
        }
    }

    /// Appends the line, with its end. Line ends within the text become spaces.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Request::HelloFrom(name) => {
                out.extend_from_slice(b"HELLO-FROM ");
                out.extend_from_slice(name.as_bytes());
            }
            Request::Users(Dialect::Who) => out.extend_from_slice(b"WHO"),
            Request::Users(Dialect::List) => out.extend_from_slice(b"LIST"),
            Request::Send { to, text } => {
                out.extend_from_slice(b"SEND ");
                out.extend_from_slice(to.as_bytes());
                out.push(b' ');
                out.extend_from_slice(text.as_bytes());
            }
        }
        end_line(start, out);
    }

    /// Its first field.
    pub fn verb(&self) -> Verb {
        match self {
            Request::HelloFrom(_) => Verb::HelloFrom,
            Request::Users(dialect) => Verb::Users(*dialect),
            Request::Send { .. } => Verb::Send,
        }
    }
}

/// The fields of `SEND`. Courses' servers trim the text and keep the spaces in it.
fn parse_send(fields: &str) -> Option<Request<'_>> {
    let (to, text) = split_field(fields);
    let text = text?.trim();
    (!to.is_empty() && !text.is_empty()).then_some(Request::Send { to, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_checked_and_headers_are_exact() {
        let body = |verb| Err(BadRequest::Body(verb));
        for (line, meaning) in [
            ("HELLO-FROM bob", Ok(Request::HelloFrom("bob"))),
            ("HELLO-FROM", body(Verb::HelloFrom)),
            ("HELLO-FROM ", body(Verb::HelloFrom)),
            ("HELLO-FROM a b", body(Verb::HelloFrom)),
            ("HELLO-FROM bob!!!", body(Verb::HelloFrom)),
            ("HELLO-FROMbob", Err(BadRequest::Header)),
            ("hello-from bob", Err(BadRequest::Header)),
            ("WHO", Ok(Request::Users(Dialect::Who))),
            ("LIST", Ok(Request::Users(Dialect::List))),
            ("LIST x", Err(BadRequest::Header)),
            ("SEND", body(Verb::Send)),
            ("SEND ben", body(Verb::Send)),
            ("SEND ben  ", body(Verb::Send)),
            ("SEND  hi", body(Verb::Send)),
            ("SENDX ben hi", Err(BadRequest::Header)),
            ("", Err(BadRequest::Header)),
            (" WHO", Err(BadRequest::Header)),
        ] {
            assert_eq!(Request::parse(line), meaning, "{line:?}");
        }
    }

    fn request() -> impl Strategy<Value = (u8, String, String)> {
        (0..4u8, "[A-Za-z0-9]{1,9}", "\\PC{0,20}")
    }

    proptest! {
        #[test]
        fn what_is_written_parses_back((which, name, text) in request()) {
            let text = text.trim();
            let request = match which {
                0 => Request::HelloFrom(&name),
                1 => Request::Users(Dialect::Who),
                2 => Request::Users(Dialect::List),
                _ => Request::Send { to: &name, text: if text.is_empty() { "x" } else { text } },
            };
            let mut line = Vec::new();
            request.write(&mut line);
            prop_assert_eq!(line.pop(), Some(b'\n'));
            let line = String::from_utf8(line).unwrap();
            prop_assert_eq!(Request::parse(&line), Ok(request));
        }

        #[test]
        fn no_text_makes_two_lines(text in any::<String>()) {
            let mut line = Vec::new();
            Request::Send { to: "ben", text: &text }.write(&mut line);
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        }
    }
}
