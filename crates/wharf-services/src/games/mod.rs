//! What the games have in common: players with names and keys, what waits to be
//! written to them, and how a table of rules is served. The rules themselves stand
//! with each game.
//!
//! ```text
//!   connection ── talk ──┐                        ┌── roster: names, keys, accounts
//!   connection ── talk ──┤── hall (lock) ── game ─┤── desk: members and their outboxes
//!   datagrams ── letters ┘                        └── dice: chance with a seed
//! ```
//! `repeater` is the other side of `letters`.
//!
//! A [`Game`] does no I/O and asks no clock. Whoever calls it passes the time, and
//! what has become due by then happens first: a deadline that nobody waits for
//! costs nobody anything, and is kept all the same.

mod desk;
mod dice;
pub(crate) mod dissect;
#[cfg(fuzzing)]
pub mod fuzzing;
mod hall;
mod letters;
mod repeater;
mod roster;
mod talk;
#[cfg(test)]
pub(crate) mod testing;
mod words;

use tokio::time::{Duration, Instant};

pub(crate) use desk::{Desk, Door, Ending, MemberId};
pub(crate) use dice::Dice;
pub(crate) use hall::Hall;
pub(crate) use letters::Letters;
pub(crate) use repeater::Repeater;
pub(crate) use roster::{LoginRefusal, PlayerId};
pub(crate) use words::{Counted, Fields, is_key, refusals, refusals_of};

pub use repeater::SILENCE;
pub use words::is_name;

/// The longest line of a client, in bytes without its end. The longest request of
/// any game is under 200.
pub(crate) const MAX_LINE: usize = 512;

/// How many names a server remembers. At the cap the one that was away for longest
/// is forgotten, with its score or its chips; 10,000 names take some 3 MB.
pub(crate) const MAX_NAMES: usize = 10_000;

/// How many bytes wait for a player before it counts as a slow reader. A whole
/// match, or a round at a full table, is under 16 KiB.
pub(crate) const MAX_WAITING_BYTES: usize = 64 * 1024;

/// While so many bytes wait for a player, its own requests wait as well.
pub(crate) const BACKPRESSURE_BYTES: usize = 8 * 1024;

/// How many rows a table of scores has at most.
pub(crate) const MAX_ROWS: usize = 20;

/// The longest time that rules or a peer can set: a century, which every clock can show.
const LONGEST_TIME: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// When a time is over that rules or a peer set.
pub(crate) fn after(now: Instant, time: Duration) -> Instant {
    now + time.min(LONGEST_TIME)
}

/// The rules of a game for everybody who is connected.
pub(crate) trait Game: Send + 'static {
    /// What is kept under a player's name.
    type Account: Default + Send;

    fn desk(&self) -> &Desk<Self::Account>;

    fn desk_mut(&mut self) -> &mut Desk<Self::Account>;

    /// Says the first line to somebody who connected.
    fn greet(&mut self, id: MemberId);

    /// A member said a line, given without its end.
    fn line(&mut self, id: MemberId, line: &str, now: Instant);

    /// A member said a line that was too long and was thrown away.
    fn line_too_long(&mut self, id: MemberId);

    /// A member will say nothing more; it may still listen.
    fn hang_up(&mut self, id: MemberId, now: Instant);

    /// Does what is due by now.
    fn advance(&mut self, now: Instant);

    /// When something is due that concerns a member.
    fn deadline(&self, id: MemberId) -> Option<Instant>;

    /// The server is about to stop: says so to a member and lets it go.
    fn dismiss(&mut self, id: MemberId);
}
