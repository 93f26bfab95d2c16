//! The full screen: frames, ladder, layers and bytes, linked. Moving in one moves in
//! all, and a selected field explains itself.
//!
//! ```text
//!   ┌ frames ───────────┬ ladder ─────────────┐
//!   │ #4 client ▶ …     │      │── DATA ──▶│  │
//!   ├ layers ───────────┼ bytes ──────────────┤
//!   │ TCP  PSH set      │ 0000  45 00 [3a] …  │
//!   ├ what it means ────┴─────────────────────┤
//!   └ keys ───────────────────────────────────┘
//! ```
//! [`Browser`] is the state and knows no terminal; `run` reads keys and draws it; `panes`
//! gives each pane its place, and holds what `?` shows.

mod panes;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, poll, read};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::border;
use ratatui::text;
use ratatui::widgets::{Block, Paragraph, Wrap};
use wharf_wire::field::Field;
use wharf_wire::layers::{Layer, Stage};
use wharf_wire::trace::{Step, Trace};
use wharf_wire::view::{
    Glyphs, Hue, Line, Look, Paint, explain_field, frame_line, hex_rows, talk_ladder,
};

use crate::exit::Exit;
use crate::failure::Failure;

/// Boxes where there are no line characters.
const ASCII: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

/// How soon a signal is noticed while no key is pressed.
const TICK: Duration = Duration::from_millis(200);

/// How long after a signal the loop may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows a trace until somebody leaves.
pub(super) fn run(trace: &Trace, look: Look) -> Result<Exit, Failure> {
    if trace.steps.is_empty() {
        return Err(Failure::new(Exit::Failed, "there are no frames to look at"));
    }
    let end = stop_on_signals()?;
    let mut browser = Browser::new(trace, look);
    // Also puts a hook before that of panics, so that the terminal is given back.
    let mut terminal = ratatui::try_init()?;
    let mut is_drawn = false;
    let outcome = loop {
        if !is_drawn && let Err(error) = terminal.draw(|frame| browser.draw(frame)) {
            break Err(error);
        }
        is_drawn = true;
        match next_input() {
            Err(error) => break Err(error),
            Ok(Input::Key(key)) if !browser.press(key) => break Ok(()),
            Ok(_) if end.load(Ordering::Relaxed) => break Ok(()),
            Ok(Input::Nothing) => {}
            Ok(Input::Key(_) | Input::Other) => is_drawn = false,
        }
    };
    ratatui::try_restore()?;
    outcome?;
    Ok(Exit::Done)
}

enum Input {
    Key(KeyEvent),
    /// Another size, for example.
    Other,
    Nothing,
}

fn next_input() -> io::Result<Input> {
    if !poll(TICK)? {
        return Ok(Input::Nothing);
    }
    Ok(match read()? {
        Event::Key(key) if key.kind != KeyEventKind::Release => Input::Key(key),
        _ => Input::Other,
    })
}

/// SIGTERM and SIGHUP end it as `q` does; Ctrl-C comes as a key.
fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let end = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&end);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut terminate, mut hangup) = {
        let _entered = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        )
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        seen.store(true, Ordering::Relaxed);
        // The end of a terminal that is gone can be read for ever, and crossterm does so
        // without coming back: then there is nothing left to give back, either.
        std::thread::sleep(PATIENCE);
        std::process::exit(Exit::Aborted as i32);
    });
    Ok(end)
}

/// Where keys go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pane {
    Frames,
    Ladder,
    Layers,
    Bytes,
}

impl Pane {
    const ALL: [Pane; 4] = [Pane::Frames, Pane::Ladder, Pane::Layers, Pane::Bytes];

    fn title(self) -> &'static str {
        match self {
            Pane::Frames => "frames",
            Pane::Ladder => "ladder",
            Pane::Layers => "layers",
            Pane::Bytes => "bytes",
        }
    }
}

/// What is selected, and where.
pub(super) struct Browser<'a> {
    trace: &'a Trace,
    /// Which characters and colours there are; the width is each pane's own.
    look: Look,
    pane: Pane,
    /// The selected frame's place in the trace.
    frame: usize,
    /// The selected byte of it; layers and fields follow from it.
    byte: usize,
    /// The selected row of the layers, since several fields may share a byte.
    row: usize,
    /// Whether notes and keys are shown instead of the panes.
    is_told: bool,
    /// The ladder that was drawn last: that of ten thousand frames takes its time.
    ladder: RefCell<Option<Rc<Ladder>>>,
}

/// The ladder of a talk.
struct Ladder {
    talk: usize,
    width: usize,
    lines: Vec<Line>,
    /// The frame that each line shows.
    frames: Vec<Option<u64>>,
}

/// A row of the layers: a heading, or a field.
enum Row<'a> {
    Layer(&'a Layer),
    Field(&'a Layer, &'a Field),
}

impl<'a> Browser<'a> {
    fn new(trace: &'a Trace, look: Look) -> Self {
        let mut browser = Browser {
            trace,
            look,
            pane: Pane::Frames,
            frame: 0,
            byte: 0,
            row: 0,
            is_told: false,
            ladder: RefCell::new(None),
        };
        browser.select_frame(0);
        browser
    }

    fn step(&self) -> &'a Step {
        &self.trace.steps[self.frame]
    }

    fn rows(&self) -> Vec<Row<'a>> {
        let mut rows = Vec::new();
        for layer in &self.step().layers.list {
            rows.push(Row::Layer(layer));
            rows.extend(layer.fields.iter().map(|field| Row::Field(layer, field)));
        }
        rows
    }

    /// Takes a key; whether to go on.
    fn press(&mut self, key: KeyEvent) -> bool {
        let pane = Pane::ALL
            .iter()
            .position(|pane| *pane == self.pane)
            .unwrap_or(0);
        if self.is_told {
            self.is_told = false;
            return !(key.code == KeyCode::Char('c')
                && key.modifiers.contains(KeyModifiers::CONTROL));
        }
        match key.code {
            KeyCode::Char('?') => self.is_told = true,
            KeyCode::Char('q') | KeyCode::Esc => return false,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return false,
            KeyCode::Tab => self.pane = Pane::ALL[(pane + 1) % 4],
            KeyCode::BackTab => self.pane = Pane::ALL[(pane + 3) % 4],
            KeyCode::Down | KeyCode::Char('j') => self.go(1),
            KeyCode::Up | KeyCode::Char('k') => self.go(-1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.go(10),
            KeyCode::PageUp => self.go(-10),
            KeyCode::Home | KeyCode::Char('g') => self.go(isize::MIN / 2),
            KeyCode::End | KeyCode::Char('G') => self.go(isize::MAX / 2),
            KeyCode::Right | KeyCode::Char('l') if self.pane == Pane::Bytes => {
                self.select_byte(self.byte + 1)
            }
            KeyCode::Left | KeyCode::Char('h') if self.pane == Pane::Bytes => {
                self.select_byte(self.byte.saturating_sub(1))
            }
            KeyCode::Char('n') => self.select_frame(self.frame + 1),
            KeyCode::Char('p') => self.select_frame(self.frame.saturating_sub(1)),
            _ => {}
        }
        true
    }

    fn go(&mut self, by: isize) {
        match self.pane {
            Pane::Frames => self.select_frame(self.frame.saturating_add_signed(by)),
            Pane::Ladder => {
                // Within the conversation only.
                let talk = self.step().talk;
                let steps = self.trace.steps.iter().enumerate();
                let own: Vec<usize> = steps
                    .filter(|(_, step)| step.talk == talk)
                    .map(|(place, _)| place)
                    .collect();
                let at = own
                    .iter()
                    .position(|place| *place == self.frame)
                    .unwrap_or(0);
                let to = at
                    .saturating_add_signed(by)
                    .min(own.len().saturating_sub(1));
                self.select_frame(own[to]);
            }
            Pane::Layers => self.select_row(self.row.saturating_add_signed(by)),
            Pane::Bytes => self.select_byte(self.byte.saturating_add_signed(by.saturating_mul(8))),
        }
    }

    fn select_frame(&mut self, frame: usize) {
        self.frame = frame.min(self.trace.steps.len() - 1);
        // What the application says, or else the last header.
        let step = self.step();
        let rows = self.rows();
        let wanted = step.layers.payload().or(step.layers.top());
        let row = rows.iter().position(|row| match row {
            Row::Layer(layer) => wanted.is_some_and(|wanted| wanted == *layer),
            Row::Field(..) => false,
        });
        self.select_row(row.unwrap_or(0));
    }

    fn select_row(&mut self, row: usize) {
        let rows = self.rows();
        self.row = row.min(rows.len().saturating_sub(1));
        self.byte = match rows.get(self.row) {
            Some(Row::Layer(layer)) => layer.bytes.start,
            Some(Row::Field(_, field)) => field.bytes().start,
            None => 0,
        };
    }

    fn select_byte(&mut self, byte: usize) {
        let step = self.step();
        self.byte = byte.min(step.frame.bytes.len().saturating_sub(1));
        let Some((layer, field)) = step.layers.at(self.byte) else {
            return;
        };
        let rows = self.rows();
        let row = rows.iter().position(|row| match (row, field) {
            (Row::Field(its, one), Some(field)) => *its == layer && *one == field,
            (Row::Layer(one), None) => *one == layer,
            _ => false,
        });
        self.row = row.unwrap_or(self.row);
    }

    fn draw(&self, frame: &mut Frame<'_>) {
        let places = panes::places(frame.area(), self.pane);
        if self.is_told {
            self.draw_told(frame, places.all);
            return self.draw_keys(frame, places.keys, " any key: back ".into());
        }
        let (meaning, keys) = (places.meaning, places.keys);
        let [frames, ladder, layers, bytes] = places.panes;
        self.pane(
            frame,
            Pane::Frames,
            frames,
            &self.frame_lines(frames),
            Some(self.frame),
        );
        let (drawn, selected) = self.ladder_lines(ladder);
        self.pane(frame, Pane::Ladder, ladder, &drawn.lines, selected);
        self.pane(
            frame,
            Pane::Layers,
            layers,
            &self.layer_lines(),
            Some(self.row),
        );
        let (lines, selected) = self.byte_lines(bytes);
        self.pane(frame, Pane::Bytes, bytes, &lines, selected);
        let lines: Vec<text::Line<'_>> = self
            .meaning(meaning)
            .iter()
            .map(|line| styled(line, &self.look))
            .collect();
        let block = self.block(" what it means ".into());
        frame.render_widget(Paragraph::new(lines).block(block), meaning);
        let help = format!(
            " {}  {} of {}   ? keys, {}  Tab pane  {} move  n p frame  q quit",
            self.step().frame.origin,
            self.step().number(),
            self.trace.steps.len(),
            match self.trace.notes.len() {
                0 => "no notes".to_owned(),
                1 => "1 note".to_owned(),
                more => format!("{more} notes"),
            },
            match self.look.glyphs {
                Glyphs::Unicode => "↑↓",
                Glyphs::Ascii => "j k",
            }
        );
        self.draw_keys(frame, keys, help);
    }

    fn draw_keys(&self, frame: &mut Frame<'_>, area: Rect, text: String) {
        let style = Style::new().add_modifier(Modifier::REVERSED);
        frame.render_widget(Paragraph::new(text).style(style), area);
    }

    /// Notes and keys.
    fn draw_told(&self, frame: &mut Frame<'_>, area: Rect) {
        let lines: Vec<text::Line<'_>> = panes::told(self.trace)
            .iter()
            .map(|line| styled(line, &self.look))
            .collect();
        let block = self.block(" what to know, and keys ".into());
        let told = Paragraph::new(lines).wrap(Wrap { trim: false });
        frame.render_widget(told.block(block), area);
    }

    /// A pane that is scrolled so that the selected line is seen.
    fn pane(
        &self,
        frame: &mut Frame<'_>,
        pane: Pane,
        area: Rect,
        lines: &[Line],
        selected: Option<usize>,
    ) {
        let height = usize::from(area.height.saturating_sub(2));
        let first = selected
            .map_or(0, |line| line.saturating_sub(height / 2))
            .min(lines.len().saturating_sub(height));
        let shown: Vec<text::Line<'_>> = lines
            .iter()
            .enumerate()
            .skip(first)
            .take(height)
            .map(|(index, line)| match selected == Some(index) {
                true => {
                    styled(line, &self.look).style(Style::new().add_modifier(Modifier::REVERSED))
                }
                false => styled(line, &self.look),
            })
            .collect();
        let is_active = pane == self.pane;
        let title = if is_active {
            self.look.glyphs.text(&format!(" ▶ {} ", pane.title()))
        } else {
            format!(" {} ", pane.title())
        };
        let border = if is_active {
            Style::new().add_modifier(Modifier::BOLD)
        } else {
            Style::new().add_modifier(Modifier::DIM)
        };
        let block = self.block(title).border_style(border);
        frame.render_widget(Paragraph::new(shown).block(block), area);
    }

    fn block(&self, title: String) -> Block<'static> {
        let block = Block::bordered().title(title);
        match self.look.glyphs {
            Glyphs::Unicode => block,
            Glyphs::Ascii => block.border_set(ASCII),
        }
    }

    /// Lines for so many columns in this screen's characters.
    fn plain(&self, width: usize) -> Look {
        Look {
            glyphs: self.look.glyphs,
            ..Look::plain(width)
        }
    }

    fn frame_lines(&self, area: Rect) -> Vec<Line> {
        let look = self.plain(usize::from(area.width.saturating_sub(2)));
        let start = self.trace.start();
        // Only those that may be seen are drawn.
        let near = usize::from(area.height);
        let draw = |(place, step): (usize, &Step)| match place.abs_diff(self.frame) <= 2 * near {
            true => frame_line(self.trace, step, start, &look),
            false => Line::new(),
        };
        self.trace.steps.iter().enumerate().map(draw).collect()
    }

    fn ladder_lines(&self, area: Rect) -> (Rc<Ladder>, Option<usize>) {
        let width = usize::from(area.width.saturating_sub(2));
        let talk = self.step().talk;
        let mut kept = self.ladder.borrow_mut();
        let ladder = match kept.take() {
            Some(kept) if (kept.talk, kept.width) == (talk, width) => kept,
            _ => {
                let rows = talk_ladder(self.trace, talk, &self.plain(width));
                let (frames, lines) = rows.into_iter().unzip();
                Rc::new(Ladder {
                    talk,
                    width,
                    lines,
                    frames,
                })
            }
        };
        *kept = Some(Rc::clone(&ladder));
        let number = self.step().number();
        let selected = ladder.frames.iter().position(|one| *one == Some(number));
        (ladder, selected)
    }

    fn layer_lines(&self) -> Vec<Line> {
        let line = |row: &Row<'_>| match row {
            Row::Layer(layer) => {
                let hue = Hue::Stage(layer.kind.stage());
                let quoted = if layer.is_quoted { "quoted " } else { "" };
                Line::of(
                    hue,
                    format!("{quoted}{} · {} B", layer.kind.title(), layer.bytes.len()),
                )
            }
            Row::Field(_, field) => {
                let mut line = Line::of(Hue::None, format!("  {:<15} ", field.name));
                line.push(Hue::Strong, field.value.to_string());
                line.push(Hue::Dim, format!("  {}", field.meaning));
                line
            }
        };
        self.rows().iter().map(line).collect()
    }

    fn byte_lines(&self, area: Rect) -> (Vec<Line>, Option<usize>) {
        // Offset, bytes, text and letters.
        let per_row = if area.width >= 5 + 16 * 5 + 5 { 16 } else { 8 };
        let rows = self.rows();
        let field = match rows.get(self.row) {
            Some(Row::Field(_, field)) => Some(*field),
            _ => None,
        };
        let step = self.step();
        (
            hex_rows(&step.layers, &step.frame.bytes, per_row, field),
            Some(self.byte / per_row),
        )
    }

    fn meaning(&self, area: Rect) -> Vec<Line> {
        let width = usize::from(area.width.saturating_sub(2));
        let said = |text: &str| self.look.glyphs.said(text).into_owned();
        match self.rows().get(self.row) {
            Some(Row::Field(layer, field)) => {
                let look = Look { width, ..self.look };
                explain_field(layer, field, &look)
            }
            Some(Row::Layer(layer)) => {
                let mut lines = vec![
                    Line::of(
                        Hue::Stage(layer.kind.stage()),
                        said(&layer.brief.join("   ")),
                    )
                    .fit(width),
                ];
                lines.extend(
                    layer
                        .notes
                        .iter()
                        .map(|note| Line::of(Hue::Dim, said(note)).fit(width)),
                );
                lines
            }
            None => Vec::new(),
        }
    }
}

/// A line in the terminal's colours, the same as in the other views.
fn styled(line: &Line, look: &Look) -> text::Line<'static> {
    let in_colour = |colour| match look.paint {
        Paint::Coloured => Style::new().fg(colour),
        Paint::Plain => Style::new(),
    };
    let style = |hue: Hue| match hue {
        Hue::None => Style::new(),
        Hue::Stage(Stage::Link) => in_colour(Color::Magenta),
        Hue::Stage(Stage::Network) => in_colour(Color::Blue),
        Hue::Stage(Stage::Transport) => in_colour(Color::Cyan),
        Hue::Stage(Stage::Application) => in_colour(Color::Green),
        Hue::Dim => Style::new().add_modifier(Modifier::DIM),
        Hue::Strong => Style::new().add_modifier(Modifier::BOLD),
        Hue::Bad => in_colour(Color::Red).add_modifier(Modifier::BOLD),
        Hue::Remark => in_colour(Color::Yellow),
        Hue::Good => in_colour(Color::Green).add_modifier(Modifier::BOLD),
    };
    let spans = line
        .spans
        .iter()
        .map(|span| text::Span::styled(look.glyphs.text(&span.text), style(span.hue)));
    text::Line::from(spans.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
