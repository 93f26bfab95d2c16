//! The client side: resolve, try every address, time out.
//!
//! Names are resolved anew for every connect. All addresses of a name are tried
//! by *happy eyeballs* (RFC 8305): IPv6 and IPv4 in turn, the next one after
//! 250 ms or as soon as one fails; the first that answers wins, and each failure
//! is reported.

mod error;
mod race;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::address::{Address, BindTo, ByteSize, Scheme};
use crate::connection::Connection;
use crate::datagram::Datagrams;
use crate::limits::CONNECT_TIMEOUT;
use crate::network::{
    BindOptions, ConnectOptions, Endpoint, Network, Os, Role, StreamKind, UnixName,
};
use crate::service::Timeouts;
use crate::tls::{ClientTls, host_of};

use error::Tried;
use race::{Race, interleaved};

pub use error::{Attempt, ConnectError, ConnectErrorKind};

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
        let mut tried = Tried::default();
        let work = self.connect_untimed(address, &mut tried);
        let outcome = match self.connect_timeout {
            None => work.await,
            Some(timeout) => match tokio::time::timeout(timeout, work).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    tried.time_out();
                    Err(ConnectErrorKind::TimedOut(timeout))
                }
            },
        };
        match outcome {
            Ok(mut connection) => {
                connection.set_timeouts(self.timeouts);
                Ok(connection)
            }
            Err(kind) => Err(failed(address, tried.failed, kind)),
        }
    }

    /// Binds a datagram socket that talks to `address` alone, or to everybody who
    /// answers where `address` is a broadcast or multicast one. Gives the socket
    /// and the endpoint to send to: the first of [`Client::datagram_candidates`] for
    /// which a socket can be bound.
    ///
    /// # Errors
    /// As [`Client::connect`]. That nobody listens shows only when something is sent.
    pub async fn datagrams(
        &self,
        address: &Address,
    ) -> Result<(Datagrams, Endpoint), ConnectError> {
        let mut attempts = Vec::new();
        for to in self.datagram_candidates(address).await? {
            match self.bind_for(&to, address).await {
                Ok(socket) => return Ok((socket, to)),
                Err(error) => attempts.push(Attempt {
                    endpoint: to,
                    error,
                }),
            }
        }
        Err(failed(address, attempts, ConnectErrorKind::Failed))
    }

    /// The endpoints that `address` may mean to a client of datagrams, in the order to
    /// try them; never none.
    ///
    /// Whether somebody listens shows only when something was sent: the socket then
    /// reports [`io::ErrorKind::ConnectionRefused`]. Until the first answer the next
    /// endpoint may be tried, with [`Client::datagrams_to`]. For `localhost`, IPv4 comes
    /// first: most simple servers bind only that.
    ///
    /// # Errors
    /// [`ConnectErrorKind::Resolve`] where the name leads nowhere, and
    /// [`ConnectErrorKind::WrongScheme`] where the address carries connections.
    pub async fn datagram_candidates(
        &self,
        address: &Address,
    ) -> Result<Vec<Endpoint>, ConnectError> {
        if !address.scheme.is_datagram() {
            let words = format!(
                "{}: carries connections, not datagrams",
                address.scheme.as_str()
            );
            let kind = ConnectErrorKind::WrongScheme(words);
            return Err(failed(address, Vec::new(), kind));
        }
        let resolved = self.network.resolve(address, Role::Reach).await;
        let mut endpoints = resolved.map_err(|error| failed(address, Vec::new(), error.into()))?;
        if host_of(address).eq_ignore_ascii_case("localhost") {
            endpoints.sort_by_key(|to| to.inet().is_some_and(|to| to.is_ipv6()));
        }
        if endpoints.is_empty() {
            return Err(failed(address, Vec::new(), ConnectErrorKind::Failed));
        }
        Ok(endpoints)
    }

    /// As [`Client::datagrams`], towards one of the address's endpoints.
    ///
    /// # Errors
    /// [`ConnectErrorKind::Failed`], with the endpoint and why no socket could be bound
    /// for it.
    pub async fn datagrams_to(
        &self,
        address: &Address,
        to: &Endpoint,
    ) -> Result<Datagrams, ConnectError> {
        self.bind_for(to, address).await.map_err(|error| {
            let endpoint = to.clone();
            let attempts = vec![Attempt { endpoint, error }];
            failed(address, attempts, ConnectErrorKind::Failed)
        })
    }

    async fn connect_untimed(
        &self,
        address: &Address,
        tried: &mut Tried,
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
            tried,
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
                    .blocking(move || ClientTls::for_address(&address))
                    .await;
                let abandoned = || io::Error::other("reading the certificates was abandoned");
                made.ok_or_else(abandoned)??.0
            }
        };
        let host = host_of(address);
        connection
            .connect_tls(&tls, &host)
            .await
            .map_err(|error| ConnectErrorKind::Handshake(Box::new(error)))
    }

    async fn bind_for(&self, to: &Endpoint, address: &Address) -> io::Result<Datagrams> {
        let mut options = BindOptions::default();
        options.apply(&address.options);
        let at = match from_endpoint(address.options.bind.as_ref(), to) {
            Some(at) => at,
            None => self.unnamed_for(to),
        };
        let mut socket = self.network.bind(&at, &options).await?;
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

fn failed(address: &Address, attempts: Vec<Attempt>, kind: ConnectErrorKind) -> ConnectError {
    ConnectError {
        address: Box::new(address.clone()),
        attempts,
        kind,
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
