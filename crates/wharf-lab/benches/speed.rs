//! How fast the lab is, each time next to a peer in the same run:
//! `cargo bench --workspace --bench speed`, or one figure of them over and over, for a
//! profiler: `… --bench speed -- raw` (`minimal`, `window`, `services`).
//!
//! - frames over links per second: a minimal loop of two smoltcp stacks, the lab
//!   without programs (two hosts, one link), and the lab with async services;
//! - the cost of a frame with 1,000 connections on a host, and with one;
//! - the memory of 1,000 hosts.
//!
//! The minimal loop is what a simulation cannot do without: every frame has a time of
//! its own, so a stack gets one frame a poll, and says when it wants to be polled
//! again. A loop without times can hand over all frames of a window in one poll, some
//! 45 of them; that is the second line, for comparison only.
//!
//! Both loops, and the lab without programs, read and write on every 16th pass: a
//! program does not look at its socket for each frame either.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::socket::tcp;
use smoltcp::wire::{EthernetAddress, HardwareAddress, IpAddress, IpCidr};
use wharf_lab::core::{Fabric, NodeId};
use wharf_lab::stack::{Host, StreamSettings};
use wharf_lab::{Congestion, Lab, LabError, Link};
use wharf_services::{Discard, Echo};

const BYTES: usize = 64 << 20;
const BUFFER: usize = 256 << 10;

/// The figures that are compared are taken in turns, and this often: the machine is not
/// equally fast at all times, and a ratio within a round does not see that.
const ROUNDS: usize = 15;

fn main() {
    // `-- raw` and the like: one of them over and over, for a profiler.
    let only = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    if let Some(only) = only {
        return one_alone(&only);
    }
    // First of all: later, memory that the others gave back would be used again.
    let before = resident();
    let fabric = Lab::new(1).star(1_000).fabric();
    let hosts = resident() - before;
    drop(fabric);
    println!(
        "frames per second, bulk of 64 MiB, medians of {ROUNDS} rounds (in brackets: middle half)"
    );
    let rounds: Vec<_> = (0..ROUNDS)
        .map(|_| {
            let peer = minimal_loop(Handing::One);
            (peer, raw_lab(), async_lab(), minimal_loop(Handing::All))
        })
        .collect();
    let of = |figure: fn(&(f64, f64, f64, f64)) -> f64| Spread::of(rounds.iter().map(figure));
    let millions = |spread: Spread| spread.median / 1e6;
    println!("  minimal smoltcp loop   {:>6.2} M", millions(of(|r| r.0)));
    println!(
        "  ... a window per poll  {:>6.2} M (without times)",
        millions(of(|r| r.3))
    );
    println!(
        "  lab without programs   {:>6.2} M = {} of it (wanted 0.8)",
        millions(of(|r| r.1)),
        of(|r| r.1 / r.0)
    );
    println!(
        "  lab with services      {:>6.2} M = {} of the lab without (wanted 0.25)",
        millions(of(|r| r.2)),
        of(|r| r.2 / r.1)
    );
    let rounds: Vec<_> = (0..3)
        .map(|_| (cost_per_frame(1), cost_per_frame(1_000)))
        .collect();
    let of = |figure: fn(&(f64, f64)) -> f64| Spread::of(rounds.iter().map(figure));
    println!("cost of a frame, medians of 3 rounds");
    println!("  1 connection           {:>6.2} us", of(|r| r.0).median);
    println!(
        "  1000 connections       {:>6.2} us = {} of it (wanted at most 3)",
        of(|r| r.1).median,
        of(|r| r.1 / r.0)
    );
    println!(
        "memory of 1000 hosts     {:>6.1} MB (wanted below 200)",
        hosts as f64 / 1e6
    );
}

/// One of the figures, as often as all rounds take it.
fn one_alone(name: &str) {
    let measure: fn() -> f64 = match name {
        "minimal" => || minimal_loop(Handing::One),
        "window" => || minimal_loop(Handing::All),
        "raw" => raw_lab,
        "services" => async_lab,
        _ => {
            eprintln!("`{name}` is none of minimal, window, raw, services");
            std::process::exit(2);
        }
    };
    let spread = Spread::of((0..ROUNDS).map(|_| measure() / 1e6));
    println!("{name}: {spread} M frames per second");
}

/// A median and the middle half of the values around it.
struct Spread {
    median: f64,
    lower: f64,
    upper: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
        Spread {
            median: at(0.5),
            lower: at(0.25),
            upper: at(0.75),
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:.2} [{:.2}-{:.2}]",
            self.median, self.lower, self.upper
        )
    }
}

/// How often a program looks at its socket, in passes of the loop around it.
const LOOKS: u64 = 16;

/// How many frames a poll of the minimal loop takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Handing {
    One,
    All,
}

/// Two stacks that hand each other their frames.
fn minimal_loop(handing: Handing) -> f64 {
    struct Card(VecDeque<Vec<u8>>, VecDeque<Vec<u8>>);
    struct Rx(Vec<u8>);
    struct Tx<'a>(&'a mut VecDeque<Vec<u8>>);
    impl phy::RxToken for Rx {
        fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
            take(&self.0)
        }
    }
    impl phy::TxToken for Tx<'_> {
        fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, fill: F) -> R {
            let mut bytes = vec![0; length];
            let result = fill(&mut bytes);
            self.0.push_back(bytes);
            result
        }
    }
    impl Device for Card {
        type RxToken<'a> = Rx;
        type TxToken<'a> = Tx<'a>;
        fn capabilities(&self) -> DeviceCapabilities {
            let mut capabilities = DeviceCapabilities::default();
            capabilities.medium = Medium::Ethernet;
            capabilities.max_transmission_unit = 1_514;
            capabilities
        }
        fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Rx, Tx<'_>)> {
            let frame = self.0.pop_front()?;
            Some((Rx(frame), Tx(&mut self.1)))
        }
        fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Tx<'_>> {
            Some(Tx(&mut self.1))
        }
    }
    let mut now = smoltcp::time::Instant::from_micros(0);
    let host = |last: u8| {
        let mut card = Card(VecDeque::new(), VecDeque::new());
        let mac = HardwareAddress::Ethernet(EthernetAddress([2, 0, 0, 0, 0, last]));
        let mut iface = Interface::new(Config::new(mac), &mut card, now);
        iface.update_ip_addrs(|list| {
            let _ = list.push(IpCidr::new(IpAddress::v4(10, 0, 0, last), 24));
        });
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_congestion_control(tcp::CongestionControl::Cubic);
        let mut set = SocketSet::new(Vec::new());
        let handle = set.add(socket);
        (card, iface, set, handle)
    };
    let (mut a, mut b) = (host(1), host(2));
    b.2.get_mut::<tcp::Socket>(b.3).listen(9).unwrap();
    let to = (IpAddress::v4(10, 0, 0, 2), 9);
    a.2.get_mut::<tcp::Socket>(a.3)
        .connect(a.1.context(), to, 50_000)
        .unwrap();
    let chunk = vec![1; 65_536];
    let mut space = vec![0; 65_536];
    let (mut sent, mut heard, mut frames, mut pass) = (0, 0, 0_u64, 0_u64);
    let mut hosts = [a, b];
    let mut inboxes = [VecDeque::new(), VecDeque::new()];
    let begun = Instant::now();
    while heard < BYTES {
        now += smoltcp::time::Duration::from_micros(10);
        pass += 1;
        let looks = pass.is_multiple_of(LOOKS) || handing == Handing::All;
        if looks {
            let (_, _, set, handle) = &mut hosts[0];
            let socket = set.get_mut::<tcp::Socket>(*handle);
            if sent < BYTES && socket.can_send() {
                sent += socket.send_slice(&chunk).unwrap();
            }
            let (_, _, set, handle) = &mut hosts[1];
            let socket = set.get_mut::<tcp::Socket>(*handle);
            while socket.can_recv() {
                heard += socket.recv_slice(&mut space).unwrap();
            }
        }
        for (i, (card, iface, set, _)) in hosts.iter_mut().enumerate() {
            match handing {
                // A host that has nothing to do is not asked.
                Handing::One if inboxes[i].is_empty() && !looks => continue,
                Handing::One => card.0.extend(inboxes[i].pop_front()),
                Handing::All => card.0.append(&mut inboxes[i]),
            }
            iface.poll(now, card, set);
            std::hint::black_box(iface.poll_at(now, set));
            frames += card.1.len() as u64;
            inboxes[1 - i].append(&mut card.1);
        }
    }
    frames as f64 / begun.elapsed().as_secs_f64()
}

fn link() -> Link {
    Link::default()
        .rate(1_000_000_000)
        .delay(Duration::from_micros(10))
        .queue(1 << 20)
}

fn settings(buffer: usize) -> StreamSettings {
    StreamSettings {
        congestion: Congestion::Cubic,
        receive_buffer: buffer,
        send_buffer: buffer,
        nagle: false,
        keepalive: None,
        user_timeout: None,
    }
}

fn host(fabric: &mut Fabric, id: u32) -> &mut Host {
    fabric.node_mut(NodeId(id)).unwrap()
}

/// The fabric alone: what reads and writes is this loop.
fn raw_lab() -> f64 {
    let mut fabric = Lab::new(1).link(link()).fabric();
    let mut cx = Context::from_waker(Waker::noop());
    let at = "10.0.0.2:9".parse().unwrap();
    let (listener, _) = host(&mut fabric, 1)
        .listen(at, 1, settings(BUFFER))
        .unwrap();
    let now = fabric.now();
    let client = host(&mut fabric, 0)
        .connect(None, at, &settings(BUFFER), now)
        .unwrap();
    fabric.touch(NodeId(0));
    let chunk = vec![1; 65_536];
    let mut space = vec![0; 65_536];
    let (mut server, mut heard, mut pass) = (None, 0, 0_u64);
    let begun = Instant::now();
    while heard < BYTES {
        pass += 1;
        // When nothing is left to happen it is the program's turn.
        if fabric.step().is_some() && !pass.is_multiple_of(LOOKS) {
            continue;
        }
        if let Poll::Ready(Ok(count)) = host(&mut fabric, 0).poll_write(client, &mut cx, &chunk)
            && count > 0
        {
            fabric.touch(NodeId(0));
        }
        if server.is_none()
            && let Poll::Ready(conn) = host(&mut fabric, 1).poll_accept(listener, &mut cx)
        {
            server = Some(conn);
        }
        if let Some(conn) = server
            && let Poll::Ready(Ok(count)) =
                host(&mut fabric, 1).poll_read(conn, &mut cx, &mut space, &mut Vec::new())
        {
            heard += count;
            fabric.touch(NodeId(1));
        }
    }
    fabric.counters().hops as f64 / begun.elapsed().as_secs_f64()
}

/// A service and a client, unchanged.
fn async_lab() -> f64 {
    let begun = Instant::now();
    let outcome = Lab::new(1).link(link()).run(async |hosts| {
        let _server = hosts[1].serve("tcp4::9", Discard::default()).await?;
        let mut client = hosts[0].connect("tcp4:h1:9").await?;
        let chunk = vec![1; 65_536];
        for _ in 0..BYTES / chunk.len() {
            client.write_all(&chunk).await?;
        }
        client.finish().await?;
        client.read_to_end(1).await?;
        Ok::<_, LabError>(())
    });
    let outcome = outcome.unwrap();
    outcome.value.unwrap();
    outcome.report.counters().hops as f64 / begun.elapsed().as_secs_f64()
}

/// Microseconds for each frame of small echoes, while so many connections are open.
fn cost_per_frame(connections: usize) -> f64 {
    const ECHOES: usize = 20_000;
    let outcome = Lab::new(1).link(link()).run(async move |hosts| {
        let limits = wharf::server::Server::on(hosts[1].network()).serve(
            "echo",
            "tcp4::7".parse()?,
            Echo::default(),
        );
        let _server = limits.start().await?;
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(hosts[0].connect("tcp4:h1:7").await?);
        }
        // Handshakes and their acknowledgements are over.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before = hosts[0].network().frames()?;
        let begun = Instant::now();
        for i in 0..ECHOES {
            let client = &mut clients[i % connections];
            client.write_all(b"x").await?;
            client.read_chunk().await?;
        }
        let took = begun.elapsed();
        // With one connection the next question acknowledges the answer; with many a
        // segment of its own does, when its time has come.
        let frames = hosts[0].network().frames()? - before;
        Ok::<_, LabError>((took, frames))
    });
    let outcome = outcome.unwrap();
    let (took, frames) = outcome.value.unwrap();
    took.as_secs_f64() * 1e6 / frames as f64
}

/// Bytes of memory that this process uses.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4_096
}
