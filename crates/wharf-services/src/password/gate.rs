//! The gate: a service behind the password dialogue.

use wharf::connection::Connection;
use wharf::service::{Context, Service, ServiceError};

use super::door::Door;

/// Any service of streams, for those who know a password.
///
/// The peer speaks the dialogue of [`Password`](super::Password) first, with a newline
/// behind its attempt; after `access granted` it speaks with the service, which sees
/// nothing of all that. What follows the newline in the same segment is the service's.
///
/// ```
/// use wharf::server::Server;
/// use wharf_services::Echo;
/// use wharf_services::password::{Cost, Door, Gate, Hash, Users};
///
/// let hash = Hash::of(b"open sesame", [0; 16], Cost::LEAST).unwrap();
/// let door = Door::new(Users::one(hash), |_| {});
/// let server = Server::new().serve("echo", "tcp::0".parse().unwrap(), Gate::new(door, Echo::default()));
/// ```
///
/// A drain ends the wait for an attempt as it ends the wait of an idle connection.
#[derive(Clone, Debug)]
pub struct Gate<S> {
    door: Door,
    service: S,
}

impl<S: Service> Gate<S> {
    /// Puts `door` before `service`.
    pub fn new(door: Door, service: S) -> Self {
        Gate { door, service }
    }
}

impl<S: Service> Service for Gate<S> {
    async fn serve(&self, peer: &mut Connection, context: &Context) -> Result<(), ServiceError> {
        match self.door.admit(peer, context).await? {
            Some(_) => self.service.serve(peer, context).await,
            None => Ok(()),
        }
    }
}
