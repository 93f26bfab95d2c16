//! The limits on guessing, with hashes that are counted and a clock that is told.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;

fn guest(number: u32) -> Guest {
    Guest::Address(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)))
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Asks, and expects to be called at once.
#[track_caller]
fn begins(limiter: &mut Limiter, guest: Guest, now: Instant) {
    let ticket = limiter.ask(guest, now).unwrap();
    assert_eq!(limiter.turn(ticket, now), Turn::Now);
}

#[test]
fn one_attempt_of_an_address_is_hashed_one_waits_and_the_third_is_refused() {
    let mut limiter = Limiter::new(Rules::default());
    let now = Instant::now();
    begins(&mut limiter, guest(1), now);
    let second = limiter.ask(guest(1), now).unwrap();
    assert_eq!(limiter.turn(second, now), Turn::Later);
    assert_eq!(limiter.ask(guest(1), now), Err(Busy::Address));
    limiter.finished(guest(1), Outcome::Wrong, now);
    assert_eq!(limiter.take_woken(), [second]);
    assert_eq!(limiter.turn(second, now), Turn::At(now + seconds(1.0)));
    assert_eq!(limiter.ask(guest(1), now), Err(Busy::Address));
    assert_eq!(limiter.turn(second, now + seconds(1.0)), Turn::Now);
}

#[test]
fn the_delay_doubles_up_to_the_longest_and_ends_with_a_login() {
    let mut limiter = Limiter::new(Rules::default());
    let mut now = Instant::now();
    for expected in [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0] {
        let ticket = limiter.ask(guest(1), now).unwrap();
        if expected > 0.0 {
            assert_eq!(limiter.turn(ticket, now), Turn::At(now + seconds(expected)));
        }
        now += seconds(expected);
        assert_eq!(limiter.turn(ticket, now), Turn::Now);
        limiter.finished(guest(1), Outcome::Wrong, now);
    }
    now += seconds(30.0);
    begins(&mut limiter, guest(1), now);
    limiter.finished(guest(1), Outcome::Right, now);
    begins(&mut limiter, guest(1), now);
}

#[test]
fn wrong_attempts_are_forgotten_after_a_while() {
    let mut limiter = Limiter::new(Rules::default());
    let now = Instant::now();
    begins(&mut limiter, guest(1), now);
    limiter.finished(guest(1), Outcome::Wrong, now);
    begins(&mut limiter, guest(2), now + Rules::default().forget_after);
    assert_eq!(limiter.addresses.len(), 1);
    assert!(limiter.idle.is_empty());
}

#[test]
fn a_known_address_passes_the_queue_and_takes_nobody_elses_slot() {
    let rules = Rules {
        hash_slots: 1,
        known_slots: 1,
        ..Rules::default()
    };
    let mut limiter = Limiter::new(rules);
    let now = Instant::now();
    begins(&mut limiter, guest(1), now);
    limiter.finished(guest(1), Outcome::Right, now);
    begins(&mut limiter, guest(2), now);
    let stranger = limiter.ask(guest(3), now).unwrap();
    assert_eq!(limiter.turn(stranger, now), Turn::Later);
    begins(&mut limiter, guest(1), now);
    // Its end calls nobody: the reserved slot is not for strangers.
    limiter.finished(guest(1), Outcome::Right, now);
    assert_eq!(limiter.take_woken(), []);
    limiter.finished(guest(2), Outcome::Wrong, now);
    assert_eq!(limiter.take_woken(), [stranger]);
    assert_eq!(limiter.turn(stranger, now), Turn::Now);
}

#[test]
fn who_gives_up_makes_room_wherever_it_waits() {
    let rules = Rules {
        hash_slots: 1,
        ..Rules::default()
    };
    let mut limiter = Limiter::new(rules);
    let now = Instant::now();
    begins(&mut limiter, guest(1), now);
    let tickets = [2, 3, 4].map(|number| limiter.ask(guest(number), now).unwrap());
    for ticket in tickets {
        assert_eq!(limiter.turn(ticket, now), Turn::Later);
    }
    limiter.gave_up(tickets[0]);
    limiter.finished(guest(1), Outcome::Right, now);
    assert_eq!(limiter.take_woken(), [tickets[1]]);
    // It was called, and goes before it hears of it.
    limiter.gave_up(tickets[1]);
    assert_eq!(limiter.take_woken(), [tickets[2]]);
    assert_eq!(limiter.turn(tickets[2], now), Turn::Now);
    limiter.finished(guest(4), Outcome::Right, now);
    assert_eq!((limiter.waiting, limiter.common_free), (0, 1));
    assert!(limiter.addresses.is_empty());
}

#[test]
fn tables_stay_within_their_bounds_and_forget_the_oldest() {
    let rules = Rules {
        max_addresses: 10,
        max_known: 3,
        ..Rules::default()
    };
    let mut limiter = Limiter::new(rules);
    let mut now = Instant::now();
    for number in 0..100 {
        now += seconds(0.01);
        begins(&mut limiter, guest(number), now);
        limiter.finished(guest(number), Outcome::Wrong, now);
        assert!(limiter.addresses.len() <= 10 && limiter.idle.len() <= 10);
    }
    assert!(limiter.addresses.contains_key(&guest(99)));
    for number in 200..210 {
        begins(&mut limiter, guest(number), now);
        limiter.finished(guest(number), Outcome::Right, now);
    }
    assert_eq!(limiter.known.by_guest.len(), 3);
    assert_eq!(limiter.known.by_age.len(), 3);
    assert!(limiter.known.has(guest(209)) && !limiter.known.has(guest(200)));
}

/// A simulated attack: who arrives when, hashes that take a given time, and what it
/// came to.
struct Attack {
    limiter: Limiter,
    began: Instant,
    now: Instant,
    hash_time: Duration,
    /// Arrivals and ends of hashes to come, by time.
    events: BinaryHeap<Reverse<(Instant, u64, Event)>>,
    count: u64,
    /// When each ticket asked, and how many waited or were hashed before it then.
    asked: BTreeMap<Ticket, (Instant, usize)>,
    /// How many attempts of each address wait.
    waiting: BTreeMap<Guest, usize>,
    most_of_one: usize,
    hashed: u64,
    refused: u64,
    most_waiting: usize,
    most_addresses: usize,
    most_hashing: usize,
    hashing: usize,
    longest_known: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrives(Guest),
    Asks(Ticket),
    Hashed(Guest),
}

impl Attack {
    fn new(rules: Rules, hash_time: Duration) -> Self {
        let began = Instant::now();
        Attack {
            limiter: Limiter::new(rules),
            began,
            now: began,
            hash_time,
            events: BinaryHeap::new(),
            count: 0,
            asked: BTreeMap::new(),
            waiting: BTreeMap::new(),
            most_of_one: 0,
            hashed: 0,
            refused: 0,
            most_waiting: 0,
            most_addresses: 0,
            most_hashing: 0,
            hashing: 0,
            longest_known: Duration::ZERO,
        }
    }

    fn at(&mut self, time: Instant, event: Event) {
        self.count += 1;
        self.events.push(Reverse((time, self.count, event)));
    }

    fn run(&mut self, friend: Guest) {
        while let Some(Reverse((time, _, event))) = self.events.pop() {
            self.now = time;
            match event {
                Event::Arrives(guest) => {
                    let before = self.limiter.waiting + self.hashing;
                    match self.limiter.ask(guest, time) {
                        Ok(ticket) => {
                            self.asked.insert(ticket, (time, before));
                            *self.waiting.entry(guest).or_default() += 1;
                            self.try_turn(ticket, friend);
                            let of_one = self.waiting.get(&guest).copied();
                            self.most_of_one = self.most_of_one.max(of_one.unwrap_or(0));
                        }
                        Err(_) => self.refused += 1,
                    }
                }
                Event::Asks(ticket) => self.try_turn(ticket, friend),
                Event::Hashed(guest) => {
                    self.hashing -= 1;
                    let outcome = match guest == friend {
                        true => Outcome::Right,
                        false => Outcome::Wrong,
                    };
                    self.limiter.finished(guest, outcome, time);
                    for ticket in self.limiter.take_woken() {
                        self.try_turn(ticket, friend);
                    }
                }
            }
            self.look();
        }
    }

    fn try_turn(&mut self, ticket: Ticket, friend: Guest) {
        let now = self.now;
        match self.limiter.turn(ticket, now) {
            Turn::Later => {}
            Turn::At(due) => {
                // The wait in the queue begins when the delay of its own failures ends.
                let before = self.limiter.waiting - 1 + self.hashing;
                self.asked.insert(ticket, (due, before));
                self.at(due, Event::Asks(ticket));
            }
            Turn::Now => {
                self.hashed += 1;
                self.hashing += 1;
                let (asked, before) = self.asked.remove(&ticket).unwrap();
                let of_one = self.waiting.get_mut(&ticket.guest).unwrap();
                *of_one -= 1;
                let waited = now.duration_since(asked);
                let slots = self.limiter.rules.hash_slots.max(1) as u32;
                if ticket.guest == friend && self.limiter.known.has(friend) {
                    self.longest_known = self.longest_known.max(waited);
                } else {
                    let most = (before as u32).div_ceil(slots) * self.hash_time;
                    assert!(
                        waited <= most,
                        "{ticket:?} waited {waited:?}, {before} before it"
                    );
                }
                self.at(now + self.hash_time, Event::Hashed(ticket.guest));
            }
        }
    }

    fn look(&mut self) {
        self.most_waiting = self.most_waiting.max(self.limiter.waiting);
        self.most_addresses = self.most_addresses.max(self.limiter.addresses.len());
        self.most_hashing = self.most_hashing.max(self.hashing);
        let limiter = &self.limiter;
        let rules = &limiter.rules;
        assert!(self.hashing <= rules.hash_slots + rules.known_slots);
        assert!(limiter.waiting <= rules.max_waiting);
        assert!(limiter.addresses.len() <= rules.max_addresses + 1);
        assert!(limiter.idle.len() <= limiter.addresses.len());
        assert!(limiter.known.by_guest.len() <= rules.max_known);
    }
}

/// 100,000 guesses in 100 seconds from 20,000 addresses, while somebody who has logged
/// in before does so every second.
#[test]
fn a_guessing_attack_is_held_within_its_bounds() {
    let hash_time = Duration::from_millis(25);
    let rules = Rules {
        max_addresses: 16 * 1024 + 1000,
        ..Rules::default()
    };
    let mut attack = Attack::new(rules, hash_time);
    let friend = guest(0xffff);
    let began = attack.began;
    attack.at(began, Event::Arrives(friend));
    for guess in 0..100_000_u32 {
        // A multiplicative hash scatters the addresses, the same in every run.
        let from = guest(guess.wrapping_mul(2_654_435_761) % 20_000);
        attack.at(
            began + Duration::from_millis(u64::from(guess)),
            Event::Arrives(from),
        );
    }
    for second in 1..100 {
        attack.at(began + Duration::from_secs(second), Event::Arrives(friend));
    }
    attack.run(friend);
    assert_eq!(attack.hashed + attack.refused, 100_000 + 100);
    // Two slots of 25 ms make 80 hashes a second; the rest was refused unhashed.
    assert!(attack.refused > 60_000, "{}", attack.refused);
    assert_eq!(attack.most_hashing, 3);
    assert!(
        attack.longest_known <= hash_time,
        "{:?}",
        attack.longest_known
    );
    assert!(attack.most_waiting <= rules.max_waiting);
    assert_eq!(attack.most_of_one, 1, "one attempt of an address waits");
    assert!(attack.waiting.values().all(|waiting| *waiting == 0));
    assert_eq!(attack.limiter.waiting, 0);
    assert!(attack.most_addresses <= rules.max_addresses);
}

proptest! {
    /// Whatever is asked in whatever order: slots are neither lost nor made, and
    /// everybody who waits is called in the end.
    #[test]
    fn no_slot_is_lost(
        steps in proptest::collection::vec((0_u32..6, 0_u8..5, 0_u64..3000), 1..200),
        hash_slots in 1_usize..4,
        known_slots in 0_usize..3,
    ) {
        let rules = Rules { hash_slots, known_slots, max_waiting: 4, ..Rules::default() };
        let mut limiter = Limiter::new(rules);
        let mut now = Instant::now();
        let mut tickets: Vec<Ticket> = Vec::new();
        let mut hashing: Vec<Guest> = Vec::new();
        for (number, step, millis) in steps {
            now += Duration::from_millis(millis);
            let guest = guest(number);
            match step {
                0 => tickets.extend(limiter.ask(guest, now).ok()),
                1 => {
                    if let Some(at) = tickets.iter().position(|ticket| ticket.guest == guest) {
                        limiter.gave_up(tickets.swap_remove(at));
                    }
                }
                2 | 3 => {
                    if let Some(at) = hashing.iter().position(|other| *other == guest) {
                        hashing.swap_remove(at);
                        let outcome = if step == 2 { Outcome::Right } else { Outcome::Wrong };
                        limiter.finished(guest, outcome, now);
                    }
                }
                _ => {
                    if let Some(at) = tickets.iter().position(|ticket| ticket.guest == guest)
                        && limiter.turn(tickets[at], now) == Turn::Now
                    {
                        hashing.push(tickets.swap_remove(at).guest);
                    }
                }
            }
            prop_assert_eq!(limiter.waiting, tickets.len());
            prop_assert!(hashing.len() <= hash_slots + known_slots);
        }
        // Everybody's delay passes, and all hashes end.
        for _ in 0..tickets.len() + hashing.len() + 8 {
            now += Duration::from_secs(60);
            for guest in std::mem::take(&mut hashing) {
                limiter.finished(guest, Outcome::Right, now);
            }
            tickets.retain(|ticket| {
                let called = limiter.turn(*ticket, now) == Turn::Now;
                if called {
                    hashing.push(ticket.guest);
                }
                !called
            });
        }
        prop_assert!(tickets.is_empty() && hashing.is_empty());
        prop_assert_eq!(limiter.common_free, hash_slots);
        prop_assert_eq!(limiter.reserved_free, known_slots);
        prop_assert!(limiter.new_queue.is_empty() && limiter.known_queue.is_empty());
    }
}
