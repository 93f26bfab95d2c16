//! What can be typed after `wharf play`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use wharf::address::Address;

use crate::secret::{Source, parse_source};

/// Play a game, against others or against the house.
#[derive(Clone, Debug, Args)]
#[command(before_help = "\
Examples:
  wharf play rps                          against the house; no server is needed
  wharf play blackjack                    the same: one player and the dealer
  wharf play rps :5379 --as ann           at a referee's, against others
  wharf play rps udp::5379 --as ann       the same over UDP, whatever gets lost
  wharf play blackjack tls:example.org:5380 --as ann --key tulip
  printf 'rock\\npaper\\n' | wharf play rps in a pipe, a sentence per line
  wharf play blackjack --record round.txt write everything down
  wharf play verify round.txt             deal it again: was it fair?")]
pub(crate) struct PlayArgs {
    #[command(subcommand)]
    pub(crate) game: Game,
}

/// What is played.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Game {
    /// Rock, paper, scissors
    Rps(TableArgs),
    /// Blackjack
    Blackjack(TableArgs),
    /// Deal the rounds of a transcript of blackjack again, and say whether they were fair
    Verify {
        /// What `--record` or `nc ... | tee` has written; - is stdin
        file: PathBuf,
    },
}

/// Where and how one plays.
#[derive(Clone, Debug, Args)]
pub(crate) struct TableArgs {
    /// Where: [SCHEME:]TARGET[,OPTION=VALUE]; without it, against the house
    pub(crate) address: Option<Address>,

    /// The name: letters, digits, - and _ [default: that of the user]
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// The key of a name that was used before
    ///
    /// A name belongs to whoever has its key: it is shown when you leave, and brings
    /// you back to a match, or to your chips.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: Option<String>,

    /// Say a password first, for a server with a gate: that of FILE, - (the first line of
    /// stdin), ask (the terminal, without showing it) or env:NAME (a variable)
    #[arg(long, value_name = "FROM", value_parser = parse_source)]
    pub(crate) password_from: Option<Source>,

    /// A sentence per line, also on a terminal
    #[arg(long)]
    pub(crate) plain: bool,

    /// Draw with ASCII alone; the default where the locale is not UTF-8
    #[arg(long)]
    pub(crate) ascii: bool,

    /// Write down every line of both sides; a file that exists is not overwritten
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,
}
