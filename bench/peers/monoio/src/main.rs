//! Bare TCP echo on monoio: what a Rust runtime on io_uring allows.
//!
//!     echo_monoio [-u] PORT      -u answers in upper-case ASCII
//!
//! One thread, one task and one buffer (64 KiB) per connection; no limits, no
//! timeouts, no counters. Prints "listening 127.0.0.1:PORT".

use std::error::Error;
use std::io;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, RuntimeBuilder};

/// Of the submission queue: a thousand connections fill it at once.
const ENTRIES: u32 = 4_096;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let upper = arguments.next_if_eq("-u").is_some();
    let port: u16 = arguments
        .next()
        .ok_or("usage: echo_monoio [-u] PORT")?
        .parse()?;
    let mut runtime = RuntimeBuilder::<IoUringDriver>::new()
        .with_entries(ENTRIES)
        .build()?;
    runtime.block_on(serve(port, upper))?;
    Ok(())
}

async fn serve(port: u16, upper: bool) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    println!("listening {}", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(monoio::spawn(answer(stream, upper))),
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

async fn answer(mut stream: TcpStream, upper: bool) {
    // A peer that resets is no affair of a bare loop.
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let (read, mut filled) = stream.read(buffer).await;
        if !matches!(read, Ok(1..)) {
            return;
        }
        if upper {
            filled.make_ascii_uppercase();
        }
        let (written, sent) = stream.write_all(filled).await;
        if written.is_err() {
            return;
        }
        buffer = sent;
    }
}
