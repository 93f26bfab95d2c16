//! The twin of `tests/lectures/003_tcp_client.py`: sends a sentence and shows what came back.
//!
//!     cargo run --example lecture_003_tcp_client -- [ADDRESS]
//!
//! What the library does that the socket program left out: it says with `finish`
//! that the sentence is complete, and reads to the end of the answer, which may
//! come in pieces; a server that says nothing for ten seconds is given up.

use std::env;
use std::io::{self, Write};
use std::time::Duration;

use wharf::client::Client;
use wharf::service::Timeouts;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("localhost:12000".into());
    let patience = Timeouts {
        read: Some(Duration::from_secs(10)),
        write: None,
    };
    let client = Client::new().timeouts(patience);
    let mut server = client.connect(&address.parse()?).await?;

    print!("A sentence in lower case: ");
    io::stdout().flush()?;
    let mut sentence = String::new();
    io::stdin().read_line(&mut sentence)?;
    server.write_all(sentence.trim_end().as_bytes()).await?;
    server.finish().await?;

    let mut changed = Vec::new();
    while let Some(chunk) = server.read_chunk().await? {
        changed.extend_from_slice(&chunk);
    }
    println!("The server says: {}", String::from_utf8_lossy(&changed));
    Ok(())
}
