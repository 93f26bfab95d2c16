//! `wharf trace live`: what passes now, as it comes.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::support::{Ended, Process, Server, Stream, wharf};
use crate::{events, folder, may_capture, of, path, trace};

/// A capture that has begun.
fn live(arguments: &[&str]) -> Process {
    let mut command = wharf(["trace", "live"]);
    command
        .args(arguments)
        .env_remove("LANG")
        .env_remove("LC_ALL");
    let mut process = Process::start(&mut command);
    process.wait_for(|stream, line| {
        (stream == Stream::Err && line.starts_with("capturing")).then_some(())
    });
    process
}

/// Whether these tests can be run; says so where they cannot.
fn is_allowed() -> bool {
    let is_allowed = may_capture();
    if !is_allowed {
        eprintln!("skipped: frames may not be captured here");
    }
    is_allowed
}

/// Says hello to whoever listens there, and waits for the answer.
fn say_hello(port: &str) {
    let mut client = TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
}

fn frames(ended: &Ended) -> Vec<Value> {
    let events = events(ended);
    of(&events, "frame").into_iter().cloned().collect()
}

#[test]
fn frames_of_a_port_are_shown_as_they_pass() {
    if !is_allowed() {
        return;
    }
    let port = Server::start(["echo", "127.0.0.1:0"]);
    let (mut server, mut other) = (port, Server::start(["echo", "127.0.0.1:0"]));
    let (port, other) = (server.port(), other.port());
    let live = live(&["--port", &port, "--count", "4", "--json"]);
    say_hello(&other);
    say_hello(&port);
    let ended = live.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let frames = frames(&ended);
    assert_eq!(frames.len(), 4);
    for frame in &frames {
        assert_eq!(frame["origin"], "captured");
        let ends = [&frame["from"], &frame["to"]].map(|end| end.as_str().unwrap());
        assert!(ends.iter().any(|end| end.ends_with(&format!(":{port}"))));
    }
    assert_eq!(frames[0]["tcp"]["states"][0], "SYN-SENT");
    assert_eq!(frames[3]["tcp"]["bytes"], 5);
}

#[test]
fn frames_of_a_process_are_shown_alone() {
    if !is_allowed() {
        return;
    }
    let mut server = Server::start(["echo", "127.0.0.1:0"]);
    let mut other = Server::start(["echo", "127.0.0.1:0"]);
    let (port, other) = (server.port(), other.port());
    let pid = server.process.pid().to_string();
    let live = live(&["--process", &pid, "--count", "2", "--json"]);
    say_hello(&other);
    say_hello(&port);
    let ended = live.end();
    assert_eq!(ended.code(), 0, "{ended:?}");
    let frames = frames(&ended);
    assert_eq!(frames.len(), 2);
    for frame in &frames {
        let ends = [&frame["from"], &frame["to"]].map(|end| end.as_str().unwrap());
        assert!(ends.iter().any(|end| end.ends_with(&format!(":{port}"))));
    }
}

#[test]
fn each_frame_is_drawn_with_the_view_that_was_asked_for() {
    if !is_allowed() {
        return;
    }
    let mut server = Server::start(["echo", "127.0.0.1:0"]);
    let port = server.port();
    for (view, sign, kept) in [
        ("boxes", " · TCP · 32 B · ", "process to process"),
        ("hex", "A=data 5", "68 65 6c 6c 6f"),
        ("lines", "DATA 5 seq 1..6", "hello"),
    ] {
        let mut options = vec!["--port", &port, "--count", "4", "--width", "90"];
        match view {
            // A model's words stand on boxes.
            "boxes" => options.extend(["--model", "osi"]),
            _ => options.extend(["--view", view]),
        }
        let live = live(&options);
        say_hello(&port);
        let ended = live.end();
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert!(ended.stdout.contains(sign), "{view}: {}", ended.stdout);
        assert!(ended.stdout.contains(kept), "{view}: {}", ended.stdout);
        assert!(ended.stdout.contains("captured: "), "{}", ended.stdout);
    }
}

#[test]
fn a_view_of_all_frames_at_once_is_refused() {
    for options in [
        &["--view", "ladder"][..],
        &["--view", "story"],
        &["--view", "mermaid"],
        &["--interactive"],
        &["--explain", "1"],
    ] {
        let arguments = [&["live"], options].concat();
        let ended = trace(&arguments);
        assert_eq!(ended.code(), 2, "{ended:?}");
        let cure = "wharf trace live -w FILE, then wharf trace read FILE";
        assert!(ended.stderr.contains(cure), "{}", ended.stderr);
    }
}

#[test]
fn a_file_holds_what_was_shown_while_it_goes_on_and_after_a_signal() {
    if !is_allowed() {
        return;
    }
    for signal in ["TERM", "HUP", "INT"] {
        let folder = folder();
        let name = path(&folder, "live.pcapng").display().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port().to_string();
        let mut live = live(&["--port", &port, "--json", "-w", &name]);
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // The handshake, and nothing after it.
        for _ in 0..3 {
            live.wait_for_event("frame", |_| Some(()));
        }
        let read = || frames(&trace(&["read", &name, "--json"])).len();
        // It is written as soon as there is nothing else to do.
        while read() < 3 {
            std::thread::yield_now();
        }
        live.signal(signal);
        let ended = live.end();
        assert_eq!(ended.code(), 0, "{signal}: {ended:?}");
        assert_eq!(read(), 3, "{signal}");
        drop(client);
    }
}
