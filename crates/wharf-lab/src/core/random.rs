//! Seeded randomness: one stream for every purpose.
//!
//! Each direction of each link draws each kind of fault from a stream of its own,
//! and draws (or skips) once per frame whether the fault is switched on or not. So
//! changing one fault leaves the dice of all the others as they were: a run with 1 %
//! loss and one with 2 % meet the same jitter.

/// A stream of random numbers: splitmix64 (Steele, Lea and Flood 2014).
///
/// Fast, and equally distributed in 64 bits; not for secrets.
#[derive(Clone, Debug)]
pub struct Dice(u64);

/// What one number adds to the state.
const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// What a stream is for; its number is part of the stream's seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Independent loss on a link.
    Loss = 1,
    /// When bad periods of a link begin and end, and what they lose.
    Burst,
    /// Which frames are doubled.
    Duplication,
    /// Which frames are held back, and for how long.
    Reordering,
    /// Which frames are damaged, and where.
    Corruption,
    /// Delay that varies.
    Jitter,
    /// Back-off after a collision.
    BackOff,
    /// Initial sequence numbers and identifiers of a host's stack.
    Stack,
    /// What programs on a host get as random bytes.
    Programs,
    /// For tests and experiments.
    Experiment,
}

impl Dice {
    /// The stream for `purpose` at the place with number `place`.
    pub fn new(seed: u64, place: u64, purpose: Purpose) -> Self {
        let mut dice = Dice(seed);
        // Each of the three numbers goes through the mixer, so neighbours share nothing.
        dice.0 = dice.number() ^ place;
        dice.0 = dice.number() ^ purpose as u64;
        dice
    }

    /// Passes over a number that nobody needs.
    pub fn skip(&mut self) {
        self.0 = self.0.wrapping_add(STEP);
    }

    /// 64 random bits.
    pub fn number(&mut self) -> u64 {
        self.skip();
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high half of a product: its bias is below bound / 2⁶⁴.
        ((u128::from(self.number()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from 0 up to, and without, 1.
    pub fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Whether something of this probability happens. It takes one number, whatever the
    /// probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        if probability <= 0.0 {
            self.skip();
            return false;
        }
        self.fraction() < probability
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.number().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_by_seed_place_and_purpose() {
        let first = |seed, place, purpose| Dice::new(seed, place, purpose).number();
        let mut all = vec![first(1, 0, Purpose::Loss)];
        all.push(first(2, 0, Purpose::Loss));
        all.push(first(1, 1, Purpose::Loss));
        all.push(first(1, 0, Purpose::Burst));
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4);
        assert_eq!(first(7, 3, Purpose::Jitter), first(7, 3, Purpose::Jitter));
    }

    #[test]
    fn what_is_skipped_is_what_would_have_been_drawn() {
        let mut drawn = Dice::new(1, 2, Purpose::Experiment);
        let mut skipped = drawn.clone();
        drawn.number();
        drawn.number();
        skipped.skip();
        assert!(!skipped.happens(0.0));
        assert_eq!(drawn.number(), skipped.number());
    }

    #[test]
    fn fractions_are_even() {
        let mut dice = Dice::new(1, 2, Purpose::Experiment);
        let hits = (0..100_000).filter(|_| dice.happens(0.3)).count();
        assert!((29_500..30_500).contains(&hits), "{hits}");
        assert!((0..1000).all(|_| dice.below(7) < 7));
        assert_eq!(dice.below(0), 0);
    }
}
