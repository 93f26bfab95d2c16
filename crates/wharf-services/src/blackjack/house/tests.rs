//! The house without a network: what each line causes, and what holds whatever players
//! do in whatever order.

use proptest::prelude::*;

use super::*;
use crate::blackjack::{Doubt, Kind, Verdict, Verifier, hash_of};
use crate::games::Door;

mod crossing;

/// A house and its clients, each with verifiers that read everything.
struct World {
    house: House,
    now: Instant,
    seats: Vec<(MemberId, Readers)>,
    judged: usize,
}

/// Who reads a transcript.
#[derive(Default)]
struct Readers {
    /// That of one connection.
    connection: Verifier,
    /// Those of all connections of a client, one after the other.
    all: Verifier,
    /// All that was heard, without what was said.
    heard: Verifier,
}

impl Readers {
    fn say(&mut self, line: &str) {
        self.connection.say(line);
        self.all.say(line);
    }

    fn hear(&mut self, line: &str) -> [Option<Verdict>; 3] {
        [&mut self.connection, &mut self.all, &mut self.heard].map(|verifier| verifier.hear(line))
    }
}

impl World {
    fn new(members: usize, rules: Rules, seed: u8) -> Self {
        let mut house = House::new(rules);
        house.desk.dice().stir(&[seed; 32]);
        let mut world = World {
            house,
            now: Instant::now(),
            seats: Vec::new(),
            judged: 0,
        };
        for _ in 0..members {
            world.enter();
        }
        world
    }

    /// Players who sit at one table.
    fn of(names: &[&str], seed: u8) -> Self {
        let mut world = World::new(names.len(), Rules::default(), seed);
        for (seat, name) in names.iter().enumerate() {
            world.say(seat, &format!("HELLO {name} key"));
            world.say(seat, "SIT 1");
            world.say(seat, "SIT");
        }
        for seat in 0..names.len() {
            world.heard(seat);
        }
        world
    }

    fn enter(&mut self) {
        let mut readers = Readers::default();
        let id = self.connect(&mut readers);
        self.seats.push((id, readers));
    }

    /// Somebody connects, and is greeted.
    fn connect(&mut self, readers: &mut Readers) -> MemberId {
        let id = self.house.desk.enter(Door::Nobody);
        self.house.greet(id);
        let greeting = String::from_utf8(self.house.desk.take(id)).unwrap();
        readers.hear(greeting.trim_end());
        id
    }

    fn say(&mut self, seat: usize, line: &str) {
        self.house.advance(self.now);
        self.seats[seat].1.say(line);
        self.house.line(self.seats[seat].0, line, self.now);
        self.check_books();
    }

    fn check_books(&self) {
        let (bought, there) = self.house.books();
        assert_eq!(bought, there, "chips are neither made nor lost");
        let accounts = self.house.desk.accounts();
        assert!(
            accounts
                .map(|(_, account)| account.chips)
                .all(|chips| chips >= Chips::ZERO)
        );
    }

    /// Everything that waits for a member, without the words for people. Each round
    /// that ends is dealt again.
    fn heard(&mut self, seat: usize) -> Vec<String> {
        let (id, readers) = &mut self.seats[seat];
        let text = String::from_utf8(self.house.desk.take(*id)).unwrap();
        for line in text.lines() {
            assert!(Reply::parse(line).is_some(), "{line:?} is a reply");
            let verdicts = readers.hear(line);
            for verdict in verdicts.iter().flatten() {
                assert_eq!(verdict.problems, [], "{text}");
                // What was said on another connection is not in each transcript, who was
                // away may have missed the end or has its seat, and not one of its own, and
                // nonces are said when they are refused.
                let is_late = |doubt: &Doubt| match doubt {
                    Doubt::Late(word) => word != "SIT ALONE",
                    Doubt::Flood => true,
                    Doubt::Early(_) | Doubt::Elsewhere(_) | Doubt::Cut => false,
                    Doubt::Unpaid | Doubt::Fewer { .. } => false,
                };
                assert!(!verdict.doubts.iter().any(is_late), "{verdict:?}: {text}");
            }
            if let [Some(verdict), ..] = verdicts {
                self.judged += usize::from(verdict.kind == Kind::Dealt);
            }
        }
        let fields = |line: &str| line.split(" -- ").next().unwrap_or_default().to_owned();
        text.lines().map(fields).collect()
    }

    /// What a member hears, by the codes alone.
    fn codes(&mut self, seat: usize) -> Vec<String> {
        let code = |line: &String| line.split(' ').next().unwrap_or_default().to_owned();
        self.heard(seat).iter().map(code).collect()
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.house.advance(self.now);
        self.check_books();
    }

    /// Five members, and what they do.
    fn goes(steps: &[Step], decks: u32, seed: u8) -> Self {
        let rules = Rules {
            decks,
            ..Rules::default()
        };
        let mut world = World::new(5, rules, seed);
        for step in steps {
            let (seat, line) = match step {
                Step::Say(seat, line) => (*seat, (*line).to_owned()),
                Step::Bet(seat, chips, false) => (*seat, format!("BET {chips} n{chips}")),
                Step::Bet(seat, chips, true) => (*seat, format!("BET {chips} ={}", hash_of("x"))),
                Step::Reveal(seat) => (*seat, "REVEAL x".to_owned()),
                Step::Hello(seat, name) => (*seat, format!("HELLO {} key", NAMES[*name])),
                Step::Wait(seconds) => {
                    world.wait(Duration::from_secs(*seconds));
                    continue;
                }
                Step::Reconnect(seat) => {
                    world.reconnect(*seat);
                    continue;
                }
            };
            world.heard(seat);
            world.say(seat, &line);
            assert!(!world.heard(seat).is_empty(), "{line:?} has an answer");
            for seat in 0..5 {
                world.heard(seat);
                if world.house.desk.ending(world.seats[seat].0).is_some() {
                    world.reconnect(seat);
                }
            }
        }
        world
    }

    /// The connection of a member ends, and another one begins in its place.
    fn reconnect(&mut self, seat: usize) {
        self.house.advance(self.now);
        self.heard(seat);
        let id = self.seats[seat].0;
        self.house.hang_up(id, self.now);
        self.house.desk.leave(id);
        self.check_books();
        let mut readers = std::mem::take(&mut self.seats[seat].1);
        readers.connection = Verifier::default();
        let id = self.connect(&mut readers);
        self.seats[seat] = (id, readers);
    }
}

#[test]
fn what_was_refused_before_the_login_was_not_in_flight() {
    let steps = [
        Step::Hello(3, 0),
        Step::Say(3, "SIT"),
        Step::Say(0, "DOUBLE"),
        Step::Hello(2, 2),
        Step::Hello(4, 0),
        Step::Say(2, "SIT"),
        Step::Bet(4, 56, false),
        Step::Bet(2, 14, false),
        Step::Wait(12),
        Step::Say(0, "HIT"),
        Step::Wait(18),
        Step::Hello(0, 0),
        Step::Say(2, "HIT"),
    ];
    assert!(World::goes(&steps, 2, 53).judged > 0);
}

#[test]
fn a_round_of_two_who_add_to_the_shuffle() {
    let mut world = World::of(&["ann", "ben"], 1);
    world.say(0, "BET 10 lucky");
    assert_eq!(world.heard(0), ["BET 1 ann 10 lucky", "CLOSING 20"]);
    let bet = format!("BET 5 ={}", hash_of("secret"));
    world.say(1, &bet);
    assert_eq!(world.heard(0)[1..], ["REVEAL 15"]);
    for (line, answer) in [
        ("BET 5", "NO BET"),
        ("REVEAL wrong", "NO NONCE"),
        ("HIT", "NO TURN"),
    ] {
        world.heard(1);
        world.say(1, line);
        assert_eq!(world.heard(1), [answer]);
    }
    world.say(1, "REVEAL secret");
    let dealt = world.codes(0);
    assert_eq!(dealt[..2], ["NONCE", "DEAL"]);
    assert_eq!(dealt[2..].iter().filter(|code| *code == "CARD").count(), 6);
    for _ in 0..2 {
        world.say(0, "STAND");
        world.say(1, "STAND");
    }
    let end = world.codes(1);
    let said = |code: &str| end.iter().any(|heard| heard == code);
    assert!(said("SEED") && said("END") && said("BETS"), "{end:?}");
    assert_eq!(world.judged, 1, "ann hears it later");
    world.heard(0);
    assert_eq!(world.judged, 2);
}

#[test]
fn a_turn_that_is_not_taken_stands_and_nobody_waits_for_who_does_not_bet() {
    let mut world = World::of(&["ann", "ben"], 2);
    for round in 1..=3 {
        world.say(0, "BET 10");
        world.wait(Duration::from_secs(20));
        world.wait(Duration::from_secs(30));
        let heard = world.heard(0);
        assert!(heard.contains(&format!("END {round}")), "{heard:?}");
        let stands = heard.contains(&"ACT ann 1 STAND".to_owned());
        let natural = heard
            .iter()
            .any(|line| line.starts_with("PAY ann 1 NATURAL"));
        let dealer = heard.iter().any(|line| line.starts_with("PAY ann 1 LOSE"));
        assert!(stands || natural || dealer, "{heard:?}");
    }
    // Three rounds without a bet, and the seat is free.
    assert_eq!(world.heard(1).last().unwrap(), "IDLE");
    world.say(1, "BET 10");
    assert_eq!(world.heard(1), ["NO SEAT"]);
}

#[test]
fn who_does_not_reveal_loses_its_stake_and_the_others_have_theirs_back() {
    let mut world = World::of(&["ann", "ben"], 3);
    world.say(0, "BET 10 lucky");
    world.say(1, &format!("BET 10 ={}", hash_of("x")));
    world.wait(Duration::from_secs(15));
    let heard = world.heard(0);
    assert!(heard.contains(&"VOID 1 ben".to_owned()) && heard.contains(&"BALANCE 100".to_owned()));
    // Whoever makes a round void does so once: the seat is free.
    assert!(heard.contains(&"STOOD ben".to_owned()), "{heard:?}");
    let late = world.heard(1);
    let end = late.iter().position(|line| line == "END 1").unwrap();
    assert_eq!(late[end + 1..], ["BALANCE 90", "IDLE"]);
    world.say(1, "BET 10");
    assert_eq!(world.heard(1), ["NO SEAT"]);
    world.say(0, "BET 10");
    assert!(world.heard(0).contains(&"DEAL 2 1".to_owned()));
}

#[test]
fn who_goes_away_in_a_round_comes_back_to_it_with_the_key() {
    let mut world = World::of(&["ann", "ben"], 4);
    world.say(0, "BET 10");
    world.reconnect(0);
    world.say(0, "HELLO ann");
    assert_eq!(world.heard(0), ["NO IN-USE"]);
    world.say(0, "HELLO ann key");
    let heard = world.heard(0);
    assert_eq!(heard[0], "WELCOME ann key 90");
    assert!(heard.contains(&"BET 1 ann 10 -".to_owned()), "{heard:?}");
    world.say(1, "BET 10");
    world.wait(Duration::from_secs(30));
    world.wait(Duration::from_secs(30));
    assert!(world.heard(0).contains(&"END 1".to_owned()));
}

#[test]
fn who_leaves_in_a_round_stands_and_is_gone_after_it() {
    let mut world = World::of(&["ann", "ben"], 5);
    world.say(0, "BET 10");
    world.say(0, "LEAVE");
    assert_eq!(world.heard(0).last().unwrap(), "LEAVING");
    world.say(0, "AGAIN");
    assert!(world.heard(0).contains(&"LEAVING".to_owned()));
    world.say(1, "BET 10");
    world.wait(Duration::from_secs(30));
    let heard = world.heard(0);
    assert!(heard.contains(&"END 1".to_owned()) && heard.ends_with(&["IDLE".to_owned()]));
    world.say(1, "LEAVE");
    assert_eq!(world.heard(1).last().unwrap(), "IDLE");
    assert!(world.house.tables.is_empty() && world.house.due.is_empty());
}

#[test]
fn a_table_of_ones_own_begins_at_once_and_nobody_else_sits_there() {
    let mut world = World::new(2, Rules::default(), 6);
    for (seat, name) in ["ann", "ben"].iter().enumerate() {
        world.say(seat, &format!("HELLO {name}"));
        world.heard(seat);
    }
    world.say(0, "SIT ALONE");
    world.say(1, "SIT 1");
    assert_eq!(world.heard(1), ["NO TABLE"]);
    world.say(1, "SIT 999999999999");
    assert_eq!(world.heard(1), ["NO TABLE"]);
    world.say(1, "SIT");
    assert_eq!(world.heard(1)[0], "SEAT 2 1");
    world.heard(0);
    world.say(0, "BET 10");
    assert_eq!(world.heard(0)[..2], ["BET 1 ann 10 -", "DEAL 1 1"]);
}

#[test]
fn mistakes_have_their_reasons() {
    let mut world = World::new(1, Rules::default(), 7);
    for (line, answer) in [
        ("BET 10", "NO LOGIN"),
        ("HELLO dealer", "NO IN-USE"),
        ("HELLO 7", "NO NAME"),
        ("x", "NO REQUEST"),
        ("HELLO ann key", "WELCOME ann key 100"),
        ("HELLO ben", "NO LOGGED-IN"),
        ("BET 10", "NO SEAT"),
        ("AGAIN", "IDLE"),
        ("BUY", "NO NOT-BROKE"),
        ("BALANCE", "BALANCE 100"),
    ] {
        world.say(0, line);
        assert_eq!(world.heard(0).last().unwrap(), answer, "{line}");
    }
    world.say(0, "SIT");
    world.heard(0);
    for (line, answer) in [
        ("BET 0", "NO CHIPS"),
        ("BET 101", "NO CHIPS"),
        ("BET 99999999999999999999999", "NO CHIPS"),
        ("BET 1.5", "NO REQUEST"),
        ("BET +1", "NO REQUEST"),
        ("HIT", "NO TURN"),
        ("REVEAL x", "NO NOT-NOW"),
        ("SIT", "NO NOT-NOW"),
    ] {
        world.say(0, line);
        assert_eq!(world.heard(0), [answer], "{line}");
    }
}

#[test]
fn a_forgotten_name_takes_its_chips_along_and_the_books_still_balance() {
    let rules = Rules {
        max_names: 1,
        ..Rules::default()
    };
    let mut world = World::new(1, rules, 8);
    for name in ["ann", "ben", "carl"] {
        world.say(0, &format!("HELLO {name}"));
        world.say(0, "SIT");
        world.say(0, "BET 100");
        world.say(0, "STAND");
        world.reconnect(0);
        world.wait(Duration::from_secs(60));
    }
    assert_eq!(world.house.desk.accounts().count(), 1);
}

const NAMES: [&str; 4] = ["ann", "ben", "carl", "dora"];

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Say(usize, &'static str),
    Bet(usize, u32, bool),
    Reveal(usize),
    Hello(usize, usize),
    Wait(u64),
    Reconnect(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let turn = prop::sample::select(vec!["HIT", "STAND", "DOUBLE", "SPLIT"]);
    let other = prop::sample::select(vec![
        "LEAVE",
        "BUY",
        "BALANCE",
        "TOP",
        "AGAIN",
        "HELP",
        "",
        "x",
        "BYE",
        "SIT ALONE",
        "SIT 1",
    ]);
    prop_oneof![
        12 => (0..5_usize, turn).prop_map(|(seat, line)| Step::Say(seat, line)),
        2 => (0..5_usize, other).prop_map(|(seat, line)| Step::Say(seat, line)),
        2 => (0..5_usize).prop_map(|seat| Step::Say(seat, "AGAIN")),
        4 => (0..5_usize).prop_map(|seat| Step::Say(seat, "SIT")),
        8 => (0..5_usize, 0..60_u32, any::<bool>())
            .prop_map(|(seat, chips, hide)| Step::Bet(seat, chips, hide)),
        4 => (0..5_usize).prop_map(Step::Reveal),
        4 => (0..5_usize, 0..NAMES.len()).prop_map(|(seat, name)| Step::Hello(seat, name)),
        3 => (0..40_u64).prop_map(Step::Wait),
        1 => (0..5_usize).prop_map(Step::Reconnect),
    ]
}

proptest! {
    #[test]
    fn every_line_has_an_answer_the_books_balance_and_every_round_is_fair(
        steps in prop::collection::vec(step(), 0..200),
        decks in 1..=2_u32,
        seed in any::<u8>(),
    ) {
        let mut world = World::goes(&steps, decks, seed);
        // Everybody leaves: time ends all rounds, and every table goes.
        for seat in 0..5 {
            world.reconnect(seat);
        }
        for _ in 0..60 {
            world.wait(Duration::from_secs(40));
        }
        prop_assert!(world.house.tables.is_empty() && world.house.due.is_empty());
        prop_assert!(world.house.free.is_empty());
    }
}
