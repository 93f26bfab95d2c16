//! What is shown and noted while a run goes on.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde_json::json;
use wharf_check::load::{Latency, Phase, Snapshot};

use super::live::{self, Live, Plan, Point, Unit};
use super::machine::latency;
use super::render::{number, short};
use super::say;
use crate::args::Common;
use crate::style::bytes;

/// How often a run is looked at: for the picture, --csv and Ctrl-C.
pub(super) const LOOK: Duration = Duration::from_millis(100);

/// The time between two events of --json.
const EVENT: Duration = Duration::from_secs(1);

/// The first line of --csv.
const HEAD: &str = "seconds,phase,messages_per_second,received_bytes_per_second,\
    sent_bytes_per_second,p50_us,p99_us,max_us,errors\n";

/// Looks at a run.
pub(super) struct Course {
    csv: Option<String>,
    events: Option<Events>,
    shows: Shows,
    unit: Unit,
}

/// What a person sees meanwhile.
enum Shows {
    Picture(Live),
    /// stderr is a terminal, and has a line that changes.
    Line,
    Nothing,
}

/// Whether a picture may be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Picture {
    IfPossible,
    Never,
}

/// What an event of --json is made of.
struct Events {
    server: String,
    unit: Unit,
    due: Duration,
    sum: Sum,
}

/// What happened since the last event.
#[derive(Default)]
struct Sum {
    began: Duration,
    until: Duration,
    phase: Option<Phase>,
    errors: u64,
    messages: u64,
    received: u64,
    sent: u64,
    latency: Option<Latency>,
}

impl Course {
    pub(super) fn new(
        common: &Common,
        has_csv: bool,
        picture: Picture,
        plan: Plan,
        interrupted: &Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let (unit, server) = (plan.unit, plan.who.clone());
        let shows = if common.json {
            Shows::Nothing
        } else if picture == Picture::IfPossible && live::is_possible() {
            Shows::Picture(Live::start(plan, Arc::clone(interrupted))?)
        } else if io::stderr().is_terminal() {
            Shows::Line
        } else {
            Shows::Nothing
        };
        Ok(Course {
            csv: has_csv.then(|| HEAD.to_owned()),
            events: common.json.then(|| Events {
                server,
                unit,
                due: EVENT,
                sum: Sum::default(),
            }),
            shows,
            unit,
        })
    }

    pub(super) fn look(&mut self, now: &Snapshot<'_>) {
        if let Some(csv) = &mut self.csv {
            row(csv, now);
        }
        if let Some(events) = &mut self.events {
            events.look(now);
        }
        match &self.shows {
            Shows::Picture(live) => live.push(Point::of(now)),
            Shows::Line => {
                // One that wrapped would stay; the last column is for the cursor.
                let columns = crossterm::terminal::size().map_or(80, |(columns, _)| columns);
                let line = line(now, self.unit, usize::from(columns).saturating_sub(1));
                // \x1b[K takes away what is left of a longer line; nobody misses a lost one.
                let _ = write!(io::stderr(), "\r{line}\x1b[K");
            }
            Shows::Nothing => {}
        }
    }

    /// Takes the picture or the line away; gives what is written to the file of --csv.
    pub(super) fn end(self) -> Option<String> {
        if let Shows::Line = self.shows {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
        self.csv
    }
}

impl Events {
    fn look(&mut self, now: &Snapshot<'_>) {
        // An event tells of one phase.
        if self.sum.phase.is_some_and(|phase| phase != now.phase) {
            self.tell();
        }
        let sum = &mut self.sum;
        sum.phase = Some(now.phase);
        sum.until = now.elapsed;
        sum.messages += now.interval_messages;
        sum.received += now.interval_received_bytes;
        sum.sent += now.interval_sent_bytes;
        sum.errors = now.errors.total();
        match &mut sum.latency {
            Some(latency) => latency.add(now.latency),
            None => sum.latency = Some(now.latency.clone()),
        }
        if now.elapsed >= self.due {
            self.tell();
        }
    }

    fn tell(&mut self) {
        let sum = &self.sum;
        let time = (sum.until - sum.began).as_secs_f64().max(1e-9);
        let event = json!({
            "event": "interval",
            "server": self.server,
            "seconds": sum.until.as_secs_f64(),
            "phase": sum.phase.map(phase),
            "messages_per_second": match self.unit {
                Unit::Messages => Some(sum.messages as f64 / time),
                Unit::Bytes => None,
            },
            "received_bytes_per_second": sum.received as f64 / time,
            "sent_bytes_per_second": sum.sent as f64 / time,
            "latency": sum.latency.as_ref().map(latency),
            "errors": sum.errors,
        });
        // On a closed stdout the end still tells.
        let _ = say(&format!("{event}\n"));
        let until = self.sum.until;
        self.due = until + EVENT;
        self.sum = Sum {
            began: until,
            until,
            ..Sum::default()
        };
    }
}

fn rate(count: u64, now: &Snapshot<'_>) -> f64 {
    count as f64 / now.interval.as_secs_f64().max(1e-9)
}

fn row(csv: &mut String, now: &Snapshot<'_>) {
    // Without a reply there is none.
    let micros = |time: Duration| match now.latency.is_empty() {
        true => String::new(),
        false => format!("{:.1}", time.as_nanos() as f64 / 1e3),
    };
    // A String takes every write.
    let _ = writeln!(
        csv,
        "{:.3},{},{:.1},{:.1},{:.1},{},{},{},{}",
        now.elapsed.as_secs_f64(),
        phase(now.phase),
        rate(now.interval_messages, now),
        rate(now.interval_received_bytes, now),
        rate(now.interval_sent_bytes, now),
        micros(now.latency.quantile(0.5)),
        micros(now.latency.quantile(0.99)),
        micros(now.latency.max()),
        now.errors.total()
    );
}

/// How a run stands, in one line of at most so many columns: what matters least is left out
/// first.
fn line(now: &Snapshot<'_>, unit: Unit, columns: usize) -> String {
    let at = format!("{:>5.1} s", now.elapsed.as_secs_f64());
    let phase = phase(now.phase);
    let missing = match now.missing {
        0 => String::new(),
        missing => format!("missing {}  ", number(missing as f64)),
    };
    let end = format!("{missing}errors {}", now.errors.total());
    let (rate, noun, middle, short) = match unit {
        Unit::Bytes => {
            let moved = now.interval_received_bytes + now.interval_sent_bytes;
            let rate = bytes(rate(moved, now) as u64);
            (rate, "/s", String::new(), String::new())
        }
        Unit::Messages => {
            let rate = number(rate(now.interval_messages, now));
            let [p50, p99] = [0.5, 0.99].map(|share| short(now.latency.quantile(share)));
            let (both, one) = match now.latency.is_empty() {
                true => ("no reply  ".to_owned(), "no reply  ".to_owned()),
                false => (format!("p50 {p50}  p99 {p99}  "), format!("p99 {p99}  ")),
            };
            (rate, " messages/s", both, one)
        }
    };
    let lines = [
        format!("{at}  {phase:<9} {rate:>11}{noun}  {middle}{end}"),
        format!("{at}  {rate}/s  {short}{end}"),
        format!("{at}  {rate}/s  {end}"),
    ];
    let fits = lines.iter().find(|line| line.len() <= columns);
    let line = fits.unwrap_or(&lines[2]);
    // All of it is ASCII.
    line.chars().take(columns).collect()
}

/// A phase in one word.
pub(super) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Opening => "opening",
        Phase::WarmUp => "warm-up",
        Phase::Measuring => "measuring",
        Phase::Draining | Phase::Done => "draining",
    }
}
