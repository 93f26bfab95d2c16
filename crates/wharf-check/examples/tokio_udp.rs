//! Bare UDP echo on tokio, one datagram a call: what `UdpSocket` itself allows.
//!
//!     tokio_udp PORT
//!
//! One current-thread runtime, 4 MiB receive buffer if the system grants it; no
//! limits, no counters. Prints "listening 127.0.0.1:PORT".

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};
use tokio::net::UdpSocket;

/// The default of some 200 KiB loses datagrams as soon as hundreds are in flight.
const RECEIVE_BUFFER: usize = 4 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args()
        .nth(1)
        .ok_or("usage: tokio_udp PORT")?
        .parse()?;
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let socket = UdpSocket::from_std(socket.into())?;
        println!("listening {}", socket.local_addr()?);
        let mut datagram = vec![0; 64 * 1024];
        loop {
            let (count, peer) = socket.recv_from(&mut datagram).await?;
            // One that cannot be sent is lost, as datagrams are.
            let _ = socket.send_to(&datagram[..count], peer).await;
        }
    })
}
