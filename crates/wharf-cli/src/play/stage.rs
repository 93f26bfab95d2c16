//! What both games draw in the same way, in as much room as there is.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::pictures::{Look, Mood};

/// The narrowest terminal on which pictures are drawn; below, words stand for them.
pub(super) const PICTURES: u16 = 56;

/// The middle of a large terminal; a small one is used whole.
pub(super) fn middle(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 3,
        width,
        height,
    }
}

/// Parts of these heights, from the top. Each has a rank: where the room is too small,
/// those of a lower rank take theirs first.
pub(super) fn parts<const N: usize>(area: Rect, wanted: [(u16, u8); N]) -> [Rect; N] {
    let mut order: Vec<usize> = (0..N).collect();
    order.sort_by_key(|index| wanted[*index].1);
    let (mut heights, mut left) = ([0; N], area.height);
    for index in order {
        heights[index] = wanted[index].0.min(left);
        left -= heights[index];
    }
    let mut y = area.y;
    heights.map(|height| {
        let part = Rect { y, height, ..area };
        y += height;
        part
    })
}

/// The first line that fits; where none does, the last one, which is cut.
pub(super) fn fitting(width: u16, lines: impl IntoIterator<Item = Line<'static>>) -> Line<'static> {
    let mut last = Line::default();
    for line in lines {
        if line.width() <= usize::from(width) {
            return line;
        }
        last = line;
    }
    last
}

/// One row of a part, counted from its top.
pub(super) fn row(area: Rect, index: u16) -> Rect {
    let index = index.min(area.height);
    Rect {
        y: area.y + index,
        height: 1.min(area.height - index),
        ..area
    }
}

/// The title above a line: the first pair, left and right, that has room beside each
/// other, or the last one.
pub(super) fn draw_title(
    frame: &mut Frame<'_>,
    area: Rect,
    look: Look,
    pairs: impl IntoIterator<Item = [Line<'static>; 2]>,
) {
    let mut shown = [Line::default(), Line::default()];
    for pair in pairs {
        let width = pair[0].width() + 2 + pair[1].width();
        shown = pair;
        if width <= usize::from(area.width) {
            break;
        }
    }
    let [left, right] = shown;
    let first = row(area, 0);
    frame.render_widget(left, first);
    frame.render_widget(right.right_aligned(), first);
    frame.render_widget(look.rule(area.width), row(area, 1));
}

/// A key, and what it does now.
pub(super) type Key = (&'static str, String);

/// The keys that mean something now, below a line.
pub(super) fn draw_keys(frame: &mut Frame<'_>, area: Rect, look: Look, keys: &[Key]) {
    let last = area.height.saturating_sub(1);
    if last > 0 {
        frame.render_widget(look.rule(area.width), row(area, last - 1));
    }
    frame.render_widget(key_line(area.width, look, keys), row(area, last));
}

/// What can always be pressed, in the order in which it is left out.
const ALWAYS: [(&str, &str); 2] = [("t", "scores"), ("?", "help")];
const QUIT: (&str, &str) = ("q", "quit");

/// In little room the scores and the help go first, then the gaps, then the words; how to
/// get out stays.
fn key_line(width: u16, look: Look, keys: &[Key]) -> Line<'static> {
    let line = |gap: usize, always: &[(&str, &str)]| {
        let own = keys.iter().map(|(key, what)| (*key, &**what));
        let always = always.iter().copied().chain([QUIT]);
        let mut spans = Vec::new();
        for (key, what) in own.chain(always) {
            if !spans.is_empty() {
                spans.push(Span::raw(" ".repeat(gap)));
            }
            spans.push(look.span(Mood::Strong, key.to_owned()));
            spans.push(look.span(Mood::Dim, format!(" {what}")));
        }
        Line::from(spans)
    };
    let quit = || {
        [
            look.span(Mood::Strong, QUIT.0),
            look.span(Mood::Dim, format!(" {}", QUIT.1)),
        ]
    };
    let bare = || {
        let keys = keys.iter().map(|(key, _)| format!("{key}  "));
        let keys = keys.map(|key| look.span(Mood::Strong, key));
        Line::from_iter(keys.chain(quit()))
    };
    fitting(
        width,
        [
            line(3, &ALWAYS),
            line(2, &ALWAYS),
            line(2, &ALWAYS[1..]),
            line(2, &[]),
            line(1, &[]),
            bare(),
            Line::from_iter(quit()),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::super::pictures::Marks;
    use super::*;

    const LOOK: Look = Look {
        marks: Marks::Ascii,
        colour: false,
    };

    fn keys(width: u16) -> String {
        let keys = [
            ("r", "rock"),
            ("p", "paper"),
            ("s", "scissors"),
            ("l", "give up"),
        ];
        let keys = keys.map(|(key, what)| (key, what.to_owned()));
        key_line(width, LOOK, &keys).to_string()
    }

    #[test]
    fn how_to_quit_is_the_last_key_to_go() {
        let wide = "r rock   p paper   s scissors   l give up   t scores   ? help   q quit";
        for (width, line) in [
            (80, wide),
            (60, "r rock  p paper  s scissors  l give up  ? help  q quit"),
            (50, "r rock  p paper  s scissors  l give up  q quit"),
            (43, "r rock p paper s scissors l give up q quit"),
            (30, "r  p  s  l  q quit"),
            (10, "q quit"),
            (1, "q quit"),
        ] {
            assert_eq!(keys(width), line, "{width}");
        }
    }

    #[test]
    fn parts_of_a_low_rank_keep_their_room() {
        let area = Rect::new(0, 10, 9, 5);
        let [title, middle, keys] = parts(area, [(2, 1), (u16::MAX, 2), (2, 0)]);
        assert_eq!((title.y, title.height), (10, 2));
        assert_eq!((middle.y, middle.height), (12, 1));
        assert_eq!((keys.y, keys.height), (13, 2));
        let area = Rect { height: 3, ..area };
        let [title, middle, keys] = parts(area, [(2, 1), (u16::MAX, 2), (2, 0)]);
        assert_eq!((title.height, middle.height, keys.height), (1, 0, 2));
        assert_eq!(keys.y, 11);
    }
}
