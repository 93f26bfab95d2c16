//! The load engine: many clients in one thread, every reply verified.
//!
//! ```text
//!   Options ─▶ run ─▶ ┌ stream    TCP, Unix: connections × depth, churn ┐ ─▶ Report
//!                     ├ datagram  UDP: flows × window                   ┤
//!                     └ chat      users who send each other messages    ┘
//!              script   what is sent, and what must come back
//!              meter    phases, counts, latencies, errors by cause
//! ```
//! One thread drives all sockets through epoll, because what the engine itself
//! costs blurs what it measures. A conversation is a position in a *script*: the
//! bytes to send and the bytes that must come back lie ready in memory, so
//! sending copies nothing, and verifying is one comparison per read.
//!
//! It is a *closed loop*: a connection sends its next message when a reply has
//! come, so latencies leave out what users would have waited in a queue
//! (coordinated omission); see [`Pacing`].
//!
//! Everything ends by itself: every phase has a deadline, and a run that only
//! fails stops after [`Options::errors_at_most`].
//!
//! Layout: `stream` drives many `conversation`s, each over a `link`; `options` is what can be asked for, `report` what comes out, `idle`
//! holds connections to see what they cost, `process` reads `/proc`, `sys` has
//! the system calls that std lacks.

mod chat;
mod conversation;
mod datagram;
mod idle;
mod link;
mod meter;
mod options;
mod process;
mod report;
mod script;
mod stream;
mod sys;

pub use chat::{Chat, ChatDialect, Stalled};
pub use idle::{Greeting, IdleOptions, IdleReport, hold};
pub use meter::{Phase, Snapshot};
pub use options::{Amount, Expect, LoadError, Messages, Options, Pacing, Target};
pub use process::{Memory, cpu_of, memory_of, raise_descriptor_limit};
pub use report::{Cause, ChatCounts, Datagrams, Errors, Latency, Report};
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
    if let Messages::Chat(chat) = &options.messages {
        return chat::run(options, chat, meter);
    }
    match &options.target {
        Target::Udp(peer) => datagram::run(options, *peer, meter),
        Target::Tcp(_) | Target::Unix(_) => stream::run(options, meter),
    }
}

#[cfg(test)]
mod tests;
