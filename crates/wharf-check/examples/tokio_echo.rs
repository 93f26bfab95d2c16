//! Bare TCP echo on tokio: what the runtime itself allows.
//!
//!     tokio_echo PORT [BUFFER]
//!
//! One current-thread runtime, one task and one buffer (64 KiB) per connection;
//! no limits, no timeouts, no counters. Prints "listening 127.0.0.1:PORT".

use std::error::Error;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let port: u16 = arguments
        .next()
        .ok_or("usage: tokio_echo PORT [BUFFER]")?
        .parse()?;
    let size = arguments
        .next()
        .map_or(Ok(64 * 1024), |text| text.parse())?;
    wharf_check::load::raise_descriptor_limit()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        println!("listening {}", listener.local_addr()?);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(echo(stream, size))),
                Err(error) => eprintln!("accept: {error}"),
            }
        }
    })
}

async fn echo(mut stream: TcpStream, size: usize) {
    // A peer that resets is no affair of a bare loop.
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0; size];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
