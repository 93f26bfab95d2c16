//! A conversation over UDP: each peer has a state, and none has a task.
//!
//!     cargo run --example sessions -- [ADDRESS]
//!     wharf connect udp::7002
//!
//! ```text
//!   number ─▶ adds it, says the sum so far     "total" ─▶ says it and ends
//!   anything else ─▶ says what it takes        30 s of silence ─▶ asks once
//! ```
//!
//! `Sum` does no I/O and asks no clock, so its tests need neither. `Sessions` keeps
//! one for every peer in a bounded table, forgets the silent ones, and lets forged
//! addresses crowd out each other only.

use std::env;
use std::time::Duration;

use tokio::time::Instant;
use wharf::datagram::{Conversation, Outbox, Sessions};
use wharf::server::Server;

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Sum {
    so_far: i64,
    ask_at: Option<Instant>,
}

impl Conversation for Sum {
    fn receive(&mut self, message: &[u8], now: Instant, out: &mut Outbox) {
        self.ask_at = Some(now + PATIENCE);
        match String::from_utf8_lossy(message).trim() {
            "total" => {
                out.push(format!("{}", self.so_far).as_bytes());
                out.end();
            }
            word => match word.parse() {
                Ok(number) => {
                    self.so_far = self.so_far.saturating_add(number);
                    out.push(format!("{}", self.so_far).as_bytes());
                }
                Err(_) => out.push(b"a number, or total"),
            },
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.ask_at
    }

    fn timeout(&mut self, _: Instant, out: &mut Outbox) {
        self.ask_at = None;
        out.push(b"still there?");
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or("udp::7002".into());
    let sums = Sessions::new(|_peer| Sum::default());
    let server = Server::new().serve_datagrams("sum", address.parse()?, sums);
    let running = server.start().await?;
    println!("sums at {}", running.endpoints()[0].local);
    tokio::signal::ctrl_c().await?;
    running.drain().await;
    Ok(())
}
