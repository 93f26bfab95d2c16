//! The dialogue without I/O, as fuzz targets drive it. Built with `--cfg fuzzing` only.

use super::MAX_ATTEMPT;
use super::attempt::{Attempt, Ending, Taken};

/// The attempts in a stream that comes in these pieces, and how each is answered: with a
/// newline, or without. `None` at the end is an attempt that was too long.
pub fn attempts<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<(Vec<u8>, Answer)>> {
    let mut heard = Vec::new();
    let mut attempt = Attempt::new();
    for mut piece in pieces {
        while !piece.is_empty() {
            match attempt.take(piece) {
                Taken::All => break,
                Taken::Line(count) => {
                    piece = &piece[count..];
                    heard.push(Some(whole(std::mem::take(&mut attempt), Ending::Newline)));
                }
                Taken::TooLong => {
                    heard.push(None);
                    return heard;
                }
            }
        }
    }
    if !attempt.is_empty() {
        heard.push(Some(whole(attempt, Ending::Bare)));
    }
    heard
}

/// How an attempt is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With a newline.
    Line,
    /// With the bare words.
    Bare,
}

fn whole(attempt: Attempt, ending: Ending) -> (Vec<u8>, Answer) {
    let answer = match ending {
        Ending::Newline => Answer::Line,
        Ending::Bare => Answer::Bare,
    };
    let text = attempt.into_text().to_vec();
    assert!(text.len() <= MAX_ATTEMPT + 1);
    (text, answer)
}
