//! A ring station: the network card of a host in a closed circuit.
//!
//! ```text
//!        ┌─────────── host
//!        │ port 0
//!   ──▶ station ──▶        in at port 1, out at port 2, always in this direction
//!  port 1       port 2
//! ```
//!
//! Each frame is handed from neighbour to neighbour. Its destination copies it for
//! its host, and whoever sent it takes it off the ring when it has come round. If
//! the sender cannot (it is damaged, or gone), the monitor station removes the
//! frame on its second lap, as in a token ring (IEEE 802.5); what makes a station
//! wait for its turn is not a token here but the queue of its outgoing link.

use crate::core::{Action, Frame, Mac, Node, Turn};

/// The port of the host.
const HOST: usize = 0;

/// Whether a station watches over the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It removes frames that have passed it before. A ring has one.
    Monitor,
    /// An ordinary station.
    Station,
}

/// A host's way onto the ring.
#[derive(Debug)]
pub struct RingStation {
    /// The address of its host.
    host: Mac,
    role: Role,
    incoming: usize,
    outgoing: usize,
}

impl RingStation {
    /// The station of the host with this address, which is at port 0; frames come in
    /// from the neighbour at port `incoming`, and go on to the one at `outgoing`.
    pub fn new(host: Mac, role: Role, incoming: usize, outgoing: usize) -> Self {
        RingStation {
            host,
            role,
            incoming,
            outgoing,
        }
    }

    fn arrived(&self, mut frame: Frame, turn: &mut Turn<'_>) {
        if frame.source() == self.host {
            return turn.note(&frame, Action::Removed("its sender has it back"));
        }
        if self.role == Role::Monitor {
            if frame.monitored {
                return turn.note(&frame, Action::Removed("the monitor sees it again"));
            }
            frame.monitored = true;
        }
        let to = frame.destination();
        if to == self.host || to.is_group() {
            turn.note(&frame, Action::Copied);
            turn.send(HOST, frame.clone());
        }
        turn.note(&frame, Action::Passed);
        turn.send(self.outgoing, frame);
    }
}

impl Node for RingStation {
    fn kind(&self) -> &'static str {
        "ring station"
    }

    fn attach(&mut self, _: usize) {}

    fn receive(&mut self, port: usize, mut frame: Frame, turn: &mut Turn<'_>) {
        match port {
            HOST => {
                // What the monitor's own host sends has not passed the monitor yet.
                frame.monitored = false;
                turn.note(&frame, Action::Passed);
                turn.send(self.outgoing, frame);
            }
            port if port == self.incoming => self.arrived(frame, turn),
            // A ring has one direction: nothing comes in where frames go out.
            _ => turn.note(&frame, Action::Ignored),
        }
    }

    fn wake(&mut self, _: &mut Turn<'_>) {}
}
