//! What can be typed after `wharf trace`.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use wharf::address::Address;
use wharf::framing::Framing;
use wharf_wire::view::{Model, View};

use super::protocols::{Told, parse_told};
use crate::connect::{Escaped, parse_escaped};
use crate::quantity::parse_duration;

/// What becomes of a password in a picture.
const PASSWORDS: &str = "\
A password that is said to a gate is told as an attempt where a view has words (lines, \
ladder, story, mermaid). Views of bytes have its bytes, too: boxes that have room for them, \
the full screen, hex, json and --explain show every byte. A gate is known by its answer, \
for which read goes through a file once before it shows the first frame. What live and a pipe show is shown as it comes: at a \
port that tells nothing the attempt is there before its answer, in plain text, unless \
--as PORT=password says that there is a gate (and --as PORT=chat what is behind it).";

const BEHAVIOUR: &str = "\
With an address it opens the conversation itself, with plain blocking calls, and shows \
which call caused which frames, which call waited and for how long, and which states \
the ends went through.

Frames are captured where that is allowed (CAP_NET_RAW), with a filter in the kernel for \
exactly this conversation. Where it is not, they are modelled from the calls and from \
what the kernel tells about the connection (TCP_INFO). Every view says which of the two \
it shows; -w writes the label into the file, too.";

/// Follow a message through the layers.
#[derive(Clone, Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    after_long_help = format!("{BEHAVIOUR}\n\n{PASSWORDS}"),
    before_help = "\
Examples:
  wharf trace :12000 --send hello             a conversation, call by call and frame by frame
  wharf trace udp::12000 --send hi --view boxes
  wharf trace demo tcp                        both ends of it
  wharf trace live --port 7000                what passes now (needs CAP_NET_RAW)
  wharf trace read FILE                       a capture file, pcap or pcapng
  wharf trace read FILE --view ladder --port 80
  wharf trace read FILE --as 7000=chat        a service that is not at its own port
  wharf trace :12000 --send hello -w out.pcapng"
)]
pub(crate) struct TraceArgs {
    #[command(flatten)]
    pub(crate) talk: TalkArgs,

    #[command(flatten)]
    pub(crate) view: ViewArgs,

    #[command(subcommand)]
    pub(crate) command: Option<TraceCommand>,
}

/// A conversation with somebody.
#[derive(Clone, Debug, Args)]
pub(crate) struct TalkArgs {
    /// With whom: [SCHEME:]TARGET; tcp, tls, udp, unix, unix-dgram, seqpacket
    #[arg(required = true)]
    pub(crate) address: Option<Address>,

    /// Send this; may be repeated. \n \r \t \0 \\ \xHH stand for bytes
    #[arg(long, value_name = "TEXT", value_parser = parse_escaped, allow_hyphen_values = true)]
    pub(crate) send: Vec<Escaped>,

    /// Wait no longer than this for the connection, and for each answer
    #[arg(long, value_name = "TIME", value_parser = parse_duration, default_value = "1s")]
    pub(crate) timeout: Duration,
}

/// How it is shown.
#[derive(Clone, Debug, Args)]
pub(crate) struct ViewArgs {
    /// How it is drawn [default: ladder; for live and read: lines]
    #[arg(long, value_name = "VIEW", global = true)]
    pub(crate) view: Option<ViewName>,

    #[command(flatten)]
    pub(crate) look: LookArgs,

    /// Take payloads for messages with this framing: lines, u16, u32, netstring and more
    #[arg(long, value_name = "FRAMING", global = true)]
    pub(crate) frame: Option<Framing>,

    /// Ask this protocol first about what is said at a port: chat, dns and more
    ///
    /// As Wireshark's "Decode As". Without PORT= the port of the address or of --port is
    /// meant; may be repeated. PROTOCOL is blackjack, chat, dns, password or rps; http and
    /// tls are known by their first bytes at any port. A service behind a password gate may be
    /// named besides password.
    #[arg(long = "as", value_name = "[PORT=]PROTOCOL", value_parser = parse_told, global = true)]
    pub(crate) told: Vec<Told>,

    /// Show every field of this frame in words
    #[arg(long, value_name = "NUMBER", global = true)]
    pub(crate) explain: Option<u64>,

    /// Browse in full screen [default for read on a terminal, unless a view is given]
    #[arg(short, long, global = true)]
    pub(crate) interactive: bool,

    /// Write the frames to a file, too (pcapng)
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(crate) write: Option<PathBuf>,
}

/// What every picture is drawn with.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct LookArgs {
    /// Name the layers as this model does, in boxes
    #[arg(long, value_name = "MODEL", global = true)]
    pub(crate) model: Option<ModelName>,

    /// Draw for so many columns [default: the terminal's, or 100]
    #[arg(long, value_name = "COLUMNS", global = true, value_parser = clap::value_parser!(u16).range(40..=500))]
    pub(crate) width: Option<u16>,

    /// Use ASCII only [default: where the locale is not UTF-8, or TERM is dumb]
    #[arg(long, global = true)]
    pub(crate) ascii: bool,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum TraceCommand {
    /// Both ends of a conversation: a server and a client in this process
    Demo(DemoArgs),
    /// What passes now, on every interface (needs CAP_NET_RAW)
    #[command(after_long_help = PASSWORDS)]
    Live(LiveArgs),
    /// A capture file
    #[command(after_long_help = PASSWORDS)]
    Read(ReadArgs),
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DemoArgs {
    /// Which transport
    #[arg(value_enum)]
    pub(crate) transport: DemoTransport,

    /// Send this
    #[arg(long, value_name = "TEXT", value_parser = parse_escaped, default_value = "hello\\n")]
    pub(crate) send: Escaped,

    /// Over IPv6
    #[arg(long)]
    pub(crate) ipv6: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DemoTransport {
    /// A stream: connection, numbered bytes, acknowledgments
    Tcp,
    /// Datagrams: each for itself
    Udp,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct LiveArgs {
    #[command(flatten)]
    pub(crate) pick: PickArgs,

    /// Only the sockets of this process
    #[arg(long, value_name = "PID")]
    pub(crate) process: Option<u32>,

    /// End after so many frames
    #[arg(long, value_name = "NUMBER")]
    pub(crate) count: Option<u64>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ReadArgs {
    /// The file: pcap or pcapng; - is stdin
    pub(crate) file: PathBuf,

    #[command(flatten)]
    pub(crate) pick: PickArgs,

    /// Only a table of the conversations
    #[arg(long)]
    pub(crate) summary: bool,
}

/// Which frames.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct PickArgs {
    /// Only from or to this address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) host: Option<IpAddr>,

    /// Only from or to this port
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,

    /// Only this protocol
    #[arg(long, value_name = "NAME")]
    pub(crate) protocol: Option<ProtocolName>,

    /// Only frames whose data contains this
    #[arg(long, value_name = "TEXT", value_parser = parse_escaped, allow_hyphen_values = true)]
    pub(crate) text: Option<Escaped>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProtocolName {
    Tcp,
    Udp,
    /// ICMP for IPv4 and for IPv6
    Icmp,
    Arp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ViewName {
    /// Each frame as nested boxes, with a bar that shows the overhead
    Boxes,
    /// Arrows between the two ends, with the calls and states beside them
    Ladder,
    /// One line for each frame
    Lines,
    /// The bytes, coloured by layer
    Hex,
    /// A story about letters, for beginners
    Story,
    /// One JSON object per line
    Json,
    /// Diagrams for Mermaid
    Mermaid,
}

impl From<ViewName> for View {
    fn from(name: ViewName) -> View {
        match name {
            ViewName::Boxes => View::Boxes,
            ViewName::Ladder => View::Ladder,
            ViewName::Lines => View::Lines,
            ViewName::Hex => View::Hex,
            ViewName::Story => View::Story,
            ViewName::Json => View::Json,
            ViewName::Mermaid => View::Mermaid,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelName {
    /// Link, internet, transport, application
    Four,
    /// The same over a physical layer
    Five,
    /// The seven layers of OSI
    Osi,
}

impl From<ModelName> for Model {
    fn from(name: ModelName) -> Model {
        match name {
            ModelName::Four => Model::Four,
            ModelName::Five => Model::Five,
            ModelName::Osi => Model::Osi,
        }
    }
}
