//! What goes to one receiver: sent again until it is acknowledged.
//!
//! At most [`WINDOW`] messages are on their way; further ones wait. Whether the
//! receiver acknowledges anything shows only when it does: until then one message at a
//! time is on its way, so that a plain client sees no storm.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::super::event::{NotSent, Receipt, Ticket};
use super::WINDOW;
use super::envelope::MAX_NUMBER;
use crate::rtt::Rtt;

/// How many later messages must have been acknowledged before one counts as lost
/// (RFC 9002, section 6.1.1).
const REORDERED: u64 = 3;

/// How long a receiver that acknowledges may stay silent before its messages are given
/// up.
pub const GIVE_UP: Duration = Duration::from_secs(60);

/// How often the first message is sent at least, and at most, before its receiver
/// counts as one that acknowledges nothing.
const LEAST_TRIES: u32 = 3;
const MOST_TRIES: u32 = 60;

/// From which repetition on the wait for a stranger does not grow any more.
const STRANGER_PATIENCE: u32 = 3;

/// The pause between two windows for a receiver that acknowledges nothing: a server
/// and a plain client have some time to take what came.
const PLAIN_PAUSE: Duration = Duration::from_millis(50);

/// How sure one wants to be of that.
const DOUBT: f64 = 1e-4;

/// The messages for one receiver.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) stream: u32,
    /// The number of the next message; they begin at 1.
    next: u32,
    flying: BTreeMap<u32, Flight>,
    waiting: VecDeque<(Ticket, String)>,
    peer: Peer,
    rtt: Rtt,
    /// Counts transmissions.
    order: u64,
    /// The latest transmission that was certainly acknowledged.
    acknowledged: u64,
    /// Since when nothing was acknowledged.
    silent_since: Instant,
    /// When the next messages go to a receiver that acknowledges nothing.
    paused_until: Option<Instant>,
}

/// What is known of the receiver's client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Unknown,
    /// It acknowledges.
    Numbers,
    /// It does not.
    Plain,
}

#[derive(Debug)]
struct Flight {
    ticket: Ticket,
    text: String,
    transmissions: u32,
    sent_at: Instant,
    order: u64,
    due: Instant,
}

/// A message to be sent now: its number, how many before it are unacknowledged.
pub(super) type Numbers = (u32, u32, u8);

/// How a message ended.
pub(super) type Outcome = (Ticket, Result<Receipt, NotSent>);

impl Outgoing {
    pub(super) fn new(stream: u32, now: Instant) -> Self {
        Outgoing {
            stream,
            next: 1,
            flying: BTreeMap::new(),
            waiting: VecDeque::new(),
            peer: Peer::Unknown,
            rtt: Rtt::default(),
            order: 0,
            acknowledged: 0,
            silent_since: now,
            paused_until: None,
        }
    }

    pub(super) fn push(&mut self, ticket: Ticket, text: String, now: Instant) {
        if self.flying.is_empty() && self.waiting.is_empty() {
            self.silent_since = now;
        }
        self.waiting.push_back((ticket, text));
    }

    /// How many messages are not done.
    pub(super) fn len(&self) -> usize {
        self.flying.len() + self.waiting.len()
    }

    /// Whether all that waits for an acknowledgement waited then already.
    pub(super) fn is_older_than(&self, moment: Instant) -> bool {
        self.len() > 0 && self.silent_since <= moment
    }

    /// The receiver is known to number its own messages, and so to acknowledge.
    pub(super) fn is_heard(&mut self) {
        self.paused_until = None;
        self.peer = Peer::Numbers;
    }

    /// Sends what is due, through `send`; `path` is the share of requests that the
    /// server answered. Gives what ended.
    pub(super) fn pump(
        &mut self,
        now: Instant,
        path: f64,
        mut send: impl FnMut(Numbers, &str),
    ) -> Vec<Outcome> {
        let mut ended = self.judge(now, path);
        if self.next > MAX_NUMBER - WINDOW && self.flying.is_empty() {
            // Six digits are used up: another stream begins.
            self.stream = self.stream.wrapping_add(1) & MAX_NUMBER;
            self.next = 1;
        }
        if self.paused_until.is_some_and(|until| until > now) {
            return ended;
        }
        let window = match self.peer {
            Peer::Unknown => 1,
            Peer::Numbers | Peer::Plain => WINDOW as usize,
        };
        let first = self.flying.keys().next().copied().unwrap_or(self.next);
        while self.flying.len() < window
            && self.next < first.saturating_add(WINDOW)
            && self.next <= MAX_NUMBER
        {
            let Some((ticket, text)) = self.waiting.pop_front() else {
                break;
            };
            let flight = Flight {
                ticket,
                text,
                transmissions: 0,
                sent_at: now,
                order: 0,
                due: now,
            };
            self.flying.insert(self.next, flight);
            self.next += 1;
        }
        for (number, flight) in &mut self.flying {
            let is_lost = flight.transmissions > 0 && self.acknowledged >= flight.order + REORDERED;
            if flight.due > now && !is_lost {
                continue;
            }
            self.order += 1;
            flight.order = self.order;
            flight.transmissions += 1;
            flight.sent_at = now;
            let patience = match self.peer {
                Peer::Unknown => flight.transmissions.min(STRANGER_PATIENCE),
                Peer::Numbers | Peer::Plain => flight.transmissions,
            };
            flight.due = now + self.rtt.wait(patience);
            let behind = u8::try_from(number - first).unwrap_or(u8::MAX);
            send((self.stream, *number, behind), &flight.text);
        }
        if self.peer == Peer::Plain {
            // Nobody will say more about them.
            let sent = std::mem::take(&mut self.flying).into_values();
            ended.extend(sent.map(|flight| (flight.ticket, Ok(Receipt::Unconfirmed))));
            self.paused_until = (!self.waiting.is_empty()).then(|| now + PLAIN_PAUSE);
        }
        ended
    }

    /// How often a receiver of whom nothing is known was sent something again.
    pub(super) fn repeated_to_stranger(&self) -> u32 {
        match (self.peer, self.flying.values().next()) {
            (Peer::Unknown, Some(flight)) => flight.transmissions.saturating_sub(1),
            _ => 0,
        }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let due = self.flying.values().map(|flight| flight.due);
        due.chain(self.paused_until).min()
    }

    /// Takes an acknowledgement.
    pub(super) fn acknowledged(&mut self, through: u32, more: u64, now: Instant) -> Vec<Outcome> {
        let later = self.flying.split_off(&through.saturating_add(1));
        let mut done: Vec<Flight> = std::mem::replace(&mut self.flying, later)
            .into_values()
            .collect();
        for place in 0..64 {
            if more & 1 << place != 0 {
                let number = through.saturating_add(2).saturating_add(place);
                done.extend(self.flying.remove(&number));
            }
        }
        self.is_heard();
        self.done(done, now)
    }

    /// The message of this number came back from a receiver that echoes: it was there.
    pub(super) fn echoed(&mut self, number: u32, now: Instant) -> Vec<Outcome> {
        let done = self.flying.remove(&number).into_iter().collect();
        self.is_heard();
        self.done(done, now)
    }

    fn done(&mut self, flights: Vec<Flight>, now: Instant) -> Vec<Outcome> {
        self.silent_since = now;
        let mut ended = Vec::with_capacity(flights.len());
        for flight in flights {
            if flight.transmissions == 1 {
                self.rtt
                    .measured(now.saturating_duration_since(flight.sent_at));
                self.acknowledged = self.acknowledged.max(flight.order);
            }
            ended.push((flight.ticket, Ok(Receipt::Acknowledged)));
        }
        ended
    }

    /// Gives everything up.
    pub(super) fn fail(&mut self, why: NotSent) -> Vec<Outcome> {
        self.paused_until = None;
        let flying = std::mem::take(&mut self.flying).into_values();
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let tickets = flying
            .map(|flight| flight.ticket)
            .chain(waiting.map(|(ticket, _)| ticket));
        tickets.map(|ticket| (ticket, Err(why))).collect()
    }

    /// Time passed in which nothing could be sent: everything is due, and the silence
    /// does not count.
    pub(super) fn resume(&mut self, now: Instant) {
        self.silent_since = now;
        for flight in self.flying.values_mut() {
            flight.due = now;
        }
    }

    /// Decides about a receiver from which nothing came.
    fn judge(&mut self, now: Instant, path: f64) -> Vec<Outcome> {
        if self.len() == 0 {
            self.silent_since = now;
            return Vec::new();
        }
        match self.peer {
            Peer::Numbers if now.saturating_duration_since(self.silent_since) >= GIVE_UP => {
                self.fail(NotSent::NotAcknowledged)
            }
            Peer::Unknown if self.is_plain(now, path) => {
                self.peer = Peer::Plain;
                let sent = std::mem::take(&mut self.flying).into_values();
                sent.map(|flight| (flight.ticket, Ok(Receipt::Unconfirmed)))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether an acknowledgement would have come by now, if any ever came. A message
    /// and its acknowledgement are some three times as long as what the server answers
    /// each, so a network that damages bits lets them through that much less often.
    fn is_plain(&self, now: Instant, path: f64) -> bool {
        let first = self.flying.values().next();
        let tries = first.map_or(0, |flight| match flight.due <= now {
            true => flight.transmissions,
            false => 0,
        });
        let arrives = path.powi(6);
        let doubt = (1.0 - arrives).powi(i32::try_from(tries).unwrap_or(i32::MAX));
        tries >= MOST_TRIES || (tries >= LEAST_TRIES && doubt <= DOUBT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An outgoing stream, and what it sent since the last look.
    struct Scene {
        outgoing: Outgoing,
        now: Instant,
        tickets: u64,
    }

    impl Scene {
        fn new() -> Self {
            let now = Instant::now();
            Scene {
                outgoing: Outgoing::new(7, now),
                now,
                tickets: 0,
            }
        }

        fn push(&mut self, count: u64) {
            for _ in 0..count {
                self.tickets += 1;
                let text = self.tickets.to_string();
                self.outgoing.push(Ticket(self.tickets), text, self.now);
            }
        }

        fn pump(&mut self) -> (Vec<u32>, Vec<Outcome>) {
            let mut sent = Vec::new();
            let ended = self
                .outgoing
                .pump(self.now, 1.0, |(_, number, _), _| sent.push(number));
            (sent, ended)
        }

        fn wait(&mut self) -> (Vec<u32>, Vec<Outcome>) {
            self.now = self.outgoing.deadline().expect("something is due");
            self.pump()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_message_goes_first_and_a_window_when_it_is_acknowledged() {
        let mut scene = Scene::new();
        scene.push(100);
        assert_eq!(scene.pump().0, [1]);
        assert_eq!(scene.wait().0, [1]);
        let done = scene.outgoing.acknowledged(1, 0, scene.now);
        assert_eq!(done, [(Ticket(1), Ok(Receipt::Acknowledged))]);
        assert_eq!(scene.pump().0, (2..=WINDOW + 1).collect::<Vec<_>>());
        // 2 and 4 are missing: what came after them is more than a change of order.
        scene.outgoing.acknowledged(1, 0b11_1101, scene.now);
        let sent = scene.pump().0;
        assert_eq!(sent[..2], [2, 4], "{sent:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_good_network_a_plain_client_gets_three_copies_of_the_first_and_one_of_the_others()
    {
        let mut scene = Scene::new();
        scene.push(100);
        assert_eq!(scene.pump().0, [1]);
        assert_eq!(scene.wait().0, [1]);
        assert_eq!(scene.wait().0, [1]);
        let (sent, mut ended) = scene.wait();
        assert_eq!(sent, (2..=WINDOW + 1).collect::<Vec<_>>());
        let (sent, more) = scene.wait();
        assert_eq!(sent, (WINDOW + 2..=100).collect::<Vec<_>>());
        ended.extend(more);
        let tickets: Vec<_> = ended.iter().map(|(ticket, _)| ticket.0).collect();
        assert_eq!(tickets, (1..=100).collect::<Vec<_>>());
        assert!(
            ended
                .iter()
                .all(|(_, how)| *how == Ok(Receipt::Unconfirmed))
        );
        assert_eq!(scene.outgoing.deadline(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fell_silent_is_given_up() {
        let mut scene = Scene::new();
        scene.push(1);
        scene.pump();
        scene.outgoing.acknowledged(1, 0, scene.now);
        scene.push(2);
        scene.pump();
        let began = scene.now;
        loop {
            let (_, ended) = scene.wait();
            if !ended.is_empty() {
                let why = Err(NotSent::NotAcknowledged);
                assert_eq!(ended, [(Ticket(2), why), (Ticket(3), why)]);
                break;
            }
        }
        let took = scene.now - began;
        assert!(
            took >= GIVE_UP && took < GIVE_UP + Duration::from_secs(5),
            "{took:?}"
        );
    }
}
