//! A player over datagrams: the socket, and the clock that runs while it is open.

use std::io;

use tokio::time::{Duration, Instant, sleep_until, timeout};
use wharf::address::Address;
use wharf::client::{Client, ConnectError};
use wharf::datagram::Datagrams;
use wharf::network::{Endpoint, Network, Os};

use super::grammar::Reply;
use crate::games::{Repeater, SILENCE};

/// How many transmissions in a row may be refused where a referee was heard before: it may
/// be starting anew. Each is sent again later than the last, so that is about four seconds.
const MAX_REFUSED: u32 = 10;

/// How long a goodbye is repeated: without it the opponent waits for a move that
/// never comes.
const GOODBYE: Duration = Duration::from_secs(2);

/// A conversation with a referee over datagrams, whatever the network does to them:
/// each line that is said is taken once, and each line of the referee is heard once and
/// in order.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use wharf_services::rps::Courier;
///
/// let mut courier = Courier::open("udp::5379".parse()?).await?;
/// while let Some(line) = courier.next().await? {
///     match line.split(' ').next() {
///         Some("RPS") => courier.say("HELLO ann"),
///         Some("WELCOME") => courier.say("PLAY house"),
///         Some("ROUND") => courier.say("ROCK"),
///         Some("OVER") => courier.say("BYE"),
///         _ => true,
///     };
/// }
/// # Ok(())
/// # }
/// ```
pub struct Courier<N: Network = Os> {
    client: Client<N>,
    address: Address,
    /// The endpoints that the address means, and which of them is tried.
    endpoints: Vec<Endpoint>,
    candidate: usize,
    socket: Datagrams,
    repeater: Repeater,
    received: Vec<u8>,
    heard: Heard,
    /// How many transmissions were refused since something was heard.
    refused: u32,
}

/// How far the conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    Something,
    Goodbye,
}

/// Why a conversation over datagrams is over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CourierError {
    /// The socket could not be opened.
    #[error("{0}")]
    Open(#[from] ConnectError),
    /// Nothing listens there: the other machine says so.
    #[error("connection refused")]
    Refused,
    /// Nothing listens there any more, and the referee that did is not back after a few
    /// seconds.
    #[error("connection refused, where a referee was")]
    Gone,
    /// Nothing was answered for [`SILENCE`].
    #[error("no answer for {} s", SILENCE.as_secs())]
    Silent,
    /// The socket is broken.
    #[error("{0}")]
    Broken(io::Error),
}

impl Courier<Os> {
    /// Opens a conversation with the referee at `address`, on the operating system's
    /// network. Nothing is sent before [`Courier::next`].
    ///
    /// # Errors
    /// Those of [`Client::datagram_candidates`].
    pub async fn open(address: Address) -> Result<Self, CourierError> {
        Courier::on(Client::new(), address).await
    }
}

impl<N: Network> Courier<N> {
    /// The same with a client, for other networks.
    ///
    /// # Errors
    /// Those of [`Client::datagram_candidates`].
    pub async fn on(client: Client<N>, address: Address) -> Result<Self, CourierError> {
        let endpoints = client.datagram_candidates(&address).await?;
        // There is never none.
        let socket = client.datagrams_to(&address, &endpoints[0]).await?;
        Ok(Courier {
            client,
            address,
            endpoints,
            candidate: 0,
            socket,
            repeater: Repeater::new(Instant::now()),
            received: Vec::new(),
            heard: Heard::Nothing,
            refused: 0,
        })
    }

    /// Where the referee is.
    pub fn peer(&self) -> &Endpoint {
        &self.endpoints[self.candidate]
    }

    /// Where the answers come to.
    #[cfg(test)]
    pub(super) fn local(&self) -> &Endpoint {
        self.socket.local()
    }

    /// Says a line, given without its end, as soon as those before it are answered.
    /// `false` where 64 wait already: then it is not said.
    pub fn say(&mut self, line: &str) -> bool {
        self.repeater.say(line)
    }

    /// The next line of the referee, the greeting first; `None` after its `BYE`. Cancel
    /// safe.
    ///
    /// # Errors
    /// [`CourierError`]; there will be nothing more then.
    pub async fn next(&mut self) -> Result<Option<String>, CourierError> {
        loop {
            if let Some(line) = self.repeater.next_line() {
                if matches!(Reply::parse(&line), Some(Reply::Bye)) {
                    self.heard = Heard::Goodbye;
                }
                return Ok(Some(line));
            }
            if self.heard == Heard::Goodbye {
                return Ok(None);
            }
            self.step().await?;
        }
    }

    /// Says `BYE`, and waits a little for the answer, so that the referee knows.
    pub async fn leave(mut self) {
        self.repeater.say_last("BYE");
        let answered = async { while let Ok(Some(_)) = self.next().await {} };
        // Who does not hear it in time counts as away.
        let _ = timeout(GOODBYE, answered).await;
    }

    /// Sends what is due, or waits for what comes.
    async fn step(&mut self) -> Result<(), CourierError> {
        let now = Instant::now();
        if self.repeater.is_forsaken(now) {
            return Err(CourierError::Silent);
        }
        if let Some(datagram) = self.repeater.transmit(now) {
            let to = &self.endpoints[self.candidate];
            // What the network does not take is lost, and sent again like all that is.
            return match self.socket.send_to(datagram, to).await {
                Err(error) if is_refusal(&error) => self.refused().await,
                _ => Ok(()),
            };
        }
        let received = tokio::select! {
            biased;
            received = self.socket.receive_from(&mut self.received) => received,
            () = sleep_until(self.repeater.deadline()) => return Ok(()),
        };
        match received {
            Ok(_) => {
                self.heard = Heard::Something;
                self.refused = 0;
                self.repeater.receive(&self.received, Instant::now());
                Ok(())
            }
            Err(error) if is_refusal(&error) => self.refused().await,
            Err(error) => Err(CourierError::Broken(error)),
        }
    }

    /// Nothing listens there. A name may have other endpoints; and a referee that was
    /// heard before may be back soon.
    async fn refused(&mut self) -> Result<(), CourierError> {
        if self.heard != Heard::Nothing {
            self.refused += 1;
            return match self.refused < MAX_REFUSED {
                true => Ok(()),
                false => Err(CourierError::Gone),
            };
        }
        let next = self.candidate + 1;
        let Some(to) = self.endpoints.get(next) else {
            return Err(CourierError::Refused);
        };
        self.socket = self.client.datagrams_to(&self.address, to).await?;
        self.candidate = next;
        self.repeater.hurry(Instant::now());
        Ok(())
    }
}

fn is_refusal(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionRefused
}

impl<N: Network> std::fmt::Debug for Courier<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
