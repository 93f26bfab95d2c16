//! A program for each connection.

use std::io::{BufRead, BufReader, Write};
use std::net::Shutdown;
use std::path::Path;

use crate::peer::{ask, rest, tcp, unix, until};
use crate::support::{Process, Server, run, wharf};

fn serve(address: &str, program: &[&str]) -> Server {
    let mut command = wharf(["--json", "serve", "exec", address, "--"]);
    command.args(program);
    Server {
        process: Process::start(&mut command),
    }
}

#[test]
fn arguments_arrive_as_they_were_typed() {
    let mut server = serve(
        "tcp:127.0.0.1:0",
        &["printf", "%s|", "a b", "--json", "*", ""],
    );
    assert_eq!(ask(&server.port(), b""), "a b|--json|*||");
}

#[test]
fn the_environment_names_both_ends() {
    let script = "echo $PROTO $TCPREMOTEIP:$TCPREMOTEPORT $TCPLOCALIP:$TCPLOCALPORT; \
                  echo $WHARF_PEER $WHARF_LOCAL";
    let mut server = serve("tcp:127.0.0.1:0", &["sh", "-c", script]);
    let port = server.port();
    let mut peer = tcp(&port);
    let me = peer.local_addr().unwrap();
    let heard = String::from_utf8(rest(&mut peer)).unwrap();
    assert_eq!(
        heard,
        format!("TCP {me} 127.0.0.1:{port}\n{me} 127.0.0.1:{port}\n")
    );
}

#[test]
fn the_end_of_the_clients_stream_reaches_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s").display().to_string();
    let mut server = serve("tcp:127.0.0.1:0", &["sort"]);
    assert_eq!(
        ask(&server.port(), b"pear\nfig\napple\n"),
        "apple\nfig\npear\n"
    );
    let mut server = serve(&path, &["sort"]);
    let mut peer = unix(&server.local());
    peer.write_all(b"b\na\n").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut peer), b"a\nb\n");
}

#[test]
fn a_late_answer_arrives() {
    let script = "cat >/dev/null; sleep 0.3; echo LATE";
    let mut server = serve("tcp:127.0.0.1:0", &["sh", "-c", script]);
    assert_eq!(ask(&server.port(), b"question"), "LATE\n");
    assert_eq!(server.closed(), "peer-closed");
}

#[test]
fn the_program_and_its_children_are_killed_with_the_client() {
    let script = "sleep 1000 & echo $$ $!; wait";
    let mut server = serve("tcp:127.0.0.1:0", &["sh", "-c", script]);
    let peer = tcp(&server.port());
    // A reset: with an end of stream alone the program might still have to answer.
    socket2::SockRef::from(&peer)
        .set_linger(Some(std::time::Duration::ZERO))
        .unwrap();
    let mut line = String::new();
    BufReader::new(&peer).read_line(&mut line).unwrap();
    let processes: Vec<String> = line
        .split_whitespace()
        .map(|pid| format!("/proc/{pid}"))
        .collect();
    assert_eq!(processes.len(), 2, "{line}");
    assert!(processes.iter().all(|process| Path::new(process).exists()));
    drop(peer);
    assert_eq!(server.closed(), "peer-reset");
    until("the program is gone", || {
        processes.iter().all(|process| is_gone(process))
    });
}

/// Whether a process has ended; one that nobody has waited for yet has, too.
fn is_gone(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("{process}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

#[test]
fn a_program_that_cannot_be_started_is_said_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let plain = plain.display().to_string();
    for (program, cause, cure) in [
        (
            "/nosuch",
            "/nosuch: no such file or directory",
            "path of a program",
        ),
        (
            "no-such-program",
            "no directory of PATH has it",
            "whole path",
        ),
        (&plain, "is no program", "chmod +x "),
    ] {
        let ended = run(&mut wharf(["serve", "exec", "0", "--", program]), "");
        assert_eq!(ended.code(), 2, "{ended:?}");
        assert_eq!(ended.stdout, "");
        let (first, rest) = ended.stderr.split_once('\n').unwrap();
        assert!(first.starts_with("error: exec cannot start "), "{ended:?}");
        assert!(first.contains(cause), "{ended:?}");
        assert!(
            rest.starts_with("  try      ") && rest.contains(cure),
            "{ended:?}"
        );
    }
}

#[test]
fn a_program_that_is_gone_fails_its_connection_only() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    std::fs::copy("/bin/cat", &program).unwrap();
    let mut server = serve("tcp:127.0.0.1:0", &[program.to_str().unwrap()]);
    let port = server.port();
    assert_eq!(ask(&port, b"still there"), "still there");
    assert_eq!(server.closed(), "peer-closed");
    std::fs::remove_file(&program).unwrap();
    for _ in 0..2 {
        assert_eq!(ask(&port, b""), "");
        let (reason, detail) = server.process.wait_for_event("closed", |event| {
            Some((event["reason"].clone(), event["detail"].to_string()))
        });
        assert_eq!(reason, "service-failed");
        assert!(detail.contains("program: "), "{detail}");
        assert!(!detail.contains("os error"), "{detail}");
    }
}
