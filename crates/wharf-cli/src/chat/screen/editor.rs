//! The line that is being typed: edited by what people see as characters
//! (grapheme clusters, UAX #29), with what was typed before, and completed.

use std::collections::VecDeque;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// How many lines are remembered, in memory only.
const HISTORY: usize = 500;

/// The longest line in bytes: what fits into a message.
pub(super) const LONGEST: usize = wharf_services::chat::MAX_LINE;

/// A line with a cursor.
#[derive(Debug, Default)]
pub(super) struct Editor {
    text: String,
    /// In bytes, at the beginning of a character.
    cursor: usize,
    history: VecDeque<String>,
    /// Which line of the history is shown, counted from the newest.
    recalled: Option<usize>,
    /// What was typed before the history was looked at.
    draft: String,
    completing: Option<Completing>,
}

/// A completion that another Tab changes.
#[derive(Debug)]
struct Completing {
    start: usize,
    candidates: Vec<String>,
    shown: usize,
}

/// What became of a text that was to be inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inserted {
    Yes,
    TooLong,
}

/// Which of the candidates comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Forward,
    Back,
}

impl Editor {
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the line; the cursor stands at its end.
    pub(super) fn set(&mut self, text: &str) {
        self.text = text.to_owned();
        self.cursor = self.text.len();
        self.recalled = None;
        self.completing = None;
    }

    /// Takes the line and remembers it.
    pub(super) fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        self.set("");
        if !text.trim().is_empty() && self.history.back() != Some(&text) {
            if self.history.len() == HISTORY {
                self.history.pop_front();
            }
            self.history.push_back(text.clone());
        }
        text
    }

    /// Inserts text at the cursor. Line ends become spaces; what would be obeyed by a
    /// terminal is left out. Nothing is inserted that would make the line too long.
    pub(super) fn insert(&mut self, text: &str) -> Inserted {
        self.completing = None;
        let clean: String = text
            .chars()
            .map(|c| {
                if matches!(c, '\n' | '\r' | '\t') {
                    ' '
                } else {
                    c
                }
            })
            .filter(|c| !c.is_control())
            .collect();
        if self.text.len() + clean.len() > LONGEST {
            return Inserted::TooLong;
        }
        self.text.insert_str(self.cursor, &clean);
        self.cursor += clean.len();
        Inserted::Yes
    }

    pub(super) fn left(&mut self) {
        self.cursor = self.before();
        self.completing = None;
    }

    pub(super) fn right(&mut self) {
        self.cursor = self.after();
        self.completing = None;
    }

    pub(super) fn home(&mut self) {
        self.cursor = 0;
        self.completing = None;
    }

    pub(super) fn end(&mut self) {
        self.cursor = self.text.len();
        self.completing = None;
    }

    pub(super) fn word_left(&mut self) {
        self.cursor = self.word_before();
        self.completing = None;
    }

    pub(super) fn word_right(&mut self) {
        let rest = &self.text[self.cursor..];
        let word = rest.len() - rest.trim_start().len();
        let length = rest[word..].find(char::is_whitespace);
        self.cursor += length.map_or(rest.len(), |length| word + length);
        self.completing = None;
    }

    pub(super) fn backspace(&mut self) {
        self.remove(self.before(), self.cursor);
    }

    pub(super) fn delete(&mut self) {
        self.remove(self.cursor, self.after());
    }

    pub(super) fn delete_word(&mut self) {
        self.remove(self.word_before(), self.cursor);
    }

    pub(super) fn delete_to_start(&mut self) {
        self.remove(0, self.cursor);
    }

    pub(super) fn delete_to_end(&mut self) {
        self.remove(self.cursor, self.text.len());
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.cursor = from;
        self.completing = None;
    }

    fn before(&self) -> usize {
        let last = self.text[..self.cursor].graphemes(true).next_back();
        self.cursor - last.map_or(0, str::len)
    }

    fn after(&self) -> usize {
        let next = self.text[self.cursor..].graphemes(true).next();
        self.cursor + next.map_or(0, str::len)
    }

    fn word_before(&self) -> usize {
        let words = self.text[..self.cursor].trim_end();
        words.rfind(char::is_whitespace).map_or(0, |at| {
            at + words[at..].chars().next().map_or(0, char::len_utf8)
        })
    }

    /// The line before, in the history.
    pub(super) fn older(&mut self) {
        let next = self.recalled.map_or(0, |shown| shown + 1);
        if next >= self.history.len() {
            return;
        }
        if self.recalled.is_none() {
            self.draft = self.text.clone();
        }
        self.recall(next);
    }

    /// The line after it; in the end what was being typed.
    pub(super) fn newer(&mut self) {
        match self.recalled {
            None => {}
            Some(0) => {
                let draft = std::mem::take(&mut self.draft);
                self.set(&draft);
            }
            Some(shown) => self.recall(shown - 1),
        }
    }

    fn recall(&mut self, place: usize) {
        let index = self.history.len() - 1 - place;
        let line = self.history[index].clone();
        self.set(&line);
        self.recalled = Some(place);
    }

    /// Completes the word before the cursor; `candidates` are asked for with the text
    /// before the word, and the word.
    pub(super) fn complete(
        &mut self,
        turn: Turn,
        candidates: impl FnOnce(&str, &str) -> Vec<String>,
    ) {
        let mut completing = match self.completing.take() {
            Some(mut going) => {
                let count = going.candidates.len();
                going.shown = match turn {
                    Turn::Forward => (going.shown + 1) % count,
                    Turn::Back => (going.shown + count - 1) % count,
                };
                going
            }
            None => {
                let before = &self.text[..self.cursor];
                let start = before.rfind(char::is_whitespace).map_or(0, |at| {
                    at + before[at..].chars().next().map_or(0, char::len_utf8)
                });
                let candidates = candidates(&before[..start], &before[start..]);
                if candidates.is_empty() {
                    return;
                }
                let shown = match turn {
                    Turn::Forward => 0,
                    Turn::Back => candidates.len() - 1,
                };
                Completing {
                    start,
                    candidates,
                    shown,
                }
            }
        };
        let word = &completing.candidates[completing.shown];
        self.text.replace_range(completing.start..self.cursor, word);
        self.cursor = completing.start + word.len();
        // With one candidate there is nothing to turn to.
        if completing.candidates.len() > 1 {
            completing.candidates.shrink_to_fit();
            self.completing = Some(completing);
        }
    }

    /// The part of the line that fits into `width` columns with the cursor in it, and
    /// the cursor's column.
    pub(super) fn window(&self, width: usize) -> (&str, usize) {
        // One column is left for a cursor at the end.
        let room = width.saturating_sub(1).max(1);
        let before = &self.text[..self.cursor];
        let mut start = 0;
        let mut column = before.width();
        for grapheme in before.graphemes(true) {
            if column <= room {
                break;
            }
            start += grapheme.len();
            column -= grapheme.width();
        }
        let mut end = start;
        let mut used = 0;
        for grapheme in self.text[start..].graphemes(true) {
            used += grapheme.width();
            if used > width {
                break;
            }
            end += grapheme.len();
        }
        (&self.text[start..end.max(start)], column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Editor {
        let mut editor = Editor::default();
        editor.insert(text);
        editor
    }

    #[test]
    fn characters_are_what_people_see() {
        let mut editor = typed("ae\u{301}👩\u{200d}👩\u{200d}👧日");
        editor.left();
        editor.backspace();
        assert_eq!(editor.text(), "ae\u{301}日");
        editor.left();
        editor.delete();
        assert_eq!(editor.text(), "a日");
        editor.insert("x");
        assert_eq!(editor.text(), "ax日");
        editor.home();
        editor.backspace();
        editor.end();
        editor.delete();
        assert_eq!(editor.text(), "ax日");
    }

    #[test]
    fn words_are_passed_and_deleted() {
        let mut editor = typed("@ben grün  oder blau");
        editor.word_left();
        editor.word_left();
        editor.insert("|");
        assert_eq!(editor.text(), "@ben grün  |oder blau");
        editor.backspace();
        editor.word_right();
        editor.delete_to_end();
        assert_eq!(editor.text(), "@ben grün  oder");
        editor.delete_word();
        editor.delete_word();
        assert_eq!(editor.text(), "@ben ");
        editor.delete_to_start();
        assert_eq!(editor.text(), "");
    }

    #[test]
    fn a_paste_is_one_line_without_control_characters() {
        assert_eq!(typed("a\nb\t\u{1b}[2Jc\u{9b}").text(), "a b [2Jc");
        let mut editor = typed("x");
        let inserted = editor.insert(&"y".repeat(LONGEST));
        assert_eq!((inserted, editor.text()), (Inserted::TooLong, "x"));
        assert_eq!(editor.insert(&"y".repeat(LONGEST - 1)), Inserted::Yes);
    }

    #[test]
    fn the_history_comes_back_and_so_does_the_draft() {
        let mut editor = Editor::default();
        for line in ["one", "two", "two", " "] {
            editor.insert(line);
            editor.take();
        }
        editor.insert("draft");
        for expected in ["two", "one", "one"] {
            editor.older();
            assert_eq!(editor.text(), expected);
        }
        for expected in ["two", "draft", "draft"] {
            editor.newer();
            assert_eq!(editor.text(), expected);
        }
    }

    #[test]
    fn tab_turns_through_the_candidates() {
        let all = |_: &str, word: &str| {
            let all = ["@ann ", "@anne "];
            let all = all.iter().filter(|name| name.starts_with(word));
            all.map(ToString::to_string).collect()
        };
        let mut editor = typed("@a");
        for (turn, expected) in [
            (Turn::Forward, "@ann "),
            (Turn::Forward, "@anne "),
            (Turn::Forward, "@ann "),
            (Turn::Back, "@anne "),
        ] {
            editor.complete(turn, all);
            assert_eq!(editor.text(), expected);
        }
        let mut editor = typed("@b");
        editor.complete(Turn::Forward, all);
        assert_eq!(editor.text(), "@b");
    }

    #[test]
    fn the_window_holds_the_cursor_at_every_width() {
        let mut editor = typed("日本語 and ascii 日本語");
        for _ in 0..20 {
            for width in 1..30 {
                let (shown, column) = editor.window(width);
                assert!(shown.width() <= width, "{shown:?} in {width}");
                assert!(column <= width, "{column} in {width}");
            }
            editor.left();
        }
    }
}
