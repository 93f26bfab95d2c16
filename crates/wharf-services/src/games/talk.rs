//! One connection's conversation with a game.
//!
//! ```text
//!   peer ──▶ lines ──▶ game ──▶ outbox ──▶ peer
//! ```
//! What waits is written before more is read, so a peer that asks without reading
//! holds up itself alone. Others that have something for it meanwhile leave it in
//! its outbox, and when that is full it is let go as a slow reader.

use std::future::pending;

use tokio::time::{Instant, sleep_until};
use wharf::connection::{CloseReason, Connection, DrainReads};
use wharf::framing::{Decoder, Framing, Limits, OnTooLong};
use wharf::service::{Context, ServiceError};

use super::hall::{Hall, Seat};
use super::{Ending, Game, MAX_LINE};

impl<G: Game> Hall<G> {
    /// Plays with `peer` until one side ends it.
    pub(crate) async fn talk(
        &self,
        peer: &mut Connection,
        context: &Context,
    ) -> Result<(), ServiceError> {
        let seat = self.sit(&peer.peer().clone(), context);
        let limits = Limits {
            max_message: MAX_LINE,
            on_too_long: OnTooLong::Skip,
        };
        let mut decoder = Decoder::new(&Framing::default(), limits);
        let (mut input, mut listens) = (None, true);
        loop {
            let orders = seat.take();
            if !orders.output.is_empty() {
                write(peer, &seat, &orders.output).await?;
                continue;
            }
            if let Some(ending) = orders.ending {
                return end(ending);
            }
            if let Some(mut chunk) = input.take() {
                peer.count_messages(seat.say(&mut decoder, &mut chunk));
                input = (!chunk.is_empty()).then_some(chunk);
                continue;
            }
            // In the middle of a line a drain waits for its end.
            peer.read_through_drain(match decoder.has_partial() {
                true => DrainReads::Wait,
                false => DrainReads::End,
            });
            tokio::select! {
                biased;
                () = seat.rung() => {}
                () = until(orders.deadline) => seat.advance(),
                chunk = peer.read_chunk(), if listens => match chunk? {
                    Some(chunk) => input = Some(chunk),
                    None if context.is_draining() => seat.dismiss(),
                    None => {
                        listens = false;
                        seat.hang_up(&mut decoder);
                    }
                },
                () = context.draining(), if !listens => seat.dismiss(),
            }
        }
    }
}

/// Writes, unless the member is let go because it does not read.
async fn write<G: Game>(
    peer: &mut Connection,
    seat: &Seat<'_, G>,
    output: &[u8],
) -> Result<(), ServiceError> {
    let cut = async {
        loop {
            seat.rung().await;
            if let Some(ending @ Ending::SlowReader(_)) = seat.ending() {
                return ending;
            }
        }
    };
    tokio::select! {
        biased;
        written = peer.write_all(output) => written?,
        ending = cut => return end(ending),
    }
    Ok(())
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

fn end(ending: Ending) -> Result<(), ServiceError> {
    match ending {
        Ending::Finished => Ok(()),
        Ending::SlowReader(waiting) => Err(ServiceError::Closed {
            reason: CloseReason::SlowReader,
            detail: format!("{waiting} bytes waited for it"),
        }),
        Ending::Full => Err(ServiceError::Closed {
            reason: CloseReason::RefusedFull,
            detail: "the game is full".to_owned(),
        }),
    }
}
