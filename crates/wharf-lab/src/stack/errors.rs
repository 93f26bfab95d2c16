//! What comes back by ICMP: errors for sockets, and the answers to echo requests.
//! smoltcp does not hand errors to the sockets they are about.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, Waker};

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, Icmpv4Message, Icmpv4Packet, Icmpv6Message, Icmpv6Packet,
    IpProtocol, Ipv4Packet, Ipv6Packet,
};

use super::conn::Failure;
use super::host::{Host, Work};

/// How many answers to echo requests wait to be asked for.
const ANSWERS: usize = 1_024;

/// What an echo request led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EchoAnswer {
    /// The host answered.
    Reply,
    /// A router took the last hop from it.
    TimeExceeded,
    /// A router could not bring it further.
    Unreachable,
}

/// An answer, who sent it, and the sequence number of what it answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) sequence: u16,
    pub(crate) from: IpAddr,
    pub(crate) what: EchoAnswer,
}

/// Answers that nobody has asked for yet.
#[derive(Debug, Default)]
pub(super) struct Answers {
    waiting: VecDeque<Answer>,
    waker: Option<Waker>,
}

/// An ICMP error, read from a frame: who sent it, which errno it means, and the
/// start of the packet that it is about.
struct Complaint<'a> {
    from: IpAddr,
    code: i32,
    what: EchoAnswer,
    quoted: &'a [u8],
}

/// The packet that an error is about.
struct Quoted {
    protocol: u8,
    from: SocketAddr,
    to: SocketAddr,
    /// The first bytes behind the IP header.
    head: [u8; 8],
}

impl Host {
    /// Looks at an ICMP message for errors about this host's own packets.
    pub(super) fn note_icmp(&mut self, frame: &[u8]) {
        if let Some(answer) = echo_reply(frame) {
            return self.answer(answer);
        }
        let Some(complaint) = complaint(frame) else {
            return;
        };
        let Complaint {
            from, code, what, ..
        } = complaint;
        self.note_failed(complaint.quoted, from, (code, what));
    }

    /// A packet of this host could not be brought to where it goes: `from` says so.
    pub(super) fn note_failed(
        &mut self,
        packet: &[u8],
        from: IpAddr,
        (code, what): (i32, EchoAnswer),
    ) {
        let Some(quoted) = quoted(packet) else {
            return;
        };
        match quoted.protocol {
            6 => {
                if let Some(id) = self.conn_of(quoted.from, quoted.to) {
                    let conn = &mut self.conns[id];
                    // Later it may be a passing trouble (RFC 1122 section 4.2.3.9).
                    if !conn.is_established() {
                        conn.failure = Some(Failure::Unreachable(code));
                        conn.socket().abort();
                        self.work.push(Work::Conn(id));
                    }
                }
            }
            17 => {
                let mut ports = self.udp.iter_mut();
                let sender = ports.find(|(_, port)| {
                    port.at.port() == quoted.from.port()
                        && (port.at.ip() == quoted.from.ip() || port.at.ip().is_unspecified())
                });
                if let Some((_, port)) = sender {
                    port.fail(quoted.to, code);
                }
            }
            // Only who asked is told; what waited may be an answer or an error.
            1 if quoted.head[0] != 8 => {}
            58 if quoted.head[0] != 128 => {}
            1 | 58 => self.answer(Answer {
                sequence: u16::from_be_bytes([quoted.head[6], quoted.head[7]]),
                from,
                what,
            }),
            _ => {}
        }
    }

    fn answer(&mut self, answer: Answer) {
        let answers = &mut self.answers;
        if answers.waiting.len() < ANSWERS {
            answers.waiting.push_back(answer);
        }
        if let Some(waker) = answers.waker.take() {
            waker.wake();
        }
    }

    /// The answer to the echo request with this sequence number; older answers are
    /// thrown away.
    pub(crate) fn poll_answer(&mut self, sequence: u16, cx: &mut Context<'_>) -> Poll<Answer> {
        while let Some(answer) = self.answers.waiting.pop_front() {
            if answer.sequence == sequence {
                return Poll::Ready(answer);
            }
        }
        self.answers.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

fn echo_reply(bytes: &[u8]) -> Option<Answer> {
    let frame = EthernetFrame::new_checked(bytes).ok()?;
    let answer = |sequence, from| Answer {
        sequence,
        from,
        what: EchoAnswer::Reply,
    };
    match frame.ethertype() {
        EthernetProtocol::Ipv4 => {
            let ip = Ipv4Packet::new_checked(frame.payload()).ok()?;
            let icmp = Icmpv4Packet::new_checked(ip.payload()).ok()?;
            let reply = icmp.msg_type() == Icmpv4Message::EchoReply && icmp.verify_checksum();
            reply.then(|| answer(icmp.echo_seq_no(), IpAddr::V4(ip.src_addr())))
        }
        EthernetProtocol::Ipv6 => {
            let ip = Ipv6Packet::new_checked(frame.payload()).ok()?;
            let icmp = Icmpv6Packet::new_checked(ip.payload()).ok()?;
            let sound = icmp.verify_checksum(&ip.src_addr(), &ip.dst_addr());
            let reply = icmp.msg_type() == Icmpv6Message::EchoReply && sound;
            reply.then(|| answer(icmp.echo_seq_no(), IpAddr::V6(ip.src_addr())))
        }
        _ => None,
    }
}

fn complaint(bytes: &[u8]) -> Option<Complaint<'_>> {
    let frame = EthernetFrame::new_checked(bytes).ok()?;
    match frame.ethertype() {
        EthernetProtocol::Ipv4 => {
            let payload = frame.payload();
            let ip = Ipv4Packet::new_checked(payload).ok()?;
            let icmp = payload.get(usize::from(ip.header_len())..usize::from(ip.total_len()))?;
            let packet = Icmpv4Packet::new_checked(icmp).ok()?;
            if !packet.verify_checksum() {
                return None;
            }
            let (code, what) = match (packet.msg_type(), packet.msg_code()) {
                (Icmpv4Message::DstUnreachable, 3) => (libc::ECONNREFUSED, EchoAnswer::Unreachable),
                (Icmpv4Message::DstUnreachable, 0) => (libc::ENETUNREACH, EchoAnswer::Unreachable),
                (Icmpv4Message::DstUnreachable, 4) => (libc::EMSGSIZE, EchoAnswer::Unreachable),
                (Icmpv4Message::DstUnreachable, _) => (libc::EHOSTUNREACH, EchoAnswer::Unreachable),
                (Icmpv4Message::TimeExceeded, _) => (libc::EHOSTUNREACH, EchoAnswer::TimeExceeded),
                _ => return None,
            };
            Some(Complaint {
                from: IpAddr::V4(ip.src_addr()),
                code,
                what,
                quoted: icmp.get(8..)?,
            })
        }
        EthernetProtocol::Ipv6 => {
            let payload = frame.payload();
            let ip = Ipv6Packet::new_checked(payload).ok()?;
            let icmp = payload.get(40..ip.total_len())?;
            let packet = Icmpv6Packet::new_checked(icmp).ok()?;
            if !packet.verify_checksum(&ip.src_addr(), &ip.dst_addr()) {
                return None;
            }
            let (code, what) = match (packet.msg_type(), packet.msg_code()) {
                (Icmpv6Message::DstUnreachable, 4) => (libc::ECONNREFUSED, EchoAnswer::Unreachable),
                (Icmpv6Message::DstUnreachable, 0) => (libc::ENETUNREACH, EchoAnswer::Unreachable),
                (Icmpv6Message::DstUnreachable, _) => (libc::EHOSTUNREACH, EchoAnswer::Unreachable),
                (Icmpv6Message::PktTooBig, _) => (libc::EMSGSIZE, EchoAnswer::Unreachable),
                (Icmpv6Message::TimeExceeded, _) => (libc::EHOSTUNREACH, EchoAnswer::TimeExceeded),
                _ => return None,
            };
            Some(Complaint {
                from: IpAddr::V6(ip.src_addr()),
                code,
                what,
                quoted: icmp.get(8..)?,
            })
        }
        _ => None,
    }
}

/// Reads the quoted packet; its end is cut off, so lengths are not checked.
fn quoted(bytes: &[u8]) -> Option<Quoted> {
    let (protocol, from, to, at) = match bytes.first()? >> 4 {
        4 => {
            let head = bytes.get(..20)?;
            // A later fragment has no header behind that of IP.
            if u16::from_be_bytes([head[6], head[7]]) & 0x1FFF != 0 {
                return None;
            }
            let ip = |at: usize| IpAddr::from([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            (head[9], ip(12), ip(16), usize::from(head[0] & 15) * 4)
        }
        6 => {
            let head = bytes.get(..40)?;
            let ip = |at: usize| {
                let mut octets = [0; 16];
                octets.copy_from_slice(&head[at..at + 16]);
                IpAddr::from(octets)
            };
            (head[6], ip(8), ip(24), 40)
        }
        _ => return None,
    };
    let mut head = [0; 8];
    head.copy_from_slice(bytes.get(at..at + 8)?);
    let port = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let known = matches!(
        IpProtocol::from(protocol),
        IpProtocol::Tcp | IpProtocol::Udp
    );
    let (source, target) = if known { (port(0), port(2)) } else { (0, 0) };
    Some(Quoted {
        protocol,
        from: SocketAddr::new(from, source),
        to: SocketAddr::new(to, target),
        head,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::Lab;
    use crate::core::{Fabric, Frame, Mac, NodeId};
    use crate::node::headers::{ICMP, ICMPV6, IPV4, IPV6, Ip, fragments, icmp};
    use crate::stack::{HostSettings, UdpSettings};

    const UNREACHABLE: (i32, EchoAnswer) = (libc::EHOSTUNREACH, EchoAnswer::Unreachable);

    /// How many who wait for answers are told that this packet could not be sent.
    fn told(packet: &[u8]) -> usize {
        let own: [(IpAddr, u8); 2] = [
            ("10.0.0.1".parse().unwrap(), 24),
            ("fd00::1".parse().unwrap(), 64),
        ];
        let mut host = Host::new(Mac::default(), &own, HostSettings::default(), 1, 1);
        host.note_failed(packet, own[0].0, UNREACHABLE);
        host.answers.waiting.len()
    }

    fn message(kind: u8, from: &str, to: &str) -> Vec<u8> {
        let mut message = vec![kind, 0, 0, 0, 0, 1, 0, 1];
        message.extend([8; 200]);
        icmp(from.parse().unwrap(), to.parse().unwrap(), 64, message)
    }

    #[test]
    fn only_who_asked_is_told_that_nobody_was_reached() {
        let (v4, v6) = (("10.0.0.1", "10.0.0.9"), ("fd00::1", "fd00::9"));
        // Echo request, its reply, and an error.
        for (kind, tells) in [(8, 1), (0, 0), (3, 0)] {
            assert_eq!(told(&message(kind, v4.0, v4.1)), tells, "{kind}");
        }
        for (kind, tells) in [(128, 1), (129, 0), (1, 0)] {
            assert_eq!(told(&message(kind, v6.0, v6.1)), tells, "{kind}");
        }
        // What stands at the beginning of a later fragment is no header.
        let request = message(8, v4.0, v4.1);
        let ip = Ip::parse(IPV4, &request).unwrap();
        let parts = fragments(&request, &ip, 100);
        let tells: Vec<usize> = parts.iter().map(|part| told(part)).collect();
        assert_eq!(tells, [1, 0, 0]);
    }

    /// The packet in a frame: its protocol, where its payload begins, and its bytes.
    fn packet(frame: &Frame) -> Option<(u8, usize, &[u8])> {
        let ip = Ip::parse(frame.ether_type(), frame.payload())?;
        Some((ip.protocol, ip.header, &frame.payload()[..ip.length]))
    }

    /// A datagram of zeros goes to a closed port until frames lie in memory of others: the
    /// packet that was sent the last time, and what its error quotes.
    fn sent_and_quoted(kind: u16) -> (Vec<u8>, Vec<u8>) {
        const ZEROS: [u8; 1_400] = [0; 1_400];
        let mut fabric = Lab::new(1).fabric();
        let settings = UdpSettings {
            receive_buffer: 1 << 16,
            send_buffer: 1 << 16,
            hops: None,
        };
        let own = |fabric: &Fabric, id| {
            let host = fabric.node::<Host>(NodeId(id)).unwrap();
            let mut all = host.addresses().iter().map(|(ip, _)| *ip);
            all.find(|ip| ip.is_ipv4() == (kind == IPV4)).unwrap()
        };
        let from = SocketAddr::new(own(&fabric, 0), 4_000);
        let to = SocketAddr::new(own(&fabric, 1), 9);
        let sender = fabric.node_mut::<Host>(NodeId(0)).unwrap();
        let (socket, _) = sender.bind(from, &settings).unwrap();
        for round in 0..3 {
            if round == 2 {
                // What is recorded is not used again.
                fabric.keep_recording();
            }
            let sender = fabric.node_mut::<Host>(NodeId(0)).unwrap();
            let mut cx = Context::from_waker(Waker::noop());
            let sent = sender.poll_send(socket, &mut cx, (None, to), &ZEROS, 0);
            assert!(matches!(sent, Poll::Ready(Ok(()))));
            fabric.touch(NodeId(0));
            fabric.run_until(fabric.now() + Duration::from_secs(1));
        }
        let frames = fabric.recording().unwrap().frames().iter();
        let packets: Vec<_> = frames.filter_map(|it| packet(&it.frame)).collect();
        let [(17, _, sent), (ICMP | ICMPV6, header, error)] = packets[..] else {
            panic!("{packets:?}");
        };
        assert_eq!(sent[sent.len() - ZEROS.len()..], ZEROS);
        (sent.to_vec(), error[header + 8..].to_vec())
    }

    #[test]
    fn an_error_quotes_what_was_sent_and_nothing_that_lay_in_its_memory() {
        // As much as fits into 576 bytes (RFC 1812), and into 1,280 (RFC 4443).
        for (kind, least) in [(IPV4, 548), (IPV6, 1_232)] {
            let (sent, quoted) = sent_and_quoted(kind);
            assert_eq!(quoted.len(), least, "{kind:#06x}");
            assert_eq!(quoted, sent[..quoted.len()], "{kind:#06x}");
        }
    }
}
