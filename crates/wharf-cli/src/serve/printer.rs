//! Events on stdout, one line each.
//!
//! The serving threads only hand an event over; one thread turns events into
//! text and writes. So a slow terminal never holds up a client: what does not fit
//! the queue is counted, and the count is printed.

use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::line::Line;

/// How many events may wait for the terminal.
const QUEUE: usize = 16 * 1024;

/// How long events are gathered once one has come: waking this thread and writing
/// for each of twenty thousand connections a second would cost the server a fifth.
const GATHER: Duration = Duration::from_millis(5);

/// How many bytes of text are collected before they are written.
const BUFFER: usize = 64 * 1024;

/// The way to the printing thread.
#[derive(Clone)]
pub(crate) struct Printer {
    queue: SyncSender<Order>,
    state: Arc<State>,
}

enum Order {
    Print(Line),
    /// Everything before it is to be written now.
    Flush(std::sync::mpsc::Sender<()>),
}

#[derive(Default)]
struct State {
    lost: AtomicU64,
    closed: AtomicBool,
    changed: Notify,
}

impl Printer {
    /// Starts the thread; `render` turns an event into a line of text, or nothing.
    pub(crate) fn start(
        render: impl Fn(&Line) -> Option<String> + Send + 'static,
    ) -> io::Result<(Printer, JoinHandle<()>)> {
        let (queue, orders) = sync_channel(QUEUE);
        let state = Arc::new(State::default());
        let seen = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("wharf-printer".into())
            .spawn(move || print_all(&orders, &seen, render))?;
        Ok((Printer { queue, state }, thread))
    }

    /// Hands an event over; never waits.
    pub(crate) fn print(&self, line: Line) {
        match self.queue.try_send(Order::Print(line)) {
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.state.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits until everything printed so far is written, for a second at most: a
    /// terminal that takes nothing must not keep the server from ending.
    pub(crate) fn flush(&self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let until = Instant::now() + PATIENCE;
        let (done, wait) = std::sync::mpsc::channel();
        let mut order = Order::Flush(done);
        while Instant::now() < until {
            match self.queue.try_send(order) {
                Ok(()) => {
                    // Not written in time is not written; the exit code tells the rest.
                    let left = until.saturating_duration_since(Instant::now());
                    let _ = wait.recv_timeout(left);
                    return;
                }
                Err(TrySendError::Disconnected(_)) => return,
                Err(TrySendError::Full(back)) => {
                    order = back;
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        }
    }

    /// Waits until nobody reads stdout any more (`wharf serve | head`).
    pub(crate) async fn closed(&self) {
        loop {
            let changed = self.state.changed.notified();
            if self.state.closed.load(Ordering::Acquire) {
                return;
            }
            changed.await;
        }
    }
}

fn print_all(orders: &Receiver<Order>, state: &State, render: impl Fn(&Line) -> Option<String>) {
    let mut output = BufWriter::with_capacity(BUFFER, io::stdout());
    loop {
        // Write what is there when no event waits; else keep collecting.
        let order = match orders.try_recv() {
            Ok(order) => Some(order),
            Err(_) => {
                if output.flush().is_err() {
                    break;
                }
                match orders.recv_timeout(Duration::from_secs(3_600)) {
                    Ok(order) => {
                        std::thread::sleep(GATHER);
                        Some(order)
                    }
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        };
        let written = match order {
            None => Ok(()),
            Some(Order::Print(line)) => write_line(&mut output, &line, state, &render),
            Some(Order::Flush(done)) => {
                let written = output.flush();
                // Nobody waits any more: that is fine.
                let _ = done.send(());
                written
            }
        };
        if written.is_err() {
            break;
        }
    }
    state.closed.store(true, Ordering::Release);
    state.changed.notify_waiters();
}

fn write_line(
    output: &mut impl Write,
    line: &Line,
    state: &State,
    render: &impl Fn(&Line) -> Option<String>,
) -> io::Result<()> {
    let lost = state.lost.swap(0, Ordering::Relaxed);
    if lost > 0
        && let Some(text) = render(&Line::now(super::line::Told::Lost { events: lost }))
    {
        writeln!(output, "{text}")?;
    }
    match render(line) {
        Some(text) => writeln!(output, "{text}"),
        None => Ok(()),
    }
}
