//! Colour, quiet, and what goes to which stream.

use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::process::Command;

use crate::peer::{ask, converse, rest, unix, until};
use crate::support::{Process, Stream, run, wharf};

use super::stop::bash;

/// Whether the word "error:" of a mistake is coloured, with this environment.
fn coloured(arguments: &[&str], environment: &[(&str, &str)]) -> bool {
    let mut command = wharf(arguments);
    command
        .args(["serve", "ehco"])
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env("TERM", "xterm")
        .envs(environment.iter().copied());
    let ended = run(&mut command, "");
    assert!(ended.stderr.contains("error:"), "{ended:?}");
    ended.stderr.contains("\x1b[")
}

#[test]
fn a_flag_beats_the_environment_and_the_environment_the_default() {
    assert!(!coloured(&[], &[]), "stderr is a pipe");
    assert!(coloured(&["--color", "always"], &[]));
    assert!(coloured(&["--color", "always"], &[("NO_COLOR", "1")]));
    assert!(coloured(&[], &[("CLICOLOR_FORCE", "1")]));
    assert!(!coloured(
        &[],
        &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]
    ));
    assert!(
        coloured(&[], &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "")]),
        "empty is not set"
    );
    assert!(!coloured(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]));
}

/// Runs a shell command on a terminal of its own.
fn on_a_terminal(script: &str, environment: &[(&str, &str)]) -> String {
    let mut command: Command = bash("exec script -qec \"$SCRIPT\" /dev/null </dev/null");
    command
        .env("SCRIPT", script)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .env("TERM", "xterm")
        .envs(environment.iter().copied());
    run(&mut command, "").stdout
}

#[test]
fn a_terminal_has_colour_unless_it_cannot_or_should_not() {
    let mistake = "wharf serve ehco";
    assert!(on_a_terminal(mistake, &[]).contains("\x1b[1;31merror:"));
    assert!(!on_a_terminal(mistake, &[("TERM", "dumb")]).contains('\x1b'));
    assert!(!on_a_terminal(mistake, &[("NO_COLOR", "1")]).contains('\x1b'));
    let help = "wharf serve --no-such-option";
    assert!(on_a_terminal(help, &[]).contains("\x1b["));
    assert!(!on_a_terminal(help, &[("NO_COLOR", "1")]).contains('\x1b'));
}

#[test]
fn a_file_gets_no_colour_though_stderr_is_a_terminal() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("out");
    let script = format!(
        "timeout -s INT 1 wharf serve echo 127.0.0.1:0 > {}",
        file.display()
    );
    on_a_terminal(&script, &[]);
    let written = std::fs::read_to_string(&file).unwrap();
    assert!(written.contains("wharf connect :"), "{written:?}");
    assert!(!written.contains('\x1b'), "{written:?}");
}

#[test]
fn quiet_prints_errors_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let arguments = ["serve", "echo", path.to_str().unwrap(), "--quiet"];
    let mut server = Process::start(&mut wharf(arguments));
    until("it listens", || UnixStream::connect(&path).is_ok());
    let mut peer = unix(path.to_str().unwrap());
    converse(&mut peer, b"x", b"x");
    // Somebody is connected while it stops.
    server.signal("INT");
    assert_eq!(rest(&mut peer), b"");
    let ended = server.end();
    assert_eq!(ended.code(), 0);
    assert_eq!((&*ended.stdout, &*ended.stderr), ("", ""));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let arguments = ["serve", "-q", "echo", path.to_str().unwrap(), &taken];
    server = Process::start(&mut wharf(arguments));
    server.wait_for(|_, line| line.starts_with("error: cannot listen").then_some(()));
}

#[test]
fn a_stdout_that_takes_nothing_is_a_failure() {
    for command in [
        "wharf serve echo 127.0.0.1:0",
        "wharf serve --json echo 127.0.0.1:0",
    ] {
        let ended = run(&mut bash(&format!("{command} >/dev/full")), "");
        assert_eq!(ended.code(), 1, "{command}: {ended:?}");
        let expected = "error: cannot write to stdout: no space left on device";
        assert!(ended.stderr.contains(expected), "{command}: {ended:?}");
    }
}

#[test]
fn the_table_says_who_can_reach_it() {
    for (arguments, expected) in [
        ("127.0.0.1:0", "reachable from this machine only"),
        ("all:0", "open to the network: other machines can reach it"),
        (
            "all:0 127.0.0.1:0",
            "open to the network, except what stands on a loopback address",
        ),
    ] {
        let script = format!("wharf serve echo {arguments} | grep -m1 'Ctrl-C stops'");
        let ended = run(&mut bash(&script), "");
        assert!(ended.stdout.starts_with(expected), "{arguments}: {ended:?}");
    }
}

#[test]
fn events_are_lines_on_stdout_and_the_sum_is_on_stderr() {
    let mut server = Process::start(&mut wharf(["serve", "upper", "127.0.0.1:0"]));
    let port = server.wait_for(|stream, line| {
        let (_, port) = line.rsplit_once("wharf connect :")?;
        (stream == Stream::Out).then(|| port.to_owned())
    });
    assert_eq!(ask(&port, b"abc"), "ABC");
    server.wait_for(|stream, line| {
        (stream == Stream::Out && line.contains("upper #1 closed  peer-closed, in 3 B, out 3 B, "))
            .then_some(())
    });
    server.signal("INT");
    let ended = server.end();
    assert_eq!(ended.code(), 0);
    let last = ended.stdout.lines().last().unwrap();
    assert!(
        last.contains("upper #1 closed  "),
        "a stop says nothing here: {last}"
    );
    assert_eq!(ended.stderr, "stopped: 1 connection, 3 B in, 3 B out\n");
}
