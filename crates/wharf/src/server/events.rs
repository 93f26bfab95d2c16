//! What a server tells its observer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::running::Bound;
use crate::connection::CloseReason;
use crate::network::Endpoint;
use crate::tls::Established;

/// Hears of everything that happens in a server.
///
/// Called from the serving threads: be quick, and hand work on.
///
/// ```
/// use wharf::server::{Event, Server};
///
/// let server = Server::new().observer(|event: &Event<'_>| {
///     if let Event::Closed { connection, reason, .. } = event {
///         println!("{} left: {reason}", connection.peer);
///     }
/// });
/// ```
pub trait Observer: Send + Sync + 'static {
    /// One event. It is never called for single messages.
    fn event(&self, event: &Event<'_>);
}

impl<F: Fn(&Event<'_>) + Send + Sync + 'static> Observer for F {
    fn event(&self, event: &Event<'_>) {
        self(event);
    }
}

impl std::fmt::Debug for dyn Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Observer")
    }
}

/// Something that happened in a server.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A socket listens, or is bound for datagrams.
    Listening {
        /// Where, with the real port.
        bound: &'a Bound,
    },
    /// A connection was accepted.
    Opened {
        /// Which one.
        connection: &'a Arc<ConnectionInfo>,
    },
    /// A TLS handshake is done.
    Secured {
        /// Which connection.
        connection: &'a Arc<ConnectionInfo>,
        /// What was agreed on.
        tls: &'a Established,
    },
    /// A connection ended.
    Closed {
        /// Which one.
        connection: &'a Arc<ConnectionInfo>,
        /// Why.
        reason: CloseReason,
        /// The error behind the reason, in words.
        detail: Option<String>,
        /// Bytes received from the peer.
        received: u64,
        /// Bytes sent to the peer.
        sent: u64,
        /// Messages that the service counted.
        messages: u64,
        /// How long it was open.
        lasted: Duration,
    },
    /// A client was turned away.
    Refused {
        /// The service's name.
        service: &'a str,
        /// Whom.
        peer: &'a Endpoint,
        /// Why.
        reason: CloseReason,
    },
    /// Accept began to fail. One event per change of state, not per failure.
    AcceptFailing {
        /// The service's name.
        service: &'a str,
        /// The listener.
        local: &'a Endpoint,
        /// What accept(2) says.
        error: &'a io::Error,
    },
    /// Accept works again, and has done so for [`crate::limits::ACCEPT_CALM`].
    AcceptRecovered {
        /// The service's name.
        service: &'a str,
        /// The listener.
        local: &'a Endpoint,
        /// How often it failed in between.
        failures: u64,
    },
    /// A datagram socket broke and is served no more.
    Broken {
        /// The service's name.
        service: &'a str,
        /// The socket.
        local: &'a Endpoint,
        /// What the network says.
        error: &'a io::Error,
    },
    /// A datagram service panicked; the batch at hand is lost, the socket goes on.
    Panicked {
        /// The service's name.
        service: &'a str,
        /// The socket.
        local: &'a Endpoint,
        /// What the panic said.
        detail: &'a str,
    },
    /// The cap on connections is reached; new clients wait or are refused.
    Full {
        /// The cap.
        cap: usize,
    },
    /// The server was asked to stop.
    Draining {
        /// Connections that are open at this moment.
        open: usize,
    },
    /// Something worth a note, for example that the machine has no IPv6.
    Note {
        /// The note in words.
        text: &'a str,
    },
}

/// One connection, as events name it.
#[derive(Debug)]
pub struct ConnectionInfo {
    /// Its number in this server, counted from 1. On a
    /// [`Tap`](crate::network::tap::Tap) it is that of its socket there.
    pub id: u64,
    /// The service's name.
    pub service: Arc<str>,
    /// The client.
    pub peer: Endpoint,
    /// The endpoint that it called.
    pub local: Endpoint,
    /// When it was accepted.
    pub opened: Instant,
}
