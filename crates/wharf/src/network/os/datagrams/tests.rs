//! Tests of `datagrams`.

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use super::*;
use crate::network::{Network, Os};
use crate::service::{Context, Drain};

fn inet_endpoint(text: &str) -> Endpoint {
    Endpoint::Inet(text.parse().unwrap())
}

async fn bound(at: &str) -> Datagrams {
    let options = BindOptions::default();
    Os.bind(&inet_endpoint(at), &options).await.unwrap()
}

fn port(socket: &Datagrams) -> u16 {
    socket.local().port().unwrap()
}

/// A client of the standard library; the kernel takes its datagrams at once.
fn client(at: &str) -> UdpSocket {
    let socket = UdpSocket::bind(at).unwrap();
    let patience = Some(Duration::from_secs(5));
    socket.set_read_timeout(patience).unwrap();
    socket
}

/// Receives one batch and sends all of it back.
async fn echo(server: &mut Datagrams, batch: &mut Batch) -> usize {
    let count = server.receive(batch).await.unwrap();
    for i in 0..count {
        batch.reply_in_place(i);
    }
    server.send(batch).await.unwrap();
    count
}

/// What the client hears, as `(bytes, from)`.
fn hear(client: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut space = vec![0; 70_000];
    let (length, from) = client.recv_from(&mut space).unwrap();
    space.truncate(length);
    (space, from)
}

#[tokio::test]
async fn datagrams_of_every_length_are_echoed_over_both_families() {
    for host in ["127.0.0.1", "[::1]"] {
        let mut server = bound(&format!("{host}:0")).await;
        let to = server.local().inet().unwrap();
        let client = client(&format!("{host}:0"));
        let mut batch = Batch::new();
        for length in [0, 1, 1_200, 65_507] {
            let sent = vec![b'x'; length];
            client.send_to(&sent, to).unwrap();
            echo(&mut server, &mut batch).await;
            let (heard, from) = hear(&client);
            assert!(heard == sent && from == to, "{length} bytes over {host}");
        }
    }
}

#[tokio::test]
async fn many_datagrams_of_many_peers_go_back_to_the_right_ones() {
    let mut server = bound("127.0.0.1:0").await;
    let to = server.local().inet().unwrap();
    let clients: Vec<_> = (0..50).map(|_| client("127.0.0.1:0")).collect();
    for round in 0..3_u8 {
        for (i, client) in clients.iter().enumerate() {
            client.send_to(&[i as u8, round], to).unwrap();
        }
    }
    let mut batch = Batch::new();
    let mut echoed = 0;
    while echoed < 150 {
        echoed += echo(&mut server, &mut batch).await;
    }
    for (i, client) in clients.iter().enumerate() {
        let heard: Vec<_> = (0..3).map(|_| hear(client).0).collect();
        let i = i as u8;
        assert_eq!(heard, [vec![i, 0], vec![i, 1], vec![i, 2]]);
    }
    let counters = server.counters();
    assert_eq!((counters.received, counters.sent), (150, 150));
    assert_eq!((counters.bytes_received, counters.bytes_sent), (300, 300));
}

#[tokio::test]
async fn no_datagram_is_left_lying_when_a_busy_socket_becomes_idle() {
    let mut server = bound("127.0.0.1:0").await;
    let to = server.local().inet().unwrap();
    let drain = Drain::new();
    let context = Context::new(Os.platform(), drain.clone());
    let client = tokio::task::spawn_blocking(move || {
        let client = client("127.0.0.1:0");
        for window in [1, 2, 100, 1, 9, 7, 64, 65, 1].repeat(20) {
            for _ in 0..window {
                client.send_to(b"x", to).unwrap();
            }
            // Waits for the last answer, so the server falls idle here.
            (0..window).for_each(|_| assert_eq!(hear(&client).0, b"x"));
        }
        drain.begin();
    });
    let echo = crate::datagram::Datagrammed(|message: &[u8], reply: &mut Vec<u8>| {
        reply.extend_from_slice(message);
    });
    server
        .serve(&echo, &mut Batch::new(), &context)
        .await
        .unwrap();
    client.await.unwrap();
}

#[tokio::test]
async fn a_reply_leaves_from_the_address_that_the_datagram_came_to() {
    let mut batch = Batch::new();
    let mut server = bound("0.0.0.0:0").await;
    let client4 = client("127.0.0.1:0");
    for host in [[127, 0, 0, 2], [127, 0, 0, 3]] {
        let to = SocketAddr::from((host, port(&server)));
        client4.send_to(b"who?", to).unwrap();
        echo(&mut server, &mut batch).await;
        assert_eq!(hear(&client4), (b"who?".to_vec(), to));
    }
    let mut server = bound("[::]:0").await;
    let client6 = client("[::1]:0");
    let to: SocketAddr = format!("[::1]:{}", port(&server)).parse().unwrap();
    client6.send_to(b"who?", to).unwrap();
    echo(&mut server, &mut batch).await;
    assert_eq!(hear(&client6), (b"who?".to_vec(), to));
}

#[tokio::test]
async fn replies_to_ports_that_are_gone_do_not_end_the_loop() {
    let mut server = bound("127.0.0.1:0").await;
    let to = server.local().inet().unwrap();
    let mut batch = Batch::new();
    for _ in 0..3 {
        let gone = client("127.0.0.1:0");
        gone.send_to(b"bye", to).unwrap();
        drop(gone);
        echo(&mut server, &mut batch).await;
    }
    let client = client("127.0.0.1:0");
    client.send_to(b"hello", to).unwrap();
    echo(&mut server, &mut batch).await;
    assert_eq!(hear(&client).0, b"hello");
}

#[tokio::test]
async fn a_datagram_that_cannot_be_sent_does_not_stop_the_others() {
    let mut server = bound("127.0.0.1:0").await;
    let client = client("127.0.0.1:0");
    let good = client.local_addr().unwrap().into();
    let mut batch = Batch::new();
    batch.send(&good, b"first");
    batch.send(&good, &vec![0; 65_508]); // EMSGSIZE
    batch.send(&inet_endpoint("[::1]:9"), b"wrong family");
    batch.send(&inet_endpoint("255.255.255.255:9"), b"not a broadcaster");
    batch.send(&good, b"last");
    let sent = server.send(&mut batch).await.unwrap();
    assert_eq!((sent.sent, sent.failed), (2, 3));
    assert_eq!(hear(&client).0, b"first");
    assert_eq!(hear(&client).0, b"last");
}

#[tokio::test]
async fn a_connected_client_hears_that_nobody_listens_and_goes_on() {
    let mut client = bound("127.0.0.1:0").await;
    let gone = bound("127.0.0.1:0").await.local().clone();
    client.connect(&gone).unwrap();
    client.send_to(b"anybody?", &gone).await.unwrap();
    let mut heard = Vec::new();
    let error = client.receive_from(&mut heard).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(client.counters().icmp_errors, 1);

    let mut server = Os.bind(&gone, &BindOptions::default()).await.unwrap();
    client.send_to(b"and now?", &gone).await.unwrap();
    echo(&mut server, &mut Batch::new()).await;
    assert_eq!(client.receive_from(&mut heard).await.unwrap(), gone);
    assert_eq!(heard, b"and now?");
}

#[tokio::test]
async fn a_truncated_datagram_is_counted_and_the_others_are_received() {
    let mut server = bound("127.0.0.1:0").await;
    let to = server.local().inet().unwrap();
    let client = client("127.0.0.1:0");
    for sent in ["one", "far too long", "two"] {
        client.send_to(sent.as_bytes(), to).unwrap();
    }
    let mut batch = Batch::with_slots(8, 4);
    let mut heard = Vec::new();
    while heard.len() < 2 {
        server.receive(&mut batch).await.unwrap();
        heard.extend(batch.iter().map(|datagram| datagram.payload.to_vec()));
    }
    assert_eq!(heard, [b"one", b"two"]);
    assert_eq!(server.counters().truncated, 1);
}

#[tokio::test]
async fn what_the_receive_buffer_could_not_hold_is_counted() {
    let options = BindOptions {
        receive_buffer: 4_096,
        ..BindOptions::default()
    };
    let here = inet_endpoint("127.0.0.1:0");
    let server = Os.bind(&here, &options).await.unwrap();
    let to = server.local().inet().unwrap();
    let client = client("127.0.0.1:0");
    for _ in 0..100 {
        client.send_to(&[0; 1_000], to).unwrap();
    }
    assert!(server.counters().kernel_dropped > 0);
    assert_eq!(server.receive_buffer().asked, 4_096);
    assert!(server.receive_buffer().granted > 0);
}

#[tokio::test]
async fn a_port_in_use_is_an_error_unless_it_is_shared_on_purpose() {
    let with = |sharing| BindOptions {
        sharing,
        ..BindOptions::default()
    };
    let here = inet_endpoint("127.0.0.1:0");
    let first = Os
        .bind(&here, &with(PortSharing::SharedFirst))
        .await
        .unwrap();
    let at = first.local();
    for sharing in [PortSharing::Exclusive, PortSharing::SharedFirst] {
        let error = Os.bind(at, &with(sharing)).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
    Os.bind(at, &with(PortSharing::SharedNext)).await.unwrap();
}

#[tokio::test]
async fn a_group_on_the_loopback_interface_is_joined() {
    let options = BindOptions {
        join: vec![Membership {
            group: "239.255.77.77".parse().unwrap(),
            interface: Some("lo".into()),
        }],
        ..BindOptions::default()
    };
    let here = inet_endpoint("0.0.0.0:0");
    let mut server = Os.bind(&here, &options).await.unwrap();
    let group = SocketAddr::from(([239, 255, 77, 77], port(&server)));
    // It hears itself: a sender on this host is a member of its own group.
    server.send_to(b"all", &group.into()).await.unwrap();
    let mut heard = Vec::new();
    server.receive_from(&mut heard).await.unwrap();
    assert_eq!(heard, b"all");
    let nowhere = BindOptions {
        join: vec![Membership {
            group: group.ip(),
            interface: Some("no-such-if".into()),
        }],
        ..BindOptions::default()
    };
    let error = Os.bind(&here, &nowhere).await.unwrap_err();
    assert!(error.to_string().contains("no-such-if"));
}

#[tokio::test]
async fn unix_datagrams_go_to_paths_and_to_names_that_the_kernel_chose() {
    let directory = tempfile::tempdir().unwrap();
    let at = Endpoint::Unix(UnixName::Path(directory.path().join("server")));
    let options = BindOptions::default();
    let mut server = Os.bind(&at, &options).await.unwrap();
    let mut batch = Batch::new();

    let unnamed = Endpoint::Unix(UnixName::Unnamed);
    let mut client = Os.bind(&unnamed, &options).await.unwrap();
    assert!(matches!(
        client.local(),
        Endpoint::Unix(UnixName::Abstract(_))
    ));
    client.send_to(b"", &at).await.unwrap();
    client.send_to(b"hi", &at).await.unwrap();
    let mut heard = vec![0];
    echo(&mut server, &mut batch).await;
    assert_eq!(client.receive_from(&mut heard).await.unwrap(), at);
    assert_eq!(heard, b"");
    client.receive_from(&mut heard).await.unwrap();
    assert_eq!(heard, b"hi");

    // A peer without a name cannot be answered; the next one is.
    let nameless = UnixDatagram::unbound().unwrap();
    nameless
        .send_to(b"?", directory.path().join("server"))
        .unwrap();
    echo(&mut server, &mut batch).await;
    assert_eq!(server.counters().not_queued, 1);
}

#[tokio::test]
async fn a_unix_peer_that_reads_nothing_does_not_stop_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let at = Endpoint::Unix(UnixName::Path(directory.path().join("server")));
    let mut server = Os.bind(&at, &BindOptions::default()).await.unwrap();
    let deaf = directory.path().join("deaf");
    let _deaf = UnixDatagram::bind(&deaf).unwrap();
    let to = Endpoint::Unix(UnixName::Path(deaf));
    let mut batch = Batch::new();
    for _ in 0..1_000 {
        batch.send(&to, b"hello?");
    }
    let sent = server.send(&mut batch).await.unwrap();
    assert!(sent.sent > 0 && sent.failed > 0, "{sent:?}");
}

#[tokio::test]
async fn the_loop_answers_what_is_queued_and_ends_with_the_drain() {
    let mut server = bound("127.0.0.1:0").await;
    let to = server.local().inet().unwrap();
    let client = client("127.0.0.1:0");
    for _ in 0..100 {
        client.send_to(b"last words", to).unwrap();
    }
    let drain = Drain::new();
    let context = Context::new(Os.platform(), drain.clone());
    let service = crate::datagram::Datagrammed(|message: &[u8], reply: &mut Vec<u8>| {
        reply.extend_from_slice(message);
    });
    let mut batch = Batch::new();
    let serving = server.serve(&service, &mut batch, &context);
    let stopping = async { drain.begin() };
    let (outcome, _) = tokio::join!(serving, stopping);
    outcome.unwrap();
    assert_eq!(server.counters().sent, 100);
}
