//! The command line.

use std::time::Duration;

use wharf_check::load::Expect;

use crate::peers::Spec;
use crate::rows::{ROWS, Row, Transport};

/// What was asked for.
pub(crate) struct Arguments {
    tcp: Vec<Spec>,
    udp: Vec<Spec>,
    chat: Vec<Spec>,
    pub(crate) rows: Vec<Row>,
    pub(crate) rounds: usize,
    pub(crate) irc_every: usize,
    pub(crate) seconds: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) expect: Expect,
    pub(crate) pinned: bool,
    pub(crate) json: Option<String>,
}

impl Arguments {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Arguments {
            tcp: Vec::new(),
            udp: Vec::new(),
            chat: Vec::new(),
            rows: ROWS.to_vec(),
            rounds: 9,
            irc_every: 1,
            seconds: Duration::from_secs(1),
            warm_up: Duration::from_millis(200),
            expect: Expect::Echo,
            pinned: false,
            json: None,
        };
        while let Some(option) = words.next() {
            if option == "--pinned" {
                arguments.pinned = true;
                continue;
            }
            let value = words.next().ok_or(format!("{option} needs a value"))?;
            arguments.set(&option, value)?;
        }
        Ok(arguments)
    }

    fn set(&mut self, option: &str, value: String) -> Result<(), String> {
        match option {
            "--tcp" => self.tcp.push(Spec::parse(&value)?),
            "--udp" => self.udp.push(Spec::parse(&value)?),
            "--chat" => self.chat.push(Spec::parse(&value)?),
            "--irc" => self.chat.push(Spec::parse(&value)?.speaks_irc()),
            "--logins" => self.logins(&value)?,
            "--rows" => self.rows = rows(&value)?,
            "--rounds" => self.rounds = value.parse().map_err(|_| "--rounds is a number")?,
            "--irc-every" => {
                let every = value.parse().ok().filter(|every| *every > 0);
                self.irc_every = every.ok_or("--irc-every is a number from 1 on")?;
            }
            "--seconds" => self.seconds = seconds(&value)?,
            "--warm-up" => self.warm_up = seconds(&value)?,
            "--expect" => self.expect = expect(&value)?,
            "--json" => self.json = Some(value),
            _ => return Err(format!("there is no option {option}")),
        }
        Ok(())
    }

    /// Of the chat that was named last.
    fn logins(&mut self, value: &str) -> Result<(), String> {
        let at_once = value.parse().map_err(|_| "--logins is a number")?;
        let chat = self.chat.last_mut();
        chat.ok_or("--logins follows a chat")?.logins(at_once);
        Ok(())
    }

    pub(crate) fn peers(&self, transport: Transport) -> &[Spec] {
        match transport {
            Transport::Tcp => &self.tcp,
            Transport::Udp => &self.udp,
            Transport::Chat => &self.chat,
        }
    }
}

fn rows(value: &str) -> Result<Vec<Row>, String> {
    let one = |name: &str| ROWS.iter().find(|row| row.name == name).copied();
    value
        .split(',')
        .map(|name| {
            one(name).ok_or_else(|| {
                let known: Vec<_> = ROWS.iter().map(|row| row.name).collect();
                format!("rows are {}", known.join(", "))
            })
        })
        .collect()
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = value
        .parse()
        .map_err(|_| format!("{value} is not a number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn expect(value: &str) -> Result<Expect, String> {
    match value {
        "echo" => Ok(Expect::Echo),
        "upper" => Ok(Expect::AsciiUpper),
        _ => Err("--expect is echo or upper".into()),
    }
}
