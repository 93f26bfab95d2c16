//! Clients and a house whose lines are on their way for some time, so that requests cross
//! what time and others cause. Whatever crosses: an honest house is never accused.

use std::collections::VecDeque;

use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

const NAMES: [&str; 3] = ["ann", "ben", "carl"];

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A client says something, by what it has heard.
    Says(usize, u32),
    /// The first line on the way to the house arrives.
    Arrives(usize),
    /// A client hears so many lines of those that are on the way.
    Hears(usize, usize),
    Wait(u64),
    /// A connection breaks; what was on the way is lost.
    Breaks(usize),
    /// A client says nothing more, and still listens.
    HangsUp(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        60 => (0..3_usize, any::<u32>()).prop_map(|(seat, which)| Step::Says(seat, which)),
        60 => (0..3_usize).prop_map(Step::Arrives),
        60 => (0..3_usize, 1..12_usize).prop_map(|(seat, lines)| Step::Hears(seat, lines)),
        12 => (0..25_u64).prop_map(Step::Wait),
        1 => (0..3_usize).prop_map(Step::Breaks),
        1 => (0..3_usize).prop_map(Step::HangsUp),
    ];
    prop::collection::vec(step, 0..600)
}

/// What a client says; more often what fits.
fn request(name: &str, fits: Fits, which: u32) -> String {
    const ACTS: [&str; 4] = ["HIT", "STAND", "DOUBLE", "SPLIT"];
    const OTHERS: [&str; 16] = [
        "SIT",
        "SIT",
        "SIT",
        "SIT",
        "SIT ALONE",
        "SIT 1",
        "LEAVE",
        "AGAIN",
        "BALANCE",
        "BUY",
        "TOP",
        "HELP",
        "x",
        "",
        "BYE",
        "REVEAL y",
    ];
    let pick = which as usize / 16;
    match which % 16 {
        0..=6 if fits == Fits::Split && !pick.is_multiple_of(4) => "SPLIT".to_owned(),
        0..=6 if matches!(fits, Fits::Act | Fits::Split) => ACTS[pick % 4].to_owned(),
        0..=6 if fits == Fits::Reveal => "REVEAL x".to_owned(),
        0..=4 => format!("BET 1 ={}", hash_of("x")),
        5 => format!("BET 1 n{}", pick % 4),
        6 => "BET 1".to_owned(),
        7..=9 => "REVEAL x".to_owned(),
        10 => ACTS[pick % 4].to_owned(),
        11 if pick.is_multiple_of(4) => format!("HELLO {name} key"),
        11 if pick % 4 == 1 => format!("HELLO {} key", NAMES[pick / 4 % 3]),
        11 if pick % 4 == 2 => format!("HELLO {name}"),
        _ => OTHERS[pick % 16].to_owned(),
    }
}

/// What a client was asked for when it heard something last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fits {
    #[default]
    Bet,
    Reveal,
    Act,
    Split,
}

/// What is on the way from and to a client.
#[derive(Debug, Default)]
struct Way {
    up: VecDeque<String>,
    down: VecDeque<String>,
    /// It says nothing more.
    hung_up: bool,
    fits: Fits,
    transcript: Vec<String>,
}

/// How often something came up.
#[derive(Debug, Default)]
struct Seen {
    fair: usize,
    doubts: usize,
    void: usize,
    splits: usize,
    /// No seat any more, and more than one request in flight.
    stood_up: usize,
    refused: usize,
}

impl Seen {
    /// Looks at a verdict on an honest house.
    fn judge(&mut self, verdict: &Verdict, transcript: &[String]) {
        let told = transcript.len().saturating_sub(200);
        assert_eq!(verdict.problems, [], "{:#?}", &transcript[told..]);
        self.fair += usize::from(verdict.is_fair());
        self.doubts += usize::from(!verdict.doubts.is_empty());
        self.void += usize::from(verdict.kind == Kind::Void);
    }

    fn counts(&self) -> [usize; 6] {
        let Seen {
            fair, doubts, void, ..
        } = *self;
        [fair, doubts, void, self.splits, self.stood_up, self.refused]
    }
}

struct Crossing {
    world: World,
    ways: [Way; 3],
    seen: Seen,
}

impl Crossing {
    fn new(seed: u8) -> Self {
        let rules = Rules {
            decks: 1,
            ..Rules::default()
        };
        let mut crossing = Crossing {
            world: World::new(3, rules, seed),
            ways: Default::default(),
            seen: Seen::default(),
        };
        for (seat, name) in NAMES.iter().enumerate() {
            crossing.says(seat, format!("HELLO {name} key"));
            crossing.says(seat, "SIT".to_owned());
        }
        crossing
    }

    fn says(&mut self, seat: usize, line: String) {
        let way = &mut self.ways[seat];
        if !way.hung_up {
            self.world.seats[seat].1.say(&line);
            way.transcript.push(format!("> {line}"));
            way.up.push_back(line);
        }
    }

    fn arrives(&mut self, seat: usize) {
        let id = self.world.seats[seat].0;
        let Some(line) = self.ways[seat].up.pop_front() else {
            return;
        };
        let house = &mut self.world.house;
        house.advance(self.world.now);
        if house.desk.ending(id).is_none() {
            house.line(id, &line, self.world.now);
        }
        self.world.check_books();
    }

    /// What the house has written is on its way.
    fn collect(&mut self) {
        for (way, (id, _)) in self.ways.iter_mut().zip(&self.world.seats) {
            let text = String::from_utf8(self.world.house.desk.take(*id)).unwrap();
            way.down.extend(text.lines().map(str::to_owned));
        }
    }

    fn hears(&mut self, seat: usize, lines: usize) {
        let way = &mut self.ways[seat];
        for _ in 0..lines {
            let Some(line) = way.down.pop_front() else {
                break;
            };
            way.transcript.push(format!("< {line}"));
            match Reply::parse(&line).expect("it is a reply") {
                Reply::Turn { name, can, .. } if name == NAMES[seat] => {
                    way.fits = if can[1] { Fits::Split } else { Fits::Act };
                }
                Reply::Reveal(_) => way.fits = Fits::Reveal,
                Reply::Act { action, .. } => {
                    way.fits = Fits::Bet;
                    self.seen.splits += usize::from(action == Action::Split);
                }
                Reply::Bets { .. } => way.fits = Fits::Bet,
                Reply::Idle => self.seen.stood_up += usize::from(way.up.len() > 1),
                Reply::No(No::Turn) => self.seen.refused += 1,
                _ => {}
            }
            for verdict in self.world.seats[seat].1.hear(&line).iter().flatten() {
                self.seen.judge(verdict, &way.transcript);
            }
        }
        let is_over = self
            .world
            .house
            .desk
            .ending(self.world.seats[seat].0)
            .is_some();
        if is_over && self.ways[seat].down.is_empty() {
            self.breaks(seat);
        }
    }

    fn breaks(&mut self, seat: usize) {
        let way = &mut self.ways[seat];
        way.transcript.push("another connection".to_owned());
        let transcript = std::mem::take(&mut way.transcript);
        *way = Way {
            transcript,
            ..Way::default()
        };
        let (house, (id, readers)) = (&mut self.world.house, &mut self.world.seats[seat]);
        house.advance(self.world.now);
        house.hang_up(*id, self.world.now);
        house.desk.leave(*id);
        *id = house.desk.enter(Door::Nobody);
        house.greet(*id);
        let ended = std::mem::take(&mut readers.connection);
        if let Some(verdict) = ended.finish() {
            self.seen.judge(&verdict, &way.transcript);
        }
        // It does not wait for the greeting.
        self.says(seat, format!("HELLO {} key", NAMES[seat]));
    }

    fn hangs_up(&mut self, seat: usize) {
        while !self.ways[seat].up.is_empty() {
            self.arrives(seat);
        }
        self.ways[seat].hung_up = true;
        self.world.house.advance(self.world.now);
        self.world
            .house
            .hang_up(self.world.seats[seat].0, self.world.now);
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Says(seat, which) => {
                let line = request(NAMES[seat], self.ways[seat].fits, which);
                self.says(seat, line);
            }
            Step::Arrives(seat) => self.arrives(seat),
            Step::Hears(seat, lines) => self.hears(seat, lines),
            Step::Wait(seconds) => self.world.wait(Duration::from_secs(seconds)),
            Step::Breaks(seat) => self.breaks(seat),
            Step::HangsUp(seat) => self.hangs_up(seat),
        }
        self.collect();
    }

    fn run(mut self, steps: &[Step]) -> Seen {
        for step in steps {
            self.step(*step);
        }
        for seat in 0..NAMES.len() {
            while !self.ways[seat].up.is_empty() {
                self.step(Step::Arrives(seat));
            }
        }
        for seat in 0..NAMES.len() {
            self.step(Step::Hears(seat, usize::MAX));
            let readers = std::mem::take(&mut self.world.seats[seat].1);
            for reader in [readers.connection, readers.all, readers.heard] {
                if let Some(verdict) = reader.finish() {
                    self.seen.judge(&verdict, &self.ways[seat].transcript);
                }
            }
        }
        self.seen
    }
}

proptest! {
    #[test]
    fn an_honest_house_is_never_accused(steps in steps(), seed in any::<u8>()) {
        Crossing::new(seed).run(&steps);
    }
}

/// The rounds above are played, and things cross in them.
#[test]
fn what_crosses_is_played() {
    let mut runner = TestRunner::deterministic();
    let mut all = [0; 6];
    for seed in 0..64 {
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let counts = Crossing::new(seed).run(&steps).counts();
        all = std::array::from_fn(|index| all[index] + counts[index]);
    }
    let counted = "fair, in doubt, void, split, without a seat, refused";
    assert!(all.iter().all(|count| *count > 0), "{all:?}: {counted}");
}
