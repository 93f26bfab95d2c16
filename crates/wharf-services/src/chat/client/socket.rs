//! A datagram socket towards a chat server, and what runs while it is open.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until, timeout};
use wharf::datagram::Datagrams;
use wharf::network::Endpoint;

use super::ANSWER_TIMEOUT;
use super::event::Lost;
use super::numbered::Numbered;

/// How many datagrams are taken before others have their turn.
const TURN: usize = 64;

/// How long one stays after the last message that came, to acknowledge it again where
/// the acknowledgement was lost; as often as such come, but not for longer than the
/// second time.
const LINGER: Duration = Duration::from_millis(1_200);
const LINGER_MOST: Duration = Duration::from_secs(10);

/// An open socket.
pub(super) struct Socket {
    socket: Datagrams,
    to: Endpoint,
    received: Vec<u8>,
    /// What could not be sent yet.
    unsent: Option<Vec<u8>>,
    heard: Heard,
    who: Option<(Duration, Instant)>,
    timer: Pin<Box<Sleep>>,
}

/// Whether the server ever said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    Something,
}

impl Socket {
    pub(super) fn new(socket: Datagrams, to: Endpoint) -> Socket {
        Socket {
            socket,
            to,
            received: Vec::new(),
            unsent: None,
            heard: Heard::Nothing,
            who: None,
            timer: Box::pin(sleep_until(Instant::now())),
        }
    }

    pub(super) fn peer(&self) -> &Endpoint {
        &self.to
    }

    pub(super) fn heard(&self) -> Heard {
        self.heard
    }

    /// Asks who is there, at once and then every so often.
    pub(super) fn ask_who_every(&mut self, every: Duration) {
        self.who = Some((every, Instant::now()));
    }

    /// Ready when the state machine may have heard something, and with why it is over.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        numbered: &mut Numbered,
    ) -> Poll<Result<(), Lost>> {
        for _ in 0..TURN {
            self.do_what_is_due(numbered)?;
            self.send(cx, numbered)?;
            if numbered.has_event() {
                return Poll::Ready(Ok(()));
            }
            let received = pin!(self.socket.receive_from(&mut self.received)).poll(cx);
            match received {
                Poll::Ready(Ok(_)) => {
                    self.heard = Heard::Something;
                    numbered.receive(&self.received, Instant::now());
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Lost::Broken(error))),
                Poll::Pending if self.sleeps(cx, numbered) => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn do_what_is_due(&mut self, numbered: &mut Numbered) -> Result<(), Lost> {
        let now = Instant::now();
        if let Some((every, next)) = &mut self.who
            && *next <= now
            && numbered.name().is_some()
        {
            *next = now + *every;
            numbered.who(now);
        }
        if numbered.deadline().is_some_and(|due| due <= now) {
            numbered.timeout(now);
        }
        match numbered.silent_since() {
            Some(since) if since + ANSWER_TIMEOUT <= now => Err(Lost::Silent(ANSWER_TIMEOUT)),
            _ => Ok(()),
        }
    }

    /// Sends what waits, as far as the socket takes it.
    fn send(&mut self, cx: &mut Context<'_>, numbered: &mut Numbered) -> Result<(), Lost> {
        while let Some(datagram) = self.unsent.take().or_else(|| numbered.next_datagram()) {
            let sent = pin!(self.socket.send_to(&datagram, &self.to)).poll(cx);
            match sent {
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    return Err(Lost::Broken(error));
                }
                // What the network does not take is lost, and sent again like all that is.
                Poll::Ready(_) => {}
                Poll::Pending => {
                    self.unsent = Some(datagram);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Sets the timer for what comes next; `false` if that is due already.
    fn sleeps(&mut self, cx: &mut Context<'_>, numbered: &Numbered) -> bool {
        let silent = numbered.silent_since().map(|since| since + ANSWER_TIMEOUT);
        let who = self.who.filter(|_| numbered.name().is_some());
        let next = [numbered.deadline(), silent, who.map(|(_, next)| next)];
        let Some(next) = next.into_iter().flatten().min() else {
            return true;
        };
        if self.timer.deadline() != next {
            self.timer.as_mut().reset(next);
        }
        self.timer.as_mut().poll(cx).is_pending()
    }

    /// Leaves, after what came last was certainly acknowledged.
    pub(super) async fn close(mut self: Box<Self>, mut numbered: Numbered) {
        self.who = None;
        let until = Instant::now() + LINGER_MOST;
        while let Some(last) = numbered.last_numbered() {
            let left = (last + LINGER).min(until);
            let left = left.saturating_duration_since(Instant::now());
            let polled = std::future::poll_fn(|cx| self.poll(cx, &mut numbered));
            match timeout(left, polled).await {
                Ok(Ok(())) => while numbered.next_event().is_some() {},
                Ok(Err(_)) => return,
                // Only a message that came meanwhile makes it longer.
                Err(_) if numbered.last_numbered() == Some(last) => return,
                Err(_) => {}
            }
        }
        // What is left to say, once.
        let _ = std::future::poll_fn(|cx| Poll::Ready(self.send(cx, &mut numbered))).await;
    }
}
