//! The twin of `tests/lectures/001_tcp_server.py`: a TCP echo, written with reads that block.
//!
//!     cargo run --example lecture_001_tcp_server -- [ADDRESS]
//!
//! What the library does that the socket program left out: each client has a
//! thread of its own and none waits for the one before (`Mode::OneAtATime` brings
//! the queue back); a client that is silent for ten minutes or never reads is
//! closed; Ctrl-C lets open conversations end.

use std::env;
use std::io::{Read, Write};

use wharf::server::Server;
use wharf::service::{Blocking, BlockingConnection};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:9999".into());
    let echo = Blocking::new(|mut client: BlockingConnection| {
        println!("serving {}", client.peer());
        let mut buffer = [0; 1024];
        loop {
            let length = client.read(&mut buffer)?;
            if length == 0 {
                return Ok(()); // nothing at all means: the client has closed
            }
            client.write_all(&buffer[..length])?;
        }
    });
    let server = Server::new().serve("echo", address.parse()?, echo);
    let running = server.start().await?;
    eprintln!("listening at {}", running.endpoints()[0].local);
    tokio::signal::ctrl_c().await?;
    running.drain().await;
    Ok(())
}
