//! Addresses as text and as bytes; numbers in host and network byte order.

use std::net::{AddrParseError, IpAddr, Ipv4Addr};

/// A text that is not an IP address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an IP{version} address")]
pub struct AddressTextError {
    /// The text.
    pub text: String,
    /// `v4` where only IPv4 was looked for.
    version: &'static str,
    /// What the parser said.
    source: Option<AddrParseError>,
}

/// The bytes of an address in network order: 4 of IPv4, 16 of IPv6 (`inet_pton`, `inet_aton`).
///
/// Only the full forms are read, since `127.1` and `010.0.0.1` mean different things to different
/// programs; [`ipv4_from_shorthand`] reads what `inet_aton` reads.
///
/// # Errors
/// The text is not an address, or has a port, a zone or a blank.
///
/// ```
/// use wharf::names::address_bytes;
/// assert_eq!(address_bytes("127.0.0.1")?, [127, 0, 0, 1]);
/// assert_eq!(address_bytes("::1")?.len(), 16);
/// assert!(address_bytes("127.1").is_err());
/// # Ok::<(), wharf::names::AddressTextError>(())
/// ```
pub fn address_bytes(text: &str) -> Result<Vec<u8>, AddressTextError> {
    match text.parse() {
        Ok(IpAddr::V4(addr)) => Ok(addr.octets().to_vec()),
        Ok(IpAddr::V6(addr)) => Ok(addr.octets().to_vec()),
        Err(source) => Err(AddressTextError {
            text: text.to_owned(),
            version: "",
            source: Some(source),
        }),
    }
}

/// The address of 4 or 16 bytes in network order (`inet_ntoa`, `inet_ntop`); print it for the text.
///
/// # Errors
/// The number of bytes, where it is another.
///
/// ```
/// use wharf::names::address_text;
/// assert_eq!(address_text(&[127, 0, 0, 1]).unwrap().to_string(), "127.0.0.1");
/// ```
pub fn address_text(bytes: &[u8]) -> Result<IpAddr, ByteOrderError> {
    if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        return Ok(octets.into());
    }
    match <[u8; 16]>::try_from(bytes) {
        Ok(octets) => Ok(octets.into()),
        Err(_) => Err(ByteOrderError {
            what: "an IP address",
            takes: "4 or 16 bytes",
            given: bytes.len(),
        }),
    }
}

/// The IPv4 address that `inet_aton` reads: one to four parts, each decimal, octal after `0` or
/// hexadecimal after `0x`; the last fills all bytes that are left (inet(3)).
///
/// # Errors
/// There is another number of parts, or one of them is no number or too big for its place.
///
/// ```
/// use wharf::names::ipv4_from_shorthand;
/// assert_eq!(ipv4_from_shorthand("127.1")?.to_string(), "127.0.0.1");
/// assert_eq!(ipv4_from_shorthand("0x7f000001")?.to_string(), "127.0.0.1");
/// assert_eq!(ipv4_from_shorthand("010.0.0.1")?.to_string(), "8.0.0.1");
/// # Ok::<(), wharf::names::AddressTextError>(())
/// ```
pub fn ipv4_from_shorthand(text: &str) -> Result<Ipv4Addr, AddressTextError> {
    shorthand(text).ok_or_else(|| AddressTextError {
        text: text.to_owned(),
        version: "v4",
        source: None,
    })
}

fn shorthand(text: &str) -> Option<Ipv4Addr> {
    let (heads, last) = match text.rsplit_once('.') {
        Some((heads, last)) => (heads.split('.').collect(), last),
        None => (Vec::new(), text),
    };
    if heads.len() > 3 {
        return None;
    }
    let mut bits = 0;
    for (place, part) in heads.iter().enumerate() {
        let byte = u8::try_from(number(part)?).ok()?;
        bits |= u32::from(byte) << (24 - 8 * place);
    }
    let last = number(last)?;
    let room = u32::MAX >> (8 * heads.len());
    (last <= room).then(|| Ipv4Addr::from_bits(bits | last))
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    // `from_str_radix` would accept a sign.
    let is_number = digits.chars().all(|char| char.is_digit(radix));
    is_number.then(|| u32::from_str_radix(digits, radix).ok())?
}

/// A 16- or 32-bit number on its way to the network: what `htons` and `htonl` show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkOrder {
    /// The bytes as they are sent, the most significant first (RFC 1700).
    pub bytes: Vec<u8>,
    /// The number that this machine sees when it reads those bytes without turning them: what
    /// `htons` or `htonl` returns. On a little-endian machine it is another one.
    pub read_in_host_order: u32,
}

/// A number that can be sent in network order: `u16` (a port) or `u32` (an IPv4 address).
pub trait NetworkNumber: private::Sealed + Copy {}

mod private {
    pub trait Sealed {
        fn network_order(self) -> super::NetworkOrder;
    }
}

impl private::Sealed for u16 {
    fn network_order(self) -> NetworkOrder {
        NetworkOrder {
            bytes: self.to_be_bytes().to_vec(),
            read_in_host_order: self.to_be().into(),
        }
    }
}

impl private::Sealed for u32 {
    fn network_order(self) -> NetworkOrder {
        NetworkOrder {
            bytes: self.to_be_bytes().to_vec(),
            read_in_host_order: self.to_be(),
        }
    }
}

impl NetworkNumber for u16 {}
impl NetworkNumber for u32 {}

/// The number in network byte order (`htons`, `htonl`).
///
/// ```
/// use wharf::names::to_network_order;
/// let port = to_network_order(7000_u16);
/// assert_eq!(port.bytes, [0x1b, 0x58]);
/// assert_eq!(port.read_in_host_order, u32::from(7000_u16.to_be()));
/// ```
pub fn to_network_order(number: impl NetworkNumber) -> NetworkOrder {
    number.network_order()
}

/// Bytes that are not a number or an address, by their count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} takes {takes}, not {given}")]
pub struct ByteOrderError {
    what: &'static str,
    takes: &'static str,
    /// How many bytes there were.
    pub given: usize,
}

/// The number that 2 or 4 bytes in network order stand for (`ntohs`, `ntohl`).
///
/// # Errors
/// The number of bytes, where it is another.
///
/// ```
/// use wharf::names::from_network_order;
/// assert_eq!(from_network_order(&[0x1b, 0x58]), Ok(7000));
/// assert_eq!(from_network_order(&[127, 0, 0, 1]), Ok(0x7f00_0001));
/// ```
pub fn from_network_order(bytes: &[u8]) -> Result<u32, ByteOrderError> {
    match *bytes {
        [a, b] => Ok(u16::from_be_bytes([a, b]).into()),
        [a, b, c, d] => Ok(u32::from_be_bytes([a, b, c, d])),
        _ => Err(ByteOrderError {
            what: "a number in network order",
            takes: "2 or 4 bytes",
            given: bytes.len(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_inverse() {
        for text in [
            "0.0.0.0",
            "255.255.255.255",
            "::",
            "fe80::1",
            "::ffff:1.2.3.4",
        ] {
            let bytes = address_bytes(text).unwrap();
            assert_eq!(address_text(&bytes).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "256.1.1.1",
            "1.2.3",
            " 1.2.3.4",
            "[::1]",
            "::1%eth0",
            "1.2.3.4:80",
        ] {
            assert!(address_bytes(text).is_err(), "{text}");
        }
        let error = address_text(&[1, 2, 3]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "an IP address takes 4 or 16 bytes, not 3"
        );
        let error = address_bytes("1.2.3").unwrap_err();
        assert_eq!(error.to_string(), r#""1.2.3" is not an IP address"#);
    }

    #[test]
    fn shorthands_are_those_of_inet_aton() {
        for (text, expected) in [
            ("1", Some([0, 0, 0, 1])),
            ("127.1", Some([127, 0, 0, 1])),
            ("10.1.258", Some([10, 1, 1, 2])),
            ("0377.0xff.1.0", Some([255, 255, 1, 0])),
            ("4294967295", Some([255, 255, 255, 255])),
            ("4294967296", None),
            ("1.16777216", None),
            ("256.1", None),
            ("08", None),
            ("+1", None),
            ("", None),
            ("1.", None),
            ("1.2.3.4.5", None),
        ] {
            let address = ipv4_from_shorthand(text).ok();
            assert_eq!(address.map(|address| address.octets()), expected, "{text}");
        }
    }

    #[test]
    fn network_order_is_most_significant_first() {
        let word = to_network_order(0x0102_0304_u32);
        assert_eq!(word.bytes, [1, 2, 3, 4]);
        assert_eq!(word.read_in_host_order.to_ne_bytes(), [1, 2, 3, 4]);
        assert_eq!(from_network_order(&word.bytes), Ok(0x0102_0304));
        let half = to_network_order(1_u16);
        assert_eq!(half.bytes, [0, 1]);
        let expected = if cfg!(target_endian = "little") {
            256
        } else {
            1
        };
        assert_eq!(half.read_in_host_order, expected);
        assert_eq!(from_network_order(&[]).unwrap_err().given, 0);
    }
}
