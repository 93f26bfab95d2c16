//! Why a conversation failed, and whose fault it was.

use std::error::Error;
use std::io;

use crate::connection::CloseReason;

/// A conversation that did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The connection failed; mostly the peer's doing.
    #[error("the connection failed: {0}")]
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
            // Whatever recv and send report – reset, broken pipe, timed out,
            // unreachable – the peer is not to be reached any more.
            ServiceError::Io(_) => CloseReason::PeerReset,
            ServiceError::TooLong { .. } => CloseReason::MessageTooLong,
            ServiceError::Protocol(_) => CloseReason::ProtocolError,
            ServiceError::Failed(_) => CloseReason::ServiceFailed,
        }
    }
}
