//! What follows the target: `,key=value`, and which scheme each key belongs to.
//!
//! | key | value | belongs to |
//! |---|---|---|
//! | `bind` | `10.0.0.1`, `:5000`, `[::1]:5000`; `/path`, `@name` | the client's own address |
//! | `interface` | `eth0` | hosts and ports |
//! | `ttl` | 0 to 255 | hosts and ports |
//! | `rcvbuf`, `sndbuf` | `65536`, `64KiB`, `4M` | all |
//! | `broadcast` | – | udp, udp4 |
//! | `join` (again and again) | `239.1.1.1`, `ff02::1%eth0` | udp |
//! | `mode` | `0660`, octal | Unix sockets in the file system |
//! | `cert`, `key`, `ca` | a file in PEM form | tls |
//! | `pin` (again and again) | a SHA-256 fingerprint | tls |
//! | `sni` | a host name | tls |
//! | `alpn` (again and again) | `h2` | tls |
//! | `self-signed`, `insecure` | – | tls |

use crate::tls::{Fingerprint, ParseFingerprintError};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::error::{AddressErrorKind as Kind, Cure, Fault};
use super::host::{self, Percent};
use super::name;
use super::parse::{expand_home, unix_target};
use super::text::{path_of, unescape};
use super::{AddressOptions, BindTo, Family, Host, Membership, Scheme, Target};
use crate::names;

/// An option: what it is called, how it is given, where it belongs.
struct Spec {
    name: &'static str,
    shape: Shape,
    /// A value that is right, for the cure.
    example: &'static str,
    belongs_to: &'static str,
    fits: fn(Scheme, &Target) -> bool,
    set: fn(&mut AddressOptions, &Value<'_>) -> Result<(), Reason>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Flag,
    Once,
    Many,
}

/// A value as written, and what its meaning depends on.
struct Value<'a> {
    text: &'a str,
    scheme: Scheme,
    target: &'a Target,
    home: Option<&'a Path>,
}

/// Why a value is wrong; where the value's own parser knows a better one, that too.
struct Reason {
    text: String,
    better: Option<String>,
}

impl<T: Into<String>> From<T> for Reason {
    fn from(text: T) -> Self {
        let (text, better) = (text.into(), None);
        Self { text, better }
    }
}

const fn anywhere(_: Scheme, _: &Target) -> bool {
    true
}
fn on_hosts(_: Scheme, target: &Target) -> bool {
    !matches!(target, Target::Path(_) | Target::Abstract(_))
}
fn on_udp(scheme: Scheme, _: &Target) -> bool {
    scheme.is_datagram() && !scheme.is_unix()
}
fn on_udp4(scheme: Scheme, target: &Target) -> bool {
    on_udp(scheme, target) && scheme.family() != Some(Family::V6)
}
fn on_files(_: Scheme, target: &Target) -> bool {
    matches!(target, Target::Path(_))
}
fn on_tls(scheme: Scheme, _: &Target) -> bool {
    scheme == Scheme::Tls
}

const HOSTS: &str = "hosts and ports";
const FILES: &str = "Unix sockets in the file system";

#[rustfmt::skip]
const SPECS: [Spec; 16] = [
    Spec { name: "bind", shape: Shape::Once, example: "bind=:5000", belongs_to: "all", fits: anywhere,
           set: |o, v| { o.bind = Some(bind_to(v)?); Ok(()) } },
    Spec { name: "interface", shape: Shape::Once, example: "interface=eth0", belongs_to: HOSTS, fits: on_hosts,
           set: |o, v| { o.interface = Some(interface(v.text)?); Ok(()) } },
    Spec { name: "ttl", shape: Shape::Once, example: "ttl=64", belongs_to: HOSTS, fits: on_hosts,
           set: |o, v| { o.ttl = Some(ttl(v)?); Ok(()) } },
    Spec { name: "rcvbuf", shape: Shape::Once, example: "rcvbuf=4MiB", belongs_to: "all", fits: anywhere,
           set: |o, v| { o.receive_buffer = Some(v.text.parse()?); Ok(()) } },
    Spec { name: "sndbuf", shape: Shape::Once, example: "sndbuf=4MiB", belongs_to: "all", fits: anywhere,
           set: |o, v| { o.send_buffer = Some(v.text.parse()?); Ok(()) } },
    Spec { name: "broadcast", shape: Shape::Flag, example: "broadcast", belongs_to: "udp and udp4", fits: on_udp4,
           set: |o, _| { o.broadcast = true; Ok(()) } },
    Spec { name: "join", shape: Shape::Many, example: "join=239.1.1.1", belongs_to: "udp, udp4 and udp6", fits: on_udp,
           set: |o, v| { o.join.push(membership(v)?); Ok(()) } },
    Spec { name: "mode", shape: Shape::Once, example: "mode=0660", belongs_to: FILES, fits: on_files,
           set: |o, v| { o.mode = Some(mode(v.text)?); Ok(()) } },
    Spec { name: "cert", shape: Shape::Once, example: "cert=/path/cert.pem", belongs_to: "tls", fits: on_tls,
           set: |o, v| { o.tls.cert = Some(file(v)?); Ok(()) } },
    Spec { name: "key", shape: Shape::Once, example: "key=/path/key.pem", belongs_to: "tls", fits: on_tls,
           set: |o, v| { o.tls.key = Some(file(v)?); Ok(()) } },
    Spec { name: "ca", shape: Shape::Once, example: "ca=/path/ca.pem", belongs_to: "tls", fits: on_tls,
           set: |o, v| { o.tls.ca = Some(file(v)?); Ok(()) } },
    Spec { name: "pin", shape: Shape::Many, example: "pin=SHA256-IN-HEX", belongs_to: "tls", fits: on_tls,
           set: |o, v| { o.tls.pin.push(pin(v.text)?); Ok(()) } },
    Spec { name: "sni", shape: Shape::Once, example: "sni=example.org", belongs_to: "tls", fits: on_tls,
           set: |o, v| { o.tls.sni = Some(server_name(v.text)?); Ok(()) } },
    Spec { name: "alpn", shape: Shape::Many, example: "alpn=h2", belongs_to: "tls", fits: on_tls,
           set: |o, v| { o.tls.alpn.push(protocol(v.text)?); Ok(()) } },
    Spec { name: "self-signed", shape: Shape::Flag, example: "self-signed", belongs_to: "tls", fits: on_tls,
           set: |o, _| { o.tls.self_signed = true; Ok(()) } },
    Spec { name: "insecure", shape: Shape::Flag, example: "insecure", belongs_to: "tls", fits: on_tls,
           set: |o, _| { o.tls.insecure = true; Ok(()) } },
];

/// Options of one `tls` address that contradict each other.
const CONFLICTS: [(&str, &str, &str); 4] = [
    (
        "self-signed",
        "cert",
        "the certificate is either made or given",
    ),
    ("self-signed", "key", "the key is either made or given"),
    (
        "insecure",
        "ca",
        "every certificate is accepted, or only those of an authority",
    ),
    (
        "insecure",
        "pin",
        "every certificate is accepted, or only pinned ones",
    ),
];

/// Reads the options, each `key` or `key=value`.
///
/// The cures of its faults are the whole list of options.
pub(super) fn parse(
    given: &[&str],
    scheme: Scheme,
    target: &Target,
    home: Option<&Path>,
) -> Result<AddressOptions, Fault> {
    let mut options = AddressOptions::default();
    let mut seen: Vec<&'static str> = Vec::new();
    for (at, option) in given.iter().enumerate() {
        let replaced = |by: Option<String>| Cure::Target(replace(given, at, by));
        let (key, value) = match option.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (*option, None),
        };
        let spec = find(key, value).map_err(|(kind, better)| Fault::new(kind, replaced(better)))?;
        let name = spec.name;
        let fault = |kind, better| Err(Fault::new(kind, replaced(better)));
        if !(spec.fits)(scheme, target) {
            let belongs_to = spec.belongs_to;
            return fault(
                Kind::ForeignOption {
                    key: name,
                    belongs_to,
                },
                None,
            );
        }
        if spec.shape != Shape::Many && seen.contains(&name) {
            return fault(Kind::RepeatedOption(name), None);
        }
        let text = match (spec.shape, value) {
            (Shape::Flag, None) => "",
            (Shape::Flag, Some(_)) => {
                return fault(Kind::UnwantedOptionValue(name), Some(name.into()));
            }
            (_, None | Some("")) => {
                return fault(Kind::NoOptionValue(name), Some(spec.example.into()));
            }
            (_, Some(value)) => value,
        };
        let value = Value {
            text,
            scheme,
            target,
            home,
        };
        if let Err(reason) = (spec.set)(&mut options, &value) {
            let better = reason.better.map(|better| format!("{name}={better}"));
            let kind = Kind::BadOptionValue {
                key: name,
                value: text.into(),
                reason: reason.text,
            };
            return fault(kind, better.or(Some(spec.example.into())));
        }
        seen.push(name);
    }
    check_together(given, &seen)?;
    Ok(options)
}

fn find(key: &str, value: Option<&str>) -> Result<&'static Spec, (Kind, Option<String>)> {
    if let Some(spec) = SPECS.iter().find(|spec| spec.name == key) {
        return Ok(spec);
    }
    if key.is_empty() && value.is_none() {
        return Err((Kind::EmptyOption, None));
    }
    let near = match key {
        "hops" | "hoplimit" => Some("ttl"),
        "so-rcvbuf" | "recvbuf" => Some("rcvbuf"),
        "so-sndbuf" | "sendbuf" => Some("sndbuf"),
        "group" | "multicast" => Some("join"),
        "if" | "iface" | "dev" => Some("interface"),
        "no-verify" | "verify" => Some("insecure"),
        _ => names::suggest(key, SPECS.map(|spec| spec.name)),
    };
    let better = near.map(|near| match value {
        Some(value) => format!("{near}={value}"),
        None => near.to_owned(),
    });
    Err((Kind::UnknownOption(key.into()), better))
}

/// The options with one of them replaced or left out.
fn replace(given: &[&str], at: usize, by: Option<String>) -> String {
    let mut given: Vec<String> = given.iter().map(|&option| option.to_owned()).collect();
    match by {
        Some(better) => given[at] = better,
        None => drop(given.remove(at)),
    }
    given.join(",")
}

fn check_together(given: &[&str], seen: &[&'static str]) -> Result<(), Fault> {
    let without = |name: &str| {
        let is_other = |option: &&&str| option.split('=').next() != Some(name);
        let others: Vec<&str> = given.iter().filter(is_other).copied().collect();
        others.join(",")
    };
    for (first, second, reason) in CONFLICTS {
        if seen.contains(&first) && seen.contains(&second) {
            let kind = Kind::ConflictingOptions {
                first,
                second,
                reason,
            };
            return Err(Fault::new(kind, Cure::Target(without(first))));
        }
    }
    if seen.contains(&"key") && !seen.contains(&"cert") {
        let (key, needs) = ("key", "cert");
        let cure = format!("cert=/path/cert.pem,{}", given.join(","));
        return Err(Fault::new(
            Kind::LonelyOption { key, needs },
            Cure::Target(cure),
        ));
    }
    Ok(())
}

fn bind_to(value: &Value<'_>) -> Result<BindTo, Reason> {
    if !on_hosts(value.scheme, value.target) {
        return match unix_target(value.text, value.scheme, value.home) {
            Ok(Target::Abstract(name)) => Ok(BindTo::Abstract(name)),
            Ok(Target::Path(path)) => Ok(BindTo::Path(path)),
            Ok(_) => Err("it takes a path or an abstract name here".into()),
            Err(fault) => Err(Reason {
                text: fault.kind.to_string(),
                better: Some("/path".into()),
            }),
        };
    }
    let text = value.text;
    let (host, port) = bind_parts(text).ok_or_else(|| bad_bind(text))?;
    let port = match port {
        Some(port) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => port
            .parse()
            .map_err(|_| format!("port {port} is above 65535"))?,
        Some(_) => return Err(bad_bind(text)),
        None => 0,
    };
    let (ip, zone) = match host {
        "" => (None, None),
        _ => match bind_host(host).ok_or_else(|| bad_bind(text))? {
            Host::V6 { addr, zone } => (Some(IpAddr::V6(addr)), zone),
            host => (host.ip(), None),
        },
    };
    check_bind_family(ip, value)?;
    Ok(BindTo::Internet { ip, zone, port })
}

/// Address and port: `10.0.0.1`, `10.0.0.1:5000`, `:5000`, `5000`, `[::1]`, `[::1]:5000`.
fn bind_parts(text: &str) -> Option<(&str, Option<&str>)> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(("", Some(text)));
    }
    if text.starts_with('[') {
        let (host, after) = text.split_at(text.find(']')? + 1);
        return match after.strip_prefix(':') {
            Some(port) => Some((host, Some(port))),
            None => after.is_empty().then_some((host, None)),
        };
    }
    match text.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((text, None)),
    }
}

fn bind_host(text: &str) -> Option<Host> {
    match text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
    {
        Some(inside) => host::ipv6(inside, Percent::Plain).ok().flatten(),
        None => text.parse::<Ipv4Addr>().ok().map(Host::V4),
    }
}

fn bad_bind(text: &str) -> Reason {
    let reason = "it takes an IP address, a port after a colon, or both";
    let better = match host::is_ipv6(text) {
        true => Some(format!("[{text}]")),
        false => (text == "localhost").then(|| "127.0.0.1".into()),
    };
    let text = reason.into();
    Reason { text, better }
}

/// One's own end must be of the family of the scheme and of the peer.
fn check_bind_family(ip: Option<IpAddr>, value: &Value<'_>) -> Result<(), Reason> {
    let peer = match value.target {
        Target::Host { host, .. } => host.ip().map(Family::of),
        _ => None,
    };
    let wanted = peer.or(value.scheme.family());
    match (ip.map(Family::of), wanted) {
        (Some(Family::V4), Some(Family::V6)) => Err("it is IPv4, and the target is IPv6".into()),
        (Some(Family::V6), Some(Family::V4)) => Err("it is IPv6, and the target is IPv4".into()),
        _ => Ok(()),
    }
}

fn interface(text: &str) -> Result<String, Reason> {
    match host::is_interface(text) {
        true => Ok(text.to_owned()),
        false => Err("it takes an interface name of 1 to 15 characters".into()),
    }
}

/// 0 keeps multicast on this machine (RFC 1112 section 6.1); for anything else it is no use.
fn ttl(value: &Value<'_>) -> Result<u8, Reason> {
    let least = u8::from(!on_udp(value.scheme, value.target));
    match value.text.parse::<u8>() {
        Ok(ttl) if ttl >= least && !value.text.starts_with('+') => Ok(ttl),
        _ => Err(format!("it takes a number from {least} to 255").into()),
    }
}

fn membership(value: &Value<'_>) -> Result<Membership, Reason> {
    let (group, interface) = match host::ipv6(value.text, Percent::Plain) {
        Ok(Some(Host::V6 { addr, zone })) => (IpAddr::V6(addr), zone),
        Err(_) => return Err("what follows % is no interface name".into()),
        Ok(_) => ipv4_membership(value.text)?,
    };
    if !group.is_multicast() {
        let groups = "224.0.0.0 to 239.255.255.255 or ff00::/8";
        return Err(format!("multicast groups are {groups}").into());
    }
    match value.scheme.family() {
        Some(family) if family != Family::of(group) => {
            let example = if family == Family::V4 {
                "239.1.1.1"
            } else {
                "ff02::1"
            };
            let (text, better) = ("it is of the other IP family".into(), Some(example.into()));
            Err(Reason { text, better })
        }
        _ => Ok(Membership { group, interface }),
    }
}

fn ipv4_membership(text: &str) -> Result<(IpAddr, Option<String>), Reason> {
    let (group, name) = match text.split_once('%') {
        Some((group, name)) => (group, Some(interface(name)?)),
        None => (text, None),
    };
    let group = group.parse::<Ipv4Addr>();
    let group =
        group.map_err(|_| "it takes the IP address of a group, then %INTERFACE if need be")?;
    Ok((group.into(), name))
}

fn mode(text: &str) -> Result<u32, Reason> {
    let octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    match u32::from_str_radix(text, 8) {
        Ok(mode @ 0..=0o777) if octal => Ok(mode),
        _ => Err("it takes permissions in octal, 0000 to 0777".into()),
    }
}

fn file(value: &Value<'_>) -> Result<PathBuf, Reason> {
    let path = expand_home(value.text, value.home).map_err(|fault| fault.kind.to_string())?;
    if path.contains(&0) {
        return Err("it contains a NUL byte".into());
    }
    path_of(path).map_err(|fault| fault.kind.to_string().into())
}

/// A server name has no closing dot and is no IP address (RFC 6066 section 3).
fn server_name(text: &str) -> Result<String, Reason> {
    if text.parse::<IpAddr>().is_ok() {
        return Err("it takes a host name, not an IP address".into());
    }
    let name = name::host_name(text)?;
    Ok(name.strip_suffix('.').unwrap_or(&name).to_owned())
}

/// A protocol's name is 1 to 255 bytes long (RFC 7301 section 3.1).
fn protocol(text: &str) -> Result<String, Reason> {
    let bytes = unescape(text).map_err(|fault| fault.kind.to_string())?;
    match String::from_utf8(bytes) {
        Ok(name) if (1..=255).contains(&name.len()) => Ok(name),
        _ => Err("it takes 1 to 255 bytes of UTF-8".into()),
    }
}

fn pin(text: &str) -> Result<Fingerprint, String> {
    text.parse()
        .map_err(|error: ParseFingerprintError| error.to_string())
}
