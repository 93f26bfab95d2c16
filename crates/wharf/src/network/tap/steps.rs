//! The single calls inside one operation of a network.
//!
//! [`Network::listen`](crate::network::Network::listen) is three system calls, and
//! who watches wants to know which of them failed and when. A network that makes
//! them tells each through [`step`]. That costs a look at a thread-local cell per
//! call, and only where sockets are opened, never where bytes move.

use std::cell::RefCell;
use std::io;

use tokio::time::Instant;

use super::Failure;

/// A call that opens a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepKind {
    Socket,
    Bind,
    Listen,
}

/// One such call, when it was made and how it ended.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(super) kind: StepKind,
    pub(super) started: Instant,
    pub(super) ended: Instant,
    pub(super) failed: Option<Failure>,
}

thread_local! {
    /// Where the operation that this thread is in collects its steps.
    static STEPS: RefCell<Option<Vec<Step>>> = const { RefCell::new(None) };
}

/// Makes a call, and tells it if somebody watches.
pub(crate) fn step<T>(kind: StepKind, call: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if STEPS.with_borrow(Option::is_none) {
        return call();
    }
    let started = Instant::now();
    let outcome = call();
    let step = Step {
        kind,
        started,
        ended: Instant::now(),
        failed: outcome.as_ref().err().map(Failure::from),
    };
    STEPS.with_borrow_mut(|steps| {
        if let Some(steps) = steps {
            steps.push(step);
        }
    });
    outcome
}

/// Makes calls that are no part of the story, such as a look whether a port is free.
pub(crate) fn untold<T>(calls: impl FnOnce() -> T) -> T {
    let told = STEPS.take();
    let outcome = calls();
    STEPS.set(told);
    outcome
}

/// Runs `poll`, and adds the steps that it takes to `steps`.
pub(super) fn collect<T>(steps: &mut Vec<Step>, poll: impl FnOnce() -> T) -> T {
    let outer = STEPS.replace(Some(std::mem::take(steps)));
    let outcome = poll();
    *steps = STEPS.replace(outer).unwrap_or_default();
    outcome
}
