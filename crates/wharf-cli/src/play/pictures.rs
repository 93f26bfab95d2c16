//! What is drawn: cards, hands that show something, and how they look where.

use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use wharf_services::blackjack::{Card, Suit};
use wharf_services::rps::Move;

/// How everything looks on this terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) marks: Marks,
    pub(super) colour: bool,
}

/// Which characters the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marks {
    Unicode,
    Ascii,
}

/// What a piece of text means to the eye; each has a sign besides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Plain,
    Strong,
    Dim,
    Good,
    Bad,
    Turn,
    Red,
}

impl Look {
    pub(super) fn style(self, mood: Mood) -> Style {
        let plain = Style::new();
        let painted = |colour| match self.colour {
            true => plain.fg(colour),
            false => plain,
        };
        match mood {
            Mood::Plain => plain,
            Mood::Strong => plain.add_modifier(Modifier::BOLD),
            Mood::Dim => plain.add_modifier(Modifier::DIM),
            Mood::Good => painted(Color::Green).add_modifier(Modifier::BOLD),
            Mood::Bad => painted(Color::Red),
            Mood::Turn => painted(Color::Yellow).add_modifier(Modifier::BOLD),
            Mood::Red => painted(Color::Red),
        }
    }

    pub(super) fn span(self, mood: Mood, text: impl Into<String>) -> Span<'static> {
        Span::styled(text.into(), self.style(mood))
    }

    /// One of two marks.
    pub(super) fn mark(self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self.marks {
            Marks::Unicode => unicode,
            Marks::Ascii => ascii,
        }
    }

    /// A line across.
    pub(super) fn rule(self, width: u16) -> Line<'static> {
        let dash = self.mark("─", "-");
        Line::from(self.span(Mood::Dim, dash.repeat(usize::from(width))))
    }

    /// A card in a line of text: `10♥`.
    pub(super) fn card(self, card: Card) -> Span<'static> {
        let text = format!("{}{}", card.rank_text(), self.suit(card.suit()));
        self.span(suit_mood(card.suit()), text)
    }

    fn suit(self, suit: Suit) -> &'static str {
        match suit {
            Suit::Clubs => self.mark("♣", "C"),
            Suit::Diamonds => self.mark("♦", "D"),
            Suit::Hearts => self.mark("♥", "H"),
            Suit::Spades => self.mark("♠", "S"),
        }
    }

    /// Cards side by side, five lines high. In little room they lie on each other.
    pub(super) fn cards(self, cards: &[Option<Card>], room: usize) -> [Line<'static>; 5] {
        let mut lines: [Vec<Span<'static>>; 5] = Default::default();
        let whole = cards.len() * (CARD + 1) <= room + 1;
        for (index, card) in cards.iter().enumerate() {
            let last = index + 1 == cards.len();
            let (mood, faces) = self.face(*card);
            for (line, face) in lines.iter_mut().zip(faces) {
                let shown = match whole || last {
                    true => face,
                    false => face.chars().take(OVERLAP).collect(),
                };
                line.push(self.span(mood, shown));
                if whole && !last {
                    line.push(Span::raw(" "));
                }
            }
        }
        lines.map(Line::from)
    }

    fn face(self, card: Option<Card>) -> (Mood, [String; 5]) {
        let (top, bottom, side) = match self.marks {
            Marks::Unicode => ("╭─────╮", "╰─────╯", "│"),
            Marks::Ascii => (".-----.", "'-----'", "|"),
        };
        let (mood, inside) = match card {
            Some(card) => {
                let (rank, suit) = (card.rank_text(), self.suit(card.suit()));
                let inside = [
                    format!("{rank:<2}{suit}  "),
                    format!("  {suit}  "),
                    format!("  {suit}{rank:>2}"),
                ];
                (suit_mood(card.suit()), inside)
            }
            None => {
                let back = self.mark("░░░░░", "#####");
                (Mood::Dim, [back; 3].map(str::to_owned))
            }
        };
        let [one, two, three] = inside.map(|inside| format!("{side}{inside}{side}"));
        (mood, [top.to_owned(), one, two, three, bottom.to_owned()])
    }
}

/// How wide a card is, and what is seen of one that lies under another.
pub(super) const CARD: usize = 7;
pub(super) const OVERLAP: usize = 4;

fn suit_mood(suit: Suit) -> Mood {
    match suit {
        Suit::Hearts | Suit::Diamonds => Mood::Red,
        Suit::Clubs | Suit::Spades => Mood::Plain,
    }
}

/// How wide and how high the picture of a move is.
pub(super) const PICTURE: (usize, usize) = (16, 6);

/// The picture of a move, or of one that is not known.
pub(super) fn picture(shown: Option<Move>) -> [&'static str; 6] {
    match shown {
        Some(Move::Rock) => [
            "    .-''''-.    ",
            "  .'    .   '.  ",
            " /  .         \\ ",
            "|        .     |",
            " \\ .        . / ",
            "  '-.______.-'  ",
        ],
        Some(Move::Paper) => [
            "  .----------.  ",
            "  | ~~~~~~~~ |  ",
            "  | ~~~~~    |  ",
            "  | ~~~~~~~~ |  ",
            "  | ~~~      |  ",
            "  '----------'  ",
        ],
        Some(Move::Scissors) => [
            "    \\      /    ",
            "     \\    /     ",
            "      \\  /      ",
            "       ><       ",
            "   .--'  '--.   ",
            "   (__)  (__)   ",
        ],
        None => [
            "  .----------.  ",
            "  |          |  ",
            "  |    ??    |  ",
            "  |          |  ",
            "  |          |  ",
            "  '----------'  ",
        ],
    }
}

/// The whole seconds that are left, rounded up.
pub(super) fn left(until: tokio::time::Instant, now: tokio::time::Instant) -> u64 {
    let left = until.saturating_duration_since(now);
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}
