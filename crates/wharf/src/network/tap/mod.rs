//! Watching every call that is made through a network.
//!
//! ```text
//!   service, client ─▶ Tap ─▶ the network below (Os, MemoryNetwork, a simulated one)
//!                       │
//!                       └─▶ journal (bounded) ─▶ Calls: one Event for each call
//! ```
//! A [`Tap`] wraps any [`Network`] and is one itself. What is opened through it is
//! watched to its end: socket, bind, listen, accept, connect, send, recv,
//! shutdown and close, with the time that each took, how long it had to wait,
//! what came of it, the bytes that it moved, and how it changed the state of a
//! TCP connection. On the operating system's network each event of a TCP socket
//! carries a sample of the kernel's own knowledge ([`TcpSample`]).
//!
//! Who does not wrap pays nothing. Who does pays for the journal and never waits
//! for its reader: what does not fit is dropped and counted.
//!
//! ```
//! use wharf::network::tap::{Call, Tap};
//! use wharf::network::{ConnectOptions, ListenOptions, MemoryNetwork, Network};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let (network, mut calls) = Tap::new(MemoryNetwork::new());
//! let here = "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into();
//! let listener = network.listen(&here, &ListenOptions::default()).await.unwrap();
//! let mut client = network.connect(listener.local(), &ConnectOptions::default()).await.unwrap();
//! client.write_all(b"hello").await.unwrap();
//!
//! let names: Vec<_> = calls.take().iter().map(|event| event.call.name()).collect();
//! assert_eq!(names, ["socket", "bind", "listen", "socket", "connect", "send"]);
//! # });
//! ```
//!
//! What is *not* an event: calls that only set or ask options (setsockopt(2),
//! getsockname(2)), and the waiting itself (epoll_wait(2)), which stands in
//! [`Event::blocked`] of the call that it was for – a program with blocking
//! sockets would have slept in that call.
//!
//! Layout: this file is the network; `event` is what is told, `state` how TCP
//! states follow from calls, `journal` keeps events, `probe` is one socket's
//! teller, `stream`, `listener` and `datagrams` wrap what was opened, `steps` lets
//! a network tell the single calls of an operation.

mod datagrams;
mod event;
mod journal;
mod listener;
mod probe;
mod state;
pub(crate) mod steps;
mod stream;

use std::io;

use super::{
    BindOptions, ConnectOptions, Endpoint, ListenOptions, Network, Platform, ResolveError, Role,
    StreamKind,
};
use crate::address::Address;
use crate::connection::{Connection, Listener};
use crate::datagram::Datagrams;

pub use event::{Call, Event, Failure, Outcome, SocketId, Transport};
pub use journal::{Calls, JournalSize};
pub use state::{StateChange, TcpState};
pub(crate) use stream::{DetachedTapped, Tapped};

pub use super::os::{TcpOptions, TcpSample};

use journal::Recorder;
use probe::{Operation, Probe};

/// A network whose calls are watched. Clones share one journal.
#[derive(Clone, Debug)]
pub struct Tap<N: Network> {
    network: N,
    recorder: Recorder,
}

impl<N: Network> Tap<N> {
    /// Watches `network`; the events come out of the second value.
    pub fn new(network: N) -> (Self, Calls) {
        Tap::with_size(network, JournalSize::default())
    }

    /// As [`Tap::new`], with another bound for what waits to be read.
    pub fn with_size(network: N, size: JournalSize) -> (Self, Calls) {
        let (recorder, calls) = journal::new(network.platform(), size);
        (Tap { network, recorder }, calls)
    }

    fn probe(&self, transport: Transport) -> Probe {
        Probe::new(self.recorder.clone(), transport)
    }
}

impl<N: Network> Network for Tap<N> {
    async fn resolve(&self, address: &Address, role: Role) -> Result<Vec<Endpoint>, ResolveError> {
        self.network.resolve(address, role).await
    }

    async fn listen(&self, at: &Endpoint, options: &ListenOptions) -> io::Result<Listener> {
        let backlog = options.backlog.unwrap_or(crate::limits::BACKLOG);
        let last = Call::Listen { backlog };
        let mut operation = Operation::new(self.probe(stream_at(at, options.kind)), at, last);
        let outcome = operation.run(self.network.listen(at, options)).await;
        let local = outcome.as_ref().map(|listener| listener.local().clone());
        let probe = operation.opened(local, None);
        outcome.map(|inner| listener::tapped(inner, probe))
    }

    async fn connect(&self, to: &Endpoint, options: &ConnectOptions) -> io::Result<Connection> {
        let last = Call::Connect { to: to.clone() };
        let from = options.from.clone();
        let probe = self.probe(stream_at(to, options.kind));
        let mut operation = Operation::connecting(probe, from, last);
        let outcome = operation.run(self.network.connect(to, options)).await;
        let local = outcome
            .as_ref()
            .map(|connection| connection.local().clone());
        let sample = outcome.as_ref().ok().and_then(Connection::tcp_sample);
        let mut probe = operation.opened(local, sample);
        outcome.map(|connection| {
            probe.set_peer(to.clone());
            connection.wrap_stream(|stream| stream::tapped(stream, probe))
        })
    }

    async fn bind(&self, at: &Endpoint, options: &BindOptions) -> io::Result<Datagrams> {
        let transport = match at {
            Endpoint::Inet(_) => Transport::Udp,
            Endpoint::Unix(_) => Transport::UnixDatagram,
        };
        let last = Call::Bind { to: at.clone() };
        let mut operation = Operation::new(self.probe(transport), at, last);
        let outcome = operation.run(self.network.bind(at, options)).await;
        let local = outcome.as_ref().map(|socket| socket.local().clone());
        let probe = operation.opened(local, None);
        outcome.map(|socket| datagrams::tapped(socket, probe))
    }

    fn platform(&self) -> Platform {
        self.network.platform()
    }

    fn shares_ports(&self) -> bool {
        self.network.shares_ports()
    }
}

fn stream_at(endpoint: &Endpoint, kind: StreamKind) -> Transport {
    match (endpoint, kind) {
        (Endpoint::Inet(_), _) => Transport::Tcp,
        (Endpoint::Unix(_), StreamKind::Bytes) => Transport::Unix,
        (Endpoint::Unix(_), StreamKind::Packets) => Transport::UnixPackets,
    }
}
