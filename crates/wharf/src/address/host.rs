//! Targets of the Internet schemes: `port`, `:port`, `host:port`, `[ipv6%zone]:port`, `all:port`.

use std::net::Ipv6Addr;

use super::error::{AddressErrorKind as Kind, Cure, Fault};
use super::name::plain_host;
use super::{Family, Host, Port, Scheme, Target};

/// The longest interface name (`IFNAMSIZ` without its NUL), which bounds zones too.
const INTERFACE_MAX: usize = 15;

/// Stands in cures where only the user knows the port.
const PLACEHOLDER: &str = "PORT";

/// Whether `%25` is how a percent sign is written: in URLs it is (RFC 6874).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Percent {
    Plain,
    Url,
}

pub(super) fn internet_target(
    text: &str,
    scheme: Scheme,
    percent: Percent,
) -> Result<Target, Fault> {
    if text.contains(char::is_whitespace) {
        return Err(Fault::new(Kind::Blank, without_blanks(text)));
    }
    let target = if text.bytes().all(|byte| byte.is_ascii_digit()) {
        Target::Port(port(text, "")?)
    } else if text.starts_with('[') {
        bracketed(text, scheme, percent)?
    } else if text.matches(':').count() > 1 {
        return Err(unbracketed(text));
    } else {
        match text.rsplit_once(':') {
            Some((host, port)) => host_and_port(host, port)?,
            None => lone_word(text, scheme)?,
        }
    };
    check_family(&target, scheme)?;
    Ok(target)
}

/// `localhost 80` → `localhost:80`.
fn without_blanks(text: &str) -> Cure {
    let mut joined = String::new();
    for word in text.split_whitespace() {
        if !joined.is_empty() && !joined.ends_with(':') && !word.starts_with(':') {
            joined.push(':');
        }
        joined.push_str(word);
    }
    match with_brackets(&joined) {
        Cure::None if joined.is_empty() => Cure::None,
        Cure::None => Cure::Target(joined),
        cure => cure,
    }
}

/// `host:port`, `:port`, `all:port` or `*:port`.
fn host_and_port(host: &str, port_text: &str) -> Result<Target, Fault> {
    let prefix = format!("{host}:");
    match host {
        "" => Ok(Target::Port(port(port_text, &prefix)?)),
        _ if is_all(host) => Ok(Target::All(port(port_text, &prefix)?)),
        _ => {
            let host = plain_host(host, port_text)?;
            let port = port(port_text, &prefix)?;
            Ok(Target::Host { host, port })
        }
    }
}

fn is_all(host: &str) -> bool {
    host == "*" || host.eq_ignore_ascii_case("all")
}

/// A host without a port: a raw socket has none, everybody else forgot it.
fn lone_word(text: &str, scheme: Scheme) -> Result<Target, Fault> {
    if is_all(text) {
        return Err(no_port(format!("{text}:")));
    }
    if is_service_of_note(text) && scheme != Scheme::Raw {
        return Err(Fault::new(Kind::NoPort, Cure::Target(format!(":{text}"))));
    }
    let host = plain_host(text, PLACEHOLDER)?;
    if scheme == Scheme::Raw {
        let port = Port::Number(0);
        return Ok(Target::Host { host, port });
    }
    Err(no_port(format!("{text}:")))
}

/// Services that people name alone; other words are taken for hosts.
fn is_service_of_note(text: &str) -> bool {
    matches!(
        text,
        "http" | "https" | "ssh" | "smtp" | "domain" | "ntp" | "echo" | "telnet" | "ftp"
    )
}

/// `[ipv6]:port`, `[ipv6%zone]:port`.
fn bracketed(text: &str, scheme: Scheme, percent: Percent) -> Result<Target, Fault> {
    let inner = &text[1..];
    let Some((inside, after)) = inner.split_once(']') else {
        return Err(Fault::new(Kind::MissingBracket, with_brackets(inner)));
    };
    let prefix = format!("[{inside}]:");
    let host = inside_brackets(inside, after, percent)?;
    match after.strip_prefix(':') {
        Some(port_text) => Ok(Target::Host {
            host,
            port: port(port_text, &prefix)?,
        }),
        None if after.is_empty() && scheme == Scheme::Raw => {
            let port = Port::Number(0);
            Ok(Target::Host { host, port })
        }
        None if after.is_empty() => Err(no_port(prefix)),
        None => {
            let cure = Cure::Target(format!("{prefix}{after}"));
            Err(Fault::new(Kind::BadPort(after.into()), cure))
        }
    }
}

fn inside_brackets(inside: &str, after: &str, percent: Percent) -> Result<Host, Fault> {
    if let Some(host) = ipv6(inside, percent)? {
        return Ok(host);
    }
    let cure = match plain_host(inside, PLACEHOLDER) {
        Ok(_) => Cure::Target(format!("{inside}{after}")),
        Err(_) => Cure::Words("an IPv6 address, such as [::1]:PORT".into()),
    };
    Err(Fault::new(Kind::BadIpv6(inside.into()), cure))
}

/// More than one colon, and no brackets.
fn unbracketed(text: &str) -> Fault {
    if let Some(at) = text.find(']') {
        let (inside, after) = text.split_at(at);
        if is_ipv6(inside) {
            let cure = Cure::Target(format!("[{inside}{after}"));
            return Fault::new(Kind::MissingBracket, cure);
        }
    }
    // `::7000` is an IPv6 address to the letter, but somebody who means that one is rare.
    if let Some(digits) = text.strip_prefix("::")
        && digits.len() > 1
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u16>().is_ok()
    {
        return Fault::new(Kind::NoBrackets, Cure::Target(format!(":{digits}")));
    }
    match with_brackets(text) {
        Cure::None => {
            let (host, _) = text.rsplit_once(':').unwrap_or((text, ""));
            let reason = "a colon cannot be part of it".into();
            let text = host.into();
            Fault::new(Kind::BadHost { text, reason }, Cure::None)
        }
        cure => Fault::new(Kind::NoBrackets, cure),
    }
}

/// Puts brackets around the IPv6 address that `text` holds, with or without a port.
fn with_brackets(text: &str) -> Cure {
    if let Some((head, tail)) = text.rsplit_once(':')
        && is_ipv6(head)
        && tail.parse::<u16>().is_ok()
    {
        return Cure::Target(format!("[{head}]:{tail}"));
    }
    if is_ipv6(text) {
        return Cure::Target(format!("[{text}]:{PLACEHOLDER}"));
    }
    Cure::None
}

pub(super) fn is_ipv6(text: &str) -> bool {
    matches!(ipv6(text, Percent::Plain), Ok(Some(_)))
}

/// An IPv6 address with or without a zone; `None` if it is something else.
///
/// RFC 9844 writes a zone as `%eth0`; RFC 6874, which it obsoletes, wrote `%25eth0` in URLs. Both
/// are read. Outside a URL, `%25` before digits is taken literally, since `251` is an interface.
pub(super) fn ipv6(text: &str, percent: Percent) -> Result<Option<Host>, Fault> {
    let (addr, zone) = match text.split_once('%') {
        Some((addr, zone)) => (addr, Some(zone)),
        None => (text, None),
    };
    let Ok(addr) = addr.parse::<Ipv6Addr>() else {
        return Ok(None);
    };
    let Some(zone) = zone else {
        return Ok(Some(Host::V6 { addr, zone: None }));
    };
    let zone = match zone.strip_prefix("25") {
        Some(rest) if !rest.is_empty() && (percent == Percent::Url || !is_number(rest)) => rest,
        _ => zone,
    };
    if !is_interface(zone) {
        let cure = Cure::Words(format!("[{addr}%eth0]:{PLACEHOLDER}"));
        return Err(Fault::new(Kind::BadZone(zone.into()), cure));
    }
    let zone = Some(zone.to_owned());
    Ok(Some(Host::V6 { addr, zone }))
}

/// The zone as it is printed so that [`ipv6`] reads it back.
pub(super) fn zone_text(zone: &str) -> String {
    match zone.strip_prefix("25") {
        Some(rest) if !rest.is_empty() && !is_number(rest) => format!("25{zone}"),
        _ => zone.to_owned(),
    }
}

pub(super) fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether the kernel could have an interface of this name, and an address can carry it.
pub(super) fn is_interface(name: &str) -> bool {
    (1..=INTERFACE_MAX).contains(&name.len())
        && name.bytes().all(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'~' | b'+' | b'@')
        })
}

/// A port number or a service name; `prefix` is the target before it and completes the cure.
fn port(text: &str, prefix: &str) -> Result<Port, Fault> {
    if text.is_empty() {
        return Err(no_port(prefix.into()));
    }
    if is_number(text) {
        return text.parse().map(Port::Number).map_err(|_| {
            let fewer = text.trim_start_matches('0').get(..4).unwrap_or(PLACEHOLDER);
            let cure = Cure::Target(format!("{prefix}{fewer}"));
            Fault::new(Kind::PortOutOfRange(text.into()), cure)
        });
    }
    if is_service(text) {
        return Ok(Port::Service(text.to_owned()));
    }
    let digits = text.trim_start_matches(|char: char| !char.is_ascii_digit());
    let end = digits.find(|char: char| !char.is_ascii_digit());
    let digits = &digits[..end.unwrap_or(digits.len())];
    let number = digits.parse::<u16>().map(|number| number.to_string());
    let cure = Cure::Target(format!(
        "{prefix}{}",
        number.as_deref().unwrap_or(PLACEHOLDER)
    ));
    let kind = match text.split_once('/') {
        Some((before, _)) if is_number(before) => Kind::UrlPath(text[before.len()..].into()),
        _ => Kind::BadPort(text.into()),
    };
    Err(Fault::new(kind, cure))
}

/// Whether it could be a service's name: RFC 6335 section 5.1 asks for letters, digits and
/// hyphens, at most 15; services(5) of real systems has longer ones, and `.`, `_` and `+`.
fn is_service(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|char: char| char.is_ascii_alphanumeric())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
}

fn no_port(prefix: String) -> Fault {
    Fault::new(Kind::NoPort, Cure::Target(format!("{prefix}{PLACEHOLDER}")))
}

/// `tcp4:[::1]:80` and `udp6:127.0.0.1:80`.
fn check_family(target: &Target, scheme: Scheme) -> Result<(), Fault> {
    let Target::Host { host, port } = target else {
        return Ok(());
    };
    let (Some(ip), Some(wanted)) = (host.ip(), scheme.family()) else {
        return Ok(());
    };
    let family = Family::of(ip);
    if family == wanted {
        return Ok(());
    }
    let other = other_family(scheme);
    let cure = Cure::Address(format!("{other}:{host}:{port}"));
    let kind = Kind::WrongFamily {
        text: ip.to_string(),
        family,
        scheme,
    };
    Err(Fault::new(kind, cure))
}

fn other_family(scheme: Scheme) -> Scheme {
    match scheme {
        Scheme::Tcp4 => Scheme::Tcp6,
        Scheme::Tcp6 => Scheme::Tcp4,
        Scheme::Udp4 => Scheme::Udp6,
        Scheme::Udp6 => Scheme::Udp4,
        other => other,
    }
}
