//! Chance for games: a stream of bytes from a seed, so that a run can be repeated.

use sha2::{Digest, Sha256};

/// Random numbers from SHA-256 in counter mode. What it gave out tells nothing about
/// what it will give.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dice {
    key: [u8; 32],
    counter: u64,
}

/// Letters of keys: none that looks like another when it is read aloud or copied.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

impl Dice {
    /// Mixes more chance in. Nothing that was mixed in before is lost.
    pub(crate) fn stir(&mut self, entropy: &[u8; 32]) {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(self.counter.to_be_bytes());
        hash.update(entropy);
        self.key = hash.finalize().into();
    }

    /// The next 32 bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.key);
        hash.update(self.counter.to_be_bytes());
        // Apart from what `stir` computes, which may hash the same key and counter.
        hash.update(b"dice");
        self.counter += 1;
        hash.finalize().into()
    }

    /// One of three, each as likely as the others.
    pub(crate) fn of_three(&mut self) -> u8 {
        loop {
            // 255 is 85 × 3: the one value above it would favour the first.
            let bytes = self.bytes();
            if let Some(byte) = bytes.iter().find(|byte| **byte < 255) {
                return byte % 3;
            }
        }
    }

    /// A key of ten letters: 50 bits, which nobody guesses over a network.
    pub(crate) fn key(&mut self) -> String {
        let bytes = self.bytes();
        let letter = |byte: &u8| LETTERS[usize::from(byte % 32)] as char;
        bytes.iter().take(10).map(letter).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_and_another_seed_something_else() {
        let rolled = |seed: u8| {
            let mut dice = Dice::default();
            dice.stir(&[seed; 32]);
            (dice.bytes(), dice.key())
        };
        assert_eq!(rolled(1), rolled(1));
        assert_ne!(rolled(1), rolled(2));
        assert_eq!(rolled(1).1.len(), 10);
    }

    #[test]
    fn of_three_is_fair() {
        let mut dice = Dice::default();
        let mut counts = [0_u32; 3];
        for _ in 0..9_000 {
            counts[usize::from(dice.of_three())] += 1;
        }
        // Six standard deviations of a fair one are 268.
        assert!(
            counts.iter().all(|count| count.abs_diff(3_000) < 268),
            "{counts:?}"
        );
    }
}
