//! From an address to endpoints, as this machine sees it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use socket2::{Domain, Socket, Type};

use crate::address::{Address, Family, Host, Port, Scheme, Target};
use crate::names::{self, Protocol};
use crate::network::{Endpoint, ResolveError, Role, UnixName};

/// The endpoints of `address`, in the order to try them.
pub(super) async fn resolve(address: &Address, role: Role) -> Result<Vec<Endpoint>, ResolveError> {
    refuse_what_the_kernel_lacks(address)?;
    let (port, ips) = match &address.target {
        Target::Path(path) => return Ok(vec![Endpoint::Unix(UnixName::Path(path.clone()))]),
        Target::Abstract(name) => return abstract_name(name),
        Target::Port(port) => (port, loopback()),
        Target::All(port) => (port, everywhere(address, role)?),
        Target::Host { host, port } => (port, addresses_of(host).await?),
    };
    let port = port_number(port, address.scheme).await?;
    let family = address.scheme.family();
    let wanted = |ip: &SocketAddr| match family {
        None => true,
        Some(Family::V4) => ip.is_ipv4(),
        Some(Family::V6) => ip.is_ipv6(),
    };
    let endpoints: Vec<Endpoint> = ips
        .into_iter()
        .map(|mut ip| {
            ip.set_port(port);
            ip
        })
        .filter(wanted)
        .map(Endpoint::Inet)
        .collect();
    if endpoints.is_empty() {
        return Err(failed(
            address,
            "the host has no address of the IP version that the scheme asks for",
            None,
        ));
    }
    Ok(endpoints)
}

fn failed(address: &Address, why: &str, cure: Option<String>) -> ResolveError {
    ResolveError {
        name: address.to_string(),
        why: why.to_owned(),
        cure,
    }
}

fn sockets(ips: impl IntoIterator<Item = IpAddr>) -> Vec<SocketAddr> {
    ips.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect()
}

fn loopback() -> Vec<SocketAddr> {
    sockets([
        Ipv4Addr::LOCALHOST.into(),
        IpAddr::from(Ipv6Addr::LOCALHOST),
    ])
}

fn everywhere(address: &Address, role: Role) -> Result<Vec<SocketAddr>, ResolveError> {
    match role {
        Role::Serve => Ok(sockets([
            Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::from(Ipv6Addr::UNSPECIFIED),
        ])),
        Role::Reach => Err(failed(
            address,
            "all: is every address of this machine; it is for serving, not a destination",
            address
                .port()
                .map(|port| format!("{}:localhost:{port}", address.scheme.as_str())),
        )),
    }
}

fn abstract_name(name: &[u8]) -> Result<Vec<Endpoint>, ResolveError> {
    if cfg!(any(target_os = "linux", target_os = "android")) {
        return Ok(vec![Endpoint::Unix(UnixName::Abstract(name.to_vec()))]);
    }
    Err(ResolveError {
        name: format!("@{}", name.escape_ascii()),
        why: "abstract Unix names exist on Linux only".into(),
        cure: Some("a path, for example unix:/tmp/name.sock".into()),
    })
}

async fn addresses_of(host: &Host) -> Result<Vec<SocketAddr>, ResolveError> {
    match host {
        Host::V4(ip) => Ok(sockets([IpAddr::V4(*ip)])),
        Host::V6 { addr, zone } => {
            let scope = match zone {
                None => 0,
                Some(zone) => interface_index(zone)?,
            };
            Ok(vec![SocketAddrV6::new(*addr, 0, 0, scope).into()])
        }
        Host::Name(name) => {
            let asked = name.clone();
            let found = tokio::task::spawn_blocking(move || names::addresses_of(&asked)).await;
            let (why, cure) = match found {
                Ok(Ok(entry)) => return Ok(sockets(entry.addresses)),
                Ok(Err(error)) => (error.to_string(), None),
                Err(_) => ("the look-up was abandoned".to_owned(), None),
            };
            Err(ResolveError {
                name: name.clone(),
                why,
                cure,
            })
        }
    }
}

/// The number of a network interface: the zone of a link-local address (RFC 4007).
pub(super) fn interface_index(zone: &str) -> Result<u32, ResolveError> {
    if let Ok(index) = zone.parse() {
        return Ok(index);
    }
    // A zone is one file name here, never a path.
    let plain = !zone.is_empty() && !zone.contains('/') && zone != "." && zone != "..";
    let index = plain
        .then(|| std::fs::read_to_string(format!("/sys/class/net/{zone}/ifindex")).ok())
        .flatten()
        .and_then(|text| text.trim().parse().ok());
    index.ok_or_else(|| ResolveError {
        name: format!("%{zone}"),
        why: "this machine has no network interface of this name".into(),
        cure: interfaces(),
    })
}

fn interfaces() -> Option<String> {
    let mut names: Vec<String> = std::fs::read_dir("/sys/class/net")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    Some(format!("one of: {}", names.join(", ")))
}

async fn port_number(port: &Port, scheme: Scheme) -> Result<u16, ResolveError> {
    let name = match port {
        Port::Number(number) => return Ok(*number),
        Port::Service(name) => name.clone(),
    };
    let protocol = if scheme.is_datagram() {
        Protocol::Udp
    } else {
        Protocol::Tcp
    };
    let asked = name.clone();
    let found = tokio::task::spawn_blocking(move || names::service_port(&asked, protocol)).await;
    match found {
        Ok(Ok(number)) => Ok(number),
        Ok(Err(error)) => Err(ResolveError {
            name,
            why: error.to_string(),
            cure: Some("a number from 0 to 65535".into()),
        }),
        Err(_) => Err(ResolveError {
            name,
            why: "the look-up was abandoned".into(),
            cure: None,
        }),
    }
}

/// SOCK_RDM and SOCK_RAW are known by name, and answered with what can be had.
fn refuse_what_the_kernel_lacks(address: &Address) -> Result<(), ResolveError> {
    match address.scheme {
        Scheme::Rdm => {
            let rdm = Type::from(libc::SOCK_RDM);
            let why = match Socket::new(Domain::IPV4, rdm, None) {
                Err(error) => format!(
                    "this kernel has no reliably-delivered messages over IP (SOCK_RDM: {})",
                    crate::network::error_words(&error)
                ),
                Ok(_) => "Wharf does not speak SOCK_RDM, though this kernel does".to_owned(),
            };
            let cure = "seqpacket:@NAME (messages, in order, on one machine), udp:HOST:PORT \
                        (messages, may be lost) or tcp:HOST:PORT with a framing";
            Err(failed(address, &why, Some(cure.into())))
        }
        Scheme::Raw => {
            let why = match Socket::new(Domain::IPV4, Type::RAW, Some(libc::IPPROTO_ICMP.into())) {
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    "raw sockets need the capability CAP_NET_RAW, which this process lacks"
                }
                _ => {
                    "raw sockets carry IP packets, not conversations: nothing serves or connects \
                      over them"
                }
            };
            let cure = "udp:HOST:PORT for single messages, tcp:HOST:PORT for a stream";
            Err(failed(address, why, Some(cure.into())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn resolved(text: &str, role: Role) -> Result<Vec<String>, ResolveError> {
        let endpoints = resolve(&text.parse().unwrap(), role).await?;
        Ok(endpoints.iter().map(ToString::to_string).collect())
    }

    #[tokio::test]
    async fn no_host_means_both_loopback_addresses() {
        let both = ["127.0.0.1:7000", "[::1]:7000"];
        assert_eq!(resolved("7000", Role::Serve).await.unwrap(), both);
        assert_eq!(
            resolved("tcp4::7000", Role::Serve).await.unwrap(),
            both[..1]
        );
        assert_eq!(
            resolved("udp6::7000", Role::Reach).await.unwrap(),
            both[1..]
        );
    }

    #[tokio::test]
    async fn all_is_for_serving_only() {
        let all = resolved("all:80", Role::Serve).await.unwrap();
        assert_eq!(all, ["0.0.0.0:80", "[::]:80"]);
        let error = resolved("all:80", Role::Reach).await.unwrap_err();
        assert_eq!(error.cure.unwrap(), "tcp:localhost:80");
    }

    #[tokio::test]
    async fn localhost_needs_no_hosts_file() {
        let found = resolved("localhost:80", Role::Reach).await.unwrap();
        assert_eq!(found, ["[::1]:80", "127.0.0.1:80"]);
    }

    #[tokio::test]
    async fn a_zone_is_an_interface() {
        let found = resolved("[fe80::1%lo]:80", Role::Reach).await.unwrap();
        assert_eq!(found, ["[fe80::1%1]:80"]);
        let error = resolved("[fe80::1%nope0]:80", Role::Reach)
            .await
            .unwrap_err();
        assert!(error.cure.unwrap().contains("lo"));
    }

    #[tokio::test]
    async fn what_the_kernel_lacks_is_answered_with_what_it_has() {
        let error = resolved("rdm::80", Role::Reach).await.unwrap_err();
        assert!(error.why.contains("SOCK_RDM"), "{error}");
        assert!(error.cure.unwrap().contains("seqpacket:"));
        let error = resolved("raw:127.0.0.1", Role::Reach).await.unwrap_err();
        assert!(error.why.contains("raw sockets"), "{error}");
    }
}
