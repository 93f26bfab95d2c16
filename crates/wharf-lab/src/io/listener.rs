//! A listener of the lab.

use std::io;
use std::task::{Context, Poll};

use wharf::connection::{Accept, Connection};

use super::stream::LabStream;
use super::world::with;
use crate::stack::ListenerId;

pub(super) struct LabListener {
    pub(super) lab: u64,
    pub(super) host: u32,
    pub(super) id: ListenerId,
}

impl Accept for LabListener {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Connection>> {
        let (lab, host, id) = (self.lab, self.host, self.id);
        let accepted = with(lab, |world| -> io::Result<_> {
            let stack = world.look_at(host)?;
            Ok(stack
                .poll_accept(id, cx)
                .map(|conn| (conn, stack.ends(conn))))
        });
        match accepted.and_then(|accepted| accepted) {
            Ok(Poll::Ready((id, (local, peer)))) => {
                let stream = LabStream { lab, host, id };
                Poll::Ready(Ok(Connection::new(stream, local.into(), peer.into())))
            }
            Ok(Poll::Pending) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl Drop for LabListener {
    fn drop(&mut self) {
        let (host, id) = (self.host, self.id);
        // After its lab there is nothing left to stop.
        let _ = with(self.lab, |world| -> io::Result<()> {
            let now = world.fabric.now();
            world.host(host)?.stop_listening(id, now);
            Ok(())
        });
    }
}
