//! Services that block: std `Read` and `Write` on a thread of their own.

use std::io::{self, Read, Write};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::connection::Connection;
use crate::limits::READ_BUFFER;
use crate::network::Endpoint;
use crate::service::{Context, Pump, Service, ServiceError};

/// A handler that blocks, served with a thread per connection.
///
/// ```
/// use std::io::{BufRead, BufReader, Write};
/// use wharf::server::Server;
/// use wharf::service::{Blocking, BlockingConnection};
///
/// let greet = Blocking::new(|mut peer: BlockingConnection| {
///     let mut name = String::new();
///     BufReader::new(&mut peer).read_line(&mut name)?;
///     writeln!(peer, "hello, {}", name.trim_end())
/// });
/// let server = Server::new().serve("greet", "tcp::0".parse().unwrap(), greet);
/// ```
///
/// All limits of the server hold for it. When the connection is ended by one of
/// them, the handler's next read or write fails.
#[derive(Clone, Debug)]
pub struct Blocking<F> {
    handler: F,
    timeouts: Timeouts,
}

/// How long a read or a write may wait; `None` waits as long as it takes.
///
/// Resolution is one millisecond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// For one read.
    pub read: Option<Duration>,
    /// For one write.
    pub write: Option<Duration>,
}

impl<F> Blocking<F>
where
    F: Fn(BlockingConnection) -> io::Result<()> + Clone + Send + Sync + 'static,
{
    /// Serves `handler`.
    pub fn new(handler: F) -> Self {
        Blocking {
            handler,
            timeouts: Timeouts::default(),
        }
    }

    /// The timeouts with which every connection begins; see
    /// [`BlockingConnection::set_timeouts`].
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }
}

/// A connection for code that blocks. Dropping it ends this side's stream.
#[derive(Debug)]
pub struct BlockingConnection {
    pipe: DuplexStream,
    runtime: Handle,
    timeouts: Timeouts,
    peer: Endpoint,
    local: Endpoint,
}

impl BlockingConnection {
    /// The other side's endpoint.
    pub fn peer(&self) -> &Endpoint {
        &self.peer
    }

    /// This side's endpoint.
    pub fn local(&self) -> &Endpoint {
        &self.local
    }

    /// Sets how long reads and writes may wait from now on. A read or write that
    /// waited too long fails with [`io::ErrorKind::TimedOut`]; the connection stays usable.
    pub fn set_timeouts(&mut self, timeouts: Timeouts) {
        self.timeouts = timeouts;
    }
}

impl Read for BlockingConnection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let reading = self.pipe.read(buffer);
        self.runtime.block_on(within(self.timeouts.read, reading))
    }
}

impl Write for BlockingConnection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let writing = self.pipe.write(bytes);
        self.runtime.block_on(within(self.timeouts.write, writing))
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushing = self.pipe.flush();
        self.runtime.block_on(within(self.timeouts.write, flushing))
    }
}

async fn within<T>(
    timeout: Option<Duration>,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match timeout {
        None => work.await,
        Some(timeout) => tokio::time::timeout(timeout, work)
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
    }
}

impl<F> Service for Blocking<F>
where
    F: Fn(BlockingConnection) -> io::Result<()> + Clone + Send + Sync + 'static,
{
    async fn serve(&self, connection: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        // The thread talks to a bounded pipe, so it can be cut off at any time: when
        // this future is dropped, its end of the pipe closes.
        let (ours, theirs) = duplex(READ_BUFFER);
        let peer = BlockingConnection {
            pipe: theirs,
            runtime: Handle::current(),
            timeouts: self.timeouts,
            peer: connection.peer().clone(),
            local: connection.local().clone(),
        };
        let handler = self.handler.clone();
        let (done, outcome) = oneshot::channel();
        std::thread::Builder::new()
            .name("wharf-blocking".into())
            .spawn(move || {
                // Nobody listens any more when the connection was ended by a limit.
                let _ = done.send(handler(peer));
            })
            .map_err(ServiceError::failed)?;
        let (from, to) = tokio::io::split(ours);
        Pump::new(from, to).run(connection).await?;
        match outcome.await {
            Ok(outcome) => outcome.map_err(ServiceError::Io),
            Err(_) => Err(ServiceError::failed("the handler panicked")),
        }
    }
}
