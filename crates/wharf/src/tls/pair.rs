//! A server's certificate with its key: loaded from files, or made here.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::Error;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::sign::CertifiedKey;

use super::{TlsConfigError, pem, provider};

/// How long a self-signed certificate lasts: 397 days, the most that browsers accept.
const SELF_SIGNED_LIFE: Duration = Duration::from_secs(397 * 24 * 3600);

/// How long before its making a self-signed certificate begins, for clocks that are slow: one day.
const SELF_SIGNED_SLACK: Duration = Duration::from_secs(24 * 3600);

/// Reads a chain and the key of its first certificate, and checks that they belong together.
pub(super) fn load(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsConfigError> {
    let chain = pem::certificates(certificate)?;
    let private = pem::private_key(key)?;
    CertifiedKey::from_der(chain, private, &provider()).map_err(|error| match error {
        Error::InconsistentKeys(_) => TlsConfigError::KeyMismatch {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        },
        Error::InvalidCertificate(error) => TlsConfigError::Malformed {
            path: certificate.to_owned(),
            detail: format!("its first certificate cannot be read ({error})"),
        },
        error => TlsConfigError::UnusableKey {
            path: key.to_owned(),
            detail: error.to_string(),
        },
    })
}

/// A self-signed certificate with its key, and the certificate again as PEM.
pub(super) fn make<I>(names: I) -> Result<(CertifiedKey, String), TlsConfigError>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let failed = |error: rcgen::Error| TlsConfigError::SelfSigned {
        detail: error.to_string(),
    };
    let key = rcgen::KeyPair::generate().map_err(failed)?;
    let mut params = rcgen::CertificateParams::new(subject_names(names)?).map_err(failed)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "Wharf self-signed");
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(SELF_SIGNED_SLACK);
    params.not_after = params.not_before + SELF_SIGNED_LIFE;
    let certificate = params.self_signed(&key).map_err(failed)?;

    let pem = certificate.pem();
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    CertifiedKey::from_der(vec![certificate.into()], private, &provider())
        .map(|pair| (pair, pem))
        .map_err(|error| TlsConfigError::SelfSigned {
            detail: error.to_string(),
        })
}

fn subject_names<I>(names: I) -> Result<Vec<String>, TlsConfigError>
where
    I: IntoIterator,
    I::Item: AsRef<str>,
{
    let mut all: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
    for name in names {
        let name = name.as_ref();
        ServerName::try_from(name).map_err(|_| TlsConfigError::BadName {
            name: name.to_owned(),
        })?;
        if !all.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            all.push(name.to_owned());
        }
    }
    Ok(all)
}
