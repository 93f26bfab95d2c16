//! Every example runs, and the twins of the lectures' programs say what those say.
//!
//! For each lecture the two Python programs talk first; what both print is the
//! measure. Then either of them is replaced by its twin, then both, and all must
//! print the same words. Addresses differ from run to run and are left out.

mod support;

use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::Command;

use support::{DEADLINE, Process, Stream, python, run, wharf};

/// In which language a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Python,
    Rust,
}

/// An example's program, built beside this test.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    // target/PROFILE/deps/examples-HASH, target/PROFILE/examples/NAME
    let profile = test.ancestors().nth(2).unwrap();
    let mut program: PathBuf = profile.join("examples").join(name);
    program.set_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        program.is_file(),
        "{} is missing: `cargo test` builds the examples unless it is told a target; \
         build them with `cargo build --examples --profile test`",
        program.display()
    );
    Command::new(program)
}

/// A lecture's client that is to talk to `port` of this machine.
fn client(written: Written, name: &str, scheme: &str, port: &str) -> Command {
    match written {
        Written::Python => python(&format!("{name}.py"), ["127.0.0.1", port]),
        Written::Rust => {
            let mut program = example(&format!("lecture_{name}"));
            program.arg(format!("{scheme}:127.0.0.1:{port}"));
            program
        }
    }
}

/// A lecture's server on a free port, and what it printed until it could be called.
struct Server {
    process: Process,
    port: String,
}

impl Server {
    fn start(written: Written, name: &str, scheme: &str) -> Server {
        let mut process = Process::start(&mut client(written, name, scheme, "0"));
        let port = process.wait_for(|stream, line| match stream {
            Stream::Out => None,
            Stream::Err => {
                let (before, port) = line.rsplit_once([' ', ':'])?;
                (before == "port" || before.starts_with("listening at ")).then(|| port.to_owned())
            }
        });
        Server { process, port }
    }

    /// All that it printed, once it has ended by itself or by Ctrl-C.
    fn printed(self, ends: Ends) -> String {
        if ends == Ends::AtCtrlC {
            self.process.signal("INT");
        }
        self.process.end().stdout
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ends {
    AtCtrlC,
    ByItself,
}

/// A lecture: its programs without the ending, and how they are used.
struct Lecture {
    client: &'static str,
    server: &'static str,
    scheme: &'static str,
    typed: &'static str,
    ends: Ends,
}

impl Lecture {
    /// What the client and the server print, without addresses.
    fn held(&self, by_server: Written, by_client: Written) -> (String, String) {
        let server = Server::start(by_server, self.server, self.scheme);
        let mut program = client(by_client, self.client, self.scheme, &server.port);
        let said = run(&mut program, self.typed);
        assert_eq!(said.code(), 0, "{by_client:?} to {by_server:?}: {said:?}");
        let printed = server.printed(self.ends);
        (without_addresses(&said.stdout), without_addresses(&printed))
    }

    /// Holds it in all four casts; gives what the lecture's own programs print.
    fn check(&self) -> (String, String) {
        let measure = self.held(Written::Python, Written::Python);
        for (by_server, by_client) in [
            (Written::Rust, Written::Python),
            (Written::Python, Written::Rust),
            (Written::Rust, Written::Rust),
        ] {
            let held = self.held(by_server, by_client);
            assert_eq!(
                held, measure,
                "server: {by_server:?}, client: {by_client:?}"
            );
        }
        measure
    }
}

/// `('127.0.0.1', 4711)` and `127.0.0.1:4711` both become `ADDRESS`.
fn without_addresses(text: &str) -> String {
    let text = text.replace("('127.0.0.1', ", "127.0.0.1:");
    let mut parts = text.split("127.0.0.1:");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let after = part.trim_start_matches(|digit: char| digit.is_ascii_digit());
        plain += "ADDRESS";
        plain += after.strip_prefix(')').unwrap_or(after);
    }
    plain
}

#[test]
fn lecture_000_lines() {
    // The lecture has no server of its own; the echo answers each line with one line.
    let server = Server::start(Written::Python, "001_tcp_server", "tcp");
    let said = |written| {
        let mut program = client(written, "000_tcp_client", "tcp", &server.port);
        let said = run(&mut program, "hello\nworld\n");
        assert_eq!(said.code(), 0, "{written:?}: {said:?}");
        said.stdout
    };
    assert_eq!(said(Written::Python), "hello\nworld\n");
    assert_eq!(said(Written::Rust), "hello\nworld\n");
}

#[test]
fn lecture_000_waits_for_more_answers_than_lines() {
    let mut server = Process::start(example("blocking_service").arg("tcp:127.0.0.1:0"));
    let local = server.wait_for(|_, line| line.strip_prefix("interviews at ").map(str::to_owned));
    let said = run(
        example("lecture_000_tcp_client").args([&*format!("tcp:{local}"), "3"]),
        "Ada\nMarina\n",
    );
    assert_eq!(
        said.stdout, "What is your name?\nAnd your harbour, Ada?\nFair winds from Marina, Ada!\n",
        "{said:?}"
    );
}

#[test]
fn lecture_001_over_tcp() {
    let lecture = Lecture {
        client: "001_tcp_client",
        server: "001_tcp_server",
        scheme: "tcp",
        typed: "",
        ends: Ends::AtCtrlC,
    };
    let (client, server) = lecture.check();
    assert_eq!(client, "answer Ahoy, harbour\n");
    assert_eq!(server, "serving ADDRESS\n");
}

#[test]
fn lecture_001_over_udp() {
    let lecture = Lecture {
        client: "001_udp_client",
        server: "001_udp_server",
        scheme: "udp",
        typed: "",
        ends: Ends::AtCtrlC,
    };
    let (client, server) = lecture.check();
    assert_eq!(
        client,
        "sending from ADDRESS\nanswer FROM QUAY TO PIER from ADDRESS\n"
    );
    assert_eq!(server, "datagram from ADDRESS\n");
}

#[test]
fn lecture_002() {
    let lecture = Lecture {
        client: "002_tcp_client",
        server: "002_tcp_server",
        scheme: "tcp",
        typed: "hello there!\n",
        ends: Ends::ByItself,
    };
    let (client, server) = lecture.check();
    assert_eq!(client, "connected to the server\nGive message : \n");
    assert_eq!(
        server,
        "server waits for connection\n\
         server accepted connection request from  ADDRESS\n\
         server waits for data\n\
         server received  hello there!\n"
    );
}

#[test]
fn lecture_003_over_tcp() {
    let lecture = Lecture {
        client: "003_tcp_client",
        server: "003_tcp_server",
        scheme: "tcp",
        typed: "grüße from the quay\n",
        ends: Ends::AtCtrlC,
    };
    let (client, server) = lecture.check();
    assert_eq!(
        client,
        "A sentence in lower case: The server says: GRÜSSE FROM THE QUAY\n"
    );
    assert_eq!(server, "ready for clients\n");
}

#[test]
fn lecture_003_over_udp() {
    let lecture = Lecture {
        client: "003_udp_client",
        server: "003_udp_server",
        scheme: "udp",
        typed: "grüße from the quay\n",
        ends: Ends::AtCtrlC,
    };
    let (client, server) = lecture.check();
    assert_eq!(
        client,
        "A sentence in lower case: The server says: GRÜSSE FROM THE QUAY\n"
    );
    assert_eq!(server, "ready for datagrams\n");
}

#[test]
fn hello_service_greets_over_tcp_udp_and_tls() {
    let addresses = [
        "tcp:127.0.0.1:0",
        "udp:127.0.0.1:0",
        "tls:127.0.0.1:0,self-signed",
    ];
    let mut server = Process::start(example("hello_service").args(addresses));
    for (scheme, option) in [("tcp", ""), ("udp", ""), ("tls", ",insecure")] {
        let local = server.wait_for(|_, line| {
            let local = line.strip_prefix("hello at ")?.strip_prefix(scheme)?;
            Some(local.trim_start().to_owned())
        });
        let address = format!("{scheme}:{local}{option}");
        let said = run(&mut wharf(["connect", &address]), "Ada\n");
        assert_eq!(said.stdout, "hello, Ada\n", "{address}: {said:?}");
    }
    server.signal("INT");
    assert_eq!(server.end().code(), 0);
}

#[test]
fn two_messages_show_what_becomes_of_their_boundary() {
    let said = run(&mut example("two_messages"), "");
    assert_eq!(
        said.stdout,
        "tcp, raw    [\"Hi!Hope you're well\"]\n\
         tcp, u32    [\"Hi!\", \"Hope you're well\"]\n\
         udp         [\"Hi!\", \"Hope you're well\"]\n",
        "{said:?}"
    );
}

#[test]
fn sessions_keep_a_sum_for_each_peer() {
    let mut server = Process::start(example("sessions").arg("udp:127.0.0.1:0"));
    let local = server.wait_for(|_, line| line.strip_prefix("sums at ").map(str::to_owned));
    let peers = [(); 2].map(|()| {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.connect(&local).unwrap();
        peer.set_read_timeout(Some(DEADLINE)).unwrap();
        peer
    });
    let asked = |peer: &UdpSocket, word: &str| {
        peer.send(word.as_bytes()).unwrap();
        let mut answer = [0; 100];
        let length = peer.recv(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    assert_eq!(asked(&peers[0], "20"), "20");
    assert_eq!(asked(&peers[1], "1"), "1");
    assert_eq!(asked(&peers[0], "22"), "42");
    assert_eq!(asked(&peers[1], "twenty"), "a number, or total");
    assert_eq!(asked(&peers[0], "total"), "42");
    assert_eq!(asked(&peers[0], "7"), "7", "a new conversation begins");
    assert_eq!(asked(&peers[1], "total"), "1");
}
