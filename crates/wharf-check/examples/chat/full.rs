//! Many users, and every message accounted for.

use std::error::Error;
use std::time::Duration;

use wharf_check::load::{Amount, Chat, Pacing, Report, run as run_load};

use crate::Arguments;
use crate::server::Server;

/// Long enough for the slowest machine that is asked for the full size.
const AT_MOST: Duration = Duration::from_secs(300);

/// One run.
struct Run {
    what: &'static str,
    users: usize,
    each: u64,
    depth: usize,
    write_at_most: Option<usize>,
}

const RUNS: [Run; 4] = [
    Run {
        what: "byte by byte",
        users: 20,
        each: 100,
        depth: 1,
        write_at_most: Some(1),
    },
    Run {
        what: "logged in at once",
        users: 10_000,
        each: 2,
        depth: 1,
        write_at_most: None,
    },
    Run {
        what: "at random",
        users: 1_000,
        each: 1_000,
        depth: 1,
        write_at_most: None,
    },
    Run {
        what: "at random, depth 4",
        users: 1_000,
        each: 1_000,
        depth: 4,
        write_at_most: None,
    },
];

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let server = Server::start(&arguments.server)?;
    for (number, one) in RUNS.iter().enumerate() {
        let report = one.report(&server, number, arguments.scale)?;
        let counts = report.chat.ok_or("a chat has counts")?;
        println!(
            "{} users, {} messages, {}: {:.0} messages/s, {:.0} lines/s; all logged in after {:.2?}\n  \
             SEND to DELIVERY p50 {:.2?} p99 {:.2?} max {:.2?}; to SEND-OK p50 {:.2?} p99 {:.2?}\n  \
             lost {}, doubled {}, reordered {}, altered {}, late {}",
            counts.users,
            report.messages,
            one.what,
            report.messages_per_second(),
            counts.lines as f64 / report.elapsed.as_secs_f64(),
            counts.logged_in_after,
            report.latency.quantile(0.5),
            report.latency.quantile(0.99),
            report.latency.max(),
            report.acknowledgement.quantile(0.5),
            report.acknowledgement.quantile(0.99),
            counts.lost,
            counts.doubled,
            counts.reordered,
            counts.altered,
            counts.late,
        );
        one.judge(&report, arguments.scale)?;
    }
    Ok(())
}

impl Run {
    fn users(&self, scale: usize) -> usize {
        match self.write_at_most {
            // Twenty are few enough for everybody.
            Some(_) => self.users,
            None => (self.users / scale).max(2),
        }
    }

    fn each(&self, scale: usize) -> u64 {
        (self.each / scale as u64).max(2)
    }

    fn report(&self, server: &Server, number: usize, scale: usize) -> Result<Report, String> {
        let mut chat = Chat::default();
        chat.write_at_most = self.write_at_most;
        // The server may not have noticed yet that the last run's users left.
        chat.prefix = char::from(b'a' + number as u8).to_string();
        let mut options = server.users(self.users(scale), chat);
        options.pacing = Pacing::Closed { depth: self.depth };
        options.messages_per_connection = Some(self.each(scale));
        options.warm_up = Duration::ZERO;
        options.amount = Amount::Requests {
            count: self.users(scale) as u64 * self.each(scale),
            at_most: AT_MOST,
        };
        run_load(&options).map_err(|error| error.to_string())
    }

    fn judge(&self, report: &Report, scale: usize) -> Result<(), String> {
        let all = self.users(scale) as u64 * self.each(scale);
        if !report.errors.is_empty() {
            return Err(report.errors.to_string());
        }
        if report.messages != all {
            return Err(format!("{} messages of {all}", report.messages));
        }
        Ok(())
    }
}
