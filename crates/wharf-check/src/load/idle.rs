//! Idle connections: what does a server's memory pay for each?

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{self, UnixStream};
use std::time::{Duration, Instant};

use wharf::tls::ClientSession;

use super::options::{LoadError, Target};
use super::process::{Memory, memory_of};
use super::script::Exchange;

/// The most connections that are held.
const CONNECTIONS_MAX: usize = 1 << 20;

/// So many connections are open before the memory is read for the first time, or half of
/// all: what a server sets up once, with its first clients, belongs to none of the others.
const FIRST: usize = 10;

/// The time between two looks while they are held.
const PAUSE: Duration = Duration::from_millis(20);

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
    /// These in turns, each with the reply that it must get.
    Script(Vec<Exchange>),
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
            Greeting::Script(script) => script.get(number % script.len().max(1)).cloned(),
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
    /// How many of them were open when the memory was read for the first time: ten, or half
    /// of fewer than twenty.
    pub first: usize,
    /// The server's memory with [`IdleReport::first`] of them and with all.
    pub memory: Option<(Memory, Memory)>,
}

impl IdleReport {
    /// User memory of the server per connection in bytes, by anonymous pages (heap and
    /// stacks), over those after the first. Zero or less if a server had room from before.
    pub fn bytes_per_connection(&self) -> Option<f64> {
        let (before, with) = self.memory?;
        match self.open.checked_sub(self.first) {
            None | Some(0) => None,
            Some(more) => Some((with.anonymous as f64 - before.anonymous as f64) / more as f64),
        }
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
    hold_with(options, &mut |_| ControlFlow::Continue(()))
}

/// As [`hold`], and calls `progress` with the number of connections that are open: after each
/// that was opened, and some 50 times a second while they are held.
///
/// [`ControlFlow::Break`] ends it early; the report then covers what was open by then.
///
/// # Errors
/// As [`hold`].
pub fn hold_with(
    options: &IdleOptions,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<IdleReport, LoadError> {
    if !(1..=CONNECTIONS_MAX).contains(&options.connections) {
        return Err(LoadError::Option("connections are 1 to 1,048,576"));
    }
    if matches!(options.target, Target::Udp(_)) {
        return Err(LoadError::Option("UDP has no connections to hold"));
    }
    let memory = || {
        let read = |pid| {
            memory_of(pid).map_err(|error| LoadError::System("read the server's memory", error))
        };
        options.server.map(read).transpose()
    };
    let began = Instant::now();
    let first = FIRST.min(options.connections / 2);
    let mut held = Vec::new();
    let mut failure = open_until(first, &mut held, options, progress);
    let mut opening = began.elapsed();
    let before = memory()?;
    // Fewer without a failure: whoever watches wanted no more.
    let first_open = held.len();
    if failure.is_none() && first_open == first {
        let began = Instant::now();
        failure = open_until(options.connections, &mut held, options, progress);
        opening += began.elapsed();
    }
    let all_open = Instant::now();
    loop {
        let left = options.hold.saturating_sub(all_open.elapsed());
        if left.is_zero() || progress(held.len()).is_break() {
            break;
        }
        std::thread::sleep(left.min(PAUSE));
    }
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
        first: first_open,
        memory: before.zip(with),
    })
}

/// Opens connections until so many are held; why there are no more, if one failed.
fn open_until(
    count: usize,
    held: &mut Vec<Held>,
    options: &IdleOptions,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Option<String> {
    for number in held.len()..count {
        match Held::open(options, number) {
            Ok(one) => held.push(one),
            Err(error) => return Some(format!("connection {number}: {error}")),
        }
        if progress(held.len()).is_break() {
            break;
        }
    }
    None
}

enum Held {
    Tcp(TcpStream),
    Tls(TcpStream, Box<ClientSession>),
    Unix(UnixStream),
}

impl Held {
    fn open(options: &IdleOptions, number: usize) -> io::Result<Held> {
        let mut held = Held::connect(options)?;
        if let Some(greeting) = options.greeting.of(number) {
            match &mut held {
                Held::Tcp(stream) => exchange(stream, &greeting)?,
                Held::Tls(stream, session) => exchange(&mut Secured(stream, session), &greeting)?,
                Held::Unix(stream) => exchange(stream, &greeting)?,
            }
        }
        Ok(held)
    }

    fn connect(options: &IdleOptions) -> io::Result<Held> {
        let timeout = Some(options.timeout);
        let tcp = |peer| {
            let stream = TcpStream::connect_timeout(peer, options.timeout)?;
            stream.set_read_timeout(timeout)?;
            stream.set_write_timeout(timeout)?;
            Ok::<_, io::Error>(stream)
        };
        let unix = |stream: UnixStream| {
            stream.set_read_timeout(timeout)?;
            Ok(Held::Unix(stream))
        };
        match &options.target {
            Target::Tcp(peer) => tcp(peer).map(Held::Tcp),
            Target::Tls(target) => {
                let mut stream = tcp(&target.at)?;
                let session = target.tls.session(&target.host);
                let mut session = session.map_err(io::Error::other)?;
                session.handshake(&mut stream)?;
                Ok(Held::Tls(stream, Box::new(session)))
            }
            Target::Unix(path) => unix(UnixStream::connect(path)?),
            Target::Abstract(name) => {
                let name = net::SocketAddr::from_abstract_name(name)?;
                unix(UnixStream::connect_addr(&name)?)
            }
            Target::Udp(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Whether the server ended the connection. What it sent meanwhile is not looked at.
    fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        let read = match self {
            Held::Tcp(stream) | Held::Tls(stream, _) => stream
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

/// TLS over a socket that waits.
struct Secured<'a>(&'a mut TcpStream, &'a mut ClientSession);

impl Read for Secured<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.1.read(self.0, space)
    }
}

impl Write for Secured<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write(self.0, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush(self.0)
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
