//! A conversation over a connection: both directions at once, each ending by itself.
//!
//! ```text
//!   input ──▶ to_peer ──▶ peer        ours: Open ─▶ Ending ─▶ Ended (FIN sent)
//!   output ◀── to_show ◀── peer       peer_ended: its FIN was read
//! ```
//! Neither direction waits for the other: while the peer takes nothing its bytes
//! are still shown, and while nobody reads stdout input is still sent. At most one
//! piece waits in each direction.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep_until};
use wharf::connection::Connection;
use wharf::framing::Decoder;
use wharf::limits::READ_BUFFER;
use wharf::network::Endpoint;

use super::args::HalfClose;
use super::broken::Broken;
use super::expect::Seen;
use super::input::Item;
use super::output::Gone;
use super::report::{Ended, Totals};
use super::wire::{Piece, decode};
use super::{ANSWER_TIMEOUT, Ends};
use crate::exit::Exit;
use crate::failure::{Failure, words};

/// After the peer has ended, input that stays away for so long is not waited for. A
/// peer that closed altogether looks the same as one that reads on, until something
/// is sent; a pipe that is being filled is never silent for so long.
const INPUT_PAUSE: Duration = Duration::from_millis(500);

/// Speaks with the peer until the end.
pub(super) async fn converse(connection: Connection, ends: Ends<'_>) -> Result<Exit, Failure> {
    let peer = connection.peer().clone();
    let (read, write) = tokio::io::split(connection);
    let now = Instant::now();
    let mut talk = Talk {
        peer,
        decoder: ends.wire.decoder(),
        ends,
        ours: Ours::Open,
        to_peer: Vec::new(),
        taken: 0,
        unflushed: Flush::Done,
        to_show: Vec::new(),
        peer_ended: None,
        last_received: now,
        last_input: now,
        totals: Totals::default(),
        broken: None,
    };
    let mut halves = Halves {
        read,
        write,
        buffer: vec![0; READ_BUFFER].into(),
    };
    let ended = talk.run(&mut halves).await;
    if matches!(ended, Ok(Ended::Closed)) {
        // In the order that loses nothing, although nobody waits for an answer.
        let _ = halves.read.unsplit(halves.write).close().await;
    }
    talk.close(ended).await
}

struct Halves {
    read: ReadHalf<Connection>,
    write: WriteHalf<Connection>,
    buffer: Box<[u8]>,
}

/// Our side of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ours {
    /// More input may come.
    Open,
    /// The input has ended, and the peer is to be told.
    Ending,
    /// The peer was told, or is not to be told: nothing more is sent.
    Ended,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flush {
    Due,
    Done,
}

/// What happened next.
enum Step {
    Received(io::Result<usize>),
    Input(Option<Item>),
    Pushed(io::Result<Pushed>),
    Shown,
    Gone,
    Time,
}

enum Pushed {
    Bytes(usize),
    Flushed,
    Finished,
}

struct Talk<'a> {
    ends: Ends<'a>,
    peer: Endpoint,
    decoder: Option<Decoder>,
    ours: Ours,
    to_peer: Vec<u8>,
    /// How much of it the peer has taken.
    taken: usize,
    unflushed: Flush,
    to_show: Vec<u8>,
    /// Whether our side had ended before the peer's.
    peer_ended: Option<Ours>,
    last_received: Instant,
    last_input: Instant,
    totals: Totals,
    /// Sending failed; what the peer sent before is still read.
    broken: Option<io::Error>,
}

impl Talk<'_> {
    async fn run(&mut self, halves: &mut Halves) -> Result<Ended, Broken> {
        loop {
            if let Some(ended) = self.over() {
                return Ok(ended);
            }
            match self.step(halves).await {
                Step::Received(Ok(0)) => self.peer_is_done()?,
                Step::Received(Ok(count)) => self.received(&halves.buffer[..count])?,
                Step::Received(Err(error)) => return Err(self.read_failed(error)),
                Step::Input(item) => self.input(item)?,
                Step::Pushed(Ok(pushed)) => self.pushed(pushed),
                Step::Pushed(Err(error)) => self.push_failed(error),
                Step::Gone => return Ok(Ended::OutputGone),
                Step::Shown | Step::Time => {}
            }
        }
    }

    /// Waits for the first thing that can go on. Every future is cancel safe.
    async fn step(&mut self, halves: &mut Halves) -> Step {
        let deadline = self.deadline();
        let may_read = self.peer_ended.is_none() && self.to_show.is_empty();
        // What is sent is shown only on request; otherwise a reader of stdout who
        // is slow does not hold up the input.
        let may_show = self.to_show.is_empty() || !self.ends.view.shows_sent();
        let may_take = self.ours == Ours::Open && self.to_peer.is_empty() && may_show;
        let push = self.next_push();
        let Halves {
            read,
            write,
            buffer,
        } = halves;
        let ends = &mut self.ends;
        tokio::select! {
            outcome = read.read(buffer), if may_read => Step::Received(outcome),
            item = ends.input.next(), if may_take => Step::Input(item),
            outcome = do_push(write, push, &self.to_peer[self.taken..]), if push != Push::Nothing => Step::Pushed(outcome),
            room = ends.output.ready(), if !self.to_show.is_empty() => match room {
                Ok(room) => {
                    room.send(std::mem::take(&mut self.to_show));
                    Step::Shown
                }
                Err(Gone) => Step::Gone,
            },
            () = ends.output.gone() => Step::Gone,
            () = sleep_until(deadline.unwrap_or(ends.started)), if deadline.is_some() => Step::Time,
        }
    }

    fn next_push(&self) -> Push {
        if self.broken.is_some() {
            Push::Nothing
        } else if !self.to_peer.is_empty() {
            Push::Bytes
        } else if self.unflushed == Flush::Due {
            Push::Flush
        } else if self.ours == Ours::Ending {
            Push::Finish
        } else {
            Push::Nothing
        }
    }

    fn received(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.last_received = Instant::now();
        self.totals.received += bytes.len() as u64;
        let Ends { view, expect, .. } = &mut self.ends;
        let Some(decoder) = &mut self.decoder else {
            if let Some(expect) = expect {
                expect.look(bytes);
            }
            self.to_show.append(&mut view.bytes(bytes));
            return Ok(());
        };
        let mut shown = if view.wants_bytes() {
            view.bytes(bytes)
        } else {
            Vec::new()
        };
        let outcome = decode(decoder, bytes, |message| {
            if let Some(expect) = &mut *expect {
                expect.boundary();
                expect.look(message);
            }
            if !view.wants_bytes() {
                shown.append(&mut view.message(message, None));
            }
        });
        self.to_show.append(&mut shown);
        outcome.map_err(Broken::Framing)
    }

    /// The peer's end of stream: perhaps of a last line without its end.
    fn peer_is_done(&mut self) -> Result<(), Broken> {
        self.peer_ended = Some(self.ours);
        self.last_input = self.last_input.max(Instant::now());
        let Some(decoder) = &mut self.decoder else {
            return Ok(());
        };
        match decoder.finish() {
            None => Ok(()),
            Some(Err(error)) => Err(Broken::Framing(error)),
            Some(Ok(message)) => {
                if let Some(expect) = &mut self.ends.expect {
                    expect.boundary();
                    expect.look(message.as_bytes());
                }
                if !self.ends.view.wants_bytes() {
                    let mut shown = self.ends.view.message(message.as_bytes(), None);
                    self.to_show.append(&mut shown);
                }
                Ok(())
            }
        }
    }

    fn input(&mut self, item: Option<Item>) -> Result<(), Broken> {
        self.last_input = Instant::now();
        match item {
            Some(Item::Piece(piece)) => self.send(&piece),
            Some(Item::Failed(error)) => {
                let cause = format!("cannot read the input: {}", words(&error));
                Err(Broken::Input(Failure::new(Exit::Failed, cause)))
            }
            None => {
                self.ours = match self.ends.args.half_close {
                    HalfClose::Send => Ours::Ending,
                    HalfClose::Keep | HalfClose::Close => Ours::Ended,
                };
                // The linger time begins now.
                self.last_received = Instant::now();
                Ok(())
            }
        }
    }

    fn send(&mut self, piece: &Piece) -> Result<(), Broken> {
        match self.ends.wire.encode(piece) {
            Ok(wire) => {
                let mut shown = self.ends.view.sent(piece.payload(), &wire);
                self.to_show.append(&mut shown);
                self.to_peer = wire;
                Ok(())
            }
            Err(error) if self.ends.is_interactive() => {
                let mut note = self.ends.view.note(&format!("not sent: {error}"));
                self.to_show.append(&mut note);
                Ok(())
            }
            Err(error) => Err(Broken::Input(
                Failure::new(
                    Exit::Failed,
                    format!("cannot send a line of input: {error}"),
                )
                .with("line", super::visible::one_line(start(piece.payload()))),
            )),
        }
    }

    fn pushed(&mut self, pushed: Pushed) {
        match pushed {
            Pushed::Bytes(count) => {
                self.totals.sent += count as u64;
                self.taken += count;
                if self.taken == self.to_peer.len() {
                    self.to_peer.clear();
                    self.taken = 0;
                }
                self.unflushed = Flush::Due;
                // Input that waits for the peer is not silent.
                self.last_input = Instant::now();
            }
            Pushed::Flushed => self.unflushed = Flush::Done,
            Pushed::Finished => self.ours = Ours::Ended,
        }
    }

    /// The peer takes nothing more. What it sent before that may still be waiting.
    fn push_failed(&mut self, error: io::Error) {
        let nothing_lost = self.ours == Ours::Ending && self.to_peer.is_empty();
        self.ours = Ours::Ended;
        self.to_peer.clear();
        self.taken = 0;
        self.unflushed = Flush::Done;
        if !nothing_lost {
            self.broken = Some(error);
        }
    }

    fn read_failed(&mut self, error: io::Error) -> Broken {
        match self.broken.take() {
            Some(first) => Broken::Unsent(first),
            None => Broken::Peer(error),
        }
    }

    /// Whether it is over, and why.
    fn over(&self) -> Option<Ended> {
        if !self.to_show.is_empty() {
            return None;
        }
        let now = Instant::now();
        if let Some(expect) = &self.ends.expect {
            if expect.seen() == Seen::Yes {
                return Some(Ended::Expected);
            }
            if self.expect_until().is_some_and(|until| now >= until) {
                return Some(Ended::TimedOut);
            }
        }
        let is_sent = self.to_peer.is_empty() && self.unflushed == Flush::Done;
        let is_done = is_sent && self.ours == Ours::Ended;
        match self.peer_ended {
            Some(Ours::Open) if is_done => return Some(Ended::PeerClosed),
            Some(_) if is_done => return Some(Ended::Finished),
            Some(_) if self.gives_input_up().is_some_and(|until| now >= until) => {
                return Some(Ended::PeerClosed);
            }
            _ => {}
        }
        if is_done && self.ends.args.half_close == HalfClose::Close {
            return Some(Ended::Closed);
        }
        let linger = self.linger_until().is_some_and(|until| now >= until);
        linger.then_some(Ended::LingerOver)
    }

    /// The next moment at which [`Talk::over`] may change by itself.
    fn deadline(&self) -> Option<Instant> {
        let moments = [
            self.expect_until(),
            self.gives_input_up(),
            self.linger_until(),
        ];
        moments.into_iter().flatten().min()
    }

    fn expect_until(&self) -> Option<Instant> {
        self.ends.expect.as_ref()?;
        let time = match self.ends.args.timeout {
            None => Some(ANSWER_TIMEOUT),
            Some(given) => given.0,
        };
        Some(self.ends.started + time?)
    }

    /// When input is not waited for any more, since the peer has ended.
    fn gives_input_up(&self) -> Option<Instant> {
        let waits = self.peer_ended.is_some()
            && self.ours == Ours::Open
            && self.to_peer.is_empty()
            && self.ends.args.half_close != HalfClose::Keep;
        waits.then(|| match self.ends.input_is_typed() {
            // A person is told instead.
            true => self.last_received,
            false => self.last_input + INPUT_PAUSE,
        })
    }

    fn linger_until(&self) -> Option<Instant> {
        let waits = self.ours == Ours::Ended && self.peer_ended.is_none();
        let linger = self.ends.args.linger.and_then(|linger| linger.0)?;
        waits.then(|| self.last_received + linger)
    }

    /// Shows the rest, and says how it went.
    async fn close(mut self, outcome: Result<Ended, Broken>) -> Result<Exit, Failure> {
        let ended = match &outcome {
            Ok(ended) => *ended,
            Err(Broken::Peer(_) | Broken::Unsent(_)) => Ended::PeerReset,
            Err(Broken::Framing(_)) => Ended::ProtocolError,
            Err(Broken::Input(_)) => Ended::Closed,
        };
        let mut rest = std::mem::take(&mut self.to_show);
        rest.append(&mut self.ends.view.closed(ended, self.totals));
        self.ends.output.send(rest).await;
        let broken = self.broken.take();
        let verdict = match outcome {
            Ok(Ended::Expected | Ended::OutputGone) => Ok(Exit::Done),
            Ok(ended) => match broken {
                Some(error) => Err(Broken::Unsent(error).failure(&self.peer, self.totals)),
                None => self.expected(ended),
            },
            Err(broken) => Err(broken.failure(&self.peer, self.totals)),
        };
        let (totals, report, time) = (self.totals, self.ends.report, self.ends.started.elapsed());
        self.ends.finish().await?;
        report.ended(ended, totals, time);
        verdict
    }

    fn expected(&self, ended: Ended) -> Result<Exit, Failure> {
        let Some(expect) = &self.ends.expect else {
            return Ok(Exit::Done);
        };
        let when = match ended {
            Ended::TimedOut => "in time",
            _ => "before the end",
        };
        let cause = format!("{} did not send {} {when}", self.peer, expect.wanted());
        Err(Failure::new(Exit::CheckFailed, cause).with("received", expect.instead()))
    }
}

/// What goes to the peer next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Push {
    Nothing,
    Bytes,
    Flush,
    Finish,
}

async fn do_push(
    write: &mut WriteHalf<Connection>,
    push: Push,
    bytes: &[u8],
) -> io::Result<Pushed> {
    match push {
        Push::Bytes => match write.write(bytes).await? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            count => Ok(Pushed::Bytes(count)),
        },
        Push::Flush | Push::Nothing => write.flush().await.map(|()| Pushed::Flushed),
        Push::Finish => write.shutdown().await.map(|()| Pushed::Finished),
    }
}

/// Enough of a line to recognise it.
fn start(line: &[u8]) -> &[u8] {
    &line[..line.len().min(60)]
}
