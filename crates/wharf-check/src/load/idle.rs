//! Idle connections: what does a server's memory pay for each?

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::options::{LoadError, Target};
use super::process::{Memory, memory_of};
use super::script::Exchange;

/// The most connections that are held.
const CONNECTIONS_MAX: usize = 1 << 20;

/// Connections that are to be held open.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IdleOptions {
    /// The server; not UDP.
    pub target: Target,
    /// How many connections. 1 to 1,048,576.
    pub connections: usize,
    /// What each connection says before it falls silent.
    pub greeting: Greeting,
    /// How long all are held once they are open.
    pub hold: Duration,
    /// How long one may take to open or to get its reply.
    pub timeout: Duration,
    /// The server's process, to read its memory.
    pub server: Option<u32>,
}

/// What a connection says before it falls silent.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Greeting {
    /// Nothing.
    Silence,
    /// This, and it must get it back.
    Echo(Vec<u8>),
    /// What this function says for the connection of this number, from 0 on.
    Each(fn(usize) -> Exchange),
}

impl Greeting {
    fn of(&self, number: usize) -> Option<Exchange> {
        match self {
            Greeting::Silence => None,
            Greeting::Echo(message) => Some(Exchange {
                request: message.clone(),
                reply: message.clone(),
            }),
            Greeting::Each(say) => Some(say(number)),
        }
    }
}

impl IdleOptions {
    /// Connections that exchange one message, then are silent for a second.
    pub fn new(target: Target, connections: usize) -> Self {
        IdleOptions {
            target,
            connections,
            greeting: Greeting::Echo(b"hello, and now silence\n".to_vec()),
            hold: Duration::from_secs(1),
            timeout: Duration::from_secs(5),
            server: None,
        }
    }
}

/// What holding them found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IdleReport {
    /// How many were open at the same time.
    pub open: usize,
    /// How many the server had closed by the end.
    pub closed: usize,
    /// How long it took to open all.
    pub opening: Duration,
    /// Why no more were opened, if they are fewer than asked for.
    pub failure: Option<String>,
    /// The server's memory before the first and with all of them.
    pub memory: Option<(Memory, Memory)>,
}

impl IdleReport {
    /// User memory of the server per connection in bytes, by private pages.
    pub fn bytes_per_connection(&self) -> Option<f64> {
        let (before, with) = self.memory?;
        if self.open == 0 {
            return None;
        }
        Some((with.private as f64 - before.private as f64) / self.open as f64)
    }
}

/// Opens connections, holds them, and reads the server's memory before and with them.
///
/// The process needs a descriptor for each; see
/// [`raise_descriptor_limit`](super::raise_descriptor_limit).
///
/// # Errors
/// Options that make no sense, or a server process whose memory cannot be read.
pub fn hold(options: &IdleOptions) -> Result<IdleReport, LoadError> {
    if !(1..=CONNECTIONS_MAX).contains(&options.connections) {
        return Err(LoadError::Option("connections are 1 to 1,048,576"));
    }
    let memory = || {
        let read = |pid| {
            memory_of(pid).map_err(|error| LoadError::System("read the server's memory", error))
        };
        options.server.map(read).transpose()
    };
    let before = memory()?;
    let began = Instant::now();
    let (mut held, failure) = open_all(options);
    let opening = began.elapsed();
    std::thread::sleep(options.hold);
    let with = memory()?;
    let open = held.len();
    let closed = held
        .iter_mut()
        .filter_map(|one| one.is_closed().then_some(()))
        .count();
    Ok(IdleReport {
        open,
        closed,
        opening,
        failure,
        memory: before.zip(with),
    })
}

fn open_all(options: &IdleOptions) -> (Vec<Held>, Option<String>) {
    let mut held = Vec::new();
    for number in 0..options.connections {
        match Held::open(options, number) {
            Ok(one) => held.push(one),
            Err(error) => {
                let failure = format!("connection {}: {error}", held.len());
                return (held, Some(failure));
            }
        }
    }
    (held, None)
}

enum Held {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Held {
    fn open(options: &IdleOptions, number: usize) -> io::Result<Held> {
        let timeout = Some(options.timeout);
        let mut held = match &options.target {
            Target::Tcp(peer) => {
                let stream = TcpStream::connect_timeout(peer, options.timeout)?;
                stream.set_read_timeout(timeout)?;
                Held::Tcp(stream)
            }
            Target::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(timeout)?;
                Held::Unix(stream)
            }
            Target::Udp(_) => return Err(io::Error::other("UDP has no connections to hold")),
        };
        if let Some(greeting) = options.greeting.of(number) {
            match &mut held {
                Held::Tcp(stream) => exchange(stream, &greeting)?,
                Held::Unix(stream) => exchange(stream, &greeting)?,
            }
        }
        Ok(held)
    }

    /// Whether the server ended the connection. What it sent meanwhile is not looked at.
    fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = match self {
            Held::Tcp(stream) => stream
                .set_nonblocking(true)
                .and_then(|()| stream.read(&mut byte)),
            Held::Unix(stream) => stream
                .set_nonblocking(true)
                .and_then(|()| stream.read(&mut byte)),
        };
        match read {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

fn exchange(stream: &mut (impl Read + Write), greeting: &Exchange) -> io::Result<()> {
    stream.write_all(&greeting.request)?;
    let mut reply = vec![0; greeting.reply.len()];
    stream.read_exact(&mut reply)?;
    if reply == greeting.reply {
        Ok(())
    } else {
        let got = reply[..reply.len().min(100)].escape_ascii().to_string();
        Err(io::Error::other(format!("it answered \"{got}\"")))
    }
}
