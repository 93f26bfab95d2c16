//! HTTP/1 messages, RFC 9112.

use std::ops::Range;

use super::{Dissect, Dissected, Hint, MAX_MESSAGE, Message, Part, Transport};

const SPEC: &str = "RFC 9112";

/// The longest head that is taken for HTTP; servers commonly stop at 8 to 64 KiB.
const MAX_HEAD: usize = 64 << 10;

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT",
];

pub(super) struct Http;

impl Dissect for Http {
    fn name(&self) -> &'static str {
        "HTTP/1"
    }

    fn claims(&self, bytes: &[u8], hint: &Hint) -> bool {
        let begins =
            |word: &str| bytes.starts_with(word.as_bytes()) && bytes.get(word.len()) == Some(&b' ');
        hint.transport == Transport::Tcp
            && (METHODS.iter().any(|method| begins(method)) || bytes.starts_with(b"HTTP/1."))
    }

    fn dissect(&self, bytes: &[u8], _: &Hint) -> Dissected {
        let Some(head) = find(bytes, b"\r\n\r\n").map(|at| at + 4) else {
            // "GET my coat" of a chat is no HTTP: the first line ends in the version.
            let line = bytes
                .split(|byte| *byte == b'\n')
                .next()
                .unwrap_or_default();
            let is_started = line.len() < bytes.len() && !is_start(line.trim_ascii_end());
            return if is_started || bytes.len() > MAX_HEAD {
                Dissected::Foreign
            } else {
                Dissected::Partial
            };
        };
        let mut parts = Vec::new();
        let mut lines = lines(bytes, head);
        let Some(first) = lines.next() else {
            return Dissected::Foreign;
        };
        let start = text(bytes, &first);
        if !is_start(start.as_bytes()) {
            return Dissected::Foreign;
        }
        start_line(&mut parts, &start, first);
        let mut body = if start.starts_with("HTTP/") {
            Body::UntilClose
        } else {
            Body::Length(0)
        };
        let status = start.split(' ').nth(1).unwrap_or_default();
        if status.starts_with('1') || status == "204" || status == "304" {
            body = Body::Length(0);
        }
        for line in lines {
            let shown = text(bytes, &line);
            let Some((name, value)) = shown.split_once(':') else {
                continue;
            };
            let value = value.trim().to_ascii_lowercase();
            if name.eq_ignore_ascii_case("content-length") {
                body = value.parse().map_or(Body::UntilClose, Body::Length);
            } else if name.eq_ignore_ascii_case("transfer-encoding") && value.ends_with("chunked") {
                body = Body::Chunked;
            }
            parts.push(Part::text("header", SPEC, line, shown.clone()));
        }
        let rest = &bytes[head..];
        let len = match body {
            Body::Length(len) => Some(len).filter(|len| *len <= rest.len()),
            Body::UntilClose => Some(rest.len()),
            Body::Chunked => chunked(rest),
        };
        match len {
            None if bytes.len() > MAX_MESSAGE => Dissected::Foreign,
            None => match body {
                Body::Length(len) => Dissected::Needs(head.saturating_add(len)),
                _ => Dissected::Partial,
            },
            Some(len) => {
                if len > 0 {
                    let body = &rest[..len];
                    let value = match crate::field::as_text(body) {
                        Some(_) => {
                            crate::field::Value::Text(String::from_utf8_lossy(body).into_owned())
                        }
                        None => crate::field::Value::Bytes(body.to_vec()),
                    };
                    parts.push(Part::new("body", SPEC, head..head + len, value));
                }
                Dissected::Message(Message {
                    len: head + len,
                    summary: start,
                    parts,
                })
            }
        }
    }
}

/// How long the body is, RFC 9112 §6.3.
enum Body {
    Length(usize),
    Chunked,
    UntilClose,
}

/// A request line or a status line.
fn is_start(line: &[u8]) -> bool {
    let is_request = find(line, b" HTTP/1.").is_some_and(|at| at + 9 == line.len());
    is_request || line.starts_with(b"HTTP/1.")
}

fn start_line(parts: &mut Vec<Part>, line: &str, at: Range<usize>) {
    let names: [(&'static str, &'static str); 3] = match line.starts_with("HTTP/") {
        true => [("version", ""), ("status", "how it went"), ("reason", "")],
        false => [
            ("method", "what to do"),
            ("target", "with which resource"),
            ("version", ""),
        ],
    };
    let mut from = at.start;
    for (word, (name, meaning)) in line.splitn(3, ' ').zip(names) {
        let end = (from + word.len()).min(at.end);
        parts.push(Part::text(name, SPEC, from.min(end)..end, word).means(meaning));
        from = end + 1;
    }
}

fn lines(bytes: &[u8], head: usize) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let end = at + find(&bytes[at..head], b"\r\n")?;
        let line = at..end;
        at = end + 2;
        (!line.is_empty()).then_some(line)
    })
}

fn text(bytes: &[u8], line: &Range<usize>) -> String {
    String::from_utf8_lossy(&bytes[line.clone()]).into_owned()
}

/// How many bytes a chunked body takes, RFC 9112 §7.1; `None` while it is not whole.
fn chunked(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let end = at + find(bytes.get(at..)?, b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..end]).ok()?;
        let size = usize::from_str_radix(size.split(';').next()?.trim(), 16).ok()?;
        at = end + 2;
        if size == 0 {
            // Trailer fields until an empty line.
            loop {
                let end = at + find(bytes.get(at..)?, b"\r\n")?;
                let is_last = end == at;
                at = end + 2;
                if is_last {
                    return Some(at);
                }
            }
        }
        at = at.checked_add(size)?.checked_add(2)?;
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::application::Gate;

    const HINT: Hint = Hint {
        transport: Transport::Tcp,
        source: 40000,
        destination: 80,
        is_whole: true,
        spoken: None,
        gate: Gate::Unknown,
    };

    fn whole(bytes: &[u8]) -> Message {
        assert!(Http.claims(bytes, &HINT));
        match Http.dissect(bytes, &HINT) {
            Dissected::Message(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_request_and_a_response() {
        let request = whole(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b");
        assert_eq!(request.len, 28);
        assert_eq!(request.summary, "GET /a HTTP/1.1");
        assert_eq!(request.parts[1].bytes, 4..6);
        let response = whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiXX");
        assert_eq!(response.len, 40);
        assert_eq!(response.parts.last().unwrap().name, "body");
        let begun = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh";
        assert_eq!(Http.dissect(begun, &HINT), Dissected::Needs(40));
    }

    #[test]
    fn chunks_and_parts() {
        let bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        assert_eq!(whole(bytes).len, bytes.len());
        for end in 9..bytes.len() {
            assert_eq!(
                Http.dissect(&bytes[..end], &HINT),
                Dissected::Partial,
                "{end}"
            );
        }
        let talk = b"GET my coat\nplease\n";
        assert_eq!(Http.dissect(talk, &HINT), Dissected::Foreign);
    }
}
