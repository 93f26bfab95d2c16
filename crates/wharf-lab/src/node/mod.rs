//! What connects hosts: switches, shared media, rings and routers.

mod bus;
pub(crate) mod headers;
pub(crate) mod neighbours;
mod ring;
mod router;
mod switch;
mod tree;

pub use bus::{Bus, BusCounters};
pub use ring::{RingStation, Role as RingRole};
pub use router::{Route, Router, RouterCounters};
pub use switch::{Switch, settle};
pub use tree::{BridgeId, PortState};
