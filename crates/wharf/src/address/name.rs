//! Host names and IPv4 addresses, and what is neither.

use std::net::Ipv4Addr;

use super::Host;
use super::error::{AddressErrorKind as Kind, Cure, Fault};
use super::host::is_number;
use crate::names;

/// A host name or an IPv4 address; `port` completes the cure.
pub(super) fn plain_host(text: &str, port: &str) -> Result<Host, Fault> {
    if let Ok(addr) = text.parse::<Ipv4Addr>() {
        return Ok(Host::V4(addr));
    }
    if ends_in_number(text) {
        return Err(bad_ipv4(text, port));
    }
    host_name(text).map(Host::Name).map_err(|reason| {
        let kind = Kind::BadHost {
            text: text.into(),
            reason,
        };
        Fault::new(kind, better_host(text, port))
    })
}

/// Whether the last label is a number, which makes the whole an IPv4 address or a mistake (as in
/// the WHATWG URL standard): resolvers would otherwise read `0x7f.1` as 127.0.0.1.
fn ends_in_number(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit('.').next().unwrap_or(text);
    let hex = last.strip_prefix("0x").or(last.strip_prefix("0X"));
    match hex {
        Some(hex) => hex.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !last.is_empty() && is_number(last),
    }
}

fn bad_ipv4(text: &str, port: &str) -> Fault {
    let parts: Vec<&str> = text.split('.').collect();
    let octet = |part: &&str| is_number(part) && part.parse::<u8>().is_ok();
    let padded = |part: &&str| part.len() > 1 && part.starts_with('0');
    let (reason, host) = if parts.len() == 4 && parts.iter().all(octet) {
        let plain = |part: &&str| part.parse::<u8>().unwrap_or_default().to_string();
        let padded = parts.iter().find(|part| padded(part)).unwrap_or(&"");
        (
            format!("{padded:?} has a leading zero, which some programs read as octal"),
            Some(parts.iter().map(plain).collect::<Vec<_>>().join(".")),
        )
    } else if let [_] = parts[..]
        && is_number(text)
    {
        // `8080:80`, as container tools map ports.
        let kind = Kind::BadHost {
            text: text.into(),
            reason: "it is a number".into(),
        };
        return Fault::new(kind, Cure::Target(format!(":{port}")));
    } else {
        let shorthand = names::ipv4_from_shorthand(text).ok();
        (ipv4_reason(&parts), shorthand.map(|addr| addr.to_string()))
    };
    let text = text.into();
    let cure = match host {
        Some(host) => Cure::Target(format!("{host}:{port}")),
        None => Cure::Words(format!(
            "four numbers from 0 to 255, such as 127.0.0.1:{port}"
        )),
    };
    Fault::new(Kind::BadIpv4 { text, reason }, cure)
}

fn ipv4_reason(parts: &[&str]) -> String {
    if parts.len() != 4 {
        return format!("it has {} of 4 parts", parts.len());
    }
    match parts.iter().find(|part| part.parse::<u8>().is_err()) {
        Some(part) if !part.is_empty() && is_number(part) => format!("{part} is above 255"),
        Some(part) => format!("{part:?} is not a decimal number"),
        None => "its parts are no decimal numbers".into(),
    }
}

/// A host name by RFC 1123 section 2.1, in lower case; underscores are allowed, since names with
/// them exist in many local networks. A closing dot (an absolute name) is kept.
pub(super) fn host_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    if name.len() > 253 {
        return Err(format!("it has {} characters of 253 at most", name.len()));
    }
    for label in name.split('.') {
        check_label(label)?;
    }
    Ok(text.to_ascii_lowercase())
}

fn check_label(label: &str) -> Result<(), String> {
    let allowed = |char: char| char.is_ascii_alphanumeric() || char == '-' || char == '_';
    if label.is_empty() {
        return Err("a part between dots is empty".into());
    }
    if let Some(char) = label.chars().find(|char| !allowed(*char)) {
        let hint = if char.is_ascii() {
            ""
        } else {
            " (a name in another script needs its xn-- form)"
        };
        return Err(format!("{char:?} cannot be part of it{hint}"));
    }
    if label.len() > 63 {
        let length = label.len();
        return Err(format!(
            "a part of it has {length} characters of 63 at most"
        ));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(format!("{label:?} begins or ends with a hyphen"));
    }
    Ok(())
}

/// The host without a user name before it, or without needless dots.
fn better_host(text: &str, port: &str) -> Cure {
    let bare = text.rsplit('@').next().unwrap_or(text);
    let labels: Vec<&str> = bare.split('.').filter(|label| !label.is_empty()).collect();
    match host_name(&labels.join(".")) {
        Ok(host) if !ends_in_number(&host) => Cure::Target(format!("{host}:{port}")),
        _ => Cure::None,
    }
}
