//! From an address to the one endpoint that is loaded.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use wharf::address::{Address, Scheme};
use wharf::client::{Client, ConnectError, ConnectErrorKind};
use wharf::network::{Endpoint, Network, Os, ResolveError, Role, UnixName};
use wharf::tls::ClientTls;
use wharf_check::load::{Target, TlsTarget};

use crate::failure::{Failure, connect_failure};
use crate::holder;

/// How long the connection before the run may take, unless --timeout says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a host is waited for to say that nothing listens there; this one says it at once.
const REFUSAL: Duration = Duration::from_millis(100);

/// Whether other machines may be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    ThisMachine,
    Anywhere,
}

/// A server that can be loaded.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) target: Target,
    /// The server in words, as it can be typed.
    pub(super) words: String,
    /// The process that holds the socket, if that can be seen.
    pub(super) pid: Option<u32>,
}

/// Resolves an address, and finds out whether anybody is there: one connection is opened
/// and closed, so a server that is not there is told as by `wharf connect`.
pub(super) fn find(
    address: &Address,
    reach: Reach,
    timeout: Option<Duration>,
) -> Result<Found, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let timeout = timeout.unwrap_or(CONNECT_TIMEOUT);
    let found = runtime.block_on(look_for(address, reach, timeout));
    // A thread may still wait for a resolver; nobody waits for it.
    runtime.shutdown_background();
    found
}

async fn look_for(address: &Address, reach: Reach, timeout: Duration) -> Result<Found, Failure> {
    let scheme = address.scheme;
    let is_known = matches!(scheme, Scheme::Tls | Scheme::Unix)
        || matches!(scheme, Scheme::Tcp | Scheme::Tcp4 | Scheme::Tcp6)
        || (scheme.is_datagram() && scheme.is_internet() && scheme != Scheme::Raw);
    if !is_known {
        return Err(Failure::usage(format!(
            "cannot load {address}: bench speaks tcp, tls, udp and unix"
        ))
        .cure("one of them before the address, for example tcp:"));
    }
    let resolved = Os.resolve(address, Role::Reach).await;
    let endpoints = resolved.map_err(|error| unresolved(address, error))?;
    if reach == Reach::ThisMachine
        && let Some(other) = endpoints.iter().find(|endpoint| !is_ours(endpoint))
    {
        return Err(elsewhere(address, other));
    }
    let client = Client::new().connect_timeout(Some(timeout));
    let peer = match scheme.is_datagram() {
        true => {
            let opened = client.datagrams(address).await;
            let first = opened.map_err(|error| connect_failure(&error))?.1;
            takes_datagrams(&endpoints).await.unwrap_or(first)
        }
        false => {
            let opened = client.connect(address).await;
            let mut connection = opened.map_err(|error| connect_failure(&error))?;
            // Whether the server takes leave in order is not what is asked.
            let _ = connection.finish().await;
            connection.peer().clone()
        }
    };
    let target = target(address, &peer)?;
    let at = match &peer {
        Endpoint::Unix(UnixName::Path(path)) => path.display().to_string(),
        other => other.to_string(),
    };
    let pid = match is_ours(&peer) {
        true => holder::pid_of(scheme, &at).or_else(|| {
            // The kernel's table has the path by which the server bound its socket.
            let whole = std::fs::canonicalize(&at).ok()?;
            holder::pid_of(scheme, whole.to_str()?)
        }),
        false => None,
    };
    let words = match scheme {
        Scheme::Tcp | Scheme::Tcp4 | Scheme::Tcp6 | Scheme::Unix => at,
        Scheme::Tls => format!("tls:{at}"),
        _ => format!("udp:{at}"),
    };
    Ok(Found { target, words, pid })
}

/// Of several addresses of a name, the first that does not refuse an empty datagram.
async fn takes_datagrams(endpoints: &[Endpoint]) -> Option<Endpoint> {
    if endpoints.len() < 2 {
        return None;
    }
    for endpoint in endpoints {
        if let Endpoint::Inet(at) = endpoint
            && matches!(refuses(*at).await, Ok(false))
        {
            return Some(endpoint.clone());
        }
    }
    None
}

/// Whether the answer to an empty datagram is that nothing listens there (udp(7)).
async fn refuses(at: SocketAddr) -> io::Result<bool> {
    let socket = tokio::net::UdpSocket::bind((any(at), 0)).await?;
    socket.connect(at).await?;
    socket.send(&[]).await?;
    let mut space = [0; 1];
    let answer = tokio::time::timeout(REFUSAL, socket.recv(&mut space)).await;
    Ok(answer.is_ok_and(|answer| answer.is_err()))
}

/// No address in particular, of the same family.
fn any(at: SocketAddr) -> IpAddr {
    match at {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// Whether an endpoint is of this machine: packets to its own addresses go over its loopback,
/// and the kernel takes the same address for their sender. Nothing is sent to find out
/// (connect(2) of a datagram socket).
fn is_ours(endpoint: &Endpoint) -> bool {
    let Endpoint::Inet(at) = endpoint else {
        return endpoint.is_local();
    };
    let sender = || {
        let socket = UdpSocket::bind((any(*at), 0))?;
        socket.connect(at)?;
        socket.local_addr()
    };
    // Whoever connects to no address in particular reaches this machine (ip(7)).
    at.ip().is_unspecified()
        || endpoint.is_local()
        || sender().is_ok_and(|sender| sender.ip() == at.ip())
}

/// A name that leads nowhere.
fn unresolved(address: &Address, error: ResolveError) -> Failure {
    let cure = match error.cure {
        Some(_) => None,
        None => Some(format!(
            "wharf names {}    or the address of the machine in its place",
            error.name
        )),
    };
    let failure = failed(address, error.into());
    match cure {
        Some(cure) => failure.cure(cure),
        None => failure,
    }
}

/// A connection that could not even be tried.
fn failed(address: &Address, kind: ConnectErrorKind) -> Failure {
    connect_failure(&ConnectError {
        address: Box::new(address.clone()),
        attempts: Vec::new(),
        kind,
    })
}

/// Another machine, which must be meant.
fn elsewhere(address: &Address, endpoint: &Endpoint) -> Failure {
    Failure::usage(format!(
        "{address} is another machine, which a load can harm"
    ))
    .with(
        "means",
        format!("{endpoint} is none of this machine's addresses"),
    )
    .cure("--remote    if it is yours, and you may")
}

fn target(address: &Address, peer: &Endpoint) -> Result<Target, Failure> {
    match (peer, address.scheme) {
        (Endpoint::Inet(at), Scheme::Tls) => {
            let settings = ClientTls::for_address(address);
            let (tls, host) = settings.map_err(|error| failed(address, error.into()))?;
            let at = *at;
            Ok(Target::Tls(TlsTarget { at, host, tls }))
        }
        (Endpoint::Inet(at), scheme) if scheme.is_datagram() => Ok(Target::Udp(*at)),
        (Endpoint::Inet(at), _) => Ok(Target::Tcp(*at)),
        (Endpoint::Unix(UnixName::Path(path)), _) => Ok(Target::Unix(path.clone())),
        (Endpoint::Unix(UnixName::Abstract(name)), _) => Ok(Target::Abstract(name.clone())),
        (Endpoint::Unix(UnixName::Unnamed), _) => Err(Failure::usage(format!(
            "{address} has no name to connect to"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_this_machine_has_as_its_own_address_is_no_other_machine() {
        let endpoint = |at: &str| Endpoint::Inet(at.parse().unwrap());
        // Addresses of nobody (RFC 5737, RFC 3849), and one of everybody.
        for other in ["192.0.2.1:9", "[2001:db8::1]:9", "224.0.0.1:9"] {
            assert!(!is_ours(&endpoint(other)), "{other}");
        }
        for ours in [
            "127.0.0.1:9",
            "127.3.4.5:9",
            "[::1]:9",
            "0.0.0.0:9",
            "[::]:9",
        ] {
            assert!(is_ours(&endpoint(ours)), "{ours}");
        }
        // The address that a packet to elsewhere would have, if there is a way there.
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        if socket.connect("192.0.2.1:9").is_ok() {
            let ours = socket.local_addr().unwrap();
            assert!(is_ours(&Endpoint::Inet(ours)), "{ours}");
        }
    }
}
