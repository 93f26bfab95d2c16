//! `wharf play`: games, on a terminal or in a pipe.
//!
//! ```text
//!   keys, stdin ─▶ table (rps, blackjack) ─▶ link ─▶ server, or the house in memory
//!   screen, plain ◀── what it knows ◀─────────┘
//! ```
//! Layout: `args` is what can be typed, `table` what both games can do, `rps` and
//! `blackjack` each of them (`pictures` is what they draw, `stage` where it stands), `link`
//! the connection and the transcript, `screen` the face for people, `plain` the one for
//! pipes, `verify` judges a transcript.

mod args;
mod blackjack;
mod link;
mod pictures;
mod plain;
mod rps;
mod screen;
mod stage;
mod table;
#[cfg(test)]
mod tests;
mod verify;

use std::io;

use wharf_services::password::Secret;
use wharf_services::rps::is_name;

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::secret::{self, Source};
use crate::style::Style;

pub(crate) use args::PlayArgs;
use args::{Game, TableArgs};
use link::Link;
use pictures::{Look, Marks};
use table::{Company, Table};

/// Runs `wharf play`.
pub(crate) fn run(common: &Common, args: PlayArgs) -> Result<Exit, Failure> {
    let (game, args) = match args.game {
        Game::Verify { file } => return verify::run(common, &file),
        Game::Rps(args) => (link::Game::Rps, args),
        Game::Blackjack(args) => (link::Game::Blackjack, args),
    };
    if common.json {
        return Err(Failure::usage("a game is for people and has no JSON")
            .cure("wharf play verify FILE --json"));
    }
    let name = name(&args)?;
    if let Some(address) = &args.address {
        secret::check_source(args.password_from.as_ref(), address)?;
    }
    // Before the connection: a gate does not wait for somebody who types.
    let secret = args.password_from.as_ref().map(Source::read).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(play(common, game, &args, name, secret.as_ref()));
    // A thread may still wait for a key or for stdin; nobody waits for it.
    runtime.shutdown_background();
    outcome
}

async fn play(
    common: &Common,
    game: link::Game,
    args: &TableArgs,
    name: String,
    secret: Option<&Secret>,
) -> Result<Exit, Failure> {
    let link = Link::open(game, args, secret).await?;
    let look = Look {
        marks: match args.ascii || !is_utf8() {
            true => Marks::Ascii,
            false => Marks::Unicode,
        },
        colour: common.color.style_for(&io::stdout()) == Style::Coloured,
    };
    let company = match args.address {
        Some(_) => Company::Others,
        None => Company::House,
    };
    let key = args.key.clone();
    let table: Box<dyn Table> = match game {
        link::Game::Rps => Box::new(rps::Rps::new(name, key, company, look)),
        link::Game::Blackjack => Box::new(blackjack::Blackjack::new(name, key, company, look)),
    };
    if !args.plain && crate::screen::is_there() {
        return screen::run(link, table).await;
    }
    tokio::select! {
        biased;
        outcome = plain::run(link, table) => outcome,
        Ok(()) = tokio::signal::ctrl_c() => Ok(Exit::Aborted),
    }
}

/// Whether the locale says that the terminal shows UTF-8 (setlocale(3): the first of
/// these that is set counts).
fn is_utf8() -> bool {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let first = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find(set);
    let value = first.and_then(|name| std::env::var(name).ok());
    value.is_some_and(|value| {
        let value = value.to_ascii_lowercase();
        value.contains("utf-8") || value.contains("utf8")
    })
}

/// The name that was given, or that of the user, as far as it can be one.
fn name(args: &TableArgs) -> Result<String, Failure> {
    if let Some(name) = &args.name {
        if is_name(name) {
            return Ok(name.clone());
        }
        return Err(
            Failure::usage(format!("{name:?} is no name for a player")).with(
                "means",
                "a name is 1 to 16 letters, digits, - and _, a letter first",
            ),
        );
    }
    let user = std::env::var("USER").unwrap_or_default();
    let fits = |letter: &char| letter.is_ascii_alphanumeric() || "-_".contains(*letter);
    let name: String = user.chars().filter(fits).take(16).collect();
    Ok(match is_name(&name) {
        true => name,
        false => "player".to_owned(),
    })
}
