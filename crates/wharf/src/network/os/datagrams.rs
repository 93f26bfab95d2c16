//! Datagram sockets of the operating system: UDP and Unix.
//!
//! How a socket waits:
//!
//! ```text
//!  wait for readable ──► recvmmsg ──► all it asked for: there may be more, still readable
//!        ▲                  │
//!        └──────────────────┴───────► fewer: the queue was empty, no longer readable
//! ```
//!
//! epoll(7) is edge-triggered here: it reports the *arrival* of datagrams, not
//! that there are some. So "no longer readable" may only be noted when the queue
//! was seen to be empty, and must not wipe out an arrival that happened after
//! that look. Both hold: recvmmsg returns fewer than asked only because it met
//! the end of the queue, and tokio's guard, which was made before the look, clears
//! nothing if an event came in since it was made.
//!
//! A watched socket costs something for every datagram that *leaves* it, because
//! the kernel wakes the watcher to say that there is room again, even if nobody
//! asked for that (sock_wfree in the kernel's net/core/sock.c). Measured, it is 5 %
//! of the time of an echo. So a busy socket is not watched: it is looked at again
//! and again, and only when nothing is there it is watched and waited for. A
//! second watch, for room or for errors, exists only while it is waited for.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::Interest;

use super::mmsg::{self, Destination, Headers, PacketInfo, Received, Watch, register};
use super::unix::{self, SocketFile};
use super::{unix_address, unix_endpoint};
use crate::datagram::{Batch, BufferSize, DatagramIo, Datagrams};
use crate::network::tap::steps::{StepKind, step, untold};
use crate::network::{BindOptions, Endpoint, Membership, PortSharing, UnixName};

/// Binds a UDP socket.
pub(super) fn bind_udp(address: SocketAddr, options: &BindOptions) -> io::Result<Datagrams> {
    if options.sharing == PortSharing::SharedFirst && address.port() != 0 {
        // SO_REUSEPORT lets any process of the same user join in. So the port is
        // first taken alone: if another server has it, this fails like any port in use.
        untold(|| udp_socket(address)?.bind(&address.into()))?;
    }
    let socket = udp_socket(address)?;
    // Not SO_REUSEADDR: for UDP it would let a second server take the port.
    if options.sharing != PortSharing::Exclusive {
        socket.set_reuse_port(true)?;
    }
    socket.set_broadcast(options.broadcast.is_on())?;
    if let Some(hops) = options.hops {
        set_hops(&socket, address, hops)?;
    }
    // Before bind(2), so that they hold for the first datagram that arrives.
    let info = match address.ip().is_unspecified() {
        true => ask_for_local_address(&socket, address)?,
        false => PacketInfo::Off,
    };
    let receive_buffer = grow_buffers(&socket, options)?;
    step(StepKind::Bind, || socket.bind(&address.into()))?;
    for membership in &options.join {
        join(&socket, membership)?;
    }
    let local = inet(&socket.local_addr()?)?;
    let io = OsDatagrams::new(socket, Kind::Udp, info, None)?;
    Ok(Datagrams::new(local.into(), io).with_receive_buffer(receive_buffer))
}

/// Binds a Unix datagram socket. Without a name the kernel chooses one, so that
/// replies can find it (unix(7), "Autobind feature").
pub(super) fn bind_unix(name: &UnixName, options: &BindOptions) -> io::Result<Datagrams> {
    let (socket, file) = match name {
        UnixName::Unnamed => {
            let new = || Socket::new(Domain::UNIX, Type::DGRAM, None);
            let socket = step(StepKind::Socket, new)?;
            socket.set_nonblocking(true)?;
            let unnamed = socket2::SockAddr::unix("")?;
            step(StepKind::Bind, || socket.bind(&unnamed))?;
            (socket, None)
        }
        _ => unix::bind(name, Type::DGRAM, options.mode)?,
    };
    let receive_buffer = grow_buffers(&socket, options)?;
    let local = unix_endpoint(&socket.local_addr()?);
    let io = OsDatagrams::new(socket, Kind::Unix, PacketInfo::Off, file)?;
    Ok(Datagrams::new(local, io).with_receive_buffer(receive_buffer))
}

fn udp_socket(address: SocketAddr) -> io::Result<Socket> {
    let domain = Domain::for_address(address);
    let new = || Socket::new(domain, Type::DGRAM, Some(Protocol::UDP));
    let socket = step(StepKind::Socket, new)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn set_hops(socket: &Socket, address: SocketAddr, hops: u32) -> io::Result<()> {
    if address.is_ipv6() {
        socket.set_unicast_hops_v6(hops)?;
        socket.set_multicast_hops_v6(hops)
    } else {
        socket.set_ttl_v4(hops)?;
        socket.set_multicast_ttl_v4(hops)
    }
}

/// Joins a group, and sends to groups through the same interface.
fn join(socket: &Socket, membership: &Membership) -> io::Result<()> {
    let interface = match &membership.interface {
        Some(name) => mmsg::interface_index(name)?,
        None => 0,
    };
    match membership.group {
        std::net::IpAddr::V4(group) => {
            socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface))?;
            // Otherwise the socket would also receive groups that others on this
            // machine joined (ip(7), IP_MULTICAST_ALL).
            #[cfg(any(target_os = "linux", target_os = "android"))]
            socket.set_multicast_all_v4(false)?;
        }
        std::net::IpAddr::V6(group) => {
            socket.join_multicast_v6(&group, interface)?;
            #[cfg(any(target_os = "linux", target_os = "android"))]
            socket.set_multicast_all_v6(false)?;
        }
    }
    if interface != 0 {
        mmsg::send_groups_through(socket.as_fd(), membership.group, interface)?;
    }
    Ok(())
}

fn ask_for_local_address(socket: &Socket, address: SocketAddr) -> io::Result<PacketInfo> {
    let (level, option) = match address {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    mmsg::set_option(socket.as_fd(), level, option, 1)?;
    Ok(PacketInfo::On)
}

/// Asks for the buffers, beyond `net.core.rmem_max` if privileges allow it, and
/// says what the receive buffer became.
fn grow_buffers(socket: &Socket, options: &BindOptions) -> io::Result<BufferSize> {
    let fd = socket.as_fd();
    let asked = i32::try_from(options.receive_buffer).unwrap_or(i32::MAX);
    if mmsg::set_option(fd, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, asked).is_err() {
        socket.set_recv_buffer_size(asked as usize)?;
    }
    let to_send = i32::try_from(options.send_buffer).unwrap_or(i32::MAX);
    if mmsg::set_option(fd, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, to_send).is_err() {
        socket.set_send_buffer_size(to_send as usize)?;
    }
    Ok(BufferSize {
        asked: options.receive_buffer as usize,
        // The kernel reports twice what it granted, for its own bookkeeping (socket(7)).
        granted: socket.recv_buffer_size()? / 2,
    })
}

fn inet(address: &socket2::SockAddr) -> io::Result<SocketAddr> {
    let found = address.as_socket();
    found.ok_or_else(|| io::Error::other("the socket has no IP address"))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Udp,
    Unix,
}

/// From this many datagrams in one look on, a socket is busy.
const BUSY: usize = 8;

type Waiting = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

struct OsDatagrams {
    socket: Arc<Socket>,
    /// Reports the arrival of datagrams, unless the socket is busy.
    arrivals: Option<Watch>,
    /// Waits for an error to come back, once the socket is connected.
    error: Option<Waiting>,
    /// Reports that there is room to send, while there is none.
    room: Option<Watch>,
    kind: Kind,
    info: PacketInfo,
    destination: Destination,
    headers: Headers,
    _file: Option<SocketFile>,
}

impl OsDatagrams {
    fn new(
        socket: Socket,
        kind: Kind,
        info: PacketInfo,
        file: Option<SocketFile>,
    ) -> io::Result<Self> {
        let socket = Arc::new(socket);
        Ok(OsDatagrams {
            arrivals: Some(register(Arc::clone(&socket), Interest::READABLE)?),
            socket,
            error: None,
            room: None,
            kind,
            info,
            destination: Destination::Named,
            headers: Headers::new(),
            _file: file,
        })
    }

    /// Waits until there may be something to receive, and looks once.
    fn poll_look(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<Received>> {
        let Some(watch) = &self.arrivals else {
            return self.poll_look_unwatched(cx, batch);
        };
        let connected = self.destination == Destination::Connected;
        let Poll::Ready(mut guard) = watch.poll_read_ready(cx)? else {
            if connected {
                ready!(self.poll_error(cx))?;
                return Poll::Ready(self.look(batch));
            }
            return Poll::Pending;
        };
        let looked = self.headers.receive(self.socket.as_fd(), batch, self.info);
        let empty = match &looked {
            // A connected socket also stops at an error that came back, and keeps
            // it for the next call.
            Ok(received) => received.taken < received.asked && !connected,
            Err(error) => error.kind() == io::ErrorKind::WouldBlock,
        };
        if empty {
            guard.clear_ready();
        }
        if looked.as_ref().is_ok_and(|looked| looked.taken >= BUSY) && !connected {
            self.arrivals = None;
        }
        Poll::Ready(looked)
    }

    /// Looks without having waited, and has the socket watched again if nothing
    /// is there. What came since the look is then reported at once (epoll_ctl(2)).
    fn poll_look_unwatched(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
    ) -> Poll<io::Result<Received>> {
        // Waiting for readiness would have let other tasks have their turn.
        let turn = ready!(tokio::task::coop::poll_proceed(cx));
        let looked = self.look(batch);
        match &looked {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.watch()?,
            _ => turn.made_progress(),
        }
        Poll::Ready(looked)
    }

    fn look(&mut self, batch: &mut Batch) -> io::Result<Received> {
        self.headers.receive(self.socket.as_fd(), batch, self.info)
    }

    fn watch(&mut self) -> io::Result<()> {
        let socket = Arc::clone(&self.socket);
        self.arrivals = Some(register(socket, Interest::READABLE)?);
        Ok(())
    }

    /// Waits for an error to come back. It makes a socket ready for errors
    /// (`EPOLLERR`) and not for reading.
    fn poll_error(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let waiting = self.error.get_or_insert_with(|| {
            let socket = self.socket.try_clone();
            Box::pin(async move {
                let socket = register(Arc::new(socket?), Interest::READABLE)?;
                // Cleared before the look that follows, so nothing is lost.
                socket.ready(Interest::ERROR).await?.clear_ready();
                Ok(())
            })
        });
        let outcome = ready!(waiting.as_mut().poll(cx));
        self.error = None;
        Poll::Ready(outcome)
    }

    fn send_now(&mut self, batch: &Batch) -> io::Result<usize> {
        let socket = self.socket.as_fd();
        self.headers.send(socket, batch, self.destination)
    }

    /// Sends now, or once the socket is writable.
    fn poll_send_some(&mut self, cx: &mut Context<'_>, batch: &Batch) -> Poll<io::Result<usize>> {
        // Mostly there is room, and asking first would only cost time.
        match self.send_now(batch) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.waits_for_room() => {}
            outcome => return Poll::Ready(outcome),
        }
        let outcome = ready!(self.poll_send_when_writable(cx, batch));
        self.room = None;
        Poll::Ready(outcome)
    }

    fn poll_send_when_writable(
        &mut self,
        cx: &mut Context<'_>,
        batch: &Batch,
    ) -> Poll<io::Result<usize>> {
        let writable = match &self.room {
            Some(writable) => writable,
            None => {
                let socket = Arc::new(self.socket.try_clone()?);
                self.room.insert(register(socket, Interest::WRITABLE)?)
            }
        };
        loop {
            // Tried again after the guard was made: what it clears is then older
            // than the look, and no wakeup is lost.
            let mut guard = ready!(writable.poll_write_ready(cx))?;
            let socket = guard.get_inner().as_fd();
            match self.headers.send(socket, batch, self.destination) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// An unconnected Unix socket is always writable, whatever the queues of its
    /// peers: waiting for one of them would never end, and would let a peer that
    /// reads nothing stop all others. Its datagram is dropped instead.
    fn waits_for_room(&self) -> bool {
        self.kind == Kind::Udp || self.destination == Destination::Connected
    }
}

impl DatagramIo for OsDatagrams {
    fn poll_receive(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        loop {
            match ready!(self.poll_look(cx, batch)) {
                Ok(_) if !batch.is_empty() => return Poll::Ready(Ok(())),
                Ok(_) => {}
                Err(error) if is_passing(&error) => {}
                Err(error) if is_fatal(&error) => return Poll::Ready(Err(error)),
                Err(error) => {
                    batch.tally_mut().icmp_errors += 1;
                    if self.destination == Destination::Connected {
                        return Poll::Ready(Err(error));
                    }
                    // Reading an error removes it. Should one stay all the same,
                    // others get their turn before it is met again.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        while batch.outgoing() > 0 {
            match ready!(self.poll_send_some(cx, batch)) {
                Ok(count) => batch.note_sent(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if is_fatal(&error) => return Poll::Ready(Err(error)),
                Err(error) => batch.note_failed(error),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn connect(&mut self, to: &Endpoint) -> io::Result<Endpoint> {
        let socket = &*self.socket;
        let local = match to {
            Endpoint::Inet(address) => {
                socket.connect(&(*address).into())?;
                inet(&socket.local_addr()?)?.into()
            }
            Endpoint::Unix(name) => {
                socket.connect(&unix_address(name)?)?;
                unix_endpoint(&socket.local_addr()?)
            }
        };
        // Its one local address is known from now on.
        self.info = PacketInfo::Off;
        self.destination = Destination::Connected;
        Ok(local)
    }

    fn kernel_dropped(&self) -> u64 {
        mmsg::dropped(self.socket.as_fd()).map_or(0, u64::from)
    }
}

/// Not an error: there was nothing, or a signal came in between.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Errors of the socket, or of the program, not of a datagram: trying again
/// would give the same.
fn is_fatal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EBADF | libc::ENOTSOCK | libc::EFAULT | libc::ENOTCONN)
    )
}

#[cfg(test)]
mod tests;
