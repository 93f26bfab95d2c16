//! A router: it passes packets from one network to another (RFC 1812, RFC 8200).
//!
//! It takes one hop from each packet and answers with ICMP *time exceeded* when
//! none is left; it looks the longest matching prefix up in its table of static
//! routes; it asks for the next hop's hardware address (ARP, neighbour discovery)
//! while packets wait; and it says *unreachable* when nobody answers.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::headers::{
    ARP, Arp, Complaint, Discovery, ICMP, ICMPV6, IPV4, Ip, advertisement, ethernet, fragments,
    icmp, icmpv6_is_sound, kind_of, one_hop_less, question, same_network,
};
use super::neighbours::{Neighbours, Waits};
use crate::core::{Action, ETHERNET_MTU, Frame, HEADER, Mac, Node, Turn};

/// What the router puts into its own packets (RFC 1700).
const HOPS: u8 = 64;

/// A router with an interface for each link.
#[derive(Debug)]
pub struct Router {
    interfaces: Vec<Interface>,
    routes: Vec<Route>,
    neighbours: Neighbours<(usize, IpAddr), Outgoing>,
    counters: RouterCounters,
}

/// A route: packets for this network go to that neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// An address of the network.
    pub network: IpAddr,
    /// How many of its bits count.
    pub prefix: u8,
    /// The router behind which the network is.
    pub via: IpAddr,
}

/// What a router has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouterCounters {
    /// Packets passed on.
    pub forwarded: u64,
    /// ICMP errors sent.
    pub complaints: u64,
    /// Packets dropped: damaged, no room while waiting, or about an error.
    pub dropped: u64,
}

#[derive(Debug)]
struct Interface {
    mac: Mac,
    /// Its addresses with the length of their prefixes.
    addresses: Vec<(IpAddr, u8)>,
    mtu: usize,
}

/// A packet to be sent, and the frame in which it came.
#[derive(Debug)]
struct Outgoing {
    about: Frame,
    packet: Vec<u8>,
}

impl Waits for Outgoing {
    fn size(&self) -> usize {
        self.about.len() + self.packet.len()
    }
}

impl Router {
    /// A router without interfaces.
    pub fn new() -> Self {
        Router {
            interfaces: Vec::new(),
            routes: Vec::new(),
            neighbours: Neighbours::new(),
            counters: RouterCounters::default(),
        }
    }

    /// Adds the next interface: that of the next port.
    #[must_use]
    pub fn interface(mut self, mac: Mac, addresses: &[(IpAddr, u8)]) -> Self {
        self.interfaces.push(Interface {
            mac,
            addresses: addresses.to_vec(),
            mtu: ETHERNET_MTU,
        });
        self
    }

    /// Sets the MTU of the interface that was added last.
    #[must_use]
    pub fn mtu(mut self, bytes: usize) -> Self {
        if let Some(interface) = self.interfaces.last_mut() {
            interface.mtu = bytes;
        }
        self
    }

    /// Adds a static route.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// What it has done.
    pub fn counters(&self) -> RouterCounters {
        self.counters
    }

    fn is_own(&self, ip: IpAddr) -> bool {
        let all = self.interfaces.iter().flat_map(|it| &it.addresses);
        all.into_iter().any(|(own, _)| *own == ip)
    }

    /// The interface's own address of the version of `ip`.
    fn address_at(&self, port: usize, ip: IpAddr) -> Option<IpAddr> {
        let addresses = &self.interfaces.get(port)?.addresses;
        let own = addresses.iter().map(|(own, _)| *own);
        own.filter(|own| own.is_ipv4() == ip.is_ipv4())
            .max_by_key(|own| *own == ip)
    }

    /// The port and the neighbour that packets for `to` go to.
    fn way(&self, to: IpAddr) -> Option<(usize, IpAddr)> {
        if let Some(port) = self.port_of(to) {
            return Some((port, to));
        }
        let fitting = self
            .routes
            .iter()
            .filter(|it| same_network(it.network, to, it.prefix));
        let route = fitting.max_by_key(|it| it.prefix)?;
        Some((self.port_of(route.via)?, route.via))
    }

    /// The port behind which the network of `ip` is.
    fn port_of(&self, ip: IpAddr) -> Option<usize> {
        self.interfaces.iter().position(|it| {
            let mut own = it.addresses.iter();
            own.any(|(address, prefix)| same_network(*address, ip, *prefix))
        })
    }

    fn forward(&mut self, port: usize, ip: &Ip, frame: &Frame, turn: &mut Turn<'_>) {
        let packet = frame.payload();
        if ip.hops <= 1 {
            return self.complain(port, Complaint::TimeExceeded, ip, frame, turn);
        }
        let Some((out, next)) = self.way(ip.to) else {
            return self.complain(port, Complaint::NoRoute, ip, frame, turn);
        };
        let mtu = self.interfaces[out].mtu;
        let whole = one_hop_less(packet, ip);
        if whole.len() <= mtu {
            return self.hand_over(out, next, frame, whole, turn);
        }
        if !ip.may_fragment {
            let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
            return self.complain(port, Complaint::TooBig(mtu), ip, frame, turn);
        }
        for part in fragments(&whole, ip, mtu) {
            self.hand_over(out, next, frame, part, turn);
        }
    }

    /// Sends a packet to a neighbour, whose address may have to be asked for first.
    fn hand_over(
        &mut self,
        out: usize,
        next: IpAddr,
        about: &Frame,
        packet: Vec<u8>,
        turn: &mut Turn<'_>,
    ) {
        let now = turn.now();
        let key = (out, next);
        if let Some((mac, until)) = self.neighbours.address(&key)
            && until > now
        {
            return self.transmit(out, mac, about, &packet, turn);
        }
        let about = about.clone();
        let outgoing = Outgoing { about, packet };
        let offered = self.neighbours.offer(key, outgoing, now);
        if let Some((mac, Outgoing { about, packet })) = offered.send {
            self.transmit(out, mac, &about, &packet, turn);
        }
        for Outgoing { about, .. } in offered.dropped {
            self.counters.dropped += 1;
            turn.note(
                &about,
                Action::Unroutable("too many wait for the neighbour's address"),
            );
        }
        if offered.ask {
            self.ask(out, next, turn);
        }
        turn.wake_at(offered.due);
    }

    fn transmit(&mut self, out: usize, to: Mac, about: &Frame, packet: &[u8], turn: &mut Turn<'_>) {
        let kind = kind_of(packet);
        let bytes = ethernet(to, self.interfaces[out].mac, kind, packet);
        let mut frame = about.child(turn.new_frame(), bytes);
        // The header of the link is new; a fragment has its bytes elsewhere.
        let carried = about.damaged.filter(|byte| *byte >= HEADER);
        frame.damaged = carried.filter(|_| frame.len() == about.len());
        self.counters.forwarded += 1;
        let hops = if kind == IPV4 { packet[8] } else { packet[7] };
        turn.note(&frame, Action::Routed(hops));
        turn.send(out, frame);
    }

    /// Asks for the hardware address of a neighbour.
    fn ask(&self, out: usize, ip: IpAddr, turn: &mut Turn<'_>) {
        let Some(own) = self.address_at(out, ip) else {
            return;
        };
        let mac = self.interfaces[out].mac;
        let Some(bytes) = question(own, mac, ip) else {
            return;
        };
        let frame = Frame::new(turn.new_frame(), bytes);
        turn.send(out, frame);
    }

    /// Learns a neighbour's address, and sends what waited for it.
    fn learn(&mut self, port: usize, ip: IpAddr, mac: Mac, turn: &mut Turn<'_>) {
        if mac.is_group() {
            return;
        }
        let (waiting, due) = self.neighbours.learn((port, ip), mac, turn.now());
        turn.wake_at(due);
        for Outgoing { about, packet } in waiting {
            self.transmit(port, mac, &about, &packet, turn);
        }
    }

    fn receive_arp(&mut self, port: usize, frame: &Frame, turn: &mut Turn<'_>) {
        let Some(arp) = Arp::parse(frame.payload()) else {
            return;
        };
        let (_, wanted) = arp.target;
        let own = self.address_at(port, wanted.into()) == Some(wanted.into());
        if !own || self.port_of(arp.sender.1.into()) != Some(port) {
            return;
        }
        self.learn(port, arp.sender.1.into(), arp.sender.0, turn);
        if arp.request {
            let mac = self.interfaces[port].mac;
            let answer = Arp {
                request: false,
                sender: (mac, wanted),
                target: arp.sender,
            };
            let bytes = ethernet(arp.sender.0, mac, ARP, &answer.bytes());
            let frame = frame.child(turn.new_frame(), bytes);
            turn.send(port, frame);
        }
    }

    /// A packet for the router itself: it answers echo requests and neighbour discovery.
    fn receive_own(&mut self, port: usize, ip: &Ip, frame: &Frame, turn: &mut Turn<'_>) {
        let message = &frame.payload()[ip.header..ip.length];
        let reply = match (ip.protocol, message.first()) {
            (ICMP, Some(8)) => Some(0),
            (ICMPV6, Some(128)) if icmpv6_is_sound(ip, message) => Some(129),
            (ICMPV6, Some(135 | 136)) if icmpv6_is_sound(ip, message) => {
                return self.receive_discovery(port, ip, message, frame, turn);
            }
            _ => None,
        };
        match reply {
            Some(kind) if message.len() >= 8 => {
                let mut answer = message.to_vec();
                answer[0] = kind;
                let packet = icmp(ip.to, ip.from, HOPS, answer);
                turn.note(frame, Action::Answered("ICMP echo reply"));
                self.send_own(ip.from, frame, packet, turn);
            }
            _ => self.counters.dropped += 1,
        }
    }

    fn receive_discovery(
        &mut self,
        port: usize,
        ip: &Ip,
        message: &[u8],
        frame: &Frame,
        turn: &mut Turn<'_>,
    ) {
        let Some(discovery) = Discovery::parse(ip, message, frame.source()) else {
            return;
        };
        let Discovery { asks, target, mac } = discovery;
        if !asks {
            return self.learn(port, target.into(), mac, turn);
        }
        if !ip.from.is_unspecified() {
            self.learn(port, ip.from, mac, turn);
        }
        let mut own = self.interfaces[port].addresses.iter();
        if own.any(|(own, _)| *own == IpAddr::V6(target)) {
            let own = self.interfaces[port].mac;
            // Router, solicited, override.
            let answer = advertisement(0xE0, target, ip.from, own, mac);
            let frame = frame.child(turn.new_frame(), answer);
            turn.send(port, frame);
        }
    }

    /// Tells the sender of a packet why it goes no further.
    fn complain(
        &mut self,
        port: usize,
        why: Complaint,
        ip: &Ip,
        frame: &Frame,
        turn: &mut Turn<'_>,
    ) {
        let packet = &frame.payload()[..ip.length];
        let kind = packet.get(ip.header).copied().unwrap_or(0);
        // Never about an error, a group or a later fragment (RFC 1122 section 3.2.2).
        let about_error = match ip.protocol {
            ICMP => !matches!(kind, 0 | 8),
            ICMPV6 => kind < 128,
            _ => false,
        };
        let own = self.address_at(port, ip.from);
        let (Some(own), false) = (own, about_error || ip.to.is_multicast() || !ip.first) else {
            self.counters.dropped += 1;
            return turn.note(
                frame,
                Action::Unroutable("no error about this packet is allowed"),
            );
        };
        self.counters.complaints += 1;
        turn.note(frame, Action::Answered(why.name()));
        let answer = icmp(own, ip.from, HOPS, why.message(packet, ip.from));
        self.send_own(ip.from, frame, answer, turn);
    }

    fn send_own(&mut self, to: IpAddr, about: &Frame, packet: Vec<u8>, turn: &mut Turn<'_>) {
        match self.way(to) {
            Some((out, next)) => self.hand_over(out, next, about, packet, turn),
            None => self.counters.dropped += 1,
        }
    }

    /// Nobody has answered: all who wait are told.
    fn give_up(&mut self, waiting: VecDeque<Outgoing>, turn: &mut Turn<'_>) {
        for Outgoing { about, packet } in waiting {
            let Some(header) = Ip::parse(kind_of(&packet), &packet) else {
                continue;
            };
            let Some((back, _)) = self.way(header.from) else {
                continue;
            };
            let bytes = ethernet(Mac::default(), Mac::default(), kind_of(&packet), &packet);
            let frame = about.child(about.id, bytes);
            self.complain(back, Complaint::NoSuchHost, &header, &frame, turn);
        }
    }
}

impl Default for Router {
    fn default() -> Self {
        Router::new()
    }
}

impl Node for Router {
    fn kind(&self) -> &'static str {
        "router"
    }

    fn attach(&mut self, _: usize) {}

    fn receive(&mut self, port: usize, frame: Frame, turn: &mut Turn<'_>) {
        let Some(interface) = self.interfaces.get(port) else {
            return;
        };
        let to = frame.destination();
        if to != interface.mac && !to.is_group() {
            return turn.note(&frame, Action::Ignored);
        }
        if frame.ether_type() == ARP {
            return self.receive_arp(port, &frame, turn);
        }
        let Some(ip) = Ip::parse(frame.ether_type(), frame.payload()) else {
            self.counters.dropped += 1;
            return turn.note(&frame, Action::Unroutable("no intact IP packet"));
        };
        let solicited = match ip.to {
            IpAddr::V6(to) => to.is_multicast(),
            IpAddr::V4(_) => false,
        };
        if self.is_own(ip.to) || solicited {
            self.receive_own(port, &ip, &frame, turn);
        } else if !to.is_group() {
            self.forward(port, &ip, &frame, turn);
        }
    }

    fn wake(&mut self, turn: &mut Turn<'_>) {
        let due = self.neighbours.poll(turn.now());
        for (port, ip) in due.again {
            self.ask(port, ip, turn);
        }
        for (_, waiting) in due.lost {
            self.give_up(waiting, turn);
        }
        turn.wake_at(due.next);
    }
}
