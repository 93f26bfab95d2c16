//! The handle of a server that runs.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::cores::Core;
use super::events::Event;
use super::shared::Shared;
use super::snapshot::Snapshot;
use super::start::StartError;
use crate::address::{Address, Port, Scheme, Target};
use crate::connection::CloseReason;
use crate::network::{Endpoint, UnixName};
use crate::service::Given;
use crate::tls::Fingerprint;

/// How long connections that are cut off have to notice.
const CUT_OFF_GRACE: Duration = Duration::from_millis(500);

/// A server that runs. Dropping it stops everything at once; [`Running::drain`]
/// stops in order.
#[derive(Debug)]
pub struct Running {
    pub(super) shared: Arc<Shared>,
    pub(super) endpoints: Vec<Bound>,
    pub(super) failures: Vec<StartError>,
    pub(super) notes: Vec<String>,
    pub(super) tasks: Vec<AbortHandle>,
    pub(super) cores: Vec<Core>,
}

/// One socket of a server.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The service's name.
    pub service: Arc<str>,
    /// Where it listens, with the real port where 0 was asked for.
    pub local: Endpoint,
    /// What it speaks there.
    pub scheme: Scheme,
    /// Its certificate's fingerprint, where it speaks TLS.
    pub fingerprint: Option<Fingerprint>,
}

impl Bound {
    /// The address that reaches it from this machine; a certificate of its own
    /// making is pinned. A wildcard becomes loopback.
    pub fn address(&self) -> Address {
        let mut address = match &self.local {
            Endpoint::Inet(at) if at.ip().is_unspecified() => {
                Address::new(self.scheme, Target::Port(Port::Number(at.port())))
            }
            Endpoint::Inet(at) => Address::from_socket(self.scheme, *at),
            Endpoint::Unix(UnixName::Path(path)) => {
                Address::new(self.scheme, Target::Path(path.clone()))
            }
            Endpoint::Unix(UnixName::Abstract(name)) => {
                Address::new(self.scheme, Target::Abstract(name.clone()))
            }
            // A listening socket always has a name.
            Endpoint::Unix(UnixName::Unnamed) => {
                Address::new(self.scheme, Target::Abstract(Vec::new()))
            }
        };
        address.options.tls.pin.extend(self.fingerprint);
        address
    }
}

/// How a drain went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that were open when it began.
    pub open: usize,
    /// Connections that were not done by the deadline.
    pub cut_off: usize,
}

impl Running {
    /// Every socket that is open, in the order of the server's services.
    pub fn endpoints(&self) -> &[Bound] {
        &self.endpoints
    }

    /// The addresses that could not be opened; see [`super::Partial::Accept`].
    pub fn failures(&self) -> &[StartError] {
        &self.failures
    }

    /// What is worth knowing about the start, for example that there is no IPv6.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Counters and live connections at this moment.
    pub fn snapshot(&self) -> Snapshot {
        self.shared.snapshot()
    }

    /// Waits until nothing listens and nobody is connected any more: after a
    /// drain, or when every service has had its last client. Cancel safe.
    pub async fn ended(&self) {
        self.shared.ended().await;
    }

    /// Stops in order, within the limits' drain timeout: serves who came before,
    /// stops accepting, tells the services, closes what is idle at once, waits for
    /// the rest until the deadline, and cuts off what is left.
    ///
    /// Cancel safe: [`Running::cut_off`] or another drain may follow.
    pub async fn drain(&self) -> DrainReport {
        self.drain_within(self.shared.limits.drain_timeout).await
    }

    /// As [`Running::drain`], with another deadline.
    pub async fn drain_within(&self, deadline: Duration) -> DrainReport {
        let open = self.begin_drain();
        let before = self.shared.totals.cut_off();
        if tokio::time::timeout(deadline, self.shared.ended())
            .await
            .is_err()
        {
            self.cut_off().await;
        }
        // Counted and not what was condemned here: another call may have forced the
        // end, and what was closing in order already was not cut off.
        let cut_off = self.shared.totals.cut_off() - before + self.shared.unfinished();
        DrainReport { open, cut_off }
    }

    /// Cuts every connection off at once; gives their number.
    pub async fn cut_off(&self) -> usize {
        self.begin_drain();
        self.shared.cut.begin();
        let count = self.shared.unfinished();
        self.shared.condemn_all(CloseReason::CutOff);
        // Work that blocks its thread cannot be ended from here; it is left behind.
        let _ = tokio::time::timeout(CUT_OFF_GRACE, self.shared.ended()).await;
        count
    }

    /// Gives the signal, once; gives the number of open connections.
    fn begin_drain(&self) -> usize {
        let open = self.shared.open();
        if self.shared.drain.begin() == Given::Now {
            self.shared.tell(&Event::Draining { open });
            self.shared.wake_all();
        }
        open
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.drain.begin();
        self.shared.cut.begin();
        self.shared.condemn_all(CloseReason::CutOff);
        for task in &self.tasks {
            task.abort();
        }
        for core in self.cores.drain(..) {
            // A core that has ended already does not listen any more.
            let _ = core.stop.send(());
            drop(core.thread);
        }
    }
}
