//! What happened, told on stderr: who is connected, and why it ended.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use wharf::connection::Connection;
use wharf::datagram::Datagrams;
use wharf::network::{Endpoint, UnixName};

use crate::args::Common;
use crate::style::{Style, bytes, duration};

/// Why a conversation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The peer ended first.
    PeerClosed,
    /// We ended first, and the peer then.
    Finished,
    /// Both sides were closed at the end of input, as asked for.
    Closed,
    /// The peer said nothing for the linger time.
    LingerOver,
    /// What was expected came.
    Expected,
    /// What was expected did not come in time.
    TimedOut,
    /// Nobody reads stdout any more.
    OutputGone,
    /// The peer reset the connection, or broke it in another way.
    PeerReset,
    /// The peer broke the protocol.
    ProtocolError,
}

impl Ended {
    /// The name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Ended::PeerClosed => "peer-closed",
            Ended::Finished => "finished",
            Ended::Closed => "closed",
            Ended::LingerOver => "linger-over",
            Ended::Expected => "expected",
            Ended::TimedOut => "timed-out",
            Ended::OutputGone => "output-gone",
            Ended::PeerReset => "peer-reset",
            Ended::ProtocolError => "protocol-error",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Ended::PeerClosed => "the peer closed the connection",
            Ended::Finished => "both sides are done",
            Ended::Closed => "closed at the end of input",
            Ended::LingerOver => "the peer was silent for the linger time",
            Ended::Expected => "what was expected came",
            Ended::TimedOut => "nothing more came in time",
            Ended::OutputGone => "nobody reads the output any more",
            Ended::PeerReset => "the connection broke",
            Ended::ProtocolError => "the peer broke the protocol",
        }
    }
}

/// Bytes of both directions, on the wire (with TLS: before it).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Totals {
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl Totals {
    /// Both as one phrase.
    pub(super) fn words(self) -> String {
        format!(
            "sent {}, received {}",
            bytes(self.sent),
            bytes(self.received)
        )
    }
}

/// Lines on stderr: for a person there, or for one who asked with -v.
#[derive(Clone, Copy, Debug)]
pub(super) struct Report {
    style: Style,
    is_wanted: bool,
}

impl Report {
    pub(super) fn new(common: &Common) -> Self {
        Report {
            style: common.color.style_for(&io::stderr()),
            is_wanted: common.verbose > 0 || io::stderr().is_terminal(),
        }
    }

    pub(super) fn connected(self, connection: &Connection) {
        let peer = self.style.name(&connection.peer().to_string());
        let mut text = format!("connected to {peer}");
        if named(connection.local()) {
            text += &format!(" from {}", connection.local());
        }
        if let Some(tls) = connection.tls() {
            text += &format!(" ({tls})");
        }
        self.say(&text);
    }

    pub(super) fn let_in(self) {
        self.say("the password was right");
    }

    pub(super) fn bound(self, socket: &Datagrams, to: &Endpoint) {
        let to = self.style.name(&to.to_string());
        self.say(&format!("sending to {to}, using {}", socket.local()));
    }

    pub(super) fn ended(self, ended: Ended, totals: Totals, time: Duration) {
        self.say(&format!(
            "{}; {} in {}",
            ended.words(),
            totals.words(),
            duration(time)
        ));
    }

    fn say(self, text: &str) {
        if self.is_wanted {
            // Without a stderr there is nobody to tell.
            let _ = writeln!(io::stderr(), "{}", self.style.dim("* ") + text);
        }
    }
}

fn named(endpoint: &Endpoint) -> bool {
    *endpoint != Endpoint::Unix(UnixName::Unnamed)
}
