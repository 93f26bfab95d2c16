//! The twin of `tests/lectures/002_tcp_client.py`: asks for one message and sends it.
//!
//!     cargo run --example lecture_002_tcp_client -- [ADDRESS]
//!
//! What the library does that the socket program left out: `close` says that
//! nothing more comes and then waits for the server's end, so an answer that is
//! not read does not turn into a reset that destroys the message.

use std::env;
use std::io::{self, Write};

use wharf::client::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("localhost:11267".into());
    let mut server = Client::new().connect(&address.parse()?).await?;
    println!("connected to the server");

    print!("Give message : ");
    io::stdout().flush()?;
    let mut message = String::new();
    io::stdin().read_line(&mut message)?;
    server.write_all(message.trim_end().as_bytes()).await?;

    server.close().await?;
    Ok(())
}
