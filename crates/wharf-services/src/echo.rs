//! Echo (RFC 862): everything comes back as it was sent.

use wharf::connection::Connection;
use wharf::service::{Context, Service, ServiceError};

/// Sends everything back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Echo;

impl Service for Echo {
    async fn serve(&self, peer: &mut Connection, _: &Context) -> Result<(), ServiceError> {
        while let Some(chunk) = peer.read_chunk().await? {
            peer.write_all(&chunk).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf::network::{ConnectOptions, Endpoint, ListenOptions, MemoryNetwork, Network, Os};
    use wharf::service::Drain;

    /// One client says two things, ends its stream, and gets both back.
    async fn is_echoed_over(network: impl Network) {
        let here = Endpoint::Inet("127.0.0.1:0".parse().unwrap());
        let mut listener = network
            .listen(&here, &ListenOptions::default())
            .await
            .unwrap();
        let at = listener.local().clone();
        let context = Context::new(network.platform(), Drain::new());
        let server = tokio::spawn(async move {
            let mut connection = listener.accept().await.unwrap();
            Echo.serve(&mut connection, &context).await.unwrap();
            connection.close().await.unwrap();
        });
        let mut client = network
            .connect(&at, &ConnectOptions::default())
            .await
            .unwrap();
        client.write_all(b"Hi!").await.unwrap();
        client.write_all(b"Hope you're well").await.unwrap();
        client.finish().await.unwrap();
        let mut heard = Vec::new();
        while let Some(chunk) = client.read_chunk().await.unwrap() {
            heard.extend_from_slice(&chunk);
        }
        assert_eq!(heard, b"Hi!Hope you're well");
        server.await.unwrap();
    }

    #[tokio::test]
    async fn over_the_operating_systems_network() {
        is_echoed_over(Os).await;
    }

    #[tokio::test]
    async fn over_the_network_in_memory() {
        is_echoed_over(MemoryNetwork::new()).await;
    }
}
