//! Opens every address of a server, on every core.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::task::AbortHandle;

use super::accept::AcceptLoop;
use super::events::Event;
use super::running::{Bound, Core, Running};
use super::shared::{Served, Shared};
use super::{Partial, Server, StreamEntry};
use crate::address::{Address, Scheme, Target};
use crate::connection::{Listener, OpenShared};
use crate::network::{
    Endpoint, ListenOptions, Network, PortSharing, ResolveError, Role, StreamKind,
};

/// How often another port number is tried when 0 was asked for and a number that
/// is free for one IP version is taken for the other.
const SAME_PORT_TRIES: usize = 16;

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
}

/// What failed when an address was opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartErrorKind {
    /// The name leads nowhere.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The network refused.
    #[error("{}", words(.0))]
    Io(#[from] io::Error),
    /// The scheme does not carry what the service speaks.
    #[error("{0}")]
    WrongScheme(String),
}

/// The error's own words, without Rust's "(os error 98)".
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse if error.raw_os_error().is_some() => {
            "address already in use".to_owned()
        }
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
    }
}

/// One listener that is open on the first core.
struct Opened {
    served: Arc<Served>,
    listener: Listener,
    options: ListenOptions,
    /// Whether the other cores open sockets of their own on the same port.
    inet: bool,
}

/// Opens everything.
pub(super) async fn start<N: Network>(server: Server<N>) -> Result<Running, StartError> {
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
        network: server.network,
    };
    for entry in &server.stream_services {
        if let Err(error) = starting.open(entry).await {
            if server.partial == Partial::Refuse {
                return Err(error);
            }
            starting.failures.push(error);
        }
    }
    let nothing = starting.opened.is_empty();
    if nothing && !starting.failures.is_empty() {
        return Err(starting.failures.swap_remove(0));
    }
    let platform = starting.network.platform();
    let shared = Arc::new(Shared::new(server.limits, platform, server.observer, cores));
    starting.run(shared).await
}

struct Starting<N> {
    network: N,
    cores: usize,
    opened: Vec<Opened>,
    failures: Vec<StartError>,
    notes: Vec<String>,
}

impl<N: Network> Starting<N> {
    /// Opens one service's address: all its endpoints, under one port number.
    async fn open(&mut self, entry: &StreamEntry) -> Result<(), StartError> {
        let fail = |at: String, kind: StartErrorKind| StartError {
            service: entry.name.to_string(),
            address: Box::new(entry.address.clone()),
            at,
            kind,
        };
        let whole = || entry.address.to_string();
        let options = self
            .listen_options(entry)
            .map_err(|kind| fail(whole(), kind))?;
        let endpoints = self
            .network
            .resolve(&entry.address, Role::Serve)
            .await
            .map_err(|error| fail(whole(), error.into()))?;
        let listeners = self
            .listen_all(&entry.address, &endpoints, &options)
            .await
            .map_err(|(at, error)| fail(at.to_string(), error.into()))?;
        let served = Arc::new(Served::new(entry));
        for listener in listeners {
            self.opened.push(Opened {
                inet: listener.local().inet().is_some(),
                served: Arc::clone(&served),
                listener,
                options: options.clone(),
            });
        }
        Ok(())
    }

    fn listen_options(&self, entry: &StreamEntry) -> Result<ListenOptions, StartErrorKind> {
        let kind = match entry.address.scheme {
            Scheme::Tcp | Scheme::Tcp4 | Scheme::Tcp6 | Scheme::Tls | Scheme::Unix => {
                StreamKind::Bytes
            }
            Scheme::Seqpacket => StreamKind::Packets,
            other => {
                return Err(StartErrorKind::WrongScheme(format!(
                    "{} serves byte streams, and {other:?} has none",
                    entry.name
                )));
            }
        };
        let sharing = if self.cores > 1 {
            PortSharing::SharedFirst
        } else {
            PortSharing::Exclusive
        };
        Ok(ListenOptions {
            kind,
            sharing,
            mode: entry.address.options.mode.or(entry.listen.mode),
            ..entry.listen.clone()
        })
    }

    /// Listens at every endpoint. Where the address named no host, endpoints of an
    /// IP version that the machine lacks are left out, with a note.
    async fn listen_all(
        &mut self,
        address: &Address,
        endpoints: &[Endpoint],
        options: &ListenOptions,
    ) -> Result<Vec<Listener>, (Endpoint, io::Error)> {
        let implied = matches!(address.target, Target::Port(_) | Target::All(_));
        let any_port = endpoints.len() > 1 && endpoints.iter().all(|at| at.port() == Some(0));
        let tries = if any_port { SAME_PORT_TRIES } else { 1 };
        let mut last = None;
        for _ in 0..tries {
            match self.listen_once(endpoints, options, implied).await {
                Ok(listeners) => return Ok(listeners),
                Err((at, error)) if error.kind() == io::ErrorKind::AddrInUse => {
                    last = Some((at, error));
                }
                Err(other) => return Err(other),
            }
        }
        Err(last.unwrap_or_else(|| {
            let nowhere = Endpoint::Inet(SocketAddr::from(([0, 0, 0, 0], 0)));
            (nowhere, io::ErrorKind::AddrNotAvailable.into())
        }))
    }

    async fn listen_once(
        &mut self,
        endpoints: &[Endpoint],
        options: &ListenOptions,
        implied: bool,
    ) -> Result<Vec<Listener>, (Endpoint, io::Error)> {
        let mut listeners: Vec<Listener> = Vec::new();
        let mut missing = None;
        for endpoint in endpoints {
            let port = listeners.first().and_then(|first| first.local().port());
            let at = match (endpoint.port(), port) {
                (Some(0), Some(port)) => endpoint.clone().with_port(port),
                _ => endpoint.clone(),
            };
            match self.network.listen(&at, options).await {
                Ok(listener) => listeners.push(listener),
                Err(error) if implied && lacks_ip_version(&error) => missing = Some((at, error)),
                Err(error) => return Err((at, error)),
            }
        }
        match missing {
            Some(missing) if listeners.is_empty() => return Err(missing),
            Some((at, _)) => self.note(&at),
            None => {}
        }
        Ok(listeners)
    }

    fn note(&mut self, at: &Endpoint) {
        let version = match at.inet() {
            Some(SocketAddr::V4(_)) => "IPv4",
            _ => "IPv6",
        };
        let text = format!("this machine has no {version} here; serving without it");
        if !self.notes.contains(&text) {
            self.notes.push(text);
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
        for index in 1..self.cores {
            let core = start_core(&self.network, &mut self.opened, &shared, index).await?;
            running.cores.push(core);
        }
        for opened in self.opened {
            let local = opened.listener.local().clone();
            shared.tell(&Event::Listening {
                service: &opened.served.name,
                local: &local,
            });
            running.endpoints.push(Bound {
                service: Arc::clone(&opened.served.name),
                local,
            });
            let task = spawn_loop(&shared, 0, opened.served, opened.listener);
            running.tasks.push(task);
        }
        running.tasks.push(spawn_sweep(&shared, 0));
        Ok(running)
    }
}

fn lacks_ip_version(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

fn spawn_loop(
    shared: &Arc<Shared>,
    core: usize,
    served: Arc<Served>,
    listener: Listener,
) -> AbortHandle {
    let accept = AcceptLoop {
        shared: Arc::clone(shared),
        served,
        registry: Arc::clone(&shared.cores[core]),
        listener,
        open: shared.loop_opened(),
    };
    tokio::spawn(accept.run()).abort_handle()
}

fn spawn_sweep(shared: &Arc<Shared>, core: usize) -> AbortHandle {
    let shared = Arc::clone(shared);
    tokio::spawn(async move { shared.cores[core].sweep(&shared.limits).await }).abort_handle()
}

/// How a further core gets one of its listeners.
enum Way {
    /// It listens itself, on the same port.
    Listen(Endpoint, ListenOptions),
    /// It takes a second way to the first core's queue.
    Share(OpenShared),
}

/// Starts one further core: a thread with a runtime and listeners of its own.
async fn start_core<N: Network>(
    network: &N,
    opened: &mut [Opened],
    shared: &Arc<Shared>,
    index: usize,
) -> Result<Core, StartError> {
    let mut ways = Vec::new();
    for opened in opened.iter_mut() {
        let way = way_to(opened).map_err(|error| core_error(opened, error))?;
        if let Some(way) = way {
            ways.push((Arc::clone(&opened.served), way));
        }
    }
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let (ready, started) = tokio::sync::oneshot::channel();
    let (network, shared) = (network.clone(), Arc::clone(shared));
    let thread = std::thread::Builder::new()
        .name(format!("wharf-core-{index}"))
        .spawn(move || run_core(&network, &shared, index, ways, ready, stopped));
    let failed = |error| match opened.first() {
        Some(first) => core_error(first, error),
        None => StartError {
            service: String::new(),
            address: Box::new(Address {
                scheme: Scheme::Tcp,
                target: Target::Port(crate::address::Port::Number(0)),
                options: Default::default(),
            }),
            at: String::new(),
            kind: error.into(),
        },
    };
    let thread = thread.map_err(failed)?;
    match started.await {
        Ok(Ok(())) => Ok(Core { stop, thread }),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(failed(io::Error::other("a core's thread ended at once"))),
    }
}

fn core_error(opened: &Opened, error: io::Error) -> StartError {
    let at = opened.listener.local().to_string();
    StartError {
        service: opened.served.name.to_string(),
        address: Box::new(Address {
            scheme: Scheme::Tcp,
            target: Target::Port(crate::address::Port::Number(
                opened.listener.local().port().unwrap_or(0),
            )),
            options: Default::default(),
        }),
        at,
        kind: error.into(),
    }
}

fn way_to(opened: &mut Opened) -> io::Result<Option<Way>> {
    if opened.inet {
        let options = ListenOptions {
            sharing: PortSharing::SharedNext,
            ..opened.options.clone()
        };
        return Ok(Some(Way::Listen(opened.listener.local().clone(), options)));
    }
    Ok(opened.listener.share()?.map(Way::Share))
}

/// A further core, until it is told to stop or the server has ended.
fn run_core<N: Network>(
    network: &N,
    shared: &Arc<Shared>,
    index: usize,
    ways: Vec<(Arc<Served>, Way)>,
    ready: tokio::sync::oneshot::Sender<io::Result<()>>,
    stopped: tokio::sync::oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        let outcome = open_ways(network, shared, index, ways).await;
        let failed = outcome.is_err();
        // The server may have been dropped while this core started.
        let _ = ready.send(outcome);
        if failed {
            return;
        }
        spawn_sweep(shared, index);
        tokio::select! {
            biased;
            _ = stopped => {}
            () = shared.ended() => {}
        }
    });
    // Blocking work may still run; the thread must not wait for it.
    runtime.shutdown_background();
}

async fn open_ways<N: Network>(
    network: &N,
    shared: &Arc<Shared>,
    index: usize,
    ways: Vec<(Arc<Served>, Way)>,
) -> io::Result<()> {
    for (served, way) in ways {
        let listener = match way {
            Way::Listen(at, options) => network.listen(&at, &options).await?,
            Way::Share(open) => open()?,
        };
        spawn_loop(shared, index, served, listener);
    }
    Ok(())
}
