//! Why a conversation failed, and whose fault it was.

use std::error::Error;
use std::io;

use crate::connection::CloseReason;

/// A conversation that did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The connection failed; mostly the peer's doing.
    #[error("{}", crate::network::error_words(.0))]
    Io(#[from] io::Error),
    /// The peer sent a message longer than the limit, in bytes.
    #[error("a message was longer than {limit} bytes")]
    TooLong {
        /// The limit that was passed.
        limit: usize,
    },
    /// The peer broke the protocol; the text says how.
    #[error("the peer broke the protocol: {0}")]
    Protocol(String),
    /// The service ends the conversation for a reason that has a name already, for
    /// example [`CloseReason::SlowReader`] where it bounds what waits for its peer.
    #[error("{detail}")]
    Closed {
        /// The reason.
        reason: CloseReason,
        /// The evidence, in words.
        detail: String,
    },
    /// The service could not do its work.
    #[error("the service failed: {0}")]
    Failed(Box<dyn Error + Send + Sync>),
}

impl ServiceError {
    /// A failure of the service itself.
    pub fn failed(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        ServiceError::Failed(why.into())
    }

    /// The reason for which the connection is closed.
    pub fn reason(&self) -> CloseReason {
        match self {
            ServiceError::Io(error) => reason_of(error),
            ServiceError::TooLong { .. } => CloseReason::MessageTooLong,
            ServiceError::Protocol(_) => CloseReason::ProtocolError,
            ServiceError::Closed { reason, .. } => *reason,
            ServiceError::Failed(_) => CloseReason::ServiceFailed,
        }
    }
}

/// Whose fault an I/O error is. Most come from the connection, but a service's
/// `?` passes on those of its files as well.
fn reason_of(error: &io::Error) -> CloseReason {
    use io::ErrorKind as Kind;
    match error.kind() {
        // Ours, from a read or write timeout; the kernel's ETIMEDOUT has a number.
        Kind::TimedOut if error.raw_os_error().is_none() => CloseReason::Idle,
        Kind::ConnectionReset
        | Kind::ConnectionAborted
        | Kind::BrokenPipe
        | Kind::NotConnected
        | Kind::UnexpectedEof
        | Kind::WriteZero
        | Kind::TimedOut
        | Kind::HostUnreachable
        | Kind::NetworkUnreachable
        | Kind::NetworkDown => CloseReason::PeerReset,
        // Text that is not UTF-8, a TLS record that does not decrypt.
        Kind::InvalidData => CloseReason::ProtocolError,
        _ => CloseReason::ServiceFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_is_blamed_on_whom_it_comes_from() {
        let reason = |error: io::Error| ServiceError::Io(error).reason();
        let numbered = io::Error::from_raw_os_error;
        assert_eq!(reason(numbered(libc::ECONNRESET)), CloseReason::PeerReset);
        assert_eq!(reason(numbered(libc::ETIMEDOUT)), CloseReason::PeerReset);
        assert_eq!(reason(io::ErrorKind::TimedOut.into()), CloseReason::Idle);
        assert_eq!(reason(numbered(libc::ENOENT)), CloseReason::ServiceFailed);
        assert_eq!(reason(numbered(libc::ENOSPC)), CloseReason::ServiceFailed);
        assert_eq!(
            reason(io::ErrorKind::InvalidData.into()),
            CloseReason::ProtocolError
        );
    }
}
