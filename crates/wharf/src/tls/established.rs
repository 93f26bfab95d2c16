//! What a finished handshake agreed on.

use std::fmt;

use rustls::{CommonState, ProtocolVersion};

use super::Fingerprint;

/// Facts about a finished handshake, for events, logs and people.
///
/// `Display` is one line: `TLS 1.3, TLS13_AES_256_GCM_SHA384, ALPN h2`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Established {
    /// "TLS 1.3" or "TLS 1.2".
    pub version: &'static str,
    /// The cipher suite by its IANA name.
    pub cipher_suite: &'static str,
    /// The application protocol, if one was negotiated (RFC 7301).
    pub alpn: Option<String>,
    /// The certificate that the peer showed; a client shows none.
    pub peer_certificate: Option<Fingerprint>,
    /// The name that the client asked for in the clear (SNI, RFC 6066); never an IP address.
    pub server_name: Option<String>,
}

impl Established {
    pub(super) fn new(state: &CommonState, server_name: Option<String>) -> Self {
        let cipher_suite = state.negotiated_cipher_suite();
        let leaf = state.peer_certificates().and_then(<[_]>::first);
        Self {
            version: match state.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
                Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
                _ => "unknown version",
            },
            cipher_suite: cipher_suite
                .and_then(|suite| suite.suite().as_str())
                .unwrap_or("unknown cipher suite"),
            alpn: state
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
            peer_certificate: leaf.map(|der| Fingerprint::of(der)),
            server_name,
        }
    }
}

impl fmt::Display for Established {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.version, self.cipher_suite)?;
        match &self.alpn {
            Some(alpn) => write!(f, ", ALPN {alpn}"),
            None => Ok(()),
        }
    }
}
