//! A peer's text on a terminal: control characters are shown, not obeyed.
//!
//! Whoever can write raw bytes to a terminal can move its cursor, change its title
//! and on some terminals type commands, so only line feeds and tabs pass.

/// Makes text of a byte stream, however it is split.
#[derive(Debug, Default)]
pub(super) struct Visible {
    /// The beginning of a character, or a CR that may belong to a line end.
    held: Vec<u8>,
}

impl Visible {
    /// The text of the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        let mut input = std::mem::take(&mut self.held);
        input.extend_from_slice(bytes);
        let ready = input.len() - unfinished(&input);
        self.held = input.split_off(ready);
        shown(&input)
    }

    /// What is left at the end of the stream.
    pub(super) fn finish(&mut self) -> String {
        shown(&std::mem::take(&mut self.held))
    }
}

/// How many bytes at the end may belong to what comes next.
fn unfinished(bytes: &[u8]) -> usize {
    if bytes.ends_with(b"\r") {
        return 1;
    }
    let last = bytes.utf8_chunks().last();
    let invalid = last.map_or(&[][..], |chunk| chunk.invalid());
    // An invalid sequence at the very end may be the beginning of a valid one.
    match std::str::from_utf8(invalid) {
        Err(error) if error.error_len().is_none() => invalid.len(),
        _ => 0,
    }
}

/// All of `bytes` as text that a terminal can be given.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        let mut characters = chunk.valid().chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '\n' | '\t' => text.push(character),
                '\r' if characters.peek() == Some(&'\n') => {}
                _ if is_obeyed(character) => text.extend(character.escape_default()),
                _ => text.push(character),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// One message as one line: line feeds and tabs are shown too.
pub(crate) fn one_line(message: &[u8]) -> String {
    shown(message).replace('\n', "\\n").replace('\t', "\\t")
}

/// Control characters, and those that change the direction of what follows.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Marks, embeddings, overrides and isolates of direction (UAX #9), and
            // Unicode's own line ends.
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
                | '\u{2028}' | '\u{2029}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown() {
        assert_eq!(shown(b"a\x1b[2Jb\x07\n"), "a\\u{1b}[2Jb\\u{7}\n");
        assert_eq!(
            shown("\u{9b}31m\u{202e}x".as_bytes()),
            "\\u{9b}31m\\u{202e}x"
        );
        assert_eq!(shown(b"line\r\nnext\rlast"), "line\nnext\\rlast");
        assert_eq!(shown(b"\xff\xfe"), "\\xff\\xfe");
        assert_eq!(one_line(b"a\nb"), "a\\nb");
    }

    #[test]
    fn the_text_is_the_same_however_it_is_split() {
        let bytes = "Grüße \u{1f30a}\r\n\x1b[0m\u{20ac}".as_bytes();
        for at in 0..bytes.len() {
            let mut visible = Visible::default();
            let mut text = visible.push(&bytes[..at]);
            text += &visible.push(&bytes[at..]);
            text += &visible.finish();
            assert_eq!(text, shown(bytes), "split at {at}");
        }
    }

    #[test]
    fn an_unfinished_character_is_shown_at_the_end() {
        let mut visible = Visible::default();
        assert_eq!(visible.push(b"a\xe2\x82"), "a");
        assert_eq!(visible.finish(), "\\xe2\\x82");
    }
}
