//! The operating system's network.
//!
//! Layout: `tcp` and `unix` make listeners and connections, `seqpacket` is the
//! one stream that tokio lacks, `resolve` turns addresses into endpoints,
//! `datagrams` and `mmsg` move many datagrams per system call, `info` asks the kernel
//! what it knows of a connection.

mod datagrams;
mod info;
mod mmsg;
mod resolve;
mod seqpacket;
mod tcp;
mod unix;

use std::io;

use super::{
    BindOptions, ConnectOptions, Endpoint, ListenOptions, Network, Platform, ResolveError, Role,
    StreamKind, UnixName,
};
use crate::address::Address;
use crate::connection::{Connection, Listener};
use crate::datagram::Datagrams;

pub(crate) use info::read as tcp_sample;
pub use info::{TcpOptions, TcpSample};
pub(crate) use seqpacket::Seqpacket;

/// The network of the machine that this process runs on.
///
/// It needs a tokio runtime with I/O and time enabled.
#[derive(Clone, Copy, Debug, Default)]
pub struct Os;

impl Network for Os {
    async fn resolve(&self, address: &Address, role: Role) -> Result<Vec<Endpoint>, ResolveError> {
        resolve::resolve(address, role).await
    }

    async fn listen(&self, at: &Endpoint, options: &ListenOptions) -> io::Result<Listener> {
        match (at, options.kind) {
            (Endpoint::Inet(address), StreamKind::Bytes) => tcp::listen(*address, options),
            (Endpoint::Inet(_), StreamKind::Packets) => Err(packets_need_unix()),
            (Endpoint::Unix(name), StreamKind::Bytes) => unix::listen(name, options),
            (Endpoint::Unix(name), StreamKind::Packets) => seqpacket::listen(name, options),
        }
    }

    async fn connect(&self, to: &Endpoint, options: &ConnectOptions) -> io::Result<Connection> {
        match (to, options.kind) {
            (Endpoint::Inet(address), StreamKind::Bytes) => tcp::connect(*address, options).await,
            (Endpoint::Inet(_), StreamKind::Packets) => Err(packets_need_unix()),
            (Endpoint::Unix(name), StreamKind::Bytes) => unix::connect(name, options).await,
            (Endpoint::Unix(name), StreamKind::Packets) => seqpacket::connect(name, options).await,
        }
    }

    async fn bind(&self, at: &Endpoint, options: &BindOptions) -> io::Result<Datagrams> {
        match at {
            Endpoint::Inet(address) => datagrams::bind_udp(*address, options),
            Endpoint::Unix(name) => datagrams::bind_unix(name, options),
        }
    }

    fn platform(&self) -> Platform {
        Platform::os()
    }

    fn shares_ports(&self) -> bool {
        true
    }
}

fn packets_need_unix() -> io::Error {
    io::Error::new(
        io::ErrorKind::Unsupported,
        "SOCK_SEQPACKET exists for Unix sockets only",
    )
}

/// The socket address of a Unix name, for socket2.
fn unix_address(name: &UnixName) -> io::Result<socket2::SockAddr> {
    match name {
        UnixName::Path(path) => socket2::SockAddr::unix(path),
        UnixName::Abstract(name) => {
            // unix(7): an abstract name begins with a NUL byte.
            let mut bytes = vec![0];
            bytes.extend_from_slice(name);
            let path: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(&bytes[..]);
            socket2::SockAddr::unix(path)
        }
        UnixName::Unnamed => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "an unnamed Unix socket cannot be reached",
        )),
    }
}

/// The endpoint of a Unix socket address.
fn unix_endpoint(address: &socket2::SockAddr) -> Endpoint {
    Endpoint::Unix(if let Some(path) = address.as_pathname() {
        UnixName::Path(path.to_path_buf())
    } else if let Some(name) = address.as_abstract_namespace() {
        UnixName::Abstract(name.to_vec())
    } else {
        UnixName::Unnamed
    })
}
