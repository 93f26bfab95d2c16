//! `wharf trace live`: what passes now.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wharf_wire::frame::Frame;
use wharf_wire::packet::{Carried, Packet};
use wharf_wire::trace::Trace;
use wharf_wire::view::View;

use super::args::LiveArgs;
use super::pick::Picker;
use super::read::{Live, Shown};
use super::show::Show;
use crate::capture::{Capture, Filter, Refused};
use crate::exit::Exit;
use crate::failure::Failure;

/// How often the sockets of a process are looked up.
const LOOK: Duration = Duration::from_millis(500);

/// How long to wait for a frame before looking whether to end.
const TICK: Duration = Duration::from_millis(100);

/// Captures and shows until Ctrl-C, or as many frames as were asked for.
pub(super) fn run(show: &Show, args: &LiveArgs) -> Result<Exit, Failure> {
    frame_by_frame(show)?;
    let filter = Filter {
        ports: args.pick.port.into_iter().collect(),
        peer_port: None,
        host: args.pick.host,
    };
    let capture = Capture::start(&filter).map_err(|refused| failure(&refused))?;
    let end = stop_on_signals()?;
    let mut process = args.process.map(Sockets::of).transpose()?;
    let mut live = Live::new(show, Trace::new(show.dissectors()), &args.pick)?;
    let mut picker = Picker::new(&args.pick);
    eprintln!("capturing; Ctrl-C ends it");
    let mut shown = 0;
    while !end.load(Ordering::Relaxed) && args.count.is_none_or(|most| shown < most) {
        let Some(frame) = capture.next(TICK) else {
            // Nothing to do: what was captured until now goes into the file.
            live.flush()?;
            continue;
        };
        let is_ours = process.as_mut().is_none_or(|process| process.has(&frame));
        if is_ours && picker.takes_frame(&frame) {
            match live.show(frame)? {
                Shown::Yes => shown += 1,
                Shown::No => {}
                Shown::Unread => break,
            }
        }
    }
    let exit = live.finish()?;
    if let Some(lost) = capture.stop() {
        eprintln!("{lost}");
    }
    Ok(exit)
}

fn failure(refused: &Refused) -> Failure {
    let failure = Failure::new(Exit::Failed, refused.explain());
    match refused {
        Refused::NotAllowed => failure
            .cure("wharf trace ADDRESS --send TEXT, which models the frames without that right"),
        Refused::Failed(_) => failure,
    }
}

/// Frames are shown as they come: a view of all of them at once has none to show.
fn frame_by_frame(show: &Show) -> Result<(), Failure> {
    let wanted = match show.view {
        _ if show.explained().is_some() => "--explain",
        _ if show.is_interactive() => "--interactive",
        Some(View::Ladder) => "--view ladder",
        Some(View::Story) => "--view story",
        Some(View::Mermaid) => "--view mermaid",
        None | Some(View::Lines | View::Boxes | View::Hex | View::Json) => return Ok(()),
    };
    Err(Failure::usage(format!(
        "{wanted} needs all frames at once, and live shows each as it comes"
    ))
    .cure(format!(
        "wharf trace live -w FILE, then wharf trace read FILE {wanted}"
    )))
}

/// Ctrl-C, SIGTERM and SIGHUP end the capture in order: the file is written to its end.
/// A second one ends everything at once, also where nobody reads what is shown.
fn stop_on_signals() -> Result<Arc<AtomicBool>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let end = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&end);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let [mut interrupt, mut terminate, mut hangup] = {
        let _entered = runtime.enter();
        [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                    _ = hangup.recv() => {}
                }
                if seen.swap(true, Ordering::Relaxed) {
                    std::process::exit(Exit::Aborted as i32);
                }
            }
        });
    });
    Ok(end)
}

/// The ports of a process's sockets, as /proc tells them (proc(5)).
struct Sockets {
    pid: u32,
    ports: BTreeSet<u16>,
    looked: Instant,
}

impl Sockets {
    fn of(pid: u32) -> Result<Sockets, Failure> {
        let mut sockets = Sockets {
            pid,
            ports: BTreeSet::new(),
            looked: Instant::now(),
        };
        if !sockets.look() {
            return Err(
                Failure::usage(format!("the sockets of process {pid} cannot be read"))
                    .with("means", "there is no such process, or it is another user's"),
            );
        }
        Ok(sockets)
    }

    fn has(&mut self, frame: &Frame) -> bool {
        if self.looked.elapsed() > LOOK {
            self.look();
        }
        let ports =
            match Packet::of(frame.link, &frame.bytes).map(|packet| packet.carried(&frame.bytes)) {
                Some(Carried::Tcp(segment)) => [segment.source, segment.destination],
                Some(Carried::Udp {
                    source,
                    destination,
                    ..
                }) => [source, destination],
                _ => return false,
            };
        if ports.iter().any(|port| self.ports.contains(port)) {
            return true;
        }
        // A socket that is newer than the last look.
        self.look();
        ports.iter().any(|port| self.ports.contains(port))
    }

    /// Reads the inodes of its sockets and their local ports. Ports of sockets that are
    /// closed stay: their last segments belong to the process, too.
    fn look(&mut self) -> bool {
        self.looked = Instant::now();
        let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", self.pid)) else {
            return false;
        };
        let inodes: BTreeSet<String> = entries
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .filter_map(|link| {
                Some(
                    link.to_str()?
                        .strip_prefix("socket:[")?
                        .strip_suffix(']')?
                        .to_owned(),
                )
            })
            .collect();
        for table in ["tcp", "tcp6", "udp", "udp6"] {
            let text = std::fs::read_to_string(format!("/proc/{}/net/{table}", self.pid))
                .unwrap_or_default();
            for line in text.lines().skip(1) {
                let cells: Vec<&str> = line.split_whitespace().collect();
                let (Some(local), Some(inode)) = (cells.get(1), cells.get(9)) else {
                    continue;
                };
                let port = local
                    .rsplit_once(':')
                    .and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
                if let Some(port) = port.filter(|_| inodes.contains(*inode)) {
                    self.ports.insert(port);
                }
            }
        }
        true
    }
}
