//! Read buffers, lent only while there is data.
//!
//! A buffer of 64 KiB makes bulk transfer fast; 10,000 of them would be 640 MiB.
//! So a runtime's thread keeps a few, a connection takes one when bytes have
//! come, and it goes back when the bytes are used. An idle connection owns none.

use std::cell::RefCell;
use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::limits::{READ_BUFFER, READ_BUFFERS_KEPT};

thread_local! {
    /// Last in, first out: the buffer used next is the one still in the cache.
    static KEPT: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// A read buffer from this thread's store, or a new one.
pub(crate) fn take_buffer() -> Box<[u8]> {
    KEPT.with(|kept| kept.borrow_mut().pop())
        .unwrap_or_else(|| vec![0; READ_BUFFER].into_boxed_slice())
}

/// Gives a buffer back; beyond [`READ_BUFFERS_KEPT`] it is freed.
pub(crate) fn give_buffer(buffer: Box<[u8]>) {
    // The store is gone while its thread ends; the buffer is then simply freed.
    let _ = KEPT.try_with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.len() < READ_BUFFERS_KEPT {
            kept.push(buffer);
        }
    });
}

/// Bytes that were received, in a buffer lent by the runtime.
///
/// It reads as `[u8]` and can be changed in place. Dropping it gives the buffer
/// back. At most [`READ_BUFFER`] bytes.
pub struct Chunk {
    buffer: Option<Box<[u8]>>,
    start: usize,
    end: usize,
}

impl Chunk {
    /// The first `length` bytes of `buffer`.
    pub(crate) fn new(buffer: Box<[u8]>, length: usize) -> Self {
        let end = length.min(buffer.len());
        Chunk {
            buffer: Some(buffer),
            start: 0,
            end,
        }
    }

    /// Drops `count` bytes from the front; more than there are is all of them.
    pub fn advance(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.buffer {
            Some(buffer) => &buffer[self.start..self.end],
            None => &[],
        }
    }
}

impl DerefMut for Chunk {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.buffer {
            Some(buffer) => &mut buffer[self.start..self.end],
            None => &mut [],
        }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Chunk({} bytes)", self.len())
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            give_buffer(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_chunk_gives_its_buffer_back() {
        let buffer = take_buffer();
        let address = buffer.as_ptr();
        drop(Chunk::new(buffer, 10));
        let again = take_buffer();
        assert_eq!(again.as_ptr(), address);
    }

    #[test]
    fn advancing_never_passes_the_end() {
        let mut chunk = Chunk::new(vec![1, 2, 3].into(), 2);
        chunk.advance(1);
        assert_eq!(&*chunk, [2]);
        chunk.advance(usize::MAX);
        assert!(chunk.is_empty());
    }
}
