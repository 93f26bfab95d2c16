//! What a typed line means.

/// The commands that begin with a slash, as they are completed.
pub(super) const COMMANDS: [&str; 6] = ["/help", "/name", "/pin", "/quit", "/unpin", "/who"];

/// A line that was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// A message; without a receiver it goes to the one that is pinned.
    Message { to: Option<String>, text: String },
    /// Who is here?
    Who,
    /// Leave.
    Quit,
    /// What can be typed?
    Help,
    /// Pin a conversation, or none.
    Pin(Option<String>),
    /// Log in under this name.
    Name(String),
    /// No such command.
    Unknown(String),
    /// Nothing.
    Nothing,
}

/// Reads a line, given without its end.
pub(super) fn parse(line: &str) -> Typed {
    let line = line.trim();
    let (word, rest) = match line.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (line, ""),
    };
    if let Some(name) = word.strip_prefix('@') {
        let to = Some(name.to_owned());
        let text = rest.to_owned();
        return Typed::Message { to, text };
    }
    match (word, rest) {
        ("", _) => Typed::Nothing,
        ("!who" | "/who", "") => Typed::Who,
        ("!quit" | "/quit", "") => Typed::Quit,
        ("/help", _) => Typed::Help,
        ("/pin", name) if !name.is_empty() => Typed::Pin(Some(bare(name))),
        ("/unpin", "") | ("/pin", "") => Typed::Pin(None),
        ("/name", name) if !name.is_empty() => Typed::Name(name.to_owned()),
        // Two slashes are a text that begins with one.
        _ if line.starts_with("//") => Typed::Message {
            to: None,
            text: line[1..].to_owned(),
        },
        _ if line.starts_with(['/', '!']) => Typed::Unknown(word.to_owned()),
        _ => Typed::Message {
            to: None,
            text: line.to_owned(),
        },
    }
}

/// A name without the @ that one may type before it.
fn bare(name: &str) -> String {
    name.strip_prefix('@').unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(to: Option<&str>, text: &str) -> Typed {
        Typed::Message {
            to: to.map(str::to_owned),
            text: text.to_owned(),
        }
    }

    #[test]
    fn lines_have_the_meaning_that_people_know() {
        for (line, typed) in [
            ("@ben hello,  ben ", message(Some("ben"), "hello,  ben")),
            ("@ben", message(Some("ben"), "")),
            ("hello", message(None, "hello")),
            ("//etc is a folder", message(None, "/etc is a folder")),
            ("!who", Typed::Who),
            ("/who", Typed::Who),
            (" !quit ", Typed::Quit),
            ("/quit", Typed::Quit),
            ("/help me", Typed::Help),
            ("/pin @ben", Typed::Pin(Some("ben".to_owned()))),
            ("/pin", Typed::Pin(None)),
            ("/unpin", Typed::Pin(None)),
            ("/name ann2", Typed::Name("ann2".to_owned())),
            ("/name", Typed::Unknown("/name".to_owned())),
            ("!wow", Typed::Unknown("!wow".to_owned())),
            ("", Typed::Nothing),
            ("  \t", Typed::Nothing),
        ] {
            assert_eq!(parse(line), typed, "{line:?}");
        }
    }
}
