//! What comes from one sender: once, and in order.
//!
//! A sender numbers its messages in a stream of its own, and says with each how many
//! before it are still unacknowledged. So a receiver needs no greeting: one that
//! begins in the middle, because it was started anew, knows where.

use std::collections::{BTreeMap, VecDeque};

use super::WINDOW;

/// How many streams of one name are remembered: a sender that is started anew has a
/// new one, and messages of the old one may still be on their way.
const STREAMS: usize = 4;

/// The streams of one name, the one that was heard last in front.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    streams: VecDeque<Stream>,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    /// The number that comes next; all before it were delivered or given up.
    next: u32,
    /// What came too early.
    early: BTreeMap<u32, String>,
}

/// What is to be acknowledged: the stream, the number up to which everything came, and
/// which of the 64 behind the next one did.
pub(super) type Ack = (u32, u32, u64);

impl Incoming {
    /// Takes a message; gives what can now be shown, in order, and how to acknowledge it.
    /// `room` is how many bytes may be kept until something before them comes.
    pub(super) fn take(
        &mut self,
        (id, number, behind): (u32, u32, u8),
        text: &str,
        room: usize,
    ) -> (Vec<String>, Ack) {
        let oldest = number.saturating_sub(u32::from(behind));
        let stream = self.stream(id, oldest);
        let mut ready = stream.skip_to(oldest);
        let is_new = number >= stream.next && !stream.early.contains_key(&number);
        let is_next = number == stream.next;
        let fits = number - oldest.min(number) < WINDOW && text.len() <= room;
        if is_new && (is_next || fits) {
            stream.early.insert(number, text.to_owned());
        }
        stream.release(&mut ready);
        (ready, stream.ack())
    }

    /// How many bytes wait for something before them.
    pub(super) fn waiting(&self) -> usize {
        let texts = self.streams.iter().flat_map(|stream| stream.early.values());
        texts.map(String::len).sum()
    }

    fn stream(&mut self, id: u32, oldest: u32) -> &mut Stream {
        match self.streams.iter().position(|stream| stream.id == id) {
            // The one in front most of the time.
            Some(0) => {}
            Some(at) => {
                if let Some(stream) = self.streams.remove(at) {
                    self.streams.push_front(stream);
                }
            }
            None => {
                self.streams.truncate(STREAMS - 1);
                self.streams.push_front(Stream {
                    id,
                    next: oldest,
                    early: BTreeMap::new(),
                });
            }
        }
        &mut self.streams[0]
    }
}

impl Stream {
    /// What is before `oldest` does not come any more: the sender gave it up, or an
    /// earlier life of this receiver had it.
    fn skip_to(&mut self, oldest: u32) -> Vec<String> {
        if oldest <= self.next {
            return Vec::new();
        }
        let rest = self.early.split_off(&oldest);
        let skipped = std::mem::replace(&mut self.early, rest);
        self.next = oldest;
        skipped.into_values().collect()
    }

    fn release(&mut self, ready: &mut Vec<String>) {
        while let Some(text) = self.early.remove(&self.next) {
            ready.push(text);
            self.next += 1;
        }
    }

    fn ack(&self) -> Ack {
        let first = self.next + 1;
        let bits = self.early.keys().filter_map(|number| {
            let place = number.checked_sub(first)?;
            (place < 64).then(|| 1_u64 << place)
        });
        let more = bits.fold(0, |more, bit| more | bit);
        // Numbers begin at 1, and nothing is acknowledged by 0.
        (self.id, self.next.saturating_sub(1), more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: usize = 1_000;

    #[test]
    fn order_is_restored_and_duplicates_are_dropped() {
        let mut incoming = Incoming::default();
        let mut take = |number, behind| {
            let text = format!("m{number}");
            incoming.take((7, number, behind), &text, ROOM)
        };
        assert_eq!(take(2, 1), (vec![], (7, 0, 1)));
        assert_eq!(take(4, 3), (vec![], (7, 0, 0b101)));
        assert_eq!(take(2, 1), (vec![], (7, 0, 0b101)));
        assert_eq!(take(1, 0), (vec!["m1".into(), "m2".into()], (7, 2, 1)));
        assert_eq!(take(1, 0), (vec![], (7, 2, 1)));
        assert_eq!(take(3, 0), (vec!["m3".into(), "m4".into()], (7, 4, 0)));
    }

    #[test]
    fn a_receiver_that_begins_in_the_middle_knows_where() {
        let mut incoming = Incoming::default();
        let (ready, ack) = incoming.take((7, 57, 2), "m57", ROOM);
        assert_eq!((ready, ack), (vec![], (7, 54, 0b10)));
        // What is older than the sender still remembers was never for this one.
        let (ready, _) = incoming.take((7, 40, 0), "m40", ROOM);
        assert!(ready.is_empty());
        // The sender gave 55 up.
        let (ready, ack) = incoming.take((7, 58, 2), "m58", ROOM);
        assert_eq!((ready, ack), (vec![], (7, 55, 0b11)));
        let (ready, _) = incoming.take((7, 56, 0), "m56", ROOM);
        assert_eq!(ready, ["m56", "m57", "m58"]);
    }

    #[test]
    fn an_old_stream_does_not_come_back() {
        let mut incoming = Incoming::default();
        incoming.take((1, 1, 0), "old", ROOM);
        let (ready, _) = incoming.take((2, 1, 0), "new", ROOM);
        assert_eq!(ready, ["new"]);
        let (ready, _) = incoming.take((1, 1, 0), "old", ROOM);
        assert!(ready.is_empty());
    }

    #[test]
    fn no_more_is_kept_than_there_is_room_for() {
        let mut incoming = Incoming::default();
        let (_, ack) = incoming.take((1, 2, 1), "xxx", 2);
        assert_eq!((incoming.waiting(), ack), (0, (1, 0, 0)));
        let (ready, _) = incoming.take((1, 1, 0), "xxx", 2);
        assert_eq!(ready, ["xxx"], "what comes next needs no room");
    }
}
