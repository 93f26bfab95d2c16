//! Every limit of the password dialogue with its reason.

use std::time::Duration;

/// Silence after the last byte that ends an attempt without a newline.
///
/// The lecture's client sends no newline and waits for its answer. Longer than the
/// gap between two segments of one write, shorter than a person notices.
pub const PAUSE: Duration = Duration::from_millis(300);

/// The longest attempt in bytes, without its newline: a name, a space and a password
/// that nobody types by hand.
pub const MAX_ATTEMPT: usize = 1024;

/// The longest name in bytes, as in the chat.
pub const MAX_NAME: usize = 64;

/// How long a connection may take to make an attempt. As long as the chat waits for
/// a login; somebody who types needs less.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// Attempts on one connection; after the last one it is closed. Three, as login(1).
pub const ATTEMPTS_PER_CONNECTION: u32 = 3;

/// The wait of an address after its first wrong attempt; it doubles with each one.
pub const FIRST_DELAY: Duration = Duration::from_secs(1);

/// The longest wait of an address between two attempts. Some 2,900 guesses a day;
/// and a person who comes back after an attack from there waits no longer.
pub const LONGEST_DELAY: Duration = Duration::from_secs(30);

/// How long the wrong attempts of an address count after its last one.
pub const FORGET_AFTER: Duration = Duration::from_secs(15 * 60);

/// Passwords that are hashed at once for addresses in order of their arrival. A hash
/// takes one core and [`Cost::memory_kib`](super::Cost::memory_kib); the memory goes from
/// one hash to the next and is never more than that of all slots.
pub const HASH_SLOTS: usize = 2;

/// Passwords that are hashed at once, besides, for addresses that have logged in
/// before. They need not wait for those that never did.
pub const KNOWN_SLOTS: usize = 1;

/// Addresses that wait at once: as many as the server has places for connections
/// ([`wharf::limits::MAX_CONNECTIONS`]), so that this limit refuses nobody before the
/// server does.
pub const MAX_WAITING: usize = wharf::limits::MAX_CONNECTIONS;

/// Addresses that are remembered for their wrong attempts. The one that failed the
/// longest ago is forgotten first. Some 200 bytes each.
pub const MAX_ADDRESSES: usize = 64 * 1024;

/// Addresses that are remembered because they have logged in. Nobody gets in here
/// without a password, so that an attack cannot push them out.
pub const MAX_KNOWN: usize = 4096;

/// The longest users file in bytes: some 8,000 users.
pub const MAX_FILE: u64 = 1 << 20;

/// What the owner of a door decides.
///
/// ```
/// use wharf_services::password::Rules;
///
/// let rules = Rules { hash_slots: 4, ..Rules::default() };
/// # let _ = rules;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The silence that ends an attempt without a newline.
    pub pause: Duration,
    /// How long a connection may take to make an attempt.
    pub attempt_timeout: Duration,
    /// Attempts on one connection.
    pub attempts: u32,
    /// The wait after the first wrong attempt of an address.
    pub first_delay: Duration,
    /// The longest wait.
    pub longest_delay: Duration,
    /// How long wrong attempts count.
    pub forget_after: Duration,
    /// Hashes at once for everybody; at least 1.
    pub hash_slots: usize,
    /// Hashes at once, besides, for addresses that have logged in before.
    pub known_slots: usize,
    /// Addresses that wait at once.
    pub max_waiting: usize,
    /// Addresses that are remembered for wrong attempts.
    pub max_addresses: usize,
    /// Addresses that are remembered for a login.
    pub max_known: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            pause: PAUSE,
            attempt_timeout: ATTEMPT_TIMEOUT,
            attempts: ATTEMPTS_PER_CONNECTION,
            first_delay: FIRST_DELAY,
            longest_delay: LONGEST_DELAY,
            forget_after: FORGET_AFTER,
            hash_slots: HASH_SLOTS,
            known_slots: KNOWN_SLOTS,
            max_waiting: MAX_WAITING,
            max_addresses: MAX_ADDRESSES,
            max_known: MAX_KNOWN,
        }
    }
}
