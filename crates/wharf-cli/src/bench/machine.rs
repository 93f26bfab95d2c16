//! A report for machines. The schema is in docs/json.md.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};
use wharf_check::load::{Latency, Report};

use super::args::{BenchArgs, Way};
use super::render::{QUANTILES, client_cores, corrected, is_bottleneck};

/// Ticks of a distribution for each halving of what is left to 100 %, as HdrHistogram's own
/// tools have it.
const TICKS: u32 = 5;

/// The result of a run.
pub(super) fn result(args: &BenchArgs, who: &str, report: &Report) -> Value {
    let has_messages = !matches!(args.bulk, Some(Way::Send | Way::Receive));
    let errors: Map<_, _> = report
        .errors
        .iter()
        .map(|(cause, count, first)| {
            let name = cause.to_string().replace(' ', "_");
            (name, json!({ "count": count, "first": first }))
        })
        .collect();
    json!({
        "event": "result",
        "server": who,
        "seconds": report.elapsed.as_secs_f64(),
        "messages": has_messages.then_some(report.messages),
        "messages_per_second": has_messages.then(|| report.messages_per_second()),
        "sent_bytes": report.sent_bytes,
        "received_bytes": report.received_bytes,
        "connections_ended": args.churn.then_some(report.connections),
        "latency": latency(&report.latency),
        "corrected_latency": match report.open_loop {
            None if report.chat.is_none() => latency(&corrected(report)),
            _ => Value::Null,
        },
        "open_loop": report.open_loop.as_ref().map(|open| json!({
            "rate": open.rate,
            "behind": open.behind,
            "uncorrected_latency": latency(&open.uncorrected),
            "client_late": latency(&open.client_late),
        })),
        "slowest": (!report.latency.is_empty()).then(|| json!({
            "seconds": report.slowest.took().as_secs_f64(),
            "at": report.slowest.at().as_secs_f64(),
            "unanswered_seconds": report.slowest.unanswered().as_secs_f64(),
        })),
        "datagrams": report.datagrams.map(|all| json!({
            "sent": all.sent,
            "answered": all.answered,
            "lost": all.lost,
            "late": all.late,
            "duplicated": all.duplicated,
            "reordered": all.reordered,
            "receive_buffer_granted": all.receive_buffer,
        })),
        "chat": report.chat.map(|all| json!({
            "users": all.users,
            "logged_in_seconds": all.logged_in_after.as_secs_f64(),
            "lines": all.lines,
            "lost": all.lost,
            "late": all.late,
            "doubled": all.doubled,
            "reordered": all.reordered,
            "altered": all.altered,
            "answer_latency": latency(&report.acknowledgement),
        })),
        "errors": errors,
        "silent_seconds": report.silent.map(|silent| silent.as_secs_f64()),
        "cut_short": report.cut_short,
        "client": {
            "cores": client_cores(report),
            "is_bottleneck": is_bottleneck(report),
            "waited_seconds": report.waited.map(|waited| waited.as_secs_f64()),
        },
        "server_process": report.server.map(|server| json!({
            "pid": server.pid,
            "cpu_seconds": server.cpu.map(|cpu| cpu.as_secs_f64()),
            "private_bytes": server.memory.map(|memory| memory.private),
            "private_bytes_before": server.memory_before.map(|memory| memory.private),
        })),
    })
}

/// Latencies in seconds; null if there are none.
pub(super) fn latency(latency: &Latency) -> Value {
    if latency.is_empty() {
        return Value::Null;
    }
    let mut all: Map<_, _> = QUANTILES
        .iter()
        .map(|(name, share)| {
            let seconds = latency.quantile(*share).as_secs_f64();
            ((*name).to_owned(), json!(seconds))
        })
        .collect();
    all.insert("mean".to_owned(), json!(latency.mean().as_secs_f64()));
    all.insert("max".to_owned(), json!(latency.max().as_secs_f64()));
    Value::Object(all)
}

/// The distribution of latencies in the text form of HdrHistogram's own tools, in
/// milliseconds.
pub(super) fn distribution(latency: &Latency) -> String {
    let histogram = latency.histogram();
    let mut out = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n".to_owned();
    let mut seen = 0;
    for step in histogram.iter_quantiles(TICKS) {
        seen += step.count_since_last_iteration();
        let share = step.quantile_iterated_to();
        let value = step.value_iterated_to() as f64 / 1e6;
        // A String takes every write.
        let _ = match share < 1.0 {
            true => writeln!(
                out,
                "{value:12.6} {share:14.12} {seen:10} {:14.2}",
                1.0 / (1.0 - share)
            ),
            false => writeln!(out, "{value:12.6} {share:14.12} {seen:10}"),
        };
    }
    let _ = writeln!(
        out,
        "#[Mean    = {:12.6}, StdDeviation   = {:12.6}]\n\
         #[Max     = {:12.6}, Total count    = {:12}]",
        histogram.mean() / 1e6,
        histogram.stdev() / 1e6,
        histogram.max() as f64 / 1e6,
        histogram.len()
    );
    out
}
