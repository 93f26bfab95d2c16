//! The memory that hashes are computed in: one piece of it per hash slot, used again.
//!
//! Argon2 takes 19 MiB for a hash of the usual cost. Taken from the allocator and given
//! back each time, by whichever thread of the pool hashes, it ends in the arenas of
//! malloc(3), which keep what they once had: a server that was guessed at grew to several
//! hundred MiB. Memory that goes from hash to hash stays at slots times the cost.

use std::fmt;

use argon2::Block;
use zeroize::Zeroize;

/// The most that is kept between two hashes, in blocks of 1 KiB; the usual cost is below.
/// What is larger is given back at once: glibc maps and unmaps each piece above 32 MiB
/// for itself (mallopt(3), `M_MMAP_THRESHOLD`), so that none of it stays in an arena.
pub(super) const MOST_KEPT: usize = 32 * 1024;

/// Memory for one hash at a time. Between two of them it holds zeros.
#[derive(Default)]
pub(super) struct Memory(Vec<Block>);

impl Memory {
    /// None yet: it is taken with the first hash.
    pub(super) fn none() -> Self {
        Memory::default()
    }

    /// Lends `count` blocks of zeros to `work`, and wipes them afterwards.
    pub(super) fn lend<T>(&mut self, count: usize, work: impl FnOnce(&mut [Block]) -> T) -> T {
        if self.0.len() < count {
            // Growing would copy, and hold both for a while.
            self.0 = Vec::new();
            self.0 = vec![Block::new(); count];
        }
        let blocks = &mut self.0[..count];
        let outcome = work(blocks);
        blocks.iter_mut().for_each(Zeroize::zeroize);
        if self.0.len() > MOST_KEPT {
            self.0 = Vec::new();
        }
        outcome
    }

    /// How many bytes it holds.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.0.capacity() * Block::SIZE
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("blocks", &self.0.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the lent blocks are; leaves something in the first of them.
    fn place(memory: &mut Memory, count: usize) -> *const Block {
        memory.lend(count, |blocks| {
            assert_eq!(blocks.len(), count);
            let is_clean = |block: &Block| block.as_ref().iter().all(|word| *word == 0);
            assert!(blocks.iter().all(is_clean));
            blocks[0].as_mut()[0] = 7;
            blocks.as_ptr()
        })
    }

    #[test]
    fn it_is_used_again_and_is_wiped_between() {
        let mut memory = Memory::none();
        let first = place(&mut memory, 64);
        for count in [64, 8, 64] {
            assert_eq!(place(&mut memory, count), first);
        }
        assert_eq!(memory.held(), 64 * 1024);
    }

    #[test]
    fn it_grows_with_the_cost_and_what_is_dear_is_not_kept() {
        let mut memory = Memory::none();
        place(&mut memory, 8);
        place(&mut memory, 65);
        assert_eq!(memory.held(), 65 * 1024);
        place(&mut memory, MOST_KEPT + 1);
        assert_eq!(memory.held(), 0);
    }
}
