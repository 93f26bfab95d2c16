//! Blackjack: tables of up to seven players, a dealer who stands on all 17, and
//! cards that everybody can check.
//!
//! ```text
//!  C: HELLO ann        S: WELCOME ann k3y… 100 -- hello, ann, you have 100 chips. …
//!  C: SIT              S: SEAT 1 1 …, BETS 1 6 5f2e… -- round 1: BET and a number of …
//!  C: BET 10 lucky     S: BET 1 ann 10 lucky, DEAL 1 1, CARD ann 1 10H, …, TURN ann 1 …
//!  C: STAND            S: ACT ann 1 STAND, HOLE 9C, PAY ann 1 WIN 10 20, SEED …, END 1
//! ```
//! The whole protocol is in `docs/protocols/blackjack.md`.
//!
//! Layout: [`grammar`](Request) is the language of both sides, [`cards`](Card) what
//! hands are worth, `fair` how the shoe is shuffled, `round` one round, `table` who
//! sits where, `house` everybody and their accounts, [`rules`](Rules) what the owner
//! decides, [`client`](Client) and [`verify`](Verifier) the other side; none of them
//! does I/O.

mod cards;
mod client;
mod dissect;
mod fair;
mod grammar;
mod house;
mod round;
mod rules;
mod table;
#[cfg(test)]
mod tests;
mod verify;

use std::sync::Arc;

use wharf::connection::Connection;
use wharf::service::{Context, Service, ServiceError};

use crate::games::Hall;

pub use crate::games::is_name;
pub use cards::{Card, Chips, NoCard, NoChips, Suit, Total, total};
pub use client::{Client, Hand, NotUnderstood, Phase, Player};
pub use dissect::DissectBlackjack;
pub use fair::{MAX_NONCE, hash_of, is_nonce};
pub use grammar::{DEALER, No, Nonce, Reply, Request, Where};
pub use round::{Action, MAX_HANDS, Outcome};
pub use rules::{
    BET_TIMEOUT, DECKS, IDLE_ROUNDS, MAX_BET, MAX_DECKS, REVEAL_TIMEOUT, Rules, SEATS, START,
    TURN_TIMEOUT,
};
pub use verify::{Doubt, Kind, Problem, Verdict, Verifier};

pub(crate) use house::House;

/// Tables of blackjack.
///
/// Clones are the same tables, so they can be served at several addresses at once and
/// on any number of cores:
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Blackjack;
/// use wharf_services::blackjack::Rules;
///
/// let tables = Blackjack::new(Rules::default(), |words| println!("{words}"));
/// let server = Server::new()
///     .serve("blackjack", "tcp::0".parse().unwrap(), tables.clone())
///     .serve("blackjack", "tls::0,self-signed".parse().unwrap(), tables);
/// ```
#[derive(Clone)]
pub struct Blackjack {
    hall: Arc<Hall<House>>,
}

impl Blackjack {
    /// Tables with these rules. Who comes and which rounds end is passed to `show`,
    /// which is called from the serving threads and must be quick.
    pub fn new(rules: Rules, show: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let hall = Hall::new(House::new(rules), Box::new(show));
        Blackjack {
            hall: Arc::new(hall),
        }
    }
}

impl Default for Blackjack {
    /// The default rules, and nothing is shown.
    fn default() -> Self {
        Blackjack::new(Rules::default(), |_| {})
    }
}

impl Service for Blackjack {
    async fn serve(&self, peer: &mut Connection, context: &Context) -> Result<(), ServiceError> {
        self.hall.talk(peer, context).await
    }
}

impl std::fmt::Debug for Blackjack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blackjack").finish_non_exhaustive()
    }
}
