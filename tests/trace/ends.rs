//! How conversations end, and those that never begin.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use crate::{as_nobody, calls, events, may_capture, of, trace};

#[test]
fn nobody_is_there() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let ended = trace(&[&format!("127.0.0.1:{port}"), "--send", "x"]);
    assert_eq!(ended.code(), 7, "{ended:?}");
    assert!(ended.stdout.contains("RST"), "{}", ended.stdout);
    // Nobody listened, so no picture says so.
    for view in ["ladder", "story", "boxes", "lines", "json"] {
        let ended = trace(&[&format!("127.0.0.1:{port}"), "--view", view]);
        assert!(ended.stdout.contains("RST"), "{view}: {}", ended.stdout);
        assert!(!ended.stdout.contains("LISTEN"), "{view}: {}", ended.stdout);
    }
    assert!(
        ended.stderr.contains("connection refused"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_closed_udp_port_is_told_by_an_icmp_error() {
    for ip in ["127.0.0.1", "[::1]"] {
        let free = std::net::UdpSocket::bind(format!("{ip}:0")).unwrap();
        let address = format!("udp:{}", free.local_addr().unwrap());
        drop(free);
        let ended = trace(&[&address, "--send", "anybody?", "--json"]);
        assert_eq!(ended.code(), 7, "{ended:?}");
        let events = events(&ended);
        assert_eq!(
            calls(&events, "client"),
            ["socket", "connect", "sendto", "recvfrom", "close"]
        );
        let frames = of(&events, "frame");
        assert_eq!(frames.len(), 2, "{ended:?}");
        let last = frames[1]["layers"].to_string();
        assert!(last.contains("ICMP"), "{last}");
        assert!(last.contains("\"quoted\":true"), "{last}");
        let picture = trace(&[&address, "--send", "anybody?"]).stdout;
        let error = trace(&[&address, "--send", "anybody?"]).stderr;
        assert!(error.contains("connection refused"), "{error}");
        // The words of the call stand in a narrow column, over several lines.
        assert!(picture.contains(" port unreachable, type"), "{picture}");
    }
}

#[test]
fn a_closed_udp_port_of_both_loopbacks_is_two_conversations_with_their_errors() {
    let free = std::net::UdpSocket::bind("[::1]:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let ended = trace(&[&format!("udp::{port}"), "--send", "anybody?", "--json"]);
    assert_eq!(ended.code(), 7, "{ended:?}");
    let events = events(&ended);
    let flows: Vec<&Value> = of(&events, "call")
        .iter()
        .map(|call| &call["flow"])
        .collect();
    // Each socket's five calls belong to the conversation that they made.
    let (first, second) = flows.split_at(5);
    assert_eq!(flows.len(), 10, "{ended:?}");
    assert!(first.iter().all(|flow| *flow == first[0]), "{flows:?}");
    assert!(second.iter().all(|flow| *flow == second[0]), "{flows:?}");
    assert_ne!(first[0], second[0]);
    // Between the two there is no wait of our own.
    let times: Vec<u64> = of(&events, "call")
        .iter()
        .map(|call| call["time_ns"].as_u64().unwrap())
        .collect();
    let pause = Duration::from_nanos(times[5] - times[4]);
    assert!(pause < Duration::from_millis(100), "{pause:?}");
    // The errors stand in the conversations that they are about.
    let picture = trace(&[&format!("udp::{port}"), "--send", "anybody?"]).stdout;
    let titles: BTreeSet<&str> = picture
        .lines()
        .filter(|line| line.contains(" ▶ "))
        .map(|line| line.split_whitespace().next().unwrap())
        .collect();
    assert_eq!(titles, BTreeSet::from(["UDP"]), "{picture}");
    assert_eq!(picture.matches(" ▶ ").count(), 2, "{picture}");
}

#[test]
fn a_port_that_nobody_told_is_not_made_up() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let Some(ended) = as_nobody(&[&format!("127.0.0.1:{port}")]) else {
        return;
    };
    let picture = &ended.stdout;
    assert!(picture.contains("client 127.0.0.1:? ▶ server"), "{picture}");
    assert!(
        picture.contains("the client's port is not known"),
        "{picture}"
    );
    assert!(picture.contains("mss 65495"), "{picture}");
}

/// A server that takes what it is sent and cuts the connection.
fn cutting() -> (String, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.read_exact(&mut [0; 5]).unwrap();
        // RST instead of FIN (socket(7), SO_LINGER).
        let socket = socket2::Socket::from(socket);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    });
    (at, thread)
}

#[test]
fn a_connection_that_the_peer_cuts_ends_with_its_reset() {
    let (at, server) = cutting();
    let Some(ended) = as_nobody(&[&at, "--send", "hello", "--json"]) else {
        // Whoever it is that runs the test, the server has to end.
        drop(std::net::TcpStream::connect(&at));
        drop(server);
        return;
    };
    server.join().unwrap();
    assert_eq!(ended.code(), 4, "{ended:?}");
    let events = events(&ended);
    let flags = |frame: &Value, name: &str| {
        let layers = frame["layers"].as_array().unwrap();
        let mut fields = layers
            .iter()
            .flat_map(|layer| layer["fields"].as_array().unwrap());
        fields.any(|field| field["name"] == name && field["value"] == true)
    };
    let frames = of(&events, "frame");
    let last = frames.last().unwrap();
    assert_eq!(last["origin"], "modelled");
    assert_eq!(last["from"], at);
    assert!(flags(last, "RST"), "{last}");
    assert!(!frames.iter().any(|frame| flags(frame, "FIN")), "{ended:?}");
    assert_eq!(
        calls(&events, "client"),
        ["socket", "connect", "send", "recv", "close"]
    );
}

/// The kernel switches its clock for frames on some time after it was asked to.
#[test]
fn captured_frames_have_the_times_at_which_they_came() {
    if !may_capture() {
        eprintln!("skipped: frames may not be captured here");
        return;
    }
    for _ in 0..10 {
        let ended = trace(&["demo", "tcp", "--json"]);
        let events = events(&ended);
        let time = |event: &Value| event["time_ns"].as_u64().unwrap();
        let call = |name: &str| {
            let mut calls = of(&events, "call").into_iter();
            let is_it = |call: &&Value| {
                call["side"] == "client" && call["call"].as_str().unwrap().starts_with(name)
            };
            time(calls.find(is_it).unwrap())
        };
        let (sent, closed) = (call("send("), call("close("));
        let frames = of(&events, "frame");
        assert!(time(frames[0]) < sent, "{ended:?}");
        let mut data = frames.iter().filter(|frame| frame["tcp"]["bytes"] != 0);
        assert!(data.all(|frame| time(frame) < closed), "{ended:?}");
    }
}
