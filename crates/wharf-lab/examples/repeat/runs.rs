//! Runs with everything that could differ from one time to the next: every shape, every
//! fault, TCP and UDP, programs with timers and with random numbers of their own.

use std::time::Duration;

use wharf::datagram::Amplification;
use wharf::server::{DatagramOptions, Server};
use wharf_lab::{Centre, Hosts, Lab, LabError, LabHost, LabNetwork, Link, Topology};
use wharf_services::Echo;
use wharf_services::chat::UnreliableChat;
use wharf_services::chat::client::{ChatClient, Event, Reconnect};

/// The shapes by name.
pub(crate) fn shapes() -> [(&'static str, Topology); 8] {
    [
        ("star", Topology::star(4, Centre::Switch)),
        ("star-hub", Topology::star(4, Centre::Hub)),
        ("star-host", Topology::star(4, Centre::Host)),
        ("bus", Topology::bus(4)),
        ("ring", Topology::ring(4)),
        ("ring-switches", Topology::switch_ring(4)),
        ("ring-routers", Topology::router_ring(4)),
        ("lans", Topology::two_lans(2)),
    ]
}

/// What a run leaves behind: files by their names.
pub(crate) type Left = Vec<(String, Vec<u8>)>;

/// Runs one shape: the captures of all its links, the summary and the journal.
pub(crate) fn run(shape: Topology, seed: u64) -> Result<Left, LabError> {
    let link = Link::default()
        .rate(10_000_000)
        .delay(Duration::from_millis(5))
        .jitter(Duration::from_millis(3))
        .loss(0.02)
        .duplicate(0.01)
        .reorder(0.01)
        .corrupt(0.001);
    let lab = Lab::new(seed)
        .topology(shape)
        .link(link)
        .with_recording()
        .with_journal();
    let outcome = lab.run(async |hosts| {
        let all = tokio::time::timeout(Duration::from_secs(600), programs(hosts)).await;
        all.map_err(std::io::Error::from)?
    })?;
    outcome.value?;
    let report = outcome.report;
    let mut left = Left::new();
    for tap in report.taps() {
        let mut capture = Vec::new();
        report.write_capture(tap, &mut capture)?;
        left.push((format!("{}.pcapng", report.tap_name(tap)), capture));
    }
    let summary = serde_json::to_vec_pretty(&report.summary()).map_err(std::io::Error::other)?;
    left.push(("summary.json".to_owned(), summary));
    let entries = report.journal().into_iter().flat_map(|it| it.entries());
    let journal: String = entries.map(|entry| format!("{entry:?}\n")).collect();
    left.push(("journal.txt".to_owned(), journal.into_bytes()));
    Ok(left)
}

async fn programs(hosts: Hosts) -> Result<(), LabError> {
    let _echo = hosts[0].serve("tcp::7", Echo::default()).await?;
    let _datagrams = hosts[0].serve_datagrams("udp::7", Echo::default()).await?;
    let chat = UnreliableChat::new(Default::default(), 1, |_| {});
    let options = DatagramOptions {
        amplification: Amplification::Allowed,
        ..DatagramOptions::default()
    };
    let server = Server::on(hosts[0].network());
    let server = server.serve_datagrams_with("chat", "udp::5382".parse()?, chat, options);
    let _chat = server.start().await?;
    let mut clients = Vec::new();
    for (i, host) in hosts.iter().enumerate().skip(1) {
        clients.push(tokio::spawn(echoes(host.clone())));
        clients.push(tokio::spawn(talks(host.clone(), format!("user{i}"))));
    }
    for client in clients {
        client.await.map_err(std::io::Error::other)??;
    }
    Ok(())
}

/// Twenty echoes of 500 bytes, with a pause after each.
async fn echoes(host: LabHost) -> Result<(), LabError> {
    let mut client = host.connect("h0:7").await?;
    for i in 0..20_u8 {
        client.write_all(&[i; 500]).await?;
        let mut heard = 0;
        while heard < 500 {
            heard += client.read_chunk().await?.map_or(500, |chunk| chunk.len());
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    Ok(client.close().await?)
}

/// Five messages to the bot that answers, over datagrams.
async fn talks(host: LabHost, name: String) -> Result<(), LabError> {
    let client = ChatClient::on(host.network(), "udp:h0:5382".parse()?);
    let mut client = client.reconnect(Reconnect::Always);
    client.log_in(&name);
    let mut heard = 0;
    while heard < 5 {
        match client.next().await {
            Event::LoggedIn(_) => say(&mut client, "hello"),
            Event::Message(_) => {
                heard += 1;
                say(&mut client, &format!("after {heard}"));
            }
            _ => {}
        }
    }
    client.leave().await;
    Ok(())
}

/// What cannot be sent while the login is lost is sent after the next one.
fn say(client: &mut ChatClient<LabNetwork>, text: &str) {
    let _ = client.send("echobot", text);
}
