//! A network that notes what was asked of it and how long that took.
//!
//! Whatever a client does – several addresses, one after the other or at once – is seen
//! here as it happens, since everything goes through the network.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use wharf::address::Address;
use wharf::connection::{Connection, Listener};
use wharf::datagram::Datagrams;
use wharf::network::{
    BindOptions, ConnectOptions, Endpoint, ListenOptions, Network, Os, Platform, ResolveError, Role,
};

/// One thing that was asked of the network.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    /// The addresses of a name.
    Resolved {
        endpoints: Vec<Endpoint>,
        took: Duration,
    },
    /// A connection; an error in words where there is none.
    Connected {
        to: Endpoint,
        took: Duration,
        error: Option<String>,
        at: Instant,
    },
}

/// The operating system's network, with notes.
#[derive(Clone)]
pub(super) struct Timed {
    network: Os,
    notes: Arc<Mutex<Vec<Asked>>>,
}

impl Timed {
    pub(super) fn new(network: Os) -> Self {
        Timed {
            network,
            notes: Arc::default(),
        }
    }

    /// What was asked so far, in the order in which it was done.
    pub(super) fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.notes.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn note(&self, asked: Asked) {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
    }
}

impl Network for Timed {
    async fn resolve(&self, address: &Address, role: Role) -> Result<Vec<Endpoint>, ResolveError> {
        let began = Instant::now();
        let found = self.network.resolve(address, role).await;
        if let Ok(endpoints) = &found {
            self.note(Asked::Resolved {
                endpoints: endpoints.clone(),
                took: began.elapsed(),
            });
        }
        found
    }

    async fn listen(&self, at: &Endpoint, options: &ListenOptions) -> io::Result<Listener> {
        self.network.listen(at, options).await
    }

    async fn connect(&self, to: &Endpoint, options: &ConnectOptions) -> io::Result<Connection> {
        let began = Instant::now();
        let opened = self.network.connect(to, options).await;
        self.note(Asked::Connected {
            to: to.clone(),
            took: began.elapsed(),
            error: opened.as_ref().err().map(crate::failure::words),
            at: Instant::now(),
        });
        opened
    }

    async fn bind(&self, at: &Endpoint, options: &BindOptions) -> io::Result<Datagrams> {
        self.network.bind(at, options).await
    }

    fn platform(&self) -> Platform {
        self.network.platform()
    }
}
