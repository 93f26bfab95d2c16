//! Whether a run did what was asked, and what it ends with if not.

use wharf_check::load::{Cause, Report};

use super::args::{BenchArgs, Way};
use super::render::{count, found, number};
use super::stall::{self, Stall};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::quantity::Timeout;

/// This share of the messages that were due may be left over at the end of a fixed rate.
const BEHIND_AT_MOST: f64 = 0.01;

/// In a short run it may be one for each connection, which may be waiting for its last
/// reply, but never more than this share.
const WAITING_AT_MOST: f64 = 0.1;

/// The failure of a run, if it is one. `who` is the server in words.
pub(super) fn of(args: &BenchArgs, report: &Report, who: &str) -> Option<Failure> {
    if !report.errors.is_empty() {
        return Some(errors(args, report, who));
    }
    let is_bulk = matches!(args.bulk, Some(Way::Send | Way::Receive));
    if report.messages == 0 && !is_bulk {
        return Some(no_reply(report, who));
    }
    incomplete(args, report).or_else(|| limits(args, report))
}

/// The failure of a run in which no reply came.
fn no_reply(report: &Report, who: &str) -> Failure {
    if report.sent_bytes == 0
        && let Some(open) = &report.open_loop
    {
        let cause = "no message was due within the measured time";
        let rate = format!("{} messages/s", number(f64::from(open.rate)));
        return Failure::new(Exit::TimedOut, cause)
            .with("rate", rate)
            .cure("--duration with a longer time, or a higher --rate");
    }
    let cause = format!("{who} sent no reply within the measured time");
    let failure = Failure::new(Exit::TimedOut, cause);
    match report.datagrams {
        Some(all) if all.late > 0 => failure
            .with(
                "found",
                format!("{} came later than --timeout", number(all.late as f64)),
            )
            .cure("--timeout with a longer time"),
        Some(_) => failure.with("means", "nothing listens there, or it answers otherwise"),
        None => failure,
    }
}

fn errors(args: &BenchArgs, report: &Report, who: &str) -> Failure {
    let exit = report
        .errors
        .iter()
        .map(|(cause, ..)| exit_of(cause))
        .next()
        .unwrap_or(Exit::Failed);
    let told = count(report.errors.total(), "error");
    let mut failure = Failure::new(exit, format!("{told} while loading {who}"));
    for found in found(report) {
        failure = failure.with("found", found);
    }
    let has = |cause| report.errors.count(cause) > 0;
    if has(Cause::Refused) {
        failure = failure.with("means", "nothing listens there");
    }
    if has(Cause::NoSockets) {
        failure = failure.cure(match args.chat {
            true => "fewer --users, or ulimit -n with a higher number",
            false => "fewer --connections, or ulimit -n with a higher number",
        });
    }
    if has(Cause::Wrong) || has(Cause::Unexpected) {
        failure = failure.cure(otherwise(args));
    }
    let has_messages = !args.chat && args.bulk.is_none();
    if has(Cause::NoReply) {
        failure = failure.cure(match has_messages {
            true => "--timeout with a longer time, or --expect and --frame with how it answers",
            false => "--timeout with a longer time",
        });
    }
    if (has(Cause::Closed) || has(Cause::Ended)) && has_messages && !args.churn {
        failure = failure.cure("--churn if the server answers one message per connection");
    }
    failure
}

/// What to do about a server that says something else.
fn otherwise(args: &BenchArgs) -> &'static str {
    match args.bulk {
        Some(Way::Send) => "--bulk both if the server sends everything back",
        Some(_) => "--expect upper if it answers in upper case; or mend it",
        None if args.chat => "the address of a chat; or mend it",
        None => {
            "--expect with what the server says, --frame with what ends its messages; or mend it"
        }
    }
}

/// What a run ends with in which this went wrong.
pub(super) fn exit_of(cause: Cause) -> Exit {
    match cause {
        Cause::Refused => Exit::Unreachable,
        Cause::ConnectTimeout | Cause::NoReply | Cause::Late => Exit::TimedOut,
        Cause::Tls => Exit::Tls,
        Cause::NoSockets | Cause::Other => Exit::Failed,
        Cause::Wrong
        | Cause::Lost
        | Cause::Unexpected
        | Cause::Closed
        | Cause::Ended
        | Cause::Reset
        | Cause::Doubled
        | Cause::Reordered
        | Cause::Rejected => Exit::PeerBroke,
    }
}

/// A run that did less than was asked for.
fn incomplete(args: &BenchArgs, report: &Report) -> Option<Failure> {
    // A datagram that is lost was sent all the same.
    let done = report.datagrams.map_or(report.messages, |all| all.sent);
    if let Some(wanted) = args.requests
        && done < wanted as u64
    {
        let cause = format!(
            "{} of {} messages within {}",
            number(done as f64),
            number(wanted as f64),
            crate::style::duration(args.lasts())
        );
        return Some(Failure::new(Exit::TimedOut, cause).cure("--duration with a longer time"));
    }
    let open = report.open_loop.as_ref()?;
    let due = report.messages as f64 + open.behind as f64;
    (open.behind as f64 > may_be_left(due, args.connections)).then(|| {
        let cause = format!(
            "the rate was not kept: {} messages/s instead of {}",
            number(report.messages_per_second()),
            number(f64::from(open.rate))
        );
        let left = format!(
            "{} messages were due by the end and had to wait for their connections",
            number(open.behind as f64)
        );
        Failure::new(Exit::CheckFailed, cause)
            .with("left", left)
            .cure("a lower --rate, or more --connections or --depth if each reply takes long")
    })
}

/// How many of the messages that were due may be left over.
fn may_be_left(due: f64, connections: usize) -> f64 {
    let waiting = (connections as f64).min(WAITING_AT_MOST * due).max(1.0);
    (BEHIND_AT_MOST * due).max(waiting)
}

/// The failure of a run that went well otherwise, if the server fell silent, or a reply stalled
/// and nobody said what is late.
pub(super) fn stalled(args: &BenchArgs, report: &Report, who: &str) -> Option<Failure> {
    // Whoever says that no reply is late waits for one without end.
    if args.late == Some(Timeout(None)) {
        return None;
    }
    if let Some(found) = stall::silence(report) {
        let failure = Failure::new(Exit::TimedOut, format!("{who} fell silent"));
        return Some(failure.with("found", found));
    }
    let stall = match args.late {
        None => Stall::of(report)?,
        Some(_) => return None,
    };
    stall.fails().then(|| {
        Failure::new(Exit::TimedOut, format!("a stall of {who}"))
            .with("found", stall.words())
            .cure("--late none if replies may take so long, --late TIME to say what is too long")
    })
}

/// Limits of --fail-if that hold.
fn limits(args: &BenchArgs, report: &Report) -> Option<Failure> {
    let mut failure: Option<Failure> = None;
    for limit in &args.fail_if {
        if let Some(found) = limit.holds(report) {
            let told = failure
                .take()
                .unwrap_or_else(|| Failure::new(Exit::CheckFailed, "a limit of --fail-if holds"));
            failure = Some(told.with("limit", format!("{limit}: {found}")));
        }
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_messages_may_be_left_over_and_never_many() {
        for (due, connections, left) in [
            // The last one of a slow rate.
            (10.0, 1, 1.0),
            (100.0, 10, 10.0),
            // A third of them is no tail.
            (3_000.0, 1_000, 300.0),
            (1e6, 50, 10_000.0),
        ] {
            assert_eq!(
                may_be_left(due, connections),
                left,
                "{due} and {connections}"
            );
        }
    }
}
