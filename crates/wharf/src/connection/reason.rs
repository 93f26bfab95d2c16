//! Why a connection ended, by name.

use std::fmt;

/// Why a connection was closed or refused. The same names stand in the API, the
/// logs, the metrics, the JSON events and the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer ended its stream, and was answered to the end.
    PeerClosed = 1,
    /// The peer reset the connection, or vanished (keep-alive, user timeout).
    PeerReset,
    /// The service was done and closed first.
    Finished,
    /// Nothing moved for the idle timeout.
    Idle,
    /// The peer did not read what was written to it for the write timeout.
    SlowReader,
    /// The connection was open for the total timeout.
    TotalTimeout,
    /// A message was longer than the limit.
    MessageTooLong,
    /// The peer broke the protocol.
    ProtocolError,
    /// The TLS handshake failed.
    TlsFailed,
    /// The TLS handshake was not finished in time.
    TlsTimeout,
    /// The service failed for a reason of its own.
    ServiceFailed,
    /// The service panicked.
    ServicePanicked,
    /// The server was asked to stop, and the connection was idle or done.
    Drained,
    /// The server was asked to stop, and the connection was not done by the deadline.
    CutOff,
    /// Refused: the server was full.
    RefusedFull,
    /// Refused: this peer had its share of connections.
    RefusedPerPeer,
    /// The peer did not prove who it is: its attempts at a password were wrong.
    Denied,
}

impl CloseReason {
    /// Every reason, in the order of the enum.
    pub const ALL: [CloseReason; 17] = [
        CloseReason::PeerClosed,
        CloseReason::PeerReset,
        CloseReason::Finished,
        CloseReason::Idle,
        CloseReason::SlowReader,
        CloseReason::TotalTimeout,
        CloseReason::MessageTooLong,
        CloseReason::ProtocolError,
        CloseReason::TlsFailed,
        CloseReason::TlsTimeout,
        CloseReason::ServiceFailed,
        CloseReason::ServicePanicked,
        CloseReason::Drained,
        CloseReason::CutOff,
        CloseReason::RefusedFull,
        CloseReason::RefusedPerPeer,
        CloseReason::Denied,
    ];

    /// The name used in logs, metrics and JSON: lower case, hyphens.
    pub fn as_str(self) -> &'static str {
        match self {
            CloseReason::PeerClosed => "peer-closed",
            CloseReason::PeerReset => "peer-reset",
            CloseReason::Finished => "finished",
            CloseReason::Idle => "idle",
            CloseReason::SlowReader => "slow-reader",
            CloseReason::TotalTimeout => "total-timeout",
            CloseReason::MessageTooLong => "message-too-long",
            CloseReason::ProtocolError => "protocol-error",
            CloseReason::TlsFailed => "tls-failed",
            CloseReason::TlsTimeout => "tls-timeout",
            CloseReason::ServiceFailed => "service-failed",
            CloseReason::ServicePanicked => "service-panicked",
            CloseReason::Drained => "drained",
            CloseReason::CutOff => "cut-off",
            CloseReason::RefusedFull => "refused-full",
            CloseReason::RefusedPerPeer => "refused-per-peer",
            CloseReason::Denied => "denied",
        }
    }

    /// The reason with this number, as stored in an atomic cell.
    pub(crate) fn from_code(code: u8) -> Option<CloseReason> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == code)
    }

    /// Its place in [`CloseReason::ALL`].
    pub(crate) fn index(self) -> usize {
        self as usize - 1
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_indexes_agree_with_the_list() {
        for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert_eq!(CloseReason::from_code(reason as u8), Some(reason));
        }
        assert_eq!(CloseReason::from_code(0), None);
    }
}
