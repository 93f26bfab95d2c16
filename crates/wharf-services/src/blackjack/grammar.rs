//! The language of the table: one line is one message. Both sides, no I/O.

use std::fmt;

use super::cards::{Card, Chips};
use super::fair::{is_hash, is_nonce};
use super::round::{Action, Outcome};
use crate::games::{Fields, refusals};

/// How the dealer is called on the wire.
pub const DEALER: &str = "DEALER";

/// What a player adds to the shuffle, as it stands in a bet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Nonce<'a> {
    /// Nothing: `-`.
    None,
    /// The nonce itself.
    Open(&'a str),
    /// Its SHA-256, with `=` before it; the nonce is revealed when all bets are in.
    Hashed(&'a str),
}

impl<'a> Nonce<'a> {
    fn read(text: &'a str) -> Option<Nonce<'a>> {
        match text.strip_prefix('=') {
            Some(hash) => is_hash(hash).then_some(Nonce::Hashed(hash)),
            None if text == "-" => Some(Nonce::None),
            None => is_nonce(text).then_some(Nonce::Open(text)),
        }
    }
}

impl fmt::Display for Nonce<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Nonce::None => f.write_str("-"),
            Nonce::Open(nonce) => f.write_str(nonce),
            Nonce::Hashed(hash) => write!(f, "={hash}"),
        }
    }
}

/// Where somebody wants to sit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Where {
    /// At any table with a free seat.
    Anywhere,
    /// At the table of this number.
    Table(u32),
    /// At a table of one's own.
    Alone,
}

/// One message of a client.
///
/// ```
/// use wharf_services::blackjack::{Action, Chips, Nonce, Request};
///
/// let bet = Request::parse("bet 10 lucky").unwrap();
/// assert_eq!(bet, Request::Bet(10, Nonce::Open("lucky")));
/// assert_eq!(Request::parse("h"), Some(Request::Act(Action::Hit)));
/// assert_eq!(Request::parse("BET -10"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// `HELLO <name> [<key>]`: logs in.
    Hello(&'a str, Option<&'a str>),
    /// `SIT [<table> | ALONE]`: takes a seat.
    Sit(Where),
    /// `BET <chips> [<nonce>]`: takes part in the next round.
    Bet(u32, Nonce<'a>),
    /// `REVEAL <nonce>`: the nonce whose hash the bet had.
    Reveal(&'a str),
    /// `HIT`, `STAND`, `DOUBLE`, `SPLIT`, or `H`, `S`, `D`, `P`.
    Act(Action),
    /// `LEAVE`: gives the seat up, after the round.
    Leave,
    /// `BUY`: new chips for somebody who has none.
    Buy,
    /// `BALANCE`: how many chips there are.
    Balance,
    /// `TOP`: who has most.
    Top,
    /// `AGAIN`: how things stand.
    Again,
    /// `HELP`: what can be said.
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
        } else if is("SIT") {
            Request::Sit(match fields.next() {
                None => Where::Anywhere,
                Some(word) if word.eq_ignore_ascii_case("ALONE") => Where::Alone,
                Some(number) => Where::Table(whole(number)?),
            })
        } else if is("BET") {
            let chips = whole(fields.next()?)?;
            let nonce = fields.next().map_or(Some(Nonce::None), Nonce::read)?;
            Request::Bet(chips, nonce)
        } else if is("REVEAL") {
            Request::Reveal(fields.next()?)
        } else if is("LEAVE") {
            Request::Leave
        } else if is("BUY") {
            Request::Buy
        } else if is("BALANCE") {
            Request::Balance
        } else if is("TOP") {
            Request::Top
        } else if is("AGAIN") {
            Request::Again
        } else if is("HELP") {
            Request::Help
        } else if is("BYE") || is("QUIT") {
            Request::Bye
        } else {
            Request::Act(action(verb)?)
        };
        fields.end(request)
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Request::Hello(name, None) => write!(f, "HELLO {name}"),
            Request::Hello(name, Some(key)) => write!(f, "HELLO {name} {key}"),
            Request::Sit(Where::Anywhere) => f.write_str("SIT"),
            Request::Sit(Where::Table(number)) => write!(f, "SIT {number}"),
            Request::Sit(Where::Alone) => f.write_str("SIT ALONE"),
            Request::Bet(chips, Nonce::None) => write!(f, "BET {chips}"),
            Request::Bet(chips, nonce) => write!(f, "BET {chips} {nonce}"),
            Request::Reveal(nonce) => write!(f, "REVEAL {nonce}"),
            Request::Act(action) => f.write_str(action.word()),
            Request::Leave => f.write_str("LEAVE"),
            Request::Buy => f.write_str("BUY"),
            Request::Balance => f.write_str("BALANCE"),
            Request::Top => f.write_str("TOP"),
            Request::Again => f.write_str("AGAIN"),
            Request::Help => f.write_str("HELP"),
            Request::Bye => f.write_str("BYE"),
        }
    }
}

/// A whole number. There is none that is too large to be said: beyond what there can be
/// it stands for the largest one, which no table has and nobody can bet.
fn whole(digits: &str) -> Option<u32> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u32::MAX))
}

fn action(word: &str) -> Option<Action> {
    let letter = |action: Action| match action {
        Action::Hit => "H",
        Action::Stand => "S",
        Action::Double => "D",
        Action::Split => "P",
    };
    let fits = |action: &Action| {
        word.eq_ignore_ascii_case(action.word()) || word.eq_ignore_ascii_case(letter(*action))
    };
    let mut all = Action::ALL.into_iter();
    all.find(fits)
}

refusals! {
    /// No seat.
    Seat = "SEAT", "take a seat first: SIT";
    /// That table has no free seat, or does not exist.
    Table = "TABLE", "there is no free seat at that table; SIT without a number finds one";
    /// It is somebody else's turn.
    Turn = "TURN", "it is not your turn";
    /// That cannot be done with this hand.
    Hand = "HAND", "that cannot be done with this hand";
    /// Not that many chips, or too few or too many for a bet.
    Chips = "CHIPS", "a bet is a whole number of chips, no more than you have and the table takes";
    /// The bet of this round is in already.
    HasBet = "BET", "your bet is in, and stays as it is";
    /// That nonce does not have the hash that the bet had.
    Nonce = "NONCE", "that nonce does not have the hash that came with your bet";
    /// New chips are for those who have none.
    NotBroke = "NOT-BROKE", "new chips are for those who cannot bet any more";
}

/// One message of the table.
///
/// ```
/// use wharf_services::blackjack::Reply;
///
/// let card = Reply::parse("CARD ann 1 10H").unwrap();
/// assert!(matches!(card, Reply::Card { who: "ann", hand: 1, card: Some(_) }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// `BLACKJACK 1 <decks> <most>`: the greeting; the most chips of a bet.
    Greeting {
        /// How many decks are in the shoe.
        decks: u32,
        /// The most chips of a bet.
        most: u32,
    },
    /// `WELCOME <name> <key> <chips>`: logged in.
    Welcome {
        /// The name.
        name: &'a str,
        /// The key that proves it later.
        key: &'a str,
        /// What it has.
        chips: Chips,
    },
    /// `SEAT <table> <seat>`: sits there.
    Seat {
        /// The table, from 1.
        table: u32,
        /// The seat, from 1.
        seat: usize,
    },
    /// `SITS <seat> <name>`: somebody sits at this table.
    Sits {
        /// The seat, from 1.
        seat: usize,
        /// Who.
        name: &'a str,
    },
    /// `STOOD <name>`: somebody has left the table.
    Stood(&'a str),
    /// `LEAVING`: the seat is given up after the round.
    Leaving,
    /// `BETS <round> <decks> <commitment>`: bets are taken; the commitment is the
    /// SHA-256 of the seed.
    Bets {
        /// The round, from 1 at each table.
        round: u64,
        /// How many decks are in the shoe.
        decks: u32,
        /// The commitment, 64 hexadecimal digits.
        commitment: &'a str,
    },
    /// `BET <seat> <name> <chips> <nonce>`: somebody takes part.
    Bet {
        /// The seat.
        seat: usize,
        /// Who.
        name: &'a str,
        /// The stake.
        chips: Chips,
        /// What it adds to the shuffle.
        nonce: Nonce<'a>,
    },
    /// `CLOSING <seconds>`: bets are taken for so long.
    Closing(u64),
    /// `REVEAL <seconds>`: who gave a hash has to give the nonce.
    Reveal(u64),
    /// `NONCE <seat> <name> <nonce>`: a nonce that was given as a hash.
    Nonce {
        /// The seat.
        seat: usize,
        /// Whose.
        name: &'a str,
        /// The nonce.
        nonce: &'a str,
    },
    /// `VOID <round> <name>`: somebody did not reveal and loses its stake; the others
    /// have theirs back.
    Void {
        /// The round.
        round: u64,
        /// Who.
        name: &'a str,
    },
    /// `DEAL <round> <players>`: the cards are dealt.
    Deal {
        /// The round.
        round: u64,
        /// How many take part.
        players: usize,
    },
    /// `CARD <who> <hand> <card>`: a card; `??` is the dealer's hidden one.
    Card {
        /// A name, or `DEALER`.
        who: &'a str,
        /// The hand, from 1.
        hand: usize,
        /// The card, if it is open.
        card: Option<Card>,
    },
    /// `TURN <name> <hand> <seconds> <actions>`: whose turn it is.
    Turn {
        /// Whose.
        name: &'a str,
        /// With which hand, from 1.
        hand: usize,
        /// For how long.
        seconds: u64,
        /// Whether doubling and splitting are possible and affordable.
        can: [bool; 2],
    },
    /// `ACT <name> <hand> <action>`: what somebody did.
    Act {
        /// Who.
        name: &'a str,
        /// With which hand.
        hand: usize,
        /// What.
        action: Action,
    },
    /// `HOLE <card>`: the dealer's hidden card.
    Hole(Card),
    /// `PAY <name> <hand> <outcome> <stake> <paid>`: how a hand ended.
    Pay {
        /// Whose.
        name: &'a str,
        /// Which.
        hand: usize,
        /// How.
        outcome: Outcome,
        /// What was staked.
        stake: Chips,
        /// What is paid back, the stake included.
        paid: Chips,
    },
    /// `SEED <seed>`: what the commitment was made of.
    Seed(&'a str),
    /// `END <round>`: the round is over.
    End(u64),
    /// `BALANCE <chips>`: what you have.
    Balance(Chips),
    /// `IDLE`: no seat.
    Idle,
    /// `TOP <rows>`: the table of scores follows.
    Top(usize),
    /// `SCORE <rank> <name> <won>`: one row of it; chips won since the first login.
    Score {
        /// The rank, from 1.
        rank: usize,
        /// Whose.
        name: &'a str,
        /// Chips won, or lost if it is negative.
        won: Chips,
    },
    /// `HELP`, with words for people only.
    Help(&'a str),
    /// `NO <reason>`: it was not done.
    No(No),
    /// `BYE`: the connection ends.
    Bye,
}

impl<'a> Reply<'a> {
    /// Reads a line, given without its end; `None` for what no table says.
    pub fn parse(line: &'a str) -> Option<Reply<'a>> {
        let mut fields = Fields::of(line);
        let code = fields.next()?;
        let reply = match code {
            "HELP" => Reply::Help(line.split_once(" -- ").map_or("", |(_, words)| words)),
            "NO" => Reply::No(No::read(fields.next()?)?),
            code => Reply::read(code, &mut fields)?,
        };
        fields.end(reply)
    }

    fn read(code: &str, fields: &mut Fields<'a>) -> Option<Reply<'a>> {
        Some(match code {
            "BLACKJACK" => {
                let _version: u32 = fields.read()?;
                Reply::Greeting {
                    decks: fields.read()?,
                    most: fields.read()?,
                }
            }
            "WELCOME" => Reply::Welcome {
                name: fields.next()?,
                key: fields.next()?,
                chips: fields.read()?,
            },
            "SEAT" => Reply::Seat {
                table: fields.read()?,
                seat: fields.read()?,
            },
            "SITS" => Reply::Sits {
                seat: fields.read()?,
                name: fields.next()?,
            },
            "STOOD" => Reply::Stood(fields.next()?),
            "LEAVING" => Reply::Leaving,
            "BETS" => Reply::Bets {
                round: fields.read()?,
                decks: fields.read()?,
                commitment: fields.next().filter(|text| is_hash(text))?,
            },
            "BET" => Reply::Bet {
                seat: fields.read()?,
                name: fields.next()?,
                chips: fields.read()?,
                nonce: Nonce::read(fields.next()?)?,
            },
            "CLOSING" => Reply::Closing(fields.read()?),
            "REVEAL" => Reply::Reveal(fields.read()?),
            "NONCE" => Reply::Nonce {
                seat: fields.read()?,
                name: fields.next()?,
                nonce: fields.next().filter(|text| is_nonce(text))?,
            },
            "VOID" => Reply::Void {
                round: fields.read()?,
                name: fields.next()?,
            },
            "DEAL" => Reply::Deal {
                round: fields.read()?,
                players: fields.read()?,
            },
            "CARD" => Reply::Card {
                who: fields.next()?,
                hand: fields.read()?,
                card: match fields.next()? {
                    "??" => None,
                    card => Some(card.parse().ok()?),
                },
            },
            "TURN" => Reply::read_turn(fields)?,
            "ACT" => Reply::Act {
                name: fields.next()?,
                hand: fields.read()?,
                action: action(fields.next()?)?,
            },
            "HOLE" => Reply::Hole(fields.read()?),
            "PAY" => Reply::Pay {
                name: fields.next()?,
                hand: fields.read()?,
                outcome: {
                    let word = fields.next()?;
                    Outcome::ALL
                        .into_iter()
                        .find(|known| known.word() == word)?
                },
                stake: fields.read()?,
                paid: fields.read()?,
            },
            "SEED" => Reply::Seed(fields.next().filter(|text| is_hash(text))?),
            "END" => Reply::End(fields.read()?),
            "BALANCE" => Reply::Balance(fields.read()?),
            "IDLE" => Reply::Idle,
            "TOP" => Reply::Top(fields.read()?),
            "SCORE" => Reply::Score {
                rank: fields.read()?,
                name: fields.next()?,
                won: fields.read()?,
            },
            "BYE" => Reply::Bye,
            _ => return None,
        })
    }

    fn read_turn(fields: &mut Fields<'a>) -> Option<Reply<'a>> {
        let (name, hand, seconds) = (fields.next()?, fields.read()?, fields.read()?);
        let mut can = [false; 2];
        for word in fields.next()?.split(',') {
            match action(word)? {
                Action::Double => can[0] = true,
                Action::Split => can[1] = true,
                Action::Hit | Action::Stand => {}
            }
        }
        Some(Reply::Turn {
            name,
            hand,
            seconds,
            can,
        })
    }
}

impl fmt::Display for Reply<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Reply::Greeting { decks, most } => write!(
                f,
                "BLACKJACK 1 {decks} {most} -- blackjack with {decks} decks, bets up to {most}. Say \
                 HELLO and your name; HELP tells what can be said"
            ),
            Reply::Welcome { name, key, chips } => write!(
                f,
                "WELCOME {name} {key} {chips} -- hello, {name}, you have {chips} chips. SIT takes a \
                 seat. To come back under this name say HELLO {name} {key}"
            ),
            Reply::Seat { table, seat } => {
                write!(
                    f,
                    "SEAT {table} {seat} -- you sit at table {table}, seat {seat}"
                )
            }
            Reply::Sits { seat, name } => {
                write!(f, "SITS {seat} {name} -- {name} sits on seat {seat}")
            }
            Reply::Stood(name) => write!(f, "STOOD {name} -- {name} has left the table"),
            Reply::Leaving => {
                f.write_str("LEAVING -- you leave after this round; your hands stand")
            }
            Reply::Bets {
                round,
                decks,
                commitment,
            } => write!(
                f,
                "BETS {round} {decks} {commitment} -- round {round}: BET and a number of chips. The \
                 cards are fixed by a seed with this SHA-256, and by what you add: BET 10 lucky"
            ),
            Reply::Bet {
                seat,
                name,
                chips,
                nonce,
            } => write!(
                f,
                "BET {seat} {name} {chips} {nonce} -- {name} bets {chips}"
            ),
            Reply::Closing(seconds) => {
                write!(f, "CLOSING {seconds} -- the others have {seconds} s to bet")
            }
            Reply::Reveal(seconds) => write!(
                f,
                "REVEAL {seconds} -- all bets are in. Whoever gave a hash has {seconds} s to say \
                 REVEAL and the nonce"
            ),
            Reply::Nonce { seat, name, nonce } => write!(f, "NONCE {seat} {name} {nonce}"),
            Reply::Void { round, name } => write!(
                f,
                "VOID {round} {name} -- {name} did not reveal its nonce and loses its stake; the \
                 others have theirs back"
            ),
            Reply::Deal { round, players } => write!(f, "DEAL {round} {players} -- no more bets"),
            Reply::Card { who, hand, card } => match card {
                Some(card) => write!(f, "CARD {who} {hand} {card}"),
                None => write!(f, "CARD {who} {hand} ??"),
            },
            Reply::Turn { .. } => self.write_turn(f),
            Reply::Act { name, hand, action } => write!(f, "ACT {name} {hand} {}", action.word()),
            Reply::Hole(card) => write!(f, "HOLE {card} -- the dealer's hidden card"),
            Reply::Pay {
                name,
                hand,
                outcome,
                stake,
                paid,
            } => write!(
                f,
                "PAY {name} {hand} {} {stake} {paid} -- {name} staked {stake} and gets {paid}",
                outcome.word()
            ),
            Reply::Seed(seed) => write!(f, "SEED {seed}"),
            Reply::End(round) => write!(f, "END {round}"),
            Reply::Balance(chips) => write!(f, "BALANCE {chips} -- you have {chips} chips"),
            Reply::Idle => f.write_str("IDLE -- you have no seat; SIT takes one"),
            Reply::Top(rows) => write!(
                f,
                "TOP {rows} -- rank, name, chips won since the first login"
            ),
            Reply::Score { rank, name, won } => write!(f, "SCORE {rank} {name} {won}"),
            Reply::Help(words) => write!(f, "HELP -- {words}"),
            Reply::No(no) => write!(f, "NO {} -- {}", no.word(), no.for_people()),
            Reply::Bye => f.write_str("BYE -- goodbye"),
        }
    }
}

impl Reply<'_> {
    fn write_turn(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reply::Turn {
            name,
            hand,
            seconds,
            can: [double, split],
        } = *self
        else {
            return Ok(());
        };
        write!(f, "TURN {name} {hand} {seconds} HIT,STAND")?;
        if double {
            f.write_str(",DOUBLE")?;
        }
        if split {
            f.write_str(",SPLIT")?;
        }
        write!(
            f,
            " -- it is the turn of {name} with hand {hand}, for {seconds} s"
        )
    }
}

#[cfg(test)]
mod tests;
