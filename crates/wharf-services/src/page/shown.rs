//! What the page service reports, and the words for it.

use std::fmt;

use wharf::network::Endpoint;

/// A reply that was begun.
///
/// `Display` gives a line for people; control characters are escaped.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Shown<'a> {
    /// Who asked.
    pub peer: &'a Endpoint,
    /// The method, for example `GET`.
    pub method: &'a str,
    /// The path as it was asked for.
    pub path: &'a str,
    /// The status of the reply, for example 200.
    pub status: u16,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown {
            peer,
            method,
            path,
            status,
        } = self;
        write!(
            f,
            "{status} {} {} for {peer}",
            method.escape_debug(),
            path.escape_debug()
        )
    }
}
