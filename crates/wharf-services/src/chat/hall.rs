//! The room behind its lock, and how one connection's task wakes another's.
//!
//! ```text
//!   task of ann                         task of ben
//!   lock: all lines that were read      (asleep, or writing)
//!   unlock, ring ─────── bell ────────▶ lock: take all that waits
//!   (others say their lines)            write
//!   lock: take all that waits
//!   write
//! ```
//! The lock is taken once per batch of lines, and is not held while anybody is
//! woken, told or written to. A bell is rung once until its owner has looked.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use tokio::time::Instant;
use wharf::connection::Chunk;
use wharf::framing::Decoder;
use wharf::network::Endpoint;

use super::room::{Effects, MemberId, Outbox, Output, Room, SlowReader, Told, Verdict};
use super::rules::Rules;
use super::shown::Shown;

/// A room for connections on any number of cores.
pub(super) struct Hall {
    room: Mutex<Room<Arc<Bell>>>,
    show: Box<dyn Fn(&Shown<'_>) + Send + Sync>,
}

/// How to reach the task of a connection.
#[derive(Debug)]
pub(super) struct Bell {
    peer: Endpoint,
    rung: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

/// One connection's place in the hall; dropping it leaves the room.
pub(super) struct Seat<'a> {
    hall: &'a Hall,
    bell: Arc<Bell>,
    id: MemberId,
    left: bool,
    /// The waker that the bell has, to see without a lock whether it is still right.
    waker: Option<Waker>,
}

/// Whether there is room at the writer for what waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    Free,
    Busy,
}

/// What becomes of a last line that has no end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LastLine {
    /// The stream is over: the line is whole.
    Said,
    /// More of it was to come: it is no line.
    Dropped,
}

/// What a member is to do next.
#[derive(Debug)]
pub(super) struct Orders {
    /// What to write.
    pub(super) output: Option<Output>,
    /// There is more to take.
    pub(super) more: bool,
    /// There will be more to take then.
    pub(super) due: Option<Instant>,
    /// No more lines are taken until something was written.
    pub(super) clogged: bool,
    /// It is logged in.
    pub(super) is_user: bool,
}

/// What came of a batch of lines.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) lines: u64,
    pub(super) verdict: Verdict,
    pub(super) orders: Orders,
}

impl Hall {
    pub(super) fn new(rules: Rules, show: Box<dyn Fn(&Shown<'_>) + Send + Sync>) -> Self {
        Hall {
            room: Mutex::new(Room::new(rules)),
            show,
        }
    }

    /// Takes a seat for a connection with `peer`.
    pub(super) fn sit(&self, peer: &Endpoint) -> Seat<'_> {
        let bell = Arc::new(Bell {
            peer: peer.clone(),
            rung: AtomicBool::new(false),
            waker: Mutex::new(None),
        });
        let id = self.lock().enter(Arc::clone(&bell), peer.peer_key());
        Seat {
            hall: self,
            bell,
            id,
            left: false,
            waker: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Room<Arc<Bell>>> {
        // The room does not panic; if it did, the others go on with what there is.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does, with the lock released, what a change of the room asks for.
    fn carry_out(&self, room: MutexGuard<'_, Room<Arc<Bell>>>, fx: Effects<Arc<Bell>>) {
        let users = room.users();
        drop(room);
        for bell in fx.rung {
            bell.ring();
        }
        for told in &fx.told {
            (self.show)(&show(told, |bell| &bell.peer, users));
        }
    }
}

/// The words for what there is to tell; `peer` finds a member's address.
pub(super) fn show<'a, H>(
    told: &'a Told<H>,
    peer: impl Fn(&'a H) -> &'a Endpoint,
    users: usize,
) -> Shown<'a> {
    match told {
        Told::LoggedIn { who, name } => Shown::LoggedIn {
            peer: peer(who),
            name,
            users,
        },
        Told::Refused { who, name, why } => Shown::Refused {
            peer: peer(who),
            name,
            why: *why,
        },
        Told::Left { who, name, why } => Shown::Left {
            peer: peer(who),
            name,
            why: *why,
            users,
        },
        Told::Said { from, to, text } => Shown::Said { from, to, text },
    }
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(waker) = &*waker {
                waker.wake_by_ref();
            }
        }
    }
}

impl Seat<'_> {
    /// Makes the bell wake this task. To be called before [`Seat::was_rung`].
    pub(super) fn listen(&mut self, waker: &Waker) {
        if self
            .waker
            .as_ref()
            .is_some_and(|known| known.will_wake(waker))
        {
            return;
        }
        self.waker = Some(waker.clone());
        let mut slot = self
            .bell
            .waker
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *slot = Some(waker.clone());
    }

    /// Whether the bell was rung since this was asked before.
    pub(super) fn was_rung(&self) -> bool {
        // A load alone, most of the time: it writes to no cache line.
        self.bell.rung.load(Ordering::Acquire) && self.bell.rung.swap(false, Ordering::AcqRel)
    }

    /// Says every whole line of `input` that the member may say now. What then waits for
    /// it is taken later, together with what others are about to say.
    pub(super) fn say(
        &self,
        decoder: &mut Decoder,
        input: &mut Chunk,
    ) -> Result<Heard, SlowReader> {
        let mut room = self.hall.lock();
        let mut fx = Effects::default();
        let (mut lines, mut verdict) = (0, Verdict::Stays);
        let mut rest = &input[..];
        while verdict == Verdict::Stays && !room.is_clogged(self.id) {
            let Some(line) = decoder.next(&mut rest) else {
                break;
            };
            lines += 1;
            match line {
                Ok(line) => verdict = room.line(self.id, &line, &mut fx),
                Err(_) => room.line_too_long(self.id),
            }
        }
        let used = input.len() - rest.len();
        input.advance(used);
        let orders = self.orders(&mut room, Writer::Busy);
        self.hall.carry_out(room, fx);
        Ok(Heard {
            lines,
            verdict,
            orders: orders?,
        })
    }

    /// Takes what waits for the member, if the writer is free.
    pub(super) fn take(&self, writer: Writer) -> Result<Orders, SlowReader> {
        self.orders(&mut self.hall.lock(), writer)
    }

    fn orders(&self, room: &mut Room<Arc<Bell>>, writer: Writer) -> Result<Orders, SlowReader> {
        room.check(self.id)?;
        let output = match writer {
            Writer::Free => room.take(self.id, Instant::now())?,
            Writer::Busy => None,
        };
        let due = room.due(self.id);
        Ok(Orders {
            more: room.has_output(self.id) && due.is_none(),
            output,
            due,
            clogged: room.is_clogged(self.id),
            is_user: room.is_user(self.id),
        })
    }

    /// Leaves the room, and before that says a last line without an end if there is one
    /// and it counts. What still waits for the member is its own now.
    pub(super) fn leave(&mut self, decoder: &mut Decoder, last_line: LastLine) -> Outbox {
        self.left = true;
        let mut room = self.hall.lock();
        let mut fx = Effects::default();
        match (last_line, decoder.finish()) {
            (LastLine::Said, Some(Ok(line))) => drop(room.line(self.id, &line, &mut fx)),
            (LastLine::Said, Some(Err(_))) => room.line_too_long(self.id),
            (LastLine::Dropped, _) | (_, None) => {}
        }
        let rest = room.leave(self.id, &mut fx);
        self.hall.carry_out(room, fx);
        rest
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        if !self.left {
            let mut room = self.hall.lock();
            let mut fx = Effects::default();
            drop(room.leave(self.id, &mut fx));
            self.hall.carry_out(room, fx);
        }
    }
}
