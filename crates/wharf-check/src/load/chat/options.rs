//! What can be asked of a chat.

use super::ledger::NUMBER;

/// The longest text of a message, so that its line stays below Wharf's limit for
/// lines (64 KiB).
const SIZE_MAX: usize = 60_000;
/// The longest text of a message on IRC, whose lines have 512 bytes (RFC 2812, 2.3).
const SIZE_MAX_IRC: usize = 400;
/// The most messages of one user in flight: they are looked through for each delivery.
const DEPTH_MAX: usize = 1_024;
/// The most users, those that never read included.
const USERS_MAX: usize = 1 << 16;

/// Users of a chat who send each other messages; one connection is one user.
///
/// Each user logs in, sends to users chosen at random, and has
/// [depth](super::super::Pacing::Closed) messages on their way. A message is on its way until it
/// was answered and delivered. Every delivery is checked: that the message was sent
/// to this user, by that sender, comes for the first time, after those sent to it
/// before, and is right in every byte.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Chat {
    /// What the server speaks.
    pub dialect: ChatDialect,
    /// The text of a message in bytes; 10 to 60,000, on IRC to 400.
    pub size: usize,
    /// What users' names begin with, letters only; a number follows.
    pub prefix: String,
    /// At most so many bytes go into one write; 1 sends byte by byte. `None`
    /// writes all that there is.
    pub write_at_most: Option<usize>,
    /// Users who log in and then never read.
    pub stalled: Stalled,
    /// How many users log in at the same time, at least 1. More than the server's
    /// listener queues (listen(2)) are not connected at once.
    pub logins_at_once: usize,
}

/// The language of a chat server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChatDialect {
    /// `HELLO-FROM`, `SEND`, `SEND-OK`, `DELIVERY`.
    #[default]
    Wharf,
    /// IRC, for comparison: `NICK`, `USER`, `PRIVMSG`.
    Irc,
}

/// Users who log in and then never read, in addition to the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stalled {
    /// How many there are.
    pub users: usize,
    /// Every how many messages a user sends one to a stalled user. It does not count
    /// as a message of the run; 0 sends them none.
    pub every: u64,
}

impl Default for Chat {
    fn default() -> Self {
        Chat {
            dialect: ChatDialect::Wharf,
            size: 64,
            prefix: "u".to_owned(),
            write_at_most: None,
            stalled: Stalled::default(),
            logins_at_once: 512,
        }
    }
}

impl Chat {
    pub(in crate::load) fn check(&self, users: usize, depth: usize) -> Result<(), &'static str> {
        let longest = match self.dialect {
            ChatDialect::Wharf => SIZE_MAX,
            ChatDialect::Irc => SIZE_MAX_IRC,
        };
        let what = if !(NUMBER..=longest).contains(&self.size) {
            "the text of a chat message is 10 to 60,000 bytes, on IRC 10 to 400"
        } else if users < 2 {
            "a chat needs at least two users"
        } else if users + self.stalled.users > USERS_MAX {
            "a chat has at most 65,536 users"
        } else if depth > DEPTH_MAX {
            "the depth of a chat is at most 1,024"
        } else if self.prefix.is_empty()
            || !self.prefix.bytes().all(|byte| byte.is_ascii_alphabetic())
        {
            "names of users begin with letters"
        } else if self.write_at_most == Some(0) {
            "a write has at least one byte"
        } else if self.logins_at_once == 0 {
            "at least one user logs in at a time"
        } else {
            return Ok(());
        };
        Err(what)
    }
}
