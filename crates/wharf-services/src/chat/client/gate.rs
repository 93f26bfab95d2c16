//! The gate before a server, which is answered anew on every connection.

use crate::password::{LoginError, Secret};

use super::event::Lost;

/// How many denials in a row are borne from a gate that had opened before: whoever comes
/// back together with others from the same address is told the same as one whose
/// password is wrong, and others may have guessed from there.
pub const MAX_DENIALS: u32 = 3;

/// What is known of the gate.
#[derive(Debug)]
pub(super) struct Gate {
    secret: Secret,
    /// Whether it has opened to this password before.
    has_opened: bool,
    /// How often it was denied since.
    denials: u32,
}

impl Gate {
    pub(super) fn new(secret: Secret) -> Gate {
        Gate {
            secret,
            has_opened: false,
            denials: 0,
        }
    }

    pub(super) fn secret(&self) -> Secret {
        self.secret.clone()
    }

    pub(super) fn opened(&mut self) {
        self.has_opened = true;
        self.denials = 0;
    }

    /// Whether this loss is for good: a wrong password does not become right by being
    /// said again, and saying it to somebody who is no gate tells it to a stranger.
    pub(super) fn is_shut_by(&mut self, why: &Lost) -> bool {
        match why {
            Lost::Gate(LoginError::Denied) => {
                self.denials += 1;
                !self.has_opened || self.denials >= MAX_DENIALS
            }
            Lost::Gate(LoginError::NoGate) => true,
            _ => false,
        }
    }
}
