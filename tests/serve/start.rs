//! What stands where, and a port that somebody else has.

use std::net::TcpListener;

use super::stop::bash;
use crate::namespace::alone;
use crate::peer::{ask, converse, tcp, udp};
use crate::support::{Process, Server, Stream, run, wharf};

/// The standard set: service, transport and port.
const STANDARD: [(&str, &str, u16); 20] = [
    ("echo", "tcp", 9999),
    ("echo", "udp", 9999),
    ("upper", "tcp", 12000),
    ("upper", "udp", 12000),
    ("upper", "udp", 11111),
    ("chat", "tcp", 5378),
    ("rps", "tcp", 5379),
    ("rps", "udp", 5379),
    ("blackjack", "tcp", 5380),
    ("message", "tcp", 11267),
    ("password", "tcp", 11268),
    ("page", "tcp", 8080),
    ("daytime", "tcp", 13013),
    ("daytime", "udp", 13013),
    ("time", "tcp", 13037),
    ("time", "udp", 13037),
    ("discard", "tcp", 9009),
    ("discard", "udp", 9009),
    ("chargen", "tcp", 19019),
    ("chargen", "udp", 19019),
];

/// Everything until the line that says how to stop.
fn table(server: &mut Process) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    while !lines.iter().any(|line| line.contains("Ctrl-C stops")) {
        lines
            .push(server.wait_for(|stream, line| (stream == Stream::Out).then(|| line.to_owned())));
    }
    lines
}

fn assert_row(lines: &[String], service: &str, transport: &str, port: u16) {
    let place = format!("127.0.0.1:{port}");
    assert!(
        lines.iter().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            words.starts_with(&[service, transport, &place])
                && ["connect", "get", "chat", "play"]
                    .iter()
                    .any(|verb| line.contains(&format!("wharf {verb} ")))
        }),
        "no row for {service} {transport} {port} in\n{}",
        lines.join("\n")
    );
}

#[test]
fn the_table_lists_every_standard_service() {
    alone("start::the_table_lists_every_standard_service", || {
        let mut server = Process::start(&mut wharf(["serve"]));
        let lines = table(&mut server);
        for (service, transport, port) in STANDARD {
            assert_row(&lines, service, transport, port);
        }
        assert_eq!(ask("12000", b"hello\n"), "HELLO\n");
        let peer = udp("11111");
        peer.send(b"datagram").unwrap();
        let mut answer = [0; 100];
        let length = peer.recv(&mut answer).unwrap();
        assert_eq!(&answer[..length], b"DATAGRAM");
        server.signal("INT");
        let ended = server.end();
        assert_eq!(ended.code(), 0, "{ended:?}");
    });
}

#[test]
fn every_command_of_the_table_can_be_tried() {
    alone("start::every_command_of_the_table_can_be_tried", || {
        let mut server = Process::start(&mut wharf(["serve"]));
        let lines = table(&mut server);
        let commands = lines
            .iter()
            .filter_map(|line| Some((line, &line[line.find("wharf ")?..])));
        let mut tried = 0;
        for (line, command) in commands {
            // What a person would type there.
            let typed = match command.split(' ').nth(1) {
                Some("chat") => "!who\n",
                Some("play") => "quit\n",
                _ => "some text\n",
            };
            let ended = run(&mut bash(command), typed);
            // To discard and message nothing comes back, and over UDP that is a loss.
            let silent = line.starts_with("discard") || line.starts_with("message");
            let lost = silent && line.contains("udp");
            assert_eq!(
                ended.code(),
                if lost { 28 } else { 0 },
                "{command}: {ended:?}"
            );
            assert_eq!(ended.stdout.is_empty(), silent, "{command}: {ended:?}");
            tried += 1;
        }
        assert_eq!(tried, STANDARD.len());
    });
}

#[test]
fn a_port_in_use_fails_that_service_and_the_others_start() {
    let name = "start::a_port_in_use_fails_that_service_and_the_others_start";
    alone(name, || {
        let _holder = TcpListener::bind("127.0.0.1:9999").unwrap();
        let mut server = Process::start(&mut wharf(["serve"]));
        let lines = table(&mut server);
        for (service, transport, port) in &STANDARD[1..] {
            assert_row(&lines, service, transport, *port);
        }
        for expected in [
            "error: cannot listen on 127.0.0.1:9999: address already in use",
            &format!("(pid {})", std::process::id()),
            "  try      wharf serve echo 10000    or    wharf serve echo 0   (any free port)",
        ] {
            server.wait_for(|stream, line| {
                (stream == Stream::Err && line.contains(expected)).then_some(())
            });
        }
        assert_eq!(ask("12000", b"still here\n"), "STILL HERE\n");
        server.signal("INT");
        let ended = server.end();
        assert_eq!(ended.code(), 3, "{ended:?}");
    });
}

#[test]
fn when_nothing_can_start_the_exit_code_says_so_at_once() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = holder.local_addr().unwrap().to_string();
    let ended = run(&mut wharf(["serve", "echo", &at]), "");
    assert_eq!((ended.code(), &*ended.stdout), (3, ""), "{ended:?}");
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert!(lines[0].contains(&format!(
        "error: cannot listen on {at}: address already in use"
    )));
    assert!(lines[1].starts_with("  held by  "), "{ended:?}");
    assert!(
        lines[2].starts_with("  try      wharf serve echo "),
        "{ended:?}"
    );
}

#[test]
fn the_cure_keeps_the_address_as_it_was_typed() {
    let holder = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    let ended = run(&mut wharf(["serve", "echo", &format!("all:{port}")]), "");
    assert_eq!(ended.code(), 3, "{ended:?}");
    let next = port.checked_add(1).unwrap_or(0);
    assert!(
        ended.stderr.contains(&format!(
            "wharf serve echo all:{next}    or    wharf serve echo all:0"
        )),
        "{ended:?}"
    );
}

#[test]
fn a_second_server_on_the_same_port_is_refused() {
    for address in ["tcp:127.0.0.1", "udp:127.0.0.1"] {
        for cores in ["1", "2"] {
            let any = format!("{address}:0");
            let mut first = Server::start(["echo", &any, "--cores", cores]);
            let same = format!("{address}:{}", first.port());
            let second = run(&mut wharf(["serve", "echo", &same, "--cores", cores]), "");
            assert_eq!(second.code(), 3, "{same} on {cores} cores: {second:?}");
            assert!(
                second.stderr.contains("address already in use"),
                "{second:?}"
            );
            let holder = format!("held by  wharf (pid {})", first.process.pid());
            assert!(second.stderr.contains(&holder), "{second:?}");
            assert_eq!(first.stop().code(), 0);
        }
    }
}

#[test]
fn two_cores_serve_one_port() {
    let mut server = Server::start([
        "upper",
        "tcp:127.0.0.1:0",
        "udp:127.0.0.1:0",
        "--cores",
        "2",
    ]);
    let port = server.port();
    let datagrams = server.process.wait_for_event("listening", |event| {
        let local = event["local"].as_str()?;
        (event["transport"] == "udp").then(|| local.rsplit_once(':').unwrap().1.to_owned())
    });
    let mut peers: Vec<_> = (0..8).map(|_| tcp(&port)).collect();
    for peer in &mut peers {
        converse(peer, b"abc", b"ABC");
    }
    for _ in 0..8 {
        let peer = udp(&datagrams);
        peer.send(b"abc").unwrap();
        let mut answer = [0; 10];
        assert_eq!(peer.recv(&mut answer).unwrap(), 3);
    }
    drop(peers);
    assert_eq!(server.stop().code(), 0);
}

#[test]
fn the_message_service_prints_four_lines_for_each_client() {
    let mut server = Process::start(&mut wharf(["serve", "message", "127.0.0.1:0"]));
    // The table is on stderr here, since stdout belongs to the service.
    let (mut port, mut first) = (None, None);
    while port.is_none() || first.is_none() {
        let (stream, line) = server.wait_for(|stream, line| Some((stream, line.to_owned())));
        match stream {
            Stream::Out => first = Some(line),
            Stream::Err => {
                port = port.or(line
                    .rsplit_once("connect :")
                    .map(|(_, port)| port.to_owned()));
            }
        }
    }
    let (port, first) = (port.unwrap(), first.unwrap());
    let said = |server: &mut Process| {
        server.wait_for(|stream, line| (stream == Stream::Out).then(|| line.to_owned()))
    };
    assert_eq!(first, "server waits for connection");
    for message in ["first", "second"] {
        assert_eq!(ask(&port, format!("{message}\n").as_bytes()), "");
        let accepted = said(&mut server);
        assert!(
            accepted.starts_with("server accepted connection request from  ('127.0.0.1', "),
            "{accepted}"
        );
        assert_eq!(said(&mut server), "server waits for data");
        assert_eq!(said(&mut server), format!("server received  {message}"));
    }
    server.signal("INT");
    assert_eq!(server.end().code(), 0);
}

#[test]
fn the_backlog_is_the_argument_of_listen() {
    let mut server = Server::start(["echo", "tcp:127.0.0.1:0", "--backlog", "7"]);
    let filter = format!("sport = :{}", server.port());
    let sockets = run(
        std::process::Command::new("ss").args(["-Hltn", &filter]),
        "",
    );
    // State, Recv-Q, Send-Q: for a listener the third is the size of its queue.
    let queue = sockets.stdout.split_whitespace().nth(2);
    assert_eq!(queue, Some("7"), "{sockets:?}");
}

#[test]
fn every_port_that_is_taken_is_named_when_all_are() {
    let holders = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let taken = holders
        .each_ref()
        .map(|holder| holder.local_addr().unwrap().to_string());
    let mut arguments = vec!["--json", "serve", "echo"];
    arguments.extend(taken.iter().map(String::as_str));
    let ended = run(&mut wharf(arguments), "");
    assert_eq!(ended.code(), 3, "{ended:?}");
    assert_eq!(ended.stdout.lines().count(), taken.len(), "{ended:?}");
    for ((at, line), text) in taken
        .iter()
        .zip(ended.stdout.lines())
        .zip(ended.stderr.split("error: ").skip(1))
    {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let cause = format!("cannot listen on {at}: address already in use");
        assert_eq!(
            (&event["event"], &event["cause"]),
            (&"error".into(), &cause.clone().into())
        );
        assert!(
            text.starts_with(&cause) && text.contains("held by"),
            "{text}"
        );
    }
}
