//! The conversation as a ladder: one rail for each end, an arrow for each frame, and
//! beside the rails what the programs called and which state the ends are in.

use unicode_width::UnicodeWidthStr;

use super::text::{Glyphs, Hue, Line, Look, fit, wrap_hanging, wrap_words};
use super::words::{content, delta, half_closed, headline_words, remarks, said, talk_title, time};
use super::{Stage, preamble};
use crate::conversation::{Direction, Note, Verdict};
use crate::frame::{Fate, Timestamp};
use crate::trace::{Call, Event, Step, Talk, Trace, Waited};

/// The column for the time since the row above.
const TIME: usize = 10;

/// From here on calls stand beside the rails; below, each has its own line.
const BESIDE: usize = 100;

/// The lane has room for a segment with a few bytes of data.
const LEAST_LANE: usize = 37;

/// Rows of one talk; a longer one is cut off in its middle.
const MAX_ROWS: usize = 10_000;

pub(super) fn draw(trace: &Trace, look: &Look) -> Vec<Line> {
    let mut lines = preamble(trace, look);
    for (index, one) in trace.talks.iter().enumerate() {
        // Nothing of it was picked.
        if trace.events(index).is_empty() {
            continue;
        }
        lines.push(Line::new());
        lines.push(Line::of(Hue::Strong, talk_title(one, look.glyphs)).fit(look.width));
        lines.extend(talk(trace, index, look).into_iter().map(|(_, line)| line));
    }
    lines
}

/// One talk; each line with the number of the frame that it shows.
pub(super) fn talk(trace: &Trace, talk: usize, look: &Look) -> Vec<(Option<u64>, Line)> {
    let Some(one) = trace.talks.get(talk) else {
        return Vec::new();
    };
    let rows = rows(trace, talk);
    let frame = Layout::new(look, &rows);
    let mut lines = vec![(None, frame.rails(one))];
    let mut before: Option<Timestamp> = None;
    let left_out = rows.len().saturating_sub(MAX_ROWS);
    for (index, row) in rows.into_iter().enumerate() {
        if left_out > 0 && index == MAX_ROWS / 2 {
            lines.push((
                None,
                Line::of(
                    Hue::Remark,
                    format!("{:TIME$} … {left_out} rows left out …", ""),
                ),
            ));
        }
        if left_out > 0 && (MAX_ROWS / 2..MAX_ROWS / 2 + left_out).contains(&index) {
            continue;
        }
        let since = match before {
            None => "0".to_owned(),
            Some(before) => delta(row.at.delta(before)),
        };
        before = Some(row.at);
        let number = match row.what {
            What::Frame(step) => Some(step.number()),
            _ => None,
        };
        let drawn = match row.what {
            What::Frame(step) => frame.arrow(trace, step, &since),
            What::Call(call) => frame.call(one, call, &call_words(call, look.glyphs), &since),
            What::Return(call) => frame.call(one, call, &return_words(call, look.glyphs), &since),
        };
        lines.extend(drawn.into_iter().map(|line| (number, line)));
    }
    lines
}

struct Row<'a> {
    at: Timestamp,
    what: What<'a>,
}

enum What<'a> {
    Frame(&'a Step),
    Call(&'a Call),
    /// A call that waited returns, after other things have happened.
    Return(&'a Call),
}

/// What happened, with a row of its own for the return of a call that waited.
fn rows(trace: &Trace, talk: usize) -> Vec<Row<'_>> {
    let events = trace.events(talk);
    let mut rows = Vec::with_capacity(events.len());
    for event in &events {
        match event {
            Event::Frame(step) => rows.push(Row {
                at: step.frame.at,
                what: What::Frame(step),
            }),
            Event::Call(call) => {
                rows.push(Row {
                    at: call.at,
                    what: What::Call(call),
                });
                if call.waited == Waited::Yes {
                    rows.push(Row {
                        at: call.at + call.lasted,
                        what: What::Return(call),
                    });
                }
            }
        }
    }
    // Stable: what happened at the same moment keeps its order.
    rows.sort_by_key(|row| row.at);
    rows
}

fn call_words(call: &Call, glyphs: Glyphs) -> String {
    let (text, result) = (glyphs.said(&call.text), glyphs.said(&call.result));
    let mut words = match call.waited {
        Waited::Yes => format!("{text} waits …"),
        Waited::No => format!("{text} = {result}"),
    };
    if !call.remark.is_empty() && call.waited == Waited::No {
        words += &format!(" ({})", glyphs.said(&call.remark));
    }
    words
}

fn return_words(call: &Call, glyphs: Glyphs) -> String {
    let name = call.text.split('(').next().unwrap_or_default();
    let remark = match call.remark.as_str() {
        "" => String::new(),
        remark => format!(" ({})", glyphs.said(remark)),
    };
    format!(
        "… {name} = {} after {}{remark}",
        glyphs.said(&call.result),
        time(call.lasted)
    )
}

/// The columns to the left and to the right of the lane, out of `room`: as wide as what
/// stands there if there is enough, so that few calls take several lines.
fn sides(rows: &[Row<'_>], room: usize, glyphs: Glyphs) -> (usize, usize) {
    let (mut left, mut right) = (0, 0);
    for row in rows.iter().take(MAX_ROWS) {
        match row.what {
            What::Call(call) => widen(&mut left, &mut right, call.side, &call_words(call, glyphs)),
            What::Return(call) => widen(
                &mut left,
                &mut right,
                call.side,
                &return_words(call, glyphs),
            ),
            What::Frame(step) => {
                let words = half_closed(step).map(str::to_owned);
                let words = words
                    .into_iter()
                    .chain(remarks(step, glyphs).into_iter().map(|one| one.1));
                for words in words {
                    right = right.max(words.width() + 1);
                }
            }
        }
    }
    // A state's name, at least.
    let (left, right) = (left.max(13), right.max(13));
    if left + right <= room {
        return (left, right);
    }
    let third = room / 3;
    match (left <= room - third, right <= third) {
        (true, _) => (left, room - left),
        (false, true) => (room - right, right),
        (false, false) => (room - third, third),
    }
}

fn widen(left: &mut usize, right: &mut usize, side: Direction, words: &str) {
    let column = match side {
        Direction::Forward => left,
        Direction::Backward => right,
    };
    *column = (*column).max(words.width() + 1);
}

struct Layout {
    glyphs: Glyphs,
    left: usize,
    lane: usize,
    right: usize,
}

impl Layout {
    fn new(look: &Look, rows: &[Row<'_>]) -> Self {
        let Look { width, glyphs, .. } = *look;
        let rest = width.saturating_sub(TIME + 1 + 2 + 1);
        let has_calls = rows.iter().any(|row| !matches!(row.what, What::Frame(_)));
        let (left, right) = match width {
            BESIDE.. if has_calls => sides(rows, rest.saturating_sub(LEAST_LANE), glyphs),
            _ => (0, (rest / 3).clamp(14, 48)),
        };
        Layout {
            glyphs,
            left,
            lane: rest.saturating_sub(left + right).max(12),
            right,
        }
    }

    /// The two ends above their rails.
    fn rails(&self, talk: &Talk) -> Line {
        let [one, other] = &talk.parties;
        let mut line = Line::of(Hue::Dim, format!("{:>TIME$} ", "time"));
        let names = [one.short(), other.short()].map(|name| self.glyphs.said(&name).into_owned());
        let half = self.lane / 2;
        if self.left > 0 {
            line.push(
                Hue::Strong,
                format!("{:>width$}", fit(&names[0], self.left), width = self.left),
            );
            line.pad_to(TIME + 1 + self.left + 2 + self.lane);
            line.push(Hue::Strong, format!(" {}", fit(&names[1], self.right)));
        } else {
            line.push(
                Hue::Strong,
                format!("{:<width$}", fit(&names[0], half), width = half + 1),
            );
            let name = fit(&names[1], self.lane + 1 - half);
            line.push(
                Hue::Strong,
                format!("{name:>width$}", width = self.lane + 1 - half),
            );
        }
        line
    }

    fn arrow(&self, trace: &Trace, step: &Step, since: &str) -> Vec<Line> {
        let direction = trace.direction(step);
        let (hue, label) = label(step, self.glyphs, self.lane.saturating_sub(6));
        let mut left = Vec::new();
        let mut right: Vec<(Hue, String)> = Vec::new();
        for side in [Direction::Forward, Direction::Backward] {
            let Some(state) = step.new_state(side) else {
                continue;
            };
            if self.left > 0 && side == Direction::Forward {
                left.push((Hue::Good, state.name().to_owned()));
            } else if self.left > 0 {
                right.push((Hue::Good, state.name().to_owned()));
            } else {
                let arrow = if side == Direction::Forward {
                    "←"
                } else {
                    "→"
                };
                right.push((Hue::Good, format!("{arrow} {state}")));
            }
        }
        right.extend(half_closed(step).map(|words| (Hue::Remark, words.to_owned())));
        right.extend(remarks(step, self.glyphs));
        let lane = self.stroke(step, direction, hue, &label);
        self.row(since, &left, lane, &right)
    }

    /// The arrow of a frame, over the whole lane.
    fn stroke(&self, step: &Step, direction: Direction, hue: Hue, label: &str) -> Line {
        let is_again = matches!(&step.seen.note, Note::Tcp(note)
            if note.verdicts.has(Verdict::Retransmission) || note.verdicts.has(Verdict::SpuriousRetransmission));
        let (line, hue, is_lost) = match &step.frame.fate {
            Fate::Dropped(_) => ("╌", Hue::Bad, true),
            _ if is_again => ("═", Hue::Bad, false),
            _ => ("─", hue, false),
        };
        let label = match fit(label, self.lane.saturating_sub(6)) {
            text if text.is_empty() => text,
            text => format!(" {text} "),
        };
        let rest = self.lane.saturating_sub(1 + label.width());
        let (before, after) = (rest / 2, rest - rest / 2);
        let (tail, head) = match (direction, is_lost) {
            (Direction::Forward, false) => ("", "▶"),
            (Direction::Forward, true) => ("", "✗"),
            (Direction::Backward, false) => ("◀", ""),
            (Direction::Backward, true) => ("✗", ""),
        };
        let mut arrow = Line::of(hue, format!("{tail}{}", line.repeat(before)));
        arrow.push(if is_lost { Hue::Bad } else { hue }, label);
        arrow.push(hue, format!("{}{head}", line.repeat(after)));
        arrow
    }

    fn call(&self, talk: &Talk, call: &Call, words: &str, since: &str) -> Vec<Line> {
        let blank = Line::of(Hue::None, " ".repeat(self.lane));
        let cell = vec![(Hue::Strong, words.to_owned())];
        if self.left > 0 {
            return match call.side {
                Direction::Forward => self.row(since, &cell, blank, &[]),
                Direction::Backward => self.row(since, &[], blank, &cell),
            };
        }
        let party = &talk.parties[call.side.index()];
        let name = if party.name.is_empty() {
            &party.address
        } else {
            &party.name
        };
        let width = self.lane + self.right + 3;
        let mut lines = Vec::new();
        let text = format!("{}: {words}", self.glyphs.said(name));
        for (index, part) in wrap_hanging(&text, width).into_iter().enumerate() {
            let since = if index == 0 { since } else { "" };
            let mut line = Line::of(Hue::Dim, format!("{since:>TIME$} "));
            line.push(Hue::Strong, part);
            lines.push(line);
        }
        lines
    }

    /// A row: time, what stands to the left, the lane between its rails, and what
    /// stands to the right; the sides go on in further rows.
    fn row(
        &self,
        since: &str,
        left: &[(Hue, String)],
        lane: Line,
        right: &[(Hue, String)],
    ) -> Vec<Line> {
        let left: Vec<(Hue, String)> = wrapped(left, self.left.saturating_sub(1));
        let right: Vec<(Hue, String)> = wrapped(right, self.right);
        let mut lines = Vec::new();
        for index in 0..left.len().max(right.len()).max(1) {
            let mut line = Line::of(
                Hue::Dim,
                format!("{:>TIME$} ", if index == 0 { since } else { "" }),
            );
            if self.left > 0 {
                let (hue, text) = left.get(index).cloned().unwrap_or_default();
                let room = self.left - 1;
                line.push(
                    hue,
                    format!("{}{text} ", " ".repeat(room.saturating_sub(text.width()))),
                );
            }
            line.push(Hue::Dim, "│");
            match index {
                0 => line.append(lane.clone()),
                _ => line.push(Hue::None, " ".repeat(self.lane)),
            }
            line.push(Hue::Dim, "│");
            if let Some((hue, text)) = right.get(index) {
                line.push(*hue, format!(" {text}"));
            }
            lines.push(line);
        }
        lines
    }
}

fn wrapped(cells: &[(Hue, String)], width: usize) -> Vec<(Hue, String)> {
    let wrap = |(hue, text): &(Hue, String)| {
        let hue = *hue;
        wrap_words(text, width)
            .into_iter()
            .map(move |line| (hue, line))
    };
    cells.iter().flat_map(wrap).collect()
}

/// So many columns of what was said are worth more than the numbers beside it.
const LEAST_SAID: usize = 12;

/// What stands in the arrow, for so many columns.
fn label(step: &Step, glyphs: Glyphs, room: usize) -> (Hue, String) {
    let stage = match step.data().is_empty() {
        true => step
            .layers
            .top()
            .map_or(Stage::Link, |layer| layer.kind.stage()),
        false => Stage::Application,
    };
    let mut words = headline_words(step);
    let said = match said(step, glyphs) {
        text if text.is_empty() => glyphs.said(&content(step.data())).into_owned(),
        text => text,
    };
    let needed = match said.width() {
        0 => 0,
        width => 2 + width.min(LEAST_SAID),
    };
    while words.len() > 1 && words.join(" ").width() + needed > room {
        words.pop();
    }
    let words = words.join(" ");
    let text = if said.is_empty() {
        words
    } else {
        format!("{words}  {said}")
    };
    (Hue::Stage(stage), text)
}
