//! Happy eyeballs (RFC 8305): several endpoints, the first that answers wins.

use std::io;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Attempt, ConnectErrorKind, Tried, from_endpoint};
use crate::address::BindTo;
use crate::connection::Connection;
use crate::limits::CONNECT_STAGGER;
use crate::network::{ConnectOptions, Endpoint, Network};

/// IP versions in turn, beginning with that of the first endpoint (RFC 8305, section 4).
pub(super) fn interleaved(endpoints: Vec<Endpoint>) -> Vec<Endpoint> {
    let is_v4 = |endpoint: &Endpoint| endpoint.inet().is_some_and(|ip| ip.is_ipv4());
    let first_is_v4 = endpoints.first().is_some_and(is_v4);
    let (first, second): (Vec<_>, Vec<_>) = endpoints
        .into_iter()
        .partition(|endpoint| is_v4(endpoint) == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::new();
    loop {
        let (one, other) = (first.next(), second.next());
        if one.is_none() && other.is_none() {
            return order;
        }
        order.extend(one.into_iter().chain(other));
    }
}

/// One connect over several endpoints.
pub(super) struct Race<'a, N> {
    pub(super) network: &'a N,
    pub(super) bind: Option<&'a BindTo>,
    pub(super) options: &'a ConnectOptions,
    pub(super) tried: &'a mut Tried,
}

type Runner = (Endpoint, io::Result<Connection>);

impl<N: Network> Race<'_, N> {
    pub(super) async fn run(
        mut self,
        endpoints: Vec<Endpoint>,
    ) -> Result<Connection, ConnectErrorKind> {
        let mut waiting = endpoints.into_iter();
        let mut runners: JoinSet<Runner> = JoinSet::new();
        let mut next_at = Instant::now();
        loop {
            if runners.is_empty() || Instant::now() >= next_at {
                match waiting.next() {
                    Some(endpoint) => self.start(&mut runners, endpoint),
                    None if runners.is_empty() => return Err(ConnectErrorKind::Failed),
                    None => {}
                }
                next_at = Instant::now() + CONNECT_STAGGER;
            }
            let more = waiting.len() > 0;
            tokio::select! {
                biased;
                Some(ended) = runners.join_next() => match ended {
                    Ok((endpoint, Ok(connection))) => {
                        // Whoever else is asked is let go. What follows, a handshake,
                        // may still wait for this one.
                        self.tried.pending = vec![endpoint];
                        return Ok(connection);
                    }
                    Ok((endpoint, Err(error))) => {
                        self.tried.pending.retain(|pending| *pending != endpoint);
                        self.tried.failed.push(Attempt { endpoint, error });
                        next_at = Instant::now();
                    }
                    // A runner that panicked has nothing to report.
                    Err(_) => next_at = Instant::now(),
                },
                () = tokio::time::sleep_until(next_at), if more => {}
            }
        }
    }

    fn start(&mut self, runners: &mut JoinSet<Runner>, endpoint: Endpoint) {
        let network = self.network.clone();
        let mut options = self.options.clone();
        options.from = from_endpoint(self.bind, &endpoint).or(options.from);
        self.tried.pending.push(endpoint.clone());
        runners.spawn(async move {
            let outcome = network.connect(&endpoint, &options).await;
            (endpoint, outcome)
        });
    }
}
