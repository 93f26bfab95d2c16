//! What a bad network does to datagrams, by chance that can be repeated.

use std::time::Duration;

use super::settings::Settings;

/// A source of damage: the same seed and settings damage the same datagrams alike.
#[derive(Debug)]
pub(super) struct Damage {
    state: u64,
}

/// What becomes of a datagram.
#[derive(Debug, PartialEq)]
pub(super) enum Fate {
    Dropped,
    /// It is sent so much later.
    Sent(Duration),
}

impl Damage {
    pub(super) fn new(seed: u64) -> Self {
        Damage { state: seed }
    }

    /// Damages a datagram.
    pub(super) fn strike(&mut self, datagram: &mut [u8], settings: &Settings) -> Fate {
        if self.happens(settings.drop) {
            return Fate::Dropped;
        }
        self.flip_bits(datagram, settings.flip);
        if self.happens(settings.burst) {
            self.flip_burst(datagram, settings.burst_bits);
        }
        if !self.happens(settings.delay) {
            return Fate::Sent(Duration::ZERO);
        }
        let (low, high) = settings.delay_seconds;
        let seconds = low + (high - low) * self.fraction();
        Fate::Sent(Duration::try_from_secs_f64(seconds).unwrap_or_default())
    }

    fn flip_bits(&mut self, datagram: &mut [u8], probability: f64) {
        if probability <= 0.0 {
            return;
        }
        for byte in datagram {
            for bit in 0..8 {
                if self.happens(probability) {
                    *byte ^= 1 << bit;
                }
            }
        }
    }

    /// Flips some bits in a row; fewer where the datagram ends.
    fn flip_burst(&mut self, datagram: &mut [u8], (low, high): (u32, u32)) {
        let bits = datagram.len() * 8;
        let length = u64::from(low) + self.below(u64::from(high - low) + 1);
        let start = self.below(bits as u64);
        let length = usize::try_from(length).unwrap_or(bits);
        let start = usize::try_from(start).unwrap_or(0);
        for bit in start..bits.min(start.saturating_add(length)) {
            datagram[bit / 8] ^= 1 << (bit % 8);
        }
    }

    /// Whether something of this probability happens. What is impossible takes no
    /// number, so that one setting does not change the course of another.
    fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.fraction() < probability
    }

    /// From 0 up to, not including, 1.
    fn fraction(&mut self) -> f64 {
        // The 53 bits that a double holds exactly.
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From 0 up to, not including, `end`; 0 where there is nothing below.
    fn below(&mut self, end: u64) -> u64 {
        // The bias is smaller than end / 2^64.
        self.next().checked_rem(end).unwrap_or(0)
    }

    /// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
    /// generators, 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn settings(set: impl FnOnce(&mut Settings)) -> Settings {
        let mut settings = Settings::default();
        set(&mut settings);
        settings
    }

    /// What becomes of many datagrams of 100 zero bytes.
    fn struck(seed: u64, settings: &Settings) -> Vec<(Fate, Vec<u8>)> {
        let mut damage = Damage::new(seed);
        let mut one = || {
            let mut datagram = vec![0; 100];
            (damage.strike(&mut datagram, settings), datagram)
        };
        (0..1_000).map(|_| one()).collect()
    }

    fn flipped(datagram: &[u8]) -> u32 {
        datagram.iter().map(|byte| byte.count_ones()).sum()
    }

    #[test]
    fn without_settings_nothing_happens() {
        for (fate, datagram) in struck(1, &Settings::default()) {
            assert_eq!((fate, flipped(&datagram)), (Fate::Sent(Duration::ZERO), 0));
        }
    }

    #[test]
    fn a_seed_repeats_its_damage_and_another_does_not() {
        let settings = settings(|set| (set.drop, set.flip, set.delay) = (0.3, 0.01, 0.3));
        assert_eq!(struck(1, &settings), struck(1, &settings));
        assert_ne!(struck(1, &settings), struck(2, &settings));
    }

    #[test]
    fn things_happen_as_often_as_they_should() {
        let dropped = struck(1, &settings(|set| set.drop = 0.2));
        let dropped = dropped.iter().filter(|(fate, _)| *fate == Fate::Dropped);
        assert!((150..250).contains(&dropped.count()));
        let bits = struck(1, &settings(|set| set.flip = 0.01));
        let bits: u32 = bits.iter().map(|(_, datagram)| flipped(datagram)).sum();
        assert!((7_000..9_000).contains(&bits), "{bits}");
        let late = struck(
            1,
            &settings(|set| (set.delay, set.delay_seconds) = (1.0, (1.0, 2.0))),
        );
        for (fate, _) in late {
            let Fate::Sent(delay) = fate else {
                panic!("it was dropped");
            };
            assert!((1.0..=2.0).contains(&delay.as_secs_f64()));
        }
    }

    #[test]
    fn a_burst_is_a_row_of_bits_of_every_length_and_anywhere() {
        let bits = 100 * 8;
        let (mut lengths, mut starts) = (BTreeSet::new(), BTreeSet::new());
        let set = settings(|set| (set.burst, set.burst_bits) = (1.0, (4, 7)));
        for (_, datagram) in struck(1, &set) {
            let flipped: Vec<usize> = (0..bits)
                .filter(|bit| datagram[bit / 8] & 1 << (bit % 8) != 0)
                .collect();
            let (first, last) = (flipped[0], flipped[flipped.len() - 1]);
            assert_eq!(
                last - first + 1,
                flipped.len(),
                "without a gap: {flipped:?}"
            );
            // The end of the datagram is the end of the burst.
            if last + 1 < bits {
                lengths.insert(flipped.len());
            }
            starts.insert(first / 80);
        }
        assert_eq!(lengths, BTreeSet::from([4, 5, 6, 7]));
        assert_eq!(starts.len(), 10, "in every tenth of the datagram");
    }

    #[test]
    fn an_empty_datagram_has_no_bits_to_flip() {
        let nothing = settings(|set| (set.burst, set.burst_bits) = (1.0, (1, u32::MAX)));
        assert_eq!(
            Damage::new(1).strike(&mut [], &nothing),
            Fate::Sent(Duration::ZERO)
        );
    }
}
