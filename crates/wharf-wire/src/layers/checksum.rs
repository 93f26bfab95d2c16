//! The internet checksum (RFC 1071), and what a wrong one means.

use std::net::IpAddr;

use etherparse::checksum::Sum16BitWords;

use super::Carrier;

/// What a checksum says about the bytes that it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checksum {
    Good,
    /// The sender left it to the network card, or the frame never meets one: the
    /// field holds the sum over the pseudo-header only.
    Offloaded,
    /// UDP over IPv4 may go without.
    Absent,
    /// Not all bytes are here.
    Unknown,
    Bad(u16),
}

impl Checksum {
    pub(crate) fn meaning(self) -> String {
        match self {
            Checksum::Good => "good: the bytes add up".into(),
            Checksum::Offloaded => {
                "offloaded: left to the network card, or to nobody on loopback; not an error".into()
            }
            Checksum::Absent => "0: the sender did not compute one".into(),
            Checksum::Unknown => "not verified: not all of its bytes are in this frame".into(),
            Checksum::Bad(right) => format!("BAD: the bytes give 0x{right:04x}; they were damaged"),
        }
    }

    /// For the short form.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Checksum::Good => "checksum: good",
            Checksum::Offloaded => "checksum: offloaded",
            Checksum::Absent => "checksum: none",
            Checksum::Unknown => "checksum: not verified",
            Checksum::Bad(_) => "checksum: BAD",
        }
    }
}

/// Verifies a checksum over `bytes` alone.
pub(crate) fn plain(bytes: &[u8], at: usize) -> Checksum {
    verify(Sum16BitWords::new(), bytes, at, Sum16BitWords::new())
}

/// Verifies a checksum over the pseudo-header of `carrier` and `bytes`.
pub(crate) fn pseudo(carrier: &Carrier, protocol: u8, bytes: &[u8], at: usize) -> Checksum {
    if carrier.is_partial || bytes.len() < carrier.len {
        return Checksum::Unknown;
    }
    let len = u32::try_from(carrier.len).unwrap_or(u32::MAX).to_be_bytes();
    let mut sum = Sum16BitWords::new();
    sum = match (carrier.source, carrier.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => sum
            .add_4bytes(source.octets())
            .add_4bytes(destination.octets()),
        (IpAddr::V6(source), IpAddr::V6(destination)) => sum
            .add_16bytes(source.octets())
            .add_16bytes(destination.octets()),
        _ => return Checksum::Unknown,
    };
    let sum = sum.add_4bytes(len).add_2bytes([0, protocol]);
    verify(sum.clone(), &bytes[..carrier.len], at, sum)
}

fn verify(start: Sum16BitWords, bytes: &[u8], at: usize, pseudo: Sum16BitWords) -> Checksum {
    let Some(&[high, low]) = bytes.get(at..at + 2) else {
        return Checksum::Unknown;
    };
    let stored = u16::from_be_bytes([high, low]);
    let sum = start.add_slice(&bytes[..at]).add_slice(&bytes[at + 2..]);
    let right = sum.ones_complement().to_be();
    let is_same = |a: u16, b: u16| a == b || (a == 0 && b == 0xffff) || (a == 0xffff && b == 0);
    if is_same(stored, right) {
        Checksum::Good
    } else if stored == !pseudo.ones_complement().to_be() {
        Checksum::Offloaded
    } else {
        Checksum::Bad(right)
    }
}
