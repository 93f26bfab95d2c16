//! Who may come in: caps on connections, checked before and after accept.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::network::Endpoint;

/// How many clients may be told at once that they are refused. Beyond it they
/// are closed without a word: a flood must not cost more than the service itself.
const REFUSALS_AT_ONCE: usize = 256;

/// The caps of one process.
#[derive(Debug)]
pub(super) struct Admission {
    places: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    per_peer: Option<usize>,
    peers: Mutex<BTreeMap<IpAddr, usize>>,
}

/// A place in the server; dropping it frees the place.
pub(super) type Place = OwnedSemaphorePermit;

impl Admission {
    pub(super) fn new(max_connections: usize, per_peer: Option<usize>) -> Self {
        let most = max_connections.clamp(1, Semaphore::MAX_PERMITS);
        Admission {
            places: Arc::new(Semaphore::new(most)),
            refusals: Arc::new(Semaphore::new(REFUSALS_AT_ONCE)),
            per_peer,
            peers: Mutex::default(),
        }
    }

    /// A place, if one is free now.
    pub(super) fn try_place(&self) -> Option<Place> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// A place, as soon as one is free. Cancel safe.
    pub(super) async fn place(&self) -> Option<Place> {
        // The semaphore is never closed, so this is never `None` in fact.
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    /// The right to tell a client that it is refused.
    pub(super) fn try_refusal(&self) -> Option<Place> {
        Arc::clone(&self.refusals).try_acquire_owned().ok()
    }

    /// Counts a connection of `peer`; `None` means that it has its share already.
    pub(super) fn admit(self: &Arc<Self>, peer: &Endpoint) -> Option<PeerShare> {
        let (Some(most), Some(key)) = (self.per_peer, peer.peer_key()) else {
            return Some(PeerShare(None));
        };
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        // Who is refused leaves no entry behind.
        let held = peers.get(&key).copied().unwrap_or(0);
        if held >= most {
            return None;
        }
        peers.insert(key, held + 1);
        Some(PeerShare(Some((Arc::clone(self), key))))
    }

    fn leave(&self, key: IpAddr) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = peers.get_mut(&key) {
            *held -= 1;
            if *held == 0 {
                peers.remove(&key);
            }
        }
    }
}

/// One connection in the count of its peer; dropping it takes it out.
#[derive(Debug)]
pub(super) struct PeerShare(Option<(Arc<Admission>, IpAddr)>);

impl Drop for PeerShare {
    fn drop(&mut self) {
        if let Some((admission, key)) = self.0.take() {
            admission.leave(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Endpoint {
        Endpoint::Inet(text.parse().unwrap())
    }

    #[test]
    fn each_peer_has_its_share_and_gets_it_back() {
        let admission = Arc::new(Admission::new(10, Some(1)));
        let first = admission.admit(&peer("192.0.2.1:1")).unwrap();
        assert!(admission.admit(&peer("192.0.2.1:2")).is_none());
        assert!(admission.admit(&peer("192.0.2.2:1")).is_some());
        drop(first);
        assert!(admission.admit(&peer("192.0.2.1:3")).is_some());
        assert!(admission.peers.lock().unwrap().is_empty());
    }

    #[test]
    fn who_is_refused_is_not_remembered() {
        let admission = Arc::new(Admission::new(10, Some(0)));
        assert!(admission.admit(&peer("192.0.2.1:1")).is_none());
        assert!(admission.peers.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn places_are_limited() {
        let admission = Admission::new(1, None);
        let place = admission.try_place().unwrap();
        assert!(admission.try_place().is_none());
        drop(place);
        assert!(admission.place().await.is_some());
    }
}
