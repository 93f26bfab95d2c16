//! Starts a server: opens every address, then runs the loops on every core.

use std::io;
use std::sync::Arc;

use super::certificate;
use super::cores::{Core, Way, spawn_socket, spawn_sweep, start_core};
use super::events::Event;
use super::open::{How, OpenError, Socket, open};
use super::running::{Bound, Running};
use super::shared::{Groups, Served, Shared};
use super::{Entry, Partial, Server, What};
use crate::address::{Address, Scheme};
use crate::limits::Limits;
use crate::network::{ListenOptions, Network, PortSharing, ResolveError, StreamKind, error_words};
use crate::tls::{ServerTls, TlsConfigError};

/// An address could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {at}: {kind}")]
pub struct StartError {
    /// The service's name.
    pub service: String,
    /// The address that was asked for.
    pub address: Box<Address>,
    /// The endpoint that failed, or the address where none was found.
    pub at: String,
    /// What failed.
    #[source]
    pub kind: StartErrorKind,
    /// With [`Partial::Accept`], where nothing could be opened: the other addresses.
    pub others: Vec<StartError>,
}

/// What failed when an address was opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartErrorKind {
    /// The name leads nowhere.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The network refused.
    #[error("{}", error_words(.0))]
    Io(#[from] io::Error),
    /// The certificate or key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsConfigError),
    /// A TLS address names no certificate.
    #[error("{0}")]
    NoCertificate(String),
    /// The scheme does not carry what the service speaks.
    #[error("{0}")]
    WrongScheme(String),
    /// A limit of the server lets nobody in.
    #[error("{0}")]
    Limits(&'static str),
}

/// One socket that is open on the first core.
pub(super) struct Opened {
    pub(super) served: Arc<Served>,
    pub(super) address: Address,
    pub(super) socket: Socket,
    pub(super) how: How,
}

impl Opened {
    fn bound(&self) -> Bound {
        Bound {
            service: Arc::clone(&self.served.name),
            local: self.socket.local().clone(),
            scheme: self.address.scheme,
            fingerprint: self.served.tls.as_ref().map(ServerTls::fingerprint),
        }
    }

    fn error(&self, error: io::Error) -> StartError {
        StartError {
            service: self.served.name.to_string(),
            address: Box::new(self.address.clone()),
            at: self.socket.local().to_string(),
            kind: error.into(),
            others: Vec::new(),
        }
    }
}

/// The limit that would let nobody in, in words.
fn excludes_all(limits: &Limits) -> Option<&'static str> {
    if limits.max_connections == 0 {
        Some("max_connections is 0, so nobody could be served; 1 is the least")
    } else if limits.per_peer == Some(0) {
        Some("per_peer is 0, so every peer would be refused; 1 is the least, None is no limit")
    } else {
        None
    }
}

/// Opens everything and starts the loops.
pub(super) async fn start<N: Network>(server: Server<N>) -> Result<Running, StartError> {
    if let (Some(why), Some(entry)) = (excludes_all(&server.limits), server.entries.first()) {
        return Err(StartError {
            service: entry.name.to_string(),
            at: entry.address.to_string(),
            address: Box::new(entry.address.clone()),
            kind: StartErrorKind::Limits(why),
            others: Vec::new(),
        });
    }
    let cores = if server.network.shares_ports() {
        server.cores
    } else {
        1
    };
    let mut starting = Starting {
        cores,
        opened: Vec::new(),
        failures: Vec::new(),
        notes: Vec::new(),
        groups: Groups::default(),
        network: server.network,
    };
    for entry in server.entries {
        if let Err(error) = starting.open(entry).await {
            if server.partial == Partial::Refuse {
                return Err(error);
            }
            starting.failures.push(error);
        }
    }
    if starting.opened.is_empty() && !starting.failures.is_empty() {
        let mut first = starting.failures.remove(0);
        first.others = starting.failures;
        return Err(first);
    }
    let platform = starting.network.platform();
    let shared = Shared::new(server.limits, platform, server.observer, cores);
    starting.run(Arc::new(shared)).await
}

struct Starting<N> {
    network: N,
    cores: usize,
    opened: Vec<Opened>,
    failures: Vec<StartError>,
    notes: Vec<String>,
    groups: Groups,
}

impl<N: Network> Starting<N> {
    /// Opens one service's address.
    async fn open(&mut self, entry: Entry) -> Result<(), StartError> {
        let address = entry.address.clone();
        let name = entry.name.to_string();
        let fail = |at: String, kind: StartErrorKind| StartError {
            service: name.clone(),
            address: Box::new(address.clone()),
            at,
            kind,
            others: Vec::new(),
        };
        let whole = address.to_string();
        let (how, tls) = self
            .prepare(&entry)
            .await
            .map_err(|kind| fail(whole.clone(), kind))?;
        let sockets = open(&self.network, &address, &how, &mut self.notes)
            .await
            .map_err(|error| match error {
                OpenError::Resolve(error) => fail(whole.clone(), error.into()),
                OpenError::Socket(at, error) => fail(at.to_string(), error.into()),
            })?;
        let served = Arc::new(Served::new(entry, tls, &mut self.groups));
        for socket in sockets {
            self.opened.push(Opened {
                served: Arc::clone(&served),
                address: address.clone(),
                socket,
                how: how.clone(),
            });
        }
        Ok(())
    }

    /// How the entry's sockets are opened, and the certificate if they need one.
    async fn prepare(&self, entry: &Entry) -> Result<(How, Option<ServerTls>), StartErrorKind> {
        let scheme = entry.address.scheme;
        let sharing = if self.cores > 1 {
            PortSharing::SharedFirst
        } else {
            PortSharing::Exclusive
        };
        let how = match &entry.what {
            // `rdm:` and `raw:` are neither; resolving them says what there is instead.
            What::Stream(_, options) if !scheme.is_datagram() => How::Listen(ListenOptions {
                kind: match scheme {
                    Scheme::Seqpacket => StreamKind::Packets,
                    _ => StreamKind::Bytes,
                },
                ..options.listen.clone()
            }),
            What::Datagrams(_, options) if !carries_connections(scheme) => {
                How::Bind(options.bind.clone())
            }
            What::Stream(..) => return Err(wrong_scheme(entry, "byte streams")),
            What::Datagrams(..) => return Err(wrong_scheme(entry, "datagrams")),
        };
        let how = how.with_sharing(sharing).with_address(&entry.address);
        let tls = match scheme {
            Scheme::Tls => Some(self.certificate(entry).await?),
            _ => None,
        };
        Ok((how, tls))
    }

    async fn certificate(&self, entry: &Entry) -> Result<ServerTls, StartErrorKind> {
        if let What::Stream(_, options) = &entry.what
            && let Some(tls) = &options.tls
        {
            return Ok(tls.clone());
        }
        let address = entry.address.clone();
        let platform = self.network.platform();
        let made = platform.blocking(move || certificate::made_for(&address));
        match made.await {
            Some(made) => made,
            None => Err(io::Error::other("the work of reading the certificate was lost").into()),
        }
    }

    /// Starts the loops of all cores.
    async fn run(mut self, shared: Arc<Shared>) -> Result<Running, StartError> {
        let mut running = Running {
            shared: Arc::clone(&shared),
            endpoints: Vec::new(),
            failures: self.failures,
            notes: self.notes,
            tasks: Vec::new(),
            cores: Vec::new(),
        };
        for text in &running.notes {
            shared.tell(&Event::Note { text });
        }
        // Before any core accepts, so that nobody is heard of before the listener.
        for opened in &self.opened {
            let bound = opened.bound();
            shared.tell(&Event::Listening { bound: &bound });
            running.endpoints.push(bound);
        }
        // Without a socket a further core would have nothing to serve.
        let cores = if self.opened.is_empty() {
            1
        } else {
            self.cores
        };
        for index in 1..cores {
            let core = further_core(&self.network, &mut self.opened, &shared, index).await?;
            running.cores.push(core);
        }
        for opened in self.opened {
            let task = spawn_socket(&shared, 0, opened.served, opened.socket);
            running.tasks.push(task);
        }
        running.tasks.push(spawn_sweep(&shared, 0));
        Ok(running)
    }
}

fn carries_connections(scheme: Scheme) -> bool {
    scheme.is_stream() || scheme == Scheme::Seqpacket
}

fn wrong_scheme(entry: &Entry, speaks: &str) -> StartErrorKind {
    StartErrorKind::WrongScheme(format!(
        "{} speaks over {speaks}, which {}: has none of",
        entry.name,
        entry.address.scheme.as_str()
    ))
}

async fn further_core<N: Network>(
    network: &N,
    opened: &mut [Opened],
    shared: &Arc<Shared>,
    index: usize,
) -> Result<Core, StartError> {
    let mut ways = Vec::new();
    for opened in opened.iter_mut() {
        match Way::to(&mut opened.socket, &opened.how) {
            Ok(Some(way)) => ways.push((Arc::clone(&opened.served), way)),
            Ok(None) => {}
            Err(error) => return Err(opened.error(error)),
        }
    }
    let core = start_core(network, shared, index, ways).await;
    core.map_err(|error| match opened.first() {
        Some(first) => first.error(error),
        // Without an address there is nothing that a core could fail to open.
        None => unreachable!("a server without addresses has no further cores: {error}"),
    })
}
