//! The connecting end: whom to believe, and the handshake.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use crate::address::{Address, Host, Target};

use super::translate::{Wire, translate};
use super::verify::{Belief, Verifier};
use super::{
    Established, Fingerprint, HandshakeError, Peer, Sniff, TlsConfigError, TlsStream,
    WRITE_BUFFER_LIMIT, alpn_protocols, pem, provider,
};

/// Which servers a client believes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// Those vouched for by this system's certificate authorities (`SSL_CERT_FILE` and
    /// `SSL_CERT_DIR` are heeded); name and dates are checked.
    #[default]
    System,
    /// Those vouched for by a certificate in this PEM file; name and dates are checked.
    CaFile(PathBuf),
    /// Those that show exactly one of these certificates. Neither name, dates nor
    /// issuer matter, only that the server has the certificate's key.
    Pins(Vec<Fingerprint>),
    /// Anyone, with any certificate: no protection from a man in the middle.
    Insecure,
}

/// A client's trust, ready to connect. Clones are cheap and share it.
///
/// ```no_run
/// # async fn run(connection: tokio::io::DuplexStream) -> Result<(), Box<dyn std::error::Error>> {
/// use wharf::tls::{ClientTls, Trust};
///
/// let tls = ClientTls::new(Trust::System)?;
/// match tls.connect("example.org", connection).await {
///     Ok((stream, facts)) => println!("{facts}"),
///     Err(error) => eprintln!("error: {error}\n  try  {:?}", error.cure()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientTls {
    trust: Trust,
    belief: Belief,
    server_name: Option<ServerName<'static>>,
    config: Arc<ClientConfig>,
}

impl ClientTls {
    /// Prepares to connect with this trust. Reads files for `System` and `CaFile`, and so blocks.
    ///
    /// # Errors
    /// A CA file that cannot be read, a system without CA certificates, no pins.
    pub fn new(trust: Trust) -> Result<Self, TlsConfigError> {
        let belief = match &trust {
            Trust::System => Belief::Roots(verifier(system_roots()?)),
            Trust::CaFile(path) => Belief::Roots(verifier(file_roots(path)?)),
            Trust::Pins(pins) if pins.is_empty() => return Err(TlsConfigError::NoPins),
            Trust::Pins(pins) => Belief::Pins(pins.as_slice().into()),
            Trust::Insecure => Belief::Anyone,
        };
        let config = Arc::new(config(&belief));
        Ok(Self {
            trust,
            belief,
            server_name: None,
            config,
        })
    }

    /// Prepares to connect as a `tls:` address says: whom to believe, which application
    /// protocols and which server name to ask for. Gives the host, too, that the
    /// certificate has to be for. Reads files, and so blocks.
    ///
    /// ```
    /// use wharf::tls::ClientTls;
    ///
    /// let address = "tls:example.org:443,insecure".parse().unwrap();
    /// let (_tls, host) = ClientTls::for_address(&address).unwrap();
    /// assert_eq!(host, "example.org");
    /// ```
    ///
    /// # Errors
    /// Those of [`ClientTls::new`], [`with_alpn`](Self::with_alpn) and
    /// [`with_server_name`](Self::with_server_name).
    pub fn for_address(address: &Address) -> Result<(Self, String), TlsConfigError> {
        let options = &address.options.tls;
        let trust = if options.insecure {
            Trust::Insecure
        } else if !options.pin.is_empty() {
            Trust::Pins(options.pin.clone())
        } else if let Some(ca) = &options.ca {
            Trust::CaFile(ca.clone())
        } else {
            Trust::System
        };
        let mut tls = ClientTls::new(trust)?.with_alpn(options.alpn.iter().map(String::as_str))?;
        if let Some(name) = &options.sni {
            tls = tls.with_server_name(name)?;
        }
        Ok((tls, host_of(address)))
    }

    /// Asks for application protocols (ALPN, RFC 7301), the preferred one first.
    ///
    /// # Errors
    /// A name of no or more than 255 bytes.
    pub fn with_alpn<I>(mut self, protocols: I) -> Result<Self, TlsConfigError>
    where
        I: IntoIterator,
        I::Item: Into<Vec<u8>>,
    {
        Arc::make_mut(&mut self.config).alpn_protocols = alpn_protocols(protocols)?;
        Ok(self)
    }

    /// Asks for this name (SNI) and expects it in the certificate, whatever host is connected to.
    ///
    /// # Errors
    /// Neither a host name nor an IP address.
    pub fn with_server_name(mut self, name: &str) -> Result<Self, TlsConfigError> {
        let name = server_name(name).ok_or_else(|| TlsConfigError::BadName {
            name: name.to_owned(),
        })?;
        self.server_name = Some(name);
        Ok(self)
    }

    /// Which servers it believes.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The handshake alone, for code that speaks tokio-rustls; its errors are untranslated,
    /// and the name is the caller's.
    pub fn connector(&self) -> TlsConnector {
        TlsConnector::from(self.config.clone())
    }

    /// Does the client's part of a handshake with `host`, a host name or an IP address (brackets allowed).
    ///
    /// There is no time limit in it: put a timeout around it. Dropping the future
    /// closes the stream.
    ///
    /// # Errors
    /// Whatever ends the handshake, said in words.
    pub async fn connect<S>(
        &self,
        host: &str,
        stream: S,
    ) -> Result<(TlsStream<S>, Established), HandshakeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.name_for(host)?;
        let text = name.to_str().into_owned();
        // The verifier is this connection's own, to learn from it what it refused.
        let algorithms = self
            .config
            .crypto_provider()
            .signature_verification_algorithms;
        let verifier = Arc::new(Verifier::new(self.belief.clone(), algorithms));
        let refusal = verifier.refusal();
        let mut config = ClientConfig::clone(&self.config);
        config.dangerous().set_certificate_verifier(verifier);

        let sent_name = matches!(name, ServerName::DnsName(_)).then(|| text.clone());
        let connected = TlsConnector::from(Arc::new(config))
            .connect_with(name, Sniff::new(stream), |connection| {
                connection.set_buffer_limit(Some(WRITE_BUFFER_LIMIT));
            })
            .into_fallible()
            .await;
        match connected {
            Ok(mut stream) => {
                stream.get_mut().0.stop();
                let facts = Established::new(stream.get_ref().1, sent_name);
                Ok((stream.into(), facts))
            }
            Err((error, sniff)) => Err(translate(
                error,
                &Wire {
                    from: Peer::Server,
                    name: &text,
                    first: sniff.first(),
                    refusal: refusal.get().map(|refusal| (refusal, &self.trust)),
                    ours: None,
                    alpn: &self.config.alpn_protocols,
                },
            )),
        }
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    pub(super) fn name_for(&self, host: &str) -> Result<ServerName<'static>, HandshakeError> {
        if let Some(name) = &self.server_name {
            return Ok(name.clone());
        }
        server_name(host).ok_or_else(|| HandshakeError::BadServerName {
            name: host.to_owned(),
        })
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("trust", &self.trust)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// The name that the certificate of an address's server must be for.
pub(crate) fn host_of(address: &Address) -> String {
    match &address.target {
        Target::Host { host, .. } => match host {
            Host::Name(name) => name.clone(),
            Host::V4(ip) => ip.to_string(),
            Host::V6 { addr, .. } => addr.to_string(),
        },
        Target::Port(_) | Target::All(_) | Target::Path(_) | Target::Abstract(_) => {
            "localhost".to_owned()
        }
    }
}

/// The name as certificates have it: no brackets, no zone, no root dot.
fn server_name(host: &str) -> Option<ServerName<'static>> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    let host = bare.unwrap_or(host);
    let host = match host.split_once('%') {
        Some((address, _zone)) if address.contains(':') => address,
        _ => host.strip_suffix('.').unwrap_or(host),
    };
    ServerName::try_from(host.to_owned()).ok()
}

fn config(belief: &Belief) -> ClientConfig {
    let provider = provider();
    let verifier = Verifier::new(belief.clone(), provider.signature_verification_algorithms);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    // See "Decisions" in the module's documentation.
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config
}

fn verifier(roots: RootCertStore) -> Arc<WebPkiServerVerifier> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .expect("fails only without roots or with revocation lists; there are some and none")
}

fn system_roots() -> Result<RootCertStore, TlsConfigError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // One odd certificate among a hundred must not make the others useless.
    roots.add_parsable_certificates(found.certs);
    match roots.is_empty() {
        false => Ok(roots),
        true => Err(TlsConfigError::NoSystemRoots {
            detail: found.errors.first().map(ToString::to_string),
        }),
    }
}

fn file_roots(path: &std::path::Path) -> Result<RootCertStore, TlsConfigError> {
    let mut roots = RootCertStore::empty();
    for (i, certificate) in pem::certificates(path)?.into_iter().enumerate() {
        roots
            .add(certificate)
            .map_err(|error| TlsConfigError::Malformed {
                path: path.to_owned(),
                detail: format!("certificate {} cannot be read ({error})", i + 1),
            })?;
    }
    Ok(roots)
}
