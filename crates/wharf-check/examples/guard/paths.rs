//! The hot paths.

use std::hint::black_box;
use std::net::SocketAddr;

use wharf::address::Address;
use wharf::client::Client;
use wharf::connection::Connection;
use wharf::datagram::{Batch, DatagramService};
use wharf::framing::{Decoder, Encoder, Framing, Limits};
use wharf::network::{Endpoint, MemoryNetwork, Network, Os};
use wharf::server::{Running, Server};
use wharf::service::{Context, Drain};
use wharf_lab::Lab;
use wharf_services::{Chat, Echo, Upper};
use wharf_wire::application::Dissectors;
use wharf_wire::build::{Say, TcpModel, tcp};
use wharf_wire::conversation::{Direction, Limits as FlowLimits, Tracker};
use wharf_wire::file::{PcapngWriter, Reader};
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::layers::Layers;
use wharf_wire::packet::Segment;
use wharf_wire::trace::Trace;

/// How much is done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    Usual,
    /// An eighth more: what the guard has to find.
    Planted,
}

impl Load {
    fn of(self, count: usize) -> usize {
        match self {
            Load::Usual => count,
            Load::Planted => count + count / 8,
        }
    }
}

type Error = Box<dyn std::error::Error>;
type Outcome = Result<(), Error>;

/// One path: its name, what it is, and how to go it.
struct Path(&'static str, &'static str, fn(Load) -> Outcome);

/// The path on which a slowdown is planted.
pub(crate) const PROOF: &str = "address";

const PATHS: [Path; 14] = [
    Path("address", "parsing addresses of every kind", address),
    Path("lines", "messages by lines, out of segments", lines),
    Path("u32", "messages by length: encode and decode", lengths),
    Path(
        "netstring",
        "messages by netstrings: encode and decode",
        netstrings,
    ),
    Path(
        "echo",
        "the server over the network in memory, 64 bytes",
        echo,
    ),
    Path(
        "upper",
        "the same, 1 KiB of text with other letters in it",
        upper,
    ),
    Path(
        "sessions",
        "connections that come, speak once and go",
        sessions,
    ),
    Path("datagrams", "UDP upper in batches of 64", datagrams),
    Path("chat", "a room of ten, everybody writes to the next", chat),
    Path(
        "chat-burst",
        "a room of two, a hundred lines at a time",
        chat_burst,
    ),
    Path(
        "frames",
        "a capture file read, its conversations followed",
        frames,
    ),
    Path("layers", "every field of every layer of frames", layers),
    Path(
        "streams",
        "messages of streams that all become known at once",
        streams,
    ),
    Path(
        "lab",
        "echo over TCP between two hosts of a lab, behind a switch",
        lab,
    ),
];

pub(crate) fn list() -> impl Iterator<Item = (&'static str, &'static str)> {
    PATHS.iter().map(|Path(name, what, _)| (*name, *what))
}

pub(crate) fn run(name: &str, load: Load) -> Result<(), String> {
    let Path(_, _, go) = PATHS
        .iter()
        .find(|path| path.0 == name)
        .ok_or_else(|| format!("there is no path {name}"))?;
    go(load).map_err(|error| format!("{name}: {error}"))
}

/// What happens in here is counted. It must be a call of its own, also at the end.
#[inline(never)]
fn watched<T>(work: &mut dyn FnMut() -> T) -> T {
    black_box(work())
}

const ADDRESSES: [&str; 10] = [
    "7000",
    ":7000",
    "all:7000",
    "example.org:http",
    "[::1]:7000",
    "[fe80::1%eth0]:7000",
    "udp:192.0.2.1:7000,broadcast",
    "tls:example.org:443,insecure",
    "/run/wharf.sock",
    "unix-dgram:@name",
];

fn address(load: Load) -> Outcome {
    watched(&mut || {
        for _ in 0..load.of(200) {
            for text in ADDRESSES {
                black_box(black_box(text).parse::<Address>()?);
            }
        }
        Ok(())
    })
}

/// What Ethernet's segments carry.
const SEGMENT: usize = 1_448;

fn framed(framing: &str, load: Load) -> Outcome {
    let framing: Framing = framing.parse()?;
    let messages: Vec<Vec<u8>> = (0..load.of(2_000)).map(|n| vec![b'm'; n % 200]).collect();
    let encoder = Encoder::new(&framing);
    let received = watched(&mut || -> Result<usize, Error> {
        let mut wire = Vec::new();
        for message in &messages {
            encoder.encode(message, &mut wire)?;
        }
        let mut decoder = Decoder::new(&framing, Limits::default());
        let mut received = 0;
        for segment in wire.chunks(SEGMENT) {
            let mut rest = segment;
            while let Some(message) = decoder.next(&mut rest) {
                received += usize::from(black_box(message?).len() < usize::MAX);
            }
        }
        Ok(received)
    })?;
    right(received == messages.len())
}

fn lines(load: Load) -> Outcome {
    framed("lines", load)
}

fn lengths(load: Load) -> Outcome {
    framed("u32", load)
}

fn netstrings(load: Load) -> Outcome {
    framed("netstring", load)
}

/// A server and its clients, all in one thread on the network in memory.
struct World {
    runtime: tokio::runtime::Runtime,
    network: MemoryNetwork,
    address: Address,
    _running: Running,
}

impl World {
    fn new(
        serve: impl FnOnce(Server<MemoryNetwork>, Address) -> Server<MemoryNetwork>,
    ) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let network = MemoryNetwork::new();
        let address: Address = "tcp::7".parse()?;
        let server = serve(Server::on(network.clone()), address.clone());
        let running = runtime.block_on(server.start())?;
        Ok(World {
            runtime,
            network,
            address,
            _running: running,
        })
    }

    async fn client(&self) -> Result<Connection, Error> {
        Ok(Client::on(self.network.clone())
            .connect(&self.address)
            .await?)
    }
}

/// Sends, and reads exactly what must come back.
async fn exchange(client: &mut Connection, message: &[u8], reply: &[u8]) -> Outcome {
    client.write_all(message).await?;
    hear(client, reply).await
}

async fn hear(client: &mut Connection, mut due: &[u8]) -> Outcome {
    while !due.is_empty() {
        let chunk = client.read_chunk().await?.ok_or("closed too early")?;
        due = due.strip_prefix(&*chunk).ok_or("a wrong reply")?;
    }
    Ok(())
}

fn right(is: bool) -> Outcome {
    if is {
        Ok(())
    } else {
        Err("a wrong result".into())
    }
}

/// `count` round trips of one message with the server of `world`.
fn round_trips(world: &World, count: usize, message: &[u8], reply: &[u8]) -> Outcome {
    let mut client = world.runtime.block_on(world.client())?;
    watched(&mut || {
        world.runtime.block_on(async {
            for _ in 0..count {
                exchange(&mut client, message, reply).await?;
            }
            Ok(())
        })
    })
}

fn echo(load: Load) -> Outcome {
    let world = World::new(|server, at| server.serve("echo", at, Echo::default()))?;
    let message = [b'e'; 64];
    round_trips(&world, load.of(500), &message, &message)
}

fn upper(load: Load) -> Outcome {
    let world = World::new(|server, at| server.serve("upper", at, Upper::default()))?;
    let message = "quay, Hafenmauer und Straße. ".repeat(35);
    let reply = message.to_uppercase();
    round_trips(&world, load.of(50), message.as_bytes(), reply.as_bytes())
}

fn sessions(load: Load) -> Outcome {
    let world = World::new(|server, at| server.serve("echo", at, Echo::default()))?;
    watched(&mut || {
        world.runtime.block_on(async {
            for _ in 0..load.of(100) {
                let mut client = world.client().await?;
                exchange(&mut client, b"once", b"once").await?;
                client.close().await?;
            }
            Ok(())
        })
    })
}

fn datagrams(load: Load) -> Outcome {
    let context = Context::new(Os.platform(), Drain::new());
    let peer: Endpoint = "127.0.0.1:50000".parse::<SocketAddr>()?.into();
    let upper = Upper::default();
    let mut batch = Batch::new();
    let answered = watched(&mut || {
        let mut answered = 0;
        for _ in 0..load.of(200) {
            batch.clear();
            for _ in 0..64 {
                batch.push_received(&[b'd'; 512], &peer, None);
            }
            upper.receive(&mut batch, &context);
            while let Some(reply) = batch.next_outgoing() {
                answered += usize::from(black_box(reply.payload)[0] == b'D');
                batch.note_sent(1);
            }
        }
        answered
    });
    right(answered == load.of(200) * 64)
}

const ROOM: usize = 10;

/// Users of a chat, logged in.
async fn users(world: &World, count: usize) -> Result<Vec<Connection>, Error> {
    let mut users = Vec::new();
    for number in 0..count {
        let mut user = world.client().await?;
        let hello = format!("HELLO-FROM user{number}\n");
        let welcome = format!("HELLO user{number}\n");
        exchange(&mut user, hello.as_bytes(), welcome.as_bytes()).await?;
        users.push(user);
    }
    Ok(users)
}

fn chat(load: Load) -> Outcome {
    let world = World::new(|server, at| server.serve("chat", at, Chat::default()))?;
    let mut users = world.runtime.block_on(users(&world, ROOM))?;
    watched(&mut || {
        world.runtime.block_on(async {
            for _ in 0..load.of(20) {
                for from in 0..ROOM {
                    let to = (from + 1) % ROOM;
                    let send = format!("SEND user{to} a line of some length\n");
                    let delivery = format!("DELIVERY user{from} a line of some length\n");
                    exchange(&mut users[from], send.as_bytes(), b"SEND-OK\n").await?;
                    hear(&mut users[to], delivery.as_bytes()).await?;
                }
            }
            Ok(())
        })
    })
}

fn chat_burst(load: Load) -> Outcome {
    let world = World::new(|server, at| server.serve("chat", at, Chat::default()))?;
    let mut users = world.runtime.block_on(users(&world, 2))?;
    let send = "SEND user1 a line of some length\n".repeat(100);
    let ok = "SEND-OK\n".repeat(100);
    let delivery = "DELIVERY user0 a line of some length\n".repeat(100);
    watched(&mut || {
        world.runtime.block_on(async {
            for _ in 0..load.of(8) {
                exchange(&mut users[0], send.as_bytes(), ok.as_bytes()).await?;
                hear(&mut users[1], delivery.as_bytes()).await?;
            }
            Ok(())
        })
    })
}

/// A conversation of `count` requests and answers, as frames.
fn conversation(count: usize) -> Result<Vec<Frame>, Error> {
    let mut model = TcpModel::new("192.0.2.1:40000".parse()?, "192.0.2.2:7".parse()?, 1_460);
    let at = |step: usize| Timestamp::from_nanos(1_764_000_000_000_000_000 + step as u64 * 10_000);
    let mut frames = vec![
        model.syn(at(0)),
        model.syn_ack(at(1)),
        model.ack(at(2), Direction::Forward),
    ];
    for number in 0..count {
        for side in [Direction::Forward, Direction::Backward] {
            frames.extend(model.data(at(3 + number), side, &[b'm'; 100]));
            frames.push(model.ack(at(3 + number), side.other()));
        }
    }
    // As a file of somebody else's has them, without labels.
    for frame in &mut frames {
        frame.origin = Origin::Captured;
    }
    Ok(frames)
}

fn frames(load: Load) -> Outcome {
    let frames = conversation(load.of(500))?;
    let mut file = Vec::new();
    let mut writer = PcapngWriter::new(&mut file, "")?;
    for frame in &frames {
        writer.write(frame)?;
    }
    let followed = watched(&mut || -> Result<u64, Error> {
        let mut reader = Reader::open(file.as_slice())?;
        let mut tracker = Tracker::new(FlowLimits::default());
        let mut followed = 0;
        while let Some(record) = reader.next_record()? {
            let seen = tracker.see(record.at, record.link, record.bytes, record.original_len);
            followed += u64::from(black_box(seen).flow.is_some());
        }
        Ok(followed)
    })?;
    right(followed == frames.len() as u64)
}

fn layers(load: Load) -> Outcome {
    let frames = conversation(load.of(50))?;
    let dissectors = Dissectors::standard();
    let found = watched(&mut || {
        let layers = frames.iter().map(|frame| Layers::of(frame, &dissectors));
        layers
            .map(|layers| black_box(layers).list.len())
            .sum::<usize>()
    });
    right(found >= frames.len() * 3)
}

/// Many short messages behind a gap. Everybody is asked about each of them, and nobody may
/// look at all that follows it: the bytes are of no protocol's lines.
fn streams(load: Load) -> Outcome {
    let mut known = Dissectors::standard();
    wharf_services::dissect::all()
        .into_iter()
        .for_each(|one| known.register(one));
    let mut told = known.clone();
    right(told.decode_as(None, 53, "CHAT"))?;
    let record = b"\x17\x03\x03\x00\x01x";
    let question = b"\x00\x0c\xc3\xa9\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00";
    let count = load.of(3_000);
    for (dissectors, port, message) in [
        (&known, 443, &record[..]),
        (&known, 5_379, &record[..]),
        (&told, 53, &question[..]),
    ] {
        let all = message.repeat(count);
        let mut trace = Trace::new(dissectors.clone());
        behind_a_gap(&mut trace, port, &all)?;
        right(trace.messages.len() == count)?;
    }
    Ok(())
}

/// All of these bytes are seen but the second, and then that.
fn behind_a_gap(trace: &mut Trace, port: u16, bytes: &[u8]) -> Outcome {
    let from: SocketAddr = "192.0.2.1:40000".parse()?;
    let to = SocketAddr::new("192.0.2.2".parse()?, port);
    let frame = |at: usize, data: &[u8]| {
        let say = Say {
            seq: 1 + at as u32,
            ack: 1,
            flags: Segment::ACK,
            ..Say::default()
        };
        let bytes = tcp(from, to, &say, data);
        Frame::new(
            Timestamp::default(),
            Link::Ethernet,
            Origin::Captured,
            bytes,
        )
    };
    trace.push(frame(0, &bytes[..1]));
    for (index, piece) in bytes[2..].chunks(60_000).enumerate() {
        trace.push(frame(2 + index * 60_000, piece));
    }
    let last = frame(1, &bytes[1..2]);
    watched(&mut || trace.push(last.clone()));
    Ok(())
}

fn lab(load: Load) -> Outcome {
    let count = load.of(100);
    let message = [b'l'; 1_000];
    watched(&mut || {
        let outcome = Lab::new(1).star(2).run(async |hosts| -> Outcome {
            let _running = hosts[0].serve("tcp::7", Echo::default()).await?;
            let mut client = hosts[1].connect("h0:7").await?;
            for _ in 0..count {
                exchange(&mut client, &message, &message).await?;
            }
            Ok(())
        })?;
        outcome.value
    })
}
