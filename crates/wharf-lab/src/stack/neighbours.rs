//! Who has which hardware address: ARP (RFC 826) and neighbour discovery (RFC 4861).
//!
//! The stack speaks IP; here its packets get into frames. smoltcp could do that, but
//! it asks for one neighbour a second, whichever that is, knows 64 of them, and lets
//! one that is silent hold up everything behind it in a socket.
//!
//! ```text
//!   packet ──▶ next hop ──known──▶ frame ──▶ link
//!                  │ unknown: asks, up to three times
//!                  └─▶ waits ──answer──▶ frame ──▶ link
//!                        └──no answer──▶ "no route to host"
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};

use super::errors::EchoAnswer;
use super::host::{Host, Work};
use crate::core::{Action, Frame, HEADER, Mac, Time, Turn};
use crate::node::headers::{
    ARP, Arp, Discovery, IPV6, Ip, advertisement, ethernet, icmpv6_is_sound, kind_of, question,
    same_network,
};
use crate::node::neighbours::{LIFE, NEIGHBOURS, Neighbours};

/// What a host knows about its neighbours.
#[derive(Debug)]
pub(super) struct HostNeighbours {
    table: Neighbours<IpAddr, Frame>,
    /// Who sent the last frame, and when; and likewise those before.
    latest: (Mac, Time),
    heard: BTreeMap<Mac, Time>,
    /// Where the last packet for a neighbour that is known went: the address in the packet,
    /// the neighbour's, and until when that is believed. Most packets follow another one.
    way: Option<(IpAddr, Mac, Time)>,
    /// When it will be looked at.
    pub(super) armed: Time,
}

/// Where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// To the host itself.
    Own,
    /// To this hardware address.
    To(Mac),
    /// To this neighbour, once it is known.
    Unknown(IpAddr),
    /// The host has no route there.
    Nowhere,
}

impl Default for HostNeighbours {
    fn default() -> Self {
        HostNeighbours {
            table: Neighbours::new(),
            latest: (Mac::default(), Time::ZERO),
            heard: BTreeMap::new(),
            way: None,
            armed: Time::NEVER,
        }
    }
}

impl HostNeighbours {
    /// A frame has come from this neighbour, so it is there. RFC 4861 section 7.3.1 wants
    /// proof that frames *to* it arrive before its address is used without a doubt; here
    /// any frame from it will do, since on a slow link a question could wait for long
    /// behind what is said anyway. Only what has died without a word and comes back with
    /// another address is noticed later.
    pub(super) fn note_heard(&mut self, from: Mac, now: Time) {
        if self.latest.0 != from {
            self.note_latest(now);
        }
        self.latest = (from, now);
    }

    /// Who sent the last frame goes to those before.
    #[inline(never)]
    fn note_latest(&mut self, now: Time) {
        let (before, at) = self.latest;
        if self.heard.len() >= NEIGHBOURS {
            self.heard.retain(|_, at| *at + LIFE > now);
        }
        if self.heard.len() < NEIGHBOURS || self.heard.contains_key(&before) {
            self.heard.insert(before, at);
        }
    }

    /// The table, to change it.
    fn table(&mut self) -> &mut Neighbours<IpAddr, Frame> {
        self.way = None;
        &mut self.table
    }

    /// Whether a neighbour's address can be used without a question.
    fn is_sure(&self, mac: Mac, until: Time, now: Time) -> bool {
        until > now || self.was_heard(mac, now)
    }

    fn was_heard(&self, mac: Mac, now: Time) -> bool {
        let at = match self.latest {
            (latest, at) if latest == mac => Some(at),
            _ => self.heard.get(&mac).copied(),
        };
        at.is_some_and(|at| at + LIFE > now)
    }
}

impl Host {
    /// Where a packet of the stack goes next.
    pub(super) fn hop(&mut self, packet: &[u8], now: Time) -> Hop {
        let Some(to) = destination(packet) else {
            return Hop::Nowhere;
        };
        if let Some((before, mac, until)) = self.neighbours.way
            && before == to
            && self.neighbours.is_sure(mac, until, now)
        {
            return Hop::To(mac);
        }
        self.find_hop(to, now)
    }

    #[inline(never)]
    fn find_hop(&mut self, to: IpAddr, now: Time) -> Hop {
        if let Some(group) = self.group(to) {
            return Hop::To(group);
        }
        if self.is_own(to) {
            return Hop::Own;
        }
        let Some(next) = self.next_hop(to) else {
            return Hop::Nowhere;
        };
        match self.neighbours.table.address(&next) {
            Some((mac, until)) if self.neighbours.is_sure(mac, until, now) => {
                self.neighbours.way = Some((to, mac, until));
                Hop::To(mac)
            }
            _ => Hop::Unknown(next),
        }
    }

    /// The hardware address of a group, or of everybody.
    fn group(&self, to: IpAddr) -> Option<Mac> {
        match to {
            IpAddr::V4(to) if to.is_multicast() => {
                let [_, b, c, d] = to.octets();
                Some(Mac([0x01, 0x00, 0x5E, b & 0x7F, c, d]))
            }
            IpAddr::V6(to) if to.is_multicast() => {
                let [.., a, b, c, d] = to.octets();
                Some(Mac([0x33, 0x33, a, b, c, d]))
            }
            IpAddr::V4(to) => {
                let all = |(own, prefix): &(IpAddr, u8)| match own {
                    IpAddr::V4(own) if *prefix < 31 => {
                        u32::from(*own) | (u32::MAX >> prefix) == u32::from(to)
                    }
                    _ => false,
                };
                let everybody = to.is_broadcast() || self.addresses().iter().any(all);
                everybody.then_some(Mac::BROADCAST)
            }
            IpAddr::V6(_) => None,
        }
    }

    /// The neighbour that packets for `to` are handed to.
    fn next_hop(&self, to: IpAddr) -> Option<IpAddr> {
        if self.is_near(to) {
            return Some(to);
        }
        let mut gateways = self.gateways().iter();
        gateways.find(|it| it.is_ipv4() == to.is_ipv4()).copied()
    }

    /// Whether `to` is on the host's own network.
    pub(super) fn is_near(&self, to: IpAddr) -> bool {
        let mut own = self.addresses().iter();
        own.any(|(own, prefix)| same_network(*own, to, *prefix))
    }

    /// Sends a frame to a neighbour whose address is not known, or not for sure.
    pub(super) fn send_when_known(&mut self, next: IpAddr, frame: Frame, turn: &mut Turn<'_>) {
        let offered = self.neighbours.table().offer(next, frame, turn.now());
        if let Some((mac, mut frame)) = offered.send {
            frame.set_destination(mac);
            turn.send(0, frame);
        }
        for oldest in offered.dropped {
            turn.note(&oldest, REFUSED_WAITING);
        }
        if offered.ask {
            self.ask(next, turn);
        }
        self.arm_neighbours(offered.due);
    }

    fn arm_neighbours(&mut self, at: Time) {
        let armed = &mut self.neighbours.armed;
        self.timers.arm(armed, at, Work::Neighbours);
    }

    fn ask(&self, ip: IpAddr, turn: &mut Turn<'_>) {
        let mut own = self.addresses().iter();
        let near = own.find(|(own, prefix)| same_network(*own, ip, *prefix));
        let Some(&(own, _)) = near else {
            return;
        };
        if let Some(bytes) = question(own, self.mac(), ip) {
            let frame = Frame::new(turn.new_frame(), bytes);
            turn.note(&frame, Action::Sent);
            turn.send(0, frame);
        }
    }

    /// Asks those again that have not answered, and gives up those that never do.
    pub(super) fn poll_neighbours(&mut self, turn: &mut Turn<'_>) {
        let due = self.neighbours.table().poll(turn.now());
        for ip in due.again {
            self.ask(ip, turn);
        }
        for (ip, waiting) in due.lost {
            self.give_up(ip, waiting, turn);
        }
        self.arm_neighbours(due.next);
    }

    /// Nobody has answered: whoever sent what waits is told (RFC 1122 section 2.3.2.2).
    fn give_up(&mut self, ip: IpAddr, waiting: VecDeque<Frame>, turn: &mut Turn<'_>) {
        for frame in waiting {
            turn.note(&frame, Action::Refused("no neighbour has its address"));
            let own = self.own_for(ip).unwrap_or(ip);
            let unreachable = (libc::EHOSTUNREACH, EchoAnswer::Unreachable);
            self.note_failed(frame.payload(), own, unreachable);
        }
    }

    /// Learns a neighbour's address, and sends what waited for it.
    fn learn(&mut self, ip: IpAddr, mac: Mac, turn: &mut Turn<'_>) {
        if mac.is_group() || self.is_own(ip) || !self.is_near(ip) {
            return;
        }
        let (waiting, due) = self.neighbours.table().learn(ip, mac, turn.now());
        self.arm_neighbours(due);
        for mut frame in waiting {
            frame.set_destination(mac);
            turn.send(0, frame);
        }
    }

    pub(super) fn take_arp(&mut self, frame: &Frame, turn: &mut Turn<'_>) {
        let Some(arp) = Arp::parse(frame.payload()) else {
            return;
        };
        let (_, wanted) = arp.target;
        if !self.is_own(wanted.into()) {
            return;
        }
        // Who asks for this host will talk to it (RFC 826).
        self.learn(arp.sender.1.into(), arp.sender.0, turn);
        if arp.request {
            let answer = Arp {
                request: false,
                sender: (self.mac(), wanted),
                target: arp.sender,
            };
            let bytes = ethernet(arp.sender.0, self.mac(), ARP, &answer.bytes());
            self.answer_neighbour(frame, bytes, turn);
        }
    }

    pub(super) fn take_discovery(&mut self, frame: &Frame, turn: &mut Turn<'_>) {
        let packet = frame.payload();
        let Some(ip) = Ip::parse(IPV6, packet) else {
            return;
        };
        let message = packet.get(ip.header..ip.length).unwrap_or_default();
        if !icmpv6_is_sound(&ip, message) {
            return;
        }
        let Some(discovery) = Discovery::parse(&ip, message, frame.source()) else {
            return;
        };
        let target: Ipv6Addr = discovery.target;
        if !discovery.asks {
            return self.learn(target.into(), discovery.mac, turn);
        }
        if !self.is_own(target.into()) || ip.from.is_unspecified() {
            return;
        }
        self.learn(ip.from, discovery.mac, turn);
        // Solicited, override.
        let answer = advertisement(0x60, target, ip.from, self.mac(), discovery.mac);
        self.answer_neighbour(frame, answer, turn);
    }

    fn answer_neighbour(&self, question: &Frame, bytes: Vec<u8>, turn: &mut Turn<'_>) {
        let answer = question.child(turn.new_frame(), bytes);
        turn.note(&answer, Action::Sent);
        turn.send(0, answer);
    }
}

const REFUSED_WAITING: Action = Action::Refused("too many wait for the neighbour's address");

/// Fills in the header of a frame whose packet stands behind it.
pub(super) fn fill_header(bytes: &mut [u8], to: Mac, from: Mac) {
    if let Some((header, packet)) = bytes.split_at_mut_checked(HEADER) {
        header[..6].copy_from_slice(&to.0);
        header[6..12].copy_from_slice(&from.0);
        header[12..].copy_from_slice(&kind_of(packet).to_be_bytes());
    }
}

/// Where an IP packet goes.
fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => {
            let octets: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            Some(octets.into())
        }
        _ => {
            let octets: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            Some(octets.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::headers::icmp;
    use crate::stack::HostSettings;

    #[test]
    fn a_neighbour_that_is_heard_again_is_known_to_be_there_however_many_are() {
        let mac = |number: usize| {
            let [a, b] = (number as u16).to_be_bytes();
            Mac([2, 0, 0, 0, a, b])
        };
        let mut nearby = HostNeighbours::default();
        for number in 0..NEIGHBOURS {
            nearby.note_heard(mac(number), Time(1));
        }
        let later = Time(50_000_000_000);
        nearby.note_heard(mac(7), later);
        nearby.note_heard(mac(8), later);
        let now = Time(70_000_000_000);
        assert!(nearby.was_heard(mac(7), now) && nearby.was_heard(mac(8), now));
        assert!(!nearby.was_heard(mac(9), now));
    }

    #[test]
    fn a_packet_goes_where_its_neighbour_is_now() {
        let (first, second) = (Mac([2, 0, 0, 0, 0, 2]), Mac([2, 0, 0, 0, 0, 3]));
        let (own, to): (IpAddr, IpAddr) =
            ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let packet = icmp(own, to, 64, vec![8, 0, 0, 0, 0, 1, 0, 1]);
        let mut host = Host::new(Mac::default(), &[(own, 24)], HostSettings::default(), 1, 1);
        let now = Time(1);
        assert_eq!(host.hop(&packet, now), Hop::Unknown(to));
        for mac in [first, second] {
            host.neighbours.table().learn(to, mac, now);
            assert_eq!(host.hop(&packet, now), Hop::To(mac));
            assert_eq!(host.hop(&packet, now), Hop::To(mac));
        }
        // It was not heard for a minute.
        assert_eq!(host.hop(&packet, now + LIFE), Hop::Unknown(to));
        host.neighbours.note_heard(second, Time(2));
        assert_eq!(host.hop(&packet, now + LIFE), Hop::To(second));
    }
}
