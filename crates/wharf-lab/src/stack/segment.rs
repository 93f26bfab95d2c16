//! What a frame is, as far as a host must know before its stack sees it.

use std::net::{IpAddr, SocketAddr};

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
    UdpPacket,
};

use super::address;

/// The transport header behind one or no IP options.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Tcp(Segment),
    Udp {
        to: SocketAddr,
        length: usize,
    },
    /// ARP, or neighbour discovery of IPv6.
    Arp,
    Discovery,
    Icmp,
    /// Another packet, or a fragment.
    Other,
    /// No packet at all.
    Foreign,
}

/// The header of a TCP segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    pub(super) syn: bool,
    pub(super) ack: bool,
    pub(super) fin: bool,
    pub(super) rst: bool,
    pub(super) sequence: u32,
    pub(super) acknowledges: u32,
    /// How many bytes of payload.
    pub(super) payload: usize,
    /// Where the TCP header begins in the frame.
    pub(super) at: usize,
}

impl Segment {
    /// Nothing but an acknowledgement.
    pub(super) fn is_pure_ack(&self) -> bool {
        self.ack && !self.syn && !self.fin && !self.rst && self.payload == 0
    }
}

/// Looks at the headers; checksums are the stack's business.
#[inline]
pub(super) fn kind(frame: &[u8]) -> Kind {
    find(frame).unwrap_or(Kind::Other)
}

/// The next packet inside a frame: who sent it to whom, and its transport.
#[inline]
fn find(bytes: &[u8]) -> Option<Kind> {
    let frame = EthernetFrame::new_checked(bytes).ok()?;
    match frame.ethertype() {
        EthernetProtocol::Arp => Some(Kind::Arp),
        EthernetProtocol::Ipv4 => {
            let ip = Ipv4Packet::new_checked(frame.payload()).ok()?;
            if ip.frag_offset() != 0 || ip.more_frags() {
                return None;
            }
            let at = 14 + usize::from(ip.header_len());
            let ends = (
                address(IpAddress::Ipv4(ip.src_addr())),
                address(ip.dst_addr().into()),
            );
            transport(
                ip.next_header(),
                ends,
                bytes.get(at..14 + usize::from(ip.total_len()))?,
                at,
            )
        }
        EthernetProtocol::Ipv6 => {
            let ip = Ipv6Packet::new_checked(frame.payload()).ok()?;
            let ends = (address(ip.src_addr().into()), address(ip.dst_addr().into()));
            transport(
                ip.next_header(),
                ends,
                bytes.get(54..14 + ip.total_len())?,
                54,
            )
        }
        _ => Some(Kind::Foreign),
    }
}

#[inline]
fn transport(
    protocol: IpProtocol,
    (from, to): (IpAddr, IpAddr),
    bytes: &[u8],
    at: usize,
) -> Option<Kind> {
    Some(match protocol {
        IpProtocol::Tcp => {
            let tcp = TcpPacket::new_checked(bytes).ok()?;
            Kind::Tcp(Segment {
                from: SocketAddr::new(from, tcp.src_port()),
                to: SocketAddr::new(to, tcp.dst_port()),
                syn: tcp.syn(),
                ack: tcp.ack(),
                fin: tcp.fin(),
                rst: tcp.rst(),
                sequence: tcp.seq_number().0 as u32,
                acknowledges: tcp.ack_number().0 as u32,
                payload: tcp.payload().len(),
                at,
            })
        }
        IpProtocol::Udp => {
            let udp = UdpPacket::new_checked(bytes).ok()?;
            Kind::Udp {
                to: SocketAddr::new(to, udp.dst_port()),
                length: udp.payload().len(),
            }
        }
        IpProtocol::Icmpv6 if matches!(bytes.first(), Some(135 | 136)) => Kind::Discovery,
        IpProtocol::Icmp | IpProtocol::Icmpv6 => Kind::Icmp,
        _ => Kind::Other,
    })
}
