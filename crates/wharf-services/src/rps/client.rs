//! The player's side: what a client knows from what the referee said. No I/O.
//!
//! ```text
//!   lines of the referee ──▶ Client ──▶ what to draw, and which requests make sense
//! ```
//! Nothing that others wrote is kept as it came: names are checked, and the words
//! for people are left to whoever draws.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::grammar::{Move, No, Outcome, Reply, Why};
use crate::games::{after, is_name};

/// How many rounds a client remembers: as many as a tall terminal shows.
const MAX_LOG: usize = 64;

/// What a client knows of the game.
///
/// ```
/// use tokio::time::Instant;
/// use wharf_services::rps::{Client, Phase};
///
/// let mut client = Client::default();
/// client.receive("RPS 1 3 -- hello", Instant::now()).unwrap();
/// assert_eq!((client.phase, client.best_of), (Phase::Stranger, 3));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// What is expected next.
    pub phase: Phase,
    /// The own name, once logged in.
    pub name: Option<String>,
    /// The key that proves it.
    pub key: Option<String>,
    /// The opponent of the match that is going on, or of the last one.
    pub other: Option<String>,
    /// How many rounds a match has at most that are not drawn.
    pub best_of: u32,
    /// The round that is being played; 0 until the first one begins.
    pub round: u32,
    /// Rounds won in this match, the own first.
    pub wins: [u32; 2],
    /// When the time is up for what is waited for.
    pub until: Option<Instant>,
    /// Whether the opponent's move is in.
    pub other_is_ready: bool,
    /// Until when the opponent may be away, if it is.
    pub other_away: Option<Instant>,
    /// The rounds of this match, the last one at the end.
    pub log: VecDeque<Log>,
    /// Matches won, lost and drawn since the login.
    pub matches: [u64; 3],
    /// Who asked for a match and was not answered yet.
    pub invitation: Option<String>,
    /// The table of scores that was asked for last: name, won, lost, drawn.
    pub table: Vec<(String, [u64; 3])>,
    /// Why the last request was not done.
    pub refused: Option<No>,
}

/// What is expected next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// A name.
    #[default]
    Stranger,
    /// Asking for a match.
    Idle,
    /// An opponent.
    Waiting,
    /// The own move.
    Move,
    /// The opponent's move; this is the own.
    Moved(Move),
    /// Asking for another match.
    Over(Outcome, Why),
    /// Nothing: the referee said goodbye.
    Gone,
}

/// A round that was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Log {
    /// Its number.
    pub number: u32,
    /// The moves, the own first; `None` for one that did not come.
    pub moves: [Option<Move>; 2],
    /// How it ended.
    pub outcome: Outcome,
}

/// A line that no referee says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUnderstood;

impl Client {
    /// Takes a line of the referee, given without its end.
    ///
    /// # Errors
    /// A line that no referee says changes nothing.
    pub fn receive<'a>(&mut self, line: &'a str, now: Instant) -> Result<Reply<'a>, NotUnderstood> {
        let reply = Reply::parse(line).filter(has_good_names);
        let reply = reply.ok_or(NotUnderstood)?;
        self.refused = None;
        self.take(reply, now);
        Ok(reply)
    }

    fn take(&mut self, reply: Reply<'_>, now: Instant) {
        match reply {
            Reply::Greeting { best_of } => self.best_of = best_of,
            Reply::Welcome { name, key } => {
                self.name = Some(name.to_owned());
                self.key = Some(key.to_owned());
                if self.phase == Phase::Stranger {
                    self.phase = Phase::Idle;
                }
            }
            Reply::Waiting { seconds, name } => {
                self.phase = Phase::Waiting;
                self.other = name.map(str::to_owned);
                self.until = Some(after(now, Duration::from_secs(seconds)));
            }
            Reply::Invite { name, .. } => self.invitation = Some(name.to_owned()),
            Reply::Match { other, best_of, .. } => self.begin(other, best_of),
            Reply::Round {
                number,
                seconds,
                wins,
            } => {
                // A round that is told again, when the other comes back, keeps what is in.
                if self.round != number || !self.is_playing() {
                    self.phase = Phase::Move;
                    self.other_is_ready = false;
                }
                self.round = number;
                self.wins = wins;
                self.until = Some(after(now, Duration::from_secs(seconds)));
            }
            Reply::Moved(shown) => self.phase = Phase::Moved(shown),
            Reply::Ready(_) => self.other_is_ready = true,
            Reply::Result {
                number,
                moves,
                outcome,
                wins,
            } => self.end_round(number, moves, outcome, wins),
            Reply::Over { why, outcome, wins } => self.end(why, outcome, wins),
            Reply::Away { seconds, .. } => {
                self.other_away = Some(after(now, Duration::from_secs(seconds)));
            }
            Reply::Back(_) => self.other_away = None,
            Reply::Idle => self.rest(),
            Reply::Top(_) => self.table.clear(),
            Reply::Score { name, matches, .. } => {
                if self.table.len() < crate::games::MAX_ROWS {
                    self.table.push((name.to_owned(), matches));
                }
            }
            Reply::Help(_) => {}
            Reply::No(no) => {
                self.refused = Some(no);
                if matches!(no, No::NoMatch | No::Nobody) && self.phase == Phase::Waiting {
                    self.rest();
                }
            }
            Reply::Bye => self.phase = Phase::Gone,
        }
    }

    fn begin(&mut self, other: &str, best_of: u32) {
        // Told again in the middle of a match, it keeps what was played.
        if !matches!(self.phase, Phase::Move | Phase::Moved(_)) {
            self.log.clear();
            self.wins = [0; 2];
        }
        self.phase = Phase::Move;
        self.other_is_ready = false;
        self.round = 0;
        self.other = Some(other.to_owned());
        self.best_of = best_of;
        self.other_away = None;
        self.invitation = None;
    }

    fn end_round(
        &mut self,
        number: u32,
        moves: [Option<Move>; 2],
        outcome: Outcome,
        wins: [u32; 2],
    ) {
        self.wins = wins;
        if self.log.len() == MAX_LOG {
            self.log.pop_front();
        }
        self.log.push_back(Log {
            number,
            moves,
            outcome,
        });
    }

    fn end(&mut self, why: Why, outcome: Outcome, wins: [u32; 2]) {
        self.phase = Phase::Over(outcome, why);
        self.wins = wins;
        self.until = None;
        self.other_away = None;
        let row = match outcome {
            Outcome::Win => 0,
            Outcome::Lose => 1,
            Outcome::Draw => 2,
        };
        self.matches[row] += 1;
    }

    fn rest(&mut self) {
        self.phase = Phase::Idle;
        self.until = None;
        self.other = None;
    }

    /// Whether a match is going on.
    pub fn is_playing(&self) -> bool {
        matches!(self.phase, Phase::Move | Phase::Moved(_))
    }
}

/// Whether the names in a reply are names: a server could write anything there.
fn has_good_names(reply: &Reply<'_>) -> bool {
    match *reply {
        Reply::Welcome { name, key } => is_name(name) && crate::games::is_key(key),
        Reply::Waiting { name, .. } => name.is_none_or(is_name),
        Reply::Match { own, other, .. } => is_name(own) && is_name(other),
        Reply::Invite { name, .. }
        | Reply::Ready(name)
        | Reply::Away { name, .. }
        | Reply::Back(name)
        | Reply::Score { name, .. } => is_name(name),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_as_a_player_sees_it() {
        let mut client = Client::default();
        let mut hear = |line: &str| {
            client.receive(line, Instant::now()).unwrap();
            client.clone()
        };
        assert_eq!(hear("RPS 1 3").phase, Phase::Stranger);
        assert_eq!(hear("WELCOME ann k").phase, Phase::Idle);
        assert_eq!(hear("WAITING 300").phase, Phase::Waiting);
        hear("MATCH ann ben 3");
        assert_eq!(hear("ROUND 1 30 0 0").phase, Phase::Move);
        assert_eq!(hear("MOVED ROCK").phase, Phase::Moved(Move::Rock));
        let after = hear("RESULT 1 ROCK SCISSORS WIN 1 0");
        assert_eq!((after.wins, after.log.len()), ([1, 0], 1));
        assert_eq!(hear("ROUND 2 30 1 0").phase, Phase::Move);
        assert!(hear("READY ben").other_is_ready);
        assert!(hear("AWAY ben 30").other_away.is_some());
        let over = hear("OVER AWAY WIN 1 0");
        assert_eq!(over.phase, Phase::Over(Outcome::Win, Why::Away));
        assert_eq!(over.matches, [1, 0, 0]);
        hear("MATCH ann carl 3");
        assert!(hear("ROUND 1 30 0 0").log.is_empty());
    }

    #[test]
    fn a_time_that_no_clock_can_show_is_a_long_one() {
        let mut client = Client::default();
        let now = Instant::now();
        let longest = u64::MAX;
        for line in [
            format!("WAITING {longest}"),
            "MATCH ann ben 3".to_owned(),
            format!("ROUND 1 {longest} 0 0"),
            format!("AWAY ben {longest}"),
        ] {
            client.receive(&line, now).unwrap();
            let year = Duration::from_secs(365 * 24 * 3_600);
            let end = client.other_away.or(client.until);
            assert!(end.is_none_or(|end| end > now + year), "{line}");
        }
        assert!(client.until.is_some() && client.other_away.is_some());
    }

    #[test]
    fn a_move_that_is_in_stays_in_when_the_other_comes_back() {
        let mut client = Client::default();
        let mut hear = |line: &str| {
            client.receive(line, Instant::now()).unwrap();
            client.clone()
        };
        for line in ["MATCH ann ben 3", "ROUND 1 30 0 0", "READY ben"] {
            hear(line);
        }
        hear("AWAY ben 30");
        hear("BACK ben");
        assert!(hear("ROUND 1 30 0 0").other_is_ready);
        hear("MOVED ROCK");
        let again = hear("ROUND 1 12 0 0");
        assert_eq!(again.phase, Phase::Moved(Move::Rock));
        // The state told from the start is the state.
        hear("MATCH ann ben 3");
        let again = hear("ROUND 1 11 0 0");
        assert_eq!((again.phase, again.other_is_ready), (Phase::Move, false));
    }

    #[test]
    fn what_no_referee_says_changes_nothing() {
        let mut client = Client::default();
        for line in [
            "",
            "HTTP/1.1 400",
            "WELCOME a\u{1b}[2J k",
            "MATCH ann \u{202e}b 3",
        ] {
            assert_eq!(client.receive(line, Instant::now()), Err(NotUnderstood));
        }
        assert_eq!(client.phase, Phase::Stranger);
    }
}
