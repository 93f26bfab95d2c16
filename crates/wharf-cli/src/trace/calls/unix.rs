//! The calls on Unix datagram sockets: names in place of ports, and no frames.

use std::io::{self, IoSliceMut};
use std::os::fd::RawFd;

use nix::sys::socket::{MsgFlags, SockaddrLike, UnixAddr, recvmsg};
use socket2::SockAddr;

use super::{Traced, begin, count, done, moved, result};
use crate::failure::words;

impl Traced {
    /// `bind()` without a name: the system gives one, so that an answer finds the way back
    /// (unix(7), autobind).
    pub(in crate::trace) fn bind_unnamed(&self) -> io::Result<()> {
        let unnamed = SockAddr::unix("")?;
        let begun = begin();
        let outcome = self.socket.bind(&unnamed);
        let text = format!("bind({}, AF_UNIX)", self.fd());
        let mut did = done(begun, self.side, text, result(&outcome));
        if outcome.is_ok() {
            let own = self.socket.local_addr().map(|own| name(&own));
            did.remark = own.map_or_else(
                |_| String::new(),
                |own| format!("the system chose {own}: an answer needs somewhere to go"),
            );
        }
        self.note(did);
        outcome
    }

    /// `sendto()`: the whole datagram or nothing.
    pub(in crate::trace) fn send_to_unix(
        &self,
        bytes: &[u8],
        to: &SockAddr,
        shown: &str,
    ) -> io::Result<usize> {
        let begun = begin();
        let outcome = self.socket.send_to(bytes, to);
        let text = format!("sendto({}, {}, {shown})", self.fd(), count(bytes.len()));
        let mut did = done(begun, self.side, text, moved(&outcome));
        did.asked = Some(bytes.len() as u64);
        did.moved = outcome.as_ref().ok().map(|sent| *sent as u64);
        self.note(did);
        outcome
    }

    /// `recvfrom()`: one datagram, cut off where the room ends.
    pub(in crate::trace) fn recv_from_unix(&self, room: usize) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; room];
        let begun = begin();
        let outcome = receive(self.fd(), &mut buffer);
        let text = format!("recvfrom({}, {})", self.fd(), count(room));
        let result = match &outcome {
            Ok((received, _, from)) => format!("{received}, from {from}"),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => "nothing came".to_owned(),
            Err(error) => words(error),
        };
        let mut did = done(begun, self.side, text, result);
        did.asked = Some(room as u64);
        if let Ok((received, is_cut, _)) = &outcome {
            did.moved = Some(*received as u64);
            if *is_cut {
                did.remark = "the datagram was longer: the rest of it is lost".into();
            }
        }
        self.note(did);
        let (received, ..) = outcome?;
        buffer.truncate(received);
        Ok(buffer)
    }
}

/// How many bytes came, whether there were more, and from whom.
pub(super) fn receive(fd: RawFd, buffer: &mut [u8]) -> io::Result<(usize, bool, String)> {
    let mut into = [IoSliceMut::new(buffer)];
    let received = recvmsg::<UnixAddr>(fd, &mut into, None, MsgFlags::empty())?;
    let is_cut = received.flags.contains(MsgFlags::MSG_TRUNC);
    // On a connection, and from a socket without a name, no address comes at all; asked for
    // its path such a one panics.
    let address = received.address.filter(|from| from.len() > FAMILY);
    let from = match &address {
        Some(from) => match (from.path(), from.as_abstract()) {
            (Some(path), _) => path.display().to_string(),
            (_, Some(name)) => in_abstract(name),
            _ => NAMELESS.to_owned(),
        },
        None => NAMELESS.to_owned(),
    };
    Ok((received.bytes, is_cut, from))
}

/// The bytes of an address before its name.
const FAMILY: u32 = size_of::<u16>() as u32;

const NAMELESS: &str = "a socket without a name";

/// A name as it is typed in an address.
fn name(address: &SockAddr) -> String {
    match (address.as_pathname(), address.as_abstract_namespace()) {
        (Some(path), _) => path.display().to_string(),
        (_, Some(name)) => in_abstract(name),
        _ => NAMELESS.to_owned(),
    }
}

fn in_abstract(name: &[u8]) -> String {
    format!("@{}", String::from_utf8_lossy(name))
}
