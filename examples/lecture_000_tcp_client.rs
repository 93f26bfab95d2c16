//! The twin of `tests/lectures/000_tcp_client.py`: a TCP client for any protocol of lines.
//!
//!     cargo run --example lecture_000_tcp_client -- [ADDRESS] [ANSWERS]
//!
//! What the library does that the socket program left out: it tries every address
//! of a name and gives up after ten seconds; a line that never ends is an error
//! and not a full memory; `write_all` needs no second look at what was taken.

use std::env;
use std::io;

use wharf::client::Client;
use wharf::connection::Connection;
use wharf::framing::{Decoder, Framing, Limits};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("localhost:5378".into());
    let answers = env::args().nth(2).unwrap_or("0".into()).parse()?;
    let mut server = Client::new().connect(&address.parse()?).await?;
    let mut lines = Decoder::new(&Framing::default(), Limits::default());
    let mut seen = 0;
    // Nothing else runs here, so waiting for the keyboard stops nobody.
    for (before, line) in io::stdin().lines().enumerate() {
        server.write_all(format!("{}\n", line?).as_bytes()).await?;
        print_until(before + 1, &mut seen, &mut lines, &mut server).await?;
    }
    print_until(answers, &mut seen, &mut lines, &mut server).await?;
    server.close().await?;
    Ok(())
}

/// A read may bring half a line or five: the decoder finds where they end.
async fn print_until(
    wanted: usize,
    seen: &mut usize,
    lines: &mut Decoder,
    server: &mut Connection,
) -> anyhow::Result<()> {
    while *seen < wanted {
        let Some(chunk) = server.read_chunk().await? else {
            break;
        };
        let mut input = &chunk[..];
        while let Some(line) = lines.next(&mut input) {
            println!("{}", String::from_utf8_lossy(&line?));
            *seen += 1;
        }
    }
    Ok(())
}
