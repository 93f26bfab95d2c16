//! Datagram sockets of the operating system: UDP and Unix.
//!
//! How a socket waits:
//!
//! ```text
//!  wait for readable ──► recvmmsg ──► 64: there may be more, still readable
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

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::mmsg::{self, Destination, Headers, PacketInfo, register};
use super::unix::{self, SocketFile};
use super::{unix_address, unix_endpoint};
use crate::datagram::{Batch, BufferSize, DatagramIo, Datagrams};
use crate::network::{BindOptions, Endpoint, Membership, PortSharing, UnixName};

/// Binds a UDP socket.
pub(super) fn bind_udp(address: SocketAddr, options: &BindOptions) -> io::Result<Datagrams> {
    if options.sharing == PortSharing::SharedFirst && address.port() != 0 {
        // SO_REUSEPORT lets any process of the same user join in. So the port is
        // first taken alone: if another server has it, this fails like any port in use.
        udp_socket(address)?.bind(&address.into())?;
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
    socket.bind(&address.into())?;
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
            let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
            socket.set_nonblocking(true)?;
            socket.bind(&socket2::SockAddr::unix("")?)?;
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
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
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

/// What a socket is watched for: datagrams, and on Linux errors that come back, as
/// [`wake_for_errors`] makes them visible.
#[cfg(any(target_os = "linux", target_os = "android"))]
const RECEIVABLE: Interest = Interest::READABLE.add(Interest::PRIORITY);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const RECEIVABLE: Interest = Interest::READABLE;

/// Makes an error that comes back for a datagram wake whoever waits to receive.
///
/// epoll reports an error by itself as EPOLLERR, which tokio does not take for
/// readable; with this option (Linux 3.11, socket(7)) EPOLLPRI comes with it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn wake_for_errors(socket: &Socket) -> io::Result<()> {
    mmsg::set_option(socket.as_fd(), libc::SOL_SOCKET, SO_SELECT_ERR_QUEUE, 1)
}

/// asm-generic/socket.h; libc does not have it for every architecture.
#[cfg(any(target_os = "linux", target_os = "android"))]
const SO_SELECT_ERR_QUEUE: libc::c_int = 45;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn wake_for_errors(_: &Socket) -> io::Result<()> {
    Ok(())
}

struct OsDatagrams {
    /// Watched for datagrams only. Watched for room as well, it would make the
    /// kernel report every single datagram that has left.
    socket: AsyncFd<Socket>,
    /// The same socket watched for room, while there is none.
    writable: Option<AsyncFd<Socket>>,
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
        Ok(OsDatagrams {
            socket: register(socket, RECEIVABLE)?,
            writable: None,
            kind,
            info,
            destination: Destination::Named,
            headers: Headers::new(),
            _file: file,
        })
    }

    /// Whether recvmmsg returns fewer datagrams than asked only at the end of
    /// the queue. A connected socket also stops at an error that came back, and
    /// keeps it for the next call.
    fn short_means_empty(&self) -> bool {
        self.destination == Destination::Named
    }

    fn send_now(&mut self, batch: &Batch) -> io::Result<usize> {
        let socket = self.socket.get_ref().as_fd();
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
        self.writable = None;
        Poll::Ready(outcome)
    }

    fn poll_send_when_writable(
        &mut self,
        cx: &mut Context<'_>,
        batch: &Batch,
    ) -> Poll<io::Result<usize>> {
        let writable = match &self.writable {
            Some(writable) => writable,
            None => {
                let socket = self.socket.get_ref().try_clone()?;
                self.writable.insert(register(socket, Interest::WRITABLE)?)
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
        let short_means_empty = self.short_means_empty();
        loop {
            let mut guard = ready!(self.socket.poll_read_ready(cx))?;
            let socket = guard.get_inner().as_fd();
            match self.headers.receive(socket, batch, self.info) {
                Ok(received) => {
                    if received.taken < spec() && short_means_empty {
                        guard.clear_ready();
                    }
                    if !batch.is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) if is_fatal(&error) => return Poll::Ready(Err(error)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
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
        let socket = self.socket.get_ref();
        wake_for_errors(socket)?;
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
        mmsg::dropped(self.socket.get_ref().as_fd()).map_or(0, u64::from)
    }
}

/// Errors of the socket, or of the program, not of a datagram: trying again
/// would give the same.
fn is_fatal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EBADF | libc::ENOTSOCK | libc::EFAULT | libc::ENOTCONN)
    )
}

fn spec() -> usize {
    static S: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    *S.get_or_init(|| {
        std::env::var("SPEC")
            .ok()
            .and_then(|s| s.parse().ok())
            .unwrap_or(64)
    })
}
