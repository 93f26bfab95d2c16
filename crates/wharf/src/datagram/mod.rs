//! Datagrams, many at a time.
//!
//! A server binds with [`Network::bind`](crate::network::Network::bind), and
//! either runs [`Datagrams::serve`] or calls [`receive`](Datagrams::receive) and
//! [`send`](Datagrams::send) itself. One system call carries up to 64 datagrams
//! in each direction, for as many peers; nothing is allocated per datagram.
//!
//! A client calls [`connect`](Datagrams::connect), and then
//! [`send_to`](Datagrams::send_to) and [`receive_from`](Datagrams::receive_from).
//!
//! ```no_run
//! use wharf::datagram::Batch;
//! use wharf::network::{BindOptions, Network, Os};
//!
//! # async fn example() -> std::io::Result<()> {
//! let here = "127.0.0.1:7".parse::<std::net::SocketAddr>().unwrap().into();
//! let mut socket = Os.bind(&here, &BindOptions::default()).await?;
//! let mut batch = Batch::new();
//! loop {
//!     socket.receive(&mut batch).await?;
//!     for i in 0..batch.len() {
//!         batch.reply_in_place(i);
//!     }
//!     socket.send(&mut batch).await?;
//! }
//! # }
//! ```
//!
//! Layout: this file is the socket; `batch` is what is received and sent,
//! `service` what is said, `reply` the shortest kind of service, `sessions` a
//! conversation with every peer, `counters` what happened.

mod batch;
mod counters;
mod reply;
mod service;
mod sessions;

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use crate::limits;
use crate::network::Endpoint;

pub use batch::{Amplification, Batch, Datagram, Outgoing, Queued};
pub use counters::DatagramCounters;
pub(crate) use counters::SharedCounters;
pub use reply::Datagrammed;
pub use service::DatagramService;
pub use sessions::{Conversation, OUTBOX, Outbox, SessionCounters, SessionLimits, Sessions};

/// A bound datagram socket, of the operating system or of any other network.
pub struct Datagrams {
    local: Endpoint,
    peer: Option<Endpoint>,
    io: Box<dyn DatagramIo>,
    receive_buffer: BufferSize,
    counters: DatagramCounters,
    /// Where the counters are shown while the socket is served.
    shown: Option<SharedCounters>,
    /// How often they were shown.
    shows: u32,
    /// For sending and receiving one at a time; made when first needed.
    single: Option<Box<Batch>>,
}

/// How many batches pass between two questions for the system's own counters.
const SHOWS_PER_ASKING: u32 = 1024;

/// How a network carries datagrams: what is behind a [`Datagrams`].
///
/// Everything that happens to single datagrams is noted in the batch; `Err` is
/// for a socket that is broken, and for a connected one, whose owner wants to
/// know.
pub trait DatagramIo: Send + 'static {
    /// Receives into a batch that is empty. Ready once at least one is in it.
    ///
    /// # Errors
    /// The socket is broken; or it is connected, and an error came back for what
    /// was sent before.
    fn poll_receive(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>>;

    /// Sends what waits in the batch. Ready once [`Batch::next_outgoing`] is `None`.
    ///
    /// # Errors
    /// The socket is broken.
    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>>;

    /// Limits the socket to one peer, and returns the local endpoint from then on.
    ///
    /// # Errors
    /// The network's own.
    fn connect(&mut self, to: &Endpoint) -> io::Result<Endpoint> {
        let _ = to;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// How many datagrams were lost for want of room before anyone saw them.
    fn kernel_dropped(&self) -> u64 {
        0
    }
}

/// What was asked for a socket buffer and what was granted, in bytes of payload
/// and bookkeeping.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BufferSize {
    /// What [`BindOptions`](crate::network::BindOptions) asked for.
    pub asked: usize,
    /// What the system gave: without privileges no more than
    /// `net.core.rmem_max` (socket(7)).
    pub granted: usize,
}

/// What became of the replies of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// How many were handed to the network.
    pub sent: usize,
    /// How many the network would not take.
    pub failed: usize,
}

impl Datagrams {
    /// A socket at `local` that is carried by `io`.
    pub fn new(local: Endpoint, io: impl DatagramIo) -> Self {
        Datagrams {
            local,
            peer: None,
            io: Box::new(io),
            receive_buffer: BufferSize::default(),
            counters: DatagramCounters::default(),
            shown: None,
            shows: 0,
            single: None,
        }
    }

    /// The same socket, with what is known of its receive buffer.
    #[must_use]
    pub fn with_receive_buffer(mut self, size: BufferSize) -> Self {
        self.receive_buffer = size;
        self
    }

    /// The same socket with another carrier around its own.
    pub(crate) fn wrap_io(
        mut self,
        wrap: impl FnOnce(Box<dyn DatagramIo>) -> Box<dyn DatagramIo>,
    ) -> Self {
        self.io = wrap(self.io);
        self
    }

    /// Where the socket is bound.
    pub fn local(&self) -> &Endpoint {
        &self.local
    }

    /// The one peer of a connected socket.
    pub fn peer(&self) -> Option<&Endpoint> {
        self.peer.as_ref()
    }

    /// How much the socket can hold before it loses datagrams.
    pub fn receive_buffer(&self) -> BufferSize {
        self.receive_buffer
    }

    /// What happened since the socket was bound. Asks the system for its own
    /// count, so it is meant for every few seconds, not for every datagram.
    pub fn counters(&self) -> DatagramCounters {
        DatagramCounters {
            kernel_dropped: self.io.kernel_dropped(),
            ..self.counters
        }
    }

    /// The counters, as they are shown while another task serves the socket.
    pub(crate) fn share_counters(&mut self) -> SharedCounters {
        self.shown.get_or_insert_default().clone()
    }

    /// Shows the counters as they are now; what the system counts, every so many
    /// times, because asking it costs a system call.
    pub(crate) fn show_counters(&mut self) {
        self.shows = self.shows.wrapping_add(1);
        if self.shows.is_multiple_of(SHOWS_PER_ASKING) {
            self.counters.kernel_dropped = self.io.kernel_dropped();
        }
        if let Some(shown) = &self.shown {
            shown.show(self.counters);
        }
    }

    /// Shows the counters with what the system counts.
    pub(crate) fn show_all_counters(&mut self) {
        self.counters.kernel_dropped = self.io.kernel_dropped();
        self.show_counters();
    }

    /// Waits for datagrams and takes all that fit into `batch`; what was in it
    /// before is gone. Gives their number, at least 1.
    ///
    /// Cancel safe: until it is ready nothing was taken.
    ///
    /// # Errors
    /// When the socket is broken. Errors of single datagrams are counted, unless
    /// the socket is [connected](Datagrams::connect).
    pub async fn receive(&mut self, batch: &mut Batch) -> io::Result<usize> {
        batch.clear();
        let outcome = poll_fn(|cx| self.io.poll_receive(cx, batch)).await;
        self.counters += batch.take_tally();
        outcome.map(|()| batch.len())
    }

    /// Sends all replies of `batch`, waiting while the socket's buffer is full.
    ///
    /// A datagram that cannot be sent – too long, no route, forbidden – is
    /// counted, and the others still go. If the future is dropped, the rest is
    /// unsent, and goes with the next call.
    ///
    /// # Errors
    /// When the socket is broken.
    pub async fn send(&mut self, batch: &mut Batch) -> io::Result<Sent> {
        let outcome = match batch.outgoing() {
            0 => Ok(()),
            _ => poll_fn(|cx| self.io.poll_send(cx, batch)).await,
        };
        let tally = batch.take_tally();
        self.counters += tally;
        outcome.map(|()| Sent {
            // A batch holds far less than 2³² replies.
            sent: tally.sent as usize,
            failed: tally.send_failed as usize,
        })
    }

    /// Limits the socket to one peer, as a client does.
    ///
    /// From then on datagrams of others are not received, and errors that come
    /// back are returned: a port where nobody listens is
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused). The socket is
    /// still good after such an error.
    ///
    /// # Errors
    /// The network's own; [`Unsupported`](io::ErrorKind::Unsupported) where a
    /// network cannot do it.
    pub fn connect(&mut self, to: &Endpoint) -> io::Result<()> {
        self.local = self.io.connect(to)?;
        self.peer = Some(to.clone());
        Ok(())
    }

    /// Sends one datagram. Cancel safe: it is sent whole or not at all.
    ///
    /// # Errors
    /// Why this datagram, or on a connected socket one before it, was not taken.
    pub async fn send_to(&mut self, payload: &[u8], to: &Endpoint) -> io::Result<()> {
        let single = self.single.get_or_insert_with(one_at_a_time);
        single.clear();
        let queued = single.send(to, payload);
        let outcome = poll_fn(|cx| self.io.poll_send(cx, single)).await;
        self.counters += single.take_tally();
        let error = single.take_error();
        outcome?;
        match (queued, error) {
            (_, Some(error)) => Err(error),
            (Queued::Yes, None) => Ok(()),
            (Queued::NoAddress, None) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an unnamed Unix socket cannot be reached",
            )),
            (_, None) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "a datagram has at most {} bytes, not {}",
                    limits::MAX_DATAGRAM,
                    payload.len()
                ),
            )),
        }
    }

    /// Receives one datagram into `payload`, whose old content is gone, and says
    /// who sent it. Cancel safe.
    ///
    /// # Errors
    /// As [`receive`](Datagrams::receive).
    pub async fn receive_from(&mut self, payload: &mut Vec<u8>) -> io::Result<Endpoint> {
        let single = self.single.get_or_insert_with(one_at_a_time);
        single.clear();
        let outcome = poll_fn(|cx| self.io.poll_receive(cx, single)).await;
        self.counters += single.take_tally();
        outcome?;
        let datagram = single.get(0);
        payload.clear();
        payload.extend_from_slice(datagram.payload);
        Ok(datagram.peer.clone())
    }
}

fn one_at_a_time() -> Box<Batch> {
    Box::new(Batch::with_slots(1, limits::MAX_DATAGRAM))
}

impl fmt::Debug for Datagrams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagrams")
            .field("local", &self.local)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
