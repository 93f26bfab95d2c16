//! The client side: resolve, try every address, time out.
//!
//! Names are resolved anew for every connect. All addresses of a name are tried
//! by *happy eyeballs* (RFC 8305): IPv6 and IPv4 in turn, the next one after
//! 250 ms or as soon as one fails; the first that answers wins, and each failure
//! is reported.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::address::{Address, BindTo, ByteSize, Host, Scheme, Target};
use crate::connection::Connection;
use crate::datagram::Datagrams;
use crate::limits::{CONNECT_STAGGER, CONNECT_TIMEOUT};
use crate::network::{
    BindOptions, ConnectOptions, Endpoint, Network, Os, ResolveError, Role, StreamKind, UnixName,
};
use crate::server::words;
use crate::service::Timeouts;
use crate::tls::{ClientTls, HandshakeError, TlsConfigError, Trust};

/// Opens connections, with the same settings for all of them.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use wharf::client::Client;
///
/// let mut connection = Client::new().connect(&"localhost:7000".parse()?).await?;
/// connection.write_all(b"hello\n").await?;
/// connection.finish().await?;
/// while let Some(chunk) = connection.read_chunk().await? {
///     print!("{}", String::from_utf8_lossy(&chunk));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client<N: Network = Os> {
    network: N,
    connect_timeout: Option<Duration>,
    timeouts: Timeouts,
    options: ConnectOptions,
    tls: Option<ClientTls>,
}

impl Client<Os> {
    /// A client on the operating system's network.
    pub fn new() -> Self {
        Client::on(Os)
    }
}

impl Default for Client<Os> {
    fn default() -> Self {
        Client::new()
    }
}

impl<N: Network> Client<N> {
    /// A client on `network`.
    pub fn on(network: N) -> Self {
        Client {
            network,
            connect_timeout: Some(CONNECT_TIMEOUT),
            timeouts: Timeouts::default(),
            options: ConnectOptions::default(),
            tls: None,
        }
    }

    /// How long one connect may take, over all addresses and with the TLS
    /// handshake; `None` leaves it to the system (Linux: about two minutes).
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The read and write timeouts with which every connection begins; see
    /// [`Connection::set_timeouts`].
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Socket options for every connection.
    #[must_use]
    pub fn options(mut self, options: ConnectOptions) -> Self {
        self.options = options;
        self
    }

    /// Whom to believe on `tls:` addresses, instead of what the address says.
    #[must_use]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Opens a connection to `address`. Cancel safe.
    ///
    /// # Errors
    /// [`ConnectError`], with every endpoint that was tried and why it failed.
    pub async fn connect(&self, address: &Address) -> Result<Connection, ConnectError> {
        let mut attempts = Vec::new();
        let work = self.connect_untimed(address, &mut attempts);
        let outcome = match self.connect_timeout {
            None => work.await,
            Some(timeout) => match tokio::time::timeout(timeout, work).await {
                Ok(outcome) => outcome,
                Err(_) => Err(ConnectErrorKind::TimedOut(timeout)),
            },
        };
        match outcome {
            Ok(mut connection) => {
                connection.set_timeouts(self.timeouts);
                Ok(connection)
            }
            Err(kind) => Err(ConnectError {
                address: Box::new(address.clone()),
                attempts,
                kind,
            }),
        }
    }

    /// Binds a datagram socket that talks to `address` alone, or to everybody who
    /// answers where `address` is a broadcast or multicast one. Gives the socket
    /// and the endpoint to send to.
    ///
    /// # Errors
    /// As [`Client::connect`]. That nobody listens shows only when something is sent.
    pub async fn datagrams(
        &self,
        address: &Address,
    ) -> Result<(Datagrams, Endpoint), ConnectError> {
        let mut attempts = Vec::new();
        let outcome = self.bind_towards(address, &mut attempts).await;
        outcome.map_err(|kind| ConnectError {
            address: Box::new(address.clone()),
            attempts,
            kind,
        })
    }

    async fn connect_untimed(
        &self,
        address: &Address,
        attempts: &mut Vec<Attempt>,
    ) -> Result<Connection, ConnectErrorKind> {
        let scheme = address.scheme;
        if scheme.is_datagram() {
            return Err(ConnectErrorKind::WrongScheme(format!(
                "{}: carries datagrams, not connections",
                scheme.as_str()
            )));
        }
        let endpoints = self.network.resolve(address, Role::Reach).await?;
        let mut options = self.options.clone();
        options.kind = match scheme {
            Scheme::Seqpacket => StreamKind::Packets,
            _ => StreamKind::Bytes,
        };
        let asked = &address.options;
        let stream = &mut options.stream;
        let bytes = |size: Option<ByteSize>| size.map(ByteSize::bytes);
        stream.receive_buffer = bytes(asked.receive_buffer).or(stream.receive_buffer);
        stream.send_buffer = bytes(asked.send_buffer).or(stream.send_buffer);
        let race = Race {
            network: &self.network,
            bind: address.options.bind.as_ref(),
            options: &options,
            attempts,
        };
        let connection = race.run(interleaved(endpoints)).await?;
        match scheme {
            Scheme::Tls => self.secure(address, connection).await,
            _ => Ok(connection),
        }
    }

    async fn secure(
        &self,
        address: &Address,
        connection: Connection,
    ) -> Result<Connection, ConnectErrorKind> {
        let tls = match &self.tls {
            Some(tls) => tls.clone(),
            None => {
                let address = address.clone();
                let made = self
                    .network
                    .platform()
                    .blocking(move || tls_for(&address))
                    .await;
                made.unwrap_or_else(|| {
                    Err(io::Error::other("reading the certificates was abandoned").into())
                })?
            }
        };
        let host = host_of(address);
        connection
            .connect_tls(&tls, &host)
            .await
            .map_err(|error| ConnectErrorKind::Handshake(Box::new(error)))
    }

    async fn bind_towards(
        &self,
        address: &Address,
        attempts: &mut Vec<Attempt>,
    ) -> Result<(Datagrams, Endpoint), ConnectErrorKind> {
        if !address.scheme.is_datagram() {
            return Err(ConnectErrorKind::WrongScheme(format!(
                "{}: carries connections, not datagrams",
                address.scheme.as_str()
            )));
        }
        let mut options = BindOptions::default();
        options.apply(&address.options);
        for to in self.network.resolve(address, Role::Reach).await? {
            match self.bind_for(&to, address, &options).await {
                Ok(socket) => return Ok((socket, to)),
                Err(error) => attempts.push(Attempt {
                    endpoint: to,
                    error,
                }),
            }
        }
        Err(ConnectErrorKind::Failed)
    }

    async fn bind_for(
        &self,
        to: &Endpoint,
        address: &Address,
        options: &BindOptions,
    ) -> io::Result<Datagrams> {
        let at = match from_endpoint(address.options.bind.as_ref(), to) {
            Some(at) => at,
            None => self.unnamed_for(to),
        };
        let mut socket = self.network.bind(&at, options).await?;
        let to_many = match to.inet().map(|to| to.ip()) {
            Some(ip) => ip.is_multicast() || options.broadcast.is_on(),
            None => false,
        };
        if !to_many {
            socket.connect(to)?;
        }
        Ok(socket)
    }

    /// Where a client binds that did not say: any port, or a name of its own.
    fn unnamed_for(&self, to: &Endpoint) -> Endpoint {
        match to {
            Endpoint::Inet(SocketAddr::V4(_)) => Endpoint::Inet((Ipv4Addr::UNSPECIFIED, 0).into()),
            Endpoint::Inet(SocketAddr::V6(_)) => Endpoint::Inet((Ipv6Addr::UNSPECIFIED, 0).into()),
            Endpoint::Unix(_) => {
                // A Unix peer can answer only a socket that has a name.
                let mut number = [0; 8];
                self.network.platform().random(&mut number);
                let name = format!("wharf-{:016x}", u64::from_ne_bytes(number));
                Endpoint::Unix(UnixName::Abstract(name.into_bytes()))
            }
        }
    }
}

/// What a `tls:` address says about trust. It blocks on files.
fn tls_for(address: &Address) -> Result<ClientTls, ConnectErrorKind> {
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
    Ok(tls)
}

/// The name that the server's certificate must be for.
fn host_of(address: &Address) -> String {
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

/// The local endpoint that `bind=` asks for, of the same kind as `to`.
fn from_endpoint(bind: Option<&BindTo>, to: &Endpoint) -> Option<Endpoint> {
    match (bind?, to) {
        (BindTo::Internet { ip, port, .. }, Endpoint::Inet(to)) => {
            let any = match to {
                SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            Some(SocketAddr::new(ip.unwrap_or(any), *port).into())
        }
        (BindTo::Path(path), Endpoint::Unix(_)) => {
            Some(Endpoint::Unix(UnixName::Path(path.clone())))
        }
        (BindTo::Abstract(name), Endpoint::Unix(_)) => {
            Some(Endpoint::Unix(UnixName::Abstract(name.clone())))
        }
        _ => None,
    }
}

/// IP versions in turn, beginning with that of the first endpoint (RFC 8305, section 4).
fn interleaved(endpoints: Vec<Endpoint>) -> Vec<Endpoint> {
    let is_v4 = |endpoint: &Endpoint| endpoint.inet().is_some_and(|ip| ip.is_ipv4());
    let first_is_v4 = endpoints.first().is_some_and(is_v4);
    let (first, second): (Vec<_>, Vec<_>) = endpoints
        .into_iter()
        .partition(|endpoint| is_v4(endpoint) == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::new();
    loop {
        let (one, other) = (first.next(), second.next());
        if one.is_none() && other.is_none() {
            return order;
        }
        order.extend(one.into_iter().chain(other));
    }
}

/// One connect over several endpoints.
struct Race<'a, N> {
    network: &'a N,
    bind: Option<&'a BindTo>,
    options: &'a ConnectOptions,
    attempts: &'a mut Vec<Attempt>,
}

type Runner = (Endpoint, io::Result<Connection>);

impl<N: Network> Race<'_, N> {
    async fn run(self, endpoints: Vec<Endpoint>) -> Result<Connection, ConnectErrorKind> {
        let mut waiting = endpoints.into_iter();
        let mut runners: JoinSet<Runner> = JoinSet::new();
        let mut next_at = Instant::now();
        loop {
            if runners.is_empty() || Instant::now() >= next_at {
                match waiting.next() {
                    Some(endpoint) => self.start(&mut runners, endpoint),
                    None if runners.is_empty() => return Err(ConnectErrorKind::Failed),
                    None => {}
                }
                next_at = Instant::now() + CONNECT_STAGGER;
            }
            let more = waiting.len() > 0;
            tokio::select! {
                biased;
                Some(ended) = runners.join_next() => match ended {
                    Ok((_, Ok(connection))) => return Ok(connection),
                    Ok((endpoint, Err(error))) => {
                        self.attempts.push(Attempt { endpoint, error });
                        next_at = Instant::now();
                    }
                    // A runner that panicked has nothing to report.
                    Err(_) => next_at = Instant::now(),
                },
                () = tokio::time::sleep_until(next_at), if more => {}
            }
        }
    }

    fn start(&self, runners: &mut JoinSet<Runner>, endpoint: Endpoint) {
        let network = self.network.clone();
        let mut options = self.options.clone();
        options.from = from_endpoint(self.bind, &endpoint).or(options.from);
        runners.spawn(async move {
            let outcome = network.connect(&endpoint, &options).await;
            (endpoint, outcome)
        });
    }
}

/// A connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub struct ConnectError {
    /// Where to.
    pub address: Box<Address>,
    /// Every endpoint that was tried and failed, in order.
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
            write!(f, "{comma}{} ({})", words(&attempt.error), attempt.endpoint)?;
        }
        Ok(())
    }
}
