//! The client in a pipe.

use std::process::Command;

use crate::support::{Process, Server, Stream, run, wharf};

fn served() -> (Server, String) {
    let mut server = Server::start(["chat", "tcp:127.0.0.1:0"]);
    let address = server.local();
    (server, address)
}

fn chat(address: &str, arguments: &[&str]) -> Command {
    let mut command = wharf(["chat", address]);
    command.args(arguments).env("USER", "u_ser");
    command
}

#[test]
fn a_message_in_a_pipe_is_delivered_before_the_client_leaves() {
    let (_server, address) = served();
    let mut ben = Process::start(&mut chat(&address, &["--as", "ben", "--linger", "none"]));
    ben.wait_for(|_, line| (line == "* logged in as ben").then_some(()));
    let ann = run(
        &mut chat(&address, &["--as", "ann"]),
        "@ben hi\n@ben last, without a newline",
    );
    assert_eq!(ann.code(), 0, "{ann:?}");
    assert_eq!(ann.stdout, "");
    for expected in ["<ann> hi", "<ann> last, without a newline"] {
        ben.wait_for(|stream, line| (stream == Stream::Out && line == expected).then_some(()));
    }
    ben.signal("INT");
    assert_eq!(ben.end().code(), 130);
}

#[test]
fn what_could_not_be_delivered_is_said_and_ends_with_5() {
    let (_server, address) = served();
    let ann = run(
        &mut chat(&address, &["--as", "ann"]),
        "@nobody hi\nto whom\n/wow\n@b.n x\n@echobot \n",
    );
    assert_eq!(ann.code(), 5, "{ann:?}");
    for notice in [
        "* not sent to nobody: nobody of that name is here: hi\n",
        "* not sent: to whom? @NAME TEXT: to whom\n",
        "* not sent: there is no command \"/wow\"; ",
        "* not sent to \"b.n\": names are letters A to Z, a to z and digits: x\n",
        "* not sent to echobot: there is no text: \n",
        "error: 5 messages could not be delivered\n",
    ] {
        assert!(ann.stderr.contains(notice), "{notice:?} in {ann:?}");
    }
}

#[test]
fn linger_waits_for_an_answer_and_a_pinned_user_needs_no_name() {
    let (_server, address) = served();
    let arguments = ["--as", "ann", "--to", "echobot", "--linger", "100ms"];
    let ann = run(
        &mut chat(&address, &arguments),
        "one\n/unpin\n/pin @EchoBot\ntwo\n",
    );
    assert_eq!(
        (ann.code(), &*ann.stdout),
        (0, "<echobot> one\n<echobot> two\n"),
        "{ann:?}"
    );
    let left = run(
        &mut chat(&address, &arguments),
        "!quit\n@nobody hears this\n",
    );
    assert_eq!(left.code(), 0, "{left:?}");
}

#[test]
fn control_characters_and_bidi_overrides_of_others_are_shown() {
    let (_server, address) = served();
    let (host, port) = address.split_once(':').unwrap();
    let mut ann = Process::start(&mut chat(&address, &["--as", "ann", "--linger", "none"]));
    ann.wait_for(|_, line| (line == "* logged in as ann").then_some(()));
    let mut nc = Process::start(Command::new("nc").args([host, port]));
    nc.type_in("HELLO-FROM eve\nSEND ann x\x1b[2J\r* logged in\u{9b}\u{202e}\u{7}\u{2028}y\n");
    let line = ann.wait_for(|stream, line| (stream == Stream::Out).then(|| line.to_owned()));
    assert_eq!(
        line,
        "<eve> x\\u{1b}[2J\\r* logged in\\u{9b}\\u{202e}\\u{7}\\u{2028}y"
    );
}

#[test]
fn a_name_in_use_ends_it_if_it_was_chosen_and_is_varied_if_not() {
    let (_server, address) = served();
    let mut first = Process::start(&mut chat(&address, &["--linger", "none"]));
    first.wait_for(|_, line| (line == "* logged in as user").then_some(()));
    let second = run(&mut chat(&address, &[]), "");
    assert_eq!(second.code(), 0, "{second:?}");
    assert!(
        second.stderr.contains("* logged in as user2\n"),
        "{second:?}"
    );
    let chosen = run(&mut chat(&address, &["--as", "user"]), "");
    assert_eq!(chosen.code(), 7, "{chosen:?}");
    assert!(
        chosen
            .stderr
            .contains("the name is in use\n  try      --as user2\n"),
        "{chosen:?}"
    );
    let wrong = run(&mut chat(&address, &["--as", "u_ser"]), "");
    assert_eq!(wrong.code(), 2, "{wrong:?}");
}

#[test]
fn who_is_there_one_name_a_line_and_without_oneself() {
    let (_server, address) = served();
    let mut ann = Process::start(&mut chat(&address, &["--as", "ann", "--linger", "none"]));
    ann.wait_for(|_, line| (line == "* logged in as ann").then_some(()));
    let who = run(&mut chat(&address, &["--who"]), "");
    assert_eq!(
        (who.code(), &*who.stdout),
        (0, "echobot\ndelaybot\nann\n"),
        "{who:?}"
    );
    let json = run(&mut chat(&address, &["--who", "--json"]), "");
    let event: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(
        event["users"],
        serde_json::json!(["echobot", "delaybot", "ann"])
    );
}

#[test]
fn every_event_is_json_with_the_members_of_the_documentation() {
    let documented = include_str!("../../docs/json.md");
    let (_, section) = documented.split_once("## `wharf chat --json`").unwrap();
    let (_server, address) = served();
    let input = "@echobot hi\n@nobody hi\n!who\n";
    let ended = run(
        &mut chat(&address, &["--as", "ann", "--json", "--linger", "100ms"]),
        input,
    );
    let events: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    for name in [
        "connected",
        "logged-in",
        "sent",
        "message",
        "not-sent",
        "users",
        "error",
    ] {
        assert!(names.contains(&name), "{name} in {ended:?}");
    }
    for event in &events {
        let name = event["event"].as_str().unwrap();
        let row = section
            .lines()
            .find(|row| row.starts_with(&format!("| `{name}` |")));
        let row = row.unwrap_or_else(|| panic!("{name} is documented"));
        for member in event.as_object().unwrap().keys() {
            let known = ["event", "time"].contains(&member.as_str());
            assert!(
                known || row.contains(&format!("`{member}`")),
                "{member} of {name}"
            );
        }
        assert!(event["time"].is_number());
    }
    let sent = events
        .iter()
        .find(|event| event["event"] == "sent")
        .unwrap();
    assert_eq!((&sent["to"], &sent["line"]), (&"echobot".into(), &1.into()));
    assert_eq!(sent["receipt"], "queued");
    let lost = events
        .iter()
        .find(|event| event["event"] == "not-sent")
        .unwrap();
    assert_eq!((&lost["to"], &lost["line"]), (&"nobody".into(), &2.into()));
}

#[test]
fn without_a_server_the_cure_is_to_start_one() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let ended = run(&mut chat(&address, &["--as", "ann"]), "@ben hi\n");
    assert_eq!(ended.code(), 7, "{ended:?}");
    let cure = format!("  try      wharf serve chat {port}    in another terminal\n");
    assert!(ended.stderr.contains(&cure), "{ended:?}");
}

#[test]
fn a_server_that_stops_ends_it_unless_it_is_to_come_back() {
    let (server, address) = served();
    let mut leaves = Process::start(&mut chat(&address, &["--as", "ann"]));
    leaves.wait_for(|_, line| (line == "* logged in as ann").then_some(()));
    let arguments = ["--as", "ben", "--reconnect", "--linger", "none"];
    let mut stays = Process::start(&mut chat(&address, &arguments));
    stays.wait_for(|_, line| (line == "* logged in as ben").then_some(()));
    assert_eq!(server.stop().code(), 0);
    leaves.wait_for(|_, line| line.starts_with("error: ").then_some(()));
    assert_eq!(leaves.end().code(), 4);
    stays.wait_for(|_, line| line.contains("trying again in ").then_some(()));
    // What is typed now waits for the next server.
    stays.type_in("@echobot are you back?\n");
    let _server = Server::start(["chat", &address]);
    stays.wait_for(|_, line| (line == "* logged in as ben").then_some(()));
    stays.wait_for(|_, line| (line == "<echobot> are you back?").then_some(()));
}

#[test]
fn it_speaks_over_tls_and_unix_sockets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("chat").display().to_string();
    let mut server = Server::start(["chat", "tls:127.0.0.1:0,self-signed", &path]);
    let tls = format!("tls:{},insecure", server.local());
    assert_eq!(server.local(), path);
    for address in [&tls, &path] {
        let arguments = ["--as", "ann", "--linger", "100ms"];
        let ended = run(&mut chat(address, &arguments), "@echobot hi\n");
        assert_eq!(
            (ended.code(), &*ended.stdout),
            (0, "<echobot> hi\n"),
            "{ended:?}"
        );
    }
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let (_server, address) = served();
    let command = format!(
        "yes '@echobot hi' | {} chat {address} --as ann 2>/dev/null | head -1",
        env!("CARGO_BIN_EXE_wharf")
    );
    let ended = run(Command::new("sh").args(["-c", &command]), "");
    assert_eq!(
        (ended.code(), &*ended.stdout),
        (0, "<echobot> hi\n"),
        "{ended:?}"
    );
}
