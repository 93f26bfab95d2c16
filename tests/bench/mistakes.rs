//! What cannot be loaded, and what does not go together.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::support::Server;
use crate::{bench, serve};

/// The cause and the cure of a run that never starts.
#[track_caller]
fn refused(at: &str, options: &[&str], code: i32, words: &[&str]) {
    let ended = bench(at, options);
    assert_eq!(ended.code(), code, "{options:?}: {}", ended.stderr);
    assert_eq!(ended.stdout, "");
    for word in words {
        assert!(ended.stderr.contains(word), "{word}: {}", ended.stderr);
    }
}

#[test]
fn nobody_there_is_told_at_once() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let at = format!("127.0.0.1:{port}");
    let cure = format!("wharf serve echo {port}");
    refused(&at, &[], 7, &["nothing listens there", &cure]);
    let ended = bench(&format!("udp:{at}"), &["-n", "5"]);
    assert_eq!(ended.code(), 7, "{}", ended.stderr);
    assert!(
        ended.stderr.contains("connection refused"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_name_that_nobody_has_is_told_with_a_cure() {
    // Names under .invalid are nobody's (RFC 6761).
    let words = ["cannot resolve", "wharf names nobody.invalid"];
    refused("nobody.invalid:7", &[], 6, &words);
}

#[test]
fn another_machine_must_be_meant() {
    // An address of nobody (RFC 5737): nothing is sent to it.
    for at in ["192.0.2.1:9", "udp:192.0.2.1:9", "tls:192.0.2.1:9"] {
        refused(at, &[], 2, &["another machine", "--remote"]);
    }
}

#[test]
fn a_run_that_never_starts_leaves_no_files() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (hdr, csv) = (path("run.hgrm"), path("run.csv"));
    let files = ["--chat", "-s", "1", "--hdr", &hdr, "--csv", &csv];
    refused(&at, &files, 2, &["10 to 60,000 bytes"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// A run that never starts, and the cure of it.
#[track_caller]
fn cured(at: &str, options: &[&str], code: i32, cause: &str, cure: &str) {
    let ended = bench(at, options);
    let told = &ended.stderr;
    assert_eq!(ended.code(), code, "{options:?}: {told}");
    assert_eq!(ended.stdout, "", "{options:?}");
    assert!(told.contains(cause), "{options:?}: {cause}: {told}");
    let mut lines = told.lines().filter_map(|line| line.strip_prefix("  try "));
    let found = lines.next().unwrap_or_default().trim();
    assert!(found.contains(cure), "{options:?}: {cure}: {told}");
    for inner in ["..=", "invalid digit", "the argument", "https://"] {
        assert!(!told.contains(inner), "{options:?}: {told}");
    }
}

/// Options that are separated by a space each.
#[track_caller]
fn all_cured(at: &str, cases: &[(&str, &str, &str)]) {
    for (options, cause, cure) in cases {
        let options: Vec<&str> = options.split(' ').collect();
        cured(at, &options, 2, cause, cure);
    }
}

#[test]
fn values_out_of_their_range_have_a_cure() {
    let at = "tcp:127.0.0.1:9";
    all_cured(
        at,
        &[
            ("--rate 0", "from 1 to 10000000", "--rate 5"),
            ("--rate 0.5", "not a whole number", "--rate 5"),
            ("--rate 1e9", "units are k and M", "--rate 5"),
            ("--rate -5", "begins with a minus", "without the minus"),
            ("--rate 99999999999", "from 1 to 10000000", "--rate 5"),
            ("-c 0", "from 1 to 1048576", "--connections 5"),
            ("-c 99999999999", "from 1 to 1048576", "--connections 5"),
            ("-c 99999999999999999999", "too large", "--connections 5"),
            ("-d 0", "from 1 to 65536", "--depth 5"),
            ("-n 0", "1 or more", "--requests 5"),
            ("--duration 0", "no time at all", "--duration 5s"),
            ("--duration none", "a number with a unit", "--duration 5s"),
            ("--timeout 0", "no time at all", "--timeout 5s"),
            ("--late 0", "say none for no limit", "--late 5s"),
            ("--late 5x", "unknown unit \"x\"", "--late 5s"),
            ("--ramp-up x", "a number with a unit", "--ramp-up 5s"),
            ("-s 0", "sizes are from 1 on", "--size 64"),
            ("-s 10..5", "the smaller one first", "--size 64"),
            ("-s 10G", "at most 16 MiB", "--size 64"),
            ("-s abc", "whole number of bytes", "--size 64"),
            ("--pid x", "it is a whole number", "--pid with the number"),
            ("--pid 99999999999", "from 0 to 4294967295", "--pid with"),
            ("--pid 0", "what process 0 uses", "--pid with the number"),
            ("--rounds 0", "from 1 to 100", "--rounds 5"),
            ("--chat --users 1", "from 2 to 65536", "--users 5"),
            ("--chat -s 10..20", "have one size", "--size 64"),
            ("--chat -d 2000", "at most 1,024", "--depth 1024"),
            ("--idle 0", "from 1 to 1048576", "--idle 5"),
            ("--bulk foo", "known    send, receive", "--bulk send"),
        ],
    );
}

#[test]
fn limits_and_expectations_that_cannot_be_read_have_a_cure() {
    all_cured(
        "udp:127.0.0.1:9",
        &[
            ("--fail-if speed>1", "a limit is a figure", "'p99>5ms'"),
            ("--fail-if p99", "a limit is a figure", "'p99>5ms'"),
            ("--fail-if p101>1ms", "a limit is a figure", "'p99>5ms'"),
            ("--fail-if p50>5", "a time and its unit", "'p50>5ms'"),
            ("--fail-if max>5x", "unknown unit \"x\"", "'max>5ms'"),
            ("--fail-if loss>150%", "from 0 to 100", "'loss>1%'"),
            ("--fail-if loss>x", "from 0 to 100", "'loss>1%'"),
            ("--fail-if rate<x", "a whole number", "'rate<10k'"),
            ("--fail-if bytes<x", "number of bytes", "'bytes<100MiB'"),
            ("--expect foo", "echo, upper, text=TEXT", "--expect echo"),
            ("--expect regex=(", "unclosed group", "'regex=^OK'"),
            ("--expect text=", "needs a text", "text=OK"),
            ("--expect text=\\q", "stands for nothing", "'text=OK\\n'"),
        ],
    );
    let stream = "tcp:127.0.0.1:9";
    all_cured(
        stream,
        &[
            ("--fail-if loss>1%", "is for udp", "'p99>5ms'"),
            ("--bulk send --fail-if rate>1", "is for messages", "bytes<"),
            (
                "--bulk receive --fail-if p99>1s",
                "is for messages",
                "bytes<",
            ),
        ],
    );
}

#[test]
fn messages_that_cannot_be_sent_have_a_cure() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name).display().to_string();
        std::fs::write(&path, text).unwrap();
        (format!("@{path}"), path)
    };
    let (empty, _) = file("empty", "");
    let (line, path) = file("line", "hello\n");
    let (lines, _) = file("lines", "hello\nthere\n");
    cured(&at, &["-m", ""], 2, "an empty message", "--message hello");
    cured(&at, &["-m", &empty], 2, "empty", "--message @FILE");
    let typed = format!("--message \"$(cat {path})\"");
    let framed = |file| ["-m", file, "--frame", "lines"];
    cured(&at, &framed(&line), 2, "the file has a line end", &typed);
    cured(&at, &framed(&lines), 2, "does not fit", "--frame u32");
    all_cured(
        &at,
        &[
            ("-m @/nowhere/at/all", "cannot read the message", "@FILE"),
            ("-m @/tmp", "is a directory", "--message @FILE"),
            // It has no length, and no end.
            ("-m @/dev/zero", "longer than 16 MiB", "--message @FILE"),
            ("-m \\q", "stands for nothing", "--message 'hello\\n'"),
            ("-m a\\nb --frame lines", "does not fit", "--frame u32"),
            ("-m ab --frame fixed=10", "does not fit", "of 10 bytes"),
            ("--frame foo", "unknown framing", "--frame lines"),
            ("--frame netstrings", "did you mean", "--frame netstring"),
            ("--frame fixed=x", "needs a size", "--frame fixed=80"),
            ("--frame fixed=10", "does not fit", "--size 10"),
            ("--frame u8 -s 300", "does not fit", "--size 255"),
            (
                "--frame lines -e text=a\\nb",
                "reply does not fit",
                "--expect",
            ),
            ("-e any -m x", "needs --frame", "--frame lines"),
            ("--chat -s 1", "10 to 60,000 bytes", "--size 64"),
        ],
    );
}

#[test]
fn what_does_not_go_together_is_said_with_a_cure() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let no_use = "does not apply";
    all_cured(
        &at,
        &[
            (
                "--churn --bulk send",
                "cannot be used with",
                "--churn without --bulk",
            ),
            (
                "--bulk both --rate 5",
                "cannot be used with",
                "--bulk without --rate",
            ),
            (
                "--idle 5 --chat",
                "cannot be used with",
                "--idle without --chat",
            ),
            (
                "--idle 5 --warmup 1s",
                "cannot be used with",
                "without --warmup",
            ),
            (
                "--idle 5 --rate 5 --fail-if rate<1",
                "with --rate and --fail-if",
                "--idle without --rate and --fail-if",
            ),
            ("--chat -c 5", "cannot be used with", "--chat without"),
            (
                "-m x -s 5",
                "cannot be used with",
                "--message without --size",
            ),
            ("--rate 5 --rate 6", "more than once", "--rate once"),
            ("--users 5", "missing: --chat", "wharf bench --help"),
            ("--churn -d 16", no_use, "more --connections"),
            ("--bulk both -s 10", "--size and --frame", "--bulk without"),
            ("--bulk send -s 10", "--size and --frame", "--bulk without"),
            (
                "--bulk both --frame u8",
                "--size and --frame",
                "--bulk without",
            ),
            ("--bulk both -m x", no_use, "--bulk both without"),
            ("--bulk send -m x", no_use, "--bulk send without"),
            ("--bulk receive -m x -m y", "takes one", "one --message"),
            ("--bulk both -e any", "echo or upper", "--expect upper"),
            ("--bulk send -d 3", "wait for no reply", "--bulk both"),
            ("--bulk send -e echo", "wait for no reply", "--bulk both"),
            (
                "--bulk receive --late 1s",
                "wait for no reply",
                "--bulk both",
            ),
            ("--bulk receive --ramp-up 1s", no_use, "--ramp-up"),
            ("--idle 5 -s 10", "holds silent", "--idle without"),
            ("--idle 5 --late 1s", "holds silent", "--idle without"),
            ("--idle 5 --ramp-up 1s", "holds silent", "--idle without"),
            ("--idle 5 -e upper", "--idle without --message", "--message"),
            ("--idle 5 -m x -e any --frame lines", "greets", "text=TEXT"),
            ("--hdr x --csv x", "both go to x", "a file for each"),
        ],
    );
    cured(
        "seqpacket:/nowhere",
        &[],
        2,
        "tcp, tls, udp and unix",
        "tcp:",
    );
}

#[test]
fn what_udp_has_none_of_is_said_with_a_cure() {
    let (_server, at) = serve("echo", "udp", &[]);
    all_cured(
        &at,
        &[
            ("--churn", "no connection to close", "without --churn"),
            ("--idle 5", "no connections to hold", "a tcp, tls or unix"),
            (
                "--bulk both",
                "bulk goes over streams",
                "a tcp, tls or unix",
            ),
            ("--chat", "a chat goes over streams", "a tcp, tls or unix"),
            ("--frame u32", "a message already", "without --frame"),
            ("--ramp-up 1s", "not opened one by one", "without --ramp-up"),
            ("-m x -d 2", "carry no number is 1", "more --connections"),
            ("-s 4", "8 to 65,507 bytes", "--size 64"),
        ],
    );
}

#[test]
fn files_and_sockets_that_are_not_there_have_a_cure() {
    let (_server, at) = serve("echo", "tcp", &[]);
    let nowhere = ["--hdr", "/nowhere/at/all"];
    cured(&at, &nowhere, 1, "cannot write", "mkdir -p /nowhere/at");
    let name = format!("unix:@wharf-nobody-{}", std::process::id());
    let cure = format!("wharf serve echo {name}");
    cured(&name, &[], 7, "nothing listens there", &cure);
    cured("unix:/etc/passwd", &[], 7, "is no socket", "a socket");
    let at = "unix:/nowhere/at/all";
    let cure = format!("wharf serve echo {at}");
    cured(at, &[], 7, "no such file or directory", &cure);
}

/// The cure of a run against a server that does this with each connection.
#[track_caller]
fn cured_after(serve: fn(TcpStream), options: &[&str], code: i32, cause: &str, cure: &str) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for client in listener.incoming() {
            serve(client.unwrap());
        }
    });
    let ended = bench(&at, options);
    let told = &ended.stderr;
    assert_eq!(ended.code(), code, "{told}");
    assert!(told.contains(cause), "{cause}: {told}");
    assert!(
        told.contains(&format!("  try      {cure}")),
        "{cure}: {told}"
    );
}

#[test]
fn runs_that_go_wrong_have_a_cure() {
    let answer_once = |mut client: TcpStream| {
        let mut message = [0; 64];
        if client.read_exact(&mut message).is_ok() {
            let _ = client.write_all(&message);
        }
    };
    cured_after(answer_once, &[], 4, "after 1 reply", "--churn");
    let say_nothing = |client: TcpStream| {
        thread::spawn(move || io::copy(&mut &client, &mut io::sink()));
    };
    let soon = ["--timeout", "200ms"];
    cured_after(say_nothing, &soon, 28, "no reply in time", "--timeout");
    let send_back = |mut client: TcpStream| {
        thread::spawn(move || io::copy(&mut client.try_clone().unwrap(), &mut client));
    };
    let bulk = ["--bulk", "send"];
    cured_after(send_back, &bulk, 4, "unexpected bytes", "--bulk both");
}

#[test]
fn the_pin_of_a_certificate_goes_into_the_address() {
    let mut server = Server::start(["echo", "tls:127.0.0.1:0,self-signed"]);
    let at = format!("tls:127.0.0.1:{}", server.port());
    cured(&at, &[], 35, "self-signed", &format!("{at},pin="));
}
