//! Where what the peer sends goes.
//!
//! A thread of its own writes it, so that a reader of stdout who is slow stops
//! only the peer's direction and not ours.

use std::fs::File;
use std::io::{self, Write};
#[cfg(unix)]
use std::os::fd::AsFd;

use tokio::sync::{mpsc, oneshot};

/// How many pieces may wait for the reader.
const AHEAD: usize = 4;

/// A writer in a thread of its own.
#[derive(Debug)]
pub(crate) struct Output {
    pieces: mpsc::Sender<Vec<u8>>,
    ended: oneshot::Receiver<io::Result<()>>,
}

/// The reader is gone, or cannot be written to; [`Output::finish`] says which.
#[derive(Debug)]
pub(crate) struct Gone;

impl Output {
    /// Stdout, byte for byte.
    pub(crate) fn stdout() -> io::Result<Output> {
        // Unbuffered: what has come is to be seen at once.
        let mut file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Output::to(move |bytes| file.write_all(bytes))
    }

    /// Any writer.
    pub(crate) fn to(
        mut write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Output> {
        let (pieces, mut waiting) = mpsc::channel::<Vec<u8>>(AHEAD);
        let (end, ended) = oneshot::channel();
        std::thread::Builder::new()
            .name("stdout".to_owned())
            .spawn(move || {
                let mut outcome = Ok(());
                while let Some(bytes) = waiting.blocking_recv() {
                    outcome = write(&bytes);
                    if outcome.is_err() {
                        break;
                    }
                }
                // Whoever does not wait does not want to know.
                let _ = end.send(outcome);
            })?;
        Ok(Output { pieces, ended })
    }

    /// Waits for room. Cancel safe.
    pub(crate) async fn ready(&self) -> Result<mpsc::Permit<'_, Vec<u8>>, Gone> {
        self.pieces.reserve().await.map_err(|_| Gone)
    }

    /// Hands over `bytes`, which are lost if the reader is gone.
    pub(crate) async fn send(&self, bytes: Vec<u8>) {
        if !bytes.is_empty() {
            let _ = self.pieces.send(bytes).await;
        }
    }

    /// Waits until the reader is gone. Cancel safe.
    pub(crate) async fn gone(&self) {
        self.pieces.closed().await;
    }

    /// Waits until everything is written. A reader who left early is no error.
    pub(crate) async fn finish(self) -> io::Result<()> {
        drop(self.pieces);
        match self.ended.await {
            Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::other("the writer of stdout ended early")),
        }
    }
}
