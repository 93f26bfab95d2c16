//! Why a connection could not be opened.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::address::Address;
use crate::network::{Endpoint, ResolveError, error_words};
use crate::tls::{HandshakeError, TlsConfigError};

/// A connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub struct ConnectError {
    /// Where to.
    pub address: Box<Address>,
    /// Every endpoint that was tried and failed, in order. Those that had not answered
    /// when the time was over come last, with [`io::ErrorKind::TimedOut`].
    pub attempts: Vec<Attempt>,
    /// What failed in the end.
    #[source]
    pub kind: ConnectErrorKind,
}

/// One endpoint that was tried.
#[derive(Debug)]
pub struct Attempt {
    /// Which one.
    pub endpoint: Endpoint,
    /// Why it failed.
    pub error: io::Error,
}

/// The endpoints of one connect, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Tried {
    pub(super) failed: Vec<Attempt>,
    /// Asked, and not answered yet.
    pub(super) pending: Vec<Endpoint>,
}

impl Tried {
    /// Takes everybody who has not answered for somebody who was too slow.
    pub(super) fn time_out(&mut self) {
        let timed_out = |endpoint| Attempt {
            endpoint,
            error: io::ErrorKind::TimedOut.into(),
        };
        self.failed.extend(self.pending.drain(..).map(timed_out));
    }
}

/// What failed when a connection was opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// The name leads nowhere.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// Every endpoint failed; see [`ConnectError::attempts`].
    #[error("no endpoint could be reached")]
    Failed,
    /// Nothing answered in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The files or names given for TLS cannot be used.
    #[error(transparent)]
    TlsConfig(#[from] TlsConfigError),
    /// The TLS handshake failed.
    #[error(transparent)]
    Handshake(Box<HandshakeError>),
    /// Something of this machine failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The scheme does not carry what was asked for.
    #[error("{0}")]
    WrongScheme(String),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot connect to {}: ", self.address)?;
        let failed = matches!(self.kind, ConnectErrorKind::Failed);
        if !failed || self.attempts.is_empty() {
            self.kind.fmt(f)?;
        }
        // What came after the connect has nothing to do with who did not answer it.
        let told = failed || matches!(self.kind, ConnectErrorKind::TimedOut(_));
        let attempts = if told { &self.attempts[..] } else { &[] };
        for (index, attempt) in attempts.iter().enumerate() {
            let comma = if index == 0 && failed { "" } else { ", " };
            write!(
                f,
                "{comma}{} ({})",
                error_words(&attempt.error),
                attempt.endpoint
            )?;
        }
        Ok(())
    }
}
