//! Looks for a text in what the peer sends, however it is split.

/// How many of the last bytes are kept as evidence.
const EVIDENCE: usize = 240;

/// A text that is expected.
#[derive(Debug)]
pub(super) struct Expect {
    wanted: Vec<u8>,
    /// The last bytes received: enough to find a text that is split, and for evidence.
    recent: Vec<u8>,
    received: u64,
    seen: Seen,
}

/// Whether it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Yes,
    NotYet,
}

impl Expect {
    pub(super) fn new(wanted: &[u8]) -> Self {
        Expect {
            wanted: wanted.to_vec(),
            recent: Vec::new(),
            received: 0,
            seen: Seen::NotYet,
        }
    }

    /// Takes the next bytes of the stream.
    pub(super) fn look(&mut self, bytes: &[u8]) -> Seen {
        self.received += bytes.len() as u64;
        self.recent.extend_from_slice(bytes);
        if contains(&self.recent, &self.wanted) {
            self.seen = Seen::Yes;
        }
        let keep = EVIDENCE.max(self.wanted.len());
        self.recent.drain(..self.recent.len().saturating_sub(keep));
        self.seen
    }

    /// Says that the next bytes are another message, so that no text is found across both.
    pub(super) fn boundary(&mut self) {
        if self.seen == Seen::NotYet {
            self.recent.clear();
        }
    }

    pub(super) fn seen(&self) -> Seen {
        self.seen
    }

    /// What was expected, as it can be typed.
    pub(super) fn wanted(&self) -> String {
        quoted(&self.wanted)
    }

    /// What came instead.
    pub(super) fn instead(&self) -> String {
        if self.received == 0 {
            return "nothing".to_owned();
        }
        let from = self.recent.len().saturating_sub(EVIDENCE);
        let text = quoted(&self.recent[from..]);
        let shown = (self.recent.len() - from) as u64;
        match self.received - shown {
            0 => text,
            before => format!("{text}, after {before} other bytes"),
        }
    }
}

fn quoted(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("\"{}\"", bytes.escape_ascii()),
    }
}

/// An empty text is found at once.
fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_text_is_found() {
        let mut expect = Expect::new(b"HELLO");
        assert_eq!(expect.look(b"xxHE"), Seen::NotYet);
        assert_eq!(expect.look(b"LLO"), Seen::Yes);
    }

    #[test]
    fn a_text_is_not_found_across_messages() {
        let mut expect = Expect::new(b"ab");
        expect.look(b"a");
        expect.boundary();
        assert_eq!(expect.look(b"b"), Seen::NotYet);
    }

    #[test]
    fn the_evidence_is_bounded_and_says_how_much_there_was() {
        let mut expect = Expect::new(b"never");
        assert_eq!(expect.instead(), "nothing");
        expect.look(b"hi\n");
        assert_eq!(expect.instead(), r#""hi\n""#);
        expect.look(&[b'x'; 10_000]);
        assert!(expect.instead().len() < 400);
        assert!(expect.instead().ends_with("after 9763 other bytes"));
    }
}
