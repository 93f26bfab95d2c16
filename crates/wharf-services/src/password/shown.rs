//! What a door reports, and the words for it.

use std::fmt;

use wharf::network::Endpoint;

/// What came of an attempt.
///
/// `Display` gives a line for people. What was said in an attempt is in none of them,
/// not even a name that nobody has: it may be a password typed at the wrong place.
///
/// ```
/// use wharf::network::Endpoint;
/// use wharf_services::password::Shown;
///
/// let peer: Endpoint = "192.0.2.1:49216".parse::<std::net::SocketAddr>().unwrap().into();
/// assert_eq!(Shown::Granted { peer: &peer, name: "ann" }.to_string(), "let ann in from 192.0.2.1:49216");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Shown<'a> {
    /// The attempt was right.
    Granted {
        /// Who made it.
        peer: &'a Endpoint,
        /// Under which name; empty where there is one password without a name.
        name: &'a str,
    },
    /// It was wrong.
    Denied {
        /// Who made it.
        peer: &'a Endpoint,
    },
    /// It was denied without being hashed: too many attempts.
    Refused {
        /// Who made it.
        peer: &'a Endpoint,
    },
    /// The users file cannot be read any more; the users of before stay.
    Stale {
        /// Why.
        why: &'a str,
    },
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::Granted { peer, name: "" } => write!(f, "let {peer} in"),
            Shown::Granted { peer, name } => write!(f, "let {name} in from {peer}"),
            Shown::Denied { peer } => write!(f, "denied {peer}"),
            Shown::Refused { peer } => {
                write!(f, "denied {peer} unheard: too many attempts wait already")
            }
            Shown::Stale { why } => write!(f, "keeps the users it has: {why}"),
        }
    }
}
