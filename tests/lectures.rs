//! The programs of the lectures, each against Wharf in the opposite role.

mod support;

use support::{Process, Server, Stream, python, run, wharf};

/// The port that a lecture's server was given.
fn port_of(server: &mut Process) -> String {
    server.wait_for(|stream, line| {
        let port = line.strip_prefix("port ")?;
        (stream == Stream::Err).then(|| port.to_owned())
    })
}

#[test]
fn lecture_000_the_client_of_lines_gets_an_answer_to_each() {
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let client = run(
        &mut python("000_tcp_client.py", ["127.0.0.1", &port]),
        "hello\nworld\n",
    );
    assert_eq!(client.stdout, "HELLO\nWORLD\n", "{client:?}");
    assert_eq!(server.closed(), "peer-closed");
}

#[test]
fn lecture_000_the_client_of_lines_chats() {
    let mut server = Server::start(["chat", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let client = run(
        &mut python("000_tcp_client.py", ["127.0.0.1", &port, "4"]),
        "HELLO-FROM JESSE\nWHO\nSEND ECHOBOT HELLO WORLD\n",
    );
    assert_eq!(
        client.stdout,
        "HELLO JESSE\nWHO-OK echobot,delaybot,JESSE\nSEND-OK\nDELIVERY echobot HELLO WORLD\n",
        "{client:?}"
    );
    server.process.wait_for_event("shown", |event| {
        let text = event["text"].as_str()?;
        text.starts_with("JESSE logged in from 127.0.0.1:")
            .then_some(())
    });
    server.process.wait_for_event("shown", |event| {
        (event["text"] == "JESSE left, 0 users").then_some(())
    });
}

#[test]
fn netcat_and_python_talk_in_one_room() {
    let mut server = Server::start(["chat", "tcp:127.0.0.1:0", "--show-messages"]);
    let port = server.port();
    let mut netcat = Process::start(std::process::Command::new("nc").args(["127.0.0.1", &port]));
    let hears = |process: &mut Process, expected: &str| {
        process.wait_for(|_, line| (line == expected).then_some(()));
    };
    netcat.type_in("HELLO-FROM nc\n");
    hears(&mut netcat, "HELLO nc");
    let mut client = Process::start(&mut python("000_tcp_client.py", ["127.0.0.1", &port, "4"]));
    client
        .type_in("HELLO-FROM py\nLIST\nSEND nc grün\n")
        .end_input();
    hears(&mut client, "LIST-OK echobot,delaybot,nc,py");
    hears(&mut client, "SEND-OK");
    hears(&mut netcat, "DELIVERY py grün");
    netcat.type_in("SEND py hello, python\n");
    hears(&mut client, "DELIVERY nc hello, python");
    assert_eq!(client.end().code(), 0);
    server.process.wait_for_event("shown", |event| {
        (event["text"] == "nc to py: hello, python").then_some(())
    });
}

#[test]
fn the_unreliable_chat_answers_over_udp() {
    let mut server = Server::start(["chat", "udp:127.0.0.1:0", "--seed", "7"]);
    let address = format!("udp:{}", server.local());
    let said = run(
        &mut wharf([
            "connect", &address, "--send", "RESET\\n", "--expect", "SET-OK",
        ]),
        "",
    );
    assert_eq!(said.code(), 0, "{said:?}");
}

#[test]
fn lecture_001_the_udp_client_gets_its_string_in_upper_case() {
    let mut server = Server::start(["upper", "udp:127.0.0.1:0"]);
    let port = server.port();
    let client = run(&mut python("001_udp_client.py", ["127.0.0.1", &port]), "");
    assert!(
        client.stdout.contains("answer FROM QUAY TO PIER from"),
        "{client:?}"
    );
}

#[test]
fn lecture_001_the_udp_server_answers_connect() {
    let mut server = Process::start(&mut python("001_udp_server.py", ["127.0.0.1", "0"]));
    let port = port_of(&mut server);
    let address = format!("udp:127.0.0.1:{port}");
    let client = run(
        &mut wharf([
            "connect",
            &address,
            "--send",
            "MixedCase",
            "--expect",
            "MIXEDCASE",
        ]),
        "",
    );
    assert_eq!(client.code(), 0, "{client:?}");
    assert!(client.stdout.contains("MIXEDCASE"), "{client:?}");
}

#[test]
fn lecture_001_the_tcp_client_hears_its_echo() {
    let mut server = Server::start(["echo", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let client = run(&mut python("001_tcp_client.py", ["127.0.0.1", &port]), "");
    assert_eq!(client.code(), 0, "{client:?}");
    assert!(!client.stdout.trim().is_empty(), "{client:?}");
    assert_eq!(server.closed(), "peer-closed");
}

#[test]
fn lecture_001_the_tcp_server_echoes_to_connect() {
    let mut server = Process::start(&mut python("001_tcp_server.py", ["127.0.0.1", "0"]));
    let port = port_of(&mut server);
    let address = format!("127.0.0.1:{port}");
    let client = run(
        &mut wharf(["connect", &address, "--send", "Hello, world"]),
        "",
    );
    assert_eq!(
        (client.code(), &*client.stdout),
        (0, "Hello, world\n"),
        "{client:?}"
    );
}

#[test]
fn lecture_002_the_client_is_shown_as_the_lectures_server_shows_it() {
    let mut server = Process::start(&mut wharf([
        "serve",
        "message",
        "tcp:127.0.0.1:0",
        "--once",
    ]));
    let port = server.wait_for(|stream, line| {
        let after = line.split_once("127.0.0.1:")?.1;
        let port = after.split(' ').next()?;
        (stream == Stream::Err).then(|| port.to_owned())
    });
    let client = run(
        &mut python("002_tcp_client.py", ["127.0.0.1", &port]),
        "hello there!\n",
    );
    assert_eq!(client.code(), 0, "{client:?}");
    let said = server.end();
    let lines: Vec<&str> = said.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{said:?}");
    assert_eq!(lines[0], "server waits for connection");
    assert!(
        lines[1].starts_with("server accepted connection request from  ('127.0.0.1', "),
        "{said:?}"
    );
    assert_eq!(lines[2], "server waits for data");
    assert_eq!(lines[3], "server received  hello there!");
    assert_eq!(said.code(), 0);
}

#[test]
fn lecture_002_the_server_receives_from_connect() {
    let mut server = Process::start(&mut python("002_tcp_server.py", ["127.0.0.1", "0"]));
    let port = port_of(&mut server);
    let address = format!("127.0.0.1:{port}");
    let client = run(&mut wharf(["connect", &address]), "hello there!");
    assert_eq!(client.code(), 0, "{client:?}");
    let server = server.end();
    assert!(server.stdout.contains("hello there!"), "{server:?}");
}

#[test]
fn lecture_003_the_tcp_client_gets_its_sentence_in_upper_case() {
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0", "--reply-once"]);
    let port = server.port();
    let client = run(
        &mut python("003_tcp_client.py", ["127.0.0.1", &port]),
        "a lower case sentence\n",
    );
    assert!(
        client.stdout.contains("A LOWER CASE SENTENCE"),
        "{client:?}"
    );
}

#[test]
fn lecture_003_the_tcp_server_answers_connect() {
    let mut server = Process::start(&mut python("003_tcp_server.py", ["127.0.0.1", "0"]));
    let port = port_of(&mut server);
    let address = format!("127.0.0.1:{port}");
    let client = run(&mut wharf(["connect", &address]), "a lower case sentence");
    assert_eq!(
        (client.code(), &*client.stdout),
        (0, "A LOWER CASE SENTENCE\n"),
        "{client:?}"
    );
}

#[test]
fn lecture_003_the_udp_client_gets_its_sentence_in_upper_case() {
    let mut server = Server::start(["upper", "udp:127.0.0.1:0"]);
    let port = server.port();
    let client = run(
        &mut python("003_udp_client.py", ["127.0.0.1", &port]),
        "a lower case sentence\n",
    );
    assert!(
        client.stdout.contains("A LOWER CASE SENTENCE"),
        "{client:?}"
    );
}

#[test]
fn lecture_003_the_udp_server_answers_connect() {
    let mut server = Process::start(&mut python("003_udp_server.py", ["127.0.0.1", "0"]));
    let port = port_of(&mut server);
    let address = format!("udp:127.0.0.1:{port}");
    let client = run(
        &mut wharf([
            "connect", &address, "--send", "sentence", "--expect", "SENTENCE",
        ]),
        "",
    );
    assert_eq!(client.code(), 0, "{client:?}");
}
