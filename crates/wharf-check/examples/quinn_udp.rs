//! Bare UDP echo with quinn-udp on tokio: batches in, and runs of datagrams to one peer out.
//!
//!     quinn_udp PORT
//!
//! One current-thread runtime, 4 MiB receive buffer if the system grants it; no
//! limits, no counters. The kernel may join datagrams of one peer on their way in (GRO) and
//! split them again on their way out (GSO). Prints "listening 127.0.0.1:PORT".

use std::error::Error;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};

use quinn_udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use socket2::{Domain, Socket, Type};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// The default of some 200 KiB loses datagrams as soon as hundreds are in flight.
const RECEIVE_BUFFER: usize = 4 << 20;

/// What the kernel hands over at once is no longer.
const LONGEST: usize = 64 * 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let port: u16 = std::env::args()
        .nth(1)
        .ok_or("usage: quinn_udp PORT")?
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
        serve(&socket).await.map_err(Into::into)
    })
}

async fn serve(socket: &UdpSocket) -> io::Result<()> {
    let state = UdpSocketState::new(socket.into())?;
    let mut space = vec![0; LONGEST * BATCH_SIZE];
    let mut metas = [RecvMeta::default(); BATCH_SIZE];
    loop {
        socket.readable().await?;
        let received = socket.try_io(Interest::READABLE, || {
            let mut parts = space.chunks_exact_mut(LONGEST).map(IoSliceMut::new);
            let mut buffers: [_; BATCH_SIZE] =
                std::array::from_fn(|_| parts.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
            state.recv(socket.into(), &mut buffers, &mut metas)
        });
        let count = match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            received => received?,
        };
        for (contents, meta) in space.chunks_exact(LONGEST).zip(&metas[..count]) {
            reply(socket, &state, &contents[..meta.len], meta).await?;
        }
    }
}

/// Sends back what came at once from one peer.
async fn reply(
    socket: &UdpSocket,
    state: &UdpSocketState,
    contents: &[u8],
    meta: &RecvMeta,
) -> io::Result<()> {
    let at_once = meta.stride.max(1) * state.max_gso_segments();
    for contents in contents.chunks(at_once) {
        let transmit = Transmit {
            destination: meta.addr,
            ecn: None,
            contents,
            segment_size: (contents.len() > meta.stride).then_some(meta.stride),
            src_ip: None,
        };
        loop {
            socket.writable().await?;
            let sent = socket.try_io(Interest::WRITABLE, || {
                state.try_send(socket.into(), &transmit)
            });
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // One that cannot be sent is lost, as datagrams are.
                _ => break,
            }
        }
    }
    Ok(())
}
