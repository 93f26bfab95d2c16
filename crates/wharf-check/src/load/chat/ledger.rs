//! One user's messages on their way: which were answered, which delivered. No I/O.
//!
//! ```text
//!   send ─▶ [ open ] ─answered─▶ [ answered ] ─delivered─▶ free
//!               └────delivered─▶ [ delivered ] ─answered─▶ free
//! ```
//! A message carries its [`Number`]: its slot, and how often that slot was used
//! before. So a delivery is judged without any memory of what has been: one whose
//! slot has gone on is doubled, and one that a newer message to the same user has
//! overtaken is reordered – if it comes: one that is lost was overtaken by all.

use std::collections::VecDeque;

/// The length of a number in a message's text, in bytes.
pub(super) const NUMBER: usize = 10;

/// Bits per byte of a number: the characters `@` to `_`, none of which a chat trims.
const BITS: u32 = 5;

/// Which of a user's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    slot: u16,
    /// How often the slot was used, from 1 on.
    use_: u32,
}

impl Number {
    pub(super) fn encode(self) -> [u8; NUMBER] {
        let value = u64::from(self.use_) << 16 | u64::from(self.slot);
        std::array::from_fn(|place| b'@' + (value >> (BITS * place as u32) & 31) as u8)
    }

    /// The number at the start of a text.
    pub(super) fn decode(text: &[u8]) -> Option<Number> {
        let mut value = 0;
        for (place, byte) in text.get(..NUMBER)?.iter().enumerate() {
            let bits = byte.checked_sub(b'@').filter(|bits| *bits < 32)?;
            value |= u64::from(bits) << (BITS * place as u32);
        }
        let use_ = u32::try_from(value >> 16).ok()?;
        let slot = value as u16;
        Some(Number { slot, use_ })
    }

    /// The number as one value, to choose a text by it.
    pub(super) fn value(self) -> usize {
        (self.use_ as usize) << 16 | usize::from(self.slot)
    }
}

/// The messages of one user.
#[derive(Debug)]
pub(super) struct Ledger {
    slots: Box<[Slot]>,
    free: Vec<u16>,
    /// Slots of messages whose answer is due, oldest first.
    unanswered: VecDeque<u16>,
    sent: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    /// How many messages the user had sent before.
    order: u64,
    at: u64,
    receiver: u32,
    use_: u32,
    answer: Part,
    delivery: Part,
    /// It was counted as lost, and is not waited for.
    given_up: bool,
    /// A newer message to the same user was delivered before it.
    overtaken: bool,
}

/// One of the two things that a message waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    /// It came, or was never due.
    #[default]
    Done,
    Due,
}

impl Slot {
    fn is_open(&self) -> bool {
        self.answer == Part::Due || self.delivery == Part::Due
    }
}

/// What a message is to cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    AnswerAndDelivery,
    Answer,
    Delivery,
    Nothing,
}

/// Something came that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Came {
    /// When the message was sent.
    pub(super) sent: u64,
    pub(super) receiver: u32,
    /// The message is no longer on its way; `false` for one that was given up.
    pub(super) done: bool,
    /// It came after it had been given up.
    pub(super) late: bool,
    /// It was delivered after a newer message to the same user.
    pub(super) overtaken: bool,
}

/// What is wrong with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It was delivered before.
    Doubled,
    /// No such message was sent.
    NeverSent,
    /// It was sent to somebody else.
    Misdelivered,
}

/// What a message that is overdue still waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    Answer,
    Delivery,
}

impl Ledger {
    pub(super) fn new(depth: usize) -> Self {
        Ledger {
            slots: vec![Slot::default(); depth].into_boxed_slice(),
            // The depth is at most 1,024.
            free: (0..depth as u16).rev().collect(),
            unanswered: VecDeque::new(),
            sent: 0,
        }
    }

    /// How many more messages may be on their way.
    pub(super) fn room(&self) -> usize {
        self.free.len()
    }

    /// How many messages were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Enters a message; `None` if all slots are taken.
    pub(super) fn send(&mut self, receiver: u32, due: Due, now: u64) -> Option<Number> {
        let slot = match due {
            Due::Nothing => *self.free.last()?,
            _ => self.free.pop()?,
        };
        let part = |is_due| if is_due { Part::Due } else { Part::Done };
        let entry = &mut self.slots[usize::from(slot)];
        *entry = Slot {
            order: self.sent,
            at: now,
            receiver,
            use_: entry.use_.wrapping_add(1),
            answer: part(matches!(due, Due::Answer | Due::AnswerAndDelivery)),
            delivery: part(matches!(due, Due::Delivery | Due::AnswerAndDelivery)),
            given_up: false,
            overtaken: false,
        };
        if entry.answer == Part::Due {
            self.unanswered.push_back(slot);
        }
        let use_ = entry.use_;
        self.sent += 1;
        Some(Number { slot, use_ })
    }

    /// An answer came. They come in order, so it is that of the oldest message
    /// without one; `None` if nothing was asked.
    pub(super) fn answered(&mut self) -> Option<Came> {
        let slot = self.unanswered.pop_front()?;
        self.slots[usize::from(slot)].answer = Part::Done;
        Some(self.came(slot))
    }

    /// `receiver` got the message.
    pub(super) fn delivered(&mut self, number: Number, receiver: u32) -> Result<Came, Fault> {
        let slot = self.find(number)?;
        if self.slots[usize::from(slot)].receiver != receiver {
            return Err(Fault::Misdelivered);
        }
        self.slots[usize::from(slot)].delivery = Part::Done;
        let order = self.slots[usize::from(slot)].order;
        for older in &mut self.slots {
            let waits = older.delivery == Part::Due && older.receiver == receiver;
            older.overtaken |= waits && older.order < order;
        }
        Ok(self.came(slot))
    }

    /// The slot of a message that waits for its delivery.
    fn find(&self, number: Number) -> Result<u16, Fault> {
        match self.slots.get(usize::from(number.slot)) {
            Some(slot) if slot.use_ == number.use_ && slot.delivery == Part::Due => Ok(number.slot),
            Some(slot) if (1..=slot.use_).contains(&number.use_) => Err(Fault::Doubled),
            _ => Err(Fault::NeverSent),
        }
    }

    fn came(&mut self, slot: u16) -> Came {
        let entry = &self.slots[usize::from(slot)];
        let over = !entry.is_open();
        let came = Came {
            sent: entry.at,
            receiver: entry.receiver,
            done: over && !entry.given_up,
            late: entry.given_up,
            overtaken: entry.overtaken,
        };
        if over {
            self.free.push(slot);
        }
        came
    }

    /// Gives up what was sent before `then`, and tells of each what it waits for.
    pub(super) fn give_up(&mut self, then: u64, mut tell: impl FnMut(u32, Missing)) {
        if self.free.len() == self.slots.len() {
            return;
        }
        for slot in &mut self.slots {
            if slot.is_open() && !slot.given_up && slot.at < then {
                slot.given_up = true;
                let missing = match slot.answer {
                    Part::Due => Missing::Answer,
                    Part::Done => Missing::Delivery,
                };
                tell(slot.receiver, missing);
            }
        }
    }

    /// Gives up what was sent to somebody who is gone; tells how many are no longer
    /// on their way.
    pub(super) fn forget_receiver(&mut self, receiver: u32) -> usize {
        let mut done = 0;
        for slot in 0..self.slots.len() {
            let entry = &mut self.slots[slot];
            if entry.receiver == receiver && entry.delivery == Part::Due {
                entry.delivery = Part::Done;
                done += usize::from(self.came(slot as u16).done);
            }
        }
        done
    }

    /// How many messages are on their way and were not given up.
    pub(super) fn in_flight(&self) -> usize {
        let open = |slot: &&Slot| slot.is_open() && !slot.given_up;
        self.slots.iter().filter(open).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: Due = Due::AnswerAndDelivery;

    #[test]
    fn a_number_survives_the_wire() {
        for (slot, use_) in [(0, 1), (1_023, 7), (u16::MAX, u32::MAX)] {
            let number = Number { slot, use_ };
            assert_eq!(Number::decode(&number.encode()), Some(number));
        }
        assert_eq!(Number::decode(b"@@@"), None);
        assert_eq!(Number::decode(b"hello hello"), None);
    }

    #[test]
    fn a_message_is_on_its_way_until_it_was_answered_and_delivered() {
        let mut ledger = Ledger::new(2);
        let first = ledger.send(5, BOTH, 10).unwrap();
        let second = ledger.send(6, BOTH, 20).unwrap();
        assert_eq!(ledger.send(5, BOTH, 30), None);
        assert!(!ledger.answered().unwrap().done);
        assert!(!ledger.delivered(second, 6).unwrap().done);
        let came = ledger.delivered(first, 5).unwrap();
        assert!(came.done && came.sent == 10);
        assert!(ledger.answered().unwrap().done);
        assert_eq!(ledger.answered(), None);
        assert_eq!((ledger.room(), ledger.in_flight()), (2, 0));
    }

    #[test]
    fn doubled_misdelivered_and_forged_messages_are_told_apart() {
        let mut ledger = Ledger::new(1);
        let number = ledger.send(5, BOTH, 0).unwrap();
        assert_eq!(ledger.delivered(number, 6), Err(Fault::Misdelivered));
        assert!(ledger.delivered(number, 5).is_ok());
        assert_eq!(ledger.delivered(number, 5), Err(Fault::Doubled));
        ledger.answered();
        let next = ledger.send(5, BOTH, 0).unwrap();
        assert_eq!(ledger.delivered(number, 5), Err(Fault::Doubled));
        let forged = Number {
            use_: next.use_ + 1,
            ..next
        };
        assert_eq!(ledger.delivered(forged, 5), Err(Fault::NeverSent));
        assert!(ledger.delivered(next, 5).is_ok());
    }

    #[test]
    fn only_an_older_message_to_the_same_user_is_overtaken() {
        let mut ledger = Ledger::new(4);
        let send = |ledger: &mut Ledger, to| ledger.send(to, BOTH, 0).unwrap();
        let (old, other) = (send(&mut ledger, 5), send(&mut ledger, 6));
        let (new, newest) = (send(&mut ledger, 5), send(&mut ledger, 5));
        for (number, receiver, overtaken) in [
            (new, 5, false),
            (other, 6, false),
            (old, 5, true),
            (newest, 5, false),
        ] {
            let came = ledger.delivered(number, receiver).unwrap();
            assert_eq!(came.overtaken, overtaken, "{number:?}");
        }
    }

    #[test]
    fn what_is_given_up_is_told_once_and_may_still_come() {
        let mut ledger = Ledger::new(2);
        let number = ledger.send(5, BOTH, 10).unwrap();
        ledger.send(6, BOTH, 90).unwrap();
        ledger.answered();
        let mut told = Vec::new();
        for _ in 0..2 {
            ledger.give_up(50, |receiver, missing| told.push((receiver, missing)));
        }
        assert_eq!(told, [(5, Missing::Delivery)]);
        assert_eq!(ledger.in_flight(), 1);
        let came = ledger.delivered(number, 5).unwrap();
        assert!(came.late && !came.done);
        assert_eq!(ledger.room(), 1);
    }

    #[test]
    fn a_receiver_that_is_gone_is_not_waited_for() {
        let mut ledger = Ledger::new(2);
        ledger.send(5, Due::Delivery, 0).unwrap();
        ledger.send(6, Due::Delivery, 0).unwrap();
        assert_eq!(ledger.forget_receiver(5), 1);
        assert_eq!(ledger.in_flight(), 1);
    }
}
