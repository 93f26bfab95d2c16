//! Every service and client of the project, unchanged, in the lab: on a clean
//! network, and on one that loses, doubles, reorders and damages frames.

mod chat;
mod games;
mod pages;
mod plain;

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::timeout;
use wharf::connection::{Connection, Messages};
use wharf::datagram::Datagrams;
use wharf::network::Endpoint;
use wharf_lab::{Hosts, Lab, LabError, Link};

type Case = fn(Hosts) -> Pin<Box<dyn Future<Output = Result<(), LabError>>>>;

/// What of a service is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    /// It serves streams, and a peer that knows only bytes talks to it.
    Streams,
    /// The same over datagrams: what is lost is asked for again, or counted.
    Datagrams,
    /// The client that the project has for it.
    Client,
}
use Side::{Client, Datagrams as OverDatagrams, Streams};

/// How it is run here, or why it is not.
enum How {
    InTheLab(Case),
    /// It cannot run in a lab.
    Exempt(&'static str),
}
use How::{Exempt, InTheLab};

/// A row for a function of this file's modules.
macro_rules! run {
    ($function:path) => {
        InTheLab(|hosts| Box::pin($function(hosts)))
    };
}

/// Every service of the catalogue with all that it is served over, and every client,
/// must stand here.
const TABLE: &[(&str, Side, How)] = &[
    ("echo", Streams, run!(plain::echo)),
    ("echo", Streams, run!(plain::echo_over_tls)),
    ("echo", OverDatagrams, run!(plain::echo_datagrams)),
    ("upper", Streams, run!(plain::upper)),
    ("upper", OverDatagrams, run!(plain::upper_datagrams)),
    ("message", Streams, run!(plain::message)),
    ("message", OverDatagrams, run!(plain::message_datagrams)),
    ("daytime", Streams, run!(plain::daytime)),
    ("daytime", OverDatagrams, run!(plain::daytime_datagrams)),
    ("time", Streams, run!(plain::time)),
    ("time", OverDatagrams, run!(plain::time_datagrams)),
    ("discard", Streams, run!(plain::discard)),
    ("discard", OverDatagrams, run!(plain::discard_datagrams)),
    ("chargen", Streams, run!(plain::chargen)),
    ("chargen", OverDatagrams, run!(plain::chargen_datagrams)),
    ("chat", Streams, run!(chat::chat)),
    ("chat", OverDatagrams, run!(chat::unreliable_chat)),
    ("chat", Client, run!(chat::clients_over_streams)),
    ("chat", Client, run!(chat::clients_over_datagrams)),
    ("rps", Streams, run!(games::rps)),
    ("rps", OverDatagrams, run!(games::rps_datagrams)),
    ("rps", Client, run!(games::rps_clients)),
    ("blackjack", Streams, run!(games::blackjack)),
    ("blackjack", Client, run!(games::blackjack_client)),
    ("password", Streams, run!(pages::password)),
    ("password", Client, run!(pages::log_in_at_a_gate)),
    ("page", Streams, run!(pages::page)),
    ("page", Client, run!(pages::fetch_pages)),
    (
        "page --root",
        Streams,
        Exempt("its files are outside of the lab"),
    ),
    ("exec", Streams, Exempt("processes are outside of the lab")),
    (
        "blocking services",
        Streams,
        Exempt("threads are outside of the lab"),
    ),
];

/// No conversation here takes longer than this, in the lab's time.
const PATIENCE: Duration = Duration::from_secs(600);

fn clean() -> Link {
    Link::default()
        .rate(10_000_000)
        .delay(Duration::from_millis(5))
}

fn bad() -> Link {
    clean()
        .loss(0.05)
        .duplicate(0.02)
        .reorder(0.02)
        .corrupt(0.001)
}

#[test]
fn every_service_and_client_works_on_a_clean_network_and_on_a_bad_one() {
    for (name, side, how) in TABLE {
        let InTheLab(case) = how else { continue };
        for (weather, link) in [("clean", clean()), ("bad", bad())] {
            for seed in 1..=3 {
                let here = format!("{name}, {side:?}, {weather}, seed {seed}");
                let lab = Lab::new(seed).star(3).link(link.clone());
                let outcome = lab.run(async |hosts| timeout(PATIENCE, case(hosts)).await);
                match outcome.unwrap().value {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => panic!("{here}: {error}"),
                    Err(_) => panic!("{here}: it does not end"),
                }
            }
        }
    }
}

#[test]
fn no_service_is_forgotten() {
    let rows = |name: &str, side: Side| TABLE.iter().any(|row| (row.0, row.1) == (name, side));
    for entry in wharf_services::catalog() {
        assert!(rows(entry.name, Streams), "{}", entry.name);
        if entry.speaks_datagrams() {
            assert!(rows(entry.name, OverDatagrams), "{} over UDP", entry.name);
        }
    }
    for (name, _, how) in TABLE {
        if let Exempt(reason) = how {
            assert!(!reason.is_empty(), "{name}");
        }
    }
}

/// Clients stand beside their services, as `client.rs` or in a folder of that name.
#[test]
fn no_client_is_forgotten() {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wharf-services/src");
    let mut found = 0;
    for folder in std::fs::read_dir(services).unwrap() {
        let folder = folder.unwrap().path();
        if folder.join("client.rs").exists() || folder.join("client").exists() {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let known = TABLE.iter().any(|row| (row.0, row.1) == (&name, Client));
            assert!(known, "the client of {name} is not in the table");
            found += 1;
        }
    }
    assert!(found >= 5, "{found} clients");
}

/// Reads until `count` bytes are there.
async fn exactly(connection: &mut Connection, count: usize) -> Result<Vec<u8>, LabError> {
    let mut heard = Vec::new();
    while heard.len() < count {
        let chunk = connection.read_chunk().await?;
        let chunk = chunk.unwrap_or_else(|| panic!("ended after {} bytes", heard.len()));
        heard.extend_from_slice(&chunk);
    }
    Ok(heard)
}

async fn to_the_end(connection: &mut Connection) -> Result<Vec<u8>, LabError> {
    Ok(connection.read_to_end(1 << 20).await?)
}

/// Sends every payload until it is answered by `expected`, as a client over UDP
/// must; what comes late or twice belongs to an earlier one and is skipped.
async fn ask(
    socket: &mut Datagrams,
    to: &Endpoint,
    payload: &[u8],
    expected: impl Fn(&[u8]) -> bool,
) -> Result<(), LabError> {
    let mut heard = Vec::new();
    for _ in 0..60 {
        socket.send_to(payload, to).await?;
        let answered = timeout(Duration::from_secs(1), async {
            loop {
                socket.receive_from(&mut heard).await?;
                if expected(&heard) {
                    return Ok::<_, LabError>(());
                }
            }
        });
        if let Ok(answered) = answered.await {
            return answered;
        }
    }
    panic!(
        "no answer to sixty datagrams of {} B: {:?}",
        payload.len(),
        String::from_utf8_lossy(&payload[..payload.len().min(40)])
    );
}

fn endpoint(hosts: &Hosts, host: &str, port: u16) -> Result<Endpoint, LabError> {
    let ip = hosts[0].network().addresses(host)?[0];
    Ok(std::net::SocketAddr::new(ip, port).into())
}

/// Reads lines until one begins with `start`.
async fn line(lines: &mut Messages, start: &str) -> String {
    loop {
        let message = lines.next().await.unwrap();
        let text = String::from_utf8(message.expect("the server went away").to_vec()).unwrap();
        if text.starts_with(start) {
            return text;
        }
    }
}
