//! A server as a process of its own: without descriptors, and with ten thousand
//! connections.
//!
//! The server is this same test binary, started again with [`ROLE`] set.

#![allow(unsafe_code)] // setrlimit(2)

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Echo, SOON, address};
use wharf::framing::Framing;
use wharf::server::{Mode, ServeOptions, Server};
use wharf::service::Framed;

/// Tells the started process what to serve: `SERVICE DESCRIPTORS`.
const ROLE: &str = "WHARF_TEST_ROLE";

/// The most user memory that an idle TCP connection may cost, in bytes.
const GOAL: usize = 2_048;

/// Sets the soft limit of descriptors, or what the hard limit allows of it.
fn limit_descriptors(wanted: u64) -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls take a pointer to a valid rlimit that outlives them.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = wanted.min(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
    limit.rlim_cur
}

/// Not a test: the server's process. It ends with its standard input.
#[test]
#[ignore = "started by the other tests"]
fn serve() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let (service, descriptors) = role.split_once(' ').unwrap();
    limit_descriptors(descriptors.parse().unwrap());
    let at = address("tcp:127.0.0.1:0");
    let shout = |message: &[u8], reply: &mut Vec<u8>| reply.extend_from_slice(message);
    let server = match service {
        "echo" => Server::new().serve("echo", at, Echo),
        "threads" => {
            let options = ServeOptions {
                mode: Mode::Threads,
                ..ServeOptions::default()
            };
            Server::new().serve_with("echo", at, Echo, options)
        }
        _ => Server::new().serve("framed", at, Framed::new(Framing::default(), shout)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let running = server.start().await.unwrap();
        println!("\nlistening {}", running.endpoints()[0].local);
        let (gone, ended) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            let _ = std::io::stdin().read(&mut [0]);
            let _ = gone.send(());
        });
        let _ = ended.await;
    });
}

/// A server in another process, killed when dropped.
struct Process {
    child: Child,
    at: SocketAddr,
}

impl Process {
    fn start(service: &str, descriptors: u64) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "serve", "--ignored", "--nocapture"])
            .env(ROLE, format!("{service} {descriptors}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let at = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening ")?.parse().ok());
        Process {
            child,
            at: at.expect("a line with its address"),
        }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    fn read(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.child.id())).unwrap()
    }

    fn descriptors(&self) -> usize {
        let path = format!("/proc/{}/fd", self.child.id());
        std::fs::read_dir(path).unwrap().count()
    }

    /// User and system time so far (proc(5): fields 14 and 15 of stat, in ticks).
    fn ticks(&self) -> u64 {
        let stat = self.read("stat");
        let after_name = &stat[stat.rfind(')').unwrap() + 2..];
        let fields: Vec<&str> = after_name.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Anonymous memory in use: the heap and the stacks.
    fn memory(&self) -> usize {
        let status = self.read("status");
        let line = status.lines().find(|line| line.starts_with("RssAnon:"));
        let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kilobytes.parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(b"hello\n").unwrap();
    hear(stream);
}

fn hear(stream: &mut TcpStream) {
    let mut heard = [0; 6];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"hello\n");
}

/// Looks again until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < SOON, "not seen: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn want_of_descriptors_harms_nobody_who_is_connected() {
    let server = Process::start("echo", 64);
    let mut clients: Vec<TcpStream> = (0..200).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"hello\n").unwrap();
    }
    // One that the process was started with may have a number above the limit.
    until("all descriptors in use", || server.descriptors() >= 64);
    let in_use = server.descriptors();
    for client in &mut clients[..40] {
        hear(client);
    }

    // Near idle, although 140 clients wait in the queue.
    let before = server.ticks();
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(1));
    let spent = server.ticks() - before;
    let waited = start.elapsed();
    println!("without descriptors: {spent} ticks of 10 ms in {waited:?}");
    assert!(spent <= 5, "{spent} ticks in {waited:?}");
    assert_eq!(server.descriptors(), in_use);
    for client in &mut clients[..40] {
        ask(client);
    }

    // As soon as some leave, as many others come in. About 54 were served before.
    let mut waiting = clients.split_off(64);
    drop(clients.drain(..20));
    let start = Instant::now();
    for client in &mut waiting[..4] {
        hear(client);
    }
    let took = start.elapsed();
    println!("served again after {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    for client in &mut clients[..20] {
        ask(client);
    }

    // And in the end everybody had a turn.
    drop(clients);
    drop(waiting.drain(..4));
    while !waiting.is_empty() {
        for mut client in waiting.drain(..waiting.len().min(10)) {
            hear(&mut client);
        }
    }
}

/// A thread's runtime needs descriptors too: who cannot have one waits in the queue.
#[test]
fn want_of_descriptors_for_threads_drops_nobody() {
    let server = Process::start("threads", 64);
    let mut clients: Vec<TcpStream> = (0..60).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.write_all(b"hello\n").unwrap();
    }
    until("nearly all descriptors in use", || {
        server.descriptors() >= 58
    });
    // In the order in which they came; each that leaves makes room for another one.
    for mut client in clients {
        hear(&mut client);
    }
}

/// Bytes of the server's memory for each of `count` connections that were used and are idle.
fn memory_per_connection(service: &str, count: usize) -> usize {
    let server = Process::start(service, 20_000);
    // What the first connections bring about stays: buffers, the allocator's arenas.
    let mut warm: Vec<TcpStream> = (0..10).map(|_| server.connect()).collect();
    warm.iter_mut().for_each(ask);
    let before = server.memory();
    let mut clients: Vec<TcpStream> = (0..count).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(ask);
    let after = server.memory();
    warm.iter_mut().for_each(ask);
    (after - before) / count
}

#[test]
fn idle_connections_are_cheap() {
    let descriptors = limit_descriptors(20_000);
    let count = usize::try_from(descriptors).unwrap().saturating_sub(500);
    let count = count.min(10_000);
    assert!(count >= 2_000, "the limit of descriptors is {descriptors}");
    for (service, count) in [("echo", count), ("framed", 2_000)] {
        let bytes = memory_per_connection(service, count);
        println!("{service}: {count} idle connections, {bytes} bytes each");
        assert!(bytes <= GOAL, "{service}: {bytes} bytes per connection");
    }
}
