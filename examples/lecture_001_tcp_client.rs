//! The twin of `tests/lectures/001_tcp_client.py`: says one thing over TCP and reads one answer.
//!
//!     cargo run --example lecture_001_tcp_client -- [ADDRESS]
//!
//! What the library does that the socket program left out: it tries every address
//! of a name, gives up after ten seconds, sends all that it was given, and says
//! `None` where the socket's `recv` gives an empty string.

use std::env;

use wharf::client::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("127.0.0.1:9999".into());
    let mut server = Client::new().connect(&address.parse()?).await?;
    server.write_all(b"Ahoy, harbour").await?;
    match server.read_chunk().await? {
        Some(data) => println!("answer {}", String::from_utf8_lossy(&data)),
        None => println!("the server closed without an answer"),
    }
    server.close().await?;
    Ok(())
}
