//! What is shown: frames, hexadecimal, times, JSON.

use std::io::Write;

use crate::support::{code, connect, peer, read_all, stderr, stdout};

/// Sends `answer` after the end of the input.
fn answers(answer: &'static [u8]) -> String {
    peer(|mut stream| {
        read_all(&mut stream);
        stream.write_all(answer).unwrap();
    })
    .0
}

#[test]
fn lines_become_framed_messages_and_messages_lines() {
    let (at, server) = peer(|mut stream| {
        let heard = read_all(&mut stream);
        stream.write_all(&heard).unwrap();
        heard
    });
    let output = connect(&[&at, "--frame", "u32"], b"Hi!\nHope you're well\n\nend");
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert_eq!(stdout(&output), "Hi!\nHope you're well\n\nend\n");
    let wire = server.join().unwrap();
    assert_eq!(&wire[..11], b"\0\0\0\x03Hi!\0\0\0\x10");
}

#[test]
fn a_broken_frame_is_a_broken_peer() {
    let at = answers(b"\0\0\0\x05abc");
    let output = connect(&[&at, "--frame", "u32"], b"");
    assert_eq!(code(&output), 4);
    assert!(
        stderr(&output).contains("truncated message"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_line_that_the_framing_cannot_carry_is_refused() {
    let at = answers(b"");
    let output = connect(&[&at, "--frame", "fixed=4"], b"abc\n");
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("abc"), "{}", stderr(&output));
}

#[test]
fn hexadecimal_shows_both_directions_with_offsets() {
    let at = answers(b"0123456789abcdef\xff");
    let output = connect(&[&at, "--send", r"a\x00", "--send", "b", "--hex"], b"");
    assert_eq!(
        stdout(&output),
        "> 00000000  61 00                                             |a.|\n\
         > 00000002  62                                                |b|\n\
         < 00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\n\
         < 00000010  ff                                                |.|\n"
    );
}

#[test]
fn each_line_has_its_time() {
    let at = answers(b"one\ntwo\n");
    let output = connect(&[&at, "--send", "x", "--timestamps"], b"");
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, word) in lines.iter().zip(["one", "two"]) {
        let (time, rest) = line.split_once(' ').unwrap();
        assert_eq!(rest, word);
        let seconds: f64 = time.strip_prefix('+').unwrap().parse().unwrap();
        assert!(seconds > 0.0 && time.len() >= 9, "{time}");
    }
}

#[test]
fn json_has_one_object_per_event() {
    let at = answers(b"\xff");
    let output = connect(&[&at, "--send", "hi", "--json"], b"");
    let events: Vec<serde_json::Value> = stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names: Vec<&str> = events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["connected", "sent", "received", "closed"]);
    assert_eq!(events[0]["peer"], at);
    assert!(events[0]["tls"].is_null());
    assert_eq!(
        (&events[1]["text"], &events[1]["bytes"]),
        (&"hi".into(), &2.into())
    );
    assert_eq!(events[2]["hex"], "ff");
    assert_eq!(
        (&events[3]["sent"], &events[3]["received"]),
        (&2.into(), &1.into())
    );
    assert_eq!(events[3]["reason"], "finished");
}

#[test]
fn json_tells_failures_too() {
    let at = answers(b"no");
    let output = connect(&[&at, "--send", "hi", "--expect", "yes", "--json"], b"");
    let last = stdout(&output).lines().last().unwrap().to_owned();
    let error: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert_eq!(
        (&error["event"], &error["exit"]),
        (&"error".into(), &5.into())
    );
    assert_eq!(error["evidence"]["received"], r#""no""#);
}

#[test]
fn who_asks_is_told_who_is_connected_and_why_it_ended() {
    let at = answers(b"ok");
    let output = connect(&[&at, "--send", "hi", "-v"], b"");
    let text = stderr(&output);
    assert!(
        text.contains(&format!("connected to {at} from 127.0.0.1:")),
        "{text}"
    );
    assert!(text.contains("sent 2 B, received 2 B in "), "{text}");
}
