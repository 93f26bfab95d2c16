//! A failure as people see it: cause, evidence, cure.
//!
//! ```text
//! error: cannot listen on 127.0.0.1:7000: address already in use
//!   held by  python3 (pid 405), listening since 12:03
//!   try      wharf serve echo 7001    or    wharf serve echo 0   (any free port)
//! ```

use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;
use serde_json::map::Entry;
use wharf::address::{Address, AddressError, Port, Scheme, Target};
use wharf::client::{Attempt, ConnectError, ConnectErrorKind};
use wharf::network::ResolveError;
pub(crate) use wharf::network::error_words as words;
use wharf::server::{StartError, StartErrorKind};

use crate::exit::Exit;
use crate::holder;
use crate::style::Style;

/// A failure with everything that is known about it.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    cause: String,
    evidence: Vec<(&'static str, String)>,
    /// Failures of the same command that are told after this one.
    others: Vec<Failure>,
}

impl Failure {
    /// A failure with its cause in one line.
    pub(crate) fn new(exit: Exit, cause: impl Into<String>) -> Self {
        Failure {
            exit,
            cause: without_numbers(cause.into()),
            evidence: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Wrong use of the command line.
    pub(crate) fn usage(cause: impl Into<String>) -> Self {
        Failure::new(Exit::Usage, cause)
    }

    /// Adds a line of evidence under a short label.
    #[must_use]
    pub(crate) fn with(mut self, label: &'static str, text: impl Into<String>) -> Self {
        self.evidence.push((label, without_numbers(text.into())));
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub(crate) fn cure(self, text: impl Into<String>) -> Self {
        self.with("try", text)
    }

    /// This failure, and those that are told after it.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Failure> {
        std::iter::once(self).chain(&self.others)
    }

    /// The failure as text, ending in a newline.
    pub(crate) fn render(&self, style: Style) -> String {
        let mut text = format!("{} {}\n", style.error("error:"), visible(&self.cause));
        for (label, line) in &self.evidence {
            // A String takes every write.
            let _ = writeln!(text, "  {label:<8} {}", visible(line));
        }
        text
    }

    /// The failure as one JSON object. Lines that have one label are an array.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        let mut evidence = serde_json::Map::new();
        for (label, text) in &self.evidence {
            let text = Value::from(text.clone());
            match evidence.entry(label.replace(' ', "_")) {
                Entry::Vacant(place) => {
                    place.insert(text);
                }
                Entry::Occupied(mut place) => match place.get_mut() {
                    Value::Array(all) => all.push(text),
                    first => *first = Value::Array(vec![first.take(), text]),
                },
            }
        }
        serde_json::json!({
            "event": "error",
            "cause": self.cause,
            "evidence": evidence,
            "exit": self.exit as u8,
            "time": crate::style::seconds(SystemTime::now()),
        })
    }
}

/// Text that may hold a peer's bytes, with control characters shown and not obeyed.
pub(crate) fn visible(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            let shown: Box<dyn Iterator<Item = char>> = if character.is_control() {
                Box::new(character.escape_default())
            } else {
                Box::new(std::iter::once(character))
            };
            shown
        })
        .collect()
}

impl From<AddressError> for Failure {
    fn from(error: AddressError) -> Self {
        let failure = Failure::usage(error.to_string());
        match error.cure() {
            Some(cure) => failure.cure(cure),
            None => failure,
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::new(Exit::Failed, words(&error))
    }
}

/// Rust's "(os error 98)" tells people nothing, wherever it stands.
pub(crate) fn without_numbers(text: String) -> String {
    let mut rest = text.as_str();
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once(" (os error ") {
        kept += before;
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    if kept.is_empty() {
        return text;
    }
    kept + rest
}

/// What is known when a server's address cannot be opened, or none of them.
pub(crate) fn start_failure(error: &StartError) -> Failure {
    Failure {
        others: error.others.iter().map(start_failure).collect(),
        ..failure_of_one(error)
    }
}

fn failure_of_one(error: &StartError) -> Failure {
    let cause = error.to_string();
    match &error.kind {
        StartErrorKind::Resolve(resolve) => {
            if let Some(failure) = not_spoken(&error.address, resolve) {
                return failure;
            }
            let failure = Failure::new(Exit::Resolve, cause);
            match &resolve.cure {
                Some(cure) => failure.cure(cure),
                None => failure,
            }
        }
        StartErrorKind::Io(io) => listen_failure(error, io, cause),
        StartErrorKind::Tls(tls) => {
            let failure = Failure::new(Exit::Tls, cause);
            match tls.cure() {
                Some(cure) => failure.cure(cure),
                None => failure,
            }
        }
        StartErrorKind::NoCertificate(_) => Failure::new(Exit::Tls, cause).cure(format!(
            "wharf serve {} {},self-signed    or    wharf serve {0} {1},cert=FILE,key=FILE",
            error.service,
            bare(&error.address)
        )),
        _ => Failure::usage(cause),
    }
}

/// The address without its options.
fn bare(address: &Address) -> Address {
    Address::new(address.scheme, address.target.clone())
}

/// The address with another port, as short as it can be typed.
fn at_port(address: &Address, port: u16) -> String {
    let text = bare(address).with_port(port).to_string();
    let short = text.strip_prefix("tcp:").unwrap_or(&text);
    short.strip_prefix(':').unwrap_or(short).to_owned()
}

fn listen_failure(error: &StartError, io: &io::Error, cause: String) -> Failure {
    let failure = Failure::new(Exit::CannotListen, cause);
    let service = &error.service;
    let number = match error.address.port() {
        Some(Port::Number(number)) => Some(*number),
        _ => None,
    };
    match (io.kind(), number) {
        (io::ErrorKind::AddrInUse, _) => {
            let failure = match holder::of(error.address.scheme, &error.at) {
                Some(holder) => failure.with("held by", holder),
                None => failure,
            };
            let Some(port) = number else {
                return other_path(failure, error);
            };
            let next = at_port(&error.address, port.checked_add(1).unwrap_or(0));
            let any = at_port(&error.address, 0);
            failure.cure(format!(
                "wharf serve {service} {next}    or    wharf serve {service} {any}   (any free port)"
            ))
        }
        (io::ErrorKind::PermissionDenied, Some(port)) => low_port(failure, error, port),
        (io::ErrorKind::NotFound, None) => missing_directory(failure, error),
        _ => failure,
    }
}

/// A Unix socket's name that is taken: by a socket that is served, or by a file that
/// is none and is never touched.
fn other_path(failure: Failure, error: &StartError) -> Failure {
    let service = &error.service;
    match &error.address.target {
        Target::Path(path) => {
            let scheme = match error.address.scheme {
                Scheme::Unix => String::new(),
                other => format!("{}:", other.as_str()),
            };
            let shown = path.display();
            // Without a slash it would be read as something else.
            let here = if path.components().count() == 1 {
                "./"
            } else {
                ""
            };
            let other = format!("wharf serve {service} {scheme}{here}{shown}.2");
            let is_socket =
                std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
            match is_socket {
                true => failure.cure(other),
                false => failure.cure(format!(
                    "{other}    or remove the file yourself, if nobody needs it"
                )),
            }
        }
        Target::Abstract(_) => {
            failure.cure(format!("wharf serve {service} {}-2", bare(&error.address)))
        }
        _ => failure,
    }
}

/// The ways to a port that this user may not bind.
fn low_port(failure: Failure, error: &StartError, port: u16) -> Failure {
    let right = wharf::names::may_bind(port);
    let cures = right.cures();
    if cures.is_empty() {
        return failure;
    }
    let program =
        std::env::current_exe().map_or("PROGRAM".into(), |path| path.display().to_string());
    let higher = at_port(&error.address, port.saturating_add(8_000));
    let failure = failure
        .with("means", right.to_string())
        .cure(format!("wharf serve {} {higher}", error.service));
    // The first one says in words what the command above does.
    cures.iter().skip(1).fold(failure, |failure, cure| {
        failure.cure(cure.replace("PROGRAM", &program))
    })
}

/// A Unix socket needs its directory.
fn missing_directory(failure: Failure, error: &StartError) -> Failure {
    match &error.address.target {
        Target::Path(path) => match path.parent() {
            Some(parent) if parent != Path::new("") => {
                failure.cure(format!("mkdir -p {}", parent.display()))
            }
            _ => failure,
        },
        _ => failure,
    }
}

/// A datagram that may not be sent. Linux says so of a broadcast address, too
/// (EACCES, ip(7)), to which nobody should send by mistake.
pub(crate) fn forbidden(address: &Address, error: &io::Error) -> Failure {
    let cause = format!("cannot send to {address}: {}", words(error));
    let failure = Failure::new(Exit::Failed, cause);
    if address.options.broadcast {
        return failure.with("means", "a firewall forbids it");
    }
    failure
        .with(
            "means",
            "it is a broadcast address, or a firewall forbids it",
        )
        .cure(format!(
            "wharf connect {address},broadcast    to send to everybody"
        ))
}

/// A scheme that is known by name and behind which there is nothing: the command
/// line is at fault, not a name.
fn not_spoken(address: &Address, error: &ResolveError) -> Option<Failure> {
    if !matches!(address.scheme, Scheme::Rdm | Scheme::Raw) {
        return None;
    }
    let failure = Failure::usage(format!("cannot use {address}: {}", error.why));
    Some(match &error.cure {
        Some(cure) => failure.cure(cure),
        None => failure,
    })
}

/// What is known when nobody could be reached.
pub(crate) fn connect_failure(error: &ConnectError) -> Failure {
    connect_failure_to("echo", error)
}

/// As [`connect_failure`], where one was looking for a certain service.
pub(crate) fn connect_failure_to(service: &str, error: &ConnectError) -> Failure {
    let cause = error.to_string();
    match &error.kind {
        ConnectErrorKind::Resolve(resolve) => {
            if let Some(failure) = not_spoken(&error.address, resolve) {
                return failure;
            }
            let failure = Failure::new(Exit::Resolve, cause);
            match &resolve.cure {
                Some(cure) => failure.cure(cure),
                None => failure,
            }
        }
        ConnectErrorKind::TimedOut(_) => {
            let mut failure = Failure::new(Exit::TimedOut, cause);
            for attempt in &error.attempts {
                let tried = format!("{}: {}", attempt.endpoint, words(&attempt.error));
                failure = failure.with("tried", tried);
            }
            failure.cure("--timeout with a longer time, for example --timeout 30s")
        }
        ConnectErrorKind::TlsConfig(tls) => tls_failure(error, cause, tls.cure()),
        ConnectErrorKind::Handshake(tls) => tls_failure(error, cause, tls.cure()),
        ConnectErrorKind::Failed => unreachable_failure(service, error, cause),
        ConnectErrorKind::WrongScheme(_) => Failure::usage(cause),
        _ => Failure::new(Exit::Failed, cause),
    }
}

/// What is known when TLS did not come about. An option goes behind the address.
fn tls_failure(error: &ConnectError, cause: String, cure: Option<String>) -> Failure {
    let failure = Failure::new(Exit::Tls, cause);
    let Some(cure) = cure else { return failure };
    match ["pin=", "ca=", "sni="]
        .iter()
        .any(|option| cure.starts_with(option))
    {
        true => failure.cure(format!("{},{cure}", error.address)),
        false => failure.cure(cure),
    }
}

fn unreachable_failure(service: &str, error: &ConnectError, cause: String) -> Failure {
    let forbids = |attempt: &&Attempt| attempt.error.kind() == io::ErrorKind::PermissionDenied;
    let scheme = error.address.scheme;
    // A Unix socket's permissions are those of a file.
    if scheme.is_datagram()
        && scheme.is_internet()
        && let Some(attempt) = error.attempts.iter().find(forbids)
    {
        return forbidden(&error.address, &attempt.error);
    }
    let failure = Failure::new(Exit::Unreachable, cause);
    if !scheme.is_internet() {
        return no_socket(failure, service, error);
    }
    let refused = error
        .attempts
        .iter()
        .all(|attempt| attempt.error.kind() == io::ErrorKind::ConnectionRefused);
    if !refused {
        return failure;
    }
    let local = error
        .attempts
        .iter()
        .all(|attempt| attempt.endpoint.is_local());
    match (local, error.address.port()) {
        (true, Some(port)) => failure.with("means", "nothing listens there").cure(format!(
            "wharf serve {service} {}    in another terminal",
            match error.address.scheme {
                scheme if scheme.is_datagram() => format!("udp::{port}"),
                Scheme::Tls => format!("tls::{port},self-signed"),
                _ => port.to_string(),
            }
        )),
        _ => failure.with("means", "the host answers, but nothing listens there"),
    }
}

/// A Unix socket's name that nobody serves, or a file that is no socket.
fn no_socket(failure: Failure, service: &str, error: &ConnectError) -> Failure {
    let is_free = |attempt: &Attempt| {
        let kind = attempt.error.kind();
        matches!(
            kind,
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
        )
    };
    if !error.attempts.iter().all(is_free) {
        return failure;
    }
    if let Target::Path(path) = &error.address.target
        && std::fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket())
    {
        return failure
            .with("means", "the file there is no socket")
            .cure("the path of a socket");
    }
    failure.with("means", "nothing listens there").cure(format!(
        "wharf serve {service} {}    in another terminal",
        error.address
    ))
}
