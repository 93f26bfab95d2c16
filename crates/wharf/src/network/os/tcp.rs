//! TCP sockets of the operating system.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, ready};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::connection::{Accept, Connection, Listener, Stream};
use crate::limits;
use crate::network::tap::steps::{StepKind, step, untold};
use crate::network::{ConnectOptions, Endpoint, ListenOptions, PortSharing, StreamOptions};

/// Listens at `address`.
pub(super) fn listen(address: SocketAddr, options: &ListenOptions) -> io::Result<Listener> {
    if options.sharing == PortSharing::SharedFirst && address.port() != 0 {
        // SO_REUSEPORT lets any process of the same user join in. So the port is
        // first taken alone: if another server has it, this fails like any port in use.
        let alone = ListenOptions {
            sharing: PortSharing::Exclusive,
            ..options.clone()
        };
        untold(|| bound(address, &alone)).map(drop)?;
    }
    let socket = TcpListener::from_std(bound(address, options)?.into())?;
    let local = socket.local_addr()?;
    let options = options.stream.clone();
    Ok(Listener::new(
        local.into(),
        OsListener {
            socket,
            local,
            options,
        },
    ))
}

fn bound(address: SocketAddr, options: &ListenOptions) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let new = || Socket::new(domain, Type::STREAM, Some(Protocol::TCP));
    let socket = step(StepKind::Socket, new)?;
    socket.set_nonblocking(true)?;
    // A port whose old connections are in TIME-WAIT is free to listen on again.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if options.sharing != PortSharing::Exclusive {
        socket.set_reuse_port(true)?;
    }
    // Linux hands these on to every accepted socket, which saves up to six
    // system calls per connection.
    apply(&SockRef::from(&socket), &options.stream)?;
    step(StepKind::Bind, || socket.bind(&address.into()))?;
    let backlog = options.backlog.unwrap_or(limits::BACKLOG);
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    step(StepKind::Listen, || socket.listen(backlog))?;
    Ok(socket)
}

/// Connects to `address`.
pub(super) async fn connect(
    address: SocketAddr,
    options: &ConnectOptions,
) -> io::Result<Connection> {
    let socket = step(StepKind::Socket, || match address.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4(),
        IpAddr::V6(_) => TcpSocket::new_v6(),
    })?;
    apply(&SockRef::from(&socket), &options.stream)?;
    if let Some(from) = options.from.as_ref().and_then(Endpoint::inet) {
        // A chosen port must be usable again at once, also when it is in TIME-WAIT.
        socket.set_reuseaddr(true)?;
        step(StepKind::Bind, || socket.bind(from))?;
    }
    let stream = socket.connect(address).await?;
    let local = stream.local_addr()?;
    if local == address && options.from.is_none() {
        // A connect to a free port of the ephemeral range can meet itself (simultaneous
        // open, RFC 9293 section 3.5). Nobody listens there, so say so.
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    Ok(Connection::over(
        Stream::Tcp(stream),
        local.into(),
        address.into(),
    ))
}

fn apply(socket: &Socket, options: &StreamOptions) -> io::Result<()> {
    socket.set_tcp_nodelay(options.nodelay.is_on())?;
    if let Some(idle) = options.keepalive {
        let probes = TcpKeepalive::new()
            .with_time(idle)
            .with_interval(limits::KEEPALIVE_INTERVAL)
            .with_retries(limits::KEEPALIVE_PROBES);
        socket.set_tcp_keepalive(&probes)?;
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(options.user_timeout)?;
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(bytes as usize)?;
    }
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(bytes as usize)?;
    }
    Ok(())
}

struct OsListener {
    socket: TcpListener,
    local: SocketAddr,
    options: StreamOptions,
}

impl OsListener {
    fn connection(&self, stream: TcpStream, peer: SocketAddr) -> io::Result<Connection> {
        if cfg!(not(any(target_os = "linux", target_os = "android"))) {
            apply(&SockRef::from(&stream), &self.options)?;
        }
        // Only a wildcard listener must ask which of its addresses was called.
        let local = if self.local.ip().is_unspecified() {
            stream.local_addr()?
        } else {
            self.local
        };
        Ok(Connection::over(
            Stream::Tcp(stream),
            local.into(),
            peer.into(),
        ))
    }
}

impl Accept for OsListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Connection>> {
        let (stream, peer) = ready!(self.socket.poll_accept(cx))?;
        Poll::Ready(self.connection(stream, peer))
    }
}
