//! What an address asks of its socket: the values, and how they are printed.
//!
//! How they are read, and where each belongs, is in `keys`.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::display::{path_text, write_option};
use super::host;
use super::text::{bytes_of, escaped, escaped_first};
use super::{Host, Scheme};
use crate::tls::Fingerprint;

/// What an address asks of its socket, beyond where it is.
///
/// ```
/// use wharf::address::{Address, ByteSize};
/// let address: Address = "udp:239.1.1.1:5000,rcvbuf=4MiB,ttl=2".parse()?;
/// assert_eq!(address.options.receive_buffer, Some(ByteSize::new(4 << 20)));
/// assert_eq!(address.options.ttl, Some(2));
/// # Ok::<(), wharf::address::AddressError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressOptions {
    /// `bind`: a client's own address or port.
    pub bind: Option<BindTo>,
    /// `interface`: send and receive through this network interface alone.
    pub interface: Option<String>,
    /// `ttl`: the IPv4 time to live or IPv6 hop limit of packets sent, multicast included.
    pub ttl: Option<u8>,
    /// `rcvbuf`: the receive buffer to ask for (`SO_RCVBUF`); the system may grant less.
    pub receive_buffer: Option<ByteSize>,
    /// `sndbuf`: the send buffer to ask for (`SO_SNDBUF`); the system may grant less.
    pub send_buffer: Option<ByteSize>,
    /// `broadcast`: sending to IPv4 broadcast addresses is meant (`SO_BROADCAST`).
    pub broadcast: bool,
    /// `join`: multicast groups to receive from.
    pub join: Vec<Membership>,
    /// `mode`: permissions of the socket's file, at most `0o777`.
    pub mode: Option<u32>,
    /// What a `tls` address says about certificates.
    pub tls: TlsAddressOptions,
}

/// Certificates, and how the peer's is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct TlsAddressOptions {
    /// `cert`: the certificate chain to show, a PEM file.
    pub cert: Option<PathBuf>,
    /// `key`: its private key, a PEM file; without it the key is in the file of `cert`.
    pub key: Option<PathBuf>,
    /// `ca`: the authorities to trust in place of the system's, a PEM file.
    pub ca: Option<PathBuf>,
    /// `pin`: fingerprints of the peer certificates to accept.
    pub pin: Vec<Fingerprint>,
    /// `self-signed`: show a certificate made for this run.
    pub self_signed: bool,
    /// `insecure`: accept every certificate.
    pub insecure: bool,
    /// `sni`: the server name to ask for and to verify, in place of the host.
    pub sni: Option<String>,
    /// `alpn`: the application protocols to offer, most wanted first.
    pub alpn: Vec<String>,
}

/// A client's own end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BindTo {
    /// An address, a port, or both.
    Internet {
        /// The address; without one, the system chooses.
        ip: Option<IpAddr>,
        /// The zone of an IPv6 address.
        zone: Option<String>,
        /// The port; 0 lets the system choose.
        port: u16,
    },
    /// A socket file of one's own, to which a datagram peer can reply.
    Path(PathBuf),
    /// An abstract name of one's own.
    Abstract(Vec<u8>),
}

/// A multicast group, and the interface on which to join it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Membership {
    /// The group, a multicast address.
    pub group: IpAddr,
    /// The interface; without one, the system chooses.
    pub interface: Option<String>,
}

/// A buffer size in bytes, from 1 to 2 147 483 647 (what setsockopt(2) takes).
///
/// `k M G` count in thousands, `KiB MiB GiB` in 1024s.
///
/// ```
/// use wharf::address::ByteSize;
/// assert_eq!(ByteSize::new(65536).to_string(), "64KiB");
/// assert_eq!("4M".parse(), Ok(ByteSize::new(4_000_000)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u32);

impl ByteSize {
    /// The largest size, as an `int` of C holds it.
    pub const MAX: Self = Self(i32::MAX as u32);

    /// This many bytes; what is out of bounds becomes the nearest bound.
    pub const fn new(bytes: u32) -> Self {
        match bytes {
            0 => Self(1),
            _ if bytes > Self::MAX.0 => Self::MAX,
            _ => Self(bytes),
        }
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u32 {
        self.0
    }
}

/// Units in the order in which `Display` tries them.
const UNITS: [(&str, u32); 6] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("k", 1000),
];

impl Display for ByteSize {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, size)| self.0.is_multiple_of(*size));
        match unit {
            Some((name, size)) => write!(f, "{}{name}", self.0 / size),
            None => self.0.fmt(f),
        }
    }
}

impl FromStr for ByteSize {
    type Err = String;

    /// # Errors
    /// The reason in words, for a text that is no size within the bounds.
    fn from_str(text: &str) -> Result<Self, String> {
        let end = text.find(|char: char| !char.is_ascii_digit());
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let unit = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" => 1000,
            "m" | "mb" => 1_000_000,
            "g" | "gb" => 1_000_000_000,
            "ki" | "kib" => 1 << 10,
            "mi" | "mib" => 1 << 20,
            "gi" | "gib" => 1 << 30,
            _ => return Err("it takes a whole number with k, M, KiB or MiB after it".into()),
        };
        if number.is_empty() {
            return Err("it takes a number of bytes".into());
        }
        let bytes = number.parse::<u32>().ok().and_then(|n| n.checked_mul(unit));
        match bytes {
            Some(bytes @ 1..) if bytes <= Self::MAX.0 => Ok(Self(bytes)),
            _ => Err(format!("it takes 1 to {} bytes", Self::MAX.0)),
        }
    }
}

impl Display for BindTo {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (ip, zone, port) = match self {
            Self::Internet { ip, zone, port } => (ip, zone, *port),
            Self::Path(path) => return f.write_str(&path_text(path, Scheme::Unix)),
            Self::Abstract(name) => return write!(f, "@{}", escaped(name)),
        };
        match ip {
            Some(IpAddr::V4(addr)) => addr.fmt(f)?,
            Some(IpAddr::V6(addr)) => {
                let (addr, zone) = (*addr, zone.clone());
                Host::V6 { addr, zone }.fmt(f)?;
            }
            None => return write!(f, ":{port}"),
        }
        match port {
            0 => Ok(()),
            port => write!(f, ":{port}"),
        }
    }
}

impl Display for Membership {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.group.fmt(f)?;
        match (&self.interface, self.group) {
            (None, _) => Ok(()),
            (Some(name), IpAddr::V4(_)) => write!(f, "%{name}"),
            (Some(name), IpAddr::V6(_)) => write!(f, "%{}", host::zone_text(name)),
        }
    }
}

impl Display for AddressOptions {
    /// Each option after a comma, in one order.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut once = |key, value: Option<&dyn Display>| match value {
            Some(value) => write_option(f, key, value),
            None => Ok(()),
        };
        once("bind", self.bind.as_ref().map(|v| v as _))?;
        once("interface", self.interface.as_ref().map(|v| v as _))?;
        once("ttl", self.ttl.as_ref().map(|v| v as _))?;
        once("rcvbuf", self.receive_buffer.as_ref().map(|v| v as _))?;
        once("sndbuf", self.send_buffer.as_ref().map(|v| v as _))?;
        write_flag(f, "broadcast", self.broadcast)?;
        for group in &self.join {
            write_option(f, "join", group)?;
        }
        if let Some(mode) = self.mode {
            write_option(f, "mode", &format_args!("{mode:04o}"))?;
        }
        self.tls.fmt(f)
    }
}

impl Display for TlsAddressOptions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (key, path) in [("cert", &self.cert), ("key", &self.key), ("ca", &self.ca)] {
            if let Some(path) = path {
                write_option(f, key, &file_text(path))?;
            }
        }
        for pin in &self.pin {
            write_option(f, "pin", pin)?;
        }
        if let Some(name) = &self.sni {
            write_option(f, "sni", name)?;
        }
        for protocol in &self.alpn {
            write_option(f, "alpn", &escaped(protocol.as_bytes()))?;
        }
        write_flag(f, "self-signed", self.self_signed)?;
        write_flag(f, "insecure", self.insecure)
    }
}

fn write_flag(f: &mut Formatter<'_>, key: &str, is_set: bool) -> fmt::Result {
    if is_set { write!(f, ",{key}") } else { Ok(()) }
}

fn file_text(path: &Path) -> String {
    let bytes = bytes_of(path);
    if bytes.starts_with(b"~") {
        escaped_first(&bytes)
    } else {
        escaped(&bytes)
    }
}
