//! Every limit of Wharf, each with its default and the reason for it.
//!
//! [`Limits`] are those that a server's owner sets; the constants are the
//! defaults and the bounds that nobody needs to change.

use std::time::Duration;

/// How many connections a process serves at once.
///
/// 16,384 × 2 KiB of user memory is 32 MiB, and it fits the usual hard limit of
/// descriptors (1,048,576) with ease; the command raises its soft limit to match.
pub const MAX_CONNECTIONS: usize = 16_384;

/// How many finished handshakes may wait for accept(2): the kernel's own default
/// cap (`net.core.somaxconn`) since Linux 5.4.
pub const BACKLOG: u32 = 4_096;

/// A connection that sends and receives nothing for this long is closed. Longer
/// than people think between two lines, shorter than a forgotten terminal.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// A peer that takes nothing of what is written to it for this long is closed as
/// a slow reader. A stalled TCP path recovers or fails in this time (RFC 9293
/// asks for 100 s at least before giving up; 30 s frees memory three times sooner).
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A TLS handshake that is not finished by then is given up. Two round trips
/// over a satellite take 1.2 s.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long open connections may go on after a server was asked to stop.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection must go on being silent, once the server drains:
/// long enough for bytes that the kernel has and the reactor has not reported.
pub const DRAIN_PAUSE: Duration = Duration::from_millis(20);

/// The same for a connection on which something moved lately: its peer may be in
/// the middle of saying something, and the next part may be a round trip away.
pub const DRAIN_PAUSE_ACTIVE: Duration = Duration::from_secs(1);

/// After this much silence a connection is idle and not lately used.
pub const QUIET: Duration = Duration::from_millis(500);

/// How long a closing server waits for a peer's end of stream, so that unread
/// input does not turn its last reply into a reset (RFC 9293, section 3.6.1).
pub const LINGER: Duration = Duration::from_secs(2);

/// The same for a connection that was idle when the server drained. Nothing has
/// been on its way for [`DRAIN_PAUSE`]; this is a long round trip more, and the
/// drain is not held up by peers that keep their side open.
pub const DRAIN_LINGER: Duration = Duration::from_millis(250);

/// How long a TLS handshake may go on once the server drains: the two round trips of
/// a far client that came just before.
pub const DRAIN_HANDSHAKE: Duration = Duration::from_secs(1);

/// How much input is read and thrown away during [`LINGER`], in bytes. Past it
/// the peer is not listening to us, and is reset.
pub const LINGER_BYTES: usize = 1 << 20;

/// The longest message that a framed service takes, in bytes, for every framing alike.
///
/// It holds the largest UDP payload (65,507 bytes over IPv4), so that a service that answers
/// datagrams answers the same messages over a stream, and it is the size of one read buffer. Ten
/// thousand peers that each leave a message unfinished hold 640 MiB at worst; a limit of 1 MiB
/// would let them hold 10 GiB.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// The first pause after accept(2) failed for want of descriptors or memory.
pub const ACCEPT_BACKOFF_MIN: Duration = Duration::from_millis(10);

/// The longest pause after accept(2) failed: service resumes within a second.
pub const ACCEPT_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// How long accept(2) must have worked until its trouble counts as over: one pause of
/// [`ACCEPT_BACKOFF_MAX`] more. While a server is short of descriptors, each client that
/// leaves lets one in before accept fails again; that is no news.
pub const ACCEPT_CALM: Duration = Duration::from_secs(1);

/// TCP keep-alive: idle time before the first probe. Shorter than the 5 minutes
/// after which common NAT devices forget a connection.
pub const KEEPALIVE: Duration = Duration::from_secs(60);

/// Time between keep-alive probes, and how many may go unanswered.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Unanswered keep-alive probes before the peer is given up.
pub const KEEPALIVE_PROBES: u32 = 4;

/// `TCP_USER_TIMEOUT`: sent data may stay unacknowledged this long. Without it a
/// vanished peer is noticed after 15 minutes (tcp_retries2).
pub const USER_TIMEOUT: Duration = Duration::from_secs(60);

/// The size of a read buffer in bytes. Measured: below 64 KiB bulk throughput
/// halves, above it nothing is gained.
pub const READ_BUFFER: usize = 64 * 1024;

/// How many unused read buffers a runtime keeps (1 MiB at most).
pub const READ_BUFFERS_KEPT: usize = 16;

/// Socket buffers asked for a datagram socket, in bytes. The usual 208 KiB loses
/// datagrams as soon as a window of 256 is in flight.
pub const DATAGRAM_BUFFER: u32 = 4 << 20;

/// How many datagrams one system call receives or sends.
pub const DATAGRAM_BATCH: usize = 64;

/// How many replies one batch of datagrams holds: every datagram of a full batch
/// may have as many replies as a batch has datagrams.
pub const DATAGRAM_REPLIES: usize = DATAGRAM_BATCH * DATAGRAM_BATCH;

/// How many bytes of replies one batch holds besides those that are answered in
/// place: one datagram of full size for each that a batch can receive.
pub const DATAGRAM_REPLY_BYTES: usize = DATAGRAM_BATCH * (64 << 10);

/// The longest datagram that is received whole: the largest that UDP has.
pub const MAX_DATAGRAM: usize = 65_535;

/// How many datagram peers have a session at once in one runtime.
pub const MAX_SESSIONS: usize = 16_384;

/// How many of them may be peers of which only one datagram was seen: their
/// addresses may be forged.
pub const MAX_UNPROVEN_SESSIONS: usize = 1_024;

/// A datagram session ends after this much silence.
pub const SESSION_IDLE: Duration = Duration::from_secs(300);

/// How many threads a blocking service runs at once. As many as tokio's own pool for
/// blocking work: 512 stacks of 2 MiB are 1 GiB of address space and, at two pages in
/// use each, 4 MiB of memory.
pub const BLOCKING_THREADS: usize = 512;

/// How long a client tries one connect over all addresses.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The pause before the next address is tried as well (RFC 8305, section 5).
pub const CONNECT_STAGGER: Duration = Duration::from_millis(250);

/// The limits of one server. Caps are for the whole process, over all cores.
///
/// Idle, write and total timeouts are looked after by a sweep that comes eight times
/// per shortest one of them, at least every second and at most every 10 ms. They come
/// up to two sweeps late, and never early.
///
/// ```
/// use wharf::limits::Limits;
/// use std::time::Duration;
///
/// let limits = Limits {
///     max_connections: 100,
///     idle_timeout: Some(Duration::from_secs(30)),
///     ..Limits::default()
/// };
/// assert_eq!(limits.per_peer, None);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections served at once, at least 1. At the cap the listener waits *before*
    /// accept, or refuses: see [`WhenFull`].
    pub max_connections: usize,
    /// What happens to a client that comes while the server is full.
    pub when_full: WhenFull,
    /// Connections from one peer (an IPv4 address or an IPv6 /64), at least 1; `None` is
    /// no limit.
    pub per_peer: Option<usize>,
    /// What a refused client is told before it is closed; empty is nothing.
    pub refusal: Vec<u8>,
    /// Close a connection on which nothing moved for this long.
    pub idle_timeout: Option<Duration>,
    /// Close a connection whose peer took nothing of the waiting output for this long.
    pub write_timeout: Option<Duration>,
    /// Close a connection after this long, whatever it does.
    pub total_timeout: Option<Duration>,
    /// Give a TLS handshake up after this long.
    pub handshake_timeout: Duration,
    /// How long a drain may take before what is left is cut off.
    pub drain_timeout: Duration,
}

/// What a full server does with the next client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Leave it in the kernel's queue until a place is free.
    #[default]
    Wait,
    /// Accept it, tell it the refusal text, and close it.
    Refuse,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: MAX_CONNECTIONS,
            when_full: WhenFull::Wait,
            per_peer: None,
            refusal: Vec::new(),
            idle_timeout: Some(IDLE_TIMEOUT),
            write_timeout: Some(WRITE_TIMEOUT),
            total_timeout: None,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}
