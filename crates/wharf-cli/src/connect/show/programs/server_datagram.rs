//! The service @SERVICE@ at @ADDRESS@ with plain sockets.
//!
//!     rustc --edition 2021 server.rs && ./server

use std::io;
@IMPORTS@

fn main() -> io::Result<()> {
    let server = @LISTEN@?;
    eprintln!("listening on @WHERE@);
    let mut buffer = [0; 65535];
    loop {
        // An error belongs to one datagram: others are still answered.
        if let Err(error) = answer_one(&server, &mut buffer) {
            eprintln!("error: {error}");
        }
    }
}

fn answer_one(server: &Server, buffer: &mut [u8]) -> io::Result<()> {
    let (length, peer) = server.recv_from(buffer)?;
    if let Some(reply) = answer(&buffer[..length], &format!("{peer:?}")) {
@REPLY@
    }
    Ok(())
}

@ANSWER@
