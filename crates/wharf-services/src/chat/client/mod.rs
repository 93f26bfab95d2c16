//! A client of the chat, for the command, for programs and for simulated networks.
//!
//! [`ChatClient`] connects, logs in, comes back when the connection is lost, and
//! gives [`Event`]s. What it says and understands is decided by state machines
//! without I/O: [`Lines`] over tcp, tls and unix, [`Numbered`] over datagrams.
//!
//! Layout: this file drives, `link` is one connection and `socket` one datagram socket,
//! `gate` the password that opens the way to a server, `backoff` the pause before the
//! next connection, `lines` and `numbered` are the state machines, `event` what is heard.

mod backoff;
mod event;
mod gate;
mod lines;
mod link;
mod numbered;
mod socket;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};
use wharf::address::Address;
use wharf::client::Client;
use wharf::network::{Network, Os, Platform};

use crate::password::Secret;

pub use backoff::{BACKOFF_FIRST, BACKOFF_MOST};
pub use event::{CannotSend, Check, Denied, Event, Lost, Message, NotSent, Receipt, Ticket};
pub use gate::MAX_DENIALS;
pub use lines::{Lines, MAX_ASKED, MAX_REPLY};
pub use numbered::{ENVELOPE, GIVE_UP, MAX_PEERS, MAX_TEXT, MAX_WAITING, Numbered, WINDOW};
pub(super) use numbered::{Opened, peek};

use backoff::Backoff;
use gate::Gate;
use link::{Link, Open, Opening};
use socket::{Heard, Socket};

/// How long a server may leave requests unanswered before the connection counts as
/// lost. A server that is drowned in work answers late; one that is gone never does.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// A client of a chat server.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use wharf_services::chat::client::{ChatClient, Event};
///
/// let mut client = ChatClient::new("localhost:5378".parse()?);
/// client.log_in("ann");
/// loop {
///     match client.next().await {
///         Event::LoggedIn(_) => drop(client.send("echobot", "hello")?),
///         Event::Message(message) => println!("{}: {}", message.from, message.text),
///         Event::Lost { why, again: None } => return Err(why.to_string().into()),
///         _ => {}
///     }
/// }
/// # }
/// ```
///
/// Everything that can be called returns at once; the work is done in
/// [`ChatClient::next`], which has to be awaited for anything to happen.
pub struct ChatClient<N: Network = Os> {
    client: Client<N>,
    platform: Platform,
    address: Address,
    reconnect: Reconnect,
    who_every: Option<Duration>,
    /// Where a gate stands before the server.
    gate: Option<Gate>,
    /// The name to log in under; it is kept while it is not refused.
    name: Option<String>,
    state: State,
    lines: Lines,
    /// In place of the lines, where the address means datagrams.
    numbered: Option<Numbered>,
    /// Which of the endpoints of a datagram address is tried, and how many there are.
    candidate: usize,
    candidates: usize,
    events: VecDeque<Event>,
    backoff: Backoff,
}

/// Whether a lost connection is opened anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reconnect {
    /// It is not.
    #[default]
    Never,
    /// It is, once a login had succeeded: before that, whoever typed a wrong address
    /// wants to know.
    AfterLogin,
    /// It is, even if there was none yet.
    Always,
}

/// Where the conversation stands.
enum State {
    /// Nothing is to be done: no name, or the last attempt was the last.
    Rests,
    /// A connection is being opened.
    Opens(Opening),
    /// There is one.
    Open(Box<Link>),
    /// There is a socket.
    Bound(Box<Socket>),
    /// The next attempt comes later.
    Pauses(Pin<Box<Sleep>>),
}

impl ChatClient<Os> {
    /// A client of the server at `address`, on the operating system's network.
    pub fn new(address: Address) -> Self {
        ChatClient::on(Os, address)
    }
}

impl<N: Network> ChatClient<N> {
    /// A client of the server at `address` on `network`. It begins with the first
    /// [`ChatClient::log_in`].
    pub fn on(network: N, address: Address) -> Self {
        let platform = network.platform();
        let numbered = address.scheme.is_datagram().then(|| {
            let mut seed = [0; 4];
            platform.random(&mut seed);
            Numbered::new(u32::from_ne_bytes(seed))
        });
        ChatClient {
            platform,
            client: Client::on(network),
            address,
            reconnect: Reconnect::default(),
            who_every: None,
            gate: None,
            name: None,
            state: State::Rests,
            lines: Lines::default(),
            numbered,
            candidate: 0,
            candidates: 1,
            events: VecDeque::new(),
            backoff: Backoff::default(),
        }
    }

    /// How long one connect may take; `None` leaves it to the system.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.client = self.client.connect_timeout(timeout);
        self
    }

    /// Decides whether a lost connection is opened anew, after [`BACKOFF_FIRST`] at
    /// first and [`BACKOFF_MOST`] at most.
    #[must_use]
    pub fn reconnect(mut self, reconnect: Reconnect) -> Self {
        self.reconnect = reconnect;
        self
    }

    /// Asks who is there after each login and then every so often. The protocol does
    /// not tell who comes and who goes.
    #[must_use]
    pub fn who_every(mut self, time: Option<Duration>) -> Self {
        self.who_every = time;
        self
    }

    /// Opens the [gate](crate::password::Gate) before the server with this password, on
    /// every connection. Where it is denied, or where there is no gate, the connection is
    /// [lost](Lost::Gate) for good; but a gate that had opened before is asked again, up
    /// to [`MAX_DENIALS`] times in a row. Datagrams have no gate, and to them this means
    /// nothing.
    #[must_use]
    pub fn gate(mut self, secret: Option<Secret>) -> Self {
        self.gate = secret.map(Gate::new);
        self
    }

    /// Logs in under `name`, now or as soon as there is a connection.
    pub fn log_in(&mut self, name: &str) {
        self.name = Some(name.to_owned());
        match &mut self.state {
            State::Rests => self.open(),
            State::Open(link) => {
                link.asks(&mut self.lines, |lines| lines.log_in(name));
            }
            State::Bound(_) => {
                if let Some(numbered) = &mut self.numbered {
                    numbered.log_in(name, Instant::now());
                }
            }
            State::Opens(_) | State::Pauses(_) => {}
        }
    }

    /// Sends a message; what becomes of it is an [`Event::Sent`] or [`Event::NotSent`].
    ///
    /// # Errors
    /// [`CannotSend`]; then nothing was sent.
    pub fn send(&mut self, to: &str, text: &str) -> Result<Ticket, CannotSend> {
        match (&mut self.state, &mut self.numbered) {
            (State::Open(link), _) => link.asks(&mut self.lines, |lines| lines.send(to, text)),
            (State::Bound(_), Some(numbered)) => numbered.send(to, text, Instant::now()),
            _ => Err(CannotSend::NotLoggedIn),
        }
    }

    /// Asks who is there; the answer is an [`Event::Users`] or [`Event::NoUsers`].
    pub fn who(&mut self) {
        match (&mut self.state, &mut self.numbered) {
            (State::Open(link), _) => link.asks(&mut self.lines, Lines::who),
            (State::Bound(_), Some(numbered)) => numbered.who(Instant::now()),
            _ => {}
        }
    }

    /// Does not wait for the next attempt to connect.
    pub fn hurry(&mut self) {
        if matches!(self.state, State::Pauses(_)) {
            self.open();
        }
    }

    /// The name, while it is logged in.
    pub fn name(&self) -> Option<&str> {
        match &self.numbered {
            Some(numbered) => numbered.name(),
            None => self.lines.name(),
        }
    }

    /// Whether another message may be sent now.
    pub fn has_room(&self) -> bool {
        match &self.numbered {
            Some(numbered) => numbered.has_room(),
            None => self.lines.has_room(),
        }
    }

    /// Whether an answer to a request is still to come.
    pub fn waits(&self) -> bool {
        match &self.numbered {
            Some(numbered) => numbered.waits(),
            None => self.lines.waits(),
        }
    }

    /// How many lines of the server were skipped because no server says them.
    pub fn skipped(&self) -> u64 {
        match &self.numbered {
            Some(numbered) => numbered.skipped(),
            None => self.lines.skipped(),
        }
    }

    /// Waits for the next event. Cancel safe.
    pub async fn next(&mut self) -> Event {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Leaves: what was sent is written, and the connection closed in order.
    pub async fn leave(self) {
        match (self.state, self.numbered) {
            (State::Open(link), _) => link.close(self.lines).await,
            (State::Bound(socket), Some(numbered)) => socket.close(numbered).await,
            _ => {}
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            if let Some(event) = self.next_heard() {
                return Poll::Ready(self.heard(event));
            }
            match &mut self.state {
                State::Rests => return Poll::Pending,
                State::Pauses(pause) => {
                    ready!(pause.as_mut().poll(cx));
                    self.open();
                }
                State::Opens(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(Open::Stream(connection)) => self.opened(Link::new(connection)),
                    Ok(Open::Socket(socket, to, candidates)) => {
                        self.candidates = candidates;
                        self.bound(Socket::new(socket, to));
                    }
                    Err(why) => self.lost(why),
                },
                State::Open(link) => {
                    if let Err(why) = ready!(link.poll(cx, &mut self.lines)) {
                        self.lost(why);
                    }
                }
                State::Bound(socket) => {
                    let Some(numbered) = &mut self.numbered else {
                        return Poll::Pending;
                    };
                    if let Err(why) = ready!(socket.poll(cx, numbered)) {
                        let heard = socket.heard();
                        self.socket_lost(why, heard);
                    }
                }
            }
        }
    }

    fn next_heard(&mut self) -> Option<Event> {
        match &mut self.numbered {
            Some(numbered) => numbered.next_event(),
            None => self.lines.next_event(),
        }
    }

    fn open(&mut self) {
        let (client, address) = (self.client.clone(), self.address.clone());
        let secret = self.gate.as_ref().map(Gate::secret);
        let opening = link::open(client, address, secret, self.candidate);
        self.state = State::Opens(Box::pin(opening));
    }

    fn bound(&mut self, socket: Socket) {
        let peer = socket.peer().clone();
        self.events.push_back(Event::Connected(peer));
        if let (Some(numbered), Some(name)) = (&mut self.numbered, &self.name) {
            numbered.log_in(name, Instant::now());
        }
        self.state = State::Bound(Box::new(socket));
    }

    /// A socket knows of a server that is gone only what comes back, or does not.
    fn socket_lost(&mut self, why: Lost, heard: Heard) {
        if heard == Heard::Nothing && matches!(why, Lost::Broken(_)) {
            // Nothing listens at this endpoint; the name may have others.
            self.candidate = (self.candidate + 1) % self.candidates;
            if self.candidate != 0 {
                return self.open();
            }
        }
        let keeps = matches!(why, Lost::Silent(_)) && self.comes_back_after(&why);
        if let (true, Some(numbered)) = (keeps, &mut self.numbered) {
            // The socket stays: with another one the name would be in use, by ourselves.
            let again = Some(Duration::ZERO);
            self.events.push_back(Event::Lost { why, again });
            return numbered.log_in_again(Instant::now());
        }
        self.lost(why);
    }

    /// Whether the policy is to try again.
    fn comes_back_after(&mut self, why: &Lost) -> bool {
        let gate = self.gate.as_mut();
        if matches!(why, Lost::Gated) || gate.is_some_and(|gate| gate.is_shut_by(why)) {
            return false;
        }
        match self.reconnect {
            Reconnect::Never => false,
            Reconnect::AfterLogin => self.backoff.ever_succeeded(),
            Reconnect::Always => true,
        }
    }

    fn opened(&mut self, mut link: Link) {
        self.events.push_back(Event::Connected(link.peer().clone()));
        if let Some(gate) = &mut self.gate {
            gate.opened();
        }
        if let Some(name) = &self.name {
            link.asks(&mut self.lines, |lines| lines.log_in(name));
        }
        self.state = State::Open(Box::new(link));
    }

    /// What an event changes here.
    fn heard(&mut self, event: Event) -> Event {
        match &event {
            Event::LoggedIn(_) => {
                self.backoff.succeeded();
                match (&mut self.state, self.who_every) {
                    (State::Open(link), Some(time)) => link.ask_who_every(time),
                    (State::Bound(socket), Some(time)) => socket.ask_who_every(time),
                    _ => {}
                }
            }
            // A server that is full is asked again later; another name would not help.
            Event::Refused {
                why: Denied::Busy, ..
            } => self.lost(Lost::Busy),
            Event::Refused {
                why: Denied::Gated, ..
            } => self.lost(Lost::Gated),
            Event::Refused { .. } => self.name = None,
            _ => {}
        }
        event
    }

    fn lost(&mut self, why: Lost) {
        let was_refused = self.name.is_none();
        let comes_back = self.comes_back_after(&why);
        match &mut self.numbered {
            Some(numbered) if comes_back => numbered.connection_lost(),
            Some(numbered) => numbered.give_up(),
            None => self.lines.connection_lost(),
        }
        while let Some(event) = self.next_heard() {
            self.events.push_back(event);
        }
        self.state = State::Rests;
        if was_refused && matches!(why, Lost::Closed | Lost::Broken(_)) {
            // It closed because of the name; with another one there is a new connection.
            return;
        }
        let again = comes_back.then(|| {
            let mut random = [0; 4];
            self.platform.random(&mut random);
            let pause = self.backoff.next(u32::from_ne_bytes(random));
            self.state = State::Pauses(Box::pin(sleep_until(Instant::now() + pause)));
            pause
        });
        self.events.push_back(Event::Lost { why, again });
    }
}

impl<N: Network> std::fmt::Debug for ChatClient<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatClient")
            .field("address", &self.address)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
