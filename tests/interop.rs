//! Clients and servers that nobody here wrote: nc, ncat, socat, curl, openssl.

mod support;

use std::process::Command;

use support::{Process, Server, Stream, run, wharf};

/// A foreign program with its arguments.
fn tool(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// A late answer after half-close needs the whole of the stream read first.
const PARAGRAPH: &str = "one line\nand another\nand no newline at the end";

#[test]
fn nc_hears_every_answer_after_its_end_of_stream() {
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let client = run(&mut tool("nc", &["-N", "127.0.0.1", &port]), PARAGRAPH);
    assert_eq!(client.stdout, PARAGRAPH.to_uppercase() + "\n", "{client:?}");
    assert_eq!(server.closed(), "peer-closed");
}

#[test]
fn ncat_hears_every_answer_after_its_end_of_stream() {
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let client = run(&mut tool("ncat", &["127.0.0.1", &port]), PARAGRAPH);
    assert_eq!(client.stdout, PARAGRAPH.to_uppercase() + "\n", "{client:?}");
}

#[test]
fn socat_hears_every_answer_over_tcp_unix_and_seqpacket() {
    let directory = tempfile::tempdir().unwrap();
    let unix = directory.path().join("s").display().to_string();
    let packets = directory.path().join("p").display().to_string();
    let packets_address = format!("seqpacket:{packets}");
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0", &unix, &packets_address]);
    let port = server.port();
    assert_eq!(server.local(), unix);
    assert_eq!(server.local(), packets);
    for target in [
        format!("TCP:127.0.0.1:{port}"),
        format!("UNIX-CONNECT:{unix}"),
        format!("UNIX-CONNECT:{packets},type=5"),
    ] {
        let client = run(&mut tool("socat", &["-t10", "-", &target]), PARAGRAPH);
        assert_eq!(
            client.stdout,
            PARAGRAPH.to_uppercase() + "\n",
            "{target}: {client:?}"
        );
    }
}

#[test]
fn socat_and_nc_hear_udp_and_unix_datagrams() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("d").display().to_string();
    let unix = format!("unix-dgram:{path}");
    let mut server = Server::start(["upper", "udp:127.0.0.1:0", &unix]);
    let port = server.port();
    server.local();
    let client = run(
        &mut tool("nc", &["-u", "-w1", "127.0.0.1", &port]),
        "datagram",
    );
    assert_eq!(client.stdout, "DATAGRAM\n", "{client:?}");
    let own = directory.path().join("own").display().to_string();
    let target = format!("UNIX-SENDTO:{path},bind={own}");
    let client = run(&mut tool("socat", &["-t1", "-", &target]), "datagram");
    assert_eq!(client.stdout, "DATAGRAM\n", "{client:?}");
}

/// Starts many clients at once, and hears them all.
fn at_once(command: &str, clients: usize, input: &'static str) -> Vec<String> {
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let mut client = tool("sh", &["-c", &format!("exec {command}")]);
            std::thread::spawn(move || run(&mut client, input).stdout)
        })
        .collect();
    clients
        .into_iter()
        .map(|client| client.join().unwrap())
        .collect()
}

/// Every client ends its stream at once; the service goes on for half a second, and
/// then says the rest.
#[test]
fn every_common_client_hears_an_answer_half_a_second_after_its_end_of_stream() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s").display().to_string();
    let script = ["--", "sh", "-c", "cat; sleep 0.5; echo LATE"];
    let addresses = ["tcp:127.0.0.1:0", &path, "tls:127.0.0.1:0,self-signed"];
    let arguments = ["exec"].into_iter().chain(addresses).chain(script);
    let mut server = Server::start(arguments);
    let port = server.port();
    assert_eq!(server.local(), path);
    let secure = server.process.wait_for_event("listening", |event| {
        let (local, pin) = (event["local"].as_str()?, event["fingerprint"].as_str()?);
        Some(format!("tls:{local},pin={pin}"))
    });
    let (_, tls_port) = secure
        .split_once(",pin")
        .unwrap()
        .0
        .rsplit_once(':')
        .unwrap();
    let connect = format!("{} connect", env!("CARGO_BIN_EXE_wharf"));
    for command in [
        format!("nc -N 127.0.0.1 {port}"),
        format!("nc -N -U {path}"),
        format!("socat -t5 - TCP:127.0.0.1:{port}"),
        format!("socat -t5 - UNIX-CONNECT:{path}"),
        format!("socat -t5 - OPENSSL:127.0.0.1:{tls_port},verify=0"),
        format!("ncat 127.0.0.1 {port}"),
        format!("ncat -U {path}"),
        format!("{connect} 127.0.0.1:{port}"),
        format!("{connect} {path}"),
        format!("{connect} {secure}"),
    ] {
        let heard = at_once(&command, 20, "question\n");
        assert_eq!(heard, vec!["question\nLATE\n"; 20], "{command}");
    }
}

#[test]
fn a_thousand_of_a_thousand_nc_hear_every_answer() {
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0"]);
    let command = format!("nc -N 127.0.0.1 {}", server.port());
    let expected = PARAGRAPH.to_uppercase() + "\n";
    for _ in 0..20 {
        assert_eq!(at_once(&command, 50, PARAGRAPH), vec![&*expected; 50]);
    }
}

#[test]
fn curl_speaks_telnet_to_it() {
    let mut server = Server::start(["echo", "tcp:127.0.0.1:0", "--reply-once"]);
    let port = server.port();
    let url = format!("telnet://127.0.0.1:{port}");
    let client = run(
        &mut tool("curl", &["-sS", "--max-time", "20", &url]),
        "over curl\n",
    );
    assert_eq!(client.stdout, "over curl\n", "{client:?}");
}

#[test]
fn openssl_verifies_a_self_signed_server_by_its_certificate_only_when_told() {
    let mut server = Server::start(["upper", "tls:127.0.0.1:0,self-signed"]);
    let port = server.port();
    let target = format!("127.0.0.1:{port}");
    let client = run(
        &mut tool(
            "openssl",
            &["s_client", "-quiet", "-no_ign_eof", "-connect", &target],
        ),
        "over tls\n",
    );
    assert!(
        client.stderr.contains("self-signed certificate"),
        "{client:?}"
    );
    // s_client ends at its end of input; the answer is read by one that stays.
    let mut client = Process::start(&mut tool(
        "openssl",
        &["s_client", "-quiet", "-connect", &target],
    ));
    client.type_in("over tls\n");
    client.wait_for(|stream, line| (stream == Stream::Out && line == "OVER TLS").then_some(()));
}

#[test]
fn a_plain_text_client_on_a_tls_port_is_told_in_plain_text() {
    let mut server = Server::start(["echo", "tls:127.0.0.1:0,self-signed"]);
    let port = server.port();
    let client = run(&mut tool("nc", &["-N", "127.0.0.1", &port]), "hello\n");
    assert!(client.stdout.contains("TLS"), "{client:?}");
    let detail = server.process.wait_for_event("closed", |event| {
        assert_eq!(event["reason"], "tls-failed");
        event["detail"].as_str().map(str::to_owned)
    });
    assert!(detail.contains("hello"), "{detail}");
}

#[test]
fn connect_talks_to_nc() {
    // nc says where it listens only with -v, and on stderr.
    let mut server = Process::start(&mut tool("nc", &["-l", "-v", "-N", "127.0.0.1", "0"]));
    let port = server.wait_for(|_, line| {
        let words: Vec<&str> = line.split(' ').collect();
        line.starts_with("Listening on")
            .then(|| words[words.len() - 1].to_owned())
    });
    let address = format!("127.0.0.1:{port}");
    server.type_in("from nc\n").end_input();
    let client = run(&mut wharf(["connect", &address]), "from wharf\n");
    assert_eq!(
        (client.code(), &*client.stdout),
        (0, "from nc\n"),
        "{client:?}"
    );
    assert!(server.end().stdout.contains("from wharf"));
}

#[test]
fn connect_talks_to_socat_over_tcp_and_unix_and_hears_late_answers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s").display().to_string();
    // sort answers when its input has ended: only after our end of stream.
    let listen = format!("UNIX-LISTEN:{path}");
    let mut server = Process::start(&mut tool(
        "socat",
        &["-d", "-d", "-t10", &listen, "EXEC:sort"],
    ));
    server.wait_for(|_, line| line.contains("listening on").then_some(()));
    let client = run(&mut wharf(["connect", &path]), "pear\napple\n");
    assert_eq!(
        (client.code(), &*client.stdout),
        (0, "apple\npear\n"),
        "{client:?}"
    );

    let mut server = Process::start(&mut tool(
        "socat",
        &[
            "-d",
            "-d",
            "-t10",
            "TCP-LISTEN:0,bind=127.0.0.1",
            "EXEC:sort",
        ],
    ));
    let port = server.wait_for(|_, line| {
        let (_, port) = line.split_once("listening on")?.1.rsplit_once(':')?;
        Some(port.trim().to_owned())
    });
    let address = format!("127.0.0.1:{port}");
    let client = run(&mut wharf(["connect", &address]), "pear\napple\n");
    assert_eq!(
        (client.code(), &*client.stdout),
        (0, "apple\npear\n"),
        "{client:?}"
    );
}

#[test]
fn connect_talks_to_socat_over_udp() {
    let mut server = Process::start(&mut tool(
        "socat",
        &["-d", "-d", "UDP-RECVFROM:0,bind=127.0.0.1,fork", "EXEC:cat"],
    ));
    let pid = server.pid();
    let port = server.wait_for(|_, _| udp_port_of(pid));
    let address = format!("udp:127.0.0.1:{port}");
    let client = run(
        &mut wharf(["connect", &address, "--send", "ping", "--expect", "ping"]),
        "",
    );
    assert_eq!(client.code(), 0, "{client:?}");
}

/// The port of the one UDP socket of a process.
fn udp_port_of(pid: u32) -> Option<u16> {
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/udp")).ok()?;
    let inodes: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .ok()?
        .flatten()
        .filter_map(|entry| Some(std::fs::read_link(entry.path()).ok()?.display().to_string()))
        .collect();
    table.lines().skip(1).find_map(|row| {
        let fields: Vec<&str> = row.split_whitespace().collect();
        let socket = format!("socket:[{}]", fields.get(9)?);
        let (_, port) = fields.get(1)?.split_once(':')?;
        inodes
            .contains(&socket)
            .then(|| u16::from_str_radix(port, 16).ok())?
    })
}

#[test]
fn connect_verifies_openssl_by_its_fingerprint() {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key.pem").display().to_string();
    let cert = directory.path().join("cert.pem").display().to_string();
    let made = run(
        &mut tool(
            "openssl",
            &[
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "1",
                "-subj",
                "/CN=localhost",
                "-keyout",
                &key,
                "-out",
                &cert,
            ],
        ),
        "",
    );
    assert_eq!(made.code(), 0, "{made:?}");
    let mut server = Process::start(&mut tool(
        "openssl",
        &[
            "s_server",
            "-accept",
            "127.0.0.1:0",
            "-key",
            &key,
            "-cert",
            &cert,
            "-rev",
        ],
    ));
    let port = server.wait_for(|_, line| {
        let (_, port) = line.strip_prefix("ACCEPT ")?.rsplit_once(':')?;
        Some(port.to_owned())
    });
    let hash = run(
        &mut tool(
            "openssl",
            &["x509", "-in", &cert, "-noout", "-fingerprint", "-sha256"],
        ),
        "",
    );
    let hash = hash.stdout.trim().split('=').nth(1).unwrap().to_owned();
    let pinned = format!("tls:127.0.0.1:{port},pin={hash}");
    let mut client = Process::start(&mut wharf(["connect", &pinned]));
    client.type_in("stressed\n");
    client.wait_for(|stream, line| (stream == Stream::Out && line == "desserts").then_some(()));
    drop(client);

    let unpinned = format!("tls:127.0.0.1:{port}");
    let refused = run(&mut wharf(["connect", &unpinned]), "");
    assert_eq!(refused.code(), 35, "{refused:?}");
    assert!(refused.stderr.contains("pin="), "{refused:?}");
}

#[test]
fn two_messages_are_one_stream_two_frames_or_two_datagrams() {
    let said = ["--send", "Hi!", "--send", "Hope you're well"];
    let messages = |arguments: &[&str], transport: &str| {
        let address = format!("{transport}:127.0.0.1:0");
        let mut server = Server::start(["echo", &address].iter().chain(arguments));
        let to = format!("{transport}:{}", server.local());
        let client = run(
            wharf(["connect", &to, "--json", "--timeout", "5s"])
                .args(said)
                .args(arguments),
            "",
        );
        client
            .stdout
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|event| event["event"] == "received")
            .filter_map(|event| event["text"].as_str().map(str::to_owned))
            .collect::<Vec<_>>()
    };
    // Raw TCP: the bytes come, the boundary is lost.
    assert_eq!(messages(&[], "tcp").concat(), "Hi!Hope you're well");
    let both = ["Hi!", "Hope you're well"];
    assert_eq!(messages(&["--frame", "u32"], "tcp"), both);
    assert_eq!(messages(&[], "udp"), both);
}

/// Somebody who plays by hand: nc, one line after the other.
struct Typist(Process);

impl Typist {
    fn sit_down(port: &str) -> Self {
        Typist(Process::start(&mut tool("nc", &["127.0.0.1", port])))
    }

    /// Types a line and waits for one that begins like this.
    fn types(&mut self, line: &str, answer: &str) -> String {
        self.0.type_in(&format!("{line}\n"));
        self.reads(answer)
    }

    fn reads(&mut self, start: &str) -> String {
        let wanted = |_: Stream, line: &str| line.starts_with(start).then(|| line.to_owned());
        self.0.wait_for(wanted)
    }
}

#[test]
fn two_people_play_rock_paper_scissors_with_nc() {
    let mut server = Server::start(["rps", "tcp:127.0.0.1:0", "--best-of", "1"]);
    let port = server.port();
    let [mut ann, mut ben] = [Typist::sit_down(&port), Typist::sit_down(&port)];
    assert!(
        ann.reads("RPS 1 1 -- ").contains("HELLO"),
        "it says what to type"
    );
    ann.types("help", "HELP -- PLAY ");
    ann.types("hello ann", "WELCOME ann ");
    ben.types("hello ben", "WELCOME ben ");
    ann.types("play", "WAITING 300 -- ");
    ben.types("play ann", "ROUND 1 30 0 0 -- ");
    ben.types("paper", "MOVED PAPER -- ");
    ann.reads("READY ben -- ");
    ann.types("rock", "RESULT 1 ROCK PAPER LOSE 0 1 -- ");
    ann.reads("OVER SCORE LOSE 0 1 -- you lose the match");
    ben.reads("OVER SCORE WIN 1 0 -- you win the match");
    ben.types("top", "SCORE 1 ben 1 0 0");
    ben.types("bye", "BYE -- ");
    assert_eq!(ben.0.end().code(), 0);
    server.process.wait_for_event("shown", |event| {
        (event["text"] == "ben beat ann 1:0").then_some(())
    });
}
