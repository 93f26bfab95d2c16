//! A client's end of TLS for event loops that drive their sockets themselves.

use std::fmt;
use std::io::{self, Read, Write};

use rustls::ClientConnection;

use super::{ClientTls, Established, HandshakeError, WRITE_BUFFER_LIMIT};

/// A client's end of TLS over a socket that never waits.
///
/// It owns no socket: each call is lent one, does what can be done at once, and gives
/// [`io::ErrorKind::WouldBlock`] where the socket would have to wait. The handshake goes on
/// in whatever call comes next. What TLS itself refuses – a certificate, a damaged record –
/// is an error of kind [`io::ErrorKind::InvalidData`], which ends the session;
/// [`ClientTls::connect`] says such things in better words.
///
/// ```no_run
/// use std::io::ErrorKind;
/// use wharf::tls::{ClientTls, Trust};
///
/// let mut socket = std::net::TcpStream::connect("example.org:443")?;
/// socket.set_nonblocking(true)?;
/// let mut session = ClientTls::new(Trust::System)?.session("example.org")?;
/// loop {
///     match session.write(&mut socket, b"hello\n") {
///         Ok(count) => break println!("{count} bytes are on their way"),
///         // An event loop waits for the socket here.
///         Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
///         Err(error) => return Err(error.into()),
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ClientSession(ClientConnection);

impl ClientTls {
    /// The client's part of TLS with `host`, without a socket: nothing is sent yet.
    ///
    /// # Errors
    /// A host that is neither a host name nor an IP address.
    pub fn session(&self, host: &str) -> Result<ClientSession, HandshakeError> {
        let name = self.name_for(host)?;
        // Fails only for application protocols that are too long, which `with_alpn` refuses.
        let mut connection = ClientConnection::new(self.config(), name)
            .map_err(|error| HandshakeError::Io(io::Error::other(error)))?;
        connection.set_buffer_limit(Some(WRITE_BUFFER_LIMIT));
        Ok(ClientSession(connection))
    }
}

impl ClientSession {
    /// Whether the handshake is done.
    pub fn is_open(&self) -> bool {
        !self.0.is_handshaking()
    }

    /// What the handshake agreed on; `None` before its end.
    pub fn established(&self) -> Option<Established> {
        self.is_open().then(|| Established::new(&self.0, None))
    }

    /// Goes on with the handshake until it is done.
    ///
    /// # Errors
    /// `WouldBlock` while the peer's part is missing, `UnexpectedEof` if it has gone, and
    /// whatever the socket or TLS refuses.
    pub fn handshake(&mut self, socket: &mut (impl Read + Write)) -> io::Result<()> {
        loop {
            self.flush(socket)?;
            if self.is_open() {
                return Ok(());
            }
            if self.receive(socket)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads decrypted bytes: as many as there are and fit, so less than `space` holds means
    /// that the socket is empty. 0 is the peer's orderly end.
    ///
    /// # Errors
    /// `WouldBlock` if there are none yet, `UnexpectedEof` if the peer went without saying
    /// so, and whatever the socket or TLS refuses.
    pub fn read(
        &mut self,
        socket: &mut (impl Read + Write),
        space: &mut [u8],
    ) -> io::Result<usize> {
        let mut count = 0;
        loop {
            match self.0.reader().read(&mut space[count..]) {
                Ok(0) => return Ok(count),
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.receive(socket) {
                        // Its end is told by the next call of the reader.
                        Ok(_) => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            return if count > 0 { Ok(count) } else { Err(error) };
                        }
                        Err(_) if count > 0 => return Ok(count),
                        Err(error) => return Err(error),
                    }
                }
                // What came before the error is right, and the next call tells of it.
                Err(_) if count > 0 => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    // In the words of rustls there is a link to its manual.
                    let words = "closed without the close_notify of TLS";
                    return Err(io::Error::new(error.kind(), words));
                }
                Err(error) => return Err(error),
            }
            if count == space.len() {
                return Ok(count);
            }
        }
    }

    /// Encrypts bytes and sends as much as the socket takes; returns how many were taken. Up
    /// to [`WRITE_BUFFER_LIMIT`] of them wait here for the socket: [`flush`](Self::flush) when
    /// it can be written to again.
    ///
    /// # Errors
    /// `WouldBlock` if none were taken, and whatever the socket or TLS refuses.
    pub fn write(&mut self, socket: &mut (impl Read + Write), bytes: &[u8]) -> io::Result<usize> {
        if !self.is_open() {
            self.handshake(socket)?;
        }
        let mut taken = 0;
        loop {
            taken += self.0.writer().write(&bytes[taken..])?;
            match self.flush(socket) {
                // Sent, so there is room for more.
                Ok(()) if taken < bytes.len() => {}
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                Err(error) if taken == 0 && !bytes.is_empty() => return Err(error),
                _ => return Ok(taken),
            }
        }
    }

    /// Sends what waits for the socket.
    ///
    /// # Errors
    /// `WouldBlock` if some of it still waits, and whatever the socket refuses.
    pub fn flush(&mut self, socket: &mut impl Write) -> io::Result<()> {
        while self.0.wants_write() {
            if self.0.write_tls(socket)? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Reads records from the socket; 0 is its end.
    fn receive(&mut self, socket: &mut (impl Read + Write)) -> io::Result<usize> {
        let count = self.0.read_tls(socket)?;
        if let Err(error) = self.0.process_new_packets() {
            // The peer is to hear why, if it still listens.
            let _ = self.flush(socket);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(count)
    }
}

impl fmt::Debug for ClientSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession")
            .field("is_open", &self.is_open())
            .finish_non_exhaustive()
    }
}
