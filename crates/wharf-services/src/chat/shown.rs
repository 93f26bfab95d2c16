//! What the chat reports, and the words for it.

use std::fmt;

use wharf::network::Endpoint;

use super::room::{Leave, Refusal};

/// A moment in the life of a room.
///
/// `Display` gives a line for people, without the newline. Control characters –
/// which could change a terminal – are written as escapes.
///
/// ```
/// use wharf::network::Endpoint;
/// use wharf_services::chat::Shown;
///
/// let peer: Endpoint = "192.0.2.1:49216".parse::<std::net::SocketAddr>().unwrap().into();
/// let shown = Shown::LoggedIn { peer: &peer, name: "jesse", users: 3 };
/// assert_eq!(shown.to_string(), "jesse logged in from 192.0.2.1:49216, 3 users");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown<'a> {
    /// A user logged in.
    LoggedIn {
        /// Its address.
        peer: &'a Endpoint,
        /// Its name.
        name: &'a str,
        /// How many users there were then, without the bots.
        users: usize,
    },
    /// A login was refused.
    Refused {
        /// Who wanted to log in.
        peer: &'a Endpoint,
        /// Under which name; whatever the client wrote there, cut to the longest name.
        name: &'a str,
        /// Why not.
        why: Refusal,
    },
    /// A user left.
    Left {
        /// Its address.
        peer: &'a Endpoint,
        /// Its name, which is free again.
        name: &'a str,
        /// Why.
        why: Leave,
        /// How many users there were then, without the bots.
        users: usize,
    },
    /// Something was said; reported only where the [rules](super::Rules::report) say so.
    Said {
        /// Who said it.
        from: &'a str,
        /// To whom.
        to: &'a str,
        /// What.
        text: &'a str,
    },
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::LoggedIn { peer, name, users } => {
                write!(f, "{name} logged in from {peer}, {}", Users(*users))
            }
            Shown::Refused { peer, name, why } => {
                let name = Visible(name);
                write!(f, "{peer} was refused as {name:?}: {}", why.as_str())
            }
            Shown::Left {
                name, why, users, ..
            } => {
                write!(f, "{name} left")?;
                if *why == Leave::SlowReader {
                    f.write_str(" as a slow reader")?;
                }
                write!(f, ", {}", Users(*users))
            }
            Shown::Said { from, to, text } => write!(f, "{from} to {to}: {}", Visible(text)),
        }
    }
}

impl Refusal {
    /// The name used in reports: lower case, hyphens.
    pub fn as_str(self) -> &'static str {
        match self {
            Refusal::InUse => "in-use",
            Refusal::NoName => "no-name",
            Refusal::Full => "full",
            Refusal::AddressFull => "address-full",
        }
    }
}

impl Leave {
    /// The name used in reports: lower case, hyphens.
    pub fn as_str(self) -> &'static str {
        match self {
            Leave::Closed => "closed",
            Leave::SlowReader => "slow-reader",
        }
    }
}

/// A number of users, in words.
struct Users(usize);

impl fmt::Display for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ending = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} user{ending}", self.0)
    }
}

/// Text that cannot change a terminal; `{:?}` puts it between quotes.
struct Visible<'a>(&'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                obeyed if obeyed.is_control() || changes_direction(obeyed) => {
                    write!(f, "{}", obeyed.escape_default())?;
                }
                other => write!(f, "{other}")?,
            }
        }
        Ok(())
    }
}

/// Marks, embeddings, overrides and isolates of direction (UAX #9), which make text
/// look like something else.
fn changes_direction(character: char) -> bool {
    matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Debug for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_users_write_cannot_change_the_terminal() {
        let said = Shown::Said {
            from: "ann",
            to: "ben",
            text: "\x1b[2Jgrün\u{202e}",
        };
        assert_eq!(said.to_string(), "ann to ben: \\u{1b}[2Jgrün\\u{202e}");
        let peer = Endpoint::Inet("192.0.2.1:5".parse().unwrap());
        let refused = Shown::Refused {
            peer: &peer,
            name: "a\x07b",
            why: Refusal::NoName,
        };
        assert_eq!(
            refused.to_string(),
            "192.0.2.1:5 was refused as \"a\\u{7}b\": no-name"
        );
    }
}
