//! A round that is going on: what everybody at the table was told, in which order, and
//! whether the seed makes it so.

use super::verdict::{Finding, Findings, Kind, Problem, Verdict};
use crate::blackjack::cards::Chips;
use crate::blackjack::fair::{Share, hash_of, is_nonce, shoe};
use crate::blackjack::grammar::{Nonce, Reply};
use crate::blackjack::round::{Action, Round, most_hands};
use crate::blackjack::rules::{MAX_DECKS, SEATS};
use crate::blackjack::table::narrate;

/// The most lines of one round that are kept: more than a full table can cause.
const MAX_LINES: usize = 4_096;

/// How far a round is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Bets are taken.
    Betting,
    /// All bets are in, and nonces are revealed.
    Sealed,
    /// The shoe is fixed; the cards are dealt and played.
    Dealt,
    /// A nonce did not come.
    Void,
    /// The seed was told.
    Told,
}

/// A round that has begun.
#[derive(Clone, Debug)]
pub(super) struct Open {
    round: u64,
    decks: u32,
    commitment: String,
    stage: Stage,
    /// The nonces were asked for: `REVEAL` was heard.
    asked: bool,
    bets: Vec<Bet>,
    /// All that the whole table is told and is told again, from `BETS` on, without the
    /// words for people.
    log: Vec<String>,
    /// How many of these lines were told again; all, when nothing is being told again.
    retold: usize,
    /// How many of them stand before the deal.
    before_deal: usize,
    actions: Vec<Action>,
    seed: Option<String>,
    late: Vec<String>,
    findings: Findings,
}

#[derive(Clone, Debug)]
struct Bet {
    seat: usize,
    name: String,
    stake: Chips,
    nonce: String,
    hash: Option<String>,
}

/// A line without the words for people.
pub(super) fn fields(reply: &Reply<'_>) -> String {
    let line = reply.to_string();
    line.split(" -- ").next().unwrap_or_default().to_owned()
}

impl Open {
    /// The round that this `BETS` begins.
    pub(super) fn new(bets: &Reply<'_>, round: u64, decks: u32, commitment: &str) -> Self {
        Open {
            round,
            decks,
            commitment: commitment.to_owned(),
            stage: Stage::Betting,
            asked: false,
            bets: Vec::new(),
            log: vec![fields(bets)],
            retold: 1,
            before_deal: 0,
            actions: Vec::new(),
            seed: None,
            late: Vec::new(),
            findings: Findings::default(),
        }
    }

    /// Notes that something is wrong, or cannot be decided.
    pub(super) fn wrong(&mut self, finding: impl Into<Finding>) {
        self.findings.add(finding);
    }

    pub(super) fn wrong_before(&mut self, findings: Findings) {
        self.findings.add_all(findings);
    }

    fn out_of_place(&mut self, line: String, why: &'static str) {
        self.wrong(Problem::Order { line, why });
    }

    /// Whether this `BETS` is the one that began this round; then what follows is told
    /// again, and must be the same.
    pub(super) fn begins_again(&mut self, bets: &Reply<'_>) -> bool {
        let same = self.log.first().is_some_and(|line| *line == fields(bets));
        if same {
            self.retold = 1;
        }
        same
    }

    /// What is told again, is told again whole.
    pub(super) fn end_retelling(&mut self, because: &Reply<'_>) {
        if self.retold < self.log.len() {
            self.retold = self.log.len();
            self.out_of_place(fields(because), "comes before all was told again");
        }
    }

    /// The nonces are asked for.
    pub(super) fn ask(&mut self, reply: &Reply<'_>) {
        self.end_retelling(reply);
        if self.stage > Stage::Sealed {
            return self.out_of_place(fields(reply), "comes after the deal");
        }
        self.stage = Stage::Sealed;
        self.asked = true;
    }

    /// The seed is told.
    pub(super) fn tell_seed(&mut self, reply: &Reply<'_>, seed: &str) {
        self.end_retelling(reply);
        match self.stage {
            Stage::Dealt | Stage::Void => {
                self.stage = Stage::Told;
                self.seed = Some(seed.to_owned());
            }
            Stage::Told => self.out_of_place(fields(reply), "comes twice"),
            Stage::Betting | Stage::Sealed => {
                self.out_of_place(fields(reply), "comes before the deal");
            }
        }
    }

    /// Takes what the whole table is told. Whether it is new, and in its place.
    pub(super) fn take(&mut self, reply: &Reply<'_>) -> bool {
        let now = fields(reply);
        if let Some(before) = self.log.get(self.retold) {
            if *before == now {
                self.retold += 1;
            } else {
                let before = before.clone();
                self.retold = self.log.len();
                self.wrong(Problem::Retold { before, now });
            }
            return false;
        }
        if let Err(why) = self.goes_on(reply) {
            self.out_of_place(now, why);
            return false;
        }
        if self.log.len() == MAX_LINES {
            self.wrong(Problem::Senseless);
            return false;
        }
        self.log.push(now);
        self.retold = self.log.len();
        self.note(reply);
        true
    }

    /// The stage to which a line leads, where it has its place.
    fn goes_on(&mut self, reply: &Reply<'_>) -> Result<(), &'static str> {
        use Stage::{Betting, Dealt, Sealed, Told, Void};
        self.stage = match (reply, self.stage) {
            (Reply::Bet { .. }, Betting) => Betting,
            (Reply::Bet { .. }, _) => return Err("comes when all bets were in"),
            (Reply::Nonce { .. }, Betting | Sealed) => Sealed,
            (Reply::Nonce { .. }, _) => return Err("comes after the deal"),
            (Reply::Void { round, .. }, _) if *round != self.round => {
                return Err("is about another round");
            }
            (Reply::Void { .. }, Sealed | Void) if self.asked => Void,
            (Reply::Void { .. }, Dealt | Told) => return Err("comes after the deal"),
            (Reply::Void { .. }, _) => return Err("comes before the nonces were asked for"),
            (Reply::Deal { .. }, Betting | Sealed) => {
                self.before_deal = self.log.len();
                Dealt
            }
            (Reply::Deal { .. }, _) => return Err("comes after the deal"),
            (_, Dealt) => Dealt,
            (_, Betting | Sealed) => return Err("comes before the deal"),
            (_, Void) => return Err("comes in a round that is void"),
            (_, Told) => return Err("comes after the seed"),
        };
        Ok(())
    }

    fn note(&mut self, reply: &Reply<'_>) {
        match *reply {
            Reply::Bet {
                seat,
                name,
                chips,
                nonce,
            } => self.bet(reply, (seat, name, chips), nonce),
            Reply::Nonce { seat, name, nonce } => self.reveal(seat, name, nonce),
            Reply::Void { name, .. } => self.void(reply, name),
            Reply::Act { action, .. } => self.actions.push(action),
            _ => {}
        }
    }

    fn bet(
        &mut self,
        reply: &Reply<'_>,
        (seat, name, stake): (usize, &str, Chips),
        nonce: Nonce<'_>,
    ) {
        if !(1..=SEATS).contains(&seat) {
            return self.out_of_place(fields(reply), "is at a seat that does not exist");
        }
        if self.bet_of(name).is_some() {
            return self.out_of_place(fields(reply), "is a second bet");
        }
        if self.bets.iter().any(|bet| bet.seat == seat) {
            return self.out_of_place(fields(reply), "is at a seat that is taken");
        }
        let (nonce, hash) = match nonce {
            Nonce::Hashed(hash) => ("", Some(hash.to_owned())),
            Nonce::Open(nonce) => (nonce, None),
            Nonce::None => ("-", None),
        };
        self.bets.push(Bet {
            seat,
            name: name.to_owned(),
            stake,
            nonce: nonce.to_owned(),
            hash,
        });
    }

    /// Names that differ in letter case only are one name.
    fn bet_of(&self, name: &str) -> Option<&Bet> {
        let mut bets = self.bets.iter();
        bets.find(|bet| bet.name.eq_ignore_ascii_case(name))
    }

    fn reveal(&mut self, seat: usize, name: &str, nonce: &str) {
        let mut bets = self.bets.iter_mut();
        let Some(bet) = bets.find(|bet| bet.name == name && bet.seat == seat) else {
            return self.wrong(Problem::Senseless);
        };
        nonce.clone_into(&mut bet.nonce);
        if bet.hash.take().is_none_or(|hash| hash != hash_of(nonce)) {
            self.wrong(Problem::NonceHash(name.to_owned()));
        }
    }

    /// Only who has not revealed can have made a round void.
    fn void(&mut self, reply: &Reply<'_>, name: &str) {
        if self.hash_of_bet(name).is_none() {
            return self.out_of_place(fields(reply), "names somebody whose nonce is there");
        }
        if self.late.iter().any(|late| late == name) {
            return self.out_of_place(fields(reply), "comes twice");
        }
        self.late.push(name.to_owned());
    }

    /// Whether somebody has bet.
    pub(super) fn has_bets(&self) -> bool {
        !self.bets.is_empty()
    }

    /// Whether somebody of this name has bet.
    pub(super) fn has_bet(&self, name: &str) -> bool {
        self.bet_of(name).is_some()
    }

    /// What somebody has bet.
    pub(super) fn stake_of(&self, name: &str) -> Chips {
        self.bet_of(name).map_or(Chips::ZERO, |bet| bet.stake)
    }

    /// The hash of a nonce that is still hidden.
    fn hash_of_bet(&self, name: &str) -> Option<&str> {
        self.bet_of(name)?.hash.as_deref()
    }

    /// Whether somebody is asked for just this nonce.
    pub(super) fn asks_for(&self, name: &str, nonce: &str) -> bool {
        self.stage == Stage::Sealed && self.asked && self.hides(name, nonce)
    }

    /// Whether this is the nonce that somebody's bet hides.
    pub(super) fn hides(&self, name: &str, nonce: &str) -> bool {
        let hash = self.hash_of_bet(name);
        is_nonce(nonce) && hash.is_some_and(|hash| hash == hash_of(nonce))
    }

    /// What somebody has back from a round that is void.
    pub(super) fn given_back(&self, name: &str) -> Chips {
        match self.late.is_empty() || self.hash_of_bet(name).is_some() {
            true => Chips::ZERO,
            false => self.stake_of(name),
        }
    }
}

impl Open {
    /// The end of the round.
    pub(super) fn end(mut self, reply: &Reply<'_>, round: u64) -> Verdict {
        self.end_retelling(reply);
        if round != self.round {
            self.out_of_place(fields(reply), "is the end of another round");
        }
        self.bets.sort_by_key(|bet| bet.seat);
        let seed = self.seed.take().unwrap_or_default();
        if hash_of(&seed) != self.commitment {
            self.wrong(Problem::Commitment);
        }
        if self.late.is_empty() {
            self.deal_again(&seed);
            return self.verdict(Kind::Dealt);
        }
        self.name_all_late();
        self.verdict(Kind::Void)
    }

    /// What there is to say of a round whose end is not known.
    pub(super) fn unfinished(self) -> Verdict {
        self.verdict(Kind::Unfinished)
    }

    /// Whether there is something to say of it, though its end is not known.
    pub(super) fn is_worth_a_word(&self) -> bool {
        self.has_bets() || self.is_wrong()
    }

    pub(super) fn is_wrong(&self) -> bool {
        !self.findings.is_empty()
    }

    fn verdict(self, kind: Kind) -> Verdict {
        let begin_with = |code: &str| {
            let lines = self.log.iter();
            lines.filter(|line| line.starts_with(code)).count()
        };
        // The dealer's second card is told twice, hidden and open.
        let counts = [self.bets.len(), begin_with("CARD "), begin_with("PAY ")];
        Verdict {
            round: self.round,
            kind,
            late: self.late,
            counts,
            problems: self.findings.problems,
            doubts: self.findings.doubts,
        }
    }

    /// Whoever did not reveal loses its stake, whoever else did not.
    fn name_all_late(&mut self) {
        let hidden = self.bets.iter().filter(|bet| bet.hash.is_some());
        let hidden: Vec<String> = hidden.map(|bet| bet.name.clone()).collect();
        for name in hidden {
            if !self.late.contains(&name) {
                let round = self.round;
                let expected = fields(&Reply::Void { round, name: &name });
                self.wrong(Problem::Line {
                    expected,
                    found: String::new(),
                });
            }
        }
    }

    fn deal_again(&mut self, seed: &str) {
        let hidden = self.bets.iter().filter(|bet| bet.hash.is_some());
        let hidden: Vec<String> = hidden.map(|bet| bet.name.clone()).collect();
        for name in hidden {
            self.wrong(Problem::Hidden(name));
        }
        if self.bets.is_empty() || !(1..=MAX_DECKS).contains(&self.decks) {
            return self.wrong(Problem::Senseless);
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
            .map(|reply| fields(&reply))
            .collect();
        self.compare(&expected);
        if refused && self.findings.problems.is_empty() {
            let last = self.log.last().cloned().unwrap_or_default();
            self.wrong(Problem::Act(last));
        }
    }

    fn compare(&mut self, expected: &[String]) {
        // Without a deal nothing of it was told.
        let from = match self.before_deal {
            0 => self.log.len(),
            from => from,
        };
        let played = self.log.split_off(from);
        for index in 0..expected.len().max(played.len()) {
            let expected = expected.get(index).cloned().unwrap_or_default();
            let found = played.get(index).cloned().unwrap_or_default();
            if expected != found {
                self.wrong(Problem::Line { expected, found });
            }
        }
        self.log.extend(played);
    }
}
