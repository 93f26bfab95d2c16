//! A stream socket of either family, connected without waiting.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

use super::options::Target;
use super::sys;

/// One connection's socket.
#[derive(Debug)]
pub(super) enum Link {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Link {
    /// Starts to connect, from `source` if that is given, and reports to
    /// `registry` under `token`.
    pub(super) fn open(
        target: &Target,
        source: Option<Ipv4Addr>,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Link> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match target {
            Target::Tcp(peer) => {
                let mut stream = match (source, peer) {
                    (Some(source), SocketAddr::V4(peer)) => {
                        TcpStream::from_std(sys::connect_from(source, *peer)?)
                    }
                    _ => TcpStream::connect(*peer)?,
                };
                registry.register(&mut stream, token, interest)?;
                Ok(Link::Tcp(stream))
            }
            Target::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                registry.register(&mut stream, token, interest)?;
                Ok(Link::Unix(stream))
            }
            Target::Udp(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Sends small messages at once (TCP_NODELAY). Where there is no Nagle
    /// algorithm, or no connection yet, nothing is lost by not doing so.
    pub(super) fn send_at_once(&self) {
        if let Link::Tcp(stream) = self {
            let _ = stream.set_nodelay(true);
        }
    }

    /// Whether the connection is open; an error if it failed to.
    pub(super) fn is_open(&self) -> io::Result<bool> {
        let (error, peer) = match self {
            Link::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(|_| ())),
            Link::Unix(stream) => (stream.take_error()?, stream.peer_addr().map(|_| ())),
        };
        match (error, peer) {
            (Some(error), _) => Err(error),
            (None, Ok(())) => Ok(true),
            (None, Err(error)) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            (None, Err(error)) => Err(error),
        }
    }

    pub(super) fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        retry(|| match self {
            Link::Tcp(stream) => stream.read(space),
            Link::Unix(stream) => stream.read(space),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| match self {
            Link::Tcp(stream) => stream.write(bytes),
            Link::Unix(stream) => stream.write(bytes),
        })
    }
}

/// Local addresses for connections that come and go by the thousand.
///
/// A closed connection's port stays in TIME-WAIT for a minute, so one address
/// has no more than 28,000 in that time, and connect(2) searches ever longer
/// for a free one: at 15,000 a second it took half the engine's time. On a
/// loopback every address of 127.0.0.0/8 is ours.
#[derive(Debug, Default)]
pub(super) struct Sources(u32);

impl Sources {
    /// How many addresses are used in turns.
    const COUNT: u32 = 1_000;

    /// The address for the next connection to `target`; `None` leaves it to the system.
    pub(super) fn next(&mut self, target: &Target) -> Option<Ipv4Addr> {
        match target {
            Target::Tcp(SocketAddr::V4(peer)) if peer.ip().is_loopback() => {
                self.0 = (self.0 + 1) % Self::COUNT;
                Some(Ipv4Addr::from(0x7f01_0001 + self.0))
            }
            _ => None,
        }
    }
}

/// Repeats a call that a signal interrupted.
pub(super) fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// The unspecified address of the peer's family, port 0.
pub(super) fn any_address(peer: SocketAddr) -> SocketAddr {
    let ip = match peer {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 0)
}
