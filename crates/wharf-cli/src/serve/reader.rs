//! Notices when nobody reads stdout any more, without writing to it: after
//! `wharf serve | head -1` there may be no event to write for a long time.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;

use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;

/// Waits until the reader of the pipe that stdout is has closed it; for ever,
/// where stdout is no pipe.
pub(super) async fn gone() {
    match pipe() {
        // The writing end of a pipe without readers has POLLERR (poll(2)).
        Ok(Some(pipe)) if pipe.ready(Interest::ERROR).await.is_ok() => {}
        _ => std::future::pending().await,
    }
}

fn pipe() -> io::Result<Option<Sender>> {
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    if !stdout.metadata()?.file_type().is_fifo() {
        return Ok(None);
    }
    // Unchecked, since the checked one makes the pipe non-blocking, for everybody who
    // has it; here it is only watched.
    Sender::from_owned_fd_unchecked(stdout.into()).map(Some)
}
