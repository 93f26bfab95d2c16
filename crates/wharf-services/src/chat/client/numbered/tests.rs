//! Two clients and a server that loses, changes, doubles and delays, in made-up time.

use proptest::prelude::*;

use super::*;
use crate::chat::client::{Check, Denied};

/// What a network does to datagrams, from a generator that repeats.
#[derive(Clone, Debug)]
struct Damage {
    seed: u64,
    drop: f64,
    double: f64,
    delay: f64,
    flip: f64,
}

impl Damage {
    fn next(&mut self) -> f64 {
        // SplitMix64.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.next() < probability
    }
}

/// Two clients, and a server between them that knows only names.
struct World {
    now: Instant,
    clients: BTreeMap<&'static str, Numbered>,
    damage: Damage,
    /// By time, then by when it was sent.
    late: BTreeMap<(Instant, u64), (&'static str, Vec<u8>)>,
    sent: u64,
    heard: BTreeMap<&'static str, Vec<String>>,
    done: BTreeMap<&'static str, Vec<String>>,
}

const NAMES: [&str; 2] = ["ann", "ben"];

impl World {
    fn new(damage: Damage) -> Self {
        let now = Instant::now();
        let mut world = World {
            now,
            clients: BTreeMap::new(),
            damage,
            late: BTreeMap::new(),
            sent: 0,
            heard: BTreeMap::new(),
            done: BTreeMap::new(),
        };
        for (seed, name) in (1..).zip(NAMES) {
            let mut client = Numbered::new(seed);
            client.log_in(name, now);
            world.clients.insert(name, client);
        }
        world
    }

    /// What the server sends, after what the network does to it.
    fn carry(&mut self, to: &'static str, text: String) {
        let copies = if self.damage.happens(self.damage.double) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            if self.damage.happens(self.damage.drop) {
                continue;
            }
            let mut bytes = text.clone().into_bytes();
            for bit in 0..bytes.len() * 8 {
                if self.damage.happens(self.damage.flip) {
                    bytes[bit / 8] ^= 1 << (bit % 8);
                }
            }
            let mut wait = Duration::from_millis(1);
            if self.damage.happens(self.damage.delay) {
                wait = Duration::from_millis(300).mul_f64(self.damage.next());
            }
            self.sent += 1;
            self.late.insert((self.now + wait, self.sent), (to, bytes));
        }
    }

    fn serve(&mut self, from: &'static str, datagram: &[u8]) {
        let line = std::str::from_utf8(datagram).unwrap().trim_end();
        match Request::parse(line).unwrap() {
            Request::HelloFrom(name) => self.carry(from, format!("HELLO {name}\n")),
            Request::Users(_) => self.carry(from, "WHO-OK echobot,ann,ben\n".to_owned()),
            Request::Send { to, text } => {
                let delivery = format!("DELIVERY {from} {text}\n");
                if to == "echobot" {
                    self.carry(from, "SEND-OK\n".to_owned());
                    self.carry(from, format!("DELIVERY echobot {text}\n"));
                } else if let Some(to) = NAMES.into_iter().find(|name| *name == to) {
                    self.carry(from, "SEND-OK\n".to_owned());
                    self.carry(to, delivery);
                } else {
                    self.carry(from, "UNKNOWN\n".to_owned());
                }
            }
        }
    }

    /// Lets everything happen that happens now, then goes on to what is next.
    fn step(&mut self) {
        for name in NAMES {
            loop {
                let client = self.clients.get_mut(name).unwrap();
                while let Some(event) = client.next_event() {
                    match event {
                        Event::Message(message) => {
                            let mark = match message.check {
                                Check::Unchecked => "?",
                                _ => "",
                            };
                            let line = format!("{}{mark}: {}", message.from, message.text);
                            self.heard.entry(name).or_default().push(line);
                        }
                        Event::LoggedIn(_) | Event::Users(_) => {}
                        event => self
                            .done
                            .entry(name)
                            .or_default()
                            .push(format!("{event:?}")),
                    }
                }
                let Some(datagram) = client.next_datagram() else {
                    break;
                };
                self.serve(name, &datagram);
            }
        }
        let arrives = self.late.first_key_value().map(|((at, _), _)| *at);
        let due = self.clients.values().filter_map(Numbered::deadline).min();
        self.now = [arrives, due]
            .into_iter()
            .flatten()
            .min()
            .unwrap()
            .max(self.now);
        while let Some(first) = self.late.first_entry()
            && first.key().0 <= self.now
        {
            let (to, datagram) = first.remove();
            self.clients
                .get_mut(to)
                .unwrap()
                .receive(&datagram, self.now);
        }
        for client in self.clients.values_mut() {
            client.timeout(self.now);
        }
    }

    fn log_in(&mut self) {
        while self.clients.values().any(|client| client.name().is_none()) {
            self.step();
        }
    }

    fn client(&mut self, name: &str) -> &mut Numbered {
        self.clients.get_mut(name).unwrap()
    }

    /// Sends, and waits until everything is acknowledged.
    fn exchange(&mut self, count: usize) {
        self.log_in();
        let mut next = BTreeMap::from([("ann", 0), ("ben", 0)]);
        let began = self.now;
        while next.values().any(|sent| *sent < count)
            || self.clients.values().any(|client| client.unfinished() > 0)
        {
            for (from, to) in [("ann", "ben"), ("ben", "ann")] {
                let now = self.now;
                let sent = next.get_mut(from).unwrap();
                let client = self.clients.get_mut(from).unwrap();
                while *sent < count && client.unfinished() < 100 {
                    let text = format!("grün {sent} of {from}");
                    client.send(to, &text, now).unwrap();
                    *sent += 1;
                }
            }
            self.step();
            assert!(self.now - began < Duration::from_secs(3_600), "it ends");
        }
        // What happened last is still to be told.
        self.step();
    }
}

fn damage(seed: u64) -> Damage {
    Damage {
        seed,
        drop: 0.2,
        double: 0.1,
        delay: 0.2,
        flip: 0.001,
    }
}

fn expected(from: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|n| format!("{from}: grün {n} of {from}"))
        .collect()
}

fn assert_all_arrived(world: &World, count: usize) {
    assert_eq!(world.heard["ann"], expected("ben", count));
    assert_eq!(world.heard["ben"], expected("ann", count));
    for name in NAMES {
        assert_eq!(world.done[name].len(), count);
        let all = world.done[name].iter();
        assert!(
            all.clone().all(|done| done.contains("Acknowledged")),
            "{all:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_messages_each_way_arrive_once_and_in_order() {
    let mut world = World::new(damage(1));
    world.exchange(1_000);
    assert_all_arrived(&world, 1_000);
    let damaged: u64 = world.clients.values().map(Numbered::damaged).sum();
    assert!(damaged > 100, "the network did change some: {damaged}");
}

#[tokio::test(start_paused = true)]
async fn a_clean_network_carries_each_message_once() {
    let clean = Damage {
        seed: 1,
        drop: 0.0,
        double: 0.0,
        delay: 0.0,
        flip: 0.0,
    };
    let mut world = World::new(clean);
    world.exchange(200);
    assert_all_arrived(&world, 200);
    // Each way: HELLO, and for each message it, its SEND-OK, at most one
    // acknowledgement and the SEND-OK of that.
    assert!(world.sent <= 2 * (1 + 200 * 4), "{}", world.sent);
}

#[tokio::test(start_paused = true)]
async fn bots_echo_once_and_nobody_is_not_there() {
    let mut world = World::new(damage(2));
    world.log_in();
    let now = world.now;
    for text in ["one", "two"] {
        world.client("ann").send("echobot", text, now).unwrap();
    }
    world.client("ann").send("nobody", "hi", now).unwrap();
    while world.client("ann").waits() {
        world.step();
    }
    world.step();
    let heard = &world.heard["ann"];
    let mut sorted = heard.clone();
    sorted.sort();
    assert_eq!(sorted, ["echobot: one", "echobot: two"]);
    let gone = world.done["ann"]
        .iter()
        .filter(|done| done.contains("NoSuchUser"));
    assert!(gone.count() >= 1, "{:?}", world.done);
}

#[tokio::test(start_paused = true)]
async fn a_plain_client_reads_the_text_and_is_heard() {
    let now = Instant::now();
    let mut ann = Numbered::new(1);
    ann.log_in("ann", now);
    ann.receive(b"HELLO ann\n", now);
    while ann.next_datagram().is_some() {}
    ann.send("ben", "  hello\nben ", now).unwrap();
    let datagram = String::from_utf8(ann.next_datagram().unwrap()).unwrap();
    assert!(datagram.starts_with("SEND ben hello ben [#"), "{datagram}");
    assert_eq!(datagram.len(), "SEND ben hello ben\n".len() + ENVELOPE);
    while ann.next_event().is_some() {}
    for (datagram, text) in [
        (&b"DELIVERY ben hi\n"[..], Some("hi")),
        (b"DELIVERY ben \xff\n", Some("\u{fffd}")),
        (b"DELIVERY ben\n", Some("")),
        (b"DELIVERY ben no end", None),
        (b"DELIVERY b\xffn hi\n", None),
        (b"DELIVERX ben hi\n", None),
        (b"DELIVERY ben two\nlines\n", Some("two\nlines")),
        (b"\n", None),
        (b"", None),
    ] {
        ann.receive(datagram, now);
        let heard = match ann.next_event() {
            Some(Event::Message(message)) => {
                assert_eq!(message.check, Check::Unchecked);
                Some(message.text)
            }
            None => None,
            event => panic!("{event:?}"),
        };
        assert_eq!(heard.as_deref(), text, "{datagram:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_is_asked_for_until_it_is_answered_and_made_sure_of() {
    let mut now = Instant::now();
    let mut ann = Numbered::new(1);
    ann.log_in("ann", now);
    for _ in 0..5 {
        assert_eq!(ann.next_datagram().unwrap(), b"HELLO-FROM ann\n");
        assert_eq!(ann.next_datagram(), None);
        // Changed on the way.
        ann.receive(b"HELLO anm\n", now);
        now = ann.deadline().unwrap();
        ann.timeout(now);
    }
    ann.receive(b"HELLO ann\n", now);
    assert!(matches!(ann.next_event(), Some(Event::LoggedIn(_))));
    while ann.next_datagram().is_some() {}
    assert_eq!(ann.silent_since(), None);
    now = ann.deadline().unwrap();
    ann.timeout(now);
    assert_eq!(ann.next_datagram().unwrap(), b"HELLO-FROM ann\n");
    assert_eq!(ann.silent_since(), Some(now));
    ann.receive(b"IN-USE\n", now);
    assert!(matches!(
        ann.next_event(),
        Some(Event::Refused {
            why: Denied::InUse,
            ..
        })
    ));
    assert_eq!(ann.name(), None);
}

#[tokio::test(start_paused = true)]
async fn a_list_is_believed_when_it_comes_twice() {
    let now = Instant::now();
    let mut ann = Numbered::new(1);
    ann.log_in("ann", now);
    ann.receive(b"HELLO ann\n", now);
    ann.next_event();
    while ann.next_datagram().is_some() {}
    ann.who(now);
    assert_eq!(ann.next_datagram().unwrap(), b"WHO\n");
    ann.receive(b"BAD-RQST-HDR\n", now);
    assert_eq!(ann.next_datagram().unwrap(), b"LIST\n");
    for list in [
        &b"LIST-OK ann,bem\n"[..],
        b"LIST-OK a\x00nn,ben\n",
        b"LIST-OK ann,ben\n",
    ] {
        ann.receive(list, now);
        assert!(ann.next_event().is_none());
    }
    ann.receive(b"LIST-OK ann,ben\n", now);
    let Some(Event::Users(names)) = ann.next_event() else {
        panic!("a list");
    };
    assert_eq!(names, ["ann", "ben"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn everything_arrives_once_and_in_order(
        seed in any::<u64>(), drop in 0.0..0.35, double in 0.0..0.5, delay in 0.0..0.5,
        flip in 0.0..0.001, count in 1..60usize,
    ) {
        let mut world = World::new(Damage { seed, drop, double, delay, flip });
        world.exchange(count);
        assert_all_arrived(&world, count);
    }

    #[test]
    fn any_datagram_is_taken(datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..40)) {
        let mut now = Instant::now();
        let mut ann = Numbered::new(1);
        ann.log_in("ann", now);
        ann.receive(b"HELLO ann\n", now);
        ann.who(now);
        for datagram in datagrams {
            ann.receive(&datagram, now);
            ann.receive(&[b"DELIVERY ben ", &datagram[..], b"\n"].concat(), now);
            now += Duration::from_millis(100);
            ann.timeout(now);
            while ann.next_datagram().is_some() {}
        }
    }
}
