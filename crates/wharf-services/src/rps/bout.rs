//! One match: rounds, moves and the score. It knows no names and no lines.
//!
//! ```text
//!                  both moves are in, or time is up
//!   round n ───────────────────────────────────────▶ result ──▶ round n+1
//!                                                       └─────▶ over
//! ```

use std::time::Duration;

use tokio::time::Instant;

use super::grammar::{Move, Outcome, Why};
use super::rules::{ROUNDS_PER_WIN, Rules};
use crate::games::after;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    First,
    Second,
}

/// A match that is going on.
#[derive(Debug)]
pub(super) struct Bout {
    round: u32,
    wins: [u32; 2],
    moves: [Option<Move>; 2],
    /// When the round ends, while nobody is away.
    until: Instant,
    /// How long the round still lasts, while somebody is away.
    rest: Duration,
    /// When whoever is away has lost.
    away: [Option<Instant>; 2],
    grace: [Duration; 2],
    needed: u32,
    turn: Duration,
}

/// The end of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round {
    pub(super) number: u32,
    pub(super) moves: [Option<Move>; 2],
    /// For the first side.
    pub(super) outcome: Outcome,
    pub(super) wins: [u32; 2],
    /// The match is over with it.
    pub(super) over: Option<(Outcome, Why)>,
}

/// A second move in one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved;

/// What time does to a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// The round is over.
    Round(Round),
    /// Somebody was away for too long; the outcome is for the first side.
    Away(Outcome),
}

impl Side {
    pub(super) const BOTH: [Side; 2] = [Side::First, Side::Second];

    pub(super) fn index(self) -> usize {
        match self {
            Side::First => 0,
            Side::Second => 1,
        }
    }

    pub(super) fn other(self) -> Side {
        match self {
            Side::First => Side::Second,
            Side::Second => Side::First,
        }
    }

    /// A pair as this side sees it: its own first.
    pub(super) fn sees<T: Copy>(self, pair: [T; 2]) -> [T; 2] {
        [pair[self.index()], pair[self.other().index()]]
    }

    /// The first side's outcome as this side sees it.
    pub(super) fn outcome(self, first: Outcome) -> Outcome {
        match self {
            Side::First => first,
            Side::Second => first.reversed(),
        }
    }
}

impl Bout {
    pub(super) fn new(rules: &Rules, now: Instant) -> Self {
        Bout {
            round: 1,
            wins: [0; 2],
            moves: [None; 2],
            until: after(now, rules.turn),
            rest: rules.turn,
            away: [None; 2],
            grace: [rules.grace; 2],
            needed: rules.needed(),
            turn: rules.turn,
        }
    }

    pub(super) fn round(&self) -> u32 {
        self.round
    }

    pub(super) fn wins(&self) -> [u32; 2] {
        self.wins
    }

    pub(super) fn shown(&self, side: Side) -> Option<Move> {
        self.moves[side.index()]
    }

    /// How long a round still lasts.
    pub(super) fn left(&self, now: Instant) -> Duration {
        match self.away {
            [None, None] => self.until.saturating_duration_since(now),
            _ => self.rest,
        }
    }

    /// When whoever is away has lost.
    pub(super) fn away(&self, side: Side) -> Option<Instant> {
        self.away[side.index()]
    }

    /// Takes a move; gives the round's end, if it was the second one.
    pub(super) fn show(
        &mut self,
        side: Side,
        shown: Move,
        now: Instant,
    ) -> Result<Option<Round>, Moved> {
        let place = &mut self.moves[side.index()];
        if place.is_some() {
            return Err(Moved);
        }
        *place = Some(shown);
        let both = self.moves.iter().all(Option::is_some);
        Ok(both.then(|| self.end_round(now)))
    }

    /// Somebody is gone; the clock of the round stops. Gives for how long it may be.
    pub(super) fn leave(&mut self, side: Side, now: Instant) -> Duration {
        self.rest = self.left(now);
        let grace = self.grace[side.index()];
        let until = self.away[side.index()].get_or_insert(after(now, grace));
        until.saturating_duration_since(now)
    }

    /// Somebody is back; with both here, the clock of the round goes on from where it
    /// stood. A full turn for each who comes back would let one who never moves hold a
    /// match up for ever, at the price of the moments that it is away.
    pub(super) fn come_back(&mut self, side: Side, now: Instant) {
        if let Some(until) = self.away[side.index()].take() {
            self.grace[side.index()] = until.saturating_duration_since(now);
            if self.away == [None; 2] {
                self.until = after(now, self.rest);
            }
        }
    }

    /// When [`late`](Bout::late) has something to say.
    pub(super) fn deadline(&self) -> Instant {
        let away = self.away.iter().flatten().min();
        away.copied().unwrap_or(self.until)
    }

    /// What is due by now.
    pub(super) fn late(&mut self, now: Instant) -> Option<Late> {
        if now < self.deadline() {
            return None;
        }
        let [first, second] = self.away;
        Some(match (first, second) {
            (None, None) => Late::Round(self.end_round(now)),
            (Some(first), Some(second)) if first == second => Late::Away(Outcome::Draw),
            (Some(first), second) if second.is_none_or(|second| first < second) => {
                Late::Away(Outcome::Lose)
            }
            _ => Late::Away(Outcome::Win),
        })
    }

    fn end_round(&mut self, now: Instant) -> Round {
        let moves = std::mem::take(&mut self.moves);
        let outcome = match moves {
            [Some(own), Some(other)] if own.beats(other) => Outcome::Win,
            [Some(own), Some(other)] if other.beats(own) => Outcome::Lose,
            [Some(_), None] => Outcome::Win,
            [None, Some(_)] => Outcome::Lose,
            _ => Outcome::Draw,
        };
        match outcome {
            Outcome::Win => self.wins[0] += 1,
            Outcome::Lose => self.wins[1] += 1,
            Outcome::Draw => {}
        }
        let round = Round {
            number: self.round,
            moves,
            outcome,
            wins: self.wins,
            over: self.over(moves),
        };
        self.round += 1;
        self.until = after(now, self.turn);
        self.rest = self.turn;
        round
    }

    /// Whether a round with these moves was the last one.
    fn over(&self, moves: [Option<Move>; 2]) -> Option<(Outcome, Why)> {
        let [own, other] = self.wins;
        let ahead = match own.cmp(&other) {
            std::cmp::Ordering::Greater => Outcome::Win,
            std::cmp::Ordering::Less => Outcome::Lose,
            std::cmp::Ordering::Equal => Outcome::Draw,
        };
        if own.max(other) >= self.needed {
            Some((ahead, Why::Score))
        } else if moves == [None; 2] {
            Some((ahead, Why::Time))
        } else if self.round >= self.needed * ROUNDS_PER_WIN {
            Some((ahead, Why::Rounds))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Move::{Paper, Rock, Scissors};

    fn bout() -> (Bout, Instant) {
        let now = Instant::now();
        (Bout::new(&Rules::default(), now), now)
    }

    #[test]
    fn times_without_end_are_long_ones() {
        let rules = Rules {
            turn: Duration::MAX,
            grace: Duration::MAX,
            ..Rules::default()
        };
        let now = Instant::now();
        let mut bout = Bout::new(&rules, now);
        let year = Duration::from_secs(365 * 24 * 3_600);
        assert!(bout.left(now) > year);
        assert!(bout.leave(Side::First, now) > year);
        bout.come_back(Side::First, now);
        assert!(bout.left(now) > year);
    }

    #[test]
    fn each_pair_of_moves_has_the_outcome_of_the_game() {
        let wins = [(Rock, Scissors), (Scissors, Paper), (Paper, Rock)];
        for own in Move::ALL {
            for other in Move::ALL {
                let (mut bout, now) = bout();
                assert_eq!(bout.show(Side::First, own, now), Ok(None));
                assert_eq!(bout.show(Side::First, Rock, now), Err(Moved));
                let round = bout.show(Side::Second, other, now).unwrap().unwrap();
                let expected = match (own, other) {
                    _ if wins.contains(&(own, other)) => Outcome::Win,
                    _ if wins.contains(&(other, own)) => Outcome::Lose,
                    _ => Outcome::Draw,
                };
                assert_eq!((round.outcome, round.over), (expected, None));
            }
        }
    }

    #[test]
    fn who_does_not_move_loses_the_round_and_nobody_moving_ends_the_match() {
        let (mut bout, now) = bout();
        bout.show(Side::Second, Rock, now).unwrap();
        let end = bout.deadline();
        assert_eq!(bout.late(end - Duration::from_millis(1)), None);
        let Some(Late::Round(round)) = bout.late(end) else {
            panic!("the round is over");
        };
        assert_eq!((round.moves, round.wins), ([None, Some(Rock)], [0, 1]));
        let Some(Late::Round(round)) = bout.late(bout.deadline()) else {
            panic!("the round is over");
        };
        assert_eq!(round.over, Some((Outcome::Lose, Why::Time)));
    }

    #[test]
    fn the_time_away_is_counted_over_the_whole_match() {
        let (mut bout, now) = bout();
        let grace = Rules::default().grace;
        let second = Duration::from_secs(1);
        assert_eq!(bout.leave(Side::First, now), grace);
        let now = now + second;
        assert_eq!(bout.leave(Side::First, now), grace - second, "still away");
        bout.come_back(Side::First, now);
        assert_eq!(bout.left(now), Rules::default().turn);
        assert_eq!(bout.leave(Side::First, now), grace - second);
        bout.leave(Side::Second, now);
        let end = now + grace - second;
        assert_eq!(bout.late(end), Some(Late::Away(Outcome::Lose)));
    }

    #[test]
    fn the_clock_of_a_round_stops_while_somebody_is_away_and_goes_on_from_there() {
        let (mut bout, start) = bout();
        let [turn, grace] = [Rules::default().turn, Rules::default().grace];
        let second = Duration::from_secs(1);
        let now = start + 10 * second;
        bout.leave(Side::First, now);
        assert_eq!(bout.left(now + second), turn - 10 * second);
        bout.leave(Side::Second, now + second);
        bout.come_back(Side::First, now + 2 * second);
        assert_eq!(bout.deadline(), now + second + grace, "one is still away");
        let now = now + 3 * second;
        bout.come_back(Side::Second, now);
        assert_eq!(bout.deadline(), now + turn - 10 * second);
        // A round that begins while somebody is away is a whole one.
        bout.show(Side::Second, Rock, now).unwrap();
        bout.leave(Side::Second, now);
        bout.show(Side::First, Rock, now).unwrap().unwrap();
        assert_eq!(bout.left(now), turn);
        bout.come_back(Side::Second, now + second);
        assert_eq!(bout.deadline(), now + second + turn);
    }

    #[test]
    fn coming_and_going_gains_no_time() {
        let (mut bout, start) = bout();
        bout.show(Side::Second, Rock, start).unwrap();
        let mut now = start;
        // It is away for a moment, just before its time is up, again and again.
        let round = loop {
            match bout.late(now) {
                Some(Late::Round(round)) => break round,
                late => assert_eq!(late, None),
            }
            bout.leave(Side::First, now);
            now += Duration::from_millis(1);
            bout.come_back(Side::First, now);
            now = bout.deadline() - Duration::from_millis(1);
            bout.leave(Side::First, now);
            bout.come_back(Side::First, now);
            now += Duration::from_millis(1);
        };
        assert_eq!(round.moves, [None, Some(Rock)]);
        assert!(
            now - start <= 2 * Rules::default().turn,
            "{:?}",
            now - start
        );
    }

    #[test]
    fn a_match_that_is_always_drawn_has_an_end() {
        let (mut bout, now) = bout();
        for number in 1.. {
            bout.show(Side::First, Rock, now).unwrap();
            let round = bout.show(Side::Second, Rock, now).unwrap().unwrap();
            if round.over.is_some() {
                assert_eq!(round.over, Some((Outcome::Draw, Why::Rounds)));
                assert_eq!(number, 2 * ROUNDS_PER_WIN);
                break;
            }
        }
    }
}
