//! Two messages, three ways to send them, and what is left of their boundary.
//!
//!     cargo run --example two_messages
//!
//! TCP is a stream of bytes: both messages arrive, and where one ended is lost. A
//! framing (here: a length of four bytes before each message) brings the boundary
//! back. A datagram is a message by itself, if it arrives.

use wharf::address::Address;
use wharf::client::Client;
use wharf::framing::{Decoder, Encoder, Framing, Limits};
use wharf::server::{Bound, Server};
use wharf_services::Echo;

const MESSAGES: [&str; 2] = ["Hi!", "Hope you're well"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let server = Server::new()
        .serve("echo", "tcp:127.0.0.1:0".parse()?, Echo::default())
        .serve_datagrams("echo", "udp:127.0.0.1:0".parse()?, Echo::default())
        .start()
        .await?;
    let [tcp, udp] = server.endpoints() else {
        anyhow::bail!("two addresses are two endpoints");
    };
    println!(
        "tcp, raw    {:?}",
        over_tcp(&at(tcp)?, &Framing::Raw).await?
    );
    println!(
        "tcp, u32    {:?}",
        over_tcp(&at(tcp)?, &"u32".parse()?).await?
    );
    println!("udp         {:?}", over_udp(&at(udp)?).await?);
    server.drain().await;
    Ok(())
}

/// Sends the messages one by one, and takes the whole echo apart.
async fn over_tcp(address: &Address, framing: &Framing) -> anyhow::Result<Vec<String>> {
    let mut connection = Client::new().connect(address).await?;
    let encoder = Encoder::new(framing);
    for message in MESSAGES {
        let mut wire = Vec::new();
        encoder.encode(message.as_bytes(), &mut wire)?;
        connection.write_all(&wire).await?;
    }
    connection.finish().await?;
    let mut echo = Vec::new();
    while let Some(chunk) = connection.read_chunk().await? {
        echo.extend_from_slice(&chunk);
    }
    let mut decoder = Decoder::new(framing, Limits::default());
    let (mut input, mut came) = (&echo[..], Vec::new());
    while let Some(message) = decoder.next(&mut input) {
        came.push(String::from_utf8(message?.to_vec())?);
    }
    Ok(came)
}

async fn over_udp(address: &Address) -> anyhow::Result<Vec<String>> {
    let (mut socket, server) = Client::new().datagrams(address).await?;
    for message in MESSAGES {
        socket.send_to(message.as_bytes(), &server).await?;
    }
    let mut came = Vec::new();
    for _ in MESSAGES {
        let mut datagram = Vec::new();
        socket.receive_from(&mut datagram).await?;
        came.push(String::from_utf8(datagram)?);
    }
    Ok(came)
}

/// The address under which clients reach a socket of the server.
fn at(bound: &Bound) -> anyhow::Result<Address> {
    Ok(format!("{}:{}", bound.scheme.as_str(), bound.local).parse()?)
}
