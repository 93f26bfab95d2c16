//! `wharf serve --trace` with real clients: the calls of the server's side, and frames
//! that say which kind they are.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A server of the command, which is ended when this is dropped.
struct Served {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Served {
    fn start(address: &str) -> Self {
        Served::with(address, &[])
    }

    fn with(address: &str, options: &[&str]) -> Self {
        Served::of("echo", address, options)
    }

    fn of(service: &str, address: &str, options: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_wharf"))
            .args(["serve", service, address, "--trace", "--json"])
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let lines = BufReader::new(stdout).lines();
        Served { child, lines }
    }

    /// The next event that is one of these.
    fn next(&mut self, kinds: &[&str]) -> Value {
        loop {
            let line = self.lines.next().expect("the server goes on").unwrap();
            let event: Value = serde_json::from_str(&line).unwrap();
            if kinds.contains(&event["event"].as_str().unwrap()) {
                return event;
            }
        }
    }

    fn local(&mut self) -> String {
        self.next(&["listening"])["local"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Calls and frames until the last of these calls.
    fn story(&mut self, last: &str) -> (Vec<Value>, Vec<Value>) {
        let (mut calls, mut frames) = (Vec::new(), Vec::new());
        loop {
            let event = self.next(&["call", "frame"]);
            if event["event"] == "frame" {
                frames.push(event);
                continue;
            }
            assert_eq!(event["side"], "server", "{event}");
            let name = event["call"]
                .as_str()
                .unwrap()
                .split('(')
                .next()
                .unwrap()
                .to_owned();
            calls.push(event);
            if name == last {
                return (calls, frames);
            }
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn names(calls: &[Value]) -> Vec<&str> {
    let texts = calls.iter().map(|call| call["call"].as_str().unwrap());
    texts.map(|text| text.split('(').next().unwrap()).collect()
}

/// What the log calls #3 is not called #4 in the picture.
#[test]
fn the_log_and_the_picture_count_connections_alike() {
    for address in ["tcp:127.0.0.1:0", "tls:127.0.0.1:0,self-signed", "unix:"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let place = match address {
            "unix:" => format!("unix:{}", path.display()),
            other => other.to_owned(),
        };
        let mut served = Served::start(&place);
        let local = served.local();
        for _ in 0..3 {
            // Also those who leave without a word.
            match address {
                "unix:" => drop(UnixStream::connect(&path).unwrap()),
                _ => drop(TcpStream::connect(&local).unwrap()),
            }
            let opened = served.next(&["opened"])["connection"].as_u64().unwrap();
            let accepted = loop {
                let call = served.next(&["call"]);
                if call["call"].as_str().unwrap().starts_with("accept(") {
                    break call["result"].as_str().unwrap().to_owned();
                }
            };
            assert_eq!(accepted, format!("#{opened}"), "{address}");
        }
    }
}

/// A client's first words may be those of any protocol.
#[test]
fn a_server_knows_what_it_speaks_at_any_port() {
    let mut served = Served::of("chat", "tcp:127.0.0.1:0", &[]);
    let mut client = TcpStream::connect(served.local()).unwrap();
    client.write_all(b"WHO\n").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    client.read_to_end(&mut Vec::new()).unwrap();
    let first = served.next(&["message"]);
    assert_eq!(first["side"], "client", "{first}");
    assert_eq!(first["protocol"], "CHAT", "{first}");
}

#[test]
fn a_connection_is_drawn_when_it_has_ended() {
    for ip in ["127.0.0.1", "[::1]"] {
        let mut served = Served::start(&format!("tcp:{ip}:0"));
        let mut client = TcpStream::connect(served.local()).unwrap();
        client.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut answer).unwrap(), 0);
        let (calls, frames) = served.story("close");
        // The first client of a socket sees it made; the number of both is the same.
        let first = ["socket", "bind", "listen"];
        let all = names(&calls);
        let (opened, talk) = all.split_at(3);
        assert_eq!(opened, first);
        assert_eq!(talk, ["accept", "recv", "send", "recv", "close"]);
        let listening = calls[0]["result"].as_str().unwrap();
        for call in &calls[1..4] {
            let text = call["call"].as_str().unwrap();
            assert!(text.contains(&format!("({listening}")), "{text}");
        }
        assert!(
            calls[3]["remark"]
                .as_str()
                .unwrap()
                .contains("stays in LISTEN")
        );
        assert_eq!(calls[5]["moved_bytes"], 5);
        let flow = frames[0]["flow"].clone();
        assert!(calls.iter().all(|call| call["flow"] == flow), "{calls:?}");
        // The handshake and the data stand before the last call.
        assert!(frames.len() >= 5, "{frames:?}");
        let origin = frames[0]["origin"].as_str().unwrap();
        assert!(["captured", "modelled"].contains(&origin), "{origin}");
        assert!(frames.iter().all(|frame| frame["origin"] == origin));
        let port = client.local_addr().unwrap().port().to_string();
        assert!(frames[0]["from"].as_str().unwrap().ends_with(&port));
    }
}

#[test]
fn the_frames_are_written_to_a_file_too() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("served.pcapng").display().to_string();
    let mut served = Served::with("tcp:127.0.0.1:0", &["--trace-write", &file]);
    let mut client = TcpStream::connect(served.local()).unwrap();
    client.write_all(b"hello").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let (_, frames) = served.story("close");
    // The picture stands before the file, so the file is whole when it has its frames.
    let read = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        let output = command
            .args(["trace", "read", &file, "--json"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let events = text.lines().map(|line| serde_json::from_str(line).unwrap());
        events
            .filter(|event: &Value| event["event"] == "frame")
            .map(|frame: Value| frame["origin"].clone())
            .collect::<Vec<Value>>()
    };
    let mut found = read();
    while found.len() < frames.len() {
        std::thread::yield_now();
        found = read();
    }
    let origins: Vec<Value> = frames.iter().map(|frame| frame["origin"].clone()).collect();
    assert_eq!(found[..origins.len()], origins);

    // What exists is never overwritten: the server does not even start.
    let mut again = Command::new(env!("CARGO_BIN_EXE_wharf"));
    again.args([
        "serve",
        "echo",
        "127.0.0.1:0",
        "--trace",
        "--trace-write",
        &file,
    ]);
    let output = again.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("never overwritten"), "{error}");
}

#[test]
fn an_exchange_of_datagrams_is_drawn_for_each_peer() {
    let mut served = Served::start("udp:127.0.0.1:0");
    let local = served.local();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", &local).unwrap();
        client.recv(&mut [0; 5]).unwrap();
        let (calls, _) = served.story("sendto");
        seen.extend(names(&calls).into_iter().map(str::to_owned));
    }
    let exchange = ["recvfrom", "sendto"];
    assert_eq!(seen[..4], [&["socket", "bind"][..], &exchange[..]].concat());
    assert!(seen.ends_with(&exchange.map(str::to_owned)), "{seen:?}");
}

#[test]
fn a_unix_socket_s_calls_are_drawn_and_it_says_why_there_are_no_frames() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let mut served = Served::start(path.to_str().unwrap());
    served.local();
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    drop(client);
    loop {
        let note = served.next(&["note"]);
        if note["text"]
            .as_str()
            .unwrap()
            .contains("no header, no network")
        {
            break;
        }
    }
    let (calls, frames) = served.story("close");
    let all = names(&calls);
    assert!(
        all.ends_with(&["accept", "recv", "send", "recv", "close"]),
        "{all:?}"
    );
    assert!(frames.is_empty());
}
