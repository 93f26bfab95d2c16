//! How the client looks.
//!
//! ```text
//!  ann · :5378                                       3 unread · online   header
//!  12:03     ben │ hello                             │ echobot           the log, and
//!  12:04   → ben │ hello ben ✓                       │ ben ●2            who is here
//!  ── @ben ───────────────────────────────────────────────────────────   where typed
//!  > how are you                                                          text goes
//! ```
//! On a narrow screen the list goes, on a low one the header and the rule.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr;
use wharf_services::chat::client::Receipt;

use super::log::{Entry, Fate, Tone, Trust, What};
use super::model::{Model, Prompt, Status};
use super::wrap::{cut, wrap};
use crate::chat::print::shown_name;

/// From which width on the list of users is shown.
const WIDE: u16 = 60;

/// How wide the list of users is.
const LIST: u16 = 20;

/// The narrowest text that is worth an indent of times and names.
const NARROWEST: usize = 16;

/// The widest name before it is cut, on a screen of at least `ROOMY` columns and on
/// others.
const NAME_ROOMY: usize = 14;
const NAME: usize = 10;
const ROOMY: u16 = 100;

/// The colours of names: those that can be read on black and on white.
const NAMES: [Color; 6] = [
    Color::Cyan,
    Color::Green,
    Color::Magenta,
    Color::Blue,
    Color::Yellow,
    Color::Red,
];

/// Whether colour may be used.
pub(super) use crate::style::Style as Paint;

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &mut Model, paint: Paint) {
    let area = frame.area();
    let header = u16::from(area.height >= 6);
    let rule = u16::from(area.height >= 4);
    let [top, middle, between, bottom] = Layout::vertical([
        Constraint::Length(header),
        Constraint::Min(0),
        Constraint::Length(rule),
        Constraint::Length(1),
    ])
    .areas(area);
    let list = if area.width >= WIDE { LIST } else { 0 };
    let [log, users] =
        Layout::horizontal([Constraint::Min(0), Constraint::Length(list)]).areas(middle);
    let name = match area.width >= ROOMY {
        true => NAME_ROOMY,
        false => NAME,
    };
    let view = View { paint, name };
    frame.render_widget(view.header(model, top.width), top);
    view.log(frame, log, model);
    frame.render_widget(view.users(model, users), users);
    frame.render_widget(view.rule(model, between.width), between);
    view.input(frame, bottom, model);
}

#[derive(Clone, Copy)]
struct View {
    paint: Paint,
    /// How wide names are.
    name: usize,
}

impl View {
    fn color(self, color: Color) -> Style {
        match self.paint {
            Paint::Plain => Style::new(),
            Paint::Coloured => Style::new().fg(color),
        }
    }

    fn name_style(self, name: &str) -> Style {
        let sum = name.bytes().fold(0_usize, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(usize::from(byte))
        });
        self.color(NAMES[sum % NAMES.len()])
            .add_modifier(Modifier::BOLD)
    }

    fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn header(self, model: &Model, width: u16) -> Paragraph<'static> {
        let (mark, words, color) = match &model.status {
            Status::Connecting => ("○", "connecting".to_owned(), Color::Yellow),
            Status::Asking => ("○", "not logged in".to_owned(), Color::Yellow),
            Status::Online => ("●", "online".to_owned(), Color::Green),
            Status::Offline(0) => ("○", "offline, trying".to_owned(), Color::Red),
            Status::Offline(left) => ("○", format!("offline, next try in {left} s"), Color::Red),
        };
        let mut right = vec![
            Span::styled(format!("{mark} "), self.color(color)),
            Span::raw(words),
            Span::raw(" "),
        ];
        if model.all_unread() > 0 {
            let unread = format!("{} unread · ", model.all_unread());
            let style = self.color(Color::Yellow).add_modifier(Modifier::BOLD);
            right.insert(0, Span::styled(unread, style));
        }
        let used: usize = right.iter().map(|span| span.content.width()).sum();
        let room = usize::from(width).saturating_sub(used + 1);
        let left = cut(&format!(" {} at {}", model.name, model.address), room);
        let gap = usize::from(width).saturating_sub(left.width() + used);
        let mut spans = vec![
            Span::styled(left, Style::new().add_modifier(Modifier::BOLD)),
            Span::raw(" ".repeat(gap)),
        ];
        spans.append(&mut right);
        Paragraph::new(Line::from(spans)).style(Style::new().add_modifier(Modifier::REVERSED))
    }

    /// The newest lines, or those that were scrolled to.
    fn log(self, frame: &mut Frame<'_>, area: Rect, model: &mut Model) {
        let height = usize::from(area.height);
        let width = usize::from(area.width);
        model.page = height.saturating_sub(1).max(1);
        let pinned = model.pinned.clone();
        // What is read stays where it is while others come below it.
        let fresh = std::mem::take(&mut model.fresh);
        for entry in model.log.newest(pinned.as_deref()).take(fresh) {
            let height = self.entry(entry, width).len();
            model.scroll = model.scroll.saturating_add(height);
        }
        // From the newest back, as many as are needed and no more.
        let mut lines: Vec<Line<'static>> = Vec::new();
        let mut is_whole = true;
        for entry in model.log.newest(pinned.as_deref()) {
            if lines.len() >= model.scroll.saturating_add(height) {
                is_whole = false;
                break;
            }
            lines.extend(self.entry(entry, width).into_iter().rev());
        }
        if is_whole {
            // The oldest line is at the top: further there is nothing.
            model.scroll = model.scroll.min(lines.len().saturating_sub(height));
        }
        let shown = lines.into_iter().skip(model.scroll).take(height);
        let mut shown: Vec<Line<'static>> = shown.collect();
        shown.reverse();
        // The newest stand at the bottom, above what is typed.
        let top = height - shown.len();
        let place = Rect {
            y: area.y + u16::try_from(top).unwrap_or(0),
            height: area.height - u16::try_from(top).unwrap_or(0),
            ..area
        };
        frame.render_widget(Paragraph::new(shown), place);
    }

    fn entry(self, entry: &Entry, width: usize) -> Vec<Line<'static>> {
        match &entry.what {
            What::Heard { from, text, trust } => {
                let mut name = vec![Span::styled(cut(from, self.name), self.name_style(from))];
                if *trust == Trust::Unchecked {
                    name.push(Span::styled("?", self.color(Color::Yellow)));
                }
                self.message(&entry.at, name, text, Vec::new(), width)
            }
            What::Said { to, text, fate, .. } => {
                let name = vec![
                    Span::styled("→ ", self.dim()),
                    Span::styled(cut(to, self.name - 2), self.name_style(to)),
                ];
                self.message(&entry.at, name, text, self.fate(fate), width)
            }
            What::Note { text, tone } => {
                let style = match tone {
                    Tone::Quiet => self.dim(),
                    Tone::Good => self.color(Color::Green),
                    Tone::Bad => self.color(Color::Red),
                };
                let mark = match tone {
                    Tone::Quiet | Tone::Good => Span::styled("*", style),
                    Tone::Bad => Span::styled("!", style.add_modifier(Modifier::BOLD)),
                };
                self.lines(&entry.at, vec![mark], (text, style), Vec::new(), width)
            }
        }
    }

    fn fate(self, fate: &Fate) -> Vec<Span<'static>> {
        let (mark, style) = match fate {
            Fate::Waits => ("…".to_owned(), self.dim()),
            Fate::Arrived(Receipt::Queued) => ("✓".to_owned(), self.color(Color::Green)),
            Fate::Arrived(Receipt::Acknowledged) => ("✓✓".to_owned(), self.color(Color::Green)),
            Fate::Arrived(Receipt::Unconfirmed) => ("?".to_owned(), self.color(Color::Yellow)),
            Fate::Failed(why) => (format!("✗ {why}"), self.color(Color::Red)),
        };
        vec![Span::styled(format!(" {mark}"), style)]
    }

    fn message(
        self,
        at: &str,
        name: Vec<Span<'static>>,
        text: &str,
        after: Vec<Span<'static>>,
        width: usize,
    ) -> Vec<Line<'static>> {
        self.lines(at, name, (text, Style::new()), after, width)
    }

    /// Time, name and text, whose later lines stand below the first. Where that would
    /// leave the text too little room, the name has a line of its own.
    fn lines(
        self,
        at: &str,
        name: Vec<Span<'static>>,
        (text, style): (&str, Style),
        after: Vec<Span<'static>>,
        width: usize,
    ) -> Vec<Line<'static>> {
        let indent = at.width() + self.name + 6;
        if width < indent + NARROWEST {
            let body = body(text, style, after, width.saturating_sub(1));
            let indented = body.into_iter().map(|spans| with_head(" ".into(), spans));
            return std::iter::once(Line::from(name)).chain(indented).collect();
        }
        let wide: usize = name.iter().map(|span| span.content.width()).sum();
        let gap = " ".repeat((self.name + 1).saturating_sub(wide));
        let rows = body(text, style, after, width - indent);
        let mut lines = Vec::with_capacity(rows.len());
        for (number, row) in rows.into_iter().enumerate() {
            let mut spans = match number {
                0 => {
                    let mut head = vec![Span::styled(format!(" {at} {gap}"), self.dim())];
                    head.extend(name.iter().cloned());
                    head
                }
                _ => vec![Span::raw(" ".repeat(indent - 3))],
            };
            spans.push(Span::styled(" │ ", self.dim()));
            spans.extend(row);
            lines.push(Line::from(spans));
        }
        lines
    }

    fn users(self, model: &Model, area: Rect) -> Paragraph<'static> {
        let height = usize::from(area.height);
        let width = usize::from(area.width).saturating_sub(3);
        let mut lines = Vec::new();
        let title = match model.users.len() {
            0 => "nobody known".to_owned(),
            count => format!("{count} here"),
        };
        lines.push(Line::styled(title, self.dim()));
        let room = height.saturating_sub(1);
        // Those with unread messages come first: they must not be cut off.
        let unread = model
            .unread
            .keys()
            .filter(|name| !model.users.contains(name));
        let (waiting, others): (Vec<_>, Vec<_>) = unread
            .chain(&model.users)
            .partition(|name| model.unread.contains_key(*name));
        let all: Vec<&String> = waiting.into_iter().chain(others).collect();
        let fit = if all.len() > room {
            room.saturating_sub(1)
        } else {
            room
        };
        for name in all.iter().take(fit) {
            lines.push(self.user(model, name, width));
        }
        if all.len() > fit {
            let more = format!("and {} more", all.len() - fit);
            lines.push(Line::styled(more, self.dim()));
        }
        let lines: Vec<Line<'static>> = lines
            .into_iter()
            .map(|line| with_head(Span::styled(" │ ", self.dim()), line.spans).style(line.style))
            .chain(std::iter::repeat_with(|| Line::styled(" │", self.dim())))
            .take(height)
            .collect();
        Paragraph::new(lines)
    }

    fn user(self, model: &Model, name: &str, width: usize) -> Line<'static> {
        let mut style = self.name_style(name);
        if model.is_pinned(name) {
            style = style.add_modifier(Modifier::UNDERLINED);
        }
        let (mark, mark_style) = match model.unread.get(name) {
            Some(count) => (format!(" ●{count}"), self.color(Color::Yellow)),
            None if name == model.name => (" (you)".to_owned(), self.dim()),
            None => (String::new(), Style::new()),
        };
        let name = cut(name, width.saturating_sub(mark.width()));
        Line::from(vec![
            Span::styled(name, style),
            Span::styled(mark, mark_style),
        ])
    }

    /// The line above the input: where text goes, and what is out of sight.
    fn rule(self, model: &Model, width: u16) -> Line<'static> {
        let width = usize::from(width);
        let title = match (&model.prompt, &model.pinned) {
            (Prompt::Name, _) => " your name ".to_owned(),
            (Prompt::Message, Some(name)) => format!(" with {} ", shown_name(name)),
            (Prompt::Message, None) => " everybody ".to_owned(),
        };
        let hint = match (model.scroll, model.below, &model.pinned) {
            (0, _, Some(_)) => " Esc: everybody · /help ".to_owned(),
            (0, _, None) => " @NAME TEXT · Tab · PgUp · /help ".to_owned(),
            (_, 0, _) => " ↓ PgDn, Esc: the newest ".to_owned(),
            (_, below, _) => format!(" ↓ {below} new · Esc: the newest "),
        };
        let title = cut(&title, width.saturating_sub(2));
        let room = width.saturating_sub(title.width() + 4);
        let hint = if hint.width() <= room {
            hint
        } else {
            String::new()
        };
        let fill = width.saturating_sub(title.width() + hint.width() + 4);
        let strong = Style::new().add_modifier(Modifier::BOLD);
        let hint_style = match model.scroll {
            0 => self.dim(),
            _ => self.color(Color::Yellow),
        };
        Line::from(vec![
            Span::styled("──", self.dim()),
            Span::styled(title, strong),
            Span::styled("─".repeat(fill), self.dim()),
            Span::styled(hint, hint_style),
            Span::styled("──", self.dim()),
        ])
    }

    fn input(self, frame: &mut Frame<'_>, area: Rect, model: &Model) {
        let prompt = match (model.prompt, &model.pinned) {
            (Prompt::Name, _) => "name > ".to_owned(),
            (Prompt::Message, Some(name)) => format!("@{} > ", shown_name(name)),
            (Prompt::Message, None) => "> ".to_owned(),
        };
        let width = usize::from(area.width);
        // The prompt goes before what is typed does.
        let prompt = match prompt.width() + NARROWEST <= width {
            true => prompt,
            false => String::new(),
        };
        let (text, column) = model.editor.window(width.saturating_sub(prompt.width()));
        let line = Line::from(vec![
            Span::styled(prompt.clone(), Style::new().add_modifier(Modifier::BOLD)),
            Span::raw(text.to_owned()),
        ]);
        frame.render_widget(line, area);
        let column = u16::try_from(prompt.width() + column).unwrap_or(0);
        if area.height > 0 && area.width > 0 {
            let x = area.x + column.min(area.width - 1);
            frame.set_cursor_position(Position { x, y: area.y });
        }
    }
}

/// A text in rows, with what stands behind it.
fn body(
    text: &str,
    style: Style,
    after: Vec<Span<'static>>,
    width: usize,
) -> Vec<Vec<Span<'static>>> {
    let mut rows: Vec<Vec<Span<'static>>> = wrap(text, width)
        .into_iter()
        .map(|row| vec![Span::styled(row, style)])
        .collect();
    for span in after {
        let last = rows.last_mut();
        let used = last
            .as_ref()
            .map_or(0, |row| row.iter().map(|span| span.content.width()).sum());
        match last {
            Some(row) if used + span.content.width() <= width => row.push(span),
            _ => rows.extend(
                wrap(span.content.trim_start(), width)
                    .into_iter()
                    .map(|row| vec![Span::styled(row, span.style)]),
            ),
        }
    }
    rows
}

fn with_head(head: Span<'static>, rest: Vec<Span<'static>>) -> Line<'static> {
    Line::from(std::iter::once(head).chain(rest).collect::<Vec<_>>())
}
