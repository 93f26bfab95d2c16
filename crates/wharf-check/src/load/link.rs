//! A stream socket of either family, connected without waiting.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net;

use mio::net::{TcpStream, UdpSocket, UnixStream};
use mio::{Interest, Registry, Token};
use wharf::tls::ClientSession;

use super::options::{Target, TlsTarget};
use super::sys;

/// One connection's socket.
#[derive(Debug)]
pub(super) enum Link {
    Tcp(TcpStream),
    Tls(Box<Tls>),
    Unix(UnixStream),
}

/// TLS over a TCP socket.
#[derive(Debug)]
pub(super) struct Tls {
    stream: TcpStream,
    session: ClientSession,
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
                let mut stream = connect(*peer, source)?;
                registry.register(&mut stream, token, interest)?;
                Ok(Link::Tcp(stream))
            }
            Target::Tls(target) => {
                let session = target.tls.session(&target.host);
                let session = session.map_err(io::Error::other)?;
                let mut stream = connect(target.at, source)?;
                registry.register(&mut stream, token, interest)?;
                Ok(Link::Tls(Box::new(Tls { stream, session })))
            }
            Target::Unix(path) => {
                let mut stream = UnixStream::connect(path)?;
                registry.register(&mut stream, token, interest)?;
                Ok(Link::Unix(stream))
            }
            Target::Abstract(name) => {
                let name = net::SocketAddr::from_abstract_name(name)?;
                let mut stream = UnixStream::connect_addr(&name)?;
                registry.register(&mut stream, token, interest)?;
                Ok(Link::Unix(stream))
            }
            Target::Udp(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Sends small messages at once (TCP_NODELAY). Where there is no Nagle
    /// algorithm, or no connection yet, nothing is lost by not doing so.
    pub(super) fn send_at_once(&self) {
        match self {
            Link::Tcp(stream) => drop(stream.set_nodelay(true)),
            Link::Tls(tls) => drop(tls.stream.set_nodelay(true)),
            Link::Unix(_) => {}
        }
    }

    /// Whether the connection is open, the handshake of TLS included; an error if it
    /// failed to.
    pub(super) fn is_open(&mut self) -> io::Result<bool> {
        if !self.is_connected()? {
            return Ok(false);
        }
        match self {
            Link::Tls(tls) => match retry(|| tls.session.handshake(&mut tls.stream)) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
                Err(error) => Err(error),
            },
            _ => Ok(true),
        }
    }

    fn is_connected(&self) -> io::Result<bool> {
        let (error, peer) = match self {
            Link::Tcp(stream) => (stream.take_error()?, stream.peer_addr().map(|_| ())),
            Link::Tls(tls) => (tls.stream.take_error()?, tls.stream.peer_addr().map(|_| ())),
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
            Link::Tls(tls) => tls.session.read(&mut tls.stream, space),
            Link::Unix(stream) => stream.read(space),
        })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| match self {
            Link::Tcp(stream) => stream.write(bytes),
            Link::Tls(tls) => tls.session.write(&mut tls.stream, bytes),
            Link::Unix(stream) => stream.write(bytes),
        })
    }

    /// Bytes that the peer's kernel has not acknowledged; 0 for a Unix socket, where there
    /// is no such thing.
    pub(super) fn unacknowledged(&self) -> u64 {
        match self {
            Link::Tcp(stream) => sys::unacknowledged(stream.as_fd()),
            Link::Tls(tls) => sys::unacknowledged(tls.stream.as_fd()),
            Link::Unix(_) => 0,
        }
    }

    /// Sends what waits within the link. `WouldBlock` is no error here: the socket then
    /// tells when it has room.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Link::Tls(tls) = self else { return Ok(()) };
        match retry(|| tls.session.flush(&mut tls.stream)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            outcome => outcome,
        }
    }
}

fn connect(peer: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    match (source, peer) {
        (Some(source), SocketAddr::V4(peer)) => {
            Ok(TcpStream::from_std(sys::connect_from(source, peer)?))
        }
        _ => TcpStream::connect(peer),
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
            Target::Tcp(SocketAddr::V4(peer))
            | Target::Tls(TlsTarget {
                at: SocketAddr::V4(peer),
                ..
            }) if peer.ip().is_loopback() => {
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

/// The socket buffers that are asked for over UDP for each flow, in bytes: the default of
/// 208 KiB loses datagrams as soon as a few hundred are in flight (socket(7)).
pub const DATAGRAM_BUFFER: usize = 4 << 20;

/// A UDP socket that is connected to `peer` and reports to `registry` under `token`, and
/// the receive buffer that it was granted, in bytes.
pub(super) fn datagram_socket(
    peer: SocketAddr,
    registry: &Registry,
    token: Token,
) -> io::Result<(UdpSocket, usize)> {
    let socket = std::net::UdpSocket::bind(any_address(peer))?;
    socket.set_nonblocking(true)?;
    let buffer = sys::grow_buffers(socket.as_fd(), DATAGRAM_BUFFER as libc::c_int);
    socket.connect(peer)?;
    let mut socket = UdpSocket::from_std(socket);
    registry.register(&mut socket, token, Interest::READABLE | Interest::WRITABLE)?;
    Ok((socket, buffer))
}

/// The unspecified address of the peer's family, port 0.
fn any_address(peer: SocketAddr) -> SocketAddr {
    let ip = match peer {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, 0)
}
