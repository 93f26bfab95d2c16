//! The shape of a lab: which nodes there are, and what joins them.
//!
//! A topology is plain data. The functions of `shapes` make the well-known ones;
//! `file` reads one from TOML; `changes` is what happens to it; `plan` gives every node its addresses and builds
//! the fabric.

mod changes;
pub mod file;
mod plan;
mod shapes;

use std::time::Duration;

use crate::core::{Change, Link};

pub use changes::ChangeError;
pub(crate) use plan::build;
pub use shapes::Centre;

/// Nodes and links.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Topology {
    /// The nodes, hosts among them.
    pub nodes: Vec<NodePlan>,
    /// What joins them.
    pub links: Vec<LinkPlan>,
    /// What is done to links while the lab runs.
    pub changes: Vec<ChangePlan>,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePlan {
    /// Its name, unlike all others.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
}

/// What a node can be.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// A host with one link.
    Host,
    /// A learning switch. Switches of a network with loops need a spanning tree.
    Switch(SpanningTree),
    /// One shared medium; its links are attachments and take no time.
    Shared {
        /// Whether stations are along a cable or around a hub.
        shape: SharedShape,
        /// Bits per second.
        rate: u64,
        /// The signal's time from one station to the next, or from a station to the hub.
        spacing: Duration,
    },
    /// A router; its addresses and routes follow from the links.
    Router,
    /// A host's card on a ring. Its first link is to its host; of its ring links,
    /// one comes in (it is the link's second end) and one goes out.
    RingStation {
        /// The number of its host among the nodes.
        host: usize,
    },
}

/// Whether a switch takes part in a spanning tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanningTree {
    /// It does (IEEE 802.1D).
    On,
    /// It does not, and the network must have no loops.
    Off,
}

/// Where the stations of a shared medium are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedShape {
    /// Along a cable: a bus.
    Bus,
    /// Around a repeater: a hub.
    Hub,
}

/// One link.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkPlan {
    /// The numbers of the two nodes.
    pub ends: [usize; 2],
    /// Its properties.
    pub link: Link,
    /// Those of the way from the second node to the first, if they differ.
    pub back: Option<Link>,
}

/// Something that is done to a link at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangePlan {
    /// When, after the lab began.
    pub at: Duration,
    /// The number of the link.
    pub link: usize,
    /// What.
    pub change: Change,
}

impl Topology {
    /// Adds a node, and gives its number.
    pub fn node(&mut self, name: impl Into<String>, kind: NodeKind) -> usize {
        self.nodes.push(NodePlan {
            name: name.into(),
            kind,
        });
        self.nodes.len() - 1
    }

    /// Adds a link, and gives its number.
    pub fn join(&mut self, first: usize, second: usize, link: Link) -> usize {
        self.links.push(LinkPlan {
            ends: [first, second],
            link,
            back: None,
        });
        self.links.len() - 1
    }

    /// The number of the node of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.name == name)
    }

    /// The number of the first link between these two nodes, in either order.
    pub fn link_between(&self, first: &str, second: &str) -> Option<usize> {
        let (first, second) = (self.find(first)?, self.find(second)?);
        let wanted = [[first, second], [second, first]];
        self.links
            .iter()
            .position(|link| wanted.contains(&link.ends))
    }

    /// Gives every link these properties. A cable to a shared medium, which takes no
    /// time, gets its faults and its MTU; one between a ring's station and its host
    /// stays as it is.
    pub fn set_links(&mut self, link: &Link) {
        for index in 0..self.links.len() {
            let attachment = self.is_attachment(index);
            let plan = &mut self.links[index];
            if attachment {
                plan.link = Link::attachment().faults_of(link);
            } else if plan.link.bits_per_second().is_some() {
                plan.link = link.clone();
            } else {
                continue;
            }
            plan.back = None;
        }
    }
}
