//! The protocols that Wharf knows, those that are everywhere and its services' own, and
//! which of them is spoken at a port.

use std::sync::Arc;

use wharf::address::Scheme;
use wharf::framing::Framing;
use wharf::server::Bound;
use wharf_services::dissect::Framed;
use wharf_wire::application::{Dissectors, Transport};

use crate::failure::Failure;

/// What is spoken with the server at a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    /// `None` stands for both.
    transport: Option<Transport>,
    port: u16,
    protocol: &'static str,
}

/// `--as`: a protocol, and at which port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    /// `None` stands for the port that is asked about anyway.
    port: Option<u16>,
    protocol: &'static str,
}

/// All protocols; before all others the framing that was asked for, and at the ports where
/// somebody said so what is spoken there.
pub(crate) fn all(framing: Option<&Framing>, spoken: &[Spoken]) -> Dissectors {
    let mut all = known();
    if let Some(framing) = framing {
        all.register(Arc::new(Framed::new(framing.clone())));
    }
    for one in spoken {
        all.decode_as(one.transport, one.port, one.protocol);
    }
    all
}

fn known() -> Dissectors {
    let mut all = Dissectors::standard();
    for one in wharf_services::dissect::all() {
        all.register(one);
    }
    all
}

/// The protocol that goes by this name in the command; also of a service. Others are known
/// by their first bytes at any port.
fn find(name: &str) -> Option<&'static str> {
    known()
        .with_ports()
        .find(|protocol| short(protocol) == name)
}

/// The name of a protocol in the command.
fn short(protocol: &str) -> String {
    let name = protocol.split('/').next().unwrap_or(protocol);
    name.to_ascii_lowercase()
}

/// Reads the value of `--as`.
pub(super) fn parse_told(text: &str) -> Result<Told, String> {
    let (port, name) = match text.split_once('=') {
        None => (None, text),
        Some((port, name)) => {
            let number = port.parse().ok().filter(|number| *number != 0);
            let port = number.ok_or_else(|| format!("{port:?} is no port: 1 to 65535"))?;
            (Some(port), name)
        }
    };
    let name = name.to_ascii_lowercase();
    match find(&name) {
        Some(protocol) => Ok(Told { port, protocol }),
        None => {
            let mut names: Vec<String> = known().with_ports().map(short).collect();
            names.sort();
            let names = names.join(", ");
            Err(match known().names().any(|known| short(known) == name) {
                true => {
                    format!("{name} is known by its first bytes at any port; say it of {names}")
                }
                false => format!("{name:?} is no protocol that is known: {names}"),
            })
        }
    }
}

impl Told {
    /// Whether it is about the port that is asked about anyway.
    pub(super) fn needs_port(self) -> bool {
        self.port.is_none()
    }

    /// With the port that everything is about, where none was said.
    pub(super) fn at(self, port: Option<u16>) -> Result<Spoken, Failure> {
        let Told { protocol, .. } = self;
        let Some(port) = self.port.or(port) else {
            let name = short(protocol);
            let cause = format!("--as {name} needs to know at which port");
            return Err(Failure::usage(cause).cure(format!("--as 7000={name}")));
        };
        Ok(Spoken {
            transport: None,
            port,
            protocol,
        })
    }
}

/// What a server's sockets speak; of those that speak it over TLS only what is no record.
pub(super) fn of_server(bounds: &[Bound]) -> Vec<Spoken> {
    let spoken = |bound: &Bound| {
        Some(Spoken {
            transport: Some(match bound.scheme {
                Scheme::Udp | Scheme::Udp4 | Scheme::Udp6 => Transport::Udp,
                _ => Transport::Tcp,
            }),
            port: bound.local.port()?,
            protocol: find(&bound.service)?,
        })
    };
    bounds.iter().filter_map(spoken).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_protocol_and_its_port() {
        let told = |port, protocol| Ok(Told { port, protocol });
        assert_eq!(parse_told("chat"), told(None, "CHAT"));
        assert_eq!(parse_told("8000=DNS"), told(Some(8_000), "DNS"));
        assert_eq!(parse_told("1=password"), told(Some(1), "PASSWORD"));
        for wrong in [
            "",
            "gopher",
            "0=chat",
            "70000=chat",
            "x=chat",
            "=chat",
            "7000=",
        ] {
            assert!(parse_told(wrong).is_err(), "{wrong:?}");
        }
        let names = parse_told("gopher").unwrap_err();
        let all = "blackjack, chat, dns, password, rps";
        assert!(names.ends_with(all), "{names}");
        // Saying so would change nothing.
        for anywhere in ["http", "8000=http", "tls"] {
            let error = parse_told(anywhere).unwrap_err();
            assert!(error.contains("by its first bytes at any port"), "{error}");
        }
    }

    #[test]
    fn where_no_port_is_meant_one_must_be_said() {
        let chat = parse_told("chat").unwrap();
        assert_eq!(chat.at(Some(7_000)).unwrap().port, 7_000);
        assert!(chat.at(None).is_err());
        let other = parse_told("7001=chat").unwrap();
        assert_eq!(other.at(Some(7_000)).unwrap().port, 7_001);
    }
}
