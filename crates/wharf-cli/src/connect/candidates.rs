//! The endpoints that an address may mean, for datagrams.
//!
//! A connection shows at once which endpoint answers. A datagram does not: that
//! nothing is bound shows when the refusal of what was sent comes back (ICMP port
//! unreachable, RFC 1122 section 4.1.3.3).

use std::collections::VecDeque;
use std::io;

use wharf::address::Address;
use wharf::client::{Attempt, Client, ConnectError, ConnectErrorKind};
use wharf::datagram::Datagrams;
use wharf::network::Endpoint;

/// How many bytes are kept to be sent again, each datagram counted as `OVERHEAD` more.
const KEPT: usize = 1 << 20;

/// What a kept datagram takes besides its payload, about.
const OVERHEAD: usize = 64;

/// The endpoints of an address, in the order to try them.
#[derive(Debug)]
pub(super) struct Candidates {
    client: Client,
    address: Address,
    left: VecDeque<Endpoint>,
    refused: Vec<Endpoint>,
}

impl Candidates {
    /// Resolves the address, and opens a socket towards the first endpoint for which
    /// that can be done.
    pub(super) async fn open(
        client: Client,
        address: &Address,
    ) -> Result<(Candidates, Datagrams, Endpoint), ConnectError> {
        let endpoints = client.datagram_candidates(address).await?;
        let mut candidates = Candidates {
            client,
            address: address.clone(),
            left: endpoints.into(),
            refused: Vec::new(),
        };
        let mut attempts = Vec::new();
        match candidates.bind(&mut attempts).await {
            Some((socket, to)) => Ok((candidates, socket, to)),
            None => Err(ConnectError {
                address: Box::new(address.clone()),
                attempts,
                kind: ConnectErrorKind::Failed,
            }),
        }
    }

    /// Whether there is another endpoint.
    pub(super) fn has_more(&self) -> bool {
        !self.left.is_empty()
    }

    /// The next endpoint, after this one refused.
    pub(super) async fn next(&mut self, refused: &Endpoint) -> Option<(Datagrams, Endpoint)> {
        self.refused.push(refused.clone());
        // One that cannot even be bound for is passed over.
        let outcome = self.bind(&mut Vec::new()).await;
        if outcome.is_none() {
            self.refused.pop();
        }
        outcome
    }

    /// Every endpoint that refused, and the one that is talked to now.
    pub(super) fn tried(&self, now: &Endpoint) -> String {
        let all = self.refused.iter().chain([now]);
        all.map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Gives those that refused another chance.
    pub(super) fn begin_again(&mut self) {
        self.left.extend(self.refused.drain(..));
    }

    async fn bind(&mut self, attempts: &mut Vec<Attempt>) -> Option<(Datagrams, Endpoint)> {
        while let Some(to) = self.left.pop_front() {
            match self.client.datagrams_to(&self.address, &to).await {
                Ok(socket) => return Some((socket, to)),
                Err(error) => attempts.extend(error.attempts),
            }
        }
        None
    }
}

/// What was sent and not answered, as long as it is little enough to be kept.
#[derive(Debug, Default)]
pub(super) struct Kept {
    payloads: Vec<Vec<u8>>,
    size: usize,
}

impl Kept {
    /// Keeps one more.
    pub(super) fn keep(&mut self, payload: &[u8]) {
        self.size = self.size.saturating_add(payload.len() + OVERHEAD);
        if self.is_whole() {
            self.payloads.push(payload.to_vec());
        } else {
            self.payloads = Vec::new();
        }
    }

    /// Whether nothing had to be left out.
    pub(super) fn is_whole(&self) -> bool {
        self.size <= KEPT
    }

    /// Sends everything again, until one is refused.
    pub(super) async fn send_all(&self, socket: &mut Datagrams, to: &Endpoint) -> io::Result<()> {
        for payload in &self.payloads {
            socket.send_to(payload, to).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_the_bound() {
        let mut kept = Kept::default();
        kept.keep(b"one");
        kept.keep(b"");
        assert!(kept.is_whole());
        assert_eq!(kept.payloads, [&b"one"[..], b""]);
        kept.keep(&vec![0; KEPT]);
        assert!(!kept.is_whole());
        assert!(kept.payloads.is_empty());
    }
}
