//! One TCP connection of a host.
//!
//! Each has a socket set of its own: polling a set costs time in proportion to the
//! sockets in it (measured: 2 µs with one, 165 µs with a thousand).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp::{self, RecvError, Socket, State};

use super::host::{Congestion, Host, Work, ends_key};
use super::segment::Segment;
use crate::core::{Frame, Time, Turn};

/// How long a connection that nobody holds waits for its peer's end once everything
/// is delivered, as Linux does by default (tcp_fin_timeout, tcp(7)).
const ORPHAN: Duration = Duration::from_secs(60);

/// How long it goes on before that without any of its data being acknowledged: what
/// RFC 1122 section 4.2.3.5 asks of every connection. (Linux counts eight
/// retransmissions, tcp_orphan_retries.) As long as its peer takes something it goes
/// on, however slow the network is.
const ORPHAN_STALLED: Duration = Duration::from_secs(100);

/// How many marks for the journal a connection keeps in each direction; when there
/// are more, the oldest messages are no longer followed.
const MARKS: usize = 4_096;

/// The number of a connection at its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnId(pub(super) usize);

/// What a connection is made with.
#[derive(Clone, Copy, Debug)]
pub struct StreamSettings {
    /// Congestion control.
    pub congestion: Congestion,
    /// The receive buffer in bytes; it is the largest window.
    pub receive_buffer: usize,
    /// The send buffer in bytes.
    pub send_buffer: usize,
    /// Whether small segments wait for each other (Nagle's algorithm).
    pub nagle: bool,
    /// How long it is quiet before a probe is sent.
    pub keepalive: Option<Duration>,
    /// How long sent data may stay unacknowledged, and a probe unanswered.
    pub user_timeout: Option<Duration>,
}

impl StreamSettings {
    pub(super) fn socket(&self) -> Socket<'static> {
        let buffer = |size| tcp::SocketBuffer::new(vec![0; size]);
        let mut socket = Socket::new(buffer(self.receive_buffer), buffer(self.send_buffer));
        socket.set_congestion_control(match self.congestion {
            Congestion::Reno => tcp::CongestionControl::Reno,
            Congestion::Cubic => tcp::CongestionControl::Cubic,
        });
        socket.set_keep_alive(self.keepalive.map(super::span));
        socket
    }
}

/// Who has a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A listener, until somebody accepts it.
    Listener(usize),
    /// A program.
    Program,
    /// Nobody: it ends by itself, at this time at the latest.
    Nobody(Time),
}

/// Which segments wait.
///
/// smoltcp without Nagle's algorithm fills every gap in its congestion window with a
/// segment of its size, and each of those can be lost. A sender must not do that
/// (RFC 9293 section 3.8.6.2.1); with Nagle's algorithm smoltcp does not. So that is
/// on, whatever the program wants, while there is more to send than a segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// All but those of full size.
    Small,
    /// None: what is left goes at once.
    Nothing,
}

/// Why a connection ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Reset,
    Unreachable(i32),
}

pub(super) struct Conn {
    pub(super) set: SocketSet<'static>,
    handle: SocketHandle,
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
    pub(super) holder: Holder,
    pub(super) failure: Option<Failure>,
    /// The acknowledgement that was sent last: what the stack expects next.
    pub(super) last_ack: Option<u32>,
    /// When it will be looked at.
    pub(super) armed: Time,
    established: bool,
    peer_finished: bool,
    /// Its state when it was looked at last.
    known: State,
    /// Initial sequence numbers, ours and the peer's.
    first: Option<u32>,
    peer_first: Option<u32>,
    written: u64,
    read: u64,
    /// The most of our stream that was ever sent.
    sent_up_to: u64,
    /// Where in our stream the stack goes on sending, as far as its segments tell; a
    /// timeout takes it back.
    next: u64,
    /// Where the segment that was sent last ends.
    last_end: u64,
    settings: StreamSettings,
    /// Where in the stream messages end, for the journal.
    writes: VecDeque<(u64, u32)>,
    reads: VecDeque<(u64, u32)>,
    /// The end of the segment whose acknowledgement is timed, and when it left.
    timed: Option<(u64, Time)>,
    report: ConnectionReport,
}

/// What one end of a connection has done.
#[derive(Clone, Debug, PartialEq)]
pub struct ConnectionReport {
    /// Its own endpoint.
    pub local: SocketAddr,
    /// The peer's.
    pub peer: SocketAddr,
    /// When it was opened.
    pub opened: Time,
    /// When something last happened to it.
    pub last: Time,
    /// Payload that the application wrote and the peer acknowledged, in bytes.
    pub acknowledged: u64,
    /// Payload that the application read, in bytes.
    pub read: u64,
    /// Segments with payload that were sent, retransmissions included.
    pub segments: u64,
    /// Segments that were sent again.
    pub retransmissions: u64,
    /// The shortest round trip that was measured.
    pub rtt_least: Option<Duration>,
    /// The smoothed round trip (RFC 6298).
    pub rtt: Option<Duration>,
}

impl ConnectionReport {
    /// Payload per second in the direction that carried more, in bits.
    pub fn goodput(&self) -> f64 {
        let span = self.last.since(self.opened).as_secs_f64();
        let bytes = self.acknowledged.max(self.read);
        if span > 0.0 {
            bytes as f64 * 8.0 / span
        } else {
            0.0
        }
    }
}

impl Conn {
    pub(super) fn new(
        socket: Socket<'static>,
        settings: StreamSettings,
        (local, peer): (SocketAddr, SocketAddr),
        holder: Holder,
        now: Time,
    ) -> Self {
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(socket);
        Conn {
            set,
            handle,
            local,
            peer,
            holder,
            failure: None,
            last_ack: None,
            armed: Time::NEVER,
            established: false,
            peer_finished: false,
            known: State::Closed,
            first: None,
            peer_first: None,
            written: 0,
            read: 0,
            sent_up_to: 0,
            next: 0,
            last_end: 0,
            settings,
            writes: VecDeque::new(),
            reads: VecDeque::new(),
            timed: None,
            report: ConnectionReport {
                local,
                peer,
                opened: now,
                last: now,
                acknowledged: 0,
                read: 0,
                segments: 0,
                retransmissions: 0,
                rtt_least: None,
                rtt: None,
            },
        }
    }

    pub(super) fn socket(&mut self) -> &mut Socket<'static> {
        self.set.get_mut(self.handle)
    }

    fn socket_ref(&self) -> &Socket<'static> {
        self.set.get(self.handle)
    }

    pub(super) fn state(&self) -> State {
        self.socket_ref().state()
    }

    /// Tells the stack what it does not see by itself before it may send, and says
    /// whether small segments wait.
    pub(super) fn instruct(&mut self, mss: usize) -> Hold {
        let timeout = self.timeout();
        let unsent = self.written.saturating_sub(self.next);
        let hold = match self.settings.nagle || unsent >= mss as u64 {
            true => Hold::Small,
            false => Hold::Nothing,
        };
        let socket = self.socket();
        socket.set_nagle_enabled(hold == Hold::Small);
        socket.set_timeout(timeout.map(super::span));
        hold
    }

    /// How long the peer may be silent: smoltcp's timeout is meant so, and would end
    /// every connection on which nothing is said for as long. Where nothing waits to be
    /// acknowledged only a probe can go unanswered, as with TCP_USER_TIMEOUT on Linux
    /// (tcp(7)).
    fn timeout(&self) -> Option<Duration> {
        let socket = self.socket_ref();
        let waits = matches!(
            socket.state(),
            State::SynSent | State::SynReceived | State::FinWait1 | State::Closing | State::LastAck
        );
        match socket.send_queue() > 0 || waits {
            true => self.settings.user_timeout,
            false => self
                .settings
                .user_timeout
                .zip(self.settings.keepalive)
                .map(|(a, b)| a + b),
        }
    }

    fn acknowledged(&self) -> u64 {
        let waiting = self.socket_ref().send_queue() as u64;
        self.written.saturating_sub(waiting)
    }

    /// A segment comes in, and was not shown to the stack yet.
    pub(super) fn note_received(&mut self, segment: &Segment, frame: &Frame) {
        if segment.syn() {
            self.peer_first = Some(segment.sequence);
        }
        if let (Some(first), Some(message), true) =
            (self.peer_first, frame.message, segment.payload > 0)
        {
            self.follow_received(segment, first, frame, message);
        }
    }

    /// The segment carries bytes of messages that are followed.
    #[inline(never)]
    fn follow_received(&mut self, segment: &Segment, first: u32, frame: &Frame, message: u32) {
        let begins = offset(segment.sequence, first, self.read);
        match frame.pieces() {
            None => self.mark_received(begins + segment.payload as u64, message),
            Some(pieces) => {
                for &(end, message) in pieces {
                    self.mark_received(begins + u64::from(end), message);
                }
            }
        }
    }

    /// Marks where bytes of a message end in what is to be read. Segments may come in
    /// any order, and again with other ends.
    fn mark_received(&mut self, end: u64, message: u32) {
        if end <= self.read || self.reads.len() >= MARKS {
            return;
        }
        let at = self.reads.partition_point(|(other, _)| *other < end);
        if self.reads.get(at).is_none_or(|(other, _)| *other != end) {
            self.reads.insert(at, (end, message));
        }
    }

    /// The stack has seen a segment.
    pub(super) fn note_processed(&mut self, segment: &Segment, now: Time) {
        self.report.last = now;
        let state = self.state();
        if segment.rst() && state == State::Closed && self.failure.is_none() {
            self.failure = Some(Failure::Reset);
        }
        let handshake = matches!(
            state,
            State::Listen | State::SynSent | State::SynReceived | State::Closed
        );
        self.established |= !handshake;
        let open = matches!(
            state,
            State::Established | State::FinWait1 | State::FinWait2
        );
        self.peer_finished |= segment.fin() && self.established && !open;
        let acknowledged = self.acknowledged();
        if acknowledged > self.report.acknowledged || state != self.known {
            self.known = state;
            self.grant_time(now);
        }
        self.report.acknowledged = acknowledged;
        while self
            .writes
            .front()
            .is_some_and(|(end, _)| *end <= acknowledged)
        {
            self.writes.pop_front();
        }
        if let Some((end, left)) = self.timed
            && end <= acknowledged
        {
            self.timed = None;
            self.note_round_trip(now - left);
        }
    }

    /// Something was achieved: if nobody holds it, it may go on for as long again.
    fn grant_time(&mut self, now: Time) {
        if let Holder::Nobody(until) = &mut self.holder {
            *until = now
                + match self.known {
                    State::FinWait2 => ORPHAN,
                    _ => ORPHAN_STALLED,
                };
        }
    }

    fn note_round_trip(&mut self, sample: Duration) {
        let report = &mut self.report;
        report.rtt_least = Some(report.rtt_least.map_or(sample, |least| least.min(sample)));
        // RFC 6298: seven eighths of the past, one eighth of the news.
        report.rtt = Some(report.rtt.map_or(sample, |rtt| (rtt * 7 + sample) / 8));
    }

    /// The stack has sent a segment: the frame says from now on which messages it carries.
    pub(super) fn note_sent(&mut self, segment: &Segment, frame: &mut Frame, now: Time) {
        if segment.ack() {
            self.last_ack = Some(segment.acknowledges);
        }
        if segment.syn() {
            self.first = Some(segment.sequence);
        }
        self.report.last = now;
        let Some(first) = self.first.filter(|_| segment.payload > 0) else {
            return;
        };
        let begins = offset(segment.sequence, first, self.acknowledged());
        let end = begins + segment.payload as u64;
        self.report.segments += 1;
        if end <= self.sent_up_to {
            self.report.retransmissions += 1;
            // Whose acknowledgement comes then is not known (Karn's rule).
            self.timed = None;
        } else if self.timed.is_none() {
            self.timed = Some((end, now));
        }
        self.sent_up_to = self.sent_up_to.max(end);
        // A single segment that is sent again moves nothing; more of them do.
        self.next = match begins == self.last_end {
            true => end,
            false => self.next.max(end),
        };
        self.last_end = end;
        if !self.writes.is_empty() {
            self.follow_sent(begins, end, frame);
        }
    }

    /// The frame carries this part of the stream, and perhaps messages that are followed.
    #[inline(never)]
    fn follow_sent(&self, begins: u64, end: u64, frame: &mut Frame) {
        let from = self.writes.partition_point(|(end, _)| *end <= begins);
        let mut pieces = Vec::new();
        for (to, message) in self.writes.range(from..) {
            pieces.push(((*to.min(&end) - begins) as u16, *message));
            if *to >= end {
                break;
            }
        }
        frame.set_pieces(&pieces);
    }

    /// What the holder of a connection that is over is told.
    fn error(&self) -> io::Error {
        match self.failure {
            Some(Failure::Reset) if !self.established => io::ErrorKind::ConnectionRefused.into(),
            Some(Failure::Reset) => io::ErrorKind::ConnectionReset.into(),
            Some(Failure::Unreachable(code)) => io::Error::from_raw_os_error(code),
            None => io::ErrorKind::TimedOut.into(),
        }
    }

    pub(super) fn is_established(&self) -> bool {
        self.established
    }

    pub(super) fn report(&self) -> ConnectionReport {
        ConnectionReport {
            acknowledged: self.acknowledged().max(self.report.acknowledged),
            read: self.read,
            ..self.report.clone()
        }
    }

    /// Whether the stack may look at it because of the time: not in TIME-WAIT
    /// while a program still holds it, because its end would throw unread data away;
    /// and not when its peer could not be reached, because smoltcp would send that a
    /// reset, which RFC 9293 section 3.10.5 does not want before there is a connection.
    pub(super) fn may_expire(&self) -> bool {
        let unreachable = matches!(self.failure, Some(Failure::Unreachable(_)));
        let waits = self.state() == State::TimeWait && !matches!(self.holder, Holder::Nobody(_));
        !unreachable && !waits
    }
}

/// Where in the stream a sequence number is, close to `near`.
fn offset(sequence: u32, first: u32, near: u64) -> u64 {
    let low = sequence.wrapping_sub(first).wrapping_sub(1);
    let ahead = low.wrapping_sub(near as u32) as i32;
    near.saturating_add_signed(i64::from(ahead))
}

impl Host {
    /// Opens a connection; [`Host::poll_connected`] says what became of it.
    ///
    /// # Errors
    /// No route, no free port, or an address that is not the host's.
    pub fn connect(
        &mut self,
        from: Option<SocketAddr>,
        to: SocketAddr,
        settings: &StreamSettings,
        now: Time,
    ) -> io::Result<ConnId> {
        let local = self.local_for(from, to)?;
        let mut socket = settings.socket();
        let asked = (smoltcp::wire::IpAddress::from(local.ip()), local.port());
        let remote = (smoltcp::wire::IpAddress::from(to.ip()), to.port());
        socket
            .connect(self.iface.context(), remote, asked)
            .map_err(|_| io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))?;
        let conn = Conn::new(socket, *settings, (local, to), Holder::Program, now);
        let id = self.conns.insert(conn);
        self.by_ends.insert(ends_key(local, to), id);
        self.work.push(Work::Conn(id));
        Ok(ConnId(id))
    }

    /// Ready when the connection is established, or cannot be.
    ///
    /// # Errors
    /// Refused, unreachable or timed out.
    pub fn poll_connected(&mut self, id: ConnId, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let conn = &mut self.conns[id.0];
        match conn.state() {
            State::SynSent | State::SynReceived | State::Listen => {
                conn.socket().register_recv_waker(cx.waker());
                conn.socket().register_send_waker(cx.waker());
                Poll::Pending
            }
            _ if conn.established => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(conn.error())),
        }
    }

    /// Both ends of a connection.
    pub fn ends(&self, id: ConnId) -> (SocketAddr, SocketAddr) {
        (self.conns[id.0].local, self.conns[id.0].peer)
    }

    /// Reads into `space`; 0 is the end of the stream.
    ///
    /// What was read of which message is added to `read`, if messages are followed.
    ///
    /// # Errors
    /// The connection was reset, or its peer is gone.
    pub fn poll_read(
        &mut self,
        id: ConnId,
        cx: &mut Context<'_>,
        space: &mut [u8],
        read: &mut Vec<(u32, usize)>,
    ) -> Poll<io::Result<usize>> {
        let conn = &mut self.conns[id.0];
        match conn.socket().recv_slice(space) {
            Ok(0) if !space.is_empty() => {
                conn.socket().register_recv_waker(cx.waker());
                Poll::Pending
            }
            Ok(count) => {
                let before = conn.read;
                conn.read += count as u64;
                let mut from = before;
                while let Some(&(end, message)) = conn.reads.front() {
                    if from >= conn.read {
                        break;
                    }
                    let part = end.min(conn.read).saturating_sub(from);
                    if part > 0 {
                        read.push((message, part as usize));
                    }
                    from = from.max(end.min(conn.read));
                    if end > conn.read {
                        break;
                    }
                    conn.reads.pop_front();
                }
                // The window may have opened.
                self.work.push(Work::Conn(id.0));
                Poll::Ready(Ok(count))
            }
            Err(RecvError::Finished) => Poll::Ready(Ok(0)),
            Err(RecvError::InvalidState) if conn.peer_finished && conn.failure.is_none() => {
                Poll::Ready(Ok(0))
            }
            Err(RecvError::InvalidState) => Poll::Ready(Err(conn.error())),
        }
    }

    /// Takes as much of `bytes` as there is room for.
    ///
    /// # Errors
    /// The connection was reset or finished, or its peer is gone.
    pub fn poll_write(
        &mut self,
        id: ConnId,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let conn = &mut self.conns[id.0];
        if !conn.socket().may_send() {
            let closed = conn.failure.is_none() && conn.state() != State::Closed;
            return Poll::Ready(Err(match closed {
                true => io::ErrorKind::BrokenPipe.into(),
                false => conn.error(),
            }));
        }
        match conn.socket().send_slice(bytes) {
            Ok(0) if !bytes.is_empty() => {
                conn.socket().register_send_waker(cx.waker());
                Poll::Pending
            }
            Ok(count) => {
                conn.written += count as u64;
                self.work.push(Work::Conn(id.0));
                Poll::Ready(Ok(count))
            }
            Err(_) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Says that what was written last belongs to this message.
    pub(crate) fn mark_written(&mut self, id: ConnId, message: u32) {
        let conn = &mut self.conns[id.0];
        if conn.writes.len() < MARKS {
            conn.writes.push_back((conn.written, message));
        }
    }

    /// Ends our direction of the stream; the peer's goes on.
    pub fn finish(&mut self, id: ConnId) {
        self.conns[id.0].socket().close();
        self.work.push(Work::Conn(id.0));
    }

    /// The program lets go of the connection: it ends in order, or with a reset if
    /// there is unread data (RFC 1122 section 4.2.2.13).
    pub(crate) fn let_go(&mut self, id: ConnId, now: Time) {
        let Some(conn) = self.conns.get_mut(id.0) else {
            return;
        };
        match conn.socket().can_recv() {
            true => conn.socket().abort(),
            false => conn.socket().close(),
        }
        conn.known = conn.state();
        conn.holder = Holder::Nobody(now);
        conn.grant_time(now);
        self.work.push(Work::Conn(id.0));
    }

    /// What is left to do with a connection after its stack was polled.
    pub(super) fn settle(&mut self, id: usize, turn: &mut Turn<'_>) {
        if self.conns[id].holder != Holder::Program {
            self.settle_unheld(id, turn);
        }
    }

    #[inline(never)]
    fn settle_unheld(&mut self, id: usize, turn: &mut Turn<'_>) {
        let conn = &mut self.conns[id];
        match conn.holder {
            Holder::Program => {}
            Holder::Listener(listener) => self.settle_backlog(listener, id),
            Holder::Nobody(_) if conn.state() == State::Closed => self.forget(id),
            Holder::Nobody(until) if until <= turn.now() => {
                self.conns[id].socket().abort();
                self.poll_conn(id, turn);
                self.forget(id);
            }
            // It is looked at when its time is over, whatever the stack wants.
            Holder::Nobody(until) => self.timers.arm(&mut conn.armed, until, Work::Conn(id)),
        }
    }

    /// Removes a connection for good.
    pub(super) fn forget(&mut self, id: usize) {
        if let Some(conn) = self.conns.try_remove(id) {
            self.timers.disarm(conn.armed, Work::Conn(id));
            self.by_ends.remove(&ends_key(conn.local, conn.peer));
            self.note_closed(conn.report());
        }
    }
}
