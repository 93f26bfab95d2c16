//! A direction of a stream whose bytes come in pieces, each of them late.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, DuplexStream, ReadBuf};
use tokio::time::{Sleep, sleep};

/// The longest piece, in bytes.
const PIECE: u64 = 16;

/// What is on its way. Sizes and delays come from a seed alone.
#[derive(Debug)]
pub(super) struct Late {
    chance: u64,
    most: Duration,
    /// How long the next piece is at most.
    size: usize,
    piece: Vec<u8>,
    /// Until the piece is there.
    due: Option<Pin<Box<Sleep>>>,
}

impl Late {
    pub(super) fn new(seed: u64, most: Duration) -> Self {
        let mut late = Late {
            chance: seed,
            most,
            size: 0,
            piece: Vec::new(),
            due: None,
        };
        late.size = late.next_size();
        late
    }

    /// SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
    fn below(&mut self, bound: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn next_size(&mut self) -> usize {
        1 + self.below(PIECE) as usize
    }

    pub(super) fn poll_read(
        &mut self,
        pipe: &mut DuplexStream,
        cx: &mut Context<'_>,
        space: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.piece.is_empty() {
            let mut bytes = [0; PIECE as usize];
            let mut piece = ReadBuf::new(&mut bytes[..self.size]);
            ready!(Pin::new(pipe).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.piece.extend_from_slice(piece.filled());
            self.size = self.next_size();
            let most = u64::try_from(self.most.as_micros()).unwrap_or(u64::MAX);
            let delay = self.below(most.saturating_add(1).max(1));
            self.due = Some(Box::pin(sleep(Duration::from_micros(delay))));
        }
        if let Some(due) = &mut self.due {
            ready!(due.as_mut().poll(cx));
            self.due = None;
        }
        let fits = self.piece.len().min(space.remaining());
        space.put_slice(&self.piece[..fits]);
        self.piece.drain(..fits);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    use crate::network::MemoryNetwork;
    use crate::network::memory::Delivery;

    use super::*;

    /// Sizes of the pieces, and when they came.
    async fn pieces(seed: u64) -> Vec<(usize, Duration)> {
        let network = MemoryNetwork::new();
        let most = Duration::from_millis(20);
        network.deliver(Delivery::Late { seed, most });
        let (mut near, mut far) = network.pair();
        let words: Vec<u8> = (0..=255).collect();
        near.write_all(&words).await.unwrap();
        drop(near);
        let (began, mut heard, mut pieces) = (Instant::now(), Vec::new(), Vec::new());
        while let Some(chunk) = far.read_chunk().await.unwrap() {
            heard.extend_from_slice(&chunk);
            pieces.push((chunk.len(), began.elapsed()));
        }
        assert_eq!(heard, words);
        pieces
    }

    #[tokio::test(start_paused = true)]
    async fn pieces_are_small_late_and_the_same_for_the_same_seed() {
        let first = pieces(1).await;
        assert!(first.iter().all(|(size, _)| (1..=16).contains(size)));
        let mut sizes: Vec<usize> = first.iter().map(|(size, _)| *size).collect();
        sizes.sort_unstable();
        sizes.dedup();
        assert!(sizes.len() > 5, "{sizes:?}");
        let last = first.last().unwrap().1;
        assert!(
            last > Duration::from_millis(5 * first.len() as u64),
            "{last:?}"
        );
        assert!(
            last < Duration::from_millis(22 * first.len() as u64),
            "{last:?}"
        );
        assert_eq!(pieces(1).await, first);
        assert_ne!(pieces(2).await, first);
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_waits_for_a_reader_with_little_room() {
        let (mut near, mut far) = tokio::io::duplex(64);
        near.write_all(b"hello").await.unwrap();
        let mut late = Late::new(7, Duration::from_millis(1));
        let mut heard = Vec::new();
        while heard.len() < 5 {
            let mut one = [0; 1];
            let mut space = ReadBuf::new(&mut one);
            std::future::poll_fn(|cx| late.poll_read(&mut far, cx, &mut space))
                .await
                .unwrap();
            heard.extend_from_slice(space.filled());
        }
        assert_eq!(heard, b"hello");
        far.write_all(b"x").await.unwrap();
        assert_eq!(near.read_u8().await.unwrap(), b'x');
    }
}
