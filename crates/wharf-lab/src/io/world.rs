//! The fabric and the hosts of the lab that runs in this thread.

use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::time::SystemTime;

use tokio::time::Instant;

use crate::core::{Action, Dice, Fabric, NodeId, Time};
use crate::stack::Host;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// Everything that a running lab consists of.
pub(crate) struct World {
    pub(crate) fabric: Fabric,
    pub(crate) hosts: Vec<Resident>,
    /// What distinguishes this lab from those before and after it in this thread.
    id: u64,
    /// tokio's time at the lab's time zero.
    start: Option<Instant>,
    /// The time of day at the lab's time zero.
    pub(crate) day: SystemTime,
    messages: u32,
    follow: bool,
}

/// A host as programs and names know it.
pub(crate) struct Resident {
    pub(crate) name: String,
    pub(crate) node: NodeId,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) dice: Dice,
}

impl World {
    pub(crate) fn new(fabric: Fabric, hosts: Vec<Resident>, day: SystemTime) -> Self {
        let follow = fabric.journal().is_some();
        World {
            fabric,
            hosts,
            id: 0,
            start: None,
            day,
            messages: 0,
            follow,
        }
    }

    /// Brings the fabric's clock up to tokio's, which a program's timer may have
    /// moved. On a paused clock no event is ever in the past; in real time those
    /// that are due happen now, each at its own time.
    pub(super) fn synchronise(&mut self) -> Time {
        let Some(start) = self.start else {
            return self.fabric.now();
        };
        let now = Time::ZERO + start.elapsed();
        while self.fabric.next_at().is_some_and(|at| at < now) {
            self.fabric.step();
        }
        self.fabric.advance(now);
        now
    }

    pub(super) fn start(&mut self, at: Instant) {
        self.start = Some(at);
    }

    /// The stack of a host, which will have its turn afterwards.
    pub(super) fn host(&mut self, host: u32) -> io::Result<&mut Host> {
        let resident = self.hosts.get(host as usize).ok_or_else(gone)?;
        let node = resident.node;
        self.fabric.touch(node);
        self.fabric.node_mut::<Host>(node).ok_or_else(gone)
    }

    /// The stack of a host, only to be looked at.
    pub(super) fn look_at(&mut self, host: u32) -> io::Result<&mut Host> {
        let resident = self.hosts.get(host as usize).ok_or_else(gone)?;
        self.fabric.node_mut::<Host>(resident.node).ok_or_else(gone)
    }

    /// A number for what a program writes, if somebody wants to follow it.
    pub(super) fn new_message(&mut self, host: u32, bytes: usize) -> Option<u32> {
        if !self.follow || bytes == 0 {
            return None;
        }
        self.messages = self.messages.saturating_add(1);
        self.note(host, self.messages, Action::Wrote(bytes));
        Some(self.messages)
    }

    pub(super) fn note(&mut self, host: u32, message: u32, action: Action) {
        if let Some(resident) = self.hosts.get(host as usize) {
            self.fabric.note_message(resident.node, message, action);
        }
    }
}

/// Puts a world into this thread, and gives its number.
pub(super) fn enter(mut world: World) -> io::Result<u64> {
    WORLD.with_borrow_mut(|place| {
        if place.is_some() {
            return Err(io::Error::other("a lab is running in this thread already"));
        }
        static LABS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let id = LABS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        world.id = id;
        *place = Some(world);
        Ok(id)
    })
}

/// Takes the world out of this thread.
pub(super) fn leave() -> Option<World> {
    WORLD.with_borrow_mut(Option::take)
}

/// The world of this thread, if `lab` is the one that runs.
///
/// # Errors
/// Handles outlive their lab, and can be sent to other threads; then they are of
/// no use, and say so.
pub(crate) fn with<R>(lab: u64, act: impl FnOnce(&mut World) -> R) -> io::Result<R> {
    WORLD.with_borrow_mut(|place| match place {
        Some(world) if world.id == lab => {
            world.synchronise();
            Ok(act(world))
        }
        _ => Err(gone()),
    })
}

/// The world of this thread, whichever it is, for the clock.
pub(super) fn current<R>(act: impl FnOnce(&mut World) -> R) -> Option<R> {
    WORLD.with_borrow_mut(|place| place.as_mut().map(act))
}

fn gone() -> io::Error {
    io::Error::new(
        io::ErrorKind::NotConnected,
        "the lab of this handle does not run in this thread",
    )
}
