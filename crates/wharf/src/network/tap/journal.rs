//! Where events wait to be read: bounded, and never waited for.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Event, SocketId};
use crate::network::Platform;

/// How much may wait in a journal. What comes when it is full is dropped and counted,
/// so that the beginning of a story stays whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JournalSize {
    /// Events. The default is 65,536: a connection with one request has about eight.
    pub events: usize,
    /// Bytes of payload that they hold. The default is 16 MiB.
    pub bytes: usize,
}

impl Default for JournalSize {
    fn default() -> Self {
        JournalSize {
            events: 65_536,
            bytes: 16 << 20,
        }
    }
}

/// The events of a [`Tap`](super::Tap), for one reader.
pub struct Calls(Arc<Shared>);

/// The way into a journal.
#[derive(Clone)]
pub(super) struct Recorder(Arc<Writers>);

/// Is dropped with the last recorder.
struct Writers {
    shared: Arc<Shared>,
    platform: Platform,
    sockets: AtomicU64,
}

struct Shared {
    /// The moment from which events are timed.
    began: Anchor,
    /// The last moment of which the time of day was asked.
    anchor: Mutex<Anchor>,
    size: JournalSize,
    kept: Mutex<Kept>,
    changed: Notify,
}

#[derive(Default)]
struct Kept {
    events: VecDeque<Event>,
    bytes: usize,
    next: u64,
    dropped: u64,
    /// No socket and no tap is left.
    over: bool,
    /// Nobody will read any more.
    unread: bool,
}

/// One moment on both clocks.
#[derive(Clone, Copy)]
struct Anchor {
    at: Instant,
    wall: SystemTime,
}

/// How long an anchor holds: the kernel lets the time of day run faster or slower by
/// half a microsecond in a millisecond at most (adjtimex(2)).
const ANCHOR_HOLDS: Duration = Duration::from_secs(1);

/// A thread that was stopped between its looks at two clocks for longer than this looks again.
const ANCHOR_WITHIN: Duration = Duration::from_micros(5);

/// How often it looks.
const ANCHOR_TRIES: usize = 4;

impl Anchor {
    /// Looks at both clocks at once, as far as that is possible.
    fn now(platform: &Platform) -> Self {
        let look = || {
            let at = Instant::now();
            let wall = platform.wall_time();
            (at.elapsed(), Anchor { at, wall })
        };
        let (mut gap, mut best) = look();
        for _ in 1..ANCHOR_TRIES {
            if gap <= ANCHOR_WITHIN {
                break;
            }
            let (next_gap, next) = look();
            if next_gap < gap {
                (gap, best) = (next_gap, next);
            }
        }
        best
    }

    /// The time of day at a moment near this one.
    fn wall_at(&self, at: Instant) -> SystemTime {
        let later = at.saturating_duration_since(self.at);
        let earlier = self.at.saturating_duration_since(at);
        let wall = self.wall.checked_add(later).unwrap_or(self.wall);
        wall.checked_sub(earlier).unwrap_or(wall)
    }
}

/// A journal's two ends.
pub(super) fn new(platform: Platform, size: JournalSize) -> (Recorder, Calls) {
    let began = Anchor::now(&platform);
    let shared = Arc::new(Shared {
        began,
        anchor: Mutex::new(began),
        size,
        kept: Mutex::default(),
        changed: Notify::new(),
    });
    let writers = Writers {
        shared: Arc::clone(&shared),
        platform,
        sockets: AtomicU64::new(0),
    };
    (Recorder(Arc::new(writers)), Calls(shared))
}

impl Shared {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it holds the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// A number for a new socket.
    pub(super) fn next_socket(&self) -> SocketId {
        SocketId(self.0.sockets.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// The time of an event that happened at `at`.
    pub(super) fn since_began(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.0.shared.began.at)
    }

    /// The time of day at `at`, which was a moment ago. Events that are near to each
    /// other have the order of their calls by this clock, too.
    pub(super) fn wall_at(&self, at: Instant) -> SystemTime {
        let anchor = &self.0.shared.anchor;
        let mut anchor = anchor.lock().unwrap_or_else(PoisonError::into_inner);
        if at.saturating_duration_since(anchor.at) > ANCHOR_HOLDS {
            *anchor = Anchor::now(&self.0.platform);
        }
        anchor.wall_at(at)
    }

    /// Keeps an event, whose number is given here, or drops and counts it.
    pub(super) fn record(&self, mut event: Event) {
        let shared = &self.0.shared;
        let length = event.call.bytes().map_or(0, |bytes| bytes.len());
        {
            let mut kept = shared.kept();
            event.number = kept.next;
            kept.next += 1;
            let full =
                kept.events.len() >= shared.size.events || kept.bytes + length > shared.size.bytes;
            if full || kept.unread {
                kept.dropped += 1;
                return;
            }
            kept.bytes += length;
            kept.events.push_back(event);
        }
        shared.changed.notify_one();
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.shared.kept().over = true;
        self.shared.changed.notify_one();
    }
}

impl Calls {
    /// The next event; `None` when the tap and everything that was opened through it
    /// are gone. Cancel safe.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            if self.0.kept().over {
                return self.try_next();
            }
            // A permit is stored for a change between the look and the wait.
            self.0.changed.notified().await;
        }
    }

    /// The next event, if one is there.
    pub fn try_next(&mut self) -> Option<Event> {
        let mut kept = self.0.kept();
        let event = kept.events.pop_front()?;
        kept.bytes -= event.call.bytes().map_or(0, |bytes| bytes.len());
        Some(event)
    }

    /// All events that are there.
    pub fn take(&mut self) -> Vec<Event> {
        let mut kept = self.0.kept();
        kept.bytes = 0;
        std::mem::take(&mut kept.events).into()
    }

    /// How many events were dropped so far because the journal was full.
    pub fn dropped(&self) -> u64 {
        self.0.kept().dropped
    }

    /// The time of day at which the tap was made, and from which events are timed.
    pub fn began_at(&self) -> SystemTime {
        self.0.began.wall
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        let mut kept = self.0.kept();
        kept.unread = true;
        kept.events = VecDeque::new();
        kept.bytes = 0;
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.0.kept();
        f.debug_struct("Calls")
            .field("waiting", &kept.events.len())
            .field("dropped", &kept.dropped)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recorder")
    }
}
