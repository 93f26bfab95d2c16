//! Two socket options that no safe interface offers.

#![allow(unsafe_code, reason = "getsockopt of two structures of plain numbers")]

use std::io;
use std::os::fd::RawFd;
use std::time::Duration;

/// What the kernel knows about a TCP connection, as far as a picture shows it
/// (tcp(7), TCP_INFO).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TcpInfo {
    /// The smoothed round-trip time.
    pub(crate) rtt: Duration,
    /// Segments that were sent again.
    pub(crate) retransmitted: u32,
    /// The most data that it puts into one segment.
    pub(crate) mss: u32,
    /// What its SYN announced that it takes in one segment.
    pub(crate) announced: u32,
    /// The congestion window, in segments.
    pub(crate) window: u32,
}

/// Asks the kernel about a connection.
pub(crate) fn tcp_info(fd: RawFd) -> io::Result<TcpInfo> {
    // SAFETY: the structure is of integers only, for which zeros are values.
    let mut info: libc::tcp_info = unsafe { std::mem::zeroed() };
    get(fd, libc::IPPROTO_TCP, libc::TCP_INFO, &mut info)?;
    Ok(TcpInfo {
        rtt: Duration::from_micros(info.tcpi_rtt.into()),
        retransmitted: info.tcpi_total_retrans,
        mss: info.tcpi_snd_mss,
        announced: info.tcpi_advmss + timestamps(info.tcpi_options),
        window: info.tcpi_snd_cwnd,
    })
}

/// Linux takes the room for timestamps off once they are agreed
/// (`tcp_rcv_synsent_state_process`); the SYN was sent before.
fn timestamps(options: u8) -> u32 {
    /// `TCPI_OPT_TIMESTAMPS` of linux/tcp.h.
    const TIMESTAMPS: u8 = 1;
    match options & TIMESTAMPS {
        0 => 0,
        _ => 12,
    }
}

/// How many packets a packet socket dropped since it was asked last (packet(7)).
pub(super) fn dropped_packets(fd: RawFd) -> u32 {
    let mut statistics = libc::tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    match get(
        fd,
        libc::SOL_PACKET,
        libc::PACKET_STATISTICS,
        &mut statistics,
    ) {
        Ok(()) => statistics.tp_drops,
        Err(_) => 0,
    }
}

fn get<T: Copy>(fd: RawFd, level: libc::c_int, name: libc::c_int, value: &mut T) -> io::Result<()> {
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `len` bytes to `value`, which has so many and
    // is borrowed for the call; any bytes are a value of these structures of integers.
    let outcome =
        unsafe { libc::getsockopt(fd, level, name, std::ptr::from_mut(value).cast(), &mut len) };
    match outcome {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
