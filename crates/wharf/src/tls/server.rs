//! The serving end: a certificate, its key, and the handshake.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::UnixTime;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::translate::{Wire, translate};
use super::{
    DateProblem, Established, Fingerprint, HandshakeError, Peer, Sniff, TlsConfigError, TlsStream,
    WRITE_BUFFER_LIMIT, alpn_protocols, pair, provider, sniff, verify,
};

/// What a client that speaks plain text is told, unless [`ServerTls::with_plain_text_reply`] says otherwise.
const PLAIN_TEXT_REPLY: &str = "this port speaks TLS; try: wharf connect tls:HOST:PORT";

/// How long a plain-text client may take to read that line and close.
const REPLY_LINGER: Duration = Duration::from_secs(1);

/// How much more such a client may send meanwhile.
const REPLY_DISCARD: usize = 64 * 1024;

/// A server's certificate and key, ready to accept connections.
///
/// Clones share one certificate: [`reload`](Self::reload) on one renews it for all.
/// Connections that are open keep what they began with.
///
/// ```no_run
/// # async fn run(connection: tokio::io::DuplexStream) -> Result<(), Box<dyn std::error::Error>> {
/// use wharf::tls::ServerTls;
///
/// let tls = ServerTls::from_pem_files("server.crt", "server.key")?;
/// let (stream, facts) = tls.accept(connection).await?;
/// println!("{facts}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ServerTls {
    source: Arc<Source>,
    alpn: Vec<Vec<u8>>,
    plain_text_reply: Arc<str>,
    current: Arc<RwLock<Current>>,
}

enum Source {
    Files { certificate: PathBuf, key: PathBuf },
    SelfSigned { pem: String },
}

/// The pair in use. Replaced as a whole, so a handshake never sees half of a renewal.
#[derive(Clone)]
struct Current {
    pair: Arc<CertifiedKey>,
    config: Arc<ServerConfig>,
    fingerprint: Fingerprint,
}

/// What [`ServerTls::reload`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// The same certificate as before, or a self-signed one, which has no files.
    Unchanged,
    /// A new certificate, with this fingerprint.
    Renewed(Fingerprint),
}

impl ServerTls {
    /// Reads a certificate chain (the server's own first) and its key from PEM files.
    ///
    /// Both may be the same file. Reads files, and so blocks.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold what it should, and a key that is
    /// not the certificate's. A certificate that is out of date is no error here:
    /// ask [`date_problem`](Self::date_problem).
    pub fn from_pem_files(
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsConfigError> {
        let (certificate, key) = (certificate.as_ref(), key.as_ref());
        let pair = pair::load(certificate, key)?;
        let source = Source::Files {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        };
        Ok(Self::new(source, pair))
    }

    /// Makes a certificate and a key (ECDSA P-256) that exist only in this process.
    ///
    /// The certificate is for `localhost`, `127.0.0.1`, `::1` and `names` (host names
    /// or IP addresses), and lasts 397 days. Clients know it by its
    /// [`fingerprint`](Self::fingerprint), or trust [`self_signed_pem`](Self::self_signed_pem).
    ///
    /// # Errors
    /// A name that cannot stand in a certificate.
    pub fn self_signed<I>(names: I) -> Result<Self, TlsConfigError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let (pair, pem) = pair::make(names)?;
        Ok(Self::new(Source::SelfSigned { pem }, pair))
    }

    fn new(source: Source, pair: CertifiedKey) -> Self {
        Self {
            source: Arc::new(source),
            alpn: Vec::new(),
            plain_text_reply: PLAIN_TEXT_REPLY.into(),
            current: Arc::new(RwLock::new(Current::new(Arc::new(pair), &[]))),
        }
    }

    /// Offers application protocols (ALPN, RFC 7301), the preferred one first.
    ///
    /// A client that names only others is refused; one that names none is served.
    /// Call it before cloning: earlier clones keep their own list, and their own reloads.
    ///
    /// # Errors
    /// A name of no or more than 255 bytes.
    pub fn with_alpn<I>(mut self, protocols: I) -> Result<Self, TlsConfigError>
    where
        I: IntoIterator,
        I::Item: Into<Vec<u8>>,
    {
        self.alpn = alpn_protocols(protocols)?;
        let renewed = Current::new(self.current().pair, &self.alpn);
        self.current = Arc::new(RwLock::new(renewed));
        Ok(self)
    }

    /// Sets the one line, without its end, that a plain-text client is told before the close.
    ///
    /// A server that knows its own address can name it here.
    pub fn with_plain_text_reply(mut self, line: impl Into<Arc<str>>) -> Self {
        self.plain_text_reply = line.into();
        self
    }

    /// The SHA-256 of the server's own certificate.
    pub fn fingerprint(&self) -> Fingerprint {
        self.current().fingerprint
    }

    /// A self-signed certificate as PEM, for a client's `ca=FILE`; `None` if it came from files.
    pub fn self_signed_pem(&self) -> Option<&str> {
        match &*self.source {
            Source::SelfSigned { pem } => Some(pem),
            Source::Files { .. } => None,
        }
    }

    /// What is wrong with the certificate's dates at this moment, to warn of it early.
    pub fn date_problem(&self) -> Option<DateProblem> {
        let current = self.current();
        let algorithms = current
            .config
            .crypto_provider()
            .signature_verification_algorithms;
        verify::date_problem(current.pair.cert.first()?, UnixTime::now(), &algorithms)
    }

    /// Reads the files again, for connections to come. Blocks.
    ///
    /// # Errors
    /// As [`from_pem_files`](Self::from_pem_files); the last good pair then stays in
    /// use, so a half-written file does no harm: call again later.
    pub fn reload(&self) -> Result<Reloaded, TlsConfigError> {
        let Source::Files { certificate, key } = &*self.source else {
            return Ok(Reloaded::Unchanged);
        };
        let renewed = Current::new(Arc::new(pair::load(certificate, key)?), &self.alpn);
        let fingerprint = renewed.fingerprint;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, renewed);
        Ok(match before.fingerprint == fingerprint {
            true => Reloaded::Unchanged,
            false => Reloaded::Renewed(fingerprint),
        })
    }

    /// The handshake alone, for code that speaks tokio-rustls; its errors are untranslated.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.current().config)
    }

    /// Does the server's part of a handshake.
    ///
    /// There is no time limit in it but for the second that a plain-text client gets
    /// to read why it is refused: put a timeout around it, and never run it in the
    /// accept loop. Needs a tokio runtime with its clock enabled. Dropping the future
    /// closes the stream.
    ///
    /// # Errors
    /// Whatever ends the handshake, said in words.
    pub async fn accept<S>(&self, stream: S) -> Result<(TlsStream<S>, Established), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let current = self.current();
        let accepted = TlsAcceptor::from(current.config)
            .accept_with(Sniff::new(stream), |connection| {
                connection.set_buffer_limit(Some(WRITE_BUFFER_LIMIT));
            })
            .into_fallible()
            .await;
        match accepted {
            Ok(mut stream) => {
                stream.get_mut().0.stop();
                let (_, connection) = stream.get_ref();
                let name = connection.server_name().map(str::to_owned);
                let facts = Established::new(connection, name);
                Ok((stream.into(), facts))
            }
            Err((error, mut sniff)) => {
                if sniff::looks_like_text(sniff.first()) {
                    self.answer_plain_text(&mut sniff).await;
                }
                let wire = Wire {
                    from: Peer::Client,
                    name: "",
                    first: sniff.first(),
                    refusal: None,
                    ours: Some(current.fingerprint),
                    alpn: &self.alpn,
                };
                Err(translate(error, &wire))
            }
        }
    }

    /// Tells a client in its own language that it should speak TLS.
    async fn answer_plain_text<S>(&self, stream: &mut Sniff<S>)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let reply = plain_text_reply(&self.plain_text_reply, stream.first());
        stream.stop();
        let goodbye = async {
            stream.write_all(reply.as_bytes()).await?;
            stream.shutdown().await?;
            // A close with input unread would be a reset, and a reset may overtake the line.
            let mut buf = [0; 512];
            let mut discarded = 0;
            while discarded < REPLY_DISCARD {
                match stream.read(&mut buf).await? {
                    0 => break,
                    n => discarded += n,
                }
            }
            std::io::Result::Ok(())
        };
        // Whether it listens is its own affair; the handshake has failed already.
        let _ = tokio::time::timeout(REPLY_LINGER, goodbye).await;
    }

    fn current(&self) -> Current {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The line, as a response if the client sent a request of HTTP/1 (as other servers do).
fn plain_text_reply(line: &str, first: &[u8]) -> String {
    const METHODS: [&str; 8] = [
        "GET ", "HEAD ", "POST ", "PUT ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ",
    ];
    match METHODS.iter().any(|m| first.starts_with(m.as_bytes())) {
        true => format!(
            "HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n{line}\r\n"
        ),
        false => format!("{line}\r\n"),
    }
}

impl fmt::Debug for ServerTls {
    /// Says which certificate; never shows the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("ServerTls");
        match &*self.source {
            Source::Files { certificate, .. } => out.field("certificate", certificate),
            Source::SelfSigned { .. } => out.field("certificate", &"self-signed"),
        };
        out.field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

impl Current {
    fn new(pair: Arc<CertifiedKey>, alpn: &[Vec<u8>]) -> Self {
        let fingerprint = Fingerprint::of(pair.cert.first().map_or(&[][..], |der| der));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("ring has the cipher suites of TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair.clone())));
        config.alpn_protocols = alpn.to_vec();
        // See "Decisions" in the module's documentation.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        config.max_early_data_size = 0;
        Self {
            pair,
            config: Arc::new(config),
            fingerprint,
        }
    }
}
