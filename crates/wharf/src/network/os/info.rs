//! What the kernel knows of a TCP connection: `TCP_INFO` (tcp(7)).
//!
//! The structure grew over the years and each kernel fills as much of it as it has.
//! So it is read as bytes, at the places where `include/uapi/linux/tcp.h` has its
//! fields; what an older kernel does not have is `None`. All `unsafe` code is in
//! [`read`].

use std::time::Duration;

use crate::network::tap::TcpState;

/// A sample of `TCP_INFO`.
///
/// Figures that the running kernel does not have are `None`. Windows and sizes are in
/// bytes, except the congestion window, which Linux counts in segments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpSample {
    /// The connection's state.
    pub state: Option<TcpState>,
    /// What both sides agreed on in their SYN segments.
    pub options: TcpOptions,
    /// The smoothed round-trip time (RFC 6298).
    pub rtt: Option<Duration>,
    /// Its variation.
    pub rtt_variation: Option<Duration>,
    /// The retransmission timeout.
    pub rto: Option<Duration>,
    /// The largest segment that is sent, without headers.
    pub send_mss: Option<u32>,
    /// The largest segment that this side announced (RFC 9293, section 3.7.1).
    pub announced_mss: Option<u32>,
    /// The congestion window, in segments (RFC 5681).
    pub congestion_window: Option<u32>,
    /// The path's MTU.
    pub path_mtu: Option<u32>,
    /// Segments that are sent and not acknowledged.
    pub unacknowledged: Option<u32>,
    /// Segments that were retransmitted so far.
    pub retransmitted: Option<u32>,
    /// Bytes that the peer acknowledged.
    pub bytes_acknowledged: Option<u64>,
    /// Bytes that came in order.
    pub bytes_received: Option<u64>,
    /// Bytes that were handed over and not sent yet.
    pub bytes_not_sent: Option<u32>,
    /// All segments sent, those without data too.
    pub segments_sent: Option<u32>,
    /// All segments received, those without data too.
    pub segments_received: Option<u32>,
    /// Segments with data that were sent.
    pub data_segments_sent: Option<u32>,
    /// Segments with data that were received.
    pub data_segments_received: Option<u32>,
    /// The window that the peer offers (Linux 5.4).
    pub send_window: Option<u32>,
    /// The window that this side offers (Linux 6.2).
    pub receive_window: Option<u32>,
}

/// Options of the SYN segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Timestamps (RFC 7323).
    pub timestamps: bool,
    /// Selective acknowledgements (RFC 2018).
    pub selective_ack: bool,
    /// Explicit congestion notification (RFC 3168).
    pub ecn: bool,
    /// The shifts of the peer's and of our window, where windows are scaled (RFC 7323).
    pub window_scale: Option<(u8, u8)>,
}

impl TcpSample {
    /// What `bytes`, as the kernel wrote them, say; `None` if that is nothing.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let state = TcpState::from_linux(*bytes.first()?);
        let word = |at: usize| {
            let field = bytes.get(at..at + 4)?;
            Some(u32::from_ne_bytes(field.try_into().ok()?))
        };
        let long = |at: usize| {
            let field = bytes.get(at..at + 8)?;
            Some(u64::from_ne_bytes(field.try_into().ok()?))
        };
        let micros = |at| word(at).map(|us| Duration::from_micros(us.into()));
        Some(TcpSample {
            state,
            options: options(*bytes.get(5)?, *bytes.get(6)?),
            rto: micros(8),
            send_mss: word(16),
            unacknowledged: word(24),
            path_mtu: word(60),
            rtt: micros(68),
            rtt_variation: micros(72),
            congestion_window: word(80),
            announced_mss: word(84),
            retransmitted: word(100),
            bytes_acknowledged: long(120),
            bytes_received: long(128),
            segments_sent: word(136),
            segments_received: word(140),
            bytes_not_sent: word(144),
            data_segments_received: word(152),
            data_segments_sent: word(156),
            send_window: word(228),
            receive_window: word(232),
        })
    }
}

/// `tcpi_options` and the two halves of the window scales.
fn options(bits: u8, scales: u8) -> TcpOptions {
    // TCPI_OPT_TIMESTAMPS, _SACK, _WSCALE and _ECN of include/uapi/linux/tcp.h.
    let has = |bit: u8| bits & bit != 0;
    // Two bit fields: the first one declared is the low half where bytes are little endian.
    let (first, second) = match cfg!(target_endian = "little") {
        true => (scales & 15, scales >> 4),
        false => (scales >> 4, scales & 15),
    };
    TcpOptions {
        timestamps: has(1),
        selective_ack: has(2),
        ecn: has(8),
        window_scale: has(4).then_some((first, second)),
    }
}

/// Asks the kernel.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn read(socket: std::os::fd::BorrowedFd<'_>) -> Option<TcpSample> {
    use std::os::fd::AsRawFd;

    /// More than any kernel has so far (Linux 6.12: 248 bytes).
    const ROOM: usize = 512;
    let mut bytes = [0_u8; ROOM];
    let mut length = ROOM as libc::socklen_t;
    // SAFETY: the pointer and the length are those of `bytes`; the kernel writes at
    // most that much and stores how much it was.
    #[allow(unsafe_code)]
    let outcome = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    match outcome {
        0 => TcpSample::parse(&bytes[..(length as usize).min(ROOM)]),
        _ => None,
    }
}

/// Other systems have other structures; there is no sample then.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn read(_: std::os::fd::BorrowedFd<'_>) -> Option<TcpSample> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn the_kernel_counts_what_was_sent_and_received() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        client.write_all(&[7; 300]).unwrap();
        server.read_exact(&mut [0; 300]).unwrap();
        server.write_all(&[8; 20]).unwrap();
        client.read_exact(&mut [0; 20]).unwrap();
        let sample = read(client.as_fd()).unwrap();
        assert_eq!(sample.state, Some(TcpState::Established));
        assert_eq!(sample.bytes_received, Some(20));
        // The answer carried the acknowledgement. A SYN counts as one byte.
        assert_eq!(sample.bytes_acknowledged, Some(301));
        assert_eq!(sample.data_segments_sent, Some(1));
        assert_eq!(sample.retransmitted, Some(0));
        assert!(sample.rtt.unwrap() < Duration::from_secs(1));
        assert!(sample.send_mss.unwrap() >= 536);
        drop(server);
        client.read_to_end(&mut Vec::new()).unwrap();
        let sample = read(client.as_fd()).unwrap();
        assert_eq!(sample.state, Some(TcpState::CloseWait));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_sample_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let sample = TcpSample::parse(&bytes);
            prop_assert_eq!(sample.is_some(), bytes.len() >= 7);
            if let Some(sample) = sample {
                prop_assert_eq!(sample.receive_window.is_some(), bytes.len() >= 236);
            }
        }
    }
}
