//! What to say to datagrams, and the loop that asks.

use std::future::pending;
use std::io;
use std::pin::pin;
use std::sync::Arc;

use tokio::time::Instant;

use super::{Batch, Datagrams};
use crate::limits::DRAIN_PAUSE;
use crate::service::Context;

/// How many batches are still answered after a drain began: enough for what a
/// receive buffer holds, and an end in sight when a peer never stops sending.
const DRAIN_BATCHES: usize = 64;

/// Answers to datagrams.
///
/// A service is called with everything that has arrived, at most one batch, and
/// puts its replies into the same batch. It is called synchronously, so it must
/// not block; what it cannot answer at once it answers from
/// [`timeout`](DatagramService::timeout). A conversation with state for each
/// peer is a [`Sessions`](super::Sessions).
///
/// ```
/// use wharf::datagram::{Batch, DatagramService};
/// use wharf::service::Context;
///
/// struct Shout;
///
/// impl DatagramService for Shout {
///     fn receive(&self, batch: &mut Batch, _: &Context) {
///         for i in 0..batch.len() {
///             batch.payload_mut(i).make_ascii_uppercase();
///             batch.reply_in_place(i);
///         }
///     }
/// }
/// ```
pub trait DatagramService: Send + Sync + 'static {
    /// Answers a batch of at least one datagram.
    fn receive(&self, batch: &mut Batch, context: &Context);

    /// When [`timeout`](DatagramService::timeout) is to be called next; asked
    /// again after every call of the other two.
    fn deadline(&self) -> Option<Instant> {
        None
    }

    /// Called at or after the [`deadline`](DatagramService::deadline) with a
    /// batch that holds no datagrams.
    fn timeout(&self, now: Instant, batch: &mut Batch, context: &Context) {
        let _ = (now, batch, context);
    }
}

impl<T: DatagramService + ?Sized> DatagramService for Arc<T> {
    fn receive(&self, batch: &mut Batch, context: &Context) {
        T::receive(self, batch, context);
    }

    fn deadline(&self) -> Option<Instant> {
        T::deadline(self)
    }

    fn timeout(&self, now: Instant, batch: &mut Batch, context: &Context) {
        T::timeout(self, now, batch, context);
    }
}

impl Datagrams {
    /// Serves `service` until the drain that `context` carries begins.
    ///
    /// What is queued by then is still answered, up to 64 batches. The batch
    /// carries the service's [`Amplification`](super::Amplification).
    ///
    /// # Errors
    /// Only when the socket itself is broken: errors of single datagrams are counted.
    pub async fn serve(
        &mut self,
        service: &impl DatagramService,
        batch: &mut Batch,
        context: &Context,
    ) -> io::Result<()> {
        let mut draining = pin!(context.draining());
        while !context.is_draining() {
            let due = service.deadline();
            if due.is_some_and(|due| due <= Instant::now()) {
                // Checked before every wait, so that a flood does not starve timers.
                self.time_out(service, batch, context).await?;
                tokio::task::coop::consume_budget().await;
                continue;
            }
            tokio::select! {
                biased;
                received = self.receive(batch) => {
                    received?;
                    self.answer(service, batch, context).await?;
                }
                () = &mut draining => break,
                () = until(due) => {}
            }
        }
        let outcome = self.answer_the_queue(service, batch, context).await;
        self.show_all_counters();
        outcome
    }

    /// Answers what had arrived when the drain began. A pause without a datagram
    /// ends it: in that time the reactor reports what is in the kernel.
    async fn answer_the_queue(
        &mut self,
        service: &impl DatagramService,
        batch: &mut Batch,
        context: &Context,
    ) -> io::Result<()> {
        for _ in 0..DRAIN_BATCHES {
            match tokio::time::timeout(DRAIN_PAUSE, self.receive(batch)).await {
                Err(_) => break,
                Ok(received) => received?,
            };
            self.answer(service, batch, context).await?;
        }
        Ok(())
    }

    async fn answer(
        &mut self,
        service: &impl DatagramService,
        batch: &mut Batch,
        context: &Context,
    ) -> io::Result<()> {
        service.receive(batch, context);
        self.send(batch).await?;
        self.show_counters();
        Ok(())
    }

    async fn time_out(
        &mut self,
        service: &impl DatagramService,
        batch: &mut Batch,
        context: &Context,
    ) -> io::Result<()> {
        batch.clear();
        service.timeout(Instant::now(), batch, context);
        self.send(batch).await?;
        Ok(())
    }
}

/// Waits until `due`, forever if there is none.
async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => pending().await,
    }
}
