//! Listening with a backlog, which smoltcp does not have: a socket is made when a
//! SYN comes in, up to the backlog, and a SYN beyond it is dropped silently, as
//! Linux does, so that the client tries again.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll, Waker};

use smoltcp::socket::tcp::State;
use smoltcp::wire::{IpAddress, IpListenEndpoint};

use super::conn::{Conn, ConnId, Holder, StreamSettings};
use super::host::{Host, Work, ends_key};
use super::segment::Ends;
use crate::core::Time;

/// The number of a listener at its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerId(usize);

/// One listener with its queue.
pub(super) struct Listening {
    at: SocketAddr,
    backlog: usize,
    settings: StreamSettings,
    /// Connections of its, from the SYN until somebody accepts them.
    queue: usize,
    ready: VecDeque<usize>,
    waker: Option<Waker>,
}

/// What to do with a SYN.
pub(super) enum Admission {
    /// It belongs to this new connection.
    Conn(usize),
    /// The backlog is full.
    Full,
    /// Nobody listens there.
    Nobody,
}

impl Host {
    /// Listens at `at`; port 0 takes a free one. An unspecified address stands for
    /// all of its version.
    ///
    /// # Errors
    /// The address is not the host's, or in use.
    pub fn listen(
        &mut self,
        at: SocketAddr,
        backlog: usize,
        settings: StreamSettings,
    ) -> io::Result<(ListenerId, SocketAddr)> {
        self.check_own(at.ip())?;
        let port = match at.port() {
            0 => self.free_port(|host, port| !host.listens_at(SocketAddr::new(at.ip(), port)))?,
            port => port,
        };
        let at = SocketAddr::new(at.ip(), port);
        if self.listens_at(at) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let id = self.listeners.insert(Listening {
            at,
            backlog: backlog.max(1),
            settings,
            queue: 0,
            ready: VecDeque::new(),
            waker: None,
        });
        Ok((ListenerId(id), at))
    }

    fn listens_at(&self, at: SocketAddr) -> bool {
        let mut all = self.listeners.iter();
        all.any(|(_, listening)| overlaps(listening.at, at))
    }

    /// The next connection.
    pub fn poll_accept(&mut self, id: ListenerId, cx: &mut Context<'_>) -> Poll<ConnId> {
        let listening = &mut self.listeners[id.0];
        match listening.ready.pop_front() {
            Some(conn) => {
                listening.queue -= 1;
                self.conns[conn].holder = Holder::Program;
                Poll::Ready(ConnId(conn))
            }
            None => {
                listening.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Stops listening: connections that nobody accepted are reset.
    pub(crate) fn stop_listening(&mut self, id: ListenerId, now: Time) {
        if self.listeners.try_remove(id.0).is_none() {
            return;
        }
        for (index, conn) in &mut self.conns {
            if conn.holder == Holder::Listener(id.0) {
                conn.holder = Holder::Nobody(now);
                conn.socket().abort();
                self.work.push(Work::Conn(index));
            }
        }
    }

    /// A SYN has come for an endpoint without a connection.
    pub(super) fn admit(&mut self, ends: &Ends, now: Time) -> Admission {
        let mut all = self.listeners.iter();
        let found = all.find(|(_, listening)| serves(listening.at, ends.to));
        let Some((id, listening)) = found else {
            return Admission::Nobody;
        };
        if listening.queue >= listening.backlog {
            return Admission::Full;
        }
        let settings = listening.settings;
        let mut socket = settings.socket();
        let at = IpListenEndpoint {
            addr: Some(IpAddress::from(ends.to.ip())),
            port: ends.to.port(),
        };
        if socket.listen(at).is_err() {
            return Admission::Nobody;
        }
        let ends = (ends.to, ends.from);
        let conn = Conn::new(socket, settings, ends, Holder::Listener(id), now);
        let index = self.conns.insert(conn);
        self.by_ends.insert(ends_key(ends.0, ends.1), index);
        self.listeners[id].queue += 1;
        Admission::Conn(index)
    }

    /// A connection in a backlog may have become ready, or have ended.
    pub(super) fn settle_backlog(&mut self, listener: usize, conn: usize) {
        let Some(listening) = self.listeners.get_mut(listener) else {
            return;
        };
        match self.conns[conn].state() {
            State::SynReceived => {}
            // smoltcp listens again after a reset; the client is gone all the same.
            State::Listen | State::Closed => {
                listening.queue -= 1;
                listening.ready.retain(|ready| *ready != conn);
                self.forget(conn);
            }
            _ if listening.ready.contains(&conn) => {}
            _ => {
                listening.ready.push_back(conn);
                if let Some(waker) = listening.waker.take() {
                    waker.wake();
                }
            }
        }
    }
}

/// Whether a listener at `at` takes what is sent to `to`.
fn serves(at: SocketAddr, to: SocketAddr) -> bool {
    let any = at.ip().is_unspecified() && at.is_ipv4() == to.is_ipv4();
    at.port() == to.port() && (any || at.ip() == to.ip())
}

fn overlaps(a: SocketAddr, b: SocketAddr) -> bool {
    serves(a, b) || serves(b, a)
}
