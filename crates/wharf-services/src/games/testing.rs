//! What the tests of all games share: clients that read lines, chance for them, and
//! dialogues of the documentation.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::timeout;
use wharf::connection::Connection;
use wharf::framing::{Decoder, Framing, Limits};
use wharf::network::{ConnectOptions, MemoryNetwork, Network};
use wharf::server::{Running, Server};
use wharf::service::Service;

/// No test waits longer for a line.
const DEADLINE: Duration = Duration::from_secs(600);

/// A client that reads lines.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    decoder: Decoder,
    lines: VecDeque<String>,
}

impl Client {
    pub(crate) fn new(connection: Connection) -> Self {
        Client {
            connection,
            decoder: Decoder::new(&Framing::default(), Limits::default()),
            lines: VecDeque::new(),
        }
    }

    pub(crate) async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.connection.write_all(line.as_bytes()).await.unwrap();
    }

    /// The next line; `None` at the end of the stream.
    pub(crate) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            let chunk = timeout(DEADLINE, self.connection.read_chunk()).await;
            let chunk = chunk.expect("an answer in time").unwrap()?;
            let mut input = &chunk[..];
            while let Some(line) = self.decoder.next(&mut input) {
                let line = String::from_utf8(line.unwrap().to_vec()).unwrap();
                self.lines.push_back(line);
            }
        }
    }

    /// The next line without the words for people.
    pub(crate) async fn fields(&mut self) -> Option<String> {
        let line = self.line().await?;
        Some(line.split(" -- ").next().unwrap_or_default().to_owned())
    }

    pub(crate) async fn hears(&mut self, expected: &str) {
        let heard = self.fields().await.expect("the stream goes on");
        match expected.split_once("[..]") {
            Some((before, after)) => assert!(
                heard.starts_with(before) && heard.ends_with(after),
                "{heard:?} is not {expected:?}"
            ),
            None => assert_eq!(heard, expected),
        }
    }
}

/// Chance for a scripted player: a linear congruential generator, seeded.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number from 0 up to this one, without it.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let multiplier = 6_364_136_223_846_793_005_u64;
        self.0 = self
            .0
            .wrapping_mul(multiplier)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// A service on a network in memory.
pub(crate) async fn served(
    network: &MemoryNetwork,
    service: impl Service,
) -> (Running, wharf::network::Endpoint) {
    let running = Server::on(network.clone())
        .serve("game", "tcp:127.0.0.1:1".parse().unwrap(), service)
        .start()
        .await
        .unwrap();
    let to = running.endpoints()[0].local.clone();
    (running, to)
}

pub(crate) async fn connect(network: &MemoryNetwork, to: &wharf::network::Endpoint) -> Client {
    let options = ConnectOptions::default();
    Client::new(network.connect(to, &options).await.unwrap())
}

/// Replays the example of a page of the documentation: `A: > said`, `A: < heard`.
/// Gives how many clients took part.
pub(crate) async fn replay(page: &str, fence: &str, service: impl Service) -> usize {
    let (_, example) = page
        .split_once(&format!("```{fence}\n"))
        .expect("an example");
    let (example, _) = example.split_once("```").unwrap();
    let network = MemoryNetwork::new();
    let (_running, to) = served(&network, service).await;
    let mut clients = BTreeMap::new();
    for line in example.lines() {
        let (who, what) = line.split_at(2);
        if !clients.contains_key(who) {
            clients.insert(who, connect(&network, &to).await);
        }
        let client = clients.get_mut(who).unwrap();
        match what.split_at(3) {
            (" > ", words) => client.say(words).await,
            (" < ", words) => client.hears(words).await,
            _ => panic!("{line:?} is neither said nor heard"),
        }
    }
    clients.len()
}
