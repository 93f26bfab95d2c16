//! What can be typed after `wharf serve`.

use clap::{Args, ValueEnum};
use wharf::address::Address;
use wharf::framing::Framing;

use crate::quantity::{Timeout, parse_count, parse_duration, parse_size, parse_timeout};

/// Serve network services.
#[derive(Clone, Debug, Args)]
#[command(before_help = "\
Examples:
  wharf serve                                all standard services, on this machine only
  wharf serve echo 7000                      TCP port 7000, IPv4 and IPv6 loopback
  wharf serve echo all:7000                  the same, open to the network
  wharf serve upper udp::7000 /tmp/upper     over UDP and over a Unix socket
  wharf serve echo tls::7000,self-signed     over TLS, with a certificate made on the spot
  wharf serve echo 7000 --frame u32          messages with a 4-byte length before them
  wharf serve exec 7000 -- tr a-z A-Z        a program per connection")]
pub(crate) struct ServeArgs {
    /// The service: echo, upper, chat, message, discard, chargen, daytime, time, exec.
    /// Without it, all standard services start
    pub(crate) service: Option<String>,

    /// Where: [SCHEME:]TARGET[,OPTION=VALUE]. Without it, the service's standard
    /// addresses. Without a scheme it is TCP, without a host only this machine
    pub(crate) addresses: Vec<Address>,

    /// The program that exec runs, with its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    pub(crate) program: Vec<String>,

    /// Where messages end: lines, crlf, u8, u16, u32, u64 (le, -inclusive), varint,
    /// netstring, fixed=N, delimiter=BYTES, raw. Events then count messages
    #[arg(long, value_name = "FRAMING")]
    pub(crate) frame: Option<Framing>,

    /// The longest message in bytes
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "frame")]
    pub(crate) max_message: Option<usize>,

    /// What happens to a longer message
    #[arg(long, value_name = "WHAT", default_value = "close", requires = "frame")]
    pub(crate) too_long: WhenTooLong,

    /// Upper-case only the letters A to Z (upper)
    #[arg(long)]
    pub(crate) ascii: bool,

    /// Serve one client, then end with exit code 0
    #[arg(long)]
    pub(crate) once: bool,

    /// Close each connection after the first reply
    #[arg(long)]
    pub(crate) reply_once: bool,

    /// How connections share the machine
    #[arg(long, value_name = "MODE", default_value = "concurrent")]
    pub(crate) mode: ServeMode,

    /// Serve on this many cores, each with its own socket on the same port
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) cores: u16,

    /// Connections served at once; more wait in the queue, or are refused
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) max_connections: Option<usize>,

    /// What a client gets that comes when the server is full
    #[arg(long, value_name = "WHAT", default_value = "wait")]
    pub(crate) when_full: FullPolicy,

    /// Connections from one peer (an IPv4 address, an IPv6 /64)
    #[arg(long, value_name = "N", value_parser = parse_count)]
    pub(crate) per_peer: Option<usize>,

    /// What a refused client is told
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) refusal: String,

    /// The argument of listen(2): finished handshakes that may wait for accept. It
    /// bounds that queue, not the number of clients
    #[arg(long, value_name = "N")]
    pub(crate) backlog: Option<u32>,

    /// Close a connection on which nothing moved for so long, or none
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) idle_timeout: Option<Timeout>,

    /// Close a connection whose peer does not read for so long, or none
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) write_timeout: Option<Timeout>,

    /// Close a connection after so long, or none
    #[arg(long, value_name = "TIME", value_parser = parse_timeout)]
    pub(crate) total_timeout: Option<Timeout>,

    /// Give up a TLS handshake after so long
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) handshake_timeout: Option<std::time::Duration>,

    /// How long connections may go on after Ctrl-C
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(crate) drain_timeout: Option<std::time::Duration>,

    /// Print only errors, no line per connection
    #[arg(short, long)]
    pub(crate) quiet: bool,

    #[command(flatten)]
    pub(crate) chat: super::chat::ChatArgs,

    /// Do not serve: print a complete small program that does the same with plain sockets
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
