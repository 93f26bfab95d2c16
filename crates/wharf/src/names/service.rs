//! Services and their ports, by services(5) and, where that file is missing, by a small table.

use super::hosts_file::read_system_file;

/// The transport under a service; the same name may have another port over the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// `tcp` or `udp`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// Why a service or its port is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// No service has the name.
    #[error("{} knows no service {name:?} over {}{}", FILE, protocol.as_str(), hint(near))]
    UnknownName {
        /// The name.
        name: String,
        /// The transport.
        protocol: Protocol,
        /// A service with a similar name.
        near: Option<String>,
    },
    /// No service has the port.
    #[error("{} knows no service on {} port {port}", FILE, protocol.as_str())]
    UnknownPort {
        /// The port.
        port: u16,
        /// The transport.
        protocol: Protocol,
    },
}

fn hint(near: &Option<String>) -> String {
    near.as_ref()
        .map_or_else(String::new, |near| format!("; did you mean {near}?"))
}

const FILE: &str = "/etc/services";

/// The services that exist even where the file does not, in its own format.
const BUILT_IN: &str = "\
echo 7/tcp\necho 7/udp\ndiscard 9/tcp\ndiscard 9/udp\ndaytime 13/tcp\ndaytime 13/udp
chargen 19/tcp\nchargen 19/udp\nftp-data 20/tcp\nftp 21/tcp\nssh 22/tcp\ntelnet 23/tcp
smtp 25/tcp mail\ntime 37/tcp\ntime 37/udp\nwhois 43/tcp\ndomain 53/tcp\ndomain 53/udp
tftp 69/udp\nfinger 79/tcp\nhttp 80/tcp www\nkerberos 88/tcp\nkerberos 88/udp\npop3 110/tcp
ntp 123/udp\nimap2 143/tcp imap\nsnmp 161/udp\nldap 389/tcp\nhttps 443/tcp\nhttps 443/udp
syslog 514/udp\nsubmission 587/tcp\nldaps 636/tcp\ndomain-s 853/tcp\nimaps 993/tcp
pop3s 995/tcp\nmysql 3306/tcp\npostgresql 5432/tcp\nmdns 5353/udp\nredis 6379/tcp
http-alt 8080/tcp\n";

/// The port of a service (`getservbyname`).
///
/// # Errors
/// Neither `/etc/services` nor the built-in table has it; the error names a similar one.
///
/// ```
/// use wharf::names::{Protocol, service_port};
/// assert_eq!(service_port("http", Protocol::Tcp), Ok(80));
/// ```
pub fn service_port(name: &str, protocol: Protocol) -> Result<u16, ServiceError> {
    port_among(&read_system_file(FILE), name, protocol)
}

/// The name of the service on a port (`getservbyport`).
///
/// # Errors
/// Neither `/etc/services` nor the built-in table has it.
///
/// ```
/// use wharf::names::{Protocol, service_name};
/// assert_eq!(service_name(22, Protocol::Tcp).as_deref(), Ok("ssh"));
/// ```
pub fn service_name(port: u16, protocol: Protocol) -> Result<String, ServiceError> {
    name_among(&read_system_file(FILE), port, protocol)
}

fn port_among(file: &str, name: &str, protocol: Protocol) -> Result<u16, ServiceError> {
    let found = services(file, protocol).find(|service| service.names().any(|one| one == name));
    found.map(|service| service.port).ok_or_else(|| {
        let names = services(file, protocol).flat_map(|service| service.names());
        ServiceError::UnknownName {
            name: name.to_owned(),
            protocol,
            near: super::suggest(name, names).map(str::to_owned),
        }
    })
}

fn name_among(file: &str, port: u16, protocol: Protocol) -> Result<String, ServiceError> {
    let found = services(file, protocol).find(|service| service.port == port);
    let name = found.map(|service| service.name.to_owned());
    name.ok_or(ServiceError::UnknownPort { port, protocol })
}

struct Service<'a> {
    name: &'a str,
    port: u16,
    aliases: std::str::SplitWhitespace<'a>,
}

impl<'a> Service<'a> {
    fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        std::iter::once(self.name).chain(self.aliases.clone())
    }
}

/// The services of the file, then those of the built-in table.
fn services(file: &str, protocol: Protocol) -> impl Iterator<Item = Service<'_>> {
    let lines = file.lines().chain(BUILT_IN.lines());
    lines.filter_map(move |line| service(line, protocol))
}

fn service(line: &str, protocol: Protocol) -> Option<Service<'_>> {
    let mut words = line.split('#').next()?.split_whitespace();
    let name = words.next()?;
    let (port, transport) = words.next()?.split_once('/')?;
    let port = port.parse().ok()?;
    (transport == protocol.as_str()).then_some(Service {
        name,
        port,
        aliases: words,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Protocol::{Tcp, Udp};

    const SERVICES: &str = "# services\nhttp 80/tcp www web # pages\nboat 4242/udp\nbad line\n";

    #[test]
    fn names_and_aliases_have_ports() {
        assert_eq!(port_among(SERVICES, "web", Tcp), Ok(80));
        assert_eq!(port_among(SERVICES, "boat", Udp), Ok(4242));
        assert!(port_among(SERVICES, "boat", Tcp).is_err());
        assert_eq!(name_among(SERVICES, 80, Tcp).as_deref(), Ok("http"));
    }

    #[test]
    fn the_best_known_are_there_without_the_file() {
        for (name, port) in [("echo", 7), ("ssh", 22), ("http", 80), ("https", 443)] {
            assert_eq!(port_among("", name, Tcp), Ok(port));
            assert_eq!(name_among("", port, Tcp).as_deref(), Ok(name));
        }
        assert_eq!(port_among("", "domain", Udp), Ok(53));
    }

    #[test]
    fn what_is_unknown_is_said_with_the_nearest() {
        let error = port_among("", "htpp", Tcp).unwrap_err();
        let expected = "/etc/services knows no service \"htpp\" over tcp; did you mean http?";
        assert_eq!(error.to_string(), expected);
        let error = name_among("", 4242, Udp).unwrap_err();
        assert_eq!(
            error.to_string(),
            "/etc/services knows no service on udp port 4242"
        );
    }
}
