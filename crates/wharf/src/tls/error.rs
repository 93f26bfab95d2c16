//! Why a handshake failed: the cause, what was seen, and what to do about it.

use std::fmt;
use std::io;

use super::{Alert, DateProblem, Fingerprint, Peer, Trust, sniff};

/// Why a TLS handshake failed.
///
/// `Display` is the cause with its evidence, in one line without a prefix;
/// [`cure`](Self::cure) is what to do about it, and [`reason`](Self::reason) a stable
/// word for events and counters. A `name` is the name that the client expected.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// A certificate is used outside its dates.
    OutOfDate {
        /// The name expected.
        name: String,
        /// Whether it is the server's own certificate.
        whose: Whose,
        /// Expired, or not valid yet.
        problem: DateProblem,
    },
    /// The certificate is good, but for other names.
    WrongName {
        /// The name expected.
        name: String,
        /// The names in the certificate; what the peer wrote, made printable.
        presented: Vec<String>,
    },
    /// Nobody but the server itself vouches for the certificate.
    SelfSigned {
        /// The name expected.
        name: String,
        /// Of the certificate shown.
        fingerprint: Fingerprint,
    },
    /// Nobody whom the client trusts vouches for the certificate.
    UnknownIssuer {
        /// The name expected.
        name: String,
        /// Of the certificate shown.
        fingerprint: Fingerprint,
        /// Whom the client trusts.
        trust: Trust,
    },
    /// The server shows the certificate of an authority as its own.
    CaAsServer {
        /// The name expected.
        name: String,
        /// Of the certificate shown.
        fingerprint: Fingerprint,
    },
    /// The certificate is none of those pinned.
    PinMismatch {
        /// The name expected.
        name: String,
        /// Of the certificate shown.
        presented: Fingerprint,
        /// The pins.
        expected: Vec<Fingerprint>,
    },
    /// The certificate is wrong in another way.
    BadCertificate {
        /// The name expected.
        name: String,
        /// What is wrong with it.
        detail: String,
        /// Of the certificate shown, where it came that far.
        fingerprint: Option<Fingerprint>,
    },
    /// The host is neither a host name nor an IP address, so no certificate can name it.
    BadServerName {
        /// The name given.
        name: String,
    },
    /// The peer speaks something else.
    NotTls {
        /// The peer.
        from: Peer,
        /// Its first bytes, at most 32.
        first: Vec<u8>,
    },
    /// The server sent our own greeting back.
    Echo,
    /// There is nothing that both ends speak.
    NothingShared {
        /// What they should share.
        what: Shared,
        /// What this end offers, where that is a short list.
        ours: Vec<String>,
    },
    /// The peer gave up and said why.
    Alert {
        /// The peer.
        from: Peer,
        /// What it said.
        alert: Alert,
        /// Of our own certificate, on a server.
        ours: Option<Fingerprint>,
    },
    /// The peer closed the connection without a word of explanation.
    Closed {
        /// The peer.
        from: Peer,
        /// How far it had come.
        point: Point,
        /// `UnexpectedEof` for a close, `ConnectionReset` and the like for a reset.
        how: io::ErrorKind,
    },
    /// The stream under TLS failed.
    Io(io::Error),
    /// The peer broke the TLS protocol.
    Protocol {
        /// The peer.
        from: Peer,
        /// In the words of rustls.
        detail: String,
    },
}

/// Whose certificate is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// The server's own.
    Server,
    /// One of those that vouch for the server's.
    Issuer,
}

/// How far a handshake had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// The peer had sent nothing, as a port scan or a health check does.
    BeforeFirstByte,
    /// The peer had begun.
    Midway,
}

/// What two ends must have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// A protocol version.
    Version,
    /// A cipher suite (which also says what kind of certificate).
    CipherSuite,
    /// A key exchange group.
    KeyExchange,
    /// A signature scheme.
    SignatureScheme,
    /// An application protocol.
    Alpn,
}

impl HandshakeError {
    /// A stable word for events, counters and tests.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::OutOfDate { problem, .. } => match problem {
                DateProblem::Expired { .. } => "certificate_expired",
                DateProblem::NotYetValid { .. } => "certificate_not_yet_valid",
            },
            Self::WrongName { .. } => "certificate_name",
            Self::SelfSigned { .. } => "certificate_self_signed",
            Self::UnknownIssuer { .. } => "certificate_unknown_issuer",
            Self::CaAsServer { .. } | Self::BadCertificate { .. } => "certificate_bad",
            Self::PinMismatch { .. } => "certificate_not_pinned",
            Self::BadServerName { .. } => "bad_server_name",
            Self::NotTls { first, .. } if sniff::looks_like_text(first) => "plain_text",
            Self::NotTls { .. } | Self::Echo => "not_tls",
            Self::NothingShared { .. } => "nothing_shared",
            Self::Alert { .. } => "alert",
            Self::Closed { .. } => "closed",
            Self::Io(_) => "io",
            Self::Protocol { .. } => "protocol",
        }
    }

    /// The fingerprint of a certificate that nobody who is trusted vouches for, and that
    /// could be pinned.
    pub fn unvouched(&self) -> Option<&Fingerprint> {
        match self {
            Self::SelfSigned { fingerprint, .. }
            | Self::UnknownIssuer { fingerprint, .. }
            | Self::CaAsServer { fingerprint, .. } => Some(fingerprint),
            _ => None,
        }
    }

    /// What to do about it, as a phrase that can follow "try".
    pub fn cure(&self) -> Option<String> {
        Some(match self {
            Self::OutOfDate { problem, .. } => match problem {
                DateProblem::Expired { .. } => "renewing it at the server".into(),
                DateProblem::NotYetValid { .. } => "setting this machine's clock right".into(),
            },
            Self::WrongName { presented, .. } => match presented.first() {
                Some(name) if !name.contains('*') => format!("sni={name}   (if that is whom you mean)"),
                Some(_) => "a host name that the certificate covers".into(),
                None => "a certificate with a subjectAltName; a common name alone does not count (RFC 9525)".into(),
            },
            Self::SelfSigned { fingerprint, .. } | Self::CaAsServer { fingerprint, .. } => {
                format!("pin={fingerprint}   (if the server's owner confirms it)")
            }
            Self::UnknownIssuer { fingerprint, .. } => format!(
                "ca=FILE with the issuer's certificate, or pin={fingerprint}   (if the server's owner confirms it)"
            ),
            Self::BadCertificate { fingerprint: Some(fingerprint), .. } => {
                format!("pin={fingerprint}   (if the server's owner confirms it)")
            }
            Self::PinMismatch { presented, .. } => format!(
                "asking the server's owner; if the certificate was renewed: pin={presented}"
            ),
            Self::BadServerName { .. } => "sni=NAME with the name in the server's certificate".into(),
            Self::NotTls { from: Peer::Server, .. } | Self::Echo => {
                "tcp: instead of tls: in the address".into()
            }
            Self::NotTls { from: Peer::Client, .. } => {
                "a client that speaks TLS: wharf connect tls:HOST:PORT".into()
            }
            Self::Closed { from: Peer::Server, point: Point::BeforeFirstByte, .. } => {
                "another port, or tcp: if this one does not speak TLS".into()
            }
            Self::Alert { from: Peer::Client, alert, ours: Some(ours) } if alert.is_distrust() => {
                format!("giving the client our fingerprint: pin={ours}")
            }
            Self::NothingShared { what: Shared::CipherSuite, .. } => {
                "a certificate of the other kind (RSA, ECDSA), or a newer peer".into()
            }
            Self::NothingShared { what: Shared::Alpn, ours } if !ours.is_empty() => {
                format!("a client that speaks {}", ours.join(" or "))
            }
            Self::NothingShared { what: Shared::Version, .. } => {
                "a newer peer: TLS 1.0 and 1.1 are withdrawn (RFC 8996)".into()
            }
            _ => return None,
        })
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfDate {
                name,
                whose,
                problem,
            } => match whose {
                Whose::Server => write!(f, "certificate of {name} {problem}"),
                Whose::Issuer => write!(f, "a certificate that vouches for {name} {problem}"),
            },
            Self::WrongName { name, presented } => {
                write!(
                    f,
                    "certificate is not for {name} but for {}",
                    list(presented)
                )
            }
            Self::SelfSigned { name, fingerprint } => write!(
                f,
                "certificate of {name} is self-signed, nobody else vouches for it; its SHA-256 is {fingerprint}"
            ),
            Self::UnknownIssuer {
                name,
                fingerprint,
                trust,
            } => write!(
                f,
                "certificate of {name} comes from an issuer that {} does not know; its SHA-256 is {fingerprint}",
                match trust {
                    Trust::CaFile(path) => path.display().to_string(),
                    _ => "this system".into(),
                }
            ),
            Self::CaAsServer { name, fingerprint } => write!(
                f,
                "certificate of {name} is an authority's (CA:TRUE) and not a server's; its SHA-256 is {fingerprint}"
            ),
            Self::PinMismatch {
                name,
                presented,
                expected,
            } => {
                let pins: Vec<String> = expected.iter().map(ToString::to_string).collect();
                let pins = pins.join(" or ");
                write!(
                    f,
                    "certificate of {name} is not the pinned one: expected {pins}, the server showed {presented}"
                )
            }
            Self::BadCertificate { name, detail, .. } => {
                write!(f, "certificate of {name} cannot be accepted: {detail}")
            }
            Self::BadServerName { name } => {
                write!(
                    f,
                    "{name:?} is neither a host name nor an IP address, so no certificate can be for it"
                )
            }
            Self::NotTls { from, first } => not_tls(f, *from, first),
            Self::Echo => f.write_str("the server does not speak TLS: it echoed our greeting"),
            Self::NothingShared { what, ours } => {
                write!(f, "client and server have no {what} in common")?;
                match ours.is_empty() {
                    true => Ok(()),
                    false => write!(f, "; this end has {}", ours.join(", ")),
                }
            }
            Self::Alert { from, alert, .. } => {
                write!(f, "{} (alert {alert})", alert.meaning(*from))
            }
            Self::Closed { from, point, how } => {
                let verb = match how {
                    io::ErrorKind::UnexpectedEof => "closed",
                    _ => "reset",
                };
                let when = match point {
                    Point::BeforeFirstByte => "before it sent a byte",
                    Point::Midway => "in the middle of the TLS handshake",
                };
                write!(f, "the {from} {verb} the connection {when}")
            }
            Self::Io(error) => write!(f, "the connection failed during the TLS handshake: {error}"),
            Self::Protocol { from, detail } => {
                write!(f, "the {from} broke the TLS protocol: {detail}")
            }
        }
    }
}

impl std::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "TLS version",
            Self::CipherSuite => "cipher suite",
            Self::KeyExchange => "key exchange group",
            Self::SignatureScheme => "signature scheme",
            Self::Alpn => "application protocol (ALPN)",
        })
    }
}

/// The first bytes: as text in quotes, or as hexadecimal.
fn not_tls(f: &mut fmt::Formatter<'_>, from: Peer, first: &[u8]) -> fmt::Result {
    if sniff::looks_like_text(first) {
        let more = if first.len() == sniff::RECORDED {
            "…"
        } else {
            ""
        };
        let text = String::from_utf8_lossy(first);
        // A character cut in two at the end of the record is no character.
        let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
        return write!(
            f,
            "the {from} spoke plain text: \"{}{more}\"",
            text.escape_debug()
        );
    }
    write!(f, "the {from} did not speak TLS; its first bytes:")?;
    first
        .iter()
        .take(8)
        .try_for_each(|byte| write!(f, " {byte:02x}"))
}

/// Names of a certificate; a few, for some certificates have hundreds.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names.len() {
        0 => "no name at all".into(),
        n if n <= SHOWN => names.join(", "),
        n => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
    }
}
