//! Messages: where they end, how many there were, and those that are too long.

use std::io::Write;

use crate::peer::{converse, rest, tcp};
use crate::support::Server;

/// Serves `service` with `options`, has one conversation, and counts the messages.
#[track_caller]
fn messages(service: &str, options: &[&str], say: &[u8], hear: &[u8]) -> u64 {
    let mut arguments = vec![service, "tcp:127.0.0.1:0"];
    arguments.extend(options);
    let mut server = Server::start(arguments);
    let mut peer = tcp(&server.port());
    converse(&mut peer, say, hear);
    drop(peer);
    server.process.wait_for_event("closed", |event| {
        assert_eq!(event["reason"], "peer-closed", "{event}");
        event["messages"].as_u64()
    })
}

#[test]
fn each_framing_is_answered_in_kind_and_counted() {
    let two = b"\0\0\0\x03Hi!\0\0\0\x05there";
    assert_eq!(messages("echo", &["--frame", "u32"], two, two), 2);
    let upper = b"\0\0\0\x03HI!\0\0\0\x05THERE";
    assert_eq!(messages("upper", &["--frame", "u32"], two, upper), 2);
    assert_eq!(
        messages("upper", &["--frame", "lines"], b"a\nb\nc\n", b"A\nB\nC\n"),
        3
    );
    assert_eq!(
        messages("echo", &["--frame", "netstring"], b"2:ab,0:,", b"2:ab,0:,"),
        2
    );
}

#[test]
fn ascii_leaves_other_letters_as_they_are() {
    let text = "straße Ärger é".as_bytes();
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0", "--ascii"]);
    converse(&mut tcp(&server.port()), text, "STRAßE ÄRGER é".as_bytes());
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0"]);
    converse(&mut tcp(&server.port()), text, "STRASSE ÄRGER É".as_bytes());
}

#[test]
fn a_message_that_is_too_long_closes_or_is_skipped() {
    let options = [
        "echo",
        "tcp:127.0.0.1:0",
        "--frame",
        "lines",
        "--max-message",
        "10",
    ];
    let long = b"this line is longer than ten bytes\n";

    let mut server = Server::start(options);
    let mut peer = tcp(&server.port());
    converse(&mut peer, b"short\n", b"short\n");
    peer.write_all(long).unwrap();
    assert_eq!(rest(&mut peer), b"");
    assert_eq!(server.closed(), "message-too-long");

    let mut server = Server::start(options.iter().chain(&["--too-long", "skip"]));
    let mut peer = tcp(&server.port());
    peer.write_all(long).unwrap();
    converse(&mut peer, b"short\n", b"short\n");
    drop(peer);
    assert_eq!(server.closed(), "peer-closed");
}

#[test]
fn a_framing_of_datagrams_is_said_to_mean_nothing() {
    let mut server = Server::start(["echo", "udp:127.0.0.1:0", "--frame", "u32"]);
    let note = server
        .process
        .wait_for_event("note", |event| event["text"].as_str().map(str::to_owned));
    assert_eq!(
        note,
        "--frame means nothing at udp:127.0.0.1:0: a datagram is a message already"
    );
}
