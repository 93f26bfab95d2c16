//! One measurement with the load engine.

use std::time::Duration;

use wharf_check::load::{Amount, Options, Report, run};

use crate::arguments::Arguments;
use crate::record::{Figures, Outcome};

/// How long a reply may take; beyond it the server counts as stuck.
const REPLY_TIMEOUT: Duration = Duration::from_secs(3);

/// Puts the load on, and makes of the report what the file keeps.
pub(crate) fn load(mut options: Options, arguments: &Arguments) -> Outcome {
    options.amount = Amount::Time(arguments.seconds);
    options.warm_up = arguments.warm_up;
    options.errors_at_most = 10;
    options.reply_timeout = REPLY_TIMEOUT;
    match run(&options) {
        Ok(report) if !report.errors.is_empty() => Outcome::Failure(report.errors.to_string()),
        Ok(report) if report.messages == 0 => Outcome::Failure("no reply at all".into()),
        Ok(report) => Outcome::Figures(figures(&report)),
        Err(error) => Outcome::Failure(error.to_string()),
    }
}

pub(crate) fn figures(report: &Report) -> Figures {
    let datagrams = report.datagrams.unwrap_or_default();
    Figures {
        rate: report.messages_per_second(),
        p99: report.latency.quantile(0.99).as_nanos() as f64 / 1e3,
        lost: datagrams.lost as f64 / datagrams.sent.max(1) as f64,
        engine: report.cpu.as_secs_f64() / report.elapsed.as_secs_f64(),
        ..Figures::default()
    }
}
