//! The player's side: what a client knows from what the table said. No I/O.
//!
//! Every line also goes to a [`Verifier`], so each round is judged as soon as it is
//! over.

use tokio::time::{Duration, Instant};

use super::cards::{Card, Chips};
use super::fair::hash_of;
use super::grammar::{DEALER, No, Nonce, Reply, Request};
use super::round::Outcome;
use super::rules::SEATS;
use super::verify::{Verdict, Verifier};
use crate::games::{self, MAX_ROWS, is_key, is_name};

/// The most hands at a table that a client keeps, and cards of a hand.
const MAX_HANDS: usize = 16;
const MAX_CARDS: usize = 32;

/// How many bets of one round are remembered; all but one of them are refused.
const MAX_NONCES: usize = 16;

/// What a client knows of the game.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// What is expected next.
    pub phase: Phase,
    /// The own name, once logged in.
    pub name: Option<String>,
    /// The key that proves it.
    pub key: Option<String>,
    /// What there is, without what is staked.
    pub chips: Chips,
    /// The most chips of a bet.
    pub most: u32,
    /// The own table, from 1.
    pub table: u32,
    /// The round, from 1.
    pub round: u64,
    /// Everybody at the table, by seat.
    pub players: [Option<Player>; SEATS],
    /// The dealer's cards; the hidden one is `None`.
    pub dealer: Vec<Option<Card>>,
    /// Whose turn it is, with which hand (from 0).
    pub turn: Option<(String, usize)>,
    /// Whether doubling and splitting are possible in this turn.
    pub can: [bool; 2],
    /// When the time is up for what is waited for.
    pub until: Option<Instant>,
    /// The SHA-256 of the seed of this round.
    pub commitment: Option<String>,
    /// What came of the last round; it is there when the balance after it is.
    pub verdict: Option<Verdict>,
    /// The table of scores that was asked for last: name and chips won.
    pub scores: Vec<(String, Chips)>,
    /// Why the last request was not done.
    pub refused: Option<No>,
    verifier: Verifier,
    /// The nonces of the bets of this round.
    nonces: Vec<String>,
    /// The hash that came with the bet that was taken.
    hash: Option<String>,
}

/// What is expected next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// A name.
    #[default]
    Stranger,
    /// Taking a seat.
    Idle,
    /// A bet; the cards of the round before still lie there.
    Bet,
    /// The bets of the others.
    HasBet,
    /// The nonces, where somebody gave a hash.
    Reveal,
    /// Cards and turns.
    Playing,
    /// Nothing: the server said goodbye.
    Gone,
}

/// Somebody at the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Player {
    /// The name.
    pub name: String,
    /// The stake of this round, if it takes part.
    pub stake: Option<Chips>,
    /// Its hands.
    pub hands: Vec<Hand>,
}

/// A hand on the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hand {
    /// Its cards.
    pub cards: Vec<Card>,
    /// How it ended, what was staked, and what was paid.
    pub paid: Option<(Outcome, Chips, Chips)>,
}

/// A line that no table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUnderstood;

impl Client {
    /// The request for a bet whose nonce is hidden until all bets are in, which is noted
    /// as sent. The nonce must be one that nobody can guess, and a new one each time: 16
    /// random bytes will do. When the table says `REVEAL`, [`reveal`](Client::reveal)
    /// gives the request for that.
    pub fn bet(&mut self, chips: u32, nonce: &str) -> String {
        let hash = hash_of(nonce);
        let bet = Request::Bet(chips, Nonce::Hashed(&hash)).to_string();
        self.said(&bet);
        if self.nonces.len() < MAX_NONCES {
            self.nonces.push(nonce.to_owned());
        }
        bet
    }

    /// The request that reveals the nonce of the bet that was taken, if it is hidden:
    /// of several bets in one round the others were refused. It is to be
    /// [noted](Client::said) when it is sent.
    pub fn reveal(&self) -> Option<String> {
        let hash = self.hash.as_ref()?;
        let mut nonces = self.nonces.iter();
        let nonce = nonces.find(|nonce| hash_of(nonce) == *hash)?;
        Some(Request::Reveal(nonce).to_string())
    }

    /// Notes a request that was sent, to compare it with what the table says. Every
    /// request is to be noted, once and in the order in which they are sent: what was not
    /// said must not be done, and what was said is answered.
    pub fn said(&mut self, line: &str) {
        self.verifier.say(line);
    }

    /// Takes a line of the table, given without its end.
    ///
    /// # Errors
    /// A line that no table says changes nothing.
    pub fn receive<'a>(&mut self, line: &'a str, now: Instant) -> Result<Reply<'a>, NotUnderstood> {
        let reply = Reply::parse(line).filter(has_good_names);
        let reply = reply.ok_or(NotUnderstood)?;
        self.refused = None;
        if let Some(verdict) = self.verifier.hear(line) {
            self.verdict = Some(verdict);
        }
        self.take(&reply, now);
        Ok(reply)
    }

    /// The own place at the table.
    pub fn own(&self) -> Option<&Player> {
        let name = self.name.as_deref()?;
        let mut players = self.players.iter().flatten();
        players.find(|player| player.name == name)
    }

    /// Whether it is the own turn.
    pub fn is_own_turn(&self) -> bool {
        let turn = self.turn.as_ref().map(|(name, _)| name);
        turn.is_some() && turn == self.name.as_ref()
    }

    fn take(&mut self, reply: &Reply<'_>, now: Instant) {
        let after = |seconds| Some(games::after(now, Duration::from_secs(seconds)));
        match *reply {
            Reply::Greeting { most, .. } => self.most = most,
            Reply::Welcome { name, key, chips } => {
                self.name = Some(name.to_owned());
                self.key = Some(key.to_owned());
                self.chips = chips;
                if self.phase == Phase::Stranger {
                    self.phase = Phase::Idle;
                }
            }
            Reply::Seat { table, .. } => {
                self.table = table;
                self.players = Default::default();
                self.phase = Phase::Bet;
            }
            Reply::Sits { seat, name } => self.sit(seat, name),
            Reply::Stood(name) => self.stand(name),
            Reply::End(_) => {
                self.nonces.clear();
                self.hash = None;
            }
            Reply::Leaving | Reply::Help(_) | Reply::Seed(_) => {}
            Reply::Bets {
                round, commitment, ..
            } => self.open_bets(round, commitment),
            Reply::Bet {
                seat,
                name,
                chips,
                nonce,
            } => {
                if let (true, Nonce::Hashed(hash)) = (self.name.as_deref() == Some(name), nonce) {
                    self.hash = Some(hash.to_owned());
                }
                self.take_bet(seat, name, chips);
            }
            Reply::Closing(seconds) => self.until = after(seconds),
            Reply::Reveal(seconds) => {
                self.phase = Phase::Reveal;
                self.until = after(seconds);
            }
            Reply::Nonce { .. } => {}
            Reply::Void { .. } => self.until = None,
            Reply::Deal { .. } => {
                self.phase = Phase::Playing;
                self.until = None;
                self.clear_cards();
            }
            Reply::Card { who, hand, card } => self.take_card(who, hand, card),
            Reply::Turn {
                name,
                hand,
                seconds,
                can,
            } => {
                self.turn = Some((name.to_owned(), hand.saturating_sub(1)));
                self.can = can;
                self.until = after(seconds);
            }
            Reply::Act { name, hand, action } => {
                self.turn = None;
                self.act(name, hand, action);
            }
            Reply::Hole(card) => {
                if let Some(hidden) = self.dealer.iter_mut().find(|card| card.is_none()) {
                    *hidden = Some(card);
                }
                self.turn = None;
                self.until = None;
            }
            Reply::Pay {
                name,
                hand,
                outcome,
                stake,
                paid,
            } => {
                if let Some(hand) = self.hand(name, hand) {
                    hand.paid = Some((outcome, stake, paid));
                }
            }
            Reply::Balance(chips) => self.chips = chips,
            Reply::Idle => {
                self.phase = Phase::Idle;
                self.players = Default::default();
                self.dealer.clear();
                self.turn = None;
                self.until = None;
            }
            Reply::Top(_) => self.scores.clear(),
            Reply::Score { name, won, .. } => {
                if self.scores.len() < MAX_ROWS {
                    self.scores.push((name.to_owned(), won));
                }
            }
            Reply::No(no) => self.refused = Some(no),
            Reply::Bye => self.phase = Phase::Gone,
        }
    }

    fn sit(&mut self, seat: usize, name: &str) {
        if let Some(place) = self.players.get_mut(seat.wrapping_sub(1))
            && place.as_ref().is_none_or(|player| player.name != name)
        {
            *place = Some(Player {
                name: name.to_owned(),
                stake: None,
                hands: Vec::new(),
            });
        }
    }

    fn stand(&mut self, name: &str) {
        for place in &mut self.players {
            if place.as_ref().is_some_and(|player| player.name == name) {
                *place = None;
            }
        }
    }

    fn open_bets(&mut self, round: u64, commitment: &str) {
        self.phase = Phase::Bet;
        self.round = round;
        self.commitment = Some(commitment.to_owned());
        self.until = None;
        self.turn = None;
        for player in self.players.iter_mut().flatten() {
            player.stake = None;
        }
    }

    fn take_bet(&mut self, seat: usize, name: &str, chips: Chips) {
        self.sit(seat, name);
        if let Some(Some(player)) = self.players.get_mut(seat.wrapping_sub(1)) {
            player.stake = Some(chips);
        }
        if self.name.as_deref() == Some(name) {
            self.phase = Phase::HasBet;
            self.chips -= chips;
        }
    }

    fn clear_cards(&mut self) {
        self.dealer.clear();
        self.verdict = None;
        for player in self.players.iter_mut().flatten() {
            player.hands.clear();
        }
    }

    fn hand(&mut self, name: &str, hand: usize) -> Option<&mut Hand> {
        let mut players = self.players.iter_mut().flatten();
        let player = players.find(|player| player.name == name)?;
        let index = hand.checked_sub(1).filter(|index| *index < MAX_HANDS)?;
        while player.hands.len() <= index {
            player.hands.push(Hand::default());
        }
        player.hands.get_mut(index)
    }

    fn take_card(&mut self, who: &str, hand: usize, card: Option<Card>) {
        if who == DEALER {
            if self.dealer.len() < MAX_CARDS {
                self.dealer.push(card);
            }
        } else if let (Some(hand), Some(card)) = (self.hand(who, hand), card)
            && hand.cards.len() < MAX_CARDS
        {
            hand.cards.push(card);
        }
    }

    /// A split moves the second card into a new hand; splitting and doubling cost.
    fn act(&mut self, name: &str, hand: usize, action: super::Action) {
        use super::Action::{Double, Split};
        let own = self.name.as_deref() == Some(name);
        let mut players = self.players.iter_mut().flatten();
        let Some(player) = players.find(|player| player.name == name) else {
            return;
        };
        // Before it doubles or splits, a hand has the stake of the bet.
        let price = player.stake.unwrap_or_default();
        if own && matches!(action, Double | Split) {
            self.chips -= price;
        }
        if action == Split && player.hands.len() < MAX_HANDS {
            let index = hand.wrapping_sub(1);
            let second = player
                .hands
                .get_mut(index)
                .and_then(|hand| hand.cards.pop());
            let cards = second.into_iter().collect();
            player.hands.push(Hand { cards, paid: None });
        }
    }
}

/// Whether the names in a reply are names: a server could write anything there.
fn has_good_names(reply: &Reply<'_>) -> bool {
    match *reply {
        Reply::Welcome { name, key, .. } => is_name(name) && is_key(key),
        Reply::Card { who, .. } => is_name(who),
        Reply::Sits { name, .. }
        | Reply::Stood(name)
        | Reply::Bet { name, .. }
        | Reply::Nonce { name, .. }
        | Reply::Void { name, .. }
        | Reply::Turn { name, .. }
        | Reply::Act { name, .. }
        | Reply::Pay { name, .. }
        | Reply::Score { name, .. } => is_name(name),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_no_clock_can_show_is_a_long_one() {
        let longest = u64::MAX;
        for line in [
            format!("CLOSING {longest}"),
            format!("REVEAL {longest}"),
            format!("TURN ann 1 {longest} STAND"),
        ] {
            let mut client = Client::default();
            let now = Instant::now();
            client.receive(&line, now).unwrap();
            let year = Duration::from_secs(365 * 24 * 3_600);
            assert!(client.until.is_some_and(|end| end > now + year), "{line}");
        }
    }
}
