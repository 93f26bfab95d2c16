//! Who may have a password hashed, and when: the limits on guessing.
//!
//! ```text
//!             ask                    turn                      finished
//!   attempt ───────▶ waiting ──────────────────▶ in a queue ──▶ hashing ──────────▶ idle
//!              │      └─ until the delay of its      │ (new, or known)    wrong: longer delay
//!              │         address is over, and its    └─ free slot         right: known, no delay
//!              ▼         attempt before is done
//!           refused: one of this address waits already, or too many wait
//! ```
//! Slots are of two kinds. The common ones take the attempts of all addresses in the
//! order of their arrival: with `n` addresses before it and `s` common slots, an
//! attempt waits at most ⌈n ÷ s⌉ hash times. The slots for known addresses – those that
//! have logged in before – are never given to others, so an address that has logged in
//! waits at most one hash time, however many strangers guess.
//!
//! No I/O, no clock: it is told the time, and tells whose turn it is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::rules::Rules;

/// Whom attempts are counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guest {
    /// The users of this machine, over a Unix socket.
    Machine,
    /// An IPv4 address or an IPv6 /64.
    Address(IpAddr),
}

/// An attempt that waits for its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    number: u64,
    guest: Guest,
}

/// Why an attempt is refused without being hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// An attempt of this address waits already.
    Address,
    /// Too many addresses wait.
    Door,
}

/// Whose turn it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// This one's: hash now, and say when that is finished.
    Now,
    /// Ask again at this time: the delay of its address is over then.
    At(Instant),
    /// Ask again when woken.
    Later,
}

/// What hashing came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Right,
    Wrong,
}

/// The limits on guessing, for one door.
#[derive(Debug)]
pub(super) struct Limiter {
    rules: Rules,
    addresses: BTreeMap<Guest, Address>,
    /// Addresses of which nothing waits, by their last attempt.
    idle: BTreeSet<(Instant, Guest)>,
    known: Known,
    /// Waiting for a slot, in the order of arrival.
    new_queue: BTreeMap<u64, Guest>,
    known_queue: BTreeMap<u64, Guest>,
    waiting: usize,
    common_free: usize,
    reserved_free: usize,
    next_number: u64,
    woken: Vec<Ticket>,
}

#[derive(Debug)]
struct Address {
    failures: u32,
    not_before: Option<Instant>,
    seen: Instant,
    waiting: Option<Waiting>,
    hashing: Option<Slot>,
}

#[derive(Clone, Copy, Debug)]
struct Waiting {
    number: u64,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Its delay is not over, or its attempt before not done.
    Outside,
    Queued,
    /// It has a slot and is to be told.
    Called(Slot),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    Common,
    Reserved,
}

impl Limiter {
    pub(super) fn new(rules: Rules) -> Self {
        Limiter {
            rules,
            addresses: BTreeMap::new(),
            idle: BTreeSet::new(),
            known: Known::default(),
            new_queue: BTreeMap::new(),
            known_queue: BTreeMap::new(),
            waiting: 0,
            common_free: rules.hash_slots.max(1),
            reserved_free: rules.known_slots,
            next_number: 0,
            woken: Vec::new(),
        }
    }

    /// A guest makes an attempt.
    pub(super) fn ask(&mut self, guest: Guest, now: Instant) -> Result<Ticket, Busy> {
        self.forget(now);
        if self.waiting >= self.rules.max_waiting {
            return Err(Busy::Door);
        }
        let address = self.addresses.entry(guest).or_insert(Address {
            failures: 0,
            not_before: None,
            seen: now,
            waiting: None,
            hashing: None,
        });
        if address.waiting.is_some() {
            return Err(Busy::Address);
        }
        self.idle.remove(&(address.seen, guest));
        address.seen = address.seen.max(now);
        let number = self.next_number;
        self.next_number += 1;
        address.waiting = Some(Waiting {
            number,
            place: Place::Outside,
        });
        self.waiting += 1;
        Ok(Ticket { number, guest })
    }

    /// Whether it is a ticket's turn. After [`Turn::Now`] the ticket is used up, and
    /// [`Limiter::finished`] is due.
    pub(super) fn turn(&mut self, ticket: Ticket, now: Instant) -> Turn {
        let Some((address, waiting)) = self.waiting_of(ticket) else {
            return Turn::Later;
        };
        match waiting.place {
            Place::Called(slot) => {
                address.hashing = Some(slot);
                address.waiting = None;
                self.waiting -= 1;
                return Turn::Now;
            }
            Place::Queued => return Turn::Later,
            Place::Outside => {}
        }
        if address.hashing.is_some() {
            return Turn::Later;
        }
        if let Some(due) = address.not_before.filter(|due| *due > now) {
            return Turn::At(due);
        }
        address.waiting = Some(Waiting {
            place: Place::Queued,
            ..waiting
        });
        let queue = match self.known.has(ticket.guest) {
            true => &mut self.known_queue,
            false => &mut self.new_queue,
        };
        queue.insert(ticket.number, ticket.guest);
        self.call();
        let called = self.woken.iter().position(|woken| *woken == ticket);
        match called {
            Some(at) => {
                self.woken.swap_remove(at);
                self.turn(ticket, now)
            }
            None => Turn::Later,
        }
    }

    /// The password of a guest was hashed.
    pub(super) fn finished(&mut self, guest: Guest, outcome: Outcome, now: Instant) {
        let Some(address) = self.addresses.get_mut(&guest) else {
            return;
        };
        let Some(slot) = address.hashing.take() else {
            return;
        };
        match outcome {
            Outcome::Right => {
                address.failures = 0;
                address.not_before = None;
                self.known.note(guest, self.rules.max_known);
            }
            Outcome::Wrong => {
                address.failures = address.failures.saturating_add(1);
                address.not_before = Some(now + delay(&self.rules, address.failures));
            }
        }
        address.seen = address.seen.max(now);
        if let Some(waiting) = address.waiting {
            let number = waiting.number;
            self.woken.push(Ticket { number, guest });
        }
        self.release(slot);
        self.rest(guest);
    }

    /// A guest that waits goes away.
    pub(super) fn gave_up(&mut self, ticket: Ticket) {
        let Some((address, waiting)) = self.waiting_of(ticket) else {
            return;
        };
        address.waiting = None;
        self.waiting -= 1;
        match waiting.place {
            Place::Outside => {}
            Place::Queued => {
                self.new_queue.remove(&ticket.number);
                self.known_queue.remove(&ticket.number);
            }
            Place::Called(slot) => self.release(slot),
        }
        self.rest(ticket.guest);
    }

    /// Those who were called, or should ask again, since the last time.
    pub(super) fn take_woken(&mut self) -> Vec<Ticket> {
        std::mem::take(&mut self.woken)
    }

    fn waiting_of(&mut self, ticket: Ticket) -> Option<(&mut Address, Waiting)> {
        let address = self.addresses.get_mut(&ticket.guest)?;
        let waiting = address
            .waiting
            .filter(|waiting| waiting.number == ticket.number)?;
        Some((address, waiting))
    }

    fn release(&mut self, slot: Slot) {
        match slot {
            Slot::Common => self.common_free += 1,
            Slot::Reserved => self.reserved_free += 1,
        }
        self.call();
    }

    /// Gives free slots to those whose turn it is.
    fn call(&mut self) {
        while self.reserved_free > 0
            && let Some((number, guest)) = self.known_queue.pop_first()
        {
            self.reserved_free -= 1;
            self.called(number, guest, Slot::Reserved);
        }
        // Known addresses take what the others leave.
        while self.common_free > 0
            && let Some((number, guest)) = self
                .new_queue
                .pop_first()
                .or_else(|| self.known_queue.pop_first())
        {
            self.common_free -= 1;
            self.called(number, guest, Slot::Common);
        }
    }

    fn called(&mut self, number: u64, guest: Guest, slot: Slot) {
        if let Some(address) = self.addresses.get_mut(&guest) {
            address.waiting = Some(Waiting {
                number,
                place: Place::Called(slot),
            });
            self.woken.push(Ticket { number, guest });
        }
    }

    /// Notes that nothing of an address waits any more, and forgets one that has
    /// nothing to be remembered for.
    fn rest(&mut self, guest: Guest) {
        let Some(address) = self.addresses.get(&guest) else {
            return;
        };
        if address.waiting.is_some() || address.hashing.is_some() {
            return;
        }
        if address.failures == 0 {
            self.addresses.remove(&guest);
        } else {
            self.idle.insert((address.seen, guest));
        }
    }

    /// Forgets who failed long ago, and more of them where the table is full.
    fn forget(&mut self, now: Instant) {
        while let Some((seen, guest)) = self.idle.first().copied() {
            let is_old = now.saturating_duration_since(seen) >= self.rules.forget_after;
            if !is_old && self.addresses.len() < self.rules.max_addresses {
                return;
            }
            self.idle.pop_first();
            self.addresses.remove(&guest);
        }
    }
}

/// The wait after so many wrong attempts.
fn delay(rules: &Rules, failures: u32) -> Duration {
    let doubled = failures.saturating_sub(1).min(31);
    let delay = rules.first_delay.saturating_mul(1_u32 << doubled);
    delay.min(rules.longest_delay)
}

/// Addresses that have logged in; the one that did so the longest ago goes first.
#[derive(Debug, Default)]
struct Known {
    by_guest: BTreeMap<Guest, u64>,
    by_age: BTreeMap<u64, Guest>,
    logins: u64,
}

impl Known {
    fn has(&self, guest: Guest) -> bool {
        self.by_guest.contains_key(&guest)
    }

    fn note(&mut self, guest: Guest, most: usize) {
        self.logins += 1;
        if let Some(before) = self.by_guest.insert(guest, self.logins) {
            self.by_age.remove(&before);
        }
        self.by_age.insert(self.logins, guest);
        while self.by_guest.len() > most
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.by_guest.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
