//! `wharf lab demo`: short experiments, each with what to look at.
//!
//! Every number in them comes out of the run that was just made; the seed can be
//! changed.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep, timeout};
use wharf::names::suggest;
use wharf::network::Endpoint;
use wharf_lab::core::{Action, Change, Entry};
use wharf_lab::topology::ChangePlan;
use wharf_lab::{
    EchoAnswer, HostSettings, Hosts, Lab, LabError, LabHost, Link, Medium, Report, Tap, Topology,
};
use wharf_services::{Discard, Echo, Upper};
use wharf_wire::frame::Frame;
use wharf_wire::view::{Look, View};

use super::args::DemoArgs;
use super::picture::{boxes_of, picture};
use super::view::{Table, lines, rate};
use super::{failed, print};
use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::style;

/// Pictures are as wide as this, wherever they are shown.
const WIDTH: usize = 100;

/// One experiment.
struct Demo {
    name: &'static str,
    about: &'static str,
    /// What to look at.
    look: &'static str,
    run: fn(u64) -> Result<String, LabError>,
}

const DEMOS: [Demo; 7] = [
    Demo {
        name: "layers",
        about: "a message through four layers over two switches",
        look: "the bytes grow by a header at each layer on the way down; the switches look at \
               the outermost one alone, and the far host takes them off one by one",
        run: layers,
    },
    Demo {
        name: "media",
        about: "one message over each medium",
        look: "a slow medium is slow because of its bits per second, a far one because of its \
               distance: compare 1 byte with 1000",
        run: media,
    },
    Demo {
        name: "ring",
        about: "a message going round a ring",
        look: "every station passes it on, its destination copies it, and its sender takes it \
               off again; then one link is cut, and the circle is broken for everybody behind it",
        run: ring,
    },
    Demo {
        name: "repair",
        about: "TCP repairs what is lost, UDP does not",
        look: "the same loss with the same seed: over TCP everything arrives, some of it late; \
               over UDP everything that arrives is on time",
        run: repair,
    },
    Demo {
        name: "tree",
        about: "a ring of switches whose link fails",
        look: "switches block one link so that nothing circles; when another fails, half a \
               minute passes before the blocked one takes over (IEEE 802.1D)",
        run: tree,
    },
    Demo {
        name: "collisions",
        about: "a bus under collisions",
        look: "the more stations want to send at once, the more often two begin together; \
               the back-off spreads them out again, so that the cable itself loses little, but \
               every station gets only its share; 60 % of the cable is all \
               that datagrams of 100 bytes can fill: the rest is their headers and the gaps",
        run: collisions,
    },
    Demo {
        name: "bufferbloat",
        about: "a queue that is too long",
        look: "everything waits in a long queue in front of a slow link: look at the longest ping. \
               Past a certain length it does not even carry more: when it overflows at last, \
               much is lost at once, and this TCP, which has no selective acknowledgements, \
               repairs one segment a round trip, each of which waits in the queue",
        run: bufferbloat,
    },
];

pub(super) fn run(common: &Common, args: &DemoArgs) -> Result<Exit, Failure> {
    let Some(name) = &args.name else {
        print(&list(common.json))?;
        return Ok(Exit::Done);
    };
    let Some(demo) = DEMOS.iter().find(|demo| demo.name == name) else {
        let names = DEMOS.iter().map(|demo| demo.name);
        let failure = Failure::usage(format!("there is no demo {name}"));
        return Err(match suggest(name, names.clone()) {
            Some(near) => failure.cure(format!("wharf lab demo {near}")),
            None => failure.with("demos", names.collect::<Vec<&str>>().join(", ")),
        });
    };
    let shown = (demo.run)(args.seed).map_err(|error| failed(&error))?;
    let style = common.color.style_for(&io::stdout());
    let text = match common.json {
        true => format!(
            "{}\n",
            json!({
                "event": "lab-demo",
                "demo": demo.name,
                "about": demo.about,
                "look_at": demo.look,
                "seed": args.seed,
                "text": shown,
            })
        ),
        false => format!(
            "{}\n\n{}\n{}: {}\n",
            style.name(demo.about),
            shown,
            style.name("look at"),
            demo.look
        ),
    };
    print(&text)?;
    Ok(Exit::Done)
}

fn list(as_json: bool) -> String {
    if as_json {
        let line = |demo: &Demo| {
            let object = json!({
                "event": "lab-demo",
                "demo": demo.name,
                "about": demo.about,
                "look_at": demo.look,
            });
            format!("{object}\n")
        };
        return DEMOS.iter().map(line).collect();
    }
    let mut table = Table::new(&["wharf lab demo …", ""]);
    for demo in &DEMOS {
        table.row(vec![demo.name.to_owned(), demo.about.to_owned()]);
    }
    table.text()
}

/// One line to a service and back.
async fn ask(hosts: &Hosts, from: usize, address: &str, text: &str) -> Result<Duration, LabError> {
    let mut peer = hosts[from].connect(address).await?;
    let begun = Instant::now();
    peer.write_all(text.as_bytes()).await?;
    peer.read_chunk().await?;
    let took = begun.elapsed();
    peer.close().await?;
    Ok(took)
}

fn entries(report: &Report, message: u32) -> Vec<Entry> {
    let journal = report.journal().into_iter();
    journal
        .flat_map(|journal| journal.about(message))
        .cloned()
        .collect()
}

fn layers(seed: u64) -> Result<String, LabError> {
    let lab = Lab::new(seed)
        .topology(Topology::line(2))
        .with_journal()
        .with_recording();
    let outcome = lab.run(async |hosts| {
        let _server = hosts[1].serve("tcp4::12000", Upper::default()).await?;
        ask(&hosts, 0, "tcp4:h1:12000", "hello\n").await
    })?;
    outcome.value?;
    let report = outcome.report;
    let first = report.recording().and_then(|recording| {
        let mut frames = recording.frames().iter();
        frames.find(|it| it.frame.message == Some(1))
    });
    let length = first.map_or(0, |it| it.frame.len());
    let bytes = first.map(|it| it.frame.bytes()).unwrap_or_default();
    let ip = bytes.get(14).map_or(20, |byte| usize::from(byte & 15) * 4);
    let tcp = bytes
        .get(14 + ip + 12)
        .map_or(20, |byte| usize::from(byte >> 4) * 4);
    let payload = length.saturating_sub(14 + ip + tcp);
    let mut text = String::new();
    let down = [
        ("application", "hello and a newline", payload, payload),
        (
            "transport",
            "TCP: ports, sequence number, checksum",
            tcp,
            payload + tcp,
        ),
        (
            "network",
            "IPv4: addresses, time to live",
            ip,
            payload + tcp + ip,
        ),
        ("link", "Ethernet: hardware addresses", 14, length),
    ];
    for (layer, what, adds, total) in down {
        let _ = writeln!(text, "  {layer:<12} {what:<38} +{adds:>2} B = {total:>2} B");
    }
    text.push('\n');
    let is_first = |frame: &Frame| frame.comments.iter().any(|it| it == "message 1");
    text += &boxes_of(&report, first_tap(&report), &Look::plain(WIDTH), is_first);
    text.push('\n');
    text += &lines(&report, &entries(&report, 1));
    Ok(text)
}

fn media(seed: u64) -> Result<String, LabError> {
    let mut table = Table::new(&["medium", "rate", "one way", "1 B there and back", "1000 B"]);
    for medium in Medium::ALL {
        let link = medium.link();
        let outcome = Lab::new(seed)
            .link(link.clone().loss(0.0))
            .run(async |hosts| {
                let _server = hosts[0].serve("tcp4::7", Echo::default()).await?;
                let mut peer = hosts[1].connect("tcp4:h0:7").await?;
                let mut times = Vec::new();
                for length in [1, 1_000] {
                    // What the one before has left behind is gone by then.
                    sleep(Duration::from_secs(20)).await;
                    let begun = Instant::now();
                    peer.write_all(&vec![b'x'; length]).await?;
                    let mut heard = 0;
                    while heard < length {
                        heard += peer.read_chunk().await?.map_or(length, |chunk| chunk.len());
                    }
                    times.push(begun.elapsed());
                }
                Ok::<_, LabError>(times)
            })?;
        let times = outcome.value?;
        let mut row = vec![
            medium.name().to_owned(),
            rate(link.bits_per_second().unwrap_or(0) as f64),
            style::duration(link.propagation()),
        ];
        row.extend(times.into_iter().map(style::duration));
        table.row(row);
    }
    Ok(table.text())
}

fn ring(seed: u64) -> Result<String, LabError> {
    let slow = Link::default()
        .rate(10_000_000)
        .delay(Duration::from_micros(5));
    let mut topology = Topology::ring(5);
    topology.set_links(&slow);
    let cut = topology.link_between("r3", "r4").unwrap_or(0);
    topology.changes.push(ChangePlan {
        at: Duration::from_secs(5),
        link: cut,
        change: Change::Down,
    });
    let lab = Lab::new(seed).topology(topology).with_journal();
    let outcome = lab.run(async |hosts| {
        let mut receiver = hosts[3].bind("udp4::7").await?;
        let mut sender = hosts[1].bind("udp4::0").await?;
        let to = receiver.local().clone();
        let mut heard = Vec::new();
        // The first one asks for addresses; the second is the one to follow.
        for text in ["first", "hello"] {
            sender.send_to(text.as_bytes(), &to).await?;
            receiver.receive_from(&mut heard).await?;
            sleep(Duration::from_secs(1)).await;
        }
        sleep(Duration::from_secs(4)).await;
        let patience = Duration::from_secs(3);
        let mut reached = Vec::new();
        for host in 0..5 {
            let name = format!("h{host}");
            if host != 1 {
                let pong = hosts[1].network().ping(&name, 64, patience).await;
                let answered = pong.is_ok_and(|pong| pong.answer == EchoAnswer::Reply);
                reached.push((name, answered));
            }
        }
        Ok::<_, LabError>(reached)
    })?;
    let reached = outcome.value?;
    let mut text = "h1 sends hello to h3\n".to_owned();
    text += &lines(&outcome.report, &entries(&outcome.report, 2));
    text += "\nthe link from r3 to r4 is cut; h1 pings\n";
    for (name, answered) in reached {
        let what = if answered {
            "answers"
        } else {
            "no answer: the circle is broken"
        };
        let _ = writeln!(text, "  {name}  {what}");
    }
    Ok(text)
}

fn repair(seed: u64) -> Result<String, LabError> {
    let link = Link::default()
        .rate(10_000_000)
        .delay(Duration::from_millis(20))
        .loss(0.15);
    const MESSAGES: usize = 12;
    let tcp = Lab::new(seed)
        .link(link.clone())
        .with_recording()
        .with_journal();
    let tcp = tcp.run(async |hosts| {
        let _server = hosts[0].serve("tcp4::9", Discard::default()).await?;
        let mut peer = hosts[1].connect("tcp4:h0:9").await?;
        for i in 1..=MESSAGES {
            peer.write_all(format!("message {i}\n").as_bytes()).await?;
            sleep(Duration::from_millis(100)).await;
        }
        sleep(Duration::from_secs(30)).await;
        Ok::<_, LabError>(())
    })?;
    tcp.value?;
    let udp = Lab::new(seed).link(link).with_recording().with_journal();
    let udp = udp.run(async |hosts| {
        let _server = hosts[0]
            .serve_datagrams("udp4::9", Discard::default())
            .await?;
        let mut socket = hosts[1].bind("udp4::0").await?;
        let to = first_endpoint(&hosts, 9)?;
        let ping = hosts[1]
            .network()
            .ping("h0", 64, Duration::from_secs(9))
            .await;
        drop(ping);
        for i in 1..=MESSAGES {
            socket
                .send_to(format!("message {i}\n").as_bytes(), &to)
                .await?;
            sleep(Duration::from_millis(100)).await;
        }
        sleep(Duration::from_secs(1)).await;
        Ok::<_, LabError>(())
    })?;
    udp.value?;
    let mut text = "TCP\n".to_owned();
    text += &ladder(&tcp.report);
    text += "\nUDP\n";
    text += &ladder(&udp.report);
    let mut table = Table::new(&["", "written", "read by the far application", "frames lost"]);
    for (name, report) in [("TCP", &tcp.report), ("UDP", &udp.report)] {
        let sum = |what: fn(Action) -> usize| {
            let entries = report.journal().into_iter().flat_map(|it| it.entries());
            entries.map(|entry| what(entry.action)).sum::<usize>()
        };
        let written = sum(|action| match action {
            Action::Wrote(bytes) => bytes,
            _ => 0,
        });
        let read = sum(|action| match action {
            Action::Read(bytes) => bytes,
            _ => 0,
        });
        // The ping that finds the way for UDP belongs to neither.
        let frames = report.recording().map_or(&[][..], |it| it.frames());
        let lost = frames
            .iter()
            .filter(|it| it.remark.dropped.is_some() && !is_ping(it.frame.bytes()))
            .count();
        table.row(vec![
            name.to_owned(),
            format!("{written} B"),
            format!("{read} B"),
            lost.to_string(),
        ]);
    }
    text.push('\n');
    text += &table.text();
    Ok(text)
}

/// ICMP over IPv4 (RFC 792): type 0x0800 of Ethernet, protocol 1.
fn is_ping(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[8, 0]) && frame.get(23) == Some(&1)
}

fn ladder(report: &Report) -> String {
    picture(report, first_tap(report), View::Ladder, &Look::plain(WIDTH))
}

fn first_tap(report: &Report) -> Tap {
    let taps = report.taps();
    taps.first()
        .copied()
        .unwrap_or(Tap::Link(wharf_lab::core::LinkId(0)))
}

fn first_endpoint(hosts: &Hosts, port: u16) -> Result<Endpoint, LabError> {
    let all = hosts[1].network().addresses("h0")?;
    let first = all
        .first()
        .copied()
        .ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    Ok(std::net::SocketAddr::new(first, port).into())
}

fn tree(seed: u64) -> Result<String, LabError> {
    let mut topology = Topology::switch_ring(4);
    let cut = topology.link_between("s0", "s1").unwrap_or(0);
    topology.changes.push(ChangePlan {
        at: Duration::from_millis(10_500),
        link: cut,
        change: Change::Down,
    });
    let lab = Lab::new(seed).topology(topology).with_journal();
    let outcome = lab.run(async |hosts| {
        let mut answers = Vec::new();
        for second in 0..70_u64 {
            let begun = Instant::now();
            let network = hosts[0].network();
            let pong = network.ping("h1", 64, Duration::from_millis(900)).await;
            let answered = pong.is_ok_and(|pong| pong.answer == EchoAnswer::Reply);
            answers.push((second, answered));
            sleep(Duration::from_secs(1).saturating_sub(begun.elapsed())).await;
        }
        Ok::<_, LabError>(answers)
    })?;
    let answers = outcome.value?;
    let line: String = answers
        .iter()
        .map(|(_, ok)| if *ok { '•' } else { '·' })
        .collect();
    let mut text = format!(
        "h0 pings h1 once a second; after 10.5 s the link s0-s1 is cut\n\n  {line}\n  {}\n\n",
        "0 s       10 s      20 s      30 s      40 s      50 s      60 s"
    );
    let lost = answers.iter().filter(|(_, ok)| !ok).count();
    let _ = writeln!(text, "  {lost} pings without an answer\n");
    let journal = outcome.report.journal().into_iter();
    let changes: Vec<Entry> = journal
        .flat_map(|journal| journal.entries())
        .filter(|entry| matches!(entry.action, Action::Port(..) | Action::Changed(_)))
        .cloned()
        .collect();
    text += &lines(&outcome.report, &changes);
    Ok(text)
}

fn collisions(seed: u64) -> Result<String, LabError> {
    let mut table = Table::new(&[
        "stations",
        "carried",
        "collisions",
        "goodput",
        "of the cable",
        "per station",
    ]);
    const SPAN: Duration = Duration::from_millis(500);
    for stations in [1_usize, 2, 4, 8, 16] {
        let outcome = Lab::new(seed).bus(stations + 1).run(async |hosts| {
            let mut tasks = tokio::task::JoinSet::new();
            let mut receiver = hosts[0].bind("udp4::9").await?;
            let to = receiver.local().clone();
            for host in hosts.iter().skip(1).cloned() {
                let to = to.clone();
                tasks.spawn(flood(host, to));
            }
            let mut heard = Vec::new();
            let mut bytes = 0;
            let counting = async {
                loop {
                    if receiver.receive_from(&mut heard).await.is_ok() {
                        bytes += heard.len();
                    }
                }
            };
            let _: Result<(), _> = timeout(SPAN, counting).await;
            tasks.abort_all();
            Ok::<_, LabError>(bytes)
        })?;
        let bytes = outcome.value?;
        let goodput = bytes as f64 * 8.0 / SPAN.as_secs_f64();
        let summary = outcome.report.summary();
        let Some(medium) = summary.media.first() else {
            continue;
        };
        table.row(vec![
            stations.to_string(),
            medium.carried.to_string(),
            medium.collisions.to_string(),
            rate(goodput),
            format!("{:.0} %", goodput / 1e5),
            rate(goodput / stations as f64),
        ]);
    }
    Ok(table.text())
}

/// Sends more than the cable can carry: 8 datagrams of 100 bytes in a millisecond are
/// 9 Mbit/s with their headers.
async fn flood(host: LabHost, to: Endpoint) -> Result<(), LabError> {
    let mut socket = host.bind("udp4::0").await?;
    loop {
        for _ in 0..8 {
            socket.send_to(&[0; 100], &to).await?;
        }
        sleep(Duration::from_millis(1)).await;
    }
}

fn bufferbloat(seed: u64) -> Result<String, LabError> {
    let mut table = Table::new(&["queue", "goodput", "ping before", "usual ping", "longest"]);
    const SPAN: Duration = Duration::from_secs(60);
    for queue in [8 << 10, 64 << 10, 512 << 10] {
        let link = Link::default()
            .rate(10_000_000)
            .delay(Duration::from_millis(10))
            .queue(queue);
        // Buffers larger than any of the queues: the sender is not what holds it back.
        let settings = HostSettings {
            stream_buffer: 2 << 20,
            ..HostSettings::default()
        };
        let lab = Lab::new(seed).link(link).hosts(settings);
        let outcome = lab.run(async |hosts| {
            let _server = hosts[0].serve("tcp4::9", Discard::default()).await?;
            let network = hosts[1].network();
            let patience = Duration::from_secs(5);
            network.ping("h0", 64, patience).await?;
            let before = network.ping("h0", 64, patience).await?.rtt;
            let mut peer = hosts[1].connect("tcp4:h0:9").await?;
            let sending = tokio::spawn(async move {
                let chunk = vec![0; 65_536];
                while peer.write_all(&chunk).await.is_ok() {}
            });
            let begun = Instant::now();
            let mut rtts = Vec::new();
            while begun.elapsed() < SPAN {
                sleep(Duration::from_millis(500)).await;
                if let Ok(pong) = network.ping("h0", 64, patience).await {
                    rtts.push(pong.rtt);
                }
            }
            sending.abort();
            rtts.sort();
            let middle = rtts.get(rtts.len() / 2).copied().unwrap_or_default();
            let longest = rtts.last().copied().unwrap_or_default();
            Ok::<_, LabError>([before, middle, longest])
        })?;
        let pings = outcome.value?;
        let connections = outcome.report.connections();
        let read: u64 = connections.iter().map(|(_, it)| it.read).sum();
        let mut row = vec![
            style::bytes(queue as u64),
            rate(read as f64 * 8.0 / SPAN.as_secs_f64()),
        ];
        row.extend(pings.map(style::duration));
        table.row(row);
    }
    Ok(table.text())
}
