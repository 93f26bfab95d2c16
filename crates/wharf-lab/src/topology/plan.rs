//! From a topology to a fabric: addresses, routes, ports.
//!
//! Every network – everything that is joined without a router – gets one IPv4 and
//! one IPv6 prefix: 10.0.*k*.0/24 and fd00:0:0:*k*::/64. Its hosts are numbered from 1 in
//! the order of the nodes, its routers downwards from the top.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{NodeKind, SharedShape, SpanningTree, Topology};
use crate::core::{Dice, ETHERNET_MTU, Fabric, Mac, NodeId, Purpose, Time};
use crate::io::Resident;
use crate::node::{Bus, RingRole, RingStation, Route, Router, Switch, settle};
use crate::stack::{Host, HostSettings};

/// The randomness of nodes is numbered apart from that of links.
const NODES: u64 = 1 << 32;

/// More members than this need a prefix of 16 bits.
const SMALL: usize = 250;

/// A place where an address can be: a node that is no router, or a router's port.
type Member = usize;

/// Everything that follows from the links.
struct Plan<'a> {
    topology: &'a Topology,
    /// For each link the members at its ends.
    members: Vec<[Member; 2]>,
    /// For each member, the number of its network.
    network: Vec<usize>,
    /// For each network, how many addresses it needs, and the least MTU in it.
    networks: Vec<NetworkPlan>,
    /// For each router's port (router, link): its member.
    ports: BTreeMap<(usize, usize), Member>,
    /// The addresses of members.
    addresses: BTreeMap<Member, Vec<(IpAddr, u8)>>,
}

#[derive(Clone, Copy)]
struct NetworkPlan {
    size: usize,
    mtu: usize,
}

/// Builds the fabric, and says which hosts are on it.
pub(crate) fn build(
    topology: &Topology,
    settings: &HostSettings,
    seed: u64,
) -> (Fabric, Vec<Resident>) {
    let plan = Plan::new(topology);
    let mut fabric = Fabric::new(seed);
    let mut hosts = Vec::new();
    for (index, node) in topology.nodes.iter().enumerate() {
        let place = NODES + index as u64;
        let mac = Mac::of(index as u32, 0);
        match &node.kind {
            NodeKind::Host => {
                let addresses = plan.addresses.get(&index).cloned().unwrap_or_default();
                let settings = HostSettings {
                    mtu: plan.mtu(index).min(settings.mtu),
                    ..settings.clone()
                };
                let mut host = Host::new(mac, &addresses, settings, seed, place);
                for gateway in plan.gateways(index) {
                    host = host.gateway(gateway);
                }
                hosts.push(Resident {
                    name: node.name.clone(),
                    node: fabric.add(&node.name, host),
                    addresses: addresses.into_iter().map(|(ip, _)| ip).collect(),
                    dice: Dice::new(seed, place, Purpose::Programs),
                });
            }
            NodeKind::Switch(SpanningTree::On) => {
                fabric.add(&node.name, Switch::with_tree(mac));
            }
            NodeKind::Switch(SpanningTree::Off) => {
                fabric.add(&node.name, Switch::plain(mac));
            }
            NodeKind::Shared {
                shape,
                rate,
                spacing,
            } => {
                let make = match shape {
                    SharedShape::Bus => Bus::line,
                    SharedShape::Hub => Bus::hub,
                };
                fabric.add(&node.name, make(*rate, *spacing, seed, place));
            }
            NodeKind::Router => {
                fabric.add(&node.name, plan.router(index));
            }
            NodeKind::RingStation { host } => {
                fabric.add(&node.name, plan.station(index, *host));
            }
        }
    }
    for link in &topology.links {
        let [first, second] = link.ends.map(|end| NodeId(end as u32));
        let back = link.back.as_ref().unwrap_or(&link.link);
        fabric.join_asymmetric(first, second, link.link.clone(), back.clone());
    }
    let switches = topology.nodes.iter().enumerate();
    let switches = switches.filter(|(_, node)| matches!(node.kind, NodeKind::Switch(_)));
    let switches: Vec<NodeId> = switches.map(|(i, _)| NodeId(i as u32)).collect();
    settle(&mut fabric, &switches);
    for change in &topology.changes {
        let link = crate::core::LinkId(change.link as u32);
        fabric.schedule(Time::ZERO + change.at, link, change.change);
    }
    (fabric, hosts)
}

impl<'a> Plan<'a> {
    fn new(topology: &'a Topology) -> Self {
        let mut plan = Plan {
            topology,
            members: Vec::new(),
            network: Vec::new(),
            networks: Vec::new(),
            ports: BTreeMap::new(),
            addresses: BTreeMap::new(),
        };
        plan.find_networks();
        plan.give_addresses();
        plan
    }

    fn is_router(&self, node: usize) -> bool {
        matches!(self.topology.nodes[node].kind, NodeKind::Router)
    }

    /// Joins members to networks (union-find).
    fn find_networks(&mut self) {
        let mut parent: Vec<usize> = (0..self.topology.nodes.len()).collect();
        for (index, link) in self.topology.links.iter().enumerate() {
            let member = |node: usize| {
                if !matches!(self.topology.nodes[node].kind, NodeKind::Router) {
                    return node;
                }
                parent.push(parent.len());
                self.ports.insert((node, index), parent.len() - 1);
                parent.len() - 1
            };
            let ends = link.ends.map(member);
            let (a, b) = (root(&parent, ends[0]), root(&parent, ends[1]));
            parent[a.max(b)] = a.min(b);
            self.members.push(ends);
        }
        let mut numbers = BTreeMap::new();
        for member in 0..parent.len() {
            let next = numbers.len();
            let is_place = member >= self.topology.nodes.len() || !self.is_router(member);
            let number = match is_place {
                true => *numbers.entry(root(&parent, member)).or_insert(next),
                false => usize::MAX,
            };
            self.network.push(number);
        }
        let empty = NetworkPlan {
            size: 0,
            mtu: ETHERNET_MTU,
        };
        self.networks = vec![empty; numbers.len()];
        for (link, ends) in self.topology.links.iter().zip(&self.members) {
            let network = &mut self.networks[self.network[ends[0]]];
            network.mtu = network.mtu.min(link.link.mtu_bytes());
        }
    }

    fn give_addresses(&mut self) {
        let hosts = (0..self.topology.nodes.len())
            .filter(|&node| matches!(self.topology.nodes[node].kind, NodeKind::Host));
        let hosts: Vec<usize> = hosts.collect();
        let ports: Vec<Member> = self.ports.values().copied().collect();
        for member in hosts.iter().chain(&ports) {
            self.networks[self.network[*member]].size += 1;
        }
        let mut from_below = vec![0; self.networks.len()];
        let mut from_above = vec![0; self.networks.len()];
        for host in hosts {
            let network = self.network[host];
            from_below[network] += 1;
            let addresses = self.address(network, from_below[network]);
            self.addresses.insert(host, addresses);
        }
        for port in ports {
            let network = self.network[port];
            from_above[network] += 1;
            let top = if self.networks[network].size > SMALL {
                65_535
            } else {
                255
            };
            let addresses = self.address(network, top - from_above[network]);
            self.addresses.insert(port, addresses);
        }
    }

    /// The addresses number `number` of a network.
    fn address(&self, network: usize, number: u32) -> Vec<(IpAddr, u8)> {
        let (v4, prefix) = self.prefix(network);
        let v4 = Ipv4Addr::from(u32::from(v4) + number);
        let group = u16::try_from(network).unwrap_or(u16::MAX);
        let [high, low] = [(number >> 16) as u16, number as u16];
        let v6 = Ipv6Addr::new(0xFD00, 0, 0, group, 0, 0, high, low);
        vec![(IpAddr::V4(v4), prefix), (IpAddr::V6(v6), 64)]
    }

    fn prefix(&self, network: usize) -> (Ipv4Addr, u8) {
        let [.., high, low] = network.to_be_bytes();
        match self.networks[network].size > SMALL {
            true => (Ipv4Addr::new(10, 128 | low, 0, 0), 16),
            false => (Ipv4Addr::new(10, high & 127, low, 0), 24),
        }
    }

    fn mtu(&self, member: Member) -> usize {
        self.networks[self.network[member]].mtu
    }

    /// The ports of a router in the order of its links.
    fn ports_of(&self, router: usize) -> impl Iterator<Item = Member> + '_ {
        let range = (router, 0)..=(router, usize::MAX);
        self.ports.range(range).map(|(_, member)| *member)
    }

    /// The routers that a host can send to: the first one of its network.
    fn gateways(&self, host: usize) -> Vec<IpAddr> {
        let network = self.network[host];
        let mut ports = self.ports.values();
        let port = ports.find(|port| self.network[**port] == network);
        let addresses = port.and_then(|port| self.addresses.get(port));
        let addresses = addresses.map(Vec::as_slice).unwrap_or_default();
        addresses.iter().map(|(ip, _)| *ip).collect()
    }

    fn router(&self, index: usize) -> Router {
        let mut router = Router::new();
        for (number, port) in self.ports_of(index).enumerate() {
            let mac = Mac::of(index as u32, number as u8);
            let addresses = self.addresses.get(&port).cloned().unwrap_or_default();
            router = router.interface(mac, &addresses).mtu(self.mtu(port));
        }
        for route in self.routes(index) {
            router = router.route(route);
        }
        router
    }

    /// The shortest way from a router to every network that is not its own, found by
    /// going from network to network.
    fn routes(&self, from: usize) -> Vec<Route> {
        let mut reached: Vec<bool> = vec![false; self.networks.len()];
        let mut routes = Vec::new();
        // The router to look at, and the neighbour through which it is reached.
        let mut queue = VecDeque::from([(from, None::<Member>)]);
        let mut seen = vec![false; self.topology.nodes.len()];
        seen[from] = true;
        while let Some((router, via)) = queue.pop_front() {
            for port in self.ports_of(router) {
                let network = self.network[port];
                if !std::mem::replace(&mut reached[network], true) {
                    routes.extend(via.into_iter().flat_map(|via| self.routes_to(network, via)));
                }
                for (&(other, _), &there) in &self.ports {
                    if self.network[there] == network && !seen[other] {
                        seen[other] = true;
                        queue.push_back((other, via.or(Some(there))));
                    }
                }
            }
        }
        routes
    }

    fn routes_to(&self, network: usize, via: Member) -> Vec<Route> {
        let own = self.address(network, 0);
        let next = self.addresses.get(&via).map(Vec::as_slice);
        let pairs = own.into_iter().zip(next.unwrap_or_default());
        let route = |((network, prefix), (via, _)): ((IpAddr, u8), &(IpAddr, u8))| Route {
            network,
            prefix,
            via: *via,
        };
        pairs.map(route).collect()
    }

    /// A ring station, with the ports that its links will get.
    fn station(&self, index: usize, host: usize) -> RingStation {
        let links = self.topology.links.iter();
        let mine = links.filter(|link| link.ends.contains(&index));
        let port_where = |test: &dyn Fn([usize; 2]) -> bool| {
            let mut ports = mine.clone().enumerate();
            ports
                .find(|(_, link)| test(link.ends))
                .map(|(port, _)| port)
        };
        let incoming = port_where(&|ends| ends[1] == index && ends[0] != host);
        let outgoing = port_where(&|ends| ends[0] == index && ends[1] != host);
        let first = |node: &super::NodePlan| matches!(node.kind, NodeKind::RingStation { .. });
        let role = match self.topology.nodes.iter().position(first) == Some(index) {
            true => RingRole::Monitor,
            false => RingRole::Station,
        };
        let host = Mac::of(host as u32, 0);
        RingStation::new(host, role, incoming.unwrap_or(1), outgoing.unwrap_or(2))
    }
}

fn root(parent: &[usize], mut member: usize) -> usize {
    while parent[member] != member {
        member = parent[member];
    }
    member
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(topology: &Topology) -> Vec<String> {
        let (_, hosts) = build(topology, &HostSettings::default(), 1);
        let first = |host: &Resident| format!("{} {}", host.name, host.addresses[0]);
        hosts.iter().map(first).collect()
    }

    #[test]
    fn every_network_has_its_own_prefix() {
        assert_eq!(addresses(&Topology::bus(2)), ["h0 10.0.0.1", "h1 10.0.0.2"]);
        let lans = addresses(&Topology::two_lans(1));
        assert_eq!(lans, ["h0 10.0.0.1", "h1 10.0.1.1"]);
        let many = addresses(&Topology::bus(600));
        assert_eq!(many[599], "h599 10.128.2.88");
    }

    #[test]
    fn routers_know_the_way_to_every_network() {
        let topology = Topology::router_ring(4);
        let plan = Plan::new(&topology);
        // Four networks of hosts and four between the routers, of which each router
        // has three itself; two versions each.
        let router = topology.find("r0").unwrap();
        assert_eq!(plan.routes(router).len(), (8 - 3) * 2);
    }
}
