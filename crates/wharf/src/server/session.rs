//! One connection's life: handshake, service, close.

use std::any::Any;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Runtime;
use tracing::Instrument as _;

use super::admission::{PeerShare, Place};
use super::events::{ConnectionInfo, Event};
use super::registry::Entry;
use super::shared::{Served, Shared};
use super::worker::Worker;
use crate::connection::{CloseReason, Connection, Detached, Watch};
use crate::limits;
use crate::service::AnyService;
use crate::tls::{HandshakeError, ServerTls};

/// An admitted connection and all that it holds in the server.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) shared: Arc<Shared>,
    pub(super) served: Arc<Served>,
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) watch: Arc<Watch>,
    pub(super) service: AnyService,
    pub(super) entry: Entry,
    /// The place, the turn and the peer's share: all are given back together, when
    /// the connection is closed.
    pub(super) _held: (Place, Option<tokio::sync::OwnedSemaphorePermit>, PeerShare),
}

/// How a handshake ended: by itself, or for a reason of the server's.
type Shaken = Result<Result<Connection, HandshakeError>, CloseReason>;

/// How a conversation ended.
struct Ending {
    reason: CloseReason,
    detail: Option<String>,
}

impl From<CloseReason> for Ending {
    fn from(reason: CloseReason) -> Self {
        Ending {
            reason,
            detail: None,
        }
    }
}

impl Session {
    /// The span in which everything of the connection is traced.
    pub(super) fn span(&self) -> tracing::Span {
        tracing::debug_span!(
            "connection",
            id = self.info.id,
            service = &*self.served.name,
            peer = %self.info.peer,
        )
    }

    /// Serves `connection` on the thread of `worker`.
    pub(super) fn run_on_thread(self, worker: Worker, connection: Connection) {
        match connection.detach() {
            Ok(detached) => worker.serve(self, detached),
            Err(error) => self.not_begun(&error),
        }
    }

    /// Serves `connection` to its end in `runtime`, which is this thread's own.
    pub(super) fn run_in(self, runtime: &Runtime, connection: Detached) {
        runtime.block_on(async {
            match connection.attach() {
                Ok(connection) => {
                    let span = self.span();
                    Box::new(self).run(connection).instrument(span).await;
                }
                Err(error) => self.not_begun(&error),
            }
        });
    }

    /// Reports a connection for which this machine had no means.
    pub(super) fn not_begun(self, error: &io::Error) {
        self.shared.tell(&Event::Opened {
            connection: &self.info,
        });
        self.closed(Ending {
            reason: CloseReason::ServiceFailed,
            detail: Some(error.to_string()),
        });
    }

    /// Serves `connection` to its end.
    ///
    /// This future is what an idle connection costs in memory. So what happens once
    /// and is large, the handshake and the closing, is boxed for its time; and it is
    /// a block, because an `async fn` keeps room for its arguments twice. The session
    /// itself lies beside it, so that what a message touches lies close together.
    #[allow(clippy::manual_async_fn)]
    pub(super) fn run(
        self: Box<Self>,
        mut connection: Connection,
    ) -> impl Future<Output = ()> + Send {
        async move {
            tracing::debug!("opened");
            self.shared.tell(&Event::Opened {
                connection: &self.info,
            });
            if let Some(tls) = &self.served.tls {
                match Box::pin(self.secure(tls, connection)).await {
                    Ok(secured) => connection = secured,
                    Err(ending) => return self.closed(ending),
                }
            }
            connection.set_watch(Arc::clone(&self.watch));
            let ending = self.converse(&mut connection).await;
            self.watch.set_over();
            Box::pin(self.close(&mut connection, &ending)).await;
            drop(connection);
            self.closed(ending);
        }
    }

    /// The TLS handshake, off the accept loop and with its own timeout.
    async fn secure(&self, tls: &ServerTls, connection: Connection) -> Result<Connection, Ending> {
        let handshake = connection.accept_tls(tls);
        let most = self.shared.limits.handshake_timeout;
        let handshake = async {
            let shaken: Shaken = tokio::select! {
                biased;
                done = handshake => Ok(done),
                () = tokio::time::sleep(most) => Err(CloseReason::TlsTimeout),
                () = self.drained_for(limits::DRAIN_HANDSHAKE) => Err(CloseReason::Drained),
            };
            shaken
        };
        match self.supervise(pin!(handshake)).await {
            Outcome::Done(Ok(Ok(secured))) => {
                if let Some(tls) = secured.tls() {
                    self.shared.tell(&Event::Secured {
                        connection: &self.info,
                        tls,
                    });
                }
                Ok(secured)
            }
            Outcome::Done(Ok(Err(error))) => Err(Ending {
                reason: CloseReason::TlsFailed,
                detail: Some(error.to_string()),
            }),
            Outcome::Done(Err(reason)) => Err(reason.into()),
            Outcome::Condemned(reason) => Err(reason.into()),
            Outcome::Panicked(panic) => Err(Ending {
                reason: CloseReason::ServicePanicked,
                detail: Some(words_of(&*panic)),
            }),
        }
    }

    /// Waits until the drain has begun, and `time` longer.
    async fn drained_for(&self, time: Duration) {
        self.shared.drain.begun().await;
        tokio::time::sleep(time).await;
    }

    async fn converse(&self, connection: &mut Connection) -> Ending {
        let serving = self.service.begin(connection, &self.shared.context);
        let outcome = self.supervise(serving).await;
        match outcome {
            Outcome::Condemned(reason) => reason.into(),
            Outcome::Panicked(panic) => Ending {
                reason: CloseReason::ServicePanicked,
                detail: Some(words_of(&*panic)),
            },
            // What a service makes of an input that the drain ended is not its peer's fault.
            Outcome::Done(_) if connection.ended_by_drain() => CloseReason::Drained.into(),
            Outcome::Done(Err(error)) => Ending {
                reason: error.reason(),
                detail: Some(error.to_string()),
            },
            Outcome::Done(Ok(())) if connection.saw_end() => CloseReason::PeerClosed.into(),
            Outcome::Done(Ok(())) => CloseReason::Finished.into(),
        }
    }

    /// Closes in the way that fits the reason.
    async fn close(&self, connection: &mut Connection, ending: &Ending) {
        match ending.reason {
            // These peers take nothing any more: closing in order would wait for them.
            CloseReason::SlowReader | CloseReason::CutOff => connection.reset(),
            CloseReason::PeerReset => {}
            reason => {
                let linger = match reason {
                    CloseReason::Drained => limits::DRAIN_LINGER,
                    _ => limits::LINGER,
                };
                let winding = pin!(connection.wind_down(linger));
                // A peer that is gone meanwhile, or a drain that is over, ends the wait.
                // The verdict that ended the conversation does not.
                let _ = self.supervise_until(winding, Ends::WhenCut).await;
            }
        }
    }

    /// Counts and reports the end.
    fn closed(mut self, ending: Ending) {
        let (received, sent) = (self.watch.received(), self.watch.sent());
        let messages = self.watch.messages();
        self.entry.close(&self.shared.totals, ending.reason);
        self.shared.freed.notify_waiters();
        tracing::debug!(reason = %ending.reason, received, sent, messages, "closed");
        self.shared.tell(&Event::Closed {
            connection: &self.info,
            reason: ending.reason,
            detail: ending.detail,
            received,
            sent,
            messages,
            lasted: self.info.opened.elapsed(),
        });
    }

    fn supervise<F: Future + Unpin>(&self, future: F) -> Supervised<'_, F> {
        self.supervise_until(future, Ends::WhenCondemned)
    }

    fn supervise_until<F: Future + Unpin>(&self, future: F, ends: Ends) -> Supervised<'_, F> {
        Supervised {
            future,
            watch: &self.watch,
            ends,
            known: None,
        }
    }
}

/// A future that ends early when its connection is condemned, and that turns a
/// panic into a value, so that the connection is closed in order and counted.
struct Supervised<'a, F> {
    future: F,
    watch: &'a Watch,
    ends: Ends,
    /// The waker that the watch has already: a task's is the same at every poll,
    /// so the watch's lock is taken once per connection, not once per message.
    known: Option<Waker>,
}

/// What ends a supervised future early.
#[derive(Clone, Copy)]
enum Ends {
    /// Any reason to end the connection.
    WhenCondemned,
    /// Only the end of all patience.
    WhenCut,
}

impl<F> Supervised<'_, F> {
    fn verdict(&self) -> Option<CloseReason> {
        match self.ends {
            Ends::WhenCondemned => self.watch.verdict(),
            Ends::WhenCut => self.watch.is_cut().then_some(CloseReason::CutOff),
        }
    }
}

enum Outcome<T> {
    Done(T),
    Condemned(CloseReason),
    Panicked(Box<dyn Any + Send>),
}

impl<F: Future + Unpin> Future for Supervised<'_, F> {
    type Output = Outcome<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(reason) = this.verdict() {
            return Poll::Ready(Outcome::Condemned(reason));
        }
        let was_draining = this.watch.is_draining();
        // The future is dropped after a panic, so nothing broken is seen again.
        let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut this.future).poll(cx)));
        match polled {
            Ok(Poll::Ready(value)) => Poll::Ready(Outcome::Done(value)),
            Ok(Poll::Pending) => {
                // Remember the task *after* the poll, then look once more: a verdict
                // that came in between found no task to wake.
                if !this
                    .known
                    .as_ref()
                    .is_some_and(|known| known.will_wake(cx.waker()))
                {
                    this.known = Some(cx.waker().clone());
                    this.watch.set_waker(cx.waker());
                }
                if this.watch.is_draining() != was_draining {
                    // The same for a drain that began on another core.
                    cx.waker().wake_by_ref();
                }
                match this.verdict() {
                    Some(reason) => Poll::Ready(Outcome::Condemned(reason)),
                    None => Poll::Pending,
                }
            }
            Err(panic) => Poll::Ready(Outcome::Panicked(panic)),
        }
    }
}

/// What a panic said.
pub(super) fn words_of(panic: &(dyn Any + Send)) -> String {
    if let Some(text) = panic.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = panic.downcast_ref::<String>() {
        text.clone()
    } else {
        "the service panicked".to_owned()
    }
}
