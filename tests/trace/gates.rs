//! Passwords before a service: which words are an attempt is known from the answers, and no
//! view of words says what it was.

use std::io::Write;
use std::process::{Output, Stdio};

use serde_json::Value;
use wharf_wire::build::{Say, tcp};
use wharf_wire::file::PcapngWriter;
use wharf_wire::frame::{Frame, Link, Origin, Timestamp};
use wharf_wire::packet::Segment;

use crate::support::{Ended, Server, wharf};
use crate::{events, of, trace};

/// What the client (0) or the server (1) says in a segment.
#[derive(Clone, Copy)]
pub(crate) struct Piece<'a> {
    from: usize,
    bytes: &'a [u8],
    /// Whether it was sent before: so many bytes back.
    back: usize,
}

impl<'a> From<(usize, &'a [u8])> for Piece<'a> {
    fn from((from, bytes): (usize, &'a [u8])) -> Self {
        let back = 0;
        Piece { from, bytes, back }
    }
}

fn client(bytes: &[u8]) -> Piece<'_> {
    (0, bytes).into()
}

fn server(bytes: &[u8]) -> Piece<'_> {
    (1, bytes).into()
}

/// The client sends its last bytes once more.
fn again(bytes: &[u8], back: usize) -> Piece<'_> {
    Piece {
        back,
        ..client(bytes)
    }
}

/// A file with what is said at port 7000, each a segment.
pub(crate) fn captured(folder: &tempfile::TempDir, said: &[Piece<'_>]) -> String {
    captured_talks(folder, &[(40000, said)])
}

/// The same of clients at these ports, one after the other.
fn captured_talks(folder: &tempfile::TempDir, talks: &[(u16, &[Piece<'_>])]) -> String {
    let file = folder.path().join("f");
    let mut writer = PcapngWriter::new(std::fs::File::create(&file).unwrap(), "").unwrap();
    for (port, said) in talks {
        for frame in segments(*port, said) {
            writer.write(&frame).unwrap();
        }
    }
    writer.flush().unwrap();
    drop(writer);
    file.display().to_string()
}

fn segments(port: u16, said: &[Piece<'_>]) -> Vec<Frame> {
    let ends = [([192, 0, 2, 1], port).into(), ([192, 0, 2, 2], 7000).into()];
    let mut sent = [1, 1];
    let mut frames = Vec::new();
    for piece in said {
        let from = piece.from;
        let say = Say {
            seq: sent[from] - piece.back as u32,
            ack: sent[1 - from],
            flags: Segment::ACK,
            ..Say::default()
        };
        if piece.back == 0 {
            sent[from] = say.seq + piece.bytes.len() as u32;
        }
        let bytes = tcp(ends[from], ends[1 - from], &say, piece.bytes);
        let at = Timestamp::from_nanos(1_764_000_000_000_000_000);
        frames.push(Frame::new(at, Link::Ethernet, Origin::Captured, bytes));
    }
    frames
}

/// The views that say in words what was said; boxes where there is no room for bytes.
const WORDS: [&[&str]; 6] = [
    &["--view", "lines", "--width", "200"],
    &["--view", "ladder", "--width", "200"],
    &["--view", "story", "--width", "200"],
    &["--view", "mermaid"],
    &["--view", "boxes", "--width", "90"],
    &["--view", "boxes", "--width", "50"],
];

const ATTEMPT: &str = "an attempt, in plain text";

/// Side, protocol and text of each message.
fn messages(ended: &Ended) -> Vec<[String; 3]> {
    let events = events(ended);
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let all = of(&events, "message").into_iter();
    all.map(|one| [&one["side"], &one["protocol"], &one["text"]].map(text))
        .collect()
}

/// Reads a conversation in every view of words: each tells of an attempt, of this one not.
fn is_discreet(said: &[Piece<'_>], secret: &str, options: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let file = captured(&folder, said);
    for view in WORDS {
        let ended = trace(&[&["read", &file], view, options].concat());
        assert_eq!(ended.code(), 0, "{view:?}: {ended:?}");
        let picture = &ended.stdout;
        let tells = picture.contains(ATTEMPT) || view.contains(&"mermaid");
        assert!(tells, "{view:?} {options:?}: {picture}");
        assert!(!picture.contains(secret), "{view:?} {options:?}: {picture}");
    }
}

/// Whoever sends everything at once has what is behind the gate understood before the gate
/// itself is known by its answer.
#[test]
fn a_password_is_said_nowhere_even_if_all_is_sent_at_once() {
    let in_two = [client(b"ann sesame\n"), client(b"HELLO-FROM bob\n")];
    let in_one = [client(b"ann sesame\nHELLO-FROM bob\n")];
    let granted = [server(b"access granted\n"), server(b"HELLO bob\n")];
    let denied = [server(b"access denied\n")];
    for asked in [&in_two[..], &in_one] {
        for answered in [&granted[..], &denied] {
            for told in [&[][..], &["--as", "7000=chat"]] {
                is_discreet(&[asked, answered].concat(), "sesame", told);
            }
        }
    }
    // What is behind the gate is known from what was said before it opened.
    let folder = tempfile::tempdir().unwrap();
    let file = captured(&folder, &[&in_two[..], &granted].concat());
    let said = messages(&trace(&["read", &file, "--json"]));
    let protocols: Vec<&str> = said.iter().map(|one| one[1].as_str()).collect();
    assert_eq!(protocols, ["PASSWORD", "CHAT", "PASSWORD", "CHAT"]);
}

#[test]
fn who_asks_for_the_bytes_of_a_frame_sees_them() {
    let folder = tempfile::tempdir().unwrap();
    let said = [client(b"ann sesame\n"), server(b"access granted\n")];
    let file = captured(&folder, &said);
    for bytes in [
        &["--view", "hex"][..],
        &["--view", "boxes", "--width", "200"],
        &["--explain", "1"],
        &["--json"],
    ] {
        let ended = trace(&[&["read", &file], bytes].concat());
        assert!(ended.stdout.contains("sesame"), "{bytes:?}: {ended:?}");
    }
    for command in [&["--help"][..], &["live", "--help"], &["read", "--help"]] {
        let help = trace(command).stdout;
        let told = help.contains("hex, json and --explain show every byte");
        assert!(told, "{command:?}: {help}");
    }
}

/// Each answer is one attempt's; what follows the last is not the gate's.
#[test]
fn there_are_as_many_attempts_as_answers() {
    let first = [client(b"ann sesami\n"), client(b"ann sesame\n")];
    let at_once = [client(b"ann sesami\nann sesame\nhello\n")];
    let hello = [client(b"hello\n")];
    let answers = [
        server(b"access denied\n"),
        server(b"access granted\n"),
        server(b"hello\n"),
    ];
    for asked in [[&first[..], &hello].concat(), at_once.to_vec()] {
        let all = [&asked[..], &answers].concat();
        is_discreet(&all, "sesam", &[]);
        let folder = tempfile::tempdir().unwrap();
        let file = captured(&folder, &all);
        let ended = trace(&["read", &file, "--json"]);
        let said = messages(&ended);
        let of = |protocol: &str| -> Vec<&str> {
            let all = said.iter().filter(|one| one[1] == protocol);
            all.map(|one| one[2].as_str()).collect()
        };
        let dialogue = [
            r"ann sesami\n",
            r"ann sesame\n",
            r"access denied\n",
            r"access granted\n",
        ];
        assert_eq!(of("PASSWORD"), dialogue, "{ended:?}");
        assert_eq!(of("-"), [r"hello\n"; 2], "{ended:?}");
        let lines = trace(&["read", &file, "--width", "200"]).stdout;
        assert_eq!(
            lines.matches("hello").count(),
            asked.len() / 3 + 1,
            "{lines}"
        );
    }
}

#[test]
fn an_attempt_without_an_end_and_one_that_is_sent_again() {
    let bare = [
        client(b"open sesami"),
        server(b"access denied"),
        client(b"open ses"),
        client(b"ame"),
        again(b"ame", 3),
        server(b"access granted"),
        again(b"open sesame", 11),
        client(b"hello"),
        server(b"hello"),
    ];
    is_discreet(&bare, "ses", &[]);
    let again = [
        client(b"ann sesame\n"),
        again(b"ann sesame\n", 11),
        server(b"access granted\n"),
        again(b"ann sesame\n", 11),
        client(b"HELLO-FROM ann\n"),
        again(b"ann sesame\nHELLO-FROM ann\n", 26),
    ];
    is_discreet(&again, "sesame", &[]);
    let folder = tempfile::tempdir().unwrap();
    let lines = trace(&["read", &captured(&folder, &again), "--width", "200"]).stdout;
    assert_eq!(lines.matches(ATTEMPT).count(), 4, "{lines}");
    assert_eq!(lines.matches("ann wants to log in").count(), 1, "{lines}");
}

/// What is left of other conversations comes out when there are too many; it is not said in
/// the one that was too many.
#[test]
fn conversations_that_are_given_up_say_nothing_in_others() {
    let folder = tempfile::tempdir().unwrap();
    let begun = [client(b"HELLO-FROM a\nSEND bob half a line of the chat")];
    let gated = [
        client(b"ann sesame\n"),
        server(b"access granted\n"),
        client(b"HELLO-FROM ann\n"),
        server(b"HELLO ann\n"),
    ];
    let mut talks: Vec<(u16, &[Piece<'_>])> =
        (0..1100).map(|at| (20_000 + at, &begun[..])).collect();
    talks.push((40_000, &gated));
    let file = captured_talks(&folder, &talks);
    let lines = trace(&["read", &file, "--width", "200"]).stdout;
    let own: Vec<&str> = lines
        .lines()
        .filter(|line| line.contains("40000"))
        .collect();
    assert_eq!(own.len(), 4, "{own:?}");
    assert!(own[0].contains(ATTEMPT), "{own:?}");
    assert!(own[2].contains("ann wants to log in"), "{own:?}");
}

/// What somebody said once more to a service is not taken for the gate's words.
#[test]
fn words_like_those_of_a_gate_mean_nothing_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let said = [
        client(b"ann sesame\n"),
        server(b"access granted\n"),
        client(b"access denied\n"),
        server(b"access denied\n"),
        client(b"hello\n"),
    ];
    let file = captured(&folder, &said);
    for told in [&[][..], &["--as", "7000=password"]] {
        let ended = trace(&[&["read", &file, "--json"], told].concat());
        let said = messages(&ended);
        let protocols: Vec<&str> = said.iter().map(|one| one[1].as_str()).collect();
        assert_eq!(
            protocols,
            ["PASSWORD", "PASSWORD", "-", "-", "-"],
            "{said:?}"
        );
    }
}

/// Where this program has the keys, the words in the records are as discreet.
#[test]
fn a_gate_in_tls() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users").display().to_string();
    let mut add = wharf(["password", "add", &users, "ann"]);
    assert_eq!(crate::support::run(&mut add, "sesame\n").code(), 0);
    let mut server = Server::start(["echo", "tls:127.0.0.1:0,self-signed", "--gate", &users]);
    let address = format!("tls:127.0.0.1:{},insecure", server.port());
    let talk = [&address, "--timeout", "20s", "--width", "200"];
    let said = ["--send", r"ann sesame\n", "--send", r"hello\n"];
    for view in ["lines", "ladder", "story", "boxes"] {
        let ended = trace(&[&talk[..], &said, &["--view", view]].concat());
        assert_eq!(ended.code(), 0, "{ended:?}");
        let picture = ended.stdout;
        assert!(picture.contains(ATTEMPT), "{view}: {picture}");
        assert!(picture.contains("hello"), "{view}: {picture}");
        assert!(!picture.contains("sesame"), "{view}: {picture}");
    }
}

/// A pipe is read once, as a capture is: what is spoken can be said.
#[test]
fn a_pipe_is_understood_as_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let said = [
        client(b"ann sesame\n"),
        server(b"access granted\n"),
        client(b"HELLO-FROM ann\n"),
        client(b"WHO\n"),
    ];
    let file = captured(&folder, &said);
    let piped = |options: &[&str]| {
        let mut command = wharf(["trace", "read", "-", "--width", "200"]);
        command
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut reading = command.spawn().unwrap();
        let mut pipe = reading.stdin.take().unwrap();
        pipe.write_all(&std::fs::read(&file).unwrap()).unwrap();
        drop(pipe);
        lines(reading.wait_with_output().unwrap())
    };
    assert!(piped(&[]).contains("sesame"));
    for told in [
        &["--as", "7000=password"][..],
        &["--as", "7000=password", "--as", "7000=chat"],
    ] {
        let lines = piped(told);
        assert!(!lines.contains("sesame"), "{told:?}: {lines}");
        assert!(lines.contains(ATTEMPT), "{lines}");
        assert!(lines.contains("ann wants to log in"), "{lines}");
        assert!(lines.contains("who is logged in?"), "{lines}");
    }
    // A file is one, also as stdin.
    let mut command = wharf(["trace", "read", "-", "--width", "200"]);
    let opened = std::fs::File::open(&file).unwrap();
    let lines = lines(command.stdin(opened).output().unwrap());
    assert!(!lines.contains("sesame"), "{lines}");
}

fn lines(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
