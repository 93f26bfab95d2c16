//! One application, once.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout};
use wharf::client::Client;
use wharf::connection::Connection;
use wharf::datagram::{Batch, Datagrams};
use wharf::network::{BindOptions, ConnectOptions, Endpoint, Network, StreamOptions};

use super::profile::{Elastic, Profile, Stream, Traffic};
use super::{Setting, Transport};
use crate::lab::{Hosts, Lab, LabError};
use crate::topology::Topology;

/// What fits into a datagram without fragments.
const PAYLOAD: usize = 1_400;

/// The header of a message: its number, and over UDP the number of the part.
const HEADER: usize = 12;

/// How much a live sender may have waiting in its socket, in time of its own
/// traffic: more would measure the buffer, not the network.
const LIVE_BUFFER: Duration = Duration::from_millis(500);

/// The least such buffer: two segments.
const LEAST_BUFFER: usize = 3_000;

/// After everything is sent, so much is waited for what is still on its way.
const AFTERWARDS: Duration = Duration::from_secs(12);

/// How long a run over TCP may take beyond what it plays: the longest timeouts of a
/// connection, several times in a row. What has not been sent by then is lost.
const PATIENCE: Duration = Duration::from_secs(600);

/// What one run gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Messages, or bytes of elastic traffic, that should arrive.
    pub wanted: u64,
    /// Those that did.
    pub arrived: u64,
    /// How late each message was, in seconds, in the order of arrival; for elastic
    /// traffic the time until everything was there.
    pub delays: Vec<f64>,
    /// Messages that the sender gave up because those before were still waiting.
    pub skipped: u64,
    /// The time that the link alone needs, in seconds; 0 for streams.
    pub ideal: f64,
}

/// What the receiver has seen, shared with the run that judges it.
type Seen = Arc<Mutex<Vec<(u64, Instant)>>>;

/// Runs the application once.
pub(super) fn once(
    profile: &Profile,
    transport: Transport,
    setting: &Setting,
    seed: u64,
) -> Result<Sample, LabError> {
    let lab = Lab::new(seed)
        .topology(Topology::pair())
        .link(setting.link.clone());
    let span = setting.span;
    let outcome = match profile.traffic {
        Traffic::Stream(stream) => lab.run(async |hosts| match transport {
            Transport::Tcp => stream_over_tcp(hosts, stream, span).await,
            Transport::Udp => stream_over_udp(hosts, stream, span).await,
        })?,
        Traffic::Elastic(elastic) => {
            let rate = setting.link.bits_per_second().unwrap_or(u64::MAX);
            lab.run(async |hosts| match transport {
                Transport::Tcp => elastic_over_tcp(hosts, elastic, rate).await,
                Transport::Udp => elastic_over_udp(hosts, elastic, rate).await,
            })?
        }
    };
    outcome.value
}

fn ideal(elastic: &Elastic, rate: u64) -> f64 {
    (elastic.objects * elastic.bytes) as f64 * 8.0 / rate as f64
}

fn note(seen: &Seen, number: u64) {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.push((number, Instant::now()));
}

/// When message `number` was due, and how late it was.
fn sample(stream: &Stream, start: Instant, count: u64, skipped: u64, seen: &Seen) -> Sample {
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let late = |(number, at): &(u64, Instant)| {
        let due = start + stream.every * *number as u32;
        at.saturating_duration_since(due).as_secs_f64()
    };
    Sample {
        wanted: count,
        arrived: seen.len() as u64,
        delays: seen.iter().map(late).collect(),
        skipped,
        ideal: 0.0,
    }
}

/// What a bad network does to a connection is a result, not a fault of the experiment:
/// an application whose transport cannot connect, or breaks, has lost its messages.
fn broken_by_network(error: &LabError) -> bool {
    match error {
        LabError::Connect(_) => true,
        LabError::Io(error) => is_of_network(error),
        LabError::Address(_) | LabError::Start(_) => false,
    }
}

fn is_of_network(error: &io::Error) -> bool {
    use io::ErrorKind::*;
    matches!(
        error.kind(),
        HostUnreachable
            | NetworkUnreachable
            | ConnectionRefused
            | ConnectionReset
            | ConnectionAborted
            | BrokenPipe
            | NotConnected
            | TimedOut
            | UnexpectedEof
    )
}

/// `Ok` also for what the network broke.
fn unless_broken(outcome: Result<(), LabError>) -> Result<(), LabError> {
    match outcome {
        Err(error) if !broken_by_network(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Sends a datagram, which is lost if the network does not take it.
async fn send(sender: &mut Datagrams, datagram: &[u8], to: &Endpoint) -> Result<(), LabError> {
    let sent = sender.send_to(datagram, to).await;
    unless_broken(sent.map_err(LabError::from))
}

async fn connect(hosts: &Hosts, buffer: Option<usize>) -> Result<Connection, LabError> {
    let options = ConnectOptions {
        stream: StreamOptions {
            send_buffer: buffer.map(|bytes| bytes as u32),
            user_timeout: None,
            ..StreamOptions::default()
        },
        ..ConnectOptions::default()
    };
    let client = Client::on(hosts[0].network())
        .options(options)
        .connect_timeout(None);
    Ok(client.connect(&"tcp4:h1:80".parse()?).await?)
}

/// Messages of one length, one after the other.
async fn stream_over_tcp(hosts: Hosts, stream: Stream, span: Duration) -> Result<Sample, LabError> {
    let size = stream.bytes.max(HEADER);
    let mut listener = hosts[1].listen("tcp4::80").await?;
    let seen = Seen::default();
    let receiver = tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            let mut peer = listener.accept().await?;
            let mut waiting = Vec::new();
            while let Some(chunk) = peer.read_chunk().await? {
                waiting.extend_from_slice(&chunk);
                let whole = waiting.len() / size * size;
                for message in waiting[..whole].chunks(size) {
                    note(&seen, number(message));
                }
                waiting.drain(..whole);
            }
            Ok::<_, io::Error>(())
        }
    });
    // A buffer only for what is live: stored media may wait as long as it can be played.
    let patience = LIVE_BUFFER.max(stream.good / 2);
    let buffered = size as f64 * patience.as_secs_f64() / stream.every.as_secs_f64();
    let count = messages(&stream, span);
    let mut start = Instant::now();
    let connecting = connect(&hosts, Some((buffered as usize).max(LEAST_BUFFER)));
    let mut peer = match timeout(PATIENCE, connecting).await {
        Ok(Ok(peer)) => peer,
        Ok(Err(error)) if !broken_by_network(&error) => return Err(error),
        // Without a connection there is nothing to send on.
        Ok(Err(_)) | Err(_) => return Ok(sample(&stream, start, count, 0, &seen)),
    };
    start = Instant::now();
    let mut message = vec![0; size];
    let mut skipped = 0;
    let sending = async {
        for number in 0..count {
            let due = start + stream.every * number as u32;
            // The one before is still waiting: for a live message it is too late already,
            // unless every single one is needed.
            if Instant::now() > due + stream.every && stream.bears > 0.0 {
                skipped += 1;
                continue;
            }
            sleep_until(due).await;
            message[..8].copy_from_slice(&number.to_be_bytes());
            peer.write_all(&message).await?;
        }
        peer.finish().await?;
        Ok::<_, LabError>(())
    };
    if let Ok(sent) = timeout(span + PATIENCE, sending).await {
        unless_broken(sent)?;
    }
    // What comes later than this is unusable whatever it is.
    let _ = timeout(AFTERWARDS.max(stream.limit), receiver).await;
    Ok(sample(&stream, start, count, skipped, &seen))
}

async fn stream_over_udp(hosts: Hosts, stream: Stream, span: Duration) -> Result<Sample, LabError> {
    let size = stream.bytes.max(HEADER);
    let parts = size.div_ceil(PAYLOAD);
    let count = messages(&stream, span);
    let seen = Seen::default();
    let mut socket = hosts[1].bind("udp4::80").await?;
    tokio::spawn({
        let seen = Arc::clone(&seen);
        async move {
            // Which parts of each message have come; a copy counts once.
            let mut heard = vec![0_u64; count as usize];
            let mut batch = Batch::with_slots(64, 2_048);
            let all = u64::MAX >> (64 - parts.min(64));
            loop {
                if socket.receive(&mut batch).await.is_err() {
                    return;
                }
                for datagram in batch.iter() {
                    let number = number(datagram.payload);
                    let part = datagram.payload.get(8..HEADER).map_or(0, |it| it[3]);
                    let Some(have) = heard.get_mut(number as usize) else {
                        continue;
                    };
                    if *have != all {
                        *have |= 1 << (part % 64);
                        if *have == all {
                            note(&seen, number);
                        }
                    }
                }
            }
        }
    });
    let mut sender = hosts[0].bind("udp4::0").await?;
    let to: Endpoint = target(&hosts)?.into();
    prime(&hosts).await;
    let start = Instant::now();
    let mut message = vec![0; size];
    for number in 0..count {
        sleep_until(start + stream.every * number as u32).await;
        for (part, bytes) in message.chunks_mut(PAYLOAD).enumerate() {
            let mut datagram = bytes.to_vec();
            datagram.resize(datagram.len().max(HEADER), 0);
            datagram[..8].copy_from_slice(&number.to_be_bytes());
            datagram[8..HEADER].copy_from_slice(&(part as u32).to_be_bytes());
            send(&mut sender, &datagram, &to).await?;
        }
    }
    tokio::time::sleep(stream.limit.min(AFTERWARDS)).await;
    Ok(sample(&stream, start, count, 0, &seen))
}

/// Resolves the peer's hardware address, as TCP's handshake does before it is timed.
async fn prime(hosts: &Hosts) {
    for _ in 0..5 {
        // Only that an answer came counts, and even that not on a very bad link.
        let pong = hosts[0]
            .network()
            .ping("h1", 64, Duration::from_secs(2))
            .await;
        if pong.is_ok() {
            return;
        }
    }
}

fn messages(stream: &Stream, span: Duration) -> u64 {
    let count = span.as_secs_f64() / stream.every.as_secs_f64();
    (count as u64).clamp(1, 1_000_000)
}

fn number(message: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    if let Some(head) = message.get(..8) {
        bytes.copy_from_slice(head);
    }
    u64::from_be_bytes(bytes)
}

fn target(hosts: &Hosts) -> Result<SocketAddr, LabError> {
    let all = hosts[0].network().addresses("h1")?;
    let v4 = all.into_iter().find(|ip| ip.is_ipv4());
    let ip = v4.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    Ok(SocketAddr::new(ip, 80))
}

async fn elastic_over_tcp(hosts: Hosts, elastic: Elastic, rate: u64) -> Result<Sample, LabError> {
    let total = elastic.objects * elastic.bytes;
    let mut listener = hosts[1].listen("tcp4::80").await?;
    let receiver = tokio::spawn(async move {
        let mut peer = listener.accept().await?;
        let mut heard = 0;
        while let Some(chunk) = peer.read_chunk().await? {
            heard += chunk.len();
        }
        Ok::<_, io::Error>((heard, Instant::now()))
    });
    let start = Instant::now();
    let limit = Duration::from_secs_f64(ideal(&elastic, rate) * 100.0).max(elastic.limit);
    let sending = async {
        let mut peer = connect(&hosts, None).await?;
        let object = vec![1; elastic.bytes];
        for _ in 0..elastic.objects {
            peer.write_all(&object).await?;
        }
        peer.finish().await?;
        let (heard, at) = receiver.await.map_err(io::Error::other)??;
        Ok::<_, LabError>((heard, at))
    };
    let (arrived, delays) = match timeout(limit, sending).await {
        Ok(done) => match done {
            Ok((heard, at)) => (heard as u64, vec![(at - start).as_secs_f64()]),
            Err(error) if !broken_by_network(&error) => return Err(error),
            Err(_) => (0, Vec::new()),
        },
        Err(_) => (0, Vec::new()),
    };
    Ok(Sample {
        wanted: total as u64,
        arrived,
        delays,
        skipped: 0,
        ideal: ideal(&elastic, rate),
    })
}

/// Datagrams at nine tenths of the link's rate: UDP itself would send them all at once
/// into the first queue.
async fn elastic_over_udp(hosts: Hosts, elastic: Elastic, rate: u64) -> Result<Sample, LabError> {
    let total = elastic.objects * elastic.bytes;
    let count = total.div_ceil(PAYLOAD);
    let at = hosts[1].network();
    let endpoint: Endpoint = target(&hosts)?.into();
    let mut socket = at.bind(&endpoint, &BindOptions::default()).await?;
    let heard = Arc::new(Mutex::new((vec![false; count], Instant::now())));
    tokio::spawn({
        let heard = Arc::clone(&heard);
        async move {
            let mut batch = Batch::with_slots(64, 2_048);
            while socket.receive(&mut batch).await.is_ok() {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                for datagram in batch.iter() {
                    if let Some(place) = heard.0.get_mut(number(datagram.payload) as usize) {
                        *place = true;
                        heard.1 = Instant::now();
                    }
                }
            }
        }
    });
    let mut sender = hosts[0].bind("udp4::0").await?;
    prime(&hosts).await;
    let start = Instant::now();
    let pause = Duration::from_secs_f64((PAYLOAD + 42) as f64 * 8.0 / (rate as f64 * 0.9));
    let mut datagram = vec![1; PAYLOAD];
    for number in 0..count as u64 {
        sleep_until(start + pause.mul_f64(number as f64)).await;
        datagram[..8].copy_from_slice(&number.to_be_bytes());
        send(&mut sender, &datagram, &endpoint).await?;
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    let whole = heard.0.iter().filter(|it| **it).count();
    Ok(Sample {
        wanted: total as u64,
        arrived: ((whole * PAYLOAD) as u64).min(total as u64),
        delays: match whole {
            0 => Vec::new(),
            _ => vec![heard.1.saturating_duration_since(start).as_secs_f64()],
        },
        skipped: 0,
        ideal: ideal(&elastic, rate),
    })
}
