//! The two readers of headers agree: `layers` for every field, and `packet`, which is
//! built on etherparse, for the few numbers of conversations.

use std::net::SocketAddr;

use proptest::prelude::*;
use wharf_wire::application::Dissectors;
use wharf_wire::build::{Say, TcpOption, tcp, udp};
use wharf_wire::field::Value;
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::layers::{Kind, Layers, dissect};
use wharf_wire::packet::{Carried, Packet};
use wharf_wire::trace::Trace;
use wharf_wire::view::{Look, View, draw};

const LINKS: [Link; 8] = [
    Link::Ethernet,
    Link::Null,
    Link::Loop,
    Link::Raw,
    Link::Ipv4,
    Link::Ipv6,
    Link::Cooked,
    Link::Cooked2,
];

fn end() -> impl Strategy<Value = (SocketAddr, SocketAddr)> {
    (
        any::<[u8; 4]>(),
        any::<[u8; 16]>(),
        any::<(u16, u16)>(),
        any::<bool>(),
    )
        .prop_map(|(v4, v6, (a, b), is_v4)| match is_v4 {
            true => (SocketAddr::from((v4, a)), SocketAddr::from((v4, b))),
            false => (SocketAddr::from((v6, a)), SocketAddr::from((v6, b))),
        })
}

fn number(layers: &Layers, kind: Kind, name: &str) -> u64 {
    layers
        .find(kind)
        .and_then(|layer| layer.number(name))
        .unwrap()
}

/// The bits of a field say what its value says.
fn check(layers: &Layers, bytes: &[u8]) {
    for layer in &layers.list {
        assert!(layer.bytes.end <= bytes.len());
        for field in &layer.fields {
            assert!(field.bits.end <= bytes.len() * 8);
            if let (Value::Number(number) | Value::Hex(number, _), true) =
                (&field.value, field.bits.len() <= 64)
            {
                let read = field.bits.clone().fold(0u128, |sum, bit| {
                    sum << 1 | u128::from(bytes[bit / 8] >> (7 - bit % 8) & 1)
                });
                assert!(
                    u128::from(*number) == read
                        || field.name == "family"
                        || layer.kind == Kind::Application("DNS"),
                    "{field:?}"
                );
            }
        }
    }
    // Every byte belongs to somebody.
    let covered: usize = layers.list.iter().map(|layer| layer.bytes.len()).sum();
    assert_eq!(covered, bytes.len(), "{layers:#?}");
}

proptest! {
    #[test]
    fn on_segments((from, to) in end(), seq: u32, ack: u32, flags: u8, window: u16, scale in 0u8..15, data in proptest::collection::vec(any::<u8>(), 0..100)) {
        let options = vec![TcpOption::Scale(scale), TcpOption::Sack(vec![(seq, ack)])];
        let bytes = tcp(from, to, &Say { seq, ack, flags, window, options }, &data);
        let layers = dissect(Link::Ethernet, &bytes, bytes.len(), &Dissectors::none());
        check(&layers, &bytes);
        let packet = Packet::of(Link::Ethernet, &bytes).unwrap();
        let Carried::Tcp(segment) = packet.carried(&bytes) else { panic!("no segment") };
        prop_assert_eq!((packet.source, packet.destination), (from.ip(), to.ip()));
        prop_assert_eq!(number(&layers, Kind::Tcp, "src port"), u64::from(segment.source));
        prop_assert_eq!(number(&layers, Kind::Tcp, "seq"), u64::from(segment.seq));
        prop_assert_eq!(number(&layers, Kind::Tcp, "ack"), u64::from(segment.ack));
        prop_assert_eq!(number(&layers, Kind::Tcp, "window"), u64::from(segment.window));
        prop_assert_eq!(number(&layers, Kind::Tcp, "WS"), u64::from(segment.scale.unwrap()));
        prop_assert_eq!(segment.sack[0], Some((seq, ack)));
        prop_assert_eq!(segment.flags, flags);
        prop_assert_eq!(&bytes[segment.data], &data[..]);
        let checksum = layers.find(Kind::Tcp).unwrap().field("checksum").unwrap();
        prop_assert!(checksum.meaning.starts_with("good"), "{}", checksum.meaning);
    }

    #[test]
    fn on_datagrams((from, to) in end(), data in proptest::collection::vec(any::<u8>(), 0..100)) {
        let bytes = udp(from, to, &data);
        let layers = dissect(Link::Ethernet, &bytes, bytes.len(), &Dissectors::none());
        check(&layers, &bytes);
        let packet = Packet::of(Link::Ethernet, &bytes).unwrap();
        let Carried::Udp { source, destination, data: range } = packet.carried(&bytes) else { panic!("no datagram") };
        prop_assert_eq!((source, destination), (from.port(), to.port()));
        prop_assert_eq!(&bytes[range], &data[..]);
        let checksum = layers.find(Kind::Udp).unwrap().field("checksum").unwrap();
        prop_assert!(checksum.meaning.starts_with("good"), "{}", checksum.meaning);
    }

    #[test]
    fn arbitrary_bytes_are_covered_and_drawn(link in 0usize..8, bytes in proptest::collection::vec(any::<u8>(), 0..200), view in 0usize..7) {
        let link = LINKS[link];
        let layers = dissect(link, &bytes, bytes.len(), &Dissectors::standard());
        check(&layers, &bytes);
        let mut trace = Trace::new(Dissectors::standard());
        trace.push(Frame::new(Timestamp::from_nanos(1), link, Origin::Captured, bytes));
        trace.finish();
        draw(&trace, View::ALL[view].0, &Look::plain(60));
    }

    #[test]
    fn damaged_segments_are_covered_and_drawn((from, to) in end(), at in 0usize..120, byte: u8, cut in 0usize..40, view in 0usize..7) {
        let options = vec![TcpOption::Mss(1), TcpOption::Timestamps(1, 2), TcpOption::SackPermitted];
        let mut bytes = tcp(from, to, &Say { flags: 2, options, ..Say::default() }, b"GET / HTTP/1.1\r\nA: b\r\n\r\nrest");
        let at = at % bytes.len();
        bytes[at] = byte;
        bytes.truncate(bytes.len() - cut);
        let layers = dissect(Link::Ethernet, &bytes, bytes.len() + cut, &Dissectors::standard());
        check(&layers, &bytes);
        let mut trace = Trace::new(Dissectors::standard());
        trace.push(Frame::new(Timestamp::from_nanos(1), Link::Ethernet, Origin::Captured, bytes));
        trace.finish();
        draw(&trace, View::ALL[view].0, &Look::plain(100));
    }
}
