//! Frames from the kernel: an AF_PACKET socket (packet(7)) with a filter.
//!
//! It needs CAP_NET_RAW. Who does not have it is told how to get it, and goes on
//! without.
//!
//! ```text
//!   kernel ─▶ filter (BPF: addresses and ports) ─▶ socket ─▶ one of each pair on
//!   loopback ─▶ Frame with the kernel's time
//! ```

mod filter;
mod kernel;
mod socket;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use wharf_wire::frame::Frame;

pub(crate) use filter::Filter;
pub(crate) use kernel::{TcpInfo, tcp_info};
use socket::Packets;
pub(crate) use socket::now;

/// Frames that wait for whoever shows them; further ones are counted as lost. 64 KiB
/// frames of loopback make this 256 MiB at the very most.
const WAITING: usize = 4_096;

/// How long the thread sleeps at most before it looks whether it shall end.
const TICK: Duration = Duration::from_millis(100);

/// A capture that runs until it is dropped.
pub(crate) struct Capture {
    frames: Receiver<Frame>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
    narrow: SyncSender<Filter>,
}

/// Why there is no capture.
#[derive(Debug)]
pub(crate) enum Refused {
    /// CAP_NET_RAW is missing.
    NotAllowed,
    /// Something else.
    Failed(io::Error),
}

impl Refused {
    /// Why, and what to do about it.
    pub(crate) fn explain(&self) -> String {
        match self {
            Refused::NotAllowed => {
                let program = std::env::current_exe()
                    .map_or_else(|_| "wharf".into(), |path| path.display().to_string());
                format!(
                    "capturing needs the right CAP_NET_RAW, which this process does not have; \
                     to grant it: sudo setcap cap_net_raw=ep {program}"
                )
            }
            Refused::Failed(error) => format!("capturing failed: {}", crate::failure::words(error)),
        }
    }
}

impl Capture {
    /// Starts to capture what passes the filter, on every interface.
    ///
    /// # Errors
    /// Without the right to, or if the kernel refuses.
    pub(crate) fn start(filter: &Filter) -> Result<Capture, Refused> {
        let packets = Packets::open(filter).map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Refused::NotAllowed,
            _ => Refused::Failed(error),
        })?;
        let (sender, frames) = sync_channel(WAITING);
        let (narrow, filters) = sync_channel(4);
        let end = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&end);
        let thread = std::thread::Builder::new()
            .name("capture".into())
            .spawn(move || run(packets, &sender, &filters, &ended))
            .map_err(Refused::Failed)?;
        Ok(Capture {
            frames,
            end,
            thread: Some(thread),
            narrow,
        })
    }

    /// Lets less through from now on.
    pub(crate) fn narrow(&self, filter: Filter) {
        // If the thread has ended there is nothing to filter.
        let _ = self.narrow.try_send(filter);
    }

    /// The next frame, if one comes in this time.
    pub(crate) fn next(&self, within: Duration) -> Option<Frame> {
        self.frames.recv_timeout(within).ok()
    }

    /// Everything until nothing came for `quiet`, but no longer than `most`.
    pub(crate) fn drain(&self, quiet: Duration, most: Duration) -> Vec<Frame> {
        let until = Instant::now() + most;
        let mut frames = Vec::new();
        while let Some(frame) = self.next(quiet) {
            frames.push(frame);
            if Instant::now() > until {
                break;
            }
        }
        frames
    }

    /// Ends the capture; says how many frames were lost, if any were.
    pub(crate) fn stop(mut self) -> Option<String> {
        self.end.store(true, Ordering::Relaxed);
        let lost = self.thread.take().and_then(|thread| thread.join().ok())?;
        lost_words(lost)
    }
}

fn lost_words(lost: u64) -> Option<String> {
    (lost > 0).then(|| {
        format!(
            "{} lost: the capture did not keep up",
            match lost {
                1 => "1 frame was".to_owned(),
                more => format!("{more} frames were"),
            }
        )
    })
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
    }
}

/// Reads until the end; gives how many frames were lost for want of room.
fn run(
    mut packets: Packets,
    sender: &SyncSender<Frame>,
    filters: &Receiver<Filter>,
    end: &AtomicBool,
) -> u64 {
    let mut lost = 0;
    while !end.load(Ordering::Relaxed) {
        while let Ok(filter) = filters.try_recv() {
            // The wider one stays in force; what passes is looked at again anyway.
            let _ = packets.filter(&filter);
        }
        match packets.next(TICK) {
            Ok(None) => {}
            Ok(Some(frame)) => match sender.try_send(frame) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => lost += 1,
                Err(TrySendError::Disconnected(_)) => break,
            },
            // An interface went down; others go on.
            Err(error) if error.kind() == io::ErrorKind::NetworkDown => {}
            Err(_) => break,
        }
    }
    lost + packets.dropped()
}

/// Whether a frame belongs to a conversation between two ends, or is an ICMP error
/// about it.
pub(crate) fn belongs(frame: &Frame, ends: &[(SocketAddr, SocketAddr)]) -> bool {
    use wharf_wire::packet::{Carried, Packet};
    let Some(packet) = Packet::of(frame.link, &frame.bytes) else {
        return false;
    };
    let is_pair = |one: SocketAddr, other: SocketAddr| {
        ends.iter()
            .any(|(a, b)| (same(one, *a) && same(other, *b)) || (same(one, *b) && same(other, *a)))
    };
    match packet.carried(&frame.bytes) {
        Carried::Tcp(segment) => is_pair(
            SocketAddr::new(packet.source, segment.source),
            SocketAddr::new(packet.destination, segment.destination),
        ),
        Carried::Udp {
            source,
            destination,
            ..
        } => is_pair(
            SocketAddr::new(packet.source, source),
            SocketAddr::new(packet.destination, destination),
        ),
        Carried::Other if packet.fragment.is_some() => ends.iter().any(|(a, b)| {
            [a.ip(), b.ip()].contains(&packet.source)
                && [a.ip(), b.ip()].contains(&packet.destination)
        }),
        Carried::Other => quotes(frame, ends),
    }
}

/// The same address and port; port 0 stands for one that is not known. The zone of a link-local address is of this machine only.
fn same(one: SocketAddr, other: SocketAddr) -> bool {
    let is_unknown = other.port() == 0;
    (one.ip() == other.ip() && one.port() == other.port())
        || (is_unknown && one.ip().is_ipv4() == other.ip().is_ipv4())
}

/// Whether an ICMP error quotes a packet between these ends.
fn quotes(frame: &Frame, ends: &[(SocketAddr, SocketAddr)]) -> bool {
    let Some(quoted) = quoted_ports(frame) else {
        return false;
    };
    let ports = |one: SocketAddr, other: SocketAddr| quoted == (one.port(), other.port());
    ends.iter().any(|(a, b)| ports(*a, *b) || ports(*b, *a))
}

/// The ports of the packet that an ICMP error quotes, the sender's first.
pub(crate) fn quoted_ports(frame: &Frame) -> Option<(u16, u16)> {
    use wharf_wire::application::Dissectors;
    use wharf_wire::layers::Layers;
    Layers::of(frame, &Dissectors::none()).quoted_ports()
}
