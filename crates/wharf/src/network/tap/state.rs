//! The states of a TCP connection, as far as calls tell them. No I/O.
//!
//! ```text
//!   CLOSED ─listen─▶ LISTEN              (accept: a second socket, ESTABLISHED)
//!   CLOSED ─connect─▶ SYN-SENT ─▶ ESTABLISHED
//!   ESTABLISHED ─shutdown, close─▶ FIN-WAIT-1 ─(ACK)─▶ FIN-WAIT-2 ─recv 0─▶ TIME-WAIT
//!   ESTABLISHED ─recv 0─▶ CLOSE-WAIT ─shutdown, close─▶ LAST-ACK ─(ACK)─▶ CLOSED
//! ```
//! RFC 9293, section 3.3.2. What only frames cause – the ACK of a FIN, a RST – is
//! known where the kernel tells its state after the call.

use std::fmt;

use super::{Call, Outcome};

/// A state of a TCP connection (RFC 9293, section 3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // The names are the RFC's, and it explains each.
pub enum TcpState {
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

impl TcpState {
    /// The name as RFC 9293 writes it.
    pub fn name(self) -> &'static str {
        match self {
            TcpState::Closed => "CLOSED",
            TcpState::Listen => "LISTEN",
            TcpState::SynSent => "SYN-SENT",
            TcpState::SynReceived => "SYN-RECEIVED",
            TcpState::Established => "ESTABLISHED",
            TcpState::FinWait1 => "FIN-WAIT-1",
            TcpState::FinWait2 => "FIN-WAIT-2",
            TcpState::CloseWait => "CLOSE-WAIT",
            TcpState::Closing => "CLOSING",
            TcpState::LastAck => "LAST-ACK",
            TcpState::TimeWait => "TIME-WAIT",
        }
    }

    /// The state that Linux numbers so (`include/net/tcp_states.h`), in TCP_INFO and
    /// in /proc/net/tcp.
    pub fn from_linux(number: u8) -> Option<Self> {
        Some(match number {
            1 => TcpState::Established,
            2 => TcpState::SynSent,
            3 | 12 => TcpState::SynReceived,
            4 => TcpState::FinWait1,
            5 => TcpState::FinWait2,
            6 => TcpState::TimeWait,
            7 => TcpState::Closed,
            8 => TcpState::CloseWait,
            9 => TcpState::LastAck,
            10 => TcpState::Listen,
            11 => TcpState::Closing,
            _ => return None,
        })
    }

    /// The state after a call, as the calls alone tell it.
    pub(super) fn after(self, call: &Call, outcome: &Outcome) -> TcpState {
        match (call, outcome) {
            (Call::Listen { .. }, Outcome::Done) => TcpState::Listen,
            (Call::Connect { .. }, Outcome::Done) => TcpState::Established,
            (Call::Connect { .. }, _) => TcpState::Closed,
            (Call::Shutdown, Outcome::Done) => self.finished(),
            (
                Call::Receive {
                    done: 0, requested, ..
                },
                Outcome::Done,
            ) if *requested > 0 => self.heard_the_end(),
            (Call::Receive { .. } | Call::Send { .. }, Outcome::Failed(failure)) => {
                match failure.kind {
                    std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe => {
                        TcpState::Closed
                    }
                    _ => self,
                }
            }
            (Call::Close { reset: true }, _) => TcpState::Closed,
            (Call::Close { reset: false }, _) => match self {
                TcpState::Listen | TcpState::SynSent => TcpState::Closed,
                state => state.finished(),
            },
            _ => self,
        }
    }

    /// Our FIN goes out.
    fn finished(self) -> TcpState {
        match self {
            TcpState::Established | TcpState::SynReceived => TcpState::FinWait1,
            TcpState::CloseWait => TcpState::LastAck,
            state => state,
        }
    }

    /// The peer's FIN was read.
    fn heard_the_end(self) -> TcpState {
        match self {
            TcpState::Established => TcpState::CloseWait,
            TcpState::FinWait1 | TcpState::FinWait2 | TcpState::Closing => TcpState::TimeWait,
            state => state,
        }
    }

    /// This state, corrected by what the kernel says.
    ///
    /// A connection in TIME-WAIT has left its socket, of which the kernel then says
    /// CLOSED (`tcp_time_wait` in net/ipv4/tcp_minisocks.c).
    pub(super) fn corrected(self, kernel: Option<TcpState>) -> TcpState {
        match (self, kernel) {
            (TcpState::TimeWait, Some(TcpState::Closed)) | (_, None) => self,
            (_, Some(kernel)) => kernel,
        }
    }
}

impl fmt::Display for TcpState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What a call did to the state of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The state before.
    pub from: TcpState,
    /// A state that was passed in between, and in which the call waited.
    pub through: Option<TcpState>,
    /// The state after.
    pub to: TcpState,
    /// Whether `to` is what the kernel said, and not only what follows from the call.
    pub from_the_kernel: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn receive(done: usize) -> Call {
        Call::Receive {
            requested: 10,
            done,
            bytes: Bytes::new(),
        }
    }

    #[test]
    fn the_two_ways_to_end() {
        let done = Outcome::Done;
        let active = TcpState::Established.after(&Call::Shutdown, &done);
        assert_eq!(active, TcpState::FinWait1);
        let active = active.corrected(Some(TcpState::FinWait2));
        let active = active.after(&receive(0), &done);
        assert_eq!(active, TcpState::TimeWait);
        assert_eq!(active.corrected(Some(TcpState::Closed)), TcpState::TimeWait);
        let passive = TcpState::Established.after(&receive(0), &done);
        assert_eq!(passive, TcpState::CloseWait);
        let close = Call::Close { reset: false };
        assert_eq!(passive.after(&close, &done), TcpState::LastAck);
    }

    #[test]
    fn a_listener_stays_one_while_it_accepts() {
        let accept = Call::Accept { socket: None };
        assert_eq!(
            TcpState::Listen.after(&accept, &Outcome::Done),
            TcpState::Listen
        );
        let close = Call::Close { reset: false };
        assert_eq!(
            TcpState::Listen.after(&close, &Outcome::Done),
            TcpState::Closed
        );
    }

    proptest! {
        #[test]
        fn nothing_opens_a_closed_connection_but_listen_and_connect(
            calls in proptest::collection::vec(0..4_u8, 0..20),
        ) {
            let mut state = TcpState::Closed;
            for call in calls {
                let call = match call {
                    0 => Call::Shutdown,
                    1 => receive(0),
                    2 => receive(5),
                    _ => Call::Close { reset: false },
                };
                state = state.after(&call, &Outcome::Done);
                prop_assert_eq!(state, TcpState::Closed);
            }
        }

        #[test]
        fn a_reset_closes_from_every_state(number in 1..12_u8) {
            let state = TcpState::from_linux(number).unwrap();
            let reset = Call::Close { reset: true };
            prop_assert_eq!(state.after(&reset, &Outcome::Done), TcpState::Closed);
        }
    }
}
