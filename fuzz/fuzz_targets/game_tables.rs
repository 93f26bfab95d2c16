//! Whatever several players say, and however long they wait, a game stays a game.
//!
//! The input is a program: its first byte chooses the game and its rules, then each
//! instruction is a byte for what happens (the lower three bits) and to whom (the next
//! two), and, when something is said, a byte for which word, or for how many bytes
//! follow that are said.
//!
//! Every line that is taken is answered; every answer can be read; chips are neither
//! made nor lost; what waits for a player is bounded.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use wharf_services::fuzzing::{BlackjackBench, RpsBench};
use wharf_services::{blackjack, rps};

const SEATS: usize = 4;

/// What players of rock, paper, scissors say; a fuzzer need not find it letter by letter.
const RPS: [&str; 16] = [
    "HELLO ann k", "HELLO ben k", "HELLO cy", "HELLO ann x", "PLAY", "PLAY ann", "PLAY ben",
    "PLAY house", "ROCK", "PAPER", "SCISSORS", "LEAVE", "AGAIN", "TOP", "BYE", "HELP",
];

/// What players of blackjack say. The hash is that of `daisy`.
const BLACKJACK: [&str; 24] = [
    "HELLO ann k", "HELLO ben k", "HELLO cy", "HELLO ann x", "SIT", "SIT ALONE", "SIT 1", "SIT 2",
    "BET 1", "BET 10 lucky", "BET 100", "BET 7",
    "BET 5 =42029ef215256f8fa9fedb53542ee6553eef76027b116f8fac5346211b1e473c",
    "REVEAL daisy", "REVEAL rose", "HIT", "STAND", "DOUBLE", "SPLIT", "LEAVE", "BUY", "AGAIN",
    "BALANCE", "BYE",
];

fuzz_target!(|data: &[u8]| {
    let [first, program @ ..] = data else {
        return;
    };
    let seed = [first >> 4; 32];
    let max_names = if first & 2 == 0 { 100 } else { 2 };
    if first & 1 == 0 {
        let rules = rps::Rules { max_names, ..rps::Rules::default() };
        let mut bench = RpsBench::new(rules, seed, SEATS);
        run(&mut bench, &RPS, program);
    } else {
        let decks = if first & 4 == 0 { 1 } else { 6 };
        let start = if first & 8 == 0 { 1 } else { 100 };
        let rules = blackjack::Rules { max_names, decks, start, ..blackjack::Rules::default() };
        let mut bench = BlackjackBench::new(rules, seed, SEATS);
        run(&mut bench, &BLACKJACK, program);
    }
});

/// Either game.
trait Game {
    fn connect(&mut self, seat: usize);
    fn say(&mut self, seat: usize, line: &str);
    fn take(&mut self, seat: usize) -> String;
    fn hang_up(&mut self, seat: usize);
    fn leave(&mut self, seat: usize);
    fn wait(&mut self, time: Duration);
    fn listens(&self, seat: usize) -> bool;
    fn is_reply(line: &str) -> bool;
    fn check(&self);
}

macro_rules! game {
    ($bench:ty, $reply:ty, $check:expr) => {
        impl Game for $bench {
            fn connect(&mut self, seat: usize) {
                Self::connect(self, seat);
            }
            fn say(&mut self, seat: usize, line: &str) {
                Self::say(self, seat, line);
            }
            fn take(&mut self, seat: usize) -> String {
                Self::take(self, seat)
            }
            fn hang_up(&mut self, seat: usize) {
                Self::hang_up(self, seat);
            }
            fn leave(&mut self, seat: usize) {
                Self::leave(self, seat);
            }
            fn wait(&mut self, time: Duration) {
                Self::wait(self, time);
            }
            fn listens(&self, seat: usize) -> bool {
                Self::listens(self, seat)
            }
            fn is_reply(line: &str) -> bool {
                <$reply>::parse(line).is_some()
            }
            fn check(&self) {
                $check(self);
            }
        }
    };
}
game!(RpsBench, rps::Reply<'_>, |_: &RpsBench| ());
game!(BlackjackBench, blackjack::Reply<'_>, |bench: &BlackjackBench| {
    let (bought, there) = bench.books();
    assert_eq!(bought, there, "chips are neither made nor lost");
});

fn run<G: Game>(game: &mut G, words: &[&str], mut program: &[u8]) {
    while let Some((first, rest)) = program.split_first() {
        program = rest;
        let seat = usize::from(first >> 3 & 3);
        match first & 7 {
            0 => game.leave(seat),
            1 => game.hang_up(seat),
            2 => game.wait(Duration::from_secs(u64::from(first >> 3))),
            3 => game.connect(seat),
            4 => {
                // Its own words.
                let Some((length, rest)) = program.split_first() else {
                    return;
                };
                let (said, rest) = rest.split_at(rest.len().min(usize::from(*length)));
                program = rest;
                let said = String::from_utf8_lossy(said);
                says(game, seat, said.split('\n').next().unwrap_or_default());
            }
            _ => {
                let Some((which, rest)) = program.split_first() else {
                    return;
                };
                program = rest;
                says(game, seat, words[usize::from(*which) % words.len()]);
            }
        }
        game.check();
    }
}

/// Says a line; if it is taken, it is answered.
fn says<G: Game>(game: &mut G, seat: usize, line: &str) {
    hears(game);
    // What is due by now may end a connection before its line is taken.
    game.wait(Duration::ZERO);
    hears(game);
    let is_taken = game.listens(seat);
    game.say(seat, line);
    let answer = game.take(seat);
    assert_eq!(is_taken, !answer.is_empty(), "{line:?} is answered if it is taken");
    answer.lines().for_each(|line| assert!(G::is_reply(line), "{line:?} is a reply"));
    hears(game);
}

/// Everybody reads; all that is heard are replies.
fn hears<G: Game>(game: &mut G) {
    for seat in 0..SEATS {
        let heard = game.take(seat);
        assert!(heard.is_empty() || heard.ends_with('\n'));
        heard.lines().for_each(|line| assert!(G::is_reply(line), "{line:?} is a reply"));
    }
}
