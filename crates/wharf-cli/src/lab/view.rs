//! What happened in a lab, as text and as JSON.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;
use wharf_lab::core::{Entry, Place};
use wharf_lab::{DirectionSummary, Report};

use super::network::Plan;
use super::traffic::ClientResult;
use crate::failure::Failure;
use crate::style::{self, Style};

/// One JSON object with everything.
pub(super) fn json(report: &Report, clients: &[ClientResult]) -> String {
    let mut object = serde_json::to_value(report.summary()).unwrap_or_default();
    object["event"] = json!("lab-run");
    object["clients"] = serde_json::to_value(clients).unwrap_or_default();
    format!("{object}\n")
}

/// Numbers for every link, connection and client.
pub(super) fn summary(
    report: &Report,
    clients: &[ClientResult],
    plan: &Plan,
    style: Style,
) -> String {
    let summary = report.summary();
    let took = style::duration(Duration::from_secs_f64(summary.seconds));
    let mut text = format!(
        "{}, seed {}, {took} of the lab's time\n",
        style.name(&plan.title),
        summary.seed
    );
    let mut links = Table::new(&[
        "link", "medium", "frames", "bytes", "dropped", "doubled", "damaged", "queue", "busy",
    ]);
    for link in &summary.links {
        for (forth, direction) in [(true, &link.directions[0]), (false, &link.directions[1])] {
            let [first, second] = &link.ends;
            let name = match forth {
                true => format!("{first} → {second}"),
                false => format!("{second} → {first}"),
            };
            links.row(link_row(name, link.medium, direction));
        }
    }
    text += &links.text();
    if !summary.media.is_empty() {
        let mut media = Table::new(&["medium", "carried", "collisions", "given up", "queue full"]);
        for medium in &summary.media {
            media.row(vec![
                medium.name.clone(),
                medium.carried.to_string(),
                medium.collisions.to_string(),
                medium.given_up.to_string(),
                medium.queue_full.to_string(),
            ]);
        }
        text += "\n";
        text += &media.text();
    }
    if !summary.connections.is_empty() {
        let mut table = Table::new(&[
            "connection",
            "sent",
            "read",
            "goodput",
            "RTT",
            "segments",
            "sent again",
        ]);
        for it in &summary.connections {
            table.row(vec![
                format!("{} {} → {}", it.host, it.local, it.peer),
                style::bytes(it.acknowledged),
                style::bytes(it.read),
                rate(it.goodput),
                it.rtt.map_or("–".into(), |rtt| {
                    style::duration(Duration::from_secs_f64(rtt))
                }),
                it.segments.to_string(),
                it.retransmissions.to_string(),
            ]);
        }
        text += "\n";
        text += &table.text();
    }
    if !clients.is_empty() {
        text += "\n";
        text += &client_table(clients).text();
    }
    text
}

fn link_row(name: String, medium: &str, direction: &DirectionSummary) -> Vec<String> {
    let causes = direction.causes.iter();
    let causes: Vec<String> = causes
        .map(|it| format!("{} {}", it.frames, it.cause))
        .collect();
    vec![
        name,
        medium.to_owned(),
        direction.sent.to_string(),
        style::bytes(direction.bytes),
        match causes.is_empty() {
            true => "0".to_owned(),
            false => causes.join(", "),
        },
        direction.duplicated.to_string(),
        direction.damaged.to_string(),
        style::bytes(direction.queue_peak as u64),
        format!("{:.1} %", direction.busy * 100.0),
    ]
}

fn client_table(clients: &[ClientResult]) -> Table {
    let mut table = Table::new(&[
        "client", "to", "sent", "answered", "shortest", "longest", "",
    ]);
    for client in clients {
        let mut rtts = client.rtts.clone();
        rtts.sort_by(f64::total_cmp);
        let shown = |rtt: Option<&f64>| match rtt {
            Some(rtt) => style::duration(Duration::from_secs_f64(*rtt)),
            None => "–".to_owned(),
        };
        table.row(vec![
            client.host.clone(),
            client.connect.clone(),
            client.sent.to_string(),
            client.answered.to_string(),
            shown(rtts.first()),
            shown(rtts.last()),
            client.error.clone().unwrap_or_default(),
        ]);
    }
    table
}

/// A rate in bits per second with its unit.
pub(super) fn rate(bits: f64) -> String {
    match bits {
        bits if bits >= 1e9 => format!("{:.2} Gbit/s", bits / 1e9),
        bits if bits >= 1e6 => format!("{:.2} Mbit/s", bits / 1e6),
        bits if bits >= 1e3 => format!("{:.2} kbit/s", bits / 1e3),
        bits => format!("{bits:.0} bit/s"),
    }
}

/// One object for each entry: when, where, to which frame and messages, and what.
pub(super) fn journal_json<'a>(
    report: &Report,
    entries: impl Iterator<Item = &'a Entry>,
) -> String {
    let places = Places::of(report);
    let object = |entry: &Entry| {
        let object = json!({
            "event": "lab-journal",
            "at": entry.at.since_start().as_secs_f64(),
            "place": places.name(entry.place),
            "frame": entry.frame.map(|frame| frame.0),
            "parent": entry.parent.map(|frame| frame.0),
            "messages": entry.messages().collect::<Vec<u32>>(),
            "what": entry.action.to_string(),
        });
        format!("{object}\n")
    };
    entries.map(object).collect()
}

/// Everything that happened.
pub(super) fn journal(report: &Report) -> String {
    let Some(journal) = report.journal() else {
        return String::new();
    };
    let mut text = lines(report, journal.entries());
    if journal.left_out() > 0 {
        let _ = writeln!(text, "… and {} more", journal.left_out());
    }
    text
}

/// One message from its write to its last copy.
pub(super) fn followed(report: &Report, message: u32) -> Result<Vec<Entry>, Failure> {
    let journal = report.journal();
    let entries: Vec<Entry> = journal
        .into_iter()
        .flat_map(|journal| journal.about(message))
        .cloned()
        .collect();
    if entries.is_empty() {
        let last = journal.into_iter().flat_map(|journal| journal.entries());
        let last = last.flat_map(Entry::messages).max().unwrap_or(0);
        return Err(Failure::usage(format!("there was no message {message}"))
            .with("messages", format!("1 to {last}")));
    }
    Ok(entries)
}

/// The names of nodes and of the directions of links.
struct Places<'a> {
    nodes: Vec<&'a str>,
    links: Vec<(String, String)>,
}

impl<'a> Places<'a> {
    fn of(report: &'a Report) -> Self {
        let links = report.fabric.links().map(|view| {
            let (a, b) = (view.first, view.second);
            (format!("{a} → {b}"), format!("{b} → {a}"))
        });
        Places {
            nodes: report.fabric.names().collect(),
            links: links.collect(),
        }
    }

    fn name(&self, place: Place) -> &str {
        match place {
            Place::Node(node) => self.nodes.get(node as usize).copied().unwrap_or("?"),
            Place::Link { link, forth } => match self.links.get(link as usize) {
                Some((there, _)) if forth => there,
                Some((_, back)) => back,
                None => "?",
            },
        }
    }
}

/// `message 3`, or the first and the last of several.
fn messages(entry: &Entry) -> String {
    let mut all = entry.messages();
    match (all.next(), all.last()) {
        (None, _) => String::new(),
        (Some(only), None) => format!("message {only}"),
        (Some(first), Some(last)) => format!("messages {first}…{last}"),
    }
}

/// The journal's lines: time, place, message, frame, and what happened.
pub(super) fn lines(report: &Report, entries: &[Entry]) -> String {
    let places = Places::of(report);
    let width = |text: &dyn Fn(&Entry) -> usize| entries.iter().map(text).max().unwrap_or(0);
    let place_width = width(&|entry| places.name(entry.place).chars().count());
    let message_width = width(&|entry| messages(entry).chars().count()).max(10);
    let mut text = String::new();
    for entry in entries {
        let frame = match (entry.frame, entry.parent) {
            (Some(frame), Some(parent)) => format!("#{} of #{}", frame.0, parent.0),
            (Some(frame), None) => format!("#{}", frame.0),
            (None, _) => String::new(),
        };
        let _ = writeln!(
            text,
            "{:>14}  {:<place_width$}  {:<message_width$}  {frame:<12}  {}",
            entry.at,
            places.name(entry.place),
            messages(entry),
            entry.action
        );
    }
    text
}

/// Columns that are as wide as what stands in them.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Table {
            rows: vec![head.iter().map(|word| (*word).to_owned()).collect()],
        }
    }

    pub(super) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    /// The first column to the left, the others as wide as needed; numbers to the right.
    pub(super) fn text(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let is_number = |column: usize| {
            let cells = self.rows.iter().skip(1).filter_map(|row| row.get(column));
            column > 0
                && cells.clone().all(|cell| {
                    cell.is_empty() || cell == "–" || cell.starts_with(|c: char| c.is_ascii_digit())
                })
        };
        let right: Vec<bool> = (0..columns).map(is_number).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (column, cell) in row.iter().enumerate() {
                let width = widths[column];
                let _ = match right[column] {
                    true => write!(line, "{cell:>width$}  "),
                    false => write!(line, "{cell:<width$}  "),
                };
            }
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}
