//! A TCP connection of the lab as a byte stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::world::{World, with};
use crate::core::Action;
use crate::stack::ConnId;

/// One end of a connection. Dropping it ends the connection in order, or resets it
/// if there is unread data.
pub(super) struct LabStream {
    pub(super) lab: u64,
    pub(super) host: u32,
    pub(super) id: ConnId,
}

impl LabStream {
    fn act<R>(&self, act: impl FnOnce(&mut World) -> io::Result<R>) -> io::Result<R> {
        with(self.lab, act)?
    }
}

impl AsyncRead for LabStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let (host, id) = (self.host, self.id);
        let outcome = self.act(|world| {
            let mut read = Vec::new();
            let into = space.initialize_unfilled();
            // Only what is read can open the window: waiting does not touch the host.
            let outcome = world.look_at(host)?.poll_read(id, cx, into, &mut read);
            if matches!(outcome, Poll::Ready(Ok(_))) {
                world.host(host)?;
            }
            for (message, bytes) in read {
                world.note(host, message, Action::Read(bytes));
            }
            Ok(outcome)
        });
        match outcome {
            Ok(Poll::Ready(Ok(count))) => {
                space.advance(count);
                Poll::Ready(Ok(()))
            }
            Ok(Poll::Ready(Err(error))) | Err(error) => Poll::Ready(Err(error)),
            Ok(Poll::Pending) => Poll::Pending,
        }
    }
}

impl AsyncWrite for LabStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (host, id) = (self.host, self.id);
        let outcome = self.act(|world| {
            let outcome = world.look_at(host)?.poll_write(id, cx, bytes);
            if let Poll::Ready(Ok(count)) = outcome {
                let message = world.new_message(host, count);
                let stack = world.host(host)?;
                if let Some(message) = message {
                    stack.mark_written(id, message);
                }
            }
            Ok(outcome)
        });
        outcome.unwrap_or_else(|error| Poll::Ready(Err(error)))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The stack has the bytes already.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (host, id) = (self.host, self.id);
        Poll::Ready(self.act(|world| {
            world.host(host)?.finish(id);
            Ok(())
        }))
    }
}

impl Drop for LabStream {
    fn drop(&mut self) {
        let (host, id) = (self.host, self.id);
        // After its lab there is nothing left to let go of.
        let _ = self.act(|world| {
            let now = world.fabric.now();
            world.host(host)?.let_go(id, now);
            Ok(())
        });
    }
}
