//! The switches of the chat, as its clients meet them.

use std::io::Write;
use std::net::TcpStream;

use crate::peer::{ask, converse, rest, tcp, udp};
use crate::support::Server;

/// A chat with these options besides.
fn chat(options: &[&str]) -> Server {
    let all = ["chat", "tcp:127.0.0.1:0"].iter().chain(options);
    Server::start(all.copied())
}

/// Somebody who is logged in.
fn user(port: &str, name: &str) -> TcpStream {
    let mut user = tcp(port);
    let (say, hear) = (format!("HELLO-FROM {name}\n"), format!("HELLO {name}\n"));
    converse(&mut user, say.as_bytes(), hear.as_bytes());
    user
}

#[test]
fn a_dialect_is_spoken_before_the_client_shows_its_own() {
    for (dialect, unknown) in [
        ("auto", "UNKNOWN\n"),
        ("who", "UNKNOWN\n"),
        ("list", "BAD-DEST-USER\n"),
    ] {
        let mut server = chat(&["--dialect", dialect]);
        let mut ann = user(&server.port(), "ann");
        converse(&mut ann, b"SEND nobody hi\n", unknown.as_bytes());
    }
}

#[test]
fn a_refused_name_may_be_another_or_the_end() {
    let mut server = chat(&["--refused", "keep"]);
    let port = server.port();
    let _ann = user(&port, "ann");
    let mut other = tcp(&port);
    converse(&mut other, b"HELLO-FROM ann\n", b"IN-USE\n");
    converse(&mut other, b"HELLO-FROM ben\n", b"HELLO ben\n");

    let mut server = chat(&["--refused", "close"]);
    let port = server.port();
    let _ann = user(&port, "ann");
    let mut other = tcp(&port);
    other.write_all(b"HELLO-FROM ann\n").unwrap();
    assert_eq!(rest(&mut other), b"IN-USE\n");
}

#[test]
fn who_does_not_log_in_is_closed() {
    let mut server = chat(&["--login-timeout", "100ms"]);
    let port = server.port();
    let mut ann = user(&port, "ann");
    assert_eq!(rest(&mut tcp(&port)), b"");
    // Who is logged in stays.
    converse(&mut ann, b"SEND nobody hi\n", b"UNKNOWN\n");
}

#[test]
fn one_too_many_is_told_that_the_room_is_busy() {
    for cap in ["--max-users", "--per-peer", "--max-connections"] {
        let mut server = chat(&[cap, "1"]);
        let port = server.port();
        let _ann = user(&port, "ann");
        let mut ben = tcp(&port);
        // The caps on connections do not wait for a name.
        if cap == "--max-users" {
            ben.write_all(b"HELLO-FROM ben\n").unwrap();
        }
        assert_eq!(rest(&mut ben), b"BUSY\n", "{cap}");
    }
}

#[test]
fn a_room_without_bots_has_their_names_free() {
    let mut server = chat(&["--no-bots"]);
    let port = server.port();
    assert_eq!(
        ask(&port, b"HELLO-FROM echobot\nWHO\nSEND delaybot hi\n"),
        "HELLO echobot\nWHO-OK echobot\nUNKNOWN\n"
    );
}

#[test]
fn names_and_lines_are_as_long_as_is_allowed() {
    let mut server = chat(&["--max-name", "3", "--max-line", "20"]);
    let port = server.port();
    let fits = "SEND ann 12345678901";
    let said = format!("HELLO-FROM anna\nHELLO-FROM ann\n{fits}\n{fits}2\n");
    assert_eq!(
        ask(&port, said.as_bytes()),
        "BAD-RQST-BODY\nHELLO ann\nSEND-OK\nDELIVERY ann 12345678901\nBAD-RQST-BODY\n"
    );
}

#[test]
fn who_comes_and_goes_is_told_to_machines_in_fields() {
    let mut server = chat(&["--show-messages"]);
    let port = server.port();
    let mut ann = user(&port, "ann");
    let from = ann.local_addr().unwrap().to_string();
    let mut other = tcp(&port);
    converse(&mut other, b"HELLO-FROM ann\n", b"IN-USE\n");
    converse(&mut ann, b"SEND ann hi\n", b"SEND-OK\nDELIVERY ann hi\n");
    drop(ann);
    let mut next = |what: &str| {
        server.process.wait_for_event("shown", |event| {
            (event["what"] == what).then(|| event.clone())
        })
    };
    let came = next("logged-in");
    assert_eq!(
        (&came["name"], &came["users"], &came["peer"]),
        (&"ann".into(), &1.into(), &from.clone().into())
    );
    let refused = next("refused");
    assert_eq!(
        (&refused["name"], &refused["reason"]),
        (&"ann".into(), &"in-use".into())
    );
    let said = next("said");
    assert_eq!(
        (&said["from"], &said["to"], &said["message"]),
        (&"ann".into(), &"ann".into(), &"hi".into())
    );
    let left = next("left");
    assert_eq!(
        (&left["name"], &left["users"], &left["reason"]),
        (&"ann".into(), &0.into(), &"closed".into())
    );
}

/// What a user hears who sends itself forty messages through a network that loses half.
fn lossy_run(seed: &str) -> Vec<String> {
    let mut server = Server::start(["chat", "udp:127.0.0.1:0", "--seed", seed]);
    let user = udp(&server.port());
    let mut space = [0; 2_048];
    let mut hear = || {
        let length = user.recv(&mut space).unwrap();
        String::from_utf8_lossy(&space[..length]).into_owned()
    };
    for (say, answer) in [
        ("HELLO-FROM ann\n", "HELLO ann\n"),
        ("SET DROP 0.5\n", "SET-OK\n"),
    ] {
        user.send(say.as_bytes()).unwrap();
        assert_eq!(hear(), answer);
    }
    let mut heard = Vec::new();
    for n in 0..40 {
        user.send(format!("SEND ann {n}\n").as_bytes()).unwrap();
        // Answers to settings are never lost: all before this one has come.
        user.send(b"GET DROP\n").unwrap();
        loop {
            let line = hear();
            if line.starts_with("VALUE ") {
                break;
            }
            heard.push(line);
        }
    }
    heard
}

#[test]
fn a_seed_repeats_what_is_lost() {
    let run = lossy_run("7");
    assert!((20..60).contains(&run.len()), "{run:?}");
    assert_eq!(run, lossy_run("7"));
    assert_ne!(run, lossy_run("8"));
}
