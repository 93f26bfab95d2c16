//! What is known only when all frames are there: to which conversation those without
//! ports belong, and that nobody listened where somebody knocked.

use std::collections::{BTreeMap, BTreeSet};

use super::{Step, Trace};
use crate::conversation::{Note, State};
use crate::packet::{Packet, Segment};

impl Trace {
    /// Puts ICMP errors and later fragments, which have no ports of their own, to the
    /// conversation that they are about, and forgets talks that have no frame then. An
    /// error is known by the ports that it quotes, other frames by their addresses, where
    /// only one conversation has these. No frame may be pushed afterwards.
    pub fn adopt(&mut self) {
        let places: Vec<usize> = self.steps.iter().map(|step| self.about(step)).collect();
        for (step, place) in self.steps.iter_mut().zip(places) {
            step.talk = place;
        }
        let used: BTreeSet<usize> = self.steps.iter().map(|step| step.talk).collect();
        let called: BTreeSet<usize> = self.calls.iter().map(|call| call.talk).collect();
        let mut moved = BTreeMap::new();
        let mut kept = Vec::new();
        for (old, talk) in std::mem::take(&mut self.talks).into_iter().enumerate() {
            if talk.flow.is_some() || used.contains(&old) || called.contains(&old) {
                moved.insert(old, kept.len());
                kept.push(talk);
            }
        }
        self.talks = kept;
        let steps = self.steps.iter_mut().map(|step| &mut step.talk);
        let calls = self.calls.iter_mut().map(|call| &mut call.talk);
        for place in steps.chain(calls).chain(self.by_flow.values_mut()) {
            *place = moved.get(place).copied().unwrap_or(0);
        }
        self.by_address.clear();
    }

    /// The talk that a frame is about.
    fn about(&self, step: &Step) -> usize {
        if step.seen.flow.is_some() {
            return step.talk;
        }
        let Some(packet) = Packet::of(step.frame.link, &step.frame.bytes) else {
            return step.talk;
        };
        let quoted = step.layers.quoted_ports();
        let hosts = [packet.source.to_string(), packet.destination.to_string()];
        let fits = |place: &usize| {
            let talk = &self.talks[*place];
            let [one, other] = &talk.parties;
            let (Some(low), Some(high)) = (one.port, other.port) else {
                return false;
            };
            match quoted {
                // A router on the way may have sent it: the addresses tell nothing.
                Some(ports) => ports == (low, high) || ports == (high, low),
                None => {
                    let has = |host: &String| [one.host(), other.host()].contains(&host.as_str());
                    hosts.iter().all(has) && talk.protocol == Some(packet.protocol)
                }
            }
        };
        let mut found = (0..self.talks.len()).filter(fits);
        match (found.next(), found.next()) {
            (Some(place), None) => place,
            // The same ports at several addresses: the one that it was sent to.
            (Some(first), Some(second)) if quoted.is_some() => {
                let is_of = |place: &usize| {
                    let parties = &self.talks[*place].parties;
                    parties.iter().any(|party| party.host() == hosts[1])
                };
                let mut all = [first, second].into_iter().chain(found);
                all.find(is_of).unwrap_or(first)
            }
            _ => step.talk,
        }
    }

    /// A SYN that was answered by a reset found nobody listening: what was taken for
    /// granted when it passed is taken back.
    pub(super) fn nobody_listened(&mut self) {
        let mut refused = BTreeSet::new();
        for step in &self.steps {
            let side = step.seen.direction.index();
            if let (Note::Tcp(note), Some(flow)) = (&step.seen.note, step.seen.flow)
                && note.flags & Segment::RST != 0
                && note.states[0][side] == State::Listen
            {
                refused.insert((flow, side));
            }
        }
        for step in &mut self.steps {
            let (Note::Tcp(note), Some(flow)) = (&mut step.seen.note, step.seen.flow) else {
                continue;
            };
            for side in 0..2 {
                if !refused.contains(&(flow, side)) {
                    continue;
                }
                for states in &mut note.states {
                    if states[side] == State::Listen {
                        states[side] = State::Closed;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::Dissectors;
    use crate::build::{TcpModel, ip, model_datagram};
    use crate::conversation::Direction;
    use crate::frame::{Frame, Link, Origin, Timestamp};

    fn at(micros: u64) -> Timestamp {
        Timestamp::from_nanos(1_764_000_000_000_000_000 + micros * 1_000)
    }

    /// An ICMP error from `router` that quotes a frame.
    fn error(router: &str, about: &Frame, micros: u64) -> Frame {
        let packet = Packet::of(about.link, &about.bytes).unwrap();
        let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
        message.extend(&about.bytes[14..]);
        let bytes = ip(router.parse().unwrap(), packet.source, 1, &message);
        Frame::new(at(micros), Link::Ethernet, Origin::Captured, bytes)
    }

    #[test]
    fn an_error_belongs_to_the_conversation_that_it_quotes() {
        let mut trace = Trace::new(Dissectors::none());
        let server = "192.0.2.9:7".parse().unwrap();
        let sent = ["10.0.0.1:5001", "10.0.0.1:5002"]
            .map(|client| model_datagram(at(0), client.parse().unwrap(), server, b"x"));
        for frame in &sent {
            trace.push(frame.clone());
        }
        trace.push(error("192.0.2.9", &sent[1], 5));
        // One of a router on the way.
        trace.push(error("10.0.0.254", &sent[0], 9));
        trace.adopt();
        let talks: Vec<usize> = trace.steps.iter().map(|step| step.talk).collect();
        assert_eq!(talks, [0, 1, 1, 0]);
        assert_eq!(trace.talks.len(), 2);
        for step in &trace.steps[2..] {
            assert_eq!(trace.direction(step), Direction::Backward);
        }
    }

    #[test]
    fn a_port_that_answers_with_a_reset_was_not_listening() {
        let ends = ["127.0.0.1:5000", "127.0.0.1:7"].map(|end| end.parse().unwrap());
        let mut model = TcpModel::new(ends[0], ends[1], 1460);
        let mut trace = Trace::new(Dissectors::none());
        trace.push(model.syn(at(0)));
        trace.push(model.rst(at(5), Direction::Backward));
        trace.finish();
        let states: Vec<[State; 2]> = trace
            .steps
            .iter()
            .flat_map(|step| match &step.seen.note {
                Note::Tcp(note) => note.states,
                other => panic!("{other:?}"),
            })
            .collect();
        let (closed, asked) = (State::Closed, State::SynSent);
        assert_eq!(
            states,
            [[closed; 2], [asked, closed], [asked, closed], [closed; 2]]
        );
    }
}
