//! One attempt: the bytes up to a newline, the end of the stream, or a pause.
//!
//! ```text
//!              bytes                     newline ──▶ whole, answered with a newline
//!   empty ───────────────▶ partial ────  pause ────▶ whole ┐
//!     │                      │           end ──────▶ whole ┴ answered without one
//!     └── end: no attempt    └── longer than the limit ──▶ too long
//! ```
//! A state machine without I/O and without a clock: who reads says when there was a
//! pause.

use zeroize::Zeroizing;

use super::rules::MAX_ATTEMPT;

/// How an attempt ended, and so how its answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// A newline, which the answer gets as well.
    Newline,
    /// A pause, the end of the stream or that of a packet: the answer is the bare words.
    Bare,
}

/// What taking some bytes came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// All of them belong to the attempt, which is not whole yet.
    All,
    /// So many of them, with the newline; what stands behind it is somebody else's.
    Line(usize),
    /// The attempt is longer than [`MAX_ATTEMPT`].
    TooLong,
}

/// An attempt on its way. Its memory is wiped when it is dropped.
#[derive(Default)]
pub(super) struct Attempt {
    text: Zeroizing<Vec<u8>>,
}

impl Attempt {
    pub(super) fn new() -> Self {
        Attempt::default()
    }

    /// Whether nothing came yet.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Takes the next bytes, up to the first newline.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Taken {
        let newline = bytes.iter().position(|byte| *byte == b'\n');
        let part = &bytes[..newline.unwrap_or(bytes.len())];
        // A carriage return before the newline does not count.
        if self.text.len() + part.len() > MAX_ATTEMPT + 1 {
            return Taken::TooLong;
        }
        // Never moved by growing, which would leave copies behind; and nothing is owned
        // by a connection that said nothing yet.
        let room = MAX_ATTEMPT + 1 - self.text.len();
        self.text.reserve_exact(room);
        self.text.extend_from_slice(part);
        match newline {
            Some(at) => {
                if self.text.last() == Some(&b'\r') {
                    self.text.pop();
                }
                match self.text.len() > MAX_ATTEMPT {
                    true => Taken::TooLong,
                    false => Taken::Line(at + 1),
                }
            }
            None if self.text.len() > MAX_ATTEMPT && self.text.last() != Some(&b'\r') => {
                Taken::TooLong
            }
            None => Taken::All,
        }
    }

    /// What was said.
    pub(super) fn into_text(self) -> Zeroizing<Vec<u8>> {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(attempt: Attempt) -> Vec<u8> {
        attempt.into_text().to_vec()
    }

    #[test]
    fn a_line_ends_the_attempt_and_leaves_what_follows() {
        let mut attempt = Attempt::new();
        assert_eq!(attempt.take(b"open "), Taken::All);
        assert_eq!(attempt.take(b"sesame\r\nHELLO-FROM ann\n"), Taken::Line(8));
        assert_eq!(text(attempt), b"open sesame");
    }

    #[test]
    fn without_a_newline_it_is_what_came() {
        let mut attempt = Attempt::new();
        assert!(attempt.is_empty());
        assert_eq!(attempt.take(b"open sesame\r"), Taken::All);
        assert!(!attempt.is_empty());
        assert_eq!(text(attempt), b"open sesame\r");
    }

    #[test]
    fn the_longest_attempt_passes_and_a_longer_one_does_not() {
        let longest = vec![b'x'; MAX_ATTEMPT];
        for end in [&b"\n"[..], b"\r\n"] {
            let mut attempt = Attempt::new();
            let line = [&longest, end].concat();
            assert_eq!(attempt.take(&line), Taken::Line(line.len()));
        }
        let mut attempt = Attempt::new();
        assert_eq!(attempt.take(&longest), Taken::All);
        assert_eq!(attempt.take(b"x"), Taken::TooLong);
        let mut attempt = Attempt::new();
        assert_eq!(
            attempt.take(&[&longest[..], b"x\n"].concat()),
            Taken::TooLong
        );
    }

    proptest! {
        /// However the bytes are split, the same attempt comes out, and never more than
        /// the limit is kept.
        #[test]
        fn splitting_changes_nothing(
            bytes in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..1500),
            cut in 0_usize..1500,
        ) {
            let cut = cut.min(bytes.len());
            let mut whole = Attempt::new();
            let mut split = Attempt::new();
            let at_once = whole.take(&bytes);
            let in_two = match split.take(&bytes[..cut]) {
                Taken::All => match split.take(&bytes[cut..]) {
                    Taken::Line(count) => Taken::Line(cut + count),
                    other => other,
                },
                first => first,
            };
            prop_assert_eq!(at_once, in_two);
            prop_assert!(split.text.len() <= MAX_ATTEMPT + 1);
            if at_once != Taken::TooLong {
                prop_assert_eq!(text(whole), text(split));
            }
        }
    }
}
