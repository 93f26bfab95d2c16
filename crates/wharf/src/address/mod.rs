//! Where: `[scheme:]target[,option=value…]`.
//!
//! One string names an endpoint everywhere: on the command line, in a configuration file, in an
//! environment variable and in this library. Its role (listen, connect, bind) is not part of it;
//! the verb around it says so.
//!
//! ```text
//! address = [scheme ":" ["//"]] target *("," key ["=" value])
//! scheme  = tcp tcp4 tcp6 udp udp4 udp6 tls unix unix-dgram seqpacket rdm raw
//! target  = port | ":" port | host ":" port | "[" ipv6 ["%" zone] "]:" port
//!         | "all:" port | "*:" port | "/" path | "./" path | "~/" path | "@" name
//! ```
//!
//! | text | means |
//! |---|---|
//! | `7000`, `:7000`, `tcp::7000` | TCP port 7000; no host is named, the network decides |
//! | `all:7000`, `*:7000` | TCP port 7000 on every local address |
//! | `example.org:http` | a host and a service, both resolved when the address is used |
//! | `[fe80::1%eth0]:80` | IPv6 with a zone (RFC 4007); `%25eth0` (RFC 6874) is read too |
//! | `/run/x.sock`, `./x.sock`, `@name` | a Unix stream socket: a file, or an abstract name |
//! | `udp:239.1.1.1:5000,ttl=4` | options follow the target, each after a comma |
//! | `tcp://localhost:80/?ttl=4&rcvbuf=4MiB` | URLs are read as synonyms and never printed |
//!
//! **Schemes win over hosts.** `udp:7000` is port 7000 over UDP. For a host that is called `udp`
//! (or `all`, which means every address) write `tcp:udp:7000` (or `tcp:all.:7000`). The same goes
//! for the schemes of other tools (`http`, `exec` …) and for slips such as `tpc`, which are answered
//! with the right spelling.
//!
//! **Escapes.** In paths, abstract names and option values, a comma and a backslash are written
//! `\,` and `\\`, and any byte can be written `\xHH`; that way every file name can be spelled.
//! A backslash before the first character of a path takes away its special meaning (`\@x`).
//! Host names and ports know no escapes.
//!
//! Parsing does no I/O: names and services are resolved later, by the network. `FromStr` reads one
//! environment variable, `HOME`, and only for a path that begins with `~/`;
//! [`Address::parse_with_home`] is the pure function below it.

mod display;
mod error;
mod host;
mod keys;
mod name;
mod options;
mod parse;
#[cfg(test)]
mod tests;
mod text;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use error::{AddressError, AddressErrorKind};
pub use options::{AddressOptions, BindTo, ByteSize, Membership, TlsAddressOptions};

/// The longest path of a Unix socket, in bytes: `sun_path` (unix(7)) without its closing NUL.
///
/// An abstract name may be as long, since its leading NUL takes the same place.
pub const UNIX_PATH_MAX: usize = if cfg!(any(target_os = "linux", target_os = "android")) {
    107
} else {
    103
};

/// The longest text that is read as an address, in bytes.
pub const ADDRESS_TEXT_MAX: usize = 16 * 1024;

/// Where an endpoint is: how bytes travel, to what, and with which socket options.
///
/// `Display` gives the canonical form, which parses to an equal value.
///
/// ```
/// use wharf::address::{Address, Host, Port, Scheme, Target};
///
/// let address: Address = "tcp://LOCALHOST:80/?ttl=4".parse()?;
/// assert_eq!(address.scheme, Scheme::Tcp);
/// assert_eq!(
///     address.target,
///     Target::Host { host: Host::Name("localhost".into()), port: Port::Number(80) },
/// );
/// assert_eq!(address.to_string(), "tcp:localhost:80,ttl=4");
///
/// let mistake = "::1:80".parse::<Address>().unwrap_err();
/// assert_eq!(mistake.cure(), Some("[::1]:80"));
/// # Ok::<(), wharf::address::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// How bytes travel.
    pub scheme: Scheme,
    /// Between or to which endpoints.
    pub target: Target,
    /// What the text after the target asks for.
    pub options: AddressOptions,
}

impl Address {
    /// An address without options.
    ///
    /// ```
    /// use wharf::address::{Address, Port, Scheme, Target};
    /// let any = Address::new(Scheme::Udp, Target::Port(Port::Number(0)));
    /// assert_eq!(any.to_string(), "udp::0");
    /// ```
    pub fn new(scheme: Scheme, target: Target) -> Self {
        Self {
            scheme,
            target,
            options: AddressOptions::default(),
        }
    }

    /// The address of a socket, as the operating system reports it.
    ///
    /// A scope id becomes a numeric zone.
    ///
    /// ```
    /// use wharf::address::{Address, Scheme};
    /// let bound = Address::from_socket(Scheme::Tcp, "127.0.0.1:7000".parse()?);
    /// assert_eq!(bound.to_string(), "tcp:127.0.0.1:7000");
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    pub fn from_socket(scheme: Scheme, socket: SocketAddr) -> Self {
        let host = match socket {
            SocketAddr::V4(v4) => Host::V4(*v4.ip()),
            SocketAddr::V6(v6) => Host::V6 {
                addr: *v6.ip(),
                zone: (v6.scope_id() != 0).then(|| v6.scope_id().to_string()),
            },
        };
        let port = Port::Number(socket.port());
        Self::new(scheme, Target::Host { host, port })
    }

    /// Parses `text` without looking at the environment; `home` stands for `~` in `~/path`.
    ///
    /// # Errors
    /// As `FromStr`: every mistake has its [`AddressErrorKind`] and most have a cure.
    ///
    /// ```
    /// use std::path::Path;
    /// use wharf::address::Address;
    /// let address = Address::parse_with_home("unix:~/x.sock", Some(Path::new("/home/ann")))?;
    /// assert_eq!(address.to_string(), "unix:/home/ann/x.sock");
    /// # Ok::<(), wharf::address::AddressError>(())
    /// ```
    pub fn parse_with_home(text: &str, home: Option<&Path>) -> Result<Self, AddressError> {
        parse::parse(text, home)
    }

    /// The port, unless the address is a path or an abstract name.
    pub fn port(&self) -> Option<&Port> {
        match &self.target {
            Target::Port(port) | Target::Host { port, .. } | Target::All(port) => Some(port),
            Target::Path(_) | Target::Abstract(_) => None,
        }
    }

    /// The same address with another port number; a path or an abstract name stays as it is.
    ///
    /// ```
    /// use wharf::address::Address;
    /// let asked: Address = "all:0".parse()?;
    /// assert_eq!(asked.with_port(40123).to_string(), "tcp:all:40123");
    /// # Ok::<(), wharf::address::AddressError>(())
    /// ```
    #[must_use]
    pub fn with_port(mut self, number: u16) -> Self {
        match &mut self.target {
            Target::Port(port) | Target::Host { port, .. } | Target::All(port) => {
                *port = Port::Number(number);
            }
            Target::Path(_) | Target::Abstract(_) => {}
        }
        self
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        // `var_os` is read only when it can matter, so that parsing is otherwise pure.
        let home = text
            .contains('~')
            .then(|| std::env::var_os("HOME"))
            .flatten()
            .filter(|home| !home.is_empty())
            .map(PathBuf::from);
        Self::parse_with_home(text, home.as_deref())
    }
}

/// How bytes travel.
///
/// Names are read without regard to case and printed in lower case.
///
/// ```
/// use wharf::address::{Family, Scheme};
/// assert_eq!(Scheme::UnixDgram.as_str(), "unix-dgram");
/// assert!(Scheme::Tls.is_stream() && Scheme::Udp6.is_datagram());
/// assert_eq!(Scheme::Tcp4.family(), Some(Family::V4));
/// assert_eq!(Scheme::Tcp.family(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// TCP over IPv4 and IPv6.
    Tcp,
    /// TCP over IPv4 alone.
    Tcp4,
    /// TCP over IPv6 alone.
    Tcp6,
    /// UDP over IPv4 and IPv6.
    Udp,
    /// UDP over IPv4 alone.
    Udp4,
    /// UDP over IPv6 alone.
    Udp6,
    /// TLS over TCP.
    Tls,
    /// A Unix stream socket.
    Unix,
    /// A Unix datagram socket.
    UnixDgram,
    /// A Unix socket with connections *and* message boundaries.
    Seqpacket,
    /// Reliably delivered messages (`SOCK_RDM`), which hardly any kernel offers.
    Rdm,
    /// IP packets; the port is the IP protocol number, and a host without one means 0.
    Raw,
}

impl Scheme {
    /// Every scheme, in the order in which help lists them.
    pub const ALL: [Self; 12] = [
        Self::Tcp,
        Self::Tcp4,
        Self::Tcp6,
        Self::Udp,
        Self::Udp4,
        Self::Udp6,
        Self::Tls,
        Self::Unix,
        Self::UnixDgram,
        Self::Seqpacket,
        Self::Rdm,
        Self::Raw,
    ];

    /// The name before the colon.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tcp4 => "tcp4",
            Self::Tcp6 => "tcp6",
            Self::Udp => "udp",
            Self::Udp4 => "udp4",
            Self::Udp6 => "udp6",
            Self::Tls => "tls",
            Self::Unix => "unix",
            Self::UnixDgram => "unix-dgram",
            Self::Seqpacket => "seqpacket",
            Self::Rdm => "rdm",
            Self::Raw => "raw",
        }
    }

    /// The scheme called `name`, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|scheme| scheme.as_str().eq_ignore_ascii_case(name))
    }

    /// Whether it carries a byte stream without message boundaries.
    pub const fn is_stream(self) -> bool {
        matches!(
            self,
            Self::Tcp | Self::Tcp4 | Self::Tcp6 | Self::Tls | Self::Unix
        )
    }

    /// Whether it carries datagrams without a connection.
    ///
    /// `seqpacket` is neither a stream nor a datagram scheme: it has connections and boundaries.
    pub const fn is_datagram(self) -> bool {
        matches!(self, Self::Udp | Self::Udp4 | Self::Udp6 | Self::UnixDgram)
    }

    /// Whether its targets are always paths and abstract names.
    pub const fn is_unix(self) -> bool {
        matches!(self, Self::Unix | Self::UnixDgram | Self::Seqpacket)
    }

    /// Whether its targets are always hosts and ports.
    pub const fn is_internet(self) -> bool {
        !self.is_unix() && !matches!(self, Self::Rdm)
    }

    /// The one IP family that the scheme is bound to, if it is bound to one.
    pub const fn family(self) -> Option<Family> {
        match self {
            Self::Tcp4 | Self::Udp4 => Some(Family::V4),
            Self::Tcp6 | Self::Udp6 => Some(Family::V6),
            _ => None,
        }
    }
}

/// A version of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of `ip`.
    pub const fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

/// What an address points at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A port, and no host: the network decides. On the operating system that is loopback.
    Port(Port),
    /// A port of a host.
    Host {
        /// The host.
        host: Host,
        /// Its port.
        port: Port,
    },
    /// A port of every local address.
    All(Port),
    /// A socket in the file system; at most [`UNIX_PATH_MAX`] bytes.
    Path(PathBuf),
    /// A socket in Linux' abstract namespace, without the leading NUL; 1 to [`UNIX_PATH_MAX`] bytes.
    Abstract(Vec<u8>),
}

/// A host: a name to resolve, or an IP address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// A host name in lower case (RFC 1123, underscores allowed): at most 253 bytes, labels of 63.
    Name(String),
    /// An IPv4 address.
    V4(Ipv4Addr),
    /// An IPv6 address, with the zone (RFC 4007) in which it is meant.
    V6 {
        /// The address.
        addr: Ipv6Addr,
        /// An interface name or index, of at most 15 bytes.
        zone: Option<String>,
    },
}

impl Host {
    /// The IP address, unless the host is a name.
    pub const fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Name(_) => None,
            Self::V4(addr) => Some(IpAddr::V4(*addr)),
            Self::V6 { addr, .. } => Some(IpAddr::V6(*addr)),
        }
    }
}

/// A port, by number or by the name of the service that lives there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// A port number. 0 asks for any free port; connecting to it is the network's to refuse.
    Number(u16),
    /// A service name such as `http`, which the network looks up.
    Service(String),
}

impl Port {
    /// The number, unless the port is named by its service.
    pub const fn number(&self) -> Option<u16> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Service(_) => None,
        }
    }
}
