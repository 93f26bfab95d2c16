//! Where each pane stands, and what is told about the whole. No I/O.

use ratatui::layout::{Constraint, Layout, Rect};
use wharf_wire::trace::Trace;
use wharf_wire::view::{Hue, Line};

use super::Pane;

/// From here on there is room for two panes side by side.
const WIDE: u16 = 100;

/// Below this the active pane gets what the others can do without.
const HIGH: u16 = 32;

/// A pane's frame and its selected line.
const LEAST: u16 = 3;

/// The parts of the screen.
pub(super) struct Places {
    /// Everything above the keys.
    pub(super) all: Rect,
    /// Frames, ladder, layers, bytes.
    pub(super) panes: [Rect; 4],
    pub(super) meaning: Rect,
    pub(super) keys: Rect,
}

pub(super) fn places(area: Rect, active: Pane) -> Places {
    let [all, keys] = Layout::vertical([Constraint::Min(0), Constraint::Length(1)]).areas(area);
    let meaning = if area.height < HIGH { 4 } else { 6 };
    let [body, meaning] =
        Layout::vertical([Constraint::Min(6), Constraint::Length(meaning)]).areas(all);
    Places {
        all,
        panes: panes(body, area, active),
        meaning,
        keys,
    }
}

fn panes(body: Rect, area: Rect, active: Pane) -> [Rect; 4] {
    let is_low = area.height < HIGH;
    if body.width >= WIDE {
        let is_above = matches!(active, Pane::Frames | Pane::Ladder);
        let rows = match (is_low, is_above) {
            (false, _) => [Constraint::Percentage(45), Constraint::Percentage(55)],
            (true, true) => [Constraint::Min(0), Constraint::Length(2 * LEAST)],
            (true, false) => [Constraint::Length(2 * LEAST), Constraint::Min(0)],
        };
        let [top, bottom] = Layout::vertical(rows).areas(body);
        let halves = [Constraint::Percentage(50), Constraint::Percentage(50)];
        let [frames, ladder] = Layout::horizontal(halves).areas(top);
        let [layers, bytes] = Layout::horizontal(halves).areas(bottom);
        return [frames, ladder, layers, bytes];
    }
    if !is_low {
        return Layout::vertical([Constraint::Percentage(25); 4]).areas(body);
    }
    // Where not even their selected lines have room, the others go.
    let least = if body.height < 5 * LEAST { 0 } else { LEAST };
    let row = |pane: Pane| match pane == active {
        true => Constraint::Min(0),
        false => Constraint::Length(least),
    };
    Layout::vertical(Pane::ALL.map(row)).areas(body)
}

/// How the frames came to be known, what else to know, and what can be pressed.
pub(super) fn told(trace: &Trace) -> Vec<Line> {
    const KEYS: [(&str, &str); 8] = [
        ("Tab, Shift-Tab", "the next pane, the one before"),
        ("up, down, k, j", "move in it; all others follow"),
        ("left, right, h, l", "byte by byte, in the bytes"),
        ("PgUp, PgDn, Space", "ten at once"),
        ("Home, End, g, G", "to the first, to the last"),
        ("n, p", "the next frame, the one before, from any pane"),
        ("?", "this"),
        ("q, Esc", "leave"),
    ];
    let origins = trace.origins();
    let mut lines: Vec<Line> = origins
        .iter()
        .map(|origin| Line::of(Hue::Remark, origin.meaning()))
        .collect();
    let notes = trace.notes.iter();
    lines.extend(notes.map(|note| Line::of(Hue::None, format!("· {note}"))));
    lines.push(Line::new());
    lines.extend(
        KEYS.map(|(key, does)| Line::of(Hue::Strong, format!("{key:<19}")).with(Hue::None, does)),
    );
    lines
}
