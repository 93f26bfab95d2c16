//! What the owner of the tables decides, and the limits with their reasons.

use std::time::Duration;

use crate::games::MAX_NAMES;

/// Seats at a table, as in casinos: everybody has a turn within minutes.
pub const SEATS: usize = 7;

/// Decks in the shoe, as in most casinos.
pub const DECKS: u32 = 6;

/// The most decks that can be asked for.
pub const MAX_DECKS: u32 = 8;

/// Chips of a new player: ten bets of ten.
pub const START: u32 = 100;

/// The most chips of a bet.
pub const MAX_BET: u32 = 500;

/// How long a player may think about a hand; then it stands.
pub const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the others may take to bet once the first one has.
pub const BET_TIMEOUT: Duration = Duration::from_secs(20);

/// How long it may take to reveal a nonce. Programs do it at once.
pub const REVEAL_TIMEOUT: Duration = Duration::from_secs(15);

/// Who sits out so many rounds in a row gives its seat up.
pub const IDLE_ROUNDS: u32 = 3;

/// What holds at the tables.
///
/// ```
/// use wharf_services::blackjack::Rules;
///
/// let lecture = Rules { decks: 1, ..Rules::default() };
/// # let _ = lecture;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many decks are in the shoe, 1 to 8.
    pub decks: u32,
    /// Chips of a new player, and of one that buys again; at least 1.
    pub start: u32,
    /// The most chips of a bet; at least 1.
    pub max_bet: u32,
    /// The time for a turn; then the hand stands.
    pub turn: Duration,
    /// The time to bet once the first one has.
    pub bet: Duration,
    /// The time to reveal a nonce.
    pub reveal: Duration,
    /// How many names and balances are remembered.
    pub max_names: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            decks: DECKS,
            start: START,
            max_bet: MAX_BET,
            turn: TURN_TIMEOUT,
            bet: BET_TIMEOUT,
            reveal: REVEAL_TIMEOUT,
            max_names: MAX_NAMES,
        }
    }
}
