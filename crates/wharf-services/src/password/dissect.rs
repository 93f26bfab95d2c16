//! The password dialogue taken apart for pictures, by the attempt's own machine.

use wharf_wire::application::{
    Dissect, Dissected, Gate, Hint, Message, Part, Passage, Transport, is_tls_record,
};
use wharf_wire::field::Value;

use super::attempt::{Attempt, Taken};
use super::door::{DENIED, GRANTED};
use super::rules::MAX_ATTEMPT;

const SPEC: &str = "docs/protocols/password.md";

/// The standard port.
const PORT: u16 = 11268;

/// The password dialogue. A gate before another service has that one's port; there the
/// answers are recognised, and an attempt is only data.
#[derive(Clone, Copy, Debug)]
pub struct DissectPassword;

impl Dissect for DissectPassword {
    fn name(&self) -> &'static str {
        "PASSWORD"
    }

    fn claims(&self, bytes: &[u8], hint: &Hint) -> bool {
        hint.transport == Transport::Tcp
            && (hint.has_port(PORT)
                || hint.spoke(self.name())
                || matches!(hint.gate, Gate::Attempts(_))
                || is_begun(bytes)
                || answer(bytes).is_some())
    }

    fn dissect(&self, bytes: &[u8], hint: &Hint) -> Dissected {
        // Over TLS nobody on the way can read the attempt.
        if is_tls_record(bytes) {
            return Dissected::Foreign;
        }
        // Whoever asks may say the words of the answer, too.
        let is_asking = matches!(hint.gate, Gate::Attempts(_));
        if let Some(answer) = answer(bytes).filter(|_| !is_asking) {
            return Dissected::Message(answer);
        }
        // Elsewhere the server is known by its answer, and what came before is the attempt.
        let is_attempt = match hint.gate {
            Gate::Attempts(_) => true,
            Gate::Answers | Gate::Passed => false,
            Gate::Unknown => {
                hint.destination == PORT || (hint.source != PORT && hint.spoke(self.name()))
            }
        };
        match is_attempt {
            true => attempt(bytes),
            false if is_begun(bytes) => Dissected::Partial,
            false => Dissected::Foreign,
        }
    }

    fn port(&self) -> Option<u16> {
        Some(PORT)
    }

    fn is_gate(&self) -> bool {
        true
    }

    fn passage(&self, message: &Message) -> Option<Passage> {
        Some(match message.summary.as_str() {
            GRANTED => Passage::Grant,
            DENIED => Passage::Denial,
            _ => match message.parts.first() {
                Some(text) if text.bytes.end == message.len => Passage::Beginning,
                _ => Passage::Attempt,
            },
        })
    }
}

/// Whether a segment ended within an answer, after the word that both begin with.
fn is_begun(bytes: &[u8]) -> bool {
    let begins = |answer: &str| answer.len() > bytes.len() && answer.as_bytes().starts_with(bytes);
    bytes.len() >= "access ".len() && (begins(GRANTED) || begins(DENIED))
}

/// One of the two answers, with a newline or, to an attempt without one, without.
fn answer(bytes: &[u8]) -> Option<Message> {
    let (words, meaning) = [
        (GRANTED, "the password is right"),
        (DENIED, "the password is wrong, or too many were tried"),
    ]
    .into_iter()
    .find(|(words, _)| bytes.starts_with(words.as_bytes()))?;
    let len = match bytes.get(words.len()) {
        None => words.len(),
        Some(b'\n') => words.len() + 1,
        Some(_) => return None,
    };
    Some(Message {
        len,
        summary: words.into(),
        parts: vec![Part::text("answer", SPEC, 0..words.len(), words).means(meaning)],
    })
}

fn attempt(bytes: &[u8]) -> Dissected {
    // A longer one is none, however far away its end is.
    let bytes = &bytes[..bytes.len().min(MAX_ATTEMPT + 2)];
    let mut said = Attempt::new();
    let (len, meaning) = match said.take(bytes) {
        Taken::TooLong => return Dissected::Foreign,
        Taken::Line(len) => (
            len,
            "a password, or a name, a space and a password; without TLS everybody on the way can read it",
        ),
        Taken::All => (
            bytes.len(),
            "a password without a newline: it counts after a pause, and everybody on the way can read it",
        ),
    };
    let text = said.into_text();
    let value = match std::str::from_utf8(&text) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => Value::Bytes(text.to_vec()),
    };
    Dissected::Message(Message {
        len,
        summary: "an attempt, in plain text".into(),
        parts: vec![Part::new("attempt", SPEC, 0..text.len(), value).means(meaning)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HINT: Hint = Hint {
        transport: Transport::Tcp,
        source: 40_000,
        destination: PORT,
        is_whole: true,
        spoken: None,
        gate: Gate::Unknown,
    };

    fn message(bytes: &[u8], hint: &Hint) -> Message {
        match DissectPassword.dissect(bytes, hint) {
            Dissected::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn attempts_and_answers() {
        let line = message(b"ann open sesame\r\nHELLO-FROM ann\n", &HINT);
        assert_eq!((line.len, line.parts[0].bytes.clone()), (17, 0..15));
        let bare = message(b"open sesame", &HINT);
        assert_eq!((bare.len, bare.parts[0].bytes.clone()), (11, 0..11));
        let elsewhere = Hint {
            source: 5378,
            destination: 40_000,
            ..HINT
        };
        assert!(DissectPassword.claims(b"access denied\n", &elsewhere));
        assert!(!DissectPassword.claims(b"access deniedly\n", &elsewhere));
        assert_eq!(message(b"access granted\nHELLO ann\n", &elsewhere).len, 15);
        assert_eq!(
            DissectPassword.dissect(b"open sesame\n", &elsewhere),
            Dissected::Foreign
        );
        // After a denial comes an attempt, wherever the server is; after a grant anything.
        let spoken = Some("PASSWORD");
        let asked = Hint {
            source: 40_000,
            destination: 7_000,
            spoken,
            ..HINT
        };
        assert_eq!(message(b"open sesame\n", &asked).len, 12);
        let means = |bytes, hint| DissectPassword.passage(&message(bytes, hint));
        assert_eq!(means(b"access denied\n", &elsewhere), Some(Passage::Denial));
        assert_eq!(means(b"access granted\n", &elsewhere), Some(Passage::Grant));
        assert_eq!(means(b"open sesame\n", &asked), Some(Passage::Attempt));
        assert_eq!(means(b"open sesame", &asked), Some(Passage::Beginning));
        // Where the gate's words are known, ports and words tell nothing.
        let known = |gate| Hint { gate, ..elsewhere };
        let asking = known(Gate::Attempts(1));
        assert_eq!(means(b"access granted\n", &asking), Some(Passage::Attempt));
        let answering = Hint {
            spoken,
            ..known(Gate::Answers)
        };
        assert_eq!(
            DissectPassword.dissect(b"open sesame\n", &answering),
            Dissected::Foreign
        );
        // An answer in two segments.
        for (len, is_claimed) in [(6, false), (7, true), (10, true)] {
            let begun = &b"access granted"[..len];
            assert_eq!(DissectPassword.claims(begun, &elsewhere), is_claimed);
        }
        assert_eq!(
            DissectPassword.dissect(b"access gra", &elsewhere),
            Dissected::Partial
        );
        let record = [23, 3, 3, 0, 20, b'o', b'p', b'e', b'n'];
        for len in 1..record.len() {
            let over_tls = DissectPassword.dissect(&record[..len], &HINT);
            assert_eq!(over_tls, Dissected::Foreign, "{len} bytes");
        }
        let long = [b'x'; 2000];
        assert_eq!(DissectPassword.dissect(&long, &HINT), Dissected::Foreign);
    }
}
