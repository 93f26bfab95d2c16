//! Each frame as nested boxes: what is inside of what, and how much of it is overhead.

use unicode_width::UnicodeWidthStr;

use super::hex::hex_rows;
use super::text::{Glyphs, Hue, Line, Look, Model, fit, wrap, wrap_hanging, wrap_words};
use super::words::{delta, remarks, route, since_when};
use super::{Stage, model_words, preamble};
use crate::conversation::{Direction, Note};
use crate::field::as_text;
use crate::frame::Timestamp;
use crate::layers::{Kind, Layer};
use crate::trace::{Step, Trace};

/// From here on the bytes stand beside the boxes.
const BESIDE: usize = 100;

/// From here on sixteen in a row instead of eight.
const WIDE: usize = 150;

/// Below this a box has no room: one line for each layer.
const NARROW: usize = 60;

/// Wider boxes are harder to read than bytes are worth.
const WIDEST: usize = 120;

/// Lines of an application's bytes in a box.
const DATA_LINES: usize = 4;

pub(super) fn draw(trace: &Trace, look: &Look) -> Vec<Line> {
    let mut lines = preamble(trace, look);
    let start = trace.start();
    for step in &trace.steps {
        lines.push(Line::new());
        lines.extend(frame(trace, step, start, look));
    }
    if trace
        .steps
        .iter()
        .any(|step| step.layers.find(Kind::Udp).is_some())
    {
        lines.push(Line::new());
        lines.extend(udp_beside_tcp(look.width));
    }
    lines
}

/// One frame.
pub(super) fn frame(trace: &Trace, step: &Step, start: Timestamp, look: &Look) -> Vec<Line> {
    let mut lines = head(trace, step, start, look);
    let hex_width = match look.width {
        WIDE.. => 5 + 16 * 3 + 3 + 16 + 2,
        BESIDE..WIDE => 5 + 8 * 3 + 3 + 8 + 2,
        _ => 0,
    };
    let width = (look.width - hex_width).min(WIDEST);
    lines.extend(bar(step, width));
    let boxes = match look.width {
        0..NARROW => flat(step, look, width),
        _ => nested(step, look, width),
    };
    if hex_width == 0 {
        lines.extend(boxes);
        return lines;
    }
    let per_row = if look.width >= WIDE { 16 } else { 8 };
    let mut rows = hex_rows(&step.layers, &step.frame.bytes, per_row, None);
    // As long as the boxes, or a screenful: the rest is what --view hex is for.
    let most = boxes.len().max(16);
    if rows.len() > most {
        let left = step.frame.bytes.len() - (most - 1) * per_row;
        rows.truncate(most - 1);
        rows.push(Line::of(
            Hue::Dim,
            format!("     … {left} more bytes: --view hex"),
        ));
    }
    for index in 0..boxes.len().max(rows.len()) {
        let mut line = boxes.get(index).cloned().unwrap_or_default();
        if let Some(row) = rows.get(index) {
            line.pad_to(width + 2);
            // The letters of the layers have no room here: the boxes name the bytes.
            let mut row = row.clone();
            row.spans.pop();
            line.append(row);
        }
        lines.push(line);
    }
    lines
}

fn head(trace: &Trace, step: &Step, start: Timestamp, look: &Look) -> Vec<Line> {
    let width = look.width;
    let data = step.data().len();
    let whole = step.frame.original_len;
    let mut line = Line::of(Hue::Strong, format!("#{}", step.number()));
    line.push(
        Hue::Dim,
        format!("  {}  ", delta(step.frame.at.delta(start))),
    );
    line.push(Hue::None, route(trace, step));
    let share = match data {
        0 => format!("none of yours in a {whole} B frame"),
        _ => format!(
            "{data} B of yours in a {whole} B frame ({} %)",
            data.min(whole) * 100 / whole.max(1)
        ),
    };
    let label = format!("  {}", step.frame.origin);
    let mut lines = Vec::new();
    if line.width() + share.width() + label.width() + 3 <= width {
        line.push(Hue::None, format!("   {share}"));
        line.push(Hue::Remark, label);
        lines.push(line);
    } else {
        lines.push(line.fit(width));
        lines.push(
            // The label first: it is never what is cut off.
            Line::of(Hue::Remark, label)
                .with(Hue::None, format!("  {share}"))
                .fit(width),
        );
    }
    let mut remarks: Vec<(Hue, String)> = remarks(step, look.glyphs);
    for side in [Direction::Forward, Direction::Backward] {
        if let Some(state) = step.new_state(side) {
            let party = &trace.talks[step.talk].parties[side.index()];
            let is = since_when(state);
            remarks.push((
                Hue::Good,
                format!("{} {is} {state}: {}", party.short(), state.meaning()),
            ));
        }
    }
    for (hue, remark) in remarks {
        let parts = wrap_hanging(&remark, width.saturating_sub(2)).into_iter();
        lines.extend(parts.map(|part| Line::of(hue, format!("  {part}"))));
    }
    lines
}

/// The bar: every layer as long as its share of the bytes, and at least one column.
fn bar(step: &Step, width: usize) -> Vec<Line> {
    let layers: Vec<&Layer> = step
        .layers
        .list
        .iter()
        .filter(|layer| !layer.bytes.is_empty())
        .collect();
    let whole: usize = layers.iter().map(|layer| layer.bytes.len()).sum();
    let room = width.saturating_sub(2).min(whole.max(1));
    let mut bar = Line::of(Hue::None, " ");
    let mut labels = Line::of(Hue::None, " ");
    for layer in layers {
        let share = (layer.bytes.len() * room).div_ceil(whole.max(1)).max(1);
        let left = (width - 1).saturating_sub(bar.width());
        let share = share.min(left);
        let hue = Hue::Stage(layer.kind.stage());
        bar.push(hue, sign(layer.kind.stage()).repeat(share));
        let label = format!("{} {} ", layer.kind.short(), layer.bytes.len());
        let gap = bar
            .width()
            .saturating_sub(share)
            .saturating_sub(labels.width());
        labels.push(Hue::None, " ".repeat(gap));
        labels.push(hue, label);
    }
    vec![bar, labels.fit(width)]
}

/// Denser from layer to layer, so that the bar is read without colour.
fn sign(stage: Stage) -> &'static str {
    match stage {
        Stage::Link => "░",
        Stage::Network => "▒",
        Stage::Transport => "▓",
        Stage::Application => "█",
    }
}

/// One line for each layer.
fn flat(step: &Step, look: &Look, width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for layer in &step.layers.list {
        let mut line = Line::of(
            Hue::Stage(layer.kind.stage()),
            format!("{} {} B  ", layer.kind.title(), layer.bytes.len()),
        );
        line.push(Hue::None, body_parts(step, layer, look.glyphs).join("  "));
        lines.push(line.fit(width));
        if let Some(model) = look.model {
            let (name, who) = model_words(model, layer.kind);
            lines.push(Line::of(Hue::Dim, format!("  {name}: {who}")).fit(width));
        }
    }
    lines
}

/// A box in a box in a box.
fn nested(step: &Step, look: &Look, width: usize) -> Vec<Line> {
    let mut boxes: Vec<Box<'_>> = Vec::new();
    if matches!(look.model, Some(Model::Five | Model::Osi)) {
        boxes.push(Box::Physical(step.frame.original_len));
    }
    boxes.extend(step.layers.list.iter().map(Box::Layer));
    // Each level takes four columns; what is too deep stands side by side with the last.
    let deepest = (width.saturating_sub(32) / 4).max(1);
    let mut lines = Vec::new();
    let mut open: Vec<Hue> = Vec::new();
    for (index, one) in boxes.iter().enumerate() {
        let is_outside = matches!(one, Box::Layer(layer) if layer.kind == Kind::Padding);
        while !open.is_empty() && (open.len() >= deepest || is_outside) {
            close(&mut lines, &mut open, width);
        }
        let hue = one.hue();
        let inner = width - 4 * open.len();
        let title = one.title(look, inner.saturating_sub(6));
        let mut top = Line::of(hue, format!("┌─ {title} "));
        let used = top.width();
        top.push(hue, "─".repeat(inner.saturating_sub(used + 1)));
        top.push(hue, "┐");
        lines.push(framed(&open, top, width));
        open.push(hue);
        let room = inner.saturating_sub(4);
        let words = one.model_lines(look, room);
        for (text_hue, text) in words.into_iter().chain(one.body(step, look, room)) {
            let line = Line::of(text_hue, text);
            lines.push(framed(&open, line, width));
        }
        // A message that follows in the same segment stands beside this one; what is
        // encrypted in it stands within.
        if let (Box::Layer(this), Some(Box::Layer(next))) = (one, boxes.get(index + 1))
            && this.kind.stage() == Stage::Application
            && next.kind.stage() == Stage::Application
        {
            let levels = match (this.kind, next.kind) {
                (Kind::Plaintext, Kind::Plaintext) => 1,
                (_, Kind::Plaintext) => 0,
                (Kind::Plaintext, _) => 2,
                _ => 1,
            };
            for _ in 0..levels {
                close(&mut lines, &mut open, width);
            }
        }
    }
    while !open.is_empty() {
        close(&mut lines, &mut open, width);
    }
    lines
}

fn close(lines: &mut Vec<Line>, open: &mut Vec<Hue>, width: usize) {
    let Some(hue) = open.pop() else {
        return;
    };
    let inner = width - 4 * open.len();
    let bottom = Line::of(hue, format!("└{}┘", "─".repeat(inner.saturating_sub(2))));
    lines.push(framed(open, bottom, width));
}

/// A line between the sides of all boxes that are open.
fn framed(open: &[Hue], content: Line, width: usize) -> Line {
    let mut line = Line::new();
    for hue in open {
        line.push(*hue, "│ ");
    }
    line.append(content);
    line.pad_to(width - 2 * open.len());
    for hue in open.iter().rev() {
        line.push(*hue, " │");
    }
    line
}

enum Box<'a> {
    Physical(usize),
    Layer(&'a Layer),
}

impl Box<'_> {
    fn hue(&self) -> Hue {
        match self {
            Box::Physical(_) => Hue::Dim,
            Box::Layer(layer) => Hue::Stage(layer.kind.stage()),
        }
    }

    fn title(&self, look: &Look, width: usize) -> String {
        match self {
            Box::Physical(len) => fit(
                &format!(
                    "layer 1, physical · bits · {len} bytes are {} bits",
                    len * 8
                ),
                width,
            ),
            Box::Layer(layer) => {
                let quoted = if layer.is_quoted { "quoted " } else { "" };
                let kind = layer.kind.title();
                let place = match layer.bytes.len() {
                    0 if layer.kind == Kind::Plaintext => "in no frame".to_owned(),
                    0 => "0 B".to_owned(),
                    len => format!(
                        "{len} B · bytes {}-{}",
                        layer.bytes.start,
                        layer.bytes.end - 1
                    ),
                };
                let title = format!("{quoted}{kind} · {place}");
                match self.model_title(look, width) {
                    Some(words) => format!("{words} · {title}"),
                    None => fit(&title, width),
                }
            }
        }
    }

    /// What the model calls it and who talks to whom, if that has room in the title.
    fn model_title(&self, look: &Look, width: usize) -> Option<String> {
        let Box::Layer(layer) = self else {
            return None;
        };
        let (name, who) = model_words(look.model?, layer.kind);
        let words = format!("{name} · {who}");
        let own = Look {
            model: None,
            ..*look
        };
        let title = self.title(&own, usize::MAX);
        (words.width() + 3 + title.width() <= width).then_some(words)
    }

    /// The same as the first lines of the body, if it has none.
    fn model_lines(&self, look: &Look, width: usize) -> Vec<(Hue, String)> {
        let title = self.model_title(look, width.saturating_sub(2));
        let (Box::Layer(layer), Some(model), None) = (self, look.model, title) else {
            return Vec::new();
        };
        let (name, who) = model_words(model, layer.kind);
        let words = wrap_words(&format!("{name}: {who}"), width);
        words.into_iter().map(|line| (Hue::Dim, line)).collect()
    }

    fn body(&self, step: &Step, look: &Look, width: usize) -> Vec<(Hue, String)> {
        let Box::Layer(layer) = self else {
            return vec![(
                Hue::Dim,
                fit(
                    "volts, light or radio: no tool on this machine sees them",
                    width,
                ),
            )];
        };
        let mut lines: Vec<(Hue, String)> = match layer.kind {
            Kind::Data | Kind::Padding => data_lines(step, layer, look.glyphs, width),
            _ => wrap(&body_parts(step, layer, look.glyphs), "   ", width)
                .into_iter()
                .map(|line| (Hue::None, line))
                .collect(),
        };
        for note in &layer.notes {
            for (index, part) in wrap_words(&look.glyphs.said(note), width.saturating_sub(2))
                .into_iter()
                .enumerate()
            {
                let sign = if index == 0 { "· " } else { "  " };
                lines.push((Hue::Dim, format!("{sign}{part}")));
            }
        }
        lines
    }
}

/// The short form of a layer, with TCP's numbers counted from the beginning.
fn body_parts(step: &Step, layer: &Layer, glyphs: Glyphs) -> Vec<String> {
    let parts = layer.brief.iter();
    let said = parts.map(|part| glyphs.said(part).into_owned()).collect();
    let Note::Tcp(note) = &step.seen.note else {
        return said;
    };
    if layer.kind != Kind::Tcp || layer.is_quoted {
        return said;
    }
    let relative = |part: &String| match part.split_once(' ') {
        Some(("seq", _)) if note.len > 0 => {
            format!(
                "seq {}..{}",
                note.relative_seq,
                note.relative_seq.wrapping_add(note.len)
            )
        }
        Some(("seq", _)) => format!("seq {}", note.relative_seq),
        Some(("ack", _)) => note
            .relative_ack
            .map_or_else(|| part.clone(), |ack| format!("ack {ack}")),
        Some(("win", _)) => format!("win {}", note.window),
        _ => part.clone(),
    };
    layer.brief.iter().map(relative).collect()
}

/// Bytes to the left, what they say to the right.
fn data_lines(step: &Step, layer: &Layer, glyphs: Glyphs, width: usize) -> Vec<(Hue, String)> {
    let bytes = step
        .frame
        .bytes
        .get(layer.bytes.clone())
        .unwrap_or_default();
    let hue = Hue::Stage(layer.kind.stage());
    if bytes.is_empty() {
        return Vec::new();
    }
    let per_row = ((width.saturating_sub(2)) / 4).clamp(4, 16);
    let mut lines = Vec::new();
    for chunk in bytes.chunks(per_row).take(DATA_LINES) {
        let hex: Vec<String> = chunk.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = match as_text(chunk) {
            Some(text) => text,
            None => chunk
                .iter()
                .map(|byte| {
                    if byte.is_ascii_graphic() {
                        char::from(*byte)
                    } else {
                        '.'
                    }
                })
                .collect(),
        };
        let room = per_row * 3 + 1;
        let text = fit(&glyphs.said(&text), width.saturating_sub(room));
        lines.push((hue, format!("{:<room$}{text}", hex.join(" "))));
    }
    let left = bytes.len().saturating_sub(per_row * DATA_LINES);
    if left > 0 {
        lines.push((Hue::Dim, format!("… {left} more bytes")));
    }
    lines
}

/// UDP's four fields beside TCP's ten: what UDP does without.
fn udp_beside_tcp(width: usize) -> Vec<Line> {
    const ROWS: [(&str, &str, &str); 10] = [
        ("source port", "source port", "the sending process"),
        (
            "destination port",
            "destination port",
            "the receiving process",
        ),
        ("length", "", "TCP has no messages, so no lengths of them"),
        ("checksum", "checksum", "damage is noticed"),
        (
            "",
            "sequence number",
            "which byte this is: order, and no doubles",
        ),
        (
            "",
            "acknowledgment number",
            "what has arrived: loss is noticed and mended",
        ),
        ("", "data offset, reserved", "room for options"),
        ("", "flags", "beginning, end and urgency"),
        ("", "window", "how much the receiver has room for"),
        ("", "urgent pointer", "hardly used today"),
    ];
    let mut lines = vec![Line::of(Hue::Strong, "UDP's four fields beside TCP's ten")];
    for (udp, tcp, meaning) in ROWS {
        let fields = format!("  {udp:<17} {tcp:<22} ");
        let hue = Hue::Stage(Stage::Transport);
        // Where there is no room beside the names the meaning stands below them.
        let indent = match width.saturating_sub(fields.len()) {
            16.. => fields.len(),
            _ => 4,
        };
        let mut parts = wrap_words(meaning, width.saturating_sub(indent)).into_iter();
        let mut line = Line::of(hue, fields);
        if indent == line.width() {
            line.push(Hue::Dim, parts.next().unwrap_or_default());
        }
        lines.push(line.fit(width));
        lines.extend(parts.map(|part| Line::of(Hue::Dim, format!("{:indent$}{part}", ""))));
    }
    lines
}
