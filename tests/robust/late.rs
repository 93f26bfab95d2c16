//! Late answers: the client has sent its end of stream, the service takes its time.

use std::io::Write;
use std::net::Shutdown;
use std::process::Command;

use crate::peer::{ask, rest, unix};
use crate::stops_well;
use crate::support::{Process, Server, run, wharf};

/// A program that answers when everything was said, and a while after.
fn late(address: &str, seconds: &str) -> Server {
    let script = format!("cat >/dev/null; sleep {seconds}; echo LATE");
    let mut command = wharf([
        "--json", "serve", "exec", address, "--", "sh", "-c", &script,
    ]);
    Server {
        process: Process::start(&mut command),
    }
}

#[test]
fn a_thousand_of_a_thousand_answers_come_after_the_end_of_stream() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s").display().to_string();
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0", &path]);
    let port = server.port();
    assert_eq!(server.local(), path);
    // More than a socket buffer holds on the way back would stall a sender that
    // does not read; this much fits and is still several segments.
    let paragraph = "a line of text, and another after it\n".repeat(500);
    let shouted = paragraph.to_uppercase();
    for _ in 0..1_000 {
        assert_eq!(ask(&port, paragraph.as_bytes()), shouted);
    }
    for _ in 0..1_000 {
        let mut peer = unix(&path);
        peer.write_all(b"short").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut peer), b"SHORT");
    }
    stops_well(server);
}

#[test]
fn a_slow_program_answers_a_hundred_clients_at_once() {
    let mut server = late("tcp:127.0.0.1:0", "0.3");
    let port = server.port();
    let clients: Vec<_> = (0..100)
        .map(|_| {
            let port = port.clone();
            std::thread::spawn(move || ask(&port, b"question"))
        })
        .collect();
    for client in clients {
        assert_eq!(client.join().unwrap(), "LATE\n");
    }
    stops_well(server);
}

#[test]
fn common_clients_hear_the_late_answer() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s").display().to_string();
    let mut tcp = late("tcp:127.0.0.1:0", "0.6");
    let (mut local, mut tls) = (
        late(&path, "0.6"),
        late("tls:127.0.0.1:0,self-signed", "0.6"),
    );
    let port = tcp.port();
    local.local();
    let secure = tls.local();
    let connect = env!("CARGO_BIN_EXE_wharf");
    let commands = [
        format!("nc -N 127.0.0.1 {port}"),
        format!("nc -N -U {path}"),
        format!("socat -t10 - TCP:127.0.0.1:{port}"),
        format!("socat -t10 - UNIX-CONNECT:{path}"),
        format!("{connect} connect 127.0.0.1:{port}"),
        format!("{connect} connect {path}"),
        format!("{connect} connect tls:{secure},insecure"),
    ];
    for command in commands {
        let clients: Vec<_> = (0..20)
            .map(|_| {
                let command = command.clone();
                std::thread::spawn(move || {
                    run(Command::new("sh").args(["-c", &command]), "question\n")
                })
            })
            .collect();
        for client in clients {
            let ended = client.join().unwrap();
            assert_eq!(ended.stdout, "LATE\n", "{command}: {ended:?}");
        }
    }
    for server in [tcp, local, tls] {
        stops_well(server);
    }
}
