//! From [`Address`] to its canonical text, which parses back to an equal value.

use std::fmt::{self, Display, Formatter, Write as _};
use std::path::Path;

use super::host::zone_text;
use super::parse::{is_path_like, looks_like_port};
use super::text::{bytes_of, escaped, escaped_first};
use super::{Address, Host, Port, Scheme, Target};

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.scheme)?;
        match &self.target {
            Target::Path(path) => f.write_str(&path_text(path, self.scheme))?,
            target => target.fmt(f)?,
        }
        self.options.fmt(f)
    }
}

impl Display for Scheme {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(port) => write!(f, ":{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::All(port) => write!(f, "all:{port}"),
            Self::Path(path) => f.write_str(&path_text(path, Scheme::Unix)),
            Self::Abstract(name) => write!(f, "@{}", escaped(name)),
        }
    }
}

/// A path in a form that nothing else has: `\@x` for the file `@x`, `\x370` for the file `70`.
pub(super) fn path_text(path: &Path, scheme: Scheme) -> String {
    let bytes = bytes_of(path);
    let text = escaped(&bytes);
    let special = text.starts_with(['@', '~', ' ']) || text.starts_with("//");
    let taken_for_port = match scheme {
        Scheme::Rdm => !is_path_like(&text),
        _ => looks_like_port(&text),
    };
    if special || taken_for_port {
        return escaped_first(&bytes);
    }
    text
}

impl Display for Host {
    /// IPv6 in brackets, as before a port.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::V4(addr) => addr.fmt(f),
            Self::V6 { addr, zone: None } => write!(f, "[{addr}]"),
            Self::V6 {
                addr,
                zone: Some(zone),
            } => write!(f, "[{addr}%{}]", zone_text(zone)),
        }
    }
}

impl Display for Port {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Service(service) => f.write_str(service),
        }
    }
}

/// Appends `,key=value`.
pub(super) fn write_option(f: &mut Formatter<'_>, key: &str, value: &dyn Display) -> fmt::Result {
    f.write_char(',')?;
    write!(f, "{key}={value}")
}
