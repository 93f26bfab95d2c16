//! A listener: where connections come from.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use crate::network::Endpoint;

use super::Connection;

/// A socket that listens at one endpoint.
///
/// The operating system's and every other network's listeners are of this one
/// type. Dropping it stops listening: connections that were not accepted yet
/// are reset.
pub struct Listener {
    local: Endpoint,
    source: Box<dyn Accept>,
}

/// Where a [`Listener`] takes its connections from; a network implements it.
pub trait Accept: Send + 'static {
    /// The next connection.
    ///
    /// # Errors
    /// Those of accept(2). None of them ends the listener: it may be polled again.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Connection>>;

    /// A second way to the same queue, to be opened in another runtime.
    ///
    /// `None`, the default, is for listeners that cannot be shared so.
    ///
    /// # Errors
    /// Those of dup(2).
    fn share(&mut self) -> io::Result<Option<OpenShared>> {
        Ok(None)
    }
}

/// Opens a shared listener in the runtime that calls it.
pub type OpenShared = Box<dyn FnOnce() -> io::Result<Listener> + Send>;

impl Listener {
    /// A listener at `local` that takes connections from `source`.
    pub fn new(local: Endpoint, source: impl Accept) -> Self {
        Listener {
            local,
            source: Box::new(source),
        }
    }

    /// The endpoint that it listens at, with the real port where 0 was asked for.
    pub fn local(&self) -> &Endpoint {
        &self.local
    }

    /// The next connection. Cancel safe: no connection is lost when the future is dropped.
    ///
    /// # Errors
    /// Those of accept(2): some belong to the one connection (it was aborted),
    /// some to the process (no descriptors left). The listener stays usable.
    pub async fn accept(&mut self) -> io::Result<Connection> {
        poll_fn(|cx| self.source.poll_accept(cx)).await
    }

    /// A second way to the same queue; see [`Accept::share`].
    ///
    /// # Errors
    /// Those of dup(2).
    pub fn share(&mut self) -> io::Result<Option<OpenShared>> {
        self.source.share()
    }

    /// The polling form of [`Listener::accept`].
    pub fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Connection>> {
        self.source.poll_accept(cx)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("local", &self.local)
            .finish()
    }
}
