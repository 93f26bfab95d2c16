//! What a tap tells of real and of in-memory conversations.

use std::io;
use std::time::Duration;

use proptest::prelude::*;
use wharf::address::Address;
use wharf::client::Client;
use wharf::connection::Connection;
use wharf::datagram::{Batch, DatagramService, Datagrammed};
use wharf::network::tap::{
    Call, Calls, Event, JournalSize, Outcome, SocketId, Tap, TcpState, Transport,
};
use wharf::network::{
    BindOptions, ConnectOptions, Endpoint, ListenOptions, MemoryNetwork, Network, Os, StreamKind,
};
use wharf::server::{Mode, ServeOptions, Server};
use wharf::service::{Context, Service, ServiceError};

struct Echo;

impl Service for Echo {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        while let Some(chunk) = peer.read_chunk().await? {
            peer.write_all(&chunk).await?;
        }
        Ok(())
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().build().unwrap();
    let patience = Duration::from_secs(20);
    runtime
        .block_on(async { tokio::time::timeout(patience, work).await })
        .expect("the conversation ends")
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn endpoint(text: &str) -> Endpoint {
    Endpoint::Inet(text.parse().unwrap())
}

/// The events of one socket as words: `recv 5` is done, `recv? 0` was given up.
fn story(events: &[Event], socket: SocketId) -> Vec<String> {
    let of_socket = events.iter().filter(|event| event.socket == socket);
    of_socket
        .map(|event| {
            let mark = match &event.outcome {
                Outcome::Done => "",
                Outcome::Failed(_) => "!",
                Outcome::Abandoned => "?",
            };
            let size = event.call.sizes().map(|(_, done)| format!(" {done}"));
            format!("{}{mark}{}", event.call.name(), size.unwrap_or_default())
        })
        .collect()
}

fn sockets(events: &[Event]) -> Vec<SocketId> {
    let mut ids: Vec<_> = events.iter().map(|event| event.socket).collect();
    ids.sort();
    ids.dedup();
    ids
}

fn find<'a>(events: &'a [Event], socket: SocketId, name: &str) -> &'a Event {
    let mut found = events.iter();
    found
        .find(|event| event.socket == socket && event.call.name() == name)
        .unwrap_or_else(|| panic!("no {name} of socket {socket}"))
}

/// An echo server and one client on one tap: `hello` there and back.
async fn conversation(at: &str, mode: Mode) -> (Vec<Event>, Endpoint) {
    let (network, mut calls) = Tap::new(Os);
    let options = ServeOptions {
        mode,
        ..ServeOptions::default()
    };
    let server = Server::on(network.clone()).serve_with("echo", address(at), Echo, options);
    let running = server.start().await.unwrap();
    let here = running.endpoints()[0].local.clone();
    let to = match &here {
        Endpoint::Inet(_) => address(&here.to_string()),
        Endpoint::Unix(_) => address(at),
    };
    let mut client = Client::on(network).connect(&to).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    assert_eq!(&*client.read_chunk().await.unwrap().unwrap(), b"hello");
    client.finish().await.unwrap();
    assert!(client.read_chunk().await.unwrap().is_none());
    drop(client);
    running.drain().await;
    drop(running);
    let mut events = Vec::new();
    while let Some(event) = calls.next().await {
        events.push(event);
    }
    assert_eq!(calls.dropped(), 0);
    (events, here)
}

/// The client's, the listener's and the accepted socket of [`conversation`].
fn three(events: &[Event]) -> (SocketId, SocketId, SocketId) {
    let by_name = |name: &str| {
        let mut found = events.iter();
        let event = found.find(|event| event.call.name() == name).unwrap();
        event.clone()
    };
    let accept = by_name("accept");
    let Call::Accept {
        socket: Some(accepted),
    } = accept.call
    else {
        panic!("{accept:?}");
    };
    (by_name("connect").socket, accept.socket, accepted)
}

#[test]
fn a_conversation_over_tcp_is_told_on_both_sides() {
    for at in ["tcp:127.0.0.1:0", "tcp:[::1]:0"] {
        let (events, here) = run(conversation(at, Mode::Concurrent));
        let (client, listener, accepted) = three(&events);
        assert_eq!(
            story(&events, client),
            [
                "socket", "connect", "send 5", "recv 5", "shutdown", "recv 0", "close"
            ]
        );
        assert_eq!(
            story(&events, accepted),
            ["recv 5", "send 5", "recv 0", "close"]
        );
        let listening = story(&events, listener);
        assert_eq!(listening[..4], ["socket", "bind", "listen", "accept"]);
        assert_eq!(listening[4..], ["accept?", "close"], "{listening:?}");
        // The listening socket keeps its state; the accepted one has the same port.
        let accept = find(&events, listener, "accept");
        assert_eq!((accept.state, &accept.local), (None, &Some(here.clone())));
        assert_eq!(find(&events, accepted, "recv").local, Some(here.clone()));
        assert_eq!(find(&events, client, "send").peer, Some(here));
        let sent = find(&events, client, "send").call.bytes().cloned();
        assert_eq!(sent.as_deref(), Some(&b"hello"[..]));
        assert!(events.iter().all(|event| event.transport == Transport::Tcp));
    }
}

#[test]
fn states_follow_and_the_kernel_confirms_them() {
    let (events, _) = run(conversation("tcp:127.0.0.1:0", Mode::Concurrent));
    let (client, listener, accepted) = three(&events);
    let change = |socket, name| find(&events, socket, name).state.unwrap();
    assert_eq!(change(listener, "listen").to, TcpState::Listen);
    let connect = change(client, "connect");
    assert_eq!(
        (connect.from, connect.through, connect.to),
        (
            TcpState::Closed,
            Some(TcpState::SynSent),
            TcpState::Established
        )
    );
    assert_eq!(cfg!(target_os = "linux"), connect.from_the_kernel);
    let shutdown = change(client, "shutdown").to;
    assert!(
        [TcpState::FinWait1, TcpState::FinWait2].contains(&shutdown),
        "{shutdown}"
    );
    let mut ends = events.iter();
    let end = ends.find(|event| event.socket == client && event.call.sizes() == Some((65_536, 0)));
    assert_eq!(end.unwrap().state.unwrap().to, TcpState::TimeWait);
    let close = change(accepted, "close");
    assert_eq!(close.to, TcpState::LastAck);
    if cfg!(target_os = "linux") {
        let sample = find(&events, client, "close").kernel.clone().unwrap();
        assert_eq!(sample.bytes_received, Some(6), "five, and the FIN");
        assert_eq!(sample.retransmitted, Some(0));
    }
}

#[test]
fn what_waits_says_how_long_and_what_does_not_says_so() {
    run(async {
        tokio::time::pause();
        let (network, mut calls) = Tap::new(MemoryNetwork::new());
        let here = endpoint("127.0.0.1:0");
        let mut listener = network
            .listen(&here, &ListenOptions::default())
            .await
            .unwrap();
        let at = listener.local().clone();
        let client = async {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let mut client = network
                .connect(&at, &ConnectOptions::default())
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            client.write_all(b"late").await.unwrap();
            client
        };
        let server = async {
            let mut server = listener.accept().await.unwrap();
            server.read_chunk().await.unwrap();
            server
        };
        let (_client, _server) = tokio::join!(client, server);
        let events = calls.take();
        let blocked = |name: &str| {
            let mut found = events.iter();
            let event = found.find(|event| event.call.name() == name).unwrap();
            event.blocked.map(|time| time.as_millis())
        };
        // Timers end up to a millisecond late.
        assert!(matches!(blocked("accept"), Some(30 | 31)));
        assert!(matches!(blocked("recv"), Some(50 | 51)));
        assert_eq!((blocked("send"), blocked("connect")), (None, None));
    });
}

#[test]
fn unix_streams_packets_and_threads_are_told_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    for (at, mode, transport) in [
        (path("s"), Mode::Concurrent, Transport::Unix),
        (
            format!("seqpacket:{}", path("p")),
            Mode::Concurrent,
            Transport::UnixPackets,
        ),
        (path("t"), Mode::Threads, Transport::Unix),
        ("tcp:127.0.0.1:0".to_owned(), Mode::Threads, Transport::Tcp),
    ] {
        let (events, _) = run(conversation(&at, mode));
        let (client, listener, accepted) = three(&events);
        assert_eq!(
            story(&events, client),
            [
                "socket", "connect", "send 5", "recv 5", "shutdown", "recv 0", "close"
            ],
            "{at}"
        );
        assert_eq!(
            story(&events, accepted),
            ["recv 5", "send 5", "recv 0", "close"],
            "{at}"
        );
        assert_eq!(story(&events, listener)[..3], ["socket", "bind", "listen"]);
        assert!(events.iter().all(|event| event.transport == transport));
        let states = events.iter().any(|event| event.state.is_some());
        assert_eq!(states, transport == Transport::Tcp);
    }
}

#[test]
fn below_tls_the_calls_are_the_socket_s() {
    run(async {
        let (network, mut calls) = Tap::new(Os);
        let server =
            Server::on(network.clone()).serve("echo", address("tls:127.0.0.1:0,self-signed"), Echo);
        let running = server.start().await.unwrap();
        let port = running.endpoints()[0].local.port().unwrap();
        let to = address(&format!("tls:127.0.0.1:{port},insecure"));
        let mut client = Client::on(network).connect(&to).await.unwrap();
        client.write_all(b"secret").await.unwrap();
        client.read_chunk().await.unwrap().unwrap();
        let events = calls.take();
        let bytes = events.iter().filter_map(|event| event.call.bytes());
        let all: Vec<u8> = bytes.flatten().copied().collect();
        assert!(all.starts_with(&[22, 3, 1]), "a ClientHello goes first");
        assert!(!all.windows(6).any(|six| six == b"secret"));
        drop(client);
        running.drain().await;
    });
}

#[test]
fn a_refused_connect_says_why() {
    run(async {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = Endpoint::Inet(free.local_addr().unwrap());
        drop(free);
        let (network, mut calls) = Tap::new(Os);
        let error = network.connect(&at, &ConnectOptions::default()).await;
        assert!(error.is_err());
        let events = calls.take();
        let only = sockets(&events)[0];
        assert_eq!(story(&events, only), ["socket", "connect!"]);
        let connect = find(&events, only, "connect");
        let failure = connect.failure().unwrap();
        assert_eq!(failure.code, Some(libc::ECONNREFUSED));
        assert_eq!(failure.kind, io::ErrorKind::ConnectionRefused);
        let state = connect.state.unwrap();
        assert_eq!(
            (state.through, state.to),
            (Some(TcpState::SynSent), TcpState::Closed)
        );
    });
}

#[test]
fn of_a_port_in_use_it_is_the_bind_that_fails() {
    run(async {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let at = Endpoint::Inet(taken.local_addr().unwrap());
        let (network, mut calls) = Tap::new(Os);
        let listened = network.listen(&at, &ListenOptions::default()).await;
        assert!(listened.is_err());
        let events = calls.take();
        let only = sockets(&events)[0];
        assert_eq!(story(&events, only), ["socket", "bind!"]);
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = Endpoint::Inet(udp.local_addr().unwrap());
        assert!(network.bind(&at, &BindOptions::default()).await.is_err());
        let events = calls.take();
        assert_eq!(story(&events, sockets(&events)[0]), ["socket", "bind!"]);
    });
}

#[test]
fn a_connect_that_is_given_up_is_told() {
    run(async {
        tokio::time::pause();
        // A listener whose queue is full makes a connect to a Unix socket wait.
        let directory = tempfile::tempdir().unwrap();
        let at = Endpoint::Unix(wharf::network::UnixName::Path(directory.path().join("s")));
        let options = ListenOptions {
            backlog: Some(0),
            ..ListenOptions::default()
        };
        let (network, mut calls) = Tap::new(Os);
        let _listener = network.listen(&at, &options).await.unwrap();
        let _first = network
            .connect(&at, &ConnectOptions::default())
            .await
            .unwrap();
        calls.take();
        let options = ConnectOptions::default();
        let second = network.connect(&at, &options);
        let waited = tokio::time::timeout(Duration::from_millis(200), second).await;
        assert!(waited.is_err());
        let events = calls.take();
        let only = sockets(&events)[0];
        assert_eq!(story(&events, only), ["socket", "connect?"]);
        assert!(find(&events, only, "connect").blocked.is_some());
    });
}

#[test]
fn datagrams_name_their_peers_and_a_closed_port_answers() {
    for ip in ["127.0.0.1", "[::1]"] {
        run(async {
            let (network, mut calls) = Tap::new(Os);
            let at = endpoint(&format!("{ip}:0"));
            let mut server = network.bind(&at, &BindOptions::default()).await.unwrap();
            let here = server.local().clone();
            let to = address(&format!("udp:{here}"));
            let (mut client, _) = Client::on(network).datagrams(&to).await.unwrap();
            client.send_to(b"hello", &here).await.unwrap();
            let mut batch = Batch::new();
            server.receive(&mut batch).await.unwrap();
            Datagrammed(|text: &[u8], reply: &mut Vec<u8>| reply.extend(text.to_ascii_uppercase()))
                .receive(&mut batch, &context());
            server.send(&mut batch).await.unwrap();
            let mut text = Vec::new();
            client.receive_from(&mut text).await.unwrap();
            assert_eq!(text, b"HELLO");
            drop(server);
            client.send_to(b"anybody?", &here).await.unwrap();
            let refused = client.receive_from(&mut text).await.unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let local = client.local().clone();
            drop(client);

            let events = calls.take();
            let [of_server, of_client] = sockets(&events)[..] else {
                panic!("{events:?}");
            };
            assert_eq!(
                story(&events, of_server),
                ["socket", "bind", "recvfrom 5", "sendto 5", "close"]
            );
            assert_eq!(
                story(&events, of_client),
                [
                    "socket", "bind", "connect", "send 5", "recv 5", "send 8", "recv! 0", "close"
                ]
            );
            let recvfrom = &find(&events, of_server, "recvfrom").call;
            assert!(
                matches!(recvfrom, Call::ReceiveFrom { from: Some(from), .. } if *from == local)
            );
            let sendto = &find(&events, of_server, "sendto").call;
            assert!(matches!(sendto, Call::SendTo { to, .. } if *to == local));
            assert!(events.iter().all(|event| event.transport == Transport::Udp));
        });
    }
}

fn context() -> Context {
    Context::new(wharf::network::Platform::os(), wharf::service::Drain::new())
}

#[test]
fn a_datagram_that_is_too_long_fails_alone() {
    run(async {
        let (network, mut calls) = Tap::new(Os);
        let at = endpoint("127.0.0.1:0");
        let mut socket = network.bind(&at, &BindOptions::default()).await.unwrap();
        let here = socket.local().clone();
        let mut batch = Batch::new();
        batch.send(&here, b"one");
        batch.send(&here, &[0; 65_520]);
        batch.send(&here, b"three");
        let sent = socket.send(&mut batch).await.unwrap();
        assert_eq!((sent.sent, sent.failed), (2, 1));
        let events = calls.take();
        let only = sockets(&events)[0];
        assert_eq!(
            story(&events, only),
            ["socket", "bind", "sendto 3", "sendto! 0", "sendto 5"]
        );
    });
}

#[test]
fn a_full_journal_drops_and_counts_and_nobody_waits() {
    run(async {
        let size = JournalSize {
            events: 8,
            bytes: 1 << 20,
        };
        let (network, mut calls) = Tap::with_size(MemoryNetwork::new(), size);
        let (mut a, mut b) = joined(&network).await;
        for _ in 0..100 {
            a.write_all(b"x").await.unwrap();
            b.read_chunk().await.unwrap().unwrap();
        }
        drop((a, b));
        let kept = calls.take();
        assert_eq!(kept.len(), 8);
        // The beginning is what is kept: three for the listener, two for the client …
        assert_eq!(kept[0].call, Call::Socket);
        let all = 3 + 2 + 1 + 200 + 2;
        assert_eq!(calls.dropped(), all - 8 + 1, "with the listener's close");
        // Bytes are bounded as well.
        let size = JournalSize {
            events: 1_000,
            bytes: 100,
        };
        let (network, mut calls) = Tap::with_size(MemoryNetwork::new(), size);
        let (mut a, _b) = joined(&network).await;
        for _ in 0..5 {
            a.write_all(&[1; 60]).await.unwrap();
        }
        let kept = calls.take();
        let bytes: usize = kept
            .iter()
            .filter_map(|event| event.call.bytes())
            .map(|bytes| bytes.len())
            .sum();
        assert_eq!((bytes, calls.dropped()), (60, 4));
    });
}

async fn joined(network: &Tap<MemoryNetwork>) -> (Connection, Connection) {
    let here = endpoint("127.0.0.1:0");
    let mut listener = network
        .listen(&here, &ListenOptions::default())
        .await
        .unwrap();
    let options = ConnectOptions::default();
    let client = network.connect(listener.local(), &options).await.unwrap();
    (client, listener.accept().await.unwrap())
}

#[test]
fn a_reader_that_went_away_keeps_nothing() {
    run(async {
        let (network, calls) = Tap::new(MemoryNetwork::new());
        drop(calls);
        let (mut a, mut b) = joined(&network).await;
        a.write_all(b"still works").await.unwrap();
        assert_eq!(&*b.read_chunk().await.unwrap().unwrap(), b"still works");
    });
}

#[test]
fn packets_keep_their_boundaries_below_a_tap() {
    run(async {
        let directory = tempfile::tempdir().unwrap();
        let at = Endpoint::Unix(wharf::network::UnixName::Path(directory.path().join("p")));
        let (network, mut calls) = Tap::new(Os);
        let kind = StreamKind::Packets;
        let options = ListenOptions {
            kind,
            ..ListenOptions::default()
        };
        let mut listener = network.listen(&at, &options).await.unwrap();
        let options = ConnectOptions {
            kind,
            ..ConnectOptions::default()
        };
        let mut client = network.connect(&at, &options).await.unwrap();
        let mut server = listener.accept().await.unwrap();
        assert_eq!((client.kind(), server.kind()), (kind, kind));
        client.write_all(b"one").await.unwrap();
        client.write_all(b"two").await.unwrap();
        assert_eq!(&*server.read_chunk().await.unwrap().unwrap(), b"one");
        assert_eq!(&*server.read_chunk().await.unwrap().unwrap(), b"two");
        let events = calls.take();
        assert!(
            events
                .iter()
                .all(|event| event.transport == Transport::UnixPackets)
        );
    });
}

/// One step of a random conversation.
#[derive(Clone, Debug)]
enum Move {
    Write(bool, Vec<u8>),
    Read(bool),
    Finish(bool),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (
            any::<bool>(),
            proptest::collection::vec(any::<u8>(), 1..200)
        )
            .prop_map(|(side, bytes)| Move::Write(side, bytes)),
        any::<bool>().prop_map(Move::Read),
        any::<bool>().prop_map(Move::Finish),
    ];
    proptest::collection::vec(one, 0..30)
}

/// What the events of a socket say that it sent or received.
fn moved(events: &[Event], socket: SocketId, name: &str) -> Vec<u8> {
    let of_socket = events
        .iter()
        .filter(|event| event.socket == socket && event.call.name() == name);
    of_socket
        .filter_map(|event| event.call.bytes())
        .flatten()
        .copied()
        .collect()
}

/// Plays `moves`; gives what each side wrote and read, and what was told of it.
async fn play(moves: Vec<Move>) -> ([Vec<u8>; 2], [Vec<u8>; 2], Vec<Event>, Calls) {
    let (network, mut calls) = Tap::new(MemoryNetwork::new());
    let (client, server) = joined(&network).await;
    let mut ends = [client, server];
    let (mut wrote, mut read) = ([vec![], vec![]], [vec![], vec![]]);
    let mut finished = [false; 2];
    for one in moves {
        match one {
            Move::Write(side, bytes) if !finished[usize::from(side)] => {
                let side = usize::from(side);
                ends[side].write_all(&bytes).await.unwrap();
                wrote[side].extend(bytes);
            }
            Move::Write(..) => {}
            Move::Read(side) => {
                let side = usize::from(side);
                let wait = Duration::from_millis(1);
                if let Ok(chunk) = tokio::time::timeout(wait, ends[side].read_chunk()).await
                    && let Some(chunk) = chunk.unwrap()
                {
                    read[side].extend_from_slice(&chunk);
                }
            }
            Move::Finish(side) => {
                let side = usize::from(side);
                ends[side].finish().await.unwrap();
                finished[side] = true;
            }
        }
    }
    drop(ends);
    let events = calls.take();
    (wrote, read, events, calls)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn events_tell_every_byte_in_order(moves in moves()) {
        let (wrote, read, events, calls) = run(async {
            tokio::time::pause();
            play(moves).await
        });
        prop_assert_eq!(calls.dropped(), 0);
        let (client, _, accepted) = three(&events);
        for (side, socket) in [client, accepted].into_iter().enumerate() {
            prop_assert_eq!(&moved(&events, socket, "send"), &wrote[side]);
            prop_assert_eq!(&moved(&events, socket, "recv"), &read[side]);
            let told = story(&events, socket);
            prop_assert_eq!(told.last().map(String::as_str), Some("close"));
            prop_assert!(told.iter().filter(|word| *word == "close").count() == 1);
        }
        for (number, event) in events.iter().enumerate() {
            prop_assert_eq!(event.number, number as u64);
            prop_assert!(event.started <= event.ended);
        }
        for pair in events.windows(2) {
            prop_assert!(pair[0].ended <= pair[1].ended, "{:?}", pair);
        }
    }
}
