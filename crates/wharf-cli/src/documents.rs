//! Completions and manual pages, made from the one definition of the arguments.

use std::io::{self, Write};

use clap::CommandFactory;

use crate::args::Arguments;
use crate::exit::Exit;
use crate::failure::Failure;

/// Prints the completions for `shell`.
pub(crate) fn completions(shell: clap_complete::Shell) -> Result<Exit, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "wharf", &mut text);
    print(&text)
}

/// Prints the manual page of `command`, or of wharf itself.
pub(crate) fn manual(command: Option<&str>) -> Result<Exit, Failure> {
    let mut root = Arguments::command();
    root.build();
    let page = match command {
        None => root,
        Some(name) => root
            .get_subcommands()
            .find(|sub| sub.get_name() == name)
            .cloned()
            .ok_or_else(|| unknown(&root, name))?
            .name(format!("wharf-{name}").leak() as &'static str),
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text)?;
    print(&text)
}

fn unknown(root: &clap::Command, name: &str) -> Failure {
    let known: Vec<&str> = root
        .get_subcommands()
        .map(clap::Command::get_name)
        .collect();
    let failure = Failure::usage(format!("there is no command {name:?}"));
    match wharf::names::suggest(name, known.iter().copied()) {
        Some(near) => failure.cure(format!("wharf man {near}")),
        None => failure.with("known", known.join(", ")),
    }
}

fn print(text: &[u8]) -> Result<Exit, Failure> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Done),
    }
}
