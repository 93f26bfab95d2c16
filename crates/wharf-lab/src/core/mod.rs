//! Frames, links and nodes in virtual time: no sockets, no protocol stack, no tokio.
//!
//! Layout: `time` and `random` are the two things that a simulation lives by;
//! `frame` is what travels, `link` (with the presets of `media`) what it travels
//! on, `node` what stands at the ends; `events` is what is to come, `fabric` lets it
//! all happen; `journal` and `record` are what is left afterwards.

mod events;
mod fabric;
mod frame;
mod journal;
mod link;
mod media;
mod node;
mod random;
mod record;
mod time;

pub use fabric::{Change, Fabric, FabricCounters, LinkId, LinkView, Step};
pub use frame::{Frame, FrameId, Mac};
pub(crate) use frame::{HEADER, Spare};
pub use journal::{Action, Entry, JOURNAL_ENTRIES, Journal, Place};
pub use link::{Burst, Cause, ETHERNET_MTU, HOLD_BACK, Link, LinkCounters};
pub use media::Medium;
pub use node::{Carrier, Node, NodeId, Turn};
pub use random::{Dice, Purpose};
pub use record::{RECORDING_BYTES, Recorded, Recording, Remark};
pub use time::Time;
pub(crate) use time::{nanos, transmission};
