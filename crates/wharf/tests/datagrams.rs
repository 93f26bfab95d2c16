//! Datagram services behind a server: ports, cores, counters and the drain.

mod common;

use std::io;
use std::net::{SocketAddr, UdpSocket};

use common::{soon, started};
use wharf::client::Client;
use wharf::datagram::{Batch, DatagramService};
use wharf::network::Endpoint;
use wharf::server::{Partial, Server, StartErrorKind};
use wharf::service::Context;

struct Echo;

impl DatagramService for Echo {
    fn receive(&self, batch: &mut Batch, _: &Context) {
        for i in 0..batch.len() {
            batch.reply_in_place(i);
        }
    }
}

fn port(local: &Endpoint) -> u16 {
    local.port().expect("an Internet endpoint")
}

/// Says one thing to `at` and hears the answer, as any UDP client would.
fn ask(at: SocketAddr, words: &[u8]) -> Vec<u8> {
    let any = if at.is_ipv4() {
        "127.0.0.1:0"
    } else {
        "[::1]:0"
    };
    let socket = UdpSocket::bind(any).unwrap();
    socket.set_read_timeout(Some(common::SOON)).unwrap();
    socket.send_to(words, at).unwrap();
    let mut heard = [0; 2048];
    let (length, from) = socket.recv_from(&mut heard).unwrap();
    assert_eq!(from, at);
    heard[..length].to_vec()
}

async fn asked(at: SocketAddr, words: &'static [u8]) -> Vec<u8> {
    soon(tokio::task::spawn_blocking(move || ask(at, words)))
        .await
        .unwrap()
}

#[tokio::test]
async fn no_host_and_port_0_is_one_number_for_both_ip_versions() {
    let server = Server::new().serve_datagrams("echo", "udp::0".parse().unwrap(), Echo);
    let (running, _) = started(server).await;
    let locals: Vec<SocketAddr> = running
        .endpoints()
        .iter()
        .filter_map(|bound| bound.local.inet())
        .collect();
    assert_eq!(locals.len(), 2);
    assert!(locals[0].is_ipv4() && locals[1].is_ipv6());
    assert_eq!(locals[0].port(), locals[1].port());
    for at in locals {
        assert_eq!(asked(at, b"hello").await, b"hello");
    }
    soon(running.drain()).await;
}

#[tokio::test]
async fn the_port_belongs_to_one_server_on_one_core_and_on_two() {
    for cores in [1, 2] {
        let first = Server::new().cores(cores).serve_datagrams(
            "echo",
            "udp:127.0.0.1:0".parse().unwrap(),
            Echo,
        );
        let (running, _) = started(first).await;
        let taken = format!("udp:127.0.0.1:{}", port(&running.endpoints()[0].local));
        for second_cores in [1, 2] {
            let second = Server::new()
                .cores(second_cores)
                .partial(Partial::Refuse)
                .serve_datagrams("echo", taken.parse().unwrap(), Echo);
            let error = second.start().await.expect_err("the port is taken");
            assert!(
                matches!(&error.kind, StartErrorKind::Io(error)
                    if error.kind() == io::ErrorKind::AddrInUse),
                "{cores} cores, then {second_cores}: {error}"
            );
        }
        soon(running.drain()).await;
    }
}

#[tokio::test]
async fn two_cores_answer_many_peers_and_every_datagram_is_counted() {
    let server =
        Server::new()
            .cores(2)
            .serve_datagrams("echo", "udp:127.0.0.1:0".parse().unwrap(), Echo);
    let (running, _) = started(server).await;
    let at = running.endpoints()[0].local.inet().unwrap();
    for _ in 0..64 {
        assert_eq!(asked(at, b"ping").await, b"ping");
    }
    let snapshot = running.snapshot();
    assert_eq!(snapshot.datagrams.len(), 2, "a socket per core");
    // The counters of a batch are shown once its answers are sent: the peer may
    // have heard the last one a moment earlier, so the drain goes first.
    soon(running.drain()).await;
    let snapshot = running.snapshot();
    let received: u64 = snapshot
        .datagrams
        .iter()
        .map(|socket| socket.counters.received)
        .sum();
    assert_eq!(received, 64);
    assert!(
        snapshot
            .datagrams
            .iter()
            .all(|socket| socket.counters.received > 0),
        "64 peers, and one core saw none: {:?}",
        snapshot.datagrams
    );
}

#[tokio::test]
async fn what_is_queued_when_a_drain_begins_is_answered() {
    let server = Server::new().serve_datagrams("echo", "udp:127.0.0.1:0".parse().unwrap(), Echo);
    let (running, _) = started(server).await;
    let at = running.endpoints()[0].local.inet().unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(common::SOON)).unwrap();
    // This test's runtime has one thread: nothing is served before the drain is awaited.
    for number in 0..100u8 {
        client.send_to(&[number], at).unwrap();
    }
    soon(running.drain()).await;
    let mut heard = [0; 8];
    for number in 0..100u8 {
        assert_eq!(client.recv(&mut heard).unwrap(), 1);
        assert_eq!(heard[0], number);
    }
}

#[tokio::test]
async fn a_client_learns_that_nobody_is_bound() {
    let free = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let address = format!("udp:{free}").parse().unwrap();
    let (mut socket, to) = Client::new().datagrams(&address).await.unwrap();
    socket.send_to(b"anybody?", &to).await.unwrap();
    let error = soon(socket.receive_from(&mut Vec::new()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn unix_datagrams_are_answered_and_the_file_goes_with_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("d");
    let address = format!("unix-dgram:{}", path.display());
    let server = Server::new().serve_datagrams("echo", address.parse().unwrap(), Echo);
    let (running, _) = started(server).await;
    let (mut socket, to) = Client::new()
        .datagrams(&address.parse().unwrap())
        .await
        .unwrap();
    socket.send_to(b"hello", &to).await.unwrap();
    let mut heard = Vec::new();
    soon(socket.receive_from(&mut heard)).await.unwrap();
    assert_eq!(heard, b"hello");
    soon(running.drain()).await;
    assert!(!path.exists());
}

/// Echoes, but for one word.
struct Superstitious;

impl DatagramService for Superstitious {
    fn receive(&self, batch: &mut Batch, context: &Context) {
        let unlucky = (0..batch.len()).any(|i| batch.get(i).payload == b"thirteen");
        assert!(!unlucky, "unlucky");
        Echo.receive(batch, context);
    }
}

#[tokio::test]
async fn a_panic_costs_its_batch_and_not_the_socket() {
    let panics = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&panics);
    let server = Server::new()
        .serve_datagrams("echo", "udp:127.0.0.1:0".parse().unwrap(), Superstitious)
        .observer(move |event: &wharf::server::Event<'_>| {
            if let wharf::server::Event::Panicked { detail, .. } = event {
                seen.lock().unwrap().push((*detail).to_owned());
            }
        });
    let running = server.start().await.unwrap();
    let at = running.endpoints()[0].local.inet().unwrap();
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.send_to(b"thirteen", at).unwrap();
    // Else both words could come in one batch.
    soon(async {
        while panics.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(asked(at, b"twelve").await, b"twelve");
    assert_eq!(*panics.lock().unwrap(), ["unlucky"]);
    soon(running.drain()).await;
}
