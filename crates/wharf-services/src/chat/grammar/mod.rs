//! The language of the chat: one message is one line of UTF-8, its fields are
//! separated by one space. Both sides, both dialects, no I/O.
//!
//! | client says | server answers | when |
//! |---|---|---|
//! | `HELLO-FROM <name>` | `HELLO <name>` · `IN-USE` · `BUSY` | first |
//! | `WHO` | `WHO-OK a,b,c` | dialect to 2022 |
//! | `LIST` | `LIST-OK a,b,c` | dialect since 2023 |
//! | `SEND <name> <text>` | `SEND-OK` · `UNKNOWN` (to 2022) · `BAD-DEST-USER` (since 2023) | |
//! | anything else | `BAD-RQST-HDR` · `BAD-RQST-BODY` | |
//! | | `DELIVERY <from> <text>` | at any time |
//!
//! What is written by one side parses back on the other: [`Request`] is what
//! clients write and servers read, [`Reply`] the other way round.

mod reply;
mod request;

use std::borrow::Cow;

use memchr::memchr;

pub use reply::Reply;
pub use request::{BadRequest, Request, Verb};

/// The two ways of saying the same that are in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `WHO`, `WHO-OK`, `UNKNOWN`: spoken until 2022.
    #[default]
    Who,
    /// `LIST`, `LIST-OK`, `BAD-DEST-USER`: spoken since 2023.
    List,
}

/// Whether `text` can be a name: letters A to Z, a to z and digits, at least one.
///
/// ```
/// use wharf_services::chat::is_name;
///
/// assert!(is_name("Jesse2"));
/// assert!(!is_name("") && !is_name("a b") && !is_name("é"));
/// ```
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Splits at the first space: the field before it, and what follows if there is one.
fn split_field(text: &str) -> (&str, Option<&str>) {
    // A field is a few bytes: shorter than the way into a search for long ones.
    match text.bytes().position(|byte| byte == b' ') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

/// A line as text; bytes that are no UTF-8 become U+FFFD.
pub(super) fn text_of(line: &[u8]) -> Cow<'_, str> {
    // `from_utf8_lossy` looks at byte after byte, this at eight at once.
    match str::from_utf8(line) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(line),
    }
}

/// Ends the line that begins at `start` of `out`. A line end within it would begin a
/// message of its own, so it becomes a space.
fn end_line(start: usize, out: &mut Vec<u8>) {
    if memchr(b'\n', &out[start..]).is_some() {
        for byte in &mut out[start..] {
            if *byte == b'\n' {
                *byte = b' ';
            }
        }
    }
    out.push(b'\n');
}
