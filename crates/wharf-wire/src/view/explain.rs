//! A single frame or field in words: every field, what it holds, and what that means.

use unicode_width::UnicodeWidthStr;

use super::text::{Hue, Line, Look, wrap_words};
use super::words::{headline, remarks};
use crate::conversation::Note;
use crate::field::Field;
use crate::layers::{Kind, Layer};
use crate::trace::{Step, Trace};

/// Every field of every layer of a frame.
pub fn explain(trace: &Trace, step: &Step, look: &Look) -> Vec<Line> {
    let mut lines = vec![
        Line::of(
            Hue::Strong,
            format!("#{} {}", step.number(), headline(step)),
        )
        .fit(look.width),
    ];
    lines.extend(paragraph(
        step.frame.origin.meaning(),
        Hue::Remark,
        look.width,
    ));
    let talk = &trace.talks[step.talk];
    let said = |text: &str| look.glyphs.said(text).into_owned();
    lines.push(
        Line::of(
            Hue::None,
            format!(
                "between {} and {}",
                said(&talk.parties[0].title()),
                said(&talk.parties[1].title())
            ),
        )
        .fit(look.width),
    );
    for (hue, remark) in remarks(step, look.glyphs) {
        lines.extend(paragraph(&remark, hue, look.width));
    }
    if let Note::Tcp(note) = &step.seen.note {
        for verdict in note.verdicts.iter() {
            let text = format!("{}: {}", verdict.name(), verdict.meaning());
            lines.extend(paragraph(&text, Hue::Remark, look.width));
        }
    }
    for layer in &step.layers.list {
        lines.push(Line::new());
        let quoted = if layer.is_quoted { "quoted " } else { "" };
        let title = format!(
            "{quoted}{}, {} bytes",
            layer.kind.title(),
            layer.bytes.len()
        );
        lines.push(Line::of(Hue::Stage(layer.kind.stage()), title));
        if layer.kind == Kind::Plaintext {
            let text = said(&layer.brief.join("   "));
            lines.extend(paragraph(&text, Hue::None, look.width));
        }
        for field in &layer.fields {
            match counted(step, layer, field) {
                Some(field) => lines.extend(row(layer, &field, look)),
                None => lines.extend(row(layer, field, look)),
            }
        }
        for note in &layer.notes {
            lines.extend(paragraph(
                &format!("· {}", said(note)),
                Hue::Dim,
                look.width,
            ));
        }
    }
    lines
}

/// A field of a frame in full.
pub fn explain_field(layer: &Layer, field: &Field, look: &Look) -> Vec<Line> {
    let width = look.width;
    let mut lines = Vec::new();
    let hue = Hue::Stage(layer.kind.stage());
    lines.extend(paragraph(
        &look
            .glyphs
            .said(&format!("{} = {}", field.rfc_name, field.value)),
        hue,
        width,
    ));
    if !field.meaning.is_empty() {
        let meaning = look.glyphs.said(&field.meaning);
        lines.extend(paragraph(&meaning, Hue::None, width));
    }
    let bits = field.bits.len();
    let size = match (bits, bits / 8) {
        (1, _) => "1 bit".to_owned(),
        (8, _) => "1 byte".to_owned(),
        (_, bytes) if bits.is_multiple_of(8) => format!("{bytes} bytes"),
        _ => format!("{bits} bits"),
    };
    let spec = if field.spec.is_empty() {
        String::new()
    } else {
        format!(", {}", field.spec)
    };
    lines.extend(paragraph(
        &format!("{} of {}: {size}{spec}", field.place(), layer.kind.title()),
        Hue::Dim,
        width,
    ));
    lines
}

/// TCP's numbers also as every other view has them.
fn counted(step: &Step, layer: &Layer, field: &Field) -> Option<Field> {
    let Note::Tcp(note) = &step.seen.note else {
        return None;
    };
    if layer.kind != Kind::Tcp || layer.is_quoted {
        return None;
    }
    let number = match field.name {
        "seq" => note.relative_seq,
        "ack" => note.relative_ack?,
        _ => return None,
    };
    let mut field = field.clone();
    field.meaning = format!("{number} since the beginning: {}", field.meaning).into();
    Some(field)
}

fn row(layer: &Layer, field: &Field, look: &Look) -> Vec<Line> {
    let width = look.width;
    let mut line = Line::of(Hue::Dim, format!("  {:<24}", field.place()));
    if width < 80 {
        line = Line::of(Hue::None, "  ");
    }
    line.push(
        Hue::Stage(layer.kind.stage()),
        format!("{:<14} ", field.name),
    );
    let indent = line.width();
    line.push(Hue::Strong, look.glyphs.said(&field.value.to_string()));
    let meaning = &look.glyphs.said(&field.meaning);
    if line.width() + 2 + meaning.width() <= width {
        if !meaning.is_empty() {
            line.push(Hue::None, format!("  {meaning}"));
        }
        return vec![line];
    }
    // What it means is what was asked for: it is never cut off.
    let mut lines = vec![line.fit(width)];
    for part in wrap_words(meaning, width.saturating_sub(indent).max(16)) {
        lines.push(Line::of(Hue::None, format!("{:indent$}{part}", "")));
    }
    lines
}

fn paragraph(text: &str, hue: Hue, width: usize) -> Vec<Line> {
    wrap_words(text, width)
        .into_iter()
        .map(|part| Line::of(hue, part))
        .collect()
}
