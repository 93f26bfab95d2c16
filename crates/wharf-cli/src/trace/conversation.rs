//! A conversation with an address, call by call.

use std::ffi::OsStr;
use std::io;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
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
        Scheme::Tcp | Scheme::Tcp4 | Scheme::Tcp6 | Scheme::Tls | Scheme::Unix => Type::STREAM,
        Scheme::Udp | Scheme::Udp4 | Scheme::Udp6 | Scheme::UnixDgram => Type::DGRAM,
        Scheme::Seqpacket => Type::SEQPACKET,
        other => {
            return Err(Failure::usage(format!(
                "trace speaks tcp, tls, udp, unix, unix-dgram and seqpacket, not {}",
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
        captures: Vec::new(),
        path: None,
        failure: None,
    };
    for endpoint in resolve(address)? {
        outcome.attempt(&endpoint, kind, args, secret.as_ref());
        if outcome.failure.is_none() {
            break;
        }
    }
    outcome.gather();
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

/// Where an address leads to.
pub(super) fn resolve(address: &Address) -> Result<Vec<Endpoint>, Failure> {
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
    /// One of each endpoint that was tried, and who spoke there.
    captures: Vec<(Capture, Vec<(SocketAddr, SocketAddr)>)>,
    /// Of a Unix socket.
    path: Option<String>,
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
            Endpoint::Unix(name) => {
                self.path = Some(endpoint.to_string());
                unix(&record, name, kind, args).map_err(Trouble::from)
            }
        };
        self.failure = spoken.err();
        let record = record.take();
        match capture {
            None => self.note(
                "a Unix socket has no frames: the kernel hands the bytes from one process to the other, \
                 no header, no network",
            ),
            // Waiting for its last frames here would hold up the next attempt.
            Some(Ok(capture)) => self.captures.push((capture, ends(&record))),
            Some(Err(refused)) => {
                self.note(&refused.explain());
                if kind == Type::DGRAM {
                    self.frames.extend(model::udp(&record, Owned::Client));
                } else {
                    let (frames, notes) = model::tcp(&record, Owned::Client);
                    self.frames.extend(frames);
                    notes.iter().for_each(|note| self.note(note));
                }
            }
        }
        self.record.extend(record);
    }

    /// Takes the frames of all captures, once nothing more comes in the last.
    fn gather(&mut self) {
        let mut quiet = QUIET;
        for (capture, ends) in std::mem::take(&mut self.captures).into_iter().rev() {
            let frames = capture.drain(std::mem::take(&mut quiet), MOST_QUIET);
            let own = frames.into_iter().filter(|frame| belongs(frame, &ends));
            self.frames.extend(own);
            if let Some(note) = capture.stop() {
                self.note(&note);
            }
        }
        self.frames.sort_by_key(|frame| frame.at);
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
        if let (Some(path), [talk]) = (&self.path, &mut trace.talks[..]) {
            talk.parties[1].address.clone_from(path);
        }
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
    trace.adopt();
    trace.notes.extend(notes.iter().cloned());
    for (client, server) in ends(record) {
        name_unknown(&mut trace, client, server);
        trace.name(client, "client");
        trace.name(server, "server");
    }
    if trace.talks.is_empty() {
        trace.talk([party("client"), party("server")]);
    }
    for (did, talk) in record.iter().zip(talks_of(&trace, record)) {
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
            talk,
        });
    }
    trace.finish();
    trace
}

/// The talk that each call belongs to: that of the next effect of the same socket, of
/// which socket() is the first call, or else of the last one before.
fn talks_of(trace: &Trace, record: &[Did]) -> Vec<usize> {
    let found: Vec<Option<usize>> = record
        .iter()
        .map(|did| pair(&did.effect).and_then(|ends| talk_between(trace, ends)))
        .collect();
    let mut talk = found.iter().flatten().next().copied().unwrap_or(0);
    let mut talks = Vec::with_capacity(record.len());
    for (index, did) in record.iter().enumerate() {
        if did.text.starts_with("socket(") {
            let rest = record.iter().zip(&found).skip(index + 1);
            let mut own = rest
                .filter(|(later, _)| later.side == did.side)
                .take_while(|(later, _)| !later.text.starts_with("socket("));
            talk = own.find_map(|(_, found)| *found).unwrap_or(talk);
        }
        talk = found[index].unwrap_or(talk);
        talks.push(talk);
    }
    talks
}

fn talk_between(trace: &Trace, (client, server): (SocketAddr, SocketAddr)) -> Option<usize> {
    trace.talks.iter().position(|talk| {
        let has = |end: SocketAddr| {
            let mut parties = talk.parties.iter();
            parties.any(|party| party.address == end.to_string())
        };
        (has(client) || client.port() == 0) && (has(server) || server.port() == 0)
    })
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
        | Effect::PeerEnded { ends }
        | Effect::Reset { ends }
        | Effect::Cut { ends } => Some(*ends),
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

fn unix(record: &Record, name: &UnixName, kind: Type, args: &TalkArgs) -> io::Result<()> {
    let (address, shown) = match name {
        UnixName::Path(path) => (SockAddr::unix(path)?, path.display().to_string()),
        UnixName::Abstract(name) => {
            let shown = String::from_utf8_lossy(name).into_owned();
            // The leading NUL byte is what makes a name abstract (unix(7)).
            let name = [&[0], &name[..]].concat();
            (
                SockAddr::unix(OsStr::from_bytes(&name))?,
                format!("@{shown}"),
            )
        }
        UnixName::Unnamed => {
            return Err(io::Error::other(
                "a socket without a name cannot be reached",
            ));
        }
    };
    let mut socket = Traced::open(record, Direction::Forward, Domain::UNIX, kind)?;
    socket.patience(args.timeout)?;
    if kind == Type::DGRAM {
        return unix_datagrams(socket, &address, &shown, args);
    }
    socket.connect(&address, &shown, args.timeout)?;
    speak(Plain(socket), args)
}

/// Each text a datagram, and after it an answer, to the name that the system gives.
fn unix_datagrams(
    mut socket: Traced,
    to: &SockAddr,
    shown: &str,
    args: &TalkArgs,
) -> io::Result<()> {
    socket.bind_unnamed()?;
    socket.connect(to, shown, args.timeout)?;
    let mut missing = None;
    for text in &args.send {
        socket.send_to_unix(&text.0, to, shown)?;
        missing = socket.recv_from_unix(ROOM).err();
    }
    socket.close();
    answered(missing)
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
    answered(missing)
}

/// What became of the last answer.
fn answered(missing: Option<io::Error>) -> io::Result<()> {
    match missing {
        Some(error) if error.kind() == io::ErrorKind::WouldBlock => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "no answer came in time",
        )),
        Some(error) => Err(error),
        None => Ok(()),
    }
}
