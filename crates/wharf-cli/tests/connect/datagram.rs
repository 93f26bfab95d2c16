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
fn a_datagram_that_is_too_long_is_refused_with_the_bound_of_its_ip_version() {
    let four = UdpSocket::bind("127.0.0.1:0").unwrap();
    let six = UdpSocket::bind("[::1]:0").unwrap();
    for (socket, most) in [(&four, 65_507), (&six, 65_527)] {
        let at = format!("udp:{}", socket.local_addr().unwrap());
        let output = connect(&[&at], &vec![b'x'; most + 1]);
        assert_eq!(code(&output), 2, "{}", stderr(&output));
        let text = stderr(&output);
        assert!(text.contains(&format!("at most {most} bytes")), "{text}");
        let output = connect(&[&at, "--half-close", "close"], &vec![b'x'; most]);
        assert_eq!(code(&output), 0, "{}", stderr(&output));
        let mut buffer = vec![0; 1 << 16];
        assert_eq!(socket.recv(&mut buffer).unwrap(), most);
    }
}

/// A port that is bound for one IP version and free for the other.
fn bound_once(ip: &str, other: &str) -> (UdpSocket, u16) {
    loop {
        let socket = UdpSocket::bind((ip, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        if UdpSocket::bind((other, port)).is_ok() {
            return (socket, port);
        }
    }
}

#[test]
fn the_other_ip_version_is_asked_when_the_first_refuses() {
    for (ip, other) in [("127.0.0.1", "::1"), ("::1", "127.0.0.1")] {
        let (socket, port) = bound_once(ip, other);
        let peer = std::thread::spawn(move || {
            let mut buffer = [0; 100];
            // Two clients with two datagrams each.
            for _ in 0..4 {
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                echo(&socket, &buffer[..length], from);
            }
        });
        for target in [format!("udp::{port}"), format!("udp:localhost:{port}")] {
            let output = connect(&[&target, "--send", "one", "--send", "two"], b"");
            assert_eq!(code(&output), 0, "{target}: {}", stderr(&output));
            assert_eq!(stdout(&output), "one\ntwo\n", "{target}");
        }
        peer.join().unwrap();
    }
}

#[test]
fn every_endpoint_that_refused_is_named() {
    let (free, port) = bound_once("127.0.0.1", "::1");
    drop(free);
    let output = connect(&[&format!("udp::{port}"), "--send", "x"], b"");
    assert_eq!(code(&output), 7, "{}", stderr(&output));
    let both = format!("refused (127.0.0.1:{port}, [::1]:{port})");
    assert!(stderr(&output).contains(&both), "{}", stderr(&output));
}

#[test]
fn a_broadcast_address_needs_its_option() {
    let output = connect(&["udp:127.255.255.255:11111", "--send", "x"], b"");
    assert_eq!(code(&output), 1, "{}", stderr(&output));
    let cure = "wharf connect udp:127.255.255.255:11111,broadcast";
    assert!(stderr(&output).contains(cure), "{}", stderr(&output));
}

#[test]
fn what_the_kernel_lacks_is_wrong_use_and_no_question_of_names() {
    for scheme in ["rdm", "raw"] {
        let output = connect(&[&format!("{scheme}::1")], b"");
        let text = stderr(&output);
        assert_eq!(code(&output), 2, "{text}");
        assert!(!text.contains("resolve"), "{text}");
        assert!(text.contains("\n  try "), "{text}");
    }
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
