//! The SHA-256 of a certificate: the short text by which a person recognises it.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// The SHA-256 of a certificate's DER bytes.
///
/// [`Display`](fmt::Display) writes 64 lower-case hexadecimal digits and nothing
/// else: one double click selects it, and it needs no quoting in an address
/// (`tls:example.org:443,pin=…`). The alternate form (`{:#}`) puts colons between
/// the bytes, upper case, as `openssl x509 -fingerprint -sha256` does.
///
/// [`FromStr`] reads both, in any case, with an optional `sha256:` before it or
/// openssl's `sha256 Fingerprint=`.
///
/// ```
/// use wharf::tls::Fingerprint;
///
/// let of_nothing = Fingerprint::of(b"");
/// let text = of_nothing.to_string();
/// assert!(text.starts_with("e3b0c442"));
/// assert_eq!(text.parse(), Ok(of_nothing));
/// assert_eq!(format!("sha256:{of_nothing:#}").parse(), Ok(of_nothing));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Hashes a certificate given as DER.
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// The 32 bytes of the hash.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Fingerprint {
    fn from(hash: [u8; 32]) -> Self {
        Self(hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            match (f.alternate(), i) {
                (false, _) => write!(f, "{byte:02x}")?,
                (true, 0) => write!(f, "{byte:02X}")?,
                (true, _) => write!(f, ":{byte:02X}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Why a text is not a [`Fingerprint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseFingerprintError {
    /// A character that is neither a hexadecimal digit nor a colon between two bytes.
    #[error("{found:?} is not a hexadecimal digit; a fingerprint looks like 3f9a…, 64 digits")]
    NotHex {
        /// The offending character.
        found: char,
    },
    /// Too few or too many digits.
    #[error("a SHA-256 fingerprint has 64 hexadecimal digits, this one has {digits}{}", hint(*digits))]
    Length {
        /// How many digits were found.
        digits: usize,
    },
    /// A colon that does not stand between two whole bytes.
    #[error("colons in a fingerprint stand after every two digits, as in 3f:9a:…")]
    Colon,
}

fn hint(digits: usize) -> &'static str {
    match digits {
        40 => " (a SHA-1? ask openssl for -sha256)",
        32 => " (an MD5?)",
        _ => "",
    }
}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = without_prefix(text.trim());
        let has_colons = text.contains(':');
        if has_colons && text.split(':').any(|byte| byte.len() != 2) {
            return Err(ParseFingerprintError::Colon);
        }
        let mut hash = [0u8; 32];
        let mut digits = 0;
        for found in text.chars().filter(|&c| c != ':') {
            let value = found
                .to_digit(16)
                .ok_or(ParseFingerprintError::NotHex { found })?;
            if let Some(byte) = hash.get_mut(digits / 2) {
                // A hexadecimal digit is below 16 and fits.
                *byte = *byte << 4 | value as u8;
            }
            digits += 1;
        }
        match digits {
            64 => Ok(Self(hash)),
            _ => Err(ParseFingerprintError::Length { digits }),
        }
    }
}

fn without_prefix(text: &str) -> &str {
    for prefix in ["sha256 fingerprint=", "sha256:"] {
        if let Some(head) = text.get(..prefix.len())
            && head.eq_ignore_ascii_case(prefix)
        {
            return &text[prefix.len()..];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_usual_spelling_is_read() {
        let print = Fingerprint::of(b"certificate");
        let plain = print.to_string();
        let colons = format!("{print:#}");
        assert_eq!(plain.len(), 64);
        assert_eq!(colons.len(), 95);
        for text in [
            plain.clone(),
            plain.to_uppercase(),
            colons.clone(),
            colons.to_lowercase(),
            format!("SHA256:{plain}"),
            format!("sha256 Fingerprint={colons}"),
        ] {
            assert_eq!(text.parse(), Ok(print), "{text}");
        }
    }

    #[test]
    fn each_mistake_is_named() {
        use ParseFingerprintError as E;
        let parse = |text: &str| text.parse::<Fingerprint>().unwrap_err();
        assert_eq!(parse(&"a".repeat(40)), E::Length { digits: 40 });
        assert!(parse(&"a".repeat(40)).to_string().contains("SHA-1"));
        assert_eq!(parse(&"a".repeat(66)), E::Length { digits: 66 });
        assert_eq!(parse(""), E::Length { digits: 0 });
        assert_eq!(parse("xyz"), E::NotHex { found: 'x' });
        assert_eq!(parse("a:bc"), E::Colon);
        assert_eq!(parse("ab:"), E::Colon);
        assert_eq!(parse("éé"), E::NotHex { found: 'é' });
    }
}
