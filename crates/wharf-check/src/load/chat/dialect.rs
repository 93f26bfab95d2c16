//! The lines of a chat as a client writes and reads them. No I/O.
//!
//! | | Wharf's protocol | IRC (RFC 2812) |
//! |---|---|---|
//! | login | `HELLO-FROM u7` → `HELLO u7` | `NICK`, `USER` → `001` |
//! | message | `SEND u8 text` → `SEND-OK` | `PRIVMSG u8 :text`, no answer |
//! | delivery | `DELIVERY u7 text` | `:u7!~u7@host PRIVMSG u8 :text` |

use super::options::ChatDialect;

/// What a line from the server means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// The login was accepted.
    LoggedIn,
    /// A message was placed in its receiver's queue.
    Answer,
    /// A message of somebody.
    Delivery { from: &'a [u8], text: &'a [u8] },
    /// The server wants a sign of life with these bytes in it.
    Ping(&'a [u8]),
    /// Nothing that matters here: the message of the day and its like.
    Noise,
    /// The last request was turned down.
    Rejected,
    /// Nothing that such a server says.
    Strange,
}

impl ChatDialect {
    /// Whether every message is answered to its sender.
    pub(super) fn answers(self) -> bool {
        self == ChatDialect::Wharf
    }

    pub(super) fn write_login(self, name: &[u8], out: &mut Vec<u8>) {
        match self {
            ChatDialect::Wharf => push(out, &[b"HELLO-FROM ", name, b"\n"]),
            ChatDialect::Irc => push(
                out,
                &[b"NICK ", name, b"\r\nUSER ", name, b" 0 * :", name, b"\r\n"],
            ),
        }
    }

    /// Begins a message to `to`; its text and [`ChatDialect::end`] follow.
    pub(super) fn begin_message(self, to: &[u8], out: &mut Vec<u8>) {
        match self {
            ChatDialect::Wharf => push(out, &[b"SEND ", to, b" "]),
            ChatDialect::Irc => push(out, &[b"PRIVMSG ", to, b" :"]),
        }
    }

    /// How a line ends.
    pub(super) fn end(self) -> &'static [u8] {
        match self {
            ChatDialect::Wharf => b"\n",
            ChatDialect::Irc => b"\r\n",
        }
    }

    pub(super) fn write_pong(self, ping: &[u8], out: &mut Vec<u8>) {
        push(out, &[b"PONG ", ping, self.end()]);
    }

    /// Reads a line, given without its line feed.
    pub(super) fn hear(self, line: &[u8]) -> Heard<'_> {
        match self {
            ChatDialect::Wharf => hear_wharf(line),
            ChatDialect::Irc => hear_irc(line.strip_suffix(b"\r").unwrap_or(line)),
        }
    }
}

fn push(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
}

fn hear_wharf(line: &[u8]) -> Heard<'_> {
    if let Some(rest) = line.strip_prefix(b"DELIVERY ") {
        return delivery(split(rest));
    }
    match line {
        b"SEND-OK" => Heard::Answer,
        b"IN-USE" | b"BUSY" | b"UNKNOWN" | b"BAD-DEST-USER" | b"BAD-RQST-HDR"
        | b"BAD-RQST-BODY" => Heard::Rejected,
        _ if line.starts_with(b"HELLO ") => Heard::LoggedIn,
        _ => Heard::Strange,
    }
}

fn hear_irc(line: &[u8]) -> Heard<'_> {
    let Some(line) = line.strip_prefix(b":") else {
        return match split(line) {
            Some((b"PING", rest)) => Heard::Ping(rest),
            Some((b"NOTICE", _)) => Heard::Noise,
            Some((b"ERROR", _)) => Heard::Rejected,
            _ => Heard::Strange,
        };
    };
    let Some((source, rest)) = split(line) else {
        return Heard::Strange;
    };
    let (command, rest) = split(rest).unwrap_or((rest, b""));
    match command {
        b"PRIVMSG" => {
            let nick = source.split(|byte| *byte == b'!').next().unwrap_or(source);
            let text = split(rest).and_then(|(_, text)| text.strip_prefix(b":"));
            delivery(text.map(|text| (nick, text)))
        }
        b"001" => Heard::LoggedIn,
        // No message of the day is no error of ours.
        b"422" => Heard::Noise,
        [b'4', _, _] => Heard::Rejected,
        _ => Heard::Noise,
    }
}

fn delivery<'a>(fields: Option<(&'a [u8], &'a [u8])>) -> Heard<'a> {
    match fields {
        Some((from, text)) => Heard::Delivery { from, text },
        None => Heard::Strange,
    }
}

/// Splits at the first space.
fn split(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b' ', text)?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_dialects_are_understood() {
        let delivery = Heard::Delivery {
            from: b"u7",
            text: b"hi  there",
        };
        for (dialect, line, meaning) in [
            (ChatDialect::Wharf, &b"HELLO u7"[..], Heard::LoggedIn),
            (ChatDialect::Wharf, b"SEND-OK", Heard::Answer),
            (ChatDialect::Wharf, b"DELIVERY u7 hi  there", delivery),
            (ChatDialect::Wharf, b"IN-USE", Heard::Rejected),
            (ChatDialect::Wharf, b"SEND-OKAY", Heard::Strange),
            (ChatDialect::Wharf, b"DELIVERY u7", Heard::Strange),
            (
                ChatDialect::Irc,
                b":irc.host 001 u7 :Welcome\r",
                Heard::LoggedIn,
            ),
            (
                ChatDialect::Irc,
                b":irc.host 422 u7 :no MOTD\r",
                Heard::Noise,
            ),
            (
                ChatDialect::Irc,
                b":irc.host 433 * u7 :in use\r",
                Heard::Rejected,
            ),
            (
                ChatDialect::Irc,
                b":u7!~u7@127.0.0.1 PRIVMSG u8 :hi  there\r",
                delivery,
            ),
            (
                ChatDialect::Irc,
                b"PING :irc.host\r",
                Heard::Ping(b":irc.host"),
            ),
            (ChatDialect::Irc, b"ERROR :bye\r", Heard::Rejected),
        ] {
            let text = String::from_utf8_lossy(line);
            assert_eq!(dialect.hear(line), meaning, "{text}");
        }
    }
}
