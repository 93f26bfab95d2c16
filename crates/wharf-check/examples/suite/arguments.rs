//! The command line.

use std::path::PathBuf;
use std::time::Duration;

/// What to do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verb {
    Run,
    Document,
}

/// What was asked for.
pub(crate) struct Arguments {
    pub(crate) verb: Verb,
    pub(crate) results: PathBuf,
    pub(crate) notes: PathBuf,
    pub(crate) chat: PathBuf,
    pub(crate) lab: PathBuf,
    pub(crate) client: PathBuf,
    pub(crate) wharf: String,
    pub(crate) rounds: usize,
    pub(crate) budget: Duration,
    pub(crate) seconds: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) sections: Vec<String>,
    pub(crate) scale: Scale,
    pub(crate) start: Start,
}

/// How much of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    Full,
    Quick,
}

/// What becomes of results that are there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Afresh,
    Resume,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let verb = match words.next().as_deref() {
            Some("run") => Verb::Run,
            Some("document") => Verb::Document,
            _ => return Err("usage: suite run|document [OPTIONS], see its first lines".into()),
        };
        let mut arguments = Arguments {
            verb,
            results: "target/bench/results.jsonl".into(),
            notes: "bench/notes.md".into(),
            chat: "target/bench/results.chat.json".into(),
            lab: "target/bench/results.lab.txt".into(),
            client: "target/bench/results.client.txt".into(),
            wharf: "target/release/wharf".into(),
            rounds: 9,
            budget: Duration::from_secs(10 * 60),
            seconds: Duration::from_millis(150),
            warm_up: Duration::from_millis(30),
            sections: Vec::new(),
            scale: Scale::Full,
            start: Start::Afresh,
        };
        while let Some(option) = words.next() {
            match option.as_str() {
                "--quick" => arguments.quick(),
                "--resume" => arguments.start = Start::Resume,
                _ => {
                    let value = words.next().ok_or(format!("{option} needs a value"))?;
                    arguments.set(&option, value)?;
                }
            }
        }
        Ok(arguments)
    }

    fn quick(&mut self) {
        self.scale = Scale::Quick;
        self.rounds = 1;
        self.seconds = Duration::from_millis(40);
        self.warm_up = Duration::from_millis(10);
    }

    fn set(&mut self, option: &str, value: String) -> Result<(), String> {
        match option {
            "--results" => self.results = value.into(),
            "--notes" => self.notes = value.into(),
            "--chat" => self.chat = value.into(),
            "--lab" => self.lab = value.into(),
            "--client" => self.client = value.into(),
            "--wharf" => self.wharf = value,
            "--rounds" => self.rounds = value.parse().map_err(|_| "--rounds is a number")?,
            "--minutes" => self.budget = seconds(&value)?.saturating_mul(60),
            "--seconds" => self.seconds = seconds(&value)?,
            "--warm-up" => self.warm_up = seconds(&value)?,
            "--sections" => self.sections = value.split(',').map(str::to_owned).collect(),
            _ => return Err(format!("there is no option {option}")),
        }
        Ok(())
    }

    /// Whether a section is wanted.
    pub(crate) fn wants(&self, section: &str) -> bool {
        let asked = |begin: &String| section.starts_with(begin.as_str());
        self.sections.is_empty() || self.sections.iter().any(asked)
    }
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = value
        .parse()
        .map_err(|_| format!("{value} is not a number"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
