//! What is due in an open loop.
//!
//! ```text
//!   message   0    1    2    3    4    5    6  …      due at began + message × step
//!   place     0    1    2    0    1    2    0  …      three connections, in turns
//! ```
//! Which place a message belongs to is fixed, as a user has one connection. A place that
//! is held up falls behind and catches up by itself; the others go on. Nothing is queued:
//! what a place owes follows from the time and from how many it has sent.

/// The times of all messages of a run, in ns since the run began.
#[derive(Debug)]
pub(super) struct Schedule {
    /// When the first message is due; later than any time before the traffic starts.
    began: u64,
    /// Nanoseconds between two messages.
    step: f64,
    /// How many messages of each place were sent or left out.
    places: Vec<u64>,
    /// The next message whose place has not been told.
    next: u64,
}

impl Schedule {
    /// A schedule that has not begun.
    pub(super) fn new(rate: u32, places: usize) -> Self {
        Schedule {
            began: u64::MAX,
            step: 1e9 / f64::from(rate),
            places: vec![0; places],
            next: 0,
        }
    }

    /// The first message is due now.
    pub(super) fn begin(&mut self, now: u64) {
        self.began = now;
    }

    fn time_of(&self, message: u64) -> u64 {
        self.began
            .saturating_add((message as f64 * self.step) as u64)
    }

    /// When the next place is to be told.
    pub(super) fn next_due(&self) -> u64 {
        self.time_of(self.next)
    }

    /// The next place for which a message has become due, each message told once.
    pub(super) fn tell(&mut self, now: u64) -> Option<usize> {
        if self.next_due() > now {
            return None;
        }
        let place = self.next % self.places.len() as u64;
        self.next += 1;
        Some(place as usize)
    }

    /// When the next message of a place was due, if it is; it then counts as sent.
    pub(super) fn take(&mut self, place: usize, now: u64) -> Option<u64> {
        let due = self.time_of(self.message(place, self.places[place]));
        if due > now {
            return None;
        }
        self.places[place] += 1;
        Some(due)
    }

    /// The message that was taken last is not sent after all.
    pub(super) fn put_back(&mut self, place: usize) {
        self.places[place] -= 1;
    }

    /// Leaves out what a place should have sent before now: it did not exist yet.
    pub(super) fn skip(&mut self, place: usize, now: u64) {
        self.places[place] = self.places[place].max(self.due(place, now));
    }

    /// How many messages were due by `at` and have not been sent.
    pub(super) fn behind(&self, at: u64) -> u64 {
        (0..self.places.len())
            .map(|place| self.due(place, at).saturating_sub(self.places[place]))
            .sum()
    }

    /// Message number `count` of a place.
    fn message(&self, place: usize, count: u64) -> u64 {
        place as u64 + count * self.places.len() as u64
    }

    /// How many messages of a place are due by `at`.
    fn due(&self, place: usize, at: u64) -> u64 {
        if at < self.began {
            return 0;
        }
        let all = ((at - self.began) as f64 / self.step) as u64 + 1;
        let places = self.places.len() as u64;
        all.saturating_sub(place as u64).div_ceil(places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_round_the_places_at_their_times() {
        let mut schedule = Schedule::new(1_000, 3);
        assert_eq!(schedule.tell(u64::MAX - 1), None);
        schedule.begin(5);
        let told: Vec<_> = std::iter::from_fn(|| schedule.tell(4_000_005)).collect();
        assert_eq!(told, [0, 1, 2, 0, 1]);
        assert_eq!(schedule.next_due(), 5_000_005);
        assert_eq!(schedule.take(1, 4_000_005), Some(1_000_005));
        assert_eq!(schedule.take(1, 4_000_005), Some(4_000_005));
        assert_eq!(schedule.take(1, 4_000_005), None);
        schedule.put_back(1);
        assert_eq!(schedule.take(1, 4_000_005), Some(4_000_005));
    }

    #[test]
    fn what_is_not_sent_is_behind_and_what_did_not_exist_is_not() {
        let mut schedule = Schedule::new(1_000, 2);
        schedule.begin(0);
        assert_eq!(schedule.behind(0), 1);
        assert_eq!(schedule.behind(9_999_999), 10);
        schedule.take(0, 9_999_999);
        assert_eq!(schedule.behind(9_999_999), 9);
        schedule.skip(1, 9_999_999);
        assert_eq!(schedule.behind(9_999_999), 4);
        assert_eq!(schedule.take(1, 10_500_000), None);
        assert_eq!(schedule.take(1, 11_000_000), Some(11_000_000));
    }
}
