//! The goals, and whether the measurements reach them.

use super::data::Data;
use super::tables::{LOST, MEMORY, P99, RATE, base_of, grouped};
use crate::arguments::Scale;
use crate::peers::{PEERS, Role, TOKIO, WHARF};
use crate::plan::{SECTIONS, Section, Service, Transport};
use crate::record::Figures;
use crate::run::{MEMORY_SECTION, PLAIN, TLS};
use crate::statistics::Spread;

/// One goal and what became of it.
pub(crate) struct Goal {
    pub(crate) what: String,
    /// Rows whose median reaches it.
    reached: usize,
    /// Rows whose median does not, and whose middle half does.
    within: Vec<String>,
    short: Vec<String>,
}

/// How many rows a cell names; the sections below have all.
const LISTED: usize = 8;

/// What is better.
#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn new(what: impl Into<String>) -> Self {
        Goal {
            what: what.into(),
            reached: 0,
            within: Vec::new(),
            short: Vec::new(),
        }
    }

    fn judge(&mut self, bound: Bound, value: Option<Spread>, name: impl FnOnce() -> String) {
        let Some(value) = value else {
            return;
        };
        let (median, middle_half) = match bound {
            Bound::AtLeast(limit) => (value.median >= limit, value.high >= limit),
            Bound::AtMost(limit) => (value.median <= limit, value.low <= limit),
        };
        let told = || format!("{} {:.3}", name(), value.median);
        match (median, middle_half) {
            (true, _) => self.reached += 1,
            (false, true) => self.within.push(told()),
            (false, false) => self.short.push(told()),
        }
    }

    /// The cells of the table: how many rows, and which fall short.
    pub(crate) fn cells(&self) -> [String; 4] {
        let rows = self.reached + self.within.len() + self.short.len();
        let list = |rows: &[String]| match rows {
            [] => "–".to_owned(),
            rows if rows.len() > LISTED + 1 => {
                let listed = rows[..LISTED].join("<br>");
                format!("{listed}<br>and {} more", rows.len() - LISTED)
            }
            rows => rows.join("<br>"),
        };
        [
            self.what.clone(),
            format!("{} of {rows}", self.reached),
            list(&self.within),
            list(&self.short),
        ]
    }

    pub(crate) fn was_measured(&self) -> bool {
        self.reached + self.within.len() + self.short.len() > 0
    }
}

pub(crate) fn all(data: &Data) -> Vec<Goal> {
    let mut goals = Vec::new();
    for service in [Service::Echo, Service::Upper] {
        let name = service.name();
        let tcp = of(service, Transport::Tcp);
        let udp = of(service, Transport::Udp);
        let base = |what: &str| format!("{name}: {what}");
        goals.extend([
            compared(
                data,
                base("TCP ≥ 0.97 × C epoll"),
                &tcp,
                None,
                RATE,
                Bound::AtLeast(0.97),
            ),
            compared(
                data,
                base("TCP p99 ≤ 1.2 × C epoll"),
                &tcp,
                None,
                P99,
                Bound::AtMost(1.2),
            ),
            compared(
                data,
                base("UDP ≥ 0.95 × C mmsg"),
                &udp,
                None,
                RATE,
                Bound::AtLeast(0.95),
            ),
            lossless(data, base("UDP loses no more than C mmsg"), &udp),
        ]);
    }
    let echo = of(Service::Echo, Transport::Tcp);
    let datagrams = of(Service::Echo, Transport::Udp);
    goals.push(compared(
        data,
        "echo: TCP ≥ 0.97 × a bare tokio loop".into(),
        &echo,
        Some(TOKIO),
        RATE,
        Bound::AtLeast(0.97),
    ));
    goals.push(compared(
        data,
        "echo: UDP ahead of tokio, one datagram a call".into(),
        &datagrams,
        Some(TOKIO),
        RATE,
        Bound::AtLeast(1.0),
    ));
    goals.push(ahead_of_shown(data));
    goals.push(memory(
        data,
        "≤ 2 KiB per idle TCP connection",
        PLAIN,
        2_048.0,
    ));
    goals.push(memory(
        data,
        "≤ 20 KiB per idle TLS connection",
        TLS,
        20_480.0,
    ));
    goals.retain(Goal::was_measured);
    goals
}

fn of(service: Service, transport: Transport) -> Vec<&'static Section> {
    SECTIONS
        .iter()
        .filter(|section| section.service == service && section.transport == transport)
        .collect()
}

/// Wharf to a peer, or to the base, on every row of these sections.
fn compared(
    data: &Data,
    what: String,
    sections: &[&Section],
    to: Option<&str>,
    figure: fn(&Figures) -> f64,
    bound: Bound,
) -> Goal {
    let mut goal = Goal::new(what);
    for section in sections {
        let base = to.unwrap_or(base_of(section));
        for row in section.rows(Scale::Full) {
            let ratio = data.ratio(section.name, row.name, (WHARF, base), figure);
            goal.judge(bound, ratio, || {
                format!("{} ({})", row.name, section.place.name())
            });
        }
    }
    goal
}

/// How much more of all datagrams may be lost than the base loses, to be no more:
/// one of ten thousand is the chance of a run.
const LOSS_ALLOWED: f64 = 0.0001;

fn lossless(data: &Data, what: String, sections: &[&Section]) -> Goal {
    let mut goal = Goal::new(what);
    for section in sections {
        for row in section.rows(Scale::Full) {
            let lost = |peer| data.figure(section.name, row.name, peer, LOST);
            let base = lost(base_of(section)).map_or(0.0, |base| base.median);
            goal.judge(Bound::AtMost(base + LOSS_ALLOWED), lost(WHARF), || {
                format!("{} ({})", row.name, section.place.name())
            });
        }
    }
    goal
}

fn ahead_of_shown(data: &Data) -> Goal {
    let mut goal = Goal::new("ahead of Go, Python, Node, socat and ncat");
    for section in &SECTIONS {
        for row in section.rows(Scale::Full) {
            let shown = PEERS
                .iter()
                .filter(|peer| peer.role == Role::Shown && peer.serves(section));
            for peer in shown {
                let ratio = data.ratio(section.name, row.name, (WHARF, peer.name), RATE);
                goal.judge(Bound::AtLeast(1.0), ratio, || {
                    format!("{}, {} ({})", peer.name, row.name, section.name)
                });
            }
        }
    }
    goal
}

fn memory(data: &Data, what: &str, row: &str, most: f64) -> Goal {
    let mut goal = Goal::new(what);
    let memory = data.figure(MEMORY_SECTION, row, WHARF, MEMORY);
    goal.judge(Bound::AtMost(most), memory, || {
        let bytes = memory.map_or(0.0, |memory| memory.median);
        format!("{} B:", grouped(bytes))
    });
    goal
}
