//! What a shown program must do, and what it cannot.

use wharf::address::{Address, AddressOptions, Family, Host, Port, Scheme, Target};
use wharf::framing::{Counts, Framing, LengthPrefix, LineEnd};
use wharf::names::{Protocol, service_port};

use crate::connect::ANSWER_TIMEOUT;
use crate::connect::args::{ConnectArgs, HalfClose};
use crate::exit::Exit;
use crate::failure::Failure;

/// A client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) place: Place,
    /// As it can be typed, for the head of the program.
    pub(super) address: String,
    /// What is sent; without anything, the lines or bytes of stdin.
    pub(super) messages: Vec<Vec<u8>>,
    pub(super) frame: Frame,
    pub(super) half_close: HalfClose,
    /// How long the answer to a datagram is awaited, in milliseconds.
    pub(super) timeout_ms: u64,
}

/// What surrounds a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Bytes as they are.
    Raw,
    /// A line feed after it.
    Lines,
    /// Its length before it.
    Length(LengthPrefix),
}

/// Where the peer is, or the server is to be.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Tcp(Inet),
    Udp(Inet),
    Tls(Inet),
    /// A Unix stream socket.
    Unix(UnixPlace),
    UnixDgram(UnixPlace),
}

#[derive(Clone, Debug)]
pub(super) struct Inet {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) family: Option<Family>,
}

/// The name of a Unix socket, with the NUL byte before an abstract one.
#[derive(Clone, Debug)]
pub(super) struct UnixPlace(pub(super) Vec<u8>);

/// What a client's arguments ask for.
pub(super) fn client(args: &ConnectArgs) -> Result<Client, Failure> {
    let place = Place::of_client(&args.address)?;
    for (is_given, option) in [
        (args.hex, "--hex"),
        (args.timestamps, "--timestamps"),
        (args.expect.is_some(), "--expect"),
        (args.linger.is_some(), "--linger"),
    ] {
        if is_given {
            return Err(unknown(option));
        }
    }
    if matches!(place, Place::Tls(_)) && args.half_close == HalfClose::Send {
        return Err(Failure::new(
            Exit::Failed,
            "--show cannot end one direction of TLS: no standard library offers it",
        )
        .cure("--half-close keep, where the peer ends the conversation"));
    }
    let timeout = args.timeout.and_then(|timeout| timeout.0);
    Ok(Client {
        frame: frame(args, place.is_datagram())?,
        place,
        address: args.address.to_string(),
        messages: args.send.iter().map(|text| text.0.clone()).collect(),
        half_close: args.half_close,
        timeout_ms: timeout.unwrap_or(ANSWER_TIMEOUT).as_millis().max(1) as u64,
    })
}

fn frame(args: &ConnectArgs, is_datagram: bool) -> Result<Frame, Failure> {
    match &args.frame {
        _ if is_datagram => match &args.frame {
            None | Some(Framing::Lines(_)) => Ok(Frame::Raw),
            Some(other) => Err(unknown(&format!("--frame {other} here"))),
        },
        None | Some(Framing::Raw) => Ok(Frame::Raw),
        Some(Framing::Lines(LineEnd::Lf)) => Ok(Frame::Lines),
        Some(Framing::Length(prefix)) if prefix.counts == Counts::Message => {
            Ok(Frame::Length(*prefix))
        }
        Some(other) => Err(unknown(&format!("--frame {other}"))
            .with("known", "lines, u8, u16, u32, u64, and u16le and so on")),
    }
}

fn unknown(what: &str) -> Failure {
    Failure::new(Exit::Failed, format!("--show does not know {what}"))
}

impl Place {
    fn of_client(address: &Address) -> Result<Self, Failure> {
        let loopback = match address.scheme.family() {
            Some(Family::V4) => "127.0.0.1",
            Some(Family::V6) => "::1",
            None => "localhost",
        };
        Place::of(address, loopback)
    }

    /// A server without a host is only for this machine.
    pub(super) fn of_server(address: &Address) -> Result<Self, Failure> {
        let loopback = match address.scheme.family() {
            Some(Family::V6) => "::1",
            _ => "127.0.0.1",
        };
        Place::of(address, loopback)
    }

    fn of(address: &Address, loopback: &str) -> Result<Self, Failure> {
        let mut known = AddressOptions::default();
        if address.scheme == Scheme::Tls {
            known.tls.ca.clone_from(&address.options.tls.ca);
        }
        if address.options != known || known.tls.ca.is_some() {
            return Err(unknown("the options of an address").with("address", address.to_string()));
        }
        let scheme = address.scheme;
        match scheme {
            Scheme::Tcp | Scheme::Tcp4 | Scheme::Tcp6 => inet(address, loopback).map(Place::Tcp),
            Scheme::Udp | Scheme::Udp4 | Scheme::Udp6 => inet(address, loopback).map(Place::Udp),
            Scheme::Tls => inet(address, loopback).map(Place::Tls),
            Scheme::Unix => unix(address).map(Place::Unix),
            Scheme::UnixDgram => unix(address).map(Place::UnixDgram),
            Scheme::Seqpacket | Scheme::Rdm | Scheme::Raw => {
                Err(unknown(&format!("{}:", scheme.as_str())))
            }
        }
    }

    pub(super) fn is_datagram(&self) -> bool {
        matches!(self, Place::Udp(_) | Place::UnixDgram(_))
    }
}

fn inet(address: &Address, loopback: &str) -> Result<Inet, Failure> {
    let protocol = match address.scheme.is_datagram() {
        true => Protocol::Udp,
        false => Protocol::Tcp,
    };
    let port = match address.port() {
        Some(Port::Number(number)) => *number,
        Some(Port::Service(name)) => service_port(name, protocol)
            .map_err(|error| Failure::new(Exit::Resolve, error.to_string()))?,
        None => 0,
    };
    let host = match &address.target {
        Target::Host { host, .. } => match host {
            Host::Name(name) => name.clone(),
            Host::V4(ip) => ip.to_string(),
            Host::V6 { addr, zone } => match zone {
                Some(zone) => format!("{addr}%{zone}"),
                None => addr.to_string(),
            },
        },
        Target::All(_) if address.scheme.family() == Some(Family::V6) => "::".to_owned(),
        Target::All(_) => "0.0.0.0".to_owned(),
        Target::Port(_) | Target::Path(_) | Target::Abstract(_) => loopback.to_owned(),
    };
    let family = address.scheme.family();
    Ok(Inet { host, port, family })
}

fn unix(address: &Address) -> Result<UnixPlace, Failure> {
    use std::os::unix::ffi::OsStrExt;
    match &address.target {
        Target::Path(path) => Ok(UnixPlace(path.as_os_str().as_bytes().to_vec())),
        Target::Abstract(name) => {
            let nul = std::iter::once(0);
            Ok(UnixPlace(nul.chain(name.iter().copied()).collect()))
        }
        _ => Err(unknown("a Unix socket without a path")),
    }
}
