//! How long to wait before the next attempt to connect.

use std::time::Duration;

/// The longest pause after the first failure: a server that is restarted is back
/// before anybody wonders.
pub const BACKOFF_FIRST: Duration = Duration::from_millis(500);

/// The longest pause. Who waits for a server looks about that often.
pub const BACKOFF_MOST: Duration = Duration::from_secs(15);

/// Pauses that double, with chance in them: the clients of a server that comes back
/// do not all arrive at once.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    successes: u64,
}

impl Backoff {
    /// The pause after one more failure: between half of the longest and the longest,
    /// by a random number.
    pub(super) fn next(&mut self, random: u32) -> Duration {
        let most = BACKOFF_FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(BACKOFF_MOST);
        self.failures = self.failures.saturating_add(1);
        let half = most / 2;
        half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
    }

    /// It worked: the next pause is a short one.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.successes += 1;
    }

    pub(super) fn ever_succeeded(&self) -> bool {
        self.successes > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_to_a_bound_and_begin_anew() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..8).map(|_| backoff.next(u32::MAX).as_millis()).collect();
        assert_eq!(
            pauses,
            [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000, 15_000]
        );
        assert_eq!(backoff.next(0), BACKOFF_MOST / 2);
        backoff.succeeded();
        assert_eq!(backoff.next(0), BACKOFF_FIRST / 2);
    }
}
