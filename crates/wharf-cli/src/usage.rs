//! Wrong use of the command line: clap's findings as failures of ours, so that a
//! slip in an option looks like every other error, in colour, plain and in JSON.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use wharf::address::AddressError;

use crate::args::Common;
use crate::failure::Failure;
use crate::style::Color;

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
    if value.is_empty() {
        return Failure::usage(format!("{argument} needs a value"));
    }
    let cause = match error.source() {
        Some(why) => format!("bad {name} {value:?}: {why}"),
        None => format!("bad {name} {value:?}"),
    };
    let failure = Failure::usage(cause);
    // What has no name to be typed before it is one of a few.
    let near = text(error, ContextKind::SuggestedValue).filter(|_| name.starts_with('-'));
    match (near, texts(error, ContextKind::ValidValue)) {
        (Some(near), _) => failure.cure(format!("{name} {near}")),
        (None, known) if !known.is_empty() => failure.with("known", known.join(", ")),
        _ => failure,
    }
}

fn unknown(error: &clap::Error, noun: &str, what: ContextKind) -> Failure {
    let typed = text(error, what).unwrap_or_default();
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
    use clap::Parser;

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
                "error: bad --when-full \"x\"\n  known    wait, refuse\n",
            ),
            (
                &["wharf", "serve", "--idle-timeout", "0"],
                "error: bad --idle-timeout \"0\": 0 would end everything at once; say none for no timeout\n",
            ),
            (
                &["wharf", "connect", "::1:80"],
                "error: bad address \"::1:80\": an IPv6 address needs brackets, since its colons look like the one before the port\n  try      [::1]:80\n",
            ),
        ] {
            assert_eq!(cause(typed), expected);
        }
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
