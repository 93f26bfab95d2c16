//! One user who never reads: do the others notice, and does the server's memory?

use std::error::Error;
use std::time::Duration;

use wharf_check::load::{Amount, Chat, Pacing, Report, Stalled, memory_of, run_with};

use crate::Arguments;
use crate::server::Server;

/// How many others talk.
const USERS: usize = 50;
/// Of how many messages each of them sends one to the user who never reads: as many
/// as to any other.
const EVERY: u64 = USERS as u64;
/// The least throughput beside a stalled user, as a share of that without one.
const AT_LEAST: f64 = 0.9;
/// How long a run is.
const SECONDS: Duration = Duration::from_secs(2);
/// How much the server's memory may grow: what waits for a user (2 MiB, and as much
/// being written), buffers of the others, and what an allocator keeps.
const GROWTH_AT_MOST: u64 = 16 << 20;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut all = String::new();
    for depth in [1, 8] {
        let mut ratios = Vec::new();
        let mut growth = 0;
        let mut closed = 0;
        for round in 0..arguments.rounds {
            let mut rates = [0.0; 2];
            // With and without in turns, and each goes first as often.
            for turn in 0..2 {
                let stalled = (round + turn) % 2;
                let server = Server::start(&arguments.server)?;
                let (report, most) = measure(&server, depth, stalled, EVERY, SECONDS)?;
                rates[stalled] = report.messages_per_second();
                if stalled == 1 {
                    growth = growth.max(most);
                    closed += report.chat.map_or(0, |counts| counts.stalled_closed);
                }
            }
            ratios.push(rates[1] / rates[0]);
        }
        ratios.sort_by(f64::total_cmp);
        let median = ratios[ratios.len() / 2];
        println!(
            "{USERS} users, depth {depth}: throughput with one who never reads {median:.3} of that \
             without ({:.3}–{:.3}, {} pairs); it was cut off in {closed}; the server grew by at \
             most {} KiB",
            ratios[0],
            ratios[ratios.len() - 1],
            ratios.len(),
            growth / 1024
        );
        if median < AT_LEAST {
            all += &format!("depth {depth}: less than {AT_LEAST}; ");
        }
        if growth > GROWTH_AT_MOST {
            all += &format!("depth {depth}: memory grew by {growth} bytes; ");
        }
    }
    cut_off(arguments)?;
    if all.is_empty() {
        Ok(())
    } else {
        Err(all.into())
    }
}

/// Half of all messages go to the user who never reads, until it is cut off.
fn cut_off(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let server = Server::start(&arguments.server)?;
    let (report, growth) = measure(&server, 8, 1, 2, Duration::from_secs(5))?;
    let counts = report.chat.ok_or("a chat has counts")?;
    println!(
        "every second message to one who never reads: {} were accepted, then it was cut off ({}); \
         the server grew by at most {} KiB; the others got {:.0} messages/s and lost none",
        counts.to_stalled,
        counts.stalled_closed,
        growth / 1024,
        report.messages_per_second()
    );
    if counts.stalled_closed != 1 {
        return Err("the user who never reads was not cut off".into());
    }
    if growth > GROWTH_AT_MOST {
        return Err(format!("memory grew by {growth} bytes").into());
    }
    Ok(())
}

/// One run, and by how much the server's private memory grew at most.
fn measure(
    server: &Server,
    depth: usize,
    users: usize,
    every: u64,
    time: Duration,
) -> Result<(Report, u64), Box<dyn Error>> {
    let mut chat = Chat::default();
    chat.stalled = Stalled { users, every };
    let mut options = server.users(USERS, chat);
    options.pacing = Pacing::Closed { depth };
    options.amount = Amount::Time(time);
    let before = memory_of(server.pid())?.private;
    let mut most = before;
    let report = run_with(&options, Duration::from_millis(100), &mut |_| {
        // A server that has ended shows in the report.
        most = most.max(memory_of(server.pid()).map_or(0, |memory| memory.private));
        std::ops::ControlFlow::Continue(())
    })?;
    if !report.errors.is_empty() {
        return Err(report.errors.to_string().into());
    }
    Ok((report, most - before))
}
