//! One connection's conversation: both directions at once, in one task.
//!
//! ```text
//!   peer ──▶ lines ──▶ room ──▶ outbox ──▶ writing ──▶ peer
//!             ▲  wait while the peer       │
//!             └─ does not read answers ◀───┘
//! ```
//! Nothing is cancelled and nothing waits for the other direction, except that a
//! peer whose answers pile up is asked nothing more. All that waits is written at
//! once, up to where a new write must begin; an idle member holds no buffer.
//!
//! Once the server drains, a member has [`LAST_WORDS`] to end its line; then it leaves
//! the room, and is written at once what was accepted for it.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep, sleep, sleep_until};
use wharf::connection::{Chunk, CloseReason, Connection, DrainReads};
use wharf::framing::{Decoder, Framing, Limits, OnTooLong};
use wharf::limits::DRAIN_PAUSE_ACTIVE;
use wharf::service::{Context as Serving, ServiceError};

use super::hall::{LastLine, Orders, Seat, Writer};
use super::room::{Outbox, Output, Refusal, SlowReader, Verdict};

/// How long a member may go on talking once the server drains.
const LAST_WORDS: Duration = DRAIN_PAUSE_ACTIVE;

/// A conversation with one peer.
pub(super) struct Talk<'a> {
    seat: Seat<'a>,
    context: &'a Serving,
    decoder: Decoder,
    /// Lines that were read and not yet said.
    input: Option<Chunk>,
    writing: Writing,
    /// Something may wait for this member.
    mail: bool,
    /// It let others go first, and takes what waits now.
    has_waited: bool,
    clogged: bool,
    stage: Stage,
    /// For the login, or for the next piece of delaybot.
    timer: Option<Pin<Box<Sleep>>>,
    login_timeout: Option<Duration>,
    /// Until when it may talk, once the server drains.
    last_words: Option<Pin<Box<Sleep>>>,
}

enum Stage {
    Stranger,
    User,
    /// It has left the room; this is still to be written.
    Leaving(Outbox, Option<ServiceError>),
}

/// Whether something happened, so that it is worth looking again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Moved,
    Idle,
    /// Lines were said, and it is the others' turn. All who have something to say now
    /// say it before anybody writes: then one write carries a member's answers and
    /// what others sent it, and one that sends much fills no outbox whose owner had no
    /// opportunity to write.
    Yields,
}

impl<'a> Talk<'a> {
    pub(super) fn new(
        seat: Seat<'a>,
        context: &'a Serving,
        max_line: usize,
        login_timeout: Option<Duration>,
    ) -> Self {
        let limits = Limits {
            max_message: max_line,
            on_too_long: OnTooLong::Skip,
        };
        Talk {
            seat,
            context,
            decoder: Decoder::new(&Framing::default(), limits),
            input: None,
            writing: Writing::default(),
            mail: false,
            has_waited: false,
            clogged: false,
            stage: Stage::Stranger,
            timer: login_timeout.map(|timeout| Box::pin(sleep(timeout))),
            login_timeout,
            last_words: None,
        }
    }

    /// Goes on with the conversation; ready at its end.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        peer: &mut Connection,
    ) -> Poll<Result<(), ServiceError>> {
        self.seat.listen(cx.waker());
        if self.context.is_draining() && self.is_here() {
            self.look_at_the_drain(cx);
        }
        if matches!(self.stage, Stage::Stranger) {
            // Here, because one that talks without end never gets to what is below.
            self.look_at_the_clock(cx)?;
        }
        let goes_first = !std::mem::take(&mut self.has_waited);
        loop {
            let writer = match self.writing.poll(cx, peer)? {
                Poll::Ready(()) => Writer::Free,
                Poll::Pending => Writer::Busy,
            };
            if goes_first && writer == Writer::Free && self.has_mail() {
                // First what it says itself, then whoever else can be heard by now.
                if self.hear(cx, peer)? != Step::Moved || !self.is_here() {
                    return self.yields(cx);
                }
                continue;
            }
            if self.look_for_mail(writer)? == Step::Moved {
                continue;
            }
            match self.hear(cx, peer)? {
                Step::Moved => continue,
                Step::Yields => return self.yields(cx),
                Step::Idle => {}
            }
            if self.look_at_the_clock(cx)? == Step::Moved {
                continue;
            }
            if writer == Writer::Busy {
                return Poll::Pending;
            }
            ready!(self.writing.poll_flush(cx, peer))?;
            return match &mut self.stage {
                Stage::Leaving(rest, ending) if rest.is_empty() => {
                    Poll::Ready(ending.take().map_or(Ok(()), Err))
                }
                _ => Poll::Pending,
            };
        }
    }

    /// Goes on when everybody whose lines have arrived has said them.
    fn yields(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ServiceError>> {
        self.has_waited = true;
        // Behind everybody whose lines came with the same look at the sockets: a waker
        // called within a task puts it at the end of those that are ready.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn is_here(&self) -> bool {
        !matches!(self.stage, Stage::Leaving(..))
    }

    /// Whether something waits that somebody else caused.
    fn has_mail(&mut self) -> bool {
        self.mail |= self.is_here() && self.seat.was_rung();
        self.mail && self.is_here()
    }

    /// Takes what waits for this member.
    fn look_for_mail(&mut self, writer: Writer) -> Result<Step, ServiceError> {
        if let Stage::Leaving(rest, _) = &mut self.stage {
            if writer == Writer::Busy {
                return Ok(Step::Idle);
            }
            let output = match self.context.is_draining() {
                true => rest.take_all(),
                false => rest.take(Instant::now()),
            };
            self.timer = rest.due().map(|due| Box::pin(sleep_until(due)));
            return Ok(self.writing.begin(output));
        }
        let rung = self.seat.was_rung();
        self.mail |= rung;
        // A writer that is stuck still hears that it is cut.
        if !self.mail || (writer == Writer::Busy && !rung) {
            return Ok(Step::Idle);
        }
        let orders = self.seat.take(writer).map_err(cut)?;
        Ok(self.obey(orders, writer))
    }

    /// Reads, and says what was read.
    fn hear(&mut self, cx: &mut Context<'_>, peer: &mut Connection) -> Result<Step, ServiceError> {
        if self.clogged || matches!(self.stage, Stage::Leaving(..)) {
            return Ok(Step::Idle);
        }
        if self.input.is_none() {
            // In the middle of a line the peer is not idle, and a drain waits for it.
            peer.read_through_drain(if self.decoder.has_partial() {
                DrainReads::Wait
            } else {
                DrainReads::End
            });
            // The future has no state of its own, so it can be made for one poll.
            match pin!(peer.read_chunk()).poll(cx)? {
                Poll::Pending => return Ok(Step::Idle),
                Poll::Ready(Some(chunk)) => self.input = Some(chunk),
                Poll::Ready(None) => {
                    self.leave(LastLine::Said, None);
                    return Ok(Step::Moved);
                }
            }
        }
        let Some(input) = &mut self.input else {
            return Ok(Step::Idle);
        };
        let heard = self.seat.say(&mut self.decoder, input).map_err(cut)?;
        if input.is_empty() {
            self.input = None;
        }
        peer.count_messages(heard.lines);
        self.obey(heard.orders, Writer::Busy);
        if let Verdict::Closes(why) = heard.verdict {
            self.leave(LastLine::Said, ending(why));
        }
        Ok(match heard.lines {
            0 => Step::Moved,
            _ => Step::Yields,
        })
    }

    /// Notes how things stand after a look into the room.
    fn obey(&mut self, orders: Orders, writer: Writer) -> Step {
        // A bell that was heard counts until the mail was taken: nobody rings again.
        self.mail = orders.more || (self.mail && writer == Writer::Busy);
        self.clogged = orders.clogged;
        if orders.is_user && matches!(self.stage, Stage::Stranger) {
            self.stage = Stage::User;
            self.timer = None;
        }
        if let Some(due) = orders.due {
            self.timer = Some(Box::pin(sleep_until(due)));
        }
        self.writing.begin(orders.output)
    }

    /// Leaves the room; what waits is still written.
    fn leave(&mut self, last_line: LastLine, ending: Option<ServiceError>) {
        self.input = None;
        self.timer = None;
        self.clogged = false;
        let rest = self.seat.leave(&mut self.decoder, last_line);
        self.stage = Stage::Leaving(rest, ending);
    }

    /// It may end what it says, but neither talk on nor hold up the end with half a line.
    fn look_at_the_drain(&mut self, cx: &mut Context<'_>) {
        let last_words = self
            .last_words
            .get_or_insert_with(|| Box::pin(sleep(LAST_WORDS)));
        if last_words.as_mut().poll(cx).is_ready() {
            let ending = ServiceError::Closed {
                reason: CloseReason::Drained,
                detail: "the conversation still went on when the server stopped".to_owned(),
            };
            self.leave(LastLine::Dropped, Some(ending));
        }
    }

    fn look_at_the_clock(&mut self, cx: &mut Context<'_>) -> Result<Step, ServiceError> {
        let Some(timer) = &mut self.timer else {
            return Ok(Step::Idle);
        };
        if timer.as_mut().poll(cx).is_pending() {
            return Ok(Step::Idle);
        }
        self.timer = None;
        self.mail = true;
        match (&self.stage, self.login_timeout) {
            (Stage::Stranger, Some(timeout)) => Err(ServiceError::Closed {
                reason: CloseReason::Idle,
                detail: format!("no login within {} s", timeout.as_secs_f64()),
            }),
            _ => Ok(Step::Moved),
        }
    }
}

/// The end of a user that did not read.
fn cut(SlowReader(waiting): SlowReader) -> ServiceError {
    ServiceError::Closed {
        reason: CloseReason::SlowReader,
        detail: format!("{waiting} bytes of messages waited for it"),
    }
}

/// The end of a client whose login was refused.
fn ending(why: Refusal) -> Option<ServiceError> {
    let closed = |reason, detail: &str| {
        let detail = detail.to_owned();
        Some(ServiceError::Closed { reason, detail })
    };
    match why {
        Refusal::InUse => None,
        Refusal::NoName => Some(ServiceError::Protocol("that is no name".to_owned())),
        Refusal::Full => closed(CloseReason::RefusedFull, "the room is full"),
        Refusal::AddressFull => closed(
            CloseReason::RefusedPerPeer,
            "its address has its share of users",
        ),
    }
}

/// Output on its way.
#[derive(Default)]
struct Writing {
    output: Output,
    written: usize,
    breaks_passed: usize,
    /// A connection with a buffer (TLS) may still hold something.
    unflushed: bool,
}

impl Writing {
    /// Begins with the next output, once the one before is written.
    fn begin(&mut self, output: Option<Output>) -> Step {
        let Some(output) = output else {
            return Step::Idle;
        };
        self.output = output;
        self.written = 0;
        self.breaks_passed = 0;
        Step::Moved
    }

    /// Ready when everything is written.
    fn poll(&mut self, cx: &mut Context<'_>, peer: &mut Connection) -> Poll<io::Result<()>> {
        while self.written < self.output.bytes.len() {
            let end = match self.output.breaks.get(self.breaks_passed) {
                Some(at) if *at <= self.written => {
                    self.breaks_passed += 1;
                    continue;
                }
                Some(at) => *at,
                None => self.output.bytes.len(),
            };
            let piece = &self.output.bytes[self.written..end];
            let count = ready!(Pin::new(&mut *peer).poll_write(cx, piece))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
            self.unflushed = true;
        }
        if !self.output.bytes.is_empty() {
            self.output = Output::default();
            self.written = 0;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, peer: &mut Connection) -> Poll<io::Result<()>> {
        if self.unflushed {
            ready!(Pin::new(peer).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_conversation_is_small() {
        assert!(size_of::<Talk<'_>>() <= 512, "{}", size_of::<Talk<'_>>());
    }
}
