//! Diagrams for documents: Mermaid's `sequenceDiagram` of each talk, and a `packet`
//! diagram of the first frame with data.

use super::text::{Glyphs, settled};
use super::words::{headline, remarks, said, talk_title, time};
use crate::conversation::Direction;
use crate::field::Field;
use crate::frame::Fate;
use crate::layers::{Kind, Layer, Stage};
use crate::trace::{Call, Event, Party, Step, Trace, Waited};

/// Documents have every character; where the terminal has not, [`entities`] come last.
const ALL: Glyphs = Glyphs::Unicode;

/// What is not ASCII as Mermaid's own escapes: `#233;`.
pub(super) fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character.is_ascii() {
            true => out.push(character),
            false => out += &format!("#{};", u32::from(character)),
        }
    }
    out
}

pub(super) fn draw(trace: &Trace) -> String {
    let mut out = String::new();
    let origins = trace.origins();
    for (index, talk) in trace.talks.iter().enumerate() {
        out += &format!("%% {}\n", clean(&talk_title(talk, ALL)));
        for origin in &origins {
            out += &format!("%% {}\n", clean(origin.meaning()));
        }
        for note in &trace.notes {
            out += &format!("%% {}\n", clean(note));
        }
        out += "sequenceDiagram\n";
        out += &format!("    participant C as {}\n", participant(&talk.parties[0]));
        out += &format!("    participant S as {}\n", participant(&talk.parties[1]));
        for event in trace.events(index) {
            match event {
                Event::Call(call) => out += &call_line(call),
                Event::Frame(step) => out += &step_lines(trace, step),
            }
        }
        out.push('\n');
    }
    let with_data = trace.steps.iter().find(|step| !step.data().is_empty());
    if let Some(step) = with_data.or(trace.steps.first()) {
        let headers = step
            .layers
            .list
            .iter()
            .filter(|layer| layer.kind.stage() != Stage::Application);
        for layer in headers.filter(|layer| layer.kind != Kind::Padding && !layer.is_quoted) {
            out += &packet(step, layer);
        }
    }
    out
}

fn participant(party: &Party) -> String {
    match clean(&party.title()) {
        title if title.is_empty() => "?".into(),
        title => title,
    }
}

fn actor(side: Direction) -> char {
    match side {
        Direction::Forward => 'C',
        Direction::Backward => 'S',
    }
}

fn call_line(call: &Call) -> String {
    let waited = match call.waited {
        Waited::Yes => format!(", waited {}", time(call.lasted)),
        Waited::No => String::new(),
    };
    let place = match call.side {
        Direction::Forward => "left of C",
        Direction::Backward => "right of S",
    };
    format!(
        "    Note {place}: {}\n",
        clean(&format!("{} = {}{waited}", call.text, call.result))
    )
}

fn step_lines(trace: &Trace, step: &Step) -> String {
    let direction = trace.direction(step);
    let (from, to) = (actor(direction), actor(direction.other()));
    let arrow = match step.frame.fate {
        Fate::Dropped(_) => "-x",
        _ => "->>",
    };
    let said = said(step, ALL);
    let mut label = headline(step);
    if !said.is_empty() {
        label += &format!(" {said}");
    }
    let mut out = format!("    {from}{arrow}{to}: {}\n", clean(&label));
    for side in [Direction::Forward, Direction::Backward] {
        if let Some(state) = step.new_state(side) {
            out += &format!("    Note over {}: {state}\n", actor(side));
        }
    }
    for (_, remark) in remarks(step, ALL) {
        out += &format!("    Note over C,S: {}\n", clean(&remark));
    }
    out
}

/// A header as a packet diagram. Fields that are parts of others are left out.
fn packet(step: &Step, layer: &Layer) -> String {
    let mut out = format!(
        "packet-beta\n    title {} of frame {}\n",
        layer.kind.title(),
        step.number()
    );
    let base = layer.bytes.start * 8;
    let mut next = base;
    let mut fields: Vec<&Field> = layer.fields.iter().collect();
    fields.sort_by_key(|field| (field.bits.start, field.bits.end));
    for field in fields {
        if field.bits.start < next || field.bits.is_empty() {
            continue;
        }
        if field.bits.start > next {
            out += &range(next - base, field.bits.start - base, "…");
        }
        let label = format!("{}: {}", field.rfc_name, field.value);
        out += &range(field.bits.start - base, field.bits.end - base, &label);
        next = field.bits.end;
    }
    out.push('\n');
    out
}

fn range(from: usize, to: usize, label: &str) -> String {
    let label = clean(label).replace('"', "'");
    match to - from {
        1 => format!("    {from}: \"{label}\"\n"),
        _ => format!("    {from}-{}: \"{label}\"\n", to - 1),
    }
}

/// Without what Mermaid takes for its own.
fn clean(text: &str) -> String {
    settled(&text.replace(['\n', '\r'], " "))
        .chars()
        .map(|character| match character {
            ';' => ',',
            '#' => '№',
            '<' => '‹',
            '>' => '›',
            '%' => '٪',
            other => other,
        })
        .collect()
}
