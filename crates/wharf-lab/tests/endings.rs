//! How connections end, and that they do not end by themselves.

use std::time::Duration;

use wharf::network::{ListenOptions, Network, StreamOptions};
use wharf_lab::core::{Change, NodeId};
use wharf_lab::stack::Host;
use wharf_lab::topology::ChangePlan;
use wharf_lab::{Lab, LabError, Link, Topology};

#[test]
fn what_was_written_is_delivered_however_long_it_takes() {
    const BYTES: usize = 200_000;
    // 200,000 B at 9,600 bit/s: almost three minutes.
    let slow = Link::default().rate(9_600).queue(16 << 10);
    let outcome = Lab::new(1).link(slow).run(async |hosts| {
        let mut listener = hosts[0].listen("tcp::7").await?;
        let mut client = hosts[1].connect("h0:7").await?;
        let mut server = listener.accept().await?;
        server.write_all(&[b'x'; BYTES]).await?;
        drop(server);
        let begun = tokio::time::Instant::now();
        let heard = client.read_to_end(1 << 20).await?;
        Ok::<_, LabError>((heard.len(), begun.elapsed()))
    });
    let (heard, took) = outcome.unwrap().value.unwrap();
    assert_eq!(heard, BYTES);
    assert!(took > Duration::from_secs(160), "{took:?}");
}

/// How many connections the server's host has left, so long after it let go of one.
fn left_after(pause: Duration, cut: bool) -> usize {
    let mut topology = Topology::pair();
    if cut {
        topology.changes.push(ChangePlan {
            at: Duration::from_secs(1),
            link: 0,
            change: Change::Down,
        });
    }
    let outcome = Lab::new(1).topology(topology).run(async |hosts| {
        // Without a timeout of its own for what is not acknowledged.
        let options = ListenOptions {
            stream: StreamOptions {
                user_timeout: None,
                ..StreamOptions::default()
            },
            ..ListenOptions::default()
        };
        let at = std::net::SocketAddr::from(([0, 0, 0, 0], 7)).into();
        let mut listener = hosts[0].network().listen(&at, &options).await?;
        let client = hosts[1].connect("tcp4:h0:7").await?;
        let mut server = listener.accept().await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        server.write_all(b"is anybody there?").await?;
        drop(server);
        tokio::time::sleep(pause).await;
        // It has not read, and keeps its side open.
        drop(client);
        Ok::<_, LabError>(())
    });
    let outcome = outcome.unwrap();
    outcome.value.unwrap();
    let host = outcome.report.fabric.node::<Host>(NodeId(0)).unwrap();
    host.open_connections()
}

#[test]
fn it_ends_when_its_peer_is_silent() {
    // Delivered, and the peer does not end its side: a minute.
    assert_eq!(left_after(Duration::from_secs(55), false), 1);
    assert_eq!(left_after(Duration::from_secs(65), false), 0);
    // Never delivered: as long as RFC 1122 wants it to be tried.
    assert_eq!(left_after(Duration::from_secs(95), true), 1);
    assert_eq!(left_after(Duration::from_secs(105), true), 0);
}

/// A connection that rests for ten minutes: whether it can be used afterwards, and when
/// its server noticed that it cannot. The link is cut meanwhile, or not.
fn rests(cut: bool) -> (bool, Option<Duration>) {
    let mut topology = Topology::pair();
    if cut {
        topology.changes.push(ChangePlan {
            at: Duration::from_secs(1),
            link: 0,
            change: Change::Down,
        });
    }
    let outcome = Lab::new(1).topology(topology).run(async |hosts| {
        let mut listener = hosts[0].listen("tcp::7").await?;
        let mut client = hosts[1].connect("tcp4:h0:7").await?;
        let mut server = listener.accept().await?;
        let begun = tokio::time::Instant::now();
        let reading = tokio::spawn(async move {
            let heard = server.read_chunk().await;
            (heard, begun.elapsed())
        });
        tokio::time::sleep(Duration::from_secs(600)).await;
        let sent = client.write_all(b"still there?").await;
        let (heard, after) = reading.await.map_err(std::io::Error::other)?;
        let alive = sent.is_ok() && heard.as_ref().is_ok_and(|heard| heard.is_some());
        Ok::<_, LabError>((alive, heard.is_err().then_some(after)))
    });
    outcome.unwrap().value.unwrap()
}

#[test]
fn silence_alone_ends_nothing_but_a_peer_that_is_gone_is_noticed() {
    assert_eq!(rests(false), (true, None));
    let (alive, noticed) = rests(true);
    assert!(!alive);
    // A minute until the first probe, and a minute for its answer.
    let noticed = noticed.expect("an error").as_secs();
    assert!((119..=121).contains(&noticed), "{noticed} s");
}

#[test]
fn what_is_not_acknowledged_for_a_minute_ends_it() {
    let mut topology = Topology::pair();
    topology.changes.push(ChangePlan {
        at: Duration::from_secs(1),
        link: 0,
        change: Change::Down,
    });
    let outcome = Lab::new(1).topology(topology).run(async |hosts| {
        let mut listener = hosts[0].listen("tcp::7").await?;
        let mut client = hosts[1].connect("tcp4:h0:7").await?;
        let _server = listener.accept().await?;
        tokio::time::sleep(Duration::from_secs(30)).await;
        let begun = tokio::time::Instant::now();
        client.write_all(b"hello?").await?;
        let error = client.read_chunk().await.unwrap_err();
        Ok::<_, LabError>((error.kind(), begun.elapsed().as_secs()))
    });
    let (kind, seconds) = outcome.unwrap().value.unwrap();
    assert_eq!(kind, std::io::ErrorKind::TimedOut);
    assert!((59..=61).contains(&seconds), "{seconds} s");
}
