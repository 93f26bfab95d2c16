//! `wharf connect`: talk to a service, by hand or through a pipe.
//!
//! ```text
//!   stdin, terminal, --send ─▶ input ─▶ wire (framing) ─▶ peer
//!   stdout, terminal ◀─ output ◀─ view (text, hex, JSON) ◀─┘
//! ```
//!
//! Layout: `args` is what can be typed, `stream` and `datagram` are the two
//! conversations (`candidates` of a name), `input` and `output` the two ends on this side (`terminal` where
//! a person sits there), `wire` cuts and frames, `view` shows (`hex`, `visible`),
//! `expect` looks for a text, `report` tells what happened and `broken` what failed, `show` writes the same
//! conversation as a program with plain sockets.

mod args;
mod broken;
mod candidates;
mod datagram;
mod escape;
mod expect;
mod hex;
pub(crate) mod input;
pub(crate) mod output;
mod report;
mod show;
mod stream;
mod terminal;
mod view;
pub(crate) mod visible;
pub(crate) mod wire;

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use wharf::client::Client;
use wharf::framing::Framing;
use wharf::limits::CONNECT_TIMEOUT;
use wharf::network::Endpoint;
use wharf::tls::Established;
use wharf_services::password::Secret;

use crate::args::Common;
use crate::exit::Exit;
use crate::failure::{Failure, connect_failure};
use crate::secret::{self, Source};
use candidates::Candidates;
use expect::Expect;
use input::Input;
use output::Output;
use report::Report;
use terminal::Restore;
use view::View;
use wire::Wire;

pub(crate) use args::ConnectArgs;
pub(crate) use escape::{Escaped, parse_escaped};
pub(crate) use show::show_server;

/// How long an answer may take: of a datagram, or of a peer from whom something is expected.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// A programming language to show a program in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Language {
    /// Python 3, standard library
    Python,
    /// Rust, standard library
    Rust,
    /// C, POSIX sockets
    C,
}

/// Runs `wharf connect`.
pub(crate) fn run(common: &Common, args: ConnectArgs) -> Result<Exit, Failure> {
    if let Some(language) = args.show {
        return print(&show::show_client(&args, language)?);
    }
    args.check()?;
    // Before the connection: a gate does not wait for somebody who types.
    let secret = args.password_from.as_ref().map(Source::read).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(async {
        tokio::select! {
            biased;
            outcome = converse(common, &args, secret.as_ref()) => outcome,
            Ok(()) = tokio::signal::ctrl_c() => Ok(Exit::Aborted),
        }
    });
    // A thread may still wait for stdin or for a resolver; nobody waits for it.
    runtime.shutdown_background();
    outcome
}

/// What a conversation has besides its peer.
struct Ends<'a> {
    args: &'a ConnectArgs,
    input: Input,
    output: Output,
    wire: Wire,
    view: View,
    expect: Option<Expect>,
    report: Report,
    started: Instant,
    /// Present where a person edits lines.
    restore: Option<Restore>,
}

async fn converse(
    common: &Common,
    args: &ConnectArgs,
    secret: Option<&Secret>,
) -> Result<Exit, Failure> {
    let client = Client::new().connect_timeout(match args.timeout {
        None => Some(CONNECT_TIMEOUT),
        Some(given) => given.0,
    });
    let report = Report::new(common);
    // A terminal gets its prompt when there is somebody to talk to.
    if args.address.scheme.is_datagram() {
        let opened = Candidates::open(client, &args.address).await;
        let (candidates, socket, to) = opened.map_err(|error| connect_failure(&error))?;
        report.bound(&socket, &to);
        let (ends, interrupted) = Ends::open(common, args, report)?;
        ends.greet(socket.local(), &to, None).await;
        or_interrupted(
            datagram::converse(socket, to, candidates, ends),
            interrupted,
        )
        .await
    } else {
        let opened = client.connect(&args.address).await;
        let mut connection = opened.map_err(|error| connect_failure(&error))?;
        report.connected(&connection);
        if let Some(secret) = secret {
            secret::log_in(&mut connection, secret).await?;
            report.let_in();
        }
        let (ends, interrupted) = Ends::open(common, args, report)?;
        ends.greet(connection.local(), connection.peer(), connection.tls())
            .await;
        or_interrupted(stream::converse(connection, ends), interrupted).await
    }
}

/// Until the end, or until Ctrl-C was typed into an edited line.
async fn or_interrupted(
    conversation: impl Future<Output = Result<Exit, Failure>>,
    interrupted: Arc<Notify>,
) -> Result<Exit, Failure> {
    tokio::select! {
        biased;
        outcome = conversation => outcome,
        () = interrupted.notified() => Ok(Exit::Aborted),
    }
}

impl<'a> Ends<'a> {
    fn open(
        common: &Common,
        args: &'a ConnectArgs,
        report: Report,
    ) -> Result<(Self, Arc<Notify>), Failure> {
        let started = Instant::now();
        let framing = args.frame.clone().unwrap_or(Framing::Raw);
        let wire = Wire::new(args.address.scheme.is_datagram(), framing);
        let is_interactive =
            args.send.is_empty() && io::stdin().is_terminal() && io::stdout().is_terminal();
        let mut restore = None;
        let mut interrupted = Arc::new(Notify::new());
        let (input, output) = if !args.send.is_empty() {
            (Input::of(&args.send), Output::stdout()?)
        } else if is_interactive {
            let terminal = terminal::open()?;
            restore = Some(terminal.restore);
            interrupted = terminal.interrupted;
            (terminal.input, terminal.output)
        } else {
            (Input::stdin(wire.cut(args))?, Output::stdout()?)
        };
        let ends = Ends {
            args,
            input,
            output,
            wire,
            view: View::new(common, args, is_interactive, started),
            expect: args.expect.as_ref().map(|text| Expect::new(&text.0)),
            report,
            started,
            restore,
        };
        Ok((ends, interrupted))
    }

    async fn greet(&self, local: &Endpoint, peer: &Endpoint, tls: Option<&Established>) {
        self.output
            .send(self.view.connected(local, peer, tls))
            .await;
    }

    /// Whether a person edits lines, and can correct what went wrong.
    fn is_interactive(&self) -> bool {
        self.restore.is_some()
    }

    /// Whether input comes from a keyboard, even if the output goes elsewhere.
    fn input_is_typed(&self) -> bool {
        self.args.send.is_empty() && io::stdin().is_terminal()
    }

    /// Waits until everything is shown, and gives the terminal back.
    async fn finish(self) -> io::Result<()> {
        self.output.finish().await
    }
}

fn print(text: &str) -> Result<Exit, Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Done),
    }
}
