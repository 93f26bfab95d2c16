//! A network in memory: hosts, links, switches and routers that exist only in this
//! process, with real frames, virtual time and a seed.
//!
//! Services and clients written for [`wharf`] run in it unchanged, since it
//! implements [`wharf::network::Network`]. Every frame can be captured, every fault
//! has a probability and a random stream of its own, and the same seed gives the
//! same bytes.
//!
//! Layout, from the bottom up: [`core`] is time, links and nodes, without tokio or
//! a protocol stack; [`node`] is what connects hosts; [`stack`] is the hosts, with
//! smoltcp behind one module; `io` joins them to tokio and to `wharf`'s seam;
//! [`topology`] is the shape of a lab; [`Lab`] puts all together.

mod capture;
pub mod core;
mod io;
mod lab;
pub mod node;
pub mod stack;
mod summary;
pub mod topology;
pub mod transport;
pub mod units;

pub use crate::core::{Burst, Link, Medium, Time};
pub use capture::{Tap, is_upkeep};
pub use io::{EPOCH, LabNetwork, Pong};
pub use lab::{Hosts, Lab, LabError, LabHost, Outcome, Report};
pub use stack::{Congestion, ConnectionReport, EchoAnswer, HostSettings};
pub use summary::{
    CauseCount, ConnectionSummary, DirectionSummary, LinkSummary, MediumSummary, Summary,
};
pub use topology::{Centre, Topology};

/// The examples of the manual.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/lab.md")]
struct Manual;
