//! `wharf trace`: a message on its way through the layers.
//!
//! ```text
//!   calls (socket, connect, send …) ─┐
//!   frames: captured ────────────────┼─▶ Trace ─▶ view (boxes, ladder, lines …)
//!           or modelled from calls ──┘        └─▶ -w FILE (pcapng)
//! ```
//! Layout: `args` is what can be typed; `calls` makes socket calls and keeps a record,
//! `sealed` speaks TLS over them;
//! `conversation` speaks with an address, `demo` with itself; `model` (and `icmp`) rebuilds
//! frames where none may be captured; `read` and `live` show a file and the machine's traffic,
//! `pick` what of it; `served` is `wharf serve --trace`; `show` draws, `browse` is the full screen; `protocols` are those
//! of Wharf's own services.

mod args;
mod browse;
mod calls;
mod conversation;
mod demo;
mod icmp;
mod live;
mod model;
mod pick;
mod protocols;
mod read;
mod sealed;
mod served;
mod show;

use wharf::address::{Address, Port};
use wharf::network::Endpoint;

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::Failure;

use args::TraceCommand;
pub(crate) use args::{LookArgs, TraceArgs};
pub(crate) use protocols::all as dissectors;
pub(crate) use served::{Served, ServedShow, ServedView, parse_served_view};
pub(crate) use show::look;

/// Runs `wharf trace`.
pub(crate) fn run(common: &Common, args: TraceArgs) -> Result<Exit, Failure> {
    let show = show::Show::new(common, &args.view).spoken_at(port(&args)?, &args.view)?;
    if !matches!(args.command, Some(TraceCommand::Live(_))) {
        show.check()?;
    }
    match args.command {
        Some(TraceCommand::Demo(demo)) => demo::run(&show.or_ladder(), &demo),
        Some(TraceCommand::Live(live)) => live::run(&show, &live),
        Some(TraceCommand::Read(read)) => read::run(&show, &read),
        None => conversation::run(&show.or_ladder(), &args.talk),
    }
}

/// The port that everything is about, for `--as`.
fn port(args: &TraceArgs) -> Result<Option<u16>, Failure> {
    let told = &args.view.told;
    if told.is_empty() {
        return Ok(None);
    }
    let address = match &args.command {
        Some(TraceCommand::Live(live)) => return Ok(live.pick.port),
        Some(TraceCommand::Read(read)) => return Ok(read.pick.port),
        Some(TraceCommand::Demo(_)) => {
            return Err(Failure::usage(
                "--as is about a port that is known, and demo takes one that is free",
            ));
        }
        None => args.talk.address.as_ref(),
    };
    match (address, address.and_then(Address::port)) {
        (Some(_), None) => Err(Failure::usage(
            "--as is about ports, and a Unix socket has none",
        )),
        (_, Some(Port::Number(port))) => Ok(Some(*port)),
        // A name, which is looked up as for the conversation.
        (Some(address), Some(Port::Service(_))) if told.iter().any(|one| one.needs_port()) => {
            let endpoints = conversation::resolve(address)?;
            Ok(endpoints.iter().find_map(Endpoint::port))
        }
        _ => Ok(None),
    }
}
