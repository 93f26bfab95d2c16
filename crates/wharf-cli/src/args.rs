//! What can be typed. One definition gives the help, the manual page and the completions.

use clap::{Args, Parser, Subcommand};

use crate::bench::BenchArgs;
use crate::chat::ChatArgs;
use crate::connect::ConnectArgs;
use crate::exit::Exit;
#[cfg(feature = "page")]
use crate::get::GetArgs;
use crate::lab::LabArgs;
use crate::names::NamesArgs;
use crate::password::PasswordArgs;
use crate::play::PlayArgs;
use crate::serve::ServeArgs;
use crate::style::Color;
use crate::trace::TraceArgs;

/// Serve network services, talk to them, and see what happens in between.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "wharf",
    version,
    arg_required_else_help = true,
    before_help = "\
Examples:
  wharf serve                      the standard services, on this machine only
  wharf serve echo 7000            one service, TCP port 7000
  wharf connect :7000              talk to it; Ctrl-D ends your side
  wharf chat --as ann              the chat room of this machine
  wharf trace :12000 --send hello  a message on its way through the layers
  wharf lab demo                   a network in memory, to be broken",
    after_long_help = exit_codes(),
    disable_help_subcommand = true
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Common {
    /// Write JSON for machines, one object per line
    #[arg(long, global = true, display_order = 900)]
    pub(crate) json: bool,

    /// Colour the output
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        display_order = 901
    )]
    pub(crate) color: Color,

    /// Log what the library does to stderr; -vv and -vvv say more (or set WHARF_LOG)
    #[arg(hide_short_help = true, short, long, global = true, action = clap::ArgAction::Count, display_order = 902)]
    pub(crate) verbose: u8,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve network services
    Serve(ServeArgs),
    /// Talk to a service
    Connect(ConnectArgs),
    /// Talk to people in a chat room
    Chat(ChatArgs),
    /// Measure how fast a service is, and whether every reply is right
    Bench(Box<BenchArgs>),
    /// Fetch a page
    #[cfg(feature = "page")]
    Get(GetArgs),
    /// Run a network in memory and break it on purpose
    Lab(LabArgs),
    /// Play a game, against others or against the house
    Play(PlayArgs),
    /// Ask what names, addresses, ports and byte orders mean
    Names(NamesArgs),
    /// Follow a message through the layers
    Trace(TraceArgs),
    /// Maintain a file of users and passwords
    Password(PasswordArgs),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page
    Man {
        /// The command that the page is about; without it, wharf itself
        command: Option<String>,
    },
}

/// What every exit code means, for the long help and the manual page.
pub(crate) fn exit_codes() -> String {
    format!("Exit codes:\n{}", Exit::table())
}
