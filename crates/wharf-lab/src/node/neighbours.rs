//! Who has which hardware address, and what waits until that is known: the same table
//! for hosts and routers (RFC 826, RFC 4861 section 7.3.2).
//!
//! ```text
//!             ┌──────────── answer ─────────────┐
//!   unknown ──┴─▶ asked, packets wait ──────────┴▶ known ──LIFE──▶ doubted, used and asked
//!                  └──no answer──▶ given up                          └──no answer──▶ unknown
//! ```
//!
//! It sends nothing: its owner asks, sends what it gets back, and looks at it again
//! when that is due.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::core::{Frame, Mac, Time};

/// How long an answer about a neighbour is believed without a doubt. Then it is used
/// while the neighbour is asked again.
pub(crate) const LIFE: Duration = Duration::from_secs(60);

/// How long an answer is waited for (RFC 4861 RETRANS_TIMER).
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// How often a neighbour is asked (RFC 4861 MAX_MULTICAST_SOLICIT; mcast_solicit in
/// arp(7)).
const QUESTIONS: u32 = 3;

/// How long an answer is waited for after the last question. Linux waits a second; a
/// lab may have links of several.
const LAST_WAIT: Duration = Duration::from_secs(7);

/// How many bytes wait for one neighbour's address; then the oldest go, as on Linux,
/// which keeps as many (unres_qlen_bytes).
const WAITING: usize = 212_992;

/// How many neighbours are known or asked for at once.
pub(crate) const NEIGHBOURS: usize = 4_096;

/// Something that waits for an address.
pub(crate) trait Waits {
    /// How many bytes of room it takes.
    fn size(&self) -> usize;
}

impl Waits for Frame {
    fn size(&self) -> usize {
        self.len()
    }
}

/// What is known about neighbours. `K` tells one from the other; packets are `P`.
#[derive(Debug)]
pub(crate) struct Neighbours<K, P> {
    table: BTreeMap<K, Neighbour<P>>,
    /// Those that had to make room while something waited for them.
    evicted: Vec<Lost<K, P>>,
}

/// A neighbour that was given up, and what waited for it.
pub(crate) type Lost<K, P> = (K, VecDeque<P>);

#[derive(Debug)]
struct Neighbour<P> {
    mac: Option<Mac>,
    /// Until when the address is believed, or the answer waited for.
    until: Time,
    questions: u32,
    waiting: VecDeque<P>,
    bytes: usize,
}

/// What becomes of a packet for a neighbour that is not known for sure.
#[derive(Debug)]
pub(crate) struct Offered<P> {
    /// The packet, if the address that was known is still used.
    pub(crate) send: Option<(Mac, P)>,
    /// Whether the neighbour is to be asked now.
    pub(crate) ask: bool,
    /// What waited and has no room any more.
    pub(crate) dropped: Vec<P>,
    /// When [`Neighbours::poll`] is due; [`Time::NEVER`] if nothing has changed that.
    pub(crate) due: Time,
}

/// What is to be done about those that do not answer.
#[derive(Debug)]
pub(crate) struct Due<K, P> {
    /// They are asked again.
    pub(crate) again: Vec<K>,
    /// They are given up.
    pub(crate) lost: Vec<Lost<K, P>>,
    /// When [`Neighbours::poll`] is due again.
    pub(crate) next: Time,
}

impl<P> Default for Neighbour<P> {
    fn default() -> Self {
        Neighbour {
            mac: None,
            until: Time::ZERO,
            questions: 0,
            waiting: VecDeque::new(),
            bytes: 0,
        }
    }
}

impl<P: Waits> Neighbour<P> {
    /// One question more is asked.
    fn ask(&mut self, now: Time) {
        self.questions += 1;
        self.until = now
            + match self.questions {
                QUESTIONS.. => LAST_WAIT,
                _ => ASK_AGAIN,
            };
    }

    /// Lets a packet wait, and gives those that have no room any more.
    fn wait(&mut self, packet: P) -> Vec<P> {
        self.bytes += packet.size();
        self.waiting.push_back(packet);
        let mut dropped = Vec::new();
        while self.bytes > WAITING
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.bytes -= oldest.size();
            dropped.push(oldest);
        }
        dropped
    }
}

impl<K: Ord + Copy, P: Waits> Neighbours<K, P> {
    pub(crate) fn new() -> Self {
        Neighbours {
            table: BTreeMap::new(),
            evicted: Vec::new(),
        }
    }

    /// The address of a neighbour, and until when it is used without [`Neighbours::offer`].
    pub(crate) fn address(&self, key: &K) -> Option<(Mac, Time)> {
        let it = self.table.get(key)?;
        it.mac.map(|mac| (mac, it.until))
    }

    /// The entry of a neighbour. If there is no room for it, one that is known goes, and
    /// can be asked for again; of those and of the others the oldest.
    fn entry(&mut self, key: K) -> &mut Neighbour<P> {
        if self.table.len() >= NEIGHBOURS && !self.table.contains_key(&key) {
            let all = self.table.iter();
            let oldest = all.min_by_key(|(_, it)| (it.mac.is_none(), it.until));
            if let Some(oldest) = oldest.map(|(key, _)| *key)
                && let Some(it) = self.table.remove(&oldest)
                && !it.waiting.is_empty()
            {
                self.evicted.push((oldest, it.waiting));
            }
        }
        self.table.entry(key).or_default()
    }

    /// When those are due that had to make room.
    fn due(&self, now: Time) -> Time {
        match self.evicted.is_empty() {
            true => Time::NEVER,
            false => now,
        }
    }

    /// A packet is for a neighbour whose address is unknown or in doubt.
    pub(crate) fn offer(&mut self, key: K, packet: P, now: Time) -> Offered<P> {
        let it = self.entry(key);
        if it.mac.is_some() && it.until <= now && it.questions >= QUESTIONS {
            // It was asked in vain: it is known no more.
            *it = Neighbour::default();
        }
        let mut offered = Offered {
            send: None,
            ask: match it.mac {
                Some(_) => it.until <= now,
                None => it.questions == 0,
            },
            dropped: Vec::new(),
            due: Time::NEVER,
        };
        if offered.ask {
            it.ask(now);
            offered.due = it.until;
        }
        match it.mac {
            Some(mac) => offered.send = Some((mac, packet)),
            None => offered.dropped = it.wait(packet),
        }
        offered.due = offered.due.min(self.due(now));
        offered
    }

    /// A neighbour has told its address: what waited for it, and when
    /// [`Neighbours::poll`] is due, if that has changed.
    pub(crate) fn learn(&mut self, key: K, mac: Mac, now: Time) -> (VecDeque<P>, Time) {
        let it = self.entry(key);
        let waiting = std::mem::take(&mut it.waiting);
        *it = Neighbour {
            mac: Some(mac),
            until: now + LIFE,
            ..Neighbour::default()
        };
        (waiting, self.due(now))
    }

    /// Who has not answered in time.
    pub(crate) fn poll(&mut self, now: Time) -> Due<K, P> {
        let mut due = Due {
            again: Vec::new(),
            lost: std::mem::take(&mut self.evicted),
            next: Time::NEVER,
        };
        let mut silent = Vec::new();
        for (key, it) in &mut self.table {
            if it.mac.is_some() {
                continue;
            }
            if it.until <= now && it.questions >= QUESTIONS {
                silent.push(*key);
                continue;
            }
            if it.until <= now {
                it.ask(now);
                due.again.push(*key);
            }
            due.next = due.next.min(it.until);
        }
        for key in silent {
            if let Some(it) = self.table.remove(&key) {
                due.lost.push((key, it.waiting));
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::FrameId;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    fn frame() -> Frame {
        Frame::new(FrameId(1), vec![0; 1_000])
    }

    fn second(n: u64) -> Time {
        Time(n * 1_000_000_000)
    }

    #[test]
    fn an_old_address_is_used_while_its_owner_is_asked_three_times() {
        let mut table = Neighbours::new();
        table.learn(1, MAC, Time::ZERO);
        assert_eq!(table.address(&1), Some((MAC, second(60))));
        let mut asked = Vec::new();
        for now in 60..70 {
            let offered = table.offer(1, frame(), second(now));
            if offered.send.is_some() && offered.ask {
                asked.push(now);
            }
            assert_eq!(offered.send.is_some(), now < 69, "{now}");
        }
        assert_eq!(asked, [60, 61, 62]);
        // It is asked anew, and this packet waits.
        assert_eq!(table.address(&1), None);
        let (waiting, _) = table.learn(1, MAC, second(70));
        assert_eq!(waiting.len(), 1);
    }

    #[test]
    fn who_is_silent_is_given_up_after_nine_seconds_with_all_that_waits() {
        let mut table = Neighbours::new();
        assert!(table.offer(1, frame(), Time::ZERO).ask);
        assert!(!table.offer(1, frame(), Time::ZERO).ask);
        let mut asked = 1;
        let mut now = second(1);
        let lost = loop {
            let due = table.poll(now);
            asked += due.again.len();
            if !due.lost.is_empty() {
                break due.lost;
            }
            now = due.next;
        };
        assert_eq!((now, asked), (second(9), 3));
        assert_eq!((lost[0].0, lost[0].1.len()), (1, 2));
    }

    #[test]
    fn bytes_wait_and_the_oldest_go() {
        let mut table = Neighbours::new();
        let dropped = |table: &mut Neighbours<_, _>| {
            let offers = (0..300).map(|_| table.offer(1, frame(), Time::ZERO));
            offers.map(|it| it.dropped.len()).sum::<usize>()
        };
        assert_eq!(dropped(&mut table), 300 - WAITING / 1_000);
        assert_eq!(table.learn(1, MAC, Time::ZERO).0.len(), WAITING / 1_000);
    }

    #[test]
    fn a_full_table_gives_up_the_known_first_and_nobody_in_silence() {
        let mut table = Neighbours::new();
        table.learn(0, MAC, Time::ZERO);
        for key in 1..NEIGHBOURS {
            table.offer(key, frame(), Time(key as u64));
        }
        let now = Time(1_000_000);
        assert_eq!(table.offer(NEIGHBOURS, frame(), now).due, now + ASK_AGAIN);
        assert_eq!(table.address(&0), None);
        assert!(table.poll(now).lost.is_empty());
        // Now all are asked for, and the one that waits for the longest is told.
        assert_eq!(table.offer(NEIGHBOURS + 1, frame(), now).due, now);
        let lost = table.poll(now).lost;
        assert_eq!((lost.len(), lost[0].0, lost[0].1.len()), (1, 1, 1));
        assert_eq!(table.table.len(), NEIGHBOURS);
    }
}
