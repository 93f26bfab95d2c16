//! Upper case of text that comes in pieces, without I/O.
//!
//! ```text
//!   push ─▶ │ carry: 0 to 3 bytes │ piece │ ─▶ whole characters, upper case
//!              the beginning of a          ─▶ bytes that are no UTF-8, as they are
//!              character, if its end       ─▶ the new carry
//!              has not come yet
//! ```

use std::str::Utf8Error;

/// Turns text into upper case, piece by piece.
///
/// The result is that of [`str::to_uppercase`] wherever the text is UTF-8, and
/// the bytes themselves wherever it is not; it does not depend on how the text
/// is cut into pieces.
///
/// ```
/// use wharf_services::upper::Uppercase;
///
/// let mut text = Uppercase::new();
/// let mut output = Vec::new();
/// let (one, two) = "tür".as_bytes().split_at(2); // in the middle of ü
/// text.push(one, &mut output);
/// assert_eq!(output, b"T");
/// text.push(two, &mut output);
/// text.finish(&mut output);
/// assert_eq!(output, "TÜR".as_bytes());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Uppercase {
    /// The beginning of a character whose end has not come yet.
    carry: [u8; 4],
    carried: usize,
    growth: Growth,
}

/// What happens to characters whose upper case takes more bytes in UTF-8.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Growth {
    /// They are changed; the text grows to at most three times its length.
    #[default]
    Allow,
    /// They stay as they are; the text never grows.
    Keep,
}

impl Uppercase {
    /// A text that begins.
    pub fn new() -> Self {
        Uppercase::default()
    }

    /// A text that begins, with a choice for characters that would grow.
    pub fn with_growth(growth: Growth) -> Self {
        Uppercase {
            growth,
            ..Uppercase::default()
        }
    }

    /// Whether `piece` can be changed in place with
    /// [`make_ascii_uppercase`](slice::make_ascii_uppercase), without a push.
    pub fn takes_as_ascii(&self, piece: &[u8]) -> bool {
        self.carried == 0 && piece.is_ascii()
    }

    /// Appends the upper case of what `piece` completes to `output`.
    pub fn push(&mut self, piece: &[u8], output: &mut Vec<u8>) {
        let mut rest = self.complete(piece, output);
        // Most text has one byte per byte; the few that grow make room themselves.
        output.reserve(rest.len());
        loop {
            match std::str::from_utf8(rest) {
                Ok(text) => return self.change(text, output),
                Err(error) => {
                    let (text, bad) = split_at_error(rest, &error);
                    self.change(text, output);
                    let Some(length) = error.error_len() else {
                        return self.keep(bad);
                    };
                    output.extend_from_slice(&bad[..length]);
                    rest = &bad[length..];
                }
            }
        }
    }

    /// Ends the text: half a character passes as it is.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        output.extend_from_slice(&self.carry[..self.carried]);
        self.carried = 0;
    }

    /// Completes the carried character from the front of `piece`; gives the rest.
    fn complete<'a>(&mut self, piece: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
        let mut rest = piece;
        while let (1.., [first, after @ ..]) = (self.carried, rest) {
            let length = self.carried + 1;
            self.carry[self.carried] = *first;
            match std::str::from_utf8(&self.carry[..length]) {
                Ok(_) => {
                    let carry = self.carry;
                    self.carried = 0;
                    // Just checked; an empty text would be the answer to the impossible.
                    self.change(
                        std::str::from_utf8(&carry[..length]).unwrap_or_default(),
                        output,
                    );
                }
                // Never at four bytes: those are a character or an error.
                Err(error) if error.error_len().is_none() => self.carried = length,
                // The new byte does not continue the old ones: they were no
                // character, and it may begin one.
                Err(_) => {
                    self.finish(output);
                    return rest;
                }
            }
            rest = after;
        }
        rest
    }

    /// Keeps the beginning of a character: at most three bytes.
    fn keep(&mut self, beginning: &[u8]) {
        self.carry[..beginning.len()].copy_from_slice(beginning);
        self.carried = beginning.len();
    }

    fn change(&self, text: &str, output: &mut Vec<u8>) {
        let mut rest = text;
        while !rest.is_empty() {
            let ascii = rest
                .bytes()
                .position(|byte| !byte.is_ascii())
                .unwrap_or(rest.len());
            let (plain, other) = rest.split_at(ascii);
            let start = output.len();
            output.extend_from_slice(plain.as_bytes());
            output[start..].make_ascii_uppercase();
            let mut characters = other.chars();
            if let Some(character) = characters.next() {
                self.change_one(character, output);
            }
            rest = characters.as_str();
        }
    }

    fn change_one(&self, character: char, output: &mut Vec<u8>) {
        let upper = character.to_uppercase();
        let length: usize = upper.clone().map(char::len_utf8).sum();
        let mut room = [0; 4];
        if self.growth == Growth::Keep && length > character.len_utf8() {
            output.extend_from_slice(character.encode_utf8(&mut room).as_bytes());
            return;
        }
        for character in upper {
            output.extend_from_slice(character.encode_utf8(&mut room).as_bytes());
        }
    }
}

/// The text before the error, and the bytes from it on.
fn split_at_error<'a>(bytes: &'a [u8], error: &Utf8Error) -> (&'a str, &'a [u8]) {
    let (text, bad) = bytes.split_at(error.valid_up_to());
    // Valid up to there, says the error itself.
    (std::str::from_utf8(text).unwrap_or_default(), bad)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn in_pieces(pieces: &[Vec<u8>], growth: Growth) -> Vec<u8> {
        let mut text = Uppercase::with_growth(growth);
        let mut output = Vec::new();
        for piece in pieces {
            text.push(piece, &mut output);
        }
        text.finish(&mut output);
        output
    }

    fn whole(bytes: &[u8]) -> Vec<u8> {
        in_pieces(&[bytes.to_vec()], Growth::Allow)
    }

    /// Text and noise: characters of every length, their halves, and stray bytes.
    fn mixed() -> impl Strategy<Value = Vec<u8>> {
        let some = prop_oneof![
            3 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
            1 => any::<char>().prop_map(|c| {
                let mut bytes = c.to_string().into_bytes();
                bytes.pop();
                bytes
            }),
            1 => "[a-zß-ÿŉǰΐ]{1,4}".prop_map(String::into_bytes),
            1 => any::<u8>().prop_map(|byte| vec![byte]),
        ];
        proptest::collection::vec(some, 0..24).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn it_is_the_upper_case_of_the_standard_library(text in "\\PC{0,40}|[a-zß-ſΐ-ω]{0,40}") {
            prop_assert_eq!(whole(text.as_bytes()), text.to_uppercase().into_bytes());
        }

        #[test]
        fn it_is_the_same_however_it_is_split(
            pieces in proptest::collection::vec(mixed(), 0..4),
            sizes in proptest::collection::vec(1_usize..7, 1..40),
        ) {
            let all = pieces.concat();
            let mut cut = Vec::new();
            let mut rest = &all[..];
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, after) = rest.split_at(rest.len().min(*size));
                cut.push(piece.to_vec());
                rest = after;
            }
            prop_assert_eq!(in_pieces(&cut, Growth::Allow), whole(&all));
        }

        #[test]
        fn invalid_bytes_stand_where_they_stood(bytes in mixed()) {
            let expected: Vec<u8> = bytes
                .utf8_chunks()
                .flat_map(|chunk| {
                    [chunk.valid().to_uppercase().into_bytes(), chunk.invalid().to_vec()].concat()
                })
                .collect();
            prop_assert_eq!(whole(&bytes), expected);
        }

        #[test]
        fn kept_characters_never_make_it_longer(bytes in mixed()) {
            let kept = in_pieces(std::slice::from_ref(&bytes), Growth::Keep);
            prop_assert!(kept.len() <= bytes.len());
        }
    }

    #[test]
    fn no_character_grows_beyond_three_times() {
        for character in '\0'..=char::MAX {
            let upper: usize = character.to_uppercase().map(char::len_utf8).sum();
            assert!(upper <= 3 * character.len_utf8(), "{character:?}");
        }
    }
}
