//! The commands of the unreliable chat: `SET`, `GET`, `RESET`.

use std::fmt::Write;

/// The longest delay that can be set, in seconds: as long as a session lasts.
const MAX_DELAY: f64 = 300.0;

/// The longest burst that can be set, in bits: the longest datagram.
const MAX_BURST: u32 = 8 * 65_535;

/// How the network misbehaves. The defaults are those of the course's guide of 2020.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Settings {
    /// Probability that a datagram is lost.
    pub(super) drop: f64,
    /// Probability that a bit is flipped.
    pub(super) flip: f64,
    /// Probability that a datagram has a burst of flipped bits.
    pub(super) burst: f64,
    /// The shortest and the longest burst in bits.
    pub(super) burst_bits: (u32, u32),
    /// Probability that a datagram comes late.
    pub(super) delay: f64,
    /// The shortest and the longest delay in seconds.
    pub(super) delay_seconds: (f64, f64),
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            drop: 0.0,
            flip: 0.0,
            burst: 0.0,
            burst_bits: (3, 3),
            delay: 0.0,
            delay_seconds: (5.0, 5.0),
        }
    }
}

impl Settings {
    /// Carries out a command and gives its answer, without a newline; `None` where
    /// the line is no such command.
    pub(super) fn command(&mut self, line: &str) -> Option<String> {
        let mut fields = line.split(' ');
        let verb = fields.next()?;
        let fields: Vec<&str> = fields.collect();
        let answer = match (verb, &fields[..]) {
            ("RESET", []) => {
                *self = Settings::default();
                Some("SET-OK".to_owned())
            }
            ("SET", fields) => self.set(fields).map(|()| "SET-OK".to_owned()),
            ("GET", [name]) => self.get(name),
            ("GET", _) => None,
            _ => return None,
        };
        Some(answer.unwrap_or_else(|| "BAD-RQST-BODY".to_owned()))
    }

    /// Changes one setting; `None` where name or value is wrong, and nothing changes.
    fn set(&mut self, fields: &[&str]) -> Option<()> {
        match fields {
            ["DROP", value] => self.drop = probability(value)?,
            ["FLIP", value] => self.flip = probability(value)?,
            ["BURST", value] => self.burst = probability(value)?,
            ["DELAY", value] => self.delay = probability(value)?,
            ["BURST-LEN", low, high] => {
                let (low, high) = (low.parse().ok()?, high.parse().ok()?);
                self.burst_bits = (low <= high && high <= MAX_BURST).then_some((low, high))?;
            }
            ["DELAY-LEN", low, high] => {
                let (low, high) = (number(low)?, number(high)?);
                self.delay_seconds = (low <= high && high <= MAX_DELAY).then_some((low, high))?;
            }
            _ => return None,
        }
        Some(())
    }

    fn get(&self, name: &str) -> Option<String> {
        let mut answer = format!("VALUE {name} ");
        let written = match name {
            "DROP" => write!(answer, "{:.6}", self.drop),
            "FLIP" => write!(answer, "{:.6}", self.flip),
            "BURST" => write!(answer, "{:.6}", self.burst),
            "DELAY" => write!(answer, "{:.6}", self.delay),
            "BURST-LEN" => write!(answer, "{} {}", self.burst_bits.0, self.burst_bits.1),
            "DELAY-LEN" => {
                let (low, high) = self.delay_seconds;
                write!(answer, "{low:.6} {high:.6}")
            }
            _ => return None,
        };
        // Writing to a String cannot fail.
        written.ok().map(|()| answer)
    }
}

/// What a command asks for, or what an answer to one says; `None` where the line is
/// neither.
pub(in crate::chat) fn in_words(line: &str) -> Option<String> {
    let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (name, value) = rest.split_once(' ').unwrap_or((rest, ""));
    let what = match name {
        "DROP" => "the probability that a datagram is lost",
        "FLIP" => "the probability that a bit is flipped",
        "BURST" => "the probability of a burst of flipped bits",
        "BURST-LEN" => "the shortest and the longest burst in bits",
        "DELAY" => "the probability that a datagram comes late",
        "DELAY-LEN" => "the shortest and the longest delay in seconds",
        _ => "",
    };
    if (verb, rest) == ("SET-OK", "") {
        return Some("the network misbehaves as was asked".into());
    }
    if verb == "VALUE" && !what.is_empty() && !value.is_empty() {
        return Some(format!("{what} is {value}"));
    }
    // Who carries commands out knows which are some.
    let answer = Settings::default().command(line)?;
    Some(match (verb, answer.as_str()) {
        (_, "BAD-RQST-BODY") => "asks the network for what it cannot do".into(),
        ("RESET", _) => "asks the network for no more damage".into(),
        ("GET", _) => format!("asks for {what}"),
        _ => format!("sets {what} to {value}"),
    })
}

/// A number that is not negative and not beyond all numbers.
fn number(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

fn probability(text: &str) -> Option<f64> {
    number(text).filter(|number| *number <= 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_answers_have_words() {
        for (line, words) in [
            ("RESET", "asks the network for no more damage"),
            (
                "GET DROP",
                "asks for the probability that a datagram is lost",
            ),
            (
                "SET DELAY-LEN 1 2",
                "sets the shortest and the longest delay in seconds to 1 2",
            ),
            ("SET DROP 2", "asks the network for what it cannot do"),
            ("SET-OK", "the network misbehaves as was asked"),
            (
                "VALUE FLIP 0.100000",
                "the probability that a bit is flipped is 0.100000",
            ),
        ] {
            assert_eq!(in_words(line).as_deref(), Some(words), "{line}");
        }
        for line in ["SEND ann SET DROP 1", "VALUE X 1", "VALUE DROP", ""] {
            assert_eq!(in_words(line), None, "{line}");
        }
    }

    #[test]
    fn values_are_set_checked_and_got() {
        let mut settings = Settings::default();
        for (line, answer) in [
            ("GET DROP", "VALUE DROP 0.000000"),
            ("SET DROP 0.5", "SET-OK"),
            ("GET DROP", "VALUE DROP 0.500000"),
            ("SET DROP 1.5", "BAD-RQST-BODY"),
            ("SET DROP -1", "BAD-RQST-BODY"),
            ("SET DROP nan", "BAD-RQST-BODY"),
            ("SET DROP inf", "BAD-RQST-BODY"),
            ("SET DROP", "BAD-RQST-BODY"),
            ("SET DROP 0.1 0.2", "BAD-RQST-BODY"),
            ("GET DROP", "VALUE DROP 0.500000"),
            ("SET", "BAD-RQST-BODY"),
            ("SET ", "BAD-RQST-BODY"),
            ("SET NOISE 1", "BAD-RQST-BODY"),
            ("GET", "BAD-RQST-BODY"),
            ("GET NOISE", "BAD-RQST-BODY"),
            ("SET FLIP 1", "SET-OK"),
            ("SET BURST 0", "SET-OK"),
            ("SET DELAY 0.25", "SET-OK"),
            ("GET BURST-LEN", "VALUE BURST-LEN 3 3"),
            ("SET BURST-LEN 2 9", "SET-OK"),
            ("SET BURST-LEN 9 2", "BAD-RQST-BODY"),
            ("SET BURST-LEN 1 4294967295", "BAD-RQST-BODY"),
            ("GET BURST-LEN", "VALUE BURST-LEN 2 9"),
            ("SET DELAY-LEN 0.5 1.5", "SET-OK"),
            ("SET DELAY-LEN 1 1e99", "BAD-RQST-BODY"),
            ("GET DELAY-LEN", "VALUE DELAY-LEN 0.500000 1.500000"),
        ] {
            assert_eq!(settings.command(line).as_deref(), Some(answer), "{line:?}");
        }
        assert_eq!(settings.command("RESET").as_deref(), Some("SET-OK"));
        assert_eq!(settings, Settings::default());
        for other in ["WHO", "", "RESET all", "set DROP 1"] {
            assert_eq!(settings.command(other), None, "{other:?}");
        }
    }
}
