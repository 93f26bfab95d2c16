//! Over datagrams: what is one, and what is known of those that are lost.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use crate::support::{code, connect, stderr, stdout};

/// A UDP peer that gives each of the first datagrams to `answer`.
fn peer(
    count: usize,
    answer: impl Fn(&UdpSocket, &[u8], std::net::SocketAddr) + Send + 'static,
) -> (String, std::thread::JoinHandle<Vec<Vec<u8>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = format!("udp:{}", socket.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let mut buffer = [0; 65536];
        let mut heard = Vec::new();
        for _ in 0..count {
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            answer(&socket, &buffer[..length], from);
            heard.push(buffer[..length].to_vec());
        }
        heard
    });
    (at, thread)
}

fn echo(socket: &UdpSocket, payload: &[u8], from: std::net::SocketAddr) {
    socket.send_to(payload, from).unwrap();
}

#[test]
fn each_line_is_a_datagram_and_each_datagram_a_line() {
    let (at, peer) = peer(3, echo);
    let output = connect(&[&at], b"Hi!\n\nHope you're well");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stdout(&output), "Hi!\n\nHope you're well\n");
    assert_eq!(
        peer.join().unwrap(),
        [&b"Hi!"[..], b"", b"Hope you're well"]
    );
}

#[test]
fn a_raw_read_is_a_datagram() {
    let (at, peer) = peer(1, echo);
    let output = connect(&[&at, "--frame", "raw"], b"two\nlines\n");
    assert_eq!(stdout(&output), "two\nlines\n");
    assert_eq!(peer.join().unwrap(), [b"two\nlines\n"]);
}

#[test]
fn other_framings_are_refused() {
    let output = connect(&["udp::7", "--frame", "u32"], b"");
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains("a datagram is a message already"));
}

#[test]
fn a_lost_answer_has_its_own_exit_code() {
    let (at, _peer) = peer(2, |socket, payload, from| {
        if payload == b"kept" {
            echo(socket, payload, from);
        }
    });
    let arguments = [
        &at,
        "--send",
        "kept",
        "--send",
        "lost",
        "--timeout",
        "100ms",
    ];
    let output = connect(&arguments, b"");
    assert_eq!((code(&output), &*stdout(&output)), (28, "kept\n"));
    let text = stderr(&output);
    assert!(text.contains("1 of 2 datagrams have no answer"), "{text}");
    assert!(text.contains("lost"), "{text}");
}

#[test]
fn nobody_there_is_told_apart_from_nothing_heard() {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = format!("udp:{}", free.local_addr().unwrap());
    // Bound and silent: nothing is known.
    let output = connect(&[&at, "--send", "x", "--timeout", "50ms"], b"");
    assert_eq!(code(&output), 28, "{}", stderr(&output));
    // Not bound: the kernel sends an ICMP error back.
    drop(free);
    let output = connect(&[&at, "--send", "x"], b"");
    assert_eq!(code(&output), 7, "{}", stderr(&output));
    assert!(stderr(&output).contains("refused"));
}

#[test]
fn nothing_is_awaited_where_nothing_is_to_come() {
    let (at, peer) = peer(1, |_, _, _| {});
    let output = connect(&[&at, "--send", "x", "--half-close", "close"], b"");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(peer.join().unwrap(), [b"x"]);
}

#[test]
fn the_expected_datagram_is_awaited() {
    let (at, _peer) = peer(1, |socket, _, from| {
        socket.send_to(b"noise", from).unwrap();
        socket.send_to(b"signal", from).unwrap();
    });
    let output = connect(&[&at, "--send", "x", "--expect", "signal"], b"");
    assert_eq!((code(&output), &*stdout(&output)), (0, "noise\nsignal\n"));
    let (at, _peer) = peer_of_noise();
    let arguments = [
        &at,
        "--send",
        "x",
        "--expect",
        "signal",
        "--timeout",
        "50ms",
    ];
    let output = connect(&arguments, b"");
    assert_eq!(code(&output), 5);
    assert!(
        stderr(&output).contains(r#"received "noise""#),
        "{}",
        stderr(&output)
    );
}

fn peer_of_noise() -> (String, std::thread::JoinHandle<Vec<Vec<u8>>>) {
    peer(1, |socket, _, from| drop(socket.send_to(b"noise", from)))
}

#[test]
fn empty_datagrams_are_seen() {
    let (at, _peer) = peer(1, echo);
    let output = connect(&[&at, "--send", "", "--hex"], b"");
    assert_eq!(
        stdout(&output),
        "> 00000000  (empty)\n< 00000000  (empty)\n"
    );
}

#[test]
fn a_datagram_that_is_too_long_is_refused() {
    let (at, _peer) = peer(1, echo);
    let output = connect(&[&at], &vec![b'x'; 70_000]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("65535"), "{}", stderr(&output));
}

#[test]
fn the_local_port_is_shown() {
    let (at, _peer) = peer(1, echo);
    let output = connect(&[&at, "--send", "x", "-v"], b"");
    assert!(
        stderr(&output).contains("using 127.0.0.1:"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn unix_datagrams_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("d");
    let socket = UnixDatagram::bind(&path).unwrap();
    let peer = std::thread::spawn(move || {
        let mut buffer = [0; 100];
        let (length, from) = socket.recv_from(&mut buffer).unwrap();
        // The client has a name in the abstract namespace, so it can be answered.
        socket.send_to_addr(&buffer[..length], &from).unwrap();
    });
    let output = connect(&[&format!("unix-dgram:{}", path.display())], b"hello\n");
    assert_eq!(
        (code(&output), &*stdout(&output)),
        (0, "hello\n"),
        "{}",
        stderr(&output)
    );
    peer.join().unwrap();
}
