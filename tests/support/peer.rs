//! A client of the tests: a plain socket that never waits for ever.

#![allow(
    dead_code,
    reason = "each test file uses its part of what is shared here"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::support::DEADLINE;

/// How long a test looks for something that must not come.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);

/// A TCP connection to a port of this machine.
pub(crate) fn tcp(port: &str) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// A connection to a Unix socket.
pub(crate) fn unix(path: &str) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream
}

/// A UDP socket that is connected to a port of this machine.
pub(crate) fn udp(port: &str) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .connect(("127.0.0.1", port.parse::<u16>().unwrap()))
        .unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// Sends `say` and reads as many bytes as `hear` has, which must be `hear`.
#[track_caller]
pub(crate) fn converse(stream: &mut (impl Read + Write), say: &[u8], hear: &[u8]) {
    stream.write_all(say).unwrap();
    let mut heard = vec![0; hear.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&heard),
        String::from_utf8_lossy(hear)
    );
}

/// Everything until the peer ends, in order or by a reset.
#[track_caller]
pub(crate) fn rest(stream: &mut impl Read) -> Vec<u8> {
    let (mut heard, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return heard,
            Ok(length) => heard.extend_from_slice(&chunk[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return heard,
            Err(error) => panic!("neither data nor an end: {error}"),
        }
    }
}

/// Says everything, ends the sending side, and hears everything.
pub(crate) fn ask(port: &str, say: &[u8]) -> String {
    let mut stream = tcp(port);
    stream.write_all(say).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    String::from_utf8_lossy(&rest(&mut stream)).into_owned()
}

/// That nothing comes for a while.
#[track_caller]
pub(crate) fn hears_nothing(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(SILENCE)).unwrap();
    let heard = stream.read(&mut [0; 16]);
    let kind = heard
        .as_ref()
        .map_err(std::io::Error::kind)
        .err()
        .unwrap_or(ErrorKind::Other);
    assert!(
        matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "{heard:?}"
    );
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
}

/// Looks until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "never so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
