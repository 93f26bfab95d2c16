//! What the services say, taken apart by `wharf trace ADDRESS` with their own parsers.

use serde_json::Value;

use crate::support::{Ended, Server};
use crate::{events, of, trace};

/// Side, protocol and words of each message.
fn said(ended: &Ended) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let messages = events(ended);
    of(&messages, "message")
        .into_iter()
        .map(|one| {
            (
                text(&one["side"]),
                text(&one["protocol"]),
                text(&one["summary"]),
            )
        })
        .collect()
}

fn has(said: &[(String, String, String)], side: &str, protocol: &str, words: &str) {
    assert!(
        said.iter()
            .any(|one| one.0 == side && one.1 == protocol && one.2.starts_with(words)),
        "{side} {protocol} {words:?} is missing: {said:#?}"
    );
}

/// The same conversation in every picture: the protocol's name and the words are there.
fn in_every_view(arguments: &[&str], protocol: &str, words: &str) {
    for view in ["boxes", "ladder", "lines", "hex", "story", "mermaid"] {
        let ended = trace(&[arguments, &["--view", view, "--width", "200"]].concat());
        assert_eq!(ended.code(), 0, "{view}: {ended:?}");
        let names = view == "boxes";
        assert!(
            !names || ended.stdout.contains(protocol),
            "{view}: {}",
            ended.stdout
        );
        let tells = matches!(view, "boxes" | "ladder" | "lines");
        assert!(
            !tells || ended.stdout.contains(words),
            "{view}: {}",
            ended.stdout
        );
    }
}

#[test]
fn rock_paper_scissors_at_a_port_that_is_not_its_own() {
    let mut server = Server::start(["rps", "127.0.0.1:0"]);
    let local = server.local();
    let talk = [
        local.as_str(),
        "--send",
        r"HELLO ann tulip\n",
        "--send",
        r"play house\n",
        "--send",
        r"rock\nBYE\n",
    ];
    let said = said(&trace(&[&talk[..], &["--json"]].concat()));
    has(&said, "server", "RPS", "rock, paper, scissors, best of 3");
    has(&said, "client", "RPS", "ann wants to log in");
    has(&said, "client", "RPS", "wants a match with house");
    has(&said, "client", "RPS", "shows ROCK");
    has(&said, "server", "RPS", "it is in; nobody sees it");
    has(&said, "server", "RPS", "goodbye");
    in_every_view(&talk, "RPS", "wants a match with house");
}

#[test]
fn numbered_datagrams_of_the_game() {
    let mut server = Server::start(["rps", "udp:127.0.0.1:0"]);
    let local = format!("udp:127.0.0.1:{}", server.port());
    let talk = [&local, "--send", "#1 HELLO ann", "--send", "#2 PLAY house"];
    let said = said(&trace(&[&talk[..], &["--json"]].concat()));
    has(&said, "client", "RPS", "ann wants to log in");
    has(&said, "server", "RPS", "the answer to request 1:");
    has(&said, "server", "RPS", "hello, ann.");
    has(&said, "client", "RPS", "wants a match with house");
    has(&said, "server", "RPS", "the answer to request 2:");
    has(&said, "server", "RPS", "round 1, it stands 0:0");
    in_every_view(&talk, "RPS", "the answer to request 2:");
}

#[test]
fn blackjack() {
    let mut server = Server::start(["blackjack", "127.0.0.1:0"]);
    let local = server.local();
    let talk = [
        local.as_str(),
        "--send",
        r"HELLO ann tulip\nSIT ALONE\n",
        "--send",
        r"BET 10 lucky\nSTAND\n",
    ];
    let said = said(&trace(&[&talk[..], &["--json"]].concat()));
    has(&said, "server", "BLACKJACK", "blackjack with ");
    has(
        &said,
        "client",
        "BLACKJACK",
        "wants a seat at a certain table",
    );
    has(&said, "client", "BLACKJACK", "bets 10");
    has(&said, "client", "BLACKJACK", "plays STAND");
    has(
        &said,
        "server",
        "BLACKJACK",
        "DEALER is dealt a card face down",
    );
    in_every_view(&talk, "BLACKJACK", "bets 10");
}

#[test]
fn the_unreliable_chat_with_its_commands_and_numbers() {
    let mut server = Server::start(["chat", "udp:127.0.0.1:0"]);
    let local = format!("udp:127.0.0.1:{}", server.port());
    let talk = [
        local.as_str(),
        "--send",
        r"HELLO-FROM ann\n",
        "--send",
        r"GET DROP\n",
        "--send",
        r"SEND ann hello [#a1b2c3.000039.02.7af6daa0]\n",
    ];
    let said = said(&trace(&[&talk[..], &["--json"]].concat()));
    has(&said, "client", "CHAT", "ann wants to log in");
    has(&said, "server", "CHAT", "ann is logged in");
    has(
        &said,
        "client",
        "CHAT",
        "asks for the probability that a datagram is lost",
    );
    has(
        &said,
        "server",
        "CHAT",
        "the probability that a datagram is lost is 0.000000",
    );
    has(&said, "client", "CHAT", "for ann: hello (number 57)");
    // A name is taken for as long as its session lasts: another room for another look.
    let mut server = Server::start(["chat", "udp:127.0.0.1:0"]);
    let local = format!("udp:127.0.0.1:{}", server.port());
    let ended = trace(&[&local, "--send", r"HELLO-FROM ann\n", "--view", "boxes"]);
    assert!(ended.stdout.contains("CHAT · 15 B"), "{}", ended.stdout);
    assert!(
        ended.stdout.contains("ann wants to log in"),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_password_at_its_own_port_and_before_another_service() {
    crate::namespace::alone(
        "protocols::a_password_at_its_own_port_and_before_another_service",
        || {
            let folder = tempfile::tempdir().unwrap();
            let users = folder.path().join("users").display().to_string();
            let mut add = crate::support::wharf(["password", "add", &users, "ann"]);
            assert_eq!(crate::support::run(&mut add, "sesame\n").code(), 0);
            let mut server = Server::start(["password", "--users", &users]);
            server.local();
            let talk = ["127.0.0.1:11268", "--send", r"ann sesame\n"];
            let heard = said(&trace(
                &[&talk[..], &["--json", "--timeout", "20s"]].concat(),
            ));
            has(&heard, "client", "PASSWORD", "an attempt, in plain text");
            has(&heard, "server", "PASSWORD", "access granted");
            in_every_view(&talk, "PASSWORD", "access granted");
            // In a namespace of one's own frames may be captured: the bytes are the wire's.
            let ended = trace(&[&talk[..], &["--view", "hex"]].concat());
            assert!(ended.stdout.contains("captured"), "{}", ended.stdout);

            let mut server = Server::start(["chat", "--gate", &users]);
            server.local();
            let talk = [
                "127.0.0.1:5378",
                "--send",
                r"ann sesame\n",
                "--send",
                r"HELLO-FROM ann\nWHO\n",
            ];
            let heard = said(&trace(
                &[&talk[..], &["--json", "--timeout", "20s"]].concat(),
            ));
            has(&heard, "server", "PASSWORD", "access granted");
            has(&heard, "client", "CHAT", "ann wants to log in");
            has(&heard, "server", "CHAT", "ann is logged in");
        },
    );
}

#[test]
fn a_password_at_a_port_that_is_not_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users").display().to_string();
    let mut add = crate::support::wharf(["password", "add", &users, "ann"]);
    assert_eq!(crate::support::run(&mut add, "sesame\n").code(), 0);
    let mut server = Server::start(["password", "127.0.0.1:0", "--users", &users]);
    let local = server.local();
    let talk = [&local, "--send", r"ann sesame\n", "--timeout", "20s"];
    // Known by the server's answer, and from the first word on because somebody said so.
    for told in [&[][..], &["--as", "password"]] {
        let heard = said(&trace(&[&talk[..], told, &["--json"]].concat()));
        has(&heard, "client", "PASSWORD", "an attempt, in plain text");
        has(&heard, "server", "PASSWORD", "access granted");
        assert!(heard.iter().all(|one| one.1 == "PASSWORD"), "{heard:?}");
        // Which password it was is for those who ask for the bytes.
        for view in ["ladder", "lines"] {
            let ended = trace(&[&talk[..], told, &["--view", view]].concat());
            assert!(!ended.stdout.contains("sesam"), "{}", ended.stdout);
        }
    }
    let heard = talked(&local, &[r"ann sesami\n"]);
    has(&heard, "client", "PASSWORD", "an attempt, in plain text");
    has(&heard, "server", "PASSWORD", "access denied");
    // What is behind a gate is not the gate's, even if nobody knows it.
    let mut server = Server::start(["echo", "127.0.0.1:0", "--gate", &users]);
    let local = server.local();
    let heard = talked(&local, &[r"ann sesame\n", r"hello\n"]);
    has(&heard, "client", "PASSWORD", "an attempt, in plain text");
    has(&heard, "server", "PASSWORD", "access granted");
    let echo = heard.iter().filter(|one| one.1 == "-");
    assert_eq!(echo.count(), 2, "{heard:?}");
}

/// What is heard of a conversation in which these are sent.
fn talked(address: &str, sent: &[&str]) -> Vec<(String, String, String)> {
    let mut arguments = vec![address, "--timeout", "20s", "--json"];
    arguments.extend(sent.iter().flat_map(|text| ["--send", text]));
    said(&trace(&arguments))
}

/// A conversation in a file that nobody would take for a chat.
fn chat_from_its_middle(folder: &tempfile::TempDir) -> String {
    let said = [(0, &b"WHO\n"[..]), (1, b"WHO-OK ann,bob\n")];
    crate::gates::captured(folder, &said.map(Into::into))
}

#[test]
fn what_is_spoken_at_a_port_can_be_said() {
    let folder = tempfile::tempdir().unwrap();
    let file = chat_from_its_middle(&folder);
    let heard = |options: &[&str]| {
        let ended = trace(&[&["read", &file, "--json"], options].concat());
        assert_eq!(ended.code(), 0, "{ended:?}");
        said(&ended)
    };
    for nobody in [&[][..], &["--as", "7001=chat"], &["--as", "7000=dns"]] {
        let heard = heard(nobody);
        assert!(heard.iter().all(|one| one.1 == "-"), "{heard:?}");
    }
    for known in [
        &["--as", "7000=chat"][..],
        &["--as", "chat", "--port", "7000"],
    ] {
        let heard = heard(known);
        has(&heard, "client", "CHAT", "who is logged in?");
        assert!(heard.iter().all(|one| one.1 == "CHAT"), "{heard:?}");
    }
    // Which port is meant has to be said, and which protocols there are is told.
    let ended = trace(&["read", &file, "--as", "chat"]);
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(ended.stderr.contains("--as 7000=chat"), "{ended:?}");
    let ended = trace(&["read", &file, "--as", "7000=gopher"]);
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(ended.stderr.contains("blackjack, chat, dns"), "{ended:?}");
    let ended = trace(&["read", &file, "--as", "7000=http"]);
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(ended.stderr.contains("at any port"), "{ended:?}");
}

#[test]
fn which_port_is_meant_is_looked_up_or_told_that_there_is_none() {
    // The name of a port at which hardly anybody listens: it is tried.
    let tried = trace(&["localhost:echo", "--as", "chat", "--send", r"WHO\n"]);
    assert_ne!(tried.code(), 2, "{tried:?}");
    assert!(!tried.stderr.contains("needs to know"), "{tried:?}");
    for address in ["unix:/run/nobody", "seqpacket:/run/nobody"] {
        for told in ["chat", "7000=chat"] {
            let ended = trace(&[address, "--as", told, "--send", "x"]);
            assert_eq!(ended.code(), 2, "{ended:?}");
            let why = "--as is about ports, and a Unix socket has none";
            assert!(ended.stderr.contains(why), "{ended:?}");
        }
    }
    let ended = trace(&["demo", "tcp", "--as", "chat"]);
    assert_eq!(ended.code(), 2, "{ended:?}");
    assert!(
        ended.stderr.contains("demo takes one that is free"),
        "{ended:?}"
    );
}

#[cfg(feature = "page")]
#[test]
fn a_page_is_http() {
    let mut server = Server::start(["page", "127.0.0.1:0"]);
    let local = server.local();
    let request = r"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let said = said(&trace(&[&local, "--send", request, "--json"]));
    has(&said, "client", "HTTP/1", "GET / HTTP/1.1");
    has(&said, "server", "HTTP/1", "HTTP/1.1 200 OK");
}
