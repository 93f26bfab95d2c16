//! The simple services, spoken to byte by byte.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use wharf_lab::{Hosts, LabError};
use wharf_services::{Chargen, Daytime, Discard, Echo, Message, Time, Upper};

use super::{PATIENCE, ask, endpoint, exactly, to_the_end};

/// How many datagrams are sent where nothing comes back.
const DATAGRAMS: usize = 20;

pub(super) async fn echo(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::7", Echo::default()).await?;
    let mut client = hosts[1].connect("h0:7").await?;
    let all: Vec<u8> = (0..200_000_u32).map(|i| (i * 7 / 3) as u8).collect();
    for part in all.chunks(20_000) {
        client.write_all(part).await?;
        assert_eq!(exactly(&mut client, part.len()).await?, part);
    }
    client.finish().await?;
    assert!(to_the_end(&mut client).await?.is_empty());
    Ok(())
}

pub(super) async fn echo_over_tls(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0]
        .serve("tls::7,self-signed", Echo::default())
        .await?;
    let mut client = hosts[1].connect("tls:h0:7,insecure").await?;
    client.write_all(b"in secret").await?;
    assert_eq!(exactly(&mut client, 9).await?, b"in secret");
    client.finish().await?;
    assert!(to_the_end(&mut client).await?.is_empty());
    Ok(())
}

pub(super) async fn echo_datagrams(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve_datagrams("udp::7", Echo::default()).await?;
    let mut socket = hosts[1].bind("udp::0").await?;
    let to = endpoint(&hosts, "h0", 7)?;
    for i in 0..20 {
        // The longest is cut into fragments.
        let payload = vec![i as u8 + 1; 1 + i * 150];
        ask(&mut socket, &to, &payload, |heard| heard == payload).await?;
    }
    Ok(())
}

pub(super) async fn upper(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::12000", Upper::default()).await?;
    let mut client = hosts[1].connect("h0:12000").await?;
    client.write_all("grüße\nfrom the lab\n".as_bytes()).await?;
    client.finish().await?;
    let heard = to_the_end(&mut client).await?;
    assert_eq!(String::from_utf8_lossy(&heard), "GRÜSSE\nFROM THE LAB\n");
    Ok(())
}

pub(super) async fn upper_datagrams(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0]
        .serve_datagrams("udp::12000", Upper::default())
        .await?;
    let mut socket = hosts[2].bind("udp::0").await?;
    let to = endpoint(&hosts, "h0", 12_000)?;
    ask(&mut socket, &to, b"hello", |heard| heard == b"HELLO").await
}

pub(super) async fn message(hosts: Hosts) -> Result<(), LabError> {
    let shown = Arc::new(Mutex::new(String::new()));
    let service = Message::new({
        let shown = Arc::clone(&shown);
        move |event| shown.lock().unwrap().push_str(&event.to_string())
    });
    let server = hosts[0].serve("tcp::11267", service).await?;
    let mut client = hosts[1].connect("h0:11267").await?;
    client.write_all(b"one line of it\n").await?;
    client.finish().await?;
    assert!(to_the_end(&mut client).await?.is_empty());
    server.drain().await;
    assert!(shown.lock().unwrap().contains("one line of it"));
    Ok(())
}

pub(super) async fn daytime(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::13", Daytime).await?;
    let mut client = hosts[1].connect("h0:13").await?;
    let heard = to_the_end(&mut client).await?;
    let heard = String::from_utf8(heard).unwrap();
    // Every lab begins at the same time of day.
    assert!(heard.contains("2026"), "{heard}");
    Ok(())
}

pub(super) async fn daytime_datagrams(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve_datagrams("udp::13", Daytime).await?;
    let mut socket = hosts[2].bind("udp::0").await?;
    let to = endpoint(&hosts, "h0", 13)?;
    let question = [b' '; 64];
    ask(&mut socket, &to, &question, |heard| {
        heard.windows(4).any(|w| w == b"2026")
    })
    .await
}

pub(super) async fn time(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::37", Time).await?;
    let mut client = hosts[1].connect("h0:37").await?;
    let heard = to_the_end(&mut client).await?;
    let seconds = u32::from_be_bytes(heard.try_into().unwrap());
    assert!(since_the_epoch(seconds) < PATIENCE.as_secs(), "{seconds}");
    Ok(())
}

/// From 2026-01-01, where every lab begins, to what is counted in seconds from 1900.
fn since_the_epoch(seconds: u32) -> u64 {
    let begun = 2_208_988_800 + wharf_lab::EPOCH.as_secs();
    u64::from(seconds).saturating_sub(begun)
}

pub(super) async fn discard(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::9", Discard::default()).await?;
    let mut client = hosts[1].connect("h0:9").await?;
    client.write_all(&[7; 100_000]).await?;
    client.finish().await?;
    assert!(to_the_end(&mut client).await?.is_empty());
    Ok(())
}

pub(super) async fn chargen(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve("tcp::19", Chargen).await?;
    let mut client = hosts[1].connect("h0:19").await?;
    let heard = exactly(&mut client, 7_400).await?;
    assert!(heard.starts_with(b" !\"#$%&'()*+,-./0123456789"));
    assert_eq!(heard[72..74], *b"\r\n");
    assert_eq!(heard[..74], heard[95 * 74..96 * 74]);
    Ok(())
}

/// What is lost on the way is not shown, and what comes twice is shown twice.
pub(super) async fn message_datagrams(hosts: Hosts) -> Result<(), LabError> {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let service = Message::new({
        let shown = Arc::clone(&shown);
        move |event| shown.lock().unwrap().push(event.to_string())
    });
    let _server = hosts[0].serve_datagrams("udp::11267", service).await?;
    let mut socket = hosts[1].bind("udp::0").await?;
    let to = endpoint(&hosts, "h0", 11_267)?;
    for i in 0..DATAGRAMS {
        socket
            .send_to(format!("number {i}").as_bytes(), &to)
            .await?;
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(1)).await;
    let shown = shown.lock().unwrap();
    let received = |line: &&String| line.starts_with("server received");
    let count = shown.iter().filter(received).count();
    assert!(
        (DATAGRAMS / 2..=DATAGRAMS * 2).contains(&count),
        "{shown:?}"
    );
    for line in shown.iter().filter(received) {
        let number = line.rsplit(' ').next().and_then(|word| word.parse().ok());
        assert!(
            number.is_some_and(|number: usize| number < DATAGRAMS),
            "{line}"
        );
    }
    Ok(())
}

pub(super) async fn time_datagrams(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve_datagrams("udp::37", Time).await?;
    let mut socket = hosts[1].bind("udp::0").await?;
    let to = endpoint(&hosts, "h0", 37)?;
    ask(&mut socket, &to, b"time", |heard| {
        let seconds = heard.try_into().map(u32::from_be_bytes);
        seconds.is_ok_and(|seconds| since_the_epoch(seconds) < PATIENCE.as_secs())
    })
    .await
}

/// Nothing ever comes back.
pub(super) async fn discard_datagrams(hosts: Hosts) -> Result<(), LabError> {
    let server = hosts[0]
        .serve_datagrams("udp::9", Discard::default())
        .await?;
    let mut socket = hosts[1].bind("udp::0").await?;
    let to = endpoint(&hosts, "h0", 9)?;
    for _ in 0..DATAGRAMS {
        socket.send_to(&[b'x'; 100], &to).await?;
        sleep(Duration::from_millis(100)).await;
    }
    let mut heard = Vec::new();
    let answer = timeout(Duration::from_secs(5), socket.receive_from(&mut heard));
    assert!(answer.await.is_err(), "{heard:?}");
    let received = server.snapshot().datagrams[0].counters.received as usize;
    assert!(
        (DATAGRAMS / 2..=DATAGRAMS * 2).contains(&received),
        "{received}"
    );
    Ok(())
}

/// To a stranger it sends as much as it got.
pub(super) async fn chargen_datagrams(hosts: Hosts) -> Result<(), LabError> {
    let _server = hosts[0].serve_datagrams("udp::19", Chargen).await?;
    let mut socket = hosts[1].bind("udp::0").await?;
    let to = endpoint(&hosts, "h0", 19)?;
    ask(&mut socket, &to, &[b'?'; 74], |heard| {
        heard.len() == 74 && heard.starts_with(b" !\"#$%&") && heard.ends_with(b"\r\n")
    })
    .await
}
