//! The shown clients: each one is compiled or run, and speaks with a real peer.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the program that `wharf connect … --show language` prints, with `input`.
fn run(language: &str, arguments: &[&str], input: &[u8]) -> Output {
    let shown = Command::new(env!("CARGO_BIN_EXE_wharf"))
        .arg("connect")
        .args(arguments)
        .args(["--show", language])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&shown.stderr).into_owned();
    assert!(shown.status.success(), "{language} {arguments:?}: {error}");
    let folder = tempfile::tempdir().unwrap();
    let mut child = program(language, folder.path(), &shown.stdout)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

/// The program, compiled where that is needed; a warning is a failure.
fn program(language: &str, folder: &Path, text: &[u8]) -> Command {
    let source = folder.join(match language {
        "python" => "client.py",
        "rust" => "client.rs",
        _ => "client.c",
    });
    let binary = folder.join("client");
    std::fs::write(&source, text).unwrap();
    let mut compiler = match language {
        "python" => {
            let mut python = Command::new("python3");
            python.arg(source);
            return python;
        }
        "rust" => {
            let mut rustc = Command::new("rustc");
            rustc.args(["--edition", "2021", "-D", "warnings", "-o"]);
            rustc
        }
        _ => {
            let mut cc = Command::new("cc");
            cc.args(["-Wall", "-Wextra", "-Werror", "-o"]);
            cc
        }
    };
    let output = compiler.arg(&binary).arg(&source).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{error}\n{}",
        String::from_utf8_lossy(text)
    );
    Command::new(binary)
}

fn each_language(test: impl Fn(&str)) {
    for language in ["python", "rust", "c"] {
        test(language);
    }
}

/// A TCP peer that reads to the end and then answers with everything, twice.
fn tcp_peer() -> (String, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        // A client that closed altogether hears nothing.
        let _ = stream.write_all(&[&heard[..], &heard[..]].concat());
        heard
    });
    (at, thread)
}

fn check(output: &Output, expected: &[u8], language: &str) {
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{language}: {error}");
    assert!(output.stdout == expected, "{language}: {:?}", output.stdout);
    assert_eq!(error, "", "{language}");
}

#[test]
fn stdin_goes_to_the_peer_and_its_late_answer_comes_back() {
    each_language(|language| {
        let (at, peer) = tcp_peer();
        let input: Vec<u8> = (0..200_000_u32)
            .map(|number| (number % 251) as u8)
            .collect();
        let output = run(language, &[&at], &input);
        assert!(peer.join().unwrap() == input, "{language}");
        check(&output, &[&input[..], &input[..]].concat(), language);
    });
}

#[test]
fn given_bytes_are_sent_exactly() {
    each_language(|language| {
        let (at, peer) = tcp_peer();
        let at = format!("tcp4:{at}");
        let arguments = [&at, "--send", r#"a"\\??=\x00\xff1\r\n"#, "--send", "é%d{}"];
        let output = run(language, &arguments, b"not read");
        let sent = b"a\"\\??=\x00\xff1\r\n\xc3\xa9%d{}";
        assert_eq!(peer.join().unwrap(), sent, "{language}");
        check(&output, &[&sent[..], &sent[..]].concat(), language);
    });
}

#[test]
fn messages_are_framed_by_their_length() {
    each_language(|language| {
        let (at, peer) = tcp_peer();
        let output = run(language, &[&at, "--frame", "u16le"], b"Hi!\n\nlast");
        let wire = b"\x03\0Hi!\0\0\x04\0last";
        assert_eq!(peer.join().unwrap(), wire, "{language}");
        check(&output, b"Hi!\n\nlast\nHi!\n\nlast\n", language);
        let (at, peer) = tcp_peer();
        let output = run(language, &[&at, "--frame", "u32", "--send", "Hi!"], b"");
        assert_eq!(peer.join().unwrap(), b"\0\0\0\x03Hi!", "{language}");
        check(&output, b"Hi!\nHi!\n", language);
    });
}

#[test]
fn lines_end_in_a_line_feed_and_sides_close_as_asked() {
    each_language(|language| {
        let (at, peer) = tcp_peer();
        let output = run(language, &[&at, "--frame", "lines"], b"one\ntwo");
        assert_eq!(peer.join().unwrap(), b"one\ntwo\n", "{language}");
        check(&output, b"one\ntwo\none\ntwo\n", language);

        let (at, peer) = tcp_peer();
        let output = run(
            language,
            &[&at, "--send", "x", "--half-close", "close"],
            b"",
        );
        assert_eq!(peer.join().unwrap(), b"x", "{language}");
        check(&output, b"", language);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap().to_string();
        let peer = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut heard = [0; 1];
            stream.read_exact(&mut heard).unwrap();
            stream.write_all(b"bye").unwrap();
        });
        let output = run(language, &[&at, "--send", "x", "--half-close", "keep"], b"");
        check(&output, b"bye", language);
        peer.join().unwrap();
    });
}

#[test]
fn datagrams_are_answered_or_lost() {
    each_language(|language| {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let at = format!("udp:{}", socket.local_addr().unwrap());
        let peer = std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            for _ in 0..4 {
                let (length, from) = socket.recv_from(&mut buffer).unwrap();
                if &buffer[..length] != b"lost" {
                    socket.send_to(&buffer[..length], from).unwrap();
                }
            }
            socket
        });
        check(
            &run(language, &[&at], b"one\n\nthree"),
            b"one\n\nthree\n",
            language,
        );
        let output = run(
            language,
            &[&at, "--send", "lost", "--timeout", "100ms"],
            b"",
        );
        assert_eq!(output.status.code(), Some(28), "{language}");
        peer.join().unwrap();
    });
}

#[test]
fn unix_sockets_of_both_kinds() {
    each_language(|language| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let peer = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).unwrap();
            stream.write_all(&heard).unwrap();
        });
        let output = run(language, &[path.to_str().unwrap(), "--send", "hi"], b"");
        check(&output, b"hi", language);
        peer.join().unwrap();

        let path = folder.path().join("d");
        let socket = UnixDatagram::bind(&path).unwrap();
        let peer = std::thread::spawn(move || {
            let mut buffer = [0; 100];
            let (length, from) = socket.recv_from(&mut buffer).unwrap();
            socket.send_to_addr(&buffer[..length], &from).unwrap();
        });
        let at = format!("unix-dgram:{}", path.display());
        check(
            &run(language, &[&at, "--send", "hi"], b""),
            b"hi\n",
            language,
        );
        peer.join().unwrap();
    });
}

#[test]
fn what_cannot_be_shown_is_refused() {
    for (arguments, word) in [
        (
            &["tls:example.org:443", "--show", "rust"][..],
            "half-close keep",
        ),
        (
            &["tls:example.org:443", "--half-close", "keep", "--show", "c"],
            "Python",
        ),
        (&[":7", "--frame", "netstring", "--show", "c"], "netstring"),
        (&[":7", "--hex", "--show", "python"], "--hex"),
        (&["seqpacket:/tmp/x", "--show", "python"], "seqpacket"),
        (&[":7,ttl=3", "--show", "python"], "options"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_wharf"))
            .arg("connect")
            .args(arguments)
            .output()
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(word), "{error}");
    }
}

#[test]
fn the_tls_client_is_python_that_compiles_and_verifies() {
    let shown = Command::new(env!("CARGO_BIN_EXE_wharf"))
        .args([
            "connect",
            "tls:example.org:443",
            "--half-close",
            "keep",
            "--show",
            "python",
        ])
        .output()
        .unwrap();
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("create_default_context()"), "{text}");
    let check = "import sys; compile(sys.argv[1], 'client.py', 'exec')";
    let status = Command::new("python3").args(["-c", check, &text]).status();
    assert!(status.unwrap().success());
}
