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
    has(&said, "server", "RPS", "it is in, and secret");
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
