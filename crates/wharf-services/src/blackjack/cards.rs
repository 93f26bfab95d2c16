//! Cards, hands and what they are worth.

use std::fmt;
use std::str::FromStr;

/// A suit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Suit {
    /// ♣
    Clubs,
    /// ♦
    Diamonds,
    /// ♥
    Hearts,
    /// ♠
    Spades,
}

impl Suit {
    /// All four, in the order of a new deck.
    pub const ALL: [Suit; 4] = [Suit::Clubs, Suit::Diamonds, Suit::Hearts, Suit::Spades];

    /// The letter on the wire.
    pub fn letter(self) -> char {
        match self {
            Suit::Clubs => 'C',
            Suit::Diamonds => 'D',
            Suit::Hearts => 'H',
            Suit::Spades => 'S',
        }
    }
}

/// A card: on the wire `AS`, `10H`, `QD`.
///
/// ```
/// use wharf_services::blackjack::{Card, Suit};
///
/// let card: Card = "10H".parse().unwrap();
/// assert_eq!((card.rank(), card.suit()), (10, Suit::Hearts));
/// assert_eq!(card.to_string(), "10H");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Card {
    rank: u8,
    suit: Suit,
}

/// The ranks on the wire, from 1.
const RANKS: [&str; 13] = [
    "A", "2", "3", "4", "5", "6", "7", "8", "9", "10", "J", "Q", "K",
];

impl Card {
    /// The card of this rank (1 is the ace, 11 to 13 the faces), if there is one.
    pub fn new(rank: u8, suit: Suit) -> Option<Card> {
        (1..=13).contains(&rank).then_some(Card { rank, suit })
    }

    /// The rank: 1 is the ace, 11 to 13 are jack, queen and king.
    pub fn rank(self) -> u8 {
        self.rank
    }

    /// The suit.
    pub fn suit(self) -> Suit {
        self.suit
    }

    /// The rank as it is written: `A`, `2` to `10`, `J`, `Q`, `K`.
    pub fn rank_text(self) -> &'static str {
        RANKS[usize::from(self.rank - 1)]
    }

    /// What it counts; an ace counts 1 here.
    fn points(self) -> u32 {
        u32::from(self.rank.min(10))
    }

    /// A new deck: clubs, diamonds, hearts, spades, each from the ace to the king.
    pub(super) fn deck() -> impl Iterator<Item = Card> {
        let of = |suit| (1..=13).map(move |rank| Card { rank, suit });
        Suit::ALL.into_iter().flat_map(of)
    }
}

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.rank_text(), self.suit.letter())
    }
}

/// Text that is no card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCard;

impl FromStr for Card {
    type Err = NoCard;

    fn from_str(text: &str) -> Result<Card, NoCard> {
        let last = text.chars().next_back().ok_or(NoCard)?;
        let mut suits = Suit::ALL.into_iter();
        let suit = suits.find(|suit| suit.letter() == last).ok_or(NoCard)?;
        let rank = &text[..text.len() - 1];
        let index = RANKS
            .iter()
            .position(|known| *known == rank)
            .ok_or(NoCard)?;
        Ok(Card {
            rank: index as u8 + 1,
            suit,
        })
    }
}

/// What a hand is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The points: the highest that is not above 21, or else the lowest.
    pub points: u32,
    /// An ace counts eleven.
    pub soft: bool,
}

/// What these cards are worth.
///
/// ```
/// use wharf_services::blackjack::total;
///
/// let hand = ["AS", "6H"].map(|card| card.parse().unwrap());
/// assert_eq!((total(&hand).points, total(&hand).soft), (17, true));
/// ```
pub fn total(cards: &[Card]) -> Total {
    let points: u32 = cards.iter().map(|card| card.points()).sum();
    let soft = points + 10 <= 21 && cards.iter().any(|card| card.rank == 1);
    Total {
        points: if soft { points + 10 } else { points },
        soft,
    }
}

/// Chips, counted in halves: a natural pays three to two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Chips(i64);

impl Chips {
    /// None.
    pub const ZERO: Chips = Chips(0);

    /// So many whole chips.
    pub const fn whole(number: u32) -> Chips {
        Chips(number as i64 * 2)
    }

    /// Three halves of it. Exact for whole chips, which all stakes are.
    pub(super) fn three_halves(self) -> Chips {
        Chips(self.0 / 2 * 3)
    }
}

impl std::ops::Add for Chips {
    type Output = Chips;

    fn add(self, other: Chips) -> Chips {
        Chips(self.0 + other.0)
    }
}

impl std::ops::Sub for Chips {
    type Output = Chips;

    fn sub(self, other: Chips) -> Chips {
        Chips(self.0 - other.0)
    }
}

impl std::ops::AddAssign for Chips {
    fn add_assign(&mut self, other: Chips) {
        self.0 += other.0;
    }
}

impl std::ops::SubAssign for Chips {
    fn sub_assign(&mut self, other: Chips) {
        self.0 -= other.0;
    }
}

impl std::iter::Sum for Chips {
    fn sum<I: Iterator<Item = Chips>>(all: I) -> Chips {
        all.fold(Chips::ZERO, |sum, chips| sum + chips)
    }
}

impl fmt::Display for Chips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let halves = self.0.unsigned_abs();
        let half = if halves % 2 == 1 { ".5" } else { "" };
        f.pad(&format!("{sign}{}{half}", halves / 2))
    }
}

/// Text that is no number of chips.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoChips;

impl FromStr for Chips {
    type Err = NoChips;

    fn from_str(text: &str) -> Result<Chips, NoChips> {
        let (digits, half) = match text.strip_suffix(".5") {
            Some(digits) => (digits, 1),
            None => (text, 0),
        };
        let (digits, sign) = match digits.strip_prefix('-') {
            Some(digits) => (digits, -1),
            None => (digits, 1),
        };
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        let whole: u32 = digits.parse().map_err(|_| NoChips)?;
        match plain {
            true => Ok(Chips(sign * (i64::from(whole) * 2 + half))),
            false => Err(NoChips),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hand(text: &str) -> Vec<Card> {
        text.split(' ').map(|card| card.parse().unwrap()).collect()
    }

    #[test]
    fn cards_read_back_and_nothing_else_is_one() {
        assert_eq!(Card::deck().count(), 52);
        for card in Card::deck() {
            assert_eq!(card.to_string().parse(), Ok(card));
        }
        for bad in ["", "S", "1S", "11S", "AX", "as", "10", "é", "Aé"] {
            assert_eq!(bad.parse::<Card>(), Err(NoCard), "{bad:?}");
        }
    }

    #[test]
    fn an_ace_counts_eleven_where_it_can() {
        for (cards, points, soft) in [
            ("AS KH", 21, true),
            ("AS AH", 12, true),
            ("AS AH KD", 12, false),
            ("AS 6H 4D", 21, true),
            ("10S 9H 5D", 24, false),
        ] {
            assert_eq!(total(&hand(cards)), Total { points, soft }, "{cards}");
        }
    }

    #[test]
    fn chips_are_exact_and_read_back() {
        let natural = Chips::whole(5).three_halves();
        assert_eq!(natural.to_string(), "7.5");
        for text in ["0", "7.5", "-0.5", "-12", "1000"] {
            assert_eq!(text.parse::<Chips>().unwrap().to_string(), text);
        }
        for bad in ["", "-", ".5", "+1", "1.25", "x", "99999999999"] {
            assert_eq!(bad.parse::<Chips>(), Err(NoChips), "{bad}");
        }
    }
}
