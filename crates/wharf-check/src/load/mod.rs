//! The load engine: many clients in one thread, every reply verified.
//!
//! ```text
//!   Options ─▶ run ─▶ ┌ stream    TCP, TLS, Unix: connections × depth, churn ┐ ─▶ Report
//!                     ├ datagram  UDP: flows × window, numbered             ┤
//!                     ├ ask       UDP: flows that wait for each reply       ┤
//!                     ├ bulk      streams in one direction                      ┤
//!                     └ chat      users who send each other messages        ┘
//!              script   what is sent, and what must come back
//!              meter    phases, counts, latencies, errors by cause
//! ```
//! One thread drives all sockets through epoll, because what the engine itself
//! costs blurs what it measures. A conversation is a position in a *script*: the
//! bytes to send and the bytes that must come back lie ready in memory, so
//! sending copies nothing, and verifying is one comparison per read.
//!
//! In a *closed loop* a connection sends its next message when a reply has come, so
//! latencies leave out what users would have waited in a queue (coordinated omission).
//! In an *open loop* messages are due at a fixed rate, and latencies count from then;
//! see [`Pacing`].
//!
//! Everything ends by itself: every phase has a deadline, and a run that only
//! fails stops after [`Options::errors_at_most`].
//!
//! Layout: `stream` drives many `conversation`s, each over a `link`; `schedule` says what is
//! due in an open loop; `options` is what can be asked for, `report` what comes out, `idle`
//! holds connections to see what they cost, `process` reads `/proc`, `sys` has
//! the system calls that std lacks.

mod ask;
mod bulk;
mod chat;
mod conversation;
mod datagram;
mod idle;
mod link;
mod meter;
mod options;
mod process;
mod report;
mod schedule;
mod script;
mod stream;
mod sys;

pub use chat::{Chat, ChatDialect, Stalled};
pub use idle::{Greeting, IdleFailure, IdleOptions, IdleReport, hold, hold_with};
pub use link::DATAGRAM_BUFFER;
pub use meter::{Phase, Snapshot};
pub use options::{
    Amount, Asked, Bulk, Direction, Expect, LoadError, Messages, Options, Pacing, Rule, Target,
    TlsTarget,
};
pub use process::{Memory, cpu_of, memory_of, raise_descriptor_limit};
pub use report::{
    Cause, ChatCounts, Datagrams, Errors, Latency, OpenLoop, Report, ServerUse, Slowest,
};
pub use script::Exchange;

use std::ops::ControlFlow;
use std::time::Duration;

/// Puts a load on a server and waits for the end of the run.
///
/// A server that answers wrongly is not an error here, but stands in
/// [`Report::errors`].
///
/// ```no_run
/// use wharf_check::load::{Options, Target, run};
///
/// let target = Target::Tcp("127.0.0.1:9999".parse()?);
/// let report = run(&Options::new(target))?;
/// assert!(report.errors.is_empty(), "{}", report.errors);
/// println!("{:.0} messages/s", report.messages_per_second());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Options that make no sense, or a machine that gives no sockets.
pub fn run(options: &Options) -> Result<Report, LoadError> {
    run_with(options, Duration::MAX, &mut |_| ControlFlow::Continue(()))
}

/// As [`run`], and calls `progress` about every `every`, at most 50 times a second.
///
/// [`ControlFlow::Break`] ends the run early; the report then covers the time so far.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    options: &Options,
    every: Duration,
    progress: &mut dyn FnMut(&Snapshot<'_>) -> ControlFlow<()>,
) -> Result<Report, LoadError> {
    options.check()?;
    let meter = meter::Meter::new(options, every, progress);
    match &options.messages {
        Messages::Chat(chat) => return chat::run(options, chat, meter),
        Messages::Bulk(bulk) => return bulk::run(options, bulk, meter),
        _ => {}
    }
    match (&options.target, &options.messages) {
        (Target::Udp(peer), Messages::Script(_) | Messages::Asked(_)) => {
            ask::run(options, *peer, meter)
        }
        (Target::Udp(peer), _) => datagram::run(options, *peer, meter),
        (_, _) => stream::run(options, meter),
    }
}

#[cfg(test)]
mod tests;
