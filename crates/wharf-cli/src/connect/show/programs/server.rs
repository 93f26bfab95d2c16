//! The service @SERVICE@ at @ADDRESS@ with plain sockets.
//!
//!     rustc --edition 2021 server.rs && ./server

use std::io::{self, Read, Write};
@IMPORTS@
use std::time::Duration;

fn main() -> io::Result<()> {
    let server = @LISTEN@?;
    eprintln!("listening on @WHERE@);
    loop {
        match server.accept() {
            Ok((peer, name)) => {
                std::thread::spawn(move || {
                    if let Err(error) = serve(peer, &format!("{name:?}")) {
                        eprintln!("{name:?}: {error}");
                    }
                });
            }
            Err(error) => {
                // For example no descriptor is free: those who are here are still served.
                eprintln!("cannot accept: {error}");
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }
}

@SERVE@
