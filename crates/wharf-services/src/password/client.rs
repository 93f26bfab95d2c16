//! The other side of the dialogue: says a password and hears the answer.

use std::io;
use std::time::Duration;

use wharf::connection::Connection;
use zeroize::Zeroizing;

use super::door::{DENIED, GRANTED};
use super::rules::MAX_ATTEMPT;

/// How long an answer may take: the longest delay of an address, and as long again in
/// the queue.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The line that opens a gate: a password, or a name, a space and a password.
///
/// Its memory is wiped when it is dropped, and `Debug` does not show it.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

/// Text that no attempt can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSecret {
    /// It is empty.
    #[error("the password is empty")]
    Empty,
    /// It is longer than [`MAX_ATTEMPT`] bytes.
    #[error("the password is longer than {MAX_ATTEMPT} bytes")]
    TooLong,
    /// It has a line feed, which would end the attempt before its end.
    #[error("the password has more than one line")]
    Lines,
}

impl Secret {
    /// A line to say, without its newline.
    ///
    /// # Errors
    /// [`BadSecret`] where it cannot be said in one attempt.
    pub fn new(line: impl Into<Vec<u8>>) -> Result<Self, BadSecret> {
        let line = Zeroizing::new(line.into());
        if line.is_empty() {
            return Err(BadSecret::Empty);
        }
        if line.len() > MAX_ATTEMPT {
            return Err(BadSecret::TooLong);
        }
        if line.contains(&b'\n') || line.last() == Some(&b'\r') {
            return Err(BadSecret::Lines);
        }
        Ok(Secret(line))
    }

    /// The line itself.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a gate did not open.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// The password is wrong, or too many were tried from here.
    #[error("access denied")]
    Denied,
    /// The peer ended its stream instead of answering.
    #[error("the peer closed the connection instead of answering the password")]
    Closed,
    /// The peer said something else: there is no gate. What it said is not kept, since
    /// an echo of the password would be in it.
    #[error("the peer answered the password with something else: there is no gate")]
    NoGate,
    /// The connection failed, or nothing came in time ([`io::ErrorKind::TimedOut`]).
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// Opens a gate. What the peer says behind its answer is left in the connection.
///
/// Not cancel safe: after a dropped future the connection is somewhere within the
/// dialogue.
///
/// # Errors
/// [`LoginError`]; the connection is of no use then.
pub async fn log_in(peer: &mut Connection, secret: &Secret) -> Result<(), LoginError> {
    let line = Zeroizing::new([secret.as_bytes(), b"\n"].concat());
    peer.write_all(&line).await?;
    match tokio::time::timeout(ANSWER_TIMEOUT, hear(peer)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(LoginError::Io(io::ErrorKind::TimedOut.into())),
    }
}

/// Hears one of the two answers, each a line.
async fn hear(peer: &mut Connection) -> Result<(), LoginError> {
    let answers = [GRANTED, DENIED].map(|words| format!("{words}\n").into_bytes());
    let mut heard: Vec<u8> = Vec::new();
    loop {
        let bytes = peer.fill().await?;
        if bytes.is_empty() {
            return Err(LoginError::Closed);
        }
        let newline = bytes.iter().position(|byte| *byte == b'\n');
        let count = newline.map_or(bytes.len(), |at| at + 1);
        heard.extend_from_slice(&bytes[..count.min(answers[0].len() + 1)]);
        if !answers.iter().any(|answer| answer.starts_with(&heard)) {
            return Err(LoginError::NoGate);
        }
        peer.consume(count);
        if heard == answers[0] {
            return Ok(());
        }
        if heard == answers[1] {
            return Err(LoginError::Denied);
        }
    }
}
