//! TLS over any byte stream: certificates, trust, the handshake, and errors a person understands.
//!
//! This module knows nothing of addresses, servers or sockets: [`ServerTls::accept`]
//! and [`ClientTls::connect`] take whatever reads and writes. It is also the only
//! place that knows rustls.
//!
//! | type | what it is | file |
//! |---|---|---|
//! | [`ServerTls`] | a certificate and its key, from files or self-signed; can be reloaded | `server`, `pair` |
//! | [`ClientTls`], [`Trust`] | whom a client believes: system roots, a CA file, pins, anyone | `client`, `verify` |
//! | [`ClientSession`] | a client's end for event loops that drive their sockets themselves | `session` |
//! | [`Fingerprint`] | the SHA-256 by which a certificate is recognised | `fingerprint` |
//! | [`Established`] | facts about a finished handshake | `established` |
//! | [`HandshakeError`] | what went wrong on the wire; says cause, evidence and cure | `error`, `translate`, `alert`, `dates` |
//! | [`TlsConfigError`] | what is wrong with the files and names given | `config_error`, `pem` |
//! | [`Sniff`] | remembers the first bytes of a peer that does not speak TLS | `sniff` |
//!
//! # Decisions
//! - TLS 1.2 and 1.3 with the `ring` provider, named explicitly: the process-wide
//!   default provider is neither read nor set.
//! - No session resumption, no tickets, no early data, on either side. A handshake
//!   costs one signature more; in return a server sends nothing that its client did
//!   not ask for. (A TLS 1.3 ticket that a write-only client never reads turns its
//!   close into a reset, and the reset destroys what it had sent.) There is no
//!   session cache to hold or bound, and every connection checks the certificate.
//! - At most [`WRITE_BUFFER_LIMIT`] bytes of records wait for a slow peer. A connection
//!   that waits in a read holds about 8 KiB at a server and 9 KiB at a client
//!   (`tests/tls_memory.rs` measures it), of which rustls' read buffer has 4 KiB. That
//!   buffer grows to 20 KiB for a long record, and shrinks when the next read waits.
//! - Revocation is not checked, and client certificates are neither asked for nor sent.
//!
//! # Example
//! A self-signed server, and a client that knows its fingerprint:
//! ```
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use wharf::tls::{ClientTls, ServerTls, Trust};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = ServerTls::self_signed(["example.test"])?;
//! let client = ClientTls::new(Trust::Pins(vec![server.fingerprint()]))?;
//!
//! let (near, far) = tokio::io::duplex(16 * 1024);
//! let (accepted, connected) = tokio::join!(server.accept(far), client.connect("example.test", near));
//! let (mut at_server, _) = accepted?;
//! let (mut at_client, facts) = connected?;
//! assert_eq!(facts.version, "TLS 1.3");
//!
//! at_client.write_all(b"hello").await?;
//! at_client.shutdown().await?;
//! let mut heard = String::new();
//! at_server.read_to_string(&mut heard).await?;
//! assert_eq!(heard, "hello");
//! # Ok(())
//! # }
//! ```

mod alert;
mod client;
mod config_error;
mod dates;
mod error;
mod established;
mod fingerprint;
mod pair;
mod pem;
mod server;
mod session;
mod sniff;
mod translate;
mod verify;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;

pub use alert::Alert;
pub(crate) use client::host_of;
pub use client::{ClientTls, Trust};
pub use config_error::{Contents, TlsConfigError};
pub use dates::DateProblem;
pub use error::{HandshakeError, Point, Shared, Whose};
pub use established::Established;
pub use fingerprint::{Fingerprint, ParseFingerprintError};
pub use server::{Reloaded, ServerTls};
pub use session::ClientSession;
pub use sniff::Sniff;

/// Either end of a TLS connection over the stream `S`.
///
/// Shutting it down sends `close_notify` and then shuts `S` down for writing; reading
/// goes on. A peer that closes without `close_notify` is read as an error of kind
/// `UnexpectedEof`: what it sent may have been cut short (RFC 8446 section 6.1).
pub type TlsStream<S> = tokio_rustls::TlsStream<Sniff<S>>;

/// How many bytes of TLS records one connection may hold for a peer that does not
/// read: 32 KiB, two full records. Whoever writes more waits.
pub const WRITE_BUFFER_LIMIT: usize = 32 * 1024;

/// One end of a handshake, seen from the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// The end that connected.
    Client,
    /// The end that was connected to.
    Server,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// The cryptography: ring, and never the process-wide default.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Checks protocol names for ALPN: one to 255 bytes each (RFC 7301 section 3.1).
fn alpn_protocols<I>(protocols: I) -> Result<Vec<Vec<u8>>, TlsConfigError>
where
    I: IntoIterator,
    I::Item: Into<Vec<u8>>,
{
    let protocols: Vec<Vec<u8>> = protocols.into_iter().map(Into::into).collect();
    match protocols.iter().find(|p| !(1..=255).contains(&p.len())) {
        Some(bad) => Err(TlsConfigError::BadAlpn { len: bad.len() }),
        None => Ok(protocols),
    }
}
