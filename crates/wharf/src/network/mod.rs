//! The seam between a program and the network.
//!
//! Everything in Wharf that serves or connects does so through a [`Network`].
//! The operating system's is [`Os`]; [`MemoryNetwork`] joins tests to services
//! without a socket; a simulated one can implement the same five methods. So a
//! service that runs on one of them runs on all, unchanged.
//!
//! The operations are deliberately small: they take *endpoints*, one at a time.
//! What to do with several of them (both loopback addresses under one port
//! number, happy eyeballs), limits, TLS and retries stand above the seam and are
//! therefore the same on every network.
//!
//! Layout: this file is the trait and its options; `endpoint` names one end;
//! `platform` is what else a service may ask of the machine; `os` and `memory`
//! are the two networks that ship here; `tap` watches the calls that are made
//! through any network; `words` says what went wrong.

mod endpoint;
pub mod memory;
pub mod os;
mod platform;
pub mod tap;
mod words;

use std::future::Future;
use std::io;

use crate::address::{Address, AddressOptions, Membership};
use crate::connection::{Connection, Listener};
use crate::datagram::Datagrams;

pub use endpoint::{Endpoint, UnixName};
pub use memory::MemoryNetwork;
pub use os::Os;
pub use platform::{Machine, Platform};
pub use tap::Tap;
pub use words::error_words;

/// How bytes travel: resolve, listen, connect and bind.
///
/// Handles that an implementation keeps must be [`Send`]; the futures are too,
/// so that one server type serves on every kind of runtime.
pub trait Network: Clone + Send + Sync + 'static {
    /// The endpoints that `address` means to this network, in the order to try them.
    ///
    /// An address without a host is decided here: the operating system takes
    /// loopback, a simulated host its own addresses.
    ///
    /// # Errors
    /// [`ResolveError`] with the name and the resolver's own words.
    fn resolve(
        &self,
        address: &Address,
        role: Role,
    ) -> impl Future<Output = Result<Vec<Endpoint>, ResolveError>> + Send;

    /// Listens for byte streams at one endpoint.
    ///
    /// # Errors
    /// The network's own, for example [`io::ErrorKind::AddrInUse`].
    fn listen(
        &self,
        at: &Endpoint,
        options: &ListenOptions,
    ) -> impl Future<Output = io::Result<Listener>> + Send;

    /// Opens a byte stream to one endpoint. Cancel safe: dropping the future
    /// gives the attempt up.
    ///
    /// # Errors
    /// The network's own, for example [`io::ErrorKind::ConnectionRefused`].
    fn connect(
        &self,
        to: &Endpoint,
        options: &ConnectOptions,
    ) -> impl Future<Output = io::Result<Connection>> + Send;

    /// Binds a datagram socket at one endpoint.
    ///
    /// # Errors
    /// The network's own.
    fn bind(
        &self,
        at: &Endpoint,
        options: &BindOptions,
    ) -> impl Future<Output = io::Result<Datagrams>> + Send;

    /// The clock, the randomness and the threads of the machine that this network is part of.
    fn platform(&self) -> Platform;

    /// Whether several runtimes may listen on one endpoint and share its clients.
    fn shares_ports(&self) -> bool {
        false
    }
}

/// What an address is resolved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To listen or bind there: `all:80` is every interface.
    Serve,
    /// To reach it: `all:80` is not a destination.
    Reach,
}

/// Whether a stream keeps the boundaries of what was written into it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamKind {
    /// A byte stream (`SOCK_STREAM`): boundaries are lost.
    #[default]
    Bytes,
    /// A stream of packets (`SOCK_SEQPACKET`): each read gives one packet.
    Packets,
}

/// Whether other sockets of this process may take the same port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PortSharing {
    /// The port belongs to this socket alone.
    #[default]
    Exclusive,
    /// The first of several sockets with `SO_REUSEPORT`, over which the kernel
    /// spreads clients. It takes the port alone first, so that a port in use is
    /// still an error although `SO_REUSEPORT` would let any process join in.
    SharedFirst,
    /// A further socket on the port of a [`PortSharing::SharedFirst`] one.
    SharedNext,
}

/// How to listen.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// Byte stream or packets; only Unix sockets know packets.
    pub kind: StreamKind,
    /// The argument of listen(2): how many finished handshakes may wait for
    /// accept. `None` is [`crate::limits::BACKLOG`]. It bounds the queue, not the
    /// number of clients.
    pub backlog: Option<u32>,
    /// Whether the port is shared among this process's cores.
    pub sharing: PortSharing,
    /// Permission bits for a Unix socket's file; `None` leaves them to the umask.
    pub mode: Option<u32>,
    /// Options for every accepted stream.
    pub stream: StreamOptions,
}

/// How to connect.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// Byte stream or packets; only Unix sockets know packets.
    pub kind: StreamKind,
    /// The local endpoint to connect from.
    pub from: Option<Endpoint>,
    /// Options for the stream.
    pub stream: StreamOptions,
}

/// Options of one stream, with the reasons for their defaults in [`crate::limits`].
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// `TCP_NODELAY`: send small messages at once. On by default, because Nagle's
    /// algorithm and delayed acknowledgements together cost 40 ms per request.
    pub nodelay: Switch,
    /// Keep-alive probes: idle time before the first one, and between the others.
    pub keepalive: Option<std::time::Duration>,
    /// `TCP_USER_TIMEOUT`: how long sent data may stay unacknowledged (RFC 5482).
    pub user_timeout: Option<std::time::Duration>,
    /// `SO_RCVBUF` in bytes; `None` lets the kernel tune it.
    pub receive_buffer: Option<u32>,
    /// `SO_SNDBUF` in bytes; `None` lets the kernel tune it.
    pub send_buffer: Option<u32>,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// The option is set.
    On,
    /// The option is cleared.
    Off,
}

impl Switch {
    /// Whether the switch is on.
    pub fn is_on(self) -> bool {
        self == Switch::On
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions {
            nodelay: Switch::On,
            keepalive: Some(crate::limits::KEEPALIVE),
            user_timeout: Some(crate::limits::USER_TIMEOUT),
            receive_buffer: None,
            send_buffer: None,
        }
    }
}

/// How to bind a datagram socket.
#[derive(Clone, Debug)]
pub struct BindOptions {
    /// Whether the port is shared among this process's cores.
    pub sharing: PortSharing,
    /// `SO_RCVBUF` to ask for, in bytes; what was granted is in
    /// [`Datagrams::receive_buffer`].
    pub receive_buffer: u32,
    /// `SO_SNDBUF` to ask for, in bytes.
    pub send_buffer: u32,
    /// `SO_BROADCAST`: allow sending to a broadcast address.
    pub broadcast: Switch,
    /// Multicast groups to join.
    pub join: Vec<Membership>,
    /// Hop limit of what is sent; `None` is the system's own.
    pub hops: Option<u32>,
    /// Permission bits for a Unix socket's file; `None` leaves them to the umask.
    pub mode: Option<u32>,
}

impl Default for BindOptions {
    fn default() -> Self {
        BindOptions {
            sharing: PortSharing::Exclusive,
            receive_buffer: crate::limits::DATAGRAM_BUFFER,
            send_buffer: crate::limits::DATAGRAM_BUFFER,
            broadcast: Switch::Off,
            join: Vec::new(),
            hops: None,
            mode: None,
        }
    }
}

impl BindOptions {
    /// Takes over what an address asks of its socket.
    pub fn apply(&mut self, asked: &AddressOptions) {
        if let Some(size) = asked.receive_buffer {
            self.receive_buffer = size.bytes();
        }
        if let Some(size) = asked.send_buffer {
            self.send_buffer = size.bytes();
        }
        if asked.broadcast {
            self.broadcast = Switch::On;
        }
        self.join.extend(asked.join.iter().cloned());
        self.hops = asked.ttl.map(u32::from).or(self.hops);
        self.mode = asked.mode.or(self.mode);
    }
}

/// A name did not lead to an endpoint.
#[derive(Debug, thiserror::Error)]
#[error("cannot resolve {name}: {why}")]
pub struct ResolveError {
    /// What was to be resolved.
    pub name: String,
    /// The resolver's own words.
    pub why: String,
    /// What to try instead, if there is something.
    pub cure: Option<String>,
}
