//! One connection with a chat server: bytes in and out, and the two clocks that run
//! while it is open.

use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep, sleep_until};
use wharf::address::Address;
use wharf::client::{Client, ConnectError};
use wharf::connection::Connection;
use wharf::datagram::Datagrams;
use wharf::framing::{Decoder, Framing, Limits, OnTooLong};
use wharf::network::{Endpoint, Network};

use super::super::Reply;
use super::ANSWER_TIMEOUT;
use super::event::Lost;
use super::lines::{Lines, MAX_REPLY};
use crate::password::{self, Secret};

/// A connection or a socket that is being opened.
pub(super) type Opening = Pin<Box<dyn Future<Output = Result<Open, Lost>> + Send>>;

/// What was opened.
pub(super) enum Open {
    Stream(Connection),
    /// A socket, the endpoint that it is for, and how many there are.
    Socket(Datagrams, Endpoint, usize),
}

/// Opens what the address means, and the gate before it where there is a secret for it;
/// of several endpoints for datagrams, this one.
pub(super) async fn open<N: Network>(
    client: Client<N>,
    address: Address,
    secret: Option<Secret>,
    candidate: usize,
) -> Result<Open, Lost> {
    if address.scheme.is_datagram() {
        return socket(&client, &address, candidate)
            .await
            .map_err(Lost::Connect);
    }
    let connected = client.connect(&address).await;
    let mut connection = connected.map_err(Lost::Connect)?;
    if let Some(secret) = secret {
        password::log_in(&mut connection, &secret)
            .await
            .map_err(Lost::Gate)?;
    }
    Ok(Open::Stream(connection))
}

async fn socket<N: Network>(
    client: &Client<N>,
    address: &Address,
    candidate: usize,
) -> Result<Open, ConnectError> {
    let endpoints = client.datagram_candidates(address).await?;
    // There is never none.
    let to = endpoints[candidate % endpoints.len()].clone();
    let socket = client.datagrams_to(address, &to).await?;
    Ok(Open::Socket(socket, to, endpoints.len()))
}

/// An open connection.
pub(super) struct Link {
    connection: Connection,
    decoder: Decoder,
    /// What is being written, and how much of it is.
    output: Vec<u8>,
    written: usize,
    flushed: Flushed,
    /// When a server that does not answer counts as lost.
    answers_by: Option<Instant>,
    who: Option<Who>,
    /// Runs until the earlier of both.
    timer: Pin<Box<Sleep>>,
}

/// Whether everything that was written has left this side's buffers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flushed {
    Yes,
    No,
}

struct Who {
    every: Duration,
    next: Instant,
}

impl Link {
    pub(super) fn new(connection: Connection) -> Link {
        let limits = Limits {
            max_message: MAX_REPLY,
            on_too_long: OnTooLong::Skip,
        };
        Link {
            connection,
            decoder: Decoder::new(&Framing::default(), limits),
            output: Vec::new(),
            written: 0,
            flushed: Flushed::Yes,
            answers_by: None,
            who: None,
            timer: Box::pin(sleep_until(Instant::now())),
        }
    }

    pub(super) fn peer(&self) -> &Endpoint {
        self.connection.peer()
    }

    /// Asks something of the state machine; the wait for the answer begins.
    pub(super) fn asks<T>(&mut self, lines: &mut Lines, ask: impl FnOnce(&mut Lines) -> T) -> T {
        let outcome = ask(lines);
        self.output.append(&mut lines.take_output());
        if lines.waits() {
            self.answers_by
                .get_or_insert_with(|| Instant::now() + ANSWER_TIMEOUT);
        }
        outcome
    }

    /// Asks who is there, at once and then every so often.
    pub(super) fn ask_who_every(&mut self, every: Duration) {
        let next = Instant::now();
        self.who = Some(Who { every, next });
    }

    /// Ready when the state machine may have heard something, and with why it is over.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        lines: &mut Lines,
    ) -> Poll<Result<(), Lost>> {
        self.poll_time(cx, lines)?;
        let wrote = self.poll_write(cx);
        // What the server said before it went comes first.
        if let Poll::Ready(outcome) = self.poll_read(cx, lines) {
            return Poll::Ready(outcome);
        }
        match wrote {
            Poll::Ready(Err(error)) => Poll::Ready(Err(lost(error))),
            _ => Poll::Pending,
        }
    }

    /// Does what is due, and sets the timer for what comes next.
    fn poll_time(&mut self, cx: &mut Context<'_>, lines: &mut Lines) -> Result<(), Lost> {
        let now = Instant::now();
        if self.answers_by.is_some_and(|until| until <= now) {
            return Err(Lost::Silent(ANSWER_TIMEOUT));
        }
        if let Some(who) = &mut self.who
            && who.next <= now
        {
            who.next = now + who.every;
            self.asks(lines, Lines::who);
        }
        let next = self.who.as_ref().map(|who| who.next);
        let Some(next) = [next, self.answers_by].into_iter().flatten().min() else {
            return Ok(());
        };
        if self.timer.deadline() != next {
            self.timer.as_mut().reset(next);
        }
        // Not due yet; it wakes this task when it is.
        if self.timer.as_mut().poll(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        Ok(())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.output.len() {
            let rest = &self.output[self.written..];
            match ready!(Pin::new(&mut self.connection).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => self.written += count,
            }
            self.flushed = Flushed::No;
        }
        self.output.clear();
        self.written = 0;
        if self.flushed == Flushed::No {
            ready!(Pin::new(&mut self.connection).poll_flush(cx))?;
            self.flushed = Flushed::Yes;
        }
        Poll::Ready(Ok(()))
    }

    /// Takes what has come. Lines that do not end any event are read over.
    fn poll_read(&mut self, cx: &mut Context<'_>, lines: &mut Lines) -> Poll<Result<(), Lost>> {
        let filled = ready!(pin!(self.connection.fill()).poll(cx));
        let input = match filled {
            Ok([]) => {
                // A last line may lack its end; but half a message is none, and the
                // half of a name is somebody else's.
                if let Some(Ok(line)) = self.decoder.finish() {
                    match Reply::parse(&String::from_utf8_lossy(&line)) {
                        Some(Reply::Delivery { .. } | Reply::Hello(_) | Reply::Users(..)) => {
                            lines.line_skipped();
                        }
                        _ => lines.line(line.as_bytes()),
                    }
                }
                return Poll::Ready(Err(Lost::Closed));
            }
            Ok(input) => input,
            Err(error) => return Poll::Ready(Err(lost(error))),
        };
        let mut rest = input;
        while let Some(line) = self.decoder.next(&mut rest) {
            match line {
                Ok(line) => lines.line(line.as_bytes()),
                Err(_) => lines.line_skipped(),
            }
        }
        let count = input.len() - rest.len();
        self.connection.consume(count);
        // It lives; the wait for what is left begins anew.
        self.answers_by = lines.waits().then(|| Instant::now() + ANSWER_TIMEOUT);
        self.output.append(&mut lines.take_output());
        Poll::Ready(Ok(()))
    }

    /// Writes the rest and closes in order. Errors come too late to matter.
    pub(super) async fn close(mut self: Box<Self>, mut lines: Lines) {
        self.output.append(&mut lines.take_output());
        if self.written < self.output.len() {
            let rest = self.output.split_off(self.written);
            let writing = self.connection.write_all(&rest);
            let _ = tokio::time::timeout(ANSWER_TIMEOUT, writing).await;
        }
        let _ = self.connection.close().await;
    }
}

fn lost(error: io::Error) -> Lost {
    match error.kind() {
        // Both are how a server that is gone looks to one who writes.
        io::ErrorKind::BrokenPipe => Lost::Closed,
        _ => Lost::Broken(error),
    }
}
