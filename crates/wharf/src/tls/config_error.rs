//! What can be wrong with the certificates, keys and names that TLS is given.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why TLS cannot be set up. `Display` is the cause, [`cure`](Self::cure) what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file is missing, forbidden, too large, or a directory.
    #[error("cannot read {path}: {source}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's word for it.
        source: io::Error,
    },
    /// A file that should hold certificates holds none.
    #[error("{path} has no certificate in it, but {found}", path = path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: Contents,
    },
    /// A file that should hold a private key holds none.
    #[error("{path} has no private key in it, but {found}", path = path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: Contents,
    },
    /// The private key is protected by a password.
    #[error("the private key in {path} is encrypted with a password", path = path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// PEM or the certificate in it is damaged.
    #[error("{path} is damaged: {detail}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// The private key is of a kind that cannot sign here.
    #[error("the private key in {path} cannot be used: {detail}", path = path.display())]
    UnusableKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Certificate and key are each fine, but not a pair.
    #[error(
        "the private key in {key} does not belong to the first certificate in {certificate}",
        key = key.display(),
        certificate = certificate.display()
    )]
    KeyMismatch {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A name that no certificate can have.
    #[error("{name:?} is neither a host name nor an IP address")]
    BadName {
        /// The name.
        name: String,
    },
    /// An application protocol name of no or too many bytes.
    #[error("an ALPN protocol name has 1 to 255 bytes, this one has {len}")]
    BadAlpn {
        /// Its length.
        len: usize,
    },
    /// This machine has no certificates of authorities that could be trusted.
    #[error("this system has no CA certificates{}", detail.as_ref().map(|d| format!(" ({d})")).unwrap_or_default())]
    NoSystemRoots {
        /// Why, when the search for them failed.
        detail: Option<String>,
    },
    /// Pins are to be trusted, and there is none.
    #[error("no fingerprint to trust was given")]
    NoPins,
    /// A self-signed certificate could not be made.
    #[error("cannot make a self-signed certificate: {detail}")]
    SelfSigned {
        /// Why.
        detail: String,
    },
}

impl TlsConfigError {
    /// What to do about it, as a phrase that can follow "try".
    pub fn cure(&self) -> Option<String> {
        Some(match self {
            Self::Unreadable { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => "check the path; `self-signed` needs no files".into(),
                io::ErrorKind::PermissionDenied => "make the file readable for this user".into(),
                _ => return None,
            },
            Self::NoCertificate { path, found } if found.is_der() => format!(
                "openssl x509 -inform der -in {0} -out {0}.pem",
                path.display()
            ),
            Self::NoCertificate { found, .. } if found.has("PRIVATE KEY") => {
                "exchange the two files: this one holds the key".into()
            }
            Self::NoCertificate { found, .. } if found.has("CERTIFICATE REQUEST") => {
                "the certificate that the authority made from this request".into()
            }
            Self::NoCertificate { .. } => {
                "a PEM file with a section -----BEGIN CERTIFICATE-----".into()
            }
            Self::NoKey { path, found } if found.is_der() => format!(
                "openssl pkey -inform der -in {0} -out {0}.pem",
                path.display()
            ),
            Self::NoKey { found, .. } if found.has("CERTIFICATE") => {
                "the file of the private key; this one holds the certificate".into()
            }
            Self::NoKey { .. } => "a PEM file with a section -----BEGIN PRIVATE KEY-----".into(),
            Self::EncryptedKey { path } => format!(
                "openssl pkey -in {0} -out {0}.plain   (then use that file)",
                path.display()
            ),
            Self::UnusableKey { .. } => {
                "a key of RSA with at least 2048 bits, ECDSA P-256 or P-384, or Ed25519".into()
            }
            Self::KeyMismatch { .. } => {
                "the key with which this certificate was requested; the server's own certificate \
                 comes first in the file"
                    .into()
            }
            Self::NoSystemRoots { .. } => {
                "install the package ca-certificates, or ca=FILE, or pin=FINGERPRINT".into()
            }
            Self::NoPins => "pin=FINGERPRINT".into(),
            Self::Malformed { .. }
            | Self::BadName { .. }
            | Self::BadAlpn { .. }
            | Self::SelfSigned { .. } => return None,
        })
    }
}

/// What a file holds instead of what was looked for. `Display` is a noun phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// It is empty.
    Nothing,
    /// PEM sections with these labels (the first few).
    Sections(Vec<String>),
    /// Binary DER rather than PEM.
    Der,
    /// Anything else.
    Other,
}

impl Contents {
    fn is_der(&self) -> bool {
        *self == Self::Der
    }

    fn has(&self, label: &str) -> bool {
        matches!(self, Self::Sections(labels) if labels.iter().any(|l| l.ends_with(label)))
    }
}

impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing at all"),
            Self::Sections(labels) => f.write_str(&labels.join(", ")),
            Self::Der => f.write_str("binary DER instead of PEM"),
            Self::Other => f.write_str("something that is not PEM"),
        }
    }
}
