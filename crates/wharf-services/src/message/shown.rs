//! What the message service reports, and the words for it.

use std::fmt;
use std::net::SocketAddr;

use wharf::network::{Endpoint, UnixName};

/// A moment in the life of the message service.
///
/// `Display` gives the line that a simple server prints at that moment, without
/// the newline:
///
/// ```
/// use wharf::network::Endpoint;
/// use wharf_services::message::Shown;
///
/// let peer: Endpoint = "127.0.0.1:49216".parse::<std::net::SocketAddr>().unwrap().into();
/// assert_eq!(
///     Shown::Accepted { peer: &peer }.to_string(),
///     "server accepted connection request from  ('127.0.0.1', 49216)",
/// );
/// let received = Shown::Received { peer: &peer, message: b"hello there!" };
/// assert_eq!(received.to_string(), "server received  hello there!");
/// ```
///
/// The message is shown as text: control characters – which could change a
/// terminal – are written as escapes, bytes that are no UTF-8 as `\xff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown<'a> {
    /// The server is there and nobody has come yet.
    WaitsForConnection,
    /// A client came.
    Accepted {
        /// The client.
        peer: &'a Endpoint,
    },
    /// Nothing of the client's has come yet.
    WaitsForData {
        /// The client.
        peer: &'a Endpoint,
    },
    /// A message came.
    Received {
        /// Who sent it.
        peer: &'a Endpoint,
        /// The message, without what ended it.
        message: &'a [u8],
    },
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shown::WaitsForConnection => f.write_str("server waits for connection"),
            Shown::Accepted { peer } => {
                f.write_str("server accepted connection request from  ")?;
                fmt_as_tuple(peer, f)
            }
            Shown::WaitsForData { .. } => f.write_str("server waits for data"),
            Shown::Received { message, .. } => {
                f.write_str("server received  ")?;
                fmt_as_text(message, f)
            }
        }
    }
}

/// The address as Python's `socket` gives it, which is how the lectures show it.
fn fmt_as_tuple(peer: &Endpoint, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match peer {
        Endpoint::Inet(SocketAddr::V4(at)) => write!(f, "('{}', {})", at.ip(), at.port()),
        Endpoint::Inet(SocketAddr::V6(at)) => write!(
            f,
            "('{}', {}, {}, {})",
            at.ip(),
            at.port(),
            at.flowinfo(),
            at.scope_id()
        ),
        Endpoint::Unix(UnixName::Unnamed) => f.write_str("an unnamed socket"),
        Endpoint::Unix(_) => write!(f, "{peer}"),
    }
}

fn fmt_as_text(message: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for chunk in message.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '\t' => f.write_str("\t")?,
                control if control.is_control() => write!(f, "{}", control.escape_default())?,
                other => write!(f, "{other}")?,
            }
        }
        for byte in chunk.invalid() {
            write!(f, "\\x{byte:02x}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_cannot_change_the_terminal() {
        let peer = Endpoint::Unix(UnixName::Unnamed);
        let shown = Shown::Received {
            peer: &peer,
            message: b"\x1b[2J gr\xc3\xbcn \xff\r",
        };
        assert_eq!(
            shown.to_string(),
            "server received  \\u{1b}[2J grün \\xff\\r"
        );
    }

    #[test]
    fn an_ipv6_client_is_shown_with_flow_and_scope() {
        let peer = Endpoint::Inet("[::1]:5".parse().unwrap());
        assert!(
            Shown::Accepted { peer: &peer }
                .to_string()
                .ends_with("('::1', 5, 0, 0)")
        );
    }
}
