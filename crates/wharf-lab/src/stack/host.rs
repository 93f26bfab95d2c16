//! The host itself: what comes in at its card, and what it has to do when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};

use slab::Slab;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::icmp;
use smoltcp::wire::{
    HardwareAddress, Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr, IpAddress, IpCidr,
};

use super::card::{Card, Received, Sent};
use super::conn::{Conn, ConnectionReport, Hold};
use super::datagrams::UdpPort;
use super::errors::Answers;
use super::listen::{Admission, Listening};
use super::neighbours::{Hop, HostNeighbours, fill_header};
use super::segment::{self, Ends, Kind, Segment};
use super::{instant, shim};
use crate::core::{Action, Dice, ETHERNET_MTU, Frame, Mac, Node, Purpose, Spare, Time, Turn};
use crate::node::headers::solicited_node;

/// The first ephemeral port (RFC 6335), and the first where port 0 is asked for.
const FIRST_EPHEMERAL: u16 = 49_152;

/// If the stack wants to be polled at once but does nothing then, it is asked again
/// after this long. It was never seen to happen; it must not stop the clock.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(1);

/// How long fragments wait for those that are missing, as on Linux (ipfrag_time).
const REASSEMBLY: std::time::Duration = std::time::Duration::from_secs(30);

/// How many reports of closed connections a host keeps, the oldest go first.
const REPORTS: usize = 10_000;

/// How many echo requests and their answers the stack holds.
const ECHOES: usize = 16;

/// How a TCP sender meets congestion. There is no third possibility: without
/// congestion control smoltcp moves 0.017 Mbit/s over a 10 Mbit/s link (measured).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Congestion {
    /// RFC 5681, without selective acknowledgements.
    Reno,
    /// RFC 9438, what Linux uses.
    #[default]
    Cubic,
}

/// What a host is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct HostSettings {
    /// Congestion control of its connections.
    pub congestion: Congestion,
    /// The buffer of each direction of a connection, in bytes, where the program
    /// asks for nothing else. 256 KiB hold the bandwidth-delay product of
    /// 100 Mbit/s over 20 ms.
    pub stream_buffer: usize,
    /// The MTU of its link.
    pub mtu: usize,
}

impl Default for HostSettings {
    fn default() -> Self {
        HostSettings {
            congestion: Congestion::default(),
            stream_buffer: 256 * 1024,
            mtu: ETHERNET_MTU,
        }
    }
}

/// A part of the host that has something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Work {
    /// A connection.
    Conn(usize),
    /// UDP sockets and echo requests, which share one socket set.
    Shared,
    /// Neighbours that were asked for their addresses.
    Neighbours,
}

/// What is to be done when: each part of the host has one entry at most.
///
/// Whoever is to be looked at earlier than planned takes its old entry with it. If
/// that stayed behind, a conversation of short messages would leave one for each of
/// them, and they are seconds away (retransmission) or hours (keep-alive).
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Time, Work)>);

impl Timers {
    /// Plans `work` for `at`, unless it is planned for an earlier time (`armed`).
    pub(super) fn arm(&mut self, armed: &mut Time, at: Time, work: Work) {
        if at < *armed {
            self.plan(armed, at, work);
        }
    }

    #[inline(never)]
    fn plan(&mut self, armed: &mut Time, at: Time, work: Work) {
        self.disarm(*armed, work);
        *armed = at;
        self.0.insert((at, work));
    }

    /// Forgets what was planned for `armed`.
    pub(super) fn disarm(&mut self, armed: Time, work: Work) {
        if armed != Time::NEVER {
            self.0.remove(&(armed, work));
        }
    }

    fn due(&mut self, now: Time) -> Option<Work> {
        let (at, _) = *self.0.first()?;
        let due = (at <= now).then(|| self.0.pop_first()).flatten();
        due.map(|(_, work)| work)
    }

    fn next_at(&self) -> Option<Time> {
        self.0.first().map(|(at, _)| *at)
    }
}

/// The ends of a connection, in the order in which they differ: a server's thousand
/// connections have ports of their own, and little else.
pub(super) type EndsKey = (u16, u16, IpAddr, IpAddr);

pub(super) fn ends_key(local: SocketAddr, peer: SocketAddr) -> EndsKey {
    (peer.port(), local.port(), peer.ip(), local.ip())
}

/// A host: a node with one port, addresses and sockets.
pub struct Host {
    mac: Mac,
    addresses: Vec<(IpAddr, u8)>,
    gateways: Vec<IpAddr>,
    settings: HostSettings,
    pub(super) iface: Interface,
    card: Card,
    pub(super) conns: Slab<Conn>,
    pub(super) by_ends: BTreeMap<EndsKey, usize>,
    /// Which connection the last segment was for: most segments follow another one.
    latest: usize,
    pub(super) listeners: Slab<Listening>,
    pub(super) udp: Slab<UdpPort>,
    /// UDP sockets and the echo socket.
    pub(super) shared: SocketSet<'static>,
    shared_armed: Time,
    pub(super) closing: Vec<SocketHandle>,
    /// For what belongs to no socket: ARP, echo requests of others, stray segments.
    nobody: SocketSet<'static>,
    echo: Option<SocketHandle>,
    pub(super) answers: Answers,
    pub(super) timers: Timers,
    pub(super) work: Vec<Work>,
    /// The list that `work` was last time.
    spare: Vec<Work>,
    pub(super) neighbours: HostNeighbours,
    /// Frames that the host sent to itself.
    looped: VecDeque<Frame>,
    next_port: u16,
    closed: VecDeque<ConnectionReport>,
}

impl Host {
    /// A host with the hardware address `mac` and these addresses with the lengths
    /// of their prefixes, of which at most four count. `place` numbers its
    /// randomness.
    pub fn new(
        mac: Mac,
        addresses: &[(IpAddr, u8)],
        settings: HostSettings,
        seed: u64,
        place: u64,
    ) -> Self {
        let mut card = Card {
            mtu: settings.mtu,
            ..Card::default()
        };
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = Dice::new(seed, place, Purpose::Stack).number();
        let mut iface = Interface::new(config, &mut card, instant(Time::ZERO));
        iface.set_reassembly_timeout(super::span(REASSEMBLY));
        iface.update_ip_addrs(|list| {
            for (ip, prefix) in addresses {
                // What finds no room is not an address of the host.
                let _ = list.push(IpCidr::new(IpAddress::from(*ip), *prefix));
            }
        });
        for (ip, _) in addresses {
            if let IpAddr::V6(ip) = ip {
                // Told to switches that listen to it (RFC 3810); heard in any case.
                let _ = iface.join_multicast_group(solicited_node(*ip).0);
            }
        }
        Host {
            mac,
            addresses: addresses.to_vec(),
            gateways: Vec::new(),
            settings,
            iface,
            card,
            conns: Slab::new(),
            by_ends: BTreeMap::new(),
            latest: 0,
            listeners: Slab::new(),
            udp: Slab::new(),
            shared: SocketSet::new(Vec::new()),
            shared_armed: Time::NEVER,
            closing: Vec::new(),
            nobody: SocketSet::new(Vec::new()),
            echo: None,
            answers: Answers::default(),
            timers: Timers::default(),
            work: Vec::new(),
            spare: Vec::new(),
            neighbours: HostNeighbours::default(),
            looped: VecDeque::new(),
            next_port: FIRST_EPHEMERAL,
            closed: VecDeque::new(),
        }
    }

    /// Sends what is not for its own network to this router.
    #[must_use]
    pub fn gateway(mut self, router: IpAddr) -> Self {
        let routes = self.iface.routes_mut();
        // A host has one default route for each version, and there is room for both.
        let _ = match router {
            IpAddr::V4(router) => routes.add_default_ipv4_route(router).map(|_| ()),
            IpAddr::V6(router) => routes.add_default_ipv6_route(router).map(|_| ()),
        };
        self.gateways.push(router);
        self
    }

    /// Its addresses with the lengths of their prefixes.
    pub fn addresses(&self) -> &[(IpAddr, u8)] {
        &self.addresses
    }

    pub(super) fn gateways(&self) -> &[IpAddr] {
        &self.gateways
    }

    /// The connection between these ends.
    pub(super) fn conn_of(&self, local: SocketAddr, peer: SocketAddr) -> Option<usize> {
        self.by_ends.get(&ends_key(local, peer)).copied()
    }

    /// Its hardware address.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// How it was made.
    pub fn settings(&self) -> &HostSettings {
        &self.settings
    }

    /// Its connections: those that are closed, then those that are open.
    pub fn connections(&self) -> Vec<ConnectionReport> {
        let open = self.conns.iter().map(|(_, conn)| conn.report());
        self.closed.iter().cloned().chain(open).collect()
    }

    /// How many connections it has, those included that no program holds any more.
    pub fn open_connections(&self) -> usize {
        self.conns.len()
    }

    pub(super) fn mtu(&self) -> usize {
        self.settings.mtu
    }

    pub(super) fn note_closed(&mut self, report: ConnectionReport) {
        if self.closed.len() >= REPORTS {
            self.closed.pop_front();
        }
        self.closed.push_back(report);
    }

    pub(super) fn is_own(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|(own, _)| *own == ip)
    }

    /// Only its own addresses, all of them, or a group can be bound to.
    pub(super) fn check_own(&self, ip: IpAddr) -> io::Result<()> {
        match self.is_own(ip) || ip.is_unspecified() || ip.is_multicast() {
            true => Ok(()),
            false => Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL)),
        }
    }

    /// The address from which to reach `to`.
    pub(super) fn own_for(&self, to: IpAddr) -> io::Result<IpAddr> {
        let own = self.addresses.iter().map(|(own, _)| *own);
        own.filter(|own| own.is_ipv4() == to.is_ipv4())
            .max_by_key(|own| *own == to)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::ENETUNREACH))
    }

    /// Whether there is a way to `to`: on its own network or over a router.
    pub(super) fn has_route(&self, to: IpAddr) -> bool {
        let broadcast = matches!(to, IpAddr::V4(to) if to.is_broadcast());
        broadcast
            || to.is_multicast()
            || self.is_near(to)
            || self.gateways.iter().any(|it| it.is_ipv4() == to.is_ipv4())
    }

    /// The local end of a connection to `to`.
    pub(super) fn local_for(
        &mut self,
        from: Option<SocketAddr>,
        to: SocketAddr,
    ) -> io::Result<SocketAddr> {
        if !self.has_route(to.ip()) {
            return Err(io::Error::from_raw_os_error(libc::ENETUNREACH));
        }
        let ip = match from.map(|from| from.ip()).filter(|ip| !ip.is_unspecified()) {
            Some(ip) if self.is_own(ip) && ip.is_ipv4() == to.is_ipv4() => ip,
            Some(_) => return Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL)),
            None => self.own_for(to.ip())?,
        };
        let taken = |host: &Host, port| host.conn_of(SocketAddr::new(ip, port), to).is_some();
        let port = match from.map_or(0, |from| from.port()) {
            0 => self.free_port(|host, port| !taken(host, port))?,
            port if taken(self, port) => return Err(io::ErrorKind::AddrInUse.into()),
            port => port,
        };
        Ok(SocketAddr::new(ip, port))
    }

    /// The next ephemeral port that is `free`.
    pub(super) fn free_port(&mut self, free: impl Fn(&Host, u16) -> bool) -> io::Result<u16> {
        for _ in FIRST_EPHEMERAL..=u16::MAX {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(FIRST_EPHEMERAL);
            if free(self, port) {
                return Ok(port);
            }
        }
        Err(io::Error::from_raw_os_error(libc::EADDRNOTAVAIL))
    }

    /// Sends an echo request; [`Host::poll_answer`] says what came of it.
    pub(crate) fn send_echo(&mut self, to: IpAddr, sequence: u16, hops: u8) -> io::Result<()> {
        const IDENT: u16 = 0x5768;
        if !self.has_route(to) {
            return Err(io::Error::from_raw_os_error(libc::ENETUNREACH));
        }
        let source = self.own_for(to)?;
        let handle = *self.echo.get_or_insert_with(|| {
            let buffer = || {
                let slots = vec![icmp::PacketMetadata::EMPTY; ECHOES];
                icmp::PacketBuffer::new(slots, vec![0; 2_048])
            };
            let mut socket = icmp::Socket::new(buffer(), buffer());
            // A new socket and a valid identifier: bind has no reason to fail.
            let _ = socket.bind(icmp::Endpoint::Ident(IDENT));
            self.shared.add(socket)
        });
        let socket = self.shared.get_mut::<icmp::Socket>(handle);
        socket.set_hop_limit(Some(hops.max(1)));
        // What answered before was read from the frame itself.
        while socket.recv().is_ok() {}
        let full = |_| io::Error::from_raw_os_error(libc::ENOBUFS);
        let data = *b"wharf lab ping";
        let checksums = smoltcp::phy::ChecksumCapabilities::default();
        match (source, to) {
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let echo = Icmpv6Repr::EchoRequest {
                    ident: IDENT,
                    seq_no: sequence,
                    data: &data,
                };
                let bytes = socket.send(echo.buffer_len(), to.into()).map_err(full)?;
                let mut packet = Icmpv6Packet::new_unchecked(bytes);
                echo.emit(&from, &to, &mut packet, &checksums);
            }
            _ => {
                let echo = Icmpv4Repr::EchoRequest {
                    ident: IDENT,
                    seq_no: sequence,
                    data: &data,
                };
                let bytes = socket.send(echo.buffer_len(), to.into()).map_err(full)?;
                echo.emit(&mut Icmpv4Packet::new_unchecked(bytes), &checksums);
            }
        }
        self.work.push(Work::Shared);
        Ok(())
    }

    /// A frame for this host, from its link or from itself.
    fn take_in(&mut self, frame: Frame, turn: &mut Turn<'_>) {
        self.neighbours.note_heard(frame.source(), turn.now());
        match segment::tcp(frame.bytes()) {
            Some(segment) => self.take_segment(frame, &segment, turn),
            None => self.take_other(frame, turn),
        }
    }

    #[inline(never)]
    fn take_other(&mut self, frame: Frame, turn: &mut Turn<'_>) {
        match segment::kind(frame.bytes()) {
            Kind::Arp => {
                turn.note(&frame, Action::Taken);
                self.take_arp(&frame, turn);
            }
            Kind::Discovery => {
                turn.note(&frame, Action::Taken);
                self.take_discovery(&frame, turn);
            }
            Kind::Udp { to, length } => {
                let before = self.waiting_at(to);
                self.take_shared(frame, turn);
                if let Some((id, waiting)) = before {
                    let after = self.waiting_at(to);
                    if length > 0 && after == Some((id, waiting)) {
                        self.udp[id].dropped += 1;
                    }
                }
            }
            Kind::Icmp => {
                self.note_icmp(frame.bytes());
                self.take_shared(frame, turn);
            }
            Kind::Other => self.take_shared(frame, turn),
            Kind::Foreign => turn.note(&frame, Action::Taken),
        }
    }

    fn take_segment(&mut self, frame: Frame, segment: &Segment, turn: &mut Turn<'_>) {
        let Some(ends) = segment::ends(frame.bytes(), segment.at) else {
            return self.take_other(frame, turn);
        };
        let known = match self.conns.get(self.latest) {
            Some(conn) if conn.local == ends.to && conn.peer == ends.from => Some(self.latest),
            _ => self.conn_of(ends.to, ends.from),
        };
        match known {
            Some(id) => self.take_known(id, frame, segment, turn),
            None => self.take_stranger(&ends, frame, segment, turn),
        }
    }

    /// A segment that belongs to no connection; it may open one.
    #[cold]
    fn take_stranger(&mut self, ends: &Ends, frame: Frame, segment: &Segment, turn: &mut Turn<'_>) {
        let opens = segment.syn() && !segment.ack() && self.is_own(ends.to.ip());
        match opens {
            true => match self.admit(ends, turn.now()) {
                Admission::Conn(id) => self.take_known(id, frame, segment, turn),
                Admission::Nobody => self.take_for_nobody(frame, turn),
                Admission::Full => turn.note(&frame, Action::Refused("the backlog is full")),
            },
            false => self.take_for_nobody(frame, turn),
        }
    }

    fn take_known(&mut self, id: usize, frame: Frame, segment: &Segment, turn: &mut Turn<'_>) {
        turn.note(&frame, Action::Taken);
        self.latest = id;
        let conn = &mut self.conns[id];
        conn.note_received(segment, &frame);
        self.card.received = Some(Received {
            bytes: shim::expected_sequence(frame.into_bytes(), segment, conn.last_ack),
            message: 0,
        });
        let now = instant(turn.now());
        self.iface
            .poll_ingress_single(now, &mut self.card, &mut conn.set);
        conn.note_processed(segment, turn.now());
        self.poll_conn(id, turn);
    }

    fn take_shared(&mut self, frame: Frame, turn: &mut Turn<'_>) {
        turn.note(&frame, Action::Taken);
        let message = frame.message.unwrap_or(0);
        self.card.received = Some(Received {
            bytes: frame.into_bytes(),
            message,
        });
        let now = instant(turn.now());
        self.iface
            .poll_ingress_single(now, &mut self.card, &mut self.shared);
        self.poll_shared(turn);
    }

    fn take_for_nobody(&mut self, frame: Frame, turn: &mut Turn<'_>) {
        turn.note(&frame, Action::Taken);
        self.card.received = Some(Received {
            bytes: frame.into_bytes(),
            message: 0,
        });
        let now = instant(turn.now());
        self.iface
            .poll_ingress_single(now, &mut self.card, &mut self.nobody);
        self.flush(None, turn);
    }

    /// Lets a connection send what it can.
    pub(super) fn poll_conn(&mut self, id: usize, turn: &mut Turn<'_>) {
        let now = instant(turn.now());
        let mut sent = Activity::Quiet;
        let mut wish = None;
        while let Some(conn) = self.conns.get_mut(id) {
            let mss = mss(self.settings.mtu, conn.peer);
            let held = conn.instruct(mss);
            wish = None;
            if conn.may_expire() {
                // The stack says in a few steps that it has nothing to send; to try costs
                // it many.
                wish = self.iface.poll_at(now, &conn.set);
                while wish.is_some_and(|at| at <= now) {
                    let set = &mut conn.set;
                    let result = self.iface.poll_egress(now, &mut self.card, set);
                    // Also without sending it may have changed what it waits for.
                    wish = self.iface.poll_at(now, set);
                    if result == PollResult::None {
                        break;
                    }
                }
            }
            if self.flush(Some(id), turn) == Activity::Sent {
                sent = Activity::Sent;
            }
            // The end of what is to be sent may be small.
            if held == Hold::Nothing || self.conns[id].instruct(mss) == Hold::Small {
                break;
            }
        }
        if let Some(conn) = self.conns.get_mut(id) {
            let at = when(wish.map(|at| at.total_micros()), sent, turn.now());
            self.timers.arm(&mut conn.armed, at, Work::Conn(id));
            self.settle(id, turn);
        }
    }

    fn poll_shared(&mut self, turn: &mut Turn<'_>) {
        let now = instant(turn.now());
        loop {
            let result = self
                .iface
                .poll_egress(now, &mut self.card, &mut self.shared);
            // One datagram may be many fragments, and only one can be cut at a time.
            while self.iface.poll_at(now, &self.nobody).is_some() {
                self.iface
                    .poll_egress(now, &mut self.card, &mut self.nobody);
            }
            if result == PollResult::None {
                break;
            }
        }
        let sent = self.flush(None, turn);
        self.remove_closed();
        let wish = self.iface.poll_at(now, &self.shared);
        let at = when(wish.map(|at| at.total_micros()), sent, turn.now());
        self.timers.arm(&mut self.shared_armed, at, Work::Shared);
    }

    /// Puts onto the link what the stack has sent.
    fn flush(&mut self, conn: Option<usize>, turn: &mut Turn<'_>) -> Activity {
        let mut activity = Activity::Quiet;
        while let Some(outgoing) = self.card.sent.pop_front() {
            self.send(outgoing, conn, turn);
            activity = Activity::Sent;
        }
        activity
    }

    /// Puts a packet of the stack into a frame, and that onto the link.
    fn send(&mut self, outgoing: Sent, conn: Option<usize>, turn: &mut Turn<'_>) {
        match self.hop(outgoing.packet(), turn.now()) {
            Hop::To(mac) => {
                let frame = self.frame(outgoing, mac, conn, turn);
                turn.send(0, frame);
            }
            Hop::Own => self.send_to_itself(outgoing, conn, turn),
            Hop::Unknown(next) => self.send_unaddressed(outgoing, Some(next), conn, turn),
            Hop::Nowhere => self.send_unaddressed(outgoing, None, conn, turn),
        }
    }

    #[cold]
    fn send_to_itself(&mut self, outgoing: Sent, conn: Option<usize>, turn: &mut Turn<'_>) {
        let frame = self.frame(outgoing, self.mac, conn, turn);
        self.looped.push_back(frame);
    }

    /// What goes to a neighbour who is not known yet, or nowhere.
    #[cold]
    fn send_unaddressed(
        &mut self,
        outgoing: Sent,
        next: Option<IpAddr>,
        conn: Option<usize>,
        turn: &mut Turn<'_>,
    ) {
        let frame = self.frame(outgoing, Mac::default(), conn, turn);
        match next {
            Some(next) => self.send_when_known(next, frame, turn),
            None => turn.note(&frame, Action::Refused("no route")),
        }
    }

    fn frame(
        &mut self,
        outgoing: Sent,
        to: Mac,
        conn: Option<usize>,
        turn: &mut Turn<'_>,
    ) -> Frame {
        let mut bytes = outgoing.bytes;
        fill_header(Spare::exclusive(&mut bytes), to, self.mac);
        let mut frame = Frame::of(turn.new_frame(), bytes);
        frame.message = (outgoing.message != 0).then_some(outgoing.message);
        if let Some(id) = conn
            && let Some(segment) = segment::tcp(frame.bytes())
        {
            self.conns[id].note_sent(&segment, &mut frame, turn.now());
        }
        turn.note(&frame, Action::Sent);
        frame
    }

    /// Does everything that is due.
    fn run(&mut self, turn: &mut Turn<'_>) {
        loop {
            if let Some(frame) = self.looped.pop_front() {
                self.take_in(frame, turn);
            } else if !self.work.is_empty() {
                let spare = std::mem::take(&mut self.spare);
                let mut work = std::mem::replace(&mut self.work, spare);
                work.sort_unstable();
                work.dedup();
                for part in work.drain(..) {
                    self.perform(part, turn);
                }
                self.spare = work;
            } else if let Some(part) = self.timers.due(turn.now()) {
                match part {
                    Work::Conn(id) => {
                        if let Some(conn) = self.conns.get_mut(id) {
                            conn.armed = Time::NEVER;
                        }
                    }
                    Work::Shared => self.shared_armed = Time::NEVER,
                    Work::Neighbours => self.neighbours.armed = Time::NEVER,
                }
                self.perform(part, turn);
            } else {
                break;
            }
        }
        if let Some(at) = self.timers.next_at() {
            turn.wake_at(at);
        }
    }

    fn perform(&mut self, part: Work, turn: &mut Turn<'_>) {
        match part {
            Work::Conn(id) => self.poll_conn(id, turn),
            Work::Shared => self.poll_shared(turn),
            Work::Neighbours => self.poll_neighbours(turn),
        }
    }
}

/// Whether the stack has sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    Sent,
    Quiet,
}

/// How much payload a segment to `peer` holds: what the link leaves behind the headers
/// of IP and TCP (RFC 6691).
fn mss(mtu: usize, peer: SocketAddr) -> usize {
    mtu.saturating_sub(if peer.is_ipv4() { 40 } else { 60 })
}

/// When the stack has to be polled again, from its own wish in microseconds.
fn when(wish: Option<i64>, sent: Activity, now: Time) -> Time {
    let Some(wish) = wish else {
        return Time::NEVER;
    };
    let at = Time(u64::try_from(wish).unwrap_or(0).saturating_mul(1_000));
    match (at > now, sent) {
        (true, _) => at,
        (false, Activity::Sent) => now + std::time::Duration::from_micros(1),
        (false, Activity::Quiet) => now + AGAIN,
    }
}

impl Node for Host {
    fn kind(&self) -> &'static str {
        "host"
    }

    fn attach(&mut self, _: usize) {}

    fn receive(&mut self, _: usize, frame: Frame, turn: &mut Turn<'_>) {
        let to = frame.destination();
        if to != self.mac && !to.is_group() {
            return turn.note(&frame, Action::Ignored);
        }
        std::mem::swap(self.card.spare.get_mut(), turn.spare);
        self.take_in(frame, turn);
        self.run(turn);
        std::mem::swap(self.card.spare.get_mut(), turn.spare);
    }

    fn wake(&mut self, turn: &mut Turn<'_>) {
        std::mem::swap(self.card.spare.get_mut(), turn.spare);
        self.run(turn);
        std::mem::swap(self.card.spare.get_mut(), turn.spare);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use wharf_services::Echo;

    use super::*;
    use crate::core::NodeId;
    use crate::{Lab, LabError};

    #[test]
    fn a_long_conversation_leaves_no_timers_behind() {
        let outcome = Lab::new(1).run(async |hosts| {
            let _server = hosts[1].serve("tcp4::7", Echo::default()).await?;
            let mut client = hosts[0].connect("tcp4:h1:7").await?;
            for _ in 0..2_000 {
                client.write_all(b"hello").await?;
                client.read_chunk().await?;
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
            Ok::<_, LabError>(client)
        });
        let outcome = outcome.unwrap();
        let fabric = &outcome.report.fabric;
        for node in [NodeId(0), NodeId(1)] {
            let host = fabric.node::<Host>(node).unwrap();
            let timers = host.timers.0.len();
            assert!(timers <= 2 + host.conns.len(), "{timers} timers");
        }
        assert!(fabric.planned() < 20, "{} events", fabric.planned());
    }
}
