//! What a server gives to the `metrics` and `tracing` facades: the counters under
//! their documented names, and spans per socket and connection, not per message.

mod common;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use common::{Echo, address, asked, connected, soon, started, to};
use metrics::{Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Unit};
use tracing::span::{Attributes, Id, Record};
use wharf::client::Client;
use wharf::connection::CloseReason;
use wharf::datagram::{Batch, DatagramService};
use wharf::server::{Running, Server};
use wharf::service::Context;

struct DatagramEcho;

impl DatagramService for DatagramEcho {
    fn receive(&self, batch: &mut Batch, _: &Context) {
        for i in 0..batch.len() {
            batch.reply_in_place(i);
        }
    }
}

/// Sends `words` as a datagram to the server's socket at `index`, and hears the answer.
async fn exchanged(running: &Running, index: usize, words: &[u8]) {
    let target = to(&running.endpoints()[index]);
    let (mut socket, there) = soon(Client::new().datagrams(&target)).await.unwrap();
    soon(socket.send_to(words, &there)).await.unwrap();
    let mut heard = Vec::new();
    soon(socket.receive_from(&mut heard)).await.unwrap();
    assert_eq!(heard, words);
}

/// Keeps what is published, by name and labels.
#[derive(Default)]
struct Exporter(Mutex<BTreeMap<String, Arc<Cell>>>);

#[derive(Default)]
struct Cell(AtomicU64);

impl CounterFn for Cell {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    fn absolute(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl GaugeFn for Cell {
    fn increment(&self, _: f64) {
        panic!("a snapshot sets its gauges");
    }

    fn decrement(&self, _: f64) {
        panic!("a snapshot sets its gauges");
    }

    fn set(&self, value: f64) {
        self.0.store(value as u64, Ordering::Relaxed);
    }
}

impl Exporter {
    fn cell(&self, key: &Key) -> Arc<Cell> {
        let labels: Vec<String> = key
            .labels()
            .map(|label| format!("{}={}", label.key(), label.value()))
            .collect();
        let name = match labels.is_empty() {
            true => key.name().to_owned(),
            false => format!("{}{{{}}}", key.name(), labels.join(",")),
        };
        Arc::clone(self.0.lock().unwrap().entry(name).or_default())
    }

    fn values(&self) -> BTreeMap<String, u64> {
        let cells = self.0.lock().unwrap();
        let value = |cell: &Arc<Cell>| cell.0.load(Ordering::Relaxed);
        let pair = |(name, cell): (&String, &Arc<Cell>)| (name.clone(), value(cell));
        cells.iter().map(pair).collect()
    }
}

impl metrics::Recorder for Exporter {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: metrics::SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: metrics::SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.cell(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.cell(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("no histogram is documented: {key}");
    }
}

#[tokio::test]
async fn a_snapshot_publishes_every_counter_under_its_name() {
    let server = Server::new()
        .serve("echo", address("tcp:127.0.0.1:0"), Echo)
        .serve_datagrams("echo", address("udp:127.0.0.1:0"), DatagramEcho);
    let (running, recorder) = started(server).await;
    let mut gone = connected(&running).await;
    asked(&mut gone, b"four").await;
    soon(gone.close()).await.unwrap();
    soon(recorder.end()).await;
    let mut open = connected(&running).await;
    asked(&mut open, b"eleven here").await;
    for _ in 0..3 {
        exchanged(&running, 1, b"hello").await;
    }

    let exporter = Exporter::default();
    let snapshot = running.snapshot();
    metrics::with_local_recorder(&exporter, || snapshot.publish());
    let mut expected = BTreeMap::from(
        [
            ("wharf_connections_accepted_total", 2),
            ("wharf_connections_open", 1),
            ("wharf_accept_failures_total", 0),
            ("wharf_bytes_total{direction=received}", 15),
            ("wharf_bytes_total{direction=sent}", 15),
            ("wharf_messages_total", 2),
            ("wharf_datagrams_total{direction=received}", 3),
            ("wharf_datagrams_total{direction=sent}", 3),
            ("wharf_datagrams_lost_total{cause=truncated}", 0),
            ("wharf_datagrams_lost_total{cause=send-failed}", 0),
            ("wharf_datagrams_lost_total{cause=amplification}", 0),
            ("wharf_datagrams_lost_total{cause=not-queued}", 0),
            ("wharf_datagrams_lost_total{cause=kernel-dropped}", 0),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    for reason in CloseReason::ALL {
        let name = format!(
            "wharf_connections_ended_total{{reason={}}}",
            reason.as_str()
        );
        expected.insert(name, u64::from(reason == CloseReason::PeerClosed));
    }
    assert_eq!(exporter.values(), expected);

    // Published again, the totals are the same: they are set, not added.
    metrics::with_local_recorder(&exporter, || snapshot.publish());
    assert_eq!(exporter.values(), expected);
}

/// Keeps the names of the spans that are made.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<&'static str>>>);

impl tracing::Subscriber for Spans {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("wharf")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut names = self.0.lock().unwrap();
        names.push(span.metadata().name());
        Id::from_u64(names.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Spans {
    fn sorted(&self) -> Vec<&'static str> {
        let mut names = self.0.lock().unwrap().clone();
        names.sort_unstable();
        names
    }
}

#[tokio::test]
async fn there_is_one_span_per_socket_and_connection_and_none_per_message() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let server = Server::new()
        .serve("echo", address("tcp::0"), Echo)
        .serve_datagrams("echo", address("udp:127.0.0.1:0"), DatagramEcho);
    let (running, _) = started(server).await;
    let sockets = running.endpoints().len();
    let listeners = vec!["listener"; sockets];
    assert_eq!(spans.sorted(), listeners);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = connected(&running).await;
        for _ in 0..5 {
            asked(&mut client, b"hello").await;
        }
        clients.push(client);
    }
    for _ in 0..5 {
        exchanged(&running, sockets - 1, b"hello").await;
    }
    soon(running.drain()).await;
    let connections = vec!["connection"; clients.len()];
    assert_eq!(spans.sorted(), [connections, listeners].concat());
}
