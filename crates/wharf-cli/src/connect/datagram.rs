//! A conversation in datagrams, with one peer or with everybody who answers.
//!
//! Datagrams get lost, and nobody says so. After the end of input the command waits
//! until as many datagrams came as were sent; if they do not come in time, it says
//! that some were lost. Where anybody may answer, it listens for the whole time.
//!
//! A name may have several endpoints, of which only some are bound. The refusal of
//! one comes back after something was sent; before the first answer, what was sent is
//! then sent again to the next one (`candidates`).

use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use wharf::address::Address;
use wharf::datagram::{Batch, Datagrams};
use wharf::network::Endpoint;

use super::args::HalfClose;
use super::candidates::{Candidates, Kept};
use super::expect::Seen;
use super::input::Item;
use super::output::Gone;
use super::report::{Ended, Totals};
use super::wire::Piece;
use super::{ANSWER_TIMEOUT, Ends};
use crate::exit::Exit;
use crate::failure::{Failure, forbidden, words};
use crate::style::count;

/// Sends input and shows answers until the end.
pub(super) async fn converse(
    socket: Datagrams,
    to: Endpoint,
    candidates: Candidates,
    ends: Ends<'_>,
) -> Result<Exit, Failure> {
    let timeout = match ends.args.timeout {
        None => Some(ANSWER_TIMEOUT),
        Some(given) => given.0,
    };
    let mut talk = Talk {
        peers: match socket.peer() {
            Some(_) => Peers::One,
            None => Peers::Many,
        },
        to,
        candidates,
        kept: Kept::default(),
        timeout,
        waits_since: ends.started,
        ends,
        input: Side::Open,
        to_show: Vec::new(),
        totals: Totals::default(),
        sent: 0,
        received: 0,
    };
    let outcome = talk.run(socket).await;
    talk.close(outcome).await
}

/// Who may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peers {
    /// The one that is sent to.
    One,
    /// Everybody: it was sent to a broadcast address or a multicast group.
    Many,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Open,
    Ended,
}

struct Talk<'a> {
    ends: Ends<'a>,
    peers: Peers,
    to: Endpoint,
    /// Where to go on when this endpoint refuses.
    candidates: Candidates,
    /// What the next endpoint would have to be sent.
    kept: Kept,
    timeout: Option<Duration>,
    /// The wait for answers began, or an answer came.
    waits_since: Instant,
    input: Side,
    to_show: Vec<u8>,
    totals: Totals,
    sent: u64,
    received: u64,
}

enum Step {
    Received(io::Result<usize>),
    Input(Option<Item>),
    Shown,
    Gone,
    Time,
}

impl Talk<'_> {
    async fn run(&mut self, mut socket: Datagrams) -> Result<Ended, Failure> {
        let mut batch = Batch::new();
        loop {
            if let Some(ended) = self.over() {
                return Ok(ended);
            }
            match self.step(&mut socket, &mut batch).await {
                Step::Received(Ok(_)) => self.received(&batch),
                Step::Received(Err(error)) => self.refused(&mut socket, error).await?,
                Step::Input(Some(Item::Piece(piece))) => self.send(&mut socket, &piece).await?,
                Step::Input(Some(Item::Failed(error))) => {
                    let cause = format!("cannot read the input: {}", words(&error));
                    return Err(Failure::new(Exit::Failed, cause));
                }
                Step::Input(None) => {
                    self.input = Side::Ended;
                    self.waits_since = Instant::now();
                }
                Step::Gone => return Ok(Ended::OutputGone),
                Step::Shown | Step::Time => {}
            }
        }
    }

    /// Waits for the first thing that can go on. Every future is cancel safe.
    async fn step(&mut self, socket: &mut Datagrams, batch: &mut Batch) -> Step {
        let deadline = self.deadline();
        let may_take = self.to_show.is_empty();
        let ends = &mut self.ends;
        tokio::select! {
            outcome = socket.receive(batch), if may_take => Step::Received(outcome),
            item = ends.input.next(), if may_take && self.input == Side::Open => Step::Input(item),
            room = ends.output.ready(), if !may_take => match room {
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

    fn received(&mut self, batch: &Batch) {
        for index in 0..batch.len() {
            let datagram = batch.get(index);
            self.received += 1;
            self.totals.received += datagram.payload.len() as u64;
            if let Some(expect) = &mut self.ends.expect {
                expect.boundary();
                expect.look(datagram.payload);
            }
            let from = (self.peers == Peers::Many).then_some(datagram.peer);
            let mut shown = self.ends.view.datagram(datagram.payload, from);
            self.to_show.append(&mut shown);
        }
        if self.peers == Peers::One {
            self.waits_since = Instant::now();
        }
    }

    async fn send(&mut self, socket: &mut Datagrams, piece: &Piece) -> Result<(), Failure> {
        let payload = piece.payload();
        if let Some(most) = longest(&self.to).filter(|most| payload.len() > *most) {
            return self.too_long(payload.len(), most);
        }
        if self.received == 0 {
            self.kept.keep(payload);
        }
        match socket.send_to(payload, &self.to).await {
            Ok(()) => {
                self.sent(payload);
                Ok(())
            }
            Err(error) if self.goes_on_after(&error) => {
                self.sent(payload);
                self.refused(socket, error).await
            }
            Err(error) => self.failed(&error),
        }
    }

    fn sent(&mut self, payload: &[u8]) {
        self.sent += 1;
        self.totals.sent += payload.len() as u64;
        let mut shown = self.ends.view.sent_datagram(payload);
        self.to_show.append(&mut shown);
    }

    /// Whether another endpoint may be the right one.
    fn goes_on_after(&self, error: &io::Error) -> bool {
        self.received == 0
            && error.kind() == io::ErrorKind::ConnectionRefused
            && self.candidates.has_more()
            && self.kept.is_whole()
    }

    /// After a refusal: everything that was sent goes to the next endpoint.
    async fn refused(&mut self, socket: &mut Datagrams, error: io::Error) -> Result<(), Failure> {
        let mut error = error;
        while self.goes_on_after(&error) {
            let Some((next, to)) = self.candidates.next(&self.to).await else {
                break;
            };
            self.ends.report.bound(&next, &to);
            let mut shown = self.ends.view.connected(next.local(), &to, None);
            self.to_show.append(&mut shown);
            (*socket, self.to) = (next, to);
            self.waits_since = Instant::now();
            match self.kept.send_all(socket, &self.to).await {
                Ok(()) => return Ok(()),
                Err(again) => error = again,
            }
        }
        self.failed(&error)
    }

    fn too_long(&mut self, length: usize, most: usize) -> Result<(), Failure> {
        let version = match self.to.inet() {
            Some(to) if to.ip().to_canonical().is_ipv4() => "IPv4",
            _ => "IPv6",
        };
        let cause = format!(
            "a datagram over {version} has at most {most} bytes, and this one would have {length}"
        );
        if self.ends.is_interactive() {
            self.to_show = self.ends.view.note(&cause);
            return Ok(());
        }
        Err(Failure::usage(cause).cure("shorter datagrams, or tcp: with a --frame"))
    }

    /// An error that came back for a datagram, or one that could not be sent.
    fn failed(&mut self, error: &io::Error) -> Result<(), Failure> {
        if !self.ends.is_interactive() {
            return Err(self.failure(error));
        }
        // The next one may do better, at any of the endpoints.
        let to = self.candidates.tried(&self.to);
        self.candidates.begin_again();
        self.kept = Kept::default();
        let text = format!("not delivered to {to}: {}", words(error));
        self.to_show = self.ends.view.note(&text);
        Ok(())
    }

    fn failure(&self, error: &io::Error) -> Failure {
        let address = &self.ends.args.address;
        let to = &self.to;
        match error.kind() {
            io::ErrorKind::ConnectionRefused => {
                let tried = self.candidates.tried(to);
                let cause = format!("cannot reach {address}: connection refused ({tried})");
                let failure = Failure::new(Exit::Unreachable, cause).with(
                    "means",
                    "nothing is bound there: an error came back for a datagram",
                );
                match to.is_local() {
                    true => failure.cure(format!(
                        "wharf serve echo {}    in another terminal",
                        bare(address)
                    )),
                    false => failure,
                }
            }
            io::ErrorKind::PermissionDenied if self.peers == Peers::One => {
                forbidden(address, error)
            }
            io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => Failure::new(
                Exit::Unreachable,
                format!("cannot reach {address}: {}", words(error)),
            ),
            _ => Failure::new(
                Exit::Failed,
                format!("cannot send to {address}: {}", words(error)),
            ),
        }
    }

    fn over(&self) -> Option<Ended> {
        if !self.to_show.is_empty() {
            return None;
        }
        if let Some(expect) = &self.ends.expect
            && expect.seen() == Seen::Yes
        {
            return Some(Ended::Expected);
        }
        let is_late = self.deadline().is_some_and(|until| Instant::now() >= until);
        if self.input == Side::Ended {
            if self.ends.args.half_close == HalfClose::Close {
                return Some(Ended::Closed);
            }
            let all_came = self.received >= self.sent && self.peers == Peers::One;
            if all_came && self.ends.expect.is_none() && self.lingers().is_none() {
                return Some(Ended::Finished);
            }
            if is_late && all_came {
                return Some(Ended::LingerOver);
            }
        }
        is_late.then_some(Ended::TimedOut)
    }

    fn lingers(&self) -> Option<Duration> {
        self.ends.args.linger.and_then(|linger| linger.0)
    }

    fn deadline(&self) -> Option<Instant> {
        if self.input == Side::Open {
            return None;
        }
        let all_came = self.received >= self.sent && self.peers == Peers::One;
        let wait = match self.lingers() {
            Some(linger) if all_came || self.peers == Peers::Many => Some(linger),
            _ => self.timeout,
        };
        Some(self.waits_since + wait?)
    }

    async fn close(mut self, outcome: Result<Ended, Failure>) -> Result<Exit, Failure> {
        let ended = *outcome.as_ref().unwrap_or(&Ended::PeerReset);
        let mut rest = std::mem::take(&mut self.to_show);
        rest.append(&mut self.ends.view.closed(ended, self.totals));
        self.ends.output.send(rest).await;
        let verdict = outcome.and_then(|ended| self.verdict(ended));
        let (totals, report, time) = (self.totals, self.ends.report, self.ends.started.elapsed());
        self.ends.finish().await?;
        report.ended(ended, totals, time);
        verdict
    }

    fn verdict(&self, ended: Ended) -> Result<Exit, Failure> {
        match (&self.ends.expect, ended) {
            (_, Ended::Expected | Ended::OutputGone) => return Ok(Exit::Done),
            (Some(expect), _) if self.received > 0 => {
                let cause = format!("{} did not send {}", self.to, expect.wanted());
                return Err(
                    Failure::new(Exit::CheckFailed, cause).with("received", expect.instead())
                );
            }
            _ => {}
        }
        match self.peers {
            _ if ended != Ended::TimedOut => Ok(Exit::Done),
            Peers::Many if self.received > 0 => Ok(Exit::Done),
            Peers::Many => Err(self.late(format!("nobody answered at {}", self.to))),
            Peers::One if self.received == 0 => {
                Err(self.late(format!("no answer from {}", self.to)))
            }
            Peers::One => Err(self.late(format!(
                "{} of {} have no answer from {}",
                self.sent - self.received,
                count(self.sent, "datagram"),
                self.to
            ))),
        }
    }

    fn late(&self, cause: String) -> Failure {
        let waited = self.timeout.unwrap_or_default();
        Failure::new(Exit::TimedOut, cause)
            .with(
                "means",
                "a datagram or its answer was lost, or nobody answers; UDP does not tell",
            )
            .with("waited", crate::style::duration(waited))
            .cure("--timeout 10s to wait longer, or --half-close close to wait for nothing")
    }
}

/// The longest payload that one datagram carries to `to`, where IP bounds it.
fn longest(to: &Endpoint) -> Option<usize> {
    // The length fields have 16 bits. IPv4's counts its own header of 20 bytes too
    // (RFC 791), IPv6's does not (RFC 8200); UDP's header has 8 (RFC 768).
    let ip = to.inet()?.ip().to_canonical();
    Some(usize::from(u16::MAX) - if ip.is_ipv4() { 20 + 8 } else { 8 })
}

/// The address without its options, as another terminal would serve it.
fn bare(address: &Address) -> Address {
    Address::new(address.scheme, address.target.clone())
}
