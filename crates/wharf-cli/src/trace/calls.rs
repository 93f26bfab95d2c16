//! Socket calls with a record of each: when, how long, what came of it, and whether the
//! thread slept in it.
//!
//! Whether a call waited is not guessed from its duration: a thread that sleeps gives
//! its core away of its own will, and the kernel counts that (getrusage(2),
//! `ru_nvcsw`).

mod unix;

use std::cell::Cell;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::socket::{SockaddrStorage, recvfrom};
use socket2::{Domain, SockAddr, Socket, Type};
use wharf_wire::conversation::Direction;
use wharf_wire::frame::Timestamp;
use wharf_wire::trace::Waited;

use crate::capture::{TcpInfo, now, tcp_info};
use crate::failure::words;

/// What a call did for the connection, besides its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// A connection was asked for; whether it came about.
    Connected {
        ends: (SocketAddr, SocketAddr),
        is_open: bool,
    },
    /// The peer refused: a reset.
    Refused {
        ends: (SocketAddr, SocketAddr),
    },
    Sent {
        ends: (SocketAddr, SocketAddr),
        bytes: Vec<u8>,
    },
    Received {
        ends: (SocketAddr, SocketAddr),
        bytes: Vec<u8>,
    },
    /// Our end of the stream was told to the peer.
    Ended {
        ends: (SocketAddr, SocketAddr),
    },
    /// The peer's end of the stream was read.
    PeerEnded {
        ends: (SocketAddr, SocketAddr),
    },
    /// The peer cut the connection, as a call that failed told.
    Reset {
        ends: (SocketAddr, SocketAddr),
    },
    /// We cut the connection.
    Cut {
        ends: (SocketAddr, SocketAddr),
    },
}

/// A call that was made.
#[derive(Clone, Debug)]
pub(super) struct Did {
    pub(super) at: Timestamp,
    pub(super) lasted: Duration,
    pub(super) side: Direction,
    pub(super) text: String,
    pub(super) result: String,
    pub(super) asked: Option<u64>,
    pub(super) moved: Option<u64>,
    pub(super) waited: Waited,
    pub(super) remark: String,
    pub(super) effect: Effect,
    /// What the kernel said about the connection afterwards.
    pub(super) kernel: Option<TcpInfo>,
}

/// Where records are kept, for both ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    list: Arc<Mutex<Vec<Did>>>,
}

impl Record {
    /// Everything until now, in the order of time.
    pub(super) fn take(&self) -> Vec<Did> {
        let mut all =
            std::mem::take(&mut *self.list.lock().unwrap_or_else(PoisonError::into_inner));
        all.sort_by_key(|did| did.at);
        all
    }

    fn add(&self, did: Did) {
        self.list
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(did);
    }
}

/// A socket whose calls are recorded.
#[derive(Debug)]
pub(super) struct Traced {
    socket: Socket,
    record: Record,
    side: Direction,
    local: Option<SocketAddr>,
    peer: Option<SocketAddr>,
    /// Whether our end of the stream has been told, or there is no connection any more:
    /// then close() tells nothing.
    has_ended: Cell<bool>,
}

/// The call's name, arguments and what it moved.
struct Begun {
    at: Timestamp,
    started: Instant,
    switches: i64,
}

fn begin() -> Begun {
    Begun {
        at: now(),
        switches: switches(),
        started: Instant::now(),
    }
}

/// How often this thread went to sleep.
fn switches() -> i64 {
    getrusage(UsageWho::RUSAGE_THREAD).map_or(0, |usage| usage.voluntary_context_switches())
}

impl Traced {
    /// `socket()`.
    pub(super) fn open(
        record: &Record,
        side: Direction,
        domain: Domain,
        kind: Type,
    ) -> io::Result<Traced> {
        let begun = begin();
        let outcome = Socket::new(domain, kind, None);
        let family = match domain {
            Domain::IPV6 => "AF_INET6",
            Domain::UNIX => "AF_UNIX",
            _ => "AF_INET",
        };
        let kind = match kind {
            Type::DGRAM => "SOCK_DGRAM",
            Type::SEQPACKET => "SOCK_SEQPACKET",
            _ => "SOCK_STREAM",
        };
        let result = outcome
            .as_ref()
            .map_or_else(words, |socket| socket.as_raw_fd().to_string());
        record.add(done(
            begun,
            side,
            format!("socket({family}, {kind})"),
            result,
        ));
        let socket = outcome?;
        Ok(Traced {
            socket,
            record: record.clone(),
            side,
            local: None,
            peer: None,
            has_ended: Cell::new(false),
        })
    }

    fn fd(&self) -> i32 {
        self.socket.as_raw_fd()
    }

    /// The address of this end.
    pub(super) fn local(&self) -> Option<SocketAddr> {
        self.socket
            .local_addr()
            .ok()
            .and_then(|address| address.as_socket())
    }

    fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        Some((self.local?, self.peer?))
    }

    /// Says something about the last call of this end.
    pub(super) fn remark(&self, words: String) {
        let mut list = self
            .record
            .list
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut own = list.iter_mut().rev().filter(|did| did.side == self.side);
        if let Some(did) = own.next() {
            match did.remark.is_empty() {
                true => did.remark = words,
                false => did.remark = format!("{}; {words}", did.remark),
            }
        }
    }

    fn note(&self, did: Did) {
        self.record.add(did);
    }

    /// A receive timeout, set before anything that waits; no call of the lesson.
    pub(super) fn patience(&self, time: Duration) -> io::Result<()> {
        self.socket.set_read_timeout(Some(time))
    }

    /// `bind()`.
    pub(super) fn bind(&mut self, to: SocketAddr) -> io::Result<SocketAddr> {
        let begun = begin();
        let outcome = self.socket.bind(&to.into());
        let mut did = done(
            begun,
            self.side,
            format!("bind({}, {to})", self.fd()),
            result(&outcome),
        );
        self.local = self.local();
        if let (Some(local), 0) = (self.local, to.port()) {
            did.remark = format!("port 0: the system chose {}", local.port());
        }
        self.note(did);
        outcome?;
        self.local
            .ok_or_else(|| io::Error::other("the socket has no address"))
    }

    /// `listen()`.
    pub(super) fn listen(&self, backlog: i32) -> io::Result<()> {
        let begun = begin();
        let outcome = self.socket.listen(backlog);
        let mut did = done(
            begun,
            self.side,
            format!("listen({}, {backlog})", self.fd()),
            result(&outcome),
        );
        did.remark = "its state is LISTEN now".into();
        self.note(did);
        outcome
    }

    /// `accept()`.
    pub(super) fn accept(&self) -> io::Result<Traced> {
        let begun = begin();
        let outcome = self.socket.accept();
        let text = format!("accept({})", self.fd());
        match outcome {
            Err(error) => {
                self.note(done(begun, self.side, text, words(&error)));
                Err(error)
            }
            Ok((socket, from)) => {
                let peer = from.as_socket();
                let local = socket
                    .local_addr()
                    .ok()
                    .and_then(|address| address.as_socket());
                let fd = socket.as_raw_fd();
                let shown = peer.map_or_else(String::new, |peer| format!(", from {peer}"));
                let mut did = done(begun, self.side, text, format!("{fd}{shown}"));
                if let Some(local) = local {
                    did.remark = format!(
                        "{} stays in LISTEN; {fd} is a second socket with the same port {}",
                        self.fd(),
                        local.port()
                    );
                }
                self.note(did);
                Ok(Traced {
                    socket,
                    record: self.record.clone(),
                    side: self.side,
                    local,
                    peer,
                    has_ended: Cell::new(false),
                })
            }
        }
    }

    /// `connect()`, for as long as `within`.
    pub(super) fn connect(
        &mut self,
        to: &SockAddr,
        shown: &str,
        within: Duration,
    ) -> io::Result<()> {
        // The way to bound a blocking connect(): SO_SNDTIMEO (socket(7)).
        self.socket.set_write_timeout(Some(within))?;
        let begun = begin();
        let outcome = self.socket.connect(to);
        let mut did = done(
            begun,
            self.side,
            format!("connect({}, {shown})", self.fd()),
            result(&outcome),
        );
        self.local = self.local();
        self.peer = to.as_socket();
        if outcome.is_err() {
            // A socket whose connect() failed does not tell the port that it had.
            self.local = self.peer.map(nowhere);
        }
        if self.is_datagram() {
            did.remark = "only notes the peer: nothing is sent".into();
        } else if let Some(ends) = self.ends() {
            did.effect = match &outcome {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    Effect::Refused { ends }
                }
                _ => Effect::Connected {
                    ends,
                    is_open: outcome.is_ok(),
                },
            };
            did.kernel = tcp_info(self.fd()).ok().filter(|_| outcome.is_ok());
        }
        if let Err(error) = &outcome
            && error.kind() == io::ErrorKind::WouldBlock
        {
            did.result = "no answer".into();
            self.note(did);
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "no answer came in time",
            ));
        }
        self.note(did);
        outcome
    }

    fn is_datagram(&self) -> bool {
        self.socket.r#type().is_ok_and(|kind| kind == Type::DGRAM)
    }

    fn is_packets(&self) -> bool {
        let kind = self.socket.r#type();
        kind.is_ok_and(|kind| kind == Type::SEQPACKET)
    }

    /// `send()`, until everything is taken.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            let begun = begin();
            let outcome = self.socket.send(left);
            let mut did = done(
                begun,
                self.side,
                format!("send({}, {})", self.fd(), count(left.len())),
                moved(&outcome),
            );
            did.asked = Some(left.len() as u64);
            if let (Ok(sent), Some(ends)) = (&outcome, self.ends()) {
                did.moved = Some(*sent as u64);
                did.effect = Effect::Sent {
                    ends,
                    bytes: left[..*sent].to_vec(),
                };
                did.kernel = tcp_info(self.fd()).ok();
                if *sent < left.len() {
                    did.remark = "the send buffer is full: the rest comes next".into();
                }
            }
            if let Err(error) = &outcome {
                self.lost(error, &mut did);
            }
            self.note(did);
            let sent = outcome?;
            if sent == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            left = &left[sent..];
        }
        Ok(())
    }

    /// `recv()` into a buffer of `room` bytes; empty at the end of the stream. Of a packet
    /// that is longer the rest is lost.
    pub(super) fn recv(&self, room: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; room];
        let is_packets = self.is_packets();
        let begun = begin();
        let (outcome, is_cut) = match is_packets {
            false => ((&self.socket).read(&mut buffer), false),
            true => match unix::receive(self.fd(), &mut buffer) {
                Ok((received, is_cut, _)) => (Ok(received), is_cut),
                Err(error) => (Err(error), false),
            },
        };
        let mut did = done(
            begun,
            self.side,
            format!("recv({}, {})", self.fd(), count(room)),
            moved(&outcome),
        );
        did.asked = Some(room as u64);
        match (&outcome, self.ends()) {
            (Ok(0), ends) => {
                did.moved = Some(0);
                did.remark = "the peer has ended".into();
                did.effect = ends.map_or(Effect::None, |ends| Effect::PeerEnded { ends });
            }
            (Ok(received), ends) => {
                did.moved = Some(*received as u64);
                if is_cut {
                    did.remark = "the packet was longer: the rest of it is lost".into();
                }
                let bytes = buffer[..*received].to_vec();
                did.effect = ends.map_or(Effect::None, |ends| Effect::Received { ends, bytes });
            }
            (Err(error), _) if error.kind() == io::ErrorKind::WouldBlock => {
                did.result = "nothing came".into();
            }
            (Err(error), _) => self.lost(error, &mut did),
        }
        self.note(did);
        let received = outcome?;
        buffer.truncate(received);
        Ok(buffer)
    }

    /// After some errors there is no connection any more, and so no end to tell. A
    /// reset is told once; later calls fail with EPIPE (tcp(7)).
    fn lost(&self, error: &io::Error, did: &mut Did) {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, TimedOut};
        let is_over = matches!(error.kind(), BrokenPipe | ConnectionReset | TimedOut);
        if !is_over || self.has_ended.get() && error.kind() != ConnectionReset {
            return;
        }
        self.has_ended.set(true);
        if let (Some(ends), true) = (self.ends(), error.kind() != TimedOut) {
            did.remark = "the peer has cut the connection".into();
            did.effect = Effect::Reset { ends };
        }
    }

    /// `sendto()`.
    pub(super) fn send_to(&mut self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        let begun = begin();
        let outcome = self.socket.send_to(bytes, &to.into());
        let mut did = done(
            begun,
            self.side,
            format!("sendto({}, {}, {to})", self.fd(), count(bytes.len())),
            moved(&outcome),
        );
        did.asked = Some(bytes.len() as u64);
        if self.local.is_none() {
            // The kernel binds an unbound socket with its first datagram.
            self.local = self.local();
            if let Some(local) = self.local {
                did.remark = format!("the system bound it to port {}", local.port());
            }
        }
        if let (Ok(sent), Some(local)) = (&outcome, self.local) {
            did.moved = Some(*sent as u64);
            let from = source_of(local, to);
            did.effect = Effect::Sent {
                ends: (from, to),
                bytes: bytes.to_vec(),
            };
        }
        self.note(did);
        outcome
    }

    /// `recvfrom()`; nothing if nothing came in time.
    pub(super) fn recv_from(&self, room: usize) -> io::Result<(Vec<u8>, SocketAddr)> {
        let mut buffer = vec![0; room];
        let begun = begin();
        let outcome = recvfrom::<SockaddrStorage>(self.fd(), &mut buffer).map_err(io::Error::from);
        let text = format!("recvfrom({}, {})", self.fd(), count(room));
        match outcome {
            Err(error) => {
                let result = match error.kind() {
                    io::ErrorKind::WouldBlock => "nothing came".to_owned(),
                    _ => words(&error),
                };
                let mut did = done(begun, self.side, text, result);
                did.asked = Some(room as u64);
                if let (io::ErrorKind::ConnectionRefused, Some(ends)) = (error.kind(), self.ends())
                {
                    did.remark = "an ICMP error came back: nobody listens there".into();
                    did.effect = Effect::Refused { ends };
                }
                self.note(did);
                Err(error)
            }
            Ok((received, from)) => {
                buffer.truncate(received);
                let from = from
                    .and_then(socket_address)
                    .ok_or_else(|| io::Error::other("a sender without an address"))?;
                let mut did = done(begun, self.side, text, format!("{received}, from {from}"));
                did.asked = Some(room as u64);
                did.moved = Some(received as u64);
                if let Some(local) = self.local {
                    let to = source_of(local, from);
                    did.effect = Effect::Received {
                        ends: (to, from),
                        bytes: buffer.clone(),
                    };
                }
                self.note(did);
                Ok((buffer, from))
            }
        }
    }

    /// `shutdown(SHUT_WR)`: this end says that it has said everything.
    pub(super) fn shutdown(&mut self) -> io::Result<()> {
        let begun = begin();
        let outcome = self.socket.shutdown(Shutdown::Write);
        let mut did = done(
            begun,
            self.side,
            format!("shutdown({}, SHUT_WR)", self.fd()),
            result(&outcome),
        );
        if outcome.is_ok() && !self.has_ended.replace(true) {
            did.effect = self
                .ends()
                .map_or(Effect::None, |ends| Effect::Ended { ends });
        }
        self.note(did);
        outcome
    }

    /// `close()`.
    pub(super) fn close(self) {
        let ends = self.ends();
        let (side, record, fd) = (self.side, self.record.clone(), self.fd());
        let says_end = !self.has_ended.replace(true);
        let begun = begin();
        drop(self);
        let mut did = done(begun, side, format!("close({fd})"), "0".into());
        if let (Some(ends), true) = (ends, says_end) {
            did.effect = Effect::Ended { ends };
        }
        record.add(did);
    }
}

fn socket_address(address: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address
        .as_sockaddr_in()
        .map(|v4| SocketAddr::V4((*v4).into()));
    v4.or_else(|| {
        address
            .as_sockaddr_in6()
            .map(|v6| SocketAddr::V6((*v6).into()))
    })
}

/// Stands for this end where its port is not known.
fn nowhere(peer: SocketAddr) -> SocketAddr {
    let ip = match peer.ip() {
        ip if ip.is_loopback() => ip,
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    SocketAddr::new(ip, 0)
}

/// A socket that is bound to every address sends from the one that fits the peer.
fn source_of(local: SocketAddr, peer: SocketAddr) -> SocketAddr {
    if local.ip().is_unspecified() && peer.ip().is_loopback() {
        SocketAddr::new(peer.ip(), local.port())
    } else {
        local
    }
}

fn done(begun: Begun, side: Direction, text: String, result: String) -> Did {
    let lasted = begun.started.elapsed();
    let slept = switches() > begun.switches;
    Did {
        at: begun.at,
        lasted,
        side,
        text,
        result,
        asked: None,
        moved: None,
        waited: if slept { Waited::Yes } else { Waited::No },
        remark: String::new(),
        effect: Effect::None,
        kernel: None,
    }
}

fn result(outcome: &io::Result<()>) -> String {
    outcome.as_ref().map_or_else(words, |()| "0".to_owned())
}

fn moved(outcome: &io::Result<usize>) -> String {
    outcome.as_ref().map_or_else(words, usize::to_string)
}

fn count(bytes: usize) -> String {
    if bytes == 1 {
        "1 byte".into()
    } else {
        format!("{bytes} bytes")
    }
}
