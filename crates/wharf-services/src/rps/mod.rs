//! Rock, paper, scissors: players log in by name and a referee lets them play.
//!
//! ```text
//!                                     S: RPS 1 3 -- rock, paper, scissors, best of 3. …
//! C: HELLO ann                        S: WELCOME ann k3y… -- hello, ann. …
//! C: PLAY house                       S: MATCH ann house 3 -- ann against house: …
//!                                     S: ROUND 1 30 0 0 -- round 1, it stands 0:0. …
//! C: ROCK                             S: MOVED ROCK -- it is in; nobody sees it …
//!                                     S: RESULT 1 ROCK SCISSORS WIN 1 0 -- ROCK beats …
//! ```
//! The whole protocol is in `docs/protocols/rps.md`.
//!
//! Layout: [`grammar`](Request) is the language of both sides, `bout` one match,
//! `referee` everybody who is here, [`rules`](Rules) what the owner decides, and
//! [`client`](Client) the other side; none of them does I/O. [`courier`](Courier) takes a
//! player's words over datagrams.

mod bout;
mod client;
mod courier;
mod dissect;
mod grammar;
mod referee;
mod rules;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::time::Instant;
use wharf::connection::Connection;
use wharf::datagram::{Batch, DatagramService};
use wharf::service::{Context, Service, ServiceError};

use crate::games::{Hall, Letters};

pub use crate::games::{SILENCE, is_name};
pub use client::{Client, Log, NotUnderstood, Phase};
pub use courier::{Courier, CourierError};
pub use dissect::DissectRps;
pub use grammar::{Move, No, Outcome, Reply, Request, Why};
pub use referee::HOUSE;
pub use rules::{BEST_OF, GRACE, MAX_BEST_OF, ROUNDS_PER_WIN, Rules, TURN_TIMEOUT, WAIT};

pub(crate) use referee::Referee;

/// A referee for rock, paper, scissors, over streams.
///
/// Clones are the same referee, so it can be served at several addresses at once and
/// on any number of cores:
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Rps;
/// use wharf_services::rps::Rules;
///
/// let referee = Rps::new(Rules::default(), |words| println!("{words}"));
/// let server = Server::new()
///     .serve("rps", "tcp::0".parse().unwrap(), referee.clone())
///     .serve("rps", "tls::0,self-signed".parse().unwrap(), referee);
/// ```
#[derive(Clone)]
pub struct Rps {
    hall: Arc<Hall<Referee>>,
}

impl Rps {
    /// A referee with these rules. Who comes and how matches end is passed to
    /// `show`, which is called from the serving threads and must be quick.
    pub fn new(rules: Rules, show: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let hall = Hall::new(Referee::new(rules), Box::new(show));
        Rps {
            hall: Arc::new(hall),
        }
    }
}

impl Default for Rps {
    /// The default rules, and nothing is shown.
    fn default() -> Self {
        Rps::new(Rules::default(), |_| {})
    }
}

impl Service for Rps {
    async fn serve(&self, peer: &mut Connection, context: &Context) -> Result<(), ServiceError> {
        self.hall.talk(peer, context).await
    }
}

impl std::fmt::Debug for Rps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rps").finish_non_exhaustive()
    }
}

/// The same referee over datagrams: the same rules, and players of its own.
///
/// A request may begin with `#`, a number and a space. Its answer then begins with
/// the line `#number`, and when the same request comes again it is answered again
/// and not done twice, so a client can repeat what may have been lost. What it was sent
/// by itself meanwhile stands in the answer again. [`Courier`] is such a client.
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::rps::{DatagramRps, Rules};
///
/// let referee = DatagramRps::new(Rules::default(), |words| println!("{words}"));
/// let server = Server::new().serve_datagrams("rps", "udp::0".parse().unwrap(), referee);
/// ```
///
/// Players are sent what their opponents do, so over a network that is not this
/// machine alone it needs [`Amplification::Allowed`](wharf::datagram::Amplification::Allowed).
#[derive(Clone)]
pub struct DatagramRps(Arc<Letters<Referee>>);

impl DatagramRps {
    /// A referee with these rules; see [`Rps::new`].
    pub fn new(rules: Rules, show: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let hall = Hall::new(Referee::new(rules), Box::new(show));
        DatagramRps(Arc::new(Letters::new(Arc::new(hall))))
    }
}

impl DatagramService for DatagramRps {
    fn receive(&self, batch: &mut Batch, context: &Context) {
        self.0.receive(batch, context);
    }

    fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    fn timeout(&self, now: Instant, batch: &mut Batch, context: &Context) {
        self.0.timeout(now, batch, context);
    }
}

impl std::fmt::Debug for DatagramRps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DatagramRps").finish_non_exhaustive()
    }
}
