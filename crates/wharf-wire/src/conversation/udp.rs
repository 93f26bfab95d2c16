//! UDP: which datagram answers which.
//!
//! UDP itself knows no answers; as people use it, a datagram that goes the other way
//! answers the oldest one that has none yet.

use std::collections::VecDeque;
use std::time::Duration;

use super::Direction;
use crate::frame::Timestamp;

/// How many datagrams wait for an answer; of more, the oldest are taken for lost.
pub const MAX_REQUESTS: usize = 64;

/// What is to be said about a datagram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct UdpNote {
    /// The frame that it answers, and how long that took.
    pub answers: Option<(u64, Duration)>,
}

/// The datagrams between two ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Exchange {
    /// Who sent the datagrams that wait for an answer.
    asker: Option<Direction>,
    waiting: VecDeque<(u64, Timestamp)>,
}

impl Exchange {
    pub(super) fn see(&mut self, at: Timestamp, number: u64, direction: Direction) -> UdpNote {
        if self.asker == Some(direction.other())
            && let Some((frame, asked)) = self.waiting.pop_front()
        {
            return UdpNote {
                answers: Some((frame, at.since(asked))),
            };
        }
        self.asker = Some(direction);
        if self.waiting.len() == MAX_REQUESTS {
            self.waiting.pop_front();
        }
        self.waiting.push_back((number, at));
        UdpNote::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_find_their_questions_in_order() {
        let at = Timestamp::from_nanos;
        let mut exchange = Exchange::default();
        assert_eq!(exchange.see(at(0), 1, Direction::Forward).answers, None);
        assert_eq!(exchange.see(at(5), 2, Direction::Forward).answers, None);
        let first = exchange.see(at(7), 3, Direction::Backward);
        assert_eq!(first.answers, Some((1, Duration::from_nanos(7))));
        let second = exchange.see(at(8), 4, Direction::Backward);
        assert_eq!(second.answers, Some((2, Duration::from_nanos(3))));
        assert_eq!(exchange.see(at(9), 5, Direction::Backward).answers, None);
    }
}
