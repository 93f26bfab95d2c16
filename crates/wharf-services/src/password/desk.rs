//! The limiter behind its lock, and those who wait at it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::limiter::{Busy, Guest, Limiter, Outcome, Ticket, Turn};
use super::memory::Memory;
use super::rules::Rules;

/// Where attempts wait for their turn.
pub(super) struct Desk(Mutex<State>);

struct State {
    limiter: Limiter,
    waiting: BTreeMap<Ticket, Arc<Notify>>,
    /// That of the slots in which nothing is hashed now: never more than there are slots.
    memories: Vec<Memory>,
}

impl Desk {
    pub(super) fn new(rules: Rules) -> Self {
        Desk(Mutex::new(State {
            limiter: Limiter::new(rules),
            waiting: BTreeMap::new(),
            memories: Vec::new(),
        }))
    }

    /// How much memory each slot holds in which nothing is hashed now, in bytes.
    #[cfg(test)]
    pub(super) fn held(&self) -> Vec<usize> {
        self.lock().memories.iter().map(Memory::held).collect()
    }

    /// Takes a place in the queue; dropping it gives the place up.
    pub(super) fn ask(self: &Arc<Self>, guest: Guest) -> Result<Place, Busy> {
        let mut state = self.lock();
        let ticket = state.limiter.ask(guest, Instant::now())?;
        let call = Arc::new(Notify::new());
        state.waiting.insert(ticket, Arc::clone(&call));
        Ok(Place {
            desk: Arc::clone(self),
            ticket,
            guest,
            call,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Tells those who were called.
    fn wake(&mut self) {
        for ticket in self.limiter.take_woken() {
            if let Some(call) = self.waiting.get(&ticket) {
                call.notify_one();
            }
        }
    }
}

/// An attempt that waits.
pub(super) struct Place {
    desk: Arc<Desk>,
    ticket: Ticket,
    guest: Guest,
    call: Arc<Notify>,
}

impl Place {
    /// Waits until the password may be hashed. Cancel safe: it keeps its place.
    pub(super) async fn turn(self) -> Slot {
        loop {
            let (turn, memory) = {
                let mut state = self.desk.lock();
                let turn = state.limiter.turn(self.ticket, Instant::now());
                state.wake();
                let memory = match turn {
                    Turn::Now => state.memories.pop(),
                    Turn::At(_) | Turn::Later => None,
                };
                (turn, memory)
            };
            match turn {
                Turn::Now => {
                    return Slot {
                        desk: Arc::clone(&self.desk),
                        guest: self.guest,
                        outcome: Outcome::Wrong,
                        memory: memory.unwrap_or_default(),
                    };
                }
                Turn::Later => self.call.notified().await,
                Turn::At(due) => tokio::select! {
                    biased;
                    () = self.call.notified() => {}
                    () = sleep_until(due) => {}
                },
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.desk.lock();
        state.waiting.remove(&self.ticket);
        // Does nothing where the turn has come already.
        state.limiter.gave_up(self.ticket);
        state.wake();
    }
}

/// The right to hash one password. It goes with the work, not with the connection: a
/// client that hangs up does not free a slot whose work still runs.
pub(super) struct Slot {
    desk: Arc<Desk>,
    guest: Guest,
    outcome: Outcome,
    memory: Memory,
}

impl Slot {
    /// What the password is hashed in.
    pub(super) fn memory(&mut self) -> &mut Memory {
        &mut self.memory
    }

    /// Notes what the work came to; a slot that is dropped without was wrong.
    pub(super) fn note(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = self.desk.lock();
        state.memories.push(std::mem::take(&mut self.memory));
        state
            .limiter
            .finished(self.guest, self.outcome, Instant::now());
        state.wake();
    }
}
