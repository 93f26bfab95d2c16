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
        let mut child = Command::new(env!("CARGO_BIN_EXE_wharf"))
            .args(["serve", "echo", address, "--trace", "--json"])
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
        assert_eq!(names(&calls), ["accept", "recv", "send", "recv", "close"]);
        assert!(
            calls[0]["remark"]
                .as_str()
                .unwrap()
                .contains("stays in LISTEN")
        );
        assert_eq!(calls[2]["moved_bytes"], 5);
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
fn an_exchange_of_datagrams_is_drawn_for_each_peer() {
    let mut served = Served::start("udp:127.0.0.1:0");
    let local = served.local();
    for _ in 0..2 {
        let client = UdpSocket::bind("127.0.0.1:0").unwrap();
        client.send_to(b"hello", &local).unwrap();
        client.recv(&mut [0; 5]).unwrap();
        let (calls, _) = served.story("sendto");
        assert_eq!(names(&calls), ["recvfrom", "sendto"]);
    }
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
    assert_eq!(names(&calls), ["accept", "recv", "send", "recv", "close"]);
    assert!(frames.is_empty());
}
