//! The client side: every address of a name is tried, every failure is told,
//! nothing waits for ever.

mod common;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use common::{Echo, address, asked, soon, started, to};
use tokio::time::Instant;
use wharf::address::{Address, Scheme};
use wharf::client::{Client, ConnectErrorKind};
use wharf::connection::{Connection, Listener};
use wharf::datagram::Datagrams;
use wharf::network::{
    BindOptions, ConnectOptions, Endpoint, ListenOptions, MemoryNetwork, Network, Platform,
    ResolveError, Role,
};
use wharf::server::{Running, Server};
use wharf::service::{Context, Service, ServiceError, Timeouts};
use wharf::tls::HandshakeError;

/// A network in memory with one name of many addresses. By their port, some
/// connects never end, and some fail after a while.
#[derive(Clone)]
struct Odd {
    network: MemoryNetwork,
    endpoints: Vec<Endpoint>,
}

const HANGS: u16 = 1;
const FAILS_AT_ONCE: u16 = 2;
const FAILS_LATER: u16 = 3;
const ANSWERS: u16 = 7;

impl Odd {
    /// A network whose every name has these addresses, with an echo at [`ANSWERS`].
    async fn with(endpoints: &[&str]) -> (Self, Running) {
        let network = MemoryNetwork::new();
        let server = Server::on(network.clone()).serve("echo", address("tcp:127.0.0.1:7"), Echo);
        let (running, _) = started(server).await;
        let endpoints = endpoints
            .iter()
            .map(|text| text.parse::<SocketAddr>().unwrap().into())
            .collect();
        (Odd { network, endpoints }, running)
    }

    async fn connect(&self) -> (Result<Connection, wharf::client::ConnectError>, Duration) {
        let start = Instant::now();
        let client = Client::on(self.clone());
        let outcome = client.connect(&address("tcp:many.test:7")).await;
        (outcome, start.elapsed())
    }
}

impl Network for Odd {
    async fn resolve(&self, _: &Address, _: Role) -> Result<Vec<Endpoint>, ResolveError> {
        Ok(self.endpoints.clone())
    }

    async fn listen(&self, at: &Endpoint, options: &ListenOptions) -> io::Result<Listener> {
        self.network.listen(at, options).await
    }

    async fn connect(&self, to: &Endpoint, options: &ConnectOptions) -> io::Result<Connection> {
        match to.port() {
            Some(HANGS) => std::future::pending().await,
            Some(FAILS_AT_ONCE) => Err(io::ErrorKind::ConnectionRefused.into()),
            Some(FAILS_LATER) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Err(io::ErrorKind::HostUnreachable.into())
            }
            _ => self.network.connect(to, options).await,
        }
    }

    async fn bind(&self, at: &Endpoint, options: &BindOptions) -> io::Result<Datagrams> {
        self.network.bind(at, options).await
    }

    fn platform(&self) -> Platform {
        self.network.platform()
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_address_is_tried_after_a_quarter_of_a_second() {
    let (network, _running) = Odd::with(&["[::1]:1", "127.0.0.1:7"]).await;
    let (connection, took) = network.connect().await;
    assert_eq!(took.as_millis(), 250);
    asked(&mut connection.unwrap(), b"hello").await;
    let (network, _running) = Odd::with(&["[::1]:1", "[::2]:1", "127.0.0.1:7"]).await;
    // The IP versions take turns: the IPv4 one is second.
    let (connection, took) = network.connect().await;
    assert_eq!(took.as_millis(), 250);
    assert_eq!(connection.unwrap().peer().port(), Some(ANSWERS));
}

#[tokio::test(start_paused = true)]
async fn a_failure_makes_the_next_one_start_at_once() {
    let (network, _running) = Odd::with(&["[::1]:2", "127.0.0.1:7"]).await;
    let (connection, took) = network.connect().await;
    assert_eq!(took, Duration::ZERO);
    connection.unwrap();
    let (network, _running) = Odd::with(&["[::1]:3", "127.0.0.1:7"]).await;
    let (connection, took) = network.connect().await;
    assert_eq!(took.as_millis(), 100);
    connection.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_failure_is_told() {
    let (network, _running) = Odd::with(&["[::1]:2", "127.0.0.1:3", "[::2]:2"]).await;
    let (outcome, _) = network.connect().await;
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind, ConnectErrorKind::Failed));
    let tried: Vec<String> = error
        .attempts
        .iter()
        .map(|attempt| attempt.endpoint.to_string())
        .collect();
    assert_eq!(tried, ["[::1]:2", "127.0.0.1:3", "[::2]:2"]);
    let text = error.to_string();
    for tried in tried {
        assert!(text.contains(&tried), "{text}");
    }
    assert!(text.contains("connection refused"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_connect_has_its_time_over_all_addresses() {
    let (network, _running) = Odd::with(&["[::1]:2", "127.0.0.1:1", "127.0.0.2:1"]).await;
    let (outcome, took) = network.connect().await;
    assert_eq!(took.as_secs(), 10);
    let error = outcome.unwrap_err();
    assert!(matches!(error.kind, ConnectErrorKind::TimedOut(_)));
    // What had failed before the time was over is told as well.
    let text = error.to_string();
    assert!(text.contains("no answer within 10s"), "{text}");
    assert!(text.contains("connection refused ([::1]:2)"), "{text}");
    // And so is everybody who was asked and did not answer.
    let tried: Vec<(String, io::ErrorKind)> = error
        .attempts
        .iter()
        .map(|attempt| (attempt.endpoint.to_string(), attempt.error.kind()))
        .collect();
    assert_eq!(
        tried,
        [
            ("[::1]:2".to_owned(), io::ErrorKind::ConnectionRefused),
            ("127.0.0.1:1".to_owned(), io::ErrorKind::TimedOut),
            ("127.0.0.2:1".to_owned(), io::ErrorKind::TimedOut),
        ]
    );
    assert!(text.contains("timed out (127.0.0.2:1)"), "{text}");
}

/// Most simple servers are bound for IPv4 alone.
#[tokio::test]
async fn a_datagram_client_reaches_a_server_of_one_ip_version_on_localhost() {
    for at in ["127.0.0.1:0", "[::1]:0"] {
        let server = tokio::net::UdpSocket::bind(at).await.unwrap();
        let here = server.local_addr().unwrap();
        let target = address(&format!("udp:localhost:{}", here.port()));
        let client = Client::new();
        let candidates = client.datagram_candidates(&target).await.unwrap();
        let ips: Vec<bool> = candidates
            .iter()
            .map(|to| to.inet().unwrap().is_ipv4())
            .collect();
        assert_eq!(ips, [true, false]);
        assert_eq!(client.datagrams(&target).await.unwrap().1, candidates[0]);
        let mut socket = client.datagrams_to(&target, &here.into()).await.unwrap();
        socket.send_to(b"hello", &here.into()).await.unwrap();
        let mut heard = [0; 10];
        let length = soon(server.recv(&mut heard)).await.unwrap();
        assert_eq!(&heard[..length], b"hello");
    }
    let wrong = address("tcp:127.0.0.1:7");
    let error = Client::new().datagram_candidates(&wrong).await.unwrap_err();
    assert!(matches!(error.kind, ConnectErrorKind::WrongScheme(_)));
}

#[tokio::test]
async fn nobody_there_is_said_in_words() {
    let port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let nowhere = address(&format!("tcp:127.0.0.1:{port}"));
    let error = soon(Client::new().connect(&nowhere)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot connect to tcp:127.0.0.1:{port}: connection refused (127.0.0.1:{port})")
    );
}

#[tokio::test]
async fn a_server_that_never_shakes_hands_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = Client::new().connect_timeout(Some(Duration::from_millis(100)));
    let silent = address(&format!("tls:127.0.0.1:{port},insecure"));
    let error = soon(client.connect(&silent)).await.unwrap_err();
    assert!(
        matches!(error.kind, ConnectErrorKind::TimedOut(_)),
        "{error}"
    );
}

#[tokio::test]
async fn tls_errors_reach_the_caller() {
    let tls = Server::new().serve("echo", address("tls:127.0.0.1:0,self-signed"), Echo);
    let (running, _) = started(tls).await;
    let mut at = common::first(&running);
    asked(
        &mut soon(Client::new().connect(&at)).await.unwrap(),
        b"hello",
    )
    .await;

    at.options.tls.pin = vec![wharf::tls::Fingerprint::of(b"another certificate")];
    let error = soon(Client::new().connect(&at)).await.unwrap_err();
    let ConnectErrorKind::Handshake(handshake) = &error.kind else {
        panic!("{error}");
    };
    assert!(
        matches!(**handshake, HandshakeError::PinMismatch { .. }),
        "{error}"
    );
    at.options.tls.pin.clear();
    let error = soon(Client::new().connect(&at)).await.unwrap_err();
    assert!(
        matches!(error.kind, ConnectErrorKind::Handshake(_)),
        "{error}"
    );

    // A server that greets in plain text.
    struct Greets;
    impl Service for Greets {
        async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
            Ok(peer.write_all(b"220 welcome to plain text\r\n").await?)
        }
    }
    let plain = Server::new().serve("plain", address("tcp:127.0.0.1:0"), Greets);
    let (running, _) = started(plain).await;
    let mut at = common::first(&running);
    at.scheme = Scheme::Tls;
    at.options.tls.insecure = true;
    let error = soon(Client::new().connect(&at)).await.unwrap_err();
    assert!(error.to_string().contains("220 welcome"), "{error}");
}

#[tokio::test]
async fn the_server_sees_the_port_that_a_client_bound() {
    let (running, _) = started(Server::new().serve("echo", address("tcp:127.0.0.1:0"), Echo)).await;
    let port = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        free.local_addr().unwrap().port()
    };
    let to = to(&running.endpoints()[0]);
    let bound = address(&format!("{to},bind=127.0.0.1:{port}"));
    let mut connection = soon(Client::new().connect(&bound)).await.unwrap();
    asked(&mut connection, b"hello").await;
    let seen = running.snapshot().connections[0].peer.to_string();
    assert_eq!(seen, format!("127.0.0.1:{port}"));
    assert_eq!(connection.local().to_string(), seen);
}

#[tokio::test]
async fn a_bound_address_of_the_other_ip_version_is_no_obstacle() {
    let (running, _) = started(Server::new().serve("echo", address("tcp::0"), Echo)).await;
    let port = running.endpoints()[0].local.port().unwrap();
    let bound = address(&format!("tcp:localhost:{port},bind=127.0.0.1"));
    let mut connection = soon(Client::new().connect(&bound)).await.unwrap();
    asked(&mut connection, b"hello").await;
}

/// Takes everything and says nothing.
struct Hush;

impl Service for Hush {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        while peer.read_chunk().await?.is_some() {}
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn reads_and_writes_of_a_client_have_their_timeouts() {
    let network = MemoryNetwork::new();
    let server = Server::on(network.clone()).serve("hush", address("tcp::7"), Hush);
    let (running, _) = started(server).await;
    let client = Client::on(network.clone()).timeouts(Timeouts {
        read: Some(Duration::from_millis(1_500)),
        write: Some(Duration::from_secs(2)),
    });
    let mut connection = client.connect(&common::first(&running)).await.unwrap();
    for _ in 0..2 {
        let start = Instant::now();
        let error = connection.read_chunk().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(start.elapsed().as_millis(), 1_500);
        // It stays usable.
        connection.write_all(b"still here").await.unwrap();
    }
    // Nobody accepts here, so nobody reads.
    let here = "127.0.0.1:8".parse::<SocketAddr>().unwrap().into();
    let _deaf = network
        .listen(&here, &ListenOptions::default())
        .await
        .unwrap();
    let mut connection = client.connect(&address("tcp:127.0.0.1:8")).await.unwrap();
    let start = Instant::now();
    let error = connection.write_all(&[0; 1 << 20]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(start.elapsed().as_secs(), 2);
}
