//! A conversation with every peer of a datagram socket.
//!
//! ```text
//!              first datagram            second datagram
//!   (unknown) ───────────────► unproven ────────────────► proven
//!       ▲                         │ gives way to a newer       │
//!       │                         ▼ unproven one               │
//!       └──────────────── ended: idle, or by itself ◄──────────┘
//! ```
//!
//! There is no task and no channel per peer: all sessions of a runtime stand in
//! one bounded [`table`], and one queue holds their deadlines. The order in which
//! they are called depends on what arrived and on the clock alone, so a simulated
//! run can be repeated.
//!
//! **Forged addresses.** Anybody can send datagrams from addresses that are not
//! theirs, and each would fill a place. So peers of which only one datagram was
//! seen have few places ([`limits::MAX_UNPROVEN_SESSIONS`]), and when these are
//! taken the *oldest* of them gives way. Were the new one refused instead, a
//! flood could keep every newcomer out for as long as it lasts; like this a
//! newcomer only needs to send its second datagram before a thousand forgeries
//! have come, which is mostly one round trip.

mod table;

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::batch::HEADERS;
use super::{Amplification, Batch, DatagramService, Queued};
use crate::limits;
use crate::network::{Endpoint, UnixName};
use crate::service::Context;

use table::{Admission, Table};
pub use table::{SessionCounters, SessionLimits};

/// How many datagrams a conversation can send in one call.
pub const OUTBOX: usize = 64;

/// One side of a conversation: a state machine that gets messages and the time,
/// and gives messages. It does no I/O and asks no clock.
///
/// ```
/// use tokio::time::Instant;
/// use wharf::datagram::{Conversation, Outbox};
///
/// /// Counts what it was told, and says goodbye after three.
/// #[derive(Default)]
/// struct Counter(u8);
///
/// impl Conversation for Counter {
///     fn receive(&mut self, _: &[u8], _: Instant, out: &mut Outbox) {
///         self.0 += 1;
///         out.push(&[self.0]);
///         if self.0 == 3 {
///             out.end();
///         }
///     }
/// }
/// ```
pub trait Conversation: Send + 'static {
    /// A message came from the peer.
    fn receive(&mut self, message: &[u8], now: Instant, out: &mut Outbox);

    /// When [`timeout`](Conversation::timeout) is to be called; asked again after
    /// every call of the other two.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// The deadline has passed, or another conversation [woke](Outbox::wake) this one.
    fn timeout(&mut self, now: Instant, out: &mut Outbox) {
        let _ = (now, out);
    }
}

/// What a conversation wants to happen.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    woken: Vec<Endpoint>,
    ended: bool,
    trusted: bool,
    refused: u64,
}

impl Outbox {
    /// An outbox with nothing in it.
    pub fn new() -> Self {
        Outbox::default()
    }

    /// Sends one message to the peer. At most [`OUTBOX`] per call, each no longer
    /// than a datagram; what is more is dropped and counted.
    pub fn push(&mut self, message: &[u8]) {
        if self.ends.len() >= OUTBOX || message.len() > limits::MAX_DATAGRAM {
            self.refused += 1;
            return;
        }
        self.bytes.extend_from_slice(message);
        self.ends.push(self.bytes.len());
    }

    /// Ends the conversation after what was pushed; a later datagram of this peer
    /// begins another.
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Declares that the peer proved to be where its address says, for example by
    /// repeating something random that was sent there. From then on it may be sent
    /// more than it sent; see [`Amplification`].
    pub fn trust_peer(&mut self) {
        self.trusted = true;
    }

    /// Calls the timeout of another conversation of the same table soon, because
    /// there is something new for it. A peer without a session is not woken; at
    /// most [`OUTBOX`] per call are.
    pub fn wake(&mut self, peer: &Endpoint) {
        if self.woken.len() < OUTBOX {
            self.woken.push(peer.clone());
        } else {
            self.refused += 1;
        }
    }

    /// The messages that were pushed, in order.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts
            .zip(self.ends.iter().copied())
            .map(|(start, end)| &self.bytes[start..end])
    }

    /// Whether the conversation ended.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.woken.clear();
        self.ended = false;
        self.trusted = false;
    }
}

/// Serves a [`Conversation`] with every peer; a [`DatagramService`].
///
/// Make one for each runtime: what arrives from one peer always arrives at the
/// same one.
///
/// ```
/// use wharf::datagram::{Conversation, Outbox, Sessions};
/// # struct Echo;
/// # impl Conversation for Echo {
/// #     fn receive(&mut self, message: &[u8], _: tokio::time::Instant, out: &mut Outbox) {
/// #         out.push(message);
/// #     }
/// # }
/// let service = Sessions::new(|_peer| Echo);
/// assert_eq!(service.counters().live, 0);
/// ```
pub struct Sessions<F, C> {
    open: F,
    state: Mutex<State<C>>,
}

struct State<C> {
    table: Table<C>,
    out: Outbox,
}

impl<C: Conversation, F: Fn(&Endpoint) -> C + Send + Sync + 'static> Sessions<F, C> {
    /// Opens each conversation with `open`, within the default limits.
    pub fn new(open: F) -> Self {
        Sessions::with_limits(open, SessionLimits::default())
    }

    /// Opens each conversation with `open`, within `limits`.
    pub fn with_limits(open: F, limits: SessionLimits) -> Self {
        Sessions {
            open,
            state: Mutex::new(State {
                table: Table::new(limits),
                out: Outbox::new(),
            }),
        }
    }

    /// How many sessions there are, and what became of others.
    pub fn counters(&self) -> SessionCounters {
        self.locked().table.counters()
    }

    fn locked(&self) -> MutexGuard<'_, State<C>> {
        // A conversation that panicked is no worse than one that ended: go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Conversation> State<C> {
    /// Lets the session of datagram `i` answer it.
    fn receive(
        &mut self,
        i: usize,
        now: Instant,
        batch: &mut Batch,
        open: impl Fn(&Endpoint) -> C,
    ) {
        let datagram = batch.get(i);
        if *datagram.peer == Endpoint::Unix(UnixName::Unnamed) {
            // All nameless peers look the same, and none can be answered.
            self.table.note_refused();
            return;
        }
        let Admission::At(key) = self.table.admit(datagram.peer, now, open) else {
            return;
        };
        self.out.clear();
        if let Some(session) = self.table.get_mut(key) {
            session.local = datagram.local;
            session.credit += datagram.payload.len() + HEADERS;
            session
                .conversation
                .receive(datagram.payload, now, &mut self.out);
        }
        self.carry_out(key, now, batch);
    }

    /// Calls the timeouts that are due, as long as the batch has room for all that
    /// one of them may send, and no more of them than there are sessions:
    /// conversations that wake each other for ever do not stop the others. The
    /// rest stays due.
    fn time_out(&mut self, now: Instant, batch: &mut Batch) {
        for _ in 0..self.table.counters().live {
            if batch.replies_left() < OUTBOX {
                return;
            }
            let Some(key) = self.table.pop_due(now) else {
                return;
            };
            self.out.clear();
            if let Some(session) = self.table.get_mut(key) {
                session.conversation.timeout(now, &mut self.out);
            }
            self.carry_out(key, now, batch);
        }
    }

    /// Does what the conversation at `key` put into the outbox.
    fn carry_out(&mut self, key: usize, now: Instant, batch: &mut Batch) {
        let Some(session) = self.table.get_mut(key) else {
            return;
        };
        session.trusted |= self.out.trusted
            || session.peer.is_local()
            || batch.amplification() == Amplification::Allowed;
        for message in self.out.messages() {
            let cost = message.len() + HEADERS;
            if !session.trusted && session.credit < cost {
                batch.tally_mut().amplification_refused += 1;
                continue;
            }
            if batch.send_from(session.local, &session.peer, message) == Queued::Yes {
                session.credit = session.credit.saturating_sub(cost);
            }
        }
        batch.tally_mut().not_queued += std::mem::take(&mut self.out.refused);
        if self.out.ended {
            self.table.end(key);
        } else {
            self.table.schedule(key, now);
        }
        for peer in self.out.woken.drain(..) {
            self.table.wake(&peer, now);
        }
    }
}

impl<C: Conversation, F: Fn(&Endpoint) -> C + Send + Sync + 'static> DatagramService
    for Sessions<F, C>
{
    fn receive(&self, batch: &mut Batch, _: &Context) {
        let now = Instant::now();
        let state = &mut *self.locked();
        for i in 0..batch.len() {
            state.receive(i, now, batch, &self.open);
        }
        // Those that were woken answer in the same batch.
        state.time_out(now, batch);
    }

    fn deadline(&self) -> Option<Instant> {
        self.locked().table.deadline()
    }

    fn timeout(&self, now: Instant, batch: &mut Batch, _: &Context) {
        self.locked().time_out(now, batch);
    }
}

impl<F, C> std::fmt::Debug for Sessions<F, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
