//! What is still to come, in the order of time.
//!
//! Frames that follow each other on a link arrive in the order in which they were
//! sent, so each direction of a link has a queue of its own and only the frame at
//! its head competes with other events:
//!
//! ```text
//!   a ──▶ b   ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒ head ─┐
//!   b ──▶ a   ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒ head ─┼─▶ heap of small keys ──▶ next event
//!   held back, doubled ──────────────┤
//!   changes of links ────────────────┘
//! ```
//!
//! The heap stays as small as the network, however much is on the way. Events of one
//! moment come in the order in which they were planned.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use slab::Slab;

use super::fabric::{Change, LinkId};
use super::frame::Frame;
use super::node::NodeId;
use super::time::Time;

/// An end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    First,
    Second,
}

/// A direction of a link: which one, and from which of its ends.
pub(super) type Way = (LinkId, End);

/// A frame that is on its way.
#[derive(Debug)]
pub(super) struct Transit {
    pub(super) frame: Frame,
    /// In which life of the link it entered.
    pub(super) life: u32,
    /// When its last bit is on the link.
    pub(super) leaves: Time,
}

/// What happens next: what stands behind a key of the heap, or a node that is woken.
#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// A frame arrives: [`Events::take_frame`] has it.
    Arrive(Way),
    /// A frame arrives that is not in the order of its direction: [`Events::take_stray`].
    ArriveLate(usize),
    Wake(NodeId),
    /// A link changes: [`Events::take_change`] knows how.
    Change(usize),
}

/// What stands behind a key of the heap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The frame at the head of this direction.
    Head(Way),
    /// A frame that is not in the order of its direction.
    Stray(usize),
    Change(usize),
}

#[derive(Debug)]
struct Queued {
    at: Time,
    order: u64,
    transit: Transit,
}

/// All events to come.
#[derive(Debug, Default)]
pub(super) struct Events {
    order: u64,
    heap: BinaryHeap<Reverse<(Time, u64, Due)>>,
    /// By link, then by the end where the frames came from.
    queues: Vec<[VecDeque<Queued>; 2]>,
    strays: Slab<(Way, Transit)>,
    changes: Slab<(LinkId, Change)>,
    wakes: BTreeMap<(Time, u64), NodeId>,
    /// By node: its entry in `wakes`.
    planned: Vec<Option<(Time, u64)>>,
}

impl Events {
    pub(super) fn add_link(&mut self) {
        self.queues.push(Default::default());
    }

    pub(super) fn add_node(&mut self) {
        self.planned.push(None);
    }

    /// How many events are to come.
    pub(super) fn len(&self) -> usize {
        let queued: usize = self.queues.iter().flatten().map(VecDeque::len).sum();
        queued + self.strays.len() + self.changes.len() + self.wakes.len()
    }

    pub(super) fn next_at(&self) -> Option<Time> {
        let first = self.heap.peek().map(|Reverse((at, _, _))| *at);
        let wake = self.wakes.first_key_value().map(|((at, _), _)| *at);
        match (first, wake) {
            (Some(first), Some(wake)) => Some(first.min(wake)),
            (first, wake) => first.or(wake),
        }
    }

    /// A frame arrives at `at`.
    pub(super) fn arrive(&mut self, at: Time, way: Way, transit: Transit) {
        let order = self.next_order();
        let (link, end) = way;
        let queue = &mut self.queues[link.0 as usize][end as usize];
        match queue.back() {
            None => self.heap.push(Reverse((at, order, Due::Head(way)))),
            Some(last) if last.at <= at => {}
            // A link that was cut begins anew, before what was on it would arrive.
            Some(_) => return self.stray(at, order, way, transit),
        }
        queue.push_back(Queued { at, order, transit });
    }

    /// A frame arrives at `at`, and others may overtake it.
    pub(super) fn arrive_late(&mut self, at: Time, way: Way, transit: Transit) {
        let order = self.next_order();
        self.stray(at, order, way, transit);
    }

    /// Frames of a direction leave at other times, and so arrive at others: those that are
    /// in order stay so. Gives when the last of these arrives.
    pub(super) fn move_arrivals(&mut self, way: Way, departure: impl Fn(Time) -> Time) -> Time {
        let moved = |at: Time, transit: &mut Transit| {
            let was_to_leave = transit.leaves;
            transit.leaves = departure(was_to_leave);
            transit.leaves + (at - was_to_leave)
        };
        let (link, end) = way;
        let queue = &mut self.queues[link.0 as usize][end as usize];
        let mut last = Time::ZERO;
        for queued in queue.iter_mut() {
            last = last.max(moved(queued.at, &mut queued.transit));
            queued.at = last;
        }
        let first = queue.front().map(|queued| queued.at);
        let strays = &mut self.strays;
        let mut moved_due = |at: Time, due: Due| match due {
            Due::Head(head) if head == way => first.unwrap_or(at),
            Due::Stray(stray) => match &mut strays[stray] {
                (its, transit) if *its == way => moved(at, transit),
                _ => at,
            },
            _ => at,
        };
        let keys = std::mem::take(&mut self.heap).into_iter();
        let keys = keys.map(|Reverse((at, order, due))| Reverse((moved_due(at, due), order, due)));
        self.heap = keys.collect();
        last
    }

    #[inline(never)]
    fn stray(&mut self, at: Time, order: u64, way: Way, transit: Transit) {
        let stray = self.strays.insert((way, transit));
        self.heap.push(Reverse((at, order, Due::Stray(stray))));
    }

    pub(super) fn change(&mut self, at: Time, link: LinkId, change: Change) {
        let order = self.next_order();
        let change = self.changes.insert((link, change));
        self.heap.push(Reverse((at, order, Due::Change(change))));
    }

    /// Wakes a node at `at`, unless it is woken earlier. A later plan is given up: it
    /// would stay behind for as long as it is ahead, one for each frame.
    pub(super) fn wake(&mut self, at: Time, node: NodeId) {
        let planned = self.planned[node.0 as usize];
        if at == Time::NEVER || planned.is_some_and(|(before, _)| before <= at) {
            return;
        }
        self.plan(at, node, planned);
    }

    #[inline(never)]
    fn plan(&mut self, at: Time, node: NodeId, planned: Option<(Time, u64)>) {
        if let Some(before) = planned {
            self.wakes.remove(&before);
        }
        let key = (at, self.next_order());
        self.wakes.insert(key, node);
        self.planned[node.0 as usize] = Some(key);
    }

    /// The next event, and when it is. What it is about is to be taken at once.
    pub(super) fn pop(&mut self) -> Option<(Time, What)> {
        let first = self.heap.peek();
        let first = first.map(|Reverse((at, order, _))| (*at, *order));
        let wake = self.wakes.first_key_value().map(|(key, _)| *key);
        if let Some(wake) = wake.filter(|wake| first.is_none_or(|first| *wake < first)) {
            return self.pop_wake(wake);
        }
        let mut top = self.heap.peek_mut()?;
        let Reverse((at, _, due)) = *top;
        let what = match due {
            Due::Head(way) => {
                let (link, end) = way;
                match self.queues[link.0 as usize][end as usize].get(1) {
                    Some(next) => top.0 = (next.at, next.order, due),
                    None => {
                        PeekMut::pop(top);
                    }
                }
                What::Arrive(way)
            }
            Due::Stray(stray) => {
                PeekMut::pop(top);
                What::ArriveLate(stray)
            }
            Due::Change(change) => {
                PeekMut::pop(top);
                What::Change(change)
            }
        };
        Some((at, what))
    }

    #[inline(never)]
    fn pop_wake(&mut self, key: (Time, u64)) -> Option<(Time, What)> {
        let node = self.wakes.remove(&key)?;
        self.planned[node.0 as usize] = None;
        Some((key.0, What::Wake(node)))
    }

    /// The frame that arrives by this way.
    pub(super) fn take_frame(&mut self, (link, end): Way) -> Option<Transit> {
        let queue = &mut self.queues[link.0 as usize][end as usize];
        queue.pop_front().map(|queued| queued.transit)
    }

    /// A frame that is not in order, and its way.
    pub(super) fn take_stray(&mut self, stray: usize) -> (Way, Transit) {
        self.strays.remove(stray)
    }

    /// What is done to which link.
    pub(super) fn take_change(&mut self, change: usize) -> (LinkId, Change) {
        self.changes.remove(change)
    }

    fn next_order(&mut self) -> u64 {
        self.order += 1;
        self.order
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::FrameId;
    use super::*;

    const WAY: Way = (LinkId(0), End::First);

    fn events() -> Events {
        let mut events = Events::default();
        events.add_link();
        events.add_node();
        events
    }

    fn frame(number: u64) -> Transit {
        let frame = Frame::new(FrameId(number), Vec::new());
        Transit {
            frame,
            life: 0,
            leaves: Time::ZERO,
        }
    }

    fn order(mut events: Events) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        while let Some((at, what)) = events.pop() {
            let number = match what {
                What::Arrive(way) => events.take_frame(way).unwrap().frame.id.0,
                What::ArriveLate(stray) => events.take_stray(stray).1.frame.id.0,
                What::Wake(_) => 0,
                What::Change(change) => match events.take_change(change) {
                    (_, Change::Down) => 100,
                    other => panic!("{other:?}"),
                },
            };
            all.push((at.0, number));
        }
        all
    }

    #[test]
    fn events_come_in_the_order_of_time_and_then_of_their_planning() {
        let mut events = events();
        events.change(Time(7), LinkId(0), Change::Down);
        for (at, number) in [(5, 1), (7, 2), (7, 3)] {
            events.arrive(Time(at), WAY, frame(number));
        }
        events.wake(Time(7), NodeId(0));
        events.arrive_late(Time(6), WAY, frame(4));
        events.arrive_late(Time(7), WAY, frame(5));
        // The link was cut, and what is new is earlier than what is lost.
        events.arrive(Time(6), WAY, frame(6));
        assert_eq!(events.len(), 8);
        let wanted = [
            (5, 1),
            (6, 4),
            (6, 6),
            (7, 100),
            (7, 2),
            (7, 3),
            (7, 0),
            (7, 5),
        ];
        assert_eq!(order(events), wanted);
    }

    #[test]
    fn what_leaves_at_another_time_arrives_at_another_and_what_has_left_does_not() {
        // Now is 10: what was to have left at 20 leaves at 110, or at 12.
        for (leaves, wanted) in [
            (110, [(30, 1), (130, 2), (150, 3), (500, 4)]),
            // The second is not faster than the first, which is on the link.
            (12, [(30, 1), (32, 2), (52, 3), (402, 4)]),
        ] {
            let mut events = events();
            let frame = |number, leaves| Transit {
                leaves: Time(leaves),
                ..frame(number)
            };
            // On the link for long: its delay varies, or was longer.
            events.arrive(Time(30), WAY, frame(1, 5));
            events.arrive(Time(40), WAY, frame(2, 20));
            events.arrive_late(Time(60), WAY, frame(3, 20));
            events.arrive_late(Time(410), WAY, frame(4, 20));
            let departure = |at: Time| if at > Time(10) { Time(leaves) } else { at };
            let last = events.move_arrivals(WAY, departure);
            assert_eq!(last, Time(wanted[1].0));
            assert_eq!(order(events), wanted);
        }
        // What is in order stays so.
        let mut events = events();
        let frame = |number, leaves| Transit {
            leaves: Time(leaves),
            ..frame(number)
        };
        events.arrive(Time(300), WAY, frame(1, 5));
        events.arrive(Time(300), WAY, frame(2, 20));
        let sooner = |at: Time| if at > Time(10) { Time(12) } else { at };
        assert_eq!(events.move_arrivals(WAY, sooner), Time(300));
        assert_eq!(order(events), [(300, 1), (300, 2)]);
    }

    #[test]
    fn a_node_is_woken_once_at_the_earliest_time_it_asked_for() {
        let mut events = events();
        for at in [9, 4, 6, u64::MAX] {
            events.wake(Time(at), NodeId(0));
        }
        assert_eq!(events.len(), 1);
        assert_eq!(order(events), [(4, 0)]);
    }
}
