//! UDP sockets and echo requests of a host.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, Waker};

use smoltcp::iface::SocketHandle;
use smoltcp::phy::PacketMeta;
use smoltcp::socket::udp::{PacketBuffer, PacketMetadata, SendError, Socket, UdpMetadata};
use smoltcp::wire::{IpAddress, IpEndpoint, IpListenEndpoint};

use super::host::{Host, Work};
use super::{address, socket_address};

/// How many datagrams a socket holds in each direction, whatever their size.
const DATAGRAMS: usize = 1_024;

/// How many errors wait for a connected socket; one of them tells it all.
const ERRORS: usize = 16;

/// The number of a UDP socket at its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SocketId(usize);

/// What a UDP socket is made with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UdpSettings {
    pub(crate) receive_buffer: usize,
    pub(crate) send_buffer: usize,
    pub(crate) hops: Option<u8>,
}

pub(super) struct UdpPort {
    handle: SocketHandle,
    pub(super) at: SocketAddr,
    /// The only peer that is heard.
    peer: Option<SocketAddr>,
    pub(super) errors: VecDeque<i32>,
    pub(super) waker: Option<Waker>,
    pub(super) dropped: u64,
}

/// A datagram that was received.
pub(crate) struct Arrived<'a> {
    pub(crate) payload: &'a [u8],
    pub(crate) from: SocketAddr,
    pub(crate) to: IpAddr,
    pub(crate) message: u32,
}

impl Host {
    /// Binds a UDP socket; port 0 takes a free one.
    pub(crate) fn bind(
        &mut self,
        at: SocketAddr,
        settings: &UdpSettings,
    ) -> io::Result<(SocketId, SocketAddr)> {
        self.check_own(at.ip())?;
        let port = match at.port() {
            0 => self.free_port(|host, port| !host.is_bound(SocketAddr::new(at.ip(), port)))?,
            port => port,
        };
        let at = SocketAddr::new(at.ip(), port);
        if self.is_bound(at) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let buffer = |size| {
            let slots = vec![PacketMetadata::EMPTY; DATAGRAMS];
            PacketBuffer::new(slots, vec![0; size])
        };
        let mut socket = Socket::new(
            buffer(settings.receive_buffer),
            buffer(settings.send_buffer),
        );
        socket.set_hop_limit(settings.hops.filter(|hops| *hops > 0));
        let addr = (!at.ip().is_unspecified()).then(|| IpAddress::from(at.ip()));
        socket
            .bind(IpListenEndpoint { addr, port })
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let handle = self.shared.add(socket);
        let id = self.udp.insert(UdpPort {
            handle,
            at,
            peer: None,
            errors: VecDeque::new(),
            waker: None,
            dropped: 0,
        });
        Ok((SocketId(id), at))
    }

    fn is_bound(&self, at: SocketAddr) -> bool {
        let mut all = self.udp.iter().map(|(_, port)| port.at);
        all.any(|other| {
            let any = other.ip().is_unspecified() || at.ip().is_unspecified();
            other.port() == at.port() && (other.ip() == at.ip() || any)
        })
    }

    /// Joins a group.
    pub(crate) fn join(&mut self, group: IpAddr) -> io::Result<()> {
        let joined = self.iface.join_multicast_group(group);
        joined.map_err(|_| io::Error::from_raw_os_error(libc::ENOBUFS))?;
        // The stack's poll_at knows nothing of the report that is to be sent.
        self.work.push(Work::Shared);
        Ok(())
    }

    /// Limits a socket to one peer; gives the local endpoint from then on.
    pub(crate) fn connect_udp(&mut self, id: SocketId, to: SocketAddr) -> io::Result<SocketAddr> {
        let ip = self.own_for(to.ip())?;
        let port = &mut self.udp[id.0];
        port.peer = Some(to);
        if port.at.ip().is_unspecified() {
            port.at.set_ip(ip);
        }
        Ok(port.at)
    }

    /// Hands `take` the next datagram, or the next error of a connected socket.
    pub(crate) fn poll_receive(
        &mut self,
        id: SocketId,
        cx: &mut Context<'_>,
        take: impl FnOnce(Arrived<'_>),
    ) -> Poll<io::Result<()>> {
        let port = &mut self.udp[id.0];
        if let Some(code) = port.errors.pop_front() {
            return Poll::Ready(Err(io::Error::from_raw_os_error(code)));
        }
        let socket = self.shared.get_mut::<Socket>(port.handle);
        while let Ok((payload, meta)) = socket.recv() {
            let from = socket_address(meta.endpoint);
            if port.peer.is_some_and(|peer| peer != from) {
                continue;
            }
            take(Arrived {
                payload,
                from,
                to: meta.local_address.map_or(port.at.ip(), address),
                message: meta.meta.id,
            });
            return Poll::Ready(Ok(()));
        }
        socket.register_recv_waker(cx.waker());
        port.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Sends one datagram.
    pub(crate) fn poll_send(
        &mut self,
        id: SocketId,
        cx: &mut Context<'_>,
        (from, to): (Option<IpAddr>, SocketAddr),
        payload: &[u8],
        message: u32,
    ) -> Poll<io::Result<()>> {
        let port = &self.udp[id.0];
        let v4 = to.is_ipv4();
        let fits = payload.len() <= usize::from(u16::MAX) - if v4 { 28 } else { 8 };
        // smoltcp does not fragment IPv6, and would lose a longer datagram silently.
        if !fits || (!v4 && payload.len() + 48 > self.mtu()) {
            return Poll::Ready(Err(io::Error::from_raw_os_error(libc::EMSGSIZE)));
        }
        if port.at.is_ipv4() != v4 {
            return Poll::Ready(Err(io::Error::from_raw_os_error(libc::EAFNOSUPPORT)));
        }
        let source = from
            .filter(|ip| !ip.is_unspecified())
            .unwrap_or(port.at.ip());
        let source = match source.is_unspecified() {
            true => self.own_for(to.ip())?,
            false => source,
        };
        if !self.has_route(to.ip()) {
            return Poll::Ready(Err(io::Error::from_raw_os_error(libc::ENETUNREACH)));
        }
        let handle = self.udp[id.0].handle;
        let socket = self.shared.get_mut::<Socket>(handle);
        if payload.len() > socket.payload_send_capacity() {
            return Poll::Ready(Err(io::Error::from_raw_os_error(libc::EMSGSIZE)));
        }
        let mut meta = PacketMeta::default();
        meta.id = message;
        let metadata = UdpMetadata {
            endpoint: IpEndpoint::new(to.ip().into(), to.port()),
            local_address: Some(source.into()),
            meta,
        };
        match socket.send_slice(payload, metadata) {
            Ok(()) => {
                self.work.push(Work::Shared);
                Poll::Ready(Ok(()))
            }
            Err(SendError::BufferFull) => {
                socket.register_send_waker(cx.waker());
                Poll::Pending
            }
            Err(SendError::Unaddressable) => {
                Poll::Ready(Err(io::Error::from_raw_os_error(libc::EINVAL)))
            }
        }
    }

    /// Datagrams that a socket had no room for.
    pub(crate) fn dropped(&self, id: SocketId) -> u64 {
        self.udp[id.0].dropped
    }

    /// Closes a socket; what it still had to send is sent first, if it can be at once.
    pub(crate) fn unbind(&mut self, id: SocketId) {
        if let Some(port) = self.udp.try_remove(id.0) {
            self.closing.push(port.handle);
            self.work.push(Work::Shared);
        }
    }

    /// Removes closed sockets that have sent everything.
    pub(super) fn remove_closed(&mut self) {
        let shared = &mut self.shared;
        self.closing.retain(|&handle| {
            let busy = shared.get::<Socket>(handle).send_queue() > 0;
            if !busy {
                shared.remove(handle);
            }
            busy
        });
    }

    /// How many bytes wait at the socket that takes what is sent to `to`.
    pub(super) fn waiting_at(&self, to: SocketAddr) -> Option<(usize, usize)> {
        let takes = |port: &UdpPort| {
            let any = port.at.ip().is_unspecified() || !self.is_own(to.ip());
            port.at.port() == to.port() && (any || port.at.ip() == to.ip())
        };
        let (id, port) = self.udp.iter().find(|(_, port)| takes(port))?;
        Some((id, self.shared.get::<Socket>(port.handle).recv_queue()))
    }
}

impl UdpPort {
    /// An ICMP error has come back for what was sent to `peer`.
    pub(super) fn fail(&mut self, peer: SocketAddr, code: i32) {
        if self.peer == Some(peer) && self.errors.len() < ERRORS {
            self.errors.push_back(code);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }
}
