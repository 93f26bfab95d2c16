//! Measurements in a file: one line of JSON each, appended as they come, so that
//! a run that was ended goes on where it was.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The first line: what the measurements were made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The commit, with `+` if the files differ from it.
    pub(crate) commit: String,
    /// Measured time per round and server, and the time before it, in ms.
    pub(crate) milliseconds: (u64, u64),
    pub(crate) quick: bool,
    /// The day it began, in UTC; not compared by [`Store::open`].
    pub(crate) day: String,
    /// The machine and the versions of everything, name and value.
    pub(crate) machine: Vec<(String, String)>,
    /// Peers that could not be had here, and why.
    pub(crate) missing: Vec<(String, String)>,
}

/// One server, one row, one round.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) section: String,
    pub(crate) row: String,
    pub(crate) peer: String,
    pub(crate) round: usize,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Figures(Figures),
    Failure(String),
}

/// What one measurement gave; a kind of measurement fills in what it knows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Figures {
    /// Right replies per second.
    pub(crate) rate: f64,
    /// Lines that the clients of a chat got per second.
    pub(crate) lines: f64,
    /// The 99th percentile of the latency in microseconds.
    pub(crate) p99: f64,
    /// The share of datagrams that were lost.
    pub(crate) lost: f64,
    /// The engine's own processor time per time.
    pub(crate) engine: f64,
    /// The server's memory in bytes per connection.
    pub(crate) memory: f64,
    /// How long somebody waited, in ms.
    pub(crate) wait: f64,
}

/// The file.
pub(crate) struct Store {
    file: File,
    have: BTreeSet<(String, String, String, usize)>,
}

impl Store {
    /// Begins a file, or goes on with the one that is there if it is of the same run.
    pub(crate) fn open(path: &Path, head: &Head, resume: bool) -> Result<Self, String> {
        let problem = |error| format!("{}: {error}", path.display());
        let mut have = BTreeSet::new();
        if resume && path.exists() {
            let (there, records) = load(path)?;
            if !there.same_run(head) {
                return Err(format!(
                    "{} is of another commit or other options, and cannot be resumed",
                    path.display()
                ));
            }
            have.extend(records.iter().map(Record::key));
            let file = OpenOptions::new()
                .append(true)
                .open(path)
                .map_err(problem)?;
            return Ok(Store { file, have });
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(problem)?;
        }
        let mut store = Store {
            file: File::create(path).map_err(problem)?,
            have,
        };
        store.line(head)?;
        Ok(store)
    }

    pub(crate) fn has(&self, section: &str, row: &str, peer: &str, round: usize) -> bool {
        self.have
            .contains(&(section.into(), row.into(), peer.into(), round))
    }

    pub(crate) fn add(&mut self, record: &Record) -> Result<(), String> {
        self.have.insert(record.key());
        self.line(record)
    }

    fn line(&mut self, what: &impl Serialize) -> Result<(), String> {
        let mut line = serde_json::to_string(what).map_err(|error| error.to_string())?;
        line.push('\n');
        // One write per line: a run that is ended leaves whole lines.
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| format!("cannot write the results: {error}"))
    }
}

impl Record {
    fn key(&self) -> (String, String, String, usize) {
        (
            self.section.clone(),
            self.row.clone(),
            self.peer.clone(),
            self.round,
        )
    }
}

impl Head {
    fn same_run(&self, other: &Head) -> bool {
        (&self.commit, self.milliseconds, self.quick)
            == (&other.commit, other.milliseconds, other.quick)
    }
}

/// All that stands in the file.
pub(crate) fn load(path: &Path) -> Result<(Head, Vec<Record>), String> {
    let problem = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = fs::read_to_string(path).map_err(|error| problem(&error))?;
    let mut lines = text.lines();
    let head = serde_json::from_str(lines.next().unwrap_or(""))
        .map_err(|error| problem(&format!("line 1: {error}")))?;
    let records = lines
        .enumerate()
        .map(|(at, line)| {
            serde_json::from_str(line)
                .map_err(|error| problem(&format!("line {}: {error}", at + 2)))
        })
        .collect::<Result<_, _>>()?;
    Ok((head, records))
}
