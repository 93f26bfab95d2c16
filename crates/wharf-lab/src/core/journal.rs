//! What happened: one entry for each thing that happened to a frame at a place.
//!
//! Entries of one message hang together: an application's write has a number, the
//! frames that carry its bytes carry that number, and a frame that was made out of
//! another names it as its parent. So a message can be followed from the write
//! over every hop, retransmission and copy to the read at the other end.

use std::fmt;
use std::time::Duration;

use super::frame::{Frame, FrameId, Pieces, messages};
use super::link::Cause;
use super::time::Time;

/// How many entries a journal keeps; further ones are counted only. An entry is
/// about 100 bytes, so this is at most 100 MB.
pub const JOURNAL_ENTRIES: usize = 1_000_000;

/// Where something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// At a node.
    Node(u32),
    /// On the way: this direction of a link.
    Link {
        /// The number of the link.
        link: u32,
        /// From the link's first end to its second.
        forth: bool,
    },
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// An application wrote these many bytes.
    Wrote(usize),
    /// An application read these many bytes.
    Read(usize),
    /// A host's stack sent the frame.
    Sent,
    /// The link took it, after it had waited so long for the transmitter.
    Entered(Duration),
    /// It did not get through.
    Dropped(Cause),
    /// The link sends it twice; the frame of the entry is the copy.
    Doubled,
    /// This bit will arrive turned over; the frame of the entry is the damaged one.
    Damaged(usize),
    /// It is held back, and others may overtake it.
    HeldBack,
    /// It has arrived whole at a node.
    Arrived,
    /// A host took it in.
    Taken,
    /// A host's network card ignored it: it is for somebody else.
    Ignored,
    /// A host's stack dropped it: no room, or the backlog is full.
    Refused(&'static str),
    /// A switch knows behind which port its destination is.
    Forwarded(usize),
    /// A switch does not know, or it is for everybody: out of all other ports.
    Flooded,
    /// A switch dropped it: the destination is where it came from, or the port is blocked.
    Filtered(&'static str),
    /// A router passed it on with this TTL; the frame of the entry is the new one.
    Routed(u8),
    /// A router answered it with ICMP instead; the frame of the entry is the answer.
    Answered(&'static str),
    /// A router dropped it.
    Unroutable(&'static str),
    /// A ring station handed it to its neighbour.
    Passed,
    /// A ring station copied it for its own host.
    Copied,
    /// A ring station took it off the ring.
    Removed(&'static str),
    /// A station begins to send on the shared medium.
    Talks,
    /// Two stations sent at once; this one backs off for so many slot times.
    Collided(u32),
    /// The station gave up after so many attempts.
    GaveUp(u32),
    /// It was heard, but garbled.
    Garbled,
    /// Somebody cut or mended a link, or changed it.
    Changed(&'static str),
    /// A port of a switch changed its spanning tree state.
    Port(usize, &'static str),
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Wrote(bytes) => write!(f, "application writes {bytes} B"),
            Action::Read(bytes) => write!(f, "application reads {bytes} B"),
            Action::Sent => f.write_str("stack sends"),
            Action::Entered(waited) if waited.is_zero() => f.write_str("enters"),
            Action::Entered(waited) if waited.as_micros() == 0 => {
                write!(f, "enters after waiting {} ns", waited.as_nanos())
            }
            Action::Entered(waited) => {
                write!(
                    f,
                    "enters after waiting {:.3} ms",
                    waited.as_secs_f64() * 1e3
                )
            }
            Action::Dropped(cause) => write!(f, "dropped: {}", cause.name()),
            Action::Doubled => f.write_str("doubled"),
            Action::Damaged(bit) => write!(f, "damaged: bit {} of byte {}", bit % 8, bit / 8),
            Action::HeldBack => f.write_str("held back"),
            Action::Arrived => f.write_str("arrives"),
            Action::Taken => f.write_str("taken in"),
            Action::Ignored => f.write_str("ignored: for somebody else"),
            Action::Refused(why) => write!(f, "refused: {why}"),
            Action::Forwarded(port) => write!(f, "forwarded to port {port}"),
            Action::Flooded => f.write_str("flooded"),
            Action::Filtered(why) => write!(f, "filtered: {why}"),
            Action::Routed(ttl) => write!(f, "routed, TTL {ttl}"),
            Action::Answered(what) => write!(f, "answered: {what}"),
            Action::Unroutable(why) => write!(f, "dropped: {why}"),
            Action::Passed => f.write_str("passed on"),
            Action::Copied => f.write_str("copied for its host"),
            Action::Removed(why) => write!(f, "removed: {why}"),
            Action::Talks => f.write_str("begins to send"),
            Action::Collided(slots) => write!(f, "collides, backs off {slots} slots"),
            Action::GaveUp(attempts) => write!(f, "given up after {attempts} attempts"),
            Action::Garbled => f.write_str("garbled by a collision"),
            Action::Changed(what) => f.write_str(what),
            Action::Port(port, state) => write!(f, "port {port} {state}"),
        }
    }
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// When.
    pub at: Time,
    /// Where.
    pub place: Place,
    /// To which frame, if to one.
    pub frame: Option<FrameId>,
    /// What that frame was made from.
    pub parent: Option<FrameId>,
    /// The message that it is about, counted from 1; the first, if there are several.
    pub message: Option<u32>,
    /// Where in the frame's payload the bytes of each message end, if there are several.
    pub(super) pieces: Option<Pieces>,
    /// What.
    pub action: Action,
}

impl Entry {
    /// The messages that it is about.
    pub fn messages(&self) -> impl Iterator<Item = u32> {
        messages(self.message, self.pieces.as_deref())
    }
}

/// The entries of one run, in the order of time.
#[derive(Debug, Default)]
pub struct Journal {
    entries: Vec<Entry>,
    left_out: u64,
}

impl Journal {
    /// What was written down, in the order of time.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// How many entries had no room any more.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The entries about one message, from its write to its last copy.
    pub fn about(&self, message: u32) -> impl Iterator<Item = &Entry> {
        let of_it = move |entry: &&Entry| entry.messages().any(|it| it == message);
        self.entries.iter().filter(of_it)
    }

    pub(crate) fn note(&mut self, at: Time, place: Place, frame: Option<&Frame>, action: Action) {
        self.push(Entry {
            at,
            place,
            frame: frame.map(|frame| frame.id),
            parent: frame.and_then(|frame| frame.parent),
            message: frame.and_then(|frame| frame.message),
            pieces: frame.and_then(Frame::shared_pieces),
            action,
        });
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        if self.entries.len() < JOURNAL_ENTRIES {
            self.entries.push(entry);
        } else {
            self.left_out += 1;
        }
    }
}
