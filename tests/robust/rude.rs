//! Clients without manners.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::peer::{ask, converse, rest, tcp, until};
use crate::support::{Process, Server, wharf};
use crate::{descriptors_of, memory, stops_well};

/// How much more memory than before a server may keep, in KiB: its buffers and
/// what the allocator holds, far below one allocation per client.
const GROWTH: u64 = 8 * 1024;

/// Closes a connection with a reset instead of an end of stream (socket(7), SO_LINGER).
fn reset(stream: TcpStream) {
    SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

#[test]
fn a_client_that_never_reads_costs_little_and_is_closed() {
    let mut server = Server::start(["chargen", "tcp:127.0.0.1:0", "--write-timeout", "500ms"]);
    let port = server.port();
    let pid = server.process.pid();
    let before = memory(pid);
    let deaf: Vec<TcpStream> = (0..20).map(|_| tcp(&port)).collect();
    let mut reader = tcp(&port);
    for _ in 0..deaf.len() {
        // Somebody who reads is served all the while.
        reader.read_exact(&mut vec![0; 100_000]).unwrap();
    }
    for _ in 0..deaf.len() {
        assert_eq!(server.closed(), "slow-reader");
    }
    reader.read_exact(&mut vec![0; 100_000]).unwrap();
    let after = memory(pid);
    assert!(
        after < before + GROWTH,
        "{before} KiB before, {after} after"
    );
    drop((reader, deaf));
    stops_well(server);
}

#[test]
fn an_echo_client_that_writes_and_never_reads_is_closed() {
    let mut server = Server::start(["echo", "tcp:127.0.0.1:0", "--write-timeout", "500ms"]);
    let mut deaf = tcp(&server.port());
    deaf.set_write_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    let began = Instant::now();
    let broken = loop {
        match deaf.write(&[b'x'; 65_536]) {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => break error,
        }
        assert!(began.elapsed() < crate::support::DEADLINE);
    };
    assert!(
        matches!(
            broken.kind(),
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
        ),
        "{broken}"
    );
    assert_eq!(server.closed(), "slow-reader");
    stops_well(server);
}

#[test]
fn one_byte_at_a_time_is_a_message_all_the_same() {
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0", "--frame", "u32"]);
    let mut slow = tcp(&server.port());
    slow.set_nodelay(true).unwrap();
    for byte in b"\0\0\0\x05hello" {
        slow.write_all(&[*byte]).unwrap();
    }
    converse(&mut slow, b"", b"\0\0\0\x05HELLO");
    drop(slow);
    let messages = server
        .process
        .wait_for_event("closed", |event| event["messages"].as_u64());
    assert_eq!(messages, 1);
    stops_well(server);
}

#[test]
fn resets_leave_nothing_behind() {
    let mut server = Server::start(["echo", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let pid = server.process.pid();
    let mut other = tcp(&port);
    converse(&mut other, b"before", b"before");
    let open = descriptors_of(pid);
    for _ in 0..200 {
        let mut rude = tcp(&port);
        converse(&mut rude, b"hello", b"hello");
        reset(rude);
        assert_eq!(server.closed(), "peer-reset");
    }
    converse(&mut other, b"after", b"after");
    assert_eq!(descriptors_of(pid), open);
    drop(other);
    stops_well(server);
}

#[test]
fn a_thousand_clients_that_come_and_go_leave_nothing_behind() {
    let mut server = Server::start(["echo", "tcp:127.0.0.1:0"]);
    let port = server.port();
    let pid = server.process.pid();
    assert_eq!(ask(&port, b"warm"), "warm");
    server.closed();
    let (open, before) = (descriptors_of(pid), memory(pid));
    for number in 0..1_000 {
        let stream = tcp(&port);
        if number % 2 == 0 {
            reset(stream);
        }
    }
    assert_eq!(ask(&port, b"alive"), "alive");
    until("all descriptors are closed", || descriptors_of(pid) == open);
    let after = memory(pid);
    assert!(
        after < before + GROWTH,
        "{before} KiB before, {after} after"
    );
    stops_well(server);
}

#[test]
fn a_megabyte_without_a_newline_is_refused_and_not_kept() {
    let mut server = Server::start(["echo", "tcp:127.0.0.1:0", "--frame", "lines"]);
    let port = server.port();
    let pid = server.process.pid();
    assert_eq!(ask(&port, b"warm\n"), "warm\n");
    server.closed();
    let before = memory(pid);
    let mut endless = tcp(&port);
    for _ in 0..16 {
        // The server may close before all of it is written.
        if endless.write_all(&[b'x'; 65_536]).is_err() {
            break;
        }
    }
    assert_eq!(rest(&mut endless), b"");
    assert_eq!(server.closed(), "message-too-long");
    let after = memory(pid);
    assert!(after < before + 1_024, "{before} KiB before, {after} after");
    assert_eq!(ask(&port, b"alive\n"), "alive\n");
    stops_well(server);
}

#[test]
fn a_stdout_that_nobody_reads_holds_up_no_client() {
    let mut child = wharf(["--json", "serve", "echo", "tcp:127.0.0.1:0"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let mut first = Vec::new();
    while !first.ends_with(b"\n") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        first.push(byte[0]);
    }
    let listening: serde_json::Value = serde_json::from_slice(&first).unwrap();
    let port = listening["local"]
        .as_str()
        .unwrap()
        .rsplit_once(':')
        .unwrap()
        .1
        .to_owned();
    // Two events each: more than the pipe, the buffer and the queue hold together.
    for _ in 0..9_500 {
        let mut peer = tcp(&port);
        converse(&mut peer, b"x", b"x");
        reset(peer);
    }
    // Somebody reads again, and learns what was left out.
    let pid = child.id();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        text
    });
    assert_eq!(ask(&port, b"alive"), "alive");
    let killed = std::process::Command::new("kill")
        .args(["-s", "INT", &pid.to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
    let text = reading.join().unwrap();
    assert!(child.wait().unwrap().success());
    let (mut lost, mut told) = (0, 0);
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        match event["event"].as_str().unwrap() {
            "lost" => lost += event["events"].as_u64().unwrap(),
            // Of the machine, not of the clients.
            "note" => {}
            _ => told += 1,
        }
    }
    assert!(lost > 0);
    // Opened and closed for each client, draining and stopped at the end.
    assert_eq!(lost + told, 2 * 9_501 + 2);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "stopped", "the sum is never left out");
}

#[test]
fn a_slow_client_does_not_hold_up_the_others_of_a_program() {
    let mut command = wharf(["--json", "serve", "exec", "tcp:127.0.0.1:0", "--", "cat"]);
    let mut server = Server {
        process: Process::start(&mut command),
    };
    let port = server.port();
    let mut silent = tcp(&port);
    silent.write_all(b"x").unwrap();
    for _ in 0..20 {
        assert_eq!(ask(&port, b"quick"), "quick");
    }
    converse(&mut silent, b"", b"x");
    drop(silent);
    stops_well(server);
}
