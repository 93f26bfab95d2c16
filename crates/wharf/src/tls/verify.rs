//! Whether a client believes the certificate that a server shows.
//!
//! rustls reports a refusal without the certificate it refused. [`Verifier`] lives
//! for one handshake and keeps what the error must show: the fingerprint to paste
//! into `pin=`, and whether the certificate signed itself.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use super::{DateProblem, Fingerprint};

/// What makes a certificate acceptable.
#[derive(Debug, Clone)]
pub(super) enum Belief {
    /// A chain to one of these roots, the dates and the name.
    Roots(Arc<WebPkiServerVerifier>),
    /// The leaf itself is one of these.
    Pins(Arc<[Fingerprint]>),
    /// Anything.
    Anyone,
}

/// What is remembered of a certificate that was refused.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) fingerprint: Fingerprint,
    pub(super) kind: RefusalKind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum RefusalKind {
    /// It signed itself.
    SelfSigned,
    /// Another certificate of its chain is out of date, not the leaf.
    IssuerOutOfDate,
    /// It is none of the pins.
    NotPinned,
    /// What rustls says is all.
    Other,
}

/// Verifies the certificate of one connection.
#[derive(Debug)]
pub(super) struct Verifier {
    belief: Belief,
    algorithms: WebPkiSupportedAlgorithms,
    refusal: Arc<OnceLock<Refusal>>,
}

impl Verifier {
    pub(super) fn new(belief: Belief, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self {
            belief,
            algorithms,
            refusal: Arc::default(),
        }
    }

    /// Where the refusal will be found after the handshake.
    pub(super) fn refusal(&self) -> Arc<OnceLock<Refusal>> {
        self.refusal.clone()
    }

    fn refuse(&self, leaf: &CertificateDer<'_>, kind: RefusalKind, error: Error) -> Error {
        let fingerprint = Fingerprint::of(leaf);
        // Only the first refusal counts, and there is one per handshake.
        let _ = self.refusal.set(Refusal { fingerprint, kind });
        error
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match &self.belief {
            Belief::Anyone => Ok(ServerCertVerified::assertion()),
            Belief::Pins(pins) if pins.contains(&Fingerprint::of(leaf)) => {
                Ok(ServerCertVerified::assertion())
            }
            Belief::Pins(_) => {
                // The alert for it is unknown_ca: "I do not trust this certificate".
                let error = CertificateError::UnknownIssuer.into();
                Err(self.refuse(leaf, RefusalKind::NotPinned, error))
            }
            Belief::Roots(roots) => roots
                .verify_server_cert(leaf, intermediates, name, ocsp, now)
                .map_err(|error| {
                    let kind = refusal_kind(leaf, &error, now, &self.algorithms);
                    self.refuse(leaf, kind, error)
                }),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

fn refusal_kind(
    leaf: &CertificateDer<'_>,
    error: &Error,
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> RefusalKind {
    let Error::InvalidCertificate(error) = error else {
        return RefusalKind::Other;
    };
    match error {
        CertificateError::UnknownIssuer if is_self_signed(leaf, now, algorithms) => {
            RefusalKind::SelfSigned
        }
        error
            if DateProblem::from_rustls(error).is_some()
                && date_problem(leaf, now, algorithms).is_none() =>
        {
            RefusalKind::IssuerOutOfDate
        }
        _ => RefusalKind::Other,
    }
}

/// Whether the certificate's own key signed it: it is then its own trust anchor.
fn is_self_signed(
    leaf: &CertificateDer<'_>,
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let mut itself = RootCertStore::empty();
    let Ok(certificate) = ParsedCertificate::try_from(leaf) else {
        return false;
    };
    itself.add(leaf.clone()).is_ok()
        && verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &itself,
            &[],
            now,
            algorithms.all,
        )
        .is_ok()
}

/// What is wrong with the dates of this one certificate.
///
/// Without roots no certificate verifies, but webpki looks at the dates first.
pub(super) fn date_problem(
    leaf: &CertificateDer<'_>,
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Option<DateProblem> {
    let certificate = ParsedCertificate::try_from(leaf).ok()?;
    let nobody = RootCertStore::empty();
    match verify_server_cert_signed_by_trust_anchor(&certificate, &nobody, &[], now, algorithms.all)
    {
        Err(Error::InvalidCertificate(error)) => DateProblem::from_rustls(&error),
        _ => None,
    }
}
