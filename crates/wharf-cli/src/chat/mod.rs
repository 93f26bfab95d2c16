//! `wharf chat`: people in a room.
//!
//! ```text
//!   keyboard, stdin ─▶ typed ─▶ ChatClient (wharf-services) ─▶ server
//!   screen, plain  ◀───────────── events ◀──────────┘
//! ```
//! Layout: `args` is what can be typed after the command and `typed` what later,
//! `screen` is the client for people, `plain` the one for pipes and `print` its words and JSON, `who` the
//! moderator's view, `name` the name to log in under, `ended` what a loss means.

mod args;
mod ended;
mod name;
mod plain;
mod print;
mod screen;
mod typed;
mod who;

use std::io::{self, IsTerminal};

use wharf::limits::CONNECT_TIMEOUT;
use wharf_services::chat::client::ChatClient;

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) use args::ChatArgs;

/// Runs `wharf chat`.
pub(crate) fn run(common: &Common, args: ChatArgs) -> Result<Exit, Failure> {
    for name in args.name.iter().chain(&args.to) {
        name::check(name)?;
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        if !args.who && wants_screen(common, &args) {
            return screen::run(common, &args).await;
        }
        let work = async {
            match args.who {
                true => who::run(common, &args).await,
                false => plain::run(common, &args).await,
            }
        };
        tokio::select! {
            biased;
            outcome = work => outcome,
            Ok(()) = tokio::signal::ctrl_c() => Ok(Exit::Aborted),
        }
    });
    // A thread may still wait for stdin or for a resolver; nobody waits for it.
    runtime.shutdown_background();
    outcome
}

/// Whether a person sits there, at a terminal that can move its cursor.
fn wants_screen(common: &Common, args: &ChatArgs) -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    is_terminal && !dumb && !args.plain && !common.json
}

fn client(args: &ChatArgs) -> ChatClient {
    let timeout = match args.timeout {
        None => Some(CONNECT_TIMEOUT),
        Some(given) => given.0,
    };
    ChatClient::new(args.address.clone()).connect_timeout(timeout)
}
