//! `wharf serve --trace`: every connection of a server, drawn when it has ended, and
//! every exchange of datagrams, drawn when nothing more came.
//!
//! ```text
//!   server on a Tap ─▶ Calls ─▶ stories, one for each client ─┐
//!   capture (or nothing) ─▶ frames that wait ─────────────────┴─▶ Trace ─▶ view
//! ```
//! The calls come from the tap of the server's network, the frames from a capture of the
//! server's ports or, where that is not allowed, from the model. A thread of its own does
//! it, so that drawing holds up no client; the tap drops what it cannot keep, and counts.
//!
//! Layout: this file sorts and draws, `story` is one conversation as a trace, `words` are
//! the calls in words.

mod story;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wharf::network::tap::{Call, Calls, Event, SocketId, Transport};
use wharf::server::Bound;
use wharf_wire::frame::Frame;
use wharf_wire::trace::Trace;
use wharf_wire::view::{View, draw};

use super::args::{LookArgs, ViewArgs, ViewName};
use super::protocols;
use super::show::{OutFile, Show};
use crate::args::Common;
use crate::capture::{Capture, Filter, Refused, belongs};
use crate::failure::Failure;
use crate::style::Style;
use story::Story;

/// How long after its last call a conversation is waited for: its last frames come
/// within a delayed acknowledgement, 40 ms.
const QUIET: Duration = Duration::from_millis(60);

/// How often the thread looks for frames, and whether it shall end.
const TICK: Duration = Duration::from_millis(20);

/// How many conversations are followed at once; of others no picture is drawn.
const MAX_STORIES: usize = 1_024;

/// How many frames wait for the end of their conversations; the oldest go first.
const MAX_FRAMES: usize = 16_384;

/// How many sockets' first calls wait for their first client: a listener of each core at
/// each of a few addresses.
const MAX_OPENINGS: usize = 1_024;

/// Which picture `--trace` draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ServedView(ViewName);

/// How pictures are drawn, and where frames are written to, too.
pub(crate) struct ServedShow {
    show: Show,
    file: Option<OutFile>,
}

impl ServedView {
    /// Prepares what can fail before the server is there: the file.
    ///
    /// # Errors
    /// If the file exists or cannot be written.
    pub(crate) fn prepare(
        self,
        common: &Common,
        write: Option<PathBuf>,
    ) -> Result<ServedShow, Failure> {
        let show = Show::new(common, &self.args(common, write));
        let file = show.file()?;
        Ok(ServedShow { show, file })
    }

    fn args(self, common: &Common, write: Option<PathBuf>) -> ViewArgs {
        ViewArgs {
            view: (!common.json).then_some(self.0),
            look: LookArgs::default(),
            frame: None,
            told: Vec::new(),
            explain: None,
            interactive: false,
            write,
        }
    }
}

/// Reads the value of `--trace`.
pub(crate) fn parse_served_view(text: &str) -> Result<ServedView, String> {
    clap::ValueEnum::from_str(text, false).map(ServedView)
}

/// Follows the conversations of a server, until it is told to finish.
pub(crate) struct Served {
    ends: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Served {
    /// Follows what is told in `calls`, of a server that listens at `bounds`; every
    /// picture is given to `print`.
    pub(crate) fn start(
        show: ServedShow,
        calls: Calls,
        bounds: &[Bound],
        print: impl Fn(String) + Send + 'static,
    ) -> std::io::Result<Self> {
        let ports = bounds.iter().filter_map(|bound| bound.local.port());
        let ports: Vec<u16> = ports.collect();
        let mut show = show;
        show.show.spoken(protocols::of_server(bounds));
        let follower = Follower {
            calls,
            frames: Frames::of(ports),
            show: show.show,
            file: show.file,
            stories: BTreeMap::new(),
            openings: BTreeMap::new(),
            missed: 0,
        };
        let ends = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ends);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()?;
        let thread = std::thread::Builder::new()
            .name("wharf-trace".into())
            .spawn(move || follower.run(&runtime, &told, &print))?;
        Ok(Served { ends, thread })
    }

    /// Draws what is left; it takes some [`QUIET`].
    pub(crate) fn finish(self) {
        self.ends.store(true, Ordering::Release);
        // A panic of it has been told on stderr, and has nothing more to draw.
        let _ = self.thread.join();
    }
}

/// A connection by its socket; of a datagram socket one peer.
type Key = (SocketId, Option<String>);

struct Follower {
    calls: Calls,
    frames: Frames,
    show: Show,
    file: Option<OutFile>,
    stories: BTreeMap<Key, Story>,
    /// What was called to open the sockets that have had no client yet.
    openings: BTreeMap<SocketId, Vec<Event>>,
    /// How many conversations were not followed.
    missed: u64,
}

impl Follower {
    fn run(
        mut self,
        runtime: &tokio::runtime::Runtime,
        ends: &AtomicBool,
        print: &impl Fn(String),
    ) {
        while !ends.load(Ordering::Acquire) {
            let wait = async { tokio::time::timeout(TICK, self.calls.next()).await };
            match runtime.block_on(wait) {
                Ok(Some(event)) => self.take(event),
                // The server and all of its sockets are gone.
                Ok(None) => break,
                Err(_) => {}
            }
            while let Some(event) = self.calls.try_next() {
                self.take(event);
            }
            self.frames.gather(Duration::ZERO);
            self.draw_due(Instant::now(), print);
        }
        for event in self.calls.take() {
            self.take(event);
        }
        self.frames.gather(QUIET);
        let now = Instant::now();
        for story in self.stories.values_mut() {
            story.due = Some(now);
        }
        self.draw_due(now, print);
        self.close();
        if let Some(lost) = self.frames.stop() {
            eprintln!("{lost}");
        }
        if self.missed > 0 {
            let missed = self.missed;
            eprintln!("{missed} conversations were not drawn: more than {MAX_STORIES} at once");
        }
    }

    /// Puts an event where it belongs.
    fn take(&mut self, event: Event) {
        if opens(&event) {
            if self.openings.len() < MAX_OPENINGS || self.openings.contains_key(&event.socket) {
                self.openings.entry(event.socket).or_default().push(event);
            }
            return;
        }
        let Some((key, begins)) = place(&event) else {
            return;
        };
        if !self.stories.contains_key(&key) {
            // What listens makes calls of its own, before and after its clients.
            if !begins {
                if matches!(event.call, Call::Close { .. }) {
                    self.openings.remove(&event.socket);
                }
                return;
            }
            if self.stories.len() >= MAX_STORIES {
                self.missed += 1;
                return;
            }
        }
        let story = self.stories.entry(key).or_default();
        // The first client's picture shows how the server came to be there.
        for earlier in self.openings.remove(&event.socket).into_iter().flatten() {
            story.add(earlier);
        }
        let is_last = matches!(event.call, Call::Close { .. });
        if is_last || is_datagram(&event) {
            story.due = Some(Instant::now() + QUIET);
        }
        story.add(event);
    }

    fn draw_due(&mut self, now: Instant, print: &impl Fn(String)) {
        let due: Vec<Key> = self
            .stories
            .iter()
            .filter(|(_, story)| story.due.is_some_and(|due| due <= now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            if let Some(story) = self.stories.remove(&key) {
                let captured = self.frames.take_of(&story);
                let mut trace = story.trace(captured, self.show.dissectors());
                trace.notes.extend(self.frames.lost());
                let view = self.show.view.unwrap_or(View::Ladder);
                print(draw(&trace, view, &self.show.look));
                self.write(&trace);
            }
        }
    }
}

impl Follower {
    /// Writes the frames of a conversation; the first failure is told and ends it.
    fn write(&mut self, trace: &Trace) {
        let Some(file) = &mut self.file else {
            return;
        };
        let mut frames = trace.steps.iter().map(|step| &step.frame);
        let written = frames.try_for_each(|frame| file.add(frame));
        // Whoever kills the server finds every conversation that has ended.
        if let Err(failure) = written.and_then(|()| file.flush()) {
            eprint!("{}", failure.render(Style::Plain));
            self.file = None;
        }
    }

    /// What is written so far is a whole file.
    fn close(&mut self) {
        if let Some(Err(failure)) = self.file.take().map(OutFile::finish) {
            eprint!("{}", failure.render(Style::Plain));
        }
    }
}

/// Whether a call is one of those that make a server's socket ready: each is made once.
fn opens(event: &Event) -> bool {
    matches!(
        event.call,
        Call::Socket | Call::Bind { .. } | Call::Listen { .. }
    )
}

/// Whose story an event belongs to, and whether one may begin with it.
fn place(event: &Event) -> Option<(Key, bool)> {
    match &event.call {
        Call::Accept { socket } => Some((((*socket)?, None), true)),
        Call::ReceiveFrom {
            from: Some(peer), ..
        }
        | Call::SendTo { to: peer, .. } => Some(((event.socket, Some(peer.to_string())), true)),
        _ if is_datagram(event) => None,
        _ => Some(((event.socket, None), false)),
    }
}

fn is_datagram(event: &Event) -> bool {
    matches!(event.transport, Transport::Udp | Transport::UnixDatagram)
}

/// Where frames come from, and those that wait.
struct Frames {
    capture: Result<Capture, String>,
    waiting: VecDeque<Frame>,
    /// How many had no place, since the last picture that said so.
    dropped: u64,
}

impl Frames {
    fn of(ports: Vec<u16>) -> Self {
        let capture = match ports.is_empty() {
            true => Err(story::UNIX.to_owned()),
            false => {
                let filter = Filter {
                    ports,
                    peer_port: None,
                    host: None,
                };
                Capture::start(&filter).map_err(|refused: Refused| refused.explain())
            }
        };
        Frames {
            capture,
            waiting: VecDeque::new(),
            dropped: 0,
        }
    }

    /// What is to be said about frames that had no place.
    fn lost(&mut self) -> Option<String> {
        let lost = std::mem::take(&mut self.dropped);
        (lost > 0).then(|| {
            format!("{lost} frames were dropped, perhaps of this conversation: more than {MAX_FRAMES} waited")
        })
    }

    /// Ends the capture; says what it lost.
    fn stop(&mut self) -> Option<String> {
        let ended = Err("the capture has ended".to_owned());
        std::mem::replace(&mut self.capture, ended).ok()?.stop()
    }

    /// Takes what has come, and what comes within `wait`.
    fn gather(&mut self, wait: Duration) {
        let Ok(capture) = &self.capture else {
            return;
        };
        while let Some(frame) = capture.next(wait) {
            if self.waiting.len() >= MAX_FRAMES {
                self.waiting.pop_front();
                self.dropped += 1;
            }
            self.waiting.push_back(frame);
        }
    }

    /// The frames of one conversation, or why there are none.
    fn take_of(&mut self, story: &Story) -> Result<Vec<Frame>, String> {
        if let Err(why) = &self.capture {
            return Err(why.clone());
        }
        let Some(ends) = story.ends() else {
            return Err(story::UNIX.to_owned());
        };
        let (mine, others): (VecDeque<Frame>, VecDeque<Frame>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|frame| belongs(frame, &[ends]));
        self.waiting = others;
        Ok(mine.into())
    }
}
