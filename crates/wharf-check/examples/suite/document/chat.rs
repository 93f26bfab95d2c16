//! What `bench/compare.sh chat` measured, as records like all others.

use std::fs;
use std::io;
use std::path::Path;

use serde::Deserialize;

use super::data::Data;
use crate::peers::WHARF;
use crate::record::{Figures, Outcome, Record};

pub(crate) const CHAT_SECTION: &str = "chat";

/// What the others are compared with.
pub(crate) const BASE: &str = "C epoll";

/// The IRC servers, each with the name of its program.
pub(crate) const IRC: [(&str, &str); 2] = [("ngircd", "ngircd"), ("InspIRCd", "inspircd")];

/// One line of what `compare --json` writes.
#[derive(Deserialize)]
struct One {
    row: String,
    server: String,
    round: usize,
    seconds: f64,
    messages_per_second: f64,
    lines_per_second: f64,
    p99_us: f64,
}

/// All of a file.
#[derive(Default)]
pub(crate) struct Chats {
    pub(crate) records: Vec<Record>,
    /// Measured time per round and server.
    pub(crate) seconds: f64,
}

/// Nothing if the file is not there: no chats were compared in this run.
pub(crate) fn load(path: &Path) -> Result<Chats, String> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text).map_err(|error| format!("{}: {error}", path.display())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Chats::default()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn parse(text: &str) -> Result<Chats, serde_json::Error> {
    let all: Vec<One> = serde_json::from_str(text)?;
    Ok(Chats {
        seconds: all.first().map_or(0.0, |one| one.seconds),
        records: all.into_iter().map(record).collect(),
    })
}

fn record(one: One) -> Record {
    let irc = IRC.iter().find(|(_, program)| *program == one.server);
    let peer = match (one.server.as_str(), irc) {
        ("C-epoll", _) => BASE,
        ("wharf", _) => WHARF,
        (_, Some((name, _))) => name,
        (other, None) => other,
    };
    Record {
        section: CHAT_SECTION.to_owned(),
        peer: peer.to_owned(),
        row: one.row,
        round: one.round,
        outcome: Outcome::Figures(Figures {
            rate: one.messages_per_second,
            lines: one.lines_per_second,
            p99: one.p99_us,
            ..Figures::default()
        }),
    }
}

/// One scenario: its name, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scene<'a> {
    pub(crate) users: u32,
    pub(crate) depth: u32,
    pub(crate) row: &'a str,
}

/// Those that were measured, in order.
pub(crate) fn scenes(data: &Data) -> Vec<Scene<'_>> {
    let rows = data.rows_of(CHAT_SECTION);
    let mut scenes: Vec<_> = rows.into_iter().map(Scene::of).collect();
    scenes.sort();
    scenes
}

impl<'a> Scene<'a> {
    /// `chat-50-depth8` has 50 users with 8 messages in flight each.
    fn of(row: &'a str) -> Self {
        let words = row.strip_prefix("chat-").unwrap_or(row);
        let (users, depth) = words.split_once("-depth").unwrap_or((words, "1"));
        Scene {
            users: users.parse().unwrap_or(0),
            depth: depth.parse().unwrap_or(0),
            row,
        }
    }

    pub(crate) fn words(&self) -> String {
        let users = super::tables::grouped(f64::from(self.users));
        match self.depth {
            1 => format!("{users} users"),
            depth => format!("{users} users, depth {depth}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenes_are_told_in_words_and_stand_in_order() {
        let line = |row: &str, server: &str| {
            format!(
                "{{\"row\": \"{row}\", \"server\": \"{server}\", \"round\": 0, \"seconds\": 0.5, \
                 \"messages_per_second\": 10.0, \"lines_per_second\": 20.0, \"p99_us\": 1.0, \
                 \"p50_us\": 1.0}}"
            )
        };
        let lines = [
            line("chat-1000-depth4", "wharf"),
            line("chat-50-depth8", "inspircd"),
            line("chat-2", "C-epoll"),
        ];
        let chats = parse(&format!("[{}]", lines.join(","))).unwrap();
        assert_eq!(chats.seconds, 0.5);
        let peers: Vec<_> = chats.records.iter().map(|one| &*one.peer).collect();
        assert_eq!(peers, [WHARF, "InspIRCd", BASE]);
        let data = Data::of(chats.records);
        let words: Vec<_> = scenes(&data).iter().map(Scene::words).collect();
        assert_eq!(
            words,
            ["2 users", "50 users, depth 8", "1,000 users, depth 4"]
        );
        assert!(
            load(Path::new("/nowhere/at/all"))
                .unwrap()
                .records
                .is_empty()
        );
    }
}
