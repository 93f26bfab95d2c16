//! TLS over calls that are recorded, record by record: what each of them holds is known
//! to us, since we are one of the two ends.
//!
//! ```text
//!   send(plaintext) ─▶ rustls ─▶ records ─▶ Wire ─▶ send() ─▶ link
//!   plaintext ◀─ rustls ◀─ one record at a time ◀─ Wire ◀─ recv() ◀─ link
//! ```
//! Records are given to rustls one by one, so that what it gives back is the content of
//! just that record.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wharf::tls::{ClientTls, Established, TlsStream};
use wharf_wire::trace::Inside;

use super::calls::Traced;
use super::conversation::{Spoken, Trouble};

/// What a record takes before its content: type, version, length (RFC 8446 §5.1).
const HEADER: usize = 5;

/// The record type of everything that is encrypted.
const APPLICATION_DATA: u8 = 23;

/// As much as a record carries.
const MOST_PLAINTEXT: usize = 1 << 14;

/// The room that recv() is given.
const ROOM: usize = 65_536;

const OF_THE_HANDSHAKE: &str = "of the handshake";
const OF_THE_PROGRAM: &str = "of the program";
const OF_TLS: &str = "of TLS itself: a ticket for next time, or the end";

/// Whom to believe, and who it must be.
pub(super) struct Secret {
    pub(super) tls: ClientTls,
    pub(super) host: String,
}

/// A TLS connection over recorded calls.
pub(super) struct Sealed {
    stream: TlsStream<Wire>,
    facts: Established,
    /// Whether we have said that nothing more comes.
    has_ended: bool,
}

impl Sealed {
    /// Does the handshake. Where it fails the socket is closed.
    pub(super) fn new(secret: &Secret, socket: Traced) -> Result<Self, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let wire = Wire {
            socket: Some(socket),
            received: Vec::new(),
            left: 0,
            has_yielded: false,
            insides: Vec::new(),
        };
        // The calls block: nothing else runs on this runtime.
        let (stream, facts) = runtime
            .block_on(secret.tls.connect(&secret.host, wire))
            .map_err(|error| Trouble::Handshake(Box::new(error)))?;
        Ok(Sealed {
            stream,
            facts,
            has_ended: false,
        })
    }

    /// What was agreed.
    pub(super) fn facts(&self) -> String {
        self.facts.to_string()
    }

    /// Closes the socket; gives what the records held.
    pub(super) fn close(mut self) -> Vec<Inside> {
        let wire = self.wire();
        let insides = std::mem::take(&mut wire.insides);
        wire.close();
        insides
    }

    fn wire(&mut self) -> &mut Wire {
        self.stream.get_mut().0.get_mut()
    }

    /// Sends what TLS has to say; of records of application data the first say `plain`.
    fn flush(&mut self, plain: &[u8], words: &'static str) -> io::Result<()> {
        let TlsStream::Client(stream) = &mut self.stream else {
            return Err(io::Error::other("this end is no client"));
        };
        let (wire, session) = stream.get_mut();
        let mut records = Vec::new();
        while session.wants_write() {
            session.write_tls(&mut records)?;
        }
        if records.is_empty() {
            return Ok(());
        }
        let wire = wire.get_mut();
        wire.socket()?.send(&records)?;
        let mut pieces = plain.chunks(MOST_PLAINTEXT);
        let mut rest = records.as_slice();
        while let Some(len) = whole_record(rest) {
            let (record, after) = rest.split_at(len);
            rest = after;
            if record[0] == APPLICATION_DATA {
                wire.insides.push(Inside {
                    record: record.to_vec(),
                    words,
                    plaintext: pieces.next().unwrap_or_default().to_vec(),
                });
            }
        }
        if !plain.is_empty() {
            let count = plain.len();
            wire.socket()?
                .remark(format!("{count} of yours, encrypted"));
        }
        Ok(())
    }
}

impl Spoken for Sealed {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        for piece in bytes.chunks(MOST_PLAINTEXT) {
            let TlsStream::Client(stream) = &mut self.stream else {
                return Err(io::Error::other("this end is no client"));
            };
            stream.get_mut().1.writer().write_all(piece)?;
            self.flush(piece, OF_THE_PROGRAM)?;
        }
        Ok(())
    }

    fn recv(&mut self, _: usize) -> io::Result<Vec<u8>> {
        loop {
            let TlsStream::Client(stream) = &mut self.stream else {
                return Err(io::Error::other("this end is no client"));
            };
            let (wire, session) = stream.get_mut();
            let wire = wire.get_mut();
            let Some(record) = wire.next_record()? else {
                return Ok(Vec::new());
            };
            let mut rest = record.as_slice();
            let mut plaintext = Vec::new();
            let mut has_ended = false;
            while !rest.is_empty() {
                session.read_tls(&mut rest)?;
                let state = session
                    .process_new_packets()
                    .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
                has_ended = state.peer_has_closed();
                let before = plaintext.len();
                plaintext.resize(before + state.plaintext_bytes_to_read(), 0);
                session.reader().read_exact(&mut plaintext[before..])?;
            }
            if record[0] == APPLICATION_DATA {
                let words = match plaintext.is_empty() {
                    true => OF_TLS,
                    false => OF_THE_PROGRAM,
                };
                wire.insides.push(Inside {
                    record,
                    words,
                    plaintext: plaintext.clone(),
                });
            }
            if !plaintext.is_empty() {
                let count = plaintext.len();
                wire.socket()?
                    .remark(format!("{count} of the program, decrypted"));
                return Ok(plaintext);
            }
            if has_ended {
                // The end of TLS comes before that of the stream, which follows at once
                // where both have said that nothing more comes.
                if self.has_ended {
                    self.wire().fill()?;
                }
                return Ok(Vec::new());
            }
            self.flush(b"", OF_TLS)?;
        }
    }

    fn shutdown(&mut self) -> io::Result<()> {
        let TlsStream::Client(stream) = &mut self.stream else {
            return Err(io::Error::other("this end is no client"));
        };
        stream.get_mut().1.send_close_notify();
        self.flush(b"", OF_TLS)?;
        self.has_ended = true;
        self.wire().socket()?.shutdown()
    }
}

/// How long the record is that these bytes begin with, if all of it is there.
fn whole_record(bytes: &[u8]) -> Option<usize> {
    let &[_, _, _, high, low, ..] = bytes else {
        return None;
    };
    let len = HEADER + usize::from(u16::from_be_bytes([high, low]));
    (bytes.len() >= len).then_some(len)
}

/// The calls under TLS. Its futures do not wait, the calls do; but before one that waits
/// for bytes whoever polls is told to come again, since TLS reads for as long as it may
/// and writes then.
pub(super) struct Wire {
    socket: Option<Traced>,
    /// Bytes that came and were not given on.
    received: Vec<u8>,
    /// How many of them belong to a record that was given on in part.
    left: usize,
    /// Whether the task had its turn to write since the last bytes came.
    has_yielded: bool,
    insides: Vec<Inside>,
}

impl Wire {
    fn socket(&mut self) -> io::Result<&mut Traced> {
        self.socket
            .as_mut()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn close(&mut self) {
        if let Some(socket) = self.socket.take() {
            socket.close();
        }
    }

    /// Receives more; whether there was some.
    fn fill(&mut self) -> io::Result<bool> {
        let bytes = self.socket()?.recv(ROOM)?;
        self.received.extend_from_slice(&bytes);
        Ok(!bytes.is_empty())
    }

    /// The next record, its header first; `None` at the end of the stream.
    fn next_record(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(len) = whole_record(&self.received) {
                return Ok(Some(self.received.drain(..len).collect()));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.close();
    }
}

/// A call that waited in vain must not look as if it could be tried again: nobody would
/// ever wake the task.
fn in_vain(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(
            io::ErrorKind::TimedOut,
            "nothing came in time, in the middle of TLS's handshake",
        ),
        _ => error,
    }
}

impl AsyncRead for Wire {
    /// Never more than to the end of a record: what follows the handshake is not its.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.left == 0 {
            match whole_record(&self.received) {
                Some(len) => {
                    if self.received[0] == APPLICATION_DATA {
                        let record = self.received[..len].to_vec();
                        self.insides.push(Inside {
                            record,
                            words: OF_THE_HANDSHAKE,
                            plaintext: Vec::new(),
                        });
                    }
                    self.left = len;
                }
                // Somebody who does not speak TLS is told from the first byte.
                None if self
                    .received
                    .first()
                    .is_some_and(|kind| !(20..=24).contains(kind)) =>
                {
                    self.left = self.received.len();
                }
                None if !self.has_yielded => {
                    self.has_yielded = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => match self.fill() {
                    Ok(true) => {}
                    // What is no record, or none that ends, is for TLS to judge.
                    Ok(false) => {
                        self.left = self.received.len();
                        break;
                    }
                    Err(error) if self.received.is_empty() => {
                        return Poll::Ready(Err(in_vain(error)));
                    }
                    Err(_) => self.left = self.received.len(),
                },
            }
        }
        self.has_yielded = false;
        let count = self.left.min(buffer.remaining());
        buffer.put_slice(&self.received[..count]);
        self.received.drain(..count);
        self.left -= count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let sent = self.socket().and_then(|socket| socket.send(bytes));
        if sent.is_ok() {
            let mut rest = bytes;
            while let Some(len) = whole_record(rest) {
                if rest[0] == APPLICATION_DATA {
                    self.insides.push(Inside {
                        record: rest[..len].to_vec(),
                        words: OF_THE_HANDSHAKE,
                        plaintext: Vec::new(),
                    });
                }
                rest = &rest[len..];
            }
        }
        Poll::Ready(sent.map(|()| bytes.len()).map_err(in_vain))
    }

    /// All of a flight in one call, as programs do.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        self.poll_write(context, &all)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.socket().and_then(Traced::shutdown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_by_their_lengths() {
        assert_eq!(whole_record(b"\x17\x03\x03\0\x02ab\x17"), Some(7));
        assert_eq!(whole_record(b"\x17\x03\x03\0\x02a"), None);
        assert_eq!(whole_record(b"\x17\x03\x03\0"), None);
        assert_eq!(whole_record(b""), None);
    }
}
