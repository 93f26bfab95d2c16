//! The language of the referee: one line is one message. Both sides, no I/O.
//!
//! What is written by one side parses back on the other: [`Request`] is what clients
//! write and servers read, [`Reply`] the other way round.

use std::fmt;

use crate::games::{Counted, Fields, refusals};

/// What a player shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// It blunts scissors.
    Rock,
    /// It wraps rock.
    Paper,
    /// They cut paper.
    Scissors,
}

impl Move {
    /// All three, in the order of their names.
    pub const ALL: [Move; 3] = [Move::Rock, Move::Paper, Move::Scissors];

    /// Whether this wins against `other`.
    ///
    /// ```
    /// use wharf_services::rps::Move;
    ///
    /// assert!(Move::Paper.beats(Move::Rock) && !Move::Rock.beats(Move::Rock));
    /// ```
    pub fn beats(self, other: Move) -> bool {
        matches!(
            (self, other),
            (Move::Rock, Move::Scissors)
                | (Move::Scissors, Move::Paper)
                | (Move::Paper, Move::Rock)
        )
    }

    /// What it does to what it wins against: `beats`, or `beat`, since scissors are more
    /// than one.
    pub fn verb(self) -> &'static str {
        match self {
            Move::Rock | Move::Paper => "beats",
            Move::Scissors => "beat",
        }
    }

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Move::Rock => "ROCK",
            Move::Paper => "PAPER",
            Move::Scissors => "SCISSORS",
        }
    }

    fn read(word: &str) -> Option<Move> {
        let all = Move::ALL.into_iter();
        let fits = |shown: &Move| {
            word.eq_ignore_ascii_case(shown.word()) || word.eq_ignore_ascii_case(&shown.word()[..1])
        };
        let mut all = all.filter(fits);
        all.next()
    }
}

/// One message of a client.
///
/// ```
/// use wharf_services::rps::{Move, Request};
///
/// assert_eq!(Request::parse("rock"), Some(Request::Move(Move::Rock)));
/// assert_eq!(Request::parse("PLAY ben"), Some(Request::Play(Some("ben"))));
/// assert_eq!(Request::parse("PLAY a b"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// `HELLO <name> [<key>]`: logs in.
    Hello(&'a str, Option<&'a str>),
    /// `PLAY [<name>]`: asks for a match, with the next who does or with somebody.
    Play(Option<&'a str>),
    /// `ROCK`, `PAPER`, `SCISSORS`, or the first letter.
    Move(Move),
    /// `LEAVE`: waits no more, or gives the match up.
    Leave,
    /// `TOP`: asks for the table of scores.
    Top,
    /// `AGAIN`: asks how things stand.
    Again,
    /// `HELP`: asks what can be said.
    Help,
    /// `BYE`: ends the connection.
    Bye,
}

impl<'a> Request<'a> {
    /// Reads a line, given without its end; `None` for what is no request.
    pub fn parse(line: &'a str) -> Option<Request<'a>> {
        let mut fields = Fields::of(line);
        let verb = fields.next()?;
        let is = |word: &str| verb.eq_ignore_ascii_case(word);
        let request = if is("HELLO") {
            Request::Hello(fields.next()?, fields.next())
        } else if is("PLAY") {
            Request::Play(fields.next())
        } else if is("LEAVE") {
            Request::Leave
        } else if is("TOP") {
            Request::Top
        } else if is("AGAIN") {
            Request::Again
        } else if is("HELP") {
            Request::Help
        } else if is("BYE") || is("QUIT") {
            Request::Bye
        } else {
            Request::Move(Move::read(verb)?)
        };
        fields.end(request)
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Hello(name, None) => write!(f, "HELLO {name}"),
            Request::Hello(name, Some(key)) => write!(f, "HELLO {name} {key}"),
            Request::Play(None) => f.write_str("PLAY"),
            Request::Play(Some(name)) => write!(f, "PLAY {name}"),
            Request::Move(shown) => f.write_str(shown.word()),
            Request::Leave => f.write_str("LEAVE"),
            Request::Top => f.write_str("TOP"),
            Request::Again => f.write_str("AGAIN"),
            Request::Help => f.write_str("HELP"),
            Request::Bye => f.write_str("BYE"),
        }
    }
}

/// How a round or a match ended for one player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Won.
    Win,
    /// Lost.
    Lose,
    /// Nobody won.
    Draw,
}

impl Outcome {
    /// The same, seen by the other player.
    pub fn reversed(self) -> Outcome {
        match self {
            Outcome::Win => Outcome::Lose,
            Outcome::Lose => Outcome::Win,
            Outcome::Draw => Outcome::Draw,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Outcome::Win => "WIN",
            Outcome::Lose => "LOSE",
            Outcome::Draw => "DRAW",
        }
    }

    fn read(word: &str) -> Option<Outcome> {
        let mut all = [Outcome::Win, Outcome::Lose, Outcome::Draw].into_iter();
        all.find(|outcome| outcome.word() == word)
    }
}

/// Why a match ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Somebody won as many rounds as it takes.
    Score,
    /// Somebody left.
    Left,
    /// Somebody was away for too long.
    Away,
    /// Nobody moved in time.
    Time,
    /// It had as many rounds as a match can have.
    Rounds,
}

impl Why {
    const ALL: [Why; 5] = [Why::Score, Why::Left, Why::Away, Why::Time, Why::Rounds];

    fn word(self) -> &'static str {
        match self {
            Why::Score => "SCORE",
            Why::Left => "LEFT",
            Why::Away => "AWAY",
            Why::Time => "TIME",
            Why::Rounds => "ROUNDS",
        }
    }

    fn for_people(self) -> &'static str {
        match self {
            Why::Score => "",
            Why::Left => ", because one of you left",
            Why::Away => ", because one of you was away for too long",
            Why::Time => ", because nobody moved in time",
            Why::Rounds => ", because it had as many rounds as a match can have",
        }
    }
}

refusals! {
    /// The move of this round is in already.
    Moved = "MOVED", "your move of this round is in, and stays as it is";
    /// Nobody of that name is here.
    Nobody = "NOBODY", "nobody else of that name is here";
    /// The one that was asked for is in a match.
    Busy = "BUSY", "that player is in a match; try again later";
    /// Nobody came to play in time.
    NoMatch = "NO-MATCH", "nobody came; PLAY asks again, PLAY house plays at once";
}

/// One message of the referee.
///
/// ```
/// use wharf_services::rps::{Outcome, Reply};
///
/// let over = Reply::parse("OVER LEFT WIN 1 0 -- you win the match").unwrap();
/// assert!(matches!(over, Reply::Over { outcome: Outcome::Win, wins: [1, 0], .. }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// `RPS 1 <best-of>`: the greeting of a stream.
    Greeting {
        /// How many rounds a match has at most that are not drawn.
        best_of: u32,
    },
    /// `WELCOME <name> <key>`: logged in; the key proves the name later.
    Welcome {
        /// The name.
        name: &'a str,
        /// The key.
        key: &'a str,
    },
    /// `WAITING <seconds> [<name>]`: for an opponent.
    Waiting {
        /// For how long.
        seconds: u64,
        /// For whom, if it is not for anybody.
        name: Option<&'a str>,
    },
    /// `INVITE <name> <seconds>`: somebody asks for a match.
    Invite {
        /// Who.
        name: &'a str,
        /// For how long.
        seconds: u64,
    },
    /// `MATCH <own name> <other name> <best-of>`: a match begins, or goes on.
    Match {
        /// The own name.
        own: &'a str,
        /// The opponent's.
        other: &'a str,
        /// How many rounds it has at most that are not drawn.
        best_of: u32,
    },
    /// `ROUND <number> <seconds> <own wins> <other wins>`: a move is expected.
    Round {
        /// The number, from 1.
        number: u32,
        /// The time for it.
        seconds: u64,
        /// Rounds won so far, the own first.
        wins: [u32; 2],
    },
    /// `MOVED <move>`: the own move is in.
    Moved(Move),
    /// `READY <name>`: the opponent's move is in, and secret.
    Ready(&'a str),
    /// `RESULT <number> <own move> <other move> <outcome> <own wins> <other wins>`;
    /// a move that did not come is `-`.
    Result {
        /// The round.
        number: u32,
        /// The moves, the own first.
        moves: [Option<Move>; 2],
        /// How it ended.
        outcome: Outcome,
        /// Rounds won so far, the own first.
        wins: [u32; 2],
    },
    /// `OVER <why> <outcome> <own wins> <other wins>`: the match is over.
    Over {
        /// Why.
        why: Why,
        /// How it ended.
        outcome: Outcome,
        /// Rounds won, the own first.
        wins: [u32; 2],
    },
    /// `AWAY <name> <seconds>`: the opponent's connection is gone; it may come back.
    Away {
        /// Who.
        name: &'a str,
        /// For how long it may be away.
        seconds: u64,
    },
    /// `BACK <name>`: the opponent is back.
    Back(&'a str),
    /// `IDLE`: no match, and waiting for none.
    Idle,
    /// `TOP <rows>`: the table of scores follows.
    Top(usize),
    /// `SCORE <rank> <name> <wins> <losses> <draws>`: one row of it.
    Score {
        /// The rank, from 1.
        rank: usize,
        /// Whose.
        name: &'a str,
        /// Matches won, lost and drawn.
        matches: [u64; 3],
    },
    /// `HELP`, with words for people only.
    Help(&'a str),
    /// `NO <reason>`: it was not done.
    No(No),
    /// `BYE`: the connection ends.
    Bye,
}

impl<'a> Reply<'a> {
    /// Reads a line, given without its end; `None` for what no referee says.
    pub fn parse(line: &'a str) -> Option<Reply<'a>> {
        let mut fields = Fields::of(line);
        let code = fields.next()?;
        let reply = match code {
            "RPS" => {
                let _version: u32 = fields.read()?;
                let best_of = fields.read()?;
                Reply::Greeting { best_of }
            }
            "WELCOME" => Reply::Welcome {
                name: fields.next()?,
                key: fields.next()?,
            },
            "WAITING" => Reply::Waiting {
                seconds: fields.read()?,
                name: fields.next(),
            },
            "INVITE" => Reply::Invite {
                name: fields.next()?,
                seconds: fields.read()?,
            },
            "MATCH" => Reply::Match {
                own: fields.next()?,
                other: fields.next()?,
                best_of: fields.read()?,
            },
            "ROUND" => Reply::Round {
                number: fields.read()?,
                seconds: fields.read()?,
                wins: [fields.read()?, fields.read()?],
            },
            "MOVED" => Reply::Moved(Move::read(fields.next()?)?),
            "READY" => Reply::Ready(fields.next()?),
            "RESULT" => Reply::Result {
                number: fields.read()?,
                moves: [shown(fields.next()?)?, shown(fields.next()?)?],
                outcome: Outcome::read(fields.next()?)?,
                wins: [fields.read()?, fields.read()?],
            },
            "OVER" => {
                let word = fields.next()?;
                Reply::Over {
                    why: Why::ALL.into_iter().find(|why| why.word() == word)?,
                    outcome: Outcome::read(fields.next()?)?,
                    wins: [fields.read()?, fields.read()?],
                }
            }
            "AWAY" => Reply::Away {
                name: fields.next()?,
                seconds: fields.read()?,
            },
            "BACK" => Reply::Back(fields.next()?),
            "IDLE" => Reply::Idle,
            "TOP" => Reply::Top(fields.read()?),
            "SCORE" => Reply::Score {
                rank: fields.read()?,
                name: fields.next()?,
                matches: [fields.read()?, fields.read()?, fields.read()?],
            },
            "HELP" => Reply::Help(line.split_once(" -- ").map_or("", |(_, words)| words)),
            "NO" => Reply::No(No::read(fields.next()?)?),
            "BYE" => Reply::Bye,
            _ => return None,
        };
        fields.end(reply)
    }
}

fn shown(word: &str) -> Option<Option<Move>> {
    match word {
        "-" => Some(None),
        word => Some(Some(Move::read(word)?)),
    }
}

fn word(shown: Option<Move>) -> &'static str {
    shown.map_or("-", Move::word)
}

impl fmt::Display for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Reply::Greeting { best_of } => write!(
                f,
                "RPS 1 {best_of} -- rock, paper, scissors, best of {best_of}. Say HELLO and your \
                 name; HELP tells what can be said"
            ),
            Reply::Welcome { name, key } => write!(
                f,
                "WELCOME {name} {key} -- hello, {name}. PLAY finds an opponent, PLAY house plays \
                 at once. To come back under this name say HELLO {name} {key}"
            ),
            Reply::Waiting { seconds, name } => {
                write!(f, "WAITING {seconds}")?;
                if let Some(name) = name {
                    write!(f, " {name}")?;
                }
                let whom = name.unwrap_or("the next player");
                write!(f, " -- for {whom}, for {seconds} s; LEAVE ends it")
            }
            Reply::Invite { name, seconds } => write!(
                f,
                "INVITE {name} {seconds} -- {name} wants to play with you: PLAY {name}"
            ),
            Reply::Match {
                own,
                other,
                best_of,
            } => write!(
                f,
                "MATCH {own} {other} {best_of} -- {own} against {other}: who wins {} first",
                Counted(u64::from(best_of / 2 + 1), "round")
            ),
            Reply::Round {
                number,
                seconds,
                wins: [own, other],
            } => write!(
                f,
                "ROUND {number} {seconds} {own} {other} -- round {number}, it stands \
                 {own}:{other}. ROCK, PAPER or SCISSORS, within {seconds} s"
            ),
            Reply::Moved(shown) => write!(
                f,
                "MOVED {} -- it is in; nobody sees it before both are",
                shown.word()
            ),
            Reply::Ready(name) => write!(f, "READY {name} -- {name} has moved"),
            Reply::Result { .. } => self.write_result(f),
            Reply::Over {
                why,
                outcome,
                wins: [own, other],
            } => {
                let how = match outcome {
                    Outcome::Win => "you win the match",
                    Outcome::Lose => "you lose the match",
                    Outcome::Draw => "nobody wins the match",
                };
                let (word, because) = (why.word(), why.for_people());
                write!(
                    f,
                    "OVER {word} {} {own} {other} -- {how}, {own}:{other}{because}. PLAY for another",
                    outcome.word()
                )
            }
            Reply::Away { name, seconds } => write!(
                f,
                "AWAY {name} {seconds} -- {name} is gone, and has {seconds} s to come back"
            ),
            Reply::Back(name) => write!(f, "BACK {name} -- {name} is back"),
            Reply::Idle => {
                f.write_str("IDLE -- no match; PLAY finds one, PLAY house plays at once")
            }
            Reply::Top(rows) => write!(f, "TOP {rows} -- rank, name, matches won, lost and drawn"),
            Reply::Score {
                rank,
                name,
                matches: [won, lost, drawn],
            } => write!(f, "SCORE {rank} {name} {won} {lost} {drawn}"),
            Reply::Help(words) => write!(f, "HELP -- {words}"),
            Reply::No(no) => write!(f, "NO {} -- {}", no.word(), no.for_people()),
            Reply::Bye => f.write_str("BYE -- goodbye"),
        }
    }
}

impl Reply<'_> {
    fn write_result(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reply::Result {
            number,
            moves: [own, other],
            outcome,
            wins: [mine, theirs],
        } = *self
        else {
            return Ok(());
        };
        write!(
            f,
            "RESULT {number} {} {} {} {mine} {theirs} -- ",
            word(own),
            word(other),
            outcome.word()
        )?;
        match (own, other, outcome) {
            (None, None, _) => f.write_str("nobody moved in time")?,
            (None, _, _) => f.write_str("you did not move in time, and lose this round")?,
            (_, None, _) => {
                f.write_str("the other did not move in time, and you win this round")?
            }
            (Some(own), Some(other), outcome) => {
                let [own_verb, other_verb] = [own.verb(), other.verb()];
                let (own, other) = (own.word(), other.word());
                match outcome {
                    Outcome::Draw => write!(f, "both {own}: the round is played again")?,
                    Outcome::Win => {
                        write!(f, "{own} {own_verb} {other}, and you win this round")?;
                    }
                    Outcome::Lose => {
                        write!(f, "{other} {other_verb} {own}, and you lose this round")?;
                    }
                }
            }
        }
        write!(f, "; it stands {mine}:{theirs}")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_read_back_and_letter_case_makes_no_difference() {
        let requests = [
            Request::Hello("ann", None),
            Request::Hello("ann", Some("key")),
            Request::Play(None),
            Request::Play(Some("house")),
            Request::Move(Move::Paper),
            Request::Leave,
            Request::Top,
            Request::Again,
            Request::Help,
            Request::Bye,
        ];
        for request in requests {
            assert_eq!(Request::parse(&request.to_string()), Some(request));
            let lower = request.to_string().to_lowercase();
            assert_eq!(Request::parse(&lower), Some(request));
        }
        for bad in [
            "",
            "   ",
            "HELLO",
            "ROCK 1",
            "ROCKET",
            "PLAY a b",
            "HELLO a b c",
            // Two hyphens are neither a field nor dropped.
            "HELLO ann --",
            "PLAY --",
            "ROCK --",
        ] {
            assert_eq!(Request::parse(bad), None, "{bad:?}");
        }
        assert_eq!(Request::parse(" s "), Some(Request::Move(Move::Scissors)));
    }

    #[test]
    fn scissors_are_more_than_one() {
        let result = |moves: [Move; 2], outcome| {
            let moves = moves.map(Some);
            let (number, wins) = (1, [1, 0]);
            Reply::Result {
                number,
                moves,
                outcome,
                wins,
            }
            .to_string()
        };
        let heard = result([Move::Paper, Move::Scissors], Outcome::Lose);
        assert!(
            heard.contains(" -- SCISSORS beat PAPER, and you lose"),
            "{heard}"
        );
        let heard = result([Move::Rock, Move::Scissors], Outcome::Win);
        assert!(
            heard.contains(" -- ROCK beats SCISSORS, and you win"),
            "{heard}"
        );
    }

    #[test]
    fn replies_read_back() {
        let (name, seconds) = ("ann", 30);
        let wins = [1, 0];
        let mut replies = vec![
            Reply::Greeting { best_of: 3 },
            Reply::Welcome { name, key: "k" },
            Reply::Waiting {
                seconds,
                name: None,
            },
            Reply::Waiting {
                seconds,
                name: Some(name),
            },
            Reply::Invite { name, seconds },
            Reply::Match {
                own: name,
                other: "ben",
                best_of: 3,
            },
            Reply::Round {
                number: 2,
                seconds,
                wins,
            },
            Reply::Moved(Move::Rock),
            Reply::Ready(name),
            Reply::Away { name, seconds },
            Reply::Back(name),
            Reply::Idle,
            Reply::Top(1),
            Reply::Score {
                rank: 1,
                name,
                matches: [3, 2, 1],
            },
            Reply::Help("PLAY -- or so"),
            Reply::Bye,
        ];
        replies.extend(No::ALL.iter().copied().map(Reply::No));
        for outcome in [Outcome::Win, Outcome::Lose, Outcome::Draw] {
            replies.extend(Why::ALL.map(|why| Reply::Over { why, outcome, wins }));
            for moves in [
                [Some(Move::Rock), None],
                [None, Some(Move::Paper)],
                [None; 2],
            ] {
                let number = 1;
                replies.push(Reply::Result {
                    number,
                    moves,
                    outcome,
                    wins,
                });
            }
        }
        for reply in replies {
            assert_eq!(Reply::parse(&reply.to_string()), Some(reply), "{reply}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(line in ".{0,80}") {
            let _ = (Request::parse(&line), Reply::parse(&line));
        }
    }
}
