//! `wharf serve`: from arguments to a running server, and to its end.
//!
//! Layout: `args` is what can be typed (`chat` and `games` for these alone, `door` for
//! passwords, `page` for pages), `plan` what it
//! means (`program` what exec runs), `line` one event,
//! `printer` the thread that writes events, `reader` who reads them, `opening` and
//! `table` what is told at the start, `summary` what at the end.

mod args;
mod chat;
mod door;
mod games;
mod line;
mod opening;
#[cfg(feature = "page")]
mod page;
mod plan;
mod printer;
mod program;
mod reader;
mod summary;
mod table;
mod traced;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::signal::unix::{Signal, SignalKind, signal};
use wharf::connection::Silence;
use wharf::limits::{Limits, WhenFull};
use wharf::network::{Network, Os, Tap};
use wharf::server::{Bound, DrainReport, Event, Observer, Partial, Running, Server};
use wharf_services::Message;

use crate::args::Common;
use crate::connect;
use crate::exit::Exit;
use crate::failure::{Failure, start_failure, words};
use crate::style::{Style, count};
use crate::trace::Served;

use args::FullPolicy;
pub(crate) use args::ServeArgs;
use door::{Doors, Entrance};
use line::{Line, Told};
use opening::Opening;
use plan::Plan;
use printer::Printer;
use summary::Summary;

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
    if args.door.entrance() == Entrance::Gated {
        return Err(Failure::usage(
            "--show knows no gate: it shows the service alone",
        ));
    }
    let program = connect::show_server(service, address, language)?;
    match io::stdout().write_all(program.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Done),
    }
}

fn limits(args: &ServeArgs) -> Limits {
    let mut limits = Limits {
        when_full: match args.when_full {
            Some(FullPolicy::Wait) => WhenFull::Wait,
            Some(FullPolicy::Refuse) => WhenFull::Refuse,
            // The chat has a word for it, and whoever waits would hear nothing.
            None if plan::is_only_chat(args) => WhenFull::Refuse,
            None => WhenFull::Wait,
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

/// How the command talks.
#[derive(Clone, Copy)]
struct Manner {
    form: Form,
    /// Only troubles are told.
    quiet: bool,
    /// For people, on stderr and on stdout.
    styles: [Style; 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    /// Events as lines for people.
    Events,
    /// The lines of the service itself.
    OwnLines,
}

impl Manner {
    fn of(common: &Common, args: &ServeArgs, plan: &Plan) -> Self {
        let form = match (common.json, plan.shows_its_own_lines()) {
            (true, _) => Form::Json,
            (false, true) => Form::OwnLines,
            (false, false) => Form::Events,
        };
        let color = common.color;
        Manner {
            form,
            quiet: args.quiet,
            styles: [
                color.style_for(&io::stderr()),
                color.style_for(&io::stdout()),
            ],
        }
    }

    /// Whether people are told about an ordinary course of things.
    fn tells_people(self) -> bool {
        self.form != Form::Json && !self.quiet
    }

    /// Whether even what is worth knowing stays untold.
    fn tells_nothing(self) -> bool {
        self.form != Form::Json && self.quiet
    }

    /// Whether an event is told.
    fn tells(self, event: &Event<'_>) -> bool {
        match event {
            Event::Opened { .. } | Event::Secured { .. } | Event::Closed { .. } => !self.quiet,
            Event::Note { .. } => self.tells_people() || self.form == Form::Json,
            _ => true,
        }
    }

    fn render(self, line: &Line, began: SystemTime) -> Option<String> {
        match (self.form, &line.told) {
            // It has a form of its own, for people and for machines.
            (_, Told::Traced(picture)) => Some(picture.trim_end().to_owned()),
            (Form::Json, _) => Some(line.to_json().to_string()),
            (Form::OwnLines, Told::Shown { text, .. }) => Some(text.clone()),
            (Form::OwnLines, Told::Opened(_) | Told::Closed { .. }) => None,
            _ => line.to_text(began, self.styles[1]),
        }
    }
}

/// The page service, in a command that has it.
struct Pages {
    #[cfg(feature = "page")]
    page: wharf_services::Page,
}

#[cfg(feature = "page")]
impl Pages {
    fn make(args: &ServeArgs, printer: &Printer, quiet: bool) -> Result<Self, Failure> {
        let page = args.page.page(printer, quiet)?;
        Ok(Pages { page })
    }

    /// Says what Wharf's own page tells.
    fn show(&self, rows: Vec<wharf_services::page::Row>) {
        self.page.show_rows(rows);
    }
}

#[cfg(not(feature = "page"))]
impl Pages {
    fn make(_: &ServeArgs, _: &Printer, _: bool) -> Result<Self, Failure> {
        Ok(Pages {})
    }
}

/// A server of the command, while it runs.
struct Serving {
    running: Running,
    printer: Printer,
    opening: Arc<Opening>,
    manner: Manner,
    entrance: Entrance,
    doors: Doors,
    interrupt: Signal,
    terminate: Signal,
    tracing: Option<Served>,
}

/// What a server is told besides its network and its services.
struct Settings<O> {
    limits: Limits,
    cores: usize,
    observer: O,
}

impl<O: Observer> Settings<O> {
    fn apply<N: Network>(self, network: N) -> Server<N> {
        Server::on(network)
            .limits(self.limits)
            .cores(self.cores)
            .partial(Partial::Accept)
            .observer(self.observer)
    }
}

async fn start<N: Network>(server: Server<N>) -> Result<Running, Failure> {
    let started = server.start().await;
    started.map_err(|error| start_failure(&error))
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
        let manner = Manner::of(common, args, &plan);
        let began = SystemTime::now();
        let (printer, printing) = Printer::start(move |line| manner.render(line, began))?;
        let doors = args
            .door
            .open(&printer, manner.quiet, |name| plan.serves(name))?;
        let entrance = args.door.entrance();
        let pages = Pages::make(args, &printer, manner.quiet)?;
        let cores = usize::from(args.cores);
        let (chat, games) = (args.chat.clone(), args.games.clone());
        let write = args.trace_write.clone();
        let traced = args
            .trace
            .map(|view| view.prepare(common, write))
            .transpose()?;
        // Who listens is not idle, unless somebody said so.
        let silence = match args.idle_timeout {
            None => Silence::Allowed,
            Some(_) => Silence::Ends,
        };
        Ok(async move {
            let opening = Arc::new(Opening::default());
            let message = plan.message(&printer);
            let rooms = chat.rooms(&printer, manner.quiet, silence);
            let tables = games.tables(&printer, manner.quiet);
            let observer = observer(printer.clone(), Arc::clone(&opening), manner);
            let settings = Settings {
                limits,
                cores,
                observer,
            };
            let signals = (
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
            );
            let (running, tracing) = match traced {
                None => {
                    let server = plan.add_to(
                        settings.apply(Os),
                        &message,
                        &rooms,
                        &tables,
                        &doors,
                        &pages,
                    );
                    (start(server).await?, None)
                }
                Some(show) => {
                    let (network, calls) = Tap::new(Os);
                    let server = plan.add_to(
                        settings.apply(network),
                        &message,
                        &rooms,
                        &tables,
                        &doors,
                        &pages,
                    );
                    let running = start(server).await?;
                    let tracing = traced::start(show, calls, &running, &printer)?;
                    (running, Some(tracing))
                }
            };
            #[cfg(feature = "page")]
            pages.show(table::page_rows(running.endpoints(), entrance));
            let serving = Serving {
                running,
                printer,
                opening,
                manner,
                entrance,
                doors,
                interrupt: signals.0,
                terminate: signals.1,
                tracing,
            };
            let notes = note.into_iter().chain(plan.notes().iter().cloned());
            let exit = serving.run(notes.collect(), &message).await;
            drop(printing);
            exit
        })
    }

    /// Whether a service of this name is open anywhere.
    fn serves(&self, name: &str) -> bool {
        let bounds = self.running.endpoints();
        bounds.iter().any(|bound| &*bound.service == name)
    }

    /// Serves until it is asked to stop, or has nothing more to do.
    async fn run(mut self, notes: Vec<String>, message: &Message) -> Result<Exit, Failure> {
        self.open(notes).await?;
        if self.serves("message") {
            message.ready();
        }
        let mut exit = Exit::Done;
        for error in self.running.failures() {
            let failure = start_failure(error);
            exit = failure.exit;
            self.complain(&failure);
        }
        let printer = self.printer.clone();
        let asked = tokio::select! {
            biased;
            _ = self.interrupt.recv() => Some(Asked::ToStop),
            _ = self.terminate.recv() => Some(Asked::ToStop),
            () = printer.closed() => Some(Asked::ByStdout),
            () = reader::gone() => Some(Asked::ToStop),
            () = self.running.ended() => None,
        };
        if asked.is_some() {
            self.stop().await;
        }
        if let Some(tracing) = self.tracing.take() {
            tracing.finish();
        }
        self.sum_up();
        self.printer.flush();
        match asked {
            Some(Asked::ByStdout) => stdout_works().map(|()| exit),
            _ => Ok(exit),
        }
    }

    /// Tells where it listens, and what is worth knowing about that.
    async fn open(&self, notes: Vec<String>) -> Result<(), Failure> {
        let buffers = opening::buffers(&self.running).await;
        let bounds = self.running.endpoints();
        if self.manner.tells_people() {
            self.introduce(bounds)?;
        }
        let mut lines: Vec<Line> = Vec::new();
        if self.manner.form == Form::Json {
            let listening = bounds.iter().zip(&buffers);
            lines.extend(listening.map(|(bound, buffer)| opening::listening(bound, *buffer)));
        }
        if self.manner.form == Form::Json || self.manner.tells_people() {
            let notes = notes
                .into_iter()
                .chain(self.doors.notes(bounds))
                .chain(opening::notes(bounds, &buffers));
            lines.extend(notes.map(|text| Line::now(Told::Note { text })));
        }
        if let (true, Some(note)) = (self.manner.tells_nothing(), self.doors.made_up()) {
            // Without a stderr there is nobody to tell.
            let _ = writeln!(io::stderr(), "{note}");
        }
        self.opening.end(&self.printer, lines.into_iter());
        Ok(())
    }

    /// Prints the table of what listens where: on stdout, or on stderr where stdout
    /// belongs to the service's own lines.
    fn introduce(&self, bounds: &[Bound]) -> Result<(), Failure> {
        let [stderr, stdout] = self.manner.styles;
        let text = |style| {
            let table = table::render(bounds, self.entrance, style);
            format!("{table}\n{}; Ctrl-C stops\n\n", table::reach(bounds))
        };
        if self.manner.form == Form::OwnLines {
            // Without a stderr there is nobody to tell.
            let _ = io::stderr().write_all(text(stderr).as_bytes());
            return Ok(());
        }
        let mut lock = io::stdout().lock();
        let written = lock
            .write_all(text(stdout).as_bytes())
            .and_then(|()| lock.flush());
        // When nobody reads stdout, the printer notices and ends the server.
        of_stdout(written)
    }

    fn complain(&self, failure: &Failure) {
        if self.manner.form == Form::Json {
            // In line with the events, which another thread writes.
            let told = Told::Failed(failure.to_json());
            self.printer.print(Line::now(told));
        }
        let text = failure.render(self.manner.styles[0]);
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// Drains; a second signal cuts off what is left.
    async fn stop(&mut self) -> DrainReport {
        let open = self.running.snapshot().connections.len();
        if open > 0 && !self.manner.quiet {
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

    /// The last line, or the last event: what was served in all.
    fn sum_up(&self) {
        let summary = Summary::of(self.running.snapshot());
        if self.manner.form == Form::Json {
            let told = Told::Stopped(summary.json());
            // After this there is room for it, however slow the reader is.
            self.printer.flush();
            self.printer.print(Line::now(told));
        } else if !self.manner.quiet {
            let _ = io::stderr().write_all(summary.text().as_bytes());
        }
    }
}

/// Why a server stops that could go on.
enum Asked {
    /// By a signal, or because nobody reads its events any more.
    ToStop,
    /// Its events cannot be written.
    ByStdout,
}

/// A reader that went away (`wharf serve | head`) is no failure; everything else is.
fn of_stdout(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::Failed,
            format!("cannot write to stdout: {}", words(&error)),
        )),
        _ => Ok(()),
    }
}

/// What is wrong with stdout after an event could not be written: asked by one more
/// line feed, which fails as the event did.
fn stdout_works() -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    of_stdout(stdout.write_all(b"\n").and_then(|()| stdout.flush()))
}

/// Sends events to the printer, those of the start after it.
fn observer(
    printer: Printer,
    opening: Arc<Opening>,
    manner: Manner,
) -> impl Fn(&Event<'_>) + Send + Sync + 'static {
    move |event: &Event<'_>| {
        if manner.tells(event)
            && let Some(line) = Line::of(event)
        {
            opening.print(&printer, line);
        }
    }
}
