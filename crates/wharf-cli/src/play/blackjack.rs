//! Blackjack as a player sees it.

use crossterm::event::KeyCode;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use tokio::time::Instant;
use wharf::network::Platform;
use wharf_services::blackjack::{
    Action, Card, Chips, Client, Hand, Kind, No, Outcome, Phase, Player, Reply, Request, Verdict,
    Where, total,
};

use super::pictures::{Look, Mood, left};
use super::rps::{draw_keys, middle, parting};
use super::table::{
    Because, Company, Do, Heard, NAME_IN_USE, NO_NAME, NOT_UNDERSTOOD, NotUnderstood, Table,
};

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
    shows_scores: bool,
    help: bool,
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
            shows_scores: false,
            help: false,
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

fn mood(outcome: Outcome) -> Mood {
    match outcome {
        Outcome::Natural | Outcome::Win => Mood::Good,
        Outcome::Push => Mood::Plain,
        Outcome::Lose | Outcome::Bust => Mood::Bad,
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
                heard.send.push(match self.wanted.1 {
                    Some(_) => Request::Again.to_string(),
                    None => self.sit().to_string(),
                });
            }
            // Nothing new.
            Reply::Balance(told) if told == chips => heard.tell = None,
            Reply::Reveal(_) => heard.send.extend(self.client.reveal()),
            Reply::Top(_) => self.shows_scores = true,
            Reply::No(no @ (No::InUse | No::Name | No::Full)) if before == Phase::Stranger => {
                heard.over = Some(format!("as {}: {}", self.wanted.0, self.refusal(no)));
            }
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
        if std::mem::take(&mut self.help) | std::mem::take(&mut self.shows_scores) {
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
                    self.help = true;
                    Do::Draw
                }
                'b' if phase == Phase::Bet && self.is_broke() => self.say(Request::Buy),
                'h' if own_turn => self.say(Request::Act(Action::Hit)),
                's' if own_turn => self.say(Request::Act(Action::Stand)),
                'd' if own_turn && self.client.can[0] => self.say(Request::Act(Action::Double)),
                'p' if own_turn && self.client.can[1] => self.say(Request::Act(Action::Split)),
                _ => Do::Nothing,
            },
            _ => Do::Nothing,
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

    fn until(&self) -> Option<Instant> {
        self.client.until
    }

    fn parting(&self) -> Option<String> {
        parting(self.company, &self.client.name, &self.client.key)
    }

    fn draw(&self, frame: &mut Frame<'_>, now: Instant) {
        let area = middle(frame.area(), 78, 30);
        let others = self.others().count() as u16;
        let rows = Layout::vertical([
            Constraint::Length(2),
            Constraint::Length(6),
            Constraint::Length(7),
            Constraint::Length(2),
            Constraint::Length(others),
            Constraint::Min(0),
            Constraint::Length(2),
        ]);
        let [title, dealer, own, state, players, rest, keys] = rows.areas(area);
        self.draw_title(frame, title);
        if self.shows_scores {
            let height = dealer.height + own.height;
            self.draw_scores(frame, Rect { height, ..dealer });
        } else {
            self.draw_dealer(frame, dealer);
            self.draw_own(frame, own);
        }
        frame.render_widget(Paragraph::new(self.state(now)), state);
        self.draw_others(frame, players);
        self.draw_check(frame, rest);
        self.draw_keys(frame, keys);
    }
}

impl Blackjack {
    fn draw_title(&self, frame: &mut Frame<'_>, area: Rect) {
        let look = self.look;
        let name = self.client.name.as_deref().unwrap_or(&self.wanted.0);
        let place = match (self.client.table, self.client.round) {
            (0, _) => String::new(),
            (table, round) if self.company == Company::Others => {
                format!("   table {table}, round {round}")
            }
            (_, round) => format!("   round {round}"),
        };
        let left = Line::from(vec![
            look.span(Mood::Strong, "Blackjack"),
            look.span(Mood::Dim, place),
        ]);
        let right = Line::from(vec![
            Span::raw(format!("{name}   ")),
            look.span(Mood::Strong, format!("{} chips", self.client.chips)),
        ]);
        frame.render_widget(left, area);
        frame.render_widget(right.right_aligned(), area);
        let height = 1.min(area.height.saturating_sub(1));
        let below = Rect {
            y: area.y + 1,
            height,
            ..area
        };
        frame.render_widget(look.rule(area.width), below);
    }

    fn draw_dealer(&self, frame: &mut Frame<'_>, area: Rect) {
        let look = self.look;
        let cards = &self.client.dealer;
        let open: Vec<Card> = cards.iter().copied().flatten().collect();
        let worth = match (cards.is_empty(), open.len() == cards.len()) {
            (true, _) => String::new(),
            (false, true) => points(&open),
            (false, false) => format!("{} and a hidden card", points(&open)),
        };
        let mut lines = vec![Line::from(vec![
            look.span(Mood::Strong, "dealer   "),
            Span::raw(worth),
        ])];
        lines.extend(look.cards(cards, usize::from(area.width)));
        frame.render_widget(Paragraph::new(lines), area);
    }

    /// The own hands, side by side.
    fn draw_own(&self, frame: &mut Frame<'_>, area: Rect) {
        let Some(own) = self.client.own() else {
            return;
        };
        if own.hands.is_empty() {
            return;
        }
        let share = vec![Constraint::Fill(1); own.hands.len()];
        let columns = Layout::horizontal(share).spacing(2).split(area);
        for (index, (hand, column)) in own.hands.iter().zip(columns.iter()).enumerate() {
            let turn = self.turn_of(own) == Some(index);
            let cards: Vec<Option<Card>> = hand.cards.iter().copied().map(Some).collect();
            let mut lines = self.look.cards(&cards, usize::from(column.width)).to_vec();
            lines.push(self.label(own, hand, index, turn));
            frame.render_widget(Paragraph::new(lines), *column);
        }
    }

    fn turn_of(&self, player: &Player) -> Option<usize> {
        let (name, hand) = self.client.turn.as_ref()?;
        (*name == player.name).then_some(*hand)
    }

    /// What stands below a hand.
    fn label(&self, own: &Player, hand: &Hand, index: usize, turn: bool) -> Line<'static> {
        let look = self.look;
        let name = match own.hands.len() {
            1 => "you".to_owned(),
            _ => format!("hand {}", index + 1),
        };
        let (arrow, mark) = match turn {
            true => (look.mark("▶ ", "> "), Mood::Turn),
            false => ("", Mood::Strong),
        };
        let mut spans = vec![
            look.span(mark, format!("{arrow}{name}   ")),
            Span::raw(points(&hand.cards)),
        ];
        if let Some((outcome, _, paid)) = hand.paid {
            let words = format!("   {}, {paid} back", ended(outcome));
            spans.push(look.span(mood(outcome), words));
        }
        Line::from(spans)
    }

    /// What is expected, and from whom.
    fn state(&self, now: Instant) -> Line<'static> {
        let look = self.look;
        let seconds = self.client.until.map(|until| left(until, now));
        let clock = seconds.map_or(String::new(), |seconds| format!("   {seconds} s"));
        if let Some(no) = self.client.refused {
            return Line::from(look.span(Mood::Bad, no.for_people()));
        }
        let arrow = look.mark("▶ ", "> ");
        let (mood, words) = match (self.client.phase, &self.client.turn) {
            (Phase::Stranger, _) => (Mood::Dim, format!("knocking {}", look.mark("…", "..."))),
            (Phase::Idle, _) => (Mood::Strong, "you have no seat".to_owned()),
            (Phase::Bet, _) if self.is_broke() => {
                (Mood::Bad, "you have nothing left to bet".to_owned())
            }
            (Phase::Bet, _) => (
                Mood::Turn,
                format!("{arrow}your bet:  {}{clock}", self.stake()),
            ),
            (Phase::HasBet, _) => (
                Mood::Dim,
                format!("waiting for the bets of the others{clock}"),
            ),
            (Phase::Reveal, _) => (Mood::Dim, format!("the cards are being shuffled{clock}")),
            (Phase::Playing, Some(_)) if self.client.is_own_turn() => {
                (Mood::Turn, format!("{arrow}your turn{clock}"))
            }
            (Phase::Playing, Some((name, _))) => {
                (Mood::Dim, format!("it is the turn of {name}{clock}"))
            }
            (Phase::Playing, None) => (Mood::Dim, "the dealer draws".to_owned()),
            (Phase::Gone, _) => (Mood::Dim, "goodbye".to_owned()),
        };
        Line::from(look.span(mood, words))
    }

    fn others(&self) -> impl Iterator<Item = &Player> {
        let own = self.client.name.as_deref();
        let players = self.client.players.iter().flatten();
        players.filter(move |player| own != Some(&player.name))
    }

    /// The others, a line each.
    fn draw_others(&self, frame: &mut Frame<'_>, area: Rect) {
        let look = self.look;
        let line = |player: &Player| {
            let turn = self.turn_of(player).is_some();
            let (arrow, mark) = match turn {
                true => (look.mark("▶ ", "> "), Mood::Turn),
                false => ("  ", Mood::Plain),
            };
            let stake = player
                .stake
                .map_or(String::new(), |stake| stake.to_string());
            let mut spans =
                vec![look.span(mark, format!("{arrow}{:16} {stake:>6}  ", player.name))];
            for hand in &player.hands {
                for card in &hand.cards {
                    spans.push(look.card(*card));
                    spans.push(Span::raw(" "));
                }
                spans.push(Span::raw(format!("= {}", points(&hand.cards))));
                if let Some((outcome, _, paid)) = hand.paid {
                    spans.push(
                        look.span(mood(outcome), format!(" {}, {paid} back", ended(outcome))),
                    );
                }
                spans.push(Span::raw("   "));
            }
            Line::from(spans)
        };
        let lines: Vec<Line<'static>> = self.others().map(line).collect();
        frame.render_widget(Paragraph::new(lines), area);
    }

    /// Whether the last round was fair, and what fixes this one.
    fn draw_check(&self, frame: &mut Frame<'_>, area: Rect) {
        let look = self.look;
        let mut lines = vec![Line::default()];
        if self.help {
            let words = [
                "Closer to 21 than the dealer wins; above 21 is lost. The dealer stands on 17.",
                "An ace and a ten at once are a natural, which pays three to two.",
                "Double: twice the stake and one card. Split: a pair becomes two hands.",
            ];
            lines.extend(words.map(|words| Line::from(look.span(Mood::Dim, words))));
        } else if let Some(verdict) = &self.client.verdict {
            let (mark, mood) = match (verdict.problems.is_empty(), verdict.is_undecided()) {
                (true, false) => (look.mark("✓ ", "ok: "), Mood::Good),
                (true, true) => (look.mark("? ", "?? "), Mood::Plain),
                (false, _) => (look.mark("✗ ", "!! "), Mood::Bad),
            };
            let words = format!("{mark}{}", judged(verdict));
            lines.push(Line::from(look.span(mood, words)));
        } else if let Some(commitment) = &self.client.commitment {
            let words = format!(
                "the shuffle is fixed by {}{}",
                &commitment[..16.min(commitment.len())],
                look.mark("…", "...")
            );
            lines.push(Line::from(look.span(Mood::Dim, words)));
        }
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn draw_scores(&self, frame: &mut Frame<'_>, area: Rect) {
        let look = self.look;
        let head = format!("{:>4}  {:16}{:>10}", "", "player", "won");
        let mut lines = vec![Line::from(look.span(Mood::Strong, head))];
        for (index, (name, won)) in self.client.scores.iter().enumerate() {
            let own = self.client.name.as_ref() == Some(name);
            let mood = if own { Mood::Turn } else { Mood::Plain };
            let row = format!("{:>4}  {name:16}{won:>10}", index + 1);
            lines.push(Line::from(look.span(mood, row)));
        }
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn draw_keys(&self, frame: &mut Frame<'_>, area: Rect) {
        let [double, split] = self.client.can;
        let turn = [
            Some(("h", "hit")),
            Some(("s", "stand")),
            double.then_some(("d", "double")),
            split.then_some(("p", "split")),
        ];
        let keys: Vec<(&str, &str)> = match self.client.phase {
            Phase::Playing if self.client.is_own_turn() => turn.into_iter().flatten().collect(),
            Phase::Bet if self.is_broke() => vec![("b", "buy new chips")],
            Phase::Bet => vec![("Enter", "bet"), ("+ -", "more, less")],
            Phase::Idle => vec![("Enter", "sit down")],
            _ => Vec::new(),
        };
        draw_keys(frame, area, self.look, &keys, &[]);
    }
}
