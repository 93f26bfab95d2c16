//! A network inside one process, for tests of services and servers.
//!
//! Streams are pairs of bounded pipes; endpoints are ordinary addresses that mean
//! something only here. Faults can be asked for: accept fails with any error
//! number, a connection is reset, input arrives one byte at a time or in pieces that are
//! late ([`Delivery`]), datagrams are lost, doubled or overtaken ([`DatagramFault`]). A
//! client that never reads needs no help: the pipe's bound ([`PIPE`]) makes the server wait.
//!
//! ```
//! use wharf::network::{ConnectOptions, ListenOptions, MemoryNetwork, Network};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let network = MemoryNetwork::new();
//! let here = "127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into();
//! let mut listener = network.listen(&here, &ListenOptions::default()).await.unwrap();
//! let mut client = network.connect(listener.local(), &ConnectOptions::default()).await.unwrap();
//! let mut server = listener.accept().await.unwrap();
//! client.write_all(b"hello").await.unwrap();
//! assert_eq!(&*server.read_chunk().await.unwrap().unwrap(), b"hello");
//! # });
//! ```

mod datagrams;
mod late;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};

use super::{
    BindOptions, ConnectOptions, Endpoint, ListenOptions, Network, Platform, ResolveError, Role,
    UnixName,
};
use crate::address::{Address, Host, Port, Target};
use crate::connection::{Accept, Connection, Listener};
use crate::datagram::Datagrams;
use crate::limits;

use late::Late;

pub use datagrams::{DATAGRAM_QUEUE, DatagramFault};

/// How many bytes one direction of a stream holds before the writer waits.
pub const PIPE: usize = 16 * 1024;

/// The first port that is given where 0 is asked for, and the first of a client.
const FIRST_DYNAMIC_PORT: u16 = 49_152;

/// A network inside this process. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryNetwork(Arc<Mutex<World>>);

/// How a stream treats its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Whatever is there, as a real network mostly does.
    #[default]
    AsSent,
    /// One byte per read: every message comes split at every place.
    ByteByByte,
    /// In pieces of 1 to 16 bytes, each of which comes after a delay of its own. Time can
    /// be paused, and the same seed makes the same pieces and delays for streams that are
    /// opened in the same order.
    Late {
        /// What sizes and delays are made of.
        seed: u64,
        /// The longest delay of a piece; it is counted in microseconds.
        most: Duration,
    },
}

#[derive(Debug, Default)]
struct World {
    /// Ordered, so that a run does not depend on a hash.
    listeners: BTreeMap<String, Arc<Mutex<Queue>>>,
    datagrams: datagrams::Inboxes,
    next_port: u16,
    delivery: Delivery,
    /// How many streams there were.
    streams: u64,
    resets: Vec<Arc<Mutex<Fate>>>,
}

/// What waits at one listener.
#[derive(Debug, Default)]
struct Queue {
    codes: VecDeque<i32>,
    waiting: VecDeque<Connection>,
    backlog: usize,
    waker: Option<Waker>,
    closed: bool,
}

/// Whether a stream goes on.
#[derive(Debug, Default)]
struct Fate {
    reset: bool,
    wakers: Vec<Waker>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here panics while it holds a lock; a test that does may look on.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryNetwork {
    /// A network with nobody on it.
    pub fn new() -> Self {
        MemoryNetwork::default()
    }

    /// Makes the next accepts at `at` fail with these error numbers (`errno`).
    pub fn fail_accepts(&self, at: &Endpoint, codes: impl IntoIterator<Item = i32>) {
        let queue = locked(&self.0).listeners.get(&at.to_string()).cloned();
        if let Some(queue) = queue {
            let mut queue = locked(&queue);
            queue.codes.extend(codes);
            if let Some(waker) = queue.waker.take() {
                waker.wake();
            }
        }
    }

    /// Sets how streams that are opened from now on deliver their bytes.
    pub fn deliver(&self, delivery: Delivery) {
        locked(&self.0).delivery = delivery;
    }

    /// Resets every open stream, as if both hosts had sent RST.
    pub fn reset_all(&self) {
        let fates = std::mem::take(&mut locked(&self.0).resets);
        for fate in fates {
            let mut fate = locked(&fate);
            fate.reset = true;
            fate.wakers.drain(..).for_each(Waker::wake);
        }
    }

    /// Two joined connections, without a listener.
    pub fn pair(&self) -> (Connection, Connection) {
        let mut world = locked(&self.0);
        let (a, b) = (world.dynamic_endpoint(), world.dynamic_endpoint());
        world.joined(&a, &b)
    }
}

impl World {
    fn dynamic_endpoint(&mut self) -> Endpoint {
        let port = self.next_port.max(FIRST_DYNAMIC_PORT);
        self.next_port = port.checked_add(1).unwrap_or(FIRST_DYNAMIC_PORT);
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port).into()
    }

    /// The two ends of one stream.
    fn joined(&mut self, client: &Endpoint, server: &Endpoint) -> (Connection, Connection) {
        let (near, far) = duplex(PIPE);
        let fate = Arc::new(Mutex::new(Fate::default()));
        self.resets.retain(|fate| Arc::strong_count(fate) > 1);
        self.resets.push(Arc::clone(&fate));
        let delivery = self.delivery;
        let streams = &mut self.streams;
        let mut end = |pipe| {
            *streams += 1;
            MemoryStream {
                pipe,
                fate: Arc::clone(&fate),
                reading: match delivery {
                    Delivery::AsSent => Reading::AsSent,
                    Delivery::ByteByByte => Reading::ByteByByte,
                    Delivery::Late { seed, most } => {
                        // Far apart, so that no two streams are alike.
                        let own = streams.wrapping_mul(0xd134_2543_de82_ef95);
                        Reading::Late(Late::new(seed ^ own, most))
                    }
                },
            }
        };
        (
            Connection::new(end(near), client.clone(), server.clone()),
            Connection::new(end(far), server.clone(), client.clone()),
        )
    }
}

impl Network for MemoryNetwork {
    async fn resolve(&self, address: &Address, _: Role) -> Result<Vec<Endpoint>, ResolveError> {
        let number = |port: &Port| match port {
            Port::Number(number) => Ok(*number),
            Port::Service(name) => Err(ResolveError {
                name: name.clone(),
                why: "the in-memory network knows no service names".into(),
                cure: None,
            }),
        };
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let endpoint = match &address.target {
            Target::Port(port) | Target::All(port) => {
                SocketAddr::new(loopback, number(port)?).into()
            }
            Target::Host { host, port } => {
                let ip = match host {
                    Host::V4(ip) => IpAddr::V4(*ip),
                    Host::V6 { addr, .. } => IpAddr::V6(*addr),
                    Host::Name(name) if name == "localhost" => loopback,
                    Host::Name(name) => {
                        return Err(ResolveError {
                            name: name.clone(),
                            why: "the in-memory network knows no host of this name".into(),
                            cure: None,
                        });
                    }
                };
                SocketAddr::new(ip, number(port)?).into()
            }
            Target::Path(path) => Endpoint::Unix(UnixName::Path(path.clone())),
            Target::Abstract(name) => Endpoint::Unix(UnixName::Abstract(name.clone())),
        };
        Ok(vec![endpoint])
    }

    async fn listen(&self, at: &Endpoint, options: &ListenOptions) -> io::Result<Listener> {
        let mut world = locked(&self.0);
        let at = match at.port() {
            Some(0) => world.dynamic_endpoint(),
            _ => at.clone(),
        };
        let taken = world
            .listeners
            .get(&at.to_string())
            .is_some_and(|queue| !locked(queue).closed);
        if taken {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let queue = Arc::new(Mutex::new(Queue {
            backlog: options.backlog.unwrap_or(limits::BACKLOG) as usize,
            ..Queue::default()
        }));
        world.listeners.insert(at.to_string(), Arc::clone(&queue));
        Ok(Listener::new(at, MemoryListener(queue)))
    }

    async fn connect(&self, to: &Endpoint, options: &ConnectOptions) -> io::Result<Connection> {
        let mut world = locked(&self.0);
        let queue = world.listeners.get(&to.to_string()).cloned();
        let queue = queue.ok_or(io::ErrorKind::ConnectionRefused)?;
        let mut queue = locked(&queue);
        if queue.closed || queue.waiting.len() >= queue.backlog {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let from = match &options.from {
            Some(from) => from.clone(),
            None => world.dynamic_endpoint(),
        };
        let (client, server) = world.joined(&from, to);
        queue.waiting.push_back(server);
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
        Ok(client)
    }

    async fn bind(&self, at: &Endpoint, options: &BindOptions) -> io::Result<Datagrams> {
        self.bind_datagrams(at, options)
    }

    fn platform(&self) -> Platform {
        Platform::os()
    }
}

struct MemoryListener(Arc<Mutex<Queue>>);

impl Accept for MemoryListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Connection>> {
        let mut queue = locked(&self.0);
        if let Some(code) = queue.codes.pop_front() {
            return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
        }
        if let Some(connection) = queue.waiting.pop_front() {
            return Poll::Ready(Ok(connection));
        }
        queue.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for MemoryListener {
    fn drop(&mut self) {
        let mut queue = locked(&self.0);
        queue.closed = true;
        queue.waiting.clear();
    }
}

/// One end of a stream.
struct MemoryStream {
    pipe: DuplexStream,
    fate: Arc<Mutex<Fate>>,
    reading: Reading,
}

/// How one end of a stream is read.
enum Reading {
    AsSent,
    ByteByByte,
    Late(Late),
}

impl MemoryStream {
    /// An error once the stream was reset; else remembers whom to wake then.
    fn check(&self, cx: &Context<'_>) -> io::Result<()> {
        let mut fate = locked(&self.fate);
        if fate.reset {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if !fate.wakers.iter().any(|known| known.will_wake(cx.waker())) {
            fate.wakers.push(cx.waker().clone());
        }
        Ok(())
    }
}

impl AsyncRead for MemoryStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        match &mut this.reading {
            Reading::AsSent => return Pin::new(&mut this.pipe).poll_read(cx, space),
            Reading::Late(late) => return late.poll_read(&mut this.pipe, cx, space),
            Reading::ByteByByte => {}
        }
        let mut one = [0; 1];
        let mut byte = ReadBuf::new(&mut one);
        let outcome = Pin::new(&mut this.pipe).poll_read(cx, &mut byte);
        if outcome.is_ready() {
            space.put_slice(byte.filled());
        }
        outcome
    }
}

impl AsyncWrite for MemoryStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.pipe).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(cx)?;
        Pin::new(&mut this.pipe).poll_shutdown(cx)
    }
}
