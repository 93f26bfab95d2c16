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
mod tests {
    use std::net::UdpSocket;
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use super::*;
    use crate::network::{Network, Os};
    use crate::service::{Context, Drain};

    fn inet_endpoint(text: &str) -> Endpoint {
        Endpoint::Inet(text.parse().unwrap())
    }

    async fn bound(at: &str) -> Datagrams {
        let options = BindOptions::default();
        Os.bind(&inet_endpoint(at), &options).await.unwrap()
    }

    fn port(socket: &Datagrams) -> u16 {
        socket.local().port().unwrap()
    }

    /// A client of the standard library; the kernel takes its datagrams at once.
    fn client(at: &str) -> UdpSocket {
        let socket = UdpSocket::bind(at).unwrap();
        let patience = Some(Duration::from_secs(5));
        socket.set_read_timeout(patience).unwrap();
        socket
    }

    /// Receives one batch and sends all of it back.
    async fn echo(server: &mut Datagrams, batch: &mut Batch) -> usize {
        let count = server.receive(batch).await.unwrap();
        for i in 0..count {
            batch.reply_in_place(i);
        }
        server.send(batch).await.unwrap();
        count
    }

    /// What the client hears, as `(bytes, from)`.
    fn hear(client: &UdpSocket) -> (Vec<u8>, SocketAddr) {
        let mut space = vec![0; 70_000];
        let (length, from) = client.recv_from(&mut space).unwrap();
        space.truncate(length);
        (space, from)
    }

    #[tokio::test]
    async fn datagrams_of_every_length_are_echoed_over_both_families() {
        for host in ["127.0.0.1", "[::1]"] {
            let mut server = bound(&format!("{host}:0")).await;
            let to = server.local().inet().unwrap();
            let client = client(&format!("{host}:0"));
            let mut batch = Batch::new();
            for length in [0, 1, 1_200, 65_507] {
                let sent = vec![b'x'; length];
                client.send_to(&sent, to).unwrap();
                echo(&mut server, &mut batch).await;
                let (heard, from) = hear(&client);
                assert!(heard == sent && from == to, "{length} bytes over {host}");
            }
        }
    }

    #[tokio::test]
    async fn many_datagrams_of_many_peers_go_back_to_the_right_ones() {
        let mut server = bound("127.0.0.1:0").await;
        let to = server.local().inet().unwrap();
        let clients: Vec<_> = (0..50).map(|_| client("127.0.0.1:0")).collect();
        for round in 0..3_u8 {
            for (i, client) in clients.iter().enumerate() {
                client.send_to(&[i as u8, round], to).unwrap();
            }
        }
        let mut batch = Batch::new();
        let mut echoed = 0;
        while echoed < 150 {
            echoed += echo(&mut server, &mut batch).await;
        }
        for (i, client) in clients.iter().enumerate() {
            let heard: Vec<_> = (0..3).map(|_| hear(client).0).collect();
            let i = i as u8;
            assert_eq!(heard, [vec![i, 0], vec![i, 1], vec![i, 2]]);
        }
        let counters = server.counters();
        assert_eq!((counters.received, counters.sent), (150, 150));
        assert_eq!((counters.bytes_received, counters.bytes_sent), (300, 300));
    }

    #[tokio::test]
    async fn no_datagram_is_left_lying_when_a_busy_socket_becomes_idle() {
        let mut server = bound("127.0.0.1:0").await;
        let to = server.local().inet().unwrap();
        let drain = Drain::new();
        let context = Context::new(Os.platform(), drain.clone());
        let client = tokio::task::spawn_blocking(move || {
            let client = client("127.0.0.1:0");
            for window in [1, 2, 100, 1, 9, 7, 64, 65, 1].repeat(20) {
                for _ in 0..window {
                    client.send_to(b"x", to).unwrap();
                }
                // Waits for the last answer, so the server falls idle here.
                (0..window).for_each(|_| assert_eq!(hear(&client).0, b"x"));
            }
            drain.begin();
        });
        let echo = crate::datagram::Datagrammed(|message: &[u8], reply: &mut Vec<u8>| {
            reply.extend_from_slice(message);
        });
        server
            .serve(&echo, &mut Batch::new(), &context)
            .await
            .unwrap();
        client.await.unwrap();
    }

    #[tokio::test]
    async fn a_reply_leaves_from_the_address_that_the_datagram_came_to() {
        let mut batch = Batch::new();
        let mut server = bound("0.0.0.0:0").await;
        let client4 = client("127.0.0.1:0");
        for host in [[127, 0, 0, 2], [127, 0, 0, 3]] {
            let to = SocketAddr::from((host, port(&server)));
            client4.send_to(b"who?", to).unwrap();
            echo(&mut server, &mut batch).await;
            assert_eq!(hear(&client4), (b"who?".to_vec(), to));
        }
        let mut server = bound("[::]:0").await;
        let client6 = client("[::1]:0");
        let to: SocketAddr = format!("[::1]:{}", port(&server)).parse().unwrap();
        client6.send_to(b"who?", to).unwrap();
        echo(&mut server, &mut batch).await;
        assert_eq!(hear(&client6), (b"who?".to_vec(), to));
    }

    #[tokio::test]
    async fn replies_to_ports_that_are_gone_do_not_end_the_loop() {
        let mut server = bound("127.0.0.1:0").await;
        let to = server.local().inet().unwrap();
        let mut batch = Batch::new();
        for _ in 0..3 {
            let gone = client("127.0.0.1:0");
            gone.send_to(b"bye", to).unwrap();
            drop(gone);
            echo(&mut server, &mut batch).await;
        }
        let client = client("127.0.0.1:0");
        client.send_to(b"hello", to).unwrap();
        echo(&mut server, &mut batch).await;
        assert_eq!(hear(&client).0, b"hello");
    }

    #[tokio::test]
    async fn a_datagram_that_cannot_be_sent_does_not_stop_the_others() {
        let mut server = bound("127.0.0.1:0").await;
        let client = client("127.0.0.1:0");
        let good = client.local_addr().unwrap().into();
        let mut batch = Batch::new();
        batch.send(&good, b"first");
        batch.send(&good, &vec![0; 65_508]); // EMSGSIZE
        batch.send(&inet_endpoint("[::1]:9"), b"wrong family");
        batch.send(&inet_endpoint("255.255.255.255:9"), b"not a broadcaster");
        batch.send(&good, b"last");
        let sent = server.send(&mut batch).await.unwrap();
        assert_eq!((sent.sent, sent.failed), (2, 3));
        assert_eq!(hear(&client).0, b"first");
        assert_eq!(hear(&client).0, b"last");
    }

    #[tokio::test]
    async fn a_connected_client_hears_that_nobody_listens_and_goes_on() {
        let mut client = bound("127.0.0.1:0").await;
        let gone = bound("127.0.0.1:0").await.local().clone();
        client.connect(&gone).unwrap();
        client.send_to(b"anybody?", &gone).await.unwrap();
        let mut heard = Vec::new();
        let error = client.receive_from(&mut heard).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(client.counters().icmp_errors, 1);

        let mut server = Os.bind(&gone, &BindOptions::default()).await.unwrap();
        client.send_to(b"and now?", &gone).await.unwrap();
        echo(&mut server, &mut Batch::new()).await;
        assert_eq!(client.receive_from(&mut heard).await.unwrap(), gone);
        assert_eq!(heard, b"and now?");
    }

    #[tokio::test]
    async fn a_truncated_datagram_is_counted_and_the_others_are_received() {
        let mut server = bound("127.0.0.1:0").await;
        let to = server.local().inet().unwrap();
        let client = client("127.0.0.1:0");
        for sent in ["one", "far too long", "two"] {
            client.send_to(sent.as_bytes(), to).unwrap();
        }
        let mut batch = Batch::with_slots(8, 4);
        let mut heard = Vec::new();
        while heard.len() < 2 {
            server.receive(&mut batch).await.unwrap();
            heard.extend(batch.iter().map(|datagram| datagram.payload.to_vec()));
        }
        assert_eq!(heard, [b"one", b"two"]);
        assert_eq!(server.counters().truncated, 1);
    }

    #[tokio::test]
    async fn what_the_receive_buffer_could_not_hold_is_counted() {
        let options = BindOptions {
            receive_buffer: 4_096,
            ..BindOptions::default()
        };
        let here = inet_endpoint("127.0.0.1:0");
        let server = Os.bind(&here, &options).await.unwrap();
        let to = server.local().inet().unwrap();
        let client = client("127.0.0.1:0");
        for _ in 0..100 {
            client.send_to(&[0; 1_000], to).unwrap();
        }
        assert!(server.counters().kernel_dropped > 0);
        assert_eq!(server.receive_buffer().asked, 4_096);
        assert!(server.receive_buffer().granted > 0);
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error_unless_it_is_shared_on_purpose() {
        let with = |sharing| BindOptions {
            sharing,
            ..BindOptions::default()
        };
        let here = inet_endpoint("127.0.0.1:0");
        let first = Os
            .bind(&here, &with(PortSharing::SharedFirst))
            .await
            .unwrap();
        let at = first.local();
        for sharing in [PortSharing::Exclusive, PortSharing::SharedFirst] {
            let error = Os.bind(at, &with(sharing)).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
        Os.bind(at, &with(PortSharing::SharedNext)).await.unwrap();
    }

    #[tokio::test]
    async fn a_group_on_the_loopback_interface_is_joined() {
        let options = BindOptions {
            join: vec![Membership {
                group: "239.255.77.77".parse().unwrap(),
                interface: Some("lo".into()),
            }],
            ..BindOptions::default()
        };
        let here = inet_endpoint("0.0.0.0:0");
        let mut server = Os.bind(&here, &options).await.unwrap();
        let group = SocketAddr::from(([239, 255, 77, 77], port(&server)));
        // It hears itself: a sender on this host is a member of its own group.
        server.send_to(b"all", &group.into()).await.unwrap();
        let mut heard = Vec::new();
        server.receive_from(&mut heard).await.unwrap();
        assert_eq!(heard, b"all");
        let nowhere = BindOptions {
            join: vec![Membership {
                group: group.ip(),
                interface: Some("no-such-if".into()),
            }],
            ..BindOptions::default()
        };
        let error = Os.bind(&here, &nowhere).await.unwrap_err();
        assert!(error.to_string().contains("no-such-if"));
    }

    #[tokio::test]
    async fn unix_datagrams_go_to_paths_and_to_names_that_the_kernel_chose() {
        let directory = tempfile::tempdir().unwrap();
        let at = Endpoint::Unix(UnixName::Path(directory.path().join("server")));
        let options = BindOptions::default();
        let mut server = Os.bind(&at, &options).await.unwrap();
        let mut batch = Batch::new();

        let unnamed = Endpoint::Unix(UnixName::Unnamed);
        let mut client = Os.bind(&unnamed, &options).await.unwrap();
        assert!(matches!(
            client.local(),
            Endpoint::Unix(UnixName::Abstract(_))
        ));
        client.send_to(b"", &at).await.unwrap();
        client.send_to(b"hi", &at).await.unwrap();
        let mut heard = vec![0];
        echo(&mut server, &mut batch).await;
        assert_eq!(client.receive_from(&mut heard).await.unwrap(), at);
        assert_eq!(heard, b"");
        client.receive_from(&mut heard).await.unwrap();
        assert_eq!(heard, b"hi");

        // A peer without a name cannot be answered; the next one is.
        let nameless = UnixDatagram::unbound().unwrap();
        nameless
            .send_to(b"?", directory.path().join("server"))
            .unwrap();
        echo(&mut server, &mut batch).await;
        assert_eq!(server.counters().not_queued, 1);
    }

    #[tokio::test]
    async fn a_unix_peer_that_reads_nothing_does_not_stop_the_server() {
        let directory = tempfile::tempdir().unwrap();
        let at = Endpoint::Unix(UnixName::Path(directory.path().join("server")));
        let mut server = Os.bind(&at, &BindOptions::default()).await.unwrap();
        let deaf = directory.path().join("deaf");
        let _deaf = UnixDatagram::bind(&deaf).unwrap();
        let to = Endpoint::Unix(UnixName::Path(deaf));
        let mut batch = Batch::new();
        for _ in 0..1_000 {
            batch.send(&to, b"hello?");
        }
        let sent = server.send(&mut batch).await.unwrap();
        assert!(sent.sent > 0 && sent.failed > 0, "{sent:?}");
    }

    #[tokio::test]
    async fn the_loop_answers_what_is_queued_and_ends_with_the_drain() {
        let mut server = bound("127.0.0.1:0").await;
        let to = server.local().inet().unwrap();
        let client = client("127.0.0.1:0");
        for _ in 0..100 {
            client.send_to(b"last words", to).unwrap();
        }
        let drain = Drain::new();
        let context = Context::new(Os.platform(), drain.clone());
        let service = crate::datagram::Datagrammed(|message: &[u8], reply: &mut Vec<u8>| {
            reply.extend_from_slice(message);
        });
        let mut batch = Batch::new();
        let serving = server.serve(&service, &mut batch, &context);
        let stopping = async { drain.begin() };
        let (outcome, _) = tokio::join!(serving, stopping);
        outcome.unwrap();
        assert_eq!(server.counters().sent, 100);
    }
}
