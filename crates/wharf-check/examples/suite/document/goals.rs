//! The goals, and whether the measurements reach them.

use super::chat::{self, CHAT_SECTION};
use super::data::Data;
use super::tables::{LINES, LOST, MEMORY, P99, RATE, base_of, grouped};
use crate::arguments::Scale;
use crate::peers::{PEERS, Role, TOKIO, WHARF};
use crate::plan::{SECTIONS, Section, Service, Transport};
use crate::record::Figures;
use crate::run::{CHAT, MEMORY_SECTION, PLAIN, TLS};
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
const LISTED: usize = 16;

/// What is better.
#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// What there is of a row.
#[derive(Clone, Copy)]
struct Measured<'a> {
    value: Option<Spread>,
    /// How Wharf failed, if it did.
    failure: Option<&'a str>,
}

impl<'a> Measured<'a> {
    fn of(data: &'a Data, section: &str, row: &str, value: Option<Spread>) -> Self {
        let failure = data.failure(section, row, WHARF);
        Measured { value, failure }
    }
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

    /// Judges what Wharf did on a row. One on which it failed in some round falls short,
    /// whatever the others gave; one that was not measured does not count.
    fn judge(&mut self, bound: Bound, measured: Measured<'_>, name: impl FnOnce() -> String) {
        let value = match measured {
            Measured {
                failure: Some(_), ..
            } => return self.short.push(format!("{} failed", name())),
            Measured { value: None, .. } => return,
            Measured {
                value: Some(value), ..
            } => value,
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
    goals.push(ahead_of_rivals(data));
    goals.extend(chats(data));
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
    goals.push(memory(
        data,
        "≤ 4 KiB per user of the chat who is logged in and silent",
        CHAT,
        4_096.0,
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
            let measured = Measured::of(data, section.name, row.name, ratio);
            goal.judge(bound, measured, || {
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
            let more = data.difference(section.name, row.name, (WHARF, base_of(section)), LOST);
            let measured = Measured::of(data, section.name, row.name, more);
            goal.judge(Bound::AtMost(LOSS_ALLOWED), measured, || {
                format!("{} ({})", row.name, section.place.name())
            });
        }
    }
    goal
}

fn ahead_of_rivals(data: &Data) -> Goal {
    let mut goal = Goal::new("ahead of Go, Python, Node, socat, ncat and quinn-udp");
    for section in &SECTIONS {
        for row in section.rows(Scale::Full) {
            let rivals = PEERS
                .iter()
                .filter(|peer| peer.role == Role::Rival && peer.serves(section));
            for peer in rivals {
                // Where the peer itself failed or is not asked, there is nothing to be ahead of.
                let Some(of_peer) = data.figure(section.name, row.name, peer.name, RATE) else {
                    continue;
                };
                let ratio = data.ratio(section.name, row.name, (WHARF, peer.name), RATE);
                let measured = Measured::of(data, section.name, row.name, ratio);
                let rounds = ratio.map_or(of_peer.count, |ratio| ratio.count);
                goal.judge(Bound::AtLeast(1.0), measured, || {
                    let rounds = in_rounds(rounds);
                    format!("{}, {} ({}, {rounds})", peer.name, row.name, section.name)
                });
            }
        }
    }
    goal
}

/// The chat beside a bare loop and beside IRC servers, which write one line for a message
/// where this protocol writes two.
fn chats(data: &Data) -> Vec<Goal> {
    let mut loops = Goal::new("chat: ≥ 0.9 × C epoll");
    let mut lines = Goal::new("chat: ahead of ngircd and InspIRCd in lines written");
    let mut deep = Goal::new("chat: ahead of them in messages at depth 8");
    for scene in chat::scenes(data) {
        let ratio = |peer, figure| {
            let ratio = data.ratio(CHAT_SECTION, scene.row, (WHARF, peer), figure);
            Measured::of(data, CHAT_SECTION, scene.row, ratio)
        };
        let bare = ratio(chat::BASE, RATE);
        loops.judge(Bound::AtLeast(0.9), bare, || scene.words());
        for (peer, _) in chat::IRC {
            let name = || format!("{peer}, {}", scene.words());
            lines.judge(Bound::AtLeast(1.0), ratio(peer, LINES), name);
            if scene.depth == 8 {
                deep.judge(Bound::AtLeast(1.0), ratio(peer, RATE), name);
            }
        }
    }
    vec![loops, lines, deep]
}

/// A number of rounds with its noun.
pub(crate) fn in_rounds(count: usize) -> String {
    match count {
        1 => "1 round".to_owned(),
        _ => format!("{count} rounds"),
    }
}

fn memory(data: &Data, what: &str, row: &str, most: f64) -> Goal {
    let mut goal = Goal::new(what);
    let memory = data.figure(MEMORY_SECTION, row, WHARF, MEMORY);
    let measured = Measured::of(data, MEMORY_SECTION, row, memory);
    goal.judge(Bound::AtMost(most), measured, || match memory {
        Some(memory) => format!("{} B:", grouped(memory.median)),
        None => row.to_owned(),
    });
    goal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Outcome, Record};

    /// The same figures of a peer on the first row of TCP echo.
    fn record(peer: &str, round: usize, outcome: Outcome) -> Record {
        Record {
            section: "tcp-echo-pinned".to_owned(),
            row: "1 × 64 B".to_owned(),
            peer: peer.to_owned(),
            round,
            outcome,
        }
    }

    fn rate(rate: f64) -> Outcome {
        Outcome::Figures(Figures {
            rate,
            p99: 10.0,
            ..Figures::default()
        })
    }

    fn goal(records: Vec<Record>) -> [String; 4] {
        let goals = all(&Data::of(records));
        goals[0].cells()
    }

    #[test]
    fn a_row_on_which_wharf_failed_falls_short_and_does_not_vanish() {
        let failure = || Outcome::Failure("a wrong byte".to_owned());
        let never = goal(vec![
            record("C epoll", 0, rate(100.0)),
            record(WHARF, 0, failure()),
        ]);
        assert_eq!(never[1], "0 of 1");
        assert_eq!(never[3], "1 × 64 B (pinned) failed");
        let once = goal(vec![
            record("C epoll", 0, rate(100.0)),
            record("C epoll", 1, rate(100.0)),
            record(WHARF, 0, failure()),
            record(WHARF, 1, rate(100.0)),
        ]);
        assert_eq!(
            (once[1].as_str(), once[3].as_str()),
            ("0 of 1", never[3].as_str())
        );
    }

    #[test]
    fn a_row_is_reached_by_its_median_or_by_its_spread() {
        let rounds = |rates: [f64; 5]| {
            let of_round = |(round, value): (usize, &f64)| {
                [
                    record("C epoll", round, rate(100.0)),
                    record(WHARF, round, rate(*value)),
                ]
            };
            goal(rates.iter().enumerate().flat_map(of_round).collect())
        };
        assert_eq!(rounds([99.0; 5])[1..], ["1 of 1", "–", "–"]);
        let spread = rounds([90.0, 95.0, 96.0, 97.0, 98.0]);
        assert_eq!(spread[1..], ["0 of 1", "1 × 64 B (pinned) 0.960", "–"]);
        let short = rounds([90.0; 5]);
        assert_eq!(short[1..], ["0 of 1", "–", "1 × 64 B (pinned) 0.900"]);
    }

    #[test]
    fn losses_are_compared_within_the_rounds() {
        let lost = |peer: &str, round, lost| Record {
            section: "udp-echo-pinned".to_owned(),
            row: "1 × 1, 64 B".to_owned(),
            ..record(
                peer,
                round,
                Outcome::Figures(Figures {
                    rate: 100.0,
                    lost,
                    ..Figures::default()
                }),
            )
        };
        let judged = |losses: [(f64, f64); 3]| {
            let of_round = |(round, (base, own)): (usize, (f64, f64))| {
                [lost("C mmsg", round, base), lost(WHARF, round, own)]
            };
            let records = losses.into_iter().enumerate().flat_map(of_round);
            let goals = all(&Data::of(records.collect()));
            let cells: Vec<_> = goals.iter().map(Goal::cells).collect();
            let loss = cells.into_iter().find(|cells| cells[0].contains("loses"));
            loss.unwrap()[1..].to_vec()
        };
        // The medians of each alone are 1 % and 2 %.
        let rounds_differ = judged([(0.0, 0.0), (0.01, 0.02), (0.03, 0.03)]);
        assert_eq!(rounds_differ, ["1 of 1", "–", "–"]);
        let more = judged([(0.0, 0.02), (0.0, 0.02), (0.0, 0.02)]);
        assert_eq!(more[2], "1 × 1, 64 B (pinned) 0.020");
        let sometimes = judged([(0.0, 0.02), (0.0, 0.02), (0.05, 0.0)]);
        assert_eq!(sometimes[1], "1 × 1, 64 B (pinned) 0.020");
    }

    #[test]
    fn a_chat_is_judged_by_messages_and_by_lines() {
        let chat = |peer: &str, rate, lines| Record {
            section: CHAT_SECTION.to_owned(),
            row: "chat-50-depth8".to_owned(),
            peer: peer.to_owned(),
            round: 0,
            outcome: Outcome::Figures(Figures {
                rate,
                lines,
                ..Figures::default()
            }),
        };
        let goals = all(&Data::of(vec![
            chat(chat::BASE, 100.0, 200.0),
            chat(WHARF, 80.0, 160.0),
            chat("ngircd", 90.0, 90.0),
        ]));
        let cells: Vec<_> = goals.iter().map(Goal::cells).collect();
        let reached: Vec<_> = cells.iter().map(|cells| cells[1].as_str()).collect();
        assert_eq!(reached, ["0 of 1", "1 of 1", "0 of 1"]);
        assert_eq!(cells[2][3], "ngircd, 50 users, depth 8 0.889");
    }
}
