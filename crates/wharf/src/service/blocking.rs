//! Services that block: std `Read` and `Write` on a thread of their own.

use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::{Semaphore, oneshot};

use crate::connection::Connection;
use crate::limits::{BLOCKING_THREADS, READ_BUFFER};
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
/// them, the handler's next read or write fails. Until it makes one its thread goes
/// on, without a connection; so threads are limited by themselves, see
/// [`Blocking::max_threads`].
#[derive(Clone, Debug)]
pub struct Blocking<F> {
    handler: F,
    timeouts: Timeouts,
    /// One permit per thread, held for as long as the thread runs.
    threads: Arc<Semaphore>,
}

/// How long a read or a write may wait; `None` waits as long as it takes.
///
/// Resolution is one millisecond; zero fails at once where it would wait.
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
            threads: Arc::new(Semaphore::new(BLOCKING_THREADS)),
        }
    }

    /// How many threads there are at once, over all addresses that this value and its
    /// clones serve; by default [`BLOCKING_THREADS`]. A connection that comes when all
    /// are busy waits for one, under the server's timeouts. 0 counts as 1.
    #[must_use]
    pub fn max_threads(mut self, most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        self.threads = Arc::new(Semaphore::new(most));
        self
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
    /// The peer has said everything: the end of the pipe is the end of its stream.
    all_said: Arc<AtomicBool>,
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
        let count = wait(self.timeouts.read, self.pipe.read(buffer))?;
        if count == 0 && !buffer.is_empty() && !self.all_said.load(Ordering::Acquire) {
            // A limit or an error ended the connection; half a message must not
            // look like a whole one.
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(count)
    }
}

impl Write for BlockingConnection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        wait(self.timeouts.write, self.pipe.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        wait(self.timeouts.write, self.pipe.flush())
    }
}

/// Runs `work` on this thread, which sleeps while it waits.
///
/// The pipe needs no runtime, so a handler may outlive the one of its connection.
fn wait<T>(timeout: Option<Duration>, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = TaskContext::from_waker(&waker);
    let mut work = pin!(work);
    loop {
        if let Poll::Ready(outcome) = work.as_mut().poll(&mut cx) {
            return outcome;
        }
        match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            None => thread::park(),
            Some(Duration::ZERO) => return Err(io::ErrorKind::TimedOut.into()),
            Some(left) => thread::park_timeout(left),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl<F> Service for Blocking<F>
where
    F: Fn(BlockingConnection) -> io::Result<()> + Clone + Send + Sync + 'static,
{
    async fn serve(&self, connection: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        // The thread may outlive this future, so it is the thread that holds the permit.
        let permit = Arc::clone(&self.threads)
            .acquire_owned()
            .await
            .map_err(ServiceError::failed)?;
        // The thread talks to a bounded pipe, so it can be cut off at any time: when
        // this future is dropped, its end of the pipe closes.
        let (ours, theirs) = duplex(READ_BUFFER);
        let all_said = Arc::default();
        let peer = BlockingConnection {
            pipe: theirs,
            all_said: Arc::clone(&all_said),
            timeouts: self.timeouts,
            peer: connection.peer().clone(),
            local: connection.local().clone(),
        };
        let handler = self.handler.clone();
        let (done, outcome) = oneshot::channel();
        thread::Builder::new()
            .name("wharf-blocking".into())
            .spawn(move || {
                let outcome = catch_unwind(AssertUnwindSafe(|| handler(peer)));
                drop(permit);
                // Nobody listens any more when the connection was ended by a limit.
                let _ = done.send(outcome);
            })
            .map_err(ServiceError::failed)?;
        let (from, to) = tokio::io::split(ours);
        Pump::new(from, to)
            .telling_of_the_end(all_said)
            .run(connection)
            .await?;
        match outcome.await {
            Ok(Ok(outcome)) => outcome.map_err(ServiceError::Io),
            // It goes on here, where the server takes it for what it is.
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(ServiceError::failed("the handler's thread was lost")),
        }
    }
}
