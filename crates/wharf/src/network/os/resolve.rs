//! From an address to endpoints, as this machine sees it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::address::{Address, Host, Port, Target};
use crate::network::{Endpoint, ResolveError, Role};

const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// The endpoints of `address`.
pub(super) async fn resolve(address: &Address, role: Role) -> Result<Vec<Endpoint>, ResolveError> {
    let _ = role;
    let number = |port: &Port| match port {
        Port::Number(n) => *n,
        Port::Service(_) => 0,
    };
    Ok(match &address.target {
        Target::Port(port) => LOOPBACK
            .iter()
            .map(|ip| SocketAddr::new(*ip, number(port)).into())
            .collect(),
        Target::Host {
            host: Host::Name(name),
            port,
        } => tokio::net::lookup_host((name.as_str(), number(port)))
            .await
            .map_err(|e| ResolveError {
                name: name.clone(),
                why: e.to_string(),
                cure: None,
            })?
            .map(Endpoint::from)
            .collect(),
        Target::Path(path) => vec![Endpoint::Unix(crate::network::UnixName::Path(path.clone()))],
        _ => Vec::new(),
    })
}
