//! What can be typed after `wharf serve`.

use clap::{Args, ValueEnum};
use wharf::address::Address;
use wharf::framing::Framing;

use crate::quantity::{Timeout, parse_cap, parse_duration, parse_size, parse_timeout};

/// Serve network services.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = crate::args::exit_codes(), before_help = "\
Examples:
  wharf serve                             the standard set, this machine only
  wharf serve echo 7000                   TCP port 7000, this machine only
  wharf serve echo all:7000               the same, open to the network
  wharf serve upper udp::7000 /tmp/upper  over UDP and over a Unix socket
  wharf serve echo tls::7000,self-signed  over TLS, with a certificate made now
  wharf serve echo 7000 --frame u32       a 4-byte length before each message
  wharf serve chat 7000 --gate users      for those who know a password
  wharf serve exec 7000 -- tr a-z A-Z     a program per connection")]
pub(crate) struct ServeArgs {
    /// echo, upper, chat, rps, blackjack, message, password, page, discard, chargen, daytime,
    /// time or exec
    ///
    /// Without it, all standard services start.
    pub(crate) service: Option<String>,

    /// Where: 7000, udp::7000, all:7000, tls::7000,self-signed, ./path
    ///
    /// In full [SCHEME:]TARGET[,OPTION=VALUE]. Without it, the service's standard
    /// addresses. Without a scheme it is TCP, without a host only this machine, on IPv4
    /// and IPv6. Schemes are tcp, tcp4, tcp6,
    /// udp, udp4, udp6, unix, unix-dgram, seqpacket and tls.
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<Address>,

    /// The program that exec runs, with its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<String>,

    /// Where messages end: lines, u32, netstring, and more
    ///
    /// lines, crlf, u8, u16, u32, u64 (big endian; u32le and so on are little endian,
    /// u32-inclusive and so on count themselves), varint, netstring, fixed=N,
    /// delimiter=BYTES, raw. Events then count messages.
    #[arg(long, value_name = "FRAMING")]
    pub(crate) frame: Option<Framing>,

    /// The longest message in bytes [default: 64KiB]
    #[arg(long, hide_short_help = true, value_name = "SIZE", value_parser = parse_size, requires = "frame")]
    pub(crate) max_message: Option<usize>,

    /// What happens to a longer message
    #[arg(
        long,
        hide_short_help = true,
        value_name = "WHAT",
        default_value = "close",
        requires = "frame"
    )]
    pub(crate) too_long: WhenTooLong,

    /// Upper-case only the letters A to Z (upper)
    #[arg(long, hide_short_help = true)]
    pub(crate) ascii: bool,

    /// Serve one client, then end
    #[arg(long)]
    pub(crate) once: bool,

    /// Close each connection after the first reply
    #[arg(long)]
    pub(crate) reply_once: bool,

    /// How connections share the machine
    #[arg(long, value_name = "MODE", default_value = "concurrent")]
    pub(crate) mode: ServeMode,

    /// Serve on this many cores
    ///
    /// Each has a listening socket of its own on the same port.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) cores: u16,

    /// Clients served at once; more wait [default: 16384]
    ///
    /// --when-full refuse refuses them.
    #[arg(long, value_name = "N", value_parser = parse_cap)]
    pub(crate) max_connections: Option<usize>,

    /// What a client gets that comes when the server is full
    ///
    /// Without this it waits; the chat, where it is the only service, refuses.
    #[arg(long, hide_short_help = true, value_name = "WHAT")]
    pub(crate) when_full: Option<FullPolicy>,

    /// Connections served at once from one peer (an IPv4 address, an IPv6 /64)
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = parse_cap)]
    pub(crate) per_peer: Option<usize>,

    /// What a refused client is told
    #[arg(long, hide_short_help = true, value_name = "TEXT", default_value = "")]
    pub(crate) refusal: String,

    /// The argument of listen(2): handshakes that may wait for accept [default: 4096]
    ///
    /// It bounds that queue, not the number of clients; the system's own cap is
    /// net.core.somaxconn.
    #[arg(long, hide_short_help = true, value_name = "N")]
    pub(crate) backlog: Option<u32>,

    /// Close a silent connection [default: 10min]
    ///
    /// A time such as 500ms, 30s or 10min, or none.
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) idle_timeout: Option<Timeout>,

    /// Close a connection whose peer does not read for so long, or none [default: 30s]
    #[arg(long, hide_short_help = true, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) write_timeout: Option<Timeout>,

    /// Close a connection after so long, or none [default: none]
    #[arg(long, hide_short_help = true, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) total_timeout: Option<Timeout>,

    /// Give up a TLS handshake after so long [default: 10s]
    #[arg(long, hide_short_help = true, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) handshake_timeout: Option<std::time::Duration>,

    /// Time to finish in after Ctrl-C [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) drain_timeout: Option<std::time::Duration>,

    /// Print troubles only
    ///
    /// No table, no line per connection, no sum at the end.
    #[arg(short, long)]
    pub(crate) quiet: bool,

    /// Draw the calls and frames of every connection when it has ended
    ///
    /// As wharf trace does; --trace=VIEW draws another view than the ladder. Frames are
    /// captured where that is allowed, and else modelled; every picture says which.
    #[arg(
        long,
        hide_short_help = true,
        value_name = "VIEW",
        value_parser = crate::trace::parse_served_view,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "ladder"
    )]
    pub(crate) trace: Option<crate::trace::ServedView>,

    /// Write the frames of --trace to a file, too (pcapng)
    #[arg(long, hide_short_help = true, value_name = "FILE", requires = "trace")]
    pub(crate) trace_write: Option<std::path::PathBuf>,

    #[command(flatten)]
    pub(crate) door: super::door::DoorArgs,

    #[cfg(feature = "page")]
    #[command(flatten)]
    pub(crate) page: super::page::PageArgs,

    #[command(flatten)]
    pub(crate) chat: super::chat::ChatArgs,

    #[command(flatten)]
    pub(crate) games: super::games::GameArgs,

    /// Print a small program that does the same with plain sockets
    ///
    /// It is complete, and nothing is served.
    #[arg(long, value_name = "LANGUAGE")]
    pub(crate) show: Option<crate::connect::Language>,
}

/// How connections share the machine.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ServeMode {
    /// All at once, as tasks
    Concurrent,
    /// One after the other; the next client waits
    OneAtATime,
    /// A thread per connection
    Threads,
}

/// What a full server does with the next client.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum FullPolicy {
    /// It waits in the queue
    Wait,
    /// It is told the refusal text and closed
    Refuse,
}

/// What happens to a message that is too long.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum WhenTooLong {
    /// The connection is closed
    Close,
    /// The message is skipped and the connection goes on
    Skip,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use wharf::limits::{BACKLOG, Limits, MAX_MESSAGE};

    #[test]
    fn the_defaults_are_those_that_the_help_names() {
        let limits = Limits::default();
        assert_eq!(limits.max_connections, 16_384);
        assert_eq!(limits.idle_timeout, Some(Duration::from_secs(600)));
        assert_eq!(limits.write_timeout, Some(Duration::from_secs(30)));
        assert_eq!(limits.total_timeout, None);
        assert_eq!(limits.handshake_timeout, Duration::from_secs(10));
        assert_eq!(limits.drain_timeout, Duration::from_secs(10));
        assert_eq!((BACKLOG, MAX_MESSAGE), (4_096, 64 * 1024));
    }
}
