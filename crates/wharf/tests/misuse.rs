//! What goes wrong in one conversation stays there, is named and is counted.

mod common;

use std::time::Duration;

use common::{
    Echo, Seen, address, asked, connected, joined, read_to_end, soon, started, within_a_day,
};
use wharf::address::Scheme;
use wharf::client::Client;
use wharf::connection::{CloseReason, Connection};
use wharf::framing::{Framing, Limits as FrameLimits, OnTooLong};
use wharf::network::{MemoryNetwork, memory::Delivery};
use wharf::server::Server;
use wharf::service::{Context, Framed, Reply, Service, ServiceError};

/// Panics at "!", fails at "?", protests at "#".
struct Picky;

impl Service for Picky {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        while let Some(chunk) = peer.read_chunk().await? {
            peer.write_all(&chunk).await?;
            match chunk[0] {
                b'!' => panic!("it said {:?}", &chunk[..]),
                b'?' => return Err(ServiceError::failed("no answer to that")),
                b'#' => return Err(ServiceError::Protocol("numbers are not spoken".into())),
                _ => {}
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_failing_conversation_harms_no_other() {
    let server = Server::new().serve("picky", address("tcp:127.0.0.1:0"), Picky);
    let (running, recorder) = started(server).await;
    let mut other = connected(&running).await;
    asked(&mut other, b"hello").await;
    let cases: [(&[u8], CloseReason, &str); 3] = [
        (b"!", CloseReason::ServicePanicked, "it said"),
        (b"?", CloseReason::ServiceFailed, "no answer to that"),
        (b"#", CloseReason::ProtocolError, "numbers are not spoken"),
    ];
    for (index, (words, reason, detail)) in cases.into_iter().enumerate() {
        let mut client = connected(&running).await;
        client.write_all(words).await.unwrap();
        assert_eq!(read_to_end(&mut client).await.unwrap(), words);
        drop(client);
        let ends = soon(recorder.ends(index + 1)).await;
        assert_eq!(ends[index].reason, reason);
        assert!(ends[index].detail.as_ref().unwrap().contains(detail));
        assert_eq!(running.snapshot().ended(reason), 1);
        asked(&mut other, b"still here").await;
    }
    asked(&mut connected(&running).await, b"and new ones").await;
}

/// A client that is gone without a goodbye: SO_LINGER with zero time sends RST.
#[tokio::test]
async fn a_reset_in_the_middle_is_a_reset() {
    let server = Server::new().serve("echo", address("tcp:127.0.0.1:0"), Echo);
    let (running, recorder) = started(server).await;
    let to = running.endpoints()[0].local.inet().unwrap();
    for round in 1..=20 {
        let client = socket2::Socket::new(
            socket2::Domain::for_address(to),
            socket2::Type::STREAM,
            None,
        )
        .unwrap();
        client.connect(&to.into()).unwrap();
        client.send(b"half a mess").unwrap();
        soon(async {
            while running.snapshot().received < 11 * round {
                tokio::task::yield_now().await;
            }
        })
        .await;
        client.set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        let ends = soon(recorder.ends(round as usize)).await;
        assert_eq!(ends.last().unwrap().reason, CloseReason::PeerReset);
    }
    asked(&mut connected(&running).await, b"hello").await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_reaches_a_connection_that_waits() {
    let network = MemoryNetwork::new();
    let server = Server::on(network.clone()).serve("echo", address("tcp::7"), Echo);
    let (running, recorder) = started(server).await;
    let mut client = joined(&network, &running).await;
    asked(&mut client, b"hello").await;
    network.reset_all();
    assert_eq!(soon(recorder.end()).await.reason, CloseReason::PeerReset);
    assert!(client.read_chunk().await.is_err());
}

#[tokio::test]
async fn who_connects_and_leaves_has_closed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |scheme: &str| format!("{scheme}:{}", directory.path().join(scheme).display());
    for at in ["tcp:127.0.0.1:0".to_owned(), at("unix"), at("seqpacket")] {
        let server = Server::new().serve("echo", address(&at), Echo);
        let (running, recorder) = started(server).await;
        for _ in 0..100 {
            drop(connected(&running).await);
        }
        for ended in soon(recorder.ends(100)).await {
            assert_eq!(ended.reason, CloseReason::PeerClosed, "{at}");
            assert_eq!((ended.received, ended.sent), (0, 0));
        }
    }
}

#[tokio::test]
async fn who_leaves_in_the_handshake_fails_it() {
    let server = Server::new().serve("echo", address("tls:127.0.0.1:0,self-signed"), Echo);
    let (running, recorder) = started(server).await;
    let mut plain = common::first(&running);
    plain.scheme = Scheme::Tcp;
    drop(soon(Client::new().connect(&plain)).await.unwrap());
    assert_eq!(soon(recorder.end()).await.reason, CloseReason::TlsFailed);
}

fn shout(on_too_long: OnTooLong) -> Framed<impl Reply> {
    let limits = FrameLimits {
        on_too_long,
        ..FrameLimits::default()
    };
    let reply = |message: &[u8], reply: &mut Vec<u8>| reply.extend(message.to_ascii_uppercase());
    Framed::new(Framing::default(), reply).limits(limits)
}

#[tokio::test]
async fn a_megabyte_without_a_newline_is_too_long() {
    let server = Server::new().serve("shout", address("tcp:127.0.0.1:0"), shout(OnTooLong::Close));
    let (running, recorder) = started(server).await;
    let mut client = connected(&running).await;
    asked(&mut client, b"short\n").await;
    // The server may close before it has read everything; it must not answer it.
    let _ = soon(client.write_all(&[b'x'; 1_000_000])).await;
    if let Ok(rest) = read_to_end(&mut client).await {
        assert_eq!(rest, b"");
    }
    drop(client);
    let ended = soon(recorder.end()).await;
    assert_eq!(ended.reason, CloseReason::MessageTooLong);
    assert_eq!(ended.messages, 1);
}

#[tokio::test]
async fn a_megabyte_without_a_newline_is_skipped_when_asked() {
    let server = Server::new().serve("shout", address("tcp:127.0.0.1:0"), shout(OnTooLong::Skip));
    let (running, recorder) = started(server).await;
    let mut client = connected(&running).await;
    soon(client.write_all(&[b'x'; 1_000_000])).await.unwrap();
    soon(client.write_all(b"\nafter that\n")).await.unwrap();
    soon(client.finish()).await.unwrap();
    assert_eq!(read_to_end(&mut client).await.unwrap(), b"AFTER THAT\n");
    assert_eq!(soon(recorder.end()).await.messages, 1);
}

/// Bytes without a pattern, the same in every run.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        // xorshift64 (Marsaglia 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn noise_ends_conversations_by_name_and_nothing_else() {
    let framings = [
        "lines",
        "crlf",
        "u8",
        "u16",
        "u32",
        "u64-le",
        "varint",
        "netstring",
        "fixed=7",
        "raw",
    ];
    let mut server = Server::new();
    for framing in framings {
        let Ok(framing) = framing.parse::<Framing>() else {
            continue;
        };
        let reply = |message: &[u8], reply: &mut Vec<u8>| reply.extend_from_slice(message);
        let service = Framed::new(framing, reply);
        server = server.serve("noise", address("tcp:127.0.0.1:0"), service);
    }
    server = server.serve("tls", address("tls:127.0.0.1:0,self-signed"), Echo);
    let (running, recorder) = started(server).await;
    let mut count = 0;
    for bound in running.endpoints() {
        for seed in 1..=5 {
            let mut to = common::to(bound);
            to.scheme = Scheme::Tcp;
            let mut client = soon(Client::new().connect(&to)).await.unwrap();
            let talking = async {
                // The server may have enough of it at any point.
                let _ = client.write_all(&noise(seed, 50_000)).await;
                let _ = client.finish().await;
                while let Ok(Some(_)) = client.read_chunk().await {}
            };
            soon(talking).await;
            count += 1;
        }
    }
    for ended in soon(recorder.ends(count)).await {
        assert!(
            matches!(
                ended.reason,
                CloseReason::PeerClosed
                    | CloseReason::PeerReset
                    | CloseReason::MessageTooLong
                    | CloseReason::ProtocolError
                    | CloseReason::TlsFailed
            ),
            "{ended:?}"
        );
    }
    assert!(running.snapshot().connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn bytes_one_by_one_make_the_same_messages() {
    let network = MemoryNetwork::new();
    network.deliver(Delivery::ByteByByte);
    let service = shout(OnTooLong::Close);
    let server = Server::on(network.clone()).serve("shout", address("tcp::7"), service);
    let (running, recorder) = started(server).await;
    let mut client = joined(&network, &running).await;
    for _ in 0..10 {
        for byte in b"slow\n" {
            client.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    soon(client.finish()).await.unwrap();
    assert_eq!(
        read_to_end(&mut client).await.unwrap(),
        b"SLOW\n".repeat(10)
    );
    let ended = within_a_day(recorder.end()).await;
    assert_eq!((ended.messages, ended.received, ended.sent), (10, 50, 50));
}

#[tokio::test]
async fn every_number_of_a_scripted_run_is_exact() {
    let server = Server::new()
        .serve("shout", address("tcp:127.0.0.1:0"), shout(OnTooLong::Close))
        .serve("picky", address("tcp:127.0.0.1:0"), Picky);
    let (running, recorder) = started(server).await;
    let [at_shout, at_picky] = [0, 1].map(|index| common::to(&running.endpoints()[index]));
    let client = Client::new();
    for _ in 0..3 {
        let mut one = soon(client.connect(&at_shout)).await.unwrap();
        asked(&mut one, b"a\nbc\n").await;
        soon(one.close()).await.unwrap();
    }
    let mut two = soon(client.connect(&at_picky)).await.unwrap();
    two.write_all(b"?").await.unwrap();
    assert_eq!(read_to_end(&mut two).await.unwrap(), b"?");
    drop(two);
    soon(recorder.ends(4)).await;
    let mut live = soon(client.connect(&at_shout)).await.unwrap();
    asked(&mut live, b"live\n").await;

    let snapshot = running.snapshot();
    assert_eq!(snapshot.accepted, 5);
    assert_eq!(snapshot.ended(CloseReason::PeerClosed), 3);
    assert_eq!(snapshot.ended(CloseReason::ServiceFailed), 1);
    let ended: u64 = snapshot.ended.iter().map(|(_, count)| count).sum();
    assert_eq!(ended, 4);
    assert_eq!(
        (snapshot.received, snapshot.sent),
        (3 * 5 + 1 + 5, 3 * 5 + 1 + 5)
    );
    assert_eq!(snapshot.messages, 7);
    let [connection] = &snapshot.connections[..] else {
        panic!("{:?}", snapshot.connections);
    };
    assert_eq!((connection.id, &*connection.service), (5, "shout"));
    assert_eq!(&connection.peer, live.local());
    assert_eq!(
        (connection.received, connection.sent, connection.messages),
        (5, 5, 1)
    );

    soon(live.close()).await.unwrap();
    soon(recorder.ends(5)).await;
    let seen = recorder.all();
    assert!(matches!(
        seen[..2],
        [Seen::Listening(_), Seen::Listening(_)]
    ));
    for id in 1..=5 {
        let opened = seen.iter().position(|seen| *seen == Seen::Opened(id));
        let closed = seen
            .iter()
            .position(|seen| matches!(seen, Seen::Closed(ended) if ended.id == id));
        assert!(opened.unwrap() < closed.unwrap(), "{seen:?}");
    }
}

/// The sum over closed and live connections must hold at every moment, also while
/// connections end on another core.
#[tokio::test]
async fn a_snapshot_never_counts_a_connection_twice() {
    let server = Server::new()
        .serve("echo", address("tcp:127.0.0.1:0"), Echo)
        .cores(2);
    let (running, recorder) = started(server).await;
    let mut seen = 0;
    for round in 0..200 {
        let mut client = connected(&running).await;
        asked(&mut client, b"four").await;
        drop(client);
        soon(async {
            while recorder.count(|seen| matches!(seen, Seen::Closed(_))) <= round {
                let snapshot = running.snapshot();
                let ended: u64 = snapshot.ended.iter().map(|(_, count)| count).sum();
                let live = snapshot.connections.len() as u64;
                assert_eq!(ended + live, snapshot.accepted);
                assert!(snapshot.received >= seen && snapshot.received <= snapshot.accepted * 4);
                seen = snapshot.received;
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}
