//! From the words of rustls and the operating system to those of [`HandshakeError`].

use std::io;

use rustls::{CertificateError, Error, HandshakeType, PeerIncompatible};

use super::error::{HandshakeError, Point, Shared, Whose};
use super::verify::{Refusal, RefusalKind};
use super::{DateProblem, Fingerprint, Peer, Trust, sniff};

/// What this end knew when the handshake failed.
pub(super) struct Wire<'a> {
    /// The other end.
    pub(super) from: Peer,
    /// The name that a client expected.
    pub(super) name: &'a str,
    /// The first bytes received.
    pub(super) first: &'a [u8],
    /// The certificate that a client refused, and whom it trusts.
    pub(super) refusal: Option<(&'a Refusal, &'a Trust)>,
    /// A server's own certificate.
    pub(super) ours: Option<Fingerprint>,
    /// The application protocols of this end.
    pub(super) alpn: &'a [Vec<u8>],
}

/// Says in words what tokio-rustls reports.
pub(super) fn translate(error: io::Error, wire: &Wire<'_>) -> HandshakeError {
    if !sniff::begins_tls(wire.first) {
        return HandshakeError::NotTls {
            from: wire.from,
            first: wire.first.to_vec(),
        };
    }
    let rustls = error.get_ref().and_then(|inner| inner.downcast_ref());
    match rustls {
        Some(error) => from_rustls(error, wire),
        None => from_io(error, wire),
    }
}

fn from_io(error: io::Error, wire: &Wire<'_>) -> HandshakeError {
    use io::ErrorKind as Kind;
    match error.kind() {
        how @ (Kind::UnexpectedEof
        | Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe) => HandshakeError::Closed {
            from: wire.from,
            point: match wire.first.is_empty() {
                true => Point::BeforeFirstByte,
                false => Point::Midway,
            },
            how,
        },
        _ => HandshakeError::Io(error),
    }
}

fn from_rustls(error: &Error, wire: &Wire<'_>) -> HandshakeError {
    match error {
        Error::InvalidCertificate(error) => from_certificate(error, wire),
        Error::AlertReceived(alert) => HandshakeError::Alert {
            from: wire.from,
            alert: (*alert).into(),
            ours: wire.ours,
        },
        Error::InappropriateHandshakeMessage {
            got_type: HandshakeType::ClientHello,
            ..
        } if wire.from == Peer::Server => HandshakeError::Echo,
        Error::NoApplicationProtocol => HandshakeError::NothingShared {
            what: Shared::Alpn,
            ours: texts(wire.alpn),
        },
        Error::PeerIncompatible(what) => from_incompatible(what, wire.from),
        other => HandshakeError::Protocol {
            from: wire.from,
            detail: other.to_string(),
        },
    }
}

fn from_incompatible(error: &PeerIncompatible, from: Peer) -> HandshakeError {
    use PeerIncompatible as P;
    let what = match error {
        P::NoCipherSuitesInCommon => Shared::CipherSuite,
        P::NoKxGroupsInCommon | P::NamedGroupsExtensionRequired => Shared::KeyExchange,
        P::NoSignatureSchemesInCommon => Shared::SignatureScheme,
        P::ServerDoesNotSupportTls12Or13
        | P::ServerTlsVersionIsDisabledByOurConfig
        | P::SupportedVersionsExtensionRequired
        // TLS 1.2 brought signature_algorithms (RFC 5246), so a client without it is older.
        | P::SignatureAlgorithmsExtensionRequired
        | P::Tls12NotOffered
        | P::Tls12NotOfferedOrEnabled => Shared::Version,
        other => {
            return HandshakeError::Protocol {
                from,
                detail: format!("it lacks what TLS needs ({other:?})"),
            };
        }
    };
    let ours = match what {
        Shared::Version => vec!["TLS 1.2".into(), "TLS 1.3".into()],
        _ => Vec::new(),
    };
    HandshakeError::NothingShared { what, ours }
}

fn from_certificate(error: &CertificateError, wire: &Wire<'_>) -> HandshakeError {
    let name = wire.name.to_owned();
    let Some((refusal, trust)) = wire.refusal else {
        // Believed, but the handshake is not signed with its key.
        return bad(name, error, None);
    };
    let fingerprint = refusal.fingerprint;
    if let Some(problem) = DateProblem::from_rustls(error) {
        let whose = match refusal.kind {
            RefusalKind::IssuerOutOfDate => Whose::Issuer,
            _ => Whose::Server,
        };
        return HandshakeError::OutOfDate {
            name,
            whose,
            problem,
        };
    }
    match (error, &refusal.kind, trust) {
        (_, RefusalKind::NotPinned, Trust::Pins(pins)) => HandshakeError::PinMismatch {
            name,
            presented: fingerprint,
            expected: pins.clone(),
        },
        (_, RefusalKind::SelfSigned, _) => HandshakeError::SelfSigned { name, fingerprint },
        (CertificateError::UnknownIssuer, _, trust) => HandshakeError::UnknownIssuer {
            name,
            fingerprint,
            trust: trust.clone(),
        },
        (CertificateError::NotValidForNameContext { presented, .. }, _, _) => {
            HandshakeError::WrongName {
                name,
                presented: presented.iter().map(|name| plain_name(name)).collect(),
            }
        }
        // webpki's own error type is not ours to name; its text is its variant's name.
        (CertificateError::Other(other), _, _) if other.0.to_string() == "CaUsedAsEndEntity" => {
            HandshakeError::CaAsServer { name, fingerprint }
        }
        (error, _, _) => bad(name, error, Some(fingerprint)),
    }
}

fn bad(name: String, error: &CertificateError, fingerprint: Option<Fingerprint>) -> HandshakeError {
    let detail = match error {
        CertificateError::BadSignature => {
            "a signature in it or on the handshake is wrong: the server may lack its key".into()
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "it is not meant for servers (extendedKeyUsage)".into()
        }
        CertificateError::BadEncoding => "it is not a well-formed certificate".into(),
        CertificateError::Other(other) if other.0.to_string() == "UnsupportedCertVersion" => {
            "it is an X.509 version 1 certificate, which has no names (make it with a subjectAltName)"
                .into()
        }
        other => other.to_string(),
    };
    HandshakeError::BadCertificate {
        name,
        detail,
        fingerprint,
    }
}

/// webpki shows names as `DnsName("a.example")` and `IpAddress(127.0.0.1)`.
///
/// The name inside is the peer's and goes to a terminal: no control characters.
fn plain_name(shown: &str) -> String {
    let inner = shown
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .unwrap_or(shown);
    inner.trim_matches('"').escape_debug().to_string()
}

fn texts(protocols: &[Vec<u8>]) -> Vec<String> {
    protocols
        .iter()
        .map(|p| p.escape_ascii().to_string())
        .collect()
}
