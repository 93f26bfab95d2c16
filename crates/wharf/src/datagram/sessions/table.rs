//! The table of sessions and the queue of their deadlines. It is pure: time comes
//! in as an argument.
//!
//! Every session has exactly one entry in the queue, at the earlier of its
//! conversation's deadline and the end of its idle time. Traffic moves the idle
//! end, but not the entry: when that comes up too early, it is put back. So a
//! datagram costs a lookup, not a queue operation.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use slab::Slab;
use tokio::time::Instant;

use super::Conversation;
use crate::limits;
use crate::network::Endpoint;

/// The resolution of tokio's timers.
const TICK: Duration = Duration::from_millis(1);

/// An idle time that no clock can show counts as a century.
const LONGEST_IDLE: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// How many sessions there may be, and for how long.
#[derive(Clone, Debug)]
pub struct SessionLimits {
    /// All sessions. At the cap an unproven one gives way; if there is none, a new
    /// peer is refused.
    pub sessions: usize,
    /// Sessions of peers of which one datagram was seen. At the cap the oldest
    /// gives way. At least 1.
    pub unproven: usize,
    /// A session ends after this much silence of its peer.
    pub idle: Duration,
}

impl Default for SessionLimits {
    fn default() -> Self {
        SessionLimits {
            sessions: limits::MAX_SESSIONS,
            unproven: limits::MAX_UNPROVEN_SESSIONS,
            idle: limits::SESSION_IDLE,
        }
    }
}

/// What became of the sessions of one table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionCounters {
    /// Sessions that there are now.
    pub live: usize,
    /// Those of them of which one datagram was seen.
    pub unproven: usize,
    /// Sessions that ever began.
    pub opened: u64,
    /// Datagrams of new peers that found no place.
    pub refused: u64,
    /// Unproven sessions that gave way to newer ones.
    pub displaced: u64,
    /// Sessions whose peer was silent for too long.
    pub expired: u64,
    /// Sessions that ended by themselves.
    pub ended: u64,
}

/// One peer.
pub(super) struct Session<C> {
    pub(super) conversation: C,
    pub(super) peer: Endpoint,
    /// The local address that the last datagram came to.
    pub(super) local: Option<IpAddr>,
    /// How many bytes may be sent before the peer is trusted.
    pub(super) credit: usize,
    pub(super) trusted: bool,
    /// The place among the unproven ones; `None` once it is proven.
    unproven: Option<u64>,
    idle_at: Instant,
    /// The time under which it stands in the queue.
    queued_at: Instant,
    woken: bool,
}

/// Whether there is a place for a peer.
pub(super) enum Admission {
    At(usize),
    Refused,
}

pub(super) struct Table<C> {
    limits: SessionLimits,
    sessions: Slab<Session<C>>,
    /// Only for looking up; never iterated, because its order is random.
    by_peer: HashMap<Endpoint, usize>,
    queue: BTreeSet<(Instant, usize)>,
    /// By age.
    unproven: BTreeMap<u64, usize>,
    next_age: u64,
    counters: SessionCounters,
}

impl<C: Conversation> Table<C> {
    pub(super) fn new(mut limits: SessionLimits) -> Self {
        limits.unproven = limits.unproven.max(1);
        Table {
            limits,
            sessions: Slab::new(),
            by_peer: HashMap::new(),
            queue: BTreeSet::new(),
            unproven: BTreeMap::new(),
            next_age: 0,
            counters: SessionCounters::default(),
        }
    }

    pub(super) fn counters(&self) -> SessionCounters {
        SessionCounters {
            live: self.sessions.len(),
            unproven: self.unproven.len(),
            ..self.counters
        }
    }

    pub(super) fn note_refused(&mut self) {
        self.counters.refused += 1;
    }

    /// The session of `peer`, from whom a datagram came: the one that there is, or a new one.
    pub(super) fn admit(
        &mut self,
        peer: &Endpoint,
        now: Instant,
        open: impl Fn(&Endpoint) -> C,
    ) -> Admission {
        let idle_at = now + self.limits.idle.min(LONGEST_IDLE);
        if let Some(&key) = self.by_peer.get(peer) {
            let session = &mut self.sessions[key];
            // A session whose time is over has ended, even if nobody looked yet.
            if session.idle_at > now {
                session.idle_at = idle_at;
                if let Some(age) = session.unproven.take() {
                    self.unproven.remove(&age);
                }
                return Admission::At(key);
            }
            self.expire(key);
        }
        if !self.make_room() {
            self.note_refused();
            return Admission::Refused;
        }
        Admission::At(self.insert(open(peer), peer, idle_at))
    }

    /// Makes place for one unproven session, and says whether there is one.
    fn make_room(&mut self) -> bool {
        let full = self.sessions.len() >= self.limits.sessions;
        if full || self.unproven.len() >= self.limits.unproven {
            let Some((_, &oldest)) = self.unproven.first_key_value() else {
                return false;
            };
            self.remove(oldest);
            self.counters.displaced += 1;
        }
        true
    }

    fn insert(&mut self, conversation: C, peer: &Endpoint, idle_at: Instant) -> usize {
        let age = self.next_age;
        self.next_age += 1;
        let key = self.sessions.insert(Session {
            conversation,
            peer: peer.clone(),
            local: None,
            credit: 0,
            trusted: false,
            unproven: Some(age),
            idle_at,
            queued_at: idle_at,
            woken: false,
        });
        self.by_peer.insert(peer.clone(), key);
        self.unproven.insert(age, key);
        self.queue.insert((idle_at, key));
        self.counters.opened += 1;
        key
    }

    pub(super) fn get_mut(&mut self, key: usize) -> Option<&mut Session<C>> {
        self.sessions.get_mut(key)
    }

    /// Moves the session's entry forward if its conversation wants to be called earlier.
    ///
    /// One that asks for a time that has passed is called at the next tick, so it
    /// cannot hold the others up by asking again and again.
    pub(super) fn schedule(&mut self, key: usize, now: Instant) {
        let Some(session) = self.sessions.get(key) else {
            return;
        };
        if let Some(deadline) = session.conversation.deadline() {
            let at = deadline.max(now + TICK);
            if at < session.queued_at {
                self.requeue(key, at);
            }
        }
    }

    /// Makes the session of `peer` due now.
    pub(super) fn wake(&mut self, peer: &Endpoint, now: Instant) {
        if let Some(&key) = self.by_peer.get(peer) {
            self.sessions[key].woken = true;
            self.requeue(key, now);
        }
    }

    fn requeue(&mut self, key: usize, at: Instant) {
        let session = &mut self.sessions[key];
        self.queue.remove(&(session.queued_at, key));
        session.queued_at = at;
        self.queue.insert((at, key));
    }

    /// When there is something to do next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.queue.first().map(|(at, _)| *at)
    }

    /// The next session whose conversation is to be called; ends those that were
    /// silent for too long on the way.
    ///
    /// It is queued again at the end of its idle time; the caller schedules it
    /// after the call.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<usize> {
        loop {
            let &(at, key) = self.queue.first()?;
            if at > now {
                return None;
            }
            let session = &mut self.sessions[key];
            let idle_at = session.idle_at;
            let due = session.conversation.deadline().is_some_and(|at| at <= now);
            let woken = std::mem::take(&mut session.woken);
            if idle_at <= now {
                self.expire(key);
                continue;
            }
            self.requeue(key, idle_at);
            if due || woken {
                return Some(key);
            }
            // It came up early: traffic or the conversation has moved its time.
            self.schedule(key, now);
        }
    }

    fn expire(&mut self, key: usize) {
        self.remove(key);
        self.counters.expired += 1;
    }

    /// Ends a session that says so itself.
    pub(super) fn end(&mut self, key: usize) {
        self.remove(key);
        self.counters.ended += 1;
    }

    fn remove(&mut self, key: usize) {
        let Some(session) = self.sessions.try_remove(key) else {
            return;
        };
        self.by_peer.remove(&session.peer);
        self.queue.remove(&(session.queued_at, key));
        if let Some(age) = session.unproven {
            self.unproven.remove(&age);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::datagram::Outbox;

    /// Asks to be called `pause` after it was last heard of, if at all.
    struct Sleeper {
        pause: Option<Duration>,
        due: Option<Instant>,
    }

    impl Conversation for Sleeper {
        fn receive(&mut self, _: &[u8], now: Instant, _: &mut Outbox) {
            self.due = self.pause.map(|pause| now + pause);
        }

        fn deadline(&self) -> Option<Instant> {
            self.due
        }

        fn timeout(&mut self, _: Instant, _: &mut Outbox) {
            self.due = None;
        }
    }

    fn peer(number: u8) -> Endpoint {
        Endpoint::Inet(([192, 0, 2, number], 7).into())
    }

    fn table(sessions: usize, unproven: usize) -> Table<Sleeper> {
        Table::new(SessionLimits {
            sessions,
            unproven,
            idle: Duration::from_secs(10),
        })
    }

    #[test]
    fn an_idle_time_without_end_is_a_long_one() {
        let mut table = Table::new(SessionLimits {
            idle: Duration::MAX,
            ..SessionLimits::default()
        });
        let now = Instant::now();
        arrive(&mut table, 1, None, now);
        arrive(&mut table, 1, None, now + Duration::from_secs(3_600));
        assert_eq!(table.sessions.len(), 1);
    }

    fn arrive(table: &mut Table<Sleeper>, from: u8, pause: Option<u64>, now: Instant) {
        let pause = pause.map(Duration::from_millis);
        let open = |_: &Endpoint| Sleeper { pause, due: None };
        if let Admission::At(key) = table.admit(&peer(from), now, open) {
            let session = table.get_mut(key).unwrap();
            session.conversation.receive(b"", now, &mut Outbox::new());
            table.schedule(key, now);
        }
    }

    /// Calls everybody who is due.
    fn run(table: &mut Table<Sleeper>, now: Instant) -> usize {
        let mut called = 0;
        while let Some(key) = table.pop_due(now) {
            let session = table.get_mut(key).unwrap();
            session.conversation.timeout(now, &mut Outbox::new());
            table.schedule(key, now);
            called += 1;
        }
        called
    }

    #[test]
    fn the_oldest_unproven_session_gives_way_and_a_proven_one_does_not() {
        let now = Instant::now();
        let mut table = table(4, 2);
        for from in [1, 1, 2, 3, 4] {
            arrive(&mut table, from, None, now);
        }
        assert!(!table.by_peer.contains_key(&peer(2)), "2 was the oldest");
        let counters = table.counters();
        assert_eq!((counters.live, counters.unproven), (3, 2));
        assert_eq!(counters.displaced, 1);
    }

    #[test]
    fn a_table_full_of_proven_sessions_refuses_and_forgets_nobody() {
        let now = Instant::now();
        let mut table = table(2, 2);
        for from in [1, 1, 2, 2, 3] {
            arrive(&mut table, from, None, now);
        }
        assert_eq!(table.counters().refused, 1);
        assert!(table.by_peer.contains_key(&peer(1)));
    }

    #[test]
    fn traffic_keeps_a_session_and_silence_ends_it() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut table = table(4, 4);
        arrive(&mut table, 1, None, at(0));
        arrive(&mut table, 1, None, at(9));
        run(&mut table, at(18));
        assert_eq!(table.counters().live, 1);
        run(&mut table, at(19));
        assert_eq!(table.counters().live, 0);
        assert_eq!(table.counters().expired, 1);
        assert_eq!(table.deadline(), None);
    }

    #[test]
    fn a_conversation_is_called_at_its_deadline_and_not_before() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut table = table(4, 4);
        arrive(&mut table, 1, Some(50), at(0));
        assert_eq!(table.deadline(), Some(at(50)));
        assert_eq!(run(&mut table, at(49)), 0);
        assert_eq!(run(&mut table, at(50)), 1);
        assert_eq!(table.deadline(), Some(at(10_000)), "the idle end is left");
    }

    proptest! {
        #[test]
        fn the_caps_hold_and_every_session_ends(
            events in prop::collection::vec((0_u8..24, 0_u64..4_000, prop::option::of(0_u64..20_000)), 0..300),
        ) {
            let mut now = Instant::now();
            let mut table = table(8, 3);
            for (from, pause, deadline) in events {
                now += Duration::from_millis(pause);
                run(&mut table, now);
                arrive(&mut table, from, deadline, now);
                let live = table.sessions.len();
                prop_assert!(live <= 8 && table.unproven.len() <= 3);
                prop_assert_eq!((table.queue.len(), table.by_peer.len()), (live, live));
                let counters = table.counters();
                let gone = counters.displaced + counters.expired + counters.ended;
                prop_assert_eq!(counters.opened, live as u64 + gone);
            }
            run(&mut table, now + Duration::from_secs(10));
            prop_assert_eq!(table.sessions.len(), 0);
            prop_assert!(table.queue.is_empty() && table.unproven.is_empty());
        }
    }
}
