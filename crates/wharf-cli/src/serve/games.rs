//! The options of the games, and the tables that they make.

use std::sync::Arc;

use serde_json::Value;
use std::time::Duration;

use clap::Args;
use wharf_services::blackjack;
use wharf_services::rps::{self, DatagramRps};
use wharf_services::{Blackjack, Rps};

use super::line::{Line, Told};
use super::printer::Printer;
use crate::quantity::{parse_count, parse_duration};

/// The most chips that can be asked for: sums of them stay far below what a number
/// holds.
const MOST_CHIPS: i64 = 1_000_000;

/// What can be typed for the games alone. `--help` shows it, `-h` has no room.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct GameArgs {
    /// How many rounds a match of rps has at most that are not drawn; odd [default: 3]
    #[arg(long, value_name = "N", value_parser = parse_best_of, hide_short_help = true)]
    best_of: Option<u32>,

    /// The time for a move in a game [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    turn_timeout: Option<Duration>,

    /// How long a player of rps may be away in one match [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration, hide_short_help = true)]
    grace: Option<Duration>,

    /// Decks in the shoe of blackjack, 1 to 8 [default: 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(blackjack::MAX_DECKS)), hide_short_help = true)]
    decks: Option<u32>,

    /// Chips of a new player of blackjack [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_CHIPS), hide_short_help = true)]
    chips: Option<u32>,

    /// The most chips of a bet in blackjack [default: 500]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_CHIPS), hide_short_help = true)]
    max_bet: Option<u32>,

    /// Names that a game remembers; the one that is away for longest is forgotten
    /// [default: 10000]
    #[arg(long, value_name = "N", value_parser = parse_count, hide_short_help = true)]
    max_names: Option<usize>,
}

/// The services to which options of both games mean something.
const BOTH: [&str; 2] = ["rps", "blackjack"];

/// The games that a command line makes.
pub(super) struct Tables {
    pub(super) rps: Rps,
    pub(super) rps_datagrams: DatagramRps,
    pub(super) blackjack: Blackjack,
}

impl GameArgs {
    /// The first option that means nothing to a service of this name, if any, and to
    /// which it does.
    pub(super) fn stray(&self, service: &str) -> Option<(&'static str, &'static str)> {
        let options = [
            ("--best-of", self.best_of.is_some(), &["rps"][..]),
            ("--grace", self.grace.is_some(), &["rps"]),
            ("--decks", self.decks.is_some(), &["blackjack"]),
            ("--chips", self.chips.is_some(), &["blackjack"]),
            ("--max-bet", self.max_bet.is_some(), &["blackjack"]),
            ("--turn-timeout", self.turn_timeout.is_some(), &BOTH),
            ("--max-names", self.max_names.is_some(), &BOTH),
        ];
        let mut strays = options
            .iter()
            .filter(|(_, given, games)| *given && !games.contains(&service));
        strays.next().map(|(name, _, games)| (*name, games[0]))
    }

    /// The games; who comes and how they end is printed with the events.
    pub(super) fn tables(&self, printer: &Printer, quiet: bool) -> Tables {
        let show = || show("rps", printer, quiet);
        Tables {
            rps: Rps::new(self.rps_rules(), show()),
            rps_datagrams: DatagramRps::new(self.rps_rules(), show()),
            blackjack: Blackjack::new(
                self.blackjack_rules(),
                self::show("blackjack", printer, quiet),
            ),
        }
    }

    fn rps_rules(&self) -> rps::Rules {
        let standard = rps::Rules::default();
        rps::Rules {
            best_of: self.best_of.unwrap_or(standard.best_of),
            turn: self.turn_timeout.unwrap_or(standard.turn),
            grace: self.grace.unwrap_or(standard.grace),
            max_names: self.max_names.unwrap_or(standard.max_names),
            ..standard
        }
    }
}

impl GameArgs {
    fn blackjack_rules(&self) -> blackjack::Rules {
        let standard = blackjack::Rules::default();
        blackjack::Rules {
            decks: self.decks.unwrap_or(standard.decks),
            start: self.chips.unwrap_or(standard.start),
            max_bet: self.max_bet.unwrap_or(standard.max_bet),
            turn: self.turn_timeout.unwrap_or(standard.turn),
            max_names: self.max_names.unwrap_or(standard.max_names),
            ..standard
        }
    }
}

fn parse_best_of(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number @ 1..=rps::MAX_BEST_OF) if number % 2 == 1 => Ok(number),
        _ => Err(format!(
            "an odd number from 1 to {} is needed",
            rps::MAX_BEST_OF
        )),
    }
}

/// Prints what a game shows; nothing with --quiet.
fn show(service: &str, printer: &Printer, quiet: bool) -> impl Fn(&str) + Send + Sync + 'static {
    let printer = printer.clone();
    let service: Arc<str> = service.into();
    move |words: &str| {
        if !quiet {
            printer.print(Line::now(Told::Shown {
                service: Arc::clone(&service),
                text: words.to_owned(),
                fields: Value::Null,
            }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_has_a_winner() {
        assert_eq!(parse_best_of("5"), Ok(5));
        for bad in ["0", "2", "101", "-1", "x"] {
            assert!(parse_best_of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_option_of_another_game_is_noticed() {
        let args = GameArgs {
            best_of: Some(5),
            ..GameArgs::default()
        };
        assert_eq!(args.stray("rps"), None);
        assert_eq!(args.stray("echo"), Some(("--best-of", "rps")));
    }
}
