//! The bytes, coloured by layer, with a letter for each layer where colour is not seen.

use super::text::{Hue, Line, Look};
use super::words::{delta, headline, route};
use super::{Stage, preamble};
use crate::field::Field;
use crate::frame::Timestamp;
use crate::layers::{Layer, Layers};
use crate::trace::{Step, Trace};

pub(super) fn draw(trace: &Trace, look: &Look) -> Vec<Line> {
    let mut lines = preamble(trace, look);
    let start = trace.start();
    for step in &trace.steps {
        lines.push(Line::new());
        lines.extend(frame(trace, step, start, look));
    }
    lines
}

/// One frame.
pub(super) fn frame(trace: &Trace, step: &Step, start: Timestamp, look: &Look) -> Vec<Line> {
    let mut head = Line::of(Hue::Strong, format!("#{}", step.number()));
    head.push(
        Hue::Dim,
        format!("  {}  ", delta(step.frame.at.delta(start))),
    );
    head.push(
        Hue::None,
        format!("{}  {}", route(trace, step), headline(step)),
    );
    head.push(Hue::Dim, format!("  {}", step.frame.origin));
    let mut lines = vec![head.fit(look.width)];
    let per_row = match look.width {
        88.. => 16,
        48.. => 8,
        _ => 4,
    };
    lines.extend(hex_rows(&step.layers, &step.frame.bytes, per_row, None));
    lines.push(legend(&step.layers, look.width));
    if step.frame.cut_off() > 0 {
        lines.push(Line::of(
            Hue::Remark,
            format!(
                "      {} more bytes were not captured",
                step.frame.cut_off()
            ),
        ));
    }
    lines
}

/// Rows of `per_row` bytes: offset, bytes, text, and which layer's they are. The bytes
/// of `focus` stand in brackets.
pub fn hex_rows(layers: &Layers, bytes: &[u8], per_row: usize, focus: Option<&Field>) -> Vec<Line> {
    let per_row = per_row.max(1);
    let focused = focus.map_or(0..0, Field::bytes);
    let mut rows = Vec::with_capacity(bytes.len().div_ceil(per_row));
    for (row, chunk) in bytes.chunks(per_row).enumerate() {
        let base = row * per_row;
        let mut line = Line::of(Hue::Dim, format!("{base:04x} "));
        let mut text = Line::new();
        let mut letters = String::new();
        for (index, byte) in chunk.iter().enumerate() {
            let at = base + index;
            let layer = layer_at(layers, at);
            let hue = layer.map_or(Hue::Dim, |layer| Hue::Stage(layer.kind.stage()));
            let is_focused = focused.contains(&at);
            let open = if is_focused && (at == focused.start || index == 0) {
                "["
            } else if index > 0 && focused.contains(&(at - 1)) && !is_focused {
                "]"
            } else {
                " "
            };
            line.push(
                if is_focused { Hue::Strong } else { hue },
                format!("{open}{byte:02x}"),
            );
            let shown = if byte.is_ascii_graphic() || *byte == b' ' {
                char::from(*byte)
            } else {
                '.'
            };
            text.push(
                if is_focused { Hue::Strong } else { hue },
                shown.to_string(),
            );
            letters.push(layer.map_or(' ', letter));
        }
        let last = base + chunk.len() - 1;
        line.push(Hue::Strong, if focused.contains(&last) { "]" } else { " " });
        line.pad_to(5 + 3 * per_row + 1);
        line.push(Hue::None, " ");
        line.append(text);
        line.pad_to(5 + 3 * per_row + 3 + per_row);
        line.push(Hue::Dim, letters);
        rows.push(line);
    }
    rows
}

/// The innermost layer that a byte belongs to.
fn layer_at(layers: &Layers, at: usize) -> Option<&Layer> {
    layers
        .list
        .iter()
        .rev()
        .find(|layer| layer.bytes.contains(&at))
}

/// A letter for a layer's stage.
fn letter(layer: &Layer) -> char {
    match layer.kind.stage() {
        Stage::Link => 'l',
        Stage::Network => 'n',
        Stage::Transport => 't',
        Stage::Application => 'A',
    }
}

fn legend(layers: &Layers, width: usize) -> Line {
    let mut line = Line::of(Hue::Dim, "      ");
    for layer in layers.list.iter().filter(|layer| !layer.bytes.is_empty()) {
        let name = format!(
            "{}={} {} ",
            letter(layer),
            layer.kind.short(),
            layer.bytes.len()
        );
        line.push(Hue::Stage(layer.kind.stage()), name);
    }
    line.fit(width)
}
