//! One round of blackjack: who gets which card, whose turn it is, and what is paid.
//! It knows no names and no lines.
//!
//! ```text
//!  deal ──▶ natural of the dealer? ──────────────────────────────┐
//!             │ no                                               ▼
//!             └─▶ each hand in turn: HIT, STAND, DOUBLE, SPLIT ──▶ dealer ──▶ pay
//! ```
//! The dealer draws to 16 and stands on all 17.

use super::cards::{Card, Chips, total};

/// The most hands of one player: three splits.
pub const MAX_HANDS: usize = 4;

/// The points of a deck, an ace counting one.
const POINTS_PER_DECK: usize = 340;

/// What a hand holds at most, an ace counting one: it is drawn to at 20 or less, and
/// by no more than ten.
const POINTS_PER_HAND: usize = 30;

/// What the dealer's hand holds at most: it draws at 16 or less.
const DEALERS_POINTS: usize = 26;

/// How many hands a round can have so that the shoe cannot run out, whatever comes.
pub(super) fn most_hands(decks: u32) -> usize {
    (decks as usize * POINTS_PER_DECK - DEALERS_POINTS) / POINTS_PER_HAND
}

/// What a player can do in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// One more card.
    Hit,
    /// No more cards.
    Stand,
    /// Twice the stake, one more card, and no more.
    Double,
    /// Two cards of one rank become two hands with a stake each.
    Split,
}

impl Action {
    /// All four, in the order to show them.
    pub const ALL: [Action; 4] = [Action::Hit, Action::Stand, Action::Double, Action::Split];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Action::Hit => "HIT",
            Action::Stand => "STAND",
            Action::Double => "DOUBLE",
            Action::Split => "SPLIT",
        }
    }
}

/// How a hand ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// An ace and a ten at once: the stake and three halves of it.
    Natural,
    /// Better than the dealer: twice the stake.
    Win,
    /// As good as the dealer: the stake.
    Push,
    /// Worse than the dealer: nothing.
    Lose,
    /// More than 21: nothing.
    Bust,
}

impl Outcome {
    /// All five.
    pub const ALL: [Outcome; 5] = [
        Outcome::Natural,
        Outcome::Win,
        Outcome::Push,
        Outcome::Lose,
        Outcome::Bust,
    ];

    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Natural => "NATURAL",
            Outcome::Win => "WIN",
            Outcome::Push => "PUSH",
            Outcome::Lose => "LOSE",
            Outcome::Bust => "BUST",
        }
    }

    /// What is paid for a stake.
    fn pays(self, stake: Chips) -> Chips {
        match self {
            Outcome::Natural => stake + stake.three_halves(),
            Outcome::Win => stake + stake,
            Outcome::Push => stake,
            Outcome::Lose | Outcome::Bust => Chips::ZERO,
        }
    }
}

/// Something that everybody at the table sees. Players and hands count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A card for a player.
    Card(usize, usize, Card),
    /// A card for the dealer; the second one is hidden.
    Dealer(Option<Card>),
    /// The dealer's second card.
    Hole(Card),
    /// A player did something; the number is the hand's.
    Act(usize, usize, Action),
    /// A hand is paid.
    Pay {
        player: usize,
        hand: usize,
        outcome: Outcome,
        stake: Chips,
        paid: Chips,
    },
}

#[derive(Debug)]
struct Hand {
    cards: Vec<Card>,
    stake: Chips,
    done: bool,
    from_split: bool,
}

impl Hand {
    fn points(&self) -> u32 {
        total(&self.cards).points
    }

    fn is_natural(&self) -> bool {
        self.cards.len() == 2 && self.points() == 21 && !self.from_split
    }
}

/// A round, from the deal to the end.
#[derive(Debug)]
pub(super) struct Round {
    shoe: std::vec::IntoIter<Card>,
    players: Vec<Vec<Hand>>,
    dealer: Vec<Card>,
    most_hands: usize,
    turn: Option<(usize, usize)>,
}

/// That cannot be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAllowed;

impl Round {
    /// Deals to players with these stakes: a card for each in turn and the dealer,
    /// and once more; the dealer's second one is hidden.
    pub(super) fn deal(
        shoe: Vec<Card>,
        stakes: impl IntoIterator<Item = Chips>,
        most_hands: usize,
        seen: &mut Vec<Event>,
    ) -> Round {
        let hand = |stake| Hand {
            cards: Vec::with_capacity(2),
            stake,
            done: false,
            from_split: false,
        };
        let mut round = Round {
            shoe: shoe.into_iter(),
            players: stakes.into_iter().map(|stake| vec![hand(stake)]).collect(),
            dealer: Vec::new(),
            most_hands,
            turn: Some((0, 0)),
        };
        for pass in 0..2 {
            for player in 0..round.players.len() {
                round.draw(player, 0, seen);
            }
            let card = round.shoe.next();
            round.dealer.extend(card);
            seen.push(Event::Dealer(card.filter(|_| pass == 0)));
        }
        if total(&round.dealer).points == 21 {
            round.turn = None;
            round.settle(seen);
        } else {
            round.go_on(seen);
        }
        round
    }

    /// Whose turn it is, with which hand; nobody's when the round is over.
    pub(super) fn turn(&self) -> Option<(usize, usize)> {
        self.turn
    }

    /// What the hand whose turn it is has staked: what doubling and splitting cost.
    pub(super) fn stake(&self) -> Chips {
        let hand = self.turn.map(|(player, hand)| &self.players[player][hand]);
        hand.map_or(Chips::ZERO, |hand| hand.stake)
    }

    /// Whether an action is possible, apart from what it costs.
    pub(super) fn allows(&self, action: Action) -> bool {
        let Some((player, index)) = self.turn else {
            return false;
        };
        let hands = &self.players[player];
        let cards = &hands[index].cards;
        let all: usize = self.players.iter().map(Vec::len).sum();
        match action {
            Action::Hit | Action::Stand => true,
            Action::Double => cards.len() == 2,
            Action::Split => {
                let is_pair = matches!(cards[..], [a, b] if a.rank() == b.rank());
                is_pair && hands.len() < MAX_HANDS && all < self.most_hands
            }
        }
    }

    /// Does something for whoever's turn it is.
    pub(super) fn act(&mut self, action: Action, seen: &mut Vec<Event>) -> Result<(), NotAllowed> {
        let (player, index) = self.turn.ok_or(NotAllowed)?;
        if !self.allows(action) {
            return Err(NotAllowed);
        }
        seen.push(Event::Act(player, index, action));
        let hand = &mut self.players[player][index];
        match action {
            Action::Hit => self.draw(player, index, seen),
            Action::Stand => hand.done = true,
            Action::Double => {
                hand.stake = hand.stake + hand.stake;
                self.draw(player, index, seen);
                self.players[player][index].done = true;
            }
            Action::Split => self.split(player, index, seen),
        }
        self.go_on(seen);
        Ok(())
    }

    /// Each of two cards becomes a hand and gets another one; aces get no more.
    fn split(&mut self, player: usize, index: usize, seen: &mut Vec<Event>) {
        let hands = &mut self.players[player];
        let hand = &mut hands[index];
        let Some(second) = hand.cards.pop() else {
            return;
        };
        hand.from_split = true;
        let done = second.rank() == 1;
        hand.done = done;
        let other = Hand {
            cards: vec![second],
            stake: hand.stake,
            done,
            from_split: true,
        };
        let new = hands.len();
        hands.push(other);
        self.draw(player, index, seen);
        self.draw(player, new, seen);
    }

    fn draw(&mut self, player: usize, index: usize, seen: &mut Vec<Event>) {
        // `most_hands` makes sure that there is one.
        if let Some(card) = self.shoe.next() {
            self.players[player][index].cards.push(card);
            seen.push(Event::Card(player, index, card));
        }
    }

    /// Finds the next hand that can do something; ends the round if there is none.
    fn go_on(&mut self, seen: &mut Vec<Event>) {
        for (player, hands) in self.players.iter_mut().enumerate() {
            for (index, hand) in hands.iter_mut().enumerate() {
                hand.done |= hand.points() >= 21;
                if !hand.done {
                    self.turn = Some((player, index));
                    return;
                }
            }
        }
        self.turn = None;
        self.settle(seen);
    }

    fn settle(&mut self, seen: &mut Vec<Event>) {
        seen.extend(self.dealer.get(1).copied().map(Event::Hole));
        let hands = || self.players.iter().flatten();
        let matters = |hand: &Hand| hand.points() <= 21 && !hand.is_natural();
        if hands().any(matters) {
            while total(&self.dealer).points < 17
                && let Some(card) = self.shoe.next()
            {
                self.dealer.push(card);
                seen.push(Event::Dealer(Some(card)));
            }
        }
        for (player, hands) in self.players.iter().enumerate() {
            for (index, hand) in hands.iter().enumerate() {
                let (outcome, stake) = (self.outcome(hand), hand.stake);
                seen.push(Event::Pay {
                    player,
                    hand: index,
                    outcome,
                    stake,
                    paid: outcome.pays(stake),
                });
            }
        }
    }

    fn outcome(&self, hand: &Hand) -> Outcome {
        let dealer = total(&self.dealer).points;
        let dealer_natural = self.dealer.len() == 2 && dealer == 21;
        match (hand.is_natural(), dealer_natural) {
            (true, true) => Outcome::Push,
            (true, false) => Outcome::Natural,
            (false, true) => Outcome::Lose,
            (false, false) => match hand.points() {
                22.. => Outcome::Bust,
                _ if dealer > 21 => Outcome::Win,
                points if points > dealer => Outcome::Win,
                points if points == dealer => Outcome::Push,
                _ => Outcome::Lose,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::blackjack::fair::{Share, shoe};

    const STAKE: Chips = Chips::whole(10);

    /// A round of one player with these cards: two for the player and the dealer by
    /// turns, then as they are drawn. Gives all payments.
    fn paid(cards: &str, actions: &[Action]) -> Vec<(Outcome, Chips)> {
        let shoe = cards.split(' ').map(|card| card.parse().unwrap()).collect();
        let mut seen = Vec::new();
        let mut round = Round::deal(shoe, [STAKE], 4, &mut seen);
        for action in actions {
            round.act(*action, &mut seen).unwrap();
        }
        assert_eq!(round.turn(), None, "the round is over");
        let payment = |event: &Event| match event {
            Event::Pay { outcome, paid, .. } => Some((*outcome, *paid)),
            _ => None,
        };
        seen.iter().filter_map(payment).collect()
    }

    #[test]
    fn what_is_paid() {
        use Action::{Double, Hit, Split, Stand};
        let chips = |text: &str| text.parse::<Chips>().unwrap();
        // The player's first, the dealer's open one, the player's second, the hole.
        for (cards, actions, expected) in [
            ("AS 9H KS 9D", &[][..], &[(Outcome::Natural, "25")][..]),
            ("AS AH KS KD", &[], &[(Outcome::Push, "10")]),
            ("9S AH KS KD", &[], &[(Outcome::Lose, "0")]),
            ("9S 9H KS 9D", &[Stand], &[(Outcome::Win, "20")]),
            ("9S 9H 9C 9D", &[Stand], &[(Outcome::Push, "10")]),
            ("9S 9H 8S 9D", &[Stand], &[(Outcome::Lose, "0")]),
            ("9S 9H 8S 9D 5C", &[Hit], &[(Outcome::Bust, "0")]),
            ("9S 9H 2S 9D KC", &[Double], &[(Outcome::Win, "40")]),
            // The dealer draws at 16 and stands on a soft 17.
            ("9S 9H 9C 7D KC", &[Stand], &[(Outcome::Win, "20")]),
            ("9S AH 9C 6D", &[Stand], &[(Outcome::Win, "20")]),
            // 21 after a split is no natural, and split aces get one card each.
            (
                "AS 9H AC 9D KC 5C",
                &[Split],
                &[(Outcome::Win, "20"), (Outcome::Lose, "0")],
            ),
            (
                "8S 9H 8C 7D KC 3C KD KH",
                &[Split, Stand, Double],
                &[(Outcome::Win, "20"), (Outcome::Win, "40")],
            ),
        ] {
            let expected: Vec<_> = expected
                .iter()
                .map(|(outcome, paid)| (*outcome, chips(paid)))
                .collect();
            assert_eq!(paid(cards, actions), expected, "{cards}");
        }
    }

    #[test]
    fn what_cannot_be_done_changes_nothing() {
        let shoe = "9S 9H 8S 9D 2C 2D"
            .split(' ')
            .map(|card| card.parse().unwrap());
        let mut seen = Vec::new();
        let mut round = Round::deal(shoe.collect(), [STAKE], 4, &mut seen);
        assert_eq!(round.act(Action::Split, &mut seen), Err(NotAllowed));
        round.act(Action::Hit, &mut seen).unwrap();
        let before = seen.len();
        assert_eq!(round.act(Action::Double, &mut seen), Err(NotAllowed));
        assert_eq!(seen.len(), before);
        round.act(Action::Stand, &mut seen).unwrap();
        assert_eq!(round.act(Action::Stand, &mut seen), Err(NotAllowed));
    }

    proptest! {
        #[test]
        fn no_card_comes_twice_the_shoe_suffices_and_stakes_are_paid_by_the_rules(
            seed in 0_u64..u64::MAX,
            decks in 1..=8_u32,
            players in 1..=7_usize,
            actions in prop::collection::vec(0..10_usize, 0..400),
        ) {
            let share = Share { seat: 1, name: "ann", nonce: "-" };
            let cards = shoe(&seed.to_string(), [share], decks);
            let mut left: BTreeMap<Card, u32> = BTreeMap::new();
            for card in &cards {
                *left.entry(*card).or_insert(0) += 1;
            }
            let mut seen = Vec::new();
            let stakes = (1..=players).map(|number| Chips::whole(number as u32));
            let mut round = Round::deal(cards, stakes, most_hands(decks), &mut seen);
            let mut actions = actions.into_iter();
            while round.turn().is_some() {
                // Mostly hits and splits, to use up the shoe.
                let action = match actions.next() {
                    Some(0..=4) => Action::Hit,
                    Some(5..=7) => Action::Split,
                    Some(8) => Action::Double,
                    Some(_) | None => Action::Stand,
                };
                let allowed = round.allows(action);
                let before = seen.len();
                prop_assert_eq!(round.act(action, &mut seen).is_ok(), allowed);
                prop_assert_eq!(seen.len() > before, allowed);
                if !allowed {
                    round.act(Action::Hit, &mut seen).unwrap();
                }
            }
            let mut staked = Chips::ZERO;
            let mut hands: BTreeMap<(usize, usize), Vec<Card>> = BTreeMap::new();
            for event in &seen {
                let card = match event {
                    Event::Card(player, hand, card) => {
                        hands.entry((*player, *hand)).or_default().push(*card);
                        Some(card)
                    }
                    Event::Dealer(card) => card.as_ref(),
                    Event::Hole(card) => Some(card),
                    Event::Pay { outcome, stake, paid, .. } => {
                        staked += *stake;
                        prop_assert_eq!(*paid, outcome.pays(*stake));
                        None
                    }
                    Event::Act(..) => None,
                };
                if let Some(card) = card {
                    let count = left.get_mut(card).expect("a card of the shoe");
                    prop_assert!(*count > 0, "{} came too often", card);
                    *count -= 1;
                }
            }
            let payments = seen.iter().filter(|event| matches!(event, Event::Pay { .. })).count();
            prop_assert_eq!(payments, hands.len(), "every hand is paid once");
            prop_assert!(hands.len() <= most_hands(decks).max(players));
            let first: Chips = (1..=players).map(|number| Chips::whole(number as u32)).sum();
            prop_assert!(staked >= first);
        }
    }
}
