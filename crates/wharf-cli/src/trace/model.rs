//! Frames where none may be captured: rebuilt from what the sockets did.
//!
//! What a program does to a TCP socket decides which segments must have travelled, and
//! TCP_INFO tells how long they took. What is not known is not invented: nothing is
//! lost or reordered here, and a number of retransmissions that the kernel reports is
//! told as a number.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use wharf_wire::build::{TcpModel, model_datagram};
use wharf_wire::conversation::Direction;
use wharf_wire::frame::{Frame, Timestamp};
use wharf_wire::packet::{Carried, Packet};

use super::calls::{Did, Effect};
use super::icmp;
use crate::capture::TcpInfo;

/// The data in a segment where the kernel does not tell: Ethernet's 1500 less 40.
const USUAL_MSS: u16 = 1_460;

/// The same on loopback: the 65535 of an IPv4 packet less 40; 20 less over IPv6.
const LOOPBACK_MSS: u16 = 65_495;

/// Said where a connection was refused.
const UNKNOWN_PORT: &str = "the client's port is not known, 0 stands for it: a socket whose connect() failed \
                            does not tell which one it had";

/// Which ends write a record of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owned {
    /// Only the one who connects: what the peer did is read off what arrives.
    Client,
    /// Both.
    Both,
}

/// The frames of a TCP conversation.
pub(super) fn tcp(record: &[Did], owned: Owned) -> (Vec<Frame>, Vec<String>) {
    let mut models: BTreeMap<(SocketAddr, SocketAddr), TcpModel> = BTreeMap::new();
    let mut frames = Vec::new();
    let mut notes = Vec::new();
    for did in record {
        let end = did.at + did.lasted;
        match &did.effect {
            Effect::Connected { ends, is_open } => {
                let model = models
                    .entry(*ends)
                    .or_insert_with(|| modelled(ends, did.kernel));
                frames.push(model.syn(did.at));
                if *is_open {
                    frames.push(model.syn_ack(did.at + did.lasted / 2));
                    let mut ack = model.ack(end, Direction::Forward);
                    if let Some(info) = did.kernel {
                        ack.kernel.push(("rtt", crate::style::duration(info.rtt)));
                        ack.kernel.push(("mss", info.mss.to_string()));
                        ack.kernel.push(("cwnd", info.window.to_string()));
                    }
                    frames.push(ack);
                }
            }
            Effect::Refused { ends } => {
                let model = models.entry(*ends).or_insert_with(|| modelled(ends, None));
                frames.push(model.syn(did.at));
                frames.push(model.rst(end, Direction::Backward));
                if ends.0.port() == 0 {
                    notes.push(UNKNOWN_PORT.to_owned());
                }
            }
            Effect::Sent { ends, bytes } => {
                if let Some((model, side)) = of(&mut models, *ends) {
                    frames.extend(model.data(did.at, side, bytes));
                    frames.push(model.ack(after(did, did.at), side.other()));
                }
                if let Some(info) = did.kernel.filter(|info| info.retransmitted > 0) {
                    notes.push(format!("the kernel sent {} segments again until then; which ones it does not tell (from the kernel)", info.retransmitted));
                }
            }
            Effect::Received { ends, bytes } if owned == Owned::Client => {
                if let Some((model, side)) = of(&mut models, *ends) {
                    frames.extend(model.data(end, side.other(), bytes));
                    frames.push(model.ack(end, side));
                }
            }
            Effect::Ended { ends } => {
                if let Some((model, side)) = of(&mut models, *ends) {
                    frames.push(model.fin(did.at, side));
                    frames.push(model.ack(after(did, did.at), side.other()));
                }
            }
            Effect::PeerEnded { ends } if owned == Owned::Client => {
                if let Some((model, side)) = of(&mut models, *ends) {
                    frames.push(model.fin(end, side.other()));
                    frames.push(model.ack(end, side));
                }
            }
            // Nothing comes after it, whoever goes on calling.
            Effect::Reset { ends } => {
                if let Some((mut model, side)) = take(&mut models, *ends) {
                    frames.push(model.rst(end, side.other()));
                }
            }
            Effect::Cut { ends } => {
                if let Some((mut model, side)) = take(&mut models, *ends) {
                    frames.push(model.rst(did.at, side));
                }
            }
            _ => {}
        }
    }
    in_the_order_of_sending(&mut frames);
    frames.sort_by_key(|frame| frame.at);
    notes.dedup();
    (frames, notes)
}

/// Nobody sends a segment after one that was made later: acknowledgments, whose time is a
/// guess, come before what the same end sent next, at the latest.
fn in_the_order_of_sending(frames: &mut [Frame]) {
    let mut next: BTreeMap<(SocketAddr, SocketAddr), Timestamp> = BTreeMap::new();
    for frame in frames.iter_mut().rev() {
        let Some(packet) = Packet::of(frame.link, &frame.bytes) else {
            continue;
        };
        let Carried::Tcp(segment) = packet.carried(&frame.bytes) else {
            continue;
        };
        let from = SocketAddr::new(packet.source, segment.source);
        let to = SocketAddr::new(packet.destination, segment.destination);
        let latest = next.entry((from, to)).or_insert(frame.at);
        frame.at = frame.at.min(*latest);
        *latest = frame.at;
    }
}

/// The frames of datagrams.
pub(super) fn udp(record: &[Did], owned: Owned) -> Vec<Frame> {
    let mut frames = Vec::new();
    for did in record {
        match &did.effect {
            Effect::Sent { ends, bytes } => {
                frames.push(model_datagram(did.at, ends.0, ends.1, bytes))
            }
            Effect::Refused { .. } => {
                // It is about the last datagram that left.
                let error = frames
                    .last()
                    .and_then(|about| icmp::port_unreachable(did.at + did.lasted, about));
                frames.extend(error);
            }
            Effect::Received { ends, bytes } if owned == Owned::Client => {
                frames.push(model_datagram(did.at + did.lasted, ends.1, ends.0, bytes));
            }
            _ => {}
        }
    }
    frames.sort_by_key(|frame| frame.at);
    frames
}

/// The model of these ends, and which side the first of them is.
fn of(
    models: &mut BTreeMap<(SocketAddr, SocketAddr), TcpModel>,
    ends: (SocketAddr, SocketAddr),
) -> Option<(&mut TcpModel, Direction)> {
    let (key, side) = match models.contains_key(&ends) {
        true => (ends, Direction::Forward),
        false => ((ends.1, ends.0), Direction::Backward),
    };
    models.get_mut(&key).map(|model| (model, side))
}

/// The same of a connection that ends with this.
fn take(
    models: &mut BTreeMap<(SocketAddr, SocketAddr), TcpModel>,
    ends: (SocketAddr, SocketAddr),
) -> Option<(TcpModel, Direction)> {
    if let Some(model) = models.remove(&ends) {
        return Some((model, Direction::Forward));
    }
    let model = models.remove(&(ends.1, ends.0))?;
    Some((model, Direction::Backward))
}

/// An acknowledgment comes a round trip later.
fn after(did: &Did, at: Timestamp) -> Timestamp {
    at + did
        .kernel
        .map_or(did.lasted, |info| info.rtt.min(Duration::from_secs(1)))
}

fn modelled(ends: &(SocketAddr, SocketAddr), info: Option<TcpInfo>) -> TcpModel {
    let Some(info) = info else {
        let usual = match ends.1.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => LOOPBACK_MSS,
            IpAddr::V6(ip) if ip.is_loopback() => LOOPBACK_MSS - 20,
            _ => USUAL_MSS,
        };
        return TcpModel::new(ends.0, ends.1, usual);
    };
    let size = |bytes: u32| u16::try_from(bytes).unwrap_or(u16::MAX);
    TcpModel::new(ends.0, ends.1, size(info.announced)).carrying(size(info.mss))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::calls::Did;
    use wharf_wire::application::Dissectors;
    use wharf_wire::conversation::{Note, State};
    use wharf_wire::packet::Segment;
    use wharf_wire::trace::{Step, Trace, Waited};

    const CLIENT: &str = "127.0.0.1:5000";
    const SERVER: &str = "127.0.0.1:7000";

    fn ends() -> (SocketAddr, SocketAddr) {
        (CLIENT.parse().unwrap(), SERVER.parse().unwrap())
    }

    /// A call of the client, in milliseconds.
    fn did(at: u64, lasted: u64, effect: Effect) -> Did {
        Did {
            at: Timestamp::from_nanos(at * 1_000_000),
            lasted: Duration::from_millis(lasted),
            side: Direction::Forward,
            text: String::new(),
            result: String::new(),
            asked: None,
            moved: None,
            waited: Waited::No,
            remark: String::new(),
            effect,
            kernel: None,
        }
    }

    fn drawn(record: &[Did]) -> Trace {
        let mut trace = Trace::new(Dissectors::none());
        for frame in tcp(record, Owned::Client).0 {
            trace.push(frame);
        }
        trace.finish();
        trace
    }

    fn note(step: &Step) -> &wharf_wire::conversation::TcpNote {
        match &step.seen.note {
            Note::Tcp(note) => note,
            other => panic!("{other:?}"),
        }
    }

    fn connected() -> Did {
        let is_open = true;
        let ends = ends();
        did(0, 1, Effect::Connected { ends, is_open })
    }

    #[test]
    fn an_acknowledgment_never_comes_after_what_its_sender_sent_next() {
        let (ends, bytes) = (ends(), b"hello".to_vec());
        // The acknowledgments of a send and of an end that lasted long would come after the
        // answer and after the peer's own end.
        let trace = drawn(&[
            connected(),
            did(10, 50, Effect::Sent { ends, bytes }),
            did(
                20,
                5,
                Effect::Received {
                    ends,
                    bytes: b"HELLO".to_vec(),
                },
            ),
            did(30, 50, Effect::Ended { ends }),
            did(40, 1, Effect::PeerEnded { ends }),
        ]);
        for step in &trace.steps {
            let note = note(step);
            assert!(note.verdicts.is_empty(), "{note:?}");
        }
        assert_eq!(trace.steps.len(), 11);
        for side in [Direction::Forward, Direction::Backward] {
            let steps = trace.steps.iter();
            let own: Vec<u32> = steps
                .filter(|step| step.seen.direction == side)
                .map(|step| note(step).relative_seq)
                .collect();
            assert!(own.is_sorted(), "{own:?}");
        }
    }

    #[test]
    fn after_a_reset_nothing_is_invented() {
        let ends = ends();
        let by_the_peer = [
            connected(),
            did(2, 1, Effect::Reset { ends }),
            did(4, 1, Effect::Ended { ends }),
        ];
        let by_us = [
            connected(),
            did(2, 1, Effect::Cut { ends }),
            did(4, 1, Effect::PeerEnded { ends }),
        ];
        for (record, sender) in [
            (by_the_peer, Direction::Backward),
            (by_us, Direction::Forward),
        ] {
            let trace = drawn(&record);
            let last = trace.steps.last().unwrap();
            assert_eq!(trace.steps.len(), 4);
            assert_eq!(last.seen.direction, sender);
            assert!(note(last).flags & Segment::RST != 0);
            assert_eq!(note(last).states[1], [State::Closed; 2]);
        }
    }
}
