//! The bytes of a message that is split over chunks.

use super::Found;

/// A buffer that may stay allocated while one message follows another.
const KEEP: usize = 4 * 1024;

/// Holds nothing, and owns no heap memory, while a decoder is between two messages.
#[derive(Debug, Default)]
pub(super) struct Store {
    bytes: Vec<u8>,
    /// The bytes are a message that the caller may still look at; the next call drops them.
    lent: bool,
}

impl Store {
    /// Collects `size` bytes: whole from the input, or bit by bit here.
    ///
    /// The buffer grows with the bytes that arrive and not to `size`, which a peer may have
    /// invented.
    pub(super) fn gather<'b>(&mut self, input: &mut &'b [u8], size: usize) -> Option<Found<'b>> {
        let missing = size - self.bytes.len();
        let (taken, rest) = input.split_at(input.len().min(missing));
        *input = rest;
        if taken.len() == size {
            return Some(Found::Lent(taken));
        }
        self.bytes.extend_from_slice(taken);
        (self.bytes.len() == size).then_some(Found::Stored)
    }

    /// The stored message, which stays until [`reclaim`](Self::reclaim).
    pub(super) fn lend(&mut self) -> &[u8] {
        self.lent = true;
        &self.bytes
    }

    /// Drops a message that was lent, and the buffer if a large message made it large.
    pub(super) fn reclaim(&mut self) {
        if self.lent {
            self.lent = false;
            self.clear();
        }
    }

    /// Forgets the bytes; keeps a small buffer for the rest of this chunk's messages.
    pub(super) fn clear(&mut self) {
        if self.bytes.capacity() > KEEP {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
    }

    /// Gives the buffer back when nothing waits in it.
    pub(super) fn release_if_empty(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Keeps only the last `len` bytes of the stored bytes and `chunk` together.
    pub(super) fn keep_last(&mut self, len: usize, chunk: &[u8]) {
        let stored = len.saturating_sub(chunk.len()).min(self.bytes.len());
        let mut tail = self.bytes[self.bytes.len() - stored..].to_vec();
        tail.extend_from_slice(&chunk[chunk.len().saturating_sub(len)..]);
        self.bytes = tail;
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes of an unfinished message, unlike those of one that is lent.
    pub(super) fn waiting(&self) -> usize {
        if self.lent { 0 } else { self.bytes.len() }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}
