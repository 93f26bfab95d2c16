//! A service of your own in a few lines, over TCP, UDP and TLS.
//!
//!     cargo run --example hello_service -- [ADDRESS...]
//!     echo Ada | wharf connect :7000
//!     echo Ada | wharf connect udp::7000
//!     echo Ada | wharf connect tls::7443,insecure
//!
//! `hello` is the service; everything else says where it is offered. Over a stream
//! a line is a message, over UDP a datagram is.

use std::env;

use wharf::address::Address;
use wharf::datagram::Datagrammed;
use wharf::framing::Framing;
use wharf::server::Server;
use wharf::service::Framed;

fn hello(name: &[u8], reply: &mut Vec<u8>) {
    reply.extend_from_slice(b"hello, ");
    reply.extend_from_slice(name.trim_ascii());
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut addresses: Vec<String> = env::args().skip(1).collect();
    if addresses.is_empty() {
        addresses = ["tcp::7000", "udp::7000", "tls::7443,self-signed"]
            .map(Into::into)
            .into();
    }
    let mut server = Server::new();
    for address in addresses {
        let address: Address = address.parse()?;
        server = if address.scheme.is_datagram() {
            server.serve_datagrams("hello", address, Datagrammed(hello))
        } else {
            server.serve("hello", address, Framed::new(Framing::default(), hello))
        };
    }
    let running = server.start().await?;
    for bound in running.endpoints() {
        println!("hello at {} {}", bound.scheme.as_str(), bound.local);
    }
    tokio::signal::ctrl_c().await?;
    running.drain().await;
    Ok(())
}
