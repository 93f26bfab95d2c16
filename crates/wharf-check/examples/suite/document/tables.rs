//! Tables of the document.

use std::fmt::Write;

use super::chat::{self, CHAT_SECTION};
use super::data::Data;
use crate::modes::{self, CLIENTS, MODES};
use crate::peers::{PEERS, Peer, Role, TOKIO, WHARF};
use crate::plan::{Row, Section, Transport};
use crate::record::Figures;
use crate::run::{CHAT, MEMORY_SECTION, MODES_SECTION, PLAIN, TLS};
use crate::statistics::Spread;

pub(crate) const RATE: fn(&Figures) -> f64 = |figures| figures.rate;
pub(crate) const LINES: fn(&Figures) -> f64 = |figures| figures.lines;
pub(crate) const P99: fn(&Figures) -> f64 = |figures| figures.p99;
pub(crate) const LOST: fn(&Figures) -> f64 = |figures| figures.lost;
pub(crate) const MEMORY: fn(&Figures) -> f64 = |figures| figures.memory;
const WAIT: fn(&Figures) -> f64 = |figures| figures.wait;

const NONE: &str = "–";

/// A Markdown table.
struct Table {
    text: String,
}

impl Table {
    fn new(head: &[String]) -> Self {
        let mut table = Table {
            text: String::new(),
        };
        table.row(head);
        let lines: Vec<_> = (0..head.len())
            .map(|column| if column == 0 { "---" } else { "---:" })
            .map(str::to_owned)
            .collect();
        table.row(&lines);
        table
    }

    fn row(&mut self, cells: &[String]) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "| {} |", cells.join(" | "));
    }
}

/// The peers of a section that have results, the base first.
fn peers_of<'a>(
    data: &'a Data,
    section: &'a Section,
    role: Role,
) -> impl Iterator<Item = &'static Peer> + 'a {
    PEERS
        .iter()
        .filter(move |peer| peer.role == role && peer.serves(section))
        .filter(|peer| data.has_peer(section.name, peer.name))
}

pub(crate) fn base_of(section: &Section) -> &'static str {
    match section.transport {
        Transport::Tcp => "C epoll",
        Transport::Udp => "C mmsg",
    }
}

/// Wharf beside the base and a bare loop on the same runtime.
pub(crate) fn goals_table(data: &Data, section: &Section, rows: &[&Row]) -> String {
    let base = base_of(section);
    let udp = section.transport == Transport::Udp;
    let tokio = data.has_peer(section.name, TOKIO);
    let mut head = vec![
        match section.transport {
            Transport::Tcp => "connections × message",
            Transport::Udp => "flows × window, datagram",
        }
        .to_owned(),
        format!("{base}, msg/s"),
        "Wharf ÷ C".to_owned(),
        "middle half".to_owned(),
        "p99 ÷ C".to_owned(),
    ];
    if tokio {
        head.extend(["tokio ÷ C".to_owned(), "Wharf ÷ tokio".to_owned()]);
    }
    if udp {
        head.extend(["C lost".to_owned(), "Wharf lost".to_owned()]);
    }
    let mut table = Table::new(&head);
    for row in rows {
        let ratio = |peer, base, figure| data.ratio(section.name, row.name, (peer, base), figure);
        let figure = |peer, figure| data.figure(section.name, row.name, peer, figure);
        let mut cells = vec![
            row.name.to_owned(),
            figure(base, RATE).map_or(NONE.into(), |rate| short(rate.median)),
            match (
                ratio(WHARF, base, RATE),
                data.failure(section.name, row.name, WHARF),
            ) {
                (Some(ratio), None) => bold(ratio),
                (Some(ratio), Some(_)) => format!("{} (failed)", bold(ratio)),
                (None, Some(_)) => "failed".into(),
                (None, None) => NONE.into(),
            },
            ratio(WHARF, base, RATE).map_or(NONE.into(), middle),
            ratio(WHARF, base, P99).map_or(NONE.into(), two),
        ];
        if tokio {
            cells.push(ratio(TOKIO, base, RATE).map_or(NONE.into(), two));
            cells.push(ratio(WHARF, TOKIO, RATE).map_or(NONE.into(), two));
        }
        if udp {
            cells.push(figure(base, LOST).map_or(NONE.into(), percent));
            cells.push(figure(WHARF, LOST).map_or(NONE.into(), percent));
        }
        table.row(&cells);
    }
    table.text
}

/// All peers on the key rows, as ratios to the base.
pub(crate) fn peers_table(data: &Data, section: &Section, rows: &[&Row]) -> Option<String> {
    let of = |role| peers_of(data, section, role);
    let others: Vec<_> = of(Role::Rival).chain(of(Role::Shown)).collect();
    if others.is_empty() {
        return None;
    }
    let all: Vec<_> = of(Role::Goal).chain(others).collect();
    let base = base_of(section);
    let mut head = vec![String::new()];
    head.extend(all.iter().map(|peer| peer.name.to_owned()));
    let mut table = Table::new(&head);
    for row in rows.iter().filter(|row| row.key) {
        let mut cells = vec![row.name.to_owned()];
        for peer in &all {
            let ratio = data.ratio(section.name, row.name, (peer.name, base), RATE);
            let failed = data.failure(section.name, row.name, peer.name).is_some();
            cells.push(match ratio {
                Some(ratio) if failed => format!("{} (failed)", two(ratio)),
                Some(ratio) if peer.name == WHARF => bold(ratio),
                Some(ratio) => two(ratio),
                None if failed => "failed".into(),
                None => NONE.into(),
            });
        }
        table.row(&cells);
    }
    Some(table.text)
}

/// The chats: Wharf and the IRC servers beside the bare loop.
pub(crate) fn chat_table(data: &Data) -> String {
    let irc: Vec<_> = chat::IRC
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| data.has_peer(CHAT_SECTION, name))
        .collect();
    let mut head = [
        "users, messages in flight on each".to_owned(),
        format!("{}, msg/s", chat::BASE),
        "Wharf ÷ C".to_owned(),
        "middle half".to_owned(),
        "p99 ÷ C".to_owned(),
    ]
    .to_vec();
    head.extend(irc.iter().map(|name| format!("{name} ÷ C")));
    head.extend(irc.iter().map(|name| format!("lines, Wharf ÷ {name}")));
    let mut table = Table::new(&head);
    for scene in chat::scenes(data) {
        let ratio = |peer, base, figure| data.ratio(CHAT_SECTION, scene.row, (peer, base), figure);
        let of_base = data.figure(CHAT_SECTION, scene.row, chat::BASE, RATE);
        let wharf = ratio(WHARF, chat::BASE, RATE);
        let mut cells = vec![
            scene.words(),
            of_base.map_or(NONE.into(), |rate| short(rate.median)),
            wharf.map_or(NONE.into(), bold),
            wharf.map_or(NONE.into(), middle),
            ratio(WHARF, chat::BASE, P99).map_or(NONE.into(), two),
        ];
        let messages = irc.iter().map(|name| ratio(name, chat::BASE, RATE));
        let lines = irc.iter().map(|name| ratio(WHARF, name, LINES));
        cells.extend(
            messages
                .chain(lines)
                .map(|cell| cell.map_or(NONE.into(), two)),
        );
        table.row(&cells);
    }
    table.text
}

pub(crate) fn memory_table(data: &Data) -> String {
    let head = ["server", "bytes per idle connection"].map(str::to_owned);
    let mut table = Table::new(&head);
    let rows = PEERS
        .iter()
        .map(|peer| (peer.name, PLAIN))
        .chain([(WHARF, TLS), (WHARF, CHAT)]);
    for (peer, row) in rows {
        if let Some(memory) = data.figure(MEMORY_SECTION, row, peer, MEMORY) {
            let name = format!("{peer}, {row}");
            let line = [name, grouped(memory.median)];
            if !table.text.contains(&format!("| {} |", line[0])) {
                table.row(&line);
            }
        } else if let Some(failure) = data.failure(MEMORY_SECTION, row, peer) {
            table.row(&[format!("{peer}, {row}"), format!("failed: {failure}")]);
        }
    }
    table.text
}

pub(crate) fn modes_table(data: &Data) -> String {
    let mut head = vec!["mode".to_owned()];
    head.extend(CLIENTS.map(|count| match count {
        1 => "1 client".to_owned(),
        _ => format!("{} clients", grouped(count as f64)),
    }));
    head.extend(["second client waits", "memory per client"].map(str::to_owned));
    let mut table = Table::new(&head);
    for mode in &MODES {
        let figure = |row: &str, figure| data.figure(MODES_SECTION, row, mode.name, figure);
        let load = |row: String| match (figure(&row, RATE), figure(&row, P99)) {
            (Some(rate), Some(_)) if rate.median == 0.0 => "0".to_owned(),
            (Some(rate), Some(p99)) => format!("{}, {}", short(rate.median), time(p99.median)),
            _ => NONE.to_owned(),
        };
        let mut alone = vec![mode.name.to_owned()];
        let mut accompanied = vec!["… and a silent one".to_owned()];
        for clients in CLIENTS {
            alone.push(load(modes::clients_row(clients)));
            accompanied.push(load(modes::silent_row(clients)));
        }
        let wait = figure(modes::WAIT_ROW, WAIT);
        let memory = figure(modes::MEMORY_ROW, MEMORY);
        alone.push(wait.map_or(NONE.into(), |wait| time(wait.median * 1e3)));
        alone.push(memory.map_or(NONE.into(), |memory| bytes(memory.median)));
        accompanied.extend([String::new(), String::new()]);
        table.row(&alone);
        table.row(&accompanied);
    }
    table.text
}

pub(crate) fn two(ratio: Spread) -> String {
    match ratio.median {
        // 0.00 would say nothing.
        ..0.095 => format!("{:.3}", ratio.median),
        _ => format!("{:.2}", ratio.median),
    }
}

fn bold(ratio: Spread) -> String {
    format!("**{:.3}**", ratio.median)
}

pub(crate) fn middle(ratio: Spread) -> String {
    format!("{:.2}–{:.2}", ratio.low, ratio.high)
}

/// A share and its middle half.
fn percent(share: Spread) -> String {
    let [low, median, high] = [share.low, share.median, share.high].map(|share| 100.0 * share);
    match high < 0.005 {
        true => format!("{median:.2} %"),
        false => format!("{median:.2} % ({low:.2}–{high:.2})"),
    }
}

/// A count per second with three digits: `121k`, `1.93M`.
fn short(rate: f64) -> String {
    match rate {
        1e6.. => format!("{:.2}M", rate / 1e6),
        1e5.. => format!("{:.0}k", rate / 1e3),
        1e3.. => format!("{:.1}k", rate / 1e3),
        _ => format!("{rate:.0}"),
    }
}

/// Microseconds with two or three digits.
fn time(microseconds: f64) -> String {
    match microseconds {
        1e6.. => format!("{:.2} s", microseconds / 1e6),
        1e4.. => format!("{:.0} ms", microseconds / 1e3),
        1e3.. => format!("{:.1} ms", microseconds / 1e3),
        _ => format!("{microseconds:.0} µs"),
    }
}

fn bytes(count: f64) -> String {
    match count {
        1_048_576.0.. => format!("{:.1} MiB", count / 1_048_576.0),
        10_240.0.. => format!("{:.0} KiB", count / 1024.0),
        1_024.0.. => format!("{:.1} KiB", count / 1024.0),
        _ => format!("{count:.0} B"),
    }
}

/// A whole number with commas.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        let left = digits.len() - place;
        if place > 0 && left.is_multiple_of(3) && digit != '-' && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
