//! How a server ends: asked, asked twice, unread, or done.

use std::io::Read;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::namespace::alone;
use crate::peer::{ask, converse, rest, tcp, unix};
use crate::support::{Server, run, wharf};

/// Far below the ten seconds that a drain may take.
const AT_ONCE: Duration = Duration::from_secs(5);

#[test]
fn ctrl_c_and_sigterm_close_idle_connections_at_once() {
    for signal in ["INT", "TERM"] {
        let mut server = Server::start(["echo", "tcp:127.0.0.1:0"]);
        let mut idle = tcp(&server.port());
        converse(&mut idle, b"hello", b"hello");
        let asked = Instant::now();
        server.process.signal(signal);
        assert_eq!(rest(&mut idle), b"");
        assert_eq!(server.closed(), "drained");
        let ended = server.process.end();
        assert_eq!(ended.code(), 0, "{ended:?}");
        assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    }
}

#[test]
fn a_second_signal_cuts_off_a_busy_connection() {
    for signal in ["INT", "TERM"] {
        let mut command = wharf(["--json", "serve", "exec", "tcp:127.0.0.1:0"]);
        command.args(["--drain-timeout", "60s", "--"]);
        command.args(["sh", "-c", "while :; do echo busy; sleep 0.005; done"]);
        let mut server = Server {
            process: crate::support::Process::start(&mut command),
        };
        let mut busy = tcp(&server.port());
        busy.read_exact(&mut [0; 5]).unwrap();
        server.process.signal(signal);
        let open = server
            .process
            .wait_for_event("draining", |event| event["open"].as_u64());
        assert_eq!(open, 1);
        // It may go on: many times longer than an idle connection is left open.
        busy.read_exact(&mut [0; 5 * 100]).unwrap();
        let asked = Instant::now();
        server.process.signal(signal);
        rest(&mut busy);
        assert_eq!(server.closed(), "cut-off");
        assert_eq!(server.process.end().code(), 0);
        assert!(asked.elapsed() < AT_ONCE, "{:?}", asked.elapsed());
    }
}

#[test]
fn the_drain_timeout_cuts_off_a_busy_connection() {
    let mut command = wharf(["--json", "serve", "exec", "tcp:127.0.0.1:0"]);
    command.args(["--drain-timeout", "200ms", "--"]);
    command.args(["sh", "-c", "while :; do echo busy; sleep 0.005; done"]);
    let mut server = Server {
        process: crate::support::Process::start(&mut command),
    };
    let mut busy = tcp(&server.port());
    busy.read_exact(&mut [0; 5]).unwrap();
    server.process.signal("INT");
    rest(&mut busy);
    assert_eq!(server.closed(), "cut-off");
    assert_eq!(server.process.end().code(), 0);
}

#[test]
fn a_reader_that_goes_away_ends_the_server_quietly() {
    for command in [
        "wharf serve echo 127.0.0.1:0",
        "wharf serve --json echo 127.0.0.1:0 udp:127.0.0.1:0",
        "wharf serve --help",
    ] {
        let script = format!("{command} | head -1; exit ${{PIPESTATUS[0]}}");
        let ended = run(&mut bash(&script), "");
        assert_eq!(ended.code(), 0, "{command}: {ended:?}");
        assert_eq!(ended.stdout.lines().count(), 1, "{command}: {ended:?}");
        let complaints: Vec<&str> = ended
            .stderr
            .lines()
            .filter(|line| !line.starts_with("stopped: "))
            .collect();
        assert!(complaints.is_empty(), "{command}: {ended:?}");
    }
}

#[test]
fn once_ends_after_one_client() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s").display().to_string();
    for address in ["tcp:127.0.0.1:0", &path] {
        let mut server = Server::start(["upper", address, "--once"]);
        let local = server.local();
        if address == path {
            let mut peer = unix(&local);
            converse(&mut peer, b"one", b"ONE");
        } else {
            let port = local.rsplit_once(':').unwrap().1;
            assert_eq!(ask(port, b"one"), "ONE");
        }
        assert_eq!(server.closed(), "peer-closed");
        let ended = server.process.end();
        assert_eq!(ended.code(), 0, "{address}: {ended:?}");
    }
}

#[test]
fn once_leaves_the_standard_datagrams_out() {
    alone("stop::once_leaves_the_standard_datagrams_out", || {
        let mut server = Server::start(["upper", "--once"]);
        let transports: Vec<String> = (0..2)
            .map(|_| {
                server.process.wait_for_event("listening", |event| {
                    event["transport"].as_str().map(str::to_owned)
                })
            })
            .collect();
        assert_eq!(transports, ["tcp", "tcp"]);
        let note = server
            .process
            .wait_for_event("note", |event| event["text"].as_str().map(str::to_owned));
        assert_eq!(
            note,
            "--once counts connections, so udp::12000, udp::11111 is left out"
        );
        assert_eq!(ask("12000", b"one"), "ONE");
        assert_eq!(server.process.end().code(), 0);
    });
}

/// bash, with this `wharf` on its path.
pub(crate) fn bash(script: &str) -> Command {
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_wharf"));
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.args(["-c", script]).env(
        "PATH",
        format!("{}:{path}", binary.parent().unwrap().display()),
    );
    command
}
