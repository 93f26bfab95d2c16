//! Names and addresses of hosts. All functions block, on the resolver if it comes to that.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[cfg(unix)]
use super::ffi;
use super::hosts_file;

/// A host by all its names and addresses, as `gethostbyname_ex` lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostEntry {
    /// The canonical name.
    pub canonical: String,
    /// Other names: the one asked for, if it is not canonical, and those of the hosts file.
    ///
    /// Names in the middle of a chain of DNS aliases (CNAME) are not told by `getaddrinfo`.
    pub aliases: Vec<String>,
    /// Addresses, most wanted first (RFC 6724).
    pub addresses: Vec<IpAddr>,
}

/// The names of an address, as `gethostbyaddr` lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostNames {
    /// The canonical name.
    pub canonical: String,
    /// Other names, from the hosts file.
    pub aliases: Vec<String>,
}

/// Why this machine's name is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostNameError {
    /// The system refuses to tell it.
    #[error("cannot read the host name: {0}")]
    System(#[from] io::Error),
    /// It is empty or not UTF-8.
    #[error("the host name {0:?} is empty or not text; set it with hostnamectl")]
    NotText(String),
}

/// Why a name has no addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressesError {
    /// No host can have the name.
    #[error("{name:?} cannot be a host name: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// Which rule it breaks.
        reason: String,
    },
    /// No host has the name, or none with an address.
    #[error("no host is named {name:?}: {reason}")]
    NotFound {
        /// The name.
        name: String,
        /// What the resolver said.
        reason: String,
    },
    /// The resolver does not know at present: no server answers, or the network is down.
    #[error("cannot look up {name:?} now: {reason}")]
    Unavailable {
        /// The name.
        name: String,
        /// What the resolver said.
        reason: String,
    },
}

/// Why an address has no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameOfError {
    /// Nobody gave it one.
    #[error("{address} has no name: {reason}")]
    NotFound {
        /// The address.
        address: IpAddr,
        /// What the resolver said.
        reason: String,
    },
    /// The resolver does not know at present.
    #[error("cannot look up {address} now: {reason}")]
    Unavailable {
        /// The address.
        address: IpAddr,
        /// What the resolver said.
        reason: String,
    },
}

/// Why a host's full name is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FullNameError {
    /// This machine's own name is not known.
    #[error(transparent)]
    HostName(#[from] HostNameError),
    /// The name does not resolve.
    #[error(transparent)]
    Addresses(#[from] AddressesError),
}

/// The name of this machine (`gethostname`).
///
/// # Errors
/// The system does not tell it, or it is not text.
pub fn host_name() -> Result<String, HostNameError> {
    match String::from_utf8(host_name_bytes()?) {
        Ok(name) if !name.is_empty() => Ok(name),
        Ok(name) => Err(HostNameError::NotText(name)),
        Err(error) => Err(HostNameError::NotText(
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
        )),
    }
}

#[cfg(unix)]
fn host_name_bytes() -> io::Result<Vec<u8>> {
    ffi::gethostname()
}

#[cfg(not(unix))]
fn host_name_bytes() -> io::Result<Vec<u8>> {
    let name = std::env::var("COMPUTERNAME").map_err(io::Error::other);
    name.map(String::into_bytes)
}

/// The first name with a dot among the canonical name of `host`, its aliases and the name of its
/// first address; without one, the canonical name (`getfqdn`). `None` is this machine.
///
/// # Errors
/// The host is unknown. (`getfqdn` of Python returns the name as it is, then.)
pub fn fully_qualified_name(host: Option<&str>) -> Result<String, FullNameError> {
    let host = match host {
        Some(host) if !host.is_empty() => host.to_owned(),
        _ => host_name()?,
    };
    let entry = match host.parse() {
        Ok(address) => HostEntry {
            canonical: host,
            aliases: Vec::new(),
            addresses: vec![address],
        },
        Err(_) => addresses_of(&host)?,
    };
    let known = std::iter::once(&entry.canonical).chain(&entry.aliases);
    if let Some(name) = known.into_iter().find(|name| is_qualified(name)) {
        return Ok(name.clone());
    }
    let reverse = entry
        .addresses
        .first()
        .and_then(|first| name_of(*first).ok());
    let reverse = reverse.map(|names| names.canonical);
    Ok(match reverse {
        Some(name) if is_qualified(&name) || is_address(&entry.canonical) => name,
        _ => entry.canonical,
    })
}

fn is_qualified(name: &str) -> bool {
    name.contains('.') && !is_address(name)
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

/// The canonical name, aliases and addresses of a host (`gethostbyname_ex`).
///
/// `localhost` and the names below it are answered inside the program with `::1` and `127.0.0.1`
/// (RFC 6761 section 6.3), so that they work without a hosts file. An address is its own name.
///
/// # Errors
/// The name cannot be one, is unknown, or cannot be looked up at present.
///
/// ```
/// use wharf::names::addresses_of;
/// let entry = addresses_of("localhost")?;
/// assert_eq!(entry.canonical, "localhost");
/// assert_eq!(entry.addresses.len(), 2);
/// # Ok::<(), wharf::names::AddressesError>(())
/// ```
pub fn addresses_of(name: &str) -> Result<HostEntry, AddressesError> {
    if let Ok(address) = name.parse() {
        return Ok(HostEntry {
            canonical: name.to_owned(),
            aliases: Vec::new(),
            addresses: vec![address],
        });
    }
    if name.is_empty() || name.len() > 254 || name.contains('\0') {
        let reason = "it takes 1 to 253 characters, none of them NUL".into();
        let name = name.into();
        return Err(AddressesError::BadName { name, reason });
    }
    let (canonical, addresses) = if is_localhost(name) {
        (Some("localhost".into()), LOOPBACK.to_vec())
    } else {
        resolve(name)?
    };
    let canonical = canonical.unwrap_or_else(|| name.to_owned());
    let mut aliases = hosts_file::aliases(&hosts_file::read(), name, &canonical);
    let known = |other: &String| other.eq_ignore_ascii_case(name);
    if !canonical.eq_ignore_ascii_case(name) && !aliases.iter().any(known) {
        aliases.insert(0, name.to_owned());
    }
    Ok(HostEntry {
        canonical,
        aliases,
        addresses,
    })
}

const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::LOCALHOST),
    IpAddr::V4(Ipv4Addr::LOCALHOST),
];

/// Whether RFC 6761 says that the name is this machine.
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

#[cfg(unix)]
fn resolve(name: &str) -> Result<ffi::Resolved, AddressesError> {
    let owned = || name.to_owned();
    let Some(c_name) = ffi::c_name(name) else {
        let reason = "it contains a NUL".into();
        return Err(AddressesError::BadName {
            name: owned(),
            reason,
        });
    };
    ffi::getaddrinfo(&c_name).map_err(|error| match error.code {
        libc::EAI_AGAIN | libc::EAI_SYSTEM | libc::EAI_MEMORY => AddressesError::Unavailable {
            name: owned(),
            reason: error.reason,
        },
        _ => AddressesError::NotFound {
            name: owned(),
            reason: error.reason,
        },
    })
}

#[cfg(not(unix))]
fn resolve(name: &str) -> Result<(Option<String>, Vec<IpAddr>), AddressesError> {
    use std::net::ToSocketAddrs;
    match (name, 0).to_socket_addrs() {
        Ok(found) => Ok((None, found.map(|socket| socket.ip()).collect())),
        Err(error) => Err(AddressesError::NotFound {
            name: name.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// The canonical name and the aliases of an address (`gethostbyaddr`).
///
/// The hosts file is asked first, then this program (`127.0.0.1` and `::1` are `localhost`), then
/// the system's resolver.
///
/// # Errors
/// The address has no name, or it cannot be looked up at present.
///
/// ```
/// let names = wharf::names::name_of("127.0.0.1".parse()?)?;
/// assert!(!names.canonical.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn name_of(address: IpAddr) -> Result<HostNames, NameOfError> {
    name_among(&hosts_file::read(), address)
}

fn name_among(hosts: &[hosts_file::Line], address: IpAddr) -> Result<HostNames, NameOfError> {
    let mut names = hosts_file::names(hosts, address).into_iter();
    let canonical = match names.next() {
        Some(name) => name,
        None if LOOPBACK.contains(&address) => "localhost".into(),
        None => reverse(address)?,
    };
    let aliases = names.collect();
    Ok(HostNames { canonical, aliases })
}

#[cfg(unix)]
fn reverse(address: IpAddr) -> Result<String, NameOfError> {
    ffi::getnameinfo(address).map_err(|error| {
        let reason = error.reason;
        match error.code {
            libc::EAI_AGAIN | libc::EAI_SYSTEM | libc::EAI_MEMORY => {
                NameOfError::Unavailable { address, reason }
            }
            _ => NameOfError::NotFound { address, reason },
        }
    })
}

#[cfg(not(unix))]
fn reverse(address: IpAddr) -> Result<String, NameOfError> {
    let reason = "this system offers no lookup of names here".into();
    Err(NameOfError::Unavailable { address, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_answered_without_a_hosts_file() {
        for name in ["localhost", "LocalHost.", "ship.localhost"] {
            let entry = addresses_of(name).unwrap();
            assert_eq!(entry.canonical, "localhost", "{name}");
            assert_eq!(entry.addresses, LOOPBACK, "{name}");
        }
        assert_eq!(
            addresses_of("ship.localhost").unwrap().aliases[0],
            "ship.localhost"
        );
        assert!(!is_localhost("notlocalhost"));
    }

    #[test]
    fn loopback_has_a_name_without_a_hosts_file() {
        for address in LOOPBACK {
            assert_eq!(name_among(&[], address).unwrap().canonical, "localhost");
        }
    }

    #[test]
    fn the_hosts_file_names_an_address_first() {
        let hosts = hosts_file::parse("192.0.2.1 ship.example ship\n");
        let names = name_among(&hosts, "192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!(names.canonical, "ship.example");
        assert_eq!(names.aliases, ["ship"]);
    }

    #[test]
    fn an_address_is_its_own_name() {
        let entry = addresses_of("192.0.2.7").unwrap();
        assert_eq!(entry.canonical, "192.0.2.7");
        assert_eq!(entry.addresses, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn names_that_cannot_be_are_refused_before_the_resolver() {
        for name in ["", "a\0b", &"a".repeat(255)] {
            let error = addresses_of(name).unwrap_err();
            assert!(matches!(error, AddressesError::BadName { .. }), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_resolver_of_the_system_is_reached() {
        // A numeric name needs neither files nor servers.
        let name = ffi::c_name("192.0.2.7").unwrap();
        let (canonical, addresses) = ffi::getaddrinfo(&name).unwrap();
        assert_eq!(canonical.as_deref(), Some("192.0.2.7"));
        assert_eq!(addresses, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
        // A blank is refused by the resolver itself, with its own words.
        let name = ffi::c_name("no such.invalid").unwrap();
        assert!(!ffi::getaddrinfo(&name).unwrap_err().reason.is_empty());
    }

    #[test]
    fn this_machine_has_a_name() {
        let name = host_name().unwrap();
        assert!(!name.contains('\0') && !name.is_empty());
    }

    #[test]
    fn full_names_prefer_a_dot() {
        assert!(is_qualified("ship.example") && !is_qualified("10.0.0.1"));
        let name = fully_qualified_name(Some("localhost")).unwrap();
        assert!(
            name.starts_with("localhost") || name.contains('.'),
            "{name}"
        );
    }
}
