//! What captures are made from: the frames that entered each link.

use super::frame::Frame;
use super::journal::Place;
use super::link::Cause;
use super::time::Time;

/// How many bytes of frames a recording holds, with 128 bytes for the bookkeeping
/// of each; what comes then is counted only. Copies of one frame share its bytes
/// but count for each place, so this is an upper bound of the memory.
pub const RECORDING_BYTES: usize = 256 << 20;

/// The bookkeeping of one recorded frame, rounded up.
const OVERHEAD: usize = 128;

/// One frame at one place.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// When it entered.
    pub at: Time,
    /// Which link, in which direction, or which shared medium.
    pub place: Place,
    /// The frame as it was sent.
    pub frame: Frame,
    /// What happened to it there.
    pub remark: Remark,
}

/// What happened to a frame on a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remark {
    /// It did not arrive.
    pub dropped: Option<Cause>,
    /// This byte of it arrived with a bit turned over.
    pub damaged: Option<usize>,
    /// It was sent twice.
    pub doubled: bool,
    /// It was held back.
    pub held_back: bool,
}

impl Remark {
    /// It did not arrive, for this cause.
    pub(crate) fn dropped(cause: Cause) -> Self {
        Remark {
            dropped: Some(cause),
            ..Remark::default()
        }
    }
}

/// The frames that entered links, in the order of time.
#[derive(Debug, Default)]
pub struct Recording {
    frames: Vec<Recorded>,
    bytes: usize,
    left_out: u64,
}

impl Recording {
    /// All recorded frames, in the order of time.
    pub fn frames(&self) -> &[Recorded] {
        &self.frames
    }

    /// How many frames had no room any more.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    pub(crate) fn record(&mut self, at: Time, place: Place, frame: &Frame, remark: Remark) {
        self.bytes += frame.len() + OVERHEAD;
        if self.bytes > RECORDING_BYTES {
            self.left_out += 1;
            return;
        }
        self.frames.push(Recorded {
            at,
            place,
            frame: frame.clone(),
            remark,
        });
    }
}
