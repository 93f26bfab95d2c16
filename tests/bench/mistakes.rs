//! What cannot be loaded, and what does not go together.

use std::net::TcpListener;

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
    let files = ["-d", "0", "--hdr", &hdr, "--csv", &csv];
    refused(&at, &files, 2, &["the depth is 1 to"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn what_does_not_go_together_is_said_with_a_cure() {
    let (_server, at) = serve("echo", "tcp", &[]);
    refused(&at, &["--fail-if", "loss>1%"], 2, &["is for udp"]);
    refused(&at, &["--fail-if", "speed>1"], 2, &["a limit is a figure"]);
    refused(
        &at,
        &["-e", "any", "-m", "x"],
        2,
        &["needs --frame", "--frame lines"],
    );
    refused(&at, &["-e", "regex=("], 2, &["unclosed group"]);
    refused(&at, &["-n", "0"], 2, &["--requests 0"]);
    refused(&at, &["-s", "0"], 2, &["sizes are from 1 on"]);
    refused(&at, &["-c", "0"], 2, &["connections are 1 to"]);
    refused(&at, &["-m", ""], 2, &["an empty message"]);
    refused(
        &at,
        &["-m", "a\\nb", "--frame", "lines"],
        2,
        &["does not fit --frame lines"],
    );
    refused(
        &at,
        &["-m", "@/nowhere/at/all"],
        2,
        &["cannot read the message"],
    );
    // It has no length, and no end.
    refused(&at, &["-m", "@/dev/zero"], 2, &["longer than 16 MiB"]);
    refused(&at, &["--timeout", "0"], 2, &["no time for a reply"]);
    refused(
        &at,
        &["--pid", "0"],
        2,
        &["cannot read what process 0 uses"],
    );
    for (ignored, sentence) in [
        (&["--bulk", "both", "-s", "10"][..], "--size and --frame"),
        (&["--bulk", "send", "-s", "10"], "--size and --frame"),
        (&["--bulk", "both", "--frame", "u8"], "--size and --frame"),
        (&["--bulk", "both", "-m", "x"], "--message does not apply"),
        (&["--bulk", "both", "-e", "any"], "echo or upper"),
        (&["--bulk", "send", "-d", "3"], "wait for no reply"),
        (&["--bulk", "send", "-e", "echo"], "wait for no reply"),
        (&["--bulk", "receive", "--late", "1s"], "wait for no reply"),
        (&["--idle", "5", "-s", "10"], "holds silent connections"),
        (&["--idle", "5", "--late", "1s"], "holds silent connections"),
        (
            &["--idle", "5", "--ramp-up", "1s"],
            "holds silent connections",
        ),
        (&["--idle", "5", "-e", "upper"], "--idle without --message"),
        (&["--idle", "5", "--warmup", "1s"], "cannot be used with"),
        (&["--churn", "-d", "16"], "--depth does not apply"),
    ] {
        refused(&at, ignored, 2, &[sentence]);
    }
    refused(&at, &["--fail-if", "p99>5"], 2, &["p99>5ms"]);
    refused("seqpacket:/nowhere", &[], 2, &["tcp, tls, udp and unix"]);
    let (_server, at) = serve("echo", "udp", &[]);
    refused(
        &at,
        &["--frame", "u32"],
        2,
        &["a datagram is a message already"],
    );
    refused(&at, &["--churn"], 2, &["no connection to close"]);
    refused(&at, &["--bulk", "both"], 2, &["bulk goes over streams"]);
    refused(
        &at,
        &["-m", "x", "-d", "2"],
        2,
        &["depth of datagrams that carry no number"],
    );
}
