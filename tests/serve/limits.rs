//! Limits and timeouts, as a client meets them.

use std::io::Write;
use std::net::TcpStream;

use crate::peer::{converse, hears_nothing, rest, tcp};
use crate::support::Server;

#[test]
fn reply_once_closes_after_the_first_reply() {
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0", "--reply-once"]);
    let mut peer = tcp(&server.port());
    peer.write_all(b"sentence").unwrap();
    assert_eq!(rest(&mut peer), b"SENTENCE");
    assert_eq!(server.closed(), "finished");
}

#[test]
fn beyond_the_cap_a_client_waits_until_a_place_is_free() {
    let mut server = Server::start(["echo", "tcp:127.0.0.1:0", "--max-connections", "1"]);
    let port = server.port();
    let mut first = tcp(&port);
    converse(&mut first, b"first", b"first");
    let mut second = tcp(&port);
    second.write_all(b"second").unwrap();
    hears_nothing(&mut second);
    drop(first);
    converse(&mut second, b"", b"second");
}

#[test]
fn beyond_the_cap_a_client_is_told_the_refusal() {
    let mut server = Server::start([
        "echo",
        "tcp:127.0.0.1:0",
        "--max-connections",
        "1",
        "--when-full",
        "refuse",
        "--refusal",
        "try again later",
    ]);
    let port = server.port();
    let mut first = tcp(&port);
    converse(&mut first, b"first", b"first");
    assert_eq!(rest(&mut tcp(&port)), b"try again later\n");
    let (reason, peer) = server.process.wait_for_event("refused", |event| {
        Some((event["reason"].clone(), event["peer"].clone()))
    });
    assert_eq!(reason, "refused-full");
    assert!(peer.as_str().unwrap().starts_with("127.0.0.1:"));
    converse(&mut first, b"still here", b"still here");
    drop(first);
    assert_eq!(server.closed(), "peer-closed");
    converse(&mut tcp(&port), b"a place", b"a place");
}

#[test]
fn one_peer_has_its_own_cap() {
    let mut server = Server::start([
        "echo",
        "tcp:127.0.0.1:0",
        "--per-peer",
        "1",
        "--refusal",
        "one each",
    ]);
    let port = server.port();
    let mut first = tcp(&port);
    converse(&mut first, b"first", b"first");
    assert_eq!(rest(&mut tcp(&port)), b"one each\n");
    let reason = server
        .process
        .wait_for_event("refused", |event| Some(event["reason"].clone()));
    assert_eq!(reason, "refused-per-peer");
    // Another address of the loopback network is another peer.
    let mut other = from("127.0.0.2", &port);
    converse(&mut other, b"other", b"other");
}

fn from(address: &str, port: &str) -> TcpStream {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let local: std::net::SocketAddr = format!("{address}:0").parse().unwrap();
    let to: std::net::SocketAddr = format!("127.0.0.1:{port}").parse().unwrap();
    socket.bind(&local.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream
        .set_read_timeout(Some(crate::support::DEADLINE))
        .unwrap();
    stream
}

#[test]
fn timeouts_close_with_their_reason() {
    for (option, reason) in [
        (["--idle-timeout", "200ms"], "idle"),
        (["--total-timeout", "200ms"], "total-timeout"),
    ] {
        let mut server = Server::start(["echo", "tcp:127.0.0.1:0", option[0], option[1]]);
        let mut peer = tcp(&server.port());
        converse(&mut peer, b"hello", b"hello");
        assert_eq!(rest(&mut peer), b"", "{option:?}");
        let (closed, lasted) = server.process.wait_for_event("closed", |event| {
            Some((event["reason"].clone(), event["lasted_seconds"].as_f64()))
        });
        assert_eq!(closed, reason);
        assert!((0.2..10.0).contains(&lasted.unwrap()), "{lasted:?}");
    }
}

#[test]
fn a_peer_that_never_reads_is_closed_as_a_slow_reader() {
    let mut server = Server::start(["chargen", "tcp:127.0.0.1:0", "--write-timeout", "300ms"]);
    let peer = tcp(&server.port());
    assert_eq!(server.closed(), "slow-reader");
    drop(peer);
}

#[test]
fn a_tls_handshake_that_never_comes_is_given_up() {
    let mut server = Server::start([
        "echo",
        "tls:127.0.0.1:0,self-signed",
        "--handshake-timeout",
        "200ms",
    ]);
    let mut silent = tcp(&server.port());
    rest(&mut silent);
    assert_eq!(server.closed(), "tls-timeout");
}
