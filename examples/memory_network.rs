//! Testing a service without a socket: a network in memory that does its worst.
//!
//!     cargo run --example memory_network         what a client hears
//!     cargo test --example memory_network        the tests below
//!
//! `MemoryNetwork` takes the place of the operating system: the server, its limits
//! and the service run unchanged. Bytes arrive one at a time if a test wants it,
//! connections are reset, and ten minutes of silence pass in no time.

use wharf::address::Address;
use wharf::client::Client;
use wharf::framing::Framing;
use wharf::network::{MemoryNetwork, memory::Delivery};
use wharf::server::{Running, Server};
use wharf::service::Framed;

/// The service under test.
fn count(line: &[u8], reply: &mut Vec<u8>) {
    reply.extend_from_slice(format!("{} bytes", line.len()).as_bytes());
}

async fn start(network: &MemoryNetwork) -> anyhow::Result<(Running, Address)> {
    let address: Address = "tcp::7".parse()?;
    let service = Framed::new(Framing::default(), count);
    let server = Server::on(network.clone()).serve("count", address.clone(), service);
    Ok((server.start().await?, address))
}

/// Says `words`, ends its stream, and gives everything that it heard.
async fn talk(network: &MemoryNetwork, to: &Address, words: &[u8]) -> anyhow::Result<String> {
    let mut client = Client::on(network.clone()).connect(to).await?;
    client.write_all(words).await?;
    client.finish().await?;
    let mut heard = Vec::new();
    while let Some(chunk) = client.read_chunk().await? {
        heard.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(heard)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let network = MemoryNetwork::new();
    network.deliver(Delivery::ByteByByte);
    let (running, address) = start(&network).await?;
    print!("{}", talk(&network, &address, b"quay\nharbour\n").await?);
    running.drain().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::Instant;
    use wharf::connection::CloseReason;
    use wharf::limits::IDLE_TIMEOUT;

    #[tokio::test]
    async fn lines_are_counted_however_they_arrive() {
        for delivery in [Delivery::AsSent, Delivery::ByteByByte] {
            let network = MemoryNetwork::new();
            network.deliver(delivery);
            let (_running, address) = start(&network).await.unwrap();
            let heard = talk(&network, &address, b"quay\r\n\nharbour")
                .await
                .unwrap();
            assert_eq!(heard, "4 bytes\n0 bytes\n7 bytes\n", "{delivery:?}");
        }
    }

    #[tokio::test]
    async fn a_reset_of_one_client_is_none_of_the_next() {
        let network = MemoryNetwork::new();
        let (running, address) = start(&network).await.unwrap();
        let mut unlucky = Client::on(network.clone()).connect(&address).await.unwrap();
        unlucky.write_all(b"one\n").await.unwrap();
        assert_eq!(&*unlucky.read_chunk().await.unwrap().unwrap(), b"3 bytes\n");
        network.reset_all();
        assert!(unlucky.read_chunk().await.is_err());
        assert_eq!(
            talk(&network, &address, b"next\n").await.unwrap(),
            "4 bytes\n"
        );
        running.drain().await;
        assert_eq!(running.snapshot().ended(CloseReason::PeerReset), 1);
    }

    /// With the clock paused, time jumps to the next deadline as soon as all wait.
    #[tokio::test(start_paused = true)]
    async fn a_silent_client_is_closed_after_the_idle_timeout() {
        let network = MemoryNetwork::new();
        let (running, address) = start(&network).await.unwrap();
        let began = Instant::now();
        let mut silent = Client::on(network.clone()).connect(&address).await.unwrap();
        assert!(silent.read_chunk().await.unwrap().is_none());
        assert!(began.elapsed() >= IDLE_TIMEOUT);
        assert!(began.elapsed() < IDLE_TIMEOUT + Duration::from_secs(5));
        drop(silent);
        running.drain().await;
        assert_eq!(running.snapshot().ended(CloseReason::Idle), 1);
    }
}
