//! The runs themselves, which the tests share.

use std::time::Duration;

use wharf::client::Client;
use wharf::connection::Connection;
use wharf::limits::Limits;
use wharf::network::{ConnectOptions, ListenOptions, StreamOptions, Switch};
use wharf::server::{Running, ServeOptions, Server};
use wharf::service::Service;
use wharf_lab::topology::{NodeKind, SpanningTree};
use wharf_lab::{Congestion, HostSettings, Hosts, Lab, LabError, LabHost, Link, Topology};
use wharf_services::{Discard, Echo};

/// Of the bottleneck, in Mbit/s.
pub(crate) const RATE: f64 = 10.0;

/// In front of the bottleneck, in bytes.
pub(crate) const QUEUE: usize = 64 << 10;

/// Buffers in bytes and loss: each for twenty seeds at full size.
pub(crate) const ECHO_GRID: [(usize, f64); 16] = {
    let buffers = [16 << 10, 65_535, 128 << 10, 256 << 10];
    let losses = [0.0, 0.01, 0.03, 0.05];
    let mut grid = [(0, 0.0); 16];
    let mut i = 0;
    while i < 16 {
        grid[i] = (buffers[i / 4], losses[i % 4]);
        i += 1;
    }
    grid
};

/// Goodput of this stack in Mbit/s as it was measured before (medians).
pub(crate) struct Reference {
    pub(crate) loss: f64,
    pub(crate) reno: f64,
    pub(crate) cubic: f64,
}

/// 10 Mbit/s, 20 ms each way, 64 KiB queue, 256 KiB buffers.
pub(crate) const REFERENCE: [Reference; 5] = [
    Reference {
        loss: 0.0,
        reno: 8.68,
        cubic: 8.61,
    },
    Reference {
        loss: 0.001,
        reno: 7.41,
        cubic: 7.75,
    },
    Reference {
        loss: 0.01,
        reno: 2.05,
        cubic: 2.30,
    },
    Reference {
        loss: 0.03,
        reno: 0.66,
        cubic: 0.75,
    },
    Reference {
        loss: 0.05,
        reno: 0.35,
        cubic: 0.37,
    },
];

/// How far a goodput may be from what is known, and from the formula.
pub(crate) const WITHIN: f64 = 0.25;

/// What a clean link with room to queue carries at least, of its rate.
pub(crate) const CLEAN: f64 = 0.94;

impl Reference {
    /// In words, what a goodput is too far away from: what this congestion control
    /// did before, and from 1 % on, where TCP is limited by loss, the formula.
    pub(crate) fn outside(&self, rate: f64, known: f64) -> Vec<String> {
        let formula = (self.loss >= 0.01).then(|| ("the formula", pftk(self.loss).min(RATE)));
        let all = [Some(("measured before", known)), formula];
        let all = all.into_iter().flatten();
        let far = all.filter(|(_, wanted)| (rate / wanted - 1.0).abs() > WITHIN);
        let loss = self.loss * 100.0;
        far.map(|(what, wanted)| format!("{loss} % loss: {rate:.2}, {what} {wanted:.2} Mbit/s"))
            .collect()
    }
}

/// Padhye, Firoiu, Towsley and Kurose 1998, equation 30, in Mbit/s, with a timeout
/// of 1 s, 1,460-byte segments, a round trip of 41 ms and an acknowledgement for
/// every segment.
pub(crate) fn pftk(loss: f64) -> f64 {
    let (rtt, timeout, acked) = (0.041, 1.0, 1.0);
    let fast = rtt * (2.0 * acked * loss / 3.0_f64).sqrt();
    let late = (3.0 * (3.0 * acked * loss / 8.0_f64).sqrt()).min(1.0);
    let slow = timeout * late * loss * (1.0 + 32.0 * loss * loss);
    1_460.0 * 8e-6 / (fast + slow)
}

/// A slow link behind a fast one.
fn lab(seed: u64, settings: HostSettings, forth: Link, back: Link) -> Lab {
    let mut topology = Topology::default();
    let sender = topology.node("h0", NodeKind::Host);
    let switch = topology.node("switch", NodeKind::Switch(SpanningTree::Off));
    let receiver = topology.node("h1", NodeKind::Host);
    topology.join(sender, switch, Link::default().queue(1 << 20));
    let link = topology.join(switch, receiver, forth);
    topology.links[link].back = Some(back);
    Lab::new(seed).hosts(settings).topology(topology)
}

fn slow() -> Link {
    Link::default()
        .rate(10_000_000)
        .delay(Duration::from_millis(20))
}

/// Nobody is cut off for being slow: it is the network that is measured.
fn stream() -> StreamOptions {
    StreamOptions {
        // With TCP_NODELAY this stack fills the congestion window up with small
        // segments, and loses and recovers differently: what was measured before
        // had Nagle's algorithm on.
        nodelay: Switch::Off,
        user_timeout: None,
        ..StreamOptions::default()
    }
}

async fn serve(host: &LabHost, at: &str, service: impl Service) -> Result<Running, LabError> {
    let limits = Limits {
        idle_timeout: None,
        write_timeout: None,
        ..Limits::default()
    };
    let options = ServeOptions {
        listen: ListenOptions {
            stream: stream(),
            ..ListenOptions::default()
        },
        ..ServeOptions::default()
    };
    let server = Server::on(host.network()).limits(limits);
    let server = server.serve_with("bulk", at.parse()?, service, options);
    Ok(server.start().await?)
}

async fn connect(host: &LabHost, to: &str) -> Result<Connection, LabError> {
    let options = ConnectOptions {
        stream: stream(),
        ..ConnectOptions::default()
    };
    let client = Client::on(host.network())
        .options(options)
        .connect_timeout(None);
    Ok(client.connect(&to.parse()?).await?)
}

/// How long it took to have `bytes` echoed, or why that did not end within 900 s.
pub(crate) fn echo(
    bytes: usize,
    buffer: usize,
    loss: f64,
    seed: u64,
) -> Result<Duration, LabError> {
    let settings = HostSettings {
        stream_buffer: buffer,
        ..HostSettings::default()
    };
    let link = slow().loss(loss).queue(QUEUE);
    let lab = lab(seed, settings, link.clone(), link);
    let outcome = lab.run(async move |hosts| {
        let work = echo_once(hosts, bytes);
        let ended = tokio::time::timeout(Duration::from_secs(900), work).await;
        ended.map_err(std::io::Error::from)?
    });
    outcome?.value
}

/// Writes and reads at once, as the service does.
async fn echo_once(hosts: Hosts, bytes: usize) -> Result<Duration, LabError> {
    let _server = serve(&hosts[1], "tcp::7", Echo::default()).await?;
    let begun = tokio::time::Instant::now();
    let client = connect(&hosts[0], "h1:7").await?;
    let (mut reader, mut writer) = tokio::io::split(client);
    let writing = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        let all = vec![1; bytes];
        writer.write_all(&all).await?;
        writer.shutdown().await
    });
    use tokio::io::AsyncReadExt;
    let (mut heard, mut space) = (0, vec![0; 65_536]);
    loop {
        match reader.read(&mut space).await {
            Ok(0) => break,
            Ok(count) => heard += count,
            Err(error) => {
                let cause = format!("after {heard} B: {error}");
                return Err(std::io::Error::new(error.kind(), cause).into());
            }
        }
    }
    writing.await.map_err(std::io::Error::other)??;
    match heard == bytes {
        true => Ok(begun.elapsed()),
        false => Err(std::io::Error::other(format!("ended after {heard} B")).into()),
    }
}

/// Goodput in Mbit/s over one minute, the handshake and slow start included.
pub(crate) fn goodput(congestion: Congestion, loss: f64, queue: usize, seed: u64) -> f64 {
    const SPAN: Duration = Duration::from_secs(60);
    let settings = HostSettings {
        congestion,
        ..HostSettings::default()
    };
    // Loss on the way of the data alone.
    let back = slow().queue(queue);
    let lab = lab(seed, settings, back.clone().loss(loss), back);
    let outcome = lab.run(async |hosts| {
        let _server = serve(&hosts[1], "tcp::9", Discard::default()).await?;
        let mut client = connect(&hosts[0], "h1:9").await?;
        let chunk = vec![1; 65_536];
        let endless = async {
            loop {
                client.write_all(&chunk).await?;
            }
        };
        match tokio::time::timeout(SPAN, endless).await {
            Ok(ended) => ended,
            Err(_) => Ok::<_, LabError>(()),
        }
    });
    let outcome = outcome.expect("one lab at a time");
    outcome.value.expect("the connection stays");
    let received = outcome.report.connections();
    let received = received.iter().filter(|(host, _)| *host == "h1");
    let bytes: u64 = received.map(|(_, connection)| connection.read).sum();
    bytes as f64 * 8e-6 / SPAN.as_secs_f64()
}

/// The middle one; the upper of two.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
