//! What can be typed after `wharf chat`.

use clap::Args;
use wharf::address::Address;

use crate::quantity::{Timeout, parse_timeout};
use crate::secret::{Source, parse_source};

/// How it behaves, for the long help and the manual page.
const BEHAVIOUR: &str = "\
What can be typed, on a terminal and in a pipe:
  @NAME TEXT      send TEXT to NAME
  /pin NAME       what is typed without @ goes to NAME from now on; /unpin ends that
  !who, /who      who is here
  /name NAME      log in under another name, where the first one was refused
  !quit, /quit    leave; so do Ctrl-C and Ctrl-D
  /help           this

On a terminal the client fills the screen: Tab completes names and commands, the arrow \
keys bring back what was typed, PgUp and PgDn scroll. A lost connection is opened anew, \
after half a second at first and 15 s at most. Control characters of others are shown \
and not obeyed, everywhere.

In a pipe, or with --plain, each message is a line on stdout, `<ann> hello`, and \
everything else a line on stderr. At the end of input the command waits for the answer \
to everything that was sent, and exits with 5 if something could not be delivered. \
--linger lets it listen on.

Over udp: a message is numbered, carries a checksum and is sent again until it is \
acknowledged, so that between two of these clients everything arrives once and in \
order, whatever the network does. A client that knows nothing of this sees the text \
with 29 characters behind it; what such a client sends is marked with a question mark, \
`<ann?> hello`, because nobody can know whether it arrived as it was sent.

The protocol lets nobody look without being there: --who logs in under a name that \
begins with `who`, asks, leaves, and does not count itself.";

/// Talk to people in a chat room.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = BEHAVIOUR, before_help = "\
Examples:
  wharf chat --as ann                    the room of this machine, full screen
  wharf chat tls:chat.example.org:5378   over TLS
  echo '@ben hi' | wharf chat --as ann   in a pipe
  wharf chat --as log --linger none </dev/null   listen, a message a line
  wharf chat --who                       who is there
  wharf chat :5378 --password-from ask   through a gate
  wharf chat udp::5382 --as ann          over a network as bad as wished")]
pub(crate) struct ChatArgs {
    /// Where: [SCHEME:]TARGET[,OPTION=VALUE]
    #[arg(default_value = ":5378")]
    pub(crate) address: Address,

    /// The name: letters A to Z, a to z and digits [default: that of the user]
    #[arg(long = "as", value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// A line per event, also on a terminal
    #[arg(long)]
    pub(crate) plain: bool,

    /// Print who is there, one name a line, and leave
    #[arg(long)]
    pub(crate) who: bool,

    /// What is typed without @ goes to this user, as after /pin
    #[arg(long, value_name = "NAME")]
    pub(crate) to: Option<String>,

    /// In a pipe, too: connect again when the connection is lost, or cannot be opened
    #[arg(long)]
    pub(crate) reconnect: bool,

    /// In a pipe: after the end of input, stay until nobody said anything for so long,
    /// or none: stay for ever
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) linger: Option<Timeout>,

    /// Say a password first, for a server with a gate: that of FILE, - (the first line of
    /// stdin), ask (the terminal, without showing it) or env:NAME (a variable)
    ///
    /// It is read once, and said anew whenever the connection is. A file or a line is
    /// PASSWORD, or NAME PASSWORD where the server knows its users by name.
    #[arg(long, value_name = "FROM", value_parser = parse_source)]
    pub(crate) password_from: Option<Source>,

    /// Give up connecting after so long [default: 10s]; or none
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) timeout: Option<Timeout>,
}
