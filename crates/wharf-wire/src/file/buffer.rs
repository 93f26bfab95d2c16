//! A window that moves over the input and knows where it is.

use std::io::{self, Read};
use std::ops::Range;

use super::Broken;

/// Large enough that reading costs nothing beside parsing.
const CHUNK: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Buffer<R> {
    input: R,
    bytes: Vec<u8>,
    /// What is read and not yet consumed.
    start: usize,
    end: usize,
    /// Where `start` is in the input.
    offset: u64,
    is_at_end: bool,
}

impl<R: Read> Buffer<R> {
    pub(super) fn new(input: R) -> Self {
        Buffer {
            input,
            bytes: vec![0; CHUNK],
            start: 0,
            end: 0,
            offset: 0,
            is_at_end: false,
        }
    }

    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that were consumed last, by their place.
    pub(super) fn slice(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    pub(super) fn broken(&self, what: impl Into<String>) -> Broken {
        Broken {
            offset: self.offset,
            what: what.into(),
            source: None,
        }
    }

    /// The next `count` bytes without consuming them; `None` if the input ends before.
    pub(super) fn peek(&mut self, count: usize) -> Result<Option<&[u8]>, Broken> {
        while self.end - self.start < count {
            if self.is_at_end {
                return Ok(None);
            }
            self.fill(count)?;
        }
        Ok(Some(&self.bytes[self.start..self.start + count]))
    }

    /// How many bytes are left, when the input ends before those that were asked for.
    pub(super) fn left(&self) -> usize {
        self.end - self.start
    }

    /// Passes over `count` bytes that were peeked at; gives their place.
    pub(super) fn consume(&mut self, count: usize) -> Range<usize> {
        let place = self.start..(self.start + count).min(self.end);
        self.offset += place.len() as u64;
        self.start = place.end;
        place
    }

    fn fill(&mut self, count: usize) -> Result<(), Broken> {
        if self.start + count > self.bytes.len() || self.start == self.end {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
            if count > self.bytes.len() {
                self.bytes.resize(count.next_multiple_of(CHUNK), 0);
            }
        }
        match self.input.read(&mut self.bytes[self.end..]) {
            Ok(0) => self.is_at_end = true,
            Ok(more) => self.end += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Broken {
                    offset: self.offset + self.left() as u64,
                    what: "reading failed".into(),
                    source: Some(error),
                });
            }
        }
        Ok(())
    }
}
