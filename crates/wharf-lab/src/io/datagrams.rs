//! A UDP socket of the lab.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll};

use wharf::datagram::{Batch, DatagramIo};
use wharf::network::Endpoint;

use super::world::{World, with};
use crate::core::Action;
use crate::stack::SocketId;

pub(super) struct LabDatagrams {
    pub(super) lab: u64,
    pub(super) host: u32,
    pub(super) id: SocketId,
    /// Bound to all addresses: replies leave from the one that was called.
    pub(super) everywhere: bool,
}

impl LabDatagrams {
    fn act<R>(&self, act: impl FnOnce(&mut World) -> io::Result<R>) -> io::Result<R> {
        with(self.lab, act)?
    }

    /// Takes one datagram into the batch.
    fn take(&self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        let (host, id, everywhere) = (self.host, self.id, self.everywhere);
        let outcome = self.act(|world| {
            let mut read = None;
            let outcome = world.look_at(host)?.poll_receive(id, cx, |arrived| {
                let to = Some(arrived.to).filter(|to| everywhere && !to.is_multicast());
                batch.push_received(arrived.payload, &arrived.from.into(), to);
                read = Some((arrived.message, arrived.payload.len()));
            });
            if let Some((message, bytes)) = read.filter(|(message, _)| *message != 0) {
                world.note(host, message, Action::Read(bytes));
            }
            Ok(outcome)
        });
        outcome.unwrap_or_else(|error| Poll::Ready(Err(error)))
    }

    fn send(
        &self,
        cx: &mut Context<'_>,
        ends: (Option<IpAddr>, SocketAddr),
        payload: &[u8],
    ) -> Poll<io::Result<()>> {
        let (host, id) = (self.host, self.id);
        let outcome = self.act(|world| {
            let message = world.new_message(host, payload.len()).unwrap_or(0);
            Ok(world.host(host)?.poll_send(id, cx, ends, payload, message))
        });
        outcome.unwrap_or_else(|error| Poll::Ready(Err(error)))
    }
}

impl DatagramIo for LabDatagrams {
    fn poll_receive(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        while !batch.is_full() {
            match self.take(cx, batch) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) if batch.is_empty() => {
                    batch.tally_mut().icmp_errors += 1;
                    return Poll::Ready(Err(error));
                }
                // The error was taken from its queue, and is told by its count.
                Poll::Ready(Err(_)) => batch.tally_mut().icmp_errors += 1,
                Poll::Pending if batch.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, batch: &mut Batch) -> Poll<io::Result<()>> {
        while let Some(next) = batch.next_outgoing() {
            let outcome = match next.to {
                Endpoint::Inet(to) => self.send(cx, (next.from, *to), next.payload),
                Endpoint::Unix(_) => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
            };
            match outcome {
                Poll::Ready(Ok(())) => batch.note_sent(1),
                Poll::Ready(Err(error)) => batch.note_failed(error),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn connect(&mut self, to: &Endpoint) -> io::Result<Endpoint> {
        let to = to.inet().ok_or(io::ErrorKind::Unsupported)?;
        let (host, id) = (self.host, self.id);
        self.act(|world| Ok(world.look_at(host)?.connect_udp(id, to)?.into()))
    }

    fn kernel_dropped(&self) -> u64 {
        let (host, id) = (self.host, self.id);
        self.act(|world| Ok(world.look_at(host)?.dropped(id)))
            .unwrap_or(0)
    }
}

impl Drop for LabDatagrams {
    fn drop(&mut self) {
        let (host, id) = (self.host, self.id);
        // After its lab there is nothing left to close.
        let _ = self.act(|world| {
            world.host(host)?.unbind(id);
            Ok(())
        });
    }
}
