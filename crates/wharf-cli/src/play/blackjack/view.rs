//! What a player of blackjack sees: cards where there is room for them, and words where
//! there is not.
//!
//! ```text
//!   title      Blackjack   round 3                          ann   120 chips
//!   dealer     five rows of cards and what they are worth, or one of words
//!   own hands  side by side, or a row of words for each
//!   state      whose turn it is
//!   beside     why something was not done, whether the last round was fair
//!   others     a row each
//!   keys       what can be pressed
//! ```

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Wrap};
use tokio::time::Instant;
use wharf_services::blackjack::{Card, Hand, Outcome, Phase, Player, total};

use super::super::pictures::{CARD, Mood, OVERLAP, left};
use super::super::stage::{self, Key, PICTURES, fitting, middle};
use super::super::table::{Company, Overlay};
use super::{Blackjack, ended, judged, points};

/// The rows of a card, and of the keys below their line.
const CARD_ROWS: u16 = 5;
const KEY_ROWS: u16 = 2;

const HELP: [&str; 3] = [
    "Closer to 21 than the dealer wins; above 21 is lost. The dealer stands on 17.",
    "An ace and a ten at once are a natural, which pays three to two.",
    "Double: twice the stake and one card. Split: a pair becomes two hands.",
];

impl Blackjack {
    pub(super) fn draw_table(&self, frame: &mut Frame<'_>, now: Instant) {
        let area = middle(frame.area(), 78, 30);
        let others = self.others().count() as u16;
        let fixed = 2 + 1 + CARD_ROWS + CARD_ROWS + 2 + others + KEY_ROWS;
        let labels = self.label_rows(area.width);
        let labels = labels.min(area.height.saturating_sub(fixed));
        let pictured = area.width >= PICTURES && labels > 0 && self.cards_fit(area.width);
        let hands = self.client.own().map_or(0, |own| own.hands.len());
        let [dealer, own] = match pictured {
            true => [1 + CARD_ROWS, CARD_ROWS + labels],
            false => [1, (hands as u16).max(1)],
        };
        let [title, dealer, own, state, players, rest, keys] = stage::parts(
            area,
            [
                (2, 4),
                (dealer, 3),
                (own, 2),
                (2, 1),
                (others, 5),
                (u16::MAX, 6),
                (KEY_ROWS, 0),
            ],
        );
        self.draw_title(frame, title);
        // Where there is little room, what is looked up takes all of it.
        let instead = Rect {
            height: match pictured {
                true => dealer.height + own.height,
                false => keys.y.saturating_sub(dealer.y),
            },
            ..dealer
        };
        match self.overlay {
            Overlay::Scores => self.draw_scores(frame, instead),
            Overlay::Help => self.draw_help(frame, instead),
            Overlay::None if pictured => {
                self.draw_dealer(frame, dealer);
                self.draw_own(frame, own);
            }
            Overlay::None => self.draw_words(frame, dealer, own),
        }
        if self.overlay == Overlay::None || pictured {
            frame.render_widget(self.state(state.width, now), stage::row(state, 0));
            self.draw_beside(frame, stage::row(state, 1), rest, now);
            self.draw_others(frame, players);
        }
        stage::draw_keys(frame, keys, self.look, &self.keys());
    }

    fn draw_title(&self, frame: &mut Frame<'_>, area: Rect) {
        let look = self.look;
        let name = self.client.name.as_deref().unwrap_or(&self.wanted.0);
        // While bets are made, the cards of the round before still lie there.
        let round = match self.client.dealer.is_empty() {
            true => self.client.round,
            false => self.dealt,
        };
        let place = match self.client.table {
            0 => String::new(),
            table if self.company == Company::Others => format!("   table {table}, round {round}"),
            _ => format!("   round {round}"),
        };
        let left = |place: &str| {
            Line::from(vec![
                look.span(Mood::Strong, "Blackjack"),
                look.span(Mood::Dim, place.to_owned()),
            ])
        };
        let chips = || look.span(Mood::Strong, format!("{} chips", self.client.chips));
        let right = || Line::from(vec![Span::raw(format!("{name}   ")), chips()]);
        let pairs = [
            [left(&place), right()],
            [left(""), right()],
            [Line::default(), right()],
            [Line::default(), Line::from(chips())],
        ];
        stage::draw_title(frame, area, look, pairs);
    }

    /// What the dealer has, in words.
    fn worth(&self) -> String {
        let cards = &self.client.dealer;
        let open: Vec<Card> = cards.iter().copied().flatten().collect();
        match (cards.is_empty(), open.len() == cards.len()) {
            (true, _) => String::new(),
            (false, true) => points(&open),
            (false, false) => format!("{} and a hidden card", points(&open)),
        }
    }

    fn draw_dealer(&self, frame: &mut Frame<'_>, area: Rect) {
        let look = self.look;
        let mut lines = vec![Line::from(vec![
            look.span(Mood::Strong, "dealer   "),
            Span::raw(self.worth()),
        ])];
        lines.extend(look.cards(&self.client.dealer, usize::from(area.width)));
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
        let columns = Layout::horizontal(share).spacing(GAP).split(area);
        for (index, (hand, column)) in own.hands.iter().zip(columns.iter()).enumerate() {
            let cards: Vec<Option<Card>> = hand.cards.iter().copied().map(Some).collect();
            let mut lines = self.look.cards(&cards, usize::from(column.width)).to_vec();
            let label = self.label(own, hand, index, column.width);
            let rows = usize::from(area.height.saturating_sub(CARD_ROWS));
            match label.len() > rows {
                true => lines.push(self.short_label(own, hand, index)),
                false => lines.extend(label),
            }
            frame.render_widget(Paragraph::new(lines), *column);
        }
    }

    /// Whether the own cards have room as pictures, at least lying on each other.
    fn cards_fit(&self, width: u16) -> bool {
        let hands = self.client.own().map_or(&[][..], |own| &own.hands);
        let column = column(width, hands.len());
        let width = |hand: &Hand| hand.cards.len().saturating_sub(1) * OVERLAP + CARD;
        hands.iter().all(|hand| width(hand) <= usize::from(column))
    }

    /// How many rows the labels below the own hands take.
    fn label_rows(&self, width: u16) -> u16 {
        let Some(own) = self.client.own() else {
            return 1;
        };
        let column = column(width, own.hands.len());
        let hands = own.hands.iter().enumerate();
        let rows = hands.map(|(index, hand)| self.label(own, hand, index, column).len() as u16);
        rows.max().unwrap_or(1)
    }

    /// What stands below a hand: in one row, or the end of it in a second one.
    fn label(&self, own: &Player, hand: &Hand, index: usize, width: u16) -> Vec<Line<'static>> {
        let mut name = self.hand_name(own, index);
        name.push(Span::raw(format!("   {}", points(&hand.cards))));
        let Some((mood, [long, short])) = end(hand) else {
            return vec![Line::from(name)];
        };
        let mut whole = name.clone();
        whole.push(self.look.span(mood, format!("   {long}")));
        let whole = Line::from(whole);
        if whole.width() <= usize::from(width) {
            return vec![whole];
        }
        let end = [long, short].map(|words| Line::from(self.look.span(mood, words)));
        vec![Line::from(name), fitting(width, end)]
    }

    /// The same in one row, in short words.
    fn short_label(&self, own: &Player, hand: &Hand, index: usize) -> Line<'static> {
        let mut spans = self.hand_name(own, index);
        spans.push(Span::raw(format!("   {}", points(&hand.cards))));
        if let Some((mood, [_, short])) = end(hand) {
            spans.push(self.look.span(mood, format!("   {short}")));
        }
        Line::from(spans)
    }

    /// Whose hand it is, and whether it is its turn.
    fn hand_name(&self, own: &Player, index: usize) -> Vec<Span<'static>> {
        let name = match own.hands.len() {
            1 => "you".to_owned(),
            _ => format!("hand {}", index + 1),
        };
        vec![match self.turn_of(own) == Some(index) {
            true => {
                let arrow = self.look.mark("▶ ", "> ");
                self.look.span(Mood::Turn, format!("{arrow}{name}"))
            }
            false => self.look.span(Mood::Strong, name),
        }]
    }

    fn turn_of(&self, player: &Player) -> Option<usize> {
        let (name, hand) = self.client.turn.as_ref()?;
        (*name == player.name).then_some(*hand)
    }

    /// Dealer and own hands where there is no room for pictures, a row each.
    fn draw_words(&self, frame: &mut Frame<'_>, dealer: Rect, own: Rect) {
        let name = self.look.span(Mood::Strong, "dealer");
        let cards = self.in_words(&self.client.dealer);
        let line = |worth: String| {
            let mut spans = vec![name.clone(), Span::raw("   ")];
            spans.extend(cards.clone());
            spans.push(Span::raw(worth));
            Line::from(spans)
        };
        let open: Vec<Card> = self.client.dealer.iter().copied().flatten().collect();
        let worth = self.worth();
        let long = if worth.is_empty() {
            worth
        } else {
            format!("= {worth}")
        };
        let short = match open.is_empty() {
            true => String::new(),
            false => format!("= {}", points(&open)),
        };
        frame.render_widget(fitting(dealer.width, [line(long), line(short)]), dealer);
        let Some(player) = self.client.own() else {
            return;
        };
        let hands = player.hands.iter().enumerate();
        let lines: Vec<Line<'static>> = hands
            .map(|(index, hand)| {
                let name = self.hand_name(player, index);
                let forms = [(true, 0), (true, 1), (false, 0), (false, 1)];
                let forms = forms.map(|(cards, form)| {
                    let mut spans = name.clone();
                    spans.push(Span::raw("   "));
                    spans.extend(self.hand(hand, cards, form));
                    Line::from(spans)
                });
                fitting(own.width, forms)
            })
            .collect();
        frame.render_widget(Paragraph::new(lines), own);
    }

    fn in_words(&self, cards: &[Option<Card>]) -> Vec<Span<'static>> {
        let mut spans = Vec::new();
        for card in cards {
            spans.push(match card {
                Some(card) => self.look.card(*card),
                None => Span::raw("??"),
            });
            spans.push(Span::raw(" "));
        }
        spans
    }

    /// A hand in words, with its cards or without, and how it ended in the longer words
    /// or the shorter ones.
    fn hand(&self, hand: &Hand, cards: bool, form: usize) -> Vec<Span<'static>> {
        let mut spans = Vec::new();
        if cards {
            let cards: Vec<Option<Card>> = hand.cards.iter().copied().map(Some).collect();
            spans.extend(self.in_words(&cards));
            spans.push(Span::raw("= "));
        }
        spans.push(Span::raw(points(&hand.cards)));
        if let Some((mood, words)) = end(hand) {
            spans.push(self.look.span(mood, format!(" {}", words[form])));
        }
        spans
    }

    /// What is expected, and from whom.
    fn state(&self, width: u16, now: Instant) -> Line<'static> {
        let look = self.look;
        let seconds = self.client.until.map(|until| left(until, now));
        let clock = seconds.map_or(String::new(), |seconds| format!("   {seconds} s"));
        let arrow = look.mark("▶ ", "> ");
        let (mood, long, short) = match (self.client.phase, &self.client.turn) {
            (Phase::Stranger, _) => {
                let words = format!("knocking {}", look.mark("…", "..."));
                (Mood::Dim, words, String::new())
            }
            (Phase::Idle, _) => (Mood::Strong, "you have no seat".to_owned(), String::new()),
            (Phase::Bet, _) if self.is_broke() => {
                let words = "you have nothing left to bet".to_owned();
                (Mood::Bad, words, "nothing left to bet".to_owned())
            }
            (Phase::Bet, _) => {
                let (round, stake) = (self.client.round, self.stake());
                let long = format!("{arrow}your bet:  {stake}   for round {round}{clock}");
                (
                    Mood::Turn,
                    long,
                    format!("{arrow}your bet:  {stake}{clock}"),
                )
            }
            (Phase::HasBet, _) => (
                Mood::Dim,
                format!("waiting for the bets of the others{clock}"),
                format!("others are betting{clock}"),
            ),
            (Phase::Reveal, _) => (
                Mood::Dim,
                format!("the cards are being shuffled{clock}"),
                format!("shuffling{clock}"),
            ),
            (Phase::Playing, Some(_)) if self.client.is_own_turn() => (
                Mood::Turn,
                format!("{arrow}your turn{clock}"),
                String::new(),
            ),
            (Phase::Playing, Some((name, _))) => (
                Mood::Dim,
                format!("it is the turn of {name}{clock}"),
                format!("turn of {name}{clock}"),
            ),
            (Phase::Playing, None) => (Mood::Dim, "the dealer draws".to_owned(), String::new()),
            (Phase::Gone, _) => (Mood::Dim, "goodbye".to_owned(), String::new()),
        };
        let words = [long, short].into_iter().filter(|words| !words.is_empty());
        fitting(width, words.map(|words| Line::from(look.span(mood, words))))
    }

    fn others(&self) -> impl Iterator<Item = &Player> {
        let own = self.client.name.as_deref();
        let players = self.client.players.iter().flatten();
        players.filter(move |player| own != Some(&player.name))
    }

    /// The others, a row each; where there is no row for everybody, the last one says how
    /// many more there are.
    fn draw_others(&self, frame: &mut Frame<'_>, area: Rect) {
        let (rows, count) = (usize::from(area.height), self.others().count());
        let shown = match count > rows {
            true => rows.saturating_sub(1),
            false => count,
        };
        let others = self.others().take(shown);
        let mut lines: Vec<Line<'static>> = others
            .map(|player| self.other(player, area.width))
            .collect();
        if count > shown {
            let more = format!("  and {} more", count - shown);
            lines.push(Line::from(self.look.span(Mood::Dim, more)));
        }
        frame.render_widget(Paragraph::new(lines), area);
    }

    fn other(&self, player: &Player, width: u16) -> Line<'static> {
        let look = self.look;
        let (arrow, mark) = match self.turn_of(player).is_some() {
            true => (look.mark("▶ ", "> "), Mood::Turn),
            false => ("  ", Mood::Plain),
        };
        let stake = player.stake;
        let stake = stake.map_or(String::new(), |stake| stake.to_string());
        let name = &player.name;
        let line = |start: String, cards: bool, form: usize| {
            let mut spans = vec![look.span(mark, start)];
            for hand in &player.hands {
                spans.push(Span::raw("  "));
                spans.extend(self.hand(hand, cards, form));
            }
            Line::from(spans)
        };
        let wide = format!("{arrow}{name:16} {stake:>6}");
        let narrow = format!("{arrow}{name} {stake}");
        let forms = [
            line(wide.clone(), true, 0),
            line(wide.clone(), true, 1),
            line(wide, false, 1),
            line(narrow, false, 1),
        ];
        fitting(width, forms)
    }

    /// Below the state: why something was not done, or what is known of the shuffle. What
    /// is too long goes on in the room that is left.
    fn draw_beside(&self, frame: &mut Frame<'_>, area: Rect, rest: Rect, now: Instant) {
        let look = self.look;
        if let Some(words) = self.notice.words(now) {
            return frame.render_widget(Line::from(look.span(Mood::Bad, words)), area);
        }
        if let Some(verdict) = &self.client.verdict {
            let (mark, mood) = match (verdict.problems.is_empty(), verdict.is_undecided()) {
                (true, false) => (look.mark("✓ ", "ok: "), Mood::Good),
                (true, true) => (look.mark("? ", "?? "), Mood::Plain),
                (false, _) => (look.mark("✗ ", "!! "), Mood::Bad),
            };
            let line = Line::from(look.span(mood, format!("{mark}{}", judged(verdict))));
            if line.width() > usize::from(area.width) && rest.height > 0 {
                let whole = Paragraph::new(line.clone()).wrap(Wrap { trim: true });
                frame.render_widget(whole, rest);
            }
            return frame.render_widget(line, area);
        }
        if let Some(commitment) = &self.client.commitment {
            let start = &commitment[..16.min(commitment.len())];
            let more = look.mark("…", "...");
            let lines = [
                format!("the shuffle is fixed by {start}{more}"),
                format!("fixed by {start}{more}"),
            ];
            let lines = lines.map(|words| Line::from(look.span(Mood::Dim, words)));
            frame.render_widget(fitting(area.width, lines), area);
        }
    }

    fn draw_help(&self, frame: &mut Frame<'_>, area: Rect) {
        let lines = HELP.map(|words| Line::from(self.look.span(Mood::Dim, words)));
        let help = Paragraph::new(lines.to_vec()).wrap(Wrap { trim: true });
        frame.render_widget(help, area);
    }

    fn draw_scores(&self, frame: &mut Frame<'_>, area: Rect) {
        let look = self.look;
        // In little room without the rank.
        let wide = area.width >= 32;
        let line = |mood: Mood, rank: &str, name: &str, won: &str| {
            let text = match wide {
                true => format!("{rank:>4}  {name:16}{won:>10}"),
                false => format!("{name:16}{won:>8}"),
            };
            Line::from(look.span(mood, text))
        };
        let mut lines = vec![line(Mood::Strong, "", "player", "won")];
        for (index, (name, won)) in self.client.scores.iter().enumerate() {
            let own = self.client.name.as_ref() == Some(name);
            let mood = if own { Mood::Turn } else { Mood::Plain };
            let rank = (index + 1).to_string();
            lines.push(line(mood, &rank, name, &won.to_string()));
        }
        frame.render_widget(Paragraph::new(lines), area);
    }

    /// The keys that mean something now.
    fn keys(&self) -> Vec<Key> {
        let [double, split] = self.client.can;
        let turn = [
            Some(("h", "hit")),
            Some(("s", "stand")),
            double.then_some(("d", "double")),
            split.then_some(("p", "split")),
        ];
        let keys: Vec<(&'static str, &str)> = match self.client.phase {
            Phase::Playing if self.client.is_own_turn() => turn.into_iter().flatten().collect(),
            Phase::Bet if self.is_broke() => vec![("b", "buy new chips")],
            Phase::Bet => vec![("Enter", "bet"), ("+ -", "more, less")],
            Phase::Idle => vec![("Enter", "sit down")],
            _ => Vec::new(),
        };
        keys.into_iter()
            .map(|(key, what)| (key, what.to_owned()))
            .collect()
    }
}

/// The room between two hands, in columns.
const GAP: u16 = 2;

/// How wide each of so many hands can be.
fn column(width: u16, hands: usize) -> u16 {
    let hands = (hands as u16).max(1);
    width.saturating_sub(GAP * (hands - 1)) / hands
}

/// How a hand ended, in longer and in shorter words. Above 21 it has ended already,
/// before anything is paid.
fn end(hand: &Hand) -> Option<(Mood, [String; 2])> {
    let Some((outcome, _, paid)) = hand.paid else {
        let bust = total(&hand.cards).points > 21;
        return bust.then(|| (Mood::Bad, ["bust".to_owned(), "bust".to_owned()]));
    };
    let mood = match outcome {
        Outcome::Natural | Outcome::Win => Mood::Good,
        Outcome::Push => Mood::Plain,
        Outcome::Lose | Outcome::Bust => Mood::Bad,
    };
    let short = match outcome {
        Outcome::Natural => "natural",
        Outcome::Win => "won",
        Outcome::Push => "equal",
        Outcome::Lose => "lost",
        Outcome::Bust => "bust",
    };
    let long = format!("{}, {paid} back", ended(outcome));
    Some((mood, [long, short.to_owned()]))
}
