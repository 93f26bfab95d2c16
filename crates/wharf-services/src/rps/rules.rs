//! What the owner of a referee decides, and the limits with their reasons.

use std::time::Duration;

use crate::games::MAX_NAMES;

/// Two rounds won decide: short enough to try, long enough to come back.
pub const BEST_OF: u32 = 3;

/// The longest match that can be asked for: half an hour at ten seconds a round.
pub const MAX_BEST_OF: u32 = 99;

/// How long a player may think about a move.
pub const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a player may be away in one match, in all: a laptop that changes its
/// network is back within seconds, and nobody can hold a match up by coming and going.
pub const GRACE: Duration = Duration::from_secs(30);

/// How long somebody waits for an opponent before it is told that nobody came.
pub const WAIT: Duration = Duration::from_secs(300);

/// So many rounds for each one that would decide: two programs that always show the
/// same would draw for ever.
pub const ROUNDS_PER_WIN: u32 = 20;

/// What holds at a referee's.
///
/// ```
/// use wharf_services::rps::Rules;
///
/// let rules = Rules { best_of: 5, ..Rules::default() };
/// assert_eq!(rules.needed(), 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many rounds a match has at most that are not drawn; odd, 1 to 99.
    pub best_of: u32,
    /// The time for a move; a round without it is lost.
    pub turn: Duration,
    /// The time that a player may be away in one match before it loses it.
    pub grace: Duration,
    /// The time for which somebody waits for an opponent.
    pub wait: Duration,
    /// How many names and scores are remembered.
    pub max_names: usize,
}

impl Rules {
    /// How many rounds have to be won.
    pub fn needed(&self) -> u32 {
        self.best_of / 2 + 1
    }
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            best_of: BEST_OF,
            turn: TURN_TIMEOUT,
            grace: GRACE,
            wait: WAIT,
            max_names: MAX_NAMES,
        }
    }
}
