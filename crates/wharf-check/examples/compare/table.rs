//! What comes out: a table for people, JSON for programs.

use std::fmt::Write;

use wharf_check::load::Report;

use crate::rows::Transport;

/// What a server gave in the round of this number.
pub(crate) type Turn = (usize, Report);

/// The reports of one row: per server, one per round in which it took part.
pub(crate) type Results = Vec<Vec<Turn>>;

pub(crate) fn print_head(transport: Transport, names: &[&str]) {
    let title = match transport {
        Transport::Tcp => "TCP",
        Transport::Udp => "UDP",
        Transport::Chat => "chat",
    };
    let lines = if transport == Transport::Chat {
        " | lines ratio"
    } else {
        ""
    };
    let (first, others) = (names[0], &names[1..]);
    print!("| {title} | {first} /s");
    for name in others {
        print!(" | {name} /s | ratio | paired (min–max) | p99 ratio{lines}");
    }
    print!(" | loss % |\n|---|---");
    for _ in others {
        print!("|---|---|---|---");
        if !lines.is_empty() {
            print!("|---");
        }
    }
    println!("|---|");
}

pub(crate) fn print_row(name: &str, results: &Results) {
    let base = &results[0];
    let base_lines = line_rate(base);
    let mut line = format!("| {name} | {}", short(median(rates(base))));
    for other in &results[1..] {
        let ratio = median(rates(other)) / median(rates(base));
        let pairs = paired(other, base);
        let p99 = median(p99s(other)) / median(p99s(base));
        let (low, high) = spread(&pairs);
        // Writing to a string cannot fail.
        let _ = write!(
            line,
            " | {} | {ratio:.3} | {:.3} ({low:.2}–{high:.2}) | {p99:.2}",
            short(median(rates(other))),
            median(pairs),
        );
        if let (Some(lines), Some(base)) = (line_rate(other), base_lines) {
            let _ = write!(line, " | {:.2}", lines / base);
        }
    }
    println!("{line} | {} |", losses(results));
}

/// Lines that clients of a chat got per second.
fn line_rate(turns: &[Turn]) -> Option<f64> {
    let rate = |(_, one): &Turn| Some(one.chat?.lines as f64 / one.elapsed.as_secs_f64());
    let rates: Option<Vec<_>> = turns.iter().map(rate).collect();
    rates.map(median)
}

/// The share of datagrams lost, per server.
fn losses(results: &Results) -> String {
    let loss = |turns: &Vec<Turn>| {
        let all = turns.iter().filter_map(|(_, report)| report.datagrams);
        let (lost, sent) = all.fold((0, 0), |sum, one| (sum.0 + one.lost, sum.1 + one.sent));
        (sent > 0).then(|| format!("{:.2}", 100.0 * lost as f64 / sent as f64))
    };
    let all: Vec<_> = results.iter().filter_map(loss).collect();
    all.join(", ")
}

fn rates(turns: &[Turn]) -> Vec<f64> {
    turns
        .iter()
        .map(|(_, one)| one.messages_per_second())
        .collect()
}

fn p99s(turns: &[Turn]) -> Vec<f64> {
    turns
        .iter()
        .map(|(_, one)| one.latency.quantile(0.99).as_secs_f64())
        .collect()
}

/// The ratios of the rates within the rounds in which both took part.
fn paired(turns: &[Turn], base: &[Turn]) -> Vec<f64> {
    let rate_of_base = |round: usize| {
        let (_, report) = base.iter().find(|(of, _)| *of == round)?;
        Some(report.messages_per_second())
    };
    turns
        .iter()
        .filter_map(|(round, one)| Some(one.messages_per_second() / rate_of_base(*round)?))
        .collect()
}

fn spread(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(0.0, f64::max);
    (low, high)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
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

/// Every result as JSON: an array of objects, one per row, server and round.
pub(crate) fn json(all: &[(&str, Vec<String>, Results)]) -> String {
    let mut lines = Vec::new();
    for (row, names, results) in all {
        for (name, turns) in names.iter().zip(results) {
            for (round, report) in turns {
                lines.push(object(row, name, *round, report));
            }
        }
    }
    format!("[\n{}\n]\n", lines.join(",\n"))
}

fn object(row: &str, name: &str, round: usize, report: &Report) -> String {
    let micros = |share| report.latency.quantile(share).as_nanos() as f64 / 1e3;
    let mut text = format!(
        "  {{\"row\": \"{row}\", \"server\": \"{}\", \"round\": {round}, \
         \"seconds\": {:.3}, \"messages_per_second\": {:.1}, \"bytes_per_second\": {:.1}, \
         \"p50_us\": {:.1}, \"p99_us\": {:.1}, \"client_cpu_share\": {:.3}",
        name.escape_default(),
        report.elapsed.as_secs_f64(),
        report.messages_per_second(),
        report.bytes_per_second(),
        micros(0.5),
        micros(0.99),
        report.cpu.as_secs_f64() / report.elapsed.as_secs_f64(),
    );
    if let Some(all) = report.datagrams {
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            ", \"sent\": {}, \"lost\": {}, \"late\": {}, \"duplicated\": {}, \"reordered\": {}",
            all.sent, all.lost, all.late, all.duplicated, all.reordered
        );
    }
    if let Some(all) = report.chat {
        let micros = |share| report.acknowledgement.quantile(share).as_nanos() as f64 / 1e3;
        let _ = write!(
            text,
            ", \"lines_per_second\": {:.1}, \"answer_p50_us\": {:.1}, \"answer_p99_us\": {:.1}",
            all.lines as f64 / report.elapsed.as_secs_f64(),
            micros(0.5),
            micros(0.99),
        );
    }
    text + "}"
}
