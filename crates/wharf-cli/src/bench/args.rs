//! What can be typed after `wharf bench`.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use wharf::address::Address;
use wharf::framing::Framing;

use super::limit::Limit;
use super::text::{Content, Expected, Sizes};
use crate::quantity::{Timeout, count_in, parse_duration, parse_period, parse_timeout};

/// Bytes per message, unless --size says otherwise.
const SIZE: usize = 64;

/// The bounds of the load engine, and 0 of what would measure nothing.
const CONNECTIONS: RangeInclusive<usize> = 1..=1 << 20;
const DEPTH: RangeInclusive<usize> = 1..=1 << 16;
const RATE: RangeInclusive<usize> = 1..=10_000_000;
const REQUESTS: RangeInclusive<usize> = 1..=usize::MAX;
const USERS: RangeInclusive<usize> = 2..=1 << 16;

/// How it behaves, for the long help and the manual page.
const BEHAVIOUR: &str = "\
Every reply is compared with what has to come back. The exit code is 0 only if the run did \
what was asked: no reply was wrong, missing, unasked for or stalled, as many came (over udp: \
were sent) as --requests says, the --rate was kept, and no --fail-if holds. Loss over UDP is a figure and no error, unless \
nothing at all comes back: --fail-if 'loss>0' makes it one.

Without --rate it is a closed loop: a connection sends its next message when a reply has come. \
A server that stalls is then asked less, and the latencies leave out what others would have \
waited meanwhile (coordinated omission); the row \"corrected\" estimates them. With --rate every \
message has a time at which it is due, on a connection that is fixed before, and latencies count \
from then; the row \"uncorrected\" counts from when it was really sent.

--bulk send counts what the server's kernel has acknowledged, and neither it nor --bulk receive \
verifies anything; --bulk both verifies every byte. --chat counts a message when it was answered \
and delivered, and checks each delivery: sender, receiver, order and every byte. --idle tells the \
server's heap and stacks; what the kernel holds for a connection comes on top.

Datagrams that are made up carry their number, so that loss, duplicates and reordering are \
known. With --message nothing in a datagram says what it answers: each flow then waits for its \
reply, and after a loss goes on from another port.

One connection is opened and closed before the run, to find the address that answers. A run \
ends after --duration or --requests, after 1,000 errors (10 if no reply was right before), and \
by Ctrl-C or SIGTERM, which give the report so far. Only this machine is loaded unless you say --remote.";

/// How fast is a service, and is every reply right?
#[derive(Clone, Debug, Args)]
#[command(after_long_help = BEHAVIOUR, before_help = "\
Examples:
  wharf bench :7000                           one connection, one message at a time
  wharf bench :7000 -c 50 -d 16               50 connections, 16 messages in flight on each
  wharf bench :7000 -c 50 --rate 10k          a fixed rate, with honest latencies
  wharf bench udp::7000 -d 32                 loss, duplicates and reordering, too
  wharf bench :7000 -m hello --frame lines --expect upper
  wharf bench :7000 -m PING --frame crlf --expect 'regex=^\\+?PONG'
  wharf bench :7000 --bulk both               64 KiB blocks there and back
  wharf bench :7000 --idle 10k                what a silent connection costs the server
  wharf bench :5378 --chat --users 1k         every delivery accounted for
  wharf bench :7000 --compare :7001           the two in turns, and their ratio")]
pub(crate) struct BenchArgs {
    /// What is loaded: tcp, tls, udp or a Unix stream socket
    pub(crate) address: Address,

    /// Connections; over udp: sockets
    #[arg(short, long, value_name = "N", value_parser = count_in(CONNECTIONS), default_value = "1")]
    pub(crate) connections: usize,

    /// Messages in flight on each [default: 1]
    ///
    /// Over udp with --rate it is 1024, of --bulk both 4.
    #[arg(short, long, value_name = "N", value_parser = count_in(DEPTH))]
    pub(crate) depth: Option<usize>,

    /// Messages per second in all, whether replies come or not
    #[arg(short, long, value_name = "N", value_parser = count_in(RATE))]
    pub(crate) rate: Option<usize>,

    /// Open a connection for each message
    #[arg(long, conflicts_with_all = ["bulk", "idle", "chat"])]
    pub(crate) churn: bool,

    /// Move bytes as fast as they go: send, receive or both
    ///
    /// To a service that takes all and says nothing, such as discard; from one that sends
    /// without end, such as chargen; to an echo and back.
    #[arg(long, value_name = "WAY", hide_possible_values = true, conflicts_with_all = ["idle", "chat", "rate", "requests"])]
    pub(crate) bulk: Option<Way>,

    /// Hold so many silent connections, and tell what each costs the server
    ///
    /// With --message each says it first.
    #[arg(long, value_name = "N", value_parser = count_in(CONNECTIONS), conflicts_with_all =
        ["chat", "rate", "requests", "connections", "depth", "compare", "fail_if", "hdr", "csv",
        "warmup"])]
    pub(crate) idle: Option<usize>,

    /// Load a chat: --users (50) log in and send each other messages at random
    #[arg(long, conflicts_with_all =
        ["rate", "message", "frame", "expect", "connections", "ramp_up"])]
    pub(crate) chat: bool,

    /// How many users chat
    #[arg(long, value_name = "N", value_parser = count_in(USERS), default_value = "50",
        requires = "chat", hide_short_help = true)]
    pub(crate) users: usize,

    /// Load this one in turns with the first, and tell the ratio
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["hdr", "csv", "pid"])]
    pub(crate) compare: Option<Address>,

    /// How often --compare loads each of the two
    #[arg(long, value_name = "N", default_value_t = 5, requires = "compare", hide_short_help = true,
        value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) rounds: u8,

    /// How long is measured [default: 10s]
    ///
    /// With --compare it is 1s each time, with --idle 2s.
    #[arg(short = 't', long, value_name = "TIME", value_parser = parse_period)]
    pub(crate) duration: Option<Duration>,

    /// Measure so many messages, and no longer than --duration
    #[arg(short = 'n', long, value_name = "N", value_parser = count_in(REQUESTS))]
    pub(crate) requests: Option<usize>,

    /// Traffic before, of which only the errors count
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "500ms")]
    pub(crate) warmup: Duration,

    /// Open the connections one by one over this time before
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "0",
        hide_default_value = true)]
    pub(crate) ramp_up: Duration,

    /// Bytes per message; A..B takes sizes at random [default: 64]
    ///
    /// The bytes are made up so that no two messages are alike for thousands; with --frame 251
    /// messages are sent in turns, with A..B over a stream 509, or as many as fit 32 MiB.
    #[arg(short, long, value_name = "BYTES")]
    pub(crate) size: Option<Sizes>,

    /// Send this instead, or what is in a file: @FILE; may be repeated
    ///
    /// Several are sent in turns. \n \r \t \0 \\ \xHH stand for bytes.
    #[arg(
        short,
        long,
        value_name = "TEXT",
        conflicts_with = "size",
        allow_hyphen_values = true
    )]
    pub(crate) message: Vec<Content>,

    /// Where messages end: lines, crlf, u32, netstring and more
    ///
    /// All framings of wharf connect.
    #[arg(long, value_name = "FRAMING")]
    pub(crate) frame: Option<Framing>,

    /// The reply: echo, upper, text=TEXT, regex=PATTERN or any [default: echo]
    #[arg(short, long, value_name = "WHAT", allow_hyphen_values = true)]
    pub(crate) expect: Option<Expected>,

    /// How long a connection or a reply may take [default: 5s; udp 200ms]
    ///
    /// Over udp a datagram without a reply is lost then.
    #[arg(long, value_name = "TIME", value_parser = parse_period)]
    pub(crate) timeout: Option<Duration>,

    /// Count slower replies as errors; none: no limit [default: a stall]
    ///
    /// A stall is a reply that was surely not there (this program looked for it in vain) for
    /// 150 ms, fifty times the median and 25 times what nine of ten others took. With --compare
    /// it is no failure. With none, a server that falls silent over udp is none, either.
    #[arg(long, value_name = "TIME|none", value_parser = parse_timeout)]
    pub(crate) late: Option<Timeout>,

    /// Fail if this holds: 'p99>5ms', 'rate<10k', 'loss>1%'; may be repeated
    ///
    /// Figures are p50, p99.9 and the like, mean and max with a time, rate (messages per
    /// second), bytes (per second) and memory (the server's) with a size, loss with a percentage, duplicated and
    /// reordered with a number.
    #[arg(long, value_name = "LIMIT")]
    pub(crate) fail_if: Vec<Limit>,

    /// The server's process, to tell its processor time and memory
    ///
    /// Without it, whoever holds the port, if that can be seen.
    #[arg(long, value_name = "PID")]
    pub(crate) pid: Option<u32>,

    /// Load another machine than this one
    #[arg(long)]
    pub(crate) remote: bool,

    /// Draw no picture of the run, also where there is a terminal for it
    #[arg(long, hide_short_help = true)]
    pub(crate) plain: bool,

    /// Write the distribution of latencies to a new file, as HdrHistogram's tools read it
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) hdr: Option<PathBuf>,

    /// Write throughput and latencies over time to a new file
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub(crate) csv: Option<PathBuf>,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// To the server, which says nothing: discard
    Send,
    /// From the server, which sends without end: chargen
    Receive,
    /// To the server, which sends it back: echo
    Both,
}

impl BenchArgs {
    /// The size of messages that are made up.
    pub(super) fn size(&self) -> Sizes {
        self.size.clone().unwrap_or(Sizes(SIZE..=SIZE))
    }

    /// What has to come back.
    pub(super) fn expect(&self) -> &Expected {
        self.expect.as_ref().unwrap_or(&Expected::Echo)
    }

    /// How long is measured.
    pub(super) fn lasts(&self) -> Duration {
        let usual = match (self.idle, &self.compare) {
            (Some(_), _) => 2,
            (None, Some(_)) => 1,
            (None, None) => 10,
        };
        self.duration.unwrap_or(Duration::from_secs(usual))
    }
}
