//! The server: accept, admit, limit, observe, drain.
//!
//! ```text
//!             ┌ start: resolve, listen, bind ┐
//!  clients ─▶ accept ─▶ admission ─▶ session ─▶ service
//!               │           │           │
//!               └───────────┴─ registry ┴─▶ events, snapshot, sweep, drain
//! ```
//!
//! Layout: `start` and `open` open every address, `cores` runs them; `accept` is the loop of one listener;
//! `gate` admits or refuses whom it accepted;
//! `worker` are threads that are ready for a client; `admission` are the caps; `session` is one connection's life; `registry` knows
//! who is there and sweeps for timeouts; `events` and `snapshot` are what can be
//! seen from outside; `running` is the handle with which it is stopped.

mod accept;
mod admission;
mod certificate;
mod cores;
mod events;
mod gate;
mod open;
mod registry;
mod running;
mod session;
mod shared;
mod snapshot;
mod start;
mod worker;

use std::sync::Arc;

use crate::address::Address;
use crate::datagram::{Amplification, DatagramService};
use crate::limits::Limits;
use crate::network::{BindOptions, ListenOptions, Network, Os};
use crate::service::{AnyService, Service};
use crate::tls::ServerTls;

pub use events::{ConnectionInfo, Event, Observer};
pub use running::{Bound, DrainReport, Running};
pub use snapshot::{ConnectionSnapshot, DatagramSnapshot, Snapshot};
pub use start::{StartError, StartErrorKind};

/// A server: any number of services at any number of addresses, under one set of limits.
///
/// ```
/// use wharf::connection::Connection;
/// use wharf::server::Server;
/// use wharf::service::{Context, Service, ServiceError};
///
/// struct Echo;
///
/// impl Service for Echo {
///     async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
///         while let Some(chunk) = peer.read_chunk().await? {
///             peer.write_all(&chunk).await?;
///         }
///         Ok(())
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let server = Server::new().serve("echo", "tcp::0".parse().unwrap(), Echo);
/// let running = server.start().await.unwrap();
/// println!("listening at {}", running.endpoints()[0].local);
/// running.drain().await;
/// # });
/// ```
#[derive(Debug)]
pub struct Server<N: Network = Os> {
    network: N,
    limits: Limits,
    cores: usize,
    entries: Vec<Entry>,
    observer: Option<Arc<dyn Observer>>,
    partial: Partial,
}

/// One service at one address.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) name: Arc<str>,
    pub(crate) address: Address,
    pub(crate) what: What,
}

/// What a service speaks over.
#[derive(Debug)]
pub(crate) enum What {
    Stream(AnyService, ServeOptions),
    Datagrams(AnyDatagramService, DatagramOptions),
}

/// How a service's connections share the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All at once, as tasks of the core that accepted them.
    #[default]
    Concurrent,
    /// One after the other, as the simplest programs do: the next client waits
    /// in the listener's queue until the one before has left, at whichever of the
    /// service's addresses it came.
    OneAtATime,
    /// Each on an operating system thread of its own. One thread per listener is
    /// ready in advance; while none can be made, clients wait in the listener's queue.
    Threads,
}

/// What to do when some of a server's addresses cannot be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Partial {
    /// Start nothing.
    #[default]
    Refuse,
    /// Start the rest; [`Running::failures`] lists the others.
    Accept,
}

impl Server<Os> {
    /// A server on the operating system's network.
    pub fn new() -> Self {
        Server::on(Os)
    }
}

impl Default for Server<Os> {
    fn default() -> Self {
        Server::new()
    }
}

impl<N: Network> Server<N> {
    /// A server on `network`.
    pub fn on(network: N) -> Self {
        Server {
            network,
            limits: Limits::default(),
            cores: 1,
            entries: Vec::new(),
            observer: None,
            partial: Partial::Refuse,
        }
    }

    /// Serves byte streams at `address`; `name` stands for the service in events and logs.
    ///
    /// A service may be served at several addresses: under the same name, with the same
    /// [`ServeOptions::mode`] and [`ServeOptions::accept_at_most`], they are one service,
    /// which has one turn and one number of clients.
    #[must_use]
    pub fn serve(self, name: &str, address: Address, service: impl Service) -> Self {
        self.serve_with(name, address, service, ServeOptions::default())
    }

    /// As [`Server::serve`], with options for this one service.
    #[must_use]
    pub fn serve_with(
        mut self,
        name: &str,
        address: Address,
        service: impl Service,
        options: ServeOptions,
    ) -> Self {
        self.entries.push(Entry {
            name: name.into(),
            address,
            what: What::Stream(AnyService::new(service), options),
        });
        self
    }

    /// Serves datagrams at `address`.
    #[must_use]
    pub fn serve_datagrams(
        self,
        name: &str,
        address: Address,
        service: impl DatagramService,
    ) -> Self {
        self.serve_datagrams_with(name, address, service, DatagramOptions::default())
    }

    /// As [`Server::serve_datagrams`], with options for this one service.
    #[must_use]
    pub fn serve_datagrams_with(
        mut self,
        name: &str,
        address: Address,
        service: impl DatagramService,
        options: DatagramOptions,
    ) -> Self {
        self.entries.push(Entry {
            name: name.into(),
            address,
            what: What::Datagrams(AnyDatagramService(Arc::new(service)), options),
        });
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Serves on this many cores: one single-threaded runtime each, with its own
    /// listening socket on the same port (`SO_REUSEPORT`).
    ///
    /// The caller's runtime is the first; the others get threads of their own. A
    /// service's state is shared by them, so it says itself how (it is `Sync`).
    /// 0 counts as 1. Networks that do not share ports serve on one core.
    #[must_use]
    pub fn cores(mut self, cores: usize) -> Self {
        self.cores = cores.max(1);
        self
    }

    /// Sends every event to `observer`.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Decides what happens when some of the addresses cannot be opened.
    #[must_use]
    pub fn partial(mut self, partial: Partial) -> Self {
        self.partial = partial;
        self
    }

    /// Opens every address and starts serving, in tasks of the current runtime.
    ///
    /// # Errors
    /// The first address that cannot be opened, unless [`Partial::Accept`] was
    /// set and at least one can; and limits of 0 that let nobody in.
    pub async fn start(self) -> Result<Running, StartError> {
        start::start(self).await
    }
}

/// Options of one service over byte streams.
#[derive(Clone, Debug, Default)]
pub struct ServeOptions {
    /// How its connections share the machine.
    pub mode: Mode,
    /// Stop listening after this many connections, over all addresses of the service;
    /// `None` never stops.
    pub accept_at_most: Option<usize>,
    /// Options of its listening sockets.
    pub listen: ListenOptions,
    /// The certificate for a `tls:` address; `None` takes what the address names.
    pub tls: Option<ServerTls>,
}

/// Options of one service over datagrams.
#[derive(Clone, Debug, Default)]
pub struct DatagramOptions {
    /// Options of its sockets.
    pub bind: BindOptions,
    /// Whether answers may be longer than what they answer.
    pub amplification: Amplification,
}

/// A datagram service of any type.
#[derive(Clone)]
pub(crate) struct AnyDatagramService(pub(crate) Arc<dyn DatagramService>);

impl std::fmt::Debug for AnyDatagramService {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AnyDatagramService")
    }
}
