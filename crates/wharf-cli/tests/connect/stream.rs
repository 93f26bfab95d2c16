//! Over connections: what is carried, how each side ends, what the exit code says.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::Stdio;
use std::sync::mpsc;

use crate::support::{code, connect, peer, read_all, reset, stderr, stdout, wharf};

/// Ten megabytes in which every pair of bytes occurs.
fn ten_megabytes() -> Vec<u8> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    })
    .take(10 << 20)
    .collect()
}

#[test]
fn ten_megabytes_go_both_ways_unchanged() {
    let (at, server) = peer(|mut stream| {
        let mut out = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            out.write_all(&ten_megabytes()).unwrap();
            out.shutdown(Shutdown::Write).unwrap();
        });
        let heard = read_all(&mut stream);
        writer.join().unwrap();
        heard
    });
    let output = connect(&[&at], &ten_megabytes());
    assert_eq!(code(&output), 0, "{}", stderr(&output));
    assert!(output.stdout == ten_megabytes(), "received as sent");
    assert!(server.join().unwrap() == ten_megabytes(), "sent as given");
    assert_eq!(stderr(&output), "", "a pipe says nothing");
}

#[test]
fn an_answer_after_our_end_of_stream_is_awaited() {
    let (at, _server) = peer(|mut stream| {
        // Nothing is answered before the end of the input was read.
        let heard = read_all(&mut stream);
        for byte in heard {
            stream.write_all(&[byte.to_ascii_uppercase()]).unwrap();
        }
    });
    let output = connect(&[&at], b"late");
    assert_eq!((code(&output), &output.stdout[..]), (0, &b"LATE"[..]));
}

#[test]
fn a_peer_that_ended_its_side_still_gets_all_input() {
    let (at, server) = peer(|mut stream| {
        stream.write_all(b"bye").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        read_all(&mut stream)
    });
    let output = connect(&[&at], &vec![b'x'; 1 << 20]);
    assert_eq!((code(&output), &output.stdout[..]), (0, &b"bye"[..]));
    assert_eq!(server.join().unwrap().len(), 1 << 20);
}

#[test]
fn a_peer_that_closes_ends_the_command_though_stdin_is_open() {
    let (at, _server) = peer(|mut stream| stream.write_all(b"12:00\n").unwrap());
    let mut child = wharf(&["connect", &at])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Held open until the command has ended.
    let stdin = child.stdin.take();
    let mut text = String::new();
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_to_string(&mut text).unwrap();
    assert_eq!(text, "12:00\n");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    drop(stdin);
}

#[test]
fn a_reader_of_stdout_who_leaves_is_no_failure() {
    let (at, _server) = peer(|mut stream| while stream.write_all(&[b'y'; 65536]).is_ok() {});
    let mut child = wharf(&["connect", &at])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdin = child.stdin.take();
    let mut first = [0; 10];
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_exact(&mut first).unwrap();
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), stderr(&output)), (0, String::new()));
    drop(stdin);
}

#[test]
fn a_stdout_that_nobody_reads_does_not_stop_what_is_sent() {
    let (done, wait) = mpsc::channel();
    let (at, server) = peer(move |mut stream| {
        let mut out = stream.try_clone().unwrap();
        let writer = std::thread::spawn(move || {
            let _ = out.write_all(&[b'y'; 8 << 20]);
            let _ = out.shutdown(Shutdown::Write);
        });
        let heard = read_all(&mut stream).len();
        done.send(()).unwrap();
        writer.join().unwrap();
        heard
    });
    let mut child = wharf(&["connect", &at])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&vec![b'x'; 8 << 20]).unwrap();
    drop(stdin);
    // Only after the peer has everything is the first byte of the answer read.
    wait.recv().unwrap();
    let answer = read_all(&mut child.stdout.take().unwrap());
    assert_eq!(answer.len(), 8 << 20);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(server.join().unwrap(), 8 << 20);
}

#[test]
fn half_close_policies() {
    // keep: the peer is not told, and ends the conversation.
    let (at, _server) = peer(|mut stream| {
        let mut heard = [0; 2];
        stream.read_exact(&mut heard).unwrap();
        stream.set_nonblocking(true).unwrap();
        let more = stream.read(&mut [0; 1]);
        assert_eq!(more.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        stream.set_nonblocking(false).unwrap();
        stream.write_all(b"ok").unwrap();
    });
    let output = connect(&[&at, "--half-close", "keep"], b"hi");
    assert_eq!((code(&output), &output.stdout[..]), (0, &b"ok"[..]));
    // close: nothing is awaited.
    let (at, server) = peer(|mut stream| read_all(&mut stream));
    let output = connect(&[&at, "--half-close", "close"], b"hi");
    assert_eq!(code(&output), 0);
    assert_eq!(server.join().unwrap(), b"hi");
}

#[test]
fn linger_bounds_the_wait_for_a_silent_peer() {
    let (end, wait) = mpsc::channel::<()>();
    let (at, _server) = peer(move |mut stream| {
        stream.write_all(b"first").unwrap();
        let heard = read_all(&mut stream);
        // The peer stays silent for as long as the command runs.
        let _ = wait.recv();
        heard
    });
    let output = connect(&[&at, "--linger", "50ms"], b"hi");
    assert_eq!((code(&output), &output.stdout[..]), (0, &b"first"[..]));
    drop(end);
}

#[test]
fn what_is_expected_ends_the_command_at_once() {
    let (end, wait) = mpsc::channel::<()>();
    let (at, _server) = peer(move |mut stream| {
        let mut heard = [0; 6];
        stream.read_exact(&mut heard).unwrap();
        stream.write_all(b"220 REA").unwrap();
        stream.write_all(b"DY\r\n").unwrap();
        let _ = wait.recv();
    });
    let output = connect(&[&at, "--send", r"EHLO\r\n", "--expect", r"READY\r"], b"");
    assert_eq!(
        (code(&output), &output.stdout[..]),
        (0, &b"220 READY\r\n"[..])
    );
    drop(end);
}

#[test]
fn what_does_not_come_is_a_failed_check_with_evidence() {
    let (at, _server) = peer(|mut stream| {
        read_all(&mut stream);
        stream.write_all(b"BUSY\n").unwrap();
    });
    let output = connect(&[&at, "--send", "x", "--expect", "READY"], b"");
    assert_eq!(code(&output), 5);
    let text = stderr(&output);
    assert!(
        text.contains("did not send \"READY\" before the end"),
        "{text}"
    );
    assert!(text.contains(r#"received "BUSY\n""#), "{text}");

    let (end, wait) = mpsc::channel::<()>();
    let (at, _server) = peer(move |_stream| {
        // The sender is dropped when the test is done.
        let _ = wait.recv();
    });
    let arguments = [&at, "--send", "x", "--expect", "READY", "--timeout", "50ms"];
    let output = connect(&arguments, b"");
    assert_eq!(code(&output), 5);
    assert!(stderr(&output).contains("in time"), "{}", stderr(&output));
    drop(end);
}

#[test]
fn a_reset_is_a_broken_peer() {
    let (at, _server) = peer(|mut stream| {
        let mut heard = [0; 2];
        stream.read_exact(&mut heard).unwrap();
        stream.write_all(b"so far").unwrap();
        reset(stream);
    });
    let output = connect(&[&at, "--half-close", "keep"], b"hi");
    assert_eq!(code(&output), 4);
    let text = stderr(&output);
    assert!(
        text.contains(&format!("{at} reset the connection")),
        "{text}"
    );
    assert!(text.contains("sent 2 B"), "{text}");
}

#[test]
fn input_that_a_peer_did_not_take_is_not_passed_over() {
    let (at, _server) = peer(|mut stream| {
        // Not at once: a connection that is reset in the moment it opens was never open.
        stream.read_exact(&mut [0]).unwrap();
        reset(stream);
    });
    let output = connect(&[&at], &vec![b'x'; 8 << 20]);
    assert_eq!(code(&output), 4, "{}", stderr(&output));
}

#[test]
fn nobody_listens_and_nobody_is_called_so() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let at = free.local_addr().unwrap().to_string();
    drop(free);
    let output = connect(&[&at], b"");
    assert_eq!(code(&output), 7);
    assert!(stderr(&output).contains("refused"), "{}", stderr(&output));
    // A name of RFC 6761 that never resolves; a blank is refused without a server.
    let output = connect(&["nobody.invalid:80"], b"");
    assert_eq!(code(&output), 6, "{}", stderr(&output));
    let output = connect(&["127.0.0.1:70000"], b"");
    assert_eq!(code(&output), 2);
}

#[test]
fn ctrl_c_ends_it_with_130() {
    let (told, wait) = mpsc::channel();
    let (at, _server) = peer(move |mut stream| {
        let mut heard = [0; 2];
        stream.read_exact(&mut heard).unwrap();
        told.send(()).unwrap();
        read_all(&mut stream)
    });
    let mut child = wharf(&["connect", &at])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"hi").unwrap();
    wait.recv().unwrap();
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn unix_sockets_carry_streams_and_packets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let heard = read_all(&mut stream);
        stream.write_all(&heard).unwrap();
    });
    let output = connect(&[path.to_str().unwrap()], b"over a file");
    assert_eq!((code(&output), &*stdout(&output)), (0, "over a file"));
    server.join().unwrap();

    let path = folder.path().join("p");
    let kind = socket2::Type::from(libc_seqpacket());
    let listener = socket2::Socket::new(socket2::Domain::UNIX, kind, None).unwrap();
    listener
        .bind(&socket2::SockAddr::unix(&path).unwrap())
        .unwrap();
    listener.listen(1).unwrap();
    let server = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut buffer = [0; 100];
        let count = socket.read(&mut buffer).unwrap();
        socket.write_all(&buffer[..count]).unwrap();
    });
    let address = format!("seqpacket:{}", path.display());
    let output = connect(&[&address], b"a packet");
    assert_eq!((code(&output), &*stdout(&output)), (0, "a packet"));
    server.join().unwrap();
}

/// `SOCK_SEQPACKET` (linux/net.h).
fn libc_seqpacket() -> i32 {
    5
}
