//! What came of a round.

use std::fmt;

use crate::blackjack::cards::Chips;

/// What came of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The round.
    pub round: u64,
    /// How it ended.
    pub kind: Kind,
    /// Who did not reveal a nonce, so that the round was void.
    pub late: Vec<String>,
    /// How many players took part, cards were dealt and hands were paid.
    pub counts: [usize; 3],
    /// What is wrong; nothing, if the round was fair.
    pub problems: Vec<Problem>,
}

impl Verdict {
    /// Whether it was dealt, paid, and proved: a round that was void or is not over
    /// proves nothing.
    pub fn is_fair(&self) -> bool {
        self.kind == Kind::Dealt && self.problems.is_empty()
    }
}

/// How a round ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was dealt and paid.
    Dealt,
    /// It was void, because a nonce was not revealed.
    Void,
    /// Its end is not in the transcript.
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
    /// Something of one's own is not what was sent.
    Own(String),
    /// The own nonce was sent before the commitment came.
    Early(String),
    /// What was sent was not done; the server says that it came too late.
    Late(String),
    /// A line is out of place. It is their order that makes the cards fair.
    Order {
        /// The line.
        line: String,
        /// Why it cannot stand there.
        why: &'static str,
    },
    /// A line was another one when it was told before.
    Retold {
        /// What it was.
        before: String,
        /// What it is now.
        now: String,
    },
    /// There are fewer chips than the bets and payments make.
    Balance {
        /// How many there must be.
        expected: Chips,
        /// How many the server says there are.
        told: Chips,
    },
    /// A line is not what the shoe and the rules make it.
    Line {
        /// What it must be; nothing for a line too many.
        expected: String,
        /// What it is; nothing for one that is missing.
        found: String,
    },
    /// Somebody did what the rules do not allow.
    Act(String),
    /// The lines before the deal make no round.
    Senseless,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Commitment => {
                f.write_str("the seed does not have the hash that was published before the bets")
            }
            Problem::NonceHash(name) => write!(
                f,
                "the nonce of {name} does not have the hash that came with the bet"
            ),
            Problem::Hidden(name) => write!(f, "the nonce of {name} was not revealed"),
            Problem::Own(line) => write!(f, "{line}   is not what you sent"),
            Problem::Early(line) => write!(
                f,
                "{line}   you sent this before the commitment came, so the server could choose \
                 its seed to fit"
            ),
            Problem::Late(word) => write!(
                f,
                "you sent {word}, and it was not done; the server says that it came too late"
            ),
            Problem::Order { line, why } => write!(f, "{line}   {why}"),
            Problem::Retold { before, now } => write!(f, "{now}   was told before as   {before}"),
            Problem::Balance { expected, told } => write!(
                f,
                "you have {told} chips, and must have {expected} after these bets and payments"
            ),
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
