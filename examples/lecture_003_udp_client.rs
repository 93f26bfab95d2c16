//! The twin of `tests/lectures/003_udp_client.py`: sends a sentence and shows what came back.
//!
//!     cargo run --example lecture_003_udp_client -- [ADDRESS]
//!
//! What the library does that the socket program left out: UDP may lose the
//! sentence or its answer, so it asks three times, one second each; a port where
//! nobody listens is an error at once.

use std::env;
use std::io::{self, Write};
use std::time::Duration;

use tokio::time::timeout;
use wharf::client::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("udp:localhost:12000".into());
    let (mut socket, server) = Client::new().datagrams(&address.parse()?).await?;
    print!("A sentence in lower case: ");
    io::stdout().flush()?;
    let mut sentence = String::new();
    io::stdin().read_line(&mut sentence)?;

    let mut changed = Vec::new();
    for _ in 0..3 {
        let question = sentence.trim_end().as_bytes();
        socket.send_to(question, &server).await?;
        let answer = socket.receive_from(&mut changed);
        if let Ok(sender) = timeout(Duration::from_secs(1), answer).await {
            sender?;
            println!("The server says: {}", String::from_utf8_lossy(&changed));
            return Ok(());
        }
    }
    anyhow::bail!("no answer from {server} to three datagrams")
}
