//! The command `wharf`.
//!
//! Layout: `args` is what can be typed; each command has a module; `failure` is
//! how errors look, `usage` those of the command line, `exit` what they return,
//! `style` how text looks, `screen` a terminal that is taken whole, `quantity` how
//! numbers are typed, `holder` who has a port, `capture` frames from the kernel.

mod args;
mod bench;
mod capture;
mod chat;
mod connect;
mod documents;
mod exit;
mod failure;
#[cfg(feature = "page")]
mod get;
mod holder;
mod lab;
mod names;
mod password;
mod play;
mod quantity;
mod screen;
mod secret;
mod serve;
mod style;
mod trace;
mod usage;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Arguments, Command, Common};
use exit::Exit;
use failure::Failure;

fn main() -> ExitCode {
    let arguments = match parse() {
        Ok(arguments) => arguments,
        Err(error) => return wrong_use(&error),
    };
    let common = arguments.common.clone();
    start_log(&common);
    let outcome = match arguments.command {
        Command::Serve(serve) => serve::run(&common, serve),
        Command::Connect(connect) => connect::run(&common, connect),
        Command::Chat(chat) => chat::run(&common, chat),
        Command::Bench(bench) => bench::run(&common, *bench),
        Command::Lab(lab) => lab::run(&common, lab),
        Command::Play(play) => play::run(&common, play),
        Command::Names(names) => names::run(&common, names),
        #[cfg(feature = "page")]
        Command::Get(get) => get::run(&common, get),
        Command::Trace(trace) => trace::run(&common, trace),
        Command::Password(password) => password::run(&common, password),
        Command::Completions { shell } => documents::completions(shell),
        Command::Man { command } => documents::manual(command.as_deref()),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(failure) => report(&common, &failure),
    }
}

fn parse() -> Result<Arguments, clap::Error> {
    let matches = Arguments::command().try_get_matches()?;
    Arguments::from_arg_matches(&matches)
}

/// Help as clap writes it, and mistakes as everything else that fails.
fn wrong_use(error: &clap::Error) -> ExitCode {
    if let Some(failure) = usage::mistake(error) {
        // Arguments that are no text hold none of the options looked for.
        let typed = std::env::args_os().filter_map(|argument| argument.into_string().ok());
        return report(&usage::common(typed), &failure);
    }
    // A closed pipe (`wharf --help | head -1`) is no failure.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage.into()
    } else {
        Exit::Done.into()
    }
}

fn report(common: &Common, failure: &Failure) -> ExitCode {
    let style = common.color.style_for(&io::stderr());
    for failure in failure.all() {
        if common.json {
            // On a closed stdout the exit code still tells.
            let _ = writeln!(io::stdout(), "{}", failure.to_json());
        }
        let _ = io::stderr().write_all(failure.render(style).as_bytes());
    }
    failure.exit.into()
}

/// What the library traces goes to stderr, when it is asked for.
fn start_log(common: &Common) {
    let level = match common.verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("WHARF_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // What the command reports itself need not be said twice.
    if common.verbose == 0 && std::env::var_os("WHARF_LOG").is_none() {
        return;
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(common.color.style_for(&io::stderr()) == style::Style::Coloured)
        .init();
}
