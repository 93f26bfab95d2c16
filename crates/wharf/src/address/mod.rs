//! Where: `[scheme:]target[,option=value]`.
#![allow(missing_docs)]
use std::net::*;
use std::path::PathBuf;
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub scheme: Scheme,
    pub target: Target,
    pub options: AddressOptions,
}
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Tcp,
    Tcp4,
    Tcp6,
    Udp,
    Udp4,
    Udp6,
    Tls,
    Unix,
    UnixDgram,
    Seqpacket,
    Rdm,
    Raw,
}
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    Port(Port),
    Host { host: Host, port: Port },
    All(Port),
    Path(PathBuf),
    Abstract(Vec<u8>),
}
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    Name(String),
    V4(Ipv4Addr),
    V6 {
        addr: Ipv6Addr,
        zone: Option<String>,
    },
}
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    Number(u16),
    Service(String),
}
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AddressOptions {
    pub mode: Option<u32>,
}
impl std::str::FromStr for Address {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let (scheme, rest) = if let Some(r) = s.strip_prefix("udp:") {
            (Scheme::Udp, r)
        } else {
            (Scheme::Tcp, s.strip_prefix("tcp:").unwrap_or(s))
        };
        let port = |p: &str| p.parse().map(Port::Number).map_err(|e| format!("{e}"));
        if rest.starts_with('/') {
            return Ok(Address {
                scheme: Scheme::Unix,
                target: Target::Path(rest.into()),
                options: AddressOptions::default(),
            });
        }
        let target = match rest.rsplit_once(':') {
            None => Target::Port(port(rest)?),
            Some(("", p)) => Target::Port(port(p)?),
            Some((h, p)) => Target::Host {
                host: Host::Name(h.into()),
                port: port(p)?,
            },
        };
        Ok(Address {
            scheme,
            target,
            options: AddressOptions::default(),
        })
    }
}
impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}
