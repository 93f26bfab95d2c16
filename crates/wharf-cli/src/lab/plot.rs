//! A plot of the transport experiment as one SVG file, and sparklines for terminals.

use std::fmt::Write as _;

use wharf_lab::transport::{Judgement, Verdict};

/// Height of a bar, its gap, and where the bars begin, in pixels.
const BAR: usize = 12;
const GAP: usize = 26;
const LEFT: usize = 230;
/// The width of 100 %.
const WIDTH: usize = 500;
const TOP: usize = 60;

/// Unusable messages of every application over TCP and UDP, as bars.
pub(super) fn svg(title: &str, results: &[(Judgement, Judgement)]) -> String {
    let height = TOP + results.len() * (2 * BAR + GAP) + 40;
    let width = LEFT + WIDTH + 190;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"16\" y=\"24\" font-size=\"16\" font-weight=\"bold\">\
         Unusable messages: lost, or later than the application can wait</text>\n\
         <text x=\"16\" y=\"42\" fill=\"#555\">{}</text>\n",
        escaped(title)
    );
    for share in 0..=4 {
        let x = LEFT + WIDTH * share / 4;
        let _ = writeln!(
            text,
            "<line x1=\"{x}\" y1=\"{TOP}\" x2=\"{x}\" y2=\"{}\" stroke=\"#ddd\"/>\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\" fill=\"#555\">{} %</text>",
            height - 34,
            height - 18,
            share * 25
        );
    }
    for (row, (tcp, udp)) in results.iter().enumerate() {
        let y = TOP + 10 + row * (2 * BAR + GAP);
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>",
            LEFT - 40,
            y + BAR + 4,
            escaped(tcp.application)
        );
        bar(&mut text, y, "#3b6fb6", tcp);
        bar(&mut text, y + BAR + 2, "#d9822b", udp);
    }
    text += "</svg>\n";
    text
}

fn bar(text: &mut String, y: usize, colour: &str, result: &Judgement) {
    let width = (result.unusable.clamp(0.0, 1.0) * WIDTH as f64).max(1.0);
    let mark = match result.verdict {
        Some(Verdict::Good) => "#2a7d2a",
        Some(Verdict::Marginal) => "#8a6d00",
        Some(Verdict::Fail) => "#b00020",
        None => "#555",
    };
    let verdict = result.verdict.map_or("no verdict", Verdict::name);
    let broken = result
        .broken
        .map_or(String::new(), |need| format!(": {need}"));
    let _ = writeln!(
        text,
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#555\" font-size=\"10\">{}</text>\
         <rect x=\"{LEFT}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\
         <text x=\"{:.1}\" y=\"{}\" fill=\"{mark}\" font-size=\"11\">{:.1} %, {}{broken}</text>",
        LEFT - 6,
        y + BAR - 2,
        result.transport,
        LEFT as f64 + width + 6.0,
        y + BAR - 2,
        result.unusable * 100.0,
        verdict,
    );
}

/// One character for each value from 0 to 1.
pub(super) fn sparkline(values: &[f64]) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let level = |value: &f64| {
        let index = (value.clamp(0.0, 1.0) * 7.0).ceil() as usize;
        LEVELS[index.min(7)]
    };
    values.iter().map(level).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sparklines_show_that_something_is_there() {
        assert_eq!(sparkline(&[0.0, 0.01, 0.5, 1.0, 7.0]), "▁▂▅██");
    }
}
