//! TLS alerts: the one word with which a peer gives up, and what it means.

use std::fmt;

use super::Peer;

/// An alert that the peer sent (RFC 8446 section 6). `Display` writes its name in the RFC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alert(u8);

impl Alert {
    /// The number on the wire.
    pub fn code(self) -> u8 {
        self.0
    }

    /// The name in RFC 8446 section 6, or "unknown".
    pub fn name(self) -> &'static str {
        match self.0 {
            0 => "close_notify",
            10 => "unexpected_message",
            20 => "bad_record_mac",
            22 => "record_overflow",
            40 => "handshake_failure",
            42 => "bad_certificate",
            43 => "unsupported_certificate",
            44 => "certificate_revoked",
            45 => "certificate_expired",
            46 => "certificate_unknown",
            47 => "illegal_parameter",
            48 => "unknown_ca",
            49 => "access_denied",
            50 => "decode_error",
            51 => "decrypt_error",
            70 => "protocol_version",
            71 => "insufficient_security",
            80 => "internal_error",
            86 => "inappropriate_fallback",
            90 => "user_canceled",
            109 => "missing_extension",
            110 => "unsupported_extension",
            112 => "unrecognized_name",
            113 => "bad_certificate_status_response",
            115 => "unknown_psk_identity",
            116 => "certificate_required",
            120 => "no_application_protocol",
            _ => "unknown",
        }
    }

    /// Whether the peer said by it that our certificate does not satisfy it.
    pub fn is_distrust(self) -> bool {
        matches!(self.0, 42..=46 | 48)
    }

    /// What the peer says by it, as a clause: "the client does not trust our certificate".
    pub(super) fn meaning(self, from: Peer) -> String {
        let clause = match self.0 {
            48 | 46 | 42 => "does not trust our certificate",
            45 => "finds our certificate expired, or not valid yet",
            44 => "finds our certificate revoked",
            43 => "cannot use a certificate of our kind",
            40 | 71 => "found no TLS parameters in common with ours",
            70 => "speaks neither TLS 1.2 nor TLS 1.3",
            112 => "does not serve the name that we asked for",
            116 => "wants a certificate from us",
            120 => "speaks none of the application protocols offered (ALPN)",
            49 => "refuses access",
            0 | 90 => "gave up the handshake",
            _ => "broke off the handshake",
        };
        format!("the {from} {clause}")
    }
}

impl From<rustls::AlertDescription> for Alert {
    fn from(alert: rustls::AlertDescription) -> Self {
        Self(alert.into())
    }
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "unknown" => write!(f, "number {}", self.0),
            name => f.write_str(name),
        }
    }
}
