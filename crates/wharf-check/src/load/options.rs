//! What can be asked of a run, with defaults and bounds.

use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use wharf::framing::Framing;
use wharf::tls::ClientTls;

use super::chat::Chat;
use super::script::Exchange;

/// The most connections or flows of one run: the local ports of one address are
/// fewer (ip(7), `ip_local_port_range`).
const CONNECTIONS_MAX: usize = 1 << 20;
/// The most messages in flight on one connection or flow.
const DEPTH_MAX: usize = 1 << 16;
/// The highest rate of an open loop in messages per second: beyond what one thread can send.
const RATE_MAX: u32 = 10_000_000;
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
    /// Connections are opened evenly over this time, each with its traffic from then on,
    /// before [`Options::warm_up`] begins; zero opens all before anything is sent. Not for
    /// UDP or a chat.
    pub ramp_up: Duration,
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
    /// The run ends after this many errors if no reply was right before: what is asked is
    /// then not what the server speaks.
    pub errors_at_first: u64,
    /// The server's process, to read its processor time and memory.
    pub server: Option<u32>,
}

/// Where the server is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Target {
    /// TCP at an address.
    Tcp(SocketAddr),
    /// TLS over TCP.
    Tls(TlsTarget),
    /// A Unix stream socket at a path.
    Unix(PathBuf),
    /// A Unix stream socket in Linux's abstract namespace, without the leading NUL byte.
    Abstract(Vec<u8>),
    /// UDP at an address.
    Udp(SocketAddr),
}

/// A server that speaks TLS.
#[derive(Clone, Debug)]
pub struct TlsTarget {
    /// Its address.
    pub at: SocketAddr,
    /// The name that its certificate must be for.
    pub host: String,
    /// Whom to believe.
    pub tls: ClientTls,
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
    /// At a fixed rate, whether replies come or not (an *open loop*). Every message has a
    /// time at which it is due, on a connection that is fixed before, and its latency counts
    /// from then, also if it had to wait for room on its connection. Not for a chat.
    Open {
        /// Messages per second over all connections. 1 to 10,000,000.
        rate: u32,
        /// The most messages in flight on each connection. 1 to 65,536.
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
    /// As [`Messages::Size`], each of a length out of this range, in no order. Over streams
    /// 509 of them come again and again, or as many as fit 32 MiB.
    Sizes(RangeInclusive<usize>),
    /// These messages with these replies, in turns: any protocol, any framing.
    /// [`Options::expect`] is then not used. Over UDP each is a datagram, and the depth is 1:
    /// nothing in it says which one a reply answers.
    Script(Vec<Exchange>),
    /// These messages, in turns, with replies that are only known by a rule.
    /// [`Options::expect`] is then not used. Over UDP as [`Messages::Script`].
    Asked(Asked),
    /// Bytes without end in one direction. [`Options::expect`] and [`Options::pacing`] are
    /// then not used. Not for UDP.
    Bulk(Bulk),
    /// Lines of a chat, in which every connection is a user. [`Options::expect`] is
    /// then not used, and [`Options::messages_per_connection`] is how many each user
    /// sends. Not for UDP.
    Chat(Chat),
}

/// Bytes without end in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bulk {
    /// Which way they go.
    pub direction: Direction,
    /// What is sent first so that the server begins to send; not used by
    /// [`Direction::Send`].
    pub request: Vec<u8>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the server, which says nothing: `discard`.
    Send,
    /// From the server, which sends without end: `chargen`.
    Receive,
}

/// Messages whose replies are known by a rule and not byte for byte.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is sent, framing included.
    pub requests: Vec<Vec<u8>>,
    /// Where a reply ends; not [`Framing::Raw`], except over UDP, where it is not used.
    pub framing: Framing,
    /// The longest reply in bytes.
    pub longest: usize,
    /// The rule.
    pub rule: Rule,
}

/// Whether a reply is right.
#[derive(Clone)]
pub struct Rule(Arc<IsRight>);

type IsRight = dyn Fn(&[u8]) -> bool + Send + Sync;

impl Rule {
    /// A rule that finds the replies right for which `is_right` says so.
    pub fn new(is_right: impl Fn(&[u8]) -> bool + Send + Sync + 'static) -> Self {
        Rule(Arc::new(is_right))
    }

    pub(super) fn is_right(&self, reply: &[u8]) -> bool {
        (self.0)(reply)
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rule")
    }
}

/// What must come back for [`Messages::Size`] and [`Messages::Sizes`].
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
            ramp_up: Duration::ZERO,
            amount: Amount::Time(Duration::from_secs(10)),
            warm_up: Duration::from_millis(500),
            connect_timeout: Duration::from_secs(5),
            reply_timeout: Duration::from_secs(5),
            loss_timeout: Duration::from_millis(200),
            late_after: None,
            errors_at_most: 1_000,
            errors_at_first: 10,
            server: None,
        }
    }

    pub(super) fn depth(&self) -> usize {
        let (Pacing::Closed { depth } | Pacing::Open { depth, .. }) = self.pacing;
        depth
    }

    pub(super) fn check(&self) -> Result<(), LoadError> {
        let outcome =
            self.check_numbers()
                .and_then(|()| match matches!(self.target, Target::Udp(_)) {
                    true => self.check_datagrams(),
                    false => self.check_stream(),
                });
        outcome.map_err(LoadError::Option)
    }

    fn check_numbers(&self) -> Result<(), &'static str> {
        if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            return Err("connections are 1 to 1,048,576");
        }
        if !(1..=DEPTH_MAX).contains(&self.depth()) {
            return Err("the depth is 1 to 65,536");
        }
        if self.messages_per_connection == Some(0) {
            return Err("a connection carries at least one message");
        }
        match self.pacing {
            Pacing::Open { rate, .. } if !(1..=RATE_MAX).contains(&rate) => {
                Err("the rate is 1 to 10,000,000 messages per second")
            }
            _ => Ok(()),
        }
    }

    fn check_stream(&self) -> Result<(), &'static str> {
        let is_open = matches!(self.pacing, Pacing::Open { .. });
        if is_open && self.messages_per_connection.is_some_and(|share| share > 1) {
            return Err("at a fixed rate a connection carries one message, or all of them");
        }
        match &self.messages {
            Messages::Size(size) => check_sizes(size, size, 1..=SIZE_MAX).map_err(|()| STREAM_SIZE),
            Messages::Sizes(sizes) => {
                check_sizes(sizes.start(), sizes.end(), 1..=SIZE_MAX).map_err(|()| STREAM_SIZE)
            }
            Messages::Bulk(_)
                if is_open
                    || !self.ramp_up.is_zero()
                    || self.messages_per_connection.is_some()
                    || matches!(self.amount, Amount::Requests { .. }) =>
            {
                Err("bulk has no messages: neither a rate nor a number of them, and no ramp")
            }
            Messages::Bulk(bulk) if bulk.request.len() > SIZE_MAX => {
                Err("a request is at most 16 MiB")
            }
            Messages::Bulk(_) => Ok(()),
            Messages::Chat(_) if is_open || !self.ramp_up.is_zero() => {
                Err("a chat has neither a fixed rate nor a ramp")
            }
            Messages::Chat(chat) => chat.check(self.connections, self.depth()),
            Messages::Script(script) => check_script(script),
            Messages::Asked(asked) if asked.framing == Framing::Raw => {
                Err("replies that are known by a rule need a framing that says where they end")
            }
            Messages::Asked(asked) => check_asked(asked),
        }
    }

    fn check_datagrams(&self) -> Result<(), &'static str> {
        if self.messages_per_connection.is_some() {
            return Err("a UDP flow has no connection to close");
        }
        if !self.ramp_up.is_zero() {
            return Err("UDP flows are not opened one by one");
        }
        let fits = |size: usize| (1..=DATAGRAM_MAX).contains(&size);
        let one_by_one = || match self.depth() {
            1 => Ok(()),
            _ => Err("the depth of datagrams that carry no number is 1"),
        };
        let range = DATAGRAM_MIN..=DATAGRAM_MAX;
        match &self.messages {
            Messages::Chat(_) => Err("a chat is loaded over streams"),
            Messages::Bulk(_) => Err("bulk goes over streams"),
            _ if matches!(self.expect, Expect::Function(_)) => {
                Err("datagrams are expected back as they are or in upper case")
            }
            Messages::Size(size) => check_sizes(size, size, range).map_err(|()| NUMBERED_SIZE),
            Messages::Sizes(sizes) => {
                check_sizes(sizes.start(), sizes.end(), range).map_err(|()| NUMBERED_SIZE)
            }
            Messages::Script(script) if script.iter().all(|one| fits(one.request.len())) => {
                check_script(script).and_then(|()| one_by_one())
            }
            Messages::Asked(asked) if asked.requests.iter().all(|one| fits(one.len())) => {
                check_asked(asked).and_then(|()| one_by_one())
            }
            Messages::Script(_) | Messages::Asked(_) => Err("a datagram is 1 to 65,507 bytes"),
        }
    }
}

const STREAM_SIZE: &str = "the size of a message is 1 byte to 16 MiB";
const NUMBERED_SIZE: &str =
    "the size of a datagram is 8 to 65,507 bytes, since it carries its number";

fn check_sizes(least: &usize, most: &usize, range: RangeInclusive<usize>) -> Result<(), ()> {
    match least <= most && range.contains(least) && range.contains(most) {
        true => Ok(()),
        false => Err(()),
    }
}

fn check_asked(asked: &Asked) -> Result<(), &'static str> {
    let fits = |bytes: &Vec<u8>| (1..=SIZE_MAX).contains(&bytes.len());
    if asked.requests.is_empty() || !asked.requests.iter().all(fits) {
        return Err("there is at least one request, and each has 1 byte to 16 MiB");
    }
    match (1..=SIZE_MAX).contains(&asked.longest) {
        true => Ok(()),
        false => Err("the longest reply is 1 byte to 16 MiB"),
    }
}

fn check_script(script: &[Exchange]) -> Result<(), &'static str> {
    if script.is_empty() {
        return Err("a script has at least one exchange");
    }
    let fits = |bytes: &[u8]| (1..=SIZE_MAX).contains(&bytes.len());
    match script
        .iter()
        .all(|one| fits(&one.request) && fits(&one.reply))
    {
        true => Ok(()),
        false => Err("requests and replies of a script are 1 byte to 16 MiB"),
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
