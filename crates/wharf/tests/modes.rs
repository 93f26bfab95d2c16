//! How connections share the machine: one at a time, threads, blocking handlers,
//! a last client, several cores.

mod common;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use common::{Echo, Seen, address, asked, connected, read_to_end, soon, started, to};
use tokio::time::Instant;
use wharf::client::Client;
use wharf::connection::{CloseReason, Connection};
use wharf::limits::{Limits, WhenFull};
use wharf::server::{Mode, ServeOptions, Server};
use wharf::service::{Blocking, BlockingConnection, Context, Service, ServiceError, Timeouts};

fn mode(mode: Mode) -> ServeOptions {
    ServeOptions {
        mode,
        ..ServeOptions::default()
    }
}

#[tokio::test]
async fn one_at_a_time_serves_the_next_when_the_first_left() {
    // Two listeners, v4 and v6: the turn is the service's, whichever was called.
    let server = Server::new().serve_with("echo", address("tcp::0"), Echo, mode(Mode::OneAtATime));
    let (running, recorder) = started(server).await;
    let client = Client::new();
    for bound in running.endpoints() {
        let mut first = soon(client.connect(&to(bound))).await.unwrap();
        asked(&mut first, b"one").await;
        let mut others = tokio::task::JoinSet::new();
        for other in running.endpoints() {
            let mut connection = soon(client.connect(&to(other))).await.unwrap();
            connection.write_all(b"me too").await.unwrap();
            others.spawn(async move {
                let heard = connection.read_chunk().await.unwrap().unwrap();
                connection.close().await.unwrap();
                heard.to_vec()
            });
        }
        asked(&mut first, b"still the only one").await;
        assert_eq!(running.snapshot().connections.len(), 1);
        soon(first.close()).await.unwrap();
        while let Some(heard) = soon(others.join_next()).await {
            assert_eq!(heard.unwrap(), b"me too");
        }
    }
    let count = running.endpoints().len() * (1 + running.endpoints().len());
    let ends = soon(recorder.ends(count)).await;
    // Nobody came before the one before had left.
    let order: Vec<Seen> = recorder
        .all()
        .into_iter()
        .filter(|seen| matches!(seen, Seen::Opened(_) | Seen::Closed(_)))
        .collect();
    assert_eq!(ends.len(), count);
    for pair in order.chunks(2) {
        assert!(matches!(pair, [Seen::Opened(id), Seen::Closed(ended)] if *id == ended.id));
    }
}

/// Says the name of the thread that serves.
struct Where;

impl Service for Where {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        let name = std::thread::current().name().unwrap_or("?").to_owned();
        peer.write_all(name.as_bytes()).await?;
        while peer.read_chunk().await?.is_some() {}
        Ok(())
    }
}

#[tokio::test]
async fn threads_gives_each_connection_its_own() {
    for at in ["tcp:127.0.0.1:0", "tls:127.0.0.1:0,self-signed"] {
        let server = Server::new().serve_with("where", address(at), Where, mode(Mode::Threads));
        let (running, recorder) = started(server).await;
        let mut names = BTreeSet::new();
        let mut clients = Vec::new();
        for _ in 0..5 {
            let mut client = connected(&running).await;
            let name = soon(client.read_chunk()).await.unwrap().unwrap();
            names.insert(String::from_utf8(name.to_vec()).unwrap());
            clients.push(client);
        }
        let expected: BTreeSet<String> = (1..=5).map(|id| format!("where-{id}")).collect();
        assert_eq!(names, expected, "{at}");
        let report = soon(running.drain()).await;
        assert_eq!(report.cut_off, 0);
        for ended in soon(recorder.ends(5)).await {
            assert_eq!(ended.reason, CloseReason::Drained);
        }
    }
}

#[tokio::test]
async fn the_last_client_ends_the_server() {
    for cores in [1, 2] {
        let once = ServeOptions {
            accept_at_most: Some(1),
            ..ServeOptions::default()
        };
        let server = Server::new()
            .serve_with("echo", address("tcp::0"), Echo, once)
            .cores(cores);
        let (running, recorder) = started(server).await;
        // Whichever of the addresses is called: the one client is served.
        let last = running.endpoints().last().unwrap().clone();
        let mut only = soon(Client::new().connect(&to(&last))).await.unwrap();
        asked(&mut only, b"hello").await;
        for bound in running.endpoints() {
            let closed = async {
                loop {
                    match Client::new().connect(&to(bound)).await {
                        // It may still be in a queue that is about to close.
                        Ok(mut late) => assert!(!matches!(late.read_chunk().await, Ok(Some(_)))),
                        Err(_) => return,
                    }
                }
            };
            soon(closed).await;
        }
        asked(&mut only, b"still served").await;
        soon(only.close()).await.unwrap();
        soon(running.ended()).await;
        assert_eq!(soon(recorder.end()).await.reason, CloseReason::PeerClosed);
        assert_eq!(running.snapshot().accepted, 1);
    }
}

/// A server of one service at two addresses of its own.
async fn at_two_addresses(options: ServeOptions) -> (wharf::server::Running, common::Recorder) {
    let at = || address("tcp:127.0.0.1:0");
    let server = Server::new()
        .serve_with("echo", at(), Echo, options.clone())
        .serve_with("echo", at(), Echo, options)
        .serve("other", at(), Echo);
    started(server).await
}

#[tokio::test]
async fn the_last_client_closes_every_address_of_the_service() {
    for called in [0, 1] {
        let (running, _) = at_two_addresses(ServeOptions {
            accept_at_most: Some(1),
            ..ServeOptions::default()
        })
        .await;
        let at = |index: usize| to(&running.endpoints()[index]);
        let mut only = soon(Client::new().connect(&at(called))).await.unwrap();
        asked(&mut only, b"hello").await;
        for index in [0, 1] {
            let closed = async { while Client::new().connect(&at(index)).await.is_ok() {} };
            soon(closed).await;
        }
        asked(&mut only, b"still served").await;
        assert_eq!(running.snapshot().accepted, 1);
        // Another service has its own number.
        let mut other = soon(Client::new().connect(&at(2))).await.unwrap();
        asked(&mut other, b"hello").await;
    }
}

#[tokio::test]
async fn one_at_a_time_holds_over_all_addresses_of_the_service() {
    let (running, recorder) = at_two_addresses(mode(Mode::OneAtATime)).await;
    let at = |index: usize| to(&running.endpoints()[index]);
    let mut first = soon(Client::new().connect(&at(0))).await.unwrap();
    asked(&mut first, b"one").await;
    let mut second = soon(Client::new().connect(&at(1))).await.unwrap();
    second.write_all(b"two").await.unwrap();
    // The other service takes a client that came later, so the second had its chance.
    let mut other = soon(Client::new().connect(&at(2))).await.unwrap();
    asked(&mut other, b"three").await;
    asked(&mut first, b"still the only one").await;
    let names: Vec<u64> = running
        .snapshot()
        .connections
        .iter()
        .map(|c| c.id)
        .collect();
    assert_eq!(names, [1, 2]);
    assert_eq!(running.snapshot().connections[1].service.as_ref(), "other");
    soon(first.close()).await.unwrap();
    assert_eq!(&*soon(second.read_chunk()).await.unwrap().unwrap(), b"two");
    soon(recorder.ends(1)).await;
}

#[tokio::test]
async fn exactly_as_many_clients_are_served_as_were_asked_for() {
    let three = ServeOptions {
        accept_at_most: Some(3),
        ..ServeOptions::default()
    };
    let server = Server::new()
        .serve_with("echo", address("tcp:127.0.0.1:0"), Echo, three)
        .cores(2);
    let (running, _) = started(server).await;
    let mut served = 0;
    while let Ok(mut client) = soon(Client::new().connect(&common::first(&running))).await {
        if client.write_all(b"x").await.is_ok() {
            served += usize::from(matches!(soon(client.read_chunk()).await, Ok(Some(_))));
        }
    }
    assert_eq!((served, running.snapshot().accepted), (3, 3));
    soon(running.ended()).await;
}

#[tokio::test]
async fn a_blocking_handler_reads_and_writes_as_with_std() {
    let upper = Blocking::new(|mut peer: BlockingConnection| {
        let mut text = String::new();
        peer.read_to_string(&mut text)?;
        peer.write_all(text.to_uppercase().as_bytes())
    });
    let server = Server::new().serve("upper", address("tcp:127.0.0.1:0"), upper);
    let (running, recorder) = started(server).await;
    let mut client = connected(&running).await;
    let text = "lower case ".repeat(50_000);
    let sending = async {
        soon(client.write_all(text.as_bytes())).await.unwrap();
        soon(client.finish()).await.unwrap();
        read_to_end(&mut client).await.unwrap()
    };
    assert_eq!(sending.await, text.to_uppercase().into_bytes());
    let ended = soon(recorder.end()).await;
    assert_eq!(ended.reason, CloseReason::PeerClosed);
    assert_eq!(ended.received, text.len() as u64);
    assert_eq!(ended.sent, text.len() as u64);
}

/// A server of one handler that reports what its read gave.
async fn reading(
    timeouts: Timeouts,
    limits: Limits,
) -> (Outcome, wharf::server::Running, common::Recorder) {
    let (report, outcome) = mpsc::channel();
    let report = Mutex::new(report);
    let reports = Arc::new(report);
    let handler = Blocking::new(move |mut peer: BlockingConnection| {
        let read = peer.read(&mut [0; 10]);
        reports
            .lock()
            .unwrap()
            .send(read.as_ref().map(|n| *n).map_err(io::Error::kind))
            .unwrap();
        read.map(drop)
    })
    .timeouts(timeouts);
    let server = Server::new()
        .serve("reads", address("tcp:127.0.0.1:0"), handler)
        .limits(limits);
    let (running, recorder) = started(server).await;
    (outcome, running, recorder)
}

type Outcome = mpsc::Receiver<Result<usize, io::ErrorKind>>;

#[tokio::test]
async fn a_blocking_read_times_out() {
    let timeouts = Timeouts {
        read: Some(Duration::from_millis(50)),
        write: None,
    };
    let (outcome, running, recorder) = reading(timeouts, Limits::default()).await;
    let start = Instant::now();
    let _client = connected(&running).await;
    let ended = soon(recorder.end()).await;
    assert!(start.elapsed() >= Duration::from_millis(50));
    assert_eq!(outcome.recv().unwrap(), Err(io::ErrorKind::TimedOut));
    assert_eq!(ended.reason, CloseReason::Idle);
}

/// A handler must be able to tell a connection that was cut off from one whose
/// peer had said everything.
#[tokio::test]
async fn a_blocking_handler_that_is_cut_off_reads_an_error() {
    let limits = Limits {
        idle_timeout: Some(Duration::from_millis(50)),
        ..Limits::default()
    };
    let (outcome, running, recorder) = reading(Timeouts::default(), limits).await;
    let _client = connected(&running).await;
    assert_eq!(soon(recorder.end()).await.reason, CloseReason::Idle);
    let read = outcome.recv_timeout(common::SOON).unwrap();
    assert_eq!(read, Err(io::ErrorKind::ConnectionAborted));
}

/// A handler that does not look at its connection outlives it; the next ones get no
/// thread, and no place is lost.
#[tokio::test]
async fn threads_of_blocking_handlers_are_limited_although_their_connections_are_gone() {
    let (release, released) = mpsc::channel::<()>();
    let (begun, beginnings) = mpsc::channel();
    let released = Arc::new(Mutex::new(released));
    let handler = Blocking::new(move |mut peer: BlockingConnection| {
        begun.send(()).unwrap();
        let _ = released.lock().unwrap().recv();
        peer.write_all(b"at last")
    })
    .max_threads(1);
    let server = Server::new()
        .serve("slow", address("tcp:127.0.0.1:0"), handler)
        .limits(Limits {
            idle_timeout: Some(Duration::from_millis(50)),
            ..Limits::default()
        });
    let (running, recorder) = started(server).await;
    let _idle: Vec<_> = [connected(&running).await, connected(&running).await].into();
    for ended in soon(recorder.ends(2)).await {
        assert_eq!(ended.reason, CloseReason::Idle);
    }
    assert_eq!(beginnings.try_iter().count(), 1);
    release.send(()).unwrap();
    release.send(()).unwrap();
    let mut client = connected(&running).await;
    assert_eq!(read_to_end(&mut client).await.unwrap(), b"at last");
}

#[tokio::test]
async fn a_blocking_handler_outlives_its_server_in_peace() {
    let timeouts = Timeouts {
        read: Some(Duration::from_secs(60)),
        write: None,
    };
    let (outcome, running, recorder) = reading(timeouts, Limits::default()).await;
    let _client = connected(&running).await;
    soon(recorder.until(|seen| seen.contains(&Seen::Opened(1)))).await;
    drop(running);
    let cut = tokio::task::spawn_blocking(move || outcome.recv_timeout(common::SOON));
    assert_eq!(
        cut.await.unwrap().unwrap(),
        Err(io::ErrorKind::ConnectionAborted)
    );
}

#[tokio::test]
async fn a_blocking_handler_that_panics_is_a_service_that_panicked() {
    let handler = Blocking::new(|mut peer: BlockingConnection| {
        let mut one = [0];
        peer.read_exact(&mut one)?;
        assert_ne!(one[0], b'!', "the handler does not like this byte");
        peer.write_all(b"fine")
    });
    let server = Server::new().serve("picky", address("tcp:127.0.0.1:0"), handler);
    let (running, recorder) = started(server).await;
    let mut bad = connected(&running).await;
    bad.write_all(b"!").await.unwrap();
    assert_eq!(read_to_end(&mut bad).await.unwrap(), b"");
    let ended = soon(recorder.end()).await;
    assert_eq!(ended.reason, CloseReason::ServicePanicked);
    assert!(ended.detail.unwrap().contains("does not like"));
    let mut good = connected(&running).await;
    good.write_all(b".").await.unwrap();
    assert_eq!(read_to_end(&mut good).await.unwrap(), b"fine");
}

/// Tells on which thread it serves, for every chunk.
#[tokio::test(flavor = "current_thread")]
async fn all_cores_serve_under_one_cap() {
    let server = Server::new()
        .serve("where", address("tcp:127.0.0.1:0"), Where)
        .cores(2)
        .limits(Limits {
            max_connections: 64,
            when_full: WhenFull::Refuse,
            refusal: b"full".to_vec(),
            ..Limits::default()
        });
    let (running, recorder) = started(server).await;
    let mut names = BTreeSet::new();
    let mut clients = Vec::new();
    for _ in 0..64 {
        let mut client = connected(&running).await;
        let name = soon(client.read_chunk()).await.unwrap().unwrap();
        names.insert(String::from_utf8(name.to_vec()).unwrap());
        clients.push(client);
    }
    // The kernel spreads 64 clients by hash: all on one core has odds of 2^-63.
    assert_eq!(names.len(), 2, "{names:?}");
    for _ in 0..8 {
        let mut refused = connected(&running).await;
        assert_eq!(read_to_end(&mut refused).await.unwrap(), b"full");
    }
    let snapshot = running.snapshot();
    assert_eq!(snapshot.connections.len(), 64);
    assert_eq!(snapshot.ended(CloseReason::RefusedFull), 8);
    let report = soon(running.drain()).await;
    assert_eq!((report.open, report.cut_off), (64, 0));
    for ended in soon(recorder.ends(64)).await {
        assert_eq!(ended.reason, CloseReason::Drained);
    }
    assert!(
        Client::new()
            .connect(&common::first(&running))
            .await
            .is_err()
    );
}

/// A drain must reach connections in every state on every core.
#[tokio::test]
async fn a_drain_misses_nobody_on_any_core() {
    for round in 0..8 {
        let server = Server::new()
            .serve("echo", address("tcp:127.0.0.1:0"), Echo)
            .cores(2);
        let (running, recorder) = started(server).await;
        let mut clients = Vec::new();
        for _ in 0..16 {
            clients.push(connected(&running).await);
        }
        let start = Instant::now();
        let report = soon(running.drain()).await;
        assert_eq!(report.cut_off, 0, "round {round}");
        assert!(start.elapsed() < Duration::from_secs(2), "round {round}");
        assert_eq!(soon(recorder.ends(16)).await.len(), 16);
    }
}

#[tokio::test]
async fn the_cores_share_a_unix_listener() {
    let directory = tempfile::tempdir().unwrap();
    for scheme in ["unix", "seqpacket"] {
        let path = directory.path().join(scheme);
        let server = Server::new()
            .serve(
                "where",
                address(&format!("{scheme}:{}", path.display())),
                Where,
            )
            .cores(2);
        let (running, _) = started(server).await;
        assert_eq!(running.endpoints().len(), 1);
        let mut clients = Vec::new();
        for _ in 0..32 {
            let mut client = connected(&running).await;
            assert!(soon(client.read_chunk()).await.unwrap().is_some());
            clients.push(client);
        }
        let report = soon(running.drain()).await;
        assert_eq!((report.open, report.cut_off), (32, 0));
        drop(running);
        assert!(!path.exists(), "the socket's file is removed");
    }
}

#[tokio::test]
async fn the_port_belongs_to_one_server_although_its_cores_share_it() {
    let server = Server::new()
        .serve("echo", address("tcp::0"), Echo)
        .cores(2);
    let (running, _) = started(server).await;
    let port = running.endpoints()[0].local.port().unwrap();
    for cores in [1, 2] {
        let second = Server::new()
            .serve("echo", address(&format!("tcp::{port}")), Echo)
            .cores(cores);
        let error = second.start().await.unwrap_err();
        assert!(error.to_string().contains("already in use"), "{error}");
    }
    let foreign = std::net::TcpListener::bind(("127.0.0.1", port));
    assert_eq!(foreign.unwrap_err().kind(), io::ErrorKind::AddrInUse);
    soon(running.drain()).await;
    let next = Server::new()
        .serve("echo", address(&format!("tcp::{port}")), Echo)
        .cores(2);
    soon(next.start()).await.unwrap();
}
