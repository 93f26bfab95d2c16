//! Descriptors run out for real: the limit of the shell, and more clients than it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::peer::{converse, tcp, until};
use crate::support::{Process, Server, Stream};
use crate::{cpu_time, descriptors_of, stops_well};

/// The limit, and how many come.
const LIMIT: usize = 64;
const CLIENTS: usize = 200;

fn limited(arguments: &str) -> Server {
    let wharf = env!("CARGO_BIN_EXE_wharf");
    Server {
        process: Process::start(Command::new("bash").args([
            "-c",
            &format!("ulimit -n {LIMIT}; exec {wharf} serve --json {arguments}"),
        ])),
    }
}

/// How many of the clients hear their echo already.
fn served(clients: &mut [TcpStream]) -> usize {
    let mut served = 0;
    for client in clients {
        client
            .set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        served += usize::from(client.read(&mut [0; 1]).is_ok_and(|length| length == 1));
        client
            .set_read_timeout(Some(crate::support::DEADLINE))
            .unwrap();
    }
    served
}

#[test]
fn without_descriptors_the_clients_inside_are_served_and_the_others_wait() {
    let mut server = limited("echo tcp:127.0.0.1:0");
    let pid = server.process.pid();
    let port = server.port();
    let note = server
        .process
        .wait_for_event("note", |event| event["text"].as_str().map(str::to_owned));
    assert!(note.contains("64 descriptors are allowed"), "{note}");

    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| tcp(&port)).collect();
    for client in &mut clients {
        client.write_all(b"1").unwrap();
    }
    let error = server.process.wait_for_event("accept-failing", |event| {
        event["error"].as_str().map(str::to_owned)
    });
    assert_eq!(error, "too many open files");
    assert!(descriptors_of(pid) >= LIMIT - 1);

    // Nobody is accepted meanwhile; those inside go on, and nothing spins.
    let before = cpu_time(pid);
    let began = Instant::now();
    let mut inside = 0;
    until("the first clients hear their echo", || {
        inside += served(&mut clients[inside..LIMIT]);
        inside >= LIMIT / 2
    });
    while began.elapsed() < Duration::from_secs(3) {
        converse(&mut clients[0], b"still here", b"still here");
        std::thread::sleep(Duration::from_millis(50));
    }
    let (used, lasted) = (cpu_time(pid) - before, began.elapsed());
    assert!(
        used < lasted / 10,
        "{used:?} of processor time in {lasted:?}"
    );

    // Half of those inside leave; whoever waits at the door is let in.
    let left = Instant::now();
    clients.drain(..LIMIT / 2);
    let first_waiting = LIMIT - LIMIT / 2;
    converse(&mut clients[first_waiting], b"", b"1");
    let waited = left.elapsed();
    assert!(
        waited < Duration::from_millis(2_500),
        "{waited:?} until a waiting client was served"
    );
    while clients.len() > 10 {
        clients.remove(0);
    }
    for client in &mut clients {
        converse(client, b"", b"1");
    }
    let failures = server.process.wait_for(|stream, line| {
        assert_eq!(stream, Stream::Out, "{line}");
        let event: Value = serde_json::from_str(line).unwrap();
        (event["event"] == "accept-recovered").then(|| event["failures"].as_u64().unwrap())
    });
    assert!(failures > 0);
    drop(clients);
    let ended = server.stop();
    assert_eq!(ended.code(), 0, "{ended:?}");
    // Each later failure followed a place that was free for a moment: a change of
    // state, not a line for each try.
    let failing = ended.stdout.matches("accept-failing").count();
    let recovered = ended.stdout.matches("accept-recovered").count();
    assert!(failing.abs_diff(recovered) <= 1, "{failing} {recovered}");
    assert!(failing <= LIMIT, "{failing} times");
}

#[test]
fn a_cap_below_the_limit_keeps_descriptors_from_running_out() {
    let mut server = limited("echo tcp:127.0.0.1:0 --max-connections 20");
    let port = server.port();
    let mut clients: Vec<TcpStream> = (0..CLIENTS).map(|_| tcp(&port)).collect();
    for client in &mut clients {
        client.write_all(b"1").unwrap();
    }
    let cap = server
        .process
        .wait_for_event("full", |event| event["cap"].as_u64());
    assert_eq!(cap, 20);
    converse(&mut clients[0], b"", b"1");
    assert!(descriptors_of(server.process.pid()) < LIMIT);
    // Each that leaves makes a place for the next one at the door.
    while clients.len() > 1 {
        clients.remove(0);
        converse(&mut clients[0], b"", b"1");
    }
    drop(clients);
    stops_well(server);
}
