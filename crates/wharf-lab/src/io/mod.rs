//! The lab as a [`Network`](wharf::network::Network): ordinary async code runs on it.
//!
//! ```text
//!   service, client ── tokio::time ──┐
//!        │ Connection, Datagrams      │ paused clock
//!   stream, listener, datagrams ──▶ world ◀── clock (when nothing else can run)
//!                                     │
//!                                   fabric
//! ```
//!
//! There is one world for each thread, and handles are plain numbers into it, so
//! they can be sent like any other although the world stays where it is. `clock`
//! joins tokio's paused clock to the fabric's.

mod clock;
mod datagrams;
mod listener;
mod machine;
mod network;
mod stream;
mod world;

pub(crate) use clock::{Pace, run};
pub use machine::EPOCH;
pub use network::{LabNetwork, Pong};
pub(crate) use world::{Resident, World};
