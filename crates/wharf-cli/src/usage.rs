//! Wrong use of the command line: clap's findings as failures of ours, so that a
//! slip in an option looks like every other error, in colour, plain and in JSON.

use std::error::Error;
use std::fmt;
use std::num::ParseIntError;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use wharf::address::AddressError;
use wharf::framing::ParseFramingError;

use crate::args::Common;
use crate::failure::Failure;
use crate::style::Color;

/// A value that is right for every option whose value has this name in the help, or where to
/// find one.
const EXAMPLES: [(&str, &str); 14] = [
    ("BYTES", "64"),
    ("COLUMNS", "100"),
    ("FRAMING", "lines"),
    ("LIMIT", "p99>5ms"),
    ("N", "5"),
    ("NUMBER", "3"),
    ("PID", "with the number of a process that runs"),
    ("PORT", "7000"),
    ("RATE", "10mbit"),
    ("SHARE", "1%"),
    ("SIZE", "1KiB"),
    ("TEXT", "hello\\n"),
    ("TIME", "5s"),
    ("WHAT", "echo"),
];

/// A value that cannot be meant, with the one that may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misuse {
    pub(crate) cause: String,
    pub(crate) cure: Option<String>,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl Error for Misuse {}

/// What clap complains of; `None` for help and version, which are no mistakes.
pub(crate) fn mistake(error: &clap::Error) -> Option<Failure> {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return None;
    }
    let failure = match error.kind() {
        ErrorKind::ValueValidation | ErrorKind::InvalidValue => bad_value(error),
        ErrorKind::UnknownArgument => unknown(error, "option", ContextKind::InvalidArg),
        ErrorKind::InvalidSubcommand => unknown(error, "command", ContextKind::InvalidSubcommand),
        ErrorKind::MissingRequiredArgument => missing(error),
        ErrorKind::ArgumentConflict => conflict(error),
        _ => Failure::usage(first_line(error)),
    };
    Some(failure)
}

/// The options that every command has, as far as they can be read off arguments
/// that are wrong elsewhere.
pub(crate) fn common(arguments: impl IntoIterator<Item = String>) -> Common {
    let mut arguments = arguments
        .into_iter()
        .take_while(|argument| argument != "--");
    let mut common = Common {
        json: false,
        color: Color::Auto,
        verbose: 0,
    };
    while let Some(argument) = arguments.next() {
        let when = match argument.as_str() {
            "--json" => {
                common.json = true;
                continue;
            }
            "--color" => arguments.next(),
            other => other.strip_prefix("--color=").map(str::to_owned),
        };
        match when.as_deref() {
            Some("always") => common.color = Color::Always,
            Some("never") => common.color = Color::Never,
            _ => {}
        }
    }
    common
}

fn bad_value(error: &clap::Error) -> Failure {
    if let Some(mistake) = error
        .source()
        .and_then(|source| source.downcast_ref::<AddressError>())
    {
        return mistake.clone().into();
    }
    let argument = text(error, ContextKind::InvalidArg).unwrap_or_default();
    let name = argument.split(' ').next().unwrap_or_default();
    let value = text(error, ContextKind::InvalidValue).unwrap_or_default();
    let known = texts(error, ContextKind::ValidValue);
    let failure = match error.source() {
        _ if value.is_empty() => Failure::usage(format!("{argument} needs a value")),
        Some(why) => Failure::usage(format!("bad {name} {value:?}: {}", reason(why))),
        None => Failure::usage(format!("bad {name} {value:?}")),
    };
    let near = text(error, ContextKind::SuggestedValue);
    let failure = match known.is_empty() || (near.is_some() && name.starts_with('-')) {
        true => failure,
        false => failure.with("known", known.join(", ")),
    };
    let right = own_cure(error)
        .or(near)
        .or_else(|| known.first().cloned())
        .or_else(|| example(argument.split(['<', '>']).nth(1)?));
    match right {
        // What has no name to be typed before it is one of a few.
        Some(right) if name.starts_with('-') => failure.cure(format!("{name} {right}")),
        _ => failure,
    }
}

/// Why a value is bad, without the words of clap and of Rust.
fn reason(why: &(dyn Error + 'static)) -> String {
    let text = why.to_string();
    match text.split_once(" is not in ") {
        _ if why.is::<ParseIntError>() => "it is a whole number".to_owned(),
        Some((_, range)) => format!("it goes from {}", range.replace("..=", " to ")),
        None => text,
    }
}

/// The value that whoever read the wrong one would have taken.
fn own_cure(error: &clap::Error) -> Option<String> {
    let why = error.source()?;
    if let Some(misuse) = why.downcast_ref::<Misuse>() {
        return misuse.cure.clone();
    }
    Some(match why.downcast_ref::<ParseFramingError>()? {
        ParseFramingError::Unknown { suggestion, .. } => (*suggestion)?.to_owned(),
        ParseFramingError::Size { .. } => "fixed=80".to_owned(),
        ParseFramingError::DelimiterLength { .. } | ParseFramingError::Escape { .. } => {
            "'delimiter=\\0'".to_owned()
        }
    })
}

/// A right value, as a shell reads it.
fn example(value_name: &str) -> Option<String> {
    let name = value_name.split('|').next()?;
    let (_, example) = EXAMPLES.iter().find(|(known, _)| *known == name)?;
    Some(match example.contains(['>', '\\']) {
        true => format!("'{example}'"),
        false => (*example).to_owned(),
    })
}

/// Options of which each forbids the other, or one that stands there twice.
fn conflict(error: &clap::Error) -> Failure {
    let name = |argument: String| argument.split(' ').next().map(str::to_owned);
    let first = text(error, ContextKind::InvalidArg).and_then(name);
    let first = first.unwrap_or_default();
    let others: Vec<String> = texts(error, ContextKind::PriorArg)
        .into_iter()
        .filter_map(name)
        .collect();
    if others.is_empty() || others.contains(&first) {
        let cause = format!("{first} cannot be used more than once");
        return Failure::usage(cause).cure(format!("{first} once"));
    }
    let others = others.join(" and ");
    Failure::usage(format!("{first} cannot be used with {others}")).cure(format!(
        "{first} without {others}    or    {others} without {first}"
    ))
}

fn unknown(error: &clap::Error, noun: &str, what: ContextKind) -> Failure {
    let typed = text(error, what).unwrap_or_default();
    if let Some(number) = typed.strip_prefix('-')
        && number.starts_with(|first: char| first.is_ascii_digit())
    {
        let cause = format!("{typed:?} begins with a minus, and no number here is below 0");
        return Failure::usage(cause).cure("the number without the minus");
    }
    let failure = if typed.starts_with('-') || noun == "command" {
        Failure::usage(format!("there is no {noun} {typed:?}"))
    } else {
        Failure::usage(format!("{typed:?} is one argument too many"))
    };
    let near = match what {
        ContextKind::InvalidSubcommand => texts(error, ContextKind::SuggestedSubcommand)
            .into_iter()
            .next()
            .map(|near| format!("wharf {near}")),
        _ => text(error, ContextKind::SuggestedArg),
    };
    match near {
        Some(near) => failure.cure(near),
        None => with_help(failure, error),
    }
}

fn missing(error: &clap::Error) -> Failure {
    let missing = texts(error, ContextKind::InvalidArg).join(" ");
    with_help(Failure::usage(format!("missing: {missing}")), error)
}

/// Adds where the right words stand.
fn with_help(failure: Failure, error: &clap::Error) -> Failure {
    let usage = match error.get(ContextKind::Usage) {
        Some(ContextValue::StyledStr(usage)) => usage.to_string(),
        _ => String::new(),
    };
    let command: Vec<&str> = usage
        .trim_start_matches("Usage:")
        .split_whitespace()
        .take_while(|word| word.chars().all(|letter| letter.is_ascii_lowercase()))
        .collect();
    match command.is_empty() {
        true => failure.cure("wharf --help"),
        false => failure.cure(format!("{} --help", command.join(" "))),
    }
}

fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    line.trim_start_matches("error: ").to_owned()
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    texts(error, kind).into_iter().next()
}

fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Arguments;
    use clap::{CommandFactory, Parser};

    fn cause(arguments: &[&str]) -> String {
        let error = Arguments::try_parse_from(arguments).unwrap_err();
        mistake(&error).unwrap().render(crate::style::Style::Plain)
    }

    #[test]
    fn every_kind_of_slip_has_a_cause_and_a_cure() {
        for (typed, expected) in [
            (
                &["wharf", "serve", "--onec"][..],
                "error: there is no option \"--onec\"\n  try      --once\n",
            ),
            (
                &["wharf", "srve"],
                "error: there is no command \"srve\"\n  try      wharf serve\n",
            ),
            (
                &["wharf", "connect"],
                "error: missing: <ADDRESS>\n  try      wharf connect --help\n",
            ),
            (
                &["wharf", "serve", "--mode", "thread"],
                "error: bad --mode \"thread\"\n  try      --mode threads\n",
            ),
            (
                &["wharf", "trace", "demo", "tcpp"],
                "error: bad <TRANSPORT> \"tcpp\"\n  known    tcp, udp\n",
            ),
            (
                &["wharf", "serve", "--when-full", "x"],
                "error: bad --when-full \"x\"\n  known    wait, refuse\n  try      --when-full wait\n",
            ),
            (
                &["wharf", "serve", "--idle-timeout", "0"],
                "error: bad --idle-timeout \"0\": 0 leaves no time at all; say none for no limit\n  try      --idle-timeout 5s\n",
            ),
            (
                &["wharf", "connect", "::1:80"],
                "error: bad address \"::1:80\": an IPv6 address needs brackets, since its colons look like the one before the port\n  try      [::1]:80\n",
            ),
        ] {
            assert_eq!(cause(typed), expected);
        }
    }

    /// Tries `try_one` with every command and every option that takes a value.
    fn each_option(
        command: &clap::Command,
        path: &[String],
        try_one: &mut dyn FnMut(&[String], &clap::Arg),
    ) {
        let path = [path, &[command.get_name().to_owned()]].concat();
        for option in command.get_opts().filter(|opt| opt.get_long().is_some()) {
            try_one(&path, option);
        }
        for inner in command.get_subcommands() {
            each_option(inner, &path, try_one);
        }
    }

    #[test]
    fn every_example_is_right() {
        let mut tried = std::collections::BTreeSet::new();
        each_option(&Arguments::command(), &[], &mut |path, option| {
            let value_name = option.get_value_names().unwrap_or_default()[0].as_str();
            let name = value_name.split('|').next().unwrap();
            let found = EXAMPLES.iter().find(|(known, _)| *known == name);
            let Some((name, example)) = found else { return };
            tried.insert(*name);
            if !option.get_possible_values().is_empty() || example.starts_with("with ") {
                return;
            }
            let typed = format!("--{}={example}", option.get_long().unwrap());
            let line = [path, &[typed]].concat();
            if let Err(error) = Arguments::try_parse_from(&line) {
                let kind = error.kind();
                assert_ne!(kind, ErrorKind::ValueValidation, "{line:?}: {error}");
            }
        });
        assert_eq!(tried.len(), EXAMPLES.len(), "{tried:?}");
    }

    #[test]
    fn help_is_no_mistake() {
        for typed in [&["wharf"][..], &["wharf", "-h"], &["wharf", "--version"]] {
            let error = Arguments::try_parse_from(typed).unwrap_err();
            assert!(mistake(&error).is_none());
        }
    }

    #[test]
    fn the_common_options_are_read_before_the_program() {
        let read = |arguments: &[&str]| common(arguments.iter().map(|&text| text.to_owned()));
        assert!(read(&["serve", "--json"]).json);
        assert!(!read(&["serve", "exec", "0", "--", "jq", "--json"]).json);
        assert_eq!(read(&["--color", "never"]).color, Color::Never);
        assert_eq!(read(&["--color=always"]).color, Color::Always);
    }
}
