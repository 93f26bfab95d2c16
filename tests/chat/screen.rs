//! The full-screen client on a terminal.

use std::process::Command;

use crate::support::{Process, Server};
use crate::terminal::Terminal;

fn served() -> (Server, String) {
    let mut server = Server::start(["chat", "tcp:127.0.0.1:0"]);
    let address = server.local();
    (server, address)
}

#[test]
fn log_in_talk_to_a_bot_and_leave() {
    let (_server, address) = served();
    let mut ann = Terminal::wharf(&["chat", &address, "--as", "ann"], 80, 24);
    ann.shows("you are ann").shows("● online");
    ann.shows("echobot").shows("ann (you)");
    ann.type_in("@ech\thello").shows("> @echobot hello");
    ann.type_in(" grün 日本\r")
        .shows("→ echobot │ hello grün 日本 ✓");
    ann.shows("  echobot │ hello grün 日本");
    assert!(!ann.text().contains("DELIVERY") && !ann.text().contains("SEND"));
    // What was typed comes back.
    ann.type_in("\x1b[A").shows("> @echobot hello grün 日本");
    ann.type_in("\x15@nobody hi\r")
        .shows("✗ nobody of that name is here");
    ann.type_in("/pin echobot\r")
        .shows("── with echobot ──")
        .shows("@echobot >");
    ann.type_in("pinned\r").shows("→ echobot │ pinned ✓");
    ann.type_in("!quit\r");
    let (status, screen) = ann.end();
    assert_eq!(status.exit_code(), 0);
    assert!(!screen.screen().alternate_screen() && !screen.screen().hide_cursor());
    assert!(!screen.screen().bracketed_paste());
    assert_eq!(screen.screen().contents().trim(), "");
}

#[test]
fn a_name_in_use_is_followed_by_another() {
    let (_server, address) = served();
    let (host, port) = address.split_once(':').unwrap();
    let mut nc = Process::start(Command::new("nc").args([host, port]));
    nc.type_in("HELLO-FROM ann\n");
    nc.wait_for(|_, line| (line == "HELLO ann").then_some(()));
    let mut ann = Terminal::wharf(&["chat", &address, "--as", "ann"], 80, 24);
    ann.shows("no login as ann: the name is in use")
        .shows("name > ann");
    ann.type_in("e\r").shows("you are anne").shows("● online");
    nc.type_in("SEND anne hi\n");
    ann.shows(" ann │ hi");
}

#[test]
fn a_server_that_comes_back_is_joined_again() {
    let (server, address) = served();
    let mut ann = Terminal::wharf(&["chat", &address, "--as", "ann"], 80, 24);
    ann.shows("● online");
    assert_eq!(server.stop().code(), 0);
    ann.shows("! │ the server closed the connection")
        .shows("○ offline");
    ann.type_in("@echobot lost?\r")
        .shows("not sent to echobot: not logged in");
    ann.shows("> @echobot lost?");
    let _server = Server::start(["chat", &address]);
    ann.shows("● online");
    ann.type_in("\r").shows("→ echobot │ lost? ✓");
}

#[test]
fn others_cannot_forge_the_screen() {
    let (_server, address) = served();
    let (host, port) = address.split_once(':').unwrap();
    let mut ann = Terminal::wharf(&["chat", &address, "--as", "ann"], 120, 24);
    ann.shows("● online");
    let mut eve = Process::start(Command::new("nc").args([host, port]));
    eve.type_in(
        "HELLO-FROM eve\nSEND ann a\x1b[2J\x1b[1;1Hb\x1b]0;title\x07c\u{9b}5Ad\u{202e}e\rf\n",
    );
    ann.shows("eve │ a\\u{1b}[2J\\u{1b}[1;1Hb\\u{1b}]0;title\\u{7}c\\u{9b}5Ad\\u{202e}e\\rf");
    ann.shows("● online").shows("you are ann");
}

#[test]
fn it_survives_every_size_and_draws_anew() {
    let (_server, address) = served();
    let mut ann = Terminal::wharf(&["chat", &address, "--as", "ann"], 80, 24);
    ann.shows("● online");
    for (columns, rows) in [(200, 60), (40, 10), (10, 3), (1, 1), (61, 5), (80, 24)] {
        ann.resize(columns, rows);
    }
    // crossterm 0.29 looks at a key that comes together with a change of size only when
    // the next one comes; so the change is over before somebody types.
    ann.shows("● online");
    ann.type_in("@echobot still there\r");
    ann.shows("  echobot │ still there").shows("● online");
    ann.resize(200, 60).shows("  echobot │ still there");
    ann.shows("● online").type_in("\x04");
    assert_eq!(ann.end().0.exit_code(), 0);
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let (_server, address) = served();
    for signal in ["TERM", "HUP", "INT"] {
        let mut ann = Terminal::wharf(&["chat", &address, "--as", "ann"], 80, 24);
        ann.shows("● online");
        assert!(!ann.is_cooked());
        let status = Command::new("kill")
            .args(["-s", signal, &ann.pid().to_string()])
            .status();
        assert!(status.unwrap().success());
        let (status, screen) = ann.end();
        assert_eq!(status.exit_code(), 130);
        assert!(!screen.screen().alternate_screen());
    }
}

#[test]
fn a_failure_is_told_on_the_terminal_that_was_given_back() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let ann = Terminal::wharf(&["chat", &address, "--as", "ann"], 80, 24);
    let (status, screen) = ann.end();
    assert_eq!(status.exit_code(), 7);
    let text = screen.screen().contents();
    assert!(text.contains("error: cannot connect to"), "{text}");
    assert!(text.contains("wharf serve chat"), "{text}");
}

#[test]
fn plain_and_a_dumb_terminal_need_no_screen() {
    let (_server, address) = served();
    let mut ann = Terminal::wharf(&["chat", &address, "--as", "ann", "--plain"], 80, 24);
    ann.shows("* logged in as ann");
    ann.type_in("@echobot hi\r").shows("<echobot> hi");
    ann.type_in("\x04");
    assert_eq!(ann.end().0.exit_code(), 0);
}
