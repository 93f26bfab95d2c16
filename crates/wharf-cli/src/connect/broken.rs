//! Why a conversation over a connection failed, with what it means.

use std::io;

use wharf::framing::FrameError;
use wharf::network::Endpoint;

use super::report::Totals;
use crate::exit::Exit;
use crate::failure::{Failure, words};

/// Why a conversation failed.
pub(super) enum Broken {
    /// Reading or writing failed.
    Peer(io::Error),
    /// The peer closed while input was still to be sent.
    Unsent(io::Error),
    /// The peer's messages are none.
    Framing(FrameError),
    /// The input cannot be sent, or not be read.
    Input(Failure),
}

impl Broken {
    /// The failure as people see it.
    pub(super) fn failure(self, peer: &Endpoint, totals: Totals) -> Failure {
        let failure = match self {
            Broken::Input(failure) => return failure,
            Broken::Framing(error) => {
                Failure::new(Exit::PeerBroke, format!("{peer} sent a {error}"))
            }
            Broken::Unsent(error) => Failure::new(
                Exit::PeerBroke,
                format!("{peer} closed the connection before it had taken everything"),
            )
            .with("cause", words(&error)),
            Broken::Peer(error) => of_peer(&error, peer),
        };
        failure.with("so far", totals.words())
    }
}

fn of_peer(error: &io::Error, peer: &Endpoint) -> Failure {
    let (exit, what, means) = match error.kind() {
        io::ErrorKind::ConnectionReset => (
            Exit::PeerBroke,
            "reset the connection",
            "it closed with data unread, or crashed",
        ),
        io::ErrorKind::UnexpectedEof => (
            Exit::PeerBroke,
            "ended the connection without ending TLS",
            "what it sent may have been cut short",
        ),
        io::ErrorKind::TimedOut => (
            Exit::TimedOut,
            "does not acknowledge what is sent",
            "the path to it is cut, or the machine is gone",
        ),
        _ => return Failure::new(Exit::PeerBroke, format!("{peer}: {}", words(error))),
    };
    Failure::new(exit, format!("{peer} {what}")).with("means", means)
}
