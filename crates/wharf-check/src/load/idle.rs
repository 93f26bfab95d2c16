//! Idle connections: what does a server's memory pay for each?

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};
use wharf::tls::ClientSession;

use super::conversation::{Failure, quoted};
use super::options::{LoadError, Target};
use super::process::{Memory, memory_of};
use super::report::Cause;
use super::script::Exchange;
use super::sys;

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
    /// On how many of those that are not secured the server said something after they were
    /// to be silent. It may have said it and closed them.
    pub spoke: usize,
    /// How long it took to open all.
    pub opening: Duration,
    /// How long they were held since; shorter than [`IdleOptions::hold`] if it was ended early.
    pub held: Duration,
    /// Why no more were opened, if they are fewer than asked for.
    pub failure: Option<IdleFailure>,
    /// How many of them were open when the memory was read for the first time: ten, or half
    /// of fewer than twenty.
    pub first: usize,
    /// The server's memory with [`IdleReport::first`] of them and with all; `None` if its
    /// process was not asked for, or had gone by then.
    pub memory: Option<(Memory, Memory)>,
}

/// Why a connection was not opened, or did not get its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IdleFailure {
    /// Its number, from 0 on.
    pub connection: usize,
    /// What went wrong.
    pub cause: Cause,
    /// The evidence, in words.
    pub evidence: String,
}

impl fmt::Display for IdleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let IdleFailure {
            connection,
            cause,
            evidence,
        } = self;
        write!(f, "connection {connection}: {cause} ({evidence})")
    }
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
    if let Some(pid) = options.server {
        // Told now. Later it may be gone, and the report has more to say than that.
        memory_of(pid).map_err(|error| LoadError::System("read the server's memory", error))?;
    }
    let memory = || memory_of(options.server?).ok();
    // If the connections take all descriptors, there is one left to read the memory through.
    let spare = File::open("/dev/null").ok();
    let began = Instant::now();
    let first = FIRST.min(options.connections / 2);
    let mut held = Vec::new();
    let mut failure = open_until(first, &mut held, options, progress);
    let mut opening = began.elapsed();
    let spare = spare.filter(|_| failure.is_none());
    let before = memory();
    // Fewer without a failure: whoever watches wanted no more.
    let first_open = held.len();
    if failure.is_none() && first_open == first {
        let began = Instant::now();
        failure = open_until(options.connections, &mut held, options, progress);
        opening += began.elapsed();
    }
    drop(spare);
    let all_open = Instant::now();
    loop {
        let left = options.hold.saturating_sub(all_open.elapsed());
        if left.is_zero() || progress(held.len()).is_break() {
            break;
        }
        std::thread::sleep(left.min(PAUSE));
    }
    let held_for = all_open.elapsed().min(options.hold);
    let with = memory();
    let open = held.len();
    let closed = held.iter().filter(|one| one.is_closed()).count();
    let spoke = held.iter_mut().filter_map(|one| one.spoke().then_some(()));
    Ok(IdleReport {
        open,
        closed,
        spoke: spoke.count(),
        opening,
        held: held_for,
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
) -> Option<IdleFailure> {
    for number in held.len()..count {
        let mut watch = Watch {
            progress,
            open: held.len(),
            is_over: false,
        };
        match Held::open(options, number, &mut watch) {
            Ok(one) => held.push(one),
            // It was not opened since nobody wanted it any more.
            Err(_) if watch.is_over => break,
            Err(Failure { cause, evidence }) => {
                return Some(IdleFailure {
                    connection: number,
                    cause,
                    evidence,
                });
            }
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

/// Who watches, and may want no more.
struct Watch<'a> {
    progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
    /// How many connections are open.
    open: usize,
    is_over: bool,
}

/// A socket that waits a little at a time, and asks whether to go on.
struct Patient<'a, 'b, S> {
    socket: &'a mut S,
    began: Instant,
    timeout: Duration,
    watch: &'a mut Watch<'b>,
}

impl<S: Read> Read for Patient<'_, '_, S> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.socket.read(space) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let watch = &mut *self.watch;
                    watch.is_over |= (watch.progress)(watch.open).is_break();
                    if watch.is_over || self.began.elapsed() >= self.timeout {
                        return Err(error);
                    }
                }
                other => return other,
            }
        }
    }
}

impl<S: Write> Write for Patient<'_, '_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

impl Held {
    fn open(options: &IdleOptions, number: usize, watch: &mut Watch<'_>) -> Result<Held, Failure> {
        let mut held = Held::connect(options, watch).map_err(|error| match error.kind() {
            // A socket that waits says so when its time is over (SO_RCVTIMEO, socket(7)).
            io::ErrorKind::WouldBlock => Failure::new(
                Cause::ConnectTimeout,
                match options.target {
                    Target::Unix(_) | Target::Abstract(_) => "the server's queue is full",
                    _ => "the handshake was not answered",
                }
                .to_owned(),
            ),
            _ => error.into(),
        })?;
        if let Some(greeting) = options.greeting.of(number) {
            let (began, timeout) = (Instant::now(), options.timeout);
            match &mut held {
                Held::Tcp(socket) => {
                    let mut patient = Patient {
                        socket,
                        began,
                        timeout,
                        watch,
                    };
                    exchange(&mut patient, &greeting)?;
                }
                Held::Tls(socket, session) => {
                    let patient = Patient {
                        socket,
                        began,
                        timeout,
                        watch,
                    };
                    exchange(&mut Secured(patient, session), &greeting)?;
                }
                Held::Unix(socket) => {
                    let mut patient = Patient {
                        socket,
                        began,
                        timeout,
                        watch,
                    };
                    exchange(&mut patient, &greeting)?;
                }
            }
        }
        Ok(held)
    }

    fn connect(options: &IdleOptions, watch: &mut Watch<'_>) -> io::Result<Held> {
        let timeout = Some(options.timeout);
        // A read waits so long before it is asked whether to go on.
        let look = Some(PAUSE.min(options.timeout));
        let tcp = |peer| {
            let stream = TcpStream::connect_timeout(peer, options.timeout)?;
            stream.set_read_timeout(look)?;
            stream.set_write_timeout(timeout)?;
            Ok::<_, io::Error>(stream)
        };
        let unix = |address: SockAddr| {
            let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
            socket.set_read_timeout(look)?;
            // connect(2) waits for room in the server's queue, no longer than this.
            socket.set_write_timeout(timeout)?;
            socket.connect(&address)?;
            Ok(Held::Unix(OwnedFd::from(socket).into()))
        };
        match &options.target {
            Target::Tcp(peer) => tcp(peer).map(Held::Tcp),
            Target::Tls(target) => {
                let mut stream = tcp(&target.at)?;
                let session = target.tls.session(&target.host);
                let mut session = session.map_err(io::Error::other)?;
                session.handshake(&mut Patient {
                    socket: &mut stream,
                    began: Instant::now(),
                    timeout: options.timeout,
                    watch,
                })?;
                Ok(Held::Tls(stream, Box::new(session)))
            }
            Target::Unix(path) => unix(SockAddr::unix(path)?),
            // An abstract name begins with a zero (unix(7)).
            Target::Abstract(name) => unix(SockAddr::unix(OsStr::from_bytes(
                &[b"\0", name.as_slice()].concat(),
            ))?),
            Target::Udp(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn socket(&self) -> BorrowedFd<'_> {
        match self {
            Held::Tcp(stream) | Held::Tls(stream, _) => stream.as_fd(),
            Held::Unix(stream) => stream.as_fd(),
        }
    }

    /// Whether the server ended the connection, whatever it had said before.
    fn is_closed(&self) -> bool {
        sys::is_ended(self.socket())
    }

    /// Whether the server said something that was not read. TLS has words of its own, such
    /// as session tickets, and is not looked into.
    fn spoke(&mut self) -> bool {
        let mut byte = [0];
        let read = match self {
            Held::Tls(..) => return false,
            Held::Tcp(stream) => stream
                .set_nonblocking(true)
                .and_then(|()| stream.read(&mut byte)),
            Held::Unix(stream) => stream
                .set_nonblocking(true)
                .and_then(|()| stream.read(&mut byte)),
        };
        read.is_ok_and(|count| count > 0)
    }
}

/// TLS over a socket that waits.
struct Secured<'a, S>(S, &'a mut ClientSession);

impl<S: Read + Write> Read for Secured<'_, S> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        self.1.read(&mut self.0, space)
    }
}

impl<S: Read + Write> Write for Secured<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.1.write(&mut self.0, bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush(&mut self.0)
    }
}

fn exchange(stream: &mut (impl Read + Write), greeting: &Exchange) -> Result<(), Failure> {
    let owed = |error: io::Error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            Failure::new(Cause::NoReply, "to what it was sent first".to_owned())
        }
        io::ErrorKind::UnexpectedEof => {
            Failure::new(Cause::Closed, "before the reply was whole".to_owned())
        }
        _ => error.into(),
    };
    stream.write_all(&greeting.request).map_err(owed)?;
    let mut reply = vec![0; greeting.reply.len()];
    stream.read_exact(&mut reply).map_err(owed)?;
    if reply == greeting.reply {
        Ok(())
    } else {
        let evidence = format!("it answered {}", quoted(&reply));
        Err(Failure::new(Cause::Wrong, evidence))
    }
}
