//! The system calls that std lacks, and the only unsafe code of this crate:
//! datagrams in batches, large receive buffers, connecting from an address, what a
//! peer has not acknowledged, whether it ended a connection, a timer that is exact, the limit
//! of descriptors.
#![allow(unsafe_code)]

use std::io::{self, IoSlice};
use std::mem;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

/// How many datagrams go through one system call.
pub(super) const BATCH: usize = 64;

/// Sends datagrams of two parts each over a connected socket, at most [`BATCH`];
/// returns how many went out.
///
/// # Errors
/// Those of sendmmsg(2), if not even the first one could be sent.
pub(super) fn send_batch(
    socket: BorrowedFd<'_>,
    datagrams: &[[IoSlice<'_>; 2]],
) -> io::Result<usize> {
    let count = datagrams.len().min(BATCH);
    // SAFETY: mmsghdr is plain C data for which all zeros are valid: no address,
    // no parts, no control data.
    let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
    for (header, parts) in headers.iter_mut().zip(&datagrams[..count]) {
        // IoSlice is guaranteed to have the layout of iovec; sendmmsg only reads.
        header.msg_hdr.msg_iov = parts.as_ptr().cast::<libc::iovec>().cast_mut();
        header.msg_hdr.msg_iovlen = parts.len() as _;
    }
    // SAFETY: the first `count` headers point to parts that are borrowed for the
    // whole call, and the descriptor is open as long as it is borrowed.
    let sent = unsafe {
        libc::sendmmsg(
            socket.as_raw_fd(),
            headers.as_mut_ptr(),
            count as libc::c_uint,
            0,
        )
    };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Space for a batch of received datagrams.
#[derive(Debug)]
pub(super) struct Received {
    space: Box<[u8]>,
    /// Space per datagram.
    stride: usize,
    lengths: [usize; BATCH],
}

impl Received {
    /// Space for datagrams of up to `longest` bytes; longer ones are cut.
    pub(super) fn new(longest: usize) -> Self {
        Received {
            space: vec![0; longest * BATCH].into_boxed_slice(),
            stride: longest,
            lengths: [0; BATCH],
        }
    }

    /// Takes what is queued on a connected socket, at most [`BATCH`], without
    /// waiting; returns how many there are.
    ///
    /// # Errors
    /// Those of recvmmsg(2); `WouldBlock` if nothing is queued.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        // SAFETY: as in `send_batch`; iovec is plain C data as well.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        // SAFETY: as above.
        let mut parts: [libc::iovec; BATCH] = unsafe { mem::zeroed() };
        let spaces = self.space.chunks_exact_mut(self.stride);
        for ((header, part), space) in headers.iter_mut().zip(&mut parts).zip(spaces) {
            part.iov_base = space.as_mut_ptr().cast();
            part.iov_len = space.len();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
        }
        // SAFETY: every header points to one part, every part to its own piece of
        // `self.space`, which nobody else touches during the call.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (length, header) in self.lengths.iter_mut().zip(&headers[..count]) {
            *length = header.msg_len as usize;
        }
        Ok(count)
    }

    /// Datagram number `index` of the last batch.
    pub(super) fn datagram(&self, index: usize) -> &[u8] {
        &self.space[index * self.stride..][..self.lengths[index]]
    }
}

/// Asks for socket buffers of `bytes` and returns the receive buffer that was granted.
///
/// FORCE goes beyond `net.core.rmem_max`, but needs CAP_NET_ADMIN (socket(7)).
pub(super) fn grow_buffers(socket: BorrowedFd<'_>, bytes: libc::c_int) -> usize {
    for (force, plain) in [
        (libc::SO_RCVBUFFORCE, libc::SO_RCVBUF),
        (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF),
    ] {
        if set_option(socket, libc::SOL_SOCKET, force, bytes).is_err() {
            // A smaller buffer is no error: the result tells what there is.
            let _ = set_option(socket, libc::SOL_SOCKET, plain, bytes);
        }
    }
    let mut granted: libc::c_int = 0;
    let mut length = mem::size_of_val(&granted) as libc::socklen_t;
    // SAFETY: the value and its length are valid for writing, and `length` says
    // how large the value is.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw mut granted).cast(),
            &raw mut length,
        )
    };
    // The kernel reports twice the size: its bookkeeping included.
    if status == 0 { granted as usize / 2 } else { 0 }
}

fn set_option(
    socket: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    // SAFETY: the value is read only, during the call, and its size is right.
    let status = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            mem::size_of_val(&value) as libc::socklen_t,
        )
    };
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Starts to connect from `source`, any port of it, without waiting.
///
/// The port is chosen by connect(2), not by bind(2) (IP_BIND_ADDRESS_NO_PORT):
/// one that is taken for another peer is still free for this one.
///
/// # Errors
/// Those of socket(2), bind(2) and connect(2), but not that it goes on.
pub(super) fn connect_from(source: Ipv4Addr, peer: SocketAddrV4) -> io::Result<TcpStream> {
    let kind = libc::SOCK_STREAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    // SAFETY: no pointers; a descriptor that is not negative is new, and ours alone.
    let socket = unsafe {
        match libc::socket(libc::AF_INET, kind, 0) {
            ..0 => return Err(io::Error::last_os_error()),
            descriptor => OwnedFd::from_raw_fd(descriptor),
        }
    };
    set_option(
        socket.as_fd(),
        libc::IPPROTO_IP,
        libc::IP_BIND_ADDRESS_NO_PORT,
        1,
    )?;
    let (here, there) = (inet(SocketAddrV4::new(source, 0)), inet(peer));
    let length = mem::size_of_val(&here) as libc::socklen_t;
    // SAFETY: the address is read only, during the call, and `length` is its size.
    if unsafe { libc::bind(socket.as_raw_fd(), (&raw const here).cast(), length) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: as for bind.
    if unsafe { libc::connect(socket.as_raw_fd(), (&raw const there).cast(), length) } != 0 {
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EINPROGRESS) {
            return Err(error);
        }
    }
    Ok(socket.into())
}

fn inet(address: SocketAddrV4) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(*address.ip()).to_be(),
        },
        sin_zero: [0; 8],
    }
}

/// How many bytes of a TCP connection were sent and not acknowledged (SIOCOUTQ, tcp(7)); 0
/// if it is none.
pub(super) fn unacknowledged(socket: BorrowedFd<'_>) -> u64 {
    let mut count: libc::c_int = 0;
    // SAFETY: SIOCOUTQ writes one int, which `count` is, during the call.
    let status = unsafe { libc::ioctl(socket.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    match status {
        0 => u64::try_from(count).unwrap_or(0),
        _ => 0,
    }
}

/// Whether the peer of a stream has ended it, or it broke; what came before need not have
/// been read (POLLRDHUP, poll(2)).
pub(super) fn is_ended(socket: BorrowedFd<'_>) -> bool {
    let mut ask = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLRDHUP,
        revents: 0,
    };
    // SAFETY: one pollfd, which `ask` is, is read and written during the call; it does not wait.
    let ready = unsafe { libc::poll(&raw mut ask, 1, 0) };
    ready > 0 && ask.revents & (libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR) != 0
}

/// A timer that ends a wait to the microsecond (timerfd_create(2)): epoll_wait(2) itself
/// knows milliseconds only.
#[derive(Debug)]
pub(super) struct Timer {
    timer: OwnedFd,
    /// What it is set to.
    set_to: u64,
}

impl Timer {
    /// A timer that is not set and reports to `registry` under `token`.
    ///
    /// # Errors
    /// Those of timerfd_create(2) and epoll_ctl(2).
    pub(super) fn new(registry: &Registry, token: Token) -> io::Result<Timer> {
        // SAFETY: no pointers; a descriptor that is not negative is new, and ours alone.
        let timer = unsafe {
            let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
            match libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) {
                ..0 => return Err(io::Error::last_os_error()),
                descriptor => OwnedFd::from_raw_fd(descriptor),
            }
        };
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Timer { timer, set_to: 0 })
    }

    /// Ends waits `after` this time from now on, once. Does nothing if it is set for the same
    /// `moment` already. Setting it anew also forgets what it has reported.
    pub(super) fn set(&mut self, moment: u64, after: Duration) {
        if std::mem::replace(&mut self.set_to, moment) == moment {
            return;
        }
        let none = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let wait = libc::itimerspec {
            it_interval: none,
            it_value: libc::timespec {
                tv_sec: after.as_secs() as libc::time_t,
                // All zero would switch it off.
                tv_nsec: libc::c_long::from(after.subsec_nanos().max(1) as i32),
            },
        };
        // SAFETY: `wait` is read only, during the call, and the old value is not asked for.
        // It fails for a time that is none, which this is not.
        unsafe {
            libc::timerfd_settime(
                self.timer.as_raw_fd(),
                0,
                &raw const wait,
                std::ptr::null_mut(),
            );
        }
    }
}

/// Raises the soft limit of descriptors to the hard one; returns the limit that
/// holds then.
///
/// # Errors
/// Those of getrlimit(2).
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is valid for writing during the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let raised = libc::rlimit {
        rlim_cur: limit.rlim_max,
        ..limit
    };
    // SAFETY: `raised` is read only, during the call.
    let status = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) };
    Ok(if status == 0 {
        raised.rlim_cur
    } else {
        limit.rlim_cur
    })
}
