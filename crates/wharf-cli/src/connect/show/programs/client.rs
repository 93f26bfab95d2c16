//! Talks to @ADDRESS@ with plain sockets.
//!
//!     rustc --edition 2021 client.rs && ./client

use std::io::{self, Read, Write};
@IMPORTS@

@CONSTANTS@

fn main() {
    if let Err(error) = run() {
        eprintln!("error: {error}");
        std::process::exit(1);
    }
}

fn run() -> io::Result<()> {
    let peer = connect()?;
@TALK@
}

@OPEN@

/// Everything there is to send, and then the end.
fn send(mut peer: Peer) -> io::Result<()> {
@SEND@@FINISH@    Ok(())
}
@FRAME@
@RECEIVE@
