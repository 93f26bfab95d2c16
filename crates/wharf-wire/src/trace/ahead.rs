//! Looking ahead: what a conversation began with is known only from its answers. Where
//! frames are shown one by one they can be looked at twice.

use std::collections::BTreeMap;

use super::Trace;
use super::course::Course;
use crate::application::Dissectors;
use crate::frame::Frame;

/// Of how many conversations it is remembered what they began with. Others are shown as they
/// were understood frame by frame.
pub const MAX_FORESEEN: usize = 1 << 17;

/// What conversations began with that were understood too late, by the number of their flow.
#[derive(Clone, Debug, Default)]
pub struct Foreseen {
    pub(super) by_flow: BTreeMap<u64, Course>,
}

impl Trace {
    /// A trace of frames that were all looked at before, in the same order, with
    /// [`Trace::look_ahead`].
    pub fn foreseeing(dissectors: Dissectors, foreseen: Foreseen) -> Self {
        Trace {
            foreseen,
            ..Trace::new(dissectors)
        }
    }

    /// Takes a frame in for the sake of those who look at it once more: it is not kept, nor
    /// taken apart.
    pub fn look_ahead(&mut self, frame: &Frame) {
        let seen = self.see(frame);
        let Some(flow) = seen.flow else {
            return;
        };
        let talk = self.talk_of_flow(flow);
        self.follow(&frame.bytes, &seen, talk);
        self.messages.clear();
    }

    /// Forgets who spoke with whom, but not what was understood too late; see
    /// [`Trace::forget_talks`].
    pub fn remember_talks(&mut self) {
        for talk in std::mem::take(&mut self.talks) {
            let known = &mut self.misread.by_flow;
            if let Some(flow) = talk.flow
                && talk.course.was_misread()
                && known.len() < MAX_FORESEEN
            {
                // What it began with is known from its beginning.
                known.entry(flow).or_insert(talk.course.again());
            }
        }
        self.forget_talks();
    }

    /// What was understood too late, after the last frame.
    pub fn foreseen(mut self) -> Foreseen {
        let rest = self.streams.finish(&self.dissectors);
        self.hear(&rest);
        self.remember_talks();
        self.misread
    }
}
