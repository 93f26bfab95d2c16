//! What a client hears, and why something did not work.

use std::fmt;
use std::time::Duration;

use wharf::client::ConnectError;
use wharf::network::{Endpoint, error_words};

use super::super::MAX_NAME;
use crate::password::LoginError;

/// A message that was handed over; what becomes of it is told under this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// Something that a client hears.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event {
    /// There is a connection, or a socket towards the server; nobody is logged in yet.
    Connected(Endpoint),
    /// Logged in under this name.
    LoggedIn(String),
    /// Not logged in under this name. [`log_in`](super::ChatClient::log_in) tries another one.
    Refused {
        /// Which one.
        name: String,
        /// Why not.
        why: Denied,
    },
    /// Everybody who is logged in, bots and oneself too, in login order.
    Users(Vec<String>),
    /// The server does not tell who is there.
    NoUsers,
    /// A message went well.
    Sent {
        /// Which one.
        ticket: Ticket,
        /// How well.
        receipt: Receipt,
    },
    /// A message did not go well.
    NotSent {
        /// Which one.
        ticket: Ticket,
        /// Why not.
        why: NotSent,
    },
    /// A message from somebody.
    Message(Message),
    /// The connection is lost.
    Lost {
        /// Why.
        why: Lost,
        /// When the next attempt is made; `None` is never.
        again: Option<Duration>,
    },
}

/// A message from somebody. Name and text are what came, control characters and all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who sent it.
    pub from: String,
    /// The text, in one line.
    pub text: String,
    /// What is known of its way.
    pub check: Check,
}

/// What is known of a message's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// It came in a stream, which loses and changes nothing.
    Stream,
    /// It came in a datagram, and its checksum is right: once, and in order.
    Checked,
    /// It came in a datagram from a client that adds no checksum: it may have been
    /// changed, lost its order or come twice.
    Unchecked,
}

/// How far a message has come for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is in the receiver's queue at the server.
    Queued,
    /// The receiver has it.
    Acknowledged,
    /// It was sent to a receiver that acknowledges nothing, over a network that may lose it.
    Unconfirmed,
}

/// Why a login was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Somebody has the name.
    InUse,
    /// The server takes no such name.
    BadName,
    /// The server has enough users.
    Busy,
    /// It is not the server that answered, but the gate before it, which wants a password.
    Gated,
}

/// Why a message did not reach the receiver's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// Nobody of this name is logged in.
    NoSuchUser,
    /// The server does not take it.
    Refused,
    /// The connection ended before the answer: nobody knows whether it arrived.
    Lost,
    /// The server answered what came later, but not this.
    Unanswered,
    /// The receiver's client did not acknowledge it in time.
    NotAcknowledged,
}

/// Why a message cannot be sent at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CannotSend {
    /// Nobody is logged in at present.
    NotLoggedIn,
    /// The receiver's name cannot be one: letters A to Z, a to z and digits.
    NotAName,
    /// There is no text.
    Empty,
    /// It is longer than this many bytes.
    TooLong(usize),
    /// Too many messages wait for their answers.
    TooMany,
}

/// Why the connection is lost.
#[derive(Debug)]
pub enum Lost {
    /// There was none: nobody could be reached.
    Connect(ConnectError),
    /// The server closed it.
    Closed,
    /// It broke.
    Broken(std::io::Error),
    /// The server does not answer.
    Silent(Duration),
    /// The server has enough users.
    Busy,
    /// The gate before the server did not open to the password.
    Gate(LoginError),
    /// There is a gate before the server, and no password was given.
    Gated,
}

impl Denied {
    /// Whether another name may be taken. Otherwise [`Event::Lost`] follows.
    pub fn is_about_the_name(self) -> bool {
        matches!(self, Denied::InUse | Denied::BadName)
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Denied::InUse => f.write_str("the name is in use"),
            Denied::BadName => write!(
                f,
                "the server takes no such name; names are letters and digits, mostly at most {MAX_NAME}"
            ),
            Denied::Busy => f.write_str("the server has enough users"),
            Denied::Gated => f.write_str("a gate stands before the server and wants a password"),
        }
    }
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotSent::NoSuchUser => "nobody of that name is here",
            NotSent::Refused => "the server refused it",
            NotSent::Lost => "the connection ended before the server had answered",
            NotSent::Unanswered => "the server gave no answer to it",
            NotSent::NotAcknowledged => "it was not acknowledged in time",
        })
    }
}

impl fmt::Display for CannotSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CannotSend::NotLoggedIn => f.write_str("not logged in"),
            CannotSend::NotAName => f.write_str("names are letters A to Z, a to z and digits"),
            CannotSend::Empty => f.write_str("there is no text"),
            CannotSend::TooLong(most) => write!(f, "it is longer than {most} bytes"),
            CannotSend::TooMany => f.write_str("too many messages wait for their answers"),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lost::Connect(error) => error.fmt(f),
            Lost::Closed => f.write_str("the server closed the connection"),
            Lost::Broken(error) => write!(f, "the connection broke: {}", error_words(error)),
            Lost::Silent(time) => write!(f, "the server did not answer for {time:?}"),
            Lost::Busy => f.write_str("the server has enough users"),
            Lost::Gate(error) => error.fmt(f),
            Lost::Gated => Denied::Gated.fmt(f),
        }
    }
}

impl std::error::Error for CannotSend {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_connection_is_told_in_words() {
        let reset = std::io::ErrorKind::ConnectionReset;
        let told = Lost::Broken(reset.into()).to_string();
        assert_eq!(told, "the connection broke: connection reset");
    }
}
