//! The client before a gate: the password is read once, and said on every connection.

use std::process::Command;

use crate::support::{Process, Server, Stream, run, wharf};
use crate::terminal::Terminal;

/// A folder with a users file for ann, and with the line that opens the gate.
struct Gate {
    folder: tempfile::TempDir,
}

impl Gate {
    fn new() -> Gate {
        let gate = Gate {
            folder: tempfile::tempdir().unwrap(),
        };
        gate.admit("open sesame");
        gate.remember("ann open sesame");
        gate
    }

    /// Gives ann this password.
    fn admit(&self, password: &str) {
        let users = self.path("users");
        let ended = run(
            &mut wharf(["password", "add", &users, "ann"]),
            &format!("{password}\n"),
        );
        assert_eq!(ended.code(), 0, "{ended:?}");
    }

    /// Writes the file for `--password-from`; gives its path.
    fn remember(&self, line: &str) -> String {
        std::fs::write(self.path("secret"), format!("{line}\n")).unwrap();
        self.path("secret")
    }

    fn secret(&self) -> String {
        self.path("secret")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A chat behind the gate, here.
    fn guards(&self, address: &str) -> (Server, String) {
        let mut server = Server::start(["chat", address, "--gate", &self.path("users")]);
        let address = server.local();
        (server, address)
    }
}

fn chat(address: &str, arguments: &[&str]) -> Command {
    let mut command = wharf(["chat", address, "--as", "ann"]);
    command.args(arguments);
    command
}

#[test]
fn words_json_and_who_are_let_in() {
    let gate = Gate::new();
    let (_server, address) = gate.guards("tcp:127.0.0.1:0");
    let from = ["--password-from", &gate.secret(), "--linger", "100ms"];
    let words = run(&mut chat(&address, &from), "@echobot hi\n");
    assert_eq!(
        (words.code(), &*words.stdout),
        (0, "<echobot> hi\n"),
        "{words:?}"
    );
    let json = run(chat(&address, &from).arg("--json"), "@echobot hi\n");
    assert_eq!(json.code(), 0, "{json:?}");
    assert!(json.stdout.contains(r#""event":"message""#), "{json:?}");
    let mut there = Process::start(chat(&address, &from[..2]).args(["--linger", "none"]));
    there.wait_for(|_, line| (line == "* logged in as ann").then_some(()));
    let who = run(chat(&address, &from[..2]).arg("--who"), "");
    assert_eq!(
        (who.code(), &*who.stdout),
        (0, "echobot\ndelaybot\nann\n"),
        "{who:?}"
    );
}

#[test]
fn the_first_line_of_stdin_opens_it_and_the_others_are_messages() {
    let gate = Gate::new();
    let (_server, address) = gate.guards("tcp:127.0.0.1:0");
    let arguments = ["--password-from", "-", "--linger", "100ms"];
    let ended = run(
        &mut chat(&address, &arguments),
        "ann open sesame\n@echobot hi\n",
    );
    assert_eq!(
        (ended.code(), &*ended.stdout),
        (0, "<echobot> hi\n"),
        "{ended:?}"
    );
    assert!(!ended.stderr.contains("sesame"), "{ended:?}");
}

#[test]
fn full_screen_it_is_let_in_and_comes_back_to_a_gate_that_is_back() {
    let gate = Gate::new();
    let (server, address) = gate.guards("tcp:127.0.0.1:0");
    let secret = gate.secret();
    let arguments = ["chat", &address, "--as", "ann", "--password-from", &secret];
    let mut ann = Terminal::wharf(&arguments, 80, 24);
    ann.shows("● online");
    // It was read once.
    std::fs::remove_file(&secret).unwrap();
    assert_eq!(server.stop().code(), 0);
    ann.shows("○ offline");
    let (_server, _) = gate.guards(&address);
    ann.shows("● online");
    ann.type_in("@echobot back\r").shows("→ echobot │ back ✓");
    ann.type_in("!quit\r");
    assert_eq!(ann.end().0.exit_code(), 0);
}

#[test]
fn a_password_is_typed_before_the_screen_is_taken_and_a_wrong_one_is_told_after_it() {
    let gate = Gate::new();
    let (_server, address) = gate.guards("tcp:127.0.0.1:0");
    let arguments = ["chat", &address, "--as", "ann", "--password-from", "ask"];
    for (typed, is_right) in [("ann guess\r", false), ("ann open sesame\r", true)] {
        let mut ann = Terminal::wharf(&arguments, 80, 24);
        ann.shows("Password").type_in(typed);
        if is_right {
            ann.shows("● online").type_in("\x04");
        }
        let (status, screen) = ann.end();
        let shown = screen.screen().contents();
        assert!(
            !shown.contains("sesame") && !shown.contains("guess"),
            "{shown}"
        );
        assert_eq!(status.exit_code(), if is_right { 0 } else { 67 }, "{shown}");
        assert_eq!(shown.contains("access denied"), !is_right, "{shown}");
    }
}

#[test]
fn a_denial_has_a_name_and_a_cure_and_is_not_repeated() {
    let gate = Gate::new();
    let (mut server, address) = gate.guards("tcp:127.0.0.1:0");
    let wrong = gate.remember("ann guess");
    let arguments = ["--password-from", &wrong, "--reconnect", "--linger", "none"];
    let ended = run(&mut chat(&address, &arguments), "");
    assert_eq!((ended.code(), &*ended.stdout), (67, ""), "{ended:?}");
    assert!(ended.stderr.contains(": access denied\n"), "{ended:?}");
    assert!(
        ended.stderr.contains("  try      --password-from ask"),
        "{ended:?}"
    );
    let who = run(chat(&address, &arguments[..2]).arg("--who"), "");
    assert_eq!(who.code(), 67, "{who:?}");
    // One attempt for each, and then the client left.
    for _ in 0..2 {
        server.closed();
    }
    let events = server.stop().stdout;
    let attempts = events
        .lines()
        .filter(|line| line.contains(r#""text":"denied "#));
    assert_eq!(attempts.count(), 2, "{events}");
}

#[test]
fn a_password_that_has_changed_meanwhile_ends_the_attempts_to_come_back() {
    let gate = Gate::new();
    let (server, address) = gate.guards("tcp:127.0.0.1:0");
    let secret = gate.secret();
    let arguments = [
        "--password-from",
        &secret,
        "--reconnect",
        "--linger",
        "none",
    ];
    let mut ann = Process::start(&mut chat(&address, &arguments));
    ann.wait_for(|_, line| (line == "* logged in as ann").then_some(()));
    assert_eq!(server.stop().code(), 0);
    gate.admit("changed");
    let (_server, _) = gate.guards(&address);
    ann.wait_for(|stream, line| {
        (stream == Stream::Err && line.starts_with("* access denied; trying again in "))
            .then_some(())
    });
    let ended = ann.end();
    assert_eq!(ended.code(), 67, "{ended:?}");
    assert_eq!(
        ended.stderr.matches("* access denied; trying").count(),
        2,
        "{ended:?}"
    );
}

#[test]
fn without_a_password_and_without_a_gate_it_says_what_is_missing() {
    let gate = Gate::new();
    let (_gated, address) = gate.guards("tcp:127.0.0.1:0");
    for arguments in [&["--plain"][..], &["--who"]] {
        let ended = run(&mut chat(&address, arguments), "");
        assert_eq!(ended.code(), 67, "{ended:?}");
        assert!(
            ended.stderr.contains("a gate stands before the server")
                && ended.stderr.contains("  try      --password-from ask"),
            "{ended:?}"
        );
    }
    let mut open = Server::start(["chat", "tcp:127.0.0.1:0"]);
    let address = open.local();
    let from = ["--password-from", &gate.secret(), "--reconnect"];
    let ended = run(&mut chat(&address, &from), "");
    assert_eq!(ended.code(), 4, "{ended:?}");
    assert!(ended.stderr.contains("there is no gate"), "{ended:?}");
    assert!(!ended.stderr.contains("sesame"), "{ended:?}");
    let ended = run(&mut chat("udp::5382", &from), "");
    assert_eq!(ended.code(), 2, "{ended:?}");
}

#[test]
fn the_table_of_a_server_with_a_gate_names_the_client() {
    let gate = Gate::new();
    let users = gate.path("users");
    let mut server = Process::start(&mut wharf([
        "serve",
        "chat",
        "127.0.0.1:0",
        "--gate",
        &users,
    ]));
    let row = server.wait_for(|stream, line| {
        (stream == Stream::Out && line.starts_with("chat ")).then(|| line.to_owned())
    });
    let (_, command) = row.split_once("wharf ").unwrap();
    let mut words: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(words.pop(), Some("ask"), "{row}");
    let secret = gate.secret();
    words.extend([&*secret, "--as", "ann", "--linger", "100ms"]);
    let ended = run(&mut wharf(words), "@echobot hi\n");
    assert_eq!(
        (ended.code(), &*ended.stdout),
        (0, "<echobot> hi\n"),
        "{ended:?}"
    );
}
