//! A conversation written with plain `Read` and `Write`, a thread for each client.
//!
//!     cargo run --example blocking_service -- [ADDRESS]
//!     wharf connect :7001
//!
//! For code that waits anyway – a database, a library without async – and for
//! everybody who likes to read from top to bottom. The server's limits hold for it
//! too, and a line is bounded because the reader is: `take`.

use std::env;
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::time::Duration;

use wharf::server::Server;
use wharf::service::{Blocking, BlockingConnection, Timeouts};

/// The longest answer that is read, in bytes.
const LINE: u64 = 100;

fn interview(client: BlockingConnection) -> Result<()> {
    let mut client = BufReader::new(client);
    writeln!(client.get_mut(), "What is your name?")?;
    let name = line(&mut client)?;
    writeln!(client.get_mut(), "And your harbour, {name}?")?;
    let harbour = line(&mut client)?;
    writeln!(client.get_mut(), "Fair winds from {harbour}, {name}!")
}

fn line(client: &mut BufReader<BlockingConnection>) -> Result<String> {
    let mut line = String::new();
    client.take(LINE).read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("tcp::7001".into());
    let service = Blocking::new(interview).timeouts(Timeouts {
        read: Some(Duration::from_secs(60)),
        write: Some(Duration::from_secs(10)),
    });
    let server = Server::new().serve("interview", address.parse()?, service);
    let running = server.start().await?;
    println!("interviews at {}", running.endpoints()[0].local);
    tokio::signal::ctrl_c().await?;
    running.drain().await;
    Ok(())
}
