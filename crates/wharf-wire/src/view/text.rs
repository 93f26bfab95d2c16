//! Text with hues: what views are made of, before it is known what a terminal can do.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::layers::Stage;

/// How a view is to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// How many columns there are; what is narrower than [`Look::LEAST`] is drawn as if
    /// it had so many.
    pub width: usize,
    /// Which characters there are.
    pub glyphs: Glyphs,
    /// Whether there is colour.
    pub paint: Paint,
    /// The model whose words label the boxes; `None` for the protocols' own names.
    pub model: Option<Model>,
}

impl Look {
    /// The narrowest view.
    pub const LEAST: usize = 40;

    /// Plain Unicode text without a model's words.
    pub fn plain(width: usize) -> Self {
        Look {
            width: width.max(Look::LEAST),
            glyphs: Glyphs::Unicode,
            paint: Paint::Plain,
            model: None,
        }
    }
}

/// Which characters a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glyphs {
    /// Lines, arrows and blocks.
    Unicode,
    /// ASCII only: for `TERM=dumb` and locales without UTF-8.
    Ascii,
}

impl Glyphs {
    /// A text in these characters. What this crate draws with is as wide as it was; other
    /// characters that are not ASCII are escapes, so that none is lost.
    pub fn text(self, text: &str) -> String {
        if self == Glyphs::Unicode || text.is_ascii() {
            return text.to_owned();
        }
        let mut shown = String::with_capacity(text.len());
        for character in text.chars() {
            match ascii(character) {
                Some(one) => shown.push(one),
                None => shown.extend(character.escape_unicode()),
            }
        }
        shown
    }

    /// What somebody else said in these characters: with ASCII alone every other character
    /// is its escape, `\u{e9}`. To be asked before it is known how much room there is.
    pub fn said(self, text: &str) -> Cow<'_, str> {
        if self == Glyphs::Unicode || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        let mut shown = String::with_capacity(text.len() + 16);
        for character in text.chars() {
            match character.is_ascii() {
                true => shown.push(character),
                false => shown.extend(character.escape_unicode()),
            }
        }
        Cow::Owned(shown)
    }
}

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// No escape sequences.
    Plain,
    /// The sixteen colours that every terminal has, in the user's own shades.
    Coloured,
}

/// Which model of layers names the boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Link, internet, transport, application (RFC 1122).
    Four,
    /// The same over a physical layer, as textbooks have it.
    Five,
    /// The seven layers of ISO/IEC 7498-1.
    Osi,
}

/// What a piece of text belongs to; each has one colour, the same in every view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hue {
    /// Nothing in particular.
    #[default]
    None,
    /// A layer's bytes, names and frame.
    Stage(Stage),
    /// Of less weight.
    Dim,
    /// What the eye looks for.
    Strong,
    /// What went wrong.
    Bad,
    /// What is remarkable.
    Remark,
    /// What went well: a state that was reached.
    Good,
}

impl Hue {
    /// The parameters of ECMA-48's SGR.
    fn code(self) -> &'static str {
        match self {
            Hue::None => "",
            Hue::Stage(Stage::Link) => "35",
            Hue::Stage(Stage::Network) => "34",
            Hue::Stage(Stage::Transport) => "36",
            Hue::Stage(Stage::Application) => "32",
            Hue::Dim => "2",
            Hue::Strong => "1",
            Hue::Bad => "1;31",
            Hue::Remark => "33",
            Hue::Good => "1;32",
        }
    }
}

/// A piece of text in one hue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What it says.
    pub text: String,
    /// What it belongs to.
    pub hue: Hue,
}

/// A line of pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// Its pieces, from left to right.
    pub spans: Vec<Span>,
}

impl Line {
    /// An empty line.
    pub fn new() -> Self {
        Line::default()
    }

    /// A line of one piece.
    pub fn of(hue: Hue, text: impl Into<String>) -> Self {
        Line::new().with(hue, text)
    }

    /// This line with a piece added.
    #[must_use]
    pub fn with(mut self, hue: Hue, text: impl Into<String>) -> Self {
        self.push(hue, text);
        self
    }

    /// Adds a piece. What a terminal would obey in it is written as an escape: much of
    /// what views show was said by somebody else.
    pub fn push(&mut self, hue: Hue, text: impl Into<String>) {
        let mut text = text.into();
        if let Cow::Owned(shown) = settled(&text) {
            text = shown;
        }
        self.spans.push(Span { text, hue });
    }

    /// Adds another line's pieces.
    pub fn append(&mut self, other: Line) {
        self.spans.extend(other.spans);
    }

    /// How many columns it takes.
    pub fn width(&self) -> usize {
        self.spans.iter().map(|span| span.text.width()).sum()
    }

    /// Fills it up with blanks.
    pub fn pad_to(&mut self, width: usize) {
        let have = self.width();
        if have < width {
            self.push(Hue::None, " ".repeat(width - have));
        }
    }

    /// Cuts it off at `width` columns, with a sign that something is missing.
    #[must_use]
    pub fn fit(self, width: usize) -> Line {
        if self.width() <= width {
            return self;
        }
        let mut left = width.saturating_sub(1);
        let mut cut = Line::new();
        for span in self.spans {
            let kept = prefix(&span.text, left);
            // A text may be wider than its characters are.
            left = left.saturating_sub(kept.width());
            let is_whole = kept.len() == span.text.len();
            cut.push(span.hue, kept);
            if !is_whole {
                break;
            }
        }
        cut.push(Hue::Dim, "…");
        cut
    }

    /// The line without hues.
    pub fn plain(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }
}

/// A text in which control characters, and marks that change the direction of writing
/// (UAX #9), are escapes.
pub(crate) fn settled(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_obeyed(character) {
            true => shown.extend(character.escape_default()),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// As much of a text as fits into so many columns.
pub(crate) fn prefix(text: &str, width: usize) -> String {
    let mut left = width;
    let mut kept = String::new();
    for character in text.chars() {
        let takes = character.width().unwrap_or(0);
        if takes > left {
            break;
        }
        left -= takes;
        kept.push(character);
    }
    kept
}

/// A text cut off at so many columns, with a sign that something is missing.
pub(crate) fn fit(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    prefix(text, width.saturating_sub(1)) + "…"
}

/// Parts in lines of at most `width` columns, `gap` between two; a part that is longer
/// than a line is broken.
pub(crate) fn wrap(parts: &[String], gap: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let mut rest = part.as_str();
        let fits = |line: &String, text: &str| line.width() + gap.width() + text.width() <= width;
        match lines.last_mut() {
            Some(line) if fits(line, rest) => {
                line.push_str(gap);
                line.push_str(rest);
                continue;
            }
            _ => lines.push(String::new()),
        }
        while rest.width() > width.max(1) {
            let piece = prefix(rest, width.max(1));
            // A character wider than the line would never fit.
            let piece = match piece.rfind(' ') {
                // Between words, if there are some.
                Some(space) if space > 0 => piece[..space].to_owned(),
                _ if piece.is_empty() => rest.chars().take(1).collect(),
                _ => piece,
            };
            rest = rest[piece.len()..].trim_start_matches(' ');
            *lines.last_mut().expect("a line was pushed") = piece;
            lines.push(String::new());
        }
        *lines.last_mut().expect("a line was pushed") = rest.to_owned();
    }
    lines
}

/// Words in lines of at most `width` columns.
pub(crate) fn wrap_words(text: &str, width: usize) -> Vec<String> {
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    wrap(&words, " ", width)
}

/// The same, with those after the first indented by two columns.
pub(crate) fn wrap_hanging(text: &str, width: usize) -> Vec<String> {
    let mut lines = wrap_words(text, width);
    let room = width.saturating_sub(2);
    if lines.iter().skip(1).any(|line| line.width() > room) {
        lines = wrap_words(text, room);
    }
    for line in lines.iter_mut().skip(1) {
        line.insert_str(0, "  ");
    }
    lines
}

/// The lines as text for a terminal, each ended by a line feed.
pub fn render(lines: &[Line], look: &Look) -> String {
    let mut out = String::new();
    for line in lines {
        let last = line
            .spans
            .iter()
            .rposition(|span| !span.text.trim_end().is_empty());
        let kept = last.map_or(0, |last| last + 1);
        for (index, span) in line.spans[..kept].iter().enumerate() {
            let text = if index + 1 == kept {
                span.text.trim_end()
            } else {
                &span.text
            };
            let text = look.glyphs.text(text);
            match (look.paint, span.hue.code()) {
                (Paint::Plain, _) | (_, "") => out.push_str(&text),
                (Paint::Coloured, code) => {
                    out.push_str(&format!("\x1b[{code}m{text}\x1b[0m"));
                }
            }
        }
        out.push('\n');
    }
    out
}

/// The ASCII that stands for a character that views draw with.
fn ascii(character: char) -> Option<char> {
    Some(match character {
        '─' | '╌' | '·' | '—' | '–' => '-',
        '═' => '=',
        '│' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' => '+',
        '▶' | '→' => '>',
        '◀' | '←' => '<',
        '✗' => 'x',
        '⟳' => 'R',
        '░' => '.',
        '▒' => ':',
        '▓' => '=',
        '█' => '#',
        '…' => '~',
        '↓' => 'v',
        '↑' => '^',
        '×' => 'x',
        '§' => 'S',
        '°' => 'o',
        '⚠' => '!',
        '↳' => '`',
        '“' | '”' => '"',
        '’' => '\'',
        _ if character.is_ascii() => character,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_wrapped_by_columns() {
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(Line::of(Hue::Bad, "abcdef").fit(4).plain(), "abc…");
        let parts = ["aa".to_owned(), "bb".to_owned(), "cccccccc".to_owned()];
        assert_eq!(wrap(&parts, "  ", 6), ["aa  bb", "cccccc", "cc"]);
        assert_eq!(wrap_words("to be or not", 6), ["to be", "or not"]);
        assert_eq!(wrap_hanging("to be or not", 8), ["to be or", "  not"]);
        assert_eq!(
            wrap_hanging("to be or not", 6),
            ["to", "  be", "  or", "  not"]
        );
        assert_eq!(wrap_hanging("to be or not", 12), ["to be or not"]);
    }

    #[test]
    fn nothing_in_a_line_is_obeyed() {
        let line = Line::of(Hue::None, "a\u{1b}[2J\u{9b}b\u{202e}c\n日");
        assert_eq!(line.plain(), "a\\u{1b}[2J\\u{9b}b\\u{202e}c\\n日");
    }

    #[test]
    fn a_text_that_is_wider_than_its_characters_is_cut_too() {
        // A sign that is made an emoji has two columns, and its characters one.
        for width in 0..12 {
            let line = Line::of(Hue::None, "☁\u{fe0f}☁\u{fe0f}☁\u{fe0f}");
            let cut = line.with(Hue::Bad, "☁\u{fe0f}abc").fit(width);
            assert!(cut.plain().chars().count() <= 12);
        }
    }

    #[test]
    fn the_fall_back_is_as_wide_as_what_it_stands_for_and_loses_nothing() {
        let look = Look {
            glyphs: Glyphs::Ascii,
            ..Look::plain(80)
        };
        let text = render(&[Line::of(Hue::None, "│──▶✗日é")], &look);
        assert_eq!(text, "|-->x\\u{65e5}\\u{e9}\n");
        // What a peer says is no arrow of ours.
        assert_eq!(Glyphs::Ascii.said("é → x"), "\\u{e9} \\u{2192} x");
        assert_eq!(Glyphs::Unicode.said("é → x"), "é → x");
    }
}
