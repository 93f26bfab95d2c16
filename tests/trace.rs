//! `wharf trace`: calls and frames of a message, files, and what is said about rights.

#[path = "trace/ends.rs"]
mod ends;
#[path = "trace/files.rs"]
mod files;
#[path = "trace/gates.rs"]
mod gates;
#[path = "trace/live.rs"]
mod live;
#[path = "support/namespace.rs"]
mod namespace;
#[path = "trace/protocols.rs"]
mod protocols;
#[path = "trace/sealed.rs"]
mod sealed;
#[path = "support/mod.rs"]
mod support;

use std::path::PathBuf;

use serde_json::Value;
use support::{Ended, Server, run, wharf};

fn trace(arguments: &[&str]) -> Ended {
    let mut command = wharf(["trace"]);
    command
        .args(arguments)
        .env_remove("LANG")
        .env_remove("LC_ALL");
    run(&mut command, "")
}

fn events(ended: &Ended) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    ended.stdout.lines().map(parse).collect()
}

fn of<'a>(events: &'a [Value], name: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["event"] == name)
        .collect()
}

fn calls(events: &[Value], side: &str) -> Vec<String> {
    let name = |event: &&Value| {
        event["call"]
            .as_str()
            .unwrap()
            .split('(')
            .next()
            .unwrap()
            .to_owned()
    };
    of(events, "call")
        .iter()
        .filter(|event| event["side"] == side)
        .map(name)
        .collect()
}

/// A folder that goes with the test.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn path(folder: &tempfile::TempDir, name: &str) -> PathBuf {
    folder.path().join(name)
}

/// Whether frames may be captured here.
fn may_capture() -> bool {
    let ended = trace(&["demo", "udp", "--json"]);
    of(&events(&ended), "frame")
        .iter()
        .all(|frame| frame["origin"] == "captured")
}

#[test]
fn both_ends_of_a_stream_are_shown_call_by_call() {
    let ended = trace(&["demo", "tcp", "--json"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let events = events(&ended);
    assert_eq!(
        calls(&events, "client"),
        [
            "socket", "connect", "send", "recv", "shutdown", "recv", "close"
        ]
    );
    let server = calls(&events, "server");
    assert_eq!(server[..3], ["socket", "bind", "listen"]);
    for call in ["accept", "recv", "send", "close"] {
        assert!(server.contains(&call.to_owned()), "{server:?}");
    }
    // The listening socket and the one that accept() returned are two.
    let accept = of(&events, "call")
        .into_iter()
        .find(|event| event["call"].as_str().unwrap().starts_with("accept"))
        .unwrap();
    assert!(
        accept["remark"]
            .as_str()
            .unwrap()
            .contains("stays in LISTEN"),
        "{accept}"
    );
    let send = of(&events, "call")
        .into_iter()
        .find(|event| event["call"].as_str().unwrap().starts_with("send("))
        .unwrap();
    assert_eq!(
        (&send["asked_bytes"], &send["moved_bytes"]),
        (&6.into(), &6.into())
    );
    // The frames go through the states from the first to the last.
    let frames = of(&events, "frame");
    assert_eq!(
        frames[0]["tcp"]["states"],
        serde_json::json!(["SYN-SENT", "LISTEN"])
    );
    let states: Vec<String> = frames
        .iter()
        .map(|frame| frame["tcp"]["states"].to_string())
        .collect();
    assert!(
        states
            .iter()
            .any(|both| both.contains("ESTABLISHED\",\"ESTABLISHED")),
        "{states:?}"
    );
    assert!(
        states.iter().any(|both| both.contains("CLOSE-WAIT")),
        "{states:?}"
    );
    let said: Vec<&Value> = of(&events, "message")
        .into_iter()
        .map(|message| &message["text"])
        .collect();
    assert_eq!(said, ["hello\\n", "HELLO\\n"]);
}

#[test]
fn both_ends_of_datagrams_over_ipv6() {
    let ended = trace(&["demo", "udp", "--ipv6", "--json", "--send", "mixed Case"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let events = events(&ended);
    assert_eq!(
        calls(&events, "client"),
        ["socket", "sendto", "recvfrom", "close"]
    );
    assert_eq!(
        calls(&events, "server"),
        ["socket", "bind", "recvfrom", "sendto", "close"]
    );
    let frames = of(&events, "frame");
    assert_eq!(frames.len(), 2);
    assert!(
        frames[0]["layers"]
            .as_array()
            .unwrap()
            .iter()
            .any(|layer| layer["name"] == "IPv6")
    );
    assert_eq!(frames[1]["answers"], 1);
}

#[test]
fn a_conversation_with_a_service() {
    let mut server = Server::start(["upper", "127.0.0.1:0"]);
    let local = server.local();
    let ended = trace(&[&local, "--send", "hello", "--json"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let events = events(&ended);
    assert_eq!(calls(&events, "client")[..3], ["socket", "connect", "send"]);
    assert!(calls(&events, "server").is_empty());
    let texts: Vec<&Value> = of(&events, "message")
        .into_iter()
        .map(|message| &message["text"])
        .collect();
    assert_eq!(texts, ["hello", "HELLO"]);
    // Each view says how the frames came to be known.
    let word = if may_capture() {
        "captured"
    } else {
        "modelled"
    };
    for view in ["boxes", "ladder", "lines", "hex", "story", "mermaid"] {
        let ended = trace(&[&local, "--send", "hello", "--view", view]);
        assert!(ended.stdout.contains(word), "{view}: {}", ended.stdout);
    }
}

#[test]
fn a_unix_socket_has_calls_and_no_frames() {
    let folder = folder();
    let socket = path(&folder, "s").display().to_string();
    let mut server = Server::start(["upper", &socket]);
    server.local();
    let ended = trace(&[&socket, "--send", "hello"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(
        ended.stdout.contains("a Unix socket has no frames"),
        "{}",
        ended.stdout
    );
    assert!(ended.stdout.contains("connect(3, "), "{}", ended.stdout);
    let told = trace(&[
        &socket, "--send", "hello", "--view", "story", "--width", "200",
    ])
    .stdout;
    assert!(told.contains("live in one house"), "{told}");
    assert!(told.contains(&format!("a hatch at {socket} ")), "{told}");
}

#[test]
fn unix_datagrams_have_calls_with_sizes_and_no_frames() {
    let folder = folder();
    let socket = format!("unix-dgram:{}", path(&folder, "echo").display());
    let mut server = Server::start(["echo", &socket]);
    server.local();
    let talk = [&socket, "--send", "hello", "--send", "again!"];
    let ended = trace(&[&talk[..], &["--json"]].concat());
    assert_eq!(ended.code(), 0, "{ended:?}");
    let events = events(&ended);
    assert!(of(&events, "frame").is_empty(), "{ended:?}");
    assert_eq!(
        calls(&events, "client"),
        [
            "socket", "bind", "connect", "sendto", "recvfrom", "sendto", "recvfrom", "close"
        ]
    );
    let sizes: Vec<(&Value, &Value)> = of(&events, "call")
        .iter()
        .map(|call| (&call["asked_bytes"], &call["moved_bytes"]))
        .filter(|(asked, _)| !asked.is_null())
        .collect();
    let (room, five, six) = (65_536.into(), 5.into(), 6.into());
    assert_eq!(
        sizes,
        [(&five, &five), (&room, &five), (&six, &six), (&room, &six)]
    );
    let picture = trace(&[&talk[..], &["--width", "200"]].concat()).stdout;
    let why = "a Unix socket has no frames";
    assert!(picture.contains(why), "{picture}");
    assert!(picture.contains("sendto(3, 5 bytes, "), "{picture}");
    assert!(picture.contains("the system chose @"), "{picture}");
    // Nobody is there any more.
    drop(server);
    let ended = trace(&[&socket, "--send", "hello"]);
    assert_eq!(ended.code(), 7, "{ended:?}");
    assert!(ended.stdout.contains("connect(3, "), "{ended:?}");
}

#[test]
fn a_datagram_that_has_no_room_is_cut_and_one_without_an_answer_is_waited_for() {
    let folder = folder();
    let there = path(&folder, "there");
    let peer = std::os::unix::net::UnixDatagram::bind(&there).unwrap();
    let address = format!("unix-dgram:{}", there.display());
    let silent = trace(&[&address, "--send", "hello", "--timeout", "50ms"]);
    assert_eq!(silent.code(), 28, "{silent:?}");
    assert!(silent.stdout.contains("nothing came"), "{silent:?}");
    let mut heard = [0; 16];
    assert_eq!(peer.recv(&mut heard).unwrap(), 5);
    let answering = std::thread::spawn(move || {
        let (_, from) = peer.recv_from(&mut heard).unwrap();
        let from = peer.send_to_addr(&[b'x'; 70_000], &from);
        from.unwrap()
    });
    let ended = trace(&[&address, "--send", "hello", "--timeout", "20s", "--json"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(answering.join().unwrap(), 70_000);
    let events = events(&ended);
    let mut calls = of(&events, "call").into_iter();
    let received = calls
        .find(|call| call["call"].as_str().unwrap().starts_with("recvfrom("))
        .unwrap();
    assert_eq!(received["moved_bytes"], 65_536);
    let remark = received["remark"].as_str().unwrap();
    assert!(remark.contains("the datagram was longer"), "{received}");
    let result = received["result"].as_str().unwrap();
    assert_eq!(result, format!("65536, from {}", there.display()));
}

#[test]
fn packets_over_unix_and_one_family_of_ip() {
    let folder = folder();
    let packets = format!("seqpacket:{}", path(&folder, "echo").display());
    let mut server = Server::start(["echo", &packets]);
    server.local();
    let ended = trace(&[&packets, "--send", "hello", "--width", "200"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    let picture = &ended.stdout;
    assert!(
        picture.contains("socket(AF_UNIX, SOCK_SEQPACKET)"),
        "{picture}"
    );
    assert!(picture.contains("a Unix socket has no frames"), "{picture}");
    a_packet_that_has_no_room(&path(&folder, "long"));
    for (family, name) in [("4", "AF_INET,"), ("6", "AF_INET6,")] {
        for scheme in ["tcp", "udp"] {
            let mut server = Server::start(["echo", &format!("{scheme}{family}::0")]);
            let address = format!("{scheme}{family}:localhost:{}", server.port());
            let ended = trace(&[&address, "--send", "hello", "--json"]);
            assert_eq!(ended.code(), 0, "{ended:?}");
            let events = events(&ended);
            let call = of(&events, "call")[0]["call"].as_str().unwrap();
            assert!(call.contains(name), "{call}");
        }
    }
}

/// What does not fit into the buffer of recv() is gone, and that is told.
fn a_packet_that_has_no_room(there: &std::path::Path) {
    use std::io::Read;

    use socket2::{Domain, SockAddr, Socket, Type};

    let listening = Socket::new(Domain::UNIX, Type::SEQPACKET, None).unwrap();
    listening.bind(&SockAddr::unix(there).unwrap()).unwrap();
    listening.listen(1).unwrap();
    let answering = std::thread::spawn(move || {
        let (peer, _) = listening.accept().unwrap();
        // A socket that is closed with something unread cuts the connection.
        assert_eq!((&peer).read(&mut [0; 16]).unwrap(), 5);
        peer.send(&[b'x'; 70_000]).unwrap();
        peer.send(b"short").unwrap()
    });
    let address = format!("seqpacket:{}", there.display());
    let ended = trace(&[&address, "--send", "hello", "--timeout", "20s", "--json"]);
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert_eq!(answering.join().unwrap(), 5);
    let events = events(&ended);
    let calls = of(&events, "call").into_iter();
    let received: Vec<(&Value, &str)> = calls
        .filter(|call| call["call"].as_str().unwrap().starts_with("recv("))
        .map(|call| (&call["moved_bytes"], call["remark"].as_str().unwrap()))
        .collect();
    let lost = "the packet was longer: the rest of it is lost";
    assert_eq!(received[0], (&65_536.into(), lost));
    assert_eq!(received[1], (&5.into(), ""));
    assert_eq!(received[2], (&0.into(), "the peer has ended"));
}

#[test]
fn a_file_keeps_what_is_known_and_is_read_again() {
    let folder = folder();
    let file = path(&folder, "out.pcapng");
    let name = file.display().to_string();
    let ended = trace(&["demo", "tcp", "--json", "-w", &name]);
    let written = of(&events(&ended), "frame").len();
    let origin = of(&events(&ended), "frame")[0]["origin"].clone();

    let ended = trace(&["read", &name, "--json"]);
    let read = events(&ended);
    assert_eq!(of(&read, "frame").len(), written);
    assert_eq!(of(&read, "frame")[0]["origin"], origin);

    let ended = trace(&["read", &name, "--text", "HELLO", "--view", "lines"]);
    assert_eq!(ended.stdout.matches("HELLO").count(), 1, "{}", ended.stdout);
    assert_eq!(trace(&["read", &name, "--protocol", "udp"]).stdout, "");
    let ended = trace(&["read", &name, "--summary"]);
    assert!(
        ended.stdout.contains("1 conversation\n"),
        "{}",
        ended.stdout
    );
    let ended = trace(&["read", &name, "--interactive"]);
    assert_eq!(ended.code(), 2);
    assert!(
        ended.stderr.contains("needs a terminal"),
        "{}",
        ended.stderr
    );
    let ended = trace(&["read", &name, "--explain", "4"]);
    assert!(
        ended.stdout.contains("1 since the beginning: "),
        "{}",
        ended.stdout
    );
    let ended = trace(&["read", &name, "--explain", "1"]);
    assert!(ended.stdout.contains("let us begin"), "{}", ended.stdout);
    let ended = trace(&["read", &name, "--explain", "99"]);
    assert_eq!(ended.code(), 2);

    // What exists is never overwritten.
    let ended = trace(&["demo", "udp", "-w", &name]);
    assert_eq!(ended.code(), 1);
    assert!(
        ended.stderr.contains("never overwritten"),
        "{}",
        ended.stderr
    );

    // What is no capture file is said to be none, and nothing is not passed over in silence.
    let text = path(&folder, "text");
    std::fs::write(&text, "no capture").unwrap();
    let ended = trace(&["read", &text.display().to_string()]);
    assert_eq!(ended.code(), 1);
    assert!(
        ended
            .stderr
            .contains("is no capture file: it begins with 6e 6f 20 63"),
        "{}",
        ended.stderr
    );
    std::fs::write(&text, b"\x1f\x8b\x08\0").unwrap();
    let ended = trace(&["read", &text.display().to_string()]);
    assert!(
        ended.stderr.contains("\n  try      gunzip -c "),
        "{}",
        ended.stderr
    );
    let ended = trace(&["read", &folder.path().display().to_string()]);
    assert!(
        ended.stderr.contains(": is a directory"),
        "{}",
        ended.stderr
    );
    let ended = trace(&["read", &name, "--protocol", "arp"]);
    assert!(
        ended
            .stderr
            .contains(&format!("none of {written} frames was asked for")),
        "{}",
        ended.stderr
    );

    // A damaged file gives what is readable and says where it broke.
    let bytes = std::fs::read(&file).unwrap();
    let cut = path(&folder, "cut.pcapng");
    std::fs::write(&cut, &bytes[..bytes.len() - 7]).unwrap();
    let ended = trace(&["read", &cut.display().to_string()]);
    assert_eq!(ended.code(), 1);
    assert_eq!(
        ended
            .stdout
            .lines()
            .filter(|line| line.contains('#'))
            .count(),
        written - 1
    );
    assert!(ended.stderr.contains("broken at byte"), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains(&format!("{} frames before that", written - 1)),
        "{}",
        ended.stderr
    );
}

#[test]
fn messages_with_a_framing_are_found_in_the_stream() {
    let mut server = Server::start(["echo", "127.0.0.1:0", "--frame", "u32"]);
    let local = server.local();
    let two = r"\0\0\0\x02Hi\0\0\0\x05there";
    let ended = trace(&[&local, "--send", two, "--frame", "u32", "--json"]);
    let events = events(&ended);
    let messages = of(&events, "message");
    let ours: Vec<&Value> = messages
        .iter()
        .filter(|one| one["side"] == "client")
        .map(|one| &one["summary"])
        .collect();
    assert_eq!(ours, ["Hi", "there"], "{messages:#?}");
    assert!(
        messages
            .iter()
            .all(|message| message["protocol"] == "MESSAGE")
    );
}

/// The same as somebody without any right; `None` where nobody may become somebody else.
fn as_nobody(arguments: &[&str]) -> Option<Ended> {
    let id = std::process::Command::new("id").arg("-u").output().unwrap();
    if id.stdout != b"0\n" {
        eprintln!("skipped: only root can become somebody else");
        return None;
    }
    let mut command = std::process::Command::new("setpriv");
    command.args([
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "--bounding-set=-all",
    ]);
    command
        .arg(env!("CARGO_BIN_EXE_wharf"))
        .arg("trace")
        .args(arguments)
        .env_remove("LANG")
        .env_remove("LC_ALL");
    Some(run(&mut command, ""))
}

#[test]
fn an_ordinary_user_is_told_how_to_get_the_right() {
    let boxes = ["demo", "tcp", "--view", "boxes", "--width", "200"];
    let Some(ended) = as_nobody(&boxes) else {
        return;
    };
    assert_eq!(ended.code(), 0, "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("modelled: rebuilt from the socket calls"),
        "{}",
        ended.stdout
    );
    let line = ended.stdout.replace("\n  ", " ");
    assert!(line.contains("sudo setcap cap_net_raw=ep "), "{line}");
    assert!(
        ended.stdout.contains("(from the kernel)"),
        "{}",
        ended.stdout
    );
    // Nobody measured the way of frames that nobody saw.
    let times = ended.stdout.lines().filter(|line| line.contains(" rtt "));
    for line in times {
        assert!(line.contains("from the kernel"), "{line}");
    }

    let ended = as_nobody(&["live"]).unwrap();
    assert_eq!(ended.code(), 1, "{ended:?}");
    assert!(
        ended.stderr.contains("sudo setcap cap_net_raw=ep "),
        "{}",
        ended.stderr
    );
    assert!(
        ended.stderr.contains("\n  try      wharf trace ADDRESS"),
        "{}",
        ended.stderr
    );
}

/// What is modelled is what would have been captured, as far as a picture of it goes.
#[test]
fn root_and_an_ordinary_user_are_told_the_same_story() {
    let mut server = Server::start(["upper", "127.0.0.1:0"]);
    let local = server.local();
    let talk = [local.as_str(), "--send", "hello", "--json"];
    let Some(modelled) = as_nobody(&talk) else {
        return;
    };
    let captured = trace(&talk);
    let story = |ended: &Ended, origin: &str| {
        let events = events(ended);
        let frames = of(&events, "frame");
        assert!(
            frames.iter().all(|frame| frame["origin"] == origin),
            "{ended:?}"
        );
        let announced: Vec<Value> = frames
            .iter()
            .flat_map(|frame| frame["layers"].as_array().unwrap().clone())
            .flat_map(|layer| layer["fields"].as_array().unwrap().clone())
            .filter(|field| field["name"] == "MSS")
            .map(|field| field["value"].clone())
            .collect();
        let data: Vec<(Value, Value)> = frames
            .iter()
            .filter(|frame| frame["tcp"]["bytes"] != 0)
            .map(|frame| (frame["tcp"]["seq"].clone(), frame["tcp"]["bytes"].clone()))
            .collect();
        let texts: Vec<Value> = of(&events, "message")
            .iter()
            .map(|message| message["text"].clone())
            .collect();
        (calls(&events, "client"), announced, data, texts)
    };
    assert_eq!(story(&modelled, "modelled"), story(&captured, "captured"));
}
