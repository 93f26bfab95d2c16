//! Many datagrams per system call: recvmmsg(2) and sendmmsg(2), and the few
//! socket options that no safe wrapper has. All `unsafe` code of the datagram
//! path is in this file; what is decided about its results is in `datagrams`.
//!
//! [`Headers`] keeps the arrays that both calls need, so that no call allocates.
//! The pointers in them are written anew for every call, from slices that are
//! borrowed for as long as the call lasts; between calls nobody follows them.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::mem::{size_of, zeroed};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;
use std::sync::Arc;

use libc::{c_int, c_void, cmsghdr, iovec, mmsghdr, msghdr, sockaddr_storage, socklen_t};

use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{unix_address, unix_endpoint};
use crate::datagram::{Batch, Outgoing};
use crate::limits::DATAGRAM_BATCH;
use crate::network::Endpoint;

/// How many datagrams one recvmmsg(2) asks for at least. Every one that is asked for has
/// a header to be written, and where one comes at a time, the 64 of a whole batch were
/// more than half of what an echo executes (3,700 of 6,600 instructions).
const FEW: usize = 8;

/// Room for one control message with an address, which is at most
/// `CMSG_SPACE(sizeof(struct in6_pktinfo))` = 40 bytes.
const CONTROL: usize = 64;

/// Control messages begin at an address that suits their header (cmsg(3)).
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// Whether the local address travels with each datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PacketInfo {
    /// The socket has one local address.
    Off,
    /// The socket is bound to all addresses: ask for it, and set it.
    On,
}

/// Whether sending names the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// Every datagram carries its own.
    Named,
    /// The socket is connected.
    Connected,
}

/// What one recvmmsg(2) did.
pub(super) struct Received {
    /// How many datagrams it took out of the queue.
    pub(super) taken: usize,
    /// How many it could have taken.
    pub(super) asked: usize,
}

/// The arrays of message headers.
pub(super) struct Headers {
    messages: Box<[mmsghdr]>,
    vectors: Box<[iovec]>,
    names: Box<[sockaddr_storage]>,
    controls: Box<[Control]>,
    /// How many datagrams the next recvmmsg(2) asks for.
    ask: usize,
}

// SAFETY: the raw pointers inside are only followed during a call of `receive`
// or `send`, which have written all of them before; they are no shared state.
unsafe impl Send for Headers {}

impl Headers {
    pub(super) fn new() -> Self {
        // SAFETY: all four are plain C data, for which all bytes zero are valid
        // (null pointers, family AF_UNSPEC).
        unsafe {
            Headers {
                messages: vec![zeroed(); DATAGRAM_BATCH].into(),
                vectors: vec![zeroed(); DATAGRAM_BATCH].into(),
                names: vec![zeroed(); DATAGRAM_BATCH].into(),
                controls: vec![zeroed(); DATAGRAM_BATCH].into(),
                ask: FEW,
            }
        }
    }

    /// Points header `i` at its payload, name and control buffer.
    fn prepare(&mut self, i: usize, payload: *mut c_void, length: usize, lengths: Lengths) {
        self.vectors[i] = iovec {
            iov_base: payload,
            iov_len: length,
        };
        let header = &mut self.messages[i].msg_hdr;
        header.msg_iov = &raw mut self.vectors[i];
        header.msg_iovlen = 1;
        header.msg_name = match lengths.name {
            0 => ptr::null_mut(),
            _ => (&raw mut self.names[i]).cast(),
        };
        header.msg_namelen = lengths.name;
        header.msg_control = match lengths.control {
            0 => ptr::null_mut(),
            _ => (&raw mut self.controls[i]).cast(),
        };
        header.msg_controllen = lengths.control as _;
        header.msg_flags = 0;
    }

    /// Receives as many datagrams as are there, at most a batch, without waiting.
    ///
    /// It asks for a few where few came the last time, so it may take fewer than there
    /// are; then it took as many as it asked for.
    ///
    /// Truncated ones are counted in the batch and left out of it.
    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        batch: &mut Batch,
        info: PacketInfo,
    ) -> io::Result<Received> {
        let window = batch.window();
        let asked = window.count.min(self.ask);
        let lengths = Lengths {
            name: size_of::<sockaddr_storage>() as socklen_t,
            control: if info == PacketInfo::On { CONTROL } else { 0 },
        };
        for i in 0..asked {
            let slot = &mut window.arena[i * window.stride..][..window.size];
            self.prepare(i, slot.as_mut_ptr().cast(), slot.len(), lengths);
        }
        let stride = window.stride;
        // SAFETY: the first `asked` headers point at `asked` slots of the arena,
        // which `batch` lends mutably, and at names and controls of `self`; all
        // of them live and are not otherwise used until the call returns.
        let taken = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                asked as _,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        let taken = usize::try_from(taken).map_err(|_| io::Error::last_os_error())?;
        self.ask = match taken == asked {
            true => DATAGRAM_BATCH,
            false => (4 * taken).clamp(FEW, DATAGRAM_BATCH),
        };
        for i in 0..taken {
            let message = &self.messages[i];
            if message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                batch.tally_mut().truncated += 1;
                continue;
            }
            let peer = endpoint(&self.names[i], message.msg_hdr.msg_namelen);
            let local = match info {
                PacketInfo::On => local_address(&message.msg_hdr),
                PacketInfo::Off => None,
            };
            batch.accept(i * stride, message.msg_len as usize, peer, local);
        }
        Ok(Received { taken, asked })
    }

    /// Sends the next datagrams of the batch, at most 64, without waiting, and
    /// says how many went. An error is about the first of them.
    pub(super) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        batch: &Batch,
        destination: Destination,
    ) -> io::Result<usize> {
        let mut count = 0;
        for outgoing in batch.outgoing_iter().take(DATAGRAM_BATCH) {
            let lengths = match destination {
                Destination::Connected => Lengths::default(),
                Destination::Named => match self.address(count, &outgoing) {
                    Ok(lengths) => lengths,
                    Err(error) if count == 0 => return Err(error),
                    // Send those before it; the next call tells of it.
                    Err(_) => break,
                },
            };
            let payload = outgoing.payload;
            let start = payload.as_ptr().cast_mut().cast();
            self.prepare(count, start, payload.len(), lengths);
            count += 1;
        }
        // SAFETY: the first `count` headers point at payloads that `batch` lends
        // and at names and controls of `self`, with their written lengths.
        // sendmmsg only reads them, apart from `msg_len` of each header. A peer
        // that is gone is an error here, not a signal.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                count as _,
                (libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Writes the destination and the source address of datagram `i`.
    fn address(&mut self, i: usize, outgoing: &Outgoing<'_>) -> io::Result<Lengths> {
        Ok(Lengths {
            name: write_endpoint(outgoing.to, &mut self.names[i])?,
            control: match outgoing.from {
                Some(IpAddr::V4(ip)) => write_source_v4(ip, &mut self.controls[i]),
                Some(IpAddr::V6(ip)) => write_source_v6(ip, &mut self.controls[i]),
                None => 0,
            },
        })
    }
}

/// How much of a name and of a control buffer is used, in bytes.
#[derive(Clone, Copy, Default)]
struct Lengths {
    name: socklen_t,
    control: usize,
}

/// The endpoint that the kernel wrote.
fn endpoint(name: &sockaddr_storage, length: socklen_t) -> Endpoint {
    let start: *const sockaddr_storage = name;
    match c_int::from(name.ss_family) {
        libc::AF_INET => {
            // SAFETY: sockaddr_storage is larger than every address and aligned
            // for it, and its family says that it holds this one.
            let v4 = unsafe { &*start.cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr));
            SocketAddr::V4(SocketAddrV4::new(ip, u16::from_be(v4.sin_port))).into()
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*start.cast::<libc::sockaddr_in6>() };
            SocketAddr::V6(SocketAddrV6::new(
                Ipv6Addr::from(v6.sin6_addr.s6_addr),
                u16::from_be(v6.sin6_port),
                v6.sin6_flowinfo,
                v6.sin6_scope_id,
            ))
            .into()
        }
        _ => {
            let mut storage = socket2::SockAddrStorage::zeroed();
            // SAFETY: socket2's storage is a transparent sockaddr_storage; the
            // kernel wrote `length` bytes of a Unix address into `name`, or none.
            let address = unsafe {
                *storage.view_as::<sockaddr_storage>() = *name;
                socket2::SockAddr::new(storage, length)
            };
            unix_endpoint(&address)
        }
    }
}

/// Writes `endpoint` for the kernel; gives its length.
fn write_endpoint(endpoint: &Endpoint, name: &mut sockaddr_storage) -> io::Result<socklen_t> {
    let start: *mut sockaddr_storage = name;
    let length = match endpoint {
        Endpoint::Inet(SocketAddr::V4(address)) => {
            // SAFETY: zero bytes are a valid sockaddr_in.
            let mut v4: libc::sockaddr_in = unsafe { zeroed() };
            v4.sin_family = libc::AF_INET as libc::sa_family_t;
            v4.sin_port = address.port().to_be();
            v4.sin_addr.s_addr = address.ip().to_bits().to_be();
            // SAFETY: sockaddr_storage is larger and aligned for every address.
            unsafe { start.cast::<libc::sockaddr_in>().write(v4) };
            size_of::<libc::sockaddr_in>()
        }
        Endpoint::Inet(SocketAddr::V6(address)) => {
            // SAFETY: zero bytes are a valid sockaddr_in6.
            let mut v6: libc::sockaddr_in6 = unsafe { zeroed() };
            v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            v6.sin6_port = address.port().to_be();
            v6.sin6_flowinfo = address.flowinfo();
            v6.sin6_addr.s6_addr = address.ip().octets();
            v6.sin6_scope_id = address.scope_id();
            // SAFETY: as above.
            unsafe { start.cast::<libc::sockaddr_in6>().write(v6) };
            size_of::<libc::sockaddr_in6>()
        }
        Endpoint::Unix(unix) => {
            let address = unix_address(unix)?;
            let length = address.len() as usize;
            // SAFETY: a socket2 address is a sockaddr_storage with `length` used
            // bytes, and does not overlap ours.
            unsafe {
                ptr::copy_nonoverlapping(address.as_ptr().cast::<u8>(), start.cast(), length);
            }
            length
        }
    };
    Ok(length as socklen_t)
}

/// The address that a datagram came to, and that a reply can leave from (ip(7)
/// `IP_PKTINFO`, ipv6(7) `IPV6_PKTINFO`).
fn local_address(header: &msghdr) -> Option<IpAddr> {
    // SAFETY: the kernel wrote a chain of whole control messages and its length
    // into the header; CMSG_FIRSTHDR and CMSG_NXTHDR stay inside it.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while let Some(found) = control.as_ref() {
            match (found.cmsg_level, found.cmsg_type) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                    let info: libc::in_pktinfo = data(control);
                    // For a multicast or broadcast datagram `ipi_addr` is the
                    // group; `ipi_spec_dst` is our own address on that interface.
                    let ip = u32::from_be(info.ipi_spec_dst.s_addr);
                    return Some(Ipv4Addr::from_bits(ip).into());
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let info: libc::in6_pktinfo = data(control);
                    let ip = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                    // A group is no source (RFC 4291, section 2.7).
                    return (!ip.is_multicast()).then_some(ip.into());
                }
                _ => control = libc::CMSG_NXTHDR(header, control),
            }
        }
    }
    None
}

/// The content of a control message.
///
/// # Safety
/// The message must hold a `T`.
unsafe fn data<T>(control: *const cmsghdr) -> T {
    // SAFETY: the caller's promise; the data need not be aligned (cmsg(3)).
    unsafe { libc::CMSG_DATA(control).cast::<T>().read_unaligned() }
}

fn write_source_v4(ip: Ipv4Addr, control: &mut Control) -> usize {
    // SAFETY: zero bytes are a valid in_pktinfo. Interface 0 leaves the route to
    // the kernel.
    let mut info: libc::in_pktinfo = unsafe { zeroed() };
    info.ipi_spec_dst.s_addr = ip.to_bits().to_be();
    write_control(control, libc::IPPROTO_IP, libc::IP_PKTINFO, info)
}

fn write_source_v6(ip: Ipv6Addr, control: &mut Control) -> usize {
    // SAFETY: zero bytes are a valid in6_pktinfo. The scope of a link-local peer
    // is in its own address.
    let mut info: libc::in6_pktinfo = unsafe { zeroed() };
    info.ipi6_addr.s6_addr = ip.octets();
    write_control(control, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info)
}

/// Writes one control message; gives its length.
fn write_control<T: Copy>(control: &mut Control, level: c_int, kind: c_int, value: T) -> usize {
    const { assert!(size_of::<T>() + size_of::<cmsghdr>() + 16 <= CONTROL) };
    let start = (&raw mut *control).cast::<cmsghdr>();
    // SAFETY: the buffer is aligned for a cmsghdr, and has room for it and for a
    // `T` behind it with padding, which the assertion above checks.
    unsafe {
        let mut header: cmsghdr = zeroed();
        header.cmsg_level = level;
        header.cmsg_type = kind;
        header.cmsg_len = libc::CMSG_LEN(size_of::<T>() as u32) as _;
        start.write(header);
        libc::CMSG_DATA(start).cast::<T>().write_unaligned(value);
        libc::CMSG_SPACE(size_of::<T>() as u32) as usize
    }
}

/// A socket that the runtime's reactor watches.
pub(super) type Watch = AsyncFd<Arc<Socket>>;

/// Puts a socket under the current runtime's reactor.
pub(super) fn register(socket: Arc<Socket>, interest: Interest) -> io::Result<Watch> {
    // SAFETY: the socket owns its descriptor, gives the same number every time,
    // and keeps it open until the AsyncFd, which shares it, is dropped.
    let registered = unsafe { AsyncFd::register_with_interest(socket, interest) };
    registered.map_err(io::Error::from)
}

/// Sets a socket option to `value`, whose type must be the C type of the option.
pub(super) fn set_option<T: Copy>(
    socket: BorrowedFd<'_>,
    level: c_int,
    name: c_int,
    value: T,
) -> io::Result<()> {
    // SAFETY: the pointer and the length are those of `value`, which the kernel
    // only reads.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const value).cast(),
            size_of::<T>() as socklen_t,
        )
    };
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Sends to groups of `group`'s family through the interface with this index.
pub(super) fn send_groups_through(
    socket: BorrowedFd<'_>,
    group: IpAddr,
    interface: u32,
) -> io::Result<()> {
    let index = c_int::try_from(interface).map_err(|_| io::ErrorKind::InvalidInput)?;
    match group {
        IpAddr::V4(_) => {
            let request = libc::ip_mreqn {
                imr_multiaddr: libc::in_addr { s_addr: 0 },
                imr_address: libc::in_addr { s_addr: 0 },
                imr_ifindex: index,
            };
            set_option(socket, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, request)
        }
        IpAddr::V6(_) => set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_IF, index),
    }
}

/// How many datagrams the kernel dropped at this socket (socket(7), `SO_MEMINFO`).
///
/// Unlike `SO_RXQ_OVFL` it costs nothing per datagram, and it also tells of drops
/// after which no datagram came.
pub(super) fn dropped(socket: BorrowedFd<'_>) -> Option<u32> {
    let mut figures = [0_u32; 16];
    let mut length = size_of_val(&figures) as socklen_t;
    // SAFETY: the pointer and the length are those of `figures`; the kernel
    // writes at most that much and stores how much it was.
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            figures.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    let written = length as usize / size_of::<u32>();
    let drops = libc::SK_MEMINFO_DROPS as usize;
    (outcome == 0 && drops < written).then(|| figures[drops])
}

/// The index of the interface called `name` (if_nametoindex(3)).
pub(super) fn interface_index(name: &str) -> io::Result<u32> {
    let c_name = CString::new(name).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the argument is a string that ends in NUL.
    match unsafe { libc::if_nametoindex(c_name.as_ptr()) } {
        0 => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("there is no network interface called {name}"),
        )),
        index => Ok(index),
    }
}
