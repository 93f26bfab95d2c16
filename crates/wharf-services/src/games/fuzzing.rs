//! The games without I/O, as fuzz targets drive them: lines of several connections go
//! in, lines for them come out. Built with `--cfg fuzzing` only.

use std::time::Duration;

use tokio::time::Instant;

use super::{Door, Game, MAX_LINE, MAX_WAITING_BYTES, MemberId};
use crate::blackjack::{self, House};
use crate::rps::{self, Referee};

/// A referee for rock, paper, scissors, and its connections.
#[derive(Debug)]
pub struct RpsBench(Bench<Referee>);

/// Tables of blackjack, and their connections.
#[derive(Debug)]
pub struct BlackjackBench(Bench<House>);

/// A game and its connections.
#[derive(Debug)]
struct Bench<G> {
    game: G,
    seats: Vec<Option<MemberId>>,
    now: Instant,
}

impl<G: Game> Bench<G> {
    fn new(mut game: G, seed: [u8; 32], seats: usize) -> Self {
        game.desk_mut().dice().stir(&seed);
        Bench {
            game,
            seats: vec![None; seats],
            now: Instant::now(),
        }
    }

    /// Somebody connects, if nobody is there yet.
    fn connect(&mut self, seat: usize) {
        if self.seats[seat].is_none() {
            let id = self.game.desk_mut().enter(Door::Nobody);
            self.game.greet(id);
            self.seats[seat] = Some(id);
        }
    }

    /// A connection says a line, as its task would let it.
    fn say(&mut self, seat: usize, line: &str) {
        let Some(id) = self.seats[seat] else {
            return;
        };
        self.game.advance(self.now);
        let desk = self.game.desk();
        if desk.ending(id).is_some() || desk.is_clogged(id) {
            return;
        }
        match line.len() > MAX_LINE {
            true => self.game.line_too_long(id),
            false => self.game.line(id, line, self.now),
        }
    }

    /// What is to be written to a connection now.
    fn take(&mut self, seat: usize) -> String {
        let Some(id) = self.seats[seat] else {
            return String::new();
        };
        let output = self.game.desk_mut().take(id);
        assert!(output.len() <= MAX_WAITING_BYTES, "an outbox is bounded");
        String::from_utf8(output).expect("lines are text")
    }

    /// A connection ends its side.
    fn hang_up(&mut self, seat: usize) {
        if let Some(id) = self.seats[seat] {
            self.game.advance(self.now);
            self.game.hang_up(id, self.now);
        }
    }

    /// A connection is gone.
    fn leave(&mut self, seat: usize) {
        if let Some(id) = self.seats[seat].take() {
            self.game.hang_up(id, self.now);
            self.game.desk_mut().leave(id);
        }
    }

    /// Time passes.
    fn wait(&mut self, time: Duration) {
        self.now += time;
        self.game.advance(self.now);
        // Nobody rings and nobody prints here.
        self.game.desk_mut().rung();
        self.game.desk_mut().told();
    }

    /// Whether what was said last had to be answered.
    fn listens(&self, seat: usize) -> bool {
        let desk = self.game.desk();
        let listens = |id| desk.ending(id).is_none() && !desk.is_clogged(id);
        self.seats[seat].is_some_and(listens)
    }
}

macro_rules! bench {
    ($bench:ident) => {
        impl $bench {
            /// Somebody connects, if nobody is there yet.
            pub fn connect(&mut self, seat: usize) {
                self.0.connect(seat);
            }

            /// A connection says a line, if it may.
            pub fn say(&mut self, seat: usize, line: &str) {
                self.0.say(seat, line);
            }

            /// Takes the lines that are to be written to a connection now.
            pub fn take(&mut self, seat: usize) -> String {
                self.0.take(seat)
            }

            /// A connection ends its side, and still listens.
            pub fn hang_up(&mut self, seat: usize) {
                self.0.hang_up(seat);
            }

            /// A connection is gone.
            pub fn leave(&mut self, seat: usize) {
                self.0.leave(seat);
            }

            /// Time passes.
            pub fn wait(&mut self, time: Duration) {
                self.0.wait(time);
            }

            /// Whether a connection's next line is taken, and so answered.
            pub fn listens(&self, seat: usize) -> bool {
                self.0.listens(seat)
            }
        }
    };
}
bench!(RpsBench);
bench!(BlackjackBench);

impl RpsBench {
    /// A referee without anybody, and so many places for connections.
    pub fn new(rules: rps::Rules, seed: [u8; 32], seats: usize) -> Self {
        RpsBench(Bench::new(Referee::new(rules), seed, seats))
    }
}

impl BlackjackBench {
    /// Tables without anybody, and so many places for connections.
    pub fn new(rules: blackjack::Rules, seed: [u8; 32], seats: usize) -> Self {
        BlackjackBench(Bench::new(House::new(rules), seed, seats))
    }

    /// The chips that were bought, and those that are somewhere: the same.
    pub fn books(&self) -> (blackjack::Chips, blackjack::Chips) {
        self.0.game.books()
    }
}
