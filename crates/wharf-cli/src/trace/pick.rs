//! Which frames are shown.

use std::collections::VecDeque;
use std::net::IpAddr;

use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::packet::{Carried, Fragment, Packet};

use super::args::{PickArgs, ProtocolName};
use crate::capture::quoted_ports;

/// How many packets in pieces are remembered: only the first piece tells the ports.
const MOST_PIECES: usize = 64;

/// Looks at frames one after the other.
pub(super) struct Picker<'a> {
    args: &'a PickArgs,
    /// Packets whose first piece was taken, the latest last.
    pieces: VecDeque<(IpAddr, IpAddr, u32)>,
}

impl<'a> Picker<'a> {
    pub(super) fn new(args: &'a PickArgs) -> Self {
        Picker {
            args,
            pieces: VecDeque::new(),
        }
    }

    /// Whether a frame with these data says what was asked for. The others of its
    /// conversation are needed to understand it, and only not shown.
    pub(super) fn says(&self, data: &[u8]) -> bool {
        self.args.text.as_ref().is_none_or(|text| {
            text.0.is_empty() || data.windows(text.0.len()).any(|window| window == text.0)
        })
    }

    /// Whether a frame belongs to those hosts, ports and protocols that were asked for.
    pub(super) fn takes(&mut self, link: Link, bytes: &[u8]) -> bool {
        let args = self.args;
        if args.host.is_none() && args.port.is_none() && args.protocol.is_none() {
            return true;
        }
        let Some(packet) = Packet::of(link, bytes) else {
            let is_arp = link == Link::Ethernet && bytes.get(12..14) == Some(&[8, 6]);
            return args.host.is_none()
                && args.port.is_none()
                && args
                    .protocol
                    .is_none_or(|name| name == ProtocolName::Arp && is_arp);
        };
        let is_host = args
            .host
            .is_none_or(|host| packet.source == host || packet.destination == host);
        let is_protocol = args.protocol.is_none_or(|name| match name {
            ProtocolName::Tcp => packet.protocol == 6,
            ProtocolName::Udp => packet.protocol == 17,
            ProtocolName::Icmp => packet.protocol == 1 || packet.protocol == 58,
            ProtocolName::Arp => false,
        });
        is_host
            && is_protocol
            && args
                .port
                .is_none_or(|port| self.is_of_port(port, &packet, link, bytes))
    }

    /// The same for a frame.
    pub(super) fn takes_frame(&mut self, frame: &Frame) -> bool {
        self.takes(frame.link, &frame.bytes)
    }

    fn is_of_port(&mut self, port: u16, packet: &Packet, link: Link, bytes: &[u8]) -> bool {
        if let Some(later) = packet.fragment.filter(|piece| piece.offset > 0) {
            return self.pieces.contains(&piece(packet, later));
        }
        let ports = match packet.carried(bytes) {
            Carried::Tcp(segment) => Some((segment.source, segment.destination)),
            Carried::Udp {
                source,
                destination,
                ..
            } => Some((source, destination)),
            // An ICMP error is about the port that it quotes.
            Carried::Other if matches!(packet.protocol, 1 | 58) => {
                let origin = Origin::Captured;
                let at = Timestamp::default();
                quoted_ports(&Frame::new(at, link, origin, bytes.to_vec()))
            }
            Carried::Other => None,
        };
        let is_taken =
            ports.is_some_and(|(source, destination)| source == port || destination == port);
        if let Some(first) = packet.fragment {
            let first = piece(packet, first);
            // A number that is used again is another packet's.
            self.pieces.retain(|known| *known != first);
            if is_taken {
                if self.pieces.len() >= MOST_PIECES {
                    self.pieces.pop_front();
                }
                self.pieces.push_back(first);
            }
        }
        is_taken
    }
}

/// What all pieces of a packet have in common.
fn piece(packet: &Packet, fragment: Fragment) -> (IpAddr, IpAddr, u32) {
    (packet.source, packet.destination, fragment.id)
}
