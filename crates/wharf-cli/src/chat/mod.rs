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

use wharf::address::Scheme;
use wharf::limits::CONNECT_TIMEOUT;
use wharf::network::Endpoint;
use wharf_services::chat::client::ChatClient;
use wharf_services::password::Secret;

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::secret::{self, Source};

pub(crate) use args::ChatArgs;

/// Runs `wharf chat`.
pub(crate) fn run(common: &Common, args: ChatArgs) -> Result<Exit, Failure> {
    for name in args.name.iter().chain(&args.to) {
        name::check(name)?;
    }
    secret::check_source(args.password_from.as_ref(), &args.address)?;
    // Once, and before there is a connection: a gate does not wait for somebody who types.
    let secret = args.password_from.as_ref().map(Source::read).transpose()?;
    let client = client(&args, secret);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        let is_for_people = !args.who && !args.plain && !common.json;
        if is_for_people && crate::screen::is_there() {
            return screen::run(common, &args, client).await;
        }
        let work = async {
            match args.who {
                true => who::run(common, &args, client).await,
                false => plain::run(common, &args, client).await,
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

fn client(args: &ChatArgs, secret: Option<Secret>) -> ChatClient {
    let timeout = match args.timeout {
        None => Some(CONNECT_TIMEOUT),
        Some(given) => given.0,
    };
    ChatClient::new(args.address.clone())
        .connect_timeout(timeout)
        .gate(secret)
}

/// What to say about the password once it went to `peer`.
fn warning(args: &ChatArgs, peer: &Endpoint) -> Option<String> {
    match &args.password_from {
        Some(_) if args.address.scheme != Scheme::Tls => secret::in_the_clear(peer),
        _ => None,
    }
}
