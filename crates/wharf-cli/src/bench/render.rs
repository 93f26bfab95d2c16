//! A report for people.

use std::fmt::Write as _;
use std::time::Duration;

use wharf_check::load::{
    ChatCounts, DATAGRAM_BUFFER, Latency, Messages, Options, Pacing, Report, Target,
};

use super::args::{BenchArgs, Way};
use super::stall::{self, Stall};
use crate::failure::{visible, without_numbers};
use crate::style::{Style, bytes, duration};

/// The engine may have been the bottleneck from this share of one core on.
const BUSY: f64 = 0.9;

/// The machine was busy if this program had no processor for this share of the time.
const CROWDED: f64 = 0.1;

/// The shares of replies whose latency is told.
pub(super) const QUANTILES: [(&str, f64); 4] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// The report as text, at most 80 columns wide but for what was typed.
pub(super) fn text(
    args: &BenchArgs,
    who: &str,
    options: &Options,
    report: &Report,
    style: Style,
) -> String {
    let mut page = Page {
        text: format!(
            "{}  {}\n",
            style.name(who),
            style.dim(&shape(args, options))
        ),
        style,
    };
    match report.elapsed.is_zero() {
        true => nothing(&mut page, report),
        false => figures(&mut page, args, report),
    }
    let mut label = "errors";
    for found in found(report) {
        page.warn(label, &visible(&without_numbers(found)));
        label = "";
    }
    for note in notes(report) {
        page.note(&note);
    }
    page.text
}

/// All that was measured.
fn figures(page: &mut Page, args: &BenchArgs, report: &Report) {
    match args.bulk {
        Some(Way::Send | Way::Receive) => bulk(page, args, report),
        _ => {
            throughput(page, report);
            latencies(page, report);
        }
    }
    if let Some(all) = &report.chat {
        chat(page, all, report);
    }
    if let Some(all) = report.datagrams {
        let share = 100.0 * all.lost as f64 / all.sent.max(1) as f64;
        page.row(
            "datagrams",
            format!(
                "{} sent, {} lost ({share:.3} %), {} late,",
                number(all.sent as f64),
                number(all.lost as f64),
                number(all.late as f64)
            ),
        );
        page.row(
            "",
            format!(
                "{} duplicated, {} reordered",
                number(all.duplicated as f64),
                number(all.reordered as f64)
            ),
        );
    }
    if report.connections > 0 {
        let rate = report.connections as f64 / seconds(report);
        page.row(
            "connections",
            format!(
                "{} opened and closed, {}/s",
                number(report.connections as f64),
                number(rate)
            ),
        );
    }
    processes(page, report);
}

/// Rows with a label each.
struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn row(&mut self, label: &str, words: impl AsRef<str>) {
        // A String takes every write.
        let _ = writeln!(self.text, "  {label:<12} {}", words.as_ref());
    }

    /// A sentence, in lines of at most 80 columns.
    fn note(&mut self, sentence: &str) {
        self.warn("note:", sentence);
    }

    /// A sentence under a label that strikes the eye.
    fn warn(&mut self, mut label: &str, sentence: &str) {
        let mut line = String::new();
        let mut lines = Vec::new();
        for word in sentence.split(' ') {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > 65 {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line += word;
        }
        lines.push(line);
        for line in lines {
            let shown = self.style.warning(label);
            let gap = " ".repeat(13 - label.len());
            let _ = writeln!(self.text, "  {shown}{gap}{line}");
            label = "";
        }
    }
}

/// The run ended before anything was measured.
fn nothing(page: &mut Page, report: &Report) {
    let errors = match report.errors.total() {
        0 => String::new(),
        total => format!(": {}", count(total, "error")),
    };
    page.row("throughput", format!("nothing was measured{errors}"));
}

/// Bytes in one direction.
fn bulk(page: &mut Page, args: &BenchArgs, report: &Report) {
    let (count, how) = match args.bulk {
        Some(Way::Send) => (report.sent_bytes, "acknowledged by the server's kernel"),
        _ => (report.received_bytes, "received"),
    };
    let rate = count as f64 / seconds(report);
    page.row(
        "throughput",
        format!("{}/s   {:.2} Gbit/s", bytes(rate as u64), 8.0 * rate / 1e9),
    );
    page.row(
        "bytes",
        format!("{} in {}, {how}", bytes(count), duration(report.elapsed)),
    );
    page.row(
        "",
        page.style
            .dim("not verified: nothing says what they should be"),
    );
}

/// Every delivery of a chat.
fn chat(page: &mut Page, all: &ChatCounts, report: &Report) {
    let count = |value: u64| number(value as f64);
    if !report.acknowledgement.is_empty() {
        page.row("answered in", quantiles(&report.acknowledgement));
    }
    page.row(
        "chat",
        format!(
            "{} users, in after {}; {} lines/s",
            count(all.users as u64),
            duration(all.logged_in_after),
            number(all.lines as f64 / seconds(report))
        ),
    );
    page.row(
        "deliveries",
        format!(
            "{} lost, {} late, {} doubled, {} reordered, {} altered",
            count(all.lost),
            count(all.late),
            count(all.doubled),
            count(all.reordered),
            count(all.altered)
        ),
    );
}

/// What was asked for, in a few words.
pub(super) fn shape(args: &BenchArgs, options: &Options) -> String {
    let depth = match options.pacing {
        Pacing::Closed { depth } | Pacing::Open { depth, .. } => depth,
        _ => 1,
    };
    if args.chat {
        let users = count(args.users as u64, "user");
        return format!("{users}, depth {depth}, {}", args.size());
    }
    let connections = count(options.connections as u64, "connection");
    match args.bulk {
        Some(Way::Send) => return format!("{connections}, bulk to the server"),
        Some(Way::Receive) => return format!("{connections}, bulk from the server"),
        Some(Way::Both) => {
            return format!("{connections}, bulk both ways, {depth} × 64 KiB in flight");
        }
        None => {}
    }
    let connections = match options.target {
        Target::Udp(_) => count(options.connections as u64, "flow"),
        _ => connections,
    };
    let pace = match options.pacing {
        Pacing::Open { rate, .. } if args.churn => {
            let rate = number(f64::from(rate));
            format!("{rate} messages/s, each on a new one")
        }
        Pacing::Open { rate, .. } => format!("{} messages/s", number(f64::from(rate))),
        Pacing::Closed { .. } if args.churn => "a new one for each message".to_owned(),
        Pacing::Closed { depth } => format!("depth {depth}"),
        _ => String::new(),
    };
    let what = match &options.messages {
        Messages::Size(_) | Messages::Sizes(_) => args.size().to_string(),
        _ if args.message.is_empty() => args.size().to_string(),
        _ => "own messages".to_owned(),
    };
    let frame = match &args.frame {
        Some(frame) => format!(", {frame}"),
        None => String::new(),
    };
    format!("{connections}, {pace}, {what}{frame}, {}", args.expect())
}

fn throughput(page: &mut Page, report: &Report) {
    let sent = report.sent_bytes as f64 / seconds(report);
    page.row(
        "throughput",
        format!(
            "{} messages/s   {}/s in   {}/s out",
            number(report.messages_per_second()),
            bytes(report.bytes_per_second() as u64),
            bytes(sent as u64),
        ),
    );
    let missing = report.datagrams.map_or(0, |all| all.lost);
    let errors = match report.errors.total() {
        0 if report.messages == 0 => "no reply".to_owned(),
        0 if missing > 0 => format!("none wrong, {} missing", number(missing as f64)),
        0 => "no reply wrong or missing".to_owned(),
        total => count(total, "error"),
    };
    page.row(
        "replies",
        format!(
            "{} in {}, {errors}",
            number(report.messages as f64),
            duration(report.elapsed)
        ),
    );
}

/// The table of latencies.
fn latencies(page: &mut Page, report: &Report) {
    if report.messages == 0 {
        return;
    }
    let names: Vec<&str> = QUANTILES
        .iter()
        .map(|(name, _)| *name)
        .chain(["max", "mean"])
        .collect();
    page.row("", columns(names));
    page.row("latency", quantiles(&report.latency));
    match &report.open_loop {
        Some(open) => {
            page.row("uncorrected", quantiles(&open.uncorrected));
            // Not where every message has a connection of its own.
            if !open.client_late.is_empty() {
                page.row("client late", quantiles(&open.client_late));
            }
        }
        // Users of a chat wait for each other, too.
        None if report.chat.is_some() => return,
        None => page.row("corrected", quantiles(&corrected(report))),
    }
    page.row("", page.style.dim(explanation(report)));
}

/// One line on what the two rows are.
fn explanation(report: &Report) -> &'static str {
    match report.open_loop {
        Some(_) => "latency: from when it was due; uncorrected: from when it was sent",
        None => "corrected: with those whom a stall keeps waiting (an estimate)",
    }
}

/// Of a closed loop: what coordinated omission leaves out, estimated.
pub(super) fn corrected(report: &Report) -> Latency {
    report.latency.corrected(report.latency.quantile(0.5))
}

fn columns<T: AsRef<str>>(cells: impl IntoIterator<Item = T>) -> String {
    cells
        .into_iter()
        .map(|cell| format!("{:>10}", cell.as_ref()))
        .collect()
}

fn quantiles(latency: &Latency) -> String {
    let shares = QUANTILES.iter().map(|(_, share)| latency.quantile(*share));
    let all = shares.chain([latency.max(), latency.mean()]);
    columns(all.map(short))
}

/// A latency with three digits or more.
pub(super) fn short(time: Duration) -> String {
    let micros = time.as_nanos() as f64 / 1e3;
    match micros {
        ..10.0 => format!("{micros:.2} us"),
        ..100.0 => format!("{micros:.1} us"),
        _ => duration(time),
    }
}

/// What it cost this process and the server's.
fn processes(page: &mut Page, report: &Report) {
    page.row(
        "client",
        format!("{} of a core", share(client_cores(report))),
    );
    let Some(server) = report.server else {
        return;
    };
    let cpu = match server.cpu {
        Some(cpu) => format!("{} of a core", share(cpu.as_secs_f64() / seconds(report))),
        None => "processor time unknown".to_owned(),
    };
    let memory = match (server.memory, server.memory_before) {
        (Some(now), Some(before)) => format!(
            ", {} of memory ({} before)",
            bytes(now.private),
            bytes(before.private)
        ),
        (Some(now), None) => format!(", {} of memory", bytes(now.private)),
        (None, _) => ", gone at the end".to_owned(),
    };
    let name = match crate::holder::name_of(server.pid) {
        name if name.is_empty() => String::new(),
        name => format!("{name}, "),
    };
    page.row("server", format!("{cpu}{memory}"));
    page.row("", page.style.dim(&format!("{name}pid {}", server.pid)));
}

fn share(cores: f64) -> String {
    format!("{cores:.2}")
}

/// Processor time of this process's engine per time.
pub(super) fn client_cores(report: &Report) -> f64 {
    report.cpu.as_secs_f64() / seconds(report)
}

/// For which share of the time this process's engine was ready to run and had no processor.
pub(super) fn client_waited(report: &Report) -> Option<f64> {
    Some(report.waited?.as_secs_f64() / seconds(report))
}

/// Whether this process may be what limits the figures.
pub(super) fn is_bottleneck(report: &Report) -> bool {
    client_cores(report) >= BUSY
}

fn seconds(report: &Report) -> f64 {
    report.elapsed.as_secs_f64().max(1e-9)
}

/// What a reader of the figures should know.
fn notes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    if report.cut_short {
        notes.push(match report.elapsed.is_zero() {
            true => "the run ended before its measurement began".to_owned(),
            false => "the run ended early; these are the figures so far".to_owned(),
        });
    }
    if let Some(stall) = Stall::of(report) {
        notes.push(format!("a stall: {}", stall.words()));
    }
    notes.extend(stall::silence(report));
    if let Some(all) = report.datagrams
        && all.lost > 0
        && all.receive_buffer < DATAGRAM_BUFFER
    {
        notes.push(format!(
            "the kernel granted this client {} of receive buffer and not {}: what is lost may \
             be lost here (sysctl net.core.rmem_max)",
            bytes(all.receive_buffer as u64),
            bytes(DATAGRAM_BUFFER as u64)
        ));
    }
    if is_bottleneck(report) {
        notes.push(format!(
            "this client was busy {:.0} % of the time: a faster server may not show",
            100.0 * client_cores(report)
        ));
    }
    if let Some(waited) = client_waited(report)
        && waited >= CROWDED
    {
        notes.push(format!(
            "this client was ready to run and had no processor for {:.0} % of the time: the \
             figures are those of a busy machine",
            100.0 * waited
        ));
    }
    if let Some(server) = report.server
        && server
            .cpu
            .is_some_and(|cpu| cpu < Duration::from_millis(100))
    {
        notes.push("the server's processor time is known to 10 ms only".to_owned());
    }
    notes
}

/// What went wrong: how often, and the first case, one line for each cause.
pub(super) fn found(report: &Report) -> impl Iterator<Item = String> {
    report.errors.iter().map(|(cause, count, first)| {
        let first = match first {
            "" => String::new(),
            first => format!(" (the first: {first})"),
        };
        format!("{} × {cause}{first}", number(count as f64))
    })
}

/// A count with its noun, thousands set apart.
pub(super) fn count(value: u64, noun: &str) -> String {
    match value {
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", number(value as f64)),
    }
}

/// A number with its thousands set apart, without decimals.
pub(super) fn number(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(number(999.4), "999");
        assert_eq!(number(1_000.0), "1,000");
        assert_eq!(number(1_234_567.0), "1,234,567");
    }

    #[test]
    fn short_latencies_keep_their_digits() {
        assert_eq!(short(Duration::from_nanos(8_249)), "8.25 us");
        assert_eq!(short(Duration::from_nanos(12_340)), "12.3 us");
        assert_eq!(short(Duration::from_micros(1_234)), "1.2 ms");
    }

    #[test]
    fn notes_are_broken_into_lines() {
        let mut page = Page {
            text: String::new(),
            style: Style::Plain,
        };
        page.note(&"word ".repeat(40));
        assert!(page.text.lines().count() > 2);
        assert!(
            page.text.lines().all(|line| line.len() <= 80),
            "{}",
            page.text
        );
        assert!(page.text.starts_with("  note:        word"));
    }
}
