//! Opens the sockets of one address: all its endpoints, under one port number.

use std::io;
use std::net::SocketAddr;

use crate::address::{Address, ByteSize, Target};
use crate::connection::Listener;
use crate::datagram::Datagrams;
use crate::network::{
    BindOptions, Endpoint, ListenOptions, Network, PortSharing, ResolveError, Role,
};

/// How often another port number is tried when 0 was asked for and a number that
/// is free for one IP version is taken for the other.
const SAME_PORT_TRIES: usize = 16;

/// What kind of socket is opened, and how.
#[derive(Clone, Debug)]
pub(super) enum How {
    Listen(ListenOptions),
    Bind(BindOptions),
}

/// A socket that is open.
#[derive(Debug)]
pub(super) enum Socket {
    Listener(Listener),
    Datagrams(Datagrams),
}

/// Why an address could not be opened.
pub(super) enum OpenError {
    Resolve(ResolveError),
    Socket(Endpoint, io::Error),
}

impl How {
    /// The same, for a socket that shares its port in another way.
    pub(super) fn with_sharing(&self, sharing: PortSharing) -> How {
        match self {
            How::Listen(options) => How::Listen(ListenOptions {
                sharing,
                ..options.clone()
            }),
            How::Bind(options) => How::Bind(BindOptions {
                sharing,
                ..options.clone()
            }),
        }
    }

    /// The same, with what the address itself asks of its sockets.
    pub(super) fn with_address(mut self, address: &Address) -> How {
        let asked = &address.options;
        let bytes = |size: Option<ByteSize>| size.map(ByteSize::bytes);
        match &mut self {
            How::Listen(options) => {
                options.mode = asked.mode.or(options.mode);
                let stream = &mut options.stream;
                stream.receive_buffer = bytes(asked.receive_buffer).or(stream.receive_buffer);
                stream.send_buffer = bytes(asked.send_buffer).or(stream.send_buffer);
            }
            How::Bind(options) => options.apply(asked),
        }
        self
    }

    /// Opens one socket.
    pub(super) async fn open(&self, network: &impl Network, at: &Endpoint) -> io::Result<Socket> {
        match self {
            How::Listen(options) => network.listen(at, options).await.map(Socket::Listener),
            How::Bind(options) => network.bind(at, options).await.map(Socket::Datagrams),
        }
    }
}

impl Socket {
    pub(super) fn local(&self) -> &Endpoint {
        match self {
            Socket::Listener(listener) => listener.local(),
            Socket::Datagrams(datagrams) => datagrams.local(),
        }
    }
}

/// Opens every endpoint of `address`. Where it named no host, endpoints of an IP
/// version that the machine lacks are left out, with a note in `notes`.
pub(super) async fn open(
    network: &impl Network,
    address: &Address,
    how: &How,
    notes: &mut Vec<String>,
) -> Result<Vec<Socket>, OpenError> {
    let endpoints = network
        .resolve(address, Role::Serve)
        .await
        .map_err(OpenError::Resolve)?;
    let opening = Opening {
        network,
        how,
        endpoints: &endpoints,
        host_is_implied: matches!(address.target, Target::Port(_) | Target::All(_)),
    };
    let any_port = endpoints.len() > 1 && endpoints.iter().all(|at| at.port() == Some(0));
    let mut tries = if any_port { SAME_PORT_TRIES } else { 1 };
    loop {
        tries -= 1;
        match opening.once(notes).await {
            Ok(sockets) => return Ok(sockets),
            Err((_, error)) if tries > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
            Err((at, error)) => return Err(OpenError::Socket(at, error)),
        }
    }
}

struct Opening<'a, N> {
    network: &'a N,
    how: &'a How,
    endpoints: &'a [Endpoint],
    host_is_implied: bool,
}

impl<N: Network> Opening<'_, N> {
    /// Opens every endpoint, or none.
    async fn once(&self, notes: &mut Vec<String>) -> Result<Vec<Socket>, (Endpoint, io::Error)> {
        let mut sockets: Vec<Socket> = Vec::new();
        let mut missing = None;
        for endpoint in self.endpoints {
            let port = sockets.first().and_then(|first| first.local().port());
            let at = match (endpoint.port(), port) {
                (Some(0), Some(port)) => endpoint.clone().with_port(port),
                _ => endpoint.clone(),
            };
            match self.how.open(self.network, &at).await {
                Ok(socket) => sockets.push(socket),
                Err(error) if self.host_is_implied && lacks_ip_version(&error) => {
                    missing = Some((at, error));
                }
                Err(error) => return Err((at, error)),
            }
        }
        match missing {
            Some(missing) if sockets.is_empty() => Err(missing),
            Some((at, _)) => {
                note(notes, &at);
                Ok(sockets)
            }
            None => Ok(sockets),
        }
    }
}

fn lacks_ip_version(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || error.raw_os_error() == Some(libc::EAFNOSUPPORT)
}

fn note(notes: &mut Vec<String>, at: &Endpoint) {
    let version = match at.inet() {
        Some(SocketAddr::V4(_)) => "IPv4",
        _ => "IPv6",
    };
    let text = format!("this machine has no {version} here; serving without it");
    if !notes.contains(&text) {
        notes.push(text);
    }
}
