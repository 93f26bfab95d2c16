//! How connections share the machine.

use std::io::Write;

use crate::peer::{converse, hears_nothing, tcp, until};
use crate::support::Server;

#[test]
fn one_at_a_time_the_next_client_waits() {
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0", "--mode", "one-at-a-time"]);
    let port = server.port();
    let mut first = tcp(&port);
    converse(&mut first, b"first", b"FIRST");
    let mut second = tcp(&port);
    second.write_all(b"second").unwrap();
    hears_nothing(&mut second);
    drop(first);
    converse(&mut second, b"", b"SECOND");
}

#[test]
fn with_threads_each_connection_has_one() {
    let mut server = Server::start(["upper", "tcp:127.0.0.1:0", "--mode", "threads"]);
    let port = server.port();
    let tasks = format!("/proc/{}/task", server.process.pid());
    let threads = || std::fs::read_dir(&tasks).unwrap().count();
    let before = threads();
    let mut peers: Vec<_> = (0..5).map(|_| tcp(&port)).collect();
    for peer in &mut peers {
        converse(peer, b"abc", b"ABC");
    }
    // One that was ready before serves the first of them; the next one that is ready may
    // still be on its way.
    until("each connection has a thread", || threads() >= before + 5);
    drop(peers);
    // One may be ready for the next client that was not when they were first counted.
    until("the threads end with their connections", || {
        threads() <= before + 1
    });
}
