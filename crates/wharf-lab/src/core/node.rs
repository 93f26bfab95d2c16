//! What stands at the ends of links.

use std::any::Any;
use std::collections::VecDeque;

use super::frame::{Frame, FrameId, Spare};
use super::journal::{Action, Journal, Place};
use super::record::{Recording, Remark};
use super::time::Time;

/// The number of a node, in the order in which nodes were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// A switch, a router, a host: something with ports that takes frames and sends frames.
///
/// A node does no I/O and has no clock: it is called with the time, and puts what
/// it sends into the [`Turn`].
pub trait Node: Any {
    /// What kind of node it is, in one word.
    fn kind(&self) -> &'static str;

    /// A link was plugged into the next port (they are numbered from 0).
    fn attach(&mut self, port: usize);

    /// A frame has arrived at `port`.
    fn receive(&mut self, port: usize, frame: Frame, turn: &mut Turn<'_>);

    /// A time that the node asked for with [`Turn::wake_at`] has come, or somebody
    /// outside changed the node. It may be called for no reason.
    fn wake(&mut self, turn: &mut Turn<'_>);

    /// The link at `port` was cut or mended.
    fn carrier(&mut self, port: usize, carrier: Carrier, turn: &mut Turn<'_>) {
        let _ = (port, carrier, turn);
    }
}

/// Whether a port sees a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// The link is whole.
    Up,
    /// The link is cut.
    Down,
}

/// One call of a node: the time, and everything that it may do.
pub struct Turn<'a> {
    pub(super) now: Time,
    pub(super) node: NodeId,
    pub(super) next_frame: &'a mut u64,
    pub(super) outgoing: &'a mut VecDeque<(usize, Frame)>,
    pub(super) wake_at: Time,
    pub(super) journal: Option<&'a mut Journal>,
    pub(super) recording: Option<&'a mut Recording>,
    /// Memory for new frames.
    pub(crate) spare: &'a mut Spare,
}

impl Turn<'_> {
    /// The time.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Sends a frame out of a port. Nothing happens where no link is.
    pub fn send(&mut self, port: usize, frame: Frame) {
        self.outgoing.push_back((port, frame));
    }

    /// Asks for [`Node::wake`] at `at`, or earlier if the node asked for that.
    pub fn wake_at(&mut self, at: Time) {
        self.wake_at = self.wake_at.min(at.max(self.now));
    }

    /// A number for a new frame.
    pub fn new_frame(&mut self) -> FrameId {
        *self.next_frame += 1;
        FrameId(*self.next_frame)
    }

    /// Writes down what the node does with a frame.
    #[inline]
    pub fn note(&mut self, frame: &Frame, action: Action) {
        if self.journal.is_some() {
            self.write(Some(frame), action);
        }
    }

    /// Writes down something that happened to no frame.
    pub fn note_event(&mut self, action: Action) {
        self.write(None, action);
    }

    // Out of the way of what happens to every frame: the code of that is to stay close
    // together, or it does not fit into the processor's cache for instructions.
    #[cold]
    fn write(&mut self, frame: Option<&Frame>, action: Action) {
        let place = Place::Node(self.node.0);
        if let Some(journal) = &mut self.journal {
            journal.note(self.now, place, frame, action);
        }
    }

    /// Shows a frame to captures of this node's own medium.
    pub(crate) fn record(&mut self, frame: &Frame, remark: Remark) {
        let place = Place::Node(self.node.0);
        if let Some(recording) = &mut self.recording {
            recording.record(self.now, place, frame, remark);
        }
    }
}
