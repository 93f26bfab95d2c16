//! The twin of `tests/lectures/001_udp_client.py`: one datagram out, one answer back.
//!
//!     cargo run --example lecture_001_udp_client -- [ADDRESS]
//!
//! What the library does that the socket program left out: the socket is connected,
//! so datagrams of strangers are not heard, and a port where nobody listens is an
//! error at once; and the wait for an answer that was lost comes to an end.

use std::env;
use std::time::Duration;

use tokio::time::timeout;
use wharf::client::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("udp:127.0.0.1:11111".into());
    let (mut socket, server) = Client::new().datagrams(&address.parse()?).await?;
    println!("sending from {}", socket.local());
    socket.send_to(b"From Quay to Pier", &server).await?;
    let mut data = Vec::new();
    let sender = timeout(Duration::from_secs(3), socket.receive_from(&mut data)).await??;
    println!("answer {} from {sender}", String::from_utf8_lossy(&data));
    Ok(())
}
