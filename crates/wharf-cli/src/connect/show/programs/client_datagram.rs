//! Sends datagrams to @ADDRESS@ with plain sockets, and shows the answer to each.
//!
//!     rustc --edition 2021 client.rs && ./client

use std::io::{self, ErrorKind, Read, Write};
@IMPORTS@use std::time::Duration;

@CONSTANTS@/// A datagram or its answer may be lost.
const TIMEOUT: Duration = Duration::from_millis(@TIMEOUT_MS@);

fn main() {
    match run() {
        Ok(()) => {}
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            eprintln!("error: no answer in time");
            std::process::exit(28);
        }
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(1);
        }
    }
}

fn run() -> io::Result<()> {
    let peer = connect()?;
    peer.set_read_timeout(Some(TIMEOUT))?;
@SEND@    Ok(())
}

@OPEN@

/// Sends one datagram, and shows the answer.
fn ask(peer: &Peer, message: &[u8]) -> io::Result<()> {
    // All of it, or an error: a datagram is never split.
    peer.send(message)?;
@ANSWER@    Ok(())
}
