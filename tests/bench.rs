//! `wharf bench` against servers that answer rightly, and with planted faults.

mod support;

#[path = "bench/faults.rs"]
mod faults;
#[path = "bench/measures.rs"]
mod measures;
#[path = "bench/mistakes.rs"]
mod mistakes;
#[path = "bench/others.rs"]
mod others;
#[path = "support/screen.rs"]
#[allow(dead_code, reason = "other tests need more of it")]
mod screen;

use serde_json::Value;

use support::{Ended, Server, run, wharf};

/// `wharf bench ADDRESS OPTIONS`, without a warm-up, and no longer than a test may take.
fn bench(address: &str, options: &[&str]) -> Ended {
    let mut command = wharf(["bench", address]);
    if !options.contains(&"--idle") && !options.contains(&"--warmup") {
        command.args(["--warmup", "0"]);
    }
    if !options.contains(&"--duration") {
        command.args(["--duration", "20s"]);
    }
    run(command.args(options), "")
}

/// The same with JSON: the one event of this name, of a run that went well.
#[track_caller]
fn event(name: &str, address: &str, options: &[&str]) -> Value {
    let ended = bench(address, &[options, patience(options), &["--json"]].concat());
    assert_eq!((ended.code(), &*ended.stderr), (0, ""), "{}", ended.stdout);
    find(name, &ended)
}

/// On a machine that runs other tests as well, replies may take their time.
fn patience<'a>(options: &[&str]) -> &'a [&'a str] {
    let says_more = |option: &&str| ["send", "receive", "--idle", "--late"].contains(option);
    match options.iter().any(says_more) {
        true => &[],
        false => &["--late", "none"],
    }
}

/// The one event of a name.
#[track_caller]
fn find(name: &str, ended: &Ended) -> Value {
    let mut events = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|event| event["event"] == name);
    let found = events.next().expect(name);
    assert!(events.next().is_none(), "{}", ended.stdout);
    found
}

/// A server of this service, and the address of its port.
fn serve(service: &str, scheme: &str, options: &[&str]) -> (Server, String) {
    let address = format!("{scheme}:127.0.0.1:0");
    let mut server = Server::start([&[service, &address], options].concat());
    let port = server.port();
    (server, format!("{scheme}:127.0.0.1:{port}"))
}
