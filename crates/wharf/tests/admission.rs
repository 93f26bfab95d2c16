//! Who may come in: caps, refusals, and what happens when accept(2) fails.

mod common;

use std::time::Duration;

use common::{Echo, Recorder, Seen, address, asked, connected, joined, read_to_end, soon, started};
use wharf::client::Client;
use wharf::connection::CloseReason;
use wharf::limits::{Limits, WhenFull};
use wharf::network::{Endpoint, MemoryNetwork};
use wharf::server::{Running, Server, StartErrorKind};

fn limits(max_connections: usize) -> Limits {
    Limits {
        max_connections,
        ..Limits::default()
    }
}

#[tokio::test]
async fn a_full_server_serves_the_next_client_when_one_leaves() {
    let server = Server::new()
        .serve("echo", address("tcp:127.0.0.1:0"), Echo)
        .limits(limits(2));
    let (running, recorder) = started(server).await;
    let mut first = connected(&running).await;
    let mut second = connected(&running).await;
    asked(&mut first, b"one").await;
    asked(&mut second, b"two").await;
    // The kernel takes the third one; the server does not.
    let mut third = connected(&running).await;
    third.write_all(b"three").await.unwrap();
    soon(recorder.until(|seen| seen.contains(&Seen::Full(2)))).await;
    asked(&mut first, b"still here").await;
    assert_eq!(running.snapshot().accepted, 2);
    soon(second.close()).await.unwrap();
    assert_eq!(&*soon(third.read_chunk()).await.unwrap().unwrap(), b"three");
    assert_eq!(running.snapshot().connections.len(), 2);
    asked(&mut first, b"and still").await;
}

#[tokio::test]
async fn a_full_server_refuses_in_words_when_told_so() {
    let server = Server::new()
        .serve("echo", address("tcp:127.0.0.1:0"), Echo)
        .limits(Limits {
            when_full: WhenFull::Refuse,
            refusal: b"full, come back later\n".to_vec(),
            ..limits(1)
        });
    let (running, recorder) = started(server).await;
    let mut first = connected(&running).await;
    asked(&mut first, b"one").await;
    for round in 1..=20 {
        let mut refused = connected(&running).await;
        refused.write_all(b"may I?").await.unwrap();
        let heard = read_to_end(&mut refused).await.unwrap();
        assert_eq!(heard, b"full, come back later\n", "round {round}");
        let snapshot = running.snapshot();
        assert_eq!(snapshot.ended(CloseReason::RefusedFull), round);
        assert_eq!(snapshot.accepted, 1);
    }
    assert_eq!(
        recorder.count(|seen| *seen == Seen::Refused(CloseReason::RefusedFull)),
        20
    );
    asked(&mut first, b"untouched").await;
    soon(first.close()).await.unwrap();
    soon(recorder.end()).await;
    asked(&mut connected(&running).await, b"now there is a place").await;
}

#[tokio::test]
async fn one_peer_gets_no_more_than_its_share() {
    let server = Server::new()
        .serve("echo", address("tcp:127.0.0.1:0"), Echo)
        .limits(Limits {
            per_peer: Some(2),
            refusal: b"two are enough\n".to_vec(),
            ..Limits::default()
        });
    let (running, recorder) = started(server).await;
    let mut first = connected(&running).await;
    let mut second = connected(&running).await;
    asked(&mut first, b"one").await;
    asked(&mut second, b"two").await;
    let mut third = connected(&running).await;
    assert_eq!(read_to_end(&mut third).await.unwrap(), b"two are enough\n");
    assert_eq!(running.snapshot().ended(CloseReason::RefusedPerPeer), 1);
    // Another address of the same machine is another peer.
    let mut from = common::first(&running);
    from.options.bind = "127.0.0.1:1,bind=127.0.0.2"
        .parse::<wharf::address::Address>()
        .unwrap()
        .options
        .bind;
    let mut other = soon(Client::new().connect(&from)).await.unwrap();
    asked(&mut other, b"three").await;
    soon(first.close()).await.unwrap();
    soon(recorder.end()).await;
    asked(&mut connected(&running).await, b"four").await;
}

#[tokio::test]
async fn limits_that_let_nobody_in_are_refused() {
    let none_per_peer = Limits {
        per_peer: Some(0),
        ..Limits::default()
    };
    for (limits, name) in [(limits(0), "max_connections"), (none_per_peer, "per_peer")] {
        let server = Server::new().serve("echo", address("tcp:127.0.0.1:0"), Echo);
        let error = server.limits(limits).start().await.unwrap_err();
        assert!(matches!(error.kind, StartErrorKind::Limits(_)));
        assert!(error.to_string().contains(name), "{error}");
    }
}

/// A place that nobody uses must not be held by a listener that waits: here there
/// are more listeners than places.
#[tokio::test]
async fn every_listener_serves_although_there_is_one_place() {
    let server = Server::new()
        .serve("a", address("tcp:127.0.0.1:0"), Echo)
        .serve("b", address("tcp:127.0.0.1:0"), Echo)
        .serve("c", address("tcp:127.0.0.1:0"), Echo)
        .limits(limits(1));
    let (running, recorder) = started(server).await;
    for round in 0..3 {
        for (index, bound) in running.endpoints().iter().rev().enumerate() {
            let connecting = Client::new();
            let mut connection = soon(connecting.connect(&common::to(bound))).await.unwrap();
            asked(&mut connection, b"hello").await;
            soon(connection.close()).await.unwrap();
            soon(recorder.ends(round * 3 + index + 1)).await;
        }
    }
}

/// A server in memory whose accepts fail with `codes` as soon as it runs.
async fn troubled(codes: Vec<i32>) -> (MemoryNetwork, Running, Recorder) {
    let network = MemoryNetwork::new();
    let server = Server::on(network.clone()).serve("echo", address("tcp:127.0.0.1:7"), Echo);
    let (running, recorder) = started(server).await;
    network.fail_accepts(&running.endpoints()[0].local, codes);
    (network, running, recorder)
}

#[tokio::test(start_paused = true)]
async fn want_of_descriptors_is_waited_out_with_growing_pauses() {
    for code in [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM] {
        let (network, running, recorder) = troubled(vec![code; 9]).await;
        let start = tokio::time::Instant::now();
        let mut client = joined(&network, &running).await;
        asked(&mut client, b"hello").await;
        // 10 + 20 + 40 + 80 + 160 + 320 + 640 + 1000 + 1000 ms.
        let waited = start.elapsed();
        let expected = Duration::from_millis(3_270);
        assert!(
            waited >= expected && waited < expected + Duration::from_millis(30),
            "{waited:?}"
        );
        assert_eq!(running.snapshot().accept_failures, 9);
        // Whether it is over shows only after a while.
        soon(recorder.until(|seen| seen.contains(&Seen::AcceptRecovered(9)))).await;
        assert_eq!(recorder.count(|seen| *seen == Seen::AcceptFailing), 1);
        assert_eq!(running.snapshot().accepted, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn each_change_of_state_is_told_once() {
    let (network, running, recorder) = troubled(vec![libc::EMFILE; 2]).await;
    let mut first = joined(&network, &running).await;
    asked(&mut first, b"one").await;
    soon(recorder.until(|seen| seen.contains(&Seen::AcceptRecovered(2)))).await;
    let here: Endpoint = running.endpoints()[0].local.clone();
    network.fail_accepts(&here, [libc::ENFILE]);
    // A connection that is open notices nothing.
    asked(&mut first, b"still here").await;
    asked(&mut joined(&network, &running).await, b"two").await;
    soon(recorder.until(|seen| seen.contains(&Seen::AcceptRecovered(1)))).await;
    assert_eq!(
        changes_of_state(&recorder),
        [
            Seen::AcceptFailing,
            Seen::AcceptRecovered(2),
            Seen::AcceptFailing,
            Seen::AcceptRecovered(1)
        ]
    );
}

fn changes_of_state(recorder: &Recorder) -> Vec<Seen> {
    let mut seen = recorder.all();
    seen.retain(|seen| matches!(seen, Seen::AcceptFailing | Seen::AcceptRecovered(_)));
    seen
}

/// Where each client that leaves lets one in, accept works and fails in turn.
#[tokio::test(start_paused = true)]
async fn trouble_that_comes_back_at_once_is_one_trouble() {
    let (network, running, recorder) = troubled(vec![]).await;
    let here: Endpoint = running.endpoints()[0].local.clone();
    for _ in 0..5 {
        network.fail_accepts(&here, [libc::EMFILE; 2]);
        asked(&mut joined(&network, &running).await, b"hello").await;
    }
    let worked = tokio::time::Instant::now();
    soon(recorder.until(|seen| seen.contains(&Seen::AcceptRecovered(10)))).await;
    assert!(worked.elapsed() >= Duration::from_millis(990));
    assert_eq!(
        changes_of_state(&recorder),
        [Seen::AcceptFailing, Seen::AcceptRecovered(10)]
    );
}

#[tokio::test(start_paused = true)]
async fn an_aborted_connection_is_passed_over_without_a_pause() {
    let (network, running, recorder) = troubled(vec![libc::ECONNABORTED; 50]).await;
    let start = tokio::time::Instant::now();
    asked(&mut joined(&network, &running).await, b"hello").await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(running.snapshot().accept_failures, 50);
    assert_eq!(recorder.count(|seen| *seen == Seen::AcceptFailing), 0);
}

#[tokio::test(start_paused = true)]
async fn accept_is_tried_as_soon_as_a_connection_gave_its_descriptor_back() {
    let (network, running, recorder) = troubled(vec![]).await;
    let mut first = joined(&network, &running).await;
    asked(&mut first, b"one").await;
    let here = running.endpoints()[0].local.clone();
    network.fail_accepts(&here, [libc::EMFILE; 8]);
    let mut second = joined(&network, &running).await;
    soon(recorder.until(|seen| seen.contains(&Seen::AcceptFailing))).await;
    // Two seconds later the loop is in a pause of a second.
    tokio::time::sleep(Duration::from_millis(1_300)).await;
    let start = tokio::time::Instant::now();
    soon(first.close()).await.unwrap();
    asked(&mut second, b"two").await;
    assert!(
        start.elapsed() < Duration::from_millis(600),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_accept_drains_all_the_same() {
    let (network, running, recorder) = troubled(vec![]).await;
    let mut first = joined(&network, &running).await;
    asked(&mut first, b"one").await;
    network.fail_accepts(&running.endpoints()[0].local.clone(), [libc::EMFILE; 1_000]);
    soon(recorder.until(|seen| seen.contains(&Seen::AcceptFailing))).await;
    let report = soon(running.drain()).await;
    assert_eq!((report.open, report.cut_off), (1, 0));
    assert_eq!(read_to_end(&mut first).await.unwrap(), b"");
}
