//! Password: says whether a password is right, and guards other services with it.
//!
//! ```text
//! C: ann open sesame              S: access granted
//! ```
//! The whole protocol is in `docs/protocols/password.md`.
//!
//! Layout: `attempt` is what is said, `users` who may come in and `hash` how that is
//! kept, `limiter` how often one may try; none of them does I/O. `desk` is the limiter
//! behind its lock, `memory` what hashes are computed in, `file` the users on disk, [`Door`] the dialogue, [`Gate`] the door
//! before another service, `client` the other side, [`Rules`] every limit.

mod attempt;
mod client;
mod desk;
mod dissect;
mod door;
mod file;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gate;
mod hash;
mod limiter;
mod memory;
mod rules;
mod shown;
#[cfg(test)]
mod tests;
mod users;

use wharf::connection::Connection;
use wharf::service::{Context, Service, ServiceError};

pub use client::{ANSWER_TIMEOUT, BadSecret, LoginError, Secret, log_in};
pub use dissect::DissectPassword;
pub use door::{Admitted, DENIED, Door, GRANTED};
pub use file::{FileError, change, is_open_to_others, load};
pub use gate::Gate;
pub use hash::{BadHash, Cost, Hash};
pub use rules::{
    ATTEMPT_TIMEOUT, ATTEMPTS_PER_CONNECTION, FIRST_DELAY, FORGET_AFTER, HASH_SLOTS, KNOWN_SLOTS,
    LONGEST_DELAY, MAX_ADDRESSES, MAX_ATTEMPT, MAX_FILE, MAX_KNOWN, MAX_NAME, MAX_WAITING, PAUSE,
    Rules,
};
pub use shown::Shown;
pub use users::{BadLine, BadUsers, Change, Users, is_name};

/// Says whether a password is right, and closes.
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Password;
/// use wharf_services::password::{Cost, Door, Hash, Users};
///
/// let hash = Hash::of(b"open sesame", [0; 16], Cost::LEAST).unwrap();
/// let door = Door::new(Users::one(hash), |shown| println!("{shown}"));
/// let server = Server::new().serve("password", "tcp::0".parse().unwrap(), Password::new(door));
/// ```
///
/// A wrong attempt may be followed by others on the same connection, as many as the
/// [rules](Rules::attempts) say.
#[derive(Clone, Debug)]
pub struct Password {
    door: Door,
}

impl Password {
    /// The dialogue at `door`.
    pub fn new(door: Door) -> Self {
        Password { door }
    }
}

impl Service for Password {
    async fn serve(&self, peer: &mut Connection, context: &Context) -> Result<(), ServiceError> {
        self.door.admit(peer, context).await.map(|_| ())
    }
}
