//! The start of a server: events wait until it is known what its sockets got.
//!
//! How large a receive buffer the system granted is known once a datagram socket is
//! served; what happens until then is told after the sockets, in its order.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use wharf::address::Scheme;
use wharf::datagram::BufferSize;
use wharf::server::{Bound, Running};

use super::line::{Line, Told};
use super::printer::Printer;
use crate::style::bytes;

/// How many events may wait; what comes after them is told before them.
const HELD: usize = 1024;

/// How often the tasks of the sockets get a turn, at most; one is enough for each.
const TURNS: usize = 16;

/// Events that wait for the end of the start.
#[derive(Default)]
pub(super) struct Opening {
    held: Mutex<Vec<Line>>,
    is_over: AtomicBool,
}

impl Opening {
    /// Tells an event, now or after the start.
    pub(super) fn print(&self, printer: &Printer, line: Line) {
        if !self.is_over.load(Ordering::Acquire) {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if !self.is_over.load(Ordering::Acquire) && held.len() < HELD {
                held.push(line);
                return;
            }
        }
        printer.print(line);
    }

    /// Tells `first`, and then what has waited.
    pub(super) fn end(&self, printer: &Printer, first: impl Iterator<Item = Line>) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        first
            .chain(mem::take(&mut *held))
            .for_each(|line| printer.print(line));
        self.is_over.store(true, Ordering::Release);
    }
}

/// The receive buffer of every socket, in their order; `None` for listeners.
pub(super) async fn buffers(running: &Running) -> Vec<Option<BufferSize>> {
    let is_known = |bounds: &[Option<BufferSize>]| {
        let sockets = running.endpoints().iter().zip(bounds);
        let mut datagrams = sockets.filter(|(bound, _)| bound.scheme.is_datagram());
        datagrams.all(|(_, buffer)| buffer.is_some())
    };
    let mut buffers = known_buffers(running);
    for _ in 0..TURNS {
        if is_known(&buffers) {
            break;
        }
        tokio::task::yield_now().await;
        buffers = known_buffers(running);
    }
    buffers
}

fn known_buffers(running: &Running) -> Vec<Option<BufferSize>> {
    let sockets = running.snapshot().datagrams;
    let buffer_of = |bound: &Bound| {
        let socket = sockets
            .iter()
            .find(|socket| bound.scheme.is_datagram() && socket.local == bound.local);
        socket.map(|socket| socket.receive_buffer)
    };
    running.endpoints().iter().map(buffer_of).collect()
}

/// The event of a socket.
pub(super) fn listening(bound: &Bound, buffer: Option<BufferSize>) -> Line {
    Line::now(Told::Listening {
        service: bound.service.clone(),
        scheme: bound.scheme.as_str(),
        local: bound.local.to_string(),
        fingerprint: bound.fingerprint.map(|hash| hash.to_string()),
        buffer,
    })
}

/// What is worth knowing about the sockets and does not show in the table.
pub(super) fn notes(bounds: &[Bound], buffers: &[Option<BufferSize>]) -> Vec<String> {
    let small = bounds.iter().zip(buffers).filter_map(|(bound, buffer)| {
        let buffer = buffer.filter(|buffer| buffer.granted < buffer.asked)?;
        Some(small_buffer(bound, buffer))
    });
    small.chain(quiet_afar(bounds)).collect()
}

fn small_buffer(bound: &Bound, buffer: BufferSize) -> String {
    format!(
        "{} at {} has a receive buffer of {} instead of {}: a burst may be lost (as root: sysctl \
         net.core.rmem_max={})",
        bound.service,
        bound.local,
        bytes(buffer.granted as u64),
        bytes(buffer.asked as u64),
        buffer.asked
    )
}

/// Services whose answers are longer than what a client would send by itself, where
/// other machines can ask: the guard against amplification keeps them silent.
fn quiet_afar(bounds: &[Bound]) -> Option<String> {
    let mut names: Vec<&str> = bounds
        .iter()
        .filter(|bound| bound.scheme.is_datagram() && bound.scheme != Scheme::UnixDgram)
        .filter(|bound| !bound.local.is_local())
        .map(|bound| &*bound.service)
        .filter(|name| matches!(*name, "daytime" | "time" | "chargen"))
        .collect();
    names.dedup();
    if names.is_empty() {
        return None;
    }
    Some(format!(
        "over udp {} answers peers on other machines only when they ask with at least as many \
         bytes: a longer answer to a forged address would be an attack on its owner",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(service: &str, local: &str) -> Bound {
        Bound {
            service: service.into(),
            local: local.parse::<std::net::SocketAddr>().unwrap().into(),
            scheme: Scheme::Udp,
            fingerprint: None,
        }
    }

    #[test]
    fn a_guarded_service_is_named_only_where_others_can_ask() {
        let here = [bound("daytime", "127.0.0.1:13"), bound("time", "[::1]:37")];
        assert!(notes(&here, &[None, None]).is_empty());
        let open = [
            bound("daytime", "0.0.0.0:13"),
            bound("daytime", "[::]:13"),
            bound("echo", "0.0.0.0:7"),
        ];
        let notes = notes(&open, &[None; 3]);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(
            notes[0].starts_with("over udp daytime answers peers on other machines only"),
            "{notes:?}"
        );
    }

    #[test]
    fn a_buffer_that_is_too_small_has_a_cure() {
        let buffer = |granted| {
            Some(BufferSize {
                asked: 4 << 20,
                granted,
            })
        };
        let here = [bound("echo", "127.0.0.1:7")];
        assert!(notes(&here, &[buffer(4 << 20)]).is_empty());
        let notes = notes(&here, &[buffer(208 << 10)]);
        assert!(
            notes[0].contains("208.0 KiB instead of 4.0 MiB"),
            "{notes:?}"
        );
        assert!(notes[0].contains("net.core.rmem_max=4194304"), "{notes:?}");
    }
}
