//! Messages whose end is searched: lines and delimiters.
//!
//! ```text
//!          ┌───────── message ≤ max, then its terminator ─────► message
//! Searching│
//!          └ max + slack bytes without end ──► TooLong ──► Skipping ── terminator ──► Searching
//! ```
//! At most `max + slack` bytes of a message are looked at, and what is wrong with them is decided
//! on these alone. That makes the verdict independent of how the bytes were split.

use super::{Found, FrameError, Step, Store, Terminator};
use crate::framing::terminator::Hit;
use crate::framing::{Defect, LineEnd};

#[derive(Debug)]
pub(super) struct Terminated {
    terminator: Terminator,
    /// Inside a message that was reported as too long. The store then holds the last bytes seen,
    /// one fewer than the terminator has, because they may be its beginning.
    skipping: bool,
}

impl From<Terminator> for Terminated {
    fn from(terminator: Terminator) -> Self {
        let skipping = false;
        Self {
            terminator,
            skipping,
        }
    }
}

impl Terminated {
    pub(super) fn step<'b>(
        &mut self,
        store: &mut Store,
        max: usize,
        input: &mut &'b [u8],
    ) -> Step<'b> {
        if self.skipping {
            self.skip(store, input)?;
        }
        if input.is_empty() {
            return Ok(None);
        }
        let window = max.saturating_add(self.terminator.slack());
        let seen = &input[..input.len().min(window - store.len())];
        match self.find(store, seen) {
            Some(Hit::End(at)) => self.take(store, max, at, input).map(Some),
            Some(Hit::Stray(at, defect)) if at <= max => Err(defect.into()),
            _ if store.len() + seen.len() == window => {
                store.keep_last(self.terminator.len() - 1, seen);
                *input = &input[seen.len()..];
                self.skipping = true;
                Err(too_long(max))
            }
            _ => {
                store.extend(seen);
                *input = &[];
                Ok(None)
            }
        }
    }

    /// The first hit in the stored bytes and `chunk` together, counted from the first stored
    /// byte. The stored bytes alone were searched before.
    fn find(&self, store: &mut Store, chunk: &[u8]) -> Option<Hit> {
        if store.is_empty() {
            return self.terminator.find(chunk);
        }
        let stored = store.len();
        let overlap = self.terminator.len() - 1;
        let seam = stored.saturating_sub(overlap);
        store.extend(&chunk[..chunk.len().min(overlap)]);
        let across = self.terminator.find(&store.as_bytes()[seam..]);
        store.truncate(stored);
        match across {
            Some(hit) => Some(hit.moved(seam)),
            None => self.terminator.find(chunk).map(|hit| hit.moved(stored)),
        }
    }

    /// Takes the message whose terminator starts at `end`, counted from the first stored byte.
    fn take<'b>(
        &self,
        store: &mut Store,
        max: usize,
        end: usize,
        input: &mut &'b [u8],
    ) -> Result<Found<'b>, FrameError> {
        let stored = store.len();
        let chunk = *input;
        *input = &chunk[end + self.terminator.len() - stored..];
        let (len, found) = if stored == 0 {
            let len = self.terminator.message_len(&chunk[..end]);
            (len, Found::Lent(&chunk[..len]))
        } else {
            // The terminator itself may begin among the stored bytes.
            store.extend(&chunk[..end.saturating_sub(stored)]);
            let len = self.terminator.message_len(&store.as_bytes()[..end]);
            store.truncate(len);
            (len, Found::Stored)
        };
        if len > max {
            store.clear();
            return Err(too_long(max));
        }
        Ok(found)
    }

    /// Drops input up to and with the terminator.
    fn skip(&mut self, store: &mut Store, input: &mut &[u8]) -> Result<(), FrameError> {
        match self.find(store, input) {
            Some(Hit::End(at)) => {
                *input = &input[at + self.terminator.len() - store.len()..];
                store.clear();
                self.skipping = false;
                Ok(())
            }
            Some(Hit::Stray(_, defect)) => Err(defect.into()),
            None => {
                store.keep_last(self.terminator.len() - 1, input);
                *input = &[];
                Ok(())
            }
        }
    }

    /// Whether the stored bytes pass as a last message without terminator.
    pub(super) fn finish(&self, store: &mut Store, max: usize) -> Result<(), FrameError> {
        if self.skipping {
            store.clear();
        }
        match self.terminator {
            Terminator::Line(LineEnd::CrLf) if store.as_bytes().ends_with(b"\r") => {
                Err(Defect::BareCr.into())
            }
            _ if store.len() > max => Err(too_long(max)),
            _ => Ok(()),
        }
    }

    pub(super) fn is_skipping(&self) -> bool {
        self.skipping
    }
}

fn too_long(limit: usize) -> FrameError {
    let claimed = None;
    FrameError::TooLong { limit, claimed }
}
