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
    print(&render(page)?)
}

/// The page's sections in the order of man-pages(7).
fn render(page: clap::Command) -> io::Result<Vec<u8>> {
    let examples = page.get_before_help().map(ToString::to_string);
    // An option that only the long help shows has its words in the page, too.
    let page = page.mut_args(|argument| match argument.get_help().cloned() {
        Some(help) if argument.get_long_help().is_none() => argument.long_help(help),
        _ => argument,
    });
    let has_commands = page.has_subcommands();
    let man = clap_mangen::Man::new(page);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if has_commands {
        man.render_subcommands_section(&mut text)?;
    }
    section(&mut text, "EXIT STATUS", &Exit::table())?;
    if let Some(examples) = examples {
        section(
            &mut text,
            "EXAMPLES",
            examples.trim_start_matches("Examples:\n"),
        )?;
    }
    Ok(text)
}

/// A section of lines that are printed as they are.
fn section(text: &mut Vec<u8>, title: &str, lines: &str) -> io::Result<()> {
    // Lines of ours begin with spaces, so none is taken for a request of roff.
    let lines = lines.trim_end().replace('\\', "\\e").replace('-', "\\-");
    writeln!(text, ".SH \"{title}\"\n.nf\n{lines}\n.fi")
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
