//! What can be asked of a run, with defaults and bounds.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::chat::Chat;
use super::script::Exchange;

/// The most connections or flows of one run: the local ports of one address are
/// fewer (ip(7), `ip_local_port_range`).
const CONNECTIONS_MAX: usize = 1 << 20;
/// The most messages in flight on one connection or flow.
const DEPTH_MAX: usize = 1 << 16;
/// The longest message in bytes.
const SIZE_MAX: usize = 16 << 20;
/// The shortest datagram: it carries its number.
pub(super) const DATAGRAM_MIN: usize = super::datagram::NUMBER;
/// The longest datagram over IPv4 (65,535 − 20 − 8).
const DATAGRAM_MAX: usize = 65_507;

/// One run of the load engine.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The server.
    pub target: Target,
    /// How many connections, or flows (sockets) over UDP. 1 to 1,048,576.
    pub connections: usize,
    /// When the next message is sent.
    pub pacing: Pacing,
    /// What is sent.
    pub messages: Messages,
    /// What must come back.
    pub expect: Expect,
    /// Close each connection after this many replies and open another one;
    /// `Some(1)` is connect, send, receive, close. Not for UDP.
    pub messages_per_connection: Option<u64>,
    /// How much is measured.
    pub amount: Amount,
    /// Traffic before the measurement, of which only the errors count.
    pub warm_up: Duration,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long a reply may take before it counts as [`Cause::NoReply`](super::Cause::NoReply).
    pub reply_timeout: Duration,
    /// How long a datagram's reply may take before the datagram counts as lost.
    pub loss_timeout: Duration,
    /// Replies later than this count as [`Cause::Late`](super::Cause::Late).
    pub late_after: Option<Duration>,
    /// The run ends after this many errors.
    pub errors_at_most: u64,
}

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// TCP at an address.
    Tcp(SocketAddr),
    /// A Unix stream socket at a path.
    Unix(PathBuf),
    /// UDP at an address.
    Udp(SocketAddr),
}

/// When the next message is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pacing {
    /// When a reply has come: this many messages are in flight on each connection
    /// (the window of a UDP flow). 1 to 65,536.
    Closed {
        /// Messages in flight.
        depth: usize,
    },
}

/// What is sent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Messages {
    /// Messages of this many bytes, no two alike within thousands; 1 byte to
    /// 16 MiB, a datagram 8 to 65,507.
    Size(usize),
    /// These messages with these replies, in turns: any protocol, any framing.
    /// [`Options::expect`] is then not used. Not for UDP.
    Script(Vec<Exchange>),
    /// Lines of a chat, in which every connection is a user. [`Options::expect`] is
    /// then not used, and [`Options::messages_per_connection`] is how many each user
    /// sends. Not for UDP.
    Chat(Chat),
}

/// What must come back for [`Messages::Size`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Expect {
    /// The message. Its bytes are random.
    Echo,
    /// The message with ASCII letters in upper case. Its bytes are printable ASCII.
    AsciiUpper,
    /// What this function makes of a message. Its bytes are printable ASCII. Not for UDP.
    Function(fn(&[u8]) -> Vec<u8>),
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Amount {
    /// For this long.
    Time(Duration),
    /// This many messages over all connections, or `at_most` this long.
    Requests {
        /// How many.
        count: u64,
        /// The run ends then, whatever has been answered.
        at_most: Duration,
    },
}

/// A run that could not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// An option that makes no sense: which one, and what it may be.
    Option(&'static str),
    /// The machine refused something: what was tried, and its words.
    System(&'static str, io::Error),
}

impl Options {
    /// One connection, depth 1, 64 bytes echoed, for 10 s after 500 ms of warm-up.
    pub fn new(target: Target) -> Self {
        Options {
            target,
            connections: 1,
            pacing: Pacing::Closed { depth: 1 },
            messages: Messages::Size(64),
            expect: Expect::Echo,
            messages_per_connection: None,
            amount: Amount::Time(Duration::from_secs(10)),
            warm_up: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(5),
            reply_timeout: Duration::from_secs(5),
            loss_timeout: Duration::from_millis(200),
            late_after: None,
            errors_at_most: 1_000,
        }
    }

    pub(super) fn depth(&self) -> usize {
        let Pacing::Closed { depth } = self.pacing;
        depth
    }

    pub(super) fn check(&self) -> Result<(), LoadError> {
        let wrong = |what| Err(LoadError::Option(what));
        let datagrams = matches!(self.target, Target::Udp(_));
        if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            return wrong("connections are 1 to 1,048,576");
        }
        if !(1..=DEPTH_MAX).contains(&self.depth()) {
            return wrong("the depth is 1 to 65,536");
        }
        if self.messages_per_connection == Some(0) {
            return wrong("a connection carries at least one message");
        }
        match &self.messages {
            Messages::Size(size) if datagrams && !(DATAGRAM_MIN..=DATAGRAM_MAX).contains(size) => {
                wrong("the size of a datagram is 8 to 65,507 bytes, since it carries its number")
            }
            Messages::Size(size) if !(1..=SIZE_MAX).contains(size) => {
                wrong("the size of a message is 1 byte to 16 MiB")
            }
            Messages::Script(_) | Messages::Chat(_) if datagrams => {
                wrong("datagrams have a size, not a script")
            }
            Messages::Chat(chat) => chat.check(self.connections, self.depth()),
            Messages::Script(script) => check_script(script),
            Messages::Size(_) if datagrams && matches!(self.expect, Expect::Function(_)) => {
                wrong("datagrams are expected back as they are or in upper case")
            }
            Messages::Size(_) if datagrams && self.messages_per_connection.is_some() => {
                wrong("a UDP flow has no connection to close")
            }
            Messages::Size(_) => Ok(()),
        }
    }
}

fn check_script(script: &[Exchange]) -> Result<(), LoadError> {
    if script.is_empty() {
        return Err(LoadError::Option("a script has at least one exchange"));
    }
    let fits = |bytes: &[u8]| (1..=SIZE_MAX).contains(&bytes.len());
    if script
        .iter()
        .all(|one| fits(&one.request) && fits(&one.reply))
    {
        Ok(())
    } else {
        Err(LoadError::Option(
            "requests and replies of a script are 1 byte to 16 MiB",
        ))
    }
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Option(what) => f.write_str(what),
            LoadError::System(what, error) => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            LoadError::Option(_) => None,
            LoadError::System(_, error) => Some(error),
        }
    }
}
