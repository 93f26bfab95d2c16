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
    match text.split_once(' ') {
        Some((field, rest)) => (field, Some(rest)),
        None => (text, None),
    }
}

/// Appends text that must stay within one line: a line end in it would begin a
/// message of its own, so it becomes a space.
fn push_text(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(text.as_bytes());
    if text.as_bytes().contains(&b'\n') {
        for byte in &mut out[start..] {
            if *byte == b'\n' {
                *byte = b' ';
            }
        }
    }
}
