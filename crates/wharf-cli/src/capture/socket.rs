//! The packet socket itself.

use std::collections::BTreeMap;
use std::io::{self, IoSliceMut};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    ControlMessageOwned, LinkAddr, MsgFlags, TimestampingFlag, Timestamps, recvmsg, setsockopt,
    sockopt,
};
use socket2::{Domain, Protocol, Socket, Type};
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};

use super::{Filter, kernel};

/// The longest frame of loopback: 64 KiB and its headers.
const LONGEST: usize = 1 << 17;

/// Room in the kernel for frames that are not read yet: a burst of some thousand.
const KERNEL_ROOM: usize = 8 << 20;

/// ETH_P_ALL: frames of every protocol.
const EVERY_PROTOCOL: u16 = 3;

/// ARPHRD_ETHER and ARPHRD_LOOPBACK: links whose frames begin with an Ethernet header.
const ETHERNET: [u16; 2] = [1, 772];
const LOOPBACK: u16 = 772;

/// PACKET_OUTGOING: sent by this machine.
const OUTGOING: u8 = 4;

/// How long the kernel may take to switch its clock for arriving frames on; some 1 ms is
/// usual. After that frames are captured all the same.
const CLOCK_PATIENCE: Duration = Duration::from_millis(50);

pub(super) struct Packets {
    socket: Socket,
    buffer: Vec<u8>,
    names: BTreeMap<usize, Arc<str>>,
}

impl Packets {
    /// Opens the socket. What comes before the filter is in place passes, too: whoever
    /// wants one conversation looks again.
    pub(super) fn open(filter: &Filter) -> io::Result<Packets> {
        // One of no protocol hears nothing; it fails without the right to capture, and
        // keeps the clock running until the other one does.
        let clock = Socket::new_raw(Domain::PACKET, Type::RAW.cloexec(), None)?;
        setsockopt(&clock, sockopt::ReceiveTimestampns, &true)?;
        // Where loopback is down nothing can be told about the clock.
        let _ = wait_for_the_clock();
        let protocol = Protocol::from(i32::from(EVERY_PROTOCOL.to_be()));
        let socket = Socket::new_raw(Domain::PACKET, Type::RAW.cloexec(), Some(protocol))?;
        let mut packets = Packets {
            socket,
            buffer: vec![0; LONGEST],
            names: BTreeMap::new(),
        };
        packets.filter(filter)?;
        // Beyond the system's limit it is cut down to it; frames lost are counted.
        let _ = packets.socket.set_recv_buffer_size(KERNEL_ROOM);
        setsockopt(&packets.socket, sockopt::ReceiveTimestampns, &true)?;
        Ok(packets)
    }

    /// Replaces the filter.
    pub(super) fn filter(&mut self, filter: &Filter) -> io::Result<()> {
        match filter.program() {
            Some(program) => self.socket.attach_filter(&program),
            None => Ok(()),
        }
    }

    /// The next frame, if one comes in this time.
    pub(super) fn next(&mut self, within: Duration) -> io::Result<Option<Frame>> {
        let timeout = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
        let mut ready = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, timeout)? == 0 {
            return Ok(None);
        }
        let mut control = nix::cmsg_space!(nix::sys::time::TimeSpec);
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_TRUNC;
        let fd = self.socket.as_raw_fd();
        let received = match recvmsg::<LinkAddr>(fd, &mut slices, Some(&mut control), flags) {
            Ok(received) => received,
            Err(nix::Error::EAGAIN | nix::Error::EINTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let Some(from) = received.address else {
            return Ok(None);
        };
        // Loopback shows each frame twice, going out and coming in.
        if from.hatype() == LOOPBACK && from.pkttype() == OUTGOING {
            return Ok(None);
        }
        let at = received.cmsgs()?.find_map(|message| match message {
            ControlMessageOwned::ScmTimestampns(time) => Some(time),
            _ => None,
        });
        let at = match at {
            Some(time) => Timestamp::from_nanos(
                time.tv_sec().unsigned_abs() * 1_000_000_000 + time.tv_nsec().unsigned_abs(),
            ),
            None => now(),
        };
        let whole = received.bytes;
        let link = if ETHERNET.contains(&from.hatype()) {
            Link::Ethernet
        } else {
            Link::Raw
        };
        let bytes = self.buffer[..whole.min(LONGEST)].to_vec();
        let mut frame = Frame::new(at, link, Origin::Captured, bytes);
        frame.original_len = whole;
        frame.interface = self.name(from.ifindex());
        Ok(Some(frame))
    }

    /// How many frames the kernel dropped, since they were not read in time.
    pub(super) fn dropped(&self) -> u64 {
        kernel::dropped_packets(self.socket.as_raw_fd()).into()
    }

    fn name(&mut self, index: usize) -> Option<Arc<str>> {
        if let Some(name) = self.names.get(&index) {
            return Some(Arc::clone(name));
        }
        let number = u32::try_from(index).ok()?;
        let name = nix::net::if_::if_indextoname(number).ok()?;
        let name: Arc<str> = name.to_string_lossy().into();
        self.names.insert(index, Arc::clone(&name));
        Some(name)
    }
}

/// Waits until the kernel notes when frames arrive.
///
/// It does so only while somebody wants to know, and switches it on from a work queue
/// (`net_enable_timestamp`, net/core/dev.c) some time after setsockopt(2) has returned.
/// Until then a frame has the time at which it is *read*, which may be after all that
/// followed it. A datagram to itself tells when it is on: SO_TIMESTAMPING, other than
/// SO_TIMESTAMPNS, leaves out a time that was not taken on arrival.
fn wait_for_the_clock() -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(socket.local_addr()?)?;
    socket.set_read_timeout(Some(CLOCK_PATIENCE))?;
    let flags = TimestampingFlag::SOF_TIMESTAMPING_RX_SOFTWARE
        | TimestampingFlag::SOF_TIMESTAMPING_SOFTWARE;
    setsockopt(&socket, sockopt::Timestamping, &flags)?;
    let until = Instant::now() + CLOCK_PATIENCE;
    while !comes_with_a_time(&socket)? && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Sends one byte; whether it was timed on its arrival.
fn comes_with_a_time(socket: &UdpSocket) -> io::Result<bool> {
    socket.send(&[0])?;
    let mut byte = [0];
    let mut control = nix::cmsg_space!(Timestamps);
    let mut slices = [IoSliceMut::new(&mut byte)];
    let fd = socket.as_raw_fd();
    let received = recvmsg::<()>(fd, &mut slices, Some(&mut control), MsgFlags::empty())?;
    let is_timed = |message| matches!(message, ControlMessageOwned::ScmTimestampsns(_));
    Ok(received.cmsgs()?.any(is_timed))
}

/// This moment, as frames are timed.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
