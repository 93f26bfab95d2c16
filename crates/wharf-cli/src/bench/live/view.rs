//! Draws a run: how far it is, throughput and latency over time, and the figures.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, Gauge, GraphType, Paragraph};

use super::history::{History, Point};
use super::{Plan, Unit};
use crate::bench::course::phase;
use crate::bench::render::{count, number, short};
use crate::style::bytes;

/// A row of the picture, and what is under a chart.
const GAUGE: u16 = 1;
const FIGURES: u16 = 2;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, plan: &Plan, history: &History) {
    let block = Block::bordered()
        .title(Line::from(format!(" {} ", plan.who)).bold())
        .title(Line::from(format!(" {} ", plan.shape)).right_aligned())
        .title_bottom(Line::from(" q or Ctrl-C ends the run and gives its report ").dim());
    let inside = block.inner(frame.area());
    frame.render_widget(block, frame.area());
    // Without messages there are no latencies.
    let latencies = match plan.unit {
        Unit::Messages => Constraint::Fill(1),
        Unit::Bytes => Constraint::Length(0),
    };
    let [gauge, rates, latencies, figures] = Layout::vertical([
        Constraint::Length(GAUGE),
        Constraint::Fill(1),
        latencies,
        Constraint::Length(FIGURES),
    ])
    .areas(inside);
    progress(frame, gauge, plan, history);
    throughput(frame, rates, plan, history);
    if plan.unit == Unit::Messages {
        latency(frame, latencies, plan, history);
    }
    numbers(frame, figures, plan, history);
}

fn progress(frame: &mut Frame<'_>, area: Rect, plan: &Plan, history: &History) {
    let (at, name) = match history.latest() {
        Some(point) => (point.at, phase(point.phase)),
        None => (Duration::ZERO, "opening"),
    };
    let (at, lasts) = (at.as_secs_f64(), plan.lasts.as_secs_f64());
    let label = match at <= lasts {
        true => format!("{name}, {at:.1} s of {lasts:.1} s"),
        // The last replies are waited for.
        false => format!("{name}, {at:.1} s"),
    };
    let gauge = Gauge::default()
        .ratio((at / lasts.max(1e-9)).clamp(0.0, 1.0))
        .label(label)
        .gauge_style(Style::new().fg(Color::Blue));
    frame.render_widget(gauge, area);
}

fn throughput(frame: &mut Frame<'_>, area: Rect, plan: &Plan, history: &History) {
    let rates = match plan.unit {
        Unit::Messages => series(history, Point::rate),
        Unit::Bytes => history
            .points()
            .iter()
            .map(|point| (point.at.as_secs_f64(), point.byte_rate()))
            .collect(),
    };
    let most = rates.iter().map(|(_, rate)| *rate).fold(1.0, f64::max);
    let top = round_up(most);
    let labels = [0.0, top / 2.0, top].map(|value| label(&thousands(value)));
    let title = match plan.unit {
        Unit::Messages => " messages per second ",
        Unit::Bytes => " bytes per second ",
    };
    let data = vec![line(Color::Green, &rates)];
    let axis = Axis::default().bounds([0.0, top]).labels(labels);
    let title = Line::from(title).bold();
    chart(frame, area, plan, title, data, axis);
}

fn latency(frame: &mut Frame<'_>, area: Rect, plan: &Plan, history: &History) {
    // Decades, since a stall is a thousand times what is usual.
    let log = |time: Duration| (time.as_nanos().max(1_000) as f64).log10();
    let p50 = series(history, |point| log(point.p50));
    let p99 = series(history, |point| log(point.p99));
    let max = series(history, |point| log(point.max));
    let all = || p50.iter().chain(&p99).chain(&max).map(|(_, value)| *value);
    let least = all().fold(f64::INFINITY, f64::min).min(8.0).floor();
    let most = all().fold(least + 1.0, f64::max).ceil();
    let steps = (most - least) as i32;
    let labels = (0..=steps).map(|step| label(&decade(least as i32 + step)));
    let data = vec![
        line(Color::Red, &max),
        line(Color::Yellow, &p99),
        line(Color::Cyan, &p50),
    ];
    let axis = Axis::default().bounds([least, most]).labels(labels);
    let title = Line::from(vec![
        Span::from(" latency, from below: ").bold(),
        Span::from("p50").fg(Color::Cyan),
        Span::from(" "),
        Span::from("p99").fg(Color::Yellow),
        Span::from(" "),
        Span::from("max ").fg(Color::Red),
    ]);
    chart(frame, area, plan, title, data, axis);
}

/// The points of a figure that had replies.
fn series(history: &History, figure: impl Fn(&Point) -> f64) -> Vec<(f64, f64)> {
    let points = history.points().iter().filter(|point| point.messages > 0);
    points
        .map(|point| (point.at.as_secs_f64(), figure(point)))
        .collect()
}

fn line(color: Color, data: &[(f64, f64)]) -> Dataset<'_> {
    Dataset::default()
        .marker(Marker::Braille)
        .graph_type(GraphType::Line)
        .style(Style::new().fg(color))
        .data(data)
}

fn chart(
    frame: &mut Frame<'_>,
    area: Rect,
    plan: &Plan,
    title: Line<'_>,
    data: Vec<Dataset<'_>>,
    y: Axis<'_>,
) {
    let end = plan.lasts.as_secs_f64().max(0.1);
    let x = Axis::default()
        .bounds([0.0, end])
        .labels([format!("{:>9} s", 0), format!("{end:.1} s")]);
    let chart = Chart::new(data)
        .block(Block::new().title(title))
        .x_axis(x)
        .y_axis(y);
    frame.render_widget(chart, area);
}

fn numbers(frame: &mut Frame<'_>, area: Rect, plan: &Plan, history: &History) {
    let Some(now) = history.latest() else { return };
    let (messages, rate) = history.measured();
    let errors = match now.errors {
        0 if now.missing > 0 => {
            let missing = number(now.missing as f64);
            Span::from(format!("no errors, {missing} missing")).yellow()
        }
        0 => Span::from("no errors").green(),
        errors => Span::from(count(errors, "error")).red().bold(),
    };
    if plan.unit == Unit::Bytes {
        let (moved, rate) = history.moved();
        let first = Line::from(format!("now  {}/s", bytes(now.byte_rate() as u64)));
        let all = format!("all  {}/s   {}   ", bytes(rate as u64), bytes(moved));
        let second = Line::from(vec![Span::from(all), errors]);
        return frame.render_widget(Paragraph::new(vec![first, second]), area);
    }
    let latencies = match now.messages {
        0 => "no reply".to_owned(),
        _ => format!(
            "p50 {}   p99 {}   max {}",
            short(now.p50),
            short(now.p99),
            short(now.max)
        ),
    };
    let first = Line::from(format!("now  {}/s   {latencies}", number(now.rate())));
    let second = Line::from(vec![
        Span::from(format!(
            "all  {}/s   {} replies   {}   ",
            number(rate),
            number(messages as f64),
            bytes(now.bytes)
        )),
        errors,
    ]);
    frame.render_widget(Paragraph::new(vec![first, second]), area);
}

/// The next number above that has one digit and zeros.
fn round_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.max(1.0).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|step| step * decade)
        .into_iter()
        .find(|step| *step >= value)
        .unwrap_or(value)
}

fn thousands(value: f64) -> String {
    match value {
        1e9.. => format!("{} G", value / 1e9),
        1e6.. => format!("{} M", value / 1e6),
        1e3.. => format!("{} k", value / 1e3),
        _ => format!("{value}"),
    }
}

/// Ten to the power of so many nanoseconds.
fn decade(power: i32) -> String {
    match power {
        ..3 => "< 1 us".to_owned(),
        3..6 => format!("{} us", 10_u32.pow(power as u32 - 3)),
        6..9 => format!("{} ms", 10_u32.pow(power as u32 - 6)),
        _ => format!("{} s", 10_u32.pow((power as u32 - 9).min(9))),
    }
}

/// All labels of a vertical axis are equally wide, so that both charts begin in one column.
fn label(text: &str) -> String {
    format!("{text:>9}")
}

#[cfg(test)]
mod tests {
    use super::super::history::tests::point;
    use super::*;
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;

    fn picture(columns: u16, rows: u16, history: &History) -> String {
        picture_of(Unit::Messages, columns, rows, history)
    }

    fn picture_of(unit: Unit, columns: u16, rows: u16, history: &History) -> String {
        let plan = Plan {
            unit,
            who: "127.0.0.1:7000".to_owned(),
            shape: "5 connections, depth 4".to_owned(),
            lasts: Duration::from_secs(10),
        };
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal.draw(|frame| draw(frame, &plan, history)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn a_run_is_drawn_over_time_at_every_width() {
        let mut history = History::default();
        (1..=5).for_each(|second| history.push(point(second, 40_000 + second)));
        for (columns, rows) in [(80, 24), (120, 40), (60, 20)] {
            let shown = picture(columns, rows, &history);
            for words in [
                "127.0.0.1:7000",
                "measuring, 5.0 s of 10.0 s",
                "50 k",
                "100 us",
                "1 ms",
                "now  40,005/s",
                "all  40,003/s   200,015 replies",
                "no errors",
                "ends the run",
            ] {
                assert!(shown.contains(words), "{words} at {columns}:\n{shown}");
            }
            // Lines are drawn in dots.
            assert!(
                shown
                    .chars()
                    .any(|cell| ('\u{2801}'..='\u{28ff}').contains(&cell))
            );
        }
    }

    #[test]
    fn what_is_missing_is_no_error_and_told() {
        let mut history = History::default();
        history.push(Point {
            missing: 1_234,
            ..point(1, 40_000)
        });
        let shown = picture(80, 24, &history);
        assert!(shown.contains("no errors, 1,234 missing"), "{shown}");
    }

    #[test]
    fn bulk_is_drawn_in_bytes() {
        let mut history = History::default();
        for second in 1..=5 {
            history.push(Point {
                messages: 0,
                ..point(second, 40 << 20)
            });
        }
        let shown = picture_of(Unit::Bytes, 80, 24, &history);
        for words in [
            "bytes per second",
            "5 G",
            "now  2.5 GiB/s",
            "all  2.5 GiB/s   12.5 GiB   no errors",
        ] {
            assert!(shown.contains(words), "{words}:\n{shown}");
        }
        assert!(!shown.contains("latency"), "{shown}");
    }

    #[test]
    fn nothing_yet_is_drawn_too() {
        let shown = picture(80, 24, &History::default());
        assert!(shown.contains("opening, 0.0 s of 10.0 s"), "{shown}");
        // No size is too small to survive.
        for (columns, rows) in [(1, 1), (10, 3), (200, 2)] {
            picture(columns, rows, &History::default());
        }
    }

    #[test]
    fn axes_end_in_round_numbers() {
        assert_eq!(round_up(40_000.0), 50_000.0);
        assert_eq!(round_up(1.0), 1.0);
        assert_eq!(round_up(99_999.0), 100_000.0);
        assert_eq!(thousands(50_000.0), "50 k");
        assert_eq!(thousands(1_500_000.0), "1.5 M");
        assert_eq!(decade(5), "100 us");
        assert_eq!(decade(9), "1 s");
    }
}
