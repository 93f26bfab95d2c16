//! Deals a round again from what was said, and compares.
//!
//! ```text
//!   BETS, BET, NONCE ──▶ seed and nonces ──▶ shoe ──▶ deal ──▶ the lines as they must be
//!   ACT … ─────────────────────────────────────────────▲          │ compared
//!   DEAL, CARD, HOLE, PAY ──────────────────────────────────────── ▼
//! ```

use std::fmt;

use super::cards::Chips;
use super::fair::{Share, hash_of, shoe};
use super::grammar::{Nonce, Reply, Request};
use super::round::{Action, Round, most_hands};
use super::rules::{MAX_DECKS, SEATS};
use super::table::narrate;

/// The most lines of one round that are kept: more than a full table can cause.
const MAX_LINES: usize = 4_096;

/// How many bets of one round are remembered; all but one of them are refused.
const MAX_SAID: usize = 16;

/// How many differences are told at most; the first says it all.
const MAX_PROBLEMS: usize = 8;

/// Reads a transcript line by line, and judges each round at its end.
///
/// ```
/// use wharf_services::blackjack::Verifier;
///
/// let mut verifier = Verifier::default();
/// assert!(verifier.hear("BLACKJACK 1 6 500 -- hello").is_none());
/// assert!(verifier.finish().is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Verifier {
    name: Option<String>,
    /// The own bets and nonces of this round, as they were sent.
    said: Vec<(u32, String)>,
    /// The own bet of this round, as the table told it first.
    told: Option<(Chips, String)>,
    open: Option<Open>,
}

/// What came of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The round.
    pub round: u64,
    /// How it ended.
    pub kind: Kind,
    /// How many players took part, cards were dealt and hands were paid.
    pub counts: [usize; 3],
    /// What is wrong; nothing, if the round was fair.
    pub problems: Vec<Problem>,
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was dealt and paid.
    Dealt,
    /// It was void, because a nonce was not revealed.
    Void,
    /// The transcript ends before it.
    Unfinished,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The seed does not have the hash that was published before the bets.
    Commitment,
    /// A nonce does not have the hash that came with the bet of this player.
    NonceHash(String),
    /// A nonce of this player was not revealed, and the round was played.
    Hidden(String),
    /// The own bet or nonce is not what was sent.
    Own,
    /// A line is not what the shoe and the rules make it.
    Line {
        /// What it must be; nothing for a line too many.
        expected: String,
        /// What it is; nothing for one that is missing.
        found: String,
    },
    /// Somebody did what the rules do not allow.
    Act(String),
    /// The transcript makes no sense here.
    Senseless,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Commitment => {
                f.write_str("the seed does not have the hash that was published before the bets")
            }
            Problem::NonceHash(name) => {
                write!(
                    f,
                    "the nonce of {name} does not have the hash that came with the bet"
                )
            }
            Problem::Hidden(name) => write!(f, "the nonce of {name} was not revealed"),
            Problem::Own => f.write_str("your bet or nonce is not what you sent"),
            Problem::Line { expected, found } if found.is_empty() => {
                write!(f, "missing: {expected}")
            }
            Problem::Line { expected, found } if expected.is_empty() => {
                write!(f, "too much: {found}")
            }
            Problem::Line { expected, found } => write!(f, "{found}   must be   {expected}"),
            Problem::Act(line) => write!(f, "the rules do not allow: {line}"),
            Problem::Senseless => f.write_str("the lines before the deal make no sense"),
        }
    }
}

/// A round that has begun.
#[derive(Clone, Debug)]
struct Open {
    round: u64,
    decks: u32,
    commitment: String,
    bets: Vec<Bet>,
    /// What was dealt, done and paid, without the words for people.
    lines: Vec<String>,
    actions: Vec<Action>,
    seed: Option<String>,
    void: bool,
    problems: Vec<Problem>,
}

#[derive(Clone, Debug)]
struct Bet {
    seat: usize,
    name: String,
    stake: Chips,
    nonce: String,
    hash: Option<String>,
}

impl Verifier {
    /// Takes a line of the client, given without its end.
    pub fn say(&mut self, line: &str) {
        if let Some(Request::Bet(chips, nonce)) = Request::parse(line)
            && self.said.len() < MAX_SAID
        {
            self.said.push((chips, nonce.to_string()));
        }
    }

    /// Takes a line of the server, given without its end; gives a verdict at the end
    /// of a round.
    pub fn hear(&mut self, line: &str) -> Option<Verdict> {
        let reply = Reply::parse(line)?;
        match reply {
            Reply::Welcome { name, .. } => {
                self.name = Some(name.to_owned());
                self.said.clear();
            }
            // The seat is given up: what comes next is of another table.
            Reply::Idle => {
                self.told = None;
                self.open = None;
            }
            Reply::Bets {
                round,
                decks,
                commitment,
            } => self.begin(round, decks, commitment),
            Reply::No(_) => {}
            Reply::End(round) => {
                self.said.clear();
                self.told = None;
                let open = self.open.take().filter(|open| open.round == round)?;
                return Some(open.judge());
            }
            _ => {
                if let Some(mut open) = self.open.take() {
                    self.note(&mut open, &reply);
                    self.open = Some(open);
                }
            }
        }
        None
    }

    /// The verdict on a round that was not over at the end of the transcript.
    pub fn finish(self) -> Option<Verdict> {
        let open = self.open.filter(|open| !open.bets.is_empty())?;
        Some(Verdict {
            round: open.round,
            kind: Kind::Unfinished,
            counts: [open.bets.len(), 0, 0],
            problems: Vec::new(),
        })
    }

    fn begin(&mut self, round: u64, decks: u32, commitment: &str) {
        // Told again in the middle of a round, everything else is told again too; but
        // another commitment for it would be a seed that was changed.
        let mut problems = Vec::new();
        if let Some(open) = &self.open
            && open.round == round
            && open.commitment != commitment
            && !open.bets.is_empty()
        {
            problems.push(Problem::Commitment);
        }
        self.open = Some(Open {
            round,
            decks,
            commitment: commitment.to_owned(),
            bets: Vec::new(),
            lines: Vec::new(),
            actions: Vec::new(),
            seed: None,
            void: false,
            problems,
        });
    }

    fn note(&mut self, open: &mut Open, reply: &Reply<'_>) {
        match *reply {
            Reply::Bet {
                seat,
                name,
                chips,
                nonce,
            } if open.bets.len() < SEATS => {
                if self.name.as_deref() == Some(name) {
                    self.check_own(open, chips, nonce.to_string());
                }
                let (nonce, hash) = match nonce {
                    Nonce::Hashed(hash) => ("", Some(hash.to_owned())),
                    Nonce::Open(nonce) => (nonce, None),
                    Nonce::None => ("-", None),
                };
                open.bets.push(Bet {
                    seat,
                    name: name.to_owned(),
                    stake: chips,
                    nonce: nonce.to_owned(),
                    hash,
                });
            }
            Reply::Nonce { name, nonce, .. } => open.reveal(name, nonce),
            Reply::Void { .. } => open.void = true,
            Reply::Seed(seed) => open.seed = Some(seed.to_owned()),
            Reply::Deal { .. }
            | Reply::Card { .. }
            | Reply::Act { .. }
            | Reply::Hole(_)
            | Reply::Pay { .. } => open.keep(reply),
            _ => {}
        }
    }
}

impl Verifier {
    /// The own bet is one that was sent – the others were refused – or, when it is told
    /// again or was placed on another connection, what it was the first time.
    fn check_own(&mut self, open: &mut Open, chips: Chips, nonce: String) {
        let bet = (chips, nonce);
        let is_bet = |said: &(u32, String)| (Chips::whole(said.0), &said.1) == (bet.0, &bet.1);
        let right = match &self.told {
            Some(told) => *told == bet,
            None => self.said.is_empty() || self.said.iter().any(is_bet),
        };
        if !right {
            open.problems.push(Problem::Own);
        }
        self.told.get_or_insert(bet);
    }
}

impl Open {
    fn reveal(&mut self, name: &str, nonce: &str) {
        let mut bets = self.bets.iter_mut();
        let Some(bet) = bets.find(|bet| bet.name == name) else {
            return self.problems.push(Problem::Senseless);
        };
        if bet.hash.take().is_none_or(|hash| hash != hash_of(nonce)) {
            self.problems.push(Problem::NonceHash(name.to_owned()));
        }
        nonce.clone_into(&mut bet.nonce);
    }

    fn keep(&mut self, reply: &Reply<'_>) {
        if self.lines.len() == MAX_LINES {
            return;
        }
        let line = reply.to_string();
        let fields = line.split(" -- ").next().unwrap_or_default();
        self.lines.push(fields.to_owned());
        if let Reply::Act { action, .. } = reply {
            self.actions.push(*action);
        }
    }

    fn judge(mut self) -> Verdict {
        self.bets.sort_by_key(|bet| bet.seat);
        let seed = self.seed.take().unwrap_or_default();
        if hash_of(&seed) != self.commitment {
            self.problems.push(Problem::Commitment);
        }
        let kind = if self.void { Kind::Void } else { Kind::Dealt };
        if !self.void {
            self.deal_again(&seed);
        }
        self.problems.truncate(MAX_PROBLEMS);
        let begin_with = |code: &str| {
            let lines = self.lines.iter();
            lines.filter(|line| line.starts_with(code)).count()
        };
        // The dealer's second card is told twice, hidden and open.
        let counts = [self.bets.len(), begin_with("CARD "), begin_with("PAY ")];
        Verdict {
            round: self.round,
            kind,
            counts,
            problems: self.problems,
        }
    }

    fn deal_again(&mut self, seed: &str) {
        for bet in &self.bets {
            if bet.hash.is_some() {
                self.problems.push(Problem::Hidden(bet.name.clone()));
            }
        }
        if self.bets.is_empty() || !(1..=MAX_DECKS).contains(&self.decks) {
            return self.problems.push(Problem::Senseless);
        }
        let shares = self.bets.iter().map(|bet| Share {
            seat: bet.seat,
            name: &bet.name,
            nonce: &bet.nonce,
        });
        let cards = shoe(seed, shares, self.decks);
        let stakes = self.bets.iter().map(|bet| bet.stake);
        let mut seen = Vec::new();
        let mut round = Round::deal(cards, stakes, most_hands(self.decks), &mut seen);
        let mut refused = false;
        for action in &self.actions {
            refused |= round.act(*action, &mut seen).is_err();
        }
        let names: Vec<String> = self.bets.iter().map(|bet| bet.name.clone()).collect();
        let deal = Reply::Deal {
            round: self.round,
            players: names.len(),
        };
        let events = seen.iter().map(|event| narrate(event, &names));
        let expected: Vec<String> = std::iter::once(deal)
            .chain(events)
            .map(|reply| reply.to_string())
            .collect();
        self.compare(&expected);
        if refused && self.problems.is_empty() {
            let last = self.lines.last().cloned().unwrap_or_default();
            self.problems.push(Problem::Act(last));
        }
    }

    fn compare(&mut self, expected: &[String]) {
        let fields = |line: &String| line.split(" -- ").next().unwrap_or_default().to_owned();
        for index in 0..expected.len().max(self.lines.len()) {
            let expected = expected.get(index).map(fields).unwrap_or_default();
            let found = self.lines.get(index).cloned().unwrap_or_default();
            if expected != found {
                self.problems.push(Problem::Line { expected, found });
            }
        }
    }
}
