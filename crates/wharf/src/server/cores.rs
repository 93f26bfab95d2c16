//! One single-threaded runtime per core.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::Event;
use super::accept::AcceptLoop;
use super::gate::Gate;
use super::open::{How, Socket};
use super::session::words_of;
use super::shared::{OpenLoop, Served, ServedBy, Shared};
use crate::connection::OpenShared;
use crate::datagram::{Batch, DatagramService, Datagrams};
use crate::network::{Endpoint, Network, PortSharing};
use crate::service::Context;

/// A further core's thread.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) stop: oneshot::Sender<()>,
    pub(super) thread: JoinHandle<()>,
}

/// How a further core gets one of its sockets.
pub(super) enum Way {
    /// It opens its own on the same port.
    Open(Endpoint, How),
    /// It takes a second way to the first core's queue.
    Share(OpenShared),
}

impl Way {
    /// The way to a socket that is open on the first core; `None` when only that
    /// core can serve it.
    pub(super) fn to(socket: &mut Socket, how: &How) -> io::Result<Option<Way>> {
        let local = socket.local().clone();
        if local.inet().is_some() {
            let how = how.with_sharing(PortSharing::SharedNext);
            return Ok(Some(Way::Open(local, how)));
        }
        match socket {
            Socket::Listener(listener) => Ok(listener.share()?.map(Way::Share)),
            Socket::Datagrams(_) => Ok(None),
        }
    }
}

/// Starts the loop of one socket in the current runtime.
pub(super) fn spawn_socket(
    shared: &Arc<Shared>,
    core: usize,
    served: Arc<Served>,
    socket: Socket,
) -> AbortHandle {
    let open = shared.loop_opened();
    let span =
        tracing::info_span!("listener", service = &*served.name, local = %socket.local(), core);
    match socket {
        Socket::Listener(listener) => {
            let gate = Gate {
                shared: Arc::clone(shared),
                served,
                registry: Arc::clone(&shared.cores[core]),
                spare: None,
            };
            let accept = AcceptLoop {
                gate,
                listener,
                open,
            };
            tokio::spawn(accept.run().instrument(span)).abort_handle()
        }
        Socket::Datagrams(datagrams) => {
            let serving = serve_datagrams(Arc::clone(shared), served, datagrams, open);
            tokio::spawn(serving.instrument(span)).abort_handle()
        }
    }
}

/// Serves one datagram socket until the server drains.
async fn serve_datagrams(
    shared: Arc<Shared>,
    served: Arc<Served>,
    mut datagrams: Datagrams,
    open: OpenLoop,
) {
    let ServedBy::Datagrams(service, amplification) = &served.service else {
        return;
    };
    let mut batch = Batch::new();
    batch.set_amplification(*amplification);
    shared.watch_datagrams(&served.name, &mut datagrams);
    let guarded = Guarded {
        service: Arc::clone(&service.0),
        shared: Arc::clone(&shared),
        name: Arc::clone(&served.name),
        local: datagrams.local().clone(),
    };
    let outcome = datagrams.serve(&guarded, &mut batch, &shared.context).await;
    if let Err(error) = outcome {
        let local = datagrams.local();
        tracing::error!(service = &*served.name, %local, %error, "a datagram socket broke");
        shared.tell(&Event::Broken {
            service: &served.name,
            local,
            error: &error,
        });
    }
    drop(datagrams);
    drop(open);
}

/// A datagram service whose panics cost the batch at hand, and not the socket.
struct Guarded {
    service: Arc<dyn DatagramService>,
    shared: Arc<Shared>,
    name: Arc<str>,
    local: Endpoint,
}

impl Guarded {
    fn guard(&self, batch: &mut Batch, work: impl FnOnce(&mut Batch)) {
        // What the service leaves half done in its own state is its affair, as it is
        // with a lock; the batch is emptied.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(batch))) {
            batch.clear();
            let detail = words_of(&*panic);
            tracing::error!(service = &*self.name, local = %self.local, detail, "a panic");
            self.shared.tell(&Event::Panicked {
                service: &self.name,
                local: &self.local,
                detail: &detail,
            });
        }
    }
}

impl DatagramService for Guarded {
    fn receive(&self, batch: &mut Batch, context: &Context) {
        self.guard(batch, |batch| self.service.receive(batch, context));
    }

    fn deadline(&self) -> Option<Instant> {
        self.service.deadline()
    }

    fn timeout(&self, now: Instant, batch: &mut Batch, context: &Context) {
        self.guard(batch, |batch| self.service.timeout(now, batch, context));
    }
}

/// Starts the sweep of one core in the current runtime.
pub(super) fn spawn_sweep(shared: &Arc<Shared>, core: usize) -> AbortHandle {
    let shared = Arc::clone(shared);
    tokio::spawn(async move { shared.cores[core].sweep(&shared.limits).await }).abort_handle()
}

/// Starts one further core: a thread with a runtime and sockets of its own.
pub(super) async fn start_core<N: Network>(
    network: &N,
    shared: &Arc<Shared>,
    index: usize,
    ways: Vec<(Arc<Served>, Way)>,
) -> io::Result<Core> {
    let (stop, stopped) = oneshot::channel();
    let (ready, started) = oneshot::channel();
    let (network, shared) = (network.clone(), Arc::clone(shared));
    let thread = std::thread::Builder::new()
        .name(format!("wharf-core-{index}"))
        .spawn(move || run_core(&network, &shared, index, ways, ready, stopped))?;
    match started.await {
        Ok(outcome) => outcome.map(|()| Core { stop, thread }),
        Err(_) => Err(io::Error::other("a core's thread ended at once")),
    }
}

/// A further core, until it is told to stop or the server has ended.
fn run_core<N: Network>(
    network: &N,
    shared: &Arc<Shared>,
    index: usize,
    ways: Vec<(Arc<Served>, Way)>,
    ready: oneshot::Sender<io::Result<()>>,
    stopped: oneshot::Receiver<()>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            // The starter may have been dropped meanwhile; then nobody asks.
            let _ = ready.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        let outcome = open_ways(network, shared, index, ways).await;
        let failed = outcome.is_err();
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
        let socket = match way {
            Way::Open(at, how) => how.open(network, &at).await?,
            Way::Share(open) => Socket::Listener(open()?),
        };
        spawn_socket(shared, index, served, socket);
    }
    Ok(())
}
