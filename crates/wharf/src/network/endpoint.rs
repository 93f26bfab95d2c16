//! One end of a conversation, as the network itself names it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// Where one socket is: an IP address with a port, or the name of a Unix socket.
///
/// An [`Address`](crate::address::Address) is what people write; resolving it
/// gives one or more endpoints.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// An IPv4 or IPv6 address with a port.
    Inet(SocketAddr),
    /// A Unix socket's name.
    Unix(UnixName),
}

/// The three kinds of name that a Unix socket can have (unix(7)).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UnixName {
    /// No name: a client that did not bind.
    Unnamed,
    /// A path in the file system.
    Path(PathBuf),
    /// A name in Linux's abstract namespace, without the leading NUL byte.
    Abstract(Vec<u8>),
}

impl Endpoint {
    /// The IP address and port, if there is one.
    pub fn inet(&self) -> Option<SocketAddr> {
        match self {
            Endpoint::Inet(address) => Some(*address),
            Endpoint::Unix(_) => None,
        }
    }

    /// The port, if there is one.
    pub fn port(&self) -> Option<u16> {
        self.inet().map(|address| address.port())
    }

    /// The same endpoint with another port; a Unix name is returned unchanged.
    #[must_use]
    pub fn with_port(mut self, port: u16) -> Self {
        if let Endpoint::Inet(address) = &mut self {
            address.set_port(port);
        }
        self
    }

    /// Whether packets to or from this endpoint never leave the machine.
    pub fn is_local(&self) -> bool {
        match self {
            Endpoint::Inet(address) => address.ip().to_canonical().is_loopback(),
            Endpoint::Unix(_) => true,
        }
    }

    /// Who the peer is for limits per peer: one IPv4 address, or one IPv6 /64.
    ///
    /// A /64 is what one subscriber gets (RFC 6177), so counting single IPv6
    /// addresses would limit nobody. Unix peers are the machine's own users and
    /// are not counted.
    pub fn peer_key(&self) -> Option<IpAddr> {
        match self.inet()?.ip().to_canonical() {
            IpAddr::V4(address) => Some(IpAddr::V4(address)),
            IpAddr::V6(address) if address.is_loopback() => Some(IpAddr::V6(address)),
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                Some(IpAddr::V6(network.into()))
            }
        }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Endpoint::Inet(address)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Inet(address) => address.fmt(f),
            Endpoint::Unix(UnixName::Unnamed) => f.write_str("unnamed"),
            Endpoint::Unix(UnixName::Path(path)) => path.display().fmt(f),
            Endpoint::Unix(UnixName::Abstract(name)) => {
                write!(f, "@{}", name.escape_ascii())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_counted_by_ipv4_address_and_by_ipv6_subscriber() {
        let key = |text: &str| Endpoint::Inet(text.parse().unwrap()).peer_key();
        assert_eq!(key("192.0.2.1:5"), key("192.0.2.1:6"));
        assert_ne!(key("192.0.2.1:5"), key("192.0.2.2:5"));
        assert_eq!(key("[::ffff:192.0.2.1]:5"), key("192.0.2.1:5"));
        assert_eq!(key("[2001:db8::1]:5"), key("[2001:db8::ffff]:5"));
        assert_ne!(key("[2001:db8::1]:5"), key("[2001:db8:0:1::1]:5"));
        assert_eq!(Endpoint::Unix(UnixName::Unnamed).peer_key(), None);
    }

    #[test]
    fn loopback_is_seen_through_mapped_addresses() {
        let local = |text: &str| Endpoint::Inet(text.parse().unwrap()).is_local();
        assert!(local("127.0.0.2:1") && local("[::1]:1") && local("[::ffff:127.0.0.1]:1"));
        assert!(!local("192.0.2.1:1") && !local("[fe80::1]:1"));
    }
}
