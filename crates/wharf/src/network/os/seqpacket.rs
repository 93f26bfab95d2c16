//! Unix sockets of type SEQPACKET: connections that keep packet boundaries.
//!
//! Each read gives one packet and each write sends one (unix(7)). A packet that
//! is longer than the read buffer is an error, never silently cut. An empty packet
//! cannot be told from the end of the stream (recv(2)), so it reads as that.

use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::{Domain, MaybeUninitSlice, Socket, Type};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::unix::{SocketFile, bind_and_listen, connect_when_free, named};
use super::{unix_address, unix_endpoint};
use crate::connection::{Accept, Connection, Listener, OpenShared, Stream};
use crate::network::tap::steps::{StepKind, step};
use crate::network::{ConnectOptions, Endpoint, ListenOptions, UnixName};

/// A connected SEQPACKET socket.
pub(crate) struct Seqpacket(AsyncFd<Socket>);

impl Seqpacket {
    /// A connected, non-blocking socket in the current runtime.
    pub(crate) fn new(socket: Socket) -> io::Result<Self> {
        register(socket).map(Seqpacket)
    }

    /// The socket, out of its runtime.
    pub(crate) fn into_inner(self) -> Socket {
        self.0.into_inner()
    }
}

/// Puts a socket under the current runtime's reactor.
fn register(socket: Socket) -> io::Result<AsyncFd<Socket>> {
    // SAFETY: the socket owns its descriptor, gives the same number every time,
    // and keeps it open until the AsyncFd is dropped or taken apart.
    #[allow(unsafe_code)]
    let registered = unsafe { AsyncFd::register(socket) };
    registered.map_err(io::Error::from)
}

/// Listens at `name`.
pub(super) fn listen(name: &UnixName, options: &ListenOptions) -> io::Result<Listener> {
    let (socket, file) = bind_and_listen(name, Type::SEQPACKET, options)?;
    let local = Endpoint::Unix(name.clone());
    let source = OsListener {
        socket: register(socket)?,
        local: local.clone(),
        file: file.map(Arc::new),
    };
    Ok(Listener::new(local, source))
}

/// Connects to `name`.
pub(super) async fn connect(name: &UnixName, options: &ConnectOptions) -> io::Result<Connection> {
    let new = || Socket::new(Domain::UNIX, Type::SEQPACKET, None);
    let socket = step(StepKind::Socket, new)?;
    let local = named(&socket, options)?;
    socket.set_nonblocking(true)?;
    connect_when_free(&socket, &unix_address(name)?).await?;
    Ok(Connection::over(
        Stream::Packets(Seqpacket::new(socket)?),
        local,
        Endpoint::Unix(name.clone()),
    ))
}

struct OsListener {
    socket: AsyncFd<Socket>,
    local: Endpoint,
    file: Option<Arc<SocketFile>>,
}

impl Accept for OsListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Connection>> {
        loop {
            let mut ready = ready!(self.socket.poll_read_ready(cx))?;
            let Ok(accepted) = ready.try_io(|socket| socket.get_ref().accept()) else {
                continue;
            };
            let (socket, peer) = accepted?;
            socket.set_nonblocking(true)?;
            return Poll::Ready(Ok(Connection::over(
                Stream::Packets(Seqpacket::new(socket)?),
                self.local.clone(),
                unix_endpoint(&peer),
            )));
        }
    }

    fn share(&mut self) -> io::Result<Option<OpenShared>> {
        let socket = self.socket.get_ref().try_clone()?;
        let (local, file) = (self.local.clone(), self.file.clone());
        Ok(Some(Box::new(move || {
            let source = OsListener {
                socket: register(socket)?,
                local: local.clone(),
                file,
            };
            Ok(Listener::new(local, source))
        })))
    }
}

/// Receives one packet into the unfilled part of `space`.
fn receive(socket: &Socket, space: &mut ReadBuf<'_>) -> io::Result<()> {
    let unfilled = space.initialize_unfilled();
    let room = unfilled.len();
    // SAFETY: u8 and MaybeUninit<u8> have one layout, and recvmsg(2), the only
    // writer, writes initialised bytes; so the slice stays initialised.
    #[allow(unsafe_code)]
    let slots = unsafe {
        std::slice::from_raw_parts_mut(unfilled.as_mut_ptr().cast::<MaybeUninit<u8>>(), room)
    };
    let (length, flags) = socket.recv_vectored(&mut [MaybeUninitSlice::new(slots)])?;
    if flags.is_truncated() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("a packet was longer than the read buffer of {room} bytes"),
        ));
    }
    space.advance(length);
    Ok(())
}

impl AsyncRead for Seqpacket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut ready = ready!(self.0.poll_read_ready(cx))?;
            if let Ok(outcome) = ready.try_io(|socket| receive(socket.get_ref(), space)) {
                return Poll::Ready(outcome);
            }
        }
    }
}

impl AsyncWrite for Seqpacket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut ready = ready!(self.0.poll_write_ready(cx))?;
            // std's Write for sockets sets MSG_NOSIGNAL: a gone peer is an error, no signal.
            if let Ok(outcome) = ready.try_io(|socket| (&mut socket.get_ref()).write(bytes)) {
                return Poll::Ready(outcome);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.get_ref().shutdown(Shutdown::Write))
    }
}
