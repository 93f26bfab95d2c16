//! One call, as it was seen.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{StateChange, TcpSample};
use crate::network::Endpoint;

/// One socket of a [`Tap`](super::Tap), from its socket(2) or accept(2) to its close(2).
///
/// Numbers begin with 1 and are never used again, unlike file descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub(super) u64);

impl SocketId {
    /// The number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What kind of socket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// A byte stream over IP (tcp(7)).
    Tcp,
    /// Datagrams over IP (udp(7)).
    Udp,
    /// A byte stream inside the machine (unix(7), `SOCK_STREAM`).
    Unix,
    /// Datagrams inside the machine (unix(7), `SOCK_DGRAM`).
    UnixDatagram,
    /// Packets over a connection inside the machine (unix(7), `SOCK_SEQPACKET`).
    UnixPackets,
}

impl Transport {
    /// The name that addresses use for it.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
            Transport::Unix => "unix",
            Transport::UnixDatagram => "unix-dgram",
            Transport::UnixPackets => "seqpacket",
        }
    }

    /// Whether the kernel makes frames of what is sent: Unix sockets hand bytes over
    /// inside the kernel.
    pub fn has_frames(self) -> bool {
        matches!(self, Transport::Tcp | Transport::Udp)
    }
}

/// What was called, with its arguments and what it gave.
///
/// `requested` is the size of the program's buffer, `done` how much of it was used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Call {
    /// socket(2).
    Socket,
    /// bind(2) to this endpoint; where port 0 was asked for, [`Event::local`] has the real one.
    Bind {
        /// The argument.
        to: Endpoint,
    },
    /// listen(2).
    Listen {
        /// How many finished handshakes may wait for accept(2).
        backlog: u32,
    },
    /// accept(2) on a listening socket, which stays as it is.
    Accept {
        /// The second socket that it returned, with the same local port.
        socket: Option<SocketId>,
    },
    /// connect(2). On a datagram socket it only notes the peer, and nothing is sent.
    Connect {
        /// The argument.
        to: Endpoint,
    },
    /// send(2) on a connected socket.
    Send {
        /// How many bytes were to be sent.
        requested: usize,
        /// How many the kernel took.
        done: usize,
        /// The first of those, at most [`Event::BYTES`].
        bytes: Bytes,
    },
    /// sendto(2): a datagram with its destination.
    SendTo {
        /// The destination.
        to: Endpoint,
        /// How many bytes were to be sent.
        requested: usize,
        /// How many were.
        done: usize,
        /// The first of those, at most [`Event::BYTES`].
        bytes: Bytes,
    },
    /// recv(2) on a connected socket; `done` 0 is a stream's end.
    Receive {
        /// The size of the buffer.
        requested: usize,
        /// How many bytes were put into it.
        done: usize,
        /// The first of those, at most [`Event::BYTES`].
        bytes: Bytes,
    },
    /// recvfrom(2): a datagram with its sender. Datagrams that one recvmmsg(2) took
    /// are events of their own; only the first can have been waited for.
    ReceiveFrom {
        /// The sender; `None` when none came.
        from: Option<Endpoint>,
        /// The size of the buffer.
        requested: usize,
        /// How many bytes were put into it.
        done: usize,
        /// The first of those, at most [`Event::BYTES`].
        bytes: Bytes,
    },
    /// shutdown(2) with `SHUT_WR`: this side's end of stream.
    Shutdown,
    /// close(2).
    Close {
        /// Whether it was told to cut the connection (`SO_LINGER` of 0: RST, no FIN).
        reset: bool,
    },
}

impl Call {
    /// The name of the system call.
    pub fn name(&self) -> &'static str {
        match self {
            Call::Socket => "socket",
            Call::Bind { .. } => "bind",
            Call::Listen { .. } => "listen",
            Call::Accept { .. } => "accept",
            Call::Connect { .. } => "connect",
            Call::Send { .. } => "send",
            Call::SendTo { .. } => "sendto",
            Call::Receive { .. } => "recv",
            Call::ReceiveFrom { .. } => "recvfrom",
            Call::Shutdown => "shutdown",
            Call::Close { .. } => "close",
        }
    }

    /// Requested and actual bytes, of calls that move some.
    pub fn sizes(&self) -> Option<(usize, usize)> {
        match self {
            Call::Send {
                requested, done, ..
            }
            | Call::SendTo {
                requested, done, ..
            }
            | Call::Receive {
                requested, done, ..
            }
            | Call::ReceiveFrom {
                requested, done, ..
            } => Some((*requested, *done)),
            _ => None,
        }
    }

    /// The bytes that it moved, as far as they were kept.
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Call::Send { bytes, .. }
            | Call::SendTo { bytes, .. }
            | Call::Receive { bytes, .. }
            | Call::ReceiveFrom { bytes, .. } => Some(bytes),
            _ => None,
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what it was asked.
    Done,
    /// It failed.
    Failed(Failure),
    /// It was still waiting when the program gave it up or closed the socket.
    Abandoned,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The error number (`errno`), where the network has one.
    pub code: Option<i32>,
    /// The kind of error.
    pub kind: io::ErrorKind,
    /// The network's own words.
    pub words: String,
}

impl From<&io::Error> for Failure {
    fn from(error: &io::Error) -> Self {
        Failure {
            code: error.raw_os_error(),
            kind: error.kind(),
            words: error.to_string(),
        }
    }
}

/// One call of one socket.
///
/// Events come in the order in which calls *ended*; an accept that waited for a
/// client ends after that client's connect.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// Which event of the journal this is, from 0; a gap is a dropped one.
    pub number: u64,
    /// The socket that it was called on.
    pub socket: SocketId,
    /// The kind of socket.
    pub transport: Transport,
    /// What was called.
    pub call: Call,
    /// How it ended.
    pub outcome: Outcome,
    /// When it was called, since the tap was made, by tokio's clock.
    pub started: Duration,
    /// When it returned.
    pub ended: Duration,
    /// The time of day when it was called: the clock of frames in a capture.
    pub wall: SystemTime,
    /// How long the program had to wait in it: for a peer, for bytes, for room.
    /// `None` is a call that returned at once.
    pub blocked: Option<Duration>,
    /// The socket's own endpoint after the call.
    pub local: Option<Endpoint>,
    /// The other end, where the socket has one.
    pub peer: Option<Endpoint>,
    /// What the call did to the state of a TCP connection, if it changed.
    pub state: Option<StateChange>,
    /// What the kernel knew of a TCP connection after the call; before it, for close(2).
    pub kernel: Option<Box<TcpSample>>,
}

impl Event {
    /// How many bytes of one call are kept: all that one read or one datagram can bring.
    pub const BYTES: usize = 64 * 1024;

    /// How long the call took, waiting included.
    pub fn lasted(&self) -> Duration {
        self.ended.saturating_sub(self.started)
    }

    /// Why it failed, if it did.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Done | Outcome::Abandoned => None,
        }
    }
}

/// The first [`Event::BYTES`] of `bytes`.
pub(super) fn kept(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(&bytes[..bytes.len().min(Event::BYTES)])
}
