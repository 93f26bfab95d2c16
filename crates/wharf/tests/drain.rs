//! Stopping in order: who is idle goes at once, who is busy may finish, and the
//! deadline holds.

mod common;

use std::time::Duration;

use common::{Echo, Seen, address, asked, connected, joined, read_to_end, soon, started};
use tokio::time::Instant;
use wharf::client::Client;
use wharf::connection::{CloseReason, Connection};
use wharf::framing::Framing;
use wharf::limits::Limits;
use wharf::network::MemoryNetwork;
use wharf::server::{DrainReport, Mode, ServeOptions, Server};
use wharf::service::{Context, Framed, Service, ServiceError};

fn shout() -> Framed<impl wharf::service::Reply> {
    Framed::new(Framing::default(), |message: &[u8], reply: &mut Vec<u8>| {
        reply.extend(message.to_ascii_uppercase());
    })
}

#[tokio::test]
async fn idle_connections_are_closed_at_once_although_they_do_not_close() {
    let server = Server::new().serve("echo", address("tcp:127.0.0.1:0"), Echo);
    let (running, recorder) = started(server).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(connected(&running).await);
    }
    soon(recorder.until(|seen| seen.contains(&Seen::Opened(20)))).await;
    let start = Instant::now();
    let report = soon(running.drain_within(Duration::from_millis(1_500))).await;
    assert_eq!(
        report,
        DrainReport {
            open: 20,
            cut_off: 0
        }
    );
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    for mut client in clients {
        assert_eq!(read_to_end(&mut client).await.unwrap(), b"");
    }
    for ended in soon(recorder.ends(20)).await {
        assert_eq!(ended.reason, CloseReason::Drained);
    }
    assert_eq!(recorder.count(|seen| *seen == Seen::Draining(20)), 1);
    assert!(running.snapshot().connections.is_empty());
    let again = Client::new().connect(&common::first(&running)).await;
    assert!(again.unwrap_err().to_string().contains("refused"));
}

#[tokio::test(start_paused = true)]
async fn who_was_quiet_for_a_while_goes_at_once() {
    let network = MemoryNetwork::new();
    let server = Server::on(network.clone()).serve("echo", address("tcp::7"), Echo);
    let (running, _) = started(server).await;
    let mut client = joined(&network, &running).await;
    asked(&mut client, b"hello").await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let start = Instant::now();
    let (report, _) = tokio::join!(running.drain(), read_to_end(&mut client));
    assert_eq!(report.cut_off, 0);
    assert!(
        start.elapsed() < Duration::from_millis(500),
        "{:?}",
        start.elapsed()
    );
}

/// The next words of a conversation may be a round trip away.
#[tokio::test(start_paused = true)]
async fn who_is_in_the_middle_of_a_conversation_may_go_on() {
    let network = MemoryNetwork::new();
    let server = Server::on(network.clone()).serve("echo", address("tcp::7"), Echo);
    let (running, recorder) = started(server).await;
    let mut client = joined(&network, &running).await;
    asked(&mut client, b"hello").await;
    let talking = async {
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert_eq!(asked(&mut client, b"more").await, b"more");
        }
        // Now it falls silent, and is closed although it stays.
        read_to_end(&mut client).await.unwrap()
    };
    let (report, rest) = tokio::join!(running.drain(), talking);
    assert_eq!((report.cut_off, &*rest), (0, &b""[..]));
    assert_eq!(soon(recorder.end()).await.reason, CloseReason::Drained);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_has_begun_may_be_finished() {
    let network = MemoryNetwork::new();
    let server = Server::on(network.clone()).serve("shout", address("tcp::7"), shout());
    let (running, recorder) = started(server).await;
    let mut client = joined(&network, &running).await;
    asked(&mut client, b"one\n").await;
    client.write_all(b"tw").await.unwrap();
    soon(recorder.until(|seen| seen.contains(&Seen::Opened(1)))).await;
    let talking = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        client.write_all(b"o\n").await.unwrap();
        read_to_end(&mut client).await.unwrap()
    };
    let (report, heard) = tokio::join!(running.drain(), talking);
    assert_eq!(heard, b"TWO\n");
    assert_eq!(
        report,
        DrainReport {
            open: 1,
            cut_off: 0
        }
    );
    assert_eq!(recorder.end().await.reason, CloseReason::Drained);
}

#[tokio::test(start_paused = true)]
async fn a_conversation_goes_on_until_it_pauses() {
    let network = MemoryNetwork::new();
    let server = Server::on(network.clone()).serve("shout", address("tcp::7"), shout());
    let (running, recorder) = started(server).await;
    let mut client = joined(&network, &running).await;
    asked(&mut client, b"zero\n").await;
    let talking = async {
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(15)).await;
            asked(&mut client, b"more\n").await;
        }
        read_to_end(&mut client).await.unwrap()
    };
    let (report, rest) = tokio::join!(running.drain(), talking);
    assert_eq!((report.cut_off, rest.len()), (0, 0));
    assert_eq!(recorder.end().await.messages, 31);
}

/// Works for a time after the first input, then answers.
struct Works(Duration);

impl Service for Works {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        peer.read_chunk().await?;
        tokio::time::sleep(self.0).await;
        peer.write_all(b"done").await?;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn who_works_may_finish_and_who_never_ends_is_cut_off() {
    let network = MemoryNetwork::new();
    let server = Server::on(network.clone())
        .serve("short", address("tcp::7"), Works(Duration::from_secs(9)))
        .serve("long", address("tcp::8"), Works(Duration::from_secs(11)))
        .limits(Limits {
            drain_timeout: Duration::from_secs(10),
            ..Limits::default()
        });
    let (running, recorder) = started(server).await;
    let mut clients = Vec::new();
    for bound in running.endpoints() {
        let client = Client::on(network.clone());
        let mut client = client.connect(&common::to(bound)).await.unwrap();
        client.write_all(b"work").await.unwrap();
        clients.push(client);
    }
    soon(recorder.until(|seen| seen.contains(&Seen::Opened(2)))).await;
    let start = Instant::now();
    let report = running.drain().await;
    assert_eq!(
        report,
        DrainReport {
            open: 2,
            cut_off: 1
        }
    );
    assert!(start.elapsed() >= Duration::from_secs(10));
    assert!(start.elapsed() < Duration::from_secs(11));
    let ends: Vec<(u64, CloseReason)> = soon(recorder.ends(2))
        .await
        .iter()
        .map(|ended| (ended.id, ended.reason))
        .collect();
    assert_eq!(ends, [(1, CloseReason::Finished), (2, CloseReason::CutOff)]);
    assert_eq!(read_to_end(&mut clients[0]).await.unwrap(), b"done");
    let snapshot = running.snapshot();
    assert!(snapshot.connections.is_empty());
    assert_eq!(snapshot.ended(CloseReason::CutOff), 1);
}

#[tokio::test]
async fn who_waits_in_the_queue_is_still_served() {
    let server = Server::new().serve("echo", address("tcp:127.0.0.1:0"), Echo);
    let (running, recorder) = started(server).await;
    // On this one thread the server accepts nothing until something is awaited.
    let to = running.endpoints()[0].local.inet().unwrap();
    let clients: Vec<std::net::TcpStream> = (0..50)
        .map(|_| {
            let mut client = std::net::TcpStream::connect(to).unwrap();
            std::io::Write::write_all(&mut client, b"before the end").unwrap();
            client
        })
        .collect();
    soon(running.drain()).await;
    for mut client in clients {
        client.set_read_timeout(Some(common::SOON)).unwrap();
        let mut heard = String::new();
        std::io::Read::read_to_string(&mut client, &mut heard).unwrap();
        assert_eq!(heard, "before the end");
    }
    assert_eq!(soon(recorder.ends(50)).await.len(), 50);
    assert_eq!(running.snapshot().accepted, 50);
    assert!(std::net::TcpStream::connect(to).is_err());
}

/// Who was in the queue waits there for a place or a turn; the drain does not end that.
#[tokio::test(start_paused = true)]
async fn who_waits_for_a_place_or_a_turn_is_still_served() {
    let one_at_a_time = ServeOptions {
        mode: Mode::OneAtATime,
        ..ServeOptions::default()
    };
    let one_place = Limits {
        max_connections: 1,
        ..Limits::default()
    };
    for (options, limits) in [
        (one_at_a_time, Limits::default()),
        (ServeOptions::default(), one_place),
    ] {
        let network = MemoryNetwork::new();
        let works = Works(Duration::from_secs(2));
        let server =
            Server::on(network.clone()).serve_with("works", address("tcp::7"), works, options);
        let (running, recorder) = started(server.limits(limits)).await;
        let mut clients = Vec::new();
        for _ in 0..3 {
            let mut client = joined(&network, &running).await;
            client.write_all(b"work").await.unwrap();
            clients.push(client);
        }
        recorder.until(|seen| seen.contains(&Seen::Opened(1))).await;
        let late = async {
            // The listener closes long before the last of them is served.
            tokio::time::sleep(Duration::from_millis(300)).await;
            let client = Client::on(network.clone());
            client.connect(&common::first(&running)).await.unwrap_err()
        };
        let minute = Duration::from_secs(60);
        let (report, late) = tokio::join!(running.drain_within(minute), late);
        assert!(late.to_string().contains("refused"), "{late}");
        assert_eq!(report.cut_off, 0);
        for mut client in clients {
            assert_eq!(read_to_end(&mut client).await.unwrap(), b"done");
        }
        assert_eq!(recorder.ends(3).await.len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_turn_does_not_outlast_the_drain() {
    let network = MemoryNetwork::new();
    let options = ServeOptions {
        mode: Mode::OneAtATime,
        ..ServeOptions::default()
    };
    let server = Server::on(network.clone()).serve_with("stays", address("tcp::7"), Stays, options);
    let (running, recorder) = started(server).await;
    let _first = joined(&network, &running).await;
    recorder.until(|seen| seen.contains(&Seen::Opened(1))).await;
    let mut second = joined(&network, &running).await;
    let start = Instant::now();
    let report = running.drain_within(Duration::from_secs(3)).await;
    assert_eq!((report.open, report.cut_off), (1, 1));
    assert!(start.elapsed() < Duration::from_millis(3_600));
    soon(running.ended()).await;
    assert!(!matches!(second.read_chunk().await, Ok(Some(_))));
    assert_eq!(running.snapshot().accepted, 1);
}

/// Clients that keep coming do not keep the listener open.
#[tokio::test(start_paused = true)]
async fn the_listener_closes_although_clients_keep_coming() {
    let network = MemoryNetwork::new();
    let server = Server::on(network.clone()).serve("echo", address("tcp::7"), Echo);
    let (running, _) = started(server).await;
    let to = common::first(&running);
    let coming = async {
        let client = Client::on(network.clone());
        let mut kept = Vec::new();
        loop {
            match client.connect(&to).await {
                Ok(connection) => kept.push(connection),
                Err(_) => return kept.len(),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let start = Instant::now();
    let (report, came) = tokio::join!(running.drain(), coming);
    assert_eq!(report.cut_off, 0);
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    assert!(came > 0);
}

/// Never ends by itself.
struct Stays;

impl Service for Stays {
    async fn serve(&self, _: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_call_forces() {
    let network = MemoryNetwork::new();
    let server = Server::on(network.clone()).serve("stays", address("tcp::7"), Stays);
    let (running, recorder) = started(server).await;
    let _client = joined(&network, &running).await;
    soon(recorder.until(|seen| seen.contains(&Seen::Opened(1)))).await;
    let start = Instant::now();
    let forcing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        running.cut_off().await
    };
    let (report, forced) = tokio::join!(running.drain(), forcing);
    assert_eq!(forced, 1);
    assert_eq!(
        report,
        DrainReport {
            open: 1,
            cut_off: 1
        }
    );
    assert!(start.elapsed() < Duration::from_secs(2));
    assert_eq!(recorder.end().await.reason, CloseReason::CutOff);
    soon(running.ended()).await;
    let again = soon(running.drain()).await;
    assert_eq!(
        again,
        DrainReport {
            open: 0,
            cut_off: 0
        }
    );
    assert_eq!(recorder.count(|seen| matches!(seen, Seen::Draining(_))), 1);
}

#[tokio::test]
async fn a_silent_tls_client_does_not_hold_up_the_drain() {
    let server = Server::new().serve("echo", address("tls:127.0.0.1:0,self-signed"), Echo);
    let (running, recorder) = started(server).await;
    let mut secured = connected(&running).await;
    asked(&mut secured, b"hello").await;
    let _silent = std::net::TcpStream::connect(running.endpoints()[0].local.inet().unwrap());
    soon(recorder.until(|seen| seen.contains(&Seen::Opened(2)))).await;
    let start = Instant::now();
    let report = soon(running.drain_within(Duration::from_secs(8))).await;
    assert_eq!(
        report,
        DrainReport {
            open: 2,
            cut_off: 0
        }
    );
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    for ended in soon(recorder.ends(2)).await {
        assert_eq!(ended.reason, CloseReason::Drained);
    }
    assert_eq!(read_to_end(&mut secured).await.unwrap(), b"");
}

#[tokio::test]
async fn a_service_hears_of_the_drain() {
    struct SaysGoodbye;
    impl Service for SaysGoodbye {
        async fn serve(&self, peer: &mut Connection, told: &Context) -> Result<(), ServiceError> {
            peer.write_all(b"hello ").await?;
            told.draining().await;
            peer.write_all(b"goodbye").await?;
            Ok(())
        }
    }
    let server = Server::new().serve("polite", address("tcp:127.0.0.1:0"), SaysGoodbye);
    let (running, recorder) = started(server).await;
    let mut client = connected(&running).await;
    assert_eq!(
        &*soon(client.read_chunk()).await.unwrap().unwrap(),
        b"hello "
    );
    let (report, heard) = tokio::join!(running.drain(), read_to_end(&mut client));
    assert_eq!(heard.unwrap(), b"goodbye");
    assert_eq!(report.cut_off, 0);
    assert_eq!(soon(recorder.end()).await.reason, CloseReason::Finished);
}

#[tokio::test]
async fn dropping_the_handle_closes_everything() {
    for cores in [1, 2] {
        let server = Server::new()
            .serve("echo", address("tcp:127.0.0.1:0"), Echo)
            .cores(cores);
        let (running, _) = started(server).await;
        let to = common::first(&running);
        let mut clients = Vec::new();
        for _ in 0..8 {
            let mut client = connected(&running).await;
            asked(&mut client, b"hello").await;
            clients.push(client);
        }
        drop(running);
        for mut client in clients {
            // Cut off: an end or a reset, but nothing that waits.
            let _ = read_to_end(&mut client).await;
        }
        let refused = async {
            while Client::new().connect(&to).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        soon(refused).await;
    }
}
