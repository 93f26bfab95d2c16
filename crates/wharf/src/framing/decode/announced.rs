//! Messages that say how long they are: length prefix, varint, netstring.
//!
//! ```text
//! Header ── length ≤ max ──► Body ── all bytes (and comma) ──► message, Header
//!    │
//!    └ length > max ──► TooLong ──► Skip ── counted down ──► Comma (netstring) ──► Header
//! ```

use super::{Found, FrameError, Header, Part, Step, Store};
use crate::framing::Defect;

#[derive(Debug)]
pub(super) struct Announced {
    header: Header,
    phase: Phase,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// The store holds the part of a header that has arrived.
    Header,
    /// The store holds the part of the message that has arrived.
    Body { len: usize },
    /// This many bytes of a message that is too long are still to come.
    Skip { left: u64 },
    /// Behind such a message.
    Trailer,
}

impl From<Header> for Announced {
    fn from(header: Header) -> Self {
        let phase = Phase::Header;
        Self { header, phase }
    }
}

impl Announced {
    pub(super) fn step<'b>(
        &mut self,
        store: &mut Store,
        max: usize,
        input: &mut &'b [u8],
    ) -> Step<'b> {
        loop {
            match self.phase {
                Phase::Header => {
                    let Some(claimed) = self.read_header(store, input)? else {
                        return Ok(None);
                    };
                    self.phase = admit(claimed, max);
                    if let Phase::Skip { .. } = self.phase {
                        let claimed = Some(claimed);
                        return Err(FrameError::TooLong {
                            limit: max,
                            claimed,
                        });
                    }
                }
                Phase::Body { len } => return self.body(store, len, input),
                Phase::Skip { left: 0 } => self.phase = Phase::Trailer,
                Phase::Skip { left } => {
                    if input.is_empty() {
                        return Ok(None);
                    }
                    self.phase = skip(left, input);
                }
                Phase::Trailer => {
                    if !self.skip_trailer(input)? {
                        return Ok(None);
                    }
                    self.phase = Phase::Header;
                }
            }
        }
    }

    /// The length of the next message; `None` until the header is complete.
    fn read_header(&self, store: &mut Store, input: &mut &[u8]) -> Result<Option<u64>, FrameError> {
        if store.is_empty()
            && let Some(announced) = self.header.read(input)?
        {
            *input = &input[announced.header..];
            return Ok(Some(announced.message));
        }
        // A header is at most 21 bytes, so one by one costs little and never takes too many.
        while let [byte, rest @ ..] = *input {
            store.push(*byte);
            *input = rest;
            if let Some(announced) = self.header.read(store.as_bytes())? {
                store.clear();
                return Ok(Some(announced.message));
            }
        }
        Ok(None)
    }

    fn body<'b>(&mut self, store: &mut Store, len: usize, input: &mut &'b [u8]) -> Step<'b> {
        let size = len.saturating_add(self.header.trailer().len());
        let Some(found) = store.gather(input, size) else {
            return Ok(None);
        };
        self.phase = Phase::Header;
        let found = match found {
            Found::Lent(bytes) => {
                let (message, trailer) = bytes.split_at(len);
                self.check_trailer(trailer)?;
                Found::Lent(message)
            }
            Found::Stored => {
                self.check_trailer(&store.as_bytes()[len..])?;
                store.truncate(len);
                Found::Stored
            }
        };
        Ok(Some(found))
    }

    /// Whether the trailer has arrived.
    fn skip_trailer(&self, input: &mut &[u8]) -> Result<bool, FrameError> {
        let size = self.header.trailer().len();
        let Some((trailer, rest)) = input.split_at_checked(size) else {
            return Ok(false);
        };
        self.check_trailer(trailer)?;
        *input = rest;
        Ok(true)
    }

    fn check_trailer(&self, trailer: &[u8]) -> Result<(), FrameError> {
        match *trailer {
            [found] if trailer != self.header.trailer() => {
                Err(Defect::NetstringComma { found }.into())
            }
            _ => Ok(()),
        }
    }

    /// Whether the stream may end here.
    pub(super) fn finish(&self, store: &Store) -> Result<(), FrameError> {
        let have = store.len();
        let (part, want) = match self.phase {
            Phase::Header if have > 0 => (Part::Prefix, self.header.at_least(have)),
            Phase::Body { len } => (
                Part::Message,
                len.saturating_add(self.header.trailer().len()),
            ),
            Phase::Header | Phase::Skip { .. } | Phase::Trailer => return Ok(()),
        };
        let (have, want) = (have as u64, want as u64);
        Err(FrameError::Truncated { part, have, want })
    }

    /// Whether a message has begun of which the store need not hold a byte.
    pub(super) fn has_partial(&self) -> bool {
        !matches!(self.phase, Phase::Header)
    }
}

fn admit(claimed: u64, max: usize) -> Phase {
    match usize::try_from(claimed) {
        Ok(len) if len <= max => Phase::Body { len },
        _ => Phase::Skip { left: claimed },
    }
}

fn skip(left: u64, input: &mut &[u8]) -> Phase {
    let here = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
    *input = &input[here..];
    let left = left - here as u64;
    Phase::Skip { left }
}
