//! The views at 60, 80, 100 and 200 columns, with and without colour.

use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::application::Dissectors;
use crate::build::{Say, TcpModel, TcpOption, model_datagram, tcp, udp};
use crate::conversation::Direction;
use crate::frame::{Fate, Frame, Link, Timestamp};
use crate::packet::Segment;
use crate::trace::{Call, Waited};

const CLIENT: &str = "127.0.0.1:51876";
const SERVER: &str = "127.0.0.1:19090";

fn at(micros: u64) -> Timestamp {
    Timestamp::from_nanos(1_764_000_000_000_000_000 + micros * 1_000)
}

fn end(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Somebody who wants to write on the screen of whoever looks.
fn hostile() -> Trace {
    let mut trace = Trace::new(Dissectors::standard());
    let mut model = TcpModel::new(end("127.0.0.1:51876"), end("127.0.0.1:80"), 65_495);
    let (client, server) = (Direction::Forward, Direction::Backward);
    let request = b"GET /\x01\x1b[2J HTTP/1.1\r\nHost: a\x1b]0;x\x07b\r\nX\x1b[31m: y\r\n\r\n";
    let mut frames = model.data(at(0), client, request);
    frames.extend(model.data(
        at(9),
        server,
        "HTTP/1.1 200 \u{202e}\u{9b}2J\x02OK\r\nA: \x1b[H\r\n\r\n".as_bytes(),
    ));
    for frame in frames {
        trace.push(frame);
    }
    trace.name(end("127.0.0.1:80"), "server\x1b[2J");
    trace.notes.push("a note\x1b[2J".into());
    trace.finish();
    trace
}

#[test]
fn nothing_that_others_said_is_obeyed_in_any_view_at_any_width() {
    let trace = hostile();
    // JSON is for machines, and has escapes of its own.
    let drawn = View::ALL
        .into_iter()
        .filter(|(view, _)| *view != View::Json);
    for (view, name) in drawn {
        for width in 40..210 {
            let picture = draw(&trace, view, &Look::plain(width));
            let obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!picture.contains(obeyed), "{name} at {width}: {picture:?}");
        }
    }
}

/// Letters that ASCII has not, one of them two columns wide, in all that others say.
fn letters() -> Trace {
    let mut trace = Trace::new(Dissectors::standard());
    let mut model = TcpModel::new(end("127.0.0.1:51876"), end("127.0.0.1:7000"), 65_495);
    let (client, server) = (Direction::Forward, Direction::Backward);
    let mut frames = model.data(at(0), client, "é → 日本\n".as_bytes());
    frames.extend(model.data(at(9), server, "GET /é HTTP/1.1\r\n\r\n".as_bytes()));
    frames[0].comments.push("ein Gruß".into());
    for frame in frames {
        trace.push(frame);
    }
    call(
        &mut trace,
        0,
        9,
        client,
        "connect(3, /tmp/é)",
        "0",
        Waited::Yes,
    );
    trace.finish();
    trace
}

/// The columns that the sides of boxes and the rails stand in.
fn sides(picture: &str) -> Vec<Vec<usize>> {
    let columns = |line: &str| line.match_indices('|').map(|(at, _)| at).collect();
    picture.lines().map(columns).collect()
}

#[test]
fn ascii_loses_nothing_and_stays_aligned() {
    let trace = letters();
    // JSON is UTF-8, whatever a terminal is (RFC 8259 §8.1).
    for (view, name) in [
        (View::Boxes, "boxes"),
        (View::Ladder, "ladder"),
        (View::Lines, "lines"),
        (View::Hex, "hex"),
        (View::Story, "story"),
        (View::Mermaid, "mermaid"),
    ] {
        for width in [60, 80, 99, 200] {
            if (view, width) == (View::Lines, 60) {
                // What is said has no room there.
                continue;
            }
            let look = Look {
                glyphs: Glyphs::Ascii,
                ..Look::plain(width)
            };
            let picture = draw(&trace, view, &look);
            assert!(picture.is_ascii(), "{name} at {width}:\n{picture}");
            if view != View::Mermaid {
                let widest = picture.lines().map(str::len).max();
                assert!(widest <= Some(width), "{name} at {width}:\n{picture}");
            }
            let said = match view {
                View::Mermaid => "#233; #8594; #26085;#26412;",
                // Bytes are no letters there.
                View::Hex => "c3 a9",
                // The bytes stand beside the text, which is cut off visibly.
                View::Boxes => "c3 a9 20 e2 86 92 20 e6",
                View::Ladder | View::Lines if width < 200 => r"\u{e9}",
                _ if width < 80 => r"\u{e9}",
                _ => r"\u{e9} \u{2192} \u{65e5}\u{672c}",
            };
            let words: Vec<&str> = picture.split_whitespace().collect();
            let words = words.join(" ");
            assert!(words.contains(said), "{name} at {width}:\n{picture}");
            assert!(!picture.contains('?'), "{name} at {width}:\n{picture}");
            if width == 80 && view == View::Boxes {
                // The outermost box has its sides in one column from top to bottom.
                let outer: Vec<Vec<usize>> = sides(&picture);
                let outer = outer.iter().filter(|sides| sides.len() > 1);
                for sides in outer {
                    assert_eq!((sides[0], sides[sides.len() - 1]), (0, 79), "{picture}");
                }
            }
            if width == 80 && view == View::Ladder {
                let rails = sides(&picture);
                let mut rails = rails.iter().filter(|rails| rails.len() == 2);
                let first = rails.next().unwrap();
                assert!(rails.all(|other| other == first), "{picture}");
            }
        }
    }
}

/// The conversation of the house's picture: a word each way, a loss, a half-close.
fn conversation() -> Trace {
    let mut trace = Trace::new(Dissectors::standard());
    let mut model = TcpModel::new(end(CLIENT), end(SERVER), 65_495);
    let (client, server) = (Direction::Forward, Direction::Backward);
    let mut frames = vec![
        model.syn(at(0)),
        model.syn_ack(at(13)),
        model.ack(at(27), client),
    ];
    frames.extend(model.data(at(436), client, b"hello\n"));
    frames.push(model.ack(at(444), server));
    frames.extend(model.data(at(6_982), server, b"HELLO\n"));
    frames.push(model.ack(at(6_990), client));
    let lost = model.data(at(199_190), client, b"world\n").remove(0);
    let mut again = lost.clone();
    again.at = at(402_190);
    frames.push(lost.with_fate(Fate::Dropped("fault loss=5%".into())));
    frames.push(again);
    frames.push(model.ack(at(402_345), server));
    frames.push(model.fin(at(606_200), client));
    frames.push(model.ack(at(606_300), server));
    frames.push(model.fin(at(606_560), server));
    frames.push(model.ack(at(606_575), client));
    for mut frame in frames {
        if frame.at == at(27) {
            frame.kernel.push(("rtt", "27 us".into()));
        }
        trace.push(frame);
    }
    trace.name(end(CLIENT), "client");
    trace.name(end(SERVER), "server");
    call(
        &mut trace,
        0,
        27,
        client,
        "connect(3, 127.0.0.1:19090)",
        "0",
        Waited::Yes,
    );
    call(
        &mut trace,
        0,
        40,
        server,
        "accept(3)",
        "4, from 127.0.0.1:51876",
        Waited::Yes,
    );
    call(
        &mut trace,
        430,
        8,
        client,
        "send(3, 6 bytes)",
        "6",
        Waited::No,
    );
    call(
        &mut trace,
        450,
        6_535,
        client,
        "recv(3, 65536 bytes)",
        "6",
        Waited::Yes,
    );
    trace.finish();
    trace
}

fn call(
    trace: &mut Trace,
    micros: u64,
    lasted: u64,
    side: Direction,
    text: &str,
    result: &str,
    waited: Waited,
) {
    trace.call(Call {
        at: at(micros),
        lasted: Duration::from_micros(lasted),
        side,
        text: text.into(),
        result: result.into(),
        asked: None,
        moved: None,
        waited,
        remark: String::new(),
        talk: 0,
    });
}

/// Datagrams, and an ICMP error that quotes one.
fn datagrams() -> Trace {
    let mut trace = Trace::new(Dissectors::standard());
    let (client, server) = (end("[::1]:40000"), end("[::1]:12000"));
    trace.push(model_datagram(at(0), client, server, b"mixed Case"));
    trace.push(model_datagram(at(150), server, client, b"MIXED CASE"));
    let nobody = end("[::1]:1");
    let refused = udp(client, nobody, b"anybody?");
    let mut icmp = vec![1, 4, 0, 0, 0, 0, 0, 0];
    icmp.extend(&refused[14..]);
    trace.push(Frame::new(
        at(900),
        Link::Ethernet,
        Origin::Captured,
        refused,
    ));
    let icmp = crate::build::ip(nobody.ip(), client.ip(), 58, &icmp);
    trace.push(Frame::new(at(910), Link::Ethernet, Origin::Captured, icmp));
    trace.name(client, "client");
    trace.name(server, "server");
    trace.finish();
    trace
}

/// A single segment with options, as the facts' picture has it.
fn segment() -> Trace {
    let mut trace = Trace::new(Dissectors::standard());
    let say = Say {
        seq: 1_000,
        ack: 2_000,
        flags: Segment::PSH | Segment::ACK,
        window: 512,
        options: vec![TcpOption::Timestamps(1_407_927_090, 427_767_495)],
    };
    let bytes = tcp(end(CLIENT), end(SERVER), &say, b"hello\n");
    trace.push(Frame::new(at(436), Link::Ethernet, Origin::Captured, bytes));
    trace.name(end(CLIENT), "client");
    trace.name(end(SERVER), "server");
    trace.finish();
    trace
}

/// A picture as it stands in a terminal of so many columns.
fn fitting(name: &str, trace: &Trace, view: View, width: usize) -> String {
    let text = draw(trace, view, &Look::plain(width));
    let columns = text.lines().map(unicode_width::UnicodeWidthStr::width);
    let widest = columns.max();
    assert!(
        widest <= Some(width),
        "{name} at {width} is {widest:?} wide:\n{text}"
    );
    text
}

fn check(name: &str, trace: &Trace, view: View) {
    // The narrowest ones are not worth to be looked at.
    for width in Look::LEAST..60 {
        fitting(name, trace, view, width);
    }
    for width in [60, 80, 100, 200] {
        let plain = Look::plain(width);
        let text = fitting(name, trace, view, width);
        insta::assert_snapshot!(format!("{name}-{width}"), text);
        let coloured = draw(
            trace,
            view,
            &Look {
                paint: Paint::Coloured,
                ..plain
            },
        );
        assert_eq!(
            without_colour(&coloured),
            text,
            "colour is the only difference"
        );
        let ascii = draw(
            trace,
            view,
            &Look {
                glyphs: Glyphs::Ascii,
                ..plain
            },
        );
        assert!(ascii.is_ascii(), "{name} at {width}");
        assert_eq!(ascii.lines().count(), text.lines().count());
    }
    let look = Look {
        paint: Paint::Coloured,
        ..Look::plain(100)
    };
    insta::assert_snapshot!(
        format!("{name}-100-coloured"),
        draw(trace, view, &look).replace('\x1b', "ESC")
    );
}

fn without_colour(text: &str) -> String {
    let mut plain = String::new();
    for (index, part) in text.split('\x1b').enumerate() {
        plain += if index == 0 {
            part
        } else {
            part.split_once('m').unwrap().1
        };
    }
    plain
}

#[test]
fn ladder() {
    check("ladder", &conversation(), View::Ladder);
    check("ladder-udp", &datagrams(), View::Ladder);
}

#[test]
fn boxes() {
    check("boxes", &segment(), View::Boxes);
    check("boxes-udp", &datagrams(), View::Boxes);
}

#[test]
fn boxes_in_the_words_of_a_model() {
    for (name, model) in [
        ("four", Model::Four),
        ("five", Model::Five),
        ("osi", Model::Osi),
    ] {
        for width in [60, 80, 100, 200] {
            let look = Look {
                model: Some(model),
                ..Look::plain(width)
            };
            let text = draw(&segment(), View::Boxes, &look);
            // Neither the protocol's name nor who talks to whom is ever cut off.
            for words in ["process to process", "machine to machine", "TCP"] {
                assert!(text.contains(words), "{words} at {width}:\n{text}");
            }
            assert!(!text.contains("TC…") && !text.contains("IPv…"), "{text}");
            insta::assert_snapshot!(format!("boxes-{name}-{width}"), text);
        }
    }
}

#[test]
fn lines() {
    check("lines", &conversation(), View::Lines);
}

#[test]
fn hex() {
    check("hex", &segment(), View::Hex);
}

#[test]
fn story() {
    check("story", &conversation(), View::Story);
}

#[test]
fn for_machines_and_documents() {
    let look = Look::plain(80);
    insta::assert_snapshot!("json", draw(&segment(), View::Json, &look));
    insta::assert_snapshot!("mermaid", draw(&conversation(), View::Mermaid, &look));
}

#[test]
fn a_frame_and_a_field_explain_themselves() {
    let trace = segment();
    let step = &trace.steps[0];
    let look = Look::plain(110);
    insta::assert_snapshot!("explain", render(&explain(&trace, step, &look), &look));
    let tcp = step.layers.find(crate::layers::Kind::Tcp).unwrap();
    let push = tcp.field("PSH").unwrap();
    insta::assert_snapshot!(
        "explain-field",
        render(&explain_field(tcp, push, &Look::plain(60)), &look)
    );
}
