//! Text in lines of a width, broken at spaces where there are some.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many marks without a width a character may carry. No script needs more, and a
/// thousand of them on one letter would make a line long without being wide.
const MARKS: usize = 4;

/// Cuts `text` into lines of at most `width` columns; at least one. A character that
/// is wider than that is shown as a question mark.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut wide = 0;
    // Where the line may be broken: behind its last space.
    let mut last_space = None;
    'graphemes: for grapheme in text.graphemes(true) {
        let grapheme = if grapheme.width() > width {
            "?"
        } else {
            grapheme
        };
        // What a broken line leaves may still be too long for what comes next. Text is
        // measured as a whole, since neighbours can change each other's width.
        while !line.is_empty() && {
            wide = widened(&line, wide, grapheme);
            wide > width
        } {
            let rest = match last_space.take() {
                Some(at) if grapheme != " " => line.split_off(at),
                _ => String::new(),
            };
            lines.push(std::mem::replace(&mut line, rest).trim_end().to_owned());
            wide = line.width();
            if grapheme == " " {
                continue 'graphemes;
            }
        }
        if line.is_empty() {
            wide = grapheme.width();
        }
        line.push_str(grapheme);
        if grapheme == " " {
            last_space = Some(line.len());
        }
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// How wide `line`, which is `wide`, would be with `next` behind it. Letters of ASCII
/// do not change each other's width, and need no second look at the whole line.
fn widened(line: &str, wide: usize, next: &str) -> usize {
    let is_plain = |byte: Option<&u8>| byte.is_some_and(|byte| (b' '..=b'~').contains(byte));
    match (is_plain(line.as_bytes().last()), next.as_bytes()) {
        (true, [byte]) if is_plain(Some(byte)) => wide + 1,
        _ => format!("{line}{next}").width(),
    }
}

/// Text whose width every terminal agrees on: what joins or changes characters without
/// a width of its own – joiners, selectors, skin colours, tags – is left out. A family
/// is then shown as its members, and nobody can push a line out of its columns.
pub(super) fn settled(text: &str) -> String {
    let changes = |c: char| {
        matches!(c, '\u{ad}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200d}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..='\u{e0fff}')
    };
    let mut marks = 0;
    let mut is_kept = |c: char| {
        marks = match c.width() {
            Some(0) => marks + 1,
            _ => 0,
        };
        !changes(c) && marks <= MARKS
    };
    text.chars().filter(|c| is_kept(*c)).collect()
}

/// The beginning of a long text, and how much more there is.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most);
    format!("{}… ({} bytes more)", &text[..end], text.len() - end)
}

/// The beginning of `text` in at most `width` columns, with a mark where it was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut cut = String::new();
    for grapheme in text.graphemes(true) {
        if cut.width() + grapheme.width() + 1 > width {
            break;
        }
        cut.push_str(grapheme);
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines_break_at_spaces_or_anywhere() {
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("hello there, you", 11), ["hello", "there, you"]);
        assert_eq!(wrap("hello there", 5), ["hello", "there"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("日本語", 5), ["日本", "語"]);
        assert_eq!(wrap("日", 1), ["?"]);
        assert_eq!(wrap(" abcdefg日", 8), ["", "abcdefg", "日"]);
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abc", 0), "");
        assert_eq!(
            settled("👩\u{200d}👧 ❤\u{fe0f} 👋🏽 e\u{301}"),
            "👩👧 ❤ 👋 e\u{301}"
        );
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("日本語", 4), "日… (6 bytes more)");
    }

    #[test]
    fn what_has_no_width_does_not_pile_up() {
        for c in ['\u{206a}', '\u{180e}', '\u{1d173}', '\u{301}', '\u{1160}'] {
            let text = format!("a{}b", String::from(c).repeat(20_000));
            let text = settled(&text);
            assert!(text.chars().count() <= 2 + MARKS, "{c:?}");
            assert_eq!(text.width(), 2, "{c:?}");
        }
        assert_eq!(settled("Việt ngữ, שָׁלוֹם"), "Việt ngữ, שָׁלוֹם");
    }

    proptest! {
        #[test]
        fn a_sum_of_widths_is_the_width(text in "[ -~é日\u{301}]{0,40}", width in 1..20usize) {
            // Measured anew for each line, as lines are put together.
            for line in wrap(&text, width) {
                prop_assert!(line.width() <= width);
            }
        }

        #[test]
        fn no_line_is_too_wide_and_no_word_is_lost(text in "\\PC{0,60}", width in 1..20usize) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| line.width() <= width));
            // One that is wider than the line is a question mark.
            prop_assume!(text.graphemes(true).all(|grapheme| grapheme.width() <= width));
            let letters = |text: &str| {
                text.chars().filter(|c| c.is_ascii_alphanumeric()).collect::<String>()
            };
            prop_assert_eq!(letters(&lines.concat()), letters(&text));
            prop_assert!(cut(&text, width).width() <= width);
        }
    }
}
