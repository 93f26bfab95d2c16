//! Everything that waits has a limit: idle and slow peers, whole connections,
//! handshakes.

mod common;

use std::time::Duration;

use common::{Echo, address, asked, connected, joined, read_to_end, soon, started, within_a_day};
use tokio::time::Instant;
use wharf::client::Client;
use wharf::connection::{CloseReason, Connection};
use wharf::limits::Limits;
use wharf::network::MemoryNetwork;
use wharf::server::{Running, Server};
use wharf::service::{Context, Service, ServiceError, Timeouts};

const SECOND: Duration = Duration::from_secs(1);

fn none() -> Limits {
    Limits {
        idle_timeout: None,
        write_timeout: None,
        total_timeout: None,
        ..Limits::default()
    }
}

async fn in_memory(
    service: impl Service,
    limits: Limits,
) -> (MemoryNetwork, Running, common::Recorder) {
    let network = MemoryNetwork::new();
    let server = Server::on(network.clone())
        .serve("test", address("tcp:127.0.0.1:7"), service)
        .limits(limits);
    let (running, recorder) = started(server).await;
    (network, running, recorder)
}

/// Timeouts never come early, and late by two sweeps at most.
fn assert_resolution(took: Duration, timeout: Duration) {
    let sweep = (timeout / 8).clamp(Duration::from_millis(10), SECOND);
    let most = timeout + 2 * sweep + Duration::from_millis(5);
    assert!(took >= timeout && took <= most, "{took:?} for {timeout:?}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_in_order() {
    for timeout in [SECOND / 10, 4 * SECOND, 600 * SECOND] {
        let limits = Limits {
            idle_timeout: Some(timeout),
            ..none()
        };
        let (network, running, recorder) = in_memory(Echo, limits).await;
        let mut client = joined(&network, &running).await;
        // The last byte comes at a moment that has nothing to do with sweeps.
        tokio::time::sleep(timeout.mul_f64(0.37)).await;
        asked(&mut client, b"hello").await;
        let start = Instant::now();
        let rest = within_a_day(client.read_chunk()).await.unwrap();
        assert!(rest.is_none(), "the end of the stream");
        assert_resolution(start.elapsed(), timeout);
        drop(client);
        assert_eq!(soon(recorder.end()).await.reason, CloseReason::Idle);
    }
}

#[tokio::test(start_paused = true)]
async fn one_byte_a_second_is_not_idle() {
    let limits = Limits {
        idle_timeout: Some(3 * SECOND / 2),
        ..none()
    };
    let (network, running, recorder) = in_memory(Echo, limits).await;
    let mut client = joined(&network, &running).await;
    for _ in 0..3_600 {
        asked(&mut client, b"x").await;
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(running.snapshot().received, 3_600);
    soon(client.close()).await.unwrap();
    assert_eq!(soon(recorder.end()).await.reason, CloseReason::PeerClosed);
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_its_time_however_busy_it_is() {
    let limits = Limits {
        total_timeout: Some(10 * SECOND),
        ..none()
    };
    let (network, running, recorder) = in_memory(Echo, limits).await;
    let mut client = joined(&network, &running).await;
    let start = Instant::now();
    let talking = async {
        while client.write_all(b"x").await.is_ok() {
            match client.read_chunk().await {
                Ok(Some(_)) => tokio::time::sleep(SECOND / 10).await,
                _ => break,
            }
        }
    };
    within_a_day(talking).await;
    assert_resolution(start.elapsed(), 10 * SECOND);
    drop(client);
    assert_eq!(soon(recorder.end()).await.reason, CloseReason::TotalTimeout);
}

/// Writes for ever.
struct Flood;

impl Service for Flood {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        loop {
            peer.write_all(&[b'x'; 60_000]).await?;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_never_reads_is_a_slow_reader() {
    let limits = Limits {
        write_timeout: Some(8 * SECOND),
        ..none()
    };
    let (network, running, recorder) = in_memory(Flood, limits).await;
    let start = Instant::now();
    let client = joined(&network, &running).await;
    let ended = within_a_day(recorder.end()).await;
    assert_resolution(start.elapsed(), 8 * SECOND);
    assert_eq!(ended.reason, CloseReason::SlowReader);
    // What waits is bounded by the transport alone.
    assert!(ended.sent <= wharf::network::memory::PIPE as u64);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_a_little_now_and_then_is_no_slow_reader() {
    let limits = Limits {
        write_timeout: Some(2 * SECOND),
        ..none()
    };
    let (network, running, recorder) = in_memory(Flood, limits).await;
    let mut client = joined(&network, &running).await;
    for _ in 0..100 {
        tokio::time::sleep(3 * SECOND / 2).await;
        soon(client.read_chunk()).await.unwrap().unwrap();
    }
    drop(client);
    assert_eq!(soon(recorder.end()).await.reason, CloseReason::PeerReset);
}

/// A write that the service gave up does not make its peer a slow reader for ever.
struct GivesUp;

impl Service for GivesUp {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        let writing = tokio::time::timeout(SECOND, peer.write_all(&[b'x'; 1 << 20]));
        assert!(writing.await.is_err());
        while peer.read_chunk().await?.is_some() {}
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_given_up_counts_no_longer() {
    let limits = Limits {
        write_timeout: Some(4 * SECOND),
        ..none()
    };
    let (network, running, recorder) = in_memory(GivesUp, limits).await;
    let mut client = joined(&network, &running).await;
    for _ in 0..10 {
        tokio::time::sleep(SECOND).await;
        soon(client.write_all(b"x")).await.unwrap();
    }
    soon(client.finish()).await.unwrap();
    let ended = within_a_day(recorder.end()).await;
    assert_eq!(ended.reason, CloseReason::PeerClosed);
    assert_eq!(ended.received, 10);
}

#[tokio::test]
async fn a_slow_reader_of_a_real_socket_is_reset() {
    for at in ["tcp:127.0.0.1:0", "tls:127.0.0.1:0,self-signed"] {
        let server = Server::new()
            .serve("flood", address(at), Flood)
            .limits(Limits {
                write_timeout: Some(SECOND / 5),
                ..none()
            });
        let (running, recorder) = started(server).await;
        let client = connected(&running).await;
        let ended = soon(recorder.end()).await;
        assert_eq!(ended.reason, CloseReason::SlowReader, "{at}");
        assert!(running.snapshot().connections.is_empty());
        drop(client);
    }
}

#[tokio::test]
async fn a_silent_tls_client_holds_up_nobody() {
    let server = Server::new()
        .serve("echo", address("tls:127.0.0.1:0,self-signed"), Echo)
        .limits(Limits {
            handshake_timeout: SECOND / 2,
            ..none()
        });
    let (running, recorder) = started(server).await;
    let mut plain = common::first(&running);
    plain.scheme = wharf::address::Scheme::Tcp;
    let start = Instant::now();
    let mut silent = soon(Client::new().connect(&plain)).await.unwrap();
    asked(&mut connected(&running).await, b"hello").await;
    assert!(start.elapsed() < SECOND / 2, "it waited for the silent one");
    // Alert or not: then the stream ends.
    let _ = read_to_end(&mut silent).await;
    let ends = soon(recorder.ends(2)).await;
    let ended = ends.iter().find(|ended| ended.id == 1).unwrap();
    assert_eq!(ended.reason, CloseReason::TlsTimeout);
    assert!(ended.lasted >= SECOND / 2);
}

#[tokio::test]
async fn a_plain_text_client_of_a_tls_port_is_told() {
    let server = Server::new().serve("echo", address("tls:127.0.0.1:0,self-signed"), Echo);
    let (running, recorder) = started(server).await;
    let mut plain = common::first(&running);
    plain.scheme = wharf::address::Scheme::Tcp;
    let mut client = soon(Client::new().connect(&plain)).await.unwrap();
    soon(client.write_all(b"GET / HTTP/1.0\r\n\r\n"))
        .await
        .unwrap();
    let heard = read_to_end(&mut client).await.unwrap();
    assert!(String::from_utf8_lossy(&heard).contains("TLS"), "{heard:?}");
    assert_eq!(soon(recorder.end()).await.reason, CloseReason::TlsFailed);
}

/// Waits for one chunk at most as long as it was told.
struct Waits(Timeouts);

impl Service for Waits {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        peer.set_timeouts(self.0);
        while let Some(chunk) = peer.read_chunk().await? {
            peer.write_all(&chunk).await?;
        }
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn every_wait_of_a_read_has_its_own_time() {
    let timeouts = Timeouts {
        read: Some(10 * SECOND),
        write: None,
    };
    let (network, running, recorder) = in_memory(Waits(timeouts), none()).await;
    let mut client = joined(&network, &running).await;
    // Each pause is shorter than the timeout, two of them are longer.
    for _ in 0..5 {
        tokio::time::sleep(9 * SECOND).await;
        asked(&mut client, b"here").await;
    }
    let start = Instant::now();
    assert!(within_a_day(client.read_chunk()).await.unwrap().is_none());
    assert_eq!(start.elapsed().as_secs(), 10);
    drop(client);
    let ended = soon(recorder.end()).await;
    assert_eq!(ended.reason, CloseReason::Idle, "{:?}", ended.detail);
}

/// A service that answers at the start and never reads.
struct GreetsAndWaits;

impl Service for GreetsAndWaits {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        peer.write_all(b"welcome\n").await?;
        std::future::pending().await
    }
}

/// Over the real network, where unread input would turn the close into a reset.
#[tokio::test]
async fn a_total_timeout_with_unread_input_resets_nobody() {
    let limits = Limits {
        total_timeout: Some(SECOND / 5),
        ..none()
    };
    let server = Server::new()
        .serve("greet", address("tcp:127.0.0.1:0"), GreetsAndWaits)
        .limits(limits);
    let (running, recorder) = started(server).await;
    let mut client = connected(&running).await;
    client.write_all(&[b'x'; 20_000]).await.unwrap();
    let heard = soon(read_to_end(&mut client)).await;
    assert_eq!(heard.expect("an end, not a reset"), b"welcome\n");
    drop(client);
    assert_eq!(soon(recorder.end()).await.reason, CloseReason::TotalTimeout);
}

#[tokio::test]
async fn an_idle_tls_connection_is_ended_with_its_goodbye() {
    let limits = Limits {
        idle_timeout: Some(SECOND / 5),
        ..none()
    };
    let server = Server::new()
        .serve("echo", address("tls:127.0.0.1:0,self-signed"), Echo)
        .limits(limits);
    let (running, recorder) = started(server).await;
    let mut client = connected(&running).await;
    // Without close_notify the read would fail: UnexpectedEof.
    let rest = soon(client.read_chunk()).await.unwrap();
    assert!(rest.is_none());
    drop(client);
    assert_eq!(soon(recorder.end()).await.reason, CloseReason::Idle);
}
