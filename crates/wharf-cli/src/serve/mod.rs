//! `wharf serve`: from arguments to a running server, and to its end.
//!
//! Layout: `args` is what can be typed, `chat` what for the chat alone, `plan` what it means, `line` one event,
//! `printer` the thread that writes events, `table` what is printed at the start.

mod args;
mod chat;
mod line;
mod plan;
mod printer;
mod table;

use std::io::{self, Write};
use std::time::SystemTime;

use tokio::signal::unix::{Signal, SignalKind, signal};
use wharf::connection::Silence;
use wharf::limits::{Limits, WhenFull};
use wharf::server::{DrainReport, Event, Partial, Running, Server};
use wharf_services::Message;

use crate::args::Common;
use crate::connect;
use crate::exit::Exit;
use crate::failure::{Failure, start_failure};
use crate::style::{Style, bytes, count};

use args::FullPolicy;
pub(crate) use args::ServeArgs;
use line::{Line, Told};
use plan::Plan;
use printer::Printer;

/// Descriptors that a server needs besides its connections: listeners, runtimes, files.
const DESCRIPTORS_BESIDES: usize = 64;

/// Runs `wharf serve`.
pub(crate) fn run(common: &Common, args: ServeArgs) -> Result<Exit, Failure> {
    if let Some(language) = args.show {
        return show(&args, language);
    }
    let limits = limits(&args);
    let note = raise_descriptor_limit(limits.max_connections);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(Serving::start(common, &args, limits, note)?);
    // Work on blocking threads is not waited for: the server has ended.
    runtime.shutdown_background();
    outcome
}

fn show(args: &ServeArgs, language: connect::Language) -> Result<Exit, Failure> {
    let plan = Plan::make(args)?;
    let (service, address) = plan.only()?;
    let program = connect::show_server(service, address, language)?;
    match io::stdout().write_all(program.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Done),
    }
}

fn limits(args: &ServeArgs) -> Limits {
    let mut limits = Limits {
        when_full: match args.when_full {
            FullPolicy::Wait => WhenFull::Wait,
            FullPolicy::Refuse => WhenFull::Refuse,
        },
        per_peer: args.per_peer,
        refusal: refusal(args),
        ..Limits::default()
    };
    if let Some(most) = args.max_connections {
        limits.max_connections = most;
    }
    if let Some(timeout) = args.idle_timeout {
        limits.idle_timeout = timeout.0;
    }
    if let Some(timeout) = args.write_timeout {
        limits.write_timeout = timeout.0;
    }
    if let Some(timeout) = args.total_timeout {
        limits.total_timeout = timeout.0;
    }
    if let Some(timeout) = args.handshake_timeout {
        limits.handshake_timeout = timeout;
    }
    if let Some(timeout) = args.drain_timeout {
        limits.drain_timeout = timeout;
    }
    limits
}

/// The refusal as a line; nothing stays nothing, except that the chat has a word for it.
fn refusal(args: &ServeArgs) -> Vec<u8> {
    match &*args.refusal {
        "" if plan::is_only_chat(args) => b"BUSY\n".to_vec(),
        "" => Vec::new(),
        text => format!("{text}\n").into_bytes(),
    }
}

/// Raises the soft limit of descriptors towards what the cap on connections
/// needs; gives a note when the hard limit forbids it.
fn raise_descriptor_limit(connections: usize) -> Option<String> {
    let wanted = (connections.saturating_add(DESCRIPTORS_BESIDES)) as u64;
    let (soft, _) = rlimit::getrlimit(rlimit::Resource::NOFILE).ok()?;
    if soft >= wanted {
        return None;
    }
    let granted = rlimit::increase_nofile_limit(wanted).unwrap_or(soft);
    (granted < wanted).then(|| {
        format!(
            "{granted} descriptors are allowed, fewer than the cap of {connections} connections \
             needs; clients beyond them wait (raise ulimit -n, or lower --max-connections)"
        )
    })
}

/// A server of the command, while it runs.
struct Serving {
    running: Running,
    printer: Printer,
    style: Style,
    interrupt: Signal,
    terminate: Signal,
}

impl Serving {
    /// Prepares everything that can fail before the runtime is entered; the
    /// future that it gives serves until the end.
    fn start(
        common: &Common,
        args: &ServeArgs,
        limits: Limits,
        note: Option<String>,
    ) -> Result<impl Future<Output = Result<Exit, Failure>> + use<>, Failure> {
        let plan = Plan::make(args)?;
        let (json, quiet) = (common.json, args.quiet);
        let style = common.color.style_for(&io::stdout());
        let began = SystemTime::now();
        let own_lines = plan.shows_its_own_lines();
        let render = move |line: &Line| render(line, json, own_lines, began, style);
        let (printer, printing) = Printer::start(render)?;
        let cores = usize::from(args.cores);
        let chat = args.chat.clone();
        // Who listens is not idle, unless somebody said so.
        let silence = match args.idle_timeout {
            None => Silence::Allowed,
            Some(_) => Silence::Ends,
        };
        let common = common.clone();
        Ok(async move {
            let observer = observer(printer.clone(), json, quiet);
            let server = Server::new()
                .limits(limits)
                .cores(cores)
                .partial(Partial::Accept)
                .observer(observer);
            let message = plan.message(&printer);
            let rooms = chat.rooms(&printer, quiet, silence);
            let server = plan.add_to(server, &message, &rooms);
            let signals = (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            );
            let running = server
                .start()
                .await
                .map_err(|error| start_failure(&error))?;
            let serving = Serving {
                running,
                printer,
                style: common.color.style_for(&io::stderr()),
                interrupt: signals.0,
                terminate: signals.1,
            };
            let exit = serving
                .run(&common, note, own_lines && !json, &message)
                .await;
            drop(printing);
            Ok(exit)
        })
    }

    /// Whether a service of this name is open anywhere.
    fn serves(&self, name: &str) -> bool {
        let bounds = self.running.endpoints();
        bounds.iter().any(|bound| &*bound.service == name)
    }

    /// Serves until it is asked to stop, or has nothing more to do.
    async fn run(
        mut self,
        common: &Common,
        note: Option<String>,
        bare: bool,
        message: &Message,
    ) -> Exit {
        if !common.json {
            self.introduce(bare);
        }
        if self.serves("message") {
            message.ready();
        }
        if let Some(text) = note {
            self.printer.print(Line::now(Told::Note { text }));
        }
        let mut exit = Exit::Done;
        for error in self.running.failures() {
            let failure = start_failure(error);
            exit = failure.exit;
            self.complain(common, &failure);
        }
        let printer = self.printer.clone();
        let asked = tokio::select! {
            biased;
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => true,
            () = printer.closed() => true,
            () = self.running.ended() => false,
        };
        if asked {
            self.stop().await;
        }
        self.printer.flush();
        self.sum_up(common);
        exit
    }

    /// Prints the table of what listens where: on stdout, or on stderr where stdout
    /// belongs to the service's own lines.
    fn introduce(&self, bare: bool) {
        let bounds = self.running.endpoints();
        let table = table::render(bounds, self.style);
        let text = format!("{table}\n{}; Ctrl-C stops\n\n", table::reach(bounds));
        // When nobody reads stdout, the printer notices and ends the server.
        let _ = if bare {
            io::stderr().write_all(text.as_bytes())
        } else {
            let mut stdout = io::stdout().lock();
            stdout
                .write_all(text.as_bytes())
                .and_then(|()| stdout.flush())
        };
    }

    fn complain(&self, common: &Common, failure: &Failure) {
        if common.json {
            let _ = writeln!(io::stdout(), "{}", failure.to_json());
        }
        let _ = io::stderr().write_all(failure.render(self.style).as_bytes());
    }

    /// Drains; a second signal cuts off what is left.
    async fn stop(&mut self) -> DrainReport {
        let open = self.running.snapshot().connections.len();
        if open > 0 {
            let _ = writeln!(
                io::stderr(),
                "stopping: {} may finish (Ctrl-C again to cut off)",
                count(open as u64, "connection")
            );
        }
        tokio::select! {
            biased;
            report = self.running.drain() => report,
            _ = self.interrupt.recv() => DrainReport { open, cut_off: self.running.cut_off().await },
            _ = self.terminate.recv() => DrainReport { open, cut_off: self.running.cut_off().await },
        }
    }

    /// The last line: what was served in all.
    fn sum_up(&self, common: &Common) {
        let snapshot = self.running.snapshot();
        if common.json {
            return;
        }
        let mut parts = vec![count(snapshot.accepted, "connection")];
        let mut datagrams = wharf::datagram::DatagramCounters::default();
        for socket in &snapshot.datagrams {
            datagrams += socket.counters;
        }
        if !snapshot.datagrams.is_empty() {
            parts.push(count(datagrams.received, "datagram"));
        }
        if snapshot.messages > 0 {
            parts.push(count(snapshot.messages, "message"));
        }
        parts.push(format!(
            "{} in",
            bytes(snapshot.received + datagrams.bytes_received)
        ));
        parts.push(format!(
            "{} out",
            bytes(snapshot.sent + datagrams.bytes_sent)
        ));
        let cut_off = snapshot.ended(wharf::connection::CloseReason::CutOff);
        if cut_off > 0 {
            parts.push(format!("{cut_off} cut off"));
        }
        let _ = writeln!(io::stderr(), "stopped: {}", parts.join(", "));
    }
}

/// Sends events to the printer: all of them, or with --quiet only troubles.
fn observer(
    printer: Printer,
    json: bool,
    quiet: bool,
) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    move |event: &Event<'_>| {
        let routine = matches!(
            event,
            Event::Opened { .. } | Event::Secured { .. } | Event::Closed { .. }
        );
        let said_by_the_table = matches!(event, Event::Listening { .. });
        if (quiet && routine) || (!json && said_by_the_table) {
            return;
        }
        if let Some(line) = Line::of(event) {
            printer.print(line);
        }
    }
}

fn render(
    line: &Line,
    json: bool,
    own_lines: bool,
    began: SystemTime,
    style: Style,
) -> Option<String> {
    if json {
        return Some(line.to_json().to_string());
    }
    match &line.told {
        Told::Shown { text, .. } if own_lines => Some(text.clone()),
        Told::Opened(_) | Told::Closed { .. } | Told::Draining { .. } if own_lines => None,
        _ => line.to_text(began, style),
    }
}
