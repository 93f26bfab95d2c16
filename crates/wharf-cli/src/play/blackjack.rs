//! Blackjack as a player sees it.

use crossterm::event::KeyCode;
use ratatui::Frame;
use tokio::time::Instant;
use wharf::network::Platform;
use wharf_services::blackjack::{
    Action, Card, Chips, Client, Kind, No, Outcome, Phase, Reply, Request, Verdict, Where, total,
};

use super::pictures::Look;
use super::table::{
    Because, Company, Do, Heard, NAME_IN_USE, NO_NAME, NOT_UNDERSTOOD, NotUnderstood, Notice,
    Overlay, Table, parting,
};

mod view;

/// The first bet, and by how much one key changes it.
const FIRST_BET: u32 = 10;
const STEP: u32 = 5;

/// A player's view of a table.
pub(super) struct Blackjack {
    client: Client,
    wanted: (String, Option<String>),
    company: Company,
    look: Look,
    bet: u32,
    /// The round of the cards that lie on the table.
    dealt: u64,
    overlay: Overlay,
    notice: Notice,
    /// Back with a key, it is not known yet whether there is a seat.
    returns: bool,
    /// Something was asked that a balance answers; others come by themselves.
    awaits_balance: bool,
}

impl Blackjack {
    pub(super) fn new(name: String, key: Option<String>, company: Company, look: Look) -> Self {
        Blackjack {
            client: Client::default(),
            wanted: (name, key),
            company,
            look,
            bet: FIRST_BET,
            dealt: 0,
            overlay: Overlay::None,
            notice: Notice::default(),
            returns: false,
            awaits_balance: false,
        }
    }

    /// Says something; what is said is compared with what is done for it.
    fn say(&mut self, request: Request<'_>) -> Do {
        let line = request.to_string();
        self.client.said(&line);
        Do::Send(line)
    }

    /// Bets; what is added to the shuffle is hidden until all bets are in.
    fn place(&mut self, chips: u32) -> Do {
        let mut random = [0; 16];
        Platform::os().random(&mut random);
        let nonce: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        self.bet = chips;
        Do::Send(self.client.bet(chips, &nonce))
    }

    fn sit(&self) -> Request<'static> {
        Request::Sit(match self.company {
            Company::House => Where::Alone,
            Company::Others => Where::Anywhere,
        })
    }

    fn is_broke(&self) -> bool {
        self.client.chips < Chips::whole(1)
    }

    /// The bet that would be placed: no more than there is.
    fn stake(&self) -> u32 {
        let most = self.client.most.max(1);
        let affordable = (1..=self.bet.min(most)).rev();
        let mut affordable = affordable.filter(|bet| Chips::whole(*bet) <= self.client.chips);
        affordable.next().unwrap_or(1)
    }

    fn who(&self, name: &str) -> String {
        match self.client.name.as_deref() == Some(name) {
            true => "you".to_owned(),
            false => name.to_owned(),
        }
    }

    /// Whether a line comes by itself. What somebody does is told to the whole table, and
    /// is the answer to whoever did it.
    fn because(&self, reply: &Reply<'_>) -> Because {
        let is_own = |name: &str| self.client.name.as_deref() == Some(name);
        match *reply {
            Reply::Bet { name, .. } | Reply::Nonce { name, .. } | Reply::Act { name, .. }
                if is_own(name) =>
            {
                Because::Asked
            }
            Reply::Greeting { .. }
            | Reply::Welcome { .. }
            | Reply::Seat { .. }
            | Reply::Idle
            | Reply::Leaving
            | Reply::Top(_)
            | Reply::Help(_)
            | Reply::No(_)
            | Reply::Bye => Because::Asked,
            Reply::Balance(_) if self.awaits_balance => Because::Asked,
            _ => Because::Happened,
        }
    }

    /// What a reply means, in a sentence; told in pipes.
    fn sentence(&self, reply: &Reply<'_>) -> Option<String> {
        let own = |name: &str| self.client.name.as_deref() == Some(name);
        let hand_of = |name: &str, hand: usize| {
            let player = self
                .client
                .players
                .iter()
                .flatten()
                .find(|player| player.name == name);
            let cards = player.and_then(|player| player.hands.get(hand.wrapping_sub(1)));
            cards.map_or_else(String::new, |hand| self.words(&hand.cards))
        };
        Some(match *reply {
            Reply::Welcome { name, chips, .. } => format!("you are {name}, with {chips} chips"),
            Reply::Seat { table, .. } if self.company == Company::Others => {
                format!("you sit at table {table}")
            }
            Reply::Sits { name, .. } if !own(name) => format!("{name} sits here"),
            Reply::Stood(name) => format!("{name} has left the table"),
            Reply::Bet { name, chips, .. } if own(name) => format!("you bet {chips}"),
            Reply::Bet { name, chips, .. } => format!("{name} bets {chips}"),
            Reply::Void { name, .. } => format!("the round is void: {name} did not reveal"),
            Reply::Card {
                who,
                hand,
                card: Some(_),
            } if who != "DEALER" => {
                let cards = hand_of(who, hand);
                if !cards.contains(' ') {
                    return None;
                }
                let verb = if own(who) { "have" } else { "has" };
                format!("{} {verb} {cards}", self.who(who))
            }
            Reply::Card {
                card: Some(card), ..
            } => match self.client.dealer.len() {
                1 => format!("the dealer shows {}", self.one(card)),
                _ => format!("the dealer draws {}", self.one(card)),
            },
            Reply::Hole(_) => format!("the dealer has {}", self.dealer()),
            Reply::Act { name, action, .. } if !own(name) => {
                format!("{name}: {}", action.word().to_lowercase())
            }
            Reply::Pay {
                name,
                outcome,
                paid,
                ..
            } => {
                let verb = if own(name) { "get" } else { "gets" };
                format!(
                    "{}: {}, {} {verb} {paid}",
                    self.who(name),
                    ended(outcome),
                    self.who(name)
                )
            }
            Reply::Balance(chips) => format!("you have {chips} chips"),
            Reply::Score { rank, name, won } => format!("{rank:>3}  {name:16}  {won} won"),
            Reply::No(no) => self.refusal(no).to_owned(),
            _ => return None,
        })
    }

    /// Why something was not done, for somebody who does not see the protocol.
    fn refusal(&self, no: No) -> &'static str {
        match no {
            No::NotNow if self.client.phase == Phase::Idle => "take a seat first",
            No::NotNow => "not at this point of the round",
            No::Seat => "take a seat first",
            No::Table => "there is no free seat at that table; sit finds one",
            No::Nonce => "the server does not take what you add to the shuffle",
            No::InUse => NAME_IN_USE,
            No::Request | No::Line => NOT_UNDERSTOOD,
            No::Login => NO_NAME,
            no => no.for_people(),
        }
    }

    /// What a screen shows of it. Its keys ask only for what can be done as things stand,
    /// so some refusals can only mean that a key crossed what came meanwhile.
    fn notice(&mut self, no: No, now: Instant) {
        match no {
            No::NotNow | No::Turn | No::HasBet | No::Hand | No::NotBroke | No::LoggedIn => {}
            No::Table => self.notice.for_longer("there is no free seat"),
            no => {
                let words = self.refusal(no);
                self.notice.for_a_moment(words, now);
            }
        }
    }

    fn one(&self, card: Card) -> String {
        self.look.card(card).content.into_owned()
    }

    fn words(&self, cards: &[Card]) -> String {
        let cards_text: Vec<String> = cards.iter().map(|card| self.one(*card)).collect();
        format!("{} = {}", cards_text.join(" "), points(cards))
    }

    fn dealer(&self) -> String {
        let cards: Vec<Card> = self.client.dealer.iter().copied().flatten().collect();
        self.words(&cards)
    }
}

/// What a hand is worth, in words.
fn points(cards: &[Card]) -> String {
    let worth = total(cards);
    let soft = if worth.soft && worth.points < 21 {
        "soft "
    } else {
        ""
    };
    format!("{soft}{}", worth.points)
}

fn ended(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Natural => "a natural",
        Outcome::Win => "won",
        Outcome::Push => "as good as the dealer",
        Outcome::Lose => "lost",
        Outcome::Bust => "bust",
    }
}

/// What the check of a round says.
fn judged(verdict: &Verdict) -> String {
    let (problem, doubt) = (verdict.problems.first(), verdict.doubts.first());
    // What the table said must not command a terminal.
    let visible = |words: String| crate::failure::visible(&words);
    match (problem, doubt, verdict.kind) {
        (Some(problem), ..) => format!("NOT FAIR: {}", visible(problem.to_string())),
        (None, None, Kind::Dealt) => "dealt again and found fair".to_owned(),
        (None, None, Kind::Void) => "the seed is the one that was promised".to_owned(),
        (None, _, Kind::Unfinished) => {
            "its end was missed, so it is not known to be fair".to_owned()
        }
        (None, Some(doubt), _) => format!("not known to be fair: {}", visible(doubt.to_string())),
    }
}

impl Table for Blackjack {
    fn hear(&mut self, line: &str, now: Instant) -> Result<Heard, NotUnderstood> {
        let (before, chips) = (self.client.phase, self.client.chips);
        let judged_before = self.client.verdict.clone();
        let reply = self.client.receive(line, now).map_err(|_| NotUnderstood)?;
        let mut heard = Heard {
            tell: self.sentence(&reply),
            because: self.because(&reply),
            ..Heard::default()
        };
        if heard.because == Because::Asked {
            self.awaits_balance = false;
        }
        match reply {
            Reply::Greeting { .. } => {
                let (name, key) = &self.wanted;
                heard
                    .send
                    .push(Request::Hello(name, key.as_deref()).to_string());
            }
            // Who comes back may have a seat already.
            Reply::Welcome { .. } if before == Phase::Stranger => {
                self.returns = self.wanted.1.is_some();
                heard.send.push(match self.returns {
                    true => Request::Again.to_string(),
                    false => self.sit().to_string(),
                });
            }
            Reply::Idle if std::mem::take(&mut self.returns) => {
                heard.send.push(self.sit().to_string());
            }
            Reply::Seat { .. } => self.returns = false,
            // Nothing new.
            Reply::Balance(told) if told == chips => heard.tell = None,
            Reply::Reveal(_) => heard.send.extend(self.client.reveal()),
            Reply::Deal { round, .. } => self.dealt = round,
            Reply::Top(_) => self.overlay = Overlay::Scores,
            Reply::No(no @ (No::InUse | No::Name | No::Full)) if before == Phase::Stranger => {
                heard.over = Some(format!("as {}: {}", self.wanted.0, self.refusal(no)));
            }
            Reply::No(no) => self.notice(no, now),
            _ => {}
        }
        for request in &heard.send {
            self.client.said(request);
        }
        // The verdict on a round comes with the balance after it.
        let verdict = self.client.verdict.as_ref();
        if let Some(verdict) = verdict.filter(|new| judged_before.as_ref() != Some(new)) {
            let told = heard
                .tell
                .map_or_else(String::new, |told| format!("\n{told}"));
            heard.tell = Some(judged(verdict) + &told);
        }
        Ok(heard)
    }

    fn key(&mut self, key: KeyCode) -> Do {
        self.notice.clear();
        if self.overlay.closed_by(key) {
            return Do::Draw;
        }
        let own_turn = self.client.is_own_turn();
        let most = self.client.most.max(1);
        match (key, self.client.phase) {
            (KeyCode::Enter | KeyCode::Char(' '), Phase::Bet) if !self.is_broke() => {
                let stake = self.stake();
                self.place(stake)
            }
            (KeyCode::Up | KeyCode::Right | KeyCode::Char('+'), Phase::Bet) => {
                self.bet = (self.stake() + STEP).min(most);
                Do::Draw
            }
            (KeyCode::Down | KeyCode::Left | KeyCode::Char('-'), Phase::Bet) => {
                self.bet = self.stake().saturating_sub(STEP).max(1);
                Do::Draw
            }
            (KeyCode::Enter, Phase::Idle) => {
                let sit = self.sit();
                self.say(sit)
            }
            (KeyCode::Char(letter), phase) => match letter.to_ascii_lowercase() {
                'q' => Do::Quit,
                't' => self.say(Request::Top),
                '?' => {
                    self.overlay = Overlay::Help;
                    Do::Draw
                }
                'b' if phase == Phase::Bet && self.is_broke() => self.say(Request::Buy),
                'h' if own_turn => self.say(Request::Act(Action::Hit)),
                's' if own_turn => self.say(Request::Act(Action::Stand)),
                'd' if own_turn && self.client.can[0] => self.say(Request::Act(Action::Double)),
                'p' if own_turn && self.client.can[1] => self.say(Request::Act(Action::Split)),
                _ => Do::Draw,
            },
            _ => Do::Draw,
        }
    }

    fn word(&mut self, word: &str) -> Option<Do> {
        if ["quit", "q", "exit"].contains(&word) {
            return Some(Do::Quit);
        }
        if word.is_empty() {
            return Some(Do::Nothing);
        }
        if let Ok(chips) = word.parse() {
            return Some(self.place(chips));
        }
        match Request::parse(word)? {
            Request::Hello(..) | Request::Help | Request::Reveal(_) => None,
            Request::Bet(chips, wharf_services::blackjack::Nonce::None) => Some(self.place(chips)),
            Request::Bye => Some(Do::Quit),
            request => {
                self.awaits_balance = matches!(request, Request::Balance | Request::Buy);
                Some(self.say(request))
            }
        }
    }

    fn question(&self) -> Option<String> {
        match self.client.phase {
            Phase::Bet if self.is_broke() => Some("no chips left: buy, or quit?".into()),
            Phase::Bet => Some(format!(
                "you have {}: how many do you bet?",
                self.client.chips
            )),
            Phase::Idle if self.client.name.is_some() => Some("sit, sit TABLE or quit?".into()),
            Phase::Playing if self.client.is_own_turn() => {
                let [double, split] = self.client.can;
                let mut question = String::from("hit, stand");
                question += if double { ", double" } else { "" };
                question += if split { ", split" } else { "" };
                Some(question + "?")
            }
            _ => None,
        }
    }

    fn ticks(&self, now: Instant) -> bool {
        self.client.until.is_some() || self.notice.passes(now)
    }

    fn parting(&self) -> Option<String> {
        parting(self.company, &self.client.name, &self.client.key)
    }

    fn draw(&self, frame: &mut Frame<'_>, now: Instant) {
        self.draw_table(frame, now);
    }
}
