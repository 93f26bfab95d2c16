//! Virtual time: nanoseconds since the lab began.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point in virtual time, in nanoseconds since the lab began.
///
/// A nanosecond is less than a bit at 1 Gbit/s, so transmission times of every
/// medium can be told apart; the range is 584 years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The beginning.
    pub const ZERO: Time = Time(0);
    /// Later than everything.
    pub const NEVER: Time = Time(u64::MAX);

    /// The time as a span since the beginning.
    pub fn since_start(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// How long after `earlier` this is; nothing if it is before.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The span in nanoseconds; 584 years at most.
pub(crate) fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// How long `bytes` take at `rate` bits per second, rounded up: nothing is ever
/// faster than its medium.
pub(crate) fn transmission(bytes: usize, rate: u64) -> Duration {
    // Frames of every medium fit; a division of 128 bits costs many times as much.
    if let Some(bits) = (bytes as u64).checked_mul(8_000_000_000) {
        return Duration::from_nanos(bits.div_ceil(rate.max(1)));
    }
    let bits = bytes as u128 * 8_000_000_000;
    let span = bits.div_ceil(u128::from(rate.max(1)));
    Duration::from_nanos(u64::try_from(span).unwrap_or(u64::MAX))
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, span: Duration) -> Time {
        Time(self.0.saturating_add(nanos(span)))
    }
}

impl AddAssign<Duration> for Time {
    fn add_assign(&mut self, span: Duration) {
        *self = *self + span;
    }
}

impl Sub for Time {
    type Output = Duration;
    fn sub(self, earlier: Time) -> Duration {
        self.since(earlier)
    }
}

impl fmt::Display for Time {
    /// Milliseconds with microseconds behind the point, as capture tools show them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0 / 1_000;
        let text = format!("{}.{:03} ms", micros / 1_000, micros % 1_000);
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transmission_is_rounded_up_and_never_overflows() {
        assert_eq!(transmission(125, 1_000_000), Duration::from_millis(1));
        assert_eq!(transmission(1, 3), Duration::from_nanos(2_666_666_667));
        assert_eq!(transmission(usize::MAX, 0).as_nanos(), u128::from(u64::MAX));
        // On both sides of where 64 bits are enough.
        let (most, rate) = ((u64::MAX / 8_000_000_000) as usize, 8_000_000_000);
        assert_eq!(transmission(most, rate).as_nanos(), most as u128);
        assert_eq!(transmission(most + 1, rate).as_nanos(), most as u128 + 1);
        assert_eq!(Time::NEVER + Duration::from_secs(1), Time::NEVER);
    }

    #[test]
    fn times_are_shown_in_milliseconds() {
        assert_eq!(Time(1_234_567).to_string(), "1.234 ms");
    }
}
