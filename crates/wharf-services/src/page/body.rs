//! What is sent behind the headers: nothing, some bytes, or part of a file.

use std::fs::File;
use std::future::Future;
use std::io;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use wharf::service::Context;

/// How much of a file is read at once, in bytes: what a connection holds of it while
/// its client makes room.
const CHUNK: u64 = 64 * 1024;

/// The body of a reply.
pub(super) enum Body {
    Bytes(Bytes),
    File(Reading),
}

/// A part of a file that is being sent.
pub(super) struct Reading {
    file: Arc<File>,
    next: u64,
    left: u64,
    context: Context,
    read: Option<Pin<Box<dyn Future<Output = io::Result<Bytes>> + Send>>>,
}

impl Body {
    pub(super) fn empty() -> Self {
        Body::Bytes(Bytes::new())
    }

    /// `length` bytes of a file from `start` on, read where that may block.
    pub(super) fn file(file: File, start: u64, length: u64, context: &Context) -> Self {
        Body::File(Reading {
            file: Arc::new(file),
            next: start,
            left: length,
            context: context.clone(),
            read: None,
        })
    }
}

impl Reading {
    fn poll_next(&mut self, cx: &mut task::Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let read = self.read.get_or_insert_with(|| {
            let (file, at) = (Arc::clone(&self.file), self.next);
            let (most, context) = (self.left.min(CHUNK), self.context.clone());
            Box::pin(async move {
                let read = context.blocking(move || read_at(&file, at, most)).await;
                read.unwrap_or_else(|| Err(io::Error::other("reading was given up")))
            })
        });
        let bytes = ready!(read.as_mut().poll(cx));
        self.read = None;
        Poll::Ready(Some(bytes.inspect(|bytes| {
            self.next += bytes.len() as u64;
            self.left -= bytes.len() as u64;
        })))
    }
}

/// At most `most` bytes; none where a file has become shorter is an error, since more
/// was promised.
fn read_at(file: &File, at: u64, most: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; most as usize];
    loop {
        match file.read_at(&mut buffer, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer.truncate(count);
                return Ok(buffer.into());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Body::Bytes(bytes) if bytes.is_empty() => Poll::Ready(None),
            Body::Bytes(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Body::File(reading) => reading
                .poll_next(cx)
                .map(|next| next.map(|bytes| bytes.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.left() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left())
    }
}

impl Body {
    fn left(&self) -> u64 {
        match self {
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(reading) => reading.left,
        }
    }
}
