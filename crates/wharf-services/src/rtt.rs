//! How long an answer to a datagram takes: RFC 6298, with bounds for people who wait.

use std::time::Duration;

/// What is assumed before anything was measured.
const FIRST: Duration = Duration::from_millis(300);

/// The shortest wait before a message is sent again. An acknowledgement is never
/// delayed on purpose, so RFC 6298's second, which is there for that, is not needed.
const LEAST: Duration = Duration::from_millis(50);

/// The longest wait. A message that was delayed for seconds is overtaken by its
/// repetition, which does no harm. On a network that lets one of four through both ways,
/// a message that is sent every second fails for a minute once in thirty million times;
/// at every four seconds it would be once in seventy.
const MOST: Duration = Duration::from_secs(1);

/// How many transmissions follow each other at the same pace.
const PATIENT: u32 = 4;

/// The round-trip time as it was seen.
#[derive(Debug, Default)]
pub(crate) struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
}

impl Rtt {
    /// Takes a measurement of a message that was sent once (Karn's rule: of another one
    /// nobody knows which was acknowledged).
    pub(crate) fn measured(&mut self, time: Duration) {
        match self.smoothed {
            None => {
                self.smoothed = Some(time);
                self.variation = time / 2;
            }
            Some(smoothed) => {
                let off = smoothed.abs_diff(time);
                self.variation = (self.variation * 3 + off) / 4;
                self.smoothed = Some((smoothed * 7 + time) / 8);
            }
        }
    }

    /// The wait after the transmission of this number, counted from 1.
    ///
    /// It doubles for each message by itself, and not before the fourth transmission:
    /// where loss is chance, and not a full queue, waiting helps nobody.
    pub(crate) fn wait(&self, transmission: u32) -> Duration {
        let wait = match self.smoothed {
            None => FIRST,
            Some(smoothed) => smoothed + self.variation * 4,
        };
        let wait = wait.clamp(LEAST, MOST);
        let doubled = wait.saturating_mul(1 << transmission.saturating_sub(PATIENT).min(6));
        doubled.min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_follows_what_is_measured_within_bounds() {
        let mut rtt = Rtt::default();
        let waits: Vec<_> = (1..10).map(|n| rtt.wait(n).as_millis()).collect();
        assert_eq!(waits, [300, 300, 300, 300, 600, 1_000, 1_000, 1_000, 1_000]);
        rtt.measured(Duration::from_millis(1));
        assert_eq!(rtt.wait(1), LEAST);
        for _ in 0..50 {
            rtt.measured(Duration::from_millis(200));
        }
        let wait = rtt.wait(1).as_millis();
        assert!((200..300).contains(&wait), "{wait}");
        rtt.measured(Duration::from_secs(60));
        assert_eq!(rtt.wait(1), MOST);
    }
}
