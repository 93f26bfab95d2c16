//! The twin of `tests/lectures/003_udp_server.py`: every sentence comes back in upper case.
//!
//!     cargo run --example lecture_003_udp_server -- [ADDRESS]
//!
//! What the library does that the socket program left out: bytes that are no text
//! do not end the server; an answer that is longer than its question goes to this
//! machine only, so nobody is flooded in another's name. It listens on this
//! machine alone; the lecture's empty host is `udp:all:12000`.

use std::env;

use wharf::datagram::Datagrammed;
use wharf::server::Server;

/// Knows no socket: `lecture_003_tcp_server` answers streams with the same words.
fn upper(sentence: &[u8], reply: &mut Vec<u8>) {
    let sentence = String::from_utf8_lossy(sentence);
    reply.extend_from_slice(sentence.to_uppercase().as_bytes());
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("udp::12000".into());
    let server = Server::new().serve_datagrams("upper", address.parse()?, Datagrammed(upper));
    let running = server.start().await?;
    eprintln!("listening at {}", running.endpoints()[0].local);
    println!("ready for datagrams");
    tokio::signal::ctrl_c().await?;
    running.drain().await;
    Ok(())
}
