//! Pictures of a trace, all drawn from the one model.
//!
//! Every view says how its frames came to be known; colour is never the only sign; and
//! each draws itself for the columns that there are.

mod boxes;
mod explain;
mod hex;
mod json;
mod ladder;
mod lines;
mod mermaid;
mod story;
mod text;
mod words;

use crate::frame::{Origin, Timestamp};
use crate::layers::{Kind, Stage};
use crate::trace::{Step, Trace};

pub use explain::{explain, explain_field};
pub use hex::hex_rows;
pub use json::{call_json, frame_json, message_json};
pub use lines::line as frame_line;
pub use text::{Glyphs, Hue, Line, Look, Model, Paint, Span, render};
pub(crate) use words::content;
pub use words::{headline, remarks};

/// The views; the names are the same in the command, the code and the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// Each frame as nested boxes, with a bar that shows the overhead.
    Boxes,
    /// The conversation as a ladder of arrows between its two ends.
    Ladder,
    /// One line for each frame.
    Lines,
    /// The bytes, coloured by layer.
    Hex,
    /// A story about letters, for beginners.
    Story,
    /// One JSON object per line.
    Json,
    /// Diagrams for Mermaid.
    Mermaid,
}

impl View {
    /// All of them with their names.
    pub const ALL: [(View, &'static str); 7] = [
        (View::Boxes, "boxes"),
        (View::Ladder, "ladder"),
        (View::Lines, "lines"),
        (View::Hex, "hex"),
        (View::Story, "story"),
        (View::Json, "json"),
        (View::Mermaid, "mermaid"),
    ];
}

/// Draws a trace; every line ends in a line feed.
pub fn draw(trace: &Trace, view: View, look: &Look) -> String {
    let look = &Look {
        width: look.width.max(Look::LEAST),
        ..*look
    };
    match view {
        View::Json => json::draw(trace),
        View::Mermaid => match look.glyphs {
            Glyphs::Unicode => mermaid::draw(trace),
            Glyphs::Ascii => mermaid::entities(&mermaid::draw(trace)),
        },
        View::Boxes => render(&boxes::draw(trace, look), look),
        View::Ladder => render(&ladder::draw(trace, look), look),
        View::Lines => render(&lines::draw(trace, look), look),
        View::Hex => render(&hex::draw(trace, look), look),
        View::Story => render(&story::draw(trace, look), look),
    }
}

/// The boxes of a single frame, its time counted from `start`.
pub fn frame_boxes(trace: &Trace, step: &Step, start: Timestamp, look: &Look) -> Vec<Line> {
    boxes::frame(trace, step, start, look)
}

/// The bytes of a single frame, coloured by layer, its time counted from `start`.
pub fn frame_hex(trace: &Trace, step: &Step, start: Timestamp, look: &Look) -> Vec<Line> {
    hex::frame(trace, step, start, look)
}

/// The ladder of a single talk.
pub fn talk_ladder(trace: &Trace, talk: usize, look: &Look) -> Vec<(Option<u64>, Line)> {
    ladder::talk(trace, talk, look)
}

/// What must be said above every picture: how its frames came to be known, and what
/// else a reader has to know.
pub(crate) fn preamble(trace: &Trace, look: &Look) -> Vec<Line> {
    let mut lines = Vec::new();
    let origins = trace.origins();
    for origin in &origins {
        let count = trace
            .steps
            .iter()
            .filter(|step| step.frame.origin == *origin)
            .count();
        let hue = if *origin == Origin::Captured {
            Hue::Good
        } else {
            Hue::Remark
        };
        let frames = if count == 1 { "frame" } else { "frames" };
        let text = format!("{count} {frames} {}", origin.meaning());
        let parts = text::wrap_hanging(&text, look.width).into_iter();
        lines.extend(parts.map(|part| Line::of(hue, part)));
    }
    if origins.is_empty() {
        lines.push(Line::of(Hue::Remark, "no frames"));
    }
    for note in &trace.notes {
        for (index, part) in text::wrap_words(note, look.width.saturating_sub(2))
            .into_iter()
            .enumerate()
        {
            let indent = if index == 0 { "· " } else { "  " };
            lines.push(Line::of(Hue::Dim, format!("{indent}{part}")));
        }
    }
    lines
}

/// What a model calls the layer that a header belongs to, and who talks to whom there.
pub(crate) fn model_words(model: Model, kind: Kind) -> (&'static str, &'static str) {
    match (model, kind.stage()) {
        (Model::Four, Stage::Link) => ("link layer", "over one link"),
        (Model::Four, Stage::Network) => ("internet layer", "machine to machine"),
        (Model::Four, Stage::Transport) => ("transport layer", "process to process"),
        (Model::Four, Stage::Application) => ("application layer", "what the programs say"),
        (Model::Five, Stage::Link) => ("layer 2, link", "over one link"),
        (Model::Five, Stage::Network) => ("layer 3, network", "machine to machine"),
        (Model::Five, Stage::Transport) => ("layer 4, transport", "process to process"),
        (Model::Five, Stage::Application) => ("layer 5, application", "what the programs say"),
        (Model::Osi, Stage::Link) => ("layer 2, data link", "over one link"),
        (Model::Osi, Stage::Network) => ("layer 3, network", "machine to machine"),
        (Model::Osi, Stage::Transport) => ("layer 4, transport", "process to process"),
        (Model::Osi, Stage::Application) => (
            "layers 5-7, session to application",
            "what the programs say",
        ),
    }
}

#[cfg(test)]
mod tests;
