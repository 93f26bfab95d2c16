//! `wharf connect`.

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;

/// Arguments of `wharf connect`.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct ConnectArgs {}

/// Runs `wharf connect`.
pub(crate) fn run(_: &Common, _: ConnectArgs) -> Result<Exit, Failure> {
    Err(Failure::new(Exit::Failed, "not built yet"))
}

/// A programming language to show a program in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// Python 3, standard library
    Python,
    /// Rust, standard library
    Rust,
    /// C, POSIX sockets
    C,
}

/// A program that serves as `wharf serve SERVICE ADDRESS` does.
pub(crate) fn show_server(
    service: &str,
    address: &wharf::address::Address,
    language: Language,
) -> Result<String, Failure> {
    let _ = (address, language);
    Err(Failure::usage(format!("no program for {service}")))
}
