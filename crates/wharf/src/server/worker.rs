//! Threads that are ready for a connection before there is one.
//!
//! A thread with a runtime costs descriptors (epoll, eventfd) and memory. Were it
//! made for a client that is accepted already, want of them would cost this client
//! its connection. So each listener in [`Mode::Threads`](super::Mode::Threads) keeps
//! one spare worker, and accepts only while it has one.

use std::io;
use std::sync::{Arc, mpsc};
use std::thread;

use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::session::Session;
use crate::connection::Detached;

/// A thread that waits, with a runtime of its own, for the connection that it is to
/// serve. Dropping it ends the thread.
#[derive(Debug)]
pub(super) struct Worker {
    hand_over: mpsc::SyncSender<Job>,
}

type Job = (Session, Detached);

impl Worker {
    /// Starts a thread. Cancel safe: a thread that nobody waits for ends.
    ///
    /// # Errors
    /// Those of `pthread_create(3)`, `epoll_create1(2)` and `eventfd(2)`.
    pub(super) async fn start(name: String) -> io::Result<Self> {
        let (hand_over, taken) = mpsc::sync_channel(1);
        let (ready, started) = oneshot::channel();
        thread::Builder::new()
            .name(name)
            .spawn(move || work(ready, &taken))?;
        match started.await {
            Ok(outcome) => outcome.map(|()| Worker { hand_over }),
            Err(_) => Err(io::Error::other("a thread ended at once")),
        }
    }

    /// Has the thread serve a connection, its first and last one.
    pub(super) fn serve(self, session: Session, connection: Detached) {
        if let Err(mpsc::SendError((session, _))) = self.hand_over.send((session, connection)) {
            session.not_begun(&io::Error::other("the thread that was ready has ended"));
        }
    }
}

fn work(ready: oneshot::Sender<io::Result<()>>, taken: &mpsc::Receiver<Job>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let (runtime, outcome): (Option<Runtime>, _) = match runtime {
        Ok(runtime) => (Some(runtime), Ok(())),
        Err(error) => (None, Err(error)),
    };
    // Where nobody waits any more, the channel of jobs is closed as well.
    let _ = ready.send(outcome);
    let (Some(runtime), Ok((session, connection))) = (runtime, taken.recv()) else {
        return;
    };
    let shared = Arc::clone(&session.shared);
    session.run_in(&runtime, connection);
    drop(runtime);
    // The connection's descriptor was given back before; these are the runtime's.
    shared.freed.notify_waiters();
}
