//! A client's end that owns no socket.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::tls::{ClientTls, ServerTls, Trust};

/// A server that echoes five bytes of one client and ends.
fn echo_once(server: ServerTls) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let (stream, _) = listener.accept().await.unwrap();
            let Ok((mut stream, _)) = server.accept(stream).await else {
                return;
            };
            let mut message = [0; 5];
            stream.read_exact(&mut message).await.unwrap();
            stream.write_all(&message).await.unwrap();
            stream.shutdown().await.unwrap();
        });
    });
    at
}

/// A socket that takes and gives one byte at a time, and says in between that it would have
/// to wait.
struct Stutter {
    socket: TcpStream,
    is_ready: bool,
}

impl Stutter {
    fn turn(&mut self) -> std::io::Result<()> {
        self.is_ready = !self.is_ready;
        match self.is_ready {
            true => Ok(()),
            false => Err(ErrorKind::WouldBlock.into()),
        }
    }
}

impl Read for Stutter {
    fn read(&mut self, space: &mut [u8]) -> std::io::Result<usize> {
        self.turn()?;
        let end = space.len().min(1);
        self.socket.read(&mut space[..end])
    }
}

impl Write for Stutter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.turn()?;
        self.socket.write(&bytes[..bytes.len().min(1)])
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Repeats a call until it need not wait.
fn at_last<T>(mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
    }
}

#[test]
fn a_session_goes_on_wherever_its_socket_had_to_wait() {
    let server = ServerTls::self_signed(["localhost"]).unwrap();
    let client = ClientTls::new(Trust::Pins(vec![server.fingerprint()])).unwrap();
    let mut session = client.session("localhost").unwrap();
    let mut socket = Stutter {
        socket: TcpStream::connect(echo_once(server)).unwrap(),
        is_ready: false,
    };
    assert!(!session.is_open() && session.established().is_none());
    let sent = at_last(|| session.write(&mut socket, b"hello")).unwrap();
    assert_eq!((sent, session.is_open()), (5, true));
    at_last(|| session.flush(&mut socket)).unwrap();
    let mut heard = Vec::new();
    let mut space = [0; 3];
    loop {
        match at_last(|| session.read(&mut socket, &mut space)).unwrap() {
            0 => break,
            count => heard.extend_from_slice(&space[..count]),
        }
    }
    assert_eq!(heard, b"hello");
    assert_eq!(session.established().unwrap().version, "TLS 1.3");
}

#[test]
fn a_session_refuses_a_certificate_that_it_does_not_believe() {
    let server = ServerTls::self_signed(["localhost"]).unwrap();
    let other = ServerTls::self_signed(["localhost"]).unwrap();
    let client = ClientTls::new(Trust::Pins(vec![other.fingerprint()])).unwrap();
    let mut session = client.session("localhost").unwrap();
    let mut socket = TcpStream::connect(echo_once(server)).unwrap();
    let error = session.handshake(&mut socket).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(client.session("no host").is_err());
}
