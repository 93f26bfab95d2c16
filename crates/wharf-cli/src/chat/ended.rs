//! What it means for the command that the conversation is over.

use std::io;

use wharf_services::chat::client::{Denied, Lost};

use super::ChatArgs;
use crate::exit::Exit;
use crate::failure::{Failure, connect_failure_to, words};
use crate::secret;

/// Why the command ends where the connection is lost for good.
pub(super) fn lost(args: &ChatArgs, why: &Lost) -> Failure {
    let address = &args.address;
    match why {
        Lost::Connect(error) => connect_failure_to("chat", error),
        Lost::Closed => Failure::new(Exit::PeerBroke, format!("{address}: {why}"))
            .cure("--reconnect    to come back by itself"),
        Lost::Broken(error)
            if address.scheme.is_datagram() && error.kind() == io::ErrorKind::ConnectionRefused =>
        {
            let failure = Failure::new(
                Exit::Unreachable,
                format!("cannot reach {address}: connection refused"),
            )
            .with("means", "nothing listens there");
            failure.cure(format!("wharf serve chat {address}    in another terminal"))
        }
        Lost::Broken(error) => Failure::new(
            Exit::PeerBroke,
            format!("{address}: the connection broke: {}", words(error)),
        ),
        Lost::Silent(_) => Failure::new(Exit::TimedOut, format!("{address}: {why}"))
            .with("means", "it is no chat server, or it is drowned in work"),
        Lost::Busy => Failure::new(Exit::Unreachable, format!("{address}: {why}")),
        Lost::Gate(error) => secret::not_let_in(address, error),
        Lost::Gated => secret::wanted(address),
    }
}

/// Why the command ends where a login is refused for good.
pub(super) fn refused(args: &ChatArgs, name: &str, why: Denied) -> Failure {
    let cause = format!("{} does not log in {name:?}: {why}", args.address);
    let failure = Failure::new(Exit::Unreachable, cause);
    match why {
        Denied::InUse => failure.cure(format!("--as {name}2")),
        Denied::BadName | Denied::Busy | Denied::Gated => failure,
    }
}
