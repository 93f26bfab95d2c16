//! What can be typed after `wharf connect`.

use clap::{Args, ValueEnum};
use wharf::address::Address;
use wharf::framing::Framing;

use super::Language;
use super::escape::{Escaped, parse_escaped};
use crate::failure::Failure;
use crate::quantity::{Timeout, parse_timeout};
use crate::secret::{Source, check_source, parse_source};

/// How it behaves, for the long help and the manual page.
const BEHAVIOUR: &str = "\
On a terminal, lines are edited and answers shown above them; Ctrl-D ends your side, \
Ctrl-C everything. Control characters of the peer are shown and not obeyed. The \
history is in $XDG_STATE_HOME/wharf/history; lines that begin with a blank stay out \
of it. Otherwise stdin goes to the peer, and what the peer sends to stdout, byte for \
byte.

At the end of input the peer is told (TCP's FIN), and its answer awaited for as long \
as it takes, or as --linger says. A peer that ends first ends the command, too: at \
once where input is typed, in a pipe when no input came for half a second. With \
--half-close keep each side ends by itself.

Over udp: and unix-dgram: each line of input is a datagram, without its line feed, and \
each datagram that comes is printed as a line; with --frame raw each read of stdin is \
a datagram, and nothing is added to what comes. At the end of input the command waits \
until as many datagrams came as were sent, and exits with 28 if they do not come in \
time. Where everybody may answer (broadcast, multicast) it listens for the whole \
--timeout and shows who answered.";

/// Talk to a service.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = BEHAVIOUR, before_help = "\
Examples:
  wharf connect :7000                          this machine, TCP port 7000
  wharf connect udp:example.org:7000           over UDP; each line is a datagram
  wharf connect tls:example.org:443            over TLS, verified
  wharf connect /run/app.sock                  over a Unix socket
  echo hello | wharf connect :7000             in a pipe; the answer goes to stdout
  wharf connect :7000 --send 'hi\\n' --expect HI
  wharf connect :7000 --frame u32              each line is a message after its length
  wharf connect udp:255.255.255.255:11111,broadcast --send who
  wharf connect :7000 --show python            the same as a program")]
pub(crate) struct ConnectArgs {
    /// Where: [SCHEME:]TARGET[,OPTION=VALUE]. Without a scheme it is TCP, without a
    /// host this machine
    pub(crate) address: Address,

    /// Where messages end: lines, crlf, u8, u16, u32, u64 (le, -inclusive), varint,
    /// netstring, fixed=N, delimiter=BYTES, raw. Each line of input is then sent as a
    /// message, and each message that comes is printed as a line
    #[arg(long, value_name = "FRAMING")]
    pub(crate) frame: Option<Framing>,

    /// Show both directions as hexadecimal bytes with their offsets
    #[arg(long)]
    pub(crate) hex: bool,

    /// Begin each line with the seconds since the connection was opened
    #[arg(long)]
    pub(crate) timestamps: bool,

    /// What happens at the end of input
    #[arg(long, value_name = "WHAT", default_value = "send")]
    pub(crate) half_close: HalfClose,

    /// After the end of input, wait no longer than this for the peer, counted from the
    /// last byte that it sent; or none
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) linger: Option<Timeout>,

    /// Give up connecting after so long [default: 10s], and waiting for the answer to a
    /// datagram or for what --expect says [default: 3s]; or none
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) timeout: Option<Timeout>,

    /// Send this instead of stdin; may be repeated. \n \r \t \0 \\ \xHH stand for bytes.
    /// No newline is added, except by --frame lines; over udp: each is a datagram
    #[arg(long, value_name = "TEXT", value_parser = parse_escaped, allow_hyphen_values = true)]
    pub(crate) send: Vec<Escaped>,

    /// End with exit code 0 as soon as the peer sent this, and with 5 if it does not
    #[arg(long, value_name = "TEXT", value_parser = parse_escaped, allow_hyphen_values = true)]
    pub(crate) expect: Option<Escaped>,

    /// Say a password first, for a server with a gate: that of FILE, - (the first line of
    /// stdin), ask (the terminal, without showing it) or env:NAME (a variable). A file or
    /// a line is PASSWORD, or NAME PASSWORD where the server knows its users by name
    #[arg(long, value_name = "FROM", value_parser = parse_source, hide_short_help = true)]
    pub(crate) password_from: Option<Source>,

    /// Do not connect: print a complete small program that does the same with plain sockets
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) show: Option<Language>,
}

/// What happens at the end of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum HalfClose {
    /// The peer is told (FIN), and its answer awaited
    Send,
    /// The peer is not told; it ends the conversation
    Keep,
    /// Both sides are closed at once
    Close,
}

impl ConnectArgs {
    /// Refuses what does not go together.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let is_datagram = self.address.scheme.is_datagram();
        check_source(self.password_from.as_ref(), &self.address)?;
        match &self.frame {
            Some(framing) if is_datagram && !is_whole(framing) => Err(Failure::usage(format!(
                "--frame {framing} does not apply to {}: a datagram is a message already",
                self.address.scheme.as_str()
            ))
            .cure(
                "--frame lines (each line is a datagram)    or    --frame raw (each read is one)",
            )),
            _ => Ok(()),
        }
    }
}

/// Whether a framing only says how stdin is cut into datagrams.
fn is_whole(framing: &Framing) -> bool {
    matches!(framing, Framing::Raw | Framing::Lines(_))
}
