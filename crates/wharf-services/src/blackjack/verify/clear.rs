//! The own nonces that the server knew before a round began.

use std::collections::VecDeque;

/// How many nonces are remembered.
const MAX_NONCES: usize = 256;

/// The nonces that were said in the clear. What was refused is known as well; only of those
/// that were used in a round the oldest are forgotten, when there are too many.
#[derive(Clone, Debug, Default)]
pub(super) struct Clear {
    nonces: VecDeque<Known>,
    /// There were too many, so each one may have been said before.
    is_lost: bool,
}

#[derive(Clone, Debug)]
struct Known {
    nonce: String,
    /// It was said before the round began.
    is_old: bool,
    is_used: bool,
}

impl Clear {
    pub(super) fn say(&mut self, nonce: &str) {
        if self.nonces.iter().any(|known| known.nonce == nonce) {
            return;
        }
        if self.nonces.len() == MAX_NONCES {
            let used = self.nonces.iter().position(|known| known.is_used);
            match used {
                Some(oldest) => drop(self.nonces.remove(oldest)),
                None => {
                    self.is_lost = true;
                    return;
                }
            }
        }
        self.nonces.push_back(Known {
            nonce: nonce.to_owned(),
            is_old: false,
            is_used: false,
        });
    }

    /// A round begins.
    pub(super) fn grow_old(&mut self) {
        self.nonces.iter_mut().for_each(|known| known.is_old = true);
    }

    /// A nonce takes part in the round. Whether it was known when that began.
    pub(super) fn was_known(&mut self, nonce: &str) -> bool {
        let mut nonces = self.nonces.iter_mut();
        let known = nonces.find(|known| known.nonce == nonce);
        let is_old = known.is_some_and(|known| {
            known.is_used = true;
            known.is_old
        });
        is_old || self.is_lost
    }
}
