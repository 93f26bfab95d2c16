//! The twin of `tests/lectures/002_tcp_server.py`: takes one message from one client and shows it.
//!
//!     cargo run --example lecture_002_tcp_server -- [ADDRESS]
//!
//! What the library does that the socket program left out: the message is read to
//! its newline, the client's end or 80 bytes, where one `recv(80)` shows whatever
//! came first; the client's end is awaited before the process goes. It listens on
//! this machine alone; the lecture's empty host is `all:11267`.

use std::env;
use std::io::{BufRead, BufReader, Read};

use wharf::server::{ServeOptions, Server};
use wharf::service::{Blocking, BlockingConnection};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("tcp::11267".into());
    let message = Blocking::new(|client: BlockingConnection| {
        println!("server accepted connection request from  {}", client.peer());
        println!("server waits for data");
        let mut message = Vec::new();
        BufReader::new(client.take(80)).read_until(b'\n', &mut message)?;
        let text = String::from_utf8_lossy(&message);
        println!("server received  {}", text.trim_end());
        Ok(())
    });
    let one_client = ServeOptions {
        accept_at_most: Some(1),
        ..ServeOptions::default()
    };
    let server = Server::new().serve_with("message", address.parse()?, message, one_client);
    let running = server.start().await?;
    eprintln!("listening at {}", running.endpoints()[0].local);
    println!("server waits for connection");
    running.ended().await;
    Ok(())
}
