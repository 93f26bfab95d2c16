//! Frames where none may be captured: rebuilt from what the sockets did.
//!
//! What a program does to a TCP socket decides which segments must have travelled, and
//! TCP_INFO tells how long they took. What is not known is not invented: nothing is
//! lost or reordered here, and a number of retransmissions that the kernel reports is
//! told as a number.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use wharf_wire::build::{TcpModel, model_datagram};
use wharf_wire::conversation::Direction;
use wharf_wire::frame::{Frame, Timestamp};

use super::calls::{Did, Effect};
use super::icmp;
use crate::capture::TcpInfo;

/// The data in a segment where the kernel does not tell: Ethernet's 1500 less 40.
const USUAL_MSS: u16 = 1_460;

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
                let model = models
                    .entry(*ends)
                    .or_insert_with(|| TcpModel::new(ends.0, ends.1, USUAL_MSS));
                frames.push(model.syn(did.at));
                frames.push(model.rst(end, Direction::Backward));
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
            _ => {}
        }
    }
    frames.sort_by_key(|frame| frame.at);
    notes.dedup();
    (frames, notes)
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

/// An acknowledgment comes a round trip later.
fn after(did: &Did, at: Timestamp) -> Timestamp {
    at + did
        .kernel
        .map_or(did.lasted, |info| info.rtt.min(Duration::from_secs(1)))
}

fn modelled(ends: &(SocketAddr, SocketAddr), info: Option<TcpInfo>) -> TcpModel {
    let Some(info) = info else {
        return TcpModel::new(ends.0, ends.1, USUAL_MSS);
    };
    let size = |bytes: u32| u16::try_from(bytes).unwrap_or(u16::MAX);
    TcpModel::new(ends.0, ends.1, size(info.announced)).carrying(size(info.mss))
}
