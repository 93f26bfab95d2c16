//! Where bytes for the peer come from: stdin, or the command line.
//!
//! Stdin is read by a thread of its own, since a read of a terminal or a pipe
//! cannot be cancelled. It reads at most a few pieces ahead of the peer.

use std::io::{self, Read};

use tokio::sync::mpsc;

use super::escape::Escaped;
use super::wire::{Cut, MAX_MESSAGE, Piece};

/// How many pieces may wait for the peer.
const AHEAD: usize = 4;

/// How much one read takes, in bytes.
const READ: usize = 64 * 1024;

/// What comes in.
#[derive(Debug)]
pub(crate) enum Item {
    /// Something to send.
    Piece(Piece),
    /// Stdin cannot be read.
    Failed(io::Error),
}

/// Pieces of input; the end of input is `None`.
#[derive(Debug)]
pub(crate) struct Input {
    items: mpsc::Receiver<Item>,
}

impl Input {
    /// Input that another thread gives.
    pub(crate) fn channel() -> (mpsc::Sender<Item>, Input) {
        let (sender, items) = mpsc::channel(AHEAD);
        (sender, Input { items })
    }

    /// What stands on the command line.
    pub(super) fn of(texts: &[Escaped]) -> Input {
        let (sender, items) = mpsc::channel(texts.len().max(1));
        for Escaped(text) in texts {
            // There is room for each of them.
            let _ = sender.try_send(Item::Piece(Piece::Message(text.clone())));
        }
        Input { items }
    }

    /// Stdin, cut into pieces.
    pub(crate) fn stdin(cut: Cut) -> io::Result<Input> {
        let (sender, input) = Input::channel();
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || {
                let mut stdin = io::stdin().lock();
                let outcome = match cut {
                    Cut::Reads => reads(&mut stdin, &sender),
                    Cut::Lines => lines(&mut stdin, &sender),
                };
                if let Err(error) = outcome {
                    // The conversation is over already: nobody to tell.
                    let _ = sender.blocking_send(Item::Failed(error));
                }
            })?;
        Ok(input)
    }

    /// The next item. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Item> {
        self.items.recv().await
    }
}

/// A read that waits out signals.
fn read(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

fn reads(from: &mut impl Read, to: &mpsc::Sender<Item>) -> io::Result<()> {
    loop {
        let mut buffer = vec![0; READ];
        let count = read(from, &mut buffer)?;
        buffer.truncate(count);
        if count == 0 || give(to, Piece::Bytes(buffer)).is_err() {
            return Ok(());
        }
    }
}

fn lines(from: &mut impl Read, to: &mpsc::Sender<Item>) -> io::Result<()> {
    let mut buffer = vec![0; READ];
    let mut line = Vec::new();
    loop {
        let count = read(from, &mut buffer)?;
        if count == 0 {
            // The last line may lack its line feed.
            if !line.is_empty() {
                let _ = give(to, Piece::Line(line));
            }
            return Ok(());
        }
        for part in buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            let whole = part.strip_suffix(b"\n");
            line.extend_from_slice(whole.unwrap_or(part));
            if line.len() > MAX_MESSAGE {
                return Err(io::Error::other(format!(
                    "a line of input is longer than {MAX_MESSAGE} bytes"
                )));
            }
            if whole.is_some() && give(to, Piece::Line(std::mem::take(&mut line))).is_err() {
                return Ok(());
            }
        }
    }
}

/// The conversation is over.
struct Over;

fn give(to: &mpsc::Sender<Item>, piece: Piece) -> Result<(), Over> {
    to.blocking_send(Item::Piece(piece)).map_err(|_| Over)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &[u8]) -> Vec<Vec<u8>> {
        let (sender, mut receiver) = mpsc::channel(16);
        lines(&mut &text[..], &sender).unwrap();
        drop(sender);
        let mut all = Vec::new();
        while let Some(Item::Piece(piece)) = receiver.blocking_recv() {
            all.push(piece.payload().to_vec());
        }
        all
    }

    #[test]
    fn lines_end_at_line_feeds_and_at_the_end() {
        assert_eq!(cut(b"a\n\nb\r\nc"), [&b"a"[..], b"", b"b\r", b"c"]);
        assert!(cut(b"").is_empty());
    }
}
