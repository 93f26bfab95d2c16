//! The corpus: what can happen on a network, frame by frame.

use std::net::{IpAddr, SocketAddr};

use wharf_wire::build::{Say, TcpOption, ip, tcp, udp};
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::packet::Segment;

const SYN: u8 = Segment::SYN;
const ACK: u8 = Segment::ACK;
const FIN: u8 = Segment::FIN;
const RST: u8 = Segment::RST;
const PSH: u8 = Segment::PSH;

const A: &str = "192.0.2.1:40000";
const B: &str = "192.0.2.2:7000";

fn at(micros: u64) -> Timestamp {
    Timestamp::from_nanos(1_764_000_000_000_000_000 + micros * 1_000)
}

fn frame(micros: u64, link: Link, bytes: Vec<u8>) -> Frame {
    Frame::new(at(micros), link, Origin::Captured, bytes)
}

/// Every file with its name.
pub(crate) fn all() -> Vec<(String, Vec<Frame>)> {
    let files: [(&str, Vec<Frame>); 17] = [
        ("both-ways", both_ways()),
        ("retransmission", retransmission()),
        ("fast-retransmission", fast_retransmission()),
        ("reordering", reordering()),
        ("zero-window", zero_window()),
        ("keep-alive", keep_alive()),
        ("reset-and-reuse", reset_and_reuse()),
        ("spurious", spurious()),
        ("gaps", gaps()),
        ("options", options()),
        ("fragments", fragments()),
        ("extension-headers", extension_headers()),
        ("icmp", icmp()),
        ("icmp6", icmp6()),
        ("arp", arp()),
        ("links", links()),
        ("ip-options", ip_options()),
    ];
    files
        .into_iter()
        .map(|(name, frames)| (name.to_owned(), frames))
        .collect()
}

/// A connection that is written segment by segment, with relative numbers.
struct Script {
    frames: Vec<Frame>,
    ends: [SocketAddr; 2],
    base: [u32; 2],
    window: [u16; 2],
}

impl Script {
    fn new(port: u16) -> Script {
        Script {
            frames: Vec::new(),
            ends: [
                SocketAddr::new("192.0.2.1".parse().unwrap(), port),
                B.parse().unwrap(),
            ],
            // Both numbers pass zero within a few bytes.
            base: [0xffff_fff0, 0xffff_ffc0],
            window: [500, 500],
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a script reads as a table of segments"
    )]
    fn say(
        &mut self,
        micros: u64,
        side: usize,
        flags: u8,
        seq: u32,
        ack: u32,
        options: Vec<TcpOption>,
        data: &[u8],
    ) -> &mut Script {
        let say = Say {
            seq: self.base[side].wrapping_add(seq),
            ack: if flags & ACK == 0 {
                0
            } else {
                self.base[1 - side].wrapping_add(ack)
            },
            flags,
            window: self.window[side],
            options,
        };
        let bytes = tcp(self.ends[side], self.ends[1 - side], &say, data);
        self.frames.push(frame(micros, Link::Ethernet, bytes));
        self
    }

    fn open(&mut self, micros: u64) -> &mut Script {
        let options = || {
            vec![
                TcpOption::Mss(1460),
                TcpOption::SackPermitted,
                TcpOption::Timestamps(1, 0),
                TcpOption::Scale(7),
            ]
        };
        self.say(micros, 0, SYN, 0, 0, options(), b"");
        self.say(micros + 400, 1, SYN | ACK, 0, 1, options(), b"");
        self.say(micros + 500, 0, ACK, 1, 1, vec![], b"")
    }

    fn data(&mut self, micros: u64, side: usize, seq: u32, ack: u32, len: usize) -> &mut Script {
        self.say(
            micros,
            side,
            PSH | ACK,
            seq,
            ack,
            vec![],
            &vec![b'a' + side as u8; len],
        )
    }

    fn ack(&mut self, micros: u64, side: usize, seq: u32, ack: u32) -> &mut Script {
        self.say(micros, side, ACK, seq, ack, vec![], b"")
    }

    fn close(&mut self, micros: u64, seq: u32, peer_seq: u32) -> &mut Script {
        self.say(micros, 0, FIN | ACK, seq, peer_seq, vec![], b"");
        self.ack(micros + 100, 1, peer_seq, seq + 1);
        self.say(micros + 300, 1, FIN | ACK, peer_seq, seq + 1, vec![], b"");
        self.ack(micros + 400, 0, seq + 1, peer_seq + 1)
    }

    fn done(&mut self) -> Vec<Frame> {
        std::mem::take(&mut self.frames)
    }
}

fn both_ways() -> Vec<Frame> {
    let mut script = Script::new(40101);
    script
        .open(0)
        .data(1_000, 0, 1, 1, 100)
        .ack(1_400, 1, 1, 101);
    script
        .data(2_000, 1, 1, 101, 1460)
        .data(2_010, 1, 1461, 101, 1460)
        .ack(2_400, 0, 101, 2921);
    script
        .data(3_000, 0, 101, 2921, 6)
        .data(3_100, 1, 2921, 107, 6)
        .ack(3_300, 0, 107, 2927);
    script.close(4_000, 107, 2927).done()
}

fn retransmission() -> Vec<Frame> {
    let mut script = Script::new(40102);
    script.say(0, 0, SYN, 0, 0, vec![TcpOption::Mss(1460)], b"");
    script.say(1_000_000, 0, SYN, 0, 0, vec![TcpOption::Mss(1460)], b"");
    script.say(
        1_000_400,
        1,
        SYN | ACK,
        0,
        1,
        vec![TcpOption::Mss(1460)],
        b"",
    );
    script.ack(1_000_500, 0, 1, 1);
    script
        .data(1_001_000, 0, 1, 1, 100)
        .data(1_204_000, 0, 1, 1, 100)
        .ack(1_204_400, 1, 1, 101);
    script
        .data(1_300_000, 1, 1, 101, 50)
        .data(1_510_000, 1, 1, 101, 50)
        .data(1_930_000, 1, 1, 101, 50);
    script.ack(1_930_300, 0, 101, 51);
    // The end is lost, too.
    script.say(2_000_000, 0, FIN | ACK, 101, 51, vec![], b"");
    script.say(2_210_000, 0, FIN | ACK, 101, 51, vec![], b"");
    script
        .say(2_210_400, 1, FIN | ACK, 51, 102, vec![], b"")
        .ack(2_210_500, 0, 102, 52)
        .done()
}

fn fast_retransmission() -> Vec<Frame> {
    let mut script = Script::new(40103);
    script.open(0);
    for (index, seq) in [1, 1001, 2001, 3001, 4001, 5001].into_iter().enumerate() {
        // The second one is lost before the place of capture.
        if seq != 1001 {
            script.data(1_000 + index as u64 * 10, 0, seq, 1, 1000);
        }
    }
    script.ack(1_400, 1, 1, 1001);
    for (index, right) in [3001, 4001, 5001, 6001].into_iter().enumerate() {
        let base = script.base[0];
        let sack = vec![TcpOption::Sack(vec![(
            base.wrapping_add(2001),
            base.wrapping_add(right),
        )])];
        script.say(1_420 + index as u64 * 10, 1, ACK, 1, 1001, sack, b"");
    }
    script.data(1_900, 0, 1001, 1, 1000).ack(2_300, 1, 1, 6001);
    script.close(3_000, 6001, 1).done()
}

fn reordering() -> Vec<Frame> {
    let mut script = Script::new(40104);
    script.open(0).data(1_000, 0, 1, 1, 1000);
    script
        .data(1_020, 0, 2001, 1, 1000)
        .data(1_040, 0, 1001, 1, 1000)
        .ack(1_400, 1, 1, 3001);
    // Overtaken by several.
    script
        .data(2_000, 0, 4001, 1, 1000)
        .data(2_010, 0, 5001, 1, 1000)
        .data(2_020, 0, 3001, 1, 1000);
    script.ack(2_400, 1, 1, 6001).close(3_000, 6001, 1).done()
}

fn zero_window() -> Vec<Frame> {
    let mut script = Script::new(40105);
    script.window = [500, 8];
    // 8 units of 128: 1024 bytes of room.
    script
        .open(0)
        .data(1_000, 0, 1, 1, 1000)
        .ack(1_300, 1, 1, 1001);
    script.data(1_400, 0, 1001, 1, 1024);
    script.window[1] = 0;
    script.ack(1_700, 1, 1, 2025);
    script.data(300_000, 0, 2025, 1, 1).ack(300_300, 1, 1, 2025);
    script.data(900_000, 0, 2025, 1, 1).ack(900_300, 1, 1, 2025);
    script.window[1] = 8;
    script.ack(1_000_000, 1, 1, 2025);
    script
        .data(1_000_100, 0, 2025, 1, 500)
        .ack(1_000_400, 1, 1, 2525);
    script.close(1_100_000, 2525, 1).done()
}

fn keep_alive() -> Vec<Frame> {
    let mut script = Script::new(40106);
    script.open(0).data(1_000, 0, 1, 1, 10).ack(1_300, 1, 1, 11);
    script.ack(60_000_000, 0, 10, 1).ack(60_000_300, 1, 1, 11);
    script
        .data(120_000_000, 0, 10, 1, 1)
        .ack(120_000_300, 1, 1, 11);
    script
        .data(121_000_000, 1, 1, 11, 20)
        .ack(121_000_300, 0, 11, 21);
    script.close(122_000_000, 11, 21).done()
}

fn reset_and_reuse() -> Vec<Frame> {
    let mut script = Script::new(40107);
    // Nobody listens.
    script
        .say(0, 0, SYN, 0, 0, vec![], b"")
        .say(100, 1, RST | ACK, 0, 1, vec![], b"");
    // The same ports again, with another number.
    script.base = [70_000, 90_000];
    script.open(1_000_000).data(1_001_000, 0, 1, 1, 10);
    script.say(1_002_000, 1, RST | ACK, 1, 11, vec![], b"");
    script.base = [0x8000_0000, 5];
    script.open(3_000_000).close(3_100_000, 1, 1).done()
}

fn spurious() -> Vec<Frame> {
    let mut script = Script::new(40108);
    script
        .open(0)
        .data(1_000, 0, 1, 1, 100)
        .ack(1_400, 1, 1, 101);
    script.data(210_000, 0, 1, 1, 100).ack(210_400, 1, 1, 101);
    script.close(300_000, 101, 1).done()
}

/// A capture that begins in the middle and misses frames.
fn gaps() -> Vec<Frame> {
    let mut script = Script::new(40109);
    script
        .data(0, 0, 5_000, 9_000, 100)
        .ack(400, 1, 9_000, 5_100);
    script
        .data(1_000, 0, 5_300, 9_000, 100)
        .ack(1_400, 1, 9_000, 5_400);
    script
        .ack(2_000, 1, 9_000, 6_000)
        .data(2_100, 1, 9_500, 6_000, 10)
        .ack(2_200, 0, 6_000, 9_510)
        .done()
}

fn options() -> Vec<Frame> {
    let mut script = Script::new(40110);
    let all = vec![
        TcpOption::Mss(536),
        TcpOption::SackPermitted,
        TcpOption::Scale(14),
        TcpOption::Timestamps(u32::MAX, 7),
    ];
    script.say(0, 0, SYN | 0xc0, 0, 0, all, b"");
    let fast_open = vec![
        TcpOption::Raw(vec![34, 10, 1, 2, 3, 4, 5, 6, 7, 8]),
        TcpOption::Raw(vec![28, 4, 0x80, 5]),
    ];
    script.say(300, 1, SYN | ACK | 0x40, 0, 1, fast_open, b"");
    let blocks = vec![TcpOption::Sack(vec![(10, 20), (30, 40), (50, 60)])];
    script.say(400, 0, ACK, 1, 1, blocks, b"");
    script.say(
        500,
        0,
        ACK | PSH | 0x20,
        1,
        1,
        vec![TcpOption::Raw(vec![
            19, 18, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        ])],
        b"!",
    );
    script.say(
        600,
        1,
        ACK,
        1,
        2,
        vec![TcpOption::Raw(vec![0, 0, 0, 0])],
        b"",
    );
    script.done()
}

fn fragments() -> Vec<Frame> {
    let (a, b): (SocketAddr, SocketAddr) = (A.parse().unwrap(), B.parse().unwrap());
    let whole = udp(
        a,
        b,
        &(0..3000u32).map(|byte| byte as u8).collect::<Vec<_>>(),
    );
    let mut frames = Vec::new();
    for (index, from) in [0usize, 1480, 2960].into_iter().enumerate() {
        let payload = &whole[34..];
        let piece = &payload[from..payload.len().min(from + 1480)];
        let mut bytes = ip(a.ip(), b.ip(), 17, piece);
        let more = if index < 2 { 0x2000u16 } else { 0 };
        bytes[18..20].copy_from_slice(&0x4242u16.to_be_bytes());
        bytes[20..22].copy_from_slice(&(more | (from / 8) as u16).to_be_bytes());
        fix_checksum(&mut bytes);
        frames.push(frame(index as u64 * 10, Link::Ethernet, bytes));
    }
    // The same in another order.
    let mut again: Vec<Frame> = frames.iter().rev().cloned().collect();
    for (index, one) in again.iter_mut().enumerate() {
        one.at = at(1_000 + index as u64);
        one.bytes[18..20].copy_from_slice(&0x4343u16.to_be_bytes());
        fix_checksum(&mut one.bytes);
    }
    frames.extend(again);
    // IPv6.
    let (a, b): (SocketAddr, SocketAddr) = (
        "[2001:db8::1]:40000".parse().unwrap(),
        "[2001:db8::2]:7000".parse().unwrap(),
    );
    let whole = udp(a, b, &[b'x'; 2000]);
    for (index, from) in [0usize, 1232].into_iter().enumerate() {
        let payload = &whole[54..];
        let piece = &payload[from..payload.len().min(from + 1232)];
        let more = u16::from(index == 0);
        let mut body = vec![17, 0];
        body.extend(((from as u16) | more).to_be_bytes());
        body.extend(0xdead_beefu32.to_be_bytes());
        body.extend(piece);
        frames.push(frame(
            2_000 + index as u64,
            Link::Ethernet,
            ip(a.ip(), b.ip(), 44, &body),
        ));
    }
    frames
}

fn fix_checksum(bytes: &mut [u8]) {
    let header = usize::from(bytes[14] & 15) * 4;
    bytes[24..26].fill(0);
    let mut sum: u32 = bytes[14..14 + header]
        .chunks(2)
        .map(|two| u32::from(u16::from_be_bytes([two[0], two[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    bytes[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

fn extension_headers() -> Vec<Frame> {
    let (a, b): (IpAddr, IpAddr) = (
        "2001:db8::1".parse().unwrap(),
        "2001:db8::2".parse().unwrap(),
    );
    let datagram = |body: &mut Vec<u8>| {
        let whole = udp(
            SocketAddr::new(a, 40000),
            SocketAddr::new(b, 7000),
            b"behind headers",
        );
        body.extend(&whole[54..]);
    };
    let mut bodies: Vec<(u8, Vec<u8>)> = Vec::new();
    // Hop-by-hop with a router alert, destination options, UDP.
    let mut body = vec![
        60, 0, 5, 2, 0, 0, 1, 0, 17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    datagram(&mut body);
    bodies.push((0, body));
    // Routing, type 2, and type 4 with a segment left.
    let mut body = vec![17, 2, 2, 1, 0, 0, 0, 0];
    body.extend(
        "2001:db8::3"
            .parse::<std::net::Ipv6Addr>()
            .unwrap()
            .octets(),
    );
    datagram(&mut body);
    bodies.push((43, body));
    // An authentication header.
    let mut body = vec![
        17, 4, 0, 0, 0, 0, 1, 2, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,
    ];
    datagram(&mut body);
    bodies.push((51, body));
    // Nothing.
    bodies.push((59, vec![]));
    // A fragment that is none, and an unknown option.
    let mut body = vec![17, 0, 0, 0, 0, 0, 0, 1];
    datagram(&mut body);
    bodies.push((44, body));
    let mut body = vec![17, 0, 0x9e, 4, 1, 2, 3, 4];
    datagram(&mut body);
    bodies.push((60, body));
    bodies
        .iter()
        .enumerate()
        .map(|(index, (next, body))| frame(index as u64, Link::Ethernet, ip(a, b, *next, body)))
        .collect()
}

fn sum(bytes: &[u8], start: u32) -> u16 {
    let mut sum = start;
    for two in bytes.chunks(2) {
        sum += u32::from(u16::from_be_bytes([
            two[0],
            two.get(1).copied().unwrap_or(0),
        ]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn icmp() -> Vec<Frame> {
    let (a, b): (SocketAddr, SocketAddr) = (A.parse().unwrap(), B.parse().unwrap());
    let quoted = udp(a, b, b"nobody there")[14..].to_vec();
    let syn = tcp(
        a,
        b,
        &Say {
            seq: 7,
            flags: SYN,
            ..Say::default()
        },
        b"",
    )[14..14 + 28]
        .to_vec();
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for kind in [0u8, 8] {
        let mut echo = vec![kind, 0, 0, 0, 0x12, 0x34, 0, 5];
        echo.extend(b"abcdefghijklmnop");
        messages.push(echo);
    }
    let errors = [
        (3u8, 0u8),
        (3, 1),
        (3, 2),
        (3, 3),
        (3, 9),
        (3, 10),
        (3, 13),
        (4, 0),
        (11, 0),
        (11, 1),
    ];
    for (index, (kind, code)) in errors.into_iter().enumerate() {
        let mut error = vec![kind, code, 0, 0, 0, 0, 0, 0];
        error.extend(if index % 2 == 0 { &quoted } else { &syn });
        messages.push(error);
    }
    let mut too_big = vec![3, 4, 0, 0, 0, 0, 0x05, 0x14];
    too_big.extend(&quoted);
    let mut redirect = vec![5, 1, 0, 0, 192, 0, 2, 254];
    redirect.extend(&quoted);
    let mut parameter = vec![12, 0, 0, 0, 9, 0, 0, 0];
    parameter.extend(&quoted);
    messages.extend([too_big, redirect, parameter]);
    for kind in [13u8, 14] {
        messages.push(vec![
            kind, 0, 0, 0, 0, 7, 0, 1, 0, 1, 2, 3, 0, 1, 2, 4, 0, 1, 2, 5,
        ]);
    }
    let mut frames = Vec::new();
    for (index, mut message) in messages.into_iter().enumerate() {
        let checksum = sum(&message, 0);
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        frames.push(frame(
            index as u64 * 10,
            Link::Ethernet,
            ip(b.ip(), a.ip(), 1, &message),
        ));
    }
    frames
}

fn icmp6() -> Vec<Frame> {
    let (a, b): (SocketAddr, SocketAddr) = (
        "[fe80::1]:40000".parse().unwrap(),
        "[fe80::2]:7000".parse().unwrap(),
    );
    let quoted = udp(a, b, b"nobody there")[14..].to_vec();
    let target = "fe80::2".parse::<std::net::Ipv6Addr>().unwrap().octets();
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for (kind, code, rest) in [
        (1u8, 0u8, 0u32),
        (1, 1, 0),
        (1, 3, 0),
        (1, 4, 0),
        (2, 0, 1280),
        (3, 0, 0),
        (3, 1, 0),
        (4, 0, 6),
        (4, 1, 40),
        (4, 2, 42),
    ] {
        let mut error = vec![kind, code, 0, 0];
        error.extend(rest.to_be_bytes());
        error.extend(&quoted);
        messages.push(error);
    }
    for kind in [128u8, 129] {
        messages.push(vec![kind, 0, 0, 0, 0xab, 0xcd, 0, 9, 1, 2, 3, 4]);
    }
    for kind in [130u8, 131, 132] {
        let mut listener = vec![kind, 0, 0, 0, 0x27, 0x10, 0, 0];
        listener.extend("ff02::fb".parse::<std::net::Ipv6Addr>().unwrap().octets());
        messages.push(listener);
    }
    messages.push(vec![133, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1]);
    messages.push(vec![
        134, 0, 0, 0, 64, 0xc0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0, 0, 5, 0xdc,
    ]);
    // A prefix for addresses on this link, to be used for an hour and valid for two.
    let mut advertised = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];
    advertised.extend([
        3, 4, 64, 0xc0, 0, 0, 0x1c, 0x20, 0, 0, 0x0e, 0x10, 0, 0, 0, 0,
    ]);
    let prefix = "2001:db8::".parse::<std::net::Ipv6Addr>().unwrap();
    advertised.extend(prefix.octets());
    messages.push(advertised);
    let mut solicitation = vec![135, 0, 0, 0, 0, 0, 0, 0];
    solicitation.extend(target);
    solicitation.extend([1, 1, 2, 0, 0, 0, 0, 1]);
    let mut advertisement = vec![136, 0, 0, 0, 0x60, 0, 0, 0];
    advertisement.extend(target);
    advertisement.extend([2, 1, 2, 0, 0, 0, 0, 2]);
    let mut redirect = vec![137, 0, 0, 0, 0, 0, 0, 0];
    redirect.extend(target);
    redirect.extend(target);
    messages.extend([solicitation, advertisement, redirect]);
    let mut frames = Vec::new();
    for (index, mut message) in messages.into_iter().enumerate() {
        let mut pseudo = Vec::new();
        for end in [b, a] {
            let IpAddr::V6(address) = end.ip() else {
                unreachable!("both are IPv6")
            };
            pseudo.extend(address.octets());
        }
        pseudo.extend((message.len() as u32).to_be_bytes());
        pseudo.extend([0, 0, 0, 58]);
        pseudo.extend(&message);
        let checksum = sum(&pseudo, 0);
        message[2..4].copy_from_slice(&checksum.to_be_bytes());
        frames.push(frame(
            index as u64 * 10,
            Link::Ethernet,
            ip(b.ip(), a.ip(), 58, &message),
        ));
    }
    frames
}

fn arp() -> Vec<Frame> {
    let mut frames = Vec::new();
    for (index, (operation, to)) in [(1u8, [0xffu8; 6]), (2, [2, 0, 0, 0, 0, 1])]
        .into_iter()
        .enumerate()
    {
        let mut bytes = to.to_vec();
        bytes.extend([2, 0, 0, 0, 0, 2, 0x08, 0x06]);
        bytes.extend([
            0, 1, 8, 0, 6, 4, 0, operation, 2, 0, 0, 0, 0, 2, 192, 0, 2, 2,
        ]);
        bytes.extend([0, 0, 0, 0, 0, 0, 192, 0, 2, 1]);
        bytes.resize(60, 0);
        frames.push(frame(index as u64, Link::Ethernet, bytes));
    }
    frames
}

/// The same segment behind every kind of link header, and with a tag.
fn links() -> Vec<Frame> {
    let (a, b): (SocketAddr, SocketAddr) = (A.parse().unwrap(), B.parse().unwrap());
    let ethernet = tcp(
        a,
        b,
        &Say {
            seq: 100,
            ack: 200,
            flags: PSH | ACK,
            window: 9,
            options: vec![],
        },
        b"hi",
    );
    let packet = &ethernet[14..];
    let behind = |header: &[u8]| [header, packet].concat();
    let mut tagged = ethernet[..12].to_vec();
    tagged.extend([0x81, 0x00, 0x70, 0x2a, 0x08, 0x00]);
    tagged.extend(packet);
    let mut padded = ethernet.clone();
    padded.resize(60, 0);
    let mut frames = vec![
        frame(0, Link::Ethernet, ethernet.clone()),
        frame(1, Link::Ethernet, tagged),
        frame(2, Link::Ethernet, padded),
        frame(
            3,
            Link::Cooked,
            behind(&[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x08, 0x00]),
        ),
        frame(
            4,
            Link::Cooked2,
            behind(&[
                0x08, 0x00, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0,
            ]),
        ),
        frame(5, Link::Null, behind(&[2, 0, 0, 0])),
        frame(6, Link::Raw, packet.to_vec()),
        frame(7, Link::Ipv4, packet.to_vec()),
    ];
    // Cut off by the capture, in the data and in the header.
    for (index, keep) in [55usize, 40].into_iter().enumerate() {
        let mut cut = frame(10 + index as u64, Link::Ethernet, ethernet[..keep].to_vec());
        cut.original_len = ethernet.len();
        frames.push(cut);
    }
    frames
}

fn ip_options() -> Vec<Frame> {
    let (a, b): (SocketAddr, SocketAddr) = (A.parse().unwrap(), B.parse().unwrap());
    let whole = udp(a, b, b"with options");
    let lists: [&[u8]; 4] = [
        &[148, 4, 0, 0],
        &[7, 7, 4, 0, 0, 0, 0, 0],
        &[1, 1, 1, 0],
        &[68, 8, 5, 0, 0, 0, 0, 1],
    ];
    let mut frames = Vec::new();
    for (index, list) in lists.into_iter().enumerate() {
        let mut bytes = whole[..34].to_vec();
        bytes.extend(list);
        bytes.extend(&whole[34..]);
        bytes[14] = 0x45 + (list.len() / 4) as u8;
        let len = (bytes.len() - 14) as u16;
        bytes[16..18].copy_from_slice(&len.to_be_bytes());
        // With a code point and a congestion mark.
        bytes[15] = 0xb8 | 3;
        fix_checksum(&mut bytes);
        frames.push(frame(index as u64, Link::Ethernet, bytes));
    }
    frames
}

/// Connections over a network that loses, delays and doubles, the same at every run.
pub(crate) fn random() -> Vec<(String, Vec<Frame>)> {
    (1..=12)
        .map(|seed| (format!("random-{seed}"), random_one(seed)))
        .collect()
}

fn random_one(seed: u64) -> Vec<Frame> {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut below = move |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let mut script = Script::new(41_000 + seed as u16);
    script.base = [below(1 << 32) as u32, below(1 << 32) as u32];
    script.open(0);
    let (mut time, mut sent, mut acked) = (2_000u64, 1u32, 1u32);
    for _ in 0..250 {
        time += 20 + below(3_000);
        match below(20) {
            // New data, sometimes with a hole before it.
            0..=8 => {
                let len = 1 + below(1460) as u32;
                if below(12) == 0 {
                    sent += len;
                }
                script.data(time, 0, sent, 1, len as usize);
                sent += len;
            }
            // Acknowledge all, some, or the same again.
            9..=13 => {
                acked = if below(3) == 0 {
                    acked
                } else {
                    acked + (u64::from(sent - acked) * below(5) / 4) as u32
                };
                script.ack(time, 1, 1, acked.min(sent));
            }
            14 | 15 => {
                for _ in 0..3 {
                    time += 10;
                    script.ack(time, 1, 1, acked);
                }
            }
            // Something old again, soon or late.
            16 | 17 => {
                time += below(2) * 250_000;
                let len = 1 + below(1000) as u32;
                let back = below(3_000) as u32 + 1;
                script.data(
                    time,
                    0,
                    sent.saturating_sub(back).max(1),
                    1,
                    len.min(back) as usize,
                );
            }
            18 => {
                script.window[1] = [0, 8, 500][below(3) as usize];
                script.ack(time, 1, 1, acked);
            }
            _ => {
                script.ack(time + 200_000, 0, sent.saturating_sub(1), 1);
                time += 200_000;
            }
        }
    }
    script.done()
}
