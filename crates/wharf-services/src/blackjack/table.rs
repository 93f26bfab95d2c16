//! One table: who sits where, who has bet what, and how far the round is.
//!
//! ```text
//!   betting ──── all have bet, or 20 s ────▶ revealing ──▶ playing ──▶ betting …
//!                                            (if hashes)
//! ```
//! A table says what is to be told to everybody who sits there, and what changes in
//! whose account; it does not know accounts.

use tokio::time::Instant;

use super::cards::Chips;
use super::fair::{Seed, Share, hash_of, shoe};
use super::grammar::{DEALER, Nonce, Reply};
use super::round::{Event, Round, most_hands};
use super::rules::{IDLE_ROUNDS, Rules, SEATS};
use crate::games::PlayerId;

/// Somebody who sits at a table.
#[derive(Debug)]
pub(super) struct Chair {
    pub(super) player: PlayerId,
    pub(super) name: String,
    pub(super) bet: Option<Bet>,
    pub(super) leaving: bool,
    idle_rounds: u32,
}

/// What somebody takes part with.
#[derive(Debug)]
pub(super) struct Bet {
    pub(super) stake: Chips,
    pub(super) nonce: Given,
}

/// A nonce, as it was given.
#[derive(Debug)]
pub(super) enum Given {
    None,
    Open(String),
    Hashed(String),
}

#[derive(Debug)]
pub(super) enum Phase {
    Betting,
    Revealing,
    /// The round, and the seats of those who take part.
    Playing(Box<Round>, Vec<usize>),
}

/// Somebody's hand was paid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Payment {
    pub(super) player: PlayerId,
    pub(super) stake: Chips,
    pub(super) paid: Chips,
}

/// Who may sit at a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    Anybody,
    /// Whoever asked for it.
    Alone,
}

#[derive(Debug)]
pub(super) struct Table {
    pub(super) number: u32,
    pub(super) company: Company,
    pub(super) chairs: [Option<Chair>; SEATS],
    pub(super) phase: Phase,
    /// When the phase, or the turn, ends by itself.
    pub(super) until: Option<Instant>,
    /// The time under which it stands among what is due.
    pub(super) queued: Option<Instant>,
    pub(super) round: u64,
    seed: Seed,
    decks: u32,
    /// What was said in this round, for those who come or come back.
    pub(super) said: Vec<String>,
    /// What is still to be said to everybody here.
    pub(super) news: Vec<String>,
}

impl Table {
    pub(super) fn new(number: u32, company: Company, seed: Seed, rules: &Rules) -> Self {
        let mut table = Table {
            number,
            company,
            chairs: Default::default(),
            phase: Phase::Betting,
            until: None,
            queued: None,
            round: 0,
            seed,
            decks: rules.decks,
            said: Vec::new(),
            news: Vec::new(),
        };
        table.open_bets(seed);
        table
    }

    /// Says something that belongs to the round.
    pub(super) fn say(&mut self, reply: &Reply<'_>) {
        let line = reply.to_string();
        self.said.push(line.clone());
        self.news.push(line);
    }

    /// Begins a round: from now on its seed is fixed.
    pub(super) fn open_bets(&mut self, seed: Seed) {
        self.phase = Phase::Betting;
        self.until = None;
        self.round += 1;
        self.seed = seed;
        self.said.clear();
        let commitment = &*seed.commitment();
        let (round, decks) = (self.round, self.decks);
        self.say(&Reply::Bets {
            round,
            decks,
            commitment,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chairs.iter().all(Option::is_none)
    }

    /// A seat that somebody could take.
    pub(super) fn free_seat(&self) -> Option<usize> {
        let places = match self.company {
            Company::Alone => 1,
            Company::Anybody => SEATS,
        };
        self.chairs[..places].iter().position(Option::is_none)
    }

    pub(super) fn sit(&mut self, seat: usize, player: PlayerId, name: &str) {
        self.chairs[seat] = Some(Chair {
            player,
            name: name.to_owned(),
            bet: None,
            leaving: false,
            idle_rounds: 0,
        });
    }

    /// Takes a bet; the chips are already taken.
    pub(super) fn bet(&mut self, seat: usize, stake: Chips, nonce: Nonce<'_>) {
        let Some(chair) = &mut self.chairs[seat] else {
            return;
        };
        let given = match nonce {
            Nonce::None => Given::None,
            Nonce::Open(nonce) => Given::Open(nonce.to_owned()),
            Nonce::Hashed(hash) => Given::Hashed(hash.to_owned()),
        };
        chair.bet = Some(Bet {
            stake,
            nonce: given,
        });
        let name = &*chair.name.clone();
        self.say(&Reply::Bet {
            seat: seat + 1,
            name,
            chips: stake,
            nonce,
        });
    }

    /// Whether everybody who sits here has bet.
    pub(super) fn all_have_bet(&self) -> bool {
        let mut chairs = self.chairs.iter().flatten();
        !self.is_empty() && chairs.all(|chair| chair.bet.is_some())
    }

    /// Takes no more bets; whether some nonces are still hidden.
    pub(super) fn close_bets(&mut self) -> bool {
        for chair in self.chairs.iter_mut().flatten() {
            chair.idle_rounds = match chair.bet {
                Some(_) => 0,
                None => chair.idle_rounds + 1,
            };
        }
        self.hides_nonces()
    }

    pub(super) fn hides_nonces(&self) -> bool {
        self.bets()
            .any(|(_, _, bet)| matches!(bet.nonce, Given::Hashed(_)))
    }

    fn bets(&self) -> impl Iterator<Item = (usize, &Chair, &Bet)> {
        let chairs = self.chairs.iter().enumerate();
        chairs.filter_map(|(seat, chair)| {
            let chair = chair.as_ref()?;
            Some((seat, chair, chair.bet.as_ref()?))
        })
    }

    /// Takes the nonce whose hash was given; false if it has another one.
    pub(super) fn reveal(&mut self, seat: usize, nonce: &str) -> bool {
        let Some(chair) = &mut self.chairs[seat] else {
            return false;
        };
        let Some(bet) = &mut chair.bet else {
            return false;
        };
        match &bet.nonce {
            Given::Hashed(hash) if *hash == hash_of(nonce) => {}
            _ => return false,
        }
        bet.nonce = Given::Open(nonce.to_owned());
        let name = &*chair.name.clone();
        let seat = seat + 1;
        self.say(&Reply::Nonce { seat, name, nonce });
        true
    }

    /// Deals; gives what is paid at once.
    pub(super) fn deal(&mut self) -> Vec<Payment> {
        let shares = self.bets().map(|(seat, chair, bet)| Share {
            seat: seat + 1,
            name: &chair.name,
            nonce: match &bet.nonce {
                Given::Open(nonce) => nonce,
                Given::None | Given::Hashed(_) => "-",
            },
        });
        let cards = shoe(&self.seed.text(), shares, self.decks);
        let seats: Vec<usize> = self.bets().map(|(seat, ..)| seat).collect();
        let stakes: Vec<Chips> = self.bets().map(|(_, _, bet)| bet.stake).collect();
        let (round, players) = (self.round, seats.len());
        self.say(&Reply::Deal { round, players });
        let mut seen = Vec::new();
        let round = Round::deal(cards, stakes, most_hands(self.decks), &mut seen);
        self.phase = Phase::Playing(Box::new(round), seats);
        self.tell_all(&seen)
    }

    /// Says what happened, and gives what is paid.
    pub(super) fn tell_all(&mut self, seen: &[Event]) -> Vec<Payment> {
        let Phase::Playing(_, seats) = &self.phase else {
            return Vec::new();
        };
        let chairs = || seats.iter().filter_map(|seat| self.chairs[*seat].as_ref());
        let names: Vec<String> = chairs().map(|chair| chair.name.clone()).collect();
        let players: Vec<PlayerId> = chairs().map(|chair| chair.player).collect();
        let mut payments = Vec::new();
        for event in seen {
            self.say(&narrate(event, &names));
            if let Event::Pay {
                player,
                stake,
                paid,
                ..
            } = *event
            {
                let player = players[player];
                payments.push(Payment {
                    player,
                    stake,
                    paid,
                });
            }
        }
        payments
    }

    /// The seat and the hand whose turn it is.
    pub(super) fn turn(&self) -> Option<(usize, usize)> {
        let Phase::Playing(round, seats) = &self.phase else {
            return None;
        };
        let (player, hand) = round.turn()?;
        Some((*seats.get(player)?, hand))
    }

    pub(super) fn playing(&mut self) -> Option<&mut Round> {
        match &mut self.phase {
            Phase::Playing(round, _) => Some(round),
            _ => None,
        }
    }

    /// Ends a round whose nonces did not all come: gives what each gets back. Who made it
    /// void gives up its seat after it, or one player could keep a table from playing.
    pub(super) fn void(&mut self) -> Vec<Payment> {
        let mut payments = Vec::new();
        let mut late = Vec::new();
        for (_, chair, bet) in self.bets() {
            let is_late = matches!(bet.nonce, Given::Hashed(_));
            if is_late {
                late.push(chair.name.clone());
            }
            payments.push(Payment {
                player: chair.player,
                stake: bet.stake,
                paid: if is_late { Chips::ZERO } else { bet.stake },
            });
        }
        for chair in self.chairs.iter_mut().flatten() {
            chair.leaving |= late.contains(&chair.name);
        }
        let round = self.round;
        for name in &late {
            self.say(&Reply::Void { round, name });
        }
        payments
    }

    /// Says what the commitment was made of, and takes the bets away.
    pub(super) fn end(&mut self) {
        let seed = &*self.seed.text();
        self.say(&Reply::Seed(seed));
        self.say(&Reply::End(self.round));
        for chair in self.chairs.iter_mut().flatten() {
            chair.bet = None;
        }
    }

    /// Who gives up its seat after the round.
    pub(super) fn leaving(&self) -> Vec<usize> {
        let leaves = |chair: &Chair| chair.leaving || chair.idle_rounds >= IDLE_ROUNDS;
        let chairs = self.chairs.iter().enumerate();
        let leaving = chairs.filter(|(_, chair)| chair.as_ref().is_some_and(leaves));
        leaving.map(|(seat, _)| seat).collect()
    }
}

/// The line for something that everybody sees; `names` are those of the players.
pub(super) fn narrate<'a>(event: &Event, names: &'a [String]) -> Reply<'a> {
    let name = |player: usize| names.get(player).map_or("", |name| &**name);
    match *event {
        Event::Card(player, hand, card) => Reply::Card {
            who: name(player),
            hand: hand + 1,
            card: Some(card),
        },
        Event::Dealer(card) => Reply::Card {
            who: DEALER,
            hand: 1,
            card,
        },
        Event::Hole(card) => Reply::Hole(card),
        Event::Act(player, hand, action) => Reply::Act {
            name: name(player),
            hand: hand + 1,
            action,
        },
        Event::Pay {
            player,
            hand,
            outcome,
            stake,
            paid,
        } => Reply::Pay {
            name: name(player),
            hand: hand + 1,
            outcome,
            stake,
            paid,
        },
    }
}
