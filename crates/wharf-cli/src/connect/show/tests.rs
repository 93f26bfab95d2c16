//! Each shown server is compiled or run, and asked by a plain client.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Language, show_server};

/// A server that is stopped when it is dropped.
struct Running {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const LANGUAGES: [Language; 3] = [Language::Python, Language::Rust, Language::C];

fn start(service: &str, address: &str, language: Language) -> Running {
    let text = show_server(service, &address.parse().unwrap(), language).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut child = program(language, folder.path(), &text)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on "), "{line}\n{text}");
    let port = line.trim().rsplit(' ').next().unwrap().parse().unwrap_or(0);
    // Kept open, so that a message there ends no server.
    std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
    Running {
        child,
        port,
        _folder: folder,
    }
}

fn program(language: Language, folder: &Path, text: &str) -> Command {
    let (name, mut compiler) = match language {
        Language::Python => ("server.py", Command::new("python3")),
        Language::Rust => ("server.rs", Command::new("rustc")),
        Language::C => ("server.c", Command::new("cc")),
    };
    let source = folder.join(name);
    std::fs::write(&source, text).unwrap();
    match language {
        Language::Python => {
            compiler.arg(source);
            return compiler;
        }
        Language::Rust => compiler.args(["--edition", "2021", "-D", "warnings"]),
        Language::C => compiler.args(["-Wall", "-Wextra", "-Werror"]),
    };
    let binary = folder.join("server");
    let output = compiler
        .arg("-o")
        .arg(&binary)
        .arg(&source)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}\n{text}");
    Command::new(binary)
}

fn over_tcp(port: u16, text: &[u8]) -> Vec<u8> {
    let mut peer = TcpStream::connect(("127.0.0.1", port)).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut writer = peer.try_clone().unwrap();
    let text = text.to_vec();
    let sender = std::thread::spawn(move || {
        // A daytime server does not wait for what we send.
        let _ = writer.write_all(&text);
        let _ = writer.shutdown(Shutdown::Write);
    });
    let mut answer = Vec::new();
    peer.read_to_end(&mut answer).unwrap();
    sender.join().unwrap();
    answer
}

fn over_udp(port: u16, text: &[u8]) -> Vec<u8> {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    peer.send_to(text, ("127.0.0.1", port)).unwrap();
    let mut buffer = [0; 65536];
    let length = peer.recv(&mut buffer).unwrap();
    buffer[..length].to_vec()
}

fn first_lines(server: &mut Running, count: usize) -> Vec<String> {
    let stdout = BufReader::new(server.child.stdout.take().unwrap());
    stdout.lines().take(count).map(Result::unwrap).collect()
}

fn is_a_time(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    text.ends_with("\r\n") && text.matches(':').count() == 2 && text.len() == 26
}

#[test]
fn streams() {
    for language in LANGUAGES {
        let echo = start("echo", "127.0.0.1:0", language);
        let large: Vec<u8> = (0..3_000_000_u32)
            .map(|number| (number % 253) as u8)
            .collect();
        assert!(over_tcp(echo.port, &large) == large, "{language:?}");
        assert_eq!(over_tcp(echo.port, b"again"), b"again", "{language:?}");
        let upper = start("upper", ":0", language);
        assert_eq!(
            over_tcp(upper.port, b"abc \xff z"),
            b"ABC \xff Z",
            "{language:?}"
        );
        let daytime = start("daytime", "all:0", language);
        assert!(is_a_time(&over_tcp(daytime.port, b"")), "{language:?}");
        let discard = start("discard", "tcp4:127.0.0.1:0", language);
        assert_eq!(over_tcp(discard.port, &large), b"", "{language:?}");
        let mut message = start("message", ":0", language);
        assert_eq!(over_tcp(message.port, b"hello\nmore"), b"", "{language:?}");
        let lines = first_lines(&mut message, 3);
        assert_eq!(lines[2], "server received hello", "{language:?}");
    }
}

#[test]
fn datagrams() {
    for language in LANGUAGES {
        let echo = start("echo", "udp:127.0.0.1:0", language);
        assert_eq!(over_udp(echo.port, b"hello"), b"hello", "{language:?}");
        assert_eq!(over_udp(echo.port, b""), b"", "{language:?}");
        let upper = start("upper", "udp::0", language);
        assert_eq!(over_udp(upper.port, b"abc"), b"ABC", "{language:?}");
        let daytime = start("daytime", "udp::0", language);
        assert!(is_a_time(&over_udp(daytime.port, b"")), "{language:?}");
        let mut message = start("message", "udp::0", language);
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        peer.send_to(b"hello", ("127.0.0.1", message.port)).unwrap();
        let lines = first_lines(&mut message, 1);
        assert!(
            lines[0].starts_with("server received hello"),
            "{language:?}"
        );
        // It answers nobody, so that it runs is all there is to see.
        start("discard", "udp::0", language);
    }
}

#[test]
fn unix_sockets() {
    use std::os::unix::net::{UnixDatagram, UnixStream};
    for language in LANGUAGES {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let _server = start("echo", path.to_str().unwrap(), language);
        let mut peer = UnixStream::connect(&path).unwrap();
        peer.write_all(b"hello").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "hello", "{language:?}");

        let path = folder.path().join("d");
        let _server = start("echo", &format!("unix-dgram:{}", path.display()), language);
        let peer = UnixDatagram::bind(folder.path().join("c")).unwrap();
        peer.set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        peer.send_to(b"hello", &path).unwrap();
        let mut buffer = [0; 100];
        let length = peer.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], b"hello", "{language:?}");
    }
}

#[test]
fn what_is_not_known_is_refused() {
    let refused = |service: &str, address: &str| {
        let address = address.parse().unwrap();
        show_server(service, &address, Language::C).unwrap_err();
    };
    refused("chargen", ":0");
    refused("echo", "tls::0,self-signed");
    refused("echo", ":0,rcvbuf=1M");
}
