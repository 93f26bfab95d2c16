//! What the tests of all services need: a client for each kind of network.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::mpsc::UnboundedReceiver;
use wharf::address::Scheme;
use wharf::client::Client;
use wharf::connection::Connection;
use wharf::datagram::{Batch, DatagramService};
use wharf::network::{
    ConnectOptions, Endpoint, MemoryNetwork, Network, Os, StreamKind, memory::Delivery,
};
use wharf::server::{Bound, Server};
use wharf::service::{Context, Drain, Service, ServiceError};

/// A peer on this machine.
pub(crate) const LOCAL: &str = "127.0.0.1:50000";

/// A peer whose address may be forged.
pub(crate) const STRANGER: &str = "192.0.2.1:50000";

/// Every kind of stream that the operating system carries.
pub(crate) const STREAMS: [&str; 4] = [
    "tcp:127.0.0.1:0",
    "tls:127.0.0.1:0,self-signed",
    "unix:@wharf",
    "seqpacket:@wharf",
];

/// Both ways in which bytes arrive in memory.
pub(crate) const EVERYWHERE: [Delivery; 2] = [Delivery::AsSent, Delivery::ByteByByte];

pub(crate) fn context() -> Context {
    Context::new(Os.platform(), Drain::new())
}

/// Reads to the end of the stream.
pub(crate) async fn everything(connection: &mut Connection) -> Vec<u8> {
    let mut heard = Vec::new();
    while let Some(chunk) = connection.read_chunk().await.unwrap() {
        heard.extend_from_slice(&chunk);
    }
    heard
}

/// What a client hears over the network in memory that says `words` and ends its stream.
pub(crate) async fn heard(
    service: impl Service,
    delivery: Delivery,
    words: &[impl AsRef<[u8]>],
) -> Vec<u8> {
    let (heard, outcome) = conversation(service, delivery, words).await;
    outcome.unwrap();
    heard
}

/// As [`heard`], with how the service ended.
pub(crate) async fn conversation(
    service: impl Service,
    delivery: Delivery,
    words: &[impl AsRef<[u8]>],
) -> (Vec<u8>, Result<(), ServiceError>) {
    let network = MemoryNetwork::new();
    network.deliver(delivery);
    let (mut client, mut server) = network.pair();
    let context = context();
    let serving = async move {
        let outcome = service.serve(&mut server, &context).await;
        server.close().await.unwrap();
        outcome
    };
    let talking = async move {
        for word in words {
            // The service may be done before everything is said.
            let _ = client.write_all(word.as_ref()).await;
        }
        let _ = client.finish().await;
        everything(&mut client).await
    };
    let (outcome, heard) = tokio::join!(serving, talking);
    (heard, outcome)
}

/// A client of `service`, which a server serves at `address` of the operating system.
pub(crate) async fn client_of(
    address: &str,
    service: impl Service,
) -> (Connection, wharf::server::Running) {
    // Abstract names are the machine's, not this test's alone.
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let address = match address.contains('@') {
        true => format!(
            "{address}-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        ),
        false => address.to_owned(),
    };
    let server = Server::new().serve("tested", address.parse().unwrap(), service);
    let running = server.start().await.unwrap();
    (client_to(&running.endpoints()[0]).await, running)
}

/// A client of a server of the operating system.
pub(crate) async fn client_to(bound: &Bound) -> Connection {
    if bound.scheme == Scheme::Tls {
        let address = format!("tls:{},insecure", bound.local);
        let client = Client::new().connect(&address.parse().unwrap()).await;
        return client.unwrap();
    }
    let options = ConnectOptions {
        kind: match bound.scheme {
            Scheme::Seqpacket => StreamKind::Packets,
            _ => StreamKind::Bytes,
        },
        ..ConnectOptions::default()
    };
    Os.connect(&bound.local, &options).await.unwrap()
}

/// What a client hears at `address` of the operating system that says `words`
/// and ends its stream.
pub(crate) async fn heard_at(address: &str, service: impl Service, words: &[u8]) -> Vec<u8> {
    let (mut client, _running) = client_of(address, service).await;
    client.write_all(words).await.unwrap();
    client.finish().await.unwrap();
    everything(&mut client).await
}

/// The replies of `service` to these datagrams of one peer.
pub(crate) fn answers(
    service: &impl DatagramService,
    peer: &str,
    datagrams: &[&[u8]],
) -> Vec<Vec<u8>> {
    let peer = Endpoint::Inet(peer.parse().unwrap());
    let mut batch = Batch::with_slots(datagrams.len(), wharf::limits::MAX_DATAGRAM);
    for datagram in datagrams {
        assert!(batch.push_received(datagram, &peer, None));
    }
    service.receive(&mut batch, &context());
    let mut replies = Vec::new();
    while let Some(next) = batch.next_outgoing() {
        assert_eq!(*next.to, peer);
        replies.push(next.payload.to_vec());
        batch.note_sent(1);
    }
    replies
}

/// Replays every dialogue of a page of `docs/protocols`.
///
/// A dialogue is a block that begins with "```dialogue" and perhaps a title; `open`
/// connects to a service for a title. Each line begins with a client's letter:
///
/// ```text
/// A: > text    it sends a line           A: < text    it hears a line
/// A: >~ text   without a newline         A: <~ text   without a newline
/// A: >|        it ends its stream        A: <|        the server ended its own
/// S: ! text    the server shows this; a * at the end stands for anything
/// ```
/// All clients of one dialogue but the first are connected to where that one is.
pub(crate) async fn replay(page: &str, open: impl AsyncFn(&str) -> Stage) {
    let dialogues: Vec<&str> = page.split("```dialogue").skip(1).collect();
    assert!(!dialogues.is_empty(), "the page has no dialogue");
    for dialogue in dialogues {
        let (dialogue, _) = dialogue.split_once("```").expect("the end of a dialogue");
        let (title, lines) = dialogue.split_once('\n').unwrap();
        let Stage {
            client,
            mut shown,
            running: _running,
        } = open(title.trim()).await;
        let at = client.peer().clone();
        let mut first = Some(client);
        let mut clients: BTreeMap<&str, (Connection, Vec<u8>)> = BTreeMap::new();
        for line in lines.lines() {
            let (who, what) = line.split_once(": ").expect("a client's letter");
            if let Some(expected) = what.strip_prefix("! ") {
                let text = shown
                    .as_mut()
                    .expect("a service that shows")
                    .recv()
                    .await
                    .unwrap();
                match expected.strip_suffix('*') {
                    Some(start) => assert!(text.starts_with(start), "{line}: {text}"),
                    None => assert_eq!(text, expected),
                }
                continue;
            }
            if !clients.contains_key(who) {
                let connection = match first.take() {
                    Some(connection) => connection,
                    None => Os.connect(&at, &ConnectOptions::default()).await.unwrap(),
                };
                clients.insert(who, (connection, Vec::new()));
            }
            let (client, heard) = clients.get_mut(who).unwrap();
            let (mark, text) = what.split_once(' ').unwrap_or((what, ""));
            match mark {
                ">" => client
                    .write_all(format!("{text}\n").as_bytes())
                    .await
                    .unwrap(),
                ">~" => client.write_all(text.as_bytes()).await.unwrap(),
                ">|" => client.finish().await.unwrap(),
                "<" => hears(client, heard, &format!("{text}\n"), line).await,
                "<~" => hears(client, heard, text, line).await,
                "<|" => {
                    heard.extend(everything(client).await);
                    assert_eq!(String::from_utf8_lossy(heard), "", "{line}");
                }
                _ => panic!("{line:?} is neither said nor heard"),
            }
        }
    }
}

/// What a dialogue is replayed against: its first client, and what the server shows.
pub(crate) struct Stage {
    pub(crate) client: Connection,
    pub(crate) running: wharf::server::Running,
    pub(crate) shown: Option<UnboundedReceiver<String>>,
}

/// A service to replay dialogues against that shows nothing.
pub(crate) async fn stage(service: impl Service) -> Stage {
    let (client, running) = client_of("tcp:127.0.0.1:0", service).await;
    Stage {
        client,
        running,
        shown: None,
    }
}

/// Waits for exactly this, and keeps what comes behind it.
async fn hears(client: &mut Connection, heard: &mut Vec<u8>, expected: &str, line: &str) {
    while heard.len() < expected.len() {
        match client.read_chunk().await.unwrap() {
            Some(chunk) => heard.extend_from_slice(&chunk),
            None => break,
        }
    }
    let rest = heard.split_off(expected.len().min(heard.len()));
    assert_eq!(String::from_utf8_lossy(heard), expected, "{line}");
    *heard = rest;
}
