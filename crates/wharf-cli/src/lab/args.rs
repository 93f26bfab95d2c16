//! What can be typed behind `wharf lab`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use wharf_lab::units::{parse_rate, parse_share, parse_size, parse_span};

use crate::trace::LookArgs;

/// A network in memory: run it, look at it, break it on purpose.
#[derive(Clone, Debug, Args)]
#[command(before_help = "\
Examples:
  wharf lab run star                          five hosts around a switch
  wharf lab run ring --follow 'message 1'     a message going round, hop by hop
  wharf lab run pair --view ladder,boxes      the frames of a link, as wharf trace shows them
  wharf lab run net.toml -w a.pcapng --tap a-s  a capture for Wireshark
  wharf lab demo                              short guided experiments
  wharf lab transport --loss 3%               which application needs which transport?
  wharf lab gateway star --expose h0:7=:7000  let a real program talk to a host inside")]
pub(crate) struct LabArgs {
    #[command(subcommand)]
    pub(super) command: LabCommand,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum LabCommand {
    /// Run a network and show what happened
    Run(RunArgs),
    /// Guided experiments
    Demo(DemoArgs),
    /// Measure which application needs which transport
    Transport(TransportArgs),
    /// Let real programs talk to hosts inside, in real time
    Gateway(GatewayArgs),
}

/// Which network.
#[derive(Clone, Debug, Args)]
pub(super) struct NetworkArgs {
    /// A shape (star, star-hub, star-host, ring, ring-switches, ring-routers, bus, line,
    /// mesh, lans, pair) or a TOML file
    #[arg(value_name = "NETWORK")]
    pub(super) what: String,

    /// How many hosts a shape has [default: 5]
    #[arg(long, value_name = "N", value_parser = hosts)]
    pub(super) hosts: Option<usize>,

    /// The seed: the same one gives the same run
    #[arg(long, value_name = "N", value_parser = seed)]
    pub(super) seed: Option<u64>,

    #[command(flatten)]
    pub(super) link: LinkArgs,

    /// Change a link while it runs, for example 'at 1s link r0-r1 down': down, up,
    /// loss 5%, delay 20ms or rate 1mbit; can be repeated
    #[arg(long = "change", value_name = "CHANGE")]
    pub(super) changes: Vec<String>,
}

/// What links are like.
#[derive(Clone, Debug, Args)]
pub(super) struct LinkArgs {
    /// What every link is made of: twisted-pair-2400, twisted-pair, coax, fibre, wireless, satellite
    #[arg(long, value_name = "MEDIUM")]
    pub(super) medium: Option<String>,

    /// Rate of every link, for example 10mbit
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub(super) rate: Option<u64>,

    /// Delay of every link
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(super) delay: Option<Duration>,

    /// Delay that varies, from nothing to this
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    pub(super) jitter: Option<Duration>,

    /// Share of the frames that is lost, for example 1%
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(super) loss: Option<f64>,

    /// Share of the frames that arrives twice
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(super) duplicate: Option<f64>,

    /// Share of the frames that later ones overtake
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(super) reorder: Option<f64>,

    /// Share of the frames with a bit turned over
    #[arg(long, value_name = "SHARE", value_parser = parse_share)]
    pub(super) corrupt: Option<f64>,

    /// How much may wait in front of every link, for example 64KiB; what is being sent counts
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(super) queue: Option<usize>,
}

/// Run a network and show what happened.
#[derive(Clone, Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub(super) network: NetworkArgs,

    /// How long to run, in the lab's time; without it until every client is done
    #[arg(long = "for", value_name = "TIME", value_parser = parse_span)]
    pub(super) span: Option<Duration>,

    /// What to show
    #[arg(long, value_name = "VIEW", value_enum, value_delimiter = ',')]
    view: Vec<View>,

    /// Follow one message hop by hop, for example 'message 3'
    #[arg(long, value_name = "MESSAGE", conflicts_with = "view")]
    pub(super) follow: Option<String>,

    /// Write a capture: of one link into a file, of every link into a folder
    #[arg(short, long, value_name = "FILE")]
    pub(super) write: Option<PathBuf>,

    /// The link to capture and to draw, for example h0-switch [default: the first]
    #[arg(long, value_name = "LINK")]
    pub(super) tap: Option<String>,

    #[command(flatten)]
    pub(super) look: LookArgs,
}

impl RunArgs {
    /// The views that were asked for.
    pub(super) fn views(&self) -> Vec<View> {
        match self.view.is_empty() {
            true => vec![View::Summary],
            false => self.view.clone(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum View {
    /// Numbers for every link, connection and client
    Summary,
    /// Everything that happened
    Journal,
    /// The frames of one link as arrows between the two ends of each conversation
    Ladder,
    /// One line for each frame of a link
    Lines,
    /// Each frame of a link as nested boxes
    Boxes,
    /// The bytes of the frames of a link, coloured by layer
    Hex,
    /// The frames of a link as a story about letters, for beginners
    Story,
    /// The frames of a link, one JSON object per line
    Json,
    /// The frames of a link as diagrams for Mermaid
    Mermaid,
}

impl View {
    /// The view of `wharf trace` that this one is, if it is one of frames.
    pub(super) fn of_frames(self) -> Option<wharf_wire::view::View> {
        use wharf_wire::view::View as Frames;
        Some(match self {
            View::Summary | View::Journal => return None,
            View::Ladder => Frames::Ladder,
            View::Lines => Frames::Lines,
            View::Boxes => Frames::Boxes,
            View::Hex => Frames::Hex,
            View::Story => Frames::Story,
            View::Json => Frames::Json,
            View::Mermaid => Frames::Mermaid,
        })
    }
}

/// Guided experiments.
#[derive(Clone, Debug, Args)]
pub(super) struct DemoArgs {
    /// Which one; without it all of them are listed
    #[arg(value_name = "NAME")]
    pub(super) name: Option<String>,

    /// The seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = seed)]
    pub(super) seed: u64,
}

/// Measure which application needs which transport.
#[derive(Clone, Debug, Args)]
pub(super) struct TransportArgs {
    /// Which applications: all, file, mail, web, voice, video, stored, game, text
    #[arg(long, value_name = "NAME", default_value = "all")]
    pub(super) profile: String,

    /// Share of the frames that is lost, in both directions
    #[arg(long, value_name = "SHARE", value_parser = parse_share, default_value = "1%")]
    pub(super) loss: f64,

    /// Delay of each direction
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "40ms")]
    pub(super) delay: Duration,

    /// Delay that varies, from nothing to this
    #[arg(long, value_name = "TIME", value_parser = parse_span, default_value = "5ms")]
    pub(super) jitter: Duration,

    /// Rate of the link
    #[arg(long, value_name = "RATE", value_parser = parse_rate, default_value = "10mbit")]
    pub(super) rate: u64,

    /// How much may wait in front of the link
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "64KiB")]
    pub(super) queue: usize,

    /// How many seeds; fewer than 20 make no verdict
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    pub(super) seeds: u64,

    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = seed)]
    pub(super) seed: u64,

    /// How long each stream plays, in the lab's time
    #[arg(long = "for", value_name = "TIME", value_parser = play, default_value = "30s")]
    pub(super) span: Duration,

    /// Write a plot as an SVG file
    #[arg(long, value_name = "FILE")]
    pub(super) plot: Option<PathBuf>,
}

/// Let real programs talk to hosts inside.
#[derive(Clone, Debug, Args)]
pub(super) struct GatewayArgs {
    #[command(flatten)]
    pub(super) network: NetworkArgs,

    /// HOST:PORT inside, = and the address outside, for example h0:12000=:12000 or udp:h0:7=udp::7000
    #[arg(long, value_name = "INSIDE=OUTSIDE", required = true)]
    pub(super) expose: Vec<String>,
}

/// A stream of no length has no messages to judge.
fn play(text: &str) -> Result<Duration, String> {
    match parse_span(text)? {
        span if span < Duration::from_secs(1) => Err("a stream plays for at least 1s".to_owned()),
        span => Ok(span),
    }
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

fn hosts(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 2..=2_000) => Ok(count),
        _ => Err("a lab has 2 to 2000 hosts".to_owned()),
    }
}
