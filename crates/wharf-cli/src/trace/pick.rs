//! Which frames are shown.

use wharf_wire::frame::{Frame, Link};
use wharf_wire::packet::{Carried, Packet};

use super::args::{PickArgs, ProtocolName};

impl PickArgs {
    /// Whether a frame says what was asked for. The others of its conversation are
    /// needed to understand it, and only not shown.
    pub(super) fn says(&self, bytes: &[u8]) -> bool {
        self.text.as_ref().is_none_or(|text| {
            text.0.is_empty() || bytes.windows(text.0.len()).any(|window| window == text.0)
        })
    }

    /// Whether a frame belongs to those hosts, ports and protocols that were asked for.
    pub(super) fn takes(&self, link: Link, bytes: &[u8]) -> bool {
        if self.host.is_none() && self.port.is_none() && self.protocol.is_none() {
            return true;
        }
        let Some(packet) = Packet::of(link, bytes) else {
            let is_arp = link == Link::Ethernet && bytes.get(12..14) == Some(&[8, 6]);
            return self.host.is_none()
                && self.port.is_none()
                && self
                    .protocol
                    .is_none_or(|name| name == ProtocolName::Arp && is_arp);
        };
        let is_host = self
            .host
            .is_none_or(|host| packet.source == host || packet.destination == host);
        let is_protocol = self.protocol.is_none_or(|name| match name {
            ProtocolName::Tcp => packet.protocol == 6,
            ProtocolName::Udp => packet.protocol == 17,
            ProtocolName::Icmp => packet.protocol == 1 || packet.protocol == 58,
            ProtocolName::Arp => false,
        });
        let is_port = self.port.is_none_or(|port| match packet.carried(bytes) {
            Carried::Tcp(segment) => segment.source == port || segment.destination == port,
            Carried::Udp {
                source,
                destination,
                ..
            } => source == port || destination == port,
            Carried::Other => false,
        });
        is_host && is_protocol && is_port
    }

    /// The same for a frame.
    pub(super) fn takes_frame(&self, frame: &Frame) -> bool {
        self.takes(frame.link, &frame.bytes)
    }
}
