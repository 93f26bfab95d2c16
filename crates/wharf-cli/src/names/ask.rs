//! The questions.

use std::net::IpAddr;

use wharf::names::{
    AddressesError, HostEntry, NameOfError, PortClass, Protocol, address_bytes, address_text,
    addresses_of, from_network_order, fully_qualified_name, host_name, ipv4_from_shorthand,
    may_bind, name_of, service_name, service_port, to_network_order,
};

use super::table::Table;
use crate::exit::Exit;
use crate::failure::Failure;

/// The machine that this runs on.
pub(super) fn this_host(table: &mut Table) -> Result<(), Failure> {
    let name = host_name().map_err(|error| Failure::new(Exit::Resolve, error.to_string()))?;
    table.one("host name", name.clone(), "gethostname()");
    let full = fully_qualified_name(None);
    let full = full.map_err(|error| own_name(&name, &error.to_string()))?;
    table.one("full name", full, "getfqdn()");
    let entry = addresses_of(&name).map_err(|error| own_name(&name, &error.to_string()))?;
    entry_rows(entry, table);
    Ok(())
}

fn own_name(name: &str, error: &str) -> Failure {
    Failure::new(Exit::Resolve, error).cure(format!("a line \"127.0.1.1 {name}\" in /etc/hosts"))
}

/// A host by its name.
pub(super) fn host(name: &str, table: &mut Table) -> Result<(), Failure> {
    let entry = addresses_of(name).map_err(|error| unknown_host(&error))?;
    table.one("name", name, "");
    entry_rows(entry, table);
    Ok(())
}

fn entry_rows(entry: HostEntry, table: &mut Table) {
    table.one("canonical name", entry.canonical, "gethostbyname_ex()");
    table.many("aliases", entry.aliases, "gethostbyname_ex()");
    let addresses = entry.addresses.iter().map(IpAddr::to_string).collect();
    table.many("addresses", addresses, "gethostbyname(), getaddrinfo()");
}

fn unknown_host(error: &AddressesError) -> Failure {
    let failure = Failure::new(Exit::Resolve, error.to_string());
    match error {
        AddressesError::Unavailable { .. } => {
            failure.with("means", "no name server answers; the name may exist")
        }
        _ => failure,
    }
}

/// The name and the bytes of an address.
pub(super) fn address(text: &str, table: &mut Table) -> Result<(), Failure> {
    let address: IpAddr = match text.parse() {
        Ok(address) => address,
        Err(_) => shorthand(text)?,
    };
    table.one("address", address.to_string(), "");
    let text = address.to_string();
    if let Ok(bytes) = address_bytes(&text) {
        table.one("bytes", spaced(&bytes), aton(address));
    }
    let names = name_of(address).map_err(|error| {
        let failure = Failure::new(Exit::Resolve, error.to_string());
        match error {
            NameOfError::Unavailable { .. } => {
                failure.with("means", "no name server answers; it may have a name")
            }
            _ => failure,
        }
    })?;
    table.one("name", names.canonical, "gethostbyaddr()");
    table.many("aliases", names.aliases, "gethostbyaddr()");
    Ok(())
}

fn shorthand(text: &str) -> Result<IpAddr, Failure> {
    let address = ipv4_from_shorthand(text);
    address.map(IpAddr::V4).map_err(|_| {
        Failure::usage(format!("{text:?} is not an IP address"))
            .cure(format!("wharf names host {text}    for a name"))
    })
}

fn aton(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "inet_aton(), inet_pton()",
        IpAddr::V6(_) => "inet_pton()",
    }
}

/// The port of a service, or the service of a port.
pub(super) fn service(subject: &str, table: &mut Table) -> Result<(), Failure> {
    if let Ok(port) = subject.parse::<u16>() {
        return service_of(port, table);
    }
    let ports = [Protocol::Tcp, Protocol::Udp].map(|protocol| service_port(subject, protocol));
    table.one("service", subject, "");
    let mut found = None;
    for (label, port) in ["tcp port", "udp port"].into_iter().zip(&ports) {
        if let Ok(port) = port {
            table.one(label, *port, "getservbyname()");
            found = Some(*port);
        }
    }
    match (found, &ports[0]) {
        (Some(port), _) => {
            class(port, table);
            Ok(())
        }
        (None, Err(error)) => Err(Failure::new(Exit::Resolve, error.to_string())),
        (None, Ok(_)) => Ok(()),
    }
}

fn service_of(port: u16, table: &mut Table) -> Result<(), Failure> {
    table.one("port", port, "");
    match services(port, table) {
        0 => {
            let cause = format!("no service is known on port {port}");
            Err(Failure::new(Exit::Resolve, cause))
        }
        _ => Ok(()),
    }
}

/// The names of the services on a port; how many there are.
fn services(port: u16, table: &mut Table) -> usize {
    let protocols = [
        ("tcp service", Protocol::Tcp),
        ("udp service", Protocol::Udp),
    ];
    let mut found = 0;
    for (label, protocol) in protocols {
        if let Ok(name) = service_name(port, protocol) {
            table.one(label, name, "getservbyport()");
            found += 1;
        }
    }
    found
}

/// Everything about a port.
pub(super) fn port(text: &str, table: &mut Table) -> Result<(), Failure> {
    let port: u16 = text.parse().map_err(|_| {
        let failure = Failure::usage(format!("{text:?} is not a port, which is 0 to 65535"));
        match number(text) {
            Some(_) => failure,
            None => failure.cure(format!("wharf names service {text}    for its port")),
        }
    })?;
    table.one("port", port, "");
    services(port, table);
    class(port, table);
    let right = may_bind(port);
    table.one("may bind", right.is_allowed(), "bind()");
    table.one("because", right.to_string(), "");
    if !right.is_allowed() {
        table.many("instead", right.cures(), "");
    }
    let network = to_network_order(port);
    table.one("network order", spaced(&network.bytes), "htons()");
    Ok(())
}

fn class(port: u16, table: &mut Table) {
    let class = PortClass::of(port);
    let (first, last) = class.range();
    table.one("class", format!("{class} ({first} to {last})"), "");
}

/// Text of an address to bytes, and bytes to what they stand for.
pub(super) fn bytes(text: &str, table: &mut Table) -> Result<(), Failure> {
    if let Ok(address) = text.parse::<IpAddr>() {
        let bytes = address_bytes(text).map_err(|error| Failure::usage(error.to_string()))?;
        table.one("address", address.to_string(), "");
        table.one("bytes", spaced(&bytes), aton(address));
        return Ok(());
    }
    let bytes = from_hex(text).ok_or_else(|| {
        Failure::usage(format!(
            "{text:?} is neither an address nor bytes in hexadecimal"
        ))
        .cure("wharf names bytes 7f000001    or    wharf names bytes 127.0.0.1")
    })?;
    let number = from_network_order(&bytes).ok();
    let address = address_text(&bytes).ok();
    if number.is_none() && address.is_none() {
        let count = crate::style::count(bytes.len() as u64, "byte");
        return Err(
            Failure::usage(format!("{count} are neither a number nor an address"))
                .with("takes", "2 bytes (a port), 4 (IPv4) or 16 (IPv6)"),
        );
    }
    table.one("bytes", spaced(&bytes), "");
    if let Some(number) = number {
        let call = if bytes.len() == 2 {
            "ntohs()"
        } else {
            "ntohl()"
        };
        table.one("number", number, call);
    }
    if let Some(address) = address {
        let call = match address {
            IpAddr::V4(_) => "inet_ntoa(), inet_ntop()",
            IpAddr::V6(_) => "inet_ntop()",
        };
        table.one("address", address.to_string(), call);
    }
    Ok(())
}

/// A number in both byte orders.
pub(super) fn order(text: &str, table: &mut Table) -> Result<(), Failure> {
    let number = number(text).ok_or_else(|| {
        Failure::usage(format!("{text:?} is not a number of at most 32 bits"))
            .cure("wharf names order 7000    or    wharf names order 0x12345678")
    })?;
    table.one("number", number, "");
    table.one("hexadecimal", format!("{number:#x}"), "");
    if let Ok(half) = u16::try_from(number) {
        let network = to_network_order(half);
        table.one("16 bits, host order", spaced(&half.to_ne_bytes()), "");
        table.one("16 bits, network order", spaced(&network.bytes), "htons()");
        table.one("htons result", network.read_in_host_order, "htons()");
    }
    let network = to_network_order(number);
    table.one("32 bits, host order", spaced(&number.to_ne_bytes()), "");
    table.one("32 bits, network order", spaced(&network.bytes), "htonl()");
    table.one("htonl result", network.read_in_host_order, "htonl()");
    if let Ok(address) = address_text(&network.bytes) {
        table.one("as an address", address.to_string(), "inet_ntoa()");
    }
    Ok(())
}

/// A decimal number, or a hexadecimal one after `0x`.
pub(super) fn number(text: &str) -> Option<u32> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match hex {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // `from_str_radix` would accept a sign.
    let is_number = digits.chars().all(|digit| digit.is_digit(radix));
    is_number.then(|| u32::from_str_radix(digits, radix).ok())?
}

/// Pairs of digits, with or without `0x`, blanks and colons.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    let digits: Vec<u8> = text
        .chars()
        .filter(|character| !matches!(character, ' ' | ':'))
        // A digit is below 16.
        .map(|character| character.to_digit(16).map(|digit| digit as u8))
        .collect::<Option<_>>()?;
    if digits.is_empty() || digits.len() % 2 == 1 {
        return None;
    }
    Some(
        digits
            .chunks(2)
            .map(|pair| pair[0] << 4 | pair[1])
            .collect(),
    )
}

fn spaced(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}
