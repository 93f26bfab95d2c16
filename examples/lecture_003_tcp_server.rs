//! The twin of `tests/lectures/003_tcp_server.py`: one sentence from each client, back in upper case.
//!
//!     cargo run --example lecture_003_tcp_server -- [ADDRESS]
//!
//! What the library does that the socket program left out: a client that says
//! nothing stops nobody else; bytes that are no text do not end the server; the
//! answer arrives whatever the client still sends. It listens on this machine
//! alone; the lecture's empty host is `all:12000`.

use std::env;

use wharf::framing::Framing;
use wharf::server::Server;
use wharf::service::{Framed, Replies};

/// Knows no socket: `lecture_003_udp_server` answers datagrams with the same words.
fn upper(sentence: &[u8], reply: &mut Vec<u8>) {
    let sentence = String::from_utf8_lossy(sentence);
    reply.extend_from_slice(sentence.to_uppercase().as_bytes());
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("tcp::12000".into());
    // The lecture's client marks no end: a sentence is what one read brings.
    let once = Framed::new(Framing::Raw, upper).replies(Replies::Once);
    let server = Server::new().serve("upper", address.parse()?, once);
    let running = server.start().await?;
    eprintln!("listening at {}", running.endpoints()[0].local);
    println!("ready for clients");
    tokio::signal::ctrl_c().await?;
    running.drain().await;
    Ok(())
}
