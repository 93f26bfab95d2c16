//! The well-known shapes. Hosts are named `h0`, `h1` and so on.

use std::time::Duration;

use super::{NodeKind, SharedShape, SpanningTree, Topology};
use crate::core::Link;

/// The rate of a shared medium, that of the first Ethernets, in bits per second.
const SHARED_RATE: u64 = 10_000_000;

/// From one station of a bus to the next: 50 m of coaxial cable.
const BUS_SPACING: Duration = Duration::from_nanos(250);

/// From a station to its hub: 100 m, the longest that 10BASE-T allows.
const HUB_RADIUS: Duration = Duration::from_nanos(500);

/// What stands in the middle of a star.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Centre {
    /// A switch, which sends each frame only where it has to go.
    #[default]
    Switch,
    /// A hub, which repeats everything to everybody.
    Hub,
    /// A host, through which all the others talk: it is the server, `h0`.
    Host,
}

impl Topology {
    /// Hosts around a centre.
    pub fn star(hosts: usize, centre: Centre) -> Self {
        let mut topology = Topology::default();
        let middle = match centre {
            Centre::Switch => topology.node("switch", NodeKind::Switch(SpanningTree::Off)),
            Centre::Hub => topology.node("hub", shared(SharedShape::Hub, HUB_RADIUS)),
            Centre::Host => return Topology::star_of_links(hosts),
        };
        let link = match centre {
            Centre::Hub => Link::attachment(),
            _ => Link::default(),
        };
        topology.around(middle, hosts, &link);
        topology
    }

    /// A star whose centre is a host: it has a line to each of the others, which a
    /// router at its side joins, since a host has one card.
    fn star_of_links(hosts: usize) -> Self {
        let mut topology = Topology::default();
        let middle = topology.node("centre", NodeKind::Router);
        topology.around(middle, hosts.max(1), &Link::default());
        // The host in the middle is no further away than its own router.
        if let Some(first) = topology.links.first_mut() {
            first.link = Link::attachment();
        }
        topology
    }

    /// Hosts along one shared cable.
    pub fn bus(hosts: usize) -> Self {
        let mut topology = Topology::default();
        let bus = topology.node("bus", shared(SharedShape::Bus, BUS_SPACING));
        topology.around(bus, hosts, &Link::attachment());
        topology
    }

    /// Hosts in a closed circuit: each frame is handed from neighbour to neighbour
    /// until its destination takes it and its sender removes it.
    pub fn ring(hosts: usize) -> Self {
        let mut topology = Topology::default();
        let all: Vec<usize> = (0..hosts).map(|i| topology.host(i)).collect();
        let station = |(i, &host): (usize, &usize)| {
            let station = topology.node(format!("r{i}"), NodeKind::RingStation { host });
            topology.join(host, station, Link::attachment());
            station
        };
        let stations: Vec<usize> = all.iter().enumerate().map(station).collect();
        topology.close(&stations);
        topology
    }

    /// A ring of switches with a host at each; a spanning tree breaks the circle.
    pub fn switch_ring(hosts: usize) -> Self {
        Topology::ring_of(hosts, "s", NodeKind::Switch(SpanningTree::On))
    }

    /// A ring of routers with a host at each.
    pub fn router_ring(hosts: usize) -> Self {
        Topology::ring_of(hosts, "r", NodeKind::Router)
    }

    /// Switches in a row with a host at each.
    pub fn line(hosts: usize) -> Self {
        let mut topology = Topology::default();
        let switches = topology.row(hosts, "s", &NodeKind::Switch(SpanningTree::Off));
        for pair in switches.windows(2) {
            topology.join(pair[0], pair[1], Link::default());
        }
        topology
    }

    /// A switch for each host, and a link between any two of them; a spanning tree
    /// keeps what it needs.
    pub fn mesh(hosts: usize) -> Self {
        let mut topology = Topology::default();
        let switches = topology.row(hosts, "s", &NodeKind::Switch(SpanningTree::On));
        for (i, &first) in switches.iter().enumerate() {
            for &second in &switches[i + 1..] {
                topology.join(first, second, Link::default());
            }
        }
        topology
    }

    /// Two networks of so many hosts each, with a switch each, and a router between.
    pub fn two_lans(hosts: usize) -> Self {
        let mut topology = Topology::default();
        let router = topology.node("router", NodeKind::Router);
        for side in 0..2 {
            let kind = NodeKind::Switch(SpanningTree::Off);
            let switch = topology.node(format!("s{side}"), kind);
            topology.join(switch, router, Link::default());
            for i in 0..hosts {
                let host = topology.host(side * hosts + i);
                topology.join(host, switch, Link::default());
            }
        }
        topology
    }

    /// Two hosts and one link.
    pub fn pair() -> Self {
        let mut topology = Topology::default();
        let (first, second) = (topology.host(0), topology.host(1));
        topology.join(first, second, Link::default());
        topology
    }

    fn host(&mut self, number: usize) -> usize {
        self.node(format!("h{number}"), NodeKind::Host)
    }

    fn around(&mut self, middle: usize, hosts: usize, link: &Link) {
        for i in 0..hosts {
            let host = self.host(i);
            self.join(host, middle, link.clone());
        }
    }

    /// Nodes of one kind, with a host at each.
    fn row(&mut self, hosts: usize, prefix: &str, kind: &NodeKind) -> Vec<usize> {
        let at = |i| {
            let node = self.node(format!("{prefix}{i}"), kind.clone());
            let host = self.host(i);
            self.join(host, node, Link::default());
            node
        };
        (0..hosts).map(at).collect()
    }

    fn ring_of(hosts: usize, prefix: &str, kind: NodeKind) -> Self {
        let mut topology = Topology::default();
        let nodes = topology.row(hosts, prefix, &kind);
        topology.close(&nodes);
        topology
    }

    /// Joins nodes to a circle.
    fn close(&mut self, nodes: &[usize]) {
        if nodes.len() < 2 {
            return;
        }
        for (i, &node) in nodes.iter().enumerate() {
            // Two nodes are a circle of two links only where a link has one direction.
            let next = nodes[(i + 1) % nodes.len()];
            self.join(node, next, Link::default());
        }
    }
}

fn shared(shape: SharedShape, spacing: Duration) -> NodeKind {
    NodeKind::Shared {
        shape,
        rate: SHARED_RATE,
        spacing,
    }
}
