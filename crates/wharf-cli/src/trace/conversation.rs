//! A conversation with an address, call by call.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, SockAddr, Type};
use wharf::address::{Address, Scheme};
use wharf::network::{Endpoint, Network, Os, Role, UnixName};
use wharf::tls::{ClientTls, HandshakeError};
use wharf_wire::conversation::Direction;
use wharf_wire::trace::{Call, Inside, Party, Trace};

use super::args::TalkArgs;
use super::calls::{Did, Effect, Record, Traced};
use super::model::{self, Owned};
use super::sealed::{Sealed, Secret};
use super::show::Show;
use crate::capture::{Capture, Filter, belongs};
use crate::exit::Exit;
use crate::failure::{Failure, words};

/// The room that recv() is given, as programs commonly do.
const ROOM: usize = 65_536;

/// No more is read of an answer: a picture of more is none.
const MOST_ANSWER: usize = 1 << 20;

/// After the last call frames may follow: acknowledgments, the peer's end. So long
/// without one is the end.
const QUIET: Duration = Duration::from_millis(120);
const MOST_QUIET: Duration = Duration::from_secs(1);

/// Speaks, and shows how.
pub(super) fn run(show: &Show, args: &TalkArgs) -> Result<Exit, Failure> {
    let Some(address) = &args.address else {
        return Err(Failure::usage("missing: <ADDRESS>").cure("wharf trace --help"));
    };
    let kind = match address.scheme {
        Scheme::Tcp | Scheme::Tls => Type::STREAM,
        Scheme::Udp => Type::DGRAM,
        Scheme::Unix => Type::STREAM,
        other => {
            return Err(Failure::usage(format!(
                "trace speaks tcp, tls, udp and unix, not {}",
                other.as_str()
            ))
            .cure("wharf trace live, beside wharf connect"));
        }
    };
    let secret = match address.scheme {
        Scheme::Tls => Some(secret(address)?),
        _ => None,
    };
    let mut outcome = Outcome {
        record: Vec::new(),
        frames: Vec::new(),
        notes: Vec::new(),
        insides: Vec::new(),
        failure: None,
    };
    for endpoint in resolve(address)? {
        outcome.attempt(&endpoint, kind, args, secret.as_ref());
        if outcome.failure.is_none() {
            break;
        }
    }
    let trace = outcome.trace(show);
    show.finish(&trace)?;
    match outcome.failure {
        None => Ok(Exit::Done),
        Some(Trouble::Calls(error)) => Err(failure(address, &error)),
        Some(Trouble::Handshake(error)) => {
            let cause = format!("the conversation with {address} failed: {error}");
            let failure = Failure::new(Exit::Tls, cause);
            Err(match error.cure() {
                Some(cure) => failure.cure(cure),
                None => failure,
            })
        }
    }
}

/// What goes wrong in a conversation.
#[derive(Debug)]
pub(super) enum Trouble {
    Calls(io::Error),
    Handshake(Box<HandshakeError>),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Trouble::Calls(error)
    }
}

/// Whom a `tls:` address believes.
fn secret(address: &Address) -> Result<Secret, Failure> {
    match ClientTls::for_address(address) {
        Ok((tls, host)) => Ok(Secret { tls, host }),
        Err(error) => {
            let failure = Failure::new(Exit::Tls, format!("cannot reach {address}: {error}"));
            Err(match error.cure() {
                Some(cure) => failure.cure(cure),
                None => failure,
            })
        }
    }
}

fn resolve(address: &Address) -> Result<Vec<Endpoint>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let found = runtime.block_on(Os.resolve(address, Role::Reach));
    runtime.shutdown_background();
    found.map_err(|error| Failure::new(Exit::Resolve, format!("cannot reach {address}: {error}")))
}

fn failure(address: &Address, error: &io::Error) -> Failure {
    let cause = format!("the conversation with {address} failed: {}", words(error));
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Failure::new(Exit::Unreachable, cause).with("means", "nothing listens there")
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => Failure::new(Exit::TimedOut, cause),
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            Failure::new(Exit::PeerBroke, cause)
        }
        _ => Failure::new(Exit::Unreachable, cause),
    }
}

struct Outcome {
    record: Vec<Did>,
    frames: Vec<wharf_wire::frame::Frame>,
    notes: Vec<String>,
    /// What TLS's records hold.
    insides: Vec<Inside>,
    failure: Option<Trouble>,
}

impl Outcome {
    /// Tries one endpoint; its calls and frames are kept, whatever comes of it.
    fn attempt(
        &mut self,
        endpoint: &Endpoint,
        kind: Type,
        args: &TalkArgs,
        secret: Option<&Secret>,
    ) {
        let record = Record::default();
        let capture = endpoint
            .inet()
            .map(|server| Capture::start(&Filter::server(server)));
        let spoken = match endpoint {
            Endpoint::Inet(server) if kind == Type::DGRAM => {
                datagrams(&record, *server, args).map_err(Trouble::from)
            }
            Endpoint::Inet(server) => {
                let connected = |client| {
                    if let Some(Ok(capture)) = &capture {
                        capture.narrow(Filter::between(client, *server));
                    }
                };
                stream(&record, *server, args, connected).and_then(|socket| match secret {
                    None => Ok(speak(Plain(socket), args)?),
                    Some(secret) => self.sealed(secret, socket, args),
                })
            }
            Endpoint::Unix(name) => unix(&record, name, args).map_err(Trouble::from),
        };
        self.failure = spoken.err();
        let record = record.take();
        match capture {
            None => self.note(
                "a Unix socket has no frames: the kernel hands the bytes from one process to the other, \
                 no header, no network",
            ),
            Some(Ok(capture)) => {
                let ends = ends(&record);
                let frames = capture.drain(QUIET, MOST_QUIET);
                self.frames.extend(frames.into_iter().filter(|frame| belongs(frame, &ends)));
                let lost = capture.stop();
                if lost > 0 {
                    self.note(&format!("{lost} frames were lost by the capture"));
                }
            }
            Some(Err(refused)) => {
                self.note(&refused.explain());
                if kind == Type::DGRAM {
                    self.frames.extend(model::udp(&record, Owned::Client));
                } else {
                    let (frames, notes) = model::tcp(&record, Owned::Client);
                    self.frames.extend(frames);
                    self.notes.extend(notes);
                }
            }
        }
        self.record.extend(record);
    }

    fn note(&mut self, note: &str) {
        if !self.notes.iter().any(|known| known == note) {
            self.notes.push(note.to_owned());
        }
    }

    /// The same words over TLS; what its records hold is kept.
    fn sealed(&mut self, secret: &Secret, socket: Traced, args: &TalkArgs) -> Result<(), Trouble> {
        let mut sealed = Sealed::new(secret, socket)?;
        self.note(&format!(
            "{}; what stands in the records is known here since this program is one of the two ends",
            sealed.facts()
        ));
        let outcome = converse(&mut sealed, args);
        self.insides.extend(sealed.close());
        Ok(outcome?)
    }

    fn trace(&self, show: &Show) -> Trace {
        let mut trace = assemble(show, &self.frames, &self.record, &self.notes);
        trace.reveal(&self.insides);
        trace
    }
}

/// Frames and calls in one trace, the two ends named.
pub(super) fn assemble(
    show: &Show,
    frames: &[wharf_wire::frame::Frame],
    record: &[Did],
    notes: &[String],
) -> Trace {
    let mut trace = Trace::new(show.dissectors());
    for frame in frames {
        trace.push(frame.clone());
    }
    adopt(&mut trace);
    trace.notes.extend(notes.iter().cloned());
    for (client, server) in ends(record) {
        name_unknown(&mut trace, client, server);
        trace.name(client, "client");
        trace.name(server, "server");
    }
    let mut talk = None;
    for did in record {
        // A call belongs to the conversation of the next effect, the first to the first.
        if let Some((client, server)) = pair(&did.effect) {
            let found = trace.talks.iter().position(|talk| {
                let has = |end: SocketAddr| {
                    talk.parties
                        .iter()
                        .any(|party| party.address == end.to_string())
                };
                (has(client) || client.port() == 0) && has(server)
            });
            talk = found.or(talk);
        }
        let place = talk.unwrap_or(0);
        if trace.talks.is_empty() {
            trace.talk([party("client"), party("server")]);
        }
        trace.call(Call {
            at: did.at,
            lasted: did.lasted,
            side: did.side,
            text: did.text.clone(),
            result: did.result.clone(),
            asked: did.asked,
            moved: did.moved,
            waited: did.waited,
            remark: did.remark.clone(),
            talk: place,
        });
    }
    trace.finish();
    trace
}

/// Puts ICMP errors and later fragments, which have no ports, to the conversation that
/// they are about, if there is only one.
fn adopt(trace: &mut Trace) {
    let mut flows = trace
        .talks
        .iter()
        .enumerate()
        .filter(|(_, talk)| talk.flow.is_some());
    let (Some((0, _)), None) = (flows.next(), flows.next()) else {
        return;
    };
    for step in &mut trace.steps {
        step.talk = 0;
    }
    // Nothing is pushed any more, so that no number of another talk is needed again.
    trace.talks.truncate(1);
}

/// A refused socket did not tell its port; who spoke with the server is the client.
fn name_unknown(trace: &mut Trace, client: SocketAddr, server: SocketAddr) {
    if client.port() != 0 {
        return;
    }
    let server = server.to_string();
    for talk in &mut trace.talks {
        if let [one, other] = &mut talk.parties
            && (one.address == server || other.address == server)
        {
            let client = if one.address == server { other } else { one };
            "client".clone_into(&mut client.name);
        }
    }
}

fn party(name: &str) -> Party {
    Party {
        name: name.into(),
        address: String::new(),
        port: None,
    }
}

/// Client and server of an effect.
fn pair(effect: &Effect) -> Option<(SocketAddr, SocketAddr)> {
    match effect {
        Effect::None => None,
        Effect::Connected { ends, .. }
        | Effect::Refused { ends }
        | Effect::Sent { ends, .. }
        | Effect::Received { ends, .. }
        | Effect::Ended { ends }
        | Effect::PeerEnded { ends } => Some(*ends),
    }
}

/// Every pair of ends, the client's first.
pub(super) fn ends(record: &[Did]) -> Vec<(SocketAddr, SocketAddr)> {
    let mut all: Vec<(SocketAddr, SocketAddr)> = Vec::new();
    for did in record {
        let Some((own, peer)) = pair(&did.effect) else {
            continue;
        };
        let ends = if did.side == Direction::Forward {
            (own, peer)
        } else {
            (peer, own)
        };
        if !all.contains(&ends) {
            all.push(ends);
        }
    }
    all
}

fn stream(
    record: &Record,
    server: SocketAddr,
    args: &TalkArgs,
    connected: impl FnOnce(SocketAddr),
) -> Result<Traced, Trouble> {
    let mut socket = Traced::open(
        record,
        Direction::Forward,
        Domain::for_address(server),
        Type::STREAM,
    )?;
    socket.patience(args.timeout)?;
    socket.connect(&server.into(), &server.to_string(), args.timeout)?;
    if let Some(local) = socket.local() {
        connected(local);
    }
    Ok(socket)
}

fn unix(record: &Record, name: &UnixName, args: &TalkArgs) -> io::Result<()> {
    let (address, shown) = match name {
        UnixName::Path(path) => (SockAddr::unix(path)?, path.display().to_string()),
        UnixName::Abstract(name) => {
            let shown = String::from_utf8_lossy(name).into_owned();
            // The leading NUL byte is what makes a name abstract (unix(7)).
            (SockAddr::unix(format!("\0{shown}"))?, format!("@{shown}"))
        }
        UnixName::Unnamed => {
            return Err(io::Error::other(
                "a socket without a name cannot be reached",
            ));
        }
    };
    let mut socket = Traced::open(record, Direction::Forward, Domain::UNIX, Type::STREAM)?;
    socket.patience(args.timeout)?;
    socket.connect(&address, &shown, args.timeout)?;
    speak(Plain(socket), args)
}

/// What is spoken over: calls that are recorded, or TLS over such.
pub(super) trait Spoken {
    /// Sends all of it.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// What comes next, in a buffer of this size; empty at the end.
    fn recv(&mut self, room: usize) -> io::Result<Vec<u8>>;
    /// Says that nothing more comes.
    fn shutdown(&mut self) -> io::Result<()>;
}

/// The calls as they are.
struct Plain(Traced);

impl Spoken for Plain {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.send(bytes)
    }

    fn recv(&mut self, room: usize) -> io::Result<Vec<u8>> {
        self.0.recv(room)
    }

    fn shutdown(&mut self) -> io::Result<()> {
        self.0.shutdown()
    }
}

/// Sends everything, waits for the answer, ends, and reads what is left.
fn speak(mut socket: Plain, args: &TalkArgs) -> io::Result<()> {
    let outcome = converse(&mut socket, args);
    socket.0.close();
    outcome
}

fn converse(socket: &mut impl Spoken, args: &TalkArgs) -> io::Result<()> {
    for text in &args.send {
        socket.send(&text.0)?;
    }
    let mut received = 0;
    let mut is_open = true;
    if !args.send.is_empty() {
        match socket.recv(ROOM) {
            Ok(bytes) => {
                received = bytes.len();
                is_open = received > 0;
            }
            // A service that says nothing may still answer the end.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    socket.shutdown()?;
    while is_open && received < MOST_ANSWER {
        match socket.recv(ROOM) {
            Ok(bytes) => {
                received += bytes.len();
                is_open = !bytes.is_empty();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn datagrams(record: &Record, server: SocketAddr, args: &TalkArgs) -> io::Result<()> {
    let mut socket = Traced::open(
        record,
        Direction::Forward,
        Domain::for_address(server),
        Type::DGRAM,
    )?;
    socket.patience(args.timeout)?;
    // A socket that has a peer hears of errors that come back (udp(7)).
    socket.connect(&server.into(), &server.to_string(), args.timeout)?;
    let mut missing = None;
    for text in &args.send {
        socket.send_to(&text.0, server)?;
        // An error of an earlier datagram would be told here.
        missing = socket.recv_from(ROOM).err();
    }
    socket.close();
    match missing {
        Some(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "no answer came in time",
        )),
        Some(error) => Err(error),
        None => Ok(()),
    }
}
