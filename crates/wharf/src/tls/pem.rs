//! Certificates and keys from PEM files (RFC 7468), with errors that name the mix-up.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::config_error::{Contents, TlsConfigError};

/// The longest PEM file that is read, 4 MiB: a full set of CA certificates has about a quarter of a MiB.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// How many section names an error lists.
const MAX_LABELS: usize = 5;

/// Reads every certificate of a file, of which there is at least one.
pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsConfigError> {
    let pem = read(path)?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| malformed(path, &error))?;
    match certificates.is_empty() {
        false => Ok(certificates),
        true => Err(TlsConfigError::NoCertificate {
            path: path.to_owned(),
            found: contents(&pem),
        }),
    }
}

/// Reads the first private key of a file.
pub(super) fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsConfigError> {
    let pem = read(path)?;
    // Old openssl wrote encrypted keys under the plain label with a header (RFC 1421).
    if contains(&pem, b"ENCRYPTED PRIVATE KEY") || contains(&pem, b"Proc-Type: 4,ENCRYPTED") {
        return Err(TlsConfigError::EncryptedKey {
            path: path.to_owned(),
        });
    }
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| match error {
        PemError::NoItemsFound => TlsConfigError::NoKey {
            path: path.to_owned(),
            found: contents(&pem),
        },
        error => malformed(path, &error),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsConfigError> {
    let unreadable = |source| TlsConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut pem = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE + 1)
        .read_to_end(&mut pem)
        .map_err(unreadable)?;
    match pem.len() as u64 > MAX_FILE {
        false => Ok(pem),
        true => Err(unreadable(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 4 MiB, which no certificate or key is",
        ))),
    }
}

fn malformed(path: &Path, error: &PemError) -> TlsConfigError {
    TlsConfigError::Malformed {
        path: path.to_owned(),
        detail: match error {
            PemError::MissingSectionEnd { .. } => "its last section has no END line".into(),
            PemError::Base64Decode(_) => "the text between BEGIN and END is not base64".into(),
            other => other.to_string(),
        },
    }
}

/// What a file holds that is not what was looked for.
fn contents(pem: &[u8]) -> Contents {
    let labels = labels(pem);
    if !labels.is_empty() {
        Contents::Sections(labels)
    } else if pem.trim_ascii().is_empty() {
        Contents::Nothing
    } else if pem[0] == 0x30 {
        // SEQUENCE: how every certificate and key in DER begins (X.690).
        Contents::Der
    } else {
        Contents::Other
    }
}

fn labels(pem: &[u8]) -> Vec<String> {
    pem.split(|&b| b == b'\n')
        .filter_map(|line| {
            let label = line.trim_ascii().strip_prefix(b"-----BEGIN ")?;
            Some(label.strip_suffix(b"-----")?.escape_ascii().to_string())
        })
        .take(MAX_LABELS)
        .collect()
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}
