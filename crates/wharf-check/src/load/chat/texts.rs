//! What users say: a number, and bytes that depend on sender and number.

use super::super::script::{Stream, printable};
use super::ledger::{NUMBER, Number};

/// The period of the bytes after the number: a prime, so that texts of any size
/// begin at another place each time.
const PERIOD: usize = 65_537;

/// The last byte, since a chat trims spaces.
const LAST: u8 = b'.';

/// The texts of all users.
#[derive(Debug)]
pub(super) struct Texts {
    bytes: Stream,
    size: usize,
}

impl Texts {
    /// Texts of `size` bytes, at least [`NUMBER`].
    pub(super) fn new(size: usize) -> Self {
        Texts {
            bytes: Stream::new(printable(PERIOD, 0)),
            size,
        }
    }

    pub(super) fn write(&self, sender: usize, number: Number, out: &mut Vec<u8>) {
        out.extend_from_slice(&number.encode());
        if self.size > NUMBER {
            out.extend_from_slice(self.body(sender, number));
            out.push(LAST);
        }
    }

    /// Whether a text that begins with `number` is what `sender` sent under it.
    pub(super) fn is_right(&self, sender: usize, number: Number, text: &[u8]) -> bool {
        text.len() == self.size
            && match text[NUMBER..].split_last() {
                Some((last, body)) => *last == LAST && body == self.body(sender, number),
                None => true,
            }
    }

    /// The bytes between the number and the last byte.
    fn body(&self, sender: usize, number: Number) -> &[u8] {
        // Both factors are odd and below the period, a prime: neighbours differ.
        let by = number.value() % PERIOD * 4_099 + sender * 8_191;
        let at = self.bytes.advance(0, by);
        self.bytes.at(at, self.size - NUMBER - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::{Due, Ledger};
    use super::*;

    #[test]
    fn a_text_is_right_for_its_sender_and_number_only() {
        let mut ledger = Ledger::new(2);
        let mut send = || ledger.send(1, Due::Delivery, 0).unwrap();
        let (one, other) = (send(), send());
        for size in [NUMBER, NUMBER + 1, 64] {
            let texts = Texts::new(size);
            let mut text = Vec::new();
            texts.write(3, one, &mut text);
            assert_eq!(text.len(), size);
            assert_eq!(Number::decode(&text), Some(one));
            assert!(texts.is_right(3, one, &text));
            assert!(!texts.is_right(3, one, &text[..size - 1]));
            if size == 64 {
                assert!(!texts.is_right(4, one, &text));
                assert!(!texts.is_right(3, other, &text));
                text[20] ^= 1;
                assert!(!texts.is_right(3, one, &text));
            }
        }
    }
}
