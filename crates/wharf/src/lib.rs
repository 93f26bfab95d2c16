//! Serve network services and connect to them: TCP, UDP, Unix sockets and TLS
//! behind one address syntax and one set of limits.
//!
//! A service says what to answer. The rest is here, and has its bounds from the
//! start: caps on connections, timeouts, accept errors, half-close, TLS, a drain
//! with a deadline, and a name for every way in which a connection can end.
//!
//! # A service
//! ```no_run
//! use wharf::datagram::Datagrammed;
//! use wharf::framing::Framing;
//! use wharf::server::Server;
//! use wharf::service::Framed;
//!
//! fn shout(line: &[u8], reply: &mut Vec<u8>) {
//!     reply.extend(line.to_ascii_uppercase());
//! }
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let running = Server::new()
//!     .serve("shout", "tcp::7000".parse()?, Framed::new(Framing::default(), shout))
//!     .serve("shout", "tls::7443,self-signed".parse()?, Framed::new(Framing::default(), shout))
//!     .serve_datagrams("shout", "udp::7000".parse()?, Datagrammed(shout))
//!     .start()
//!     .await?;
//! tokio::signal::ctrl_c().await?;
//! running.drain().await;
//! # Ok(())
//! # }
//! ```
//!
//! # A client
//! ```no_run
//! # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
//! use wharf::client::Client;
//!
//! let mut server = Client::new().connect(&"localhost:7000".parse()?).await?;
//! server.write_all(b"hello\n").await?;
//! server.finish().await?;
//! while let Some(chunk) = server.read_chunk().await? {
//!     print!("{}", String::from_utf8_lossy(&chunk));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//! In the order in which a message meets them, which is a good order to read them in:
//!
//! - [`address`]: where – `[scheme:]target[,option=value…]`, and errors that suggest
//!   the right spelling.
//! - [`network`]: how bytes travel. The seam: the operating system's network, one in
//!   memory for tests, or yours.
//! - [`connection`]: a byte stream with one peer, and why it closed.
//! - [`datagram`]: datagrams in batches, and conversations over them.
//! - [`framing`]: where one message ends and the next begins. No I/O.
//! - [`service`]: what to say; the traits to implement, and adaptors.
//! - [`server`]: accept, admit, limit, observe, drain.
//! - [`client`]: resolve, try every address, time out.
//! - [`tls`]: certificates, trust, and handshake errors in words.
//! - [`limits`]: every limit, with its default and the reason for it.
//! - [`names`]: names of hosts, services and ports; byte order.
//!
//! # Guide
//! One short chapter for each task: [writing a service](guide::writing_a_service),
//! [framing](guide::framing), [timeouts and limits](guide::timeouts_and_limits),
//! [draining](guide::draining), [datagrams](guide::datagrams), [TLS](guide::tls) and
//! [testing a service](guide::testing_a_service). The same chapters stand in
//! `docs/guide/`, and programs to start and change in `examples/`.
//!
//! # What it does not do
//! It never prints: it reports through events ([`server::Observer`]), `tracing` and
//! `metrics`, and no payload is in a log line. Call it from a tokio runtime, of a single
//! thread or of several; [`server::Server::cores`] adds a thread with a runtime for
//! each further core.

pub mod address;
pub mod client;
pub mod connection;
pub mod datagram;
pub mod framing;
// Nothing but text: it is read and tested, and not compiled into a program.
#[cfg(any(doc, doctest))]
pub mod guide;
pub mod limits;
pub mod names;
pub mod network;
pub mod server;
pub mod service;
pub mod tls;
