//! What the owner of a room decides, and every limit of the chat with its reason.

use std::time::Duration;

use super::grammar::Dialect;

/// How long a connection may be open without a login, as at courses' servers.
pub const LOGIN_TIMEOUT: Duration = Duration::from_secs(20);

/// How many users are logged in at once: as many as the server has places for
/// connections ([`wharf::limits::MAX_CONNECTIONS`]).
pub const MAX_USERS: usize = wharf::limits::MAX_CONNECTIONS;

/// The longest name, in bytes. Courses' servers know no limit; no name that was
/// ever seen comes near this one, and it bounds the list of users.
pub const MAX_NAME: usize = 64;

/// The longest line, in bytes without its end: one read buffer. What a user may
/// leave unfinished is what it can make the server keep.
pub const MAX_LINE: usize = wharf::limits::MAX_MESSAGE;

/// How many bytes wait for a user before it counts as a slow reader, beyond what
/// the kernel holds (some megabytes over TCP) and as much that is being written. A
/// reader that pauses while somebody sends it megabytes is no slow reader yet.
pub const MAX_WAITING_BYTES: usize = 2 << 20;

/// How many messages wait for a user before it counts as a slow reader. Ten
/// thousand users that each send it six at once are no reason.
pub const MAX_WAITING_MESSAGES: usize = 64 * 1024;

/// How many bytes of datagrams that are delayed on purpose are kept for all users
/// together; the chat over UDP loses what comes beyond it.
pub(super) const MAX_LATE_BYTES: usize = 64 << 20;

/// While so many bytes wait for a user, its own requests wait as well: whoever
/// asks without reading the answers is held up alone.
pub const BACKPRESSURE_BYTES: usize = 64 * 1024;

/// How many answers of delaybot wait for a user before its requests wait as well.
pub const BACKPRESSURE_ANSWERS: usize = 16;

/// What holds in a room.
///
/// ```
/// use wharf_services::chat::{Bots, Rules};
///
/// let rules = Rules { bots: Bots::Absent, max_users: 30, ..Rules::default() };
/// # let _ = rules;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The dialect of a connection until it uses `WHO` or `LIST`; then its own.
    pub dialect: Dialect,
    /// What happens to a client whose login is refused.
    pub refused: Refused,
    /// Whether echobot and delaybot are there.
    pub bots: Bots,
    /// Users logged in at once; the next is told `BUSY` and closed.
    pub max_users: usize,
    /// Users from one address (an IPv4 address, an IPv6 /64); the next is told
    /// `BUSY` and closed. `None` is no limit: a whole course may share an address.
    pub per_address: Option<usize>,
    /// The longest name in bytes.
    pub max_name: usize,
    /// The longest line in bytes, without its end. A longer one is answered
    /// `BAD-RQST-BODY` and skipped.
    pub max_line: usize,
    /// How many bytes wait for a user before it is a slow reader.
    pub max_waiting_bytes: usize,
    /// How many messages wait for a user before it is a slow reader.
    pub max_waiting_messages: usize,
    /// Whether what is said is reported.
    pub report: Report,
}

/// What happens to a client whose name is taken or cannot be one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refused {
    /// It may try another name on the same connection.
    #[default]
    Keep,
    /// It is closed, as courses' servers do.
    Close,
}

/// Whether echobot and delaybot are in the room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bots {
    /// They are, and their names are reserved in any letter case.
    #[default]
    Present,
    /// They are not, and their names are free.
    Absent,
}

/// What is reported of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Report {
    /// Who comes and who goes.
    #[default]
    Presence,
    /// That, and every message with its text.
    Messages,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            dialect: Dialect::default(),
            refused: Refused::default(),
            bots: Bots::default(),
            max_users: MAX_USERS,
            per_address: None,
            max_name: MAX_NAME,
            max_line: MAX_LINE,
            max_waiting_bytes: MAX_WAITING_BYTES,
            max_waiting_messages: MAX_WAITING_MESSAGES,
            report: Report::default(),
        }
    }
}
