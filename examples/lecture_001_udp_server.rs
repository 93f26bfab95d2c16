//! The twin of `tests/lectures/001_udp_server.py`: every datagram comes back in upper case.
//!
//!     cargo run --example lecture_001_udp_server -- [ADDRESS]
//!
//! What the library does that the socket program left out: one system call brings
//! up to 64 datagrams and one sends their answers; the answer leaves from the
//! address that was asked; a datagram that cannot be answered ends nothing.

use std::env;

use wharf::datagram::{Batch, DatagramService};
use wharf::server::Server;
use wharf::service::Context;

struct Upper;

impl DatagramService for Upper {
    fn receive(&self, batch: &mut Batch, _: &Context) {
        for i in 0..batch.len() {
            println!("datagram from {}", batch.get(i).peer);
            batch.payload_mut(i).make_ascii_uppercase();
            batch.reply_in_place(i);
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("udp:127.0.0.1:11111".into());
    let server = Server::new().serve_datagrams("upper", address.parse()?, Upper);
    let running = server.start().await?;
    eprintln!("listening at {}", running.endpoints()[0].local);
    tokio::signal::ctrl_c().await?;
    running.drain().await;
    Ok(())
}
