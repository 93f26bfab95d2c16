//! What a decoder says to which bytes, and what memory it holds meanwhile.

use super::*;
use crate::framing::Defect;

/// What came out: messages as text, the last one without its end as `…`, errors as they are.
#[derive(Debug, PartialEq)]
enum Seen {
    Message(String),
    Unterminated(String),
    Error(FrameError),
}

use Seen::{Message as M, Unterminated as U};

fn m(text: &str) -> Seen {
    M(text.to_owned())
}

fn too_long(limit: usize, claimed: Option<u64>) -> Seen {
    Seen::Error(FrameError::TooLong { limit, claimed })
}

fn malformed(what: Defect) -> Seen {
    Seen::Error(FrameError::Malformed { what })
}

fn truncated(part: Part, have: u64, want: u64) -> Seen {
    Seen::Error(FrameError::Truncated { part, have, want })
}

fn decoder(framing: &str, max_message: usize, on_too_long: OnTooLong) -> Decoder {
    let limits = Limits {
        max_message,
        on_too_long,
    };
    Decoder::new(&framing.parse().unwrap(), limits)
}

fn seen(result: Result<Message<'_>, FrameError>) -> Seen {
    match result {
        Ok(message) => {
            let text = String::from_utf8_lossy(&message).into_owned();
            if message.is_terminated() {
                M(text)
            } else {
                U(text)
            }
        }
        Err(error) => Seen::Error(error),
    }
}

/// Feeds the chunks and then the end of the stream.
fn decode(mut decoder: Decoder, chunks: &[&[u8]]) -> Vec<Seen> {
    let mut all = Vec::new();
    for mut input in chunks.iter().copied() {
        while let Some(result) = decoder.next(&mut input) {
            all.push(seen(result));
        }
        assert_eq!(input, b"", "None means that the input is consumed");
    }
    all.extend(decoder.finish().map(seen));
    assert!(decoder.is_finished() && !decoder.has_partial());
    assert!(decoder.next(&mut &b"more\n"[..]).is_none() && decoder.finish().is_none());
    all
}

/// Whole and byte by byte, which must give the same.
fn both(framing: &str, max: usize, on_too_long: OnTooLong, bytes: &[u8]) -> Vec<Seen> {
    let whole = decode(decoder(framing, max, on_too_long), &[bytes]);
    let single: Vec<_> = bytes.chunks(1).collect();
    let split = decode(decoder(framing, max, on_too_long), &single);
    assert_eq!(whole, split, "{framing} {}", bytes.escape_ascii());
    whole
}

fn close(framing: &str, bytes: &[u8]) -> Vec<Seen> {
    both(framing, 4, OnTooLong::Close, bytes)
}

fn skip(framing: &str, bytes: &[u8]) -> Vec<Seen> {
    both(framing, 4, OnTooLong::Skip, bytes)
}

#[test]
fn lines_end_in_lf_and_a_cr_before_it_goes() {
    assert_eq!(
        close("lines", b"a\r\n\nb\rc\nlast"),
        [m("a"), m(""), m("b\rc"), U("last".into())]
    );
    assert_eq!(close("lines", b"a\r\r\nb\r"), [m("a\r"), U("b\r".into())]);
    assert_eq!(close("lines", b""), []);
}

#[test]
fn the_limit_counts_the_line_without_its_end() {
    for bytes in [&b"four\n"[..], b"four\r\n"] {
        assert_eq!(close("lines", bytes), [m("four")]);
    }
    for bytes in [
        &b"fives\n"[..],
        b"fives\r\n",
        b"four\r\r\n",
        b"four\rx\n",
        b"fives",
        b"four\r",
    ] {
        assert_eq!(close("lines", bytes), [too_long(4, None)]);
    }
    assert_eq!(close("crlf", b"four\r\n"), [m("four")]);
    assert_eq!(close("crlf", b"fives\r\n"), [too_long(4, None)]);
    assert_eq!(close("delimiter=||", b"four||"), [m("four")]);
    assert_eq!(close("delimiter=||", b"four|"), [too_long(4, None)]);
    assert_eq!(close("delimiter=||", b"four|x"), [too_long(4, None)]);
}

#[test]
fn a_line_that_is_too_long_is_skipped_and_reported_once() {
    assert_eq!(
        skip("lines", b"far too long\nok\nagain too long\r\nend"),
        [
            too_long(4, None),
            m("ok"),
            too_long(4, None),
            U("end".into())
        ]
    );
    assert_eq!(skip("lines", b"fives\nok\n"), [too_long(4, None), m("ok")]);
    assert_eq!(skip("lines", b"never ending"), [too_long(4, None)]);
    assert_eq!(
        skip("delimiter=-->", b"too -- long --->ok-->"),
        [too_long(4, None), m("ok")]
    );
    assert_eq!(
        skip("crlf", b"too long\r\nok\r\n"),
        [too_long(4, None), m("ok")]
    );
}

#[test]
fn strict_lines_refuse_a_lone_cr_or_lf() {
    assert_eq!(close("crlf", b"a\r\n\r\n"), [m("a"), m("")]);
    for (bytes, defect) in [
        (&b"a\nb\r\n"[..], Defect::BareLf),
        (b"a\rb\r\n", Defect::BareCr),
        (b"a\r\r\n", Defect::BareCr),
        (b"a\r", Defect::BareCr),
        (b"four\rx", Defect::BareCr),
    ] {
        assert_eq!(skip("crlf", bytes), [malformed(defect)]);
    }
    // Also in a line that is being skipped: it must not end where only others see an end.
    for bytes in [&b"too long\nx\r\n"[..], b"fives\nx\r\n"] {
        assert_eq!(
            skip("crlf", bytes),
            [too_long(4, None), malformed(Defect::BareLf)]
        );
    }
}

#[test]
fn a_delimiter_ends_a_message_where_it_first_occurs() {
    assert_eq!(close("delimiter=||", b"a|b|||c||"), [m("a|b"), m("|c")]);
    assert_eq!(close(r"delimiter=aab", b"aaabaab"), [m("a"), m("")]);
    assert_eq!(close("delimiter=||", b"ab|"), [U("ab|".into())]);
}

#[test]
fn lengths_announce_messages() {
    assert_eq!(close("u8", b"\x02Hi\x00\x01x"), [m("Hi"), m(""), m("x")]);
    assert_eq!(
        close("u16le-inclusive", b"\x04\x00Hi\x02\x00"),
        [m("Hi"), m("")]
    );
    assert_eq!(close("varint", b"\x02Hi\x81\x00x"), [m("Hi"), m("x")]);
    assert_eq!(close("netstring", b"2:Hi,0:,"), [m("Hi"), m("")]);
    assert_eq!(close("fixed=2", b"HiHo"), [m("Hi"), m("Ho")]);
}

#[test]
fn exactly_the_announced_bytes_are_skipped() {
    assert_eq!(
        skip("u8", b"\x05\x01x\x01y\x00\x02ok"),
        [too_long(4, Some(5)), m("ok")]
    );
    assert_eq!(
        skip("netstring", b"7:2:no,5:,2:ok,"),
        [too_long(4, Some(7)), m("ok")]
    );
    assert_eq!(
        skip("netstring", b"7:2:no,5:;2:ok,"),
        [
            too_long(4, Some(7)),
            malformed(Defect::NetstringComma { found: b';' })
        ]
    );
    assert_eq!(close("u8", b"\x05hello\x02ok"), [too_long(4, Some(5))]);
}

#[test]
fn a_broken_prefix_ends_it_all() {
    let below = Defect::LengthBelowHeader {
        length: 3,
        header: 4,
    };
    for (framing, bytes, defect) in [
        ("u32-inclusive", &b"\0\0\0\x03\0\0\0\x05x"[..], below),
        ("varint", &[0xff; 12], Defect::VarintOverflow),
        (
            "netstring",
            b"2:Hi;",
            Defect::NetstringComma { found: b';' },
        ),
        ("netstring", b"02:Hi,", Defect::NetstringLeadingZero),
        ("netstring", b"Hi", Defect::NetstringLength { found: b'H' }),
        ("netstring", &[b'9'; 30], Defect::NetstringOverflow),
    ] {
        assert_eq!(skip(framing, bytes), [malformed(defect)], "{framing}");
    }
}

#[test]
fn the_end_of_the_stream_inside_a_message_is_told() {
    use Part::{Message, Prefix};
    for (framing, bytes, have, want, part) in [
        ("u32", &b"\0\0"[..], 2, 4, Prefix),
        ("u32", b"\0\0\0\x03", 0, 3, Message),
        ("u32", b"\0\0\0\x03ab", 2, 3, Message),
        ("varint", b"\x80", 1, 2, Prefix),
        ("netstring", b"3", 1, 2, Prefix),
        ("netstring", b"3:abc", 3, 4, Message),
        ("fixed=3", b"abcde", 2, 3, Message),
    ] {
        let last = close(framing, bytes).pop();
        assert_eq!(last, Some(truncated(part, have, want)), "{framing}");
    }
    // It was reported already when it turned out to be too long.
    assert_eq!(skip("u8", b"\x09abc"), [too_long(4, Some(9))]);
    assert_eq!(skip("netstring", b"5:abcde"), [too_long(4, Some(5))]);
}

#[test]
fn raw_messages_are_the_chunks_up_to_the_limit() {
    let raw = || decoder("raw", 4, OnTooLong::Close);
    assert_eq!(
        decode(raw(), &[b"ab", b"", b"cdefg"]),
        [m("ab"), m("cdef"), m("g")]
    );
    assert_eq!(
        decode(decoder("raw", 0, OnTooLong::Skip), &[b"ab"]),
        [m("a"), m("b")]
    );
}

#[test]
fn a_whole_message_is_lent_from_the_chunk() {
    for (framing, bytes) in [
        ("lines", &b"Hi\r\n"[..]),
        ("crlf", b"Hi\r\n"),
        ("delimiter=||", b"Hi||"),
        ("u64", b"\0\0\0\0\0\0\0\x02Hi"),
        ("netstring", b"2:Hi,"),
        ("fixed=2", b"Hi"),
        ("raw", b"Hi"),
    ] {
        let mut decoder = decoder(framing, 4, OnTooLong::Close);
        let message = decoder.next(&mut &*bytes).unwrap().unwrap();
        assert!(
            bytes.as_ptr_range().contains(&message.as_ptr()),
            "{framing}"
        );
        assert_eq!(decoder.store.capacity(), 0, "{framing}");
    }
}

#[test]
fn memory_follows_the_bytes_that_came_and_not_the_claim() {
    for (framing, claim) in [
        ("u64", &[0, 0, 0, 1, 0, 0, 0, 0][..]),
        ("varint", &[0x80, 0x80, 0x80, 0x80, 0x10]),
        ("netstring", b"4294967296:"),
    ] {
        let mut decoder = decoder(framing, usize::MAX, OnTooLong::Close);
        for mut input in [claim, &[b'x'; 100]] {
            assert!(decoder.next(&mut input).is_none());
        }
        assert_eq!(decoder.buffered(), 100, "{framing}");
        assert!(decoder.store.capacity() <= 256, "{framing}");
    }
}

#[test]
fn skipping_stores_nothing_even_for_the_largest_claim() {
    let mut decoder = decoder("u64", 1000, OnTooLong::Skip);
    let error = decoder.next(&mut &[0xff; 8][..]).unwrap().unwrap_err();
    assert_eq!(Seen::Error(error), too_long(1000, Some(u64::MAX)));
    for _ in 0..100 {
        assert!(decoder.next(&mut &[b'x'; 10_000][..]).is_none());
    }
    assert_eq!((decoder.buffered(), decoder.store.capacity()), (0, 0));
    assert!(decoder.has_partial());
}

#[test]
fn an_idle_decoder_owns_no_memory() {
    for (framing, begin, end) in [
        ("lines", &b"x"[..], &b"\n"[..]),
        ("delimiter=||", b"|x|", b"||"),
        ("u32", b"\0\0\x27\x10", b""),
        ("netstring", b"10000:", b","),
        ("fixed=10000", b"", b""),
    ] {
        let mut decoder = decoder(framing, 20_000, OnTooLong::Close);
        let whole = [begin, &[b'x'; 10_000], end].concat();
        let (mut first, mut second) = whole.split_at(5000);
        assert!(decoder.next(&mut first).is_none() && decoder.has_partial());
        assert!(decoder.next(&mut second).unwrap().is_ok());
        assert!(decoder.next(&mut second).is_none());
        assert!(!decoder.has_partial(), "{framing}");
        assert_eq!(decoder.store.capacity(), 0, "{framing}");
    }
}

#[test]
fn a_small_rest_does_not_keep_the_buffer_of_a_large_message() {
    let mut decoder = decoder("lines", 20_000, OnTooLong::Close);
    assert!(decoder.next(&mut &[b'x'; 10_000][..]).is_none());
    let mut input = &b"\nrest"[..];
    assert!(decoder.next(&mut input).unwrap().is_ok());
    assert!(decoder.next(&mut input).is_none());
    assert_eq!(decoder.buffered(), 4);
    assert!(decoder.store.capacity() <= 64);
}

#[test]
fn a_message_has_begun_also_when_nothing_of_it_is_stored() {
    let mut decoder = decoder("u8", 4, OnTooLong::Close);
    assert!(!decoder.has_partial());
    assert!(decoder.next(&mut &b"\x01"[..]).is_none());
    assert!(decoder.has_partial());
    assert_eq!(seen(decoder.next(&mut &b"x"[..]).unwrap()), m("x"));
    assert!(!decoder.has_partial());
}

#[test]
fn errors_carry_their_evidence() {
    let text = |seen: &Seen| match seen {
        Seen::Error(error) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        text(&too_long(4, Some(9))),
        "message too long: the peer announced 9 bytes, the limit is 4 bytes"
    );
    assert_eq!(
        text(&too_long(4, None)),
        "message too long: no end within the limit, the limit is 4 bytes"
    );
    assert_eq!(
        text(&truncated(Part::Message, 2, 3)),
        "truncated message: the stream ended after 2 of 3 bytes of the message"
    );
}
