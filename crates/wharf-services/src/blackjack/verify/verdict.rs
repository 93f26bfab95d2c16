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
    /// What an honest server may have caused as well as one that cheats; nothing, if the
    /// round was fair.
    pub doubts: Vec<Doubt>,
}

impl Verdict {
    /// Whether it was dealt, paid, and proved: a round that was void or is not over
    /// proves nothing.
    pub fn is_fair(&self) -> bool {
        self.kind == Kind::Dealt && self.problems.is_empty() && self.doubts.is_empty()
    }

    /// Whether nothing is wrong, and yet the transcript does not show that all is right.
    pub fn is_undecided(&self) -> bool {
        self.problems.is_empty() && !self.doubts.is_empty()
    }
}

impl Verdict {
    /// On what came after a round that began, and before another one.
    pub(super) fn unfinished(round: u64) -> Self {
        Verdict {
            round,
            kind: Kind::Unfinished,
            late: Vec::new(),
            counts: [0; 3],
            problems: Vec::new(),
            doubts: Vec::new(),
        }
    }

    pub(super) fn add_all(&mut self, findings: Findings) {
        for problem in findings.problems {
            push(&mut self.problems, problem);
        }
        for doubt in findings.doubts {
            push(&mut self.doubts, doubt);
        }
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

/// Something that cannot be decided: it happens where lines cross on their way, and a
/// server could pretend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The own nonce was said in the clear before the commitment came, also if it was
    /// refused then.
    Early(String),
    /// What was sent was not done; the server says that it came too late.
    Late(String),
    /// Something of one's own was done while one was away, and was not asked for in this
    /// transcript: it is in another one, or somebody else has the key.
    Elsewhere(String),
    /// One had a bet in a round whose end is not in the transcript.
    Cut,
    /// The connection ends where the balance after the round must be told.
    Unpaid,
    /// One came back and is welcomed with fewer chips than one had: the server was started
    /// anew, something was done in between, or it keeps them.
    Fewer {
        /// How many one had.
        expected: Chips,
        /// How many the server says there are.
        told: Chips,
    },
    /// More requests were once not answered than are remembered.
    Flood,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Early(line) => write!(
                f,
                "{line}   you sent this nonce before the commitment came, so the server could \
                 choose its seed to fit"
            ),
            Doubt::Late(word) => write!(
                f,
                "you sent {word}, and it was not done; the server says that it came too late"
            ),
            Doubt::Elsewhere(line) => {
                write!(
                    f,
                    "{line}   is told as yours, and not said in this transcript"
                )
            }
            Doubt::Cut => {
                f.write_str("your bet is in it, and its end is missing, so its seed is not known")
            }
            Doubt::Unpaid => f.write_str("what you have after it is not told"),
            Doubt::Fewer { expected, told } => write!(
                f,
                "you had {expected} chips, and are welcomed with {told}; the server was started \
                 anew, something was done in between, or it keeps them"
            ),
            Doubt::Flood => f.write_str(
                "more of what you sent was once unanswered than is remembered, so that from \
                 there on it is not known what was answered",
            ),
        }
    }
}

/// What is found in a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    Problem(Problem),
    Doubt(Doubt),
}

impl From<Problem> for Finding {
    fn from(problem: Problem) -> Self {
        Finding::Problem(problem)
    }
}

impl From<Doubt> for Finding {
    fn from(doubt: Doubt) -> Self {
        Finding::Doubt(doubt)
    }
}

/// A few findings; the first of each kind say it all.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    pub(super) problems: Vec<Problem>,
    pub(super) doubts: Vec<Doubt>,
}

/// How many problems, and how many doubts, are told at most.
const MAX_TOLD: usize = 8;

impl Findings {
    pub(super) fn add(&mut self, finding: impl Into<Finding>) {
        match finding.into() {
            Finding::Problem(problem) => push(&mut self.problems, problem),
            Finding::Doubt(doubt) => push(&mut self.doubts, doubt),
        }
    }

    pub(super) fn add_all(&mut self, other: Findings) {
        for problem in other.problems {
            self.add(problem);
        }
        for doubt in other.doubts {
            self.add(doubt);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty() && self.doubts.is_empty()
    }
}

impl FromIterator<Finding> for Findings {
    fn from_iter<T: IntoIterator<Item = Finding>>(all: T) -> Self {
        let mut findings = Findings::default();
        all.into_iter().for_each(|finding| findings.add(finding));
        findings
    }
}

fn push<T: PartialEq>(told: &mut Vec<T>, item: T) {
    if told.len() < MAX_TOLD && !told.contains(&item) {
        told.push(item);
    }
}
