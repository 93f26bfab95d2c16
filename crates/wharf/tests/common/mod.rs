//! What the tests of servers and clients share: small services, a recorder of
//! events, and waits that have a deadline.

// Every test binary takes what it needs.
#![allow(dead_code)]

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use wharf::address::Address;
use wharf::client::Client;
use wharf::connection::{CloseReason, Connection};
use wharf::network::{Endpoint, MemoryNetwork, Network};
use wharf::server::{Bound, Event, Observer, Running, Server};
use wharf::service::{Context, Service, ServiceError};

/// The deadline of every wait in real time.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Awaits `work`, which must be done soon.
pub(crate) async fn soon<T>(work: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(SOON, work).await;
    done.unwrap_or_else(|_| panic!("not done within {SOON:?}"))
}

/// Awaits `work` for a day: for tests with a paused clock, where a day is short.
pub(crate) async fn within_a_day<T>(work: impl Future<Output = T>) -> T {
    let day = Duration::from_secs(24 * 3600);
    let done = tokio::time::timeout(day, work).await;
    done.unwrap_or_else(|_| panic!("not done within a day"))
}

pub(crate) fn address(text: &str) -> Address {
    text.parse().unwrap()
}

/// The address that reaches `bound`; its certificate is pinned.
pub(crate) fn to(bound: &Bound) -> Address {
    bound.address()
}

/// The address of a server's first socket.
pub(crate) fn first(running: &Running) -> Address {
    to(&running.endpoints()[0])
}

/// A client's connection to the server's first socket.
pub(crate) async fn connected(running: &Running) -> Connection {
    soon(Client::new().connect(&first(running))).await.unwrap()
}

/// The same on a network in memory.
pub(crate) async fn joined(network: &MemoryNetwork, running: &Running) -> Connection {
    let client = Client::on(network.clone()).connect_timeout(None);
    soon(client.connect(&first(running))).await.unwrap()
}

/// Everything until the end of the stream.
pub(crate) async fn read_to_end(connection: &mut Connection) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    while let Some(chunk) = soon(connection.read_chunk()).await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

/// Sends `words` and waits for as many bytes of answer.
pub(crate) async fn asked(connection: &mut Connection, words: &[u8]) -> Vec<u8> {
    soon(connection.write_all(words)).await.unwrap();
    let mut heard = Vec::new();
    while heard.len() < words.len() {
        let chunk = soon(connection.read_chunk()).await.unwrap();
        heard.extend_from_slice(&chunk.expect("an answer before the end of the stream"));
    }
    heard
}

/// Answers what it hears.
pub(crate) struct Echo;

impl Service for Echo {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        while let Some(chunk) = peer.read_chunk().await? {
            peer.write_all(&chunk).await?;
            peer.count_messages(1);
        }
        Ok(())
    }
}

/// Reads to the end, and answers only then.
pub(crate) struct AfterEnd;

impl Service for AfterEnd {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        let mut all = Vec::new();
        while let Some(chunk) = peer.read_chunk().await? {
            all.extend_from_slice(&chunk);
        }
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        peer.write_all(&all).await?;
        Ok(())
    }
}

/// An event, kept.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Listening(Endpoint),
    Opened(u64),
    Secured(u64),
    Closed(Ended),
    Refused(CloseReason),
    AcceptFailing,
    AcceptRecovered(u64),
    Full(usize),
    Draining(usize),
    Other,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) id: u64,
    pub(crate) reason: CloseReason,
    pub(crate) detail: Option<String>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
    pub(crate) messages: u64,
    pub(crate) lasted: Duration,
}

/// An observer that keeps everything, and that can be waited for.
#[derive(Clone)]
pub(crate) struct Recorder(Arc<(Mutex<Vec<Timed>>, Notify)>);

/// An event and its time.
type Timed = (Seen, tokio::time::Instant);

impl Recorder {
    pub(crate) fn new() -> Self {
        Recorder(Arc::new((Mutex::new(Vec::new()), Notify::new())))
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.timed().into_iter().map(|(seen, _)| seen).collect()
    }

    pub(crate) fn timed(&self) -> Vec<Timed> {
        self.0.0.lock().unwrap().clone()
    }

    /// Waits until the events fulfil `reached`.
    pub(crate) async fn until(&self, reached: impl Fn(&[Seen]) -> bool) {
        loop {
            let told = self.0.1.notified();
            if reached(&self.all()) {
                return;
            }
            told.await;
        }
    }

    /// Waits for `count` ends, and gives them.
    pub(crate) async fn ends(&self, count: usize) -> Vec<Ended> {
        self.until(|seen| ends_in(seen).len() >= count).await;
        ends_in(&self.all())
    }

    /// Waits for the one end.
    pub(crate) async fn end(&self) -> Ended {
        self.ends(1).await.swap_remove(0)
    }

    pub(crate) fn count(&self, of: impl Fn(&Seen) -> bool) -> usize {
        self.all().iter().filter(|seen| of(seen)).count()
    }
}

fn ends_in(seen: &[Seen]) -> Vec<Ended> {
    seen.iter()
        .filter_map(|seen| match seen {
            Seen::Closed(ended) => Some(ended.clone()),
            _ => None,
        })
        .collect()
}

impl Observer for Recorder {
    fn event(&self, event: &Event<'_>) {
        let seen = match event {
            Event::Listening { bound } => Seen::Listening(bound.local.clone()),
            Event::Opened { connection } => Seen::Opened(connection.id),
            Event::Secured { connection, .. } => Seen::Secured(connection.id),
            Event::Closed {
                connection,
                reason,
                detail,
                received,
                sent,
                messages,
                lasted,
            } => Seen::Closed(Ended {
                id: connection.id,
                reason: *reason,
                detail: detail.clone(),
                received: *received,
                sent: *sent,
                messages: *messages,
                lasted: *lasted,
            }),
            Event::Refused { reason, .. } => Seen::Refused(*reason),
            Event::AcceptFailing { .. } => Seen::AcceptFailing,
            Event::AcceptRecovered { failures, .. } => Seen::AcceptRecovered(*failures),
            Event::Full { cap } => Seen::Full(*cap),
            Event::Draining { open } => Seen::Draining(*open),
            _ => Seen::Other,
        };
        let now = tokio::time::Instant::now();
        self.0.0.lock().unwrap().push((seen, now));
        self.0.1.notify_waiters();
    }
}

/// A server of one service with a recorder.
pub(crate) async fn started<N: Network>(server: Server<N>) -> (Running, Recorder) {
    let recorder = Recorder::new();
    let running = soon(server.observer(recorder.clone()).start()).await;
    (running.unwrap(), recorder)
}
